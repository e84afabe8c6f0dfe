//! What the fuzz targets begin with, and what they have found, ends no reader.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use eyas_formats::convert::{self, Export, Kind};
use eyas_formats::{Checkpoint, LoadOptions};
use eyas_policy::{Activation, Architecture, Contract, Output, Policy};
use zip::ZipArchive;

use crate::fixtures::{data, network};

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus")
}

/// A small whole file of a kind; its folder goes with it.
fn whole(kind: Kind) -> (tempfile::TempDir, PathBuf) {
    let network = network(match kind {
        Kind::Px4 => Architecture::gru_student(22, 16, 4),
        Kind::Px4Nn => Architecture::mlp(15, &[2], 4, Activation::Relu),
        _ => Architecture::mlp(3, &[2], 1, Activation::Relu),
    });
    let policy = Policy { normalizer: None, network, output: Output::Identity };
    let mut contract = Contract::of(&policy);
    // A short flight keeps them small.
    contract.test.observations.truncate(5);
    contract.test.actions.truncate(5);
    let export = Export { policy: &policy, contract: &contract, std: None, critic: None, iteration: 0 };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("whole").with_extension(kind.extension());
    convert::write(&path, kind, &export).unwrap();
    (folder, path)
}

/// An input for each target, by its name.
fn seeds() -> Vec<(&'static str, Vec<u8>)> {
    let file = |kind| fs::read(&whole(kind).1).unwrap();
    let entry = |kind: Kind, suffix: &str| {
        let (_folder, path) = whole(kind);
        let mut archive = ZipArchive::new(fs::File::open(path).unwrap()).unwrap();
        let mut bytes = Vec::new();
        for index in 0..archive.len() {
            let mut file = archive.by_index(index).unwrap();
            if file.name().unwrap().ends_with(suffix) {
                std::io::copy(&mut file, &mut bytes).unwrap();
            }
        }
        bytes
    };
    let contract = {
        let (_folder, path) = whole(Kind::Sequential);
        fs::read(convert::contract_beside(&path)).unwrap()
    };
    vec![
        ("c", file(Kind::C)),
        ("contract", contract),
        ("flash", file(Kind::Fly)),
        ("hdf5", file(Kind::RlTools)),
        ("leapp", file(Kind::Leapp)),
        ("npy", entry(Kind::Npz, "head.0.weight.npy")),
        ("onnx", file(Kind::Onnx)),
        ("pickle", entry(Kind::RslRl5, "data.pkl")),
        ("safetensors", file(Kind::Safetensors)),
        ("tar", file(Kind::Px4)),
        ("tflite", file(Kind::Px4Nn)),
        ("torch_legacy", fs::read(data("containers_legacy.pt")).unwrap()),
        ("torchscript", entry(Kind::TorchScript, "eyas.py")),
        ("zip", file(Kind::Sequential)),
    ]
}

#[test]
fn every_fuzz_target_begins_with_a_whole_input_and_nothing_in_the_corpus_ends_a_reader() {
    for (target, bytes) in seeds() {
        let path = corpus().join(target).join("whole");
        if std::env::var_os("EYAS_ACCEPT").is_some() {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, &bytes).unwrap();
        }
        assert!(fs::read(&path).unwrap() == bytes, "EYAS_ACCEPT=1 writes {} anew", path.display());
    }
    let targets: BTreeSet<_> = seeds().into_iter().map(|(target, _)| target.to_owned()).collect();
    let sources = fs::read_dir(corpus().join("../fuzz_targets")).unwrap();
    let name = |path: PathBuf| path.file_stem().unwrap().to_string_lossy().into_owned();
    assert_eq!(sources.map(|it| name(it.unwrap().path())).collect::<BTreeSet<_>>(), targets);
    for target in targets {
        for file in fs::read_dir(corpus().join(target)).unwrap() {
            if let Ok(checkpoint) = Checkpoint::read(&file.unwrap().path()) {
                let _ = checkpoint.policy(&LoadOptions::default());
            }
        }
    }
}
