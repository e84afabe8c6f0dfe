//! A task by its configuration.

use std::fmt::Debug;

use eyas_sim::VehicleParameters;
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{EnvSpec, VecEnv};

/// The configuration of a task, and what there is to know of the task itself.
pub trait TaskConfig:
    Clone + Debug + PartialEq + Serialize + DeserializeOwned + JsonSchema + Send + Sync + 'static
{
    /// Its id.
    const ID: &'static str;
    /// Control steps of an episode that measures a policy.
    const EVALUATION_STEPS: u32;

    /// `num_envs` envs whose every draw is keyed by `seed`; all wait for a reset.
    ///
    /// # Panics
    ///
    /// If the configuration is not valid.
    fn make(&self, num_envs: usize, seed: u64) -> Box<dyn VecEnv>;

    /// What the task observes, takes and ends by.
    fn spec(&self) -> EnvSpec {
        self.make(1, 0).spec().clone()
    }

    /// Checks ranges; the message names key, value and what would be right.
    fn validate(&self) -> Result<(), String>;

    /// Number of envs.
    fn num_envs(&self) -> usize;

    /// Control period, s.
    fn control_period(&self) -> f64;

    /// Length of an episode, s.
    fn episode_length_s(&self) -> f64;

    /// Control steps in an episode, rounded up.
    fn max_episode_length(&self) -> u32 {
        // A hair below the quotient, so that 96 s / 0.01 s is 9600 and not 9601.
        (self.episode_length_s() / self.control_period() - 1e-6).ceil().max(1.0) as u32
    }

    /// What flies.
    fn vehicle(&self) -> &VehicleParameters;

    /// The same without a time limit that one could reach.
    fn untimed(&self) -> Self;
}

/// A time limit that no episode reaches, s.
pub(crate) const FOREVER_S: f64 = 1e6;
