//! A file that is something else is called by its name.

use std::fs;
use std::path::Path;

use eyas_formats::npy::{self, Array, Data};
use eyas_formats::{Checkpoint, FormatError, LoadOptions};

use crate::executes_nothing::archive;

fn looks_like(bytes: &[u8]) -> (String, Option<String>) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("model.pt");
    fs::write(&path, bytes).unwrap();
    let error = Checkpoint::read(&path).unwrap_err();
    let hint = error.hint();
    let FormatError::NotACheckpoint { looks_like, .. } = error else { panic!("{error}") };
    (looks_like.to_owned(), hint)
}

#[test]
fn other_formats_are_recognised() {
    for (bytes, expected) in [
        (&b""[..], "an empty file"),
        (b"\x93NUMPY\x01\x00v\x00{'descr'", "a NumPy array"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a Git LFS pointer"),
        (b"<!DOCTYPE html><html>", "an HTML page"),
        (b"{\"a\": 1}", "a JSON text"),
        (b"\x80\x04\x95\x00\x00\x00\x00\x00\x00\x00\x00}.", "a pickle that torch.save did not write"),
        (b"seed: 42\n", "nothing known here"),
    ] {
        assert_eq!(looks_like(bytes).0, expected);
    }
}

#[test]
fn what_begins_as_a_graph_or_as_safetensors_and_is_none_is_an_error_of_that_format() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("model");
    for (bytes, expected) in [
        (&b"\x08\x0a\x12\x07pytorc"[..], "ONNX graph"),
        (b"\x40\x00\x00\x00\x00\x00\x00\x00{\"a\":{\"dtype\":\"F32\"", "its header"),
    ] {
        fs::write(&path, bytes).unwrap();
        let error = Checkpoint::read(&path).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
}

#[test]
fn archives_of_other_programs_are_told_from_checkpoints() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("data.npz");
    let array = Array::new(&[1], Data::F32(vec![1.0]));
    npy::write_npz(&path, &[("observations", &array)]).unwrap();
    let error = Checkpoint::read(&path).unwrap().policy(&LoadOptions::default()).unwrap_err();
    assert!(error.to_string().contains("it holds `observations`"), "{error}");
    let error = Checkpoint::read(&archive(&directory, &[("readme.txt", b"hello")])).unwrap_err();
    assert!(error.to_string().contains("torch.save did not write"), "{error}");
}

#[test]
fn a_missing_file_is_not_called_damaged() {
    let error = Checkpoint::read(Path::new("/no/such/model.pt")).unwrap_err();
    assert_eq!(error.to_string(), "there is no file `/no/such/model.pt`");
    let error = Checkpoint::read(Path::new("/")).unwrap_err();
    assert!(matches!(error, FormatError::Read { .. }), "{error:?}");
}
