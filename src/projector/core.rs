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

use rayon::prelude::*;

use super::halt::Halt;
use crate::admit::decide::{Decided, Decision, Place, Stop, decide};
use crate::admit::screen::{Report, Screened, Trust, screen};
use crate::admit::{Reason, Refusal};
use crate::catalogue::govern::Act;
use crate::catalogue::registry::{RULES_KNOWN, Registry};
use crate::event::Time;
use crate::fold::apply::{Folded, Past};
use crate::fold::rows::GovernanceRow;
use crate::fold::state::State;
use crate::limits::{COMMIT_BYTES_MAX, COMMIT_EVENTS_MAX, COMMIT_MESSAGES_MAX, STATE_DIGEST_EVERY};
use crate::log::entry::{Entry, Kept, Mark, Ruling, Verdict};
use crate::log::tail::{LogReader, Tail};
use crate::store::{Reader, Store};

/// An entry with what screening found, under which registry.
pub struct Ready {
    /// The entry, without verdict.
    pub entry: Entry,
    /// What screening found.
    pub screened: Screened,
}

/// The writer of one ledger.
pub struct Core {
    tail: Tail,
    log: LogReader,
    store: Store,
    state: State<Reader>,
    registry: Arc<Registry>,
}

/// The registry after the rows given, in order.
///
/// # Errors
/// [`Halt::VerdictDiffers`] where an accepted row does not apply.
pub fn registry_of(rows: &[GovernanceRow]) -> Result<Registry, Halt> {
    let mut registry = Registry::default();
    for row in rows {
        let differs = |why: String| Halt::VerdictDiffers { index: row.index, why };
        let data = serde_json::from_str(&row.data).map_err(|error| differs(error.to_string()))?;
        let act = Act { index: row.index, recorded: row.recorded, agency: &row.agency, kind: &row.kind, data: &data };
        registry.govern(act).map_err(|error| differs(error.to_string()))?;
    }
    Ok(registry)
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
        let (tail, opened) = Tail::open(log)?;
        if opened.torn_bytes > 0 {
            tracing::warn!(bytes = opened.torn_bytes, "cut an unfinished append off the log's end");
        }
        let store = Store::open(store)?;
        let reader = store.reader();
        let position = store.position().clone();
        let registry = registry_of(&reader.governance_until(position.size).map_err(Halt::from)?)?;
        let log = tail.reader();
        let state = State::new(store.rows(), position)?;
        let mut core = Core { tail, log, store, state, registry: Arc::new(registry) };
        if core.state.position().size > core.tail.size() {
            // The tail is authoritative: a store that is ahead belongs to another log.
            return Err(crate::fold::rows::Doubt(format!(
                "it is folded to {}, the log ends at {}",
                core.state.position().size,
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
        self.registry.clone()
    }

    /// Reads the store.
    #[must_use]
    pub fn reader(&self) -> Reader {
        self.store.reader()
    }

    /// Reads the log.
    #[must_use]
    pub fn log(&self) -> LogReader {
        self.log.clone()
    }

    /// SHA-256 over figures and changes so far: equal for equal logs.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        self.state.digest()
    }

    /// Closes the store, flushed.
    ///
    /// # Errors
    /// [`Halt::Store`].
    pub fn close(self) -> Result<(), Halt> {
        drop(self.state);
        self.store.close().map_err(Halt::from)
    }

    /// Commits messages that were screened under `registry`; those after a governance report are screened anew.
    ///
    /// # Errors
    /// [`Halt`]: nothing after the last complete commit counts.
    pub fn commit(&mut self, ready: Vec<Ready>, registry: &Arc<Registry>) -> Result<(), Halt> {
        let mut fresh = Arc::ptr_eq(registry, &self.registry);
        let mut entries = Vec::with_capacity(ready.len());
        let mut recorded = Vec::with_capacity(ready.len());
        let mut stop = None;
        for mut ready in ready {
            let index = ready.entry.index;
            if index != self.state.position().size {
                return Err(Halt::Apart { sequence: ready.entry.sequence, size: self.state.position().size });
            }
            if let Err(halt) = self.check_rules(index) {
                stop = Some(halt);
                break;
            }
            if !fresh {
                ready.screened = screen(&ready.entry, &self.registry, Trust::Nothing);
            }
            if index.is_multiple_of(STATE_DIGEST_EVERY) && index > 0 {
                ready.entry.state = Some(self.state.digest());
            }
            let before = self.registry.clone();
            let Ready { mut entry, screened } = ready;
            entry.ruling = Some(self.fold_one(&entry, screened, None)?);
            fresh = fresh && Arc::ptr_eq(&before, &self.registry);
            recorded.push(entry.recorded);
            entries.push(entry.encode());
        }
        self.tail.append(&entries, &recorded)?;
        self.store.commit(&self.state.take())?;
        stop.map_or(Ok(()), Err)
    }

    /// Before an entry: the entry that adopts unknown rules is folded itself, and served; nothing after it is.
    fn check_rules(&self, index: u64) -> Result<(), Halt> {
        if self.registry.rules > RULES_KNOWN {
            return Err(Halt::RulesUnknown { index, rules: self.registry.rules, known: RULES_KNOWN });
        }
        if self.registry.origin.is_empty() && index > 0 {
            return Err(Halt::NoLedger("it was refused".to_owned()));
        }
        Ok(())
    }

    /// Folds what the log holds beyond the store, trusting the verdicts written there, `messages_max` entries a commit.
    ///
    /// # Errors
    /// [`Halt`].
    pub fn replay(&mut self, messages_max: usize, progress: &mut dyn FnMut(u64, u64)) -> Result<(), Halt> {
        let size = self.tail.size();
        let mut entries = Vec::new();
        let (mut bytes, mut events) = (0, 0);
        let log = self.log.clone();
        for item in log.iter(self.state.position().size) {
            let (index, text) = item?;
            let entry = Entry::parse(&text).map_err(|fault| Halt::Entry { index, fault })?;
            bytes += text.len();
            events += entry.ruling.as_ref().map_or(1, |ruling| ruling.marks.len().max(1));
            entries.push(entry);
            let full = entries.len() >= messages_max || bytes >= COMMIT_BYTES_MAX || events >= COMMIT_EVENTS_MAX;
            if full || index + 1 == size {
                self.replay_run(std::mem::take(&mut entries))?;
                (bytes, events) = (0, 0);
                progress(index + 1, size);
            }
        }
        Ok(())
    }

    fn replay_run(&mut self, entries: Vec<Entry>) -> Result<(), Halt> {
        let registry = self.registry.clone();
        for mut ready in screen_all(entries, &registry, Trust::Log) {
            let index = ready.entry.index;
            self.check_rules(index)?;
            if !Arc::ptr_eq(&registry, &self.registry) {
                ready.screened = screen(&ready.entry, &self.registry, Trust::Log);
            }
            if ready.entry.state.is_some_and(|state| state != self.state.digest()) {
                return Err(Halt::StateDiffers { index });
            }
            self.fold_one(&ready.entry, ready.screened, ready.entry.ruling.as_ref())?;
        }
        self.store.commit(&self.state.take()).map_err(Halt::from)
    }

    /// Decides one screened entry and folds it. `trusted` is the ruling the log holds, on replay.
    fn fold_one(&mut self, entry: &Entry, screened: Screened, trusted: Option<&Ruling>) -> Result<Ruling, Halt> {
        let outcome = self.outcome(entry, screened.outcome)?;
        let outcome = match (trusted.map(|ruling| &ruling.verdict), outcome) {
            (Some(Verdict::Refused(code)), Ok(_)) => {
                let reason = Reason::of_code(code).unwrap_or(Reason::DataInvalid);
                Err(Refusal::whole(reason, "refused when it was recorded"))
            }
            (Some(Verdict::Accepted | Verdict::Duplicate), Err(refusal)) => {
                let why =
                    format!("{} ({})", refusal.reason.code(), refusal.faults.first().map_or("", |fault| &fault.detail));
                return Err(Halt::VerdictDiffers { index: entry.index, why });
            }
            (_, outcome) => outcome,
        };
        let governed = outcome.as_ref().ok().and_then(|decision| decision.registry.clone());
        let registry = governed.clone().unwrap_or_else(|| self.registry.clone());
        let folded = Folded {
            index: entry.index,
            recorded: entry.recorded,
            stream: &entry.stream,
            sequence: entry.sequence,
            agency: screened.agency.as_deref(),
            link: screened.link.as_ref(),
            signature: screened.signature,
        };
        self.state.fold(folded, &outcome, &registry)?;
        if let Some(governed) = governed {
            self.registry = governed;
        }
        Ok(ruling_of(&outcome))
    }

    fn outcome(&self, entry: &Entry, screened: Result<Report, Refusal>) -> Result<Result<Decision, Refusal>, Halt> {
        let report = match screened {
            Ok(report) => report,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let place = Place { index: entry.index, recorded: entry.recorded };
        let mut past = Past { state: &self.state, registry: &self.registry };
        match decide(report, place, &self.registry, &mut past) {
            Ok(decision) => Ok(self.state.room_for(&decision)?.map(|()| decision)),
            Err(Stop::Refused(refusal)) => Ok(Err(refusal)),
            Err(Stop::Doubt(doubt)) => Err(doubt.into()),
        }
    }
}

fn ruling_of(outcome: &Result<Decision, Refusal>) -> Ruling {
    match outcome {
        Ok(decision) => {
            let mark = |act: &Decided| match act {
                Decided::Duplicate => Mark::Duplicate,
                Decided::New(..) => Mark::New,
            };
            let marks: Vec<_> = decision.acts.iter().map(mark).collect();
            let nothing_new = marks.iter().all(|mark| *mark == Mark::Duplicate);
            Ruling::new(if nothing_new { Verdict::Duplicate } else { Verdict::Accepted }, marks, None)
        }
        Err(refusal) => {
            let first = refusal
                .faults
                .iter()
                .find_map(|fault| fault.event.map(|event| (event, fault.reason.code().to_owned())));
            Ruling::new(Verdict::Refused(refusal.reason.code().to_owned()), Vec::new(), first)
        }
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
