//! Texts to values, and to the several values of a sweep.

use std::sync::LazyLock;

use regex::Regex;

use super::functions::{self, Arguments, Glob, Range};
use super::{Syntax, pattern};
use crate::config::value::{Table, Value};

/// Deeper nesting than any configuration has; keeps hostile input from exhausting the stack.
const MAX_DEPTH: usize = 64;

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

/// What else may stand in text without quotes: `UNQUOTED_CHAR` and `COLON` of Hydra's lexer.
const UNQUOTED: &str = "/-\\+.$%*@?|:";

/// A value, and how an override spells it.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::config) struct Element {
    /// As typed, where it was typed.
    pub(in crate::config) text: String,
    pub(in crate::config) value: Value,
}

/// What stands on the right-hand side of an override.
#[derive(Clone, Debug)]
pub(in crate::config) enum Parsed {
    One(Element),
    /// A sweep over values; `a,b` is a simple one, `choice(a,b)` is not.
    Choice {
        elements: Vec<Element>,
        is_simple: bool,
    },
    Range(Range),
    Glob(Glob),
}

impl Parsed {
    pub(super) fn value(value: Value) -> Self {
        Self::One(Element { text: value.to_string(), value })
    }

    /// The only value.
    pub(super) fn single(self) -> Result<Value, Syntax> {
        match self {
            Self::One(element) => Ok(element.value),
            Self::Choice { is_simple: true, .. } => {
                Err(Syntax::new("a comma outside of brackets is a sweep, and this command runs once")
                    .advise("write a list as `key=[a,b]`, quote the text, or add `--multirun`"))
            }
            _ => Err(Syntax::new("a sweep, and this command runs once")
                .advise("write one value, or add `--multirun`")),
        }
    }
}

/// Parses the right-hand side of an override; nothing is the empty string.
pub(super) fn parse(text: &str) -> Result<Parsed, Syntax> {
    let mut parser = Parser { text, position: 0, depth: 0 };
    parser.skip_space();
    if parser.rest().is_empty() {
        return Ok(Parsed::One(Element { text: String::new(), value: Value::String(String::new()) }));
    }
    let first = parser.element()?;
    if parser.peek().is_none() {
        return Ok(first);
    }
    let mut elements = vec![parser.swept(first)?];
    loop {
        match parser.peek() {
            None => return Ok(Parsed::Choice { elements, is_simple: true }),
            Some(',') => parser.accept(','),
            Some('=') => return Err(Syntax::new("a second `=`").advise("quote the value: \"key='a=b'\"")),
            Some(c) => return Err(parser.unexpected(c)),
        };
        let next = parser.element()?;
        elements.push(parser.swept(next)?);
    }
}

/// A token of an unquoted scalar.
struct Token {
    text: String,
    /// What the token means if it stands alone.
    alone: Value,
    /// Unescaped space, which does not count at the end of a value.
    space: bool,
    /// It may name a function.
    is_name: bool,
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

    /// Parses one value inside of a list or a table, and the space around it.
    fn value(&mut self) -> Result<Value, Syntax> {
        match self.element()? {
            Parsed::One(element) => Ok(element.value),
            _ => Err(Syntax::new("a sweep inside of a list or a table").advise("sweep over whole values")),
        }
    }

    /// Parses one value or call, and the space around it.
    fn element(&mut self) -> Result<Parsed, Syntax> {
        self.skip_space();
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(Syntax::new(format!("nested deeper than {MAX_DEPTH} levels")));
        }
        let start = self.position;
        let parsed = match self.peek() {
            Some('[') => self.list().map(Parsed::value),
            Some('{') => self.table().map(Parsed::value),
            Some('\'' | '"') => self.quoted().map(|text| Parsed::value(Value::String(text))),
            _ => self.scalar_or_call(),
        }?;
        self.depth -= 1;
        self.skip_space();
        let typed = self.text[start..self.position].trim_end();
        Ok(match parsed {
            Parsed::One(Element { value, .. }) if !typed.ends_with(')') => {
                Parsed::One(Element { text: typed.to_owned(), value })
            }
            other => other,
        })
    }

    /// One of the values of a sweep.
    fn swept(&self, parsed: Parsed) -> Result<Element, Syntax> {
        match (parsed, self.peek()) {
            (Parsed::One(element), _) => Ok(element),
            (_, Some(c)) if c != ',' => Err(self.unexpected(c)),
            _ => Err(Syntax::new("a sweep inside of a sweep").advise("list all the values: `key=a,b,c`")),
        }
    }

    fn call(&mut self, name: &str) -> Result<Parsed, Syntax> {
        self.accept('(');
        let mut arguments = Arguments::default();
        if self.accept(')') {
            return functions::call(name, arguments);
        }
        loop {
            let argument = self.argument_name();
            let value = self.element()?;
            match argument {
                Some(argument) => arguments.named.push((argument, value)),
                None if arguments.named.is_empty() => arguments.positional.push(value),
                None => return Err(Syntax::new("an argument without a name after one with a name")),
            }
            if self.accept(')') {
                return functions::call(name, arguments);
            }
            if !self.accept(',') {
                return Err(self.expected("`,` or `)`"));
            }
        }
    }

    /// `name=` before an argument.
    fn argument_name(&mut self) -> Option<String> {
        self.skip_space();
        let name = WORD.find(self.rest())?.as_str();
        let after = self.rest()[name.len()..].trim_start_matches([' ', '\t']);
        if !after.starts_with('=') {
            return None;
        }
        self.position = self.text.len() - after.len();
        self.accept('=');
        Some(name.to_owned())
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
                key if key.contains("${") => return Err(Syntax::new("an interpolation as a table's key")),
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

    fn scalar_or_call(&mut self) -> Result<Parsed, Syntax> {
        let mut tokens = self.tokens(|_| false)?;
        match (tokens.as_mut_slice(), self.peek()) {
            ([], _) => Err(self.expected("a value")),
            ([Token { text, is_name: true, .. }], Some('(')) => {
                let name = std::mem::take(text);
                self.call(&name)
            }
            ([Token { text, alone: Value::Float(float), .. }], _)
                if float.is_infinite() && !text.to_lowercase().contains("inf") =>
            {
                Err(Syntax::new(format!("{text} is too large for a float")))
            }
            ([Token { alone, .. }], _) => Ok(Parsed::value(std::mem::take(alone))),
            _ => Ok(Parsed::value(Value::String(join(&tokens)))),
        }
    }

    /// Tokens up to a structural character or one that `ends`, without the space at the end.
    fn tokens(&mut self, ends: impl Fn(char) -> bool) -> Result<Vec<Token>, Syntax> {
        let mut tokens = Vec::new();
        while let Some(c) = self.peek() {
            if matches!(c, ',' | ']' | '}' | '=' | '(' | ')') || ends(c) {
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
            '$' if self.rest().starts_with("${") => match self.rest().find('}') {
                Some(end) if end > 2 => Ok(Token::text(self.take(end + 1))),
                _ => Err(Syntax::new("an interpolation `${…}` that is empty or not closed")
                    .advise("write a key, such as `${agent.seed}`, and keep the shell from replacing it")),
            },
            '[' | '{' | '\'' | '"' => Err(self.unexpected(c)),
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
        if longest == 0 && UNQUOTED.contains(c) {
            return Ok(Token::text(self.take(c.len_utf8())));
        }
        if longest == 0 {
            return Err(self.unexpected(c));
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
        let is_name = float.max(int) < longest && matches!(alone, Value::String(_));
        Ok(Token { text: text.to_owned(), alone, space: false, is_name })
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
        Self { text: text.to_owned(), alone: Value::String(text.to_owned()), space: false, is_name: false }
    }
}
