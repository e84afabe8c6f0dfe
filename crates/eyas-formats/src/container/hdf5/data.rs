//! What datasets and attributes hold (sections III.E and IV.A.2).

use super::file::{Cursor, Fault, File, damaged, unsupported};
use super::object::{DATASPACE, DATATYPE, FILTERS, LAYOUT, Message};
use crate::container::tensor::row_major;
use crate::{DType, Tensor, Value};

/// The types that are told apart, each with the bytes of an element.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Number(DType),
    /// Padded to its size.
    Text,
    /// Length and place in a global heap.
    VariableText,
    Other,
}

/// A dataset: a tensor where its numbers are of a type that tensors have, else its bytes.
pub(super) fn dataset(file: &File<'_>, messages: &[Message<'_>]) -> Result<Value, Fault> {
    let body = |kind: u16, what: &str| match messages.iter().find(|message| message.kind == kind) {
        Some(message) if message.shared => unsupported(format!("its {what} is shared with other objects")),
        Some(message) => Ok(message.body),
        None => damaged(format!("it has no {what}, so it is neither a group nor a dataset")),
    };
    let Some(shape) = dataspace(file, body(DATASPACE, "dataspace")?)? else { return Ok(Value::None) };
    let (kind, size) = datatype(body(DATATYPE, "datatype")?)?;
    if messages.iter().any(|message| message.kind == FILTERS) {
        return unsupported("it is compressed or filtered");
    }
    // Sizes of 0 count as well: they make a dataset empty, but the strides are products of the others.
    let Some(bound) = shape.iter().try_fold(size, |bytes, &size| bytes.checked_mul(size.max(1))) else {
        return damaged(format!("a dataset of shape {shape:?} is too large to address"));
    };
    let expected = if shape.contains(&0) { 0 } else { bound };
    let bytes = stored(file, body(LAYOUT, "layout")?, expected)?;
    file.keep(bytes.len())?;
    Ok(match kind {
        Kind::Number(dtype) => {
            let strides = row_major(&shape);
            Value::Tensor(Tensor::view(dtype, shape, strides, 0, bytes.into()).map_err(Fault::Damaged)?)
        }
        _ => Value::Bytes(bytes.to_vec()),
    })
}

/// The bytes of a dataset, which must be `expected`.
fn stored<'a>(file: &File<'a>, body: &'a [u8], expected: usize) -> Result<&'a [u8], Fault> {
    let mut cursor = Cursor::new(body);
    let (version, class) = (cursor.u8()?, cursor.u8()?);
    if !matches!(version, 3 | 4) {
        return unsupported(format!("a layout of version {version}, known are 3 and 4"));
    }
    let bytes = match class {
        0 => {
            let length = cursor.size(2)?;
            cursor.take(length)?
        }
        1 => {
            let address = file.offset(&mut cursor)?;
            let length = file.length(&mut cursor)?;
            if file.is_undefined(address) {
                if expected > 0 {
                    return damaged("its numbers were never written");
                }
                return Ok(&[]);
            }
            if length == 0 { &[] } else { file.block(address, length)? }
        }
        2 => return unsupported("it is cut into chunks"),
        _ => return unsupported("it lies in other files or datasets"),
    };
    if bytes.len() == expected {
        Ok(bytes)
    } else {
        damaged(format!("{} bytes are stored where shape and type need {expected}", bytes.len()))
    }
}

/// Sizes; `None` for a null dataspace.
fn dataspace(file: &File<'_>, body: &[u8]) -> Result<Option<Vec<usize>>, Fault> {
    let mut cursor = Cursor::new(body);
    let (version, rank) = (cursor.u8()?, cursor.u8()?);
    cursor.skip(1)?;
    let is_null = match version {
        1 => {
            cursor.skip(5)?;
            false
        }
        2 => cursor.u8()? == 2,
        _ => return unsupported(format!("a dataspace of version {version}, known are 1 and 2")),
    };
    if is_null {
        return Ok(None);
    }
    (0..rank).map(|_| file.length(&mut cursor)).collect::<Result<_, _>>().map(Some)
}

/// The type, and the bytes of an element.
fn datatype(body: &[u8]) -> Result<(Kind, usize), Fault> {
    let mut cursor = Cursor::new(body);
    let class = cursor.u8()? & 0x0f;
    let bits = cursor.uint(3)?;
    let size = cursor.size(4)?;
    let big_endian = bits & 1 != 0;
    let kind = match class {
        0 if !big_endian => integer(bits & 8 != 0, size),
        1 if bits & 0x41 == 0 => float(&mut cursor, size)?,
        3 => Kind::Text,
        9 if bits & 0x0f == 1 => Kind::VariableText,
        _ => Kind::Other,
    };
    Ok((kind, size))
}

fn integer(signed: bool, size: usize) -> Kind {
    match (signed, size) {
        (true, 8) => Kind::Number(DType::I64),
        (true, 4) => Kind::Number(DType::I32),
        (true, 2) => Kind::Number(DType::I16),
        (true, 1) => Kind::Number(DType::I8),
        (false, 1) => Kind::Number(DType::U8),
        _ => Kind::Other,
    }
}

fn float(cursor: &mut Cursor<'_>, size: usize) -> Result<Kind, Fault> {
    // Where the number begins; it fills its bytes in IEEE 754.
    cursor.skip(4)?;
    let places = [cursor.u8()?, cursor.u8()?, cursor.u8()?, cursor.u8()?];
    Ok(match (size, places) {
        (8, [52, 11, 0, 52]) => Kind::Number(DType::F64),
        (4, [23, 8, 0, 23]) => Kind::Number(DType::F32),
        (2, [10, 5, 0, 10]) => Kind::Number(DType::F16),
        _ => Kind::Other,
    })
}

/// Name and value of an attribute; `None` if it is neither one string nor one number.
pub(super) fn attribute(file: &File<'_>, message: &Message<'_>) -> Result<Option<(String, Value)>, Fault> {
    let mut cursor = Cursor::new(message.body);
    let (version, flags) = (cursor.u8()?, cursor.u8()?);
    if message.shared || (version > 1 && flags != 0) {
        return Ok(None);
    }
    let [name, kind, space] = [cursor.size(2)?, cursor.size(2)?, cursor.size(2)?];
    match version {
        1 | 2 => {}
        3 => cursor.skip(1)?,
        _ => return unsupported(format!("an attribute of version {version}, known are 1 to 3")),
    }
    let mut part = |size: usize| {
        let part = cursor.take(size)?;
        if version == 1 {
            cursor.align()?;
        }
        Ok(part)
    };
    let (name, kind, space) = (text(part(name)?), part(kind)?, part(space)?);
    let (kind, size) = datatype(kind)?;
    let shape = dataspace(file, space)?;
    if shape.is_none_or(|shape| shape.iter().any(|&size| size != 1)) {
        return Ok(None);
    }
    let value = match kind {
        Kind::Text => Value::Str(text(cursor.take(size)?)),
        Kind::VariableText => {
            let length = cursor.size(4)?;
            Value::Str(text(heap_object(file, &mut cursor)?.get(..length).map_or_else(
                || damaged(format!("the string `{name}` is longer than its place in the heap")),
                Ok,
            )?))
        }
        Kind::Number(dtype) => {
            let bytes = cursor.take(size)?;
            let number = Tensor::view(dtype, vec![], vec![], 0, bytes.into()).map_err(Fault::Damaged)?;
            number.to_i64().map_or_else(|| Value::Float(number.to_f64()[0]), |number| Value::Int(number[0]))
        }
        Kind::Other => return Ok(None),
    };
    file.keep(value.as_str().map_or(8, str::len))?;
    Ok(Some((name, value)))
}

/// A string without the zeros that pad it.
fn text(bytes: &[u8]) -> String {
    let length = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..length]).into_owned()
}

/// The object of a global heap that an address and an index name.
fn heap_object<'a>(file: &File<'a>, cursor: &mut Cursor<'_>) -> Result<&'a [u8], Fault> {
    let (address, index) = (file.offset(cursor)?, cursor.size(4)?);
    let mut head = file.at(address)?;
    head.expect(b"GCOL")?;
    head.skip(4)?;
    let size = file.length(&mut head)?;
    let mut heap = Cursor::new(file.block(address, size)?);
    heap.skip(8 + file.length_size)?;
    while heap.remaining() >= 8 + file.length_size {
        let found = usize::from(heap.u16()?);
        heap.skip(6)?;
        let size = file.length(&mut heap)?;
        file.spend(16)?;
        if found == 0 {
            break;
        }
        let object = heap.take(size)?;
        if found == index {
            return Ok(object);
        }
        heap.align()?;
    }
    damaged(format!("there is no object {index} in the heap at {address:#x}"))
}
