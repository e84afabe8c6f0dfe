//! What a policy has learned to command, beside the vehicles that it is asked to fly.

use std::path::Path;

use eyas_env::{Actuation, EnvSpec, RAPTOR_TASK, RaptorConfig};
use eyas_formats::Checkpoint;
use eyas_policy::{Contract, Policy};
use eyas_run::manifest;
use eyas_sim::VehicleParameters;
use eyas_vehicles::{DomainRandomization, MotorLayout, MotorMismatch, motor_order};

use crate::configuration::read_vehicle;
use crate::contract::motors_of;
use crate::run_files::VEHICLE;
use crate::task_of_run::task_of_run;
use crate::text::{shell_word, warnings_told};

/// Says how a task and the vehicles that are flown in it differ from those that the policy of a file was trained on.
pub(crate) fn compare(
    file: &Checkpoint,
    policy: &Policy,
    vehicles: &[VehicleParameters],
    spec: &EnvSpec,
    told: &mut dyn FnMut(&str),
) {
    let contract = file.contract_for(policy).unwrap_or_else(|problem| {
        told(&format!("warning: {problem}: what it says of the policy's training is not looked at"));
        None
    });
    if let Some(own) = task_of(file.path(), contract.as_ref()).filter(|own| own != spec.task) {
        told(&format!("warning: the policy was trained in `{own}`, and flies `{}` here", spec.task));
    }
    let warnings = differences(file.path(), (policy, contract.as_ref()), vehicles, spec);
    for warning in warnings_told(&warnings, "these") {
        told(&warning);
    }
}

/// How vehicles differ from those that a policy of a file was trained on: their rotors from what its contract says of them, else
/// from those of the vehicle that the files around it name, or of the task.
fn differences(
    checkpoint: &Path,
    (policy, contract): (&Policy, Option<&Contract>),
    vehicles: &[VehicleParameters],
    spec: &EnvSpec,
) -> Vec<String> {
    let is_raptor = spec.task == RAPTOR_TASK;
    let stated = contract.and_then(motors_of);
    if spec.actuation != Actuation::Rotors || !(is_raptor || stated.is_some()) {
        return Vec::new();
    }
    let own = is_raptor.then(|| own_vehicle(checkpoint)).flatten();
    let trained =
        stated.unwrap_or_else(|| MotorLayout::from(own.as_ref().unwrap_or(&RaptorConfig::default().robot)));
    let mut warnings = Vec::new();
    // A recurrent policy beside no vehicle of its own is a student of many.
    let is_student = is_raptor && own.is_none() && policy.network.architecture.core.is_some();
    let ranges = is_student.then(DomainRandomization::rltools);
    for (index, vehicle) in vehicles.iter().enumerate() {
        let name = if vehicles.len() > 1 { format!("vehicle {index}: ") } else { String::new() };
        if let Some(mismatch) = MotorMismatch::between(&trained, &MotorLayout::from(vehicle)) {
            // Other tasks have a vehicle that no file describes.
            let mend = if is_raptor { mend_of(&mismatch, None) } else { String::new() };
            warnings.push(format!("{name}{mismatch}{mend}"));
        }
        let left = ranges.as_ref().map(|it| it.left_by(vehicle)).unwrap_or_default();
        if !left.is_empty() {
            warnings.push(format!("{name}outside of what RAPTOR's students learn on: {}", left.join("; ")));
        }
    }
    warnings
}

/// The task that a policy was trained in, if its contract or the manifest of its run says so.
fn task_of(checkpoint: &Path, contract: Option<&Contract>) -> Option<String> {
    let of_run = || manifest::task_of(checkpoint.parent()?).ok().flatten();
    contract.and_then(|it| it.task.clone()).or_else(of_run)
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
    let trained = MotorLayout::from(&RaptorConfig::default().robot);
    let mismatch = MotorMismatch::between(&trained, &MotorLayout::from(vehicle))?;
    let mend = mend_of(&mismatch, file.filter(|file| file.is_file()));
    Some(format!("vehicle `{id}`, for policies of `{RAPTOR_TASK}`: {mismatch}{mend}"))
}
