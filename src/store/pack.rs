//! Records and things: packed by number as they first were; what changes later is appended and found by the lookup index.
//!
//! A row of records closes and is never written again. The changed states of a commit are packed into rows of their own under
//! running numbers, and the index keeps where the newest state is under a key made of what it is and its number.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::disk::{Disk, Writes};
use super::index::Index;
use super::keys::{self, Family};
use super::row::{self, Cursor, put};
use crate::fold::lookup;
use crate::fold::rows::{Doubt, LookupKey, Record, Thing};
use crate::limits::STORE_AMENDED_ROW_BYTES;

/// States in one row of changed states, at most: their places take so many bits of what the index keeps.
const AMENDED_PLACE_BITS: u32 = 5;

/// What is packed by number.
pub(super) trait Packed: Serialize + DeserializeOwned {
    const FAMILY: Family;
    const NAME: &'static str;
}

impl Packed for Record {
    const FAMILY: Family = Family::Record;
    const NAME: &'static str = "record";
}

impl Packed for Thing {
    const FAMILY: Family = Family::Thing;
    const NAME: &'static str = "thing";
}

fn changed_key<T: Packed>(number: u64) -> LookupKey {
    lookup::key("changed", &[T::NAME.as_bytes(), &number.to_be_bytes()])
}

/// Reads the newest state of a number.
pub(super) fn read<T: Packed>(disk: &Disk, index: &Index, per_row: u16, number: u64) -> Result<Option<T>, Doubt> {
    if let Some(at) = index.get(disk, &changed_key::<T>(number))? {
        let key = keys::number(Family::Amended, at >> AMENDED_PLACE_BITS);
        let value = disk.get(&key)?.ok_or_else(|| row::doubt(&key, "is missing"))?;
        let body = body(&key, &value, at % (1 << AMENDED_PLACE_BITS))?;
        let (of, state): (u64, T) = row::unpack_payload(&key, body.ok_or_else(|| row::doubt(&key, "is too short"))?)?;
        return if of == number { Ok(Some(state)) } else { Err(row::doubt(&key, "is of another number")) };
    }
    read_first(disk, per_row, number)
}

/// Reads the state a number came with.
pub(super) fn read_first<T: Packed>(disk: &Disk, per_row: u16, number: u64) -> Result<Option<T>, Doubt> {
    let (row, place) = (number / u64::from(per_row), number % u64::from(per_row));
    let key = keys::number(T::FAMILY, row);
    let Some(value) = disk.get(&key)? else { return Ok(None) };
    body(&key, &value, place)?.map(|body| row::unpack_payload(&key, body)).transpose()
}

fn bodies<'a>(key: &'a [u8], value: &'a [u8]) -> Result<impl Iterator<Item = Result<&'a [u8], Doubt>>, Doubt> {
    let mut cursor = Cursor::new(row::open(key, value)?);
    Ok(std::iter::from_fn(move || {
        let body = (!cursor.is_empty()).then(|| cursor.get().and_then(|length| cursor.take(length)))?;
        Some(body.ok_or_else(|| row::doubt(key, "cannot be decoded")))
    }))
}

fn body<'a>(key: &'a [u8], value: &'a [u8], place: u64) -> Result<Option<&'a [u8]>, Doubt> {
    for (at, body) in (0..).zip(bodies(key, value)?) {
        let body = body?;
        if at == place {
            return Ok(Some(body));
        }
    }
    Ok(None)
}

/// The row that is still open.
#[derive(Debug, Clone, Default)]
pub(super) struct OpenRow {
    /// Number of the next one.
    next: u64,
    payload: Vec<u8>,
}

impl OpenRow {
    /// Reads it back: `next` numbers are in the store.
    pub(super) fn load<T: Packed>(disk: &Disk, per_row: u16, next: u64) -> Result<Self, Doubt> {
        let (row, inside) = (next / u64::from(per_row), next % u64::from(per_row));
        let key = keys::number(T::FAMILY, row);
        let payload = match disk.get(&key)? {
            Some(value) if count(&key, &value)? == inside => row::open(&key, &value)?.to_vec(),
            None if inside == 0 => Vec::new(),
            _ => return Err(row::doubt(&key, "does not end where the store's position says")),
        };
        Ok(OpenRow { next, payload })
    }
}

fn count(key: &[u8], value: &[u8]) -> Result<u64, Doubt> {
    bodies(key, value)?.try_fold(0, |count, body| body.map(|_| count + 1))
}

/// What one commit writes, one kind after the other.
pub(super) struct PackWriter {
    /// Number of the next row of changed states.
    next_amended: u64,
    /// That row so far, and the states in it.
    amended: (Vec<u8>, u64),
    /// Lookup keys of changed states.
    lookups: Vec<(LookupKey, u64)>,
}

impl PackWriter {
    /// With the number of the next row of changed states, and the commit's own lookup keys.
    pub(super) fn new(next_amended: u64, lookups: Vec<(LookupKey, u64)>) -> Self {
        PackWriter { next_amended, amended: Default::default(), lookups }
    }

    /// Writes states by number, ascending; new ones must follow the last without a hole.
    pub(super) fn write<'s, T: Packed + 's>(
        &mut self,
        open: &mut OpenRow,
        per_row: u16,
        states: impl Iterator<Item = (&'s u64, &'s T)>,
        writes: &mut Writes,
    ) -> Result<(), Doubt> {
        let known = open.next;
        let per_row = u64::from(per_row);
        for (number, state) in states {
            if *number < known {
                self.amend(*number, state, writes)?;
                continue;
            }
            if *number != open.next {
                return Err(Doubt(format!("{} {number} is written, but {} is the next", T::NAME, open.next)));
            }
            put_body(&mut open.payload, state)?;
            open.next += 1;
            if open.next.is_multiple_of(per_row) {
                put_row(&keys::number(T::FAMILY, open.next / per_row - 1), &open.payload, writes);
                open.payload.clear();
            }
        }
        if open.next != known && !open.payload.is_empty() {
            put_row(&keys::number(T::FAMILY, open.next / per_row), &open.payload, writes);
        }
        Ok(())
    }

    fn amend<T: Packed>(&mut self, number: u64, state: &T, writes: &mut Writes) -> Result<(), Doubt> {
        let (payload, states) = &mut self.amended;
        put_body(payload, &(number, state))?;
        self.lookups.push((changed_key::<T>(number), self.next_amended << AMENDED_PLACE_BITS | *states));
        *states += 1;
        if *states == 1 << AMENDED_PLACE_BITS || payload.len() >= STORE_AMENDED_ROW_BYTES {
            self.close_amended(writes);
        }
        Ok(())
    }

    fn close_amended(&mut self, writes: &mut Writes) {
        put_row(&keys::number(Family::Amended, self.next_amended), &self.amended.0, writes);
        self.amended.0.clear();
        self.amended.1 = 0;
        self.next_amended += 1;
    }

    /// The number of the next row of changed states, and all lookup keys.
    pub(super) fn finish(mut self, writes: &mut Writes) -> (u64, Vec<(LookupKey, u64)>) {
        if self.amended.1 > 0 {
            self.close_amended(writes);
        }
        (self.next_amended, self.lookups)
    }
}

/// Appends a value behind its length.
fn put_body<T: Serialize>(payload: &mut Vec<u8>, value: &T) -> Result<(), Doubt> {
    let mut body = Vec::new();
    row::pack_into(&mut body, value)?;
    put(payload, body.len() as u64);
    payload.extend_from_slice(&body);
    Ok(())
}

fn put_row(key: &[u8], payload: &[u8], writes: &mut Writes) {
    let mut writer = row::Writer::with_capacity(payload.len());
    writer.buffer().extend_from_slice(payload);
    writes.put(key, writer.finish(key));
}
