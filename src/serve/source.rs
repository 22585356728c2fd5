//! What HTTP needs of the ledger: one trait, so that routes are tested without a store or a stream.
//!
//! Calls may read disk and are made on threads that may block.

use std::sync::Arc;

use prometheus_client::registry::Registry as Metrics;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::intake::Intake;
use super::log::Content;
use super::scans::Stop;
use super::views::{AgenciesView, EntriesPage, EntryView, EventsView, SeriesView};
use crate::catalogue::registry::Registry;
use crate::event::{Day, Text, Time};
use crate::fold::rows::Fault;
use crate::projector::changes::{Changes, Mark};
use crate::projector::receipts::Name;
use crate::projector::remind::Reminder;
use crate::store::progress::view::{AgencyView, IndicatorView, IndicatorsView};

/// The moment a reader asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ask {
    /// What had happened by the end of this day; default today in Seoul.
    pub as_of: Option<Day>,
    /// What had been recorded by then; default everything.
    pub known_at: Option<Known>,
}

impl Ask {
    /// Whether it is another moment than now.
    #[must_use]
    pub fn is_past(&self) -> bool {
        *self != Ask::default()
    }
}

/// A point in the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    /// The first so many entries.
    Size(u64),
    /// Entries recorded up to and at this time.
    Time(Time),
}

/// Whether the ledger serves current figures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Health {
    /// Catalogue folded, caught up, not halted.
    pub ready: bool,
    /// `starting`, `catching-up`, `ready`, `disconnected`, `stopping` or `halted`.
    pub state: String,
    /// Why, for people.
    pub why: Text,
    /// Entries folded.
    pub size: u64,
    /// Entries that the published checkpoint covers, here or adopted from the writer; 0 where none is known.
    pub proven_size: u64,
    /// Why that does not move, where it does not.
    pub proof_trouble: Option<String>,
}

/// Why the ledger cannot answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// A log size beyond what is folded.
    #[error("{wanted} entries are not folded yet, {size} are")]
    NotYet {
        /// Folded.
        size: u64,
        /// Asked for.
        wanted: u64,
    },
    /// An entry beyond the published checkpoint.
    #[error("entry {index} is in no published checkpoint yet, the newest covers {size}")]
    NotProven {
        /// Covered.
        size: u64,
        /// Asked for.
        index: u64,
    },
    /// A receipt of an entry that lost texts by law.
    #[error("texts of this entry were withheld by law")]
    Withheld,
    /// An event id that several agencies use.
    #[error("several agencies use this id: {}", .0.join(", "))]
    Several(Vec<String>),
    /// The store or the log cannot be read; the text is logged, not shown.
    #[error("{0}")]
    Broken(String),
}

/// All versions of the records with one event id (several agencies may use one id).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct RecordsView {
    /// Event id.
    pub id: Uuid,
    /// One per agency.
    pub records: Vec<RecordView>,
    /// Log size the answer is folded to.
    pub size: u64,
}

/// A record: an event with its versions, oldest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct RecordView {
    /// Whose.
    pub agency: AgencyView,
    /// Versions: the one asked for, and the oldest and newest where there are many.
    pub versions: Vec<VersionView>,
    /// How many versions there are.
    #[serde(default)]
    pub versions_total: u64,
}

/// One version of a record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct VersionView {
    /// Event id of this version.
    pub id: Uuid,
    /// Event type.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its name in words, where it is registered.
    #[serde(default, rename = "type_title")]
    pub kind_title: Option<Text>,
    /// Entry.
    pub index: u64,
    /// Position in its body, from 0.
    pub position: u16,
    /// What admission said.
    pub verdict: String,
    /// When it was recorded.
    pub recorded: Option<Time>,
    /// When it happened.
    pub time: Time,
    /// Neither replaced nor retracted.
    pub stands: bool,
    /// Event id of the version that replaced it.
    pub replaced_by: Option<Uuid>,
    /// The retraction that ended it.
    pub retracted_by: Option<Mention>,
    /// Who vouches for it.
    pub verified_by: Vec<Mention>,
    /// Who contests it.
    pub disputed_by: Vec<Mention>,
    /// Indicators it moves.
    pub indicators: Vec<String>,
    /// `data` as it stands in the entry; absent where there is none to read.
    pub data: Option<Value>,
    /// Texts of its body were masked by law.
    #[serde(default)]
    pub withheld: bool,
}

/// A report about a report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Mention {
    /// Whose.
    pub agency: AgencyView,
    /// Its event id.
    pub id: Uuid,
    /// Its entry.
    pub index: u64,
}

/// A page of refused reports.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct RefusedPage {
    /// In log order.
    pub refused: Vec<RefusedView>,
    /// `from` of the next page, if there is one.
    pub next: Option<u64>,
    /// Log size the answer is folded to.
    pub size: u64,
}

/// A refused report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct RefusedView {
    /// Entry.
    pub index: u64,
    /// When it was recorded.
    pub recorded: Time,
    /// Agency named by the subject, if it parses.
    pub agency: Option<String>,
    /// Stable reason code.
    pub code: String,
    /// The reason in both languages, where the code is known.
    pub reason: Option<Text>,
    /// What to do.
    pub next: Option<Text>,
    /// What was wrong, per event where known.
    pub faults: Vec<FaultView>,
}

/// One thing that was wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct FaultView {
    /// Position in the body, from 0.
    pub event: Option<u16>,
    /// Stable reason code.
    pub code: String,
    /// Detail.
    pub detail: String,
}

impl From<Fault> for FaultView {
    fn from(fault: Fault) -> Self {
        FaultView { event: fault.event, code: fault.code, detail: fault.detail }
    }
}

/// Which days of a series.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AskSeries {
    /// The series below the indicator; default `total`.
    pub path: Option<String>,
    /// First day shown.
    pub from: Option<Day>,
    /// Last day shown; default `as_of`.
    pub to: Option<Day>,
}

/// Which of the events behind a figure.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AskEvents {
    /// The series below the indicator; default `total`, or the stage reached.
    pub path: Option<String>,
    /// Where to go on.
    pub cursor: Option<u64>,
    /// Newest first.
    pub newest_first: bool,
    /// Events on a page.
    pub limit: usize,
}

/// Which entries.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AskEntries {
    /// Entry to begin at: default the first, or the newest.
    pub from: Option<u64>,
    /// Entries on a page.
    pub limit: usize,
    /// Newest first.
    pub newest_first: bool,
    /// Only those whose subject names this agency.
    pub agency: Option<String>,
    /// Only those that moved this indicator.
    pub indicator: Option<String>,
    /// Only those with this verdict: `accepted`, `duplicate` or `refused`.
    pub verdict: Option<String>,
}

/// The ledger as HTTP reads it.
pub trait Source: Send + Sync + 'static {
    /// Entries folded, as it grows.
    fn sizes(&self) -> tokio::sync::watch::Receiver<u64>;
    /// Whether it serves current figures.
    fn health(&self) -> Health;
    /// All indicators.
    ///
    /// # Errors
    /// [`SourceError`].
    fn indicators(&self, ask: Ask) -> Result<IndicatorsView, SourceError>;
    /// One indicator by id, or by its row in the work plan.
    ///
    /// # Errors
    /// [`SourceError`].
    fn indicator(&self, id: &str, ask: Ask) -> Result<Option<IndicatorView>, SourceError>;
    /// The line of one of its series; `None` where there is no such indicator or series.
    ///
    /// # Errors
    /// [`SourceError`].
    fn series(&self, id: &str, ask: Ask, which: &AskSeries) -> Result<Option<SeriesView>, SourceError>;
    /// The events behind one of its figures; `None` where there is no such indicator or series.
    ///
    /// # Errors
    /// [`SourceError`].
    fn events(&self, id: &str, ask: Ask, which: &AskEvents) -> Result<Option<EventsView>, SourceError>;
    /// A page of entries; a shorter one where nobody waits for it any more.
    ///
    /// # Errors
    /// [`SourceError`].
    fn entries(&self, which: &AskEntries, stop: &Stop) -> Result<EntriesPage, SourceError>;
    /// One entry, read; `None` past the log.
    ///
    /// # Errors
    /// [`SourceError`].
    fn entry_view(&self, index: u64) -> Result<Option<EntryView>, SourceError>;
    /// Every agency by name, in the order of the catalogue.
    fn agency_names(&self) -> Vec<AgencyView>;
    /// Every agency, with its keys and what became of its reports.
    ///
    /// # Errors
    /// [`SourceError`].
    fn agencies(&self) -> Result<AgenciesView, SourceError>;
    /// The records with an event id, of one agency or of all.
    ///
    /// # Errors
    /// [`SourceError`].
    fn records(&self, id: Uuid, agency: Option<&str>) -> Result<RecordsView, SourceError>;
    /// Refused reports from an entry index on.
    ///
    /// # Errors
    /// [`SourceError`].
    fn refused(&self, from: u64, limit: usize) -> Result<RefusedPage, SourceError>;
    /// Indicators to be told to those who follow ([`changes`](crate::projector::changes::changes)).
    ///
    /// # Errors
    /// [`SourceError`].
    fn changes(&self, today: Day, told: &dyn Fn(&str, Mark, bool) -> bool) -> Result<Changes, SourceError>;
    /// The newest reminders, oldest of them first.
    fn reminders(&self) -> std::sync::Arc<Vec<Reminder>>;
    /// Registers what an operator watches of it.
    fn measure(&self, registry: &mut Metrics);
    /// The exact bytes of an entry.
    ///
    /// # Errors
    /// [`SourceError`].
    fn entry(&self, index: u64) -> Result<Option<Vec<u8>>, SourceError>;
    /// The receipt of an entry, as text.
    ///
    /// # Errors
    /// [`SourceError`].
    fn receipt(&self, name: Name, agency: Option<&str>) -> Result<Option<String>, SourceError>;
    /// The registry now.
    ///
    /// # Errors
    /// [`SourceError`].
    fn registry(&self) -> Result<Arc<Registry>, SourceError>;
    /// The first entry with a signature of that SHA-256.
    ///
    /// # Errors
    /// [`SourceError`].
    fn signed(&self, sha256: [u8; 32]) -> Result<Option<u64>, SourceError>;
    /// The way into the stream, where this process has one.
    fn intake(&self) -> Option<Intake>;
    /// The content of a file of the log folder; the path is one that [`super::log::named`] knows.
    ///
    /// # Errors
    /// [`SourceError`].
    fn log_file(&self, path: &str) -> Result<Option<Content>, SourceError>;
}
