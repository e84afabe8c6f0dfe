//! `result.json`: what a finished run reached. Its presence says that the run is done. `comparison.csv`: how a student
//! and its teachers flew from the same starts.

use std::fmt::Write as _;
use std::path::Path;

use eyas_learn::Summary;
use eyas_run::RunDir;
use serde::{Deserialize, Serialize};

use crate::failure::Failure;
use crate::run_files::{COMPARISON, RESULT, write_file};

/// How the policy that a run kept flies. What was not measured is null.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunResult {
    /// Mean return.
    pub mean_return: f64,
    /// Mean length, control steps.
    pub mean_length: f64,
    /// Share of episodes that ended before the time, in `[0, 1]`.
    pub crash_rate: f64,
    /// Root mean square of the position error, m.
    pub position_rmse_m: Option<f64>,
    /// Root mean square of the difference to the teacher's action.
    pub action_rmse: Option<f64>,
}

impl From<Summary> for RunResult {
    fn from(it: Summary) -> Self {
        let measured = |value: f64| value.is_finite().then_some(value);
        Self {
            mean_return: it.mean_return,
            mean_length: it.mean_length,
            crash_rate: it.crash_rate,
            position_rmse_m: measured(it.position_rmse),
            action_rmse: measured(it.action_rmse),
        }
    }
}

impl RunResult {
    /// Writes it into the folder of a run.
    pub fn write(&self, run: &RunDir) -> Result<(), Failure> {
        let text = serde_json::to_string_pretty(self).map_err(Failure::new)?;
        write_file(&run.file(RESULT), (text + "\n").as_bytes())
    }

    /// That of the run in a folder, if it is done.
    pub fn read(run: &Path) -> Option<Self> {
        serde_json::from_str(&std::fs::read_to_string(run.join(RESULT)).ok()?).ok()
    }
}

/// Writes how student and teachers flew at the end of a distillation, in episodes of at most so many control steps.
pub(crate) fn write_comparison(
    run: &RunDir,
    teachers: &Summary,
    student: &Summary,
    steps: u32,
) -> Result<(), Failure> {
    let mut text = String::from(
        "policy,episodes,mean_return,ci95_return,mean_length,crash_rate,crash_rate_ci_low,crash_rate_ci_high,position_rmse_m,position_rmse_ci95_m,action_rmse,episode_steps\n",
    );
    for (name, it) in [("teacher", teachers), ("student", student)] {
        let [low, high] = it.ci95_crash_rate;
        let numbers = [
            it.mean_return,
            it.ci95_return,
            it.mean_length,
            it.crash_rate,
            low,
            high,
            it.position_rmse,
            it.ci95_position_rmse,
            it.action_rmse,
        ];
        let _ = write!(text, "{name},{}", it.episodes);
        for number in numbers {
            // What was not measured is an empty cell.
            let _ = if number.is_finite() { write!(text, ",{number}") } else { write!(text, ",") };
        }
        let _ = writeln!(text, ",{steps}");
    }
    write_file(&run.file(COMPARISON), text.as_bytes())
}
