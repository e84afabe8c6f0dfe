//! The blocks of the point task.

use std::sync::Arc;

use eyas_lanes::BLOCK;

use super::block::{PARTS, PointBlock, REWARD_TERMS, Shared};
use super::config::PointConfig;
use crate::registry::POINT_TASK;
use crate::{EnvBlock, EnvSpec, Group, Symmetry, VecEnv};

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
            parts: PARTS,
            groups: vec![
                Group { name: "policy", features: 0..22 },
                Group { name: "teacher", features: 0..26 },
            ],
            num_actions: 4,
            action: "motor set-points in [-1, 1]: rotor speed 1200 rpm at -1, 24000 rpm at 1, clamped outside",
            motor_order: "front left, front right, back right, back left",
            control_rate_hz: 1.0 / config.control_period(),
            max_episode_length: config.max_episode_length(),
            reward_terms: REWARD_TERMS,
            symmetries: symmetries(),
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

/// Mirroring left and right, front and back, and both: reward and target do not know one side from the
/// other, and the motors' turning senses mirror too.
fn symmetries() -> Vec<Symmetry> {
    // Signs of the axes, and the motor that takes each motor's place.
    let mirrors = [
        ([1.0, -1.0, 1.0], [1, 0, 3, 2]),
        ([-1.0, 1.0, 1.0], [3, 2, 1, 0]),
        ([-1.0, -1.0, 1.0], [2, 3, 0, 1]),
    ];
    mirrors
        .map(|(axes, motors): ([f32; 3], [usize; 4])| {
            let vector = |start: usize| (0..3).map(move |axis| (start + axis, axes[axis]));
            let matrix = (0..9).map(|entry| (3 + entry, axes[entry / 3] * axes[entry % 3]));
            // A rate is a pseudovector: a mirror along one axis flips the other two.
            let handedness: f32 = axes.iter().product();
            let rate = (0..3).map(|axis| (15 + axis, handedness * axes[axis]));
            let per_motor = |start: usize| motors.map(|motor| (start + motor, 1.0));
            Symmetry {
                observation: vector(0)
                    .chain(matrix)
                    .chain(vector(12))
                    .chain(rate)
                    .chain(per_motor(18))
                    .chain(per_motor(22))
                    .collect(),
                action: per_motor(0).to_vec(),
            }
        })
        .to_vec()
}
