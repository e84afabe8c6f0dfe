use std::fs;

use eyas_run::atomic;

fn names(directory: &std::path::Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn a_write_replaces_the_whole_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file.txt");
    atomic::write(&path, b"a long first version").unwrap();
    atomic::write(&path, b"second").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"second");
    assert_eq!(names(directory.path()), ["file.txt"]);
}

#[test]
fn a_failed_write_leaves_no_temporary_file() {
    let directory = tempfile::tempdir().unwrap();
    let target = directory.path().join("taken");
    fs::create_dir(&target).unwrap(); // a file cannot take the name of a directory
    atomic::write(&target, b"content").unwrap_err();
    assert_eq!(names(directory.path()), ["taken"]);
    assert!(target.is_dir());
}

#[test]
fn a_missing_directory_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let error = atomic::write(&directory.path().join("no/file"), b"content").unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
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
