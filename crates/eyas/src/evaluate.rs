//! A policy over many episodes.

use std::path::Path;

use eyas_learn::{Controller, Evaluation, OnNan};
use eyas_run::{Layers, Origin};
use eyas_vehicles::FleetVehicle;

use crate::configuration::{AgentConfig, SEED_KEY};
use crate::device::EpisodeDevice;
use crate::failure::Failure;
use crate::flyable::Settings;
use crate::tasks::AnyTask;
use crate::teachers::envs_of;

/// What an evaluation is made of.
pub struct EvaluateConfig<'a> {
    /// What is flown, without a time limit that the steps reach.
    pub task: &'a dyn AnyTask,
    /// Vehicles that are flown in turns, instead of the task's own.
    pub vehicles: &'a [FleetVehicle],
    /// Episodes. At least 1.
    pub episodes: usize,
    /// Longest episode, control steps. At least 1.
    pub steps: u32,
    /// Seed of the starts.
    pub seed: u64,
    /// Where they fly.
    pub device: EpisodeDevice,
    /// What becomes of an env with a number that is not finite.
    pub on_nan: OnNan,
}

/// Seed of whatever measures or shows a policy, if not said otherwise: neither that of a training nor one that a policy was
/// chosen by.
pub const SEED: u64 = 0xe7a1_0001;
/// What the seed of a measurement is said to come from.
const MEASUREMENT: &str = "measurement";

/// Gives the configuration of a command that measures [`SEED`] in the place of the seed of trainings.
pub fn set_seed(layers: &mut Layers) -> Result<(), Failure> {
    layers.set(SEED_KEY, SEED as i64, Origin::Preset(MEASUREMENT.into()))?;
    Ok(())
}

/// Whether a configuration is that of a measurement, and nobody has asked for another seed yet.
pub(crate) fn has_own_seed(layers: &Layers) -> bool {
    layers.origin(SEED_KEY) == Some(&Origin::Preset(MEASUREMENT.into()))
}

/// A seed of measurements, or its neighbour where a training has just that: what is measured never starts as it was trained.
pub(crate) fn apart_from(training_seed: u64, seed: u64) -> u64 {
    if seed == training_seed { seed + 1 } else { seed }
}

/// The configuration of an evaluation before files, overrides and flags change it: the task, along a trajectory if one is
/// asked for.
pub fn layers(task: &dyn AnyTask, trajectory: Settings) -> Result<Layers, Failure> {
    let mut layers =
        Layers::of_groups([("env", task.layers()?), ("agent", Layers::documented(&AgentConfig::default())?)]);
    set_seed(&mut layers)?;
    for (key, value) in trajectory {
        layers.set(key, value, Origin::flag("--trajectory"))?;
    }
    layers.set("agent.experiment_name", task.experiment(), Origin::Preset("task".into()))?;
    Ok(layers)
}

/// Measures whoever flies.
///
/// # Errors
///
/// If there is nothing to fly, or a number of the flight is not finite: the black box is left in the working folder.
pub fn evaluate(config: &EvaluateConfig, controller: &dyn Controller) -> Result<Evaluation, Failure> {
    let EvaluateConfig { task, vehicles, episodes, steps, seed, ref device, on_nan } = *config;
    if episodes == 0 || steps == 0 {
        return Err(Failure::new("`--episodes` and `--steps` must be at least 1"));
    }
    let mut envs = envs_of(task, vehicles, episodes, seed);
    envs.set_on_nan(on_nan);
    device.lend(envs.as_mut());
    let flown = eyas_learn::evaluate(envs.as_mut(), controller, None, steps);
    // An evaluation makes no folder of a run.
    let evaluation = flown
        .map_err(|error| Failure::from(error).not_finite_in_flight(("the flight", seed), Path::new("")))?;
    Ok(evaluation.of_vehicles(vehicles.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_measurement_never_starts_as_the_training_of_a_seed() {
        for training in [0, 42, 0xe7a1, 0xe7a2, SEED, u64::MAX] {
            for seed in [0xe7a1, 0xad31, 0xf1a1, SEED] {
                let own = apart_from(training, seed);
                assert!(own != training && own.abs_diff(seed) <= 1, "{training} {seed}");
            }
        }
    }
}
