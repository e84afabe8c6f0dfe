//! Where configuration files and groups of them are found.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use eyas_formats::input::read_text;

use super::error::ConfigError;
use super::origin::Source;

/// A configuration that ships with the program.
#[derive(Clone, Copy, Debug)]
pub struct BuiltIn {
    /// Group and name, such as `physics/windy`.
    pub path: &'static str,
    /// Its text.
    pub yaml: &'static str,
}

/// Where configuration files and groups of them are found: in a folder, then among what ships with the program.
///
/// A group is a folder, its options are the files in it: `agent=fast` is `agent/fast.yaml`.
#[derive(Clone, Debug, Default)]
pub struct Library {
    folder: Option<PathBuf>,
    built_in: &'static [BuiltIn],
}

impl Library {
    /// What ships with the program.
    #[must_use]
    pub fn new(built_in: &'static [BuiltIn]) -> Self {
        Self { folder: None, built_in }
    }

    /// Looks into a folder first.
    #[must_use]
    pub fn with_folder(self, folder: impl Into<PathBuf>) -> Self {
        Self { folder: Some(folder.into()), ..self }
    }

    /// Whether there is a group of that name, such as `agent` or `agent/optimizer`.
    #[must_use]
    pub fn is_group(&self, group: &str) -> bool {
        self.ships(group) || self.folder_of(group).is_some_and(|folder| folder.is_dir())
    }

    /// Whether a group has options that ship with the program.
    pub(super) fn ships(&self, group: &str) -> bool {
        self.built_in.iter().any(|it| split(it.path).0 == group)
    }

    /// The options of a group in order.
    #[must_use]
    pub fn options(&self, group: &str) -> Vec<String> {
        let shipped = self.built_in.iter().map(|it| split(it.path));
        let mut options: BTreeSet<String> =
            shipped.filter(|(own, _)| *own == group).map(|(_, name)| name.to_owned()).collect();
        options.extend(self.folder_of(group).into_iter().flat_map(|folder| yaml_files(&folder)));
        options.into_iter().collect()
    }

    /// What can be chosen, for messages.
    pub(super) fn describe_groups(&self) -> String {
        let mut groups: BTreeSet<String> =
            self.built_in.iter().map(|it| split(it.path).0.to_owned()).collect();
        let entries = self.folder.iter().filter_map(|folder| fs::read_dir(folder).ok()).flatten().flatten();
        groups.extend(
            entries
                .filter(|entry| !yaml_files(&entry.path()).is_empty())
                .map(|entry| entry.file_name().to_string_lossy().into_owned()),
        );
        if groups.is_empty() {
            return "there are no groups; `--config-dir` names a folder of them".into();
        }
        format!("the groups are {}", groups.into_iter().collect::<Vec<_>>().join(", "))
    }

    /// The text of a configuration and where it is from; `None` if there is none.
    pub(super) fn read(&self, path: &str) -> Result<Option<(String, Source)>, ConfigError> {
        // The name as typed must stay below the folder.
        let is_inside = path.split('/').all(|part| !part.is_empty() && part != "..");
        if let Some(folder) = self.folder.as_ref().filter(|_| is_inside) {
            let file = folder.join(format!("{path}.yaml"));
            match read_text(&file) {
                Ok(text) => return Ok(Some((text, Source::File(file)))),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(source) => return Err(ConfigError::Read { path: file, source }),
            }
        }
        let shipped = self.built_in.iter().find(|it| it.path == path);
        Ok(shipped.map(|it| (it.yaml.to_owned(), Source::Preset(it.path.to_owned()))))
    }

    fn folder_of(&self, group: &str) -> Option<PathBuf> {
        let is_inside = !group.is_empty() && group.split('/').all(|part| !part.is_empty() && part != "..");
        self.folder.as_ref().filter(|_| is_inside).map(|folder| folder.join(group))
    }
}

/// Names of the YAML files in a folder, without their ending.
fn yaml_files(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.filter_map(|name| name.strip_suffix(".yaml").map(str::to_owned)).collect()
}

/// Group and name.
fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}
