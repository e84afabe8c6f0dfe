//! The task that a command flies, whichever it is.

use std::path::Path;

use eyas_env::{
    DIRECT_TASK, DirectConfig, FORMATION_TASK, FormationConfig, MANAGER_TASK, ManagerConfig, PointConfig,
    RAPTOR_TASK, RaptorConfig, TaskConfig as _, find_task,
};
use eyas_run::ConfigError;

use crate::failure::Failure;
use crate::own_task::{layers_of_file, own};
use crate::setup::check;

/// A task with the configuration that files, overrides and flags change.
pub(crate) enum AnyTask {
    Point(PointConfig),
    Direct(DirectConfig),
    Raptor(RaptorConfig),
    Manager(ManagerConfig),
    Formation(FormationConfig),
}

impl AnyTask {
    /// The task of that id or alias, or of a YAML file of terms.
    pub(crate) fn find(id: &str) -> Result<Self, Failure> {
        if is_file(id) {
            return Ok(Self::Manager(read(Path::new(id))?));
        }
        let known = find_task(id).map_err(|error| {
            Failure::new(error).hint("or give a task's own YAML file; `eyas task show manager` is one")
        })?;
        Ok(match known.id {
            MANAGER_TASK => Self::Manager(ManagerConfig::shipped()),
            DIRECT_TASK => Self::Direct(DirectConfig::default()),
            RAPTOR_TASK => Self::Raptor(RaptorConfig::default()),
            FORMATION_TASK => Self::Formation(FormationConfig::default()),
            _ => Self::Point(PointConfig::default()),
        })
    }

    /// The task of a run, configured as there. No file names it: the keys of `params/env.yaml` tell, of which the
    /// tasks share few.
    pub(crate) fn of_run(run: &Path) -> Result<Self, ConfigError> {
        let unreadable = match own(run) {
            Ok(point) => return Ok(Self::Point(point)),
            Err(error) => error,
        };
        own(run)
            .map(Self::Direct)
            .or_else(|_| own(run).map(Self::Raptor))
            .or_else(|_| own(run).map(Self::Manager))
            .or_else(|_| own(run).map(Self::Formation))
            .map_err(|_| unreadable)
    }
}

/// Whether a task is named by its file.
pub(crate) fn is_file(id: &str) -> bool {
    Path::new(id).extension().is_some_and(|it| it == "yaml" || it == "yml")
}

/// The task of a file, checked.
fn read(path: &Path) -> Result<ManagerConfig, Failure> {
    let layers = layers_of_file::<ManagerConfig>(path)?;
    let task: ManagerConfig = layers.section("env")?;
    check(&layers, task.validate()).map_err(|failure| {
        failure.or_at(&path.display()).hint_or("`eyas task terms` lists the terms and what each takes")
    })?;
    Ok(task)
}

/// `for_task!(task, |base| expression)`: the expression with `base` of the configuration's own type, which has one
/// for each task.
macro_rules! for_task {
    ($task:expr, |$base:ident| $then:expr) => {
        match $task {
            $crate::any_task::AnyTask::Point($base) => $then,
            $crate::any_task::AnyTask::Direct($base) => $then,
            $crate::any_task::AnyTask::Raptor($base) => $then,
            $crate::any_task::AnyTask::Manager($base) => $then,
            $crate::any_task::AnyTask::Formation($base) => $then,
        }
    };
}
pub(crate) use for_task;
