//! The blocks of Isaac Lab's quadcopter task.

use std::sync::Arc;

use eyas_lanes::BLOCK;

use super::block::{DirectBlock, OBSERVATIONS, PARTS, REWARD_TERMS, Shared, TERMINATIONS};
use super::config::DirectConfig;
use crate::registry::DIRECT_TASK;
use crate::symmetry::wrench_mirrors;
use crate::{Actuation, EnvBlock, EnvSpec, EpisodeScalar, Group, TaskConfig as _, VecEnv};

/// Many episodes of Isaac Lab's quadcopter task.
pub struct DirectEnv {
    spec: EnvSpec,
    num_envs: usize,
    blocks: Vec<Box<dyn EnvBlock>>,
}

impl DirectEnv {
    /// `num_envs` envs whose every draw is keyed by `seed`; all wait for a reset.
    #[must_use]
    pub fn new(config: &DirectConfig, num_envs: usize, seed: u64) -> Self {
        let blocks = blocks(config, num_envs.div_ceil(BLOCK), seed);
        let boxed = |block: DirectBlock| -> Box<dyn EnvBlock> { Box::new(block) };
        Self { spec: spec(config), num_envs, blocks: blocks.into_iter().map(boxed).collect() }
    }
}

/// Blocks that all wait for a reset.
pub(super) fn blocks(config: &DirectConfig, num_blocks: usize, seed: u64) -> Vec<DirectBlock> {
    let shared = Arc::new(Shared::new(config, seed));
    (0..num_blocks).map(|block| DirectBlock::new(Arc::clone(&shared), (block * BLOCK) as u32)).collect()
}

/// What the task observes, takes and ends by.
pub(crate) fn spec(config: &DirectConfig) -> EnvSpec {
    let mut episode_log = EpisodeScalar::isaac_lab(&REWARD_TERMS, &TERMINATIONS, config.episode_length_s);
    episode_log.push(EpisodeScalar::final_distance_to_goal());
    EnvSpec {
        task: DIRECT_TASK,
        parts: PARTS.to_vec(),
        groups: ["policy", "teacher"].map(|name| Group { name, features: 0..OBSERVATIONS }).to_vec(),
        num_actions: 4,
        action: "thrust and moments about the body axes in [-1, 1]: no thrust at -1, `thrust_to_weight` weights at 1; \
                 `moment_scale` N m at 1; clamped outside",
        actuation: Actuation::Wrench,
        motor_order: "thrust, roll, pitch, yaw",
        control_rate_hz: 1.0 / config.control_period(),
        max_episode_length: config.max_episode_length(),
        reward_terms: REWARD_TERMS.to_vec(),
        terminations: TERMINATIONS.to_vec(),
        episode_log,
        symmetries: if config.reality.is_symmetric() { wrench_mirrors() } else { Vec::new() },
    }
}

impl VecEnv for DirectEnv {
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
