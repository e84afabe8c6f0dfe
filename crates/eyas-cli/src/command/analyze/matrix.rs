//! `eyas analyze matrix`: every teacher on every vehicle, as RLtools' `check_checkpoints` flies them.

use std::fmt::Write as _;
use std::process::ExitCode;

use eyas_formats::Side;
use eyas_learn::{Actor, Evaluation, NotFinite, evaluate};
use eyas_vehicles::{FleetVehicle, vehicles};

use crate::flags::{read_fleet, warn_of_motors};
use eyas_view::Heatmap;
use rayon::prelude::*;

use super::{AnalysisSetup, prepare, write};
use crate::arguments::Matrix;
use crate::print::say;
use eyas::Failure;
use eyas::tasks::AnyTask;
use eyas::teachers::{Candidate, TeacherFolder};
use eyas::text::aligned;

pub(super) fn run(arguments: &Matrix) -> Result<ExitCode, Failure> {
    let Matrix { analysis, episodes, .. } = arguments;
    let Some(setting) = AnalysisSetup::new(analysis, &[], *episodes)? else { return Ok(ExitCode::SUCCESS) };
    let fleet: Vec<FleetVehicle> = if arguments.vehicles.as_os_str() == "registry" {
        vehicles().iter().map(eyas_vehicles::NamedVehicle::fleet_vehicle).collect()
    } else {
        read_fleet(&arguments.vehicles)?
    };
    let flown = fleet.iter().map(|it| (it.id.as_str(), &it.dynamics));
    warn_of_motors(&setting.env, flown, None);
    let choice = TeacherFolder {
        folder: &arguments.teacher_dir,
        ids: arguments.teacher_ids.as_deref(),
        exclude: arguments.exclude_teacher_ids.as_deref(),
    };
    let teachers = choice.read(&arguments.teacher.load_options(Side::Auto))?;
    let actors = actors_of(&setting, &teachers)?;
    prepare(&analysis.out)?;

    // All teachers fly from the same starts.
    let vehicles: Vec<usize> =
        (0..fleet.len()).flat_map(|index| std::iter::repeat_n(index, *episodes)).collect();
    let returns = actors
        .par_iter()
        .map(|actor| {
            let mut engine = AnyTask::make_fleet(&setting.env, &fleet, &vehicles, setting.seed);
            let outcomes = evaluate(engine.as_mut(), actor, None, setting.steps)?.outcomes;
            let mean = |own: &[_]| Evaluation::unlabelled(own.to_vec()).summary().mean_return;
            Ok(outcomes.chunks(*episodes).map(mean).collect())
        })
        .collect::<Vec<Result<Vec<f64>, NotFinite>>>();
    let returns = returns.into_iter().zip(&teachers).map(|(flown, teacher)| {
        let flight = format!("the flight of teacher {}", teacher.name);
        flown.map_err(|error| setting.not_finite(error, &flight, &analysis.out))
    });
    let returns = returns.collect::<Result<Vec<Vec<f64>>, Failure>>()?;

    let columns: Vec<&str> = fleet.iter().map(|it| it.id.as_str()).collect();
    let rows: Vec<&str> = teachers.iter().map(|it| it.name.as_str()).collect();
    let height = (24 * rows.len() + 220).clamp(500, 1300);
    let values = returns.concat();
    let mut map = Heatmap::new("Teachers on other vehicles", &rows, &columns, &values)
        .size(1200, height)
        .x("vehicle", "")
        .y("teacher", "")
        .value("mean return", "");
    // A flight far away from its target is worth less than a crash; few of them would take most of the colours.
    let crash = setting.env.reward.termination_penalty;
    let [least, most] = [f64::min, f64::max].map(|pick| values.iter().copied().reduce(pick).unwrap_or(crash));
    if least < crash && crash < most {
        map = map.range(crash, most);
    }
    write(&analysis.out, "matrix", &table(&rows, &columns, &returns), &map.png())?;
    say(best(&rows, &columns, &returns).trim_end())?;
    Ok(ExitCode::SUCCESS)
}

fn actors_of(setting: &AnalysisSetup, teachers: &[Candidate]) -> Result<Vec<Actor>, Failure> {
    let spec = setting.env.spec();
    teachers.iter().map(|it| it.actor(&spec)).collect()
}

fn table(rows: &[&str], columns: &[&str], returns: &[Vec<f64>]) -> String {
    let mut text = format!("teacher,{}\n", columns.join(","));
    for (row, returns) in rows.iter().zip(returns) {
        text += row;
        for value in returns {
            // Writing to a string does not fail.
            let _ = write!(text, ",{value}");
        }
        text.push('\n');
    }
    text
}

/// The best teacher of each vehicle and what all of them reach on it.
fn best(rows: &[&str], columns: &[&str], returns: &[Vec<f64>]) -> String {
    let mut lines = vec![["vehicle", "best teacher", "return", "mean of all"].map(str::to_owned)];
    for (column, vehicle) in columns.iter().enumerate() {
        let own = || returns.iter().map(|row| row[column]);
        let mean = own().sum::<f64>() / returns.len() as f64;
        // The first of equals.
        let best = own().enumerate().reduce(|best, it| if it.1 > best.1 { it } else { best });
        let (teacher, value) = best.expect("there is a teacher");
        lines.push([
            (*vehicle).to_owned(),
            rows[teacher].to_owned(),
            format!("{value:.1}"),
            format!("{mean:.1}"),
        ]);
    }
    aligned(2, &lines)
}
