//! A file is there completely or not at all.

use std::fs;

use eyas_formats::{atomic, npy};

#[test]
fn a_file_is_replaced_and_nothing_else_is_left() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("model.pt");
    atomic::write(&path, b"first").unwrap();
    atomic::write(&path, b"second").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"second");
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
}

#[test]
fn a_failure_names_the_path_and_keeps_the_old_file() {
    let directory = tempfile::tempdir().unwrap();
    let missing = directory.path().join("no/such/folder/model.pt");
    let array = npy::Array::new(&[1], npy::Data::F32(vec![1.0]));
    let error = npy::write(&missing, &array).unwrap_err();
    assert!(error.to_string().contains("no/such/folder/model.pt"), "{error}");
    assert!(std::error::Error::source(&error).is_some());

    // A directory of that name cannot be replaced.
    let occupied = directory.path().join("model.pt");
    fs::create_dir(&occupied).unwrap();
    assert!(atomic::write(&occupied, b"bytes").is_err());
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "the temporary file is removed");
}

#[test]
fn many_threads_may_write_one_name() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("model.pt");
    std::thread::scope(|scope| {
        for thread in 0..8_u8 {
            let path = &path;
            scope.spawn(move || atomic::write(path, &[thread; 4096]).unwrap());
        }
    });
    let bytes = fs::read(&path).unwrap();
    assert_eq!(bytes.len(), 4096);
    assert!(bytes.iter().all(|byte| *byte == bytes[0]));
}

#[cfg(unix)]
#[test]
fn files_have_the_permissions_of_ordinary_files() {
    use std::os::unix::fs::PermissionsExt as _;

    let directory = tempfile::tempdir().unwrap();
    let (ordinary, written) = (directory.path().join("ordinary"), directory.path().join("written"));
    fs::write(&ordinary, b"").unwrap();
    atomic::write(&written, b"").unwrap();
    let mode = |path| fs::metadata(path).unwrap().permissions().mode();
    assert_eq!(mode(&written), mode(&ordinary));
}
