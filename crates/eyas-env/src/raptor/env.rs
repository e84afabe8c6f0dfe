//! The blocks of the RAPTOR environment.

use std::sync::Arc;

use eyas_lanes::BLOCK;

use super::block::{PARTS, REWARD_TERMS, RaptorBlock, Shared};
use super::config::RaptorConfig;
use crate::registry::RAPTOR_TASK;
use crate::symmetry::mirrors;
use crate::{EnvBlock, EnvSpec, Group, VecEnv};

/// Many episodes of the RAPTOR environment.
pub struct RaptorEnv {
    spec: EnvSpec,
    num_envs: usize,
    blocks: Vec<Box<dyn EnvBlock>>,
}

impl RaptorEnv {
    /// `num_envs` envs whose every draw is keyed by `seed`; all wait for a reset.
    #[must_use]
    pub fn new(config: &RaptorConfig, num_envs: usize, seed: u64) -> Self {
        let spec = EnvSpec {
            task: RAPTOR_TASK,
            parts: PARTS,
            groups: vec![
                Group { name: "policy", features: 0..22 },
                Group { name: "teacher", features: 0..26 },
            ],
            num_actions: 4,
            action: "motor set-points in [-1, 1]: the vehicle's least rotor speed at -1, its most at 1, clamped outside",
            motor_order: "front right, back right, back left, front left",
            control_rate_hz: 1.0 / config.sim.dt,
            max_episode_length: config.max_episode_length(),
            reward_terms: REWARD_TERMS,
            symmetries: mirrors(&config.robot),
        };
        let blocks = blocks(config, num_envs.div_ceil(BLOCK), seed)
            .map(|block| -> Box<dyn EnvBlock> { Box::new(block) })
            .collect();
        Self { spec, num_envs, blocks }
    }
}

/// That many blocks in the order of their envs.
pub(super) fn blocks(config: &RaptorConfig, count: usize, seed: u64) -> impl Iterator<Item = RaptorBlock> {
    let shared = Arc::new(Shared::new(config, seed));
    (0..count).map(move |block| RaptorBlock::new(Arc::clone(&shared), (block * BLOCK) as u32))
}

impl VecEnv for RaptorEnv {
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
