//! `eyas train`: a teacher from nothing.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use eyas_env::PointConfig;
use eyas_formats::{AdamState, rsl_rl};
use eyas_learn::ppo::{Ppo, Report, RunnerConfig};
use eyas_learn::{Evaluation, Pilot, evaluate};
use eyas_policy::Adam;
use eyas_run::run_dir::find_run;
use eyas_run::{EventWriter, Interrupt, Layers, Origin, Progress, RunDir};
use serde::{Deserialize, Serialize};

use crate::arguments::Train;
use crate::failure::Failure;
use crate::report;
use crate::setup::{check, layer, make_env, progress, write_manifest};

/// Eyas' own settings for the point task; `docs/algorithms/ppo.md` says what each is worth.
const EYAS_PRESET: &str = include_str!("../../presets/point_ctrl_eyas.yaml");
/// Folder of all runs.
const ROOT: &str = "logs/rsl_rl";
/// Starts of the evaluations that pick the best model.
const EVALUATION_SEED: u64 = 0xe7a1;
/// Episodes and steps of such an evaluation.
const EVALUATION: (usize, u32) = (512, 2000);

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    env: PointConfig,
    agent: RunnerConfig,
}

pub(crate) fn run(arguments: &Train) -> Result<ExitCode, Failure> {
    let interrupt = Interrupt::install()?;
    let (config, layers) = configure(arguments)?;
    let mut env = make_env(&config.env, config.env.scene.num_envs, config.agent.seed);
    let mut ppo = Ppo::new(&config.agent, env.as_mut(), config.agent.seed)?;
    let root = Path::new(ROOT).join(&config.agent.experiment_name);
    let resumed = find_checkpoint(arguments, &config, &root)?;
    let run = match &resumed {
        // A run is continued in its own folder; a checkpoint from elsewhere starts a new one.
        Some(path) if path.starts_with(&root) => RunDir::open(path.parent().unwrap_or(Path::new(".")))?,
        _ => RunDir::create(ROOT, &config.agent.experiment_name, &config.agent.run_name)?,
    };
    println!("[INFO] Logging experiment in directory: {}", run.path().display());
    if let Some(path) = &resumed {
        println!("[INFO]: Loading model checkpoint from: {}", path.display());
        restore(&mut ppo, path)?;
    }
    run.params_yaml("env", &layers.to_yaml("env")?)?;
    run.params_yaml("agent", &layers.to_yaml("agent")?)?;
    let inputs: Vec<&Path> = resumed.iter().map(PathBuf::as_path).collect();
    write_manifest(&run, config.agent.seed, &inputs, layers.provenance())?;

    let mut session = Session {
        bar: progress(arguments.flight.quiet, "train", u64::from(config.agent.max_iterations), "steps"),
        events: EventWriter::create(run.path())?,
        run,
        config,
        best: f64::NEG_INFINITY,
        best_evaluation: None,
        interrupt,
        env_steps: 0,
        seconds: 0.0,
    };
    while ppo.iteration < session.config.agent.max_iterations && !session.interrupt.interrupted() {
        let report = ppo.iterate(env.as_mut());
        session.record(&mut ppo, &report)?;
    }
    session.finish(&ppo)
}

fn configure(arguments: &Train) -> Result<(Config, Layers), Failure> {
    let mut layers = Layers::new(&Config::default())?;
    match arguments.preset.as_str() {
        "eyas" => {
            layers.preset("eyas", EYAS_PRESET)?;
        }
        "foundation" => {}
        other => {
            return Err(Failure::new(format!("`--preset {other}`: unknown, expected eyas or foundation")));
        }
    }
    layer(&mut layers, &arguments.flight)?;
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
    let config: Config = layers.finish()?;
    check(&layers, config.env.validate())?;
    check(&layers, config.agent.validate())?;
    Ok((config, layers))
}

/// The checkpoint to go on from: `--checkpoint` as a path, or the newest that matches when resuming.
fn find_checkpoint(arguments: &Train, config: &Config, root: &Path) -> Result<Option<PathBuf>, Failure> {
    match arguments.checkpoint.as_deref() {
        Some(path) if Path::new(path).is_file() => Ok(Some(path.into())),
        pattern if config.agent.resume => {
            let pattern = pattern.unwrap_or(&config.agent.load_checkpoint);
            Ok(Some(find_run(root, &config.agent.load_run, pattern)?))
        }
        Some(path) => Err(Failure::new(format!("`--checkpoint {path}` is not a file"))
            .hint("give a path, or `--resume` and a regular expression for the file's name")),
        None => Ok(None),
    }
}

fn restore(ppo: &mut Ppo, path: &Path) -> Result<(), Failure> {
    let stored = rsl_rl::read_ppo(path)?;
    let shapes = (&stored.actor.network.architecture, &stored.critic.architecture);
    if shapes != (&ppo.actor.network.architecture, &ppo.critic.architecture) {
        return Err(Failure::new("the networks of the checkpoint have other shapes than `agent.actor` and `agent.critic`")
            .at(path.display())
            .hint("`eyas inspect FILE` shows them; set `agent.actor.hidden_dims` and `agent.critic.hidden_dims`"));
    }
    ppo.actor = stored.actor;
    ppo.critic = stored.critic;
    ppo.std = stored.std;
    ppo.critic_normalizer = stored.critic_normalizer;
    ppo.iteration = u32::try_from(stored.iteration).map_err(Failure::new)?;
    if let Some(state) = stored.optimizer {
        ppo.learning_rate = state.learning_rate as f32;
        ppo.optimizer = Adam { step: state.step, exp_avg: state.exp_avg, exp_avg_sq: state.exp_avg_sq };
    }
    Ok(())
}

struct Session {
    run: RunDir,
    config: Config,
    events: EventWriter,
    bar: Progress,
    interrupt: Interrupt,
    best: f64,
    best_evaluation: Option<Evaluation>,
    env_steps: u64,
    seconds: f64,
}

impl Session {
    fn record(&mut self, ppo: &mut Ppo, report: &Report) -> Result<(), Failure> {
        self.env_steps += report.env_steps;
        self.seconds += report.collection_time + report.learning_time;
        self.bar.set(u64::from(ppo.iteration));
        self.bar.count(report.env_steps);
        self.log(ppo, report)?;
        let iteration = ppo.iteration;
        let is_last = iteration == self.config.agent.max_iterations;
        if iteration.is_multiple_of(self.config.agent.eval_interval) || is_last {
            self.evaluate(ppo)?;
        }
        if iteration.is_multiple_of(self.config.agent.save_interval) || is_last || self.interrupt.interrupted() {
            self.save(ppo, &format!("model_{iteration}.pt"))?;
        }
        Ok(())
    }

    /// The scalars of rsl_rl's runner, and what the env logs.
    fn log(&mut self, ppo: &mut Ppo, report: &Report) -> Result<(), Failure> {
        let std = ppo.std.iter().sum::<f32>() / ppo.std.len() as f32;
        let seconds = report.collection_time + report.learning_time;
        let mut scalars = vec![
            ("Loss/value_function".to_owned(), report.losses.value_function),
            ("Loss/surrogate".to_owned(), report.losses.surrogate),
            ("Loss/entropy".to_owned(), report.losses.entropy),
            ("Loss/kl".to_owned(), report.losses.kl),
            ("Loss/learning_rate".to_owned(), f64::from(ppo.learning_rate)),
            ("Policy/mean_std".to_owned(), f64::from(std)),
            ("Policy/mean_noise_std".to_owned(), f64::from(std)),
            ("Perf/total_fps".to_owned(), report.env_steps as f64 / seconds),
            ("Perf/collection_time".to_owned(), report.collection_time),
            ("Perf/learning_time".to_owned(), report.learning_time),
        ];
        if let Some((mean_return, mean_length)) = ppo.episodes().recent() {
            for (tag, value) in [("Train/mean_reward", mean_return), ("Train/mean_episode_length", mean_length)] {
                scalars.push((tag.to_owned(), value));
                // rsl_rl repeats them over seconds instead of iterations.
                self.events.scalar(&format!("{tag}/time"), self.seconds as u64, value as f32)?;
            }
        }
        scalars.extend(ppo.episodes().drain(report.env_steps));
        for (tag, value) in scalars {
            self.events.scalar(&tag, u64::from(ppo.iteration), value as f32)?;
        }
        Ok(())
    }

    fn evaluate(&mut self, ppo: &Ppo) -> Result<(), Failure> {
        let (episodes, steps) = EVALUATION;
        let env = PointConfig { episode_length_s: 1e6, ..self.config.env.clone() };
        let mut env = make_env(&env, episodes, EVALUATION_SEED);
        let pilot = Pilot::new(&ppo.actor, env.spec())?;
        let evaluation = evaluate(env.as_mut(), &pilot, None, steps);
        let (all, hover, moving) = (evaluation.summary(), evaluation.hover(), evaluation.moving());
        let step = u64::from(ppo.iteration);
        for (tag, value) in [
            ("evaluation/mean_return", all.mean_return),
            ("evaluation/crash_rate", all.crash_rate),
            ("evaluation/hover_rmse_m", hover.position_rmse),
            ("evaluation/hover_crash_rate", hover.crash_rate),
            ("evaluation/moving_rmse_m", moving.position_rmse),
            ("evaluation/moving_crash_rate", moving.crash_rate),
        ] {
            self.events.scalar(tag, step, value as f32)?;
        }
        self.events.flush()?;
        self.bar.println(format!(
            "Learning iteration {}/{}  {:.1} s  {:.2e} steps  return {:.1}  hover {:.4} m, {:.2} % crashed  moving {:.4} m, {:.2} % crashed",
            ppo.iteration,
            self.config.agent.max_iterations,
            self.seconds,
            self.env_steps as f64,
            all.mean_return,
            hover.position_rmse,
            100.0 * hover.crash_rate,
            moving.position_rmse,
            100.0 * moving.crash_rate,
        ))?;
        if all.mean_return > self.best {
            self.best = all.mean_return;
            self.best_evaluation = Some(evaluation);
            self.save(ppo, "best_model.pt")?;
        }
        Ok(())
    }

    fn save(&self, ppo: &Ppo, name: &str) -> Result<(), Failure> {
        let optimizer = AdamState {
            step: ppo.optimizer.step,
            exp_avg: ppo.optimizer.exp_avg.clone(),
            exp_avg_sq: ppo.optimizer.exp_avg_sq.clone(),
            learning_rate: f64::from(ppo.learning_rate),
        };
        rsl_rl::write_ppo(&self.run.file(name), &rsl_rl::PpoCheckpoint {
            actor: &ppo.actor,
            std: &ppo.std,
            critic: &ppo.critic,
            critic_normalizer: ppo.critic_normalizer.as_ref(),
            optimizer: &optimizer,
            iteration: u64::from(ppo.iteration),
            extra: None,
        })?;
        Ok(())
    }

    fn finish(mut self, ppo: &Ppo) -> Result<ExitCode, Failure> {
        self.events.flush()?;
        let Self { run, bar, interrupt, config, best_evaluation, seconds, .. } = self;
        drop(bar);
        if interrupt.interrupted() && ppo.iteration < config.agent.max_iterations {
            let name = run.path().file_name().unwrap_or_default().to_string_lossy().into_owned();
            println!("Interrupted after iteration {}; the checkpoint is {}", ppo.iteration, run.file(format!("model_{}.pt", ppo.iteration)).display());
            println!("Go on with: the same command and --resume --load_run {name}");
            return Ok(ExitCode::from(130));
        }
        println!("Training completed in {seconds:.1} s");
        if let Some(evaluation) = &best_evaluation {
            print!("{}", report::comparison(&[("best model", evaluation)]));
            println!("{}", report::LEGEND);
        }
        let best = run.file("best_model.pt");
        println!("Best model saved to: {}", best.display());
        println!("Distil it: eyas distill --task {} --teacher_checkpoint {}", eyas_env::POINT_TASK, best.display());
        Ok(ExitCode::SUCCESS)
    }
}
