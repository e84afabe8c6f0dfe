//! Files to test with.

use std::path::{Path, PathBuf};

use eyas_formats::{AdamState, Checkpoint, LoadOptions, LoadedPolicy, Value, torch};
use eyas_policy::{Activation, Architecture, Network, Normalizer, Output, Policy};
use serde_json::Value as Json;
use tempfile::TempDir;

/// A file below `tests/data`.
pub(crate) fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

pub(crate) fn json(path: &Path) -> Json {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// `[steps][environments][features]`; a record without steps is one step.
pub(crate) fn sequence(json: &Json) -> Vec<Vec<Vec<f64>>> {
    serde_json::from_value(json.clone()).unwrap_or_else(|_| {
        vec![serde_json::from_value(json.clone()).expect("numbers in two or three levels")]
    })
}

pub(crate) fn load(path: &Path, options: &LoadOptions) -> LoadedPolicy {
    Checkpoint::read(path).unwrap().policy(options).unwrap()
}

/// A directory with `model.pt`, and `params/agent.yaml` if one is given.
pub(crate) fn run_directory(root: &Value, config: Option<&str>) -> (TempDir, PathBuf) {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("model.pt");
    torch::write(&path, root).unwrap();
    if let Some(config) = config {
        std::fs::create_dir(directory.path().join("params")).unwrap();
        std::fs::write(directory.path().join("params/agent.yaml"), config).unwrap();
    }
    (directory, path)
}

/// A network of this shape with distinct small parameters.
pub(crate) fn network(architecture: Architecture) -> Network {
    let parameters =
        (0..architecture.num_parameters()).map(|index| (index as f32 * 0.7).sin() * 0.5).collect();
    Network { architecture, parameters }
}

pub(crate) fn normalizer(width: usize) -> Normalizer {
    let values = |scale: f32| (0..width).map(|index| scale + index as f32 / 8.0).collect::<Vec<_>>();
    let var = values(0.5);
    Normalizer {
        mean: values(-0.25),
        std: var.iter().map(|var| var.sqrt()).collect(),
        var,
        count: 1 << 40,
        clip: None,
    }
}

pub(crate) fn mlp_policy() -> Policy {
    let network = network(Architecture::mlp(5, &[4, 3], 2, Activation::Elu));
    Policy { normalizer: None, network, output: Output::Identity }
}

/// Distinct moments, after `step` steps.
pub(crate) fn adam(num_parameters: usize, step: u64) -> AdamState {
    let moments = |scale: f32| (0..num_parameters).map(|index| scale * (index + 1) as f32).collect();
    AdamState { step, exp_avg: moments(1e-3), exp_avg_sq: moments(1e-6), learning_rate: 3e-4 }
}
