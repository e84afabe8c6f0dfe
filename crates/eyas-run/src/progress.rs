//! One line on stderr that shows how far long work is.

use std::io::{self, IsTerminal as _, Write as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Progress of one piece of work: `collect  37/100  1.2e6 steps/s  ETA 12 s`.
///
/// Shown only if stderr is a terminal, and gone when dropped. Lines for stdout go through
/// [`println`](Self::println), which keeps them apart from the progress line.
#[derive(Debug)]
pub struct Progress {
    bar: ProgressBar,
    label: String,
    /// What the rate counts, where that is not the position itself.
    unit: Option<String>,
    num_units: AtomicU64,
    start: Instant,
}

impl Progress {
    /// Starts the line for `total` steps of `label`.
    #[must_use]
    pub fn new(label: impl Into<String>, total: u64) -> Self {
        let target = if io::stderr().is_terminal() {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        Self::with_target(label.into(), total, target)
    }

    /// Counts without showing anything, for `--quiet`.
    #[must_use]
    pub fn hidden(label: impl Into<String>, total: u64) -> Self {
        Self::with_target(label.into(), total, ProgressDrawTarget::hidden())
    }

    /// Shows the rate in `unit`s, which [`count`](Self::count) reports, instead of positions.
    #[must_use]
    pub fn with_unit(mut self, unit: impl Into<String>) -> Self {
        self.unit = Some(unit.into());
        self
    }

    fn with_target(label: String, total: u64, target: ProgressDrawTarget) -> Self {
        let bar = ProgressBar::with_draw_target(Some(total), target);
        bar.set_style(ProgressStyle::with_template("{msg}").expect("the template is constant"));
        Self { bar, label, unit: None, num_units: AtomicU64::new(0), start: Instant::now() }
    }

    /// Moves the position on by `steps`.
    pub fn advance(&self, steps: u64) {
        self.bar.inc(steps);
        self.refresh();
    }

    /// Moves the position to `position`.
    pub fn set(&self, position: u64) {
        self.bar.set_position(position);
        self.refresh();
    }

    /// Adds finished units to the rate, such as environment steps.
    pub fn count(&self, num_units: u64) {
        self.num_units.fetch_add(num_units, Ordering::Relaxed);
    }

    /// The position.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.bar.position()
    }

    /// Writes a line to stdout, above the progress line.
    ///
    /// # Errors
    ///
    /// The error of stdout, for instance that its reader is gone.
    pub fn println(&self, line: impl AsRef<str>) -> io::Result<()> {
        self.bar.suspend(|| writeln!(io::stdout().lock(), "{}", line.as_ref()))
    }

    /// The line as it is now.
    #[must_use]
    pub fn line(&self) -> String {
        let total = self.bar.length().unwrap_or_default();
        let num_units = self.num_units.load(Ordering::Relaxed);
        let counted = self.unit.as_deref().map(|unit| (num_units, unit));
        render(&self.label, self.bar.position(), total, counted, self.start.elapsed())
    }

    fn refresh(&self) {
        if !self.bar.is_hidden() {
            self.bar.set_message(self.line());
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

fn render(label: &str, position: u64, total: u64, counted: Option<(u64, &str)>, elapsed: Duration) -> String {
    let elapsed_s = elapsed.as_secs_f64();
    let done = format!("{label}  {position}/{total}");
    if position == 0 || elapsed_s == 0.0 {
        return done;
    }
    let (num_units, unit) =
        counted.map_or((position, "/s".to_owned()), |(n, unit)| (n, format!(" {unit}/s")));
    let speed = rate(num_units as f64 / elapsed_s);
    if position >= total {
        return format!("{done}  {speed}{unit}");
    }
    let remaining_s = elapsed_s * (total - position) as f64 / position as f64;
    format!("{done}  {speed}{unit}  ETA {}", duration(remaining_s))
}

/// Two digits: `1.2e6` from a thousand on, `37` and `0.42` below.
#[must_use]
pub fn rate(per_second: f64) -> String {
    match per_second {
        rate if rate >= 1000.0 => format!("{rate:.1e}"),
        rate if rate >= 10.0 => format!("{rate:.0}"),
        rate if rate >= 1.0 => format!("{rate:.1}"),
        rate => format!("{rate:.2}"),
    }
}

/// Two units at most: `12 s`, `3 min 20 s`, `2 h 5 min`.
#[must_use]
pub fn duration(seconds: f64) -> String {
    let seconds = seconds.round() as u64;
    let (minutes, hours) = (seconds / 60, seconds / 3600);
    match (hours, minutes) {
        (0, 0) => format!("{seconds} s"),
        (0, _) => format!("{minutes} min {} s", seconds % 60),
        _ => format!("{hours} h {} min", minutes % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_shows_position_rate_and_time_left() {
        let elapsed = Duration::from_secs(10);
        assert_eq!(
            render("collect", 37, 100, Some((12_000_000, "steps")), elapsed),
            "collect  37/100  1.2e6 steps/s  ETA 17 s"
        );
        assert_eq!(render("train", 5, 1000, None, elapsed), "train  5/1000  0.50/s  ETA 33 min 10 s");
        assert_eq!(render("train", 1, 1000, None, elapsed), "train  1/1000  0.10/s  ETA 2 h 46 min");
        assert_eq!(render("train", 1000, 1000, None, elapsed), "train  1000/1000  100/s");
    }

    #[test]
    fn a_hidden_line_still_counts() {
        let progress = Progress::hidden("collect", 10).with_unit("steps");
        progress.advance(3);
        progress.advance(1);
        assert_eq!(progress.position(), 4);
        progress.set(9);
        assert!(progress.line().starts_with("collect  9/10  0.00 steps/s"), "{}", progress.line());
    }

    #[test]
    fn the_line_claims_no_rate_before_the_first_step() {
        assert_eq!(render("collect", 0, 100, None, Duration::from_secs(3)), "collect  0/100");
    }
}
