//! The definition of an indicator: how events become its number, declaratively. A new indicator needs no code.
//!
//! `data` of `indicator.registered.v1` is an [`Indicator`]; `data` of `definition.changed.v1` a [`DefinitionChanged`].

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::event::{Amount, Date, Text};

/// One commitment and how its number is made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Indicator {
    /// Stable id, `[a-z][a-z0-9-]{1,63}`.
    pub id: String,
    /// Row of the work plan, 1 to 34; orders lists.
    pub row: u16,
    /// Title.
    pub title: Text,
    /// Area code: `region`, `ai`, `chips`, `battery`, `cars`, `ships`, `defence`, `trade`, `reform`.
    pub area: String,
    /// Agency that answers for it.
    pub owner: String,
    /// Agencies that may report it.
    pub reporters: Vec<String>,
    /// Agencies that may verify reports.
    #[serde(default)]
    pub verifiers: Vec<String>,
    /// Agency that may govern it and resolve claims.
    pub authority: String,
    /// Unit of the number; absent where the source names none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<Unit>,
    /// How events become the number.
    pub fold: Fold,
    /// Splits, as marginals: `region` is `data.region`, and so on; `agency` is the reporter.
    #[serde(default)]
    pub splits: Vec<Split>,
    /// Parts with targets of their own.
    #[serde(default)]
    pub parts: Vec<Part>,
    /// Where the line to the target starts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<Baseline>,
    /// First day of the line to the target.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<Date>,
    /// Expected values on dates, where a straight line is wrong; ascending.
    #[serde(default)]
    pub path: Vec<PathPoint>,
    /// Days of silence after which the status is `no_report`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report_every: Option<u16>,
    /// What the source says and how we read it.
    pub source: Source,
    /// What would have to be known to measure it; not empty makes the status `unmeasurable`.
    #[serde(default)]
    pub missing: Vec<Missing>,
}

/// Unit of a number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Unit {
    /// `charger`, `factory`, `vehicle/year`, `member`, `KRW`, `USD`, `ratio`, `percent`, `case`, `stage`…
    pub code: String,
    /// ISO 4217 code where it is money (equal to `code` then): reports in another currency are refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
    /// Counter word: 기, 개, 원 / chargers, factories, KRW.
    pub label: Text,
}

/// Which of the four folds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FoldKind {
    /// Total of a field; listed things count once.
    Sum,
    /// How many different things.
    Distinct,
    /// Last stated value, per period where there is one.
    Latest,
    /// How far along ordered stages.
    Stage,
    /// No number: the remarks themselves, counted.
    Narrative,
}

/// How events become the number.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fold {
    /// Which fold.
    pub kind: FoldKind,
    /// Event types that move it, each with how.
    pub from: Vec<Selector>,
    /// Identity scheme of `distinct`, `stage` and `things`: data fields (dotted) that together name a thing. Empty for
    /// `stage`: one thing, the indicator itself.
    #[serde(default)]
    pub identity: Vec<String>,
    /// Stages in order, for `stage`, and for `distinct` where only things that reached `counts_from` count.
    #[serde(default)]
    pub stages: Vec<Stage>,
    /// Stage id from which a thing counts in the figure; default the last stage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counts_from: Option<String>,
    /// Data field that names the period a stated value is for (`latest`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub period: Option<String>,
    /// Events before this date do not count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_date: Option<Date>,
    /// Events after this date do not count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to_date: Option<Date>,
}

/// One event type that moves an indicator.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Selector {
    /// Event type with version: `charger.installed.v1`.
    pub event: String,
    /// Data field (dotted) with the amount (`sum`, `latest`) or the number of unlisted things (`distinct`); absent: 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// Data field with the list of things, each counted once (`sum`); the amount is then the number of new things.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub things: Option<String>,
    /// Data field with the stage reached (`stage`, `distinct` with stages); absent: the last stage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<String>,
    /// Data field with the currency, where it is money.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
    /// Only events whose data fields have one of these values; an empty text stands for an absent field.
    #[serde(default, rename = "where", skip_serializing_if = "BTreeMap::is_empty")]
    pub only: BTreeMap<String, Vec<String>>,
    /// Moves only the parts it belongs to, never the total or its splits: money committed beside money disbursed, FDI
    /// arrived beside FDI notified. Adding both up would count one won twice.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub beside: bool,
    /// Events before this date do not count, in place of the fold's `from_date`: published totals of an earlier year
    /// beside the sum of this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_date: Option<Date>,
}

/// One dimension of marginals.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Split {
    /// `region`, `class`, `agency`, `item`…
    pub id: String,
    /// Data field (dotted); `agency` has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// Name.
    pub title: Text,
}

/// A part of the figure with targets of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// Id, unique in the indicator: `fast`.
    pub id: String,
    /// Name.
    pub title: Text,
    /// Which events belong to it, by data fields.
    #[serde(rename = "where")]
    pub only: BTreeMap<String, Vec<String>>,
}

/// Where the line to the target starts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    /// Value on that date.
    pub value: Amount,
    /// Date.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub date: Option<Date>,
    /// "over 1,000": a floor or an approximation.
    #[serde(default)]
    pub approximate: bool,
}

/// An expected value on a date.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PathPoint {
    /// Date.
    pub date: Date,
    /// Value expected on it.
    pub value: Amount,
}

/// A stage of `stage` and `distinct`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stage {
    /// Id as it stands in event data.
    pub id: String,
    /// Name.
    pub title: Text,
}

/// The source and our reading of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// As printed, short.
    pub fragment: String,
    /// Where.
    pub reference: String,
    /// Our reading.
    pub reading: Text,
    /// Whether the owner confirmed it.
    pub confirmed: bool,
}

/// One thing that is missing to measure the indicator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Missing {
    /// `unit`, `date`, `target`, `definition`, `baseline`.
    pub what: String,
    /// Said for readers.
    pub note: Text,
}

/// `definition.changed.v1`: from `effective` on (by event `time`) the new definition counts; a series break.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DefinitionChanged {
    /// The new definition, whole; its `id` names the indicator, its `fold.kind` and `unit` stay.
    pub definition: Indicator,
    /// First day it counts from.
    pub effective: Date,
    /// Why.
    pub reason: String,
}
