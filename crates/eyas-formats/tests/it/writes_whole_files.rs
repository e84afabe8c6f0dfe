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

#[cfg(unix)]
#[test]
fn a_link_stays_and_its_target_is_replaced() {
    let directory = tempfile::tempdir().unwrap();
    let [target, link, dangling] =
        ["target.pt", "link.pt", "dangling.pt"].map(|name| directory.path().join(name));
    fs::write(&target, b"old").unwrap();
    std::os::unix::fs::symlink("target.pt", &link).unwrap();
    std::os::unix::fs::symlink("fresh.pt", &dangling).unwrap();
    atomic::write(&link, b"new").unwrap();
    atomic::write(&dangling, b"first").unwrap();
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(fs::read(&target).unwrap(), b"new");
    assert_eq!(fs::read(directory.path().join("fresh.pt")).unwrap(), b"first");

    let circle = directory.path().join("circle.pt");
    std::os::unix::fs::symlink("circle.pt", &circle).unwrap();
    assert!(atomic::write(&circle, b"").unwrap_err().to_string().contains("symbolic links"));
}

#[cfg(unix)]
#[test]
fn a_device_and_a_pipe_are_written_to_and_stay() {
    use std::os::unix::fs::FileTypeExt as _;

    let directory = tempfile::tempdir().unwrap();
    let pipe = directory.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let array = npy::Array::new(&[2], npy::Data::F32(vec![1.0, 2.0]));
    let reader = std::thread::spawn({
        let pipe = pipe.clone();
        move || fs::read(pipe).unwrap()
    });
    // An archive seeks while it is written.
    npy::write_npz_in_pieces(&pipe, ("records", std::iter::once(&[1.0_f32, 2.0][..])), &[("other", &array)])
        .unwrap();
    let through_pipe = reader.join().unwrap();
    let file = directory.path().join("file.npz");
    npy::write_npz_in_pieces(&file, ("records", std::iter::once(&[1.0_f32, 2.0][..])), &[("other", &array)])
        .unwrap();
    assert!(through_pipe == fs::read(&file).unwrap());
    assert!(fs::metadata(&pipe).unwrap().file_type().is_fifo());

    let null = std::path::Path::new("/dev/null");
    atomic::write(null, b"bytes").unwrap();
    assert!(fs::metadata(null).unwrap().file_type().is_char_device());
}

#[test]
fn what_a_killed_writer_left_is_removed_and_what_is_being_written_stays() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("model.pt");
    let left = [".model.pt.1-0.tmp", ".model.pt.1-18f3-7.tmp", ".other.pt.1-0.tmp", ".model.pt.notes.tmp"]
        .map(|name| directory.path().join(name));
    for path in &left {
        fs::write(path, b"half").unwrap();
    }
    atomic::write_with(&path, |_| {
        // While one writes, another one of the same name does.
        atomic::write(&path, b"inner")
    })
    .unwrap();
    assert_eq!(left.each_ref().map(|it| it.exists()), [false, false, true, true]);
    atomic::remove_leftovers(directory.path()).unwrap();
    assert_eq!(left.each_ref().map(|it| it.exists()), [false, false, false, true], "a user's own file stays");
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 2);
}

#[test]
fn a_name_of_any_length_that_the_system_takes_can_be_written() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ä".repeat(127));
    atomic::write(&path, b"bytes").unwrap();
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
}
