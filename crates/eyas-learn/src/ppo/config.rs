//! Configuration by the names of rsl_rl 5.x.

use eyas_env::check_device;
use eyas_policy::{Activation, Architecture};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::bounds;
use crate::finite::OnNan;

/// `OnPolicyRunner` and what it trains.
///
/// The defaults are `QuadcopterPPORunnerCfg` of Foundation c96c262 over the defaults of Isaac Lab, written
/// in the names of rsl_rl 5.x.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RunnerConfig {
    /// Seed of every draw of the run.
    pub seed: u64,
    /// Where to compute: `cpu`; `auto` chooses it.
    pub device: String,
    /// Control steps of a rollout in each env. At least 1.
    pub num_steps_per_env: usize,
    /// Rollouts and updates in all. At least 1.
    pub max_iterations: u32,
    /// Iterations between checkpoints. At least 1.
    pub save_interval: u32,
    /// Iterations between evaluations. At least 1.
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
    /// What becomes of an env with a number that is not finite: it ends the run (`stop`), or is reset and counted (`reset`).
    pub on_nan: OnNan,
    /// Name of the runner.
    pub class_name: String,
    /// The policy.
    pub actor: ModelConfig,
    /// The value function.
    pub critic: ModelConfig,
    /// The algorithm.
    pub algorithm: AlgorithmConfig,
}

/// A network of rsl_rl 5.x.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ModelConfig {
    /// Its class: `MLPModel`.
    pub class_name: String,
    /// Widths of the hidden layers.
    pub hidden_dims: Vec<usize>,
    /// Activation of the hidden layers.
    pub activation: Activation,
    /// Whether a running normaliser stands before it.
    pub obs_normalization: bool,
    /// Distribution of the action; the critic ignores it.
    pub distribution_cfg: DistributionConfig,
}

/// The action's distribution.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DistributionConfig {
    /// Its class: `GaussianDistribution`.
    pub class_name: String,
    /// Standard deviation at the start. Positive.
    pub init_std: f64,
    /// What is learned.
    pub std_type: StdType,
}

/// How the standard deviation is parametrised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum StdType {
    /// Itself.
    Scalar,
}

/// PPO.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AlgorithmConfig {
    /// Its class: `PPO`.
    pub class_name: String,
    /// Passes over a rollout. At least 1.
    pub num_learning_epochs: u32,
    /// Mini-batches in a pass. At least 1.
    pub num_mini_batches: usize,
    /// Clipping range of the importance ratio. Positive.
    pub clip_param: f64,
    /// Discount γ. In `(0, 1)`.
    pub gamma: f64,
    /// λ of the advantage estimate. In `[0, 1]`.
    pub lam: f64,
    /// Weight of the value loss. At least 0.
    pub value_loss_coef: f64,
    /// Whether the value loss is clipped to the same range.
    pub use_clipped_value_loss: bool,
    /// Weight of the entropy bonus. At least 0.
    pub entropy_coef: f64,
    /// Learning rate of Adam, at the start where the schedule changes it. Positive.
    pub learning_rate: f64,
    /// How the learning rate changes.
    pub schedule: Schedule,
    /// KL divergence of an update that the adaptive schedule aims at. Positive.
    pub desired_kl: f64,
    /// Largest norm of the gradient of each network. Positive.
    pub max_grad_norm: f64,
    /// Whether advantages are normalised within a mini-batch instead of over the rollout.
    pub normalize_advantage_per_mini_batch: bool,
    /// Factor on every reward before learning; not of rsl_rl. Positive.
    pub reward_scale: f64,
    /// Use of the task's symmetries.
    pub symmetry_cfg: SymmetryConfig,
}

/// Use of the task's symmetries.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SymmetryConfig {
    /// Whether samples are shown mirrored at random.
    pub use_data_augmentation: bool,
}

/// How the learning rate changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Schedule {
    /// Not at all.
    Fixed,
    /// With the KL divergence, as in rsl_rl: ÷ 1.5 above twice the desired one, × 1.5 below half.
    Adaptive,
    /// Like `adaptive`, under a limit that falls linearly from the learning rate to 0 over the run.
    Anneal,
}

impl Default for RunnerConfig {
    fn default() -> Self {
        Self {
            seed: 42,
            device: "cpu".into(),
            num_steps_per_env: 512,
            max_iterations: 5000,
            save_interval: 25,
            eval_interval: 25,
            experiment_name: "point_ctrl_direct".into(),
            run_name: String::new(),
            resume: false,
            load_run: ".*".into(),
            load_checkpoint: "model_.*.pt".into(),
            on_nan: OnNan::Stop,
            class_name: "OnPolicyRunner".into(),
            actor: ModelConfig::default(),
            critic: ModelConfig::default(),
            algorithm: AlgorithmConfig::default(),
        }
    }
}

impl Default for ModelConfig {
    fn default() -> Self {
        Self {
            class_name: "MLPModel".into(),
            hidden_dims: vec![64, 64, 64],
            activation: Activation::Elu,
            obs_normalization: true,
            distribution_cfg: DistributionConfig::default(),
        }
    }
}

impl Default for DistributionConfig {
    fn default() -> Self {
        Self { class_name: "GaussianDistribution".into(), init_std: 1.0, std_type: StdType::Scalar }
    }
}

impl Default for AlgorithmConfig {
    fn default() -> Self {
        Self {
            class_name: "PPO".into(),
            num_learning_epochs: 1,
            num_mini_batches: 32,
            clip_param: 0.2,
            gamma: 0.99,
            lam: 0.95,
            value_loss_coef: 1.0,
            use_clipped_value_loss: true,
            entropy_coef: 0.0002,
            learning_rate: 1e-4,
            schedule: Schedule::Fixed,
            desired_kl: 0.01,
            max_grad_norm: 1.0,
            normalize_advantage_per_mini_batch: false,
            reward_scale: 1.0,
            symmetry_cfg: SymmetryConfig::default(),
        }
    }
}

impl ModelConfig {
    /// The network between those widths.
    #[must_use]
    pub fn architecture(&self, inputs: usize, outputs: usize) -> Architecture {
        Architecture::mlp(inputs, &self.hidden_dims, outputs, self.activation)
    }
}

impl ModelConfig {
    /// Checks ranges of the model called `name`.
    pub(crate) fn validate(&self, name: &str) -> Result<(), String> {
        if self.class_name != "MLPModel" {
            return Err(format!(
                "`agent.{name}.class_name` = \"{}\", expected \"MLPModel\"",
                self.class_name
            ));
        }
        let std = self.distribution_cfg.init_std;
        if !(std > 0.0 && std.is_finite()) {
            return Err(format!(
                "`agent.{name}.distribution_cfg.init_std` = {std}, expected a positive number"
            ));
        }
        bounds::widths(&format!("agent.{name}.hidden_dims"), &self.hidden_dims)
    }
}

impl RunnerConfig {
    /// Checks ranges; the message names key, value and range.
    pub fn validate(&self) -> Result<(), String> {
        let algorithm = &self.algorithm;
        let at_least_one = [
            ("num_steps_per_env", self.num_steps_per_env),
            ("max_iterations", self.max_iterations as usize),
            ("save_interval", self.save_interval as usize),
            ("eval_interval", self.eval_interval as usize),
            ("algorithm.num_learning_epochs", algorithm.num_learning_epochs as usize),
            ("algorithm.num_mini_batches", algorithm.num_mini_batches),
        ];
        for (name, value) in at_least_one {
            if value < 1 {
                return Err(format!("`agent.{name}` = {value}, expected at least 1"));
            }
        }
        bounds::at_most(
            "agent",
            &[
                ("num_steps_per_env", self.num_steps_per_env as u64, 1 << 16),
                ("algorithm.num_learning_epochs", u64::from(algorithm.num_learning_epochs), 10_000),
                ("algorithm.num_mini_batches", algorithm.num_mini_batches as u64, 1 << 20),
            ],
        )?;
        let positive = [
            ("algorithm.clip_param", algorithm.clip_param),
            ("algorithm.learning_rate", algorithm.learning_rate),
            ("algorithm.desired_kl", algorithm.desired_kl),
            ("algorithm.max_grad_norm", algorithm.max_grad_norm),
            ("algorithm.reward_scale", algorithm.reward_scale),
        ];
        for (name, value) in positive {
            if !(value > 0.0 && value.is_finite()) {
                return Err(format!("`agent.{name}` = {value}, expected a positive number"));
            }
        }
        for (name, value) in [("algorithm.gamma", algorithm.gamma), ("algorithm.lam", algorithm.lam)] {
            if !(0.0..=1.0).contains(&value) {
                return Err(format!("`agent.{name}` = {value}, expected a number in [0, 1]"));
            }
        }
        for (name, value) in
            [("value_loss_coef", algorithm.value_loss_coef), ("entropy_coef", algorithm.entropy_coef)]
        {
            if !(value >= 0.0 && value.is_finite()) {
                return Err(format!("`agent.algorithm.{name}` = {value}, expected at least 0"));
            }
        }
        self.actor.validate("actor")?;
        self.critic.validate("critic")?;
        check_device("agent.device", &self.device)?;
        Ok(())
    }
}
