//! Files that are either complete or absent.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Seek as _, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::FormatError;

/// Replaces `path` by `bytes`, so that a reader, or a crash at any instant, sees the old file or the new one
/// and nothing between.
///
/// The bytes go to a temporary file in the same directory, reach the disk, and take the name in one step. A symbolic link
/// stays: its target is replaced. What is no regular file, such as `/dev/stdout` or a FIFO, is written to as it is. What
/// a killed writer of the same name left behind is removed.
///
/// # Errors
///
/// The first I/O error, for instance when the disk is full; an existing `path` is then untouched and the
/// temporary file is gone.
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    write_with(path, |file| file.write_all(bytes))
}

/// [`write()`] for content that need not lie in memory as a whole.
///
/// # Errors
///
/// As [`write()`], or the one that `content` returns.
pub fn write_with(path: &Path, content: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
    if fs::metadata(path).is_ok_and(|it| !it.is_file() && !it.is_dir()) {
        return write_through(path, content);
    }
    let path = &without_links(path)?;
    let temporary = Temporary::beside(path)?;
    let written = temporary.fill_and_rename(path, content);
    if written.is_err() {
        // The first failure is the one to report; a temporary file that cannot be removed is only litter.
        let _ = fs::remove_file(&temporary.path);
    }
    written
}

/// [`write()`] with the path in the error.
pub(crate) fn write_file(path: &Path, bytes: &[u8]) -> Result<(), FormatError> {
    write(path, bytes).map_err(|source| FormatError::Write { path: path.to_owned(), source })
}

/// Removes the temporary files that killed writers have left in a directory, whatever they were to become. One that is
/// being written stays.
///
/// # Errors
///
/// The first I/O error.
pub fn remove_leftovers(directory: &Path) -> io::Result<()> {
    remove_leftovers_of(directory, None)
}

/// Writes to a device, a pipe or a socket. Content may seek, and they cannot.
fn write_through(path: &Path, content: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
    let mut spool = tempfile::tempfile()?;
    content(&mut spool)?;
    spool.rewind()?;
    io::copy(&mut spool, &mut OpenOptions::new().write(true).open(path)?).map(|_| ())
}

/// Where a path leads if it is a symbolic link, whether anything is there or not.
fn without_links(path: &Path) -> io::Result<PathBuf> {
    /// As many as Linux follows.
    const MOST_LINKS: usize = 40;
    let mut path = path.to_owned();
    for _ in 0..MOST_LINKS {
        // What cannot be read as a link is none, or is not there.
        let Ok(target) = fs::read_link(&path) else { return Ok(path) };
        path = path.parent().unwrap_or(Path::new("")).join(target);
    }
    Err(io::Error::other("too many levels of symbolic links"))
}

/// A file under construction, locked while its writer lives.
struct Temporary {
    path: PathBuf,
    file: File,
}

impl Temporary {
    /// A new one in the directory of `path`.
    fn beside(path: &Path) -> io::Result<Self> {
        static WRITES: AtomicU64 = AtomicU64::new(0);
        let stem = stem(path);
        let directory = directory(path);
        if directory.is_dir() {
            remove_leftovers_of(directory, Some(&stem))?;
        }
        loop {
            // Process ids repeat where each container counts its own.
            let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |it| it.as_nanos());
            let write = WRITES.fetch_add(1, Ordering::Relaxed);
            let token = format!("{}-{now:x}-{write}", std::process::id());
            let path = path.with_file_name(format!("{stem}.{token}{SUFFIX}"));
            let file = match OpenOptions::new().write(true).create_new(true).open(&path) {
                Ok(file) => file,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                Err(error) => return Err(error),
            };
            // Another writer may take it for a leftover before it is locked.
            if !matches!(file.try_lock(), Err(TryLockError::WouldBlock)) && path.exists() {
                return Ok(Self { path, file });
            }
        }
    }

    fn fill_and_rename(
        &self,
        path: &Path,
        content: impl FnOnce(&mut File) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut file = &self.file;
        content(&mut file.try_clone()?)?;
        file.flush()?;
        file.sync_all()?;
        fs::rename(&self.path, path)?;
        sync_directory(path)
    }
}

const SUFFIX: &str = ".tmp";

/// How the names of a file's temporaries begin; short enough to leave room for what tells them apart.
fn stem(path: &Path) -> String {
    const LONGEST: usize = 180;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let end = name.char_indices().map(|(at, character)| at + character.len_utf8());
    let end = end.take_while(|end| *end <= LONGEST).last().unwrap_or(0);
    format!(".{}", &name[..end])
}

/// Removes those of all files, or of one.
fn remove_leftovers_of(directory: &Path, stem: Option<&str>) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        let is_temporary = name.to_str().is_some_and(|name| is_temporary(name, stem));
        if !is_temporary || !entry.file_type()?.is_file() {
            continue;
        }
        // Whoever is writing it holds the lock; it may also be gone by now.
        let Ok(file) = File::open(entry.path()) else { continue };
        if file.try_lock().is_ok() {
            match fs::remove_file(entry.path()) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
    }
    Ok(())
}

fn is_temporary(name: &str, stem: Option<&str>) -> bool {
    let is_token =
        |token: &str| token.contains('-') && token.bytes().all(|it| it == b'-' || it.is_ascii_hexdigit());
    let parts = name.strip_suffix(SUFFIX).and_then(|it| it.rsplit_once('.'));
    parts.is_some_and(|(own, token)| {
        own.starts_with('.') && is_token(token) && stem.is_none_or(|stem| stem == own)
    })
}

fn directory(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Makes the new name itself survive a power cut.
#[cfg(unix)]
fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(directory(path))?.sync_all()
}

/// Directories cannot be opened as files here; the rename itself is atomic.
#[cfg(not(unix))]
fn sync_directory(_path: &Path) -> io::Result<()> {
    Ok(())
}
