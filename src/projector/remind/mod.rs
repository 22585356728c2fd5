//! Reminders: what is due, overdue, silent, disputed, refused. Each arises once, is listed, and goes to a webhook where one is set.
//!
//! Follows the commits like the announcer; what it does holds nothing back.

mod book;
pub mod due;
#[cfg(test)]
mod tests;
pub mod webhook;

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep, sleep_until};
use uuid::Uuid;

use self::book::Book;
pub use self::due::Reminder;
use self::webhook::{Called, Webhook, pause};
use super::halt::Halt;
use super::shared::Shared;
use crate::event::Time;
use crate::limits::{REMIND_EVERY_MS, REMIND_LOOK_MS, WEBHOOK_REFUSALS_MAX};
use crate::log::entry::Entry;

/// Reminds until it is aborted. `file` is the book; without a webhook reminders are listed only.
///
/// # Errors
/// The book cannot be opened.
pub fn start(shared: Shared, file: &Path, webhook: Option<Webhook>) -> io::Result<Vec<tokio::task::JoinHandle<()>>> {
    let book = Book::open(file)?;
    shared.set_reminders(book.newest());
    let (book, fresh) = (Arc::new(Mutex::new(book)), Arc::new(Notify::new()));
    let mut tasks = vec![tokio::spawn(look(shared, book.clone(), fresh.clone()))];
    if let Some(webhook) = webhook {
        tasks.push(tokio::spawn(deliver(book, Arc::new(webhook), fresh)));
    }
    Ok(tasks)
}

async fn look(shared: Shared, book: Arc<Mutex<Book>>, fresh: Arc<Notify>) {
    let mut sizes = shared.sizes();
    loop {
        let began = Instant::now();
        sizes.mark_unchanged();
        let (held, written) = (shared.clone(), book.clone());
        let looked = tokio::task::spawn_blocking(move || look_once(&held, &written)).await;
        match looked {
            Ok(Ok(0)) => {}
            Ok(Ok(_)) => fresh.notify_one(),
            Ok(Err(why)) => tracing::warn!(why, "reminders come later"),
            Err(_) => return,
        }
        sleep_until(began + Duration::from_millis(REMIND_EVERY_MS)).await;
        // Now and then also where nothing is reported: days pass.
        tokio::select! {
            changed = sizes.changed() => if changed.is_err() { return },
            () = sleep(Duration::from_millis(REMIND_LOOK_MS)) => {}
        }
    }
}

/// Looks at the figures and at entries since; how many reminders are new.
///
/// # Errors
/// Why it could not, for the operator.
fn look_once(shared: &Shared, book: &Mutex<Book>) -> Result<usize, String> {
    let (size, mut reminders) =
        of_figures(shared).inspect_err(|halt| shared.doubt(halt)).map_err(|halt| halt.to_string())?;
    let (reader, registry) = (shared.reader(), shared.registry());
    let simulated = registry.simulated;
    let indicator_of = |agency: &str, id: &Uuid| {
        let (_, record) = reader.record_by_id(agency, id).ok()??;
        let state = record.effects.iter().find_map(|effect| registry.indicator(effect.indicator))?;
        Some(state.definition().id.clone())
    };
    // A book begun beside a ledger that has entries begins with those to come.
    let from = book.lock().unwrap_or_else(PoisonError::into_inner).size.unwrap_or(size);
    for item in shared.log().iter(from) {
        let (index, text) = item.map_err(|fault| fault.to_string())?;
        if index >= size {
            break;
        }
        let entry = Entry::parse(&text).map_err(|fault| format!("entry {index}: {fault}"))?;
        reminders.extend(due::of_entry(&entry, simulated, &indicator_of));
    }
    let mut book = book.lock().unwrap_or_else(PoisonError::into_inner);
    let added = book.add(reminders, size).map_err(|error| error.to_string())?;
    if added > 0 {
        shared.set_reminders(book.newest());
    }
    Ok(added)
}

fn of_figures(shared: &Shared) -> Result<(u64, Vec<Reminder>), Halt> {
    let today = Time::now().day();
    let now = shared.now(today)?;
    let view = now.all()?;
    let of = |indicator| due::of_indicator(indicator, today, view.simulated);
    Ok((now.moment.size, view.indicators.iter().flat_map(of).collect()))
}

/// What to do after a call.
#[derive(Debug, PartialEq, Eq)]
enum Then {
    /// It is done with: on to the next one.
    Next,
    /// The same again, after a pause.
    Again(Duration),
    /// Nothing any more.
    End,
}

/// Calls that failed in a row, and those that refused this reminder.
#[derive(Debug, Default)]
struct Failures {
    all: u32,
    refusals: u32,
}

impl Failures {
    /// A reminder that the receiver refuses again and again holds up no other. The pause grows all the same: one who refuses
    /// everything has hours to be put right before much is given up.
    fn after(&mut self, called: &Called) -> Then {
        match called {
            Called::Taken => {
                *self = Failures::default();
                return Then::Next;
            }
            Called::Gone => return Then::End,
            Called::Refused(_) => self.refusals += 1,
            Called::Later(_) => {}
        }
        let pause = pause(self.all);
        self.all += 1;
        if self.refusals >= WEBHOOK_REFUSALS_MAX {
            self.refusals = 0;
            return Then::Next;
        }
        Then::Again(pause)
    }
}

/// One after the other, in the order in which they arose; a webhook that fails is tried again, ever later.
async fn deliver(book: Arc<Mutex<Book>>, webhook: Arc<Webhook>, fresh: Arc<Notify>) {
    let mut failures = Failures::default();
    loop {
        let next = book.lock().unwrap_or_else(PoisonError::into_inner).undelivered().cloned();
        let Some(reminder) = next else {
            fresh.notified().await;
            continue;
        };
        let (calling, id) = (webhook.clone(), reminder.id.clone());
        let Ok(called) = tokio::task::spawn_blocking(move || calling.call(&reminder)).await else { return };
        let first = failures.all == 0;
        match (failures.after(&called), called) {
            (Then::Next, called) => {
                if let Called::Refused(why) = called {
                    tracing::warn!(why, id, "the webhook refuses a reminder; it is given up, see /v1/reminders");
                }
                if let Err(error) = book.lock().unwrap_or_else(PoisonError::into_inner).delivered(&id) {
                    tracing::warn!(%error, "a delivered reminder could not be noted; it may come twice");
                    return;
                }
            }
            (Then::Again(pause), Called::Later(why) | Called::Refused(why)) => {
                if first {
                    tracing::warn!(why, id, "the webhook takes no reminder; it is tried again");
                }
                sleep(pause).await;
            }
            _ => {
                tracing::warn!("the webhook is gone (410): no reminder is sent any more");
                return;
            }
        }
    }
}
