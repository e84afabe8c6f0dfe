//! The task that a command flies, whichever it is.
//!
//! Commands know a task as a [`AnyTask`] and are compiled once for all of them. What is compiled once for each task is here
//! and in [`crate::flyable`]: how its configuration is read and written, how its envs are made, how its gradient learns.

use std::any::Any;
use std::fmt::Debug;
use std::path::Path;

use eyas_env::{
    DirectConfig, EnvSpec, FormationConfig, ManagerConfig, PointConfig, RaptorConfig, Recorded, TaskConfig,
    find_task,
};
use eyas_learn::{CpuEngine, Engine};
use eyas_run::{ConfigError, Layers};
use eyas_sim::{CourseConfig, VehicleParameters};
use eyas_trace::Form;
use eyas_vehicles::FleetVehicle;

use crate::black_box::origin_of;
use crate::configuration::check;
use crate::failure::Failure;
use crate::flyable::{Flyable, Settings};
use crate::learner::{Algorithm, Learner, PpoLearner, TrainerConfig};

/// A task and its configuration: [`TaskConfig`] and [`Flyable`] of a type that is known at run time only.
pub trait AnyTask: Any + Debug + Send + Sync {
    /// [`TaskConfig::ID`].
    fn id(&self) -> &'static str;

    /// [`TaskConfig::EVALUATION_STEPS`].
    fn evaluation_steps(&self) -> u32;

    /// How it is trained if not said otherwise.
    fn algorithm(&self) -> Algorithm;

    /// The settings of an algorithm as the task's trainings start from.
    fn trainer(&self, algorithm: Algorithm) -> Result<TrainerConfig, Failure>;

    /// What settings of that name change of them, as YAML; none where they are the same.
    fn preset(&self, algorithm: Algorithm, name: &str) -> Result<Option<&'static str>, Failure>;

    /// Checks what a training with these settings asks of the task.
    fn validate_training(&self, trainer: &TrainerConfig) -> Result<(), String>;

    /// A learner that has learned nothing.
    fn learner(&self, trainer: &TrainerConfig, seed: u64) -> Result<Box<dyn Learner>, Failure>;

    /// [`Flyable::TAKES_VEHICLES`].
    fn takes_vehicles(&self) -> bool;

    /// [`Flyable::EXPERIMENT`].
    fn experiment(&self) -> &'static str;

    /// [`Flyable::DISTILLATION_STEPS`].
    fn distillation_steps(&self) -> u32;

    /// [`Flyable::FLEET_PRESET`].
    fn fleet_preset(&self) -> &'static str;

    /// [`Flyable::RAPTOR_PRESET`].
    fn raptor_preset(&self) -> &'static str;

    /// [`Flyable::trajectories`].
    fn trajectories(&self) -> Vec<(&'static str, Settings)>;

    /// [`Flyable::along`].
    fn along(&self, kind: &'static str) -> Settings;

    /// [`Flyable::torture`].
    fn torture(&self) -> Result<Settings, &'static str>;

    /// [`Flyable::play`].
    fn play(&self) -> Settings;

    /// [`Flyable::course`].
    fn course(&self) -> &CourseConfig;

    /// [`Flyable::with_course`].
    fn with_course(&self, course: Option<CourseConfig>) -> Box<dyn AnyTask>;

    /// [`Flyable::with_vehicle`].
    fn with_vehicle(&self, vehicle: &FleetVehicle) -> Box<dyn AnyTask>;

    /// [`TaskConfig::untimed`].
    fn untimed(&self) -> Box<dyn AnyTask>;

    /// [`TaskConfig::make`].
    fn make(&self, num_envs: usize, seed: u64) -> Box<dyn Engine>;

    /// [`Flyable::make_fleet`].
    fn make_fleet(&self, fleet: &[FleetVehicle], vehicles: &[usize], seed: u64) -> Box<dyn Engine>;

    /// [`Flyable::registry`].
    fn registry(&self) -> Vec<(&'static str, Box<dyn AnyTask>)>;

    /// [`TaskConfig::spec`].
    fn spec(&self) -> EnvSpec;

    /// [`TaskConfig::recorded`].
    fn recorded(&self, form: Form) -> Vec<Recorded>;

    /// [`TaskConfig::validate`].
    fn validate(&self) -> Result<(), String>;

    /// [`TaskConfig::num_envs`].
    fn num_envs(&self) -> usize;

    /// [`TaskConfig::control_period`].
    fn control_period(&self) -> f64;

    /// [`TaskConfig::vehicle`].
    fn vehicle(&self) -> &VehicleParameters;

    /// The configuration that files, overrides and flags change: what is below the group `env`.
    fn layers(&self) -> Result<Layers, ConfigError>;

    /// The task with the group `env` of a configuration.
    fn read(&self, layers: &Layers) -> Result<Box<dyn AnyTask>, ConfigError>;

    /// The same once more.
    fn clone_task(&self) -> Box<dyn AnyTask>;
}

impl Clone for Box<dyn AnyTask> {
    fn clone(&self) -> Self {
        self.as_ref().clone_task()
    }
}

impl<T: Flyable> AnyTask for T {
    fn id(&self) -> &'static str {
        T::ID
    }

    fn evaluation_steps(&self) -> u32 {
        T::EVALUATION_STEPS
    }

    fn algorithm(&self) -> Algorithm {
        T::ALGORITHM
    }

    fn trainer(&self, algorithm: Algorithm) -> Result<TrainerConfig, Failure> {
        match algorithm {
            Algorithm::Ppo => Ok(TrainerConfig::Ppo(Box::default())),
            Algorithm::Apg => T::gradient()
                .map(|gradient| TrainerConfig::Apg(gradient.config()))
                .ok_or_else(|| no_gradient(T::ID)),
        }
    }

    fn preset(&self, algorithm: Algorithm, name: &str) -> Result<Option<&'static str>, Failure> {
        let (original, settings) = T::ORIGINAL_PRESET;
        let unknown = || Failure::new(format!("`--preset {name}`: unknown, expected eyas or {original}"));
        match (algorithm, name) {
            (Algorithm::Apg, _) if T::gradient().is_none() => Err(no_gradient(T::ID)),
            (Algorithm::Apg, "eyas") => Ok(Some(T::APG_PRESET)),
            (Algorithm::Ppo, "eyas") => Ok(Some(T::PPO_PRESET)),
            (Algorithm::Ppo, _) if name == original => {
                Ok(Some(settings).filter(|settings| !settings.is_empty()))
            }
            (Algorithm::Ppo, _) => Err(unknown()),
            (Algorithm::Apg, _) => {
                Err(unknown().hint(format!("preset {original} is one of `--algorithm ppo`")))
            }
        }
    }

    fn validate_training(&self, trainer: &TrainerConfig) -> Result<(), String> {
        Flyable::validate_training(self)?;
        match (trainer, T::gradient()) {
            (TrainerConfig::Apg(_), Some(gradient)) => gradient.validate_task(self),
            _ => Ok(()),
        }
    }

    fn learner(&self, trainer: &TrainerConfig, seed: u64) -> Result<Box<dyn Learner>, Failure> {
        match trainer {
            TrainerConfig::Ppo(config) => {
                let engine = AnyTask::make(self, TaskConfig::num_envs(self), seed);
                Ok(Box::new(PpoLearner::new(config, engine, seed)?))
            }
            TrainerConfig::Apg(config) => {
                T::gradient().ok_or_else(|| no_gradient(T::ID))?.start(config.as_ref(), self, seed)
            }
        }
    }

    fn takes_vehicles(&self) -> bool {
        T::TAKES_VEHICLES
    }

    fn experiment(&self) -> &'static str {
        T::EXPERIMENT
    }

    fn distillation_steps(&self) -> u32 {
        T::DISTILLATION_STEPS
    }

    fn fleet_preset(&self) -> &'static str {
        T::FLEET_PRESET
    }

    fn raptor_preset(&self) -> &'static str {
        T::RAPTOR_PRESET
    }

    fn trajectories(&self) -> Vec<(&'static str, Settings)> {
        T::trajectories()
    }

    fn along(&self, kind: &'static str) -> Settings {
        T::along(kind)
    }

    fn torture(&self) -> Result<Settings, &'static str> {
        T::torture()
    }

    fn play(&self) -> Settings {
        T::play()
    }

    fn course(&self) -> &CourseConfig {
        Flyable::course(self)
    }

    fn with_course(&self, course: Option<CourseConfig>) -> Box<dyn AnyTask> {
        Box::new(Flyable::with_course(self, course))
    }

    fn with_vehicle(&self, vehicle: &FleetVehicle) -> Box<dyn AnyTask> {
        Box::new(Flyable::with_vehicle(self, vehicle))
    }

    fn untimed(&self) -> Box<dyn AnyTask> {
        Box::new(TaskConfig::untimed(self))
    }

    fn make(&self, num_envs: usize, seed: u64) -> Box<dyn Engine> {
        let task = self.clone();
        let origin = origin_of(seed, move |_| Box::new(task.clone()));
        Box::new(CpuEngine::new(TaskConfig::make(self, num_envs, seed)).made_by(origin))
    }

    fn make_fleet(&self, fleet: &[FleetVehicle], vehicles: &[usize], seed: u64) -> Box<dyn Engine> {
        let (task, flown, of_env) = (self.clone(), fleet.to_vec(), vehicles.to_vec());
        let origin = origin_of(seed, move |env| {
            let vehicle = of_env.get(env as usize).and_then(|it| flown.get(*it));
            Box::new(vehicle.map_or_else(|| task.clone(), |it| Flyable::with_vehicle(&task, it)))
        });
        Box::new(CpuEngine::new(Flyable::make_fleet(self, fleet, vehicles, seed)).made_by(origin))
    }

    fn registry(&self) -> Vec<(&'static str, Box<dyn AnyTask>)> {
        let known = |(name, task): (&'static str, T)| (name, Box::new(task) as Box<dyn AnyTask>);
        Flyable::registry(self).into_iter().map(known).collect()
    }

    fn spec(&self) -> EnvSpec {
        TaskConfig::spec(self)
    }

    fn recorded(&self, form: Form) -> Vec<Recorded> {
        TaskConfig::recorded(self, form)
    }

    fn validate(&self) -> Result<(), String> {
        TaskConfig::validate(self)
    }

    fn num_envs(&self) -> usize {
        TaskConfig::num_envs(self)
    }

    fn control_period(&self) -> f64 {
        TaskConfig::control_period(self)
    }

    fn vehicle(&self) -> &VehicleParameters {
        TaskConfig::vehicle(self)
    }

    fn layers(&self) -> Result<Layers, ConfigError> {
        Layers::documented(self)
    }

    fn read(&self, layers: &Layers) -> Result<Box<dyn AnyTask>, ConfigError> {
        Ok(Box::new(layers.section::<T>("env")?))
    }

    fn clone_task(&self) -> Box<dyn AnyTask> {
        Box::new(self.clone())
    }
}

fn no_gradient(task: &str) -> Failure {
    Failure::new(format!("`--algorithm apg`: task `{task}` has no gradient"))
        .hint("train it with `--algorithm ppo`")
}

/// The task of that id or alias, or of a YAML file of terms.
///
/// # Panics
///
/// If a registered task is none of those that are known here, which a test rules out.
pub fn find(id: &str) -> Result<Box<dyn AnyTask>, Failure> {
    if is_file(id) {
        return read_terms(Path::new(id));
    }
    let known = find_task(id).map_err(|error| {
        Failure::new(error).hint("or give a task's own YAML file; `eyas task show manager` is one")
    })?;
    let task = all(ManagerConfig::shipped()).into_iter().find(|task| task.id() == known.id);
    Ok(task.expect("every registered task is listed: a test says so"))
}

/// Every task as it is if nothing is configured; one of terms has none.
pub fn defaults() -> [Box<dyn AnyTask>; 5] {
    all(ManagerConfig::default())
}

/// Every task as it is if nothing is configured, with one of terms.
fn all(of_terms: ManagerConfig) -> [Box<dyn AnyTask>; 5] {
    [
        Box::new(PointConfig::default()),
        Box::new(DirectConfig::default()),
        Box::new(RaptorConfig::default()),
        Box::new(of_terms),
        Box::new(FormationConfig::default()),
    ]
}

/// Whether a task is named by its file.
pub fn is_file(id: &str) -> bool {
    Path::new(id).extension().is_some_and(|it| it == "yaml" || it == "yml")
}

/// The group `env` of a file that holds nothing else, for a task.
pub fn layers_of_file(task: &dyn AnyTask, path: &Path) -> Result<Layers, ConfigError> {
    let mut layers = Layers::of_groups([("env", task.layers()?)]);
    layers.file_under("env", path)?;
    Ok(layers)
}

/// The task of a file of terms, checked.
fn read_terms(path: &Path) -> Result<Box<dyn AnyTask>, Failure> {
    let base = ManagerConfig::default();
    let layers = layers_of_file(&base, path)?;
    let task = base.read(&layers)?;
    check(&layers, task.validate()).map_err(|failure| {
        failure.or_at(&path.display()).hint_or("`eyas task terms` lists the terms and what each takes")
    })?;
    Ok(task)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_registered_task_is_found_by_each_of_its_names() {
        for task in eyas_env::tasks() {
            for name in task.aliases.iter().chain([&task.id]) {
                let found = find(name).unwrap_or_else(|error| panic!("{name}: {error}"));
                assert_eq!((found.id(), found.spec().task), (task.id, task.id), "{name}");
            }
        }
    }
}
