//! Going back through the steps of the RAPTOR environment.

use eyas_lanes::{BLOCK, HALVES, Kernel, Lanes, Real, Row, dispatch};
use eyas_sim::{Body, Disturbance, LaggedStep, State, Vector, Vehicle, add, pull_back_matrix, scale, sub};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::block::RaptorBlock;
use super::config::RaptorConfig;
use super::env::blocks;
use super::rules::{OBSERVATIONS, half_range, set_points};
use crate::differentiable::{add_change_cost, check_surrogate, outside, rounded_distance, yaw_cost};
use crate::reality::{Flown, flight, note, under_voltage, voltage};
use crate::rows::{load_body, load_four, load_vector};
use crate::{Barrier, Derivative, DifferentiableBlock, DifferentiableTask};
use crate::{EnvBlock, Step, Surrogate};

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

/// One control step of a block.
#[derive(Clone, Debug, Default)]
pub struct RaptorRecord {
    before: State<Row>,
    last_action: [Row; 4],
    force: [Row; 3],
    flown: Option<Box<Flown>>,
    action: [Row; 4],
    after: Body<Row>,
    reference_after: [Row; 3],
}

impl DifferentiableBlock for RaptorBlock {
    type Record = RaptorRecord;
    type Surrogate = RaptorSurrogate;

    fn record_state(&self, record: &mut RaptorRecord) {
        record.before = self.state;
        record.last_action = self.last_action;
        record.force = self.force;
    }

    fn step_recorded(&mut self, action: &[Row], record: &mut RaptorRecord) -> Step {
        self.record_state(record);
        record.action.copy_from_slice(action);
        let step = self.step(action);
        note(self.reality.as_deref(), &mut record.flown);
        record.after = self.state.body;
        record.reference_after = self.target.reference.position;
        step
    }

    fn pull_back_step(
        &self,
        surrogate: &RaptorSurrogate,
        record: &RaptorRecord,
        derivative: &mut Derivative,
        action: &mut [Row],
    ) -> Row {
        if self.is_aligned() {
            dispatch(PullBackStep::<true> { block: self, surrogate, record, derivative, action })
        } else {
            dispatch(PullBackStep::<false> { block: self, surrogate, record, derivative, action })
        }
    }

    fn pull_back_observation(&self, record: &RaptorRecord, observation: &[Row], derivative: &mut Derivative) {
        dispatch(PullBackObservation { block: self, record, observation, derivative });
    }
}

impl DifferentiableTask for RaptorConfig {
    type Block = RaptorBlock;

    fn differentiable_blocks(&self, num_blocks: usize, seed: u64) -> Vec<RaptorBlock> {
        blocks(self, &[self.fleet_vehicle()], &vec![0; num_blocks * BLOCK], seed)
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

struct PullBackStep<'a, const ALIGNED: bool> {
    block: &'a RaptorBlock,
    surrogate: &'a RaptorSurrogate,
    record: &'a RaptorRecord,
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
    #[inline(always)]
    fn pull_back<L: Lanes>(&mut self, half: usize) -> L {
        let Self { block, surrogate, record, derivative, action: of_action } = self;
        let action = load_four(&record.action, half);
        let flown = record.flown.as_deref();
        let push = load_vector(&record.force, half);
        let (vehicle, disturbance) = flight::<L, ALIGNED>(flown, &block.crafts.vehicle, push, half);
        let voltage = voltage(flown, half);
        let mut told = action;
        if flown.is_some() {
            for value in &mut told {
                *value = under_voltage(*value, voltage);
            }
        }
        let moment = Moment {
            config: &block.shared.config,
            surrogate,
            vehicle: &vehicle,
            before: record.before.load(half),
            last_action: load_four(&record.last_action, half),
            action,
            told,
            voltage,
            disturbance,
            after: load_body(&record.after, half),
            reference_after: load_vector(&record.reference_after, half),
            position_threshold: block.crafts.position_threshold.load(half),
        };
        let carried = load_four(&derivative.command, half);
        let pulled = moment.pull_back(&derivative.state.load(half), &carried);
        derivative.state.store(half, &pulled.state);
        for motor in 0..4 {
            derivative.command[motor].store(half, pulled.last_action[motor]);
            of_action[motor].store(half, pulled.action[motor]);
        }
        pulled.cost
    }
}

/// One control step as going back through it knows it.
struct Moment<'a, R, const ALIGNED: bool> {
    config: &'a RaptorConfig,
    surrogate: &'a RaptorSurrogate,
    vehicle: &'a Vehicle<R, ALIGNED>,
    before: State<R>,
    last_action: [R; 4],
    action: [R; 4],
    /// The action as the motors are told it, at a voltage.
    told: [R; 4],
    voltage: R,
    disturbance: Disturbance<R>,
    after: Body<R>,
    reference_after: Vector<R>,
    position_threshold: R,
}

/// Cost of a step, and derivatives with respect to what went into it.
struct Pulled<R> {
    cost: R,
    state: State<R>,
    last_action: [R; 4],
    action: [R; 4],
}

impl<R: Real, const ALIGNED: bool> Moment<'_, R, ALIGNED> {
    /// Costs and slopes, then back through physics, rotors and set-points; `carried` is the derivative with
    /// respect to the action as later costs and observations know it.
    #[inline(always)]
    fn pull_back(&self, after: &State<R>, carried: &[R; 4]) -> Pulled<R> {
        let Self { config, surrogate, vehicle, before, action, .. } = self;
        let mut after = *after;
        let cost = self.state_cost(&mut after.body);
        let mut changes = [R::zero(); 4];
        for motor in 0..4 {
            changes[motor] = action[motor] - self.last_action[motor];
        }
        let weight = R::constant(config.reward.d_action);
        let (mut cost, of_change) = add_change_cost(cost, weight, surrogate.d_action_rounding, &changes);

        let step = LaggedStep {
            vehicle,
            state: before,
            set_point: &set_points(vehicle, &self.told),
            disturbance: &self.disturbance,
            dt: config.sim.dt,
            substeps: config.sim.substeps,
        };
        let (state, of_set_point) = step.pull_back(&after);
        let half_range = self.voltage * half_range(vehicle);
        let saturation = R::constant(surrogate.saturation_weight);
        let (mut of_last_action, mut of_action) = ([R::zero(); 4], [R::zero(); 4]);
        for motor in 0..4 {
            let (outside, inside) = outside(action[motor]);
            cost = saturation.mul_add(outside * outside, cost);
            let moved = R::select(inside, half_range * of_set_point[motor], R::zero());
            let of_saturation = (saturation + saturation) * outside;
            of_last_action[motor] = -of_change[motor];
            of_action[motor] = moved + of_saturation + of_change[motor] + carried[motor];
        }
        Pulled { cost, state, last_action: of_last_action, action: of_action }
    }

    /// Costs of the state after the step; their slopes are added to `derivative`.
    #[inline(always)]
    fn state_cost(&self, derivative: &mut Body<R>) -> R {
        let Self { config, surrogate, after: body, .. } = self;
        let error = sub(body.position, self.reference_after);
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
        let share = R::one() / self.position_threshold;
        let mut of_share = [R::zero(); 3];
        let shares = scale(share, body.position);
        cost = cost + surrogate.position_barrier.add_axes(R::one(), shares, &mut of_share);
        derivative.position = add(derivative.position, scale(share, of_share));
        cost
    }
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
            let before = record.before.load::<L>(half);
            let mut of_observation = [L::splat(0.0); OBSERVATIONS];
            for (value, row) in of_observation.iter_mut().zip(observation) {
                *value = row.load(half);
            }
            let mut state = derivative.state.load(half);
            let mut command = load_four(&derivative.command, half);
            let vehicle = block.vehicle::<L, false>(half);
            pull_back_observation(&vehicle, &before, &of_observation, &mut state, &mut command);
            derivative.state.store(half, &state);
            for (row, value) in derivative.command.iter_mut().zip(command) {
                row.store(half, value);
            }
        }
    }
}

/// Of [`observe`](super::rules::observe): `p − p*`, `R`, `v − v*`, ω, last action and relative rotor speeds.
#[inline(always)]
fn pull_back_observation<R: Real>(
    vehicle: &Vehicle<R>,
    before: &State<R>,
    observation: &[R; OBSERVATIONS],
    state: &mut State<R>,
    command: &mut [R; 4],
) {
    let o = observation;
    let body = &mut state.body;
    body.position = add(body.position, [o[0], o[1], o[2]]);
    body.velocity = add(body.velocity, [o[12], o[13], o[14]]);
    body.angular_velocity = add(body.angular_velocity, [o[15], o[16], o[17]]);
    let of_matrix = [[o[3], o[4], o[5]], [o[6], o[7], o[8]], [o[9], o[10], o[11]]];
    let of_quaternion = pull_back_matrix(before.body.orientation, &of_matrix);
    for (sum, value) in body.orientation.iter_mut().zip(of_quaternion) {
        *sum = *sum + value;
    }
    let speed_scale = R::constant(2.0) / (vehicle.speed_max - vehicle.speed_min);
    for motor in 0..4 {
        command[motor] = command[motor] + o[18 + motor];
        state.rotor_speed[motor] = o[22 + motor].mul_add(speed_scale, state.rotor_speed[motor]);
    }
}

#[cfg(test)]
mod tests;
