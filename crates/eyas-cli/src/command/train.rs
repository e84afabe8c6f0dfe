//! `eyas train`: a teacher from nothing.

use std::path::Path;
use std::process::ExitCode;

use eyas::resumption::{self, require_task};
use eyas::text::{comparison, legend, shell_word};
use eyas::train::GROUPS;
use eyas::video::Trigger;
use eyas::{Algorithm, AnyTask, Failure, Observer as _, TrainConfig, tasks, train};
use eyas_env::RAPTOR_TASK;
use eyas_run::{Interrupt, Layers, Origin};
use eyas_view::View;

use super::fleet;
use crate::arguments::Train;
use crate::configuration::{self, GoesOn, layer_over};
use crate::dashboard;
use crate::flags::{layer, listen, warn_of_motors, warn_of_vehicle, what_flies};
use crate::print::go_on_with;
use crate::terminal::Terminal;
use crate::video_flags::{Defaults, plan_of, say_recorded};

pub(crate) fn run(arguments: &Train) -> Result<ExitCode, Failure> {
    dashboard::check(arguments.terminal.tui)?;
    let interrupt = listen(&arguments.resume)?;
    let task = tasks::find(&arguments.flight.task)?;
    let task = task.as_ref();
    if arguments.fleet.vehicles.is_some() {
        if task.id() == RAPTOR_TASK {
            return fleet::run(arguments, &interrupt);
        }
        return Err(Failure::new(format!("`--vehicles`: task `{}` has a vehicle of its own", task.id()))
            .hint(format!("train fleets in `{RAPTOR_TASK}`")));
    }
    let (layers, algorithm) = layers_of(task, arguments)?;
    if configuration::show(&layers, &arguments.flight.configuration)? {
        return Ok(ExitCode::SUCCESS);
    }
    let mut config = TrainConfig::read(task, algorithm, &layers)?;
    warn_of_vehicle(config.task.as_ref());
    let named = arguments.flight.vehicle.as_deref();
    let flown = (named.unwrap_or("of the task"), config.task.vehicle());
    warn_of_motors(config.task.as_ref(), std::iter::once(flown), named.map(Path::new));
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
    let what_flies = what_flies(task, &arguments.flight, &config.provenance.settings)?;
    learn(arguments, &config, &what_flies, &interrupt)
}

/// Puts the configuration of a run together and checks it, as far as that needs no file of the run.
pub(super) fn check(arguments: &Train) -> Result<(), Failure> {
    let task = tasks::find(&arguments.flight.task)?;
    let (layers, algorithm) = layers_of(task.as_ref(), arguments)?;
    TrainConfig::read(task.as_ref(), algorithm, &layers).map(|_| ())
}

fn learn(
    arguments: &Train,
    config: &TrainConfig,
    what_flies: &str,
    interrupt: &Interrupt,
) -> Result<ExitCode, Failure> {
    let mut terminal = terminal(arguments, interrupt);
    let result = train(config, &mut terminal, interrupt)?;
    if let Some(videos) = &result.videos {
        say_recorded(videos)?;
    }
    let mut say = |line: &str| terminal.line(line);
    if !result.is_complete {
        let (iteration, checkpoint) = (result.iteration, result.checkpoint.display());
        say(&format!("Interrupted after iteration {iteration}; the checkpoint is {checkpoint}"))?;
        say(&go_on_with(&result.run, arguments.resume.run_dir.as_deref()))?;
        return Ok(ExitCode::from(130));
    }
    if result.was_complete {
        let (iteration, run) = (result.iteration, result.run.display());
        say(&format!(
            "The run is complete: all {iteration} iterations are done, nothing is changed in {run}"
        ))?;
        say("More of them: the same command and --max_iterations N")?;
    } else {
        say(&format!("Training completed in {:.1} s", result.seconds))?;
    }
    if let Some(best) = &result.best {
        say(comparison(&[("best model", best)]).trim_end())?;
        say(&legend(config.task.evaluation_steps(), config.task.control_period()))?;
    }
    let is_saved = if result.was_complete { "Best model" } else { "Best model saved to" };
    say(&format!("{is_saved}: {}", result.best_model.display()))?;
    let checkpoint = shell_word(result.best_model.display());
    say(&format!("Distil it: eyas distill {what_flies} --teacher_checkpoint {checkpoint}"))?;
    Ok(ExitCode::SUCCESS)
}

/// All layers: those of a run that goes on are below what the command line says. And what learns.
fn layers_of(task: &dyn AnyTask, arguments: &Train) -> Result<(Layers, Algorithm), Failure> {
    let compose = |algorithm, run: Option<&Path>| {
        let mut layers = TrainConfig::layers(task, algorithm, preset_of(arguments))?;
        let goes_on = run.map(|run| goes_on(arguments, run, &GROUPS));
        layer_over(&mut layers, goes_on.as_ref(), |layers| layer_flags(layers, task, arguments))?;
        Ok::<_, Failure>(layers)
    };
    let algorithm = algorithm_of(task, arguments)?;
    let layers = compose(algorithm, None)?;
    let (run_dir, checkpoint) = (arguments.resume.run_dir.as_deref(), arguments.checkpoint.as_deref());
    let Some(run) = TrainConfig::run_to_go_on_with(&layers, run_dir, checkpoint)? else {
        return Ok((layers, algorithm));
    };
    require_task(&run, task.id())?;
    let algorithm = algorithm_of_run(&run, algorithm, arguments)?;
    Ok((compose(algorithm, Some(&run))?, algorithm))
}

/// What a run that goes on learns with, which no flag changes.
fn algorithm_of_run(run: &Path, otherwise: Algorithm, arguments: &Train) -> Result<Algorithm, Failure> {
    let own = resumption::algorithm_of(run)?.unwrap_or(otherwise);
    match &arguments.algorithm {
        Some(asked) if own != otherwise => {
            Err(Failure::new(format!("`--algorithm {asked}`: the run that goes on learns with another one"))
                .at(&run.display())
                .hint("leave the flag out, or begin a run of its own with `--run_dir DIR --checkpoint FILE`"))
        }
        _ => Ok(own),
    }
}

pub(super) fn preset_of(arguments: &Train) -> &str {
    arguments.preset.as_deref().unwrap_or("eyas")
}

pub(super) fn goes_on<'a>(arguments: &'a Train, run: &'a Path, groups: &'a [&'a str]) -> GoesOn<'a> {
    GoesOn { run, groups, preset: arguments.preset.as_deref(), seed: arguments.flight.seed }
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
    match arguments.on_nan.as_deref() {
        // Nothing is differentiated that is not finite.
        Some("stop") if layers.get("agent.on_nan").is_none() => {}
        Some(other) if layers.get("agent.on_nan").is_none() => {
            return Err(Failure::new(format!(
                "`--on_nan {other}`: a gradient goes back through every env, so apg stops, expected stop"
            ))
            .hint("`--algorithm ppo` can reset an env"));
        }
        asked => {
            if let Some(asked) = asked {
                layers.set("agent.on_nan", asked, Origin::flag("--on_nan"))?;
            }
        }
    }
    if let Some(run) = &arguments.resume.load_run {
        layers.set("agent.load_run", run.clone(), Origin::flag("--load_run"))?;
    }
    if let Some(resume) = arguments.resume.resume {
        layers.set("agent.resume", resume, Origin::flag("--resume"))?;
    }
    Ok(())
}
