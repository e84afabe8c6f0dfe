//! Learning curves: a line for each configuration, with a band where it was run with several seeds.

use std::collections::BTreeSet;

use eyas_view::Chart;

use super::page::Picture;
use super::runs::{Kind, Run, is_of_one_run};
use crate::failure::Failure;

/// Size of a chart without a legend, px: numbers can be read where it is shown half as wide.
pub(super) const SIZE: (usize, usize) = (640, 420);
/// Height of a row of a legend, px.
const ROW: usize = 30;

/// Runs of one configuration, which differ in their seeds at most.
pub(super) struct Group<'a> {
    pub(super) name: String,
    pub(super) runs: Vec<&'a Run>,
}

/// The runs of a kind by their configurations, in the order of the first of each; labels stand for what tells them apart.
pub(super) fn groups(runs: &[Run], kind: Kind, is_labelled: bool) -> Vec<Group<'_>> {
    let mut groups: Vec<Vec<&Run>> = Vec::new();
    for run in runs.iter().filter(|run| run.kind == kind) {
        match groups.iter_mut().find(|group| group[0].configuration() == run.configuration()) {
            Some(group) => group.push(run),
            None => groups.push(vec![run]),
        }
    }
    let names = names(&groups, is_labelled);
    groups.into_iter().zip(names).map(|(runs, name)| Group { name, runs }).collect()
}

/// What tells each group from the others: its settings if a few of them do, else the name of its first run, or the labels of
/// all of its runs.
fn names(groups: &[Vec<&Run>], is_labelled: bool) -> Vec<String> {
    /// More would fill the picture.
    const MOST: usize = 2;
    let value = |group: &Vec<&Run>, key: &str| group[0].settings.get(key).cloned();
    let mut keys: Vec<&String> = groups.iter().flat_map(|group| group[0].settings.keys()).collect();
    keys.sort();
    keys.dedup();
    keys.retain(|key| !is_of_one_run(key));
    keys.retain(|key| groups.iter().any(|group| value(group, key) != value(&groups[0], key)));
    let told = |group: &Vec<&Run>| {
        let parts = keys.iter().map(|key| {
            let short = key.rsplit('.').next().unwrap_or_default();
            format!("{short} {}", value(group, key).unwrap_or_else(|| "–".to_owned()))
        });
        parts.collect::<Vec<_>>().join(", ")
    };
    let by_settings: Vec<String> = groups.iter().map(told).collect();
    let are_different = (1..by_settings.len()).all(|it| !by_settings[..it].contains(&by_settings[it]));
    let is_told = !is_labelled && groups.len() > 1 && (1..=MOST).contains(&keys.len()) && are_different;
    let name = |(group, told): (&Vec<&Run>, String)| {
        let name = if is_told {
            told
        } else if is_labelled {
            group.iter().map(|run| run.name.as_str()).collect::<Vec<_>>().join(", ")
        } else {
            group[0].name.clone()
        };
        let seed = |run: &&Run| run.settings.get("agent.seed").cloned();
        let seeds: BTreeSet<Option<String>> = group.iter().map(seed).collect();
        match group.len() {
            1 => name,
            count if seeds.len() == count => format!("{name} ({count} seeds)"),
            count => format!("{name} ({count} runs)"),
        }
    };
    groups.iter().zip(by_settings).map(name).collect()
}

/// A curve that is worth a picture.
struct Curve {
    tag: &'static str,
    /// What stands beside the axis, and its unit.
    label: [&'static str; 2],
    /// From what is logged to that unit.
    factor: f64,
    is_log: bool,
    caption: &'static str,
}

const fn curve(tag: &'static str, label: [&'static str; 2], caption: &'static str) -> Curve {
    Curve { tag, label, factor: 1.0, is_log: false, caption }
}

const fn share(tag: &'static str, label: &'static str, caption: &'static str) -> Curve {
    Curve { factor: 100.0, ..curve(tag, [label, "%"], caption) }
}

const CURVES: [Curve; 14] = [
    curve("evaluation/mean_return", ["return", ""], "Mean return of an evaluation"),
    share("evaluation/crash_rate", "crashed", "Episodes of an evaluation that crashed"),
    curve("evaluation/position_rmse_m", ["position RMSE", "m"], "Position error in an evaluation"),
    curve(
        "evaluation/hover_rmse_m",
        ["position RMSE", "m"],
        "Position error in an evaluation, target at rest",
    ),
    curve(
        "evaluation/moving_rmse_m",
        ["position RMSE", "m"],
        "Position error in an evaluation, moving target",
    ),
    curve(
        "evaluation/action_rmse",
        ["action RMSE", ""],
        "Difference to the teacher's action in an evaluation",
    ),
    curve(
        "evaluation/return/mean",
        ["return", ""],
        "Mean return while collecting, on the vehicles of all teachers",
    ),
    share("evaluation/share_terminated", "terminated", "Collected episodes that were terminated"),
    curve("data_collection/mean_return", ["return", ""], "Mean return while collecting"),
    Curve { is_log: true, ..curve("training/loss", ["loss", ""], "Loss of the distillation") },
    curve("Train/mean_reward", ["return", ""], "Mean return while learning"),
    curve("Train/mean_step_reward", ["reward of a step", ""], "Mean reward while learning"),
    curve("Loss/cost", ["cost", ""], "Cost that the gradient lowers"),
    curve("Loss/value_function", ["loss", ""], "Loss of the value function"),
];

/// What became of each teacher of a fleet.
const TEACHERS: [Curve; 4] = [
    curve("fleet/return", ["return", ""], "Mean return of each teacher from the starts of the C++ system"),
    share("fleet/terminated", "terminated", "Terminated episodes of each teacher from those starts"),
    curve("fleet/own_return", ["return", ""], "Mean return of each teacher from its own starts"),
    curve("fleet/seconds", ["time", "s"], "Time that each teacher took"),
];

/// A point of a group: step, s since the first point, mean, and the mean less and plus a standard deviation.
type Row = [f64; 5];

/// What points are drawn over.
struct Along {
    label: &'static str,
    unit: &'static str,
    of: fn(&Row) -> f64,
}

/// The time in a unit that suits its length, s.
fn along_time(longest: f64) -> Along {
    let label = "wall time";
    match longest {
        ..300.0 => Along { label, unit: "s", of: |row| row[1] },
        300.0..18_000.0 => Along { label, unit: "min", of: |row| row[1] / 60.0 },
        _ => Along { label, unit: "h", of: |row| row[1] / 3600.0 },
    }
}

/// The curves of some groups, a picture for each quantity that one of them has, and one more of a return over time.
pub(super) fn pictures(groups: &[Group], kind: Kind) -> Result<Vec<Picture>, Failure> {
    let (curves, step, prefix) = match kind {
        Kind::Training => (&CURVES[..], "iteration", "training"),
        Kind::Distillation => (&CURVES[..], "epoch", "distillation"),
        Kind::Fleet => (&TEACHERS[..], "teacher", "teachers"),
    };
    let mut pictures = Vec::new();
    for curve in curves {
        let points = groups.iter().map(|group| mean(group, curve)).collect::<Result<Vec<_>, _>>()?;
        if points.iter().all(Vec::is_empty) {
            continue;
        }
        let mut draw = |along: &Along, suffix: &str, when: &str| {
            let name = format!("{prefix}_{}{suffix}.png", curve.tag.replace('/', "_").to_lowercase());
            let chart = chart(groups, kind, curve, &points, along);
            let without_place = match chart.num_without_place() {
                0 => String::new(),
                1 => " (one of the points has no place on these axes)".to_owned(),
                count => format!(" ({count} of the points have no place on these axes)"),
            };
            let caption = format!("{}{when}{without_place}", curve.caption);
            pictures.push(Picture { name, png: chart.png(), caption });
        };
        draw(&Along { label: step, unit: "", of: |row| row[0] }, "", "");
        if kind != Kind::Fleet && curve.label[0] == "return" {
            let longest = points.iter().flatten().map(|row| row[1]).fold(0.0, f64::max);
            draw(&along_time(longest), "_over_time", ", over time");
        }
    }
    Ok(pictures)
}

/// A curve of some groups. A group without it keeps its colour.
fn chart(groups: &[Group], kind: Kind, curve: &Curve, points: &[Vec<Row>], along: &Along) -> Chart {
    // A line that is alone needs no name.
    let is_alone = matches!(groups, [group] if group.runs.len() == 1);
    let mut chart = Chart::new("").x(along.label, along.unit).y(curve.label[0], curve.label[1]);
    if curve.is_log {
        chart = chart.log_y();
    }
    for (group, rows) in groups.iter().zip(points) {
        let name = if is_alone { "" } else { group.name.as_str() };
        let pairs: Vec<[f64; 2]> = rows.iter().map(|row| [(along.of)(row), row[2]]).collect();
        let with_band =
            || rows.iter().map(|row| [(along.of)(row), row[2], row[3], row[4]]).collect::<Vec<_>>();
        chart = match (kind, group.runs.len()) {
            (Kind::Fleet, _) => chart.points(name, &pairs),
            (_, 1) => chart.line(name, &pairs),
            _ => chart.line_with_band(name, &with_band()),
        };
    }
    chart.size(SIZE.0, SIZE.1 + if is_alone { 0 } else { ROW * groups.len() })
}

/// What a group has of a curve, at the steps where every run of it that has the curve has a point; times are means.
fn mean(group: &Group, curve: &Curve) -> Result<Vec<Row>, Failure> {
    let mut curves = Vec::new();
    for run in &group.runs {
        curves.extend(points(run, curve)?);
    }
    let Some((first, others)) = curves.split_first() else { return Ok(Vec::new()) };
    let rows = first.iter().filter_map(|point| {
        let of_others =
            others.iter().map(|points| points.iter().find(|other| other[0].total_cmp(&point[0]).is_eq()));
        let all: Vec<&[f64; 3]> = std::iter::once(Some(point)).chain(of_others).collect::<Option<_>>()?;
        let of = |column: usize| mean_and_std(&all.iter().map(|it| it[column]).collect::<Vec<_>>());
        let ([time, _], [mean, std]) = (of(1), of(2));
        Some([point[0], time, mean, mean - std, mean + std])
    });
    Ok(rows.collect())
}

/// The points of a run's curve, if it has that curve: step, time, value.
fn points(run: &Run, curve: &Curve) -> Result<Option<Vec<[f64; 3]>>, Failure> {
    let has_it = |table: &&crate::csv::Table| table.names().iter().any(|name| name == curve.tag);
    let Some(table) = run.curves.as_ref().filter(has_it) else { return Ok(None) };
    let [steps, times, values] =
        [table.numbers("step")?, table.numbers("wall_time_s")?, table.numbers(curve.tag)?];
    let rows = steps.into_iter().zip(times).zip(values);
    Ok(Some(rows.filter_map(|((step, time), value)| Some([step?, time?, curve.factor * value?])).collect()))
}

/// Mean and sample standard deviation.
pub(super) fn mean_and_std(values: &[f64]) -> [f64; 2] {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    [mean, (squares / (count - 1.0).max(1.0)).sqrt()]
}
