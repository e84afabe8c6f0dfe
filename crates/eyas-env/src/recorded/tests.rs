//! Recorded tasks give the bits of blocks, and their slopes are those of the adjoints by hand.

mod block_bits;
mod slopes;

use eyas_lanes::{Fields, Map, Number, Stream};
use eyas_sim::VehicleParameters;
use eyas_trace::{Program, Replay};

use crate::{DirectConfig, PointConfig, RaptorConfig};

/// The numbers of a family in their order.
pub(crate) fn numbers<F: Fields, R: Number>(values: &F::Of<R>) -> Vec<R> {
    struct Collect<R>(Vec<R>);
    impl<R: Number> Map<R, ()> for Collect<R> {
        fn one(&mut self, value: &R) {
            self.0.push(*value);
        }
    }
    let mut collect = Collect(Vec::new());
    F::map(values, &mut collect);
    collect.0
}

/// The family of some numbers in their order.
fn made<F: Fields>(numbers: &[f64]) -> F::Of<f64> {
    struct Next<'a>(std::slice::Iter<'a, f64>);
    impl Map<(), f64> for Next<'_> {
        fn one(&mut self, (): &()) -> f64 {
            *self.0.next().expect("a number for each of the family")
        }
    }
    let mut next = Next(numbers.iter());
    let made = F::map(&F::splat(()), &mut next);
    assert!(next.0.next().is_none(), "{} numbers are too many", numbers.len());
    made
}

/// The inputs of a program out of named groups; those that it does not take are left.
pub(crate) fn arranged<R: Copy>(program: &Program, groups: &[(&str, Vec<R>)]) -> Vec<R> {
    let mut inputs = Vec::new();
    for group in program.inputs() {
        let (_, values) = groups
            .iter()
            .find(|(name, _)| *name == group.name)
            .unwrap_or_else(|| panic!("no `{}`", group.name));
        assert_eq!(values.len(), group.range.len(), "{}", group.name);
        inputs.extend_from_slice(values);
    }
    inputs
}

/// The replay of a program that draws nothing.
pub(crate) fn replayed<'a>(program: &'a Program, groups: &[(&str, Vec<f32>)]) -> Replay<'a, f32> {
    program.replay(&arranged(program, groups), |draw| unreachable!("{draw}"))
}

/// The same bits, but for those of what is no number.
pub(crate) fn same(name: &str, lane: usize, found: &[f32], expected: &[f32]) {
    assert_eq!(found.len(), expected.len(), "{name}");
    for (index, (found, expected)) in found.iter().zip(expected).enumerate() {
        let is_same = found.to_bits() == expected.to_bits() || found.is_nan() && expected.is_nan();
        assert!(is_same, "{name} {index} of lane {lane}: {found:e} against {expected:e}");
    }
}

/// Normally distributed.
pub(crate) fn normal(name: &str, case: u32, index: usize) -> f64 {
    f64::from(Stream::new(41, name).normals([index as u32, case, 0, 0])[0])
}

/// Rotors that push to the side, and a body whose axes are not those of its moment of inertia.
pub(crate) fn askew(parameters: &VehicleParameters) -> VehicleParameters {
    let mut askew = parameters.clone();
    for (rotor, direction) in askew.rotor_thrust_directions.iter_mut().enumerate() {
        let tilt = 0.05 * (rotor as f64 + 1.0);
        let (sine, cosine) = libm::sincos(tilt);
        *direction = [0.6 * sine, -0.8 * sine, cosine];
    }
    for matrix in [&mut askew.inertia, &mut askew.inertia_inverse] {
        for (row, column) in [(0, 1), (1, 2), (0, 2)] {
            let product = 0.07 * (matrix[row][row] * matrix[column][column]).sqrt();
            matrix[row][column] = product;
            matrix[column][row] = product;
        }
    }
    assert!(!askew.is_aligned());
    askew
}

/// The point task with targets that move in most episodes.
fn point() -> PointConfig {
    PointConfig { prob_null_trajectory: 0.25, episode_length_s: 0.9, ..PointConfig::default() }
}

fn raptor() -> RaptorConfig {
    RaptorConfig { prob_null_trajectory: 0.25, episode_length_s: 0.9, ..RaptorConfig::default() }
}

fn direct() -> DirectConfig {
    DirectConfig { episode_length_s: 0.9, ..DirectConfig::default() }
}
