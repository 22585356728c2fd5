//! Why intake stops. Reads keep serving and say so.

use crate::fold::rows::Doubt;
use crate::log::entry::EntryFault;
use crate::log::tail::TailFault;
use crate::store::StoreError;
use crate::stream::{Finding, ReadError, StreamError};

/// Why intake stopped.
#[derive(Debug, thiserror::Error)]
pub enum Halt {
    /// The stream is not what it was.
    #[error("{0}")]
    Finding(#[from] Finding),
    /// The stream and the log differ.
    #[error("the stream continues at sequence {sequence}, the log at entry {size}: run `jindo recover`")]
    Apart {
        /// Sequence of the message at hand.
        sequence: u64,
        /// Entries in the log.
        size: u64,
    },
    /// The server's clock runs ahead.
    #[error(
        "message {sequence} was recorded at {recorded}, more than 5 minutes ahead of this machine's clock: set both clocks, then start again"
    )]
    ClockAhead {
        /// Sequence.
        sequence: u64,
        /// Its time.
        recorded: crate::event::Time,
    },
    /// Rules this binary does not have.
    #[error(
        "rules {rules} are in force before entry {index}; this binary knows rules up to {known}: install a newer jindo"
    )]
    RulesUnknown {
        /// Entry.
        index: u64,
        /// Rules adopted.
        rules: u32,
        /// Newest known.
        known: u32,
    },
    /// The first entry does not create a ledger.
    #[error("entry 0 is no ledger.created.v1 ({0}): this stream belongs to no ledger")]
    NoLedger(String),
    /// The log says accepted, this binary finds no way to fold it.
    #[error(
        "entry {index} was accepted, but now: {why}. Either the log was altered or this binary differs: run `jindo audit`"
    )]
    VerdictDiffers {
        /// Entry.
        index: u64,
        /// What is found now.
        why: String,
    },
    /// The figures differ from those the log proves.
    #[error(
        "entry {index} carries another state digest than the log before it gives: the log was altered, or this binary folds differently; run `jindo audit`"
    )]
    StateDiffers {
        /// Entry.
        index: u64,
    },
    /// An entry cannot be read.
    #[error("entry {index} cannot be read: {fault}")]
    Entry {
        /// Entry.
        index: u64,
        /// Why.
        fault: EntryFault,
    },
    /// The log cannot be written or read.
    #[error(transparent)]
    Tail(#[from] TailFault),
    /// The store cannot be trusted or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// NATS refused.
    #[error(transparent)]
    Stream(#[from] StreamError),
    /// The process is shutting down.
    #[error("stopped")]
    Stopped,
}

impl Halt {
    /// The system gives no thread.
    #[must_use]
    pub fn thread(error: &std::io::Error) -> Self {
        Halt::Store(StoreError::Changes(format!("no thread could be started: {error}")))
    }

    /// Whether setting the store aside and folding the log anew mends it.
    #[must_use]
    pub fn is_doubt(&self) -> bool {
        matches!(self, Halt::Store(StoreError::Doubt(_)))
    }
}

impl From<Doubt> for Halt {
    fn from(doubt: Doubt) -> Self {
        Halt::Store(StoreError::Doubt(doubt))
    }
}

impl From<ReadError> for Halt {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Finding(finding) => Halt::Finding(finding),
            ReadError::Stream(error) => Halt::Stream(error),
        }
    }
}
