//! `eyas distill`: a teacher into a student.

mod teachers;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use eyas_env::{Craft, EnvSpec, Group};
use eyas_formats::{AdamState, Value, student};
use eyas_lanes::BLOCK;
use eyas_learn::distill::{
    Arena, Collected, Continue, Dataset, DistillConfig, EpochReport, Observer, Progress, Stored, Student,
    distill, new_student,
};
use eyas_learn::{Evaluation, Pilot, evaluate};
use eyas_run::run_dir::Resumable;
use eyas_run::{Interrupt, Layers, Origin, RunDir};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::teachers::Teachers;
use crate::any_task::{AnyTask, for_task};
use crate::arguments::Distill;
use crate::configuration;
use crate::crew::{self, Crew};
use crate::dashboard;
use crate::dataset_file;
use crate::failure::Failure;
use crate::flyable::Flyable;
use crate::journal::{Course, Journal};
use crate::live::{self, Spectacle};
use crate::outcome::{Comparison, Outcome};
use crate::place::{Place, go_on_with};
use crate::report::{self, say, shell_word};
use crate::setup::{self, AgentConfig, check, layer, load_policy, write_file, write_manifest};
use crate::snapshot::Snapshots;
use crate::tables::Tables;
use crate::video::{Defaults, Plan, Videos};

/// Folder of all runs.
const ROOT: &str = "logs/distillation";
/// What of the configuration is written into a run's `params`.
const SECTIONS: [&str; 3] = ["env", "agent", "distill"];
/// Seeds of the starts that no training uses: the evaluations, the final comparison.
const EVALUATION_SEED: u64 = 0xe7a1;
const FINAL_SEED: u64 = 0xf1a1;
const REGISTRY_SEED: u64 = 0x7e57;
/// How the names of the checkpoints to go on from begin.
const CHECKPOINT: &str = "checkpoint_epoch_";
/// Curves by which TensorBoard compares runs.
const METRICS: [&str; 4] =
    ["evaluation/mean_return", "evaluation/crash_rate", "evaluation/position_rmse_m", "training/loss"];
/// Key of the powers of two that the student learns with.
const EXPONENTS: &str = "input_exponents";

#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Config<T> {
    env: T,
    agent: AgentConfig,
    distill: DistillConfig,
}

pub(crate) fn run(arguments: &Distill) -> Result<ExitCode, Failure> {
    for_task!(AnyTask::find(&arguments.flight.task)?, |base| run_task(base, arguments))
}

fn run_task<T: Flyable>(base: T, arguments: &Distill) -> Result<ExitCode, Failure> {
    dashboard::check(arguments.terminal.tui)?;
    let interrupt = Interrupt::install()?;
    let (layers, resumes) = layers_of(base, arguments)?;
    if configuration::show(&layers, &arguments.flight.configuration)? {
        return Ok(ExitCode::SUCCESS);
    }
    let config: Config<T> = validated(&layers)?;
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
        Some(path) => crew::read_fleet_for::<T>("--test_vehicles", path)?,
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
        teachers::introduce(arguments, &candidates[0], &crew.env)?;
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
    let live = view.map(|view| Spectacle::start(view, "distill", "epoch", &shown)).transpose()?;
    let epoch = progress.epoch;
    let course = course(arguments, epoch, config.distill.n_epochs);
    let mut journal = Journal::start(&run, live, &course, &interrupt)?;
    journal.configured(&layers, &SECTIONS, &METRICS)?;
    let videos = film.map(|plan| {
        let [steps, episodes] = flown_after(&config, epoch);
        let first = if plan.trigger == crate::video::Trigger::Step { steps } else { episodes };
        let teacher = crew.teachers[0].pilot.clone();
        Videos::new(plan, run.videos("distillation"), &shown, first).beside("teacher", teacher)
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
        snapshots: Snapshots::new(&shown),
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

/// All layers, and whether an earlier run goes on.
fn layers_of<T: Flyable>(base: T, arguments: &Distill) -> Result<(Layers, bool), Failure> {
    let mut layers = Layers::documented(&Config {
        env: base,
        agent: AgentConfig::default(),
        distill: DistillConfig::default(),
    })?;
    for key in ["distill.episode_steps", "distill.eval_steps"] {
        layers.set(key, T::DISTILLATION_STEPS, Origin::Preset("task".into()))?;
    }
    let is_many = arguments.teacher_dir.is_some() || arguments.teacher_checkpoint.len() > 1;
    match (arguments.preset.as_deref(), T::TAKES_VEHICLES) {
        (Some("raptor"), true) => {
            layers.preset("raptor", T::RAPTOR_PRESET)?;
        }
        (Some("eyas"), true) => {
            layers.preset("eyas", T::FLEET_PRESET)?;
        }
        (None, true) if is_many => {
            layers.preset("eyas", T::FLEET_PRESET)?;
        }
        (None, _) => {}
        (Some(other), _) => {
            let known = if T::TAKES_VEHICLES { "expected eyas or raptor" } else { "this task has none" };
            return Err(Failure::new(format!("`--preset {other}`: {known}")));
        }
    }
    layer::<T>(&mut layers, &arguments.flight)?;
    let mut set = |key: &str, flag: &str, value: Option<eyas_run::Value>| -> Result<(), Failure> {
        if let Some(value) = value {
            layers.set(&format!("distill.{key}"), value, Origin::flag(flag))?;
        }
        Ok(())
    };
    set("student.kind", "--student", arguments.student.clone().map(Into::into))?;
    set("n_epochs", "--n_epochs", arguments.n_epochs.map(Into::into))?;
    set("num_episodes", "--num_episodes", arguments.num_episodes.map(Into::into))?;
    set("batch_size", "--batch_size", arguments.batch_size.map(Into::into))?;
    set("sequence_length", "--sequence_length", arguments.sequence_length.map(Into::into))?;
    set("learning_rate", "--learning_rate", arguments.learning_rate.map(Into::into))?;
    set("epoch_teacher_forcing", "--epoch_teacher_forcing", arguments.epoch_teacher_forcing.map(Into::into))?;
    for (key, flag, yes, no) in [
        ("shuffle", "--shuffle", arguments.shuffle, arguments.no_shuffle),
        ("on_policy", "--on_policy", arguments.on_policy, arguments.no_on_policy),
        (
            "teacher_deterministic",
            "--teacher_deterministic",
            arguments.teacher_deterministic,
            arguments.no_teacher_deterministic,
        ),
    ] {
        set(key, flag, (yes || no).then(|| (!no).into()))?;
    }
    for (key, flag, value) in [
        ("selection", "--teacher_selection", &arguments.teacher_selection),
        ("on_weak_teacher", "--on_weak_teacher", &arguments.on_weak_teacher),
        ("active", "--active", &arguments.active),
    ] {
        set(&format!("teachers.{key}"), flag, value.clone().map(Into::into))?;
    }
    for (key, flag, value) in [
        ("num_teachers", "--num_teachers", arguments.num_teachers),
        ("num_active_teachers", "--num_active_teachers", arguments.num_active_teachers),
    ] {
        set(&format!("teachers.{key}"), flag, value.map(Into::into))?;
    }
    let memory = arguments.max_memory.as_deref().map(parse_bytes).transpose()?;
    set("max_memory", "--max_memory", memory.map(Into::into))?;
    if arguments.init_noise_std.is_some_and(|std| std != 0.0) {
        return Err(Failure::new(
            "`--init_noise_std`: students act deterministically, expected 0 or no flag",
        )
        .hint("noise of the labels comes from the teacher: `--no-teacher_deterministic`"));
    }
    let resumes = setup::layer_resume(&mut layers, &arguments.resume, arguments.checkpoint.as_deref())?;
    Ok((layers, resumes))
}

fn validated<T: Flyable>(layers: &Layers) -> Result<Config<T>, Failure> {
    let config: Config<T> = layers.finish()?;
    check(layers, config.env.validate())?;
    check(layers, config.agent.validate())?;
    check(layers, config.distill.validate())?;
    if config.distill.registry_interval > 0 && config.env.registry(1, 0).is_empty() {
        return Err(Failure::new(format!(
            "`distill.registry_interval`: task `{}` has no named vehicles",
            T::ID
        ))
        .hint("leave it at 0"));
    }
    Ok(config)
}

/// `512M`, `2G`, `1000000`.
fn parse_bytes(text: &str) -> Result<u64, Failure> {
    let (digits, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let factor = match unit.to_ascii_uppercase().trim_end_matches("IB").trim_end_matches('B') {
        "" => 1,
        "K" => 1 << 10,
        "M" => 1 << 20,
        "G" => 1 << 30,
        _ => 0,
    };
    match digits.parse::<u64>().ok().and_then(|number| number.checked_mul(factor)) {
        Some(bytes) if bytes > 0 => Ok(bytes),
        _ => Err(Failure::new(format!("`--max_memory {text}`: expected a size such as 512M or 2G"))),
    }
}

/// What videos and the live view show: of a fleet the first vehicle.
fn shown_env<T: Flyable>(config: &Config<T>, crew: &Crew<T>) -> T {
    crew.fleet.first().map_or_else(|| config.env.clone(), |craft| config.env.with_craft(craft))
}

/// Control steps of each env, and episodes, that are flown before an epoch.
fn flown_after<T: Flyable>(config: &Config<T>, epoch: u32) -> [u64; 2] {
    let episodes = u64::from(config.distill.num_episodes);
    let rounds = episodes.div_ceil(config.env.num_envs() as u64);
    [rounds * u64::from(config.distill.episode_steps), episodes].map(|each| each * u64::from(epoch))
}

fn dataset_capacity<T>(config: &Config<T>, num_teachers: usize, width: usize) -> u64 {
    let distill = &config.distill;
    let vehicles = distill.teachers.vehicles_per_epoch.map_or(num_teachers, |it| it.min(num_teachers)) as u64;
    let epochs = if distill.on_policy { 1 } else { u64::from(distill.n_epochs) };
    let flown = epochs * vehicles * u64::from(distill.num_episodes) * u64::from(distill.episode_steps);
    flown.min(distill.max_memory / (4 * width as u64))
}

fn make_arena<T: Flyable>(config: &Config<T>, crew: &Crew<T>, features: std::ops::Range<usize>) -> Arena {
    let (seed, teachers) = (config.agent.seed, crew.teachers.len());
    let env = if teachers == 1 && crew.fleet.is_empty() {
        config.env.make(config.env.num_envs(), seed)
    } else {
        // A block of envs flies one vehicle, so that one teacher labels all of it.
        let crafts: Vec<usize> = (0..teachers).flat_map(|it| std::iter::repeat_n(it, BLOCK)).collect();
        config.env.make_fleet(&crew.fleet, &crafts, seed)
    };
    let (evaluation, fleet, episodes) = (crew.env.clone(), crew.fleet.clone(), config.distill.eval_episodes);
    let make = Box::new(move || crew::envs_of(&evaluation, &fleet, episodes, EVALUATION_SEED));
    Arena::new(&config.distill, env, teachers, features, seed, make)
}

/// The start of a run, or where an earlier one stood; and its best return so far. A record of the dataset has `width`
/// numbers.
fn begin_or_go_on<T>(
    student: Student,
    config: &Config<T>,
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

struct Session<T> {
    config: Config<T>,
    run: RunDir,
    journal: Journal,
    interrupt: Interrupt,
    best: f64,
    clock: std::time::Instant,
    videos: Option<Videos<T>>,
    snapshots: Snapshots<T>,
    crew: Crew<T>,
    /// Vehicles that the student is measured on at the end, if not on those of its teachers.
    test_fleet: Vec<Craft>,
    tables: Tables,
    /// Batches that the student has learned from.
    batches: u64,
}

impl<T: Flyable> Session<T> {
    /// Shows the student to whoever looks; records it and the teacher if a video is due before an epoch.
    fn record(&mut self, epoch: u32, student: &Student) -> Result<(), Failure> {
        self.journal.policy(|| Ok(student.pilot()))?;
        let Some(videos) = &mut self.videos else { return Ok(()) };
        let [steps, episodes] = flown_after(&self.config, epoch);
        videos.at(steps, episodes, "student", || Ok(student.pilot()))
    }

    fn teacher_name(&self) -> &'static str {
        if self.crew.teachers.len() == 1 { "teacher" } else { "teachers" }
    }

    /// Flies the named vehicles after an epoch, if the run does: RAPTOR's registry test.
    fn fly_registry(&mut self, epoch: u32, pilot: &Pilot) -> Result<(), Failure> {
        let distill = &self.config.distill;
        if distill.registry_interval == 0 {
            return Ok(());
        }
        for (name, mut env) in self.config.env.registry(distill.registry_episodes, REGISTRY_SEED) {
            let it = evaluate(env.as_mut(), pilot, None, distill.eval_steps);
            let lengths = it.outcomes.iter().map(|it| f64::from(it.length));
            let it = it.summary();
            let variance =
                lengths.map(|length| (length - it.mean_length).powi(2)).sum::<f64>() / it.episodes as f64;
            let numbers = [it.mean_return, it.std_return, it.mean_length, variance.sqrt(), it.crash_rate];
            for (tag, value) in
                ["return/mean", "return/std", "episode_length/mean", "episode_length/std", "share_terminated"]
                    .into_iter()
                    .zip(numbers)
            {
                self.journal.scalar(&format!("test/{name}/{tag}"), u64::from(epoch), value as f32)?;
            }
            let selection = &distill.teachers.selection;
            self.tables.test(
                epoch,
                self.batches,
                name,
                &format!("{selection:?}").to_lowercase(),
                &numbers,
            )?;
            let line = format!(
                "Test - {name}: return {:.1}, length {:.1}, {:.1} % terminated",
                it.mean_return,
                it.mean_length,
                100.0 * it.crash_rate
            );
            self.say(&line)?;
        }
        Ok(())
    }

    fn say(&self, line: &str) -> Result<(), Failure> {
        self.journal.say(line)
    }

    fn save(&self, name: &str, epoch: u32, student: &Student) -> Result<PathBuf, Failure> {
        let path = self.run.file(name);
        let Stored { policy, optimizer, exponents } = student.stored();
        let optimizer = AdamState::of(optimizer, f64::from(self.config.distill.learning_rate_of(epoch)));
        let exponents: Vec<Value> = exponents.into_iter().map(|it| Value::Int(i64::from(it))).collect();
        let extra = Value::dict([(EXPONENTS, exponents)]);
        student::write(
            &path,
            &student::StudentCheckpoint {
                epoch: u64::from(epoch),
                policy: &policy,
                optimizer: &optimizer,
                best_return: self.best,
                extra: Some(&extra),
            },
        )?;
        Ok(path)
    }

    /// The scalars of RAPTOR's TensorBoard log, of what was flown to learn from.
    fn log_fleet(&mut self, report: &EpochReport) -> Result<(), Failure> {
        let (step, collected) = (u64::from(report.epoch), &report.collected);
        let returns = || collected.returns.iter().filter(|it| it.is_finite());
        let count = returns().count().max(1) as f64;
        let mean = returns().sum::<f64>() / count;
        let std = (returns().map(|it| (it - mean).powi(2)).sum::<f64>() / count).sqrt();
        for (tag, value) in [
            ("evaluation/return/mean", mean),
            ("evaluation/return/std", std),
            ("evaluation/episode_length/mean", collected.mean_length),
            ("evaluation/share_terminated", collected.crash_rate),
        ] {
            self.journal.scalar(tag, step, value as f32)?;
        }
        for (batch, loss) in report.losses.iter().enumerate() {
            self.journal.scalar("loss", self.batches + batch as u64, *loss as f32)?;
        }
        self.journal.returns(report.epoch, &self.crew.names(), &collected.returns);
        self.tables.epoch(report, self.clock.elapsed().as_secs_f64())
    }

    fn evaluated(&mut self, evaluation: &Evaluation, epoch: u32, student: &Student) -> Result<(), Failure> {
        let summary = evaluation.summary();
        let step = u64::from(epoch);
        for (tag, value) in [
            ("evaluation/mean_return", summary.mean_return),
            ("evaluation/std_return", summary.std_return),
            ("evaluation/mean_length", summary.mean_length),
            ("evaluation/crash_rate", summary.crash_rate),
            ("evaluation/position_rmse_m", summary.position_rmse),
            ("evaluation/action_rmse", summary.action_rmse),
        ] {
            if value.is_finite() {
                self.journal.scalar(tag, step, value as f32)?;
            }
        }
        self.journal.weights(step, &student.stored().policy.network)?;
        let captions = ["student", &format!("epoch {}", epoch + 1)];
        self.snapshots.take(&mut self.journal, step, captions, || Ok(student.pilot()))?;
        self.say(&format!(
            "Evaluation - Mean return: {:.2} ± {:.2}, Mean length: {:.1}",
            summary.mean_return, summary.std_return, summary.mean_length
        ))?;
        self.say(&format!(
            "Evaluation - Crashed: {:.1} %, Position RMSE: {}{}",
            100.0 * summary.crash_rate,
            report::position(&summary),
            if summary.action_rmse.is_nan() {
                String::new()
            } else {
                format!(", Action error: {:.4}", summary.action_rmse)
            }
        ))?;
        if summary.mean_return > self.best {
            self.best = summary.mean_return;
            self.save("best_student.pt", epoch + 1, student)?;
            self.say(&format!("[INFO] New best model saved! Return: {:.2}", self.best))?;
        }
        Ok(())
    }

    fn finish(mut self, arguments: &Distill, progress: &Progress) -> Result<ExitCode, Failure> {
        self.journal.flush()?;
        self.journal.close();
        if let Some(videos) = &self.videos {
            videos.finish()?;
        }
        let epochs = self.config.distill.n_epochs;
        if progress.epoch < epochs {
            self.say(&format!("Interrupted after epoch {} of {epochs}", progress.epoch))?;
            self.say(&go_on_with(&self.run, arguments.resume.run_dir.as_deref()))?;
            return Ok(ExitCode::from(130));
        }
        let final_path = self.save("final_student.pt", epochs, &progress.student)?;
        let best_path = self.run.file("best_student.pt");
        let best = load_policy(&best_path, &eyas_formats::LoadOptions::default())?;
        let features = progress.student.pilot().features;
        let best_pilot = Pilot { inference: eyas_policy::Inference::new(&best.policy), features };
        let (episodes, steps) = (self.config.distill.final_episodes, self.config.distill.eval_steps);
        let of_teacher = self.crew.fly_teachers(episodes, FINAL_SEED, steps);
        let of_student = self.crew.fly(&best_pilot, episodes, FINAL_SEED, steps);
        let on_others = (!self.test_fleet.is_empty()).then(|| {
            let mut env = crew::envs_of(&self.crew.env, &self.test_fleet, episodes, FINAL_SEED);
            evaluate(env.as_mut(), &best_pilot, None, steps)
        });
        self.say("")?;
        self.say(&format!("Training completed! ({:.1} s)", self.clock.elapsed().as_secs_f64()))?;
        self.say(&format!("Best return: {:.2}", self.best))?;
        self.say(&format!("Final model saved to: {}", final_path.display()))?;
        self.say(&format!("Best model saved to: {}", best_path.display()))?;
        self.say("")?;
        let mut rows = vec![(self.teacher_name(), &of_teacher), ("best student", &of_student)];
        rows.extend(on_others.iter().map(|it| ("on test vehicles", it)));
        self.say(report::comparison(&rows).trim_end())?;
        self.say(report::LEGEND)?;
        let returns = [&of_student, &of_teacher].map(|it| it.summary().mean_return);
        self.say(&report::share_of_teacher(returns))?;
        self.fly_registry(epochs, &best_pilot)?;
        Comparison { teacher: of_teacher.summary(), student: of_student.summary() }.write(&self.run)?;
        Outcome::from(on_others.unwrap_or(of_student).summary()).write(&self.run)?;
        self.journal.completed()?;
        let what_flies = setup::what_flies(&arguments.flight);
        let checkpoint = shell_word(best_path.display());
        self.say(&format!("Fly it: eyas play {what_flies} --checkpoint {checkpoint}"))?;
        Ok(ExitCode::SUCCESS)
    }
}

impl<T: Flyable> Observer for Session<T> {
    type Error = Failure;

    fn begin(&mut self, epoch: u32, is_teacher_forced: bool) -> Result<(), Failure> {
        let rule = "=".repeat(60);
        let distill = &self.config.distill;
        let pilot = if is_teacher_forced { self.teacher_name() } else { "student" };
        let teachers = self.crew.teachers.len();
        let vehicles = distill.teachers.vehicles_per_epoch.map_or(teachers, |it| it.min(teachers));
        self.say(&format!("\n{rule}\nEpoch {}/{}\n{rule}", epoch + 1, distill.n_epochs))?;
        let episodes = u64::from(distill.num_episodes) * vehicles as u64;
        self.say(&format!("[INFO] Collecting {episodes} episodes using {pilot}..."))
    }

    fn collected(&mut self, collected: &Collected, training_samples: usize) -> Result<(), Failure> {
        self.say(&format!(
            "Data collection - Mean return: {:.2} ± {:.2}",
            collected.mean_return, collected.std_return
        ))?;
        self.say(&format!("[INFO] Training on {training_samples} samples..."))
    }

    fn finish(
        &mut self,
        report: &EpochReport,
        student: &Student,
        dataset: &Dataset,
    ) -> Result<Continue, Failure> {
        let (epoch, step) = (report.epoch, u64::from(report.epoch));
        self.journal.set(step + 1);
        self.journal.count((report.collected.samples + report.trained_samples) as u64);
        self.say(&format!("Training - Mean loss: {:.6}", report.loss()))?;
        for (tag, value) in [
            ("data_collection/mean_return", report.collected.mean_return),
            ("data_collection/std_return", report.collected.std_return),
            ("data_collection/crash_rate", report.collected.crash_rate),
            ("training/loss", report.loss()),
            ("training/learning_rate", f64::from(self.config.distill.learning_rate_of(epoch))),
            ("perf/collection_s", report.seconds[0]),
            ("perf/training_s", report.seconds[1]),
            ("perf/evaluation_s", report.seconds[2]),
        ] {
            self.journal.scalar(tag, step, value as f32)?;
        }
        if self.crew.teachers.len() > 1 {
            self.log_fleet(report)?;
        }
        self.batches += report.losses.len() as u64;
        if let Some(evaluation) = &report.evaluation {
            self.say("[INFO] Evaluating student policy...")?;
            self.evaluated(evaluation, epoch, student)?;
        }
        if self.config.distill.flies_registry(epoch) {
            self.fly_registry(epoch + 1, &student.pilot())?;
        }
        self.record(epoch + 1, student)?;
        let stops = self.interrupt.interrupted();
        if (epoch + 1).is_multiple_of(self.config.distill.save_interval) || stops {
            self.journal.flush()?;
            let is_off_policy = !self.config.distill.on_policy;
            if is_off_policy {
                dataset_file::write(self.run.path(), dataset, epoch + 1)?;
            }
            let path = self.save(&format!("{CHECKPOINT}{}.pt", epoch + 1), epoch + 1, student)?;
            if is_off_policy {
                dataset_file::remove_others(self.run.path(), epoch + 1)?;
            }
            self.say(&format!("[INFO] Checkpoint saved to {}", path.display()))?;
        }
        Ok(if stops { Continue::No } else { Continue::Yes })
    }
}
