//! The stack of layers, applied one after the other.

use std::fs;
use std::path::Path;

use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::defaults_list::{self, Part, Selection};
use super::error::{ConfigError, Known};
use super::grammar::{Action, Override};
use super::interpolation;
use super::library::Library;
use super::manual::{Entry as ManualEntry, Manual};
use super::node::{Body, Form, Node};
use super::origin::{Origin, Source};
use super::value::{Table, Value};
use super::yaml::{self, Content, Entry, Located};
use super::{deserialize, keys, serialize};

/// A configuration under construction: defaults first, each call a layer on top.
///
/// A key may leave out its group (the first level) where only one group has it:
/// `scene.num_envs` means `env.scene.num_envs`.
#[derive(Clone, Debug)]
pub struct Layers {
    root: Node,
    composed: Vec<Composed>,
    manual: Manual,
}

/// A value of a foreign file that a configuration has no use for.
#[derive(Clone, Debug, PartialEq)]
pub struct Unused {
    /// Its full key.
    pub key: String,
    /// The value.
    pub value: Value,
    /// Why, such as `no such key`.
    pub reason: String,
    /// Where it stands.
    pub origin: Origin,
}

/// A key of foreign files and the keys that have its meaning here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Renamed {
    /// Its full key there.
    pub from: &'static str,
    /// The full keys here, each of which takes the value.
    pub to: &'static [&'static str],
}

/// A file, or what ships with the program in its place, that a configuration was composed of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Composed {
    /// Its group and name, such as `physics/windy`.
    pub path: String,
    /// The key below which its values went; empty at the top.
    pub package: String,
    /// Where it is from.
    pub origin: Origin,
}

/// One value of the merged configuration and the layer that set it.
#[derive(Clone, Debug, PartialEq)]
pub struct Setting {
    /// Full dotted key.
    pub key: String,
    /// The value; never a table with entries.
    pub value: Value,
    /// The layer that last set it.
    pub origin: Origin,
}

impl Layers {
    /// Starts from typed defaults, which fix keys and types.
    ///
    /// Fields must not be skipped when serialising: a key that the defaults lack is unknown.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Defaults`] if `defaults` does not serialise to a table.
    pub fn new(defaults: &impl Serialize) -> Result<Self, ConfigError> {
        let root = serialize::to_node(defaults)
            .map_err(|error| ConfigError::Defaults { message: error.to_string() })?;
        if root.entries().is_none() {
            return Err(ConfigError::Defaults { message: "they are not a struct".into() });
        }
        Ok(Self { root, composed: Vec::new(), manual: Manual::default() })
    }

    /// Starts from typed defaults whose documentation says what their keys mean: errors then name unit and range.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn documented<T: Serialize + JsonSchema>(defaults: &T) -> Result<Self, ConfigError> {
        Ok(Self { manual: Manual::of::<T>(), ..Self::new(defaults)? })
    }

    /// What the keys mean; empty unless [`documented`](Self::documented).
    #[must_use]
    pub fn manual(&self) -> &Manual {
        &self.manual
    }

    /// Lets users add keys to the table `key` and to all tables below it.
    ///
    /// Maps need no mark: only what serialises as a struct has fixed keys. Internally tagged enums
    /// do, so mark them if their variants have different fields.
    ///
    /// # Errors
    ///
    /// [`ConfigError::UnknownKey`] if there is no such key.
    pub fn free_form(&mut self, key: &str) -> Result<&mut Self, ConfigError> {
        fn open_all(node: &mut Node) {
            if let Body::Table { entries, form, .. } = &mut node.body {
                *form = Form::Open;
                entries.values_mut().for_each(open_all);
            }
        }
        let key = self.resolve(key, &Origin::Default)?;
        open_all(self.node_mut(&key));
        Ok(self)
    }

    /// Adds a YAML file, which may hold any part of the configuration.
    pub fn file(&mut self, path: impl AsRef<Path>) -> Result<&mut Self, ConfigError> {
        self.file_under("", path)
    }

    /// Adds a YAML file whose top level is the group `key`, such as the `params/env.yaml` of a run.
    pub fn file_under(&mut self, key: &str, path: impl AsRef<Path>) -> Result<&mut Self, ConfigError> {
        let path = path.as_ref();
        let text =
            fs::read_to_string(path).map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
        self.yaml(key, &text, &Source::File(path.to_owned()))
    }

    /// Adds what can be used of a foreign YAML file, such as the `params/env.yaml` of a run of Isaac Lab; `key` is the
    /// table that it goes to. Keys that have other names here are given in `renamed`. Returns the rest.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Read`] or [`ConfigError::Yaml`].
    pub fn foreign(
        &mut self,
        key: &str,
        path: impl AsRef<Path>,
        renamed: &[Renamed],
    ) -> Result<Vec<Unused>, ConfigError> {
        let path = path.as_ref();
        let text =
            fs::read_to_string(path).map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
        let source = Source::File(path.to_owned());
        let document = yaml::parse(&text).map_err(|error| ConfigError::Yaml {
            message: error.message,
            origin: source.origin(error.line, error.column),
        })?;
        let mut unused = Vec::new();
        let entries = yaml::top_level(document, &source)?;
        Foreign { layers: self, renamed, source: &source, unused: &mut unused }.merge(key, &entries);
        Ok(unused)
    }

    /// Adds a named set of values, written as YAML.
    pub fn preset(&mut self, name: &str, yaml: &str) -> Result<&mut Self, ConfigError> {
        self.yaml("", yaml, &Source::Preset(name.to_owned()))
    }

    /// Adds Hydra-style overrides, in order. See [`Override`] for the grammar.
    pub fn overrides<S: AsRef<str>>(&mut self, overrides: &[S]) -> Result<&mut Self, ConfigError> {
        for text in overrides {
            let text = text.as_ref();
            self.apply(Override::parse(text)?, &Origin::Override(text.to_owned()))?;
        }
        Ok(self)
    }

    /// Adds a configuration of the library with its defaults list, the groups that overrides choose, and then the
    /// overrides of keys.
    ///
    /// Without a primary configuration, and for groups that ship with the program, every group is in the list with
    /// nothing chosen.
    pub fn compose<S: AsRef<str>>(
        &mut self,
        library: &Library,
        primary: Option<&str>,
        overrides: &[S],
    ) -> Result<&mut Self, ConfigError> {
        let (mut selections, mut changes) = (Vec::new(), Vec::new());
        for text in overrides {
            let origin = Origin::Override(text.as_ref().to_owned());
            let change = Override::parse(text.as_ref())?;
            let group = change.key.split('@').next().unwrap_or_default();
            let is_group = library.is_group(group);
            if !is_group && change.key.contains(['/', '@']) {
                let message = format!("there is no configuration group `{group}`");
                let advice =
                    Some(format!("separate the levels of a key with dots; {}", library.describe_groups()));
                return Err(ConfigError::Composition { message, advice, origin });
            }
            if is_group && !matches!(change.value, Some(Value::Table(_))) {
                selections.push(Selection { choice: change, origin });
            } else {
                changes.push((change, origin));
            }
        }
        for Part { path, package, entries, source } in defaults_list::compose(library, primary, selections)? {
            let origin = source.origin(1, 1);
            self.merge(&package, &entries, &source)?;
            self.composed.push(Composed { path, package, origin });
        }
        for (change, origin) in changes {
            self.apply(change, &origin)?;
        }
        Ok(self)
    }

    /// What [`compose`](Self::compose) has read, in the order in which it was layered.
    #[must_use]
    pub fn composed(&self) -> &[Composed] {
        &self.composed
    }

    /// Sets one known key, for flags such as `--seed`.
    ///
    /// # Errors
    ///
    /// [`ConfigError::GivenTwice`] if an override has given the key another value: neither of the two is meant to be
    /// ignored.
    pub fn set(
        &mut self,
        key: &str,
        value: impl Into<Value>,
        origin: Origin,
    ) -> Result<&mut Self, ConfigError> {
        let key = self.resolve(key, &origin)?;
        let before = self.node_mut(&key).clone();
        self.write(&key, value.into(), &origin)?;
        if let (Origin::Flag(_), Origin::Override(earlier)) = (&origin, before.origin())
            && self.node_mut(&key).to_value() != before.to_value()
        {
            return Err(ConfigError::GivenTwice { key, earlier: earlier.clone(), origin });
        }
        Ok(self)
    }

    /// The merged configuration as its type.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Invalid`] names the key and the layer of a value that `T` rejects.
    pub fn finish<T: DeserializeOwned>(&self) -> Result<T, ConfigError> {
        deserialize::from_value(self.resolved()?.to_value()).map_err(|error| self.invalid("", error))
    }

    /// One part of the merged configuration as its type, such as the group `env`.
    ///
    /// # Errors
    ///
    /// As [`finish`](Self::finish), and [`ConfigError::UnknownKey`].
    pub fn section<T: DeserializeOwned>(&self, key: &str) -> Result<T, ConfigError> {
        let key = self.resolve(key, &Origin::Default)?;
        let section = self.resolved()?.find(keys::parts(&key)).map_or(Value::Null, Node::to_value);
        deserialize::from_value(section).map_err(|error| self.invalid(&key, error))
    }

    /// The current value of a full or unique key; an interpolation as it is written.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<Value> {
        self.lookup(key, &Origin::Default).ok().map(|(_, node)| node.to_value())
    }

    /// The layer that last set a full or unique key.
    #[must_use]
    pub fn origin(&self, key: &str) -> Option<&Origin> {
        self.lookup(key, &Origin::Default).ok().map(|(_, node)| node.origin())
    }

    /// Every value with its full key and its origin, in the order of the defaults.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Interpolation`] if one refers to nothing.
    pub fn provenance(&self) -> Result<Vec<Setting>, ConfigError> {
        fn visit(node: &Node, key: &str, settings: &mut Vec<Setting>) {
            match &node.body {
                Body::Table { entries, .. } if !entries.is_empty() => {
                    for (name, child) in entries {
                        visit(child, &keys::join(key, name), settings);
                    }
                }
                _ => settings.push(Setting {
                    key: key.to_owned(),
                    value: node.to_value(),
                    origin: node.origin().clone(),
                }),
            }
        }
        let mut settings = Vec::new();
        visit(&self.resolved()?, "", &mut settings);
        Ok(settings)
    }

    /// The table `key` for `params/env.yaml`, interpolations resolved; the empty key is everything.
    ///
    /// # Errors
    ///
    /// [`ConfigError::UnknownKey`] if there is no such key, [`ConfigError::Interpolation`] if one refers to nothing.
    pub fn table(&self, key: &str) -> Result<Value, ConfigError> {
        let root = self.resolved()?;
        if key.is_empty() {
            return Ok(root.to_value());
        }
        let key = self.resolve(key, &Origin::Default)?;
        Ok(root.find(keys::parts(&key)).map_or(Value::Null, Node::to_value))
    }

    /// The same as it was written: interpolations as they are.
    ///
    /// # Errors
    ///
    /// [`ConfigError::UnknownKey`] if there is no such key.
    pub fn unresolved(&self, key: &str) -> Result<Value, ConfigError> {
        if key.is_empty() {
            return Ok(self.root.to_value());
        }
        let (_, node) = self.lookup(key, &Origin::Default)?;
        Ok(node.to_value())
    }

    /// [`table`](Self::table) as YAML.
    pub fn to_yaml(&self, key: &str) -> Result<String, ConfigError> {
        Ok(self.table(key)?.to_yaml())
    }

    fn resolved(&self) -> Result<Node, ConfigError> {
        interpolation::resolve(&self.root).map_err(|interpolation::Problem { key, text, reason }| {
            let origin = self.origin(&key).cloned().unwrap_or_default();
            ConfigError::Interpolation { key, text, reason, origin }
        })
    }

    fn apply(&mut self, change: Override, origin: &Origin) -> Result<(), ConfigError> {
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
    fn write(&mut self, key: &str, value: Value, origin: &Origin) -> Result<(), ConfigError> {
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

    fn yaml(&mut self, group: &str, text: &str, source: &Source) -> Result<&mut Self, ConfigError> {
        let document = yaml::parse(text).map_err(|error| ConfigError::Yaml {
            message: error.message,
            origin: source.origin(error.line, error.column),
        })?;
        self.merge(group, &yaml::top_level(document, source)?, source)?;
        Ok(self)
    }

    fn merge(&mut self, prefix: &str, entries: &[Entry], source: &Source) -> Result<(), ConfigError> {
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
    fn place(&self, key: &str, value: &Located, at_key: &Origin, source: &Source) -> Origin {
        match value.content {
            Content::Scalar(_) if value.line > 0 && self.lookup(key, at_key).is_ok() => {
                source.origin(value.line, value.column)
            }
            _ => at_key.clone(),
        }
    }

    fn node(&self, key: &str) -> Option<&Node> {
        self.root.find(keys::parts(key))
    }

    fn node_mut(&mut self, key: &str) -> &mut Node {
        self.root.find_mut(keys::parts(key)).expect("the caller has resolved the key")
    }

    /// The full key of a known key that may lack its group.
    fn resolve(&self, key: &str, origin: &Origin) -> Result<String, ConfigError> {
        self.lookup(key, origin).map(|(key, _)| key)
    }

    fn lookup(&self, key: &str, origin: &Origin) -> Result<(String, &Node), ConfigError> {
        let mut candidates = self.candidates(key);
        if candidates.len() > 1 {
            let candidates = candidates.into_iter().map(|(key, _)| key).collect();
            return Err(ConfigError::AmbiguousKey {
                key: key.to_owned(),
                candidates,
                origin: origin.clone(),
            });
        }
        candidates.pop().ok_or_else(|| self.unknown(key, origin))
    }

    /// The key itself if it exists, else every group's key of that name.
    fn candidates(&self, key: &str) -> Vec<(String, &Node)> {
        let found = |key: String| self.node(&key).map(|node| (key, node));
        if let Some(exact) = found(key.to_owned()) {
            return vec![exact];
        }
        let groups = self.root.entries().into_iter().flatten();
        groups.filter_map(|(group, _)| found(keys::join(group, key))).collect()
    }

    /// The full key of the table that would take `key`, if exactly one would.
    fn open_parent(&self, key: &str) -> Option<String> {
        self.open_ancestor(key).filter(|(_, missing)| missing.len() == 1).map(|(parent, _)| parent)
    }

    /// The deepest table above `key` that takes new keys, if exactly one does, and the levels that it lacks.
    fn open_ancestor<'k>(&self, key: &'k str) -> Option<(String, Vec<&'k str>)> {
        let mut missing = Vec::new();
        let mut above = key;
        while !above.is_empty() {
            let (parent, name) = keys::split_last(above);
            missing.insert(0, name);
            let mut there = self.candidates(parent);
            if !there.is_empty() {
                there.retain(|(_, node)| node.form() == Some(Form::Open));
                return if there.len() == 1 { there.pop().map(|(key, _)| (key, missing)) } else { None };
            }
            above = parent;
        }
        None
    }

    fn unknown(&self, key: &str, origin: &Origin) -> ConfigError {
        let (table, node) = self.innermost_table(key);
        let names = node.entries().into_iter().flatten().map(|(name, _)| name.clone()).collect();
        let known = Box::new(Known { table, names, is_open: self.open_parent(key).is_some() });
        let suggestions = keys::suggest(&self.root, key);
        ConfigError::UnknownKey { key: key.to_owned(), suggestions, known, origin: origin.clone() }
    }

    /// The deepest table on the way to `key`.
    fn innermost_table(&self, key: &str) -> (String, &Node) {
        let mut table = (String::new(), &self.root);
        for part in keys::parts(key) {
            match table.1.entries().and_then(|entries| entries.get(part)) {
                Some(child) if child.entries().is_some() => table = (keys::join(&table.0, part), child),
                _ => break,
            }
        }
        table
    }

    /// Blames the innermost known key of an error's path.
    fn invalid(&self, prefix: &str, error: deserialize::DeserializeError) -> ConfigError {
        let key = error.path.iter().fold(prefix.to_owned(), |key, part| keys::join(&key, part));
        let mut node = &self.root;
        for part in keys::parts(&key) {
            match node.entries().and_then(|entries| entries.get(part)) {
                Some(child) => node = child,
                None => break,
            }
        }
        let origin = node.origin().clone();
        ConfigError::Invalid { key, message: error.message, suggestion: error.suggestion, origin }
    }
}

/// The reading of a foreign file.
struct Foreign<'a> {
    layers: &'a mut Layers,
    renamed: &'a [Renamed],
    source: &'a Source,
    unused: &'a mut Vec<Unused>,
}

impl Foreign<'_> {
    fn merge(&mut self, prefix: &str, entries: &[Entry]) {
        for Entry { key, line, column, value } in entries {
            let key = keys::join(prefix, key);
            let origin = self.layers.place(&key, value, &self.source.origin(*line, *column), self.source);
            let is_table = self.layers.node(&key).map(|node| node.form().is_some());
            match (&value.content, is_table) {
                (Content::Table(children), Some(true)) => self.merge(&key, children),
                (_, Some(_)) => self.write(&key, &key, value.to_value(), &origin),
                (_, None) => self.rename(&key, value, origin),
            }
        }
    }

    /// Takes a value whose key there is not one here.
    fn rename(&mut self, key: &str, value: &Located, origin: Origin) {
        if let Some(Renamed { to, .. }) = self.renamed.iter().find(|it| it.from == key) {
            for own in *to {
                self.write(own, key, value.to_value(), &origin);
            }
            return;
        }
        let below = format!("{key}.");
        match &value.content {
            Content::Table(children) if self.renamed.iter().any(|it| it.from.starts_with(&below)) => {
                self.merge(key, children);
            }
            _ => {
                let (key, value) = (key.to_owned(), value.to_value());
                self.unused.push(Unused { key, value, reason: "no such key".into(), origin });
            }
        }
    }

    fn write(&mut self, own: &str, key: &str, value: Value, origin: &Origin) {
        if let Err(error) = self.layers.write(own, value.clone(), origin) {
            let reason = match error {
                ConfigError::WrongType { expected, .. } => format!("expected {expected}"),
                ConfigError::UnknownKey { .. } if own != key => format!("no key `{own}`"),
                other => other.to_string(),
            };
            self.unused.push(Unused { key: key.to_owned(), value, reason, origin: origin.clone() });
        }
    }
}
