//! `eyas distill`: a teacher into a student.

mod config;
mod session;
mod teachers;

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use eyas_env::{EnvSpec, Group};
use eyas_formats::{Value, student};
use eyas_lanes::BLOCK;
use eyas_learn::distill::{Arena, Dataset, Progress, Stored, Student, distill, new_student};
use eyas_run::Interrupt;
use eyas_run::run_dir::Resumable;

use self::config::{Config, layers_of, validated};
use self::session::{Session, flown_after};
use self::teachers::Teachers;
use crate::arguments::Distill;
use crate::configuration;
use crate::crew::{self, Crew};
use crate::dashboard;
use crate::dataset_file;
use crate::failure::Failure;
use crate::journal::{Course, Journal};
use crate::live::{self, Spectacle};
use crate::place::Place;
use crate::report::say;
use crate::setup::{write_file, write_manifest};
use crate::snapshot::Snapshots;
use crate::tables::Tables;
use crate::tasks::{self, Task};
use crate::video::{Defaults, Plan, Videos};

/// Folder of all runs.
const ROOT: &str = "logs/distillation";
/// What of the configuration is written into a run's `params`.
const SECTIONS: [&str; 3] = ["env", "agent", "distill"];
/// Starts of the evaluations, which no training uses.
const EVALUATION_SEED: u64 = 0xe7a1;
/// How the names of the checkpoints to go on from begin.
const CHECKPOINT: &str = "checkpoint_epoch_";
/// Curves by which TensorBoard compares runs.
const METRICS: [&str; 4] =
    ["evaluation/mean_return", "evaluation/crash_rate", "evaluation/position_rmse_m", "training/loss"];
/// Key of the powers of two that the student learns with.
const EXPONENTS: &str = "input_exponents";

pub(crate) fn run(arguments: &Distill) -> Result<ExitCode, Failure> {
    let base = tasks::find(&arguments.flight.task)?;
    dashboard::check(arguments.terminal.tui)?;
    let interrupt = Interrupt::install()?;
    let (layers, resumes) = layers_of(base.as_ref(), arguments)?;
    if configuration::show(&layers, &arguments.flight.configuration)? {
        return Ok(ExitCode::SUCCESS);
    }
    let config = validated(base.as_ref(), &layers)?;
    let film = Plan::of(&arguments.flight.video, Defaults { view: eyas_view::View::Chase, num_envs: 1 })?;
    let seed = config.agent.seed;
    let place = Place {
        root: ROOT,
        experiment: &config.agent.experiment_name,
        run_name: &config.agent.run_name,
        run_dir: arguments.resume.run_dir.as_deref(),
    };
    let resumed = if resumes {
        let (run, checkpoint) = (&config.agent.load_run, &config.agent.load_checkpoint);
        Some(place.find_checkpoint(run, checkpoint, CHECKPOINT)?)
    } else {
        None
    };

    // Everything that can be refused is refused before the run directory is made.
    let spec = config.env.make(1, seed).spec().clone();
    let group = student_group(&spec, config.distill.student.group())?;
    let num_actions = spec.num_actions;
    let test_fleet = match &arguments.test_vehicles {
        Some(path) => crew::read_fleet_for(base.as_ref(), "--test_vehicles", path)?,
        None => Vec::new(),
    };
    let Teachers { candidates, crew, admissions } = Teachers::new(arguments, &config, &spec)?;

    let view = live::open_for_run(arguments.web.web)?;
    let run = match &resumed {
        Some(it) => it.open(&SECTIONS)?,
        None => place.make()?,
    };
    let directory = std::path::absolute(run.path())?;
    say(format!("[INFO] Logging distillation experiment in directory: {}", directory.display()))?;
    say(format!("[INFO] Creating environment: {}", arguments.flight.task))?;
    let observation = crew.teachers[0].pilot.features.len();
    say(format!("[INFO] Observation dim: {observation}, Action dim: {num_actions}"))?;
    if admissions.is_none() {
        teachers::introduce(arguments, &candidates[0], crew.env.as_ref())?;
    }

    say("[INFO] Creating student policy")?;
    let fresh = new_student(&config.distill, group.features.clone(), num_actions, seed);
    let parameters = fresh.network.architecture.num_parameters();
    say(format!(
        "[INFO] Teacher observation dim: {observation}, Student observation dim: {}, Action dim: {num_actions}, Student parameters: {parameters}",
        group.features.len()
    ))?;
    let student = Student::new(fresh, group.features.clone(), seed)?;
    let width = group.features.len() + num_actions;
    let (mut progress, best) = begin_or_go_on(student, &config, width, resumed.as_ref())?;
    say(format!("[INFO] Logging to: {}", directory.display()))?;
    say(format!("[INFO] Dataset size: {} samples", dataset_capacity(&config, crew.teachers.len(), width)))?;
    say(format!("[INFO] Episode length: {}", config.distill.episode_steps))?;
    for section in SECTIONS {
        run.params(section, &layers.table(section)?)?;
    }
    let inputs: Vec<&Path> = candidates.iter().map(|it| it.path.as_path()).collect();
    write_manifest(&run, seed, &inputs, layers.provenance()?)?;
    if let Some(table) = admissions {
        write_file(&run.file("teachers.csv"), table.as_bytes())?;
    }

    let mut arena = make_arena(&config, &crew, group.features.clone());
    let shown = shown_env(&config, &crew);
    let live = view.map(|view| Spectacle::start(view, "distill", "epoch", shown.as_ref())).transpose()?;
    let epoch = progress.epoch;
    let course = course(arguments, epoch, config.distill.n_epochs);
    let mut journal = Journal::start(&run, live, &course, &interrupt)?;
    journal.configured(&layers, &SECTIONS, &METRICS)?;
    let videos = film.map(|plan| {
        let [steps, episodes] = flown_after(&config, epoch);
        let first = if plan.trigger == crate::video::Trigger::Step { steps } else { episodes };
        let teacher = crew.teachers[0].pilot.clone();
        Videos::new(plan, run.videos("distillation"), shown.as_ref(), first).beside("teacher", teacher)
    });
    let tables = Tables::open(&run, crew.teachers.len() > 1 || config.distill.registry_interval > 0, epoch)?;
    let clock = std::time::Instant::now();
    let batches = progress.student.num_updates();
    let mut session = Session {
        config,
        run,
        journal,
        interrupt,
        best,
        clock,
        videos,
        snapshots: Snapshots::new(shown.as_ref()),
        crew,
        test_fleet,
        tables,
        batches,
    };
    session.record(epoch, &progress.student)?;
    let settings = session.config.distill.clone();
    let teachers = Arc::clone(&session.crew.teachers);
    distill(&settings, &teachers, &mut arena, &mut progress, &mut session)?;
    session.finish(arguments, &progress)
}

/// What the student reads. A task of a user's own may lack it.
fn student_group(spec: &EnvSpec, name: &str) -> Result<Group, Failure> {
    spec.group(name).cloned().ok_or_else(|| {
        let known: Vec<&str> = spec.groups.iter().map(|group| group.name).collect();
        Failure::new(format!(
            "the student reads the observation group `{name}`, task `{}` has {}",
            spec.task,
            known.join(", ")
        ))
        .hint(
            "a distillation wants both groups: `teacher`, which teachers and MLP students read, and `policy`, which \
            recurrent students do; add the one that is missing to the task's `observations`, or choose with \
            `distill.student.observation`",
        )
    })
}

/// How the terminal shows epochs from one that is done to the last.
fn course(arguments: &Distill, done: u32, epochs: u32) -> Course<'static> {
    Course {
        activity: "distill",
        units: ["epoch", "samples"],
        position: u64::from(done),
        total: u64::from(epochs),
        is_quiet: arguments.flight.quiet,
        has_dashboard: arguments.terminal.tui,
    }
}

/// What videos and the live view show: of a fleet the first vehicle.
fn shown_env(config: &Config, crew: &Crew) -> Box<dyn Task> {
    crew.fleet.first().map_or_else(|| config.env.clone(), |craft| config.env.with_craft(craft))
}

fn dataset_capacity(config: &Config, num_teachers: usize, width: usize) -> u64 {
    let distill = &config.distill;
    let vehicles = distill.teachers.vehicles_per_epoch.map_or(num_teachers, |it| it.min(num_teachers)) as u64;
    let epochs = if distill.on_policy { 1 } else { u64::from(distill.n_epochs) };
    let flown = epochs * vehicles * u64::from(distill.num_episodes) * u64::from(distill.episode_steps);
    flown.min(distill.max_memory / (4 * width as u64))
}

fn make_arena(config: &Config, crew: &Crew, features: std::ops::Range<usize>) -> Arena {
    let (seed, teachers) = (config.agent.seed, crew.teachers.len());
    let env = if teachers == 1 && crew.fleet.is_empty() {
        config.env.make(config.env.num_envs(), seed)
    } else {
        // A block of envs flies one vehicle, so that one teacher labels all of it.
        let crafts: Vec<usize> = (0..teachers).flat_map(|it| std::iter::repeat_n(it, BLOCK)).collect();
        config.env.make_fleet(&crew.fleet, &crafts, seed)
    };
    let (evaluation, fleet, episodes) = (crew.env.clone(), crew.fleet.clone(), config.distill.eval_episodes);
    let make = Box::new(move || crew::envs_of(evaluation.as_ref(), &fleet, episodes, EVALUATION_SEED));
    Arena::new(&config.distill, env, teachers, features, seed, make)
}

/// The start of a run, or where an earlier one stood; and its best return so far. A record of the dataset has `width`
/// numbers.
fn begin_or_go_on(
    student: Student,
    config: &Config,
    width: usize,
    resumed: Option<&Resumable>,
) -> Result<(Progress, f64), Failure> {
    let dataset = Dataset::new(config.distill.max_memory, config.agent.seed);
    let mut progress = Progress { student, dataset, epoch: 0 };
    let Some(Resumable { checkpoint, .. }) = resumed else { return Ok((progress, f64::NEG_INFINITY)) };
    let Some(path) = checkpoint else {
        say("[INFO]: The run has no checkpoint yet: it starts from the beginning")?;
        return Ok((progress, f64::NEG_INFINITY));
    };
    let best = restore(&mut progress, path, (!config.distill.on_policy).then_some(width))?;
    say(format!("[INFO]: Loading model checkpoint from: {}", path.display()))?;
    Ok((progress, best))
}

/// Student, optimiser, epoch and, off-policy, the dataset of a checkpoint, whose records have `width` numbers;
/// returns the best return.
fn restore(progress: &mut Progress, path: &Path, width: Option<usize>) -> Result<f64, Failure> {
    let stored = student::read(path)?;
    let shape = progress.student.stored().policy.network.architecture;
    if stored.policy.network.architecture != shape {
        return Err(Failure::new("the student of the checkpoint has another shape than `distill.student`")
            .at(&path.display())
            .hint("resume with the options that the run was started with"));
    }
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
    if let Some(width) = width {
        let run = path.parent().unwrap_or(Path::new("."));
        dataset_file::read(run, &mut progress.dataset, progress.epoch, width)?;
    }
    Ok(stored.best_return)
}
