//! The override grammar of Hydra 1.3.
//!
//! ```text
//! override   key=value | +key=value | ++key=value | ~key | ~key=value
//! key        name(.name)* | group(/group)*[@package]
//! value      list | table | quoted | scalar | call | value,value,…     (nothing: the empty string)
//! list       [value, …]
//! table      {key: value, …}
//! scalar     a single token is null, a bool, an integer, a float or an interpolation; anything longer is a string
//! call       int(…), float(…), str(…), bool(…), sort(…); choice(…), range(…), glob(…), tag(…) and commas make a sweep
//! ```
//!
//! Left out, with an error that says so: `interval`, which has no values of its own, and `shuffle`, which no second run
//! would repeat. Beyond Hydra: quoted table keys. A key twice in a table is an error.

mod functions;
mod values;

use std::str::FromStr;
use std::sync::LazyLock;

use regex::Regex;

use super::error::ConfigError;
use super::value::Value;
pub(super) use functions::Glob;
pub(super) use values::{Element, Parsed};

/// What an override does to its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// `key=value`: change a known key.
    Set,
    /// `+key=value`: add a key that is not there.
    Add,
    /// `++key=value`: change the key, or add it.
    SetOrAdd,
    /// `~key` or `~key=value`: remove the key, if it has the value.
    Remove,
}

/// One parsed override.
///
/// ```
/// use eyas_run::config::{Action, Override, Value};
///
/// let parsed = Override::parse("+env.terms.tilt={weight: -1e-2}")?;
/// assert_eq!(parsed.action, Action::Add);
/// assert_eq!(parsed.value.unwrap().get("weight"), Some(&Value::Float(-0.01)));
/// # Ok::<(), eyas_run::ConfigError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Override {
    /// What to do.
    pub action: Action,
    /// Dotted key, as typed.
    pub key: String,
    /// The value; `None` only for `~key`.
    pub value: Option<Value>,
}

/// `KEY_SPECIAL` and `DOT_PATH` of Hydra's lexer.
static KEY: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"^[A-Za-z_$][A-Za-z0-9_$-]*(\.([A-Za-z_$][A-Za-z0-9_$-]*|0|[1-9](_?[0-9])*))*$")
});

fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("the patterns of this module are constant and tested")
}

/// `ID (SLASH ID)+`, or a group with the package that its values go to.
static GROUP: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"^[A-Za-z_][A-Za-z0-9_-]*(/[A-Za-z_][A-Za-z0-9_-]*)*(@[A-Za-z0-9_$.-]*)?$"));

impl Override {
    /// Parses one command-line argument.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Override`] if `text` is not of the grammar above, or stands for several values.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let single = || -> Result<Self, Syntax> {
            let Assignment { action, key, value } = Assignment::parse(text)?;
            let value = value.map(Parsed::single).transpose()?;
            Ok(Self { action, key: key.to_owned(), value })
        };
        single().map_err(|syntax| syntax.in_override(text))
    }
}

/// An override of one run, or of one value in each of several.
pub(super) struct Assignment<'t> {
    pub(super) action: Action,
    pub(super) key: &'t str,
    /// `None` only for `~key`.
    pub(super) value: Option<Parsed>,
}

impl<'t> Assignment<'t> {
    pub(super) fn parse(text: &'t str) -> Result<Self, Syntax> {
        let (action, rest) = [("++", Action::SetOrAdd), ("+", Action::Add), ("~", Action::Remove)]
            .into_iter()
            .find_map(|(sign, action)| Some((action, text.strip_prefix(sign)?)))
            .unwrap_or((Action::Set, text));
        let (key, value) = match rest.split_once('=') {
            Some((key, value)) => (key, Some(value)),
            None if action == Action::Remove => (rest, None),
            None => return Err(Syntax::new("it has no `=`").advise(Syntax::FORM)),
        };
        check_key(key)?;
        let value = value.map(values::parse).transpose()?;
        Ok(Self { action, key, value })
    }
}

fn check_key(key: &str) -> Result<(), Syntax> {
    if KEY.is_match(key) || GROUP.is_match(key) {
        return Ok(());
    }
    Err(if key.trim() != key {
        Syntax::new("space around the key").advise("write `key=value` without a space before `=`")
    } else if key.contains('[') {
        Syntax::new(format!("`{key}` is not a key")).advise("set a list as a whole: `key=[1,2,3]`")
    } else {
        Syntax::new(format!("`{key}` is not a key")).advise(Syntax::FORM)
    })
}

impl FromStr for Value {
    type Err = ConfigError;

    /// Parses the right-hand side of an override.
    fn from_str(text: &str) -> Result<Self, ConfigError> {
        values::parse(text).and_then(Parsed::single).map_err(|syntax| syntax.in_override(text))
    }
}

/// The value that a text stands for by itself, such as the argument of a resolver; the error says what is wrong.
pub(super) fn value_of(text: &str) -> Result<Value, String> {
    values::parse(text).and_then(Parsed::single).map_err(|syntax| syntax.reason)
}

/// What is wrong with an override, without its text.
pub(super) struct Syntax {
    reason: String,
    advice: Option<String>,
}

impl Syntax {
    const FORM: &'static str = "overrides are `key=value`, `+key=value`, `++key=value` or `~key`, \
        for example `env.scene.num_envs=2048`; flags start with `--`";

    pub(super) fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), advice: None }
    }

    pub(super) fn in_override(self, text: &str) -> ConfigError {
        ConfigError::Override { text: text.to_owned(), reason: self.reason, advice: self.advice }
    }

    pub(super) fn advise(self, advice: impl Into<String>) -> Self {
        Self { advice: Some(advice.into()), ..self }
    }
}
