//! What each fuzz target reads: a file of one format, or the part of a whole one that a reader has to understand.
//!
//! Nothing but a panic, a hang or memory without bounds is a finding; every error is a right answer.

use std::fs;
use std::io::{Cursor, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use eyas_fly::blob;
use eyas_formats::convert::{self, Export, Kind};
use eyas_formats::{Checkpoint, LoadOptions, npy, onnx, verify};
use eyas_policy::{Activation, Architecture, Contract, Network, Output, Policy};
use tempfile::TempDir;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

/// One folder for a process.
fn folder() -> &'static Path {
    static FOLDER: OnceLock<TempDir> = OnceLock::new();
    FOLDER.get_or_init(|| tempfile::tempdir().expect("a folder for files")).path()
}

/// Reads bytes as a file of a name, as `inspect`, `verify` and all that flies a policy do.
fn read(name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder().join(name);
    fs::write(&path, bytes).expect("the folder is writable");
    if let Ok(checkpoint) = Checkpoint::read(&path) {
        let options = LoadOptions::default();
        let _ = checkpoint.describe(&options).to_string();
        let _ = checkpoint.contract();
        if let Ok(loaded) = checkpoint.policy(&options) {
            let _ = checkpoint.contract_for(&loaded.policy);
        }
    }
    path
}

/// A whole file of a kind, written once.
fn whole(kind: Kind) -> Vec<u8> {
    let network = |architecture: Architecture| Network {
        parameters: (0..architecture.num_parameters()).map(|it| it as f32 * 0.01 - 0.3).collect(),
        architecture,
    };
    // What PX4 flies has one shape of each kind, and RLtools no ELU.
    let network = network(match kind {
        Kind::Px4 => Architecture::gru_student(22, 16, 4),
        Kind::Px4Nn => Architecture::mlp(15, &[2], 4, Activation::Relu),
        _ => Architecture::mlp(3, &[2], 1, Activation::Relu),
    });
    let policy = Policy { normalizer: None, network, output: Output::Identity };
    let mut contract = Contract::of(&policy);
    // A short flight: inputs are to be small.
    contract.test.observations.truncate(5);
    contract.test.actions.truncate(5);
    let export = Export { policy: &policy, contract: &contract, std: None, critic: None, iteration: 0 };
    let path = folder().join("whole").with_extension(kind.extension());
    convert::write(&path, kind, &export).expect("the format takes this policy");
    fs::read(&path).expect("what was written")
}

/// An archive in which every entry whose name ends so has other bytes.
fn with_entry(archive: &[u8], suffix: &str, bytes: &[u8]) -> Vec<u8> {
    let mut archive = ZipArchive::new(Cursor::new(archive)).expect("a whole archive");
    let mut out = ZipWriter::new(Cursor::new(Vec::new()));
    let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    for index in 0..archive.len() {
        let mut file = archive.by_index(index).expect("an entry");
        let name = file.name().expect("a name").into_owned();
        let mut own = Vec::new();
        file.read_to_end(&mut own).expect("its bytes");
        out.start_file(&*name, stored).expect("in memory");
        out.write_all(if name.ends_with(suffix) { bytes } else { &own }).expect("in memory");
    }
    out.finish().expect("in memory").into_inner()
}

macro_rules! whole_once {
    ($kind:expr) => {{
        static WHOLE: OnceLock<Vec<u8>> = OnceLock::new();
        WHOLE.get_or_init(|| whole($kind))
    }};
}

/// A policy as C.
pub fn c(bytes: &[u8]) {
    read("policy.c", bytes);
}

/// A contract beside a state dict.
pub fn contract(bytes: &[u8]) {
    let whole = whole_once!(Kind::Sequential);
    fs::write(folder().join("beside.contract.json"), bytes).expect("the folder is writable");
    read("beside.pt", whole);
}

/// The bytes of `eyas-fly`: as they are, and behind a checksum that is right.
pub fn flash(bytes: &[u8]) {
    if let Ok(policy) = eyas_fly::Policy::new(bytes)
        && policy.state_len() + policy.scratch_len() < 1 << 20
    {
        let mut state = vec![0.0; policy.state_len()];
        let mut scratch = vec![0.0; policy.scratch_len()];
        let [mut observation, mut action] =
            [policy.num_observations(), policy.num_actions()].map(|it| vec![0.0; it]);
        let _ = policy.self_test(&mut state, &mut scratch, &mut observation, &mut action);
    }
    read("policy.bin", bytes);
    if let Some(body) = bytes.get(12..) {
        let repaired = [&blob::MAGIC[..], &blob::crc32(body).to_le_bytes(), body].concat();
        if repaired != bytes {
            flash(&repaired);
        }
    }
}

/// `checkpoint.h5` of RLtools.
pub fn hdf5(bytes: &[u8]) {
    read("checkpoint.h5", bytes);
}

/// The description of a LEAPP bundle whose graph is whole.
pub fn leapp(bytes: &[u8]) {
    whole_once!(Kind::Leapp);
    read("whole.yaml", bytes);
}

/// An array of NumPy, alone and in an archive.
pub fn npy(bytes: &[u8]) {
    let path = folder().join("array.npy");
    fs::write(&path, bytes).expect("the folder is writable");
    let _ = npy::read(&path);
    read("policy.npz", &with_entry(whole_once!(Kind::Npz), "head.0.weight.npy", bytes));
}

/// A graph, read and examined.
pub fn onnx(bytes: &[u8]) {
    let path = read("policy.onnx", bytes);
    let _ = onnx::examine(&path, None);
}

/// The pickle of an archive of torch that is else whole.
pub fn pickle(bytes: &[u8]) {
    read("model.pt", &with_entry(whole_once!(Kind::RslRl5), "data.pkl", bytes));
}

/// safetensors.
pub fn safetensors(bytes: &[u8]) {
    read("policy.safetensors", bytes);
}

/// `policy.tar` of PX4, read and examined.
pub fn tar(bytes: &[u8]) {
    let path = read("policy.tar", bytes);
    let _ = verify::verify(&path, &LoadOptions::default(), None);
}

/// A flatbuffer of TFLite.
pub fn tflite(bytes: &[u8]) {
    read("policy.tflite", bytes);
}

/// Torch's container of before 1.6.
pub fn torch_legacy(bytes: &[u8]) {
    read("legacy.pt", bytes);
}

/// The code of a TorchScript archive that is else whole.
pub fn torchscript(bytes: &[u8]) {
    read("script.pt", &with_entry(whole_once!(Kind::TorchScript), "eyas.py", bytes));
}

/// An archive: torch, TorchScript, NumPy, Stable-Baselines3.
pub fn zip(bytes: &[u8]) {
    read("archive.zip", bytes);
}
