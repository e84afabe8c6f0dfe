//! Arrays survive the way through a file, and a wrong file is refused.

use eyas_formats::FormatError;
use eyas_formats::npy::{self, Array, Data};

/// Every type and some odd shapes; `tests/python/arrays.py` knows the same.
pub(crate) fn one_of_each() -> Vec<(String, Array)> {
    let array = |name: &str, shape: &[usize], data| (name.to_owned(), Array::new(shape, data));
    vec![
        array("f32", &[2, 3], Data::F32(vec![1.5, -2.0, 3.0, 4.0, 5.0, 6.0])),
        array("f64", &[2], Data::F64(vec![0.1, std::f64::consts::PI])),
        array("i64", &[], Data::I64(vec![-(1 << 40)])),
        array("u8", &[0, 3], Data::U8(vec![])),
        array("bool", &[1, 2, 1], Data::Bool(vec![true, false])),
    ]
}

#[test]
fn every_type_is_read_back() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("array.npy");
    for (name, array) in one_of_each() {
        npy::write(&path, &array).unwrap();
        assert_eq!(npy::read(&path).unwrap(), array, "{name}");
        assert_eq!(array.to_bytes().len() % 64, bytes_of(&array) % 64, "{name}: elements are aligned");
    }
}

fn bytes_of(array: &Array) -> usize {
    let elements: usize = array.shape().iter().product();
    let size = match array.data() {
        Data::F64(_) | Data::I64(_) => 8,
        Data::F32(_) => 4,
        Data::U8(_) | Data::Bool(_) => 1,
    };
    elements * size
}

#[test]
fn an_archive_keeps_names_and_order() {
    let directory = tempfile::tempdir().unwrap();
    let (path, again) = (directory.path().join("a.npz"), directory.path().join("b.npz"));
    let arrays = one_of_each();
    let named: Vec<(&str, &Array)> = arrays.iter().map(|(name, array)| (name.as_str(), array)).collect();
    npy::write_npz(&path, &named).unwrap();
    npy::write_npz(&again, &named).unwrap();
    assert_eq!(npy::read_npz(&path).unwrap(), arrays);
    assert_eq!(std::fs::read(path).unwrap(), std::fs::read(again).unwrap());
}

#[test]
fn pieces_make_the_file_of_the_whole() {
    let directory = tempfile::tempdir().unwrap();
    let (path, again) = (directory.path().join("a.npz"), directory.path().join("b.npz"));
    let numbers = [1.5_f32, -2.0, 3.0, f32::NAN, 5.0];
    let whole = Array::new(&[5], Data::F32(numbers.to_vec()));
    let other = Array::new(&[2], Data::I64(vec![7, 8]));
    npy::write_npz(&path, &[("numbers", &whole), ("other", &other)]).unwrap();
    let pieces = [&numbers[..2], &numbers[2..2], &numbers[2..]].into_iter();
    npy::write_npz_in_pieces(&again, ("numbers", pieces), &[("other", &other)]).unwrap();
    assert_eq!(std::fs::read(path).unwrap(), std::fs::read(again).unwrap());
}

#[test]
fn a_size_that_does_not_fit_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("array.npy");
    let whole = one_of_each()[0].1.to_bytes();
    for length in 0..whole.len() {
        std::fs::write(&path, &whole[..length]).unwrap();
        assert!(npy::read(&path).is_err(), "{length} bytes");
    }
    std::fs::write(&path, [&whole[..], b"x"].concat()).unwrap();
    assert!(matches!(npy::read(&path), Err(FormatError::Truncated { .. })));
    // A header that asks for 2^80 bytes.
    let header = String::from_utf8(whole[10..128].to_vec()).unwrap();
    let huge = header.replacen("(2, 3), }            ", "(1099511627776, 1099511627776), }", 1);
    let huge = format!("{:118}", huge.trim_end());
    std::fs::write(&path, [&whole[..10], &huge.as_bytes()[..118]].concat()).unwrap();
    let error = npy::read(&path).unwrap_err();
    assert!(matches!(error, FormatError::Truncated { expected: u64::MAX, .. }), "{error:?}");
}
