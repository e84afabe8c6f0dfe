//! Hydra's defaults list: which files make up a configuration, in which order, and where their values go.
//!
//! ```yaml
//! defaults:
//! - base                       # another file beside this one
//! - agent: fast                # agent/fast.yaml, below `agent`
//! - optional physics: windy    # only if there is such a file
//! - agent@teacher: slow        # below `teacher`
//! - _self_                     # what this file says itself; without it, last
//! - agent/optimizer: ${physics} # named by what is chosen of another group
//! - override agent/optimizer: sgd
//! ```

mod item;

use indexmap::IndexMap;

use super::error::ConfigError;
use super::grammar::{Action, Override};
use super::interpolation::{is_interpolation, resolve_text};
use super::library::Library;
use super::origin::{Origin, Source};
use super::value::Value;
use super::yaml::{self, Entry};
use item::{Item, Parent, ROOT, What, below, failure, final_package, items_of, key_of, names, split_package};

/// Deeper nesting than any configuration has; a file that lists itself ends here.
const MAX_DEPTH: usize = 32;

/// The own content of one file.
pub(super) struct Part {
    /// Group and name.
    pub(super) path: String,
    /// The key below which its values go; empty at the top.
    pub(super) package: String,
    pub(super) entries: Vec<Entry>,
    pub(super) source: Source,
}

/// A choice of the command line.
pub(super) struct Selection {
    pub(super) choice: Override,
    pub(super) origin: Origin,
}

struct Choice {
    names: Vec<String>,
    origin: Origin,
    is_external: bool,
    is_used: bool,
}

struct Deletion {
    name: Option<String>,
    origin: Origin,
    is_used: bool,
}

/// The parts of a configuration, in the order in which they are layered.
pub(super) fn compose(
    library: &Library,
    primary: Option<&str>,
    selections: Vec<Selection>,
) -> Result<Vec<Part>, ConfigError> {
    let mut composer = Composer {
        library,
        choices: IndexMap::new(),
        deletions: IndexMap::new(),
        appended: Vec::new(),
        known: IndexMap::new(),
        is_interpolated: false,
    };
    for selection in selections {
        composer.select(selection)?;
    }
    let mut parts = if let Some(name) = primary {
        let root = Item::new(What::File(name.to_owned()), None, Origin::flag("--config-name"));
        composer.file(name, &root, ROOT, 0)?
    } else {
        let appended = std::mem::take(&mut composer.appended);
        composer.items(&appended, ROOT, 1)?.into_iter().flatten().collect()
    };
    parts.extend(composer.implied(primary.is_some())?);
    composer.all_are_used()?;
    Ok(parts)
}

struct Composer<'l> {
    library: &'l Library,
    /// What overrides the lists, by group and package.
    choices: IndexMap<String, Choice>,
    deletions: IndexMap<String, Deletion>,
    /// `+group=name`.
    appended: Vec<Item>,
    /// What was chosen so far.
    known: IndexMap<String, String>,
    /// Whether the files being opened were named by an interpolation.
    is_interpolated: bool,
}

impl Composer<'_> {
    fn select(&mut self, selection: Selection) -> Result<(), ConfigError> {
        let Selection { choice: Override { action, key, value }, origin } = selection;
        let names = match (&action, value) {
            (Action::SetOrAdd, _) => {
                return Err(failure(format!("`++` does not go with the group `{key}`"), &origin)
                    .advise(format!("write `{key}=…` or `+{key}=…`")));
            }
            (Action::Remove, None) => Vec::new(),
            (_, Some(value)) => names(&value).filter(|names| !names.is_empty()).ok_or_else(|| {
                failure(format!("`{key}` is a group: expected the name of an option"), &origin)
                    .advise(self.describe(&key))
            })?,
            (_, None) => unreachable!("the grammar gives every other action a value"),
        };
        match action {
            Action::Remove => {
                let name = names.into_iter().next();
                self.deletions.insert(key, Deletion { name, origin, is_used: false });
            }
            Action::Add => {
                let (group, package) = split_package(&key);
                self.appended.push(Item::new(What::Group(group.to_owned(), names), package, origin));
            }
            Action::Set | Action::SetOrAdd => {
                self.choices.insert(key, Choice { names, origin, is_external: true, is_used: false });
            }
        }
        Ok(())
    }

    /// Choices that no list has: those of a program without configuration file, and of groups that ship with it.
    fn implied(&mut self, has_primary: bool) -> Result<Vec<Part>, ConfigError> {
        let library = self.library;
        let is_implied = |key: &String, choice: &Choice| {
            !choice.is_used && choice.is_external && (!has_primary || library.ships(split_package(key).0))
        };
        let mut implied = Vec::new();
        for (key, choice) in &mut self.choices {
            if is_implied(key, choice) {
                choice.is_used = true;
                let (group, package) = split_package(key);
                let what = What::Group(group.to_owned(), choice.names.clone());
                implied.push(Item::new(what, package, choice.origin.clone()));
            }
        }
        let mut parts = Vec::new();
        for item in &implied {
            parts.extend(self.item(item, ROOT, 1)?);
        }
        Ok(parts)
    }

    fn all_are_used(&self) -> Result<(), ConfigError> {
        if let Some((key, choice)) = self.choices.iter().find(|(_, choice)| !choice.is_used) {
            let error = failure(
                format!("cannot override the group `{key}`: no defaults list has it"),
                &choice.origin,
            );
            return Err(if choice.is_external {
                error.advise(format!("to append it, write `+{key}={}`", choice.names.join(",")))
            } else {
                error
            });
        }
        match self.deletions.iter().find(|(_, deletion)| !deletion.is_used) {
            Some((key, deletion)) => {
                let value = deletion.name.as_ref().map(|name| format!("={name}")).unwrap_or_default();
                Err(failure(
                    format!("cannot remove the group `{key}{value}`: no defaults list has it"),
                    &deletion.origin,
                ))
            }
            None => Ok(()),
        }
    }

    /// The parts of a file: those of its list, and its own.
    fn file(
        &mut self,
        path: &str,
        item: &Item,
        parent: Parent,
        depth: usize,
    ) -> Result<Vec<Part>, ConfigError> {
        let Some((text, source)) = self.library.read(path)? else {
            if item.is_optional {
                return Ok(Vec::new());
            }
            let group = path.rsplit_once('/').map_or("", |(group, _)| group);
            return Err(
                failure(format!("no configuration `{path}`"), &item.origin).advise(self.describe(group))
            );
        };
        if depth > MAX_DEPTH {
            return Err(failure(format!("`{path}` lists itself"), &item.origin));
        }
        let header = header(&text);
        let package = final_package(parent.package, item, header.as_deref());
        let mut entries = yaml::entries(&text, &source)?;
        let list =
            entries.iter().position(|entry| entry.key == "defaults").map(|place| entries.remove(place));
        let mut items = match list {
            Some(list) => items_of(&list.value, &source)?,
            None => Vec::new(),
        };
        if !items.iter().any(|item| matches!(item.what, What::Own)) {
            items.push(Item::new(What::Own, None, source.origin(1, 1)));
        }
        if depth == 0 {
            items.append(&mut self.appended);
        }
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        let lists = self.items(&items, Parent { folder, package: &package }, depth + 1)?;
        let mut parts = Vec::new();
        let mut own = Some(Part { path: path.to_owned(), package: package.clone(), entries, source });
        for (item, list) in items.iter().zip(lists) {
            match item.what {
                What::Own => parts.extend(own.take()),
                _ => parts.extend(list),
            }
        }
        Ok(parts)
    }

    /// The parts of each item. As in Hydra the last item is opened first, which decides whose `override` counts, and
    /// those named by an interpolation after all others, whose choices they refer to.
    fn items(&mut self, items: &[Item], parent: Parent, depth: usize) -> Result<Vec<Vec<Part>>, ConfigError> {
        for item in items.iter().filter(|item| item.is_override) {
            let What::Group(group, names) = &item.what else { continue };
            if self.is_interpolated {
                let message =
                    "`override` in a file that an interpolation names: what it would override is chosen";
                return Err(failure(message, &item.origin));
            }
            let key = key_of(item, group, parent);
            self.choices.entry(key).or_insert_with(|| Choice {
                names: names.clone(),
                origin: item.origin.clone(),
                is_external: false,
                is_used: false,
            });
        }
        let mut lists: Vec<Vec<Part>> = items.iter().map(|_| Vec::new()).collect();
        let mut waiting = Vec::new();
        for (place, item) in items.iter().enumerate().rev() {
            if item.is_override {
                continue;
            }
            if self.waits(item, parent) {
                waiting.push(place);
            } else {
                lists[place] = self.item(item, parent, depth)?;
            }
        }
        let outer = self.is_interpolated;
        self.is_interpolated |= !waiting.is_empty();
        for place in waiting {
            lists[place] = self.item(&items[place], parent, depth)?;
        }
        self.is_interpolated = outer;
        Ok(lists)
    }

    /// Whether an interpolation names what an item opens.
    fn waits(&self, item: &Item, parent: Parent) -> bool {
        match &item.what {
            What::Own => false,
            What::File(path) => is_interpolation(path),
            What::Group(group, own) => {
                let choice = self.choices.get(&key_of(item, group, parent));
                let names = choice.map_or(own, |choice| &choice.names);
                names.iter().any(|name| is_interpolation(name))
            }
        }
    }

    /// A name with what its interpolations stand for: what was chosen of groups.
    fn resolved(&self, name: &str, origin: &Origin) -> Result<String, ConfigError> {
        let known = self.known.iter().map(|(group, name)| (group.clone(), Value::String(name.clone())));
        resolve_text(name, known.collect()).map_err(|reason| {
            let groups: Vec<&str> = self.known.keys().map(String::as_str).collect();
            failure(format!("`{name}`: {reason}"), origin)
                .advise(format!("chosen so far: {}", groups.join(", ")))
        })
    }

    fn item(&mut self, item: &Item, parent: Parent, depth: usize) -> Result<Vec<Part>, ConfigError> {
        let (group, mut names) = match &item.what {
            What::Own => return Ok(Vec::new()),
            What::File(path) => {
                let path = self.resolved(path, &item.origin)?;
                return self.file(&below(parent.folder, &path), item, parent, depth);
            }
            What::Group(group, names) => (group, names.clone()),
        };
        let key = key_of(item, group, parent);
        if let Some(choice) = self.choices.get_mut(&key) {
            choice.is_used = true;
            names.clone_from(&choice.names);
        }
        match names.as_mut_slice() {
            [name] => *name = self.resolved(name, &item.origin)?,
            several => {
                if let Some(name) = several.iter().find(|name| is_interpolation(name)) {
                    let message = format!("`{name}`: an interpolation names one option, and no list of them");
                    return Err(failure(message, &item.origin));
                }
            }
        }
        if let Some(deletion) = self.deletions.get_mut(&key)
            && deletion.name.as_ref().is_none_or(|name| names == [name.clone()])
        {
            deletion.is_used = true;
            return Ok(Vec::new());
        }
        let chosen = names.join(",");
        if let Some(before) = self.known.insert(key.clone(), chosen) {
            return Err(failure(format!("the group `{key}` is chosen twice"), &item.origin)
                .advise(format!("`override {key}: …` in a list, or `{key}=…`, replaces `{before}`")));
        }
        let folder = below(parent.folder, group);
        let mut parts = Vec::new();
        for name in &names {
            if name == "???" {
                return Err(failure(format!("nothing is chosen of the group `{key}`"), &item.origin)
                    .advise(format!("write `{key}=…`; {}", self.describe(&folder))));
            }
            parts.extend(self.file(&format!("{folder}/{name}"), item, parent, depth)?);
        }
        Ok(parts)
    }

    fn describe(&self, group: &str) -> String {
        let options = self.library.options(split_package(group).0);
        if group.is_empty() || options.is_empty() {
            return self.library.describe_groups();
        }
        format!("the options of `{group}` are {}", options.join(", "))
    }
}

/// `# @package NAME` in the comments at the start of a file.
fn header(text: &str) -> Option<String> {
    let comments = text.lines().map(str::trim).take_while(|line| line.is_empty() || line.starts_with('#'));
    let mut words = comments.map(|line| line.trim_start_matches('#').trim());
    words.find_map(|line| line.strip_prefix("@package").map(|name| name.trim().to_owned()))
}
