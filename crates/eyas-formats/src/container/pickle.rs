//! Python's pickle as data: an interpreter that executes nothing, and a writer.

mod globals;
mod object;
mod read;
mod write;

use std::path::Path;
use std::sync::Arc;

use crate::{FormatError, Value};

pub(crate) use object::{Pickle, StorageRef, Storages};
pub(crate) use read::decode;
pub(crate) use write::{Attribute, Module, encode, encode_module};

/// A `VecNormalize` of Stable-Baselines3, pickled by itself, as the dict of its attributes; `None` for anything else.
pub(crate) fn vec_normalize(bytes: &[u8], path: &Path) -> Result<Option<Value>, FormatError> {
    let pickle = match decode(bytes, path) {
        Ok(pickle) if pickle.is_instance() => pickle,
        Err(error @ FormatError::ForbiddenGlobal { .. }) => return Err(error),
        _ => return Ok(None),
    };
    pickle.into_value(&mut NoStorages { path }, path).map(Some)
}

/// A pickle by itself has no tensors of torch.
struct NoStorages<'a> {
    path: &'a Path,
}

impl Storages for NoStorages<'_> {
    fn bytes(&mut self, storage: &StorageRef) -> Result<Arc<[u8]>, FormatError> {
        Err(FormatError::damaged(self.path, format!("storage `{}` lies in no file", storage.key)))
    }
}
