//! `eyas train`.

use std::path::PathBuf;

use clap::Args;

use super::{FlightFlags, Multirun, Resume, TerminalFlags, Web};

#[derive(Debug, Args)]
#[command(rename_all = "snake_case")]
pub(crate) struct Train {
    #[command(flatten)]
    pub(crate) flight: FlightFlags,
    #[command(flatten)]
    pub(crate) web: Web,
    #[command(flatten)]
    pub(crate) terminal: TerminalFlags,
    /// Iterations in all
    #[arg(long, value_name = "N")]
    pub(crate) max_iterations: Option<u32>,
    /// Standard deviation of the actions at the start
    #[arg(long, value_name = "STD")]
    pub(crate) init_noise_std: Option<f64>,
    /// How to learn: apg (the simulator's own gradient) or ppo (reinforcement learning as in rsl_rl)
    /// [default: what the task is trained with, apg where it has a gradient]
    #[arg(long, value_name = "NAME")]
    pub(crate) algorithm: Option<String>,
    /// Settings to start from: eyas (tuned for this task), foundation or isaaclab (the runner config of the original)
    /// [default: eyas]
    #[arg(long, value_name = "NAME")]
    pub(crate) preset: Option<String>,
    /// What becomes of an env with a number that is not finite: stop (the run ends with its black box) or reset (it begins anew
    /// and is counted) [default: stop]
    #[arg(long, value_name = "stop|reset")]
    pub(crate) on_nan: Option<String>,
    #[command(flatten)]
    pub(crate) fleet: Fleet,
    #[command(flatten)]
    pub(crate) resume: Resume,
    #[command(flatten)]
    pub(crate) multirun: Multirun,
    /// Regular expression for the checkpoint to go on from, or a path [default: model_.*.pt]
    #[arg(long, value_name = "REGEX|FILE")]
    pub(crate) checkpoint: Option<String>,
}

/// Many teachers in one job, each for a vehicle of its own.
#[derive(Debug, Args)]
#[command(rename_all = "snake_case")]
pub(crate) struct Fleet {
    /// Train a teacher for each vehicle of a fleet: a folder of parameter files, a JSON of many or a CSV
    #[arg(long, value_name = "PATH", conflicts_with = "vehicle")]
    pub(crate) vehicles: Option<PathBuf>,
    /// How many: the first of the fleet [default: all]
    #[arg(long, value_name = "N", requires = "vehicles")]
    pub(crate) num_teachers: Option<usize>,
    /// The part of the fleet that this machine trains, such as 2/3: every third teacher from the second
    #[arg(long, value_name = "I/N", requires = "vehicles")]
    pub(crate) shard: Option<String>,
}
