//! USTAR archives as RLtools writes and reads them.
//!
//! Source: `persist/backends/tar` in github.com/rl-tools/rl-tools. Names are shorter than 100 bytes, sizes octal.

use std::path::Path;

use crate::FormatError;

const BLOCK: usize = 512;

/// Bytes of a name, of which one ends it.
pub(crate) const NAME: usize = 100;

/// Places of the fields that are read.
const SIZE: std::ops::Range<usize> = 124..136;
const MAGIC: std::ops::Range<usize> = 257..262;

/// Whether a file begins with the header of an entry.
pub(crate) fn is_tar(head: &[u8]) -> bool {
    head.get(MAGIC) == Some(b"ustar")
}

/// The entries in their order.
pub(crate) fn read<'a>(path: &Path, bytes: &'a [u8]) -> Result<Vec<(String, &'a [u8])>, FormatError> {
    let damaged = |problem: String| FormatError::damaged(path, problem);
    let (mut entries, mut rest) = (Vec::new(), bytes);
    while let Some((header, after)) = rest.split_at_checked(BLOCK) {
        if header[0] == 0 {
            return Ok(entries);
        }
        let length = header[..NAME].iter().position(|&byte| byte == 0).unwrap_or(NAME);
        let name = String::from_utf8_lossy(&header[..length]).into_owned();
        if !is_tar(header) {
            return Err(damaged(format!(
                "the header of `{}` is not one of a USTAR archive",
                name.escape_default()
            )));
        }
        let octal = str::from_utf8(&header[SIZE]).unwrap_or_default().trim_matches(['\0', ' ']);
        let size = usize::from_str_radix(octal, 8)
            .map_err(|_| damaged(format!("the size of `{name}` is no number")))?;
        let found = after.len() as u64;
        let cut = || FormatError::Truncated {
            path: path.to_owned(),
            part: format!("entry `{name}`"),
            found,
            expected: size as u64,
        };
        entries.push((name.clone(), after.get(..size).ok_or_else(cut)?));
        rest = after.get(size.next_multiple_of(BLOCK)..).unwrap_or_default();
    }
    Err(damaged("the archive does not end with an empty block".to_owned()))
}

/// Appends an entry.
///
/// # Panics
///
/// If its name has 100 bytes or more.
pub(crate) fn append(archive: &mut Vec<u8>, name: &str, bytes: &[u8]) {
    assert!(name.len() < NAME, "the name `{name}` of an entry");
    let mut header = [0_u8; BLOCK];
    let mut put =
        |place: usize, text: &str| header[place..place + text.len()].copy_from_slice(text.as_bytes());
    put(0, name);
    put(100, "0000644");
    put(108, "0001750");
    put(116, "0001750");
    put(124, &format!("{:011o}", bytes.len()));
    put(136, "00000000000");
    // The checksum counts itself as spaces.
    put(148, "        ");
    put(156, "0");
    put(257, "ustar");
    put(263, "00");
    put(265, "user");
    put(297, "group");
    let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:07o}\0").as_bytes());
    archive.extend(header);
    archive.extend(bytes);
    archive.resize(archive.len().next_multiple_of(BLOCK), 0);
}

/// Ends an archive: two empty blocks.
pub(crate) fn finish(archive: &mut Vec<u8>) {
    archive.resize(archive.len() + 2 * BLOCK, 0);
}
