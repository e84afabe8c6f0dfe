//! `eyas analyze`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{Configuration, PolicyFile, TeacherOptions};

#[derive(Debug, Args)]
#[command(rename_all = "snake_case")]
pub(crate) struct Analyze {
    #[command(subcommand)]
    pub(crate) command: AnalyzeCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AnalyzeCommand {
    /// Fly every teacher of a folder on every vehicle of a fleet: `matrix.csv`, `matrix.png`
    Matrix(Matrix),
    /// Read the vehicle's numbers off a recurrent student's memory: `probe.csv`, `probe.png`
    Probe(Probe),
    /// Fly a policy that sees its velocity late, with weaker and stronger rotors: `delay.csv`, `delay.png`
    Delay(Delay),
}

/// What every analysis takes; all fly `Eyas-Raptor-v0`.
#[derive(Debug, Args)]
#[command(rename_all = "snake_case")]
pub(crate) struct Analysis {
    /// Directory to write the table and the plot to
    #[arg(long, default_value = "analysis", value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// Seed of every random draw; -1 draws one [default: one that no training starts from]
    #[arg(long, allow_negative_numbers = true)]
    pub(crate) seed: Option<i64>,
    /// Longest episode, control steps [default: as the task measures policies]
    #[arg(long, value_name = "N")]
    pub(crate) steps: Option<u32>,
    #[command(flatten)]
    pub(crate) configuration: Configuration,
    /// Hydra-style overrides, such as `env.protocol=raptor`
    #[arg(value_name = "KEY=VALUE")]
    pub(crate) overrides: Vec<String>,
}

#[derive(Debug, Args)]
#[command(rename_all = "snake_case")]
pub(crate) struct Matrix {
    /// Folder of many teachers, as `eyas train --vehicles` makes it
    #[arg(long, value_name = "DIR")]
    pub(crate) teacher_dir: PathBuf,
    /// Which of them, such as 0-99,120 [default: all]
    #[arg(long, value_name = "IDS")]
    pub(crate) teacher_ids: Option<String>,
    /// Which of them not
    #[arg(long, value_name = "IDS")]
    pub(crate) exclude_teacher_ids: Option<String>,
    #[command(flatten)]
    pub(crate) teacher: TeacherOptions,
    /// Fleet to fly, or `registry` for the vehicles that come with the program
    #[arg(long, default_value = "registry", value_name = "PATH|registry")]
    pub(crate) vehicles: PathBuf,
    /// Episodes of each teacher on each vehicle
    #[arg(long, default_value_t = 20, value_name = "N")]
    pub(crate) episodes: usize,
    #[command(flatten)]
    pub(crate) analysis: Analysis,
}

#[derive(Debug, Args)]
#[command(rename_all = "snake_case")]
pub(crate) struct Probe {
    #[command(flatten)]
    pub(crate) policy: PolicyFile,
    /// Fleet to fly: a folder of parameter files, a JSON of many or a CSV
    #[arg(long, value_name = "PATH")]
    pub(crate) vehicles: PathBuf,
    /// Episodes on each vehicle
    #[arg(long, default_value_t = 10, value_name = "N")]
    pub(crate) episodes: usize,
    /// Ridge of the regression, as a share of the mean square of the memory's numbers
    #[arg(long, default_value_t = 1e-6, value_name = "SHARE", allow_negative_numbers = true)]
    pub(crate) ridge: f64,
    #[command(flatten)]
    pub(crate) analysis: Analysis,
}

#[derive(Debug, Args)]
#[command(rename_all = "snake_case")]
pub(crate) struct Delay {
    #[command(flatten)]
    pub(crate) policy: PolicyFile,
    /// Ratios of full thrust to weight: a list, or LOW..HIGH:STEP
    #[arg(long, default_value = "1.25..5.75:0.25", value_name = "LIST", value_parser = ratios)]
    pub(crate) t2w: Ratios,
    /// Delays of the linear velocity, control steps, such as 0-4,8
    #[arg(long, default_value = "0-19", value_name = "LIST")]
    pub(crate) delays: String,
    /// Episodes of each pair of the two
    #[arg(long, default_value_t = 20, value_name = "N")]
    pub(crate) episodes: usize,
    #[command(flatten)]
    pub(crate) analysis: Analysis,
}

/// Ratios of full thrust to weight, ascending, each above 1.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Ratios(pub(crate) Vec<f64>);

fn ratios(text: &str) -> Result<Ratios, String> {
    const EXPECTED: &str =
        "expected ascending numbers above 1, such as 1.5,2,3 or 1.25..5.75:0.25, at most 1000";
    let number = |text: &str| text.trim().parse::<f64>().map_err(|_| EXPECTED.to_owned());
    let ratios: Vec<f64> = if let Some((low, rest)) = text.split_once("..") {
        let (high, step) = rest.split_once(':').ok_or(EXPECTED)?;
        let (low, high, step) = (number(low)?, number(high)?, number(step)?);
        // A hair more, so that the last one is among them.
        let count = ((high - low) / step + 1e-9).floor();
        if !(0.0..1000.0).contains(&count) {
            return Err(EXPECTED.into());
        }
        (0..=count as u32).map(|index| low + step * f64::from(index)).collect()
    } else {
        text.split(',').map(number).collect::<Result<_, _>>()?
    };
    let are_ascending = ratios.windows(2).all(|pair| pair[0] < pair[1]);
    let are_above_1 = ratios.iter().all(|it| *it > 1.0 && it.is_finite());
    if ratios.len() <= 1000 && are_ascending && are_above_1 {
        Ok(Ratios(ratios))
    } else {
        Err(EXPECTED.into())
    }
}
