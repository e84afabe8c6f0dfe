//! The stack of layers, applied one after the other.

mod change;
mod foreign;
mod lookup;

use std::path::Path;

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use self::foreign::{Renamed, Unused};
use super::defaults_list::{self, Part, Selection};
use super::error::ConfigError;
use super::grammar::Override;
use super::interpolation;
use super::library::Library;
use super::manual::Manual;
use super::node::{Body, Form, Node};
use super::origin::{Origin, Source};
use super::value::Value;
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

    /// Starts from configurations, each of which becomes the group of a name.
    ///
    /// ```
    /// # fn main() -> Result<(), eyas_run::ConfigError> {
    /// use eyas_run::Layers;
    ///
    /// #[derive(serde::Serialize, schemars::JsonSchema)]
    /// struct Sim {
    ///     /// Time between two steps, s. Positive.
    ///     dt: f64,
    /// }
    ///
    /// let mut layers = Layers::of_groups([("sim", Layers::documented(&Sim { dt: 0.01 })?)]);
    /// layers.overrides(&["sim.dt=0.005"])?;
    /// assert_eq!(layers.section::<std::collections::BTreeMap<String, f64>>("sim")?["dt"], 0.005);
    /// assert_eq!(layers.manual().get("sim.dt").map(|it| it.unit.as_str()), Some("s"));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn of_groups<const N: usize>(groups: [(&str, Self); N]) -> Self {
        let mut entries = IndexMap::new();
        let mut manual = Manual::default();
        for (name, group) in groups {
            entries.insert(name.to_owned(), group.root);
            manual.insert_group(name, group.manual);
        }
        let root = Node::table(entries, Form::Closed, Origin::Default);
        Self { root, composed: Vec::new(), manual }
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
        let (text, source) = Source::read(path.as_ref())?;
        self.yaml(key, &text, &source)
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
}
