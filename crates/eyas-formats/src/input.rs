//! Texts that users name, of no more bytes than their file has.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

/// The text of a file. What is no regular file, such as a pipe, may hold 64 MiB: a device like `/dev/zero` never ends.
///
/// # Errors
///
/// Those of reading, or that there is more.
pub fn read_text(path: &Path) -> io::Result<String> {
    const MOST_OF_A_PIPE: u64 = 64 << 20;
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    let limit = if metadata.is_file() { metadata.len().max(MOST_OF_A_PIPE) } else { MOST_OF_A_PIPE };
    let mut text = String::new();
    let taken = file.take(limit + 1).read_to_string(&mut text)?;
    if taken as u64 > limit {
        let limit = limit >> 20;
        return Err(io::Error::other(format!("it is no regular file, and gives more than {limit} MiB")));
    }
    Ok(text)
}
