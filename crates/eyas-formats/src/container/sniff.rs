//! What a file that is no checkpoint looks like, so that the message can say so.

use std::path::Path;

use crate::FormatError;

/// First bytes, what they mean, and what to do instead.
const SIGNATURES: [(&[u8], &str, Option<&str>); 12] = [
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file", Some("a file that torch.save wrote is needed here")),
    (b"\x93NUMPY", "a NumPy array", Some("arrays hold data, not policies; give the .pt file of the run")),
    (b"\x1f\x8b", "a gzip file", Some("unpack it first")),
    (b"\x28\xb5\x2f\xfd", "a zstd file", Some("unpack it first")),
    (b"BZh", "a bzip2 file", Some("unpack it first")),
    (b"version https://git-lfs", "a Git LFS pointer", Some("fetch the file itself with `git lfs pull`")),
    (b"<!DOCTYPE", "an HTML page", Some("the download fetched a web page; use the link to the raw file")),
    (b"<html", "an HTML page", Some("the download fetched a web page; use the link to the raw file")),
    (b"\x7fELF", "a program", None),
    (b"{", "a JSON text", None),
    (b"---", "a YAML text", None),
    (b"\x18\x00\x00\x00", "a TensorBoard log", Some("the checkpoints lie beside it: model_*.pt")),
];

/// The error for a file that is neither container of torch; `head` is its beginning.
pub(crate) fn not_a_checkpoint(path: &Path, head: &[u8]) -> FormatError {
    let (looks_like, advice) = if head.is_empty() {
        ("an empty file", Some("the run may have ended while writing it; use the previous checkpoint"))
    } else if head.starts_with(b"\x80") {
        (
            "a pickle that torch.save did not write",
            Some("load it in Python and save its state dict with torch.save"),
        )
    } else {
        SIGNATURES
            .iter()
            .find(|(signature, ..)| head.starts_with(signature))
            .map_or(("nothing known here", None), |&(_, looks_like, advice)| (looks_like, advice))
    };
    FormatError::NotACheckpoint { path: path.to_owned(), looks_like, advice }
}

/// The error for a zip archive without `data.pkl`; `None` for a checkpoint.
pub(crate) fn not_a_checkpoint_archive(path: &Path, names: &[String]) -> Option<FormatError> {
    let ends_with = |suffix: &str| names.iter().any(|name| name.ends_with(suffix));
    if ends_with("/data.pkl") {
        return None;
    }
    let looks_like = "a zip archive that torch.save did not write";
    Some(FormatError::NotACheckpoint { path: path.to_owned(), looks_like, advice: None })
}
