//! Checkpoints of RLtools, written: `checkpoint.h5` and the archive that its microcontroller targets load.
//!
//! Source: the `persist.h` of `nn/layers/{dense,gru,standardize}`, `nn_models/sequential` and `rl/loop/steps/checkpoint`,
//! and `persist/backends`, in github.com/rl-tools/rl-tools.

use std::path::Path;

use eyas_policy::{
    Activation, Cell, Contract, Inference, Linear, Normalizer, Output, Policy, Recurrent, TestVectors,
};

use crate::container::hdf5::{self, Node};
use crate::container::tar;
use crate::{EYAS_KEY, FormatError, Tensor, contract};

/// Environments side by side in the example.
pub(crate) const BATCH: usize = 2;

/// The bytes of a `checkpoint.h5`.
pub(crate) fn to_hdf5(path: &Path, policy: &Policy, contract: &Contract) -> Result<Vec<u8>, FormatError> {
    let mut members = checkpoint(path, policy, contract)?;
    let json = contract::to_json(contract);
    let text = Node::Dataset(Vec::new(), Tensor::from_u8(&[json.len()], json.as_bytes()));
    members.push((EYAS_KEY.to_owned(), Node::Group(Vec::new(), vec![("contract".to_owned(), text)])));
    Ok(hdf5::to_bytes(&Node::Group(Vec::new(), members)))
}

/// The bytes of an archive.
pub(crate) fn to_tar(path: &Path, policy: &Policy, contract: &Contract) -> Result<Vec<u8>, FormatError> {
    let mut archive = Vec::new();
    for (name, node) in checkpoint(path, policy, contract)? {
        append(&mut archive, &name, &node);
    }
    // After all that a loader looks for.
    tar::append(&mut archive, CONTRACT_ENTRY, contract::to_json(contract).as_bytes());
    tar::finish(&mut archive);
    Ok(archive)
}

/// The contract's entry of an archive.
pub(crate) const CONTRACT_ENTRY: &str = "eyas/contract";

/// A group as its entry `meta` and what is below it, a dataset as `meta` and `data`.
fn append(archive: &mut Vec<u8>, name: &str, node: &Node) {
    let lines = |attributes: &[(String, String)]| -> String {
        attributes.iter().flat_map(|(key, text)| [key, ": ", text, "\n"]).collect()
    };
    let meta = format!("{name}/meta");
    match node {
        Node::Group(attributes, members) => {
            if !attributes.is_empty() {
                tar::append(archive, &meta, lines(attributes).as_bytes());
            }
            for (member, node) in members {
                append(archive, &format!("{name}/{member}"), node);
            }
        }
        Node::Dataset(_, tensor) => {
            // Biases, which HDF5 files of the released student have as matrices of one row, are vectors since RLtools has
            // archives.
            let shape = match tensor.shape() {
                [1, width] => &[*width][..],
                shape => shape,
            };
            let mut attributes = tensor_attributes(shape);
            attributes.insert(1, attribute("dtype", "float32"));
            tar::append(archive, &meta, lines(&attributes).as_bytes());
            tar::append(archive, &format!("{name}/data"), &tensor.to_bytes());
        }
    }
}

/// `actor` and `example`.
fn checkpoint(path: &Path, policy: &Policy, contract: &Contract) -> Result<Vec<(String, Node)>, FormatError> {
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    // A line of the archive's metadata, of which loaders read 256 bytes.
    let line = |text: &str, most: usize| -> String {
        text.chars().filter(|it| !it.is_control()).take(most).collect()
    };
    let task = serde_json::Value::from(contract.task.as_deref().unwrap_or("unknown"));
    let meta = format!("{{\"environment\": {{\"name\": {task}}}}}");
    let attributes = vec![
        attribute("checkpoint_name", &line(&name, 60)),
        attribute("meta", &line(&meta, 120)),
        attribute("type", "sequential"),
    ];
    let layers = layers(path, policy)?.into_iter().enumerate();
    let layers = layers.map(|(index, layer)| (index.to_string(), layer)).collect();
    let actor = Node::Group(attributes, vec![("layers".to_owned(), Node::Group(Vec::new(), layers))]);
    Ok(vec![("actor".to_owned(), actor), ("example".to_owned(), example(policy, contract))])
}

fn layers(path: &Path, policy: &Policy) -> Result<Vec<Node>, FormatError> {
    let inexpressible = |what: &str| {
        Err(FormatError::Inexpressible { path: path.to_owned(), layout: "RLtools", what: what.to_owned() })
    };
    let architecture = &policy.network.architecture;
    let hidden = architecture.encoder.len() + architecture.hidden.len();
    let activation = match architecture.activation {
        Activation::Relu => "RELU",
        Activation::Tanh => "TANH",
        Activation::Sigmoid => "SIGMOID",
        Activation::Identity => "IDENTITY",
        _ if hidden == 0 => "IDENTITY",
        other => return inexpressible(&format!("the activation {other}: it knows relu, tanh and sigmoid")),
    };
    if architecture.core.is_some_and(|core| core.cell == Cell::Lstm) {
        return inexpressible("an LSTM");
    }
    let last = match policy.output {
        Output::Identity => "IDENTITY",
        Output::Tanh => "TANH",
        Output::Beta => return inexpressible("the mean of a Beta distribution"),
    };
    let parameters = &policy.network.parameters;
    let mut layers: Vec<Node> = policy.normalizer.iter().map(standardize).collect();
    layers.extend(architecture.encoder_layers().iter().map(|layer| dense(layer, parameters, activation)));
    layers.extend(architecture.core_layers().iter().map(|layer| gru(layer, parameters)));
    let head = architecture.head_layers();
    let activations = (1..head.len()).map(|_| activation).chain([last]);
    layers
        .extend(head.iter().zip(activations).map(|(layer, activation)| dense(layer, parameters, activation)));
    if layers.len() > hdf5::MAX_MEMBERS {
        return inexpressible(&format!("{} layers", layers.len()));
    }
    Ok(layers)
}

fn attribute(name: &str, text: &str) -> (String, String) {
    (name.to_owned(), text.to_owned())
}

/// `parameters` in a group of its own: a matrix of dense layers, a tensor of all others.
fn parameter(name: &str, attributes: Vec<(String, String)>, tensor: Tensor) -> (String, Node) {
    let dataset = ("parameters".to_owned(), Node::Dataset(attributes, tensor));
    (name.to_owned(), Node::Group(Vec::new(), vec![dataset]))
}

fn matrix(name: &str, shape: [usize; 2], values: &[f32]) -> (String, Node) {
    let [rows, columns] = shape.map(|size| size.to_string());
    let attributes = vec![attribute("type", "matrix"), attribute("rows", &rows), attribute("cols", &columns)];
    parameter(name, attributes, Tensor::from_f32(&shape, values))
}

fn tensor_attributes(shape: &[usize]) -> Vec<(String, String)> {
    let mut attributes = vec![attribute("type", "tensor"), attribute("num_dims", &shape.len().to_string())];
    let sizes = shape.iter().enumerate();
    attributes.extend(sizes.map(|(index, size)| (format!("dim_{index}"), size.to_string())));
    attributes
}

fn tensor(name: &str, shape: &[usize], values: &[f32]) -> (String, Node) {
    parameter(name, tensor_attributes(shape), Tensor::from_f32(shape, values))
}

fn dense(layer: &Linear, parameters: &[f32], activation: &str) -> Node {
    Node::Group(
        vec![attribute("activation_function", activation), attribute("type", "dense")],
        vec![
            matrix("weights", [layer.outputs, layer.inputs], &parameters[layer.weight.clone()]),
            matrix("biases", [1, layer.outputs], &parameters[layer.bias.clone()]),
        ],
    )
}

/// Gates and their order are PyTorch's.
fn gru(layer: &Recurrent, parameters: &[f32]) -> Node {
    let rows = layer.bias_ih.len();
    Node::Group(
        vec![attribute("type", "gru")],
        vec![
            tensor("weights_input", &[rows, layer.inputs], &parameters[layer.weight_ih.clone()]),
            tensor("biases_input", &[rows], &parameters[layer.bias_ih.clone()]),
            tensor("weights_hidden", &[rows, layer.width], &parameters[layer.weight_hh.clone()]),
            tensor("biases_hidden", &[rows], &parameters[layer.bias_hh.clone()]),
            tensor("initial_hidden_state", &[layer.width], &vec![0.0; layer.width]),
        ],
    )
}

/// `(x − mean) · precision`.
fn standardize(normalizer: &Normalizer) -> Node {
    let shape = [1, normalizer.mean.len()];
    Node::Group(
        vec![attribute("type", "standardize")],
        vec![matrix("mean", shape, &normalizer.mean), matrix("precision", shape, &normalizer.scale())],
    )
}

/// The test vectors, and beside them the same observations backwards in time; the actions are the policy's own.
fn example(policy: &Policy, contract: &Contract) -> Node {
    let own = if contract.test.observations.is_empty() { Some(TestVectors::of(policy)) } else { None };
    let forwards = &own.as_ref().unwrap_or(&contract.test).observations;
    let steps = forwards.len();
    let rows = forwards.iter().zip(forwards.iter().rev());
    let input: Vec<f32> = rows.flat_map(|(row, other)| row.iter().chain(other).copied()).collect();
    let output = Inference::new(policy).act_on_record(&input, steps, BATCH);
    let dataset = |name: &str, width: usize, values: &[f32]| {
        let shape = [steps, BATCH, width];
        (name.to_owned(), Node::Dataset(tensor_attributes(&shape), Tensor::from_f32(&shape, values)))
    };
    let members = vec![
        dataset("input", policy.num_observations(), &input),
        dataset("output", policy.num_actions(), &output),
    ];
    Node::Group(Vec::new(), members)
}
