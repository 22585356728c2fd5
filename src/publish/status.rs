//! What became of a report: the question and the answer of the NATS service `jindo.status`.
//!
//! A report is named by the hex SHA-256 of its compact JWS (header `Ledger-Signature`): unlike the body's hash it differs
//! between two reports of equal content.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::send::SendError;
use crate::{
    limits::{API_TIMEOUT_MS, STATUS_ASK_MAX},
    stream::Link,
};

/// Subject of the service.
pub const STATUS_SUBJECT: &str = "jindo.status";

/// `{"sha256":["<hex of the SHA-256 of a compact JWS>",…]}`, at most [`STATUS_ASK_MAX`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StatusQuestion {
    /// One per report.
    pub sha256: Vec<String>,
}

/// `{"reports":{"<hex>":{"state":"recorded","index":41,"verdict":"accepted"},…},"size":42,"caught_up":true}`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct StatusAnswer {
    /// One for each asked about.
    pub reports: BTreeMap<String, ReportState>,
    /// Entries in the log.
    pub size: u64,
    /// Everything that was in the stream when the question arrived is in the log: `unknown` means not stored. False
    /// while the projector lags or is halted: `unknown` then means not yet.
    #[serde(default)]
    pub caught_up: bool,
}

/// What the ledger knows of one report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "lowercase")]
pub enum ReportState {
    /// In the log; the first entry with this JWS.
    Recorded {
        /// Index of the entry.
        index: u64,
        /// `accepted`, `duplicate` or `refused`.
        verdict: String,
        /// Reason code where it was refused.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        code: Option<String>,
        /// What was wrong and what to do, per event where it differs.
        #[serde(default, skip_serializing_if = "Value::is_null")]
        detail: Value,
    },
    /// Not in the log.
    Unknown,
}

/// Asks about up to [`STATUS_ASK_MAX`] reports.
///
/// # Errors
/// [`SendError::NoStatus`] where the service does not answer or answers what cannot be read.
pub async fn ask(link: &Link, sha256: &[String]) -> Result<StatusAnswer, SendError> {
    let no_status = |why: String| SendError::NoStatus { why };
    let asked = sha256.get(..STATUS_ASK_MAX).unwrap_or(sha256).to_vec();
    let question =
        serde_json::to_vec(&StatusQuestion { sha256: asked }).map_err(|error| no_status(error.to_string()))?;
    let reply = link.client.request(STATUS_SUBJECT, question.into());
    // A subscription that the server forbids would never be answered.
    let reply = tokio::time::timeout(std::time::Duration::from_millis(API_TIMEOUT_MS), reply).await;
    let message =
        reply.map_err(|_| no_status("no answer in time".to_owned()))?.map_err(|error| no_status(error.to_string()))?;
    serde_json::from_slice(&message.payload).map_err(|error| no_status(format!("its answer cannot be read: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_on_the_wire() {
        let text = r#"{"reports":{"ab":{"state":"recorded","index":41,"verdict":"refused","code":"type-unknown","detail":"x"},"cd":{"state":"unknown"}},"size":42,"caught_up":true}"#;
        let answer: StatusAnswer = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&answer).unwrap(), text);
        let old: StatusAnswer = serde_json::from_str(r#"{"reports":{},"size":1}"#).unwrap();
        assert!(!old.caught_up, "silence is no promise");
    }
}
