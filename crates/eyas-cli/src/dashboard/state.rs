//! What a run has told so far, as much as a dashboard shows.

use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

use eyas_web::{Curve, Table};

/// Lines kept.
const MOST_LINES: usize = 200;
/// Most curves; as many tags as a run has.
const MOST_CURVES: usize = 1024;

/// What a run has told.
pub(crate) struct DashboardState {
    /// What runs.
    pub(super) title: String,
    /// What the position counts.
    pub(super) step_unit: String,
    /// What the throughput counts.
    pub(super) rate_unit: String,
    /// Steps in all.
    pub(super) total: u64,
    pub(super) position: u64,
    /// Where this process began.
    first: u64,
    begin: Instant,
    units: u64,
    pub(super) curves: BTreeMap<String, Curve>,
    /// Seconds of each phase, by its name, since this process began.
    pub(super) phases: BTreeMap<String, f64>,
    pub(super) lines: VecDeque<String>,
    pub(super) table: Option<(String, Table)>,
    /// The first row of the table that is shown.
    pub(super) first_row: usize,
    /// Last and best return of each teacher so far; not numbers before its first flight.
    returns: Vec<[f64; 2]>,
    pub(super) is_stopping: bool,
}

impl DashboardState {
    /// A run of `total` steps that begins at `position` and counts units such as samples.
    pub(crate) fn new(title: &str, [step_unit, rate_unit]: [&str; 2], position: u64, total: u64) -> Self {
        Self {
            title: title.into(),
            step_unit: step_unit.into(),
            rate_unit: rate_unit.into(),
            total,
            position,
            first: position,
            begin: Instant::now(),
            units: 0,
            curves: BTreeMap::new(),
            phases: BTreeMap::new(),
            lines: VecDeque::new(),
            table: None,
            first_row: 0,
            returns: Vec::new(),
            is_stopping: false,
        }
    }

    pub(crate) fn set_position(&mut self, position: u64) {
        self.position = position;
    }

    /// Counts finished units.
    pub(crate) fn count(&mut self, units: u64) {
        self.units += units;
    }

    /// Adds a point to a curve; a duration is added to its phase as well.
    pub(crate) fn scalar(&mut self, tag: &str, step: u64, value: f64) {
        if let Some(phase) = phase(tag) {
            *self.phases.entry(phase.to_owned()).or_default() += value;
        }
        if self.curves.len() < MOST_CURVES || self.curves.contains_key(tag) {
            self.curves.entry(tag.to_owned()).or_default().push(step as f64, value);
        }
    }

    /// Adds lines to the log.
    pub(crate) fn line(&mut self, text: &str) {
        self.lines.extend(text.lines().map(str::to_owned));
        self.lines.drain(..self.lines.len().saturating_sub(MOST_LINES));
    }

    /// Shows a table in place of the last one.
    pub(crate) fn table(&mut self, title: &str, table: Table) {
        self.table = Some((title.into(), table));
        self.scroll(0);
    }

    /// Shows the returns with each of many teachers, the worst first; those that did not fly this time stay as they
    /// were.
    pub(crate) fn returns(&mut self, teachers: &[String], returns: &[f64]) {
        self.returns.resize(returns.len(), [f64::NAN; 2]);
        for ([last, best], now) in self.returns.iter_mut().zip(returns).filter(|(_, now)| now.is_finite()) {
            (*last, *best) = (*now, best.max(*now));
        }
        let mut order: Vec<usize> = (0..returns.len()).collect();
        // Not numbers last.
        order.sort_by(|a, b| self.returns[*a][0].total_cmp(&self.returns[*b][0]));
        let number = |value: f64| if value.is_finite() { format!("{value:.1}") } else { "–".into() };
        let row = |place: usize| {
            let [last, best] = self.returns[place].map(number);
            vec![teachers[place].clone(), last, best]
        };
        let rows = order.into_iter().map(row).collect();
        let columns = ["teacher", "return", "best"].map(String::from).to_vec();
        self.table("Return with each teacher, the worst first", Table { columns, rows });
    }

    /// Moves the table by rows.
    pub(super) fn scroll(&mut self, rows: isize) {
        let last = self.table.as_ref().map_or(0, |(_, table)| table.rows.len().saturating_sub(1));
        self.first_row = self.first_row.saturating_add_signed(rows).min(last);
    }

    /// Seconds since this process began.
    pub(super) fn elapsed_s(&self) -> f64 {
        self.begin.elapsed().as_secs_f64()
    }

    /// Units a second, after so many seconds.
    pub(super) fn rate(&self, elapsed_s: f64) -> Option<f64> {
        (self.units > 0 && elapsed_s > 0.0).then(|| self.units as f64 / elapsed_s)
    }

    /// Seconds to the end if it goes on as it has gone since this process began.
    pub(super) fn left_s(&self, elapsed_s: f64) -> Option<f64> {
        left_s(elapsed_s, self.first, [self.position, self.total])
    }
}

/// Seconds from a position to the end, if it goes on as it has gone in so many seconds from the first position.
pub(crate) fn left_s(elapsed_s: f64, first: u64, [position, total]: [u64; 2]) -> Option<f64> {
    let done = position.checked_sub(first).filter(|done| *done > 0)?;
    Some(elapsed_s * total.saturating_sub(position) as f64 / done as f64)
}

/// The phase whose seconds a tag counts: `collection` of `perf/collection_s`. rsl_rl also writes tags with spaces.
fn phase(tag: &str) -> Option<&str> {
    let name = tag.strip_prefix("perf/").or_else(|| tag.strip_prefix("Perf/"))?;
    name.strip_suffix("_s").or_else(|| name.strip_suffix("_time"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_teacher_comes_first_and_one_that_rests_keeps_its_return() {
        let mut state = DashboardState::new("distill", ["epoch", "samples"], 0, 10);
        let names = ["a", "b", "c"].map(String::from);
        state.returns(&names, &[10.0, 5.0, f64::NAN]);
        state.returns(&names, &[f64::NAN, 20.0, f64::NAN]);
        let rows = &state.table.as_ref().unwrap().1.rows;
        assert_eq!(*rows, [["a", "10.0", "10.0"], ["b", "20.0", "20.0"], ["c", "–", "–"]]);
        state.scroll(5);
        assert_eq!(state.first_row, 2);
        state.scroll(isize::MIN);
        assert_eq!(state.first_row, 0);
    }

    #[test]
    fn seconds_are_added_to_their_phase_once() {
        let mut state = DashboardState::new("train", ["iteration", "steps"], 0, 10);
        for tag in ["Perf/collection time", "Perf/collection_time", "perf/collection_s", "Perf/total_fps"] {
            state.scalar(tag, 0, 2.0);
        }
        assert_eq!(state.phases.into_iter().collect::<Vec<_>>(), [("collection".to_owned(), 4.0)]);
    }

    #[test]
    fn the_time_left_is_that_of_this_process() {
        let mut state = DashboardState::new("distill", ["epoch", "samples"], 90, 100);
        assert_eq!(state.left_s(5.0), None);
        state.set_position(95);
        assert_eq!(state.left_s(5.0), Some(5.0));
    }

    #[test]
    fn a_long_log_keeps_its_end() {
        let mut state = DashboardState::new("train", ["iteration", "steps"], 0, 1);
        (0..1000).for_each(|number| state.line(&format!("{number}\n")));
        assert_eq!((state.lines.len(), state.lines.back().unwrap().as_str()), (MOST_LINES, "999"));
    }
}
