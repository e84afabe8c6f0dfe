//! Derivatives against central differences.

use eyas_lanes::{BLOCK, Row, Stream};
use eyas_sim::{Disturbance, Vector, Vehicle, body_from_world, step_held};

use super::*;
use crate::{DifferentiableBlock as _, EnvBlock as _, Record};

/// Position, orientation, velocity and angular velocity, then the action.
const INPUTS: usize = 17;

type Inputs = [f64; INPUTS];

fn normal(name: &str, lane: usize, index: usize) -> f64 {
    f64::from(Stream::new(21, name).normals([index as u32, lane as u32, 0, 0])[0])
}

/// Vehicles around both limits of the height, with actions in and out of range.
fn inputs(lane: usize) -> Inputs {
    let mut values: Inputs = std::array::from_fn(|index| {
        let size = match index {
            3..7 => 1.0,
            10..13 => 8.0,
            _ => 0.9,
        };
        f64::from((size * normal("inputs", lane, index)) as f32)
    });
    let norm = values[3..7].iter().map(|it| it * it).sum::<f64>().sqrt();
    values[3..7].iter_mut().for_each(|it| *it = f64::from((*it / norm) as f32));
    values
}

fn body(inputs: &Inputs) -> Body<f64> {
    let [a, b, c, d, e, f, g, h, i, j, k, l, m, ..] = *inputs;
    Body { position: [a, b, c], orientation: [d, e, f, g], velocity: [h, i, j], angular_velocity: [k, l, m] }
}

fn numbers(body: &Body<f64>) -> [f64; 13] {
    let State { body: Body { position: p, orientation: q, velocity: v, angular_velocity: w }, .. } =
        State { body: *body, rotor_speed: [0.0; 4] };
    [p[0], p[1], p[2], q[0], q[1], q[2], q[3], v[0], v[1], v[2], w[0], w[1], w[2]]
}

fn square(v: Vector<f64>) -> f64 {
    v.iter().map(|it| it * it).sum()
}

/// The surrogate's cost of a step and what comes later, which weighs the numbers of the state after it.
fn value(config: &DirectConfig, goal: Vector<f64>, inputs: &Inputs, later: &[f64; 13]) -> f64 {
    let surrogate = DirectSurrogate::default();
    let action: [f64; 4] = std::array::from_fn(|index| inputs[13 + index]);
    let [lift, x, y, z] = action.map(|it| it.clamp(-1.0, 1.0));
    let wrench =
        ([0.0, 0.0, 0.5 * config.full_thrust() * (lift + 1.0)], [x, y, z].map(|it| config.moment_scale * it));
    let vehicle = Vehicle::new(config.vehicle()).to_lanes::<f64, true>();
    let after = step_held(&vehicle, &body(inputs), wrench, &Disturbance::none(), 0.02, 2);
    let distance = (square(sub(after.position, goal)) + 1e-4).sqrt() - 1e-2;
    let mut cost = 0.02 * (0.05 * square(after.velocity) + 0.01 * square(after.angular_velocity));
    cost += 0.02 * 15.0 * libm::tanh(distance / 0.8) + surrogate.distance_weight * distance;
    let Barrier { reach, weight } = surrogate.height_barrier;
    let height = after.position[2] + 0.5;
    for excess in [0.1 + reach - height, height - (2.0 - reach)] {
        cost += weight * excess.max(0.0).powi(2);
    }
    for it in action {
        cost += surrogate.saturation_weight * (it - it.clamp(-1.0, 1.0)).powi(2);
    }
    cost + numbers(&after).iter().zip(later).map(|(a, b)| a * b).sum::<f64>()
}

/// Central differences along each of the numbers.
fn differences(inputs: &Inputs, value: impl Fn(&Inputs) -> f64) -> Inputs {
    std::array::from_fn(|index| {
        let shifted = |by: f64| {
            let mut moved = *inputs;
            moved[index] += by;
            value(&moved)
        };
        (shifted(1e-5) - shifted(-1e-5)) / 2e-5
    })
}

/// A block whose vehicles stand where the inputs say.
fn block(config: &DirectConfig) -> DirectBlock {
    let mut block = config.differentiable_blocks(1, 5).remove(0);
    block.reset(u32::MAX);
    for lane in 0..BLOCK {
        let Body { position, orientation, velocity, angular_velocity } = body(&inputs(lane));
        let single = |v: Vector<f64>| v.map(|it| it as f32);
        let orientation = orientation.map(|it| it as f32);
        let [position, velocity] = [single(position), single(velocity)];
        let angular_velocity = single(angular_velocity);
        block.put(lane, &Body { position, orientation, velocity, angular_velocity });
    }
    block
}

fn derivative(later: &[f64; 13]) -> Derivative {
    let mut derivative = Derivative::default();
    for (row, value) in derivative.state.fields_mut().into_iter().zip(later) {
        *row = Row::splat(*value as f32);
    }
    derivative
}

fn agree(lane: usize, found: &[f32], expected: &[f64]) {
    let scale = expected.iter().fold(1.0_f64, |most, it| most.max(it.abs()));
    for (index, (found, expected)) in found.iter().zip(expected).enumerate() {
        let error = (f64::from(*found) - expected).abs();
        assert!(error < 1e-4 * scale, "lane {lane}, number {index}: {found} against {expected}");
    }
}

#[test]
fn a_step_pulls_back_what_central_differences_show() {
    let config = DirectConfig::default();
    let mut block = block(&config);
    let later: [f64; 13] = std::array::from_fn(|index| f64::from(normal("later", 0, index) as f32));
    let (mut record, mut of_action) = (Record::<Direct>::default(), [Row::ZERO; 4]);
    let mut action = [Row::ZERO; 4];
    for (index, row) in action.iter_mut().enumerate() {
        (0..BLOCK).for_each(|lane| row[lane] = inputs(lane)[13 + index] as f32);
    }
    block.step_recorded(&action, &mut record);
    let mut derivative = derivative(&later);
    let surrogate = DirectSurrogate::default();
    let cost = block.pull_back_step(&surrogate, &record, &mut derivative, &mut of_action);
    let (mut outside, mut limited) = (0, 0);
    for lane in 0..BLOCK {
        let inputs = inputs(lane);
        outside += inputs[13..].iter().filter(|it| it.abs() > 1.0).count();
        let goal = block.telemetry(lane).desired_position.map(f64::from);
        limited += usize::from((inputs[2] + 0.5 - 1.05).abs() > 0.75);
        let expected = value(&config, goal, &inputs, &[0.0; 13]);
        let found = f64::from(cost[lane]);
        assert!((found - expected).abs() < 1e-4 * expected.max(1.0), "lane {lane}: {found}, {expected}");
        let expected = differences(&inputs, |it| value(&config, goal, it, &later));
        let found: Vec<f32> =
            derivative.state.fields()[..13].iter().copied().chain(&of_action).map(|row| row[lane]).collect();
        agree(lane, &found, &expected);
    }
    assert!(outside > 10 && limited > 5, "{outside} actions out of range, {limited} at the limits of height");
}

#[test]
fn an_observation_pulls_back_what_central_differences_show() {
    let config = DirectConfig::default();
    let block = block(&config);
    let mut record = Record::<Direct>::default();
    block.record_state(&mut record);
    let weights: [f64; OBSERVATIONS] =
        std::array::from_fn(|index| f64::from(normal("covector", 0, index) as f32));
    let rows = weights.map(|it| Row::splat(it as f32));
    let mut derivative = derivative(&[0.0; 13]);
    block.pull_back_observation(&record, &rows, &mut derivative);
    for lane in 0..BLOCK {
        let goal = block.telemetry(lane).desired_position.map(f64::from);
        let seen = |inputs: &Inputs| -> f64 {
            let it = body(inputs);
            let matrix = matrix_from_quaternion(it.orientation);
            let in_body = |v| body_from_world(&matrix, v);
            let gravity = in_body([0.0, 0.0, -1.0]);
            let parts = [in_body(it.velocity), it.angular_velocity, gravity, in_body(sub(goal, it.position))];
            parts.iter().flatten().zip(weights).map(|(a, b)| a * b).sum()
        };
        let expected = differences(&inputs(lane), seen);
        let found: Vec<f32> = derivative.state.fields()[..13].iter().map(|row| row[lane]).collect();
        agree(lane, &found, &expected[..13]);
    }
}
