//! Returns, advantages, losses, gradients and learning rates against rsl_rl 5.5.1 (`tests/data/generate_ppo.py`, in
//! `f64`) and against finite differences.

#![expect(clippy::disallowed_methods, reason = "expected values may differ in the last bit")]

use eyas_env::{
    Actuation, Cause, Ended, Env, EnvBlock, EnvSpec, Frame, MAX_TERMS, Part, Perturbation, Step, Telemetry,
};
use eyas_lanes::{BLOCK, Row};
use eyas_policy::Activation;
use eyas_sim::Body;
use serde::Deserialize;

use super::update::Sample;
use super::*;
use crate::engine::CpuEngine;

const RSL_RL: &str = include_str!("../../tests/data/ppo_rsl_rl_5.5.1.json");

/// `[step][env]`.
type Table<T> = Vec<Vec<T>>;

#[derive(Deserialize)]
struct Data {
    /// One step more than the others: what is seen at the end.
    observations: Table<Vec<f32>>,
    rewards: Table<f32>,
    terminated: Table<bool>,
    time_outs: Table<bool>,
    actions: Table<Vec<f32>>,
    log_probs: Table<f64>,
    /// Who recorded the rollout.
    behaviour: Weights,
    /// Who learns from it.
    start: Weights,
    /// With advantages normalised over the rollout, and without.
    normalised: Recorded,
    plain: Recorded,
    cases: Vec<Case>,
}

#[derive(Clone, Deserialize)]
struct Weights {
    std: Vec<f64>,
    actor: Vec<f64>,
    critic: Vec<f64>,
}

#[derive(Deserialize)]
struct Recorded {
    values: Table<f64>,
    returns: Table<f64>,
    advantages: Table<f64>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    algorithm: AlgorithmConfig,
    /// After 1, 2, … epochs.
    after: Vec<Learned>,
}

#[derive(Deserialize)]
struct Learned {
    losses: MeanLosses,
    learning_rate: f64,
    #[serde(flatten)]
    weights: Weights,
}

#[derive(Deserialize)]
struct MeanLosses {
    value: f64,
    surrogate: f64,
    entropy: f64,
}

fn data() -> Data {
    serde_json::from_str(RSL_RL).unwrap()
}

/// A block that shows, pays and ends what it is told to, whatever the actions.
struct ScriptedBlock {
    first_env: u32,
    /// `[step][feature]`.
    observations: Vec<Vec<Row>>,
    steps: Vec<Step>,
    time: usize,
}

impl ScriptedBlock {
    fn env(data: &Data) -> Env {
        let num_envs = data.rewards[0].len();
        let features = data.observations[0][0].len();
        let blocks = (0..num_envs).step_by(BLOCK).map(|first| {
            // Lanes past the last env see, get and do what no env does.
            let row = |of: &dyn Fn(usize) -> f32| {
                Row(std::array::from_fn(|lane| if first + lane < num_envs { of(first + lane) } else { 1e3 }))
            };
            let bits = |flags: &[bool]| -> u32 {
                flags
                    .iter()
                    .skip(first)
                    .take(BLOCK)
                    .enumerate()
                    .map(|(lane, it)| u32::from(*it) << lane)
                    .sum()
            };
            let observation = |seen: &Vec<Vec<f32>>| -> Vec<Row> {
                (0..features).map(|feature| row(&|env| seen[env][feature])).collect()
            };
            let step = |time: usize| Step {
                reward: row(&|env| data.rewards[time][env]),
                terminated: bits(&data.terminated[time]),
                truncated: bits(&data.time_outs[time]),
            };
            Self {
                first_env: first as u32,
                observations: data.observations.iter().map(observation).collect(),
                steps: (0..data.rewards.len()).map(step).collect(),
                time: 0,
            }
        });
        Env::new(spec(features, data.actions[0][0].len()), num_envs, blocks.collect())
    }
}

fn spec(features: usize, num_actions: usize) -> EnvSpec {
    EnvSpec {
        task: "scripted",
        parts: vec![Part { name: "made_up", width: features, frame: Frame::World, unit: "1", meaning: "" }],
        groups: Vec::new(),
        num_actions,
        action: "",
        actuation: Actuation::Rotors,
        motor_order: "",
        control_rate_hz: 100.0,
        max_episode_length: 100,
        reward_terms: Vec::new(),
        terminations: Vec::new(),
        episode_log: Vec::new(),
        symmetries: Vec::new(),
    }
}

impl EnvBlock for ScriptedBlock {
    fn first_env(&self) -> u32 {
        self.first_env
    }

    fn set_first_env(&mut self, first_env: u32) {
        self.first_env = first_env;
    }

    fn reset(&mut self, _mask: u32) {}

    fn set_next_episode(&mut self, _lane: usize, _episode: u32) {}

    fn observe(&self, observation: &mut [Row]) {
        observation.copy_from_slice(&self.observations[self.time]);
    }

    fn step(&mut self, _action: &[Row]) -> Step {
        self.time += 1;
        self.steps[self.time - 1]
    }

    fn episode(&self, _lane: usize) -> Ended {
        Ended {
            env: self.first_env,
            length: self.time as u32,
            episode_return: 0.0,
            terms: [0.0; MAX_TERMS],
            cause: Cause::default(),
            final_speed: 0.0,
            final_distance: 0.0,
        }
    }

    fn telemetry(&self, _lane: usize) -> Telemetry {
        Telemetry::default()
    }

    fn ended(&self) -> u32 {
        0
    }

    fn set_age(&mut self, _lane: usize, _steps: u32) {}

    fn put(&mut self, _lane: usize, _body: &Body<f32>) {}

    fn perturb(&mut self, _interference: Perturbation) {}

    fn visit_state(&mut self, _visit: &mut dyn FnMut(&mut u32)) {}
}

fn narrow(values: &[f64]) -> Vec<f32> {
    values.iter().map(|value| *value as f32).collect()
}

impl Ppo {
    fn take(&mut self, weights: &Weights) {
        self.std = narrow(&weights.std);
        self.actor.network.parameters = narrow(&weights.actor);
        self.critic.parameters = narrow(&weights.critic);
    }
}

/// A learner at its start, who holds the rollout that the data are of.
fn recorded(data: &Data, algorithm: &AlgorithmConfig) -> Ppo {
    let mut engine = CpuEngine::new(Box::new(ScriptedBlock::env(data)));
    let mut config = RunnerConfig { num_steps_per_env: data.rewards.len(), ..RunnerConfig::default() };
    for model in [&mut config.actor, &mut config.critic] {
        *model = ModelConfig {
            hidden_dims: vec![5],
            activation: Activation::Elu,
            obs_normalization: false,
            ..ModelConfig::default()
        };
    }
    config.algorithm = AlgorithmConfig { num_mini_batches: 1, ..algorithm.clone() };
    let mut ppo = Ppo::new(&config, &mut engine, 0).unwrap();
    ppo.take(&data.behaviour);
    ppo.rollout.collect(0, &mut engine, &ppo.actor, &ppo.std, &ppo.critic, None).unwrap();
    // The actions are drawn by another generator than ours.
    let actions = data.actions[0][0].len();
    for (block, rollout) in ppo.rollout.blocks.iter_mut().enumerate() {
        for step in 0..data.rewards.len() {
            for lane in 0..BLOCK.min(engine.num_envs() - block * BLOCK) {
                let env = block * BLOCK + lane;
                rollout.log_probs[step][lane] = data.log_probs[step][env] as f32;
                for action in 0..actions {
                    rollout.actions[step * actions + action][lane] = data.actions[step][env][action];
                }
            }
        }
    }
    ppo.take(&data.start);
    ppo
}

#[track_caller]
fn near(found: f64, expected: f64, tolerance: f64, what: &str) {
    assert!((found - expected).abs() <= tolerance, "{what}: {found}, expected {expected}");
}

#[test]
fn returns_and_advantages_are_those_of_rsl_rl() {
    let data = data();
    let ends = |flags: &Table<bool>| flags.iter().flatten().filter(|it| **it).count();
    assert!(ends(&data.terminated) > 10 && ends(&data.time_outs) > 10);
    for (per_mini_batch, expected) in [(false, &data.normalised), (true, &data.plain)] {
        let mut algorithm = data.cases[0].algorithm.clone();
        algorithm.normalize_advantage_per_mini_batch = per_mini_batch;
        let ppo = recorded(&data, &algorithm);
        for (step, returns) in expected.returns.iter().enumerate() {
            for (env, expected_return) in returns.iter().enumerate() {
                let (block, lane) = (&ppo.rollout.blocks[env / BLOCK], env % BLOCK);
                // Numbers of about 3, each after at most 6 steps of a few roundings of 2⁻²⁴ of it.
                for (name, found, expected) in [
                    ("value", block.values[step][lane], expected.values[step][env]),
                    ("return", block.returns[step][lane], *expected_return),
                    ("advantage", block.advantages[step][lane], expected.advantages[step][env]),
                ] {
                    near(f64::from(found), expected, 5e-6, &format!("{name} of env {env} at step {step}"));
                }
            }
        }
    }
}

#[test]
fn updates_are_those_of_rsl_rl() {
    let data = data();
    let mut rates = Vec::new();
    for case in &data.cases {
        for (epochs, expected) in (1..).zip(&case.after) {
            let algorithm = AlgorithmConfig { num_learning_epochs: epochs, ..case.algorithm.clone() };
            let mut ppo = recorded(&data, &algorithm);
            let losses = ppo.update().unwrap();
            let what = |it: &str| format!("{} after {epochs} epochs: {it}", case.name);
            let rate = f64::from(ppo.learning_rate);
            near(rate, expected.learning_rate, 1e-6 * expected.learning_rate, &what("learning rate"));
            rates.push(expected.learning_rate / case.algorithm.learning_rate);
            // Means over 240 samples of numbers of about 1, in 32 bits.
            near(losses.value_function, expected.losses.value, 2e-5, &what("value loss"));
            near(losses.surrogate, expected.losses.surrogate, 2e-5, &what("surrogate"));
            near(losses.entropy, expected.losses.entropy, 2e-6, &what("entropy"));
            for (name, found, expected) in [
                ("std", &ppo.std, &expected.weights.std),
                ("actor", &ppo.actor.network.parameters, &expected.weights.actor),
                ("critic", &ppo.critic.parameters, &expected.weights.critic),
            ] {
                assert_eq!(found.len(), expected.len());
                for (index, (found, expected)) in found.iter().zip(expected).enumerate() {
                    // Of four steps of Adam, each as long as the learning rate, a thousandth: it divides the gradient by
                    // its own size, so that errors of a small one are as large as those of a large one.
                    let tolerance = 1e-3 * case.algorithm.learning_rate;
                    near(f64::from(*found), *expected, tolerance, &what(&format!("{name} {index}")));
                }
            }
        }
    }
    // The schedule went both ways, and stood still.
    assert!(rates.iter().any(|it| *it < 0.5) && rates.iter().any(|it| *it > 2.0), "{rates:?}");
}

/// Output of a network with one hidden layer of ELUs, in `f64`.
fn forward(parameters: &[f64], [inputs, hidden, outputs]: [usize; 3], input: &[f32]) -> Vec<f64> {
    let layer = |parameters: &[f64], input: &[f64], outputs: usize| -> Vec<f64> {
        let (weights, biases) = parameters.split_at(input.len() * outputs);
        let rows = weights.chunks(input.len()).zip(biases);
        rows.map(|(row, bias)| row.iter().zip(input).map(|(a, b)| a * b).sum::<f64>() + bias).collect()
    };
    let input: Vec<f64> = input.iter().copied().map(f64::from).collect();
    let (first, second) = parameters.split_at((inputs + 1) * hidden);
    let elu = |x: f64| if x > 0.0 { x } else { x.exp_m1() };
    let hidden: Vec<f64> = layer(first, &input, hidden).into_iter().map(elu).collect();
    layer(second, &hidden, outputs)
}

/// The objective of a mini-batch of all samples by the words of the paper, in `f64`, and how many samples are clipped:
/// ratios above, ratios below, values.
fn objective(data: &Data, ppo: &Ppo, algorithm: &AlgorithmConfig, parameters: &[f64]) -> (f64, [usize; 3]) {
    let inputs = data.observations[0][0].len();
    let actions = data.actions[0][0].len();
    let (std, rest) = parameters.split_at(actions);
    let (actor, critic) = rest.split_at(data.start.actor.len());
    let clip = algorithm.clip_param;
    let (mut sum, mut count, mut clipped) = (0.0, 0.0, [0; 3]);
    for (step, taken) in data.actions.iter().enumerate() {
        for (env, action) in taken.iter().enumerate() {
            let (block, lane) = (&ppo.rollout.blocks[env / BLOCK], env % BLOCK);
            let at = |rows: &[Row]| f64::from(rows[step][lane]);
            let [advantage, target, old] = [at(&block.advantages), at(&block.returns), at(&block.values)];
            let seen = &data.observations[step][env];
            let mean = forward(actor, [inputs, 5, actions], seen);
            let log_prob: f64 = (0..actions)
                .map(|it| {
                    let z = (f64::from(action[it]) - mean[it]) / std[it];
                    -0.5 * z * z - std[it].ln() - 0.5 * std::f64::consts::TAU.ln()
                })
                .sum();
            let ratio = (log_prob - at(&block.log_probs)).exp();
            let surrogate = -(advantage * ratio).min(advantage * ratio.clamp(1.0 - clip, 1.0 + clip));
            let value = forward(critic, [inputs, 5, 1], seen)[0];
            let near = old + (value - old).clamp(-clip, clip);
            let mut value_loss = (value - target).powi(2);
            if algorithm.use_clipped_value_loss {
                value_loss = value_loss.max((near - target).powi(2));
            }
            sum += surrogate + algorithm.value_loss_coef * value_loss;
            count += 1.0;
            clipped[0] += usize::from(advantage > 0.0 && ratio > 1.0 + clip);
            clipped[1] += usize::from(advantage < 0.0 && ratio < 1.0 - clip);
            clipped[2] += usize::from((near - target).powi(2) > (value - target).powi(2));
        }
    }
    let entropy: f64 = std.iter().map(|std| 0.5 + 0.5 * std::f64::consts::TAU.ln() + std.ln()).sum();
    (sum / count - algorithm.entropy_coef * entropy, clipped)
}

#[test]
fn the_gradient_is_that_of_finite_differences_of_the_objective() {
    let data = data();
    for use_clipped_value_loss in [true, false] {
        // An entropy bonus that outweighs roundings.
        let algorithm =
            AlgorithmConfig { use_clipped_value_loss, entropy_coef: 0.3, ..data.cases[0].algorithm.clone() };
        let mut ppo = recorded(&data, &algorithm);
        let blocks = ppo.rollout.blocks.len();
        let samples: Vec<Sample> = (0..blocks)
            .flat_map(|block| (0..data.rewards.len()).map(move |step| Sample { block, step }))
            .collect();
        let losses = ppo.gradient(&algorithm, &samples, &narrow(&data.behaviour.std));
        let found = ppo.updater.gradient.clone();

        let start = &data.start;
        let parameters: Vec<f64> =
            [&start.std, &start.actor, &start.critic].into_iter().flatten().copied().collect();
        let (total, clipped) = objective(&data, &ppo, &algorithm, &parameters);
        assert!(clipped.iter().all(|count| *count >= 5), "clipped: {clipped:?}");
        let sum = losses.surrogate + algorithm.value_loss_coef * losses.value_function
            - algorithm.entropy_coef * losses.entropy;
        near(sum, total, 1e-5, "objective");
        assert_eq!(found.len(), parameters.len());
        let scale = found.iter().fold(0.0_f64, |largest, it| largest.max(f64::from(it.abs())));
        for index in 0..parameters.len() {
            let change = 1e-6;
            let shifted = |by: f64| {
                let mut parameters = parameters.clone();
                parameters[index] += by;
                objective(&data, &ppo, &algorithm, &parameters).0
            };
            let numeric = (shifted(change) - shifted(-change)) / (2.0 * change);
            // Means over 240 samples in 32 bits.
            near(f64::from(found[index]), numeric, 1e-5 * scale, &format!("parameter {index}"));
        }
    }
}
