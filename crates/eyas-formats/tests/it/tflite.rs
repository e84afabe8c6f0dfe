//! The flatbuffer of PX4's `mc_nn_control`: LiteRT runs it, and what the module cannot run is refused.

use std::fs;
use std::path::Path;

use eyas_formats::convert::{self, Export, Kind, Written};
use eyas_formats::npy::{self, Array, Data};
use eyas_formats::px4::NnControl;
use eyas_formats::{Checkpoint, FormatError, LoadOptions, torch, verify};
use eyas_policy::{Activation, Architecture, Cell, Contract, Core, Inference, Output, Policy};
use eyas_testing::python_with;
use tempfile::TempDir;

use crate::fixtures::{network, normalizer};
use crate::python::run;

fn policy(hidden: &[usize], normalized: bool) -> Policy {
    let network = network(Architecture::mlp(15, hidden, 4, Activation::Relu));
    Policy { normalizer: normalized.then(|| normalizer(15)), network, output: Output::Identity }
}

fn write(path: &Path, policy: &Policy) -> Result<Written, FormatError> {
    let contract = Contract::of(policy);
    let export = Export { policy, contract: &contract, std: None, critic: None, iteration: 0 };
    convert::write(path, Kind::Px4Nn, &export)
}

#[test]
fn what_is_written_is_read_back_with_the_contract_beside_it() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("hover.tflite");
    for hidden in [&[][..], &[7], &[64, 32]] {
        for normalized in [false, true] {
            let policy = policy(hidden, normalized);
            write(&path, &policy).unwrap();
            let checkpoint = Checkpoint::read(&path).unwrap();
            assert_eq!(checkpoint.container(), torch::Container::TfLite);
            let found = checkpoint.policy(&LoadOptions::default()).unwrap().policy;
            let contract = checkpoint.contract_for(&found).unwrap().unwrap();
            let difference = contract.test.replay(&found);
            assert!(difference <= contract.test.tolerance, "{difference:e}");
            assert_eq!(found.network.architecture.hidden, hidden);
            if !normalized {
                assert_eq!(found.network.parameters, policy.network.parameters);
            }
        }
    }
}

#[test]
fn verify_says_which_commands_a_motor_does_not_follow() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("hover.tflite");
    write(&path, &policy(&[8], false)).unwrap();
    let mut found = verify::verify(&path, &LoadOptions::default(), None).unwrap();
    let said = found.to_string();
    assert!(said.contains("mc_nn_control: at MC_NN_THRST_COEF 1.2, MC_NN_MIN_RPM 1000"), "{said}");
    assert!(
        said.contains("19.3 % of [-1, 1] saturates a motor, 0.2 % disarms one; of 200 commands"),
        "{said}"
    );
    found.nn_control = Some(NnControl { thrust_coefficient: 1.2, min_rpm: 0.0, max_rpm: 24_500.0 });
    let said = found.to_string();
    assert!(said.contains("0.0 % of [-1, 1] saturates a motor, 0.0 % disarms one"), "{said}");
    assert!(said.contains("vectors 0 saturate, 0 disarm\n"), "{said}");
}

/// The array of the source is the file, in order.
#[test]
fn the_sources_hold_the_file() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("hover.tflite");
    let written = write(&path, &policy(&[8], true)).unwrap();
    let bytes = fs::read(&path).unwrap();
    let source = fs::read_to_string(directory.path().join("control_net.cpp")).unwrap();
    let body = source.split_once('{').unwrap().1.split_once('}').unwrap().0;
    let numbers = body.split(',').map(str::trim).filter(|text| !text.is_empty());
    let array: Vec<u8> =
        numbers.map(|text| u8::from_str_radix(text.trim_start_matches("0x"), 16).unwrap()).collect();
    assert_eq!(array, bytes);
    let header = fs::read_to_string(directory.path().join("control_net.hpp")).unwrap();
    assert!(header.contains(&format!("control_net_tflite_size = {};", bytes.len())), "{header}");
    assert_eq!(written.beside.len(), 3);
}

#[test]
fn litert_runs_what_is_written_as_eyas_does() {
    let Some(python) = python_with("ai_edge_litert.interpreter, numpy") else { return };
    let directory = TempDir::new().unwrap();
    let [model, inputs, outputs] =
        ["hover.tflite", "inputs.npy", "actions.npy"].map(|name| directory.path().join(name));
    let times = 40;
    let observations: Vec<f32> = (0..times * 15).map(|it| 2.0 * (0.37 * it as f32).sin()).collect();
    npy::write(&inputs, &Array::new(&[times, 15], Data::F32(observations.clone()))).unwrap();
    for (hidden, normalized) in [(&[][..], false), (&[7], true), (&[64, 32, 16], true)] {
        let policy = policy(hidden, normalized);
        write(&model, &policy).unwrap();
        run(&python, "tflite.py", &[&model, &inputs, &outputs]);
        let flown = npy::read(&outputs).unwrap().to_f32();
        let own = Inference::new(&policy).act_on_record(&observations, times, 1);
        // Relative: actions of these weights reach 100.
        let scale = own.iter().fold(1.0_f32, |most, it| most.max(it.abs()));
        let error = flown.iter().zip(&own).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(error <= 2e-6 * scale, "{hidden:?}: actions differ by {error:e} of {scale}");
    }
}

#[test]
fn what_the_module_cannot_run_is_refused_before_anything_is_written() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("hover.tflite");
    let fits = policy(&[8], false);
    let with = |architecture, output| Policy { normalizer: None, network: network(architecture), output };
    let gru = Architecture {
        core: Some(Core { cell: Cell::Gru, width: 4, layers: 1 }),
        ..Architecture::mlp(15, &[], 4, Activation::Relu)
    };
    let mut limited = policy(&[8], true);
    limited.normalizer.as_mut().unwrap().clip = Some(5.0);
    for (policy, expected) in [
        (with(gru, Output::Identity), "a recurrent core"),
        (
            with(Architecture::mlp(26, &[8], 4, Activation::Relu), Output::Identity),
            "26 features and 4 actions",
        ),
        (with(Architecture::mlp(15, &[8], 4, Activation::Elu), Output::Identity), "the activation elu"),
        (Policy { output: Output::Tanh, ..fits }, "tanh after the last layer"),
        (limited, "limits its results to ±5"),
    ] {
        let error = write(&path, &policy).unwrap_err().to_string();
        assert!(error.contains("PX4's mc_nn_control cannot express") && error.contains(expected), "{error}");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    }
}

#[test]
fn no_changed_byte_of_a_flatbuffer_panics() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("hover.tflite");
    write(&path, &policy(&[3], false)).unwrap();
    fs::remove_file(path.with_extension("contract.json")).unwrap();
    let whole = fs::read(&path).unwrap();
    let mut refused = 0;
    for at in 8..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 0xff;
        fs::write(&path, &bytes).unwrap();
        refused += usize::from(Checkpoint::read(&path).is_err());
    }
    // Half of the file is weights, in which any number may stand.
    assert!(refused > 100, "{refused}");
    for length in (8..whole.len()).step_by(5) {
        fs::write(&path, &whole[..length]).unwrap();
        let error = Checkpoint::read(&path).unwrap_err();
        assert!(
            matches!(error, FormatError::Damaged { .. } | FormatError::UnsupportedLayout { .. }),
            "{error}"
        );
    }
}
