//! Going back through the steps of the point task.

use eyas_lanes::Real;
use eyas_sim::{
    Body, HeldStep, State, Vector, Vehicle, add, dot, matrix_from_quaternion, norm, pull_back_matrix, scale,
    sub,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::config::PointConfig;
use super::{Point, PointBlock, set_points};
use crate::differentiable::{add_change_cost, check_surrogate, outside, rounded_distance, yaw_cost};
use crate::task::{Flown, Moment};
use crate::{
    Barrier, Derivative, Differentiable, DifferentiableTask, FlownStep, Slopes, Surrogate, TaskConfig as _,
};

/// Settings of the smooth cost of the point task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PointSurrogate {
    /// Below this distance the cost of the position error is rounded off, m. Positive.
    pub position_rounding_m: f64,
    /// The magnitude of `q_z` is taken to be at least this, where the slope of `acos(1 − |q_z|)` is infinite. In `(0, 1)`.
    pub orientation_cusp: f64,
    /// Below this the cost of the set-point's change is rounded off. Positive.
    pub d_action_rounding: f64,
    /// Before the limit of speed along a world axis; measured in m/s.
    pub linear_velocity_barrier: Barrier,
    /// Before the limit of angular velocity about a body axis; measured in rad/s.
    pub angular_velocity_barrier: Barrier,
    /// Before the limit of tilt; measured in the cosine of the tilt.
    pub tilt_barrier: Barrier,
    /// Before the limit of the distance from the spawn point; measured in m.
    pub position_barrier: Barrier,
    /// Weight of the square by which an action leaves `[-1, 1]`, where it has no effect. At least 0.
    pub saturation_weight: f64,
}

impl Default for PointSurrogate {
    /// The barriers of tilt and speed were measured on the point task, where a tilt barrier of reach 0.35 loses
    /// 12 % of the Langevin episodes at an error of 0.26 m, 0.45 loses 3 % at 0.275 m, and 0.6 loses 1 % at
    /// 0.30 m. See `docs/algorithms/apg.md`.
    fn default() -> Self {
        Self {
            position_rounding_m: 1e-3,
            orientation_cusp: 2e-4,
            d_action_rounding: 1e-3,
            linear_velocity_barrier: Barrier { reach: 0.7, weight: 60.0 },
            angular_velocity_barrier: Barrier { reach: 10.0, weight: 0.02 },
            tilt_barrier: Barrier { reach: 0.45, weight: 20.0 },
            position_barrier: Barrier { reach: 1.0, weight: 1.0 },
            saturation_weight: 0.1,
        }
    }
}

impl Surrogate for PointSurrogate {
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
                ("tilt_barrier", self.tilt_barrier),
                ("position_barrier", self.position_barrier),
            ],
            &[("saturation_weight", self.saturation_weight)],
        )
    }
}

impl Differentiable for Point {
    type Surrogate = PointSurrogate;

    /// Costs and slopes, then back through physics, rotors and set-points.
    #[inline(always)]
    fn pull_back_step<R: Real, const ALIGNED: bool>(
        &self,
        surrogate: &PointSurrogate,
        step: &FlownStep<R, Self, ALIGNED>,
        (): &(),
        derivative: &mut Derivative<R>,
    ) -> (R, [R; 4]) {
        let config = &self.config;
        let FlownStep { flown: Flown { vehicle, disturbance }, voltage, before, action, .. } = step;
        let before_body = &before.state.body;
        let mut after = derivative.state;
        let cost = self.state_cost(surrogate, step, &mut after.body);

        let mut range = vehicle.speed_max - vehicle.speed_min;
        if let Some(voltage) = voltage {
            range = *voltage * range;
        }
        let set_point = set_points(action);
        let mut speeds = before.state.rotor_speed;
        let mut changes = [R::zero(); 4];
        for motor in 0..4 {
            changes[motor] = set_point[motor] - before.memory.set_point[motor];
            speeds[motor] = self.lag.apply(speeds[motor], set_point[motor].mul_add(range, vehicle.speed_min));
        }
        let weight = R::constant(config.reward_coef_d_action_cost);
        let (mut cost, of_change) = add_change_cost(cost, weight, surrogate.d_action_rounding, &changes);

        let held = HeldStep {
            vehicle,
            body: before_body,
            wrench: vehicle.wrench(&speeds),
            disturbance,
            dt: config.control_period(),
            substeps: config.sim.substeps * config.decimation,
        };
        let held = held.pull_back(&after.body);
        let of_wrench = vehicle.pull_back_wrench(&speeds, held.force, held.torque);
        let saturation = R::constant(surrogate.saturation_weight);
        let (mut rotor_speed, mut of_action) = ([R::zero(); 4], [R::zero(); 4]);
        for motor in 0..4 {
            let (of_speed, of_goal) = self.lag.pull_back(after.rotor_speed[motor] + of_wrench[motor]);
            rotor_speed[motor] = of_speed;
            let carried = derivative.command[motor];
            let of_set_point = of_goal.mul_add(range, of_change[motor] + carried);
            derivative.command[motor] = -of_change[motor];
            let (outside, inside) = outside(action[motor]);
            cost = saturation.mul_add(outside * outside, cost);
            let free = R::select(inside, R::constant(0.5) * of_set_point, R::zero());
            of_action[motor] = (saturation + saturation).mul_add(outside, free);
        }
        derivative.state = State { body: held.body, rotor_speed };
        (cost, of_action)
    }

    /// Of `R`, `Rᵀ (p − p*)`, `Rᵀ (v − v*)`, ω, set-points and scaled rotor speeds.
    #[inline(always)]
    fn pull_back_observation<R: Real>(
        &self,
        _: &Vehicle<R>,
        moment: &Moment<R, Self>,
        slopes: &impl Slopes<R>,
        derivative: &mut Derivative<R>,
    ) {
        let Moment { state: State { body, .. }, reference, .. } = moment;
        let matrix = matrix_from_quaternion(body.orientation);
        let position_error = sub(body.position, reference.position);
        let velocity_error = sub(body.velocity, reference.velocity);
        let of_position = slopes.along_all(0);
        let of_velocity = slopes.along_all(12);
        let mut of_matrix: [Vector<R>; 3] = [slopes.along_all(3), slopes.along_all(6), slopes.along_all(9)];
        for row in 0..3 {
            for column in 0..3 {
                let sum = position_error[row].mul_add(of_position[column], of_matrix[row][column]);
                of_matrix[row][column] = velocity_error[row].mul_add(of_velocity[column], sum);
            }
        }
        let of_quaternion = pull_back_matrix(body.orientation, &of_matrix);
        let State { body: of_body, rotor_speed } = &mut derivative.state;
        for row in 0..3 {
            of_body.position[row] = of_body.position[row] + dot(matrix[row], of_position);
            of_body.velocity[row] = of_body.velocity[row] + dot(matrix[row], of_velocity);
            of_body.angular_velocity[row] = of_body.angular_velocity[row] + slopes.along(15 + row);
        }
        for (sum, value) in of_body.orientation.iter_mut().zip(of_quaternion) {
            *sum = *sum + value;
        }
        let limit = self.config.robot.action_limit;
        let speed_scale = R::constant(1.0 / (limit.max - limit.min));
        for motor in 0..4 {
            derivative.command[motor] = derivative.command[motor] + slopes.along(18 + motor);
            rotor_speed[motor] = slopes.along(22 + motor).mul_add(speed_scale, rotor_speed[motor]);
        }
    }
}

impl Point {
    /// Costs of the state after the step; their slopes are added to `derivative`.
    #[inline(always)]
    fn state_cost<R: Real, const ALIGNED: bool>(
        &self,
        surrogate: &PointSurrogate,
        step: &FlownStep<R, Self, ALIGNED>,
        derivative: &mut Body<R>,
    ) -> R {
        let config = &self.config;
        let body = &step.after;
        let (position, yaw) = (config.reward_coef_position_cost, config.reward_coef_orientation_cost);
        let error = sub(body.position, step.reference_after);
        let (mut cost, slope) = rounded_distance(position, surrogate.position_rounding_m, error);
        derivative.position = add(derivative.position, slope);
        let [_, x, y, z] = body.orientation;
        let (value, slope) = yaw_cost(yaw, surrogate.orientation_cusp, z);
        cost = cost + value;
        derivative.orientation[3] = derivative.orientation[3] + slope;

        let limits = &config.thresholds;
        let limit = R::constant(limits.linear_velocity);
        let barrier = surrogate.linear_velocity_barrier;
        cost = cost + barrier.add_axes(limit, body.velocity, &mut derivative.velocity);
        let limit = R::constant(limits.angular_velocity);
        let barrier = surrogate.angular_velocity_barrier;
        cost = cost + barrier.add_axes(limit, body.angular_velocity, &mut derivative.angular_velocity);
        let most = R::constant(-limits.least_upright());
        let (one, two, four) = (R::constant(1.0), R::constant(2.0), R::constant(4.0));
        let upright = one - two * x.mul_add(x, y * y);
        let (value, slope) = surrogate.tilt_barrier.at(most, -upright);
        cost = cost + value;
        derivative.orientation[1] = slope.mul_add(four * x, derivative.orientation[1]);
        derivative.orientation[2] = slope.mul_add(four * y, derivative.orientation[2]);

        let distance = norm(body.position).max(R::constant(f64::from(1e-6_f32)));
        let (value, slope) = surrogate.position_barrier.at(R::constant(limits.position), distance);
        derivative.position = add(derivative.position, scale(slope / distance, body.position));
        cost + value
    }
}

impl DifferentiableTask for PointConfig {
    type Block = PointBlock;

    fn differentiable_blocks(&self, num_blocks: usize, seed: u64) -> Vec<PointBlock> {
        self.blocks(num_blocks, seed)
    }

    /// Rounded from flights of trained policies.
    fn typical_observation(&self) -> Vec<(f32, f32)> {
        let hover = self.robot.hovering_throttle_relative as f32;
        let parts =
            [(3, 0.0, 0.3), (9, 0.0, 0.5), (3, 0.0, 1.0), (3, 0.0, 2.0), (4, hover, 0.1), (4, hover, 0.1)];
        parts.iter().flat_map(|&(width, mean, std)| std::iter::repeat_n((mean, std), width)).collect()
    }

    fn hover_action(&self) -> Vec<f32> {
        vec![2.0 * self.robot.hovering_throttle_relative as f32 - 1.0; 4]
    }

    fn validate_gradient(&self) -> Result<(), String> {
        self.reality.validate_gradient()
    }
}
