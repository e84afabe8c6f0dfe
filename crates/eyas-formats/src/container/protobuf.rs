//! The wire format of Protocol Buffers, read within bounds and written.
//!
//! Source: protobuf.dev/programming-guides/encoding.

/// The value of a field as it stands in a message.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Field<'a> {
    /// An integer, an enumeration or a boolean.
    Varint(u64),
    /// A text, bytes, a message, or numbers one after another.
    Bytes(&'a [u8]),
    /// Eight bytes.
    Fixed64([u8; 8]),
    /// Four bytes.
    Fixed32([u8; 4]),
}

impl<'a> Field<'a> {
    pub(crate) fn int(self) -> Result<i64, String> {
        match self {
            Self::Varint(value) => Ok(value.cast_signed()),
            other => Err(format!("an integer is expected, found {}", other.kind())),
        }
    }

    pub(crate) fn bytes(self) -> Result<&'a [u8], String> {
        match self {
            Self::Bytes(bytes) => Ok(bytes),
            other => Err(format!("bytes are expected, found {}", other.kind())),
        }
    }

    pub(crate) fn text(self) -> Result<String, String> {
        Ok(str::from_utf8(self.bytes()?).map_err(|_| "a text is not UTF-8")?.to_owned())
    }

    /// One integer, or many packed.
    pub(crate) fn ints(self, into: &mut Vec<i64>) -> Result<(), String> {
        match self {
            Self::Varint(value) => into.push(value.cast_signed()),
            Self::Bytes(bytes) => {
                let mut reader = Reader { bytes, at: 0 };
                while reader.at < bytes.len() {
                    into.push(reader.varint()?.cast_signed());
                }
            }
            other => return Err(format!("integers are expected, found {}", other.kind())),
        }
        Ok(())
    }

    /// One float, or many packed.
    pub(crate) fn floats(self, into: &mut Vec<f32>) -> Result<(), String> {
        match self {
            Self::Fixed32(bytes) => into.push(f32::from_le_bytes(bytes)),
            Self::Bytes(bytes) => {
                let (chunks, rest) = bytes.as_chunks();
                if !rest.is_empty() {
                    return Err("packed floats do not end with one".to_owned());
                }
                into.extend(chunks.iter().map(|chunk| f32::from_le_bytes(*chunk)));
            }
            other => return Err(format!("floats are expected, found {}", other.kind())),
        }
        Ok(())
    }

    /// One double, or many packed.
    pub(crate) fn doubles(self, into: &mut Vec<f64>) -> Result<(), String> {
        match self {
            Self::Fixed64(bytes) => into.push(f64::from_le_bytes(bytes)),
            Self::Bytes(bytes) => {
                let (chunks, rest) = bytes.as_chunks();
                if !rest.is_empty() {
                    return Err("packed doubles do not end with one".to_owned());
                }
                into.extend(chunks.iter().map(|chunk| f64::from_le_bytes(*chunk)));
            }
            other => return Err(format!("doubles are expected, found {}", other.kind())),
        }
        Ok(())
    }

    fn kind(self) -> &'static str {
        match self {
            Self::Varint(_) => "an integer",
            Self::Bytes(_) => "bytes",
            Self::Fixed64(_) => "eight bytes",
            Self::Fixed32(_) => "four bytes",
        }
    }
}

/// Calls `visit` with the number and the value of each field of a message.
pub(crate) fn each_field<'a>(
    message: &'a [u8],
    mut visit: impl FnMut(u32, Field<'a>) -> Result<(), String>,
) -> Result<(), String> {
    let mut reader = Reader { bytes: message, at: 0 };
    while reader.at < message.len() {
        let key = reader.varint()?;
        let number = u32::try_from(key >> 3).map_err(|_| "a field has an impossible number")?;
        let field = match key & 7 {
            0 => Field::Varint(reader.varint()?),
            1 => Field::Fixed64(reader.array()?),
            2 => {
                let length = usize::try_from(reader.varint()?).map_err(|_| "a field exceeds the memory")?;
                Field::Bytes(reader.take(length)?)
            }
            5 => Field::Fixed32(reader.array()?),
            other => return Err(format!("field {number} has wire type {other}, which no message here has")),
        };
        visit(number, field)?;
    }
    Ok(())
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], String> {
        let rest = &self.bytes[self.at..];
        let taken =
            rest.get(..count).ok_or_else(|| format!("{count} bytes are needed, {} are left", rest.len()))?;
        self.at += count;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], String> {
        Ok(self.take(N)?.try_into().expect("N bytes were taken"))
    }

    fn varint(&mut self) -> Result<u64, String> {
        let mut value = 0_u64;
        for shift in (0..70).step_by(7) {
            let byte = self.take(1)?[0];
            if shift == 63 && byte > 1 {
                break;
            }
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err("an integer exceeds 64 bits".to_owned())
    }
}

/// A message being written.
#[derive(Clone, Debug, Default)]
pub(crate) struct Message(Vec<u8>);

impl Message {
    /// The bytes.
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    pub(crate) fn int(&mut self, number: u32, value: i64) -> &mut Self {
        self.varint(u64::from(number) << 3);
        self.varint(value.cast_unsigned());
        self
    }

    pub(crate) fn float(&mut self, number: u32, value: f32) -> &mut Self {
        self.varint(u64::from(number) << 3 | 5);
        self.0.extend(value.to_le_bytes());
        self
    }

    pub(crate) fn bytes(&mut self, number: u32, bytes: &[u8]) -> &mut Self {
        self.varint(u64::from(number) << 3 | 2);
        self.varint(bytes.len() as u64);
        self.0.extend(bytes);
        self
    }

    pub(crate) fn text(&mut self, number: u32, text: &str) -> &mut Self {
        self.bytes(number, text.as_bytes())
    }

    pub(crate) fn message(&mut self, number: u32, message: &Self) -> &mut Self {
        self.bytes(number, &message.0)
    }

    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_have_the_bytes_of_the_documented_example() {
        // 150 in field 1 is `08 96 01`; -1 takes ten bytes.
        let mut message = Message::default();
        message.int(1, 150);
        assert_eq!(message.clone().into_bytes(), [0x08, 0x96, 0x01]);
        message.int(2, -1).text(3, "testing");
        let mut found = Vec::new();
        each_field(&message.into_bytes(), |number, field| {
            found.push((number, format!("{field:?}")));
            Ok(())
        })
        .unwrap();
        assert_eq!(found[1], (2, format!("{:?}", Field::Varint(u64::MAX))));
        assert_eq!(found[2], (3, format!("{:?}", Field::Bytes(b"testing"))));
    }

    #[test]
    fn what_is_cut_or_too_long_is_an_error() {
        for bytes in [&[0x08][..], &[0x0a, 5, 1], &[0x0d, 1, 2, 3], &[0x0b], &[0xff; 11], &[8, 255, 255, 255]]
        {
            assert!(each_field(bytes, |_, _| Ok(())).is_err(), "{bytes:x?}");
        }
    }
}
