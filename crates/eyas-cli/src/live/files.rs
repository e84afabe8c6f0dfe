//! What the files of a run say, told as they grow.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use eyas::Failure;
use eyas::csv::Table;
use eyas::run_files::{LOG, TABLES, TEXTS, check_run};
use eyas::run_result::RunResult;
use eyas_formats::input::read_text;
use eyas_run::events;
use eyas_run::resumes::RunSettings;
use eyas_web::{Feed, HeatMap, Progress, Table as Shown};

/// Columns of `test_stats.csv`: the vehicle, the epoch and its return.
const TEST: [&str; 3] = ["model", "epoch", "return_mean"];

/// Length and time of a file's last change.
type Stamp = (u64, Option<SystemTime>);

/// The files of a run that the live view shows.
pub(crate) struct RunFiles {
    folder: PathBuf,
    seen: HashMap<PathBuf, Stamp>,
    /// Points of each event file that were told.
    told: HashMap<PathBuf, usize>,
    /// Lines of the log that were told.
    lines: usize,
    /// Epochs or iterations that have points.
    steps: u64,
    progress: Progress,
}

impl RunFiles {
    /// Those of a folder, which must hold at least one of them.
    pub(crate) fn of(folder: &Path) -> Result<Self, Failure> {
        check_run(folder)?;
        Ok(Self {
            folder: folder.to_owned(),
            seen: HashMap::new(),
            told: HashMap::new(),
            lines: 0,
            steps: 0,
            progress: Progress::default(),
        })
    }

    /// Shows what is new; what cannot be read is said in the log and tried again when it changes.
    pub(crate) fn show(&mut self, feed: &Feed) {
        if let Err(failure) = self.show_curves(feed) {
            feed.line(&failure);
        }
        self.show_log(feed);
        self.show_progress(feed);
        for name in TEXTS {
            let path = self.folder.join(name);
            if self.has_changed(&path) {
                match fs::read_to_string(&path) {
                    Ok(text) => feed.text(name.trim_start_matches("params/"), &text),
                    Err(error) => feed.line(&format!("{name}: {error}")),
                }
            }
        }
        for name in TABLES {
            let path = self.folder.join(name);
            // A table that has just begun has a head and no row yet.
            if self.has_changed(&path) && fs::read_to_string(&path).is_ok_and(|text| text.lines().count() > 1)
            {
                match Table::read(&path) {
                    Ok(table) => show_table(feed, name, &table),
                    Err(failure) => feed.line(&format!("{name}: {failure}")),
                }
            }
        }
    }

    /// Shows lines that the run has printed since.
    fn show_log(&mut self, feed: &Feed) {
        let path = self.folder.join(LOG);
        if !self.has_changed(&path) {
            return;
        }
        match read_text(&path) {
            Ok(text) => {
                // The last line may not be whole yet.
                let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
                whole.lines().skip(self.lines).for_each(|line| feed.line(line));
                self.lines = whole.lines().count();
            }
            Err(error) => feed.line(&format!("{LOG}: {error}")),
        }
    }

    /// Shows how far the run has come of what its settings say; a fleet has a table of its teachers.
    fn show_progress(&mut self, feed: &Feed) {
        if self.folder.join("params/fleet.yaml").is_file() {
            return;
        }
        let Ok(Some(settings)) = RunSettings::read(&self.folder) else { return };
        let units = [("epoch", "distill.n_epochs"), ("iteration", "agent.max_iterations")];
        let of = |(unit, key)| Some((unit, settings.get(key)?.0.parse().ok()?));
        let Some((unit, total)) = units.into_iter().find_map(of) else { return };
        let is_done = RunResult::read(&self.folder).is_some();
        let position = if is_done { total } else { self.steps.min(total) };
        let progress = Progress { unit: unit.to_owned(), position, total, left_s: is_done.then_some(0.0) };
        if progress != self.progress {
            feed.progress(&progress);
            self.progress = progress;
        }
    }

    fn show_curves(&mut self, feed: &Feed) -> Result<(), Failure> {
        for path in events::list(&self.folder)? {
            if !self.has_changed(&path) {
                continue;
            }
            let scalars = events::read_scalars(&path)?;
            let told = self.told.entry(path).or_default();
            for scalar in scalars.iter().skip(*told) {
                feed.scalar(&scalar.tag, scalar.step, f64::from(scalar.value));
                // Others count batches or seconds.
                if ["evaluation/mean_return", "training/loss", "Train/mean_reward"]
                    .contains(&scalar.tag.as_str())
                {
                    self.steps = self.steps.max(scalar.step + 1);
                }
            }
            *told = scalars.len();
        }
        Ok(())
    }

    /// Whether a file is there and not as it was the last time that it was asked about.
    fn has_changed(&mut self, path: &Path) -> bool {
        let Ok(metadata) = fs::metadata(path) else { return false };
        let stamp = (metadata.len(), metadata.modified().ok());
        self.seen.insert(path.to_owned(), stamp) != Some(stamp)
    }
}

fn show_table(feed: &Feed, name: &str, table: &Table) {
    let columns = table.names().to_vec();
    let cells: Vec<Vec<String>> = (0..columns.len()).map(|column| table.texts(column)).collect();
    let rows = (0..cells[0].len()).map(|row| cells.iter().map(|column| column[row].clone()).collect());
    feed.table(name, &Shown { rows: rows.collect(), columns: columns.clone() });
    let places = TEST.map(|wanted| columns.iter().position(|name| name == wanted));
    if let [Some(vehicle), Some(epoch), Some(value)] = places {
        let map = matrix([&cells[vehicle], &cells[epoch], &cells[value]]);
        feed.heat_map("Return on each vehicle", &map);
    }
}

/// The matrix of columns that hold name of the row, name of the column and number.
fn matrix([rows, columns, values]: [&[String]; 3]) -> HeatMap {
    let mut map = HeatMap {
        quantity: "mean return".into(),
        row_label: "vehicle".into(),
        column_label: "epoch".into(),
        ..HeatMap::default()
    };
    let place = |names: &mut Vec<String>, name: &String| {
        names.iter().position(|known| known == name).unwrap_or_else(|| {
            names.push(name.clone());
            names.len() - 1
        })
    };
    for ((row, column), value) in rows.iter().zip(columns).zip(values) {
        let (row, column) = (place(&mut map.rows, row), place(&mut map.columns, column));
        map.values.resize_with(map.rows.len(), Vec::new);
        for values in &mut map.values {
            values.resize(map.columns.len(), None);
        }
        map.values[row][column] = value.parse().ok().filter(|number: &f32| number.is_finite());
    }
    map
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_a_table_become_cells() {
        let column = |cells: [&str; 3]| cells.map(String::from);
        let map = matrix([
            &column(["x500", "crazyflie", "x500"]),
            &column(["1", "2", "2"]),
            &column(["10", "", "12.5"]),
        ]);
        assert_eq!(
            (map.rows, map.columns),
            (vec!["x500".into(), "crazyflie".into()], vec!["1".into(), "2".into()])
        );
        assert_eq!(map.values, [[Some(10.0), Some(12.5)], [None, None]]);
    }
}
