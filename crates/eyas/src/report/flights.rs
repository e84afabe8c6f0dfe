//! Policies of runs along a trajectory of their own task, and pictures of what they flew.

use std::path::PathBuf;

use eyas_formats::{LoadOptions, Side};
use eyas_learn::Actor;
use eyas_run::Interrupt;
use eyas_run::manifest::InputFile;
use eyas_view::{Chart, Paths};

use super::ReadCommand;
use super::curves::SIZE;
use super::page::Picture;
use super::runs::{Input, Kind, Run};
use crate::configuration::read_vehicle;
use crate::evaluate::SEED;
use crate::failure::Failure;
use crate::observer::Silent;
use crate::policies::load_policy;
use crate::run_files::{BEST_MODEL, VEHICLE, best_policy, folder};
use crate::task_of_run::{played, task_of_run};
use crate::tasks::AnyTask;
use crate::tracking::{Recorder, Statistics};
use crate::trajectory;
use crate::video::motor_names;

/// Length of a flight, s: a figure-8 is flown once, after the time in which its target waits.
const LENGTH_S: f64 = 16.0;
/// Least length of an axis, m: a vehicle that hovers well is a point.
const LEAST_M: f64 = 0.2;

/// What flew, from the same start.
pub(super) struct Flights {
    pub(super) trajectory: String,
    motors: [String; 4],
    period_s: f64,
    /// Who, and how.
    pub(super) flown: Vec<(String, Recorder)>,
    /// What is to be said of it.
    pub(super) remarks: Vec<String>,
}

/// A policy to fly.
struct Entrant {
    name: &'static str,
    path: PathBuf,
    options: LoadOptions,
}

/// Flies the best policy of a run, and beside it the teacher of a student; none if the run has no policy yet.
pub(super) fn fly(run: &Run, read: ReadCommand, interrupt: &Interrupt) -> Result<Option<Flights>, Failure> {
    let Some(policy) = policy_of(run)? else { return Ok(None) };
    Ok(Some(fly_in(task_of_run(&run.path)?.as_ref(), run, policy, read, interrupt)?))
}

/// The best policy of a run: of a fleet, the first teacher of the ranking.
fn policy_of(run: &Run) -> Result<Option<Entrant>, Failure> {
    let entrant = |name, path| Entrant { name, path, options: LoadOptions::default() };
    if run.kind != Kind::Fleet {
        let name = if run.kind == Kind::Distillation { "student" } else { "policy" };
        return Ok(best_policy(&run.path).map(|path| entrant(name, path)));
    }
    let Some(ranking) = run.table("ranking.csv")? else { return Ok(None) };
    let best = ranking.numbers("teacher")?.first().copied().flatten();
    let path = best.map(|number| run.path.join(folder(number as usize)).join(BEST_MODEL));
    Ok(path.filter(|path| path.is_file()).map(|path| entrant("best teacher", path)))
}

/// The teacher of a student as it was read, or why it does not fly beside it.
fn teacher_of(run: &Run, read: ReadCommand) -> Option<Result<Entrant, String>> {
    let [Input { path, sha256 }, others @ ..] = run.teachers() else { return None };
    let file = path.display();
    if !path.is_file() {
        return Some(Err(format!(
            "The teacher does not fly beside the student: there is no file {file} any more."
        )));
    }
    if InputFile::read(path).ok().is_none_or(|found| found.sha256 != *sha256) {
        return Some(Err(format!(
            "The teacher does not fly beside the student: {file} is not the file that the run read."
        )));
    }
    let options = run.manifest.as_ref().and_then(|it| read(&it.command_line)).map(|it| it.teacher_options);
    Some(Ok(Entrant {
        name: if others.is_empty() { "teacher" } else { "first teacher" },
        path: path.clone(),
        // The file itself says most of it.
        options: options.unwrap_or(LoadOptions { side: Side::Teacher, ..LoadOptions::default() }),
    }))
}

fn fly_in(
    base: &dyn AnyTask,
    run: &Run,
    policy: Entrant,
    read: ReadCommand,
    interrupt: &Interrupt,
) -> Result<Flights, Failure> {
    let (trajectory, settings) = trajectory::find(base, None)?;
    let mut env = played(base, 1, settings)?;
    let mut remarks = Vec::new();
    let mut entrants = vec![policy];
    match teacher_of(run, read) {
        Some(Ok(teacher)) => entrants.push(teacher),
        Some(Err(remark)) => remarks.push(remark),
        None => {}
    }
    let vehicle = entrants[entrants.len() - 1].path.with_file_name(VEHICLE);
    let flags = run.manifest.as_ref().and_then(|it| read(&it.command_line));
    let is_named = flags.is_some_and(|flags| flags.names_vehicle);
    if base.takes_vehicles() && !is_named && vehicle.is_file() {
        env = env.with_vehicle(&read_vehicle(&vehicle)?.fleet_vehicle("0"));
        remarks.push(format!("The vehicle is that of {}.", vehicle.display()));
    }
    let mut flights = Flights {
        trajectory,
        motors: motor_names(env.make(1, SEED).spec()),
        period_s: env.control_period(),
        flown: Vec::new(),
        remarks,
    };
    for Entrant { name, path, options } in entrants {
        let loaded = load_policy(&path, &options)?;
        let mut envs = [env.make(1, SEED)];
        match Actor::new(&loaded.policy, envs[0].spec()) {
            Ok(actor) => {
                let steps = (LENGTH_S / flights.period_s).round() as u32;
                let flown = Recorder::fly(&mut envs, &actor, steps, &mut Silent, interrupt)?;
                flights.flown.push((name.to_owned(), flown));
            }
            Err(misfit) => flights.remarks.push(format!("The {name} does not fly: {misfit}.")),
        }
    }
    Ok(flights)
}

impl Flights {
    /// Return, length and errors of each, one row for each.
    pub(super) fn rows(&self) -> Vec<Vec<String>> {
        let row = |(name, it): &(String, Recorder)| {
            let [position, velocity] =
                [it.position_errors(), it.velocity_errors()].map(|errors| Statistics::of(errors.into_iter()));
            vec![
                name.clone(),
                format!("{:.2}", it.steps as f64 * self.period_s),
                if it.crashed.contains(&true) { "yes" } else { "no" }.to_owned(),
                format!("{:.1}", it.returns[0]),
                format!("{:.4}", position.rms),
                format!("{:.4}", position.max),
                format!("{:.4}", velocity.rms),
            ]
        };
        self.flown.iter().map(row).collect()
    }

    /// Heads of the columns of [`rows`](Self::rows).
    pub(super) const HEAD: [&str; 7] =
        ["", "flown (s)", "crashed", "return", "position RMSE (m)", "greatest (m)", "velocity RMSE (m/s)"];

    /// Path in space and its three projections, errors and actions over time; names of files begin with `prefix`.
    pub(super) fn pictures(&self, prefix: &str) -> Vec<Picture> {
        let picture = |name: &str, png: Vec<u8>, caption: &str| Picture {
            name: format!("{prefix}_{name}.png"),
            png,
            caption: caption.to_owned(),
        };
        let mut space = Paths::new("").size(SIZE.0, SIZE.1 + 60).least(LEAST_M);
        for (name, path) in self.paths() {
            space = space.path(&name, &path);
        }
        let mut pictures =
            vec![picture("trajectory", space.png(), "Trajectory, and its shadow on the floor")];
        for (file, [x, y], caption) in [
            ("xy", [0, 1], "Trajectory from above"),
            ("xz", [0, 2], "Trajectory from the side, along y"),
            ("yz", [1, 2], "Trajectory from the side, along x"),
        ] {
            let labels = ["x", "y", "z"];
            let mut chart = Chart::new("").size(SIZE.0, SIZE.1 + 60).x(labels[x], "m").y(labels[y], "m");
            chart = chart.equal_units(LEAST_M);
            for (name, path) in self.paths() {
                chart = chart.line(&name, &path.iter().map(|point| [point[x], point[y]]).collect::<Vec<_>>());
            }
            pictures.push(picture(file, chart.png(), caption));
        }
        let position = self.errors("position error", "m", Recorder::position_errors);
        pictures.push(picture("position_error", position, "Distance to the target"));
        let velocity = self.errors("velocity error", "m/s", Recorder::velocity_errors);
        pictures.push(picture("velocity_error", velocity, "Difference to the target's velocity"));
        pictures.push(picture("actions", self.actions(), "Action of each motor, from −1 to 1"));
        pictures
    }

    /// Where each was, and where the target was, in m; the target is last, so that each looks alike in all pictures.
    fn paths(&self) -> Vec<(String, Vec<[f64; 3]>)> {
        // One path for each vehicle, which has a number if there are several.
        let paths = |name: &str, values: &[f32], count: usize| -> Vec<(String, Vec<[f64; 3]>)> {
            let (points, _) = values.as_chunks::<3>();
            let path = |vehicle: usize| {
                let own = points.iter().skip(vehicle).step_by(count);
                let name = if count > 1 { format!("{name} {vehicle}") } else { name.to_owned() };
                (name, own.map(|point| point.map(f64::from)).collect())
            };
            (0..count).map(path).collect()
        };
        let longest = self.flown.iter().max_by_key(|(_, it)| it.steps);
        let target = longest.map(|(_, it)| paths("target", &it.desired_position, it.num_vehicles));
        let flown =
            self.flown.iter().flat_map(|(name, it)| paths(name, &it.actual_position, it.num_vehicles));
        flown.chain(target.into_iter().flatten()).collect()
    }

    fn over_time(&self, values: impl Iterator<Item = f32>) -> Vec<[f64; 2]> {
        let time = |step: usize| (step + 1) as f64 * self.period_s;
        values.enumerate().map(|(step, value)| [time(step), f64::from(value)]).collect()
    }

    /// The legend's name of a line; one that is alone has none.
    fn label<'a>(&self, name: &'a str) -> &'a str {
        if self.flown.len() > 1 { name } else { "" }
    }

    /// Errors over time.
    fn errors(&self, label: &str, unit: &str, of: impl Fn(&Recorder) -> Vec<f32>) -> Vec<u8> {
        let mut chart = Chart::new("").size(SIZE.0, SIZE.1).x("time", "s").y(label, unit);
        for (name, it) in &self.flown {
            let errors = of(it);
            let mean = |all: &[f32]| all.iter().sum::<f32>() / all.len() as f32;
            let means = errors.chunks(it.num_vehicles).map(mean);
            chart = chart.line(self.label(name), &self.over_time(means));
        }
        chart.png()
    }

    fn actions(&self) -> Vec<u8> {
        let mut chart = Chart::new("").size(SIZE.0, SIZE.1 + 320).x("time", "s");
        for (motor, place) in self.motors.iter().enumerate() {
            let label = if place.is_empty() { format!("motor {}", motor + 1) } else { place.clone() };
            chart = if motor == 0 { chart.y(&label, "") } else { chart.panel(&label, "") };
            chart = chart.y_range(-1.05, 1.05);
            for (name, it) in &self.flown {
                let width = it.actions.len() / it.steps.max(1);
                let own = it.actions.iter().skip(motor).step_by(width.max(1)).copied();
                chart = chart.line(self.label(name), &self.over_time(own));
            }
        }
        chart.png()
    }
}
