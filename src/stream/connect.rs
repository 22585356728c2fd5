//! A connection to NATS, with what the client library reports on the side: permission violations and reconnects.
//!
//! A forbidden publish looks like a slow network to the publisher (nothing comes back); the violation arrives in the
//! client's event callback. [`Link`] carries both, so that a caller can say "not permitted".

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_nats::{Client, ConnectErrorKind, ConnectOptions, Event, ServerAddr};
use serde_json::Value;
use tokio::{
    sync::{broadcast, watch},
    time::Instant,
};

use super::StreamError;
use crate::limits::{API_TIMEOUT_MS, NATS_VERSION_MIN, RECONNECT_GRACE_MS, VIOLATIONS_KEPT_MAX};

/// Who connects.
#[derive(Clone)]
pub struct Login {
    /// NKey seed `SU…`; `None` connects without one. Never logged.
    pub seed: Option<String>,
    /// Prefix of the inboxes this user may subscribe to: [`super::inbox_prefix`] of the agency; `None` is `_INBOX`.
    pub inbox: Option<String>,
    /// Name shown in the server's connection list.
    pub name: String,
}

impl Login {
    /// An agency's login: its seed and its private inbox prefix.
    #[must_use]
    pub fn agency(agency: &str, seed: &str) -> Self {
        Login {
            seed: Some(seed.to_owned()),
            inbox: Some(super::inbox_prefix(agency)),
            name: format!("jindo agency {agency}"),
        }
    }

    /// The operator's login, or a dashboard's: shared inbox prefix.
    #[must_use]
    pub fn plain(seed: &str, name: &str) -> Self {
        Login { seed: Some(seed.to_owned()), inbox: None, name: name.to_owned() }
    }
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Login").field("name", &self.name).field("inbox", &self.inbox).finish_non_exhaustive()
    }
}

/// A connection.
#[derive(Debug, Clone)]
pub struct Link {
    /// The NATS client.
    pub client: Client,
    /// Address connected to, or several with commas between them.
    pub url: Arc<str>,
    violations: broadcast::Sender<Arc<str>>,
    connects: watch::Receiver<u64>,
}

/// Addresses of servers, with commas between them.
fn addresses(url: &str) -> Result<Vec<ServerAddr>, StreamError> {
    let parse = |part: &str| {
        let why = |error: std::io::Error| format!("'{part}' is no address: {error}");
        part.parse().map_err(|error| StreamError::Connect { url: url.to_owned(), why: why(error) })
    };
    let all: Vec<_> =
        url.split(',').map(str::trim).filter(|part| !part.is_empty()).map(parse).collect::<Result<_, _>>()?;
    if all.is_empty() {
        return Err(StreamError::Connect { url: url.to_owned(), why: "it is empty".to_owned() });
    }
    Ok(all)
}

/// Connects and checks the server's version. `url` may name several servers of a cluster, with commas between them: whichever
/// answers is taken, and another one when that one is gone.
///
/// # Errors
/// [`StreamError::Connect`], [`StreamError::Denied`], [`StreamError::TooOld`].
pub async fn connect(url: &str, login: &Login) -> Result<Link, StreamError> {
    let (violations, _) = broadcast::channel(VIOLATIONS_KEPT_MAX);
    let (connects_tx, connects) = watch::channel(0);
    let (seen, violations_tx) = (Arc::new(AtomicU64::new(0)), violations.clone());
    let mut options = ConnectOptions::new()
        .name(&login.name)
        .connection_timeout(Duration::from_millis(API_TIMEOUT_MS))
        .request_timeout(Some(Duration::from_millis(API_TIMEOUT_MS)))
        .reconnect_delay_callback(|attempts| match attempts {
            0 | 1 => Duration::ZERO,
            n => Duration::from_millis((10 << n.min(8)).min(1_000)),
        })
        // Intake subjects are parsed by admission; the client's own check costs time and refuses nothing we send.
        .skip_subject_validation(true)
        .event_callback(move |event| {
            match &event {
                Event::Connected => {
                    connects_tx.send_replace(seen.fetch_add(1, Ordering::Relaxed) + 1);
                }
                Event::ServerError(error) => {
                    let text = error.to_string();
                    if let Some(subject) = violated_subject(&text) {
                        // Nobody waiting is no error.
                        let _ = violations_tx.send(subject.into());
                    } else {
                        tracing::warn!(%text, "NATS reports an error");
                    }
                }
                other => tracing::debug!(event = %other, "NATS"),
            }
            std::future::ready(())
        });
    if let Some(inbox) = &login.inbox {
        options = options.custom_inbox_prefix(inbox);
    }
    if let Some(seed) = &login.seed {
        options = options.nkey(seed.clone());
    }
    let client = options.connect(addresses(url)?).await.map_err(|error| match error.kind() {
        ConnectErrorKind::AuthorizationViolation => StreamError::Denied { url: url.to_owned() },
        _ => StreamError::Connect { url: url.to_owned(), why: error.to_string() },
    })?;
    let link = Link { client, url: url.into(), violations, connects };
    link.check_version()?;
    Ok(link)
}

/// The subject a permission violation names: `Permissions Violation for Publish to "ledger.report.kita.x"`.
fn violated_subject(text: &str) -> Option<&str> {
    let lower = text.to_ascii_lowercase();
    let at = lower.find("permissions violation for publish to")?;
    let quoted = text.get(at..)?.split('"').nth(1)?;
    Some(quoted)
}

impl Link {
    /// Violations from now on, each the subject that was forbidden.
    #[must_use]
    pub fn violations(&self) -> broadcast::Receiver<Arc<str>> {
        self.violations.subscribe()
    }

    /// Counts connects; changes on every reconnect.
    #[must_use]
    pub fn connects(&self) -> watch::Receiver<u64> {
        self.connects.clone()
    }

    /// Whether there are other servers to go to: named by the address, or told by the cluster.
    #[must_use]
    pub fn has_several(&self) -> bool {
        self.url.contains(',') || self.client.server_info().connect_urls.len() > 1
    }

    fn check_version(&self) -> Result<(), StreamError> {
        let found = self.client.server_info().version;
        let (major, minor) = NATS_VERSION_MIN;
        if version_at_least(&found, NATS_VERSION_MIN) {
            return Ok(());
        }
        Err(StreamError::TooOld { url: self.url.to_string(), found, needed: format!("{major}.{minor}") })
    }

    /// One request to the JetStream API: `$JS.API.<what>`.
    ///
    /// # Errors
    /// [`StreamError::Api`] where JetStream refuses, [`StreamError::NoAnswer`] where nothing comes back.
    pub async fn api(&self, what: &str, request: &Value) -> Result<Value, StreamError> {
        let no_answer = |why: String| StreamError::NoAnswer { what: what.to_owned(), why };
        let payload = if request.is_null() { String::new() } else { request.to_string() };
        let mut violations = self.violations();
        let mut connects = self.connects();
        connects.mark_unchanged();
        let mut lost = None;
        let subject = format!("$JS.API.{what}");
        let reply = self.client.request(subject.clone(), payload.into());
        tokio::pin!(reply);
        let message = loop {
            tokio::select! {
                biased;
                answer = &mut reply => break answer.map_err(|error| no_answer(error.to_string()))?,
                Ok(forbidden) = violations.recv() => if *forbidden == *subject {
                    return Err(no_answer("this key is not permitted to ask it; the operator's is".to_owned()));
                },
                // A question or an answer on its way when the connection broke is gone: what is still in the client's
                // buffer is answered soon, all else never.
                Ok(()) = connects.changed() => lost = Some(Instant::now() + Duration::from_millis(RECONNECT_GRACE_MS)),
                () = tokio::time::sleep_until(lost.unwrap_or_else(Instant::now)), if lost.is_some() => {
                    return Err(no_answer("the connection was lost while it was asked".to_owned()));
                },
            }
        };
        let value: Value = serde_json::from_slice(&message.payload).map_err(|error| no_answer(error.to_string()))?;
        match value.get("error") {
            None => Ok(value),
            Some(error) => Err(StreamError::Api {
                what: what.to_owned(),
                code: error.get("err_code").and_then(Value::as_u64).unwrap_or(0),
                text: error.get("description").and_then(Value::as_str).unwrap_or("no description").to_owned(),
            }),
        }
    }
}

/// Whether `2.15.1`, `v2.12.0-beta.1` is at least (major, minor).
pub(crate) fn version_at_least(text: &str, least: (i64, i64)) -> bool {
    let mut parts = text.trim().trim_start_matches('v').split(['.', '-']).map(str::parse::<i64>);
    match (parts.next(), parts.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => (major, minor) >= least,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_servers() {
        for (url, servers) in [
            ("nats://127.0.0.1:4222", Some(1)),
            ("nats://a:1, nats://b:2,c", Some(3)),
            ("nats://a:1,", Some(1)),
            ("nats://a:1,nats://b:none", None),
            (" , ", None),
        ] {
            assert_eq!(addresses(url).ok().map(|all| all.len()), servers, "{url}");
        }
    }

    #[test]
    fn versions() {
        for (text, ok) in [
            ("2.15.1", true),
            ("v2.12.0-beta.1", true),
            ("3.0.0", true),
            ("2.9.10", false),
            ("2.11.99", false),
            ("", false),
            ("nightly", false),
        ] {
            assert_eq!(version_at_least(text, (2, 12)), ok, "{text}");
        }
    }

    #[test]
    fn violations_name_their_subject() {
        for (text, subject) in [
            (r#"nats: Permissions Violation for Publish to "ledger.report.kita.x""#, Some("ledger.report.kita.x")),
            (r#"Permissions Violation for Subscription to "_INBOX.x""#, None),
            ("Authorization Violation", None),
            ("permissions violation for publish to nothing", None),
        ] {
            assert_eq!(violated_subject(text), subject, "{text}");
        }
    }
}
