//! Named entries in the order of a file.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Named entries of a manager in the order in which they were written.
#[derive(Clone, Debug, PartialEq)]
pub struct Terms<T>(Vec<(String, T)>);

impl<T> Terms<T> {
    /// The entries of these names.
    #[must_use]
    pub fn new(entries: Vec<(String, T)>) -> Self {
        Self(entries)
    }

    /// Names and entries in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &T)> {
        self.0.iter().map(|(name, entry)| (name.as_str(), entry))
    }

    /// The names in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }

    /// The entry of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&T> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, entry)| entry)
    }

    /// Which one the entry of that name is.
    #[must_use]
    pub fn place(&self, name: &str) -> Option<usize> {
        self.names().position(|known| known == name)
    }

    /// Number of entries.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<T> Default for Terms<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Serialize> Serialize for Terms<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, entry)| (name, entry)))
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Terms<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(TermsVisitor(PhantomData))
    }
}

struct TermsVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for TermsVisitor<T> {
    type Value = Terms<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a table of named entries")
    }

    /// A key with nothing behind it.
    fn visit_unit<E>(self) -> Result<Terms<T>, E> {
        Ok(Terms::default())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Terms<T>, A::Error> {
        let mut entries: Vec<(String, T)> = Vec::new();
        while let Some((name, entry)) = access.next_entry::<String, T>()? {
            let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
            if name.is_empty() || !name.chars().all(is_word) {
                let message = format!("the name `{name}` is none of letters, digits, `_` and `-`");
                return Err(A::Error::custom(message));
            }
            if entries.iter().any(|(known, _)| *known == name) {
                return Err(A::Error::custom(format!("the name `{name}` is given twice")));
            }
            entries.push((name, entry));
        }
        Ok(Terms(entries))
    }
}

impl<T: JsonSchema> JsonSchema for Terms<T> {
    fn schema_name() -> Cow<'static, str> {
        format!("Terms_of_{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        BTreeMap::<String, T>::json_schema(generator)
    }
}

/// The value of a term's parameter.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum Param {
    /// `true` or `false`.
    Flag(bool),
    /// A number.
    Number(f64),
    /// A name.
    Text(String),
    /// Several.
    List(Vec<Param>),
}

impl fmt::Display for Param {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(value) => write!(f, "{value}"),
            Self::Number(value) => write!(f, "{value}"),
            Self::Text(value) => write!(f, "\"{value}\""),
            Self::List(values) => {
                let values: Vec<String> = values.iter().map(ToString::to_string).collect();
                write!(f, "[{}]", values.join(", "))
            }
        }
    }
}

impl<'de> Deserialize<'de> for Param {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ParamVisitor)
    }
}

struct ParamVisitor;

impl<'de> Visitor<'de> for ParamVisitor {
    type Value = Param;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number, true or false, a name, or a list of them")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Param, E> {
        Ok(Param::Flag(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Param, E> {
        Ok(Param::Number(value as f64))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Param, E> {
        Ok(Param::Number(value as f64))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Param, E> {
        Ok(Param::Number(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Param, E> {
        Ok(Param::Text(value.to_owned()))
    }

    fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut items: A) -> Result<Param, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = items.next_element()? {
            values.push(value);
        }
        Ok(Param::List(values))
    }
}
