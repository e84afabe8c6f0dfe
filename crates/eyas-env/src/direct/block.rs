//! Thirty-two episodes of Isaac Lab's quadcopter task.

use std::sync::Arc;

use eyas_lanes::{BLOCK, HALVES, Kernel, LANES, Lanes, Row, Stream, dispatch, uniforms};
use eyas_sim::{
    Body, Course, State, VEHICLE_NUMBERS, Vector, Vehicle, body_from_world, dot, matrix_from_quaternion,
    norm, step_held, sub,
};

use super::config::DirectConfig;
use super::spec::REWARD_TERMS;
use crate::course;
use crate::episode::{Ledger, ResetLanes, reset_lanes};
use crate::reality::{Reality, VEHICLE, flight};
use crate::rows::{
    at_rest, bits_of, body_rows, load_body, load_four, load_vector, not_a_number_to_zero, not_finite, put,
    store_body, store_vector,
};
use crate::rules;
use crate::{Ended, EnvBlock, Interference, Step, TaskConfig as _, Telemetry, visit_rows};

/// What all blocks of an env share.
pub(super) struct Shared {
    pub(super) config: DirectConfig,
    course: Option<Course>,
    /// The vehicle, the same in every lane of a block.
    pub(super) vehicle: Box<[Row; VEHICLE_NUMBERS]>,
    /// N
    full_thrust: f64,
    max_episode_length: u32,
    goal: Stream,
    seed: u64,
}

impl Shared {
    pub(super) fn new(config: &DirectConfig, seed: u64) -> Self {
        Self {
            course: course::chosen(&config.course),
            vehicle: Vehicle::rows([config.robot.vehicle(); BLOCK]),
            full_thrust: config.full_thrust(),
            max_episode_length: config.max_episode_length(),
            goal: Stream::new(seed, "env/goal"),
            config: config.clone(),
            seed,
        }
    }

    /// Force and torque of an action, body frame.
    #[inline(always)]
    pub(super) fn wrench<L: Lanes>(&self, action: [L; 4]) -> (Vector<L>, Vector<L>) {
        let one = L::splat(1.0);
        let action = action.map(|it| it.clamp(-one, one));
        rules::thrust_and_moments(self.full_thrust, self.config.moment_scale, action)
    }
}

/// Thirty-two episodes of Isaac Lab's quadcopter task; positions are relative to each env's spawn point.
pub struct DirectBlock {
    pub(super) shared: Arc<Shared>,
    ledger: Ledger,
    pub(super) body: Body<Row>,
    pub(super) goal: [Row; 3],
    goal_velocity: [Row; 3],
    /// The vehicle of each lane as it flies, under an interference.
    vehicle: Box<[Row; VEHICLE_NUMBERS]>,
    /// What pushes each, world frame, N.
    push: [Row; 3],
    /// What happens beside it, if anything does.
    pub(super) reality: Option<Box<Reality>>,
}

impl DirectBlock {
    pub(super) fn new(shared: Arc<Shared>, first_env: u32) -> Self {
        let period = shared.config.control_period();
        Self {
            vehicle: shared.vehicle.clone(),
            reality: Reality::new(&shared.config.reality, period, 4, shared.seed, VEHICLE),
            shared,
            ledger: Ledger::new(first_env, REWARD_TERMS.len()),
            body: at_rest().body,
            goal: [Row::ZERO; 3],
            goal_velocity: [Row::ZERO; 3],
            push: [Row::ZERO; 3],
        }
    }
}

impl EnvBlock for DirectBlock {
    fn first_env(&self) -> u32 {
        self.ledger.first_env
    }

    fn reset(&mut self, mask: u32) {
        self.ledger.reset(mask);
        reset_lanes(self, mask);
        if let Some(reality) = &mut self.reality {
            reality.reset(mask, &self.ledger, &self.body);
        }
    }

    fn set_next_episode(&mut self, lane: usize, episode: u32) {
        self.ledger.set_next_episode(lane, episode);
    }

    fn observe(&self, observation: &mut [Row]) {
        let sensed = self.reality.as_ref().and_then(|it| it.sense(&self.ledger, &self.body));
        dispatch(Observe { block: self, body: sensed.as_ref().unwrap_or(&self.body), observation });
    }

    fn step(&mut self, action: &[Row]) -> Step {
        // Taken out, so that a step may read it while it changes the rest.
        let mut reality = self.reality.take();
        if let Some(reality) = &mut reality {
            let state = State { body: self.body, rotor_speed: [Row::ZERO; 4] };
            reality.begin_step(action, &self.ledger, &state, &self.vehicle);
        }
        let Outcome { reward, died } = dispatch(Advance { block: self, reality: reality.as_deref(), action });
        self.reality = reality;
        // Isaac Lab's `episode_length_buf >= max_episode_length - 1`.
        let limit = self.shared.max_episode_length - 1;
        self.ledger.advance(reward, &[died], limit)
    }

    fn episode(&self, lane: usize) -> Ended {
        self.ledger.episode(lane, &[self.telemetry(lane)])
    }

    fn telemetry(&self, lane: usize) -> Telemetry {
        let goal = [&self.goal, &self.goal_velocity];
        Telemetry::of(lane, &self.body, goal, self.shared.course.is_some())
    }

    fn ended(&self) -> u32 {
        self.ledger.ended
    }

    fn set_age(&mut self, lane: usize, steps: u32) {
        self.ledger.age[lane] = steps;
    }

    fn put(&mut self, lane: usize, body: &Body<f32>) {
        put(&mut self.body, lane, body);
        if let Some(reality) = &mut self.reality {
            reality.put(lane, &self.body);
        }
    }

    /// There are no rotors to weaken.
    fn interfere(&mut self, interference: Interference) {
        interference.alter(&self.shared.vehicle, &mut self.vehicle);
        self.push = interference.force_world;
        if let Some(reality) = &mut self.reality {
            reality.refit();
        }
    }

    fn visit_state(&mut self, visit: &mut dyn FnMut(&mut u32)) {
        let Self { shared: _, ledger, body, goal, goal_velocity, vehicle: _, push: _, reality } = self;
        ledger.visit_state(visit);
        visit_rows(body_rows(body).chain(goal).chain(goal_velocity), visit);
        if let Some(reality) = reality {
            reality.visit_state(visit);
        }
    }
}

impl ResetLanes for DirectBlock {
    #[inline(always)]
    fn reset_lanes<L: Lanes>(&mut self, half: usize, bits: u32) {
        let mask = L::mask(bits);
        store_body(&mut self.body, half, mask, &Body::<L>::at_rest());
        let mut goal = [L::splat(0.0); 3];
        // A course begins at the spawn point.
        if self.shared.course.is_none() {
            let first_env = self.ledger.first_env + (half * LANES) as u32;
            let episode = Ledger::lanes_of(&self.ledger.episode, half);
            let draws = self.shared.goal.lanes(first_env, episode, &[0; LANES], 0);
            let config = &self.shared.config;
            let limits = [config.goal.pos_x, config.goal.pos_y, config.goal.pos_z];
            for axis in 0..3 {
                let [low, high] = limits[axis];
                let least = L::constant(low - config.robot.init_state.pos[axis]);
                goal[axis] = uniforms::<L>(&draws[axis]).mul_add(L::constant(high - low), least);
            }
        }
        store_vector(&mut self.goal, half, mask, goal);
        store_vector(&mut self.goal_velocity, half, mask, [L::splat(0.0); 3]);
    }
}

struct Observe<'a> {
    block: &'a DirectBlock,
    /// The motion as it is measured.
    body: &'a Body<Row>,
    observation: &'a mut [Row],
}

impl Kernel for Observe<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        for half in 0..HALVES {
            let body = load_body::<L>(self.body, half);
            let matrix = matrix_from_quaternion(body.orientation);
            let velocity = body_from_world(&matrix, body.velocity);
            let [x, y, z] = matrix[2];
            let goal = load_vector::<L>(&self.block.goal, half);
            let to_goal = body_from_world(&matrix, sub(goal, body.position));
            let values = [velocity, body.angular_velocity, [-x, -y, -z], to_goal];
            for (rows, values) in self.observation.chunks_mut(3).zip(values) {
                for (row, value) in rows.iter_mut().zip(values) {
                    row.store(half, not_a_number_to_zero(value));
                }
            }
        }
    }
}

struct Advance<'a> {
    block: &'a mut DirectBlock,
    reality: Option<&'a Reality>,
    action: &'a [Row],
}

struct Outcome {
    reward: Row,
    /// Bits of the lanes that hit the ground, flew off or are no numbers.
    died: u32,
}

impl Kernel for Advance<'_> {
    type Output = Outcome;

    #[inline(always)]
    fn run<L: Lanes>(self) -> Outcome {
        let Self { block, reality, action } = self;
        let mut outcome = Outcome { reward: Row::ZERO, died: 0 };
        for half in 0..HALVES {
            let live = bits_of(!block.ledger.ended, half);
            if live != 0 {
                block.step_lanes::<L>((half, live), reality, action, &mut outcome);
            }
        }
        outcome
    }
}

impl DirectBlock {
    /// Goal, physics, termination and reward of one vector of lanes, in Isaac Lab's order.
    #[inline(always)]
    fn step_lanes<L: Lanes>(
        &mut self,
        (half, live): (usize, u32),
        reality: Option<&Reality>,
        action: &[Row],
        outcome: &mut Outcome,
    ) {
        let shared = Arc::clone(&self.shared);
        let config = &shared.config;
        let mask = L::mask(live);
        self.advance_goal::<L>(half, mask);
        let flown = reality.map(Reality::flown);
        let push = load_vector(&self.push, half);
        // Axes of a rigid body's moment of inertia are its own.
        let (vehicle, disturbance) = flight::<L, true>(flown, &self.vehicle, push, half);
        let told = reality.map_or(action, |it| it.action(action));
        let wrench = shared.wrench(load_four::<L>(told, half));
        let mut body = load_body::<L>(&self.body, half);
        for _ in 0..config.decimation {
            let (dt, substeps) = (config.sim.dt, config.sim.substeps);
            body = step_held(&vehicle, &body, wrench, &disturbance, dt, substeps);
        }
        store_body(&mut self.body, half, mask, &body);

        let spawn = config.robot.init_state.pos[2];
        let zero = L::splat(0.0);
        let low = body.position[2].less(L::constant(config.height.minimum - spawn));
        let high = L::constant(config.height.maximum - spawn).less(body.position[2]);
        let died =
            (L::bits(low) | L::bits(high) | not_finite(&State { body, rotor_speed: [zero; 4] })) & live;
        outcome.died |= died << (half * LANES);
        let distance = norm(sub(load_vector(&self.goal, half), body.position));
        let nearness = L::splat(1.0) - (distance * L::constant(1.0 / config.distance_to_goal_std)).tanh();
        let per_step = |scale: f64| L::constant(scale * config.control_period());
        let terms = [
            per_step(config.lin_vel_reward_scale) * dot(body.velocity, body.velocity),
            per_step(config.ang_vel_reward_scale) * dot(body.angular_velocity, body.angular_velocity),
            per_step(config.distance_to_goal_reward_scale) * nearness,
        ];
        outcome.reward.store(half, self.ledger.earn(half, mask, terms));
    }

    #[inline(always)]
    fn advance_goal<L: Lanes>(&mut self, half: usize, mask: L::Mask) {
        let Some(course) = &self.shared.course else { return };
        let clock = Ledger::lanes_of(&self.ledger.clock, half);
        let next = course::next::<L>(course, clock, self.shared.config.control_period());
        store_vector(&mut self.goal, half, mask, next.position);
        store_vector(&mut self.goal_velocity, half, mask, next.velocity);
    }
}
