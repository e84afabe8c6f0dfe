//! Configuration files of other programs: what of them can be used.

use std::path::Path;

use super::Layers;
use crate::config::error::ConfigError;
use crate::config::keys;
use crate::config::origin::{Origin, Source};
use crate::config::value::Value;
use crate::config::yaml::{self, Content, Entry, Located};

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

impl Layers {
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
        let (text, source) = Source::read(path.as_ref())?;
        let entries = yaml::entries(&text, &source)?;
        let mut unused = Vec::new();
        Foreign { layers: self, renamed, source: &source, unused: &mut unused }.merge(key, &entries);
        Ok(unused)
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
