//! The task that a command flies, whichever it is.

use std::path::Path;

use eyas_env::{
    DIRECT_TASK, DirectConfig, FORMATION_TASK, FormationConfig, PointConfig, RAPTOR_TASK, RaptorConfig,
    find_task,
};
use eyas_run::ConfigError;

use crate::failure::Failure;
use crate::own_task::own;

/// A task with the configuration that files, overrides and flags change.
pub(crate) enum AnyTask {
    Point(PointConfig),
    Direct(DirectConfig),
    Raptor(RaptorConfig),
    Formation(FormationConfig),
}

impl AnyTask {
    /// The task of that id or alias.
    pub(crate) fn find(id: &str) -> Result<Self, Failure> {
        Ok(match find_task(id)?.id {
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
            .or_else(|_| own(run).map(Self::Formation))
            .map_err(|_| unreadable)
    }
}

/// `for_task!(task, |base| expression)`: the expression with `base` of the configuration's own type, which has one
/// for each task.
macro_rules! for_task {
    ($task:expr, |$base:ident| $then:expr) => {
        match $task {
            $crate::any_task::AnyTask::Point($base) => $then,
            $crate::any_task::AnyTask::Direct($base) => $then,
            $crate::any_task::AnyTask::Raptor($base) => $then,
            $crate::any_task::AnyTask::Formation($base) => $then,
        }
    };
}
pub(crate) use for_task;
