//! The task that a run learned in, as its files tell it.

use std::path::Path;

use eyas_run::{ConfigError, Layers, Origin, Value};

use crate::tasks::{self, AnyTask, layers_of_file};

/// The task of a run, configured as there. No file names it: the keys of `params/env.yaml` tell, of which the tasks
/// share few.
pub fn task_of_run(run: &Path) -> Result<Box<dyn AnyTask>, ConfigError> {
    let path = run.join("params/env.yaml");
    let read = |task: &dyn AnyTask| task.read(&layers_of_file(task, &path)?);
    let [first, others @ ..] = tasks::defaults();
    let unreadable = match read(first.as_ref()) {
        Ok(task) => return Ok(task),
        Err(error) => error,
    };
    others.iter().find_map(|task| read(task.as_ref()).ok()).ok_or(unreadable)
}

/// The task of a run as `eyas play` flies it, with further settings.
pub fn played(
    task: &dyn AnyTask,
    num_envs: usize,
    settings: Vec<(&str, Value)>,
) -> Result<Box<dyn AnyTask>, ConfigError> {
    let mut layers = Layers::of_groups([("env", task.layers()?)]);
    layers.set("env.scene.num_envs", num_envs, Origin::flag("--num_envs"))?;
    for (key, value) in task.play().into_iter().chain(settings) {
        layers.set(key, value, Origin::Preset("play".into()))?;
    }
    task.read(&layers)
}
