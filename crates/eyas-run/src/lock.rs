//! One process at a time in the folder of a run.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

use crate::error::RunError;

/// Name of the file in a run's folder. Its presence without a process says that one was killed.
pub(crate) const FILE: &str = ".eyas.lock";

/// The right to write into the folder of a run, for as long as this lives.
///
/// The kernel holds the lock and gives it back at any death of the process, so that process ids which repeat, as in
/// containers, and leftovers mean nothing; host and process stand in the file for people.
#[derive(Debug)]
pub(crate) struct Lock {
    path: PathBuf,
    file: File,
}

impl Lock {
    /// Takes the lock of a folder.
    ///
    /// # Errors
    ///
    /// [`RunError::InUse`] if another process has it, [`RunError::Io`] if its file cannot be made.
    pub(crate) fn take(folder: &Path) -> Result<Self, RunError> {
        let path = folder.join(FILE);
        let fails = |source| RunError::io("lock", folder)(source);
        loop {
            let file = File::options().read(true).write(true).create(true).truncate(false).open(&path);
            let file = file.map_err(fails)?;
            match file.try_lock() {
                Err(TryLockError::WouldBlock) => {
                    return Err(RunError::InUse { path: folder.to_owned(), holder: holder(&file) });
                }
                // Some network file systems know no locks; a run there is as safe as before there were any.
                Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => {}
                Err(TryLockError::Error(error)) => return Err(fails(error)),
                Ok(()) => {}
            }
            // Who held it may have removed the file after it was opened here.
            if is_at(&file, &path) {
                let lock = Self { path, file };
                lock.sign().map_err(fails)?;
                return Ok(lock);
            }
        }
    }

    /// Who holds the lock of a folder, if anybody does: `process 7 on host`.
    pub(crate) fn holder(folder: &Path) -> Option<String> {
        let file = File::open(folder.join(FILE)).ok()?;
        matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)).then(|| holder(&file))
    }

    fn sign(&self) -> io::Result<()> {
        let host = gethostname::gethostname();
        let mut file = &self.file;
        file.set_len(0)?;
        file.rewind()?;
        write!(file, "process {} on {}", std::process::id(), host.to_string_lossy())
    }
}

impl Drop for Lock {
    /// Leaves no file behind. Should it stay, it is taken over by the next run.
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

fn holder(mut file: &File) -> String {
    /// Longer than any host's name.
    const MOST: u64 = 400;
    let mut text = String::new();
    // Some systems let nobody else read what is locked.
    let read = file.take(MOST).read_to_string(&mut text);
    let _ = file.rewind();
    if read.is_ok() && !text.is_empty() { text } else { "another process".to_owned() }
}

/// Whether a file is still the one of a path.
#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;

    let identity = |it: fs::Metadata| (it.dev(), it.ino());
    let (own, there) = (file.metadata().map(identity), fs::metadata(path).map(identity));
    matches!((own, there), (Ok(own), Ok(there)) if own == there)
}

/// Open files cannot be replaced here.
#[cfg(not(unix))]
fn is_at(_file: &File, path: &Path) -> bool {
    path.exists()
}
