//! A log folded into read models, with the verdicts written in it: on start, and for a store made anew beside the live one.
//!
//! One batch is folded while the next is read, parsed and screened on all cores, and the rows it will ask for are read ahead. Two
//! batches are in flight at most.

use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use super::folding::Folding;
use super::halt::Halt;
use super::ready::{Ready, one_ahead, taken, things_ahead};
use crate::admit::screen::{Trust, screen};
use crate::catalogue::registry::Registry;
use crate::limits::COMMIT_BYTES_MAX;
use crate::log::entry::Entry;
use crate::log::tail::LogReader;
use crate::store::{Reader, parallel};

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
    items: impl Iterator<Item = Result<(u64, Vec<u8>), Halt>> + Send,
    until: u64,
    messages_max: usize,
    go_on: &mut dyn FnMut(u64, u64) -> bool,
) -> Result<(), Halt> {
    let registry = Mutex::new(folding.registry().clone());
    let screening = Screening { until, messages_max, registry: &registry, rows: folding.reader() };
    std::thread::scope(|scope| {
        let (sender, batches) = sync_channel(1);
        let thread = std::thread::Builder::new().name("replay-screen".to_owned());
        thread.spawn_scoped(scope, move || screening.run(items, &sender)).map_err(|error| Halt::thread(&error))?;
        for batch in batches {
            let batch: Batch = batch?;
            let folded = batch.until;
            fold(folding, batch)?;
            registry.lock().unwrap_or_else(PoisonError::into_inner).clone_from(folding.registry());
            if !go_on(folded, until) {
                break;
            }
        }
        Ok(())
    })
}

/// Entries of one commit, screened.
struct Batch {
    ready: Vec<Ready>,
    /// As it was known when they were screened.
    registry: Arc<Registry>,
    /// Index after the last.
    until: u64,
}

/// The side that reads and screens.
struct Screening<'a> {
    until: u64,
    messages_max: usize,
    /// The newest that the folding side knows.
    registry: &'a Mutex<Arc<Registry>>,
    rows: Reader,
}

impl Screening<'_> {
    /// Until the last entry, a failure, or nobody takes the batches any more.
    fn run(&self, items: impl Iterator<Item = Result<(u64, Vec<u8>), Halt>>, to: &SyncSender<Result<Batch, Halt>>) {
        let (mut texts, mut bytes) = (Vec::new(), 0);
        for item in items {
            let (index, text) = match item {
                Ok(item) => item,
                Err(halt) => return drop(to.send(Err(halt))),
            };
            if index >= self.until {
                return;
            }
            bytes += text.len();
            texts.push((index, text));
            let full = texts.len() >= self.messages_max || bytes >= COMMIT_BYTES_MAX;
            if (full || index + 1 == self.until) && to.send(self.batch(std::mem::take(&mut texts), index + 1)).is_err()
            {
                return;
            }
            if texts.is_empty() {
                bytes = 0;
            }
        }
    }

    fn batch(&self, texts: Vec<(u64, Vec<u8>)>, until: u64) -> Result<Batch, Halt> {
        let registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner).clone();
        // Before anything is read.
        let size = self.rows.position().size;
        let one = |(index, text): (u64, Vec<u8>)| {
            let entry = Entry::parse(&text).map_err(|fault| Halt::Entry { index, fault })?;
            Ok(one_ahead(entry, &registry, Trust::Log, (&self.rows, size)))
        };
        // The first fault in log order, whichever thread meets it.
        let ready: Vec<Result<Ready, Halt>> = parallel::map(texts, one);
        let mut ready = ready.into_iter().collect::<Result<Vec<Ready>, Halt>>()?;
        things_ahead(&self.rows, ready.iter_mut().map(|ready| &mut ready.ahead));
        Ok(Batch { ready, registry, until })
    }
}

fn fold(folding: &mut Folding, batch: Batch) -> Result<(), Halt> {
    let Batch { mut ready, registry, .. } = batch;
    folding.prepare(taken(&mut ready));
    for mut ready in ready {
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
