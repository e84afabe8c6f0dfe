//! TensorBoard event files, written and read.
//!
//! An event file is a sequence of `TFRecord`s, each a hand-encoded `Event` message of
//! `tensorflow/core/util/event.proto`. TensorBoard merges all event files of a directory, so a
//! resumed run starts another one, and says there from which step on the earlier ones are void.

mod histogram;
mod hparams;
mod image;
mod message;
mod record;

use std::fs::{self, File};
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use histogram::Histogram;
pub use image::Image;
pub use message::Scalar;
use message::{Event, What};

use crate::config::Setting;
use crate::error::RunError;

/// Writes one event file.
///
/// Records are buffered; they are on their way to the disk after [`flush`](Self::flush) or when the
/// writer is dropped. Flush once per epoch: TensorBoard then shows the epoch at once.
///
/// ```
/// # let directory = tempfile::tempdir()?;
/// let mut events = eyas_run::EventWriter::create(directory.path())?;
/// events.scalar("training/loss", 0, 0.25)?;
/// events.flush()?;
/// let scalars = eyas_run::events::read_scalars(events.path())?;
/// assert_eq!((scalars[0].tag.as_str(), scalars[0].value), ("training/loss", 0.25));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct EventWriter {
    path: PathBuf,
    file: BufWriter<File>,
}

impl EventWriter {
    /// Starts `events.out.tfevents.<unix time>.<host>.<process>.<n>` in `directory`, which is made if
    /// it is missing.
    ///
    /// # Errors
    ///
    /// [`RunError::Io`] with the path.
    pub fn create(directory: impl AsRef<Path>) -> Result<Self, RunError> {
        /// Tells files of one process and second apart.
        static NUM_WRITERS: AtomicU32 = AtomicU32::new(0);

        let directory = directory.as_ref();
        fs::create_dir_all(directory).map_err(RunError::io("create directory", directory))?;
        let host = gethostname::gethostname().to_string_lossy().replace('/', "-");
        let (path, file) = loop {
            let writer = NUM_WRITERS.fetch_add(1, Ordering::Relaxed);
            let (second, process) = (wall_time() as u64, std::process::id());
            let path = directory.join(format!("events.out.tfevents.{second:010}.{host}.{process}.{writer}"));
            match File::create_new(&path) {
                // Process ids repeat where each container counts its own, within a second too.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                outcome => break (path.clone(), outcome.map_err(RunError::io("create event file", &path))?),
            }
        };
        let mut writer = Self { path, file: BufWriter::new(file) };
        writer.write(0, What::FileVersion)?;
        writer.flush()?;
        Ok(writer)
    }

    /// Voids what the earlier event files of the directory have at the step `first` and later ones, as a run that goes on
    /// from an older checkpoint logs them once more.
    ///
    /// TensorBoard voids by step, whatever the steps of a curve count. The `others` are curves whose steps count something
    /// else than those of the curve `clock`: what they had before `clock` reached `first` is written again.
    ///
    /// # Errors
    ///
    /// [`RunError::Io`] with the path.
    pub fn go_on(&mut self, first: u64, clock: &str, others: impl Fn(&str) -> bool) -> Result<(), RunError> {
        let mut kept = Vec::new();
        let directory = self.path.parent().unwrap_or(Path::new("."));
        for path in list(directory)?.into_iter().filter(|path| *path != self.path) {
            // A file that is damaged ends there for TensorBoard too.
            let _ = read_into(&path, &mut kept);
        }
        let end = kept.iter().position(|it: &Scalar| it.tag == clock && it.step >= first);
        kept.truncate(end.unwrap_or(kept.len()));
        self.write(first, What::SessionStart)?;
        for Scalar { tag, step, value, wall_time_s } in
            kept.iter().filter(|it| it.step >= first && others(&it.tag))
        {
            self.write_at(*wall_time_s, *step, What::Scalar { tag, value: *value })?;
        }
        Ok(())
    }

    /// The file being written.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Adds one point to the curve `tag`.
    ///
    /// # Errors
    ///
    /// [`RunError::Io`] with the path.
    pub fn scalar(&mut self, tag: &str, step: u64, value: f32) -> Result<(), RunError> {
        self.write(step, What::Scalar { tag, value })
    }

    /// Adds a Markdown text, shown on TensorBoard's text page.
    ///
    /// # Errors
    ///
    /// [`RunError::Io`] with the path.
    pub fn text(&mut self, tag: &str, step: u64, text: &str) -> Result<(), RunError> {
        self.write(step, What::Text { tag, text })
    }

    /// Adds a histogram of the finite ones of some numbers.
    ///
    /// # Errors
    ///
    /// [`RunError::Io`] with the path.
    pub fn histogram(&mut self, tag: &str, step: u64, values: &[f32]) -> Result<(), RunError> {
        self.write(step, What::Histogram { tag, histogram: &Histogram::of(values) })
    }

    /// Adds a picture.
    ///
    /// # Errors
    ///
    /// [`RunError::Io`] with the path.
    pub fn image(&mut self, tag: &str, step: u64, image: &Image) -> Result<(), RunError> {
        self.write(step, What::Image { tag, image })
    }

    /// Says what TensorBoard's page of hyper-parameters compares: the settings of this run, and the tags of the
    /// curves that tell what they led to.
    ///
    /// # Errors
    ///
    /// [`RunError::Io`] with the path.
    pub fn session_start(&mut self, settings: &[Setting], metrics: &[&str]) -> Result<(), RunError> {
        let experiment = hparams::experiment(settings, metrics);
        self.write(0, What::Hparams { tag: hparams::EXPERIMENT, content: &experiment })?;
        let start = hparams::session_start(settings, wall_time());
        self.write(0, What::Hparams { tag: hparams::SESSION_START, content: &start })
    }

    /// Says on that page that the run did all it was to do.
    ///
    /// # Errors
    ///
    /// [`RunError::Io`] with the path.
    pub fn session_end(&mut self) -> Result<(), RunError> {
        self.write(
            0,
            What::Hparams { tag: hparams::SESSION_END, content: &hparams::session_end(wall_time()) },
        )
    }

    /// Hands all buffered records to the operating system.
    ///
    /// # Errors
    ///
    /// [`RunError::Io`] with the path.
    pub fn flush(&mut self) -> Result<(), RunError> {
        self.file.flush().map_err(RunError::io("write", &self.path))
    }

    fn write(&mut self, step: u64, what: What<'_>) -> Result<(), RunError> {
        self.write_at(wall_time(), step, what)
    }

    fn write_at(&mut self, wall_time: f64, step: u64, what: What<'_>) -> Result<(), RunError> {
        let event = Event { wall_time, step, what };
        record::write(&mut self.file, &event.encode()).map_err(RunError::io("write", &self.path))
    }
}

/// Seconds since 1970, the clock of TensorBoard's time axis.
fn wall_time() -> f64 {
    // A clock before 1970 only distorts that axis.
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |elapsed| elapsed.as_secs_f64())
}

/// All scalars of one event file, in the order written; a process that went on with the run voids earlier ones.
///
/// A record that breaks off at the end of the file is left out: the run was killed, or still writes.
///
/// # Errors
///
/// [`RunError::DamagedEvents`] if a checksum or a message is wrong.
pub fn read_scalars(path: impl AsRef<Path>) -> Result<Vec<Scalar>, RunError> {
    let mut scalars = Vec::new();
    read_into(path.as_ref(), &mut scalars)?;
    Ok(scalars)
}

/// The scalars of all event files in a directory, in the order written, as TensorBoard shows them.
///
/// # Errors
///
/// As [`read_scalars`].
pub fn read_run(directory: impl AsRef<Path>) -> Result<Vec<Scalar>, RunError> {
    let mut scalars = Vec::new();
    for path in list(directory)? {
        read_into(&path, &mut scalars)?;
    }
    Ok(scalars)
}

fn read_into(path: &Path, scalars: &mut Vec<Scalar>) -> Result<(), RunError> {
    let bytes = fs::read(path).map_err(RunError::io("read event file", path))?;
    let damaged = |offset: usize, reason| RunError::DamagedEvents {
        path: path.to_owned(),
        offset: offset as u64,
        reason,
    };
    let mut offset = 0;
    while let Some(record) = record::read(&bytes[offset..]).map_err(|reason| damaged(offset, reason))? {
        message::decode(record.payload, scalars).ok_or_else(|| damaged(offset, "not an event message"))?;
        offset += record.num_bytes;
    }
    Ok(())
}

/// The event files in `directory`, oldest first.
///
/// # Errors
///
/// [`RunError::Io`] with the path.
pub fn list(directory: impl AsRef<Path>) -> Result<Vec<PathBuf>, RunError> {
    let directory = directory.as_ref();
    let entries = fs::read_dir(directory)
        .and_then(Iterator::collect::<io::Result<Vec<_>>>)
        .map_err(RunError::io("list", directory))?;
    let is_event_file = |path: &PathBuf| {
        path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("events.out.tfevents."))
    };
    let mut paths: Vec<_> = entries.iter().map(fs::DirEntry::path).filter(is_event_file).collect();
    paths.sort();
    Ok(paths)
}
