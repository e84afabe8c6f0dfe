//! Teachers into a student.

mod admission;
mod session;

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use eyas_env::{EnvSpec, Group};
use eyas_formats::{LoadOptions, Side, Value, student};
use eyas_lanes::BLOCK;
use eyas_learn::distill::{
    Collector, Dataset, DistillConfig, Fitter, ObservationChoice, Progress, Stored, Student, StudentKind,
    new_student,
};
use eyas_learn::{Evaluation, Summary};
use eyas_policy::Architecture;
use eyas_run::{Interrupt, Layers, Origin, RunDir};
use eyas_vehicles::FleetVehicle;
use serde_json::Value as Json;

use self::admission::Admitted;
use self::session::{Session, flown_after};
use crate::black_box::BLACK_BOX;
use crate::configuration::{AgentConfig, check};
use crate::dataset_file;
use crate::device::{ComputeDevice, EpisodeDevice, LEARNING_DEVICE};
use crate::epoch_csv::EpochCsv;
use crate::evaluate::apart_from;
use crate::failure::Failure;
use crate::mismatch::{Keys, Shape, require_same};
use crate::observer::{Activity, Observer};
use crate::provenance::Provenance;
use crate::resumption::{GoingOn, own_run, require_work};
use crate::run_files::{BEST_STUDENT, write_file};
use crate::run_location::RunLocation;
use crate::run_logger::{Continued, RunLogger};
use crate::snapshot::Snapshots;
use crate::tasks::AnyTask;
use crate::teachers::{Candidate, Teachers, envs_of};
use crate::video::{Recorded, Trigger, VideoPlan, Videos};

/// Folder of all runs.
const ROOT: &str = "logs/distillation";
/// What of the configuration is written into a run's `params`.
pub const GROUPS: [&str; 3] = ["env", "agent", "distill"];
/// Starts of the evaluations, which no training uses.
const EVALUATION_SEED: u64 = 0xe7a1;
/// How the names of the checkpoints to go on from begin.
const CHECKPOINT: &str = "checkpoint_epoch_";
/// Curves by which TensorBoard compares runs.
const METRICS: [&str; 4] =
    ["evaluation/mean_return", "evaluation/crash_rate", "evaluation/position_rmse_m", "training/loss"];
/// The keys of a student's settings.
const STUDENT: Keys =
    Keys { group: "distill.student", normalization: "", cell: "kind", width: "rnn_hidden_dim" };
/// Key of the powers of two that the student learns with.
const EXPONENTS: &str = "input_exponents";

/// What a distillation is made of.
pub struct DistillationConfig {
    /// What is flown.
    pub task: Box<dyn AnyTask>,
    /// What it was asked for by: its id, an alias, or a file.
    pub task_name: String,
    /// Seed, and where the run is written.
    pub agent: AgentConfig,
    /// The student, and how it learns.
    pub distill: DistillConfig,
    /// Who may teach.
    pub candidates: Vec<Candidate>,
    /// How their files were read: what a self-check tries in other ways.
    pub teacher_options: LoadOptions,
    /// Vehicles that the student is measured on at the end, if not on those of its teachers.
    pub test_fleet: Vec<FleetVehicle>,
    /// Where each value comes from.
    pub provenance: Provenance,
    /// Folder of the run itself, instead of a dated one.
    pub run_dir: Option<PathBuf>,
    /// Whether an earlier run goes on: the one that [`AgentConfig::load_run`] names.
    pub resumes: bool,
    /// Which videos are recorded.
    pub video: Option<VideoPlan>,
}

impl DistillationConfig {
    /// The configuration before files, overrides and flags change it: the task's defaults and a preset, by default the one
    /// for many teachers if there are.
    pub fn layers(
        task: &dyn AnyTask,
        preset: Option<&str>,
        has_many_teachers: bool,
    ) -> Result<Layers, Failure> {
        let mut layers = Layers::of_groups([
            ("env", task.layers()?),
            ("agent", Layers::documented(&AgentConfig::default())?),
            ("distill", Layers::documented(&DistillConfig::default())?),
        ]);
        for key in ["distill.episode_steps", "distill.eval_steps"] {
            layers.set(key, task.distillation_steps(), Origin::Preset("task".into()))?;
        }
        match (preset, task.takes_vehicles()) {
            (Some("raptor"), true) => {
                layers.preset("raptor", task.raptor_preset())?;
            }
            (Some("eyas"), true) => {
                layers.preset("eyas", task.fleet_preset())?;
            }
            (None, true) if has_many_teachers => {
                layers.preset("eyas", task.fleet_preset())?;
            }
            (None, _) => {}
            (Some(other), takes_vehicles) => {
                let known = if takes_vehicles { "expected eyas or raptor" } else { "this task has none" };
                return Err(Failure::new(format!("`--preset {other}`: {known}")));
            }
        }
        layers.set("agent.experiment_name", task.experiment(), Origin::Preset("task".into()))?;
        Ok(layers)
    }

    /// The configuration that was put together, every range checked; it has no teachers yet.
    pub fn read(task: &dyn AnyTask, layers: &Layers) -> Result<Self, Failure> {
        let agent: AgentConfig = layers.section("agent")?;
        let distill: DistillConfig = layers.section("distill")?;
        let task = task.read(layers)?;
        check(layers, task.validate())?;
        ComputeDevice::of(layers, &agent)?;
        check(layers, distill.validate())?;
        if distill.registry_interval > 0 && task.registry().is_empty() {
            return Err(Failure::new(format!(
                "`distill.registry_interval`: task `{}` has no named vehicles",
                task.id()
            ))
            .hint("leave it at 0"));
        }
        Ok(Self {
            task_name: task.id().to_owned(),
            task,
            agent,
            distill,
            candidates: Vec::new(),
            teacher_options: LoadOptions { side: Side::Teacher, ..LoadOptions::default() },
            test_fleet: Vec::new(),
            provenance: Provenance::of(layers, &GROUPS)?,
            run_dir: None,
            resumes: false,
            video: None,
        })
    }

    /// Whether a run that goes on after so many epochs needs the data of those.
    pub(crate) fn needs_dataset(&self, epochs: u32) -> bool {
        let DistillConfig { on_policy, keep_dataset, n_epochs, .. } = self.distill;
        !on_policy && (keep_dataset || epochs < n_epochs)
    }

    /// The folder of the run that a configuration which resumes goes on with, if it is one of this program.
    pub fn run_to_go_on_with(layers: &Layers, run_dir: Option<&Path>) -> Result<Option<PathBuf>, Failure> {
        let agent: AgentConfig = layers.section("agent")?;
        let location = location_of(&agent, run_dir);
        let resumed = location.find_checkpoint(&agent.load_run, &agent.load_checkpoint, CHECKPOINT)?;
        own_run(Some(resumed), &GROUPS)
    }
}

fn location_of<'a>(agent: &'a AgentConfig, run_dir: Option<&'a Path>) -> RunLocation<'a> {
    RunLocation { root: ROOT, experiment: &agent.experiment_name, run_name: &agent.run_name, run_dir }
}

/// What became of a distillation.
pub struct DistillationResult {
    /// Folder of the run.
    pub run: PathBuf,
    /// Epochs that are done, and how many there are in all.
    pub epochs: [u32; 2],
    /// Best mean return of an evaluation.
    pub best_return: f64,
    /// Whether the run was complete before, and nothing was done.
    pub was_complete: bool,
    /// The student of the best evaluation.
    pub best_student: PathBuf,
    /// Time from the first epoch of this process, s.
    pub seconds: f64,
    /// What was recorded.
    pub videos: Option<Recorded>,
    /// How student and teachers fly; none of a run that was interrupted.
    pub end: Option<Comparison>,
}

/// How student and teachers fly at the end, from the same starts.
pub struct Comparison {
    /// The student of the last epoch.
    pub final_student: PathBuf,
    /// The student of the best evaluation.
    pub best_student: PathBuf,
    /// Teachers that flew.
    pub num_teachers: usize,
    /// How they did.
    pub of_teachers: Evaluation,
    /// How the best student did.
    pub of_student: Evaluation,
    /// How it did on the test vehicles, if there are any.
    pub on_test_vehicles: Option<Evaluation>,
    /// Longest episode of them all, control steps.
    pub steps: u32,
    /// How it did on the task's named vehicles, if the run flies them.
    pub on_named_vehicles: Vec<(&'static str, Summary)>,
}

impl DistillationResult {
    /// That of a run whose epochs were all done before.
    fn of_finished(run: &RunDir, epochs: u32, best_return: f64) -> Self {
        Self {
            run: run.path().to_owned(),
            epochs: [epochs; 2],
            best_return,
            was_complete: true,
            best_student: run.file(BEST_STUDENT),
            seconds: 0.0,
            videos: None,
            end: None,
        }
    }
}

/// Distils teachers into a student and keeps the best.
pub fn distill(
    config: &DistillationConfig,
    observer: &mut dyn Observer,
    interrupt: &Interrupt,
) -> Result<DistillationResult, Failure> {
    let DistillationConfig { task, agent, .. } = config;
    let seed = agent.seed;
    let location = location_of(agent, config.run_dir.as_deref());
    let resumed = if config.resumes {
        Some(location.find_checkpoint(&agent.load_run, &agent.load_checkpoint, CHECKPOINT)?)
    } else {
        None
    };

    // The folder is taken before anything is read that another process may be writing, and everything that can be refused
    // is refused before anything is written.
    let going_on = resumed.as_ref().map(|it| GoingOn::in_folder(it, &GROUPS)).transpose()?;
    let checkpoint = resumed.as_ref().and_then(|it| it.checkpoint.as_deref());
    let spec = task.make(1, seed).spec().clone();
    let group = student_group(&spec, config.distill.student.group(&spec))?;
    let num_actions = spec.num_actions;
    let fresh = new_student(&config.distill, group.features.clone(), num_actions, seed);
    let parameters = fresh.network.architecture.num_parameters();
    let Devices { fitter, episodes, gpu } = Devices::of(agent, &fresh.network.architecture)?;
    let student = Student::new(fresh, group.features.clone(), seed)?.fitted_by(fitter);
    let width = group.features.len() + num_actions;
    let (mut progress, best) = begin_or_go_on(student, config, checkpoint)?;
    let (epoch, total) = (progress.epoch, config.distill.n_epochs);
    let mut provenance = config.provenance.clone();
    decide_open(&mut provenance, &config.distill);
    if let Some(it) = &going_on
        && it.is_finished(&provenance, epoch, total)?
    {
        let best = student::read(&it.run.file(BEST_STUDENT)).map_or(best, |it| it.best_return);
        return Ok(DistillationResult::of_finished(&it.run, total, best));
    }
    let (work, of) = ((epoch, "epochs"), ("distill.n_epochs", total));
    require_work(work, of, "--n_epochs", going_on.as_ref(), checkpoint)?;
    read_dataset(&mut progress, config, checkpoint, width)?;
    let folder = going_on.as_ref().map(|it| it.run.path());
    let Admitted { teachers, table } =
        Admitted::of(config, (&spec, &group.features), episodes, folder, &mut provenance, observer)?;

    observer.accepted()?;
    let run = match &going_on {
        Some(it) => it.run.clone(),
        None => location.make()?,
    };
    let gpu = gpu.as_deref();
    Introduction { config, run: &run, teachers: &teachers, group: &group, num_actions, parameters, gpu }
        .say(table.is_none(), checkpoint, going_on.is_some(), observer)
        .map_err(|failure| failure.not_finite_in(("a teacher's flight", seed), &run.file(BLACK_BOX), None))?;
    let inputs: Vec<&Path> = config.candidates.iter().map(|it| it.path.as_path()).collect();
    match &going_on {
        Some(it) => it.begin(&provenance, task.id(), &inputs, (epoch, "epoch"), seed, observer)?,
        None => provenance.write(&run, task.id(), seed, &inputs)?,
    }
    if let Some(table) = table {
        write_file(&run.file("teachers.csv"), table.as_bytes())?;
    }

    let mut collector = make_collector(config, &teachers, group.features.clone());
    let shown = shown_task(config, &teachers);
    let activity = Activity {
        name: "distill",
        step_unit: "epoch",
        rate_unit: "samples",
        position: u64::from(epoch),
        total: u64::from(config.distill.n_epochs),
        folder: Some(run.path()),
        task: shown.as_ref(),
    };
    let continued = going_on.is_some().then_some(Continued {
        first: u64::from(epoch),
        clock: "training/loss",
        // It counts batches.
        is_other: |tag| tag == "loss",
    });
    let logger = RunLogger::start(&run, observer, &activity, &provenance, &METRICS, continued.as_ref())?;
    let videos = config.video.map(|plan| {
        let [steps, episodes] = flown_after(config, epoch);
        let first = if plan.trigger == Trigger::Step { steps } else { episodes };
        let teacher = teachers.teachers[0].actor.clone();
        Videos::new(plan, run.videos("distillation"), shown.as_ref(), first).beside("teacher", teacher)
    });
    let has_tables = teachers.teachers.len() > 1 || config.distill.registry_interval > 0;
    let labelling = Arc::clone(&teachers.teachers);
    let mut session = Session {
        config,
        csv: EpochCsv::open(&run, has_tables, epoch, epoch > 0 && config.distill.flies_registry(epoch - 1))?,
        run: &run,
        logger,
        interrupt,
        best,
        clock: std::time::Instant::now(),
        videos,
        snapshots: Snapshots::new(shown.as_ref()),
        teachers,
        batches: progress.student.num_updates(),
        num_lost: 0,
        last_checkpoint: resumed.as_ref().and_then(|it| it.checkpoint.clone()),
    };
    session.record(epoch, &progress.student)?;
    eyas_learn::distill::distill(&config.distill, &labelling, &mut collector, &mut progress, &mut session)
        .map_err(|failure| session.explain(failure, progress.epoch, seed))?;
    let last = session.last_checkpoint.clone();
    session.finish(&progress).map_err(|failure| {
        failure.not_finite_in(("the last measurement", seed), &run.file(BLACK_BOX), last.as_deref())
    })
}

/// Where a distillation computes.
struct Devices {
    /// Fits the student.
    fitter: Box<dyn Fitter>,
    /// Flies whole episodes.
    episodes: EpisodeDevice,
    /// The name of the GPU that does both, if one does.
    gpu: Option<String>,
}

impl Devices {
    fn of(agent: &AgentConfig, architecture: &Architecture) -> Result<Self, Failure> {
        let found = agent.device.parse::<ComputeDevice>().map_err(Failure::new).and_then(|device| {
            let (fitter, episodes) = (device.fitter(architecture)?, EpisodeDevice::new(device)?);
            Ok(Self { fitter, episodes, gpu: device.name()? })
        });
        found.map_err(|failure| failure.of(&format!("`{LEARNING_DEVICE}`")))
    }
}

/// Writes what the kind of student decides in the place of what the configuration leaves open.
fn decide_open(provenance: &mut Provenance, distill: &DistillConfig) {
    let used = distill.resolved();
    for (key, is_open, value) in [
        ("batch_size", distill.batch_size.is_none(), Json::from(used.batch_size)),
        ("sequence_length", distill.sequence_length.is_none(), used.sequence_length.into()),
        ("learning_rate", distill.learning_rate.is_none(), used.learning_rate.into()),
        ("samples_per_epoch", distill.samples_per_epoch.is_none(), used.samples_per_epoch.into()),
    ] {
        if let (true, Ok(value)) = (is_open, eyas_run::Value::of(&value)) {
            provenance.decide(&format!("distill.{key}"), &value, "student");
        }
    }
}

/// What a distillation says of itself before it begins.
struct Introduction<'a> {
    config: &'a DistillationConfig,
    run: &'a RunDir,
    teachers: &'a Teachers,
    /// What the student reads.
    group: &'a Group,
    num_actions: usize,
    /// Of the student.
    parameters: usize,
    /// The GPU that computes, if one does.
    gpu: Option<&'a str>,
}

impl Introduction<'_> {
    fn say(
        &self,
        is_single_teacher: bool,
        checkpoint: Option<&Path>,
        goes_on: bool,
        observer: &mut dyn Observer,
    ) -> Result<(), Failure> {
        let Self { config, teachers, num_actions, parameters, .. } = self;
        let directory = std::path::absolute(self.run.path())?;
        let [of_teacher, of_student] = [teachers.teachers[0].actor.features.len(), self.group.features.len()];
        let logging = format!("[INFO] Logging distillation experiment in directory: {}", directory.display());
        observer.line(&logging)?;
        observer.line(&format!("[INFO] Creating environment: {}", config.task_name))?;
        observer.line(&format!("[INFO] Observation dim: {of_teacher}, Action dim: {num_actions}"))?;
        if is_single_teacher {
            admission::introduce(config, teachers.task.as_ref(), observer)?;
        }
        observer.line("[INFO] Creating student policy")?;
        if let Some(name) = self.gpu {
            observer.line(&format!(
                "[INFO] Flying episodes and fitting it on {} ({name})",
                config.agent.device
            ))?;
        }
        let student = &config.distill.student;
        let is_other = student.kind == StudentKind::Mlp && self.group.name == "policy";
        if is_other && student.observation == ObservationChoice::Auto {
            observer
                .line("[INFO] The student reads the observation group `policy`: the task has no `teacher`")?;
        }
        observer.line(&format!(
            "[INFO] Teacher observation dim: {of_teacher}, Student observation dim: {of_student}, Action dim: {num_actions}, Student parameters: {parameters}",
        ))?;
        if let Some(path) = checkpoint {
            observer.line(&format!("[INFO]: Loading model checkpoint from: {}", path.display()))?;
        } else if goes_on {
            observer.line("[INFO]: The run has no checkpoint yet: it starts from the beginning")?;
        }
        observer.line(&format!("[INFO] Logging to: {}", directory.display()))?;
        let capacity = dataset_capacity(config, teachers.teachers.len(), of_student + num_actions);
        observer.line(&format!("[INFO] Dataset size: {capacity} samples"))?;
        observer.line(&format!("[INFO] Episode length: {}", config.distill.episode_steps))
    }
}

/// What the student reads. A task of a user's own may lack it.
fn student_group(spec: &EnvSpec, name: &str) -> Result<Group, Failure> {
    spec.group(name).cloned().ok_or_else(|| {
        let known: Vec<&str> = spec.groups.iter().map(|group| group.name).collect();
        Failure::new(format!(
            "the student reads the observation group `{name}`, the task has {}",
            known.join(", ")
        ))
        .hint("add it to the task's `observations`, or choose another with `distill.student.observation`")
    })
}

/// What videos and the live view show: of a fleet the first vehicle.
fn shown_task(config: &DistillationConfig, teachers: &Teachers) -> Box<dyn AnyTask> {
    teachers.fleet.first().map_or_else(|| config.task.clone(), |vehicle| config.task.with_vehicle(vehicle))
}

fn dataset_capacity(config: &DistillationConfig, num_teachers: usize, width: usize) -> u64 {
    let distill = &config.distill;
    let vehicles = distill.teachers.vehicles_per_epoch.map_or(num_teachers, |it| it.min(num_teachers)) as u64;
    let epochs = if distill.on_policy { 1 } else { u64::from(distill.n_epochs) };
    let flown = epochs * vehicles * u64::from(distill.num_episodes) * u64::from(distill.episode_steps);
    flown.min(distill.max_memory / (4 * width as u64))
}

fn make_collector(config: &DistillationConfig, teachers: &Teachers, features: Range<usize>) -> Collector {
    let (seed, count) = (config.agent.seed, teachers.teachers.len());
    let mut engine = if count == 1 && teachers.fleet.is_empty() {
        config.task.make(config.task.num_envs(), seed)
    } else {
        // A block of envs flies one vehicle, so that one teacher labels all of it.
        let vehicles: Vec<usize> = (0..count).flat_map(|it| std::iter::repeat_n(it, BLOCK)).collect();
        config.task.make_fleet(&teachers.fleet, &vehicles, seed)
    };
    let (evaluation, fleet, episodes) =
        (teachers.task.clone(), teachers.fleet.clone(), config.distill.eval_episodes);
    teachers.device.lend(engine.as_mut());
    let (own, device) = (apart_from(seed, EVALUATION_SEED), teachers.device.clone());
    let make = Box::new(move || {
        let mut engine = envs_of(evaluation.as_ref(), &fleet, episodes, own);
        device.lend(engine.as_mut());
        engine
    });
    Collector::new(&config.distill, engine, count, features, seed, make)
}

/// The start of a run, or where an earlier one stood at a checkpoint, but for its dataset; and its best return so far.
fn begin_or_go_on(
    student: Student,
    config: &DistillationConfig,
    checkpoint: Option<&Path>,
) -> Result<(Progress, f64), Failure> {
    let dataset = Dataset::new(config.distill.max_memory, config.agent.seed);
    let mut progress = Progress { student, dataset, epoch: 0 };
    let Some(path) = checkpoint else { return Ok((progress, f64::NEG_INFINITY)) };
    let best = restore(&mut progress, path)?;
    Ok((progress, best))
}

/// The data of all epochs so far, where there are more to come that need it; a record has `width` numbers.
fn read_dataset(
    progress: &mut Progress,
    config: &DistillationConfig,
    checkpoint: Option<&Path>,
    width: usize,
) -> Result<(), Failure> {
    match checkpoint {
        Some(path) if !config.distill.on_policy && progress.epoch < config.distill.n_epochs => {
            let run = path.parent().unwrap_or(Path::new("."));
            dataset_file::read(run, &mut progress.dataset, progress.epoch, width)
        }
        _ => Ok(()),
    }
}

/// Student, optimiser and epoch of a checkpoint; returns the best return.
fn restore(progress: &mut Progress, path: &Path) -> Result<f64, Failure> {
    let stored = student::read(path)?;
    let wanted = progress.student.stored().policy.network.architecture;
    let [found, wanted] = [&stored.policy.network.architecture, &wanted]
        .map(|architecture| Shape { architecture, is_normalized: None });
    require_same(&STUDENT, found, wanted, path)?;
    let optimizer = stored
        .optimizer
        .ok_or_else(|| Failure::new("the checkpoint holds no optimiser state").at(&path.display()))?;
    let exponents = stored.extra.as_ref().and_then(|extra| extra.get(EXPONENTS)).and_then(Value::items);
    let exponents =
        exponents.map(|items| items.iter().map_while(|it| it.as_i64()?.try_into().ok()).collect());
    progress.student.restore(Stored {
        policy: stored.policy,
        optimizer: optimizer.into(),
        exponents: exponents.unwrap_or_default(),
    });
    progress.epoch = u32::try_from(stored.epoch).map_err(Failure::new)?;
    Ok(stored.best_return)
}
