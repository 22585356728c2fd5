//! Frames of the tail file: how entries lie in it, and how a torn end is told from a damaged middle.
//!
//! ```text
//! "jindo-tail/v1\n"                                    14 bytes; or the header of a cut file
//! frame: u32 LE  entry length, top bit: first frame of its append
//!        u32 LE  CRC-32 over the frame's offset in the file (u64 LE), the four bytes above and the entry
//!        entry
//! ```
//! The top bit says what was synced: an append begins only after the one before it was on disk. So a bad frame with a valid
//! *first* frame anywhere behind it is damage, and a bad frame without one belongs to an append that never ended. The offset
//! in the checksum tells a frame from bytes that only look like one: those of a body, or of a block that moved.
//! Nothing here writes files.

use std::path::Path;

use super::{TailFault, segment::Segment};
use crate::limits::{ENTRY_BYTES_MAX, TAIL_READ_BYTES};

/// First bytes of the file.
pub(super) const MAGIC: &[u8; 14] = b"jindo-tail/v1\n";
/// Bytes before an entry.
pub(super) const HEAD: usize = 8;
const FIRST: u32 = 1 << 31;

/// Appends the frame that will lie at `offset` to `out`. The entry has 1 to [`ENTRY_BYTES_MAX`] bytes.
pub(super) fn write(out: &mut Vec<u8>, offset: u64, entry: &[u8], first: bool) {
    let length = entry.len() as u32 | if first { FIRST } else { 0 };
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(&crc(offset, length, entry).to_le_bytes());
    out.extend_from_slice(entry);
}

fn crc(offset: u64, length: u32, entry: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&offset.to_le_bytes());
    hasher.update(&length.to_le_bytes());
    hasher.update(entry);
    hasher.finalize()
}

/// A valid frame.
pub(super) struct Frame<'a> {
    /// First of its append.
    pub first: bool,
    /// The entry.
    pub entry: &'a [u8],
}

impl Frame<'_> {
    /// Bytes of the frame in the file.
    pub fn bytes(&self) -> usize {
        HEAD + self.entry.len()
    }
}

/// The frame at the start of `bytes`, which lie at `offset` of the file, if it is a valid one.
pub(super) fn read(bytes: &[u8], offset: u64) -> Option<Frame<'_>> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let (sum, rest) = rest.split_first_chunk::<4>()?;
    let length = u32::from_le_bytes(*length);
    let count = (length & !FIRST) as usize;
    // Length 0 would make a run of zeros, which a crash may leave, a row of valid frames.
    if count == 0 || count > ENTRY_BYTES_MAX {
        return None;
    }
    let entry = rest.get(..count)?;
    (crc(offset, length, entry) == u32::from_le_bytes(*sum)).then_some(Frame { first: length & FIRST != 0, entry })
}

/// A stretch of the file read in large pieces.
pub(super) struct Window<'a> {
    segment: &'a Segment,
    path: &'a Path,
    /// End of what is read.
    end: u64,
    /// Offset of `buffer` in the file.
    base: u64,
    buffer: Vec<u8>,
}

impl<'a> Window<'a> {
    /// Up to offset `end`.
    pub fn new(segment: &'a Segment, path: &'a Path, end: u64) -> Self {
        Window { segment, path, end, base: 0, buffer: Vec::new() }
    }

    /// At least a whole frame's bytes from `offset` on, or all up to the end.
    pub fn at(&mut self, offset: u64) -> Result<&[u8], TailFault> {
        let left = usize::try_from(self.end.saturating_sub(offset)).unwrap_or(usize::MAX);
        let wanted = left.min(HEAD + ENTRY_BYTES_MAX);
        let behind = offset.checked_sub(self.base).and_then(|behind| usize::try_from(behind).ok());
        let have = behind.and_then(|behind| self.buffer.len().checked_sub(behind));
        if have.is_none_or(|have| have < wanted) {
            self.buffer.resize(left.min(TAIL_READ_BYTES), 0);
            self.segment
                .read_exact_at(&mut self.buffer, offset)
                .map_err(|error| TailFault::io("read", self.path, error))?;
            self.base = offset;
            return Ok(&self.buffer);
        }
        Ok(&self.buffer[behind.unwrap_or(0)..])
    }
}

/// How far the valid frames reach.
pub(super) struct Scan {
    /// Entries in them.
    pub size: u64,
    /// Where they end. What follows is an append that never ended.
    pub end: u64,
}

/// Goes through the frames from `offset` on, where entry `index` starts, and hands each to `visit` with its offset.
pub(super) fn scan(
    window: &mut Window<'_>,
    mut offset: u64,
    mut index: u64,
    mut visit: impl FnMut(u64, u64, &[u8]) -> Result<(), TailFault>,
) -> Result<Scan, TailFault> {
    while offset < window.end {
        let bytes = window.at(offset)?;
        let Some(frame) = read(bytes, offset) else {
            return match find_first(window, offset + 1)? {
                Some(_) => Err(TailFault::Damaged { path: window.path.to_owned(), offset, index }),
                None => Ok(Scan { size: index, end: offset }),
            };
        };
        visit(index, offset, frame.entry)?;
        offset += frame.bytes() as u64;
        index += 1;
    }
    Ok(Scan { size: index, end: offset })
}

/// Offset of the next valid first frame, at any byte from `offset` on. Only a damaged or torn end is searched like this.
fn find_first(window: &mut Window<'_>, offset: u64) -> Result<Option<u64>, TailFault> {
    for at in offset..window.end {
        if read(window.at(at)?, at).is_some_and(|frame| frame.first) {
            return Ok(Some(at));
        }
    }
    Ok(None)
}
