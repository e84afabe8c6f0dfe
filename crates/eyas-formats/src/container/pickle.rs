//! Python's pickle as data: an interpreter that executes nothing, and a writer.

mod globals;
mod object;
mod read;
mod write;

pub(crate) use object::{Pickle, StorageRef, Storages};
pub(crate) use read::decode;
pub(crate) use write::encode;
