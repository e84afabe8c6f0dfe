//! Going back through the steps of the point task.

use std::sync::Arc;

use eyas_lanes::{BLOCK, HALVES, Kernel, Lanes, Row, dispatch};
use eyas_sim::{Body, HeldStep, State, add, dot, matrix_from_quaternion, norm, pull_back_matrix, scale, sub};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::block::{PointBlock, Shared};
use super::config::PointConfig;
use crate::differentiable::{add_change_cost, check_surrogate, outside, rounded_distance, yaw_cost};
use crate::reality::{Flown, flight, note, voltage};
use crate::rows::{load_body, load_vector};
use crate::{Barrier, Derivative, DifferentiableBlock, DifferentiableTask, TaskConfig as _};
use crate::{EnvBlock, Step, Surrogate};

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

/// One control step of a block.
#[derive(Clone, Debug, Default)]
pub struct PointRecord {
    before: State<Row>,
    previous_set_point: [Row; 4],
    action: [Row; 4],
    flown: Option<Box<Flown>>,
    target_position: [Row; 3],
    target_velocity: [Row; 3],
    after: Body<Row>,
    target_position_after: [Row; 3],
}

impl DifferentiableBlock for PointBlock {
    type Record = PointRecord;
    type Surrogate = PointSurrogate;

    fn record_state(&self, record: &mut PointRecord) {
        record.before = self.state;
        record.previous_set_point = self.set_point;
        let target = &self.target.reference;
        (record.target_position, record.target_velocity) = (target.position, target.velocity);
    }

    fn step_recorded(&mut self, action: &[Row], record: &mut PointRecord) -> Step {
        self.record_state(record);
        record.action.copy_from_slice(action);
        let step = self.step(action);
        note(self.reality.as_deref(), &mut record.flown);
        record.after = self.state.body;
        record.target_position_after = self.target.reference.position;
        step
    }

    fn pull_back_step(
        &self,
        surrogate: &PointSurrogate,
        record: &PointRecord,
        derivative: &mut Derivative,
        action: &mut [Row],
    ) -> Row {
        let shared = &*self.shared;
        if shared.aligned {
            dispatch(PullBackStep::<true> { shared, surrogate, record, derivative, action })
        } else {
            dispatch(PullBackStep::<false> { shared, surrogate, record, derivative, action })
        }
    }

    fn pull_back_observation(&self, record: &PointRecord, observation: &[Row], derivative: &mut Derivative) {
        let limit = self.shared.config.robot.action_limit;
        let speed_scale = (1.0 / (limit.max - limit.min)) as f32;
        dispatch(PullBackObservation { speed_scale, record, observation, derivative });
    }
}

impl DifferentiableTask for PointConfig {
    type Block = PointBlock;

    fn differentiable_blocks(&self, num_blocks: usize, seed: u64) -> Vec<PointBlock> {
        let shared = Arc::new(Shared::new(self, seed));
        (0..num_blocks).map(|block| PointBlock::new(Arc::clone(&shared), (block * BLOCK) as u32)).collect()
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

struct PullBackStep<'a, const ALIGNED: bool> {
    shared: &'a Shared,
    surrogate: &'a PointSurrogate,
    record: &'a PointRecord,
    derivative: &'a mut Derivative,
    action: &'a mut [Row],
}

impl<const ALIGNED: bool> Kernel for PullBackStep<'_, ALIGNED> {
    type Output = Row;

    #[inline(always)]
    fn run<L: Lanes>(mut self) -> Row {
        let mut cost = Row::ZERO;
        for half in 0..HALVES {
            cost.store(half, self.pull_back::<L>(half));
        }
        cost
    }
}

impl<const ALIGNED: bool> PullBackStep<'_, ALIGNED> {
    /// Costs and slopes, then back through physics, rotors and set-points.
    #[inline(always)]
    fn pull_back<L: Lanes>(&mut self, half: usize) -> L {
        let config = &self.shared.config;
        let flown = self.record.flown.as_deref();
        let no_push = [L::splat(0.0); 3];
        let (vehicle, disturbance) = flight::<L, ALIGNED>(flown, &self.shared.vehicle, no_push, half);
        let voltage = voltage::<L>(flown, half);
        let lag = self.shared.lag;
        let (zero, one, half_value) = (L::splat(0.0), L::splat(1.0), L::splat(0.5));
        let before = self.record.before.load::<L>(half);
        let mut after = self.derivative.state.load::<L>(half);
        let cost = self.state_cost::<L>(half, &mut after.body);

        let range = voltage * (vehicle.speed_max - vehicle.speed_min);
        let mut speeds = before.rotor_speed;
        let mut changes = [zero; 4];
        for motor in 0..4 {
            let command = self.record.action[motor].load::<L>(half).clamp(-one, one);
            let set_point = (command + one) * half_value;
            changes[motor] = set_point - self.record.previous_set_point[motor].load(half);
            speeds[motor] = lag.apply(speeds[motor], set_point.mul_add(range, vehicle.speed_min));
        }
        let (weight, rounding) =
            (L::constant(config.reward_coef_d_action_cost), self.surrogate.d_action_rounding);
        let (mut cost, of_change) = add_change_cost(cost, weight, rounding, &changes);

        let step = HeldStep {
            vehicle: &vehicle,
            body: &before.body,
            wrench: vehicle.wrench(&speeds),
            disturbance: &disturbance,
            dt: config.control_period(),
            substeps: config.sim.substeps * config.decimation,
        };
        let held = step.pull_back(&after.body);
        let of_wrench = vehicle.pull_back_wrench(&speeds, held.force, held.torque);
        let mut result = State { body: held.body, rotor_speed: [zero; 4] };
        let saturation = L::constant(self.surrogate.saturation_weight);
        for motor in 0..4 {
            let (of_speed, of_goal) = lag.pull_back(after.rotor_speed[motor] + of_wrench[motor]);
            result.rotor_speed[motor] = of_speed;
            let carried = self.derivative.command[motor].load::<L>(half);
            let of_set_point = of_goal.mul_add(range, of_change[motor] + carried);
            self.derivative.command[motor].store(half, -of_change[motor]);
            let (outside, inside) = outside(self.record.action[motor].load::<L>(half));
            cost = saturation.mul_add(outside * outside, cost);
            let free = L::select(inside, half_value * of_set_point, zero);
            self.action[motor].store(half, (saturation + saturation).mul_add(outside, free));
        }
        self.derivative.state.store(half, &result);
        cost
    }

    /// Costs of the state after the step; their slopes are added to `derivative`.
    #[inline(always)]
    fn state_cost<L: Lanes>(&self, half: usize, derivative: &mut Body<L>) -> L {
        let Self { surrogate, record, .. } = self;
        let config = &self.shared.config;
        let body = load_body::<L>(&record.after, half);
        let (position, yaw) = (config.reward_coef_position_cost, config.reward_coef_orientation_cost);
        let error = sub(body.position, load_vector(&record.target_position_after, half));
        let (mut cost, slope) = rounded_distance(position, surrogate.position_rounding_m, error);
        derivative.position = add(derivative.position, slope);
        let [_, x, y, z] = body.orientation;
        let (value, slope) = yaw_cost(yaw, surrogate.orientation_cusp, z);
        cost = cost + value;
        derivative.orientation[3] = derivative.orientation[3] + slope;

        let limits = &config.thresholds;
        let limit = L::constant(limits.linear_velocity);
        let barrier = surrogate.linear_velocity_barrier;
        cost = cost + barrier.add_axes(limit, body.velocity, &mut derivative.velocity);
        let limit = L::constant(limits.angular_velocity);
        let barrier = surrogate.angular_velocity_barrier;
        cost = cost + barrier.add_axes(limit, body.angular_velocity, &mut derivative.angular_velocity);
        let most = L::constant(-limits.least_upright());
        let (one, two, four) = (L::splat(1.0), L::splat(2.0), L::splat(4.0));
        let upright = one - two * x.mul_add(x, y * y);
        let (value, slope) = surrogate.tilt_barrier.at(most, -upright);
        cost = cost + value;
        derivative.orientation[1] = slope.mul_add(four * x, derivative.orientation[1]);
        derivative.orientation[2] = slope.mul_add(four * y, derivative.orientation[2]);

        let distance = norm(body.position).max(L::splat(1e-6));
        let (value, slope) = surrogate.position_barrier.at(L::constant(limits.position), distance);
        derivative.position = add(derivative.position, scale(slope / distance, body.position));
        cost + value
    }
}

struct PullBackObservation<'a> {
    speed_scale: f32,
    record: &'a PointRecord,
    observation: &'a [Row],
    derivative: &'a mut Derivative,
}

impl Kernel for PullBackObservation<'_> {
    type Output = ();

    /// Of `R`, `Rᵀ (p − p*)`, `Rᵀ (v − v*)`, ω, set-points and scaled rotor speeds.
    #[inline(always)]
    fn run<L: Lanes>(self) {
        let Self { speed_scale, record, observation, derivative } = self;
        for half in 0..HALVES {
            let body = record.before.load::<L>(half).body;
            let matrix = matrix_from_quaternion(body.orientation);
            let position_error = sub(body.position, load_vector(&record.target_position, half));
            let velocity_error = sub(body.velocity, load_vector(&record.target_velocity, half));
            let of_position = load_vector::<L>(&observation[0..3], half);
            let of_velocity = load_vector::<L>(&observation[12..15], half);
            let mut of_matrix = [
                load_vector::<L>(&observation[3..6], half),
                load_vector(&observation[6..9], half),
                load_vector(&observation[9..12], half),
            ];
            for row in 0..3 {
                for column in 0..3 {
                    let sum = position_error[row].mul_add(of_position[column], of_matrix[row][column]);
                    of_matrix[row][column] = velocity_error[row].mul_add(of_velocity[column], sum);
                }
            }
            let of_quaternion = pull_back_matrix(body.orientation, &of_matrix);
            let mut state = derivative.state.load::<L>(half);
            for row in 0..3 {
                state.body.position[row] = state.body.position[row] + dot(matrix[row], of_position);
                state.body.velocity[row] = state.body.velocity[row] + dot(matrix[row], of_velocity);
                let rate = &mut state.body.angular_velocity[row];
                *rate = *rate + observation[15 + row].load(half);
            }
            for (sum, value) in state.body.orientation.iter_mut().zip(of_quaternion) {
                *sum = *sum + value;
            }
            for motor in 0..4 {
                let row = &mut derivative.command[motor];
                row.store(half, row.load::<L>(half) + observation[18 + motor].load(half));
                let speed = observation[22 + motor].load::<L>(half);
                state.rotor_speed[motor] = speed.mul_add(L::splat(speed_scale), state.rotor_speed[motor]);
            }
            derivative.state.store(half, &state);
        }
    }
}
