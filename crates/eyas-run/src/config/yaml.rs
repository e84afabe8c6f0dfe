//! YAML with locations in, YAML that every reader agrees on out.
//!
//! The text is what Isaac Lab's `dump_yaml` writes (`PyYAML`, block style, keys in order), except
//! that a string is quoted if YAML 1.1 or YAML 1.2 would read it as something else.

use std::fmt::{self, Write as _};
use std::path::Path;

use serde::de::{self, Deserialize, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{Location, Spanned};

use super::error::ConfigError;
use super::origin::Source;
use super::value::{Table, Value, python_float};

/// A YAML node and the place where it starts.
#[derive(Debug)]
pub(crate) struct Located {
    pub(crate) content: Content,
    pub(crate) line: u64,
    pub(crate) column: u64,
}

#[derive(Debug)]
pub(crate) enum Content {
    Scalar(Value),
    List(Vec<Located>),
    Table(Vec<Entry>),
}

/// A key, where it stands, and what it holds.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) line: u64,
    pub(crate) column: u64,
    pub(crate) value: Located,
}

impl Located {
    fn new(content: Content, place: Location) -> Self {
        Self { content, line: place.line(), column: place.column() }
    }

    pub(crate) fn to_value(&self) -> Value {
        match &self.content {
            Content::Scalar(value) => value.clone(),
            Content::List(items) => Value::List(items.iter().map(Self::to_value).collect()),
            Content::Table(entries) => Value::Table(
                entries.iter().map(|entry| (entry.key.clone(), entry.value.to_value())).collect::<Table>(),
            ),
        }
    }
}

/// Parses one YAML 1.2 document; an empty one is null.
fn parse(text: &str, source: &Source) -> Result<Located, ConfigError> {
    let options = serde_saphyr::options! {
        with_snippet: false,
        // YAML 1.2: `no` is a string.
        strict_booleans: true,
        non_finite_float_policy: serde_saphyr::NonFiniteFloatPolicy::PassThrough,
    };
    let parsed: Result<Spanned<Content>, _> = serde_saphyr::from_str_with_options(text, options);
    match parsed {
        Ok(spanned) => Ok(Located::new(spanned.value, spanned.referenced)),
        Err(error) => {
            let (line, column) =
                error.location().map_or((1, 1), |place| (place.line().max(1), place.column().max(1)));
            let text = error.render_with_formatter(&serde_saphyr::UserMessageFormatter);
            // The place is reported apart from the message.
            let message = text.split(" at line ").next().unwrap_or(&text).to_owned();
            Err(ConfigError::Yaml { message, origin: source.origin(line, column) })
        }
    }
}

/// The entries of a document that must be a table, or empty.
pub(crate) fn entries(text: &str, source: &Source) -> Result<Vec<Entry>, ConfigError> {
    let document = parse(text, source)?;
    match document.content {
        Content::Table(entries) => Ok(entries),
        Content::Scalar(Value::Null) => Ok(Vec::new()),
        _ => Err(ConfigError::Yaml {
            message: "expected `key: value` lines at the top level".into(),
            origin: source.origin(document.line, document.column),
        }),
    }
}

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: de::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ContentVisitor)
    }
}

struct ContentVisitor;

macro_rules! scalars {
    ($($method:ident: $scalar:ty),* $(,)?) => {$(
        fn $method<E>(self, value: $scalar) -> Result<Content, E> {
            Ok(Content::Scalar(value.into()))
        }
    )*};
}

impl<'de> Visitor<'de> for ContentVisitor {
    type Value = Content;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a scalar, a list or a table")
    }

    scalars! { visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_f64: f64, visit_str: &str }

    fn visit_i128<E>(self, value: i128) -> Result<Content, E> {
        Ok(Content::Scalar(Value::Int(value)))
    }

    fn visit_unit<E>(self) -> Result<Content, E> {
        Ok(Content::Scalar(Value::Null))
    }

    fn visit_none<E>(self) -> Result<Content, E> {
        Ok(Content::Scalar(Value::Null))
    }

    fn visit_some<D: de::Deserializer<'de>>(self, deserializer: D) -> Result<Content, D::Error> {
        Content::deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Content, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element::<Spanned<Content>>()? {
            items.push(Located::new(item.value, item.referenced));
        }
        Ok(Content::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Content, A::Error> {
        let mut entries = Vec::new();
        while let Some((key, value)) = access.next_entry::<Spanned<String>, Spanned<Content>>()? {
            entries.push(Entry {
                key: key.value,
                line: key.referenced.line(),
                column: key.referenced.column(),
                value: Located::new(value.value, value.referenced),
            });
        }
        Ok(Content::Table(entries))
    }
}

impl Value {
    /// Reads a YAML file of any shape, such as the `params/env.yaml` of a foreign run.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Read`] or [`ConfigError::Yaml`] with file, line and column.
    pub fn read_yaml(path: impl AsRef<Path>) -> Result<Self, ConfigError> {
        let (text, source) = Source::read(path.as_ref())?;
        Ok(parse(&text, &source)?.to_value())
    }

    /// Block-style YAML, keys in order, that YAML 1.1 and 1.2 readers read back as this value.
    ///
    /// ```
    /// use eyas_run::Value;
    ///
    /// let value: Value = "{lr: 1e-5, dims: [64, 64], tag: 'no'}".parse()?;
    /// assert_eq!(value.to_yaml(), "lr: 1.0e-05\ndims:\n- 64\n- 64\ntag: 'no'\n");
    /// # Ok::<(), eyas_run::ConfigError>(())
    /// ```
    #[must_use]
    pub fn to_yaml(&self) -> String {
        let mut out = String::new();
        match self {
            Self::Table(table) if !table.is_empty() => write_table(&mut out, table, 0),
            Self::List(items) if !items.is_empty() => write_list(&mut out, items, 0),
            scalar => {
                write_scalar(&mut out, scalar);
                out.push('\n');
            }
        }
        out
    }
}

/// Writes `key: value` lines; the caller has already indented the first.
fn write_table(out: &mut String, table: &Table, indent: usize) {
    for (i, (key, value)) in table.iter().enumerate() {
        if i > 0 {
            out.extend(std::iter::repeat_n(' ', indent));
        }
        write_string(out, key);
        out.push(':');
        match value {
            Value::Table(table) if !table.is_empty() => {
                start_line(out, indent + 2);
                write_table(out, table, indent + 2);
            }
            // PyYAML does not indent a list below its key.
            Value::List(items) if !items.is_empty() => {
                start_line(out, indent);
                write_list(out, items, indent);
            }
            scalar => {
                out.push(' ');
                write_scalar(out, scalar);
                out.push('\n');
            }
        }
    }
}

/// Writes `- item` lines; the caller has already indented the first.
fn write_list(out: &mut String, items: &[Value], indent: usize) {
    for (i, item) in items.iter().enumerate() {
        if i > 0 {
            out.extend(std::iter::repeat_n(' ', indent));
        }
        out.push_str("- ");
        match item {
            Value::Table(table) if !table.is_empty() => write_table(out, table, indent + 2),
            Value::List(items) if !items.is_empty() => write_list(out, items, indent + 2),
            scalar => {
                write_scalar(out, scalar);
                out.push('\n');
            }
        }
    }
}

fn start_line(out: &mut String, indent: usize) {
    out.push('\n');
    out.extend(std::iter::repeat_n(' ', indent));
}

fn write_scalar(out: &mut String, value: &Value) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(value) => _ = write!(out, "{value}"),
        Value::Int(value) => _ = write!(out, "{value}"),
        Value::Float(value) => out.push_str(&float(*value)),
        Value::String(text) => write_string(out, text),
        Value::List(_) => out.push_str("[]"),
        Value::Table(_) => out.push_str("{}"),
    }
}

/// Python's `repr`, with the dot that YAML 1.1 demands: `1.0e-05`, `1.0e+16`, `.inf`.
fn float(value: f64) -> String {
    if value.is_nan() {
        return ".nan".into();
    }
    if value.is_infinite() {
        return if value > 0.0 { ".inf".into() } else { "-.inf".into() };
    }
    let text = python_float(value);
    match text.split_once('e') {
        Some((digits, exponent)) if !digits.contains('.') => format!("{digits}.0e{exponent}"),
        _ => text,
    }
}

fn write_string(out: &mut String, text: &str) {
    if text.chars().any(needs_escape) {
        write_double_quoted(out, text);
    } else if is_plain(text) {
        out.push_str(text);
    } else {
        _ = write!(out, "'{}'", text.replace('\'', "''"));
    }
}

/// Characters that only double quotes can hold, or that readers treat differently.
fn needs_escape(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
}

/// Whether YAML 1.1 and 1.2 both read the bare text as this string. Errs towards quoting.
fn is_plain(text: &str) -> bool {
    const WORDS: [&str; 11] = ["true", "false", "yes", "no", "on", "off", "null", "y", "n", "inf", "nan"];
    let bytes = text.as_bytes();
    let starts_well = match bytes {
        [] => false,
        [b'.', next, ..] => !next.is_ascii_digit() && !is_dotted_number(text),
        [first, ..] => first.is_ascii_alphabetic() || matches!(first, b'_' | b'/' | b'$'),
    };
    let is_word = WORDS.iter().any(|word| text.eq_ignore_ascii_case(word));
    let characters = |c: char| c.is_ascii_alphanumeric() || "_-./*+ ()$^\\|:@=,~".contains(c);
    let separates = text.contains(": ") || text.ends_with([':', ' ']);
    starts_well && !is_word && !separates && text.chars().all(characters)
}

fn is_dotted_number(text: &str) -> bool {
    [".inf", ".nan"].iter().any(|word| text.eq_ignore_ascii_case(word))
}

fn write_double_quoted(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if needs_escape(c) && u32::from(c) <= 0xff => _ = write!(out, "\\x{:02X}", u32::from(c)),
            c if needs_escape(c) => _ = write!(out, "\\u{:04X}", u32::from(c)),
            c => out.push(c),
        }
    }
    out.push('"');
}
