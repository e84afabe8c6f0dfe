//! `eyas train`: a teacher from nothing.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use eyas_env::{DifferentiableBlock, DifferentiableTask, VecEnv};
use eyas_env::{PointConfig, RAPTOR_TASK, RaptorConfig, find_task};
use eyas_formats::{AdamState, LoadOptions, Tensor, Value, rsl_rl};
use eyas_learn::apg::{self, Apg};
use eyas_learn::ppo::{self, Ppo};
use eyas_learn::{Evaluation, Pilot, evaluate};
use eyas_policy::{Adam, Network, Policy};
use eyas_run::run_dir::{Resumable, find_resumable};
use eyas_run::{EventWriter, Interrupt, Layers, Origin, Progress, RunDir};
use serde::{Deserialize, Serialize};

use crate::arguments::Train;
use crate::failure::Failure;
use crate::flyable::Flyable;
use crate::report::{self, say};
use crate::setup::{check, layer, load_policy, progress, what_flies, write_manifest};
use crate::video::{Defaults, Plan as VideoPlan, Trigger, Videos};

/// Folder of all runs.
const ROOT: &str = "logs/rsl_rl";
/// Starts of the evaluations that pick the best model.
const EVALUATION_SEED: u64 = 0xe7a1;
/// How the names of the checkpoints to go on from begin.
const CHECKPOINT: &str = "model_";
/// The model of the best evaluation.
const BEST: &str = "best_model.pt";
/// Key of the best return so far in a checkpoint.
const BEST_RETURN: &str = "best_return";
/// Episodes of such an evaluation.
const EVALUATION_EPISODES: usize = 512;

pub(crate) fn run(arguments: &Train) -> Result<ExitCode, Failure> {
    let interrupt = Interrupt::install()?;
    match find_task(&arguments.flight.task)?.id {
        RAPTOR_TASK => run_task::<RaptorConfig>(arguments, interrupt),
        _ => run_task::<PointConfig>(arguments, interrupt),
    }
}

fn run_task<T: Flyable>(arguments: &Train, interrupt: Interrupt) -> Result<ExitCode, Failure> {
    match arguments.algorithm.as_str() {
        "apg" => run_apg::<T>(arguments, interrupt),
        "ppo" => run_ppo::<T>(arguments, interrupt),
        other => Err(Failure::new(format!("`--algorithm {other}`: unknown, expected apg or ppo"))),
    }
}

/// A configuration of one algorithm.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Config<T, A> {
    env: T,
    agent: A,
}

type Gradient<T> = <<T as DifferentiableTask>::Block as DifferentiableBlock>::Surrogate;

fn run_ppo<T: Flyable>(arguments: &Train, interrupt: Interrupt) -> Result<ExitCode, Failure> {
    let mut layers = Layers::new(&Config::<T, ppo::RunnerConfig>::default())?;
    match arguments.preset.as_str() {
        "eyas" => {
            layers.preset("eyas", T::PPO_PRESET)?;
        }
        "foundation" => {}
        other => return Err(unknown_preset(other)),
    }
    configure::<T>(arguments, &mut layers)?;
    let config: Config<T, ppo::RunnerConfig> = layers.finish()?;
    check(&layers, config.env.validate())?;
    check(&layers, config.agent.validate())?;
    let agent = &config.agent;
    let mut env = config.env.make(config.env.num_envs(), agent.seed);
    let learner = PpoLearner { ppo: Ppo::new(agent, env.as_mut(), agent.seed)?, env };
    train(arguments, &layers, &config.env, Box::new(learner), interrupt)
}

fn run_apg<T: Flyable>(arguments: &Train, interrupt: Interrupt) -> Result<ExitCode, Failure> {
    let mut layers = Layers::new(&Config::<T, apg::RunnerConfig<Gradient<T>>>::default())?;
    match arguments.preset.as_str() {
        "eyas" => {
            layers.preset("eyas", T::APG_PRESET)?;
        }
        other => return Err(unknown_preset(other).hint("the foundation preset is one of `--algorithm ppo`")),
    }
    configure::<T>(arguments, &mut layers)?;
    let config: Config<T, apg::RunnerConfig<Gradient<T>>> = layers.finish()?;
    check(&layers, config.env.validate())?;
    check(&layers, config.agent.validate())?;
    let agent = &config.agent;
    let spec = DifferentiableTask::spec(&config.env);
    let learner = ApgLearner {
        apg: Apg::new(agent, &config.env, config.env.num_envs(), agent.seed)?,
        critic: agent.fresh_critic(&spec),
        std: agent.std(&spec),
    };
    train(arguments, &layers, &config.env, Box::new(learner), interrupt)
}

fn unknown_preset(name: &str) -> Failure {
    Failure::new(format!("`--preset {name}`: unknown, expected eyas or foundation"))
}

/// What a run needs to know, whatever learns: the settings that both runner configs have.
#[derive(Deserialize)]
struct Plan {
    seed: u64,
    max_iterations: u32,
    save_interval: u32,
    eval_interval: u32,
    experiment_name: String,
    run_name: String,
    resume: bool,
    load_run: String,
    load_checkpoint: String,
}

/// What an iteration did.
struct Iteration {
    env_steps: u64,
    seconds: f64,
    scalars: Vec<(String, f64)>,
}

/// An algorithm as the session drives it.
trait Learner {
    fn iterate(&mut self) -> Iteration;
    fn iteration(&self) -> u32;
    fn actor(&self) -> &Policy;
    fn write(&self, path: &Path, extra: &Value) -> Result<(), Failure>;
    /// Goes on from a checkpoint; returns what `extra` was.
    fn restore(&mut self, path: &Path) -> Result<Option<Value>, Failure>;
    /// Key of the state of its envs in a checkpoint.
    fn envs_key(&self) -> &'static str;
    /// [`EnvBlock::visit_state`](eyas_env::EnvBlock::visit_state) of all envs.
    fn visit_envs(&mut self, visit: &mut dyn FnMut(&mut u32));
}

/// The state of all envs, as bytes that every torch loads.
fn envs_of(learner: &mut dyn Learner) -> Tensor {
    let mut bytes = Vec::new();
    learner.visit_envs(&mut |word| bytes.extend(word.to_le_bytes()));
    Tensor::from_u8(&[bytes.len()], &bytes)
}

/// Puts a stored state back; returns whether there is one of these envs.
fn restore_envs(learner: &mut dyn Learner, extra: Option<&Value>) -> bool {
    let stored = extra.and_then(|it| it.get(learner.envs_key())).and_then(Value::as_tensor);
    let Some(bytes) = stored.and_then(Tensor::to_u8) else { return false };
    let (words, rest) = bytes.as_chunks();
    let mut expected = 0;
    learner.visit_envs(&mut |_| expected += 1);
    if words.len() != expected || !rest.is_empty() {
        return false;
    }
    let mut words = words.iter();
    learner.visit_envs(&mut |word| *word = words.next().map_or(*word, |bytes| u32::from_le_bytes(*bytes)));
    true
}

fn train<T: Flyable>(
    arguments: &Train,
    layers: &Layers,
    env: &T,
    mut learner: Box<dyn Learner>,
    interrupt: Interrupt,
) -> Result<ExitCode, Failure> {
    let plan = &layers.section::<Plan>("agent")?;
    let film =
        VideoPlan::of(&arguments.flight.video, Defaults { view: eyas_view::View::Fixed, num_envs: 4 })?;
    if film.is_some_and(|film| film.trigger == Trigger::Episode) {
        return Err(Failure::new("`--video_trigger episode`: training counts steps, not episodes")
            .hint("leave the flag out, or record episodes with `eyas play` or `eyas distill`"));
    }
    let root = Path::new(ROOT).join(&plan.experiment_name);
    let resumed = find_resumed(arguments, plan, &root)?;
    let checkpoint = resumed.as_ref().and_then(|it| it.checkpoint.as_ref());
    let extra = checkpoint.map(|path| learner.restore(path)).transpose()?.flatten();
    let has_envs = restore_envs(learner.as_mut(), extra.as_ref());
    let (run, best_return) = match &resumed {
        // A run is continued in its own folder; a checkpoint from elsewhere starts a new one.
        Some(it) if it.run.starts_with(&root) => {
            let run = RunDir::open(&it.run)?;
            let best = extra.as_ref().and_then(|it| it.get(BEST_RETURN)).and_then(Value::as_f64);
            let best = best.filter(|_| run.file(BEST).exists());
            (run, best.unwrap_or(f64::NEG_INFINITY))
        }
        _ => (RunDir::create(ROOT, &plan.experiment_name, &plan.run_name)?, f64::NEG_INFINITY),
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
    run.params_yaml("env", &layers.to_yaml("env")?)?;
    run.params_yaml("agent", &layers.to_yaml("agent")?)?;
    let inputs: Vec<&Path> = checkpoint.into_iter().map(PathBuf::as_path).collect();
    write_manifest(&run, plan.seed, &inputs, layers.provenance())?;
    let mut session = Session {
        bar: progress(arguments.flight.quiet, "train", u64::from(plan.max_iterations), "steps"),
        events: EventWriter::create(run.path())?,
        videos: film.map(|film| {
            let first = u64::from(learner.iteration());
            Videos::new(film, run.videos("train"), env, first)
        }),
        run,
        plan,
        env,
        what_flies: what_flies(&arguments.flight),
        best_return,
        best: None,
        interrupt,
        env_steps: 0,
        seconds: 0.0,
    };
    session.film(learner.as_ref(), 0)?;
    while learner.iteration() < plan.max_iterations && !session.interrupt.interrupted() {
        let iteration = learner.iterate();
        session.record(learner.as_mut(), &iteration)?;
    }
    session.finish(learner.iteration())
}

fn configure<T: Flyable>(arguments: &Train, layers: &mut Layers) -> Result<(), Failure> {
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
fn find_resumed(arguments: &Train, plan: &Plan, root: &Path) -> Result<Option<Resumable>, Failure> {
    match arguments.checkpoint.as_deref().map(Path::new) {
        Some(path) if path.is_file() => {
            let run = path.parent().unwrap_or(Path::new(".")).to_owned();
            Ok(Some(Resumable { run, checkpoint: Some(path.to_owned()) }))
        }
        _ if plan.resume => {
            let pattern = arguments.checkpoint.as_ref().unwrap_or(&plan.load_checkpoint);
            Ok(Some(find_resumable(root, &plan.load_run, pattern, CHECKPOINT)?))
        }
        Some(path) => Err(Failure::new(format!("`--checkpoint {}` is not a file", path.display()))
            .hint("give a path, or `--resume` and a regular expression for the file's name")),
        None => Ok(None),
    }
}

fn other_shape(path: &Path) -> Failure {
    Failure::new("the networks of the checkpoint have other shapes than `agent.actor` and `agent.critic`")
        .at(&path.display())
        .hint("`eyas inspect FILE` shows them; set `agent.actor.hidden_dims` and `agent.critic.hidden_dims`")
}

struct PpoLearner {
    ppo: Ppo,
    env: Box<dyn VecEnv>,
}

impl Learner for PpoLearner {
    fn iterate(&mut self) -> Iteration {
        let report = self.ppo.iterate(self.env.as_mut());
        let seconds = report.collection_time + report.learning_time;
        let std = f64::from(self.ppo.std.iter().sum::<f32>() / self.ppo.std.len() as f32);
        // The scalars of rsl_rl's runner, under the names of 2.x and of 5.x where they differ.
        let mut scalars = named([
            ("Loss/value_function", report.losses.value_function),
            ("Loss/surrogate", report.losses.surrogate),
            ("Loss/entropy", report.losses.entropy),
            ("Loss/kl", report.losses.kl),
            ("Loss/learning_rate", f64::from(self.ppo.learning_rate)),
            ("Policy/mean_std", std),
            ("Policy/mean_noise_std", std),
            ("Perf/total_fps", report.env_steps as f64 / seconds),
            ("Perf/collection time", report.collection_time),
            ("Perf/collection_time", report.collection_time),
            ("Perf/learning_time", report.learning_time),
        ]);
        if let Some((mean_return, mean_length)) = self.ppo.episodes().recent() {
            scalars.push(("Train/mean_reward".to_owned(), mean_return));
            scalars.push(("Train/mean_episode_length".to_owned(), mean_length));
        }
        scalars.extend(self.ppo.episodes().drain(report.env_steps));
        Iteration { env_steps: report.env_steps, seconds, scalars }
    }

    fn iteration(&self) -> u32 {
        self.ppo.iteration
    }

    fn actor(&self) -> &Policy {
        &self.ppo.actor
    }

    fn write(&self, path: &Path, extra: &Value) -> Result<(), Failure> {
        let ppo = &self.ppo;
        let optimizer = AdamState::of(ppo.optimizer.clone(), f64::from(ppo.learning_rate));
        rsl_rl::write_ppo(
            path,
            &rsl_rl::PpoCheckpoint {
                actor: &ppo.actor,
                std: &ppo.std,
                critic: &ppo.critic,
                critic_normalizer: ppo.critic_normalizer.as_ref(),
                optimizer: &optimizer,
                iteration: u64::from(ppo.iteration),
                extra: Some(extra),
            },
        )?;
        Ok(())
    }

    fn restore(&mut self, path: &Path) -> Result<Option<Value>, Failure> {
        let stored = rsl_rl::read_ppo(path)?;
        let ppo = &mut self.ppo;
        let shapes = (&stored.actor.network.architecture, &stored.critic.architecture);
        if shapes != (&ppo.actor.network.architecture, &ppo.critic.architecture) {
            return Err(other_shape(path));
        }
        ppo.actor = stored.actor;
        ppo.critic = stored.critic;
        ppo.std = stored.std;
        ppo.critic_normalizer = stored.critic_normalizer;
        ppo.iteration = u32::try_from(stored.iteration).map_err(Failure::new)?;
        if let Some(state) = stored.optimizer {
            ppo.learning_rate = state.learning_rate as f32;
            ppo.optimizer = state.into();
        }
        Ok(stored.extra)
    }

    fn envs_key(&self) -> &'static str {
        "ppo_envs"
    }

    fn visit_envs(&mut self, visit: &mut dyn FnMut(&mut u32)) {
        self.env.blocks().iter_mut().for_each(|block| block.visit_state(visit));
    }
}

/// The gradient needs neither critic nor noise; both are stored because rsl_rl's layout has them, so that it
/// loads the file and can go on from there with PPO.
struct ApgLearner<B: DifferentiableBlock> {
    apg: Apg<B>,
    critic: Network,
    std: Vec<f32>,
}

impl<B: DifferentiableBlock> Learner for ApgLearner<B> {
    fn iterate(&mut self) -> Iteration {
        let report = self.apg.iterate();
        let mut scalars = named([
            ("Loss/cost", report.cost),
            ("Loss/gradient_norm", report.gradient_norm),
            ("Loss/learning_rate", report.learning_rate),
            ("Train/mean_step_reward", report.reward),
            ("Metrics/died_episodes_per_step", report.crashes_per_step),
            ("Perf/total_fps", report.env_steps as f64 / report.seconds),
            ("Perf/learning_time", report.seconds),
        ]);
        if report.value_loss.is_finite() {
            scalars.push(("Loss/value_function".to_owned(), report.value_loss));
        }
        Iteration { env_steps: report.env_steps, seconds: report.seconds, scalars }
    }

    fn iteration(&self) -> u32 {
        self.apg.iteration
    }

    fn actor(&self) -> &Policy {
        &self.apg.actor
    }

    fn write(&self, path: &Path, extra: &Value) -> Result<(), Failure> {
        let moments = |own: &[f32]| {
            let mut all = vec![0.0; self.std.len()];
            all.extend_from_slice(own);
            all.resize(all.len() + self.critic.parameters.len(), 0.0);
            all
        };
        let optimizer = AdamState {
            step: self.apg.optimizer.step,
            exp_avg: moments(&self.apg.optimizer.exp_avg),
            exp_avg_sq: moments(&self.apg.optimizer.exp_avg_sq),
            learning_rate: self.apg.learning_rate(),
        };
        rsl_rl::write_ppo(
            path,
            &rsl_rl::PpoCheckpoint {
                actor: &self.apg.actor,
                std: &self.std,
                critic: &self.critic,
                critic_normalizer: self.apg.actor.normalizer.as_ref(),
                optimizer: &optimizer,
                iteration: u64::from(self.apg.iteration),
                extra: Some(extra),
            },
        )?;
        Ok(())
    }

    fn restore(&mut self, path: &Path) -> Result<Option<Value>, Failure> {
        let stored = rsl_rl::read_ppo(path)?;
        let parameters = self.apg.actor.network.parameters.len();
        if stored.actor.network.architecture != self.apg.actor.network.architecture {
            return Err(other_shape(path));
        }
        let first = stored.std.len();
        self.apg.set_actor(stored.actor)?;
        self.critic = stored.critic;
        self.std = stored.std;
        self.apg.iteration = u32::try_from(stored.iteration).map_err(Failure::new)?;
        if let Some(state) = stored.optimizer {
            let own = |all: &[f32]| all[first..first + parameters].to_vec();
            self.apg.optimizer =
                Adam { step: state.step, exp_avg: own(&state.exp_avg), exp_avg_sq: own(&state.exp_avg_sq) };
        }
        Ok(stored.extra)
    }

    fn envs_key(&self) -> &'static str {
        "apg_envs"
    }

    fn visit_envs(&mut self, visit: &mut dyn FnMut(&mut u32)) {
        self.apg.visit_envs(visit);
    }
}

fn named<const N: usize>(scalars: [(&str, f64); N]) -> Vec<(String, f64)> {
    scalars.map(|(tag, value)| (tag.to_owned(), value)).to_vec()
}

struct Session<'a, T> {
    run: RunDir,
    plan: &'a Plan,
    env: &'a T,
    /// Flags that say again what is flown.
    what_flies: String,
    videos: Option<Videos<T>>,
    events: EventWriter,
    bar: Progress,
    interrupt: Interrupt,
    /// Of the model kept; negative infinity before the first evaluation.
    best_return: f64,
    /// How the model kept flew, if this process has seen it.
    best: Option<Evaluation>,
    env_steps: u64,
    seconds: f64,
}

impl<T: Flyable> Session<'_, T> {
    /// Records the policy if a video is due after an iteration that flew `env_steps` steps in all.
    fn film(&mut self, learner: &dyn Learner, env_steps: u64) -> Result<(), Failure> {
        let Some(videos) = &mut self.videos else { return Ok(()) };
        let each = env_steps / self.env.num_envs() as u64;
        let steps = u64::from(learner.iteration()) * each;
        let spec = DifferentiableTask::spec(self.env);
        videos.at(steps, 0, "policy", || Ok(Pilot::new(learner.actor(), &spec)?))
    }

    fn record(&mut self, learner: &mut dyn Learner, iteration: &Iteration) -> Result<(), Failure> {
        self.env_steps += iteration.env_steps;
        self.seconds += iteration.seconds;
        self.film(learner, iteration.env_steps)?;
        let index = learner.iteration();
        self.bar.set(u64::from(index));
        self.bar.count(iteration.env_steps);
        for (tag, value) in &iteration.scalars {
            self.events.scalar(tag, u64::from(index), *value as f32)?;
            if tag.starts_with("Train/") {
                // rsl_rl repeats these over seconds instead of iterations.
                self.events.scalar(&format!("{tag}/time"), self.seconds as u64, *value as f32)?;
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
        for (tag, value) in [
            ("evaluation/mean_return", all.mean_return),
            ("evaluation/crash_rate", all.crash_rate),
            ("evaluation/hover_rmse_m", hover.position_rmse),
            ("evaluation/hover_crash_rate", hover.crash_rate),
            ("evaluation/moving_rmse_m", moving.position_rmse),
            ("evaluation/moving_crash_rate", moving.crash_rate),
        ] {
            if value.is_finite() {
                self.events.scalar(tag, u64::from(index), value as f32)?;
            }
        }
        self.events.flush()?;
        self.bar.println(format!(
            "Learning iteration {index}/{}: {:.1} s, {:.1e} env steps, return {:.1}; hover {}, {:.2} % crashed; moving {}, {:.2} % crashed",
            self.plan.max_iterations,
            self.seconds,
            self.env_steps as f64,
            all.mean_return,
            report::metres(hover.position_rmse),
            100.0 * hover.crash_rate,
            report::metres(moving.position_rmse),
            100.0 * moving.crash_rate,
        ))?;
        if all.mean_return > self.best_return {
            (self.best_return, self.best) = (all.mean_return, Some(evaluation));
            let extra = Value::dict([(BEST_RETURN, self.best_return)]);
            learner.write(&self.run.file(BEST), &extra)?;
        }
        Ok(())
    }

    fn finish(mut self, iteration: u32) -> Result<ExitCode, Failure> {
        self.events.flush()?;
        if self.best.is_none() && iteration >= self.plan.max_iterations {
            let best = load_policy(&self.run.file(BEST), &LoadOptions::default())?;
            self.best = Some(self.fly(&best.policy)?);
        }
        let Self { run, bar, plan, best, seconds, videos, what_flies, .. } = self;
        drop(bar);
        if let Some(videos) = &videos {
            videos.finish()?;
        }
        if iteration < plan.max_iterations {
            let name = run.path().file_name().unwrap_or_default().to_string_lossy().into_owned();
            let path = run.file(format!("{CHECKPOINT}{iteration}.pt"));
            say(format!("Interrupted after iteration {iteration}; the checkpoint is {}", path.display()))?;
            say(format!("Go on with: the same command and --resume --load_run {name}"))?;
            return Ok(ExitCode::from(130));
        }
        say(format!("Training completed in {seconds:.1} s"))?;
        if let Some(evaluation) = &best {
            say(report::comparison(&[("best model", evaluation)]).trim_end())?;
            say(report::LEGEND)?;
        }
        let best = run.file(BEST);
        say(format!("Best model saved to: {}", best.display()))?;
        say(format!("Distil it: eyas distill {what_flies} --teacher_checkpoint {}", best.display()))?;
        Ok(ExitCode::SUCCESS)
    }
}
