//! Algorithms that train a policy, as the commands drive them.

use std::any::Any;
use std::fmt::Debug;
use std::path::Path;
use std::str::FromStr;

use eyas_env::{DifferentiableBlock, DifferentiableTask, Surrogate};
use eyas_formats::{AdamState, Tensor, Value, rsl_rl};
use eyas_learn::apg::{self, Apg};
use eyas_learn::ppo::{self, Ppo};
use eyas_learn::{Engine, NotFinite, OnNan};
use eyas_policy::{Adam, Network, Policy, Untrainable};
use eyas_run::{ConfigError, Layers};

use crate::black_box::origin_of;
use crate::failure::Failure;
use crate::flyable::Flyable;
use crate::mismatch::{Keys, Shape, require_same};

/// How a policy learns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// By the simulator's own gradient.
    Apg,
    /// By reinforcement as in `rsl_rl`.
    Ppo,
}

impl FromStr for Algorithm {
    type Err = Failure;

    fn from_str(name: &str) -> Result<Self, Failure> {
        match name {
            "apg" => Ok(Self::Apg),
            "ppo" => Ok(Self::Ppo),
            other => Err(Failure::new(format!("`--algorithm {other}`: unknown, expected apg or ppo"))),
        }
    }
}

/// The settings of an algorithm, which a learner starts from.
#[derive(Debug)]
pub enum TrainerConfig {
    /// Those of PPO.
    Ppo(Box<ppo::RunnerConfig>),
    /// Those of the simulator's gradient, whose cost is each task's own.
    Apg(Box<dyn GradientConfig>),
}

impl TrainerConfig {
    /// The algorithm.
    pub fn algorithm(&self) -> Algorithm {
        match self {
            Self::Ppo(_) => Algorithm::Ppo,
            Self::Apg(_) => Algorithm::Apg,
        }
    }

    /// The configuration that files, overrides and flags change: what is below the group `agent`.
    pub fn layers(&self) -> Result<Layers, ConfigError> {
        match self {
            Self::Ppo(config) => Layers::documented(config.as_ref()),
            Self::Apg(config) => config.layers(),
        }
    }

    /// The settings of the same algorithm in the group `agent` of a configuration.
    pub fn read(&self, layers: &Layers) -> Result<Self, ConfigError> {
        Ok(match self {
            Self::Ppo(_) => Self::Ppo(Box::new(layers.section("agent")?)),
            Self::Apg(config) => Self::Apg(config.read(layers)?),
        })
    }

    /// Checks ranges; the message names key, value and range.
    pub fn validate(&self) -> Result<(), String> {
        match self {
            Self::Ppo(config) => config.validate(),
            Self::Apg(config) => config.validate(),
        }
    }

    /// The settings after so many attempts that failed: half the learning rate each time.
    pub fn more_carefully(&self, attempts: u32) -> Self {
        let factor = 0.5_f64.powi(attempts as i32);
        match self {
            Self::Ppo(config) => {
                let mut config = config.clone();
                config.algorithm.learning_rate *= factor;
                Self::Ppo(config)
            }
            Self::Apg(config) => Self::Apg(config.with_learning_rate_times(factor)),
        }
    }
}

/// [`apg::RunnerConfig`] of a task that is known at run time only.
pub trait GradientConfig: Any + Debug + Send + Sync {
    /// See [`TrainerConfig::layers`].
    fn layers(&self) -> Result<Layers, ConfigError>;

    /// See [`TrainerConfig::read`].
    fn read(&self, layers: &Layers) -> Result<Box<dyn GradientConfig>, ConfigError>;

    /// See [`TrainerConfig::validate`].
    fn validate(&self) -> Result<(), String>;

    /// The same with another learning rate.
    fn with_learning_rate_times(&self, factor: f64) -> Box<dyn GradientConfig>;
}

impl<S: Surrogate> GradientConfig for apg::RunnerConfig<S> {
    fn layers(&self) -> Result<Layers, ConfigError> {
        Layers::documented(self)
    }

    fn read(&self, layers: &Layers) -> Result<Box<dyn GradientConfig>, ConfigError> {
        Ok(Box::new(layers.section::<Self>("agent")?))
    }

    fn validate(&self) -> Result<(), String> {
        self.validate()
    }

    fn with_learning_rate_times(&self, factor: f64) -> Box<dyn GradientConfig> {
        let mut config = self.clone();
        config.algorithm.learning_rate *= factor;
        Box::new(config)
    }
}

/// How a task learns by the simulator's gradient.
pub trait Gradient<T> {
    /// The settings as they are if nothing is configured.
    fn config(&self) -> Box<dyn GradientConfig>;

    /// Checks what the gradient asks of the task.
    fn validate_task(&self, task: &T) -> Result<(), String>;

    /// A learner that has learned nothing.
    ///
    /// # Panics
    ///
    /// If the settings are those of another task.
    fn start(&self, config: &dyn GradientConfig, task: &T, seed: u64) -> Result<Box<dyn Learner>, Failure>;
}

/// The gradient of every task that has one.
pub struct Analytic;

/// Settings of a training of a task by its gradient.
pub type ApgConfig<T> =
    apg::RunnerConfig<<<T as DifferentiableTask>::Block as DifferentiableBlock>::Surrogate>;

impl<T: DifferentiableTask + Flyable> Gradient<T> for Analytic {
    fn config(&self) -> Box<dyn GradientConfig> {
        Box::new(ApgConfig::<T>::default())
    }

    fn validate_task(&self, task: &T) -> Result<(), String> {
        task.validate_gradient()
    }

    fn start(&self, config: &dyn GradientConfig, task: &T, seed: u64) -> Result<Box<dyn Learner>, Failure> {
        let config: &dyn Any = config;
        let config = config.downcast_ref::<ApgConfig<T>>().expect("the settings are those of the task");
        let (spec, flown) = (task.spec(), task.clone());
        let origin = origin_of(seed, move |_| Box::new(flown.clone()));
        Ok(Box::new(ApgLearner {
            apg: Apg::new(config, task, task.num_envs(), seed)?.made_by(origin),
            critic: apg::RunnerConfig { seed, ..config.clone() }.fresh_critic(&spec),
            std: config.std(&spec),
        }))
    }
}

/// What an iteration did.
pub struct Iteration {
    /// Env steps flown.
    pub env_steps: u64,
    /// How often an env was reset for a number that is not finite.
    pub num_lost: u64,
    /// Time that it took, s.
    pub seconds: f64,
    /// Points of curves, by their tags.
    pub scalars: Vec<(String, f64)>,
}

/// An algorithm as the session drives it.
pub trait Learner: Send {
    /// Learns for one iteration.
    fn iterate(&mut self) -> Result<Iteration, NotFinite>;
    /// Iterations that are done.
    fn iteration(&self) -> u32;
    /// What it has learned.
    fn actor(&self) -> &Policy;
    /// Standard deviation of each action.
    fn std(&self) -> &[f32];
    /// Writes a checkpoint, with more of the caller under `extra`.
    fn write(&self, path: &Path, extra: &Value) -> Result<(), Failure>;
    /// Goes on from a checkpoint; returns what `extra` was.
    fn restore(&mut self, path: &Path) -> Result<Option<Value>, Failure>;
    /// Key of the state of its envs in a checkpoint.
    fn envs_key(&self) -> &'static str;
    /// [`EnvBlock::visit_state`](eyas_env::EnvBlock::visit_state) of all envs.
    fn visit_envs(&mut self, visit: &mut dyn FnMut(&mut u32));
}

/// The state of all envs, as bytes that every torch loads.
pub fn envs_of(learner: &mut dyn Learner) -> Tensor {
    let mut bytes = Vec::new();
    learner.visit_envs(&mut |word| bytes.extend(word.to_le_bytes()));
    Tensor::from_u8(&[bytes.len()], &bytes)
}

/// Puts a stored state back; returns whether there is one of these envs.
pub fn restore_envs(learner: &mut dyn Learner, extra: Option<&Value>) -> bool {
    let stored = extra.and_then(|it| it.get(learner.envs_key())).and_then(Value::as_tensor);
    let Some(bytes) = stored.and_then(Tensor::to_u8) else { return false };
    let (words, rest) = bytes.as_chunks();
    let mut expected = 0;
    learner.visit_envs(&mut |_| expected += 1);
    if words.len() != expected || !rest.is_empty() {
        return false;
    }
    let mut words = words.iter();
    learner.visit_envs(&mut |word| *word = words.next().map_or(*word, |bytes| u32::from_le_bytes(*bytes)));
    true
}

/// The keys of an rsl_rl model.
const fn keys_of(group: &'static str) -> Keys {
    Keys { group, normalization: "obs_normalization", cell: "rnn_type", width: "rnn_hidden_dim" }
}

/// PPO and the envs that it learns in.
pub struct PpoLearner {
    ppo: Ppo,
    engine: Box<dyn Engine>,
    /// Control steps of each env in an iteration.
    steps_per_iteration: u32,
    /// Whether envs with a number that is not finite are reset.
    resets_lost: bool,
}

/// Curve of the envs that were.
const RESETS: &str = "Episode_Termination/not_finite_reset";

impl PpoLearner {
    /// A learner that has learned nothing.
    pub fn new(
        config: &ppo::RunnerConfig,
        mut engine: Box<dyn Engine>,
        seed: u64,
    ) -> Result<Self, Untrainable> {
        let ppo = Ppo::new(config, engine.as_mut(), seed)?;
        Ok(Self {
            ppo,
            engine,
            steps_per_iteration: config.num_steps_per_env as u32,
            resets_lost: config.on_nan == OnNan::Reset,
        })
    }
}

impl Learner for PpoLearner {
    fn iterate(&mut self) -> Result<Iteration, NotFinite> {
        let report = self.ppo.iterate(self.engine.as_mut())?;
        let seconds = report.collection_time + report.learning_time;
        let std = f64::from(self.ppo.std.iter().sum::<f32>() / self.ppo.std.len() as f32);
        // The scalars of rsl_rl's runner, under the names of 2.x and of 5.x where they differ.
        let mut scalars = named([
            ("Loss/value_function", report.losses.value_function),
            ("Loss/surrogate", report.losses.surrogate),
            ("Loss/entropy", report.losses.entropy),
            ("Loss/kl", report.losses.kl),
            ("Loss/learning_rate", f64::from(self.ppo.learning_rate)),
            ("Policy/mean_std", std),
            ("Policy/mean_noise_std", std),
            ("Perf/total_fps", report.env_steps as f64 / seconds),
            ("Perf/collection time", report.collection_time),
            ("Perf/collection_time", report.collection_time),
            ("Perf/learning_time", report.learning_time),
        ]);
        if let Some((mean_return, mean_length)) = self.ppo.episodes().recent() {
            scalars.push(("Train/mean_reward".to_owned(), mean_return));
            scalars.push(("Train/mean_episode_length".to_owned(), mean_length));
        }
        scalars.extend(self.ppo.episodes().drain(report.env_steps));
        if self.resets_lost {
            scalars.push((RESETS.to_owned(), report.num_lost as f64));
        }
        Ok(Iteration { env_steps: report.env_steps, num_lost: report.num_lost, seconds, scalars })
    }

    fn iteration(&self) -> u32 {
        self.ppo.iteration
    }

    fn actor(&self) -> &Policy {
        &self.ppo.actor
    }

    fn std(&self) -> &[f32] {
        &self.ppo.std
    }

    fn write(&self, path: &Path, extra: &Value) -> Result<(), Failure> {
        let ppo = &self.ppo;
        let optimizer = AdamState::of(ppo.optimizer.clone(), f64::from(ppo.learning_rate));
        rsl_rl::write_ppo(
            path,
            &rsl_rl::PpoCheckpoint {
                actor: &ppo.actor,
                std: &ppo.std,
                critic: &ppo.critic,
                critic_normalizer: ppo.critic_normalizer.as_ref(),
                optimizer: &optimizer,
                iteration: u64::from(ppo.iteration),
                extra: Some(extra),
            },
        )?;
        Ok(())
    }

    fn restore(&mut self, path: &Path) -> Result<Option<Value>, Failure> {
        let stored = rsl_rl::read_ppo(path)?;
        let ppo = &mut self.ppo;
        for (group, found, wanted) in [
            (
                "agent.actor",
                (&stored.actor.network.architecture, stored.actor.normalizer.is_some()),
                (&ppo.actor.network.architecture, ppo.actor.normalizer.is_some()),
            ),
            (
                "agent.critic",
                (&stored.critic.architecture, stored.critic_normalizer.is_some()),
                (&ppo.critic.architecture, ppo.critic_normalizer.is_some()),
            ),
        ] {
            let [found, wanted] = [found, wanted].map(|(architecture, is_normalized)| Shape {
                architecture,
                is_normalized: Some(is_normalized),
            });
            require_same(&keys_of(group), found, wanted, path)?;
        }
        ppo.actor = stored.actor;
        ppo.critic = stored.critic;
        ppo.std = stored.std;
        ppo.critic_normalizer = stored.critic_normalizer;
        ppo.iteration = u32::try_from(stored.iteration).map_err(Failure::new)?;
        if let Some(state) = stored.optimizer {
            ppo.resume_learning_rate(state.learning_rate as f32);
            ppo.optimizer = state.into();
        }
        // Envs that start anew are those of a run that has flown: a curriculum counts its steps.
        let flown = ppo.iteration.saturating_mul(self.steps_per_iteration);
        self.engine.set_steps_flown(flown);
        Ok(stored.extra)
    }

    fn envs_key(&self) -> &'static str {
        "ppo_envs"
    }

    fn visit_envs(&mut self, visit: &mut dyn FnMut(&mut u32)) {
        self.engine.visit_state(visit);
    }
}

/// The gradient needs neither critic nor noise; both are stored because rsl_rl's layout has them, so that it
/// loads the file and can go on from there with PPO.
pub struct ApgLearner<B: DifferentiableBlock> {
    apg: Apg<B>,
    critic: Network,
    std: Vec<f32>,
}

impl<B: DifferentiableBlock> Learner for ApgLearner<B> {
    fn iterate(&mut self) -> Result<Iteration, NotFinite> {
        let report = self.apg.iterate()?;
        let mut scalars = named([
            ("Loss/cost", report.cost),
            ("Loss/gradient_norm", report.gradient_norm),
            ("Loss/learning_rate", report.learning_rate),
            ("Train/mean_step_reward", report.reward),
            ("Metrics/died_episodes_per_step", report.crashes_per_step),
            ("Perf/total_fps", report.env_steps as f64 / report.seconds),
            ("Perf/learning_time", report.seconds),
        ]);
        if report.value_loss.is_finite() {
            scalars.push(("Loss/value_function".to_owned(), report.value_loss));
        }
        Ok(Iteration { env_steps: report.env_steps, num_lost: 0, seconds: report.seconds, scalars })
    }

    fn iteration(&self) -> u32 {
        self.apg.iteration
    }

    fn actor(&self) -> &Policy {
        &self.apg.actor
    }

    fn std(&self) -> &[f32] {
        &self.std
    }

    fn write(&self, path: &Path, extra: &Value) -> Result<(), Failure> {
        let moments = |own: &[f32]| {
            let mut all = vec![0.0; self.std.len()];
            all.extend_from_slice(own);
            all.resize(all.len() + self.critic.parameters.len(), 0.0);
            all
        };
        let optimizer = AdamState {
            step: self.apg.optimizer.step,
            exp_avg: moments(&self.apg.optimizer.exp_avg),
            exp_avg_sq: moments(&self.apg.optimizer.exp_avg_sq),
            learning_rate: self.apg.learning_rate(),
        };
        rsl_rl::write_ppo(
            path,
            &rsl_rl::PpoCheckpoint {
                actor: &self.apg.actor,
                std: &self.std,
                critic: &self.critic,
                critic_normalizer: self.apg.actor.normalizer.as_ref(),
                optimizer: &optimizer,
                iteration: u64::from(self.apg.iteration),
                extra: Some(extra),
            },
        )?;
        Ok(())
    }

    fn restore(&mut self, path: &Path) -> Result<Option<Value>, Failure> {
        let stored = rsl_rl::read_ppo(path)?;
        let parameters = self.apg.actor.network.parameters.len();
        let [found, wanted] = [&stored.actor, &self.apg.actor].map(|it| Shape {
            architecture: &it.network.architecture,
            is_normalized: Some(it.normalizer.is_some()),
        });
        require_same(&keys_of("agent.actor"), found, wanted, path)?;
        let first = stored.std.len();
        self.apg.set_actor(stored.actor)?;
        self.critic = stored.critic;
        self.std = stored.std;
        self.apg.iteration = u32::try_from(stored.iteration).map_err(Failure::new)?;
        if let Some(state) = stored.optimizer {
            let own = |all: &[f32]| all[first..first + parameters].to_vec();
            self.apg.optimizer =
                Adam { step: state.step, exp_avg: own(&state.exp_avg), exp_avg_sq: own(&state.exp_avg_sq) };
        }
        Ok(stored.extra)
    }

    fn envs_key(&self) -> &'static str {
        "apg_envs"
    }

    fn visit_envs(&mut self, visit: &mut dyn FnMut(&mut u32)) {
        self.apg.visit_envs(visit);
    }
}

fn named<const N: usize>(scalars: [(&str, f64); N]) -> Vec<(String, f64)> {
    scalars.map(|(tag, value)| (tag.to_owned(), value)).to_vec()
}
