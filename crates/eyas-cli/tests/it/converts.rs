//! `eyas convert`, `export`, `verify` and `diff`: policies through formats, checked.

use std::fs;

use serde_json::Value as Json;

use crate::program::{Workspace, assert_in_order};

const TASK_OF_TEACHER: &str = "--task Isaac-Quadcopter-Point-Ctrl-v0";

#[test]
fn a_teacher_goes_through_every_format_and_stays_the_same_policy() {
    let workspace = Workspace::with_teacher();
    let mut from = "teacher/model_best.pt".to_owned();
    for (to, flags) in [
        ("a.onnx", TASK_OF_TEACHER),
        ("b.safetensors", ""),
        ("c.npz", ""),
        ("d.pt", ""),
        ("e.pt", "--to rsl_rl2"),
        ("f.pt", "--to rsl_rl3"),
        ("g.pt", "--to rsl_rl4"),
    ] {
        let said = workspace.eyas(&format!("convert {from} {to} {flags}")).succeed();
        assert_in_order(&said, &[to, "read back, its actions over 50 steps differ by up to"]);
        let verified = workspace.eyas(&format!("verify {to} --against {from}")).succeed();
        assert_in_order(&verified, &[to, "26 → 64 → 64 → 64 → 4", "50 steps replayed", "holds", "sound"]);
        from = to.to_owned();
    }
    let said = workspace.eyas("diff a.onnx g.pt").succeed();
    assert_in_order(&said, &["actions: over 50 steps", "the same policy"]);
    // What the task said at the beginning is still there at the end.
    let inspected = workspace.eyas("inspect g.pt").succeed();
    assert_in_order(
        &inspected,
        &[
            "contract: Isaac-Quadcopter-Point-Ctrl-v0, 100 Hz, 50 steps",
            "observation: ",
            "motors: front left",
        ],
    );
}

#[test]
fn the_contract_says_what_the_task_knows_and_where_it_is_from() {
    let workspace = Workspace::with_teacher();
    let export = "export teacher/model_best.pt --to sequential --output actor.pt";
    workspace.eyas(&format!("{export} {TASK_OF_TEACHER}")).succeed();
    let json: Json =
        serde_json::from_slice(&fs::read(workspace.path("actor.contract.json")).unwrap()).unwrap();
    assert_eq!(json["contract_version"], 2);
    assert_eq!(json["control_rate_hz"], 100.0);
    let widths = json["observation"]["parts"].as_array().unwrap().iter();
    assert_eq!(widths.map(|part| part["width"].as_u64().unwrap()).sum::<u64>(), 26);
    assert_eq!(json["observation"]["parts"][0]["frame"], "body");
    assert_eq!(json["action"]["range"], serde_json::json!([-1.0, 1.0]));
    // Folded into the first layer.
    assert_eq!(json["observation"]["normalizer"], Json::Null);
    let origin = json["origin"].as_array().unwrap();
    let reason =
        |what: &str| origin.iter().find(|it| it["what"] == what).unwrap()["reason"].as_str().unwrap();
    assert!(reason("activation").contains("agent.yaml says actor.activation"));
    assert_eq!(reason("task"), "given by option");
}

#[test]
fn what_a_task_does_not_observe_is_an_error_before_anything_is_written() {
    let workspace = Workspace::with_teacher();
    let convert = "convert teacher/model_best.pt out.onnx --task Isaac-Quadcopter-Direct-v0";
    workspace.eyas(convert).fail_with(&[
        "the policy has 26 observations, the task 12",
        "hint:",
        "eyas task show",
    ]);
    workspace.eyas("convert teacher/model_best.pt out.weights").fail_with(&[
        "its extension says nothing of the format",
        "out.weights",
        "--to KIND",
    ]);
    workspace
        .eyas("convert teacher/model_best.pt teacher/../teacher/model_best.pt")
        .fail_with(&["the file to write is the file to read"]);
    for name in ["out.onnx", "out.bin"] {
        assert!(!workspace.path(name).exists(), "{name}");
    }
}

#[test]
fn two_policies_that_differ_are_told_apart() {
    let workspace = Workspace::with_teacher();
    workspace.eyas("convert teacher/model_best.pt a.onnx").succeed();
    workspace.eyas("convert teacher/model_best.pt b.onnx --teacher_normalizer off").succeed();
    let ended = workspace.eyas("diff a.onnx b.onnx").run();
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert_in_order(
        &ended.stdout,
        &["normaliser: inside | none", "actions: over 50 steps wrong", "they differ"],
    );
    let ended = workspace.eyas("diff a.onnx b.onnx --json").run();
    let json: Json = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(json["facts"][0]["what"], "normaliser");
    assert!(json["actions"]["largest"].as_f64().unwrap() > 0.01);
}

#[test]
fn an_export_without_its_normaliser_is_found_and_repaired() {
    let workspace = Workspace::with_teacher();
    workspace.eyas("convert teacher/model_best.pt bad.onnx --teacher_normalizer off").succeed();
    let ended = workspace.eyas("verify bad.onnx --against teacher/model_best.pt").run();
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert_in_order(
        &ended.stdout,
        &[
            "fault: it does not normalise its observation, the model does",
            "actions: over 50 steps wrong",
            "not sound",
        ],
    );
    let repair = "verify bad.onnx --against teacher/model_best.pt --repair good.onnx";
    assert_in_order(&workspace.eyas(repair).succeed(), &["good.onnx: written right"]);
    workspace.eyas("verify good.onnx --against teacher/model_best.pt").succeed();
    workspace.eyas("diff teacher/model_best.pt good.onnx").succeed();
}

#[test]
fn an_exported_graph_acts_and_flies_like_its_checkpoint() {
    use eyas_formats::npy::{self, Array, Data};
    let workspace = Workspace::with_teacher();
    workspace.eyas("convert teacher/model_best.pt policy.onnx").succeed();
    let observations: Vec<f32> = (0..8 * 26).map(|it| (0.37 * it as f32).sin()).collect();
    npy::write(&workspace.path("obs.npy"), &Array::new(&[8, 26], Data::F32(observations))).unwrap();
    workspace.eyas("act teacher/model_best.pt obs.npy --output a.npy").succeed();
    workspace.eyas("act policy.onnx obs.npy --output b.npy").succeed();
    let read = |name: &str| npy::read(&workspace.path(name)).unwrap().to_f32();
    let error = read("a.npy").iter().zip(read("b.npy")).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(error <= 1e-6, "actions differ by {error:e}");
}
