//! The blocks of a manager-based task.

use std::sync::Arc;

use eyas_lanes::BLOCK;

use super::block::{ManagerBlock, Shared};
use super::config::ManagerConfig;
use crate::{EnvBlock, EnvSpec, VecEnv};

/// Many episodes of a manager-based task.
pub struct ManagerEnv {
    spec: EnvSpec,
    num_envs: usize,
    blocks: Vec<Box<dyn EnvBlock>>,
}

impl ManagerEnv {
    /// `num_envs` envs whose every draw is keyed by `seed`; all wait for a reset.
    ///
    /// # Panics
    ///
    /// If the configuration is not valid.
    #[must_use]
    pub fn new(config: &ManagerConfig, num_envs: usize, seed: u64) -> Self {
        let shared = Arc::new(Shared::new(config, seed));
        let blocks = (0..num_envs.div_ceil(BLOCK))
            .map(|block| -> Box<dyn EnvBlock> {
                Box::new(ManagerBlock::new(Arc::clone(&shared), (block * BLOCK) as u32))
            })
            .collect();
        Self { spec: shared.spec().clone(), num_envs, blocks }
    }
}

impl VecEnv for ManagerEnv {
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
