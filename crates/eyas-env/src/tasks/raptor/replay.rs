//! The replay of transitions that RLtools recorded.

use std::fmt;

use eyas_lanes::{Isa, Kernel, LANES, Lanes, Real, dispatch_on};
use eyas_sim::{
    Disturbance, Langevin, LangevinConfig, State, VEHICLE_NUMBERS, Vector, Vehicle, VehicleParameters,
};
use serde::Deserialize;

use super::config::RaptorConfig;
use super::formulas;

/// The reference of the recordings, which were made without noise.
const REFERENCE: LangevinConfig = LangevinConfig { gamma: 1.0, omega: 2.0, sigma: 0.0, alpha: 0.01 };

/// A state as RLtools records it. World frame, FLU; quaternion `w, x, y, z`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RecordedState {
    /// Position, m.
    pub position: Vector<f64>,
    /// Orientation, body to world.
    pub orientation_wxyz: [f64; 4],
    /// Linear velocity, m/s.
    pub linear_velocity: Vector<f64>,
    /// Angular velocity, body frame, rad/s.
    pub angular_velocity: Vector<f64>,
    /// Rotor speeds in the unit of the action limit.
    pub rpm: [f64; 4],
    /// Raw previous action.
    pub last_action: [f64; 4],
    /// Action history of length 1.
    pub action_history: [f64; 4],
    /// External force, world frame, N.
    pub force: Vector<f64>,
    /// External torque, body frame, N m.
    pub torque: Vector<f64>,
    /// 0: the reference rests at the origin; 1: it moves.
    pub trajectory_type: u32,
    /// Smoothed reference position, m.
    pub ref_position: Vector<f64>,
    /// Smoothed reference velocity, m/s.
    pub ref_velocity: Vector<f64>,
    /// Raw reference position, m.
    pub ref_position_raw: Vector<f64>,
    /// Raw reference velocity, m/s.
    pub ref_velocity_raw: Vector<f64>,
}

/// One line of a recording.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Transition {
    /// Name of the vehicle.
    pub vehicle: String,
    /// Episode of that vehicle.
    pub episode: u32,
    /// Control step within the episode.
    pub t: u32,
    /// The vehicle's parameters, where they differ from the line before.
    #[serde(default)]
    pub dynamics: Option<FlatParameters>,
    /// Limit of each position axis, m, where it differs from the line before.
    #[serde(default)]
    pub position_threshold: Option<f64>,
    /// The state before.
    pub state: RecordedState,
    /// The raw action.
    pub action: [f64; 4],
    /// What a teacher observes in that state.
    pub teacher_observation: Vec<f64>,
    /// The state after.
    pub next_state: RecordedState,
    /// The reward.
    pub reward: f64,
    /// Whether the state after ends the episode.
    pub terminated: bool,
}

/// Vehicle parameters with matrices written as flat lists.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the fields are those of `VehicleParameters`")]
pub struct FlatParameters {
    pub rotor_positions: [f64; 12],
    pub rotor_thrust_directions: [f64; 12],
    pub rotor_torque_directions: [f64; 12],
    pub rotor_thrust_coefficients: [f64; 12],
    pub rotor_torque_constants: [f64; 4],
    pub rotor_time_constants_rising: [f64; 4],
    pub rotor_time_constants_falling: [f64; 4],
    pub gravity: Vector<f64>,
    #[serde(rename = "J")]
    pub inertia: [f64; 9],
    #[serde(rename = "J_inv")]
    pub inertia_inverse: [f64; 9],
    pub mass: f64,
    pub hovering_throttle_relative: f64,
    pub action_limit: [f64; 2],
}

impl From<&FlatParameters> for VehicleParameters {
    fn from(flat: &FlatParameters) -> Self {
        fn rows<const N: usize>(values: &[f64]) -> [Vector<f64>; N] {
            std::array::from_fn(|row| [values[3 * row], values[3 * row + 1], values[3 * row + 2]])
        }
        Self {
            rotor_positions: rows(&flat.rotor_positions),
            rotor_thrust_directions: rows(&flat.rotor_thrust_directions),
            rotor_torque_directions: rows(&flat.rotor_torque_directions),
            rotor_thrust_coefficients: rows(&flat.rotor_thrust_coefficients),
            rotor_torque_constants: flat.rotor_torque_constants,
            rotor_time_constants_rising: flat.rotor_time_constants_rising,
            rotor_time_constants_falling: flat.rotor_time_constants_falling,
            mass: flat.mass,
            gravity: flat.gravity,
            inertia: rows(&flat.inertia),
            inertia_inverse: rows(&flat.inertia_inverse),
            hovering_throttle_relative: flat.hovering_throttle_relative,
            action_limit: eyas_sim::ActionLimit { min: flat.action_limit[0], max: flat.action_limit[1] },
        }
    }
}

/// All numbers that a transition starts from.
const INPUTS: usize = VEHICLE_NUMBERS + 17 + 4 + 4 + 3 + 3 + 13 + 4 + 1;
/// All numbers that follow: state 17, reference 12, observation 26, reward, terminated.
const OUTPUTS: usize = 17 + 12 + 26 + 2;

/// A compared quantity and where it lies among the outputs.
#[derive(Clone, Debug, PartialEq)]
pub struct Quantity {
    /// Its name, with unit.
    pub name: &'static str,
    /// Largest absolute error in `f64`.
    pub error_f64: f64,
    /// Largest absolute error over all lanes of all instruction sets in `f32`.
    pub error_f32: f64,
    /// What `error_f32` may be: eight roundings of `f32` at the largest magnitude on the way.
    pub bound_f32: f64,
}

/// Name, first output and count of each quantity, and the magnitude that `f32` rounds at: of the state for
/// most; forces and torques act through `dt / m` and `dt / J`, which the magnitudes of the derivatives bound.
const QUANTITIES: [(&str, usize, usize); 9] = [
    ("position [m]", 0, 3),
    ("orientation [1]", 3, 4),
    ("linear velocity [m/s]", 7, 3),
    ("angular velocity [rad/s]", 10, 3),
    ("rotor speed [share of range]", 13, 4),
    ("reference [m, m/s]", 17, 12),
    ("teacher observation", 29, 26),
    ("reward", 55, 1),
    ("terminated", 56, 1),
];

/// A recording that was replayed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Replay {
    /// Transitions compared.
    pub transitions: usize,
    /// Largest error of each quantity.
    pub quantities: Vec<Quantity>,
}

/// Why a recording cannot be replayed.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "each message names its fields")]
pub enum ReplayError {
    #[error("the first transition carries no `dynamics` and `position_threshold`")]
    NoDynamics,
    #[error("transition {line}: {source}")]
    Parameter { line: usize, source: eyas_sim::ParameterError },
    #[error("transition {line}: `teacher_observation` has {found} numbers, expected 26")]
    Observation { line: usize, found: usize },
    #[error("the recording holds no transition")]
    Empty,
}

impl Replay {
    /// Steps every transition in `f64` and, in `f32`, in every lane of every instruction set, beside
    /// neighbours that hold other transitions.
    pub fn run(transitions: &[Transition]) -> Result<Self, ReplayError> {
        let config = RaptorConfig::default();
        let (inputs, expected) = flatten(transitions)?;
        let mut replay = Self {
            transitions: transitions.len(),
            quantities: QUANTITIES
                .map(|(name, ..)| Quantity { name, error_f64: 0.0, error_f32: 0.0, bound_f32: 0.0 })
                .to_vec(),
        };
        for (input, expected) in inputs.iter().zip(&expected) {
            let outputs = evaluate::<f64>(&config, input);
            replay.compare(input, &outputs, expected, |quantity| &mut quantity.error_f64);
        }
        for isa in Isa::available() {
            for rotation in 0..LANES {
                replay.run_lanes(&config, (isa, rotation), &inputs, &expected);
            }
        }
        replay.set_bounds(config.sim.dt, &inputs);
        Ok(replay)
    }

    fn run_lanes(
        &mut self,
        config: &RaptorConfig,
        (isa, rotation): (Isa, usize),
        inputs: &[[f64; INPUTS]],
        expected: &[[f64; OUTPUTS]],
    ) {
        for first in (0..inputs.len()).step_by(LANES) {
            let place = |lane: usize| (first + (lane + rotation) % LANES) % inputs.len();
            let mut rows = [[0.0; LANES]; INPUTS];
            for (index, row) in rows.iter_mut().enumerate() {
                for (lane, value) in row.iter_mut().enumerate() {
                    *value = inputs[place(lane)][index] as f32;
                }
            }
            let outputs = dispatch_on(isa, Evaluate { config, inputs: &rows });
            for lane in 0..LANES {
                let outputs = outputs.map(|row| f64::from(row[lane]));
                let place = place(lane);
                self.compare(&inputs[place], &outputs, &expected[place], |quantity| &mut quantity.error_f32);
            }
        }
    }

    fn compare(
        &mut self,
        input: &[f64; INPUTS],
        outputs: &[f64; OUTPUTS],
        expected: &[f64; OUTPUTS],
        error: impl Fn(&mut Quantity) -> &mut f64,
    ) {
        let range = input[VEHICLE_NUMBERS - 1] - input[VEHICLE_NUMBERS - 2];
        for (quantity, (_, first, count)) in self.quantities.iter_mut().zip(QUANTITIES) {
            let scale = if first == 13 { 1.0 / range } else { 1.0 };
            let largest = error(quantity);
            for index in first..first + count {
                let difference = scale * (outputs[index] - expected[index]).abs();
                // A difference that is not a number counts as the worst.
                *largest = if difference.is_nan() { f64::INFINITY } else { largest.max(difference) };
            }
        }
    }

    /// `f32` rounds states of up to 20 m, 2 m/s or 35 rad/s, and speed differences scaled by `dt/J`.
    fn set_bounds(&mut self, dt: f64, inputs: &[[f64; INPUTS]]) {
        let rounding = f64::from(f32::EPSILON);
        let mut angular = 0.0_f64;
        for input in inputs {
            let vehicle =
                Vehicle::<f64>::from_numbers(input.first_chunk().expect("inputs start with the vehicle"));
            for axis in 0..3 {
                let torque: f64 = vehicle
                    .rotors
                    .iter()
                    .map(|rotor| {
                        let [c0, c1, c2] = rotor.thrust.map(f64::abs);
                        let speed = vehicle.speed_max.abs();
                        (c0 + speed * (c1 + speed * c2)) * rotor.torque[axis].abs()
                    })
                    .sum();
                angular = angular.max(torque * vehicle.inertia_inverse[axis][axis] * dt);
            }
        }
        let magnitudes = [32.0, 1.0, 8.0, 35.0 + angular, 1.0, 8.0, 35.0, 128.0];
        for (quantity, magnitude) in self.quantities.iter_mut().zip(magnitudes) {
            quantity.bound_f32 = 8.0 * rounding * magnitude;
        }
    }

    /// Whether every `f64` error is within the tolerance and every `f32` error within its bound.
    #[must_use]
    pub fn is_within(&self, tolerance: f64) -> bool {
        self.quantities.iter().all(|it| it.error_f64 <= tolerance && it.error_f32 <= it.bound_f32)
    }
}

impl fmt::Display for Replay {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "{} transitions", self.transitions)?;
        writeln!(formatter, "{:<30} {:>12} {:>12} {:>12}", "largest error", "f64", "f32 lanes", "f32 bound")?;
        for it in &self.quantities {
            let Quantity { name, error_f64, error_f32, bound_f32 } = it;
            writeln!(formatter, "{name:<30} {error_f64:>12.1e} {error_f32:>12.1e} {bound_f32:>12.1e}")?;
        }
        Ok(())
    }
}

type Flat = (Vec<[f64; INPUTS]>, Vec<[f64; OUTPUTS]>);

fn flatten(transitions: &[Transition]) -> Result<Flat, ReplayError> {
    let first = transitions.first().ok_or(ReplayError::Empty)?;
    let mut vehicle = first.dynamics.as_ref().ok_or(ReplayError::NoDynamics)?.into();
    let mut threshold = first.position_threshold.ok_or(ReplayError::NoDynamics)?;
    let (mut inputs, mut outputs) = (Vec::new(), Vec::new());
    for (index, it) in transitions.iter().enumerate() {
        let line = index + 1;
        if let Some(dynamics) = &it.dynamics {
            vehicle = VehicleParameters::from(dynamics);
            vehicle.validate().map_err(|source| ReplayError::Parameter { line, source })?;
        }
        threshold = it.position_threshold.unwrap_or(threshold);
        if it.teacher_observation.len() != 26 {
            return Err(ReplayError::Observation { line, found: it.teacher_observation.len() });
        }
        let state = &it.state;
        inputs.push(collect(
            Vehicle::new(&vehicle)
                .numbers()
                .into_iter()
                .chain(physical(state))
                .chain(state.last_action)
                .chain(state.action_history)
                .chain(state.force)
                .chain(state.torque)
                .chain(reference(state))
                .chain([f64::from(state.trajectory_type)])
                .chain(it.action)
                .chain([threshold]),
        ));
        let flags = [it.reward, f64::from(u8::from(it.terminated))];
        outputs.push(collect(
            physical(&it.next_state)
                .chain(reference(&it.next_state))
                .chain(it.teacher_observation.iter().copied())
                .chain(flags),
        ));
    }
    Ok((inputs, outputs))
}

fn collect<const N: usize>(values: impl Iterator<Item = f64>) -> [f64; N] {
    let values: Vec<f64> = values.collect();
    values.try_into().expect("the parts have fixed widths")
}

fn physical(state: &RecordedState) -> impl Iterator<Item = f64> {
    let motion = state.position.into_iter().chain(state.orientation_wxyz).chain(state.linear_velocity);
    motion.chain(state.angular_velocity).chain(state.rpm)
}

fn reference(state: &RecordedState) -> impl Iterator<Item = f64> {
    let parts = [state.ref_position_raw, state.ref_velocity_raw, state.ref_position, state.ref_velocity];
    parts.into_iter().flatten()
}

struct Evaluate<'a> {
    config: &'a RaptorConfig,
    inputs: &'a [[f32; LANES]; INPUTS],
}

impl Kernel for Evaluate<'_> {
    type Output = [[f32; LANES]; OUTPUTS];

    #[inline(always)]
    fn run<L: Lanes>(self) -> Self::Output {
        let mut inputs = [L::splat(0.0); INPUTS];
        for (lanes, values) in inputs.iter_mut().zip(self.inputs) {
            *lanes = L::from_array(values);
        }
        let mut outputs = [[0.0; LANES]; OUTPUTS];
        for (values, lanes) in outputs.iter_mut().zip(evaluate(self.config, &inputs)) {
            *values = lanes.to_array();
        }
        outputs
    }
}

/// Observes, steps, rewards and terminates, in RLtools' order.
#[inline(always)]
fn evaluate<R: Real>(config: &RaptorConfig, inputs: &[R; INPUTS]) -> [R; OUTPUTS] {
    let (numbers, rest) = inputs.split_first_chunk::<VEHICLE_NUMBERS>().expect("checked by the types");
    let (state, rest) = rest.split_first_chunk::<17>().expect("checked by the types");
    let (last_action, rest) = rest.split_first_chunk::<4>().expect("checked by the types");
    let (history, rest) = rest.split_first_chunk::<4>().expect("checked by the types");
    let vehicle = Vehicle::from_numbers(numbers);
    let state = State::from_fields(*state);
    let vector = |start: usize| [rest[start], rest[start + 1], rest[start + 2]];
    let disturbance = Disturbance { force_world: vector(0), torque_body: vector(3) };
    let target = Langevin {
        raw_position: vector(6),
        raw_velocity: vector(9),
        position: vector(12),
        velocity: vector(15),
    };
    let action = [rest[19], rest[20], rest[21], rest[22]];
    let threshold = rest[23];

    let observation = formulas::observe(&vehicle, &state, &target, history);
    let next = formulas::step(config, &vehicle, &state, &action, &disturbance);
    let moved = target.step(&REFERENCE, config.sim.dt, [R::zero(); 3], None);
    let [far, fast, spinning] = formulas::causes(&config.termination, &next.body, threshold);
    let terminated = R::or(far, R::or(fast, spinning));
    let [position, orientation, change, constant] =
        formulas::running_reward(&config.reward, &state.body, &target, &action, last_action);
    let reward = R::select(
        terminated,
        R::constant(config.reward.termination_penalty),
        constant + position + orientation + change,
    );

    let is_moving = R::constant(0.5).less(rest[18]);
    let mut outputs = [R::zero(); OUTPUTS];
    let parts = [moved.raw_position, moved.raw_velocity, moved.position, moved.velocity];
    for (output, field) in outputs.iter_mut().zip(next.fields()) {
        *output = *field;
    }
    for part in 0..4 {
        for axis in 0..3 {
            outputs[17 + 3 * part + axis] = R::select(is_moving, parts[part][axis], R::zero());
        }
    }
    for (output, value) in outputs[29..].iter_mut().zip(observation) {
        *output = value;
    }
    outputs[55] = reward;
    outputs[56] = R::select(terminated, R::one(), R::zero());
    outputs
}
