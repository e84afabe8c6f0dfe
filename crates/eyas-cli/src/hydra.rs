//! Overrides of `hydra.*`: where runs go, in Hydra's words.

use std::path::PathBuf;

use eyas::Failure;
use eyas_run::config::{Action, Override, Value};

use crate::arguments::{FlightFlags, Resume};
use crate::configuration;

/// What keys of Hydra itself begin with.
pub(crate) const PREFIX: &str = "hydra.";
/// What names the vehicle, as `--vehicle` does.
const VEHICLE: &str = "vehicle";
/// The folder of a single run.
const RUN: &str = "hydra.run.dir";
/// The folder of all runs of `--multirun`.
const SWEEP: &str = "hydra.sweep.dir";

/// Takes `hydra.run.dir`, or with `--multirun` `hydra.sweep.dir`, out of the overrides and puts it in the place of
/// `--run_dir`.
pub(crate) fn take_folder(
    flight: &mut FlightFlags,
    resume: &mut Resume,
    is_multirun: bool,
) -> Result<(), Failure> {
    let own = if is_multirun { SWEEP } else { RUN };
    let (hydra, rest): (Vec<String>, Vec<String>) =
        std::mem::take(&mut flight.overrides).into_iter().partition(|text| key_of(text).starts_with(PREFIX));
    flight.overrides = rest;
    for text in &hydra {
        let Override { action, key, value } = Override::parse(text)?;
        if key != own {
            return Err(refusal(text));
        }
        let folder = match (action, value) {
            (Action::Set | Action::SetOrAdd, Some(Value::String(folder)))
                if !folder.is_empty() && !folder.contains("${") =>
            {
                PathBuf::from(folder)
            }
            _ => {
                return Err(Failure::new(format!("`{text}`: expected the name of a folder"))
                    .hint(format!("write `{own}=FOLDER`, without interpolations")));
            }
        };
        if resume.run_dir.as_ref().is_some_and(|given| *given != folder) {
            return Err(Failure::new(format!("`{text}`: `--run_dir` names another folder"))
                .hint("leave one of them out"));
        }
        resume.run_dir = Some(folder);
    }
    Ok(())
}

/// Takes `vehicle=NAME` out of the overrides and puts it in the place of `--vehicle`, so that vehicles can be swept as keys are.
/// A group of that name in a folder of configurations comes first.
pub(crate) fn take_vehicle(flight: &mut FlightFlags) -> Result<(), Failure> {
    let (library, _) = configuration::sources(&flight.configuration, &[]).library();
    if library.is_group(VEHICLE) {
        return Ok(());
    }
    let (vehicles, rest): (Vec<String>, Vec<String>) =
        std::mem::take(&mut flight.overrides).into_iter().partition(|text| key_of(text) == VEHICLE);
    flight.overrides = rest;
    for text in vehicles {
        let Override { action: Action::Set | Action::SetOrAdd, value: Some(Value::String(vehicle)), .. } =
            Override::parse(&text)?
        else {
            return Err(Failure::new(format!("`{text}`: expected the name of a vehicle or its file"))
                .hint("`eyas vehicles list` shows the names"));
        };
        if flight.vehicle.as_ref().is_some_and(|given| *given != vehicle) {
            return Err(Failure::new(format!("`{text}`: another vehicle is given beside it"))
                .hint("leave one of them out"));
        }
        flight.vehicle = Some(vehicle);
    }
    Ok(())
}

/// Refuses overrides of Hydra itself where no run has a folder.
pub(crate) fn refuse(overrides: &[String]) -> Result<(), Failure> {
    match overrides.iter().find(|text| key_of(text).starts_with(PREFIX)) {
        Some(text) => Err(refusal(text)),
        None => Ok(()),
    }
}

/// The key of an override, whether it is one or not.
fn key_of(text: &str) -> &str {
    text.trim_start_matches(['+', '~']).split(['=', '@']).next().unwrap_or_default()
}

fn refusal(text: &str) -> Failure {
    let reason = match key_of(text) {
        RUN => "it names the folder of a single run of `eyas train` or `eyas distill`",
        SWEEP => "it names the folder of the runs of `--multirun`",
        "hydra.sweep.subdir" => "the runs of `--multirun` lie in folders named by their numbers",
        key if key.starts_with("hydra.job.") => "a job has no settings here",
        key if key.starts_with("hydra.sweeper") || key.starts_with("hydra.launcher") => {
            "`--multirun` runs every combination, `--jobs` says how many at once"
        }
        _ => "it configures Hydra itself, and there is none here",
    };
    Failure::new(format!("`{text}`: {reason}"))
        .hint(format!("of `hydra.*` there are `{RUN}`, and `{SWEEP}` with `--multirun`"))
}
