//! Configuration of analytic policy gradients.

use eyas_env::{EnvSpec, Surrogate, check_device};
use eyas_lanes::Stream;
use eyas_policy::{Init, Network};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::critic::TerminalValueConfig;
use crate::bounds;
use crate::ppo::ModelConfig;

/// A training run by analytic policy gradient, in the words of rsl_rl's runner where it has them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, bound = "")]
pub struct RunnerConfig<S: Surrogate> {
    /// Seed of every draw of the run.
    pub seed: u64,
    /// Where to compute: `cpu`; `auto` chooses it.
    pub device: String,
    /// Updates in all. At least 1.
    pub max_iterations: u32,
    /// Updates between checkpoints. At least 1.
    pub save_interval: u32,
    /// Updates between evaluations. At least 1.
    pub eval_interval: u32,
    /// Folder of the run below `logs/rsl_rl`.
    pub experiment_name: String,
    /// Suffix of the run's folder.
    pub run_name: String,
    /// Continue an earlier run.
    pub resume: bool,
    /// Which run: a regular expression.
    pub load_run: String,
    /// Which checkpoint of it: a regular expression.
    pub load_checkpoint: String,
    /// The policy.
    pub actor: ModelConfig,
    /// The value function that rsl_rl's checkpoints hold; the gradient does without and leaves it as drawn.
    pub critic: ModelConfig,
    /// The algorithm.
    pub algorithm: ApgConfig<S>,
}

/// Analytic policy gradient.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, bound = "")]
pub struct ApgConfig<S: Surrogate> {
    /// Its name: `APG`.
    pub class_name: String,
    /// Control steps that an update goes back through. At least 1.
    pub window_steps: usize,
    /// Control steps after which an env is reset. At least 2.
    pub episode_steps: u32,
    /// Learning rate of Adam at the start; it falls to `final_learning_rate` along half a cosine. Positive.
    pub learning_rate: f64,
    /// Learning rate of the last update. At least 0.
    pub final_learning_rate: f64,
    /// Largest norm of the gradient of the mean cost of a step. Positive.
    pub max_grad_norm: f64,
    /// Factor on the initial weights of the last layer. At least 0.
    pub last_layer_scale: f64,
    /// Discount γ of a step. In `(0, 1]`, below 1 with a terminal value.
    pub gamma: f64,
    /// The value of what comes after a window.
    pub terminal_value: TerminalValueConfig,
    /// Use of the task's symmetries: whether blocks fly windows as seen through a random one.
    pub symmetry_cfg: crate::ppo::SymmetryConfig,
    /// The cost.
    pub surrogate: S,
}

impl<S: Surrogate> Default for RunnerConfig<S> {
    fn default() -> Self {
        let mut actor = ModelConfig::default();
        // Only what PPO starts from if it goes on with the checkpoint.
        actor.distribution_cfg.init_std = 0.1;
        Self {
            seed: 42,
            device: "cpu".into(),
            max_iterations: 800,
            save_interval: 200,
            eval_interval: 100,
            experiment_name: "point_ctrl_direct".into(),
            run_name: String::new(),
            resume: false,
            load_run: ".*".into(),
            load_checkpoint: "model_.*.pt".into(),
            actor,
            critic: ModelConfig::default(),
            algorithm: ApgConfig::default(),
        }
    }
}

impl<S: Surrogate> Default for ApgConfig<S> {
    /// Measured on the point task, see `docs/algorithms/apg.md`.
    fn default() -> Self {
        Self {
            class_name: "APG".into(),
            window_steps: 150,
            episode_steps: 500,
            learning_rate: 8e-3,
            final_learning_rate: 0.0,
            max_grad_norm: 0.3,
            last_layer_scale: 0.1,
            gamma: 1.0,
            terminal_value: TerminalValueConfig::default(),
            symmetry_cfg: crate::ppo::SymmetryConfig::default(),
            surrogate: S::default(),
        }
    }
}

impl<S: Surrogate> RunnerConfig<S> {
    /// A critic with fresh weights.
    #[must_use]
    pub fn fresh_critic(&self, spec: &EnvSpec) -> Network {
        let architecture = self.critic.architecture(spec.num_observations(), 1);
        Network::new(architecture, Init::Torch, Stream::new(self.seed, "apg/critic"))
    }

    /// Standard deviation of each action, for whoever goes on with PPO.
    #[must_use]
    pub fn std(&self, spec: &EnvSpec) -> Vec<f32> {
        vec![self.actor.distribution_cfg.init_std as f32; spec.num_actions]
    }

    /// Checks ranges; the message names key, value and range.
    pub fn validate(&self) -> Result<(), String> {
        let algorithm = &self.algorithm;
        for (name, value, least) in [
            ("max_iterations", u64::from(self.max_iterations), 1),
            ("save_interval", u64::from(self.save_interval), 1),
            ("eval_interval", u64::from(self.eval_interval), 1),
            ("algorithm.window_steps", algorithm.window_steps as u64, 1),
            ("algorithm.episode_steps", u64::from(algorithm.episode_steps), 2),
        ] {
            if value < least {
                return Err(format!("`agent.{name}` = {value}, expected at least {least}"));
            }
        }
        bounds::at_most(
            "agent",
            &[
                ("algorithm.window_steps", algorithm.window_steps as u64, 1 << 16),
                ("algorithm.episode_steps", u64::from(algorithm.episode_steps), 10_000_000),
            ],
        )?;
        for (name, value) in [
            ("algorithm.learning_rate", algorithm.learning_rate),
            ("algorithm.max_grad_norm", algorithm.max_grad_norm),
        ] {
            if !(value > 0.0 && value.is_finite()) {
                return Err(format!("`agent.{name}` = {value}, expected a positive number"));
            }
        }
        for (name, value) in [
            ("algorithm.final_learning_rate", algorithm.final_learning_rate),
            ("algorithm.last_layer_scale", algorithm.last_layer_scale),
        ] {
            if !(value >= 0.0 && value.is_finite()) {
                return Err(format!("`agent.{name}` = {value}, expected at least 0"));
            }
        }
        let highest = if algorithm.terminal_value.enabled { 1.0 - 1e-6 } else { 1.0 };
        if !(algorithm.gamma > 0.0 && algorithm.gamma <= highest) {
            return Err(format!(
                "`agent.algorithm.gamma` = {}, expected a number in (0, 1], below 1 with `terminal_value`",
                algorithm.gamma
            ));
        }
        algorithm.terminal_value.validate()?;
        self.actor.validate("actor")?;
        self.critic.validate("critic")?;
        if self.actor.activation != self.critic.activation {
            return Err(
                "`agent.critic.activation` differs from `agent.actor.activation`, which one file cannot hold"
                    .into(),
            );
        }
        if !self.actor.obs_normalization {
            return Err(
                "`agent.actor.obs_normalization` = false: the gradient needs a fixed normaliser".into()
            );
        }
        check_device("agent.device", &self.device)?;
        algorithm.surrogate.validate()
    }

    /// Learning rate of an update.
    #[must_use]
    pub fn learning_rate_at(&self, iteration: u32) -> f64 {
        let share = f64::from(iteration) / f64::from(self.max_iterations.max(1));
        let cosine = 0.5 * (1.0 + libm::cos(std::f64::consts::PI * share.min(1.0)));
        let algorithm = &self.algorithm;
        algorithm.final_learning_rate + (algorithm.learning_rate - algorithm.final_learning_rate) * cosine
    }
}
