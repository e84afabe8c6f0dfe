//! What comes after a window: a learned value of the state at its end.

use eyas_env::EnvSpec;
use eyas_lanes::{BLOCK, Row, Stream};
use eyas_policy::{
    Activation, Adam, Architecture, Init, Network, Normalizer, Pass, Trainer, Unroll, UnrollTape,
    Untrainable, clip_gradient_norm,
};
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::engine::sum_of_shards;
use crate::finite::NotFinite;

/// The terminal value of SHAC (Xu et al. 2022, arXiv:2204.07137).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TerminalValueConfig {
    /// Whether the cost of a window ends with the value of its last state.
    pub enabled: bool,
    /// Widths of the hidden layers of the value function.
    pub hidden_dims: Vec<usize>,
    /// Learning rate of its Adam; it falls with the actor's. Positive.
    pub learning_rate: f64,
    /// λ of TD(λ). In `[0, 1]`.
    pub lam: f64,
    /// Steps of Adam after each window, each on its share of the window's times. At least 1.
    pub num_mini_batches: usize,
    /// Cost of a termination, which only the value function sees. At least 0.
    pub crash_cost: f64,
}

impl Default for TerminalValueConfig {
    /// λ as in SHAC; the rest measured, see `docs/algorithms/apg.md`.
    fn default() -> Self {
        Self {
            enabled: false,
            hidden_dims: vec![64, 64],
            learning_rate: 2e-3,
            lam: 0.95,
            num_mini_batches: 4,
            crash_cost: 0.0,
        }
    }
}

impl TerminalValueConfig {
    pub(super) fn validate(&self) -> Result<(), String> {
        let key = "agent.algorithm.terminal_value";
        if !(self.learning_rate > 0.0 && self.learning_rate.is_finite()) {
            return Err(format!(
                "`{key}.learning_rate` = {}, expected a positive number",
                self.learning_rate
            ));
        }
        if !(0.0..=1.0).contains(&self.lam) {
            return Err(format!("`{key}.lam` = {}, expected a number in [0, 1]", self.lam));
        }
        if self.num_mini_batches == 0 {
            return Err(format!("`{key}.num_mini_batches` = 0, expected at least 1"));
        }
        if self.hidden_dims.contains(&0) {
            return Err(format!("`{key}.hidden_dims` holds a layer of width 0, expected at least 1"));
        }
        if !(self.crash_cost >= 0.0 && self.crash_cost.is_finite()) {
            return Err(format!("`{key}.crash_cost` = {}, expected a number of at least 0", self.crash_cost));
        }
        Ok(())
    }
}

/// The value function, which predicts `(1 − γ)` times the discounted cost to come, so that its outputs are of
/// the size of a step's cost.
pub(super) struct Critic {
    config: TerminalValueConfig,
    gamma: f32,
    pub(super) network: Network,
    optimizer: Adam,
    /// For one state and its gradient.
    unroll: Unroll,
    /// For many states at once.
    trainer: Trainer,
    gradient: Vec<f32>,
}

/// What the value function learns from of a block, and its share of the gradient.
#[derive(Default)]
pub(super) struct CriticShard {
    tape: UnrollTape,
    pass: Pass,
    /// Normalised observations of the window's times, then of its end, then of states cut off by time.
    inputs: Vec<Row>,
    cuts: Vec<Row>,
    targets: Vec<Row>,
    gradient: Vec<f32>,
    loss: f64,
}

/// What a window left for the value function to learn from.
pub(super) struct Window<'a> {
    /// Cost of each step.
    pub(super) costs: &'a [Row],
    /// Lanes that crashed at each step.
    pub(super) crashed: &'a [u32],
    /// Lanes that were cut off at each step by time.
    pub(super) cut: &'a [u32],
}

impl Critic {
    pub(super) fn new(
        config: &TerminalValueConfig,
        gamma: f64,
        spec: &EnvSpec,
        normalizer: &Normalizer,
        seed: u64,
    ) -> Result<Self, Untrainable> {
        let architecture =
            Architecture::mlp(spec.num_observations(), &config.hidden_dims, 1, Activation::Elu);
        let network = Network::new(architecture, Init::Torch, Stream::new(seed, "apg/terminal_value"));
        Ok(Self {
            unroll: Unroll::new(&network.architecture, Some(normalizer))?,
            trainer: Trainer::new(&network.architecture)?,
            optimizer: Adam::new(network.parameters.len()),
            gradient: vec![0.0; network.parameters.len()],
            config: config.clone(),
            gamma: gamma as f32,
            network,
        })
    }

    /// Reads observations through another normaliser.
    pub(super) fn set_normalizer(&mut self, normalizer: Option<&Normalizer>) -> Result<(), Untrainable> {
        self.unroll = Unroll::new(&self.network.architecture, normalizer)?;
        Ok(())
    }

    /// [`EnvBlock::visit_state`](eyas_env::EnvBlock::visit_state) of what was learned.
    pub(super) fn visit_state(&mut self, visit: &mut dyn FnMut(&mut u32)) {
        let Adam { step, exp_avg, exp_avg_sq } = &mut self.optimizer;
        for value in self.network.parameters.iter_mut().chain(exp_avg).chain(exp_avg_sq) {
            let mut bits = value.to_bits();
            visit(&mut bits);
            *value = f32::from_bits(bits);
        }
        let mut words = [*step as u32, (*step >> 32) as u32];
        words.iter_mut().for_each(visit);
        *step = u64::from(words[0]) | u64::from(words[1]) << 32;
    }

    pub(super) fn shard(&self) -> CriticShard {
        let mut shard = CriticShard::default();
        self.unroll.prepare(1, &mut shard.tape);
        shard
    }

    /// Takes over what was learned.
    pub(super) fn refresh(&mut self) {
        self.unroll.refresh(&self.network.parameters);
        self.trainer.refresh(&self.network.parameters);
    }

    /// Keeps the observation of a state that time is about to cut off.
    pub(super) fn keep_cut(&self, observation: &[Row], shard: &mut CriticShard) {
        self.unroll.forward(0, observation, &mut shard.tape);
        shard.cuts.extend_from_slice(self.unroll.input(0, &shard.tape));
    }

    /// Gradient of the cost to come after the window with respect to the observation at its end; keeps that
    /// and the normalised observations of the window.
    pub(super) fn close(&self, window: &[Row], end: &[Row], shard: &mut CriticShard, slope: &mut [Row]) {
        self.unroll.forward(0, end, &mut shard.tape);
        shard.inputs.clear();
        shard.inputs.extend_from_slice(window);
        shard.inputs.extend_from_slice(self.unroll.input(0, &shard.tape));
        shard.inputs.append(&mut shard.cuts);
        let to_cost = Row::splat(1.0 / (1.0 - self.gamma));
        self.unroll.backward(0, &[to_cost], &mut shard.tape, slope);
    }

    /// One pass over the windows of all blocks in mini-batches of their times; returns the mean squared error
    /// of the predictions before it.
    pub(super) fn learn(
        &mut self,
        shards: &mut [(&mut CriticShard, Window)],
        rate_share: f32,
    ) -> Result<f64, NotFinite> {
        shards.par_iter_mut().for_each(|(shard, window)| self.set_targets(shard, window));
        let times = shards.first().map_or(0, |(shard, _)| shard.targets.len());
        let batches = self.config.num_mini_batches.min(times);
        let mut loss = 0.0;
        for batch in 0..batches {
            if batch > 0 {
                self.trainer.refresh(&self.network.parameters);
            }
            let samples = (shards.len() * times.div_ceil(batches) * BLOCK) as f32;
            let mut gradient = std::mem::take(&mut self.gradient);
            sum_of_shards(shards, 1.0, &mut gradient, |(shard, _)| {
                self.add_batch(shard, batch, batches, 1.0 / samples);
                &shard.gradient
            });
            self.gradient = gradient;
            loss += shards.iter().map(|(it, _)| it.loss / batches as f64).sum::<f64>();
            let norm = clip_gradient_norm(&mut self.gradient, 1.0);
            NotFinite::check("norm of the terminal value's gradient", &[norm])?;
            let rate = self.config.learning_rate as f32 * rate_share;
            self.optimizer.update(&mut self.network.parameters, &self.gradient, rate);
        }
        Ok(loss)
    }

    /// TD(λ) targets, from the end of the window back:
    /// `R_t = c_t + γ ((1 − λ) V(o_{t+1}) + λ R_{t+1})`, with `V` alone past the window or a cut, and the cost
    /// of a crash past one.
    fn set_targets(&self, shard: &mut CriticShard, window: &Window) {
        self.trainer.forward(&shard.inputs, &mut shard.pass);
        let values = shard.pass.output();
        let times = window.costs.len();
        shard.targets.clear();
        shard.targets.resize(times, Row::ZERO);
        // In the unit of the predictions.
        let unit = 1.0 - self.gamma;
        let crash = unit * self.config.crash_cost as f32;
        let lambda = self.config.lam as f32;
        let mut next = values[times];
        let mut cuts = values.len();
        for time in (0..times).rev() {
            let (crashed, cut) = (window.crashed[time], window.cut[time]);
            if cut != 0 {
                cuts -= 1;
            }
            for lane in 0..BLOCK {
                let to_come = if crashed >> lane & 1 == 1 {
                    crash
                } else if cut >> lane & 1 == 1 {
                    self.gamma * values[cuts][lane]
                } else {
                    self.gamma * ((1.0 - lambda) * values[time + 1][lane] + lambda * next[lane])
                };
                next[lane] = unit * window.costs[time][lane] + to_come;
            }
            shard.targets[time] = next;
        }
    }

    fn add_batch(&self, shard: &mut CriticShard, batch: usize, batches: usize, share: f32) {
        let width = self.trainer.architecture().inputs;
        let CriticShard { pass, inputs, targets, gradient, loss, .. } = shard;
        gradient.clear();
        gradient.resize(self.network.parameters.len(), 0.0);
        *loss = 0.0;
        let chosen: Vec<usize> = (batch..targets.len()).step_by(batches).collect();
        let mut input = Vec::with_capacity(chosen.len() * width);
        for time in &chosen {
            input.extend_from_slice(&inputs[time * width..][..width]);
        }
        self.trainer.forward(&input, pass);
        let (values, slopes) = pass.output_and_gradient();
        for ((value, slope), time) in values.iter().zip(slopes).zip(chosen) {
            for lane in 0..BLOCK {
                let error = value[lane] - targets[time][lane];
                *loss += f64::from(share * error * error);
                slope[lane] = 2.0 * share * error;
            }
        }
        self.trainer.backward(&input, pass, gradient);
    }
}

#[cfg(test)]
mod tests {
    use eyas_env::{PointConfig, TaskConfig as _};

    use super::*;

    /// A value function that says the same of every state.
    fn critic(value: f32, lam: f64) -> Critic {
        let config = TerminalValueConfig { lam, crash_cost: 40.0, ..TerminalValueConfig::default() };
        let spec = PointConfig::default().spec();
        let mut critic = Critic::new(&config, 0.9, &spec, &Normalizer::new(26), 1).unwrap();
        critic.network.parameters.fill(0.0);
        *critic.network.parameters.last_mut().unwrap() = value;
        critic.refresh();
        critic
    }

    #[test]
    fn targets_are_those_of_td_lambda_across_crashes_and_cuts() {
        let critic = critic(2.0, 0.5);
        let mut shard = critic.shard();
        let costs = [1.0, 2.0, 3.0, 4.0].map(Row::splat);
        // Lane 1 crashes in the second step, lane 2 is cut off in the third.
        let window = Window { costs: &costs, crashed: &[0, 0b10, 0, 0], cut: &[0, 0, 0b100, 0] };
        // Four times, the end, and the state that was cut off.
        shard.inputs = vec![Row::ZERO; 6 * 26];
        critic.set_targets(&mut shard, &window);
        let ahead = |cost: f32, next: f32| 0.1 * cost + 0.9 * (0.5 * 2.0 + 0.5 * next);
        let fourth = ahead(4.0, 2.0);
        let third = ahead(3.0, fourth);
        let second = ahead(2.0, third);
        let crashed = 0.1 * 2.0 + 0.1 * 40.0;
        let cut = 0.1 * 3.0 + 0.9 * 2.0;
        let expected = [
            [ahead(1.0, second), second, third, fourth],
            [ahead(1.0, crashed), crashed, third, fourth],
            [ahead(1.0, ahead(2.0, cut)), ahead(2.0, cut), cut, fourth],
        ];
        for (lane, expected) in expected.into_iter().enumerate() {
            for (target, expected) in shard.targets.iter().zip(expected) {
                assert!((target[lane] - expected).abs() < 1e-5, "lane {lane}: {} {expected}", target[lane]);
            }
        }
    }

    #[test]
    fn the_value_learns_its_targets() {
        let mut critic = critic(0.0, 1.0);
        let mut shard = critic.shard();
        let costs = [Row::splat(1.0); 8];
        shard.inputs = vec![Row::ZERO; 9 * 26];
        let losses: Vec<f64> = (0..300)
            .map(|_| {
                critic.refresh();
                let window = Window { costs: &costs, crashed: &[0; 8], cut: &[0; 8] };
                critic.learn(&mut [(&mut shard, window)], 1.0).unwrap()
            })
            .collect();
        assert!(losses[299] < 0.05 * losses[0], "from {} to {}", losses[0], losses[299]);
    }
}
