//! The blocks of Isaac Lab's quadcopter task.

use std::sync::Arc;

use eyas_lanes::BLOCK;

use super::block::{DirectBlock, Shared};
use super::config::DirectConfig;
use super::spec::spec;
use crate::{EnvBlock, EnvSpec, VecEnv};

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
