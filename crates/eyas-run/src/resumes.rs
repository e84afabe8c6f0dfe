//! What a run was begun with, and what later processes that went on with it have changed.
//!
//! `params` and `manifest.json` stay as the run was begun. Every process that goes on adds itself to `resumes.json`: its
//! command line, where the run stood, and each setting that is not what it was.

use std::io;
use std::path::Path;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use crate::config::{Setting, Value};
use crate::error::RunError;
use crate::manifest::{self, InputFile, Manifest, to_json};
use crate::{ConfigError, Layers, Origin, RunDir};

/// Name of the file in a run's folder.
const FILE: &str = "resumes.json";
const FORMAT: &str = "eyas-resumes";
/// Raised when a reader of an older version could misunderstand the file.
const FORMAT_VERSION: u32 = 1;

/// A setting that is not what it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Its full key.
    pub key: String,
    /// What it was, as overrides spell it; none if it was not there.
    pub from: Option<String>,
    /// What it is; none if it is not there any more.
    pub to: Option<String>,
    /// Where the new value comes from.
    pub origin: String,
}

impl std::fmt::Display for Change {
    /// `agent.algorithm.gamma: 0.99 → 0.9 (override …)`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "nothing".into());
        write!(f, "{}: {} → {} ({})", self.key, text(&self.from), text(&self.to), self.origin)
    }
}

/// One process that went on with a run.
#[derive(Debug, Serialize, Deserialize)]
struct Leg {
    /// Iterations or epochs that were done.
    at: u64,
    program: String,
    command_line: Vec<String>,
    start: String,
    inputs: Vec<InputFile>,
    changes: Vec<Change>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Legs {
    format: String,
    format_version: u32,
    resumes: Vec<Leg>,
}

/// The settings of a run as its last process had them.
#[derive(Clone, Debug)]
pub struct RunSettings {
    values: IndexMap<String, serde_json::Value>,
    origins: IndexMap<String, String>,
    /// The last change of each setting that was changed since the run was begun.
    changed: IndexMap<String, Change>,
}

impl RunSettings {
    /// Those of the run in a folder; none if it has no manifest yet.
    ///
    /// # Errors
    ///
    /// [`RunError::Io`], or [`RunError::Manifest`] if a file is none.
    pub fn read(run: &Path) -> Result<Option<Self>, RunError> {
        let Some(begun) = manifest::settings_of(run)? else { return Ok(None) };
        let (mut values, mut origins) = (IndexMap::new(), IndexMap::new());
        for (key, value, origin) in begun {
            values.insert(key.clone(), value);
            origins.insert(key, origin);
        }
        let mut changed = IndexMap::new();
        for leg in read_legs(run)?.resumes {
            for change in leg.changes {
                match change.to.as_ref().and_then(|text| text.parse::<Value>().ok()) {
                    Some(value) => _ = values.insert(change.key.clone(), to_json(&value)),
                    None => _ = values.shift_remove(&change.key),
                }
                origins.insert(change.key.clone(), change.origin.clone());
                changed.insert(change.key.clone(), change);
            }
        }
        Ok(Some(Self { values, origins, changed }))
    }

    /// What other settings differ in, but for keys that are `passed_over`.
    #[must_use]
    pub fn changes(&self, now: &[Setting], passed_over: &[&str]) -> Vec<Change> {
        let is_compared = |key: &str| !passed_over.contains(&key);
        let mut changes = Vec::new();
        for Setting { key, value, origin } in now.iter().filter(|it| is_compared(&it.key)) {
            let before = self.values.get(key);
            if before != Some(&to_json(value)) {
                changes.push(Change {
                    key: key.clone(),
                    from: before.map(spelled),
                    to: Some(value.to_string()),
                    origin: origin.to_string(),
                });
            }
        }
        let is_gone = |key: &&String| !now.iter().any(|it| it.key == **key) && is_compared(key);
        changes.extend(self.values.keys().filter(is_gone).map(|key| Change {
            key: key.clone(),
            from: self.values.get(key).map(spelled),
            to: None,
            origin: "nothing sets it".into(),
        }));
        changes
    }

    /// Layers the groups of a run's `params`, and then what was changed since, but for keys that are `passed_over`.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] where a value does not fit.
    pub fn layer(
        &self,
        layers: &mut Layers,
        run: &Path,
        groups: &[&str],
        passed_over: &[&str],
    ) -> Result<(), ConfigError> {
        let kept: Vec<(&str, Value, Origin)> = passed_over
            .iter()
            .filter_map(|key| Some((*key, layers.get(key)?, layers.origin(key)?.clone())))
            .collect();
        for group in groups {
            layers.file_under(group, run.join("params").join(format!("{group}.yaml")))?;
        }
        self.layer_changes(layers, run, groups)?;
        for (key, value, origin) in kept {
            layers.set(key, value, origin)?;
        }
        Ok(())
    }

    /// Layers what was changed of some groups since the run was begun.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] where a value does not fit.
    pub fn layer_changes(&self, layers: &mut Layers, run: &Path, groups: &[&str]) -> Result<(), ConfigError> {
        let is_of_groups = |key: &str| groups.contains(&key.split('.').next().unwrap_or_default());
        for Change { key, to, .. } in self.changed.values().filter(|it| is_of_groups(&it.key)) {
            let Some(text) = to else { continue };
            let origin = Origin::File { path: run.join(FILE), line: 1, column: 1 };
            match layers.set(key, text.parse::<Value>()?, origin) {
                Err(ConfigError::UnknownKey { .. }) => _ = layers.overrides(&[format!("++{key}={text}")])?,
                outcome => _ = outcome?,
            }
        }
        Ok(())
    }

    /// What a setting is, as overrides spell it, and where that came from.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<(String, &str)> {
        Some((spelled(self.values.get(key)?), self.origins.get(key)?))
    }
}

/// Adds a process that goes on at a position to the record of a run.
///
/// # Errors
///
/// [`RunError::Io`], or [`RunError::Manifest`] if the file is none.
///
/// # Panics
///
/// If texts and numbers do not become JSON.
pub fn record(run: &RunDir, manifest: &Manifest, at: u64, changes: &[Change]) -> Result<(), RunError> {
    let mut legs = read_legs(run.path())?;
    legs.resumes.push(Leg {
        at,
        program: manifest.program.clone(),
        command_line: manifest.command_line.clone(),
        start: manifest.start_text(),
        inputs: manifest.inputs.clone(),
        changes: changes.to_vec(),
    });
    let path = run.file(FILE);
    let text = serde_json::to_string_pretty(&legs).expect("texts and numbers become JSON");
    eyas_formats::atomic::write(&path, (text + "\n").as_bytes()).map_err(RunError::io("write", &path))
}

fn read_legs(run: &Path) -> Result<Legs, RunError> {
    let path = run.join(FILE);
    match std::fs::read(&path) {
        Ok(text) => serde_json::from_slice(&text).map_err(|source| RunError::Manifest { path, source }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Ok(Legs { format: FORMAT.into(), format_version: FORMAT_VERSION, resumes: Vec::new() })
        }
        Err(error) => Err(RunError::io("read", &path)(error)),
    }
}

fn spelled(value: &serde_json::Value) -> String {
    Value::of(value).map_or_else(|_| value.to_string(), |it| it.to_string())
}
