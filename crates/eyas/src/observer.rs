//! Who hears what a run does while it does it.

use std::path::Path;

use eyas_learn::Actor;

use crate::failure::Failure;
use crate::tasks::AnyTask;

/// What a run counts, and where it stands when it begins.
pub struct Activity<'a> {
    /// What runs, such as `train`.
    pub name: &'a str,
    /// What its position counts, such as `epoch`.
    pub step_unit: &'a str,
    /// What its rate counts, plural, such as `samples`.
    pub rate_unit: &'a str,
    /// Where it begins or goes on.
    pub position: u64,
    /// Where it ends.
    pub total: u64,
    /// Its folder, if it has one before its end.
    pub folder: Option<&'a Path>,
    /// What flies in it, for whoever shows flights: of a fleet the first vehicle.
    pub task: &'a dyn AnyTask,
}

/// Rows of text below names of columns.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// Names of the columns.
    pub columns: Vec<String>,
    /// Rows, each with a cell for every column.
    pub rows: Vec<Vec<String>>,
}

/// Makes the policy of the moment, for whoever wants it.
pub type MakeActor<'a> = &'a dyn Fn() -> Result<Actor, Failure>;

/// Hears what a run does while it does it. Nothing that a run computes depends on who listens; an error ends the run.
///
/// Every method does nothing unless it is implemented: `impl Observer for Silent {}` hears nothing.
pub trait Observer: Send {
    /// Everything that can be refused was not: from here on the run writes files.
    fn accepted(&mut self) -> Result<(), Failure> {
        Ok(())
    }

    /// The run begins to count.
    fn started(&mut self, _activity: &Activity) -> Result<(), Failure> {
        Ok(())
    }

    /// A group of the configuration, as YAML.
    fn configured(&mut self, _group: &str, _yaml: &str) {}

    /// Something to read.
    fn line(&mut self, _line: &str) -> Result<(), Failure> {
        Ok(())
    }

    /// Something to look after, which ends no run.
    fn warning(&mut self, _text: &str) {}

    /// The position moves.
    fn position(&mut self, _position: u64) {}

    /// Units of the rate are done.
    fn count(&mut self, _units: u64) {}

    /// A point of a curve.
    fn scalar(&mut self, _tag: &str, _step: u64, _value: f64) {}

    /// The returns of an epoch with each of many teachers, by their names; not a number where none flew.
    fn returns(&mut self, _epoch: u32, _teachers: &[String], _returns: &[f64]) {}

    /// Whether [`table`](Self::table) shows anything: making one takes time.
    fn shows_tables(&self) -> bool {
        false
    }

    /// A table, in place of the one of the same name.
    fn table(&mut self, _name: &str, _table: Table) {}

    /// The policy of the moment.
    fn policy(&mut self, _actor: MakeActor) -> Result<(), Failure> {
        Ok(())
    }

    /// The policy of the moment, which flies a task of its own.
    fn policy_in(&mut self, _task: &dyn Fn() -> Box<dyn AnyTask>, _actor: MakeActor) -> Result<(), Failure> {
        Ok(())
    }

    /// The run has learned all it will; what is left is measured and written.
    fn stopped(&mut self) {}
}

/// Nobody.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Observer for Silent {}
