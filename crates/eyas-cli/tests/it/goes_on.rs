//! An interrupted run goes on and ends with the bytes of one that was never interrupted.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::Command;

use eyas_formats::npy::{self, Array, Data};

use crate::program::{Invocation, TINY, Workspace, assert_in_order, files};

/// Long enough that its output alone overflows a pipe: it cannot end before it is interrupted.
pub(crate) const LONG: &str = "--n_epochs 400 --num_episodes 4 --epoch_teacher_forcing 200 distill.episode_steps=30 \
                    distill.samples_per_epoch=300 distill.eval_interval=100 distill.eval_episodes=8 \
                    distill.eval_steps=30 distill.final_episodes=8 distill.student.hidden_dims=[8] \
                    distill.save_interval=100";

/// Sends a signal to a run once it prints `line`; returns its whole output and exit code.
fn signal_at(signal: &str, line: &str, invocation: Invocation) -> (String, Option<i32>) {
    let mut child = invocation.spawn();
    let mut output = String::new();
    let mut is_asked = false;
    for next in BufReader::new(child.stdout.take().unwrap()).lines() {
        let next = next.unwrap();
        output += &next;
        output.push('\n');
        if next == line && !is_asked {
            is_asked = true;
            let kill = Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
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
        let (output, code) = signal_at("-INT", "Epoch 3/400", workspace.distill(&parted));
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
fn a_killed_run_goes_on_with_or_without_a_checkpoint() {
    let workspace = Workspace::with_teacher();
    workspace.distill(&format!("{LONG} --experiment_name whole")).succeed();
    let whole = students(&workspace.distillation("whole"));
    for (line, said) in
        [("Epoch 3/400", "starts from the beginning"), ("Epoch 150/400", "checkpoint_epoch_100.pt")]
    {
        let name = said.replace(' ', "_");
        let killed = format!("{LONG} --experiment_name {name}");
        let (output, code) = signal_at("-KILL", line, workspace.distill(&killed));
        assert_eq!(code, None, "{output}");
        let stdout = workspace.distill(&format!("{killed} --resume")).succeed();
        assert_in_order(&stdout, &[said, "Training completed!"]);
        assert!(whole == students(&workspace.distillation(&name)), "{line}: the bytes differ");
    }
}

/// The dataset used to have one name, so that the one of a later epoch took the place of what the newest
/// checkpoint needs.
#[test]
fn a_kill_between_dataset_and_checkpoint_loses_nothing() {
    let workspace = Workspace::with_teacher();
    workspace.distill(&format!("{LONG} --experiment_name whole")).succeed();
    let parted = format!("{LONG} --experiment_name parted");
    signal_at("-INT", "Epoch 3/400", workspace.distill(&parted));
    let run = workspace.distillation("parted");
    let dataset = files(&run).into_iter().find(|it| it.starts_with("dataset_epoch_")).unwrap();
    for left_behind in ["dataset_epoch_399.npz", ".dataset_epoch_398.npz.1-0.tmp"] {
        fs::copy(run.join(&dataset), run.join(left_behind)).unwrap();
    }
    workspace.distill(&format!("{parted} --resume")).succeed();
    assert!(students(&run) == students(&workspace.distillation("whole")), "the bytes differ");
    assert_eq!(datasets(&run), [""; 0], "what nobody needs is gone");
}

/// Names of the datasets in a run, half written ones too.
fn datasets(run: &Path) -> Vec<String> {
    files(run).into_iter().filter(|it| it.contains("dataset_epoch_")).collect()
}

#[test]
fn a_finished_run_keeps_its_dataset_where_that_is_asked_for_and_goes_on_with_it() {
    let workspace = Workspace::with_teacher();
    let distill = |run: &str, more: &str| workspace.distill(&format!("{TINY} --run_dir {run} {more}"));
    let content = |run: &str| {
        let path = workspace.path(run);
        let names = files(&path).into_iter();
        names.map(|name| (fs::read(path.join(&name)).unwrap(), name)).collect::<Vec<_>>()
    };
    // Checkpoints that fall together with the end, and some that do not; the end has one in any case.
    for interval in [2, 3, 10] {
        let [kept, dropped] = ["kept", "dropped"].map(|name| format!("{name}_{interval}"));
        let save = format!("distill.save_interval={interval}");
        distill(&kept, &format!("{save} --keep_dataset")).succeed();
        distill(&dropped, &save).succeed();
        assert_eq!(datasets(&workspace.path(&kept)), ["dataset_epoch_4.npz"]);
        assert_eq!(datasets(&workspace.path(&dropped)), [""; 0]);
        assert!(students(&workspace.path(&kept)) == students(&workspace.path(&dropped)));

        // Either is finished, as it was.
        for run in [&kept, &dropped] {
            let before = content(run);
            let stdout = workspace.distill(&format!("--resume --run_dir {run}")).succeed();
            assert_in_order(&stdout, &["The run is complete: all 4 epochs are done"]);
            assert!(content(run) == before, "something was written");
        }
        let stdout = workspace.distill(&format!("--resume --run_dir {kept} --n_epochs 6")).succeed();
        assert_in_order(&stdout, &["checkpoint_epoch_4.pt", "Epoch 5/6", "Epoch 6/6", "Training completed!"]);
        assert!(!datasets(&workspace.path(&kept)).is_empty(), "a run keeps its settings");
        let before = content(&dropped);
        let more = format!("--resume --run_dir {dropped} --n_epochs 6");
        workspace.distill(&more).fail_with(&[
            "error: the run keeps no dataset, without which learning off-policy cannot go on from epoch 4",
            &format!("--> {dropped}"),
            "hint: begin anew without `--resume`; `--keep_dataset` keeps",
        ]);
        assert!(content(&dropped) == before, "something was written");
    }
}

#[test]
fn a_dataset_of_another_width_is_refused() {
    let workspace = Workspace::with_teacher();
    let arguments = format!("{TINY} --experiment_name it distill.save_interval=4 --keep_dataset");
    workspace.distill(&arguments).succeed();
    let path = workspace.distillation("it").join("dataset_epoch_4.npz");
    let arrays = npy::read_npz(&path).unwrap();
    let refused = |damage: &dyn Fn(&str, &mut Vec<i64>), expected: &str| {
        let damaged: Vec<(String, Array)> = arrays
            .iter()
            .map(|(name, array)| match array.data() {
                Data::I64(values) => {
                    let mut values = values.clone();
                    damage(name, &mut values);
                    (name.clone(), Array::new(&[values.len()], Data::I64(values)))
                }
                _ => (name.clone(), array.clone()),
            })
            .collect();
        let named: Vec<(&str, &Array)> = damaged.iter().map(|(name, array)| (name.as_str(), array)).collect();
        npy::write_npz(&path, &named).unwrap();
        let more = arguments.replace("--n_epochs 4", "--n_epochs 6 --resume");
        let ended = workspace.distill(&more).run();
        assert_eq!(ended.code, Some(2), "{}", ended.stderr);
        assert_in_order(&ended.stderr, &["error: the dataset does not fit", expected, "--> ", "hint: "]);
    };
    let set = |key: &'static str, value: i64| {
        move |name: &str, values: &mut Vec<i64>| {
            if name == key {
                values[0] = value;
            }
        }
    };
    refused(&set("width", 29), "its records are 29 numbers wide, expected 30");
    refused(&set("width", 0), "its records are 0 numbers wide, expected 30");
    refused(&set("numbers", -30), "are not the records of its episodes");
    refused(&set("numbers", 31), "are not the records of its episodes");
    refused(&set("keys", -1), "a key is no 32-bit number");
    refused(&set("seen_and_epoch", -1), "it has seen -1 episodes");
    let shorter = |name: &str, values: &mut Vec<i64>| {
        if name == "crashed" {
            values.pop();
        }
    };
    refused(&shorter, "its arrays disagree on the number of episodes");
}

#[test]
fn an_on_policy_run_goes_on_from_any_checkpoint() {
    let workspace = Workspace::with_teacher();
    let arguments = format!("{TINY} --on_policy --experiment_name it distill.save_interval=1");
    workspace.distill(&arguments).succeed();
    let run = workspace.distillation("it");
    let whole = students(&run);
    let stdout =
        workspace.distill(&format!("{arguments} --resume --checkpoint checkpoint_epoch_2.pt")).succeed();
    assert_in_order(&stdout, &["checkpoint_epoch_2.pt", "Epoch 3/4"]);
    assert!(whole == students(&run));
}

#[test]
fn an_off_policy_run_goes_on_only_where_its_data_ends() {
    let workspace = Workspace::with_teacher();
    let arguments = format!("{TINY} --experiment_name it distill.save_interval=1 --keep_dataset");
    workspace.distill(&arguments).succeed();
    let ended = workspace.distill(&format!("{arguments} --resume --checkpoint checkpoint_epoch_2.pt")).run();
    assert_eq!(ended.code, Some(2));
    assert_in_order(
        &ended.stderr,
        &["the checkpoint of epoch 2 has no dataset beside it", "dataset_epoch_2.npz", "hint: "],
    );
}

#[test]
fn another_student_cannot_take_over_a_run() {
    let workspace = Workspace::with_teacher();
    workspace.distill(&format!("{TINY} --experiment_name it distill.save_interval=2")).succeed();
    let ended = workspace.distill("--resume --experiment_name it distill.student.hidden_dims=[16]").run();
    assert_eq!(ended.code, Some(2));
    assert_in_order(
        &ended.stderr,
        &[
            "not of these settings",
            "`distill.student.hidden_dims` = [16], the file has [32, 32]",
            "--> ",
            "hint: ",
        ],
    );
}

#[test]
fn a_second_process_in_a_run_is_refused_and_leaves_the_first_alone() {
    let workspace = Workspace::with_teacher();
    let command = format!("{LONG} --run_dir it");
    let mut first = workspace.distill(&command).spawn();
    let mut lines = BufReader::new(first.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.any(|line| line == "Epoch 3/400"));
    for second in [format!("{command} --resume"), command.clone()] {
        workspace.distill(&second).fail_with(&["error: `it` is in use by process ", " on ", "hint: "]);
    }
    first.kill().unwrap();
    first.wait().unwrap();
    let stdout = workspace.distill(&format!("{command} --resume")).succeed();
    assert!(stdout.contains("Training completed!"), "the lock of a killed process is free: {stdout}");
    let finished = workspace.distill(&format!("{command} --resume")).succeed();
    assert_in_order(&finished, &["The run is complete: all 400 epochs are done", "Fly it: "]);
    workspace.distill("--resume --run_dir it --n_epochs 10").fail_with(&[
        "error: the checkpoint has done 400 epochs, and `distill.n_epochs` = 10 counts them all",
        "hint: give more with `--n_epochs`",
    ]);
}

/// Cases of `--resume` in a folder of runs that Isaac Lab keeps: its last run used to get the settings of Eyas.
#[test]
fn a_run_of_isaac_lab_is_read_and_a_run_of_its_own_begins() {
    let it = Workspace::empty();
    let train = "train --task Isaac-Quadcopter-Point-Ctrl-v0 --algorithm ppo --num_envs 32 agent.num_steps_per_env=8 \
                 agent.algorithm.num_mini_batches=1 --experiment_name lab";
    it.eyas(&format!("{train} --max_iterations 2 --seed 7 agent.algorithm.gamma=0.9")).succeed();
    let theirs = it.runs("rsl_rl", "lab").pop().unwrap();
    fs::remove_file(theirs.join("manifest.json")).unwrap();
    let content = || {
        let names = files(&theirs);
        names.into_iter().map(|name| (fs::read(theirs.join(&name)).unwrap(), name)).collect::<Vec<_>>()
    };
    let before = content();
    let stdout = it.eyas(&format!("{train} --max_iterations 3 --resume")).succeed();
    assert_in_order(&stdout, &["model_2.pt", "Eyas did not write ", "Learning iteration 3/3"]);
    assert!(content() == before, "their run was written to");
    assert_eq!(it.runs("rsl_rl", "lab").len(), 2);
}

#[test]
fn a_run_keeps_the_settings_of_its_first_command_line() {
    let it = Workspace::empty();
    let train = "train --task Isaac-Quadcopter-Point-Ctrl-v0 --num_envs 32 --run_dir it";
    let first = "--algorithm ppo --preset foundation agent.num_steps_per_env=8 agent.algorithm.num_mini_batches=1 \
                 agent.algorithm.gamma=0.9 --seed -1 --max_iterations 2";
    it.eyas(&format!("{train} {first}")).succeed();
    let seed =
        |cfg: &str| cfg.lines().find(|line| line.trim_start().starts_with("seed:")).unwrap().to_owned();
    let drawn = seed(&fs::read_to_string(it.path("it/params/agent.yaml")).unwrap());
    let cfg = it.eyas(&format!("{train} --resume --seed -1 --cfg job --package agent")).succeed();
    assert_eq!(seed(&cfg).trim(), drawn, "the seed that was drawn is kept");
    let stdout = it.eyas(&format!("{train} --resume --seed -1 --max_iterations 3")).succeed();
    assert_in_order(
        &stdout,
        &[
            "Changed from iteration 2 on: agent.max_iterations: 2 → 3 (flag `--max_iterations`)",
            "iteration 3/3",
        ],
    );
    assert!(!stdout.contains("gamma"), "{stdout}");
    for (other, said) in [
        ("--preset eyas", "`--preset eyas`: the run that goes on was begun with other settings: `env."),
        ("--algorithm apg", "`--algorithm apg`: the run that goes on learns with another one"),
    ] {
        it.eyas(&format!("{train} --resume {other}")).fail_with(&[
            said,
            "--> it",
            "hint: leave the flag out",
        ]);
    }
    let other = train.replace("Point-Ctrl", "Direct");
    it.eyas(&format!("{other} --resume"))
        .fail_with(&["is of task `Isaac-Quadcopter-Point-Ctrl-v0`", "hint: give `--task"]);
}
