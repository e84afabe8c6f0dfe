//! Where envs fly: algorithms say what is done with a block of envs at each step, an engine does it.

mod cpu;
mod episodes;

use std::sync::Arc;

use eyas_env::{EnvBlock, EnvSpec, Perturbation, Step};
use eyas_lanes::{BLOCK, Row};

use crate::finite::{NotFinite, OnNan};

pub use cpu::CpuEngine;
pub(crate) use cpu::{Shared, fly_block, sum_of_shards};
pub use episodes::{BlockPlan, EpisodeFlyer, EpisodePlan, FlownEpisode, Measured, Measures};

/// Many envs of a task, and what flies them.
///
/// Whatever it is, a rollout of a block sees the same numbers: blocks do not touch each other, and what is found in each is
/// put together in the order of the blocks. So an engine may fly a block after the other, all at once, or all of them
/// a step at a time.
pub trait Engine: Send {
    /// What the task observes, takes and ends by.
    fn spec(&self) -> &EnvSpec;

    /// Number of envs.
    fn num_envs(&self) -> usize;

    /// Vehicles of each env.
    fn num_vehicles(&self) -> usize;

    /// Flies every block by the rollout in its place until that ends; blocks that have none rest.
    ///
    /// # Errors
    ///
    /// The first number, in the order of the blocks, that an env which flies shows or is given and that is not finite.
    fn fly(&mut self, rollouts: &mut [&mut dyn Rollout]) -> Result<(), NotFinite>;

    /// Lets whole episodes be flown elsewhere from now on, where that is possible.
    fn set_episode_flyer(&mut self, flyer: Box<dyn EpisodeFlyer>);

    /// Flies whole episodes there; none if that is not possible, and [`fly`](Self::fly) is to fly the same.
    fn fly_episodes(&mut self, plan: &EpisodePlan) -> Option<Vec<Vec<FlownEpisode>>>;

    /// [`EnvBlock::visit_state`] of all envs.
    fn visit_state(&mut self, visit: &mut dyn FnMut(&mut u32));

    /// [`EnvBlock::set_steps_flown`] of all envs.
    fn set_steps_flown(&mut self, steps: u32);

    /// What becomes of an env with a number that is not finite; at first it ends the flight.
    fn set_on_nan(&mut self, on_nan: OnNan);

    /// How often an env was reset for such a number.
    fn num_lost(&self) -> u64;

    /// Blocks of 32 envs.
    fn num_blocks(&self) -> usize {
        self.num_envs().div_ceil(BLOCK)
    }
}

/// A block of a task that is known at run time only.
pub type AnyBlock = dyn EnvBlock;

/// What is done with a block of envs, step by step: who acts, what is kept, which episodes begin anew.
pub trait Rollout<B: EnvBlock + ?Sized = AnyBlock>: Send {
    /// Whether [`begin`](Self::begin) leaves the block as the flight before left it, which then goes on.
    fn goes_on(&self) -> bool {
        false
    }

    /// Whether a later flight may go on where this one ends.
    fn is_continued(&self) -> bool {
        self.goes_on()
    }

    /// Whether all that happens to the block are the actions, resets and perturbations that follow: what it flew can then be
    /// flown again.
    fn is_taped(&self) -> bool {
        true
    }

    /// What is done to the vehicles in the step that was acted in last, by a rollout that ever does anything to them.
    fn perturbation(&self) -> Option<&Arc<Perturbation>> {
        None
    }

    /// Before the first step; `used` has the bits of the lanes that are envs. Whether there is a step to fly.
    fn begin(&mut self, block: &mut B, used: u32) -> bool;

    /// Gives the actions `[num_actions]` for what is observed `[num_observations]`.
    fn act(&mut self, block: &B, observation: &mut [Row], action: &mut [Row]);

    /// Holds the actions for one control step.
    fn step(&mut self, block: &mut B, action: &[Row]) -> Step {
        block.step(action)
    }

    /// Forgets the step that was acted in last for lanes that have a number which is not finite. They count as terminated then,
    /// with reward 0, and are reset.
    fn lose(&mut self, _lanes: u32) {}

    /// Takes note of a step, of what was observed before it and done in it. Then `observation` is room to observe.
    fn record(&mut self, block: &mut B, observation: &mut [Row], action: &[Row], step: &Step) -> Next;

    /// After the last step and its resets, not where there was none.
    fn end(&mut self, _block: &mut B, _observation: &mut [Row]) {}
}

/// What follows a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Next {
    /// Bits of the lanes whose next episode begins.
    pub reset: u32,
    /// Whether the rollout ends here.
    pub is_last: bool,
}

impl dyn Engine + '_ {
    /// [`Engine::fly`] with a rollout for each block.
    pub fn fly_all<R: Rollout>(&mut self, rollouts: &mut [R]) -> Result<(), NotFinite> {
        let mut rollouts: Vec<&mut dyn Rollout> =
            rollouts.iter_mut().map(|rollout| rollout as &mut dyn Rollout).collect();
        self.fly(&mut rollouts)
    }
}
