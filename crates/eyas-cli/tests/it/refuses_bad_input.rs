//! A mistake ends with exit code 2, one message that says what, where and what to do, and no run directory.

use std::fs;

use crate::program::{Invocation, TASK, TINY, Workspace, assert_in_order, data};

/// The run fails with these lines and leaves no `logs` behind.
#[track_caller]
fn refused(workspace: &Workspace, invocation: Invocation, lines: &[&str]) {
    invocation.fail_with(lines);
    assert!(!workspace.path("logs").exists(), "a run directory was made");
}

#[test]
fn a_misspelled_flag_is_answered_with_the_right_one() {
    let it = Workspace::with_teacher();
    refused(&it, it.distill("--n_epoch 3"), &["unexpected argument '--n_epoch'", "'--n_epochs'"]);
    refused(&it, it.eyas("distil"), &["unrecognized subcommand 'distil'", "'distill'"]);
    let lines = ["required arguments were not provided", "--teacher_checkpoint <FILE>"];
    refused(&it, it.eyas(&format!("distill {TASK}")), &lines);
}

#[test]
fn an_unknown_task_is_answered_with_the_known_ones() {
    let it = Workspace::with_teacher();
    let run = it.eyas("distill --task Isaac-Quadcopter-Pont --teacher_checkpoint teacher/model_best.pt");
    let lines =
        ["error: unknown task `Isaac-Quadcopter-Pont`, known: Isaac-Quadcopter-Point-Ctrl-v0", "hint: "];
    refused(&it, run, &lines);
    refused(&it, it.eyas("task show x"), &["error: unknown task `x`", "hint: "]);
}

#[test]
fn an_unknown_key_is_answered_with_the_nearest_one() {
    let it = Workspace::with_teacher();
    refused(
        &it,
        it.distill("distill.n_epoch=3"),
        &[
            "error: unknown key `n_epoch` under `distill`",
            "--> override `distill.n_epoch=3`",
            "hint: did you mean `distill.n_epochs`?",
        ],
    );
    let lines = ["error: unknown key `num_envs`", "hint: did you mean `env.scene.num_envs`?"];
    refused(&it, it.distill("num_envs=3"), &lines);
}

#[test]
fn a_value_of_another_type_is_named_with_its_place() {
    let it = Workspace::with_teacher();
    refused(
        &it,
        it.distill("distill.n_epochs=many"),
        &[
            "error: `distill.n_epochs` = many: expected an integer, at least 1, found a string",
            "--> override",
        ],
    );
    let lines = ["expected an integer, at least 1, found a float", "hint: ", "`distill.n_epochs=1000`"];
    refused(&it, it.distill("distill.n_epochs=1e3"), &lines);
    fs::write(it.path("wrong.yaml"), "distill:\n  n_epochs: many\n").unwrap();
    refused(&it, it.distill("--config wrong.yaml"), &["`distill.n_epochs`", "--> wrong.yaml:2"]);
}

#[test]
fn a_value_out_of_range_is_named_with_its_range() {
    let it = Workspace::with_teacher();
    let lines = ["error: `distill.num_episodes` = 0, expected at least 1", "--> flag `--num_episodes`"];
    refused(&it, it.distill("--num_episodes 0"), &lines);
    refused(&it, it.distill("--n_epochs 0"), &["`distill.n_epochs` = 0, expected at least 1"]);
    refused(&it, it.distill("env.scene.num_envs=0"), &["`env.scene.num_envs` = 0, expected at least 1"]);
    for (key, most) in [
        ("env.sim.substeps", 100_000),
        ("env.decimation", 1000),
        ("distill.teachers.admission_episodes", 4_194_304),
        ("distill.teachers.teacher_student_mix", 65_536),
    ] {
        let lines = [format!("`{key}` = 4294967295, expected at most {most}")];
        refused(&it, it.distill(&format!("{key}=4294967295")), &lines.each_ref().map(String::as_str));
    }
    refused(&it, it.distill("--seed -5"), &["`--seed` is -5"]);
    refused(&it, it.distill("--max_memory lots"), &["`--max_memory lots`", "512M"]);
    refused(&it, it.distill("--sequence_length 8"), &["`distill.sequence_length` = 8", "--student gru"]);
    let policy = format!("{TASK} --checkpoint teacher/model_best.pt");
    refused(&it, it.eyas(&format!("eval {policy} --episodes 0")), &["`--episodes`", "at least 1"]);
    refused(
        &it,
        it.eyas(&format!("eval {policy} --num_envs 3")),
        &["`--num_envs`", "hint: give `--episodes N`"],
    );
    refused(&it, it.eyas(&format!("play {policy} --max_steps 0")), &["`--max_steps` is 0"]);
    let lines = ["`--trajectory spiral`", "hover, langevin, circle", "figure8"];
    refused(&it, it.eyas(&format!("play {policy} --trajectory spiral")), &lines);
    refused(&it, it.eyas("--threads 0 task list"), &["`--threads` is 0"]);
}

#[test]
fn the_device_that_computes_is_found() {
    let it = Workspace::with_teacher();
    for auto in ["--device auto", "sim.device=auto agent.device=auto"] {
        let shown =
            it.eyas(&format!("train --task Isaac-Quadcopter-Point-Ctrl-v0 {auto} --cfg job")).succeed();
        assert_eq!(shown.lines().filter(|line| line.trim() == "device: cpu").count(), 2, "{shown}");
        // A distillation takes a GPU to fit its student, where there is one.
        let shown = it.distill(&format!("{auto} --cfg job")).succeed();
        let devices: Vec<&str> =
            shown.lines().filter_map(|line| line.trim().strip_prefix("device: ")).collect();
        assert!(
            devices.contains(&"cpu") && devices.iter().all(|it| ["cpu", "cuda:0"].contains(it)),
            "{shown}"
        );
    }
}

#[test]
fn what_this_version_cannot_do_is_refused_by_name() {
    let it = Workspace::with_teacher();
    refused(&it, it.distill("--logger wandb"), &["`--logger wandb`", "TensorBoard", "hint: "]);
    for (said, place) in [
        ("--device cuda:0", "--> flag `--device`"),
        ("sim.device=cuda:0", "--> override `sim.device=cuda:0`"),
        ("env.sim.device=cuda:0", "--> override `env.sim.device=cuda:0`"),
        ("agent.device=cuda:0", "--> override `agent.device=cuda:0`"),
    ] {
        let parts = ["\"cuda:0\", expected \"cpu\" or \"auto\"", place, "hint: give `--device auto`"];
        refused(&it, it.eyas(&format!("train --task Isaac-Quadcopter-Point-Ctrl-v0 {said}")), &parts);
        if said.contains("sim") {
            refused(&it, it.distill(said), &parts);
        }
    }
    // A GPU that computes has to be there.
    let parts = ["expected \"cpu\", \"auto\" or \"cuda:0\"", "--> flag `--device`"];
    refused(&it, it.distill("--device gpu"), &parts);
    refused(
        &it,
        it.distill("--device cuda:999"),
        &["`agent.device`: ", "hint: `--device auto` takes a GPU only where"],
    );
    let eval = format!("eval {TASK} --checkpoint teacher/model_best.pt --device");
    refused(&it, it.eyas(&format!("{eval} gpu")), &parts);
    let parts = ["`agent.device`: ", "hint: `--device auto` takes a GPU only where"];
    refused(&it, it.eyas(&format!("{eval} cuda:999")), &parts);
    it.eyas(&format!("{eval} auto --episodes 2 --steps 5")).succeed();
    refused(&it, it.distill("--init_noise_std 0.5"), &["`--init_noise_std`", "hint: "]);
    for flag in ["--enable_cameras", "--livestream 2", "--kit_args x"] {
        let name = flag.split(' ').next().unwrap();
        refused(&it, it.distill(flag), &[&format!("`{name}` is for the app of Isaac Sim"), "hint: "]);
    }
}

#[test]
fn commands_written_for_isaac_lab_need_no_change() {
    let it = Workspace::with_teacher();
    it.distill(&format!("{TINY} --headless --livestream 0 --device cpu --logger tensorboard --resume false"))
        .succeed();
}

#[test]
fn a_missing_teacher_is_a_missing_file() {
    let it = Workspace::empty();
    let run = it.eyas(&format!("distill {TASK} --teacher_checkpoint nowhere.pt"));
    refused(&it, run, &["error: there is no file `nowhere.pt`"]);
    refused(&it, it.eyas("inspect nowhere.pt"), &["error: there is no file `nowhere.pt`"]);
}

#[test]
fn a_truncated_teacher_is_named_as_such_at_every_length() {
    let it = Workspace::with_teacher();
    let whole = fs::read(it.path("teacher/model_best.pt")).unwrap();
    for length in [4, 100, 5_000, whole.len() / 2, whole.len() - 1] {
        fs::write(it.path("teacher/model_best.pt"), &whole[..length]).unwrap();
        let lines =
            ["error: `teacher/model_best.pt`", &format!("{length} bytes"), "hint: the file was cut short"];
        let ended = it.distill(TINY).run();
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{length}: {}", ended.stderr);
        for line in lines {
            assert!(ended.stderr.contains(line), "{length}: no `{line}` in\n{}", ended.stderr);
        }
    }
}

#[test]
fn a_cut_or_foreign_hdf5_file_is_refused() {
    let it = Workspace::empty();
    let whole = fs::read(data("made_rltools_sac.h5")).unwrap();
    for length in [8, 20, 100, 5_000, whole.len() - 1] {
        fs::write(it.path("checkpoint.h5"), &whole[..length]).unwrap();
        let ended = it.eyas("inspect checkpoint.h5").run();
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{length}: {}", ended.stderr);
        for line in ["error: `checkpoint.h5` ", "hint: "] {
            assert!(ended.stderr.contains(line), "{length}: no `{line}` in\n{}", ended.stderr);
        }
    }
    for (name, lines) in [
        ("made_hdf5_other.h5", ["it holds `model_weights`, `optimizer_weights`", "hint: readable are"]),
        ("made_hdf5_chunked.h5", ["it is compressed or filtered (object `frames`)", "hint: HDF5 is read as"]),
        ("made_rltools_fast_tanh.h5", ["ends in FAST_TANH", "hint: tanh differs from it by up to 0.024"]),
        ("made_rltools_learnt_state.h5", ["begins an episode with a learnt state", "hint: train with"]),
    ] {
        let run = it.eyas(&format!("distill {TASK} --teacher_checkpoint")).arg(data(name));
        refused(&it, run, &lines);
    }
}

#[test]
fn a_file_that_is_no_checkpoint_is_named_as_what_it_is() {
    let it = Workspace::empty();
    let cases: [(&str, &[u8], &str); 5] = [
        ("empty.pt", b"", "an empty file"),
        ("page.pt", b"<!DOCTYPE html><html>", "an HTML page"),
        ("config.pt", b"{\"a\": 1}", "a JSON text"),
        ("lfs.pt", b"version https://git-lfs.github.com/spec/v1", "a Git LFS pointer"),
        ("text.pt", b"hello", "no checkpoint"),
    ];
    for (name, bytes, what) in cases {
        fs::write(it.path(name), bytes).unwrap();
        let run = it.eyas(&format!("distill {TASK} --teacher_checkpoint {name}"));
        let lines = [format!("`{name}` is no checkpoint"), what.to_owned()];
        let ended = run.run();
        assert_eq!(ended.code, Some(2));
        assert!(lines.iter().all(|line| ended.stderr.contains(line)), "{}", ended.stderr);
    }
}

#[test]
fn a_teacher_of_another_width_is_compared_with_the_task() {
    let it = Workspace::empty();
    let run = it.eyas(&format!("distill {TASK} --teacher_checkpoint")).arg(data("made_5.5.1_lstm2.pt"));
    let lines =
        ["error: the policy reads 7 observation features", "22 (`policy`) or 26 (`teacher`)", "hint: "];
    let ended = run.run();
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""));
    assert!(lines.iter().all(|line| ended.stderr.contains(line)), "{}", ended.stderr);
    assert!(!it.path("logs").exists());
}

#[test]
fn resuming_what_does_not_exist_says_what_does() {
    let it = Workspace::with_teacher();
    for command in [it.distill("--load_run x"), it.eyas(&format!("train {TASK} --load_run x"))] {
        refused(&it, command, &["`--load_run`", "hint: add `--resume`"]);
    }
    it.distill("--resume --experiment_name none").fail_with(&["logs/distillation/none"]);
    it.distill(&format!("{TINY} --experiment_name one")).succeed();
    let run = it.distillation("one");
    let name = run.file_name().unwrap().to_string_lossy().into_owned();
    it.distill("--resume --experiment_name one --load_run other").fail_with(&["no run in", "other", &name]);
}

#[test]
fn a_choice_among_teachers_is_refused_where_there_is_one() {
    let it = Workspace::with_teacher();
    for flag in ["--num_teachers 2", "--on_weak_teacher skip", "--teacher_selection best"] {
        let (name, _) = flag.split_once(' ').unwrap();
        refused(&it, it.distill(flag), &[&format!("error: `{name}`: one teacher is distilled"), "hint: "]);
    }
}

#[test]
fn an_evaluation_refuses_what_it_cannot_heed() {
    let it = Workspace::with_teacher();
    let eval = |more: &str| it.eyas(&format!("eval {TASK} --checkpoint teacher/model_best.pt {more}"));
    for name in ["--run_name", "--experiment_name"] {
        refused(&it, eval(&format!("{name} x")), &[&format!("error: `{name}`"), "hint: "]);
    }
    refused(&it, eval("--require_return nan"), &["error: `--require_return` is NaN"]);
}

#[test]
fn a_directory_that_cannot_be_made_is_named() {
    let it = Workspace::with_teacher();
    fs::write(it.path("logs"), "a file").unwrap();
    it.distill(TINY)
        .fail_with(&["error: cannot create directory `logs/distillation/point_ctrl_direct`", "caused by: "]);
    it.distill(&format!("{TINY} --run_name a/b")).fail_with(&["run_name", "a/b"]);
}

#[test]
fn errors_show_no_control_characters_and_are_no_longer_than_a_page() {
    let it = Workspace::empty();
    let ended = it.eyas("inspect").arg("\u{1b}]0;PWNED\u{7}\u{202e}.pt").run();
    assert_eq!(ended.code, Some(2));
    assert_in_order(&ended.stderr, &["\\u{1b}]0;PWNED\\u{7}\\u{202e}.pt"]);
    assert!(!ended.stderr.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{:?}", ended.stderr);
    let damaged =
        concat!(env!("CARGO_MANIFEST_DIR"), "/../eyas-formats/tests/data/attack/control_characters.pt");
    fs::write(it.path("v.json"), r#"{"dynamics": {}, "\u001b]0;PWNED\u0007": 1}"#).unwrap();
    for command in ["inspect", "verify", "inspect --json"] {
        let ended = it.eyas(command).arg(damaged).run();
        let said = ended.stdout + &ended.stderr;
        assert!(said.contains("PWNED") && !said.contains(['\u{1b}', '\u{7}']), "{command}: {said:?}");
    }
    for command in ["vehicles check v.json", "vehicles show v.json"] {
        let ended = it.eyas(command).run();
        assert_eq!(ended.code, Some(2));
        assert!(!ended.stderr.contains(['\u{1b}', '\u{7}']), "{command}: {:?}", ended.stderr);
    }
    let ended = it.eyas("task show").arg("x".repeat(100_000)).run();
    assert_eq!(ended.code, Some(2));
    assert!(
        ended.stderr.contains("more characters") && ended.stderr.len() < 10_000,
        "{}",
        ended.stderr.len()
    );
}

/// A full disk and a limit of the size of files are told alike.
#[cfg(target_os = "linux")]
#[test]
fn output_that_cannot_be_written_is_an_error_that_is_told() {
    let it = Workspace::empty();
    let eyas = env!("CARGO_BIN_EXE_eyas");
    for (script, said) in [
        (format!("{eyas} task list > /dev/full"), "No space left on device"),
        (format!("ulimit -f 1; {eyas} vehicles sample --num 50 --out fleet"), "File too large"),
    ] {
        let shell =
            std::process::Command::new("bash").args(["-c", &script]).current_dir(it.path("")).output();
        let output = shell.unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{stderr}");
        assert!(stderr.contains(said), "{stderr}");
    }
}
