//! The members of a group: symbol tables (section III) and link messages (section IV.A.2.g).

use super::file::{Cursor, Fault, File, damaged, unsupported};
use super::object::{LINK, LINK_INFO, Message, SYMBOL_TABLE};

/// Longest name of a member in bytes; those of RLtools have at most 20.
const MAX_NAME: usize = 255;

/// Name and header of a member.
type Link = (String, u64);

/// The hard links of a group in the file's order; `None` if the messages are not those of a group.
pub(super) fn links(file: &File<'_>, messages: &[Message<'_>]) -> Result<Option<Vec<Link>>, Fault> {
    if let Some(table) = messages.iter().find(|message| message.kind == SYMBOL_TABLE) {
        return symbol_table(file, table.body).map(Some);
    }
    if !messages.iter().any(|message| matches!(message.kind, LINK | LINK_INFO)) {
        return Ok(None);
    }
    let mut links = Vec::new();
    for message in messages {
        match message.kind {
            LINK_INFO => refuse_dense(file, message.body)?,
            LINK => links.extend(link(file, message.body)?),
            _ => {}
        }
    }
    Ok(Some(links))
}

fn symbol_table(file: &File<'_>, body: &[u8]) -> Result<Vec<Link>, Fault> {
    let mut cursor = Cursor::new(body);
    let (tree, heap) = (file.offset(&mut cursor)?, file.offset(&mut cursor)?);
    let mut cursor = file.at(heap)?;
    cursor.expect(b"HEAP")?;
    cursor.skip(4)?;
    let size = file.length(&mut cursor)?;
    // Of the free space.
    cursor.skip(file.length_size)?;
    let names = file.block(file.offset(&mut cursor)?, size)?;
    let mut links = Vec::new();
    let root = node(file, tree)?;
    walk(file, root, names, &mut links)?;
    Ok(links)
}

/// A node of a tree: its level, and its children's addresses.
fn node(file: &File<'_>, address: u64) -> Result<(u8, Vec<u64>), Fault> {
    let mut cursor = file.at(address)?;
    cursor.expect(b"TREE")?;
    let (kind, level, count) = (cursor.u8()?, cursor.u8()?, cursor.u16()?);
    if kind != 0 {
        return damaged(format!("a tree of kind {kind} where a group's must stand"));
    }
    // Of the neighbours.
    cursor.skip(2 * file.offset_size)?;
    let mut children = Vec::new();
    for _ in 0..count {
        // The first name of the child.
        cursor.skip(file.length_size)?;
        children.push(file.offset(&mut cursor)?);
        file.spend(16)?;
    }
    Ok((level, children))
}

fn walk(
    file: &File<'_>,
    (level, children): (u8, Vec<u64>),
    names: &[u8],
    links: &mut Vec<Link>,
) -> Result<(), Fault> {
    for child in children {
        if level == 0 {
            symbols(file, child, names, links)?;
            continue;
        }
        let below = node(file, child)?;
        if below.0 + 1 != level {
            return damaged(format!("a tree's node of level {} below one of level {level}", below.0));
        }
        walk(file, below, names, links)?;
    }
    Ok(())
}

fn symbols(file: &File<'_>, address: u64, names: &[u8], links: &mut Vec<Link>) -> Result<(), Fault> {
    let mut cursor = file.at(address)?;
    cursor.expect(b"SNOD")?;
    cursor.skip(2)?;
    for _ in 0..cursor.u16()? {
        let name = cursor.size(file.offset_size)?;
        let header = file.offset(&mut cursor)?;
        // What is cached about the member.
        cursor.skip(4 + 4 + 16)?;
        let name = names.get(name..).unwrap_or_default();
        let Some(length) = name.iter().take(MAX_NAME + 1).position(|&byte| byte == 0) else {
            return damaged("the name of a member is too long or lies outside of its group's heap");
        };
        file.spend(40)?;
        if !file.is_undefined(header) {
            links.push((String::from_utf8_lossy(&name[..length]).into_owned(), header));
        }
    }
    Ok(())
}

fn refuse_dense(file: &File<'_>, body: &[u8]) -> Result<(), Fault> {
    let mut cursor = Cursor::new(body);
    cursor.skip(1)?;
    let has_order = cursor.u8()? & 1 != 0;
    cursor.skip(8 * usize::from(has_order))?;
    if file.is_undefined(file.offset(&mut cursor)?) {
        return Ok(());
    }
    unsupported("its members are listed in a fractal heap, as those of groups with more than eight may be")
}

/// A link message: `None` for a link that is not hard.
fn link(file: &File<'_>, body: &[u8]) -> Result<Option<Link>, Fault> {
    let mut cursor = Cursor::new(body);
    cursor.skip(1)?;
    let flags = cursor.u8()?;
    let kind = if flags & 0x08 == 0 { 0 } else { cursor.u8()? };
    let (has_order, has_charset) = (flags & 0x04 != 0, flags & 0x10 != 0);
    cursor.skip(8 * usize::from(has_order) + usize::from(has_charset))?;
    let length = cursor.size(1 << (flags & 3))?;
    if length > MAX_NAME {
        return unsupported(format!("a member whose name has {length} bytes"));
    }
    let name = String::from_utf8_lossy(cursor.take(length)?).into_owned();
    if kind == 0 { Ok(Some((name, file.offset(&mut cursor)?))) } else { Ok(None) }
}
