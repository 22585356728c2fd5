//! The lookup index: ids and things to their numbers. Keys are scattered by nature and sled writes scattered keys at a tenth
//! of the speed, so they are gathered in memory (each commit journals its own), written out as sorted runs, and runs of one
//! size are merged into larger ones by a thread of its own. A lookup asks memory, then each run's filter.
//!
//! A merged run is written beside the live ones and becomes part of the store in a later commit, in which those it replaces leave it.
//! What a crash leaves half-written belongs to no run: nobody reads it, and a later run writes over it.

use foldhash::HashMap;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;

use super::beside::{Bench, Beside};
use super::disk::{Disk, Writes};
use super::keys::{self, Family};
use super::layout::Layout;
use super::numbers::{Name, Next, Numbers};
use super::row::{self, Cursor};
use super::run::{Builder, Run};
use crate::fold::rows::{Doubt, LookupKey};
use crate::limits::{STORE_INDEX_RUNS_MAX, STORE_MERGE_WAIT_MS};

/// What lookups ask.
#[derive(Default)]
struct Known {
    memory: HashMap<LookupKey, u64>,
    runs: Vec<Arc<Run>>,
}

/// The reading side, shared by all threads.
#[derive(Default)]
pub(super) struct Index {
    known: RwLock<Known>,
}

impl Index {
    fn reading(&self) -> RwLockReadGuard<'_, Known> {
        self.known.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number kept under a key.
    pub(super) fn get(&self, disk: &Disk, key: &LookupKey) -> Result<Option<u64>, Doubt> {
        // Held to the end: rows of a run are written over only after it left the list.
        let known = self.reading();
        if let Some(number) = known.memory.get(key) {
            return Ok(Some(*number));
        }
        for run in known.runs.iter().rev() {
            if let Some(number) = run.get(disk, key)? {
                return Ok(Some(number));
            }
        }
        Ok(None)
    }

    /// Reads journal and filters.
    pub(super) fn load(disk: &Disk, layout: &Layout, next: &Next) -> Result<Self, Doubt> {
        let mut known = Known::default();
        let mut journal = next.journal_reader(Family::Journal);
        disk.each(&keys::single(Family::Journal), &keys::after(Family::Journal), |key, value| {
            let entries = journal.open(key, value)?;
            let (whole, rest) = entries.as_chunks::<24>();
            if !rest.is_empty() {
                return Err(row::doubt(key, "cannot be decoded"));
            }
            for entry in whole {
                let mut cursor = Cursor::new(&entry[16..]);
                let number = (0..8).filter_map(|_| cursor.byte()).fold(0, |number, byte| number << 8 | u64::from(byte));
                let mut name = LookupKey::default();
                name.copy_from_slice(&entry[..16]);
                known.memory.insert(name, number);
            }
            Ok(())
        })?;
        journal.end()?;
        disk.each(&keys::single(Family::Run), &keys::after(Family::Run), |key, value| {
            known.runs.push(Arc::new(Run::load(disk, key, value, layout.fixed.row_keys)?));
            Ok(())
        })?;
        known.runs.sort_by_key(|run| (std::cmp::Reverse(run.level), run.name.age));
        Ok(Index { known: RwLock::new(known) })
    }
}

/// A merged run and those it replaces.
type Merged = (Arc<Run>, Vec<Arc<Run>>);

/// The writing side: belongs to the committing thread.
pub(super) struct IndexWriter {
    layout: Layout,
    index: Arc<Index>,
    numbers: Numbers,
    done: Sender<Result<Merged, Doubt>>,
    merged: Receiver<Result<Merged, Doubt>>,
    merging: bool,
    /// A result that is waiting for the next commit.
    arrived: Option<Result<Merged, Doubt>>,
}

/// What one commit changes, to be made known once it is in.
#[derive(Default)]
pub(super) struct IndexChange {
    memory: Vec<(LookupKey, u64)>,
    /// Memory became this run.
    flushed: Option<Arc<Run>>,
    merged: Option<Merged>,
}

impl IndexWriter {
    pub(super) fn new(layout: Layout, index: Arc<Index>) -> Self {
        let (done, merged) = channel();
        let numbers = Numbers::of(index.reading().runs.iter().map(|run| run.name));
        IndexWriter { layout, index, numbers, done, merged, merging: false, arrived: None }
    }

    /// Adds new keys to a commit. `next` is moved on.
    pub(super) fn prepare(
        &mut self,
        new: &[(LookupKey, u64)],
        next: &mut Next,
        writes: &mut Writes,
    ) -> Result<IndexChange, Doubt> {
        let mut change = IndexChange { merged: self.take_merged(writes)?, ..IndexChange::default() };
        let known = self.index.reading();
        if known.memory.len() + new.len() < self.layout.memory_keys {
            if !new.is_empty() {
                let (key, aged) = next.journal_row(Family::Journal);
                let mut writer = row::Writer::with_capacity(new.len() * 24);
                for (name, number) in new {
                    writer.buffer().extend_from_slice(name);
                    writer.buffer().extend_from_slice(&number.to_be_bytes());
                }
                writes.put(&key, writer.finish(&aged));
                change.memory = new.to_vec();
            }
            return Ok(change);
        }
        let mut entries: Vec<(LookupKey, u64)> = known.memory.iter().map(|(key, number)| (*key, *number)).collect();
        entries.extend_from_slice(new);
        entries.sort_unstable();
        // Of a key that was given anew the newest number counts: numbers only rise.
        entries.dedup_by(|next, kept| {
            next.0 == kept.0 && {
                kept.1 = next.1;
                true
            }
        });
        let mut builder = Builder::new(self.numbers.take(0, next), 0, entries.len() as u64, self.layout.fixed.row_keys);
        for (key, number) in &entries {
            builder.push(key, *number, writes);
        }
        let run = builder.finish(writes)?;
        run.put(writes);
        next.end_journal(Family::Journal).for_each(|key| writes.remove(&key));
        change.flushed = Some(Arc::new(run));
        Ok(change)
    }

    fn take_merged(&mut self, writes: &mut Writes) -> Result<Option<Merged>, Doubt> {
        if !self.merging {
            return Ok(None);
        }
        let crowded = {
            let known = self.index.reading();
            known.runs.iter().filter(|run| run.level == 0).count() >= STORE_INDEX_RUNS_MAX.max(self.layout.fanout)
        };
        let arrived = self.arrived.take();
        let wait = Duration::from_millis(if crowded { STORE_MERGE_WAIT_MS } else { 0 });
        let result = arrived.or_else(|| self.merged.recv_timeout(wait).ok());
        let Some(result) = result else { return Ok(None) };
        self.merging = false;
        let (run, inputs) = result?;
        run.put(writes);
        inputs.iter().for_each(|input| input.remove(writes));
        Ok(Some((run, inputs)))
    }

    /// Makes a commit's keys known, after it is in, and sees whether runs are to be merged. `next` as in `prepare`, and
    /// to be kept with the next commit.
    pub(super) fn install(&mut self, change: IndexChange, next: &mut Next, beside: &Beside) {
        let mut known = self.index.known.write().unwrap_or_else(PoisonError::into_inner);
        known.memory.extend(change.memory);
        if let Some(run) = change.flushed {
            known.memory.clear();
            known.runs.push(run);
        }
        if let Some((run, inputs)) = change.merged {
            known.runs.retain(|run| inputs.iter().all(|input| input.name != run.name));
            known.runs.push(run);
            known.runs.sort_by_key(|run| (std::cmp::Reverse(run.level), run.name.age));
            inputs.iter().for_each(|run| self.numbers.give_back(run.name));
        }
        if self.merging {
            return;
        }
        let levels = known.runs.iter().map(|run| run.level).max().unwrap_or(0);
        let of_level = |level: u8| known.runs.iter().filter(move |run| run.level == level);
        if let Some(level) = (0..=levels).find(|level| of_level(*level).count() >= self.layout.fanout) {
            let inputs: Vec<_> = of_level(level).take(self.layout.fanout).cloned().collect();
            let name = self.numbers.take(level + 1, next);
            let (row_keys, done) = (self.layout.fixed.row_keys, self.done.clone());
            self.merging = true;
            beside.run(move |bench| {
                if let Some(merged) = merge(bench, name, &inputs, row_keys).transpose() {
                    let _ = done.send(merged.map(|run| (Arc::new(run), inputs)));
                }
            });
        }
    }

    /// Numbers of runs.
    #[cfg(test)]
    pub(super) fn numbers(&self) -> Vec<u32> {
        self.index.reading().runs.iter().map(|run| run.name.number).collect()
    }

    /// Waits until the running merge, if any, is done; the next commit takes it in. Gives the number of runs.
    #[cfg(test)]
    pub(super) fn settle(&mut self) -> usize {
        if self.merging && self.arrived.is_none() {
            self.arrived = self.merged.recv().ok();
        }
        self.index.reading().runs.len()
    }
}

/// Merges runs into one; `None` when it is time to stop.
fn merge(bench: &Bench, name: Name, inputs: &[Arc<Run>], row_keys: u32) -> Result<Option<Run>, Doubt> {
    let level = inputs.iter().map(|run| run.level).max().unwrap_or(0) + 1;
    let entries = inputs.iter().map(|run| run.len()).sum();
    let mut builder = Builder::new(name, level, entries, row_keys);
    let mut scans: Vec<_> = inputs.iter().map(|run| run.scan(&bench.disk)).collect();
    let mut heads = scans.iter_mut().map(|scan| scan.next()).collect::<Result<Vec<_>, _>>()?;
    let mut writes = Writes::default();
    let least = |heads: &[Option<(LookupKey, u64)>]| {
        let entries = heads.iter().enumerate().filter_map(|(at, head)| head.map(|(key, number)| (key, number, at)));
        entries.min()
    };
    while let Some((key, value, at)) = least(&heads) {
        builder.push(&key, value, &mut writes);
        heads[at] = scans[at].next()?;
        if !bench.write(&mut writes)? {
            return Ok(None);
        }
    }
    let run = builder.finish(&mut writes)?;
    Ok(bench.write_rest(&mut writes)?.then_some(run))
}
