//! Packed files are read whole, and within bounds.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::Path;

use eyas_vehicles::open_text;
use flate2::Compression;
use flate2::write::GzEncoder;

fn pack(file: &File, text: &[u8]) {
    let mut packed = GzEncoder::new(file, Compression::fast());
    packed.write_all(text).unwrap();
    packed.finish().unwrap();
}

fn read(path: &Path) -> Result<usize, String> {
    std::io::copy(&mut open_text(path).unwrap(), &mut std::io::sink())
        .map(|count| count as usize)
        .map_err(|error| error.to_string())
}

/// `cat a.gz b.gz` used to lose `b`.
#[test]
fn all_members_of_a_packed_file_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("it.jsonl.gz");
    let file = File::create(&path).unwrap();
    pack(&file, b"first\n");
    pack(&file, b"second\n");
    let mut text = String::new();
    open_text(&path).unwrap().read_to_string(&mut text).unwrap();
    assert_eq!(text, "first\nsecond\n");
}

#[test]
fn a_packed_file_that_unpacks_without_measure_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("it.json.gz");
    let zeros = vec![b'0'; 80 << 20];
    pack(&File::create(&path).unwrap(), &zeros);
    let refusal = read(&path).unwrap_err();
    assert!(refusal.contains("more than 64 MiB of text"), "{refusal}");
    // The same as plain text is as long as its file.
    let plain = folder.path().join("it.json");
    std::fs::write(&plain, &zeros).unwrap();
    assert_eq!(read(&plain), Ok(zeros.len()));
}

#[cfg(unix)]
#[test]
fn a_device_that_never_ends_is_refused() {
    assert!(read(Path::new("/dev/zero")).unwrap_err().contains("more than 64 MiB"));
}
