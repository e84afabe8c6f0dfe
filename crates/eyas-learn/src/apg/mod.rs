//! Analytic policy gradients: the simulator is differentiated instead of sampled.
//!
//! The cost of a window of control steps is a function of the policy's parameters θ, given the state at its
//! start and the random motion of the target. With the observation `o_t = h(x_t)`, the action `a_t = π_θ(o_t)`,
//! the step `x_{t+1} = f(x_t, a_t)` and the surrogate cost `c(x_{t+1}, a_t)`, going back through time gives
//!
//! ```text
//! μ_t = f_aᵀ (λ_{t+1} + c_x) + c_a                      derivative with respect to the action
//! λ_t = f_xᵀ (λ_{t+1} + c_x) + h_xᵀ π_oᵀ μ_t            with respect to the state; 0 across a reset
//! ∇θ  = Σ_t π_θᵀ μ_t
//! ```
//!
//! An update is one window of all envs, whose states carry over to the next, and one step of Adam. The horizon
//! is the window, unless the terminal value of SHAC (Xu et al. 2022, arXiv:2204.07137) stands for what comes
//! after it.

mod config;
mod critic;
mod window;

use std::time::Instant;

use eyas_env::{DifferentiableBlock, DifferentiableTask, EnvSpec, visit_words};
use eyas_lanes::{BLOCK, Stream};
use eyas_policy::{Adam, Init, Network, Normalizer, Output, Policy, Unroll, Untrainable, clip_gradient_norm};

use crate::black_box::Origin;
use crate::engine::sum_of_shards;
use crate::finite::NotFinite;
use crate::spares::Spares;

pub use config::{ApgConfig, RunnerConfig};
use critic::Critic;
pub use critic::TerminalValueConfig;
use window::{Recording, Shard, Update};

/// An actor, its optimiser, and the envs that it learns in.
pub struct Apg<B: DifferentiableBlock> {
    config: RunnerConfig<B::Surrogate>,
    spec: EnvSpec,
    seed: u64,
    /// The actor.
    pub actor: Policy,
    /// Moments over the parameters of the actor.
    pub optimizer: Adam,
    /// Updates done.
    pub iteration: u32,
    unroll: Unroll,
    critic: Option<Critic>,
    shards: Vec<(B, Shard)>,
    recordings: Spares<Recording<B>>,
    gradient: Vec<f32>,
    origin: Option<Origin>,
}

/// What one iteration measured.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Report {
    /// Mean surrogate cost of a step.
    pub cost: f64,
    /// Mean reward of a step.
    pub reward: f64,
    /// Norm of the gradient before clipping.
    pub gradient_norm: f64,
    /// Learning rate of the update.
    pub learning_rate: f64,
    /// Env steps flown.
    pub env_steps: u64,
    /// Terminated episodes for each env step.
    pub crashes_per_step: f64,
    /// Mean squared error of the terminal value, in the square of a step's cost; not a number without one.
    pub value_loss: f64,
    /// Time that the iteration took, s.
    pub seconds: f64,
}

impl<B: DifferentiableBlock> Apg<B> {
    /// A fresh actor and `num_envs` envs of a task, rounded up to whole blocks of 32.
    ///
    /// # Errors
    ///
    /// [`Untrainable`] if the network has no backward pass.
    ///
    /// # Panics
    ///
    /// If the task gives more or fewer hover actions than it has actions.
    pub fn new<T>(
        config: &RunnerConfig<B::Surrogate>,
        task: &T,
        num_envs: usize,
        seed: u64,
    ) -> Result<Self, Untrainable>
    where
        T: DifferentiableTask<Block = B>,
    {
        let spec = task.spec();
        let inputs = spec.num_observations();
        let architecture = config.actor.architecture(inputs, spec.num_actions);
        let mut network = Network::new(architecture, Init::Torch, Stream::new(seed, "apg/actor"));
        let last = network.architecture.head_layers().pop().expect("a network has an output layer");
        for weight in &mut network.parameters[last.weight] {
            *weight *= config.algorithm.last_layer_scale as f32;
        }
        network.parameters[last.bias].copy_from_slice(&task.hover_action());
        let mut normalizer = Normalizer::new(inputs);
        for (feature, (mean, std)) in task.typical_observation().into_iter().enumerate() {
            normalizer.mean[feature] = mean;
            normalizer.std[feature] = std;
            normalizer.var[feature] = std * std;
        }
        // As if it had seen that many samples: whoever trains on with rsl_rl moves it little by little.
        normalizer.count = 1_000_000;
        let unroll = Unroll::new(&network.architecture, Some(&normalizer))?;
        let parameters = network.parameters.len();
        let ages = Stream::new(seed, "apg/age");
        let algorithm = &config.algorithm;
        let critic = match &algorithm.terminal_value {
            value if value.enabled => Some(Critic::new(value, algorithm.gamma, &spec, &normalizer, seed)?),
            _ => None,
        };
        let blocks = task.differentiable_blocks(num_envs.div_ceil(BLOCK), seed);
        let shards = blocks
            .into_iter()
            .map(|mut block| {
                block.reset(u32::MAX);
                let shard = Shard::new(block.first_env(), algorithm, critic.as_ref(), ages);
                (block, shard)
            })
            .collect();
        Ok(Self {
            critic,
            actor: Policy { normalizer: Some(normalizer), network, output: Output::Identity },
            optimizer: Adam::new(parameters),
            iteration: 0,
            unroll,
            shards,
            recordings: Spares::default(),
            gradient: vec![0.0; parameters],
            origin: None,
            config: config.clone(),
            spec,
            seed,
        })
    }

    /// The same, with what makes its envs again.
    #[must_use]
    pub fn made_by(self, origin: Origin) -> Self {
        Self { origin: Some(origin), ..self }
    }

    /// The value function of what comes after a window, if the configuration asks for one. It predicts `(1 − γ)`
    /// times the discounted cost.
    #[must_use]
    pub fn terminal_value(&self) -> Option<&Network> {
        self.critic.as_ref().map(|critic| &critic.network)
    }

    /// Flies on with another actor of the same shape, and with its normaliser.
    ///
    /// # Errors
    ///
    /// [`Untrainable`] if the network has no backward pass.
    pub fn set_actor(&mut self, actor: Policy) -> Result<(), Untrainable> {
        self.unroll = Unroll::new(&actor.network.architecture, actor.normalizer.as_ref())?;
        if let Some(critic) = &mut self.critic {
            critic.set_normalizer(actor.normalizer.as_ref())?;
        }
        self.actor = actor;
        Ok(())
    }

    /// [`EnvBlock::visit_state`](eyas_env::EnvBlock::visit_state) of all envs, of what is counted for each, and
    /// of the value function.
    pub fn visit_envs(&mut self, visit: &mut dyn FnMut(&mut u32)) {
        for (block, shard) in &mut self.shards {
            block.visit_state(visit);
            visit_words(&mut shard.age, visit);
            // A state may be put back, from which nothing that was flown before leads on.
            shard.tape.clear();
        }
        if let Some(critic) = &mut self.critic {
            critic.visit_state(visit);
        }
    }

    /// Learning rate of the next update.
    #[must_use]
    pub fn learning_rate(&self) -> f64 {
        self.config.learning_rate_at(self.iteration)
    }

    /// One update: fly a window, go back through it, step.
    ///
    /// # Errors
    ///
    /// The first number that is not finite.
    pub fn iterate(&mut self) -> Result<Report, NotFinite> {
        let start = Instant::now();
        self.unroll.refresh(&self.actor.network.parameters);
        if let Some(critic) = &mut self.critic {
            critic.refresh();
        }
        let update = Update {
            config: &self.config.algorithm,
            spec: &self.spec,
            origin: self.origin.as_ref(),
            unroll: &self.unroll,
            critic: self.critic.as_ref(),
            iteration: self.iteration,
            mirror: Stream::new(self.seed, "apg/mirror"),
        };
        let env_steps = self.shards.len() * BLOCK * self.config.algorithm.window_steps;
        let share = 1.0 / env_steps as f32;
        let mut report = Report { env_steps: env_steps as u64, ..Report::default() };
        sum_of_shards(&mut self.shards, share, &mut self.gradient, |(block, shard)| {
            let mut recording = self.recordings.take_or(|| Recording::new(&update));
            shard.flown = update.fly(block, shard, &mut recording);
            update.go_back(block, shard, &mut recording, self.optimizer.exp_avg.len());
            self.recordings.give_back(recording);
            &shard.gradient
        });
        for (_, shard) in &self.shards {
            shard.flown.clone()?;
            report.cost += shard.cost * f64::from(share);
            report.reward += shard.reward * f64::from(share);
            report.crashes_per_step += f64::from(shard.crashes) * f64::from(share);
        }
        let norm = clip_gradient_norm(&mut self.gradient, self.config.algorithm.max_grad_norm as f32);
        NotFinite::check("cost", &[report.cost as f32])?;
        NotFinite::check("norm of the gradient", &[norm])?;
        report.gradient_norm = f64::from(norm);
        report.learning_rate = self.learning_rate();
        let rate = report.learning_rate as f32;
        self.optimizer.update(&mut self.actor.network.parameters, &self.gradient, rate);
        NotFinite::check("actor's weights", &self.actor.network.parameters)?;
        report.value_loss = f64::NAN;
        if let Some(critic) = &mut self.critic {
            let rate_share = report.learning_rate / self.config.algorithm.learning_rate;
            let mut windows: Vec<_> = self.shards.iter_mut().map(|(_, shard)| shard.window()).collect();
            report.value_loss = critic.learn(&mut windows, rate_share as f32)?;
        }
        self.iteration += 1;
        report.seconds = start.elapsed().as_secs_f64();
        Ok(report)
    }
}
