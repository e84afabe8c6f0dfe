//! What every command that flies takes.

use clap::Args;

use super::Configuration;

/// What every command that flies takes.
#[derive(Debug, Args)]
#[command(rename_all = "snake_case")]
pub(crate) struct FlightFlags {
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
    /// Seed of every random draw; -1 draws one [default: 42; `play` and `eval` have one that no training starts from]
    #[arg(long, allow_negative_numbers = true)]
    pub(crate) seed: Option<i64>,
    /// Where to compute: cpu; cuda:0 and so on, an NVIDIA GPU, for a distillation or an evaluation; or auto, a GPU where
    /// there is one and the command uses it [default: cpu]
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
    /// Largest share of a training's time that recording takes; videos beyond it are left out, but not the first and that of
    /// the best policy [default: 0.05; 1 where `--video_interval` or `--video_trigger` says which are due]
    #[arg(long, value_name = "SHARE", requires = "video")]
    pub(crate) video_max_share: Option<f64>,
}

/// A size in px, such as `1280x720`.
pub(super) fn pixels(text: &str) -> Result<(usize, usize), String> {
    text.split_once('x')
        .and_then(|(width, height)| Some((width.parse().ok()?, height.parse().ok()?)))
        .ok_or_else(|| "expected a width and a height in px, such as 1280x720".into())
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
