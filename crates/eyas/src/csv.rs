//! Tables of named columns, from CSV files and from the curves of runs.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Display;
use std::path::{Path, PathBuf};

use eyas_formats::input::read_text;
use eyas_run::config::closest;
use eyas_run::events::{self, Scalar};

use crate::failure::Failure;

/// Cells of a table of curves for each of their points: most steps have a point of most curves.
const MOST_CELLS: usize = 64;
/// Cells that any table may have.
const FREE_CELLS: usize = 1 << 22;

/// Cells of a file by column; an empty one holds nothing.
#[derive(Debug)]
pub struct Table {
    path: PathBuf,
    names: Vec<String>,
    cells: Cells,
    /// The line of each row in the file.
    lines: Vec<usize>,
}

/// Cells row after row, as one text: a file of short ones has as many as bytes, and a string of its own for each would take
/// a hundred times its size.
#[derive(Debug, Default)]
struct Cells {
    text: String,
    /// Where each cell ends in the text.
    ends: Vec<usize>,
}

impl Cells {
    fn push(&mut self, cell: &str) {
        self.text.push_str(cell);
        self.ends.push(self.text.len());
    }

    fn get(&self, index: usize) -> &str {
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.text[start..self.ends[index]]
    }
}

impl Table {
    /// Reads a CSV file, or the event files in the folder of a run.
    pub fn read(path: &Path) -> Result<Self, Failure> {
        if path.is_dir() { Self::of_run(path) } else { Self::of_csv(path) }
    }

    fn of_csv(path: &Path) -> Result<Self, Failure> {
        let text = read_text(path)
            .map_err(|error| Failure::new(format!("cannot read it: {error}")).at(&path.display()))?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
        let mut lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
        let mut names = Vec::new();
        if let Some((_, line)) = lines.next() {
            each_cell(line, |cell| names.push(cell.to_owned()));
        }
        let (mut cells, mut rows) = (Cells::default(), Vec::new());
        for (index, line) in lines {
            let mut count = 0;
            each_cell(line, |cell| {
                count += 1;
                cells.push(cell);
            });
            if count != names.len() {
                let message = format!("{count} cells in a row, the header has {}", names.len());
                return Err(Failure::new(message).at(&place(path, index + 1)));
            }
            rows.push(index + 1);
        }
        if rows.is_empty() {
            let hint = "a CSV file starts with a line of names; lines of numbers follow";
            return Err(Failure::new("no numbers").at(&path.display()).hint(hint));
        }
        Ok(Self { path: path.to_owned(), names, cells, lines: rows })
    }

    /// Columns `step`, `wall_time_s` since the first event, and one for each tag; a row for each step.
    fn of_run(path: &Path) -> Result<Self, Failure> {
        let scalars = events::read_run(path)?;
        let Some(first) = scalars.iter().map(|scalar| scalar.wall_time_s).min_by(f64::total_cmp) else {
            let hint = "give the folder that holds `events.out.tfevents.*`, or a CSV file";
            return Err(Failure::new("no curve of a run").at(&path.display()).hint(hint));
        };
        let mut columns: HashMap<String, usize> = HashMap::new();
        let mut names = vec!["step".to_owned(), "wall_time_s".to_owned()];
        let mut rows: BTreeMap<u64, (f64, Vec<(usize, f32)>)> = BTreeMap::new();
        let num_points = scalars.len();
        for Scalar { tag, step, value, wall_time_s } in scalars {
            let column = *columns.entry(tag).or_insert_with_key(|tag| {
                names.push(tag.clone());
                names.len() - 1
            });
            let (time, row) = rows.entry(step).or_default();
            *time = wall_time_s - first;
            row.push((column, value));
        }
        let num_cells = rows.len().saturating_mul(names.len());
        if num_cells > FREE_CELLS.max(MOST_CELLS * num_points) {
            let [steps, tags] = [rows.len(), columns.len()];
            let message =
                format!("{num_points} points of {tags} curves at {steps} steps: no table holds so many gaps");
            return Err(Failure::new(message).at(&path.display()));
        }
        let (mut cells, lines) = (Cells::default(), (1..=rows.len()).collect());
        let mut row_of = vec![None; names.len()];
        for (step, (time, row)) in rows {
            for (column, value) in row {
                row_of[column] = Some(value);
            }
            cells.push(&step.to_string());
            cells.push(&time.to_string());
            for cell in &mut row_of[2..] {
                cells.push(&cell.take().map(|value| value.to_string()).unwrap_or_default());
            }
        }
        Ok(Self { path: path.to_owned(), names, cells, lines })
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
        place(&self.path, self.lines[row])
    }

    /// Cells of the column at a place.
    pub fn texts(&self, column: usize) -> Vec<String> {
        self.column(column).map(str::to_owned).collect()
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
        let number = |(text, line): (&str, &usize)| match text {
            "" => Ok(None),
            text => text.parse().map(Some).map_err(|_| {
                let message = format!("`{text}` in column `{}` is not a number", self.names[column]);
                Failure::new(message).at(&place(&self.path, *line))
            }),
        };
        self.column(column).zip(&self.lines).map(number).collect()
    }

    fn column(&self, column: usize) -> impl Iterator<Item = &str> {
        (0..self.lines.len()).map(move |row| self.cells.get(row * self.names.len() + column))
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

/// Visits the cells of a line; commas between quotes do not part them, and two quotes within quotes are one.
fn each_cell(line: &str, mut visit: impl FnMut(&str)) {
    let mut cell = String::new();
    let mut is_quoted = false;
    let mut characters = line.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' if is_quoted && characters.peek() == Some(&'"') => {
                characters.next();
                cell.push('"');
            }
            '"' => is_quoted = !is_quoted,
            ',' if !is_quoted => {
                visit(cell.trim());
                cell.clear();
            }
            other => cell.push(other),
        }
    }
    visit(cell.trim());
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn quotes_keep_commas() {
        let mut cells = Vec::new();
        each_cell("a, \"b, \"\"c\"\"\" ,,d", |cell| cells.push(cell.to_owned()));
        assert_eq!(cells, ["a", "b, \"c\"", "", "d"]);
    }

    #[test]
    fn a_table_takes_little_more_memory_than_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("many.csv");
        fs::write(&path, format!("a,b\n{}", "1,\n".repeat(1000))).unwrap();
        let table = Table::read(&path).unwrap();
        assert_eq!((table.cells.text.len(), table.cells.ends.len()), (1000, 2000));
        assert_eq!((table.numbers("a").unwrap()[999], table.numbers("b").unwrap()[999]), (Some(1.0), None));
    }

    /// A cell for every curve at every step of another one used to fill the memory.
    #[test]
    fn curves_without_a_common_step_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let mut events = eyas_run::EventWriter::create(folder.path()).unwrap();
        for it in 0..3000 {
            events.scalar(&format!("{it}"), it, 1.0).unwrap();
        }
        events.flush().unwrap();
        let failure = Table::read(folder.path()).unwrap_err();
        assert!(failure.to_string().contains("3000 points of 3000 curves at 3000 steps"), "{failure}");
    }
}
