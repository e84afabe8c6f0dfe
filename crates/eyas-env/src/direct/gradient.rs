//! Going back through the steps of Isaac Lab's quadcopter task.

use eyas_lanes::{HALVES, Kernel, Lanes, Row, dispatch};
use eyas_sim::{Body, HeldStep, State, add, dot, matrix_from_quaternion, pull_back_matrix, scale, sub};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::block::{DirectBlock, OBSERVATIONS, Shared};
use super::config::DirectConfig;
use super::env::blocks;
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
mod tests {
    use eyas_lanes::{BLOCK, Stream};
    use eyas_sim::{Disturbance, Vector, Vehicle, body_from_world, step_held};

    use super::*;

    /// Position, orientation, velocity and angular velocity, then the action.
    const INPUTS: usize = 17;

    type Inputs = [f64; INPUTS];

    fn normal(name: &str, lane: usize, index: usize) -> f64 {
        f64::from(Stream::new(21, name).normals([index as u32, lane as u32, 0, 0])[0])
    }

    /// Vehicles around both limits of the height, with actions in and out of range.
    fn inputs(lane: usize) -> Inputs {
        let mut values: Inputs = std::array::from_fn(|index| {
            let size = match index {
                3..7 => 1.0,
                10..13 => 8.0,
                _ => 0.9,
            };
            f64::from((size * normal("inputs", lane, index)) as f32)
        });
        let norm = values[3..7].iter().map(|it| it * it).sum::<f64>().sqrt();
        values[3..7].iter_mut().for_each(|it| *it = f64::from((*it / norm) as f32));
        values
    }

    fn body(inputs: &Inputs) -> Body<f64> {
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, ..] = *inputs;
        Body {
            position: [a, b, c],
            orientation: [d, e, f, g],
            velocity: [h, i, j],
            angular_velocity: [k, l, m],
        }
    }

    fn numbers(body: &Body<f64>) -> [f64; 13] {
        let State { body: Body { position: p, orientation: q, velocity: v, angular_velocity: w }, .. } =
            State { body: *body, rotor_speed: [0.0; 4] };
        [p[0], p[1], p[2], q[0], q[1], q[2], q[3], v[0], v[1], v[2], w[0], w[1], w[2]]
    }

    fn square(v: Vector<f64>) -> f64 {
        v.iter().map(|it| it * it).sum()
    }

    /// The surrogate's cost of a step and what comes later, which weighs the numbers of the state after it.
    fn value(config: &DirectConfig, goal: Vector<f64>, inputs: &Inputs, later: &[f64; 13]) -> f64 {
        let surrogate = DirectSurrogate::default();
        let action: [f64; 4] = std::array::from_fn(|index| inputs[13 + index]);
        let [lift, x, y, z] = action.map(|it| it.clamp(-1.0, 1.0));
        let wrench = (
            [0.0, 0.0, 0.5 * config.full_thrust() * (lift + 1.0)],
            [x, y, z].map(|it| config.moment_scale * it),
        );
        let vehicle = Vehicle::new(config.vehicle()).to_lanes::<f64, true>();
        let after = step_held(&vehicle, &body(inputs), wrench, &Disturbance::none(), 0.02, 2);
        let distance = (square(sub(after.position, goal)) + 1e-4).sqrt() - 1e-2;
        let mut cost = 0.02 * (0.05 * square(after.velocity) + 0.01 * square(after.angular_velocity));
        cost += 0.02 * 15.0 * libm::tanh(distance / 0.8) + surrogate.distance_weight * distance;
        let Barrier { reach, weight } = surrogate.height_barrier;
        let height = after.position[2] + 0.5;
        for excess in [0.1 + reach - height, height - (2.0 - reach)] {
            cost += weight * excess.max(0.0).powi(2);
        }
        for it in action {
            cost += surrogate.saturation_weight * (it - it.clamp(-1.0, 1.0)).powi(2);
        }
        cost + numbers(&after).iter().zip(later).map(|(a, b)| a * b).sum::<f64>()
    }

    /// Central differences along each of the numbers.
    fn differences(inputs: &Inputs, value: impl Fn(&Inputs) -> f64) -> Inputs {
        std::array::from_fn(|index| {
            let shifted = |by: f64| {
                let mut moved = *inputs;
                moved[index] += by;
                value(&moved)
            };
            (shifted(1e-5) - shifted(-1e-5)) / 2e-5
        })
    }

    /// A block whose vehicles stand where the inputs say.
    fn block(config: &DirectConfig) -> DirectBlock {
        let mut block = config.differentiable_blocks(1, 5).remove(0);
        block.reset(u32::MAX);
        for lane in 0..BLOCK {
            let Body { position, orientation, velocity, angular_velocity } = body(&inputs(lane));
            let single = |v: Vector<f64>| v.map(|it| it as f32);
            let orientation = orientation.map(|it| it as f32);
            let [position, velocity] = [single(position), single(velocity)];
            let angular_velocity = single(angular_velocity);
            block.put(lane, &Body { position, orientation, velocity, angular_velocity });
        }
        block
    }

    fn derivative(later: &[f64; 13]) -> Derivative {
        let mut derivative = Derivative::default();
        for (row, value) in derivative.state.fields_mut().into_iter().zip(later) {
            *row = Row::splat(*value as f32);
        }
        derivative
    }

    fn agree(lane: usize, found: &[f32], expected: &[f64]) {
        let scale = expected.iter().fold(1.0_f64, |most, it| most.max(it.abs()));
        for (index, (found, expected)) in found.iter().zip(expected).enumerate() {
            let error = (f64::from(*found) - expected).abs();
            assert!(error < 1e-4 * scale, "lane {lane}, number {index}: {found} against {expected}");
        }
    }

    #[test]
    fn a_step_pulls_back_what_central_differences_show() {
        let config = DirectConfig::default();
        let mut block = block(&config);
        let later: [f64; 13] = std::array::from_fn(|index| f64::from(normal("later", 0, index) as f32));
        let (mut record, mut of_action) = (DirectRecord::default(), [Row::ZERO; 4]);
        let mut action = [Row::ZERO; 4];
        for (index, row) in action.iter_mut().enumerate() {
            (0..BLOCK).for_each(|lane| row[lane] = inputs(lane)[13 + index] as f32);
        }
        block.step_recorded(&action, &mut record);
        let mut derivative = derivative(&later);
        let surrogate = DirectSurrogate::default();
        let cost = block.pull_back_step(&surrogate, &record, &mut derivative, &mut of_action);
        let (mut outside, mut limited) = (0, 0);
        for lane in 0..BLOCK {
            let inputs = inputs(lane);
            outside += inputs[13..].iter().filter(|it| it.abs() > 1.0).count();
            let goal = block.telemetry(lane).desired_position.map(f64::from);
            limited += usize::from((inputs[2] + 0.5 - 1.05).abs() > 0.75);
            let expected = value(&config, goal, &inputs, &[0.0; 13]);
            let found = f64::from(cost[lane]);
            assert!((found - expected).abs() < 1e-4 * expected.max(1.0), "lane {lane}: {found}, {expected}");
            let expected = differences(&inputs, |it| value(&config, goal, it, &later));
            let found: Vec<f32> = derivative.state.fields()[..13]
                .iter()
                .copied()
                .chain(&of_action)
                .map(|row| row[lane])
                .collect();
            agree(lane, &found, &expected);
        }
        assert!(
            outside > 10 && limited > 5,
            "{outside} actions out of range, {limited} at the limits of height"
        );
    }

    #[test]
    fn an_observation_pulls_back_what_central_differences_show() {
        let config = DirectConfig::default();
        let block = block(&config);
        let mut record = DirectRecord::default();
        block.record_state(&mut record);
        let weights: [f64; OBSERVATIONS] =
            std::array::from_fn(|index| f64::from(normal("covector", 0, index) as f32));
        let rows = weights.map(|it| Row::splat(it as f32));
        let mut derivative = derivative(&[0.0; 13]);
        block.pull_back_observation(&record, &rows, &mut derivative);
        for lane in 0..BLOCK {
            let goal = block.telemetry(lane).desired_position.map(f64::from);
            let seen = |inputs: &Inputs| -> f64 {
                let it = body(inputs);
                let matrix = matrix_from_quaternion(it.orientation);
                let in_body = |v| body_from_world(&matrix, v);
                let gravity = in_body([0.0, 0.0, -1.0]);
                let parts =
                    [in_body(it.velocity), it.angular_velocity, gravity, in_body(sub(goal, it.position))];
                parts.iter().flatten().zip(weights).map(|(a, b)| a * b).sum()
            };
            let expected = differences(&inputs(lane), seen);
            let found: Vec<f32> = derivative.state.fields()[..13].iter().map(|row| row[lane]).collect();
            agree(lane, &found, &expected[..13]);
        }
    }
}
