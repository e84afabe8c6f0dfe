//! TorchScript: the modules that `torch.jit.save` wrote, read by what their code says, and policies written so that
//! `torch.jit.load` runs them.
//!
//! A file is a zip archive: `data.pkl` holds the tree of modules with their tensors, `code/` their methods as text.
//! Nothing is executed. The observation is followed through the text of `forward` from module to module; layers,
//! activations and normalisers are known by the names of their classes, and whatever else touches the observation is
//! refused by its name. The layout is that of `torch/csrc/jit/serialization` of torch 1.13 to 2.15.

mod code;
mod write;

use std::collections::HashMap;
use std::io::{Read, Seek};
use std::path::Path;

use eyas_policy::{Activation, Cell, Normalizer, Output, Policy};

use crate::checkpoint::policy_entries;
use crate::container::archive::Archive;
use crate::container::torch;
use crate::contract::{self, output_name};
use crate::stages::{Layer, Stage, network};
use crate::{EYAS_KEY, FormatError, Tensor, Value, onnx};

pub(crate) use write::to_bytes;

use self::code::{Call, Expression, Statement};

/// The attribute that names the class of a module in what the unpickler makes of it.
pub(crate) const CLASS: &str = "@class";

/// Largest text of a class; those of torch's own modules take some kilobytes.
const MAX_CODE_BYTES: u64 = 4 << 20;

/// More layers and activations than any flight policy has.
const MAX_STAGES: usize = 40;

/// Deeper nesting than any policy has.
const MAX_DEPTH: usize = 16;

/// Whether a zip archive is one of `torch.jit.save`.
pub(crate) fn is_archive(names: &[String]) -> bool {
    names.iter().any(|name| name.ends_with("/constants.pkl"))
}

/// The policy as a state dict with Eyas' own names, and the contract where the file has one.
pub(crate) fn read<R: Read + Seek>(path: &Path, archive: Archive<R>) -> Result<Value, FormatError> {
    let folder = archive.names().iter().find_map(|name| name.strip_suffix("data.pkl").map(str::to_owned));
    let folder = folder.ok_or_else(|| FormatError::damaged(path, "the archive has no entry `data.pkl`"))?;
    let (root, mut archive) = torch::read_modules(path, archive)?;
    let contract = format!("{folder}extra/{}", onnx::METADATA_KEY);
    let contract = if archive.contains(&contract) {
        Some(archive.read(&contract, torch::MAX_PICKLE_BYTES)?)
    } else {
        None
    };
    let mut sources = HashMap::new();
    let prefix = format!("{folder}code/");
    for name in archive.names().to_vec() {
        let Some(module) = name.strip_prefix(&prefix).and_then(|name| name.strip_suffix(".py")) else {
            continue;
        };
        let text = String::from_utf8(archive.read(&name, MAX_CODE_BYTES)?)
            .map_err(|_| FormatError::damaged(path, format!("`{name}` is no text")))?;
        sources.insert(module.replace('/', "."), text);
    }
    let unsupported = |problem: String| FormatError::unsupported(path, problem);
    let mut walk = Walk { sources: &sources, stages: Vec::new(), normalizer: None, beta: false };
    walk.module(&root, 0).map_err(unsupported)?;
    let Walk { stages, normalizer, beta, .. } = walk;
    let (network, output, shows_activation) = network(&stages).map_err(unsupported)?;
    let output = if beta { Output::Beta } else { output };
    if normalizer.as_ref().is_some_and(|it| it.mean.len() != network.architecture.inputs) {
        return Err(unsupported("its normaliser has another width than its first layer".to_owned()));
    }
    let policy = Policy { normalizer, network, output };
    let mut entries = policy_entries(&policy, None);
    let note = if let Some(json) = contract {
        let json =
            String::from_utf8(json).map_err(|_| FormatError::damaged(path, "its contract is not UTF-8"))?;
        contract::note(&json, path)?
    } else {
        let mut note =
            vec![("writer", Value::from("another program")), ("output", output_name(output).into())];
        let activation = policy.network.architecture.activation.to_string();
        note.extend(shows_activation.then(|| ("activation", activation.into())));
        Value::dict(note)
    };
    entries.push((EYAS_KEY.to_owned(), note));
    Ok(Value::ordered_dict(entries))
}

/// The way of the observation through the modules.
struct Walk<'a> {
    sources: &'a HashMap<String, String>,
    stages: Vec<Stage>,
    normalizer: Option<Normalizer>,
    beta: bool,
}

/// What a module is, by the last part of its class.
#[derive(Clone, Copy)]
enum Leaf {
    Linear,
    Recurrent(Cell),
    Activation(Activation),
    Normalizer,
    Identity,
    Beta,
}

fn leaf(class: &str) -> Option<Leaf> {
    Some(match class.rsplit('.').next().unwrap_or(class) {
        "Linear" => Leaf::Linear,
        "GRU" => Leaf::Recurrent(Cell::Gru),
        "LSTM" => Leaf::Recurrent(Cell::Lstm),
        "EmpiricalNormalization" => Leaf::Normalizer,
        "Identity" | "Dropout" => Leaf::Identity,
        "BetaMean" => Leaf::Beta,
        "ELU" => Leaf::Activation(Activation::Elu),
        "CELU" => Leaf::Activation(Activation::Celu),
        "SELU" => Leaf::Activation(Activation::Selu),
        "ReLU" => Leaf::Activation(Activation::Relu),
        "LeakyReLU" => Leaf::Activation(Activation::LeakyRelu),
        "Tanh" => Leaf::Activation(Activation::Tanh),
        "Sigmoid" => Leaf::Activation(Activation::Sigmoid),
        "Softplus" => Leaf::Activation(Activation::Softplus),
        "GELU" => Leaf::Activation(Activation::Gelu),
        "SiLU" => Leaf::Activation(Activation::Silu),
        "Mish" => Leaf::Activation(Activation::Mish),
        _ => return None,
    })
}

/// Classes whose meaning this reader takes from their names: those of torch, of rsl_rl and of Eyas. The same name in
/// another package may mean anything, and its code is followed.
fn is_known_package(class: &str) -> bool {
    ["torch.nn.modules.", "rsl_rl.", "eyas."].iter().any(|package| class.starts_with(package))
}

/// Operators that leave the numbers of an observation as they are.
const RESHAPES: [&str; 6] = ["unsqueeze", "squeeze", "contiguous", "clone", "detach", "view"];

impl Walk<'_> {
    fn module(&mut self, module: &Value, depth: usize) -> Result<(), String> {
        if depth > MAX_DEPTH {
            return Err(format!("its modules nest deeper than {MAX_DEPTH} levels"));
        }
        let class =
            module.get(CLASS).and_then(Value::as_str).ok_or("an attribute is called that is no module")?;
        let plain = unmangled(class);
        match leaf(&plain).filter(|_| is_known_package(&plain)) {
            Some(leaf) => self.leaf(leaf, module, class),
            None => self.container(module, class, &plain, depth),
        }
    }

    fn leaf(&mut self, leaf: Leaf, module: &Value, class: &str) -> Result<(), String> {
        // One module may be called many times: a small file would stand for any number of layers.
        if self.stages.len() >= MAX_STAGES {
            return Err(format!("it has more than the {MAX_STAGES} layers and activations that are read"));
        }
        match leaf {
            Leaf::Identity => {}
            Leaf::Beta => self.beta = true,
            Leaf::Linear => {
                let weight = tensor(module, "weight", class)?;
                let [outputs, inputs] = *weight.shape() else {
                    return Err(format!("`{class}` has weights of shape {:?}", weight.shape()));
                };
                let bias = match module.get("bias").and_then(Value::as_tensor) {
                    Some(bias) => bias.to_f32(),
                    None => vec![0.0; outputs],
                };
                if bias.len() != outputs {
                    return Err(format!("`{class}` has {outputs} outputs and a bias of {}", bias.len()));
                }
                self.stages.push(Stage::Dense([outputs, inputs], weight.to_f32(), bias));
            }
            Leaf::Recurrent(cell) => self.recurrent(cell, module, class)?,
            Leaf::Activation(activation) => {
                self.check_constants(class)?;
                self.stages.push(Stage::Activation(activation));
            }
            Leaf::Normalizer => {
                if !self.stages.is_empty() || self.normalizer.is_some() {
                    return Err("it normalises something other than the observation".to_owned());
                }
                self.normalizer = Some(normalizer(module, class)?);
            }
        }
        Ok(())
    }

    fn recurrent(&mut self, cell: Cell, module: &Value, class: &str) -> Result<(), String> {
        self.check_constants(class)?;
        if module.get("weight_hr_l0").is_some() {
            return Err(format!("`{class}` projects its state, which no layer here does"));
        }
        let mut layer = 0;
        while module.get(&format!("weight_ih_l{layer}")).is_some() {
            let part = |name: &str| tensor(module, &format!("{name}_l{layer}"), class);
            let parts = [part("weight_ih")?, part("weight_hh")?, part("bias_ih")?, part("bias_hh")?];
            let ([rows, inputs], [same, width]) = (shape(parts[0], class)?, shape(parts[1], class)?);
            let fits = rows == cell.gates() * width
                && same == rows
                && parts[2..].iter().all(|bias| bias.num_elements() == rows);
            if !fits {
                return Err(format!("the sizes of `{class}` do not fit together"));
            }
            let parameters = parts.iter().flat_map(|part| part.to_f32()).collect();
            self.stages.push(Stage::Recurrent(Layer { cell, inputs, width, parameters }));
            layer += 1;
        }
        if layer == 0 { Err(format!("`{class}` has no weights")) } else { Ok(()) }
    }

    /// Constants of a class that would make another function of it.
    fn check_constants(&self, class: &str) -> Result<(), String> {
        const USUAL: [(&str, &[&str]); 7] = [
            ("alpha", &["1."]),
            ("negative_slope", &["0.01"]),
            ("beta", &["1"]),
            ("threshold", &["20"]),
            ("approximate", &["\"none\""]),
            ("bidirectional", &["False"]),
            ("proj_size", &["0"]),
        ];
        let Some(text) = code::class_text(self.sources, class) else { return Ok(()) };
        for (name, usual) in USUAL {
            let marks = [
                format!("  {name} : Final[float] = "),
                format!("  {name} : Final[int] = "),
                format!("  {name} : Final[bool] = "),
                format!("  {name} : Final[str] = "),
            ];
            let found =
                text.lines().find_map(|line| marks.iter().find_map(|mark| line.strip_prefix(mark.as_str())));
            if let Some(value) = found.filter(|value| !usual.contains(&value.trim_end_matches(".0"))) {
                return Err(format!("`{class}` has {name} {value}, where policies here have {}", usual[0]));
            }
        }
        Ok(())
    }

    /// A module that calls others: its `forward` says in which order.
    fn container(&mut self, module: &Value, class: &str, plain: &str, depth: usize) -> Result<(), String> {
        let text = code::class_text(self.sources, class)
            .ok_or_else(|| format!("the archive has no code of its class `{plain}`"))?;
        let method = code::method(text, "forward").ok_or_else(|| format!("`{plain}` has no `forward`"))?;
        let here = |problem: String| format!("`forward` of `{plain}` {problem}");
        let mut names: HashMap<String, String> = HashMap::new();
        let mut current = method.argument.clone();
        let keeps_state =
            method.body.iter().any(|line| line.contains("torch.copy_(") || line.starts_with("self."));
        for line in &method.body {
            let statement = code::statement(line).map_err(here)?;
            match statement {
                Statement::Attribute(name, attribute) => {
                    names.insert(name, attribute);
                }
                // A layer and its state come as one value: the first part goes on.
                Statement::Assign(targets, Expression::Name(source)) if source == current => {
                    current = targets.into_iter().next().unwrap_or_default();
                }
                Statement::Assign(targets, value) => {
                    if self.follow(module, &names, &current, &value, keeps_state, depth).map_err(here)? {
                        current = targets.into_iter().next().unwrap_or_default();
                    }
                }
                Statement::Return(value) => {
                    if self.follow(module, &names, &current, &value, keeps_state, depth).map_err(here)? {
                        return Ok(());
                    }
                    return Err(here("returns something that the observation does not lead to".to_owned()));
                }
                Statement::Other => {}
            }
        }
        Err(here("returns nothing".to_owned()))
    }

    /// Follows the observation through an expression; whether it is what the expression gives.
    fn follow(
        &mut self,
        module: &Value,
        names: &HashMap<String, String>,
        current: &str,
        expression: &Expression,
        keeps_state: bool,
        depth: usize,
    ) -> Result<bool, String> {
        match expression {
            Expression::Name(name) => Ok(name == current),
            Expression::Other(text) => {
                if code::mentions(text, current) {
                    return Err(format!(
                        "does something with the observation that is not known here: `{text}`"
                    ));
                }
                Ok(false)
            }
            Expression::Call(Call { target, method, arguments }) => {
                let Some((first, rest)) = arguments.split_first() else { return Ok(false) };
                if rest.iter().any(|argument| argument.mentions(current)) {
                    return Err(format!(
                        "gives the observation to `{method}` in a place that is not known here"
                    ));
                }
                if !self.follow(module, names, current, first, keeps_state, depth)? {
                    return Ok(false);
                }
                match target {
                    Some(target) if method == "forward" || method.starts_with("forward__") => {
                        let attribute = names.get(target).unwrap_or(target);
                        let called = module
                            .get(attribute)
                            .ok_or_else(|| format!("calls `{attribute}`, which it has not"))?;
                        let before = self.cores();
                        self.module(called, depth + 1)?;
                        let has_no_state = !keeps_state || rest.first().is_none_or(Expression::is_none);
                        if self.cores() > before && called.get("weight_ih_l0").is_some() && has_no_state {
                            return Err("does not feed the state of its recurrent layers back".to_owned());
                        }
                    }
                    Some(target) => {
                        return Err(format!("calls `{method}` of `{target}`, which is not known here"));
                    }
                    None if ["size", "dim"].contains(&method.as_str()) => return Ok(false),
                    None if RESHAPES.contains(&method.as_str()) => {}
                    None => {
                        let activation = match method.as_str() {
                            "tanh" => Activation::Tanh,
                            "relu" => Activation::Relu,
                            "sigmoid" => Activation::Sigmoid,
                            _ => {
                                return Err(format!(
                                    "applies `torch.{method}`, which policies here have not"
                                ));
                            }
                        };
                        self.stages.push(Stage::Activation(activation));
                    }
                }
                Ok(true)
            }
        }
    }

    fn cores(&self) -> usize {
        self.stages.iter().filter(|stage| matches!(stage, Stage::Recurrent(_))).count()
    }
}

/// A class without the prefix of all and what keeps its namesakes apart.
fn unmangled(class: &str) -> String {
    let parts = class.trim_start_matches("__torch__.").split('.');
    parts.filter(|part| !part.starts_with("___torch_mangle_")).collect::<Vec<_>>().join(".")
}

fn tensor<'a>(module: &'a Value, name: &str, class: &str) -> Result<&'a Tensor, String> {
    module.get(name).and_then(Value::as_tensor).ok_or_else(|| format!("`{class}` has no `{name}`"))
}

fn shape(tensor: &Tensor, class: &str) -> Result<[usize; 2], String> {
    match *tensor.shape() {
        [rows, columns] if rows > 0 && columns > 0 => Ok([rows, columns]),
        _ => Err(format!("`{class}` has weights of shape {:?}", tensor.shape())),
    }
}

fn normalizer(module: &Value, class: &str) -> Result<Normalizer, String> {
    let (mean, std) = (tensor(module, "_mean", class)?.to_f32(), tensor(module, "_std", class)?.to_f32());
    let epsilon = module.get("eps").and_then(Value::as_f64).unwrap_or(f64::from(Normalizer::EPSILON));
    // Another ε than rsl_rl's default is taken up by the deviation.
    let std: Vec<f32> = if epsilon as f32 == Normalizer::EPSILON {
        std
    } else {
        let other = epsilon - f64::from(Normalizer::EPSILON);
        std.iter().map(|std| (f64::from(*std) + other) as f32).collect()
    };
    let is_sound = mean.len() == std.len()
        && mean.iter().all(|it| it.is_finite())
        && std.iter().all(|it| it.is_finite() && it + Normalizer::EPSILON > 0.0);
    if !is_sound {
        return Err(format!("the statistics of `{class}` are no mean and deviation of each feature"));
    }
    let var = match module.get("_var").and_then(Value::as_tensor).map(Tensor::to_f32) {
        Some(var) if var.len() == std.len() => var,
        _ => std.iter().map(|std| std * std).collect(),
    };
    let count = module.get("count").and_then(Value::as_i64).and_then(|count| u64::try_from(count).ok());
    let clip = module.get("clip").and_then(Value::as_f64).map(|clip| clip as f32);
    if clip.is_some_and(|clip| clip.is_nan() || clip <= 0.0) {
        return Err(format!("`{class}` limits what it gives to nothing"));
    }
    Ok(Normalizer { mean, var, std, count: count.unwrap_or(0), clip })
}
