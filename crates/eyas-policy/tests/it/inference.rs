//! Inference agrees with the scalar `f64` oracle, for every activation, cell and depth.

use eyas_lanes::{BLOCK, Row};
use eyas_policy::{
    Activation, Architecture, Cell, Core, Inference, Network, Normalizer, Output, Policy, Scratch,
};

use crate::oracle;

fn check(policy: &Policy, exact: &[f64], steps: usize, tolerance: f64) {
    let architecture = &policy.network.architecture;
    let inference = Inference::new(policy);
    let mut state = vec![Row::ZERO; inference.state_width()];
    let mut states = vec![vec![0.0; architecture.state_width()]; BLOCK];
    let mut scratch = Scratch::default();
    let mut action = vec![Row::ZERO; inference.num_actions()];
    for time in 0..steps {
        let observation = oracle::rows(architecture.inputs, 100 + time as u64);
        inference.act(&observation, &mut state, &mut scratch, &mut action);
        for (lane, state) in states.iter_mut().enumerate() {
            let mut input = oracle::lane(&observation, lane);
            if let Some(normalizer) = &policy.normalizer {
                for (index, x) in input.iter_mut().enumerate() {
                    let std = f64::from(normalizer.std[index]);
                    *x = (*x - f64::from(normalizer.mean[index])) / (std + 1e-2);
                }
            }
            let raw = oracle::step(architecture, exact, &input, state);
            let expected: Vec<f64> = match policy.output {
                Output::Identity => raw,
                Output::Tanh => raw.iter().map(|x| x.tanh()).collect(),
                Output::Beta => {
                    let half = raw.len() / 2;
                    let shape = |x: f64| x.exp().ln_1p() + 1.0;
                    (0..half)
                        .map(|i| 2.0 * shape(raw[i]) / (shape(raw[i]) + shape(raw[half + i])) - 1.0)
                        .collect()
                }
            };
            for (ours, expected) in oracle::lane(&action, lane).iter().zip(expected) {
                assert!((ours - expected).abs() < tolerance, "{architecture:?}: {ours} against {expected}");
            }
        }
    }
}

#[test]
fn every_activation_and_output_map_is_that_of_the_oracle() {
    for name in Activation::names() {
        for output in [Output::Identity, Output::Tanh, Output::Beta] {
            let architecture = Architecture::mlp(26, &[48, 20], 4, name.parse().unwrap());
            let (network, exact) = oracle::network(architecture, 3);
            let normalizer = Normalizer {
                mean: (0..26).map(|i| 0.1 * i as f32).collect(),
                std: (0..26).map(|i| 0.5 + 0.1 * i as f32).collect(),
                var: vec![1.0; 26],
                count: 1,
                clip: None,
            };
            check(&Policy { normalizer: Some(normalizer), network, output }, &exact, 1, 3e-6);
        }
    }
}

#[test]
fn recurrent_cores_of_any_depth_are_those_of_the_oracle() {
    for cell in [Cell::Gru, Cell::Lstm] {
        for layers in [1, 3] {
            let architecture = Architecture {
                encoder: vec![19],
                core: Some(Core { cell, width: 23, layers }),
                hidden: vec![16],
                ..Architecture::mlp(22, &[], 4, Activation::Elu)
            };
            let (network, exact) = oracle::network(architecture, 8);
            check(&Policy { normalizer: None, network, output: Output::Identity }, &exact, 40, 3e-6);
        }
    }
}

#[test]
fn scratch_that_another_network_used_changes_nothing() {
    let mut scratch = Scratch::default();
    let act = |width: usize, scratch: &mut Scratch| {
        let (network, _) = oracle::network(Architecture::mlp(26, &[width, width], 4, Activation::Elu), 4);
        let inference = Inference::new(&Policy { normalizer: None, network, output: Output::Identity });
        let mut action = vec![Row::ZERO; 4];
        inference.act(&oracle::rows(26, 5), &mut [], scratch, &mut action);
        action
    };
    act(16, &mut scratch);
    assert_eq!(act(48, &mut scratch), act(48, &mut Scratch::default()));
    assert_eq!(act(16, &mut scratch), act(16, &mut Scratch::default()));
}

#[test]
fn what_a_normaliser_gives_is_limited_and_what_is_no_number_stays_so() {
    let network =
        Network { architecture: Architecture::mlp(1, &[], 1, Activation::Elu), parameters: vec![2.0, 0.0] };
    let normalizer =
        Normalizer { std: vec![1.0 - Normalizer::EPSILON], clip: Some(1.5), ..Normalizer::new(1) };
    let inference =
        Inference::new(&Policy { normalizer: Some(normalizer), network, output: Output::Identity });
    let observations = [0.25, 1.5, 1.75, 1e30, f32::INFINITY, -0.25, -1.75, f32::NEG_INFINITY, f32::NAN];
    let actions = inference.act_on_record(&observations, 1, observations.len());
    assert_eq!(actions[..8], [0.5, 3.0, 3.0, 3.0, 3.0, -0.5, -3.0, -3.0]);
    assert!(actions[8].is_nan());
}
