//! Derivatives against central differences.

use eyas_lanes::Stream;
use eyas_sim::{Disturbance, Langevin, Vector};

use super::*;
use crate::tasks::raptor::formulas::OBSERVATIONS;
use crate::tasks::raptor::{Memory, formulas};

/// State 17, last action 4, action 4.
const INPUTS: usize = 25;

fn normal(stream: Stream, case: u32, index: usize) -> f64 {
    f64::from(stream.normals([index as u32, case, 0, 0])[0])
}

/// Vehicles near all limits, so that every barrier is at work, with actions in and out of range.
fn inputs(case: u32) -> [f64; INPUTS] {
    let stream = Stream::new(21, "inputs");
    let sizes = [0.6, 1.0, 1.5, 20.0];
    let mut values: [f64; INPUTS] = std::array::from_fn(|index| {
        let size = match index {
            0..3 => sizes[0],
            3..7 => sizes[1],
            7..10 => sizes[2],
            10..13 => sizes[3],
            _ => 0.9,
        };
        size * normal(stream, case, index)
    });
    let norm = values[3..7].iter().map(|q| q * q).sum::<f64>().sqrt();
    values[3..7].iter_mut().for_each(|q| *q /= norm);
    values[13..17].iter_mut().for_each(|speed| *speed = 0.5 + 0.15 * *speed);
    values
}

fn reference() -> Langevin<f64> {
    Langevin { position: [0.1, -0.05, 0.2], velocity: [0.2, 0.1, -0.1], ..Langevin::at_rest() }
}

fn motors(values: &[f64]) -> [f64; 4] {
    *values.first_chunk().expect("four motors")
}

/// Cost of a step, and derivatives with respect to what went into it.
struct Pulled {
    cost: f64,
    derivative: Derivative<f64>,
    action: [f64; 4],
}

/// An env in a state, which remembers a last action and a force.
fn moment(state: State<f64>, last_action: [f64; 4], force: Vector<f64>) -> Moment<f64, Raptor> {
    Moment { state, memory: Memory { history: last_action, last_action, force }, reference: reference() }
}

/// Goes back from a body through a step that began in a moment.
fn pull_back(
    config: &RaptorConfig,
    surrogate: &RaptorSurrogate,
    before: Moment<f64, Raptor>,
    action: [f64; 4],
    after: Body<f64>,
    later: &Derivative<f64>,
) -> Pulled {
    let step = FlownStep {
        flown: Flown { vehicle: Vehicle::new(&config.robot), disturbance: Disturbance::none() },
        voltage: None,
        before,
        action,
        after,
        reference_after: reference().position,
    };
    let limits = Limits { start_position: [0.2], position: [position_threshold(config)], force_std: [0.0] };
    let mut derivative = *later;
    let (cost, action) = Raptor::new(config).pull_back_step(surrogate, &step, &limits, &mut derivative);
    Pulled { cost, derivative, action }
}

fn position_threshold(config: &RaptorConfig) -> f64 {
    config.position_threshold(&config.fleet_vehicle())
}

/// Cost of the step, and the state after it.
fn fly(config: &RaptorConfig, inputs: &[f64; INPUTS]) -> (f64, State<f64>, Pulled) {
    let vehicle = Vehicle::new(&config.robot);
    let before = State::from_fields(*inputs.first_chunk().expect("a state"));
    let (last_action, action) = (motors(&inputs[17..]), motors(&inputs[21..]));
    let force = [0.01, -0.02, 0.03];
    let disturbance = Disturbance { force_world: force, ..Disturbance::none() };
    let next = formulas::step(config, &vehicle, &before, &action, &disturbance);
    let later = Derivative { state: State::from_fields(weights()), command: [0.3, -0.2, 0.1, 0.4] };
    let before = moment(before, last_action, force);
    let pulled = pull_back(config, &RaptorSurrogate::default(), before, action, next.body, &later);
    (pulled.cost, next, pulled)
}

/// Derivative of what comes later with respect to the state after the step.
fn weights() -> [f64; 17] {
    std::array::from_fn(|index| 0.1 * normal(Stream::new(23, "weights"), 0, index))
}

fn value(config: &RaptorConfig, inputs: &[f64; INPUTS]) -> f64 {
    let (cost, next, _) = fly(config, inputs);
    let later: f64 = next.fields().into_iter().zip(weights()).map(|(a, b)| a * b).sum();
    // What the next observation and cost say about the action.
    let seen: f64 = inputs[21..].iter().zip([0.3, -0.2, 0.1, 0.4]).map(|(a, b)| a * b).sum();
    cost + later + seen
}

#[test]
fn a_step_pulls_back_what_central_differences_show() {
    let config = RaptorConfig::default();
    let mut outside = 0;
    for case in 0..30 {
        let inputs = inputs(case);
        outside += inputs[21..].iter().filter(|action| action.abs() > 1.0).count();
        let (_, _, pulled) = fly(&config, &inputs);
        let analytic: Vec<f64> = pulled
            .derivative
            .state
            .fields()
            .into_iter()
            .copied()
            .chain(pulled.derivative.command)
            .chain(pulled.action)
            .collect();
        let scale = analytic.iter().fold(0.0_f64, |largest, it| largest.max(it.abs()));
        for index in 0..INPUTS {
            let change = 1e-6;
            let shifted = |by: f64| {
                let mut moved = inputs;
                moved[index] += by;
                value(&config, &moved)
            };
            let numeric = (shifted(change) - shifted(-change)) / (2.0 * change);
            // The kinks of the barriers' second derivatives leave an error of first order.
            assert!(
                (analytic[index] - numeric).abs() < 1e-6 * scale,
                "case {case}, input {index}: {} against {numeric}",
                analytic[index]
            );
        }
    }
    assert!(outside > 10, "the clamp of actions is not tested");
}

#[test]
fn without_barriers_the_cost_is_the_reward_of_the_state_after() {
    let config = RaptorConfig::default();
    let none = Barrier { reach: 0.0, weight: 0.0 };
    let surrogate = RaptorSurrogate {
        position_rounding_m: 1e-9,
        orientation_cusp: 1e-9,
        d_action_rounding: 1e-9,
        linear_velocity_barrier: none,
        angular_velocity_barrier: none,
        position_barrier: none,
        saturation_weight: 0.0,
    };
    for case in 0..10 {
        let inputs = inputs(case);
        let state: State<f64> = State::from_fields(*inputs.first_chunk().expect("a state"));
        let (last_action, action) = (motors(&inputs[17..]), motors(&inputs[21..]));
        let before = moment(state, last_action, [0.0; 3]);
        let later = Derivative::default();
        let cost = pull_back(&config, &surrogate, before, action, state.body, &later).cost;
        let reward: f64 =
            formulas::running_reward(&config.reward, &state.body, &reference(), &action, &last_action)
                .iter()
                .sum();
        assert!((cost + reward - config.reward.constant).abs() < 1e-8, "{cost} and {reward}");
    }
}

#[test]
fn an_observation_pulls_back_what_central_differences_show() {
    let config = RaptorConfig::default();
    let vehicle = Vehicle::new(&config.robot);
    for case in 0..10 {
        let inputs = inputs(case);
        let weights: [f64; OBSERVATIONS] =
            std::array::from_fn(|index| normal(Stream::new(25, "covector"), case, index));
        let value = |inputs: &[f64; INPUTS]| -> f64 {
            let state = State::from_fields(*inputs.first_chunk().expect("a state"));
            let seen = formulas::observe(&vehicle, &state, &reference(), &motors(&inputs[17..]));
            seen.iter().zip(weights).map(|(a, b)| a * b).sum()
        };
        let before = State::from_fields(*inputs.first_chunk().expect("a state"));
        let before = moment(before, motors(&inputs[17..]), [0.0; 3]);
        let mut derivative = Derivative::default();
        Raptor::new(&config).pull_back_observation(&vehicle, &before, &weights.as_slice(), &mut derivative);
        let state = derivative.state.fields().into_iter().copied();
        let analytic: Vec<f64> = state.chain(derivative.command).collect();
        for (index, analytic) in analytic.into_iter().enumerate() {
            let shifted = |by: f64| {
                let mut moved = inputs;
                moved[index] += by;
                value(&moved)
            };
            let numeric = (shifted(1e-4) - shifted(-1e-4)) / 2e-4;
            assert!((analytic - numeric).abs() < 1e-8, "input {index}: {analytic} against {numeric}");
        }
    }
}
