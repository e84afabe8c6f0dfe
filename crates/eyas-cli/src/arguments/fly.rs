//! Commands that fly or replay: `play`, `eval`, `replay`, `check-dynamics`.

use std::path::PathBuf;

use clap::Args;

use super::{FlightFlags, NanFlags, PolicyFile, Reading, Web};

#[derive(Debug, Args)]
#[command(rename_all = "snake_case")]
pub(crate) struct Play {
    #[command(flatten)]
    pub(crate) flight: FlightFlags,
    #[command(flatten)]
    pub(crate) policy: PolicyFile,
    #[command(flatten)]
    pub(crate) nan: NanFlags,
    #[command(flatten)]
    pub(crate) web: Web,
    /// The file that the checkpoint was exported from: it flies the same flight, and its figures stand beside
    #[arg(long, value_name = "FILE", conflicts_with = "web")]
    pub(crate) against: Option<PathBuf>,
    /// Vehicles to fly side by side, all from the same start: names of `eyas vehicles list`, parameter files or fleets
    #[arg(
        long,
        value_name = "NAME|PATH,…",
        value_delimiter = ',',
        num_args = 1,
        conflicts_with_all = ["vehicle", "num_envs", "web"]
    )]
    pub(crate) vehicles: Vec<PathBuf>,
    /// What to fly: hover, circle, figure8, lissajous, step, zigzag, `minimum_snap`, what the task itself has, or a file `.csv`
    /// of times and positions [default: figure8 in Isaac-Quadcopter-Point-Ctrl-v0, goal in Isaac-Quadcopter-Direct-v0,
    /// command in tasks of terms, else langevin]
    #[arg(long, value_name = "NAME|FILE")]
    pub(crate) trajectory: Option<String>,
    /// Control steps to fly
    #[arg(long, default_value_t = 3000, value_name = "N", conflicts_with = "web")]
    pub(crate) max_steps: u32,
}

#[derive(Debug, Args)]
#[command(rename_all = "snake_case")]
pub(crate) struct Eval {
    #[command(flatten)]
    pub(crate) flight: FlightFlags,
    /// Checkpoint of the policy, or `se3` for a geometric controller that knows the vehicle; several times with `--suite`
    #[arg(long, value_name = "FILE|se3", required = true)]
    pub(crate) checkpoint: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) reading: Reading,
    #[command(flatten)]
    pub(crate) nan: NanFlags,
    /// Episodes to fly; with `--suite` those of each cell of the table [default: 1000; 100 with `--suite`]
    #[arg(long, value_name = "N")]
    pub(crate) episodes: Option<usize>,
    /// What to fly, as in `eyas play` [default: what the task does]
    #[arg(long, value_name = "NAME|FILE")]
    pub(crate) trajectory: Option<String>,
    /// Fly trajectories under disturbances and write a table: torture
    #[arg(
        long, value_name = "NAME", value_parser = ["torture"],
        conflicts_with_all = ["trajectory", "per_vehicle", "steps", "json", "require_return"]
    )]
    pub(crate) suite: Option<String>,
    /// Names of the policies in the tables and the plot of `--suite` [default: names of the files]
    #[arg(long, value_name = "NAME[,…]", value_delimiter = ',', requires = "suite")]
    pub(crate) labels: Vec<String>,
    /// Directory to write the tables and the plot of `--suite` to
    #[arg(long, default_value = "torture", value_name = "DIR", requires = "suite")]
    pub(crate) out: PathBuf,
    /// Fly a fleet, its vehicles in turns: a folder of parameter files, a JSON of many or a CSV
    #[arg(long, value_name = "PATH", conflicts_with = "vehicle")]
    pub(crate) vehicles: Option<PathBuf>,
    /// Write a table with one line for each vehicle, `.csv`
    #[arg(long, value_name = "FILE", requires = "vehicles")]
    pub(crate) per_vehicle: Option<PathBuf>,
    /// Longest episode, control steps [default: as the task measures policies]
    #[arg(long, value_name = "N")]
    pub(crate) steps: Option<u32>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Exit with status 1 if the mean return is below this
    #[arg(long, value_name = "RETURN", allow_negative_numbers = true)]
    pub(crate) require_return: Option<f64>,
}

#[derive(Debug, Args)]
#[command(rename_all = "snake_case")]
pub(crate) struct CheckDynamics {
    /// Recorded transitions, one JSON object a line, `.jsonl` or `.jsonl.gz`
    pub(crate) file: PathBuf,
    /// Largest error allowed in double precision
    #[arg(long, default_value_t = 1e-9)]
    pub(crate) tolerance: f64,
}

#[derive(Debug, Args)]
#[command(rename_all = "snake_case")]
pub(crate) struct Replay {
    /// The black box, such as `RUN/black_box.npz`
    pub(crate) file: PathBuf,
}
