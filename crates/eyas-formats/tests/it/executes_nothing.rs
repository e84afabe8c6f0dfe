//! A hostile pickle is refused before it can do anything or take any memory.

use std::io::Write;
use std::path::{Path, PathBuf};

use eyas_formats::{FormatError, Tensor, Value, torch};
use tempfile::TempDir;
use zip::write::SimpleFileOptions;

/// A torch archive around any bytes.
pub(crate) fn archive(directory: &TempDir, entries: &[(&str, &[u8])]) -> PathBuf {
    let path = directory.path().join("hostile.pt");
    let mut writer = zip::ZipWriter::new(std::fs::File::create(&path).unwrap());
    for (name, bytes) in entries {
        writer.start_file(*name, SimpleFileOptions::default()).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap();
    path
}

pub(crate) fn read_pickle(pickle: &[u8]) -> Result<Value, FormatError> {
    let directory = tempfile::tempdir().unwrap();
    let path = archive(&directory, &[("m/data.pkl", pickle), ("m/data/0", &[0; 16]), ("m/version", b"3\n")]);
    torch::read(&path).map(|(value, _)| value)
}

#[test]
fn a_call_of_os_system_names_what_was_not_run() {
    let trace = Path::new("/tmp/eyas-formats-was-executed");
    let classic = b"\x80\x02cos\nsystem\nX\x24\x00\x00\x00touch /tmp/eyas-formats-was-executed ;;\x85R.";
    let stack_global = b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x04true\x85R.";
    for pickle in [&classic[..], stack_global] {
        let error = read_pickle(pickle).unwrap_err();
        let FormatError::ForbiddenGlobal { module, name, .. } = &error else { panic!("{error}") };
        assert_eq!((module.as_str(), name.as_str()), ("os", "system"));
        assert!(error.to_string().contains("`os.system`, which was not executed"), "{error}");
        assert!(error.hint().unwrap().contains("state_dict"));
    }
    assert!(!trace.exists());
}

#[test]
fn names_that_are_there_to_be_executed_end_the_reading() {
    for name in
        ["builtins\neval", "__builtin__\n__import__", "torch\nload", "subprocess\nPopen", "os.path\njoin"]
    {
        let error = read_pickle(format!("\u{2}c{name}\n.").replacen('\u{2}', "", 1).as_bytes()).unwrap_err();
        assert!(matches!(error, FormatError::ForbiddenGlobal { .. }), "{name}: {error}");
    }
}

#[test]
fn names_close_to_the_allowed_ones_are_nothing_but_names() {
    for name in [
        "collections\nOrderedDict.fromkeys",
        "torch._utils\n_rebuild_tensor",
        "torch\nEvilStorage",
        "numpy\nload",
        "_codecs\ndecode",
        "__main__\nStudentPolicy",
    ] {
        // The name, the name called, and the object filled: each is a name and holds nothing.
        for after in ["", ")R", ")R}b", ")R(K\u{1}e"] {
            let value = read_pickle(format!("c{name}\n{after}.").as_bytes()).unwrap();
            assert_eq!(value, Value::Opaque(name.replace('\n', ".")), "{after}");
        }
    }
}

#[test]
fn sets_are_lists_and_long_integers_have_no_value() {
    let set = b"\x80\x02c__builtin__\nset\n](K\x01K\x02e\x85R.";
    assert_eq!(read_pickle(set).unwrap(), Value::List(vec![1.into(), 2.into()]));
    let long = b"\x80\x02\x8a\x09\x01\x01\x01\x01\x01\x01\x01\x01\x01.";
    assert_eq!(read_pickle(long).unwrap(), Value::Opaque("int".to_owned()));
}

#[test]
fn sizes_that_lie_take_no_memory() {
    let huge_string = b"\x80\x02X\xff\xff\xff\x7fabc.";
    let huge_bytes = b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\x7fabc.";
    let huge_integer = b"\x80\x02\x8b\xff\xff\xff\x7f\x01.";
    for pickle in [&huge_string[..], huge_bytes, huge_integer] {
        let error = read_pickle(pickle).unwrap_err();
        assert!(matches!(error, FormatError::Pickle { .. }), "{error}");
    }
}

/// `_rebuild_tensor_v2` of the 16 stored bytes with any sizes, strides and offset (pickled integers).
fn tensor(elements: &str, offset: &str, shape: &str, strides: &str) -> Result<Value, FormatError> {
    let mut pickle =
        b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n((X\x07\x00\x00\x00storagectorch\nFloatStorage\n"
            .to_vec();
    pickle.extend(b"X\x01\x00\x00\x000X\x03\x00\x00\x00cpu");
    let number = |text: &str| {
        let value: i64 = text.trim().parse().unwrap();
        [&[0x8a, 8][..], &value.to_le_bytes()].concat()
    };
    let tuple = |text: &str| {
        let items = text.split_whitespace().flat_map(number).collect::<Vec<u8>>();
        [b"(", &items[..], b"t"].concat()
    };
    pickle.extend(number(elements));
    pickle.extend(b"tQ");
    pickle.extend(number(offset));
    pickle.extend(tuple(shape));
    pickle.extend(tuple(strides));
    pickle.extend(b"\x89ccollections\nOrderedDict\n)RtR.");
    read_pickle(&pickle)
}

#[test]
fn tensors_outside_their_storage_are_refused() {
    assert!(tensor("4", "0", "2 2", "2 1").is_ok());
    assert!(tensor("4", "3", "", "").is_ok());
    for (elements, offset, shape, strides) in [
        ("5", "0", "2 2", "2 1"),
        ("4", "1", "2 2", "2 1"),
        ("4", "4", "", ""),
        ("4", "-1", "1", "1"),
        ("4", "0", "2 2", "2"),
        ("4", "0", "-2", "1"),
        ("4", "0", "9223372036854775807 9223372036854775807", "0 0"),
        ("4", "0", "4611686018427387904", "0"),
        ("4", "0", "2", "9223372036854775807"),
        ("9223372036854775807", "0", "1", "1"),
    ] {
        let result = tensor(elements, offset, shape, strides);
        assert!(result.is_err(), "{elements} {offset} [{shape}] [{strides}]: {result:?}");
    }
}

#[test]
fn deep_nesting_and_cycles_end() {
    let deep = [&b"\x80\x02"[..], &b"]".repeat(100_000), &b"a".repeat(99_999), b"."].concat();
    let cycle = b"\x80\x02]q\x00h\x00a.";
    let marks = [&b"\x80\x02"[..], &b"(".repeat(1_000_000), b"."].concat();
    for pickle in [&deep[..], cycle, &marks] {
        assert!(read_pickle(pickle).is_err());
    }
}

#[test]
fn a_memo_bomb_ends() {
    // Each level is a list of ten references to the one below: 10^50 items in 2 kB.
    let mut pickle = b"\x80\x02]q\x00".to_vec();
    for level in 0..50_u8 {
        pickle.extend(b"](");
        pickle.extend([b'h', level].repeat(10));
        pickle.extend([b'e', b'q', level + 1]);
    }
    pickle.push(b'.');
    let error = read_pickle(&pickle).unwrap_err();
    assert!(matches!(error, FormatError::TooLarge { .. }), "{error}");
}

#[test]
fn copies_by_calls_end() {
    // One long tuple, made into a torch.Size a hundred thousand times.
    let mut pickle = b"\x80\x02ctorch\nSize\nq\x00((".to_vec();
    pickle.extend(b"K\x01".repeat(100_000));
    pickle.extend(b"t\x85q\x01");
    pickle.extend(b"h\x00h\x01R".repeat(100_000));
    pickle.push(b'.');
    assert!(read_pickle(&pickle).is_err());
}

#[test]
fn entries_that_overlap_are_refused() {
    // Ten storages of which the directory says that each is the first, 64 kB long.
    let first = Value::from(Tensor::from_u8(&[1 << 16], &vec![1; 1 << 16]));
    let others = (0..9_u8).map(|value| Tensor::from_u8(&[1], &[value]).into());
    let mut bytes = torch::to_bytes(&Value::List([first].into_iter().chain(others).collect()));
    let is_record =
        |window: &[u8]| window.starts_with(b"PK\x01\x02") && window[46..].starts_with(b"archive/data/");
    let records: Vec<usize> = (0..bytes.len() - 64).filter(|&at| is_record(&bytes[at..at + 64])).collect();
    assert_eq!(records.len(), 10);
    for &record in &records[1..] {
        for field in [16..28, 42..46] {
            bytes.copy_within(records[0] + field.start..records[0] + field.end, record + field.start);
        }
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("overlap.pt");
    std::fs::write(&path, bytes).unwrap();
    let error = torch::read(&path).unwrap_err();
    assert!(error.to_string().contains("overlap"), "{error}");
}

#[test]
fn big_endian_files_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = archive(&directory, &[("m/data.pkl", b"\x80\x02}."), ("m/byteorder", b"big")]);
    let error = torch::read(&path).unwrap_err();
    assert!(error.to_string().contains("big-endian"), "{error}");
}
