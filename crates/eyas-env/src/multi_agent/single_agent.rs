//! A multi-agent env as an ordinary one.

use std::sync::Arc;

use eyas_lanes::Row;
use eyas_sim::Body;

use super::one_agent::{OneAgent, specs_of};
use super::{MultiAgentBlock, MultiAgentEnv, NoState};
use crate::{Ended, Env, EnvBlock, Perturbation, Step, Telemetry};

/// A block of several agents that one policy flies.
pub struct SingleAgentBlock<B> {
    one: OneAgent<B>,
    /// Features that the agents observe; what only a simulator knows comes after them.
    observed: usize,
}

impl<B: MultiAgentBlock> EnvBlock for SingleAgentBlock<B> {
    fn first_env(&self) -> u32 {
        self.one.first_env()
    }

    fn set_first_env(&mut self, first_env: u32) {
        self.one.set_first_env(first_env);
    }

    fn reset(&mut self, mask: u32) {
        self.one.reset(mask);
    }

    fn set_next_episode(&mut self, lane: usize, episode: u32) {
        self.one.set_next_episode(lane, episode);
    }

    fn observe(&self, observation: &mut [Row]) {
        let (observed, privileged) = observation.split_at_mut(self.observed);
        self.one.observe(0, observed);
        self.one.observe_privileged(0, privileged);
    }

    fn step(&mut self, action: &[Row]) -> Step {
        let mut outcome = [Step::default()];
        self.one.step(&[action], &mut outcome);
        let [outcome] = outcome;
        outcome
    }

    fn episode(&self, lane: usize) -> Ended {
        self.one.episode(lane)
    }

    fn telemetry(&self, lane: usize) -> Telemetry {
        self.one.telemetry(lane, 0)
    }

    fn num_vehicles(&self) -> usize {
        self.one.num_vehicles()
    }

    fn vehicle_telemetry(&self, lane: usize, vehicle: usize) -> Telemetry {
        self.one.telemetry(lane, vehicle)
    }

    fn fallen(&self, vehicle: usize) -> u32 {
        self.one.fallen(vehicle)
    }

    fn ended(&self) -> u32 {
        self.one.ended()
    }

    fn set_age(&mut self, lane: usize, steps: u32) {
        self.one.set_age(lane, steps);
    }

    fn put(&mut self, lane: usize, body: &Body<f32>) {
        self.one.put(lane, body);
    }

    fn perturb(&mut self, perturbation: Perturbation) {
        self.one.perturb(perturbation);
    }

    fn visit_state(&mut self, visit: &mut dyn FnMut(&mut u32)) {
        self.one.visit_state(visit);
    }
}

/// Isaac Lab's function of that name: an env of several agents becomes one of a single agent, by the rules of
/// [`OneAgent`].
///
/// # Errors
///
/// [`NoState`] if the state shall be the observation and there is none.
pub fn multi_agent_to_single_agent<M: MultiAgentEnv>(
    env: M,
    state_as_observation: bool,
) -> Result<Env, NoState> {
    let (one, spec) = specs_of(env.spec(), state_as_observation)?;
    let num_envs = env.num_envs();
    let observed = one.agents[0].num_observations();
    let blocks = env
        .into_blocks()
        .into_iter()
        .map(|block| SingleAgentBlock {
            one: OneAgent::new(block, Arc::clone(&one), state_as_observation),
            observed,
        })
        .collect();
    Ok(Env::new(spec, num_envs, blocks))
}
