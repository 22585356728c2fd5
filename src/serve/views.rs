//! Shapes of the answers about one series, the events behind it, entries and agencies. Fields are only ever added.
//!
//! Amounts are JSON numbers with exact decimals; times are RFC 3339, days `2026-12-31` in Asia/Seoul. Nothing here computes.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::source::Mention;
use crate::catalogue::indicator::{Baseline, FoldKind, PathPoint, Unit};
use crate::event::{Amount, Date, Day, Text, Time};
use crate::projector::remind::Reminder;
use crate::store::progress::view::{AgencyView, FigureView, TargetView};

/// The line of one series, with what a chart of it shows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct SeriesView {
    /// Indicator.
    pub id: String,
    /// The series below it: `total`, `part/fast`, `region/11`, `agency/keco`, `class/fast`, `period/2025`, `stage/operating`.
    pub path: String,
    /// What the series is of, said for readers: the indicator's title, a part, a region…
    pub title: Text,
    /// Unit, where the source names one.
    pub unit: Option<Unit>,
    /// Fold kind.
    pub fold: FoldKind,
    /// The figure on the last day asked for.
    pub figure: FigureView,
    /// One point per day on which the line changes, ascending: the value holds until the next one.
    pub points: Vec<PointView>,
    /// Points there are from `from` to `to`; where it is more than are shown, the newest are.
    pub points_total: u64,
    /// Targets of this series (of the whole, of the part or of the period): current, original, every revision.
    pub targets: Vec<TargetView>,
    /// Where the line to the target starts.
    pub baseline: Option<Baseline>,
    /// First day of that line.
    pub start: Option<Date>,
    /// Values expected on dates between start and due, where the line is not straight.
    pub expected: Vec<PathPoint>,
    /// What happened to the series besides reports, by day: see [`MarkView::kind`].
    pub marks: Vec<MarkView>,
    /// The figure rests on simulated reports.
    pub simulated: bool,
    /// The newest report was entered from a public source by a desk.
    pub public_source: bool,
    /// What had happened by the end of this day (Asia/Seoul).
    pub as_of: Day,
    /// `recorded` of the newest entry counted.
    pub known_at: Option<Time>,
    /// Log size the line is folded to.
    pub size: u64,
    /// How many of these entries a published checkpoint covers.
    pub proven_size: u64,
}

/// A day on which a line changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct PointView {
    /// Day of the events.
    pub day: Day,
    /// The number by the end of that day; absent where nothing stands (any more).
    pub value: Option<Amount>,
    /// What verifiers vouch for of it.
    pub verified: Option<Amount>,
    /// Reports that stand behind it by then; of stated values 1.
    pub reports: i64,
}

/// Something that happened to a series.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct MarkView {
    /// `correction`, `retraction`, `dispute`, `verification`, `resolution`, `remark` (a report with a remark), `break` (a new
    /// definition counts from that day), `revision` (of a target), `succession` (of a region).
    pub kind: String,
    /// Day it is drawn at: of the event it is about, or the first day of what it begins.
    pub day: Day,
    /// What was said: the reason, note or remark as it stands in the event.
    pub text: Option<String>,
    /// Whose.
    pub agency: Option<AgencyView>,
    /// Event that says so, where an event does.
    pub event: Option<Uuid>,
    /// Entry that says so.
    pub index: Option<u64>,
}

/// The events behind one figure. `contributes` of all pages add up to `figure.value`; of stated values the one that `counts`
/// is the figure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct EventsView {
    /// Indicator.
    pub id: String,
    /// The series below it.
    pub path: String,
    /// What the series is of, said for readers.
    pub title: Text,
    /// Unit, where the source names one.
    pub unit: Option<Unit>,
    /// Fold kind: says how contributions become the figure.
    pub fold: FoldKind,
    /// The figure they are behind.
    pub figure: FigureView,
    /// In log order, newest first with `order=desc`.
    pub events: Vec<EventView>,
    /// `cursor` of the next page, if there may be more; a page may be empty and have a next one.
    pub next: Option<u64>,
    /// The figure rests on simulated reports.
    pub simulated: bool,
    /// What had happened by the end of this day (Asia/Seoul).
    pub as_of: Day,
    /// `recorded` of the newest entry counted.
    pub known_at: Option<Time>,
    /// Log size the figure is folded to.
    pub size: u64,
    /// How many of these entries a published checkpoint covers.
    pub proven_size: u64,
}

/// One event behind a figure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct EventView {
    /// Entry.
    pub index: u64,
    /// Position in its body, from 0.
    pub position: u16,
    /// Whose.
    pub agency: AgencyView,
    /// Event id.
    pub id: Uuid,
    /// Event type; of a correction the type it corrects.
    #[serde(rename = "type")]
    pub kind: String,
    /// When it happened.
    pub time: Time,
    /// When it was recorded.
    pub recorded: Time,
    /// What it adds: an amount, a number of things; of stated values the value it states; of remarks nothing.
    pub contributes: Option<Amount>,
    /// What verifiers vouch for of that.
    pub verified: Option<Amount>,
    /// What of it is not de-duplicated by listed things.
    pub not_deduplicated: Amount,
    /// Whether it makes the figure: always, except of stated values, where the newest one does.
    pub counts: bool,
    /// Things that count by its claim, by their identity: as many as are shown.
    pub things: Vec<ThingView>,
    /// How many there are.
    pub things_total: u64,
    /// It replaced an earlier version: see `/v1/records/{id}`.
    pub corrected: bool,
    /// Who vouches for it.
    pub verified_by: Vec<Mention>,
    /// Who contests it.
    pub disputed_by: Vec<Mention>,
    /// Marked provisional.
    pub provisional: bool,
    /// Marked approximate.
    pub approximate: bool,
    /// Its remark.
    pub remark: Option<String>,
    /// Reported by a simulated agency.
    pub simulated: bool,
    /// Entered from a public source by a desk, not reported by the body concerned.
    pub public_source: bool,
}

/// A thing that counts once, however many claim it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ThingView {
    /// Identity fields, in the order of the indicator's identity scheme.
    pub identity: Vec<String>,
    /// Agencies with a claim on it that stands.
    pub claimed_by: Vec<String>,
}

/// A page of entries: who reported what and when.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct EntriesPage {
    /// In log order, newest first with `order=desc`.
    pub entries: Vec<EntryView>,
    /// `from` of the next page, if there may be more; a page may be empty and have a next one.
    pub next: Option<u64>,
    /// The whole ledger is a simulation.
    pub simulated: bool,
    /// Log size.
    pub size: u64,
    /// How many of these entries a published checkpoint covers.
    pub proven_size: u64,
}

/// One entry of the log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct EntryView {
    /// Index.
    pub index: u64,
    /// When it was recorded.
    pub recorded: Time,
    /// When the agency signed it, where the signature can be read.
    pub reported: Option<Time>,
    /// Agency named by the subject, where it parses.
    pub agency: Option<AgencyView>,
    /// Public key named by the signature; of a refused report it is only what the report says.
    pub kid: Option<String>,
    /// NATS subject, where it can be shown.
    pub subject: Option<String>,
    /// Event type named by the subject.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// Its name in words, where it is registered.
    #[serde(default, rename = "type_title")]
    pub kind_title: Option<Text>,
    /// Events in the body, where it can be read.
    pub events: Option<u64>,
    /// `accepted`, `duplicate` or `refused`.
    pub verdict: String,
    /// Stable reason code of a refusal.
    pub code: Option<String>,
    /// The reason in both languages.
    pub reason: Option<Text>,
    /// Indicators that its accepted events are about.
    pub indicators: Vec<String>,
    /// Earliest `time` of its events.
    pub time_first: Option<Time>,
    /// Latest `time` of its events.
    pub time_last: Option<Time>,
    /// Bytes of the entry.
    pub bytes: u64,
    /// Texts of its body were masked by law.
    pub withheld: bool,
    /// A published checkpoint covers it.
    pub proven: bool,
    /// Reported by a simulated agency.
    pub simulated: bool,
    /// Entered from a public source by a desk.
    pub public_source: bool,
}

/// Every agency.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct AgenciesView {
    /// In the order of registration.
    pub agencies: Vec<AgencyDetail>,
    /// The whole ledger is a simulation.
    pub simulated: bool,
    /// Log size.
    pub size: u64,
    /// Entries that the counts cover: less than `size` while they are being made, ask again then.
    pub counted: u64,
}

/// An agency: who it is, its keys and what became of its reports.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct AgencyDetail {
    /// Code.
    pub code: String,
    /// Name.
    pub name: Text,
    /// `agency`, `authority`, `desk` (enters public sources on behalf of others) or `simulated`.
    pub role: String,
    /// First day of validity.
    pub valid_from: Option<Date>,
    /// Last day of validity.
    pub valid_to: Option<Date>,
    /// Agency that follows it.
    pub successor: Option<String>,
    /// Its keys, oldest first: the newest of them, where there are many.
    pub keys: Vec<KeyView>,
    /// How many keys it has, or had.
    #[serde(default)]
    pub keys_total: u64,
    /// How many of them are not revoked.
    #[serde(default)]
    pub keys_standing: u64,
    /// Reports missing in the chains of all its keys.
    #[serde(default)]
    pub missing: u64,
    /// Numbers given twice under any of its keys.
    #[serde(default)]
    pub forks: u64,
    /// Reports accepted.
    pub accepted: u64,
    /// Reports with nothing new.
    pub duplicates: u64,
    /// Reports refused: those whose subject names it, whoever sent them.
    pub refused: u64,
    /// Events in accepted reports.
    pub events: u64,
    /// Newest accepted report.
    pub last_report: Option<ReportView>,
    /// Seconds from the time of the first event of a report to its signature, over accepted reports.
    pub lateness: Option<LatenessView>,
    /// Indicators its accepted reports are about.
    pub indicators: Vec<String>,
    /// Indicators that name it among their reporters.
    pub may_report: Vec<String>,
}

/// A key of an agency.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct KeyView {
    /// NKey public key, `U…`.
    pub kid: String,
    /// Agency that added it: itself, or an authority.
    pub added_by: String,
    /// It was added by another than the agency itself.
    pub by_authority: bool,
    /// Entry after which it is valid.
    pub added: u64,
    /// When that was recorded.
    pub added_at: Option<Time>,
    /// Entry from which it is refused.
    pub revoked: Option<u64>,
    /// When that was recorded.
    pub revoked_at: Option<Time>,
    /// Highest sequence number seen under it.
    pub seq: u64,
    /// Sequence numbers that never came: first, last and since when they are missed.
    pub gaps: Vec<GapView>,
    /// Entries that fork its chain: the key signed one number twice.
    pub forks: Vec<u64>,
}

/// Missing reports of a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct GapView {
    /// First missing number.
    pub first: u64,
    /// Last missing number.
    pub last: u64,
    /// When the gap was noticed.
    pub noticed: Time,
}

/// One report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ReportView {
    /// Entry.
    pub index: u64,
    /// When it was recorded.
    pub recorded: Time,
    /// When it was signed.
    pub reported: Option<Time>,
}

/// How late reports are, in seconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct LatenessView {
    /// Half are later.
    pub median_s: i64,
    /// The latest.
    pub max_s: i64,
    /// Reports it is taken over.
    pub reports: u64,
}

/// Reminders, newest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct RemindersView {
    /// Those asked for.
    pub reminders: Vec<Reminder>,
}
