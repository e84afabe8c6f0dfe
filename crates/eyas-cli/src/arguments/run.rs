//! What long runs take.

use std::path::PathBuf;

use clap::Args;

use super::boolean;

/// The dashboard of a long run.
#[derive(Debug, Args)]
#[command(rename_all = "snake_case")]
pub(crate) struct TerminalFlags {
    /// Show curves, times, teachers and log in the terminal while it runs; results do not depend on it
    #[arg(long, conflicts_with = "multirun")]
    pub(crate) tui: bool,
}

/// Which earlier run to go on from.
#[derive(Debug, Args)]
#[command(rename_all = "snake_case")]
#[expect(clippy::struct_field_names, reason = "the names are the flags of the user's document")]
pub(crate) struct Resume {
    /// Go on with an earlier run
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = boolean)]
    pub(crate) resume: Option<bool>,
    /// Regular expression for the folder of the run to go on with; the last match [default: .*]
    #[arg(long, value_name = "REGEX")]
    pub(crate) load_run: Option<String>,
    /// Folder of the run itself, instead of a dated one below `logs`; with `--resume`, that of the run to go on with
    #[arg(long, value_name = "DIR", conflicts_with = "load_run")]
    pub(crate) run_dir: Option<PathBuf>,
    /// Stop when stdin ends: a multirun starts its jobs so
    #[arg(long, hide = true)]
    pub(crate) ends_with_stdin: bool,
}

/// Several runs of one command.
#[derive(Debug, Args)]
#[command(rename_all = "snake_case")]
pub(crate) struct Multirun {
    /// Run once for each value of overrides such as `seed=1,2`, `seed=range(5)`, `student.kind=choice(mlp,gru)` or
    /// `agent=glob(*)`, and for each combination of several; ends with a table and a plot
    #[arg(long, short, conflicts_with_all = ["web", "cfg", "info"])]
    pub(crate) multirun: bool,
    /// Runs at once, which share the threads [default: one for each thread]
    #[arg(long, value_name = "N", requires = "multirun")]
    pub(crate) jobs: Option<usize>,
}
