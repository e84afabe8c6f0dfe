//! A second, slow and plain implementation of the policies' mathematics, in double precision.

use eyas_policy::{Activation, Cell, Linear, Output, Policy, Recurrent};

/// Actions for `[steps][environments][features]`, and the recurrent state after the last step.
pub(crate) fn actions(policy: &Policy, inputs: &[Vec<Vec<f64>>]) -> (Vec<Vec<Vec<f64>>>, Vec<Vec<f64>>) {
    let environments = inputs.first().map_or(0, Vec::len);
    let mut states = vec![vec![0.0; policy.network.architecture.state_width()]; environments];
    let actions = inputs
        .iter()
        .map(|step| step.iter().zip(&mut states).map(|(input, state)| act(policy, input, state)).collect())
        .collect();
    (actions, states)
}

/// The largest difference between two sequences of the same shape.
pub(crate) fn distance(a: &[Vec<Vec<f64>>], b: &[Vec<Vec<f64>>]) -> f64 {
    let flat =
        |sequence: &[Vec<Vec<f64>>]| sequence.iter().flatten().flatten().copied().collect::<Vec<f64>>();
    let (a, b) = (flat(a), flat(b));
    assert_eq!(a.len(), b.len());
    assert!(!a.is_empty());
    a.iter().zip(&b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

fn act(policy: &Policy, input: &[f64], state: &mut [f64]) -> Vec<f64> {
    let architecture = &policy.network.architecture;
    let mut features = normalized(policy, input);
    for layer in architecture.encoder_layers() {
        features = activated(architecture.activation, &linear(policy, &layer, &features));
    }
    for (index, layer) in architecture.core_layers().iter().enumerate() {
        features = match architecture.core.unwrap().cell {
            Cell::Gru => gru(policy, layer, &features, &mut state[index * layer.width..][..layer.width]),
            Cell::Lstm => {
                let (hidden, cell) = state.split_at_mut(architecture.core_layers().len() * layer.width);
                let units = index * layer.width..(index + 1) * layer.width;
                lstm(policy, layer, &features, &mut hidden[units.clone()], &mut cell[units])
            }
        };
    }
    let head = architecture.head_layers();
    for (index, layer) in head.iter().enumerate() {
        features = linear(policy, layer, &features);
        if index + 1 < head.len() {
            features = activated(architecture.activation, &features);
        }
    }
    output(policy.output, &features)
}

fn normalized(policy: &Policy, input: &[f64]) -> Vec<f64> {
    let Some(normalizer) = &policy.normalizer else { return input.to_vec() };
    let feature = |index: usize| (f64::from(normalizer.mean[index]), f64::from(normalizer.std[index]) + 0.01);
    let limit = normalizer.clip.map_or(f64::INFINITY, f64::from);
    let scaled = input.iter().enumerate().map(|(index, x)| (x - feature(index).0) / feature(index).1);
    scaled.map(|x| x.clamp(-limit, limit)).collect()
}

fn affine(policy: &Policy, weight: usize, bias: usize, input: &[f64], row: usize) -> f64 {
    let parameters = &policy.network.parameters;
    let weights = &parameters[weight + row * input.len()..][..input.len()];
    let product: f64 = weights.iter().zip(input).map(|(weight, x)| f64::from(*weight) * x).sum();
    product + f64::from(parameters[bias + row])
}

fn linear(policy: &Policy, layer: &Linear, input: &[f64]) -> Vec<f64> {
    assert_eq!(input.len(), layer.inputs);
    (0..layer.outputs).map(|row| affine(policy, layer.weight.start, layer.bias.start, input, row)).collect()
}

/// `r = σ(…)`, `z = σ(…)`, `n = tanh(W x + b_in + r (U h + b_hn))`, `h' = (1 − z) n + z h`.
fn gru(policy: &Policy, layer: &Recurrent, input: &[f64], hidden: &mut [f64]) -> Vec<f64> {
    let old = hidden.to_vec();
    let from_input = |row| affine(policy, layer.weight_ih.start, layer.bias_ih.start, input, row);
    let from_hidden = |row| affine(policy, layer.weight_hh.start, layer.bias_hh.start, &old, row);
    for unit in 0..layer.width {
        let rows = [unit, unit + layer.width, unit + 2 * layer.width];
        let reset = sigmoid(from_input(rows[0]) + from_hidden(rows[0]));
        let update = sigmoid(from_input(rows[1]) + from_hidden(rows[1]));
        let new = (from_input(rows[2]) + reset * from_hidden(rows[2])).tanh();
        hidden[unit] = (1.0 - update) * new + update * old[unit];
    }
    hidden.to_vec()
}

/// `c' = σ(f) c + σ(i) tanh(g)`, `h' = σ(o) tanh(c')`; rows stand in the order `i, f, g, o`.
fn lstm(policy: &Policy, layer: &Recurrent, input: &[f64], hidden: &mut [f64], cell: &mut [f64]) -> Vec<f64> {
    let old = hidden.to_vec();
    let gate = |row| {
        affine(policy, layer.weight_ih.start, layer.bias_ih.start, input, row)
            + affine(policy, layer.weight_hh.start, layer.bias_hh.start, &old, row)
    };
    for unit in 0..layer.width {
        let [input, forget, candidate, output] = [0, 1, 2, 3].map(|part| gate(unit + part * layer.width));
        cell[unit] = sigmoid(forget) * cell[unit] + sigmoid(input) * candidate.tanh();
        hidden[unit] = sigmoid(output) * cell[unit].tanh();
    }
    hidden.to_vec()
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

fn softplus(x: f64) -> f64 {
    x.exp().ln_1p()
}

/// The activations that occur in the data.
fn activated(activation: Activation, values: &[f64]) -> Vec<f64> {
    let function: fn(f64) -> f64 = match activation {
        Activation::Elu => |x| if x > 0.0 { x } else { x.exp_m1() },
        Activation::Relu => |x| x.max(0.0),
        Activation::Tanh => f64::tanh,
        Activation::Mish => |x| x * softplus(x).tanh(),
        Activation::Selu => |x| {
            let scaled = if x > 0.0 { x } else { 1.673_263_242_354_377_2 * x.exp_m1() };
            1.050_700_987_355_480_5 * scaled
        },
        other => panic!("{other} is not in the reference"),
    };
    values.iter().map(|&x| function(x)).collect()
}

fn output(map: Output, raw: &[f64]) -> Vec<f64> {
    match map {
        Output::Identity => raw.to_vec(),
        Output::Tanh => raw.iter().map(|x| x.tanh()).collect(),
        Output::Beta => {
            let (alpha, beta) = raw.split_at(raw.len() / 2);
            let mean = |(a, b): (&f64, &f64)| {
                let (a, b) = (softplus(*a) + 1.0, softplus(*b) + 1.0);
                2.0 * a / (a + b) - 1.0
            };
            alpha.iter().zip(beta).map(mean).collect()
        }
    }
}
