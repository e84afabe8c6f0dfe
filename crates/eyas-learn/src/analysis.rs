//! What analyses note of a flight, and what they look for.

use eyas_lanes::{BLOCK, Row, lanes_of};
use eyas_vehicles::FleetVehicle;

use crate::actor::Actor;
use crate::engine::Engine;
use crate::evaluation::{Evaluation, evaluate_watched};
use crate::finite::NotFinite;

/// A number of a vehicle that a policy's memory may hold.
#[derive(Clone, Copy, Debug)]
pub struct Quantity {
    /// Its name with its unit, as the column of a table.
    pub name: &'static str,
    /// Its value for a vehicle.
    pub of: fn(&FleetVehicle) -> f64,
}

/// What a vehicle's dynamics depend on most. Logarithms are natural, of numbers in SI units.
#[must_use]
pub fn quantities() -> [Quantity; 5] {
    let quantity = |name, of| Quantity { name, of };
    [
        quantity("thrust_to_weight", |it| it.dynamics.thrust_to_weight()),
        quantity("log_mass", |it| libm::log(it.dynamics.mass)),
        quantity("log_torque_to_inertia", |it| libm::log(it.dynamics.torque_to_inertia())),
        quantity("motor_time_constant_rising_s", |it| it.dynamics.rotor_time_constants_rising[0]),
        quantity("motor_time_constant_falling_s", |it| it.dynamics.rotor_time_constants_falling[0]),
    ]
}

/// The state of a recurrent policy at the end of an episode that lasted.
pub type FinalState = Option<Vec<f64>>;

/// Flies a recurrent policy; returns its state after the last step of each env, none where the episode ended before.
pub fn final_states(
    engine: &mut dyn Engine,
    actor: &Actor,
    steps: u32,
) -> Result<(Evaluation, Vec<FinalState>), NotFinite> {
    let (evaluation, notes) = evaluate_watched(engine, actor, None, steps, |moment, note: &mut Vec<Row>| {
        if moment.step + 1 == steps {
            moment.recurrent.clone_into(note);
        }
    })?;
    let state = |index: usize| notes[index / BLOCK].iter().map(|row| f64::from(row[index % BLOCK])).collect();
    let outcomes = evaluation.outcomes.iter().enumerate();
    let states =
        outcomes.map(|(index, it)| (it.length == steps && !it.crashed).then(|| state(index))).collect();
    Ok((evaluation, states))
}

/// Flies a policy; returns for each env the sum of squared vertical velocities over the second half of the longest
/// episode, m²/s², and the steps in it.
pub fn vertical_speeds(
    engine: &mut dyn Engine,
    actor: &Actor,
    steps: u32,
) -> Result<(Evaluation, Vec<(f64, u32)>), NotFinite> {
    let (evaluation, notes) =
        evaluate_watched(engine, actor, None, steps, |moment, sums: &mut [(f64, u32); BLOCK]| {
            if moment.step < steps / 2 {
                return;
            }
            for lane in lanes_of(moment.live) {
                let speed = f64::from(moment.block.telemetry(lane).velocity[2]);
                // The velocity of an episode that ends may be no number.
                if speed.is_finite() {
                    sums[lane].0 += speed * speed;
                    sums[lane].1 += 1;
                }
            }
        })?;
    let sums = notes.into_iter().flatten().take(evaluation.outcomes.len()).collect();
    Ok((evaluation, sums))
}
