//! The rows the read models consist of, how the fold reads them, and the changes it makes.
//!
//! Nothing here knows sled: `store` maps each family to keys, tests keep them in maps.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;
use uuid::Uuid;

use crate::event::{Amount, Day, Time};

/// Number of an accepted event, from 0, in log order: the key of its [`Record`].
pub type Ordinal = u64;
/// Number of a thing, from 0, in the order things were first claimed: the key of its [`Thing`].
pub type ThingNumber = u64;
/// Number of a series, from 0, in the order series first moved: the key of its [`Series`].
pub type SeriesNumber = u32;
/// Series that one contribution moves: total, parts and a handful of splits. Kept in place: a thing has such a list for each of its
/// holders, and reading a thing was mostly allocating them.
pub type SeriesList = SmallVec<[SeriesNumber; 6]>;
/// First 16 bytes of a SHA-256 over a namespaced key (`id` + agency + UUID, `thing` + indicator + identity).
pub type LookupKey = [u8; 16];

/// A day after every `as_of`: sends every question about the series to its history.
pub const DAY_UNKNOWN: Day = Day::from_number(i32::MAX);

/// Additive figures. All counts are of contributions; differences may be negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Tally {
    /// The number, in millionths of the unit.
    pub value: i128,
    /// Contributions.
    pub count: i64,
    /// Part of `value` that a verifier vouches for.
    pub verified: i128,
    /// Part of `value` that is not de-duplicated by things.
    pub loose: i128,
    /// Disputed contributions.
    pub disputed: i64,
    /// Contributions marked provisional.
    pub provisional: i64,
    /// Contributions marked approximate.
    pub approximate: i64,
}

/// A stated value (`latest`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statement {
    /// When it held.
    pub time: Time,
    /// The record that states it; breaks ties of `time`, the later one wins.
    pub ordinal: Ordinal,
    /// The value.
    pub value: Amount,
    /// A verifier vouches for it.
    pub verified: bool,
    /// It is disputed.
    pub disputed: bool,
    /// Marked provisional.
    pub provisional: bool,
    /// Marked approximate.
    pub approximate: bool,
}

/// One step in the history of a series: what the entry at `index` changed on `day`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Move {
    /// Index of the entry.
    pub index: u64,
    /// Day (Asia/Seoul) of the event's `time`.
    pub day: Day,
    /// What it changed.
    pub step: Step,
}

/// Additive and stated series move differently; one series never mixes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Step {
    /// Add this tally on that day.
    Add(Tally),
    /// From this entry on, these are the winning statements of that day (greatest (`time`, `ordinal`)), of all and of
    /// verified ones; `None` where none stands any more.
    State {
        /// Of all.
        reported: Option<Statement>,
        /// Of verified ones.
        verified: Option<Statement>,
    },
}

/// The current state of a series: `<indicator>/total`, `<indicator>/part/<part>`, `<indicator>/<split>/<value>`,
/// `<indicator>/period/<period>`, `<indicator>/stage/<stage>`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Series {
    /// The path above: its identity.
    pub path: String,
    /// Sum of all `Add` steps, whatever their day.
    pub tally: Tally,
    /// Winning statement over all days, while `day_max` is not [`DAY_UNKNOWN`].
    pub reported: Option<Statement>,
    /// Winning verified statement over all days, while `day_max` is not [`DAY_UNKNOWN`].
    pub verified: Option<Statement>,
    /// Greatest day of any move: while it is not after `as_of`, the figures above are those of `as_of`. [`DAY_UNKNOWN`] once a
    /// winning statement was withdrawn: the history then has to be asked.
    pub day_max: Option<Day>,
    /// Moves so far.
    pub moves: u64,
    /// Index of the entry that moved it last.
    pub index_last: u64,
    /// `recorded` of that entry.
    pub recorded_last: Option<Time>,
    /// Number of the agency that moved it last (registry order).
    pub agency_last: u16,
}

/// An accepted event: where it stands, what became of it, and what it contributes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Number of the agency (registry order).
    pub agency: u16,
    /// Event id.
    pub id: Uuid,
    /// Number of the event type (registry order of schemas).
    pub kind: u16,
    /// Content digest.
    pub digest: [u8; 16],
    /// Index of the entry.
    pub index: u64,
    /// Position in the body, from 0.
    pub position: u16,
    /// When it happened.
    pub time: Time,
    /// The version this one replaces.
    pub replaces: Option<Ordinal>,
    /// How many versions came before this one, at most [`crate::limits::RECORD_VERSIONS_MAX`] − 1.
    pub version: u16,
    /// The version this one retracts, verifies or disputes.
    pub about: Option<Ordinal>,
    /// The version that replaced this one.
    pub replaced_by: Option<Ordinal>,
    /// The retraction that ended this one.
    pub retracted_by: Option<Ordinal>,
    /// Verifications of this version.
    pub verified_by: Vec<Ordinal>,
    /// Disputes of this version.
    pub disputed_by: Vec<Ordinal>,
    /// What it contributes while it stands.
    pub effects: Vec<Effect>,
}

impl Record {
    /// Neither replaced nor retracted.
    #[must_use]
    pub fn stands(&self) -> bool {
        self.replaced_by.is_none() && self.retracted_by.is_none()
    }
}

/// What one event contributes to one indicator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Effect {
    /// Number of the indicator (registry order).
    pub indicator: u16,
    /// Contribution.
    pub gives: Gives,
    /// Series it moves (without those of things, which its claims name).
    pub series: SeriesList,
    /// Marked provisional.
    pub provisional: bool,
    /// Marked approximate.
    pub approximate: bool,
}

/// The contribution itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Gives {
    /// An amount.
    Amount(Amount),
    /// An amount of things that could have been listed and were not: it is not de-duplicated.
    Loose(Amount),
    /// A stated value.
    Value(Amount),
    /// Claims on things.
    Things(Vec<Claim>),
    /// A remark: counted, without a number.
    Remark,
}

/// A claim on a thing by one record; it stands as the record does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// The thing.
    pub thing: ThingNumber,
    /// The same holder's claim on it before this one: claims are a chain through records, so that a thing's row stays small
    /// however often it is claimed.
    pub before: Option<Ordinal>,
    /// Series of stage, total, parts and splits except agency.
    pub series: SeriesList,
    /// The agency's series, where the indicator splits by agency.
    pub agency_series: Option<SeriesNumber>,
}

/// A thing (at a stage) and who claims it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Thing {
    /// Number of the indicator (registry order).
    pub indicator: u16,
    /// Stage number from 0; 0 where there are none.
    pub stage: u16,
    /// Identity fields, in the order of the identity scheme.
    pub identity: Vec<String>,
    /// Who claims it, in the order of their first claim.
    pub holders: Vec<Holder>,
    /// The claim that stands by resolution, while it is alive; else the first alive one does.
    pub resolved: Option<Ordinal>,
}

/// What the claims of one agency on a thing come to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// Number of the agency.
    pub agency: u16,
    /// The agency's series, where the indicator splits by agency.
    pub agency_series: Option<SeriesNumber>,
    /// The record with its newest claim, alive or not: the chain starts here.
    pub last: Ordinal,
    /// Alive claims: neither replaced nor retracted.
    pub alive: u64,
    /// Verified ones among them.
    pub verified: u64,
    /// Disputed ones among them.
    pub disputed: u64,
    /// Their earliest day, and how many are of it.
    pub earliest: (Day, u64),
    /// The one with whose attributes it counts: resolved, or the first; `None` where none is alive.
    pub stands: Option<Standing>,
}

/// The claim with whose attributes a thing counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// The record.
    pub ordinal: Ordinal,
    /// Marked provisional.
    pub provisional: bool,
    /// Marked approximate.
    pub approximate: bool,
    /// Series of stage, total, parts and splits except agency.
    pub series: SeriesList,
}

/// A refused report, for lists; the entry holds the rest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// Index of the entry.
    pub index: u64,
    /// `recorded` of the entry.
    pub recorded: Time,
    /// Agency named by the subject, if it parses.
    pub agency: Option<String>,
    /// Stable reason code.
    pub code: String,
    /// What was wrong, per event where known.
    pub faults: Vec<Fault>,
}

/// One thing that was wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// Event position in the body, from 0, where it is about one event.
    pub event: Option<u16>,
    /// Stable reason code.
    pub code: String,
    /// Detail: a JSON pointer and what was expected.
    pub detail: String,
}

/// State of a key's chain of signed reports.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ChainRow {
    /// Highest `seq` so far.
    pub seq: u64,
    /// SHA-256 of the JWS with that `seq`.
    pub last: [u8; 32],
    /// Missing `seq` ranges (first, last, recorded time noticed).
    pub holes: Vec<(u64, u64, Time)>,
    /// Indexes of entries that fork the chain.
    pub forks: Vec<u64>,
}

/// How far the read models are folded.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Position {
    /// Entries folded: the index of the next one. The `size` of every figure.
    pub size: u64,
    /// Chain digest: SHA-256 over every change so far, in log order. Two stores with one digest hold the same figures.
    pub digest: [u8; 32],
    /// Accepted events so far: the next [`Ordinal`].
    pub records: u64,
    /// Things so far: the next [`ThingNumber`].
    pub things: u64,
    /// Series so far: the next [`SeriesNumber`].
    pub series: u32,
    /// Running maximum of `recorded`.
    pub recorded_max: Option<Time>,
    /// Stream and sequence read last.
    pub stream: String,
    /// Sequence in that stream.
    pub sequence: u64,
}

/// Why a row could not be read. The store is a cache of the log: any doubt means rename aside and rebuild.
#[derive(Debug, thiserror::Error)]
#[error("the store cannot be trusted: {0}; rebuild it from the log with `jindo rebuild`")]
pub struct Doubt(pub String);

/// How the fold reads rows as of the last commit.
pub trait Rows {
    /// A record by ordinal.
    fn record(&self, ordinal: Ordinal) -> Result<Option<Record>, Doubt>;
    /// A thing by number.
    fn thing(&self, number: ThingNumber) -> Result<Option<Thing>, Doubt>;
    /// The ordinal or thing number kept under a lookup key.
    fn lookup(&self, key: &LookupKey) -> Result<Option<u64>, Doubt>;
    /// Statements of a series on a day, greatest (`time`, `ordinal`) first, lazily.
    fn statements<'a>(
        &'a self,
        series: SeriesNumber,
        day: Day,
    ) -> Box<dyn Iterator<Item = Result<Statement, Doubt>> + 'a>;
    /// The winning statements of a series on a day, of all and of verified ones.
    fn winners(&self, series: SeriesNumber, day: Day) -> Result<(Option<Statement>, Option<Statement>), Doubt> {
        let mut first = None;
        for statement in self.statements(series, day) {
            let statement = statement?;
            first = first.or(Some(statement));
            if statement.verified {
                return Ok((first, Some(statement)));
            }
        }
        Ok((first, None))
    }
    /// A series by path.
    fn series(&self, path: &str) -> Result<Option<(SeriesNumber, Series)>, Doubt>;
    /// A series by number.
    fn series_by_number(&self, number: SeriesNumber) -> Result<Option<Series>, Doubt>;
    /// State of a key's chain, by NKey public key.
    fn chain(&self, key: &str) -> Result<Option<ChainRow>, Doubt>;
}

/// Everything one commit writes. Maps hold the state after the commit's last entry; `moves` and `lookups` are appended.
#[derive(Debug, Clone, Default)]
pub struct Changes {
    /// Records written or changed.
    pub records: BTreeMap<Ordinal, Record>,
    /// Things written or changed.
    pub things: BTreeMap<ThingNumber, Thing>,
    /// New lookup keys. One that is given again counts with its newest, greater number.
    pub lookups: Vec<(LookupKey, u64)>,
    /// Statements set (`Some`) and removed (`None`): series, day, time, ordinal.
    pub statements: BTreeMap<(SeriesNumber, Day, Time, Ordinal), Option<Statement>>,
    /// Series written or changed.
    pub series: BTreeMap<SeriesNumber, Series>,
    /// History, in log order; per series gapless.
    pub moves: Vec<(SeriesNumber, Move)>,
    /// Refused reports.
    pub refused: Vec<Refused>,
    /// Accepted governance events: index, position, type, `data` as JSON text. Replayed in order they are the registry.
    pub governance: Vec<GovernanceRow>,
    /// Chains changed, by key.
    pub chains: BTreeMap<String, ChainRow>,
    /// Forecasts stated: index, event data JSON.
    pub forecasts: Vec<GovernanceRow>,
    /// Position after the commit.
    pub position: Position,
}

/// An accepted governance event (or forecast) as kept for replay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GovernanceRow {
    /// Index of the entry.
    pub index: u64,
    /// Position in the body.
    pub position: u16,
    /// Who published it.
    pub agency: String,
    /// Event type with version.
    pub kind: String,
    /// Event time.
    pub time: Time,
    /// `recorded` of the entry.
    pub recorded: Time,
    /// `data` as JSON text.
    pub data: String,
}

/// Figures of a series as of a day and a size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Figures {
    /// Additive figures.
    pub tally: Tally,
    /// Winning statement.
    pub reported: Option<Statement>,
    /// Winning verified statement.
    pub verified: Option<Statement>,
    /// Greatest day, not after `as_of`, on which something stands.
    pub day_last: Option<Day>,
}
