//! Where a run is, or will be.

use std::path::{Path, PathBuf};

use eyas_run::run_dir::{Resumable, find_resumable, find_run_dir, resumable_in};
use eyas_run::{RunDir, RunError};

/// A dated folder below `logs`, or the folder that the user names.
pub struct RunLocation<'a> {
    /// Folder of all runs of a kind.
    pub root: &'a str,
    /// Folder of the experiment below it.
    pub experiment: &'a str,
    /// Suffix of the run's folder.
    pub run_name: &'a str,
    /// `--run_dir`, in place of all of these.
    pub run_dir: Option<&'a Path>,
}

impl RunLocation<'_> {
    /// Makes the folder of a new run.
    pub fn make(&self) -> Result<RunDir, RunError> {
        match self.run_dir {
            Some(path) => RunDir::create_as(path),
            None => RunDir::create(self.root, self.experiment, self.run_name),
        }
    }

    /// The folder of an earlier run.
    pub fn find(&self, run: &str) -> Result<PathBuf, RunError> {
        match self.run_dir {
            Some(path) => Ok(RunDir::open(path)?.path().to_owned()),
            None => find_run_dir(self.experiment_folder(), run),
        }
    }

    /// An earlier run and its last checkpoint; the names of checkpoints begin with `prefix`.
    pub fn find_checkpoint(&self, run: &str, checkpoint: &str, prefix: &str) -> Result<Resumable, RunError> {
        match self.run_dir {
            Some(path) => resumable_in(path, checkpoint, prefix),
            None => find_resumable(self.experiment_folder(), run, checkpoint, prefix),
        }
    }

    /// Whether a run that was found is this location's own.
    pub fn holds(&self, run: &Path) -> bool {
        match self.run_dir {
            Some(path) => run == path,
            None => run.starts_with(self.experiment_folder()),
        }
    }

    fn experiment_folder(&self) -> PathBuf {
        Path::new(self.root).join(self.experiment)
    }
}
