//! `eyas distill`: teachers into a student.

use std::path::Path;
use std::process::ExitCode;

use eyas::distill::{DistillationConfig, DistillationResult, GROUPS, distill};
use eyas::resumption::require_task;
use eyas::run_files::VEHICLE;
use eyas::teachers::{Candidate, TeacherFolder, is_alone, read_checkpoints};
use eyas::text::{comparison, legend, on_named_vehicle, share_of_teacher, shell_word};
use eyas::{AnyTask, Failure, tasks};
use eyas_formats::{LoadOptions, Side};
use eyas_run::{Layers, Origin};
use eyas_view::View;

use crate::arguments::Distill;
use crate::configuration::{self, GoesOn, layer_over};
use crate::dashboard;
use crate::flags::{layer_for, layer_resume, listen, read_fleet_for, warn_of_vehicle, what_flies};
use crate::print::go_on_with;
use crate::terminal::Terminal;
use crate::video_flags::{Defaults, plan_of, say_recorded};

pub(crate) fn run(arguments: &Distill) -> Result<ExitCode, Failure> {
    let task = tasks::find(&arguments.flight.task)?;
    let task = task.as_ref();
    dashboard::check(arguments.terminal.tui)?;
    let interrupt = listen(&arguments.resume)?;
    let (layers, resumes) = layers_of(task, arguments)?;
    if configuration::show(&layers, &arguments.flight.configuration)? {
        return Ok(ExitCode::SUCCESS);
    }
    let mut config = DistillationConfig::read(task, &layers)?;
    warn_of_vehicle(config.task.as_ref());
    config.task_name.clone_from(&arguments.flight.task);
    config.video = plan_of(&arguments.flight.video, Defaults { view: View::Chase, num_envs: 1 })?;
    config.run_dir.clone_from(&arguments.resume.run_dir);
    config.resumes = resumes;
    if let Some(path) = &arguments.test_vehicles {
        config.test_fleet = read_fleet_for(task, "--test_vehicles", path)?;
    }
    config.teacher_options = arguments.teacher.load_options(Side::Teacher);
    config.candidates = candidates(task, arguments, &config.teacher_options)?;
    if is_alone(&config.candidates) {
        refuse_choices(arguments)?;
    }
    let (is_quiet, has_dashboard) = (arguments.flight.quiet, arguments.terminal.tui);
    let mut terminal = Terminal::new(is_quiet, has_dashboard, arguments.web.web, &interrupt);
    let what_flies = what_flies(task, &arguments.flight, &config.provenance.settings)?;
    let result = distill(&config, &mut terminal, &interrupt)?;
    finish(arguments, &what_flies, config.task.control_period(), &result, &mut terminal)
}

/// Puts the configuration of a run together and checks it, as far as that needs no file of a run or a teacher.
pub(super) fn check(arguments: &Distill) -> Result<(), Failure> {
    let task = tasks::find(&arguments.flight.task)?;
    let (layers, _) = layers_of(task.as_ref(), arguments)?;
    DistillationConfig::read(task.as_ref(), &layers).map(|_| ())
}

/// Says what became of it; the control period is in s.
fn finish(
    arguments: &Distill,
    what_flies: &str,
    period: f64,
    result: &DistillationResult,
    terminal: &mut dyn eyas::Observer,
) -> Result<ExitCode, Failure> {
    if let Some(videos) = &result.videos {
        say_recorded(videos)?;
    }
    let mut say = |line: &str| terminal.line(line);
    if result.was_complete {
        let ([epochs, _], run) = (result.epochs, result.run.display());
        say(&format!("The run is complete: all {epochs} epochs are done, nothing is changed in {run}"))?;
        say("More of them: the same command and --n_epochs N")?;
        return fly_it(what_flies, &result.best_student, terminal);
    }
    let Some(end) = &result.end else {
        let [done, epochs] = result.epochs;
        say(&format!("Interrupted after epoch {done} of {epochs}"))?;
        say(&go_on_with(&result.run, arguments.resume.run_dir.as_deref()))?;
        return Ok(ExitCode::from(130));
    };
    say("")?;
    say(&format!("Training completed! ({:.1} s)", result.seconds))?;
    say(&format!("Best return: {:.2}", result.best_return))?;
    say(&format!("Final model saved to: {}", end.final_student.display()))?;
    say(&format!("Best model saved to: {}", end.best_student.display()))?;
    say("")?;
    let teacher = if end.num_teachers == 1 { "teacher" } else { "teachers" };
    let mut rows = vec![(teacher, &end.of_teachers), ("best student", &end.of_student)];
    rows.extend(end.on_test_vehicles.iter().map(|it| ("on test vehicles", it)));
    say(comparison(&rows).trim_end())?;
    say(&legend(end.steps, period))?;
    say(&share_of_teacher([&end.of_student, &end.of_teachers].map(|it| it.summary().mean_return)))?;
    for (vehicle, summary) in &end.on_named_vehicles {
        say(&on_named_vehicle(vehicle, summary))?;
    }
    fly_it(what_flies, &end.best_student, terminal)
}

/// Says how the student is flown.
fn fly_it(what_flies: &str, student: &Path, terminal: &mut dyn eyas::Observer) -> Result<ExitCode, Failure> {
    let checkpoint = shell_word(student.display());
    terminal.line(&format!("Fly it: eyas play {what_flies} --checkpoint {checkpoint}"))?;
    Ok(ExitCode::SUCCESS)
}

/// All layers, those of a run that goes on below what the command line says; and whether one does.
fn layers_of(task: &dyn AnyTask, arguments: &Distill) -> Result<(Layers, bool), Failure> {
    let is_many = arguments.teacher_dir.is_some() || arguments.teacher_checkpoint.len() > 1;
    let preset = arguments.preset.as_deref();
    let compose = |run: Option<&Path>| {
        let mut layers = DistillationConfig::layers(task, preset, is_many)?;
        let goes_on = run.map(|run| GoesOn { run, groups: &GROUPS, preset, seed: arguments.flight.seed });
        let mut resumes = false;
        layer_over(&mut layers, goes_on.as_ref(), |layers| {
            resumes = layer_flags(layers, task, arguments)?;
            Ok(())
        })?;
        Ok::<_, Failure>((layers, resumes))
    };
    let (layers, resumes) = compose(None)?;
    if !resumes {
        return Ok((layers, resumes));
    }
    let run_dir = arguments.resume.run_dir.as_deref();
    let Some(run) = DistillationConfig::run_to_go_on_with(&layers, run_dir)? else {
        return Ok((layers, resumes));
    };
    require_task(&run, task.id())?;
    compose(Some(&run))
}

/// Layers flags over files and overrides; returns whether an earlier run goes on.
fn layer_flags(layers: &mut Layers, task: &dyn AnyTask, arguments: &Distill) -> Result<bool, Failure> {
    layer_for(layers, task, &arguments.flight, true)?;
    let mut set = |key: &str, flag: &str, value: Option<eyas_run::Value>| -> Result<(), Failure> {
        if let Some(value) = value {
            layers.set(&format!("distill.{key}"), value, Origin::flag(flag))?;
        }
        Ok(())
    };
    set("student.kind", "--student", arguments.student.clone().map(Into::into))?;
    set("n_epochs", "--n_epochs", arguments.n_epochs.map(Into::into))?;
    set("num_episodes", "--num_episodes", arguments.num_episodes.map(Into::into))?;
    set("batch_size", "--batch_size", arguments.batch_size.map(Into::into))?;
    set("sequence_length", "--sequence_length", arguments.sequence_length.map(Into::into))?;
    set("learning_rate", "--learning_rate", arguments.learning_rate.map(Into::into))?;
    set("epoch_teacher_forcing", "--epoch_teacher_forcing", arguments.epoch_teacher_forcing.map(Into::into))?;
    set("on_nan", "--on_nan", arguments.on_nan.clone().map(Into::into))?;
    for (key, flag, yes, no) in [
        ("shuffle", "--shuffle", arguments.shuffle, arguments.no_shuffle),
        ("on_policy", "--on_policy", arguments.on_policy, arguments.no_on_policy),
        (
            "teacher_deterministic",
            "--teacher_deterministic",
            arguments.teacher_deterministic,
            arguments.no_teacher_deterministic,
        ),
    ] {
        set(key, flag, if no { Some(false.into()) } else { yes.map(Into::into) })?;
    }
    for (key, flag, value) in [
        ("selection", "--teacher_selection", &arguments.teacher_selection),
        ("on_weak_teacher", "--on_weak_teacher", &arguments.on_weak_teacher),
        ("active", "--active", &arguments.active),
    ] {
        set(&format!("teachers.{key}"), flag, value.clone().map(Into::into))?;
    }
    for (key, flag, value) in [
        ("num_teachers", "--num_teachers", arguments.num_teachers),
        ("num_active_teachers", "--num_active_teachers", arguments.num_active_teachers),
    ] {
        set(&format!("teachers.{key}"), flag, value.map(Into::into))?;
    }
    let memory = arguments.max_memory.as_deref().map(parse_bytes).transpose()?;
    set("max_memory", "--max_memory", memory.map(Into::into))?;
    set("keep_dataset", "--keep_dataset", arguments.keep_dataset.map(Into::into))?;
    if arguments.ambiguous_teacher.is_some() {
        return Err(Failure::new("`--teacher`: there is no such flag").hint(
            "`--teacher_checkpoint FILE` names a teacher's file, `--teacher_dir FOLDER` a folder of teachers",
        ));
    }
    if arguments.init_noise_std.is_some_and(|std| std != 0.0) {
        return Err(Failure::new(
            "`--init_noise_std`: students act deterministically, expected 0 or no flag",
        )
        .hint("noise of the labels comes from the teacher: `--no-teacher_deterministic`"));
    }
    layer_resume(layers, &arguments.resume, arguments.checkpoint.as_deref())
}

/// The teachers that the flags name. Many of them need a vehicle each where the task has vehicles.
fn candidates(
    task: &dyn AnyTask,
    arguments: &Distill,
    options: &LoadOptions,
) -> Result<Vec<Candidate>, Failure> {
    let mut candidates = match &arguments.teacher_dir {
        Some(folder) if task.takes_vehicles() => {
            let (ids, exclude) = (arguments.teacher_ids.as_deref(), arguments.exclude_teacher_ids.as_deref());
            TeacherFolder { folder, ids, exclude }.read(options)?
        }
        Some(_) => {
            return Err(Failure::new(format!("`--teacher_dir`: task `{}` has one vehicle", task.id()))
                .hint("name the teachers with `--teacher_checkpoint`, once each"));
        }
        None => read_checkpoints(&arguments.teacher_checkpoint, options)?,
    };
    if let ([candidate], true) = (candidates.as_mut_slice(), arguments.flight.vehicle.is_some()) {
        // The vehicle that is asked for by name.
        candidate.vehicle = None;
    }
    if task.takes_vehicles() && candidates.len() > 1 {
        if let Some(it) = candidates.iter().find(|it| it.vehicle.is_none()) {
            return Err(Failure::new("a teacher of many has no vehicle")
                .at(&it.path.display())
                .hint(format!("put its parameter file beside it as `{VEHICLE}`")));
        }
        if arguments.flight.vehicle.is_some() {
            return Err(Failure::new("`--vehicle`: each of many teachers has a vehicle of its own")
                .hint("leave the flag out"));
        }
    }
    Ok(candidates)
}

/// Refuses flags that choose among teachers where there is one.
fn refuse_choices(arguments: &Distill) -> Result<(), Failure> {
    for (flag, is_given) in [
        ("--teacher_selection", arguments.teacher_selection.is_some()),
        ("--num_teachers", arguments.num_teachers.is_some()),
        ("--on_weak_teacher", arguments.on_weak_teacher.is_some()),
        ("--num_active_teachers", arguments.num_active_teachers.is_some()),
        ("--active", arguments.active.is_some()),
    ] {
        if is_given {
            return Err(Failure::new(format!("`{flag}`: one teacher is distilled, there is none to choose"))
                .hint("leave the flag out, or name several teachers"));
        }
    }
    Ok(())
}

/// `512M`, `2G`, `1000000`.
fn parse_bytes(text: &str) -> Result<u64, Failure> {
    let (digits, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let factor = match unit.to_ascii_uppercase().trim_end_matches("IB").trim_end_matches('B') {
        "" => 1,
        "K" => 1 << 10,
        "M" => 1 << 20,
        "G" => 1 << 30,
        _ => 0,
    };
    match digits.parse::<u64>().ok().and_then(|number| number.checked_mul(factor)) {
        Some(bytes) if bytes > 0 => Ok(bytes),
        _ => Err(Failure::new(format!("`--max_memory {text}`: expected a size such as 512M or 2G"))),
    }
}
