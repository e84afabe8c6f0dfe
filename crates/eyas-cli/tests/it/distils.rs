//! `eyas distill` prints, writes and logs what the user's document lists.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use eyas_run::events;

use crate::program::{TASK, TINY, Workspace, assert_in_order, data, files};

/// The tags of the user's document.
const TAGS: [&str; 6] = [
    "data_collection/mean_return",
    "data_collection/std_return",
    "training/loss",
    "evaluation/mean_return",
    "evaluation/std_return",
    "evaluation/mean_length",
];

fn scalars(run: &Path) -> Vec<events::Scalar> {
    events::list(run).unwrap().iter().flat_map(|file| events::read_scalars(file).unwrap()).collect()
}

#[test]
fn the_lines_of_the_document_are_printed_in_order() {
    let workspace = Workspace::with_teacher();
    let more = "--experiment_name lines distill.save_interval=2 distill.eval_interval=1";
    let stdout = workspace.distill(&format!("{TINY} {more}")).succeed();
    let run = workspace.distillation("lines");
    let run = format!("logs/distillation/lines/{}", run.file_name().unwrap().to_string_lossy());
    let rule = "=".repeat(60);
    assert_in_order(
        &stdout,
        &[
            &format!("[INFO] Logging distillation experiment in directory: {}", workspace.path("").display()),
            "[INFO] Creating environment: Isaac-Quadcopter-Point-Ctrl-v0",
            "[INFO] Observation dim: 26, Action dim: 4",
            "[INFO] Loading teacher policy from: teacher/model_best.pt",
            "Teacher architecture: obs=26, actions=4, hidden=[64, 64, 64]",
            "activation elu: teacher/params/agent.yaml says actor.activation",
            "normaliser actor_state_dict/obs_normalizer.*: the file holds it",
            "Teacher self-check, 256 episodes of 500 steps: mean return",
            "[INFO] Creating student policy",
            "Teacher observation dim: 26, Student observation dim: 26, Action dim: 4",
            "[INFO] Logging to: /",
            "[INFO] Dataset size: 3200 samples",
            "[INFO] Episode length: 100",
            &rule,
            "Epoch 1/4",
            &rule,
            "[INFO] Collecting 8 episodes using teacher...",
            "Data collection - Mean return: ",
            "[INFO] Training on ",
            "Training - Mean loss: ",
            "[INFO] Evaluating student policy...",
            "Evaluation - Mean return: ",
            "[INFO] New best model saved! Return: ",
            "Epoch 2/4",
            "[INFO] Collecting 8 episodes using teacher...",
            "[INFO] Checkpoint saved to ",
            "Epoch 3/4",
            "[INFO] Collecting 8 episodes using student...",
            "Epoch 4/4",
            "[INFO] Checkpoint saved to ",
            "Training completed!",
            "Best return: ",
            &format!("Final model saved to: {run}/final_student.pt"),
            &format!("Best model saved to: {run}/best_student.pt"),
            "teacher, all",
            "best student, all",
            "The best student reaches ",
            &format!("eyas play --task Isaac-Quadcopter-Point-Ctrl-v0 --checkpoint {run}/best_student.pt"),
        ],
    );
}

#[test]
fn the_folder_holds_the_files_of_the_document() {
    let workspace = Workspace::with_teacher();
    let more = "--experiment_name hawk --run_name first distill.save_interval=2";
    workspace.distill(&format!("{TINY} {more}")).succeed();
    let run = workspace.distillation("hawk");
    let name = run.file_name().unwrap().to_string_lossy().into_owned();
    // %Y-%m-%d_%H-%M-%S_<run_name>
    assert_eq!((name.len(), &name[name.len() - 6..]), ("2026-01-31_14-05-59_first".len(), "_first"));
    let found = files(&run);
    let expected = [
        "best_student.pt",
        "checkpoint_epoch_2.pt",
        "checkpoint_epoch_4.pt",
        "final_student.pt",
        "log.txt",
        "manifest.json",
        "params/agent.yaml",
        "params/env.yaml",
    ];
    for file in expected {
        assert!(found.iter().any(|it| it == file), "{file} is missing in {found:?}");
    }
    assert!(found.iter().any(|it| it.starts_with("events.out.tfevents.")), "{found:?}");
    let log = fs::read_to_string(run.join("log.txt")).unwrap();
    assert_in_order(
        &log,
        &["Teacher self-check", "Epoch 4/4", "Training completed!", "best student, all", "Fly it: "],
    );
    let has_partial_files = found.iter().any(|it| it.contains("tmp"));
    assert!(!has_partial_files, "{found:?}");
}

#[test]
fn six_documented_tags_are_logged_in_every_epoch() {
    let workspace = Workspace::with_teacher();
    workspace.distill(&format!("{TINY} --experiment_name tags distill.eval_interval=1")).succeed();
    let scalars = scalars(&workspace.distillation("tags"));
    for tag in TAGS {
        let steps: Vec<u64> = scalars.iter().filter(|it| it.tag == tag).map(|it| it.step).collect();
        assert_eq!(steps, [0, 1, 2, 3], "{tag}");
    }
    let loss =
        |step: u64| scalars.iter().find(|it| it.tag == "training/loss" && it.step == step).unwrap().value;
    assert!(loss(0) > 0.0 && loss(1) > 0.0);
}

#[test]
fn evaluations_begin_with_the_first_epoch_and_end_with_the_last() {
    let workspace = Workspace::with_teacher();
    let six_epochs = TINY.replace("--n_epochs 4", "--n_epochs 6");
    workspace.distill(&format!("{six_epochs} --experiment_name few distill.eval_interval=3")).succeed();
    let run = workspace.distillation("few");
    let steps: Vec<u64> =
        scalars(&run).iter().filter(|it| it.tag == "evaluation/mean_return").map(|it| it.step).collect();
    assert_eq!(steps, [0, 3, 5]);
}

#[test]
fn on_policy_trains_on_its_own_episodes_only() {
    let workspace = Workspace::with_teacher();
    let sizes = |arguments: &str| -> Vec<u64> {
        let stdout = workspace.distill(&format!("{TINY} {arguments}")).succeed();
        let lines = stdout.lines().filter_map(|line| line.strip_prefix("[INFO] Training on "));
        lines.map(|line| line.split(' ').next().unwrap().parse().unwrap()).collect()
    };
    let (on, off) = (sizes("--on_policy --experiment_name on"), sizes("--experiment_name off"));
    assert!(on.iter().all(|size| *size <= 800), "{on:?}");
    assert!(off.windows(2).all(|pair| pair[0] < pair[1]), "{off:?}");
    assert_eq!(on[0], off[0]);
}

/// Writing a dataset used to take three more copies of it.
#[cfg(target_os = "linux")]
#[test]
fn a_checkpoint_takes_no_second_copy_of_the_dataset() {
    use std::io::{BufRead as _, BufReader};

    let workspace = Workspace::with_teacher();
    let large = "--keep_dataset --n_epochs 2 --num_episodes 400 --epoch_teacher_forcing 2 distill.save_interval=1 \
                 distill.samples_per_epoch=300 distill.eval_episodes=8 distill.final_episodes=8 \
                 distill.student.hidden_dims=[8] --experiment_name large";
    let mut child = workspace.distill(large).spawn();
    let status = format!("/proc/{}/status", child.id());
    let mut peak_kib = 0;
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        if line.unwrap().starts_with("[INFO] Checkpoint saved to") {
            let status = fs::read_to_string(&status).unwrap_or_default();
            let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or("0 kB");
            peak_kib = peak_kib.max(peak.trim().trim_end_matches(" kB").parse::<u64>().unwrap());
        }
    }
    assert!(child.wait().unwrap().success());
    let dataset = fs::metadata(workspace.distillation("large").join("dataset_epoch_2.npz")).unwrap().len();
    // Beside the dataset there is the last epoch's half of it, in vectors that double as they grow.
    let limit_kib = 2 * dataset / 1024;
    assert!(dataset > 80 << 20, "{dataset} bytes are too few to show anything");
    assert!(peak_kib < limit_kib, "{peak_kib} KiB, expected less than {limit_kib}");
}

/// The line used to give the size of the dataset.
#[test]
fn the_printed_samples_are_those_trained_on() {
    let workspace = Workspace::with_teacher();
    let trained_on = |arguments: &str| -> Vec<usize> {
        let stdout = workspace.distill(&format!("{TINY} {arguments}")).succeed();
        let lines = stdout.lines().filter_map(|line| line.strip_prefix("[INFO] Training on "));
        lines.map(|line| line.split(' ').next().unwrap().parse().unwrap()).collect()
    };
    let bounded = trained_on("distill.samples_per_epoch=300 --experiment_name mlp");
    assert_eq!(bounded, [300; 4]);
    // Whole sequences of at most 100 steps until the bound is passed, however few there are.
    let sequences = trained_on("--student gru distill.samples_per_epoch=2000 --experiment_name gru");
    assert!(sequences.iter().all(|samples| (2000..2100).contains(samples)), "{sequences:?}");
}

#[test]
fn the_dataset_stays_within_its_memory() {
    let workspace = Workspace::with_teacher();
    // 200 records of 26 observations and 4 labels.
    let memory = 200 * 30 * 4;
    let stdout = workspace.distill(&format!("{TINY} --max_memory {memory}")).succeed();
    assert_in_order(&stdout, &["[INFO] Dataset size: 200 samples"]);
    for line in stdout.lines().filter_map(|line| line.strip_prefix("[INFO] Training on ")) {
        let samples: u32 = line.split(' ').next().unwrap().parse().unwrap();
        assert!(samples <= 200, "{line}");
    }
}

#[test]
fn a_student_may_be_recurrent_or_blind_to_rotor_speeds() {
    let workspace = Workspace::with_teacher();
    let dims = |arguments: &str| {
        let stdout = workspace.distill(&format!("{TINY} {arguments}")).succeed();
        stdout.lines().find(|line| line.contains("Student observation dim")).unwrap().to_owned()
    };
    let gru = dims("--student gru --experiment_name gru");
    assert!(gru.contains("Student observation dim: 22") && gru.contains("Student parameters: 2068"), "{gru}");
    let mlp = dims("distill.student.observation=policy --experiment_name mlp");
    assert!(mlp.contains("Student observation dim: 22"), "{mlp}");
}

#[test]
fn labels_may_be_samples() {
    let workspace = Workspace::with_teacher();
    for flag in ["--no_teacher_deterministic", "--teacher_deterministic"] {
        workspace.distill(&format!("{TINY} {flag} --experiment_name {}", &flag[2..])).succeed();
    }
    let student = |name: &str| fs::read(workspace.distillation(name).join("final_student.pt")).unwrap();
    assert_ne!(student("no_teacher_deterministic"), student("teacher_deterministic"));
}

#[test]
fn negations_are_spelled_with_a_hyphen_or_an_underscore() {
    let workspace = Workspace::with_teacher();
    let mut students = BTreeSet::new();
    for (index, flag) in ["--no_shuffle", "--no-shuffle"].iter().enumerate() {
        workspace.distill(&format!("{TINY} {flag} --experiment_name run{index}")).succeed();
        students.insert(
            fs::read(workspace.distillation(&format!("run{index}")).join("final_student.pt")).unwrap(),
        );
    }
    assert_eq!(students.len(), 1);
    workspace.distill(&format!("{TINY} --no-teacher_deterministic")).succeed();
}

#[test]
fn overrides_take_three_spellings_and_are_recorded_with_their_origin() {
    let workspace = Workspace::with_teacher();
    let spellings = ["env.scene.num_envs=64", "scene.num_envs=64", "--num_envs 64"];
    for (index, spelling) in spellings.iter().enumerate() {
        let name = format!("run{index}");
        workspace.distill(&format!("{TINY} {spelling} --experiment_name {name}")).succeed();
        let run = workspace.distillation(&name);
        let params = fs::read_to_string(run.join("params/env.yaml")).unwrap();
        assert_in_order(&params, &["scene:", "num_envs: 64"]);
        let manifest: serde_json::Value =
            serde_json::from_slice(&fs::read(run.join("manifest.json")).unwrap()).unwrap();
        let origin = manifest["config"]["env.scene.num_envs"]["origin"].to_string();
        assert!(origin.contains(spelling.split(' ').next().unwrap()), "{origin}");
        assert_eq!(manifest["inputs"][0]["sha256"].as_str().map(str::len), Some(64));
    }
}

#[test]
fn a_configuration_file_stands_below_overrides_and_flags() {
    let workspace = Workspace::with_teacher();
    fs::write(
        workspace.path("my.yaml"),
        "distill:\n  n_epochs: 9\n  num_episodes: 3\nagent:\n  run_name: file\n",
    )
    .unwrap();
    let stdout = workspace.distill(&format!("{TINY} --config my.yaml --experiment_name mine")).succeed();
    assert_in_order(&stdout, &["Epoch 1/4", "Collecting 8 episodes"]);
    assert!(workspace.distillation("mine").to_string_lossy().ends_with("_file"));
}

/// A normaliser left out crashes a good teacher in a third of its episodes, which used to pass without a word.
#[test]
fn a_better_reading_of_the_teacher_is_named() {
    let workspace = Workspace::with_teacher();
    for (flags, better) in [
        ("--teacher_normalizer off", "with `--teacher_normalizer auto` it crashes in"),
        ("--teacher_activation relu", "with `--teacher_activation elu` it crashes in"),
    ] {
        let ended = workspace.distill(&format!("{TINY} {flags}")).run();
        assert_eq!(ended.code, Some(0));
        assert_in_order(&ended.stderr, &["warning: the teacher crashes in ", better, "hint: "]);
    }
    let ended = workspace.distill(TINY).run();
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "a good teacher needs no warning");
}

/// Its table used to hold negative shares and `NaN`.
#[test]
fn what_cannot_be_computed_is_said_in_words() {
    let workspace = Workspace::empty();
    let teacher = data("rsl_rl_2.3.3_mlp_norm.pt");
    let stdout =
        workspace.eyas(&format!("distill {TASK} {TINY} --teacher_checkpoint")).arg(teacher).succeed();
    assert!(!stdout.contains("NaN"), "{stdout}");
    assert_in_order(
        &stdout,
        &[
            "Position RMSE: – (no episode lasted until errors count)",
            "position –: no episode lasted until errors count",
            "no share can be given",
        ],
    );
}

#[test]
fn a_teacher_that_only_crashes_is_warned_about() {
    let workspace = Workspace::empty();
    // Five iterations of PPO.
    let teacher = data("rsl_rl_2.3.3_mlp_norm.pt");
    let ended = workspace.eyas(&format!("distill {TASK} {TINY} --teacher_checkpoint")).arg(teacher).run();
    assert_eq!(ended.code, Some(0));
    assert_in_order(&ended.stdout, &["Teacher self-check", "100.0 % crashed"]);
    assert_in_order(
        &ended.stderr,
        &["warning: the teacher crashes in 100 %", "no other reading", "--teacher_output tanh", "hint: "],
    );
}

#[test]
fn flags_decide_how_a_teacher_is_read() {
    let workspace = Workspace::with_teacher();
    let flags = "--teacher_normalizer off --teacher_activation relu --teacher_output tanh";
    let stdout = workspace.distill(&format!("{TINY} {flags}")).succeed();
    for what in ["activation relu", "output tanh", "normaliser off"] {
        assert_in_order(&stdout, &[&format!("[INFO] Teacher {what}: given by option")]);
    }
    let own = "--teacher_normalizer teacher/model_best.pt --experiment_name own";
    let stdout = workspace.distill(&format!("{TINY} {own}")).succeed();
    assert_in_order(&stdout, &["[INFO] Teacher normaliser teacher/model_best.pt: given by option"]);
}
