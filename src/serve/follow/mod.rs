//! `GET /v1/stream`: progress as it changes, as Server-Sent Events.
//!
//! - `snapshot`: the indicators asked for, as they stand. Sent first, unless the `Last-Event-ID` given is still known.
//! - `progress`: those that changed, in one event per size and day; `data` is as in `snapshot`.
//! - `status`: how the ledger is doing (as `/healthz`): when that changes, and at least every [`FOLLOW_BEAT_MS`].
//! - `dropped`: the reason why the stream ends; ask again, with the last id.
//!
//! Ids are `<size>.<date>`. Between two frames a follower misses nothing and gets nothing twice. One who does not read is cut
//! off by [`super::client`], one who reads too slowly is told so here.

mod frame;
mod hub;
#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use futures_util::stream::{Stream, unfold};
use tokio::time::timeout;

pub use frame::Wanted;
use hub::Next;
pub use hub::{Following, Hub};

use super::problem::{Problem, text};
use super::waiting::Waiting;
use crate::limits::{FOLLOW_BEAT_MS, FOLLOW_RETRY_MS};

/// Answers with the stream.
///
/// # Errors
/// [`Problem`]: an indicator that does not exist, a ledger that cannot be read.
pub async fn answer(hub: &Hub, waiting: &Waiting, wanted: Wanted, last: Option<String>) -> Result<Response, Problem> {
    let following = hub.enter().await.map_err(|error| {
        tracing::error!(error, "followers cannot be told where the ledger stands");
        Problem::unavailable(text("원장을 읽지 못했습니다", "the ledger could not be read"))
    })?;
    if let Some(id) = hub.unknown(&wanted).first() {
        let id: String = id.chars().take(80).collect();
        return Err(Problem::not_found(
            text(format!("지표 '{id}'이(가) 없습니다"), format!("there is no indicator '{id}'")),
            text("/v1/indicators가 모두 보여 줍니다.", "/v1/indicators lists them all"),
        ));
    }
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        // Proxies that gather what they pass on would hold events back.
        (header::HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no")),
    ];
    let stream = events(hub.clone(), waiting.clone(), following, wanted, last);
    Ok((headers, Body::from_stream(stream)).into_response())
}

enum Step {
    Begin(Option<String>),
    First(Option<Bytes>),
    State,
    Go,
    End,
}

fn events(
    hub: Hub,
    waiting: Waiting,
    following: Following,
    wanted: Wanted,
    last: Option<String>,
) -> impl Stream<Item = Result<Bytes, Infallible>> + Send {
    let (newest, state, over) = hub.subscribe();
    let follower = Follower { hub, waiting, wanted, number: 0, newest, state, over, _following: following };
    unfold((follower, Step::Begin(last)), |(mut follower, step)| async move {
        let (bytes, step) = match step {
            Step::Begin(last) => follower.begin(last.as_deref()),
            Step::First(Some(first)) => follower.own(first, Step::State),
            Step::First(None) | Step::State => (follower.hub.state(follower.number), Step::Go),
            Step::Go => follower.next().await,
            Step::End => return None,
        };
        Some((Ok(bytes), (follower, step)))
    })
}

struct Follower {
    hub: Hub,
    waiting: Waiting,
    wanted: Wanted,
    /// The frame it has.
    number: u64,
    newest: tokio::sync::watch::Receiver<u64>,
    state: tokio::sync::watch::Receiver<std::sync::Arc<serde_json::Value>>,
    over: tokio::sync::watch::Receiver<bool>,
    _following: Following,
}

impl Follower {
    fn begin(&mut self, last: Option<&str>) -> (Bytes, Step) {
        let start = self.hub.start(&self.wanted, last);
        self.number = start.number;
        self.state.mark_unchanged();
        (format!("retry: {FOLLOW_RETRY_MS}\n\n").into(), Step::First(start.first))
    }

    /// Bytes to be sent, with room for them where they were made for this follower alone; what is sent to all is there once.
    fn own(&self, bytes: Bytes, next: Step) -> (Bytes, Step) {
        if self.wanted.is_all() {
            return (bytes, next);
        }
        match self.waiting.hold(bytes) {
            Some(bytes) => (bytes, next),
            None => (ended("busy", "too many clients leave what they asked for unread; ask again shortly"), Step::End),
        }
    }

    async fn next(&mut self) -> (Bytes, Step) {
        loop {
            // Before it is asked what there is: what comes after wakes.
            self.newest.mark_unchanged();
            match self.hub.after(self.number) {
                Next::Frame(frame) => {
                    // One at a time, made when the client takes it: who reads nothing has one made for it.
                    self.number = frame.number;
                    match frame.bytes(&self.wanted) {
                        Some(mine) => return self.own(mine, Step::Go),
                        None => continue,
                    }
                }
                Next::Gone => {
                    self.hub.drop_one();
                    return (ended("too-slow", "the client reads more slowly than the ledger changes"), Step::End);
                }
                Next::Wait => {}
            }
            let beat = Duration::from_millis(FOLLOW_BEAT_MS);
            let woken = async {
                tokio::select! {
                    _ = self.over.wait_for(|over| *over) => Woken::Over,
                    changed = self.newest.changed() => if changed.is_ok() { Woken::Frame } else { Woken::Over },
                    changed = self.state.changed() => if changed.is_ok() { Woken::State } else { Woken::Over },
                }
            };
            match timeout(beat, woken).await {
                Ok(Woken::Frame) => {}
                Ok(Woken::Over) => return (ended("stopping", "the ledger stops; ask again"), Step::End),
                Ok(Woken::State) | Err(_) => return (self.hub.state(self.number), Step::Go),
            }
        }
    }
}

enum Woken {
    Frame,
    State,
    Over,
}

fn ended(reason: &str, text: &str) -> Bytes {
    frame::note("dropped", None, &serde_json::json!({ "reason": reason, "text": text }))
}
