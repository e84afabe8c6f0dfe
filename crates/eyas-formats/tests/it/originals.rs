//! The complete checkpoints that `tests/data` holds excerpts of, where they are at hand.

use std::path::PathBuf;

use eyas_formats::{Checkpoint, LoadOptions, Role, rsl_rl};

use crate::fixtures::{json, sequence};
use crate::reference::{actions, distance};

/// `EYAS_SHARED`, or `shared` beside the workspace.
fn shared() -> Option<PathBuf> {
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let root = std::env::var_os("EYAS_SHARED").map_or(beside, PathBuf::from);
    let found = Some(root.join("data/rsl_rl")).filter(|directory| directory.is_dir());
    if found.is_none() {
        eyas_testing::skip("the complete checkpoints, set EYAS_SHARED");
    }
    found
}

fn checkpoints(directory: &std::path::Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|end| end == "pt")).collect();
    paths.sort();
    paths
}

#[test]
fn every_complete_checkpoint_acts_as_the_library() {
    let Some(directory) = shared() else { return };
    for path in checkpoints(&directory) {
        let checkpoint = Checkpoint::read(&path).unwrap();
        let loaded = checkpoint.policy(&LoadOptions::default()).unwrap();
        let record = json(&path.with_extension("json"));
        let (found, _) = actions(&loaded.policy, &sequence(&record["input"]));
        let error = distance(&found, &sequence(&record["action"]));
        assert!(error < 1e-5, "{}: actions differ by {error:e}", path.display());
        assert!(checkpoint.has_optimizer());
        assert!(checkpoint.iteration().is_some());
        let version = record["version"].as_str().unwrap().split('.').next().unwrap().to_owned();
        let described = checkpoint.description();
        // Recurrent 3.x files without normaliser carry nothing that 1.x to 2.x do not.
        assert!(
            described.contains(&format!("rsl_rl {version}")) || described.contains("1.x-3.x"),
            "{}: {described}",
            path.display()
        );
    }
}

#[test]
fn every_complete_ppo_run_can_be_resumed() {
    let Some(directory) = shared() else { return };
    for path in checkpoints(&directory) {
        let checkpoint = Checkpoint::read(&path).unwrap();
        if !checkpoint.roles().contains(&Role::Critic) {
            continue;
        }
        let run = rsl_rl::read_ppo(&path).unwrap();
        let optimizer = run.optimizer.unwrap();
        assert_eq!(optimizer.step, 60, "{}", path.display());
        // Every parameter had a gradient, so a squared moment of 0 means that one was not placed.
        let log_std = run.std.len() * usize::from(path.to_string_lossy().contains("logstd"));
        let untouched = optimizer.exp_avg_sq[log_std..].iter().filter(|moment| **moment == 0.0).count();
        assert!(
            untouched * 100 < optimizer.exp_avg_sq.len(),
            "{}: {untouched} empty moments",
            path.display()
        );
    }
}

/// Policies as they were published, and what rsl_rl itself exported as TorchScript.
#[test]
fn published_policies_of_other_programs_load_or_say_what_they_have() {
    let Some(directory) = shared() else { return };
    let foreign = |name: &str| directory.join("../foreign").join(name);
    let options = LoadOptions::default();
    let attitude =
        Checkpoint::read(&foreign("aerial_gym_rl_games_attitude.pth")).unwrap().policy(&options).unwrap();
    assert_eq!(attitude.policy.network.architecture.hidden, [256, 128, 64]);
    assert_eq!(attitude.std.map(|std| std.len()), Some(4));
    let recurrent =
        Checkpoint::read(&foreign("aerial_gym_sample_factory.pth")).unwrap().policy(&options).unwrap();
    let architecture = &recurrent.policy.network.architecture;
    assert_eq!(
        (architecture.inputs, &architecture.encoder[..], architecture.outputs),
        (81, &[256, 128, 64][..], 4)
    );
    assert_eq!(recurrent.policy.normalizer.and_then(|it| it.clip), Some(5.0));
    let error = Checkpoint::read(&foreign("ntnu_generalist_8rnn.pth")).unwrap().policy(&options).unwrap_err();
    assert!(error.to_string().contains("one of its own, not rl_games'"), "{error}");
    for name in ["rsl_rl_5.5.1_mlp_norm", "rsl_rl_5.5.1_gru_norm"] {
        let export = directory.join("exports").join(format!("{name}.jit.pt"));
        let exported = Checkpoint::read(&export).unwrap().policy(&options).unwrap().policy;
        let record = json(&directory.join(format!("{name}.json")));
        let (found, _) = actions(&exported, &sequence(&record["input"]));
        let error = distance(&found, &sequence(&record["action"]));
        assert!(error < 1e-5, "{name}: actions differ by {error:e}");
    }
}
