//! Thirty-two episodes of the point task.

use std::sync::Arc;

use eyas_lanes::{BLOCK, HALVES, Kernel, LANES, Lanes, Row, Stream, dispatch};
use eyas_sim::{
    Body, Langevin, SpeedLag, State, VEHICLE_NUMBERS, Vehicle, body_from_world, matrix_from_quaternion, norm,
    step_held, sub,
};

use super::config::PointConfig;
use super::spec::REWARD_TERMS;
use crate::episode::{Ledger, Outcome, ResetLanes, reset_lanes};
use crate::reality::{Reality, VEHICLE, flight};
use crate::rows::{at_rest, bits_of, largest, load_body, load_vector, not_a_number_to_zero, not_finite, put};
use crate::rules::{self, StartLimits};
use crate::target::{Motion, Path, Target};
use crate::{Ended, EnvBlock, Interference, Step, TaskConfig as _, Telemetry, Thresholds, visit_rows};

/// What all blocks of an env share.
pub(super) struct Shared {
    pub(super) config: PointConfig,
    motion: Motion,
    /// Of the target.
    noise: Stream,
    /// The vehicle, the same in every lane of a block.
    pub(super) vehicle: Box<[Row; VEHICLE_NUMBERS]>,
    /// Whether it is [aligned](eyas_sim::VehicleParameters::is_aligned) as it flies.
    pub(super) aligned: bool,
    pub(super) lag: SpeedLag,
    max_episode_length: u32,
    start: Stream,
    start_limits: StartLimits,
    seed: u64,
}

impl Shared {
    pub(super) fn new(config: &PointConfig, seed: u64) -> Self {
        Self {
            aligned: config.robot.is_aligned() && config.reality.keeps_alignment(),
            motion: Motion {
                path: Path::new(&config.flown_course(), config.langevin),
                at_rest: config.prob_null_trajectory,
                max_speed: Some(config.langevin_max_speed),
            },
            noise: Stream::new(seed, "env/target"),
            vehicle: Vehicle::rows([&config.robot; BLOCK]),
            lag: SpeedLag::new(config.control_period(), config.motor_tau),
            max_episode_length: config.max_episode_length(),
            start: Stream::new(seed, "env/start"),
            start_limits: StartLimits {
                position: config.init_position_radius,
                linear_velocity: config.init_linear_velocity,
                angular_velocity: config.init_angular_velocity,
                // Roll and pitch within a quarter turn, yaw within half a turn.
                turns: [0.5, 0.5, 1.0],
                at_rest: if config.train_or_play { config.prob_perfect_start } else { 1.0 },
            },
            config: config.clone(),
            seed,
        }
    }
}

/// Thirty-two episodes of the point task; positions are relative to each env's spawn point.
pub struct PointBlock {
    pub(super) shared: Arc<Shared>,
    ledger: Ledger,
    pub(super) state: State<Row>,
    pub(super) set_point: [Row; 4],
    pub(super) target: Target,
    /// The vehicle of each lane as it flies, under an interference.
    vehicle: Box<[Row; VEHICLE_NUMBERS]>,
    /// What pushes each, world frame, N.
    push: [Row; 3],
    /// What happens beside it, if anything does.
    pub(super) reality: Option<Box<Reality>>,
}

impl PointBlock {
    pub(super) fn new(shared: Arc<Shared>, first_env: u32) -> Self {
        Self {
            vehicle: shared.vehicle.clone(),
            reality: Reality::new(
                &shared.config.reality,
                shared.config.control_period(),
                4,
                shared.seed,
                VEHICLE,
            ),
            shared,
            ledger: Ledger::new(first_env, REWARD_TERMS.len()),
            state: at_rest(),
            set_point: [Row::ZERO; 4],
            target: Target::default(),
            push: [Row::ZERO; 3],
        }
    }
}

impl EnvBlock for PointBlock {
    fn first_env(&self) -> u32 {
        self.ledger.first_env
    }

    fn reset(&mut self, mask: u32) {
        self.ledger.reset(mask);
        reset_lanes(self, mask);
        if let Some(reality) = &mut self.reality {
            reality.reset(mask, &self.ledger, &self.state.body);
        }
    }

    fn set_next_episode(&mut self, lane: usize, episode: u32) {
        self.ledger.set_next_episode(lane, episode);
    }

    fn observe(&self, observation: &mut [Row]) {
        let sensed = self.reality.as_ref().and_then(|it| it.sense(&self.ledger, &self.state.body));
        dispatch(Observe { block: self, sensed: sensed.as_ref(), observation });
    }

    fn step(&mut self, action: &[Row]) -> Step {
        // Taken out, so that a step may read it while it changes the rest.
        let mut reality = self.reality.take();
        if let Some(reality) = &mut reality {
            reality.begin_step(action, &self.ledger, &self.state, &self.vehicle);
        }
        let flies = reality.as_deref();
        let Outcome { reward, causes } = if self.shared.aligned {
            dispatch(Advance::<true> { block: self, reality: flies, action })
        } else {
            dispatch(Advance::<false> { block: self, reality: flies, action })
        };
        self.reality = reality;
        // Isaac Lab's `episode_length_buf >= max_episode_length - 1`; never in play mode.
        let is_timed = self.shared.config.train_or_play;
        let limit = if is_timed { self.shared.max_episode_length - 1 } else { u32::MAX };
        self.ledger.advance(reward, &causes, limit)
    }

    fn episode(&self, lane: usize) -> Ended {
        self.ledger.episode(lane, &[self.telemetry(lane)])
    }

    fn telemetry(&self, lane: usize) -> Telemetry {
        self.target.telemetry(lane, &self.state.body)
    }

    fn ended(&self) -> u32 {
        self.ledger.ended
    }

    fn set_age(&mut self, lane: usize, steps: u32) {
        self.ledger.age[lane] = steps;
    }

    fn put(&mut self, lane: usize, body: &Body<f32>) {
        put(&mut self.state.body, lane, body);
        if let Some(reality) = &mut self.reality {
            reality.put(lane, &self.state.body);
        }
    }

    fn interfere(&mut self, interference: Interference) {
        interference.alter(&self.shared.vehicle, &mut self.vehicle);
        self.push = interference.force_world;
        if let Some(reality) = &mut self.reality {
            reality.refit();
        }
    }

    fn visit_state(&mut self, visit: &mut dyn FnMut(&mut u32)) {
        let Self { shared: _, ledger, state, set_point, target, vehicle: _, push: _, reality } = self;
        ledger.visit_state(visit);
        visit_rows(state.fields_mut(), visit);
        target.visit_state(visit);
        visit_rows(set_point, visit);
        if let Some(reality) = reality {
            reality.visit_state(visit);
        }
    }
}

impl ResetLanes for PointBlock {
    #[inline(always)]
    fn reset_lanes<L: Lanes>(&mut self, half: usize, bits: u32) {
        let mask = L::mask(bits);
        let shared = Arc::clone(&self.shared);
        let first_env = self.ledger.first_env + (half * LANES) as u32;
        let episode = Ledger::lanes_of(&self.ledger.episode, half);
        let kind = shared.start.lanes(first_env, episode, &[0; LANES], 0);
        let zero = L::splat(0.0);
        let body = rules::draw_start::<L>(&shared.start_limits, &shared.start, first_env, episode);
        self.state.store_where(half, mask, &State { body, rotor_speed: [zero; 4] });
        self.target.reset::<L>(half, mask, &shared.motion, [&kind[0], &kind[1]]);
        for row in &mut self.set_point {
            row.store_where(half, mask, zero);
        }
    }
}

struct Observe<'a> {
    block: &'a PointBlock,
    /// The motion as it is measured, where it is not as it is.
    sensed: Option<&'a Body<Row>>,
    observation: &'a mut [Row],
}

impl Kernel for Observe<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let limit = self.block.shared.config.robot.action_limit;
        let min = L::constant(limit.min);
        let range_inverse = L::constant(1.0 / (limit.max - limit.min));
        for half in 0..HALVES {
            let State { mut body, rotor_speed } = self.block.state.load::<L>(half);
            if let Some(sensed) = self.sensed {
                body = load_body(sensed, half);
            }
            let matrix = matrix_from_quaternion(body.orientation);
            let target = load_vector::<L>(&self.block.target.reference.position, half);
            let target_velocity = load_vector::<L>(&self.block.target.reference.velocity, half);
            let position_error = body_from_world(&matrix, sub(body.position, target));
            let velocity_error = body_from_world(&matrix, sub(body.velocity, target_velocity));
            let [p, v, w] = [position_error, velocity_error, body.angular_velocity];
            let [r0, r1, r2] = matrix;
            let values = [p, r0, r1, r2, v, w];
            for (rows, values) in self.observation.chunks_mut(3).zip(values) {
                for (row, value) in rows.iter_mut().zip(values) {
                    row.store(half, not_a_number_to_zero(value));
                }
            }
            for motor in 0..4 {
                self.observation[18 + motor] = self.block.set_point[motor];
                let speed = (rotor_speed[motor] - min) * range_inverse;
                self.observation[22 + motor].store(half, not_a_number_to_zero(speed));
            }
        }
    }
}

struct Advance<'a, const ALIGNED: bool> {
    block: &'a mut PointBlock,
    reality: Option<&'a Reality>,
    action: &'a [Row],
}

impl<const ALIGNED: bool> Kernel for Advance<'_, ALIGNED> {
    type Output = Outcome;

    #[inline(always)]
    fn run<L: Lanes>(self) -> Outcome {
        let Self { block, reality, action } = self;
        let mut outcome = Outcome::default();
        for half in 0..HALVES {
            let live = bits_of(!block.ledger.ended, half);
            if live != 0 {
                block.step_lanes::<L, ALIGNED>((half, live), reality, action, &mut outcome);
            }
        }
        outcome
    }
}

impl PointBlock {
    /// Target, motors, physics, terminations and reward of one vector of lanes, in Isaac Lab's order.
    #[inline(always)]
    fn step_lanes<L: Lanes, const ALIGNED: bool>(
        &mut self,
        (half, live): (usize, u32),
        reality: Option<&Reality>,
        action: &[Row],
        outcome: &mut Outcome,
    ) {
        let shared = Arc::clone(&self.shared);
        let config = &shared.config;
        let mask = L::mask(live);
        let moment = self.ledger.moment(half, config.control_period());
        self.target.advance::<L>(&moment, live, &shared.motion, &shared.noise);
        let target = self.target.reference.load::<L>(half);
        let flown = reality.map(Reality::flown);
        let (vehicle, disturbance) =
            flight::<L, ALIGNED>(flown, &self.vehicle, load_vector(&self.push, half), half);
        let late = reality.map(|it| it.action(action));
        let mut state = self.state.load::<L>(half);
        let (zero, one) = (L::splat(0.0), L::splat(1.0));
        let range = vehicle.speed_max - vehicle.speed_min;
        let [mut set_points, mut before] = [[zero; 4]; 2];
        for motor in 0..4 {
            let command = action[motor].load::<L>(half).clamp(-one, one);
            let set_point = (command + one) * L::splat(0.5);
            set_points[motor] = set_point;
            before[motor] = self.set_point[motor].load(half);
            let mut told = set_point;
            if let Some(late) = late {
                told = (late[motor].load::<L>(half).clamp(-one, one) + one) * L::splat(0.5);
            }
            let goal = told.mul_add(range, vehicle.speed_min);
            state.rotor_speed[motor] = shared.lag.apply(state.rotor_speed[motor], goal);
            let row = &mut self.set_point[motor];
            row.store_where(half, mask, set_point);
        }
        let wrench = vehicle.wrench(&state.rotor_speed);
        for _ in 0..config.decimation {
            let (dt, substeps) = (config.sim.dt, config.sim.substeps);
            state.body = step_held(&vehicle, &state.body, wrench, &disturbance, dt, substeps);
        }
        self.state.store_where(half, mask, &state);

        let causes = causes::<L>(&config.thresholds, &state, &target);
        let mut unstable = 0;
        for (index, cause) in causes.into_iter().enumerate() {
            let lanes = L::bits(cause) & live;
            outcome.causes[index] |= lanes << (half * LANES);
            // The target's distance ends an episode without the penalty.
            unstable |= if index < 5 { lanes } else { 0 };
        }
        let terms = [
            -L::constant(config.reward_coef_position_cost) * norm(sub(state.body.position, target.position)),
            -L::constant(config.reward_coef_orientation_cost) * rules::yaw_error(&state.body.orientation),
            -L::constant(config.reward_coef_d_action_cost) * rules::change(&set_points, &before),
            L::constant(config.reward_constant),
            L::select(L::mask(unstable), L::constant(-config.reward_coef_termination_penalty), zero),
        ];
        outcome.reward.store(half, self.ledger.earn(half, mask, terms));
    }
}

/// The conditions of [`FOUNDATION_TERMINATIONS`](crate::episode::FOUNDATION_TERMINATIONS).
#[inline(always)]
pub(crate) fn causes<L: Lanes>(
    thresholds: &Thresholds,
    state: &State<L>,
    target: &Langevin<L>,
) -> [L::Mask; 6] {
    let body = &state.body;
    [
        L::constant(thresholds.position).less(norm(body.position)),
        L::constant(thresholds.linear_velocity).less(largest(body.velocity)),
        L::constant(thresholds.angular_velocity).less(largest(body.angular_velocity)),
        rules::upright(&body.orientation).less(L::constant(thresholds.least_upright())),
        L::mask(not_finite(state)),
        L::constant(thresholds.position_langevin).less(norm(target.position)),
    ]
}
