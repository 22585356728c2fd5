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

#[derive(Debug, Clone, PartialEq, Serialize)]
struct Document {
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

    /// Not a method of this route.
    #[must_use]
    pub fn method() -> Self {
        let detail = text("이 주소는 GET만 받습니다", "this address takes GET only");
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method", detail, text("GET으로 요청하세요.", "use GET"))
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
