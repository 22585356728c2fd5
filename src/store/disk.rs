//! The sled database behind handles: open, read, write, flush, close and open again.
//!
//! sled panics where its files are damaged, never evicts a page written since it was opened, and its handle serves one
//! thread at a time. So: every call is caught here and becomes a [`Doubt`]; after a fault nothing is read any more; handles
//! are pooled; and [`Disk::reopen_if_due`] closes and opens it while readers wait, for which it needs rayon's shared threads
//! ([`super::parallel`]). Never interprets a row.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;

use sled::InlineArray;

use super::keys;
use super::layout::Layout;
use super::seal;
use crate::fold::rows::Doubt;

/// Rows in one leaf. Leaves are written and read whole: small ones keep a changed row and a cold read cheap, large ones
/// compress better.
pub(super) const LEAF_ROWS: usize = 8;
/// Rows are packed already: compressing harder costs more than it saves.
const ZSTD_LEVEL: i32 = -3;
/// Flushing is ours: sled's own thread aborts the process on an error. Without one, though, every range it reads ends in a
/// flush. So it has one that wakes in ten years.
const NEVER_MS: usize = 315_360_000_000;
/// Flushes before it is closed; the second one has little to write, the third one nothing.
const FLUSHES_MAX: usize = 5;
type Db = sled::Db<LEAF_ROWS>;

/// What one commit writes, and how much of it stays in memory until the database is opened again.
#[derive(Default)]
pub(super) struct Writes {
    batch: sled::Batch,
    bytes: u64,
    rows: u64,
}

/// What is to be done so that the pages written since the opening do not weigh on memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    Nothing,
    /// Flush, beside the commits: what is flushed at once is in memory twice, and what is flushed before the database is closed
    /// keeps nobody waiting.
    Flush,
    /// Close and open.
    Reopen,
}

impl Writes {
    pub(super) fn put(&mut self, key: &[u8], value: Vec<u8>) {
        if keys::stays(key) {
            self.bytes += (key.len() + value.len()) as u64;
        }
        self.rows += 1;
        self.batch.insert(key, value);
    }

    pub(super) fn remove(&mut self, key: &[u8]) {
        self.rows += 1;
        self.batch.remove(key);
    }

    pub(super) fn rows(&self) -> u64 {
        self.rows
    }
}

/// The database of one store directory.
pub(super) struct Disk {
    directory: Mutex<PathBuf>,
    cache_bytes: usize,
    reopen_bytes: u64,
    reopen_room_bytes: u64,
    flush_bytes: u64,
    open_ms: u64,
    /// Empty while closed. The first handle is for writing.
    handles: RwLock<Vec<Mutex<Db>>>,
    turn: AtomicUsize,
    written: AtomicU64,
    /// Of these, how many were there when the last flush began.
    flushed: AtomicU64,
    reopened: AtomicU64,
    /// Held by whoever flushes, and while closing: two flushes at once trip an assertion in sled.
    flushing: Mutex<()>,
    failed: AtomicBool,
    fault: Mutex<String>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs a call into sled; a panic in it becomes an error.
fn caught<T>(what: &str, call: impl FnOnce() -> io::Result<T>) -> Result<T, Doubt> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(Doubt(format!("sled could not {what}: {error}"))),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
            Err(Doubt(format!("sled gave up while it was to {what}: {text}")))
        }
    }
}

impl Disk {
    /// Opens or makes the database under `directory`.
    pub(super) fn open(directory: &Path, layout: &Layout) -> Result<Self, Doubt> {
        seal::check_and_break(directory)?;
        let disk = Disk {
            directory: Mutex::new(directory.to_owned()),
            cache_bytes: layout.cache_bytes,
            reopen_bytes: layout.reopen_bytes,
            reopen_room_bytes: layout.reopen_room_bytes,
            // Where nobody flushes beside the commits there is nothing to wait for.
            flush_bytes: layout.flush_ms.map_or(u64::MAX, |_| layout.flush_bytes),
            open_ms: layout.open_ms,
            handles: RwLock::new(Vec::new()),
            turn: AtomicUsize::new(0),
            written: AtomicU64::new(0),
            flushed: AtomicU64::new(0),
            reopened: AtomicU64::new(0),
            flushing: Mutex::new(()),
            failed: AtomicBool::new(false),
            fault: Mutex::new(String::new()),
        };
        let handles = disk.handles_on(layout.handles)?;
        *disk.handles.write().unwrap_or_else(PoisonError::into_inner) = handles;
        Ok(disk)
    }

    fn handles_on(&self, count: usize) -> Result<Vec<Mutex<Db>>, Doubt> {
        let config = sled::Config::new()
            .path(seal::database(&lock(&self.directory)))
            .cache_capacity_bytes(self.cache_bytes)
            .flush_every_ms(Some(NEVER_MS))
            .zstd_compression_level(ZSTD_LEVEL);
        // Where its files are damaged sled may wait for itself forever while it opens them: so it gets a thread and a time.
        let (opened, opening) = channel();
        let open = move || opened.send(caught("open its files", || config.open::<LEAF_ROWS>())).unwrap_or_default();
        let thread = std::thread::Builder::new().name("store-open".to_owned()).spawn(open);
        thread.map_err(|error| Doubt(format!("no thread for opening the store: {error}")))?;
        let wait = Duration::from_millis(self.open_ms);
        let db = opening.recv_timeout(wait).map_err(|_| Doubt("sled does not open its files".to_owned()))??;
        let mut handles: Vec<Mutex<Db>> = (1..count).map(|_| Mutex::new(db.clone())).collect();
        handles.push(Mutex::new(db));
        Ok(handles)
    }

    /// Flushes and drops handles nobody else holds. After a failure they are left as they are: sled flushes once more when
    /// the last one is dropped, and aborts the process if that fails. What one flush frees the next one moves together: so it is
    /// flushed until nothing is left to write.
    fn release(&self, handles: Vec<Mutex<Db>>) -> Result<(), Doubt> {
        let flushed = match (self.check(), handles.first()) {
            (Err(doubt), _) => Err(doubt),
            (Ok(()), Some(handle)) => self.call("flush", &lock(handle), |db| {
                for _ in 0..FLUSHES_MAX {
                    if db.flush()?.objects_flushed == 0 {
                        break;
                    }
                }
                Ok(())
            }),
            (Ok(()), None) => Ok(()),
        };
        if let Err(doubt) = flushed {
            std::mem::forget(handles);
            return Err(doubt);
        }
        caught("close", || {
            drop(handles);
            Ok(())
        })
        .map_err(|doubt| self.fail(doubt))
    }

    fn check(&self) -> Result<(), Doubt> {
        if self.failed.load(Ordering::Acquire) { Err(Doubt(lock(&self.fault).clone())) } else { Ok(()) }
    }

    /// Nothing is read or written after this.
    pub(super) fn fail(&self, doubt: Doubt) -> Doubt {
        let mut fault = lock(&self.fault);
        if !self.failed.load(Ordering::Acquire) {
            fault.clone_from(&doubt.0);
            self.failed.store(true, Ordering::Release);
        }
        doubt
    }

    fn reading(&self) -> RwLockReadGuard<'_, Vec<Mutex<Db>>> {
        self.handles.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn call<T>(&self, what: &str, db: &Db, call: impl FnOnce(&Db) -> io::Result<T>) -> Result<T, Doubt> {
        caught(what, || call(db)).map_err(|doubt| self.fail(doubt))
    }

    fn with<T>(&self, what: &str, call: impl FnOnce(&Db) -> io::Result<T>) -> Result<T, Doubt> {
        self.check()?;
        let handles = self.reading();
        let Some(shared) = handles.get(1..).filter(|shared| !shared.is_empty()) else {
            return Err(Doubt("the store is closed".to_owned()));
        };
        if let Some(db) = shared.iter().find_map(|handle| handle.try_lock().ok()) {
            return self.call(what, &db, call);
        }
        let db = lock(&shared[self.turn.fetch_add(1, Ordering::Relaxed) % shared.len()]);
        self.call(what, &db, call)
    }

    /// The value of a key.
    pub(super) fn get(&self, key: &[u8]) -> Result<Option<InlineArray>, Doubt> {
        self.with("read a row", |db| db.get(key))
    }

    /// Up to `limit` rows with keys from `from` to before `to`. sled copies a whole leaf of references for a range: for
    /// single rows use [`Disk::get`]. And it does not stop at the end of a range that it was given, it looks for more in
    /// every leaf to the end of the tree: so it is given none, and stopped here.
    pub(super) fn range(&self, from: &[u8], to: &[u8], limit: usize) -> Result<Vec<(InlineArray, InlineArray)>, Doubt> {
        self.with("read a range", |db| {
            let rows = db.range(from.to_vec()..).take(limit);
            rows.take_while(|row| row.as_ref().map_or(true, |(key, _)| key.as_ref() < to)).collect()
        })
    }

    /// Every row with keys from `from` to before `to`, read in parts.
    pub(super) fn each(
        &self,
        from: &[u8],
        to: &[u8],
        mut visit: impl FnMut(&[u8], &[u8]) -> Result<(), Doubt>,
    ) -> Result<(), Doubt> {
        const PART: usize = 1_024;
        let mut from = from.to_vec();
        loop {
            let rows = self.range(&from, to, PART)?;
            for (key, value) in &rows {
                visit(key, value)?;
            }
            match rows.last() {
                Some((key, _)) if rows.len() == PART => {
                    from = key.to_vec();
                    from.push(0);
                }
                _ => return Ok(()),
            }
        }
    }

    /// Writes everything or nothing.
    pub(super) fn apply(&self, writes: Writes) -> Result<(), Doubt> {
        self.check()?;
        let handles = self.reading();
        let Some(handle) = handles.first() else {
            return Err(Doubt("the store is closed".to_owned()));
        };
        let bytes = writes.bytes;
        let db = lock(handle);
        self.call("write a batch", &db, |db| db.apply_batch(writes.batch))?;
        self.written.fetch_add(bytes, Ordering::Relaxed);
        Ok(())
    }

    /// Writes a batch of another thread than the committing one.
    pub(super) fn apply_beside(&self, writes: Writes) -> Result<(), Doubt> {
        let bytes = writes.bytes;
        self.with("write a batch", |db| db.apply_batch(writes.batch))?;
        self.written.fetch_add(bytes, Ordering::Relaxed);
        Ok(())
    }

    /// Brings everything written so far to disk.
    pub(super) fn flush(&self) -> Result<(), Doubt> {
        let _turn = lock(&self.flushing);
        let written = self.written.load(Ordering::Relaxed);
        self.with("flush", |db| db.flush().map(drop))?;
        self.flushed.store(written, Ordering::Relaxed);
        Ok(())
    }

    /// Until it is dropped nobody flushes, closes or opens.
    #[cfg(test)]
    pub(super) fn still(&self) -> MutexGuard<'_, ()> {
        lock(&self.flushing)
    }

    /// How often it was closed and opened since [`Disk::open`].
    pub(super) fn reopened(&self) -> u64 {
        self.reopened.load(Ordering::Relaxed)
    }

    /// Whether so much was written that its pages weigh on memory.
    pub(super) fn due(&self) -> Due {
        let (written, flushed) = (self.written.load(Ordering::Relaxed), self.flushed.load(Ordering::Relaxed));
        let left = written.saturating_sub(flushed);
        let (enough, far) = (self.reopen_bytes, self.reopen_bytes * 3 / 2);
        match () {
            () if written > far || (written > enough && left / 2 < self.flush_bytes) => Due::Reopen,
            () if left > self.flush_bytes => Due::Flush,
            () => Due::Nothing,
        }
    }

    /// Whether its disk has room for what closing and opening write.
    fn has_room(&self) -> bool {
        let told = rustix::fs::statvfs(&*lock(&self.directory));
        told.map_or(true, |told| told.f_bavail.saturating_mul(told.f_frsize) >= self.reopen_room_bytes)
    }

    /// Closes and opens the database, unless another thread did meanwhile, or its disk is nearly full; readers wait.
    pub(super) fn reopen_if_due(&self) -> Result<(), Doubt> {
        let turn = lock(&self.flushing);
        if self.due() != Due::Reopen || !self.has_room() {
            return Ok(());
        }
        self.open_again(&turn, || ())?;
        self.reopened.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Closes, does what can be done only while it is closed, and opens; readers wait.
    fn open_again<T>(&self, _turn: &MutexGuard<'_, ()>, between: impl FnOnce() -> T) -> Result<T, Doubt> {
        self.check()?;
        let mut handles = self.handles.write().unwrap_or_else(PoisonError::into_inner);
        let count = handles.len();
        if count == 0 {
            return Err(Doubt("the store is closed".to_owned()));
        }
        self.release(std::mem::take(&mut *handles))?;
        let done = between();
        *handles = self.handles_on(count).map_err(|doubt| self.fail(doubt))?;
        self.written.store(0, Ordering::Relaxed);
        self.flushed.store(0, Ordering::Relaxed);
        Ok(done)
    }

    /// Moves the directory to `to`, where nothing may be, and goes on there; readers wait.
    pub(super) fn relocate(&self, to: &Path) -> Result<(), Doubt> {
        // Where it cannot be moved it goes on where it is.
        let moved = self.open_again(&lock(&self.flushing), || {
            let mut directory = lock(&self.directory);
            std::fs::rename(&*directory, to).map(|()| to.clone_into(&mut directory))
        })?;
        moved.map_err(|error| Doubt(format!("the store cannot be moved to {}: {error}", to.display())))
    }

    /// Flushes and closes; a sound database is sealed. Everything asked of it afterwards is an error.
    pub(super) fn close(&self) -> Result<(), Doubt> {
        let _turn = lock(&self.flushing);
        let mut handles = self.handles.write().unwrap_or_else(PoisonError::into_inner);
        if handles.is_empty() {
            return Ok(());
        }
        self.release(std::mem::take(&mut *handles))?;
        seal::seal(&lock(&self.directory))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Closed in order it is empty by now; a store that failed to open is not.
        let handles = std::mem::take(self.handles.get_mut().unwrap_or_else(PoisonError::into_inner));
        if !handles.is_empty() {
            let _ = self.release(handles);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::parallel;
    use super::*;

    /// What was written weighs from a limit on: then it is flushed beside the commits, and opened again once little is left to
    /// flush, or far too much was written meanwhile.
    #[test]
    fn it_is_flushed_before_it_is_opened_again() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout { reopen_bytes: 10_000, flush_bytes: 2_000, flush_ms: Some(60_000), ..Layout::tiny() };
        let disk = Disk::open(folder.path(), &layout).unwrap();
        let write = |family: u8, bytes: usize| {
            let mut writes = Writes::default();
            writes.put(&[family, 0], vec![7; bytes]);
            disk.apply(writes).unwrap();
        };
        let (stays, changes) = (keys::Family::Record as u8, keys::Family::Series as u8);
        write(changes, 50_000);
        assert_eq!(disk.due(), Due::Nothing, "what is written anew all the time does not add up");
        disk.reopen_if_due().unwrap();
        assert_eq!(disk.reopened(), 0, "it was not due");
        write(stays, 2_500);
        assert_eq!(disk.due(), Due::Flush);
        write(stays, 10_000);
        assert_eq!(disk.due(), Due::Flush, "enough, but first it is flushed");
        write(stays, 3_000);
        assert_eq!(disk.due(), Due::Reopen, "too much to wait for a flush");
        disk.reopen_if_due().unwrap();
        assert_eq!((disk.due(), disk.reopened()), (Due::Nothing, 1));
        write(stays, 9_000);
        disk.flush().unwrap();
        assert_eq!(disk.due(), Due::Nothing);
        write(stays, 2_500);
        assert_eq!(disk.due(), Due::Reopen);
        disk.close().unwrap();
        assert!(disk.reopen_if_due().is_err(), "what was closed stays closed");
    }

    /// A merge goes on when no commit comes any more: who writes beside them has it opened again.
    #[test]
    fn without_a_flusher_nothing_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let disk = Disk::open(folder.path(), &Layout { reopen_bytes: 10_000, ..Layout::tiny() }).unwrap();
        let mut writes = Writes::default();
        writes.put(&[keys::Family::Record as u8, 0], vec![7; 10_500]);
        disk.apply(writes).unwrap();
        assert_eq!(disk.due(), Due::Reopen);
    }

    /// Memory grows a little rather than that a sound store is doubted, or the process ended.
    #[test]
    fn on_a_full_disk_it_stays_open() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout { reopen_bytes: 10_000, reopen_room_bytes: u64::MAX, ..Layout::tiny() };
        let disk = Disk::open(folder.path(), &layout).unwrap();
        let mut writes = Writes::default();
        writes.put(&[keys::Family::Record as u8, 0], vec![7; 10_500]);
        disk.apply(writes).unwrap();
        assert_eq!(disk.due(), Due::Reopen);
        disk.reopen_if_due().unwrap();
        assert_eq!((disk.due(), disk.reopened()), (Due::Reopen, 0));
    }

    /// Readers wait on as many threads as there are, while it is closed and opened.
    #[test]
    fn readers_on_all_cores_do_not_keep_it_from_opening() {
        let folder = tempfile::tempdir().unwrap();
        let disk = Arc::new(Disk::open(folder.path(), &Layout::tiny()).unwrap());
        let mut writes = Writes::default();
        (0..500_u16).for_each(|row| writes.put(&row.to_be_bytes(), vec![7; 200]));
        disk.apply(writes).unwrap();
        let (asking, asked) = channel();
        let reading = disk.open_again(&lock(&disk.flushing), || {
            let disk = disk.clone();
            let read = move |row: u16| {
                asking.send(()).unwrap();
                disk.get(&row.to_be_bytes()).map(|value| value.is_some()).map_err(|doubt| doubt.0)
            };
            let reading = std::thread::spawn(move || parallel::map((0..200).collect(), read));
            (0..rayon::current_num_threads()).for_each(|_| asked.recv().unwrap());
            reading
        });
        let read = reading.unwrap().join().unwrap();
        assert_eq!(read, vec![Ok(true); 200]);
    }
}
