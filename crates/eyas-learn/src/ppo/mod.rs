//! Proximal policy optimisation (Schulman et al. 2017, arXiv:1707.06347) with the semantics of rsl_rl.
//!
//! Where Eyas differs from rsl_rl, on purpose: mini-batches are drawn in blocks of 32 envs of one step, the
//! observation normaliser learns between updates instead of during a rollout (so that the importance ratio of
//! the first update is exactly 1), and with mirror augmentation each block
//! of envs flies a rollout as seen through one random symmetry, instead of showing every sample through all of
//! them (so that the old log-probabilities are those of what the policy saw). The KL divergence is that of rsl_rl 2, whose
//! logarithm has 1e-5 added to the ratio of deviations, so that each action adds 1e-5 to that of rsl_rl 5: an adaptive
//! learning rate rises in the first update too, in which policies are equal.

mod collect;
mod config;
#[cfg(test)]
mod tests;
mod update;

use eyas_lanes::Stream;
use eyas_policy::{Adam, Init, Network, Normalizer, Output, Policy, Untrainable};

pub use collect::{EpisodeLog, RolloutStorage};
pub use config::{
    AlgorithmConfig, DistributionConfig, ModelConfig, RunnerConfig, Schedule, StdType, SymmetryConfig,
};
pub use update::Losses;

use crate::engine::Engine;
use crate::finite::NotFinite;

/// Actor, critic and their optimiser.
pub struct Ppo {
    config: RunnerConfig,
    seed: u64,
    /// The actor; its output is the mean of the action.
    pub actor: Policy,
    /// Standard deviation of each action.
    pub std: Vec<f32>,
    /// The critic.
    pub critic: Network,
    /// Normaliser of the critic's observation.
    pub critic_normalizer: Option<Normalizer>,
    /// Moments over std, actor and critic, in this order.
    pub optimizer: Adam,
    /// Learning rate of the next update.
    pub learning_rate: f32,
    /// Iterations done.
    pub iteration: u32,
    rollout: RolloutStorage,
    updater: update::Updater,
}

/// What one iteration measured.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Mean losses and diagnostics over the mini-batches.
    pub losses: Losses,
    /// Env steps flown.
    pub env_steps: u64,
    /// How often an env was reset for a number that is not finite.
    pub num_lost: u64,
    /// Time spent flying, s.
    pub collection_time: f64,
    /// Time spent learning, s.
    pub learning_time: f64,
}

impl Ppo {
    /// Fresh networks for envs, whose episodes it starts.
    pub fn new(config: &RunnerConfig, engine: &mut dyn Engine, seed: u64) -> Result<Self, Untrainable> {
        engine.set_on_nan(config.on_nan);
        let spec = engine.spec().clone();
        let inputs = spec.trained_features().len();
        let network = |model: &ModelConfig, outputs: usize, name: &str| {
            Network::new(model.architecture(inputs, outputs), Init::Torch, Stream::new(seed, name))
        };
        let actor = Policy {
            normalizer: config.actor.obs_normalization.then(|| Normalizer::new(inputs)),
            network: network(&config.actor, spec.num_actions, "ppo/actor"),
            output: Output::Identity,
        };
        let critic = network(&config.critic, 1, "ppo/critic");
        let std = vec![config.actor.distribution_cfg.init_std as f32; spec.num_actions];
        let parameters = std.len() + actor.network.parameters.len() + critic.parameters.len();
        let updater = update::Updater::new(&actor.network, &critic)?;
        Ok(Self {
            seed,
            std,
            critic_normalizer: config.critic.obs_normalization.then(|| Normalizer::new(inputs)),
            optimizer: Adam::new(parameters),
            learning_rate: config.algorithm.learning_rate as f32,
            iteration: 0,
            rollout: RolloutStorage::new(config, engine, seed),
            updater,
            actor,
            critic,
            config: config.clone(),
        })
    }

    /// Goes on with the learning rate that a schedule had come to; a fixed one is what the configuration says.
    pub fn resume_learning_rate(&mut self, reached: f32) {
        if self.config.algorithm.schedule != Schedule::Fixed {
            self.learning_rate = reached;
        }
    }

    /// One iteration: roll out, estimate advantages, update.
    ///
    /// # Errors
    ///
    /// The first number that is not finite.
    pub fn iterate(&mut self, engine: &mut dyn Engine) -> Result<Report, NotFinite> {
        let start = std::time::Instant::now();
        let lost_before = engine.num_lost();
        self.rollout.collect(
            self.iteration,
            engine,
            &self.actor,
            &self.std,
            &self.critic,
            self.critic_normalizer.as_ref(),
        )?;
        let collected = std::time::Instant::now();
        let losses = self.update()?;
        self.rollout.update_normalizers(self.actor.normalizer.as_mut(), self.critic_normalizer.as_mut());
        self.iteration += 1;
        Ok(Report {
            losses,
            env_steps: (self.config.num_steps_per_env * engine.num_envs()) as u64,
            num_lost: engine.num_lost() - lost_before,
            collection_time: (collected - start).as_secs_f64(),
            learning_time: collected.elapsed().as_secs_f64(),
        })
    }

    /// Episodes that ended since the last call, and the rolling statistics of the run.
    pub fn episodes(&mut self) -> &mut EpisodeLog {
        &mut self.rollout.log
    }
}
