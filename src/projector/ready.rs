//! Entries screened on all cores, ready to be folded in order.

use crate::admit::screen::{Screened, Trust, screen};
use crate::catalogue::registry::Registry;
use crate::fold::ahead::Ahead;
use crate::fold::rows::Rows as _;
use crate::limits::SCREEN_ALONE_ENTRIES;
use crate::log::entry::Entry;
use crate::store::{Reader, parallel};

/// An entry with what screening found, under which registry.
pub struct Ready {
    /// The entry, without verdict.
    pub entry: Entry,
    /// What screening found.
    pub screened: Screened,
    /// Rows that folding it will ask for.
    pub ahead: Ahead,
}

/// The rows that were read ahead for them.
pub(super) fn taken(ready: &mut [Ready]) -> impl Iterator<Item = Ahead> {
    ready.iter_mut().map(|ready| std::mem::take(&mut ready.ahead))
}

/// Screens entries on all cores under one registry.
#[must_use]
pub fn screen_all(entries: Vec<Entry>, registry: &Registry, trust: Trust) -> Vec<Ready> {
    let ready = |entry: Entry| Ready { screened: screen(&entry, registry, trust), entry, ahead: Ahead::default() };
    if entries.len() < SCREEN_ALONE_ENTRIES {
        return entries.into_iter().map(ready).collect();
    }
    parallel::map(entries, ready)
}

/// As [`screen_all`] with nothing taken on trust; of many entries the rows that folding will ask for are read ahead.
#[must_use]
pub fn screen_ahead(entries: Vec<Entry>, registry: &Registry, rows: &Reader) -> Vec<Ready> {
    if entries.len() < SCREEN_ALONE_ENTRIES {
        return screen_all(entries, registry, Trust::Nothing);
    }
    let size = rows.position().size;
    let mut ready = parallel::map(entries, |entry| one_ahead(entry, registry, Trust::Nothing, (rows, size)));
    things_ahead(rows, ready.iter_mut().map(|ready| &mut ready.ahead));
    ready
}

/// Reads the things that a batch of reports will ask for, each once, on all cores; the first of the reports carries them.
pub fn things_ahead<'a>(rows: &Reader, aheads: impl Iterator<Item = &'a mut Ahead>) {
    let mut aheads: Vec<&mut Ahead> = aheads.collect();
    let numbers = Ahead::wanted(&aheads);
    // What cannot be read is left out: the fold meets it, and says so.
    let read = |number| rows.thing(number).ok().flatten().map(|thing| (number, thing));
    let things = parallel::map(numbers, read).into_iter().flatten().collect();
    if let Some(first) = aheads.first_mut() {
        first.adopt(things);
    }
}

/// Screens one entry, and reads ahead from rows that are folded up to that size at least.
pub(super) fn one_ahead(entry: Entry, registry: &Registry, trust: Trust, (rows, size): (&Reader, u64)) -> Ready {
    let mut screened = screen(&entry, registry, trust);
    let ahead = Ahead::read(rows, size, &screened);
    screened.lighten();
    Ready { entry, screened, ahead }
}
