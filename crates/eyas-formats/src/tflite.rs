//! TFLite flatbuffers of feed-forward networks: what PX4's `mc_nn_control` is compiled with.
//!
//! Sources: `tensorflow/compiler/mlir/lite/schema/schema.fbs`, version 3 (the numbers of fields and operators);
//! flatbuffers, "FlatBuffer Internals" (the layout); `src/modules/mc_nn_control` of PX4 (what it takes).

mod flatbuffer;

use std::path::Path;

use eyas_policy::{Activation, Output, Policy};

use crate::checkpoint::policy_entries;
use crate::contract::output_name;
use crate::stages::{Stage, network};
use crate::{EYAS_KEY, FormatError, Value};

use self::flatbuffer::{Field, Node, Reader, Table};

/// What stands at the fourth byte.
const IDENTIFIER: &[u8; 4] = b"TFL3";
/// The version of the schema.
const VERSION: i32 = 3;

/// `BuiltinOperator` of the operators known here.
const FULLY_CONNECTED: i32 = 9;
const RELU: i32 = 19;
const TANH: i32 = 28;
/// `BuiltinOptions` of the first.
const FULLY_CONNECTED_OPTIONS: u8 = 8;
/// `ActivationFunctionType` within it.
const NO_ACTIVATION: u8 = 0;
const RELU_ACTIVATION: u8 = 1;
const TANH_ACTIVATION: u8 = 4;
/// `TensorType` of 32-bit floats.
const FLOAT32: u8 = 0;

/// More operators than any flight policy has.
const MAX_OPERATORS: usize = 20;

/// Features and motors of `mc_nn_control`.
const PX4_SHAPE: [usize; 2] = [15, 4];

/// Whether a file begins as such a flatbuffer.
pub(crate) fn is_tflite(head: &[u8]) -> bool {
    head.get(4..8) == Some(IDENTIFIER)
}

/// Why `mc_nn_control` cannot run a policy whose normaliser is folded; `None` if it can.
pub(crate) fn unfit(policy: &Policy) -> Option<String> {
    let architecture = &policy.network.architecture;
    let shape = [architecture.inputs, architecture.outputs];
    if architecture.core.is_some() || !architecture.encoder.is_empty() {
        Some("a recurrent core: the module registers FullyConnected, Relu and Add".to_owned())
    } else if shape != PX4_SHAPE {
        let ([inputs, outputs], [features, motors]) = (shape, PX4_SHAPE);
        Some(format!("{inputs} features and {outputs} actions: it gives {features} and takes {motors}"))
    } else if !architecture.hidden.is_empty() && architecture.activation != Activation::Relu {
        Some(format!("the activation {}: the module registers Relu alone", architecture.activation))
    } else if policy.output != Output::Identity {
        Some(format!("{} after the last layer: the module registers Relu alone", output_name(policy.output)))
    } else {
        None
    }
}

/// The flatbuffer of a feed-forward policy of ReLU layers, which [`unfit`] let pass.
pub(crate) fn to_bytes(policy: &Policy) -> Vec<u8> {
    let parameters = &policy.network.parameters;
    let layers = policy.network.architecture.head_layers();
    // The first buffer is empty: tensors that are computed have it.
    let mut buffers = vec![Node::Table(Vec::new())];
    let mut tensors = vec![tensor("obs", &[1, policy.num_observations()], 0)];
    let (mut operators, mut current) = (Vec::new(), 0);
    let last = layers.len() - 1;
    for (index, layer) in layers.iter().enumerate() {
        let first = tensors.len() as i32;
        for (name, shape, range) in [
            ("weight", vec![layer.outputs, layer.inputs], &layer.weight),
            ("bias", vec![layer.outputs], &layer.bias),
        ] {
            tensors.push(tensor(&format!("head.{index}.{name}"), &shape, buffers.len()));
            let bytes = parameters[range.clone()].iter().flat_map(|value| value.to_le_bytes()).collect();
            buffers.push(Node::Table(vec![(0, Field::Ref(Node::Bytes(bytes)))]));
        }
        let name = if index == last { "actions".to_owned() } else { format!("hidden.{index}") };
        tensors.push(tensor(&name, &[1, layer.outputs], 0));
        let fused = if index == last { NO_ACTIVATION } else { RELU_ACTIVATION };
        operators.push(Node::Table(vec![
            (0, Field::Int(0)),
            (1, Field::Ref(Node::Ints(vec![current, first, first + 1]))),
            (2, Field::Ref(Node::Ints(vec![first + 2]))),
            (3, Field::Byte(FULLY_CONNECTED_OPTIONS)),
            (4, Field::Ref(Node::Table(vec![(0, Field::Byte(fused))]))),
        ]));
        current = first + 2;
    }
    let code = Node::Table(vec![
        (0, Field::Byte(FULLY_CONNECTED as u8)),
        (2, Field::Int(1)),
        (3, Field::Int(FULLY_CONNECTED)),
    ]);
    let graph = Node::Table(vec![
        (0, Field::Ref(Node::List(tensors))),
        (1, Field::Ref(Node::Ints(vec![0]))),
        (2, Field::Ref(Node::Ints(vec![current]))),
        (3, Field::Ref(Node::List(operators))),
        (4, Field::Ref(Node::Text("policy".to_owned()))),
    ]);
    let model = Node::Table(vec![
        (0, Field::Int(VERSION)),
        (1, Field::Ref(Node::List(vec![code]))),
        (2, Field::Ref(Node::List(vec![graph]))),
        (3, Field::Ref(Node::Text("eyas".to_owned()))),
        (4, Field::Ref(Node::List(buffers))),
    ]);
    flatbuffer::to_bytes(&model, *IDENTIFIER)
}

fn tensor(name: &str, shape: &[usize], buffer: usize) -> Node {
    Node::Table(vec![
        (0, Field::Ref(Node::Ints(shape.iter().map(|&size| size as i32).collect()))),
        (1, Field::Byte(FLOAT32)),
        (2, Field::Int(buffer as i32)),
        (3, Field::Ref(Node::Text(name.to_owned()))),
    ])
}

/// The two files that `mc_nn_control` is compiled with in place of its own, by their names.
pub(crate) fn px4_sources(bytes: &[u8]) -> [(&'static str, String); 2] {
    let row = |row: &[u8]| row.iter().map(|byte| format!("0x{byte:02x}")).collect::<Vec<_>>().join(", ");
    let rows: Vec<String> = bytes.chunks(16).map(row).collect();
    let source = format!(
        "#include \"control_net.hpp\"\n\nalignas(16) const unsigned char control_net_tflite[] = {{\n\t{}\n}};\n",
        rows.join(",\n\t")
    );
    let header = format!(
        "#pragma once\n\n#include <cstdint>\n\nconstexpr unsigned int control_net_tflite_size = {};\nextern const \
         unsigned char control_net_tflite[];\n",
        bytes.len()
    );
    [("control_net.cpp", source), ("control_net.hpp", header)]
}

/// The network of a file as a state dict with Eyas' own names.
pub(crate) fn read(path: &Path, bytes: &[u8]) -> Result<Value, FormatError> {
    let policy = recover(bytes).map_err(|problem| match problem {
        Problem::Damaged => FormatError::damaged(path, "an offset in its flatbuffer leads out of it"),
        Problem::Other(problem) => FormatError::unsupported(path, problem),
    })?;
    let (policy, shows_activation) = policy;
    let mut note =
        vec![("writer", Value::from("another program")), ("output", output_name(policy.output).into())];
    if shows_activation {
        note.push(("activation", policy.network.architecture.activation.to_string().into()));
    }
    let mut entries = policy_entries(&policy, None);
    entries.push((EYAS_KEY.to_owned(), Value::dict(note)));
    Ok(Value::ordered_dict(entries))
}

enum Problem {
    Damaged,
    Other(String),
}

impl From<String> for Problem {
    fn from(problem: String) -> Self {
        Self::Other(problem)
    }
}

/// What leads out of the file.
const DAMAGED: Problem = Problem::Damaged;

fn recover(bytes: &[u8]) -> Result<(Policy, bool), Problem> {
    let reader = Reader(bytes);
    let model = reader.root().ok_or(DAMAGED)?;
    let version = model.int(0, 0).ok_or(DAMAGED)?;
    if version != VERSION {
        return Err(format!("its schema is version {version}, read is {VERSION}").into());
    }
    let graphs = model.tables(2).ok_or(DAMAGED)?;
    let [graph] = &graphs[..] else {
        return Err(format!("it has {} graphs, and a policy here is one", graphs.len()).into());
    };
    let file = File {
        codes: model.tables(1).ok_or(DAMAGED)?,
        buffers: model.tables(4).ok_or(DAMAGED)?,
        tensors: graph.tables(0).ok_or(DAMAGED)?,
    };
    let (inputs, outputs) = (graph.ints(1).ok_or(DAMAGED)?, graph.ints(2).ok_or(DAMAGED)?);
    let ([input], [output]) = (&inputs[..], &outputs[..]) else {
        let problem =
            format!("it has {} inputs and {} outputs, one of each is known", inputs.len(), outputs.len());
        return Err(problem.into());
    };
    let (mut current, mut stages) = (*input, Vec::new());
    let operators = graph.tables(3).ok_or(DAMAGED)?;
    // Operators may share their weights: a small file would stand for any number of layers.
    if operators.len() > MAX_OPERATORS {
        return Err(format!(
            "it has {} operators, more than the {MAX_OPERATORS} that are read",
            operators.len()
        )
        .into());
    }
    for operator in operators {
        current = file.step(&operator, current, &mut stages)?;
    }
    if current != *output {
        return Err("its last operator does not give its output".to_owned().into());
    }
    let (network, output, shows_activation) = network(&stages)?;
    Ok((Policy { normalizer: None, network, output }, shows_activation))
}

struct File<'a> {
    codes: Vec<Table<'a>>,
    buffers: Vec<Table<'a>>,
    tensors: Vec<Table<'a>>,
}

impl File<'_> {
    /// One operator; the tensor that it gives.
    fn step(&self, operator: &Table<'_>, current: i32, stages: &mut Vec<Stage>) -> Result<i32, Problem> {
        let code = operator
            .int(0, 0)
            .and_then(|index| self.codes.get(usize::try_from(index).ok()?))
            .ok_or(DAMAGED)?;
        // Files of before 2020 have the number in a byte alone.
        let number = code.int(3, 0).ok_or(DAMAGED)?.max(i32::from(code.byte(0, 0).ok_or(DAMAGED)?));
        let (inputs, outputs) = (operator.ints(1).ok_or(DAMAGED)?, operator.ints(2).ok_or(DAMAGED)?);
        let ([first, rest @ ..], [output]) = (&inputs[..], &outputs[..]) else { return Err(DAMAGED) };
        if *first != current {
            return Err("its operators are no chain from the observation to the actions".to_owned().into());
        }
        match number {
            FULLY_CONNECTED => {
                let (shape, weight) = self.constant(rest.first().copied().unwrap_or(-1))?;
                let [outputs, inputs] = shape[..] else {
                    return Err(format!("a layer has weights of shape {shape:?}").into());
                };
                let bias = match rest.get(1) {
                    Some(&index) if index >= 0 => self.constant(index)?.1,
                    _ => vec![0.0; outputs],
                };
                if bias.len() != outputs {
                    return Err(format!("a layer has {outputs} outputs and a bias of {}", bias.len()).into());
                }
                stages.push(Stage::Dense([outputs, inputs], weight, bias));
                let options = operator.table(4).ok_or(DAMAGED)?;
                let fused = options.map_or(Some(0), |options| options.byte(0, 0)).ok_or(DAMAGED)?;
                stages.extend(match fused {
                    NO_ACTIVATION => None,
                    RELU_ACTIVATION => Some(Stage::Activation(Activation::Relu)),
                    TANH_ACTIVATION => Some(Stage::Activation(Activation::Tanh)),
                    other => {
                        return Err(format!(
                            "a layer is fused with activation {other}, known are relu and tanh"
                        )
                        .into());
                    }
                });
            }
            RELU => stages.push(Stage::Activation(Activation::Relu)),
            TANH => stages.push(Stage::Activation(Activation::Tanh)),
            other => {
                return Err(
                    format!("it has operator {other}, known are FullyConnected, Relu and Tanh").into()
                );
            }
        }
        Ok(*output)
    }

    /// Shape and numbers of a constant tensor.
    fn constant(&self, index: i32) -> Result<(Vec<usize>, Vec<f32>), Problem> {
        let tensor = usize::try_from(index).ok().and_then(|index| self.tensors.get(index)).ok_or(DAMAGED)?;
        if tensor.byte(1, 0).ok_or(DAMAGED)? != FLOAT32 {
            return Err("its weights are no 32-bit floats: it is quantised".to_owned().into());
        }
        let sizes = tensor.ints(0).ok_or(DAMAGED)?;
        let shape = sizes
            .iter()
            .map(|&size| usize::try_from(size).ok())
            .collect::<Option<Vec<_>>>()
            .ok_or(DAMAGED)?;
        let buffer = tensor
            .int(2, 0)
            .and_then(|index| self.buffers.get(usize::try_from(index).ok()?))
            .ok_or(DAMAGED)?;
        let bytes = buffer.bytes(0).ok_or(DAMAGED)?;
        let elements = shape.iter().try_fold(1_usize, |count, size| count.checked_mul(*size));
        if elements.and_then(|count| count.checked_mul(4)) != Some(bytes.len()) {
            return Err(format!("a tensor of shape {shape:?} has {} bytes", bytes.len()).into());
        }
        let (words, _) = bytes.as_chunks::<4>();
        Ok((shape, words.iter().map(|word| f32::from_le_bytes(*word)).collect()))
    }
}
