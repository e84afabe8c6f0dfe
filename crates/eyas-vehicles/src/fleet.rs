//! Fleets: many vehicles in a directory, a table or one file.

mod table;

use std::collections::HashSet;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use eyas_sim::VehicleParameters;
use flate2::read::MultiGzDecoder;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use self::table::Columns;
pub use self::table::{fits_a_table, fleet_to_csv};
use crate::file::{VehicleFile, VehicleFileError, other_rotors, to_lines};
use crate::{FleetVehicle, vehicle_warnings};

/// Names of the tables that stand for a directory without parameter files.
const TABLES: [&str; 2] = ["teacher_dynamics.csv", "vehicles.csv"];

/// A fleet cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{}: {problem}", path.display())]
pub struct FleetError {
    /// The file or directory.
    pub path: PathBuf,
    /// What is wrong with it.
    pub problem: FleetProblem,
}

/// What is wrong with a fleet.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages say it")]
pub enum FleetProblem {
    #[error("cannot read it: {0}")]
    Read(io::Error),
    #[error(
        "not a fleet, expected a directory of parameter files, a parameter file of RLtools (.json), a list of vehicles \
         (.json or .json.gz with `sampled`) or a table (.csv)"
    )]
    Kind,
    #[error("no vehicles, expected at least one `*.json` or a `teacher_dynamics.csv`")]
    Empty,
    #[error("two vehicles are called `{id}`, expected different names")]
    Duplicate { id: String },
    #[error("vehicle `{id}` cannot stand in a table, expected a name without commas, quotes and line breaks")]
    Name { id: String },
    #[error("{0}")]
    File(VehicleFileError),
    #[error("vehicle `{id}`: {source}")]
    Vehicle { id: String, source: VehicleFileError },
    #[error("not JSON of a vehicle or of a list of vehicles: {0}")]
    Json(serde_json::Error),
    #[error("not a list of vehicles: {0}")]
    List(serde_json::Error),
    #[error("line {line}: {message}")]
    Line { line: usize, message: String },
}

/// What was found where a fleet should be.
#[derive(Debug, Default)]
pub struct FleetSurvey {
    /// The vehicles, those of a directory sorted by number where they are numbered, else by name.
    pub vehicles: Vec<FleetVehicle>,
    /// Everything that keeps the fleet from being used.
    pub problems: Vec<FleetError>,
    /// What is not heeded, or looks wrong but can be flown; each names file and vehicle.
    pub warnings: Vec<String>,
}

/// Reads a fleet: a directory of parameter files, one parameter file of RLtools, a list of vehicles
/// (`{"sampled": [...]}`, gzip-compressed or not), or a table as [`fleet_to_csv`] and Foundation's
/// `teacher_dynamics.csv` have it.
pub fn read_fleet(path: &Path) -> Result<Vec<FleetVehicle>, FleetError> {
    let survey = survey_fleet(path);
    survey.problems.into_iter().next().map_or(Ok(survey.vehicles), Err)
}

/// Reads a fleet as [`read_fleet`] does, to the last problem.
#[must_use]
pub fn survey_fleet(path: &Path) -> FleetSurvey {
    let mut survey = FleetSurvey::default();
    if let Err(problem) = survey.visit(path) {
        survey.problems.push(FleetError { path: path.to_owned(), problem });
    }
    if survey.vehicles.is_empty() && survey.problems.is_empty() {
        survey.problem(path, FleetProblem::Empty);
    }
    let mut names = HashSet::new();
    let twice: Vec<_> =
        survey.vehicles.iter().filter(|it| !names.insert(&it.id)).map(|it| it.id.clone()).collect();
    for id in twice {
        survey.problem(path, FleetProblem::Duplicate { id });
    }
    // Whoever flies a fleet writes tables of it.
    let unwritable: Vec<_> =
        survey.vehicles.iter().filter(|it| !is_cell(&it.id)).map(|it| it.id.clone()).collect();
    for id in unwritable {
        survey.problem(path, FleetProblem::Name { id });
    }
    survey
}

/// Whether a name can stand in a table as it is.
fn is_cell(name: &str) -> bool {
    !name.trim().is_empty() && !name.contains([',', '"', '\n', '\r'])
}

impl FleetSurvey {
    fn problem(&mut self, path: &Path, problem: FleetProblem) {
        self.problems.push(FleetError { path: path.to_owned(), problem });
    }

    fn visit(&mut self, path: &Path) -> Result<(), FleetProblem> {
        if path.is_dir() {
            return self.directory(path);
        }
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let text = read_text(path).map_err(FleetProblem::Read)?;
        let plain = name.strip_suffix(".gz").unwrap_or(&name);
        if plain.strip_suffix(".csv").is_some() {
            self.table(path, &text)
        } else if let Some(stem) = plain.strip_suffix(".json") {
            self.json(path, stem, &text)
        } else {
            Err(FleetProblem::Kind)
        }
    }

    fn directory(&mut self, path: &Path) -> Result<(), FleetProblem> {
        let mut files = Vec::new();
        for entry in fs::read_dir(path).map_err(FleetProblem::Read)? {
            let file = entry.map_err(FleetProblem::Read)?.path();
            let stem = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            if file.extension().is_some_and(|it| it == "json") && !stem.starts_with('.') {
                files.push((stem.parse::<u64>().ok(), stem, file));
            }
        }
        // Numbers before names.
        files.sort_by(|a, b| (a.0.is_none(), &a.0, &a.1).cmp(&(b.0.is_none(), &b.0, &b.1)));
        if files.is_empty() {
            let Some(table) = TABLES.map(|name| path.join(name)).into_iter().find(|it| it.is_file()) else {
                return Err(FleetProblem::Empty);
            };
            return self.visit(&table);
        }
        for (_, stem, file) in files {
            let outcome = read_text(&file)
                .map_err(FleetProblem::Read)
                .and_then(|text| self.vehicle_file(&file, &stem, &text));
            if let Err(problem) = outcome {
                self.problem(&file, problem);
            }
        }
        Ok(())
    }

    fn json(&mut self, path: &Path, stem: &str, text: &str) -> Result<(), FleetProblem> {
        #[derive(Deserialize)]
        #[serde(expecting = "an object")]
        struct Kind {
            dynamics: Option<IgnoredAny>,
            sampled: Option<IgnoredAny>,
        }
        let kind: Kind = serde_json::from_str(text).map_err(FleetProblem::Json)?;
        match (kind.dynamics.is_some(), kind.sampled.is_some()) {
            (true, _) => self.vehicle_file(path, stem, text),
            (false, true) => self.list(path, text),
            (false, false) => Err(FleetProblem::Kind),
        }
    }

    fn vehicle_file(&mut self, path: &Path, stem: &str, text: &str) -> Result<(), FleetProblem> {
        let file = VehicleFile::parse_unchecked(text).map_err(FleetProblem::File)?;
        let problems = file.problems();
        if problems.is_empty() {
            let warnings = file.warnings();
            self.warnings.extend(warnings.into_iter().map(|it| format!("{}: {it}", path.display())));
        }
        for problem in problems {
            self.problem(path, FleetProblem::File(problem));
        }
        self.vehicles.push(file.fleet_vehicle(stem));
        Ok(())
    }

    fn list(&mut self, path: &Path, text: &str) -> Result<(), FleetProblem> {
        let list: List = serde_json::from_str(text)
            .map_err(|error| other_rotors_in_list(text).unwrap_or(FleetProblem::List(error)))?;
        for entry in list.sampled {
            self.push(path, entry.into());
        }
        Ok(())
    }

    fn table(&mut self, path: &Path, text: &str) -> Result<(), FleetProblem> {
        let mut lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
        let (_, header) = lines.next().ok_or(FleetProblem::Empty)?;
        let columns = Columns::parse(header.trim_start_matches('\u{feff}'))
            .map_err(|message| FleetProblem::Line { line: 1, message })?;
        for (index, line) in lines {
            match columns.row(line) {
                Ok(row) => self.push(path, row.vehicle()),
                Err(message) => self.problem(path, FleetProblem::Line { line: index + 1, message }),
            }
        }
        Ok(())
    }

    /// Adds a vehicle of a list or table.
    fn push(&mut self, path: &Path, vehicle: FleetVehicle) {
        let problems = VehicleFile::from(&vehicle).problems();
        if problems.is_empty() {
            let warnings = vehicle_warnings(&vehicle.dynamics).into_iter();
            self.warnings
                .extend(warnings.map(|it| format!("{}: vehicle `{}`: {it}", path.display(), vehicle.id)));
        }
        for source in problems {
            self.problem(path, FleetProblem::Vehicle { id: vehicle.id.clone(), source });
        }
        self.vehicles.push(vehicle);
    }
}

/// The vehicle of a list that has other than four rotors, if there is one.
fn other_rotors_in_list(text: &str) -> Option<FleetProblem> {
    let value: Value = serde_json::from_str(text).ok()?;
    value.get("sampled")?.as_array()?.iter().find_map(|entry| {
        let source = other_rotors(entry.get("dynamics")?)?;
        let id = entry
            .get("id")
            .map_or_else(String::new, |id| id.as_str().map_or_else(|| id.to_string(), ToOwned::to_owned));
        Some(FleetProblem::Vehicle { id, source })
    })
}

/// The text of a file, unpacked if its name ends in `gz`.
fn read_text(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    open_text(path)?.read_to_string(&mut text)?;
    Ok(text)
}

/// Opens a file of text, which is unpacked if its name ends in `gz`: all members of it, as `cat a.gz b.gz` joins them.
///
/// # Errors
///
/// Reading ends in one where the text is far longer than a file of its size holds, or endless.
pub fn open_text(path: &Path) -> io::Result<Box<dyn Read>> {
    /// Numbers as text pack to a fifth; only what repeats itself packs better than this.
    const MOST_RATIO: u64 = 100;
    /// What a small file may hold, and what comes of a pipe, whose length nobody knows.
    const FREE: u64 = 64 << 20;
    let file = fs::File::open(path)?;
    let metadata = file.metadata()?;
    let is_packed = path.extension().is_some_and(|it| it == "gz");
    let limit = match (metadata.is_file(), is_packed) {
        (true, false) => metadata.len().max(FREE),
        (true, true) => metadata.len().saturating_mul(MOST_RATIO).max(FREE),
        (false, _) => FREE,
    };
    let text: Box<dyn Read> = if is_packed { Box::new(MultiGzDecoder::new(file)) } else { Box::new(file) };
    Ok(Box::new(Bounded { text, left: limit, limit }))
}

/// A text that may not be longer than so many bytes.
struct Bounded {
    text: Box<dyn Read>,
    left: u64,
    limit: u64,
}

impl Read for Bounded {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.text.read(buffer)?;
        self.left = self.left.checked_sub(count as u64).ok_or_else(|| {
            let limit = self.limit >> 20;
            io::Error::other(format!(
                "it holds more than {limit} MiB of text, too much for a file of its size"
            ))
        })?;
        Ok(count)
    }
}

/// A list of vehicles; other keys of the file describe where they are from.
#[derive(Serialize, Deserialize)]
struct List {
    sampled: Vec<Entry>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    id: Id,
    dynamics: VehicleParameters,
    #[serde(default)]
    termination_position_threshold: Option<f64>,
    #[serde(default)]
    init_max_position: Option<f64>,
    #[serde(default)]
    random_force_std: f64,
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Id {
    Number(u64),
    Name(String),
}

impl From<Entry> for FleetVehicle {
    fn from(entry: Entry) -> Self {
        Self {
            id: match entry.id {
                Id::Number(number) => number.to_string(),
                Id::Name(name) => name,
            },
            dynamics: entry.dynamics,
            random_force_std: entry.random_force_std,
            max_position: entry.init_max_position,
            position_threshold: entry.termination_position_threshold,
        }
    }
}

impl From<&FleetVehicle> for Entry {
    fn from(vehicle: &FleetVehicle) -> Self {
        let number = vehicle.id.parse::<u64>().ok().filter(|it| it.to_string() == vehicle.id);
        Self {
            id: number.map_or_else(|| Id::Name(vehicle.id.clone()), Id::Number),
            dynamics: vehicle.dynamics.clone(),
            termination_position_threshold: vehicle.position_threshold,
            init_max_position: vehicle.max_position,
            random_force_std: vehicle.random_force_std,
        }
    }
}

/// A fleet as a list of vehicles, which loses nothing.
#[must_use]
pub fn fleet_to_json(fleet: &[FleetVehicle]) -> String {
    to_lines(&List { sampled: fleet.iter().map(Entry::from).collect() })
}
