//! The teachers of a distillation: read, given a vehicle each and, where there are many, admitted.

use std::ops::Range;
use std::path::Path;

use eyas_env::{EnvSpec, RAPTOR_TASK};
use eyas_formats::Checkpoint;
use eyas_learn::Actor;
use eyas_learn::distill::{OnWeakTeacher, PositionFeatures, RestingError, Teacher};
use eyas_run::Origin;

use super::DistillationConfig;
use crate::device::EpisodeDevice;
use crate::failure::Failure;
use crate::observer::Observer;
use crate::provenance::Provenance;
use crate::self_check::self_check;
use crate::tasks::AnyTask;
use crate::teachers::{Admission, Candidate, Teachers, admission_table, is_alone};
use crate::text::warnings_told;
use crate::trained_on::{self, motor_warning};

/// Who teaches.
pub(super) struct Admitted {
    /// Those that teach, and their vehicles.
    pub(super) teachers: Teachers,
    /// How each of many candidates flew on its own vehicle, `teachers.csv`.
    pub(super) table: Option<String>,
}

impl Admitted {
    /// The candidates that are admitted and selected; a single one without a vehicle of its own is taken as it is. A
    /// student sees `student` of the task's features; what is decided of the configuration is written into `provenance`.
    /// `run` is the folder of one that goes on.
    pub(super) fn of(
        config: &DistillationConfig,
        (spec, student): (&EnvSpec, &Range<usize>),
        device: EpisodeDevice,
        run: Option<&Path>,
        provenance: &mut Provenance,
        observer: &mut dyn Observer,
    ) -> Result<Self, Failure> {
        let candidates = &config.candidates;
        let actors: Vec<Actor> = candidates.iter().map(|it| it.actor(spec)).collect::<Result<_, _>>()?;
        let teachers = actors.into_iter().zip(label_stds(config, candidates)?);
        let teachers =
            teachers.map(|(actor, label_std)| Teacher { label_std, ..Teacher::new(actor) }).collect();
        let mut teachers = Teachers {
            task: config.task.untimed(),
            fleet: Vec::new(),
            teachers,
            on_nan: config.distill.on_nan,
            device,
        };
        let mut table = None;
        if !is_alone(candidates) {
            let corrected = corrected_features(config, spec, student, provenance, observer)?;
            teachers.fleet = candidates.iter().filter_map(|it| it.vehicle.clone()).collect();
            // Before it is begun, a run has no folder.
            let folder = run.unwrap_or(Path::new(""));
            table = Some(admit(&mut teachers, config, corrected.as_ref(), folder, observer)?);
        }
        Ok(Self { teachers, table })
    }
}

/// Says what a single teacher is and whether it flies.
pub(super) fn introduce(
    config: &DistillationConfig,
    task: &dyn AnyTask,
    observer: &mut dyn Observer,
) -> Result<(), Failure> {
    let Candidate { path, loaded, .. } = &config.candidates[0];
    observer.line(&format!("[INFO] Loading teacher policy from: {}", path.display()))?;
    let flown = std::slice::from_ref(task.vehicle());
    let mut told = |warning: &str| observer.warning(warning);
    trained_on::compare(&Checkpoint::read(path)?, &loaded.policy, flown, &task.spec(), &mut told);
    describe_teacher(loaded, observer)?;
    self_check(task, loaded, &config.teacher_options, path, observer)
}

fn warn(warnings: &[String], observer: &mut dyn Observer) {
    for warning in warnings_told(warnings, "these") {
        observer.warning(&warning);
    }
}

/// Deviation of each teacher's labels, if labels are samples.
fn label_stds(
    config: &DistillationConfig,
    candidates: &[Candidate],
) -> Result<Vec<Option<Vec<f32>>>, Failure> {
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

/// The features that are told from where a teacher comes to rest, if any are to be. A user who asks for it where students
/// see no position is refused; what only the program's own settings ask for is switched off there, and the run's
/// configuration says so.
fn corrected_features(
    config: &DistillationConfig,
    spec: &EnvSpec,
    student: &Range<usize>,
    provenance: &mut Provenance,
    observer: &mut dyn Observer,
) -> Result<Option<PositionFeatures>, Failure> {
    const KEY: &str = "distill.teachers.correct_position_offset";
    if !config.distill.teachers.correct_position_offset {
        return Ok(None);
    }
    let unseen = match PositionFeatures::new(spec, student) {
        Ok(features) => return Ok(Some(features)),
        Err(unseen) => unseen,
    };
    match provenance.origin(KEY) {
        Origin::Default | Origin::Preset(_) => {
            observer.line(&format!("[INFO] `{KEY}` is off: {unseen}"))?;
            provenance.decide(KEY, &false.into(), "task");
            Ok(None)
        }
        origin => Err(Failure::new(format!("`{KEY}` = true: {unseen}"))
            .at(&origin)
            .hint("leave the key out, or set it to false")),
    }
}

/// Flies every teacher on its own vehicle, and keeps those that are admitted and selected; returns the table of all.
/// Students are told `corrected` from where their teacher comes to rest.
fn admit(
    teachers: &mut Teachers,
    config: &DistillationConfig,
    corrected: Option<&PositionFeatures>,
    folder: &Path,
    observer: &mut dyn Observer,
) -> Result<String, Failure> {
    let candidates = &config.candidates;
    let settings = &config.distill.teachers;
    if config.task.id() == RAPTOR_TASK {
        // One student has one order of motors.
        let own = candidates.iter().filter_map(|it| {
            let vehicle = it.vehicle.as_ref()?;
            motor_warning(&it.name, &vehicle.dynamics, None)
        });
        warn(&own.collect::<Vec<_>>(), observer);
    }
    let (episodes, steps) = (settings.admission_episodes, config.distill.eval_steps);
    let admissions = Admission::of_all(candidates, teachers, config.agent.seed, (episodes, steps), folder)?;
    let returns: Vec<f64> = admissions.iter().map(|it| it.summary.mean_return).collect();
    let weak: Vec<usize> = (0..returns.len()).filter(|it| returns[*it] < settings.solved_return).collect();
    for index in &weak {
        observer.line(&format!(
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
    let resting = |index: usize| {
        corrected.map(|features| RestingError::new(features.clone(), admissions[index].offset))
    };
    teachers.teachers = chosen
        .iter()
        .map(|index| Teacher {
            resting: resting(*index),
            mean_return: returns[*index],
            ..teachers.teachers[*index].clone()
        })
        .collect();
    if !teachers.fleet.is_empty() {
        teachers.fleet = chosen.iter().map(|index| teachers.fleet[*index].clone()).collect();
    }
    let count = chosen.len() as f64;
    let mean = |value: &dyn Fn(usize) -> f64| chosen.iter().map(|it| value(*it)).sum::<f64>() / count;
    observer.line(&format!(
        "[INFO] {} of {} teachers on their own vehicles, {} episodes each: return {:.1}, {:.2} % terminated, {:.4} m from the target at rest",
        chosen.len(),
        candidates.len(),
        settings.admission_episodes,
        mean(&|it| returns[it]),
        100.0 * mean(&|it| admissions[it].summary.crash_rate),
        mean(&|it| admissions[it].offset.iter().map(|x| x * x).sum::<f64>().sqrt()),
    ))?;
    Ok(admission_table(&admissions, settings.solved_return))
}

fn describe_teacher(loaded: &eyas_formats::LoadedPolicy, observer: &mut dyn Observer) -> Result<(), Failure> {
    let architecture = &loaded.policy.network.architecture;
    observer.line(&format!(
        "Teacher architecture: obs={}, actions={}, hidden={:?}",
        architecture.inputs,
        loaded.policy.num_actions(),
        architecture.hidden
    ))?;
    for decision in &loaded.decisions {
        observer.line(&format!("[INFO] Teacher {decision}"))?;
    }
    Ok(())
}
