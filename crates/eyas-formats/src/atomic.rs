//! Files that are either complete or absent.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::FormatError;

/// Replaces `path` by `bytes`, so that a reader, or a crash at any instant, sees the old file or the new one
/// and nothing between.
///
/// The bytes go to a temporary file in the same directory, reach the disk, and take the name in one step.
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
    let temporary = temporary_sibling(path);
    let written = write_and_rename(&temporary, path, content);
    if written.is_err() {
        // The first failure is the one to report; a temporary file that cannot be removed is only litter.
        let _ = fs::remove_file(&temporary);
    }
    written
}

/// [`write()`] with the path in the error.
pub(crate) fn write_file(path: &Path, bytes: &[u8]) -> Result<(), FormatError> {
    write(path, bytes).map_err(|source| FormatError::Write { path: path.to_owned(), source })
}

/// A name that no other writer uses: process id and a counter.
fn temporary_sibling(path: &Path) -> PathBuf {
    static WRITES: AtomicU64 = AtomicU64::new(0);
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let write = WRITES.fetch_add(1, Ordering::Relaxed);
    path.with_file_name(format!(".{name}.{}-{write}.tmp", std::process::id()))
}

fn write_and_rename(
    temporary: &Path,
    path: &Path,
    content: impl FnOnce(&mut File) -> io::Result<()>,
) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).open(temporary)?;
    content(&mut file)?;
    file.sync_all()?;
    drop(file);
    fs::rename(temporary, path)?;
    sync_directory(path)
}

/// Makes the new name itself survive a power cut.
#[cfg(unix)]
fn sync_directory(path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(parent)?.sync_all()
}

/// Directories cannot be opened as files here; the rename itself is atomic.
#[cfg(not(unix))]
fn sync_directory(_path: &Path) -> io::Result<()> {
    Ok(())
}
