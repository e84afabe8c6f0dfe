//! The container of torch before 1.6: pickles one after another, then the storages.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use crate::container::pickle::{self, Pickle, StorageRef, Storages};
use crate::{DType, FormatError, Value};

use super::{MAX_PICKLE_BYTES, check_length};

/// The pickle, of protocol 2, of the number `0x1950a86a20f9469cfc6c`. It exceeds 64 bits and is
/// therefore compared as bytes.
pub(super) const MAGIC: &[u8] = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";

/// The version of the container that every such torch wrote.
const PROTOCOL: i64 = 1001;

/// Reads a whole file that begins with [`MAGIC`].
pub(super) fn read(path: &Path, bytes: &[u8]) -> Result<Value, FormatError> {
    let mut rest = &bytes[MAGIC.len()..];
    let protocol = next(&mut rest, path)?.into_value(&mut NoStorages(path), path)?;
    if protocol.as_i64() != Some(PROTOCOL) {
        return Err(FormatError::damaged(path, format!("its protocol is {protocol:?}, expected {PROTOCOL}")));
    }
    let system = next(&mut rest, path)?.into_value(&mut NoStorages(path), path)?;
    if system.get("little_endian").and_then(Value::as_bool) == Some(false) {
        return Err(FormatError::damaged(
            path,
            "its numbers are big-endian; save it on a little-endian machine",
        ));
    }
    let object = next(&mut rest, path)?;
    let keys = next(&mut rest, path)?.into_value(&mut NoStorages(path), path)?;
    let mut storages = LegacyStorages { path, storages: storages(&object, &keys, rest, path)? };
    object.into_value(&mut storages, path)
}

fn next(rest: &mut &[u8], path: &Path) -> Result<Pickle, FormatError> {
    let limit = rest.len().min(MAX_PICKLE_BYTES as usize);
    let pickle = pickle::decode(&rest[..limit], path)?;
    *rest = &rest[pickle.length..];
    Ok(pickle)
}

/// The storages in the order of `keys`: the number of elements as `i64`, then the elements.
fn storages(
    object: &Pickle,
    keys: &Value,
    mut rest: &[u8],
    path: &Path,
) -> Result<HashMap<String, Arc<[u8]>>, FormatError> {
    let types: HashMap<&str, DType> =
        object.storages().map(|storage| (storage.key.as_str(), storage.dtype)).collect();
    let keys = keys.items().ok_or_else(|| FormatError::damaged(path, "it has no list of storages"))?;
    let mut storages = HashMap::new();
    for key in keys {
        let key = key.as_str().unwrap_or_default();
        let dtype = *types.get(key).ok_or_else(|| {
            FormatError::damaged(path, format!("nothing gives the type of storage `{key}`"))
        })?;
        let truncated = |found: usize, expected: u64| FormatError::Truncated {
            path: path.to_owned(),
            part: format!("storage `{key}`"),
            found: found as u64,
            expected,
        };
        let (count, data) = rest.split_first_chunk::<8>().ok_or_else(|| truncated(rest.len(), 8))?;
        let expected = u64::from_le_bytes(*count).saturating_mul(dtype.size() as u64);
        let length = usize::try_from(expected).ok().filter(|&length| length <= data.len());
        let (elements, after) = data.split_at(length.ok_or_else(|| truncated(data.len(), expected))?);
        storages.insert(key.to_owned(), elements.into());
        rest = after;
    }
    Ok(storages)
}

struct LegacyStorages<'a> {
    path: &'a Path,
    storages: HashMap<String, Arc<[u8]>>,
}

impl Storages for LegacyStorages<'_> {
    fn bytes(&mut self, storage: &StorageRef) -> Result<Arc<[u8]>, FormatError> {
        let bytes = self.storages.get(&storage.key).cloned().ok_or_else(|| {
            FormatError::damaged(self.path, format!("storage `{}` is referred to but absent", storage.key))
        })?;
        check_length(&bytes, storage, self.path)?;
        Ok(bytes)
    }
}

/// The header's pickles hold no tensors.
struct NoStorages<'a>(&'a Path);

impl Storages for NoStorages<'_> {
    fn bytes(&mut self, _storage: &StorageRef) -> Result<Arc<[u8]>, FormatError> {
        Err(FormatError::damaged(self.0, "its header holds a tensor"))
    }
}
