//! What runs reached, how students compare with their teachers, and what the runs differ in.

use std::collections::BTreeSet;

use super::curves::{Group, mean_and_std};
use super::page::Table;
use super::runs::{Input, Run};
use crate::csv;
use crate::failure::Failure;
use crate::run_files::{COMPARISON, TORTURE};
use crate::run_result::RunResult;
use crate::text::shell_word;

/// What is shown where there is no number.
const NONE: &str = "–";

/// What the runs of each group reached.
pub(super) fn results(groups: &[Group]) -> Table {
    let mut table = Table::new([
        "",
        "finished",
        "return",
        "length (steps)",
        "crashed (%)",
        "position RMSE (m)",
        "action RMSE",
    ]);
    for group in groups {
        let done: Vec<&RunResult> = group.runs.iter().filter_map(|run| run.result.as_ref()).collect();
        let number = |value: &dyn Fn(&RunResult) -> Option<f64>, decimals: usize| {
            let values: Vec<f64> = done.iter().filter_map(|it| value(it)).collect();
            match values.as_slice() {
                [] => NONE.to_owned(),
                [value] => format!("{value:.decimals$}"),
                _ => {
                    let [mean, std] = mean_and_std(&values);
                    format!("{mean:.decimals$} ± {std:.decimals$}")
                }
            }
        };
        table.rows.push(vec![
            group.name.clone(),
            format!("{} of {}", done.len(), group.runs.len()),
            number(&|it| Some(it.mean_return), 1),
            number(&|it| Some(it.mean_length), 1),
            number(&|it| Some(100.0 * it.crash_rate), 2),
            number(&|it| it.position_rmse_m, 4),
            number(&|it| it.action_rmse, 4),
        ]);
    }
    table
}

/// How student and teacher of each distillation flew from the same starts; none if no run has stored it.
pub(super) fn comparison(runs: &[&Run]) -> Result<Option<Table>, Failure> {
    let mut table = Table::new([
        "",
        "episodes",
        "return",
        "length (steps)",
        "crashed (%)",
        "position RMSE (m)",
        "action RMSE",
    ]);
    for run in runs {
        let Some(stored) = run.table(COMPARISON)? else { continue };
        let column = |name: &str| stored.numbers(name);
        let [returns, return_ci] = [column("mean_return")?, column("ci95_return")?];
        let [crashes, low, high] =
            [column("crash_rate")?, column("crash_rate_ci_low")?, column("crash_rate_ci_high")?];
        let [errors, error_ci] = [column("position_rmse_m")?, column("position_rmse_ci95_m")?];
        let [episodes, lengths, actions] =
            [column("episodes")?, column("mean_length")?, column("action_rmse")?];
        let policies = stored.texts(0);
        for (row, policy) in policies.iter().enumerate() {
            let percent = |share: Option<f64>| share.map(|share| 100.0 * share);
            table.rows.push(vec![
                format!("{}: {policy}", run.name),
                fixed(episodes[row], 0),
                with_margin(returns[row], return_ci[row], 1),
                fixed(lengths[row], 1),
                with_bounds(percent(crashes[row]), [percent(low[row]), percent(high[row])], 2),
                with_margin(errors[row], error_ci[row], 4),
                fixed(actions[row], 4),
            ]);
        }
        let place = |name: &str| policies.iter().position(|policy| policy == name);
        if let (Some(student), Some(teacher)) = (place("student"), place("teacher")) {
            let ratio = |values: &[Option<f64>]| match (values[student], values[teacher]) {
                // A share of nothing, or of less, says nothing.
                (Some(student), Some(teacher)) if teacher > 0.0 && student >= 0.0 => {
                    format!("{:.3}", student / teacher)
                }
                _ => NONE.to_owned(),
            };
            table.rows.push(vec![
                format!("{}: student / teacher", run.name),
                String::new(),
                ratio(&returns),
                ratio(&lengths),
                ratio(&crashes),
                ratio(&errors),
                String::new(),
            ]);
        }
    }
    Ok((!table.rows.is_empty()).then_some(table))
}

/// The torture suite of a run, policies side by side; none if it was not flown.
pub(super) fn torture(run: &Run) -> Result<Option<Table>, Failure> {
    let Some(stored) = run.table(TORTURE)? else { return Ok(None) };
    let texts = |name: &str| texts(&stored, name);
    let [policies, trajectories, disturbances] =
        [texts("policy")?, texts("trajectory")?, texts("disturbance")?];
    let column = |name: &str| stored.numbers(name);
    let [rmse, rmse_ci] = [column("rmse_m")?, column("rmse_ci95_m")?];
    let [greatest, greatest_ci] = [column("max_error_m")?, column("max_error_ci95_m")?];
    let [success, low, high] = [column("success")?, column("success_ci_low")?, column("success_ci_high")?];
    let seeds = column("seeds")?;

    let shown = unique(&policies);
    let tests: Vec<(&String, &String)> = unique(&trajectories.iter().zip(&disturbances).collect::<Vec<_>>());
    let mut table = Table::new(["trajectory", "disturbance", "seeds"]);
    table.groups = vec![(String::new(), 3)];
    for policy in &shown {
        table.groups.push((policy.clone(), 3));
        table.head.extend(["RMSE (m)", "greatest error (m)", "success (%)"].map(String::from));
    }
    for (trajectory, disturbance) in tests {
        let rows: Vec<Option<usize>> = shown
            .iter()
            .map(|policy| {
                let is_it = |row: &usize| {
                    policies[*row] == *policy
                        && trajectories[*row] == *trajectory
                        && disturbances[*row] == *disturbance
                };
                (0..policies.len()).find(is_it)
            })
            .collect();
        let flown = rows.iter().flatten().next().and_then(|row| seeds[*row]);
        let mut cells = vec![trajectory.clone(), disturbance.clone(), fixed(flown, 0)];
        for row in rows {
            let Some(row) = row else {
                cells.extend([NONE, NONE, NONE].map(String::from));
                continue;
            };
            let percent = |share: Option<f64>| share.map(|share| 100.0 * share);
            cells.push(with_margin(rmse[row], rmse_ci[row], 3));
            cells.push(with_margin(greatest[row], greatest_ci[row], 3));
            cells.push(with_bounds(percent(success[row]), [percent(low[row]), percent(high[row])], 1));
        }
        table.rows.push(cells);
    }
    Ok(Some(table))
}

/// The settings and teachers that differ between runs, a column for each run; none if nothing differs.
pub(super) fn differences(runs: &[&Run]) -> Option<Table> {
    let keys: BTreeSet<&String> = runs.iter().flat_map(|run| run.settings.keys()).collect();
    let mut table = Table::new(std::iter::once("setting").chain(runs.iter().map(|run| run.name.as_str())));
    let mut compare = |name: &str, value: &dyn Fn(&Run) -> Option<String>| {
        let values: Vec<Option<String>> = runs.iter().map(|run| value(run)).collect();
        if values.iter().any(|value| *value != values[0]) {
            let cells = values.into_iter().map(|value| value.unwrap_or_else(|| NONE.to_owned()));
            table.rows.push(std::iter::once(name.to_owned()).chain(cells).collect());
        }
    };
    for key in keys {
        compare(key, &|run| run.settings.get(key).cloned());
    }
    compare("teachers", &|run| match run.teachers() {
        [] => None,
        [first] => Some(fingerprint(first)),
        [first, others @ ..] => Some(format!("{} and {} more", fingerprint(first), others.len())),
    });
    (!table.rows.is_empty()).then_some(table)
}

/// Where the runs come from.
pub(super) fn provenance(runs: &[Run]) -> Table {
    let mut table = Table::new(["run", "program", "start", "seed", "command"]);
    for run in runs {
        let mut row = vec![run.name.clone()];
        match &run.manifest {
            Some(it) => row.extend([
                it.program.clone(),
                it.start.clone(),
                it.seed.to_string(),
                it.command_line.iter().map(shell_word).collect::<Vec<_>>().join(" "),
            ]),
            None => row.extend([NONE; 4].map(String::from)),
        }
        table.rows.push(row);
    }
    table
}

/// A file by its name and the first digits of what tells its content from others.
fn fingerprint(file: &Input) -> String {
    let name = file.path.file_name().unwrap_or_default().to_string_lossy();
    format!("{name}, SHA-256 {}", file.sha256.get(..12).unwrap_or(&file.sha256))
}

fn texts(stored: &csv::Table, name: &str) -> Result<Vec<String>, Failure> {
    // An unknown name is the same error as for numbers.
    let column = stored.names().iter().position(|known| known == name);
    column.map_or_else(|| stored.numbers(name).map(|_| Vec::new()), |column| Ok(stored.texts(column)))
}

fn unique<V: Clone + PartialEq>(values: &[V]) -> Vec<V> {
    let is_first = |place: &usize| !values[..*place].contains(&values[*place]);
    (0..values.len()).filter(is_first).map(|place| values[place].clone()).collect()
}

fn fixed(value: Option<f64>, decimals: usize) -> String {
    value.map_or_else(|| NONE.to_owned(), |value| format!("{value:.decimals$}"))
}

fn with_margin(value: Option<f64>, margin: Option<f64>, decimals: usize) -> String {
    match (value, margin) {
        (Some(value), Some(margin)) => format!("{value:.decimals$} ± {margin:.decimals$}"),
        (value, _) => fixed(value, decimals),
    }
}

fn with_bounds(value: Option<f64>, bounds: [Option<f64>; 2], decimals: usize) -> String {
    match (value, bounds) {
        (Some(value), [Some(low), Some(high)]) => {
            format!("{value:.decimals$} [{low:.decimals$}, {high:.decimals$}]")
        }
        (value, _) => fixed(value, decimals),
    }
}
