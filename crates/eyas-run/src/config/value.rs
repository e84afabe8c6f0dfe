//! The tree of plain values that every layer speaks.

use std::fmt;

use indexmap::IndexMap;
use serde::Serialize;

use super::error::ConfigError;

/// Keys and values in the order in which they were written.
pub type Table = IndexMap<String, Value>;

/// One configuration value.
///
/// [`Display`](fmt::Display) prints it as an override would spell it: parsing the text again
/// gives the same value.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Value {
    /// Nothing, or not chosen.
    #[default]
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// Wide enough for `i64` and `u64`, which seeds use in full.
    Int(i128),
    /// Any double, infinities and NaN included.
    Float(f64),
    /// Text.
    String(String),
    /// Values in order.
    List(Vec<Value>),
    /// Named values in order.
    Table(Table),
}

impl Value {
    /// What a typed value serialises to.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Defaults`] if it has no such form.
    pub fn of(value: &impl Serialize) -> Result<Self, ConfigError> {
        super::serialize::to_node(value)
            .map(|node| node.to_value())
            .map_err(|error| ConfigError::Defaults { message: error.to_string() })
    }

    /// The value of `key`, dots separating levels, or `None`.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Self> {
        key.split('.').try_fold(self, |value, part| match value {
            Self::Table(table) => table.get(part),
            _ => None,
        })
    }

    /// Python's `str` of a scalar; `None` for lists and tables.
    pub(crate) fn python(&self) -> Option<String> {
        match self {
            Self::Null => Some("None".into()),
            Self::Bool(value) => Some(if *value { "True" } else { "False" }.into()),
            Self::Int(value) => Some(value.to_string()),
            Self::Float(value) => Some(python_float(*value)),
            Self::String(text) => Some(text.clone()),
            Self::List(_) | Self::Table(_) => None,
        }
    }

    /// What the value is, for messages: `an integer`, `a list`, …
    pub(crate) fn describe(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a bool",
            Self::Int(_) => "an integer",
            Self::Float(_) => "a float",
            Self::String(_) => "a string",
            Self::List(_) => "a list",
            Self::Table(_) => "a table",
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Int(value) => write!(f, "{value}"),
            Self::Float(value) => write!(f, "{value:?}"),
            Self::String(text) => write_string(f, text),
            Self::List(items) => {
                f.write_str("[")?;
                for (i, item) in items.iter().enumerate() {
                    write!(f, "{}{item}", if i == 0 { "" } else { "," })?;
                }
                f.write_str("]")
            }
            Self::Table(table) => {
                f.write_str("{")?;
                for (i, (key, value)) in table.iter().enumerate() {
                    f.write_str(if i == 0 { "" } else { "," })?;
                    write_string(f, key)?;
                    write!(f, ":{value}")?;
                }
                f.write_str("}")
            }
        }
    }
}

/// Python's `repr`: `1e-05`, `1e+16`, `inf`.
pub(super) fn python_float(value: f64) -> String {
    if !value.is_finite() {
        return if value.is_nan() { "nan".into() } else { value.to_string() };
    }
    let scientific = format!("{value:e}");
    let (digits, exponent) = scientific.split_once('e').expect("`{:e}` writes an exponent");
    let exponent: i32 = exponent.parse().expect("`{:e}` writes an integer exponent");
    if value == 0.0 || (-4..16).contains(&exponent) {
        return format!("{value:?}");
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.abs())
}

/// Writes `text` bare where that reads back as the same string, else in single quotes.
fn write_string(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    if is_bare(text) { f.write_str(text) } else { write_quoted(f, text) }
}

fn is_bare(text: &str) -> bool {
    let keyword = ["true", "false", "null", "inf", "nan"].iter().any(|word| text.eq_ignore_ascii_case(word));
    let starts_as_word = text.starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '_' | '/'));
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '/' | '.');
    !keyword && starts_as_word && text.chars().all(plain)
}

/// Single quotes; backslashes count as escapes only before a quote, as in Hydra's grammar.
fn write_quoted(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    f.write_str("'")?;
    let mut backslashes = 0;
    for c in text.chars() {
        match c {
            '\\' => {
                backslashes += 1;
                f.write_str("\\")?;
            }
            '\'' => {
                f.write_str(&"\\".repeat(backslashes + 1))?;
                f.write_str("'")?;
                backslashes = 0;
            }
            _ => {
                write!(f, "{c}")?;
                backslashes = 0;
            }
        }
    }
    f.write_str(&"\\".repeat(backslashes))?;
    f.write_str("'")
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Self::Float(value)
    }
}

impl From<f32> for Value {
    /// Keeps the shortest decimal: `0.1_f32` is `0.1`, not `0.10000000149011612`.
    fn from(value: f32) -> Self {
        Self::Float(format!("{value:?}").parse().expect("a printed float parses"))
    }
}

macro_rules! from_integers {
    ($($integer:ty)*) => {$(
        impl From<$integer> for Value {
            fn from(value: $integer) -> Self {
                Self::Int(i128::from(value))
            }
        }
    )*};
}

from_integers!(i8 i16 i32 i64 u8 u16 u32 u64);

impl From<usize> for Value {
    fn from(value: usize) -> Self {
        Self::Int(value as i128)
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::String(value.to_owned())
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::String(value)
    }
}

impl<T: Into<Value>> From<Vec<T>> for Value {
    fn from(values: Vec<T>) -> Self {
        Self::List(values.into_iter().map(Into::into).collect())
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}
