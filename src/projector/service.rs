//! The NATS service `jindo`: endpoint `jindo.status` tells publishers what became of their reports.
//!
//! Request: `{"sha256": ["<hex SHA-256 of the compact JWS>", …]}`, at most [`STATUS_ASKED_MAX`]. Response:
//! `{"size": n, "reports": {"<hex>": {"state": "recorded", "index": i, "verdict": "accepted" | "duplicate" | "refused",
//! "code": …, "detail": …} | {"state": "unknown"}}}`. Unknown means: not recorded up to `size`.

use std::collections::BTreeMap;

use futures_util::StreamExt as _;
use serde::{Deserialize, Serialize};

use super::shared::Shared;
use crate::fold::lookup::signature_key;
use crate::fold::rows::Rows as _;
use crate::limits::STATUS_ASKED_MAX;
use crate::log::entry::{Entry, Verdict};
use crate::sign::hex;
use crate::stream::{Link, StreamError};

/// Subject of the endpoint.
pub const STATUS_SUBJECT: &str = "jindo.status";

#[derive(Debug, Deserialize)]
struct Asked {
    sha256: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Told {
    size: u64,
    reports: BTreeMap<String, Report>,
}

#[derive(Debug, Serialize)]
#[serde(tag = "state", rename_all = "lowercase")]
enum Report {
    Unknown,
    Recorded {
        index: u64,
        verdict: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        code: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        detail: Option<String>,
    },
}

/// Serves until the connection ends or the task is dropped.
///
/// # Errors
/// [`StreamError`] where the service cannot be started.
pub async fn serve(link: Link, shared: Shared) -> Result<(), StreamError> {
    use async_nats::service::ServiceExt as _;
    let failed = |why: String| StreamError::NoAnswer { what: format!("service {STATUS_SUBJECT}"), why };
    let service = link.client.service_builder().description("jindo: what became of a report");
    let service = service.start("jindo", env!("CARGO_PKG_VERSION")).await.map_err(|error| failed(error.to_string()))?;
    let mut requests = service.endpoint(STATUS_SUBJECT).await.map_err(|error| failed(error.to_string()))?;
    while let Some(request) = requests.next().await {
        let shared = shared.clone();
        // One at a time: answering is a few row reads, and a flood waits in the subscription, which is bounded.
        let payload = request.message.payload.clone();
        let answer = tokio::task::spawn_blocking(move || answer(&shared, &payload)).await;
        let answer = answer.unwrap_or_else(|_| Err("the ledger could not answer".to_owned()));
        let answer = answer.map(bytes::Bytes::from).map_err(|why| async_nats::service::error::Error { status: why, code: 400 });
        if let Err(error) = request.respond(answer).await {
            tracing::debug!(%error, "nobody took the answer");
        }
    }
    Ok(())
}

fn answer(shared: &Shared, payload: &[u8]) -> Result<Vec<u8>, String> {
    let asked: Asked = serde_json::from_slice(payload).map_err(|error| format!("request is malformed: {error}"))?;
    if asked.sha256.len() > STATUS_ASKED_MAX {
        return Err(format!("asks for {} reports, at most {STATUS_ASKED_MAX} are told at once", asked.sha256.len()));
    }
    let size = *shared.sizes().borrow();
    let mut reports = BTreeMap::new();
    for text in asked.sha256 {
        let sha256 = hex::decode32(&text).ok_or_else(|| format!("'{text}' is no SHA-256 in lower-case hex"))?;
        let report = report(shared, &sha256).map_err(|why| {
            tracing::error!(%why, "status cannot be told");
            "the ledger could not read its rows; ask again".to_owned()
        })?;
        reports.insert(text, report);
    }
    serde_json::to_vec(&Told { size, reports }).map_err(|error| error.to_string())
}

fn report(shared: &Shared, sha256: &[u8; 32]) -> Result<Report, String> {
    let reader = shared.reader();
    let found = reader.lookup(&signature_key(sha256)).map_err(|doubt| doubt.to_string())?;
    let Some(index) = found else { return Ok(Report::Unknown) };
    let text = shared.log().read(index).map_err(|fault| fault.to_string())?;
    let entry = Entry::parse(&text).map_err(|fault| fault.to_string())?;
    let verdict = entry.ruling.map(|ruling| ruling.verdict);
    let (verdict, code) = match verdict {
        Some(Verdict::Accepted) => ("accepted", None),
        Some(Verdict::Duplicate) => ("duplicate", None),
        Some(Verdict::Refused(code)) => ("refused", Some(code)),
        None => return Err(format!("entry {index} has no verdict")),
    };
    let detail = match &code {
        Some(_) => reader.refused(index, 1).map_err(|doubt| doubt.to_string())?.into_iter().find(|row| row.index == index),
        None => None,
    };
    let detail = detail.map(|row| {
        let told = |fault: &crate::fold::rows::Fault| match fault.event {
            Some(event) => format!("event {event}: {}", fault.detail),
            None => fault.detail.clone(),
        };
        row.faults.iter().map(told).collect::<Vec<_>>().join("; ")
    });
    Ok(Report::Recorded { index, verdict, code, detail })
}
