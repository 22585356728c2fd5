//! History of series: open block in the series row, closed blocks and day tables as chunks, and as-of reads over them.
//!
//! Chunks are keyed by one running number over all series, so closing a block touches the last leaf only; which chunks a
//! series has is kept in memory (24 bytes each) and in directory rows, one per commit. A closed chunk never changes, and the
//! open block is part of the immutable snapshot, so a reader never sees half a commit.

mod trail;

use std::collections::BTreeMap;

use foldhash::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use serde::{Deserialize, Serialize};

use super::asof::{self, Days};
use super::disk::{Disk, Writes};
use super::keys::{self, Family};
use super::layout::Layout;
use super::moves::{Packer, moves};
use super::row::{self, Cursor, put};
use super::statements::Winners;
use crate::event::Day;
use crate::fold::rows::{Doubt, Figures, Move, Series, SeriesNumber, Step};
use crate::limits::{STORE_BLOCK_SHARE, STORE_TABLE_CACHE_BYTES};

const NO_TABLE: u32 = u32::MAX;

/// A closed block or a day table of a series.
#[derive(Debug, Clone, Copy)]
pub(super) struct Chunk {
    /// Index of the last move in it (of a table: before it).
    index_last: u64,
    number: u64,
    /// Where in the directory the newest table is, this one included; [`NO_TABLE`] before the first.
    table: u32,
}

/// The chunks of a series in order. Only grows; a reader looks at no more of it than its snapshot counts.
type Directory = Arc<RwLock<Vec<Chunk>>>;

/// What the row of a series holds besides the series and its open block.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Extent {
    chunks: u32,
    /// Bytes of all closed blocks.
    bytes: u64,
    /// Of those since the last table.
    bytes_since: u32,
    table: Option<u64>,
    table_bytes: u32,
    /// Blocks since the last table.
    recent: Vec<u64>,
    /// Greatest day on which something stands, and how many contributions do.
    standing: Option<(Day, i64)>,
}

/// A series as kept in memory.
#[derive(Debug, Clone)]
pub(super) struct Head {
    pub(super) series: Series,
    extent: Extent,
    open: Packer,
    directory: Directory,
}

impl Head {
    pub(super) fn new(series: Series) -> Self {
        Head { series, extent: Extent::default(), open: Packer::default(), directory: Directory::default() }
    }

    /// The row of the series.
    pub(super) fn pack(&self, key: &[u8]) -> Result<Vec<u8>, Doubt> {
        let mut writer = row::Writer::with_capacity(256 + self.open.bytes().len());
        row::pack_into(writer.buffer(), &self.series)?;
        row::pack_into(writer.buffer(), &self.extent)?;
        writer.buffer().extend_from_slice(self.open.bytes());
        Ok(writer.finish(key))
    }

    pub(super) fn unpack(key: &[u8], value: &[u8]) -> Result<Self, Doubt> {
        let bad = |_| row::doubt(key, "cannot be decoded");
        let (series, rest) = postcard::take_from_bytes(row::open(key, value)?).map_err(bad)?;
        let (extent, open) = postcard::take_from_bytes(rest).map_err(bad)?;
        Ok(Head { series, extent, open: Packer::resume(open.to_vec())?, directory: Directory::default() })
    }

    /// Every chunk must be in the directory that was read.
    pub(super) fn check(&self) -> Result<(), Doubt> {
        let known = self.directory.read().unwrap_or_else(PoisonError::into_inner).len();
        if known == self.extent.chunks as usize {
            return Ok(());
        }
        Err(Doubt(format!(
            "series {} has {} chunks of history, {known} are known",
            self.series.path, self.extent.chunks
        )))
    }

    fn note(&self, index_last: u64, number: u64, is_table: bool) {
        let mut directory = self.directory.write().unwrap_or_else(PoisonError::into_inner);
        let here = u32::try_from(directory.len()).unwrap_or(NO_TABLE);
        let table = if is_table { here } else { directory.last().map_or(NO_TABLE, |chunk| chunk.table) };
        directory.push(Chunk { index_last, number, table });
    }

    /// Figures of now, where they are those of `day` and `size` too.
    fn current(&self, day: Day, size: u64) -> Option<Figures> {
        let series = &self.series;
        let covers = series.moves == 0 || (series.index_last < size && series.day_max.is_none_or(|max| max <= day));
        covers.then_some(Figures {
            tally: series.tally,
            reported: series.reported,
            verified: series.verified,
            day_last: self.extent.standing.map(|(day, _)| day),
        })
    }

    /// Figures as of `day`, from entries below `size`.
    pub(super) fn figures(&self, number: SeriesNumber, disk: &Disk, day: Day, size: u64) -> Result<Figures, Doubt> {
        if let Some(figures) = self.current(day, size) {
            return Ok(figures);
        }
        let (table, days) = self.days(number, disk, day, size)?;
        asof::figures(&table, &days, day)
    }

    /// A day table and what moves after it say of its days: together what stood up to `day` after the entries below `size`.
    fn days(&self, number: SeriesNumber, disk: &Disk, day: Day, size: u64) -> Result<(Vec<u8>, Days), Doubt> {
        let (table, blocks) = {
            let directory = self.directory.read().unwrap_or_else(PoisonError::into_inner);
            let known = directory.get(..self.extent.chunks as usize).unwrap_or(&directory);
            let whole = known.partition_point(|chunk| chunk.index_last < size);
            let table = whole.checked_sub(1).map_or(NO_TABLE, |last| known[last].table) as usize;
            let from = if table < whole { table + 1 } else { 0 };
            // The first chunk that reaches up to `size` may begin below it; the ones after it cannot.
            let blocks: Vec<u64> = known[from..known.len().min(whole + 1)].iter().map(|chunk| chunk.number).collect();
            ((table < whole).then(|| known[table].number), blocks)
        };
        let mut days = Days::default();
        let mut take = |bytes: &[u8]| -> Result<(), Doubt> {
            for step in moves(bytes)? {
                let step = step?;
                if step.index >= size {
                    break;
                }
                if step.day <= day {
                    days.apply(&step)?;
                }
            }
            Ok(())
        };
        for block in blocks {
            take(&read_chunk(disk, number, block)?)?;
        }
        take(self.open.bytes())?;
        let table = table.map(|table| read_chunk(disk, number, table)).transpose()?;
        Ok((table.unwrap_or_default(), days))
    }

    /// Winners of a day after every move.
    pub(super) fn winners(&self, number: SeriesNumber, disk: &Disk, day: Day) -> Result<Winners, Doubt> {
        let find = |bytes: &[u8]| -> Result<Option<Winners>, Doubt> {
            let mut found = None;
            for step in moves(bytes)? {
                let step = step?;
                if let (true, Step::State { reported, verified }) = (step.day == day, step.step) {
                    found = Some((reported, verified));
                }
            }
            Ok(found)
        };
        if let Some(winners) = find(self.open.bytes())? {
            return Ok(winners);
        }
        for chunk in self.extent.recent.iter().rev().chain(&self.extent.table) {
            if let Some(winners) = find(&read_chunk(disk, number, *chunk)?)? {
                return Ok(winners);
            }
        }
        Ok((None, None))
    }
}

fn chunk_payload(series: SeriesNumber, stream: &[u8]) -> row::Writer {
    let mut writer = row::Writer::with_capacity(stream.len() + 5);
    put(writer.buffer(), series.into());
    writer.buffer().extend_from_slice(stream);
    writer
}

fn read_chunk(disk: &Disk, series: SeriesNumber, number: u64) -> Result<Vec<u8>, Doubt> {
    let key = keys::number(Family::Chunk, number);
    let value = disk.get(&key)?.ok_or_else(|| row::doubt(&key, "is missing"))?;
    let mut cursor = Cursor::new(row::open(&key, &value)?);
    if cursor.get() != Some(series.into()) {
        return Err(row::doubt(&key, "is of another series"));
    }
    Ok(cursor.rest().to_vec())
}

/// Day tables of recently moved series, in two generations: what was not asked for in the younger one's lifetime goes.
#[derive(Default)]
pub(super) struct TableCache {
    young: HashMap<SeriesNumber, Arc<[u8]>>,
    old: HashMap<SeriesNumber, Arc<[u8]>>,
    young_bytes: usize,
}

impl TableCache {
    fn put(&mut self, series: SeriesNumber, table: Arc<[u8]>) {
        self.young_bytes += table.len();
        self.old.remove(&series);
        if let Some(before) = self.young.insert(series, table) {
            self.young_bytes -= before.len();
        }
        if self.young_bytes > STORE_TABLE_CACHE_BYTES / 2 {
            self.old = std::mem::take(&mut self.young);
            self.young_bytes = 0;
        }
    }

    fn get(&mut self, series: SeriesNumber) -> Option<Arc<[u8]>> {
        if let Some(table) = self.young.get(&series) {
            return Some(table.clone());
        }
        let table = self.old.remove(&series)?;
        self.put(series, table.clone());
        Some(table)
    }
}

/// The history that one commit writes.
pub(super) struct Weaver<'a> {
    pub(super) layout: &'a Layout,
    pub(super) disk: &'a Disk,
    pub(super) tables: &'a mut TableCache,
    /// Number of the next chunk.
    pub(super) next: u64,
    first: u64,
    /// Chunks made, in order of their numbers: series, last index, whether a table.
    made: Vec<(SeriesNumber, u64, bool)>,
    /// Blocks made: a table of this commit may need them before they are on disk.
    fresh: BTreeMap<u64, Vec<u8>>,
}

impl<'a> Weaver<'a> {
    pub(super) fn new(layout: &'a Layout, disk: &'a Disk, tables: &'a mut TableCache, next: u64) -> Self {
        Weaver { layout, disk, tables, next, first: next, made: Vec::new(), fresh: BTreeMap::new() }
    }

    /// Appends a move to the history of a series.
    pub(super) fn append(
        &mut self,
        number: SeriesNumber,
        head: &mut Head,
        step: &Move,
        writes: &mut Writes,
    ) -> Result<(), Doubt> {
        head.open.push(step)?;
        // What a move leaves standing can be told at once, except where the last day empties.
        let count = match &step.step {
            Step::Add(tally) => tally.count,
            Step::State { reported, .. } => i64::from(reported.is_some()),
        };
        let standing = &mut head.extent.standing;
        match standing {
            Some((day, known)) if *day == step.day => {
                *known = if matches!(step.step, Step::Add(_)) { known.saturating_add(count) } else { count };
                if *known == 0 {
                    head.extent.standing = self.days_of(number, head)?.last_standing();
                }
            }
            Some((day, _)) if *day > step.day => {}
            _ if count != 0 => *standing = Some((step.day, count)),
            _ => {}
        }
        let share = u32::try_from(head.extent.bytes / STORE_BLOCK_SHARE).unwrap_or(u32::MAX);
        let limit = share.clamp(self.layout.block_bytes_min, self.layout.block_bytes_max);
        if head.open.bytes().len() >= limit as usize {
            self.close(number, head, writes)?;
        }
        Ok(())
    }

    fn close(&mut self, number: SeriesNumber, head: &mut Head, writes: &mut Writes) -> Result<(), Doubt> {
        let block = std::mem::take(&mut head.open);
        let chunk = self.chunk(number, head, block.index_last(), block.bytes(), false, writes);
        let length = u32::try_from(block.bytes().len()).unwrap_or(u32::MAX);
        self.fresh.insert(chunk, block.bytes().to_vec());
        let extent = &mut head.extent;
        extent.recent.push(chunk);
        extent.bytes += u64::from(length);
        extent.bytes_since = extent.bytes_since.saturating_add(length);
        if extent.bytes_since < self.layout.table_bytes_min.max(extent.table_bytes) {
            return Ok(());
        }
        let table = self.days_of(number, head)?.table()?;
        let chunk = self.chunk(number, head, block.index_last(), &table, true, writes);
        let extent = &mut head.extent;
        (extent.table, extent.table_bytes) = (Some(chunk), u32::try_from(table.len()).unwrap_or(u32::MAX));
        extent.bytes_since = 0;
        extent.recent.clear();
        self.tables.put(number, table.into());
        Ok(())
    }

    fn chunk(
        &mut self,
        series: SeriesNumber,
        head: &mut Head,
        index_last: u64,
        stream: &[u8],
        table: bool,
        writes: &mut Writes,
    ) -> u64 {
        let number = self.next;
        let key = keys::number(Family::Chunk, number);
        writes.put(&key, chunk_payload(series, stream).finish(&key));
        self.made.push((series, index_last, table));
        self.next += 1;
        head.extent.chunks += 1;
        number
    }

    /// Everything that stands after the last move: last table, blocks since, open block.
    fn days_of(&mut self, number: SeriesNumber, head: &Head) -> Result<Days, Doubt> {
        let mut days = Days::default();
        let mut take = |bytes: &[u8]| moves(bytes)?.try_for_each(|step| days.apply(&step?));
        if let Some(table) = head.extent.table {
            match self.tables.get(number) {
                Some(table) => take(&table)?,
                None => take(&read_chunk(self.disk, number, table)?)?,
            }
        }
        for block in &head.extent.recent {
            match self.fresh.get(block) {
                Some(bytes) => take(bytes)?,
                None => take(&read_chunk(self.disk, number, *block)?)?,
            }
        }
        take(head.open.bytes())?;
        Ok(days)
    }

    /// Adds the directory row; gives what [`note_made`] needs once the commit is in.
    pub(super) fn finish(self, writes: &mut Writes) -> Vec<(SeriesNumber, u64, bool)> {
        if !self.made.is_empty() {
            let key = keys::number(Family::Directory, self.first);
            let mut writer = row::Writer::with_capacity(self.made.len() * 8);
            put(writer.buffer(), self.made.len() as u64);
            for (series, index_last, table) in &self.made {
                put(writer.buffer(), u64::from(*series) << 1 | u64::from(*table));
                put(writer.buffer(), *index_last);
            }
            writes.put(&key, writer.finish(&key));
        }
        self.made
    }
}

/// Makes chunks known to readers.
pub(super) fn note_made(heads: &[Arc<Head>], first: u64, made: &[(SeriesNumber, u64, bool)]) -> Result<(), Doubt> {
    for (number, (series, index_last, table)) in (first..).zip(made) {
        let head = heads.get(*series as usize).ok_or_else(|| Doubt(format!("history of unknown series {series}")))?;
        head.note(*index_last, number, *table);
    }
    Ok(())
}

/// Reads all directory rows into the series; gives the number of chunks.
pub(super) fn load_directory(disk: &Disk, heads: &[Arc<Head>]) -> Result<u64, Doubt> {
    let mut next = 0;
    disk.each(&keys::single(Family::Directory), &keys::after(Family::Directory), |key, value| {
        let bad = || row::doubt(key, "cannot be decoded");
        if keys::number_of(key) != Some(next) {
            return Err(row::doubt(key, "does not follow the directory row before"));
        }
        let mut cursor = Cursor::new(row::open(key, value)?);
        let mut made = Vec::new();
        for _ in 0..cursor.get().ok_or_else(bad)? {
            let series = cursor.get().ok_or_else(bad)?;
            let index_last = cursor.get().ok_or_else(bad)?;
            made.push((SeriesNumber::try_from(series >> 1).map_err(|_| bad())?, index_last, series & 1 == 1));
        }
        note_made(heads, next, &made)?;
        next += made.len() as u64;
        Ok(())
    })?;
    Ok(next)
}
