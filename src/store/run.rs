//! A sorted run of lookup keys: rows of keys in key order, and a filter that says where a key can be.
//!
//! Keys are uniform hashes, so the filter needs no hashing of its own: the leading bits of a key choose a bucket of about
//! eight keys, and the filter holds two more bytes of each key in the run, in order. It takes 20 bits a key, is wrong once in
//! eight thousand lookups, and the place of a match is the place of the key: one row is read, never two. Runs never change.

use super::disk::{Disk, Writes};
use super::keys::{self, Family};
use super::numbers::Name;
use super::row::{self, Cursor, put};
use crate::fold::rows::{Doubt, LookupKey};

/// Bytes of a key and its number in a row.
const ENTRY_BYTES: usize = 24;
/// Keys per bucket, about.
const BUCKET_KEYS: u64 = 8;
/// Buckets in one filter row: about 17 kB.
const FILTER_BUCKETS: usize = 1_024;

/// A run as kept in memory.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) name: Name,
    pub(super) level: u8,
    entries: u64,
    row_keys: u32,
    /// Place of the first key of each bucket, and the number of keys at the end.
    starts: Vec<u32>,
    prints: Vec<u16>,
}

fn bucket(key: &LookupKey, buckets: usize) -> usize {
    let [a, b, c, d, e, f, g, h, ..] = *key;
    let lead = u64::from_be_bytes([a, b, c, d, e, f, g, h]);
    ((u128::from(lead) * buckets as u128) >> 64) as usize
}

fn print(key: &LookupKey) -> u16 {
    u16::from_le_bytes([key[14], key[15]])
}

impl Run {
    /// Keys in it.
    pub(super) fn len(&self) -> u64 {
        self.entries
    }

    /// Rows that hold its keys.
    fn rows(&self) -> u32 {
        self.entries.div_ceil(self.row_keys.into()) as u32
    }

    fn filter_rows(&self) -> u32 {
        (self.starts.len() - 1).div_ceil(FILTER_BUCKETS) as u32
    }

    /// The number kept under a key.
    pub(super) fn get(&self, disk: &Disk, key: &LookupKey) -> Result<Option<u64>, Doubt> {
        let bucket = bucket(key, self.starts.len() - 1);
        let (from, to) = (self.starts[bucket], self.starts[bucket + 1]);
        let wanted = print(key);
        // Merged runs may hold a key more than once, its newest number last.
        for place in (from..to).rev() {
            if self.prints[place as usize] != wanted {
                continue;
            }
            let row_key = keys::pair(Family::RunRow, self.name.number, place / self.row_keys);
            let value = disk.get(&row_key)?.ok_or_else(|| row::doubt(&row_key, "is missing"))?;
            let entries = row::open(&keys::aged(&row_key, self.name.age), &value)?;
            let at = (place % self.row_keys) as usize * ENTRY_BYTES;
            let Some(entry) = entries.get(at..at + ENTRY_BYTES) else {
                return Err(row::doubt(&row_key, "is too short"));
            };
            if entry[..16] == key[..] {
                return Ok(Some(number_of(entry)));
            }
        }
        Ok(None)
    }

    /// The row that makes the run part of the store.
    pub(super) fn put(&self, writes: &mut Writes) {
        let key = keys::number(Family::Run, self.name.number.into());
        let mut writer = row::Writer::new();
        for value in [u64::from(self.name.age), u64::from(self.level), self.entries, self.starts.len() as u64 - 1] {
            put(writer.buffer(), value);
        }
        writes.put(&key, writer.finish(&key));
    }

    pub(super) fn remove(&self, writes: &mut Writes) {
        writes.remove(&keys::number(Family::Run, self.name.number.into()));
    }

    /// Reads size and filter of a run.
    pub(super) fn load(disk: &Disk, key: &[u8], value: &[u8], row_keys: u32) -> Result<Self, Doubt> {
        let bad = || row::doubt(key, "cannot be decoded");
        let mut cursor = Cursor::new(row::open(key, value)?);
        let number = keys::number_of(key).and_then(|number| u32::try_from(number).ok()).ok_or_else(bad)?;
        let age = cursor.get().and_then(|age| u32::try_from(age).ok()).ok_or_else(bad)?;
        let level = cursor.get().and_then(|level| u8::try_from(level).ok()).ok_or_else(bad)?;
        let entries = cursor.get().filter(|entries| *entries < u32::MAX.into()).ok_or_else(bad)?;
        let buckets = cursor.get().filter(|buckets| *buckets == entries / BUCKET_KEYS + 1).ok_or_else(bad)?;
        let mut run = Run { name: Name { number, age }, level, entries, row_keys, starts: vec![0], prints: Vec::new() };
        for part in 0..(buckets as usize).div_ceil(FILTER_BUCKETS) {
            let key = keys::pair(Family::Filter, number, part as u32);
            let value = disk.get(&key)?.ok_or_else(|| row::doubt(&key, "is missing"))?;
            run.read_filter(row::open(&keys::aged(&key, age), &value)?)
                .ok_or_else(|| row::doubt(&key, "cannot be decoded"))?;
        }
        let whole = run.starts.len() as u64 == buckets + 1 && run.prints.len() as u64 == entries;
        if whole { Ok(run) } else { Err(bad()) }
    }

    fn read_filter(&mut self, payload: &[u8]) -> Option<()> {
        let mut cursor = Cursor::new(payload);
        let buckets = cursor.get()?;
        for _ in 0..buckets {
            let count = u32::try_from(cursor.get()?).ok()?;
            self.starts.push(self.starts.last()?.checked_add(count)?);
        }
        let prints = cursor.rest().chunks_exact(2);
        self.prints.extend(prints.map(|bytes| u16::from_le_bytes([bytes[0], bytes[1]])));
        (self.prints.len() == *self.starts.last()? as usize).then_some(())
    }

    fn filter_row(&self, part: u32) -> Vec<u8> {
        let from = part as usize * FILTER_BUCKETS;
        let to = (from + FILTER_BUCKETS).min(self.starts.len() - 1);
        let mut writer = row::Writer::with_capacity(FILTER_BUCKETS * 17);
        put(writer.buffer(), (to - from) as u64);
        for bucket in from..to {
            put(writer.buffer(), u64::from(self.starts[bucket + 1] - self.starts[bucket]));
        }
        for print in &self.prints[self.starts[from] as usize..self.starts[to] as usize] {
            writer.buffer().extend_from_slice(&print.to_le_bytes());
        }
        writer.finish(&keys::aged(&keys::pair(Family::Filter, self.name.number, part), self.name.age))
    }

    /// All keys in order.
    pub(super) fn scan<'a>(&'a self, disk: &'a Disk) -> Scan<'a> {
        Scan { run: self, disk, row: 0, entries: Vec::new(), at: 0 }
    }
}

/// The number of an entry, or the other way round: masked with the end of its key. With the zeros of small numbers sled would
/// squeeze a fifth out of rows that do not compress otherwise, and unpacking that took half of the time of a cold lookup.
fn mask(key: &[u8], number: &[u8]) -> u64 {
    let masked = number.iter().zip(&key[8..]).map(|(number, key)| number ^ key);
    masked.fold(0, |number, byte| number << 8 | u64::from(byte))
}

fn number_of(entry: &[u8]) -> u64 {
    mask(&entry[..16], &entry[16..])
}

/// Reads a run from its first key to its last.
pub(super) struct Scan<'a> {
    run: &'a Run,
    disk: &'a Disk,
    row: u32,
    entries: Vec<u8>,
    at: usize,
}

impl Scan<'_> {
    /// The next key and its number.
    pub(super) fn next(&mut self) -> Result<Option<(LookupKey, u64)>, Doubt> {
        if self.at >= self.entries.len() {
            if self.row == self.run.rows() {
                return Ok(None);
            }
            let key = keys::pair(Family::RunRow, self.run.name.number, self.row);
            let value = self.disk.get(&key)?.ok_or_else(|| row::doubt(&key, "is missing"))?;
            self.entries = row::open(&keys::aged(&key, self.run.name.age), &value)?.to_vec();
            (self.row, self.at) = (self.row + 1, 0);
        }
        let Some(entry) = self.entries.get(self.at..self.at + ENTRY_BYTES) else {
            return Err(Doubt(format!("run {} of the lookup index ends in the middle", self.run.name.number)));
        };
        self.at += ENTRY_BYTES;
        let mut key = LookupKey::default();
        key.copy_from_slice(&entry[..16]);
        Ok(Some((key, number_of(entry))))
    }
}

/// Writes a run from keys given in order.
pub(super) struct Builder {
    run: Run,
    row: Vec<u8>,
    rows: u32,
}

impl Builder {
    /// For exactly `entries` keys.
    pub(super) fn new(name: Name, level: u8, entries: u64, row_keys: u32) -> Self {
        let buckets = (entries / BUCKET_KEYS + 1) as usize;
        let mut starts = Vec::with_capacity(buckets + 1);
        starts.push(0);
        let prints = Vec::with_capacity(entries as usize);
        Builder { run: Run { name, level, entries, row_keys, starts, prints }, row: Vec::new(), rows: 0 }
    }

    /// Adds the next key; a full row goes to `writes`.
    pub(super) fn push(&mut self, key: &LookupKey, number: u64, writes: &mut Writes) {
        let bucket = bucket(key, (self.run.entries / BUCKET_KEYS + 1) as usize);
        let place = self.run.prints.len() as u32;
        while self.run.starts.len() <= bucket {
            self.run.starts.push(place);
        }
        self.run.prints.push(print(key));
        self.row.extend_from_slice(key);
        self.row.extend_from_slice(&mask(key, &number.to_be_bytes()).to_be_bytes());
        if self.row.len() == self.run.row_keys as usize * ENTRY_BYTES {
            self.write_row(writes);
        }
    }

    fn write_row(&mut self, writes: &mut Writes) {
        let key = keys::pair(Family::RunRow, self.run.name.number, self.rows);
        let mut writer = row::Writer::with_capacity(self.row.len());
        writer.buffer().append(&mut self.row);
        writes.put(&key, writer.finish(&keys::aged(&key, self.run.name.age)));
        self.rows += 1;
    }

    /// The run; its last row and its filter go to `writes`. Not part of the store until [`Run::put`].
    pub(super) fn finish(mut self, writes: &mut Writes) -> Result<Run, Doubt> {
        if self.run.prints.len() as u64 != self.run.entries {
            return Err(Doubt(format!(
                "run {} of the lookup index should have {} keys, has {}",
                self.run.name.number,
                self.run.entries,
                self.run.prints.len()
            )));
        }
        if !self.row.is_empty() {
            self.write_row(writes);
        }
        let buckets = (self.run.entries / BUCKET_KEYS + 1) as usize;
        self.run.starts.resize(buckets + 1, self.run.prints.len() as u32);
        for part in 0..self.run.filter_rows() {
            writes.put(&keys::pair(Family::Filter, self.run.name.number, part), self.run.filter_row(part));
        }
        Ok(self.run)
    }
}
