//! `eyas play`: a policy along a trajectory, and how well it tracked.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::slice;

use eyas_env::VecEnv;
use eyas_formats::atomic;
use eyas_run::{Interrupt, Layers, Origin, RunDir};
use eyas_vehicles::{FleetVehicle, find_vehicle};
use eyas_view::{Airframe, Caption, View};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::any_task::{AnyTask, for_task};
use crate::arguments::Play;
use crate::configuration;
use crate::crew::{FOLDER, VEHICLE, takes_vehicles};
use crate::failure::Failure;
use crate::flyable::Flyable;
use crate::live::{self, Stage};
use crate::report::tell;
use crate::seat::{is_geometric, seat};
use crate::setup::{self, AgentConfig, check, check_env, layer, read_fleet};
use crate::tracking::Recorder;
use crate::trajectory;
use crate::video::{
    Defaults, Flown, MOST_ENVS, Plan, mass, motor_names, record_flights, vehicle_name, videos_of,
};

/// Folder of all runs, as the original's.
const ROOT: &str = "logs/rsl_rl";
/// Environments, if not said otherwise: as in the original.
const NUM_ENVS: usize = 4;

#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Config<T> {
    env: T,
    agent: AgentConfig,
}

pub(crate) fn run(arguments: &Play) -> Result<ExitCode, Failure> {
    for_task!(AnyTask::find(&arguments.flight.task)?, |base| run_task(&base, arguments))
}

fn run_task<T: Flyable>(base: &T, arguments: &Play) -> Result<ExitCode, Failure> {
    let interrupt = Interrupt::install()?;
    let configuration = &arguments.flight.configuration;
    if configuration.only_shows() {
        let (layers, _) = layers_of(base, arguments, arguments.trajectory.as_deref())?;
        configuration::show(&layers, configuration)?;
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(address) = arguments.web.web {
        return fly_live(base, arguments, address, &interrupt);
    }
    let (config, trajectory) = configure(base, arguments, arguments.trajectory.as_deref())?;
    let fleet = fleet_of::<T>(&arguments.vehicles)?;
    if is_geometric(&arguments.policy.checkpoint) && !fleet.is_empty() {
        return Err(Failure::new("`--checkpoint se3`: the controller is made for one vehicle")
            .hint("fly each with `--vehicle`, or several with `eyas eval --vehicles`"));
    }
    let shown = Defaults { view: View::Chase, num_envs: fleet.len().clamp(1, MOST_ENVS) };
    let film = Plan::of(&arguments.flight.video, shown)?;
    let mut envs = envs_of(&config.env, &fleet, config.agent.seed);
    let spec = envs[0].spec().clone();
    let (checkpoint, options) = (&arguments.policy.checkpoint, arguments.policy.load_options());
    let pilot = seat(checkpoint, &options, slice::from_ref(config.env.vehicle()), &spec)?;
    let bar = setup::progress(arguments.flight.quiet, "play", u64::from(arguments.max_steps), "steps");
    let flight = Recorder::fly(&mut envs, pilot.as_ref(), arguments.max_steps, &bar, &interrupt);
    drop(bar);

    let run = RunDir::create_flight(ROOT, &config.agent.experiment_name, &config.agent.run_name)?;
    let statistics =
        flight.statistics(&arguments.policy.checkpoint, &trajectory, config.env.control_period());
    atomic::write(&run.file("tracking_statistics.txt"), statistics.as_bytes())?;
    flight.write_arrays(&run, config.env.control_period())?;
    if let Some(film) = &film {
        let checkpoint = arguments.policy.checkpoint.file_name().unwrap_or_default().to_string_lossy();
        let motors = motor_names(&spec);
        let flown: Vec<Flown> = flight
            .flown
            .iter()
            .enumerate()
            .map(|(env, flight)| {
                let [title, subtitle] = if let Some(vehicle) = fleet.get(env) {
                    [vehicle.id.clone(), mass(vehicle.dynamics.mass)]
                } else {
                    let vehicle = vehicle_name(&config.env);
                    [checkpoint.to_string(), format!("{vehicle} · {trajectory} · env {env}")]
                };
                let vehicle = fleet.get(env).map_or(config.env.vehicle(), |vehicle| &vehicle.dynamics);
                let caption = Caption { title, subtitle, motors: motors.clone() };
                Flown { flight: flight.clone(), airframe: Airframe::new(vehicle), caption }
            })
            .collect();
        let folder = run.videos("play");
        let recorded = record_flights(film, &folder, &flown)?;
        tell(format!("[INFO] Recorded {}: {}", videos_of(recorded), folder.display()));
    }
    let mut out = std::io::stdout().lock();
    let names: Vec<&str> = fleet.iter().map(|it| it.id.as_str()).collect();
    write!(out, "{}", flight.table(&names))?;
    write!(out, "\n{statistics}")?;
    writeln!(out, "\nTracking data saved to: {}", run.path().display())?;
    Ok(if interrupt.interrupted() { ExitCode::from(130) } else { ExitCode::SUCCESS })
}

/// Flies in real time for whoever looks, along every trajectory that the task has.
fn fly_live<T: Flyable>(
    base: &T,
    arguments: &Play,
    address: SocketAddr,
    interrupt: &Interrupt,
) -> Result<ExitCode, Failure> {
    if arguments.flight.video.video {
        return Err(
            Failure::new("`--video`: a live flight is not recorded").hint("leave out `--web` or `--video`")
        );
    }
    if is_geometric(&arguments.policy.checkpoint) {
        return Err(Failure::new("`--checkpoint se3`: a live flight is one of a policy's file")
            .hint("leave out `--web`"));
    }
    let (layers, trajectory) = layers_of(base, arguments, arguments.trajectory.as_deref())?;
    live::check_num_envs(layers.section::<T>("env")?.num_envs())?;
    let along = |name: &str| Ok((name.to_owned(), configure(base, arguments, Some(name))?.0.env));
    let mut trajectories =
        T::trajectories().into_iter().map(|(name, _)| along(name)).collect::<Result<Vec<_>, Failure>>()?;
    if !trajectories.iter().any(|(name, _)| *name == trajectory) {
        trajectories.push(along(&trajectory)?);
    }
    let stage = Stage {
        activity: "play".into(),
        step_unit: String::new(),
        trajectories,
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
    base: &T,
    arguments: &Play,
    trajectory: Option<&str>,
) -> Result<(Config<T>, String), Failure> {
    let (layers, trajectory) = layers_of(base, arguments, trajectory)?;
    let config: Config<T> = layers.finish()?;
    check_env(&layers, &config.env)?;
    check(&layers, config.agent.validate())?;
    Ok((config, trajectory))
}

/// The configuration along a trajectory, by default the last that the task has.
fn layers_of<T: Flyable>(
    base: &T,
    arguments: &Play,
    trajectory: Option<&str>,
) -> Result<(Layers, String), Failure> {
    let mut layers = Layers::documented(&Config { env: base.clone(), agent: AgentConfig::default() })?;
    let (trajectory, settings) = trajectory::find::<T>(trajectory)?;
    layers.set("env.scene.num_envs", NUM_ENVS, Origin::Preset("play".into()))?;
    for (key, value) in T::play() {
        layers.set(key, value, Origin::Preset("play".into()))?;
    }
    trajectory::layer(&mut layers, settings)?;
    layer::<T>(&mut layers, &arguments.flight)?;
    if arguments.max_steps == 0 {
        return Err(Failure::new("`--max_steps` is 0, expected at least 1"));
    }
    Ok((layers, trajectory))
}

/// The vehicles of a list of names, parameter files and fleets.
fn fleet_of<T: Flyable>(list: &[PathBuf]) -> Result<Vec<FleetVehicle>, Failure> {
    if !list.is_empty() {
        takes_vehicles::<T>("--vehicles")?;
    }
    let mut fleet = Vec::new();
    for path in list {
        if let Some(named) = path.to_str().and_then(find_vehicle) {
            fleet.push(named.fleet_vehicle());
            continue;
        }
        if !path.exists() {
            return Err(Failure::new(format!(
                "`--vehicles {}`: neither a vehicle nor a file",
                path.display()
            ))
            .hint(format!("give a parameter file, a fleet, or one of {}", setup::vehicle_names())));
        }
        let mut vehicles = read_fleet(path)?;
        // The vehicle beside a teacher has the teacher's number.
        let folder = path.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy();
        if let (Some(number), true) = (folder.strip_prefix(FOLDER), path.ends_with(VEHICLE)) {
            for vehicle in &mut vehicles {
                vehicle.id = format!("vehicle {number}");
            }
        }
        fleet.extend(vehicles);
    }
    Ok(fleet)
}

/// The configured envs; of a fleet one for each vehicle, all of which are the first, so that their draws are the same.
fn envs_of<T: Flyable>(env: &T, fleet: &[FleetVehicle], seed: u64) -> Vec<Box<dyn VecEnv>> {
    if fleet.is_empty() {
        return vec![env.make(env.num_envs(), seed)];
    }
    (0..fleet.len()).map(|vehicle| env.make_fleet(fleet, &[vehicle], seed)).collect()
}
