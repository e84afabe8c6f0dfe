//! Going back through the steps of the RAPTOR environment.

use eyas_lanes::{BLOCK, Real};
use eyas_sim::{Body, LaggedStep, State, Vehicle, add, pull_back_matrix, scale, sub};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::config::RaptorConfig;
use super::formulas::{half_range, set_points};
use super::{Limits, Raptor, RaptorBlock, pushed};
use crate::differentiable::{add_change_cost, check_surrogate, outside, rounded_distance, yaw_cost};
use crate::reality::under_voltage;
use crate::task::{Flown, Moment};
use crate::{Barrier, Derivative, Differentiable, DifferentiableTask, FlownStep, Slopes, Surrogate};

/// Settings of the smooth cost of the RAPTOR environment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RaptorSurrogate {
    /// Below this distance the cost of the position error is rounded off, m. Positive.
    pub position_rounding_m: f64,
    /// The magnitude of `q_z` is taken to be at least this, where the slope of `acos(1 − |q_z|)` is infinite. In `(0, 1)`.
    pub orientation_cusp: f64,
    /// Below this the cost of the action's change is rounded off. Positive.
    pub d_action_rounding: f64,
    /// Before the limit of speed along a world axis; measured in m/s.
    pub linear_velocity_barrier: Barrier,
    /// Before the limit of angular velocity about a body axis; measured in rad/s.
    pub angular_velocity_barrier: Barrier,
    /// Before the limit of the position along a world axis; measured in shares of the limit.
    pub position_barrier: Barrier,
    /// Weight of the square by which an action leaves `[-1, 1]`, where it moves nothing. At least 0.
    pub saturation_weight: f64,
}

impl Default for RaptorSurrogate {
    /// Measured on the Crazyflie, see `docs/algorithms/apg.md`.
    fn default() -> Self {
        Self {
            position_rounding_m: 1e-3,
            orientation_cusp: 2e-4,
            d_action_rounding: 1e-3,
            linear_velocity_barrier: Barrier { reach: 0.4, weight: 30.0 },
            angular_velocity_barrier: Barrier { reach: 10.0, weight: 0.02 },
            position_barrier: Barrier { reach: 0.25, weight: 100.0 },
            saturation_weight: 0.1,
        }
    }
}

impl Surrogate for RaptorSurrogate {
    fn validate(&self) -> Result<(), String> {
        check_surrogate(
            &[
                ("position_rounding_m", self.position_rounding_m),
                ("orientation_cusp", self.orientation_cusp),
                ("1 - orientation_cusp", 1.0 - self.orientation_cusp),
                ("d_action_rounding", self.d_action_rounding),
            ],
            &[
                ("linear_velocity_barrier", self.linear_velocity_barrier),
                ("angular_velocity_barrier", self.angular_velocity_barrier),
                ("position_barrier", self.position_barrier),
            ],
            &[("saturation_weight", self.saturation_weight)],
        )
    }
}

impl Differentiable for Raptor {
    type Surrogate = RaptorSurrogate;

    /// Costs and slopes, then back through physics, rotors and set-points.
    #[inline(always)]
    fn pull_back_step<R: Real, const ALIGNED: bool>(
        &self,
        surrogate: &RaptorSurrogate,
        step: &FlownStep<R, Self, ALIGNED>,
        limits: &Limits<R>,
        derivative: &mut Derivative<R>,
    ) -> (R, [R; 4]) {
        let config = &self.config;
        let FlownStep { flown: Flown { vehicle, disturbance }, before, action, .. } = step;
        let mut after = derivative.state;
        let cost = self.state_cost(surrogate, step, limits.position[0], &mut after.body);
        let mut changes = [R::zero(); 4];
        for motor in 0..4 {
            changes[motor] = action[motor] - before.memory.last_action[motor];
        }
        let weight = R::constant(config.reward.d_action);
        let (mut cost, of_change) = add_change_cost(cost, weight, surrogate.d_action_rounding, &changes);

        let mut half_range = half_range(vehicle);
        let mut applied = *action;
        if let Some(voltage) = step.voltage {
            half_range = voltage * half_range;
            for value in &mut applied {
                *value = under_voltage(*value, voltage);
            }
        }
        let lagged = LaggedStep {
            vehicle,
            state: &before.state,
            set_point: &set_points(vehicle, &applied),
            disturbance: &pushed(disturbance, before.memory.force),
            dt: config.sim.dt,
            substeps: config.sim.substeps,
        };
        let (state, of_set_point) = lagged.pull_back(&after);
        derivative.state = state;
        let saturation = R::constant(surrogate.saturation_weight);
        let mut of_action = [R::zero(); 4];
        for motor in 0..4 {
            let (outside, inside) = outside(action[motor]);
            cost = saturation.mul_add(outside * outside, cost);
            let moved = R::select(inside, half_range * of_set_point[motor], R::zero());
            let of_saturation = (saturation + saturation) * outside;
            let carried = derivative.command[motor];
            of_action[motor] = moved + of_saturation + of_change[motor] + carried;
            derivative.command[motor] = -of_change[motor];
        }
        (cost, of_action)
    }

    /// Of `formulas::observe`: `p − p*`, `R`, `v − v*`, ω, last action and relative rotor speeds.
    #[inline(always)]
    fn pull_back_observation<R: Real>(
        &self,
        vehicle: &Vehicle<R>,
        moment: &Moment<R, Self>,
        slopes: &impl Slopes<R>,
        derivative: &mut Derivative<R>,
    ) {
        let Derivative { state: State { body, rotor_speed }, command } = derivative;
        body.position = add(body.position, slopes.along_all(0));
        body.velocity = add(body.velocity, slopes.along_all(12));
        body.angular_velocity = add(body.angular_velocity, slopes.along_all(15));
        let of_matrix = [slopes.along_all(3), slopes.along_all(6), slopes.along_all(9)];
        let of_quaternion = pull_back_matrix(moment.state.body.orientation, &of_matrix);
        for (sum, value) in body.orientation.iter_mut().zip(of_quaternion) {
            *sum = *sum + value;
        }
        let speed_scale = R::constant(2.0) / (vehicle.speed_max - vehicle.speed_min);
        for motor in 0..4 {
            command[motor] = command[motor] + slopes.along(18 + motor);
            rotor_speed[motor] = slopes.along(22 + motor).mul_add(speed_scale, rotor_speed[motor]);
        }
    }
}

impl Raptor {
    /// Costs of the state after the step; their slopes are added to `derivative`.
    #[inline(always)]
    fn state_cost<R: Real, const ALIGNED: bool>(
        &self,
        surrogate: &RaptorSurrogate,
        step: &FlownStep<R, Self, ALIGNED>,
        position_threshold: R,
        derivative: &mut Body<R>,
    ) -> R {
        let config = &self.config;
        let body = &step.after;
        let error = sub(body.position, step.reference_after);
        let (mut cost, slope) =
            rounded_distance(config.reward.position, surrogate.position_rounding_m, error);
        derivative.position = add(derivative.position, slope);
        let yaw = 2.0 * config.reward.orientation;
        let (value, slope) = yaw_cost(yaw, surrogate.orientation_cusp, body.orientation[3]);
        cost = cost + value;
        derivative.orientation[3] = derivative.orientation[3] + slope;

        let limits = &config.termination;
        let limit = R::constant(limits.linear_velocity_threshold);
        let barrier = surrogate.linear_velocity_barrier;
        cost = cost + barrier.add_axes(limit, body.velocity, &mut derivative.velocity);
        let limit = R::constant(limits.angular_velocity_threshold);
        let barrier = surrogate.angular_velocity_barrier;
        cost = cost + barrier.add_axes(limit, body.angular_velocity, &mut derivative.angular_velocity);
        let share = R::one() / position_threshold;
        let mut of_share = [R::zero(); 3];
        let shares = scale(share, body.position);
        cost = cost + surrogate.position_barrier.add_axes(R::one(), shares, &mut of_share);
        derivative.position = add(derivative.position, scale(share, of_share));
        cost
    }
}

impl DifferentiableTask for RaptorConfig {
    type Block = RaptorBlock;

    fn differentiable_blocks(&self, num_blocks: usize, seed: u64) -> Vec<RaptorBlock> {
        self.blocks(&[self.fleet_vehicle()], &vec![0; num_blocks * BLOCK], seed)
    }

    /// Rounded from flights of trained policies.
    fn typical_observation(&self) -> Vec<(f32, f32)> {
        let hover = self.hover_action()[0];
        let position = 0.5 * self.max_start_position(&self.fleet_vehicle()).max(0.2) as f32;
        let parts = [
            (3, 0.0, position),
            (9, 0.0, 0.5),
            (3, 0.0, 0.7),
            (3, 0.0, 2.0),
            (4, hover, 0.3),
            (4, hover, 0.3),
        ];
        parts.iter().flat_map(|&(width, mean, std)| std::iter::repeat_n((mean, std), width)).collect()
    }

    /// The speed at which each rotor carries a quarter of the weight, by bisection: files of RLtools carry the
    /// hovering throttle of another vehicle.
    fn hover_action(&self) -> Vec<f32> {
        let robot = &self.robot;
        let (mut low, mut high) = (-1.0, 1.0);
        for _ in 0..40 {
            let middle = 0.5 * (low + high);
            let range = robot.action_limit.max - robot.action_limit.min;
            let speed = robot.action_limit.min + 0.5 * (middle + 1.0) * range;
            if robot.thrust(speed) < robot.weight() { low = middle } else { high = middle }
        }
        vec![high as f32; 4]
    }

    /// A record holds one state, an observation that is late another one's velocity.
    fn validate_gradient(&self) -> Result<(), String> {
        match self.observation_delay.linear_velocity {
            0 => self.reality.validate_gradient(),
            delay => Err(format!(
                "`env.observation_delay.linear_velocity` = {delay}, expected 0: the simulator's gradient does not go \
                 through a late observation; `--algorithm ppo` trains with one"
            )),
        }
    }
}

#[cfg(test)]
mod tests;
