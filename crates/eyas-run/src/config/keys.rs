//! Finding the key that a user meant.

use super::node::Node;

/// At most this many suggestions fit on one line of a terminal.
const MAX_SUGGESTIONS: usize = 3;

/// Below this normalised edit similarity a name is not the same word misspelled.
const MIN_SIMILARITY: f64 = 0.6;

/// The levels of a dotted key.
pub(crate) fn parts(key: &str) -> impl Iterator<Item = &str> {
    key.split('.')
}

/// `prefix.name`, or `name` at the root.
pub(crate) fn join(prefix: &str, name: &str) -> String {
    if prefix.is_empty() { name.to_owned() } else { format!("{prefix}.{name}") }
}

/// Splits off the last level: `("a.b", "c")`; the parent of a top-level key is empty.
pub(crate) fn split_last(key: &str) -> (&str, &str) {
    key.rsplit_once('.').unwrap_or(("", key))
}

/// The names closest to `wanted`, best first: at most three, none if nothing is alike.
pub fn closest<'n>(wanted: &str, names: impl IntoIterator<Item = &'n str>) -> Vec<String> {
    let wanted = wanted.to_lowercase();
    let similarity = |name: &str| strsim::normalized_damerau_levenshtein(&wanted, &name.to_lowercase());
    let mut scored: Vec<_> = names
        .into_iter()
        .map(|name| (similarity(name), name))
        .filter(|(score, _)| *score >= MIN_SIMILARITY)
        .collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0));
    scored.into_iter().take(MAX_SUGGESTIONS).map(|(_, name)| name.to_owned()).collect()
}

/// Full keys that `wanted` may stand for: the same key under another prefix, then the same last
/// name elsewhere, then misspellings.
pub(crate) fn suggest(root: &Node, wanted: &str) -> Vec<String> {
    let known = all(root);
    let name = split_last(wanted).1;
    let ends_with = |suffix: &str| -> Vec<String> {
        let suffix = format!(".{suffix}");
        known.iter().filter(|key| key.ends_with(&suffix)).take(MAX_SUGGESTIONS).cloned().collect()
    };
    let mut found = ends_with(wanted);
    if found.is_empty() {
        found.extend(misspelled_level(root, wanted));
    }
    if found.is_empty() && name != wanted {
        found = ends_with(name);
    }
    if found.is_empty() {
        found = misspelled_name(&known, name);
    }
    found
}

/// All keys, tables included.
fn all(root: &Node) -> Vec<String> {
    fn visit(node: &Node, prefix: &str, keys: &mut Vec<String>) {
        for (name, child) in node.entries().into_iter().flatten() {
            let key = join(prefix, name);
            visit(child, &key, keys);
            keys.push(key);
        }
    }
    let mut keys = Vec::new();
    visit(root, "", &mut keys);
    keys
}

/// Walks down `wanted`, correcting each misspelled level, as long as that ends at a known key.
fn misspelled_level(root: &Node, wanted: &str) -> Option<String> {
    let mut node = root;
    let mut corrected = String::new();
    for part in parts(wanted) {
        let entries = node.entries()?;
        let name = match entries.get_key_value(part) {
            Some((name, _)) => name.clone(),
            None => closest(part, entries.keys().map(String::as_str)).into_iter().next()?,
        };
        node = &entries[&name];
        corrected = join(&corrected, &name);
    }
    Some(corrected)
}

/// Known keys whose last name resembles `name`.
fn misspelled_name(known: &[String], name: &str) -> Vec<String> {
    let last_names = known.iter().map(|key| split_last(key).1);
    let Some(best) = closest(name, last_names).into_iter().next() else { return Vec::new() };
    let matches = known.iter().filter(|key| split_last(key).1 == best);
    matches.take(MAX_SUGGESTIONS).cloned().collect()
}
