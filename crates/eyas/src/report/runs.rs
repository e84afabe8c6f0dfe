//! Runs as their files tell them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use eyas_run::{RunDir, Value, events};
use serde::Deserialize;

use crate::csv::Table;
use crate::failure::Failure;
use crate::labels::labels_of;
use crate::run_files::check_run;
use crate::run_result::RunResult;

/// Sections of a run's configuration, each a file below `params`.
const SECTIONS: [&str; 4] = ["env", "agent", "distill", "fleet"];

/// What a run did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Training,
    Distillation,
    /// The training of a teacher for each vehicle of a fleet.
    Fleet,
}

/// A run that is finished or goes on.
pub(super) struct Run {
    pub(super) path: PathBuf,
    /// What it is called in the report; no two runs are called the same.
    pub(super) name: String,
    pub(super) kind: Kind,
    /// None before the first point.
    pub(super) curves: Option<Table>,
    /// Values by their dotted keys.
    pub(super) settings: BTreeMap<String, String>,
    /// None if the run was killed before it wrote one.
    pub(super) manifest: Option<Manifest>,
    /// None before the end.
    pub(super) result: Option<RunResult>,
}

/// What a report needs of `manifest.json`.
#[derive(Debug, Deserialize)]
pub(super) struct Manifest {
    pub(super) program: String,
    pub(super) command_line: Vec<String>,
    pub(super) seed: u64,
    pub(super) start: String,
    pub(super) inputs: Vec<Input>,
}

/// A file that a run read.
#[derive(Debug, Deserialize)]
pub(super) struct Input {
    pub(super) path: PathBuf,
    pub(super) sha256: String,
}

/// The runs of some folders, called by the labels if there are any; the folder of a multirun stands for its jobs.
pub(super) fn read_all(folders: &[PathBuf], labels: &[String]) -> Result<Vec<Run>, Failure> {
    let mut paths: Vec<PathBuf> = Vec::new();
    for folder in folders {
        RunDir::open(folder)?;
        let found = if is_multirun(folder) { jobs(folder)? } else { vec![folder.clone()] };
        for path in found {
            if paths.contains(&path) {
                return Err(Failure::new("the folder of a run is given twice").at(&path.display()));
            }
            paths.push(path);
        }
    }
    let names = labels_of(labels, &paths, "runs")?;
    paths.into_iter().zip(names).map(|(path, name)| Run::read(path, name)).collect()
}

fn is_multirun(folder: &Path) -> bool {
    ["multirun.csv", "multirun.json"].iter().any(|name| folder.join(name).is_file())
}

/// The jobs of a multirun that have begun, in their order.
fn jobs(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let mut numbered = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let number = path.file_name().and_then(|name| name.to_str()?.parse::<u64>().ok());
        if let Some(number) = number.filter(|_| check_run(&path).is_ok()) {
            numbered.push((number, path));
        }
    }
    numbered.sort();
    if numbered.is_empty() {
        return Err(Failure::new("a multirun none of whose jobs has begun").at(&folder.display()));
    }
    Ok(numbered.into_iter().map(|(_, path)| path).collect())
}

impl Run {
    fn read(path: PathBuf, name: String) -> Result<Self, Failure> {
        check_run(&path)?;
        let mut settings = BTreeMap::new();
        for section in SECTIONS {
            let file = path.join("params").join(format!("{section}.yaml"));
            if file.is_file() {
                flatten(section, &Value::read_yaml(&file)?, &mut settings);
            }
        }
        let manifest = path.join("manifest.json");
        let manifest = if manifest.is_file() {
            let text = std::fs::read_to_string(&manifest)?;
            let read = serde_json::from_str(&text);
            Some(read.map_err(|error| Failure::new(error).at(&manifest.display()))?)
        } else {
            None
        };
        let has_points = !events::read_run(&path)?.is_empty();
        let has = |section: &str| path.join("params").join(section).is_file();
        Ok(Self {
            kind: match (has("fleet.yaml"), has("distill.yaml")) {
                (true, _) => Kind::Fleet,
                (_, true) => Kind::Distillation,
                _ => Kind::Training,
            },
            curves: has_points.then(|| Table::read(&path)).transpose()?,
            result: RunResult::read(&path),
            settings,
            manifest,
            path,
            name,
        })
    }

    /// A table of the run, if it is there and has a row.
    pub(super) fn table(&self, name: &str) -> Result<Option<Table>, Failure> {
        let path = self.path.join(name);
        let has_rows = std::fs::read_to_string(&path).is_ok_and(|text| text.lines().count() > 1);
        has_rows.then(|| Table::read(&path)).transpose()
    }

    /// What another run must share to be a repetition of this one: settings that do not only name it, and teachers.
    pub(super) fn configuration(&self) -> (Vec<(&str, &str)>, Vec<&str>) {
        let settings = self.settings.iter().filter(|(key, _)| !is_of_one_run(key));
        let teachers = self.teachers().iter().map(|it| it.sha256.as_str()).collect();
        (settings.map(|(key, value)| (key.as_str(), value.as_str())).collect(), teachers)
    }

    /// The files of its teachers.
    pub(super) fn teachers(&self) -> &[Input] {
        match &self.manifest {
            Some(manifest) if self.kind == Kind::Distillation => &manifest.inputs,
            _ => &[],
        }
    }
}

/// Whether a setting differs between repetitions of one configuration.
pub(super) fn is_of_one_run(key: &str) -> bool {
    const KEYS: [&str; 6] = ["seed", "run_name", "experiment_name", "load_run", "load_checkpoint", "resume"];
    key.strip_prefix("agent.").is_some_and(|key| KEYS.contains(&key))
}

/// Adds the values below a key, dots separating levels.
fn flatten(key: &str, value: &Value, settings: &mut BTreeMap<String, String>) {
    match value {
        Value::Table(table) if !table.is_empty() => {
            for (name, value) in table {
                flatten(&format!("{key}.{name}"), value, settings);
            }
        }
        value => _ = settings.insert(key.to_owned(), value.to_string()),
    }
}
