//! Going back through the steps of the point task.

use std::sync::Arc;

use eyas_lanes::{BLOCK, HALVES, Kernel, LANES, Lanes, Row, dispatch};
use eyas_sim::{
    Body, Disturbance, HeldStep, State, add, dot, matrix_from_quaternion, norm, pull_back_matrix, scale, sub,
};

use super::block::{PointBlock, Shared, load_vector};
use super::config::PointConfig;
use super::env::PointEnv;
use crate::differentiable::Barrier;
use crate::{DifferentiableBlock, DifferentiableTask, EnvBlock, EnvSpec, Step, SurrogateConfig, VecEnv};

/// One control step of a block.
#[derive(Clone, Debug, Default)]
pub struct PointRecord {
    before: State<Row>,
    previous_set_point: [Row; 4],
    action: [Row; 4],
    target_position: [Row; 3],
    target_velocity: [Row; 3],
    after: Body<Row>,
    target_position_after: [Row; 3],
}

/// Derivative of a cost with respect to the state of a block between two steps.
#[derive(Clone, Debug, Default)]
pub struct PointDerivative {
    state: State<Row>,
    set_point: [Row; 4],
}

impl DifferentiableBlock for PointBlock {
    type Record = PointRecord;
    type Derivative = PointDerivative;

    fn step_recorded(&mut self, action: &[Row], record: &mut PointRecord) -> Step {
        record.before = *self.state();
        record.previous_set_point = *self.set_point();
        record.action.copy_from_slice(action);
        (record.target_position, record.target_velocity) = (self.target().position, self.target().velocity);
        let step = self.step(action);
        record.after = self.state().body;
        record.target_position_after = self.target().position;
        step
    }

    fn pull_back_step(
        &self,
        surrogate: &SurrogateConfig,
        record: &PointRecord,
        derivative: &mut PointDerivative,
        action: &mut [Row],
    ) -> Row {
        dispatch(PullBackStep { shared: self.shared(), surrogate, record, derivative, action })
    }

    fn pull_back_observation(
        &self,
        record: &PointRecord,
        observation: &[Row],
        derivative: &mut PointDerivative,
    ) {
        let limit = self.shared().config().robot.action_limit;
        let speed_scale = (1.0 / (limit.max - limit.min)) as f32;
        dispatch(PullBackObservation { speed_scale, record, observation, derivative });
    }

    fn forget(mask: u32, derivative: &mut PointDerivative) {
        if mask != 0 {
            dispatch(Forget { mask, derivative });
        }
    }
}

impl DifferentiableTask for PointConfig {
    type Block = PointBlock;

    fn spec(&self) -> EnvSpec {
        PointEnv::new(self, 1, 0).spec().clone()
    }

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
}

struct Forget<'a> {
    mask: u32,
    derivative: &'a mut PointDerivative,
}

impl Kernel for Forget<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let rows = self.derivative.state.fields_mut().into_iter().chain(&mut self.derivative.set_point);
        for row in rows {
            for half in 0..HALVES {
                let mask = L::mask(self.mask >> (half * LANES) & 0xffff);
                row.store(half, L::select(mask, L::splat(0.0), row.load(half)));
            }
        }
    }
}

struct PullBackStep<'a> {
    shared: &'a Shared,
    surrogate: &'a SurrogateConfig,
    record: &'a PointRecord,
    derivative: &'a mut PointDerivative,
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
    /// Costs and slopes, then back through physics, rotors and set-points.
    #[inline(always)]
    fn pull_back<L: Lanes>(&mut self, half: usize) -> L {
        let config = self.shared.config();
        let vehicle = self.shared.vehicle().to_lanes::<L>();
        let lag = self.shared.lag();
        let (zero, one, half_value) = (L::splat(0.0), L::splat(1.0), L::splat(0.5));
        let before = self.record.before.load::<L>(half);
        let mut after = self.derivative.state.load::<L>(half);
        let mut cost = self.state_cost::<L>(half, &mut after.body);

        let range = vehicle.speed_max - vehicle.speed_min;
        let mut speeds = before.rotor_speed;
        let mut changes = [zero; 4];
        let mut change_square = zero;
        for motor in 0..4 {
            let command = self.record.action[motor].load::<L>(half).clamp(-one, one);
            let set_point = (command + one) * half_value;
            changes[motor] = set_point - self.record.previous_set_point[motor].load(half);
            change_square = changes[motor].mul_add(changes[motor], change_square);
            speeds[motor] = lag.apply(speeds[motor], set_point.mul_add(range, vehicle.speed_min));
        }
        let rounding = self.surrogate.d_action_rounding;
        let change = (change_square + L::constant(rounding * rounding)).sqrt();
        let weight = L::constant(config.reward_coef_d_action_cost);
        cost = weight.mul_add(change - L::constant(rounding), cost);

        let step = HeldStep {
            vehicle: &vehicle,
            body: &before.body,
            wrench: vehicle.wrench(&speeds),
            disturbance: &Disturbance::none(),
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
            let of_change = weight * changes[motor] / change;
            let carried = self.derivative.set_point[motor].load::<L>(half);
            let of_set_point = of_goal.mul_add(range, of_change + carried);
            self.derivative.set_point[motor].store(half, -of_change);
            let action = self.record.action[motor].load::<L>(half);
            let outside = action - action.clamp(-one, one);
            cost = saturation.mul_add(outside * outside, cost);
            let inside = outside.abs().less(L::splat(f32::MIN_POSITIVE));
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
        let config = self.shared.config();
        let body = load_body::<L>(&record.after, half);
        let (one, two) = (L::splat(1.0), L::splat(2.0));

        let error = sub(body.position, load_vector(&record.target_position_after, half));
        let rounding = surrogate.position_rounding_m;
        let distance = (dot(error, error) + L::constant(rounding * rounding)).sqrt();
        let weight = L::constant(config.reward_coef_position_cost);
        let mut cost = weight * (distance - L::constant(rounding));
        derivative.position = add(derivative.position, scale(weight / distance, error));

        // d acos(1 − s) / ds = 1 / √(2 s − s²)
        let [_, x, y, z] = body.orientation;
        let weight = L::constant(config.reward_coef_orientation_cost);
        let s = z.abs().clamp(L::constant(surrogate.orientation_cusp), one);
        // Nearer to the cusp, the parabola that touches there.
        let slope = weight / (s * (two - s)).sqrt();
        let nearer = z.mul_add(z, -(s * s)) / (s + s);
        cost = weight.mul_add(s.acos_one_minus(), cost) + slope * nearer.min(L::splat(0.0));
        derivative.orientation[3] = derivative.orientation[3] + slope * (z / s).clamp(-one, one);

        let limits = &config.thresholds;
        for axis in 0..3 {
            let (limited, limit) = (surrogate.linear_velocity_barrier, limits.linear_velocity);
            let (value, slope) = barrier_of_size(limited, limit, body.velocity[axis]);
            cost = cost + value;
            derivative.velocity[axis] = derivative.velocity[axis] + slope;
            let (limited, limit) = (surrogate.angular_velocity_barrier, limits.angular_velocity);
            let (value, slope) = barrier_of_size(limited, limit, body.angular_velocity[axis]);
            cost = cost + value;
            derivative.angular_velocity[axis] = derivative.angular_velocity[axis] + slope;
        }
        // The cosine of the tilt falls to 0 at the limit.
        let upright = one - two * x.mul_add(x, y * y);
        let (value, slope) = barrier(surrogate.tilt_barrier, 0.0, -upright);
        cost = cost + value;
        let four = two + two;
        derivative.orientation[1] = slope.mul_add(four * x, derivative.orientation[1]);
        derivative.orientation[2] = slope.mul_add(four * y, derivative.orientation[2]);

        let distance = norm(body.position).max(L::splat(1e-6));
        let (value, slope) = barrier(surrogate.position_barrier, limits.position, distance);
        derivative.position = add(derivative.position, scale(slope / distance, body.position));
        cost + value
    }
}

/// A barrier before a limit, and its slope.
#[inline(always)]
fn barrier<L: Lanes>(limited: Barrier, limit: f64, x: L) -> (L, L) {
    let excess = (x - L::constant(limit - limited.reach)).max(L::splat(0.0));
    let slope = L::constant(limited.weight) * excess;
    (slope * excess, slope + slope)
}

/// The same before the limit of `|x|`.
#[inline(always)]
fn barrier_of_size<L: Lanes>(limited: Barrier, limit: f64, x: L) -> (L, L) {
    let (value, slope) = barrier(limited, limit, x.abs());
    (value, L::select(x.less(L::splat(0.0)), -slope, slope))
}

struct PullBackObservation<'a> {
    speed_scale: f32,
    record: &'a PointRecord,
    observation: &'a [Row],
    derivative: &'a mut PointDerivative,
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
                let row = &mut derivative.set_point[motor];
                row.store(half, row.load::<L>(half) + observation[18 + motor].load(half));
                let speed = observation[22 + motor].load::<L>(half);
                state.rotor_speed[motor] = speed.mul_add(L::splat(speed_scale), state.rotor_speed[motor]);
            }
            derivative.state.store(half, &state);
        }
    }
}

#[inline(always)]
fn load_body<L: Lanes>(body: &Body<Row>, half: usize) -> Body<L> {
    let [w, x, y, z] = &body.orientation;
    Body {
        position: load_vector(&body.position, half),
        orientation: [w.load(half), x.load(half), y.load(half), z.load(half)],
        velocity: load_vector(&body.velocity, half),
        angular_velocity: load_vector(&body.angular_velocity, half),
    }
}
