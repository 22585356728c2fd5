//! One entry at a time into verdict and read models: admission and fold over a store, without a log and without NATS.
//!
//! The projector folds what it admits, a replay what the log holds, an audit judges and compares.

use std::path::Path;
use std::sync::Arc;

use super::halt::Halt;
use crate::admit::decide::{Decided, Decision, Place, Stop, decide};
use crate::admit::screen::{Report, Screened, Signer};
use crate::admit::{Reason, Refusal};
use crate::catalogue::govern::Act;
use crate::catalogue::registry::{RULES_KNOWN, Registry};
use crate::fold::ahead::Ahead;
use crate::fold::apply::{Folded, Past};
use crate::fold::rows::{GovernanceRow, Position};
use crate::fold::state::State;
use crate::limits::COMMIT_EVENTS_MAX;
use crate::log::entry::{Entry, Mark, Ruling, Verdict};
use crate::store::{Layout, Reader, Retired, Store};

/// The registry after the rows given, in order.
///
/// # Errors
/// [`Halt::VerdictDiffers`] where an accepted row does not apply.
pub fn registry_of(rows: &[GovernanceRow]) -> Result<Registry, Halt> {
    governed(Registry::default(), rows)
}

/// As [`registry_of`]; schemas that `known` holds are taken from it: compiling them is nearly all the work.
///
/// # Errors
/// As [`registry_of`].
pub fn registry_beside(known: &Registry, rows: &[GovernanceRow]) -> Result<Registry, Halt> {
    governed(Registry::with_schemas_of(known), rows)
}

fn governed(mut registry: Registry, rows: &[GovernanceRow]) -> Result<Registry, Halt> {
    for row in rows {
        let differs = |why: String| Halt::VerdictDiffers { index: row.index, why };
        let data = serde_json::from_str(&row.data).map_err(|error| differs(error.to_string()))?;
        let act = Act { index: row.index, recorded: row.recorded, agency: &row.agency, kind: &row.kind, data: &data };
        registry.govern(act).map_err(|error| differs(error.to_string()))?;
    }
    registry.forget_compiled();
    Ok(registry)
}

/// Read models and the registry behind them.
pub struct Folding {
    store: Store,
    state: State<Reader>,
    registry: Arc<Registry>,
}

impl Folding {
    /// Over the store under `path`, as far as it is folded.
    ///
    /// # Errors
    /// [`Halt`]: a doubt about the store.
    pub fn open(path: &Path) -> Result<Self, Halt> {
        Self::open_with(path, Layout::default())
    }

    /// As [`Folding::open`], with another layout.
    ///
    /// # Errors
    /// As [`Folding::open`].
    pub fn open_with(path: &Path, layout: Layout) -> Result<Self, Halt> {
        let store = Store::open_with(path, layout)?;
        let reader = store.reader();
        let position = store.position().clone();
        let registry = registry_of(&reader.governance_until(position.size).map_err(Halt::from)?)?;
        let state = State::new(store.rows(), position)?;
        Ok(Folding { store, state, registry: Arc::new(registry) })
    }

    /// How far it is folded.
    #[must_use]
    pub fn position(&self) -> &Position {
        self.state.position()
    }

    /// The registry as of now.
    #[must_use]
    pub fn registry(&self) -> &Arc<Registry> {
        &self.registry
    }

    /// Reads the store.
    #[must_use]
    pub fn reader(&self) -> Reader {
        self.store.reader()
    }

    /// SHA-256 over figures and changes so far: equal for equal logs.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        self.state.digest()
    }

    /// Takes the rows that were read ahead for entries to be folded next.
    pub fn prepare(&mut self, ahead: impl Iterator<Item = Ahead>) {
        self.state.prepare(ahead);
    }

    /// Writes what was folded since the last commit.
    ///
    /// # Errors
    /// [`Halt`].
    pub fn commit(&mut self) -> Result<(), Halt> {
        self.store.commit(&self.state.take()).map_err(Halt::from)
    }

    /// Writes what was folded since the last commit where it is [`COMMIT_EVENTS_MAX`] events or more.
    ///
    /// # Errors
    /// [`Halt`].
    pub fn commit_if_full(&mut self) -> Result<(), Halt> {
        let waiting = self.position().records - self.store.position().records;
        if waiting >= COMMIT_EVENTS_MAX { self.commit() } else { Ok(()) }
    }

    /// Moves the store to another path, where nothing may be; readers wait meanwhile.
    ///
    /// # Errors
    /// It stays where it is, or a doubt about it.
    pub fn relocate(&self, to: &Path) -> Result<(), Halt> {
        self.store.relocate(to).map_err(Halt::from)
    }

    /// Leaves its place at `path` to another store, and stays open for who still reads ([`Store::retire`]).
    ///
    /// # Errors
    /// [`Halt::Store`].
    pub fn retire(self, path: &Path, keep: bool) -> Result<Retired, Halt> {
        drop(self.state);
        self.store.retire(path, keep).map_err(Halt::from)
    }

    /// Closes the store, flushed.
    ///
    /// # Errors
    /// [`Halt`].
    pub fn close(self) -> Result<(), Halt> {
        drop(self.state);
        self.store.close().map_err(Halt::from)
    }

    /// Before an entry: the entry that adopts unknown rules is folded itself, and served; nothing after it is.
    ///
    /// # Errors
    /// [`Halt::RulesUnknown`], [`Halt::NoLedger`].
    pub fn check_rules(&self, index: u64) -> Result<(), Halt> {
        if self.registry.rules > RULES_KNOWN {
            return Err(Halt::RulesUnknown { index, rules: self.registry.rules, known: RULES_KNOWN });
        }
        if self.registry.origin.is_empty() && index > 0 {
            return Err(Halt::NoLedger("it was refused".to_owned()));
        }
        Ok(())
    }

    /// Decides one screened entry and folds it. `trusted` is the ruling the log holds, on replay.
    ///
    /// # Errors
    /// [`Halt::VerdictDiffers`] where the log accepted what cannot be folded; a doubt about the store.
    pub fn fold_one(&mut self, entry: &Entry, screened: Screened, trusted: Option<&Ruling>) -> Result<Ruling, Halt> {
        let Screened { outcome, signer } = screened;
        let outcome = self.judge(entry, outcome)?;
        let outcome = match (trusted.map(|ruling| &ruling.verdict), outcome) {
            (Some(Verdict::Refused(code)), Ok(_)) => Err(refused(code)),
            // With its texts masked it might be refused for another reason.
            (Some(Verdict::Refused(code)), Err(_)) if entry.body.is_withheld() => Err(refused(code)),
            (Some(Verdict::Accepted | Verdict::Duplicate), Err(refusal)) => {
                let why =
                    format!("{} ({})", refusal.reason.code(), refusal.faults.first().map_or("", |fault| &fault.detail));
                return Err(Halt::VerdictDiffers { index: entry.index, why });
            }
            (_, outcome) => outcome,
        };
        self.apply(entry, &signer, &outcome)?;
        Ok(ruling_of(&outcome))
    }

    /// Folds an entry with the outcome given.
    ///
    /// # Errors
    /// A doubt about the store.
    pub fn apply(&mut self, entry: &Entry, signer: &Signer, outcome: &Result<Decision, Refusal>) -> Result<(), Halt> {
        let governed = outcome.as_ref().ok().and_then(|decision| decision.registry.clone());
        let registry = governed.clone().unwrap_or_else(|| self.registry.clone());
        let folded = Folded {
            index: entry.index,
            recorded: entry.recorded,
            stream: &entry.stream,
            sequence: entry.sequence,
            agency: signer.agency.as_deref(),
            link: signer.link.as_ref(),
            signature: signer.signature,
        };
        self.state.fold(folded, outcome, &registry)?;
        if let Some(governed) = governed {
            self.registry = governed;
        }
        Ok(())
    }

    /// What admission says of a screened entry here: pure, nothing is folded.
    ///
    /// # Errors
    /// A doubt about the store.
    pub fn judge(&self, entry: &Entry, screened: Result<Report, Refusal>) -> Result<Result<Decision, Refusal>, Halt> {
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

/// A refusal as the log has it, where it cannot be made anew.
#[must_use]
pub fn refused(code: &str) -> Refusal {
    Refusal::whole(Reason::of_code(code).unwrap_or(Reason::DataInvalid), "refused when it was recorded")
}

/// The ruling an entry carries for an outcome.
#[must_use]
pub fn ruling_of(outcome: &Result<Decision, Refusal>) -> Ruling {
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
