//! What a task knows of a policy, in the policy's contract.

use std::ops::Range;
use std::path::Path;

use eyas_env::{Actuation, EnvSpec};
use eyas_formats::convert;
use eyas_policy::{Contract, ObservationPart, Origin, Policy, VehicleRange};
use eyas_sim::VehicleParameters;
use eyas_vehicles::{MotorLayout, MotorMismatch};

use crate::failure::Failure;

/// The ways that a rotor turns, in the words of the contract.
const CLOCKWISE: &str = "cw";
const COUNTER_CLOCKWISE: &str = "ccw";

/// Puts observation, action and rate of a task into a contract.
///
/// # Errors
///
/// If the task observes or takes other numbers than the policy.
pub fn state_task(contract: &mut Contract, spec: &EnvSpec, reason: &str) -> Result<(), Failure> {
    let width = contract.observation.width;
    let features = spec.group_of_width(width).map(|group| group.features.clone());
    let features = features.or((width == spec.num_observations()).then_some(0..width));
    let Some(features) = features else {
        let widths: Vec<String> = spec.groups.iter().map(|group| group.features.len().to_string()).collect();
        let all = spec.num_observations();
        return Err(misfit(
            "observations",
            width,
            &format!("{all} in all, and groups of {}", widths.join(", ")),
        ));
    };
    state_features(contract, spec, features, reason)
}

fn misfit(what: &str, own: usize, other: &str) -> Failure {
    Failure::new(format!("the policy has {own} {what}, the task {other}"))
        .hint("`eyas task show` lists what a task observes; leave `--task` out if it is another one's policy")
}

/// [`state_task`], the policy reading these features of the task's observation.
fn state_features(
    contract: &mut Contract,
    spec: &EnvSpec,
    features: Range<usize>,
    reason: &str,
) -> Result<(), Failure> {
    if contract.action.width != spec.num_actions {
        return Err(misfit("actions", contract.action.width, &spec.num_actions.to_string()));
    }
    let (mut first, mut parts) = (0, Vec::new());
    for part in &spec.parts {
        let (start, end) = (first.max(features.start), (first + part.width).min(features.end));
        first += part.width;
        if start < end {
            let frame = serde_json::to_value(part.frame).map_err(Failure::new)?;
            parts.push(ObservationPart {
                name: part.name.to_owned(),
                width: end - start,
                frame: frame.as_str().unwrap_or_default().to_owned(),
                unit: part.unit.to_owned(),
                meaning: part.meaning.to_owned(),
            });
        }
    }
    contract.observation.parts = parts;
    contract.task = Some(spec.task.to_owned());
    contract.control_rate_hz = Some(spec.control_rate_hz);
    contract.action.meaning = Some(spec.action.to_owned());
    contract.action.motor_order = Some(spec.motor_order.to_owned());
    // Every task here takes numbers in [-1, 1] and clamps what is outside.
    contract.action.range = Some([-1.0, 1.0]);
    contract.action.clamped = Some(true);
    contract.origin.push(Origin {
        what: "task".to_owned(),
        value: spec.task.to_owned(),
        reason: reason.to_owned(),
    });
    Ok(())
}

/// Writes the contract of a policy that a run saved beside it: what the task observes, in which features of it the policy
/// reads, and the vehicles that it learned on.
///
/// A file of its own, because the bytes of a checkpoint are those of its training and nothing else: a run that is repeated
/// by a program which words a contract otherwise gives the same checkpoints.
pub(crate) fn write_beside(
    path: &Path,
    policy: &Policy,
    (spec, features): (&EnvSpec, Range<usize>),
    vehicles: &[VehicleParameters],
) -> Result<(), Failure> {
    let mut contract = Contract::of(policy);
    state_features(&mut contract, spec, features, "the run that saved it")?;
    contract.vehicles = range(vehicles);
    state_motors(&mut contract, spec, vehicles);
    Ok(convert::write_contract(path, &contract)?)
}

/// Puts the rotors of the vehicles that a policy learned on into its contract, if they are commanded and those of all are alike.
fn state_motors(contract: &mut Contract, spec: &EnvSpec, vehicles: &[VehicleParameters]) {
    let layouts: Vec<MotorLayout> = vehicles.iter().map(MotorLayout::from).collect();
    let [first, others @ ..] = &layouts[..] else { return };
    if spec.actuation == Actuation::Rotors
        && others.iter().all(|it| MotorMismatch::between(first, it).is_none())
    {
        let spin = |is_clockwise: bool| if is_clockwise { CLOCKWISE } else { COUNTER_CLOCKWISE }.to_owned();
        contract.action.spin = Some(first.is_clockwise.map(spin).into());
        contract.action.rotor_positions_m = Some(first.positions.into());
    }
}

/// The rotors that a policy has learned to command, if its contract states those of a quadrotor.
pub(crate) fn motors_of(contract: &Contract) -> Option<MotorLayout> {
    let positions = contract.action.rotor_positions_m.as_ref()?.as_slice().try_into().ok()?;
    let spin: &[String; 4] = contract.action.spin.as_ref()?.as_slice().try_into().ok()?;
    let known = spin.iter().all(|it| [CLOCKWISE, COUNTER_CLOCKWISE].contains(&it.as_str()));
    known.then(|| MotorLayout { positions, is_clockwise: spin.each_ref().map(|it| it == CLOCKWISE) })
}

fn range(vehicles: &[VehicleParameters]) -> Option<VehicleRange> {
    let range = |figure: fn(&VehicleParameters) -> f64| {
        let ends = (f64::INFINITY, f64::NEG_INFINITY);
        let (least, most) =
            vehicles.iter().map(figure).fold(ends, |(least, most), it| (least.min(it), most.max(it)));
        [least, most]
    };
    (!vehicles.is_empty()).then(|| VehicleRange {
        count: vehicles.len(),
        mass_kg: range(|it| it.mass),
        thrust_to_weight: range(VehicleParameters::thrust_to_weight),
        rotor_distance_m: range(VehicleParameters::rotor_distance),
    })
}

#[cfg(test)]
mod tests {
    use eyas_env::TaskConfig as _;
    use eyas_lanes::Stream;
    use eyas_policy::{Activation, Architecture, Init, Network, Output};

    use super::*;

    /// Bitcraze's Crazyflie: M1, front right, and M3 turn counter-clockwise.
    #[test]
    fn rotors_turn_as_bitcraze_says_in_both_orders() {
        let spec = eyas_env::RaptorConfig::default().spec();
        let shape = Architecture::mlp(26, &[8], 4, Activation::Elu);
        let network = Network::new(shape, Init::Torch, Stream::new(1, "test"));
        let policy = Policy { normalizer: None, network, output: Output::Identity };
        let spin = |vehicles: &[VehicleParameters]| {
            let mut contract = Contract::of(&policy);
            state_motors(&mut contract, &spec, vehicles);
            contract.action.spin.map(|it| it.join(", "))
        };
        let own = eyas_vehicles::crazyflie();
        assert_eq!(spin(&[own.clone(), own.clone()]).as_deref(), Some("ccw, cw, ccw, cw"));
        let other = eyas_vehicles::foundation_crazyflie();
        assert_eq!(spin(std::slice::from_ref(&other)).as_deref(), Some("cw, ccw, cw, ccw"));
        assert_eq!(spin(&[own, other]), None);
        assert_eq!(spin(&[]), None);
    }
}
