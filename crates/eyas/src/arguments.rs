//! Subcommands and flags.

mod configuration;
mod report;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use clap::{ArgAction, Args, Parser, Subcommand};
use eyas_formats::{LoadOptions, LoadedPolicy, NormalizerChoice, OutputChoice, Side};
use eyas_policy::Activation;

pub(crate) use self::report::Report;
use crate::command::bench::Against;
use crate::failure::Failure;
use crate::setup::load_explained;
pub(crate) use configuration::Configuration;

/// Train quadrotor teachers, distil them into one small student, fly it and ship it
#[derive(Debug, Parser)]
#[command(version, arg_required_else_help = true)]
pub(crate) struct Arguments {
    /// Threads to compute on; results do not depend on it [default: all cores]
    #[arg(long, global = true, value_name = "N")]
    pub(crate) threads: Option<usize>,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Train a teacher from nothing
    Train(Train),
    /// Distil teachers into a student
    Distill(Box<Distill>),
    /// Fly a policy along a trajectory and write a tracking report
    Play(Play),
    /// Measure a policy over many episodes
    Eval(Eval),
    /// Run a policy over recorded observations
    Act(Act),
    /// Show what a checkpoint holds
    Inspect(Inspect),
    /// Replay recorded transitions and compare
    CheckDynamics(CheckDynamics),
    /// Fly teachers on many vehicles, read a student's memory, or delay what it sees: tables and plots
    Analyze(Analyze),
    /// Draw columns of CSV files and curves of runs as PNG
    Plot(Plot),
    /// Measure how fast this machine flies and learns, beside other programs
    Bench(Bench),
    /// List what can be configured
    Config(Config),
    /// List and describe tasks
    Task(Task),
    /// List, describe, draw, convert and check vehicles
    Vehicles(Vehicles),
    /// Write curves, tracking plots and tables of runs as one HTML page
    Report(Report),
    /// Show a run in the browser: its curves, tables and configuration, and its best policy in flight
    View(View),
}

/// What every command that flies takes.
#[derive(Debug, Args)]
#[command(rename_all = "snake_case")]
pub(crate) struct Flight {
    /// Task id, see `eyas task list`, or the YAML file of a task of terms
    #[arg(long, value_name = "ID|FILE")]
    pub(crate) task: String,
    /// Vehicle of `Eyas-Raptor-v0`: `crazyflie`, `x500`, `x500_sim`, `mrs`, `fs`, `arpl`, `flightmare`, `soft`,
    /// `soft_rigid`, or a parameter file of RLtools [default: crazyflie]
    #[arg(long, value_name = "NAME|FILE")]
    pub(crate) vehicle: Option<String>,
    /// Environments flown side by side
    #[arg(long, value_name = "N")]
    pub(crate) num_envs: Option<usize>,
    /// Seed of every random draw; -1 draws one [default: 42]
    #[arg(long, allow_negative_numbers = true)]
    pub(crate) seed: Option<i64>,
    /// Where to compute: cpu [default: cpu]
    #[arg(long)]
    pub(crate) device: Option<String>,
    /// Without a window; there is never one, the flag is for commands written for Isaac Lab
    #[arg(long)]
    pub(crate) headless: bool,
    /// Folder of the run below the log root
    #[arg(long, value_name = "NAME")]
    pub(crate) experiment_name: Option<String>,
    /// Suffix of the run's folder
    #[arg(long, value_name = "NAME")]
    pub(crate) run_name: Option<String>,
    /// Where to log: tensorboard
    #[arg(long, value_name = "NAME")]
    pub(crate) logger: Option<String>,
    /// Project of a logger other than TensorBoard
    #[arg(long, value_name = "NAME")]
    pub(crate) log_project_name: Option<String>,
    #[command(flatten)]
    pub(crate) configuration: Configuration,
    /// Show no progress
    #[arg(long, short)]
    pub(crate) quiet: bool,
    #[command(flatten)]
    pub(crate) video: Video,
    #[command(flatten)]
    pub(crate) launcher: Launcher,
    /// Overrides in Hydra's grammar, such as `env.scene.num_envs=2048`; `eyas config list` shows the keys
    #[arg(value_name = "KEY=VALUE")]
    pub(crate) overrides: Vec<String>,
}

/// Recording.
#[derive(Debug, Args)]
#[command(rename_all = "snake_case")]
#[expect(clippy::struct_field_names, reason = "the names are the flags of the user's document")]
pub(crate) struct Video {
    /// Record videos into the run's folder `videos`; results do not depend on it
    #[arg(long)]
    pub(crate) video: bool,
    /// Length of a video, control steps [default: 200; the whole episode with `--video_trigger episode`]
    #[arg(long, value_name = "STEPS", requires = "video")]
    pub(crate) video_length: Option<u32>,
    /// Control steps of an env, or episodes, from video to video [default: 2000 steps, 1 episode]
    #[arg(long, value_name = "N", requires = "video")]
    pub(crate) video_interval: Option<u32>,
    /// What the interval counts: step or episode [default: step]
    #[arg(long, value_name = "KIND", requires = "video")]
    pub(crate) video_trigger: Option<String>,
    /// Camera: chase, fixed, orbit or top [default: chase for play and distill, fixed for train]
    #[arg(long, value_name = "NAME", requires = "video")]
    pub(crate) video_view: Option<String>,
    /// Width and height of a video, px [default: 1280x720]
    #[arg(long, value_name = "WIDTHxHEIGHT", requires = "video", value_parser = pixels)]
    pub(crate) video_size: Option<(usize, usize)>,
    /// File: mp4 (H.264), or png: an animated PNG that loops, for pages that show pictures only [default: mp4]
    #[arg(long, value_name = "NAME", requires = "video")]
    pub(crate) video_format: Option<String>,
    /// Envs shown side by side [default: 1, or all of `--vehicles`; 4 for train]
    #[arg(long, value_name = "N", requires = "video")]
    pub(crate) video_envs: Option<usize>,
    /// Largest share of a training's time that recording takes; videos beyond it are left out, but not the first
    #[arg(long, value_name = "SHARE", default_value_t = 0.05, requires = "video")]
    pub(crate) video_max_share: f64,
}

/// A size in px, such as `1280x720`.
fn pixels(text: &str) -> Result<(usize, usize), String> {
    text.split_once('x')
        .and_then(|(width, height)| Some((width.parse().ok()?, height.parse().ok()?)))
        .ok_or_else(|| "expected a width and a height in px, such as 1280x720".into())
}

/// The live view.
#[derive(Debug, Args)]
#[command(rename_all = "snake_case")]
pub(crate) struct Web {
    /// Show what happens in the browser, served at this address; results do not depend on it [default address:
    /// 127.0.0.1:7878; port 0 takes a free one]
    #[arg(long, value_name = "ADDR", num_args = 0..=1, default_missing_value = ADDRESS, value_parser = address)]
    pub(crate) web: Option<SocketAddr>,
}

/// The dashboard of a long run.
#[derive(Debug, Args)]
#[command(rename_all = "snake_case")]
pub(crate) struct Terminal {
    /// Show curves, times, teachers and log in the terminal while it runs; results do not depend on it
    #[arg(long, conflicts_with = "multirun")]
    pub(crate) tui: bool,
}

/// Where the live view is served, if not said otherwise.
const ADDRESS: &str = "127.0.0.1:7878";

/// `192.168.1.5:80`, `localhost:80`, `192.168.1.5`, `80`.
fn address(text: &str) -> Result<SocketAddr, String> {
    let default: SocketAddr = ADDRESS.parse().expect("an address and a port");
    let (host, port) = match text.strip_prefix("localhost") {
        Some(rest) => ("127.0.0.1", rest.strip_prefix(':')),
        None => ("", None),
    };
    let of_localhost = (!host.is_empty()).then(|| match port {
        Some(port) => format!("{host}:{port}").parse().ok(),
        None if text == "localhost" => Some(default),
        None => None,
    });
    of_localhost
        .flatten()
        .or_else(|| text.parse().ok())
        .or_else(|| text.parse().ok().map(|host: IpAddr| SocketAddr::new(host, default.port())))
        .or_else(|| text.parse().ok().map(|port: u16| SocketAddr::new(default.ip(), port)))
        .ok_or_else(|| "expected an address and a port, such as 127.0.0.1:7878".into())
}

/// Flags of Isaac Lab's `AppLauncher`. Known so that commands written for it get an answer: what there is no
/// app for is refused by name.
#[derive(Debug, Args)]
#[command(rename_all = "snake_case")]
pub(crate) struct Launcher {
    #[arg(long, hide = true, value_name = "0|1|2")]
    pub(crate) livestream: Option<u8>,
    #[arg(long, hide = true)]
    pub(crate) enable_cameras: bool,
    #[arg(long, hide = true)]
    pub(crate) xr: bool,
    #[arg(long, hide = true)]
    pub(crate) verbose: bool,
    #[arg(long, hide = true)]
    pub(crate) experience: Option<String>,
    #[arg(long, hide = true)]
    pub(crate) rendering_mode: Option<String>,
    #[arg(long, hide = true)]
    pub(crate) kit_args: Option<String>,
}

impl Launcher {
    /// The first flag that asks for something that is not there.
    pub(crate) fn asked_for(&self) -> Option<&'static str> {
        [
            ("--livestream", self.livestream.is_some_and(|mode| mode > 0)),
            ("--enable_cameras", self.enable_cameras),
            ("--xr", self.xr),
            ("--verbose", self.verbose),
            ("--experience", self.experience.is_some()),
            ("--rendering_mode", self.rendering_mode.is_some()),
            ("--kit_args", self.kit_args.is_some()),
        ]
        .into_iter()
        .find_map(|(flag, is_given)| is_given.then_some(flag))
    }
}

/// Which earlier run to go on from.
#[derive(Debug, Args)]
#[command(rename_all = "snake_case")]
#[expect(clippy::struct_field_names, reason = "the names are the flags of the user's document")]
pub(crate) struct Resume {
    /// Go on with an earlier run
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true", action = ArgAction::Set)]
    pub(crate) resume: Option<bool>,
    /// Regular expression for the folder of the run to go on with; the last match [default: .*]
    #[arg(long, value_name = "REGEX")]
    pub(crate) load_run: Option<String>,
    /// Folder of the run itself, instead of a dated one below `logs`; with `--resume`, that of the run to go on with
    #[arg(long, value_name = "DIR", conflicts_with = "load_run")]
    pub(crate) run_dir: Option<PathBuf>,
}

/// Several runs of one command.
#[derive(Debug, Args)]
#[command(rename_all = "snake_case")]
pub(crate) struct Multirun {
    /// Run once for each value of overrides such as `seed=1,2`, `seed=range(5)`, `student.kind=choice(mlp,gru)` or
    /// `agent=glob(*)`, and for each combination of several; ends with a table and a plot
    #[arg(long, short, conflicts_with_all = ["web", "cfg", "info"])]
    pub(crate) multirun: bool,
    /// Runs at once, which share the threads [default: one for each thread]
    #[arg(long, value_name = "N", requires = "multirun")]
    pub(crate) jobs: Option<usize>,
}

#[derive(Debug, Args)]
#[command(rename_all = "snake_case")]
pub(crate) struct Train {
    #[command(flatten)]
    pub(crate) flight: Flight,
    #[command(flatten)]
    pub(crate) web: Web,
    #[command(flatten)]
    pub(crate) terminal: Terminal,
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
    #[arg(long, default_value = "eyas", value_name = "NAME")]
    pub(crate) preset: String,
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
    /// Reads it; says on stderr what the file left open.
    pub(crate) fn load(&self) -> Result<LoadedPolicy, Failure> {
        load_explained(&self.checkpoint, &self.load_options())
    }

    /// How to read it.
    pub(crate) fn load_options(&self) -> LoadOptions {
        self.reading.load_options()
    }
}

#[derive(Debug, Args)]
#[command(rename_all = "snake_case")]
#[expect(clippy::struct_excessive_bools, reason = "a flag and its negation each")]
pub(crate) struct Distill {
    #[command(flatten)]
    pub(crate) flight: Flight,
    #[command(flatten)]
    pub(crate) web: Web,
    #[command(flatten)]
    pub(crate) terminal: Terminal,
    /// Checkpoint of the teacher; several times: many teachers, each with its vehicle beside it as `vehicle.json`
    #[arg(long, value_name = "FILE", required_unless_present = "teacher_dir")]
    pub(crate) teacher_checkpoint: Vec<PathBuf>,
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
    #[arg(long, overrides_with = "no_shuffle")]
    pub(crate) shuffle: bool,
    /// Take the data in the order it was flown
    #[arg(long, visible_alias = "no-shuffle")]
    pub(crate) no_shuffle: bool,
    /// Train each epoch on its own data only
    #[arg(long, overrides_with = "no_on_policy")]
    pub(crate) on_policy: bool,
    /// Train on the data of all epochs so far (the default)
    #[arg(long, visible_alias = "no-on_policy")]
    pub(crate) no_on_policy: bool,
    /// Label with the teacher's mean action (the default)
    #[arg(long, overrides_with = "no_teacher_deterministic")]
    pub(crate) teacher_deterministic: bool,
    /// Label with samples of the teacher's distribution
    #[arg(long, visible_alias = "no-teacher_deterministic")]
    pub(crate) no_teacher_deterministic: bool,
    /// Memory of the dataset, such as 512M or 2G [default: 128M]
    #[arg(long, value_name = "BYTES")]
    pub(crate) max_memory: Option<String>,
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

#[derive(Debug, Args)]
#[command(rename_all = "snake_case")]
pub(crate) struct Play {
    #[command(flatten)]
    pub(crate) flight: Flight,
    #[command(flatten)]
    pub(crate) policy: PolicyFile,
    #[command(flatten)]
    pub(crate) web: Web,
    /// Vehicles to fly side by side, all from the same start: names of `eyas vehicles list`, parameter files or fleets
    #[arg(
        long,
        value_name = "NAME|PATH,…",
        value_delimiter = ',',
        num_args = 1,
        conflicts_with_all = ["vehicle", "num_envs", "web"]
    )]
    pub(crate) vehicles: Vec<PathBuf>,
    /// What to fly: hover, langevin, figure8, circle, lissajous, step, zigzag, `minimum_snap`, or a file `.csv` of times and
    /// positions [default: figure8 on the point task, else langevin]
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
    pub(crate) flight: Flight,
    /// Checkpoint of the policy, or `se3` for a geometric controller that knows the vehicle; several times with `--suite`
    #[arg(long, value_name = "FILE|se3", required = true)]
    pub(crate) checkpoint: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) reading: Reading,
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

/// Rates are those of one thread unless `--threads` says otherwise.
#[derive(Debug, Args)]
#[command(rename_all = "snake_case")]
pub(crate) struct Bench {
    /// Measure these in turns with it, one thread each
    #[arg(long, value_name = "PROGRAM")]
    pub(crate) against: Vec<Against>,
    /// Which works, such as `gru_update,mlp_update` [default: all]
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub(crate) work: Vec<String>,
    /// Rounds; each asks this program, then every other
    #[arg(long, default_value_t = 5, value_name = "N")]
    pub(crate) rounds: usize,
    /// Time of each measurement, s
    #[arg(long, default_value_t = 1.0, value_name = "SECONDS")]
    pub(crate) seconds: f64,
    /// Instruction set to compute with, peers as far as they can be told: portable, AVX2 or AVX-512 [default: the widest
    /// that this machine has]
    #[arg(long, value_name = "NAME")]
    pub(crate) isa: Option<String>,
    /// Say what the works are, and measure nothing
    #[arg(long)]
    pub(crate) list: bool,
    /// Do each work so many times and print nothing: for profilers
    #[arg(long, value_name = "N", conflicts_with_all = ["against", "list", "json"])]
    pub(crate) times: Option<usize>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
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
    /// Seed of every random draw; -1 draws one [default: 42]
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

#[derive(Debug, Args)]
#[command(rename_all = "snake_case")]
pub(crate) struct Plot {
    #[command(subcommand)]
    pub(crate) command: PlotCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum PlotCommand {
    /// Draw columns as lines over another column
    Lines(Lines),
    /// Draw columns as points over another column
    Scatter(Columns),
    /// Draw a matrix as colours
    Heatmap(Heatmap),
}

#[derive(Debug, Args)]
#[command(rename_all = "snake_case")]
pub(crate) struct Lines {
    #[command(flatten)]
    pub(crate) columns: Columns,
    /// Columns between which a band is filled behind the only column of `--y`
    #[arg(long, value_name = "LOW,HIGH", num_args = 1, value_delimiter = ',')]
    pub(crate) band: Vec<String>,
}

/// Which columns are drawn, and how.
#[derive(Debug, Args)]
#[command(rename_all = "snake_case")]
pub(crate) struct Columns {
    /// CSV files with a header line, or folders of runs: their TensorBoard tags are columns beside `step` and
    /// `wall_time_s`
    #[arg(required = true, value_name = "FILE|RUN")]
    pub(crate) files: Vec<PathBuf>,
    /// Column along x
    #[arg(long, value_name = "COLUMN")]
    pub(crate) x: String,
    /// Columns along y
    #[arg(long, required = true, value_name = "COLUMN[,…]", value_delimiter = ',')]
    pub(crate) y: Vec<String>,
    /// Columns of one more panel below that shares x; may be repeated
    #[arg(long, value_name = "COLUMN[,…]")]
    pub(crate) panel: Vec<String>,
    /// Names of the files in the legend [default: names of the files]
    #[arg(long, value_name = "NAME[,…]", value_delimiter = ',')]
    pub(crate) labels: Vec<String>,
    /// Make x logarithmic
    #[arg(long, alias = "log-x")]
    pub(crate) log_x: bool,
    /// Make y logarithmic, in all panels
    #[arg(long, alias = "log-y")]
    pub(crate) log_y: bool,
    /// Label of x, such as "wall time (min)" [default: the column's name]
    #[arg(long, alias = "x-label", value_name = "TEXT")]
    pub(crate) x_label: Option<String>,
    /// Label of y; may be repeated, once for each panel [default: the column's name]
    #[arg(long, alias = "y-label", value_name = "TEXT")]
    pub(crate) y_label: Vec<String>,
    /// What of x is shown [default: all]
    #[arg(long, alias = "x-range", value_name = "LOW:HIGH", allow_hyphen_values = true, value_parser = range)]
    pub(crate) x_range: Option<Range>,
    /// What of y is shown; may be repeated, once for each panel [default: all]
    #[arg(long, alias = "y-range", value_name = "LOW:HIGH", allow_hyphen_values = true, value_parser = range)]
    pub(crate) y_range: Vec<Range>,
    /// Labelled horizontal line in the first panel; may be repeated
    #[arg(long, value_name = "VALUE:LABEL", allow_hyphen_values = true, value_parser = reference)]
    pub(crate) reference: Vec<(f64, String)>,
    #[command(flatten)]
    pub(crate) picture: Picture,
}

#[derive(Debug, Args)]
#[command(rename_all = "snake_case")]
pub(crate) struct Heatmap {
    /// CSV file: a header line with the names of the columns, then lines of a name and numbers
    pub(crate) file: PathBuf,
    /// What the columns are
    #[arg(long, alias = "x-label", value_name = "TEXT")]
    pub(crate) x_label: Option<String>,
    /// What the rows are [default: the first cell of the header]
    #[arg(long, alias = "y-label", value_name = "TEXT")]
    pub(crate) y_label: Option<String>,
    /// What the numbers are, such as "position RMSE (cm)"
    #[arg(long, alias = "value-label", value_name = "TEXT")]
    pub(crate) value_label: Option<String>,
    /// Numbers of the first and the last colour [default: the smallest and the largest]
    #[arg(long, value_name = "LOW:HIGH", allow_hyphen_values = true, value_parser = range)]
    pub(crate) range: Option<Range>,
    #[command(flatten)]
    pub(crate) picture: Picture,
}

/// What every plot has.
#[derive(Debug, Args)]
#[command(rename_all = "snake_case")]
pub(crate) struct Picture {
    /// Title
    #[arg(long, default_value = "", hide_default_value = true, value_name = "TEXT")]
    pub(crate) title: String,
    /// Width and height, px
    #[arg(long, default_value = "1200x800", value_name = "WIDTHxHEIGHT", value_parser = size)]
    pub(crate) size: (usize, usize),
    /// Where to write the picture, `.png`
    #[arg(long, short, value_name = "FILE")]
    pub(crate) out: PathBuf,
}

/// A part of an axis.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Range {
    pub(crate) low: f64,
    pub(crate) high: f64,
}

fn range(text: &str) -> Result<Range, String> {
    let parts = text.split_once(':').and_then(|(low, high)| Some((low.parse().ok()?, high.parse().ok()?)));
    match parts {
        Some((low, high)) if low < high && f64::is_finite(high - low) => Ok(Range { low, high }),
        _ => Err("expected two numbers in order, such as 0:10".into()),
    }
}

fn reference(text: &str) -> Result<(f64, String), String> {
    let parts = text.split_once(':').and_then(|(value, label)| Some((value.parse().ok()?, label.trim())));
    match parts {
        Some((value, label)) if f64::is_finite(value) => Ok((value, label.to_owned())),
        _ => Err("expected a number and a label, such as \"620.5:released student\"".into()),
    }
}

fn size(text: &str) -> Result<(usize, usize), String> {
    match pixels(text) {
        Ok((width @ 400..=8000, height @ 300..=8000)) => Ok((width, height)),
        _ => Err("expected 400x300 to 8000x8000".into()),
    }
}

#[derive(Debug, Args)]
#[command(rename_all = "snake_case")]
pub(crate) struct Config {
    #[command(subcommand)]
    pub(crate) command: ConfigCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// List every key with its default, unit, range and meaning
    List {
        /// Only keys below this one, such as `env.scene` or `learning_rate`
        #[arg(default_value = "", hide_default_value = true, value_name = "PREFIX")]
        prefix: String,
        /// Task id, see `eyas task list`, or the YAML file of a task of terms
        #[arg(long, value_name = "ID|FILE", default_value = "Isaac-Quadcopter-Point-Ctrl-v0")]
        task: String,
        /// Whose keys `agent` has: apg or ppo
        /// [default: what the task is trained with]
        #[arg(long, value_name = "NAME")]
        algorithm: Option<String>,
        /// Print a JSON list with key, default, unit, range, choices and meaning of each
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Args)]
#[command(rename_all = "snake_case")]
pub(crate) struct Task {
    #[command(subcommand)]
    pub(crate) command: TaskCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum TaskCommand {
    /// List every task
    List,
    /// Describe a task: observation, action, reward terms
    Show {
        /// Task id, or the YAML file of a task of terms
        #[arg(value_name = "ID|FILE")]
        id: String,
    },
    /// Describe the terms that tasks are made of, with their parameters, units and ranges
    Terms {
        /// Only those of a manager, such as `rewards`, or of one name
        name: Option<String>,
    },
}

#[derive(Debug, Args)]
#[command(rename_all = "snake_case")]
pub(crate) struct Vehicles {
    #[command(subcommand)]
    pub(crate) command: VehiclesCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum VehiclesCommand {
    /// List the vehicles that come with the program
    List,
    /// Describe a vehicle
    Show {
        /// A vehicle that comes with the program, or a parameter file of RLtools
        #[arg(value_name = "NAME|FILE")]
        vehicle: String,
        /// Print the parameter file, every field with all its digits
        #[arg(long)]
        json: bool,
    },
    /// Draw vehicles at random, as RAPTOR draws those of its teachers
    Sample(Box<Sample>),
    /// Write a fleet in another form
    Convert {
        /// A directory of parameter files, one parameter file, a list (.json, .json.gz) or a table (.csv)
        from: PathBuf,
        /// A directory, or a file that ends in .csv, .json or .json.gz
        to: PathBuf,
        /// Write over files of the same names
        #[arg(long)]
        force: bool,
    },
    /// Check every vehicle of a fleet; exit code 2 and every problem where one cannot be flown
    Check {
        /// A directory of parameter files, one parameter file, a list (.json, .json.gz) or a table (.csv)
        path: PathBuf,
    },
}

#[derive(Debug, Args)]
#[command(rename_all = "snake_case")]
pub(crate) struct Sample {
    /// Vehicles to draw
    #[arg(long, default_value_t = 1000, value_name = "N")]
    pub(crate) num: usize,
    /// Seed of the draws; a vehicle does not depend on how many are drawn
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,
    /// Directory to write a parameter file for each vehicle and `vehicles.csv` to
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// eyas (as the paper says) or raptor (as the C++ system draws) [default: eyas]
    #[arg(long, value_name = "NAME")]
    pub(crate) protocol: Option<String>,
    /// Write over files of the same names
    #[arg(long)]
    pub(crate) force: bool,
    #[command(flatten)]
    pub(crate) configuration: Configuration,
    /// Ranges, such as `mass_max=2`
    #[arg(value_name = "KEY=VALUE")]
    pub(crate) overrides: Vec<String>,
}

#[derive(Debug, Args)]
#[command(rename_all = "snake_case")]
pub(crate) struct View {
    /// Folder of a run of `eyas train` or `eyas distill`, finished or going on
    #[arg(value_name = "RUN_DIR")]
    pub(crate) run: PathBuf,
    /// Address to serve the page at; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = ADDRESS, value_parser = address)]
    pub(crate) web: SocketAddr,
    /// Envs in which the best policy flies side by side
    #[arg(long, default_value_t = 16, value_name = "N")]
    pub(crate) num_envs: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_in_whole_and_in_part() {
        for (text, expected) in [
            ("0.0.0.0:80", "0.0.0.0:80"),
            ("localhost:0", "127.0.0.1:0"),
            ("localhost", "127.0.0.1:7878"),
            ("8000", "127.0.0.1:8000"),
            ("::1", "[::1]:7878"),
        ] {
            assert_eq!(address(text).unwrap().to_string(), expected, "{text}");
        }
        for bad in ["", "env.x=1", "localhost:", "localhosts", "127.0.0.1:99999", "example.org:80"] {
            assert!(address(bad).is_err(), "{bad}");
        }
    }
}
