//! What the jobs of a multirun reached: lines, table and plot.

use std::borrow::Cow;
use std::fmt::Write as _;

use eyas::run_result::RunResult;
use eyas::text::{aligned, cut, metres};
use eyas_view::{Chart, Heatmap};

use super::{Job, State};

/// One job, when it has ended.
pub(super) fn line(keys: &[String], job: &Job) -> String {
    let values: Vec<String> =
        keys.iter().zip(&job.values).map(|(key, value)| format!("{key}={}", short(value))).collect();
    let reached = match &job.state {
        State::Done(it, seconds) => format!(
            "return {:.1}, length {:.1}, {:.2} % crashed{}",
            it.mean_return,
            it.mean_length,
            100.0 * it.crash_rate,
            seconds.map(|it| format!(" ({it:.1} s)")).unwrap_or_default()
        ),
        State::Failed(reason) => format!("failed: {reason}"),
        State::Waiting | State::Running(..) => "not done".to_owned(),
    };
    format!("[{}] {}: {reached}", job.index, values.join(" "))
}

/// `multirun.csv`: a row for each job.
pub(super) fn table(keys: &[String], jobs: &[Job]) -> String {
    let mut text = String::from("job,");
    for key in keys {
        let _ = write!(text, "{},", cell(key));
    }
    text += "state,mean_return,mean_length,crash_rate,position_rmse_m,action_rmse,seconds\n";
    for job in jobs {
        let _ = write!(text, "{},", job.index);
        for value in &job.values {
            let _ = write!(text, "{},", cell(value));
        }
        let number = |it: Option<f64>| it.map(|it| it.to_string()).unwrap_or_default();
        let _ = match &job.state {
            State::Done(it, seconds) => writeln!(
                text,
                "done,{},{},{},{},{},{}",
                it.mean_return,
                it.mean_length,
                it.crash_rate,
                number(it.position_rmse_m),
                number(it.action_rmse),
                number(*seconds)
            ),
            State::Failed(_) => writeln!(text, "failed,,,,,,"),
            State::Waiting | State::Running(..) => writeln!(text, "not done,,,,,,"),
        };
    }
    text
}

/// A cell of a CSV file, between quotes where it needs them.
fn cell(text: &str) -> String {
    if text.contains([',', '"']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
}

/// A value as tables and plots show it: a list may be as long as a file.
fn short(value: &str) -> Cow<'_, str> {
    const LONGEST: usize = 40;
    cut(value, LONGEST)
}

/// The jobs that are done, best first.
pub(super) fn report(keys: &[String], jobs: &[Job]) -> String {
    let mut done: Vec<(&Job, &RunResult)> =
        jobs.iter().filter_map(|job| Some((job, job.result()?))).collect();
    done.sort_by(|a, b| b.1.mean_return.total_cmp(&a.1.mean_return));
    let row = |first: String, settings: &[String], last: [String; 4]| {
        let settings = settings.iter().map(|cell| short(cell).into_owned());
        std::iter::once(first).chain(settings).chain(last).collect::<Vec<_>>()
    };
    let head = ["return", "length", "crashed", "position"].map(str::to_owned);
    let mut rows = vec![row("job".to_owned(), keys, head)];
    for (job, it) in done {
        let reached = [
            format!("{:.1}", it.mean_return),
            format!("{:.1}", it.mean_length),
            format!("{:.2} %", 100.0 * it.crash_rate),
            metres(it.position_rmse_m.unwrap_or(f64::NAN)),
        ];
        rows.push(row(job.index.to_string(), &job.values, reached));
    }
    format!("\n{}", aligned(1 + keys.len(), &rows))
}

/// Return and crashes over one swept number, or the return over two swept keys; the seed is what they are repeated
/// with. None where more keys are swept, or no job is done.
pub(super) fn plot(keys: &[String], jobs: &[Job]) -> Option<Vec<u8>> {
    let done: Vec<&Job> = jobs.iter().filter(|job| job.result().is_some()).collect();
    if done.is_empty() {
        return None;
    }
    let is_seed = |key: &usize| keys[*key].rsplit('.').next() == Some("seed");
    let mut swept: Vec<usize> = (0..keys.len()).filter(|key| !is_seed(key)).collect();
    if swept.is_empty() {
        swept = (0..keys.len()).collect();
    }
    match swept.as_slice() {
        [key] if done.iter().all(|job| job.number(*key).is_some()) => Some(lines(&keys[*key], *key, &done)),
        [row] => {
            Some(heat([&keys[*row], ""], &done, |job| [short(&job.values[*row]).into_owned(), String::new()]))
        }
        [row, column] => {
            let names = |job: &Job| [*row, *column].map(|key| short(&job.values[key]).into_owned());
            Some(heat([&keys[*row], &keys[*column]], &done, names))
        }
        _ => None,
    }
}

/// Mean over the repetitions, and the band from the least to the greatest of them.
fn lines(label: &str, key: usize, jobs: &[&Job]) -> Vec<u8> {
    let mut xs: Vec<f64> = jobs.iter().filter_map(|job| job.number(key)).collect();
    xs.sort_by(f64::total_cmp);
    xs.dedup();
    let curve = |value: fn(&RunResult) -> f64| -> Vec<[f64; 4]> {
        let at = |x: &f64| {
            let own = jobs.iter().filter(|job| job.number(key) == Some(*x));
            let values: Vec<f64> = own.filter_map(|job| job.result()).map(value).collect();
            let mean = values.iter().sum::<f64>() / values.len() as f64;
            let (low, high) =
                (values.iter().copied().fold(mean, f64::min), values.iter().copied().fold(mean, f64::max));
            [*x, mean, low, high]
        };
        xs.iter().map(at).collect()
    };
    let points = |value: fn(&RunResult) -> f64| -> Vec<[f64; 2]> {
        jobs.iter().filter_map(|job| Some([job.number(key)?, value(job.result()?)])).collect()
    };
    let mean_return = |it: &RunResult| it.mean_return;
    let crashed = |it: &RunResult| 100.0 * it.crash_rate;
    let is_repeated = jobs.len() > xs.len();
    let (mean, single) = if is_repeated { ("mean", "a run") } else { ("", "") };
    Chart::new("")
        .x(label, "")
        .y("mean return", "")
        .line_with_band(mean, &curve(mean_return))
        .points(single, &points(mean_return))
        .panel("crashed", "%")
        .line_with_band(mean, &curve(crashed))
        .points(single, &points(crashed))
        .png()
}

fn heat(labels: [&str; 2], jobs: &[&Job], names: impl Fn(&Job) -> [String; 2]) -> Vec<u8> {
    let mut axes = [Vec::new(), Vec::new()];
    for job in jobs {
        for (axis, name) in axes.iter_mut().zip(names(job)) {
            if !axis.contains(&name) {
                axis.push(name);
            }
        }
    }
    let [rows, columns] = axes;
    let mean = |row: &String, column: &String| {
        let own = jobs.iter().filter(|job| names(job) == [row.clone(), column.clone()]);
        let returns: Vec<f64> = own.filter_map(|job| Some(job.result()?.mean_return)).collect();
        returns.iter().sum::<f64>() / returns.len() as f64
    };
    let values: Vec<f64> = rows
        .iter()
        .flat_map(|row| columns.iter().map(move |it| (row, it)))
        .map(|(row, it)| mean(row, it))
        .collect();
    Heatmap::new("", &rows, &columns, &values)
        .y(labels[0], "")
        .x(labels[1], "")
        .value("mean return", "")
        .png()
}

impl Job {
    fn result(&self) -> Option<&RunResult> {
        if let State::Done(result, _) = &self.state { Some(result) } else { None }
    }

    fn number(&self, key: usize) -> Option<f64> {
        self.values[key].parse().ok().filter(|it: &f64| it.is_finite())
    }
}
