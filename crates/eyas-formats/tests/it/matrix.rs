//! The table of `docs/formats.md` that says what becomes of which file in which format.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use eyas_formats::convert::{self, Export, Kind};
use eyas_formats::{FormatError, LoadOptions, LoadedPolicy};
use eyas_policy::Contract;

use crate::fixtures::{data, load};

/// A file of every program that is read, by what the table calls it.
fn sources() -> Vec<(&'static str, PathBuf)> {
    [
        ("rsl_rl 2.3 MLP", "rsl_rl_2.3.3_mlp_norm.pt"),
        ("rsl_rl 2.3 GRU", "rsl_rl_2.3.3_gru_norm.pt"),
        ("rsl_rl 3.3 LSTM", "rsl_rl_3.3.0_lstm_nonorm.pt"),
        ("rsl_rl 4.0 MLP", "rsl_rl_4.0.1_mlp_norm.pt"),
        ("rsl_rl 5.5 GRU", "rsl_rl_5.5.1_gru_norm.pt"),
        ("its ONNX export", "exports/rsl_rl_5.5.1_gru_norm.onnx"),
        ("`distillation.py`", "made_student_numpy.pt"),
        ("RAPTOR's student", "rltools_released_student.h5"),
        ("rl_games GRU", "foreign/rl_games_gru.pth"),
        ("skrl MLP", "foreign/skrl_mlp.pt"),
        ("Stable-Baselines3 SAC", "foreign/sb3_sac/model.zip"),
        ("sample-factory GRU", "foreign/sample_factory_gru/checkpoint_p0/checkpoint_000000003_65536.pth"),
        ("TorchScript GRU", "torchscript/isaaclab_gru.pt"),
    ]
    .map(|(name, file)| (name, data(file)))
    .to_vec()
}

/// The largest difference of an action over the 50 steps of the test vectors, after the file was read back; a dash where
/// the format has no place for the policy.
fn cell(loaded: &LoadedPolicy, contract: &Contract, kind: Kind, folder: &Path) -> String {
    let export =
        Export { policy: &loaded.policy, contract, std: loaded.std.as_deref(), critic: None, iteration: 0 };
    let path = folder.join(format!("policy.{}", kind.extension()));
    match convert::write(&path, kind, &export) {
        Ok(_) => match convert::read_back(&path, kind, contract).unwrap() {
            difference if difference > 0.0 => format!("{difference:.0e}"),
            _ => "0".to_owned(),
        },
        Err(FormatError::Inexpressible { .. }) => "–".to_owned(),
        Err(error) => panic!("as {kind}: {error}"),
    }
}

#[test]
fn the_documents_table_is_what_conversions_give() {
    // What goes into a firmware holds the C of the column `c`.
    let is_firmware = |kind: &Kind| matches!(kind, Kind::Crazyflie | Kind::Betaflight);
    let kinds = Kind::names().map(|name| name.parse().unwrap());
    let kinds: Vec<Kind> = kinds.filter(|kind| !is_firmware(kind)).collect();
    let mut table = "| from |".to_owned();
    for kind in &kinds {
        write!(table, " `{kind}` |").unwrap();
    }
    writeln!(table, "\n|---|{}", "---|".repeat(kinds.len())).unwrap();
    for (name, source) in sources() {
        write!(table, "| {name} |").unwrap();
        let loaded = load(&source, &LoadOptions::default());
        let contract = Contract::of(&loaded.policy);
        for kind in &kinds {
            // Of every conversion its own folder: a contract that lies beside a file is of that file alone.
            let folder = tempfile::tempdir().unwrap();
            write!(table, " {} |", cell(&loaded, &contract, *kind, folder.path())).unwrap();
        }
        table.push('\n');
    }
    let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/formats.md");
    let text = std::fs::read_to_string(document).unwrap();
    assert!(text.contains(&table), "docs/formats.md has another table than this:\n{table}");
}
