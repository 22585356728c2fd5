//! The bytes of a row: a CRC-32 over key and payload, then the payload. And the packed numbers inside payloads.
//!
//! The checksum covers the key, so a row that turns up under another key is noticed too. Anything that does not read back
//! is a [`Doubt`]: never a panic, never a guess.

use serde::{Serialize, de::DeserializeOwned};

use crate::fold::rows::Doubt;

const CRC_BYTES: usize = 4;

/// A doubt about the row under `key`.
pub(super) fn doubt(key: &[u8], what: &str) -> Doubt {
    use std::fmt::Write as _;
    let hex = key.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    });
    Doubt(format!("row {hex} {what}"))
}

fn crc(key: &[u8], payload: &[u8]) -> [u8; CRC_BYTES] {
    let mut hash = crc32fast::Hasher::new();
    hash.update(key);
    hash.update(payload);
    hash.finalize().to_le_bytes()
}

/// A payload being written; the checksum goes before it at the end.
pub(super) struct Writer(Vec<u8>);

impl Writer {
    pub(super) fn new() -> Self {
        Self::with_capacity(64)
    }

    pub(super) fn with_capacity(bytes: usize) -> Self {
        let mut buffer = Vec::with_capacity(bytes + CRC_BYTES);
        buffer.extend_from_slice(&[0; CRC_BYTES]);
        Writer(buffer)
    }

    pub(super) fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.0
    }

    pub(super) fn finish(mut self, key: &[u8]) -> Vec<u8> {
        let sum = crc(key, &self.0[CRC_BYTES..]);
        self.0[..CRC_BYTES].copy_from_slice(&sum);
        self.0
    }
}

/// The payload of a row.
pub(super) fn open<'a>(key: &[u8], value: &'a [u8]) -> Result<&'a [u8], Doubt> {
    match value.split_first_chunk::<CRC_BYTES>() {
        Some((sum, payload)) if *sum == crc(key, payload) => Ok(payload),
        _ => Err(doubt(key, "does not match its checksum")),
    }
}

/// A whole row in postcard's encoding.
pub(super) fn pack<T: Serialize>(key: &[u8], value: &T) -> Result<Vec<u8>, Doubt> {
    let mut writer = Writer::new();
    pack_into(writer.buffer(), value)?;
    Ok(writer.finish(key))
}

/// Appends a value in postcard's encoding.
pub(super) fn pack_into<T: Serialize>(buffer: &mut Vec<u8>, value: &T) -> Result<(), Doubt> {
    let taken = std::mem::take(buffer);
    *buffer = postcard::to_extend(value, taken).map_err(|error| Doubt(format!("a row cannot be written: {error}")))?;
    Ok(())
}

/// Reads a whole row of [`pack`].
pub(super) fn unpack<T: DeserializeOwned>(key: &[u8], value: &[u8]) -> Result<T, Doubt> {
    unpack_payload(key, open(key, value)?)
}

/// Reads a payload that is one value and nothing else.
pub(super) fn unpack_payload<T: DeserializeOwned>(key: &[u8], payload: &[u8]) -> Result<T, Doubt> {
    match postcard::take_from_bytes(payload) {
        Ok((value, [])) => Ok(value),
        _ => Err(doubt(key, "cannot be decoded")),
    }
}

/// Appends an unsigned number: seven bits a byte, low ones first.
pub(super) fn put(buffer: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        buffer.push(value as u8 | 0x80);
        value >>= 7;
    }
    buffer.push(value as u8);
}

/// Appends a signed number, small magnitudes short.
pub(super) fn put_signed(buffer: &mut Vec<u8>, value: i128) {
    let mut folded = (value << 1 ^ value >> 127).cast_unsigned();
    if let Ok(small) = u64::try_from(folded) {
        return put(buffer, small);
    }
    while folded >= 0x80 {
        buffer.push(folded as u8 | 0x80);
        folded >>= 7;
    }
    buffer.push(folded as u8);
}

/// Reads packed numbers from a payload.
#[derive(Clone)]
pub(super) struct Cursor<'a> {
    bytes: &'a [u8],
}

impl<'a> Cursor<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Cursor { bytes }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub(super) fn rest(&self) -> &'a [u8] {
        self.bytes
    }

    pub(super) fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.bytes.split_first()?;
        self.bytes = rest;
        Some(*first)
    }

    pub(super) fn take(&mut self, length: u64) -> Option<&'a [u8]> {
        let (taken, rest) = self.bytes.split_at_checked(usize::try_from(length).ok()?)?;
        self.bytes = rest;
        Some(taken)
    }

    pub(super) fn get(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                return None;
            }
            value |= bits << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    pub(super) fn get_signed(&mut self) -> Option<i128> {
        let unfold = |folded: u128| (folded >> 1).cast_signed() ^ -((folded & 1).cast_signed());
        // Nearly all are short.
        if let Some((first, rest)) = self.bytes.split_first()
            && *first < 0x80
        {
            self.bytes = rest;
            return Some(unfold((*first).into()));
        }
        let mut folded = 0_u128;
        for shift in (0..128).step_by(7) {
            let byte = self.byte()?;
            let bits = u128::from(byte & 0x7f);
            if shift == 126 && bits > 3 {
                return None;
            }
            folded |= bits << shift;
            if byte < 0x80 {
                return Some(unfold(folded));
            }
        }
        None
    }

    pub(super) fn get_i64(&mut self) -> Option<i64> {
        i64::try_from(self.get_signed()?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_back() {
        let mut bytes = Vec::new();
        let unsigned = [0, 1, 127, 128, 16_383, 16_384, u64::MAX];
        let signed = [0, -1, 1, 63, -64, 64, i128::from(i64::MIN), i128::MAX, i128::MIN];
        unsigned.iter().for_each(|value| put(&mut bytes, *value));
        signed.iter().for_each(|value| put_signed(&mut bytes, *value));
        let mut cursor = Cursor::new(&bytes);
        unsigned.iter().for_each(|value| assert_eq!(cursor.get(), Some(*value)));
        signed.iter().for_each(|value| assert_eq!(cursor.get_signed(), Some(*value)));
        assert!(cursor.is_empty() && cursor.get().is_none() && cursor.get_signed().is_none());
        assert!(Cursor::new(&[0xff; 30]).get().is_none() && Cursor::new(&[0xff; 30]).get_signed().is_none());
    }

    #[test]
    fn a_changed_byte_or_another_key_is_doubt() {
        let row = pack(b"key", &(7_u32, "text")).unwrap();
        assert_eq!(unpack::<(u32, String)>(b"key", &row).unwrap(), (7, "text".to_owned()));
        assert!(unpack::<(u32, String)>(b"kez", &row).is_err());
        for at in 0..row.len() {
            let mut damaged = row.clone();
            damaged[at] ^= 1;
            assert!(unpack::<(u32, String)>(b"key", &damaged).is_err(), "{at}");
            assert!(unpack::<(u32, String)>(b"key", &row[..at]).is_err(), "{at}");
        }
    }
}
