//! Files that are either old or new, never half.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;

use tempfile::NamedTempFile;

/// Replaces `path` by `bytes`, so that a crash at any instant leaves the old or the new file.
///
/// The bytes go to a temporary file in the same directory, reach the disk, and take the name in one
/// step; on failure the temporary file is removed.
///
/// # Errors
///
/// The first I/O error; `path` is then unchanged.
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let mut file = new_file_in(directory)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    sync_directory(directory)
}

/// A temporary file with the permissions of an ordinary one: tempfile's own are for the owner only,
/// and a run is often read by others of a group.
fn new_file_in(directory: &Path) -> io::Result<NamedTempFile> {
    tempfile::Builder::new().prefix(".eyas-").make_in(directory, |path| File::create_new(path))
}

/// Makes the new name itself durable; other systems than Unix cannot open a directory.
fn sync_directory(directory: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(directory)?.sync_all() } else { Ok(()) }
}
