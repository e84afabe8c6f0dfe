//! One control step of the formation task.

use std::sync::Arc;

use eyas_lanes::{Kernel, Lanes, Row, VECTORS};
use eyas_sim::{Disturbance, Langevin, State, Vector, Vehicle, norm, step_held, sub};

use super::block::{FormationBlock, Shared};
use super::spec::CAUSES;
use crate::TaskConfig as _;
use crate::episode::earn;
use crate::formulas;
use crate::multi_agent::MAX_AGENTS;
use crate::rows::{bits_of, load_vector, not_finite};
use crate::tasks::point::causes;

/// Bits of [`causes`] and of collisions.
const NOT_FINITE: usize = 4;
const TARGET_TOO_FAR: usize = 5;
const COLLISION: usize = 6;

pub(super) struct Advance<'a, const ALIGNED: bool> {
    pub(super) block: &'a mut FormationBlock,
    pub(super) actions: &'a [&'a [Row]],
}

/// What a step earned.
pub(super) struct Outcome {
    /// Each vehicle.
    pub(super) rewards: [Row; MAX_AGENTS],
    /// All vehicles.
    pub(super) sum: Row,
}

impl<const ALIGNED: bool> Kernel for Advance<'_, ALIGNED> {
    type Output = Outcome;

    #[inline(always)]
    fn run<L: Lanes>(self) -> Outcome {
        let Self { block, actions } = self;
        let mut outcome = Outcome { rewards: [Row::ZERO; MAX_AGENTS], sum: Row::ZERO };
        for vector in 0..VECTORS {
            let live = bits_of(!block.episodes.ended, vector);
            if live != 0 {
                block.step_lanes::<L, ALIGNED>(vector, live, actions, &mut outcome);
            }
        }
        outcome
    }
}

/// The vehicles of one vector of lanes in a step.
struct Flock<L> {
    states: [State<L>; MAX_AGENTS],
    /// Bits of the lanes in which each flies.
    flying: [u32; MAX_AGENTS],
    /// Norm of the change of each one's set-points.
    change: [L; MAX_AGENTS],
    /// Bits of the lanes in which a number of each was not finite any more.
    lost: [u32; MAX_AGENTS],
}

/// How near the others are to each vehicle.
struct Encounters<L> {
    /// Sum of how far others are within the distance to keep, as shares of it.
    nearness: [L; MAX_AGENTS],
    /// Bits of the lanes in which each has collided.
    collided: [u32; MAX_AGENTS],
}

impl FormationBlock {
    /// Target, motors, physics, terminations and reward of one vector of lanes, in the order of the point task.
    #[inline(always)]
    fn step_lanes<L: Lanes, const ALIGNED: bool>(
        &mut self,
        vector: usize,
        live: u32,
        actions: &[&[Row]],
        outcome: &mut Outcome,
    ) {
        let shared = Arc::clone(&self.shared);
        let moment = self.episodes.moment(vector, shared.config.control_period());
        self.target.advance::<L>(&moment, live, &shared.motion, &shared.noise);
        let target = self.target.reference.load::<L>(vector);
        let flock = self.fly::<L, ALIGNED>(vector, live, actions, &shared);
        let encounters = self.encounters(&flock, &shared);
        for index in 0..self.quads.len() {
            self.conclude(vector, index, &target, &flock, &encounters, &shared, outcome);
        }
    }

    /// Motors and physics. A vehicle whose numbers would not be finite stays as it was.
    #[inline(always)]
    fn fly<L: Lanes, const ALIGNED: bool>(
        &mut self,
        vector: usize,
        live: u32,
        actions: &[&[Row]],
        shared: &Shared,
    ) -> Flock<L> {
        let (zero, one) = (L::splat(0.0), L::splat(1.0));
        let config = &shared.config;
        let count = self.quads.len();
        let vehicle = Vehicle::<L, ALIGNED>::load(self.flown(), vector);
        let range = vehicle.speed_max - vehicle.speed_min;
        let mut flock = Flock {
            states: [State::from_fields([zero; 17]); MAX_AGENTS],
            flying: [0; MAX_AGENTS],
            change: [zero; MAX_AGENTS],
            lost: [0; MAX_AGENTS],
        };
        let mut wrenches = [([zero; 3], [zero; 3]); MAX_AGENTS];
        for index in 0..count {
            let quad = &mut self.quads[index];
            let flying = live & !bits_of(quad.down, vector);
            let mut state = quad.state.load::<L>(vector);
            let mut change = zero;
            for motor in 0..4 {
                let command = actions[index][motor].load::<L>(vector).clamp(-one, one);
                let set_point = (command + one) * L::splat(0.5);
                let row = &mut quad.set_point[motor];
                let step = set_point - row.load(vector);
                change = step.mul_add(step, change);
                let goal = set_point.mul_add(range, vehicle.speed_min);
                state.rotor_speed[motor] = shared.lag.apply(state.rotor_speed[motor], goal);
                row.store_where(vector, L::mask(flying), set_point);
            }
            wrenches[index] = vehicle.wrench(&state.rotor_speed);
            flock.states[index] = state;
            flock.flying[index] = flying;
            flock.change[index] = change.sqrt();
        }
        let push = load_vector::<L>(&self.push, vector);
        let mut downwash = [zero; MAX_AGENTS];
        if let Some(jet) = &shared.downwash {
            for above in 0..count {
                let thrust = L::select(L::mask(flock.flying[above]), norm(wrenches[above].0), zero);
                for (below, force) in downwash.iter_mut().enumerate().take(count) {
                    if below != above {
                        let positions = [below, above].map(|it| flock.states[it].body.position);
                        *force = *force + jet.force(thrust, sub(positions[0], positions[1]));
                    }
                }
            }
        }
        for index in 0..count {
            let force_world = [push[0], push[1], push[2] - downwash[index]];
            let disturbance = Disturbance { force_world, ..Disturbance::none() };
            let mut state = flock.states[index];
            for _ in 0..config.decimation {
                let (dt, substeps) = (config.sim.dt, config.sim.substeps);
                state.body = step_held(&vehicle, &state.body, wrenches[index], &disturbance, dt, substeps);
            }
            let flying = flock.flying[index];
            let lost = L::bits(not_finite(&state)) & flying;
            let quad = &mut self.quads[index];
            quad.state.store_where(vector, L::mask(flying & !lost), &state);
            flock.states[index] = quad.state.load(vector);
            flock.lost[index] = lost;
        }
        flock
    }

    /// Distances between all that fly; what is down is no obstacle.
    #[inline(always)]
    fn encounters<L: Lanes>(&self, flock: &Flock<L>, shared: &Shared) -> Encounters<L> {
        let zero = L::splat(0.0);
        let collision = L::constant(shared.config.collision_distance);
        let proximity_inverse = L::constant(1.0 / shared.config.proximity_distance);
        let mut found = Encounters { nearness: [zero; MAX_AGENTS], collided: [0; MAX_AGENTS] };
        for one in 0..self.quads.len() {
            for other in 0..one {
                let both = flock.flying[one] & flock.flying[other];
                let [a, b] = [one, other].map(|it| flock.states[it].body.position);
                let distance = norm(sub(a, b));
                let collided = both & L::bits(distance.less(collision));
                let share = (L::splat(1.0) - distance * proximity_inverse).max(zero);
                let share = L::select(L::mask(both), share, zero);
                for it in [one, other] {
                    found.collided[it] |= collided;
                    found.nearness[it] = found.nearness[it] + share;
                }
            }
        }
        found
    }

    /// Terminations and reward of one vehicle.
    #[inline(always)]
    #[expect(
        clippy::too_many_arguments,
        reason = "what a vehicle's step ends with is all of what it began with"
    )]
    fn conclude<L: Lanes>(
        &mut self,
        vector: usize,
        index: usize,
        target: &Langevin<L>,
        flock: &Flock<L>,
        encounters: &Encounters<L>,
        shared: &Shared,
        outcome: &mut Outcome,
    ) {
        let config = &shared.config;
        let zero = L::splat(0.0);
        let place = shared.places[index];
        let place: Vector<L> = [L::constant(place[0]), L::constant(place[1]), L::constant(place[2])];
        let flying = flock.flying[index];
        // As a vehicle of the point task sees itself, whose place is where it starts.
        let mut own = flock.states[index];
        own.body.position = sub(own.body.position, place);
        let mut found = [0; CAUSES];
        for (bits, cause) in found.iter_mut().zip(causes::<L>(&config.thresholds, &own, target)) {
            *bits = L::bits(cause) & flying;
        }
        found[NOT_FINITE] = flock.lost[index];
        found[COLLISION] = encounters.collided[index];
        let mut crashed = 0;
        for (bit, lanes) in found.iter().enumerate() {
            // The target's distance ends an episode without the penalty.
            crashed |= if bit == TARGET_TOO_FAR { 0 } else { *lanes };
        }
        let mut ends = crashed | found[TARGET_TOO_FAR];
        if config.end_on_collision {
            for collided in &encounters.collided {
                found[COLLISION] |= collided & flying;
            }
            ends |= found[COLLISION];
        }
        for (cause, lanes) in self.causes.iter_mut().zip(found) {
            *cause |= lanes << (vector * eyas_lanes::LANES);
        }
        self.quads[index].down |= ends << (vector * eyas_lanes::LANES);

        let terms = [
            -L::constant(config.reward_coef_position_cost) * norm(sub(own.body.position, target.position)),
            -L::constant(config.reward_coef_orientation_cost) * formulas::yaw_error(&own.body.orientation),
            -L::constant(config.reward_coef_d_action_cost) * flock.change[index],
            L::constant(config.reward_constant),
            -L::constant(config.reward_coef_proximity_cost) * encounters.nearness[index],
            L::select(L::mask(crashed), L::constant(-config.reward_coef_termination_penalty), zero),
        ];
        let mut reward = zero;
        for (sum, term) in self.episodes.sums.iter_mut().zip(terms) {
            reward = reward + earn(sum, vector, L::mask(flying), term);
        }
        outcome.rewards[index].store(vector, reward);
        outcome.sum.store(vector, outcome.sum.load::<L>(vector) + reward);
    }
}
