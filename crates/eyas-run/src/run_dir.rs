//! The directory of a run: where it is made, and how a later run finds it.

use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use jiff::ZonedDateTime;
use regex::Regex;

use eyas_formats::atomic;

use crate::config::Value;
use crate::error::RunError;
use crate::lock::{self, Lock};
use crate::manifest::{self, Manifest};

/// The directory of one run, laid out as rsl_rl and Isaac Lab do:
///
/// ```text
/// logs/rsl_rl/<experiment>/<2025-01-31_14-05-59>[_<run name>]/
///     params/env.yaml  params/agent.yaml  manifest.json  events.out.tfevents.*  *.pt
/// ```
///
/// Who makes one, or opens one to go on in it, has it alone until the last clone is dropped: a second process is refused
/// with [`RunError::InUse`].
#[derive(Clone, Debug)]
pub struct RunDir {
    path: PathBuf,
    #[expect(dead_code, reason = "it is held, not read")]
    lock: Option<Arc<Lock>>,
}

impl RunDir {
    /// Makes the directory of a run that starts now, in local time.
    ///
    /// Two runs in one second get the suffixes `_1`, `_2`, …; an empty `run_name` is left out.
    ///
    /// # Errors
    ///
    /// [`RunError::NotAName`] if a name is not a single path component, [`RunError::Io`] if the
    /// directory cannot be made.
    pub fn create(root: impl AsRef<Path>, experiment_name: &str, run_name: &str) -> Result<Self, RunError> {
        Self::create_at(root, experiment_name, run_name, &ZonedDateTime::now())
    }

    /// The directory of a flight along a trajectory, which [`find_run`] passes over.
    ///
    /// # Errors
    ///
    /// As [`create`](Self::create).
    pub fn create_flight(
        root: impl AsRef<Path>,
        experiment_name: &str,
        run_name: &str,
    ) -> Result<Self, RunError> {
        // `create` puts the first underscore of the suffix itself.
        let name = if run_name.is_empty() {
            FLIGHT_SUFFIX[1..].to_owned()
        } else {
            format!("{run_name}{FLIGHT_SUFFIX}")
        };
        Self::create(root, experiment_name, &name)
    }

    /// As [`create`](Self::create), for a run that started at `start`.
    pub fn create_at(
        root: impl AsRef<Path>,
        experiment_name: &str,
        run_name: &str,
        start: &ZonedDateTime,
    ) -> Result<Self, RunError> {
        require_name("experiment_name", experiment_name)?;
        let mut name = start.strftime("%Y-%m-%d_%H-%M-%S").to_string();
        if !run_name.is_empty() {
            require_name("run_name", run_name)?;
            name = format!("{name}_{run_name}");
        }
        let parent = root.as_ref().join(experiment_name);
        fs::create_dir_all(&parent).map_err(RunError::io("create directory", &parent))?;
        Self::locked(create_unique(&parent, &name)?)
    }

    /// Makes the directory of a run at a path of the user's own.
    ///
    /// # Errors
    ///
    /// [`RunError::Occupied`] if it holds anything, [`RunError::Io`] if it cannot be made.
    pub fn create_as(path: impl Into<PathBuf>) -> Result<Self, RunError> {
        let path = path.into();
        fs::create_dir_all(&path).map_err(RunError::io("create directory", &path))?;
        // Once before anything is written, and once when no other process can.
        require_empty(&path)?;
        let run = Self::locked(path)?;
        require_empty(run.path())?;
        Ok(run)
    }

    /// The directory of a run that exists, to read it.
    ///
    /// # Errors
    ///
    /// [`RunError::Io`] if `path` is not a directory.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, RunError> {
        let path = path.into();
        fs::read_dir(&path).map_err(RunError::io("open run directory", &path))?;
        Ok(Self { path, lock: None })
    }

    /// Takes the directory for this process, to go on writing in it, and removes what a killed one left half written.
    ///
    /// # Errors
    ///
    /// [`RunError::InUse`], or [`RunError::Io`].
    pub fn lock(self) -> Result<Self, RunError> {
        let run = Self::locked(self.path)?;
        for folder in [run.path.clone(), run.file("params")] {
            if folder.is_dir() {
                atomic::remove_leftovers(&folder).map_err(RunError::io("clean", &folder))?;
            }
        }
        Ok(run)
    }

    fn locked(path: PathBuf) -> Result<Self, RunError> {
        let lock = Some(Arc::new(Lock::take(&path)?));
        Ok(Self { path, lock })
    }

    /// Whether nothing was written into it yet.
    ///
    /// # Errors
    ///
    /// [`RunError::Io`] if it cannot be read.
    pub fn holds_nothing(&self) -> Result<bool, RunError> {
        is_empty(&self.path)
    }

    /// Whether a process writes into the folder of a run.
    #[must_use]
    pub fn is_in_use(path: &Path) -> bool {
        Lock::holder(path).is_some()
    }

    /// Whether a folder is that of a run of this program: it has a manifest, or a run in it was killed before that was
    /// written.
    #[must_use]
    pub fn is_own(path: &Path) -> bool {
        manifest::is_in(path) || path.join(lock::FILE).exists() || is_empty(path).unwrap_or(false)
    }

    /// The directory itself, which also takes the event files.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A file of the run, such as `best_student.pt`.
    #[must_use]
    pub fn file(&self, name: impl AsRef<Path>) -> PathBuf {
        self.path.join(name)
    }

    /// The folder of one kind of videos: `videos/distillation`, `videos/train`.
    #[must_use]
    pub fn videos(&self, kind: &str) -> PathBuf {
        self.path.join("videos").join(kind)
    }

    /// Writes `params/<name>.yaml`, and `params/<name>.pkl` with the same in Python's own types and nothing else: to
    /// load it runs no code.
    ///
    /// # Errors
    ///
    /// [`RunError::NotAName`], [`RunError::TooLarge`] for an integer of more than 63 bits, or [`RunError::Io`] with the
    /// path.
    pub fn params(&self, name: &str, params: &Value) -> Result<(), RunError> {
        require_name("params file", name)?;
        let directory = self.path.join("params");
        fs::create_dir_all(&directory).map_err(RunError::io("create directory", &directory))?;
        for (extension, bytes) in [("yaml", params.to_yaml().into_bytes()), ("pkl", pickle(params)?)] {
            let path = directory.join(format!("{name}.{extension}"));
            atomic::write(&path, &bytes).map_err(RunError::io("write", &path))?;
        }
        Ok(())
    }

    /// Writes `manifest.json`.
    ///
    /// # Errors
    ///
    /// [`RunError::Io`] with the path.
    pub fn manifest(&self, manifest: &Manifest) -> Result<PathBuf, RunError> {
        let path = self.file(manifest::FILE);
        atomic::write(&path, manifest.to_json().as_bytes()).map_err(RunError::io("write", &path))?;
        Ok(path)
    }
}

fn pickle(params: &Value) -> Result<Vec<u8>, RunError> {
    Ok(plain(params)?.to_pickle().expect("a configuration holds no tensor"))
}

/// A configuration in the types of Python.
fn plain(value: &Value) -> Result<eyas_formats::Value, RunError> {
    use eyas_formats::Value as Plain;
    Ok(match value {
        Value::Null => Plain::None,
        Value::Bool(value) => Plain::Bool(*value),
        Value::Int(value) => Plain::Int(i64::try_from(*value).map_err(|_| RunError::TooLarge(*value))?),
        Value::Float(value) => Plain::Float(*value),
        Value::String(text) => Plain::Str(text.clone()),
        Value::List(items) => Plain::List(items.iter().map(plain).collect::<Result<_, _>>()?),
        Value::Table(table) => {
            let entry = |(key, value): (&String, &Value)| Ok((Plain::Str(key.clone()), plain(value)?));
            Plain::Dict(table.iter().map(entry).collect::<Result<_, RunError>>()?)
        }
    })
}

/// The newest checkpoint of the newest run: Isaac Lab's `get_checkpoint_path`.
///
/// Of the directories in `root` whose name matches `run_regex`, takes the last in alphabetical
/// order; of its files that match `checkpoint_regex`, the last when names are padded with zeros to one
/// length, so that `model_1000.pt` follows `model_999.pt`. As with Python's `re.match`, a
/// pattern must match from the start of a name but need not reach its end.
///
/// # Errors
///
/// [`RunError::NoMatch`] lists what is there; [`RunError::Pattern`] if a pattern does not parse.
pub fn find_run(
    root: impl AsRef<Path>,
    run_regex: &str,
    checkpoint_regex: &str,
) -> Result<PathBuf, RunError> {
    let root = root.as_ref();
    let newest = find_run_dir(root, run_regex)?;
    let found = last_match(&newest, CHECKPOINT, checkpoint_regex, is_checkpoint, Order::Padded);
    match found {
        Ok(checkpoint) => Ok(newest.join(checkpoint)),
        // A flight holds no checkpoint to go on from.
        Err(error) if newest.to_string_lossy().ends_with(FLIGHT_SUFFIX) => {
            older_run(root, run_regex, checkpoint_regex).ok_or(error)
        }
        Err(error) => Err(error),
    }
}

/// A run to go on with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resumable {
    /// Its directory.
    pub run: PathBuf,
    /// The checkpoint to go on from; none if the run was killed before it wrote the first.
    pub checkpoint: Option<PathBuf>,
}

impl Resumable {
    /// The directory, to go on in with a run that writes the params `kind` and the manifest after them.
    ///
    /// # Errors
    ///
    /// [`RunError::Foreign`] if this program has not written it and [`RunError::OtherRun`] if what it holds is a run of
    /// another kind: going on would write over it. [`RunError::InUse`] if another process writes into it,
    /// [`RunError::Io`] if it cannot be read.
    pub fn open(&self, kind: &[&str]) -> Result<RunDir, RunError> {
        self.check(kind)?.lock()
    }

    /// The directory, to read it, if [`open`](Self::open) would go on in it were it not in use.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open), but for [`RunError::InUse`].
    pub fn check(&self, kind: &[&str]) -> Result<RunDir, RunError> {
        let run = RunDir::open(&self.run)?;
        let params = stems(&run.file("params"), "yaml")?;
        if !RunDir::is_own(&self.run) && (!params.is_empty() || self.checkpoint.is_some()) {
            return Err(RunError::Foreign { path: self.run.clone() });
        }
        let is_part = params.iter().all(|name| kind.contains(&name.as_str()));
        // A run may have been killed between two of its params, or before them.
        let is_whole = params.len() == kind.len() || !manifest::is_in(&self.run);
        if is_part && is_whole && RunDir::is_own(&self.run) {
            return Ok(run);
        }
        let kind = kind.iter().map(|&name| name.to_owned()).collect();
        Err(RunError::OtherRun { path: self.run.clone(), params, kind })
    }
}

/// The names of a folder's files with an extension, without it; none if there is no such folder.
fn stems(folder: &Path, extension: &str) -> Result<Vec<String>, RunError> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(RunError::io("list", folder))?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let path = entry.map_err(RunError::io("list", folder))?.path();
        if path.extension().is_some_and(|it| it == extension) {
            names.extend(path.file_stem().map(|stem| stem.to_string_lossy().into_owned()));
        }
    }
    names.sort();
    Ok(names)
}

/// Whether nothing is in a folder but what holds its place.
fn is_empty(folder: &Path) -> Result<bool, RunError> {
    let mut entries = fs::read_dir(folder).map_err(RunError::io("list", folder))?;
    Ok(entries.all(|entry| entry.is_ok_and(|it| it.file_name() == lock::FILE)))
}

fn require_empty(folder: &Path) -> Result<(), RunError> {
    if is_empty(folder)? {
        return Ok(());
    }
    let path = folder.to_owned();
    Err(match Lock::holder(folder) {
        Some(holder) => RunError::InUse { path, holder },
        None => RunError::Occupied { path },
    })
}

/// As [`find_run`], but a run that holds no file whose name begins with `prefix` is found too: it was killed
/// before its first checkpoint and goes on from its beginning.
///
/// # Errors
///
/// As [`find_run`].
pub fn find_resumable(
    root: impl AsRef<Path>,
    run_regex: &str,
    checkpoint_regex: &str,
    prefix: &str,
) -> Result<Resumable, RunError> {
    or_beginning(find_run(root, run_regex, checkpoint_regex), prefix)
}

/// As [`find_resumable`], of a run whose directory is known.
///
/// # Errors
///
/// As [`find_run`].
pub fn resumable_in(
    run: impl AsRef<Path>,
    checkpoint_regex: &str,
    prefix: &str,
) -> Result<Resumable, RunError> {
    let run = run.as_ref();
    let found = last_match(run, CHECKPOINT, checkpoint_regex, is_checkpoint, Order::Padded);
    or_beginning(found.map(|checkpoint| run.join(checkpoint)), prefix)
}

/// The run of a checkpoint that was found, or of none where none was written yet.
fn or_beginning(found: Result<PathBuf, RunError>, prefix: &str) -> Result<Resumable, RunError> {
    match found {
        Ok(checkpoint) => {
            let run = checkpoint.parent().unwrap_or(Path::new(".")).to_owned();
            Ok(Resumable { run, checkpoint: Some(checkpoint) })
        }
        Err(RunError::NoMatch { what: CHECKPOINT, directory, present, .. })
            if !directory.to_string_lossy().ends_with(FLIGHT_SUFFIX)
                && !present.iter().any(|name| name.starts_with(prefix)) =>
        {
            Ok(Resumable { run: directory, checkpoint: None })
        }
        Err(error) => Err(error),
    }
}

/// Whether a path may be a checkpoint: a file, and not the contract beside one.
fn is_checkpoint(path: &Path) -> bool {
    path.is_file() && !path.to_string_lossy().ends_with(eyas_formats::convert::CONTRACT_EXTENSION)
}

/// What [`find_run`] looks for in a run, as its errors call it.
const CHECKPOINT: &str = "checkpoint";

/// How the name of a folder ends that `eyas play` logs a flight to, beside the runs.
const FLIGHT_SUFFIX: &str = "_trajectory_tracking";

/// The newest checkpoint of the newest run that is no flight.
fn older_run(root: &Path, run_regex: &str, checkpoint_regex: &str) -> Option<PathBuf> {
    let is_run = |path: &Path| path.is_dir() && !path.to_string_lossy().ends_with(FLIGHT_SUFFIX);
    let run = root.join(last_match(root, "run", run_regex, is_run, Order::Alphabetical).ok()?);
    let checkpoint = last_match(&run, CHECKPOINT, checkpoint_regex, is_checkpoint, Order::Padded).ok()?;
    Some(run.join(checkpoint))
}

/// The newest run directory in `root` whose name matches, as in [`find_run`].
///
/// # Errors
///
/// As [`find_run`].
pub fn find_run_dir(root: impl AsRef<Path>, run_regex: &str) -> Result<PathBuf, RunError> {
    let root = root.as_ref();
    let run = last_match(root, "run", run_regex, Path::is_dir, Order::Alphabetical)?;
    Ok(root.join(run))
}

/// The matching entry with the greatest sort key.
fn last_match(
    directory: &Path,
    what: &'static str,
    pattern: &str,
    is_kind: impl Fn(&Path) -> bool,
    order: Order,
) -> Result<String, RunError> {
    let regex = Regex::new(&format!("^(?:{pattern})"))
        .map_err(|source| RunError::Pattern { pattern: pattern.to_owned(), source: Box::new(source) })?;
    let mut names = Vec::new();
    for entry in fs::read_dir(directory).map_err(RunError::io("list", directory))? {
        let entry = entry.map_err(RunError::io("list", directory))?;
        if is_kind(&entry.path()) {
            names.extend(entry.file_name().into_string());
        }
    }
    names.sort();
    let matching: Vec<&String> = names.iter().filter(|name| regex.is_match(name)).collect();
    let width = match order {
        Order::Alphabetical => 0,
        Order::Padded => matching.iter().map(|name| name.chars().count()).fold(PADDING, usize::max),
    };
    let last = matching.into_iter().max_by_key(|name| format!("{name:0>width$}"));
    last.cloned().ok_or_else(|| RunError::NoMatch {
        what,
        directory: directory.to_owned(),
        pattern: pattern.to_owned(),
        present: names.clone(),
    })
}

/// Which of several names is the last.
#[derive(Clone, Copy)]
enum Order {
    Alphabetical,
    /// As if shorter names began with zeros.
    Padded,
}

/// Isaac Lab pads to 15 characters, which is too few for `checkpoint_epoch_100.pt` to follow
/// `checkpoint_epoch_90.pt`; longer names are padded to the longest.
const PADDING: usize = 15;

fn create_unique(parent: &Path, name: &str) -> Result<PathBuf, RunError> {
    for attempt in 0_u32.. {
        let suffix = if attempt == 0 { String::new() } else { format!("_{attempt}") };
        let path = parent.join(format!("{name}{suffix}"));
        // Creation itself is the test: a second process may be asking at the same time.
        match fs::create_dir(&path) {
            Ok(()) => return Ok(path),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(RunError::io("create directory", &path)(error)),
        }
    }
    unreachable!("no directory holds 2^32 runs of one second")
}

fn require_name(name: &'static str, value: &str) -> Result<(), RunError> {
    let mut components = Path::new(value).components();
    let is_single = matches!((components.next(), components.next()), (Some(Component::Normal(_)), None));
    // `a/` is one component to Path, and a backslash separates on other systems.
    if is_single && !value.contains(['/', '\\', '\0']) {
        return Ok(());
    }
    Err(RunError::NotAName { name, value: value.to_owned() })
}
