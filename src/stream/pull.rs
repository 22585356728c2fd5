//! The fast road of the [`Reader`](super::Reader): a pull consumer without acknowledgements, and what it was asked for.

use std::time::Duration;

use async_nats::{Message, StatusCode, Subscriber};
use bytes::Bytes;
use serde_json::json;
use tokio::time::Instant;

use super::{Link, StreamError, finding::ReadError};
use crate::limits::{PULL_BYTES_MAX, PULL_EXPIRES_MS, PULL_HEARTBEAT_MS, PULL_MESSAGES_MAX};

#[derive(Debug)]
pub(super) struct Pull {
    pub messages: Subscriber,
    inbox: String,
    consumer: String,
    /// Messages asked for and not yet delivered.
    asked: usize,
    /// Bytes asked for and not yet delivered, about: a pull ends at its bytes long before its messages where bodies are large.
    bytes: usize,
    heard: Instant,
    pub checked: Instant,
}

impl Pull {
    /// Opens one whose first message is `start`, and asks.
    pub async fn open(link: &Link, stream: &str, start: u64) -> Result<Self, ReadError> {
        let consumer = format!("jindo-{}", uuid::Uuid::now_v7().simple());
        let what = format!("CONSUMER.CREATE.{stream}.{consumer}");
        let inactive_ns = PULL_EXPIRES_MS * 2 * 1_000_000;
        // One replica: one that is lost with its server is opened anew elsewhere, where it was.
        let config = json!({
            "name": consumer, "deliver_policy": "by_start_sequence", "opt_start_seq": start, "ack_policy": "none",
            "replay_policy": "instant", "mem_storage": true, "num_replicas": 1, "inactive_threshold": inactive_ns,
        });
        let request = json!({ "stream_name": stream, "config": config, "action": "create" });
        link.api(&what, &request).await?;
        let inbox = link.client.new_inbox();
        let closed = |why: String| StreamError::NoAnswer { what: "a subscription".to_owned(), why };
        let messages = link.client.subscribe(inbox.clone()).await.map_err(|error| closed(error.to_string()))?;
        let now = Instant::now();
        let mut pull = Pull { messages, inbox, consumer, asked: 0, bytes: 0, heard: now, checked: now };
        pull.ask(link, stream).await;
        Ok(pull)
    }

    /// Whether it is time to ask for more.
    pub const fn runs_low(&self) -> bool {
        self.asked < PULL_MESSAGES_MAX / 2 || self.bytes < PULL_BYTES_MAX / 2
    }

    /// Asks for more messages. A request that is lost shows as missing heartbeats.
    pub async fn ask(&mut self, link: &Link, stream: &str) {
        let request = json!({
            "batch": PULL_MESSAGES_MAX, "max_bytes": PULL_BYTES_MAX, "expires": PULL_EXPIRES_MS * 1_000_000,
            "idle_heartbeat": PULL_HEARTBEAT_MS * 1_000_000,
        });
        let subject = format!("$JS.API.CONSUMER.MSG.NEXT.{stream}.{}", self.consumer);
        let sent = link.client.publish_with_reply(subject, self.inbox.clone(), request.to_string().into()).await;
        if let Err(error) = sent {
            tracing::debug!(%error, "pull not sent");
        }
        self.asked += PULL_MESSAGES_MAX;
        self.bytes += PULL_BYTES_MAX;
    }

    /// Something came.
    pub fn hear(&mut self) {
        self.heard = Instant::now();
    }

    /// A message came.
    pub fn count(&mut self, message: &Message) {
        self.asked = self.asked.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(message.length);
        self.checked = self.heard;
    }

    /// When it has been silent for too long.
    pub fn silent_at(&self) -> Instant {
        self.heard + Duration::from_millis(PULL_HEARTBEAT_MS * 2)
    }

    /// What a control message says: why it is broken, or nothing.
    pub fn control(&mut self, message: &Message) -> Option<&'static str> {
        let code = message.status.unwrap_or(StatusCode::OK).as_u16();
        match code {
            100 => None,
            // The request ended (expired, bytes used up): it says how many messages it still owed.
            404 | 408 | 409 => {
                let owed = message.headers.as_ref().and_then(|h| h.get("Nats-Pending-Messages"));
                let Some(owed) = owed.and_then(|value| value.as_str().parse::<usize>().ok()) else {
                    return Some("pull refused");
                };
                self.asked = self.asked.saturating_sub(owed);
                // Of two pulls outstanding one is left.
                self.bytes = self.bytes.min(if self.asked == 0 { 0 } else { PULL_BYTES_MAX });
                None
            }
            503 => Some("consumer gone"),
            _ => Some("unknown control message"),
        }
    }

    /// Courtesy: the server removes its consumer by itself after `inactive_threshold`.
    pub fn leave(self, link: &Link, stream: &str) {
        let client = link.client.clone();
        let subject = format!("$JS.API.CONSUMER.DELETE.{stream}.{}", self.consumer);
        tokio::spawn(async move { client.publish(subject, Bytes::new()).await.ok() });
    }
}
