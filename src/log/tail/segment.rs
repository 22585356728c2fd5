//! The tail's file, and where its frames lie in the log.
//!
//! ```text
//! "jindo-tail/v1\n"                       frames of the log from entry 0 on
//! "jindo-tail/v2\n"                       frames from a later entry on: those before are in the log's bundles
//!     base            u64 LE              index of the first entry
//!     start           u64 LE              offset of its frame
//!     recorded_max    i64 LE              running maximum of `recorded` before it, nanoseconds
//!     CRC-32          u32 LE              over all of the above
//! ```
//! Offsets count from where the first byte of a v1 file would lie, whatever was cut off since: checksums of frames and rows of
//! `tail.index` hold on when the file is cut.

use std::{
    fs::{File, Metadata, OpenOptions},
    io,
    os::unix::fs::FileExt,
    path::Path,
};

use super::{TailFault, frame::MAGIC};
use crate::event::Time;
use crate::log::bounded;

/// First bytes of a file that begins at a later entry.
const MAGIC_CUT: &[u8; 14] = b"jindo-tail/v2\n";
const HEADER_CUT: usize = MAGIC_CUT.len() + 8 + 8 + 8 + 4;

/// A tail file.
#[derive(Debug)]
pub(super) struct Segment {
    /// `None`: there is no tail, everything is in bundles.
    file: Option<File>,
    /// Bytes before the first frame in the file.
    head: u64,
    /// Index of its first entry; those before are in bundles.
    pub base: u64,
    /// Offset of its first frame.
    pub start: u64,
    /// Running maximum of `recorded` before it.
    pub recorded_max: Time,
}

/// The header of a file whose first entry is `base`.
pub(super) fn header(base: u64, start: u64, recorded_max: Time) -> Vec<u8> {
    let mut bytes = MAGIC_CUT.to_vec();
    bytes.extend(base.to_le_bytes());
    bytes.extend(start.to_le_bytes());
    bytes.extend(recorded_max.ns().to_le_bytes());
    bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
    bytes
}

impl Segment {
    /// Opens a tail file and reads its header.
    pub fn open(options: &OpenOptions, path: &Path) -> Result<Self, TailFault> {
        let file = bounded::open_with(options, path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => TailFault::Missing(path.to_owned()),
            _ => TailFault::io("open", path, error),
        })?;
        let strange = |error: io::Error| match error.kind() {
            io::ErrorKind::UnexpectedEof => TailFault::NotATail(path.to_owned()),
            _ => TailFault::io("read", path, error),
        };
        let mut magic = [0; MAGIC.len()];
        file.read_exact_at(&mut magic, 0).map_err(strange)?;
        if magic == *MAGIC {
            let start = MAGIC.len() as u64;
            let recorded_max = Time::from_ns(i64::MIN);
            return Ok(Segment { file: Some(file), head: start, base: 0, start, recorded_max });
        }
        let mut bytes = [0; HEADER_CUT];
        file.read_exact_at(&mut bytes, 0).map_err(strange)?;
        let word = |at: usize| {
            let mut word = [0; 8];
            word.copy_from_slice(&bytes[at..at + 8]);
            u64::from_le_bytes(word)
        };
        let (base, start, recorded_max) = (word(14), word(22), Time::from_ns(word(30).cast_signed()));
        if bytes[..] != header(base, start, recorded_max)[..] {
            return Err(TailFault::NotATail(path.to_owned()));
        }
        Ok(Segment { file: Some(file), head: HEADER_CUT as u64, base, start, recorded_max })
    }

    /// Of a folder without a tail: `size` entries in bundles, none here.
    pub fn none(size: u64) -> Self {
        Segment { file: None, head: 0, base: size, start: 0, recorded_max: Time::from_ns(i64::MAX) }
    }

    /// The file.
    pub fn file(&self) -> io::Result<&File> {
        self.file.as_ref().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// What the system says of the file.
    pub fn metadata(&self) -> io::Result<Metadata> {
        self.file()?.metadata()
    }

    /// Where an offset lies in the file.
    pub fn place(&self, offset: u64) -> Option<u64> {
        offset.checked_sub(self.start)?.checked_add(self.head)
    }

    /// Offset of the file's end.
    pub fn end(&self) -> io::Result<u64> {
        match &self.file {
            Some(file) => Ok(file.metadata()?.len().saturating_sub(self.head) + self.start),
            None => Ok(self.start),
        }
    }

    /// Fills `bytes` from an offset.
    pub fn read_exact_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        let place = self.place(offset).ok_or(io::ErrorKind::UnexpectedEof)?;
        self.file()?.read_exact_at(bytes, place)
    }
}
