//! Records and things: packed by number as they first were; what changes later is appended and found by the lookup index.
//!
//! A row of records closes and is never written again. Each changed state is a row of its own under a running number, and the
//! index keeps the newest of these numbers under a key made of what it is and its number.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::disk::{Disk, Writes};
use super::index::Index;
use super::keys::{self, Family};
use super::row::{self, Cursor, put};
use crate::fold::lookup;
use crate::fold::rows::{Doubt, LookupKey, Record, Thing};

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
    if let Some(row) = index.get(disk, &changed_key::<T>(number))? {
        let key = keys::number(Family::Amended, row);
        let value = disk.get(&key)?.ok_or_else(|| row::doubt(&key, "is missing"))?;
        let (of, state): (u64, T) = row::unpack(&key, &value)?;
        return if of == number { Ok(Some(state)) } else { Err(row::doubt(&key, "is of another number")) };
    }
    read_first(disk, per_row, number)
}

/// Reads the state a number came with.
pub(super) fn read_first<T: Packed>(disk: &Disk, per_row: u16, number: u64) -> Result<Option<T>, Doubt> {
    let (row, place) = (number / u64::from(per_row), number % u64::from(per_row));
    let key = keys::number(T::FAMILY, row);
    let Some(value) = disk.get(&key)? else { return Ok(None) };
    match bodies(&key, &value)?.get(place as usize) {
        Some(body) => row::unpack_payload(&key, body).map(Some),
        None => Ok(None),
    }
}

fn bodies<'a>(key: &[u8], value: &'a [u8]) -> Result<Vec<&'a [u8]>, Doubt> {
    let mut cursor = Cursor::new(row::open(key, value)?);
    let mut bodies = Vec::new();
    while !cursor.is_empty() {
        let body = cursor.get().and_then(|length| cursor.take(length));
        bodies.push(body.ok_or_else(|| row::doubt(key, "cannot be decoded"))?);
    }
    Ok(bodies)
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
            Some(value) if bodies(&key, &value)?.len() as u64 == inside => row::open(&key, &value)?.to_vec(),
            None if inside == 0 => Vec::new(),
            _ => return Err(row::doubt(&key, "does not end where the store's position says")),
        };
        Ok(OpenRow { next, payload })
    }
}

/// What one commit writes of one kind.
pub(super) struct PackWriter {
    pub(super) per_row: u16,
    /// Number of the next row of a changed state.
    pub(super) next_amended: u64,
    /// Lookup keys of changed states.
    pub(super) lookups: Vec<(LookupKey, u64)>,
}

impl PackWriter {
    /// Writes states by number, ascending; new ones must follow the last without a hole.
    pub(super) fn write<'s, T: Packed + 's>(
        &mut self,
        open: &mut OpenRow,
        states: impl Iterator<Item = (&'s u64, &'s T)>,
        writes: &mut Writes,
    ) -> Result<(), Doubt> {
        let known = open.next;
        let mut body = Vec::new();
        for (number, state) in states {
            if *number < known {
                self.amend(*number, state, writes)?;
                continue;
            }
            if *number != open.next {
                return Err(Doubt(format!("{} {number} is written, but {} is the next", T::NAME, open.next)));
            }
            body.clear();
            row::pack_into(&mut body, state)?;
            put(&mut open.payload, body.len() as u64);
            open.payload.extend_from_slice(&body);
            open.next += 1;
            if open.next.is_multiple_of(self.per_row.into()) {
                put_row::<T>(open.next / u64::from(self.per_row) - 1, &open.payload, writes);
                open.payload.clear();
            }
        }
        if open.next != known && !open.payload.is_empty() {
            put_row::<T>(open.next / u64::from(self.per_row), &open.payload, writes);
        }
        Ok(())
    }

    fn amend<T: Packed>(&mut self, number: u64, state: &T, writes: &mut Writes) -> Result<(), Doubt> {
        let key = keys::number(Family::Amended, self.next_amended);
        writes.put(&key, row::pack(&key, &(number, state))?);
        self.lookups.push((changed_key::<T>(number), self.next_amended));
        self.next_amended += 1;
        Ok(())
    }
}

fn put_row<T: Packed>(row: u64, payload: &[u8], writes: &mut Writes) {
    let key = keys::number(T::FAMILY, row);
    let mut writer = row::Writer::with_capacity(payload.len());
    writer.buffer().extend_from_slice(payload);
    writes.put(&key, writer.finish(&key));
}
