//! The committing side: open, commit, close. One thread, one store.
//!
//! A commit, and what a crash after each step leaves:
//! 1. Everything is packed into one batch; nothing is written: the commit did not happen.
//! 2. The batch is applied: the commit is whole in memory and, once flushed, on disk; a crash before that loses it whole,
//!    and the log is folded again from the position on disk.
//! 3. Lookup keys, chunks and the snapshot become known to readers.
//! 4. Where enough was written, the database is closed and opened again; readers wait.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, PoisonError, RwLock};
use std::thread::JoinHandle;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::beside::Beside;
use super::disk::{Disk, Due, Writes};
use super::history::{self, Head, TableCache, Weaver};
use super::index::{Index, IndexWriter};
use super::keys::{self, Family};
use super::layout::{Fixed, Layout};
use super::numbers::Next;
use super::pack::{OpenRow, PackWriter};
use super::reader::{Reader, Shared, Snapshot};
use super::statements::{StatementWriter, Statements, Winners};
use super::{StoreError, row};
use crate::event::Day;
use crate::fold::rows::{Changes, Doubt, GovernanceRow, Position, Record, SeriesNumber, Step, Thing};

/// Position and running numbers after the last commit.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Mark {
    position: Position,
    commits: u64,
    chunks: u64,
    amended: u64,
    lookups: Next,
    statements: Next,
}

/// The store, as its only writer holds it.
pub struct Store {
    reader: Reader,
    disk: Arc<Disk>,
    layout: Layout,
    mark: Mark,
    records: OpenRow,
    things: OpenRow,
    tables: TableCache,
    index: IndexWriter,
    statements: StatementWriter,
    beside: Beside,
    /// Asked, it flushes at once.
    flusher: Option<(SyncSender<()>, JoinHandle<()>)>,
}

impl Store {
    /// Opens the store under `path`, or makes an empty one.
    ///
    /// # Errors
    /// [`StoreError::Doubt`]: damaged, or made by another version. Also while another process holds it.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        Self::open_with(path, Layout::default())
    }

    /// As [`Store::open`], with sizes of one's own.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn open_with(path: &Path, layout: Layout) -> Result<Self, StoreError> {
        let disk = Arc::new(Disk::open(path, &layout)?);
        let mut mark = load_mark(&disk, &layout.fixed)?;
        let heads = load_heads(&disk, &mark)?;
        let paths = heads.iter().zip(0..).map(|(head, number)| (head.series.path.as_str().into(), number));
        let paths: BTreeMap<Arc<str>, SeriesNumber> = paths.collect();
        if paths.len() != heads.len() {
            return Err(Doubt("two series have one path".to_owned()).into());
        }
        let index = Arc::new(Index::load(&disk, &layout, &mark.lookups)?);
        let statements = Arc::new(Statements::load(&disk, &layout, &mark.statements)?);
        (mark.lookups, mark.statements) = (mark.lookups.opened(), mark.statements.opened());
        let shared = Shared {
            layout,
            disk: disk.clone(),
            index: index.clone(),
            statements: statements.clone(),
            paths: RwLock::new(paths),
            snapshot: RwLock::new(Arc::new(Snapshot { position: mark.position.clone(), heads })),
        };
        Ok(Store {
            reader: Reader { shared: Arc::new(shared) },
            records: OpenRow::load::<Record>(&disk, layout.fixed.records_per_row, mark.position.records)?,
            things: OpenRow::load::<Thing>(&disk, layout.fixed.things_per_row, mark.position.things)?,
            tables: TableCache::default(),
            index: IndexWriter::new(layout, index),
            statements: StatementWriter::new(layout, statements),
            beside: Beside::start(disk.clone(), layout.merge_rows)?,
            flusher: layout.flush_ms.map(|every_ms| start_flusher(&disk, every_ms)).transpose()?,
            disk,
            layout,
            mark,
        })
    }

    /// How far the store is folded.
    #[must_use]
    pub fn position(&self) -> &Position {
        &self.mark.position
    }

    /// Rows as of the last commit, for the fold.
    #[must_use]
    pub fn rows(&self) -> Reader {
        self.reader.clone()
    }

    /// For everyone who asks.
    #[must_use]
    pub fn reader(&self) -> Reader {
        self.reader.clone()
    }

    /// Writes everything or nothing, and shows it to readers.
    ///
    /// # Errors
    /// [`StoreError::Changes`] before anything was written; [`StoreError::Doubt`]: the store is not to be used any more.
    pub fn commit(&mut self, changes: &Changes) -> Result<(), StoreError> {
        self.check(changes)?;
        // From here on a failure may leave caches behind that no row stands for.
        self.write(changes).map_err(|error| match error {
            StoreError::Doubt(doubt) => self.disk.fail(doubt).into(),
            other => other,
        })
    }

    fn write(&mut self, changes: &Changes) -> Result<(), StoreError> {
        let before = self.reader.snapshot();
        let mut heads = take_series(&before.heads, changes)?;
        let mut mark = Mark { position: changes.position.clone(), commits: self.mark.commits + 1, ..self.mark.clone() };
        let mut writes = Writes::default();
        let (mut records, mut things) = (self.records.clone(), self.things.clone());
        let fixed = &self.layout.fixed;
        let mut pack = PackWriter::new(mark.amended, changes.lookups.clone());
        pack.write::<Record>(&mut records, fixed.records_per_row, changes.records.iter(), &mut writes)?;
        pack.write::<Thing>(&mut things, fixed.things_per_row, changes.things.iter(), &mut writes)?;
        let (amended, lookups) = pack.finish(&mut writes);
        mark.amended = amended;

        let mut weaver = Weaver::new(&self.layout, &self.disk, &mut self.tables, mark.chunks);
        for (number, step) in &changes.moves {
            weaver.append(*number, head_mut(&mut heads, *number)?, step, &mut writes)?;
        }
        mark.chunks = weaver.next;
        let made = weaver.finish(&mut writes);
        for number in changes.series.keys() {
            let key = keys::series(*number);
            writes.put(&key, head_mut(&mut heads, *number)?.pack(&key)?);
        }
        let statements = self.statements.prepare(&changes.statements, &mut mark.statements, &mut writes)?;
        put_lists(changes, &mut writes)?;
        let index = self.index.prepare(&lookups, &mut mark.lookups, &mut writes)?;
        let key = keys::single(Family::Mark);
        writes.put(&key, row::pack(&key, &mark)?);

        self.disk.apply(writes)?;

        history::note_made(&heads, self.mark.chunks, &made)?;
        self.index.install(index, &mut mark.lookups, &self.beside);
        self.statements.install(statements, &changes.statements, &mut mark.statements, &self.beside);
        self.show(heads, before.heads.len(), &mark.position);
        self.reader.shared.statements.keep_winners(winners(changes));
        (self.mark, self.records, self.things) = (mark, records, things);
        // What can be flushed beforehand, while commits go on, is.
        match (self.disk.due(), &self.flusher) {
            (Due::Flush, Some((asking, _))) => drop(asking.try_send(())),
            (Due::Reopen, _) => self.disk.reopen_if_due()?,
            (Due::Flush | Due::Nothing, _) => {}
        }
        Ok(())
    }

    /// What the fold promises about changes. Checked because a store that is wrong stays wrong.
    fn check(&self, changes: &Changes) -> Result<(), StoreError> {
        let (old, new) = (&self.mark.position, &changes.position);
        let wrong = |what: String| Err(StoreError::Changes(what));
        let new_of = |last: Option<u64>, known: u64| last.map_or(known, |last| known.max(last + 1));
        if new.size < old.size {
            return wrong(format!("size {} is below {}", new.size, old.size));
        }
        let records = new_of(changes.records.last_key_value().map(|(last, _)| *last), old.records);
        let things = new_of(changes.things.last_key_value().map(|(last, _)| *last), old.things);
        let series = new_of(changes.series.last_key_value().map(|(last, _)| u64::from(*last)), old.series.into());
        if (records, things, series) != (new.records, new.things, new.series.into()) {
            return wrong(format!(
                "they hold {records} records, {things} things, {series} series; the position says otherwise"
            ));
        }
        if let Some((number, step)) = changes.moves.iter().find(|(_, step)| step.index >= new.size) {
            return wrong(format!("series {number} moves at entry {}, size is {}", step.index, new.size));
        }
        match changes.moves.iter().find(|(number, _)| !changes.series.contains_key(number)) {
            Some((number, _)) => wrong(format!("series {number} moves, but its state is not among them")),
            None => Ok(()),
        }
    }

    fn show(&self, heads: Vec<Arc<Head>>, known: usize, position: &Position) {
        let shared = &self.reader.shared;
        if heads.len() > known {
            let mut paths = shared.paths.write().unwrap_or_else(PoisonError::into_inner);
            for (head, number) in heads.iter().zip(0..).skip(known) {
                paths.insert(head.series.path.as_str().into(), number);
            }
        }
        let snapshot = Arc::new(Snapshot { position: position.clone(), heads });
        *shared.snapshot.write().unwrap_or_else(PoisonError::into_inner) = snapshot;
    }

    /// How often sled was closed and opened to free memory.
    #[must_use]
    pub fn reopened(&self) -> u64 {
        self.disk.reopened()
    }

    /// Moves it to another path, where nothing may be; readers wait meanwhile.
    ///
    /// # Errors
    /// It stays where it is, or a doubt about it.
    pub fn relocate(&self, to: &Path) -> Result<(), StoreError> {
        Ok(self.disk.relocate(to)?)
    }

    /// Whether anybody still holds a reader of it, or a view.
    pub(super) fn is_read(&self) -> bool {
        // One is its own.
        Arc::strong_count(&self.reader.shared) > 1
    }

    /// Brings every commit so far to disk and closes; readers that are left get a [`Doubt`].
    ///
    /// # Errors
    /// [`StoreError::Doubt`] where that fails; the log is then folded again from an earlier commit.
    pub fn close(mut self) -> Result<(), StoreError> {
        self.stop_writing();
        Ok(self.disk.close()?)
    }

    /// Ends the threads that flush and merge.
    pub(super) fn stop_writing(&mut self) {
        if let Some((asking, thread)) = self.flusher.take() {
            drop(asking);
            let _ = thread.join();
        }
        self.beside.stop();
    }

    #[cfg(test)]
    pub(super) fn flush(&self) -> Result<(), Doubt> {
        self.disk.flush()
    }

    /// Until it is dropped no file of the database changes.
    #[cfg(test)]
    pub(super) fn still(&self) -> std::sync::MutexGuard<'_, ()> {
        self.disk.still()
    }

    #[cfg(test)]
    pub(super) fn numbers(&self) -> (u32, Vec<u32>) {
        (self.mark.lookups.journal_rows(), self.index.numbers())
    }

    #[cfg(test)]
    pub(super) fn settle(&mut self) -> usize {
        self.index.settle()
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.stop_writing();
        // An error is kept: it means that the next opening starts from an earlier commit.
        let _ = self.disk.close();
    }
}

fn start_flusher(disk: &Arc<Disk>, every_ms: u64) -> Result<(SyncSender<()>, JoinHandle<()>), Doubt> {
    let (asking, asked) = sync_channel::<()>(1);
    let disk = disk.clone();
    let thread = std::thread::Builder::new().name("store-flush".to_owned()).spawn(move || {
        while asked.recv_timeout(Duration::from_millis(every_ms)) != Err(RecvTimeoutError::Disconnected) {
            // A failure is kept by the disk: the next commit says so.
            if disk.flush().is_err() {
                return;
            }
        }
    });
    Ok((asking, thread.map_err(|error| Doubt(format!("no thread for flushing the store: {error}")))?))
}

/// The series after a commit, before its moves.
fn take_series(before: &[Arc<Head>], changes: &Changes) -> Result<Vec<Arc<Head>>, StoreError> {
    let mut heads = before.to_vec();
    for (number, series) in &changes.series {
        let known = heads.len();
        match heads.get_mut(*number as usize) {
            Some(head) if head.series.path == series.path => Arc::make_mut(head).series.clone_from(series),
            Some(head) => {
                let what = format!("series {number} is {}, not {}", head.series.path, series.path);
                return Err(StoreError::Changes(what));
            }
            None if *number as usize == known => heads.push(Arc::new(Head::new(series.clone()))),
            None => return Err(StoreError::Changes(format!("series {number} is new, but {known} is the next"))),
        }
    }
    Ok(heads)
}

/// Winners that a commit moved.
fn winners(changes: &Changes) -> impl Iterator<Item = ((SeriesNumber, Day), Winners)> {
    changes.moves.iter().filter_map(|(number, step)| match step.step {
        Step::State { reported, verified } => Some(((*number, step.day), (reported, verified))),
        Step::Add(_) => None,
    })
}

fn head_mut(heads: &mut [Arc<Head>], number: SeriesNumber) -> Result<&mut Head, StoreError> {
    match heads.get_mut(number as usize) {
        Some(head) => Ok(Arc::make_mut(head)),
        None => Err(StoreError::Changes(format!("series {number} is unknown"))),
    }
}

fn put_lists(changes: &Changes, writes: &mut Writes) -> Result<(), Doubt> {
    for refused in &changes.refused {
        let key = keys::number(Family::Refused, refused.index);
        writes.put(&key, row::pack(&key, refused)?);
    }
    let mut put_events = |family, events: &[GovernanceRow]| -> Result<(), Doubt> {
        for event in events {
            let key = keys::event(family, event.index, event.position);
            writes.put(&key, row::pack(&key, event)?);
        }
        Ok(())
    };
    put_events(Family::Governance, &changes.governance)?;
    put_events(Family::Forecast, &changes.forecasts)?;
    for (name, chain) in &changes.chains {
        let key = keys::text(Family::Chain, name);
        writes.put(&key, row::pack(&key, chain)?);
    }
    Ok(())
}

fn load_mark(disk: &Disk, fixed: &Fixed) -> Result<Mark, Doubt> {
    let (layout_key, mark_key) = (keys::single(Family::Layout), keys::single(Family::Mark));
    match (disk.get(&layout_key)?, disk.get(&mark_key)?) {
        (Some(layout), mark) => {
            if row::unpack::<Fixed>(&layout_key, &layout)? != *fixed {
                return Err(Doubt("the store was made by another version of jindo".to_owned()));
            }
            mark.map_or(Ok(Mark::default()), |mark| row::unpack(&mark_key, &mark))
        }
        (None, Some(_)) => Err(row::doubt(&layout_key, "is missing")),
        (None, None) => {
            if !disk.range(&[0], &[u8::MAX], 1)?.is_empty() {
                return Err(row::doubt(&layout_key, "is missing"));
            }
            let mut writes = Writes::default();
            writes.put(&layout_key, row::pack(&layout_key, fixed)?);
            disk.apply(writes)?;
            Ok(Mark::default())
        }
    }
}

fn load_heads(disk: &Disk, mark: &Mark) -> Result<Vec<Arc<Head>>, Doubt> {
    let mut heads = Vec::new();
    disk.each(&keys::single(Family::Series), &keys::after(Family::Series), |key, value| {
        if key != keys::series(u32::try_from(heads.len()).unwrap_or(u32::MAX)) {
            return Err(row::doubt(key, "does not follow the series before"));
        }
        heads.push(Arc::new(Head::unpack(key, value)?));
        Ok(())
    })?;
    if heads.len() != mark.position.series as usize {
        return Err(Doubt(format!("{} series are there, {} should be", heads.len(), mark.position.series)));
    }
    let chunks = history::load_directory(disk, &heads)?;
    if chunks != mark.chunks {
        return Err(Doubt(format!("{chunks} chunks of history are known, {} should be", mark.chunks)));
    }
    heads.iter().try_for_each(|head| head.check())?;
    Ok(heads)
}
