//! `eyas act` gives the actions that rsl_rl gave.

use std::fs;
use std::path::Path;

use eyas_formats::npy::{self, Array, Data};
use serde_json::Value as Json;

use crate::program::{Invocation, Workspace, data};

/// rsl_rl computes in `f32` with other sums: its actions and ours differ by roundings.
const TOLERANCE: f32 = 1e-5;

fn json(name: &str) -> Json {
    serde_json::from_slice(&fs::read(data(name)).unwrap()).unwrap()
}

/// A nested list of numbers as an array.
fn array(json: &Json) -> Array {
    let (mut shape, mut level) = (Vec::new(), json);
    while let Some(items) = level.as_array() {
        shape.push(items.len());
        level = &items[0];
    }
    let mut numbers = Vec::new();
    flatten(json, &mut numbers);
    Array::new(&shape, Data::F32(numbers))
}

fn flatten(json: &Json, numbers: &mut Vec<f32>) {
    match json.as_array() {
        Some(items) => items.iter().for_each(|item| flatten(item, numbers)),
        None => numbers.push(json.as_f64().unwrap() as f32),
    }
}

fn act(workspace: &Workspace, checkpoint: &Path, observations: &Array, more: &str) -> Invocation {
    npy::write(&workspace.path("observations.npy"), observations).unwrap();
    workspace.eyas("act").arg(checkpoint).and("observations.npy --output actions.npy").and(more)
}

#[track_caller]
fn assert_acts(checkpoint: &str, observations: &Json, actions: &Json, more: &str) {
    let workspace = Workspace::empty();
    let ended = act(&workspace, &data(checkpoint), &array(observations), more).run();
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), ""), "{}", ended.stderr);
    let (found, expected) = (npy::read(&workspace.path("actions.npy")).unwrap(), array(actions));
    assert_eq!(found.shape(), expected.shape());
    let error =
        found.to_f32().iter().zip(expected.to_f32()).map(|(a, b)| (a - b).abs()).fold(0.0_f32, f32::max);
    assert!(error <= TOLERANCE, "{checkpoint}: actions differ by {error:e}");
}

#[test]
fn a_teacher_of_the_task_acts_as_recorded() {
    let pairs = json("point_ctrl_rsl_rl_5.5.1/pairs16.json");
    assert_acts("point_ctrl_rsl_rl_5.5.1/model_best.pt", &pairs["observations"], &pairs["actions"], "");
}

#[test]
fn every_version_of_rsl_rl_acts_as_recorded() {
    let names = [
        "rsl_rl_2.3.3_mlp_norm",
        "rsl_rl_2.3.3_gru_norm",
        "rsl_rl_3.3.0_mlp_norm_priv_logstd",
        "rsl_rl_3.3.0_lstm_nonorm",
        "rsl_rl_4.0.1_mlp_norm",
        "rsl_rl_5.5.1_gru_norm",
    ];
    for name in names {
        let record = json(&format!("{name}.json"));
        assert_acts(&format!("{name}.pt"), &record["input"], &record["action"], "");
    }
}

#[test]
fn both_sides_of_a_distillation_act_as_recorded() {
    let record = json("made_5.5.1_distill.json");
    for (side, more) in [("student", ""), ("student", "--side student"), ("teacher", "--side teacher")] {
        assert_acts("made_5.5.1_distill.pt", &record["input"], &record[side], more);
    }
}

#[test]
fn a_teacher_of_rltools_acts_as_recorded() {
    let record = json("made_rltools_sac.json");
    assert_acts("made_rltools_sac.h5", &record["input"], &record["action"], "");
}

#[test]
fn flags_say_what_a_file_does_not() {
    let beta = json("made_5.5.1_beta.json");
    let flags = "--teacher_output beta --teacher_activation tanh";
    assert_acts("made_5.5.1_beta.pt", &beta["input"], &beta["actor"], flags);
    let mean = json("made_5.5.1_heteroscedastic.json");
    let flags = "--teacher_output mean --teacher_activation mish";
    assert_acts("made_5.5.1_heteroscedastic.pt", &mean["input"], &mean["actor"], flags);
    act(&Workspace::empty(), &data("made_5.5.1_beta.pt"), &array(&beta["input"]), "")
        .fail_with(&["does not say how its 6 outputs become an action", "hint: "]);
}

#[test]
fn decisions_are_told_on_stderr() {
    let workspace = Workspace::with_teacher();
    let pairs = json("point_ctrl_rsl_rl_5.5.1/pairs16.json");
    let teacher = workspace.path("teacher/model_best.pt");
    let ended = act(&workspace, &teacher, &array(&pairs["observations"]), "").run();
    for line in ["activation elu: ", "agent.yaml says actor.activation", "output identity: ", "normaliser "] {
        assert!(ended.stderr.contains(line), "no `{line}` in\n{}", ended.stderr);
    }
}

#[test]
fn observations_of_another_width_are_refused_with_both_shapes() {
    let narrow = Array::new(&[16, 22], Data::F32(vec![0.0; 16 * 22]));
    let workspace = Workspace::with_teacher();
    let teacher = workspace.path("teacher/model_best.pt");
    let lines =
        ["error: observations of shape [16, 22], expected [B, O] with O = 26", "--> observations.npy"];
    act(&workspace, &teacher, &narrow, "").fail_with(&lines);
    assert!(!workspace.path("actions.npy").exists());
    fs::write(workspace.path("observations.npy"), "hello").unwrap();
    let run = workspace.eyas("act teacher/model_best.pt observations.npy --output actions.npy");
    run.fail_with(&["error: ", "no NumPy array"]);
}

#[test]
fn observations_that_are_no_numbers_are_refused_with_their_place() {
    let workspace = Workspace::with_teacher();
    for (value, shown) in [(f32::NAN, "NaN"), (f32::INFINITY, "inf")] {
        let mut observations = vec![0.0; 3 * 26];
        observations[26 + 5] = value;
        let observations = Array::new(&[3, 26], Data::F32(observations));
        let message = format!("error: observation 1, feature 5 is {shown}, not finite");
        let teacher = workspace.path("teacher/model_best.pt");
        act(&workspace, &teacher, &observations, "").fail_with(&[&message, "--> observations.npy"]);
    }
    assert!(!workspace.path("actions.npy").exists());
}
