//! `eyas report`: curves, tracking plots and tables of runs as one HTML page.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser as _;
use eyas::Failure;
use eyas::report::{DistillCommand, Subject, report};
use eyas_formats::Side;
use eyas_run::Interrupt;

use crate::arguments::{Arguments, Command, Report};
use crate::print::say;

pub(crate) fn run(arguments: &Report) -> Result<ExitCode, Failure> {
    let interrupt = Interrupt::install()?;
    let out = match (&arguments.out, arguments.runs.as_slice()) {
        (Some(folder), _) => folder.clone(),
        (None, [only]) => only.join("report"),
        (None, _) => PathBuf::from("report"),
    };
    let subject = Subject { folders: &arguments.runs, labels: &arguments.labels };
    let Some(written) = report(&subject, &out, &distillation, &interrupt)? else {
        return Ok(ExitCode::from(130));
    };
    let (count, page) = (written.num_pictures, written.page.display());
    say(format!("Report of {count} pictures written to: {page}"))?;
    Ok(ExitCode::SUCCESS)
}

/// What the words of a distillation's command line say; none if this version does not know them.
fn distillation(words: &[String]) -> Option<DistillCommand> {
    match Arguments::try_parse_from(words).map(|it| it.command) {
        Ok(Command::Distill(flags)) => Some(DistillCommand {
            teacher_options: flags.teacher.load_options(Side::Teacher),
            names_vehicle: flags.flight.vehicle.is_some(),
        }),
        _ => None,
    }
}
