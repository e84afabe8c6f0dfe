//! `eyas inspect`: what a checkpoint holds.

use std::io::Write as _;
use std::process::ExitCode;

use eyas::Failure;
use eyas_formats::{Checkpoint, LoadOptions};

use crate::arguments::Inspect;
use crate::print::text_out;

pub(crate) fn run(arguments: &Inspect) -> Result<ExitCode, Failure> {
    let description = Checkpoint::read(&arguments.file)?.describe(&LoadOptions::default());
    if arguments.json {
        let json = serde_json::to_string_pretty(&description).map_err(Failure::new)?;
        writeln!(std::io::stdout().lock(), "{json}")?;
    } else {
        writeln!(text_out(), "{description}")?;
    }
    Ok(ExitCode::SUCCESS)
}
