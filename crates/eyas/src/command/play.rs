//! `eyas play`: a policy along a trajectory, and how well it tracked.

use std::fmt::Write as _;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::slice;

use eyas_env::{PointConfig, RAPTOR_TASK, RaptorConfig, VecEnv, find_task};
use eyas_formats::atomic;
use eyas_formats::npy::{self, Array, Data};
use eyas_lanes::{BLOCK, Row};
use eyas_learn::Controller;
use eyas_policy::Scratch;
use eyas_run::{Interrupt, Layers, Origin, RunDir};
use eyas_view::{Caption, Flight, Moment, View};
use serde::{Deserialize, Serialize};

use crate::arguments::Play;
use crate::failure::Failure;
use crate::flyable::Flyable;
use crate::live::{self, Stage};
use crate::report::metres;
use crate::seat::{is_geometric, seat};
use crate::setup::{self, AgentConfig, check, layer};
use crate::trajectory;
use crate::video::{Defaults, Plan, motor_names, record_flights, vehicle_name, videos_of};

/// Folder of all runs, as the original's.
const ROOT: &str = "logs/rsl_rl";
/// Environments, if not said otherwise: as in the original.
const NUM_ENVS: usize = 4;

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Config<T> {
    env: T,
    agent: AgentConfig,
}

pub(crate) fn run(arguments: &Play) -> Result<ExitCode, Failure> {
    match find_task(&arguments.flight.task)?.id {
        RAPTOR_TASK => run_task::<RaptorConfig>(arguments),
        _ => run_task::<PointConfig>(arguments),
    }
}

fn run_task<T: Flyable>(arguments: &Play) -> Result<ExitCode, Failure> {
    let interrupt = Interrupt::install()?;
    if let Some(address) = arguments.web.web {
        return fly_live::<T>(arguments, address, &interrupt);
    }
    let (config, trajectory) = configure::<T>(arguments, arguments.trajectory.as_deref())?;
    let film = Plan::of(&arguments.flight.video, Defaults { view: View::Chase, num_envs: 1 })?;
    let mut env = config.env.make(config.env.num_envs(), config.agent.seed);
    let (checkpoint, options) = (&arguments.policy.checkpoint, arguments.policy.load_options());
    let pilot = seat(checkpoint, &options, slice::from_ref(config.env.vehicle()), env.spec())?;
    let bar = setup::progress(arguments.flight.quiet, "play", u64::from(arguments.max_steps), "steps");
    let flight = Recorder::fly(env.as_mut(), pilot.as_ref(), arguments.max_steps, &bar, &interrupt);
    drop(bar);

    let run = RunDir::create_flight(ROOT, &config.agent.experiment_name, &config.agent.run_name)?;
    let statistics =
        flight.statistics(&arguments.policy.checkpoint, &trajectory, config.env.control_period());
    atomic::write(&run.file("tracking_statistics.txt"), statistics.as_bytes())?;
    flight.write_arrays(&run, config.env.control_period())?;
    if let Some(film) = &film {
        let checkpoint = arguments.policy.checkpoint.file_name().unwrap_or_default().to_string_lossy();
        let caption = Caption {
            title: checkpoint.into_owned(),
            subtitle: format!("{} · {}", vehicle_name(&config.env), trajectory),
            motors: motor_names(env.spec()),
        };
        let folder = run.videos("play");
        let recorded = record_flights(film, &folder, &flight.flown, &caption, &config.env)?;
        eprintln!("[INFO] Recorded {}: {}", videos_of(recorded), folder.display());
    }
    let mut out = std::io::stdout().lock();
    write!(out, "{}", flight.table())?;
    write!(out, "\n{statistics}")?;
    writeln!(out, "\nTracking data saved to: {}", run.path().display())?;
    Ok(ExitCode::SUCCESS)
}

/// Flies in real time for whoever looks, along every trajectory that the task has.
fn fly_live<T: Flyable>(
    arguments: &Play,
    address: SocketAddr,
    interrupt: &Interrupt,
) -> Result<ExitCode, Failure> {
    if arguments.flight.video.video {
        return Err(
            Failure::new("`--video`: a live flight is not recorded").hint("leave out `--web` or `--video`")
        );
    }
    if is_geometric(&arguments.policy.checkpoint) {
        return Err(Failure::new("`--checkpoint se3`: a live flight is one of a policy's file")
            .hint("leave out `--web`"));
    }
    let (layers, trajectory) = layers_of::<T>(arguments, arguments.trajectory.as_deref())?;
    live::check_num_envs(layers.section::<T>("env")?.num_envs())?;
    let along = |name: &str| Ok((name.to_owned(), configure::<T>(arguments, Some(name))?.0.env));
    let mut trajectories =
        T::trajectories().into_iter().map(|(name, _)| along(name)).collect::<Result<Vec<_>, Failure>>()?;
    if !trajectories.iter().any(|(name, _)| *name == trajectory) {
        trajectories.push(along(&trajectory)?);
    }
    let stage = Stage {
        activity: "play".into(),
        step_unit: String::new(),
        trajectories,
        trajectory,
        checkpoint: arguments.policy.checkpoint.clone(),
        options: arguments.policy.load_options(),
        seed: layers.section::<AgentConfig>("agent")?.seed,
    };
    // What the file leaves open is said once, before the flight.
    arguments.policy.load()?;
    let (view, requests) = live::open(address)?;
    for section in ["env", "agent"] {
        view.feed().text(&format!("{section}.yaml"), &layers.to_yaml(section)?);
    }
    live::play(&stage, &view.feed(), &requests, interrupt)?;
    Ok(ExitCode::SUCCESS)
}

fn configure<T: Flyable>(arguments: &Play, trajectory: Option<&str>) -> Result<(Config<T>, String), Failure> {
    let (layers, trajectory) = layers_of::<T>(arguments, trajectory)?;
    let config: Config<T> = layers.finish()?;
    check(&layers, config.env.validate())?;
    check(&layers, config.agent.validate())?;
    Ok((config, trajectory))
}

/// The configuration along a trajectory, by default the last that the task has.
fn layers_of<T: Flyable>(arguments: &Play, trajectory: Option<&str>) -> Result<(Layers, String), Failure> {
    let mut layers = Layers::new(&Config::<T>::default())?;
    let (trajectory, settings) = trajectory::find::<T>(trajectory)?;
    layers.set("env.scene.num_envs", NUM_ENVS, Origin::Preset("play".into()))?;
    for (key, value) in T::play() {
        layers.set(key, value, Origin::Preset("play".into()))?;
    }
    trajectory::layer(&mut layers, settings)?;
    layer::<T>(&mut layers, &arguments.flight)?;
    if arguments.max_steps == 0 {
        return Err(Failure::new("`--max_steps` is 0, expected at least 1"));
    }
    Ok((layers, trajectory))
}

/// Everything that was flown, `[step][env]`; not a number after an episode has ended.
struct Recorder {
    num_envs: usize,
    steps: usize,
    desired_position: Vec<f32>,
    actual_position: Vec<f32>,
    desired_velocity: Vec<f32>,
    actual_velocity: Vec<f32>,
    actions: Vec<f32>,
    returns: Vec<f32>,
    lengths: Vec<u32>,
    crashed: Vec<bool>,
    /// The same for viewers, of each env.
    flown: Vec<Flight>,
}

impl Recorder {
    fn fly(
        env: &mut dyn VecEnv,
        pilot: &dyn Controller,
        max_steps: u32,
        bar: &eyas_run::Progress,
        interrupt: &Interrupt,
    ) -> Self {
        let num_envs = env.num_envs();
        let observations = env.spec().num_observations();
        let mut recorder = Self {
            num_envs,
            steps: 0,
            desired_position: Vec::new(),
            actual_position: Vec::new(),
            desired_velocity: Vec::new(),
            actual_velocity: Vec::new(),
            actions: Vec::new(),
            returns: vec![0.0; num_envs],
            lengths: vec![0; num_envs],
            crashed: vec![false; num_envs],
            flown: vec![Flight::new(1.0 / env.spec().control_rate_hz); num_envs],
        };
        let mut observation = vec![Row::ZERO; observations];
        let mut action = vec![Row::ZERO; pilot.num_actions()];
        let mut scratch = Scratch::default();
        let mut states = vec![vec![Row::ZERO; pilot.state_width()]; num_envs.div_ceil(BLOCK)];
        for block in env.blocks() {
            block.reset(u32::MAX);
        }
        for _ in 0..max_steps {
            let mut live = 0;
            for (index, block) in env.blocks().iter_mut().enumerate() {
                let before = block.ended();
                block.observe(&mut observation);
                pilot.act(block.as_ref(), &observation, &mut states[index], &mut scratch, &mut action);
                let outcome = block.step(&action);
                for lane in 0..BLOCK.min(num_envs - index * BLOCK) {
                    let env = index * BLOCK + lane;
                    let flies = before >> lane & 1 == 0;
                    let state = block.telemetry(lane);
                    let keep = |value: f32| if flies { value } else { f32::NAN };
                    recorder.actual_position.extend(state.position.map(keep));
                    recorder.actual_velocity.extend(state.velocity.map(keep));
                    recorder.desired_position.extend(state.desired_position.map(keep));
                    recorder.desired_velocity.extend(state.desired_velocity.map(keep));
                    recorder.actions.extend(action.iter().map(|row| keep(row[lane])));
                    if flies {
                        recorder.returns[env] += outcome.reward[lane];
                        recorder.lengths[env] += 1;
                        recorder.crashed[env] = outcome.terminated >> lane & 1 == 1;
                        live += 1;
                    }
                    let command = [0, 1, 2, 3].map(|motor| action[motor][lane]);
                    let (step, crashed) = (recorder.lengths[env], recorder.crashed[env]);
                    recorder.flown[env].push(Moment::new(&state, command, 0, step, crashed));
                }
            }
            recorder.steps += 1;
            bar.advance(1);
            if live == 0 || interrupt.interrupted() {
                break;
            }
        }
        recorder
    }

    /// Euclidean distances of `[step][env][3]` arrays.
    fn distances(left: &[f32], right: &[f32]) -> Vec<f32> {
        let squares = |(a, b): (&[f32], &[f32])| a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f32>();
        left.chunks_exact(3).zip(right.chunks_exact(3)).map(|pair| squares(pair).sqrt()).collect()
    }

    fn position_errors(&self) -> Vec<f32> {
        Self::distances(&self.actual_position, &self.desired_position)
    }

    fn velocity_errors(&self) -> Vec<f32> {
        Self::distances(&self.actual_velocity, &self.desired_velocity)
    }

    fn table(&self) -> String {
        let errors = self.position_errors();
        let mut text = format!(
            "{:>4} {:>8} {:>12} {:>9} {:>14} {:>14} {:>14}\n",
            "env", "steps", "return", "crashed", "mean error", "RMSE", "max error"
        );
        for env in 0..self.num_envs {
            let own = errors.iter().skip(env).step_by(self.num_envs).copied();
            let it = Statistics::of(own);
            let crashed = if self.crashed[env] { "yes" } else { "no" };
            let _ = writeln!(
                text,
                "{env:>4} {:>8} {:>12.1} {crashed:>9} {:>14} {:>14} {:>14}",
                self.lengths[env],
                self.returns[env],
                metres(it.mean),
                metres(it.rms),
                metres(it.max)
            );
        }
        text
    }

    fn statistics(&self, checkpoint: &Path, trajectory: &str, period: f64) -> String {
        let mut text = format!(
            "Trajectory tracking\nCheckpoint: {}\nTrajectory: {trajectory}\nEnvironments: {}\nSteps: {} ({:.2} s)\nCrashed: {} of {}\n",
            checkpoint.display(),
            self.num_envs,
            self.steps,
            self.steps as f64 * period,
            self.crashed.iter().filter(|it| **it).count(),
            self.num_envs
        );
        for (name, unit, errors) in [
            ("Position error", "m", self.position_errors()),
            ("Velocity error", "m/s", self.velocity_errors()),
        ] {
            let it = Statistics::of(errors.into_iter());
            let _ = writeln!(text, "\n{name} [{unit}]");
            for (name, value) in [
                ("mean", it.mean),
                ("std", it.std),
                ("median", it.median),
                ("max", it.max),
                ("95th percentile", it.percentile95),
                ("RMSE", it.rms),
            ] {
                let _ = writeln!(text, "  {name:<16} {value:.6}");
            }
        }
        text
    }

    fn write_arrays(&self, run: &RunDir, period: f64) -> Result<(), Failure> {
        let (steps, envs) = (self.steps, self.num_envs);
        let array = |values: &[f32], width: usize| {
            let shape = if width == 1 { vec![steps, envs] } else { vec![steps, envs, width] };
            Array::new(&shape, Data::F32(values.to_vec()))
        };
        let position_errors = array(&self.position_errors(), 1);
        let velocity_errors = array(&self.velocity_errors(), 1);
        let errors = [("position_errors", &position_errors), ("velocity_errors", &velocity_errors)];
        npy::write_npz(&run.file("tracking_errors.npz"), &errors)?;
        let timestamps = (1..=steps).map(|step| step as f64 * period).collect();
        npy::write_npz(
            &run.file("trajectory_data.npz"),
            &[
                ("desired_pos", &array(&self.desired_position, 3)),
                ("actual_pos", &array(&self.actual_position, 3)),
                ("desired_vel", &array(&self.desired_velocity, 3)),
                ("actual_vel", &array(&self.actual_velocity, 3)),
                ("position_error", &position_errors),
                ("velocity_error", &velocity_errors),
                ("actions", &array(&self.actions, self.actions.len() / (steps * envs))),
                ("timestamps", &Array::new(&[steps], Data::F64(timestamps))),
            ],
        )?;
        Ok(())
    }
}

/// Of the finite values; not numbers where there is none.
struct Statistics {
    mean: f64,
    std: f64,
    median: f64,
    max: f64,
    percentile95: f64,
    rms: f64,
}

impl Statistics {
    fn of(values: impl Iterator<Item = f32>) -> Self {
        let mut sorted: Vec<f64> = values.filter(|value| value.is_finite()).map(f64::from).collect();
        if sorted.is_empty() {
            let [mean, std, median, max, percentile95, rms] = [f64::NAN; 6];
            return Self { mean, std, median, max, percentile95, rms };
        }
        sorted.sort_by(f64::total_cmp);
        let count = sorted.len() as f64;
        let mean = sorted.iter().sum::<f64>() / count;
        let mean_square = sorted.iter().map(|value| value * value).sum::<f64>() / count;
        // Linear between neighbours, as NumPy's percentile.
        let at = |share: f64| {
            let place = share * (count - 1.0);
            let (low, high) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
            low + (high - low) * place.fract()
        };
        Self {
            mean,
            std: (mean_square - mean * mean).max(0.0).sqrt(),
            median: at(0.5),
            max: at(1.0),
            percentile95: at(0.95),
            rms: mean_square.sqrt(),
        }
    }
}
