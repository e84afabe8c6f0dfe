//! torch, rsl_rl and NumPy themselves accept what is written.
//!
//! A test that finds no interpreter with its packages is skipped (`eyas_testing::python_with`).

use std::path::Path;
use std::process::Command;

use eyas_formats::convert::{self, Export, Kind};
use eyas_formats::npy::{self, Array, Data};
use eyas_formats::rsl_rl::{self, PpoCheckpoint};
use eyas_formats::student::{self, StudentCheckpoint};
use eyas_formats::{FormatError, Value, torch};
use eyas_policy::{Activation, Architecture, Cell, Contract, Core, Inference, Output, Policy};
use eyas_testing::python_with;

use crate::fixtures::{adam, data, json, mlp_policy, network, normalizer, sequence};
use crate::reference::{actions, distance};

pub(crate) fn run(python: &Path, script: &str, arguments: &[&Path]) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python").join(script);
    let output = Command::new(python).arg(&script).args(arguments).output().unwrap();
    assert!(
        output.status.success(),
        "{} failed:\n{}",
        script.display(),
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn rsl_rl_resumes_a_written_run() {
    let Some(python) = python_with("torch, rsl_rl.runners") else { return };
    resume_with_rsl_rl(&python, "mlp", None);
}

#[test]
fn rsl_rl_5_resumes_a_written_run_of_recurrent_networks() {
    let Some(python) = python_with("torch, tensordict, rsl_rl.models") else { return };
    let gru = Core { cell: Cell::Gru, width: 4, layers: 1 };
    let lstm = Core { cell: Cell::Lstm, width: 4, layers: 2 };
    for (kind, core) in [("gru", gru), ("lstm", lstm)] {
        resume_with_rsl_rl(&python, kind, Some(core));
    }
}

fn resume_with_rsl_rl(python: &Path, kind: &str, core: Option<Core>) {
    let shape = |inputs, outputs| Architecture {
        core,
        ..Architecture::mlp(inputs, &[6, 3], outputs, Activation::Elu)
    };
    let actor =
        Policy { normalizer: Some(normalizer(5)), network: network(shape(5, 2)), output: Output::Identity };
    let critic = network(shape(7, 1));
    let optimizer = adam(2 + actor.network.parameters.len() + critic.parameters.len(), 50);
    let extra = Value::dict([("contract", "point_ctrl")]);
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str| directory.path().join(name);
    let checkpoint = PpoCheckpoint {
        actor: &actor,
        std: &[0.5, 0.25],
        critic: &critic,
        critic_normalizer: Some(&normalizer(7)),
        optimizer: &optimizer,
        iteration: 30,
        extra: Some(&extra),
    };
    rsl_rl::write_ppo(&file("model_30.pt"), &checkpoint).unwrap();
    let (result, saved) = (file("result.json"), file("saved.pt"));
    run(python, "ppo.py", &[&file("model_30.pt"), &result, &saved, Path::new(kind)]);

    let report = json(&result);
    assert_eq!((report["iteration"].as_u64(), report["steps"].as_f64()), (Some(30), Some(50.0)));
    assert_eq!(
        (report["learning_rate"].as_f64(), report["shapes_agree"].as_bool()),
        (Some(3e-4), Some(true))
    );
    let (expected, _) = actions(&actor, &sequence(&report["input"]));
    let error = distance(&expected, &sequence(&report["action"]));
    assert!(error < 1e-5, "{kind}: actions differ by {error:e}");
    check_moments(&report["moment_sums"], &actor, &critic, &optimizer.exp_avg);

    // What the library saved after one more iteration is a run that can be read in turn.
    let next = rsl_rl::read_ppo(&saved).unwrap();
    assert_eq!(next.optimizer.unwrap().step, 51);
    assert_eq!(next.actor.network.architecture, actor.network.architecture);
    assert_ne!(next.actor.network.parameters, actor.network.parameters);
}

/// The library counts the head before the core; each moment must have reached its own parameter.
fn check_moments(found: &serde_json::Value, actor: &Policy, critic: &eyas_policy::Network, exp_avg: &[f32]) {
    let mut expected = vec![sum(&exp_avg[..2])];
    let mut start = 2;
    for network in [&actor.network, critic] {
        let (core, head): (Vec<_>, Vec<_>) =
            network.architecture.tensors().into_iter().partition(|tensor| tensor.name.starts_with("core."));
        let sums = head.iter().chain(&core);
        expected
            .extend(sums.map(|tensor| sum(&exp_avg[start + tensor.range.start..start + tensor.range.end])));
        start += network.parameters.len();
    }
    let found: Vec<f64> = serde_json::from_value(found.clone()).unwrap();
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(&expected) {
        assert!((found - expected).abs() < 1e-6 * expected.abs(), "{found} {expected}");
    }
}

fn sum(values: &[f32]) -> f64 {
    values.iter().map(|&value| f64::from(value)).sum()
}

#[test]
fn torch_loads_an_actor_with_its_safe_default() {
    let Some(python) = python_with("torch") else { return };
    let directory = tempfile::tempdir().unwrap();
    let (path, result) = (directory.path().join("teacher.pt"), directory.path().join("result.json"));
    let mut teacher = mlp_policy();
    teacher.normalizer = Some(normalizer(teacher.num_observations()));
    let std: Vec<f32> = (1..=teacher.num_actions()).map(|action| 0.25 * action as f32).collect();
    rsl_rl::write_actor(&path, &teacher, &std, 300, None).unwrap();
    run(&python, "actor.py", &[&path, &result]);

    let report = json(&result);
    let (expected, _) = actions(&teacher, &sequence(&report["input"]));
    let error = distance(&expected, &sequence(&report["action"]));
    assert!(error < 1e-5, "actions differ by {error:e}");
    assert_eq!(report["iteration"], 300);
    assert_eq!(report["std"], serde_json::json!(std));
}

#[test]
fn torch_loads_students_with_its_safe_default() {
    let Some(python) = python_with("torch") else { return };
    let gru = network(Architecture::gru_student(22, 16, 4));
    let gru = Policy { normalizer: None, network: gru, output: Output::Identity };
    let directory = tempfile::tempdir().unwrap();
    for (kind, policy, best_return) in [("mlp", mlp_policy(), 45.25), ("gru", gru, -3.5)] {
        let (path, result) = (directory.path().join("student.pt"), directory.path().join("result.json"));
        let optimizer = adam(policy.network.parameters.len(), 4);
        let extra = Value::dict([("contract", "point_ctrl")]);
        let checkpoint = StudentCheckpoint {
            epoch: 70_000,
            policy: &policy,
            optimizer: &optimizer,
            best_return,
            extra: Some(&extra),
        };
        student::write(&path, &checkpoint).unwrap();
        run(&python, "student.py", &[&path, &result, Path::new(kind)]);

        let report = json(&result);
        let (expected, _) = actions(&policy, &sequence(&report["input"]));
        let error = distance(&expected, &sequence(&report["action"]));
        assert!(error < 1e-5, "{kind}: actions differ by {error:e}");
        assert_eq!(report["epoch"], 70_000);
        assert_eq!(
            (&report["best_return"], &report["best_return_type"]),
            (&best_return.into(), &"float".into())
        );
        assert_eq!(report["contract"], "point_ctrl");
    }
}

#[test]
fn torch_loads_every_kind_of_object() {
    let Some(python) = python_with("torch") else { return };
    let directory = tempfile::tempdir().unwrap();
    let copy = directory.path().join("copy.pt");
    let original = data("containers_zip.pt");
    torch::write(&copy, &torch::read(&original).unwrap().0).unwrap();
    run(&python, "containers.py", &[&original, &copy]);
}

#[test]
fn numpy_and_eyas_read_each_other() {
    let Some(python) = python_with("numpy") else { return };
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str| directory.path().join(name);
    let arrays = crate::arrays::one_of_each();
    for (name, array) in &arrays {
        npy::write(&file(&format!("{name}.npy")), array).unwrap();
    }
    let named: Vec<(&str, &Array)> = arrays.iter().map(|(name, array)| (name.as_str(), array)).collect();
    npy::write_npz(&file("eyas.npz"), &named).unwrap();
    run(&python, "arrays.py", &[directory.path()]);

    assert_eq!(npy::read_npz(&file("numpy.npz")).unwrap(), arrays);
    let counted = Array::new(&[2, 3, 4], Data::I64((0..24).collect()));
    assert_eq!(npy::read(&file("fortran.npy")).unwrap(), counted);
    assert_eq!(npy::read(&file("version2.npy")).unwrap(), arrays[0].1);
    for name in ["big_endian.npy", "fields.npy"] {
        let error = npy::read(&file(name)).unwrap_err();
        assert!(matches!(error, FormatError::Npy { .. }), "{name}: {error}");
    }
    let zeros = Array::new(&[9], Data::F64(vec![0.0; 9]));
    assert_eq!(npy::read_npz(&file("compressed.npz")).unwrap(), [("a".to_owned(), zeros)]);
}

/// Shapes, normalisers and squashes of policies that are written as graphs.
pub(crate) fn graphs() -> Vec<(&'static str, Policy)> {
    let core = |cell, layers| Some(Core { cell, width: 6, layers });
    let policy = |core, normalized: bool, output| {
        let architecture = Architecture { core, ..Architecture::mlp(5, &[7, 6], 2, Activation::Elu) };
        Policy { normalizer: normalized.then(|| normalizer(5)), network: network(architecture), output }
    };
    let student = network(Architecture::gru_student(5, 8, 2));
    let mut graphs = vec![
        ("mlp", policy(None, true, Output::Tanh)),
        ("gru", policy(core(Cell::Gru, 1), true, Output::Identity)),
        ("two gru", policy(core(Cell::Gru, 2), false, Output::Tanh)),
        ("lstm", policy(core(Cell::Lstm, 1), false, Output::Identity)),
        ("two lstm", policy(core(Cell::Lstm, 2), true, Output::Tanh)),
        ("student", Policy { normalizer: None, network: student, output: Output::Identity }),
        ("beta", policy(None, true, Output::Beta)),
    ];
    for name in
        ["selu", "relu", "celu", "lrelu", "tanh", "sigmoid", "softplus", "gelu", "silu", "mish", "identity"]
    {
        let architecture = Architecture::mlp(5, &[7, 6], 2, name.parse().unwrap());
        graphs.push((
            name,
            Policy { normalizer: None, network: network(architecture), output: Output::Identity },
        ));
    }
    let mut limited = graphs[1].1.clone();
    limited.normalizer.as_mut().unwrap().clip = Some(0.75);
    graphs.push(("limited", limited));
    graphs
}

#[test]
fn onnxruntime_flies_what_is_written_as_eyas_does() {
    let Some(python) = python_with("onnx, onnxruntime, numpy") else { return };
    let directory = tempfile::tempdir().unwrap();
    let [model, inputs, outputs] =
        ["policy.onnx", "inputs.npy", "actions.npy"].map(|name| directory.path().join(name));
    let (times, batch) = (60, 3);
    for (name, policy) in graphs() {
        let contract = Contract::of(&policy);
        let export = Export { policy: &policy, contract: &contract, std: None, critic: None, iteration: 0 };
        convert::write(&model, Kind::Onnx, &export).unwrap();
        let observations: Vec<f32> =
            (0..times * batch * 5).map(|it| 2.0 * (0.37 * it as f32).sin()).collect();
        npy::write(&inputs, &Array::new(&[times, batch, 5], Data::F32(observations.clone()))).unwrap();
        run(&python, "onnx_graph.py", &[&model, &inputs, &outputs]);
        let flown = npy::read(&outputs).unwrap();
        let own = Inference::new(&policy).act_on_record(&observations, times, batch);
        assert_eq!(flown.shape(), [times, batch, policy.num_actions()]);
        let error = flown.to_f32().iter().zip(&own).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(error <= 1e-6, "{name}: actions differ by {error:e}");
    }
}

#[test]
fn safetensors_and_numpy_read_what_is_written() {
    let Some(python) = python_with("safetensors, numpy") else { return };
    let directory = tempfile::tempdir().unwrap();
    let (_, policy) = graphs().swap_remove(4);
    let contract = Contract::of(&policy);
    let export =
        Export { policy: &policy, contract: &contract, std: Some(&[0.5; 2]), critic: None, iteration: 0 };
    let files = [Kind::Safetensors, Kind::Npz].map(|kind| {
        let path = directory.path().join(format!("policy.{}", kind.extension()));
        convert::write(&path, kind, &export).unwrap();
        path
    });
    run(&python, "tensors.py", &[&files[0], &files[1]]);
}
