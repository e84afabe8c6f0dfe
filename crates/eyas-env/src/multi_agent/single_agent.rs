//! A multi-agent env as an ordinary one.

use eyas_lanes::Row;
use eyas_sim::Body;

use super::one_agent::{OneAgent, multi_agent_with_one_agent};
use super::{MultiAgentBlock, MultiAgentEnv, NoState};
use crate::{Ended, Env, EnvBlock, Perturbation, Step, Telemetry};

/// A block of several agents that one policy flies. What only a simulator knows comes after what the agents observe.
pub struct SingleAgentBlock<B>(OneAgent<B>);

impl<B: MultiAgentBlock> EnvBlock for SingleAgentBlock<B> {
    fn first_env(&self) -> u32 {
        self.0.first_env()
    }

    fn set_first_env(&mut self, first_env: u32) {
        self.0.set_first_env(first_env);
    }

    fn reset(&mut self, mask: u32) {
        self.0.reset(mask);
    }

    fn set_next_episode(&mut self, lane: usize, episode: u32) {
        self.0.set_next_episode(lane, episode);
    }

    fn observe(&self, observation: &mut [Row]) {
        let (observed, privileged) = observation.split_at_mut(self.0.spec().agents[0].num_observations());
        self.0.observe(0, observed);
        self.0.observe_privileged(0, privileged);
    }

    fn step(&mut self, action: &[Row]) -> Step {
        let mut outcome = [Step::default()];
        self.0.step(&[action], &mut outcome);
        let [outcome] = outcome;
        outcome
    }

    fn episode(&self, lane: usize) -> Ended {
        self.0.episode(lane)
    }

    fn telemetry(&self, lane: usize) -> Telemetry {
        self.0.telemetry(lane, 0)
    }

    fn num_vehicles(&self) -> usize {
        self.0.num_vehicles()
    }

    fn vehicle_telemetry(&self, lane: usize, vehicle: usize) -> Telemetry {
        self.0.telemetry(lane, vehicle)
    }

    fn fallen(&self, vehicle: usize) -> u32 {
        self.0.fallen(vehicle)
    }

    fn ended(&self) -> u32 {
        self.0.ended()
    }

    fn set_age(&mut self, lane: usize, steps: u32) {
        self.0.set_age(lane, steps);
    }

    fn put(&mut self, lane: usize, body: &Body<f32>) {
        self.0.put(lane, body);
    }

    fn perturb(&mut self, perturbation: Perturbation) {
        self.0.perturb(perturbation);
    }

    fn visit_state(&mut self, visit: &mut dyn FnMut(&mut u32)) {
        self.0.visit_state(visit);
    }
}

/// Isaac Lab's function of that name: an env of several agents becomes one of a single agent, by the rules of
/// [`OneAgent`].
///
/// # Errors
///
/// [`NoState`] if the state shall be the observation and there is none.
pub fn multi_agent_to_single_agent<B: MultiAgentBlock + 'static>(
    env: MultiAgentEnv<B>,
    state_as_observation: bool,
) -> Result<Env, NoState> {
    let spec = env.spec().as_one(state_as_observation)?;
    let env = multi_agent_with_one_agent(env, state_as_observation)?;
    Ok(Env::new(spec, env.num_envs(), env.into_blocks().into_iter().map(SingleAgentBlock).collect()))
}
