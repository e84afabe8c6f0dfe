//! The blocks of the point task.

use std::sync::Arc;

use eyas_lanes::BLOCK;

use super::block::{PARTS, PointBlock, REWARD_TERMS, Shared};
use super::config::PointConfig;
use crate::episode::FOUNDATION_TERMINATIONS;
use crate::registry::POINT_TASK;
use crate::symmetry::mirrors;
use crate::{Actuation, EnvBlock, EnvSpec, EpisodeScalar, Group, TaskConfig as _, VecEnv};

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
        let spec = EnvSpec {
            task: POINT_TASK,
            parts: PARTS.to_vec(),
            groups: vec![
                Group { name: "policy", features: 0..22 },
                Group { name: "teacher", features: 0..26 },
            ],
            num_actions: 4,
            action: "motor set-points in [-1, 1]: rotor speed 1200 rpm at -1, 24000 rpm at 1, clamped outside",
            actuation: Actuation::Rotors,
            motor_order: "front left, front right, back right, back left",
            control_rate_hz: 1.0 / config.control_period(),
            max_episode_length: config.max_episode_length(),
            reward_terms: REWARD_TERMS.to_vec(),
            terminations: FOUNDATION_TERMINATIONS.to_vec(),
            episode_log: EpisodeScalar::foundation(REWARD_TERMS, &FOUNDATION_TERMINATIONS),
            symmetries: if config.reality.is_symmetric() { mirrors(&config.robot) } else { Vec::new() },
        };
        let shared = Arc::new(Shared::new(config, seed));
        let blocks = (0..num_envs.div_ceil(BLOCK))
            .map(|block| -> Box<dyn EnvBlock> {
                Box::new(PointBlock::new(Arc::clone(&shared), (block * BLOCK) as u32))
            })
            .collect();
        Self { spec, num_envs, blocks }
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
