//! A plain scalar `f64` implementation of every network, written from PyTorch's documentation.

use eyas_lanes::{BLOCK, Row, Stream};
use eyas_policy::{Activation, Architecture, Cell, Init, Network};

pub(crate) fn activate(activation: Activation, x: f64) -> f64 {
    let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
    match activation {
        Activation::Elu | Activation::Celu => {
            if x > 0.0 {
                x
            } else {
                x.exp_m1()
            }
        }
        Activation::Selu => {
            let (scale, alpha) = (1.050_700_987_355_480_5, 1.673_263_242_354_377_2);
            scale * if x > 0.0 { x } else { alpha * x.exp_m1() }
        }
        Activation::Relu => x.max(0.0),
        Activation::LeakyRelu => {
            if x > 0.0 {
                x
            } else {
                0.01 * x
            }
        }
        Activation::Tanh => x.tanh(),
        Activation::Sigmoid => sigmoid(x),
        Activation::Softplus => x.exp().ln_1p(),
        Activation::Gelu => 0.5 * x * (1.0 + erf(x / 2.0_f64.sqrt())),
        Activation::Silu => x * sigmoid(x),
        Activation::Mish => x * x.exp().ln_1p().tanh(),
        Activation::Identity => x,
    }
}

/// Error function by its Taylor series, exact to `f64` for the |x| < 4 that are tested.
fn erf(x: f64) -> f64 {
    let (mut term, mut sum) = (x, x);
    for n in 1..200 {
        term *= -x * x / f64::from(n);
        sum += term / f64::from(2 * n + 1);
    }
    sum * 2.0 / std::f64::consts::PI.sqrt()
}

fn affine(
    parameters: &[f64],
    weight: &std::ops::Range<usize>,
    bias: &std::ops::Range<usize>,
    x: &[f64],
) -> Vec<f64> {
    let rows = parameters[weight.clone()].chunks_exact(x.len());
    rows.zip(&parameters[bias.clone()])
        .map(|(row, bias)| row.iter().zip(x).map(|(w, x)| w * x).sum::<f64>() + bias)
        .collect()
}

/// One step of one environment; `state` as [`Architecture::state_width`] says.
pub(crate) fn step(
    architecture: &Architecture,
    parameters: &[f64],
    input: &[f64],
    state: &mut [f64],
) -> Vec<f64> {
    let mut x = input.to_vec();
    for layer in architecture.encoder_layers() {
        x = affine(parameters, &layer.weight, &layer.bias, &x);
        x.iter_mut().for_each(|x| *x = activate(architecture.activation, *x));
    }
    if let Some(core) = architecture.core {
        let width = core.width;
        let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
        for (index, layer) in architecture.core_layers().iter().enumerate() {
            let h = state[index * width..(index + 1) * width].to_vec();
            let gi = affine(parameters, &layer.weight_ih, &layer.bias_ih, &x);
            let gh = affine(parameters, &layer.weight_hh, &layer.bias_hh, &h);
            for unit in 0..width {
                let (i, h) = (|gate: usize| gi[gate * width + unit], |gate: usize| gh[gate * width + unit]);
                let place = index * width + unit;
                match core.cell {
                    Cell::Gru => {
                        let (r, z) = (sigmoid(i(0) + h(0)), sigmoid(i(1) + h(1)));
                        let n = (i(2) + r * h(2)).tanh();
                        state[place] = (1.0 - z) * n + z * state[place];
                    }
                    Cell::Lstm => {
                        let cell = (core.layers + index) * width + unit;
                        let gate = |g: usize| i(g) + h(g);
                        state[cell] = sigmoid(gate(1)) * state[cell] + sigmoid(gate(0)) * gate(2).tanh();
                        state[place] = sigmoid(gate(3)) * state[cell].tanh();
                    }
                }
            }
            x = state[index * width..(index + 1) * width].to_vec();
        }
    }
    let head = architecture.head_layers();
    for (index, layer) in head.iter().enumerate() {
        x = affine(parameters, &layer.weight, &layer.bias, &x);
        if index + 1 < head.len() {
            x.iter_mut().for_each(|x| *x = activate(architecture.activation, *x));
        }
    }
    x
}

pub(crate) fn network(architecture: Architecture, seed: u64) -> (Network, Vec<f64>) {
    let network = Network::new(architecture, Init::Torch, Stream::new(seed, "network"));
    let parameters = network.parameters.iter().map(|value| f64::from(*value)).collect();
    (network, parameters)
}

/// Random rows in ±2.
pub(crate) fn rows(count: usize, seed: u64) -> Vec<Row> {
    let stream = Stream::new(seed, "rows");
    (0..count)
        .map(|row| {
            Row(std::array::from_fn(|lane| 4.0 * stream.uniform([row as u32, lane as u32, 0, 0]) - 2.0))
        })
        .collect()
}

pub(crate) fn lane(rows: &[Row], lane: usize) -> Vec<f64> {
    assert!(lane < BLOCK);
    rows.iter().map(|row| f64::from(row[lane])).collect()
}
