//! HDF5 files as RLtools writes them, through `HighFive` with the library's defaults.
//!
//! Read are superblocks 0, 2 and 3, object headers 1 and 2, groups as symbol tables or with compact
//! links, contiguous and compact datasets, and attributes of one string or number. Whatever else the
//! format allows is refused by name. Sections in comments are those of the HDF5 File Format
//! Specification 3.0.

mod data;
mod file;
mod group;
mod object;
mod write;

use std::path::Path;

use file::{Fault, File};
pub(crate) use write::{MAX_MEMBERS, Node, to_bytes};

use crate::{FormatError, Value};

/// The first bytes of every HDF5 file.
pub(crate) const SIGNATURE: &[u8; 8] = b"\x89HDF\r\n\x1a\n";

/// What stands before the name of an attribute, which shares a dict with the members of its group.
pub(crate) const ATTRIBUTE: char = '@';

/// Groups within groups; RLtools nests six.
const MAX_DEPTH: usize = 32;

/// Reads everything in a file: groups become dicts, datasets of numbers tensors, others bytes.
///
/// A dict begins with the group's attributes, their names after [`ATTRIBUTE`]. Attributes of datasets
/// and those that are neither one string nor one number are left out, as are soft and external links.
pub(crate) fn read(path: &Path, bytes: &[u8]) -> Result<Value, FormatError> {
    let (file, root) = match file::open(bytes) {
        Ok(opened) => opened,
        Err(fault) => return Err(fault.into_error(path, "/")),
    };
    if (bytes.len() as u64) < file.end {
        return Err(FormatError::Truncated {
            path: path.to_owned(),
            part: String::new(),
            found: bytes.len() as u64,
            expected: file.end,
        });
    }
    read_object(&file, root, "", 0).map_err(|(name, fault)| fault.into_error(path, &name))
}

/// The group or dataset at `address`; an error comes with the name of the object that is at fault.
fn read_object(file: &File<'_>, address: u64, name: &str, depth: usize) -> Result<Value, (String, Fault)> {
    let here = |fault| (if name.is_empty() { "/".to_owned() } else { name.to_owned() }, fault);
    if depth > MAX_DEPTH {
        return Err(here(Fault::Unsupported(format!("groups nested more than {MAX_DEPTH} deep"))));
    }
    // The errors below name the object, which a path without end would make dear.
    file.spend(name.len()).map_err(here)?;
    let messages = object::messages(file, address).map_err(here)?;
    let Some(links) = group::links(file, &messages).map_err(here)? else {
        return data::dataset(file, &messages).map_err(here);
    };
    let mut entries = Vec::new();
    for message in messages.iter().filter(|message| message.kind == object::ATTRIBUTE) {
        if let Some((key, value)) = data::attribute(file, message).map_err(here)? {
            entries.push((Value::Str(format!("{ATTRIBUTE}{key}")), value));
        }
    }
    for (key, address) in links {
        let below = if name.is_empty() { key.clone() } else { format!("{name}/{key}") };
        entries.push((Value::Str(key), read_object(file, address, &below, depth + 1)?));
    }
    Ok(Value::Dict(entries))
}
