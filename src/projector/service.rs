//! The NATS service `jindo`: endpoint `jindo.status` tells publishers what became of their reports, `jindo.receipt` proves it;
//! `jindo.progress` and `jindo.entry` ([`answers`]) tell anyone where commitments stand and what an entry says.
//!
//! Questions and answers are [`StatusQuestion`], [`StatusAnswer`], [`ReceiptQuestion`] and [`ReceiptAnswer`]; a report is named
//! by the SHA-256 of its compact JWS.

use std::collections::BTreeMap;

use async_nats::service::endpoint::Endpoint;
use futures_util::StreamExt as _;
use serde_json::{Value, json};
use tokio::sync::oneshot;

use super::answers::{self, ENTRY_SUBJECT, PROGRESS_SUBJECT};
use super::rebuild::{Ask, Rebuilt};
use super::receipts::{self, Name, NoReceipt};
use super::shared::{Health, Shared};
use crate::fold::lookup::signature_key;
use crate::fold::rows::{Fault, Rows as _};
use crate::limits::STATUS_ASK_MAX;
use crate::log::entry::{Entry, Verdict};
use crate::publish::receipts::{RECEIPT_SUBJECT, RECEIPT_WITHHELD, ReceiptAnswer, ReceiptQuestion};
use crate::publish::status::{ReportState, STATUS_SUBJECT, StatusAnswer, StatusQuestion};
use crate::sign::hex;
use crate::stream::{Link, StreamError, read};

/// Where an operator asks for read models made anew.
pub const REBUILD_SUBJECT: &str = "jindo.rebuild";

/// Serves until the connection ends or the task is dropped.
///
/// # Errors
/// [`StreamError`] where the service cannot be started.
pub async fn serve(link: Link, shared: Shared, stream: String) -> Result<(), StreamError> {
    use async_nats::service::ServiceExt as _;
    let failed = |why: String| StreamError::NoAnswer { what: format!("service {STATUS_SUBJECT}"), why };
    let service =
        link.client.service_builder().description("jindo: progress, entries, receipts, what became of a report");
    let service = service.start("jindo", env!("CARGO_PKG_VERSION")).await.map_err(|error| failed(error.to_string()))?;
    let statuses = service.endpoint(STATUS_SUBJECT).await.map_err(|error| failed(error.to_string()))?;
    let receipts = service.endpoint(RECEIPT_SUBJECT).await.map_err(|error| failed(error.to_string()))?;
    let figures = service.endpoint(PROGRESS_SUBJECT).await.map_err(|error| failed(error.to_string()))?;
    let entries = service.endpoint(ENTRY_SUBJECT).await.map_err(|error| failed(error.to_string()))?;
    let rebuilds = service.endpoint(REBUILD_SUBJECT).await.map_err(|error| failed(error.to_string()))?;
    tokio::join!(
        serve_status(link, shared.clone(), stream, statuses),
        serve_each(shared.clone(), receipts, receipt),
        serve_each(shared.clone(), figures, answers::progress),
        serve_each(shared.clone(), entries, answers::entry),
        serve_rebuilds(shared, rebuilds),
    );
    Ok(())
}

async fn serve_status(link: Link, shared: Shared, stream: String, mut requests: Endpoint) {
    while let Some(request) = requests.next().await {
        // Nobody waits for the answer: it costs nothing.
        if request.message.reply.is_none() {
            continue;
        }
        // Where the stream stood when the question was read: what is in the log by then and not known was never stored.
        let last = read::extent(&link, &stream).await.map(|extent| extent.last).ok();
        let (shared, payload) = (shared.clone(), request.message.payload.clone());
        // One at a time: answering is a few row reads, and a flood waits in the subscription, which is bounded.
        let answer = tokio::task::spawn_blocking(move || status(&shared, &payload, last)).await;
        let answer = answer.unwrap_or_else(|_| Err("the ledger could not answer".to_owned()));
        let answer = answer.map(bytes::Bytes::from);
        let answer = answer.map_err(|why| async_nats::service::error::Error { status: why, code: 400 });
        if let Err(error) = request.respond(answer).await {
            tracing::debug!(%error, "nobody took the answer");
        }
    }
}

/// The bytes of an answer, or a status and why there is none.
type Answered = Result<Vec<u8>, (usize, String)>;

/// One question at a time, each answered on a thread that may block.
async fn serve_each(shared: Shared, mut requests: Endpoint, answer: fn(&Shared, &[u8]) -> Answered) {
    while let Some(request) = requests.next().await {
        if request.message.reply.is_none() {
            continue;
        }
        let (shared, payload) = (shared.clone(), request.message.payload.clone());
        let answer = tokio::task::spawn_blocking(move || answer(&shared, &payload)).await;
        let answer = answer.unwrap_or_else(|_| Err((500, "the ledger could not answer".to_owned())));
        let answer = answer.map(bytes::Bytes::from);
        let answer = answer.map_err(|(code, status)| async_nats::service::error::Error { status, code });
        if let Err(error) = request.respond(answer).await {
            tracing::debug!(%error, "nobody took the answer");
        }
    }
}

/// One at a time; only operators may ask ([`crate::stream::config`]). `{"switch":true}`, answered by [`Rebuilt`] when it is done.
async fn serve_rebuilds(shared: Shared, mut requests: Endpoint) {
    while let Some(request) = requests.next().await {
        let asked: Result<Value, _> = serde_json::from_slice(&request.message.payload);
        let switch = asked.ok().and_then(|asked| asked.get("switch").and_then(Value::as_bool)).unwrap_or(false);
        let (reply, told) = oneshot::channel();
        match &*shared.health().borrow() {
            // Nobody commits any more, so nobody would take over.
            Health::Halted(why) => drop(reply.send(Err(format!("intake is halted: {why}")))),
            _ => shared.ask_rebuild(Ask { switch, reply }),
        }
        let told =
            told.await.unwrap_or_else(|_| Err("it could not be begun; see the ledger's own messages".to_owned()));
        let answer: Result<Rebuilt, String> = told;
        let answer = answer.and_then(|told| serde_json::to_vec(&told).map_err(|error| error.to_string()));
        let answer = answer.map(bytes::Bytes::from);
        let answer = answer.map_err(|status| async_nats::service::error::Error { status, code: 500 });
        if let Err(error) = request.respond(answer).await {
            tracing::debug!(%error, "nobody took the answer");
        }
    }
}

fn receipt(shared: &Shared, payload: &[u8]) -> Answered {
    let asked: ReceiptQuestion =
        serde_json::from_slice(payload).map_err(|error| (400, format!("request is malformed: {error}")))?;
    let name = Name::parse(&asked.name)
        .ok_or_else(|| (400, "name must be an entry index, the SHA-256 of a signature, or an event id".to_owned()))?;
    let receipt = receipts::receipt(shared, name, None).map_err(|why| match why {
        NoReceipt::Unknown => (404, why.to_string()),
        NoReceipt::Several(_) => (409, why.to_string()),
        NoReceipt::NotYet { .. } => (425, why.to_string()),
        NoReceipt::Withheld(_) => (RECEIPT_WITHHELD, why.to_string()),
        NoReceipt::Doubt(_) | NoReceipt::Broken(_) => {
            tracing::error!(%why, "no receipt can be made");
            (500, "the ledger could not read its log; ask again".to_owned())
        }
    })?;
    let registry = shared.registry();
    let keys = super::keys_of(&registry).map_err(|fault| (500, fault.to_string()))?;
    let size = receipt.size().ok_or_else(|| (500, "the receipt has no checkpoint".to_owned()))?;
    let rotations: Vec<_> =
        registry.log_keys.iter().filter(|key| key.from <= size).map(|key| key.note.clone()).collect();
    let first = (!rotations.is_empty()).then(|| keys.at(0).to_string());
    let answer = ReceiptAnswer { receipt: receipt.text(), vkey: keys.at(size).to_string(), rotations, first };
    serde_json::to_vec(&answer).map_err(|error| (500, error.to_string()))
}

/// A [`StatusAnswer`] to a [`StatusQuestion`], both as JSON. `last` is where the stream stood when the question was read.
///
/// A report counts as recorded once readers hold the commit it is in: whoever is told so finds it in every figure and in
/// the registry.
///
/// # Errors
/// What is wrong with the question, or that the ledger cannot read its rows.
pub fn status(shared: &Shared, payload: &[u8], last: Option<u64>) -> Result<Vec<u8>, String> {
    let asked: StatusQuestion =
        serde_json::from_slice(payload).map_err(|error| format!("request is malformed: {error}"))?;
    if asked.sha256.len() > STATUS_ASK_MAX {
        return Err(format!("asks for {} reports, at most {STATUS_ASK_MAX} are told at once", asked.sha256.len()));
    }
    let size = *shared.sizes().borrow();
    let (mut reports, mut shown) = (BTreeMap::new(), true);
    for text in asked.sha256 {
        let sha256 = hex::decode32(&text).ok_or_else(|| format!("'{text}' is no SHA-256 in lower-case hex"))?;
        let state = state(shared, &sha256).map_err(|why| {
            tracing::error!(%why, "status cannot be told");
            "the ledger could not read its rows; ask again".to_owned()
        })?;
        let state = match state {
            ReportState::Recorded { index, .. } if index >= size => {
                shown = false;
                ReportState::Unknown
            }
            state => state,
        };
        reports.insert(text, state);
    }
    // A halted intake reads no more, whatever the stream holds: what is unknown may still come out of a recovery.
    let halted = matches!(*shared.health().borrow(), Health::Halted(_));
    let caught_up = shown && !halted && last.is_some_and(|last| last <= size);
    serde_json::to_vec(&StatusAnswer { reports, size, caught_up }).map_err(|error| error.to_string())
}

fn state(shared: &Shared, sha256: &[u8; 32]) -> Result<ReportState, String> {
    let reader = shared.reader();
    let found = reader.lookup(&signature_key(sha256)).map_err(|doubt| doubt.to_string())?;
    let Some(index) = found else { return Ok(ReportState::Unknown) };
    let text = shared.log().read(index).map_err(|fault| fault.to_string())?;
    let entry = Entry::parse(&text).map_err(|fault| fault.to_string())?;
    let (verdict, code) = match entry.ruling.map(|ruling| ruling.verdict) {
        Some(Verdict::Accepted) => ("accepted", None),
        Some(Verdict::Duplicate) => ("duplicate", None),
        Some(Verdict::Refused(code)) => ("refused", Some(code)),
        None => return Err(format!("entry {index} has no verdict")),
    };
    let mut detail = Value::Null;
    if code.is_some() {
        let rows = reader.refused(index, 1).map_err(|doubt| doubt.to_string())?;
        if let Some(row) = rows.into_iter().find(|row| row.index == index) {
            detail = row.faults.iter().map(told).collect();
        }
    }
    Ok(ReportState::Recorded { index, verdict: verdict.to_owned(), code, detail })
}

fn told(fault: &Fault) -> Value {
    match fault.event {
        Some(event) => json!({ "event": event, "code": fault.code, "detail": fault.detail }),
        None => json!({ "code": fault.code, "detail": fault.detail }),
    }
}
