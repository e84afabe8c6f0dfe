//! Finding keys, which may lack their group, and what to say of those that are not there.

use super::Layers;
use crate::config::error::{ConfigError, Known};
use crate::config::node::{Form, Node};
use crate::config::origin::Origin;
use crate::config::{deserialize, keys};

impl Layers {
    pub(super) fn node(&self, key: &str) -> Option<&Node> {
        self.root.find(keys::parts(key))
    }

    pub(super) fn node_mut(&mut self, key: &str) -> &mut Node {
        self.root.find_mut(keys::parts(key)).expect("the caller has resolved the key")
    }

    /// The full key of a known key that may lack its group.
    pub(super) fn resolve(&self, key: &str, origin: &Origin) -> Result<String, ConfigError> {
        self.lookup(key, origin).map(|(key, _)| key)
    }

    pub(super) fn lookup(&self, key: &str, origin: &Origin) -> Result<(String, &Node), ConfigError> {
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
    pub(super) fn open_parent(&self, key: &str) -> Option<String> {
        self.open_ancestor(key).filter(|(_, missing)| missing.len() == 1).map(|(parent, _)| parent)
    }

    /// The deepest table above `key` that takes new keys, if exactly one does, and the levels that it lacks.
    pub(super) fn open_ancestor<'k>(&self, key: &'k str) -> Option<(String, Vec<&'k str>)> {
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

    pub(super) fn unknown(&self, key: &str, origin: &Origin) -> ConfigError {
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
    pub(super) fn invalid(&self, prefix: &str, error: deserialize::DeserializeError) -> ConfigError {
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
