//! All agents as one: the rules of Isaac Lab's `multi_agent_to_single_agent` and `multi_agent_with_one_agent`.

use std::sync::Arc;

use eyas_lanes::{BLOCK, Row};
use eyas_sim::Body;

use super::{AgentSpec, MAX_AGENTS, MultiAgentBlock, MultiAgentEnv, MultiAgentSpec, NoState, StateSpace};
use crate::{Ended, Perturbation, Step, Telemetry};

/// Name of the agent that all become, as in Isaac Lab.
const NAME: &str = "single-agent";

/// A block whose agents act as one.
///
/// - Its observation is that of all agents, one after the other in the order of `possible_agents`, or the state.
/// - Its action is cut into theirs in the same order.
/// - Its reward is the sum of theirs.
/// - It has terminated where all have, and its time has run out where that of all has.
pub struct OneAgent<B> {
    block: B,
    spec: Arc<MultiAgentSpec>,
    observes_state: bool,
}

impl<B: MultiAgentBlock> OneAgent<B> {
    /// The state cannot be observed where there is none, so specs come first: see [`MultiAgentSpec::as_one`].
    fn new(block: B, spec: Arc<MultiAgentSpec>, state_as_observation: bool) -> Self {
        let observes_state = state_as_observation && matches!(block.spec().state, StateSpace::Custom(_));
        Self { block, spec, observes_state }
    }
}

impl<B: MultiAgentBlock> MultiAgentBlock for OneAgent<B> {
    fn spec(&self) -> &MultiAgentSpec {
        &self.spec
    }

    fn first_env(&self) -> u32 {
        self.block.first_env()
    }

    fn set_first_env(&mut self, first_env: u32) {
        self.block.set_first_env(first_env);
    }

    fn reset(&mut self, mask: u32) {
        self.block.reset(mask);
    }

    fn set_next_episode(&mut self, lane: usize, episode: u32) {
        self.block.set_next_episode(lane, episode);
    }

    fn observe(&self, _agent: usize, observation: &mut [Row]) {
        if self.observes_state {
            self.block.observe_state(observation);
            return;
        }
        let mut rest = observation;
        for (agent, spec) in self.block.spec().agents.iter().enumerate() {
            let (own, others) = rest.split_at_mut(spec.num_observations());
            self.block.observe(agent, own);
            rest = others;
        }
    }

    fn observe_privileged(&self, _agent: usize, observation: &mut [Row]) {
        let mut rest = observation;
        for (agent, spec) in self.block.spec().agents.iter().enumerate() {
            let (own, others) = rest.split_at_mut(spec.num_privileged());
            self.block.observe_privileged(agent, own);
            rest = others;
        }
    }

    fn observe_state(&self, state: &mut [Row]) {
        self.block.observe_state(state);
    }

    fn step(&mut self, actions: &[&[Row]], outcomes: &mut [Step]) {
        let agents = &self.block.spec().agents;
        let count = agents.len();
        let mut own: [&[Row]; MAX_AGENTS] = [&[]; MAX_AGENTS];
        let mut rest = actions[0];
        for (own, spec) in own.iter_mut().zip(agents) {
            (*own, rest) = rest.split_at(spec.num_actions);
        }
        let mut earned = [Step::default(); MAX_AGENTS];
        self.block.step(&own[..count], &mut earned[..count]);
        outcomes[0] = joined(&earned[..count]);
    }

    fn ended(&self) -> u32 {
        self.block.ended()
    }

    fn episode(&self, lane: usize) -> Ended {
        self.block.episode(lane)
    }

    fn num_vehicles(&self) -> usize {
        self.block.num_vehicles()
    }

    fn telemetry(&self, lane: usize, vehicle: usize) -> Telemetry {
        self.block.telemetry(lane, vehicle)
    }

    fn fallen(&self, vehicle: usize) -> u32 {
        self.block.fallen(vehicle)
    }

    fn set_age(&mut self, lane: usize, steps: u32) {
        self.block.set_age(lane, steps);
    }

    fn put(&mut self, lane: usize, body: &Body<f32>) {
        self.block.put(lane, body);
    }

    fn perturb(&mut self, perturbation: Perturbation) {
        self.block.perturb(perturbation);
    }

    fn visit_state(&mut self, visit: &mut dyn FnMut(&mut u32)) {
        self.block.visit_state(visit);
    }
}

/// The sum of rewards, and where all have terminated or run out of time.
fn joined(outcomes: &[Step]) -> Step {
    let mut all = Step { reward: Row::ZERO, terminated: u32::MAX, truncated: u32::MAX };
    for it in outcomes {
        for lane in 0..BLOCK {
            all.reward[lane] += it.reward[lane];
        }
        all.terminated &= it.terminated;
        all.truncated &= it.truncated;
    }
    all
}

/// Isaac Lab's function of that name: converts an env of several agents to one whose dictionaries have a single agent,
/// `single-agent`, that acts for all.
///
/// # Errors
///
/// [`NoState`] if the state shall be the observation and there is none.
pub fn multi_agent_with_one_agent<B: MultiAgentBlock>(
    env: MultiAgentEnv<B>,
    state_as_observation: bool,
) -> Result<MultiAgentEnv<OneAgent<B>>, NoState> {
    let joint = env.spec().as_one(state_as_observation)?;
    let observed = joint.group("policy").map_or(0, |group| group.features.end);
    let mut end = 0;
    let (observation, privileged) = joint.parts.iter().copied().partition(|part| {
        end += part.width;
        end <= observed
    });
    let agent = AgentSpec { name: NAME, observation, privileged, num_actions: joint.num_actions };
    // What was the concatenation of several observations is that of one now.
    let spec = Arc::new(MultiAgentSpec { agents: vec![agent], ..env.spec().clone() });
    let num_envs = env.num_envs();
    let blocks = env.into_blocks().into_iter();
    let blocks = blocks.map(|block| OneAgent::new(block, Arc::clone(&spec), state_as_observation)).collect();
    Ok(MultiAgentEnv::new(spec, num_envs, blocks))
}
