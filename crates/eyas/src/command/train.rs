//! `eyas train`: a teacher from nothing.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use eyas_env::{DifferentiableBlock, DifferentiableTask, PointConfig, VecEnv};
use eyas_formats::{AdamState, rsl_rl};
use eyas_learn::apg::{self, Apg};
use eyas_learn::ppo::{self, Ppo};
use eyas_learn::{Evaluation, Pilot, evaluate};
use eyas_policy::{Adam, Network, Policy};
use eyas_run::run_dir::find_run;
use eyas_run::{EventWriter, Interrupt, Layers, Origin, Progress, RunDir};
use serde::{Deserialize, Serialize};

use crate::arguments::Train;
use crate::failure::Failure;
use crate::report::{self, say};
use crate::setup::{check, layer, make_env, progress, write_manifest};
use crate::video::{Defaults, Plan as VideoPlan, Trigger, Videos};

/// Eyas' own settings for the point task; `docs/algorithms` says what they are worth.
const PPO_PRESET: &str = include_str!("../../presets/point_ctrl_ppo.yaml");
const APG_PRESET: &str = include_str!("../../presets/point_ctrl_apg.yaml");
/// Folder of all runs.
const ROOT: &str = "logs/rsl_rl";
/// Starts of the evaluations that pick the best model.
const EVALUATION_SEED: u64 = 0xe7a1;
/// Episodes and steps of such an evaluation.
const EVALUATION: (usize, u32) = (512, 2000);

pub(crate) fn run(arguments: &Train) -> Result<ExitCode, Failure> {
    let interrupt = Interrupt::install()?;
    match arguments.algorithm.as_str() {
        "apg" => run_apg(arguments, interrupt),
        "ppo" => run_ppo(arguments, interrupt),
        other => Err(Failure::new(format!("`--algorithm {other}`: unknown, expected apg or ppo"))),
    }
}

/// A configuration of one algorithm.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Config<A> {
    env: PointConfig,
    agent: A,
}

fn run_ppo(arguments: &Train, interrupt: Interrupt) -> Result<ExitCode, Failure> {
    let mut layers = Layers::new(&Config::<ppo::RunnerConfig>::default())?;
    match arguments.preset.as_str() {
        "eyas" => {
            layers.preset("eyas", PPO_PRESET)?;
        }
        "foundation" => {}
        other => return Err(unknown_preset(other)),
    }
    configure(arguments, &mut layers)?;
    let config: Config<ppo::RunnerConfig> = layers.finish()?;
    check(&layers, config.env.validate())?;
    check(&layers, config.agent.validate())?;
    let agent = &config.agent;
    let mut env = make_env(&config.env, config.env.scene.num_envs, agent.seed);
    let learner = PpoLearner { ppo: Ppo::new(agent, env.as_mut(), agent.seed)?, env };
    train(arguments, &layers, &config.env, Box::new(learner), interrupt)
}

fn run_apg(arguments: &Train, interrupt: Interrupt) -> Result<ExitCode, Failure> {
    let mut layers = Layers::new(&Config::<apg::RunnerConfig>::default())?;
    match arguments.preset.as_str() {
        "eyas" => {
            layers.preset("eyas", APG_PRESET)?;
        }
        other => return Err(unknown_preset(other).hint("the foundation preset is one of `--algorithm ppo`")),
    }
    configure(arguments, &mut layers)?;
    let config: Config<apg::RunnerConfig> = layers.finish()?;
    check(&layers, config.env.validate())?;
    check(&layers, config.agent.validate())?;
    let agent = &config.agent;
    let spec = DifferentiableTask::spec(&config.env);
    let learner = ApgLearner {
        apg: Apg::new(agent, &config.env, config.env.scene.num_envs, agent.seed)?,
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
    fn write(&self, path: &Path) -> Result<(), Failure>;
    fn restore(&mut self, path: &Path) -> Result<(), Failure>;
}

fn train(
    arguments: &Train,
    layers: &Layers,
    env: &PointConfig,
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
    let resumed = find_checkpoint(arguments, plan, &root)?;
    if let Some(path) = &resumed {
        learner.restore(path)?;
    }
    let run = match &resumed {
        // A run is continued in its own folder; a checkpoint from elsewhere starts a new one.
        Some(path) if path.starts_with(&root) => RunDir::open(path.parent().unwrap_or(Path::new(".")))?,
        _ => RunDir::create(ROOT, &plan.experiment_name, &plan.run_name)?,
    };
    say(format!("[INFO] Logging experiment in directory: {}", std::path::absolute(run.path())?.display()))?;
    if let Some(path) = &resumed {
        say(format!("[INFO]: Loading model checkpoint from: {}", path.display()))?;
    }
    run.params_yaml("env", &layers.to_yaml("env")?)?;
    run.params_yaml("agent", &layers.to_yaml("agent")?)?;
    let inputs: Vec<&Path> = resumed.iter().map(PathBuf::as_path).collect();
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
        best: None,
        interrupt,
        env_steps: 0,
        seconds: 0.0,
    };
    session.film(learner.as_ref(), 0)?;
    while learner.iteration() < plan.max_iterations && !session.interrupt.interrupted() {
        let iteration = learner.iterate();
        session.record(learner.as_ref(), &iteration)?;
    }
    session.finish(learner.iteration())
}

fn configure(arguments: &Train, layers: &mut Layers) -> Result<(), Failure> {
    layer(layers, &arguments.flight)?;
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

/// The checkpoint to go on from: `--checkpoint` as a path, or the newest that matches when resuming.
fn find_checkpoint(arguments: &Train, plan: &Plan, root: &Path) -> Result<Option<PathBuf>, Failure> {
    match arguments.checkpoint.as_deref() {
        Some(path) if Path::new(path).is_file() => Ok(Some(path.into())),
        pattern if plan.resume => {
            Ok(Some(find_run(root, &plan.load_run, pattern.unwrap_or(&plan.load_checkpoint))?))
        }
        Some(path) => Err(Failure::new(format!("`--checkpoint {path}` is not a file"))
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

    fn write(&self, path: &Path) -> Result<(), Failure> {
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
                extra: None,
            },
        )?;
        Ok(())
    }

    fn restore(&mut self, path: &Path) -> Result<(), Failure> {
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
        Ok(())
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
        let scalars = named([
            ("Loss/cost", report.cost),
            ("Loss/gradient_norm", report.gradient_norm),
            ("Loss/learning_rate", report.learning_rate),
            ("Train/mean_step_reward", report.reward),
            ("Metrics/died_episodes_per_step", report.crashes_per_step),
            ("Perf/total_fps", report.env_steps as f64 / report.seconds),
            ("Perf/learning_time", report.seconds),
        ]);
        Iteration { env_steps: report.env_steps, seconds: report.seconds, scalars }
    }

    fn iteration(&self) -> u32 {
        self.apg.iteration
    }

    fn actor(&self) -> &Policy {
        &self.apg.actor
    }

    fn write(&self, path: &Path) -> Result<(), Failure> {
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
                extra: None,
            },
        )?;
        Ok(())
    }

    fn restore(&mut self, path: &Path) -> Result<(), Failure> {
        let stored = rsl_rl::read_ppo(path)?;
        let parameters = self.apg.actor.network.parameters.len();
        if stored.actor.network.architecture != self.apg.actor.network.architecture {
            return Err(other_shape(path));
        }
        let first = stored.std.len();
        self.apg.actor = stored.actor;
        self.critic = stored.critic;
        self.std = stored.std;
        self.apg.iteration = u32::try_from(stored.iteration).map_err(Failure::new)?;
        if let Some(state) = stored.optimizer {
            let own = |all: &[f32]| all[first..first + parameters].to_vec();
            self.apg.optimizer =
                Adam { step: state.step, exp_avg: own(&state.exp_avg), exp_avg_sq: own(&state.exp_avg_sq) };
        }
        Ok(())
    }
}

fn named<const N: usize>(scalars: [(&str, f64); N]) -> Vec<(String, f64)> {
    scalars.map(|(tag, value)| (tag.to_owned(), value)).to_vec()
}

struct Session<'a> {
    run: RunDir,
    plan: &'a Plan,
    env: &'a PointConfig,
    videos: Option<Videos>,
    events: EventWriter,
    bar: Progress,
    interrupt: Interrupt,
    best: Option<Evaluation>,
    env_steps: u64,
    seconds: f64,
}

impl Session<'_> {
    /// Records the policy if a video is due after an iteration that flew `env_steps` steps in all.
    fn film(&mut self, learner: &dyn Learner, env_steps: u64) -> Result<(), Failure> {
        let Some(videos) = &mut self.videos else { return Ok(()) };
        let each = env_steps / self.env.scene.num_envs as u64;
        let steps = u64::from(learner.iteration()) * each;
        let spec = DifferentiableTask::spec(self.env);
        videos.at(steps, 0, "policy", || Ok(Pilot::new(learner.actor(), &spec)?))
    }

    fn record(&mut self, learner: &dyn Learner, iteration: &Iteration) -> Result<(), Failure> {
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
            learner.write(&self.run.file(format!("model_{index}.pt")))?;
        }
        Ok(())
    }

    fn evaluate(&mut self, learner: &dyn Learner) -> Result<(), Failure> {
        let (episodes, steps) = EVALUATION;
        let env = PointConfig { episode_length_s: 1e6, ..self.env.clone() };
        let mut env = make_env(&env, episodes, EVALUATION_SEED);
        let pilot = Pilot::new(learner.actor(), env.spec())?;
        let evaluation = evaluate(env.as_mut(), &pilot, None, steps);
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
            "Learning iteration {index}/{}: {:.1} s, {:.1e} env steps, return {:.1}; hover {:.4} m, {:.2} % crashed; moving {:.4} m, {:.2} % crashed",
            self.plan.max_iterations,
            self.seconds,
            self.env_steps as f64,
            all.mean_return,
            hover.position_rmse,
            100.0 * hover.crash_rate,
            moving.position_rmse,
            100.0 * moving.crash_rate,
        ))?;
        if self.best.as_ref().is_none_or(|best| all.mean_return > best.summary().mean_return) {
            self.best = Some(evaluation);
            learner.write(&self.run.file("best_model.pt"))?;
        }
        Ok(())
    }

    fn finish(mut self, iteration: u32) -> Result<ExitCode, Failure> {
        self.events.flush()?;
        let Self { run, bar, plan, best, seconds, videos, .. } = self;
        drop(bar);
        if let Some(videos) = &videos {
            videos.finish()?;
        }
        if iteration < plan.max_iterations {
            let name = run.path().file_name().unwrap_or_default().to_string_lossy().into_owned();
            let path = run.file(format!("model_{iteration}.pt"));
            say(format!("Interrupted after iteration {iteration}; the checkpoint is {}", path.display()))?;
            say(format!("Go on with: the same command and --resume --load_run {name}"))?;
            return Ok(ExitCode::from(130));
        }
        say(format!("Training completed in {seconds:.1} s"))?;
        if let Some(evaluation) = &best {
            say(report::comparison(&[("best model", evaluation)]).trim_end())?;
            say(report::LEGEND)?;
        }
        let best = run.file("best_model.pt");
        say(format!("Best model saved to: {}", best.display()))?;
        say(format!(
            "Distil it: eyas distill --task {} --teacher_checkpoint {}",
            eyas_env::POINT_TASK,
            best.display()
        ))?;
        Ok(ExitCode::SUCCESS)
    }
}
