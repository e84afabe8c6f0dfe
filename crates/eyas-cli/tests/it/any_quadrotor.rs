//! The RAPTOR environment goes through the same commands as the point task, with any vehicle.

use std::fs;
use std::path::Path;

use crate::program::{Workspace, files};

const TASK: &str = "--task Eyas-Raptor-v0";
/// Some seconds of training.
const SHORT: &str = "--max_iterations 40 agent.algorithm.window_steps=60 agent.eval_interval=20 --quiet";

fn vehicle_file(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../eyas-vehicles/vehicles").join(name);
    fs::read_to_string(path).unwrap()
}

#[test]
fn a_teacher_is_trained_measured_distilled_and_flown() {
    let it = Workspace::empty();
    let stdout = it.eyas(&format!("train {TASK} --vehicle x500 {SHORT}")).succeed();
    assert!(
        stdout.contains("eyas distill --task Eyas-Raptor-v0 --vehicle x500 --teacher_checkpoint "),
        "{stdout}"
    );
    let run = &it.runs("rsl_rl", "raptor")[0];
    assert!(files(run).iter().any(|file| file == "best_model.pt"));
    let parameters = fs::read_to_string(run.join("params/env.yaml")).unwrap();
    assert!(parameters.contains("mass: 2.0"), "{parameters}");

    let teacher = run.join("best_model.pt").display().to_string();
    let eval = format!("eval {TASK} --vehicle x500 --checkpoint {teacher} --episodes 200 --json");
    let returns = ["env.protocol=raptor", "env.protocol=eyas"].map(|protocol| {
        let json: serde_json::Value =
            serde_json::from_str(&it.eyas(&format!("{eval} {protocol}")).succeed()).unwrap();
        assert!(json["all"]["mean_length"].as_f64().unwrap() <= 500.0);
        json["all"]["mean_return"].as_f64().unwrap()
    });
    // A vehicle that does nothing falls out of its limits within half a second: -100.
    assert!(returns[0] > 100.0, "{returns:?}");
    assert!(returns[0] > returns[1], "starts within 0.5 m are easier than within 2.5 m: {returns:?}");

    let tiny = "--n_epochs 4 --num_episodes 8 --epoch_teacher_forcing 2 distill.samples_per_epoch=2000 \
                distill.eval_episodes=16 distill.final_episodes=32 distill.student.hidden_dims=[32,32]";
    let distill = format!("distill {TASK} --vehicle x500 --teacher_checkpoint {teacher} {tiny}");
    let stdout = it.eyas(&distill).succeed();
    assert!(stdout.contains("eyas play --task Eyas-Raptor-v0 --vehicle x500"), "{stdout}");
    let student = it.runs("distillation", "raptor")[0].join("best_student.pt").display().to_string();
    let play = format!("play {TASK} --vehicle x500 --checkpoint {student} --max_steps 50 --quiet");
    assert!(it.eyas(&play).succeed().contains("Trajectory: langevin"));
}

#[test]
fn a_training_that_was_stopped_ends_with_the_bytes_of_one_that_was_not() {
    let it = Workspace::empty();
    let value = "agent.algorithm.terminal_value.enabled=true agent.algorithm.gamma=0.99";
    let window = "agent.algorithm.window_steps=20 agent.save_interval=3 agent.eval_interval=6";
    let train = format!("train {TASK} {value} {window} --max_iterations 6 --quiet");
    it.eyas(&train).succeed();
    let last = it.runs("rsl_rl", "raptor")[0].join("model_6.pt");
    let whole = fs::read(&last).unwrap();
    // As if it had been killed after the third iteration.
    fs::remove_file(&last).unwrap();
    assert!(it.eyas(&format!("{train} --resume")).succeed().contains("model_3.pt"));
    assert!(whole == fs::read(&last).unwrap(), "the bytes differ");
}

#[test]
fn a_vehicle_comes_from_a_parameter_file_of_rltools() {
    let it = Workspace::empty();
    let json = vehicle_file("fs.json").trim_end().trim_end_matches('}').to_owned()
        + r#", "disturbances": {"random_force": {"mean": 0.0, "std": 0.25}}, "integration": {"dt": 0.01}}"#;
    fs::write(it.path("large.json"), json).unwrap();
    it.eyas(&format!("train {TASK} --vehicle large.json --max_iterations 1 agent.algorithm.window_steps=5"))
        .succeed();
    let run = &it.runs("rsl_rl", "raptor")[0];
    let parameters = fs::read_to_string(run.join("params/env.yaml")).unwrap();
    assert!(parameters.contains("mass: 3.35") && parameters.contains("std: 0.25"), "{parameters}");
}

#[test]
fn a_vehicle_that_cannot_be_used_is_refused_by_name() {
    let it = Workspace::empty();
    let refused = |arguments: &str, lines: &[&str]| {
        let ended = it.eyas(&format!("train {arguments} --max_iterations 1")).run();
        assert_eq!(ended.code, Some(2), "{}", ended.stderr);
        for line in lines {
            assert!(ended.stderr.contains(line), "no `{line}` in\n{}", ended.stderr);
        }
        assert!(!it.path("logs").exists(), "something was written");
    };
    refused(&format!("{TASK} --vehicle x50"), &["cannot read the vehicle", "--> x50", "crazyflie, x500"]);
    fs::write(it.path("half.json"), &vehicle_file("mrs.json")[..200]).unwrap();
    refused(&format!("{TASK} --vehicle half.json"), &["not a parameter file of RLtools", "--> half.json"]);
    fs::write(it.path("light.json"), vehicle_file("mrs.json").replace("\"mass\": 1.7", "\"mass\": -1.7"))
        .unwrap();
    refused(&format!("{TASK} --vehicle light.json"), &["`mass` = -1.7", "expected a positive"]);
    let torque = vehicle_file("mrs.json").trim_end().trim_end_matches('}').to_owned()
        + r#", "disturbances": {"random_torque": {"mean": 0.0, "std": 0.1}}}"#;
    fs::write(it.path("torque.json"), torque).unwrap();
    refused(&format!("{TASK} --vehicle torque.json"), &["`disturbances.random_torque.std` is 0.1"]);
    let point = "--task Isaac-Quadcopter-Point-Ctrl-v0 --vehicle x500";
    refused(
        point,
        &["`--vehicle`: task `Isaac-Quadcopter-Point-Ctrl-v0` has a vehicle of its own", "Eyas-Raptor-v0"],
    );
    refused(&format!("{TASK} env.init.guidance=1.5"), &["`env.init.guidance` = 1.5, expected a share"]);
    let value = "agent.algorithm.terminal_value.enabled=true";
    refused(&format!("{TASK} {value}"), &["`agent.algorithm.gamma` = 1", "below 1 with `terminal_value`"]);
}
