//! What each key means, in which unit and range: read off the documentation of the configuration's own types.

use indexmap::IndexMap;
use schemars::{JsonSchema, generate::SchemaSettings};
use serde_json::Value as Json;

use super::keys;

/// What keys mean.
#[derive(Clone, Debug, Default)]
pub struct Manual(IndexMap<String, Entry>);

/// What one key means.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// In words, without unit and range.
    pub meaning: String,
    /// Such as `m/s`; empty if it has none.
    pub unit: String,
    /// Such as `at least 1`; empty if every value of the type will do.
    pub range: String,
    /// The names to choose from; none where anything goes.
    pub choices: Vec<String>,
}

/// Units that documentation names behind a comma.
const UNITS: [&str; 20] = [
    "s",
    "m",
    "m/s",
    "m/s²",
    "m²",
    "rad",
    "rad/s",
    "kg",
    "kg m²",
    "N",
    "N m",
    "N s/m",
    "N s²/m²",
    "Hz",
    "1/s",
    "m/s per √s",
    "bytes",
    "control steps",
    "px",
    "deg",
];

/// How a sentence that states a range begins.
const RANGES: [&str; 6] = ["Positive", "At least", "At most", "In `", "In (", "Ascending"];

impl Manual {
    /// The manual of a configuration's type: the comments of its fields.
    #[must_use]
    pub fn of<T: JsonSchema>() -> Self {
        let settings = SchemaSettings::draft2020_12().with(|it| it.inline_subschemas = true);
        let schema = settings.into_generator().into_root_schema_for::<T>();
        let mut manual = Self::default();
        manual.visit(schema.as_value(), "");
        manual
    }

    /// What a full key means.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Entry> {
        self.0.get(key).or_else(|| self.0.iter().find(|(known, _)| is_like(key, known)).map(|(_, it)| it))
    }

    /// Adds what the keys of a group mean.
    pub(super) fn insert_group(&mut self, name: &str, group: Self) {
        self.0.extend(group.0.into_iter().map(|(key, entry)| (keys::join(name, &key), entry)));
    }

    fn visit(&mut self, schema: &Json, prefix: &str) {
        // What may be null, or is one of several.
        for alternative in schema["anyOf"].as_array().into_iter().flatten() {
            self.visit(alternative, prefix);
        }
        if schema["additionalProperties"].is_object() {
            self.insert(&keys::join(prefix, ANY), &schema["additionalProperties"]);
        }
        let Some(properties) = schema["properties"].as_object() else { return };
        for (name, property) in properties {
            self.insert(&keys::join(prefix, name), property);
        }
    }

    fn insert(&mut self, key: &str, schema: &Json) {
        let text = schema["description"].as_str().unwrap_or_default();
        self.0.insert(key.to_owned(), Entry { choices: choices(schema), ..Entry::read(text) });
        self.visit(schema, key);
    }
}

/// Stands for every key of a map.
const ANY: &str = "*";

/// Whether a key is one that `known`, in which some levels are [`ANY`], stands for.
fn is_like(key: &str, known: &str) -> bool {
    let mut levels = known.split('.');
    key.split('.').all(|level| levels.next().is_some_and(|it| it == ANY || it == level))
        && levels.next().is_none()
}

/// The names of an enum without content.
fn choices(schema: &Json) -> Vec<String> {
    let alternatives = schema["oneOf"].as_array().into_iter().flatten();
    let single = alternatives.flat_map(|it| it["const"].as_str().into_iter().chain(texts(&it["enum"])));
    single.chain(texts(&schema["enum"])).map(str::to_owned).collect()
}

fn texts(list: &Json) -> impl Iterator<Item = &str> {
    list.as_array().into_iter().flatten().filter_map(Json::as_str)
}

impl Entry {
    /// `Length of an episode, s. Positive.` has all three.
    fn read(text: &str) -> Self {
        let text = text.split("\n\n").next().unwrap_or_default().replace('\n', " ");
        let sentences = text.split_inclusive(". ").map(|it| it.trim().trim_end_matches('.'));
        let (ranges, words): (Vec<&str>, Vec<&str>) =
            sentences.partition(|sentence| RANGES.iter().any(|start| sentence.starts_with(start)));
        let mut meaning = words.join(". ");
        let mut unit = "";
        // Behind the unit may stand what null means.
        let end = meaning.find([';', '.']).unwrap_or(meaning.len());
        if let Some((words, last)) = meaning[..end].rsplit_once(", ")
            && let Some(known) = UNITS.iter().find(|it| **it == last)
        {
            unit = known;
            meaning = format!("{words}{}", &meaning[end..]);
        }
        let range = ranges.join(", ").replace('`', "");
        let range = match range.chars().next() {
            Some(first) => first.to_lowercase().chain(range.chars().skip(1)).collect(),
            None => range,
        };
        Self { meaning, unit: unit.to_owned(), range, choices: Vec::new() }
    }

    /// Unit and range, for messages: ` in m/s, at least 0`.
    pub(super) fn constraint(&self) -> String {
        let unit = if self.unit.is_empty() { String::new() } else { format!(" in {}", self.unit) };
        let range = if self.range.is_empty() { String::new() } else { format!(", {}", self.range) };
        let choices =
            if self.choices.is_empty() { String::new() } else { format!(": {}", self.choices.join(", ")) };
        unit + &range + &choices
    }
}

#[cfg(test)]
mod tests {
    use super::{Entry, is_like};

    #[test]
    fn a_comment_has_meaning_unit_and_range() {
        for (text, expected) in [
            ("Length of an episode, s. Positive.", ["Length of an episode", "s", "positive"]),
            ("Share of episodes. In `[0, 1]`.", ["Share of episodes", "", "in [0, 1]"]),
            ("Limit, m; null: as it is. At least 0.", ["Limit; null: as it is", "m", "at least 0"]),
            (
                "Of the velocity, control steps; before, none. At\nmost 64.",
                ["Of the velocity; before, none", "control steps", "at most 64"],
            ),
            ("Folder, below `logs`.", ["Folder, below `logs`", "", ""]),
        ] {
            let Entry { meaning, unit, range, .. } = Entry::read(text);
            assert_eq!([meaning, unit, range], expected, "{text}");
        }
    }

    #[test]
    fn keys_of_a_map_are_alike() {
        assert!(is_like("env.rewards.distance.weight", "env.rewards.*.weight"));
        for other in ["env.rewards.distance", "env.rewards.distance.weight.x", "env.events.distance.weight"] {
            assert!(!is_like(other, "env.rewards.*.weight"), "{other}");
        }
    }
}
