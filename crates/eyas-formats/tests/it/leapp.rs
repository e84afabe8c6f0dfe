//! LEAPP bundles: the reference package runs what is written, and a bundle that loses something is refused.

use std::fs;
use std::path::Path;

use eyas_formats::convert::{self, Export, Kind, Written};
use eyas_formats::npy::{self, Array, Data};
use eyas_formats::{Checkpoint, FormatError, LoadOptions, torch};
use eyas_policy::{Contract, Inference, Policy};
use eyas_testing::python_with;
use tempfile::TempDir;

use crate::python::{graphs, run};

fn write(path: &Path, policy: &Policy) -> Result<Written, FormatError> {
    let contract = Contract { control_rate_hz: Some(100.0), ..Contract::of(policy) };
    let export = Export { policy, contract: &contract, std: None, critic: None, iteration: 0 };
    convert::write(path, Kind::Leapp, &export)
}

#[test]
fn what_is_written_is_read_back_with_its_contract() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("hover.yaml");
    for (name, policy) in graphs() {
        let written = write(&path, &policy).unwrap();
        let is_recurrent = policy.network.architecture.core.is_some();
        assert_eq!(written.beside.len(), 1 + usize::from(is_recurrent), "{name}");
        let checkpoint = Checkpoint::read(&path).unwrap();
        assert_eq!(checkpoint.container(), torch::Container::Leapp);
        let found = checkpoint.policy(&LoadOptions::default()).unwrap().policy;
        let contract = checkpoint.contract_for(&found).unwrap().unwrap();
        assert_eq!(contract.control_rate_hz, Some(100.0));
        let difference = contract.test.replay(&found);
        assert!(difference <= 1e-6, "{name}: {difference:e}");
    }
    let error = write(&directory.path().join("hover"), &graphs()[0].1).unwrap_err();
    assert!(error.to_string().contains("`.yaml`"), "{error}");
}

#[test]
fn the_reference_package_runs_what_is_written_as_eyas_does() {
    let Some(python) = python_with("leapp, onnxruntime, torch") else { return };
    let directory = TempDir::new().unwrap();
    let file = |name: &str, end: &str| directory.path().join(format!("{}.{end}", name.replace(' ', "_")));
    let times = 60;
    let observations: Vec<f32> = (0..times * 5).map(|it| 2.0 * (0.37 * it as f32).sin()).collect();
    let inputs = Array::new(&[times, 5], Data::F32(observations.clone()));
    npy::write(&directory.path().join("inputs.npy"), &inputs).unwrap();
    for (name, policy) in graphs() {
        write(&file(name, "yaml"), &policy).unwrap();
    }
    run(&python, "leapp_bundle.py", &[directory.path()]);
    for (name, policy) in graphs() {
        let flown = npy::read(&file(name, "npy")).unwrap();
        let own = Inference::new(&policy).act_on_record(&observations, times, 1);
        assert_eq!(flown.shape(), [times, policy.num_actions()]);
        let error = flown.to_f32().iter().zip(&own).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(error <= 1e-6, "{name}: actions differ by {error:e}");
    }
}

#[test]
fn a_bundle_that_loses_something_says_what() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("hover.yaml");
    let (_, policy) = graphs().swap_remove(1);
    write(&path, &policy).unwrap();
    let whole = fs::read_to_string(&path).unwrap();
    let graph = fs::read(directory.path().join("hover.onnx")).unwrap();
    let refused = |from: &str, to: &str| {
        let text = whole.replace(from, to);
        assert_ne!(text, whole, "{from}");
        fs::write(&path, text).unwrap();
        Checkpoint::read(&path).unwrap_err().to_string()
    };
    for (from, to, expected) in [
        ("\"policy/h_out\":", "\"policy/other\":", "`policy/h_out` is not fed back to `policy/h_in`"),
        ("\"backend\": \"onnx\"", "\"backend\": \"pt2\"", "of backend `pt2`, read is onnx"),
        ("\"model_path\"", "\"path\"", "has no `model_path`"),
        ("\"hover.onnx\"", "\"../hover.onnx\"", "lies outside of its folder"),
        ("\"hover.onnx\"", "\"/etc/passwd\"", "lies outside of its folder"),
        ("\"hover.onnx\"", "\"gone.onnx\"", "there is no file"),
        ("\"models\":\n  {", "\"models\":\n  {\"second\": {},", "made of 2 nodes: `second`, `policy`"),
        ("\"pipeline\":", "\"pipelines\":", "is no checkpoint"),
        ("contract_version", "contract_versio", "cannot read the contract"),
    ] {
        let error = refused(from, to);
        assert!(error.contains(expected), "{to}: {error}");
    }
    fs::write(&path, &whole).unwrap();
    let mut other = graph.clone();
    other[200] ^= 1;
    fs::write(directory.path().join("hover.onnx"), other).unwrap();
    let error = Checkpoint::read(&path).unwrap_err().to_string();
    assert!(error.contains("its SHA-256 is "), "{error}");
    fs::write(directory.path().join("hover.onnx"), graph).unwrap();
    let values = directory.path().join("hover_initial_values.safetensors");
    let mut bytes = fs::read(&values).unwrap();
    let last = bytes.len() - 1;
    bytes[last] = 0x3f;
    fs::write(&values, bytes).unwrap();
    let error = Checkpoint::read(&path).unwrap_err().to_string();
    assert!(error.contains("`policy/h_in` begins at other values than zero"), "{error}");
}
