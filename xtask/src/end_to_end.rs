//! From end to end on real input: the release binary distils a teacher of the point task, the student flies as well
//! as it, and a teacher of another vehicle is trained from nothing.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use crate::{Outcome, Tally, cargo, require};

const TASK: &str = "Isaac-Quadcopter-Point-Ctrl-v0";
const RAPTOR_TASK: &str = "Eyas-Raptor-v0";

/// What a teacher of the X500 must reach after a third of its training, under RAPTOR's own protocol, where the
/// teachers of the C++ system reach 648.6 on average; it reaches 659.
const RAPTOR_RETURN: &str = "600";

/// The shipped teacher, else the one that the tests of the formats read, and the return that a student of it must
/// reach over 1,000 episodes of 1,000 steps.
///
/// The teachers themselves reach 1,302 and 1,236 there, ± 16 (95 %). Runs repeat to the byte: a margin of 3 % leaves
/// room for a change of the arithmetic, and none for a student that crashes.
const TEACHERS: [(&str, &str); 2] = [
    ("assets/teachers/point_ctrl.pt", "1260"),
    ("crates/eyas-formats/tests/data/point_ctrl_rsl_rl_5.5.1/model_best.pt", "1200"),
];

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

pub(crate) fn check(root: &Path) -> Outcome {
    let mut here = TEACHERS.iter().map(|(path, required)| (root.join(path), *required));
    let (teacher, required) = here.find(|(path, _)| path.is_file()).ok_or("  there is no teacher")?;
    let folder = env::temp_dir().join(format!("eyas-end-to-end-{}", std::process::id()));
    fs::create_dir_all(&folder).map_err(|error| format!("  cannot make {}: {error}", folder.display()))?;
    // What it wrote stays where a step failed.
    drive(root, &teacher, required, &folder)
        .map_err(|message| format!("{message}\n  see {}", folder.display()))?;
    fs::remove_dir_all(&folder)
        .map_err(|error| format!("  cannot remove {}: {error}", folder.display()))
        .map(|()| Tally::one())
}

fn drive(root: &Path, teacher: &Path, required: &str, folder: &Path) -> Result<(), String> {
    require(&mut cargo(root, &["build", "--release", "--package", "eyas-cli"]))?;
    require(eyas(root, folder, "distill", TASK).arg("--teacher_checkpoint").arg(teacher).args(SETTINGS))?;
    let student = find(&folder.join("logs/distillation/point_ctrl_direct"), "best_student.pt")?;
    let eval = ["--episodes", "1000", "--steps", "1000", "--require_return", required, "--checkpoint"];
    require(eyas(root, folder, "eval", TASK).args(eval).arg(&student))?;
    require(
        eyas(root, folder, "play", TASK)
            .args(["--max_steps", "1500", "--quiet", "--checkpoint"])
            .arg(&student),
    )?;
    let vehicle = ["--vehicle", "x500"];
    require(eyas(root, folder, "train", RAPTOR_TASK).args(vehicle).args([
        "--max_iterations",
        "350",
        "--quiet",
    ]))?;
    let teacher = find(&folder.join("logs/rsl_rl/raptor"), "best_model.pt")?;
    let eval = ["env.protocol=raptor", "--require_return", RAPTOR_RETURN, "--checkpoint"];
    require(eyas(root, folder, "eval", RAPTOR_TASK).args(vehicle).args(eval).arg(&teacher))
}

/// The release binary as a user starts it, in another folder.
fn eyas(root: &Path, folder: &Path, subcommand: &str, task: &str) -> Command {
    let mut command =
        cargo(folder, &["run", "--quiet", "--release", "--package", "eyas-cli", "--manifest-path"]);
    command.arg(root.join("Cargo.toml")).args(["--", subcommand, "--task", task]);
    command
}

/// A file of the only run in a folder.
fn find(runs: &Path, name: &str) -> Result<PathBuf, String> {
    let entries = fs::read_dir(runs).map_err(|error| format!("  cannot list {}: {error}", runs.display()))?;
    let mut found = entries.flatten().map(|entry| entry.path().join(name));
    found.find(|path| path.is_file()).ok_or_else(|| format!("  no {name} below {}", runs.display()))
}
