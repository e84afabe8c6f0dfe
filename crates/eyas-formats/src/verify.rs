//! Whether a file does what it says: its test vectors replayed, and compared with the file that it came from.

use std::fmt;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use eyas_policy::{Contract, Policy, TestVectors};

use crate::checkpoint::chain;
use crate::container::{tar, torch};
use crate::onnx::{self, Examination};
use crate::px4::NnControl;
use crate::{Checkpoint, Comparison, Decision, FormatError, LoadOptions, px4};

/// What was found.
#[derive(Clone, Debug)]
pub struct Verification {
    /// The file.
    pub path: PathBuf,
    /// The policy as it was read.
    pub policy: Policy,
    /// What had to be decided to read it.
    pub decisions: Vec<Decision>,
    /// The contract in the file, and the largest difference over its test vectors.
    pub contract: Option<(Contract, f32)>,
    /// Largest difference to the example in a file of RLtools.
    pub example_difference: Option<f32>,
    /// The file it was compared with, and how.
    pub against: Option<(PathBuf, Comparison)>,
    /// What an ONNX file was found to have.
    pub onnx: Option<Examination>,
    /// What PX4's loader would say of an archive.
    pub px4: Option<px4::Examination>,
    /// Of a TFLite file, the parameters of the `mc_nn_control` that it is for: at first those that the module comes with.
    pub nn_control: Option<NnControl>,
}

/// Reads a file, replays what it brings, and compares it with another one.
///
/// # Errors
///
/// [`FormatError::ContractMismatch`] if the contract in the file is of another policy; else as [`Checkpoint::read`] and
/// [`onnx::examine`].
pub fn verify(
    path: &Path,
    options: &LoadOptions,
    against: Option<&Path>,
) -> Result<Verification, FormatError> {
    let other = against.map(|path| load(path, options)).transpose()?;
    let is_onnx = onnx::is_onnx_file(path)?;
    let examination =
        is_onnx.then(|| onnx::examine(path, other.as_ref().map(|other| &other.policy))).transpose()?;
    let own = match &examination {
        // A file with faults is examined and not loaded: nothing may fly it.
        Some(found) => Loaded {
            policy: found.policy.clone(),
            contract: found.contract.clone(),
            decisions: Vec::new(),
            example_difference: None,
            is_tflite: false,
        },
        None => load(path, options)?,
    };
    let faulty = examination.as_ref().is_some_and(|found| !found.is_sound());
    let contract = match own.contract {
        Some(contract) if faulty => Some((contract, f32::NAN)),
        Some(contract) => {
            let difference = checked(&contract, &own.policy, path)?;
            Some((contract, difference))
        }
        None => None,
    };
    let compared = other.map(|other| {
        let own = (&own.policy, contract.as_ref().map(|(contract, _)| contract));
        Comparison::between((&other.policy, other.contract.as_ref()), own)
    });
    Ok(Verification {
        path: path.to_owned(),
        nn_control: own.is_tflite.then(NnControl::default),
        policy: own.policy,
        decisions: own.decisions,
        contract,
        example_difference: own.example_difference,
        against: against.map(Path::to_owned).zip(compared),
        onnx: examination,
        px4: examine_archive(path)?,
    })
}

/// What PX4 would say, of an archive.
fn examine_archive(path: &Path) -> Result<Option<px4::Examination>, FormatError> {
    let reading = |source| FormatError::reading(path, source);
    let mut bytes = Vec::new();
    let mut file = File::open(path).map_err(reading)?;
    file.by_ref().take(512).read_to_end(&mut bytes).map_err(reading)?;
    if !tar::is_tar(&bytes) {
        return Ok(None);
    }
    // The whole file was read before, and was not too large.
    file.take(torch::MAX_FILE_BYTES).read_to_end(&mut bytes).map_err(reading)?;
    px4::examine(path, &bytes).map(Some)
}

struct Loaded {
    policy: Policy,
    contract: Option<Contract>,
    decisions: Vec<Decision>,
    example_difference: Option<f32>,
    is_tflite: bool,
}

fn load(path: &Path, options: &LoadOptions) -> Result<Loaded, FormatError> {
    let checkpoint = Checkpoint::read(path)?;
    let loaded = checkpoint.policy(options)?;
    Ok(Loaded {
        policy: loaded.policy,
        contract: checkpoint.contract()?,
        is_tflite: checkpoint.container() == torch::Container::TfLite,
        decisions: loaded.decisions,
        example_difference: loaded.example_difference,
    })
}

/// The largest difference over the test vectors of a contract that is the policy's.
pub(crate) fn checked(contract: &Contract, policy: &Policy, path: &Path) -> Result<f32, FormatError> {
    contract
        .check(policy)
        .map_err(|source| FormatError::ContractMismatch { path: path.to_owned(), source })?;
    Ok(contract.test.replay(policy))
}

impl Verification {
    /// Whether nothing is wrong with the file.
    #[must_use]
    pub fn holds(&self) -> bool {
        let replayed = self.contract.as_ref().is_none_or(|(contract, difference)| {
            difference.is_nan() || *difference <= contract.test.tolerance
        });
        let same = self.against.as_ref().is_none_or(|(_, comparison)| comparison.flies_the_same());
        let sound = self.onnx.as_ref().is_none_or(Examination::is_sound);
        let loads = self.px4.as_ref().is_none_or(px4::Examination::is_sound);
        replayed && same && sound && loads
    }
}

impl fmt::Display for Verification {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "{}: {}", self.path.display(), chain(&self.policy.network.architecture))?;
        match &self.contract {
            None => writeln!(formatter, "  contract: none, so nothing to replay")?,
            Some((contract, difference)) => {
                let task = contract.task.as_deref().unwrap_or("no stated task");
                write!(formatter, "  contract: {task}, written by {}", contract.writer)?;
                let steps = contract.test.observations.len();
                if difference.is_nan() {
                    writeln!(formatter, "; not replayed, the file has faults")?;
                } else {
                    let tolerance = contract.test.tolerance;
                    let verdict = if *difference <= tolerance { "holds" } else { "does not hold" };
                    writeln!(
                        formatter,
                        "; {steps} steps replayed, largest difference {difference:.1e} of {tolerance:.0e} allowed: {verdict}"
                    )?;
                }
            }
        }
        if let Some(difference) = self.example_difference {
            writeln!(formatter, "  example in the file: largest difference {difference:.1e}")?;
        }
        if let Some(examination) = &self.px4 {
            write!(formatter, "{examination}")?;
        }
        if let Some(parameters) = &self.nn_control {
            let own = TestVectors::of(&self.policy).actions;
            let flown = self.contract.as_ref().map_or(&own, |(contract, _)| &contract.test.actions);
            writeln!(formatter, "  mc_nn_control: {}", parameters.report(flown))?;
        }
        if let Some(examination) = &self.onnx {
            write_examination(formatter, examination)?;
        }
        if let Some((path, comparison)) = self.against.as_ref().filter(|_| self.onnx.is_none()) {
            writeln!(formatter, "  against {}:", path.display())?;
            for line in comparison.to_string().lines() {
                writeln!(formatter, "    {line}")?;
            }
        }
        write!(formatter, "{}", if self.holds() { "sound" } else { "not sound" })
    }
}

fn write_examination(formatter: &mut fmt::Formatter<'_>, examination: &Examination) -> fmt::Result {
    for fault in &examination.faults {
        writeln!(formatter, "  fault: {fault}")?;
    }
    match examination.error {
        None => writeln!(formatter, "  actions: nothing tells the right ones; give --against MODEL")?,
        Some(error) => writeln!(formatter, "  actions: {error}")?,
    }
    if !examination.dynamic_batch {
        writeln!(formatter, "  note: it flies a fixed number of vehicles at once")?;
    }
    Ok(())
}
