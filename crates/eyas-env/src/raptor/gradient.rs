//! Going back through the steps of the RAPTOR environment.

use eyas_lanes::{HALVES, Kernel, Lanes, Row, dispatch};
use eyas_sim::{Body, Disturbance, LaggedStep, State, Vector, add, pull_back_matrix, scale, sub};
use serde::{Deserialize, Serialize};

use super::block::{RaptorBlock, load_motors};
use super::config::RaptorConfig;
use super::env::{RaptorEnv, blocks};
use super::rules::{half_range, set_points};
use crate::differentiable::{check_surrogate, rounded_distance, yaw_cost};
use crate::rows::{load_body, load_vector};
use crate::{Barrier, Derivative, DifferentiableBlock, DifferentiableTask};
use crate::{EnvBlock, EnvSpec, Step, Surrogate, VecEnv};

/// Settings of the smooth cost of the RAPTOR environment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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

/// One control step of a block.
#[derive(Clone, Debug, Default)]
pub struct RaptorRecord {
    before: State<Row>,
    last_action: [Row; 4],
    force: [Row; 3],
    action: [Row; 4],
    after: Body<Row>,
    reference_after: [Row; 3],
}

impl DifferentiableBlock for RaptorBlock {
    type Record = RaptorRecord;
    type Surrogate = RaptorSurrogate;

    fn record_state(&self, record: &mut RaptorRecord) {
        record.before = *self.state();
        record.last_action = *self.last_action();
        record.force = *self.force();
    }

    fn step_recorded(&mut self, action: &[Row], record: &mut RaptorRecord) -> Step {
        self.record_state(record);
        record.action.copy_from_slice(action);
        let step = self.step(action);
        record.after = self.state().body;
        record.reference_after = self.reference().position;
        step
    }

    fn pull_back_step(
        &self,
        surrogate: &RaptorSurrogate,
        record: &RaptorRecord,
        derivative: &mut Derivative,
        action: &mut [Row],
    ) -> Row {
        dispatch(PullBackStep { block: self, surrogate, record, derivative, action })
    }

    fn pull_back_observation(&self, record: &RaptorRecord, observation: &[Row], derivative: &mut Derivative) {
        dispatch(PullBackObservation { block: self, record, observation, derivative });
    }
}

impl DifferentiableTask for RaptorConfig {
    type Block = RaptorBlock;

    fn spec(&self) -> EnvSpec {
        RaptorEnv::new(self, 1, 0).spec().clone()
    }

    fn differentiable_blocks(&self, num_blocks: usize, seed: u64) -> Vec<RaptorBlock> {
        blocks(self, num_blocks, seed).collect()
    }

    /// Rounded from flights of trained policies.
    fn typical_observation(&self) -> Vec<(f32, f32)> {
        let hover = self.hover_action()[0];
        let position = 0.5 * self.max_start_position().max(0.2) as f32;
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
        let weight = robot.mass * eyas_sim::norm(robot.gravity);
        let thrust = |speed: f64| -> f64 {
            robot.rotor_thrust_coefficients.iter().map(|[a, b, c]| a + speed * (b + speed * c)).sum()
        };
        let (mut low, mut high) = (-1.0, 1.0);
        for _ in 0..40 {
            let middle = 0.5 * (low + high);
            let range = robot.action_limit.max - robot.action_limit.min;
            let speed = robot.action_limit.min + 0.5 * (middle + 1.0) * range;
            if thrust(speed) < weight { low = middle } else { high = middle }
        }
        vec![high as f32; 4]
    }
}

struct PullBackStep<'a> {
    block: &'a RaptorBlock,
    surrogate: &'a RaptorSurrogate,
    record: &'a RaptorRecord,
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
    /// Costs and slopes, then back through physics, rotors and set-points.
    #[inline(always)]
    fn pull_back<L: Lanes>(&mut self, half: usize) -> L {
        let Self { block, surrogate, record, derivative, action: of_action } = self;
        let config = block.config();
        let vehicle = block.vehicle::<L>(half);
        let before = record.before.load::<L>(half);
        let action = load_motors::<L>(&record.action, half);
        let mut after = derivative.state.load::<L>(half);
        let threshold = block.position_threshold().load::<L>(half);
        let mut cost = state_cost(config, surrogate, record, (half, threshold), &mut after.body);

        let mut changes = [L::splat(0.0); 4];
        let mut change_square = L::splat(0.0);
        for motor in 0..4 {
            changes[motor] = action[motor] - record.last_action[motor].load(half);
            change_square = changes[motor].mul_add(changes[motor], change_square);
        }
        let rounding = surrogate.d_action_rounding;
        let change = (change_square + L::constant(rounding * rounding)).sqrt();
        let weight = L::constant(config.reward.d_action);
        cost = weight.mul_add(change - L::constant(rounding), cost);

        let step = LaggedStep {
            vehicle: &vehicle,
            state: &before,
            set_point: &set_points(&vehicle, &action),
            disturbance: &Disturbance {
                force_world: load_vector(&record.force, half),
                ..Disturbance::none()
            },
            dt: config.sim.dt,
            substeps: config.sim.substeps,
        };
        let (of_state, of_set_point) = step.pull_back(&after);
        derivative.state.store(half, &of_state);
        let half_range = half_range(&vehicle);
        let saturation = L::constant(surrogate.saturation_weight);
        for motor in 0..4 {
            let of_change = weight * changes[motor] / change;
            let carried = derivative.command[motor].load::<L>(half);
            derivative.command[motor].store(half, -of_change);
            let outside = action[motor] - action[motor].clamp(L::splat(-1.0), L::splat(1.0));
            cost = saturation.mul_add(outside * outside, cost);
            let inside = outside.abs().less(L::splat(f32::MIN_POSITIVE));
            let moved = L::select(inside, half_range * of_set_point[motor], L::splat(0.0));
            let of_saturation = (saturation + saturation) * outside;
            of_action[motor].store(half, moved + of_saturation + of_change + carried);
        }
        cost
    }
}

/// Costs of the state after the step; their slopes are added to `derivative`.
#[inline(always)]
fn state_cost<L: Lanes>(
    config: &RaptorConfig,
    surrogate: &RaptorSurrogate,
    record: &RaptorRecord,
    (half, threshold): (usize, L),
    derivative: &mut Body<L>,
) -> L {
    let body = load_body::<L>(&record.after, half);
    let error = sub(body.position, load_vector(&record.reference_after, half));
    let (mut cost, slope) = rounded_distance(config.reward.position, surrogate.position_rounding_m, error);
    derivative.position = add(derivative.position, slope);
    let yaw = 2.0 * config.reward.orientation;
    let (value, slope) = yaw_cost(yaw, surrogate.orientation_cusp, body.orientation[3]);
    cost = cost + value;
    derivative.orientation[3] = derivative.orientation[3] + slope;

    let limits = &config.termination;
    let limit = L::constant(limits.linear_velocity_threshold);
    let barrier = surrogate.linear_velocity_barrier;
    cost = cost + barrier.add_axes(limit, body.velocity, &mut derivative.velocity);
    let limit = L::constant(limits.angular_velocity_threshold);
    let barrier = surrogate.angular_velocity_barrier;
    cost = cost + barrier.add_axes(limit, body.angular_velocity, &mut derivative.angular_velocity);
    let one = L::splat(1.0);
    let share = one / threshold;
    let mut of_share = [L::splat(0.0); 3];
    cost = cost + surrogate.position_barrier.add_axes(one, scale(share, body.position), &mut of_share);
    for axis in 0..3 {
        derivative.position[axis] = of_share[axis].mul_add(share, derivative.position[axis]);
    }
    cost
}

struct PullBackObservation<'a> {
    block: &'a RaptorBlock,
    record: &'a RaptorRecord,
    observation: &'a [Row],
    derivative: &'a mut Derivative,
}

impl Kernel for PullBackObservation<'_> {
    type Output = ();

    /// Of `p − p*`, `R`, `v − v*`, ω, last action and relative rotor speeds.
    #[inline(always)]
    fn run<L: Lanes>(self) {
        let Self { block, record, observation, derivative } = self;
        for half in 0..HALVES {
            let orientation = load_body::<L>(&record.before.body, half).orientation;
            let of_matrix: [Vector<L>; 3] = [
                load_vector(&observation[3..6], half),
                load_vector(&observation[6..9], half),
                load_vector(&observation[9..12], half),
            ];
            let of_quaternion = pull_back_matrix(orientation, &of_matrix);
            let vehicle = block.vehicle::<L>(half);
            let speed_scale = L::splat(2.0) / (vehicle.speed_max - vehicle.speed_min);
            let mut state = derivative.state.load::<L>(half);
            let body = &mut state.body;
            body.position = add(body.position, load_vector(&observation[0..3], half));
            body.velocity = add(body.velocity, load_vector(&observation[12..15], half));
            body.angular_velocity = add(body.angular_velocity, load_vector(&observation[15..18], half));
            for (sum, value) in body.orientation.iter_mut().zip(of_quaternion) {
                *sum = *sum + value;
            }
            for motor in 0..4 {
                let row = &mut derivative.command[motor];
                row.store(half, row.load::<L>(half) + observation[18 + motor].load(half));
                let speed = observation[22 + motor].load::<L>(half);
                state.rotor_speed[motor] = speed.mul_add(speed_scale, state.rotor_speed[motor]);
            }
            derivative.state.store(half, &state);
        }
    }
}
