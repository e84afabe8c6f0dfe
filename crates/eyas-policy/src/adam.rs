//! Adam with the arithmetic of PyTorch, and its gradient clipping.

use eyas_lanes::{Kernel, LANES, Lanes, Real, dispatch};
use rayon::prelude::*;

/// Moments and step count of `torch.optim.Adam` (no weight decay, no `amsgrad`).
#[derive(Clone, Debug, PartialEq)]
pub struct Adam {
    /// Steps taken.
    pub step: u64,
    /// First moments, one for each parameter.
    pub exp_avg: Vec<f32>,
    /// Second moments, one for each parameter.
    pub exp_avg_sq: Vec<f32>,
}

/// β₁ of PyTorch's default.
const BETA1: f32 = 0.9;
/// β₂ of PyTorch's default.
const BETA2: f32 = 0.999;
/// ε of PyTorch's default, outside the square root.
const EPSILON: f32 = 1e-8;

/// Parameters that a thread takes at once: below that, telling another thread costs more than it saves.
pub const PARAMETERS_AT_ONCE: usize = 16_384;

impl Adam {
    /// No step taken.
    #[must_use]
    pub fn new(num_parameters: usize) -> Self {
        Self { step: 0, exp_avg: vec![0.0; num_parameters], exp_avg_sq: vec![0.0; num_parameters] }
    }

    /// Counts a step, and gives its `η/(1 − β₁ᵗ)` and `1/√(1 − β₂ᵗ)`.
    pub fn begin_step(&mut self, learning_rate: f32) -> [f32; 2] {
        self.step += 1;
        let power = self.step.min(i32::MAX as u64) as i32;
        let step_size = f64::from(learning_rate) / (1.0 - f64::from(BETA1).powi(power));
        let root_correction = 1.0 / (1.0 - f64::from(BETA2).powi(power)).sqrt();
        [step_size as f32, root_correction as f32]
    }

    /// One update: `θ ← θ − (η/(1 − β₁ᵗ)) · m / (√v/√(1 − β₂ᵗ) + ε)`.
    ///
    /// # Panics
    ///
    /// If there are not as many gradients as parameters and moments.
    pub fn update(&mut self, parameters: &mut [f32], gradient: &[f32], learning_rate: f32) {
        let [step_size, root_correction] = self.begin_step(learning_rate);
        let lengths = [gradient.len(), self.exp_avg.len(), self.exp_avg_sq.len()];
        assert_eq!(lengths, [parameters.len(); 3], "one gradient and two moments for each parameter");
        let shares =
            parameters.par_chunks_mut(PARAMETERS_AT_ONCE).zip(gradient.par_chunks(PARAMETERS_AT_ONCE));
        let moments = self
            .exp_avg
            .par_chunks_mut(PARAMETERS_AT_ONCE)
            .zip(self.exp_avg_sq.par_chunks_mut(PARAMETERS_AT_ONCE));
        shares.zip(moments).for_each(|((parameters, gradient), (first, second))| {
            dispatch(Update { parameters, gradient, first, second, step_size, root_correction });
        });
    }
}

struct Update<'a> {
    parameters: &'a mut [f32],
    gradient: &'a [f32],
    first: &'a mut [f32],
    second: &'a mut [f32],
    step_size: f32,
    root_correction: f32,
}

impl Kernel for Update<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let factors = [self.step_size, self.root_correction];
        let (parameters, parameter_tail) = self.parameters.as_chunks_mut::<LANES>();
        let (gradients, gradient_tail) = self.gradient.as_chunks::<LANES>();
        let (firsts, first_tail) = self.first.as_chunks_mut::<LANES>();
        let (seconds, second_tail) = self.second.as_chunks_mut::<LANES>();
        let moments = firsts.iter_mut().zip(seconds);
        for ((parameter, gradient), (first, second)) in parameters.iter_mut().zip(gradients).zip(moments) {
            step::<L>(parameter, gradient, first, second, factors);
        }
        let mut tails = [[0.0; LANES]; 4];
        let length = gradient_tail.len();
        let sources: [&[f32]; 4] = [parameter_tail, gradient_tail, first_tail, second_tail];
        for (tail, source) in tails.iter_mut().zip(sources) {
            tail[..length].copy_from_slice(source);
        }
        let [parameter, gradient, first, second] = &mut tails;
        step::<L>(parameter, gradient, first, second, factors);
        parameter_tail.copy_from_slice(&parameter[..length]);
        first_tail.copy_from_slice(&first[..length]);
        second_tail.copy_from_slice(&second[..length]);
    }
}

#[inline(always)]
fn step<L: Lanes>(
    parameter: &mut [f32; LANES],
    gradient: &[f32; LANES],
    first: &mut [f32; LANES],
    second: &mut [f32; LANES],
    [step_size, root_correction]: [f32; 2],
) {
    let moments = [L::from_array(first), L::from_array(second)];
    let factors = [L::splat(step_size), L::splat(root_correction)];
    let (value, [mean, square]) =
        adam_step(L::from_array(parameter), L::from_array(gradient), moments, factors);
    *first = mean.to_array();
    *second = square.to_array();
    *parameter = value.to_array();
}

/// A parameter and its two moments after an update, by the factors of [`Adam::begin_step`].
#[inline(always)]
pub fn adam_step<R: Real>(
    parameter: R,
    gradient: R,
    [mean, square]: [R; 2],
    [step_size, root_correction]: [R; 2],
) -> (R, [R; 2]) {
    let constant = |value: f32| R::constant(f64::from(value));
    let mean = (gradient - mean).mul_add(constant(1.0 - BETA1), mean);
    let gained = gradient * gradient * constant(1.0 - BETA2);
    let square = square.mul_add(constant(BETA2), gained);
    let root = square.sqrt().mul_add(root_correction, constant(EPSILON));
    (parameter - step_size * mean / root, [mean, square])
}

/// Scales a gradient so that its Euclidean norm is at most `max_norm`, as `clip_grad_norm_` does:
/// by `max_norm / (norm + 1e-6)` if that is below 1. Returns the norm before.
pub fn clip_gradient_norm(gradient: &mut [f32], max_norm: f32) -> f32 {
    let norm = dispatch(SumOfSquares(gradient)).sqrt() as f32;
    let factor = max_norm / (norm + 1e-6);
    if factor < 1.0 {
        for value in gradient {
            *value *= factor;
        }
    }
    norm
}

struct SumOfSquares<'a>(&'a [f32]);

impl Kernel for SumOfSquares<'_> {
    type Output = f64;

    /// Lanes of `f32` within a stretch, `f64` over the stretches.
    #[inline(always)]
    fn run<L: Lanes>(self) -> f64 {
        let mut total = 0.0;
        for stretch in self.0.chunks(256 * LANES) {
            let (chunks, tail) = stretch.as_chunks::<LANES>();
            let mut sum = L::splat(0.0);
            for chunk in chunks {
                let values = L::from_array(chunk);
                sum = values.mul_add(values, sum);
            }
            total += sum.to_array().iter().map(|value| f64::from(*value)).sum::<f64>();
            total += tail.iter().map(|value| f64::from(*value) * f64::from(*value)).sum::<f64>();
        }
        total
    }
}
