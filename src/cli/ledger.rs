//! The running ledger over HTTP: found by `--ledger` or `DIR/running.json`, asked with a time limit. Never opens the store.

use std::path::Path;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::limits::{HTTP_ANSWER_BYTES_MAX, HTTP_ANSWER_TIMEOUT_MS};

use super::exit::{Exit, Failure, could, file, usage};
use super::{Context, out};

/// `DIR/running.json`, written by `jindo up` and `jindo run`: how other commands find the ledger.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Running {
    /// `http://127.0.0.1:8180`.
    pub http: String,
    /// `nats://127.0.0.1:4222`.
    pub nats: String,
    /// The log's origin, `aud` of every signature.
    pub origin: String,
    /// Process id.
    pub pid: u32,
    /// Stream in use; a recovery starts the next one.
    #[serde(default = "stream_default")]
    pub stream: String,
}

/// The first stream of a ledger.
#[must_use]
pub fn stream_default() -> String {
    crate::stream::stream_name(1)
}

impl Running {
    /// Reads `DIR/running.json`.
    ///
    /// # Errors
    /// No ledger runs there, or the file is damaged.
    pub fn read(context: &Context) -> anyhow::Result<Self> {
        Self::in_folder(&context.data)?.ok_or_else(|| {
            let data = context.data.display();
            could(format!("{data} 폴더에서 실행 중인 원장이 없습니다"), format!("no ledger is running in {data}"))
                .next(
                    "`jindo up`으로 시작하거나 --data DIR 또는 --ledger URL을 주세요.",
                    "start one with `jindo up`, or give --data DIR or --ledger URL",
                )
                .into()
        })
    }

    /// `running.json` of a data folder; `None` where there is none.
    ///
    /// # Errors
    /// The file is damaged.
    pub fn in_folder(data: &Path) -> anyhow::Result<Option<Self>> {
        let path = data.join("running.json");
        if !path.exists() {
            return Ok(None);
        }
        let text = out::read_text(&path, crate::limits::RUNNING_BYTES_MAX)?;
        serde_json::from_str(&text).map(Some).map_err(|error| file(&path, &std::io::Error::other(error)).into())
    }
}

/// A problem document (RFC 9457) as this ledger answers it.
#[derive(Debug, Clone, Deserialize)]
struct Problem {
    #[serde(default)]
    detail: Option<String>,
    #[serde(default)]
    detail_ko: Option<String>,
    #[serde(default)]
    next: Option<String>,
    #[serde(default)]
    next_ko: Option<String>,
}

/// A ledger to ask.
#[derive(Debug, Clone)]
pub struct Ledger {
    base: String,
    agent: ureq::Agent,
}

impl Ledger {
    /// Finds it; asks nothing yet.
    ///
    /// # Errors
    /// No address given and none running; an address that is not plain HTTP.
    pub fn find(context: &Context) -> anyhow::Result<Self> {
        let base = match &context.ledger {
            Some(url) => url.clone(),
            None => Running::read(context)?.http,
        };
        if !base.starts_with("http://") {
            return Err(usage(
                format!("--ledger {base}: http:// 주소가 아닙니다"),
                format!("--ledger {base}: not an http:// address"),
            )
            .next(
                "TLS는 앞단의 프록시가 맡습니다. http://127.0.0.1:8180 같은 주소를 주세요.",
                "TLS is left to a proxy; give an address such as http://127.0.0.1:8180",
            )
            .into());
        }
        let agent = ureq::Agent::config_builder()
            // Of plain HTTP only; a proxy that asks for TLS is told that nothing is trusted here.
            .tls_config(crate::projector::witness::tls(&[]))
            .timeout_global(Some(Duration::from_millis(HTTP_ANSWER_TIMEOUT_MS)))
            .http_status_as_error(false)
            .build()
            .into();
        Ok(Ledger { base: base.trim_end_matches('/').to_owned(), agent })
    }

    /// The address.
    #[must_use]
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Asks `path` with `query`; `None` on 404.
    ///
    /// # Errors
    /// Unreachable, refused (with the ledger's own words), or no JSON of that shape.
    pub fn get<T: DeserializeOwned>(&self, path: &str, query: &[(&str, String)]) -> anyhow::Result<Option<T>> {
        let (status, body) = self.fetch(path, query)?;
        match status {
            200 => serde_json::from_slice(&body).map(Some).map_err(|error| {
                let url = format!("{}{path}", self.base);
                could(
                    format!("{url}: 알 수 없는 응답 ({error})"),
                    format!("{url}: an answer of unknown shape ({error})"),
                )
                .next("원장과 jindo의 판을 맞추세요.", "use the same version of jindo as the ledger")
                .into()
            }),
            404 => Ok(None),
            _ => Err(self.refused(path, status, &body).into()),
        }
    }

    /// Asks `path` for text; `None` on 404.
    ///
    /// # Errors
    /// Unreachable, refused (with the ledger's own words), or not UTF-8.
    pub fn get_text(&self, path: &str, query: &[(&str, String)]) -> anyhow::Result<Option<String>> {
        let (status, body) = self.fetch(path, query)?;
        match status {
            200 => Ok(Some(String::from_utf8(body)?)),
            404 => Ok(None),
            _ => Err(self.refused(path, status, &body).into()),
        }
    }

    /// Asks and gives status and body, whatever they are.
    ///
    /// # Errors
    /// Unreachable.
    pub fn fetch(&self, path: &str, query: &[(&str, String)]) -> anyhow::Result<(u16, Vec<u8>)> {
        let url = format!("{}{path}", self.base);
        let unreachable = |error: &dyn std::fmt::Display| {
            could(
                format!("{url}: 원장이 응답하지 않습니다 ({error})"),
                format!("{url}: the ledger does not answer ({error})"),
            )
            .next(
                "`jindo up`이 실행 중인지, 주소가 맞는지 확인하세요.",
                "check that `jindo up` is running and the address is right",
            )
        };
        let mut request = self.agent.get(&url);
        for (name, value) in query {
            request = request.query(*name, value);
        }
        let mut response = request.call().map_err(|error| unreachable(&error))?;
        let body = response.body_mut().with_config().limit(HTTP_ANSWER_BYTES_MAX).read_to_vec();
        Ok((response.status().as_u16(), body.map_err(|error| unreachable(&error))?))
    }

    fn refused(&self, path: &str, status: u16, body: &[u8]) -> Failure {
        let url = format!("{}{path}", self.base);
        let exit = match status {
            400 | 422 => Exit::Usage,
            401 | 403 => Exit::Permission,
            _ => Exit::Could,
        };
        let Ok(problem) = serde_json::from_slice::<Problem>(body) else {
            return Failure::new(exit, format!("{url}: HTTP {status}"), format!("{url}: HTTP {status}"));
        };
        let en = problem.detail.unwrap_or_else(|| format!("{url}: HTTP {status}"));
        let failure = Failure::new(exit, problem.detail_ko.unwrap_or_else(|| en.clone()), en);
        match problem.next {
            Some(next) => failure.next(problem.next_ko.unwrap_or_else(|| next.clone()), next),
            None => failure,
        }
    }
}

/// A path segment with everything but unreserved characters escaped.
#[must_use]
pub fn segment(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_cannot_leave_their_path() {
        for (text, expected) in
            [("ev-chargers", "ev-chargers"), ("../x", "..%2Fx"), ("a?b#c", "a%3Fb%23c"), ("가", "%EA%B0%80")]
        {
            assert_eq!(segment(text), expected);
        }
    }
}
