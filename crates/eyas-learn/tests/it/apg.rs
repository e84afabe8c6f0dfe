//! The analytic policy gradient is the gradient, depends on nothing but its seed, and teaches.

use eyas_env::{DifferentiableTask, EnvBlock, PointBlock, PointConfig, PointSurrogate};
use eyas_lanes::{BLOCK, Row};
use eyas_learn::apg::{Apg, RunnerConfig};
use eyas_policy::{Inference, Policy, Scratch};

use crate::flight::{Target, Vehicle, act};

const SEED: u64 = 11;
const WINDOW: usize = 24;

/// A small network whose first actions reach beyond `[-1, 1]`, and gradients that nothing clips.
fn config() -> RunnerConfig<PointSurrogate> {
    let mut config = RunnerConfig::default();
    config.actor.hidden_dims = vec![12, 10];
    let algorithm = &mut config.algorithm;
    algorithm.window_steps = WINDOW;
    // Nobody comes of age: only crashes reset an env.
    algorithm.episode_steps = 1_000_000;
    algorithm.last_layer_scale = 2.0;
    algorithm.max_grad_norm = 1e9;
    config
}

fn apg(config: &RunnerConfig<PointSurrogate>, num_envs: usize) -> Apg<PointBlock> {
    Apg::new(config, &PointConfig::default(), num_envs, SEED).unwrap()
}

/// State and target of every lane before each step and target after it, as the task flies them.
struct Flight {
    starts: Vec<[Vehicle; BLOCK]>,
    targets: Vec<[[Target; BLOCK]; 2]>,
    /// Lanes that begin an episode at each step.
    fresh: Vec<u32>,
    /// Lanes whose episode ends with the window.
    over: u32,
}

fn targets(block: &PointBlock) -> [Target; BLOCK] {
    std::array::from_fn(|lane| {
        let it = block.telemetry(lane);
        Target { position: it.desired_position.map(f64::from), velocity: it.desired_velocity.map(f64::from) }
    })
}

fn vehicles(block: &PointBlock, observation: &[Row]) -> [Vehicle; BLOCK] {
    std::array::from_fn(|lane| {
        let it = block.telemetry(lane);
        let at = |feature: usize| f64::from(observation[feature][lane]);
        let mut body = [0.0; 13];
        let pose = it.position.iter().chain(&it.orientation).chain(&it.velocity);
        body.iter_mut().zip(pose).for_each(|(number, value)| *number = f64::from(*value));
        (0..3).for_each(|axis| body[10 + axis] = at(15 + axis));
        Vehicle {
            body,
            rotor: std::array::from_fn(|motor| at(22 + motor)),
            set_point: std::array::from_fn(|motor| at(18 + motor)),
        }
    })
}

/// Flies what the first window of an [`Apg`] with this actor flies.
fn first_window(actor: &Policy) -> Flight {
    let mut block = PointConfig::default().differentiable_blocks(1, SEED).pop().unwrap();
    let inference = Inference::new(actor);
    let (mut observation, mut action) = (vec![Row::ZERO; 26], vec![Row::ZERO; 4]);
    let mut scratch = Scratch::default();
    let mut flight = Flight { starts: Vec::new(), targets: Vec::new(), fresh: Vec::new(), over: 0 };
    let mut over = u32::MAX;
    for _ in 0..WINDOW {
        block.reset(over);
        flight.fresh.push(over);
        block.observe(&mut observation);
        flight.starts.push(vehicles(&block, &observation));
        inference.act(&observation, &mut [], &mut scratch, &mut action);
        let before = targets(&block);
        over = block.step(&action).terminated;
        flight.targets.push([before, targets(&block)]);
    }
    flight.over = over;
    flight
}

impl Flight {
    /// Mean surrogate cost of a step, flown in `f64` from where each episode begins.
    fn cost(&self, actor: &Policy, parameters: &[f64], surrogate: &PointSurrogate) -> f64 {
        let (architecture, normalizer) = (&actor.network.architecture, actor.normalizer.as_ref().unwrap());
        let mut sum = 0.0;
        for lane in 0..BLOCK {
            let mut vehicle = self.starts[0][lane];
            for time in 0..WINDOW {
                if self.fresh[time] >> lane & 1 == 1 {
                    vehicle = self.starts[time][lane];
                }
                let [before, after] = &self.targets[time];
                let action = act(architecture, normalizer, parameters, &vehicle.observe(&before[lane]));
                sum += vehicle.step(&action, &after[lane], surrogate);
            }
        }
        sum / (BLOCK * WINDOW) as f64
    }
}

#[test]
fn the_gradient_of_a_window_is_that_of_finite_differences_through_everything() {
    let config = config();
    let mut apg = apg(&config, BLOCK);
    let actor = apg.actor.clone();
    let report = apg.iterate().unwrap();
    // Adam's first moment starts at zero and takes a tenth of the first gradient.
    let analytic: Vec<f64> = apg.optimizer.exp_avg.iter().map(|moment| 10.0 * f64::from(*moment)).collect();

    let flight = first_window(&actor);
    assert!(flight.fresh[1..].iter().any(|lanes| *lanes != 0), "no episode ended: resets are not tested");
    let mut set_points = flight.starts.iter().flatten().flat_map(|vehicle| vehicle.set_point);
    assert!(set_points.any(|set_point| set_point >= 1.0), "no action left [-1, 1]: the clamp is not tested");
    let parameters: Vec<f64> = actor.network.parameters.iter().map(|value| f64::from(*value)).collect();
    let surrogate = &config.algorithm.surrogate;
    let cost = flight.cost(&actor, &parameters, surrogate);
    assert!((report.cost - cost).abs() < 1e-4 * cost, "{} against {cost}", report.cost);

    let scale = analytic.iter().fold(0.0_f64, |largest, value| largest.max(value.abs()));
    for index in (0..parameters.len()).step_by(7) {
        let change = 1e-6;
        let shifted = |by: f64| {
            let mut parameters = parameters.clone();
            parameters[index] += by;
            flight.cost(&actor, &parameters, surrogate)
        };
        let numeric = (shifted(change) - shifted(-change)) / (2.0 * change);
        let error = (analytic[index] - numeric).abs();
        // f32 through 24 steps of flight: the worst is 1.4e-6.
        assert!(error < 2e-5 * scale, "parameter {index}: {} against {numeric}", analytic[index]);
    }
}

/// The same vehicle under the cost of a discounted flight, from a time on, if the parameters are `shifted` at
/// that time alone; past the window the terminal value.
struct Discounted<'a> {
    flight: &'a Flight,
    actor: &'a Policy,
    value: &'a eyas_policy::Network,
    gamma: f64,
    surrogate: &'a PointSurrogate,
}

impl Discounted<'_> {
    fn cost_from(
        &self,
        first: usize,
        lane: usize,
        start: Vehicle,
        shifted: &[f64],
        parameters: &[f64],
    ) -> f64 {
        let normalizer = self.actor.normalizer.as_ref().unwrap();
        let (mut vehicle, mut sum, mut factor) = (start, 0.0, 1.0);
        for time in first..WINDOW {
            if time > first && self.flight.fresh[time] >> lane & 1 == 1 {
                return sum;
            }
            let [before, after] = &self.flight.targets[time];
            let parameters = if time == first { shifted } else { parameters };
            let seen = vehicle.observe(&before[lane]);
            let action = act(&self.actor.network.architecture, normalizer, parameters, &seen);
            sum += factor * vehicle.step(&action, &after[lane], self.surrogate);
            factor *= self.gamma;
        }
        if self.flight.over >> lane & 1 == 1 {
            return sum;
        }
        let seen = vehicle.observe(&self.flight.targets[WINDOW - 1][1][lane]);
        let weights: Vec<f64> = self.value.parameters.iter().map(|it| f64::from(*it)).collect();
        let value = act(&self.value.architecture, normalizer, &weights, &seen)[0];
        sum + factor * value / (1.0 - self.gamma)
    }
}

#[test]
fn with_a_terminal_value_each_action_answers_for_the_discounted_cost_that_follows() {
    let mut config = config();
    let algorithm = &mut config.algorithm;
    algorithm.gamma = 0.95;
    algorithm.terminal_value.enabled = true;
    algorithm.terminal_value.hidden_dims = vec![9];
    let mut apg = apg(&config, BLOCK);
    let (actor, value) = (apg.actor.clone(), apg.terminal_value().unwrap().clone());
    apg.iterate().unwrap();
    assert_ne!(value.parameters, apg.terminal_value().unwrap().parameters, "the value learns nothing");
    let analytic: Vec<f64> = apg.optimizer.exp_avg.iter().map(|moment| 10.0 * f64::from(*moment)).collect();

    let flight = first_window(&actor);
    let it = Discounted {
        flight: &flight,
        actor: &actor,
        value: &value,
        gamma: 0.95,
        surrogate: &config.algorithm.surrogate,
    };
    let parameters: Vec<f64> = actor.network.parameters.iter().map(|value| f64::from(*value)).collect();
    let scale = analytic.iter().fold(0.0_f64, |largest, value| largest.max(value.abs()));
    for index in (0..parameters.len()).step_by(41) {
        let shifted = [1e-6, -1e-6].map(|change| {
            let mut parameters = parameters.clone();
            parameters[index] += change;
            parameters
        });
        let mut numeric = 0.0;
        for lane in 0..BLOCK {
            for time in 0..WINDOW {
                let start = flight.starts[time][lane];
                let [up, down] =
                    shifted.each_ref().map(|it_| it.cost_from(time, lane, start, it_, &parameters));
                numeric += (up - down) / 2e-6;
            }
        }
        numeric /= (BLOCK * WINDOW) as f64;
        let error = (analytic[index] - numeric).abs();
        assert!(error < 1e-4 * scale, "parameter {index}: {} against {numeric}", analytic[index]);
    }
}

#[test]
fn one_and_two_threads_learn_the_same_bytes() {
    let learn = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let mut config = config();
            // Time cuts episodes off in every window, and a value stands for what would have come.
            config.algorithm.episode_steps = 2;
            config.algorithm.terminal_value.enabled = true;
            config.algorithm.gamma = 0.95;
            let mut apg = apg(&config, 3 * BLOCK);
            let costs: Vec<u64> = (0..4).map(|_| apg.iterate().unwrap().cost.to_bits()).collect();
            let parameters: Vec<u32> = apg.actor.network.parameters.iter().map(|x| x.to_bits()).collect();
            (costs, parameters)
        })
    };
    assert!(learn(1) == learn(2), "the outcome depends on the number of threads");
}

#[test]
fn sixty_updates_bring_the_cost_below_a_third() {
    let mut config = RunnerConfig::<PointSurrogate> { max_iterations: 60, ..RunnerConfig::default() };
    config.algorithm.window_steps = 75;
    let mut apg = apg(&config, 64);
    let costs: Vec<f64> = (0..60).map(|_| apg.iterate().unwrap().cost).collect();
    let (first, last) = (costs[..5].iter().sum::<f64>(), costs[55..].iter().sum::<f64>());
    assert!(last < first / 3.0, "the mean cost of five updates went from {first} to {last}");
}

/// An actor from another program brings its own normaliser, which used to be stored but not flown with.
#[test]
fn an_actor_flies_with_its_own_normalizer() {
    let cost_with = |std: f32| {
        let mut learner = apg(&config(), BLOCK);
        let mut actor = learner.actor.clone();
        actor.normalizer.as_mut().unwrap().std.fill(std);
        learner.set_actor(actor).unwrap();
        learner.iterate().unwrap().cost
    };
    assert!((cost_with(1.0) - cost_with(10.0)).abs() > 1e-3);
}
