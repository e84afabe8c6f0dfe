//! Writing into a configuration: keys that are there, keys that are added, whole tables.

use super::Layers;
use crate::config::error::ConfigError;
use crate::config::grammar::{Action, Override};
use crate::config::keys;
use crate::config::manual::Entry as ManualEntry;
use crate::config::node::{Body, Form, Node};
use crate::config::origin::{Origin, Source};
use crate::config::value::{Table, Value};
use crate::config::yaml::{self, Content, Entry, Located};

impl Layers {
    pub(super) fn apply(&mut self, change: Override, origin: &Origin) -> Result<(), ConfigError> {
        let Override { action, key, value } = change;
        match (action, value) {
            (Action::Remove, value) => self.remove(&key, value, origin),
            (_, None) => unreachable!("the grammar gives every other action a value"),
            (Action::Set, Some(value)) => {
                let key = self.resolve(&key, origin)?;
                self.write(&key, value, origin)
            }
            (Action::SetOrAdd, Some(value)) => self.set_or_add(&key, value, origin),
            (Action::Add, Some(value)) => match self.lookup(&key, origin) {
                Ok((key, node)) => {
                    Self::require_extensible(&key, node, &value, origin)?;
                    self.write(&key, value, origin)
                }
                Err(ConfigError::UnknownKey { .. }) => self.add(&key, value, origin),
                Err(error) => Err(error),
            },
        }
    }

    fn set_or_add(&mut self, key: &str, value: Value, origin: &Origin) -> Result<(), ConfigError> {
        match self.resolve(key, origin) {
            Ok(key) => self.write(&key, value, origin),
            Err(ConfigError::UnknownKey { .. }) => self.add(key, value, origin),
            Err(error) => Err(error),
        }
    }

    /// As in Hydra `+key=…` may fill what is null, and tables and lists add to what is there or replace it.
    fn require_extensible(key: &str, node: &Node, value: &Value, origin: &Origin) -> Result<(), ConfigError> {
        let found = Box::new(node.to_value());
        if matches!(*found, Value::Null) || matches!(value, Value::Table(_) | Value::List(_)) {
            return Ok(());
        }
        Err(ConfigError::AlreadySet { key: key.to_owned(), found, origin: origin.clone() })
    }

    /// Adds a key, and the tables on the way to it that are missing.
    fn add(&mut self, key: &str, value: Value, origin: &Origin) -> Result<(), ConfigError> {
        let Some((parent, missing)) = self.open_ancestor(key) else { return Err(self.unknown(key, origin)) };
        let (name, inner) = missing.split_first().expect("a key has a name below its parent");
        let wrap = |value, name: &&str| Value::Table(Table::from([((*name).to_owned(), value)]));
        let value = inner.iter().rev().fold(value, wrap);
        if let Body::Table { entries, .. } = &mut self.node_mut(&parent).body {
            entries.insert((*name).to_owned(), Node::free(value, origin));
        }
        Ok(())
    }

    fn remove(&mut self, key: &str, expected: Option<Value>, origin: &Origin) -> Result<(), ConfigError> {
        let (key, node) = self.lookup(key, origin)?;
        let found = node.to_value();
        if let Some(expected) = expected.filter(|expected| *expected != found) {
            let (found, expected) = (Box::new(found), Box::new(expected));
            return Err(ConfigError::RemovesOther { key, found, expected, origin: origin.clone() });
        }
        if node.optional && self.open_parent(&key).is_none() {
            return self.write(&key, Value::Null, origin);
        }
        let Some(parent) = self.open_parent(&key) else {
            return Err(ConfigError::NotRemovable { key, origin: origin.clone() });
        };
        if let Body::Table { entries, .. } = &mut self.node_mut(&parent).body {
            entries.shift_remove(keys::split_last(&key).1);
        }
        Ok(())
    }

    /// Writes to a key that exists. Tables merge key by key; all else replaces.
    pub(super) fn write(&mut self, key: &str, value: Value, origin: &Origin) -> Result<(), ConfigError> {
        let node = self.node_mut(key);
        let value = match (node.entries(), value) {
            (Some(entries), Value::Table(table)) => {
                let is_known = |name: &String| entries.contains_key(name);
                match node.form() {
                    Some(Form::Choice) if !table.keys().all(is_known) => Value::Table(table),
                    _ => return self.write_entries(key, table, origin),
                }
            }
            (_, value) => value,
        };
        node.assign(&value, origin).map_err(|mismatch| {
            let constraint = self.manual.get(key).map(ManualEntry::constraint).unwrap_or_default();
            ConfigError::WrongType {
                key: key.to_owned(),
                found: Box::new(mismatch.found),
                expected: mismatch.expected + &constraint,
                origin: origin.clone(),
            }
        })
    }

    fn write_entries(&mut self, key: &str, table: Table, origin: &Origin) -> Result<(), ConfigError> {
        for (name, value) in table {
            let child = keys::join(key, &name);
            if self.node(&child).is_some() {
                self.write(&child, value, origin)?;
            } else {
                self.add(&child, value, origin)?;
            }
        }
        Ok(())
    }

    pub(super) fn yaml(
        &mut self,
        group: &str,
        text: &str,
        source: &Source,
    ) -> Result<&mut Self, ConfigError> {
        self.merge(group, &yaml::entries(text, source)?, source)?;
        Ok(self)
    }

    pub(super) fn merge(
        &mut self,
        prefix: &str,
        entries: &[Entry],
        source: &Source,
    ) -> Result<(), ConfigError> {
        for entry in entries {
            let key = keys::join(prefix, &entry.key);
            let at_key = source.origin(entry.line, entry.column);
            match &entry.value.content {
                Content::Table(children) if self.is_table(&key, &at_key)? && !children.is_empty() => {
                    self.merge(&key, children, source)?;
                }
                _ => {
                    let origin = self.place(&key, &entry.value, &at_key, source);
                    self.set_or_add(&key, entry.value.to_value(), &origin)?;
                }
            }
        }
        Ok(())
    }

    /// Whether the children of `key` are keys of their own: it is a table that merges, or a bare
    /// prefix that several groups share.
    fn is_table(&self, key: &str, origin: &Origin) -> Result<bool, ConfigError> {
        match self.lookup(key, origin) {
            Ok((_, node)) => Ok(matches!(node.form(), Some(Form::Closed | Form::Open))),
            Err(ConfigError::AmbiguousKey { .. }) => Ok(true),
            Err(_) if self.open_parent(key).is_some() => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// A scalar's place is its own; that of anything else, or of an unknown key, is its key's.
    pub(super) fn place(&self, key: &str, value: &Located, at_key: &Origin, source: &Source) -> Origin {
        match value.content {
            Content::Scalar(_) if value.line > 0 && self.lookup(key, at_key).is_ok() => {
                source.origin(value.line, value.column)
            }
            _ => at_key.clone(),
        }
    }
}
