//! Adam with the arithmetic of PyTorch, and its gradient clipping.

/// Moments and step count of `torch.optim.Adam` (no weight decay, no AMSGrad).
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

impl Adam {
    /// No step taken.
    #[must_use]
    pub fn new(num_parameters: usize) -> Self {
        Self { step: 0, exp_avg: vec![0.0; num_parameters], exp_avg_sq: vec![0.0; num_parameters] }
    }

    /// One update: `θ ← θ − (η/(1 − β₁ᵗ)) · m / (√v/√(1 − β₂ᵗ) + ε)`.
    pub fn update(&mut self, parameters: &mut [f32], gradient: &[f32], learning_rate: f32) {
        self.step += 1;
        let power = self.step.min(i32::MAX as u64) as i32;
        let step_size = (f64::from(learning_rate) / (1.0 - f64::from(BETA1).powi(power))) as f32;
        let root_correction = (1.0 / (1.0 - f64::from(BETA2).powi(power)).sqrt()) as f32;
        let moments = self.exp_avg.iter_mut().zip(&mut self.exp_avg_sq);
        for ((parameter, gradient), (first, second)) in parameters.iter_mut().zip(gradient).zip(moments) {
            *first += (gradient - *first) * (1.0 - BETA1);
            *second = *second * BETA2 + gradient * gradient * (1.0 - BETA2);
            *parameter -= step_size * *first / (second.sqrt() * root_correction + EPSILON);
        }
    }
}

/// Scales a gradient so that its Euclidean norm is at most `max_norm`, as `clip_grad_norm_` does:
/// by `max_norm / (norm + 1e-6)` if that is below 1. Returns the norm before.
pub fn clip_gradient_norm(gradient: &mut [f32], max_norm: f32) -> f32 {
    let norm = gradient.iter().map(|value| f64::from(*value) * f64::from(*value)).sum::<f64>().sqrt() as f32;
    let factor = max_norm / (norm + 1e-6);
    if factor < 1.0 {
        gradient.iter_mut().for_each(|value| *value *= factor);
    }
    norm
}
