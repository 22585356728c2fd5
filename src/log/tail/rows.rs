//! `tail.index`: one row of 16 bytes per entry, so that an entry is found without reading those before it.
//!
//! A row is the frame's offset (u64 LE) and the running maximum of `recorded` up to this entry (i64 LE nanoseconds). The file
//! is a cache of the tail: never synced, checked on opening, made anew on doubt. It never decides what is in the log.

use std::{
    fs::File,
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};

use super::{
    TailFault,
    frame::{self, HEAD, MAGIC},
    segment::Segment,
};
use crate::{
    event::Time,
    limits::{ENTRY_BYTES_MAX, TAIL_INDEX_CHECK_ROWS, TAIL_INDEX_STEP_BACK_MAX},
    log::{entry_parse::peek, folder::LogFolder, tile::WIDTH},
};

pub(super) const ROW: u64 = 16;

/// Where an entry lies, and the running maximum of `recorded` there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Row {
    pub offset: u64,
    pub recorded_max: Time,
}

impl Row {
    pub fn to_bytes(self) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.offset.to_le_bytes());
        bytes[8..].copy_from_slice(&self.recorded_max.ns().to_le_bytes());
        bytes
    }

    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        let word = u128::from_le_bytes(bytes);
        Row { offset: word as u64, recorded_max: Time::from_ns((word >> 64) as u64 as i64) }
    }
}

/// False where the file ends before, or no file reaches (a row may name any offset).
fn whole(read: io::Result<()>) -> io::Result<bool> {
    match read {
        Ok(()) => Ok(true),
        Err(error) if matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidInput) => Ok(false),
        Err(error) => Err(error),
    }
}

/// The frame of an entry as read from the tail, checked: valid, and saying that it is entry `index`.
pub(super) fn entry_at(segment: &Segment, offset: u64, index: u64) -> io::Result<Option<(Vec<u8>, Time)>> {
    let mut head = [0; HEAD];
    if !whole(segment.read_exact_at(&mut head, offset))? {
        return Ok(None);
    }
    let length = (u32::from_le_bytes([head[0], head[1], head[2], head[3]]) & 0x7fff_ffff) as usize;
    if length > ENTRY_BYTES_MAX {
        return Ok(None);
    }
    let mut bytes = vec![0; HEAD + length];
    if !whole(segment.read_exact_at(&mut bytes, offset))? || frame::read(&bytes, offset).is_none() {
        return Ok(None);
    }
    match peek(&bytes[HEAD..]) {
        Some((own, recorded)) if own == index => Ok(Some((bytes.split_off(HEAD), recorded))),
        _ => Ok(None),
    }
}

/// How far `tail.index` can be trusted: rows, where the next frame starts, and the running maximum there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Trusted {
    pub rows: u64,
    pub end: u64,
    pub recorded_max: Time,
    /// Whether the rows of entries before the tail's first are there too.
    pub below: bool,
}

impl Trusted {
    /// Only what the tail itself says.
    pub fn nothing(segment: &Segment) -> Self {
        let (rows, end, recorded_max) = (segment.base, segment.start, segment.recorded_max);
        Trusted { rows, end, recorded_max, below: segment.base == 0 }
    }
}

/// Checks the rows at the end of `index` against the frames they name. Rows that a crash left unwritten are stepped over;
/// anything stranger trusts nothing, and the whole file is made anew.
pub(super) fn trusted(index: &File, tail: &Segment) -> io::Result<Trusted> {
    let present = index.metadata()?.len() / ROW;
    let row = |number: u64| -> io::Result<Row> {
        let mut bytes = [0; 16];
        index.read_exact_at(&mut bytes, number * ROW)?;
        Ok(Row::from_bytes(bytes))
    };
    let nothing = Trusted::nothing(tail);
    if present < tail.base || tail.base > 0 && row(tail.base - 1)?.recorded_max != tail.recorded_max {
        return Ok(nothing);
    }
    let least = present.saturating_sub(TAIL_INDEX_STEP_BACK_MAX).max(tail.base);
    let mut rows = present;
    while rows > least {
        let last = row(rows - 1)?;
        if last.offset >= tail.start
            && let Some((entry, _)) = entry_at(tail, last.offset, rows - 1)?
        {
            let end = last.offset + (HEAD + entry.len()) as u64;
            let trusted = Trusted { rows, end, recorded_max: last.recorded_max, below: true };
            return Ok(if hold(&row, tail, trusted)? { trusted } else { nothing });
        }
        rows -= 1;
    }
    Ok(Trusted { below: rows == tail.base, ..nothing })
}

/// Whether the last rows agree with their frames, each frame ending where the next starts.
fn hold(row: &impl Fn(u64) -> io::Result<Row>, tail: &Segment, trusted: Trusted) -> io::Result<bool> {
    let from = trusted.rows.saturating_sub(TAIL_INDEX_CHECK_ROWS).max(tail.base);
    let (mut offset, mut highest) = match from.checked_sub(1).filter(|before| *before >= tail.base) {
        None => (tail.start, tail.recorded_max),
        Some(before) => {
            let before_row = row(before)?;
            let Some((entry, _)) = entry_at(tail, before_row.offset, before)? else { return Ok(false) };
            (before_row.offset + (HEAD + entry.len()) as u64, before_row.recorded_max)
        }
    };
    for number in from..trusted.rows {
        let Some((entry, recorded)) = entry_at(tail, offset, number)? else { return Ok(false) };
        highest = highest.max(recorded);
        if row(number)? != (Row { offset, recorded_max: highest }) {
            return Ok(false);
        }
        offset += (HEAD + entry.len()) as u64;
    }
    Ok(true)
}

/// Whether `index` proves that the tail once went on where it now ends: rows are written after the sync of what they name,
/// so a row for the entry after the last one means that entry was on disk.
pub(super) fn lost(index: &File, tail: &Segment, size: u64, end: u64) -> io::Result<bool> {
    let mut bytes = [0; 16];
    if !whole(index.read_exact_at(&mut bytes, size * ROW))? {
        return Ok(false);
    }
    // A writer beside this reader may have appended since the tail was read: then the entry is there.
    Ok(Row::from_bytes(bytes).offset == end && entry_at(tail, end, size)?.is_none())
}

/// Makes rows while the tail is scanned behind what is trusted.
pub(super) struct RowMaker {
    pub rows: Vec<Row>,
    pub recorded_max: Time,
    path: PathBuf,
}

impl RowMaker {
    pub fn new(path: &Path, trusted: Trusted) -> Self {
        RowMaker { rows: Vec::new(), recorded_max: trusted.recorded_max, path: path.to_owned() }
    }

    /// The row of the next entry.
    pub fn add(&mut self, index: u64, offset: u64, entry: &[u8]) -> Result<(), TailFault> {
        let foreign = || TailFault::Foreign { path: self.path.clone(), offset, index };
        let (own, recorded) = peek(entry).ok_or_else(foreign)?;
        if own != index {
            return Err(foreign());
        }
        self.recorded_max = self.recorded_max.max(recorded);
        self.rows.push(Row { offset, recorded_max: self.recorded_max });
        Ok(())
    }
}

/// Where a reader finds rows: those of the file up to a number, and behind them those it made itself.
#[derive(Debug, Clone)]
pub(super) struct Rows {
    pub file: Option<Arc<File>>,
    pub path: Arc<Path>,
    /// Rows of the file; behind them `made` is used. `None`: all rows are in the file (a writer keeps it).
    pub in_file: Option<u64>,
    pub made: Arc<Vec<Row>>,
    /// Running maxima of the entries in bundles, where the file has no rows for them.
    pub below: Option<Arc<Below>>,
}

/// Running maxima of `recorded` of the first entries, read from the log's bundles when they are asked for.
#[derive(Debug)]
pub(super) struct Below {
    folder: LogFolder,
    size: u64,
    made: OnceLock<Vec<Time>>,
}

impl Below {
    pub fn new(folder: LogFolder, size: u64) -> Self {
        Below { folder, size, made: OnceLock::new() }
    }

    /// The maxima, in order.
    pub fn all(&self) -> Result<&[Time], TailFault> {
        if let Some(made) = self.made.get() {
            return Ok(made);
        }
        let made = self.rows()?.into_iter().map(|row| row.recorded_max).collect();
        Ok(self.made.get_or_init(|| made))
    }

    /// The rows as they were while the entries were in the tail.
    pub fn rows(&self) -> Result<Vec<Row>, TailFault> {
        let (mut rows, mut offset, mut recorded_max) = (Vec::new(), MAGIC.len() as u64, Time::from_ns(i64::MIN));
        for bundle in 0..self.size.div_ceil(WIDTH) {
            for entry in self.folder.entries(bundle, self.size)? {
                recorded_max = recorded_max.max(checked(&entry, rows.len() as u64)?.1);
                rows.push(Row { offset, recorded_max });
                offset += (HEAD + entry.len()) as u64;
            }
        }
        Ok(rows)
    }
}

/// Index and time of an entry from a bundle, which must be the one due.
pub(super) fn checked(entry: &[u8], index: u64) -> Result<(u64, Time), TailFault> {
    peek(entry).filter(|(own, _)| *own == index).ok_or(TailFault::BadBundle { index })
}

impl Rows {
    /// The row of an entry below the size.
    pub fn get(&self, index: u64) -> Result<Row, TailFault> {
        if let Some(below) = self.below.as_ref().filter(|below| index < below.size) {
            let place = usize::try_from(index).unwrap_or(usize::MAX);
            let recorded_max = *below.all()?.get(place).ok_or(TailFault::BadBundle { index })?;
            return Ok(Row { offset: 0, recorded_max });
        }
        let made = self.in_file.and_then(|in_file| index.checked_sub(in_file)).and_then(|at| usize::try_from(at).ok());
        if let Some(row) = made.and_then(|at| self.made.get(at)) {
            return Ok(*row);
        }
        let missing = || TailFault::io("read", &self.path, io::ErrorKind::NotFound.into());
        let mut bytes = [0; 16];
        self.file
            .as_ref()
            .ok_or_else(missing)?
            .read_exact_at(&mut bytes, index * ROW)
            .map_err(|error| TailFault::io("read", &self.path, error))?;
        Ok(Row::from_bytes(bytes))
    }
}
