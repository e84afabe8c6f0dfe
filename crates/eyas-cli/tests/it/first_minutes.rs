//! What someone meets in the first ten minutes: flags as argparse has them, and answers that say why.

use std::fs;

use eyas_formats::npy;

use crate::program::{TASK, TINY, Workspace, assert_in_order};

#[test]
fn of_a_repeated_flag_the_last_counts_and_truths_may_be_spelled_out() {
    let it = Workspace::with_teacher();
    let shown = |flags: &str| it.distill(&format!("{flags} --cfg job")).succeed();
    let text = shown("--n_epochs 7 --n_epochs 3 --shuffle False --teacher_deterministic no --on_policy");
    let lines = ["n_epochs: 3", "shuffle: false", "on_policy: true", "teacher_deterministic: false"];
    for line in lines {
        assert!(text.contains(line), "{line}: {text}");
    }
    // What follows and is no truth is an override.
    let text = shown("--shuffle distill.n_epochs=9 --on_policy --no_on_policy");
    let lines = ["n_epochs: 9", "shuffle: true", "on_policy: false"];
    for line in lines {
        assert!(text.contains(line), "{line}: {text}");
    }
    it.distill("--shuffle=perhaps").fail_with(&["--shuffle", "expected true or false"]);
}

#[test]
fn a_flag_that_may_mean_two_is_answered_with_both() {
    let it = Workspace::empty();
    it.eyas(&format!("distill {TASK} --teacher model.pt")).fail_with(&[
        "`--teacher`: there is no such flag",
        "--teacher_checkpoint FILE",
        "--teacher_dir FOLDER",
    ]);
}

#[test]
fn a_distillation_writes_what_it_used_and_of_how_much_it_trained() {
    let it = Workspace::with_teacher();
    let text = it
        .distill(&format!("{TINY} distill.samples_per_epoch=300 distill.save_interval=4 --run_dir run"))
        .succeed();
    assert_in_order(
        &text,
        &["[INFO] Training on 300 of ", " samples...", "episodes of at most 100 steps (1 s)"],
    );
    let params = fs::read_to_string(it.path("run/params/distill.yaml")).unwrap();
    for line in ["batch_size: 256", "sequence_length: 1", "learning_rate: 0.0001", "samples_per_epoch: 300"] {
        assert!(params.lines().any(|it| it.replace("1.0e-04", "0.0001") == line), "{line}: {params}");
    }
    let comparison = fs::read_to_string(it.path("run/comparison.csv")).unwrap();
    let columns: Vec<Vec<&str>> = comparison.lines().map(|line| line.split(',').collect()).collect();
    assert!(columns.iter().all(|row| row.len() == 12) && columns[0][11] == "episode_steps", "{comparison}");
    assert_eq!([columns[1][11], columns[2][11]], ["100"; 2]);
    // A finished run that is resumed as it was is the same still.
    let again = it
        .distill(&format!(
            "{TINY} distill.samples_per_epoch=300 distill.save_interval=4 --run_dir run --resume"
        ))
        .succeed();
    assert!(again.contains("The run is complete"), "{again}");
}

#[test]
fn an_evaluation_says_why_it_fails_and_where_a_policy_comes_from() {
    let it = Workspace::with_teacher();
    it.distill(&format!("{TINY} --run_dir run")).succeed();
    let eval = "--checkpoint run/best_student.pt --episodes 8 --steps 50";
    let said = it.eyas(&format!("eval {TASK} {eval} --require_return 1e6")).run();
    assert_eq!(said.code, Some(1));
    assert_in_order(&said.stderr, &["the mean return ", " is below `--require_return 1000000`"]);
    assert!(said.stdout.contains("episodes of at most 50 steps (0.5 s)"), "{}", said.stdout);
    assert!(!said.stderr.contains("was trained in"), "{}", said.stderr);
    let said = it.eyas(&format!("eval --task Eyas-Raptor-v0 {eval}")).run();
    let parts = [
        "warning: the policy was trained in `Isaac-Quadcopter-Point-Ctrl-v0`, and flies `Eyas-Raptor-v0` here",
    ];
    assert_in_order(&said.stderr, &parts);
}

#[test]
fn what_was_flown_holds_attitude_rates_and_observations() {
    let it = Workspace::with_teacher();
    let flight = "--checkpoint teacher/model_best.pt --num_envs 2 --max_steps 30 --experiment_name it";
    it.eyas(&format!("play -q {TASK} {flight}")).succeed();
    let run = it.runs("rsl_rl", "it").remove(0);
    let arrays = npy::read_npz(&run.join("trajectory_data.npz")).unwrap();
    let array = |name: &str| &arrays.iter().find(|(it, _)| it == name).unwrap().1;
    assert_eq!(array("orientation").shape(), [30, 2, 4]);
    assert_eq!(array("angular_velocity").shape(), [30, 2, 3]);
    assert_eq!(array("observations").shape(), [30, 2, 26]);
    for quaternion in array("orientation").to_f32().chunks(4) {
        let length: f32 = quaternion.iter().map(|it| it * it).sum();
        assert!((length - 1.0).abs() < 1e-3, "{quaternion:?}");
    }
    // The rates that the next step observes are those after this one.
    let (rates, seen) = (array("angular_velocity").to_f32(), array("observations").to_f32());
    let spec_rates = |step: usize, env: usize| &seen[(step * 2 + env) * 26 + 15..][..3];
    assert_eq!(&rates[..3], spec_rates(1, 0));
}
