//! Isaac Lab's quadcopter task goes through every command: trained, distilled, measured, filmed and reported.

use std::collections::BTreeSet;
use std::fs;

use eyas_run::events;

use crate::program::{Workspace, assert_in_order, files};

const QUADCOPTER: &str = "--task Isaac-Quadcopter-Direct-v0";

fn json(stdout: &str) -> serde_json::Value {
    serde_json::from_str(stdout).unwrap()
}

/// A policy of a second of training; its file.
fn trained(it: &Workspace) -> String {
    it.eyas("train --task quadcopter_direct --max_iterations 150 --run_dir run").succeed();
    "run/best_model.pt".into()
}

#[test]
fn a_second_of_training_reaches_every_goal_and_a_student_follows() {
    let it = Workspace::empty();
    let policy = trained(&it);
    let measured = json(&it.eyas(&format!("eval {QUADCOPTER} --checkpoint {policy} --json")).succeed());
    let [error, crashed] =
        ["position_rmse_m", "crash_rate"].map(|key| measured["all"][key].as_f64().unwrap());
    assert!(error < 0.05 && crashed < 0.01, "{measured}");

    let teacher = format!("--teacher_checkpoint {policy}");
    let short = "--n_epochs 6 --num_episodes 32 --epoch_teacher_forcing 2 distill.eval_episodes=32 \
                 distill.final_episodes=64";
    let stdout = it.eyas(&format!("distill {QUADCOPTER} {teacher} {short} --run_dir student")).succeed();
    assert_in_order(&stdout, &["Best model saved to: student/best_student.pt", "of the teacher's return"]);
    let (_, reached) = stdout.rsplit_once("The best student reaches ").unwrap();
    let reached: f64 = reached.split_once(" %").unwrap().0.parse().unwrap();
    assert!(reached > 90.0, "{stdout}");
    let student = "--checkpoint student/best_student.pt";
    for trajectory in ["goal", "hover", "circle"] {
        let flags = format!("--num_envs 2 --max_steps 150 --trajectory {trajectory}");
        let stdout = it.eyas(&format!("play {QUADCOPTER} {student} {flags}")).succeed();
        assert_in_order(&stdout, &[&format!("Trajectory: {trajectory}"), "Crashed: 0 of 2"]);
    }
    let film = "--num_envs 1 --max_steps 6 --video --video_length 4 --video_format png --video_size 320x180";
    it.eyas(&format!("play {QUADCOPTER} --checkpoint {policy} {film} --experiment_name film")).succeed();
    let [run] = &it.runs("rsl_rl", "film")[..] else { panic!("one run") };
    assert!(files(run).iter().any(|it| it.ends_with("rl-video-step-0.png")), "{:?}", files(run));
    it.eyas("report run student --out report").succeed();
    let page = fs::read_to_string(it.path("report/report.html")).unwrap();
    assert!(page.contains("run") && page.contains("student"));
}

#[test]
fn ppo_logs_what_isaac_lab_logs() {
    let it = Workspace::empty();
    for preset in ["eyas", "isaaclab"] {
        let short = "--max_iterations 4 --num_envs 64 agent.num_steps_per_env=64";
        let command = format!("train {QUADCOPTER} --algorithm ppo --preset {preset} {short}");
        it.eyas(&format!("{command} --run_dir {preset}")).succeed();
        let files = events::list(it.path(preset)).unwrap();
        let scalars = files.into_iter().flat_map(|file| events::read_scalars(file).unwrap());
        let found: BTreeSet<String> = scalars.map(|it| it.tag).collect();
        let of =
            |prefix: &str| -> Vec<&str> { found.iter().filter_map(|tag| tag.strip_prefix(prefix)).collect() };
        assert_eq!(of("Episode_Reward/"), ["ang_vel", "distance_to_goal", "lin_vel"]);
        assert_eq!(of("Episode_Termination/"), ["died", "time_out"]);
        assert_eq!(of("Metrics/"), ["final_distance_to_goal"]);
    }
    let shown = |preset: &str| {
        let command = format!("train {QUADCOPTER} --algorithm ppo --preset {preset}");
        it.eyas(&format!("{command} --cfg job --package agent")).succeed()
    };
    let isaac = shown("isaaclab");
    for line in ["num_steps_per_env: 24", "max_iterations: 200", "experiment_name: quadcopter_direct"] {
        assert!(isaac.lines().any(|it| it == line), "{line} in {isaac}");
    }
    it.eyas(&format!("train {QUADCOPTER} --algorithm ppo --preset foundation"))
        .fail_with(&["`--preset foundation`", "eyas or isaaclab"]);
}

#[test]
fn the_torture_suite_leaves_motors_alone() {
    let it = Workspace::empty();
    let policy = trained(&it);
    let suite = format!("eval {QUADCOPTER} --suite torture --episodes 4 --out out torture.duration_s=4");
    let ended = it.eyas(&format!("{suite} --checkpoint {policy} torture.onset_s=1")).run();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(ended.stderr.contains("motor_loss is left out"), "{}", ended.stderr);
    let csv = fs::read_to_string(it.path("out/torture.csv")).unwrap();
    let rows: Vec<Vec<&str>> = csv.lines().skip(1).map(|line| line.split(',').collect()).collect();
    assert_eq!(rows.len(), 6 * 8);
    assert!(rows.iter().all(|row| row[2] != "motor_loss"));
    let success = |disturbance: &str| {
        let cell = rows.iter().find(|row| row[1] == "hover" && row[2] == disturbance).unwrap();
        cell[8].parse::<f64>().unwrap()
    };
    for disturbance in ["none", "wind", "push", "noise", "tilted"] {
        assert!(success(disturbance) > 0.9, "{disturbance}: {csv}");
    }
    it.eyas(&format!("{suite} --checkpoint se3")).fail_with(&[
        "commands rotors",
        "Isaac-Quadcopter-Direct-v0` has none",
        "--> se3",
    ]);
}

#[test]
fn its_runs_are_repeated_and_gone_on_with_to_the_byte() {
    let it = Workspace::empty();
    let short = "--algorithm ppo --num_envs 64 agent.num_steps_per_env=16 agent.save_interval=2";
    let train = |flags: &str| it.eyas(&format!("train {QUADCOPTER} {short} {flags}")).succeed();
    train("--max_iterations 4 --run_dir whole --threads 1");
    train("--max_iterations 4 --run_dir again --threads 2");
    train("--max_iterations 2 --run_dir parts");
    train("--max_iterations 4 --run_dir parts --resume");
    let model = |run: &str| fs::read(it.path(run).join("model_4.pt")).unwrap();
    assert!(model("whole") == model("again"), "the number of threads changes the model");
    assert!(model("whole") == model("parts"), "a run in two parts is another one");
}
