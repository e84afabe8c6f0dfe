//! What commands share before they start: threads, configuration, policies.

use std::path::Path;

use eyas_env::{Actuation, TaskConfig};
use eyas_formats::{Checkpoint, LoadOptions, LoadedPolicy, atomic};
use eyas_run::config::{Setting, Value};
use eyas_run::{Layers, Origin, Progress, RunDir, manifest};
use eyas_vehicles::{FleetVehicle, VehicleFile, find_vehicle, survey_fleet, vehicle_warnings, vehicles};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::arguments::{Flight, Resume};
use crate::configuration;
use crate::crew::takes_vehicles;
use crate::failure::Failure;
use crate::flyable::Flyable;
use crate::report::{shell_word, tell};

/// Sizes the thread pool.
pub(crate) fn limit_threads(threads: Option<usize>) -> Result<(), Failure> {
    let Some(threads) = threads else { return Ok(()) };
    if threads == 0 {
        return Err(Failure::new("`--threads` is 0, expected at least 1"));
    }
    rayon::ThreadPoolBuilder::new().num_threads(threads).build_global().map_err(Failure::new)
}

/// The part of Isaac Lab's runner config that runs without a PPO runner use.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct AgentConfig {
    pub(crate) seed: u64,
    pub(crate) device: String,
    pub(crate) experiment_name: String,
    pub(crate) run_name: String,
    pub(crate) load_run: String,
    pub(crate) load_checkpoint: String,
}

impl Default for AgentConfig {
    fn default() -> Self {
        Self {
            seed: 42,
            device: "cpu".into(),
            experiment_name: "point_ctrl_direct".into(),
            run_name: String::new(),
            load_run: ".*".into(),
            load_checkpoint: "checkpoint_epoch_.*.pt".into(),
        }
    }
}

impl AgentConfig {
    pub(crate) fn validate(&self) -> Result<(), String> {
        if self.device == "cpu" {
            Ok(())
        } else {
            Err(format!(
                "`agent.device` = \"{}\", expected \"cpu\": this build computes on the CPU",
                self.device
            ))
        }
    }
}

/// Layers the shared flags over files and under overrides.
///
/// Order: defaults and presets (already in `layers`), the vehicle, the settings of an earlier run, the configuration
/// file and groups, overrides, flags.
pub(crate) fn layer<T: Flyable>(layers: &mut Layers, flight: &Flight) -> Result<(), Failure> {
    refuse_what_is_not_built(flight)?;
    layers.set("agent.experiment_name", T::EXPERIMENT, Origin::Preset("task".into()))?;
    if let Some(vehicle) = &flight.vehicle {
        layer_vehicle::<T>(layers, vehicle)?;
    }
    configuration::layer(layers, &flight.configuration, &flight.overrides)?;
    if let Some(num_envs) = flight.num_envs {
        layers.set("env.scene.num_envs", num_envs as i64, Origin::flag("--num_envs"))?;
    }
    if let Some(seed) = flight.seed {
        layers.set("agent.seed", seed_of(seed)?, Origin::flag("--seed"))?;
    }
    for (key, name, value) in [
        ("agent.experiment_name", "--experiment_name", &flight.experiment_name),
        ("agent.run_name", "--run_name", &flight.run_name),
        ("agent.device", "--device", &flight.device),
        ("env.sim.device", "--device", &flight.device),
    ] {
        if let Some(value) = value {
            layers.set(key, value.clone(), Origin::flag(name))?;
        }
    }
    Ok(())
}

/// The flags that say again what is flown.
pub(crate) fn what_flies(flight: &Flight) -> String {
    let vehicle = flight.vehicle.as_ref().map(|it| format!(" --vehicle {}", shell_word(it)));
    format!("--task {}{}", shell_word(&flight.task), vehicle.unwrap_or_default())
}

/// Puts a vehicle in place of the task's own: one that comes with the program, or that of a file.
fn layer_vehicle<T: Flyable>(layers: &mut Layers, vehicle: &str) -> Result<(), Failure> {
    takes_vehicles::<T>("--vehicle")?;
    let origin = Origin::flag("--vehicle");
    let robot = if let Some(named) = find_vehicle(vehicle) {
        named.parameters()
    } else {
        let file = read_vehicle(Path::new(vehicle))?;
        let force = file.random_force_std();
        layers.set("env.disturbances.random_force.std", force, origin.clone())?;
        file.dynamics
    };
    let robot = Value::of(&robot).map_err(Failure::new)?;
    layers.set("env.robot", robot, origin)?;
    Ok(())
}

/// Names of the vehicles that come with the program.
pub(crate) fn vehicle_names() -> String {
    vehicles().iter().map(|it| it.name).collect::<Vec<_>>().join(", ")
}

/// Reads the parameter file of a vehicle.
pub(crate) fn read_vehicle(path: &Path) -> Result<VehicleFile, Failure> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        Failure::new(format!("cannot read the vehicle: {error}"))
            .at(&path.display())
            .hint(format!("give a parameter file of RLtools (JSON), or one of {}", vehicle_names()))
    })?;
    VehicleFile::parse(&text).map_err(|error| Failure::new(error).at(&path.display()))
}

/// As in Isaac Lab, -1 asks for a random seed in 0..=10000.
pub(crate) fn seed_of(seed: i64) -> Result<i64, Failure> {
    match seed {
        0.. => Ok(seed),
        -1 => {
            let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
            Ok(i64::from(now.map_or(0, |it| it.subsec_nanos()) % 10_001))
        }
        _ => Err(Failure::new(format!("`--seed` is {seed}, expected a number of at least 0, or -1"))),
    }
}

fn refuse_what_is_not_built(flight: &Flight) -> Result<(), Failure> {
    if let Some(flag) = flight.launcher.asked_for() {
        return Err(Failure::new(format!("`{flag}` is for the app of Isaac Sim, and there is none here"))
            .hint("leave the flag out"));
    }
    match flight.logger.as_deref() {
        None | Some("tensorboard") => {}
        Some(other) => {
            return Err(Failure::new(format!("`--logger {other}`: runs are logged for TensorBoard only"))
                .hint("leave the flag out, or give `--logger tensorboard`"));
        }
    }
    if flight.log_project_name.is_some() {
        return Err(Failure::new("`--log_project_name` is for loggers that this version does not write to")
            .hint("leave the flag out"));
    }
    Ok(())
}

/// Adds the flags that choose an earlier run; returns whether to resume one.
pub(crate) fn layer_resume(
    layers: &mut Layers,
    resume: &Resume,
    checkpoint: Option<&str>,
) -> Result<bool, Failure> {
    for (key, name, value) in [
        ("agent.load_run", "--load_run", resume.load_run.as_deref()),
        ("agent.load_checkpoint", "--checkpoint", checkpoint),
    ] {
        if let Some(value) = value {
            layers.set(key, value.to_owned(), Origin::flag(name))?;
        }
    }
    let resumes = resume.resume.unwrap_or(false);
    if !resumes && (resume.load_run.is_some() || checkpoint.is_some()) {
        return Err(Failure::new(
            "`--load_run` and `--checkpoint` choose what to resume, but nothing is resumed",
        )
        .hint("add `--resume`"));
    }
    Ok(resumes)
}

/// Turns a failed range check into a failure that says where the value came from.
pub(crate) fn check(layers: &Layers, outcome: Result<(), String>) -> Result<(), Failure> {
    outcome.map_err(|message| {
        let key = message.split('`').nth(1).unwrap_or_default().to_owned();
        let failure = Failure::new(message);
        // A key that is missing is at fault where the table around it stands.
        let around = std::iter::successors(Some(key.as_str()), |key| Some(key.rsplit_once('.')?.0));
        match around.filter_map(|key| layers.origin(key)).find(|origin| **origin != Origin::Default) {
            None => failure,
            Some(origin) => failure.at(origin),
        }
    })
}

/// Checks the configuration of a task, and says what looks wrong with a vehicle that flies by its rotors.
pub(crate) fn check_env<T: TaskConfig>(layers: &Layers, env: &T) -> Result<(), Failure> {
    check(layers, env.validate())?;
    if env.spec().actuation == Actuation::Rotors {
        tell_warnings(&vehicle_warnings(env.vehicle()), MOST_WARNINGS, "the vehicle");
    }
    Ok(())
}

/// Reads a fleet; says what looks wrong with its vehicles.
pub(crate) fn read_fleet(path: &Path) -> Result<Vec<FleetVehicle>, Failure> {
    let survey = survey_fleet(path);
    if let Some(problem) = survey.problems.into_iter().next() {
        return Err(problem.into());
    }
    let whole = format!("`eyas vehicles check {}`", shell_word(path.display()));
    tell_warnings(&survey.warnings, MOST_WARNINGS, &whole);
    Ok(survey.vehicles)
}

/// Warnings that are told before a flight; the rest is counted.
pub(crate) const MOST_WARNINGS: usize = 5;

/// Says what was noticed, the first of it where there is much.
pub(crate) fn tell_warnings(warnings: &[String], most: usize, whole: &str) {
    for warning in warnings.iter().take(most) {
        tell(format!("warning: {warning}"));
    }
    if warnings.len() > most {
        tell(format!("warning: {} more of {whole}", warnings.len() - most));
    }
}

/// Reads a policy from a checkpoint.
pub(crate) fn load_policy(path: &Path, options: &LoadOptions) -> Result<LoadedPolicy, Failure> {
    Ok(Checkpoint::read(path)?.policy(options)?)
}

/// Reads a policy; says on stderr what the file left open.
pub(crate) fn load_explained(path: &Path, options: &LoadOptions) -> Result<LoadedPolicy, Failure> {
    let loaded = load_policy(path, options)?;
    for decision in &loaded.decisions {
        tell(decision);
    }
    Ok(loaded)
}

/// Lifts the task's own limit, which must not cut episodes short of the steps that were asked for.
pub(crate) fn allow_steps<T: TaskConfig>(layers: &mut Layers, steps: u32) -> Result<(), Failure> {
    let seconds = f64::from(steps + 2) * layers.section::<T>("env")?.control_period();
    layers.set("env.episode_length_s", seconds, Origin::flag("--steps"))?;
    Ok(())
}

/// Writes a file whole or not at all; an error names it.
pub(crate) fn write_file(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    atomic::write(path, bytes)
        .map_err(|error| Failure::new(format!("cannot write: {error}")).at(&path.display()))
}

/// A progress line, hidden with `--quiet`.
pub(crate) fn progress(quiet: bool, label: &str, total: u64, unit: &str) -> Progress {
    let progress = if quiet { Progress::hidden(label, total) } else { Progress::new(label, total) };
    progress.with_unit(unit)
}

/// Writes `manifest.json`: program, command, seed, input files, configuration with origins.
pub(crate) fn write_manifest(
    run: &RunDir,
    seed: u64,
    inputs: &[&Path],
    config: Vec<Setting>,
) -> Result<(), Failure> {
    let mut manifest = eyas_run::Manifest::new(format!("eyas {}", env!("CARGO_PKG_VERSION")), seed);
    for path in inputs {
        manifest.inputs.push(manifest::InputFile::read(path)?);
    }
    manifest.config = config;
    run.manifest(&manifest)?;
    Ok(())
}
