//! TorchScript of the exporters of this field is read by what its code says, and torch runs what is written.

use std::fs;
use std::path::Path;

use eyas_formats::convert::{self, Export, Kind};
use eyas_formats::npy::{self, Array, Data};
use eyas_formats::{Checkpoint, FormatError, LoadOptions, torch};
use eyas_policy::{Activation, Cell, Contract, Inference, Output, Policy};
use eyas_testing::python_with;
use tempfile::TempDir;

use crate::executes_nothing::archive;
use crate::fixtures::{data, json, load, sequence};
use crate::python::{graphs, run};
use crate::reference::{actions, distance};

fn file(name: &str) -> std::path::PathBuf {
    data("torchscript").join(format!("{name}.pt"))
}

#[test]
fn exports_of_isaac_lab_and_legged_gym_act_as_torch_runs_them() {
    for (name, cell, activation, output, normalized) in [
        ("isaaclab_mlp", None, Activation::Elu, Output::Identity, true),
        ("isaaclab_gru", Some(Cell::Gru), Activation::Elu, Output::Identity, true),
        ("isaaclab_lstm", Some(Cell::Lstm), Activation::Tanh, Output::Identity, false),
        ("legged_gym_lstm", Some(Cell::Lstm), Activation::Elu, Output::Identity, false),
        ("legged_gym_mlp", None, Activation::Selu, Output::Tanh, false),
    ] {
        let checkpoint = Checkpoint::read(&file(name)).unwrap();
        assert_eq!(checkpoint.container(), torch::Container::TorchScript, "{name}");
        let policy = load(&file(name), &LoadOptions::default()).policy;
        let record = json(&file(name).with_extension("json"));
        let (found, _) = actions(&policy, &sequence(&record["input"]));
        let error = distance(&found, &sequence(&record["action"]));
        assert!(error < 1e-6, "{name}: actions differ by {error:e}");
        let architecture = &policy.network.architecture;
        assert_eq!(architecture.core.map(|core| core.cell), cell, "{name}");
        assert_eq!((architecture.activation, policy.output), (activation, output), "{name}");
        assert_eq!(policy.normalizer.map(|it| it.count), normalized.then_some(256), "{name}");
    }
}

#[test]
fn scripts_that_do_something_else_are_refused_by_what_they_do() {
    for (name, expected) in [
        ("scaled", "applies `torch.mul`"),
        ("forgetful", "does not feed the state of its recurrent layers back"),
        ("leaky", "has negative_slope 0.2"),
    ] {
        let error = Checkpoint::read(&file(name)).unwrap_err();
        assert!(matches!(error, FormatError::UnsupportedLayout { .. }), "{name}: {error}");
        assert!(error.to_string().contains(expected), "{name}: {error}");
    }
}

#[test]
fn what_is_written_is_read_back_with_its_contract() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("policy.pt");
    for (name, policy) in graphs() {
        write(&path, &policy);
        let checkpoint = Checkpoint::read(&path).unwrap();
        let found = checkpoint.policy(&LoadOptions::default()).unwrap().policy;
        assert_eq!(found, policy, "{name}");
        let contract = checkpoint.contract_for(&found).unwrap().unwrap();
        assert!(contract.test.replay(&found) <= 0.0, "{name}");
        let bytes = fs::read(&path).unwrap();
        write(&path, &policy);
        assert_eq!(fs::read(&path).unwrap(), bytes, "{name}: equal policies have equal bytes");
    }
}

fn write(path: &Path, policy: &Policy) {
    let contract = Contract::of(policy);
    let export = Export { policy, contract: &contract, std: None, critic: None, iteration: 0 };
    convert::write(path, Kind::TorchScript, &export).unwrap();
}

#[test]
fn torch_runs_what_is_written_as_eyas_does() {
    let Some(python) = python_with("torch") else { return };
    let directory = TempDir::new().unwrap();
    let file = |name: &str, end: &str| directory.path().join(format!("{name}.{end}"));
    let (times, batch) = (60, 3);
    let observations: Vec<f32> = (0..times * batch * 5).map(|it| 2.0 * (0.37 * it as f32).sin()).collect();
    let inputs = Array::new(&[times, batch, 5], Data::F32(observations.clone()));
    npy::write(&directory.path().join("inputs.npy"), &inputs).unwrap();
    for (name, policy) in graphs() {
        write(&file(name, "pt"), &policy);
    }
    run(&python, "torchscript.py", &[directory.path()]);
    for (name, policy) in graphs() {
        let flown = npy::read(&file(name, "npy")).unwrap();
        let own = Inference::new(&policy).act_on_record(&observations, times, batch);
        assert_eq!(flown.shape(), [times, batch, policy.num_actions()]);
        let error = flown.to_f32().iter().zip(&own).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(error <= 2e-6, "{name}: actions differ by {error:e}");
    }
}

#[test]
fn damaged_scripts_say_what_is_wrong() {
    let directory = TempDir::new().unwrap();
    let pickle = b"\x80\x02c__torch__\nA\n)\x81}(X\x01\x00\x00\x00a\x4bKub.";
    let class = |body: &str| {
        format!(
            "class A(Module):\n  a : int\n  def forward(self: __torch__.A,\n    x: Tensor) -> Tensor:\n{body}"
        )
    };
    let refusal = |pickle: &[u8], code: &str| {
        let entries = [
            ("p/data.pkl", pickle),
            ("p/code/__torch__.py", code.as_bytes()),
            ("p/constants.pkl", &b"\x80\x02)."[..]),
        ];
        Checkpoint::read(&archive(&directory, &entries)).unwrap_err().to_string()
    };
    for (body, expected) in [
        ("    if x:\n      y = x\n", "branches or repeats: `if x:`"),
        ("    return torch.add(x, 1)\n", "applies `torch.add`"),
        ("    return (x, x)\n", "does something with the observation that is not known here: `(x, x)`"),
        ("    y = torch.cat(x, x)\n", "gives the observation to `cat` in a place"),
        ("    a = self.a\n    return (a).forward(x, )\n", "an attribute is called that is no module"),
        ("    return (b).forward(x, )\n", "calls `b`, which it has not"),
        ("    return y\n", "returns something that the observation does not lead to"),
        ("    y = torch.tanh(x)\n", "returns nothing"),
        ("    return x\n", "no linear layer ends it"),
        ("    return torch.tanh([x)\n", "brackets that do not match"),
    ] {
        let error = refusal(pickle, &class(body));
        assert!(error.contains(expected), "{body}: {error}");
    }
    assert!(refusal(pickle, "class B(Module):\n").contains("no code of its class `A`"));
    assert!(refusal(b"\x80\x02}.", "").contains("called that is no module"));
    assert!(refusal(b"\x80\x02cos\nsystem\n)R.", "").contains("`os.system`, which was not executed"));

    let whole = fs::read(file("isaaclab_gru")).unwrap();
    let path = directory.path().join("policy.pt");
    for at in (0..whole.len()).step_by(199) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x55;
        fs::write(&path, &bytes).unwrap();
        let _ = Checkpoint::read(&path);
        fs::write(&path, &whole[..at]).unwrap();
        assert!(Checkpoint::read(&path).is_err());
    }
}
