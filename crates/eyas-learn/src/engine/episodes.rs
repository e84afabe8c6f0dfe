//! Whole episodes that a policy flies to their ends, described rather than driven step by step.

use std::ops::Range;

use eyas_env::EnvBlock;
use eyas_lanes::BLOCK;

use crate::actor::Actor;

/// Flies the whole episodes of envs elsewhere than an engine does, with the same bits.
pub trait EpisodeFlyer: Send {
    /// Flies the episodes of a plan in these blocks; gives those of each, in the order of its lanes and, of a lane, of time.
    /// None if it cannot: then nothing has happened.
    fn fly_episodes(
        &mut self,
        blocks: &mut [Box<dyn EnvBlock>],
        plan: &EpisodePlan,
    ) -> Option<Vec<Vec<FlownEpisode>>>;
}

/// What is to be flown, and what is to be known of it.
pub struct EpisodePlan<'a> {
    /// For each block of envs what it flies; blocks that have nothing rest.
    pub blocks: Vec<Option<BlockPlan<'a>>>,
    /// Control steps after which an episode is over, if it does not end before.
    pub episode_steps: u32,
    /// Features that are kept of every visited state, with the label.
    pub records: Option<Range<usize>>,
    /// What is measured of each episode.
    pub measures: Option<Measures>,
}

/// What a block flies.
#[derive(Clone, Copy)]
pub struct BlockPlan<'a> {
    /// Who flies.
    pub actor: &'a Actor,
    /// Who is asked for its action in every visited state; all blocks have somebody, or none has.
    pub labeller: Option<&'a Actor>,
    /// Number of the first episode of each lane; none: the one that its next reset starts.
    pub first_episode: Option<[u32; BLOCK]>,
    /// Episodes that each lane flies, one after the other.
    pub quota: [u32; BLOCK],
}

/// What is measured of episodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Measures {
    /// Step from which position errors count.
    pub settle: u32,
    /// Features that are the position error, m; none: it is the position less that of the target, world frame.
    pub position_error: Option<Range<usize>>,
}

/// An episode that was flown.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FlownEpisode {
    /// Global index of the env.
    pub env: u32,
    /// Control steps.
    pub length: u32,
    /// Sum of the rewards.
    pub episode_return: f32,
    /// Whether it ended in a termination.
    pub crashed: bool,
    /// Whether its target moved.
    pub is_moving_target: bool,
    /// For each visited state the features that were asked for, then the label as the labeller gave it.
    pub records: Vec<f32>,
    /// What was measured.
    pub measured: Measured,
}

/// What was measured of an episode.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Measured {
    /// Sum of squared position errors, m².
    pub squared_error: f64,
    /// Sum of position errors, m.
    pub error: [f64; 3],
    /// Steps in these sums.
    pub settled_steps: u32,
    /// Sum of squared differences between action and label.
    pub squared_action_error: f64,
}
