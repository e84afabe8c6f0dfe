//! Why a file could not be read or written, and what to do about it.

use std::io;
use std::path::{Path, PathBuf};

/// Why a policy file could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "each message names its fields")]
pub enum FormatError {
    #[error("there is no file `{}`", path.display())]
    Missing { path: PathBuf },

    #[error("cannot read `{}`", path.display())]
    Read { path: PathBuf, source: io::Error },

    #[error("cannot write `{}`", path.display())]
    Write { path: PathBuf, source: io::Error },

    #[error("`{}` is no checkpoint: it looks like {looks_like}", path.display())]
    NotACheckpoint { path: PathBuf, looks_like: &'static str, advice: Option<&'static str> },

    #[error("`{}` ends after {found} of {expected} bytes{}", path.display(), within(part))]
    Truncated { path: PathBuf, part: String, found: u64, expected: u64 },

    #[error("`{}` begins as a zip archive but ends after {found} bytes without the archive's directory", path.display())]
    NoDirectory { path: PathBuf, found: u64 },

    #[error("{part} in `{}` takes {found} bytes, more than the {limit} that are read", path.display())]
    TooLarge { path: PathBuf, part: String, found: u64, limit: u64 },

    #[error("`{}` is damaged: {problem}", path.display())]
    Damaged { path: PathBuf, problem: String },

    #[error("`{}` asks for the Python object `{module}.{name}`, which was not executed", path.display())]
    ForbiddenGlobal { path: PathBuf, module: String, name: String },

    #[error("cannot read the HDF5 file `{}`: {problem} (object `{object}`)", path.display())]
    Hdf5 { path: PathBuf, object: String, problem: String },

    #[error("`{layer}` in `{}` {problem}", path.display())]
    UnsupportedLayer { path: PathBuf, layer: String, problem: String, advice: Option<String> },

    #[error(
        "`{}` holds {examples} observations with its actions, and the policy as it was read acts differently: by \
         up to {difference:e}",
        path.display()
    )]
    FailsExample { path: PathBuf, examples: usize, difference: f32 },

    #[error("the pickle in `{}` cannot be read at byte {offset}: {problem}", path.display())]
    Pickle { path: PathBuf, offset: usize, problem: String },

    #[error("`{}` holds no policy of a known layout: {problem}", path.display())]
    UnsupportedLayout { path: PathBuf, problem: String },

    #[error("`{}` has no {side}: it holds {present}", path.display())]
    MissingSide { path: PathBuf, side: &'static str, present: String },

    #[error("`{}` has no `{key}`: it holds {present}", path.display())]
    MissingKey { path: PathBuf, key: String, present: String },

    #[error("`{key}` in `{}` has shape {found:?}, expected {expected}", path.display())]
    ShapeMismatch { path: PathBuf, key: String, found: Vec<usize>, expected: String },

    #[error("`{key}` in `{}` is {found}, expected {expected}", path.display())]
    WrongType { path: PathBuf, key: String, found: &'static str, expected: &'static str },

    #[error("`{key}` in `{}` is not finite: element {index} is {value}", path.display())]
    NonFinite { path: PathBuf, key: String, index: usize, value: f64 },

    #[error(
        "`{}` does not say how its {outputs} outputs become an action: there is no standard deviation, so \
         they may be {} means and deviations, a Beta distribution, or {outputs} actions",
        path.display(), outputs / 2
    )]
    AmbiguousOutput { path: PathBuf, outputs: usize },

    #[error("`{}` holds no normaliser, but {reason}", path.display())]
    MissingNormalizer { path: PathBuf, reason: String },

    #[error(
        "`{}` holds a normaliser as wide as the {role}'s observation, but where no checkpoint of its layout has one: \
         {keys}",
        path.display()
    )]
    StrayNormalizer { path: PathBuf, keys: String, role: &'static str },

    #[error("cannot read the runner config `{}`", path.display())]
    RunnerConfig { path: PathBuf, source: Box<dyn std::error::Error + Send + Sync> },

    #[error("`{}` has format {found} of Eyas, this program reads up to {known}", path.display())]
    NewerFormat { path: PathBuf, found: i64, known: i64, writer: String },

    #[error("the optimiser in `{}` has {setting} {found}, expected {expected}", path.display())]
    ForeignOptimizer { path: PathBuf, setting: &'static str, found: f64, expected: f64 },

    #[error("cannot write `{}`: {layout} cannot express {what}", path.display())]
    Inexpressible { path: PathBuf, layout: &'static str, what: String },

    #[error("cannot read the ONNX graph in `{}`: {problem}", path.display())]
    Onnx { path: PathBuf, problem: String },

    #[error("the ONNX graph in `{}` acts otherwise than the policy in it: {fault}", path.display())]
    OnnxFault { path: PathBuf, fault: String },

    #[error("cannot read the contract in `{}`", path.display())]
    Contract { path: PathBuf, source: Box<dyn std::error::Error + Send + Sync> },

    #[error("the contract in `{}` is not the policy's", path.display())]
    ContractMismatch { path: PathBuf, source: eyas_policy::ContractMismatch },

    #[error("cannot read the array in `{}`: {problem}", path.display())]
    Npy { path: PathBuf, problem: String },
}

/// What to give instead of a file that holds no policy.
const READABLE: &str = "readable are rsl_rl 1.x-5.x (PPO and distillation), the students of distillation.py, bare state dicts \
                        of a torch Sequential, actors of rl_games, skrl, Stable-Baselines3 and sample-factory, \
                        checkpoint.h5 of RLtools, policy.tar of PX4, networks in ONNX, TorchScript, LEAPP, TFLite, safetensors \
                        and .npz, and what Eyas wrote as C or for flash; `eyas inspect FILE` lists what a file holds";

fn within(part: &str) -> String {
    if part.is_empty() { String::new() } else { format!(" in {part}") }
}

impl FormatError {
    /// What to do next, where there is something to say.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::NotACheckpoint { advice, .. } => advice.unwrap_or(READABLE),
            Self::Truncated { .. } | Self::NoDirectory { .. } => {
                "the file was cut short: copy it again, or use the previous checkpoint of the run"
            }
            Self::Damaged { .. } => "copy the file again and compare the sizes",
            Self::ForbiddenGlobal { .. } => {
                "the file holds a Python object, not only weights; save `model.state_dict()` with torch.save instead"
            }
            Self::UnsupportedLayout { .. } => READABLE,
            Self::Hdf5 { .. } => {
                "HDF5 is read as RLtools writes it; `h5repack -l CONTI -f NONE FILE COPY` makes the datasets of a \
                 copy plain"
            }
            Self::UnsupportedLayer { advice, .. } => return advice.clone(),
            Self::FailsExample { .. } => {
                "a GRU built with FAST_TANH leaves no other trace in its file; give --teacher_output identity or \
                 tanh to fly the policy as it was read"
            }
            Self::Pickle { .. } => {
                "copy the file again and compare the sizes; if it is whole, load it in Python and save its state dict \
                 with torch.save"
            }
            Self::MissingKey { .. } | Self::ShapeMismatch { .. } | Self::WrongType { .. } => {
                "`eyas inspect FILE` lists what a file holds, with its shapes"
            }
            Self::Contract { .. } => {
                "export the policy again; a contract that stands beside its file can be moved away"
            }
            Self::Npy { .. } => "write the array again with numpy.save or numpy.savez",
            Self::MissingSide { .. } => "`eyas inspect FILE` lists the policies that a file holds",
            Self::NonFinite { .. } => "the training run had diverged: use an earlier checkpoint",
            Self::AmbiguousOutput { .. } => {
                "keep params/agent.yaml beside the checkpoint, or give --teacher_output mean (state-dependent \
                 deviation), beta or identity"
            }
            Self::MissingNormalizer { .. } => {
                "give --teacher_normalizer PATH (a checkpoint of the run), or --teacher_normalizer off"
            }
            Self::StrayNormalizer { path, .. } => {
                return Some(format!(
                    "give --teacher_normalizer {} if the policy was trained with it, or --teacher_normalizer off",
                    path.display()
                ));
            }
            Self::RunnerConfig { .. } => "correct the file, or move it away and give the activation by flag",
            Self::OnnxFault { path, .. } => {
                let path = path.display();
                return Some(format!(
                    "`eyas verify {path} --repair FILE` says by how much and writes a right one"
                ));
            }
            Self::Onnx { .. } => {
                "readable are graphs of one MLP, GRU or LSTM with a normaliser before it and tanh after it, as rsl_rl, \
                 Isaac Lab and Eyas export them; give the checkpoint that it was exported from"
            }
            Self::ContractMismatch { .. } => {
                "flags that say how to read the policy contradict its file: leave them out, or give the file that the \
                 contract belongs to"
            }
            Self::ForeignOptimizer { .. } => {
                "resume the run with the program that wrote it, or start anew from its policy"
            }
            Self::NewerFormat { writer, .. } => return Some(format!("use {writer} or later")),
            _ => return None,
        };
        Some(hint.to_owned())
    }

    /// Reading `path` failed: a missing file has its own variant.
    pub(crate) fn reading(path: &Path, source: io::Error) -> Self {
        if source.kind() == io::ErrorKind::NotFound {
            Self::Missing { path: path.to_owned() }
        } else {
            Self::Read { path: path.to_owned(), source }
        }
    }

    /// A `Damaged` of `path`.
    pub(crate) fn damaged(path: &Path, problem: impl Into<String>) -> Self {
        Self::Damaged { path: path.to_owned(), problem: problem.into() }
    }

    /// An `UnsupportedLayout` of `path`.
    pub(crate) fn unsupported(path: &Path, problem: impl Into<String>) -> Self {
        Self::UnsupportedLayout { path: path.to_owned(), problem: problem.into() }
    }
}
