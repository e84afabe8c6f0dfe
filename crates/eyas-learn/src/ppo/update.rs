//! The clipped surrogate, its gradient, and the steps along it.

use eyas_lanes::{Kernel, Lanes, Row, Stream, VECTORS, dispatch};
use eyas_policy::{Network, Normalizer, Pass, Trainer, Untrainable, clip_gradient_norm};

use super::collect::{HALF_LN_TAU, MAX_ACTIONS, Standardization, log_density_at_mean};
use super::config::{AlgorithmConfig, Schedule};
use super::{Ppo, RolloutStorage};
use crate::engine::sum_of_shards;
use crate::finite::NotFinite;

/// Parts that a mini-batch is cut into, whatever the number of threads.
const SHARDS: usize = 16;
/// Blocks that one forward and backward pass takes at a time: their activations stay in the second-level
/// cache.
const CHUNK: usize = 8;
/// The standard deviation never falls below this; rsl_rl crashes on a negative one.
const MIN_STD: f32 = 1e-3;

/// Mean losses and diagnostics over the mini-batches of an iteration.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Losses {
    /// Value loss.
    pub value_function: f64,
    /// Clipped surrogate.
    pub surrogate: f64,
    /// Entropy of the action.
    pub entropy: f64,
    /// KL divergence from the policy of the rollout.
    pub kl: f64,
}

impl Losses {
    fn add(&mut self, other: &Self, weight: f64) {
        self.value_function += weight * other.value_function;
        self.surrogate += weight * other.surrogate;
        self.entropy += weight * other.entropy;
        self.kl += weight * other.kl;
    }
}

/// Packed networks and the memory of every shard.
pub(super) struct Updater {
    actor: Trainer,
    critic: Trainer,
    shards: Vec<Shard>,
    /// That of the last mini-batch.
    pub(super) gradient: Vec<f32>,
}

#[derive(Default)]
struct Shard {
    actor: Pass,
    critic: Pass,
    input: Vec<Row>,
    critic_input: Vec<Row>,
    batch: Vec<Row>,
    gradient: Vec<f32>,
    losses: Losses,
}

/// One block of 32 samples: which block of envs, which step.
#[derive(Clone, Copy)]
pub(super) struct Sample {
    pub(super) block: usize,
    pub(super) step: usize,
}

/// What all shards read.
struct Batch<'a> {
    rollout: &'a RolloutStorage,
    algorithm: &'a AlgorithmConfig,
    actor_normalizer: Option<&'a Normalizer>,
    critic_normalizer: Option<&'a Normalizer>,
    std: &'a [f32],
    old_std: &'a [f32],
    /// 1 / number of samples in the mini-batch.
    share: f32,
    /// What makes its advantages standard, where the rollout's are not.
    standardized: Option<Standardization>,
}

impl Updater {
    pub(super) fn new(actor: &Network, critic: &Network) -> Result<Self, Untrainable> {
        let mut shards = Vec::new();
        shards.resize_with(SHARDS, Shard::default);
        Ok(Self {
            actor: Trainer::new(&actor.architecture)?,
            critic: Trainer::new(&critic.architecture)?,
            shards,
            gradient: Vec::new(),
        })
    }

    /// Sums the gradient of a mini-batch over its shards, in their order.
    fn gradient(&mut self, batch: &Batch, samples: &[Sample], parameters: usize) -> Losses {
        let (actor, critic) = (&self.actor, &self.critic);
        let per_shard = samples.len().div_ceil(SHARDS);
        let parts: Vec<&[Sample]> = samples.chunks(per_shard).collect();
        let mut shards: Vec<_> = self.shards.iter_mut().zip(parts).collect();
        self.gradient.resize(parameters, 0.0);
        sum_of_shards(&mut shards, 1.0, &mut self.gradient, |(shard, samples)| {
            shard.gradient.clear();
            shard.gradient.resize(parameters, 0.0);
            shard.losses = Losses::default();
            for samples in samples.chunks(CHUNK) {
                shard.add_chunk(batch, samples, actor, critic);
            }
            &shard.gradient
        });
        let mut losses = Losses::default();
        for (shard, _) in shards {
            losses.add(&shard.losses, 1.0);
        }
        losses
    }
}

impl Ppo {
    /// `num_learning_epochs` passes over the rollout in shuffled mini-batches.
    pub(super) fn update(&mut self) -> Result<Losses, NotFinite> {
        let algorithm = self.config.algorithm.clone();
        let blocks = self.rollout.blocks.len();
        let total = blocks * self.config.num_steps_per_env;
        let per_batch = (total / algorithm.num_mini_batches).max(1);
        let batches = total / per_batch;
        let batches = batches.min(algorithm.num_mini_batches);
        let old_std = self.std.clone();
        let mut mean = Losses::default();
        let updates = f64::from(algorithm.num_learning_epochs) * batches as f64;
        for epoch in 0..algorithm.num_learning_epochs {
            let samples = self.shuffled(total, blocks, epoch);
            for samples in samples.chunks_exact(per_batch).take(batches) {
                let losses = self.step(&algorithm, samples, &old_std)?;
                mean.add(&losses, 1.0 / updates);
            }
        }
        Ok(mean)
    }

    fn shuffled(&self, total: usize, blocks: usize, epoch: u32) -> Vec<Sample> {
        Stream::new(self.seed, "ppo/shuffle")
            .permutation(total, total, self.iteration, epoch)
            .into_iter()
            .map(|index| Sample { block: index as usize % blocks, step: index as usize / blocks })
            .collect()
    }

    /// Losses of a mini-batch; their gradient is left in the updater, as std, actor, critic.
    pub(super) fn gradient(
        &mut self,
        algorithm: &AlgorithmConfig,
        samples: &[Sample],
        old_std: &[f32],
    ) -> Losses {
        self.updater.actor.refresh(&self.actor.network.parameters);
        self.updater.critic.refresh(&self.critic.parameters);
        let blocks = &self.rollout.blocks;
        let weights = |sample: &Sample| blocks[sample.block].weights[sample.step].0.iter().sum::<f32>();
        let advantages = |sample: &Sample| {
            (&blocks[sample.block].advantages[sample.step], &blocks[sample.block].weights[sample.step])
        };
        let batch = Batch {
            rollout: &self.rollout,
            algorithm,
            actor_normalizer: self.actor.normalizer.as_ref(),
            critic_normalizer: self.critic_normalizer.as_ref(),
            std: &self.std,
            old_std,
            share: 1.0 / samples.iter().map(weights).sum::<f32>(),
            standardized: algorithm
                .normalize_advantage_per_mini_batch
                .then(|| Standardization::of(samples.iter().map(advantages))),
        };
        self.updater.gradient(&batch, samples, self.optimizer.exp_avg.len())
    }

    fn step(
        &mut self,
        algorithm: &AlgorithmConfig,
        samples: &[Sample],
        old_std: &[f32],
    ) -> Result<Losses, NotFinite> {
        let losses = self.gradient(algorithm, samples, old_std);
        NotFinite::check("value loss", &[losses.value_function as f32])?;
        NotFinite::check("surrogate loss", &[losses.surrogate as f32])?;
        self.adapt_learning_rate(algorithm, losses.kl);

        // The optimiser's parameters lie in the same order.
        let (actor_end, gradient) =
            (self.std.len() + self.actor.network.parameters.len(), &mut self.updater.gradient);
        let norms = [0..actor_end, actor_end..gradient.len()]
            .map(|part| clip_gradient_norm(&mut gradient[part], algorithm.max_grad_norm as f32));
        NotFinite::check("norm of the actor's gradient", &norms[..1])?;
        NotFinite::check("norm of the critic's gradient", &norms[1..])?;
        let mut parameters: Vec<f32> = Vec::with_capacity(gradient.len());
        parameters
            .extend(self.std.iter().chain(&self.actor.network.parameters).chain(&self.critic.parameters));
        self.optimizer.update(&mut parameters, gradient, self.learning_rate);
        NotFinite::check("weights of actor and critic", &parameters)?;
        let (std, rest) = parameters.split_at(self.std.len());
        let (actor, critic) = rest.split_at(self.actor.network.parameters.len());
        for (target, value) in self.std.iter_mut().zip(std) {
            *target = value.max(MIN_STD);
        }
        self.actor.network.parameters.copy_from_slice(actor);
        self.critic.parameters.copy_from_slice(critic);
        Ok(losses)
    }

    fn adapt_learning_rate(&mut self, algorithm: &AlgorithmConfig, kl: f64) {
        if algorithm.schedule == Schedule::Fixed {
            return;
        }
        let rate = f64::from(self.learning_rate);
        let adapted = if kl > 2.0 * algorithm.desired_kl {
            (rate / 1.5).max(1e-5)
        } else if kl > 0.0 && kl < 0.5 * algorithm.desired_kl {
            (rate * 1.5).min(1e-2)
        } else {
            rate
        };
        let limit = if algorithm.schedule == Schedule::Anneal {
            let left = 1.0 - f64::from(self.iteration) / f64::from(self.config.max_iterations);
            algorithm.learning_rate * left.max(0.0)
        } else {
            f64::INFINITY
        };
        self.learning_rate = adapted.min(limit) as f32;
    }
}

impl Shard {
    fn add_chunk(&mut self, batch: &Batch, samples: &[Sample], actor: &Trainer, critic: &Trainer) {
        let observations = actor.architecture().inputs;
        let actions = actor.architecture().outputs;
        self.input.resize(samples.len() * observations, Row::ZERO);
        // Action, old mean, then one row each of log-probability, advantage, value, return and weight.
        let width = 2 * actions + 5;
        self.batch.resize(samples.len() * width, Row::ZERO);
        for (index, sample) in samples.iter().enumerate() {
            let block = &batch.rollout.blocks[sample.block];
            let step = sample.step;
            let observation = &block.observations[step * observations..][..observations];
            self.input[index * observations..][..observations].copy_from_slice(observation);
            let mut advantage = block.advantages[step];
            if let Some(standardized) = &batch.standardized {
                standardized.apply(&mut advantage);
            }
            let rows = &mut self.batch[index * width..][..width];
            rows[..actions].copy_from_slice(&block.actions[step * actions..][..actions]);
            rows[actions..2 * actions].copy_from_slice(&block.means[step * actions..][..actions]);
            rows[2 * actions..].copy_from_slice(&[
                block.log_probs[step],
                advantage,
                block.values[step],
                block.returns[step],
                block.weights[step],
            ]);
        }
        self.critic_input.clear();
        self.critic_input.extend_from_slice(&self.input);
        normalize(&mut self.input, batch.actor_normalizer);
        normalize(&mut self.critic_input, batch.critic_normalizer);
        actor.forward(&self.input, &mut self.actor);
        critic.forward(&self.critic_input, &mut self.critic);
        let (means, mean_gradients) = self.actor.output_and_gradient();
        let (values, value_gradients) = self.critic.output_and_gradient();
        let (std_gradient, rest) = self.gradient.split_at_mut(actions);
        let losses = dispatch(Surrogate {
            batch,
            width,
            rows: &self.batch,
            means,
            values,
            mean_gradients,
            value_gradients,
            std_gradient,
        });
        self.losses.add(&losses, 1.0);
        let (actor_gradient, critic_gradient) = rest.split_at_mut(actor.architecture().num_parameters());
        actor.backward(&self.input, &mut self.actor, actor_gradient);
        critic.backward(&self.critic_input, &mut self.critic, critic_gradient);
    }
}

fn normalize(rows: &mut [Row], normalizer: Option<&Normalizer>) {
    let Some(normalizer) = normalizer else { return };
    let scale = normalizer.scale();
    for rows in rows.chunks_exact_mut(scale.len()) {
        for ((row, mean), scale) in rows.iter_mut().zip(&normalizer.mean).zip(&scale) {
            row.0.iter_mut().for_each(|value| *value = (*value - mean) * scale);
        }
    }
}

/// Gradients of
/// `max(−A ρ, −A clip(ρ)) + c_v · value loss − c_e · entropy`, averaged over the mini-batch.
struct Surrogate<'a> {
    batch: &'a Batch<'a>,
    width: usize,
    rows: &'a [Row],
    means: &'a [Row],
    values: &'a [Row],
    mean_gradients: &'a mut [Row],
    value_gradients: &'a mut [Row],
    std_gradient: &'a mut [f32],
}

impl Kernel for Surrogate<'_> {
    type Output = Losses;

    #[inline(always)]
    fn run<L: Lanes>(self) -> Losses {
        let Self { batch, width, rows, means, values, mean_gradients, value_gradients, std_gradient } = self;
        let actions = batch.std.len();
        let algorithm = batch.algorithm;
        let clip = L::splat(algorithm.clip_param as f32);
        let (zero, one) = (L::splat(0.0), L::splat(1.0));
        let value_weight = L::splat(algorithm.value_loss_coef as f32);
        let (mut surrogate_sum, mut value_sum, mut kl_sum, mut weight_sum) = (zero, zero, zero, zero);
        let mut std_sums = [zero; MAX_ACTIONS];
        let (mut peaks, mut kl_constants) = ([0.0; MAX_ACTIONS], [0.0; MAX_ACTIONS]);
        for (motor, (std, old_std)) in batch.std.iter().zip(batch.old_std).enumerate() {
            peaks[motor] = log_density_at_mean(*std);
            kl_constants[motor] =
                libm::logf(std / old_std + 1e-5) + 0.5 * old_std * old_std / (std * std) - 0.5;
        }
        for block in 0..values.len() {
            let rows = &rows[block * width..][..width];
            let place = block * actions;
            for vector in 0..VECTORS {
                let [old_log_prob, advantage, old_value, target, used] =
                    [0, 1, 2, 3, 4].map(|row| rows[2 * actions + row].load::<L>(vector));
                let weight = used * L::splat(batch.share);
                let mut log_prob = zero;
                let mut kl = zero;
                for motor in 0..actions {
                    let std = batch.std[motor];
                    let z = (rows[motor].load::<L>(vector) - means[place + motor].load(vector))
                        * L::splat(1.0 / std);
                    log_prob = log_prob + (z * z).mul_add(L::splat(-0.5), L::splat(peaks[motor]));
                    let shift = rows[actions + motor].load::<L>(vector) - means[place + motor].load(vector);
                    let constant = L::splat(kl_constants[motor]);
                    kl = kl + (shift * shift).mul_add(L::splat(0.5 / (std * std)), constant);
                }
                let ratio = (log_prob - old_log_prob).exp();
                let clipped = ratio.clamp(one - clip, one + clip);
                let (free, held) = (-advantage * ratio, -advantage * clipped);
                // Where the clipped branch is the larger one and clips, there is no gradient.
                let slope = L::select(free.less(held), zero, -advantage * ratio) * weight;
                for motor in 0..actions {
                    let std = batch.std[motor];
                    let z = (rows[motor].load::<L>(vector) - means[place + motor].load(vector))
                        * L::splat(1.0 / std);
                    let row = &mut mean_gradients[place + motor];
                    row.store(vector, slope * z * L::splat(1.0 / std));
                    let per_std = (z * z - one) * L::splat(1.0 / std);
                    std_sums[motor] = slope.mul_add(per_std, std_sums[motor]);
                }
                let value = values[block].load::<L>(vector);
                let error = value - target;
                let mut loss = error * error;
                let mut value_slope = error + error;
                if algorithm.use_clipped_value_loss {
                    let near = old_value + (value - old_value).clamp(-clip, clip);
                    let near_error = near - target;
                    let near_loss = near_error * near_error;
                    let inside = (value - old_value).abs().less(clip);
                    let near_slope = L::select(inside, near_error + near_error, zero);
                    value_slope = L::select(loss.less(near_loss), near_slope, value_slope);
                    loss = loss.max(near_loss);
                }
                value_gradients[block].store(vector, value_weight * value_slope * weight);
                surrogate_sum = surrogate_sum + free.max(held) * weight;
                value_sum = loss.mul_add(weight, value_sum);
                kl_sum = kl.mul_add(weight, kl_sum);
                weight_sum = weight_sum + weight;
            }
        }
        let total = |lanes: L| lanes.to_array().iter().map(|value| f64::from(*value)).sum::<f64>();
        let share = total(weight_sum);
        let mut entropy = 0.0;
        for (motor, gradient) in std_gradient.iter_mut().enumerate() {
            let std = batch.std[motor];
            entropy += f64::from(0.5 + HALF_LN_TAU + libm::logf(std));
            *gradient += (total(std_sums[motor]) - share * algorithm.entropy_coef / f64::from(std)) as f32;
        }
        Losses {
            value_function: total(value_sum),
            surrogate: total(surrogate_sum),
            entropy: share * entropy,
            kl: total(kl_sum),
        }
    }
}
