//! `data` of the reports about reports. Shapes equal `schemas/events/<type>.json`.

use serde::Deserialize;
use uuid::Uuid;

use super::{Amount, Date, Time};

/// `report.corrected.v1`: this event becomes the new version of the one it replaces. `data.event` carries the corrected
/// `time`, `subject` and `data`, whole, in the type of the version replaced. Only the version's own agency may.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Corrected {
    /// Event id of the version replaced: the newest one.
    pub replaces: Uuid,
    /// Why, for readers.
    pub reason: String,
    /// The corrected event.
    pub event: CorrectedEvent,
}

/// The corrected attributes of a [`Corrected`] report.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CorrectedEvent {
    /// When it happened.
    pub time: Time,
    /// CloudEvents `subject`.
    #[serde(default)]
    pub subject: Option<String>,
    /// `data` of the type replaced.
    pub data: serde_json::Value,
}

/// `report.retracted.v1`: the version named no longer counts. Only its own agency may.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retracted {
    /// Event id of the newest version.
    pub retracts: Uuid,
    /// Why.
    pub reason: String,
}

/// `report.verified.v1`: a listed verifier, not the reporter, vouches for one version; lapses on correction.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Verified {
    /// Who reported it.
    pub agency: String,
    /// Event id of the newest version.
    pub verifies: Uuid,
    /// How it was verified.
    #[serde(default)]
    pub note: Option<String>,
}

/// `report.disputed.v1`: any registered agency contests one version; the figure stands, marked.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Disputed {
    /// Who reported it.
    pub agency: String,
    /// Event id of the newest version.
    pub disputes: Uuid,
    /// Why.
    pub reason: String,
}

/// `claim.resolved.v1`: the indicator's authority says whose claim on a thing stands (its attributes count).
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClaimResolved {
    /// Indicator id.
    pub indicator: String,
    /// Agency whose claim stands.
    pub agency: String,
    /// Event id of the version that claims the thing.
    pub stands: Uuid,
    /// The thing, by its identity fields in the order of the identity scheme.
    pub thing: Vec<String>,
    /// Why.
    pub reason: String,
}

/// `forecast.stated.v1`: what a reporter expects.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ForecastStated {
    /// Indicator id.
    pub indicator: String,
    /// Part id, if of a part.
    #[serde(default)]
    pub part: Option<String>,
    /// Value expected at `date`.
    #[serde(default)]
    pub value: Option<Amount>,
    /// When.
    pub date: Date,
    /// `on-track`, `at-risk`, `behind`.
    pub outlook: String,
    /// Remark for readers.
    #[serde(default)]
    pub remark: Option<String>,
}
