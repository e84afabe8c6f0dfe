//! A policy along a trajectory, and how well it tracked.

use std::path::PathBuf;

use eyas_formats::{LoadOptions, atomic};
use eyas_learn::{Engine, OnNan};
use eyas_run::{Interrupt, Layers, Origin, RunDir};
use eyas_vehicles::FleetVehicle;
use eyas_view::{Airframe, Caption};

use crate::configuration::{AgentConfig, check};
use crate::evaluate::set_seed;
use crate::failure::Failure;
use crate::flyable::Settings;
use crate::observer::{Activity, Observer};
use crate::policies::{is_geometric, load_controller};
use crate::tasks::AnyTask;
use crate::teachers::vehicles_of;
use crate::text::lost_told;
use crate::tracking::Recorder;
use crate::video::{Flown, VideoPlan, mass, motor_names, record_flights, vehicle_name};

/// Folder of all runs, as the original's.
const ROOT: &str = "logs/rsl_rl";
/// Environments, if not said otherwise: as in the original.
const NUM_ENVS: usize = 4;
/// Control steps, if not said otherwise.
const STEPS: u32 = 3000;

/// What a flight is made of.
pub struct FlyConfig {
    /// What is flown.
    pub task: Box<dyn AnyTask>,
    /// Seed, and where the run is written.
    pub agent: AgentConfig,
    /// What the trajectory is called.
    pub trajectory: String,
    /// Who flies: a file, or `se3`.
    pub checkpoint: PathBuf,
    /// How to read it.
    pub options: LoadOptions,
    /// Vehicles that fly side by side, one env each, instead of the task's own.
    pub vehicles: Vec<FleetVehicle>,
    /// Most control steps. At least 1.
    pub max_steps: u32,
    /// Which videos are recorded.
    pub video: Option<VideoPlan>,
    /// What becomes of an env with a number that is not finite.
    pub on_nan: OnNan,
}

impl FlyConfig {
    /// The configuration before files, overrides and flags change it: the task as it is played, along a trajectory.
    pub fn layers(task: &dyn AnyTask, trajectory: Settings) -> Result<Layers, Failure> {
        let mut layers = Layers::of_groups([
            ("env", task.layers()?),
            ("agent", Layers::documented(&AgentConfig::default())?),
        ]);
        layers.set("env.scene.num_envs", NUM_ENVS, Origin::Preset("play".into()))?;
        for (key, value) in task.play() {
            layers.set(key, value, Origin::Preset("play".into()))?;
        }
        for (key, value) in trajectory {
            layers.set(key, value, Origin::flag("--trajectory"))?;
        }
        set_seed(&mut layers)?;
        layers.set("agent.experiment_name", task.experiment(), Origin::Preset("task".into()))?;
        Ok(layers)
    }

    /// The configuration that was put together, every range checked, along a trajectory that is called so.
    pub fn read(
        task: &dyn AnyTask,
        layers: &Layers,
        trajectory: String,
        checkpoint: PathBuf,
    ) -> Result<Self, Failure> {
        let (task, agent) = (task.read(layers)?, layers.section::<AgentConfig>("agent")?);
        check(layers, task.validate())?;
        check(layers, agent.validate())?;
        Ok(Self {
            task,
            agent,
            trajectory,
            checkpoint,
            options: LoadOptions::default(),
            vehicles: Vec::new(),
            max_steps: STEPS,
            video: None,
            on_nan: OnNan::Stop,
        })
    }

    /// Envs; of several vehicles one for each, all of which are the first, so that their draws are the same.
    fn envs(&self) -> Vec<Box<dyn Engine>> {
        let (task, seed) = (self.task.as_ref(), self.agent.seed);
        let mut envs: Vec<_> = if self.vehicles.is_empty() {
            vec![task.make(task.num_envs(), seed)]
        } else {
            (0..self.vehicles.len())
                .map(|vehicle| task.make_fleet(&self.vehicles, &[vehicle], seed))
                .collect()
        };
        for it in &mut envs {
            it.set_on_nan(self.on_nan);
        }
        envs
    }

    /// What was flown, with who and what flew.
    fn flown(&self, flight: &Recorder, motors: &[String; 4]) -> Vec<Flown> {
        let checkpoint = self.checkpoint.file_name().unwrap_or_default().to_string_lossy();
        let vehicle = vehicle_name(self.task.as_ref());
        let of_env = |(env, flight): (usize, &eyas_view::Flight)| {
            let [title, subtitle] = if let Some(vehicle) = self.vehicles.get(env) {
                [vehicle.id.clone(), mass(vehicle.dynamics.mass)]
            } else {
                [checkpoint.to_string(), format!("{vehicle} · {} · env {env}", self.trajectory)]
            };
            let flies = self.vehicles.get(env).map_or(self.task.vehicle(), |vehicle| &vehicle.dynamics);
            let caption = Caption { title, subtitle, motors: motors.clone() };
            Flown { flight: flight.clone(), airframe: Airframe::new(flies), caption }
        };
        flight.flown.iter().enumerate().map(of_env).collect()
    }
}

/// What became of a flight.
pub struct FlyResult {
    /// Folder of the run.
    pub run: PathBuf,
    /// Everything that was flown.
    pub flight: Recorder,
    /// The text of `tracking_statistics.txt`.
    pub statistics: String,
    /// Initials of the motors.
    motors: [String; 4],
}

/// Flies a policy and writes what it tracked.
pub fn fly(
    config: &FlyConfig,
    observer: &mut dyn Observer,
    interrupt: &Interrupt,
) -> Result<FlyResult, Failure> {
    let FlyConfig { task, agent, checkpoint, max_steps, .. } = config;
    if is_geometric(checkpoint) && !config.vehicles.is_empty() {
        return Err(Failure::new("`--checkpoint se3`: the controller is made for one vehicle")
            .hint("fly each with `--vehicle`, or several with `eyas eval --vehicles`"));
    }
    let mut envs = config.envs();
    let spec = envs[0].spec().clone();
    let vehicles = vehicles_of(task.as_ref(), &config.vehicles);
    let mut decided = |decision: &str| observer.warning(decision);
    let controller = load_controller(checkpoint, &config.options, &vehicles, &spec, &mut decided)?;
    let activity = Activity {
        name: "play",
        step_unit: "step",
        rate_unit: "steps",
        position: 0,
        total: u64::from(*max_steps),
        folder: None,
        task: task.as_ref(),
    };
    observer.started(&activity)?;
    let flight = Recorder::fly(&mut envs, controller.as_ref(), *max_steps, observer, interrupt);
    observer.stopped();

    let run = RunDir::create_flight(ROOT, &agent.experiment_name, &agent.run_name)?;
    let flight = flight
        .map_err(|error| Failure::from(error).not_finite_in_flight(("the flight", agent.seed), run.path()))?;
    if let Some(lost) = lost_told(flight.num_lost, flight.returns.len()) {
        observer.warning(&lost);
    }
    let period = task.control_period();
    let statistics = flight.statistics(checkpoint, &config.trajectory, period);
    atomic::write(&run.file("tracking_statistics.txt"), statistics.as_bytes())?;
    flight.write_arrays(&run, period)?;
    Ok(FlyResult { run: run.path().to_owned(), flight, statistics, motors: motor_names(&spec) })
}

/// Records the flight that was flown, if that is asked for: how many videos, and where they are. An interruption ends the one
/// that is being written, which plays as far as it goes.
pub fn record(
    config: &FlyConfig,
    flown: &FlyResult,
    observer: &mut dyn Observer,
    interrupt: &Interrupt,
) -> Result<Option<(usize, PathBuf)>, Failure> {
    let Some(plan) = &config.video else { return Ok(None) };
    let folder = flown.run.join("videos/play");
    let flights = config.flown(&flown.flight, &flown.motors);
    let mut shown = None;
    let mut failed = Ok(());
    let count = record_flights(plan, &folder, &flights, &mut |done, total| {
        if shown.is_none() {
            failed = observer.started(&Activity {
                name: "video",
                step_unit: "frame",
                rate_unit: "frames",
                position: 0,
                total: total as u64,
                folder: None,
                task: config.task.as_ref(),
            });
        }
        observer.count(done.saturating_sub(shown.unwrap_or(0)) as u64);
        shown = Some(done);
        observer.position(done as u64);
        failed.is_ok() && !interrupt.interrupted()
    })?;
    observer.stopped();
    failed?;
    Ok(Some((count, folder)))
}
