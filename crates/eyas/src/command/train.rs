//! `eyas train`: a teacher from nothing.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use eyas_env::RAPTOR_TASK;
use eyas_formats::{LoadOptions, Value};
use eyas_learn::{Evaluation, Pilot, evaluate, ppo};
use eyas_policy::Policy;
use eyas_run::run_dir::Resumable;
use eyas_run::{Interrupt, Layers, Origin, RunDir};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::any_task::{AnyTask, for_task};
use crate::arguments::Train;
use crate::command::fleet;
use crate::configuration;
use crate::dashboard;
use crate::failure::Failure;
use crate::flyable::Flyable;
use crate::journal::{Course, Journal};
use crate::learner::{Iteration, Learner, Recipe, envs_of, restore_envs};
use crate::live::{self, Spectacle};
use crate::outcome::Outcome;
use crate::place::{Place, go_on_with};
use crate::report::{self, say, shell_word};
use crate::setup::{check, check_env, layer, load_policy, what_flies, write_manifest};
use crate::snapshot::Snapshots;
use crate::video::{Defaults, Plan as VideoPlan, Trigger, Videos};

/// Folder of all runs.
pub(crate) const ROOT: &str = "logs/rsl_rl";
/// What of the configuration is written into a run's `params`.
const SECTIONS: [&str; 2] = ["env", "agent"];
/// Starts of the evaluations that pick the best model.
pub(crate) const EVALUATION_SEED: u64 = 0xe7a1;
/// How the names of the checkpoints to go on from begin.
const CHECKPOINT: &str = "model_";
/// The model of the best evaluation.
pub(crate) const BEST: &str = "best_model.pt";
/// Key of the best return so far in a checkpoint.
const BEST_RETURN: &str = "best_return";
/// Curves by which TensorBoard compares runs.
const METRICS: [&str; 4] = [
    "evaluation/mean_return",
    "evaluation/crash_rate",
    "evaluation/hover_rmse_m",
    "evaluation/moving_rmse_m",
];
/// Episodes of such an evaluation.
const EVALUATION_EPISODES: usize = 512;

pub(crate) fn run(arguments: &Train) -> Result<ExitCode, Failure> {
    dashboard::check(arguments.terminal.tui)?;
    let interrupt = Interrupt::install()?;
    match AnyTask::find(&arguments.flight.task)? {
        AnyTask::Raptor(_) if arguments.fleet.vehicles.is_some() => fleet::run(arguments, &interrupt),
        task => for_task!(task, |base| run_task(base, arguments, interrupt)),
    }
}

fn run_task<T: Flyable>(base: T, arguments: &Train, interrupt: Interrupt) -> Result<ExitCode, Failure> {
    if arguments.fleet.vehicles.is_some() {
        return Err(Failure::new(format!("`--vehicles`: task `{}` has a vehicle of its own", T::ID))
            .hint(format!("train fleets in `{RAPTOR_TASK}`")));
    }
    match arguments.algorithm.as_deref().unwrap_or(T::ALGORITHM) {
        "apg" => run_recipe::<T, T::Gradient>(base, arguments, interrupt),
        "ppo" => run_recipe::<T, ppo::RunnerConfig>(base, arguments, interrupt),
        other => Err(unknown_algorithm(other)),
    }
}

pub(crate) fn unknown_algorithm(name: &str) -> Failure {
    Failure::new(format!("`--algorithm {name}`: unknown, expected apg or ppo"))
}

/// A configuration of one algorithm.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Config<T, A> {
    env: T,
    agent: A,
}

fn run_recipe<T: Flyable, A: Recipe<T>>(
    base: T,
    arguments: &Train,
    interrupt: Interrupt,
) -> Result<ExitCode, Failure> {
    let mut layers = Layers::documented(&Config { env: base, agent: A::default() })?;
    configure::<T, A>(arguments, &mut layers)?;
    if configuration::show(&layers, &arguments.flight.configuration)? {
        return Ok(ExitCode::SUCCESS);
    }
    let config: Config<T, A> = layers.finish()?;
    check_env(&layers, &config.env)?;
    check(&layers, config.agent.validate())?;
    check(&layers, A::validate_task(&config.env))?;
    let plan = layers.section::<Plan>("agent")?;
    let learner = config.agent.start(&config.env, plan.seed)?;
    train(arguments, &layers, &config.env, &plan, learner, interrupt)
}

/// What a run needs to know, whatever learns: the settings that both runner configs have.
#[derive(Deserialize)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) max_iterations: u32,
    save_interval: u32,
    pub(crate) eval_interval: u32,
    pub(crate) experiment_name: String,
    pub(crate) run_name: String,
    pub(crate) resume: bool,
    pub(crate) load_run: String,
    load_checkpoint: String,
}

fn train<T: Flyable>(
    arguments: &Train,
    layers: &Layers,
    env: &T,
    plan: &Plan,
    mut learner: Box<dyn Learner>,
    interrupt: Interrupt,
) -> Result<ExitCode, Failure> {
    let film =
        VideoPlan::of(&arguments.flight.video, Defaults { view: eyas_view::View::Fixed, num_envs: 4 })?;
    if film.is_some_and(|film| film.trigger == Trigger::Episode) {
        return Err(Failure::new("`--video_trigger episode`: training counts steps, not episodes")
            .hint("leave the flag out, or record episodes with `eyas play` or `eyas distill`"));
    }
    let place = Place {
        root: ROOT,
        experiment: &plan.experiment_name,
        run_name: &plan.run_name,
        run_dir: arguments.resume.run_dir.as_deref(),
    };
    let resumed = find_resumed(arguments, plan, &place)?;
    let checkpoint = resumed.as_ref().and_then(|it| it.checkpoint.as_ref());
    let extra = checkpoint.map(|path| learner.restore(path)).transpose()?.flatten();
    let has_envs = restore_envs(learner.as_mut(), extra.as_ref());
    let view = live::open_for_run(arguments.web.web)?;
    let (run, best_return) = match &resumed {
        // A run is continued in its own folder; a checkpoint from elsewhere starts a new one.
        Some(it) if place.holds(&it.run) => {
            let run = it.open(&SECTIONS)?;
            let best = extra.as_ref().and_then(|it| it.get(BEST_RETURN)).and_then(Value::as_f64);
            let best = best.filter(|_| run.file(BEST).exists());
            (run, best.unwrap_or(f64::NEG_INFINITY))
        }
        _ => (place.make()?, f64::NEG_INFINITY),
    };
    say(format!("[INFO] Logging experiment in directory: {}", std::path::absolute(run.path())?.display()))?;
    if let Some(path) = checkpoint {
        say(format!("[INFO]: Loading model checkpoint from: {}", path.display()))?;
        if !has_envs {
            say("[INFO]: The checkpoint holds no state of these envs: they start anew")?;
        }
    } else if resumed.is_some() {
        say("[INFO]: The run has no checkpoint yet: it starts from the beginning")?;
    }
    for section in SECTIONS {
        run.params(section, &layers.table(section)?)?;
    }
    let inputs: Vec<&Path> = checkpoint.into_iter().map(PathBuf::as_path).collect();
    write_manifest(&run, plan.seed, &inputs, layers.provenance()?)?;
    let spectacle = view.map(|view| Spectacle::start(view, "train", "iteration", env)).transpose()?;
    let course = Course {
        activity: "train",
        units: ["iteration", "steps"],
        position: u64::from(learner.iteration()),
        total: u64::from(plan.max_iterations),
        is_quiet: arguments.flight.quiet,
        has_dashboard: arguments.terminal.tui,
    };
    let mut session = Session {
        journal: Journal::start(&run, spectacle, &course, &interrupt)?,
        videos: film.map(|film| {
            let first = u64::from(learner.iteration());
            Videos::new(film, run.videos("train"), env, first)
        }),
        snapshots: Snapshots::new(env),
        run,
        plan,
        env,
        what_flies: what_flies(&arguments.flight),
        run_dir: arguments.resume.run_dir.as_deref(),
        best_return,
        best: None,
        interrupt,
        env_steps: 0,
        seconds: 0.0,
    };
    session.journal.configured(layers, &SECTIONS, &METRICS)?;
    session.show(learner.as_ref())?;
    session.film(learner.as_ref(), 0)?;
    while learner.iteration() < plan.max_iterations && !session.interrupt.interrupted() {
        let iteration = learner.iterate();
        session.record(learner.as_mut(), &iteration)?;
    }
    session.finish(learner.iteration())
}

/// Layers the preset, then flags over files and overrides.
pub(crate) fn configure<T: Flyable, A: Recipe<T>>(
    arguments: &Train,
    layers: &mut Layers,
) -> Result<(), Failure> {
    if let Some(preset) = A::preset(&arguments.preset)? {
        layers.preset(&arguments.preset, preset)?;
    }
    layer::<T>(layers, &arguments.flight)?;
    if let Some(iterations) = arguments.max_iterations {
        layers.set("agent.max_iterations", iterations, Origin::flag("--max_iterations"))?;
    }
    if let Some(std) = arguments.init_noise_std {
        let key = "agent.actor.distribution_cfg.init_std";
        layers.set(key, std, Origin::flag("--init_noise_std"))?;
    }
    if let Some(run) = &arguments.resume.load_run {
        layers.set("agent.load_run", run.clone(), Origin::flag("--load_run"))?;
    }
    if let Some(resume) = arguments.resume.resume {
        layers.set("agent.resume", resume, Origin::flag("--resume"))?;
    }
    Ok(())
}

/// What to go on from: `--checkpoint` as a path, or the newest checkpoint that matches when resuming.
fn find_resumed(arguments: &Train, plan: &Plan, place: &Place) -> Result<Option<Resumable>, Failure> {
    if !plan.resume && arguments.resume.load_run.is_some() {
        return Err(Failure::new("`--load_run` chooses what to resume, but nothing is resumed")
            .hint("add `--resume`"));
    }
    match arguments.checkpoint.as_deref().map(Path::new) {
        Some(path) if path.is_file() => {
            let run = path.parent().unwrap_or(Path::new(".")).to_owned();
            Ok(Some(Resumable { run, checkpoint: Some(path.to_owned()) }))
        }
        _ if plan.resume => {
            let pattern = arguments.checkpoint.as_ref().unwrap_or(&plan.load_checkpoint);
            Ok(Some(place.find_checkpoint(&plan.load_run, pattern, CHECKPOINT)?))
        }
        Some(path) => Err(Failure::new(format!("`--checkpoint {}` is not a file", path.display()))
            .hint("give a path, or `--resume` and a regular expression for the file's name")),
        None => Ok(None),
    }
}

struct Session<'a, T> {
    run: RunDir,
    plan: &'a Plan,
    env: &'a T,
    /// Flags that say again what is flown.
    what_flies: String,
    /// Folder that the user named for the run.
    run_dir: Option<&'a Path>,
    videos: Option<Videos<T>>,
    snapshots: Snapshots<T>,
    journal: Journal,
    interrupt: Interrupt,
    /// Of the model kept; negative infinity before the first evaluation.
    best_return: f64,
    /// How the model kept flew, if this process has seen it.
    best: Option<Evaluation>,
    env_steps: u64,
    seconds: f64,
}

impl<T: Flyable> Session<'_, T> {
    /// Lets the policy of the moment fly in the live view, if there is one.
    fn show(&mut self, learner: &dyn Learner) -> Result<(), Failure> {
        let spec = self.env.spec();
        self.journal.policy(|| Ok(Pilot::new(learner.actor(), &spec)?))
    }

    /// Records the policy if a video is due after an iteration that flew `env_steps` steps in all.
    fn film(&mut self, learner: &dyn Learner, env_steps: u64) -> Result<(), Failure> {
        let Some(videos) = &mut self.videos else { return Ok(()) };
        let each = env_steps / self.env.num_envs() as u64;
        let steps = u64::from(learner.iteration()) * each;
        let spec = self.env.spec();
        videos.at(steps, 0, "policy", || Ok(Pilot::new(learner.actor(), &spec)?))
    }

    fn record(&mut self, learner: &mut dyn Learner, iteration: &Iteration) -> Result<(), Failure> {
        self.env_steps += iteration.env_steps;
        self.seconds += iteration.seconds;
        self.show(learner)?;
        self.film(learner, iteration.env_steps)?;
        let index = learner.iteration();
        self.journal.set(u64::from(index));
        self.journal.count(iteration.env_steps);
        for (tag, value) in &iteration.scalars {
            self.journal.scalar(tag, u64::from(index), *value as f32)?;
            if tag.starts_with("Train/") {
                // rsl_rl repeats these over seconds instead of iterations.
                self.journal.scalar(&format!("{tag}/time"), self.seconds as u64, *value as f32)?;
            }
        }
        let is_last = index == self.plan.max_iterations;
        if index.is_multiple_of(self.plan.eval_interval) || is_last {
            self.evaluate(learner)?;
        }
        if index.is_multiple_of(self.plan.save_interval) || is_last || self.interrupt.interrupted() {
            let extra = Value::dict([
                (BEST_RETURN, Value::from(self.best_return)),
                (learner.envs_key(), Value::from(envs_of(learner))),
            ]);
            learner.write(&self.run.file(format!("{CHECKPOINT}{index}.pt")), &extra)?;
        }
        Ok(())
    }

    fn fly(&self, actor: &Policy) -> Result<Evaluation, Failure> {
        let mut env = self.env.untimed().make(EVALUATION_EPISODES, EVALUATION_SEED);
        let pilot = Pilot::new(actor, env.spec())?;
        Ok(evaluate(env.as_mut(), &pilot, None, T::EVALUATION_STEPS))
    }

    fn evaluate(&mut self, learner: &dyn Learner) -> Result<(), Failure> {
        let evaluation = self.fly(learner.actor())?;
        let (all, hover, moving) = (evaluation.summary(), evaluation.hover(), evaluation.moving());
        let index = learner.iteration();
        for (tag, value, of) in [
            ("evaluation/mean_return", all.mean_return, &all),
            ("evaluation/crash_rate", all.crash_rate, &all),
            ("evaluation/hover_rmse_m", hover.position_rmse, &hover),
            ("evaluation/hover_crash_rate", hover.crash_rate, &hover),
            ("evaluation/moving_rmse_m", moving.position_rmse, &moving),
            ("evaluation/moving_crash_rate", moving.crash_rate, &moving),
        ] {
            if value.is_finite() && of.episodes > 0 {
                self.journal.scalar(tag, u64::from(index), value as f32)?;
            }
        }
        self.journal.weights(u64::from(index), &learner.actor().network)?;
        let spec = self.env.spec();
        let pilot = || Ok(Pilot::new(learner.actor(), &spec)?);
        let captions = ["policy", &format!("iteration {index}")];
        self.snapshots.take(&mut self.journal, u64::from(index), captions, pilot)?;
        self.journal.flush()?;
        let mut line = format!(
            "Learning iteration {index}/{}: {:.1} s, {:.1e} env steps, return {:.1}",
            self.plan.max_iterations, self.seconds, self.env_steps as f64, all.mean_return,
        );
        for (name, it) in [("hover", &hover), ("moving", &moving)] {
            if it.episodes > 0 {
                let error = report::metres(it.position_rmse);
                // Writing to a string does not fail.
                let _ = write!(line, "; {name} {error}, {:.2} % crashed", 100.0 * it.crash_rate);
            }
        }
        self.journal.say(&line)?;
        if all.mean_return > self.best_return {
            (self.best_return, self.best) = (all.mean_return, Some(evaluation));
            let extra = Value::dict([(BEST_RETURN, self.best_return)]);
            learner.write(&self.run.file(BEST), &extra)?;
        }
        Ok(())
    }

    fn finish(mut self, iteration: u32) -> Result<ExitCode, Failure> {
        self.journal.flush()?;
        if self.best.is_none() && iteration >= self.plan.max_iterations {
            let best = load_policy(&self.run.file(BEST), &LoadOptions::default())?;
            self.best = Some(self.fly(&best.policy)?);
        }
        if iteration >= self.plan.max_iterations {
            self.journal.completed()?;
        }
        self.journal.close();
        let Self { run, plan, best, seconds, videos, what_flies, run_dir, .. } = self;
        if let Some(videos) = &videos {
            videos.finish()?;
        }
        if iteration < plan.max_iterations {
            let path = run.file(format!("{CHECKPOINT}{iteration}.pt"));
            say(format!("Interrupted after iteration {iteration}; the checkpoint is {}", path.display()))?;
            say(go_on_with(&run, run_dir))?;
            return Ok(ExitCode::from(130));
        }
        say(format!("Training completed in {seconds:.1} s"))?;
        if let Some(evaluation) = &best {
            say(report::comparison(&[("best model", evaluation)]).trim_end())?;
            say(report::LEGEND)?;
            Outcome::from(evaluation.summary()).write(&run)?;
        }
        let best = run.file(BEST);
        say(format!("Best model saved to: {}", best.display()))?;
        let checkpoint = shell_word(best.display());
        say(format!("Distil it: eyas distill {what_flies} --teacher_checkpoint {checkpoint}"))?;
        Ok(ExitCode::SUCCESS)
    }
}
