//! What a policy has learned to command, beside the vehicles that it is asked to fly.

use std::path::Path;

use eyas_env::{RAPTOR_TASK, RaptorConfig};
use eyas_formats::convert::CONTRACT_EXTENSION;
use eyas_policy::{Contract, Policy};
use eyas_run::manifest;
use eyas_sim::VehicleParameters;
use eyas_vehicles::{DomainRandomization, MotorMismatch, motor_order};

use crate::configuration::read_vehicle;
use crate::run_files::VEHICLE;
use crate::task_of_run::task_of_run;
use crate::text::shell_word;

/// How vehicles of `Eyas-Raptor-v0` differ from those that a policy of a file was trained on.
pub(crate) fn differences(checkpoint: &Path, policy: &Policy, vehicles: &[VehicleParameters]) -> Vec<String> {
    let own = own_vehicle(checkpoint);
    let trained = own.clone().unwrap_or_else(|| RaptorConfig::default().robot);
    let mut warnings = Vec::new();
    // A recurrent policy beside no vehicle of its own is a student of many.
    let ranges =
        (own.is_none() && policy.network.architecture.core.is_some()).then(DomainRandomization::rltools);
    for (index, vehicle) in vehicles.iter().enumerate() {
        let name = if vehicles.len() > 1 { format!("vehicle {index}: ") } else { String::new() };
        if let Some(mismatch) = MotorMismatch::between(&trained, vehicle) {
            let mend = mend_of(&mismatch, None);
            warnings.push(format!("{name}{mismatch}{mend}"));
        }
        let left = ranges.as_ref().map(|it| it.left_by(vehicle)).unwrap_or_default();
        if !left.is_empty() {
            warnings.push(format!("{name}outside of what RAPTOR's students learn on: {}", left.join("; ")));
        }
    }
    warnings
}

/// The task that a policy was trained in, if the files around it say so: the contract beside it, or the manifest of its run.
pub(crate) fn task_of(checkpoint: &Path) -> Option<String> {
    let beside = std::fs::read_to_string(checkpoint.with_extension(CONTRACT_EXTENSION)).ok();
    let contract = beside.and_then(|text| serde_json::from_str::<Contract>(&text).ok());
    let of_run = || manifest::task_of(checkpoint.parent()?).ok().flatten();
    contract.and_then(|it| it.task).or_else(of_run)
}

/// The one vehicle that a policy was trained on, if the files around it say so: its parameter file beside a teacher of a
/// fleet, or the configuration of its run.
fn own_vehicle(checkpoint: &Path) -> Option<VehicleParameters> {
    let beside = checkpoint.with_file_name(VEHICLE);
    if beside.is_file() {
        return Some(read_vehicle(&beside).ok()?.dynamics);
    }
    let run = checkpoint.parent()?;
    let is_student = run.join("params/distill.yaml").is_file();
    (!is_student)
        .then(|| task_of_run(run).ok())?
        .filter(|task| task.id() == RAPTOR_TASK)
        .map(|it| it.vehicle().clone())
}

/// What puts the rotors of a vehicle, of a file if it is known, in the order of a policy, if that is all they need.
fn mend_of(mismatch: &MotorMismatch, file: Option<&Path>) -> String {
    let MotorMismatch::Order { order, .. } = mismatch else { return String::new() };
    let order = motor_order(order);
    let Some(file) = file else {
        return format!("; `eyas vehicles convert` of its file mends that with `--motor_order {order}`");
    };
    let [from, to] =
        [file.display().to_string(), file.with_extension("").display().to_string() + "_reordered"]
            .map(shell_word);
    format!("; mend it: eyas vehicles convert {from} {to} --motor_order {order}")
}

/// How the rotors of a vehicle, of a file if it is of one, differ from those of the policies of `Eyas-Raptor-v0`, and how to
/// mend that.
pub fn motor_warning(id: &str, vehicle: &VehicleParameters, file: Option<&Path>) -> Option<String> {
    let mismatch = MotorMismatch::between(&RaptorConfig::default().robot, vehicle)?;
    let mend = mend_of(&mismatch, file.filter(|file| file.is_file()));
    Some(format!("vehicle `{id}`, for policies of `{RAPTOR_TASK}`: {mismatch}{mend}"))
}
