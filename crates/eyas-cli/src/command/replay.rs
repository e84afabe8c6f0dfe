//! `eyas replay`: the black box of a run, flown again.

use std::io::Write as _;
use std::process::ExitCode;

use eyas::Failure;
use eyas::black_box::Recording;

use crate::arguments::Replay;

pub(crate) fn run(arguments: &Replay) -> Result<ExitCode, Failure> {
    let replay = Recording::read(&arguments.file)?
        .fly()
        .map_err(|failure| failure.or_at(&arguments.file.display()))?;
    write!(std::io::stdout().lock(), "{}", replay.text())?;
    Ok(if replay.is_same() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}
