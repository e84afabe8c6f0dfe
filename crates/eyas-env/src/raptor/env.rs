//! The blocks of the RAPTOR environment.

use std::sync::Arc;

use eyas_lanes::BLOCK;
use eyas_vehicles::FleetVehicle;

use super::block::{RaptorBlock, Shared};
use super::config::RaptorConfig;
use super::spec::spec;
use crate::symmetry::mirrors;
use crate::{EnvBlock, EnvSpec, VecEnv};

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
        let mut env = Self::of_fleet(config, &[config.fleet_vehicle()], &vec![0; num_envs], seed);
        if config.reality.is_symmetric() {
            env.spec.symmetries = mirrors(&config.robot);
        }
        env
    }

    /// One env for each of `vehicles`, which are indices into `fleet`.
    #[must_use]
    pub fn of_fleet(config: &RaptorConfig, fleet: &[FleetVehicle], vehicles: &[usize], seed: u64) -> Self {
        let blocks = blocks(config, fleet, vehicles, seed)
            .into_iter()
            .map(|block| -> Box<dyn EnvBlock> { Box::new(block) })
            .collect();
        Self { spec: spec(config), num_envs: vehicles.len(), blocks }
    }
}

/// The blocks of as many envs as there are `vehicles`, in their order. Lanes past the last fly as it does.
pub(super) fn blocks(
    config: &RaptorConfig,
    fleet: &[FleetVehicle],
    vehicles: &[usize],
    seed: u64,
) -> Vec<RaptorBlock> {
    let shared = Arc::new(Shared::new(config, seed));
    vehicles
        .chunks(BLOCK)
        .enumerate()
        .map(|(block, vehicles)| {
            let lanes = std::array::from_fn(|lane| &fleet[vehicles[lane.min(vehicles.len() - 1)]]);
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
