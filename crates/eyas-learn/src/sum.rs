//! Sums of what shards of a batch found.

use eyas_policy::PARAMETERS_AT_ONCE;
use rayon::prelude::*;

/// `sum = scale Σ parts`, the parts in their order.
pub(crate) fn sum_scaled<'a>(sum: &mut [f32], scale: f32, parts: impl Iterator<Item = &'a [f32]>) {
    let parts: Vec<&[f32]> = parts.collect();
    sum.par_chunks_mut(PARAMETERS_AT_ONCE).enumerate().for_each(|(index, sum)| {
        sum.fill(0.0);
        for part in &parts {
            for (sum, value) in sum.iter_mut().zip(&part[index * PARAMETERS_AT_ONCE..]) {
                *sum += scale * value;
            }
        }
    });
}
