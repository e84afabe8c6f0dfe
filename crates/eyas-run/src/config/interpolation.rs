//! `OmegaConf`'s interpolations: `${a.b}`, `${.b}`, `${oc.env:VAR,default}`, alone or inside of text.
//!
//! Values hold them as text until they are asked for, so that later layers reach what they refer to. A backslash keeps
//! one from being read: `\${a.b}`. `???` stands for a value that a later layer must give.

use super::grammar::value_of;
use super::keys;
use super::node::{Body, Node};
use super::origin::Origin;
use super::value::{Table, Value};

/// Deeper nesting than any configuration has; keeps hostile input from exhausting the stack.
const MAX_DEPTH: usize = 32;

/// Stands for a value that a later layer must give.
const MISSING: &str = "???";

/// Why a value cannot be resolved.
pub(super) struct Problem {
    pub(super) key: String,
    /// As written.
    pub(super) text: String,
    pub(super) reason: String,
}

/// Whether a value waits for others.
pub(super) fn is_deferred(value: &Value) -> bool {
    match value {
        Value::String(text) => text == MISSING || is_interpolation(text),
        Value::List(items) => items.iter().any(is_deferred),
        Value::Table(table) => table.values().any(is_deferred),
        _ => false,
    }
}

/// Whether a text holds an interpolation.
pub(super) fn is_interpolation(text: &str) -> bool {
    text.contains("${")
}

/// A text with what its interpolations stand for: entries of a table, and what resolvers give.
pub(super) fn resolve_text(text: &str, known: Table) -> Result<String, String> {
    let root = Node::free(Value::Table(known), &Origin::Default);
    let value = Resolver { root: &root, stack: Vec::new() }.text(&parse(text, 0)?, "")?;
    match value {
        Value::String(text) => Ok(text),
        other => Err(format!("it stands for {other}, expected text")),
    }
}

/// A copy of the tree with every interpolation replaced by what it stands for.
pub(super) fn resolve(root: &Node) -> Result<Node, Problem> {
    let mut resolved = root.clone();
    visit(&mut resolved, "", &mut |key| Resolver { root, stack: Vec::new() }.leaf(key))?;
    Ok(resolved)
}

fn visit(
    node: &mut Node,
    key: &str,
    value_of: &mut impl FnMut(&str) -> Result<Value, Problem>,
) -> Result<(), Problem> {
    match &mut node.body {
        Body::Table { entries, .. } => {
            for (name, child) in entries {
                visit(child, &keys::join(key, name), value_of)?;
            }
        }
        Body::Leaf { value, .. } if is_deferred(value) => *value = value_of(key)?,
        Body::Leaf { .. } => {}
    }
    Ok(())
}

struct Resolver<'r> {
    root: &'r Node,
    /// Keys whose values are being resolved.
    stack: Vec<String>,
}

impl Resolver<'_> {
    /// The value of a leaf, of the kind that its key takes.
    fn leaf(&mut self, key: &str) -> Result<Value, Problem> {
        let node = self.root.find(keys::parts(key)).expect("the caller has found the key");
        let raw = node.to_value();
        if !is_deferred(&raw) {
            return Ok(raw);
        }
        let problem = |reason| Problem { key: key.to_owned(), text: raw.to_string(), reason };
        if self.stack.iter().any(|it| it == key) {
            let circle = self.stack.iter().map(String::as_str).chain([key]).collect::<Vec<_>>();
            return Err(problem(format!("it refers to itself: {}", circle.join(" → "))));
        }
        self.stack.push(key.to_owned());
        let value = self.value(&raw, key).map_err(problem)?;
        self.stack.pop();
        node.accept_resolved(&value)
            .map_err(|expected| problem(format!("it stands for {value}, expected {expected}")))
    }

    fn value(&mut self, raw: &Value, key: &str) -> Result<Value, String> {
        match raw {
            Value::String(text) if text == MISSING => Err("the value is missing and must be given".into()),
            Value::String(text) if is_interpolation(text) => {
                let parts = parse(text, 0)?;
                self.text(&parts, key)
            }
            Value::List(items) => {
                items.iter().map(|item| self.value(item, key)).collect::<Result<_, _>>().map(Value::List)
            }
            Value::Table(table) => {
                let entry = |(name, value): (&String, &Value)| {
                    Ok((name.clone(), self.value(value, &keys::join(key, name))?))
                };
                table.iter().map(entry).collect::<Result<Table, String>>().map(Value::Table)
            }
            other => Ok(other.clone()),
        }
    }

    /// One interpolation keeps its type; anything longer is text.
    fn text(&mut self, parts: &[Part], key: &str) -> Result<Value, String> {
        if let [Part::Interpolation(inner)] = parts {
            return self.interpolation(inner, key);
        }
        let mut text = String::new();
        for part in parts {
            match part {
                Part::Text(part) => text.push_str(part),
                Part::Interpolation(inner) => {
                    let value = self.interpolation(inner, key)?;
                    text += &value.python().ok_or("a list or a table inside of text")?;
                }
            }
        }
        Ok(Value::String(text))
    }

    fn interpolation(&mut self, inner: &Inner, key: &str) -> Result<Value, String> {
        match inner {
            Inner::Key(path) => {
                let path = self.plain(path, key)?;
                self.reference(path.trim(), key)
            }
            Inner::Call(name, arguments) => self.call(name, arguments, key),
        }
    }

    fn plain(&mut self, parts: &[Part], key: &str) -> Result<String, String> {
        let value = self.text(parts, key)?;
        value.python().ok_or_else(|| "a list or a table inside of a key".into())
    }

    fn call(&mut self, name: &str, arguments: &[Argument], key: &str) -> Result<Value, String> {
        let mut values = Vec::new();
        for argument in arguments {
            values.push(match argument {
                Argument::Parts(parts) => self.text(parts, key)?,
                Argument::Value(value) => value.clone(),
            });
        }
        let text = |value: &Value| value.python().ok_or_else(|| format!("`{name}`: expected text"));
        match (name, values.as_slice()) {
            ("oc.env", [variable, default @ ..]) if default.len() < 2 => {
                let variable = text(variable)?;
                match (std::env::var(&variable), default) {
                    (Ok(value), _) => Ok(Value::String(value)),
                    (Err(_), [Value::Null]) => Ok(Value::Null),
                    (Err(_), [default]) => text(default).map(Value::String),
                    (Err(_), _) => Err(format!("environment variable `{variable}` is not set")),
                }
            }
            ("oc.select", [path, default @ ..]) if default.len() < 2 => {
                match (self.reference(&text(path)?, key), default) {
                    (Err(_), [default]) => Ok(default.clone()),
                    (Err(_), []) => Ok(Value::Null),
                    (found, _) => found,
                }
            }
            ("oc.decode", [Value::Null]) => Ok(Value::Null),
            ("oc.decode", [value]) => value_of(&text(value)?),
            ("oc.env" | "oc.select" | "oc.decode", _) => {
                Err(format!("`{name}` has a wrong number of arguments"))
            }
            _ => Err(format!("no resolver `{name}`: there are oc.env, oc.select and oc.decode")),
        }
    }

    /// What a key refers to: from the top, without its group, or from the table it stands in after a dot.
    fn reference(&mut self, path: &str, key: &str) -> Result<Value, String> {
        let unknown = || format!("there is no key `{path}`");
        let dots = path.len() - path.trim_start_matches('.').len();
        let parts = split(&path[dots..]).ok_or_else(unknown)?;
        let target = if dots == 0 {
            self.absolute(&parts).ok_or_else(unknown)?
        } else {
            let base: Vec<&str> = keys::parts(key).collect();
            let kept = base.len().checked_sub(dots).ok_or_else(unknown)?;
            base[..kept].iter().map(ToString::to_string).chain(parts).collect()
        };
        self.find(&target)?.ok_or_else(unknown)
    }

    /// The full key of one that may lack its group.
    fn absolute(&self, parts: &[String]) -> Option<Vec<String>> {
        let first = parts.first()?;
        let entries = self.root.entries()?;
        if entries.contains_key(first) {
            return Some(parts.to_vec());
        }
        let mut groups =
            entries.iter().filter(|(_, group)| group.entries().is_some_and(|own| own.contains_key(first)));
        match (groups.next(), groups.next()) {
            (Some((group, _)), None) => Some(std::iter::once(group).chain(parts).cloned().collect()),
            _ => None,
        }
    }

    fn find(&mut self, parts: &[String]) -> Result<Option<Value>, String> {
        let mut node = self.root;
        let mut key = String::new();
        for (place, part) in parts.iter().enumerate() {
            let Some(entries) = node.entries() else {
                return Ok(inside(self.referred(&key)?, &parts[place..]));
            };
            let Some(child) = entries.get(part) else { return Ok(None) };
            node = child;
            key = keys::join(&key, part);
        }
        if node.entries().is_none() {
            return self.referred(&key).map(Some);
        }
        let mut table = node.clone();
        visit(&mut table, &key, &mut |key| self.leaf(key)).map_err(|problem| problem.reason)?;
        Ok(Some(table.to_value()))
    }

    fn referred(&mut self, key: &str) -> Result<Value, String> {
        self.leaf(key).map_err(|Problem { key, reason, .. }| {
            if reason.starts_with("it refers to itself") { reason } else { format!("`{key}`: {reason}") }
        })
    }
}

/// What the parts of a key find inside of a value.
fn inside(value: Value, parts: &[String]) -> Option<Value> {
    parts.iter().try_fold(value, |value, part| match value {
        Value::Table(mut table) => table.shift_remove(part),
        Value::List(mut items) => {
            let index = part.parse::<usize>().ok().filter(|index| *index < items.len())?;
            Some(items.swap_remove(index))
        }
        _ => None,
    })
}

/// The levels of `a.b[0][c]`.
fn split(path: &str) -> Option<Vec<String>> {
    let mut parts = Vec::new();
    for level in path.split('.') {
        let (name, brackets) = level.split_once('[').map_or((level, None), |(name, rest)| (name, Some(rest)));
        if !name.is_empty() {
            parts.push(name.to_owned());
        }
        match brackets {
            Some(rest) => parts.extend(rest.strip_suffix(']')?.split("][").map(str::to_owned)),
            None if name.is_empty() => return None,
            None => {}
        }
    }
    Some(parts)
}

/// A piece of text with interpolations.
#[derive(Debug)]
enum Part {
    Text(String),
    Interpolation(Inner),
}

/// What stands inside of `${…}`.
#[derive(Debug)]
enum Inner {
    /// A key, which may hold interpolations of its own.
    Key(Vec<Part>),
    /// A resolver and its arguments.
    Call(String, Vec<Argument>),
}

#[derive(Debug)]
enum Argument {
    Parts(Vec<Part>),
    Value(Value),
}

fn parse(text: &str, depth: usize) -> Result<Vec<Part>, String> {
    if depth > MAX_DEPTH {
        return Err(format!("nested deeper than {MAX_DEPTH} levels"));
    }
    let mut parts = Vec::new();
    let mut plain = String::new();
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        let before = &rest[..start];
        // Backslashes count as escapes only before an interpolation.
        let backslashes = before.len() - before.trim_end_matches('\\').len();
        plain += &before[..before.len() - backslashes / 2 - backslashes % 2];
        if backslashes % 2 == 1 {
            plain += "${";
            rest = &rest[start + 2..];
            continue;
        }
        let inner = &rest[start + 2..];
        let end = closing(inner).ok_or("an interpolation `${…}` is not closed")?;
        if !plain.is_empty() {
            parts.push(Part::Text(std::mem::take(&mut plain)));
        }
        parts.push(Part::Interpolation(parse_inner(&inner[..end], depth + 1)?));
        rest = &inner[end + 1..];
    }
    plain += rest;
    if !plain.is_empty() {
        parts.push(Part::Text(plain));
    }
    Ok(parts)
}

/// Where the brace that is open before `text` closes.
fn closing(text: &str) -> Option<usize> {
    top_level(text).find(|(_, c, depth)| *c == '}' && *depth == 0).map(|(place, ..)| place)
}

/// The characters outside of quotes, each with its place and how many brackets are open around it.
fn top_level(text: &str) -> impl Iterator<Item = (usize, char, usize)> {
    let mut depth = 0_usize;
    let mut quote = None;
    text.char_indices().filter_map(move |(place, c)| {
        match (quote, c) {
            (Some(open), _) => {
                if c == open {
                    quote = None;
                }
                return None;
            }
            (None, '\'' | '"') => quote = Some(c),
            (None, '{' | '[') => depth += 1,
            (None, '}' | ']') => {
                let around = depth;
                depth = depth.saturating_sub(1);
                return Some((place, c, around));
            }
            _ => {}
        }
        Some((place, c, depth))
    })
}

fn parse_inner(text: &str, depth: usize) -> Result<Inner, String> {
    let colon = top_level(text).find(|(_, c, depth)| *c == ':' && *depth == 0).map(|(place, ..)| place);
    let Some(colon) = colon else {
        if text.trim().is_empty() {
            return Err("an empty interpolation".into());
        }
        return Ok(Inner::Key(parse(text, depth)?));
    };
    let name = text[..colon].trim().to_owned();
    let mut arguments = Vec::new();
    let mut start = colon + 1;
    let ends = top_level(text).filter(|(place, c, depth)| *place > colon && *c == ',' && *depth == 0);
    for end in ends.map(|(place, ..)| place).chain([text.len()]).collect::<Vec<_>>() {
        arguments.push(parse_argument(text[start..end].trim(), depth)?);
        start = end + 1;
    }
    Ok(Inner::Call(name, arguments))
}

fn parse_argument(text: &str, depth: usize) -> Result<Argument, String> {
    if text.contains("${") && !text.starts_with(['\'', '"']) {
        return parse(text, depth).map(Argument::Parts);
    }
    match value_of(text)? {
        Value::String(text) if text.contains("${") => parse(&text, depth).map(Argument::Parts),
        value => Ok(Argument::Value(value)),
    }
}
