//! Zip archives: the container of `.pt` and `.npz`; stored or deflated when read, stored when written.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufReader, Cursor, Read, Seek, Write};
use std::path::{Path, PathBuf};

use zip::read::{ArchiveOffset, Config};
use zip::result::ZipError;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, System, ZipArchive, ZipWriter};

use crate::FormatError;

/// An archive whose entries are read on demand.
pub(crate) struct Archive<R> {
    path: PathBuf,
    zip: ZipArchive<R>,
    names: Vec<String>,
    indices: HashMap<String, usize>,
    /// Bytes of the file not read yet: entries that overlap would let a small file fill the memory.
    unread: u64,
    /// Bytes that compressed entries may still unpack to: a few kilobytes may stand for gigabytes.
    inflatable: u64,
}

/// What may be unpacked of an archive for each of its bytes, and whatever its size.
const MAX_INFLATION: u64 = 20;
const FREE_INFLATION: u64 = 16 << 20;

impl Archive<BufReader<File>> {
    pub(crate) fn open(path: &Path) -> Result<Self, FormatError> {
        let file = File::open(path).map_err(|source| FormatError::reading(path, source))?;
        let found = file.metadata().map_err(|source| FormatError::reading(path, source))?.len();
        Self::of(path, BufReader::new(file), found)
    }
}

impl Archive<Cursor<Vec<u8>>> {
    /// An archive that is an entry of the archive in `path`.
    pub(crate) fn within(path: &Path, bytes: Vec<u8>) -> Result<Self, FormatError> {
        let found = bytes.len() as u64;
        Self::of(path, Cursor::new(bytes), found)
    }
}

impl<R: Read + Seek> Archive<R> {
    fn of(path: &Path, reader: R, found: u64) -> Result<Self, FormatError> {
        // Archives begin with the file. Left to detect that, zip 9.8 takes the space that torch's zip64
        // records fill for a prefix whenever the first directory entry happens to be as long, which it
        // is for a folder name of 21 characters.
        let config = Config { archive_offset: ArchiveOffset::Known(0) };
        let zip = ZipArchive::with_config(config, reader).map_err(|error| match error {
            ZipError::Io(source) if source.kind() != std::io::ErrorKind::UnexpectedEof => {
                FormatError::reading(path, source)
            }
            // The directory stands at the end, so it is what a cut file lacks.
            _ => FormatError::NoDirectory { path: path.to_owned(), found },
        })?;
        let names =
            zip.file_names().map(|name| name.map(Cow::into_owned)).collect::<Result<Vec<_>, _>>().map_err(
                |error| FormatError::damaged(path, format!("an entry's name cannot be read: {error}")),
            )?;
        let indices = names.iter().enumerate().map(|(index, name)| (name.clone(), index)).collect();
        Ok(Self {
            path: path.to_owned(),
            zip,
            names,
            indices,
            unread: found,
            inflatable: found * MAX_INFLATION + FREE_INFLATION,
        })
    }

    pub(crate) fn names(&self) -> &[String] {
        &self.names
    }

    pub(crate) fn contains(&self, name: &str) -> bool {
        self.indices.contains_key(name)
    }

    /// The whole entry, its checksum verified; `limit` bytes at most.
    pub(crate) fn read(&mut self, name: &str, limit: u64) -> Result<Vec<u8>, FormatError> {
        let path = &self.path;
        let damaged = |problem: String| FormatError::damaged(path, problem);
        let index =
            *self.indices.get(name).ok_or_else(|| damaged(format!("the archive has no entry `{name}`")))?;
        // Compressed entries are unpacked here, so that no more of them is unpacked than they say.
        let is_stored =
            self.zip.by_index_raw(index).is_ok_and(|it| it.compression() == CompressionMethod::Stored);
        let entry = if is_stored { self.zip.by_index(index) } else { self.zip.by_index_raw(index) };
        let mut entry = entry.map_err(|error| damaged(format!("entry `{name}` cannot be read: {error}")))?;
        let is_deflated = entry.compression() == CompressionMethod::DEFLATE;
        if !is_deflated
            && (entry.compression() != CompressionMethod::Stored || entry.size() != entry.compressed_size())
        {
            return Err(damaged(format!(
                "entry `{name}` is compressed otherwise than zip archives of torch and NumPy are"
            )));
        }
        if entry.size() > limit {
            let part = format!("entry `{name}`");
            return Err(FormatError::TooLarge { path: path.clone(), part, found: entry.size(), limit });
        }
        self.unread = self
            .unread
            .checked_sub(entry.compressed_size())
            .ok_or_else(|| damaged("its entries overlap".to_owned()))?;
        let unreadable = |error: io::Error| damaged(format!("entry `{name}` cannot be read: {error}"));
        let bytes = if is_deflated {
            self.inflatable =
                self.inflatable.checked_sub(entry.size()).ok_or_else(|| FormatError::TooLarge {
                    path: path.clone(),
                    part: format!("entry `{name}`, unpacked,"),
                    found: entry.size(),
                    limit: self.inflatable,
                })?;
            let (size, sum) = (entry.size(), entry.crc32());
            let bytes = inflated(&mut entry, size).map_err(unreadable)?;
            let mut crc = flate2::Crc::new();
            crc.update(&bytes);
            if crc.sum() != sum {
                return Err(damaged(format!("entry `{name}` cannot be read: its checksum is wrong")));
            }
            bytes
        } else {
            // The size comes from the file and may lie, but not beyond the file's own.
            let mut bytes = Vec::with_capacity(entry.size() as usize);
            entry.read_to_end(&mut bytes).map_err(unreadable)?;
            bytes
        };
        if bytes.len() as u64 != entry.size() {
            return Err(FormatError::Truncated {
                path: path.clone(),
                part: format!("entry `{name}`"),
                found: bytes.len() as u64,
                expected: entry.size(),
            });
        }
        Ok(bytes)
    }
}

/// The bytes that a deflated entry stands for, one more than `size` at most.
fn inflated(entry: impl Read, size: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    flate2::read::DeflateDecoder::new(entry).take(size.saturating_add(1)).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Builds an archive: entries are stored, begin at multiples of 64 bytes as torch wants them for mapping, and
/// carry no time, so that equal content gives equal bytes.
pub(crate) struct ArchiveBuilder<W: Write + Seek>(ZipWriter<W>);

const IN_MEMORY: &str = "writing to memory cannot fail";

impl ArchiveBuilder<Cursor<Vec<u8>>> {
    /// An archive in memory.
    pub(crate) fn new() -> Self {
        Self::to(Cursor::new(Vec::new()))
    }

    pub(crate) fn add(&mut self, name: &str, bytes: &[u8]) {
        self.begin(name, bytes.len() as u64).expect(IN_MEMORY).write_all(bytes).expect(IN_MEMORY);
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.finish().expect(IN_MEMORY).into_inner()
    }
}

impl<W: Write + Seek> ArchiveBuilder<W> {
    /// An archive that is written to `target` as its entries come.
    pub(crate) fn to(target: W) -> Self {
        Self(ZipWriter::new(target))
    }

    /// Begins an entry of `size` bytes, which the caller writes next.
    pub(crate) fn begin(&mut self, name: &str, size: u64) -> io::Result<&mut ZipWriter<W>> {
        let options = SimpleFileOptions::DEFAULT
            .compression_method(CompressionMethod::Stored)
            .last_modified_time(DateTime::DEFAULT)
            .system(System::Unix)
            .large_file(size > u64::from(u32::MAX))
            .with_alignment(64);
        self.0.start_file(name, options)?;
        Ok(&mut self.0)
    }

    pub(crate) fn finish(self) -> io::Result<W> {
        Ok(self.0.finish()?)
    }
}
