//! Why a configuration is rejected.

use std::io;
use std::path::PathBuf;

use super::origin::Origin;
use super::value::Value;

/// Why a configuration is rejected. [`origin`](Self::origin) says where, [`hint`](Self::hint) what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "each message names its fields")]
pub enum ConfigError {
    #[error("defaults cannot become a configuration: {message}")]
    Defaults { message: String },
    #[error("cannot read configuration `{}`", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("not valid YAML: {message}")]
    Yaml { message: String, origin: Origin },
    #[error("unknown key {}", under(key))]
    UnknownKey { key: String, suggestions: Vec<String>, known: Box<Known>, origin: Origin },
    #[error("key `{key}` is ambiguous: it may be {}", quoted(candidates, " or "))]
    AmbiguousKey { key: String, candidates: Vec<String>, origin: Origin },
    #[error("`{key}` = {found}: expected {expected}, found {}", found.describe())]
    WrongType { key: String, found: Box<Value>, expected: String, origin: Origin },
    #[error("cannot add `{key}`: it is already {found}")]
    AlreadySet { key: String, found: Box<Value>, origin: Origin },
    #[error("`{key}` is given twice: `{earlier}` and {origin}")]
    GivenTwice { key: String, earlier: String, origin: Origin },
    #[error("cannot remove `{key}`: it is neither optional nor in a free-form table")]
    NotRemovable { key: String, origin: Origin },
    #[error("cannot remove `{key}`: it is {found}, not {expected}")]
    RemovesOther { key: String, found: Box<Value>, expected: Box<Value>, origin: Origin },
    #[error("cannot read override `{text}`: {reason}")]
    Override { text: String, reason: String, advice: Option<String> },
    #[error("{message}")]
    Composition { message: String, advice: Option<String>, origin: Origin },
    #[error("`{key}` = {text}: {reason}")]
    Interpolation { key: String, text: String, reason: String, origin: Origin },
    #[error("{}{message}", at_key(key))]
    Invalid { key: String, message: String, suggestion: Option<String>, origin: Origin },
}

/// The table that an unknown key asks for, as far as it exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// Its full key; empty at the top.
    pub table: String,
    /// Its keys.
    pub names: Vec<String>,
    /// It takes new keys, when asked with `+`.
    pub is_open: bool,
}

impl ConfigError {
    /// The layer, and for files the line, that holds the bad value.
    #[must_use]
    pub fn origin(&self) -> Option<Origin> {
        match self {
            Self::Defaults { .. } => None,
            Self::Read { path, .. } => Some(Origin::File { path: path.clone(), line: 1, column: 1 }),
            Self::Override { text, .. } => Some(Origin::Override(text.clone())),
            Self::Yaml { origin, .. }
            | Self::UnknownKey { origin, .. }
            | Self::AmbiguousKey { origin, .. }
            | Self::WrongType { origin, .. }
            | Self::AlreadySet { origin, .. }
            | Self::GivenTwice { origin, .. }
            | Self::NotRemovable { origin, .. }
            | Self::RemovesOther { origin, .. }
            | Self::Composition { origin, .. }
            | Self::Interpolation { origin, .. }
            | Self::Invalid { origin, .. } => Some(origin.clone()),
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::UnknownKey { suggestions, .. } if !suggestions.is_empty() => {
                Some(format!("did you mean {}?", quoted(suggestions, " or ")))
            }
            Self::UnknownKey { key, known, .. } if known.is_open => {
                Some(format!("to add a new key here, write `+{key}=…`"))
            }
            Self::UnknownKey { known, .. } => Some(known.describe()),
            Self::AmbiguousKey { candidates, .. } => {
                candidates.first().map(|key| format!("write the full key, such as `{key}=…`"))
            }
            Self::WrongType { key, found, expected, .. } => type_hint(key, found, expected),
            Self::AlreadySet { key, .. } => Some(format!("to change it, write `{key}=…` or `++{key}=…`")),
            Self::GivenTwice { .. } => Some("leave one of them out".into()),
            Self::Override { advice, .. } | Self::Composition { advice, .. } => advice.clone(),
            Self::Invalid { suggestion, .. } => {
                suggestion.as_ref().map(|name| format!("did you mean `{name}`?"))
            }
            _ => None,
        }
    }
}

impl Known {
    fn describe(&self) -> String {
        const SHOWN: usize = 8;
        let shown = quoted(&self.names[..self.names.len().min(SHOWN)], ", ");
        let more = if self.names.len() > SHOWN { ", …" } else { "" };
        let at = if self.table.is_empty() { "at the top".into() } else { format!("under `{}`", self.table) };
        format!("the keys {at} are {shown}{more}")
    }
}

/// The slips that are common enough to answer with the right spelling.
fn type_hint(key: &str, found: &Value, expected: &str) -> Option<String> {
    match found {
        Value::Float(float) if expected.starts_with("an integer") && float.fract() == 0.0 => {
            Some(format!("write it without point and exponent: `{key}={float:.0}`"))
        }
        Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::String(_)
            if expected.starts_with("a list") =>
        {
            Some(format!("write one item as `{key}=[{found}]`"))
        }
        Value::Bool(_) | Value::Int(_) | Value::Float(_) if expected.starts_with("a string") => {
            Some(format!("quote it twice, once for the shell: \"{key}='{found}'\""))
        }
        _ => None,
    }
}

fn under(key: &str) -> String {
    match key.rsplit_once('.') {
        Some((parent, name)) => format!("`{name}` under `{parent}`"),
        None => format!("`{key}`"),
    }
}

fn at_key(key: &str) -> String {
    if key.is_empty() { String::new() } else { format!("`{key}`: ") }
}

fn quoted(names: &[String], separator: &str) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(separator)
}
