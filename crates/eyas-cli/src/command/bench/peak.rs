//! The most multiply-adds that a core can do: what networks are compared with.

use std::hint::black_box;
use std::time::Instant;

use eyas_lanes::{Kernel, LANES, Lanes, dispatch};

/// Chains of multiply-adds that do not wait for each other; a core needs about eight registers of them.
struct Chains<const N: usize> {
    rounds: usize,
}

impl<const N: usize> Kernel for Chains<N> {
    type Output = f32;

    #[inline(always)]
    fn run<L: Lanes>(self) -> f32 {
        let (factor, term) = (L::splat(black_box(0.999)), L::splat(black_box(0.001)));
        // Sums that are known to be equal would be computed once for all.
        let mut sums = std::array::from_fn::<L, N, _>(|_| L::from_array(&black_box([1.0; LANES])));
        for _ in 0..self.rounds {
            for sum in &mut sums {
                *sum = sum.mul_add(factor, term);
            }
        }
        // Lanes that nobody reads would not be computed.
        sums.iter().flat_map(|sum| sum.to_array()).sum()
    }
}

/// Measured peak of one core, 10⁹ single-precision operations a second; a multiply-add is two.
pub(super) fn gflops() -> f64 {
    const ROUNDS: usize = 200_000;
    let measure = |chains: usize, run: &dyn Fn() -> f32| {
        let best = (0..20).map(|_| {
            let start = Instant::now();
            black_box(run());
            start.elapsed().as_secs_f64()
        });
        (2 * LANES * chains * ROUNDS) as f64 / best.fold(f64::INFINITY, f64::min) / 1e9
    };
    // Sixteen lanes are four registers of NEON, two of AVX2 and one of AVX-512: the best number of chains differs.
    measure(6, &|| dispatch(Chains::<6> { rounds: ROUNDS }))
        .max(measure(12, &|| dispatch(Chains::<12> { rounds: ROUNDS })))
}
