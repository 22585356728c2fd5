//! Statements of a series, day by day: what stood when the winner falls.
//!
//! The row of a day holds its winners and the newest few statements; older ones move to pages under a running number, each
//! page naming the one before. Setting a statement again, or removing it, is one more entry: the newest one holds. So a
//! commit touches one small row per series and day, and only a fallen winner makes anyone read the pages.

use std::collections::HashSet;

use super::disk::{Disk, Writes};
use super::keys::{self, Family};
use super::moves::{Packer, get_statement, moves, put_statement};
use super::row::{self, Cursor, put, put_signed};
use crate::event::{Day, Time};
use crate::fold::rows::{Doubt, Move, Ordinal, SeriesNumber, Statement, Step};

/// A statement set, or removed.
type Entry = (Time, Ordinal, Option<Statement>);

/// Winners of a day: of all statements, of verified ones.
pub(super) type Winners = (Option<Statement>, Option<Statement>);

/// The row of a day, read.
#[derive(Default)]
struct DayRow {
    winners: Winners,
    /// Number of the newest page and one; 0: none.
    page: u64,
    pages: u64,
    tail: Vec<Entry>,
}

fn put_entry(buffer: &mut Vec<u8>, day: Day, (time, ordinal, statement): &Entry) {
    buffer.push(u8::from(statement.is_some()));
    match statement {
        Some(statement) => put_statement(buffer, day, statement),
        None => {
            put_signed(buffer, time.ns().into());
            put(buffer, *ordinal);
        }
    }
}

fn get_entries(cursor: &mut Cursor<'_>, day: Day) -> Option<Vec<Entry>> {
    let mut entries = Vec::new();
    while !cursor.is_empty() {
        entries.push(if cursor.byte()? == 0 {
            (Time::from_ns(cursor.get_i64()?), cursor.get()?, None)
        } else {
            let statement = get_statement(cursor, day)?;
            (statement.time, statement.ordinal, Some(statement))
        });
    }
    Some(entries)
}

impl DayRow {
    fn read(disk: &Disk, series: SeriesNumber, day: Day) -> Result<Option<Self>, Doubt> {
        let key = keys::day(series, day.number());
        let Some(value) = disk.get(&key)? else { return Ok(None) };
        let bad = || row::doubt(&key, "cannot be decoded");
        let mut cursor = Cursor::new(row::open(&key, &value)?);
        let winners = cursor.get().and_then(|length| cursor.take(length)).ok_or_else(bad)?;
        let winners = match moves(winners)?.next().transpose()?.map(|step| step.step) {
            Some(Step::State { reported, verified }) => (reported, verified),
            _ => (None, None),
        };
        let page = cursor.get().ok_or_else(bad)?;
        let pages = cursor.get().ok_or_else(bad)?;
        let tail = get_entries(&mut cursor, day).ok_or_else(bad)?;
        Ok(Some(DayRow { winners, page, pages, tail }))
    }

    fn put(&self, series: SeriesNumber, day: Day, writes: &mut Writes) -> Result<(), Doubt> {
        let mut packer = Packer::default();
        let (reported, verified) = self.winners;
        packer.push(&Move { index: 0, day, step: Step::State { reported, verified } })?;
        let key = keys::day(series, day.number());
        let mut writer = row::Writer::new();
        let buffer = writer.buffer();
        put(buffer, packer.bytes().len() as u64);
        buffer.extend_from_slice(packer.bytes());
        put(buffer, self.page);
        put(buffer, self.pages);
        self.tail.iter().for_each(|entry| put_entry(buffer, day, entry));
        writes.put(&key, writer.finish(&key));
        Ok(())
    }

    /// Moves the tail to a page once it is full; pages grow with their number, so long days have few.
    fn spill(&mut self, series: SeriesNumber, day: Day, limit: u32, next: &mut u64, writes: &mut Writes) {
        if self.tail.len() < limit as usize * (1 + (self.pages / 4).min(15) as usize) {
            return;
        }
        let key = keys::number(Family::Page, *next);
        let mut writer = row::Writer::new();
        let buffer = writer.buffer();
        put(buffer, series.into());
        put_signed(buffer, day.number().into());
        put(buffer, self.page);
        self.tail.iter().for_each(|entry| put_entry(buffer, day, entry));
        writes.put(&key, writer.finish(&key));
        *next += 1;
        (self.page, self.pages) = (*next, self.pages + 1);
        self.tail.clear();
    }
}

/// Writes what one commit changes on one day: entries in the order of their keys, and the winners where they moved.
/// `next` is the number of the next page.
pub(super) fn write(
    disk: &Disk,
    (series, day): (SeriesNumber, Day),
    entries: &[Entry],
    winners: Option<Winners>,
    (limit, next): (u32, &mut u64),
    writes: &mut Writes,
) -> Result<(), Doubt> {
    let mut row = DayRow::read(disk, series, day)?.unwrap_or_default();
    row.winners = winners.unwrap_or(row.winners);
    for entry in entries {
        row.tail.push(*entry);
        row.spill(series, day, limit, next, writes);
    }
    row.put(series, day, writes)
}

/// Winners of a day.
pub(super) fn winners(disk: &Disk, series: SeriesNumber, day: Day) -> Result<Winners, Doubt> {
    Ok(DayRow::read(disk, series, day)?.unwrap_or_default().winners)
}

/// Statements that stand on a day, greatest (time, ordinal) first.
pub(super) fn standing(disk: &Disk, series: SeriesNumber, day: Day) -> Result<Vec<Statement>, Doubt> {
    let Some(row) = DayRow::read(disk, series, day)? else { return Ok(Vec::new()) };
    let (mut seen, mut standing) = (HashSet::new(), Vec::new());
    let mut take = |entries: &[Entry]| {
        for (time, ordinal, statement) in entries.iter().rev() {
            if seen.insert((*time, *ordinal)) {
                standing.extend(*statement);
            }
        }
    };
    take(&row.tail);
    let mut page = row.page;
    while let Some(number) = page.checked_sub(1) {
        let key = keys::number(Family::Page, number);
        let value = disk.get(&key)?.ok_or_else(|| row::doubt(&key, "is missing"))?;
        let bad = || row::doubt(&key, "is not the page it should be");
        let mut cursor = Cursor::new(row::open(&key, &value)?);
        let whose = (cursor.get(), cursor.get_signed());
        page = cursor.get().filter(|before| *before <= number).ok_or_else(bad)?;
        if whose != (Some(series.into()), Some(day.number().into())) {
            return Err(bad());
        }
        take(&get_entries(&mut cursor, day).ok_or_else(bad)?);
    }
    standing.sort_unstable_by_key(|statement| std::cmp::Reverse((statement.time, statement.ordinal)));
    Ok(standing)
}
