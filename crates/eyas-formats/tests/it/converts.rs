//! A policy keeps its actions and its contract through every format.

use std::path::Path;

use eyas_formats::convert::{self, Export, Kind};
use eyas_formats::{Checkpoint, FormatError, LoadOptions, Side, onnx, verify};
use eyas_policy::{Activation, Architecture, Cell, Contract, Core, Output, Policy};

use crate::fixtures::{data, json, load, network, normalizer, sequence};
use crate::reference::{actions, distance};

fn policy(core: Option<Core>, normalized: bool, output: Output) -> Policy {
    let architecture = Architecture { core, ..Architecture::mlp(5, &[7, 6], 2, Activation::Elu) };
    let normalizer = normalized.then(|| normalizer(5));
    Policy { normalizer, network: network(architecture), output }
}

#[expect(clippy::unnecessary_wraps, reason = "an architecture takes it so")]
fn core(cell: Cell, layers: usize) -> Option<Core> {
    Some(Core { cell, width: 6, layers })
}

/// The student of RAPTOR's shape, which has an encoder.
fn student() -> Policy {
    let network = network(Architecture::gru_student(5, 8, 2));
    Policy { normalizer: None, network, output: Output::Identity }
}

fn policies() -> Vec<(&'static str, Policy)> {
    vec![
        ("mlp", policy(None, false, Output::Identity)),
        ("mlp, normaliser, tanh", policy(None, true, Output::Tanh)),
        ("gru, normaliser", policy(core(Cell::Gru, 1), true, Output::Identity)),
        ("two gru, tanh", policy(core(Cell::Gru, 2), false, Output::Tanh)),
        ("two lstm, normaliser", policy(core(Cell::Lstm, 2), true, Output::Identity)),
        ("student", student()),
    ]
}

fn write(path: &Path, kind: Kind, policy: &Policy) -> Result<convert::Written, FormatError> {
    let contract = Contract { task: Some("a task".to_owned()), ..Contract::of(policy) };
    let export = Export { policy, contract: &contract, std: Some(&[0.25, 0.5]), critic: None, iteration: 7 };
    convert::write(path, kind, &export)
}

#[test]
fn every_format_that_takes_a_policy_gives_it_back() {
    let directory = tempfile::tempdir().unwrap();
    let mut taken = Vec::new();
    for name in Kind::names() {
        let kind: Kind = name.parse().unwrap();
        for (index, (shape, policy)) in policies().into_iter().enumerate() {
            let path = directory.path().join(format!("{name}-{index}.{}", kind.extension()));
            let contract = Contract::of(&policy);
            match write(&path, kind, &policy) {
                Err(FormatError::Inexpressible { .. }) => assert!(!path.exists(), "{name}, {shape}"),
                Err(error) => panic!("{name}, {shape}: {error}"),
                Ok(_) => {
                    let difference = convert::read_back(&path, kind, &contract).unwrap();
                    // Folding a normaliser rounds each weight once more; eight bits are a share of 1/254 of the greatest.
                    let tolerance = if kind == Kind::CInt8 { 0.05 } else { 5e-6 };
                    assert!(difference <= tolerance, "{name}, {shape}: {difference:e}");
                    let found = Checkpoint::read(&path).unwrap().contract().unwrap().unwrap();
                    assert_eq!(found.task.as_deref(), Some("a task"), "{name}, {shape}");
                    assert!(verify::verify(&path, &LoadOptions::default(), None).unwrap().holds());
                    taken.push((name, shape));
                }
            }
        }
    }
    let of = |kind: &str| taken.iter().filter(|(name, _)| *name == kind).count();
    let counts = Kind::names().map(|name| (name, of(name))).collect::<Vec<_>>();
    // rsl_rl has no encoder; the script knows MLPs and its own GRU, a Sequential MLPs.
    let expected = [
        ("rsl_rl2", 5),
        ("rsl_rl3", 5),
        ("rsl_rl4", 5),
        ("rsl_rl5", 5),
        ("student", 3),
        ("sequential", 2),
        ("safetensors", 6),
        ("npz", 6),
        ("onnx", 6),
        ("torchscript", 6),
        ("leapp", 6),
        ("c", 6),
        ("c_int8", 6),
        // The other recurrent ones have ELU, and PX4 flies one shape of each kind.
        ("h5", 1),
        ("px4", 0),
        ("px4_nn", 0),
        ("eyas-fly", 6),
        // A firmware has to know what the numbers are.
        ("crazyflie", 0),
        ("betaflight", 0),
    ];
    assert_eq!(counts, expected);
}

#[test]
fn formats_without_loss_keep_every_bit() {
    let directory = tempfile::tempdir().unwrap();
    for kind in [
        Kind::RslRl2,
        Kind::RslRl3,
        Kind::RslRl4,
        Kind::RslRl5,
        Kind::Safetensors,
        Kind::Npz,
        Kind::Onnx,
        Kind::C,
    ] {
        for (shape, policy) in policies() {
            let path = directory.path().join("policy").with_extension(kind.extension());
            if write(&path, kind, &policy).is_err() {
                continue;
            }
            let found = load(&path, &LoadOptions::default());
            assert_eq!(found.policy.network, policy.network, "{kind}, {shape}");
            assert_eq!(found.policy.output, policy.output, "{kind}, {shape}");
            let statistics = |policy: &Policy| policy.normalizer.clone().map(|it| (it.mean, it.std));
            assert_eq!(statistics(&found.policy), statistics(&policy), "{kind}, {shape}");
            if !matches!(kind, Kind::Onnx | Kind::C) {
                assert_eq!(found.policy.normalizer, policy.normalizer, "{kind}, {shape}");
                assert_eq!(found.std.as_deref(), Some(&[0.25, 0.5][..]), "{kind}, {shape}");
            }
        }
    }
}

#[test]
fn every_activation_goes_through_a_graph() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("policy.onnx");
    let activations = Activation::names().map(|name| name.parse::<Activation>().unwrap());
    for activation in activations {
        let architecture = Architecture::mlp(5, &[7, 6], 2, activation);
        for output in [Output::Identity, Output::Tanh, Output::Beta] {
            let architecture = Architecture { outputs: 4, ..architecture.clone() };
            let policy = Policy { normalizer: None, network: network(architecture), output };
            let contract = Contract::of(&policy);
            let export =
                Export { policy: &policy, contract: &contract, std: None, critic: None, iteration: 0 };
            convert::write(&path, Kind::Onnx, &export).unwrap();
            let found = load(&path, &LoadOptions::default());
            assert_eq!(found.policy, policy, "{activation}");
        }
    }
}

#[test]
fn each_version_of_rsl_rl_has_its_own_keys() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("model.pt");
    let policy = policy(core(Cell::Gru, 1), true, Output::Identity);
    for (kind, keys) in [
        (Kind::RslRl2, ["model_state_dict/memory_a.rnn.weight_ih_l0", "obs_norm_state_dict/_mean"]),
        (Kind::RslRl3, ["model_state_dict/actor.0.weight", "model_state_dict/actor_obs_normalizer._mean"]),
        (Kind::RslRl4, ["actor_state_dict/std", "actor_state_dict/obs_normalizer._mean"]),
        (Kind::RslRl5, ["actor_state_dict/distribution.std_param", "actor_state_dict/rnn.rnn.bias_hh_l0"]),
    ] {
        write(&path, kind, &policy).unwrap();
        let description = Checkpoint::read(&path).unwrap().describe(&LoadOptions::default());
        for key in keys {
            assert!(description.tensors.iter().any(|tensor| tensor.key == key), "{kind}: {key}");
        }
        assert_eq!(description.iteration, Some(7));
    }
}

#[test]
fn a_critic_goes_with_its_actor() {
    let source = data("point_ctrl_rsl_rl_5.5.1/model_best.pt");
    let checkpoint = Checkpoint::read(&source).unwrap();
    let loaded = checkpoint.policy(&LoadOptions::default()).unwrap();
    let critic = checkpoint.critic(&LoadOptions::default()).unwrap();
    let contract = Contract::of(&loaded.policy);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("model.pt");
    for kind in [Kind::RslRl2, Kind::RslRl3, Kind::RslRl4, Kind::RslRl5] {
        let export = Export {
            policy: &loaded.policy,
            contract: &contract,
            std: loaded.std.as_deref(),
            critic: Some((&critic.network, critic.normalizer.as_ref())),
            iteration: 152,
        };
        convert::write(&path, kind, &export).unwrap();
        let found = Checkpoint::read(&path).unwrap().critic(&LoadOptions::default()).unwrap();
        assert_eq!(
            (found.network, found.normalizer),
            (critic.network.clone(), critic.normalizer.clone()),
            "{kind}"
        );
        let run = eyas_formats::rsl_rl::read_ppo(&path).unwrap();
        assert_eq!(run.optimizer.unwrap().step, 0, "{kind}");
    }
}

#[test]
fn the_graph_that_rsl_rl_exports_is_the_checkpoint_that_it_came_from() {
    // Its numbers lie in a file of their own, and its GRU's weights are put in order by operators.
    let model = load(&data("rsl_rl_5.5.1_gru_norm.pt"), &LoadOptions::default());
    let path = data("exports/rsl_rl_5.5.1_gru_norm.onnx");
    let found = onnx::examine(&path, Some(&model.policy)).unwrap();
    assert!(found.is_sound(), "{:?} {:?}", found.faults, found.error);
    assert!(!found.dynamic_batch);
    let exported = load(&path, &LoadOptions::default());
    let record = json(&data("rsl_rl_5.5.1_gru_norm.json"));
    let (actions, _) = actions(&exported.policy, &sequence(&record["input"]));
    let error = distance(&actions, &sequence(&record["action"]));
    assert!(error < 1e-5, "actions differ by {error:e}");
}

#[test]
fn a_contract_of_another_policy_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("policy.pt");
    let written = write(&path, Kind::Sequential, &policy(None, false, Output::Identity)).unwrap();
    let (beside, _) = &written.beside[0];
    assert_eq!(beside, &directory.path().join("policy.contract.json"));
    let json = std::fs::read_to_string(beside).unwrap();
    let other = json.replacen("\"width\": 5", "\"width\": 6", 1);
    assert_ne!(other, json);
    std::fs::write(beside, other).unwrap();
    let error = verify::verify(&path, &LoadOptions::default(), None).unwrap_err();
    assert!(matches!(error, FormatError::ContractMismatch { .. }), "{error}");

    std::fs::write(beside, json.replacen("\"contract_version\": 2", "\"contract_version\": 9", 1)).unwrap();
    let error = Checkpoint::read(&path).unwrap_err();
    assert!(matches!(error, FormatError::NewerFormat { found: 9, .. }), "{error}");
}

#[test]
fn a_contract_of_the_version_before_is_read() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("policy.pt");
    let written = write(&path, Kind::Sequential, &policy(None, false, Output::Identity)).unwrap();
    let (beside, _) = &written.beside[0];
    let json = std::fs::read_to_string(beside).unwrap();
    let before = json.replacen("\"contract_version\": 2", "\"contract_version\": 1", 1).replacen(
        ",\n    \"rotor_positions_m\": null",
        "",
        1,
    );
    assert!(before.len() < json.len() - 20, "{json}");
    std::fs::write(beside, before).unwrap();
    let contract = Checkpoint::read(&path).unwrap().contract().unwrap().unwrap();
    assert_eq!((contract.contract_version, contract.action.rotor_positions_m), (1, None));
}

#[test]
fn changed_weights_break_the_promise_of_the_test_vectors() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("policy.safetensors");
    let good = policy(None, true, Output::Tanh);
    let mut bad = good.clone();
    bad.network.parameters[0] += 0.5;
    let contract = Contract::of(&good);
    let export = Export { policy: &bad, contract: &contract, std: None, critic: None, iteration: 0 };
    convert::write(&path, Kind::Safetensors, &export).unwrap();
    let found = verify::verify(&path, &LoadOptions::default(), None).unwrap();
    assert!(!found.holds());
    assert!(found.to_string().contains("does not hold"), "{found}");
}

#[test]
fn the_teacher_of_a_distillation_can_be_exported_by_itself() {
    let options = LoadOptions { side: Side::Teacher, ..LoadOptions::default() };
    let teacher = load(&data("made_5.5.1_distill.pt"), &options);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("teacher.onnx");
    let contract = Contract::of(&teacher.policy);
    let export =
        Export { policy: &teacher.policy, contract: &contract, std: None, critic: None, iteration: 0 };
    convert::write(&path, Kind::Onnx, &export).unwrap();
    let found = verify::verify(&path, &LoadOptions::default(), None).unwrap();
    assert!(found.holds(), "{found}");
}

#[test]
fn damaged_files_of_every_format_are_errors() {
    let directory = tempfile::tempdir().unwrap();
    for kind in [Kind::Safetensors, Kind::Npz, Kind::Onnx, Kind::C] {
        let path = directory.path().join("policy").with_extension(kind.extension());
        write(&path, kind, &policy(core(Cell::Gru, 1), true, Output::Tanh)).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        for length in (0..bytes.len()).step_by(bytes.len() / 97) {
            std::fs::write(&path, &bytes[..length]).unwrap();
            let outcome =
                Checkpoint::read(&path).and_then(|checkpoint| checkpoint.policy(&LoadOptions::default()));
            assert!(outcome.is_err(), "{kind}: {length} of {} bytes", bytes.len());
        }
    }
}
