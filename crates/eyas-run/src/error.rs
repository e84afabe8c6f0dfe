//! What can go wrong around a run.

use std::io;
use std::path::{Path, PathBuf};

/// Why a run could not start, write or be found.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "each message names its fields")]
pub enum RunError {
    #[error("cannot {action} `{}`", path.display())]
    Io { action: &'static str, path: PathBuf, source: io::Error },
    #[error("`{name}` = {value:?} is not a single directory name")]
    NotAName { name: &'static str, value: String },
    #[error("`{pattern}` is not a regular expression")]
    Pattern { pattern: String, source: Box<regex::Error> },
    #[error("no {what} in `{}` matches `{pattern}`", directory.display())]
    NoMatch { what: &'static str, directory: PathBuf, pattern: String, present: Vec<String> },
    #[error("`{}` is there already, and not empty", path.display())]
    Occupied { path: PathBuf },
    #[error("`{}` is in use by {holder}", path.display())]
    InUse { path: PathBuf, holder: String },
    #[error("`{}` is a run that Eyas did not write: it has no manifest.json of its own", path.display())]
    Foreign { path: PathBuf },
    #[error("`{}` holds {}", path.display(), what_it_holds(params))]
    OtherRun { path: PathBuf, params: Vec<String>, kind: Vec<String> },
    #[error("event file `{}` is damaged at byte {offset}: {reason}", path.display())]
    DamagedEvents { path: PathBuf, offset: u64, reason: &'static str },
    #[error("`{}` is no manifest of a run", path.display())]
    Manifest { path: PathBuf, source: serde_json::Error },
    #[error("integer {_0} of a configuration has more than 63 bits")]
    TooLarge(i128),
    #[error("cannot listen for Ctrl-C")]
    Interrupt { source: io::Error },
}

impl RunError {
    /// Attaches what was being done to which path.
    pub(crate) fn io(action: &'static str, path: impl AsRef<Path>) -> impl FnOnce(io::Error) -> Self {
        let path = path.as_ref().to_owned();
        move |source| Self::Io { action, path, source }
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NotAName { .. } => Some("use a name without `/`, `\\`, `.` or `..` alone".into()),
            Self::Pattern { .. } => {
                Some("`.*` matches everything; `model_.*.pt` matches numbered checkpoints".into())
            }
            Self::NoMatch { present, .. } if present.is_empty() => Some("there is nothing in it".into()),
            Self::NoMatch { present, .. } => Some(format!("it holds {}", abridged(present))),
            Self::Manifest { .. } => Some(
                "put the file back as the run wrote it; without one, the run's task is told by its settings"
                    .into(),
            ),
            Self::Occupied { .. } => {
                Some("name a new folder, or go on with the run that it holds: `--resume`".into())
            }
            Self::InUse { .. } => {
                Some("one process at a time writes into a run: wait for it, or end it; nothing else is to be done".into())
            }
            Self::Foreign { .. } => Some(
                "it is read, never written: `eyas train --checkpoint FILE` starts a run of its own from one of its checkpoints"
                    .into(),
            ),
            Self::OtherRun { kind, .. } => Some(format!(
                "`--resume` goes on with a run of the same command, whose folder has params {}",
                abridged(kind)
            )),
            Self::TooLarge(_) => Some("other programs cannot read it; give a smaller one".into()),
            Self::DamagedEvents { .. } => Some("the records before it are intact".into()),
            _ => None,
        }
    }
}

/// What is in a folder that is not the run looked for.
fn what_it_holds(params: &[String]) -> String {
    if params.is_empty() { "no run".into() } else { format!("another run, with params {}", abridged(params)) }
}

/// The first names of a long list, and how many there are.
fn abridged(names: &[String]) -> String {
    const SHOWN: usize = 8;
    let shown: Vec<_> = names.iter().take(SHOWN).map(|name| format!("`{name}`")).collect();
    let rest = names.len().saturating_sub(SHOWN);
    if rest == 0 { shown.join(", ") } else { format!("{} and {rest} more", shown.join(", ")) }
}
