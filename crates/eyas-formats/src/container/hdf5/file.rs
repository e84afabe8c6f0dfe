//! A file's bytes, read within bounds, and its superblock.

use std::cell::Cell;
use std::path::Path;

use crate::FormatError;

/// Why a file cannot be read.
#[derive(Debug)]
pub(super) enum Fault {
    /// It is not as the format demands.
    Damaged(String),
    /// It is sound, as far as it was read, but uses what is not read here.
    Unsupported(String),
}

impl Fault {
    pub(super) fn into_error(self, path: &Path, object: &str) -> FormatError {
        match self {
            Self::Damaged(problem) => {
                FormatError::damaged(path, format!("{problem} (HDF5 object `{object}`)"))
            }
            Self::Unsupported(problem) => {
                FormatError::Hdf5 { path: path.to_owned(), object: object.to_owned(), problem }
            }
        }
    }
}

pub(super) fn damaged<T>(problem: impl Into<String>) -> Result<T, Fault> {
    Err(Fault::Damaged(problem.into()))
}

pub(super) fn unsupported<T>(problem: impl Into<String>) -> Result<T, Fault> {
    Err(Fault::Unsupported(problem.into()))
}

/// Little-endian numbers one after another within a block.
#[derive(Clone, Copy)]
pub(super) struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    pub(super) fn remaining(&self) -> usize {
        self.bytes.len() - self.at
    }

    pub(super) fn take(&mut self, count: usize) -> Result<&'a [u8], Fault> {
        if count > self.remaining() {
            return damaged(format!("{count} bytes are needed where {} are left", self.remaining()));
        }
        let taken = &self.bytes[self.at..self.at + count];
        self.at += count;
        Ok(taken)
    }

    pub(super) fn skip(&mut self, count: usize) -> Result<(), Fault> {
        self.take(count).map(drop)
    }

    /// Skips to a multiple of eight bytes from the block's beginning.
    pub(super) fn align(&mut self) -> Result<(), Fault> {
        self.skip(self.at.next_multiple_of(8) - self.at)
    }

    /// An unsigned number of `size` bytes, at most 8.
    pub(super) fn uint(&mut self, size: usize) -> Result<u64, Fault> {
        Ok(self.take(size)?.iter().rev().fold(0, |number, &byte| number << 8 | u64::from(byte)))
    }

    pub(super) fn u8(&mut self) -> Result<u8, Fault> {
        Ok(self.take(1)?[0])
    }

    pub(super) fn u16(&mut self) -> Result<u16, Fault> {
        Ok(self.uint(2)? as u16)
    }

    /// A number of `size` bytes that counts bytes or elements in memory.
    pub(super) fn size(&mut self, size: usize) -> Result<usize, Fault> {
        let number = self.uint(size)?;
        usize::try_from(number).or_else(|_| damaged(format!("a size of {number}")))
    }

    pub(super) fn expect(&mut self, signature: &[u8]) -> Result<(), Fault> {
        if self.take(signature.len())? == signature {
            Ok(())
        } else {
            damaged(format!("there is no `{}` where one must begin", String::from_utf8_lossy(signature)))
        }
    }
}

/// The bytes of a file and what its superblock says of them.
pub(super) struct File<'a> {
    bytes: &'a [u8],
    /// Bytes of an address.
    pub(super) offset_size: usize,
    /// Bytes of a length.
    pub(super) length_size: usize,
    /// Where the file ends according to itself.
    pub(super) end: u64,
    /// What reading may still cost; structures that point at each other would cost without end.
    work: Cell<usize>,
    /// Bytes that datasets and attributes may still take.
    data: Cell<usize>,
}

/// A sound file is read a few times over: names and strings of a group share their heaps.
const WORK_PER_BYTE: usize = 64;

impl<'a> File<'a> {
    pub(super) fn at(&self, address: u64) -> Result<Cursor<'a>, Fault> {
        self.spend(16)?;
        let start = usize::try_from(address).ok().filter(|&start| start < self.bytes.len());
        start.map_or_else(
            || damaged(format!("address {address:#x} lies outside of the file")),
            |start| Ok(Cursor::new(&self.bytes[start..])),
        )
    }

    pub(super) fn block(&self, address: u64, length: usize) -> Result<&'a [u8], Fault> {
        self.at(address)?.take(length)
    }

    pub(super) fn offset(&self, cursor: &mut Cursor<'_>) -> Result<u64, Fault> {
        cursor.uint(self.offset_size)
    }

    pub(super) fn length(&self, cursor: &mut Cursor<'_>) -> Result<usize, Fault> {
        cursor.size(self.length_size)
    }

    /// Whether an address stands for nothing: all its bits are set.
    pub(super) fn is_undefined(&self, address: u64) -> bool {
        address == u64::MAX >> (64 - 8 * self.offset_size)
    }

    /// Counts the cost of the next step.
    pub(super) fn spend(&self, work: usize) -> Result<(), Fault> {
        take(&self.work, work, "its structures lead into each other without end")
    }

    /// Counts bytes that are kept: a sound file holds each of them once.
    pub(super) fn keep(&self, bytes: usize) -> Result<(), Fault> {
        take(&self.data, bytes, "its datasets take more bytes than the file has")
    }
}

/// Takes from a bounded supply; only a damaged file uses it up.
fn take(supply: &Cell<usize>, amount: usize, problem: &'static str) -> Result<(), Fault> {
    match supply.get().checked_sub(amount) {
        Some(left) => {
            supply.set(left);
            Ok(())
        }
        None => damaged(problem),
    }
}

/// Reads the superblock (section II): the file and the address of the root group's header.
pub(super) fn open(bytes: &[u8]) -> Result<(File<'_>, u64), Fault> {
    let mut cursor = Cursor::new(bytes);
    cursor.expect(super::SIGNATURE)?;
    let version = cursor.u8()?;
    let sizes = match version {
        0 => {
            // Versions of parts, of which there is only 0.
            cursor.skip(4)?;
            let sizes = [cursor.u8()?, cursor.u8()?];
            // Ranks of the trees, which the nodes say again.
            cursor.skip(1 + 2 + 2 + 4)?;
            sizes
        }
        2 | 3 => {
            let sizes = [cursor.u8()?, cursor.u8()?];
            cursor.skip(1)?;
            sizes
        }
        _ => {
            return unsupported(format!(
                "version {version} of the format's superblock, known are 0, 2 and 3"
            ));
        }
    };
    if sizes.iter().any(|size| ![2, 4, 8].contains(size)) {
        return damaged(format!("addresses of {} and lengths of {} bytes", sizes[0], sizes[1]));
    }
    let [offset_size, length_size] = sizes.map(usize::from);
    let work = Cell::new(bytes.len().saturating_mul(WORK_PER_BYTE));
    let data = Cell::new(bytes.len());
    let mut file = File { bytes, offset_size, length_size, end: 0, work, data };
    if file.offset(&mut cursor)? != 0 {
        return unsupported("a base address other than 0");
    }
    // Of the free space, or of the superblock's extension.
    cursor.skip(offset_size)?;
    file.end = file.offset(&mut cursor)?;
    if version == 0 {
        // Of the driver's information; of the root's name.
        cursor.skip(2 * offset_size)?;
    }
    let root = file.offset(&mut cursor)?;
    Ok((file, root))
}
