//! The blocks of the point task.

use std::sync::Arc;

use eyas_lanes::BLOCK;

use super::block::{PointBlock, Shared};
use super::config::PointConfig;
use super::spec::spec;
use crate::{EnvBlock, EnvSpec, VecEnv};

/// Many episodes of the point task.
pub struct PointEnv {
    spec: EnvSpec,
    num_envs: usize,
    blocks: Vec<Box<dyn EnvBlock>>,
}

impl PointEnv {
    /// `num_envs` envs whose every draw is keyed by `seed`; all wait for a reset.
    #[must_use]
    pub fn new(config: &PointConfig, num_envs: usize, seed: u64) -> Self {
        let shared = Arc::new(Shared::new(config, seed));
        let blocks = (0..num_envs.div_ceil(BLOCK))
            .map(|block| -> Box<dyn EnvBlock> {
                Box::new(PointBlock::new(Arc::clone(&shared), (block * BLOCK) as u32))
            })
            .collect();
        Self { spec: spec(config), num_envs, blocks }
    }
}

impl VecEnv for PointEnv {
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
