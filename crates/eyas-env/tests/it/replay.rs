//! Transitions recorded by RLtools' C++ simulator in double precision are reproduced.

use std::io::{BufRead, BufReader};

use eyas_env::{Replay, Transition};

fn recording() -> Vec<Transition> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/transitions_f64.jsonl.gz");
    let file = flate2::read::GzDecoder::new(std::fs::File::open(path).unwrap());
    BufReader::new(file).lines().map(|line| serde_json::from_str(&line.unwrap()).unwrap()).collect()
}

#[test]
fn recorded_transitions_are_reproduced_to_1e_9_and_in_every_lane() {
    let replay = Replay::run(&recording()).unwrap();
    println!("{replay}");
    assert_eq!(replay.transitions, 1300);
    assert!(replay.is_within(1e-9), "{replay}");
}

#[test]
fn a_wrong_recording_is_noticed() {
    let mut transitions = recording();
    transitions[700].next_state.angular_velocity[2] += 1e-6;
    assert!(!Replay::run(&transitions).unwrap().is_within(1e-9));
}
