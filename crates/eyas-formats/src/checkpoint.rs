//! Checkpoints of every known layout, and the policies in them.

mod adam;
mod decide;
mod describe;
mod foreign;
mod layout;
mod network;
mod rltools;
pub mod rsl_rl;
mod runner_config;
mod state_dict;
pub mod student;

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use eyas_policy::{Activation, Contract, Network, Normalizer, Policy};
use serde::Serialize;

use decide::note;
use foreign::archive::STATISTICS;
pub(crate) use network::{bare_entries, policy_entries};

pub use adam::AdamState;
pub(crate) use describe::chain;
pub use describe::{ContractSummary, Description, NetworkSummary, OpaqueSummary, TensorSummary};
pub use layout::{Layout, Role};

use self::layout::Part;
use self::state_dict::summary;
use crate::container::archive::Archive;
use crate::container::tensor::row_major;
use crate::container::torch::{self, Container};
use crate::container::{hdf5, npy, safetensors, tar};
use crate::convert::contract_beside;
use crate::rltools::CONTRACT_ENTRY;
use crate::{
    DType, EYAS_KEY, FORMAT_VERSION, FormatError, Tensor, Value, c, contract, fly, leapp, onnx, tflite,
    torchscript,
};

/// Which policy of a distillation checkpoint to load.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Side {
    /// The student where there is one, else the only policy.
    #[default]
    Auto,
    /// The student.
    Student,
    /// The teacher; a PPO actor is one.
    Teacher,
}

/// How the raw output becomes the action.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OutputChoice {
    /// What the file and the runner config say; the output itself where they say nothing.
    #[default]
    Auto,
    /// The output itself.
    Identity,
    /// Its hyperbolic tangent, which Foundation's fork of rsl_rl appends without a trace in the file.
    Tanh,
    /// Mean of a Beta distribution.
    Beta,
    /// The first half of the outputs: the mean of a Gaussian whose deviation depends on the state.
    Mean,
}

/// Where the observation normaliser comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum NormalizerChoice {
    /// The checkpoint, if it holds one.
    #[default]
    Auto,
    /// None, even if the checkpoint holds one.
    Off,
    /// Another file: a checkpoint of the same run, or a saved normaliser.
    Path(PathBuf),
}

/// A word that is not among the expected ones.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{found}` is not one of {expected}")]
pub struct UnknownChoice {
    /// The word.
    pub found: String,
    /// The choices.
    pub expected: &'static str,
}

impl FromStr for Side {
    type Err = UnknownChoice;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text {
            "auto" => Self::Auto,
            "student" => Self::Student,
            "teacher" => Self::Teacher,
            _ => return Err(UnknownChoice { found: text.to_owned(), expected: "auto, student, teacher" }),
        })
    }
}

impl FromStr for OutputChoice {
    type Err = UnknownChoice;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text {
            "auto" => Self::Auto,
            "identity" => Self::Identity,
            "tanh" => Self::Tanh,
            "beta" => Self::Beta,
            "mean" => Self::Mean,
            _ => {
                let expected = "auto, identity, tanh, beta, mean";
                return Err(UnknownChoice { found: text.to_owned(), expected });
            }
        })
    }
}

impl FromStr for NormalizerChoice {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text {
            "auto" => Self::Auto,
            "off" => Self::Off,
            path => Self::Path(path.into()),
        })
    }
}

/// What the user knows and the file does not say.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LoadOptions {
    /// Which policy of a distillation checkpoint.
    pub side: Side,
    /// Overrides what the file and the runner config say.
    pub activation: Option<Activation>,
    /// How the raw output becomes the action.
    pub output: OutputChoice,
    /// Where the observation normaliser comes from.
    pub normalizer: NormalizerChoice,
    /// Runner config to read instead of `params/agent.yaml` beside or above the checkpoint.
    pub runner_config: Option<PathBuf>,
}

/// One thing that the loader had to decide, and why it decided so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Decision {
    /// What was decided: `activation`, `output`, `normaliser`.
    pub what: &'static str,
    /// The outcome.
    pub value: String,
    /// What it rests on.
    pub reason: String,
}

impl fmt::Display for Decision {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}: {}", self.what, self.value, self.reason)
    }
}

/// A policy and how it was read.
#[derive(Clone, Debug, PartialEq)]
pub struct LoadedPolicy {
    /// Which policy of the checkpoint it is.
    pub role: Role,
    /// The policy.
    pub policy: Policy,
    /// Standard deviation of the exploration noise, one per action, where it does not depend on the state.
    pub std: Option<Vec<f32>>,
    /// What had to be decided, in the order of evaluation.
    pub decisions: Vec<Decision>,
    /// Largest difference to the actions that the file gives as an example, where it does.
    pub example_difference: Option<f32>,
}

/// The value function of PPO and how it was read.
#[derive(Clone, Debug, PartialEq)]
pub struct LoadedCritic {
    /// The network.
    pub network: Network,
    /// Applied to its observation first.
    pub normalizer: Option<Normalizer>,
    /// What had to be decided.
    pub decisions: Vec<Decision>,
}

/// A checkpoint in memory.
///
/// # Examples
///
/// ```no_run
/// use std::path::Path;
/// use eyas_formats::{Checkpoint, LoadOptions};
///
/// # fn main() -> Result<(), eyas_formats::FormatError> {
/// let checkpoint = Checkpoint::read(Path::new("logs/rsl_rl/hover/model_1500.pt"))?;
/// let loaded = checkpoint.policy(&LoadOptions::default())?;
/// for decision in &loaded.decisions {
///     eprintln!("{decision}");
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Checkpoint {
    path: PathBuf,
    num_bytes: u64,
    container: Container,
    layout: Layout,
    model_key: &'static str,
    root: Value,
}

impl Checkpoint {
    /// Reads a file of torch, RLtools, safetensors, NumPy or ONNX, or a policy written as C; executes nothing that it holds.
    ///
    /// # Errors
    ///
    /// As [`torch::read`]; [`FormatError::Hdf5`] for HDF5 that RLtools would not write. A layout that is not known is no error here, but one in [`policy`](Self::policy).
    pub fn read(path: &Path) -> Result<Self, FormatError> {
        let (mut root, container) = match read_other(path)? {
            Some(read) => read,
            None => torch::read(path)?,
        };
        check_version(path, &root)?;
        attach_contract(path, &mut root)?;
        let num_bytes = fs::metadata(path).map_err(|source| FormatError::reading(path, source))?.len();
        let (layout, model_key) = layout::detect(&root);
        Ok(Self { path: path.to_owned(), num_bytes, container, layout, model_key, root })
    }

    /// The contract in the file, or in `NAME.contract.json` beside it.
    ///
    /// # Errors
    ///
    /// [`FormatError::Contract`] if it is none, [`FormatError::NewerFormat`] if a later version wrote it.
    pub fn contract(&self) -> Result<Option<Contract>, FormatError> {
        let json = self.root.get(EYAS_KEY).and_then(|note| note.get("contract")).and_then(Value::as_str);
        json.map(|json| contract::parse(json, &self.path)).transpose()
    }

    /// The contract, which must be that policy's.
    ///
    /// # Errors
    ///
    /// As [`contract`](Self::contract); [`FormatError::ContractMismatch`] says what differs.
    pub fn contract_for(&self, policy: &Policy) -> Result<Option<Contract>, FormatError> {
        let contract = self.contract()?;
        if let Some(contract) = &contract {
            contract
                .check(policy)
                .map_err(|source| FormatError::ContractMismatch { path: self.path.clone(), source })?;
        }
        Ok(contract)
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Size of the file.
    #[must_use]
    pub fn num_bytes(&self) -> u64 {
        self.num_bytes
    }

    /// How its objects are packed.
    #[must_use]
    pub fn container(&self) -> Container {
        self.container
    }

    /// How its networks are arranged.
    #[must_use]
    pub fn kind(&self) -> Layout {
        self.layout
    }

    /// Layout and, as far as the keys tell, the version that wrote it.
    #[must_use]
    pub fn description(&self) -> String {
        match layout::writer(self.layout, &self.root, self.model_key) {
            Some(writer) => format!("{} ({writer})", self.layout),
            None => self.layout.to_string(),
        }
    }

    /// Everything in the file.
    #[must_use]
    pub fn root(&self) -> &Value {
        &self.root
    }

    /// The training iteration of PPO (`iter`).
    #[must_use]
    pub fn iteration(&self) -> Option<u64> {
        self.count("iter")
    }

    /// The epoch of a student (`epoch`).
    #[must_use]
    pub fn epoch(&self) -> Option<u64> {
        self.count("epoch")
    }

    fn count(&self, key: &str) -> Option<u64> {
        self.root.get(key)?.as_i64()?.try_into().ok()
    }

    /// The best evaluation so far of a student's run; `-inf` before the first.
    #[must_use]
    pub fn best_return(&self) -> Option<f64> {
        self.root.get("best_return")?.as_f64()
    }

    /// Whether the optimiser's state is there, as resuming needs it.
    #[must_use]
    pub fn has_optimizer(&self) -> bool {
        self.root.get("optimizer_state_dict").is_some()
    }

    /// What an Eyas program stored for itself; no other program writes it.
    #[must_use]
    pub fn extra(&self) -> Option<&Value> {
        self.root.get(EYAS_KEY)?.get("extra")
    }

    /// Loads a policy.
    ///
    /// What the file does not say is taken from the options, then from the runner config, then from
    /// what the layout's program is known to do; each such decision is in the result.
    ///
    /// # Errors
    ///
    /// [`FormatError::UnsupportedLayout`] names the keys that are not understood;
    /// [`FormatError::MissingSide`], [`FormatError::AmbiguousOutput`] and
    /// [`FormatError::MissingNormalizer`] ask for an option.
    pub fn policy(&self, options: &LoadOptions) -> Result<LoadedPolicy, FormatError> {
        if (self.role(options.side)?, self.layout) == (Role::Actor, Layout::RlTools) {
            return rltools::policy(self, options);
        }
        decide::policy(self, &self.part(self.role(options.side)?)?, options)
    }

    /// Loads the value function of a PPO checkpoint.
    ///
    /// # Errors
    ///
    /// [`FormatError::MissingSide`] if there is none.
    pub fn critic(&self, options: &LoadOptions) -> Result<LoadedCritic, FormatError> {
        decide::critic(self, &self.part(Role::Critic)?, options)
    }

    /// The networks that can be asked for.
    #[must_use]
    pub fn roles(&self) -> Vec<Role> {
        if self.layout == Layout::RlTools {
            return vec![Role::Actor];
        }
        [Role::Actor, Role::Student, Role::Teacher, Role::Critic]
            .into_iter()
            // A network that is there but broken is listed: loading it tells what is wrong.
            .filter(|&role| !matches!(self.find(role), Ok(None)))
            .collect()
    }

    /// The policy that `side` means in this layout.
    fn role(&self, side: Side) -> Result<Role, FormatError> {
        let roles = self.roles();
        let has = |role| roles.contains(&role);
        Ok(match side {
            Side::Auto | Side::Student if has(Role::Student) => Role::Student,
            Side::Auto | Side::Teacher if has(Role::Teacher) => Role::Teacher,
            Side::Auto | Side::Teacher if has(Role::Actor) => Role::Actor,
            Side::Student => return Err(self.missing("student")),
            Side::Teacher => return Err(self.missing("teacher")),
            Side::Auto => return Err(self.no_policy()),
        })
    }

    pub(crate) fn part(&self, role: Role) -> Result<Part<'_>, FormatError> {
        self.find(role)?.ok_or_else(|| self.missing(role.name()))
    }

    fn find(&self, role: Role) -> Result<Option<Part<'_>>, FormatError> {
        layout::part((self.layout, self.model_key), role, &self.root, &self.path)
    }

    fn missing(&self, side: &'static str) -> FormatError {
        let roles = self.roles();
        if roles.is_empty() {
            return self.no_policy();
        }
        let names: Vec<&str> = roles.iter().map(|role| role.name()).collect();
        FormatError::MissingSide { path: self.path.clone(), side, present: names.join(" and ") }
    }

    fn no_policy(&self) -> FormatError {
        if let Value::Opaque(class) = self.root.get(self.model_key).unwrap_or(&self.root) {
            let (module, name) = class.rsplit_once('.').unwrap_or(("builtins", class));
            let (module, name) = (module.to_owned(), name.to_owned());
            return FormatError::ForbiddenGlobal { path: self.path.clone(), module, name };
        }
        let Some(entries) = self.root.get(self.model_key).unwrap_or(&self.root).entries() else {
            return FormatError::unsupported(&self.path, format!("it is {}, not a dict", self.root.kind()));
        };
        let names = entries.iter().filter_map(|(key, _)| key.as_str());
        let keys = summary(names.filter(|name| !name.starts_with(hdf5::ATTRIBUTE)));
        FormatError::unsupported(&self.path, format!("it holds {keys}"))
    }
}

/// The content of a file that torch did not write, as the dict that it stands for; `None` for any other.
fn read_other(path: &Path) -> Result<Option<(Value, Container)>, FormatError> {
    let reading = |source| FormatError::reading(path, source);
    let mut file = File::open(path).map_err(reading)?;
    let (mut bytes, head) = (Vec::new(), HEAD_BYTES);
    file.by_ref().take(head).read_to_end(&mut bytes).map_err(reading)?;
    if bytes.starts_with(b"PK\x03\x04") {
        if npy::is_npz(path)? {
            return Ok(Some((read_npz(path)?, Container::Npz)));
        }
        let archive = Archive::open(path)?;
        if foreign::archive::is_archive(archive.names()) {
            return Ok(Some((foreign::archive::read(path, archive)?, Container::StableBaselines3)));
        }
        if torchscript::is_archive(archive.names()) {
            return Ok(Some((torchscript::read(path, archive)?, Container::TorchScript)));
        }
        return Ok(None);
    }
    if leapp::is_description(path) {
        return Ok(leapp::read(path)?.map(|root| (root, Container::Leapp)));
    }
    // The length of a safetensors header may begin as a pickle does.
    let is_pickle = matches!(bytes[..], [0x80, 2..=5, ..]) && !safetensors::is_safetensors(&bytes);
    if is_pickle && !torch::is_legacy(&bytes) {
        let statistics = foreign::archive::read_statistics(path)?;
        return Ok(statistics.map(|it| (Value::dict([(STATISTICS, it)]), Container::Pickle)));
    }
    let container = if bytes.starts_with(hdf5::SIGNATURE) {
        Container::Hdf5
    } else if safetensors::is_safetensors(&bytes) {
        Container::Safetensors
    } else if onnx::is_onnx(&bytes) {
        Container::Onnx
    } else if c::is_c(&bytes) {
        Container::C
    } else if fly::is_fly(&bytes) {
        Container::Fly
    } else if tflite::is_tflite(&bytes) {
        Container::TfLite
    } else if tar::is_tar(&bytes) {
        Container::Tar
    } else {
        return Ok(None);
    };
    let (found, limit) = (file.metadata().map_err(reading)?.len(), torch::MAX_FILE_BYTES);
    if found > limit {
        let part = "the content".to_owned();
        return Err(FormatError::TooLarge { path: path.to_owned(), part, found, limit });
    }
    file.read_to_end(&mut bytes).map_err(reading)?;
    let root = match container {
        Container::Hdf5 => {
            let mut root = hdf5::read(path, &bytes)?;
            note_contract(path, &mut root)?;
            root
        }
        Container::Safetensors => read_safetensors(path, &bytes)?,
        Container::C => c::read(path, &bytes)?,
        Container::Tar => read_tar(path, &bytes)?,
        Container::Fly => fly::read(path, &bytes)?,
        Container::TfLite => tflite::read(path, &bytes)?,
        _ => onnx::read(path, &bytes)?,
    };
    Ok(Some((root, container)))
}

/// Bytes that tell formats apart: the header of a tar archive is the longest.
const HEAD_BYTES: u64 = 512;

/// An archive of RLtools as the dict that its `checkpoint.h5` would be: lines of `meta` are attributes.
fn read_tar(path: &Path, bytes: &[u8]) -> Result<Value, FormatError> {
    let mut root = Value::Dict(Vec::new());
    let entries = tar::read(path, bytes)?;
    for (name, content) in &entries {
        let text = String::from_utf8_lossy(content);
        let lines = || text.lines().filter_map(|line| line.split_once(": "));
        let Some((group, entry)) = name.rsplit_once('/') else { continue };
        match entry {
            "meta" if !lines().any(|(key, _)| key == "num_dims") => {
                for (key, value) in lines() {
                    insert(&mut root, &format!("{group}/{}{key}", hdf5::ATTRIBUTE), value.into());
                }
            }
            "data" => {
                let meta = format!("{group}/meta");
                let meta = entries.iter().find(|(name, _)| *name == meta).map(|(_, bytes)| *bytes);
                let tensor = tar_tensor(&String::from_utf8_lossy(meta.unwrap_or_default()), content);
                let damaged = |problem| FormatError::damaged(path, format!("`{group}` {problem}"));
                insert(&mut root, group, tensor.map_err(damaged)?.into());
            }
            "contract" if *name == CONTRACT_ENTRY => {
                insert(&mut root, name, Tensor::from_u8(&[content.len()], content).into());
            }
            _ => {}
        }
    }
    note_contract(path, &mut root)?;
    Ok(root)
}

/// The numbers that a `meta` describes.
fn tar_tensor(meta: &str, bytes: &[u8]) -> Result<Tensor, String> {
    let value = |key: &str| {
        let mut lines = meta.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(found, _)| *found == key).map(|(_, value)| value)
    };
    if let Some(dtype) = value("dtype").filter(|dtype| *dtype != "float32") {
        return Err(format!("is of type {dtype}, which no policy has"));
    }
    let rank = value("num_dims").and_then(|rank| rank.parse::<usize>().ok()).filter(|rank| *rank <= 9);
    let rank = rank.ok_or("has no number of dimensions")?;
    let sizes = (0..rank).map(|index| value(&format!("dim_{index}"))?.parse().ok());
    let shape = sizes.collect::<Option<Vec<usize>>>().ok_or("lacks a size")?;
    let elements = shape.iter().try_fold(1_usize, |count, size| count.checked_mul(*size));
    if elements.and_then(|count| count.checked_mul(4)) != Some(bytes.len()) {
        return Err(format!("has shape {shape:?} and {} bytes", bytes.len()));
    }
    Tensor::view(DType::F32, shape.clone(), row_major(&shape), 0, bytes.into())
}

/// Puts a value where its keys, joined by `/`, say; groups on the way there are made.
fn insert(root: &mut Value, keys: &str, value: Value) {
    let Value::Dict(entries) = root else { return };
    let (key, rest) = keys.split_once('/').map_or((keys, None), |(key, rest)| (key, Some(rest)));
    let Some(rest) = rest else {
        entries.push((key.into(), value));
        return;
    };
    let place = entries.iter().position(|(found, _)| found.as_str() == Some(key)).unwrap_or_else(|| {
        entries.push((key.into(), Value::Dict(Vec::new())));
        entries.len() - 1
    });
    insert(&mut entries[place].1, rest, value);
}

/// Takes over the contract of a file of RLtools, whose text Eyas wrote as bytes.
fn note_contract(path: &Path, root: &mut Value) -> Result<(), FormatError> {
    let Value::Dict(entries) = root else { return Ok(()) };
    let Some(own) = entries.iter_mut().find(|(key, _)| key.as_str() == Some(EYAS_KEY)) else { return Ok(()) };
    let Some(text) = own.1.get("contract").and_then(Value::as_tensor) else { return Ok(()) };
    let json = String::from_utf8(text.to_bytes())
        .map_err(|_| FormatError::damaged(path, "its contract is not UTF-8"))?;
    own.1 = contract::note(&json, path)?;
    Ok(())
}

fn read_safetensors(path: &Path, bytes: &[u8]) -> Result<Value, FormatError> {
    let (tensors, metadata) = safetensors::read(path, bytes)?;
    let mut entries: Vec<(String, Value)> =
        tensors.into_iter().map(|(name, tensor)| (name, tensor.into())).collect();
    if let Some((_, json)) = metadata.iter().find(|(key, _)| key == onnx::METADATA_KEY) {
        entries.push((EYAS_KEY.to_owned(), contract::note(json, path)?));
    }
    Ok(Value::ordered_dict(entries))
}

fn read_npz(path: &Path) -> Result<Value, FormatError> {
    let mut entries = Vec::new();
    for (name, array) in npy::read_npz(path)? {
        if let (onnx::METADATA_KEY, npy::Data::U8(text)) = (name.as_str(), array.data()) {
            let json =
                str::from_utf8(text).map_err(|_| FormatError::damaged(path, "its contract is not UTF-8"))?;
            entries.push((EYAS_KEY.to_owned(), contract::note(json, path)?));
            continue;
        }
        let tensor = match array.data() {
            npy::Data::I64(values) => Tensor::from_i64(array.shape(), values),
            npy::Data::U8(values) => Tensor::from_u8(array.shape(), values),
            _ => Tensor::from_f32(array.shape(), &array.to_f32()),
        };
        entries.push((name, tensor.into()));
    }
    Ok(Value::ordered_dict(entries))
}

/// Takes over the contract beside a file that holds none.
fn attach_contract(path: &Path, root: &mut Value) -> Result<(), FormatError> {
    let (Value::Dict(entries) | Value::OrderedDict(entries)) = root else { return Ok(()) };
    let own = entries.iter_mut().find(|(key, _)| key.as_str() == Some(EYAS_KEY)).map(|(_, note)| note);
    if own.as_ref().is_some_and(|note| note.get("contract").is_some()) {
        return Ok(());
    }
    let beside = contract_beside(path);
    let json = match crate::input::read_text(&beside) {
        Ok(json) => json,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(FormatError::reading(&beside, error)),
    };
    match own {
        // What the file says of itself stands.
        Some(Value::Dict(note) | Value::OrderedDict(note)) => {
            let stated = contract::note(&json, &beside)?;
            for (key, value) in stated.entries().unwrap_or_default() {
                if note.iter().all(|(known, _)| known != key) {
                    note.push((key.clone(), value.clone()));
                }
            }
        }
        Some(_) => {}
        None => entries.push((EYAS_KEY.into(), contract::note(&json, &beside)?)),
    }
    Ok(())
}

/// Refuses what a later Eyas wrote with a meaning that this one does not know.
fn check_version(path: &Path, root: &Value) -> Result<(), FormatError> {
    let Some(note) = root.get(EYAS_KEY) else { return Ok(()) };
    let found = note.get("format_version").and_then(Value::as_i64).unwrap_or(FORMAT_VERSION);
    if found <= FORMAT_VERSION {
        return Ok(());
    }
    let writer = note.get("writer").and_then(Value::as_str).unwrap_or("the version that wrote it").to_owned();
    Err(FormatError::NewerFormat { path: path.to_owned(), found, known: FORMAT_VERSION, writer })
}
