//! `eyas play`: a policy along a trajectory, and how well it tracked.

use std::io::Write as _;
use std::net::SocketAddr;
use std::process::ExitCode;

use eyas_env::{PointConfig, RAPTOR_TASK, RaptorConfig, find_task};
use eyas_formats::atomic;
use eyas_learn::Pilot;
use eyas_run::{Interrupt, Layers, Origin, RunDir};
use eyas_view::{Caption, View};
use serde::{Deserialize, Serialize};

use crate::arguments::Play;
use crate::failure::Failure;
use crate::flyable::Flyable;
use crate::live::{self, Stage};
use crate::setup::{self, AgentConfig, check, layer};
use crate::tracking::Recorder;
use crate::video::{Defaults, Plan, motor_names, record_flights, vehicle_name, videos_of};

/// Folder of all runs, as the original's.
const ROOT: &str = "logs/rsl_rl";
/// Environments, if not said otherwise: as in the original.
const NUM_ENVS: usize = 4;

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Config<T> {
    env: T,
    agent: AgentConfig,
}

pub(crate) fn run(arguments: &Play) -> Result<ExitCode, Failure> {
    match find_task(&arguments.flight.task)?.id {
        RAPTOR_TASK => run_task::<RaptorConfig>(arguments),
        _ => run_task::<PointConfig>(arguments),
    }
}

fn run_task<T: Flyable>(arguments: &Play) -> Result<ExitCode, Failure> {
    let interrupt = Interrupt::install()?;
    if let Some(address) = arguments.web.web {
        return fly_live::<T>(arguments, address, &interrupt);
    }
    let (config, trajectory) = configure::<T>(arguments, arguments.trajectory.as_deref())?;
    let film = Plan::of(&arguments.flight.video, Defaults { view: View::Chase, num_envs: 1 })?;
    let loaded = arguments.policy.load()?;
    let mut env = config.env.make(config.env.num_envs(), config.agent.seed);
    let pilot = Pilot::new(&loaded.policy, env.spec())?;
    let bar = setup::progress(arguments.flight.quiet, "play", u64::from(arguments.max_steps), "steps");
    let flight = Recorder::fly(env.as_mut(), &pilot, arguments.max_steps, &bar, &interrupt);
    drop(bar);

    let run = RunDir::create_flight(ROOT, &config.agent.experiment_name, &config.agent.run_name)?;
    let statistics = flight.statistics(&arguments.policy.checkpoint, trajectory, config.env.control_period());
    atomic::write(&run.file("tracking_statistics.txt"), statistics.as_bytes())?;
    flight.write_arrays(&run, config.env.control_period())?;
    if let Some(film) = &film {
        let checkpoint = arguments.policy.checkpoint.file_name().unwrap_or_default().to_string_lossy();
        let caption = Caption {
            title: checkpoint.into_owned(),
            subtitle: format!("{} · {}", vehicle_name(&config.env), trajectory),
            motors: motor_names(env.spec()),
        };
        let folder = run.videos("play");
        let recorded = record_flights(film, &folder, &flight.flown, &caption, &config.env)?;
        eprintln!("[INFO] Recorded {}: {}", videos_of(recorded), folder.display());
    }
    let mut out = std::io::stdout().lock();
    write!(out, "{}", flight.table())?;
    write!(out, "\n{statistics}")?;
    writeln!(out, "\nTracking data saved to: {}", run.path().display())?;
    Ok(ExitCode::SUCCESS)
}

/// Flies in real time for whoever looks, along every trajectory that the task has.
fn fly_live<T: Flyable>(
    arguments: &Play,
    address: SocketAddr,
    interrupt: &Interrupt,
) -> Result<ExitCode, Failure> {
    if arguments.flight.video.video {
        return Err(
            Failure::new("`--video`: a live flight is not recorded").hint("leave out `--web` or `--video`")
        );
    }
    let (layers, trajectory) = layers_of::<T>(arguments, arguments.trajectory.as_deref())?;
    live::check_num_envs(layers.section::<T>("env")?.num_envs())?;
    let along = |name: &'static str| Ok((name, configure::<T>(arguments, Some(name))?.0.env));
    let stage = Stage {
        activity: "play".into(),
        step_unit: String::new(),
        trajectories: T::trajectories()
            .into_iter()
            .map(|(name, _)| along(name))
            .collect::<Result<_, Failure>>()?,
        trajectory,
        checkpoint: arguments.policy.checkpoint.clone(),
        options: arguments.policy.load_options(),
        seed: layers.section::<AgentConfig>("agent")?.seed,
    };
    // What the file leaves open is said once, before the flight.
    arguments.policy.load()?;
    let (view, requests) = live::open(address)?;
    for section in ["env", "agent"] {
        view.feed().text(&format!("{section}.yaml"), &layers.to_yaml(section)?);
    }
    live::play(&stage, &view.feed(), &requests, interrupt)?;
    Ok(ExitCode::SUCCESS)
}

fn configure<T: Flyable>(
    arguments: &Play,
    trajectory: Option<&str>,
) -> Result<(Config<T>, &'static str), Failure> {
    let (layers, trajectory) = layers_of::<T>(arguments, trajectory)?;
    let config: Config<T> = layers.finish()?;
    check(&layers, config.env.validate())?;
    check(&layers, config.agent.validate())?;
    Ok((config, trajectory))
}

/// The configuration along a trajectory, by default the last that the task has.
fn layers_of<T: Flyable>(
    arguments: &Play,
    trajectory: Option<&str>,
) -> Result<(Layers, &'static str), Failure> {
    let mut layers = Layers::new(&Config::<T>::default())?;
    let mut trajectories = T::trajectories();
    if let Some(asked) = trajectory {
        let names: Vec<&str> = trajectories.iter().map(|(name, _)| *name).collect();
        let message = format!("`--trajectory {asked}`: unknown, task `{}` flies {}", T::ID, names.join(", "));
        trajectories.retain(|(name, _)| *name == asked);
        if trajectories.is_empty() {
            return Err(Failure::new(message));
        }
    }
    let (trajectory, settings) = trajectories.pop().expect("every task flies something");
    layers.set("env.scene.num_envs", NUM_ENVS, Origin::Preset("play".into()))?;
    for (key, value) in T::play() {
        layers.set(key, value, Origin::Preset("play".into()))?;
    }
    for (key, value) in settings {
        layers.set(key, value, Origin::flag("--trajectory"))?;
    }
    layer::<T>(&mut layers, &arguments.flight)?;
    if arguments.max_steps == 0 {
        return Err(Failure::new("`--max_steps` is 0, expected at least 1"));
    }
    Ok((layers, trajectory))
}
