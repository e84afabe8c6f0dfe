//! Student checkpoints in the layout of Foundation's `distillation.py`, written and read back.

use std::path::Path;

use eyas_policy::{Architecture, Cell, Policy};

use super::adam::{self, AdamState, Parameter};
use super::layout::{Layout, gru_student_stems};
use super::network::Stems;
use super::note;
use crate::{Checkpoint, EYAS_KEY, FormatError, LoadOptions, Side, Value, torch};

/// A distillation run after an epoch, as it is written.
#[derive(Clone, Copy, Debug)]
pub struct StudentCheckpoint<'a> {
    /// The epoch just done.
    pub epoch: u64,
    /// The student.
    pub policy: &'a Policy,
    /// Over the network's parameters.
    pub optimizer: &'a AdamState,
    /// The best evaluation so far; `-inf` before the first.
    pub best_return: f64,
    /// Whatever the program needs besides; other programs ignore it.
    pub extra: Option<&'a Value>,
}

/// A distillation run as it was read.
#[derive(Clone, Debug, PartialEq)]
pub struct StudentRun {
    /// The epoch done last.
    pub epoch: u64,
    /// The student.
    pub policy: Policy,
    /// Over the network's parameters; `None` if not stored.
    pub optimizer: Option<AdamState>,
    /// The best evaluation so far; `-inf` before the first.
    pub best_return: f64,
    /// What [`StudentCheckpoint::extra`] held.
    pub extra: Option<Value>,
}

/// Writes a checkpoint with the keys of `distillation.py`, so that its `StudentPolicy` loads it.
///
/// `best_return` is a plain float, which `torch.load` accepts with its default `weights_only=True`.
///
/// # Errors
///
/// [`FormatError::Inexpressible`] if the student is neither an MLP nor
/// `Linear → activation → GRU → Linear` of one width, or carries a normaliser.
pub fn write(path: &Path, checkpoint: &StudentCheckpoint<'_>) -> Result<(), FormatError> {
    write_with_contract(path, checkpoint, None)
}

/// As [`write()`], with a contract.
pub(crate) fn write_with_contract(
    path: &Path,
    checkpoint: &StudentCheckpoint<'_>,
    contract: Option<&str>,
) -> Result<(), FormatError> {
    let StudentCheckpoint { policy, optimizer, .. } = *checkpoint;
    let architecture = &policy.network.architecture;
    let stems = student_stems(policy)
        .and_then(|stems| check_optimizer(architecture, optimizer).map(|()| stems))
        .map_err(|what| FormatError::Inexpressible { path: path.to_owned(), layout: LAYOUT, what })?;
    let root = Value::dict([
        ("epoch", Value::Int(checkpoint.epoch.cast_signed())),
        ("model_state_dict", Value::ordered_dict(stems.entries(&policy.network))),
        ("optimizer_state_dict", adam::to_value(optimizer, &parameters(architecture))),
        ("best_return", checkpoint.best_return.into()),
        (EYAS_KEY, note(architecture.activation, policy.output, checkpoint.extra, contract)),
    ]);
    torch::write(path, &root)
}

const LAYOUT: &str = "the layout of distillation.py";

/// The stems of the layout that fits, or what fits none.
fn student_stems(policy: &Policy) -> Result<Stems, String> {
    let architecture = &policy.network.architecture;
    if policy.normalizer.is_some() {
        return Err("a normaliser; fold it into the first layer".to_owned());
    }
    let Some(core) = architecture.core else {
        return if architecture.encoder.is_empty() {
            Ok(Stems::sequential(architecture, "network.", ""))
        } else {
            Err("an encoder without a recurrent core".to_owned())
        };
    };
    let documented = core.cell == Cell::Gru
        && core.layers == 1
        && architecture.encoder == [core.width]
        && architecture.hidden.is_empty();
    if documented {
        Ok(gru_student_stems())
    } else {
        Err("a recurrent student other than Linear, GRU, Linear of one width".to_owned())
    }
}

fn check_optimizer(architecture: &Architecture, optimizer: &AdamState) -> Result<(), String> {
    let parameters = architecture.num_parameters();
    if [optimizer.exp_avg.len(), optimizer.exp_avg_sq.len()] == [parameters; 2] {
        Ok(())
    } else {
        Err(format!("moments of {} parameters for {parameters}", optimizer.exp_avg.len()))
    }
}

/// Both layouts list their parameters in the order of the flat vector.
fn parameters(architecture: &Architecture) -> Vec<Parameter> {
    architecture.tensors().into_iter().map(|tensor| (tensor.shape, tensor.range)).collect()
}

/// Reads a student that [`write()`] or `distillation.py` wrote.
///
/// # Errors
///
/// As [`Checkpoint::read`] and [`Checkpoint::policy`]; [`FormatError::UnsupportedLayout`] for the
/// checkpoint of another program.
pub fn read(path: &Path) -> Result<StudentRun, FormatError> {
    let checkpoint = Checkpoint::read(path)?;
    if !matches!(checkpoint.kind(), Layout::Student | Layout::GruStudent) {
        let problem =
            format!("a student of distillation.py is needed, this is: {}", checkpoint.description());
        return Err(FormatError::unsupported(path, problem));
    }
    let loaded = checkpoint.policy(&LoadOptions { side: Side::Student, ..LoadOptions::default() })?;
    let architecture = &loaded.policy.network.architecture;
    let optimizer = checkpoint
        .root()
        .get("optimizer_state_dict")
        .map(|state| adam::from_value(state, &parameters(architecture), architecture.num_parameters(), path));
    Ok(StudentRun {
        epoch: checkpoint.epoch().unwrap_or(0),
        optimizer: optimizer.transpose()?,
        best_return: checkpoint.best_return().unwrap_or(f64::NEG_INFINITY),
        extra: checkpoint.extra().cloned(),
        policy: loaded.policy,
    })
}
