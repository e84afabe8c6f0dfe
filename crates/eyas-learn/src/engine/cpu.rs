//! Envs on the cores of this machine.

use eyas_env::{EnvBlock, EnvSpec, VecEnv};
use eyas_lanes::Row;
use eyas_policy::PARAMETERS_AT_ONCE;
use rayon::prelude::*;

use super::{Engine, Rollout};
use crate::finite::{NotFinite, StepRows};

/// Envs in memory, whose blocks fly on all cores, each from its first step to its last: a block stays in the caches of
/// one core.
pub struct CpuEngine {
    env: Box<dyn VecEnv>,
    spec: EnvSpec,
    num_vehicles: usize,
}

impl CpuEngine {
    /// The engine of such envs.
    #[must_use]
    pub fn new(mut env: Box<dyn VecEnv>) -> Self {
        let num_vehicles = env.blocks().first().map_or(1, |block| block.num_vehicles());
        Self { spec: env.spec().clone(), env, num_vehicles }
    }
}

impl Engine for CpuEngine {
    fn spec(&self) -> &EnvSpec {
        &self.spec
    }

    fn num_envs(&self) -> usize {
        self.env.num_envs()
    }

    fn num_vehicles(&self) -> usize {
        self.num_vehicles
    }

    fn fly(&mut self, rollouts: &mut [&mut dyn Rollout]) -> Result<(), NotFinite> {
        let used: Vec<u32> = (0..rollouts.len()).map(|block| self.env.used_lanes(block)).collect();
        let spec = &self.spec;
        let buffers = || [spec.num_observations(), spec.num_actions].map(|width| vec![Row::ZERO; width]);
        let blocks = self.env.blocks();
        // A single block goes without the thread pool, which may be busy with other work.
        if let ([block, ..], [rollout], [used]) = (&mut *blocks, &mut *rollouts, &used[..]) {
            return fly_block(block.as_mut(), *used, *rollout, spec, &mut buffers());
        }
        let flown = blocks.par_iter_mut().zip(rollouts).zip(used);
        let flown: Vec<Result<(), NotFinite>> = flown
            .map_init(buffers, |buffers, ((block, rollout), used)| {
                fly_block(block.as_mut(), used, *rollout, spec, buffers)
            })
            .collect();
        flown.into_iter().collect()
    }

    fn set_steps_flown(&mut self, steps: u32) {
        for block in self.env.blocks() {
            block.set_steps_flown(steps);
        }
    }

    fn visit_state(&mut self, visit: &mut dyn FnMut(&mut u32)) {
        for block in self.env.blocks() {
            block.visit_state(visit);
        }
    }
}

/// Observations are looked at in every so many steps: they are most of a step's numbers, and one that is not finite stays so.
const STEPS_BETWEEN_LOOKS: u32 = 8;

/// One block's rollout: all the loops there are. The buffers hold what is observed and what is done.
pub(crate) fn fly_block<B: EnvBlock + ?Sized>(
    block: &mut B,
    used: u32,
    rollout: &mut (impl Rollout<B> + ?Sized),
    spec: &EnvSpec,
    [observation, action]: &mut [Vec<Row>; 2],
) -> Result<(), NotFinite> {
    if !rollout.begin(block, used) {
        return Ok(());
    }
    for step in 0.. {
        let live = used & !block.ended();
        block.observe(observation);
        rollout.act(block, observation, action);
        let outcome = rollout.step(block, action);
        let looks_at_observation = step % STEPS_BETWEEN_LOOKS == 0;
        let rows = StepRows { looks_at_observation, observation, action, reward: &outcome.reward };
        rows.check(spec, block.first_env(), live, step)?;
        let next = rollout.record(block, observation, action, &outcome);
        if next.reset != 0 {
            block.reset(next.reset);
        }
        if next.is_last {
            break;
        }
    }
    rollout.end(block, observation);
    Ok(())
}

/// `sum = scale Σ gradient`, where `differentiate` finds the gradient of each shard of a batch, on all cores; they are
/// summed in the order of the shards.
pub(crate) fn sum_of_shards<S: Send>(
    shards: &mut [S],
    scale: f32,
    sum: &mut [f32],
    differentiate: impl Fn(&mut S) -> &[f32] + Send + Sync,
) {
    let gradients: Vec<&[f32]> = shards.par_iter_mut().map(differentiate).collect();
    sum.par_chunks_mut(PARAMETERS_AT_ONCE).enumerate().for_each(|(index, sum)| {
        sum.fill(0.0);
        for gradient in &gradients {
            for (sum, value) in sum.iter_mut().zip(&gradient[index * PARAMETERS_AT_ONCE..]) {
                *sum += scale * value;
            }
        }
    });
}
