//! `eyas distill`.

use std::path::PathBuf;

use clap::Args;

use super::{FlightFlags, Multirun, Resume, TeacherOptions, TerminalFlags, Web, boolean};

#[derive(Debug, Args)]
#[command(rename_all = "snake_case")]
pub(crate) struct Distill {
    #[command(flatten)]
    pub(crate) flight: FlightFlags,
    #[command(flatten)]
    pub(crate) web: Web,
    #[command(flatten)]
    pub(crate) terminal: TerminalFlags,
    /// Checkpoint of the teacher; several times: many teachers, each with its vehicle beside it as `vehicle.json`
    #[arg(long, value_name = "FILE", required_unless_present_any = ["teacher_dir", "ambiguous_teacher"])]
    pub(crate) teacher_checkpoint: Vec<PathBuf>,
    /// Told apart, for it may mean either of the two flags beside it
    #[arg(long = "teacher", hide = true)]
    pub(crate) ambiguous_teacher: Option<String>,
    /// Folder of many teachers and their vehicles, as `eyas train --vehicles` makes it
    #[arg(long, value_name = "DIR", conflicts_with = "teacher_checkpoint")]
    pub(crate) teacher_dir: Option<PathBuf>,
    /// Which of them, such as 0-99,120 [default: all]
    #[arg(long, value_name = "IDS", requires = "teacher_dir")]
    pub(crate) teacher_ids: Option<String>,
    /// Which of them not
    #[arg(long, value_name = "IDS", requires = "teacher_dir")]
    pub(crate) exclude_teacher_ids: Option<String>,
    /// Which teachers to take by their returns: all, best, worst or random [default: all]
    #[arg(long, value_name = "NAME")]
    pub(crate) teacher_selection: Option<String>,
    /// How many teachers to take [default: all]
    #[arg(long, value_name = "N")]
    pub(crate) num_teachers: Option<usize>,
    /// What to do with a teacher that does not fly its own vehicle: stop or skip [default: stop]
    #[arg(long, value_name = "NAME")]
    pub(crate) on_weak_teacher: Option<String>,
    /// How many teachers label an epoch [default: all]
    #[arg(long, value_name = "N")]
    pub(crate) num_active_teachers: Option<usize>,
    /// Which: hardest, easiest or regret, by the student's returns on their vehicles
    #[arg(long, value_name = "NAME")]
    pub(crate) active: Option<String>,
    /// Vehicles that the best student flies besides at the end, and that `result.json` then tells of
    #[arg(long, value_name = "FLEET")]
    pub(crate) test_vehicles: Option<PathBuf>,
    /// Settings of `Eyas-Raptor-v0` to start from: eyas, or raptor for the C++ system's [default: eyas for many teachers]
    #[arg(long, value_name = "NAME")]
    pub(crate) preset: Option<String>,
    #[command(flatten)]
    pub(crate) teacher: TeacherOptions,
    /// Kind of student: mlp or gru [default: mlp]
    #[arg(long, value_name = "KIND")]
    pub(crate) student: Option<String>,
    /// Epochs in all [default: 100]
    #[arg(long, value_name = "N")]
    pub(crate) n_epochs: Option<u32>,
    /// Whole episodes flown in an epoch [default: 100]
    #[arg(long, value_name = "N")]
    pub(crate) num_episodes: Option<u32>,
    /// Samples (mlp) or sequences (gru) in a batch [default: 256, 64]
    #[arg(long, value_name = "N")]
    pub(crate) batch_size: Option<usize>,
    /// Longest sequence that a recurrent student learns from, in steps [default: 1 (mlp), 250 (gru)]
    #[arg(long, value_name = "STEPS")]
    pub(crate) sequence_length: Option<usize>,
    /// Learning rate of Adam at the start [default: 1e-4 (mlp), 4e-3 (gru)]
    #[arg(long, value_name = "RATE")]
    pub(crate) learning_rate: Option<f64>,
    /// Epochs that the teacher flies [default: 50]
    #[arg(long, value_name = "N")]
    pub(crate) epoch_teacher_forcing: Option<u32>,
    /// Draw batches in random order (the default)
    #[arg(long, overrides_with = "no_shuffle", value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = boolean)]
    pub(crate) shuffle: Option<bool>,
    /// Take the data in the order it was flown
    #[arg(long, visible_alias = "no-shuffle")]
    pub(crate) no_shuffle: bool,
    /// Train each epoch on its own data only
    #[arg(long, overrides_with = "no_on_policy", value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = boolean)]
    pub(crate) on_policy: Option<bool>,
    /// Train on the data of all epochs so far (the default)
    #[arg(long, visible_alias = "no-on_policy")]
    pub(crate) no_on_policy: bool,
    /// Label with the teacher's mean action (the default)
    #[arg(long, overrides_with = "no_teacher_deterministic", value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = boolean)]
    pub(crate) teacher_deterministic: Option<bool>,
    /// Label with samples of the teacher's distribution
    #[arg(long, visible_alias = "no-teacher_deterministic")]
    pub(crate) no_teacher_deterministic: bool,
    /// Memory of the dataset, such as 512M or 2G [default: 128M]
    #[arg(long, value_name = "BYTES")]
    pub(crate) max_memory: Option<String>,
    /// Keep the dataset of a run that has all its epochs, so that `--resume --n_epochs` can add more
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = boolean)]
    pub(crate) keep_dataset: Option<bool>,
    /// What becomes of an env with a number that is not finite: stop (the run ends with its black box) or reset (it begins anew
    /// and is counted) [default: stop]
    #[arg(long, value_name = "stop|reset")]
    pub(crate) on_nan: Option<String>,
    #[command(flatten)]
    pub(crate) resume: Resume,
    #[command(flatten)]
    pub(crate) multirun: Multirun,
    /// Regular expression for the checkpoint to go on from [default: `checkpoint_epoch_.*.pt`]
    #[arg(long, value_name = "REGEX")]
    pub(crate) checkpoint: Option<String>,
    /// Standard deviation of a student's actions; students here are deterministic, only 0 is accepted
    #[arg(long, value_name = "STD")]
    pub(crate) init_noise_std: Option<f64>,
}
