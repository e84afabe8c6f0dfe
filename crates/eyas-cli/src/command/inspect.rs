//! `eyas inspect`: what a checkpoint holds.

use std::io::Write as _;
use std::process::ExitCode;

use eyas::Failure;
use eyas_formats::{Checkpoint, LoadOptions};

use crate::arguments::Inspect;

pub(crate) fn run(arguments: &Inspect) -> Result<ExitCode, Failure> {
    let description = Checkpoint::read(&arguments.file)?.describe(&LoadOptions::default());
    let mut out = std::io::stdout().lock();
    if arguments.json {
        writeln!(out, "{}", serde_json::to_string_pretty(&description).map_err(Failure::new)?)?;
    } else {
        writeln!(out, "{description}")?;
    }
    Ok(ExitCode::SUCCESS)
}
