//! The task that a run learned in, as its files tell it.

use std::path::Path;

use eyas_env::UnknownTask;
use eyas_run::resumes::RunSettings;
use eyas_run::{ConfigError, Layers, Origin, Value, manifest};

use crate::failure::Failure;
use crate::tasks::{self, AnyTask, layers_of_file};

/// The task of a run, configured as there by the last process that went on with it: the one that its manifest names. Runs of before tasks were written down are told
/// apart by their settings.
pub fn task_of_run(run: &Path) -> Result<Box<dyn AnyTask>, Failure> {
    let path = run.join("params/env.yaml");
    let changed = RunSettings::read(run)?;
    let read = |task: &dyn AnyTask| {
        let mut layers = layers_of_file(task, &path)?;
        changed.as_ref().map_or(Ok(()), |it| it.layer_changes(&mut layers, run, &["env"]))?;
        task.read(&layers)
    };
    if let Some(id) = manifest::task_of(run)? {
        let named = tasks::defaults().into_iter().find(|task| task.id() == id);
        let unknown = || Failure::from(UnknownTask { id }).at(&run.join("manifest.json").display());
        return Ok(read(named.ok_or_else(unknown)?.as_ref())?);
    }
    // Tasks share few keys.
    let [first, others @ ..] = tasks::defaults();
    let unreadable = match read(first.as_ref()) {
        Ok(task) => return Ok(task),
        Err(error) => error,
    };
    Ok(others.iter().find_map(|task| read(task.as_ref()).ok()).ok_or(unreadable)?)
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

#[cfg(test)]
mod tests {
    use eyas_run::{Manifest, RunDir};

    use super::*;

    /// A run's folder with the settings of a task, and a manifest that names one if it is of those that do.
    fn run_of(settings: &dyn AnyTask, named: Option<&str>) -> (tempfile::TempDir, RunDir) {
        let root = tempfile::tempdir().unwrap();
        let run = RunDir::create(root.path(), "it", "").unwrap();
        let layers = Layers::of_groups([("env", settings.layers().unwrap())]);
        run.params("env", &layers.table("env").unwrap()).unwrap();
        let manifest = Manifest { task: named.map(Into::into), ..Manifest::new("eyas", 1) };
        run.manifest(&manifest).unwrap();
        (root, run)
    }

    #[test]
    fn a_run_is_of_the_task_that_its_manifest_names_or_its_settings_tell() {
        for task in eyas_env::tasks() {
            for named in [Some(task.id), None] {
                let (_root, run) = run_of(tasks::find(task.id).unwrap().as_ref(), named);
                let read = task_of_run(run.path()).unwrap_or_else(|error| panic!("{named:?}: {error}"));
                assert_eq!(read.id(), task.id, "named {named:?}");
            }
        }
    }

    #[test]
    fn a_manifest_that_names_another_task_or_none_that_is_known_is_refused() {
        let raptor = tasks::find("raptor").unwrap();
        let (_root, run) = run_of(raptor.as_ref(), Some(eyas_env::POINT_TASK));
        let error = task_of_run(run.path()).unwrap_err().to_string();
        assert!(error.contains("env"), "{error}");
        let (_root, run) = run_of(raptor.as_ref(), Some("Eyas-Newer-v0"));
        let error = task_of_run(run.path()).unwrap_err().to_string();
        assert!(error.contains("unknown task `Eyas-Newer-v0`"), "{error}");
    }
}
