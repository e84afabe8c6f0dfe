//! Many episodes in lockstep.

use eyas_lanes::{BLOCK, Row};
use eyas_sim::Body;
use eyas_trace::Form;

use crate::{Ended, EnvSpec, FlightFormulas, FlightRows, Perturbation};

/// Outcome of one control step of a block.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Step {
    /// Reward of each env.
    pub reward: Row,
    /// Bit `i`: the task of env `i` ended.
    pub terminated: u32,
    /// Bit `i`: the time of env `i` ran out.
    pub truncated: u32,
}

/// State of one env beside its reference, for reports and viewers. World frame relative to the spawn point.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Telemetry {
    /// Position, m.
    pub position: [f32; 3],
    /// Velocity, m/s.
    pub velocity: [f32; 3],
    /// Orientation `w, x, y, z`, body to world.
    pub orientation: [f32; 4],
    /// Angular velocity, body frame, rad/s.
    pub angular_velocity: [f32; 3],
    /// Reference position, m.
    pub desired_position: [f32; 3],
    /// Reference velocity, m/s.
    pub desired_velocity: [f32; 3],
    /// Whether the reference moves.
    pub is_moving_target: bool,
}

/// Thirty-two episodes advanced together, small enough to stay in the first-level cache.
///
/// Buffers are feature-major: one [`Row`] for each feature, lane `i` is env `i` of the block. An ended
/// episode stays frozen, with reward 0 and no flags, until [`reset`](Self::reset): the caller decides when
/// to bootstrap and when to reset.
pub trait EnvBlock: Send {
    /// Global index of lane 0.
    fn first_env(&self) -> u32;

    /// Makes the block the one of the envs from there on, as if it had been made so: their draws are those of other envs.
    fn set_first_env(&mut self, first_env: u32);

    /// Starts the next episode wherever a bit of `mask` is set.
    fn reset(&mut self, mask: u32);

    /// Numbers the episode that the next reset of a lane starts; all its draws are keyed by it.
    fn set_next_episode(&mut self, lane: usize, episode: u32);

    /// Writes the full observation, `[num_observations]` rows.
    fn observe(&self, observation: &mut [Row]);

    /// Whether what is observed is the state itself, without errors, delays or noise of sensors.
    fn senses_truly(&self) -> bool {
        true
    }

    /// Holds actions `[num_actions]` in `[-1, 1]` for one control step.
    fn step(&mut self, action: &[Row]) -> Step;

    /// The episode of a lane so far.
    fn episode(&self, lane: usize) -> Ended;

    /// State and reference of a lane.
    fn telemetry(&self, lane: usize) -> Telemetry;

    /// Vehicles of each env.
    fn num_vehicles(&self) -> usize {
        1
    }

    /// State and reference of a vehicle of a lane; [`telemetry`](Self::telemetry) is that of the first.
    fn vehicle_telemetry(&self, lane: usize, _vehicle: usize) -> Telemetry {
        self.telemetry(lane)
    }

    /// Bit `i` set: the flight of a vehicle of env `i` has ended, though the episode may go on without it. That of an
    /// only vehicle ends with the episode.
    fn fallen(&self, _vehicle: usize) -> u32 {
        0
    }

    /// Bit `i` set: env `i` has ended and waits for a reset.
    fn ended(&self) -> u32;

    /// Moves the clock of each env, so that episodes that start together do not end together.
    fn set_age(&mut self, lane: usize, steps: u32);

    /// Puts the vehicle of a lane somewhere else, as if its episode had started there; rotors and reference stay as they
    /// are. World frame relative to the spawn point.
    fn put(&mut self, lane: usize, body: &Body<f32>);

    /// Changes the vehicles from the next step on, through resets, until called again. It is an input as actions are:
    /// no part of the state, and unknown to gradients.
    fn perturb(&mut self, perturbation: Perturbation);

    /// Shows `visit` the bits of every number that later steps depend on, in a fixed order, and goes on with what
    /// it leaves there: one method saves a state and puts it back, so the two cannot disagree.
    ///
    /// [`visit_rows`] and [`visit_words`] do it for fields.
    fn visit_state(&mut self, visit: &mut dyn FnMut(&mut u32));

    /// Says how many control steps each env of the run has flown before this block was made, for tasks that change in the
    /// course of a run.
    fn set_steps_flown(&mut self, _steps: u32) {}

    /// How the envs fly, for whoever flies them elsewhere; none where formulas are not all there is to it.
    fn flight_formulas(&self, _form: Form) -> Option<FlightFormulas> {
        None
    }

    /// What those take of this block.
    fn flight_rows(&self) -> Option<FlightRows> {
        None
    }
}

/// [`EnvBlock::visit_state`] of numbers.
pub fn visit_rows<'a>(rows: impl IntoIterator<Item = &'a mut Row>, visit: &mut dyn FnMut(&mut u32)) {
    for value in rows.into_iter().flat_map(|row| &mut row.0) {
        let mut bits = value.to_bits();
        visit(&mut bits);
        *value = f32::from_bits(bits);
    }
}

/// [`EnvBlock::visit_state`] of counters.
pub fn visit_words<'a>(words: impl IntoIterator<Item = &'a mut u32>, visit: &mut dyn FnMut(&mut u32)) {
    words.into_iter().for_each(visit);
}

/// `num_envs` independent episodes, cut into blocks.
pub trait VecEnv: Send {
    /// What the task observes, takes and ends by.
    fn spec(&self) -> &EnvSpec;

    /// Number of envs.
    fn num_envs(&self) -> usize;

    /// The blocks in the order of their envs; lanes past `num_envs` of the last one fly unseen.
    fn blocks(&mut self) -> &mut [Box<dyn EnvBlock>];

    /// Bits of the lanes of a block that are envs.
    fn used_lanes(&self, block: usize) -> u32 {
        let used = (self.num_envs() - block * BLOCK).min(BLOCK);
        u32::MAX >> (BLOCK - used)
    }
}

/// Many envs of a task, cut into blocks.
pub struct Env {
    pub(crate) spec: EnvSpec,
    num_envs: usize,
    blocks: Vec<Box<dyn EnvBlock>>,
}

impl Env {
    /// The envs of blocks, of which the last may have lanes to spare.
    pub fn new<B: EnvBlock + 'static>(spec: EnvSpec, num_envs: usize, blocks: Vec<B>) -> Self {
        let blocks = blocks.into_iter().map(|block| Box::new(block) as Box<dyn EnvBlock>).collect();
        Self { spec, num_envs, blocks }
    }
}

impl VecEnv for Env {
    fn spec(&self) -> &EnvSpec {
        &self.spec
    }

    fn num_envs(&self) -> usize {
        self.num_envs
    }

    fn blocks(&mut self) -> &mut [Box<dyn EnvBlock>] {
        &mut self.blocks
    }
}
