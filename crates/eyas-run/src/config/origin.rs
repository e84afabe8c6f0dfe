//! Where a value came from.

use std::fmt;
use std::path::{Path, PathBuf};

use eyas_formats::input::read_text;

use super::error::ConfigError;

/// The layer that last set a value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Origin {
    /// The program's own default.
    #[default]
    Default,
    /// A named set of values that ships with the program.
    Preset(String),
    /// A place in a YAML file; lines and columns count from 1.
    File {
        /// The file as it was named.
        path: PathBuf,
        /// Line of the value.
        line: u64,
        /// Column of the value.
        column: u64,
    },
    /// A `key=value` argument, as it was typed.
    Override(String),
    /// A command-line flag such as `--seed`.
    Flag(String),
}

impl Origin {
    /// The origin of a value that a command-line flag has set.
    pub fn flag(name: impl Into<String>) -> Self {
        Self::Flag(name.into())
    }
}

/// Where a YAML text comes from.
#[derive(Clone, Debug)]
pub(super) enum Source {
    File(PathBuf),
    Preset(String),
}

impl Source {
    /// A file: its text, and that it is from there.
    pub(super) fn read(path: &Path) -> Result<(String, Self), ConfigError> {
        let path = path.to_owned();
        match read_text(&path) {
            Ok(text) => Ok((text, Self::File(path))),
            Err(source) => Err(ConfigError::Read { path, source }),
        }
    }

    pub(super) fn origin(&self, line: u64, column: u64) -> Origin {
        match self {
            Self::File(path) => Origin::File { path: path.clone(), line, column },
            Self::Preset(name) => Origin::Preset(name.clone()),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Preset(name) => write!(f, "preset `{name}`"),
            Self::File { path, line, column } => write!(f, "{}:{line}:{column}", path.display()),
            Self::Override(text) => write!(f, "override `{text}`"),
            Self::Flag(name) => write!(f, "flag `{name}`"),
        }
    }
}
