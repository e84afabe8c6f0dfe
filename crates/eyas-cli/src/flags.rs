//! Flags that commands share: threads, configuration, policies, progress.

use std::path::Path;
use std::time::Duration;

use eyas::configuration::{layer_vehicle, takes_vehicles};
use eyas::device::{FLYING_DEVICE, LEARNING_DEVICE, settle_devices};
use eyas::policies::load_policy;
use eyas::text::{shell_word, warnings_told};
use eyas::trained_on::motor_warning;
use eyas::{AnyTask, Failure};
use eyas_env::{Actuation, RAPTOR_TASK};
use eyas_formats::{LoadOptions, LoadedPolicy};
use eyas_lanes::Isa;
use eyas_run::config::Setting;
use eyas_run::{Interrupt, Layers, Origin};
use eyas_sim::VehicleParameters;
use eyas_vehicles::{FleetVehicle, step_warning, survey_fleet, vehicle_warnings};

use crate::arguments::{FlightFlags, Resume};
use crate::configuration;
use crate::print::tell;

/// More than any machine has cores.
const MOST_THREADS: usize = 4096;

/// Sizes the thread pool.
pub(crate) fn limit_threads(threads: Option<usize>) -> Result<(), Failure> {
    let Some(threads) = threads else { return Ok(()) };
    if !(1..=MOST_THREADS).contains(&threads) {
        return Err(Failure::new(format!("`--threads` is {threads}, expected 1 to {MOST_THREADS}")));
    }
    rayon::ThreadPoolBuilder::new().num_threads(threads).build_global().map_err(Failure::new)
}

/// How long a run gets to write a checkpoint when it is to stop. One that takes longer is ended; it goes on from an older
/// one.
pub(crate) const GRACE: Duration = Duration::from_secs(20);

/// Listens for Ctrl-C, and for the end of who started the run where it is asked to; says where the machine is a slow one.
pub(crate) fn listen(resume: &Resume) -> Result<Interrupt, Failure> {
    let interrupt = Interrupt::install()?;
    if cfg!(target_arch = "x86_64") && Isa::available() == [Isa::Portable] {
        tell(
            "warning: this processor has neither AVX2 nor AVX-512: portable code takes some 180 times as long as AVX-512",
        );
    }
    if resume.ends_with_stdin {
        interrupt.stop_at_end_of(std::io::stdin(), GRACE)?;
    }
    Ok(interrupt)
}

/// Layers the shared flags over files and under overrides.
///
/// Order: defaults and presets (already in `layers`), the vehicle, the settings of an earlier run, the configuration
/// file and groups, overrides, flags.
pub(crate) fn layer(layers: &mut Layers, task: &dyn AnyTask, flight: &FlightFlags) -> Result<(), Failure> {
    layer_for(layers, task, flight, false)
}

/// The same for a command that may compute on a GPU. Envs are made on the CPU whatever `--device` says of that.
pub(crate) fn layer_for(
    layers: &mut Layers,
    task: &dyn AnyTask,
    flight: &FlightFlags,
    takes_gpu: bool,
) -> Result<(), Failure> {
    refuse_what_is_not_built(flight)?;
    if let Some(vehicle) = &flight.vehicle {
        layer_vehicle(layers, task, vehicle)?;
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
        (LEARNING_DEVICE, "--device", &flight.device),
        (FLYING_DEVICE, "--device", &flight.device),
    ] {
        if let Some(value) = value {
            let flies_on_cpu = takes_gpu && key == FLYING_DEVICE;
            let value = if flies_on_cpu { "cpu" } else { value.as_str() };
            layers.set(key, value, Origin::flag(name))?;
        }
    }
    settle_devices(layers, takes_gpu)
}

/// The flags and overrides that say again what a run with some settings flies. Those of its presets are for learning, and
/// how many envs fly is each command's own.
pub(crate) fn what_flies(
    task: &dyn AnyTask,
    flight: &FlightFlags,
    settings: &[Setting],
) -> Result<String, Failure> {
    const NOT_FLOWN: [&str; 2] = ["env.scene.num_envs", FLYING_DEVICE];
    let mut words = vec![format!("--task {}", shell_word(&flight.task))];
    let mut usual = Layers::of_groups([("env", task.layers()?)]);
    if let Some(vehicle) = &flight.vehicle {
        words.push(format!("--vehicle {}", shell_word(vehicle)));
        layer_vehicle(&mut usual, task, vehicle)?;
    }
    let usual = usual.provenance()?;
    let of_env = |it: &&Setting| it.key.starts_with("env.") && !NOT_FLOWN.contains(&it.key.as_str());
    for Setting { key, value, origin } in settings.iter().filter(of_env) {
        let before = usual.iter().find(|it| it.key == *key).map(|it| &it.value);
        if before != Some(value) && matches!(origin, Origin::File { .. } | Origin::Override(_)) {
            let new = if before.is_none() { "+" } else { "" };
            words.push(shell_word(format!("{new}{key}={value}")));
        }
    }
    let is_gone = |it: &&Setting| !settings.iter().any(|known| known.key == it.key);
    words.extend(usual.iter().filter(of_env).filter(is_gone).map(|it| shell_word(format!("~{}", it.key))));
    Ok(words.join(" "))
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

fn refuse_what_is_not_built(flight: &FlightFlags) -> Result<(), Failure> {
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

/// Reads a policy; says on stderr what the file left open.
pub(crate) fn load_explained(path: &Path, options: &LoadOptions) -> Result<LoadedPolicy, Failure> {
    let loaded = load_policy(path, options)?;
    for decision in &loaded.decisions {
        tell(decision);
    }
    Ok(loaded)
}

/// Reads the fleet that a flag names, for a task whose envs take vehicles.
pub(crate) fn read_fleet_for(
    task: &dyn AnyTask,
    flag: &str,
    path: &Path,
) -> Result<Vec<FleetVehicle>, Failure> {
    takes_vehicles(task, flag)?;
    let fleet = read_fleet(path)?;
    let of_vehicle = |it: &FleetVehicle| {
        let warning = step_warning(&it.dynamics, task.control_period())?;
        Some(format!("vehicle `{}`: {warning}", it.id))
    };
    let warnings: Vec<String> = fleet.iter().filter_map(of_vehicle).collect();
    warnings_told(&warnings, "these").iter().for_each(tell);
    Ok(fleet)
}

/// Reads a fleet; says what looks wrong with its vehicles.
pub(crate) fn read_fleet(path: &Path) -> Result<Vec<FleetVehicle>, Failure> {
    let survey = survey_fleet(path);
    if let Some(problem) = survey.problems.into_iter().next() {
        return Err(problem.into());
    }
    let whole = format!("`eyas vehicles check {}`", shell_word(path.display()));
    warnings_told(&survey.warnings, &whole).iter().for_each(tell);
    Ok(survey.vehicles)
}

/// Says of each vehicle that teachers learn on where its rotors are not those of other policies of the task: what they learn
/// flies no other vehicle, and a student of theirs none at all.
pub(crate) fn warn_of_motors<'a>(
    task: &dyn AnyTask,
    vehicles: impl Iterator<Item = (&'a str, &'a VehicleParameters)>,
    file: Option<&Path>,
) {
    if task.id() == RAPTOR_TASK {
        let warnings: Vec<String> =
            vehicles.filter_map(|(id, vehicle)| motor_warning(id, vehicle, file)).collect();
        warnings_told(&warnings, "these").iter().for_each(tell);
    }
}

/// Says what looks wrong with the vehicle of a task that flies by its rotors.
pub(crate) fn warn_of_vehicle(task: &dyn AnyTask) {
    if task.spec().actuation == Actuation::Rotors {
        let mut warnings = vehicle_warnings(task.vehicle());
        warnings.extend(step_warning(task.vehicle(), task.control_period()));
        warnings_told(&warnings, "the vehicle").iter().for_each(tell);
    }
}
