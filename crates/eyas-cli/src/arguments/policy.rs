//! Files of policies, and how to read them.

use std::path::PathBuf;

use clap::Args;
use eyas_formats::{LoadOptions, NormalizerChoice, OutputChoice, Side};
use eyas_policy::Activation;

/// How to read a teacher that does not say it itself.
#[derive(Debug, Args)]
#[command(rename_all = "snake_case")]
#[expect(clippy::struct_field_names, reason = "the names are the flags")]
pub(crate) struct TeacherOptions {
    /// Activation of the teacher's hidden layers [default: as params/agent.yaml says, else elu]
    #[arg(long, value_name = "NAME")]
    pub(crate) teacher_activation: Option<Activation>,
    /// Map after the teacher's last layer: auto, identity, tanh, beta, mean
    #[arg(long, default_value = "auto", value_name = "MAP")]
    pub(crate) teacher_output: OutputChoice,
    /// Observation normaliser of the teacher: auto, off, or a file
    #[arg(long, default_value = "auto", value_name = "auto|off|FILE")]
    pub(crate) teacher_normalizer: NormalizerChoice,
}

impl TeacherOptions {
    pub(crate) fn load_options(&self, side: Side) -> LoadOptions {
        LoadOptions {
            side,
            activation: self.teacher_activation,
            output: self.teacher_output,
            normalizer: self.teacher_normalizer.clone(),
            runner_config: None,
        }
    }
}

/// A policy to fly.
#[derive(Debug, Args)]
#[command(rename_all = "snake_case")]
pub(crate) struct PolicyFile {
    /// Checkpoint of the policy; `eyas play` also flies `se3`, a geometric controller that knows the vehicle
    #[arg(long, value_name = "FILE")]
    pub(crate) checkpoint: PathBuf,
    #[command(flatten)]
    pub(crate) reading: Reading,
}

/// How to read a policy's file.
#[derive(Debug, Args)]
#[command(rename_all = "snake_case")]
pub(crate) struct Reading {
    /// Which policy of a file that holds two: auto, student, teacher
    #[arg(long, default_value = "auto")]
    side: Side,
    #[command(flatten)]
    teacher: TeacherOptions,
}

impl Reading {
    /// The same for the formats.
    pub(crate) fn load_options(&self) -> LoadOptions {
        self.teacher.load_options(self.side)
    }
}

impl PolicyFile {
    /// How to read it.
    pub(crate) fn load_options(&self) -> LoadOptions {
        self.reading.load_options()
    }
}

#[derive(Debug, Args)]
#[command(rename_all = "snake_case")]
pub(crate) struct Act {
    /// Checkpoint of the policy
    pub(crate) checkpoint: PathBuf,
    /// Observations, `.npy`: [B, O], or [T, B, O] from a zero state for a recurrent policy
    pub(crate) observations: PathBuf,
    /// Where to write the actions, `.npy`
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: PathBuf,
    /// Which policy of a file that holds two: auto (the student), student, teacher
    #[arg(long, default_value = "auto")]
    pub(crate) side: Side,
    #[command(flatten)]
    pub(crate) teacher: TeacherOptions,
}

#[derive(Debug, Args)]
#[command(rename_all = "snake_case")]
pub(crate) struct Inspect {
    /// The file
    pub(crate) file: PathBuf,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}
