//! A run as its files tell it: its best policy, and the task that it learned in.

use std::path::{Path, PathBuf};

use eyas_env::{PointConfig, RaptorConfig, TaskConfig};
use eyas_run::{ConfigError, Layers, Origin, Value};
use serde::{Deserialize, Serialize};

use crate::flyable::Flyable;

/// Policies of a run, the first that there is being its best.
const BEST: [&str; 3] = ["best_student.pt", "best_model.pt", "final_student.pt"];

/// The part of a run's configuration that a flight needs.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Config<T> {
    env: T,
}

/// The best policy of a run, if it has one yet.
pub(crate) fn best_policy(run: &Path) -> Option<PathBuf> {
    BEST.map(|name| run.join(name)).into_iter().find(|path| path.is_file())
}

/// The id of the task of a run. No file names it: the keys of `params/env.yaml` tell, of which the tasks share few.
pub(crate) fn task_of(run: &Path) -> Result<&'static str, ConfigError> {
    let Err(unreadable) = env_of::<PointConfig>(run, 1, Vec::new()) else { return Ok(PointConfig::ID) };
    env_of::<RaptorConfig>(run, 1, Vec::new()).map(|_| RaptorConfig::ID).map_err(|_| unreadable)
}

/// The task of a run as `eyas play` flies it, with further settings.
pub(crate) fn env_of<T: Flyable>(
    run: &Path,
    num_envs: usize,
    settings: Vec<(&str, Value)>,
) -> Result<T, ConfigError> {
    let mut layers = Layers::new(&Config::<T>::default())?;
    layers.file_under("env", run.join("params/env.yaml"))?;
    layers.set("env.scene.num_envs", num_envs, Origin::flag("--num_envs"))?;
    for (key, value) in T::play().into_iter().chain(settings) {
        layers.set(key, value, Origin::Preset("play".into()))?;
    }
    Ok(layers.finish::<Config<T>>()?.env)
}
