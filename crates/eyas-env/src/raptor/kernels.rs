//! What a block of the RAPTOR environment does, over lanes: starts, observations, steps.

use eyas_lanes::{Draws, HALVES, Kernel, LANES, Lanes, Row, normals, uniforms};
use eyas_sim::{Body, Langevin, State, Vector, add, norm, scale};

use super::block::RaptorBlock;
use super::config::{Observation, RAPTOR_MAX_ANGLE, RAPTOR_MAX_POSITION};
use super::rules;
use crate::episode::{Ledger, Outcome, ResetLanes};
use crate::reality::{Reality, flight};
use crate::rows::{bits_of, load_body, load_four, load_vector, not_a_number_to_zero, not_finite};

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
            row.store_where(half, mask, force_std * normal);
        }
        for motor in 0..4 {
            let (history, last) = (&mut self.history[motor], &mut self.last_action[motor]);
            let relative = rules::relative_speed(&vehicle, rotor_speed[motor]);
            history.store_where(half, mask, relative);
            last.store_where(half, mask, L::splat(0.0));
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

pub(super) struct Observe<'a> {
    pub(super) block: &'a RaptorBlock,
    /// The motion as it is measured, where it is not as it is.
    pub(super) sensed: Option<&'a Body<Row>>,
    pub(super) observation: &'a mut [Row],
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

pub(super) struct Advance<'a, const ALIGNED: bool> {
    pub(super) block: &'a mut RaptorBlock,
    pub(super) reality: Option<&'a Reality>,
    pub(super) action: &'a [Row],
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

/// Place in [`FOUNDATION_TERMINATIONS`](crate::episode::FOUNDATION_TERMINATIONS) of numbers that are not finite.
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
                row.store_where(half, mask, action[motor]);
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
