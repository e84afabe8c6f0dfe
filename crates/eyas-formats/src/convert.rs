//! Policies written in the formats of other programs.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use eyas_policy::{Contract, Network, Normalizer, Output, Policy};

use crate::checkpoint::rsl_rl::{Generation, write_generation};
use crate::checkpoint::{UnknownChoice, bare_entries, policy_entries, student};
use crate::container::{npy, safetensors};
use crate::{
    AdamState, Checkpoint, FormatError, LoadOptions, Tensor, Value, atomic, c, contract, firmware, fly,
    leapp, onnx, px4, rltools, tflite, torch, torchscript,
};
use firmware::Firmware;

/// A format that a policy can be written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// rsl_rl 2.x: one model, its normaliser beside it.
    RslRl2,
    /// rsl_rl 3.x: one model, its normaliser inside.
    RslRl3,
    /// rsl_rl 4.x: actor and critic apart.
    RslRl4,
    /// rsl_rl 5.x, which Eyas' own runs write.
    RslRl5,
    /// The student of `distillation.py`.
    Student,
    /// The state dict of a torch `Sequential` by itself.
    Sequential,
    /// safetensors, the contract in the header.
    Safetensors,
    /// NumPy's archive of arrays.
    Npz,
    /// ONNX, operators of version 17.
    Onnx,
    /// TorchScript, which `torch.jit.load` runs.
    TorchScript,
    /// A bundle of LEAPP 0.7, which Isaac Lab 3.0 deploys.
    Leapp,
    /// C99, a header and a source file.
    C,
    /// The same, with weights of eight bits.
    CInt8,
    /// `checkpoint.h5` of RLtools.
    RlTools,
    /// `policy.tar` of PX4's `mc_raptor`.
    Px4,
    /// The TFLite flatbuffer of PX4's `mc_nn_control`, and the sources it is compiled with.
    Px4Nn,
    /// The bytes that `eyas-fly` reads from flash.
    Fly,
    /// A folder: an out-of-tree controller of the Crazyflie's firmware.
    Crazyflie,
    /// A folder: the neural controller of `INDIflight`, a fork of Betaflight.
    Betaflight,
}

const KINDS: [(Kind, &str); 19] = [
    (Kind::RslRl2, "rsl_rl2"),
    (Kind::RslRl3, "rsl_rl3"),
    (Kind::RslRl4, "rsl_rl4"),
    (Kind::RslRl5, "rsl_rl5"),
    (Kind::Student, "student"),
    (Kind::Sequential, "sequential"),
    (Kind::Safetensors, "safetensors"),
    (Kind::Npz, "npz"),
    (Kind::Onnx, "onnx"),
    (Kind::TorchScript, "torchscript"),
    (Kind::Leapp, "leapp"),
    (Kind::C, "c"),
    (Kind::CInt8, "c_int8"),
    (Kind::RlTools, "h5"),
    (Kind::Px4, "px4"),
    (Kind::Px4Nn, "px4_nn"),
    (Kind::Fly, "eyas-fly"),
    (Kind::Crazyflie, "crazyflie"),
    (Kind::Betaflight, "betaflight"),
];

impl Kind {
    /// Every name.
    pub fn names() -> impl Iterator<Item = &'static str> {
        KINDS.iter().map(|(_, name)| *name)
    }

    /// What a file's extension says, for a policy that the format can express: `.pt` is rsl_rl 5.x, and the student's
    /// layout where rsl_rl has no place for the encoder.
    #[must_use]
    pub fn of_extension(path: &Path, policy: &Policy) -> Option<Self> {
        match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "pt" | "pth" if !policy.network.architecture.encoder.is_empty() => Some(Self::Student),
            "pt" | "pth" => Some(Self::RslRl5),
            "safetensors" => Some(Self::Safetensors),
            "npz" => Some(Self::Npz),
            "onnx" => Some(Self::Onnx),
            "yaml" => Some(Self::Leapp),
            "c" => Some(Self::C),
            "h5" => Some(Self::RlTools),
            "tar" => Some(Self::Px4),
            "tflite" => Some(Self::Px4Nn),
            "bin" => Some(Self::Fly),
            "crazyflie" => Some(Self::Crazyflie),
            "betaflight" => Some(Self::Betaflight),
            _ => None,
        }
    }

    /// What it is called in messages.
    fn described(self) -> &'static str {
        match self {
            Self::Student => "the layout of distillation.py",
            Self::Sequential => "a torch Sequential",
            Self::RlTools => "RLtools' checkpoint.h5",
            Self::Px4 => "PX4's policy.tar",
            Self::Px4Nn => "PX4's mc_nn_control",
            Self::RslRl2 | Self::RslRl3 | Self::RslRl4 | Self::RslRl5 => "the layout of rsl_rl",
            Self::Safetensors
            | Self::Npz
            | Self::Onnx
            | Self::TorchScript
            | Self::Leapp
            | Self::C
            | Self::CInt8
            | Self::Fly
            | Self::Crazyflie
            | Self::Betaflight => "this format",
        }
    }

    /// The extension that files of this kind have.
    #[must_use]
    pub fn extension(self) -> &'static str {
        match self {
            Self::Safetensors => "safetensors",
            Self::Npz => "npz",
            Self::Onnx => "onnx",
            Self::Leapp => "yaml",
            Self::C | Self::CInt8 => "c",
            Self::RlTools => "h5",
            Self::Px4 => "tar",
            Self::Px4Nn => "tflite",
            Self::Fly => "bin",
            Self::Crazyflie => "crazyflie",
            Self::Betaflight => "betaflight",
            _ => "pt",
        }
    }

    /// The firmware whose sources it is.
    fn firmware(self) -> Option<Firmware> {
        match self {
            Self::Crazyflie => Some(Firmware::Crazyflie),
            Self::Betaflight => Some(Firmware::Indiflight),
            _ => None,
        }
    }

    /// The file to read of what was written at a path, which is a folder of some kinds.
    #[must_use]
    pub fn artefact(self, path: &Path) -> PathBuf {
        self.firmware().map_or_else(|| path.to_owned(), |firmware| path.join(firmware.source()))
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (_, name) = KINDS.iter().find(|(kind, _)| kind == self).expect("every kind has a name");
        formatter.write_str(name)
    }
}

impl FromStr for Kind {
    type Err = UnknownChoice;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // `pt` is what Eyas itself writes.
        let text = if text == "pt" { "rsl_rl5" } else { text };
        KINDS.iter().find(|(_, name)| *name == text).map(|(kind, _)| *kind).ok_or_else(|| UnknownChoice {
            found: text.to_owned(),
            expected: "pt, rsl_rl2, rsl_rl3, rsl_rl4, rsl_rl5, student, sequential, safetensors, npz, onnx, torchscript, leapp, c, c_int8, h5, px4, px4_nn, eyas-fly, crazyflie, betaflight",
        })
    }
}

/// What is written.
#[derive(Clone, Copy, Debug)]
pub struct Export<'a> {
    /// The policy.
    pub policy: &'a Policy,
    /// Its contract.
    pub contract: &'a Contract,
    /// Standard deviation of the exploration noise, one per action, where there is one.
    pub std: Option<&'a [f32]>,
    /// The value function of PPO and its normaliser, where the source has one; only rsl_rl's layouts take it.
    pub critic: Option<(&'a Network, Option<&'a Normalizer>)>,
    /// Training iterations, or epochs, done.
    pub iteration: u64,
}

/// What became of a policy on its way into a format.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// What was written beside the file, and what that is.
    pub beside: Vec<(PathBuf, &'static str)>,
    /// What was added, folded or left out.
    pub remarks: Vec<String>,
}

/// Writes a policy; files that are there already are replaced.
///
/// # Errors
///
/// [`FormatError::Inexpressible`] names what the format has no place for; nothing is written then.
pub fn write(path: &Path, kind: Kind, export: &Export<'_>) -> Result<Written, FormatError> {
    let keeps_clip = matches!(
        kind,
        Kind::Safetensors
            | Kind::Npz
            | Kind::Onnx
            | Kind::TorchScript
            | Kind::Leapp
            | Kind::C
            | Kind::CInt8
            | Kind::Fly
    ) || kind.firmware().is_some();
    if let Some(clip) = export.policy.normalizer.as_ref().and_then(|it| it.clip).filter(|_| !keeps_clip) {
        let what = format!("a normaliser that limits its results to ±{clip}");
        return Err(FormatError::Inexpressible { path: path.to_owned(), layout: kind.described(), what });
    }
    let mut written = Written::default();
    let json = contract::to_json(export.contract);
    match kind {
        Kind::RslRl2 => write_generation(path, Generation::V2, export, &json, &mut written.remarks)?,
        Kind::RslRl3 => write_generation(path, Generation::V3, export, &json, &mut written.remarks)?,
        Kind::RslRl4 => write_generation(path, Generation::V4, export, &json, &mut written.remarks)?,
        Kind::RslRl5 => write_generation(path, Generation::V5, export, &json, &mut written.remarks)?,
        Kind::Student => write_student(path, export, &mut written.remarks)?,
        Kind::Sequential => write_sequential(path, export, &mut written)?,
        Kind::Safetensors => {
            let tensors = tensors(policy_entries(export.policy, export.std));
            let metadata = [("format", "pt"), (onnx::METADATA_KEY, json.as_str())];
            atomic::write_file(path, &safetensors::to_bytes(&tensors, &metadata))?;
        }
        Kind::Npz => {
            let tensors = tensors(policy_entries(export.policy, export.std));
            let mut arrays: Vec<(String, npy::Array)> =
                tensors.into_iter().map(|(name, tensor)| (name, array(&tensor))).collect();
            let text = npy::Array::new(&[json.len()], npy::Data::U8(json.into_bytes()));
            arrays.push((onnx::METADATA_KEY.to_owned(), text));
            let named: Vec<(&str, &npy::Array)> =
                arrays.iter().map(|(name, array)| (name.as_str(), array)).collect();
            npy::write_npz(path, &named)?;
        }
        Kind::Onnx => atomic::write_file(path, &onnx::to_bytes(export.policy, &json))?,
        Kind::TorchScript => atomic::write_file(path, &torchscript::to_bytes(export.policy, &json))?,
        Kind::Leapp => write_leapp(path, export, &mut written)?,
        Kind::C => write_c(path, export, c::Weights::Single, &mut written)?,
        Kind::CInt8 => {
            let difference = export.contract.test.replay(&c::quantized(export.policy));
            written.remarks.push(format!(
                "weights were rounded to 8 bits: actions differ by up to {difference:.1e}; fly the file before it flies"
            ));
            write_c(path, export, c::Weights::Int8, &mut written)?;
        }
        Kind::RlTools => {
            atomic::write_file(path, &rltools::to_hdf5(path, export.policy, export.contract)?)?;
        }
        Kind::Px4 => write_px4(path, export, &mut written.remarks)?,
        Kind::Px4Nn => write_px4_nn(path, export, &mut written)?,
        Kind::Fly => atomic::write_file(path, &fly::to_bytes(export.policy, export.contract))?,
        Kind::Crazyflie => write_firmware(path, Firmware::Crazyflie, export, &mut written)?,
        Kind::Betaflight => write_firmware(path, Firmware::Indiflight, export, &mut written)?,
    }
    let keeps_noise = matches!(kind, Kind::Safetensors | Kind::Npz)
        || matches!(kind, Kind::RslRl2 | Kind::RslRl3 | Kind::RslRl4 | Kind::RslRl5);
    if export.std.is_some() && !keeps_noise {
        written
            .remarks
            .push("the deviation of the exploration noise was left out: it does not fly".to_owned());
    }
    Ok(written)
}

fn write_student(path: &Path, export: &Export<'_>, remarks: &mut Vec<String>) -> Result<(), FormatError> {
    let policy = folded(export.policy, remarks);
    let contract = folded_contract(export, &policy, remarks);
    let optimizer = AdamState::new(policy.network.parameters.len(), 1e-4);
    let checkpoint = student::StudentCheckpoint {
        epoch: export.iteration,
        policy: &policy,
        optimizer: &optimizer,
        best_return: f64::NEG_INFINITY,
        extra: None,
    };
    student::write_with_contract(path, &checkpoint, Some(&contract::to_json(&contract)))?;
    remarks.push("an optimiser that has taken no step was added, which the script wants".to_owned());
    Ok(())
}

fn write_px4(path: &Path, export: &Export<'_>, remarks: &mut Vec<String>) -> Result<(), FormatError> {
    let policy = px4::fitted(path, export.policy, export.contract, remarks)?;
    let mut contract = folded_contract(export, &policy, remarks);
    contract.network = policy.network.architecture.clone();
    contract.state = Contract::of(&policy).state;
    atomic::write_file(path, &rltools::to_tar(path, &policy, &contract)?)
}

/// The flatbuffer, the two sources that hold it under the names that the module has for them, and the contract.
fn write_px4_nn(path: &Path, export: &Export<'_>, written: &mut Written) -> Result<(), FormatError> {
    let policy = folded(export.policy, &mut written.remarks);
    if let Some(what) = tflite::unfit(&policy) {
        let layout = Kind::Px4Nn.described();
        return Err(FormatError::Inexpressible { path: path.to_owned(), layout, what });
    }
    let contract = folded_contract(export, &policy, &mut written.remarks);
    let bytes = tflite::to_bytes(&policy);
    for (name, text) in tflite::px4_sources(&bytes) {
        let beside = path.with_file_name(name);
        atomic::write_file(&beside, text.as_bytes())?;
        written.beside.push((beside, "for src/modules/mc_nn_control of PX4"));
    }
    atomic::write_file(path, &bytes)?;
    write_contract(path, &contract)?;
    written.beside.push((contract_beside(path), "its contract"));
    Ok(())
}

/// The description last: one that is there has its graph.
fn write_leapp(path: &Path, export: &Export<'_>, written: &mut Written) -> Result<(), FormatError> {
    if path.extension().is_none_or(|extension| extension != "yaml") {
        let (what, layout) =
            ("a description whose name does not end in `.yaml`, as its readers want".to_owned(), "LEAPP");
        return Err(FormatError::Inexpressible { path: path.to_owned(), layout, what });
    }
    let files = leapp::write(path, export.policy, export.contract);
    let beside =
        [Some((files.graph, "its graph")), files.initial_values.map(|it| (it, "what its state begins with"))];
    for ((path, bytes), what) in beside.into_iter().flatten() {
        atomic::write_file(&path, &bytes)?;
        written.beside.push((path, what));
    }
    atomic::write_file(path, files.description.as_bytes())
}

/// The header first: a source file that is there has its header.
fn write_c(
    path: &Path,
    export: &Export<'_>,
    weights: c::Weights,
    written: &mut Written,
) -> Result<(), FormatError> {
    let header = path.with_extension("h");
    if path.extension().is_none_or(|extension| extension != "c") {
        let (what, layout) =
            ("a source file whose name does not end in `.c`: its header lies beside it".to_owned(), "C");
        return Err(FormatError::Inexpressible { path: path.to_owned(), layout, what });
    }
    let files = c::write(path, export.policy, export.contract, weights);
    atomic::write_file(&header, files.header.as_bytes())?;
    atomic::write_file(path, files.source.as_bytes())?;
    written.beside.push((header, "its header"));
    Ok(())
}

fn write_firmware(
    path: &Path,
    firmware: Firmware,
    export: &Export<'_>,
    written: &mut Written,
) -> Result<(), FormatError> {
    let files = firmware::write(path, firmware, export.policy, export.contract, &mut written.remarks)?;
    for (below, text, what) in files {
        let file = path.join(below);
        if let Some(folder) = file.parent() {
            std::fs::create_dir_all(folder)
                .map_err(|source| FormatError::Write { path: folder.to_owned(), source })?;
        }
        atomic::write_file(&file, text.as_bytes())?;
        written.beside.push((file, what));
    }
    Ok(())
}

/// The state dict alone, so that `load_state_dict` takes the file as it is, and the contract beside it.
fn write_sequential(path: &Path, export: &Export<'_>, written: &mut Written) -> Result<(), FormatError> {
    let inexpressible = |what: &str| FormatError::Inexpressible {
        path: path.to_owned(),
        layout: "a torch Sequential",
        what: what.to_owned(),
    };
    let policy = folded(export.policy, &mut written.remarks);
    let entries = bare_entries(&policy).ok_or_else(|| inexpressible("a recurrent core"))?;
    match policy.output {
        Output::Identity => {}
        Output::Tanh => {
            written
                .remarks
                .push("append nn.Tanh() to the Sequential: its state dict cannot say it".to_owned());
        }
        Output::Beta => return Err(inexpressible("the mean of a Beta distribution")),
    }
    let contract = folded_contract(export, &policy, &mut written.remarks);
    torch::write(path, &Value::ordered_dict(entries))?;
    let beside = contract_beside(path);
    write_contract(path, &contract)?;
    written.beside.push((beside, "its contract"));
    Ok(())
}

/// Reads what was just written, and replays the test vectors; the largest difference of an action.
///
/// # Errors
///
/// As [`Checkpoint::read`] and [`Checkpoint::policy`].
pub fn read_back(path: &Path, kind: Kind, contract: &Contract) -> Result<f32, FormatError> {
    let loaded = Checkpoint::read(&kind.artefact(path))?.policy(&LoadOptions::default())?;
    Ok(contract.test.replay(&loaded.policy))
}

/// How the name of a contract ends that stands beside a policy.
pub const CONTRACT_EXTENSION: &str = "contract.json";

/// Where the contract of a file stands that has no place for it.
#[must_use]
pub fn contract_beside(path: &Path) -> PathBuf {
    path.with_extension(CONTRACT_EXTENSION)
}

/// Writes the contract of a file beside it.
///
/// # Errors
///
/// [`FormatError::Write`].
pub fn write_contract(path: &Path, contract: &Contract) -> Result<(), FormatError> {
    atomic::write_file(&contract_beside(path), contract::to_json_pretty(contract).as_bytes())
}

fn tensors(entries: Vec<(String, Value)>) -> Vec<(String, Tensor)> {
    let tensor = |(name, value)| if let Value::Tensor(tensor) = value { Some((name, tensor)) } else { None };
    entries.into_iter().filter_map(tensor).collect()
}

fn array(tensor: &Tensor) -> npy::Array {
    let data = match tensor.to_i64() {
        Some(values) => npy::Data::I64(values),
        None => npy::Data::F32(tensor.to_f32()),
    };
    npy::Array::new(tensor.shape(), data)
}

/// The policy with its normaliser in the first layer, which computes the same.
fn folded(policy: &Policy, remarks: &mut Vec<String>) -> Policy {
    if policy.normalizer.is_some() {
        remarks.push(
            "the normaliser was folded into the first layer, for which the format has no other place"
                .to_owned(),
        );
    }
    fold(policy)
}

/// `W ((x − μ) / σ) + b = (W / σ) x + (b − (W / σ) μ)`, in double precision; a limit of the normaliser is lost.
#[must_use]
pub fn fold(policy: &Policy) -> Policy {
    let Some(normalizer) = &policy.normalizer else { return policy.clone() };
    let architecture = &policy.network.architecture;
    let mut network = policy.network.clone();
    let layers = [architecture.encoder_layers(), architecture.head_layers()].concat();
    let (weight, bias, inputs) = match (architecture.encoder.is_empty(), architecture.core_layers().first()) {
        (true, Some(layer)) => (layer.weight_ih.clone(), layer.bias_ih.clone(), layer.inputs),
        _ => (layers[0].weight.clone(), layers[0].bias.clone(), layers[0].inputs),
    };
    for (row, bias) in bias.enumerate() {
        let start = weight.start + row * inputs;
        let mut shift = 0.0;
        for feature in 0..inputs {
            let divisor = f64::from(normalizer.std[feature]) + f64::from(Normalizer::EPSILON);
            let scaled = f64::from(network.parameters[start + feature]) / divisor;
            network.parameters[start + feature] = scaled as f32;
            shift += scaled * f64::from(normalizer.mean[feature]);
        }
        network.parameters[bias] = (f64::from(network.parameters[bias]) - shift) as f32;
    }
    Policy { normalizer: None, network, output: policy.output }
}

/// The contract of a policy whose normaliser was folded: the same facts and test vectors, no normaliser.
///
/// Dividing weights by small deviations rounds them; where that moves actions beyond the tolerance, the tolerance of the
/// vectors becomes what was measured, and a remark says so.
fn folded_contract(export: &Export<'_>, policy: &Policy, remarks: &mut Vec<String>) -> Contract {
    let mut contract = export.contract.clone();
    if export.policy.normalizer.is_none() {
        return contract;
    }
    contract.observation.normalizer = None;
    let difference = contract.test.replay(policy);
    if difference > contract.test.tolerance {
        remarks.push(format!("folding rounds the weights: actions differ by up to {difference:.1e}"));
        contract.test.tolerance = 2.0 * difference;
    }
    contract
}
