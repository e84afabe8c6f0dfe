//! A policy from nothing.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use eyas_formats::{LoadOptions, Value};
use eyas_learn::{Actor, Evaluation, OnNan, evaluate};
use eyas_policy::Policy;
use eyas_run::run_dir::Resumable;
use eyas_run::{Interrupt, Layers, Origin, RunDir};
use serde::Deserialize;

use crate::black_box::BLACK_BOX;
use crate::configuration::check;
use crate::contract;
use crate::evaluate::apart_from;
use crate::failure::Failure;
use crate::learner::{Algorithm, Iteration, Learner, TrainerConfig, envs_of, restore_envs};
use crate::observer::{Activity, Observer};
use crate::policies::load_policy;
use crate::provenance::Provenance;
use crate::resumption::{GoingOn, own_run, require_work};
use crate::run_files::BEST_MODEL;
use crate::run_location::RunLocation;
use crate::run_logger::{Continued, RunLogger};
use crate::run_result::RunResult;
use crate::snapshot::Snapshots;
use crate::tasks::AnyTask;
use crate::text::{metres, resets_told};
use crate::video::{Recorded, VideoPlan, Videos};

/// Folder of all runs.
pub const ROOT: &str = "logs/rsl_rl";
/// What of the configuration is written into a run's `params`.
pub const GROUPS: [&str; 2] = ["env", "agent"];
/// Starts of the evaluations that pick the best model.
pub(crate) const EVALUATION_SEED: u64 = 0xe7a1;
/// How the names of the checkpoints to go on from begin.
const CHECKPOINT: &str = "model_";
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

/// What a run needs to know, whatever learns: the settings that the runner configs of all algorithms have.
#[derive(Clone, Debug, Deserialize)]
pub struct RunnerSettings {
    /// Seed of every random draw.
    pub seed: u64,
    /// Iterations in all.
    pub max_iterations: u32,
    /// Iterations from checkpoint to checkpoint.
    pub save_interval: u32,
    /// Iterations from evaluation to evaluation.
    pub eval_interval: u32,
    /// Folder of the experiment below [`ROOT`].
    pub experiment_name: String,
    /// Suffix of the run's folder.
    pub run_name: String,
    /// Whether an earlier run goes on.
    pub resume: bool,
    /// Regular expression for its folder.
    pub load_run: String,
    /// Regular expression for its checkpoint.
    pub load_checkpoint: String,
    /// What becomes of an env with a number that is not finite.
    #[serde(default)]
    pub on_nan: OnNan,
}

/// What a training is made of.
pub struct TrainConfig {
    /// What is flown.
    pub task: Box<dyn AnyTask>,
    /// What learns.
    pub trainer: TrainerConfig,
    /// For how long, and where it is written.
    pub settings: RunnerSettings,
    /// Where each value comes from.
    pub provenance: Provenance,
    /// Folder of the run itself, instead of a dated one below [`ROOT`].
    pub run_dir: Option<PathBuf>,
    /// A checkpoint to go on from; with [`RunnerSettings::resume`] also a regular expression for its name.
    pub checkpoint: Option<String>,
    /// Which videos are recorded.
    pub video: Option<VideoPlan>,
}

impl TrainConfig {
    /// The configuration before files, overrides and flags change it: the task's defaults and a preset.
    pub fn layers(task: &dyn AnyTask, algorithm: Algorithm, preset: &str) -> Result<Layers, Failure> {
        let trainer = task.trainer(algorithm)?;
        let mut layers = Layers::of_groups([("env", task.layers()?), ("agent", trainer.layers()?)]);
        layer_preset(&mut layers, task, algorithm, preset)?;
        Ok(layers)
    }

    /// The configuration that was put together, every range checked.
    pub fn read(task: &dyn AnyTask, algorithm: Algorithm, layers: &Layers) -> Result<Self, Failure> {
        let (task, trainer) = (task.read(layers)?, task.trainer(algorithm)?.read(layers)?);
        check(layers, task.validate())?;
        check(layers, trainer.validate())?;
        check(layers, task.validate_training(&trainer))?;
        Ok(Self {
            task,
            trainer,
            settings: layers.section("agent")?,
            provenance: Provenance::of(layers, &GROUPS)?,
            run_dir: None,
            checkpoint: None,
            video: None,
        })
    }

    /// The folder of the run that a configuration goes on with in that folder, if there is one.
    pub fn run_to_go_on_with(
        layers: &Layers,
        run_dir: Option<&Path>,
        checkpoint: Option<&str>,
    ) -> Result<Option<PathBuf>, Failure> {
        let settings: RunnerSettings = layers.section("agent")?;
        let location = location_of(&settings, run_dir);
        let resumed = find_resumed(&settings, checkpoint, &location)?;
        own_run(resumed.filter(|it| location.holds(&it.run)), &GROUPS)
    }
}

fn location_of<'a>(settings: &'a RunnerSettings, run_dir: Option<&'a Path>) -> RunLocation<'a> {
    RunLocation { root: ROOT, experiment: &settings.experiment_name, run_name: &settings.run_name, run_dir }
}

/// Layers a preset of an algorithm, and the name of the task's experiment.
pub(crate) fn layer_preset(
    layers: &mut Layers,
    task: &dyn AnyTask,
    algorithm: Algorithm,
    preset: &str,
) -> Result<(), Failure> {
    if let Some(settings) = task.preset(algorithm, preset)? {
        layers.preset(preset, settings)?;
    }
    layers.set("agent.experiment_name", task.experiment(), Origin::Preset("task".into()))?;
    Ok(())
}

/// What became of a training.
pub struct TrainResult {
    /// Folder of the run.
    pub run: PathBuf,
    /// Iterations that are done.
    pub iteration: u32,
    /// Whether these are all; otherwise it was interrupted.
    pub is_complete: bool,
    /// Whether the run was complete before, and nothing was done.
    pub was_complete: bool,
    /// The newest checkpoint.
    pub checkpoint: PathBuf,
    /// The model of the best evaluation.
    pub best_model: PathBuf,
    /// How it flies; none of a run that was interrupted before one was found.
    pub best: Option<Evaluation>,
    /// Time that this process learned, s.
    pub seconds: f64,
    /// What was recorded.
    pub videos: Option<Recorded>,
}

impl TrainResult {
    /// That of a run whose iterations were all done before.
    fn of_finished(run: &RunDir, iteration: u32) -> Self {
        Self {
            run: run.path().to_owned(),
            iteration,
            is_complete: true,
            was_complete: true,
            checkpoint: run.file(format!("{CHECKPOINT}{iteration}.pt")),
            best_model: run.file(BEST_MODEL),
            best: None,
            seconds: 0.0,
            videos: None,
        }
    }
}

/// Trains a policy and keeps the best.
pub fn train(
    config: &TrainConfig,
    observer: &mut dyn Observer,
    interrupt: &Interrupt,
) -> Result<TrainResult, Failure> {
    let TrainConfig { task, settings, .. } = config;
    let mut learner = task.learner(&config.trainer, settings.seed)?;
    let location = location_of(settings, config.run_dir.as_deref());
    let resumed = find_resumed(settings, config.checkpoint.as_deref(), &location)?;
    // The folder is taken before anything is read that another process may be writing.
    let going_on = match &resumed {
        Some(it) => GoingOn::at(&location, it, &GROUPS)?,
        None => None,
    };
    let checkpoint = resumed.as_ref().and_then(|it| it.checkpoint.as_ref());
    let extra = checkpoint.map(|path| learner.restore(path)).transpose()?.flatten();
    let has_envs = restore_envs(learner.as_mut(), extra.as_ref());
    let (done, total) = (learner.iteration(), settings.max_iterations);
    if let Some(it) = &going_on
        && it.is_finished(&config.provenance, done, total)?
    {
        return Ok(TrainResult::of_finished(&it.run, done));
    }
    let (work, of) = ((done, "iterations"), ("agent.max_iterations", total));
    require_work(work, of, "--max_iterations", going_on.as_ref(), checkpoint.map(PathBuf::as_path))?;
    observer.accepted()?;
    // A run is continued in its own folder; a checkpoint from elsewhere starts a new one.
    let (run, best_return) = match &going_on {
        Some(GoingOn { run, .. }) => {
            let best = extra.as_ref().and_then(|it| it.get(BEST_RETURN)).and_then(Value::as_f64);
            let best = best.filter(|_| run.file(BEST_MODEL).exists());
            (run.clone(), best.unwrap_or(f64::NEG_INFINITY))
        }
        None => (location.make()?, f64::NEG_INFINITY),
    };
    let folder = std::path::absolute(run.path())?;
    observer.line(&format!("[INFO] Logging experiment in directory: {}", folder.display()))?;
    if let Some(path) = checkpoint {
        observer.line(&format!("[INFO]: Loading model checkpoint from: {}", path.display()))?;
        if let (Some(it), None) = (resumed.as_ref().filter(|it| location.holds(&it.run)), &going_on) {
            let theirs = it.run.display();
            observer.line(&format!(
                "[INFO]: Eyas did not write {theirs}: it is only read, and this run has a folder of its own"
            ))?;
        }
        if !has_envs {
            observer.line("[INFO]: The checkpoint holds no state of these envs: they start anew")?;
        }
    } else if resumed.is_some() {
        observer.line("[INFO]: The run has no checkpoint yet: it starts from the beginning")?;
    }
    let inputs: Vec<&Path> = checkpoint.into_iter().map(PathBuf::as_path).collect();
    match &going_on {
        Some(it) => {
            let at = (done, "iteration");
            it.begin(&config.provenance, config.task.id(), &inputs, at, settings.seed, observer)?;
        }
        None => config.provenance.write(&run, config.task.id(), settings.seed, &inputs)?,
    }
    let continued = going_on.is_some().then_some(Continued {
        first: u64::from(done) + 1,
        clock: "Loss/learning_rate",
        is_other: |tag| tag.ends_with("/time"),
    });
    let activity = Activity {
        name: "train",
        step_unit: "iteration",
        rate_unit: "steps",
        position: u64::from(learner.iteration()),
        total: u64::from(settings.max_iterations),
        folder: Some(run.path()),
        task: task.as_ref(),
    };
    let mut session = Session {
        logger: RunLogger::start(
            &run,
            observer,
            &activity,
            &config.provenance,
            &METRICS,
            continued.as_ref(),
        )?,
        videos: config.video.map(|plan| {
            let first = u64::from(learner.iteration());
            Videos::new(plan, run.videos("train"), task.as_ref(), first)
        }),
        snapshots: Snapshots::new(task.as_ref()),
        run: &run,
        settings,
        task: task.as_ref(),
        best_return,
        best: None,
        interrupt,
        env_steps: 0,
        num_lost: 0,
        seconds: 0.0,
        last_checkpoint: checkpoint.cloned(),
    };
    session.show(learner.as_ref())?;
    session.film(learner.as_ref(), 0)?;
    while learner.iteration() < settings.max_iterations && !interrupt.interrupted() {
        let iteration = learner.iteration();
        let learned = learner.iterate().map_err(Failure::from);
        let recorded = learned.and_then(|it| session.record(learner.as_mut(), &it));
        recorded.map_err(|failure| session.explain(failure, iteration))?;
    }
    session.finish(learner.iteration())
}

/// What to go on from: a checkpoint's path, or the newest checkpoint that matches when resuming.
fn find_resumed(
    settings: &RunnerSettings,
    checkpoint: Option<&str>,
    location: &RunLocation,
) -> Result<Option<Resumable>, Failure> {
    match checkpoint.map(Path::new) {
        Some(path) if path.is_file() => {
            let run = path.parent().unwrap_or(Path::new(".")).to_owned();
            Ok(Some(Resumable { run, checkpoint: Some(path.to_owned()) }))
        }
        _ if settings.resume => {
            let pattern = checkpoint.unwrap_or(&settings.load_checkpoint);
            Ok(Some(location.find_checkpoint(&settings.load_run, pattern, CHECKPOINT)?))
        }
        Some(path) => Err(Failure::new(format!("`--checkpoint {}` is not a file", path.display()))
            .hint("give a path, or `--resume` and a regular expression for the file's name")),
        None => Ok(None),
    }
}

/// A training that goes on.
struct Session<'a> {
    run: &'a RunDir,
    settings: &'a RunnerSettings,
    task: &'a dyn AnyTask,
    videos: Option<Videos>,
    snapshots: Snapshots,
    logger: RunLogger<'a>,
    interrupt: &'a Interrupt,
    /// Of the model kept; negative infinity before the first evaluation.
    best_return: f64,
    /// How the model kept flew, if this process has seen it.
    best: Option<Evaluation>,
    env_steps: u64,
    /// How often an env was reset for a number that is not finite.
    num_lost: u64,
    seconds: f64,
    /// What the run can go on from.
    last_checkpoint: Option<PathBuf>,
}

impl Session<'_> {
    /// Lets the policy of the moment fly in the live view, if there is one.
    fn show(&mut self, learner: &dyn Learner) -> Result<(), Failure> {
        let spec = self.task.spec();
        self.logger.policy(&|| Ok(Actor::new(learner.actor(), &spec)?))
    }

    /// Records the policy if a video is due after an iteration that flew `env_steps` steps in all.
    fn film(&mut self, learner: &dyn Learner, env_steps: u64) -> Result<(), Failure> {
        let Some(videos) = &mut self.videos else { return Ok(()) };
        let each = env_steps / self.task.num_envs() as u64;
        let steps = u64::from(learner.iteration()) * each;
        let spec = self.task.spec();
        videos.at(steps, 0, "policy", || Ok(Actor::new(learner.actor(), &spec)?))
    }

    /// Says of a number that is not finite when it was found.
    fn explain(&self, failure: Failure, iteration: u32) -> Failure {
        let moment = format!("iteration {}", iteration + 1);
        let (seed, file) = (self.settings.seed, self.run.file(BLACK_BOX));
        failure.not_finite_in((&moment, seed), &file, self.last_checkpoint.as_deref())
    }

    fn record(&mut self, learner: &mut dyn Learner, iteration: &Iteration) -> Result<(), Failure> {
        self.env_steps += iteration.env_steps;
        self.seconds += iteration.seconds;
        self.show(learner)?;
        self.film(learner, iteration.env_steps)?;
        let index = learner.iteration();
        self.num_lost += iteration.num_lost;
        if iteration.num_lost > 0 {
            let resets = resets_told(iteration.num_lost, self.num_lost);
            self.logger.say(&format!("[WARNING] Iteration {index}: {resets}"))?;
        }
        self.logger.set(u64::from(index));
        self.logger.count(iteration.env_steps);
        for (tag, value) in &iteration.scalars {
            self.logger.scalar(tag, u64::from(index), *value as f32)?;
            if tag.starts_with("Train/") {
                // rsl_rl repeats these over seconds instead of iterations.
                self.logger.scalar(&format!("{tag}/time"), self.seconds as u64, *value as f32)?;
            }
        }
        let is_last = index == self.settings.max_iterations;
        if index.is_multiple_of(self.settings.eval_interval) || is_last {
            self.evaluate(learner)?;
        }
        if index.is_multiple_of(self.settings.save_interval) || is_last || self.interrupt.interrupted() {
            let extra = Value::dict([
                (BEST_RETURN, Value::from(self.best_return)),
                (learner.envs_key(), Value::from(envs_of(learner))),
            ]);
            let path = self.run.file(format!("{CHECKPOINT}{index}.pt"));
            self.save(learner, &path, &extra)?;
            self.last_checkpoint = Some(path);
        }
        Ok(())
    }

    /// The checkpoint, and its contract beside it.
    fn save(&self, learner: &dyn Learner, path: &Path, extra: &Value) -> Result<(), Failure> {
        learner.write(path, extra)?;
        let spec = self.task.spec();
        let vehicles = std::slice::from_ref(self.task.vehicle());
        contract::write_beside(path, learner.actor(), (&spec, spec.trained_features()), vehicles)
    }

    fn fly(&self, actor: &Policy) -> Result<Evaluation, Failure> {
        let mut env =
            self.task.untimed().make(EVALUATION_EPISODES, apart_from(self.settings.seed, EVALUATION_SEED));
        env.set_on_nan(self.settings.on_nan);
        let actor = Actor::new(actor, env.spec())?;
        Ok(evaluate(env.as_mut(), &actor, None, self.task.evaluation_steps())?)
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
                self.logger.scalar(tag, u64::from(index), value as f32)?;
            }
        }
        self.logger.weights(u64::from(index), &learner.actor().network)?;
        let spec = self.task.spec();
        let actor = || Ok(Actor::new(learner.actor(), &spec)?);
        let captions = ["policy", &format!("iteration {index}")];
        self.snapshots.take(&mut self.logger, u64::from(index), captions, actor)?;
        self.logger.flush()?;
        let mut line = format!(
            "Learning iteration {index}/{}: {:.1} s, {:.1e} env steps, return {:.1}",
            self.settings.max_iterations, self.seconds, self.env_steps as f64, all.mean_return,
        );
        for (name, it) in [("hover", &hover), ("moving", &moving)] {
            if it.episodes > 0 {
                let error = metres(it.position_rmse);
                // Writing to a string does not fail.
                let _ = write!(line, "; {name} {error}, {:.2} % crashed", 100.0 * it.crash_rate);
            }
        }
        self.logger.say(&line)?;
        if all.mean_return > self.best_return {
            (self.best_return, self.best) = (all.mean_return, Some(evaluation));
            let extra = Value::dict([(BEST_RETURN, self.best_return)]);
            self.save(learner, &self.run.file(BEST_MODEL), &extra)?;
        }
        Ok(())
    }

    fn finish(self, iteration: u32) -> Result<TrainResult, Failure> {
        let (run, seed, last) = (self.run, self.settings.seed, self.last_checkpoint.clone());
        self.conclude(iteration).map_err(|failure| {
            failure.not_finite_in(("the last measurement", seed), &run.file(BLACK_BOX), last.as_deref())
        })
    }

    fn conclude(mut self, iteration: u32) -> Result<TrainResult, Failure> {
        let is_complete = iteration >= self.settings.max_iterations;
        self.logger.flush()?;
        if self.best.is_none() && is_complete {
            let best = load_policy(&self.run.file(BEST_MODEL), &LoadOptions::default())?;
            self.best = Some(self.fly(&best.policy)?);
        }
        if let (Some(videos), true) = (&mut self.videos, is_complete) {
            let best = load_policy(&self.run.file(BEST_MODEL), &LoadOptions::default())?;
            videos.best("best policy", Actor::new(&best.policy, &self.task.spec())?)?;
        }
        if is_complete {
            self.logger.completed()?;
        }
        self.logger.stopped();
        let best = self.best.take();
        if let (Some(best), true) = (&best, is_complete) {
            RunResult::from(best.summary()).write(self.run)?;
        }
        Ok(TrainResult {
            run: self.run.path().to_owned(),
            iteration,
            is_complete,
            was_complete: false,
            checkpoint: self.run.file(format!("{CHECKPOINT}{iteration}.pt")),
            best_model: self.run.file(BEST_MODEL),
            best,
            seconds: self.seconds,
            videos: self.videos.as_ref().map(Videos::recorded),
        })
    }
}
