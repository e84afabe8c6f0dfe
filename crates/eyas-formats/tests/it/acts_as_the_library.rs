//! A loaded policy acts as the library that trained it.

use eyas_formats::{LoadOptions, Role, Side};
use eyas_policy::{Cell, Output};

use crate::fixtures::{data, json, load, run_directory, sequence};
use crate::reference::{actions, distance};

/// Single precision over a few hundred terms; the library's own CPU and GPU differ by as much.
const TOLERANCE: f64 = 1e-5;

#[test]
fn every_version_and_cell() {
    let names = [
        "rsl_rl_2.3.3_mlp_norm",
        "rsl_rl_2.3.3_gru_norm",
        "rsl_rl_3.3.0_lstm_nonorm",
        "rsl_rl_3.3.0_mlp_norm_priv_logstd",
        "rsl_rl_4.0.1_mlp_norm",
        "rsl_rl_5.5.1_gru_norm",
    ];
    for name in names {
        let loaded = load(&data(&format!("{name}.pt")), &LoadOptions::default());
        let record = json(&data(&format!("{name}.json")));
        let (found, states) = actions(&loaded.policy, &sequence(&record["input"]));
        let error = distance(&found, &sequence(&record["action"]));
        assert!(error < TOLERANCE, "{name}: actions differ by {error:e}");
        assert_eq!(loaded.policy.normalizer.is_some(), !name.contains("nonorm"), "{name}");
        assert_eq!(loaded.std.as_ref().map(Vec::len), Some(4), "{name}");
        if let Some(last) = record.get("last_hidden") {
            // [h] or [h, c], each [environments][units], as the oracle's state holds them.
            let expected = sequence(last);
            let per_environment = (0..states.len())
                .map(|env| expected.iter().flat_map(|vector| vector[env].clone()).collect())
                .collect::<Vec<Vec<f64>>>();
            let error = distance(&[states], &[per_environment]);
            assert!(error < TOLERANCE, "{name}: hidden states differ by {error:e}");
        }
    }
}

#[test]
fn a_trained_teacher() {
    let loaded = load(&data("point_ctrl_rsl_rl_5.5.1/model_best.pt"), &LoadOptions::default());
    let record = json(&data("point_ctrl_rsl_rl_5.5.1/pairs16.json"));
    let (found, _) = actions(&loaded.policy, &sequence(&record["observations"]));
    let error = distance(&found, &sequence(&record["actions"]));
    assert!(error < TOLERANCE, "actions differ by {error:e}");
    assert_eq!(loaded.role, Role::Actor);
    assert_eq!(loaded.policy.network.architecture.hidden, [64, 64, 64]);
}

#[test]
fn beta_state_dependent_deviation_and_two_lstm_layers() {
    for (name, output) in [
        ("made_5.5.1_beta", Output::Beta),
        ("made_5.5.1_heteroscedastic", Output::Identity),
        ("made_5.5.1_lstm2", Output::Identity),
    ] {
        let record = json(&data(&format!("{name}.json")));
        // JSON is YAML, and so the record's config is one that the loader can read.
        let (directory, path) =
            run_directory(&eyas_formats::Value::None, Some(&record["runner_cfg"].to_string()));
        std::fs::copy(data(&format!("{name}.pt")), &path).unwrap();
        let loaded = load(&path, &LoadOptions::default());
        let (found, _) = actions(&loaded.policy, &sequence(&record["input"]));
        let error = distance(&found, &sequence(&record["actor"]));
        assert!(error < TOLERANCE, "{name}: actions differ by {error:e}");
        assert_eq!(loaded.policy.output, output, "{name}");
        assert_eq!(loaded.policy.num_actions(), 3, "{name}");
        drop(directory);
    }
}

#[test]
fn both_sides_of_a_distillation() {
    let path = data("made_5.5.1_distill.pt");
    let record = json(&data("made_5.5.1_distill.json"));
    for (side, name) in [(Side::Auto, "student"), (Side::Student, "student"), (Side::Teacher, "teacher")] {
        let loaded = load(&path, &LoadOptions { side, ..LoadOptions::default() });
        let (found, _) = actions(&loaded.policy, &sequence(&record["input"]));
        let error = distance(&found, &sequence(&record[name]));
        assert!(error < TOLERANCE, "{name}: actions differ by {error:e}");
        assert_eq!(loaded.role.name(), name);
        assert_eq!(loaded.policy.normalizer.is_some(), name == "teacher");
        let cell = loaded.policy.network.architecture.core.map(|core| core.cell);
        assert_eq!(cell, (name == "student").then_some(Cell::Gru));
    }
}

#[test]
fn the_student_of_the_original_script() {
    let loaded = load(&data("made_student_numpy.pt"), &LoadOptions::default());
    let record = json(&data("made_student_numpy.json"));
    let (found, _) = actions(&loaded.policy, &sequence(&record["input"]));
    let error = distance(&found, &sequence(&record["student"]));
    assert!(error < TOLERANCE, "actions differ by {error:e}");
}
