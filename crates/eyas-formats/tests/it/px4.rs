//! Files of RLtools are written as RLtools does, and PX4's loader takes the archives.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use eyas_formats::convert::{self, Export, Kind};
use eyas_formats::{Checkpoint, FormatError, Layout, LoadOptions, verify};
use eyas_policy::{Activation, Architecture, Cell, Contract, Core, Output, Policy};
use eyas_testing::python_with;

use crate::fixtures::{data, json, load, network, normalizer};

const RELEASED: &str = "rltools_released_student.h5";

fn student() -> Policy {
    let network = network(Architecture::gru_student(22, 16, 4));
    Policy { normalizer: Some(normalizer(22)), network, output: Output::Identity }
}

fn write(
    path: &Path,
    kind: Kind,
    policy: &Policy,
    contract: &Contract,
) -> Result<convert::Written, FormatError> {
    convert::write(path, kind, &Export { policy, contract, std: None, critic: None, iteration: 0 })
}

/// A `policy.tar` of a student.
fn archive() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("policy.tar");
    write(&path, Kind::Px4, &student(), &Contract::of(&student())).unwrap();
    (folder, path)
}

fn verified(path: &Path) -> verify::Verification {
    verify::verify(path, &LoadOptions::default(), None).unwrap()
}

#[test]
fn the_released_student_goes_to_the_vehicle_with_its_bits() {
    let released = load(&data(RELEASED), &LoadOptions::default()).policy;
    let folder = tempfile::tempdir().unwrap();
    for (kind, name) in [(Kind::Px4, "policy.tar"), (Kind::RlTools, "checkpoint.h5")] {
        let path = folder.path().join(name);
        write(&path, kind, &released, &Contract::of(&released)).unwrap();
        let checkpoint = Checkpoint::read(&path).unwrap();
        assert_eq!(checkpoint.kind(), Layout::RlTools);
        let found = checkpoint.policy(&LoadOptions::default()).unwrap();
        assert_eq!(found.policy, released, "{name}");
        // Its example is what the policy itself did.
        assert!(found.example_difference.unwrap() == 0.0);
        let verified = verified(&path);
        assert!(verified.holds(), "{verified}");
        assert_eq!(verified.px4.is_some(), kind == Kind::Px4);
    }
}

#[test]
fn any_gru_of_the_shape_flies_whatever_it_was_trained_with() {
    let folder = tempfile::tempdir().unwrap();
    let narrow = Architecture {
        encoder: vec![12],
        core: Some(Core { cell: Cell::Gru, width: 9, layers: 1 }),
        ..Architecture::gru_student(22, 16, 4)
    };
    for (policy, remark) in [
        (student(), "folded into the first layer"),
        (
            Policy { normalizer: None, network: network(narrow), output: Output::Identity },
            "units of weight 0",
        ),
    ] {
        let contract = Contract::of(&policy);
        let path = folder.path().join("policy.tar");
        let written = write(&path, Kind::Px4, &policy, &contract).unwrap();
        assert!(written.remarks.iter().any(|it| it.contains(remark)), "{:?}", written.remarks);
        assert!(written.remarks.iter().any(|it| it.contains("nothing states the observation")));
        let verified = verified(&path);
        assert!(verified.holds(), "{verified}");
        assert!(verified.to_string().contains("mc_raptor, self-test: mean difference"), "{verified}");
        let found = load(&path, &LoadOptions::default()).policy;
        let difference = contract.test.replay(&found);
        // Folding divides each weight once more.
        assert!(difference <= 1e-5, "{difference:e}");
    }
}

#[test]
fn what_the_module_cannot_fly_is_refused_by_what_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("policy.tar");
    let refused = |policy: &Policy, contract: &Contract, words: &str| {
        let error = write(&path, Kind::Px4, policy, contract).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
        assert!(!path.exists());
    };
    let with = |change: &dyn Fn(&mut Policy)| {
        let mut policy = student();
        change(&mut policy);
        policy
    };
    let wide = with(&|it| it.network = network(Architecture::gru_student(22, 17, 4)));
    refused(&wide, &Contract::of(&wide), "22 → 17 → gru 17 → 4");
    let squashed = with(&|it| it.output = Output::Tanh);
    refused(&squashed, &Contract::of(&squashed), "with a squash");
    let elu = with(&|it| it.network.architecture.activation = Activation::Elu);
    refused(&elu, &Contract::of(&elu), "the activation elu");
    let stated = |change: &dyn Fn(&mut Contract)| {
        let mut contract = Contract::of(&student());
        change(&mut contract);
        contract
    };
    refused(&student(), &stated(&|it| it.control_rate_hz = Some(50.0)), "steps 50 times a second");
    let order = "front left, front right, back right, back left";
    refused(&student(), &stated(&|it| it.action.motor_order = Some(order.to_owned())), order);
    let part = eyas_policy::ObservationPart {
        name: "camera".to_owned(),
        width: 22,
        frame: "body".to_owned(),
        unit: "1".to_owned(),
        meaning: String::new(),
    };
    refused(&student(), &stated(&|it| it.observation.parts = vec![part.clone()]), "observes camera 22");
    assert!(write(&path, Kind::Px4, &student(), &stated(&|it| it.control_rate_hz = Some(100.0))).is_ok());
}

/// Changes to an archive, and what PX4's loader or the reader would say.
#[test]
fn the_loader_s_checks_find_each_fault_of_an_archive() {
    let (folder, good) = archive();
    let bytes = fs::read(&good).unwrap();
    let path = folder.path().join("broken.tar");
    let replaced = |from: &str, to: &str| {
        let at = bytes.windows(from.len()).position(|it| it == from.as_bytes()).expect(from);
        let mut bytes = bytes.clone();
        bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
        bytes
    };
    for (from, to, words) in [
        ("checkpoint_name: ", "checkpoint-name: ", "has no line `checkpoint_name: …`"),
        (
            "actor/layers/1/biases_hidden/parameters/data",
            "actor/layers/1/biases_hidden/parameters/date",
            "biases_hidden",
        ),
        ("dim_1: 22", "dim_1: 21", "21"),
        ("type: tensor", "type: matrix", "is a matrix"),
        ("example/output/data", "example/output/tada", "example/output"),
    ] {
        fs::write(&path, replaced(from, to)).unwrap();
        let outcome = verify::verify(&path, &LoadOptions::default(), None);
        let said = match &outcome {
            Ok(found) if found.holds() => panic!("{from}: nothing was found"),
            Ok(found) => found.to_string(),
            Err(error) => error.to_string(),
        };
        assert!(said.contains(words), "{from}: {said}");
    }
    for length in (0..bytes.len() - 1024).step_by(bytes.len() / 61) {
        fs::write(&path, &bytes[..length]).unwrap();
        let outcome = Checkpoint::read(&path).and_then(|it| it.policy(&LoadOptions::default()));
        assert!(outcome.is_err(), "{length} of {} bytes", bytes.len());
    }
}

#[test]
fn the_self_test_finds_a_weight_that_changed() {
    let (_folder, path) = archive();
    let mut bytes = fs::read(&path).unwrap();
    let name = b"actor/layers/2/weights/parameters/data";
    let header = bytes.windows(name.len()).position(|it| it == name).unwrap();
    bytes[header + 512..header + 516].copy_from_slice(&0.5_f32.to_le_bytes());
    fs::write(&path, &bytes).unwrap();
    let bytes = verify::verify(&path, &LoadOptions::default(), None);
    let error = bytes.unwrap_err();
    assert!(matches!(error, FormatError::FailsExample { .. }), "{error}");
}

#[test]
fn every_network_that_rltools_knows_is_written_and_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint.h5");
    let core = |layers| Some(Core { cell: Cell::Gru, width: 6, layers });
    // More layers than one leaf of a group's tree holds.
    let deep = Architecture::mlp(5, &[4; 21], 2, Activation::Relu);
    for (architecture, output) in [
        (Architecture::mlp(5, &[7, 6], 2, Activation::Tanh), Output::Identity),
        (Architecture::mlp(5, &[7], 2, Activation::Sigmoid), Output::Tanh),
        (Architecture { core: core(2), ..Architecture::mlp(5, &[7], 2, Activation::Relu) }, Output::Tanh),
        (Architecture::mlp(5, &[], 2, Activation::Identity), Output::Identity),
        (deep, Output::Identity),
    ] {
        let policy = Policy { normalizer: Some(normalizer(5)), network: network(architecture), output };
        write(&path, Kind::RlTools, &policy, &Contract::of(&policy)).unwrap();
        let found = load(&path, &LoadOptions::default());
        assert_eq!(found.policy.network, policy.network);
        assert_eq!(found.policy.output, output);
        // The deviation is stored as its reciprocal.
        assert!(Contract::of(&policy).test.replay(&found.policy) <= 1e-6);
        assert!(verified(&path).holds());
    }
    let lstm = Core { cell: Cell::Lstm, width: 6, layers: 1 };
    let lstm = Architecture { core: Some(lstm), ..Architecture::mlp(5, &[], 2, Activation::Relu) };
    let policy = Policy { normalizer: None, network: network(lstm), output: Output::Identity };
    let error = write(&path, Kind::RlTools, &policy, &Contract::of(&policy)).unwrap_err();
    assert!(error.to_string().contains("an LSTM"), "{error}");
}

#[test]
fn h5py_finds_the_structure_of_the_released_file_in_a_written_one() {
    let Some(python) = python_with("h5py") else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint.h5");
    let released = load(&data(RELEASED), &LoadOptions::default()).policy;
    write(&path, Kind::RlTools, &released, &Contract::of(&released)).unwrap();
    let listed = |path: &Path| {
        let result = folder.path().join("result.json");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/rltools.py");
        let output = Command::new(&python).arg(script).arg(path).arg(&result).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        json(&result)
    };
    let (mut written, mut original) = (listed(&path), listed(&data(RELEASED)));
    let own: Vec<String> =
        written.as_object().unwrap().keys().filter(|it| it.starts_with("eyas")).cloned().collect();
    assert_eq!(own, ["eyas", "eyas/contract"]);
    for key in &own {
        written.as_object_mut().unwrap().remove(key);
    }
    assert_eq!(written["example/input"]["shape"], serde_json::json!([50, 2, 22]));
    for file in [&mut written, &mut original] {
        assert!(file["actor"]["attributes"]["meta"].as_str().unwrap().starts_with("{\"environment\": "));
        file["actor"]["attributes"]["checkpoint_name"].take();
        file["actor"]["attributes"]["meta"].take();
        for key in ["example/input", "example/output"] {
            file[key].take();
        }
    }
    assert_eq!(written, original);
}
