//! `eyas play` and `eyas eval` fly a policy and say how well.

use std::fs;

use eyas_formats::npy::{self, Data};
use serde_json::Value as Json;

use crate::program::{TASK, TINY, Workspace, assert_in_order};

const POLICY: &str = "--checkpoint teacher/model_best.pt";

#[test]
fn a_flight_leaves_statistics_and_arrays() {
    let workspace = Workspace::with_teacher();
    let stdout = workspace.eyas(&format!("play {TASK} {POLICY} --max_steps 700 --num_envs 3")).succeed();
    let runs = workspace.runs("rsl_rl", "point_ctrl_direct");
    let [run] = &runs[..] else { panic!("{runs:?}") };
    assert!(run.to_string_lossy().ends_with("_trajectory_tracking"));

    let statistics = fs::read_to_string(run.join("tracking_statistics.txt")).unwrap();
    let lines = [
        "Trajectory: figure8",
        "Environments: 3",
        "Steps: 700 (7.00 s)",
        "Crashed: 0 of 3",
        "Position error [m]",
        "mean ",
        "std ",
        "median ",
        "max ",
        "95th percentile ",
        "Velocity error [m/s]",
        "mean ",
    ];
    assert_in_order(&statistics, &lines);
    assert_in_order(&stdout, &["env", "steps", "return", "crashed", "RMSE"]);
    assert!(stdout.contains(&statistics) && stdout.contains("Tracking data saved to: "));

    let shapes = |file: &str| -> Vec<(String, Vec<usize>)> {
        let arrays = npy::read_npz(&run.join(file)).unwrap();
        arrays.into_iter().map(|(name, array)| (name, array.shape().to_vec())).collect()
    };
    let named = |name: &str, shape: &[usize]| (name.to_owned(), shape.to_vec());
    assert_eq!(
        shapes("tracking_errors.npz"),
        [named("position_errors", &[700, 3]), named("velocity_errors", &[700, 3])]
    );
    assert_eq!(
        shapes("trajectory_data.npz"),
        [
            named("desired_pos", &[700, 3, 3]),
            named("actual_pos", &[700, 3, 3]),
            named("desired_vel", &[700, 3, 3]),
            named("actual_vel", &[700, 3, 3]),
            named("orientation", &[700, 3, 4]),
            named("angular_velocity", &[700, 3, 3]),
            named("observations", &[700, 3, 26]),
            named("position_error", &[700, 3]),
            named("velocity_error", &[700, 3]),
            named("actions", &[700, 3, 4]),
            named("timestamps", &[700]),
        ]
    );
}

#[test]
fn statistics_are_those_of_the_arrays() {
    let workspace = Workspace::with_teacher();
    workspace.eyas(&format!("play {TASK} {POLICY} --trajectory langevin --max_steps 200")).succeed();
    let run = &workspace.runs("rsl_rl", "point_ctrl_direct")[0];
    let arrays = npy::read_npz(&run.join("tracking_errors.npz")).unwrap();
    let Data::F32(errors) = arrays[0].1.data() else { panic!("position errors are f32") };
    let finite: Vec<f64> = errors.iter().filter(|it| it.is_finite()).map(|it| f64::from(*it)).collect();
    let mean = finite.iter().sum::<f64>() / finite.len() as f64;
    let statistics = fs::read_to_string(run.join("tracking_statistics.txt")).unwrap();
    let line = statistics.lines().find(|line| line.trim_start().starts_with("mean")).unwrap();
    let printed: f64 = line.split_whitespace().last().unwrap().parse().unwrap();
    assert!((printed - mean).abs() < 1e-6, "{printed} {mean}");
}

#[test]
fn targets_rest_move_or_draw_an_eight() {
    let workspace = Workspace::with_teacher();
    let largest_target = |trajectory: &str| {
        let name = format!("--experiment_name {trajectory}");
        workspace
            .eyas(&format!("play {TASK} {POLICY} --trajectory {trajectory} --max_steps 800 {name}"))
            .succeed();
        let run = &workspace.runs("rsl_rl", trajectory)[0];
        let arrays = npy::read_npz(&run.join("trajectory_data.npz")).unwrap();
        assert_eq!(arrays[0].0, "desired_pos");
        arrays[0].1.to_f32().iter().filter(|it| it.is_finite()).fold(0.0_f32, |most, it| most.max(it.abs()))
    };
    assert_eq!(largest_target("hover").to_bits(), 0);
    // A quarter lap after the warm-up of 5 s the figure-8 is one metre out.
    assert!((largest_target("figure8") - 1.0).abs() < 1e-3);
    assert!(largest_target("langevin") > 0.1);
}

#[test]
fn students_fly_too() {
    let workspace = Workspace::with_teacher();
    for student in ["mlp", "gru"] {
        workspace.distill(&format!("{TINY} --student {student} --experiment_name {student}")).succeed();
        let file = workspace.distillation(student).join("best_student.pt");
        let play =
            workspace.eyas(&format!("play {TASK} --max_steps 20 --experiment_name {student} --checkpoint"));
        assert_in_order(&play.arg(file).succeed(), &["Trajectory tracking", "Tracking data saved to: "]);
    }
}

#[test]
fn an_evaluation_is_a_table_or_json() {
    let workspace = Workspace::with_teacher();
    let eval = format!("eval {TASK} {POLICY} --episodes 64 --steps 600");
    let table = workspace.eyas(&eval).succeed();
    assert_in_order(&table, &["episodes", "policy, all", "policy, hover", "policy, moving"]);
    let json: Json = serde_json::from_str(&workspace.eyas(&format!("{eval} --json")).succeed()).unwrap();
    assert_eq!(json["all"]["episodes"], 64);
    let episodes = |kind: &str| json[kind]["episodes"].as_u64().unwrap();
    assert_eq!(episodes("hover") + episodes("moving"), 64);
    let mean_return = json["all"]["mean_return"].as_f64().unwrap();
    // Of at most 1.5 a step this teacher gets 1.24 on average over a long episode.
    assert!((600.0..900.0).contains(&mean_return), "{mean_return}");
    assert!(json["hover"]["position_rmse_m"].as_f64().unwrap() < 0.02);
}

#[test]
fn a_required_return_decides_the_exit_code() {
    let workspace = Workspace::with_teacher();
    let eval = format!("eval {TASK} {POLICY} --episodes 32 --steps 50 --require_return");
    assert_eq!(workspace.eyas(&format!("{eval} -1000")).run().code, Some(0));
    let ended = workspace.eyas(&format!("{eval} 1000")).run();
    assert_eq!(ended.code, Some(1));
    assert_in_order(&ended.stdout, &["policy, all"]);
}

/// `play` and `analyze` used to fly from the starts of a training without `--seed`, and all with `--params` from those of that run.
#[test]
fn measurements_start_as_no_training_does_unless_told_to() {
    let it = Workspace::empty();
    fs::create_dir_all(it.path("run/params")).unwrap();
    fs::write(it.path("run/params/agent.yaml"), "seed: 11\n").unwrap();
    for command in [
        format!("play {TASK} --checkpoint se3"),
        format!("eval {TASK} --checkpoint se3"),
        format!("eval {TASK} --checkpoint se3 --suite torture --out none"),
        "analyze delay --checkpoint se3".to_owned(),
    ] {
        let seed = |more: &str| {
            let ended = it.eyas(&format!("{command} --cfg job --package agent {more}")).run();
            let seed = ended.stdout.lines().find_map(|line| line.strip_prefix("seed: ").map(str::to_owned));
            (seed.unwrap_or_else(|| panic!("{command} {more}: {}", ended.stderr)), ended.stderr)
        };
        assert_eq!(seed("").0, "3886088193", "{command}");
        let (own, told) = seed("--params run");
        assert_eq!(own, "3886088193", "{command}");
        let unused =
            "not used: agent.seed = 11 (a measurement has a seed of its own; `--seed` gives another)";
        assert!(told.contains(unused), "{command}: {told}");
        assert_eq!((seed("--params run --seed 7").0, seed("agent.seed=7").0), ("7".into(), "7".into()));
    }
}

#[test]
fn another_seed_gives_other_starts() {
    let workspace = Workspace::with_teacher();
    let eval = |seed: u32| {
        workspace
            .eyas(&format!("eval {TASK} {POLICY} --episodes 32 --steps 50 --json --seed {seed}"))
            .succeed()
    };
    assert_eq!(eval(1), eval(1));
    assert_ne!(eval(1), eval(2));
}
