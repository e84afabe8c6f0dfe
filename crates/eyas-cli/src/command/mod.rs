//! One module for each subcommand.

pub(crate) mod act;
pub(crate) mod analyze;
pub(crate) mod bench;
pub(crate) mod check_dynamics;
pub(crate) mod config;
pub(crate) mod convert;
pub(crate) mod diff;
pub(crate) mod distill;
pub(crate) mod eval;
mod fleet;
pub(crate) mod inspect;
pub(crate) mod multirun;
pub(crate) mod play;
pub(crate) mod plot;
pub(crate) mod replay;
pub(crate) mod report;
pub(crate) mod task;
mod torture;
pub(crate) mod train;
pub(crate) mod vehicles;
pub(crate) mod verify;
pub(crate) mod view;
