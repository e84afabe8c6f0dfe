//! A run that goes on keeps its settings, and what is changed is written down.

use std::fs;

use eyas_run::resumes::{self, RunSettings};
use eyas_run::{Layers, Manifest, Origin, RunDir};
use serde::Serialize;
use tempfile::TempDir;

#[derive(Serialize)]
struct Agent {
    gamma: f64,
    clip: f64,
    seed: u64,
    resume: bool,
}

fn defaults() -> Layers {
    let agent = Agent { gamma: 0.99, clip: f64::INFINITY, seed: 42, resume: false };
    Layers::of_groups([("agent", Layers::new(&agent).unwrap())])
}

/// A run that was begun with overrides.
fn begun(overrides: &[&str]) -> (TempDir, RunDir) {
    let root = TempDir::new().unwrap();
    let run = RunDir::create(root.path(), "it", "").unwrap();
    let mut layers = defaults();
    layers.overrides(overrides).unwrap();
    run.params("agent", &layers.table("agent").unwrap()).unwrap();
    let manifest = Manifest { config: layers.provenance().unwrap(), ..Manifest::new("eyas", 1) };
    run.manifest(&manifest).unwrap();
    (root, run)
}

/// The settings of a process that goes on with more overrides, and what they change.
fn going_on(run: &RunDir, overrides: &[&str]) -> (Layers, Vec<resumes::Change>) {
    let earlier = RunSettings::read(run.path()).unwrap().unwrap();
    let mut layers = defaults();
    earlier.layer(&mut layers, run.path(), &["agent"], &["agent.resume"]).unwrap();
    layers.overrides(overrides).unwrap();
    let changes = earlier.changes(&layers.provenance().unwrap(), &["agent.resume"]);
    (layers, changes)
}

#[test]
fn a_run_keeps_its_settings_unless_they_are_given_anew() {
    let (_root, run) = begun(&["agent.gamma=0.9", "agent.resume=true"]);
    let (layers, changes) = going_on(&run, &[]);
    assert_eq!(layers.get("agent.gamma"), Some(0.9.into()));
    assert_eq!(layers.get("agent.resume"), Some(false.into()), "which run goes on is not of the run");
    assert_eq!(changes, []);

    let (_, changes) = going_on(&run, &["agent.gamma=0.5", "agent.resume=true"]);
    let told: Vec<String> = changes.iter().map(ToString::to_string).collect();
    assert_eq!(told, ["agent.gamma: 0.9 → 0.5 (override `agent.gamma=0.5`)"]);
}

#[test]
fn changes_are_recorded_with_their_place_and_are_the_settings_from_then_on() {
    let (_root, run) = begun(&["agent.gamma=0.9"]);
    let params = fs::read(run.file("params/agent.yaml")).unwrap();
    let begun = fs::read(run.file("manifest.json")).unwrap();
    let (_, changes) = going_on(&run, &["agent.clip=0.2", "agent.gamma=0.5"]);
    resumes::record(&run, &Manifest::new("eyas", 1), 5, &changes).unwrap();
    let (layers, changes) = going_on(&run, &["agent.clip=inf"]);
    assert_eq!(layers.get("agent.gamma"), Some(0.5.into()));
    assert!(
        matches!(layers.origin("agent.gamma"), Some(Origin::File { path, .. }) if path.ends_with("resumes.json"))
    );
    assert_eq!(changes.len(), 1);
    resumes::record(&run, &Manifest::new("eyas", 1), 8, &changes).unwrap();
    let (layers, changes) = going_on(&run, &[]);
    assert_eq!(layers.get("agent.clip"), Some(f64::INFINITY.into()));
    assert_eq!(changes, []);

    assert_eq!(fs::read(run.file("params/agent.yaml")).unwrap(), params, "what it was begun with stays");
    assert_eq!(fs::read(run.file("manifest.json")).unwrap(), begun);
    let text = fs::read_to_string(run.file("resumes.json")).unwrap();
    let recorded: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!([&recorded["resumes"][0]["at"], &recorded["resumes"][1]["at"]], [5, 8]);
    let change = &recorded["resumes"][1]["changes"][0];
    assert_eq!(
        ["key", "from", "to", "origin"].map(|it| change[it].as_str().unwrap()),
        ["agent.clip", "0.2", "inf", "override `agent.clip=inf`"]
    );
}

#[test]
fn a_run_that_was_killed_before_its_manifest_has_no_settings_yet() {
    let root = TempDir::new().unwrap();
    assert!(RunSettings::read(root.path()).unwrap().is_none());
    fs::write(root.path().join("manifest.json"), "{").unwrap();
    assert!(RunSettings::read(root.path()).is_err(), "a damaged one is an error");
}
