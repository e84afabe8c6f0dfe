//! Environments of several agents, in the words of Isaac Lab's `DirectMARLEnv`, and their conversion to one agent.
//!
//! Isaac Lab keeps a dictionary for each of observations, actions, rewards, `terminated` and `time_outs`, whose keys are
//! the `possible_agents`. Here an agent's key is its place in [`MultiAgentSpec::agents`].

mod block;
mod one_agent;
mod single_agent;
mod spec;
mod task;

use std::sync::Arc;

use eyas_lanes::Row;
use eyas_sim::Body;

use crate::{Ended, Perturbation, Step, Telemetry};

pub use one_agent::{OneAgent, multi_agent_with_one_agent};
pub use single_agent::{SingleAgentBlock, multi_agent_to_single_agent};
pub use spec::{AgentSpec, MAX_AGENTS, MultiAgentSpec, NoState, StateSpace};
pub use task::{AgentVerdict, MultiAgentTask, VehicleNumbers, View};

/// Thirty-two episodes of several agents, advanced together.
///
/// Buffers are feature-major as those of an [`EnvBlock`](crate::EnvBlock). Each agent terminates on its own; the
/// episode of an env ends when all its agents have terminated or the time of all has run out. Until then an agent that
/// has terminated stays frozen with reward 0 and its flag `terminated` set. An ended episode stays frozen, with reward 0
/// and no flags, until [`reset`](Self::reset).
pub trait MultiAgentBlock: Send {
    /// What each agent observes and does.
    fn spec(&self) -> &MultiAgentSpec;

    /// Global index of lane 0.
    fn first_env(&self) -> u32;

    /// [`EnvBlock::set_first_env`](crate::EnvBlock::set_first_env).
    fn set_first_env(&mut self, first_env: u32);

    /// Starts the next episode wherever a bit of `mask` is set.
    fn reset(&mut self, mask: u32);

    /// Numbers the episode that the next reset of a lane starts; all its draws are keyed by it.
    fn set_next_episode(&mut self, lane: usize, episode: u32);

    /// Writes the observation of an agent, a row for each feature of [`AgentSpec::observation`].
    fn observe(&self, agent: usize, observation: &mut [Row]);

    /// The same of [`AgentSpec::privileged`].
    fn observe_privileged(&self, agent: usize, observation: &mut [Row]);

    /// Writes the state of a [`StateSpace::Custom`]; one without has nothing to write.
    fn observe_state(&self, state: &mut [Row]);

    /// Holds the action of each agent for one control step and writes what it earned.
    fn step(&mut self, actions: &[&[Row]], outcomes: &mut [Step]);

    /// Bit `i` set: the episode of env `i` has ended and waits for a reset.
    fn ended(&self) -> u32;

    /// The episode of a lane so far: sums over all agents.
    fn episode(&self, lane: usize) -> Ended;

    /// Vehicles of each env.
    fn num_vehicles(&self) -> usize;

    /// State and reference of a vehicle of a lane.
    fn telemetry(&self, lane: usize, vehicle: usize) -> Telemetry;

    /// Bit `i` set: a vehicle's flight in env `i` has ended, though the episode may go on without it.
    fn fallen(&self, vehicle: usize) -> u32;

    /// [`EnvBlock::set_age`](crate::EnvBlock::set_age).
    fn set_age(&mut self, lane: usize, steps: u32);

    /// [`EnvBlock::put`](crate::EnvBlock::put), for the vehicles of a lane as a whole.
    fn put(&mut self, lane: usize, body: &Body<f32>);

    /// [`EnvBlock::perturb`](crate::EnvBlock::perturb), alike for all vehicles of a lane.
    fn perturb(&mut self, perturbation: Perturbation);

    /// [`EnvBlock::visit_state`](crate::EnvBlock::visit_state).
    fn visit_state(&mut self, visit: &mut dyn FnMut(&mut u32));
}

/// Many envs of several agents, cut into blocks.
pub struct MultiAgentEnv<B> {
    spec: Arc<MultiAgentSpec>,
    num_envs: usize,
    blocks: Vec<B>,
}

impl<B: MultiAgentBlock> MultiAgentEnv<B> {
    /// The envs of blocks, of which the last may have lanes to spare: they fly unseen.
    pub fn new(spec: Arc<MultiAgentSpec>, num_envs: usize, blocks: Vec<B>) -> Self {
        Self { spec, num_envs, blocks }
    }

    /// What each agent observes and does.
    #[must_use]
    pub fn spec(&self) -> &MultiAgentSpec {
        &self.spec
    }

    /// Number of envs.
    #[must_use]
    pub fn num_envs(&self) -> usize {
        self.num_envs
    }

    /// The blocks in the order of their envs.
    pub fn blocks(&mut self) -> &mut [B] {
        &mut self.blocks
    }

    /// The same, to be wrapped.
    #[must_use]
    pub fn into_blocks(self) -> Vec<B> {
        self.blocks
    }
}
