//! The JSON of one indicator: the shape of `GET /v1/indicators/{id}`, of a value in the key-value bucket and of a line of
//! `jindo status --json`. Fields are only ever added.
//!
//! Amounts are JSON numbers with exact decimals; times are RFC 3339, days `2026-12-31`. Nothing here computes.

use serde::{Deserialize, Serialize};

use crate::catalogue::indicator::{Baseline, FoldKind, Missing, Unit};
use crate::event::governance::Goal;
use crate::event::{Amount, Date, Day, Precision, Text, Time};

/// Every indicator, as of one moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct IndicatorsView {
    /// What had happened by the end of this day (Asia/Seoul).
    pub as_of: Day,
    /// What had been recorded by then: `recorded` of the newest entry counted.
    pub known_at: Option<Time>,
    /// Log size the figures are folded to.
    pub size: u64,
    /// How many of these entries a published checkpoint covers; 0 also where this process publishes none.
    #[serde(default)]
    pub proven_size: u64,
    /// Log origin.
    pub origin: String,
    /// The whole ledger is a simulation.
    pub simulated: bool,
    /// By row of the work plan.
    pub indicators: Vec<IndicatorView>,
}

/// One commitment: what was promised, where it stands, who says so.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct IndicatorView {
    /// Stable id.
    pub id: String,
    /// Row of the work plan.
    pub row: u16,
    /// Title.
    pub title: Text,
    /// Area code.
    pub area: String,
    /// Who answers for it on `as_of`.
    pub owner: AgencyView,
    /// Who answered for it and from when, oldest first.
    pub owners: Vec<OwnerView>,
    /// Agencies that may report it.
    pub reporters: Vec<String>,
    /// Agencies that may verify reports.
    pub verifiers: Vec<String>,
    /// Agency that may govern it.
    pub authority: String,
    /// Unit, where the source names one.
    pub unit: Option<Unit>,
    /// Fold kind.
    pub fold: FoldKind,
    /// The figure of the whole.
    pub figure: FigureView,
    /// The period the figure is stated for, where figures are stated per period.
    pub figure_period: Option<String>,
    /// Where the line to the target starts.
    pub baseline: Option<Baseline>,
    /// First day of that line.
    pub start: Option<Date>,
    /// Targets of the whole, of parts and of periods: current, original and every revision.
    pub targets: Vec<TargetView>,
    /// Parts with figures and statuses of their own.
    pub parts: Vec<PartView>,
    /// Marginals.
    pub splits: Vec<SplitView>,
    /// Stated values per period, newest period last.
    pub periods: Vec<PeriodView>,
    /// Things per stage, in the order of the stages.
    pub stages: Vec<StageView>,
    /// Where it stands.
    pub status: StatusView,
    /// What the reporter expects, where it said so.
    pub forecast: Option<ForecastView>,
    /// The newest report that moved it.
    pub last_report: Option<LastReport>,
    /// What the source says and how it is read.
    pub source: SourceView,
    /// What would have to be known to measure it.
    pub missing: Vec<Missing>,
    /// Days from which a new definition counts, oldest first: the series breaks there.
    pub breaks: Vec<BreakView>,
    /// The figure rests on simulated reports.
    pub simulated: bool,
    /// The newest report was entered from a public source by a desk, not by the body concerned.
    pub public_source: bool,
    /// What had happened by the end of this day (Asia/Seoul).
    pub as_of: Day,
    /// `recorded` of the newest entry counted.
    pub known_at: Option<Time>,
    /// Log size the figure is folded to.
    pub size: u64,
    /// How many of these entries a published checkpoint covers; 0 also where this process publishes none.
    #[serde(default)]
    pub proven_size: u64,
}

/// An agency by code and name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct AgencyView {
    /// Code.
    pub code: String,
    /// Name.
    pub name: Text,
}

/// A time of ownership.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct OwnerView {
    /// Who.
    pub agency: AgencyView,
    /// From when; absent: from the start.
    pub from: Option<Date>,
    /// Why it came to them.
    pub reason: Option<String>,
    /// Entry that says so.
    pub index: u64,
}

/// A figure: reported and verified, with what weakens it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
pub struct FigureView {
    /// The number; absent where nothing was reported (silence is not zero).
    pub value: Option<Amount>,
    /// What verifiers vouch for of it.
    pub verified: Option<Amount>,
    /// What of it is not de-duplicated by listed things.
    pub not_deduplicated: Amount,
    /// Reports that stand behind it.
    pub reports: i64,
    /// Disputed ones among them.
    pub disputed: i64,
    /// Provisional ones among them.
    pub provisional: i64,
    /// Approximate ones among them.
    pub approximate: i64,
    /// Said for readers: 7만 1,450기 / 71,450 chargers.
    pub text: Text,
}

/// A target now, as first set, and how it moved.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct TargetView {
    /// Part, if of a part.
    pub part: Option<String>,
    /// Period, if of one.
    pub period: Option<String>,
    /// In force.
    pub current: TargetState,
    /// As first set.
    pub original: TargetState,
    /// Oldest first.
    pub revisions: Vec<RevisionView>,
}

/// What a target asks, in one of its versions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct TargetState {
    /// Reach, at least, at most.
    pub goal: Goal,
    /// The value, where the source names one.
    pub value: Option<Amount>,
    /// "about".
    pub approximate: bool,
    /// Due date in its precision.
    pub due: Option<Date>,
    /// `day`, `month`, `quarter`, `half`, `year`.
    pub due_precision: Option<String>,
    /// Last day of it.
    pub due_last_day: Option<Day>,
    /// As printed, where our reading differs.
    pub due_as_printed: Option<String>,
    /// Whether the owner confirmed it.
    pub confirmed: bool,
    /// Where it was announced.
    pub source: Option<String>,
    /// Entry that sets it.
    pub index: u64,
    /// Said for readers.
    pub text: Text,
}

/// One revision of a target.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct RevisionView {
    /// Value before.
    pub old: Option<Amount>,
    /// Value after.
    pub new: Option<Amount>,
    /// Due before.
    pub old_due: Option<Date>,
    /// Due after.
    pub new_due: Option<Date>,
    /// Why.
    pub reason: String,
    /// Who decided.
    pub authority: AgencyView,
    /// Day of the announcement.
    pub announced: Option<Date>,
    /// Entry.
    pub index: u64,
    /// Said for readers: 7만 1,000기 → 7만 1,450기.
    pub text: Text,
}

/// A part.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct PartView {
    /// Id.
    pub id: String,
    /// Name.
    pub title: Text,
    /// Its figure.
    pub figure: FigureView,
    /// Where it stands, if it has a target.
    pub status: Option<StatusView>,
}

/// One dimension of marginals.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct SplitView {
    /// Id: `region`, `class`, `agency`…
    pub id: String,
    /// Name.
    pub title: Text,
    /// Values in code order; only those that were reported.
    pub values: Vec<SplitValue>,
}

/// One value of a split.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct SplitValue {
    /// As it stands in the events.
    pub value: String,
    /// Name.
    pub label: Text,
    /// Its figure.
    pub figure: FigureView,
    /// Where a succession of regions breaks the series: events are counted under the old codes before it, under the new one
    /// from then on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub succession: Option<SuccessionView>,
}

/// A region before or after a succession.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct SuccessionView {
    /// Last day of this region, where it ended.
    pub until: Option<Date>,
    /// The region that follows it.
    pub successor: Option<String>,
    /// Regions it follows, with the first day.
    pub predecessors: Vec<(String, Day)>,
}

/// One period of stated values.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct PeriodView {
    /// As it stands in the events: `2025`, `2026-Q1`.
    pub period: String,
    /// Its figure.
    pub figure: FigureView,
    /// Where it stands, if it has a target.
    pub status: Option<StatusView>,
}

/// One stage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct StageView {
    /// Id.
    pub id: String,
    /// Name.
    pub title: Text,
    /// Things that reached it or a later one.
    pub figure: FigureView,
}

/// Where a figure stands against its target on `as_of`. Never stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct StatusView {
    /// `on_track`, `at_risk`, `behind`, `met`, `overdue`, `no_report`, `not_started`, `unmeasurable`.
    pub code: String,
    /// The word for it.
    pub text: Text,
    /// Expected on `as_of` against the current target.
    pub expected: Option<Amount>,
    /// (value − baseline) ÷ (expected − baseline).
    pub ratio: Option<Amount>,
    /// Status against the original target, where it was revised.
    pub code_original: Option<String>,
    /// Ratio against the original target, where it was revised.
    pub ratio_original: Option<Amount>,
}

/// A forecast as stated.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ForecastView {
    /// Who expects it.
    pub agency: AgencyView,
    /// Part, if of a part.
    pub part: Option<String>,
    /// Value expected.
    pub value: Option<Amount>,
    /// When.
    pub date: Date,
    /// `on-track`, `at-risk`, `behind`.
    pub outlook: String,
    /// Remark.
    pub remark: Option<String>,
    /// Entry.
    pub index: u64,
    /// When it was recorded.
    pub recorded: Time,
}

/// The newest report behind a figure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct LastReport {
    /// Day it is about (the greatest day that counts).
    pub day: Option<Day>,
    /// When it was recorded.
    pub recorded: Option<Time>,
    /// Who reported; absent where a past moment was asked and later reports moved the figure since.
    pub agency: Option<AgencyView>,
    /// Entry; absent as above.
    pub index: Option<u64>,
}

/// The source and its reading.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct SourceView {
    /// As printed.
    pub fragment: String,
    /// Where.
    pub reference: String,
    /// Our reading.
    pub reading: Text,
    /// Whether anyone confirmed it.
    pub confirmed: bool,
    /// Who.
    pub confirmed_by: Option<String>,
}

/// A series break.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct BreakView {
    /// First day of the new definition.
    pub effective: Date,
    /// Why.
    pub reason: String,
    /// Entry.
    pub index: u64,
}

impl IndicatorView {
    /// The target shown first: of the whole, of the latest period that began by `as_of` (else the earliest).
    #[must_use]
    pub fn target(&self) -> Option<&TargetView> {
        let whole: Vec<&TargetView> = self.targets.iter().filter(|target| target.part.is_none()).collect();
        if let Some(plain) = whole.iter().find(|target| target.period.is_none()) {
            return Some(plain);
        }
        let first_day = |target: &TargetView| {
            target.period.as_deref().and_then(|period| Date::parse(period).ok()).map(Date::first_day)
        };
        let begun = whole.iter().filter(|target| first_day(target).is_some_and(|day| day <= self.as_of));
        begun.max_by_key(|target| first_day(target)).or(whole.first()).copied()
    }
}

/// The word of a precision in JSON.
#[must_use]
pub const fn precision_word(precision: Precision) -> &'static str {
    match precision {
        Precision::Day => "day",
        Precision::Month => "month",
        Precision::Quarter => "quarter",
        Precision::Half => "half",
        Precision::Year => "year",
    }
}
