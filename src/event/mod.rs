//! What is said: the CloudEvents envelope, event types and their schemas, exact amounts, time, subjects.
//!
//! Nothing here knows who may say it ([`crate::sign`], [`crate::admit`]) or what follows from it ([`crate::fold`]).

pub mod about;
pub mod amount;
pub mod envelope;
pub mod governance;
pub mod json;
pub mod lang;
pub mod mask;
pub mod personal;
pub mod schema;
pub mod subject;
pub mod time;

use std::sync::Arc;

pub use amount::Amount;
pub use time::{Date, Day, Precision, Time};
use uuid::Uuid;

/// One event as parsed from a body: the CloudEvents attributes jindo uses.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// CloudEvents `id`: a UUID in canonical lower-case form.
    pub id: Uuid,
    /// The agency of `source` `/agencies/<agency>`.
    pub agency: Arc<str>,
    /// CloudEvents `type`, version included: `charger.installed.v1`.
    pub kind: Arc<str>,
    /// When it happened.
    pub time: Time,
    /// CloudEvents `subject`, the thing it is about.
    pub subject: Option<String>,
    /// `data` as a strict tree (no duplicate keys, numbers as source text).
    pub data: serde_json::Value,
    /// First 16 bytes of the SHA-256 over the canonical tree of the whole event: equal content has equal digests.
    pub digest: [u8; 16],
}

/// A value said in both languages.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Text {
    /// Korean.
    pub ko: String,
    /// English.
    pub en: String,
}
