//! `TFRecord` framing: length, its checksum, payload, its checksum; all little-endian.

use std::io::{self, Write};

/// Bytes around a payload: `u64` length, `u32` checksum, and `u32` checksum after it.
const NUM_HEADER_BYTES: usize = 12;
const NUM_FOOTER_BYTES: usize = 4;

pub(super) struct Record<'b> {
    pub(super) payload: &'b [u8],
    /// Length of the whole record.
    pub(super) num_bytes: usize,
}

pub(super) fn write(out: &mut impl Write, payload: &[u8]) -> io::Result<()> {
    let length = (payload.len() as u64).to_le_bytes();
    out.write_all(&length)?;
    out.write_all(&masked_crc(&length).to_le_bytes())?;
    out.write_all(payload)?;
    out.write_all(&masked_crc(payload).to_le_bytes())
}

/// The first record of `bytes`; `None` if there is none, or not all of it.
pub(super) fn read(bytes: &[u8]) -> Result<Option<Record<'_>>, &'static str> {
    let Some((header, rest)) = bytes.split_at_checked(NUM_HEADER_BYTES) else { return Ok(None) };
    let (length, length_crc) = header.split_at(8);
    if !matches_crc(length, length_crc) {
        return Err("the checksum of a record's length is wrong");
    }
    let length = u64::from_le_bytes(length.try_into().expect("split at 8"));
    let Some((payload, rest)) = usize::try_from(length).ok().and_then(|length| rest.split_at_checked(length))
    else {
        return Ok(None);
    };
    let Some(payload_crc) = rest.get(..NUM_FOOTER_BYTES) else { return Ok(None) };
    if !matches_crc(payload, payload_crc) {
        return Err("the checksum of a record is wrong");
    }
    Ok(Some(Record { payload, num_bytes: NUM_HEADER_BYTES + payload.len() + NUM_FOOTER_BYTES }))
}

fn matches_crc(bytes: &[u8], crc: &[u8]) -> bool {
    masked_crc(bytes).to_le_bytes() == crc
}

/// `TFRecord` rotates and shifts checksums, so that a checksum of data with checksums stays sound.
fn masked_crc(bytes: &[u8]) -> u32 {
    crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8)
}

/// CRC-32C (Castagnoli), RFC 3720, appendix B.4, one table look-up per byte.
fn crc32c(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, byte| (crc >> 8) ^ CRC_TABLE[usize::from(crc as u8 ^ byte)])
}

/// Remainders of all bytes for the reflected polynomial 0x82f63b78.
static CRC_TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut remainder = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            let carry = remainder & 1;
            remainder = (remainder >> 1) ^ (carry * 0x82f6_3b78);
            bit += 1;
        }
        table[byte] = remainder;
        byte += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    /// The vectors of RFC 3720, appendix B.4, and the usual check value.
    #[test]
    fn crc32c_matches_known_vectors() {
        let ascending: Vec<u8> = (0..32).collect();
        assert_eq!(crc32c(b""), 0);
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc32c(&[0xff; 32]), 0x62a8_ab43);
        assert_eq!(crc32c(&ascending), 0x46dd_794e);
    }

    #[test]
    fn a_cut_record_is_not_there_and_a_changed_one_is_an_error() {
        let mut bytes = Vec::new();
        write(&mut bytes, b"payload").unwrap();
        for length in 0..bytes.len() {
            assert!(read(&bytes[..length]).unwrap().is_none(), "length {length}");
        }
        assert_eq!(read(&bytes).unwrap().unwrap().payload, b"payload");
        for position in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[position] ^= 1;
            assert!(read(&changed).is_err(), "byte {position}");
        }
    }
}
