//! `data` of the governance events, published under `ledger.govern.<authority>.<type>`. Shapes equal
//! `schemas/events/<type>.json`. Indicator definitions are `catalogue::indicator::Indicator`, kept there.

use serde::{Deserialize, Serialize};

use super::{Amount, Date, Text};

/// `ledger.created.v1`, entry 0.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LedgerCreated {
    /// The log's origin, also `aud` of every signature: `jindo.example/motie-2026`.
    pub origin: String,
    /// The log's vkey (C2SP signed-note), empty where no checkpoint key exists yet.
    pub log_key: String,
    /// Authorities and their keys: they govern.
    pub authorities: Vec<AgencyRegistered>,
    /// Rules version in force from entry 0.
    pub rules: u32,
    /// A simulated ledger says so, forever.
    #[serde(default)]
    pub simulated: bool,
}

/// `rules.adopted.v1`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RulesAdopted {
    /// Rules version in force after this entry.
    pub rules: u32,
    /// Why.
    pub reason: String,
}

/// `schema.registered.v1`: the exact schema text of one event type version.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SchemaRegistered {
    /// Event type, version included.
    #[serde(rename = "type")]
    pub kind: String,
    /// The JSON Schema 2020-12 document as text, byte for byte.
    pub schema: String,
}

/// `agency.registered.v1`; a later one of the same code changes its description.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AgencyRegistered {
    /// `[a-z][a-z0-9-]{1,31}`.
    pub code: String,
    /// Name.
    pub name: Text,
    /// `agency`, `authority`, `desk` (enters public sources on behalf of others) or `simulated`.
    pub role: String,
    /// First day of validity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_from: Option<Date>,
    /// Last day of validity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_to: Option<Date>,
    /// NKey public keys (`U…`) valid from this entry on.
    #[serde(default)]
    pub keys: Vec<String>,
}

/// `agency.succeeded.v1`: `successor` may correct and retract what `agency` reported, from this entry on.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AgencySucceeded {
    /// Who ends.
    pub agency: String,
    /// Who follows.
    pub successor: String,
    /// Day it takes effect.
    pub effective: Date,
    /// Why.
    pub reason: String,
}

/// `key.added.v1`: valid from this entry on. Published by the agency itself (signed with a valid key, subject
/// `ledger.govern.<agency>.key.added.v1`) or by an authority, which is shown.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyAdded {
    /// Whose.
    pub agency: String,
    /// NKey public key `U…`.
    pub key: String,
}

/// `key.revoked.v1`: refused from this entry on.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyRevoked {
    /// Whose.
    pub agency: String,
    /// NKey public key `U…`.
    pub key: String,
    /// Why.
    pub reason: String,
}

/// `log.key-rotated.v1`: checkpoints that cover this entry are signed by the new key.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogKeyRotated {
    /// The next key, as a verifier key (C2SP signed-note).
    pub new: String,
    /// The note by which the key in force names it ([`crate::log::keyring`]).
    pub note: String,
    /// Why.
    pub reason: String,
}

/// `region.registered.v1`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegionRegistered {
    /// ISO 3166-2:KR code without `KR-`: `11`; or a bloc code.
    pub code: String,
    /// Name.
    pub name: Text,
    /// `province` or `bloc`.
    pub level: String,
    /// First day of validity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_from: Option<Date>,
    /// Last day of validity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_to: Option<Date>,
    /// Code of the region that follows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub successor: Option<String>,
}

/// `region.succeeded.v1`: from `effective` on (by event `time`), `successor` stands for all of `regions`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegionSucceeded {
    /// Codes that end.
    pub regions: Vec<String>,
    /// The region that follows.
    pub successor: RegionRegistered,
    /// First day of the successor.
    pub effective: Date,
    /// Why (the law).
    pub reason: String,
}

/// What a target asks of the figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Goal {
    /// Reach the value by the due date.
    Reach,
    /// Never below (a floor).
    AtLeast,
    /// Never above (a cap).
    AtMost,
}

/// `target.set.v1`, and the new state inside `target.revised.v1`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TargetSet {
    /// Indicator id.
    pub indicator: String,
    /// Part id, if of a part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<String>,
    /// Period (`2026`), if of one period of a `latest` figure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub period: Option<String>,
    /// What it asks.
    pub goal: Goal,
    /// The value; absent where the source names none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Amount>,
    /// "about": shown as such.
    #[serde(default)]
    pub approximate: bool,
    /// Due date with precision; absent where the source names none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<Date>,
    /// Due as printed, where our reading differs: `20934`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due_as_printed: Option<String>,
    /// Whether value and due date are confirmed by the owner.
    #[serde(default)]
    pub confirmed: bool,
    /// Where it was announced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
}

/// `target.revised.v1`: old and new stand side by side; a reason is demanded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TargetRevised {
    /// The target as it was; must equal the one in force.
    pub old: TargetSet,
    /// The target from this entry on.
    pub new: TargetSet,
    /// Why.
    pub reason: String,
    /// Who decided: an agency code.
    pub authority: String,
    /// Day of the announcement.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub announced: Option<Date>,
}

/// `owner.transferred.v1`: from `effective` on.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OwnerTransferred {
    /// Indicator id.
    pub indicator: String,
    /// Who answered for it.
    pub from: String,
    /// Who answers for it now.
    pub to: String,
    /// First day.
    pub effective: Date,
    /// Why.
    pub reason: String,
}

/// `source.interpreted.v1`: how an ambiguous or misprinted source is read.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceInterpreted {
    /// Indicator id.
    pub indicator: String,
    /// As printed.
    pub fragment: String,
    /// Our reading.
    pub reading: Text,
    /// Whether anyone confirmed it.
    pub confirmed: bool,
    /// Who, if confirmed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirmed_by: Option<String>,
}

/// `body.withheld.v1`: texts in the body of an entry are legally removed; its hash stays. In force once an authority and the
/// agency that signed the entry have both said it alike.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BodyWithheld {
    /// Index of the entry.
    pub index: u64,
    /// Agency whose entry it is.
    pub agency: String,
    /// SHA-256 of the body, lower-case hex.
    pub sha256: String,
    /// RFC 6901 pointers to the texts that are masked; `""` alone for the whole body of a refused report.
    pub mask: Vec<String>,
    /// SHA-256 of the entry as it stands afterwards, header lines included, lower-case hex.
    pub stands: String,
    /// Legal ground.
    pub reason: String,
}
