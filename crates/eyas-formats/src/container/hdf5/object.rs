//! Object headers: the messages that describe a group or dataset (section IV.A).

use super::file::{Cursor, Fault, File, damaged, unsupported};

pub(super) const DATASPACE: u16 = 0x01;
pub(super) const LINK_INFO: u16 = 0x02;
pub(super) const DATATYPE: u16 = 0x03;
pub(super) const LINK: u16 = 0x06;
pub(super) const LAYOUT: u16 = 0x08;
pub(super) const FILTERS: u16 = 0x0b;
pub(super) const ATTRIBUTE: u16 = 0x0c;
const CONTINUATION: u16 = 0x10;
pub(super) const SYMBOL_TABLE: u16 = 0x11;

/// One message of a header.
pub(super) struct Message<'a> {
    pub(super) kind: u16,
    /// Whether it only names the place of the message proper.
    pub(super) shared: bool,
    pub(super) body: &'a [u8],
}

/// The messages of the object whose header stands at `address`.
pub(super) fn messages<'a>(file: &File<'a>, address: u64) -> Result<Vec<Message<'a>>, Fault> {
    let mut cursor = file.at(address)?;
    if cursor.remaining() > 4 && cursor.clone().take(4)? == b"OHDR" {
        return version_2(file, cursor);
    }
    match cursor.u8()? {
        1 => version_1(file, cursor),
        version => damaged(format!("no object header at {address:#x}, but one of version {version}")),
    }
}

fn version_1<'a>(file: &File<'a>, mut cursor: Cursor<'a>) -> Result<Vec<Message<'a>>, Fault> {
    cursor.skip(1)?;
    let count = usize::from(cursor.u16()?);
    // References to the object.
    cursor.skip(4)?;
    let size = cursor.size(4)?;
    cursor.skip(4)?;
    let mut blocks = vec![cursor.take(size)?];
    let mut messages = Vec::new();
    let mut read = 0;
    while let Some(block) = blocks.pop() {
        let mut cursor = Cursor::new(block);
        while cursor.remaining() >= 8 && read < count {
            let (kind, size, flags) = (cursor.u16()?, cursor.size(2)?, cursor.u8()?);
            cursor.skip(3)?;
            let body = cursor.take(size)?;
            file.spend(8 + size)?;
            read += 1;
            if kind == CONTINUATION {
                blocks.push(continuation(file, body)?);
            } else {
                messages.push(Message { kind, shared: flags & 2 != 0, body });
            }
        }
    }
    Ok(messages)
}

fn version_2<'a>(file: &File<'a>, mut cursor: Cursor<'a>) -> Result<Vec<Message<'a>>, Fault> {
    cursor.skip(4)?;
    let (version, flags) = (cursor.u8()?, cursor.u8()?);
    if version != 2 {
        return unsupported(format!("an object header of version {version}, known are 1 and 2"));
    }
    let (has_times, has_limits, has_order) = (flags & 0x20 != 0, flags & 0x10 != 0, flags & 0x04 != 0);
    cursor.skip(16 * usize::from(has_times) + 4 * usize::from(has_limits))?;
    let size = cursor.size(1 << (flags & 3))?;
    let mut blocks = vec![cursor.take(size)?];
    let mut messages = Vec::new();
    let head = if has_order { 6 } else { 4 };
    while let Some(block) = blocks.pop() {
        let mut cursor = Cursor::new(block);
        while cursor.remaining() >= head {
            let (kind, size, flags) = (u16::from(cursor.u8()?), cursor.size(2)?, cursor.u8()?);
            cursor.skip(head - 4)?;
            let body = cursor.take(size)?;
            file.spend(head + size)?;
            if kind == CONTINUATION {
                let mut block = Cursor::new(continuation(file, body)?);
                block.expect(b"OCHK")?;
                // A checksum ends it.
                let inner = block.remaining().checked_sub(4);
                blocks.push(block.take(inner.map_or_else(|| damaged("a header's block is too short"), Ok)?)?);
            } else {
                messages.push(Message { kind, shared: flags & 2 != 0, body });
            }
        }
    }
    Ok(messages)
}

fn continuation<'a>(file: &File<'a>, body: &[u8]) -> Result<&'a [u8], Fault> {
    let mut cursor = Cursor::new(body);
    let address = file.offset(&mut cursor)?;
    let length = file.length(&mut cursor)?;
    file.block(address, length)
}
