//! Uncompressed zip archives: the container of `.pt` and `.npz`.

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
pub(crate) struct Archive {
    path: PathBuf,
    zip: ZipArchive<BufReader<File>>,
    names: Vec<String>,
    indices: HashMap<String, usize>,
    /// Bytes of the file not read yet: entries that overlap would let a small file fill the memory.
    unread: u64,
}

impl Archive {
    pub(crate) fn open(path: &Path) -> Result<Self, FormatError> {
        let file = File::open(path).map_err(|source| FormatError::reading(path, source))?;
        let found = file.metadata().map_err(|source| FormatError::reading(path, source))?.len();
        // Archives begin with the file. Left to detect that, zip 9.8 takes the space that torch's zip64
        // records fill for a prefix whenever the first directory entry happens to be as long, which it
        // is for a folder name of 21 characters.
        let config = Config { archive_offset: ArchiveOffset::Known(0) };
        let zip = ZipArchive::with_config(config, BufReader::new(file)).map_err(|error| match error {
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
        Ok(Self { path: path.to_owned(), zip, names, indices, unread: found })
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
        let mut entry = self
            .zip
            .by_index(index)
            .map_err(|error| damaged(format!("entry `{name}` cannot be read: {error}")))?;
        if entry.compression() != CompressionMethod::Stored || entry.size() != entry.compressed_size() {
            return Err(damaged(format!(
                "entry `{name}` is compressed, which torch.save and np.savez never do"
            )));
        }
        if entry.size() > limit {
            let part = format!("entry `{name}`");
            return Err(FormatError::TooLarge { path: path.clone(), part, found: entry.size(), limit });
        }
        self.unread =
            self.unread.checked_sub(entry.size()).ok_or_else(|| damaged("its entries overlap".to_owned()))?;
        // The size comes from the file and may lie, but not beyond the file's own.
        let mut bytes = Vec::with_capacity(entry.size() as usize);
        entry
            .read_to_end(&mut bytes)
            .map_err(|error| damaged(format!("entry `{name}` cannot be read: {error}")))?;
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
