//! `eyas diff`: two policy files side by side.

use std::path::Path;
use std::process::ExitCode;

use eyas_formats::{Checkpoint, Comparison, LoadOptions};
use eyas_policy::{Contract, Policy};

use eyas::Failure;

use crate::arguments::Diff;
use crate::print::say;

/// Exit code 1: they differ.
pub(crate) fn run(arguments: &Diff) -> Result<ExitCode, Failure> {
    let options = arguments.reading.load_options();
    let (a, b) = (load(&arguments.a, &options)?, load(&arguments.b, &options)?);
    let comparison = Comparison::between((&a.0, a.1.as_ref()), (&b.0, b.1.as_ref()));
    if arguments.json {
        say(serde_json::to_string_pretty(&comparison).map_err(Failure::new)?)?;
    } else {
        say(&comparison)?;
        say(if comparison.is_same() { "the same policy" } else { "they differ" })?;
    }
    Ok(if comparison.is_same() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

fn load(path: &Path, options: &LoadOptions) -> Result<(Policy, Option<Contract>), Failure> {
    let checkpoint = Checkpoint::read(path)?;
    Ok((checkpoint.policy(options)?.policy, checkpoint.contract()?))
}
