//! Admit, append, fold, commit: the synchronous heart.
//!
//! Commit order, and what a crash after each step leaves:
//!
//! 1. Entries are appended to `log/tail`, one write and one fdatasync. *Crash before*: the messages are still in the stream
//!    and are read again. *Crash after*: the tail is ahead of the store.
//! 2. One sled batch: read-model changes, lookups, position. *Crash before or after*: [`Core::open`] folds from the store's
//!    position whatever the tail holds beyond it, with the verdicts written there.
//! 3. The in-memory snapshot is published; readers and the key-value bucket follow. *Crash before*: made anew on start.
//!
//! An fsync error is fatal: the tail refuses further appends.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use super::folding::Folding;
use super::halt::Halt;
use super::meters::Committed;
use super::ready::taken;
pub use super::ready::{Ready, screen_ahead, screen_all, things_ahead};
use super::replay::replay;
use crate::admit::screen::{Trust, screen};
use crate::catalogue::registry::Registry;
use crate::event::Time;
use crate::limits::{COMMIT_MESSAGES_MAX, STATE_DIGEST_EVERY};
use crate::log::entry::{Entry, Kept};
use crate::log::tail::{LogReader, Opened, Tail};
use crate::store::Reader;

/// The writer of one ledger.
pub struct Core {
    tail: Tail,
    log: LogReader,
    folding: Folding,
}

/// Whether the entry may change the registry, so that entries after it have to be screened anew.
#[must_use]
pub fn governs(entry: &Entry) -> bool {
    matches!(&entry.subject, Kept::Text(text) if text.starts_with("ledger.govern."))
}

impl Core {
    /// Opens log and store, and folds what the tail holds beyond the store. `progress` is told (folded, of) now and then.
    ///
    /// # Errors
    /// [`Halt`]; on a doubt the caller sets the store aside and opens again.
    pub fn open(log: &Path, store: &Path, progress: &mut dyn FnMut(u64, u64)) -> Result<Self, Halt> {
        Self::open_with(log, store, COMMIT_MESSAGES_MAX, progress)
    }

    /// As [`Core::open`], with so many entries a commit.
    ///
    /// # Errors
    /// As [`Core::open`].
    pub fn open_with(
        log: &Path,
        store: &Path,
        messages_max: usize,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<Self, Halt> {
        Self::open_on(Tail::open(log)?, store, messages_max, progress)
    }

    /// As [`Core::open_with`], over a tail that was opened by the caller.
    ///
    /// # Errors
    /// As [`Core::open`].
    pub fn open_on(
        (tail, opened): (Tail, Opened),
        store: &Path,
        messages_max: usize,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<Self, Halt> {
        if opened.torn_bytes > 0 {
            tracing::warn!(bytes = opened.torn_bytes, "cut an unfinished append off the log's end");
        }
        let folding = Folding::open(store)?;
        let log = tail.reader();
        let mut core = Core { tail, log, folding };
        if core.folding.position().size > core.tail.size() {
            // The tail is authoritative: a store that is ahead belongs to another log.
            return Err(crate::fold::rows::Doubt(format!(
                "it is folded to {}, the log ends at {}",
                core.folding.position().size,
                core.tail.size()
            ))
            .into());
        }
        core.replay(messages_max, progress)?;
        Ok(core)
    }

    /// Entries in the log.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.tail.size()
    }

    /// Cuts off the tail what a published checkpoint covers, where it is worth it ([`Tail::trim`]).
    ///
    /// # Errors
    /// [`Halt::Tail`]; the log is whole all the same.
    pub fn trim(&mut self, covered: u64) -> Result<bool, Halt> {
        Ok(self.tail.trim(covered)?)
    }

    /// The registry as of now.
    #[must_use]
    pub fn registry(&self) -> Arc<Registry> {
        self.folding.registry().clone()
    }

    /// Reads the store.
    #[must_use]
    pub fn reader(&self) -> Reader {
        self.folding.reader()
    }

    /// Reads the log.
    #[must_use]
    pub fn log(&self) -> LogReader {
        self.log.clone()
    }

    /// SHA-256 over figures and changes so far: equal for equal logs.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        self.folding.digest()
    }

    /// Closes the store, flushed.
    ///
    /// # Errors
    /// [`Halt::Store`].
    pub fn close(self) -> Result<(), Halt> {
        self.folding.close()
    }

    /// Commits messages that were screened under `registry`; those after a governance report are screened anew.
    ///
    /// # Errors
    /// [`Halt`]: nothing after the last complete commit counts.
    pub fn commit(&mut self, mut ready: Vec<Ready>, registry: &Arc<Registry>) -> Result<Committed, Halt> {
        let began = Instant::now();
        self.folding.prepare(taken(&mut ready));
        let mut did = Committed::default();
        let mut fresh = Arc::ptr_eq(registry, self.folding.registry());
        let mut entries = Vec::with_capacity(ready.len());
        let mut recorded = Vec::with_capacity(ready.len());
        let mut stop = None;
        for mut ready in ready {
            let index = ready.entry.index;
            if index != self.folding.position().size {
                return Err(Halt::Apart { sequence: ready.entry.sequence, size: self.folding.position().size });
            }
            if let Err(halt) = self.folding.check_rules(index) {
                stop = Some(halt);
                break;
            }
            if !fresh {
                ready.screened = screen(&ready.entry, self.folding.registry(), Trust::Nothing);
            }
            if index.is_multiple_of(STATE_DIGEST_EVERY) && index > 0 {
                ready.entry.state = Some(self.folding.digest());
            }
            let before = self.folding.registry().clone();
            let Ready { mut entry, screened, .. } = ready;
            let ruling = self.folding.fold_one(&entry, screened, None)?;
            did.count(&ruling, entry.recorded);
            entry.ruling = Some(ruling);
            fresh = fresh && Arc::ptr_eq(&before, self.folding.registry());
            recorded.push(entry.recorded);
            entries.push(entry.encode());
        }
        did.folding = began.elapsed();
        self.tail.append(&entries, &recorded)?;
        self.folding.commit()?;
        did.writing = began.elapsed().saturating_sub(did.folding);
        stop.map_or(Ok(did), Err)
    }

    /// Folds what the log holds beyond the store, trusting the verdicts written there, `messages_max` entries a commit.
    ///
    /// # Errors
    /// [`Halt`].
    pub fn replay(&mut self, messages_max: usize, progress: &mut dyn FnMut(u64, u64)) -> Result<(), Halt> {
        let mut told = |done, all| {
            progress(done, all);
            true
        };
        replay(&mut self.folding, &self.log, self.tail.size(), messages_max, &mut told)
    }

    /// Sets the store aside and folds the log into a new one. The log stays locked meanwhile: nobody else becomes its writer.
    ///
    /// # Errors
    /// [`Halt`].
    pub fn anew(self, store: &Path, messages_max: usize) -> Result<Self, Halt> {
        let Core { tail, log, folding } = self;
        drop(folding);
        let aside = crate::store::set_aside(store)?;
        tracing::warn!(aside = %aside.display(), "store set aside");
        let mut core = Core { tail, log, folding: Folding::open(store)? };
        core.replay(messages_max, &mut |_, _| {})?;
        Ok(core)
    }

    /// Goes on with other read models of the same log and size; those it had are given back.
    ///
    /// # Errors
    /// [`Halt`] where they are of another size.
    pub fn exchange(&mut self, folding: Folding) -> Result<Folding, Halt> {
        let (size, other) = (self.folding.position().size, folding.position().size);
        if size != other {
            return Err(
                crate::fold::rows::Doubt(format!("read models of size {other} cannot follow those of {size}")).into()
            );
        }
        Ok(std::mem::replace(&mut self.folding, folding))
    }

    /// Moves the store to another path, where nothing may be.
    ///
    /// # Errors
    /// It stays where it is, or a doubt about it.
    pub fn relocate(&self, to: &Path) -> Result<(), Halt> {
        self.folding.relocate(to)
    }
}

/// The clock of the server, held against ours.
///
/// # Errors
/// [`Halt::ClockAhead`].
pub fn check_clock(sequence: u64, recorded: Time, now: Time) -> Result<(), Halt> {
    if recorded > now.plus_ns(crate::limits::CLOCK_AHEAD_NS_MAX) {
        return Err(Halt::ClockAhead { sequence, recorded });
    }
    Ok(())
}
