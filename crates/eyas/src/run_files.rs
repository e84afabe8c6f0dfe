//! Names of the files and folders of runs.

use std::path::{Path, PathBuf};

use eyas_formats::atomic;
use eyas_run::events;

use crate::failure::Failure;

/// The model of the best evaluation of a training.
pub const BEST_MODEL: &str = "best_model.pt";
/// The student of the best evaluation of a distillation.
pub const BEST_STUDENT: &str = "best_student.pt";
/// The student of the last epoch.
pub const FINAL_STUDENT: &str = "final_student.pt";
/// What a finished run reached; its presence says that the run, or a fleet's teacher, is done.
pub const RESULT: &str = "result.json";
/// How student and teachers flew at the end of a distillation.
pub const COMPARISON: &str = "comparison.csv";
/// How policies flew under disturbances.
pub const TORTURE: &str = "torture.csv";
/// The lines that the processes of a run have printed.
pub const LOG: &str = "log.txt";
/// The vehicle beside a teacher.
pub const VEHICLE: &str = "vehicle.json";
/// The table of the vehicles of a folder of teachers.
pub const DYNAMICS: &str = "teacher_dynamics.csv";
/// How the folder of a teacher is called, before its number.
pub const FOLDER: &str = "teacher_";

/// Folder of a teacher.
pub fn folder(teacher: usize) -> String {
    format!("{FOLDER}{teacher:04}")
}

/// The best policy of a run, if it has one yet.
pub fn best_policy(run: &Path) -> Option<PathBuf> {
    [BEST_STUDENT, BEST_MODEL, FINAL_STUDENT]
        .map(|name| run.join(name))
        .into_iter()
        .find(|path| path.is_file())
}

/// Tables of a run.
pub const TABLES: [&str; 7] =
    [COMPARISON, "epochs.csv", "test_stats.csv", "teachers.csv", "ranking.csv", TORTURE, DYNAMICS];
/// Texts of a run.
pub const TEXTS: [&str; 5] =
    ["params/env.yaml", "params/agent.yaml", "params/distill.yaml", "params/fleet.yaml", "manifest.json"];

/// Refuses a folder that holds none of the files of a run.
pub fn check_run(folder: &Path) -> Result<(), Failure> {
    let has_any = TABLES.iter().chain(&TEXTS).any(|name| folder.join(name).is_file());
    if has_any || !events::list(folder)?.is_empty() {
        return Ok(());
    }
    Err(Failure::new("not the folder of a run: it holds no curves, tables or configuration")
        .at(&folder.display())
        .hint("give a folder below `logs`, such as logs/distillation/point_ctrl_direct/2025-01-31_14-05-59"))
}

/// Writes a file whole or not at all; an error names it.
pub fn write_file(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    atomic::write(path, bytes)
        .map_err(|error| Failure::new(format!("cannot write: {error}")).at(&path.display()))
}
