//! Statements of series, day by day: what stood when a winner falls.
//!
//! Who wins is in the history of the series; the rest is asked for only when a winner falls. So statements are written
//! blindly: gathered in memory (each commit journals its own), then written as runs sorted by (series, day, time, ordinal),
//! merged in the background. Setting a statement again, or removing it, is one more entry under its key: the newest one
//! holds. Rows are never rewritten: one changed row per statement cost half of all folding when it was measured.

use std::collections::BTreeMap;

use foldhash::HashMap;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};

use super::beside::{Bench, Beside};
use super::disk::{Disk, Writes};
use super::keys::{self, Family};
use super::layout::Layout;
use super::moves::{get_statement, put_statement};
use super::numbers::{Name, Next, Numbers};
use super::row::{self, Cursor, put, put_signed};
use crate::event::{Day, Time};
use crate::fold::rows::{Doubt, Ordinal, SeriesNumber, Statement};

/// Key of a statement: what it is of, and its order there.
pub(super) type Key = (SeriesNumber, Day, Time, Ordinal);
/// A statement set, or removed.
type Entry = (Key, Option<Statement>);
/// Winners of a day: of all statements, of verified ones.
pub(super) type Winners = (Option<Statement>, Option<Statement>);

fn put_entry(buffer: &mut Vec<u8>, ((series, day, time, ordinal), statement): &Entry) {
    put(buffer, u64::from(*series) << 1 | u64::from(statement.is_some()));
    put_signed(buffer, day.number().into());
    match statement {
        Some(statement) => put_statement(buffer, *day, statement),
        None => {
            put_signed(buffer, time.ns().into());
            put(buffer, *ordinal);
        }
    }
}

fn get_entry(cursor: &mut Cursor<'_>) -> Option<Entry> {
    let head = cursor.get()?;
    let series = SeriesNumber::try_from(head >> 1).ok()?;
    let day = Day::from_number(i32::try_from(cursor.get_signed()?).ok()?);
    if head & 1 == 0 {
        return Some(((series, day, Time::from_ns(cursor.get_i64()?), cursor.get()?), None));
    }
    let statement = get_statement(cursor, day)?;
    Some(((series, day, statement.time, statement.ordinal), Some(statement)))
}

fn get_entries(key: &[u8], payload: &[u8]) -> Result<Vec<Entry>, Doubt> {
    let mut cursor = Cursor::new(payload);
    let mut entries = Vec::new();
    while !cursor.is_empty() {
        entries.push(get_entry(&mut cursor).ok_or_else(|| row::doubt(key, "cannot be decoded"))?);
    }
    Ok(entries)
}

/// A sorted run.
#[derive(Debug)]
struct Run {
    name: Name,
    level: u8,
    /// What each row begins with.
    fences: Vec<(SeriesNumber, Day)>,
}

impl Run {
    fn row(&self, disk: &Disk, row: usize) -> Result<Vec<Entry>, Doubt> {
        let key = keys::pair(Family::StatementRow, self.name.number, row as u32);
        let value = disk.get(&key)?.ok_or_else(|| row::doubt(&key, "is missing"))?;
        get_entries(&key, row::open(&keys::aged(&key, self.name.age), &value)?)
    }

    /// Entries of a series and day, into `found` where there is none yet.
    fn find(
        &self,
        disk: &Disk,
        on: (SeriesNumber, Day),
        found: &mut BTreeMap<Key, Option<Statement>>,
    ) -> Result<(), Doubt> {
        // The row before the first that begins there may end with it.
        let from = self.fences.partition_point(|fence| *fence < on).saturating_sub(1);
        let to = self.fences.partition_point(|fence| *fence <= on);
        for row in from..to {
            for (key, statement) in self.row(disk, row)? {
                if (key.0, key.1) == on {
                    found.entry(key).or_insert(statement);
                }
            }
        }
        Ok(())
    }

    fn put(&self, writes: &mut Writes) {
        let key = keys::number(Family::StatementRun, self.name.number.into());
        let mut writer = row::Writer::with_capacity(self.fences.len() * 5);
        put(writer.buffer(), self.name.age.into());
        put(writer.buffer(), self.level.into());
        for (series, day) in &self.fences {
            put(writer.buffer(), (*series).into());
            put_signed(writer.buffer(), day.number().into());
        }
        writes.put(&key, writer.finish(&key));
    }

    fn load(key: &[u8], value: &[u8]) -> Result<Self, Doubt> {
        let mut cursor = Cursor::new(row::open(key, value)?);
        let mut read = || -> Option<Self> {
            let number = u32::try_from(keys::number_of(key)?).ok()?;
            let (age, level) = (u32::try_from(cursor.get()?).ok()?, u8::try_from(cursor.get()?).ok()?);
            let mut run = Run { name: Name { number, age }, level, fences: Vec::new() };
            while !cursor.is_empty() {
                let series = SeriesNumber::try_from(cursor.get()?).ok()?;
                run.fences.push((series, Day::from_number(i32::try_from(cursor.get_signed()?).ok()?)));
            }
            Some(run)
        };
        read().ok_or_else(|| row::doubt(key, "cannot be decoded"))
    }
}

/// Writes a run from entries in order.
struct Builder {
    run: Run,
    row: Vec<u8>,
    row_bytes: usize,
}

impl Builder {
    fn new(name: Name, level: u8, row_bytes: usize) -> Self {
        Builder { run: Run { name, level, fences: Vec::new() }, row: Vec::new(), row_bytes }
    }

    fn push(&mut self, entry: &Entry, writes: &mut Writes) {
        if self.row.is_empty() {
            self.run.fences.push((entry.0.0, entry.0.1));
        }
        put_entry(&mut self.row, entry);
        if self.row.len() >= self.row_bytes {
            self.close(writes);
        }
    }

    fn close(&mut self, writes: &mut Writes) {
        let key = keys::pair(Family::StatementRow, self.run.name.number, self.run.fences.len() as u32 - 1);
        let mut writer = row::Writer::with_capacity(self.row.len());
        writer.buffer().append(&mut self.row);
        writes.put(&key, writer.finish(&keys::aged(&key, self.run.name.age)));
    }

    fn finish(mut self, writes: &mut Writes) -> Run {
        if !self.row.is_empty() {
            self.close(writes);
        }
        self.run
    }
}

#[derive(Default)]
struct Known {
    memory: BTreeMap<Key, Option<Statement>>,
    /// Oldest first.
    runs: Vec<Arc<Run>>,
}

/// Winners lately written or asked for, in two generations.
#[derive(Default)]
struct WinnersKept {
    young: HashMap<(SeriesNumber, Day), Winners>,
    old: HashMap<(SeriesNumber, Day), Winners>,
    /// Commits so far: what was read before the last one is not kept.
    commits: u64,
    limit: usize,
}

impl WinnersKept {
    fn put(&mut self, on: (SeriesNumber, Day), winners: Winners) {
        if self.young.insert(on, winners).is_none() && !self.old.is_empty() {
            self.old.remove(&on);
        }
        if self.young.len() > self.limit {
            self.old = std::mem::take(&mut self.young);
        }
    }

    fn get(&mut self, on: (SeriesNumber, Day)) -> Option<Winners> {
        if let Some(winners) = self.young.get(&on) {
            return Some(*winners);
        }
        let winners = self.old.remove(&on)?;
        self.put(on, winners);
        Some(winners)
    }
}

/// The reading side, shared by all threads.
pub(super) struct Statements {
    known: RwLock<Known>,
    winners: Mutex<WinnersKept>,
}

impl Statements {
    fn reading(&self) -> RwLockReadGuard<'_, Known> {
        self.known.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn winners_kept(&self) -> MutexGuard<'_, WinnersKept> {
        self.winners.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Statements that stand on a day, greatest (time, ordinal) first.
    pub(super) fn standing(&self, disk: &Disk, series: SeriesNumber, day: Day) -> Result<Vec<Statement>, Doubt> {
        // Held to the end: rows of a run are written over only after it left the list.
        let known = self.reading();
        let from = (series, day, Time::from_ns(i64::MIN), 0);
        let to = (series, day, Time::from_ns(i64::MAX), Ordinal::MAX);
        let mut found: BTreeMap<Key, Option<Statement>> =
            known.memory.range(from..=to).map(|(key, statement)| (*key, *statement)).collect();
        for run in known.runs.iter().rev() {
            run.find(disk, (series, day), &mut found)?;
        }
        Ok(found.into_values().rev().flatten().collect())
    }

    /// Winners of a day: kept ones, or what `read` finds in the history.
    pub(super) fn winners(
        &self,
        on: (SeriesNumber, Day),
        read: impl FnOnce() -> Result<Winners, Doubt>,
    ) -> Result<Winners, Doubt> {
        let commits = {
            let mut kept = self.winners_kept();
            if let Some(winners) = kept.get(on) {
                return Ok(winners);
            }
            kept.commits
        };
        let winners = read()?;
        let mut kept = self.winners_kept();
        if kept.commits == commits {
            kept.put(on, winners);
        }
        Ok(winners)
    }

    /// Makes winners of a commit known; after the history they come from.
    pub(super) fn keep_winners(&self, winners: impl Iterator<Item = ((SeriesNumber, Day), Winners)>) {
        let mut kept = self.winners_kept();
        kept.commits += 1;
        winners.for_each(|(on, winners)| kept.put(on, winners));
    }

    /// Reads journal and runs.
    pub(super) fn load(disk: &Disk, layout: &Layout, next: &Next) -> Result<Self, Doubt> {
        let mut known = Known::default();
        let mut journal = next.journal_reader(Family::StatementJournal);
        let (from, to) = (keys::single(Family::StatementJournal), keys::after(Family::StatementJournal));
        disk.each(&from, &to, |key, value| {
            known.memory.extend(get_entries(key, journal.open(key, value)?)?);
            Ok(())
        })?;
        journal.end()?;
        disk.each(&keys::single(Family::StatementRun), &keys::after(Family::StatementRun), |key, value| {
            known.runs.push(Arc::new(Run::load(key, value)?));
            Ok(())
        })?;
        known.runs.sort_by_key(|run| (std::cmp::Reverse(run.level), run.name.age));
        let winners = WinnersKept { limit: layout.memory_winners, ..WinnersKept::default() };
        Ok(Statements { known: RwLock::new(known), winners: Mutex::new(winners) })
    }
}

/// A merged run and those it replaces.
type Merged = (Run, Vec<Arc<Run>>);

/// The writing side: belongs to the committing thread.
pub(super) struct StatementWriter {
    layout: Layout,
    statements: Arc<Statements>,
    numbers: Numbers,
    done: Sender<Result<Merged, Doubt>>,
    merged: Receiver<Result<Merged, Doubt>>,
    merging: bool,
}

/// What one commit changes, to be made known once it is in.
#[derive(Default)]
pub(super) struct StatementChange {
    journalled: bool,
    flushed: Option<Run>,
    merged: Option<Merged>,
}

impl StatementWriter {
    pub(super) fn new(layout: Layout, statements: Arc<Statements>) -> Self {
        let (done, merged) = channel();
        let numbers = Numbers::of(statements.reading().runs.iter().map(|run| run.name));
        StatementWriter { layout, statements, numbers, done, merged, merging: false }
    }

    /// Adds a commit's statements. `next` is moved on.
    pub(super) fn prepare(
        &mut self,
        new: &BTreeMap<Key, Option<Statement>>,
        next: &mut Next,
        writes: &mut Writes,
    ) -> Result<StatementChange, Doubt> {
        let mut change = StatementChange { merged: self.take_merged(writes)?, ..StatementChange::default() };
        if new.is_empty() {
            return Ok(change);
        }
        let known = self.statements.reading();
        if known.memory.len() + new.len() < self.layout.memory_statements {
            let (key, aged) = next.journal_row(Family::StatementJournal);
            let mut writer = row::Writer::with_capacity(new.len() * 24);
            new.iter().for_each(|(key, statement)| put_entry(writer.buffer(), &(*key, *statement)));
            writes.put(&key, writer.finish(&aged));
            change.journalled = true;
            return Ok(change);
        }
        let mut builder = Builder::new(self.numbers.take(0, next), 0, self.layout.statement_row_bytes);
        let mut sources = [new.iter().peekable(), known.memory.iter().peekable()];
        loop {
            let [first, second] = &mut sources;
            // Of one key the new entry holds.
            let entry = match (first.peek(), second.peek()) {
                (None, None) => break,
                (Some((left, _)), Some((right, _))) if left == right => second.next().and(first.next()),
                (Some((left, _)), Some((right, _))) if left > right => second.next(),
                (None, _) => second.next(),
                _ => first.next(),
            };
            if let Some((key, statement)) = entry {
                builder.push(&(*key, *statement), writes);
            }
        }
        let run = builder.finish(writes);
        run.put(writes);
        next.end_journal(Family::StatementJournal).for_each(|key| writes.remove(&key));
        change.flushed = Some(run);
        Ok(change)
    }

    fn take_merged(&mut self, writes: &mut Writes) -> Result<Option<Merged>, Doubt> {
        let Ok(result) = self.merged.try_recv() else { return Ok(None) };
        self.merging = false;
        let (run, inputs) = result?;
        run.put(writes);
        inputs.iter().for_each(|input| writes.remove(&keys::number(Family::StatementRun, input.name.number.into())));
        Ok(Some((run, inputs)))
    }

    /// Makes a commit's statements known, after it is in, and sees whether runs are to be merged.
    pub(super) fn install(
        &mut self,
        change: StatementChange,
        new: &BTreeMap<Key, Option<Statement>>,
        next: &mut Next,
        beside: &Beside,
    ) {
        let mut known = self.statements.known.write().unwrap_or_else(PoisonError::into_inner);
        if change.journalled {
            known.memory.extend(new.iter().map(|(key, statement)| (*key, *statement)));
        }
        if let Some(run) = change.flushed {
            known.memory.clear();
            known.runs.push(Arc::new(run));
        }
        if let Some((run, inputs)) = change.merged {
            known.runs.retain(|run| inputs.iter().all(|input| input.name != run.name));
            known.runs.push(Arc::new(run));
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
            let (row_bytes, done) = (self.layout.statement_row_bytes, self.done.clone());
            self.merging = true;
            beside.run(move |bench| {
                if let Some(merged) = merge(bench, name, &inputs, row_bytes).transpose() {
                    let _ = done.send(merged.map(|run| (run, inputs)));
                }
            });
        }
    }
}

/// One run of a merge, read to its end.
struct Scan<'a> {
    run: &'a Run,
    row: usize,
    entries: std::iter::Peekable<std::vec::IntoIter<Entry>>,
}

impl Scan<'_> {
    fn peek(&mut self, disk: &Disk) -> Result<Option<Key>, Doubt> {
        while self.entries.peek().is_none() {
            if self.row == self.run.fences.len() {
                return Ok(None);
            }
            self.entries = self.run.row(disk, self.row)?.into_iter().peekable();
            self.row += 1;
        }
        Ok(self.entries.peek().map(|(key, _)| *key))
    }
}

/// Merges runs, oldest first, into one; of one key the newest entry holds. Removals are kept: an older run may hold what they
/// remove. `None` when it is time to stop.
fn merge(bench: &Bench, name: Name, inputs: &[Arc<Run>], row_bytes: usize) -> Result<Option<Run>, Doubt> {
    let level = inputs.iter().map(|run| run.level).max().unwrap_or(0) + 1;
    let mut builder = Builder::new(name, level, row_bytes);
    let mut scans: Vec<Scan<'_>> =
        inputs.iter().map(|run| Scan { run, row: 0, entries: Vec::new().into_iter().peekable() }).collect();
    let mut writes = Writes::default();
    loop {
        let heads = scans.iter_mut().map(|scan| scan.peek(&bench.disk)).collect::<Result<Vec<_>, _>>()?;
        let Some(least) = heads.iter().flatten().min().copied() else { break };
        let mut newest = None;
        for (scan, _) in scans.iter_mut().zip(&heads).filter(|(_, head)| **head == Some(least)) {
            newest = scan.entries.next();
        }
        if let Some(entry) = newest {
            builder.push(&entry, &mut writes);
        }
        if !bench.write(&mut writes)? {
            return Ok(None);
        }
    }
    let run = builder.finish(&mut writes);
    Ok(bench.write_rest(&mut writes)?.then_some(run))
}
