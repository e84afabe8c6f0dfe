//! The override grammar of Hydra 1.3, as far as one run can use it.
//!
//! ```text
//! override   key=value | +key=value | ++key=value | ~key | ~key=value
//! key        name(.name)*
//! value      list | table | quoted | scalar            (nothing: the empty string)
//! list       [value, …]
//! table      {key: value, …}
//! scalar     a single token is null, a bool, an integer or a float; anything longer is a string
//! ```
//!
//! Left out, with an error that says so: functions, interpolations and config groups. Sweeps are for several runs, see
//! [`Sweep`](super::Sweep).
//! Beyond Hydra: quoted table keys, and unquoted characters that Hydra's lexer does not know
//! (`é`, `!`, `~`).

use std::str::FromStr;
use std::sync::LazyLock;

use regex::Regex;

use super::error::ConfigError;
use super::value::{Table, Value};

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

/// Deeper nesting than any configuration has; keeps hostile input from exhausting the stack.
const MAX_DEPTH: usize = 64;

/// `KEY_SPECIAL` and `DOT_PATH` of Hydra's lexer.
static KEY: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"^[A-Za-z_$][A-Za-z0-9_$-]*(\.([A-Za-z_$][A-Za-z0-9_$-]*|0|[1-9](_?[0-9])*))*$")
});

static FLOAT: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?x)^[+-]?(?:
            (?: (?:0|[1-9](?:_?[0-9])*)?\.[0-9](?:_?[0-9])* | (?:0|[1-9](?:_?[0-9])*)\.? )
                [eE][+-]?[0-9](?:_?[0-9])*
            | (?:0|[1-9](?:_?[0-9])*)?\.[0-9](?:_?[0-9])*
            | (?:0|[1-9](?:_?[0-9])*)\.
            | (?i:inf|nan)
        )",
    )
});

static INT: LazyLock<Regex> = LazyLock::new(|| pattern(r"^[+-]?(?:0|[1-9](?:_?[0-9])*)"));

static WORD: LazyLock<Regex> = LazyLock::new(|| pattern(r"^[A-Za-z_][A-Za-z0-9_-]*"));

fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("the patterns of this module are constant and tested")
}

impl Override {
    /// Parses one command-line argument.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Override`] if `text` is not of the grammar above.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        Self::parse_parts(text).map_err(|syntax| syntax.in_override(text))
    }

    fn parse_parts(text: &str) -> Result<Self, Syntax> {
        let (action, rest) = [("++", Action::SetOrAdd), ("+", Action::Add), ("~", Action::Remove)]
            .into_iter()
            .find_map(|(sign, action)| Some((action, text.strip_prefix(sign)?)))
            .unwrap_or((Action::Set, text));
        let (key, value) = match rest.split_once('=') {
            Some((key, value)) => (key, Some(value)),
            None if action == Action::Remove => (rest, None),
            None => return Err(Syntax::not_an_override()),
        };
        check_key(key)?;
        let value = value.map(parse_value).transpose()?;
        Ok(Self { action, key: key.to_owned(), value })
    }
}

fn check_key(key: &str) -> Result<(), Syntax> {
    if KEY.is_match(key) {
        return Ok(());
    }
    Err(if key.contains(['@', '/']) {
        Syntax::new(format!("`{key}` names a config group, which eyas does not have"))
            .advise("separate the levels of a key with dots: `env.scene.num_envs=2048`")
    } else if key.trim() != key {
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
        parse_value(text).map_err(|syntax| syntax.in_override(text))
    }
}

/// The texts of values with commas between them.
pub(super) fn value_texts(text: &str) -> Result<Vec<String>, Syntax> {
    let mut parser = Parser { text, position: 0, depth: 0 };
    let mut texts = Vec::new();
    loop {
        let start = parser.position;
        parser.value()?;
        texts.push(text[start..parser.position].trim().to_owned());
        match parser.peek() {
            None => return Ok(texts),
            Some(',') => parser.accept(','),
            Some(c) => return Err(parser.unexpected(c)),
        };
    }
}

fn parse_value(text: &str) -> Result<Value, Syntax> {
    let mut parser = Parser { text, position: 0, depth: 0 };
    parser.skip_space();
    if parser.rest().is_empty() {
        return Ok(Value::String(String::new()));
    }
    let value = parser.value()?;
    match parser.peek() {
        None => Ok(value),
        Some(',') => Err(Syntax::new("a comma outside of brackets is a sweep, and this command runs once")
            .advise("write a list as `key=[a,b]`, quote the text, or add `--multirun`")),
        Some('=') => Err(Syntax::new("a second `=`").advise("quote the value: \"key='a=b'\"")),
        Some(c) => Err(parser.unexpected(c)),
    }
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

    fn not_an_override() -> Self {
        Self::new("it has no `=`").advise(Self::FORM)
    }
}

/// A token of an unquoted scalar.
struct Token {
    text: String,
    /// What the token means if it stands alone.
    alone: Value,
    /// Unescaped space, which does not count at the end of a value.
    space: bool,
}

struct Parser<'t> {
    text: &'t str,
    position: usize,
    depth: usize,
}

impl<'t> Parser<'t> {
    fn rest(&self) -> &'t str {
        &self.text[self.position..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn take(&mut self, num_bytes: usize) -> &'t str {
        let taken = &self.rest()[..num_bytes];
        self.position += num_bytes;
        taken
    }

    fn skip_space(&mut self) {
        let space = self.rest().len() - self.rest().trim_start_matches([' ', '\t']).len();
        self.position += space;
    }

    /// Consumes `c` and the space after it, if `c` comes next.
    fn accept(&mut self, c: char) -> bool {
        let found = self.peek() == Some(c);
        if found {
            self.take(c.len_utf8());
            self.skip_space();
        }
        found
    }

    fn unexpected(&self, c: char) -> Syntax {
        let column = self.text[..self.position].chars().count() + 1;
        Syntax::new(format!("unexpected `{c}` at character {column} of the value"))
            .advise("quote text with special characters: \"key='…'\"")
    }

    fn expected(&self, what: &str) -> Syntax {
        match self.peek() {
            Some(c) => {
                let Syntax { reason, advice } = self.unexpected(c);
                Syntax { reason: format!("{reason}, expected {what}"), advice }
            }
            None => Syntax::new(format!("the value ends where {what} is expected"))
                .advise("keep the shell from splitting it: quote the whole override"),
        }
    }

    /// Parses one value and the space around it.
    fn value(&mut self) -> Result<Value, Syntax> {
        self.skip_space();
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(Syntax::new(format!("nested deeper than {MAX_DEPTH} levels")));
        }
        let value = match self.peek() {
            Some('[') => self.list(),
            Some('{') => self.table(),
            Some('\'' | '"') => self.quoted().map(Value::String),
            _ => self.scalar(),
        }?;
        self.depth -= 1;
        self.skip_space();
        Ok(value)
    }

    fn list(&mut self) -> Result<Value, Syntax> {
        self.accept('[');
        let mut items = Vec::new();
        if self.accept(']') {
            return Ok(Value::List(items));
        }
        loop {
            items.push(self.value()?);
            if self.accept(']') {
                return Ok(Value::List(items));
            }
            if !self.accept(',') {
                return Err(self.expected("`,` or `]`"));
            }
        }
    }

    fn table(&mut self) -> Result<Value, Syntax> {
        self.accept('{');
        let mut table = Table::new();
        if self.accept('}') {
            return Ok(Value::Table(table));
        }
        loop {
            let key = self.table_key()?;
            if !self.accept(':') {
                return Err(self.expected("`:` and a value"));
            }
            let value = self.value()?;
            if table.insert(key.clone(), value).is_some() {
                return Err(Syntax::new(format!("key `{key}` appears twice")));
            }
            if self.accept('}') {
                return Ok(Value::Table(table));
            }
            if !self.accept(',') {
                return Err(self.expected("`,` or `}`"));
            }
        }
    }

    fn table_key(&mut self) -> Result<String, Syntax> {
        let key = match self.peek() {
            Some('\'' | '"') => self.quoted()?,
            _ => match join(&self.tokens(|c| c == ':')?) {
                key if key.is_empty() => return Err(self.expected("a key")),
                key => key,
            },
        };
        self.skip_space();
        Ok(key)
    }

    /// A quoted string: backslashes are escapes only in a run that ends at a quote.
    fn quoted(&mut self) -> Result<String, Syntax> {
        let quote = self.peek().expect("the caller saw the quote");
        let mut text = String::new();
        let mut backslashes = 0;
        for (offset, c) in self.rest().char_indices().skip(1) {
            if c == '\\' {
                backslashes += 1;
                continue;
            }
            let escaped = c == quote && backslashes % 2 == 1;
            let kept = if c == quote { backslashes / 2 } else { backslashes };
            text.extend(std::iter::repeat_n('\\', kept));
            backslashes = 0;
            if c == quote && !escaped {
                self.take(offset + c.len_utf8());
                return Ok(text);
            }
            text.push(c);
        }
        Err(Syntax::new(format!("the quote {quote} is not closed"))
            .advise(format!("close it, or write a lone quote as \\{quote} inside quotes")))
    }

    fn scalar(&mut self) -> Result<Value, Syntax> {
        let mut tokens = self.tokens(|_| false)?;
        match tokens.len() {
            0 => Err(self.expected("a value")),
            1 => {
                let Token { text, alone, .. } = tokens.remove(0);
                match alone {
                    Value::Float(float) if float.is_infinite() && !text.to_lowercase().contains("inf") => {
                        Err(Syntax::new(format!("{text} is too large for a float")))
                    }
                    alone => Ok(alone),
                }
            }
            _ => Ok(Value::String(join(&tokens))),
        }
    }

    /// Tokens up to a structural character or one that `ends`, without the space at the end.
    fn tokens(&mut self, ends: impl Fn(char) -> bool) -> Result<Vec<Token>, Syntax> {
        let mut tokens = Vec::new();
        while let Some(c) = self.peek() {
            if matches!(c, ',' | ']' | '}' | '=') || ends(c) {
                break;
            }
            tokens.push(self.token(c)?);
        }
        if tokens.last().is_some_and(|token: &Token| token.space) {
            tokens.pop();
        }
        Ok(tokens)
    }

    fn token(&mut self, c: char) -> Result<Token, Syntax> {
        match c {
            '(' => Err(Syntax::new("a function, and this command runs once").advise(
                "write the value itself, quote text that contains `(`, or add `--multirun` for `choice` and `range`",
            )),
            '$' if self.rest().starts_with("${") => {
                Err(Syntax::new("interpolations `${…}` are not supported").advise("write the value itself"))
            }
            ')' | '[' | '{' | '\'' | '"' => Err(self.unexpected(c)),
            ' ' | '\t' => {
                let start = self.position;
                self.skip_space();
                Ok(Token { space: true, ..Token::text(&self.text[start..self.position]) })
            }
            '\\' => Ok(self.escape()),
            _ => self.word_or_number(c),
        }
    }

    /// Backslash and special character pairs; a backslash before anything else is itself.
    fn escape(&mut self) -> Token {
        let mut text = String::new();
        loop {
            let mut ahead = self.rest().chars();
            match (ahead.next(), ahead.next()) {
                (Some('\\'), Some(special)) if r"\()[]{}:=, ".contains(special) || special == '\t' => {
                    text.push(special);
                    self.take(2);
                }
                _ if text.is_empty() => return Token::text(self.take(1)),
                _ => return Token::text(&text),
            }
        }
    }

    /// The longest of float, integer and word, as ANTLR's lexer decides; else one character.
    fn word_or_number(&mut self, c: char) -> Result<Token, Syntax> {
        let length = |regex: &Regex| regex.find(self.rest()).map_or(0, |found| found.end());
        let (float, int, word) = (length(&FLOAT), length(&INT), length(&WORD));
        let longest = float.max(int).max(word);
        if longest == 0 {
            return Ok(Token::text(self.take(c.len_utf8())));
        }
        let text = self.take(longest);
        let digits = text.replace('_', "");
        let alone = if float == longest {
            Value::Float(digits.parse().map_err(|_| Syntax::new(format!("`{text}` is not a float")))?)
        } else if int == longest {
            Value::Int(digits.parse().map_err(|_| Syntax::new(format!("integer {text} is too large")))?)
        } else {
            word_value(text)
        };
        Ok(Token { text: text.to_owned(), alone, space: false })
    }
}

fn word_value(text: &str) -> Value {
    match text.to_ascii_lowercase().as_str() {
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        "null" => Value::Null,
        _ => Value::String(text.to_owned()),
    }
}

fn join(tokens: &[Token]) -> String {
    tokens.iter().map(|token| token.text.as_str()).collect()
}

impl Token {
    fn text(text: &str) -> Self {
        Self { text: text.to_owned(), alone: Value::String(text.to_owned()), space: false }
    }
}
