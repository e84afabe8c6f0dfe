//! `eyas inspect` reads every file that a policy comes in.

use serde_json::Value as Json;

use crate::program::{TINY, Workspace, assert_in_order, data};

/// File, how its layout is described, and the lines that describe its networks.
const FILES: [(&str, &str, &[&str]); 13] = [
    (
        "rsl_rl_2.3.3_mlp_norm.pt",
        "rsl_rl PPO, one model (rsl_rl 2.3)",
        &["actor: 26 → 256 → 256 → 256 → 4, 4 actions"],
    ),
    ("rsl_rl_2.3.3_gru_norm.pt", "rsl_rl PPO, one model (rsl_rl 2.3)", &["actor: 26 → gru 64 → 256"]),
    ("rsl_rl_3.3.0_mlp_norm_priv_logstd.pt", "rsl_rl PPO, one model", &["actor: 26 → 256"]),
    (
        "rsl_rl_3.3.0_lstm_nonorm.pt",
        "rsl_rl PPO, one model",
        &["actor: 26 → lstm 64 → 256", "normaliser none"],
    ),
    ("rsl_rl_4.0.1_mlp_norm.pt", "rsl_rl PPO, actor and critic apart", &["actor: 26 → 256"]),
    (
        "rsl_rl_5.5.1_gru_norm.pt",
        "rsl_rl PPO, actor and critic apart (rsl_rl 5.x)",
        &["actor: 26 → gru 64 → 256"],
    ),
    (
        "point_ctrl_rsl_rl_5.5.1/model_best.pt",
        "rsl_rl PPO, actor and critic apart (rsl_rl 5.x)",
        &[
            "iteration 152, with optimiser state",
            "actor: 26 → 64 → 64 → 64 → 4",
            "agent.yaml says",
            "critic: 26 → 64",
        ],
    ),
    (
        "made_5.5.1_distill.pt",
        "rsl_rl distillation, student and teacher apart (rsl_rl 5.x)",
        &["student: 7 → gru 5 → 12 → 8 → 3", "teacher: 7 → 12 → 8 → 3"],
    ),
    ("made_5.5.1_beta.pt", "rsl_rl PPO", &["actor: cannot be loaded", "critic: 7 → 12 → 8 → 1"]),
    (
        "made_student_numpy.pt",
        "MLP student of distillation.py",
        &["epoch 12, best return 45.25", "student: 7 → 6 → 3"],
    ),
    (
        "rltools_released_student.h5",
        "RLtools HDF5",
        &[
            "142024 bytes, HDF5 file",
            "actor: 22 → 16 → gru 16 → 4, 4 actions",
            "activation relu: the file says so",
            "example largest difference",
            "the file holds 1000 observations with their actions",
            "actor/checkpoint_name ",
            "logs/2025-04-19_16-16-17",
            "actor/layers/1/weights_hidden/parameters",
        ],
    ),
    (
        "made_rltools_sac.h5",
        "RLtools HDF5",
        &["actor: 26 → 64 → 64 → 4, 4 actions", "output tanh of the first 4 outputs: its last layer"],
    ),
    (
        "made_rltools_fast_tanh.h5",
        "RLtools HDF5",
        &["actor: cannot be loaded: `actor/layers/0`", "ends in FAST_TANH"],
    ),
];

#[test]
fn every_layout_is_named_and_its_networks_are_drawn() {
    let workspace = Workspace::empty();
    for (name, layout, networks) in FILES {
        let text = workspace.eyas("inspect").arg(data(name)).succeed();
        assert_in_order(&text, &[&format!("{name}: {layout}")]);
        assert_in_order(&text, networks);
        assert_in_order(&text, &["tensors", "float32"]);
    }
}

#[test]
fn files_without_a_policy_are_listed_too() {
    for (name, container) in
        [("containers_zip.pt", "torch zip archive"), ("containers_legacy.pt", "before 1.6")]
    {
        let text = Workspace::empty().eyas("inspect").arg(data(name)).succeed();
        assert_in_order(&text, &["no known layout", container, "transposed", "bfloat16"]);
    }
}

#[test]
fn json_holds_what_the_text_shows() {
    let file = data("point_ctrl_rsl_rl_5.5.1/model_best.pt");
    let text = Workspace::empty().eyas("inspect --json").arg(file).succeed();
    let json: Json = serde_json::from_str(&text).unwrap();
    assert_eq!((json["iteration"].as_u64(), json["has_optimizer"].as_bool()), (Some(152), Some(true)));
    assert_eq!(json["layout"], "rsl_rl_models");
    let roles: Vec<&str> =
        json["networks"].as_array().unwrap().iter().map(|it| it["role"].as_str().unwrap()).collect();
    assert_eq!(roles, ["actor", "critic"]);
    assert_eq!(json["networks"][0]["num_actions"], 4);
    assert!(json["tensors"].as_array().unwrap().len() > 20);
}

#[test]
fn json_holds_the_attributes_and_the_self_test_of_hdf5() {
    let file = data("rltools_released_student.h5");
    let text = Workspace::empty().eyas("inspect --json").arg(file).succeed();
    let json: Json = serde_json::from_str(&text).unwrap();
    assert_eq!((json["layout"].as_str(), json["container"].as_str()), (Some("rl_tools"), Some("hdf5")));
    assert!(json["attributes"]["actor/meta"].as_str().unwrap().contains("\"name\": \"l2f\""));
    assert_eq!(json["attributes"]["actor/layers/2/activation_function"], "IDENTITY");
    assert!(json["networks"][0]["example_difference"].as_f64().unwrap() <= 1e-5);
}

#[test]
fn students_say_what_they_are() {
    let workspace = Workspace::with_teacher();
    for (student, drawn) in [("mlp", "student: 26 → 32 → 32 → 4"), ("gru", "student: 22 → 16 → gru 16 → 4")]
    {
        workspace.distill(&format!("{TINY} --student {student} --experiment_name {student}")).succeed();
        let file = workspace.distillation(student).join("final_student.pt");
        let text = workspace.eyas("inspect").arg(file).succeed();
        assert_in_order(
            &text,
            &["student of distillation.py (written by eyas", "epoch 4", drawn, "the file says so"],
        );
    }
}
