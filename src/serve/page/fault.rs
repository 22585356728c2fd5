//! Why a page cannot be shown, for people: what failed and where to go on.

use axum::http::StatusCode;

use crate::event::Text;
use crate::serve::problem::text;
use crate::serve::source::SourceError;

/// A page that cannot be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// HTTP status.
    pub status: StatusCode,
    /// What failed.
    pub what: Text,
    /// What to do next.
    pub next: Text,
    /// Seconds after which to ask again.
    pub retry_after_s: Option<u32>,
}

impl Fault {
    /// Something in the address cannot be read.
    #[must_use]
    pub fn asked(what: Text) -> Self {
        let next = text("주소를 고치거나 현황에서 다시 시작하세요.", "correct the address, or start from the overview");
        Fault { status: StatusCode::BAD_REQUEST, what, next, retry_after_s: None }
    }

    /// Nothing is there under this name.
    #[must_use]
    pub fn missing(what: Text) -> Self {
        let next = text("현황이 과제를 모두 보여 줍니다.", "the overview lists every commitment");
        Fault { status: StatusCode::NOT_FOUND, what, next, retry_after_s: None }
    }

    /// Too many ask for pages like this one just now.
    #[must_use]
    pub fn busy() -> Self {
        Fault {
            status: StatusCode::SERVICE_UNAVAILABLE,
            what: text("지금 기록을 찾는 이용자가 너무 많습니다.", "too many are searching the record just now"),
            next: text("몇 초 뒤 다시 여세요.", "open it again in a few seconds"),
            retry_after_s: Some(5),
        }
    }
}

impl From<SourceError> for Fault {
    fn from(error: SourceError) -> Self {
        match error {
            SourceError::NotYet { size, wanted } => Fault {
                status: StatusCode::SERVICE_UNAVAILABLE,
                what: text(
                    format!("원장은 현재 {size}건까지 반영했습니다. {wanted}건은 아직 없습니다."),
                    format!("the ledger has folded {size} entries, {wanted} are not there yet"),
                ),
                next: text("더 작은 로그 크기를 고르세요.", "choose a smaller log size"),
                retry_after_s: Some(1),
            },
            other => {
                tracing::error!(error = %other, "a page could not be read");
                Fault {
                    status: StatusCode::SERVICE_UNAVAILABLE,
                    what: text("원장을 읽지 못했습니다.", "the ledger could not be read"),
                    next: text(
                        "잠시 뒤 다시 여세요. 이유는 /readyz에 있습니다.",
                        "try again shortly; /readyz says why",
                    ),
                    retry_after_s: Some(5),
                }
            }
        }
    }
}
