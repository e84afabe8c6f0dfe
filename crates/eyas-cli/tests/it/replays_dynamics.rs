//! `eyas check-dynamics` tells a faithful recording from another one.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::Path;

use flate2::read::GzDecoder;

use crate::program::{Workspace, assert_in_order};

const RECORDING: &str = "../eyas-env/tests/data/transitions_f64.jsonl.gz";

fn lines() -> Vec<String> {
    let file = File::open(Path::new(env!("CARGO_MANIFEST_DIR")).join(RECORDING)).unwrap();
    let mut text = String::new();
    GzDecoder::new(file).read_to_string(&mut text).unwrap();
    text.lines().map(str::to_owned).collect()
}

#[test]
fn the_recording_of_the_reference_is_reproduced() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(RECORDING);
    let table = Workspace::empty().eyas("check-dynamics").arg(path).succeed();
    let quantities = [
        "1300 transitions",
        "position [m]",
        "orientation",
        "linear velocity",
        "angular velocity",
        "rotor speed",
        "teacher observation",
        "reward",
        "terminated",
        "within 1.0e-9",
    ];
    assert_in_order(&table, &quantities);
}

#[test]
fn a_recording_need_not_be_compressed() {
    let workspace = Workspace::empty();
    fs::write(workspace.path("some.jsonl"), lines()[..20].join("\n")).unwrap();
    let table = workspace.eyas("check-dynamics some.jsonl").succeed();
    assert_in_order(&table, &["20 transitions", "within"]);
}

#[test]
fn a_changed_number_is_found() {
    let workspace = Workspace::empty();
    let mut lines = lines()[..20].to_vec();
    let mut transition: serde_json::Value = serde_json::from_str(&lines[7]).unwrap();
    let height = transition["next_state"]["position"][2].as_f64().unwrap();
    transition["next_state"]["position"][2] = (height + 1e-6).into();
    lines[7] = transition.to_string();
    fs::write(workspace.path("changed.jsonl"), lines.join("\n")).unwrap();
    let ended = workspace.eyas("check-dynamics changed.jsonl").run();
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(1), ""));
    assert_in_order(&ended.stdout, &["position [m]", "1.0e-6", "not within 1.0e-9"]);
    let table = workspace.eyas("check-dynamics changed.jsonl --tolerance 1e-5").succeed();
    assert_in_order(&table, &["within 1.0e-5"]);
}

#[test]
fn what_is_no_recording_is_an_error() {
    let workspace = Workspace::empty();
    workspace.eyas("check-dynamics nowhere.jsonl").fail_with(&["error: ", "--> nowhere.jsonl", "hint: "]);
    fs::write(workspace.path("empty.jsonl"), "\n").unwrap();
    workspace.eyas("check-dynamics empty.jsonl").fail_with(&["holds no transition", "--> empty.jsonl"]);
    fs::write(workspace.path("broken.jsonl"), format!("{}\n{{\"vehicle\":", lines()[0])).unwrap();
    workspace.eyas("check-dynamics broken.jsonl").fail_with(&["error: ", "--> broken.jsonl:2"]);
}
