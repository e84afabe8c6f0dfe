//! Hand-written backward passes agree with finite differences of the `f64` oracle.

use eyas_lanes::{BLOCK, Isa, Row, force_isa};
use eyas_policy::{Activation, Architecture, Cell, Core, Inference, Pass, Scratch, Trainer, Untrainable};

use crate::oracle;

const ACTIVATIONS: [Activation; 8] = [
    Activation::Elu,
    Activation::Selu,
    Activation::Relu,
    Activation::LeakyRelu,
    Activation::Tanh,
    Activation::Sigmoid,
    Activation::Softplus,
    Activation::Identity,
];

/// `Σ c · output` over all lanes and blocks: a loss whose output gradient is the rows `c`.
fn loss(architecture: &Architecture, parameters: &[f64], input: &[Row], weights: &[Row]) -> f64 {
    let outputs = architecture.outputs;
    let mut sum = 0.0;
    for lane in 0..BLOCK {
        let mut state = vec![0.0; architecture.state_width()];
        for (input, weights) in input.chunks_exact(architecture.inputs).zip(weights.chunks_exact(outputs)) {
            let output = oracle::step(architecture, parameters, &oracle::lane(input, lane), &mut state);
            sum += output.iter().zip(oracle::lane(weights, lane)).map(|(y, c)| y * c).sum::<f64>();
        }
    }
    sum
}

fn gradient(architecture: &Architecture, parameters: &[f32], input: &[Row], weights: &[Row]) -> Vec<f32> {
    let mut trainer = Trainer::new(architecture).unwrap();
    trainer.refresh(parameters);
    let mut pass = Pass::default();
    let mut gradient = vec![0.0; parameters.len()];
    // Twice, so that whatever the first pass leaves behind would show.
    for _ in 0..2 {
        gradient.fill(0.0);
        trainer.forward(input, &mut pass);
        pass.output_and_gradient().1.copy_from_slice(weights);
        trainer.backward(input, &mut pass, &mut gradient);
    }
    gradient
}

fn check(architecture: &Architecture, blocks: usize) {
    let (network, exact) = oracle::network(architecture.clone(), 5);
    let input = oracle::rows(blocks * architecture.inputs, 1);
    let weights = oracle::rows(blocks * architecture.outputs, 2);
    let analytic = gradient(architecture, &network.parameters, &input, &weights);
    let scale = analytic.iter().fold(0.0_f64, |largest, value| largest.max(f64::from(value.abs())));
    for index in (0..exact.len()).step_by(1 + exact.len() / 97) {
        let step = 1e-5;
        let shifted = |by: f64| {
            let mut parameters = exact.clone();
            parameters[index] += by;
            loss(architecture, &parameters, &input, &weights)
        };
        let numeric = (shifted(step) - shifted(-step)) / (2.0 * step);
        let error = (f64::from(analytic[index]) - numeric).abs();
        // f32 sums of a few hundred terms: relative to the largest component.
        assert!(
            error < 2e-4 * scale,
            "{architecture:?}: parameter {index}: {} against {numeric}",
            analytic[index]
        );
    }
}

#[test]
fn gradients_of_an_mlp_are_those_of_finite_differences() {
    for activation in ACTIVATIONS {
        check(&Architecture::mlp(26, &[24, 40], 4, activation), 3);
    }
    check(&Architecture::mlp(3, &[], 1, Activation::Elu), 1);
    check(&Architecture::mlp(40, &[7], 5, Activation::Elu), 2);
}

#[test]
fn gradients_through_time_are_those_of_finite_differences() {
    check(&Architecture::gru_student(22, 16, 4), 12);
    let mut wide = Architecture::gru_student(5, 9, 3);
    wide.activation = Activation::Elu;
    wide.hidden = vec![11];
    check(&wide, 9);
    wide.encoder.clear();
    check(&wide, 9);
}

#[test]
fn the_gradient_of_many_blocks_is_the_sum_of_those_of_each() {
    // Widths of whole tiles, of each kind of remainder, and more blocks than go through the layers at once.
    for hidden in [[12, 6], [16, 48], [23, 9], [5, 31]] {
        let architecture = Architecture::mlp(22, &hidden, 4, Activation::Elu);
        let (network, _) = oracle::network(architecture.clone(), 7);
        let (input, weights) = (oracle::rows(11 * 22, 5), oracle::rows(11 * 4, 6));
        let whole = gradient(&architecture, &network.parameters, &input, &weights);
        let mut sum = vec![0.0_f64; whole.len()];
        for (input, weights) in input.chunks_exact(22).zip(weights.chunks_exact(4)) {
            let part = gradient(&architecture, &network.parameters, input, weights);
            sum.iter_mut().zip(part).for_each(|(sum, part)| *sum += f64::from(part));
        }
        let scale = sum.iter().fold(0.0_f64, |largest, value| largest.max(value.abs()));
        for (ours, expected) in whole.iter().zip(sum) {
            // 352 samples in f32: each sum is off by less than 352 half units in the last place of the largest.
            assert!((f64::from(*ours) - expected).abs() < 352.0 * 6e-8 * scale, "{ours} against {expected}");
        }
    }
}

#[test]
fn a_training_pass_flies_what_inference_flies() {
    let architecture = Architecture::gru_student(22, 16, 4);
    let (network, _) = oracle::network(architecture.clone(), 8);
    let input = oracle::rows(13 * 22, 7);
    let mut trainer = Trainer::new(&architecture).unwrap();
    trainer.refresh(&network.parameters);
    let mut pass = Pass::default();
    trainer.forward(&input, &mut pass);
    let inference = Inference::of_network(&network);
    let (mut state, mut action) = (vec![Row::ZERO; 16], vec![Row::ZERO; 4]);
    let mut scratch = Scratch::default();
    for (observation, output) in input.chunks_exact(22).zip(pass.output().chunks_exact(4)) {
        inference.act(observation, &mut state, &mut scratch, &mut action);
        assert!(action == output, "the same formulas in the same order");
    }
}

#[test]
fn every_instruction_set_gives_the_same_gradient_bytes() {
    let architecture = Architecture { hidden: vec![33], ..Architecture::gru_student(22, 16, 4) };
    let (network, _) = oracle::network(architecture.clone(), 9);
    let input = oracle::rows(20 * 22, 3);
    let weights = oracle::rows(20 * 4, 4);
    let mut reference: Option<Vec<u32>> = None;
    for isa in Isa::available() {
        force_isa(isa);
        let bits: Vec<u32> = gradient(&architecture, &network.parameters, &input, &weights)
            .iter()
            .map(|x| x.to_bits())
            .collect();
        match &reference {
            Some(reference) => assert!(*reference == bits, "{isa} differs"),
            None => reference = Some(bits),
        }
    }
}

#[test]
fn networks_without_a_backward_pass_are_refused() {
    let gelu = Architecture::mlp(3, &[4], 1, Activation::Gelu);
    assert_eq!(Trainer::new(&gelu).unwrap_err(), Untrainable::Activation(Activation::Gelu));
    let mut lstm = Architecture::gru_student(3, 4, 1);
    lstm.core = Some(Core { cell: Cell::Lstm, width: 4, layers: 1 });
    assert_eq!(Trainer::new(&lstm).unwrap_err(), Untrainable::Core);
}
