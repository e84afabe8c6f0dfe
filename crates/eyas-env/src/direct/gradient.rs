//! Going back through the steps of Isaac Lab's quadcopter task.

use eyas_lanes::{HALVES, Kernel, Lanes, Row, dispatch};
use eyas_sim::{Body, HeldStep, State, add, dot, matrix_from_quaternion, pull_back_matrix, scale, sub};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::block::{DirectBlock, Shared};
use super::config::DirectConfig;
use super::env::blocks;
use super::spec::OBSERVATIONS;
use crate::differentiable::{check_surrogate, outside, rounded_distance};
use crate::reality::{Flown, flight, note};
use crate::rows::{load_body, load_four, load_vector};
use crate::{
    Barrier, Derivative, DifferentiableBlock, DifferentiableTask, EnvBlock, Step, Surrogate, TaskConfig as _,
};

/// Settings of the smooth cost of Isaac Lab's quadcopter task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DirectSurrogate {
    /// Below this distance the cost of the distance to the goal is rounded off, m. Positive.
    pub position_rounding_m: f64,
    /// Cost of each m of distance in a step, for goals so far away that the reward hardly changes. At least 0.
    pub distance_weight: f64,
    /// Before the limits of the height; measured in m.
    pub height_barrier: Barrier,
    /// Weight of the square by which an action leaves `[-1, 1]`, where it has no effect. At least 0.
    pub saturation_weight: f64,
}

impl Default for DirectSurrogate {
    fn default() -> Self {
        Self {
            position_rounding_m: 1e-2,
            distance_weight: 0.05,
            height_barrier: Barrier { reach: 0.2, weight: 20.0 },
            saturation_weight: 0.02,
        }
    }
}

impl Surrogate for DirectSurrogate {
    fn validate(&self) -> Result<(), String> {
        check_surrogate(
            &[("position_rounding_m", self.position_rounding_m)],
            &[("height_barrier", self.height_barrier)],
            &[("distance_weight", self.distance_weight), ("saturation_weight", self.saturation_weight)],
        )
    }
}

/// One control step of a block.
#[derive(Clone, Debug, Default)]
pub struct DirectRecord {
    before: Body<Row>,
    goal: [Row; 3],
    action: [Row; 4],
    flown: Option<Box<Flown>>,
    after: Body<Row>,
    goal_after: [Row; 3],
}

impl DifferentiableBlock for DirectBlock {
    type Record = DirectRecord;
    type Surrogate = DirectSurrogate;

    fn record_state(&self, record: &mut DirectRecord) {
        record.before = self.body;
        record.goal = self.goal;
    }

    fn step_recorded(&mut self, action: &[Row], record: &mut DirectRecord) -> Step {
        self.record_state(record);
        record.action.copy_from_slice(action);
        let step = self.step(action);
        note(self.reality.as_deref(), &mut record.flown);
        record.after = self.body;
        record.goal_after = self.goal;
        step
    }

    fn pull_back_step(
        &self,
        surrogate: &DirectSurrogate,
        record: &DirectRecord,
        derivative: &mut Derivative,
        action: &mut [Row],
    ) -> Row {
        dispatch(PullBackStep { shared: &self.shared, surrogate, record, derivative, action })
    }

    fn pull_back_observation(&self, record: &DirectRecord, observation: &[Row], derivative: &mut Derivative) {
        dispatch(PullBackObservation { record, observation, derivative });
    }
}

impl DifferentiableTask for DirectConfig {
    type Block = DirectBlock;

    fn differentiable_blocks(&self, num_blocks: usize, seed: u64) -> Vec<DirectBlock> {
        blocks(self, num_blocks, seed)
    }

    /// Rounded from flights of trained policies.
    fn typical_observation(&self) -> Vec<(f32, f32)> {
        let mut typical = vec![(0.0, 0.7); OBSERVATIONS];
        typical[3..6].fill((0.0, 2.0));
        typical[6..8].fill((0.0, 0.3));
        typical[8] = (-0.9, 0.2);
        typical[9..].fill((0.0, 0.8));
        typical
    }

    fn hover_action(&self) -> Vec<f32> {
        vec![(2.0 / self.thrust_to_weight - 1.0) as f32, 0.0, 0.0, 0.0]
    }

    fn validate_gradient(&self) -> Result<(), String> {
        self.reality.validate_gradient()
    }
}

struct PullBackStep<'a> {
    shared: &'a Shared,
    surrogate: &'a DirectSurrogate,
    record: &'a DirectRecord,
    derivative: &'a mut Derivative,
    action: &'a mut [Row],
}

impl Kernel for PullBackStep<'_> {
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

impl PullBackStep<'_> {
    /// Costs and slopes, then back through physics and wrench.
    #[inline(always)]
    fn pull_back<L: Lanes>(&mut self, half: usize) -> L {
        let config = &self.shared.config;
        let flown = self.record.flown.as_deref();
        let no_push = [L::splat(0.0); 3];
        let (vehicle, disturbance) = flight::<L, true>(flown, &self.shared.vehicle, no_push, half);
        let zero = L::splat(0.0);
        let before = load_body::<L>(&self.record.before, half);
        let mut after = self.derivative.state.load::<L>(half).body;
        let mut cost = self.state_cost::<L>(half, &mut after);

        let commands = load_four::<L>(&self.record.action, half);
        let step = HeldStep {
            vehicle: &vehicle,
            body: &before,
            wrench: self.shared.wrench(commands),
            disturbance: &disturbance,
            dt: config.control_period(),
            substeps: config.sim.substeps * config.decimation,
        };
        let held = step.pull_back(&after);
        let lift = L::constant(0.5 * config.full_thrust());
        let moment = L::constant(config.moment_scale);
        let [x, y, z] = held.torque;
        let of_commands = [lift * held.force[2], moment * x, moment * y, moment * z];
        let saturation = L::constant(self.surrogate.saturation_weight);
        for index in 0..4 {
            let (outside, inside) = outside(commands[index]);
            cost = saturation.mul_add(outside * outside, cost);
            let free = L::select(inside, of_commands[index], zero);
            self.action[index].store(half, (saturation + saturation).mul_add(outside, free));
        }
        self.derivative.state.store(half, &State { body: held.body, rotor_speed: [zero; 4] });
        cost
    }

    /// Costs of the state after the step; their slopes are added to `derivative`.
    #[inline(always)]
    fn state_cost<L: Lanes>(&self, half: usize, derivative: &mut Body<L>) -> L {
        let Self { surrogate, record, .. } = self;
        let config = &self.shared.config;
        let body = load_body::<L>(&record.after, half);
        let cost_of = |scale: f64| L::constant(-scale * config.control_period());
        let (one, two) = (L::splat(1.0), L::splat(2.0));

        let weight = cost_of(config.lin_vel_reward_scale);
        let mut cost = weight * dot(body.velocity, body.velocity);
        derivative.velocity = add(derivative.velocity, scale(two * weight, body.velocity));
        let weight = cost_of(config.ang_vel_reward_scale);
        let rate = body.angular_velocity;
        cost = weight.mul_add(dot(rate, rate), cost);
        derivative.angular_velocity = add(derivative.angular_velocity, scale(two * weight, rate));

        let error = sub(body.position, load_vector(&record.goal_after, half));
        let (distance, direction) = rounded_distance(1.0, surrogate.position_rounding_m, error);
        let inverse = L::constant(1.0 / config.distance_to_goal_std);
        let farness = (distance * inverse).tanh();
        let (near, far) =
            (-cost_of(config.distance_to_goal_reward_scale), L::constant(surrogate.distance_weight));
        cost = near.mul_add(farness, far.mul_add(distance, cost));
        let slope = (near * inverse).mul_add((-farness).mul_add(farness, one), far);
        derivative.position = add(derivative.position, scale(slope, direction));

        let spawn = config.robot.init_state.pos[2];
        let (low, high) = (spawn - config.height.minimum, config.height.maximum - spawn);
        let barrier = surrogate.height_barrier;
        let height = body.position[2];
        let (below, fall) = barrier.at(L::constant(low), -height);
        let (above, rise) = barrier.at(L::constant(high), height);
        derivative.position[2] = derivative.position[2] + (rise - fall);
        cost + (below + above)
    }
}

struct PullBackObservation<'a> {
    record: &'a DirectRecord,
    observation: &'a [Row],
    derivative: &'a mut Derivative,
}

impl Kernel for PullBackObservation<'_> {
    type Output = ();

    /// Of `Rᵀ v`, ω, `−Rᵀ e₃` and `Rᵀ (p* − p)`.
    #[inline(always)]
    fn run<L: Lanes>(self) {
        let Self { record, observation, derivative } = self;
        for half in 0..HALVES {
            let body = load_body::<L>(&record.before, half);
            let matrix = matrix_from_quaternion(body.orientation);
            let to_goal = sub(load_vector(&record.goal, half), body.position);
            let of_velocity = load_vector::<L>(&observation[0..3], half);
            let of_gravity = load_vector::<L>(&observation[6..9], half);
            let of_goal = load_vector::<L>(&observation[9..12], half);
            let mut of_matrix = [[L::splat(0.0); 3]; 3];
            for row in 0..3 {
                for column in 0..3 {
                    let sum = to_goal[row] * of_goal[column];
                    of_matrix[row][column] = body.velocity[row].mul_add(of_velocity[column], sum);
                }
            }
            of_matrix[2] = sub(of_matrix[2], of_gravity);
            let of_quaternion = pull_back_matrix(body.orientation, &of_matrix);
            let mut state = derivative.state.load::<L>(half);
            for row in 0..3 {
                state.body.position[row] = state.body.position[row] - dot(matrix[row], of_goal);
                state.body.velocity[row] = state.body.velocity[row] + dot(matrix[row], of_velocity);
                let rate = &mut state.body.angular_velocity[row];
                *rate = *rate + observation[3 + row].load(half);
            }
            for (sum, value) in state.body.orientation.iter_mut().zip(of_quaternion) {
                *sum = *sum + value;
            }
            derivative.state.store(half, &state);
        }
    }
}

#[cfg(test)]
mod tests;
