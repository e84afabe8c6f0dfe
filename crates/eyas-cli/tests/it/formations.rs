//! Several vehicles of one env train, distil, fly and are shown by the same commands as one.

use std::fs;
use std::path::{Path, PathBuf};

use eyas_formats::npy;
use eyas_run::events;
use serde_json::Value as Json;

use crate::program::{TINY, Workspace, assert_in_order, files};

const TASK: &str = "--task Eyas-Quadcopter-Formation-v0";
/// A training of a fraction of a second.
const SHORT: &str = "--num_envs 64 agent.num_steps_per_env=24 agent.save_interval=2 --experiment_name it";

/// A student that does not see the rotor speeds.
const POLICY: &str = "--num_envs 32 --experiment_name it distill.student.observation=policy";

/// A workspace with a run of so many iterations, and the run.
fn trained(iterations: u32, arguments: &str) -> (Workspace, PathBuf) {
    let workspace = Workspace::empty();
    workspace.eyas(&format!("train {TASK} {SHORT} --max_iterations {iterations} {arguments}")).succeed();
    let run = workspace.runs("rsl_rl", "it").remove(0);
    (workspace, run)
}

fn model(run: &Path) -> Vec<u8> {
    fs::read(run.join("model_4.pt")).unwrap()
}

#[test]
fn a_team_trains_alike_on_any_threads_and_goes_on_to_the_same_bytes() {
    let (_one, whole) = trained(4, "--threads 1");
    let (_two, other) = trained(4, "--threads 2");
    assert!(model(&whole) == model(&other), "two threads");
    let (workspace, run) = trained(2, "");
    workspace.eyas(&format!("train {TASK} {SHORT} --max_iterations 4 --resume")).succeed();
    assert!(model(&whole) == model(&run), "a resumed run");

    let scalars = events::list(&whole).unwrap();
    let tags: Vec<String> =
        scalars.into_iter().flat_map(|file| events::read_scalars(file).unwrap()).map(|it| it.tag).collect();
    for tag in ["Episode_Reward/proximity", "Metrics/Died/collision", "evaluation/crash_rate"] {
        assert!(tags.iter().any(|it| it == tag), "{tag} is missing in {tags:?}");
    }
}

/// One policy flies three vehicles: it is distilled, measured, played and filmed.
#[test]
fn a_team_is_distilled_measured_and_played() {
    let (workspace, run) = trained(2, "");
    let teacher = run.join("best_model.pt");
    let said = workspace
        .eyas(&format!("distill {TASK} {TINY} {POLICY} --teacher_checkpoint"))
        .arg(&teacher)
        .succeed();
    let dims = "Teacher observation dim: 114, Student observation dim: 102, Action dim: 12";
    assert!(said.contains(dims), "{said}");
    let student = workspace.distillation("it").join("final_student.pt");

    let eval = format!("eval {TASK} --episodes 20 --steps 60 --json --checkpoint");
    let report: Json = serde_json::from_str(&workspace.eyas(&eval).arg(&student).succeed()).unwrap();
    assert_eq!(report["all"]["episodes"], 20);
    // It has hardly learned, so nobody settles: no position error can be given.
    assert_eq!(
        (&report["all"]["crash_rate"], &report["all"]["position_rmse_m"]),
        (&Json::from(1.0), &Json::Null)
    );

    let play = format!(
        "play {TASK} --experiment_name it --max_steps 60 --num_envs 2 env.formation.shape=line --trajectory circle \
         --video --video_length 8 --video_size 320x180 --video_view fixed --checkpoint"
    );
    let table = workspace.eyas(&play).arg(&student).succeed();
    assert_in_order(&table, &["env ", "0.0 ", "0.1 ", "0.2 ", "1.0 ", "1.1 ", "1.2 ", "Vehicles of each: 3"]);
    assert_in_order(&table, &["Environments: 2", "Crashed: ", " of 6"]);
    let flown = workspace.runs("rsl_rl", "it").pop().unwrap();
    let arrays = npy::read_npz(&flown.join("trajectory_data.npz")).unwrap();
    let shape = |name: &str| {
        let found = arrays.iter().find(|(it, _)| it == name);
        found.unwrap_or_else(|| panic!("{name}")).1.shape()[1..].to_vec()
    };
    assert_eq!(shape("actual_pos"), [2, 3, 3]);
    assert_eq!(shape("position_error"), [2, 3]);
    assert_eq!(shape("actions"), [2, 3, 4]);
    assert_eq!(files(&flown.join("videos/play"))[0], "rl-video-step-0.mp4");
}

#[test]
fn what_a_team_cannot_do_is_refused_with_the_reason() {
    let workspace = Workspace::empty();
    for (arguments, parts) in [
        (format!("train {TASK} --algorithm apg"), ["`--algorithm apg`", "--algorithm ppo"]),
        (format!("play {TASK} --checkpoint se3"), ["geometric controller", "position_error"]),
        (format!("train {TASK} env.num_agents=9"), ["env.num_agents", "at most 8"]),
        (format!("train {TASK} env.formation.spacing=0.5"), ["env.init_position_radius", "0.5 m"]),
        (
            format!("train {TASK} env.state_space=0 env.state_as_observation=true"),
            ["env.state_as_observation", "env.state_space"],
        ),
    ] {
        workspace.eyas(&arguments).fail_with(&parts);
    }
}

#[test]
fn the_task_shows_each_agent() {
    let workspace = Workspace::empty();
    let shown = workspace.eyas("task show formation").succeed();
    assert_in_order(
        &shown,
        &[
            "observation, 114 features:",
            "quad_0/position_error",
            "quad_1/position_error",
            "quad_2/relative_velocity",
            "quad_0/rotor_speed",
            "policy     features 0-101 (102)",
            "teacher    features 0-113 (114)",
            "action, 12 numbers",
            "collision",
        ],
    );
}
