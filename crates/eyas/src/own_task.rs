//! A run as its files tell it: its best policy, and the task that it learned in.

use std::path::{Path, PathBuf};

use eyas_run::{ConfigError, Layers, Origin, Value};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::flyable::Flyable;

/// Policies of a run, the first that there is being its best.
const BEST: [&str; 3] = ["best_student.pt", "best_model.pt", "final_student.pt"];

/// The part of a run's configuration that a flight needs.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Config<T> {
    env: T,
}

/// The best policy of a run, if it has one yet.
pub(crate) fn best_policy(run: &Path) -> Option<PathBuf> {
    BEST.map(|name| run.join(name)).into_iter().find(|path| path.is_file())
}

/// The configuration of a run's task, if it is one of that type.
pub(crate) fn own<T: Flyable + Default>(run: &Path) -> Result<T, ConfigError> {
    Ok(layers_of_file::<T>(&run.join("params/env.yaml"))?.finish::<Config<T>>()?.env)
}

/// The group `env` of a file that holds nothing else.
pub(crate) fn layers_of_file<T: Flyable + Default>(path: &Path) -> Result<Layers, ConfigError> {
    let mut layers = Layers::documented(&Config::<T>::default())?;
    layers.file_under("env", path)?;
    Ok(layers)
}

/// The task of a run as `eyas play` flies it, with further settings.
pub(crate) fn played<T: Flyable>(
    env: &T,
    num_envs: usize,
    settings: Vec<(&str, Value)>,
) -> Result<T, ConfigError> {
    let mut layers = Layers::new(&Config { env: env.clone() })?;
    layers.set("env.scene.num_envs", num_envs, Origin::flag("--num_envs"))?;
    for (key, value) in T::play().into_iter().chain(settings) {
        layers.set(key, value, Origin::Preset("play".into()))?;
    }
    Ok(layers.finish::<Config<T>>()?.env)
}
