//! `--tui` shows a run in a terminal, changes nothing of it, and gives the terminal back.

use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};

use crate::program::{TASK, TINY, Workspace};

/// Leaving the second page of a terminal.
const GIVEN_BACK: &str = "\u{1b}[?1049l";

/// Whether util-linux' `script`, which opens a pseudo-terminal, is there.
fn has_script() -> bool {
    let said = Command::new("script").arg("--version").output();
    let has_it = said.is_ok_and(|it| String::from_utf8_lossy(&it.stdout).contains("util-linux"));
    if !has_it {
        eyas_testing::skip("`script` of util-linux");
    }
    has_it
}

/// Runs `eyas` in a pseudo-terminal of 120 x 40 and presses keys; returns the exit code and all that was written.
fn in_a_terminal(workspace: &Workspace, arguments: &str, keys: &str) -> (Option<i32>, String) {
    let command = format!("stty cols 120 rows 40; exec {} {arguments}", env!("CARGO_BIN_EXE_eyas"));
    let mut child = Command::new("script")
        .args(["--quiet", "--return", "--command", &command, "/dev/null"])
        .current_dir(workspace.path(""))
        .env("TERM", "xterm-256color")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(keys.as_bytes()).unwrap();
    stdin.flush().unwrap();
    let output = child.wait_with_output().unwrap();
    drop(stdin);
    (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn a_dashboard_changes_no_student_and_ends_with_the_table() {
    if !has_script() {
        return;
    }
    let (plain, shown) = (Workspace::with_teacher(), Workspace::with_teacher());
    let settings = format!("{TINY} --experiment_name it --num_envs 8");
    plain.distill(&settings).succeed();
    let distill = format!("distill {TASK} --teacher_checkpoint teacher/model_best.pt {settings} --tui");
    let (code, said) = in_a_terminal(&shown, &distill, "");
    assert_eq!(code, Some(0), "{said}");
    let (picture, after) = said.rsplit_once(GIVEN_BACK).expect("the terminal was given back");
    assert!(picture.contains("eyas distill"), "{picture}");
    assert!(after.contains("Training completed!") && after.contains("best student, all"), "{after}");
    let student =
        |workspace: &Workspace| fs::read(workspace.distillation("it").join("final_student.pt")).unwrap();
    assert!(student(&plain) == student(&shown), "the dashboard changed the student");
}

#[test]
fn q_writes_a_checkpoint_and_stops() {
    if !has_script() {
        return;
    }
    let workspace = Workspace::empty();
    let settings =
        "--max_iterations 100000 --num_envs 32 --experiment_name it agent.algorithm.window_steps=20";
    let (code, said) = in_a_terminal(&workspace, &format!("train {TASK} {settings} --tui"), "q");
    assert_eq!(code, Some(130), "{said}");
    let (_, after) = said.rsplit_once(GIVEN_BACK).expect("the terminal was given back");
    assert!(after.contains("Interrupted after iteration") && after.contains("--resume"), "{after}");
    let run = workspace.runs("rsl_rl", "it").remove(0);
    let models = fs::read_dir(run).unwrap().flatten().map(|it| it.file_name().into_string().unwrap());
    assert!(models.into_iter().any(|name| name.starts_with("model_")));
}

#[test]
fn without_a_terminal_it_is_an_error() {
    let workspace = Workspace::with_teacher();
    let parts = ["`--tui`: stdin and stdout are not both a terminal", "hint: leave the flag out"];
    workspace.distill(&format!("{TINY} --tui")).fail_with(&parts);
    workspace.eyas(&format!("train {TASK} --tui")).fail_with(&parts);
    assert!(!workspace.path("logs").exists());
}
