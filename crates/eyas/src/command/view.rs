//! `eyas view`: the live view of a run, finished or going on.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use eyas_env::{PointConfig, RaptorConfig};
use eyas_formats::LoadOptions;
use eyas_run::{ConfigError, Interrupt, Layers, Origin, RunDir};
use eyas_web::{Feed, Scene};
use serde::{Deserialize, Serialize};

use crate::arguments::View;
use crate::failure::Failure;
use crate::flyable::Flyable;
use crate::live::{self, RunFiles, Stage};

/// Checkpoints to fly, the first that there is.
const BEST: [&str; 2] = ["best_student.pt", "best_model.pt"];
/// Starts of the flights.
const SEED: u64 = 42;
/// From one look at whether to end to the next.
const NAP: Duration = Duration::from_millis(50);
/// Naps from one look at the files to the next: a second.
const NAPS: u32 = 20;

/// The part of a run's configuration that a flight needs.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Config<T> {
    env: T,
}

pub(crate) fn run(arguments: &View) -> Result<ExitCode, Failure> {
    let interrupt = Interrupt::install()?;
    let run = RunDir::open(&arguments.run)?;
    let mut files = RunFiles::of(run.path())?;
    live::check_num_envs(arguments.num_envs)?;
    let flight = Flight::of(&run, arguments.num_envs)?;
    let (view, requests) = live::open(arguments.web)?;
    let feed = view.feed();
    let activity = run.path().file_name().unwrap_or_default().to_string_lossy().into_owned();
    files.show(&feed);
    std::thread::scope(|scope| -> Result<(), Failure> {
        // Looking at files must not hold up the flight.
        let (shown, stop) = (feed.clone(), interrupt.clone());
        scope.spawn(move || {
            for nap in 1.. {
                if stop.interrupted() {
                    break;
                }
                std::thread::sleep(NAP);
                if nap % NAPS == 0 {
                    files.show(&shown);
                }
            }
        });
        let outcome = match &flight {
            Some(Flight::Point(stage)) => live::play(stage, &feed, &requests, &interrupt),
            Some(Flight::Raptor(stage)) => live::play(stage, &feed, &requests, &interrupt),
            None => {
                show_numbers(&feed, activity, &interrupt);
                Ok(())
            }
        };
        interrupt.trigger();
        outcome
    })?;
    Ok(ExitCode::SUCCESS)
}

/// Shows a run that has nothing to fly.
fn show_numbers(feed: &Feed, activity: String, interrupt: &Interrupt) {
    feed.scene(Scene { activity, step_unit: "step".into(), ..Scene::default() });
    while !interrupt.interrupted() {
        std::thread::sleep(NAP);
    }
}

/// The best policy of a run in the run's own task.
enum Flight {
    Point(Stage<PointConfig>),
    Raptor(Stage<RaptorConfig>),
}

impl Flight {
    /// None if the run has no policy yet.
    fn of(run: &RunDir, num_envs: usize) -> Result<Option<Self>, Failure> {
        let params = run.file("params/env.yaml");
        let best = BEST.map(|name| run.file(name)).into_iter().find(|path| path.is_file());
        let Some(checkpoint) = best.filter(|_| params.is_file()) else { return Ok(None) };
        // The file does not name its task: its keys tell, of which the tasks share few.
        let unreadable = match stage::<PointConfig>(run, &params, &checkpoint, num_envs) {
            Ok(stage) => return Ok(Some(Self::Point(stage))),
            Err(error) => error,
        };
        match stage::<RaptorConfig>(run, &params, &checkpoint, num_envs) {
            Ok(stage) => Ok(Some(Self::Raptor(stage))),
            Err(_) => Err(unreadable.into()),
        }
    }
}

fn stage<T: Flyable>(
    run: &RunDir,
    params: &Path,
    checkpoint: &Path,
    num_envs: usize,
) -> Result<Stage<T>, ConfigError> {
    let along = |settings: Vec<(&str, eyas_run::Value)>| -> Result<T, ConfigError> {
        let mut layers = Layers::new(&Config::<T>::default())?;
        layers.file_under("env", params)?;
        layers.set("env.scene.num_envs", num_envs, Origin::flag("--num_envs"))?;
        for (key, value) in T::play().into_iter().chain(settings) {
            layers.set(key, value, Origin::Preset("play".into()))?;
        }
        Ok(layers.finish::<Config<T>>()?.env)
    };
    let trajectories = T::trajectories();
    let trajectory = trajectories.last().expect("every task flies something").0.to_owned();
    Ok(Stage {
        activity: run.path().file_name().unwrap_or_default().to_string_lossy().into_owned(),
        step_unit: step_unit(run).into(),
        trajectories: trajectories
            .into_iter()
            .map(|(name, settings)| Ok((name.to_owned(), along(settings)?)))
            .collect::<Result<_, ConfigError>>()?,
        trajectory,
        checkpoint: PathBuf::from(checkpoint),
        options: LoadOptions::default(),
        seed: SEED,
    })
}

/// What the steps of a run's curves count.
fn step_unit(run: &RunDir) -> &'static str {
    if run.file("params/distill.yaml").is_file() { "epoch" } else { "iteration" }
}
