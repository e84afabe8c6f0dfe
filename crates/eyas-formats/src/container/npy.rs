//! NumPy arrays: `.npy` and `.npz`.

use std::fs::File;
use std::io::{self, BufWriter, Read, Write as _};
use std::path::Path;

use super::archive::{Archive, ArchiveBuilder};
use crate::FormatError;
use crate::atomic::{self, write_file};

/// The elements of an [`Array`], row-major.
#[derive(Clone, Debug, PartialEq)]
pub enum Data {
    /// `float32`.
    F32(Vec<f32>),
    /// `float64`.
    F64(Vec<f64>),
    /// `int64`; narrower integers are read as such.
    I64(Vec<i64>),
    /// `uint8`.
    U8(Vec<u8>),
    /// `bool`.
    Bool(Vec<bool>),
}

/// An array of any number of axes.
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    shape: Vec<usize>,
    data: Data,
}

/// Largest array read: a day of flight at 100 Hz with 26 features takes 1 GB.
const MAX_BYTES: u64 = 4 << 30;

const MAGIC: &[u8] = b"\x93NUMPY";

impl Array {
    /// An array of this shape.
    ///
    /// # Panics
    ///
    /// If `data` does not fill the shape.
    #[must_use]
    pub fn new(shape: &[usize], data: Data) -> Self {
        assert_eq!(shape.iter().product::<usize>(), data.len(), "the data fill the shape {shape:?}");
        Self { shape: shape.to_vec(), data }
    }

    /// Sizes of the axes; empty for a scalar.
    #[must_use]
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The elements, row-major.
    #[must_use]
    pub fn data(&self) -> &Data {
        &self.data
    }

    /// The elements as `f32`, row-major; other types are rounded.
    #[must_use]
    pub fn to_f32(&self) -> Vec<f32> {
        match &self.data {
            Data::F32(values) => values.clone(),
            Data::F64(values) => values.iter().map(|&value| value as f32).collect(),
            Data::I64(values) => values.iter().map(|&value| value as f32).collect(),
            Data::U8(values) => values.iter().map(|&value| f32::from(value)).collect(),
            Data::Bool(values) => values.iter().map(|&value| f32::from(u8::from(value))).collect(),
        }
    }

    /// The bytes of a `.npy` file, version 1.0.
    ///
    /// # Panics
    ///
    /// If the shape has thousands of axes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        [header(&self.shape, self.data.descr()), self.data.to_le_bytes()].concat()
    }

    /// The elements.
    #[must_use]
    pub fn into_data(self) -> Data {
        self.data
    }
}

/// What stands before the elements of a `.npy` file, version 1.0.
fn header(shape: &[usize], descr: &str) -> Vec<u8> {
    let one_axis = shape.len() == 1;
    let mut shape = shape.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    if one_axis {
        shape.push(',');
    }
    let mut header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({shape}), }}");
    // NumPy pads the header so that the elements begin at a multiple of 64 bytes.
    let unpadded = MAGIC.len() + 4 + header.len() + 1;
    header.extend(std::iter::repeat_n(' ', unpadded.next_multiple_of(64) - unpadded));
    header.push('\n');
    let length = u16::try_from(header.len()).expect("a shape takes less than 64 KiB");
    [MAGIC, &[1, 0], &length.to_le_bytes(), header.as_bytes()].concat()
}

impl Data {
    fn len(&self) -> usize {
        match self {
            Self::F32(values) => values.len(),
            Self::F64(values) => values.len(),
            Self::I64(values) => values.len(),
            Self::U8(values) => values.len(),
            Self::Bool(values) => values.len(),
        }
    }

    fn descr(&self) -> &'static str {
        match self {
            Self::F32(_) => "<f4",
            Self::F64(_) => "<f8",
            Self::I64(_) => "<i8",
            Self::U8(_) => "|u1",
            Self::Bool(_) => "|b1",
        }
    }

    fn to_le_bytes(&self) -> Vec<u8> {
        match self {
            Self::F32(values) => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
            Self::F64(values) => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
            Self::I64(values) => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
            Self::U8(values) => values.clone(),
            Self::Bool(values) => values.iter().map(|&value| u8::from(value)).collect(),
        }
    }
}

/// Reads a `.npy` file.
///
/// # Errors
///
/// [`FormatError::Npy`] for types other than numbers and bool, [`FormatError::Truncated`] if the file
/// is shorter than its header says.
pub fn read(path: &Path) -> Result<Array, FormatError> {
    let file = File::open(path).map_err(|source| FormatError::reading(path, source))?;
    let mut bytes = Vec::new();
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(|source| FormatError::reading(path, source))?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(FormatError::TooLarge {
            path: path.to_owned(),
            part: "the array".to_owned(),
            found: bytes.len() as u64,
            limit: MAX_BYTES,
        });
    }
    parse(path, "", &bytes)
}

/// Writes a `.npy` file.
///
/// # Errors
///
/// [`FormatError::Write`].
pub fn write(path: &Path, array: &Array) -> Result<(), FormatError> {
    write_file(path, &array.to_bytes())
}

/// Reads every array of an `.npz` file, in the file's order.
///
/// # Errors
///
/// As [`read`]; [`FormatError::TooLarge`] where the compressed arrays take more than twenty times the file.
pub fn read_npz(path: &Path) -> Result<Vec<(String, Array)>, FormatError> {
    let mut archive = Archive::open(path)?;
    let mut arrays = Vec::new();
    for entry in archive.names().to_vec() {
        let name = entry.strip_suffix(".npy").unwrap_or(&entry).to_owned();
        let array = parse(path, &name, &archive.read(&entry, MAX_BYTES)?)?;
        arrays.push((name, array));
    }
    Ok(arrays)
}

/// Whether a zip archive holds arrays and nothing else.
pub(crate) fn is_npz(path: &Path) -> Result<bool, FormatError> {
    let archive = Archive::open(path)?;
    let is_array = |name: &String| Path::new(name).extension().is_some_and(|extension| extension == "npy");
    Ok(!archive.names().is_empty() && archive.names().iter().all(is_array))
}

/// Writes an uncompressed `.npz` file; equal arrays give equal bytes.
///
/// # Errors
///
/// [`FormatError::Write`].
pub fn write_npz(path: &Path, arrays: &[(&str, &Array)]) -> Result<(), FormatError> {
    let mut archive = ArchiveBuilder::new();
    for (name, array) in arrays {
        archive.add(&format!("{name}.npy"), &array.to_bytes());
    }
    write_file(path, &archive.into_bytes())
}

/// As [`write_npz`], with one more array before the others: `f32` of one axis, given in pieces, so that a large
/// array is written without a second copy of it in memory.
///
/// # Errors
///
/// [`FormatError::Write`].
pub fn write_npz_in_pieces<'a>(
    path: &Path,
    (name, pieces): (&str, impl Iterator<Item = &'a [f32]> + Clone),
    arrays: &[(&str, &Array)],
) -> Result<(), FormatError> {
    let content = |file: &mut File| -> io::Result<()> {
        let mut archive = ArchiveBuilder::to(BufWriter::new(file));
        let length = pieces.clone().map(<[f32]>::len).sum();
        let header = header(&[length], "<f4");
        let entry = archive.begin(&format!("{name}.npy"), (header.len() + 4 * length) as u64)?;
        entry.write_all(&header)?;
        let mut bytes = Vec::new();
        for piece in pieces {
            bytes.clear();
            bytes.extend(piece.iter().flat_map(|value| value.to_le_bytes()));
            entry.write_all(&bytes)?;
        }
        for (name, array) in arrays {
            let bytes = array.to_bytes();
            archive.begin(&format!("{name}.npy"), bytes.len() as u64)?.write_all(&bytes)?;
        }
        archive.finish()?.flush()
    };
    atomic::write_with(path, content).map_err(|source| FormatError::Write { path: path.to_owned(), source })
}

/// What the header of an array says.
struct Header {
    descr: String,
    fortran_order: bool,
    shape: Vec<usize>,
}

fn parse(path: &Path, name: &str, bytes: &[u8]) -> Result<Array, FormatError> {
    let part = if name.is_empty() { String::new() } else { format!("array `{name}`") };
    let problem = |problem: String| {
        let problem = if part.is_empty() { problem } else { format!("{part}: {problem}") };
        FormatError::Npy { path: path.to_owned(), problem }
    };
    let (header, elements) = split_header(bytes).map_err(problem)?;
    let header = parse_header(header).map_err(problem)?;
    let size = element_size(&header.descr).map_err(problem)?;
    let count = header.shape.iter().try_fold(1_usize, |count, &size| count.checked_mul(size));
    let expected = count.and_then(|count| count.checked_mul(size)).unwrap_or(usize::MAX);
    if elements.len() != expected {
        let header = bytes.len() - elements.len();
        return Err(FormatError::Truncated {
            path: path.to_owned(),
            part,
            found: bytes.len() as u64,
            expected: expected.saturating_add(header) as u64,
        });
    }
    let data = if header.fortran_order {
        decode(&header.descr, &row_major_from_fortran(elements, &header.shape, size))
    } else {
        decode(&header.descr, elements)
    };
    Ok(Array { shape: header.shape, data })
}

/// The header's text and the elements.
fn split_header(bytes: &[u8]) -> Result<(&str, &[u8]), String> {
    let rest = bytes.strip_prefix(MAGIC).ok_or("it is no NumPy array")?;
    let short = "it ends within its header";
    let (version, rest) = rest.split_first_chunk::<2>().ok_or(short)?;
    let (length, rest) = match version[0] {
        1 => rest.split_first_chunk::<2>().map(|(length, rest)| (u16::from_le_bytes(*length) as usize, rest)),
        2 | 3 => {
            rest.split_first_chunk::<4>().map(|(length, rest)| (u32::from_le_bytes(*length) as usize, rest))
        }
        version => return Err(format!("its version is {version}, known are 1 to 3")),
    }
    .ok_or(short)?;
    let (header, elements) = rest.split_at_checked(length).ok_or(short)?;
    Ok((str::from_utf8(header).map_err(|_| "its header is not text")?, elements))
}

/// The header is a Python dict literal of exactly these three entries, in any order.
fn parse_header(header: &str) -> Result<Header, String> {
    let after = |key: &str| {
        let at = header.find(&format!("'{key}':")).ok_or_else(|| format!("its header has no `{key}`"))?;
        Ok::<_, String>(header[at + key.len() + 3..].trim_start())
    };
    let descr = after("descr")?;
    let descr = descr.strip_prefix('\'').and_then(|text| text.split_once('\'')).map(|(descr, _)| descr);
    let shape = after("shape")?;
    let shape = shape.strip_prefix('(').and_then(|text| text.split_once(')')).map(|(shape, _)| shape);
    let sizes =
        shape.ok_or("its shape is no tuple")?.split(',').map(str::trim).filter(|size| !size.is_empty());
    Ok(Header {
        descr: descr.ok_or("it has fields, only plain numbers are read")?.to_owned(),
        fortran_order: after("fortran_order")?.starts_with("True"),
        shape: sizes
            .map(|size| size.parse().map_err(|_| format!("`{size}` in its shape is no size")))
            .collect::<Result<_, _>>()?,
    })
}

fn element_size(descr: &str) -> Result<usize, String> {
    match descr {
        "<f8" | "<i8" => Ok(8),
        "<f4" | "<i4" => Ok(4),
        "|u1" | "|b1" => Ok(1),
        _ => Err(format!("its type is `{descr}`, known are <f4, <f8, <i4, <i8, |u1 and |b1")),
    }
}

/// The bytes of elements stored column-major, in row-major order.
fn row_major_from_fortran(elements: &[u8], shape: &[usize], size: usize) -> Vec<u8> {
    let mut strides = vec![size; shape.len()];
    for axis in 1..shape.len() {
        strides[axis] = strides[axis - 1] * shape[axis - 1];
    }
    let mut bytes = Vec::with_capacity(elements.len());
    let mut index = vec![0; shape.len()];
    while bytes.len() < elements.len() {
        let at: usize = index.iter().zip(&strides).map(|(index, stride)| index * stride).sum();
        bytes.extend(&elements[at..at + size]);
        for axis in (0..shape.len()).rev() {
            index[axis] += 1;
            if index[axis] < shape[axis] {
                break;
            }
            index[axis] = 0;
        }
    }
    bytes
}

fn decode(descr: &str, bytes: &[u8]) -> Data {
    fn each<const N: usize, T>(bytes: &[u8], convert: impl Fn([u8; N]) -> T) -> Vec<T> {
        bytes.as_chunks::<N>().0.iter().map(|element| convert(*element)).collect()
    }
    match descr {
        "<f8" => Data::F64(each(bytes, f64::from_le_bytes)),
        "<f4" => Data::F32(each(bytes, f32::from_le_bytes)),
        "<i8" => Data::I64(each(bytes, i64::from_le_bytes)),
        "<i4" => Data::I64(each(bytes, |element| i64::from(i32::from_le_bytes(element)))),
        "|b1" => Data::Bool(bytes.iter().map(|&byte| byte != 0).collect()),
        _ => Data::U8(bytes.to_vec()),
    }
}
