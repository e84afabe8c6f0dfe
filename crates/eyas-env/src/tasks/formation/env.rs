//! The blocks of the formation task.

use std::sync::Arc;

use eyas_lanes::BLOCK;

use super::block::{FormationBlock, Shared};
use super::config::FormationConfig;
use crate::multi_agent::{MultiAgentEnv, MultiAgentSpec};

/// Many episodes of the formation task, an agent for each vehicle.
pub struct FormationEnv {
    shared: Arc<Shared>,
    num_envs: usize,
    blocks: Vec<FormationBlock>,
}

impl FormationEnv {
    /// `num_envs` envs whose every draw is keyed by `seed`; all wait for a reset.
    ///
    /// # Panics
    ///
    /// If the configuration is not valid.
    #[must_use]
    pub fn new(config: &FormationConfig, num_envs: usize, seed: u64) -> Self {
        let shared = Arc::new(Shared::new(config, seed));
        let blocks = (0..num_envs.div_ceil(BLOCK))
            .map(|block| FormationBlock::new(Arc::clone(&shared), (block * BLOCK) as u32))
            .collect();
        Self { shared, num_envs, blocks }
    }
}

impl MultiAgentEnv for FormationEnv {
    type Block = FormationBlock;

    fn spec(&self) -> &MultiAgentSpec {
        &self.shared.spec
    }

    fn num_envs(&self) -> usize {
        self.num_envs
    }

    fn blocks(&mut self) -> &mut [FormationBlock] {
        &mut self.blocks
    }

    fn into_blocks(self) -> Vec<FormationBlock> {
        self.blocks
    }
}
