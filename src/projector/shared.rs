//! What readers hold while the projector writes: the store's reader, the log, the registry now and as of a size, health.
//!
//! Never writes. Readers survive a store that is set aside and made anew: they ask again through [`Shared`].

use std::sync::{Arc, Mutex, PoisonError, RwLock};

use tokio::sync::watch;

use super::folding::registry_beside;
use super::halt::Halt;
use super::meters::Meters;
use super::rebuild::Ask;
use super::registries::Registries;
use super::remind::Reminder;
use crate::catalogue::registry::Registry;
use crate::event::Time;
use crate::log::entry::Entry;
use crate::log::tail::{LogReader, TailFault};
use crate::store::{Reader, View};
use crate::stream::Past;

/// How the projector is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// Opening log and store.
    Starting,
    /// Folding what is behind: entries folded, messages known to be waiting.
    CatchingUp {
        /// Folded.
        size: u64,
        /// Waiting.
        waiting: u64,
    },
    /// Caught up.
    Ready,
    /// NATS does not answer; figures are served as they are.
    Disconnected,
    /// About to end: figures are served until then, and readers are asked to go elsewhere.
    Stopping,
    /// Intake stopped with a finding; figures are served as they are.
    Halted(String),
}

/// How much of the log is proven.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Proof {
    /// Entries that the published checkpoint covers.
    pub size: u64,
    /// Why it does not move, for people; `None` while it follows.
    pub trouble: Option<String>,
}

/// The handle readers share. Cheap to clone.
#[derive(Clone)]
pub struct Shared {
    inner: Arc<Inner>,
}

struct Inner {
    held: RwLock<Held>,
    size: watch::Sender<u64>,
    health: watch::Sender<Health>,
    proof: watch::Sender<Proof>,
    past: Registries,
    doubt: Mutex<Option<String>>,
    ask: Mutex<Option<Ask>>,
    meters: Meters,
    reminders: Mutex<Arc<Vec<Reminder>>>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Shared").field("size", &*self.inner.size.borrow()).finish_non_exhaustive()
    }
}

/// The reader of the stream holds what it reads against the log.
impl Past for Shared {
    fn size(&self) -> u64 {
        self.log().size()
    }

    fn entry(&self, index: u64) -> Option<Entry> {
        Past::entry(&self.log(), index)
    }
}

struct Held {
    reader: Reader,
    shown: Shown,
    log: LogReader,
}

/// What was shown last, all of one commit. A [`Reader`] follows the store and may be a commit ahead of the registry.
#[derive(Clone)]
pub struct Shown {
    /// The store as of that commit.
    pub view: View,
    /// The registry as of that commit.
    pub registry: Arc<Registry>,
}

impl Shown {
    fn of(reader: &Reader, registry: Arc<Registry>) -> Self {
        Shown { view: reader.view(), registry }
    }

    /// Entries folded.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.view.position().size
    }
}

impl Shared {
    /// Over an open ledger.
    #[must_use]
    pub fn new(reader: Reader, log: LogReader, registry: Arc<Registry>) -> Self {
        let shown = Shown::of(&reader, registry);
        let size = shown.size();
        let inner = Inner {
            held: RwLock::new(Held { reader, shown, log }),
            size: watch::Sender::new(size),
            health: watch::Sender::new(Health::Starting),
            proof: watch::Sender::new(Proof::default()),
            past: Registries::default(),
            doubt: Mutex::new(None),
            ask: Mutex::new(None),
            meters: Meters::default(),
            reminders: Mutex::default(),
        };
        Shared { inner: Arc::new(inner) }
    }

    /// Reads the store as of its last commit.
    #[must_use]
    pub fn reader(&self) -> Reader {
        self.inner.held.read().unwrap_or_else(PoisonError::into_inner).reader.clone()
    }

    /// View and registry that belong together.
    #[must_use]
    pub fn shown(&self) -> Shown {
        self.inner.held.read().unwrap_or_else(PoisonError::into_inner).shown.clone()
    }

    /// Reads the log.
    #[must_use]
    pub fn log(&self) -> LogReader {
        self.inner.held.read().unwrap_or_else(PoisonError::into_inner).log.clone()
    }

    /// The registry as of the last commit.
    #[must_use]
    pub fn registry(&self) -> Arc<Registry> {
        self.shown().registry
    }

    /// The registry as of a log size: governance is folded anew, and the last few results are kept.
    ///
    /// # Errors
    /// [`Halt`] where rows cannot be trusted.
    pub fn registry_at(&self, size: u64) -> Result<Arc<Registry>, Halt> {
        let (reader, shown) = {
            let held = self.inner.held.read().unwrap_or_else(PoisonError::into_inner);
            (held.reader.clone(), held.shown.clone())
        };
        if size >= shown.size() {
            return Ok(shown.registry);
        }
        if let Some(known) = self.inner.past.at(size) {
            return Ok(known);
        }
        let rows = reader.governance_until(size)?;
        let from = rows.last().map_or(0, |row| row.index + 1);
        self.inner.past.since(from, size, || registry_beside(&shown.registry, &rows))
    }

    /// Entries recorded by then, by the running maximum of `recorded`.
    ///
    /// # Errors
    /// [`TailFault`].
    pub fn size_at(&self, time: Time) -> Result<u64, TailFault> {
        Ok(self.log().size_at(time)?.min(*self.inner.size.borrow()))
    }

    /// Entries folded, as it grows.
    #[must_use]
    pub fn sizes(&self) -> watch::Receiver<u64> {
        self.inner.size.subscribe()
    }

    /// How the projector is doing, as it changes.
    #[must_use]
    pub fn health(&self) -> watch::Receiver<Health> {
        self.inner.health.subscribe()
    }

    /// How much of the log is proven, as it grows.
    #[must_use]
    pub fn proof(&self) -> watch::Receiver<Proof> {
        self.inner.proof.subscribe()
    }

    /// The newest reminders, oldest of them first.
    #[must_use]
    pub fn reminders(&self) -> Arc<Vec<Reminder>> {
        self.inner.reminders.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn set_reminders(&self, newest: Vec<Reminder>) {
        *self.inner.reminders.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(newest);
    }

    /// What is counted for the operator.
    #[must_use]
    pub fn meters(&self) -> &Meters {
        &self.inner.meters
    }

    /// Entries that the published checkpoint covers, here or adopted from the writer; 0 where none is known.
    #[must_use]
    pub fn proven_size(&self) -> u64 {
        self.inner.proof.borrow().size
    }

    pub(super) fn set_proof(&self, proof: Proof) {
        self.inner.proof.send_if_modified(|held| {
            let changed = *held != proof;
            *held = proof;
            changed
        });
    }

    pub(super) fn set_proven(&self, size: u64) {
        let trouble = self.inner.proof.borrow().trouble.clone();
        self.set_proof(Proof { size, trouble });
    }

    pub(super) fn set_proof_trouble(&self, trouble: Option<String>) {
        let size = self.proven_size();
        self.set_proof(Proof { size, trouble });
    }

    /// A reader met rows that cannot be trusted: the committing side makes the store anew. Anything else is no matter.
    pub fn doubt(&self, met: &Halt) {
        if met.is_doubt() {
            let mut doubt = self.inner.doubt.lock().unwrap_or_else(PoisonError::into_inner);
            doubt.get_or_insert_with(|| met.to_string());
        }
    }

    /// What readers met since this was asked last.
    pub(super) fn take_doubt(&self) -> Option<String> {
        self.inner.doubt.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Asks the committing side to make the read models anew; one that was asked for before and not begun yet is given up.
    pub fn ask_rebuild(&self, ask: Ask) {
        *self.inner.ask.lock().unwrap_or_else(PoisonError::into_inner) = Some(ask);
    }

    /// What was asked for since this was asked last.
    pub(super) fn take_rebuild(&self) -> Option<Ask> {
        self.inner.ask.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Tells readers to go elsewhere: this process is about to end.
    pub fn stopping(&self) {
        self.set_health(Health::Stopping);
    }

    /// A halt stays until the process starts anew, and so does its end.
    pub(super) fn set_health(&self, health: Health) {
        self.inner.health.send_if_modified(|held| {
            let changed = *held != health && !matches!(held, Health::Halted(_) | Health::Stopping);
            if changed {
                *held = health;
            }
            changed
        });
    }

    /// Step 3 of the commit order.
    pub(super) fn publish(&self, reader: Reader, registry: Arc<Registry>, log: LogReader) {
        let shown = Shown::of(&reader, registry);
        let size = shown.size();
        *self.inner.held.write().unwrap_or_else(PoisonError::into_inner) = Held { reader, shown, log };
        self.inner.size.send_replace(size);
    }
}
