//! LEAPP bundles, the policy format of Isaac Lab 3.0: `NAME.yaml`, a graph for each node, and the values that feedback
//! begins with.
//!
//! Source: `leapp/{leapp,inference_manager}.py` and `leapp/utils/tensor_description.py` of leapp 0.7.2 (PyPI,
//! Apache-2.0).

use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use eyas_policy::{Cell, Contract, Policy};
use md5::Md5;
use serde_json::Value as Json;
use sha2::{Digest as _, Sha256};

use crate::container::{safetensors, torch};
use crate::contract::{self, note};
use crate::{EYAS_KEY, FormatError, Tensor, Value, onnx};

/// The keys at the top that the reference reader wants.
const SECTIONS: [&str; 3] = ["models", "pipeline", "system information"];

/// The node of what is written here.
const NODE: &str = "policy";

/// The files of a bundle: where each goes, and what it is.
pub(crate) struct Files {
    pub(crate) description: String,
    pub(crate) graph: (PathBuf, Vec<u8>),
    /// For a policy with a state.
    pub(crate) initial_values: Option<(PathBuf, Vec<u8>)>,
}

/// A policy as a bundle whose description stands at `path`.
pub(crate) fn write(path: &Path, policy: &Policy, contract: &Contract) -> Files {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let graph = onnx::to_bytes(policy, &contract::to_json(contract));
    let (graph_name, values_name) = (format!("{stem}.onnx"), format!("{stem}_initial_values.safetensors"));
    let states = states(policy);
    let tensor = |name: &str, shape: Vec<usize>, kind: &str| serde_json::json!({"name": name, "dtype": "float32", "shape": shape, "type": "tensor", "kind": kind});
    let state = |suffix: &str, kind: &str| -> Vec<Json> {
        states
            .iter()
            .map(|(letter, shape)| tensor(&format!("{letter}_{suffix}"), shape.to_vec(), kind))
            .collect()
    };
    let inputs = [
        vec![tensor("obs", vec![1, policy.num_observations()], "observation")],
        state("in", "state/recurrent"),
    ];
    let outputs = [
        vec![tensor("actions", vec![1, policy.num_actions()], "command/motor")],
        state("out", "state/recurrent"),
    ];
    let feedback: serde_json::Map<String, Json> = states
        .iter()
        .map(|(letter, _)| {
            (format!("{NODE}/{letter}_out"), serde_json::json!([format!("{NODE}/{letter}_in")]))
        })
        .collect();
    let mut pipeline = serde_json::json!({
        "inputs": {NODE: ["obs"]},
        "outputs": {NODE: ["actions"]},
        "data_flow": {},
        "feedback_flow": feedback,
    });
    if let Some(rate) = contract.control_rate_hz {
        pipeline["configs"] = serde_json::json!({"frequency": rate});
    }
    if !states.is_empty() {
        pipeline["initial_values"] = values_name.clone().into();
    }
    let description = serde_json::json!({
        "models": {NODE: {
            "inputs": inputs.concat(),
            "outputs": outputs.concat(),
            "parameters": {
                "model_path": graph_name,
                "md5sum": hex(&Md5::digest(&graph)),
                "sha256sum": hex(&Sha256::digest(&graph)),
                "backend": "onnx",
            },
        }},
        "pipeline": pipeline,
        "system information": {"leapp config version": CONFIG_VERSION, "writer": contract.writer},
        // A text, because YAML 1.1 reads numbers such as `1e-5` of JSON as words.
        onnx::METADATA_KEY: contract::to_json(contract),
    });
    let zeros = states.iter().map(|(letter, shape)| {
        let values = vec![0.0; shape.iter().product()];
        (format!("{NODE}/{letter}_in"), Tensor::from_f32(shape, &values))
    });
    let zeros: Vec<(String, Tensor)> = zeros.collect();
    let values = safetensors::to_bytes(&zeros, &[("format", "pt")]);
    Files {
        description: yaml(&description),
        graph: (path.with_file_name(graph_name), graph),
        initial_values: (!zeros.is_empty()).then(|| (path.with_file_name(values_name), values)),
    }
}

/// Version of the description, as leapp 0.7.2 states it.
const CONFIG_VERSION: &str = "1.3";

/// The letters of the state's vectors, and the shape of each for one vehicle.
fn states(policy: &Policy) -> Vec<(char, [usize; 3])> {
    let Some(core) = policy.network.architecture.core else { return Vec::new() };
    let letters: &[char] = if core.cell == Cell::Lstm { &['h', 'c'] } else { &['h'] };
    letters.iter().map(|&letter| (letter, [core.layers, 1, core.width])).collect()
}

fn hex(digest: &[u8]) -> String {
    digest.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

/// JSON is YAML; the sections stand in lines of their own, as the reference has them.
fn yaml(description: &Json) -> String {
    let sections = description.as_object().into_iter().flatten();
    sections.fold(String::new(), |text, (key, value)| {
        let value =
            serde_json::to_string_pretty(value).expect("a description has string keys and finite numbers");
        text + &format!("\"{key}\":\n  {}\n", value.replace('\n', "\n  "))
    })
}

/// Whether a text may be the description of a bundle.
pub(crate) fn is_description(path: &Path) -> bool {
    path.extension().is_some_and(|end| end == "yaml" || end == "yml")
}

/// The policy of a bundle as a state dict with Eyas' own names; `None` for any other YAML.
pub(crate) fn read(path: &Path) -> Result<Option<Value>, FormatError> {
    let text = match crate::input::read_text(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::InvalidData => return Ok(None),
        Err(source) => return Err(FormatError::reading(path, source)),
    };
    let Ok(description) = serde_saphyr::from_str::<Json>(&text) else { return Ok(None) };
    if SECTIONS.iter().any(|section| description.get(section).is_none()) {
        return Ok(None);
    }
    let bundle = Bundle { path, description: &description };
    bundle.read().map(Some)
}

struct Bundle<'a> {
    path: &'a Path,
    description: &'a Json,
}

impl Bundle<'_> {
    fn refuse(&self, problem: impl Into<String>) -> FormatError {
        FormatError::unsupported(self.path, problem)
    }

    fn read(&self) -> Result<Value, FormatError> {
        let models = self.description["models"].as_object().into_iter().flatten().collect::<Vec<_>>();
        let [(name, node)] = models[..] else {
            let names: Vec<String> = models.iter().map(|(name, _)| format!("`{name}`")).collect();
            return Err(self.refuse(format!(
                "its policy is made of {} nodes: {}",
                names.len(),
                names.join(", ")
            )));
        };
        let parameters = &node["parameters"];
        let text = |key: &str| {
            parameters[key].as_str().ok_or_else(|| self.refuse(format!("node `{name}` has no `{key}`")))
        };
        if text("backend")? != "onnx" {
            return Err(
                self.refuse(format!("node `{name}` is of backend `{}`, read is onnx", text("backend")?))
            );
        }
        let graph_path = self.beside(text("model_path")?)?;
        let graph = fs::read(&graph_path).map_err(|source| FormatError::reading(&graph_path, source))?;
        let (found, stated) = (hex(&Sha256::digest(&graph)), text("sha256sum")?);
        if found != stated {
            return Err(FormatError::damaged(
                &graph_path,
                format!("its SHA-256 is {found}, the bundle was made with {stated}"),
            ));
        }
        self.check_feedback(name, &graph_path, &graph)?;
        let Value::OrderedDict(mut entries) = onnx::read(&graph_path, &graph)? else {
            return Err(self.refuse("its graph holds no policy"));
        };
        if let Some(json) = self.description[onnx::METADATA_KEY].as_str() {
            entries.retain(|(key, _)| key.as_str() != Some(EYAS_KEY));
            entries.push((EYAS_KEY.into(), note(json, self.path)?));
        }
        Ok(Value::OrderedDict(entries))
    }

    /// A file of the bundle, which lies in its folder.
    fn beside(&self, name: &str) -> Result<PathBuf, FormatError> {
        let is_below =
            Path::new(name).components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
        if name.is_empty() || !is_below {
            return Err(
                self.refuse(format!("its file `{}` lies outside of its folder", name.escape_default()))
            );
        }
        let path = self.path.parent().unwrap_or(Path::new("")).join(name);
        let found = fs::metadata(&path).map_err(|source| FormatError::reading(&path, source))?.len();
        let limit = torch::MAX_FILE_BYTES;
        if found > limit {
            return Err(FormatError::TooLarge { path, part: "the content".to_owned(), found, limit });
        }
        Ok(path)
    }

    /// Every state that the graph leaves goes back to where it came from, and all begin at zero.
    fn check_feedback(&self, node: &str, graph_path: &Path, graph: &[u8]) -> Result<(), FormatError> {
        let pipeline = &self.description["pipeline"];
        for (input, output) in onnx::states(graph_path, graph)? {
            let targets = pipeline["feedback_flow"][format!("{node}/{output}")].as_array();
            let target = format!("{node}/{input}");
            if !targets.into_iter().flatten().any(|it| it.as_str() == Some(&target)) {
                return Err(self
                    .refuse(format!("`{node}/{output}` is not fed back to `{target}`: its state is lost")));
            }
        }
        let Some(name) = pipeline["initial_values"].as_str() else { return Ok(()) };
        let path = self.beside(name)?;
        let bytes = fs::read(&path).map_err(|source| FormatError::reading(&path, source))?;
        let (tensors, _) = safetensors::read(&path, &bytes)?;
        match tensors.iter().find(|(_, tensor)| tensor.to_f64().iter().any(|value| *value != 0.0)) {
            Some((name, _)) => Err(self.refuse(format!("`{name}` begins at other values than zero"))),
            None => Ok(()),
        }
    }
}
