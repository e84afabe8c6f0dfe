//! A policy over many episodes.

use eyas_learn::{Controller, Evaluation};
use eyas_run::{Layers, Origin};
use eyas_vehicles::FleetVehicle;

use crate::configuration::AgentConfig;
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
}

/// The configuration of an evaluation before files, overrides and flags change it: the task, along a trajectory if one is
/// asked for.
pub fn layers(task: &dyn AnyTask, trajectory: Settings) -> Result<Layers, Failure> {
    let mut layers =
        Layers::of_groups([("env", task.layers()?), ("agent", Layers::documented(&AgentConfig::default())?)]);
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
/// If there is nothing to fly, or a number of the flight is not finite.
pub fn evaluate(config: &EvaluateConfig, controller: &dyn Controller) -> Result<Evaluation, Failure> {
    let EvaluateConfig { task, vehicles, episodes, steps, seed } = *config;
    if episodes == 0 || steps == 0 {
        return Err(Failure::new("`--episodes` and `--steps` must be at least 1"));
    }
    let mut envs = envs_of(task, vehicles, episodes, seed);
    Ok(eyas_learn::evaluate(envs.as_mut(), controller, None, steps)?)
}
