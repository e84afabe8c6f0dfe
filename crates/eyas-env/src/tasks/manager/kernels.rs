//! What a block does, over lanes.

use std::sync::Arc;

use eyas_lanes::{HALVES, Kernel, LANES, Lanes, Row};
use eyas_sim::{Disturbance, State, Vehicle, add, scale, step_held, sub};

use super::action::{ActionTerm, turn_rotors};
use super::block::{ManagerBlock, Shared};
use super::config::{CommandUpdate, EventMode};
use super::event::{Change, Event};
use super::observation::MAX_WIDTH;
use super::scene::{BlockScene, SceneParts};
use crate::TaskConfig as _;
use crate::block::FeatureRows;
use crate::episode::{MAX_TERMS, Moment, ResetLanes};
use crate::reality::Reality;
use crate::rows::{bits_of, load_four, load_vector, not_a_number_to_zero};

/// Events of startup.
pub(super) struct Startup<'a> {
    pub(super) block: &'a mut ManagerBlock,
}

impl Kernel for Startup<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let ManagerBlock { shared, state, startup, effects, ledger, .. } = self.block;
        let zeros = [0; LANES];
        for half in 0..HALVES {
            let first_env = ledger.first_env + (half * LANES) as u32;
            let period = shared.config.control_period();
            let at = Moment { half, first_env, episode: &zeros, clock: &zeros, period };
            for (index, event) in shared.program.events.iter().enumerate() {
                if event.happens_in(EventMode::Startup) {
                    let change = &mut Change {
                        state,
                        circumstances: startup,
                        robot: &shared.config.robot,
                        stream: &shared.event_streams[index],
                        at: &at,
                        mask: L::mask(0xffff),
                        strength: effects.strengths[index] as f32,
                    };
                    event.term.apply::<L>(change);
                }
            }
        }
    }
}

impl ResetLanes for ManagerBlock {
    #[inline(always)]
    fn reset_lanes<L: Lanes>(&mut self, half: usize, bits: u32) {
        let shared = Arc::clone(&self.shared);
        let Self { state, actions, commands, circumstances, startup, time_left, effects, ledger, .. } = self;
        let mask = L::mask(bits);
        let zero = L::splat(0.0);
        state.store_where(half, mask, &State { body: eyas_sim::Body::at_rest(), rotor_speed: [zero; 4] });
        for row in actions.rows_mut() {
            row.store_where::<L>(half, mask, zero);
        }
        for (row, startup) in circumstances.rows_mut().zip(startup.rows_mut()) {
            row.store_where::<L>(half, mask, startup.load(half));
        }
        let at = ledger.moment(half, shared.config.control_period());
        for (index, event) in shared.program.events.iter().enumerate() {
            let stream = &shared.event_streams[index];
            if event.happens_in(EventMode::Reset) {
                let change = &mut Change {
                    state,
                    circumstances,
                    robot: &shared.config.robot,
                    stream,
                    at: &at,
                    mask,
                    strength: effects.strengths[index] as f32,
                };
                event.term.apply::<L>(change);
            } else if event.is_interval() {
                let time = interval::<L>(event, stream, &at);
                time_left[index].store_where::<L>(half, mask, time);
            }
        }
        let moves = shared.config.command_update == CommandUpdate::AfterReset;
        for (index, (command, state)) in shared.program.commands.iter().zip(commands).enumerate() {
            let streams = &shared.command_streams[index];
            command.reset::<L>(streams, state, &at, mask);
            if moves {
                command.advance::<L>(streams, state, &at, bits);
            }
        }
    }
}

/// Time until an event happens, s.
#[inline(always)]
fn interval<L: Lanes>(event: &Event, stream: &eyas_lanes::Stream, at: &Moment<'_>) -> L {
    let [low, high] = event.interval_range_s;
    let words = stream.lanes(at.first_env, at.episode, at.clock, 8);
    L::uniform(words[0]).mul_add(L::constant(high - low), L::constant(low))
}

/// Action and physics of a control step.
pub(super) struct Advance<'a, const ALIGNED: bool> {
    pub(super) block: &'a mut ManagerBlock,
    pub(super) shared: &'a Shared,
    pub(super) reality: Option<&'a Reality>,
    pub(super) action: &'a [Row],
}

impl<const ALIGNED: bool> Kernel for Advance<'_, ALIGNED> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let Self { block, shared, reality, action } = self;
        for half in 0..HALVES {
            let live = bits_of(!block.ledger.ended, half);
            if live == 0 {
                continue;
            }
            if shared.config.command_update == CommandUpdate::BeforePhysics {
                block.advance_commands::<L>(shared, half, live);
            }
            block.fly::<L, ALIGNED>(shared, (half, live), reality, action);
        }
    }
}

impl ManagerBlock {
    #[inline(always)]
    fn advance_commands<L: Lanes>(&mut self, shared: &Shared, half: usize, live: u32) {
        let at = self.ledger.moment(half, shared.config.control_period());
        for (index, (command, state)) in shared.program.commands.iter().zip(&mut self.commands).enumerate() {
            command.advance::<L>(&shared.command_streams[index], state, &at, live);
        }
    }

    /// Rotors, then the body, under an action held for a control step.
    #[inline(always)]
    fn fly<L: Lanes, const ALIGNED: bool>(
        &mut self,
        shared: &Shared,
        (half, live): (usize, u32),
        reality: Option<&Reality>,
        action: &[Row],
    ) {
        let (program, config) = (&shared.program, &shared.config);
        let mask = L::mask(live);
        let mut processed = [L::splat(0.0); 4];
        for (index, value) in processed.iter_mut().enumerate() {
            let raw = action[index].load::<L>(half);
            *value = program.action.processed(raw);
            let rows = &mut self.actions;
            rows.last_raw[index].store_where::<L>(half, mask, rows.raw[index].load(half));
            rows.last_processed[index].store_where::<L>(half, mask, rows.processed[index].load(half));
            rows.raw[index].store_where::<L>(half, mask, raw);
            rows.processed[index].store_where::<L>(half, mask, *value);
        }
        let mut flown = self.flown();
        if let Some(reality) = reality {
            flown = &reality.flown().vehicle;
            // Observations and rewards know of the action that was given, motors of what reaches them.
            let told = reality.action(action);
            for (value, row) in processed.iter_mut().zip(told) {
                *value = program.action.processed(row.load::<L>(half));
            }
        }
        let vehicle = Vehicle::<L, ALIGNED>::load(flown, half);
        let mut state = self.state.load::<L>(half);
        let mut wrench = if program.action.term == ActionTerm::MotorSetPoints {
            let [rising, falling] = [load_four(&self.lag[0], half), load_four(&self.lag[1], half)];
            state.rotor_speed = turn_rotors(&vehicle, &state.rotor_speed, &processed, &rising, &falling);
            vehicle.wrench(&state.rotor_speed)
        } else {
            program.action.term.wrench(&processed, &state.body)
        };
        let disturbance = self.disturbance::<L>(shared, half, &state, reality);
        for step in 0..config.decimation {
            if step > 0 && matches!(program.action.term, ActionTerm::ThrustAndBodyRates { .. }) {
                wrench = program.action.term.wrench(&processed, &state.body);
            }
            let (dt, substeps) = (config.sim.dt, config.sim.substeps);
            state.body = step_held(&vehicle, &state.body, wrench, &disturbance, dt, substeps);
        }
        self.state.store_where(half, mask, &state);
    }

    /// What pushes the vehicles of one vector.
    #[inline(always)]
    fn disturbance<L: Lanes>(
        &self,
        shared: &Shared,
        half: usize,
        state: &State<L>,
        reality: Option<&Reality>,
    ) -> Disturbance<L> {
        let circumstances = &self.circumstances;
        let mut force_world = add(load_vector(&self.push, half), load_vector(&circumstances.force, half));
        if shared.has_wind {
            let airspeed = sub(load_vector(&circumstances.wind, half), state.body.velocity);
            force_world = add(force_world, scale(circumstances.drag.load(half), airspeed));
        }
        let mut torque_body = load_vector(&circumstances.torque, half);
        if let Some(reality) = reality {
            let more = reality.flown().disturbance::<L>(half);
            force_world = add(force_world, more.force_world);
            torque_body = add(torque_body, more.torque_body);
        }
        Disturbance { force_world, torque_body }
    }
}

/// Terminations and rewards.
pub(super) struct Judge<'a> {
    pub(super) block: &'a mut ManagerBlock,
    pub(super) shared: &'a Shared,
}

/// What a step came to.
pub(super) struct Outcome {
    pub(super) reward: Row,
    /// One mask of lanes for each termination that ends the task.
    pub(super) causes: [u32; MAX_TERMS],
    /// Lanes whose time is over by a condition.
    pub(super) cut: u32,
}

impl Kernel for Judge<'_> {
    type Output = Outcome;

    #[inline(always)]
    fn run<L: Lanes>(self) -> Outcome {
        let Self { block, shared } = self;
        let program = &shared.program;
        let mut outcome = Outcome { reward: Row::ZERO, causes: [0; MAX_TERMS], cut: 0 };
        for half in 0..HALVES {
            let live = bits_of(!block.ledger.ended, half);
            if live == 0 {
                continue;
            }
            let ManagerBlock { state, commands, actions, circumstances, weights, ledger, .. } = &mut *block;
            let parts = SceneParts {
                state,
                commands,
                actions,
                mass_factor: &circumstances.mass,
                rotor_range: shared.rotor_range,
                age: &ledger.age,
                causes: &[],
            };
            let scene = BlockScene::<L>::new(parts, half);
            for (term, lanes) in program.terminations.iter().zip(&mut outcome.causes) {
                *lanes |= (L::bits(term.holds(&scene)) & live) << (half * LANES);
            }
            for term in &program.cuts {
                outcome.cut |= (L::bits(term.holds(&scene)) & live) << (half * LANES);
            }
            let scene = scene.with_causes(&outcome.causes[..program.terminations.len()]);
            let (mask, zero) = (L::mask(live), L::splat(0.0));
            let mut reward = zero;
            for ((term, weight), sum) in program.rewards.iter().zip(weights.iter()).zip(&mut ledger.sums) {
                let value = L::splat(*weight) * term.value(&scene);
                let value = L::select(mask, not_a_number_to_zero(value), zero);
                sum.store(half, sum.load::<L>(half) + value);
                reward = reward + value;
            }
            outcome.reward.store(half, reward);
        }
        outcome
    }
}

/// What happens after the reset of ended episodes: commands and events of mode `interval`. Gives the lanes whose vehicle
/// became another.
pub(super) struct Follow<'a> {
    pub(super) block: &'a mut ManagerBlock,
    pub(super) live: u32,
}

impl Kernel for Follow<'_> {
    type Output = u32;

    #[inline(always)]
    fn run<L: Lanes>(self) -> u32 {
        let Self { block, live } = self;
        let shared = Arc::clone(&block.shared);
        let mut altered = 0;
        for half in 0..HALVES {
            let live = bits_of(live, half);
            if live == 0 {
                continue;
            }
            if shared.config.command_update == CommandUpdate::AfterReset {
                block.advance_commands::<L>(&shared, half, live);
            }
            for (index, event) in shared.program.events.iter().enumerate() {
                if event.is_interval() {
                    let due = block.pass_time::<L>(&shared, half, live, index);
                    if event.term.changes_vehicles() {
                        altered |= due << (half * LANES);
                    }
                }
            }
        }
        altered
    }
}

impl ManagerBlock {
    /// Lets an event of mode `interval` happen where its time has come; gives those lanes.
    #[inline(always)]
    fn pass_time<L: Lanes>(&mut self, shared: &Shared, half: usize, live: u32, index: usize) -> u32 {
        let Self { state, circumstances, time_left, effects, ledger, .. } = self;
        let event = &shared.program.events[index];
        let period = shared.config.control_period();
        let row = &mut time_left[index];
        let left = row.load::<L>(half) - L::constant(period);
        row.store_where::<L>(half, L::mask(live), left);
        let due = live & L::bits(left.less(L::splat(super::command::TIME_IS_UP_S)));
        if due != 0 {
            let stream = &shared.event_streams[index];
            let at = ledger.moment(half, period);
            let change = &mut Change {
                state,
                circumstances,
                robot: &shared.config.robot,
                stream,
                at: &at,
                mask: L::mask(due),
                strength: effects.strengths[index] as f32,
            };
            event.term.apply::<L>(change);
            row.store_where::<L>(half, L::mask(due), interval::<L>(event, stream, &at));
        }
        due
    }
}

/// The full observation.
pub(super) struct Observe<'a> {
    pub(super) block: &'a ManagerBlock,
    /// The state as it is measured.
    pub(super) seen: &'a State<Row>,
    pub(super) observation: &'a mut [Row],
}

impl Kernel for Observe<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let Self { block, seen, observation } = self;
        let shared = &block.shared;
        let parts = block.scene_parts(seen);
        for half in 0..HALVES {
            let scene = BlockScene::<L>::new(parts, half);
            let draws = block.ledger.draws(&shared.noise, half);
            for observed in shared.program.observations.iter().filter(|it| it.kept() == 0) {
                let out = &mut observation[observed.start..observed.start + observed.width()];
                observed.sample(&scene, &draws, &mut FeatureRows::new(out, half));
            }
        }
        let mut kept = block.kept.as_slice();
        for observed in shared.program.observations.iter().filter(|it| it.kept() > 0) {
            let (values, rest) = kept.split_at(observed.kept() * observed.width());
            let shown = observed.features();
            // The newest that is shown is as many steps old as the term is late.
            observation[observed.start..observed.start + shown].copy_from_slice(&values[..shown]);
            kept = rest;
        }
    }
}

/// Keeps the present values of terms with delay or history.
pub(super) struct Record<'a> {
    pub(super) block: &'a mut ManagerBlock,
    /// The state as it is measured, where it is not as it is.
    pub(super) seen: Option<&'a State<Row>>,
    pub(super) push: u32,
    pub(super) fill: u32,
}

impl Kernel for Record<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let Self { block, seen, push, fill } = self;
        let shared = Arc::clone(&block.shared);
        // Taken out, so that the scene can borrow the rest.
        let mut kept = std::mem::take(&mut block.kept);
        let parts = block.scene_parts(seen.unwrap_or(&block.state));
        for half in 0..HALVES {
            let (push, fill) = (bits_of(push, half), bits_of(fill, half));
            if push | fill == 0 {
                continue;
            }
            let scene = BlockScene::<L>::new(parts, half);
            let draws = block.ledger.draws(&shared.noise, half);
            let mut rest = kept.as_mut_slice();
            for observed in shared.program.observations.iter().filter(|it| it.kept() > 0) {
                let width = observed.width();
                let (values, others) = rest.split_at_mut(observed.kept() * width);
                let mut present = [Row::ZERO; MAX_WIDTH];
                observed.sample(&scene, &draws, &mut FeatureRows::new(&mut present[..width], half));
                for place in 0..values.len() {
                    let newest = present[place % width].load::<L>(half);
                    let next = match values.get(place + width) {
                        Some(row) => row.load(half),
                        None => newest,
                    };
                    let row = &mut values[place];
                    let value = L::select(L::mask(push), next, row.load(half));
                    row.store(half, L::select(L::mask(fill), newest, value));
                }
                rest = others;
            }
        }
        block.kept = kept;
    }
}
