//! Names of the files and folders of runs.

use std::path::{Path, PathBuf};

/// The model of the best evaluation of a training.
pub(crate) const BEST_MODEL: &str = "best_model.pt";
/// The student of the best evaluation of a distillation.
pub(crate) const BEST_STUDENT: &str = "best_student.pt";
/// The student of the last epoch.
pub(crate) const FINAL_STUDENT: &str = "final_student.pt";
/// What a finished run reached; its presence says that the run, or a fleet's teacher, is done.
pub(crate) const RESULT: &str = "result.json";
/// How student and teachers flew at the end of a distillation.
pub(crate) const COMPARISON: &str = "comparison.csv";
/// The vehicle beside a teacher.
pub(crate) const VEHICLE: &str = "vehicle.json";
/// The table of the vehicles of a folder of teachers.
pub(crate) const DYNAMICS: &str = "teacher_dynamics.csv";
/// How the folder of a teacher is called, before its number.
pub(crate) const FOLDER: &str = "teacher_";

/// Folder of a teacher.
pub(crate) fn folder(teacher: usize) -> String {
    format!("{FOLDER}{teacher:04}")
}

/// The best policy of a run, if it has one yet.
pub(crate) fn best_policy(run: &Path) -> Option<PathBuf> {
    [BEST_STUDENT, BEST_MODEL, FINAL_STUDENT]
        .map(|name| run.join(name))
        .into_iter()
        .find(|path| path.is_file())
}
