//! `eyas play`: a policy along a trajectory, and how well it tracked.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use eyas::configuration::{AgentConfig, takes_vehicles, vehicle_names};
use eyas::fly::{FlyConfig, fly, record};
use eyas::policies::{is_geometric, load_for_flight};
use eyas::run_files::{FOLDER, VEHICLE};
use eyas::video::MOST_ENVS;
use eyas::{AnyTask, Failure, tasks, trajectory};
use eyas_run::{Interrupt, Layers};
use eyas_vehicles::{FleetVehicle, find_vehicle};
use eyas_view::View;

use crate::arguments::Play;
use crate::configuration;
use crate::flags::{layer, read_fleet, warn_of_vehicle};
use crate::live::{self, Stage};
use crate::print::tell;
use crate::terminal::Terminal;
use crate::video_flags::{Defaults, plan_of, videos_of};

/// Each is kept for the report: a day of flight.
const MOST_STEPS: u32 = 10_000_000;

pub(crate) fn run(arguments: &Play) -> Result<ExitCode, Failure> {
    let base = tasks::find(&arguments.flight.task)?;
    let base = base.as_ref();
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
    let mut config = configure(base, arguments, arguments.trajectory.as_deref())?;
    config.vehicles = fleet_of(base, &arguments.vehicles)?;
    let shown = Defaults { view: View::Chase, num_envs: config.vehicles.len().clamp(1, MOST_ENVS) };
    config.video = plan_of(&arguments.flight.video, shown)?;
    config.options = arguments.policy.load_options();
    if arguments.max_steps > MOST_STEPS {
        let message = format!("`--max_steps` is {}, expected at most {MOST_STEPS}", arguments.max_steps);
        return Err(Failure::new(message));
    }
    config.max_steps = arguments.max_steps;
    config.on_nan = arguments.nan.on_nan;
    let mut terminal = Terminal::with_bar(arguments.flight.quiet, &interrupt);
    let flown = fly(&config, &mut terminal, &interrupt)?;
    let names: Vec<&str> = config.vehicles.iter().map(|it| it.id.as_str()).collect();
    {
        let mut out = std::io::stdout().lock();
        write!(out, "{}", flown.flight.table(&names))?;
        write!(out, "\n{}", flown.statistics)?;
        writeln!(out, "\nTracking data saved to: {}", flown.run.display())?;
    }
    if let Some((count, folder)) = record(&config, &flown, &mut terminal, &interrupt)? {
        tell(format!("[INFO] Recorded {}: {}", videos_of(count), folder.display()));
    }
    if let Some(original) = arguments.against.as_ref().filter(|_| !interrupt.interrupted()) {
        config.checkpoint.clone_from(original);
        config.video = None;
        let flown = fly(&config, &mut terminal, &interrupt)?;
        let mut out = std::io::stdout().lock();
        write!(out, "\n{}, from the same starts:\n\n{}", original.display(), flown.flight.table(&names))?;
    }
    Ok(if interrupt.interrupted() { ExitCode::from(130) } else { ExitCode::SUCCESS })
}

/// Flies in real time for whoever looks, along every trajectory that the task has.
fn fly_live(
    base: &dyn AnyTask,
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
    live::check_num_envs(base.read(&layers)?.num_envs())?;
    let along = |name: &str| Ok((name.to_owned(), configure(base, arguments, Some(name))?.task));
    let mut trajectories =
        base.trajectories().into_iter().map(|(name, _)| along(name)).collect::<Result<Vec<_>, Failure>>()?;
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
        on_nan: arguments.nan.on_nan,
    };
    // What the file leaves open is said once, before the flight.
    let (vehicle, spec) = (base.read(&layers)?.vehicle().clone(), base.read(&layers)?.spec());
    let (checkpoint, options) = (&arguments.policy.checkpoint, arguments.policy.load_options());
    load_for_flight(checkpoint, &options, &[vehicle], &spec, &mut |it: &str| tell(it))?;
    let (view, requests) = live::open(address)?;
    for section in ["env", "agent"] {
        view.feed().text(&format!("{section}.yaml"), &layers.to_yaml(section)?);
    }
    live::play(&stage, &view.feed(), &requests, interrupt)?;
    Ok(ExitCode::SUCCESS)
}

/// The configuration along a trajectory, by default the last that the task has.
fn configure(base: &dyn AnyTask, arguments: &Play, trajectory: Option<&str>) -> Result<FlyConfig, Failure> {
    let (layers, trajectory) = layers_of(base, arguments, trajectory)?;
    let config = FlyConfig::read(base, &layers, trajectory, arguments.policy.checkpoint.clone())?;
    warn_of_vehicle(config.task.as_ref());
    Ok(config)
}

fn layers_of(
    base: &dyn AnyTask,
    arguments: &Play,
    trajectory: Option<&str>,
) -> Result<(Layers, String), Failure> {
    let (trajectory, settings) = trajectory::find(base, trajectory)?;
    let mut layers = FlyConfig::layers(base, settings)?;
    layer(&mut layers, base, &arguments.flight)?;
    if arguments.max_steps == 0 {
        return Err(Failure::new("`--max_steps` is 0, expected at least 1"));
    }
    Ok((layers, trajectory))
}

/// The vehicles of a list of names, parameter files and fleets.
fn fleet_of(task: &dyn AnyTask, list: &[PathBuf]) -> Result<Vec<FleetVehicle>, Failure> {
    if !list.is_empty() {
        takes_vehicles(task, "--vehicles")?;
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
            .hint(format!("give a parameter file, a fleet, or one of {}", vehicle_names())));
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
