//! Rollouts of a stochastic actor, and the advantage of each action.

use std::collections::VecDeque;
use std::ops::Range;

use eyas_env::{Ended, EnvSpec, EpisodeScalar, EpisodeStatistic, Step, Symmetry};
use eyas_lanes::{BLOCK, Kernel, LANES, Lanes, Row, Stream, VECTORS, dispatch, lanes_of};
use eyas_policy::{Inference, Network, Normalizer, Policy, Scratch};

use super::config::RunnerConfig;
use crate::actor::mirror;
use crate::engine::{AnyBlock, Engine, Next, Rollout};
use crate::finite::NotFinite;

/// Transitions of every env over one rollout.
pub struct RolloutStorage {
    steps: usize,
    noise: Stream,
    mirror: Stream,
    /// Symmetries that blocks fly through; empty without augmentation.
    symmetries: Vec<Symmetry>,
    settings: Settings,
    pub(super) blocks: Vec<BlockStorage>,
    /// What the policy reads of all that is seen.
    features: Range<usize>,
    /// Statistics of the episodes that ended.
    pub log: EpisodeLog,
}

#[derive(Clone, Copy)]
struct Settings {
    gamma: f32,
    lambda: f32,
    reward_scale: f32,
    normalize_advantage: bool,
}

/// Transitions of one block; index `step`, or `step * width + feature`.
#[derive(Default)]
pub(super) struct BlockStorage {
    pub(super) observations: Vec<Row>,
    pub(super) actions: Vec<Row>,
    pub(super) means: Vec<Row>,
    pub(super) log_probs: Vec<Row>,
    pub(super) values: Vec<Row>,
    pub(super) advantages: Vec<Row>,
    pub(super) returns: Vec<Row>,
    /// 1 in the lanes whose step is learned from, else 0.
    pub(super) weights: Vec<Row>,
    /// 1 in the lanes that are envs.
    used: Row,
    rewards: Vec<Row>,
    ended: Vec<Ended>,
    dones: Vec<u32>,
    scratch: [Scratch; 2],
}

impl RolloutStorage {
    pub(super) fn new(config: &RunnerConfig, engine: &mut dyn Engine, seed: u64) -> Self {
        let steps = config.num_steps_per_env;
        let spec = engine.spec().clone();
        let features = spec.trained_features();
        let observations = features.len();
        let actions = spec.num_actions;
        let rows = |width: usize| vec![Row::ZERO; steps * width];
        let mut blocks = Vec::new();
        blocks.resize_with(engine.num_blocks(), || BlockStorage {
            observations: rows(observations),
            actions: rows(actions),
            means: rows(actions),
            log_probs: rows(1),
            values: rows(1),
            advantages: rows(1),
            returns: rows(1),
            weights: rows(1),
            rewards: rows(1),
            dones: vec![0; steps],
            ..BlockStorage::default()
        });
        let algorithm = &config.algorithm;
        let mut storage = Self {
            steps,
            noise: Stream::new(seed, "ppo/noise"),
            mirror: Stream::new(seed, "ppo/mirror"),
            symmetries: if algorithm.symmetry_cfg.use_data_augmentation {
                spec.symmetries.clone()
            } else {
                Vec::new()
            },
            settings: Settings {
                gamma: algorithm.gamma as f32,
                lambda: algorithm.lam as f32,
                reward_scale: algorithm.reward_scale as f32,
                normalize_advantage: !algorithm.normalize_advantage_per_mini_batch,
            },
            blocks,
            features,
            log: EpisodeLog::new(&spec, engine.num_envs()),
        };
        storage.start(engine, Stream::new(seed, "ppo/age"));
        storage
    }

    /// Starts every episode, each as if it had begun a random while ago (`init_at_random_ep_len`).
    fn start(&mut self, engine: &mut dyn Engine, ages: Stream) {
        let length = engine.spec().max_episode_length;
        let start = |storage| Start { ages, length, storage };
        // None flies, so no number is looked at.
        let _ = engine.fly_all(&mut self.blocks.iter_mut().map(start).collect::<Vec<_>>());
    }

    pub(super) fn collect(
        &mut self,
        iteration: u32,
        engine: &mut dyn Engine,
        actor: &Policy,
        std: &[f32],
        critic: &Network,
        critic_normalizer: Option<&Normalizer>,
    ) -> Result<(), NotFinite> {
        let actor = Inference::new(actor);
        let critic = Policy {
            normalizer: critic_normalizer.cloned(),
            network: critic.clone(),
            output: eyas_policy::Output::Identity,
        };
        let shared = Behaviour {
            iteration,
            steps: self.steps,
            actor,
            std,
            critic: Inference::new(&critic),
            noise: self.noise,
            mirror: self.mirror,
            symmetries: &self.symmetries,
            features: self.features.clone(),
            settings: self.settings,
        };
        let explore = |storage| Exploration { shared: &shared, symmetry: None, used: 0, step: 0, storage };
        engine.fly_all(&mut self.blocks.iter_mut().map(explore).collect::<Vec<_>>())?;
        if self.settings.normalize_advantage {
            self.normalize_advantages();
        }
        for block in &mut self.blocks {
            self.log.extend(block.ended.drain(..));
        }
        Ok(())
    }

    /// Mean 0 and standard deviation 1 over the whole rollout.
    fn normalize_advantages(&mut self) {
        let all = self.blocks.iter().flat_map(|block| block.advantages.iter().zip(&block.weights));
        let standardized = Standardization::of(all);
        for block in &mut self.blocks {
            block.advantages.iter_mut().for_each(|row| standardized.apply(row));
        }
    }

    /// Merges the observations of the rollout into the normalisers.
    pub(super) fn update_normalizers(&self, actor: Option<&mut Normalizer>, critic: Option<&mut Normalizer>) {
        let targets: Vec<&mut Normalizer> = actor.into_iter().chain(critic).collect();
        let Some(width) = targets.first().map(|normalizer| normalizer.mean.len()) else { return };
        let (mut sums, mut squares) = (vec![0.0_f64; width], vec![0.0_f64; width]);
        let mut count = 0.0;
        for block in &self.blocks {
            count += block.weights.iter().flat_map(|row| row.0).sum::<f32>();
            for (step, weights) in block.observations.chunks_exact(width).zip(&block.weights) {
                for (feature, row) in step.iter().enumerate() {
                    let (mut sum, mut square) = (0.0_f32, 0.0_f32);
                    for (value, weight) in row.0.iter().zip(weights.0) {
                        sum += weight * value;
                        square += weight * value * value;
                    }
                    sums[feature] += f64::from(sum);
                    squares[feature] += f64::from(square);
                }
            }
        }
        let count = f64::from(count);
        let means: Vec<f64> = sums.iter().map(|sum| sum / count).collect();
        let variances: Vec<f64> = squares
            .iter()
            .zip(&means)
            .map(|(square, mean)| (square / count - mean * mean).max(0.0))
            .collect();
        for normalizer in targets {
            normalizer.update(count as u64, &means, &variances);
        }
    }
}

/// What makes the mean of numbers 0 and their standard deviation 1.
pub(super) struct Standardization {
    mean: f32,
    scale: f32,
}

impl Standardization {
    /// Of rows of numbers, each row with the weights of its lanes, 1 or 0. The variance is that of a sample, over n − 1.
    pub(super) fn of<'a>(rows: impl Iterator<Item = (&'a Row, &'a Row)>) -> Self {
        let mut sums = [0.0_f64; 3];
        for (row, weights) in rows {
            for (value, weight) in row.0.iter().zip(weights.0) {
                let value = f64::from(*value * weight);
                sums[0] += f64::from(weight);
                sums[1] += value;
                sums[2] += value * value;
            }
        }
        let [count, sum, squares] = sums;
        let mean = sum / count;
        let std = ((squares - sum * mean) / (count - 1.0).max(1.0)).max(0.0).sqrt();
        Self { mean: mean as f32, scale: (1.0 / (std + 1e-8)) as f32 }
    }

    pub(super) fn apply(&self, row: &mut Row) {
        row.0.iter_mut().for_each(|value| *value = (*value - self.mean) * self.scale);
    }
}

/// The policy that acts, and how.
struct Behaviour<'a> {
    iteration: u32,
    steps: usize,
    actor: Inference,
    std: &'a [f32],
    critic: Inference,
    noise: Stream,
    mirror: Stream,
    symmetries: &'a [Symmetry],
    /// What the policy reads of all that is seen.
    features: Range<usize>,
    settings: Settings,
}

/// Starts the episodes of a block and flies none of them.
struct Start<'a> {
    ages: Stream,
    length: u32,
    storage: &'a mut BlockStorage,
}

/// A block's transitions while they are made.
struct Exploration<'a> {
    shared: &'a Behaviour<'a>,
    symmetry: Option<&'a Symmetry>,
    used: u32,
    step: usize,
    storage: &'a mut BlockStorage,
}

impl Rollout for Start<'_> {
    fn begin(&mut self, block: &mut AnyBlock, used: u32) -> bool {
        block.reset(u32::MAX);
        for lane in 0..BLOCK {
            let env = block.first_env() + lane as u32;
            block.set_age(lane, (self.ages.uniform([env, 0, 0, 0]) * self.length as f32) as u32);
            self.storage.used[lane] = (used >> lane & 1) as f32;
        }
        false
    }

    fn act(&mut self, _block: &AnyBlock, _observation: &mut [Row], _action: &mut [Row]) {}

    fn record(&mut self, _: &mut AnyBlock, _: &mut [Row], _: &[Row], _: &Step) -> Next {
        Next { reset: 0, is_last: true }
    }
}

impl Rollout for Exploration<'_> {
    fn goes_on(&self) -> bool {
        true
    }

    fn begin(&mut self, block: &mut AnyBlock, used: u32) -> bool {
        self.used = used;
        let all = self.storage.used;
        self.storage.weights.fill(all);
        self.symmetry = self.shared.symmetry_of(block.first_env());
        self.shared.steps > 0
    }

    fn act(&mut self, block: &AnyBlock, seen: &mut [Row], flown: &mut [Row]) {
        let (shared, step) = (self.shared, self.step);
        let BlockStorage { observations, means, actions, values, log_probs, scratch, .. } =
            &mut *self.storage;
        let [inputs, outputs] = [shared.actor.num_observations(), shared.actor.num_actions()];
        let observation = &mut observations[step * inputs..][..inputs];
        let mean = &mut means[step * outputs..][..outputs];
        let action = &mut actions[step * outputs..][..outputs];
        shared.read(self.symmetry, seen, observation);
        shared.actor.act(observation, &mut [], &mut scratch[0], mean);
        shared.critic.act(observation, &mut [], &mut scratch[1], &mut values[step..=step]);
        log_probs[step] = dispatch(Explore {
            noise: shared.noise,
            place: [block.first_env(), shared.iteration, step as u32],
            std: shared.std,
            mean,
            action,
        });
        // Every symmetry is its own inverse.
        mirror(self.symmetry.map(|it| it.action.as_slice()), action, flown);
    }

    /// A weight of 0 makes numbers that are finite, and only those, have no part in learning.
    fn lose(&mut self, lanes: u32) {
        let [inputs, outputs] = [self.shared.actor.num_observations(), self.shared.actor.num_actions()];
        let step = self.step;
        let BlockStorage { observations, actions, means, log_probs, values, weights, .. } =
            &mut *self.storage;
        let (taken, seen) = (step * outputs..(step + 1) * outputs, step * inputs..(step + 1) * inputs);
        let rows = observations[seen].iter_mut().chain(&mut actions[taken.clone()]).chain(&mut means[taken]);
        for row in rows.chain([&mut log_probs[step], &mut values[step], &mut weights[step]]) {
            lanes_of(lanes).for_each(|lane| row[lane] = 0.0);
        }
    }

    fn record(&mut self, block: &mut AnyBlock, _seen: &mut [Row], _flown: &[Row], step: &Step) -> Next {
        let BlockStorage { rewards, values, dones, ended, .. } = &mut *self.storage;
        let settings = self.shared.settings;
        let done = step.terminated | step.truncated;
        let reward = &mut rewards[self.step];
        for lane in 0..BLOCK {
            reward[lane] = settings.reward_scale * step.reward[lane];
            if step.truncated >> lane & 1 == 1 {
                // rsl_rl bootstraps a time-out with the value of the state before it.
                reward[lane] += settings.gamma * values[self.step][lane];
            }
        }
        dones[self.step] = done;
        ended.extend(lanes_of(done & self.used).map(|lane| block.episode(lane)));
        self.step += 1;
        Next { reset: done, is_last: self.step == self.shared.steps }
    }

    fn end(&mut self, block: &mut AnyBlock, seen: &mut [Row]) {
        let shared = self.shared;
        let mut last = vec![Row::ZERO; shared.actor.num_observations()];
        block.observe(seen);
        shared.read(self.symmetry, seen, &mut last);
        let mut value = [Row::ZERO];
        shared.critic.act(&last, &mut [], &mut self.storage.scratch[1], &mut value);
        self.storage.estimate_advantages(shared.settings, value[0]);
    }
}

impl Behaviour<'_> {
    /// What the policy reads of all that is seen, through a symmetry if there is one.
    fn read(&self, symmetry: Option<&Symmetry>, seen: &[Row], observation: &mut [Row]) {
        let features = self.features.clone();
        match symmetry {
            Some(symmetry) => mirror(Some(&symmetry.observation[features]), seen, observation),
            None => observation.copy_from_slice(&seen[features]),
        }
    }

    /// The symmetry through which a block sees this rollout.
    fn symmetry_of(&self, first_env: u32) -> Option<&Symmetry> {
        let word = self.mirror.words([first_env, self.iteration, 0, 0])[0] as usize;
        (word % (self.symmetries.len() + 1)).checked_sub(1).map(|index| &self.symmetries[index])
    }
}

impl BlockStorage {
    /// Generalised advantage estimation (Schulman et al. 2016, arXiv:1506.02438):
    /// `δ = r + γ (1 − done) V' − V`, `A = δ + γ λ (1 − done) A'`.
    fn estimate_advantages(&mut self, settings: Settings, mut next_value: Row) {
        let mut advantage = Row::ZERO;
        for step in (0..self.rewards.len()).rev() {
            let value = self.values[step];
            for lane in 0..BLOCK {
                let go_on = if self.dones[step] >> lane & 1 == 1 { 0.0 } else { settings.gamma };
                let delta = self.rewards[step][lane] + go_on * next_value[lane] - value[lane];
                advantage[lane] = delta + go_on * settings.lambda * advantage[lane];
                self.returns[step][lane] = advantage[lane] + value[lane];
            }
            self.advantages[step] = advantage;
            next_value = value;
        }
    }
}

/// Samples actions around their means; returns their log-probabilities.
struct Explore<'a> {
    noise: Stream,
    /// First env, iteration and step.
    place: [u32; 3],
    std: &'a [f32],
    mean: &'a [Row],
    action: &'a mut [Row],
}

impl Kernel for Explore<'_> {
    type Output = Row;

    #[inline(always)]
    fn run<L: Lanes>(self) -> Row {
        let [env, iteration, step] = self.place;
        let mut log_probs = Row::ZERO;
        let mut peaks = [0.0; MAX_ACTIONS];
        for (peak, std) in peaks.iter_mut().zip(self.std) {
            *peak = log_density_at_mean(*std);
        }
        for vector in 0..VECTORS {
            let mut log_prob = L::splat(0.0);
            for (group, means) in self.mean.chunks(4).enumerate() {
                let first_env = env + (vector * LANES) as u32;
                let draws = self.noise.lanes(first_env, &[iteration; LANES], &[step; LANES], group as u32);
                let noise = L::normals(draws);
                for (index, mean) in means.iter().enumerate() {
                    let motor = 4 * group + index;
                    let std = self.std[motor];
                    let z = noise[index];
                    self.action[motor].store(vector, z.mul_add(L::splat(std), mean.load(vector)));
                    log_prob = log_prob + (z * z).mul_add(L::splat(-0.5), L::splat(peaks[motor]));
                }
            }
            log_probs.store(vector, log_prob);
        }
        log_probs
    }
}

/// `½ ln 2π`.
pub(super) const HALF_LN_TAU: f32 = 0.918_938_5;

/// Most actions that the kernels keep numbers for.
pub(super) const MAX_ACTIONS: usize = 32;

/// Logarithm of a normal distribution's density at its mean.
#[inline(always)]
pub(super) fn log_density_at_mean(std: f32) -> f32 {
    -(libm::logf(std) + HALF_LN_TAU)
}

/// Episodes that the rolling statistics look back on, as in rsl_rl and Foundation.
const WINDOW: usize = 100;

/// Statistics of ended episodes, by the names and in the units of the task's [`EnvSpec::episode_log`].
pub struct EpisodeLog {
    scalars: Vec<EpisodeScalar>,
    num_envs: usize,
    fresh: Vec<Ended>,
    recent: VecDeque<Ended>,
    totals: Vec<f64>,
}

impl EpisodeLog {
    fn new(spec: &EnvSpec, num_envs: usize) -> Self {
        Self {
            totals: vec![0.0; spec.episode_log.len()],
            scalars: spec.episode_log.clone(),
            num_envs,
            fresh: Vec::new(),
            recent: VecDeque::with_capacity(WINDOW),
        }
    }

    fn extend(&mut self, ended: impl Iterator<Item = Ended>) {
        for episode in ended {
            for (total, scalar) in self.totals.iter_mut().zip(&self.scalars) {
                *total += scalar.quantity.of(&episode);
            }
            self.fresh.push(episode);
            if self.recent.len() == WINDOW {
                self.recent.pop_front();
            }
            self.recent.push_back(episode);
        }
    }

    fn recent_mean(&self, value: impl Fn(&Ended) -> f64) -> f64 {
        self.recent.iter().map(value).sum::<f64>() / self.recent.len().max(1) as f64
    }

    /// Mean return and length of the last episodes, if any ended yet.
    #[must_use]
    pub fn recent(&self) -> Option<(f64, f64)> {
        (!self.recent.is_empty()).then(|| {
            (self.recent_mean(|it| f64::from(it.episode_return)), self.recent_mean(|it| f64::from(it.length)))
        })
    }

    /// The scalars of `extras["log"]` since the last call, in which all envs together took `env_steps`, by their
    /// TensorBoard tags.
    pub fn drain(&mut self, env_steps: u64) -> Vec<(String, f64)> {
        let fresh = std::mem::take(&mut self.fresh);
        if fresh.is_empty() {
            return Vec::new();
        }
        let env_steps = env_steps.max(1) as f64;
        let value = |scalar: &EpisodeScalar, total: f64| {
            let sum = fresh.iter().map(|it| scalar.quantity.of(it)).sum::<f64>();
            match scalar.statistic {
                EpisodeStatistic::Mean => sum / fresh.len() as f64,
                EpisodeStatistic::RecentMean => self.recent_mean(|it| scalar.quantity.of(it)),
                EpisodeStatistic::PerEnvStep => sum * (1.0 / env_steps),
                EpisodeStatistic::PerStep => sum * (self.num_envs as f64 / env_steps),
                EpisodeStatistic::Total => total,
            }
        };
        let scalars = self.scalars.iter().zip(&self.totals);
        scalars.map(|(it, total)| (it.tag.clone(), it.factor * value(it, *total))).collect()
    }
}
