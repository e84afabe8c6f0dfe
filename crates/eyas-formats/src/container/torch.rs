//! `.pt` files: what `torch.save` writes, in both of its containers.

mod legacy;

use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Seek};
use std::path::Path;
use std::sync::Arc;

use serde::Serialize;

use super::archive::{Archive, ArchiveBuilder};
use super::sniff;
use crate::atomic::write_file;
use crate::container::pickle::{self, StorageRef, Storages};
use crate::{FormatError, Value};

/// How a file packs its objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Container {
    /// A zip archive, since torch 1.6.
    Zip,
    /// Pickles and raw storages one after another, before torch 1.6.
    Legacy,
    /// HDF5; RLtools writes it.
    Hdf5,
    /// safetensors.
    Safetensors,
    /// NumPy's archive of arrays.
    Npz,
    /// The archive of Stable-Baselines3, of which one entry is an archive of torch.
    StableBaselines3,
    /// A Python object by itself.
    Pickle,
    /// A flatbuffer of TFLite.
    TfLite,
    /// A bundle of LEAPP: its description, graphs beside it.
    Leapp,
    /// Modules with their code, as `torch.jit.save` writes them.
    TorchScript,
    /// A graph of operations.
    Onnx,
    /// C source that Eyas wrote.
    C,
    /// The bytes that `eyas-fly` reads.
    Fly,
    /// A USTAR archive; RLtools writes it for microcontrollers.
    Tar,
}

impl std::fmt::Display for Container {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Zip => "torch zip archive",
            Self::Legacy => "torch file from before 1.6",
            Self::Hdf5 => "HDF5 file",
            Self::Safetensors => "safetensors file",
            Self::Npz => "NumPy archive",
            Self::StableBaselines3 => "archive of Stable-Baselines3",
            Self::Pickle => "Python pickle",
            Self::Leapp => "LEAPP bundle",
            Self::TfLite => "TFLite flatbuffer",
            Self::TorchScript => "TorchScript archive",
            Self::Onnx => "ONNX graph",
            Self::C => "C source",
            Self::Tar => "tar archive",
            Self::Fly => "eyas-fly bytes",
        })
    }
}

/// Largest pickle decoded; a checkpoint's takes some kilobytes, its tensors lie outside.
pub(crate) const MAX_PICKLE_BYTES: u64 = 64 << 20;

/// Largest file read: far beyond any flight policy, small enough not to exhaust a workstation.
pub(crate) const MAX_FILE_BYTES: u64 = 4 << 30;

/// Whether a file begins as those of torch before 1.6.
pub(crate) fn is_legacy(head: &[u8]) -> bool {
    head.starts_with(legacy::MAGIC)
}

/// Reads a file that `torch.save` wrote, of any version; executes nothing.
///
/// # Errors
///
/// [`FormatError::NotACheckpoint`] names what another kind of file looks like,
/// [`FormatError::ForbiddenGlobal`] a Python object that is not plain data.
pub fn read(path: &Path) -> Result<(Value, Container), FormatError> {
    let mut file = File::open(path).map_err(|source| FormatError::reading(path, source))?;
    let found = file.metadata().map_err(|source| FormatError::reading(path, source))?.len();
    if found > MAX_FILE_BYTES {
        let part = "the content".to_owned();
        return Err(FormatError::TooLarge { path: path.to_owned(), part, found, limit: MAX_FILE_BYTES });
    }
    let mut head = Vec::new();
    let limit = 64;
    file.by_ref().take(limit).read_to_end(&mut head).map_err(|source| FormatError::reading(path, source))?;
    if head.starts_with(b"PK\x03\x04") {
        return Ok((read_zip(path)?, Container::Zip));
    }
    if !head.starts_with(legacy::MAGIC) {
        return Err(sniff::not_a_checkpoint(path, &head));
    }
    let mut bytes = head;
    file.read_to_end(&mut bytes).map_err(|source| FormatError::reading(path, source))?;
    Ok((legacy::read(path, &bytes)?, Container::Legacy))
}

fn read_zip(path: &Path) -> Result<Value, FormatError> {
    read_archive(path, Archive::open(path)?)
}

/// Reads what `torch.save` wrote into an entry of another archive.
pub(crate) fn from_bytes(path: &Path, bytes: Vec<u8>) -> Result<Value, FormatError> {
    if bytes.starts_with(b"PK\x03\x04") {
        return read_archive(path, Archive::within(path, bytes)?);
    }
    if bytes.starts_with(legacy::MAGIC) {
        return legacy::read(path, &bytes);
    }
    Err(FormatError::damaged(path, "its entry `policy.pth` is not what torch.save writes"))
}

fn read_archive<R: Read + Seek>(path: &Path, mut archive: Archive<R>) -> Result<Value, FormatError> {
    if let Some(error) = sniff::not_a_checkpoint_archive(path, archive.names()) {
        return Err(error);
    }
    let pickle_name = archive.names().iter().find(|name| name.ends_with("/data.pkl")).cloned();
    let pickle_name = pickle_name.expect("the archive has a data.pkl");
    let folder = pickle_name.trim_end_matches("data.pkl").to_owned();
    let byteorder = format!("{folder}byteorder");
    if archive.contains(&byteorder) && archive.read(&byteorder, 16)?.trim_ascii() != b"little" {
        return Err(FormatError::damaged(
            path,
            "its numbers are big-endian; save it on a little-endian machine",
        ));
    }
    let pickle = pickle::decode(&archive.read(&pickle_name, MAX_PICKLE_BYTES)?, path)?;
    pickle.into_value(&mut ZipStorages { archive, folder, path, read: HashMap::new() }, path)
}

/// The tree of modules that `torch.jit.save` wrote, and the archive for what else is in it.
pub(crate) fn read_modules<R: Read + Seek>(
    path: &Path,
    mut archive: Archive<R>,
) -> Result<(Value, Archive<R>), FormatError> {
    let name = archive.names().iter().find(|name| name.ends_with("/data.pkl")).cloned();
    let name = name.ok_or_else(|| FormatError::damaged(path, "the archive has no entry `data.pkl`"))?;
    let folder = name.trim_end_matches("data.pkl").to_owned();
    let pickle = pickle::decode(&archive.read(&name, MAX_PICKLE_BYTES)?, path)?;
    let mut storages = ZipStorages { archive, folder, path, read: HashMap::new() };
    let root = pickle.into_value(&mut storages, path)?;
    Ok((root, storages.archive))
}

/// Storages as entries `data/KEY` of an archive, each read once.
struct ZipStorages<'a, R> {
    archive: Archive<R>,
    folder: String,
    path: &'a Path,
    read: HashMap<String, Arc<[u8]>>,
}

impl<R: Read + Seek> Storages for ZipStorages<'_, R> {
    fn bytes(&mut self, storage: &StorageRef) -> Result<Arc<[u8]>, FormatError> {
        let bytes = if let Some(bytes) = self.read.get(&storage.key) {
            bytes.clone()
        } else {
            let name = format!("{}data/{}", self.folder, storage.key);
            let bytes: Arc<[u8]> = self.archive.read(&name, MAX_FILE_BYTES)?.into();
            self.read.insert(storage.key.clone(), bytes.clone());
            bytes
        };
        check_length(&bytes, storage, self.path)?;
        Ok(bytes)
    }
}

fn check_length(bytes: &[u8], storage: &StorageRef, path: &Path) -> Result<(), FormatError> {
    let expected = storage.elements.saturating_mul(storage.dtype.size());
    if bytes.len() < expected {
        return Err(FormatError::Truncated {
            path: path.to_owned(),
            part: format!("storage `{}`", storage.key),
            found: bytes.len() as u64,
            expected: expected as u64,
        });
    }
    Ok(())
}

/// Writes `value` so that `torch.load(path, weights_only=True)` returns it.
///
/// Equal values give equal bytes. Tensors are stored contiguous, each with a storage of its own.
///
/// # Errors
///
/// [`FormatError::Write`].
pub fn write(path: &Path, value: &Value) -> Result<(), FormatError> {
    write_file(path, &to_bytes(value))
}

/// The bytes that [`write()`] writes.
#[must_use]
pub fn to_bytes(value: &Value) -> Vec<u8> {
    let (pickle, tensors) = pickle::encode(value);
    let mut archive = ArchiveBuilder::new();
    let mut hash = Fnv::new();
    hash.update(&pickle);
    // Names and order as torch 2.x has them; the top folder may have any name.
    archive.add("archive/data.pkl", &pickle);
    archive.add("archive/.format_version", b"1");
    archive.add("archive/.storage_alignment", b"64");
    archive.add("archive/byteorder", b"little");
    for (key, tensor) in tensors.iter().enumerate() {
        let bytes = tensor.to_bytes();
        hash.update(&bytes);
        archive.add(&format!("archive/data/{key}"), &bytes);
    }
    archive.add("archive/version", b"3\n");
    archive.add("archive/.data/serialization_id", format!("{:040}", hash.0).as_bytes());
    archive.into_bytes()
}

/// 64-bit FNV-1a: torch wants 40 digits that tell files apart, not a cryptographic promise.
struct Fnv(u64);

impl Fnv {
    fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    fn update(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}
