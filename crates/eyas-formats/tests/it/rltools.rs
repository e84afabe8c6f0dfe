//! Checkpoints of RLtools are read from HDF5, and a policy acts as RLtools says.

use std::fs;
use std::path::{Path, PathBuf};

use eyas_formats::{
    Checkpoint, FormatError, Layout, LoadOptions, LoadedPolicy, NormalizerChoice, OutputChoice, Side, rsl_rl,
    torch,
};
use eyas_policy::{Activation, Architecture, Output};
use proptest::prelude::*;

use crate::fixtures::{data, json, load, sequence};
use crate::reference::{actions, distance};

/// Single precision over a few hundred terms.
const TOLERANCE: f64 = 1e-5;

fn loaded(name: &str) -> LoadedPolicy {
    load(&data(name), &LoadOptions::default())
}

fn refused(name: &str, options: &LoadOptions) -> FormatError {
    Checkpoint::read(&data(name)).unwrap().policy(options).unwrap_err()
}

/// A copy of a file with the bytes `from` replaced once by `to`.
fn altered(name: &str, from: &[u8], to: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("checkpoint.h5");
    let mut bytes = fs::read(data(name)).unwrap();
    let at = bytes.windows(from.len()).position(|window| window == from).unwrap();
    bytes[at..at + to.len()].copy_from_slice(to);
    fs::write(&path, bytes).unwrap();
    (directory, path)
}

#[test]
fn the_released_student_acts_as_its_example_says() {
    let loaded = loaded("rltools_released_student.h5");
    assert_eq!(loaded.policy.network.architecture, Architecture::gru_student(22, 16, 4));
    assert_eq!((&loaded.policy.normalizer, loaded.policy.output), (&None, Output::Identity));
    let difference = loaded.example_difference.unwrap();
    assert!(difference <= 1e-5, "{difference:e}");

    let checkpoint = Checkpoint::read(&data("rltools_released_student.h5")).unwrap();
    assert_eq!((checkpoint.kind(), checkpoint.container()), (Layout::RlTools, torch::Container::Hdf5));
    let example =
        |key: &str| checkpoint.root().get("example").unwrap().get(key).unwrap().as_tensor().unwrap();
    let nested = |key: &str, width: usize| -> Vec<Vec<Vec<f64>>> {
        let values = example(key).to_f64();
        values.chunks(2 * width).map(|step| step.chunks(width).map(<[f64]>::to_vec).collect()).collect()
    };
    assert_eq!(example("input").shape(), [500, 2, 22]);
    let error = distance(&actions(&loaded.policy, &nested("input", 22)).0, &nested("output", 4));
    assert!(error < TOLERANCE, "actions differ by {error:e}");
}

#[test]
fn teachers_of_sac_td3_and_ppo_act_as_computed_with_numpy() {
    for (name, hidden, activation, output) in [
        ("sac", [64, 64], Activation::Relu, Output::Tanh),
        ("td3", [8, 8], Activation::Relu, Output::Tanh),
        ("ppo", [8, 8], Activation::Tanh, Output::Identity),
    ] {
        let loaded = loaded(&format!("made_rltools_{name}.h5"));
        let record = json(&data(&format!("made_rltools_{name}.json")));
        let (found, _) = actions(&loaded.policy, &sequence(&record["input"]));
        let error = distance(&found, &sequence(&record["action"]));
        assert!(error < TOLERANCE, "{name}: actions differ by {error:e}");
        assert!(loaded.example_difference.unwrap() < 1e-5, "{name}: {:?}", loaded.example_difference);
        let architecture = &loaded.policy.network.architecture;
        assert_eq!((&architecture.hidden[..], architecture.activation), (&hidden[..], activation));
        assert_eq!(loaded.policy.output, output);
        assert_eq!(loaded.policy.normalizer.is_some(), name == "ppo");
        assert_eq!(loaded.std.as_ref().map(Vec::len), (name == "ppo").then_some(3));
    }
    let std = loaded("made_rltools_ppo.h5").std.unwrap();
    assert!(std.iter().zip([0.5, 0.25, 0.125]).all(|(a, b)| (a - b).abs() < 1e-6), "{std:?}");
}

#[test]
fn options_stand_above_the_file() {
    let read = |name: &str, options: &LoadOptions| load(&data(name), options).policy;
    let output = |output| LoadOptions { output, ..LoadOptions::default() };
    let identity = read("made_rltools_sac.h5", &output(OutputChoice::Identity));
    assert_eq!((identity.output, identity.num_actions()), (Output::Identity, 4));
    assert_eq!(read("made_rltools_ppo.h5", &output(OutputChoice::Tanh)).output, Output::Tanh);
    let error = refused("made_rltools_sac.h5", &output(OutputChoice::Beta));
    assert!(error.to_string().contains("its 8 outputs are no two values for each action"), "{error}");
    let off = LoadOptions { normalizer: NormalizerChoice::Off, ..LoadOptions::default() };
    assert_eq!(read("made_rltools_ppo.h5", &off).normalizer, None);
    let borrowed = NormalizerChoice::Path(data("made_rltools_ppo.h5"));
    let borrowed = LoadOptions { normalizer: borrowed, ..LoadOptions::default() };
    assert!(read("made_rltools_td3.h5", &borrowed).normalizer.is_some());
}

#[test]
fn an_activation_that_is_not_computed_here_never_becomes_another_silently() {
    let error = refused("made_rltools_fast_tanh.h5", &LoadOptions::default());
    assert!(error.to_string().contains("ends in FAST_TANH"), "{error}");
    assert!(error.to_string().starts_with("`actor/layers/0` in "), "{error}");
    assert!(error.hint().unwrap().contains("--teacher_activation tanh"));
    let given = LoadOptions { activation: Some(Activation::Tanh), ..LoadOptions::default() };
    let difference = load(&data("made_rltools_fast_tanh.h5"), &given).example_difference.unwrap();
    assert!((1e-3..0.1).contains(&difference), "{difference}");

    let (_directory, path) = altered("made_rltools_sac.h5", b"RELU", b"GELU");
    let error = Checkpoint::read(&path).unwrap().policy(&LoadOptions::default()).unwrap_err();
    assert!(error.hint().unwrap().contains("--teacher_activation gelu"), "{error}");
}

#[test]
fn a_learnt_initial_state_is_refused() {
    let error = refused("made_rltools_learnt_state.h5", &LoadOptions::default());
    assert!(error.to_string().contains("begins an episode with a learnt state"), "{error}");
}

#[test]
fn a_policy_that_fails_its_example_is_refused() {
    let name = "rltools_released_student.h5";
    let checkpoint = Checkpoint::read(&data(name)).unwrap();
    let output = checkpoint.root().get("example").unwrap().get("output").unwrap();
    let first: Vec<u8> =
        output.as_tensor().unwrap().to_f32()[..2].iter().flat_map(|it| it.to_le_bytes()).collect();
    let (_directory, path) = altered(name, &first, &5.0_f32.to_le_bytes());
    let error = Checkpoint::read(&path).unwrap().policy(&LoadOptions::default()).unwrap_err();
    assert!(matches!(error, FormatError::FailsExample { examples: 1000, .. }), "{error}");
    let given = LoadOptions { output: OutputChoice::Identity, ..LoadOptions::default() };
    assert!(load(&path, &given).example_difference.unwrap() > 0.1);
}

#[test]
fn a_layer_of_another_kind_is_named() {
    let (_directory, path) = altered("rltools_released_student.h5", b"gru\0", b"xyz\0");
    let error = Checkpoint::read(&path).unwrap().policy(&LoadOptions::default()).unwrap_err();
    assert!(error.to_string().contains("`actor/layers/1` in "), "{error}");
    assert!(error.to_string().contains("is a layer of type `xyz`, known are dense, gru"), "{error}");
}

#[test]
fn hdf5_of_other_programs_is_refused_with_what_it_holds() {
    let error = refused("made_hdf5_other.h5", &LoadOptions::default());
    assert!(error.to_string().ends_with("it holds `model_weights`, `optimizer_weights`"), "{error}");
    let error = Checkpoint::read(&data("made_hdf5_chunked.h5")).unwrap_err();
    assert!(error.to_string().ends_with("it is compressed or filtered (object `frames`)"), "{error}");
    assert!(error.hint().unwrap().contains("h5repack"));
    let error = torch::read(&data("made_rltools_sac.h5")).unwrap_err();
    assert!(error.to_string().ends_with("it looks like an HDF5 file"), "{error}");
}

#[test]
fn a_checkpoint_without_student_or_run_says_so() {
    let student = LoadOptions { side: Side::Student, ..LoadOptions::default() };
    let error = refused("made_rltools_sac.h5", &student);
    assert!(error.to_string().ends_with("has no student: it holds actor"), "{error}");
    let error = rsl_rl::read_ppo(&data("made_rltools_sac.h5")).unwrap_err();
    assert!(error.to_string().ends_with("has no critic: it holds actor"), "{error}");
}

/// Reads, describes and loads; whether that works is for the caller to judge.
fn read(path: &Path) -> Result<(), FormatError> {
    let checkpoint = Checkpoint::read(path)?;
    assert!(!checkpoint.describe(&LoadOptions::default()).to_string().is_empty());
    checkpoint.policy(&LoadOptions::default()).map(drop)
}

#[test]
fn a_file_cut_at_any_byte_says_that_it_was_cut() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("cut.h5");
    for name in ["made_rltools_td3.h5", "made_rltools_ppo.h5"] {
        fs::write(&path, fs::read(data(name)).unwrap()).unwrap();
        let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
        for length in (0..file.metadata().unwrap().len()).rev() {
            file.set_len(length).unwrap();
            let error = read(&path).unwrap_err();
            // Within the superblock nothing says how long the file was.
            let expected = matches!(error, FormatError::Truncated { found, .. } if found == length);
            assert!(expected || length < 96, "{length}: {error}");
        }
    }
}

#[test]
fn no_changed_byte_panics_or_hangs() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("changed.h5");
    for (name, step) in [("made_rltools_ppo.h5", 1), ("made_rltools_td3.h5", 3)] {
        let mut bytes = fs::read(data(name)).unwrap();
        for at in (0..bytes.len()).step_by(step) {
            let before = bytes[at];
            bytes[at] ^= 1 << (at % 8);
            fs::write(&path, &bytes).unwrap();
            drop(read(&path));
            bytes[at] = before;
        }
    }
}

#[test]
fn groups_within_themselves_come_to_an_end() {
    let name = "made_rltools_td3.h5";
    let bytes = fs::read(data(name)).unwrap();
    // Every member becomes the root group, whose header stands at 96.
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("cycle.h5");
    let mut cyclic = bytes.clone();
    let nodes: Vec<usize> = (0..bytes.len() - 4).filter(|&at| &bytes[at..at + 4] == b"SNOD").collect();
    for node in nodes {
        let count = usize::from(bytes[node + 6]);
        for entry in 0..count {
            let header = node + 8 + 40 * entry + 8;
            cyclic[header..header + 8].copy_from_slice(&96_u64.to_le_bytes());
        }
    }
    fs::write(&path, cyclic).unwrap();
    let error = read(&path).unwrap_err().to_string();
    assert!(error.contains("nested more than 32 deep") || error.contains("without end"), "{error}");
}

proptest! {
    #[test]
    fn no_mutation_panics(
        name in prop::sample::select(vec!["made_rltools_ppo.h5", "made_rltools_fast_tanh.h5"]),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("mutated.h5");
        let mut bytes = fs::read(data(name)).unwrap();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        fs::write(&path, bytes).unwrap();
        drop(read(&path));
    }
}
