//! What the agents of a task observe and do, apart and as one.

use crate::{Actuation, EnvSpec, EpisodeScalar, Group, Part, intern};

/// Most agents of a task.
pub const MAX_AGENTS: usize = 8;

/// What one agent observes and does.
#[derive(Clone, Debug, PartialEq)]
pub struct AgentSpec {
    /// Its key in Isaac Lab's dictionaries, such as `quad_0`.
    pub name: &'static str,
    /// Parts of its observation in order.
    pub observation: Vec<Part>,
    /// Parts that only a simulator knows.
    pub privileged: Vec<Part>,
    /// Width of its action.
    pub num_actions: usize,
}

impl AgentSpec {
    /// Width of its observation.
    #[must_use]
    pub fn num_observations(&self) -> usize {
        width(&self.observation)
    }

    /// Width of what only a simulator knows.
    #[must_use]
    pub fn num_privileged(&self) -> usize {
        width(&self.privileged)
    }
}

/// The state of an env as a whole: `state_space` of Isaac Lab's `DirectMARLEnvCfg`.
#[derive(Clone, Debug, PartialEq)]
pub enum StateSpace {
    /// −1: the observations of all agents, one after the other.
    Observations,
    /// 0: there is none.
    None,
    /// Greater than 0: numbers of the task's own.
    Custom(Vec<Part>),
}

/// What a task of several agents observes, takes and ends by.
#[derive(Clone, Debug, PartialEq)]
pub struct MultiAgentSpec {
    /// Id of the task.
    pub task: &'static str,
    /// `possible_agents`, at most [`MAX_AGENTS`]; their order is that of every concatenation.
    pub agents: Vec<AgentSpec>,
    /// The state of an env as a whole.
    pub state: StateSpace,
    /// Meaning of an agent's action.
    pub action: &'static str,
    /// What an action moves.
    pub actuation: Actuation,
    /// Motor order of an agent's action.
    pub motor_order: &'static str,
    /// Control steps a second, Hz.
    pub control_rate_hz: f64,
    /// Control steps after which an episode is cut.
    pub max_episode_length: u32,
    /// Names of the reward's terms.
    pub reward_terms: Vec<&'static str>,
    /// Names of the terminating conditions, in the order of their bits.
    pub terminations: Vec<&'static str>,
}

/// A task without a state was asked to observe it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the state cannot be the observation: the width of the state space is 0, expected -1 for the observations of all \
     agents or the width of a state of the task's own"
)]
pub struct NoState;

impl MultiAgentSpec {
    /// Width of the state; 0 if there is none.
    #[must_use]
    pub fn num_states(&self) -> usize {
        match &self.state {
            StateSpace::Observations => self.agents.iter().map(AgentSpec::num_observations).sum(),
            StateSpace::None => 0,
            StateSpace::Custom(parts) => width(parts),
        }
    }

    /// What all agents as one observe and do.
    ///
    /// The group `policy` is the observations of all agents in their order, or the state; the group `teacher` goes on
    /// with what only a simulator knows of each agent, in the same order. A part is called by its agent and its name:
    /// `quad_0/position_error`.
    ///
    /// # Errors
    ///
    /// [`NoState`] if the state shall be the observation and there is none.
    pub fn as_one(&self, state_as_observation: bool) -> Result<EnvSpec, NoState> {
        let named = |agent: &AgentSpec, parts: &[Part]| -> Vec<Part> {
            let name = |part: &Part| intern(&format!("{}/{}", agent.name, part.name));
            parts.iter().map(|part| Part { name: name(part), ..*part }).collect()
        };
        let observations = || self.agents.iter().flat_map(|it| named(it, &it.observation)).collect();
        let mut parts: Vec<Part> = match (&self.state, state_as_observation) {
            (StateSpace::None, true) => return Err(NoState),
            (StateSpace::Custom(parts), true) => parts.clone(),
            (StateSpace::Observations, true) | (_, false) => observations(),
        };
        let observed = width(&parts);
        parts.extend(self.agents.iter().flat_map(|it| named(it, &it.privileged)));
        let groups = vec![
            Group { name: "policy", features: 0..observed },
            Group { name: "teacher", features: 0..width(&parts) },
        ];
        Ok(EnvSpec {
            task: self.task,
            parts,
            groups,
            num_actions: self.agents.iter().map(|agent| agent.num_actions).sum(),
            action: self.action,
            motor_order: self.motor_order,
            actuation: self.actuation,
            control_rate_hz: self.control_rate_hz,
            max_episode_length: self.max_episode_length,
            reward_terms: self.reward_terms.clone(),
            terminations: self.terminations.clone(),
            episode_log: EpisodeScalar::foundation(&self.reward_terms, &self.terminations),
            symmetries: Vec::new(),
        })
    }
}

fn width(parts: &[Part]) -> usize {
    parts.iter().map(|part| part.width).sum()
}
