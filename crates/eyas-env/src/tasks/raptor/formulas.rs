//! Formulas of RLtools' `l2f` at 460bae06^ under the configuration of RAPTOR's pre-training: what a teacher
//! observes, how an action moves a vehicle, what it is worth and what ends an episode.

use eyas_lanes::Real;
use eyas_sim::{Body, Disturbance, Langevin, State, Vehicle, matrix_from_quaternion, norm, step_lagged, sub};

use super::config::{RaptorConfig, RewardConfig, TerminationConfig};
use crate::rows::largest;

/// Features of the full observation.
pub(super) const OBSERVATIONS: usize = 26;
/// Those that need no rotor-speed telemetry.
pub(super) const POLICY_OBSERVATIONS: usize = 22;

/// The teacher's observation: position error, rotation matrix, velocity error (all world frame), body
/// rates, previous raw action, normalised rotor speeds.
#[inline(always)]
pub(super) fn observe<R: Real>(
    vehicle: &Vehicle<R>,
    state: &State<R>,
    target: &Langevin<R>,
    history: &[R; 4],
) -> [R; OBSERVATIONS] {
    let body = &state.body;
    let [r0, r1, r2] = matrix_from_quaternion(body.orientation);
    let position_error = sub(body.position, target.position);
    let velocity_error = sub(body.velocity, target.velocity);
    let mut observation = [R::zero(); OBSERVATIONS];
    let vectors = [position_error, r0, r1, r2, velocity_error, body.angular_velocity];
    for (part, values) in vectors.into_iter().enumerate() {
        observation[3 * part..3 * part + 3].copy_from_slice(&values);
    }
    for rotor in 0..4 {
        observation[18 + rotor] = history[rotor];
        observation[22 + rotor] = relative_speed(vehicle, state.rotor_speed[rotor]);
    }
    observation
}

/// A rotor speed as the action that holds it: −1 at the least, 1 at the most.
#[inline(always)]
pub(super) fn relative_speed<R: Real>(vehicle: &Vehicle<R>, speed: R) -> R {
    let two_over_range = R::constant(2.0) / (vehicle.speed_max - vehicle.speed_min);
    (speed - vehicle.speed_min).mul_add(two_over_range, -R::one())
}

/// Rotor speeds that an action asks for; outside `[-1, 1]` it asks for no more.
#[inline(always)]
pub(super) fn set_points<R: Real, const ALIGNED: bool>(
    vehicle: &Vehicle<R, ALIGNED>,
    action: &[R; 4],
) -> [R; 4] {
    let half_range = half_range(vehicle);
    let mut set_points = [R::zero(); 4];
    for (set_point, action) in set_points.iter_mut().zip(action) {
        let clamped = action.clamp(-R::one(), R::one());
        *set_point = (clamped + R::one()).mul_add(half_range, vehicle.speed_min);
    }
    set_points
}

/// Rotor speed for each unit of action.
#[inline(always)]
pub(super) fn half_range<R: Real, const ALIGNED: bool>(vehicle: &Vehicle<R, ALIGNED>) -> R {
    R::constant(0.5) * (vehicle.speed_max - vehicle.speed_min)
}

/// Holds an action for one control step.
#[inline(always)]
pub(super) fn step<R: Real, const ALIGNED: bool>(
    config: &RaptorConfig,
    vehicle: &Vehicle<R, ALIGNED>,
    state: &State<R>,
    action: &[R; 4],
    disturbance: &Disturbance<R>,
) -> State<R> {
    let set_points = set_points(vehicle, action);
    step_lagged(vehicle, state, &set_points, disturbance, config.sim.dt, config.sim.substeps)
}

/// Terms of the reward of an action in a state, unless it ends in a termination: minus position error,
/// minus yaw-like error, minus change of the raw action, constant.
#[inline(always)]
pub(super) fn running_reward<R: Real>(
    weights: &RewardConfig,
    body: &Body<R>,
    target: &Langevin<R>,
    action: &[R; 4],
    last_action: &[R; 4],
) -> [R; 4] {
    let mut change = R::zero();
    for (action, last) in action.iter().zip(last_action) {
        let step = *action - *last;
        change = step.mul_add(step, change);
    }
    // 2 acos(1 − |q_z|)
    let yaw = body.orientation[3].abs().min(R::one()).acos_one_minus();
    [
        -R::constant(weights.position) * norm(sub(body.position, target.position)),
        -R::constant(2.0 * weights.orientation) * yaw,
        -R::constant(weights.d_action) * change.sqrt(),
        R::constant(weights.constant),
    ]
}

/// Which limits a body is beyond: of position, linear and angular velocity, each axis on its own.
#[inline(always)]
pub(super) fn causes<R: Real>(
    limits: &TerminationConfig,
    body: &Body<R>,
    position_threshold: R,
) -> [R::Mask; 3] {
    [
        position_threshold.less(largest(body.position)),
        R::constant(limits.linear_velocity_threshold).less(largest(body.velocity)),
        R::constant(limits.angular_velocity_threshold).less(largest(body.angular_velocity)),
    ]
}
