//! `eyas train`: a teacher from nothing.

use std::process::ExitCode;

use eyas::text::{LEGEND, comparison, shell_word};
use eyas::video::Trigger;
use eyas::{Algorithm, AnyTask, Failure, TrainConfig, tasks, train};
use eyas_env::RAPTOR_TASK;
use eyas_run::{Interrupt, Layers, Origin};
use eyas_view::View;

use super::fleet;
use crate::arguments::Train;
use crate::configuration;
use crate::dashboard;
use crate::flags::{layer, warn_of_vehicle, what_flies};
use crate::print::{go_on_with, say};
use crate::terminal::Terminal;
use crate::video_flags::{Defaults, plan_of, say_recorded};

pub(crate) fn run(arguments: &Train) -> Result<ExitCode, Failure> {
    dashboard::check(arguments.terminal.tui)?;
    let interrupt = Interrupt::install()?;
    let task = tasks::find(&arguments.flight.task)?;
    let task = task.as_ref();
    if arguments.fleet.vehicles.is_some() {
        if task.id() == RAPTOR_TASK {
            return fleet::run(arguments, &interrupt);
        }
        return Err(Failure::new(format!("`--vehicles`: task `{}` has a vehicle of its own", task.id()))
            .hint(format!("train fleets in `{RAPTOR_TASK}`")));
    }
    let algorithm = algorithm_of(task, arguments)?;
    let mut layers = TrainConfig::layers(task, algorithm, &arguments.preset)?;
    layer_flags(&mut layers, task, arguments)?;
    if configuration::show(&layers, &arguments.flight.configuration)? {
        return Ok(ExitCode::SUCCESS);
    }
    let mut config = TrainConfig::read(task, algorithm, &layers)?;
    warn_of_vehicle(config.task.as_ref());
    config.video = plan_of(&arguments.flight.video, Defaults { view: View::Fixed, num_envs: 4 })?;
    if config.video.is_some_and(|film| film.trigger == Trigger::Episode) {
        return Err(Failure::new("`--video_trigger episode`: training counts steps, not episodes")
            .hint("leave the flag out, or record episodes with `eyas play` or `eyas distill`"));
    }
    if !config.settings.resume && arguments.resume.load_run.is_some() {
        return Err(Failure::new("`--load_run` chooses what to resume, but nothing is resumed")
            .hint("add `--resume`"));
    }
    config.run_dir.clone_from(&arguments.resume.run_dir);
    config.checkpoint.clone_from(&arguments.checkpoint);
    learn(arguments, &config, &interrupt)
}

fn learn(arguments: &Train, config: &TrainConfig, interrupt: &Interrupt) -> Result<ExitCode, Failure> {
    let mut terminal = terminal(arguments, interrupt);
    let result = train(config, &mut terminal, interrupt)?;
    if let Some(videos) = &result.videos {
        say_recorded(videos)?;
    }
    if !result.is_complete {
        let (iteration, checkpoint) = (result.iteration, result.checkpoint.display());
        say(format!("Interrupted after iteration {iteration}; the checkpoint is {checkpoint}"))?;
        say(go_on_with(&result.run, arguments.resume.run_dir.as_deref()))?;
        return Ok(ExitCode::from(130));
    }
    say(format!("Training completed in {:.1} s", result.seconds))?;
    if let Some(best) = &result.best {
        say(comparison(&[("best model", best)]).trim_end())?;
        say(LEGEND)?;
    }
    say(format!("Best model saved to: {}", result.best_model.display()))?;
    let (what_flies, checkpoint) = (what_flies(&arguments.flight), shell_word(result.best_model.display()));
    say(format!("Distil it: eyas distill {what_flies} --teacher_checkpoint {checkpoint}"))?;
    Ok(ExitCode::SUCCESS)
}

/// The algorithm that is asked for, or the task's own.
pub(super) fn algorithm_of(task: &dyn AnyTask, arguments: &Train) -> Result<Algorithm, Failure> {
    arguments.algorithm.as_deref().map_or_else(|| Ok(task.algorithm()), str::parse)
}

/// Who hears the run.
pub(super) fn terminal(arguments: &Train, interrupt: &Interrupt) -> Terminal {
    Terminal::new(arguments.flight.quiet, arguments.terminal.tui, arguments.web.web, interrupt)
}

/// Layers flags over files and overrides.
pub(super) fn layer_flags(layers: &mut Layers, task: &dyn AnyTask, arguments: &Train) -> Result<(), Failure> {
    layer(layers, task, &arguments.flight)?;
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
