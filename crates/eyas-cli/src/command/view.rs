//! `eyas view`: the live view of a run, finished or going on.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use eyas::Failure;
use eyas::evaluate::SEED;
use eyas::run_files::best_policy;
use eyas::task_of_run::{played, task_of_run};
use eyas::tasks::AnyTask;
use eyas_formats::LoadOptions;
use eyas_learn::OnNan;
use eyas_run::{ConfigError, Interrupt, RunDir};
use eyas_web::{Feed, Scene};

use crate::arguments::View;
use crate::live::{self, RunFiles, Stage};
use crate::print::tell;

/// From one look at whether to end to the next.
const NAP: Duration = Duration::from_millis(50);
/// Naps from one look at the files to the next: a second.
const NAPS: u32 = 20;

pub(crate) fn run(arguments: &View) -> Result<ExitCode, Failure> {
    let interrupt = Interrupt::install()?;
    let run = RunDir::open(&arguments.run)?;
    let mut files = RunFiles::of(run.path())?;
    live::check_num_envs(arguments.num_envs)?;
    let stage = stage_of(&run, arguments.num_envs)?;
    if stage.is_none() {
        let folder = run.path().display();
        tell(if RunDir::is_in_use(run.path()) {
            format!("[INFO] {folder} has no policy yet: its numbers are shown until there is one to fly")
        } else {
            format!("[INFO] {folder} has no policy, and nothing trains one: only its numbers are shown")
        });
    }
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
        let outcome = stage.map_or_else(
            || show_numbers(&run, arguments.num_envs, (&feed, activity), &interrupt),
            |stage| Ok(Some(stage)),
        );
        let outcome = outcome.and_then(|stage| match stage {
            Some(stage) => live::play(&stage, &feed, &requests, &interrupt),
            None => Ok(()),
        });
        interrupt.trigger();
        outcome
    })?;
    Ok(ExitCode::SUCCESS)
}

/// Shows a run that has nothing to fly, until it has.
fn show_numbers(
    run: &RunDir,
    num_envs: usize,
    (feed, activity): (&Feed, String),
    interrupt: &Interrupt,
) -> Result<Option<Stage>, Failure> {
    feed.scene(Scene { activity, step_unit: step_unit(run).into(), ..Scene::default() });
    for nap in 1.. {
        if interrupt.interrupted() {
            break;
        }
        std::thread::sleep(NAP);
        if nap % NAPS == 0
            && let Some(stage) = stage_of(run, num_envs)?
        {
            return Ok(Some(stage));
        }
    }
    Ok(None)
}

/// The best policy of a run in the run's own task; none if the run has no policy yet.
fn stage_of(run: &RunDir, num_envs: usize) -> Result<Option<Stage>, Failure> {
    let is_configured = run.file("params/env.yaml").is_file();
    let Some(checkpoint) = best_policy(run.path()).filter(|_| is_configured) else { return Ok(None) };
    let task = task_of_run(run.path())?;
    Ok(Some(stage(task.as_ref(), run, checkpoint, num_envs)?))
}

fn stage(
    env: &dyn AnyTask,
    run: &RunDir,
    checkpoint: PathBuf,
    num_envs: usize,
) -> Result<Stage, ConfigError> {
    let trajectories = env.trajectories();
    let trajectory = trajectories.last().expect("every task flies something").0.to_owned();
    Ok(Stage {
        activity: run.path().file_name().unwrap_or_default().to_string_lossy().into_owned(),
        step_unit: step_unit(run).into(),
        trajectories: trajectories
            .into_iter()
            .map(|(name, settings)| Ok((name.to_owned(), played(env, num_envs, settings)?)))
            .collect::<Result<_, ConfigError>>()?,
        trajectory,
        checkpoint,
        options: LoadOptions::default(),
        seed: SEED,
        on_nan: OnNan::Stop,
    })
}

/// What the steps of a run's curves count.
fn step_unit(run: &RunDir) -> &'static str {
    if run.file("params/distill.yaml").is_file() { "epoch" } else { "iteration" }
}
