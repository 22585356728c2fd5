//! A log folded into read models, with the verdicts written in it: on start, and for a store made anew beside the live one.

use std::sync::Arc;

use rayon::prelude::*;

use super::folding::Folding;
use super::halt::Halt;
use crate::admit::screen::{Screened, Trust, screen};
use crate::catalogue::registry::Registry;
use crate::limits::COMMIT_BYTES_MAX;
use crate::log::entry::Entry;
use crate::log::tail::LogReader;

/// An entry with what screening found, under which registry.
pub struct Ready {
    /// The entry, without verdict.
    pub entry: Entry,
    /// What screening found.
    pub screened: Screened,
}

/// Screens entries on all cores under one registry.
#[must_use]
pub fn screen_all(entries: Vec<Entry>, registry: &Registry, trust: Trust) -> Vec<Ready> {
    let ready = |entry: Entry| Ready { screened: screen(&entry, registry, trust), entry };
    if entries.len() < 4 {
        return entries.into_iter().map(ready).collect();
    }
    entries.into_par_iter().map(ready).collect()
}

/// Folds the entries from where `folding` is to before `until`, `messages_max` entries a commit. `go_on` is told (folded, of)
/// after each commit; where it says no, the folding stops there.
///
/// # Errors
/// [`Halt`].
pub fn replay(
    folding: &mut Folding,
    log: &LogReader,
    until: u64,
    messages_max: usize,
    go_on: &mut dyn FnMut(u64, u64) -> bool,
) -> Result<(), Halt> {
    let items = log.iter(folding.position().size).map(|item| item.map_err(Halt::from));
    replay_items(folding, items, until, messages_max, go_on)
}

/// As [`replay`], of entries from anywhere: index and text, from where `folding` is on.
///
/// # Errors
/// [`Halt`].
pub fn replay_items(
    folding: &mut Folding,
    items: impl Iterator<Item = Result<(u64, Vec<u8>), Halt>>,
    until: u64,
    messages_max: usize,
    go_on: &mut dyn FnMut(u64, u64) -> bool,
) -> Result<(), Halt> {
    let mut entries = Vec::new();
    let mut bytes = 0;
    for item in items {
        let (index, text) = item?;
        if index >= until {
            break;
        }
        let entry = Entry::parse(&text).map_err(|fault| Halt::Entry { index, fault })?;
        bytes += text.len();
        entries.push(entry);
        let full = entries.len() >= messages_max || bytes >= COMMIT_BYTES_MAX;
        if full || index + 1 == until {
            run(folding, std::mem::take(&mut entries))?;
            bytes = 0;
            if !go_on(index + 1, until) {
                break;
            }
        }
    }
    Ok(())
}

fn run(folding: &mut Folding, entries: Vec<Entry>) -> Result<(), Halt> {
    let registry = folding.registry().clone();
    for mut ready in screen_all(entries, &registry, Trust::Log) {
        let index = ready.entry.index;
        folding.check_rules(index)?;
        if !Arc::ptr_eq(&registry, folding.registry()) {
            ready.screened = screen(&ready.entry, folding.registry(), Trust::Log);
        }
        if ready.entry.state.is_some_and(|state| state != folding.digest()) {
            return Err(Halt::StateDiffers { index });
        }
        folding.fold_one(&ready.entry, ready.screened, ready.entry.ruling.as_ref())?;
        folding.commit_if_full()?;
    }
    folding.commit()
}
