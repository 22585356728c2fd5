//! Pure: an entry and the registry give a verdict. No I/O, no clock, nothing that is not in the log.
//!
//! [`screen`] needs the registry alone and runs on all cores: subject, signature, claims, envelope, schema, matching of
//! indicators. [`decide`] needs what was accepted before ([`Claims`]) and runs in log order: ids, versions, claims.

pub mod decide;
pub mod plan;
pub mod reason;
pub mod screen;

use uuid::Uuid;

pub use reason::Reason;

/// Why a report is refused: the reason of the whole, and what was wrong per event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Of the whole report: that of its first fault.
    pub reason: Reason,
    /// At most [`crate::limits::FAULTS_MAX`].
    pub faults: Vec<Fault>,
}

/// One thing that was wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Event position in the body, from 0, where it is about one event.
    pub event: Option<u16>,
    /// Reason.
    pub reason: Reason,
    /// What exactly, for people: a JSON pointer and what was expected.
    pub detail: String,
}

impl Refusal {
    /// A refusal for one fault of the whole report.
    pub fn whole(reason: Reason, detail: impl Into<String>) -> Self {
        Refusal { reason, faults: vec![Fault { event: None, reason, detail: detail.into() }] }
    }

    /// A refusal for faults of events; `None` without any.
    #[must_use]
    pub fn of(mut faults: Vec<Fault>) -> Option<Self> {
        faults.truncate(crate::limits::FAULTS_MAX);
        faults.first().map(|first| first.reason).map(|reason| Refusal { reason, faults })
    }
}

/// An event accepted earlier, as far as admission needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// Its number.
    pub ordinal: u64,
    /// Content digest.
    pub digest: [u8; 16],
    /// Neither replaced nor retracted.
    pub stands: bool,
    /// How many versions came before it.
    pub version: u16,
    /// Numbers of the indicators it moves.
    pub indicators: Vec<u16>,
    /// Type of its data: for a correction, that of the event it corrects.
    pub kind: std::sync::Arc<str>,
}

/// What admission may ask of the past. Implemented by the fold over its rows.
pub trait Claims {
    /// Why the past could not be read.
    type Error;

    /// The event that claimed (agency, id), if any.
    ///
    /// # Errors
    /// Where rows cannot be trusted.
    fn claimed(&mut self, agency: &str, id: &Uuid) -> Result<Option<Known>, Self::Error>;

    /// Whether a dispute of a record by an agency stands, or with `vouched` a verification.
    ///
    /// # Errors
    /// Where rows cannot be trusted.
    fn stated(&mut self, agency: &str, ordinal: u64, vouched: bool) -> Result<bool, Self::Error>;

    /// Whether a record has an alive claim on a thing of an indicator.
    ///
    /// # Errors
    /// Where rows cannot be trusted.
    fn claims_thing(&mut self, indicator: u16, identity: &[String], ordinal: u64) -> Result<bool, Self::Error>;
}
