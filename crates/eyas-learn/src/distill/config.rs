//! Configuration of a distillation; names and defaults of the user's document.

use eyas_env::EnvSpec;
use eyas_lanes::Stream;
use eyas_policy::{Activation, Architecture, Init, Network, Output, Policy};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::teachers::{Teacher, TeachersConfig};

use crate::bounds;
use crate::finite::OnNan;

/// A distillation.
///
/// The defaults are those of Foundation's `distillation.py` at c96c262 where it has the option; `null` means
/// that the kind of student decides (see [`resolved`](Self::resolved)).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "independent options by the names of the user's document")]
pub struct DistillConfig {
    /// Epochs in all. At least 1.
    pub n_epochs: u32,
    /// Whole episodes flown in an epoch, with each of the teachers if there are many. At least 1.
    pub num_episodes: u32,
    /// Samples (MLP) or sequences (GRU) in a batch; `null`: 256 samples, 64 sequences.
    pub batch_size: Option<usize>,
    /// Longest sequence of a recurrent student, from the start of its episode, in control steps; `null`:
    /// 250, which covers the flight to the target and more. An MLP has no use for it and takes only 1.
    pub sequence_length: Option<usize>,
    /// Learning rate of Adam at the start; `null`: 1e-4 (MLP), 4e-3 (GRU). Positive.
    pub learning_rate: Option<f64>,
    /// Share of the learning rate that is left at the end of the run, approached on a cosine. In `(0, 1]`.
    pub final_learning_rate_share: f64,
    /// Epochs that the teacher flies.
    pub epoch_teacher_forcing: u32,
    /// Whether batches are drawn in random order.
    pub shuffle: bool,
    /// Whether each epoch trains on its own data only.
    pub on_policy: bool,
    /// Whether the teacher gives its mean action or a sample of its distribution.
    pub teacher_deterministic: bool,
    /// Whether labels are limited to the range of actions, `[-1, 1]`, as the task limits what it is given: a
    /// student then spends no capacity on how far beyond it the teacher asks.
    pub clamp_labels: bool,
    /// Longest episode, control steps; 9600 is the task's own 96 s. At least 1.
    pub episode_steps: u32,
    /// Samples trained on in an epoch, whole batches, at least one; `null`: 40,000 (MLP), 1,200,000 (GRU).
    pub samples_per_epoch: Option<usize>,
    /// Most passes of a recurrent student over the episodes in an epoch; null: as many as `samples_per_epoch` allows.
    /// At least 1.
    pub passes_per_epoch: Option<u32>,
    /// What becomes of an env with a number that is not finite while episodes are collected: it ends the run (`stop`), or is
    /// reset and counted (`reset`).
    pub on_nan: OnNan,
    /// Memory of the dataset, bytes. Above it, a uniform sample of all episodes is kept.
    pub max_memory: u64,
    /// Whether the dataset stays beside the last checkpoint of a run that has all its epochs, so that it can be given more.
    pub keep_dataset: bool,
    /// Largest norm of the gradient. Positive.
    pub max_grad_norm: f64,
    /// Epochs between evaluations, the first and the last included. At least 1.
    pub eval_interval: u32,
    /// Episodes of an evaluation, over all vehicles. At least 1.
    pub eval_episodes: usize,
    /// Longest episode of an evaluation, control steps. At least 1.
    pub eval_steps: u32,
    /// Episodes of the comparison of teacher and best student at the end, over all vehicles. At least 1.
    pub final_episodes: usize,
    /// Epochs between checkpoints. At least 1.
    pub save_interval: u32,
    /// Epochs between flights of the named vehicles, which no teacher may have flown; 0: never.
    pub registry_interval: u32,
    /// Episodes of each of them. At least 1.
    pub registry_episodes: usize,
    /// Which teachers there are and how they are used.
    pub teachers: TeachersConfig,
    /// The student.
    pub student: StudentConfig,
}

/// The student.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct StudentConfig {
    /// Feed-forward or recurrent.
    pub kind: StudentKind,
    /// Widths of the hidden layers of an MLP.
    pub hidden_dims: Vec<usize>,
    /// Activation of an MLP.
    pub activation: Activation,
    /// Units of the GRU and of the layer before it.
    pub rnn_hidden_dim: usize,
    /// What it observes.
    pub observation: ObservationChoice,
}

/// Feed-forward or recurrent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum StudentKind {
    /// `Linear → activation` stack, keys `network.{0,2,4,…}`.
    Mlp,
    /// `Linear → ReLU → GRU → Linear`, keys `input_layer`, `gru`, `output_layer`.
    Gru,
}

/// What the student observes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ObservationChoice {
    /// `teacher` for an MLP, as in the user's document; `policy` for a GRU, and where a task has no other group.
    Auto,
    /// What a vehicle without rotor-speed telemetry measures.
    Policy,
    /// All that the teacher sees.
    Teacher,
}

impl Default for DistillConfig {
    fn default() -> Self {
        Self {
            n_epochs: 100,
            num_episodes: 100,
            batch_size: None,
            sequence_length: None,
            learning_rate: None,
            final_learning_rate_share: 0.05,
            epoch_teacher_forcing: 50,
            shuffle: true,
            on_policy: false,
            teacher_deterministic: true,
            clamp_labels: true,
            episode_steps: 1000,
            samples_per_epoch: None,
            passes_per_epoch: None,
            on_nan: OnNan::Stop,
            max_memory: 128 << 20,
            keep_dataset: false,
            max_grad_norm: 1.0,
            eval_interval: 5,
            eval_episodes: 128,
            eval_steps: 1000,
            final_episodes: 1000,
            save_interval: 10,
            registry_interval: 0,
            registry_episodes: 100,
            teachers: TeachersConfig::default(),
            student: StudentConfig::default(),
        }
    }
}

impl Default for StudentConfig {
    fn default() -> Self {
        Self {
            kind: StudentKind::Mlp,
            hidden_dims: vec![256, 256, 256],
            activation: Activation::Elu,
            rnn_hidden_dim: 16,
            observation: ObservationChoice::Auto,
        }
    }
}

impl StudentConfig {
    /// The observation group that the student reads in a task of some; one that was asked for by name may not be there.
    #[must_use]
    pub fn group(&self, spec: &EnvSpec) -> &'static str {
        match (self.observation, self.kind) {
            (ObservationChoice::Teacher, _) => "teacher",
            (ObservationChoice::Auto, StudentKind::Mlp) if spec.group("teacher").is_some() => "teacher",
            (ObservationChoice::Policy | ObservationChoice::Auto, _) => "policy",
        }
    }

    /// A fresh student between those widths.
    #[must_use]
    pub fn policy(&self, inputs: usize, outputs: usize, stream: Stream) -> Policy {
        let architecture = match self.kind {
            StudentKind::Mlp => Architecture::mlp(inputs, &self.hidden_dims, outputs, self.activation),
            StudentKind::Gru => Architecture::gru_student(inputs, self.rnn_hidden_dim, outputs),
        };
        let network = Network::new(architecture, Init::Orthogonal, stream);
        Policy { normalizer: None, network, output: Output::Identity }
    }
}

/// Choices that the kind of student decides, decided.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Resolved {
    /// Samples or sequences in a batch.
    pub batch_size: usize,
    /// Longest sequence.
    pub sequence_length: usize,
    /// Learning rate at the start.
    pub learning_rate: f64,
    /// Samples trained on in an epoch.
    pub samples_per_epoch: usize,
}

impl DistillConfig {
    /// Fills in what the kind of student decides.
    #[must_use]
    pub fn resolved(&self) -> Resolved {
        let (batch_size, sequence_length, learning_rate, samples) = match self.student.kind {
            StudentKind::Mlp => (256, 1, 1e-4, 40_000),
            StudentKind::Gru => (64, 250, 4e-3, 1_200_000),
        };
        Resolved {
            batch_size: self.batch_size.unwrap_or(batch_size),
            sequence_length: self.sequence_length.unwrap_or(sequence_length),
            learning_rate: self.learning_rate.unwrap_or(learning_rate),
            samples_per_epoch: self.samples_per_epoch.unwrap_or(samples),
        }
    }

    /// Learning rate of an epoch: half a cosine from the first to the last.
    #[must_use]
    pub fn learning_rate_of(&self, epoch: u32) -> f32 {
        let done = f64::from(epoch) / f64::from(self.n_epochs.max(2) - 1);
        let share = self.final_learning_rate_share;
        let factor = share + (1.0 - share) * 0.5 * (1.0 + libm::cos(std::f64::consts::PI * done.min(1.0)));
        (self.resolved().learning_rate * factor) as f32
    }

    /// Numbers of the flights of the teachers that follow the first flight of an epoch.
    pub(super) fn more_teacher_flights(&self, beta: f64) -> std::ops::Range<u32> {
        let mix = self.teachers.teacher_student_mix;
        1..if beta < 1.0 { 1 + mix } else { mix.max(1) }
    }

    /// βᵢ: 1 where the teachers fly, 0 where the student does.
    #[must_use]
    pub fn beta(&self, epoch: u32) -> f64 {
        if epoch < self.epoch_teacher_forcing { 1.0 } else { 0.0 }
    }

    /// Which teachers' labels an epoch keeps: all where they fly themselves.
    pub(super) fn labelling(&self, beta: f64, returns: &[f64], teachers: &[Teacher]) -> Vec<bool> {
        if beta < 1.0 { self.teachers.active(returns, teachers) } else { vec![true; teachers.len()] }
    }

    /// Most flights of an epoch.
    pub(super) fn flights_per_epoch(&self) -> u32 {
        1 + self.teachers.teacher_student_mix
    }

    /// Whether an epoch ends with flights of the named vehicles.
    #[must_use]
    pub fn flies_registry(&self, epoch: u32) -> bool {
        self.registry_interval > 0 && (epoch + 1).is_multiple_of(self.registry_interval)
    }

    /// Whether an epoch ends with an evaluation.
    #[must_use]
    pub fn evaluates(&self, epoch: u32) -> bool {
        epoch.is_multiple_of(self.eval_interval) || epoch + 1 == self.n_epochs
    }

    /// Checks ranges; the message names key, value and range.
    pub fn validate(&self) -> Result<(), String> {
        let resolved = self.resolved();
        let at_least_one = [
            ("n_epochs", u64::from(self.n_epochs)),
            ("num_episodes", u64::from(self.num_episodes)),
            ("batch_size", resolved.batch_size as u64),
            ("sequence_length", resolved.sequence_length as u64),
            ("episode_steps", u64::from(self.episode_steps)),
            ("samples_per_epoch", resolved.samples_per_epoch as u64),
            ("passes_per_epoch", u64::from(self.passes_per_epoch.unwrap_or(1))),
            ("max_memory", self.max_memory),
            ("eval_interval", u64::from(self.eval_interval)),
            ("eval_episodes", self.eval_episodes as u64),
            ("eval_steps", u64::from(self.eval_steps)),
            ("final_episodes", self.final_episodes as u64),
            ("save_interval", u64::from(self.save_interval)),
            ("registry_episodes", self.registry_episodes as u64),
            ("student.rnn_hidden_dim", self.student.rnn_hidden_dim as u64),
        ];
        for (name, value) in at_least_one {
            if value < 1 {
                return Err(format!("`distill.{name}` = {value}, expected at least 1"));
            }
        }
        let (most_episodes, most_steps) = (1 << 22, 10_000_000);
        bounds::at_most(
            "distill",
            &[
                ("num_episodes", u64::from(self.num_episodes), most_episodes),
                ("eval_episodes", self.eval_episodes as u64, most_episodes),
                ("final_episodes", self.final_episodes as u64, most_episodes),
                ("registry_episodes", self.registry_episodes as u64, most_episodes),
                ("episode_steps", u64::from(self.episode_steps), most_steps),
                ("eval_steps", u64::from(self.eval_steps), most_steps),
                ("batch_size", resolved.batch_size as u64, 1 << 24),
                ("sequence_length", resolved.sequence_length as u64, 1 << 16),
                ("samples_per_epoch", resolved.samples_per_epoch as u64, 1 << 32),
            ],
        )?;
        for (name, value) in
            [("learning_rate", resolved.learning_rate), ("max_grad_norm", self.max_grad_norm)]
        {
            if !(value > 0.0 && value.is_finite()) {
                return Err(format!("`distill.{name}` = {value}, expected a positive number"));
            }
        }
        if !(self.final_learning_rate_share > 0.0 && self.final_learning_rate_share <= 1.0) {
            let value = self.final_learning_rate_share;
            return Err(format!("`distill.final_learning_rate_share` = {value}, expected a share in (0, 1]"));
        }
        self.teachers.validate()?;
        bounds::widths("distill.student.hidden_dims", &self.student.hidden_dims)?;
        bounds::widths("distill.student.rnn_hidden_dim", &[self.student.rnn_hidden_dim; 2])?;
        if self.student.kind == StudentKind::Mlp && resolved.sequence_length != 1 {
            return Err(format!(
                "`distill.sequence_length` = {}, but an MLP learns from single samples: use 1, or `--student gru`",
                resolved.sequence_length
            ));
        }
        if self.student.kind == StudentKind::Mlp && !self.student.activation.is_trainable() {
            return Err(format!(
                "`distill.student.activation` = \"{}\" cannot be trained here",
                self.student.activation
            ));
        }
        Ok(())
    }
}
