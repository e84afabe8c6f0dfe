//! No byte string makes a reader panic, and a cut file is never taken for a whole one.

use std::fs::{self, OpenOptions};
use std::path::Path;

use eyas_formats::{Checkpoint, FormatError, LoadOptions, npy};
use proptest::prelude::*;

use crate::executes_nothing::read_pickle;
use crate::fixtures::data;

/// Reads and describes; whether that works is for the caller to judge.
fn read(path: &Path) -> Result<(), FormatError> {
    let checkpoint = Checkpoint::read(path)?;
    assert!(checkpoint.describe(&LoadOptions::default()).num_bytes > 0);
    checkpoint.policy(&LoadOptions::default()).map(drop)
}

const FILES: [&str; 4] = [
    "point_ctrl_rsl_rl_5.5.1/model_best.pt",
    "made_5.5.1_lstm2.pt",
    "containers_zip.pt",
    "containers_legacy.pt",
];

#[test]
fn a_cut_file_is_an_error_at_every_length() {
    let directory = tempfile::tempdir().unwrap();
    for name in FILES {
        let path = directory.path().join("cut.pt");
        fs::write(&path, fs::read(data(name)).unwrap()).unwrap();
        let file = OpenOptions::new().write(true).open(&path).unwrap();
        let whole = file.metadata().unwrap().len();
        for cut in (1..whole).step_by(97) {
            file.set_len(whole - cut).unwrap();
            let error = Checkpoint::read(&path).expect_err("a cut file is not whole");
            assert!(!error.to_string().is_empty());
        }
        file.set_len(0).unwrap();
        assert!(Checkpoint::read(&path).unwrap_err().to_string().contains("an empty file"));
    }
}

#[test]
fn a_cut_archive_says_that_it_was_cut() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("model_best.pt");
    let whole = fs::read(data(FILES[0])).unwrap();
    fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    let error = Checkpoint::read(&path).unwrap_err();
    assert!(
        matches!(error, FormatError::NoDirectory { found, .. } if found == whole.len() as u64 / 2),
        "{error}"
    );
    assert!(error.hint().unwrap().contains("cut short"));
}

#[test]
fn a_flipped_bit_in_the_weights_is_noticed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("flipped.pt");
    let mut bytes = fs::read(data(FILES[0])).unwrap();
    // The largest weights of this file lie in the middle.
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x10;
    fs::write(&path, &bytes).unwrap();
    let error = Checkpoint::read(&path).unwrap_err();
    assert!(matches!(error, FormatError::Damaged { .. }), "{error}");
}

#[test]
fn no_flipped_bit_panics() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("flipped.pt");
    for name in FILES {
        let mut bytes = fs::read(data(name)).unwrap();
        let step = (bytes.len() / 500).max(1);
        for at in (0..bytes.len()).step_by(step) {
            bytes[at] ^= 1 << (at % 8);
            fs::write(&path, &bytes).unwrap();
            drop(read(&path));
            bytes[at] ^= 1 << (at % 8);
        }
    }
}

/// The pickle of a real file.
fn real_pickle() -> Vec<u8> {
    let file = fs::File::open(data("containers_zip.pt")).unwrap();
    let mut archive = zip::ZipArchive::new(file).unwrap();
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(&mut archive.by_name("containers_zip/data.pkl").unwrap(), &mut bytes).unwrap();
    bytes
}

/// Opcodes and short operands: far more of these sequences get somewhere than random bytes do.
fn opcodes() -> impl Strategy<Value = Vec<u8>> {
    let pieces: Vec<Vec<u8>> = [
        &b"("[..],
        b")",
        b"]",
        b"}",
        b"t",
        b"a",
        b"e",
        b"s",
        b"u",
        b"N",
        b"0",
        b"1",
        b"R",
        b"b",
        b"Q",
        b".",
        b"\x81",
        b"\x85",
        b"\x86",
        b"\x87",
        b"\x88",
        b"\x8f",
        b"\x90",
        b"\x93",
        b"\x94",
        b"K\x03",
        b"q\x00",
        b"h\x00",
        b"q\x01",
        b"h\x01",
        b"\x8a\x01\xff",
        b"\x8c\x010",
        b"\x8c\x07storage",
        b"\x8c\x03cpu",
        b"C\x02\x00\x01",
        b"\x8c\x02f8",
        b"G\x3f\xf0\x00\x00\x00\x00\x00\x00",
        b"ccollections\nOrderedDict\n",
        b"ctorch._utils\n_rebuild_tensor_v2\n",
        b"ctorch\nFloatStorage\n",
        b"ctorch\nSize\n",
        b"cnumpy\ndtype\n",
        b"cnumpy.core.multiarray\nscalar\n",
        b"ctorch._utils\n_rebuild_parameter\n",
        b"ctorch\ndevice\n",
        b"c_codecs\nencode\n",
    ]
    .map(<[u8]>::to_vec)
    .into();
    prop::collection::vec(prop::sample::select(pieces), 0..60).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn no_sequence_of_opcodes_panics(pickle in opcodes()) {
        drop(read_pickle(&pickle));
    }

    #[test]
    fn no_mutation_of_a_real_pickle_panics(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut pickle = real_pickle();
        for (at, byte) in changes {
            let at = at.index(pickle.len());
            pickle[at] = byte;
        }
        drop(read_pickle(&pickle));
        pickle.truncate(cut.index(pickle.len()));
        drop(read_pickle(&pickle));
    }

    #[test]
    fn no_bytes_panic(
        start in prop::sample::select(vec![
            &b""[..], b"PK\x03\x04", b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.", b"\x93NUMPY\x01\x00",
        ]),
        rest in prop::collection::vec(any::<u8>(), 0..400),
    ) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("bytes");
        fs::write(&path, [start, &rest].concat()).unwrap();
        drop(read(&path));
        drop(npy::read(&path));
        drop(npy::read_npz(&path));
    }
}

/// 300 layers that repeat one number each: 89 kB that used to become 2.4 GB.
#[test]
fn layers_that_repeat_one_number_are_refused() {
    let error = Checkpoint::read(&data("attack/stride0.pt")).unwrap_err().to_string();
    assert!(error.contains("what its tensors repeat of their storages"), "{error}");
}

/// A tensor's name of 65,530 bytes used to be a panic.
#[test]
fn a_name_as_long_as_the_file_is_shown_cut() {
    let description =
        Checkpoint::read(&data("attack/long_name.pt")).unwrap().describe(&LoadOptions::default());
    let text = description.to_string();
    assert!(text.contains('…') && text.len() < 10_000, "{} bytes", text.len());
}

#[test]
fn control_characters_in_names_are_escaped() {
    let read = Checkpoint::read(&data("attack/control_characters.pt"));
    let text = match &read {
        Ok(checkpoint) => checkpoint.describe(&LoadOptions::default()).to_string(),
        Err(error) => panic!("{error}"),
    };
    assert!(text.contains("\\u{1b}]0;PWNED") && !text.contains('\u{1b}'), "{text}");
}
