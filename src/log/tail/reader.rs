//! Reading the tail: one entry, all of them in order, or where a moment lies. It never writes, locks or repairs.

use std::{
    fs::File,
    io,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use super::{
    FILE_INDEX, FILE_TAIL, TailFault,
    frame::{self, HEAD, START, Scan, Window},
    open_tail,
    rows::{RowMaker, Rows, Trusted, entry_at, lost, trusted},
};
use crate::event::Time;

/// Reads entries, beside a writer or without one. Clones share the files.
#[derive(Debug, Clone)]
pub struct TailReader {
    pub(super) tail: Arc<File>,
    pub(super) path: Arc<Path>,
    pub(super) rows: Rows,
    /// Entries; a writer in this process raises it after each sync.
    pub(super) size: Arc<AtomicU64>,
}

impl TailReader {
    /// Reads a folder alone. Sees the entries there at opening; a writer beside it goes on undisturbed, and its unfinished
    /// append is not seen.
    ///
    /// # Errors
    /// [`TailFault`] where the tail is missing, unreadable or damaged in its middle.
    pub fn open(dir: &Path) -> Result<Self, TailFault> {
        let (path, index_path) = (dir.join(FILE_TAIL), dir.join(FILE_INDEX));
        let tail = open_tail(File::options().read(true), &path)?;
        let end = tail.metadata().map_err(|error| TailFault::io("read", &path, error))?.len();
        let index = match File::open(&index_path) {
            Ok(index) => Some(index),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(TailFault::io("open", &index_path, error)),
        };
        let from = match &index {
            Some(index) => trusted(index, &tail).map_err(|error| TailFault::io("read", &index_path, error))?,
            None => Trusted::NOTHING,
        };
        let mut maker = RowMaker::new(&path, from);
        let mut window = Window::new(&tail, &path, end);
        let visit = |index: u64, offset: u64, entry: &[u8]| maker.add(index, offset, entry);
        // What follows the scan's end is an append in progress, or what a crash left for the next writer to cut off.
        let Scan { size, end } = frame::scan(&mut window, from.end, from.rows, visit)?;
        if let Some(index) = &index
            && lost(index, &tail, size, end).map_err(|error| TailFault::io("read", &index_path, error))?
        {
            return Err(TailFault::Damaged { path, offset: end, index: size });
        }
        let rows = Rows {
            file: index.map(Arc::new),
            path: index_path.into(),
            in_file: Some(from.rows),
            made: Arc::new(maker.rows),
        };
        Ok(TailReader { tail: Arc::new(tail), path: path.into(), rows, size: Arc::new(AtomicU64::new(size)) })
    }

    /// Whether `tail.index` says of every entry what the tail does. Rows that a crash left unwritten are none that disagree.
    ///
    /// # Errors
    /// [`TailFault`]: the tail cannot be read, or is damaged.
    pub fn index_holds(dir: &Path) -> Result<bool, TailFault> {
        let (path, index_path) = (dir.join(FILE_TAIL), dir.join(FILE_INDEX));
        let tail = open_tail(File::options().read(true), &path)?;
        let end = tail.metadata().map_err(|error| TailFault::io("read", &path, error))?.len();
        let mut maker = RowMaker::new(&path, Trusted::NOTHING);
        let mut window = Window::new(&tail, &path, end);
        let visit = |index: u64, offset: u64, entry: &[u8]| maker.add(index, offset, entry);
        frame::scan(&mut window, Trusted::NOTHING.end, 0, visit)?;
        let held = match std::fs::read(&index_path) {
            Ok(held) => held,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
            Err(error) => return Err(TailFault::io("read", &index_path, error)),
        };
        let made: Vec<u8> = maker.rows.iter().flat_map(|row| row.to_bytes()).collect();
        Ok(made.starts_with(&held))
    }

    /// The log folder.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("."))
    }

    /// Entries that can be read.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size.load(Ordering::Acquire)
    }

    fn beyond(&self, index: u64) -> TailFault {
        TailFault::Beyond { index, size: self.size() }
    }

    /// The bytes of one entry.
    ///
    /// # Errors
    /// [`TailFault`] past the size, or where the bytes on disk are not that entry.
    pub fn read(&self, index: u64) -> Result<Vec<u8>, TailFault> {
        if index >= self.size() {
            return Err(self.beyond(index));
        }
        let offset = self.rows.get(index)?.offset;
        match entry_at(&self.tail, offset, index) {
            Ok(Some((entry, _))) => Ok(entry),
            Ok(None) => Err(TailFault::Unreadable { path: self.path.to_path_buf(), offset, index }),
            Err(error) => Err(TailFault::io("read", &self.path, error)),
        }
    }

    /// The running maximum of `recorded` up to an entry: "known at" counts by it.
    ///
    /// # Errors
    /// [`TailFault`] past the size, or where `tail.index` cannot be read.
    pub fn recorded(&self, index: u64) -> Result<Time, TailFault> {
        if index >= self.size() {
            return Err(self.beyond(index));
        }
        Ok(self.rows.get(index)?.recorded_max)
    }

    /// Entries recorded by `time`: those whose running maximum is not after it.
    ///
    /// # Errors
    /// [`TailFault`] where `tail.index` cannot be read.
    pub fn size_at(&self, time: Time) -> Result<u64, TailFault> {
        let (mut low, mut high) = (0, self.size());
        while low < high {
            let middle = low + (high - low) / 2;
            if self.rows.get(middle)?.recorded_max <= time {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Ok(low)
    }

    /// Entries from `from` to the size as of this call, in order, read in large pieces. Ends after an error.
    ///
    /// # Errors
    /// Each item may be a [`TailFault`].
    pub fn iter(&self, from: u64) -> Entries {
        Entries { reader: self.clone(), next: from, size: self.size(), offset: None, buffer: Vec::new(), used: 0 }
    }
}

/// See [`TailReader::iter`].
#[derive(Debug)]
pub struct Entries {
    reader: TailReader,
    next: u64,
    size: u64,
    /// Offset in the file of the end of `buffer`; `None` before the first read.
    offset: Option<u64>,
    buffer: Vec<u8>,
    used: usize,
}

impl Entries {
    fn entry(&mut self) -> Result<Vec<u8>, TailFault> {
        let index = self.next;
        if self.offset.is_none() {
            self.offset = Some(if index == 0 { START } else { self.reader.rows.get(index)?.offset });
        }
        let position = self.offset.unwrap_or(START) - (self.buffer.len() - self.used) as u64;
        if frame::read(&self.buffer[self.used..], position).is_none() {
            // Whatever is left begins a frame: read on from its start.
            self.fill(position)?;
        }
        let frame = frame::read(&self.buffer[self.used..], position);
        let bad = || TailFault::Unreadable { path: self.reader.path.to_path_buf(), offset: position, index };
        let frame = frame.ok_or_else(bad)?;
        let own = crate::log::entry_parse::peek(frame.entry).map(|(own, _)| own);
        if own != Some(index) {
            return Err(bad());
        }
        let entry = frame.entry.to_vec();
        self.used += HEAD + entry.len();
        Ok(entry)
    }

    fn fill(&mut self, start: u64) -> Result<(), TailFault> {
        let fault = |error| TailFault::io("read", &self.reader.path, error);
        let end = self.reader.tail.metadata().map_err(fault)?.len();
        let mut window = Window::new(&self.reader.tail, &self.reader.path, end);
        let bytes = window.at(start)?;
        self.buffer.clear();
        self.buffer.extend_from_slice(bytes);
        self.offset = Some(start + bytes.len() as u64);
        self.used = 0;
        Ok(())
    }
}

impl Iterator for Entries {
    type Item = Result<(u64, Vec<u8>), TailFault>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.next >= self.size {
            return None;
        }
        let index = self.next;
        let entry = self.entry();
        self.next = if entry.is_ok() { index + 1 } else { self.size };
        Some(entry.map(|entry| (index, entry)))
    }
}
