//! A value together with what may be written in its place.

use indexmap::IndexMap;

use super::interpolation::is_deferred;
use super::origin::Origin;
use super::value::{Table, Value};

/// What a leaf accepts, read off its default.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Kind {
    Any,
    Bool,
    Int,
    Float,
    String,
    List(Box<Kind>),
    Table,
    /// An enum: a name, or a table whose only key is the name. The typed struct checks which.
    Choice,
}

/// One key of the configuration.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) body: Body,
    /// Null is allowed: the field is an `Option`.
    pub(crate) optional: bool,
}

#[derive(Clone, Debug)]
pub(crate) enum Body {
    Leaf { value: Value, kind: Kind, origin: Origin },
    Table { entries: IndexMap<String, Node>, form: Form, origin: Origin },
}

/// What a table may become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// A struct: the keys are fixed.
    Closed,
    /// A map: keys come and go.
    Open,
    /// An enum with content, `{Name: content}`: another name replaces the whole.
    Choice,
}

/// A value that does not fit: the value as given, and what was expected.
pub(crate) struct Mismatch {
    pub(crate) found: Value,
    pub(crate) expected: String,
}

impl Kind {
    fn of(value: &Value) -> Self {
        match value {
            Value::Null => Self::Any,
            Value::Bool(_) => Self::Bool,
            Value::Int(_) => Self::Int,
            Value::Float(_) => Self::Float,
            Value::String(_) => Self::String,
            Value::List(items) => Self::List(Box::new(Self::common(items))),
            Value::Table(_) => Self::Table,
        }
    }

    /// The kind that all items share; `Any` if there are none or they differ.
    fn common(items: &[Value]) -> Self {
        let mut kinds = items.iter().map(Self::of);
        match kinds.next() {
            Some(first) if kinds.all(|kind| kind == first) => first,
            _ => Self::Any,
        }
    }

    fn describe(&self) -> String {
        match self {
            Self::Any => "anything".into(),
            Self::Bool => "a bool (true or false)".into(),
            Self::Int => "an integer".into(),
            Self::Float => "a float".into(),
            Self::String => "a string".into(),
            Self::List(item) if **item == Self::Any => "a list".into(),
            Self::List(item) => format!("a list, each item {}", item.describe()),
            Self::Table => "a table".into(),
            Self::Choice => "the name of a choice".into(),
        }
    }

    /// Like [`accept`](Self::accept), and as `OmegaConf` converts what an interpolation stands for: text to what it
    /// spells, such as that of an environment variable, and scalars to text.
    fn accept_resolved(&self, value: &Value) -> Option<Value> {
        self.accept(value).or_else(|| match (self, value) {
            (Self::Bool | Self::Int | Self::Float, Value::String(text)) => self.accept(&text.parse().ok()?),
            (Self::String, Value::Bool(_) | Value::Int(_) | Value::Float(_)) => {
                value.python().map(Value::String)
            }
            (Self::List(item), Value::List(values)) => {
                values.iter().map(|value| item.accept_resolved(value)).collect::<Option<_>>().map(Value::List)
            }
            _ => None,
        })
    }

    /// Converts `value` where nothing is lost; `None` if it does not fit.
    fn accept(&self, value: &Value) -> Option<Value> {
        match (self, value) {
            (Self::Float, Value::Int(int)) => Some(Value::Float(*int as f64)),
            (Self::List(item), Value::List(values)) => {
                values.iter().map(|value| item.accept(value)).collect::<Option<_>>().map(Value::List)
            }
            (Self::Any, _)
            | (Self::Bool, Value::Bool(_))
            | (Self::Int, Value::Int(_))
            | (Self::Float, Value::Float(_))
            | (Self::String, Value::String(_))
            | (Self::Table, Value::Table(_))
            | (Self::Choice, Value::String(_) | Value::Table(_)) => Some(value.clone()),
            _ => None,
        }
    }
}

impl Node {
    pub(crate) fn leaf(value: Value, origin: Origin) -> Self {
        let optional = value == Value::Null;
        Self { body: Body::Leaf { kind: Kind::of(&value), value, origin }, optional }
    }

    pub(crate) fn choice(value: Value, origin: Origin) -> Self {
        Self { body: Body::Leaf { kind: Kind::Choice, value, origin }, optional: false }
    }

    pub(crate) fn table(entries: IndexMap<String, Node>, form: Form, origin: Origin) -> Self {
        Self { body: Body::Table { entries, form, origin }, optional: false }
    }

    /// A node that no default describes: everything below it is free.
    pub(crate) fn free(value: Value, origin: &Origin) -> Self {
        let mut node = match value {
            Value::Table(table) => {
                let entries = table.into_iter().map(|(key, value)| (key, Self::free(value, origin)));
                Self::table(entries.collect(), Form::Open, origin.clone())
            }
            value => {
                Self { body: Body::Leaf { value, kind: Kind::Any, origin: origin.clone() }, optional: true }
            }
        };
        node.optional = true;
        node
    }

    pub(crate) fn origin(&self) -> &Origin {
        match &self.body {
            Body::Leaf { origin, .. } | Body::Table { origin, .. } => origin,
        }
    }

    pub(crate) fn entries(&self) -> Option<&IndexMap<String, Node>> {
        match &self.body {
            Body::Table { entries, .. } => Some(entries),
            Body::Leaf { .. } => None,
        }
    }

    /// `None` for a leaf.
    pub(crate) fn form(&self) -> Option<Form> {
        match self.body {
            Body::Table { form, .. } => Some(form),
            Body::Leaf { .. } => None,
        }
    }

    pub(crate) fn find<'k>(&self, parts: impl IntoIterator<Item = &'k str>) -> Option<&Self> {
        parts.into_iter().try_fold(self, |node, part| node.entries()?.get(part))
    }

    pub(crate) fn find_mut<'k>(&mut self, parts: impl IntoIterator<Item = &'k str>) -> Option<&mut Self> {
        parts.into_iter().try_fold(self, |node, part| match &mut node.body {
            Body::Table { entries, .. } => entries.get_mut(part),
            Body::Leaf { .. } => None,
        })
    }

    pub(crate) fn to_value(&self) -> Value {
        match &self.body {
            Body::Leaf { value, .. } => value.clone(),
            Body::Table { entries, .. } => Value::Table(
                entries.iter().map(|(key, node)| (key.clone(), node.to_value())).collect::<Table>(),
            ),
        }
    }

    /// What an interpolation stands for, as this key takes it; else what it takes.
    pub(crate) fn accept_resolved(&self, value: &Value) -> Result<Value, String> {
        match (&self.body, value) {
            (_, Value::Null) if self.optional => Ok(Value::Null),
            (Body::Leaf { kind, .. }, value) => kind.accept_resolved(value).ok_or_else(|| kind.describe()),
            (Body::Table { .. }, value) => Ok(value.clone()),
        }
    }

    /// Replaces the whole node after checking that the value fits.
    ///
    /// Tables that merge never come here: [`Layers`](super::Layers) sets them key by key.
    pub(crate) fn assign(&mut self, value: &Value, origin: &Origin) -> Result<(), Mismatch> {
        let kind = match &self.body {
            Body::Leaf { kind, .. } => kind.clone(),
            Body::Table { form: Form::Choice, .. } => Kind::Choice,
            Body::Table { .. } => Kind::Table,
        };
        let accepted = match value {
            Value::Null if self.optional => Value::Null,
            // What it stands for is checked when all layers are there.
            value if is_deferred(value) && kind != Kind::Table => value.clone(),
            value => kind.accept(value).ok_or_else(|| {
                let or_null = if self.optional { " or null" } else { "" };
                Mismatch { found: value.clone(), expected: kind.describe() + or_null }
            })?,
        };
        // A table is taken apart, so that later layers reach its keys. What becomes of a choice is
        // for the typed struct to check.
        *self = match accepted {
            value @ Value::Table(_) if kind != Kind::Choice => Self::free(value, origin),
            value => {
                Self { body: Body::Leaf { value, kind, origin: origin.clone() }, optional: self.optional }
            }
        };
        Ok(())
    }
}
