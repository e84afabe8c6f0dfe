//! Overrides that make several runs of one command: `key=a,b`, `choice`, `range`, `glob`.

use super::error::ConfigError;
use super::grammar::{Assignment, Element, Glob, Override, Parsed, Syntax};
use super::library::Library;

/// An override and the values that it takes in the jobs of a sweep.
///
/// ```
/// use eyas_run::config::{Library, Sweep, jobs};
///
/// let library = Library::default();
/// let sweeps = [Sweep::parse("lr=1e-3,1e-4", &library)?, Sweep::parse("seed=range(2)", &library)?];
/// assert_eq!(jobs(&sweeps)[1], ["lr=1e-3", "seed=1"]);
/// # Ok::<(), eyas_run::ConfigError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sweep {
    /// What stands before the `=`, signs included.
    pub key: String,
    /// The values as an override of one run spells them; none for `~key`.
    pub values: Vec<String>,
}

impl Sweep {
    /// Parses one command-line argument; `glob` asks the library for a group's options.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Override`] if `text`, or one of the overrides that it stands for, is not of the grammar.
    pub fn parse(text: &str, library: &Library) -> Result<Self, ConfigError> {
        let sweep = Self::expand(text, library).map_err(|syntax| syntax.in_override(text))?;
        for text in sweep.overrides() {
            Override::parse(&text)?;
        }
        Ok(sweep)
    }

    fn expand(text: &str, library: &Library) -> Result<Self, Syntax> {
        let Assignment { key, value, .. } = Assignment::parse(text)?;
        let (before, _) = text.split_once('=').unwrap_or((text, ""));
        let texts = |elements: Vec<Element>| elements.into_iter().map(|it| it.text).collect();
        let values = match value {
            None => Vec::new(),
            Some(Parsed::One(element)) => vec![element.text],
            Some(Parsed::Choice { elements, .. }) => texts(elements),
            Some(Parsed::Range(range)) => range.values()?.iter().map(ToString::to_string).collect(),
            Some(Parsed::Glob(glob)) => options(key, &glob, library)?,
        };
        Ok(Self { key: before.to_owned(), values })
    }

    /// Whether it makes more than one run.
    #[must_use]
    pub fn is_swept(&self) -> bool {
        self.values.len() > 1
    }

    /// The override of each run.
    fn overrides(&self) -> Vec<String> {
        if self.values.is_empty() {
            return vec![self.key.clone()];
        }
        self.values.iter().map(|value| format!("{}={value}", self.key)).collect()
    }
}

/// The overrides of every job: each value of each sweep with each of the others. The last sweep varies fastest.
#[must_use]
pub fn jobs(sweeps: &[Sweep]) -> Vec<Vec<String>> {
    sweeps.iter().fold(vec![Vec::new()], |jobs, sweep| {
        let with = |job: &Vec<String>, text: String| [job.as_slice(), &[text]].concat();
        jobs.iter().flat_map(|job| sweep.overrides().into_iter().map(|text| with(job, text))).collect()
    })
}

/// The options of the group `key` that `glob` means.
fn options(key: &str, glob: &Glob, library: &Library) -> Result<Vec<String>, Syntax> {
    let group = key.split('@').next().unwrap_or(key);
    if !library.is_group(group) {
        return Err(Syntax::new(format!("`glob`: `{group}` is no configuration group"))
            .advise(library.describe_groups()));
    }
    let all = library.options(group);
    let meant: Vec<String> = all.iter().filter(|name| glob.matches(name)).cloned().collect();
    if meant.is_empty() {
        return Err(Syntax::new(format!("`glob` matches none of {}", all.join(", "))));
    }
    Ok(meant)
}
