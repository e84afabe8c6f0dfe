//! The blocks of the RAPTOR environment.

use std::sync::Arc;

use eyas_lanes::BLOCK;

use super::block::{ABSOLUTE_PARTS, PARTS, REWARD_TERMS, RaptorBlock, Shared};
use super::config::{Observation, RaptorConfig};
use super::craft::Craft;
use super::rules::{OBSERVATIONS, POLICY_OBSERVATIONS};
use crate::episode::FOUNDATION_TERMINATIONS;
use crate::registry::RAPTOR_TASK;
use crate::symmetry::mirrors;
use crate::{Actuation, EnvBlock, EnvSpec, EpisodeScalar, Group, TaskConfig as _, VecEnv};

/// Many episodes of the RAPTOR environment.
pub struct RaptorEnv {
    spec: EnvSpec,
    num_envs: usize,
    blocks: Vec<Box<dyn EnvBlock>>,
}

impl RaptorEnv {
    /// `num_envs` envs of the configured vehicle whose every draw is keyed by `seed`; all wait for a reset.
    #[must_use]
    pub fn new(config: &RaptorConfig, num_envs: usize, seed: u64) -> Self {
        let mut env = Self::of_fleet(config, &[config.craft()], &vec![0; num_envs], seed);
        if config.reality.is_symmetric() {
            env.spec.symmetries = mirrors(&config.robot);
        }
        env
    }

    /// One env for each of `crafts`, which are indices into `fleet`.
    #[must_use]
    pub fn of_fleet(config: &RaptorConfig, fleet: &[Craft], crafts: &[usize], seed: u64) -> Self {
        let (parts, teacher) = match config.observation {
            Observation::TrackingError => (PARTS, 0),
            Observation::Absolute => (ABSOLUTE_PARTS, POLICY_OBSERVATIONS),
        };
        let spec = EnvSpec {
            task: RAPTOR_TASK,
            parts: parts.to_vec(),
            groups: vec![
                Group { name: "policy", features: 0..POLICY_OBSERVATIONS },
                Group { name: "teacher", features: teacher..teacher + OBSERVATIONS },
            ],
            num_actions: 4,
            action: "motor set-points in [-1, 1]: the vehicle's least rotor speed at -1, its most at 1, clamped outside",
            actuation: Actuation::Rotors,
            motor_order: "front right, back right, back left, front left",
            control_rate_hz: 1.0 / config.sim.dt,
            max_episode_length: config.max_episode_length(),
            reward_terms: REWARD_TERMS.to_vec(),
            terminations: FOUNDATION_TERMINATIONS.to_vec(),
            episode_log: EpisodeScalar::foundation(REWARD_TERMS, &FOUNDATION_TERMINATIONS),
            symmetries: Vec::new(),
        };
        let blocks = blocks(config, fleet, crafts, seed)
            .into_iter()
            .map(|block| -> Box<dyn EnvBlock> { Box::new(block) })
            .collect();
        Self { spec, num_envs: crafts.len(), blocks }
    }
}

/// The blocks of as many envs as there are `crafts`, in their order. Lanes past the last fly as it does.
pub(super) fn blocks(
    config: &RaptorConfig,
    fleet: &[Craft],
    crafts: &[usize],
    seed: u64,
) -> Vec<RaptorBlock> {
    let shared = Arc::new(Shared::new(config, seed));
    crafts
        .chunks(BLOCK)
        .enumerate()
        .map(|(block, crafts)| {
            let lanes = std::array::from_fn(|lane| &fleet[crafts[lane.min(crafts.len() - 1)]]);
            RaptorBlock::new(Arc::clone(&shared), (block * BLOCK) as u32, &lanes)
        })
        .collect()
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
