//! Policies as ONNX graphs, with the names of Isaac Lab and rsl_rl: `obs[, h_in[, c_in]]` to `actions[, h_out[, c_out]]`.
//!
//! A graph that is read is followed from the observation to the actions, and what was understood is then compared with
//! what the graph computes, operator by operator. [`examine`] finds the faults that exporters write without a word.

mod build;
mod evaluate;
mod model;
mod recover;
#[cfg(test)]
mod tests;

use std::fmt;
use std::fs::{self, File};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Component, Path};

use serde::Serialize;

use eyas_policy::{Cell, Contract, Inference, Normalizer, Output, Policy};

use crate::checkpoint::{chain, policy_entries};
use crate::container::torch::MAX_FILE_BYTES;
use crate::contract::{self, output_name};
use crate::{EYAS_KEY, FormatError, Value};

use self::evaluate::Program;
use self::model::{Model, Numbers, Port, Size};
use self::recover::Found;

/// Key of the contract among the metadata.
pub(crate) const METADATA_KEY: &str = "eyas.contract";

/// Largest difference between a graph and the policy that was recovered from it: the graph is evaluated in double
/// precision, the policy acts in single precision over [`Contract::TEST_STEPS`] steps.
const AGREEMENT: f64 = 1e-4;

/// Largest difference between weights that are the same: exporters fold constants in single precision.
const SAME_WEIGHT: f32 = 1e-6;

/// The bytes of a file with a policy and its contract.
pub(crate) fn to_bytes(policy: &Policy, contract: &str) -> Vec<u8> {
    build::model(policy, vec![(METADATA_KEY.to_owned(), contract.to_owned())]).encode()
}

/// Whether a file's first bytes are those of an ONNX file: the version, then the producer or the graph.
pub(crate) fn is_onnx(head: &[u8]) -> bool {
    matches!(head, [0x08, version, 0x12 | 0x1a | 0x3a, ..] if *version < 64)
}

/// As [`is_onnx`], of a file.
pub(crate) fn is_onnx_file(path: &Path) -> Result<bool, FormatError> {
    let file = File::open(path).map_err(|source| FormatError::reading(path, source))?;
    let mut head = Vec::new();
    file.take(16).read_to_end(&mut head).map_err(|source| FormatError::reading(path, source))?;
    Ok(is_onnx(&head))
}

/// The networks of a file as a state dict with Eyas' own names.
pub(crate) fn read(path: &Path, bytes: &[u8]) -> Result<Value, FormatError> {
    let opened = Opened::new(path, bytes)?;
    let program = opened.program()?;
    let found = opened.found(&program)?;
    let fault = if found.resets_before_product {
        Some(Fault::ResetBeforeProduct.to_string())
    } else {
        found.state_is_lost.clone().map(|reason| Fault::StateLost(reason).to_string())
    };
    if let Some(fault) = fault {
        return Err(FormatError::OnnxFault { path: path.to_owned(), fault });
    }
    opened.check(&program, &found)?;
    let mut entries = policy_entries(&found.policy, None);
    if let Some(contract) = &opened.contract {
        entries.push((EYAS_KEY.to_owned(), contract::note(contract, path)?));
    } else {
        entries.push((EYAS_KEY.to_owned(), note_of(&found)));
    }
    Ok(Value::ordered_dict(entries))
}

/// Inputs and outputs of a graph's state that belong together.
pub(crate) fn states(path: &Path, bytes: &[u8]) -> Result<Vec<(String, String)>, FormatError> {
    let opened = Opened::new(path, bytes)?;
    let program = opened.program()?;
    Ok(opened.found(&program)?.states)
}

/// What the graph shows of the policy beside its weights.
fn note_of(found: &Found) -> Value {
    let mut entries =
        vec![("writer", Value::from("another program")), ("output", output_name(found.policy.output).into())];
    if found.shows_activation {
        entries.push(("activation", found.policy.network.architecture.activation.to_string().into()));
    }
    Value::dict(entries)
}

struct Opened<'a> {
    path: &'a Path,
    model: Model,
    contract: Option<String>,
}

impl<'a> Opened<'a> {
    fn new(path: &'a Path, bytes: &[u8]) -> Result<Self, FormatError> {
        let mut external = |place: model::External<'_>| read_external(path, place);
        let model = Model::decode(bytes, &mut external).map_err(|problem| refuse(path, problem))?;
        if model.functions > 0 {
            return Err(refuse(path, "it defines functions of its own".to_owned()));
        }
        if !(7..=25).contains(&model.opset) {
            return Err(refuse(
                path,
                format!("its operators are of version {}, known are 7 to 25", model.opset),
            ));
        }
        let contract =
            model.metadata.iter().find(|(key, _)| key == METADATA_KEY).map(|(_, json)| json.clone());
        Ok(Self { path, model, contract })
    }

    fn program(&self) -> Result<Program<'_>, FormatError> {
        Program::new(&self.model.graph).map_err(|problem| refuse(self.path, problem))
    }

    fn contract(&self) -> Result<Option<Contract>, FormatError> {
        self.contract.as_deref().map(|json| contract::parse(json, self.path)).transpose()
    }

    fn found(&self, program: &Program<'_>) -> Result<Found, FormatError> {
        let may_be_beta = self.contract()?.is_some_and(|contract| contract.action.squash == Output::Beta);
        recover::policy(&self.model.graph, program, may_be_beta).map_err(|problem| refuse(self.path, problem))
    }

    /// Refuses a graph that computes something else than the policy it looks like.
    fn check(&self, program: &Program<'_>, found: &Found) -> Result<(), FormatError> {
        let observations = Contract::of(&found.policy).test.observations;
        let flown = self.fly(program, found, &observations)?;
        let error = ActionError::between(&flown, &act(&found.policy, &observations));
        if error.largest <= AGREEMENT {
            return Ok(());
        }
        let problem = format!(
            "it computes other actions than its operators look like, by up to {:.3e} over {} steps",
            error.largest, error.steps
        );
        Err(refuse(self.path, problem))
    }

    /// The actions that the graph itself gives, its state fed back as far as it has one.
    fn fly(
        &self,
        program: &Program<'_>,
        found: &Found,
        observations: &[Vec<f32>],
    ) -> Result<Vec<Vec<f64>>, FormatError> {
        let fails = |problem: String| refuse(self.path, problem);
        let port = |name: &str| self.model.graph.inputs.iter().find(|port| port.name == name);
        let shape = |port: Option<&Port>| -> Vec<usize> {
            let sizes = port.map_or(&[][..], |port| &port.shape[..]).iter();
            sizes.map(|size| if let Size::Fixed(size) = size { *size } else { 1 }).collect()
        };
        let width = found.policy.num_observations();
        let mut observed = shape(port(&found.observation));
        if let Some(last) = observed.last_mut() {
            *last = width;
        } else {
            observed = vec![1, width];
        }
        let rows: usize = observed[..observed.len() - 1].iter().product();
        if rows == 0 || rows > 4096 {
            return Err(fails(format!("its observation has {rows} rows")));
        }
        let zeros = |name: &str| -> Result<Numbers, FormatError> {
            let shape = shape(port(name));
            let count = shape.iter().try_fold(1_usize, |count, &size| count.checked_mul(size));
            let count = count.filter(|&count| count <= model::MAX_COMPUTED);
            let count = count.ok_or_else(|| fails(format!("its input `{name}` has shape {shape:?}")))?;
            Ok(Numbers::new(shape, vec![0.0; count]))
        };
        let mut states = Vec::new();
        for (input, _) in &found.states {
            states.push(zeros(input)?);
        }
        let mut actions = Vec::with_capacity(observations.len());
        for observation in observations {
            let repeated: Vec<f64> =
                std::iter::repeat_n(observation, rows).flatten().map(|&value| f64::from(value)).collect();
            let mut inputs = vec![(found.observation.as_str(), Numbers::new(observed.clone(), repeated))];
            inputs.extend(found.states.iter().map(|(input, _)| input.as_str()).zip(states.iter().cloned()));
            let outputs = program.run(&inputs).map_err(fails)?;
            for ((_, output), state) in found.states.iter().zip(&mut states) {
                if let Some(next) = outputs.get(output) {
                    // A state that changes its shape is none: the next run says so.
                    *state = next.clone();
                }
            }
            let action = outputs.get(&found.action).map(|numbers| &numbers.values[..]).unwrap_or_default();
            actions.push(action.iter().take(found.policy.num_actions()).copied().collect());
        }
        Ok(actions)
    }
}

fn refuse(path: &Path, problem: String) -> FormatError {
    FormatError::Onnx { path: path.to_owned(), problem }
}

/// The bytes of a tensor in a file beside the model: torch writes `NAME.onnx.data`.
fn read_external(path: &Path, (name, offset, length): model::External<'_>) -> Result<Vec<u8>, String> {
    let is_beside =
        Path::new(name).components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    if !is_beside || name.is_empty() {
        return Err(format!("lies in `{name}`, which is not beside the model"));
    }
    let place = path.parent().unwrap_or(Path::new("")).join(name);
    let fails =
        |error: std::io::Error| format!("lies in `{}`, which cannot be read: {error}", place.display());
    let mut file = File::open(&place).map_err(fails)?;
    let available = file.metadata().map_err(fails)?.len().min(MAX_FILE_BYTES);
    let length = length.unwrap_or(available.saturating_sub(offset));
    if offset.checked_add(length).is_none_or(|end| end > available) {
        return Err(format!(
            "needs {length} bytes from byte {offset} on of `{}`, which has {available}",
            place.display()
        ));
    }
    file.seek(SeekFrom::Start(offset)).map_err(fails)?;
    let mut bytes = Vec::with_capacity(length as usize);
    file.take(length).read_to_end(&mut bytes).map_err(fails)?;
    Ok(bytes)
}

fn act(policy: &Policy, observations: &[Vec<f32>]) -> Vec<Vec<f64>> {
    let flat: Vec<f32> = observations.iter().flatten().copied().collect();
    let actions = Inference::new(policy).act_on_record(&flat, observations.len(), 1);
    actions
        .chunks(policy.num_actions())
        .map(|row| row.iter().map(|&value| f64::from(value)).collect())
        .collect()
}

/// How far actions are from the right ones.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ActionError {
    /// Largest difference of an element.
    pub largest: f64,
    /// Root of the mean square of the differences.
    pub rms: f64,
    /// Steps that were flown.
    pub steps: usize,
}

impl ActionError {
    /// How far one policy's actions are from another's, both flown from a zero state.
    pub(crate) fn of(policy: &Policy, right: &Policy, observations: &[Vec<f32>]) -> Self {
        Self::between(&act(policy, observations), &act(right, observations))
    }

    fn between(found: &[Vec<f64>], right: &[Vec<f64>]) -> Self {
        let pairs = found.iter().flatten().zip(right.iter().flatten());
        let (mut largest, mut sum, mut count) = (0.0_f64, 0.0, 0_u32);
        for (a, b) in pairs {
            let difference = (a - b).abs();
            largest = if difference <= largest { largest } else { difference };
            sum += difference * difference;
            count += 1;
        }
        let rms = (sum / f64::from(count.max(1))).sqrt();
        Self { largest, rms, steps: right.len() }
    }
}

impl fmt::Display for ActionError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { largest, rms, steps } = self;
        write!(formatter, "over {steps} steps wrong by up to {largest:.1e}, {rms:.1e} in root mean square")
    }
}

/// What is wrong with an ONNX file.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// torch 2.9 and later with onnxscript 0.5.7 to 0.7.0 writes it.
    #[error(
        "its GRU lacks linear_before_reset = 1: the reset gate acts before the product with the hidden weights, \
         PyTorch's acts after it"
    )]
    ResetBeforeProduct,
    /// The state of a recurrent layer does not go from step to step.
    #[error("its state is not fed back: {0}")]
    StateLost(String),
    /// The gates stand in another order than the model's.
    #[error("the gates of its {cell} stand in the order {found}, ONNX wants {expected}")]
    GateOrder {
        /// `GRU` or `LSTM`.
        cell: &'static str,
        /// The order that the weights have.
        found: String,
        /// The order that they should have.
        expected: &'static str,
    },
    /// The observation goes to the first layer as it is.
    #[error("it does not normalise its observation, {0} does")]
    MissingNormalizer(String),
    /// It normalises, the model does not, or by other numbers.
    #[error("its normaliser is not the model's: {0}")]
    OtherNormalizer(String),
    /// The map after the last layer is another one.
    #[error("its last layer ends in {found}, the model's in {expected}")]
    OtherSquash {
        /// The map of the file.
        found: &'static str,
        /// The map of the model.
        expected: &'static str,
    },
    /// The activation of the hidden layers is another one.
    #[error("its hidden layers have activation {found}, the model's {expected}")]
    OtherActivation {
        /// The activation of the file.
        found: String,
        /// The activation of the model.
        expected: String,
    },
    /// A weight is another one.
    #[error("`{tensor}` differs from the model's by up to {difference:e}")]
    OtherWeights {
        /// The tensor, by its name in Eyas.
        tensor: String,
        /// The largest difference.
        difference: f32,
    },
    /// The widths are others.
    #[error("it is another network: {found}, the model is {expected}")]
    OtherShape {
        /// The file's widths.
        found: String,
        /// The model's.
        expected: String,
    },
}

/// What an examination of an ONNX file found.
#[derive(Clone, Debug)]
pub struct Examination {
    /// The policy as the graph has it, read as PyTorch computes it.
    pub policy: Policy,
    /// The contract in the file.
    pub contract: Option<Contract>,
    /// What is wrong.
    pub faults: Vec<Fault>,
    /// How far the file's own actions are from the right ones; `None` if nothing tells the right ones.
    pub error: Option<ActionError>,
    /// The policy that the file should hold; `None` if nothing tells it.
    pub right: Option<Policy>,
    /// Whether any number of vehicles can be flown at once.
    pub dynamic_batch: bool,
}

impl Examination {
    /// The contract in the file, if it is that of the right policy.
    #[must_use]
    pub fn repaired_contract(&self) -> Option<Contract> {
        let right = self.right.as_ref()?;
        let contract = self.contract.clone()?;
        (contract.check(right).is_ok() && contract.test.replay(right) <= contract.test.tolerance)
            .then_some(contract)
    }

    /// Whether the file does what it should.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.faults.is_empty() && self.error.is_none_or(|error| error.largest <= AGREEMENT)
    }
}

/// Looks for the faults that exporters write silently, against the model that the file was exported from if that is
/// given, else against what the file itself says.
///
/// # Errors
///
/// [`FormatError::Onnx`] names the operator that no policy here has.
pub fn examine(path: &Path, against: Option<&Policy>) -> Result<Examination, FormatError> {
    let bytes = fs::read(path).map_err(|source| FormatError::reading(path, source))?;
    let opened = Opened::new(path, &bytes)?;
    let program = opened.program()?;
    let found = opened.found(&program)?;
    let contract = opened.contract()?;
    let mut faults = Vec::new();
    if found.resets_before_product {
        faults.push(Fault::ResetBeforeProduct);
    }
    faults.extend(found.state_is_lost.clone().map(Fault::StateLost));
    if let Some(reference) = against {
        compare(&found, reference, &mut faults);
    } else if let Some(contract) = &contract {
        compare_contract(&found.policy, contract, &mut faults);
    }
    // Without the model, what was found is right but for what is done with it.
    let told = faults.iter().all(|fault| matches!(fault, Fault::ResetBeforeProduct | Fault::StateLost(_)));
    let right = against.cloned().or_else(|| told.then(|| found.policy.clone()));
    let comparable =
        right.as_ref().filter(|right| right.num_observations() == found.policy.num_observations());
    let error = comparable
        .map(|right| {
            let observations = Contract::of(right).test.observations;
            let flown = opened.fly(&program, &found, &observations)?;
            Ok::<_, FormatError>(ActionError::between(&flown, &act(right, &observations)))
        })
        .transpose()?;
    let batch = opened.model.graph.inputs.iter().find(|port| port.name == found.observation);
    let dynamic_batch = batch.is_some_and(|port| matches!(port.shape.first(), Some(Size::Free(_))));
    Ok(Examination { policy: found.policy, contract, faults, error, right, dynamic_batch })
}

fn compare_contract(found: &Policy, contract: &Contract, faults: &mut Vec<Fault>) {
    if contract.observation.normalizer.is_some() && found.normalizer.is_none() {
        faults.push(Fault::MissingNormalizer("the contract in the file".to_owned()));
    }
    if contract.action.squash != found.output {
        faults.push(Fault::OtherSquash {
            found: squash(found.output),
            expected: squash(contract.action.squash),
        });
    }
}

fn squash(output: Output) -> &'static str {
    match output {
        Output::Identity => "nothing",
        Output::Tanh => "tanh",
        Output::Beta => "the mean of a Beta distribution",
    }
}

fn compare(found: &Found, reference: &Policy, faults: &mut Vec<Fault>) {
    let policy = &found.policy;
    let (own, other) = (&policy.network.architecture, &reference.network.architecture);
    let widths = |policy: &Policy| {
        let shape = &policy.network.architecture;
        let core = shape.core.map(|core| (core.cell, core.width, core.layers));
        (shape.inputs, shape.encoder.clone(), core, shape.hidden.clone(), shape.outputs)
    };
    if widths(policy) != widths(reference) {
        faults.push(Fault::OtherShape { found: chain(own), expected: chain(other) });
        return;
    }
    match (&policy.normalizer, &reference.normalizer) {
        (None, Some(_)) => faults.push(Fault::MissingNormalizer("the model".to_owned())),
        (Some(_), None) => faults.push(Fault::OtherNormalizer("the model has none".to_owned())),
        (Some(own), Some(other)) => {
            faults.extend(normalizer_difference(own, other).map(Fault::OtherNormalizer));
        }
        (None, None) => {}
    }
    if policy.output != reference.output {
        faults.push(Fault::OtherSquash { found: squash(policy.output), expected: squash(reference.output) });
    }
    if found.shows_activation && own.activation != other.activation {
        let (found, expected) = (own.activation.to_string(), other.activation.to_string());
        faults.push(Fault::OtherActivation { found, expected });
    }
    let gates = gate_order(policy, reference);
    let is_permuted = gates.is_some();
    faults.extend(gates);
    for tensor in own.tensors() {
        if is_permuted && tensor.name.starts_with("core.") {
            continue;
        }
        let pairs = policy.network.parameters[tensor.range.clone()]
            .iter()
            .zip(&reference.network.parameters[tensor.range]);
        let difference = pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        if difference > SAME_WEIGHT {
            faults.push(Fault::OtherWeights { tensor: tensor.name, difference });
        }
    }
}

fn normalizer_difference(own: &Normalizer, other: &Normalizer) -> Option<String> {
    let largest = |a: &[f32], b: &[f32]| {
        a.iter().zip(b).map(|(a, b)| (a - b).abs() / (1.0 + b.abs())).fold(0.0, f32::max)
    };
    let (mean, std) = (largest(&own.mean, &other.mean), largest(&own.std, &other.std));
    (mean > 1e-5 || std > 1e-5)
        .then(|| format!("means differ by up to {mean:e} and deviations by {std:e} of their size"))
}

/// The fault of gates that stand in another order, if that explains all differences of the recurrent layers.
fn gate_order(policy: &Policy, reference: &Policy) -> Option<Fault> {
    let core = policy.network.architecture.core?;
    let layers = policy.network.architecture.core_layers();
    let agree = |permutation: &[usize]| {
        layers.iter().all(|layer| {
            let blocks = [
                (&layer.weight_ih, layer.inputs),
                (&layer.weight_hh, layer.width),
                (&layer.bias_ih, 1),
                (&layer.bias_hh, 1),
            ];
            blocks.into_iter().all(|(range, columns)| {
                let own = build::reordered(
                    &policy.network.parameters[range.clone()],
                    permutation,
                    layer.width * columns,
                );
                own.iter()
                    .zip(&reference.network.parameters[range.clone()])
                    .all(|(a, b)| (a - b).abs() <= SAME_WEIGHT)
            })
        })
    };
    let gates = core.cell.gates();
    let same: Vec<usize> = (0..gates).collect();
    if agree(&same) {
        return None;
    }
    let permutation = permutations(gates).into_iter().find(|permutation| agree(permutation))?;
    // ONNX' block `i` was taken for gate `order[i]`, and holds the gate that the permutation brings there.
    let (names, cell, expected): (&[&str], _, _) = match core.cell {
        Cell::Gru => (&["r", "z", "h"], "GRU", "z, r, h"),
        Cell::Lstm => (&["i", "f", "c", "o"], "LSTM", "i, o, f, c"),
    };
    let holds =
        |taken: usize| permutation.iter().position(|&source| source == taken).map_or("?", |gate| names[gate]);
    let found = build::order(core.cell).iter().map(|&taken| holds(taken)).collect::<Vec<_>>().join(", ");
    Some(Fault::GateOrder { cell, found, expected })
}

fn permutations(count: usize) -> Vec<Vec<usize>> {
    let mut all = vec![Vec::new()];
    for _ in 0..count {
        all = all
            .iter()
            .flat_map(|begun: &Vec<usize>| {
                let rest = (0..count).filter(|next| !begun.contains(next));
                rest.map(|next| [&begun[..], &[next]].concat()).collect::<Vec<_>>()
            })
            .collect();
    }
    all
}
