//! `eyas bench` says what it measured, and takes turns with other programs.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::program::{Invocation, Workspace, assert_in_order};

const SHORT: &str = "bench --work dynamics --seconds 0.01";

/// A peer that does a million steps in two seconds, as it says.
const PEER: &str = r#"#!/bin/sh
echo '{"peer": "a made-up program", "works": ["dynamics"]}'
while read -r work seconds; do echo '{"units": 1e6, "seconds": 2}'; done
"#;

fn against(it: &Workspace, script: &str) -> Invocation {
    let path = it.path("peer");
    fs::write(&path, script).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    it.eyas(SHORT).and("--against l2f").env("EYAS_L2F", &path)
}

#[test]
fn a_peer_and_this_program_take_turns() {
    let it = Workspace::empty();
    let stdout = against(&it, PEER).and("--rounds 3").succeed();
    assert_in_order(
        &stdout,
        &["peak of a core", "[1] a made-up program", "work", "dynamics", "steps/s", "500 k"],
    );

    let stdout = against(&it, PEER).and("--rounds 3 --json").succeed();
    let report: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    let work = &report["works"][0];
    assert_eq!(work["rates"].as_array().unwrap().len(), 3);
    assert_eq!(work["peers"][0]["rates"], serde_json::json!([5e5, 5e5, 5e5]));
    let ratio = work["median_rate"].as_f64().unwrap() / 5e5;
    assert!((work["peers"][0]["median_ratio"].as_f64().unwrap() / ratio - 1.0).abs() < 1e-9);
}

#[test]
fn peers_are_held_to_the_instruction_set_that_is_asked_for() {
    let it = Workspace::empty();
    let says = PEER.replace(
        "echo '{\"peer\": \"a made-up program\"",
        "echo '{\"peer\": \"MKL '$MKL_ENABLE_INSTRUCTIONS'\"",
    );
    assert_in_order(&against(&it, &says).and("--isa portable").succeed(), &["[1] MKL SSE4_2"]);
}

#[test]
fn a_peer_that_fails_is_named() {
    let it = Workspace::empty();
    let fails = PEER.replace(r#"{"units": 1e6, "seconds": 2}"#, r#"{"error": "no memory"}"#);
    for (script, parts) in [
        (fails.as_str(), ["`a made-up program` cannot do `dynamics`: no memory", ""]),
        ("#!/bin/sh\necho hello\n", ["answered `hello`", "hint: EYAS_L2F names"]),
        ("#!/bin/sh\nexit 3\n", ["ended without an answer", "hint: EYAS_L2F names"]),
    ] {
        let ended = against(&it, script).run();
        assert_eq!(ended.code, Some(2), "{}", ended.stdout);
        assert_in_order(&ended.stderr, &parts);
    }
    it.eyas(SHORT).and("--against l2f").env_remove("EYAS_L2F").fail_with(&["no program", "hint: compile"]);
}

#[test]
fn works_are_listed_and_others_refused() {
    let it = Workspace::empty();
    assert_in_order(&it.eyas("bench --list").succeed(), &["dynamics", "gru_update", "raptor_epoch"]);
    it.eyas("bench --work dynamic").fail_with(&["there is no such work", "hint: expected some of dynamics"]);
    it.eyas("bench --isa mmx").fail_with(&["not on this machine", "hint: it has portable"]);
    it.eyas("bench --device gpu").fail_with(&["expected \"cpu\", \"auto\" or \"cuda:0\""]);
    assert_in_order(&it.eyas("bench --list --device cuda:0").succeed(), &["gru_update_512", "raptor_epoch"]);
    it.eyas("bench --device cuda:999 --work mlp_update").fail_with(&["`--device`: ", "hint: "]);
    it.eyas("bench --seconds 0").fail_with(&["`--seconds` a positive number"]);
    assert_eq!(it.eyas("bench --work dynamics --isa portable --times 1").succeed(), "");
}
