//! A teacher for each vehicle of a fleet, as one job.

mod board;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use eyas_env::{Protocol, RAPTOR_TASK, RaptorConfig};
use eyas_formats::{Value, atomic, rsl_rl};
use eyas_learn::{Actor, Summary, evaluate};
use eyas_policy::Policy;
use eyas_run::run_dir::Resumable;
use eyas_run::{Interrupt, Layers, RunDir};
use eyas_vehicles::{FleetVehicle, VehicleFile, fleet_to_csv};
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::board::Board;
use crate::configuration::check;
use crate::contract;
use crate::evaluate::apart_from;
use crate::failure::Failure;
use crate::learner::{Algorithm, Learner, TrainerConfig};
use crate::observer::{Activity, Observer};
use crate::provenance::Provenance;
use crate::resumption::{GoingOn, own_run};
use crate::run_files::{BEST_MODEL, DYNAMICS, RESULT, VEHICLE, folder, write_file};
use crate::run_location::RunLocation;
use crate::run_logger::RunLogger;
use crate::run_result::RunResult;
use crate::tasks::AnyTask;
use crate::train::{EVALUATION_SEED, ROOT, RunnerSettings, layer_preset};

/// What of the configuration is written into a fleet's `params`.
pub const GROUPS: [&str; 3] = ["env", "agent", "fleet"];

/// When a teacher is good enough: returns are measured under the protocol of the C++ system, whose starts are the same
/// for vehicles of every size.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct FleetConfig {
    /// Mean return that a teacher must reach; below it another seed is tried, and half the learning rate.
    pub required_return: f64,
    /// Largest share of episodes that may end in a termination. In `[0, 1]`.
    pub max_terminated: f64,
    /// The same from the starts that it learns from. In `[0, 1]`.
    pub max_own_terminated: f64,
    /// Mean return at which training stops early; null: never.
    pub stop_return: Option<f64>,
    /// Share of terminated episodes at which it may. In `[0, 1]`.
    pub stop_terminated: f64,
    /// Seeds tried for one teacher. At least 1.
    pub max_attempts: u32,
    /// Episodes of an evaluation. At least 1.
    pub eval_episodes: usize,
}

impl Default for FleetConfig {
    fn default() -> Self {
        Self {
            required_return: 600.0,
            max_terminated: 0.02,
            max_own_terminated: 0.05,
            stop_return: Some(705.0),
            stop_terminated: 0.0,
            max_attempts: 3,
            eval_episodes: 256,
        }
    }
}

impl FleetConfig {
    /// Checks ranges; the message names key, value and range.
    pub fn validate(&self) -> Result<(), String> {
        /// More than any evaluation needs; also attempts.
        const MOST_EPISODES: usize = 1 << 22;
        for (name, value) in [
            ("max_terminated", self.max_terminated),
            ("max_own_terminated", self.max_own_terminated),
            ("stop_terminated", self.stop_terminated),
        ] {
            if !(0.0..=1.0).contains(&value) {
                return Err(format!("`fleet.{name}` = {value}, expected a share in [0, 1]"));
            }
        }
        let at_least_one =
            [("max_attempts", self.max_attempts as usize), ("eval_episodes", self.eval_episodes)];
        for (name, value) in at_least_one {
            if !(1..=MOST_EPISODES).contains(&value) {
                return Err(format!("`fleet.{name}` = {value}, expected 1 to {MOST_EPISODES}"));
            }
        }
        Ok(())
    }

    fn accepts(&self, best: &Best) -> bool {
        self.missed(&best.raptor, &best.own).is_empty()
    }

    /// What of the bar a teacher has not met, from RAPTOR's starts and from those that it learned from.
    fn missed(&self, raptor: &Score, own: &Score) -> String {
        let terminated = |share: f64, whose: &str, most: f64, key: &str| {
            let [share, most] = [share, most].map(|it| 100.0 * it);
            format!("{share:.2} % terminated from {whose} starts, expected at most {most} % (`fleet.{key}`)")
        };
        let mut missed = Vec::new();
        // What is no number meets no bar.
        let returns = raptor.mean_return >= self.required_return;
        let [lasts, lasts_own] = [(raptor, self.max_terminated), (own, self.max_own_terminated)]
            .map(|(it, most)| it.terminated <= most);
        if !returns {
            let (found, least) = (raptor.mean_return, self.required_return);
            missed.push(format!(
                "return {found:.1} from RAPTOR's starts, expected at least {least} (`fleet.required_return`)"
            ));
        }
        if !lasts {
            missed.push(terminated(raptor.terminated, "RAPTOR's", self.max_terminated, "max_terminated"));
        }
        if !lasts_own {
            missed.push(terminated(own.terminated, "its own", self.max_own_terminated, "max_own_terminated"));
        }
        missed.join("; ")
    }
}

/// What the training of a fleet is made of.
pub struct TrainFleetConfig {
    /// What is flown, on each vehicle in turn.
    pub task: RaptorConfig,
    /// What learns.
    pub trainer: TrainerConfig,
    /// For how long, and where it is written.
    pub settings: RunnerSettings,
    /// When a teacher is good enough.
    pub fleet: FleetConfig,
    /// The vehicles that get a teacher, by the numbers of the teachers.
    pub vehicles: Vec<(usize, FleetVehicle)>,
    /// The file that the vehicles are from, if they are from one.
    pub vehicle_file: Option<PathBuf>,
    /// Where each value comes from.
    pub provenance: Provenance,
    /// Folder of the run itself, instead of a dated one.
    pub run_dir: Option<PathBuf>,
}

impl TrainFleetConfig {
    /// The configuration before files, overrides and flags change it: the task's defaults and a preset.
    pub fn layers(algorithm: Algorithm, preset: &str) -> Result<Layers, Failure> {
        let task = RaptorConfig::default();
        let mut layers = Layers::of_groups([
            ("env", task.layers()?),
            ("agent", task.trainer(algorithm)?.layers()?),
            ("fleet", Layers::documented(&FleetConfig::default())?),
        ]);
        layer_preset(&mut layers, &task, algorithm, preset)?;
        Ok(layers)
    }

    /// The configuration that was put together, every range checked; it has no vehicles yet.
    pub fn read(algorithm: Algorithm, layers: &Layers) -> Result<Self, Failure> {
        let task: RaptorConfig = layers.section("env")?;
        let trainer = task.trainer(algorithm)?.read(layers)?;
        let fleet: FleetConfig = layers.section("fleet")?;
        check(layers, task.validate())?;
        check(layers, trainer.validate())?;
        check(layers, task.validate_training(&trainer))?;
        check(layers, fleet.validate())?;
        Ok(Self {
            task,
            trainer,
            settings: layers.section("agent")?,
            fleet,
            vehicles: Vec::new(),
            vehicle_file: None,
            provenance: Provenance::of(layers, &GROUPS)?,
            run_dir: None,
        })
    }

    /// The folder of the run that a configuration which resumes goes on with, if it is one of this program.
    pub fn run_to_go_on_with(layers: &Layers, run_dir: Option<&Path>) -> Result<Option<PathBuf>, Failure> {
        let settings: RunnerSettings = layers.section("agent")?;
        let experiment = experiment_of(&settings);
        let run = location_of(&settings, &experiment, run_dir).find(&settings.load_run)?;
        own_run(Some(Resumable { run, checkpoint: None }), &GROUPS)
    }
}

fn experiment_of(settings: &RunnerSettings) -> String {
    format!("{}_fleet", settings.experiment_name)
}

fn location_of<'a>(
    settings: &'a RunnerSettings,
    experiment: &'a str,
    run_dir: Option<&'a Path>,
) -> RunLocation<'a> {
    RunLocation { root: ROOT, experiment, run_name: &settings.run_name, run_dir }
}

/// What is known of a trained teacher; beside its model as [`RESULT`], whose presence says that it is done.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TeacherResult {
    /// Number of the teacher, which names its folder.
    pub teacher: usize,
    /// Vehicle it flies.
    pub vehicle: String,
    /// Whether it met the bar.
    pub accepted: bool,
    /// Seeds tried.
    pub attempts: u32,
    /// Seed of the one kept.
    pub seed: u64,
    /// Updates after which it was kept.
    pub iteration: u32,
    /// Time that all attempts took, s.
    pub seconds: f64,
    /// Under the protocol of the C++ system.
    pub raptor: Score,
    /// From the starts that it learned from.
    pub own: Score,
}

/// How a teacher flies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// Mean return.
    pub mean_return: f64,
    /// Mean length, control steps.
    pub mean_length: f64,
    /// Share of episodes that end in a termination.
    pub terminated: f64,
}

impl From<Summary> for Score {
    fn from(it: Summary) -> Self {
        Self { mean_return: it.mean_return, mean_length: it.mean_length, terminated: it.crash_rate }
    }
}

/// What became of the training of a fleet.
pub struct FleetResult {
    /// Folder of the run.
    pub run: PathBuf,
    /// Vehicles that were to get a teacher.
    pub num_vehicles: usize,
    /// Those that have one, best first.
    pub teachers: Vec<TeacherResult>,
    /// Whether it was interrupted.
    pub is_interrupted: bool,
}

impl FleetResult {
    /// Mean of a number over all teachers.
    pub fn mean(&self, value: &dyn Fn(&TeacherResult) -> f64) -> f64 {
        self.teachers.iter().map(value).sum::<f64>() / self.teachers.len().max(1) as f64
    }
}

/// Trains a teacher for each vehicle of a fleet.
pub fn train_fleet(
    config: &TrainFleetConfig,
    observer: &mut dyn Observer,
    interrupt: &Interrupt,
) -> Result<FleetResult, Failure> {
    let TrainFleetConfig { settings, vehicles: fleet, .. } = config;
    let experiment = experiment_of(settings);
    let location = location_of(settings, &experiment, config.run_dir.as_deref());
    let going_on = if settings.resume {
        let resumed = Resumable { run: location.find(&settings.load_run)?, checkpoint: None };
        Some(GoingOn::in_folder(&resumed, &GROUPS)?)
    } else {
        None
    };
    observer.accepted()?;
    let run = match &going_on {
        Some(it) => it.run.clone(),
        None => location.make()?,
    };
    let directory = std::path::absolute(run.path())?;
    observer.line(&format!("[INFO] Logging experiment in directory: {}", directory.display()))?;
    let inputs: Vec<&Path> = config.vehicle_file.as_deref().into_iter().collect();
    let results: Vec<Option<TeacherResult>> =
        fleet.iter().map(|(teacher, _)| read_result(&run, *teacher)).collect();
    let left: Vec<&(usize, FleetVehicle)> =
        fleet.iter().zip(&results).filter(|(_, result)| result.is_none()).map(|(it, _)| it).collect();
    let done = fleet.len() - left.len();
    match &going_on {
        Some(it) if it.is_finished(&config.provenance, done as u32, fleet.len() as u32)? => {
            let told = format!("[INFO] All {done} teachers are there already: nothing is to be done");
            observer.line(&told)?;
            return Ok(result_of(config, &run, interrupt));
        }
        Some(it) => {
            let at = (done as u32, "teacher");
            it.begin(&config.provenance, RAPTOR_TASK, &inputs, at, settings.seed, observer)?;
        }
        None => config.provenance.write(&run, RAPTOR_TASK, settings.seed, &inputs)?,
    }
    if done > 0 {
        observer.line(&format!("[INFO] {done} of {} teachers are there already", fleet.len()))?;
    }
    let shown = left.first().map_or_else(|| config.task.clone(), |(_, vehicle)| config.task.of(vehicle));
    let activity = Activity {
        name: "train a fleet",
        step_unit: "teacher",
        rate_unit: "steps",
        position: done as u64,
        total: fleet.len() as u64,
        folder: Some(run.path()),
        task: &shown,
    };
    let metrics = ["fleet/return", "fleet/terminated"];
    let logger = RunLogger::start(&run, observer, &activity, &config.provenance, &metrics, None)?;
    let board = Board::new(logger, fleet.iter().zip(results));
    let job = Job { config, run: &run, interrupt, board };
    // Each teacher learns on one core, so that a fleet keeps all cores busy without waiting for each other.
    left.par_iter().with_max_len(1).try_for_each(|(teacher, vehicle)| job.train(*teacher, vehicle))?;
    job.board.close()?;
    finish(config, &run, interrupt)
}

fn read_result(run: &RunDir, teacher: usize) -> Option<TeacherResult> {
    let text = std::fs::read_to_string(run.path().join(folder(teacher)).join(RESULT)).ok()?;
    serde_json::from_str(&text).ok()
}

struct Job<'a> {
    config: &'a TrainFleetConfig,
    run: &'a RunDir,
    interrupt: &'a Interrupt,
    board: Board<'a>,
}

/// The best that a teacher was so far.
struct Best {
    actor: Policy,
    std: Vec<f32>,
    iteration: u32,
    seed: u64,
    raptor: Score,
    own: Score,
}

impl Best {
    fn total(&self) -> f64 {
        self.raptor.mean_return + self.own.mean_return
    }
}

impl Job<'_> {
    /// Trains the teacher of one vehicle: other seeds until one meets the bar, then its files. An interrupted
    /// teacher leaves none.
    fn train(&self, teacher: usize, vehicle: &FleetVehicle) -> Result<(), Failure> {
        let clock = std::time::Instant::now();
        let fleet = &self.config.fleet;
        let mut best: Option<Best> = None;
        let mut attempts = 0;
        let mut diverged = None;
        while attempts < fleet.max_attempts && !best.as_ref().is_some_and(|it| fleet.accepts(it)) {
            // Where a seed diverged, the next one learns more carefully.
            if let Some(failure) = self.attempt(teacher, vehicle, attempts, &mut best)? {
                self.board.diverged(&failure)?;
                diverged = Some(failure);
            }
            if self.interrupt.interrupted() {
                return Ok(());
            }
            attempts += 1;
        }
        let Some(best) = best else { return diverged.map_or(Ok(()), Err) };
        let result = TeacherResult {
            teacher,
            vehicle: vehicle.id.clone(),
            accepted: fleet.accepts(&best),
            attempts,
            seed: best.seed,
            iteration: best.iteration,
            seconds: clock.elapsed().as_secs_f64(),
            raptor: best.raptor,
            own: best.own,
        };
        self.write(&result, &best, vehicle)?;
        self.board.finished(&result, &fleet.missed(&result.raptor, &result.own))
    }

    /// Learns with one seed, and keeps the best; gives what went wrong where a number was not finite.
    fn attempt(
        &self,
        teacher: usize,
        vehicle: &FleetVehicle,
        attempt: u32,
        best: &mut Option<Best>,
    ) -> Result<Option<Failure>, Failure> {
        let seed = self.config.settings.seed + u64::from(attempt);
        let trainer = self.config.trainer.more_carefully(attempt);
        let mut learner = self.config.task.of(vehicle).learner(&trainer, seed)?;
        match self.learn((teacher, vehicle), (attempt, seed), learner.as_mut(), best) {
            Err(failure) if failure.is_not_finite() => {
                let moment = format!("teacher {teacher}, iteration {}", learner.iteration() + 1);
                let file = self.run.file(format!("black_box_{}.npz", folder(teacher)));
                Ok(Some(failure.not_finite_in((&moment, seed), &file, None)))
            }
            learned => learned.map(|()| None),
        }
    }

    fn learn(
        &self,
        (teacher, vehicle): (usize, &FleetVehicle),
        (attempt, seed): (u32, u64),
        learner: &mut dyn Learner,
        best: &mut Option<Best>,
    ) -> Result<(), Failure> {
        let env = self.config.task.of(vehicle);
        while learner.iteration() < self.config.settings.max_iterations && !self.interrupt.interrupted() {
            let steps = learner.iterate()?.env_steps;
            self.board.count(steps);
            let iteration = learner.iteration();
            if !iteration.is_multiple_of(self.config.settings.eval_interval)
                && iteration != self.config.settings.max_iterations
            {
                continue;
            }
            let now = Best {
                actor: learner.actor().clone(),
                std: learner.std().to_vec(),
                iteration,
                seed,
                raptor: self.measure(Protocol::Raptor, vehicle, learner.actor(), seed)?,
                own: self.measure(self.config.task.protocol, vehicle, learner.actor(), seed)?,
            };
            self.board.measured(
                teacher,
                [attempt + 1, iteration],
                now.raptor,
                &|| env.clone_task(),
                &|| Ok(Actor::new(learner.actor(), &env.spec())?),
            )?;
            let fleet = &self.config.fleet;
            let stops = fleet.stop_return.is_some_and(|it| now.raptor.mean_return >= it)
                && now.raptor.terminated.max(now.own.terminated) <= fleet.stop_terminated;
            if best.as_ref().is_none_or(|best| now.total() > best.total()) {
                *best = Some(now);
            }
            if stops {
                break;
            }
        }
        Ok(())
    }

    /// Flies a policy that learned with a seed, from the starts of a protocol.
    fn measure(
        &self,
        protocol: Protocol,
        vehicle: &FleetVehicle,
        actor: &Policy,
        training_seed: u64,
    ) -> Result<Score, Failure> {
        let task = RaptorConfig { protocol, ..self.config.task.clone() };
        let vehicles = vec![0; self.config.fleet.eval_episodes];
        let seed = apart_from(training_seed, EVALUATION_SEED);
        let mut engine = AnyTask::make_fleet(&task, std::slice::from_ref(vehicle), &vehicles, seed);
        engine.set_on_nan(self.config.settings.on_nan);
        let actor = Actor::new(actor, engine.spec())?;
        let steps = eyas_env::TaskConfig::max_episode_length(&task);
        Ok(evaluate(engine.as_mut(), &actor, None, steps)?.summary().into())
    }

    /// The model, the vehicle, and last what says that both are there.
    fn write(&self, result: &TeacherResult, best: &Best, vehicle: &FleetVehicle) -> Result<(), Failure> {
        let folder = self.run.path().join(folder(result.teacher));
        std::fs::create_dir_all(&folder)?;
        let extra = Value::dict([("best_return", result.own.mean_return)]);
        let iteration = u64::from(best.iteration);
        let model = folder.join(BEST_MODEL);
        rsl_rl::write_actor(&model, &best.actor, &best.std, iteration, Some(&extra))?;
        let spec = eyas_env::TaskConfig::spec(&self.config.task);
        let vehicles = std::slice::from_ref(&vehicle.dynamics);
        contract::write_beside(&model, &best.actor, (&spec, spec.trained_features()), vehicles)?;
        atomic::write(&folder.join(VEHICLE), VehicleFile::from(vehicle).to_json().as_bytes())?;
        let text = serde_json::to_string_pretty(result).map_err(Failure::new)?;
        Ok(atomic::write(&folder.join(RESULT), text.as_bytes())?)
    }
}

/// The teachers that are there, best first.
fn result_of(config: &TrainFleetConfig, run: &RunDir, interrupt: &Interrupt) -> FleetResult {
    let there = config.vehicles.iter().filter_map(|(teacher, _)| read_result(run, *teacher));
    let mut teachers: Vec<TeacherResult> = there.collect();
    teachers.sort_by(|a, b| {
        b.raptor.mean_return.total_cmp(&a.raptor.mean_return).then(a.teacher.cmp(&b.teacher))
    });
    FleetResult {
        run: run.path().to_owned(),
        num_vehicles: config.vehicles.len(),
        teachers,
        is_interrupted: interrupt.interrupted(),
    }
}

/// Tables of all teachers that are there, and what they are worth.
fn finish(config: &TrainFleetConfig, run: &RunDir, interrupt: &Interrupt) -> Result<FleetResult, Failure> {
    let result = result_of(config, run, interrupt);
    let is_there = |teacher: usize| result.teachers.iter().any(|it| it.teacher == teacher);
    let vehicles: Vec<FleetVehicle> = config
        .vehicles
        .iter()
        .filter(|(teacher, _)| is_there(*teacher))
        .map(|(teacher, vehicle)| FleetVehicle { id: format!("{teacher}"), ..vehicle.clone() })
        .collect();
    let table = fleet_to_csv(&vehicles).map_err(Failure::new)?;
    write_file(&run.file(DYNAMICS), table.as_bytes())?;
    write_file(&run.file("ranking.csv"), ranking(&result.teachers).as_bytes())?;
    if !result.is_interrupted {
        RunResult {
            mean_return: result.mean(&|it| it.raptor.mean_return),
            mean_length: result.mean(&|it| it.raptor.mean_length),
            crash_rate: result.mean(&|it| it.raptor.terminated),
            position_rmse_m: None,
            action_rmse: None,
        }
        .write(run)?;
    }
    Ok(result)
}

fn ranking(done: &[TeacherResult]) -> String {
    let mut text = String::from(
        "rank,teacher,vehicle,return,length,terminated,own_return,own_length,own_terminated,accepted,attempts,seed,iteration,seconds\n",
    );
    for (rank, it) in done.iter().enumerate() {
        let TeacherResult { teacher, vehicle, raptor, own, accepted, attempts, seed, iteration, seconds } =
            it;
        let _ = writeln!(
            text,
            "{},{teacher},{vehicle},{},{},{},{},{},{},{accepted},{attempts},{seed},{iteration},{seconds:.2}",
            rank + 1,
            raptor.mean_return,
            raptor.mean_length,
            raptor.terminated,
            own.mean_return,
            own.mean_length,
            own.terminated,
        );
    }
    text
}
