//! What flies vehicles, learned or not.

use eyas_env::EnvBlock;
use eyas_lanes::{BLOCK, Row};
use eyas_policy::Scratch;

use crate::actor::Actor;

/// Maps what the vehicles of a block observe to their actions.
pub trait Controller: Send + Sync {
    /// Rows of an action.
    fn num_actions(&self) -> usize;

    /// Rows of what it remembers from step to step; zero at the start of an episode.
    fn state_width(&self) -> usize;

    /// Maps the full observation `[num_observations]` to actions `[num_actions]` in `[-1, 1]`, and advances the state
    /// `[state_width]`. Of the block itself it may ask for the reference, but not for the vehicles' state.
    fn act(
        &self,
        block: &dyn EnvBlock,
        observation: &[Row],
        state: &mut [Row],
        scratch: &mut Scratch,
        action: &mut [Row],
    );

    /// The policy that this is, if it is one for all vehicles.
    fn actor(&self) -> Option<&Actor> {
        None
    }
}

/// A controller at work in a block, and what it remembers of it.
pub struct Steering<'a> {
    controller: &'a dyn Controller,
    /// One row for each of the controller's numbers.
    pub state: Vec<Row>,
    scratch: Scratch,
}

impl<'a> Steering<'a> {
    /// One that remembers nothing yet.
    pub fn new(controller: &'a dyn Controller) -> Self {
        let state = vec![Row::ZERO; controller.state_width()];
        Self { controller, state, scratch: Scratch::default() }
    }

    /// [`Controller::act`].
    pub fn act(&mut self, block: &dyn EnvBlock, observation: &[Row], action: &mut [Row]) {
        self.controller.act(block, observation, &mut self.state, &mut self.scratch, action);
    }
}

impl Controller for Actor {
    fn num_actions(&self) -> usize {
        self.inference.num_actions()
    }

    fn state_width(&self) -> usize {
        self.inference.state_width()
    }

    fn act(
        &self,
        _block: &dyn EnvBlock,
        observation: &[Row],
        state: &mut [Row],
        scratch: &mut Scratch,
        action: &mut [Row],
    ) {
        self.inference.act(&observation[self.features.clone()], state, scratch, action);
    }

    fn actor(&self) -> Option<&Actor> {
        Some(self)
    }
}

/// Several policies, of which each flies the envs whose turn it is: env `i` that of place `i % len`. None is empty, and all give
/// as many actions.
pub struct InTurns<'a>(pub &'a [&'a Actor]);

impl Controller for InTurns<'_> {
    fn num_actions(&self) -> usize {
        self.0[0].num_actions()
    }

    fn state_width(&self) -> usize {
        self.0.iter().map(|actor| actor.state_width()).max().unwrap_or(0)
    }

    fn act(
        &self,
        block: &dyn EnvBlock,
        observation: &[Row],
        state: &mut [Row],
        scratch: &mut Scratch,
        action: &mut [Row],
    ) {
        let turn = |lane: usize| (block.first_env() as usize + lane) % self.0.len();
        let mut own_action = vec![Row::ZERO; action.len()];
        for first in 0..BLOCK.min(self.0.len()) {
            let actor = self.0[turn(first)];
            let mut own_state = state[..actor.state_width()].to_vec();
            actor.act(block, observation, &mut own_state, scratch, &mut own_action);
            for lane in (first..BLOCK).step_by(self.0.len()) {
                let rows = action.iter_mut().zip(&own_action).chain(state.iter_mut().zip(&own_state));
                rows.for_each(|(row, own)| row[lane] = own[lane]);
            }
        }
    }
}
