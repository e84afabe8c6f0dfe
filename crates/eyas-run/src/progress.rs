//! One line on stderr that shows how far long work is.

use std::io::{self, IsTerminal as _, Write as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Progress of one piece of work: `collect  37/100  1.2e6 steps/s  ETA 12 s`.
///
/// Where stderr is a terminal it is one line, gone when dropped; elsewhere a new one every ten seconds. Lines for stdout go
/// through [`println`](Self::println), which keeps them apart from the progress line.
#[derive(Debug)]
pub struct Progress {
    count: Arc<Count>,
    /// Writes lines where there is no terminal.
    heartbeat: Option<Heartbeat>,
}

/// What is counted.
#[derive(Debug)]
struct Count {
    bar: ProgressBar,
    label: String,
    /// What the rate counts, where that is not the position itself.
    unit: OnceLock<String>,
    num_units: AtomicU64,
    start: Instant,
}

/// From line to line without a terminal.
const PERIOD: Duration = Duration::from_secs(10);

impl Progress {
    /// Starts the line for `total` steps of `label`.
    #[must_use]
    pub fn new(label: impl Into<String>, total: u64) -> Self {
        if io::stderr().is_terminal() {
            return Self::with_target(label.into(), total, ProgressDrawTarget::stderr());
        }
        let mut progress = Self::with_target(label.into(), total, ProgressDrawTarget::hidden());
        let count = Arc::clone(&progress.count);
        progress.heartbeat = Some(Heartbeat::start(PERIOD, move || {
            // Nobody reads it any more; the work goes on.
            let _ = writeln!(io::stderr().lock(), "{}", count.line());
        }));
        progress
    }

    /// Counts without showing anything, for `--quiet`.
    #[must_use]
    pub fn hidden(label: impl Into<String>, total: u64) -> Self {
        Self::with_target(label.into(), total, ProgressDrawTarget::hidden())
    }

    /// Shows the rate in `unit`s, which [`count`](Self::count) reports, instead of positions.
    #[must_use]
    pub fn with_unit(self, unit: impl Into<String>) -> Self {
        self.count.unit.get_or_init(|| unit.into());
        self
    }

    fn with_target(label: String, total: u64, target: ProgressDrawTarget) -> Self {
        let bar = ProgressBar::with_draw_target(Some(total), target);
        bar.set_style(ProgressStyle::with_template("{msg}").expect("the template is constant"));
        let num_units = AtomicU64::new(0);
        let count = Count { bar, label, unit: OnceLock::new(), num_units, start: Instant::now() };
        Self { count: Arc::new(count), heartbeat: None }
    }

    /// Moves the position on by `steps`.
    pub fn advance(&self, steps: u64) {
        self.count.bar.inc(steps);
        self.refresh();
    }

    /// Moves the position to `position`.
    pub fn set(&self, position: u64) {
        self.count.bar.set_position(position);
        self.refresh();
    }

    /// Adds finished units to the rate, such as environment steps.
    pub fn count(&self, num_units: u64) {
        self.count.num_units.fetch_add(num_units, Ordering::Relaxed);
    }

    /// The position.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.count.bar.position()
    }

    /// Writes a line to stdout, above the progress line.
    ///
    /// # Errors
    ///
    /// The error of stdout, for instance that its reader is gone.
    pub fn println(&self, line: impl AsRef<str>) -> io::Result<()> {
        self.count.bar.suspend(|| writeln!(io::stdout().lock(), "{}", line.as_ref()))
    }

    /// The line as it is now.
    #[must_use]
    pub fn line(&self) -> String {
        self.count.line()
    }

    fn refresh(&self) {
        if !self.count.bar.is_hidden() {
            self.count.bar.set_message(self.line());
        }
    }
}

impl Count {
    fn line(&self) -> String {
        let total = self.bar.length().unwrap_or_default();
        let num_units = self.num_units.load(Ordering::Relaxed);
        let counted = self.unit.get().map(|unit| (num_units, unit.as_str()));
        render(&self.label, self.bar.position(), total, counted, self.start.elapsed())
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        drop(self.heartbeat.take());
        self.count.bar.finish_and_clear();
    }
}

/// Does something again and again until it is dropped.
#[derive(Debug)]
struct Heartbeat {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Heartbeat {
    fn start(period: Duration, mut beat: impl FnMut() + Send + 'static) -> Self {
        let (stop, stopped) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            while stopped.recv_timeout(period) == Err(RecvTimeoutError::Timeout) {
                beat();
            }
        });
        Self { stop: Some(stop), thread: Some(thread) }
    }
}

impl Drop for Heartbeat {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A beat that failed is none.
            let _ = thread.join();
        }
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
    fn without_a_terminal_lines_come_until_the_work_is_done() {
        let (said, heard) = mpsc::channel();
        let heartbeat = Heartbeat::start(Duration::from_millis(5), move || {
            let _ = said.send(());
        });
        for _ in 0..3 {
            heard.recv_timeout(Duration::from_mins(1)).expect("a line is due");
        }
        drop(heartbeat);
        // Its end of the channel is gone with it.
        assert!(heard.into_iter().count() < 1000);
    }

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
