//! The whole road on real input: the release binary distils a teacher that PPO trained on this task, and the
//! student flies as well as it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use crate::{Outcome, cargo, require};

const TASK: &str = "Isaac-Quadcopter-Point-Ctrl-v0";

/// The shipped teacher, else the one that the tests of the formats read.
const TEACHERS: [&str; 2] =
    ["assets/teachers/point_ctrl.pt", "crates/eyas-formats/tests/data/point_ctrl_rsl_rl_5.5.1/model_best.pt"];

/// A smaller student, fewer epochs and a higher rate than the defaults: 8 s on two cores.
const SETTINGS: [&str; 13] = [
    "--n_epochs",
    "30",
    "--epoch_teacher_forcing",
    "10",
    "--num_episodes",
    "64",
    "--learning_rate",
    "1e-3",
    "distill.samples_per_epoch=80000",
    "distill.student.hidden_dims=[128,128]",
    "distill.eval_interval=10",
    "distill.final_episodes=256",
    "--quiet",
];

/// Return over 1,000 episodes of 1,000 steps. The second teacher reaches 1,236 ± 16 (95 %) there, and runs
/// repeat to the byte; 97 % of it leaves room for a change of the arithmetic, none for a student that crashes.
const REQUIRED_RETURN: &str = "1200";

pub(crate) fn check(root: &Path) -> Outcome {
    let teacher = TEACHERS.iter().map(|path| root.join(path)).find(|path| path.is_file());
    let teacher =
        teacher.ok_or_else(|| format!("  there is no teacher: neither {}", TEACHERS.join(" nor ")))?;
    let folder = env::temp_dir().join(format!("eyas-road-{}", std::process::id()));
    fs::create_dir_all(&folder).map_err(|error| format!("  cannot make {}: {error}", folder.display()))?;
    // What it wrote stays where a step failed.
    drive(root, &teacher, &folder).map_err(|message| format!("{message}\n  see {}", folder.display()))?;
    fs::remove_dir_all(&folder).map_err(|error| format!("  cannot remove {}: {error}", folder.display()))
}

fn drive(root: &Path, teacher: &Path, folder: &Path) -> Outcome {
    require(&mut cargo(root, &["build", "--release", "--package", "eyas"]))?;
    require(eyas(root, folder, "distill").args(["--teacher_checkpoint"]).arg(teacher).args(SETTINGS))?;
    let student = find_student(folder)?;
    require(eyas(root, folder, "eval").arg("--checkpoint").arg(&student).args([
        "--episodes",
        "1000",
        "--steps",
        "1000",
        "--require_return",
        REQUIRED_RETURN,
    ]))?;
    require(eyas(root, folder, "play").arg("--checkpoint").arg(&student).args([
        "--max_steps",
        "1500",
        "--quiet",
    ]))
}

/// The release binary as a user starts it, in another folder.
fn eyas(root: &Path, folder: &Path, subcommand: &str) -> Command {
    let mut command = cargo(folder, &["run", "--quiet", "--release", "--package", "eyas", "--manifest-path"]);
    command.arg(root.join("Cargo.toml")).args(["--", subcommand, "--task", TASK]);
    command
}

fn find_student(folder: &Path) -> Result<PathBuf, String> {
    let runs = folder.join("logs/distillation/point_ctrl_direct");
    let entries =
        fs::read_dir(&runs).map_err(|error| format!("  cannot list {}: {error}", runs.display()))?;
    let mut students = entries.flatten().map(|entry| entry.path().join("best_student.pt"));
    students
        .find(|path| path.is_file())
        .ok_or_else(|| format!("  no best_student.pt below {}", runs.display()))
}
