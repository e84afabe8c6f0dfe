//! The teachers of a distillation: read, seated and, where there are many, admitted.

use eyas_env::EnvSpec;
use eyas_formats::{LoadOptions, Side};
use eyas_learn::Pilot;
use eyas_learn::distill::{OnWeakTeacher, Teacher};

use super::config::Config;
use crate::arguments::Distill;
use crate::crew::{self, Admission, Candidate, Choice, Crew, read_checkpoints};
use crate::failure::Failure;
use crate::report::say;
use crate::run_files::VEHICLE;
use crate::self_check::self_check;
use crate::tasks::Task;

/// Who teaches.
pub(super) struct Teachers {
    /// All that the flags name.
    pub(super) candidates: Vec<Candidate>,
    /// Those that teach, and their vehicles.
    pub(super) crew: Crew,
    /// How each of many flew on its own vehicle, `teachers.csv`.
    pub(super) admissions: Option<String>,
}

impl Teachers {
    pub(super) fn new(arguments: &Distill, config: &Config, spec: &EnvSpec) -> Result<Self, Failure> {
        let candidates = candidates(config.env.as_ref(), arguments, &options(arguments))?;
        let pilots: Vec<Pilot> = candidates.iter().map(|it| it.pilot(spec)).collect::<Result<_, _>>()?;
        let teachers = pilots.into_iter().zip(label_stds(config, &candidates)?);
        let teachers =
            teachers.map(|(pilot, label_std)| Teacher { label_std, ..Teacher::new(pilot) }).collect();
        let mut crew = Crew { env: config.env.untimed(), fleet: Vec::new(), teachers };
        let mut admissions = None;
        if matches!(candidates.as_slice(), [Candidate { craft: None, .. }]) {
            refuse_choices(arguments)?;
        } else {
            crew.fleet = candidates.iter().filter_map(|it| it.craft.clone()).collect();
            admissions = Some(admit(&mut crew, &candidates, config)?);
        }
        Ok(Self { candidates, crew, admissions })
    }
}

fn options(arguments: &Distill) -> LoadOptions {
    arguments.teacher.load_options(Side::Teacher)
}

/// Says what a single teacher is and whether it flies.
pub(super) fn introduce(arguments: &Distill, candidate: &Candidate, env: &dyn Task) -> Result<(), Failure> {
    say(format!("[INFO] Loading teacher policy from: {}", candidate.path.display()))?;
    describe_teacher(&candidate.loaded)?;
    self_check(env, &candidate.loaded, &options(arguments), &candidate.path)
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

/// The teachers that the flags name. Many of them need a vehicle each where the task has vehicles.
fn candidates(
    task: &dyn Task,
    arguments: &Distill,
    options: &LoadOptions,
) -> Result<Vec<Candidate>, Failure> {
    let mut candidates = match &arguments.teacher_dir {
        Some(folder) if task.takes_vehicles() => {
            let (ids, exclude) = (arguments.teacher_ids.as_deref(), arguments.exclude_teacher_ids.as_deref());
            Choice { folder, ids, exclude }.read(options)?
        }
        Some(_) => {
            return Err(Failure::new(format!("`--teacher_dir`: task `{}` has one vehicle", task.id()))
                .hint("name the teachers with `--teacher_checkpoint`, once each"));
        }
        None => read_checkpoints(&arguments.teacher_checkpoint, options)?,
    };
    if let ([candidate], true) = (candidates.as_mut_slice(), arguments.flight.vehicle.is_some()) {
        // The vehicle that is asked for by name.
        candidate.craft = None;
    }
    if task.takes_vehicles() && candidates.len() > 1 {
        if let Some(it) = candidates.iter().find(|it| it.craft.is_none()) {
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

/// Deviation of each teacher's labels, if labels are samples.
fn label_stds(config: &Config, candidates: &[Candidate]) -> Result<Vec<Option<Vec<f32>>>, Failure> {
    if config.distill.teacher_deterministic {
        return Ok(vec![None; candidates.len()]);
    }
    let std = |it: &Candidate| {
        it.loaded.std.clone().map(Some).ok_or_else(|| {
            Failure::new("`--no-teacher_deterministic`: the teacher's file holds no standard deviation")
                .at(&it.path.display())
                .hint("leave the flag out: labels are the teacher's mean actions")
        })
    };
    candidates.iter().map(std).collect()
}

/// Flies every teacher on its own vehicle, and keeps those that are admitted and selected; returns the table of all.
fn admit(crew: &mut Crew, candidates: &[Candidate], config: &Config) -> Result<String, Failure> {
    let settings = &config.distill.teachers;
    let (episodes, steps) = (settings.admission_episodes, config.distill.eval_steps);
    let admissions = Admission::of_all(candidates, crew, episodes, steps);
    let returns: Vec<f64> = admissions.iter().map(|it| it.summary.mean_return).collect();
    let weak: Vec<usize> = (0..returns.len()).filter(|it| returns[*it] < settings.solved_return).collect();
    for index in &weak {
        say(format!(
            "[WARNING] Teacher {}: return {:.1} on its own vehicle, below {}",
            candidates[*index].name, returns[*index], settings.solved_return
        ))?;
    }
    if !weak.is_empty() && settings.on_weak_teacher == OnWeakTeacher::Stop {
        let names: Vec<&str> = weak.iter().map(|it| candidates[*it].name.as_str()).collect();
        return Err(Failure::new(format!(
            "{} of {} teachers are not admitted: {}",
            weak.len(),
            returns.len(),
            names.join(", ")
        ))
        .hint("`--on_weak_teacher skip` goes on without them, `distill.teachers.solved_return` is the bar"));
    }
    let admitted: Vec<usize> = (0..returns.len()).filter(|it| !weak.contains(it)).collect();
    let of_admitted: Vec<f64> = admitted.iter().map(|it| returns[*it]).collect();
    let chosen: Vec<usize> =
        settings.select(&of_admitted, config.agent.seed).into_iter().map(|it| admitted[it]).collect();
    if chosen.is_empty() {
        return Err(Failure::new("no teacher is admitted")
            .hint("`distill.teachers.solved_return` is the bar that the warnings above name"));
    }
    let offset = |index: usize| {
        let none = [0.0; 3];
        if settings.correct_position_offset { admissions[index].offset.map(|it| it as f32) } else { none }
    };
    crew.teachers = chosen
        .iter()
        .map(|index| Teacher {
            position_offset: offset(*index),
            mean_return: returns[*index],
            ..crew.teachers[*index].clone()
        })
        .collect();
    if !crew.fleet.is_empty() {
        crew.fleet = chosen.iter().map(|index| crew.fleet[*index].clone()).collect();
    }
    let count = chosen.len() as f64;
    let mean = |value: &dyn Fn(usize) -> f64| chosen.iter().map(|it| value(*it)).sum::<f64>() / count;
    say(format!(
        "[INFO] {} of {} teachers on their own vehicles, {} episodes each: return {:.1}, {:.2} % terminated, {:.4} m from the target at rest",
        chosen.len(),
        candidates.len(),
        settings.admission_episodes,
        mean(&|it| returns[it]),
        100.0 * mean(&|it| admissions[it].summary.crash_rate),
        mean(&|it| admissions[it].offset.iter().map(|x| x * x).sum::<f64>().sqrt()),
    ))?;
    Ok(crew::admission_table(&admissions, settings.solved_return))
}

fn describe_teacher(loaded: &eyas_formats::LoadedPolicy) -> Result<(), Failure> {
    let architecture = &loaded.policy.network.architecture;
    say(format!(
        "Teacher architecture: obs={}, actions={}, hidden={:?}",
        architecture.inputs,
        loaded.policy.num_actions(),
        architecture.hidden
    ))?;
    for decision in &loaded.decisions {
        say(format!("[INFO] Teacher {decision}"))?;
    }
    Ok(())
}
