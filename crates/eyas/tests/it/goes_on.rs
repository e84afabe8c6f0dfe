//! An interrupted run goes on and ends with the bytes of one that was never interrupted.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::Command;

use crate::program::{Invocation, TINY, Workspace, assert_in_order};

/// Long enough that its output alone overflows a pipe: it cannot end before it is interrupted.
const LONG: &str = "--n_epochs 400 --num_episodes 4 --epoch_teacher_forcing 200 distill.episode_steps=30 \
                    distill.samples_per_epoch=300 distill.eval_interval=100 distill.eval_episodes=8 \
                    distill.eval_steps=30 distill.final_episodes=8 distill.student.hidden_dims=[8] \
                    distill.save_interval=100";

/// Interrupts a run once it prints `line`; returns its whole output and exit code.
fn interrupt_at(line: &str, invocation: Invocation) -> (String, Option<i32>) {
    let mut child = invocation.spawn();
    let mut output = String::new();
    let mut is_asked = false;
    for next in BufReader::new(child.stdout.take().unwrap()).lines() {
        let next = next.unwrap();
        output += &next;
        output.push('\n');
        if next == line && !is_asked {
            is_asked = true;
            let kill = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
            assert!(kill.success());
        }
    }
    assert!(is_asked, "it never printed `{line}`:\n{output}");
    (output, child.wait().unwrap().code())
}

fn students(run: &Path) -> [Vec<u8>; 2] {
    ["final_student.pt", "best_student.pt"].map(|name| fs::read(run.join(name)).unwrap())
}

#[test]
fn ctrl_c_keeps_the_epoch_and_the_printed_command_goes_on() {
    for more in ["", "--student gru distill.samples_per_epoch=100"] {
        let workspace = Workspace::with_teacher();
        let whole = format!("{LONG} {more} --experiment_name whole");
        workspace.distill(&whole).succeed();

        let parted = format!("{LONG} {more} --experiment_name parted");
        let (output, code) = interrupt_at("Epoch 3/400", workspace.distill(&parted));
        assert_eq!(code, Some(130), "{output}");
        let run = workspace.distillation("parted");
        let name = run.file_name().unwrap().to_string_lossy().into_owned();
        assert_in_order(
            &output,
            &["Checkpoint saved to", "Interrupted after epoch", &format!("--load_run {name}")],
        );
        assert!(!run.join("final_student.pt").exists());

        let said =
            output.lines().find_map(|line| line.strip_prefix("Go on with: the same command and ")).unwrap();
        let stdout = workspace.distill(&format!("{parted} {said}")).succeed();
        assert_in_order(&stdout, &["Loading model checkpoint from", "Training completed!"]);
        assert!(!stdout.contains("\nEpoch 1/400\n"), "it began anew");
        assert!(students(&run) == students(&workspace.distillation("whole")), "`{more}`: the bytes differ");
    }
}

#[test]
fn an_on_policy_run_goes_on_from_any_checkpoint() {
    let workspace = Workspace::with_teacher();
    let arguments = format!("{TINY} --on_policy --experiment_name it distill.save_interval=1");
    workspace.distill(&arguments).succeed();
    let run = workspace.distillation("it");
    let whole = students(&run);
    fs::remove_file(run.join("final_student.pt")).unwrap();
    let stdout =
        workspace.distill(&format!("{arguments} --resume --checkpoint checkpoint_epoch_2.pt")).succeed();
    assert_in_order(&stdout, &["checkpoint_epoch_2.pt", "Epoch 3/4"]);
    assert!(whole == students(&run));
}

#[test]
fn an_off_policy_run_goes_on_only_where_its_data_ends() {
    let workspace = Workspace::with_teacher();
    let arguments = format!("{TINY} --experiment_name it distill.save_interval=1");
    workspace.distill(&arguments).succeed();
    let ended = workspace.distill(&format!("{arguments} --resume --checkpoint checkpoint_epoch_2.pt")).run();
    assert_eq!(ended.code, Some(2));
    assert_in_order(&ended.stderr, &["the dataset is that of epoch 4, the checkpoint of epoch 2", "hint: "]);
}

#[test]
fn an_off_policy_run_does_not_go_on_without_its_data() {
    let workspace = Workspace::with_teacher();
    let arguments = format!("{TINY} --experiment_name it distill.save_interval=2");
    workspace.distill(&arguments).succeed();
    fs::remove_file(workspace.distillation("it").join("dataset.npz")).unwrap();
    let ended = workspace.distill(&format!("{arguments} --resume")).run();
    assert_eq!(ended.code, Some(2));
    assert_in_order(&ended.stderr, &["error: there is no file", "dataset.npz"]);
}

#[test]
fn another_student_cannot_take_over_a_run() {
    let workspace = Workspace::with_teacher();
    workspace.distill(&format!("{TINY} --experiment_name it distill.save_interval=2")).succeed();
    let ended = workspace.distill("--resume --experiment_name it distill.student.hidden_dims=[16]").run();
    assert_eq!(ended.code, Some(2));
    assert_in_order(&ended.stderr, &["another shape", "--> ", "hint: "]);
}
