//! Tables of named columns, from CSV files and from the curves of runs.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::fs;
use std::path::{Path, PathBuf};

use eyas_run::config::closest;
use eyas_run::events;

use crate::failure::Failure;

/// Cells of a file by column; an empty one holds nothing.
#[derive(Debug)]
pub struct Table {
    path: PathBuf,
    names: Vec<String>,
    /// Cells of each row, and the row's line in the file.
    rows: Vec<(usize, Vec<String>)>,
}

impl Table {
    /// Reads a CSV file, or the event files in the folder of a run.
    pub fn read(path: &Path) -> Result<Self, Failure> {
        if path.is_dir() { Self::of_run(path) } else { Self::of_csv(path) }
    }

    fn of_csv(path: &Path) -> Result<Self, Failure> {
        let text = fs::read_to_string(path)
            .map_err(|error| Failure::new(format!("cannot read it: {error}")).at(&path.display()))?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
        let mut lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
        let names = lines.next().map(|(_, line)| cells(line)).unwrap_or_default();
        let mut rows = Vec::new();
        for (index, line) in lines {
            let row = cells(line);
            if row.len() != names.len() {
                let message = format!("{} cells in a row, the header has {}", row.len(), names.len());
                return Err(Failure::new(message).at(&place(path, index + 1)));
            }
            rows.push((index + 1, row));
        }
        if rows.is_empty() {
            let hint = "a CSV file starts with a line of names; lines of numbers follow";
            return Err(Failure::new("no numbers").at(&path.display()).hint(hint));
        }
        Ok(Self { path: path.to_owned(), names, rows })
    }

    /// Columns `step`, `wall_time_s` since the first event, and one for each tag; a row for each step.
    fn of_run(path: &Path) -> Result<Self, Failure> {
        let mut scalars = Vec::new();
        for file in events::list(path)? {
            scalars.extend(events::read_scalars(file)?);
        }
        let Some(first) = scalars.iter().map(|scalar| scalar.wall_time_s).min_by(f64::total_cmp) else {
            let hint = "give the folder that holds `events.out.tfevents.*`, or a CSV file";
            return Err(Failure::new("no curve of a run").at(&path.display()).hint(hint));
        };
        let mut names = vec!["step".to_owned(), "wall_time_s".to_owned()];
        let mut rows: BTreeMap<u64, Vec<String>> = BTreeMap::new();
        for scalar in scalars {
            let column = names.iter().position(|name| *name == scalar.tag).unwrap_or_else(|| {
                names.push(scalar.tag);
                names.len() - 1
            });
            let row = rows.entry(scalar.step).or_default();
            row.resize(row.len().max(column + 1), String::new());
            row[0] = scalar.step.to_string();
            row[1] = (scalar.wall_time_s - first).to_string();
            row[column] = scalar.value.to_string();
        }
        let width = names.len();
        let rows = rows.into_values().enumerate().map(|(index, mut row)| {
            row.resize(width, String::new());
            (index + 1, row)
        });
        Ok(Self { path: path.to_owned(), rows: rows.collect(), names })
    }

    /// The file or folder that it was read from.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Names of the columns.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// A place in the file, as errors name it.
    pub fn place(&self, row: usize) -> impl Display {
        place(&self.path, self.rows[row].0)
    }

    /// Cells of the column at a place.
    pub fn texts(&self, column: usize) -> Vec<String> {
        self.rows.iter().map(|(_, row)| row[column].clone()).collect()
    }

    /// Numbers of a column; an empty cell holds none.
    pub fn numbers(&self, name: &str) -> Result<Vec<Option<f64>>, Failure> {
        let mut columns = (0..self.names.len()).filter(|column| self.names[*column] == name);
        let column = columns.next().ok_or_else(|| self.unknown(name))?;
        if columns.next().is_some() {
            return Err(Failure::new(format!("column `{name}` stands there twice")).at(&self.path.display()));
        }
        self.numbers_at(column)
    }

    /// Numbers of the column at a place.
    pub fn numbers_at(&self, column: usize) -> Result<Vec<Option<f64>>, Failure> {
        let number = |(line, row): &(usize, Vec<String>)| match row[column].as_str() {
            "" => Ok(None),
            text => text.parse().map(Some).map_err(|_| {
                let message = format!("`{text}` in column `{}` is not a number", self.names[column]);
                Failure::new(message).at(&place(&self.path, *line))
            }),
        };
        self.rows.iter().map(number).collect()
    }

    fn unknown(&self, name: &str) -> Failure {
        let alike = closest(name, self.names.iter().map(String::as_str));
        let list =
            |names: &[String]| names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        let hint = if alike.is_empty() {
            format!("the columns are {}", list(&self.names))
        } else {
            format!("did you mean {}?", list(&alike))
        };
        Failure::new(format!("no column `{name}`")).at(&self.path.display()).hint(hint)
    }
}

fn place(path: &Path, line: usize) -> impl Display {
    format!("{}:{line}", path.display())
}

/// Cells of a line; commas between quotes do not part them, and two quotes within quotes are one.
fn cells(line: &str) -> Vec<String> {
    let mut cells = vec![String::new()];
    let mut is_quoted = false;
    let mut characters = line.chars().peekable();
    while let Some(character) = characters.next() {
        let cell = cells.last_mut().expect("there is always a cell");
        match character {
            '"' if is_quoted && characters.peek() == Some(&'"') => {
                characters.next();
                cell.push('"');
            }
            '"' => is_quoted = !is_quoted,
            ',' if !is_quoted => cells.push(String::new()),
            other => cell.push(other),
        }
    }
    cells.iter().map(|cell| cell.trim().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_keep_commas() {
        assert_eq!(cells("a, \"b, \"\"c\"\"\" ,,d"), ["a", "b, \"c\"", "", "d"]);
    }
}
