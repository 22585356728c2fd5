//! Errors over HTTP: RFC 9457 problem documents, in both languages, that say what to do next.
//!
//! `code` is stable and for programs; the texts may change. Nothing internal is told: that is logged.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::event::Text;

/// A problem document; small to hand up, for most requests end without one.
#[derive(Debug, Clone, PartialEq)]
pub struct Problem(Box<Document>);

#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
#[schemars(rename = "Problem")]
pub(super) struct Document {
    /// `urn:jindo:problem:<code>`.
    #[serde(rename = "type")]
    kind: String,
    /// HTTP status.
    status: u16,
    /// Stable code.
    code: &'static str,
    /// The HTTP status in words.
    title: &'static str,
    /// What failed, on what.
    detail: String,
    /// The same in Korean.
    detail_ko: String,
    /// What to do next.
    next: String,
    /// The same in Korean.
    next_ko: String,
    /// Seconds after which to ask again.
    #[serde(skip)]
    retry_after_s: Option<u32>,
}

impl Problem {
    fn new(status: StatusCode, code: &'static str, detail: Text, next: Text) -> Self {
        Problem(Box::new(Document {
            kind: format!("urn:jindo:problem:{code}"),
            status: status.as_u16(),
            code,
            title: status.canonical_reason().unwrap_or("Error"),
            detail: detail.en,
            detail_ko: detail.ko,
            next: next.en,
            next_ko: next.ko,
            retry_after_s: None,
        }))
    }

    fn retry_after_s(mut self, seconds: u32) -> Self {
        self.0.retry_after_s = Some(seconds);
        self
    }

    /// A parameter that cannot be understood.
    #[must_use]
    pub fn parameter(name: &str, ko: &str, en: &str) -> Self {
        let detail = text(format!("매개변수 {name}: {ko}"), format!("parameter {name}: {en}"));
        Self::new(
            StatusCode::BAD_REQUEST,
            "parameter",
            detail,
            text("값을 고쳐 다시 요청하세요.", "correct it and ask again"),
        )
    }

    /// No such thing.
    #[must_use]
    pub fn not_found(what: Text, next: Text) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", what, next)
    }

    /// The address is longer than any question.
    #[must_use]
    pub fn target() -> Self {
        let detail = text("주소가 너무 깁니다", "the address is too long");
        let next = text("매개변수를 줄여 다시 요청하세요.", "shorten the parameters");
        Self::new(StatusCode::URI_TOO_LONG, "target-too-long", detail, next)
    }

    /// The answer is of a type that was not asked for.
    #[must_use]
    pub fn not_acceptable(kind: &str) -> Self {
        let detail = text(
            format!("이 주소의 응답 형식은 {kind}입니다"),
            format!("this address answers {kind}, which the header Accept does not take"),
        );
        let next = text(
            "Accept에 그 형식이나 */*를 넣으세요. 표는 .csv로도 받을 수 있습니다.",
            "send Accept with that type or */*; tables are also there as .csv",
        );
        Self::new(StatusCode::NOT_ACCEPTABLE, "not-acceptable", detail, next)
    }

    /// A report that cannot be published as it is.
    #[must_use]
    pub fn report(what: Text) -> Self {
        let next = text("보고를 고쳐 다시 서명하고 보내세요.", "correct the report, sign it anew and send it");
        Self::new(StatusCode::BAD_REQUEST, "report", what, next)
    }

    /// The report carries what looks like a resident registration number.
    #[must_use]
    pub fn personal(place: &str) -> Self {
        let detail = text(
            format!("보고에 주민등록번호로 보이는 값이 있습니다{place}"),
            format!("the report carries what looks like a resident registration number{place}"),
        );
        let next = text(
            "원장은 공개되며 지울 수 없습니다. 그 값을 빼고 다시 서명해 보내세요.",
            "the ledger is public and forgets nothing: take it out, sign anew and send it",
        );
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "personal", detail, next)
    }

    /// No registered key vouches for the report.
    #[must_use]
    pub fn unsigned(why: Text) -> Self {
        let next = text(
            "등록된 키로 서명하세요. /v1/agencies가 기관의 키를 보여 줍니다.",
            "sign with a registered key: /v1/agencies shows the keys of an agency",
        );
        Self::mismatch(why, next)
    }

    /// A signature that is not of this report, though its key may well be registered.
    #[must_use]
    pub fn mismatch(why: Text, next: Text) -> Self {
        Self::new(StatusCode::FORBIDDEN, "signature", why, next)
    }

    /// A body larger than a report may be.
    #[must_use]
    pub fn too_large(bytes_max: usize) -> Self {
        let detail =
            text(format!("본문은 {bytes_max}바이트까지 받습니다"), format!("the body has more than {bytes_max} bytes"));
        let next = text("보고를 나누어 보내세요.", "split it into several reports");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", detail, next)
    }

    /// A body that did not come in time.
    #[must_use]
    pub fn too_slow() -> Self {
        let detail = text("본문이 제때 오지 않았습니다", "the body did not come in time");
        let next = text("다시 보내세요. 같은 보고는 한 번만 셉니다.", "send it again: the same report counts once");
        Self::new(StatusCode::REQUEST_TIMEOUT, "too-slow", detail, next)
    }

    /// A body of another type than reports have.
    #[must_use]
    pub fn media_type(known: &[&str]) -> Self {
        let known = known.join(", ");
        let detail = text(
            format!("보고의 Content-Type은 다음 가운데 하나입니다: {known}"),
            format!("a report has one of these content types: {known}"),
        );
        let next = text("Content-Type을 고쳐 다시 서명하세요.", "correct it: it is part of what is signed");
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "media-type", detail, next)
    }

    /// The key has sent too many reports.
    #[must_use]
    pub fn quota(seconds: u32) -> Self {
        let detail = text("이 키가 너무 많은 보고를 보냈습니다", "this key has sent too many reports");
        let next = text(
            "잠시 뒤 다시 보내거나 여러 사건을 한 보고로 묶으세요.",
            "send it again shortly, or put many events into one report",
        );
        Self::new(StatusCode::TOO_MANY_REQUESTS, "quota", detail, next).retry_after_s(seconds)
    }

    /// Nobody knows whether the report is in the stream.
    #[must_use]
    pub fn in_doubt(signature_sha256: &str) -> Self {
        let detail = text(
            "보고가 스트림에 들어갔는지 아직 알 수 없습니다",
            "nobody knows yet whether the report is in the stream",
        );
        let next = text(
            format!("같은 내용을 그대로 다시 보내세요. /v1/receipts/{signature_sha256}로 확인할 수도 있습니다."),
            format!("send the same bytes again, or ask /v1/receipts/{signature_sha256}"),
        );
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "in-doubt", detail, next).retry_after_s(5)
    }

    /// This server publishes nothing.
    #[must_use]
    pub fn no_intake() -> Self {
        let detail =
            text("이 서버는 보고를 받지 않는 읽기용 사본입니다", "this server is a read replica and takes no reports");
        let next = text("원본 서버나 NATS로 보내세요.", "send it to the ledger itself, or over NATS");
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "no-intake", detail, next).retry_after_s(60)
    }

    /// Not a method of this route.
    #[must_use]
    pub fn method() -> Self {
        let detail = text("이 주소는 이 방법을 받지 않습니다", "this address does not take this method");
        let next = text("헤더 Allow의 방법으로 요청하세요.", "use a method that the header Allow names");
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method", detail, next)
    }

    /// The ledger has not folded that far.
    #[must_use]
    pub fn not_yet(size: u64, wanted: u64) -> Self {
        let detail = text(
            format!("원장이 아직 {wanted}건까지 반영하지 못했습니다 (현재 {size}건)"),
            format!("the ledger has not folded {wanted} entries yet, it stands at {size}"),
        );
        let next = text("잠시 뒤 다시 요청하거나 /readyz를 보세요.", "ask again shortly, or see /readyz");
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "not-yet", detail, next).retry_after_s(1)
    }

    /// No published checkpoint covers the entry.
    #[must_use]
    pub fn not_proven(size: u64, index: u64) -> Self {
        let detail = text(
            format!("{index}번 항목은 아직 공개된 체크포인트에 없습니다 (현재 {size}건까지)"),
            format!("entry {index} is in no published checkpoint yet, the newest covers {size} entries"),
        );
        let next = text(
            "잠시 뒤 다시 요청하거나 /readyz의 proof_trouble을 보세요.",
            "ask again shortly, or see proof_trouble at /readyz",
        );
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "not-proven", detail, next).retry_after_s(1)
    }

    /// The entry lost texts by law: there is no receipt of it any more.
    #[must_use]
    pub fn withheld() -> Self {
        let detail = text(
            "이 기록은 법에 따라 본문 일부가 제거되어 더는 접수증을 만들 수 없습니다",
            "texts of this entry were withheld by law: no receipt can be made of it any more",
        );
        let next = text(
            "전에 받은 접수증은 그대로 유효합니다. 남은 기록은 그 번호를 가리키는 body.withheld 기록 두 건이 증명합니다.",
            "receipts made before still hold; what is left is proven by the two body.withheld entries that name it",
        );
        Self::new(StatusCode::GONE, "withheld", detail, next)
    }

    /// Others ask for as much as there is room for.
    #[must_use]
    pub fn busy() -> Self {
        let detail = text(
            "지금 이런 큰 응답을 요청하는 이용자가 너무 많습니다",
            "too many ask for answers as large as this one just now",
        );
        let next = text("몇 초 뒤 다시 요청하세요.", "ask again in a few seconds");
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy", detail, next).retry_after_s(5)
    }

    /// The ledger cannot answer now.
    #[must_use]
    pub fn unavailable(why: Text) -> Self {
        let next = text("/readyz가 이유를 말합니다. 운영자에게 알리세요.", "/readyz says why; tell the operator");
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", why, next).retry_after_s(5)
    }
}

/// A text in both languages.
pub(super) fn text(ko: impl Into<String>, en: impl Into<String>) -> Text {
    Text { ko: ko.into(), en: en.into() }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, axum::Json(&self.0)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = self.0.retry_after_s {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
