//! `POST /v1/reports`: reports of agencies without NATS. The gateway signs nothing and judges nothing: it takes what a
//! registered key signed, puts it into the stream as it came, and tells where it stands. Admission judges it like any other.
//!
//! Signature and key are checked before anything is published: a stranger cannot fill the log. A report that is in the log
//! already is not published again: asking once more is safe.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::extract::{FromRequest as _, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::problem::{Problem, text};
use super::routes::{Answer, App, Asked, json, query_pairs};
use super::views::EntryView;
use super::{query, source::FaultView};
use crate::admit::reason::Reason;
use crate::catalogue::registry::Registry;
use crate::event::Text;
use crate::event::envelope::{self, CONTENT_TYPE_BATCH, CONTENT_TYPE_EVENT};
use crate::event::subject::{Channel, Subject};
use crate::limits::{BODY_BYTES_MAX, HTTP_BODY_TIMEOUT_MS, REPORTS_BURST, REPORTS_PER_S};
use crate::log::entry::{HEADER_CONTENT_TYPE, HEADER_SIGNATURE};
use crate::publish::OutboxError;
use crate::publish::outbox::{checked, headed};
use crate::sign::{ClaimFault, Jws, hex};
use crate::stream::{AppendError, Link, Outgoing, append};

/// Header that names the NATS subject; without it the signed claim `sub` does.
const HEADER_SUBJECT: &str = "ledger-subject";

/// The way into the stream. Cheap to clone.
#[derive(Clone)]
pub struct Intake {
    link: Link,
    stream: Arc<str>,
    quotas: Arc<Mutex<Quotas>>,
}

/// What became of a report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ReceivedView {
    /// SHA-256 of the signature as sent: names the report at `/v1/receipts/{name}`.
    pub signature_sha256: String,
    /// Entry of the log; absent while it is on its way.
    pub index: Option<u64>,
    /// The entry as it was read; absent while it is on its way.
    pub entry: Option<EntryView>,
    /// What was wrong, where it was refused.
    pub faults: Vec<FaultView>,
    /// Why it was refused, in both languages, where the code is known.
    pub reason: Option<Text>,
    /// What to do, where it was refused.
    pub next: Option<Text>,
}

/// A report that may go into the stream.
#[derive(Debug)]
struct Checked {
    outgoing: Outgoing,
    key: String,
    signature_sha256: [u8; 32],
}

impl Intake {
    /// Over the operator's link, into that stream.
    #[must_use]
    pub fn new(link: Link, stream: &str) -> Self {
        Intake { link, stream: stream.into(), quotas: Arc::default() }
    }
}

/// How many reports a key may still send. Only registered keys get here, so the map stays small.
#[derive(Debug, Default)]
struct Quotas(HashMap<String, (f64, Instant)>);

impl Quotas {
    /// Takes one, or says after how many seconds there is one.
    fn take(&mut self, key: &str, now: Instant) -> Result<(), u32> {
        let burst = f64::from(REPORTS_BURST);
        let (left, since) = self.0.entry(key.to_owned()).or_insert((burst, now));
        *left = (*left + now.duration_since(*since).as_secs_f64() * f64::from(REPORTS_PER_S)).min(burst);
        *since = now;
        if *left < 1.0 {
            return Err(1);
        }
        *left -= 1.0;
        Ok(())
    }
}

/// The route.
pub(super) async fn reports(State(app): State<App>, pairs: Asked, request: Request) -> Answer {
    query::only(&query_pairs(pairs)?, &[])?;
    let Some(intake) = app.source.intake() else { return Err(Problem::no_intake()) };
    let headers = request.headers().clone();
    let body = body(request).await?;
    let registry = app.ask(|source| source.registry()).await?;
    let report = check(&headers, body, &registry)?;
    let sha256 = report.signature_sha256;
    if let Some(index) = app.ask(move |source| source.signed(sha256)).await? {
        return stands(&app, &report, index, StatusCode::OK).await;
    }
    let quota = intake.quotas.lock().unwrap_or_else(PoisonError::into_inner).take(&report.key, Instant::now());
    quota.map_err(Problem::quota)?;
    let appended = append(&intake.link, &intake.stream, std::slice::from_ref(&report.outgoing)).await;
    match appended.into_iter().next() {
        // In every stream of a ledger the entry of a message is the one before its sequence.
        Some(Ok(sequence)) => stands(&app, &report, sequence.saturating_sub(1), StatusCode::CREATED).await,
        Some(Err(error @ (AppendError::Malformed { .. } | AppendError::TooLarge { .. }))) => {
            Err(Problem::report(text("보고를 스트림에 넣을 수 없는 형식이거나 너무 큽니다", error.to_string())))
        }
        Some(Err(error)) if !error.is_unknown() => {
            tracing::error!(%error, "a report could not be published");
            Err(Problem::unavailable(text(
                "보고를 스트림에 넣지 못했습니다",
                "the report could not be put into the stream",
            )))
        }
        _ => Err(Problem::in_doubt(&hex::encode(&sha256))),
    }
}

/// The body, which a client may not take forever to send.
async fn body(request: Request) -> Result<Bytes, Problem> {
    let length = request.headers().get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    if length.is_some_and(|length: u64| length > BODY_BYTES_MAX as u64) {
        return Err(Problem::too_large(BODY_BYTES_MAX));
    }
    let read = Bytes::from_request(request, &());
    match tokio::time::timeout(Duration::from_millis(HTTP_BODY_TIMEOUT_MS), read).await {
        Err(_) => Err(Problem::too_slow()),
        Ok(Err(rejection)) if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => {
            Err(Problem::too_large(BODY_BYTES_MAX))
        }
        Ok(Err(_)) => Err(Problem::report(text("본문을 끝까지 읽지 못했습니다", "the body did not come whole"))),
        Ok(Ok(body)) if body.len() > BODY_BYTES_MAX => Err(Problem::too_large(BODY_BYTES_MAX)),
        Ok(Ok(body)) => Ok(body),
    }
}

/// The one value of a header.
fn one<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, Problem> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let bad = || Problem::parameter(name, "한 번, ASCII로 주어져야 합니다", "must be given once, in ASCII");
    if values.next().is_some() {
        return Err(bad());
    }
    value.to_str().map(Some).map_err(|_| bad())
}

/// Everything that is checked before a report is published: type, signature, key, claims, subject, resident numbers.
fn check(headers: &HeaderMap, body: Bytes, registry: &Registry) -> Result<Checked, Problem> {
    let kind = one(headers, "content-type")?.unwrap_or_default();
    if !envelope::is_known(kind) {
        return Err(Problem::media_type(&[CONTENT_TYPE_EVENT, CONTENT_TYPE_BATCH]));
    }
    let Some(signature) = one(headers, HEADER_SIGNATURE)? else {
        let (ko, en) = ("서명이 없습니다", "is missing: every report is signed");
        return Err(Problem::parameter(HEADER_SIGNATURE, ko, en));
    };
    let wrong = |reason: Reason, ko: String, error: &dyn std::fmt::Display| {
        Problem::mismatch(text(ko, error.to_string()), reason.advice())
    };
    let malformed = Reason::SignatureMalformed;
    let jws = Jws::parse(signature).map_err(|error| wrong(malformed, malformed.meaning().ko, &error))?;
    // What nobody vouches for is told nothing but this.
    let key = registry.keys.get(jws.key()).filter(|key| key.revoked.is_none());
    let key = key.ok_or_else(|| {
        Problem::unsigned(text("등록된 키가 아니거나 취소된 키입니다", "the key is not registered, or was revoked"))
    })?;
    let differs = Reason::SignatureWrong;
    jws.verify_with(&key.verifier).map_err(|error| wrong(differs, differs.meaning().ko, &error))?;
    let subject = one(headers, HEADER_SUBJECT)?.unwrap_or(&jws.claims().sub);
    let claims = jws.claims().check(subject, kind, &hex::sha256(&body), &registry.origin);
    claims.map_err(|fault| wrong(fault_reason(&fault), fault_ko(&fault), &fault))?;
    let parsed = Subject::parse(subject).map_err(|error| {
        let reason = Reason::SubjectMalformed;
        Problem::report(text(format!("{} {}", reason.meaning().ko, reason.advice().ko), error.to_string()))
    })?;
    if parsed.channel != Channel::Report || *parsed.agency != *key.agency {
        let own = &key.agency;
        let why = text(
            format!("이 키는 ledger.report.{own}. 아래에만 보고합니다"),
            format!("this key reports below ledger.report.{own}. only"),
        );
        return Err(Problem::mismatch(why, Reason::SubjectForeign.advice()));
    }
    headed(subject, kind).and_then(|()| checked(&body)).map_err(|error| match error {
        OutboxError::Personal { place } => Problem::personal(&place),
        OutboxError::TooLarge { .. } => Problem::too_large(BODY_BYTES_MAX),
        other => Problem::report(text("본문은 UTF-8로 된 CloudEvents JSON이어야 합니다", other.to_string())),
    })?;
    let headers =
        vec![(HEADER_CONTENT_TYPE.to_owned(), kind.to_owned()), (HEADER_SIGNATURE.to_owned(), signature.to_owned())];
    let outgoing = Outgoing { subject: subject.to_owned(), headers, body };
    Ok(Checked { outgoing, key: jws.key().to_owned(), signature_sha256: hex::sha256(signature.as_bytes()) })
}

/// The reason of admission that a claim's fault would be refused for.
fn fault_reason(fault: &ClaimFault) -> Reason {
    match fault {
        ClaimFault::Origin { .. } => Reason::ClaimsOrigin,
        ClaimFault::Subject { .. } => Reason::ClaimsSubject,
        ClaimFault::ContentType { .. } | ClaimFault::Body { .. } => Reason::ClaimsBody,
    }
}

/// A claim's fault in Korean.
fn fault_ko(fault: &ClaimFault) -> String {
    match fault {
        ClaimFault::Origin { claimed, actual } => {
            format!(
                "'{claimed}' 원장을 위한 서명인데 이 원장은 '{actual}'입니다. aud에 '{actual}'을 넣어 다시 서명하세요"
            )
        }
        ClaimFault::Subject { claimed, actual } => {
            format!("주제 '{claimed}'에 대한 서명인데 '{actual}'(으)로 왔습니다. 서명한 주제로 보내세요")
        }
        ClaimFault::ContentType { claimed, actual } => {
            format!("Content-Type '{claimed}'에 대한 서명인데 '{actual}'(으)로 왔습니다. 서명한 그대로 보내세요")
        }
        ClaimFault::Body { claimed, actual } => {
            format!("SHA-256이 {claimed}인 본문에 대한 서명인데 온 본문은 {actual}입니다. 서명한 그대로 보내세요")
        }
    }
}

/// Where the report stands: its entry once it is folded, else that it is on its way.
async fn stands(app: &App, report: &Checked, index: u64, status: StatusCode) -> Answer {
    let signature_sha256 = hex::encode(&report.signature_sha256);
    if app.at_least(Some(index + 1)).await.is_err() {
        let (faults, reason, next) = (Vec::new(), None, None);
        let on_its_way = ReceivedView { signature_sha256, index: None, entry: None, faults, reason, next };
        return Ok((StatusCode::ACCEPTED, json(&on_its_way)).into_response());
    }
    let entry = app.ask(move |source| source.entry_view(index)).await?;
    let refused = app.ask(move |source| source.refused(index, 1)).await?;
    let own = refused.refused.into_iter().find(|refused| refused.index == index);
    let (mut status, mut faults, mut reason, mut next) = (status, Vec::new(), None, None);
    if let Some(own) = own {
        // Recorded all the same: the log keeps what was refused.
        status = StatusCode::UNPROCESSABLE_ENTITY;
        (faults, reason, next) = (own.faults, own.reason, own.next);
    }
    let view = ReceivedView { signature_sha256, index: Some(index), entry, faults, reason, next };
    let mut response: Response = (status, json(&view)).into_response();
    if let Ok(place) = HeaderValue::from_str(&format!("/v1/entries/{index}")) {
        response.headers_mut().insert(header::LOCATION, place);
    }
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_a_burst_and_then_a_pace() {
        let (mut quotas, start) = (Quotas::default(), Instant::now());
        for number in 0..REPORTS_BURST {
            assert_eq!(quotas.take("a", start), Ok(()), "{number}");
        }
        assert_eq!(quotas.take("a", start), Err(1));
        assert_eq!(quotas.take("b", start), Ok(()), "keys do not share");
        let later = start + Duration::from_secs(1);
        for number in 0..REPORTS_PER_S {
            assert_eq!(quotas.take("a", later), Ok(()), "{number}");
        }
        assert_eq!(quotas.take("a", later), Err(1));
    }
}
