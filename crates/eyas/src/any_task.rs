//! The task that a command flies, whichever it is.

use std::path::Path;

use eyas_env::{PointConfig, RAPTOR_TASK, RaptorConfig, find_task};
use eyas_run::ConfigError;

use crate::failure::Failure;
use crate::own_task::own;

/// A task with the configuration that files, overrides and flags change.
pub(crate) enum AnyTask {
    Point(PointConfig),
    Raptor(RaptorConfig),
}

impl AnyTask {
    /// The task of that id or alias.
    pub(crate) fn find(id: &str) -> Result<Self, Failure> {
        Ok(match find_task(id)?.id {
            RAPTOR_TASK => Self::Raptor(RaptorConfig::default()),
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
        own(run).map(Self::Raptor).map_err(|_| unreadable)
    }
}

/// `for_task!(task, |base| expression)`: the expression with `base` of the configuration's own type, which has one
/// for each task.
macro_rules! for_task {
    ($task:expr, |$base:ident| $then:expr) => {
        match $task {
            $crate::any_task::AnyTask::Point($base) => $then,
            $crate::any_task::AnyTask::Raptor($base) => $then,
        }
    };
}
pub(crate) use for_task;
