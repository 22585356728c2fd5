//! `log/tail`: the file every entry is appended to before anything else happens with it. It is the record: read models
//! that disagree with it are wrong. Once a published checkpoint covers entries, and the log's bundles hold them, they may leave
//! it ([`Tail::trim`]); readers take them from the bundles then and notice nothing.
//!
//! One writer, held by a lock on `tail.lock`; any number of readers. An append is one write and one fdatasync; an error in
//! either poisons the tail, for after a failed fsync nobody knows what is on disk. It never changes an entry, never drops
//! one, and cuts off only an append that never ended.

mod frame;
mod reader;
mod rows;
mod segment;
mod trim;

use std::{
    fs::{File, TryLockError},
    io,
    os::unix::fs::{FileExt, MetadataExt},
    path::{Path, PathBuf},
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
};

pub use reader::{Entries, LogReader, Picking};

use self::{
    frame::{HEAD, MAGIC, Scan, Window},
    rows::{Below, ROW, Row, RowMaker, Rows, Trusted, lost, trusted},
    segment::Segment,
};
use super::{
    disk::{Appends, Files},
    entry_parse::peek,
    folder::{CHECKPOINT, FolderFault, LogFolder},
};
use crate::{event::Time, limits::ENTRY_BYTES_MAX};

/// The tail.
pub const FILE_TAIL: &str = "tail";
/// Where its entries begin.
pub const FILE_INDEX: &str = "tail.index";
/// Held by the writer.
pub const FILE_LOCK: &str = "tail.lock";

/// Why the tail cannot be opened, read or appended to.
#[derive(Debug, thiserror::Error)]
pub enum TailFault {
    /// The operating system says no.
    #[error("cannot {action} {}: {error}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// Why not.
        error: io::Error,
    },
    /// There is no tail here.
    #[error("there is no log in this folder: {} is missing; give the folder that holds it", .0.display())]
    Missing(PathBuf),
    /// The file does not begin as a tail does.
    #[error("{} is no log tail, or one of a newer version: it does not begin with 'jindo-tail/v1'", .0.display())]
    NotATail(PathBuf),
    /// Another process writes this log.
    #[error("another process writes this log and holds {}: stop it first, a log has one writer", .0.display())]
    Locked(PathBuf),
    /// A bad or missing frame that was on disk once: a later append is valid, or `tail.index` names it. No torn end.
    #[error(
        "{} is damaged at byte {offset}, where entry {index} was already on disk: restore the file from a copy; nothing was \
         changed", path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where the bad frame starts.
        offset: u64,
        /// The entry it should hold.
        index: u64,
    },
    /// A valid frame that holds something else than the entry due.
    #[error("{} holds at byte {offset} something else than entry {index}: restore the file from a copy", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// Where the frame starts.
        offset: u64,
        /// The entry due.
        index: u64,
    },
    /// What is on disk where an entry should be is not that entry.
    #[error(
        "entry {index} is not at byte {offset} of {}: remove tail.index beside it and open the log again; if that does not \
         help the tail is damaged, restore it from a copy", path.display()
    )]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Where the entry should start.
        offset: u64,
        /// Which entry.
        index: u64,
    },
    /// The log's bundles.
    #[error(transparent)]
    Folder(#[from] FolderFault),
    /// A bundle that holds something else than the entry due.
    #[error("the bundles of the log hold something else than entry {index}: restore them from a copy")]
    BadBundle {
        /// The entry due.
        index: u64,
    },
    /// Entries were published, and those that are not are gone.
    #[error(
        "{} is missing beside a published checkpoint: restore it from a copy. It holds entries that no checkpoint covers, and \
         without it nobody can go on with this log", .0.display()
    )]
    Gone(PathBuf),
    /// Past the end.
    #[error("there is no entry {index}: the log has {size}, numbered from 0")]
    Beyond {
        /// Asked for.
        index: u64,
        /// Entries there are.
        size: u64,
    },
    /// The file under the writer's feet is another one, or has another length.
    #[error("{} was removed, replaced or changed by someone else while the ledger ran: stop, and restore it", .0.display())]
    Moved(PathBuf),
    /// An entry that does not belong at the end of this log; nothing was written.
    #[error("entry {index} cannot be appended: {why}")]
    Refused {
        /// Where it would have stood.
        index: u64,
        /// Why not.
        why: &'static str,
    },
    /// An earlier append failed.
    #[error("an earlier append to {} failed: restart, so that what is on disk is read again", .0.display())]
    Poisoned(PathBuf),
}

impl TailFault {
    fn io(action: &'static str, path: &Path, error: io::Error) -> Self {
        TailFault::Io { action, path: path.to_owned(), error }
    }
}

/// What opening found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opened {
    /// Entries.
    pub size: u64,
    /// Bytes of an append that never ended, cut off.
    pub torn_bytes: u64,
}

/// The one writer of a log's tail.
#[derive(Debug)]
pub struct Tail {
    /// Replaced when it is cut; readers share the place.
    place: Arc<RwLock<Arc<Segment>>>,
    index: Arc<File>,
    path: PathBuf,
    index_path: Arc<Path>,
    /// Holds the lock until dropped.
    _lock: File,
    end: u64,
    recorded_max: Time,
    size: Arc<AtomicU64>,
    poisoned: bool,
    disk: Box<dyn Appends>,
}

impl Tail {
    /// Opens the tail in `dir` for writing, making folder and files where there are none.
    ///
    /// Fast for a large file: `tail.index` is trusted as far as its last rows agree with their frames, and only what lies
    /// behind is read.
    ///
    /// # Errors
    /// [`TailFault`]: another writer, no access, a damaged middle. Nothing is changed then.
    pub fn open(dir: &Path) -> Result<(Self, Opened), TailFault> {
        Self::open_on(dir, Box::new(Files))
    }

    /// As [`Tail::open`]; what it writes from then on goes by way of `disk`.
    ///
    /// # Errors
    /// As [`Tail::open`].
    pub fn open_on(dir: &Path, disk: Box<dyn Appends>) -> Result<(Self, Opened), TailFault> {
        std::fs::create_dir_all(dir).map_err(|error| TailFault::io("make", dir, error))?;
        let lock = lock(&dir.join(FILE_LOCK))?;
        let path = dir.join(FILE_TAIL);
        create_tail(dir, &path)?;
        let tail = Segment::open(File::options().read(true).write(true), &path)?;
        let length = tail.end().map_err(|error| TailFault::io("read", &path, error))?;
        let index_path: Arc<Path> = dir.join(FILE_INDEX).into();
        let index = File::options().read(true).write(true).create(true).truncate(false).open(&index_path);
        let index = index.map_err(|error| TailFault::io("open", &index_path, error))?;
        let from = trusted(&index, &tail).map_err(|error| TailFault::io("read", &index_path, error))?;
        let mut maker = RowMaker::new(&path, from);
        let mut window = Window::new(&tail, &path, length);
        let scan =
            frame::scan(&mut window, from.end, from.rows, |index, offset, entry| maker.add(index, offset, entry))?;
        let Scan { size, end } = scan;
        if lost(&index, &tail, size, end).map_err(|error| TailFault::io("read", &index_path, error))? {
            return Err(TailFault::Damaged { path, offset: end, index: size });
        }
        if end < length {
            let cut = |file: &File| file.set_len(tail.place(end).unwrap_or(u64::MAX)).and_then(|()| file.sync_all());
            tail.file().and_then(cut).map_err(|error| TailFault::io("cut", &path, error))?;
        }
        let below = if from.below { Vec::new() } else { Below::new(LogFolder::new(dir), tail.base).rows()? };
        write_rows(&index, from, &below, &maker.rows).map_err(|error| TailFault::io("write", &index_path, error))?;
        let tail = Tail {
            place: Arc::new(RwLock::new(Arc::new(tail))),
            index: Arc::new(index),
            path,
            index_path,
            _lock: lock,
            end,
            recorded_max: maker.recorded_max,
            size: Arc::new(AtomicU64::new(size)),
            poisoned: false,
            disk,
        };
        Ok((tail, Opened { size, torn_bytes: length.saturating_sub(end) }))
    }

    /// Entries, all on disk.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size.load(Ordering::Acquire)
    }

    /// A reader that sees what this writer appends.
    #[must_use]
    pub fn reader(&self) -> LogReader {
        LogReader {
            place: self.place.clone(),
            path: self.path.clone().into(),
            rows: Rows {
                file: Some(self.index.clone()),
                path: self.index_path.clone(),
                in_file: None,
                made: Arc::new(Vec::new()),
                below: None,
            },
            size: self.size.clone(),
        }
    }

    fn segment(&self) -> Arc<Segment> {
        self.place.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Appends entries with their `recorded` times: all of them are on disk when it returns.
    ///
    /// # Errors
    /// [`TailFault::Refused`] where an entry does not carry the next index or that time: nothing was written. Any other fault
    /// poisons the tail: every later append is refused until it is opened anew.
    pub fn append(&mut self, entries: &[Vec<u8>], recorded: &[Time]) -> Result<(), TailFault> {
        if self.poisoned {
            return Err(TailFault::Poisoned(self.path.clone()));
        }
        let size = self.size();
        check(entries, recorded, size)?;
        if entries.is_empty() {
            return Ok(());
        }
        let mut frames = Vec::with_capacity(entries.iter().map(|entry| HEAD + entry.len()).sum());
        let mut rows = Vec::with_capacity(entries.len() * ROW as usize);
        let mut recorded_max = self.recorded_max;
        for (entry, time) in entries.iter().zip(recorded) {
            recorded_max = recorded_max.max(*time);
            let (offset, first) = (self.end + frames.len() as u64, frames.is_empty());
            rows.extend(Row { offset, recorded_max }.to_bytes());
            frame::write(&mut frames, offset, entry, first);
        }
        // Poisoned unless everything below succeeds: an error may leave any part of the bytes on disk.
        self.poisoned = true;
        let segment = self.segment();
        self.check_place(&segment)?;
        let place = segment.place(self.end).ok_or_else(|| TailFault::Moved(self.path.clone()))?;
        let append = segment.file().and_then(|file| self.disk.write(file, &frames, place));
        append.map_err(|error| TailFault::io("append to", &self.path, error))?;
        let sync = segment.file().and_then(|file| self.disk.sync(file));
        sync.map_err(|error| TailFault::io("sync", &self.path, error))?;
        // Rows follow the sync: readers find no entry that a crash could still take back.
        let write = self.disk.write(&self.index, &rows, size * ROW);
        write.map_err(|error| TailFault::io("append to", &self.index_path, error))?;
        self.end += frames.len() as u64;
        self.recorded_max = recorded_max;
        self.size.store(size + entries.len() as u64, Ordering::Release);
        self.poisoned = false;
        Ok(())
    }

    /// A removed or replaced file would take appends that nobody finds again.
    fn check_place(&self, segment: &Segment) -> Result<(), TailFault> {
        let own = segment.metadata().map_err(|error| TailFault::io("read", &self.path, error))?;
        let there = std::fs::metadata(&self.path).map_err(|_| TailFault::Moved(self.path.clone()))?;
        if (own.dev(), own.ino()) != (there.dev(), there.ino()) || Some(own.len()) != segment.place(self.end) {
            return Err(TailFault::Moved(self.path.clone()));
        }
        Ok(())
    }
}

/// Holds every entry to the place it will stand in, before a byte is written.
fn check(entries: &[Vec<u8>], recorded: &[Time], size: u64) -> Result<(), TailFault> {
    if entries.len() != recorded.len() {
        return Err(TailFault::Refused { index: size, why: "there must be one recorded time per entry" });
    }
    for ((entry, recorded), index) in entries.iter().zip(recorded).zip(size..) {
        let refused = |why| Err(TailFault::Refused { index, why });
        if entry.len() > ENTRY_BYTES_MAX {
            return refused("it has more than 65,535 bytes");
        }
        match peek(entry) {
            None => return refused("its first lines are not those of an entry"),
            Some((own, _)) if own != index => return refused("it carries another index"),
            Some((_, own)) if own != *recorded => return refused("it carries another recorded time"),
            Some(_) => {}
        }
    }
    Ok(())
}

fn lock(path: &Path) -> Result<File, TailFault> {
    let file = File::options().create(true).truncate(false).write(true).open(path);
    let file = file.map_err(|error| TailFault::io("open", path, error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(TailFault::Locked(path.to_owned())),
        Err(TryLockError::Error(error)) => Err(TailFault::io("lock", path, error)),
    }
}

/// Makes the file where there is none. It appears under its name only when its first bytes are on disk.
fn create_tail(dir: &Path, path: &Path) -> Result<(), TailFault> {
    let exists = path.try_exists().map_err(|error| TailFault::io("read", path, error))?;
    if exists {
        return Ok(());
    }
    if dir.join(CHECKPOINT).exists() {
        return Err(TailFault::Gone(path.to_owned()));
    }
    let fresh = dir.join("tail.new");
    let make = || -> io::Result<()> {
        let file = File::create(&fresh)?;
        file.write_all_at(MAGIC, 0)?;
        file.sync_all()?;
        std::fs::rename(&fresh, path)?;
        File::open(dir)?.sync_all()
    };
    make().map_err(|error| TailFault::io("make", path, error))
}

/// Makes `tail.index` exactly the trusted rows, those of entries in bundles where they are not trusted, and those made behind.
fn write_rows(index: &File, from: Trusted, below: &[Row], rows: &[Row]) -> io::Result<()> {
    let keep = if from.below { from.rows } else { 0 };
    let bytes: Vec<u8> = below.iter().chain(rows).flat_map(|row| row.to_bytes()).collect();
    index.set_len(keep * ROW)?;
    index.write_all_at(&bytes, keep * ROW)
}

#[cfg(test)]
#[path = "tail_tests.rs"]
mod tests;
