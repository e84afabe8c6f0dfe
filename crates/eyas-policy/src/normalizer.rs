//! Running observation normaliser with the semantics of rsl_rl, and the limit that other libraries put on it.

use serde::{Deserialize, Serialize};

/// `y = (x − mean) / (std + ε)`, the `EmpiricalNormalization` of rsl_rl (every version).
///
/// rl_games, skrl, sample-factory and Stable-Baselines3 add another ε, which the deviation here makes up for, and limit
/// what comes out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Normalizer {
    /// Running mean, one per feature.
    pub mean: Vec<f32>,
    /// Running population variance, one per feature.
    pub var: Vec<f32>,
    /// Square root of the variance as stored, one per feature.
    pub std: Vec<f32>,
    /// Number of samples seen.
    pub count: u64,
    /// Limits `y` to `[−clip, clip]`; positive. rsl_rl has no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clip: Option<f32>,
}

impl Normalizer {
    /// Added to the standard deviation, as in rsl_rl.
    pub const EPSILON: f32 = 1e-2;

    /// Mean 0, variance 1, no sample seen.
    #[must_use]
    pub fn new(width: usize) -> Self {
        Self { mean: vec![0.0; width], var: vec![1.0; width], std: vec![1.0; width], count: 0, clip: None }
    }

    /// Merges a batch given by its size, mean and population variance for each feature.
    ///
    /// rsl_rl's update: `rate = n / count`, `mean += rate·Δ`,
    /// `var += rate·(var_batch − var + Δ·(mean_batch − mean_new))`.
    pub fn update(&mut self, samples: u64, batch_mean: &[f64], batch_var: &[f64]) {
        self.count += samples;
        let rate = samples as f64 / self.count as f64;
        for feature in 0..self.mean.len() {
            let mean = f64::from(self.mean[feature]);
            let var = f64::from(self.var[feature]);
            let delta = batch_mean[feature] - mean;
            let new_mean = mean + rate * delta;
            let new_var = var + rate * (batch_var[feature] - var + delta * (batch_mean[feature] - new_mean));
            self.mean[feature] = new_mean as f32;
            self.var[feature] = new_var as f32;
            self.std[feature] = new_var.sqrt() as f32;
        }
    }

    /// What multiplies a centred feature: `1 / (std + ε)`.
    #[must_use]
    pub fn scale(&self) -> Vec<f32> {
        self.std.iter().map(|std| 1.0 / (std + Self::EPSILON)).collect()
    }
}
