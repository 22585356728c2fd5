//! Reading the log: one entry, all of them in order, or where a moment lies; from the tail, and from bundles what has left it.
//! It never writes, locks or repairs.

use std::{
    fs::File,
    io::{self, Read as _, Seek as _},
    path::{Path, PathBuf},
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
};

use super::{
    FILE_INDEX, FILE_TAIL, TailFault,
    frame::{self, HEAD, Scan, Window},
    rows::{Below, ROW, RowMaker, Rows, Trusted, checked, entry_at, lost, trusted},
    segment::Segment,
};
use crate::{
    event::Time,
    log::{
        bounded,
        bundle::Bundle,
        checkpoint::Checkpoint,
        folder::{FolderFault, LogFolder},
        note::Note,
        tile::WIDTH,
    },
};

/// Times that opening looks again where a writer beside it has cut the tail meanwhile.
const LOOKS: u32 = 5;

/// Reads entries, beside a writer or without one. Clones share the files.
#[derive(Debug, Clone)]
pub struct LogReader {
    pub(super) place: Arc<RwLock<Arc<Segment>>>,
    pub(super) path: Arc<Path>,
    pub(super) rows: Rows,
    /// Entries; a writer in this process raises it after each sync.
    pub(super) size: Arc<AtomicU64>,
}

impl LogReader {
    /// Reads a folder alone. Sees the entries there at opening; a writer beside it goes on undisturbed, and its unfinished
    /// append is not seen. A folder without a tail, such as a copy of what is public, has the entries of its checkpoint.
    ///
    /// # Errors
    /// [`TailFault`] where there is no log, or it is unreadable or damaged in its middle.
    pub fn open(dir: &Path) -> Result<Self, TailFault> {
        let mut looks = 1;
        loop {
            match Self::look(dir) {
                Err(TailFault::Damaged { .. } | TailFault::Unreadable { .. } | TailFault::Foreign { .. })
                    if looks < LOOKS =>
                {
                    looks += 1
                }
                Err(TailFault::Missing(path)) => return Self::public(dir, path),
                other => return other,
            }
        }
    }

    /// What a checkpoint covers, from the bundles alone.
    fn public(dir: &Path, path: PathBuf) -> Result<Self, TailFault> {
        let folder = LogFolder::new(dir);
        let Some(note) = folder.checkpoint()? else { return Err(TailFault::Missing(path)) };
        let parsed = Note::parse(&note).ok().and_then(|note| Checkpoint::parse(note.text).ok());
        let damaged = || FolderFault::Damaged { path: dir.join("checkpoint"), why: "it is no checkpoint" };
        let size = parsed.ok_or_else(damaged)?.head.size;
        let rows = Rows {
            file: None,
            path: dir.join(FILE_INDEX).into(),
            in_file: Some(size),
            made: Arc::new(Vec::new()),
            below: Some(Arc::new(Below::new(folder, size))),
        };
        let place = Arc::new(RwLock::new(Arc::new(Segment::none(size))));
        Ok(LogReader { place, path: path.into(), rows, size: Arc::new(AtomicU64::new(size)) })
    }

    fn look(dir: &Path) -> Result<Self, TailFault> {
        let (path, index_path) = (dir.join(FILE_TAIL), dir.join(FILE_INDEX));
        let tail = Segment::open(File::options().read(true), &path)?;
        let end = tail.end().map_err(|error| TailFault::io("read", &path, error))?;
        let index = match bounded::open(&index_path) {
            Ok(index) => Some(index),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(TailFault::io("open", &index_path, error)),
        };
        let from = match &index {
            Some(index) => trusted(index, &tail).map_err(|error| TailFault::io("read", &index_path, error))?,
            None => Trusted::nothing(&tail),
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
            below: (!from.below).then(|| Arc::new(Below::new(LogFolder::new(dir), tail.base))),
        };
        let place = Arc::new(RwLock::new(Arc::new(tail)));
        Ok(LogReader { place, path: path.into(), rows, size: Arc::new(AtomicU64::new(size)) })
    }

    fn segment(&self) -> Arc<Segment> {
        self.place.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether `tail.index` says of every entry in the tail what the tail does. Rows that a crash left unwritten are none that disagree.
    ///
    /// # Errors
    /// [`TailFault`]: the tail cannot be read, or is damaged.
    pub fn index_holds(dir: &Path) -> Result<bool, TailFault> {
        let (path, index_path) = (dir.join(FILE_TAIL), dir.join(FILE_INDEX));
        let tail = Segment::open(File::options().read(true), &path)?;
        let end = tail.end().map_err(|error| TailFault::io("read", &path, error))?;
        let from = Trusted::nothing(&tail);
        let mut maker = RowMaker::new(&path, from);
        let mut window = Window::new(&tail, &path, end);
        let visit = |index: u64, offset: u64, entry: &[u8]| maker.add(index, offset, entry);
        frame::scan(&mut window, from.end, from.rows, visit)?;
        let made: Vec<u8> = maker.rows.iter().flat_map(|row| row.to_bytes()).collect();
        // A byte more than the tail has rows for is read: it tells of an index that is too long.
        match rows_from(&index_path, from.rows, made.len() as u64 + 1) {
            Ok(held) => Ok(made.starts_with(&held)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
            Err(error) => Err(TailFault::io("read", &index_path, error)),
        }
    }

    /// Index of the first entry in the tail itself; those before it are in bundles.
    #[must_use]
    pub fn tail_first(&self) -> u64 {
        self.segment().base
    }

    /// The first entry that is in the tail; those before have left it for the bundles.
    #[must_use]
    pub fn tail_base(&self) -> u64 {
        self.segment().base
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
        self.picking().read(index)
    }

    /// Reads single entries in any order; fastest where those of one bundle follow each other.
    #[must_use]
    pub fn picking(&self) -> Picking<'_> {
        Picking { reader: self, bundle: None }
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
        Entries {
            reader: self.clone(),
            next: from,
            size: self.size(),
            bundle: Vec::new().into_iter(),
            offset: None,
            buffer: Vec::new(),
            used: 0,
        }
    }
}

/// See [`LogReader::picking`]. Keeps open the bundle that was read last.
#[derive(Debug)]
pub struct Picking<'a> {
    reader: &'a LogReader,
    bundle: Option<(u64, Bundle)>,
}

impl Picking<'_> {
    /// The bytes of one entry.
    ///
    /// # Errors
    /// [`TailFault`] past the size, or where the bytes on disk are not that entry.
    pub fn read(&mut self, index: u64) -> Result<Vec<u8>, TailFault> {
        if index >= self.reader.size() {
            return Err(self.reader.beyond(index));
        }
        let segment = self.reader.segment();
        if index < segment.base {
            let entry = self.bundled(index, segment.base)?;
            return checked(&entry, index).map(|_| entry);
        }
        let path = &self.reader.path;
        let offset = self.reader.rows.get(index)?.offset;
        match entry_at(&segment, offset, index) {
            Ok(Some((entry, _))) => Ok(entry),
            Ok(None) => Err(TailFault::Unreadable { path: path.to_path_buf(), offset, index }),
            Err(error) => Err(TailFault::io("read", path, error)),
        }
    }

    fn bundled(&mut self, index: u64, base: u64) -> Result<Vec<u8>, TailFault> {
        let folder = LogFolder::new(self.reader.dir());
        if self.bundle.as_ref().is_none_or(|(number, _)| *number != index / WIDTH) {
            self.bundle = Some((index / WIDTH, folder.bundle(index / WIDTH, base)?));
        }
        let Some((_, bundle)) = &self.bundle else { return Err(TailFault::BadBundle { index }) };
        Ok(folder.entry_in(bundle, index)?)
    }
}

/// See [`LogReader::iter`].
#[derive(Debug)]
pub struct Entries {
    reader: LogReader,
    next: u64,
    size: u64,
    /// What is left of a bundle.
    bundle: std::vec::IntoIter<Vec<u8>>,
    /// Offset of the end of `buffer`; `None` before the first read.
    offset: Option<u64>,
    buffer: Vec<u8>,
    used: usize,
}

impl Entries {
    fn entry(&mut self) -> Result<Vec<u8>, TailFault> {
        let index = self.next;
        if let Some(entry) = self.bundle.next() {
            return checked(&entry, index).map(|_| entry);
        }
        let mut end = match self.offset {
            Some(offset) => offset,
            None => match self.seek(index)? {
                Some(offset) => offset,
                None => return self.entry(),
            },
        };
        let position = end - (self.buffer.len() - self.used) as u64;
        if frame::read(&self.buffer[self.used..], position).is_none() {
            // Whatever is left begins a frame: read on from its start.
            let Some(filled) = self.fill(position)? else { return self.entry() };
            end = filled;
        }
        self.offset = Some(end);
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

    /// Offset of an entry's frame; `None` where it has left the tail, and its bundle is at hand now.
    fn seek(&mut self, index: u64) -> Result<Option<u64>, TailFault> {
        let segment = self.reader.segment();
        if index < segment.base {
            let entries = LogFolder::new(self.reader.dir()).entries(index / WIDTH, segment.base)?;
            self.bundle = entries.into_iter();
            // Entries of the bundle before this one.
            if let Some(before) = (index % WIDTH).checked_sub(1) {
                self.bundle.nth(before as usize);
            }
            return if self.bundle.len() > 0 { Ok(None) } else { Err(TailFault::BadBundle { index }) };
        }
        Ok(Some(if index == segment.base { segment.start } else { self.reader.rows.get(index)?.offset }))
    }

    /// Reads on from the start of a frame; the offset of what is read, `None` where it has left the tail meanwhile.
    fn fill(&mut self, start: u64) -> Result<Option<u64>, TailFault> {
        let fault = |error| TailFault::io("read", &self.reader.path, error);
        let segment = self.reader.segment();
        if self.next < segment.base {
            (self.offset, self.used) = (None, 0);
            self.buffer.clear();
            return Ok(None);
        }
        let end = segment.end().map_err(fault)?;
        let mut window = Window::new(&segment, &self.reader.path, end);
        let bytes = window.at(start)?;
        self.buffer.clear();
        self.buffer.extend_from_slice(bytes);
        let end = start + bytes.len() as u64;
        self.used = 0;
        Ok(Some(end))
    }
}

/// Bytes of `tail.index` from a row on, at most so many.
fn rows_from(path: &Path, row: u64, bytes_max: u64) -> io::Result<Vec<u8>> {
    let (mut file, mut held) = (bounded::open(path)?, Vec::new());
    // The row is what the tail's header says, which may be anything: no file has bytes there then.
    let Some(start) = row.checked_mul(ROW).filter(|start| i64::try_from(*start).is_ok()) else { return Ok(held) };
    file.seek(io::SeekFrom::Start(start))?;
    file.take(bytes_max).read_to_end(&mut held)?;
    Ok(held)
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
