//! What flies vehicles, learned or not.

use eyas_env::EnvBlock;
use eyas_lanes::Row;
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
}
