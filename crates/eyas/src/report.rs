//! What is printed: lines, and tables of evaluations.

use std::fmt::{Display, Write as _};
use std::io::Write as _;

use eyas_learn::{Evaluation, Summary};

use crate::failure::Failure;

/// Writes a line to stdout; a reader that has gone is an error, not a panic.
pub(crate) fn say(line: impl Display) -> Result<(), Failure> {
    Ok(writeln!(std::io::stdout().lock(), "{line}")?)
}

/// One line for each policy and kind of target.
pub(crate) fn comparison(rows: &[(&str, &Evaluation)]) -> String {
    let mut text = format!(
        "{:<24} {:>8} {:>18} {:>8} {:>9} {:>12} {:>12}\n",
        "", "episodes", "return", "length", "crashed", "position", "action"
    );
    for (name, evaluation) in rows {
        for (kind, summary) in
            [("all", evaluation.summary()), ("hover", evaluation.hover()), ("moving", evaluation.moving())]
        {
            if summary.episodes > 0 {
                line(&mut text, &format!("{name}, {kind}"), &summary);
            }
        }
    }
    text
}

fn line(text: &mut String, name: &str, it: &Summary) {
    let or_dash = |value: f64, text: String| if value.is_nan() { "–".to_owned() } else { text };
    let position = or_dash(it.position_rmse, format!("{:.4} m", it.position_rmse));
    let action = or_dash(it.action_rmse, format!("{:.4}", it.action_rmse));
    let mean = format!("{:.1} ± {:.1}", it.mean_return, it.ci95_return);
    let crashed = format!("{:.2} %", 100.0 * it.crash_rate);
    let _ = writeln!(
        text,
        "{name:<24} {:>8} {mean:>18} {:>8.1} {crashed:>9} {position:>12} {action:>12}",
        it.episodes, it.mean_length
    );
}

/// What the columns of [`comparison`] mean.
pub(crate) const LEGEND: &str = "return: mean ± 95 % confidence; position: RMSE after 5 s, at most half an episode; action: RMSE to the teacher's";
