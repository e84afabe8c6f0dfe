//! The items of a defaults list, and where each leads.

use crate::config::error::ConfigError;
use crate::config::origin::{Origin, Source};
use crate::config::value::Value;
use crate::config::yaml::{Content, Entry, Located};

/// An item of a defaults list.
#[derive(Clone)]
pub(super) struct Item {
    pub(super) what: What,
    /// After `@`.
    pub(super) package: Option<String>,
    pub(super) is_optional: bool,
    pub(super) is_override: bool,
    pub(super) origin: Origin,
}

#[derive(Clone)]
pub(super) enum What {
    Own,
    File(String),
    /// A group, as written, and what is chosen of it.
    Group(String, Vec<String>),
}

impl Item {
    pub(super) fn new(what: What, package: Option<&str>, origin: Origin) -> Self {
        Self { what, package: package.map(str::to_owned), is_optional: false, is_override: false, origin }
    }
}

/// Where a list stands: the folder and the package that its items are relative to.
#[derive(Clone, Copy)]
pub(super) struct Parent<'p> {
    pub(super) folder: &'p str,
    pub(super) package: &'p str,
}

pub(super) const ROOT: Parent<'static> = Parent { folder: "", package: "" };

/// Names that a value gives: one, several, or none (null).
pub(super) fn names(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::String(name) => Some(vec![name.clone()]),
        Value::List(items) => items
            .iter()
            .map(|item| match item {
                Value::String(name) => Some(name.clone()),
                _ => None,
            })
            .collect(),
        Value::Null => Some(Vec::new()),
        _ => None,
    }
}

pub(super) fn split_package(key: &str) -> (&str, Option<&str>) {
    key.split_once('@').map_or((key, None), |(group, package)| (group, Some(package)))
}

/// A path as a list writes it: from the top with a slash, else from the list's folder.
pub(super) fn below(folder: &str, path: &str) -> String {
    match path.strip_prefix('/') {
        Some(absolute) => absolute.to_owned(),
        None if folder.is_empty() => path.to_owned(),
        None => format!("{folder}/{path}"),
    }
}

/// What an item is known by: its group, and its package where that is not the group's own.
pub(super) fn key_of(item: &Item, group: &str, parent: Parent) -> String {
    let path = below(parent.folder, group);
    let package = final_package(parent.package, item, None);
    if package == path.replace('/', ".") {
        return path;
    }
    format!("{path}@{}", if package.is_empty() { "_global_" } else { &package })
}

/// The key below which a file's values go: as its item says, else as its header says, else by its folder.
pub(super) fn final_package(parent: &str, item: &Item, header: Option<&str>) -> String {
    let folder = match &item.what {
        What::Group(group, _) => group.as_str(),
        What::File(path) => path.rsplit_once('/').map_or("", |(folder, _)| folder),
        What::Own => "",
    };
    let folder = folder.trim_start_matches('/').replace('/', ".");
    let own = match (item.package.as_deref(), header) {
        (Some("_here_"), _) => String::new(),
        (Some(package), _) => package.replace("_group_", &format!("_global_.{folder}")),
        (None, Some("" | "_global_")) => "_global_".into(),
        (None, Some("_group_") | None) => folder,
        (None, Some(header)) => format!("_global_.{header}"),
    };
    let joined = match (parent, own.as_str()) {
        ("", own) => own.to_owned(),
        (parent, "") => parent.to_owned(),
        (parent, own) => format!("{parent}.{own}"),
    };
    match joined.rfind("_global_") {
        Some(place) => joined[place + "_global_".len()..].trim_start_matches('.').to_owned(),
        None => joined,
    }
}

/// The items of a `defaults` list.
pub(super) fn items_of(list: &Located, source: &Source) -> Result<Vec<Item>, ConfigError> {
    let Content::List(items) = &list.content else {
        return Err(failure("`defaults` is no list", &source.origin(list.line, list.column)));
    };
    let items = items.iter().map(|item| item_of(item, source)).collect::<Result<Vec<_>, _>>()?;
    let own = items.iter().filter(|item| matches!(item.what, What::Own));
    if let Some(second) = own.clone().nth(1) {
        return Err(failure("`_self_` stands twice in the list", &second.origin));
    }
    let first = items.iter().position(|item| item.is_override).unwrap_or(items.len());
    let late = items[first..].iter().find(|item| !item.is_override && !matches!(item.what, What::Own));
    if let Some(late) = late {
        return Err(failure("`override` items must stand at the end of the list", &late.origin));
    }
    Ok(items)
}

pub(super) fn item_of(item: &Located, source: &Source) -> Result<Item, ConfigError> {
    let origin = source.origin(item.line, item.column);
    match &item.content {
        Content::Scalar(Value::String(text)) if text == "_self_" => Ok(Item::new(What::Own, None, origin)),
        Content::Scalar(Value::String(text)) => {
            let (text, is_optional) =
                text.strip_prefix("optional ").map_or((text.as_str(), false), |it| (it, true));
            let (path, package) = split_package(text.trim());
            let what = What::File(path.to_owned());
            Ok(Item { is_optional, ..Item::new(what, package, origin) })
        }
        Content::Table(entries) if entries.len() == 1 => {
            let Entry { key, value, .. } = &entries[0];
            let mut words: Vec<&str> = key.split_whitespace().collect();
            let group = words.pop().unwrap_or_default();
            if words.iter().any(|word| !matches!(*word, "optional" | "override")) {
                return Err(failure(format!("`{key}` is no group"), &origin));
            }
            let (group, package) = split_package(group);
            if group.trim_start_matches('/').split('/').next() == Some("hydra") {
                return Err(failure(
                    format!("`{group}` configures Hydra itself, and there is none here"),
                    &origin,
                )
                .advise("leave the line out".into()));
            }
            let names = names(&value.to_value())
                .ok_or_else(|| failure(format!("`{key}`: expected the name of an option"), &origin))?;
            Ok(Item {
                is_optional: words.contains(&"optional"),
                is_override: words.contains(&"override"),
                ..Item::new(What::Group(group.to_owned(), names), package, origin)
            })
        }
        _ => Err(failure("expected `- file`, `- group: option` or `- _self_`", &origin)),
    }
}

pub(super) fn failure(message: impl Into<String>, origin: &Origin) -> ConfigError {
    ConfigError::Composition { message: message.into(), advice: None, origin: origin.clone() }
}

impl ConfigError {
    pub(super) fn advise(self, text: String) -> Self {
        match self {
            Self::Composition { message, origin, .. } => {
                Self::Composition { message, advice: Some(text), origin }
            }
            other => other,
        }
    }
}
