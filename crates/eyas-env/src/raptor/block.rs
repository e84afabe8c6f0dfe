//! Thirty-two episodes of the RAPTOR environment.

use std::sync::Arc;

use eyas_lanes::{BLOCK, Draws, HALVES, Kernel, LANES, Lanes, Row, Stream, dispatch, normals, uniforms};
use eyas_sim::{Body, Langevin, State, VEHICLE_NUMBERS, Vector, Vehicle, add, norm, scale};

use super::config::{Observation, RAPTOR_MAX_ANGLE, RAPTOR_MAX_POSITION, RaptorConfig};
use super::craft::Craft;
use super::rules;
use crate::episode::{FOUNDATION_TERMINATIONS, Ledger, ResetLanes, reset_lanes};
use crate::reality::{Reality, VEHICLE, flight};
use crate::rows::{
    at_rest, bits_of, load_body, load_four, load_vector, not_a_number_to_zero, not_finite, put, store_where,
};
use crate::target::{Motion, Path, Target};
use crate::{Ended, EnvBlock, Frame, Interference, Part, Step, TaskConfig as _, Telemetry, visit_rows};

const ROTATION_MATRIX: Part = Part {
    name: "rotation_matrix",
    width: 9,
    frame: Frame::WorldFromBody,
    unit: "1",
    meaning: "body-to-world rotation, row-major",
};

const ANGULAR_VELOCITY: Part = Part {
    name: "angular_velocity",
    width: 3,
    frame: Frame::Body,
    unit: "rad/s",
    meaning: "angular velocity",
};

const PREVIOUS_ACTION: Part = Part {
    name: "previous_action",
    width: 4,
    frame: Frame::Motors,
    unit: "1",
    meaning: "last action as it was given, after a reset the rotor speed",
};

/// The full observation where the reference is known; `policy` is all but the rotor speeds.
pub(super) const PARTS: &[Part] = ABSOLUTE_PARTS.split_at(ABSOLUTE).1;

/// Parts that only the absolute observation has.
const ABSOLUTE: usize = 5;

/// The full observation where the policy sees where it is instead of how far it is from the reference: what it
/// sees, then all that the teacher does.
pub(super) const ABSOLUTE_PARTS: &[Part] = &[
    Part { name: "position", width: 3, frame: Frame::World, unit: "m", meaning: "position from the origin" },
    ROTATION_MATRIX,
    Part { name: "velocity", width: 3, frame: Frame::World, unit: "m/s", meaning: "velocity" },
    ANGULAR_VELOCITY,
    PREVIOUS_ACTION,
    Part {
        name: "position_error",
        width: 3,
        frame: Frame::World,
        unit: "m",
        meaning: "position minus reference",
    },
    ROTATION_MATRIX,
    Part {
        name: "velocity_error",
        width: 3,
        frame: Frame::World,
        unit: "m/s",
        meaning: "velocity minus reference's",
    },
    ANGULAR_VELOCITY,
    PREVIOUS_ACTION,
    Part {
        name: "rotor_speed",
        width: 4,
        frame: Frame::Motors,
        unit: "1",
        meaning: "rotor speed as the action that holds it",
    },
];

/// Terms of the reward; `termination` stands in place of the others.
pub(super) const REWARD_TERMS: &[&str] = &["position", "orientation", "d_action", "constant", "termination"];

/// What all blocks of an env share.
pub(super) struct Shared {
    pub(super) config: RaptorConfig,
    motion: Motion,
    /// Of the reference.
    noise: Stream,
    max_episode_length: u32,
    start: Stream,
    seed: u64,
}

impl Shared {
    pub(super) fn new(config: &RaptorConfig, seed: u64) -> Self {
        Self {
            motion: Motion {
                path: Path::new(&config.course, config.langevin),
                at_rest: config.prob_null_trajectory,
                max_speed: None,
            },
            noise: Stream::new(seed, "env/target"),
            max_episode_length: config.max_episode_length(),
            start: Stream::new(seed, "env/start"),
            config: config.clone(),
            seed,
        }
    }
}

/// The vehicle of each lane and what its size implies.
pub(super) struct Crafts {
    /// [`Vehicle::numbers`] of each lane, as the vehicles are.
    own: Box<[Row; VEHICLE_NUMBERS]>,
    /// The same as they fly, under an interference.
    pub(super) vehicle: Box<[Row; VEHICLE_NUMBERS]>,
    /// Whether each of them is [aligned](eyas_sim::VehicleParameters::is_aligned).
    aligned: bool,
    max_start_position: Row,
    pub(super) position_threshold: Row,
    force_std: Row,
}

impl Crafts {
    /// The vehicles of the lanes of a block.
    fn new(config: &RaptorConfig, lanes: &[&Craft; BLOCK]) -> Self {
        let own = Vehicle::rows(lanes.iter().map(|craft| &craft.dynamics));
        let mut crafts = Self {
            vehicle: own.clone(),
            own,
            aligned: lanes.iter().all(|craft| craft.dynamics.is_aligned()),
            max_start_position: Row::ZERO,
            position_threshold: Row::ZERO,
            force_std: Row::ZERO,
        };
        for (lane, craft) in lanes.iter().enumerate() {
            crafts.max_start_position[lane] = config.max_start_position(craft) as f32;
            crafts.position_threshold[lane] = config.position_threshold(craft) as f32;
            crafts.force_std[lane] = craft.random_force_std as f32;
        }
        crafts
    }
}

/// Thirty-two episodes of the RAPTOR environment.
pub struct RaptorBlock {
    pub(super) shared: Arc<Shared>,
    ledger: Ledger,
    pub(super) crafts: Crafts,
    pub(super) state: State<Row>,
    /// What a policy sees of its last action; after a reset the rotor speeds.
    history: [Row; 4],
    /// What the reward compares an action with; 0 after a reset.
    pub(super) last_action: [Row; 4],
    /// External force on each vehicle, world frame, N.
    pub(super) force: [Row; 3],
    /// The same of an interference.
    push: [Row; 3],
    pub(super) target: Target,
    /// What happens beside it, if anything does.
    pub(super) reality: Option<Box<Reality>>,
}

impl RaptorBlock {
    pub(super) fn new(shared: Arc<Shared>, first_env: u32, lanes: &[&Craft; BLOCK]) -> Self {
        let (reality, period) = (shared.config.flown_reality(), shared.config.sim.dt);
        Self {
            crafts: Crafts::new(&shared.config, lanes),
            reality: Reality::new(&reality, period, 4, shared.seed, VEHICLE),
            shared,
            ledger: Ledger::new(first_env, REWARD_TERMS.len()),
            state: at_rest(),
            history: [Row::ZERO; 4],
            last_action: [Row::ZERO; 4],
            force: [Row::ZERO; 3],
            target: Target::default(),
            push: [Row::ZERO; 3],
        }
    }

    /// Whether the vehicles may be taken as aligned.
    pub(super) fn is_aligned(&self) -> bool {
        self.crafts.aligned && self.shared.config.reality.keeps_alignment()
    }

    /// The vehicles of one vector of lanes, as they are told of.
    #[inline(always)]
    pub(super) fn vehicle<L: Lanes, const ALIGNED: bool>(&self, half: usize) -> Vehicle<L, ALIGNED> {
        Vehicle::load(&self.crafts.vehicle, half)
    }
}

impl EnvBlock for RaptorBlock {
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
            reality.begin_step(action, &self.ledger, &self.state, &self.crafts.vehicle);
        }
        let flies = reality.as_deref();
        let Outcome { reward, causes } = if self.is_aligned() {
            dispatch(Advance::<true> { block: self, reality: flies, action })
        } else {
            dispatch(Advance::<false> { block: self, reality: flies, action })
        };
        self.reality = reality;
        let limit = self.shared.max_episode_length;
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
        interference.alter(&self.crafts.own, &mut self.crafts.vehicle);
        self.push = interference.force_world;
        if let Some(reality) = &mut self.reality {
            reality.refit();
        }
    }

    fn visit_state(&mut self, visit: &mut dyn FnMut(&mut u32)) {
        let Self {
            shared: _,
            crafts: _,
            ledger,
            state,
            history,
            last_action,
            force,
            target: Target { reference, max_speed: _, moving },
            reality,
            push: _,
        } = self;
        ledger.visit_state(visit);
        visit_rows(state.fields_mut(), visit);
        visit_rows(reference.fields_mut(), visit);
        visit_rows(history.iter_mut().chain(last_action).chain(force).chain([moving]), visit);
        if let Some(reality) = reality {
            reality.visit_state(visit);
        }
    }
}

/// Three numbers uniform in `[−1, 1)`.
#[inline(always)]
fn signed_vector<L: Lanes>(words: &Draws) -> Vector<L> {
    // Loops, not closures: those that the compiler does not inline are compiled for no instruction set.
    let mut vector = [L::splat(0.0); 3];
    for (value, words) in vector.iter_mut().zip(words) {
        *value = uniforms::<L>(words).mul_add(L::splat(2.0), L::splat(-1.0));
    }
    vector
}

impl ResetLanes for RaptorBlock {
    #[inline(always)]
    fn reset_lanes<L: Lanes>(&mut self, half: usize, bits: u32) {
        let mask = L::mask(bits);
        let shared = &*self.shared;
        let config = &shared.config;
        let first_env = self.ledger.first_env + (half * LANES) as u32;
        let episode = Ledger::lanes_of(&self.ledger.episode, half);
        let zeros = [0; LANES];
        let kind = shared.start.lanes(first_env, episode, &zeros, 0);
        let place = shared.start.lanes(first_env, episode, &zeros, 1);
        let linear = shared.start.lanes(first_env, episode, &zeros, 2);
        let angular = shared.start.lanes(first_env, episode, &zeros, 3);
        let axis = normals::<L>(&shared.start.lanes(first_env, episode, &zeros, 4));
        let rotor = shared.start.lanes(first_env, episode, &zeros, 5);
        let push = normals::<L>(&shared.start.lanes(first_env, episode, &zeros, 6));

        let is_raptor = uniforms::<L>(&kind[2]).less(L::constant(config.init.raptor_share));
        let own = self.crafts.max_start_position.load::<L>(half);
        let max_position = L::select(is_raptor, L::constant(RAPTOR_MAX_POSITION), own);
        let own = L::constant(config.max_start_angle());
        let max_angle = L::select(is_raptor, L::constant(RAPTOR_MAX_ANGLE), own);
        let max_velocity = L::constant(config.init.max_linear_velocity);
        let max_rate = L::constant(config.init.max_angular_velocity);
        let angle = uniforms::<L>(&place[3]) * max_angle;
        let mut body = Body {
            position: scale(max_position, signed_vector(&place)),
            orientation: about_axis([axis[0], axis[1], axis[2]], angle),
            velocity: scale(max_velocity, signed_vector(&linear)),
            angular_velocity: scale(max_rate, signed_vector(&angular)),
        };
        let is_guided = uniforms::<L>(&kind[0]).less(L::constant(config.init.guidance));
        let guided = State { body: Body::at_rest(), rotor_speed: [L::splat(0.0); 4] };
        let drawn = State { body, rotor_speed: [L::splat(0.0); 4] };
        let mut state = guided;
        for ((value, drawn), guided) in
            state.fields_mut().into_iter().zip(drawn.fields()).zip(guided.fields())
        {
            *value = L::select(is_guided, *guided, *drawn);
        }
        body = state.body;

        let vehicle = self.vehicle::<L, false>(half);
        let range = vehicle.speed_max - vehicle.speed_min;
        // Relative speeds lie in [−1, 1].
        let lowest = L::constant(0.5 * (config.init.min_rpm + 1.0));
        let spread = L::constant(0.5 * (config.init.max_rpm - config.init.min_rpm));
        let mut rotor_speed = [L::splat(0.0); 4];
        for (motor, speed) in rotor_speed.iter_mut().enumerate() {
            let share = uniforms::<L>(&rotor[motor]).mul_add(spread, lowest);
            *speed = share.mul_add(range, vehicle.speed_min);
        }
        self.state.store_where(half, mask, &State { body, rotor_speed });
        let force_std = self.crafts.force_std.load::<L>(half);
        for (row, normal) in self.force.iter_mut().zip(push) {
            store_where(row, half, mask, force_std * normal);
        }
        for motor in 0..4 {
            let (history, last) = (&mut self.history[motor], &mut self.last_action[motor]);
            let relative = rules::relative_speed(&vehicle, rotor_speed[motor]);
            store_where(history, half, mask, relative);
            store_where(last, half, mask, L::splat(0.0));
        }
        // The second word is for a limit of the speed, of which there is none.
        self.target.reset::<L>(half, mask, &shared.motion, [&kind[1]; 2]);
    }
}

/// A turn by `angle` rad about a direction that need not be of length 1.
#[inline(always)]
fn about_axis<L: Lanes>(direction: Vector<L>, angle: L) -> [L; 4] {
    let length = norm(direction).max(L::splat(1e-9));
    let (sine, cosine) = (angle * L::constant(0.25 / std::f64::consts::PI)).sin_cos_turns();
    let [x, y, z] = scale(sine / length, direction);
    [cosine, x, y, z]
}

struct Observe<'a> {
    block: &'a RaptorBlock,
    /// The motion as it is measured, where it is not as it is.
    sensed: Option<&'a Body<Row>>,
    observation: &'a mut [Row],
}

impl Kernel for Observe<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let Self { block, sensed, observation } = self;
        for half in 0..HALVES {
            let vehicle = block.vehicle::<L, false>(half);
            let mut state = block.state.load::<L>(half);
            if let Some(sensed) = sensed {
                state.body = load_body(sensed, half);
            }
            let reference = block.target.reference.load::<L>(half);
            let history = load_four(&block.history, half);
            let mut rows = observation.iter_mut();
            if block.shared.config.observation == Observation::Absolute {
                let values = rules::observe(&vehicle, &state, &Langevin::at_rest(), &history);
                for (row, value) in rows.by_ref().zip(values).take(rules::POLICY_OBSERVATIONS) {
                    row.store(half, not_a_number_to_zero(value));
                }
            }
            let values = rules::observe(&vehicle, &state, &reference, &history);
            for (row, value) in rows.zip(values) {
                row.store(half, not_a_number_to_zero(value));
            }
        }
    }
}

struct Advance<'a, const ALIGNED: bool> {
    block: &'a mut RaptorBlock,
    reality: Option<&'a Reality>,
    action: &'a [Row],
}

struct Outcome {
    reward: Row,
    /// One mask of lanes for each of [`FOUNDATION_TERMINATIONS`].
    causes: [u32; FOUNDATION_TERMINATIONS.len()],
}

impl<const ALIGNED: bool> Kernel for Advance<'_, ALIGNED> {
    type Output = Outcome;

    #[inline(always)]
    fn run<L: Lanes>(self) -> Outcome {
        let Self { block, reality, action } = self;
        let mut outcome = Outcome { reward: Row::ZERO, causes: [0; 6] };
        for half in 0..HALVES {
            let live = bits_of(!block.ledger.ended, half);
            if live != 0 {
                block.step_lanes::<L, ALIGNED>((half, live), reality, action, &mut outcome);
            }
        }
        outcome
    }
}

/// Place in [`FOUNDATION_TERMINATIONS`] of numbers that are not finite.
const NOT_FINITE: usize = 4;

impl RaptorBlock {
    /// Physics, reference, terminations and reward of one vector of lanes, in RLtools' order: the reward is
    /// that of the state before the step.
    #[inline(always)]
    fn step_lanes<L: Lanes, const ALIGNED: bool>(
        &mut self,
        (half, live): (usize, u32),
        reality: Option<&Reality>,
        action: &[Row],
        outcome: &mut Outcome,
    ) {
        let config = &self.shared.config;
        let mask = L::mask(live);
        let flown = reality.map(Reality::flown);
        let push = add(load_vector(&self.force, half), load_vector(&self.push, half));
        let (vehicle, disturbance) = flight::<L, ALIGNED>(flown, &self.crafts.vehicle, push, half);
        let told = reality.map_or(action, |it| it.action(action));
        let (action, told) = (load_four::<L>(action, half), load_four(told, half));
        let state = self.state.load::<L>(half);
        let reference = self.target.reference.load::<L>(half);
        let last_action = load_four(&self.last_action, half);
        let running = rules::running_reward(&config.reward, &state.body, &reference, &action, &last_action);
        let next = rules::step(config, &vehicle, &state, &told, &disturbance);

        self.state.store_where(half, mask, &next);
        let moment = self.ledger.moment(half, config.sim.dt);
        self.target.advance::<L>(&moment, live, &self.shared.motion, &self.shared.noise);
        for motor in 0..4 {
            for row in [&mut self.history[motor], &mut self.last_action[motor]] {
                store_where(row, half, mask, action[motor]);
            }
        }

        let mut ends = not_finite(&next) & live;
        outcome.causes[NOT_FINITE] |= ends << (half * LANES);
        let threshold = self.crafts.position_threshold.load::<L>(half);
        for (index, cause) in
            rules::causes(&config.termination, &next.body, threshold).into_iter().enumerate()
        {
            let lanes = L::bits(cause) & live;
            outcome.causes[index] |= lanes << (half * LANES);
            ends |= lanes;
        }
        let (zero, ends) = (L::splat(0.0), L::mask(ends));
        let [position, orientation, change, constant] = running;
        let penalty = L::constant(config.reward.termination_penalty);
        let terms = [
            L::select(ends, zero, position),
            L::select(ends, zero, orientation),
            L::select(ends, zero, change),
            L::select(ends, zero, constant),
            L::select(ends, penalty, zero),
        ];
        outcome.reward.store(half, self.ledger.earn(half, mask, terms));
    }
}
