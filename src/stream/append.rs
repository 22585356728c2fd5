//! Append messages to the stream: in atomic batches (ADR-50 of the NATS architecture repository), one by one where
//! batches are exhausted.
//!
//! No message ids: de-duplication by `Nats-Msg-Id` is stream-wide and would let one agency swallow another's report.
//! Success is told only for an acknowledgement that names our stream and counts our messages; what could not be learned
//! is [`AppendError::Unknown`], never guessed.

mod part;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use async_nats::{HeaderMap, Message, StatusCode, Subscriber};
use bytes::Bytes;
use futures_util::StreamExt as _;
use serde_json::Value;
use tokio::{
    sync::{broadcast, watch},
    time::Instant,
};

use self::part::{BatchHeaders, Part, chunk, headers};
use super::{Link, succession::number_of};
use crate::limits::{MESSAGE_BYTES_MAX, PUBLISH_IN_FLIGHT_MAX, PUBLISH_TIMEOUT_MS, RECONNECT_GRACE_MS};

/// `err_code`: atomic batches are not enabled for the stream.
const BATCH_DISABLED: u64 = 10_174;
/// `err_code`s of a batch that the server holds complete or partly but does not take: a message id seen before.
const BATCH_DUPLICATE: u64 = 10_201;
/// `err_code`s: too many batches open, on the stream or the server.
const BATCH_EXHAUSTED: [u64; 2] = [10_210, 10_211];

/// A message to append.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// Subject: `ledger.report.keco.charger.installed.v1`.
    pub subject: String,
    /// Headers in order.
    pub headers: Vec<(String, String)>,
    /// Body.
    pub body: Bytes,
}

/// Why a message has no stream sequence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// This key may not publish there. Not stored.
    #[error("not permitted: this key may not publish to {subject}; an agency publishes under its own code only")]
    NotPermitted {
        /// The subject.
        subject: String,
    },
    /// Larger than the stream takes. Not stored.
    #[error("the message has {bytes} bytes, the stream takes {MESSAGE_BYTES_MAX}: split it into several reports")]
    TooLarge {
        /// Bytes of subject, headers and body.
        bytes: usize,
    },
    /// Cannot be put on the wire. Not stored.
    #[error("the message cannot be sent: {why}")]
    Malformed {
        /// What is wrong.
        why: String,
    },
    /// JetStream refused it. Not stored.
    #[error("JetStream refused the message: {text} (error {code})")]
    Refused {
        /// `err_code`.
        code: u64,
        /// Description.
        text: String,
    },
    /// No stream takes this subject, or JetStream is not up. Not stored.
    #[error("no stream takes {subject}: is the ledger created, and JetStream up?")]
    NoStream {
        /// The subject.
        subject: String,
    },
    /// May be stored or not: ask the service `jindo.status`.
    #[error("nobody knows yet whether the message is stored: {why}")]
    Unknown {
        /// What happened.
        why: String,
    },
}

impl AppendError {
    /// Whether the message may be in the stream nevertheless.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        matches!(self, AppendError::Unknown { .. })
    }
}

/// The answer for one message: its stream sequence.
pub type Appended = Result<u64, AppendError>;

/// Appends messages in order to `stream`; one answer per message, in order. Never longer than a few
/// `PUBLISH_TIMEOUT_MS` per `PUBLISH_BATCH_MAX` messages.
pub async fn append(link: &Link, stream: &str, messages: &[Outgoing]) -> Vec<Appended> {
    append_within(link, stream, messages, MESSAGE_BYTES_MAX).await
}

/// As [`append`], to a stream that takes messages of so many bytes.
pub(crate) async fn append_within(link: &Link, stream: &str, messages: &[Outgoing], bytes_max: usize) -> Vec<Appended> {
    let mut answers: Vec<Appended> = Vec::with_capacity(messages.len());
    let mut rest = messages;
    let mut next = || {
        let (part, after) = rest.split_at_checked(chunk(rest))?;
        rest = after;
        Some(Part::new(part, bytes_max))
    };
    let inbox = link.client.new_inbox();
    let mut heard = link.client.subscribe(format!("{inbox}.*")).await.map_err(|error| error.to_string());
    let mut part = next();
    while let Some(sending) = part {
        let mut ahead = None;
        let call = Call::new(link, stream, &inbox, bytes_max, sending.messages);
        answers.extend(call.run(sending, &mut heard, &mut || ahead = next()).await);
        part = ahead.or_else(&mut next);
    }
    answers
}

/// An acknowledgement sent while the connection was down is lost: only what the client still had in its buffer can be
/// answered after a reconnect, and is answered soon.
fn after_reconnect() -> Instant {
    Instant::now() + Duration::from_millis(RECONNECT_GRACE_MS)
}

/// One batch on its way.
struct Call<'a> {
    link: &'a Link,
    stream: &'a str,
    inbox: &'a str,
    bytes_max: usize,
    messages: &'a [Outgoing],
    /// Index → answer.
    done: BTreeMap<usize, Appended>,
    violations: broadcast::Receiver<Arc<str>>,
    connects: watch::Receiver<u64>,
}

/// What became of a batch.
enum Batch {
    Done,
    /// Some message is forbidden or the batch was refused as a whole: nothing is stored, try what is left.
    Again,
    /// No batch is to be had: one by one.
    Singles,
}

/// What came back for a published message.
enum Reply {
    Ack {
        seq: u64,
        count: Option<u64>,
    },
    /// The empty answer to a batch's first message.
    Started,
    Error(AppendError),
}

impl<'a> Call<'a> {
    fn new(link: &'a Link, stream: &'a str, inbox: &'a str, bytes_max: usize, messages: &'a [Outgoing]) -> Self {
        let mut connects = link.connects();
        connects.mark_unchanged();
        let (done, violations) = (BTreeMap::new(), link.violations());
        Call { link, stream, inbox, bytes_max, messages, done, violations, connects }
    }

    /// Sends a part. `meanwhile` is called at most once, while the server makes a batch durable.
    async fn run(
        mut self,
        part: Part<'_>,
        answers: &mut Result<Subscriber, String>,
        meanwhile: &mut (dyn FnMut() + Send),
    ) -> Vec<Appended> {
        self.done = part.failed;
        match answers {
            Err(error) => self.fill(&format!("no answers can be received: {error}")),
            Ok(answers) => {
                let (mut batch, mut meanwhile) = (part.batch, Some(meanwhile));
                // Each round settles at least one message, or ends the loop.
                loop {
                    let outcome = match batch.maps.len() {
                        0 => break,
                        1 => Batch::Singles,
                        _ => self.batch(&mut batch, answers, &mut meanwhile).await,
                    };
                    match outcome {
                        Batch::Done => break,
                        Batch::Again => batch = BatchHeaders::new(self.rest()),
                        Batch::Singles => {
                            self.singles(self.rest(), answers).await;
                            break;
                        }
                    }
                }
            }
        }
        self.fill("no acknowledgement came in time");
        self.done.into_values().collect()
    }

    /// Headers of what has no answer yet.
    fn rest(&self) -> BTreeMap<usize, HeaderMap> {
        let open = self.messages.iter().enumerate().filter(|(index, _)| !self.done.contains_key(index));
        // What cannot be sent has its answer already.
        open.filter_map(|(index, message)| Some((index, headers(message, self.bytes_max).ok()?))).collect()
    }

    /// Whatever has no answer yet is unknown.
    fn fill(&mut self, why: &str) {
        for index in 0..self.messages.len() {
            self.done.entry(index).or_insert_with(|| Err(AppendError::Unknown { why: why.to_owned() }));
        }
    }

    async fn publish(&self, index: usize, reply: Option<String>, map: HeaderMap) -> Result<(), AppendError> {
        let Outgoing { subject, body, .. } = &self.messages[index];
        let client = &self.link.client;
        let sent = match reply {
            Some(reply) => client.publish_with_reply_and_headers(subject.clone(), reply, map, body.clone()).await,
            None => client.publish_with_headers(subject.clone(), map, body.clone()).await,
        };
        sent.map_err(|error| AppendError::Unknown { why: error.to_string() })
    }

    /// One atomic batch over everything in it (at least two); their headers are gone afterwards.
    async fn batch(
        &mut self,
        batch: &mut BatchHeaders,
        answers: &mut Subscriber,
        meanwhile: &mut Option<&mut (dyn FnMut() + Send)>,
    ) -> Batch {
        let sent: Vec<usize> = batch.maps.keys().copied().collect();
        let last = sent.len();
        for (position, (index, map)) in (1..).zip(std::mem::take(&mut batch.maps)) {
            // The first and the last message are answered.
            let reply = (position == 1 || position == last).then(|| format!("{}.{}-{position}", self.inbox, batch.id));
            let answered = reply.clone();
            if let Err(error) = self.publish(index, reply, map).await {
                self.fill(&error.to_string());
                return Batch::Done;
            }
            let Some(subject) = answered else { continue };
            if let Some(meanwhile) = meanwhile.take_if(|_| position == last) {
                meanwhile();
            }
            match self.batch_reply(&subject, answers, position == last, &sent).await {
                // The server takes the batch: only now is the rest sent, so that an exhausted stream costs one message.
                Ok(Some(Reply::Started)) if position == 1 => {}
                Ok(Some(Reply::Ack { seq, count })) if position == last && count == u64::try_from(last).ok() => {
                    let first = seq + 1 - count.unwrap_or_default();
                    for (seq, &index) in (first..).zip(&sent) {
                        self.done.insert(index, Ok(seq));
                    }
                    return Batch::Done;
                }
                Ok(Some(Reply::Error(AppendError::Refused { code: BATCH_DUPLICATE, text }))) => {
                    self.fill(&text);
                    return Batch::Done;
                }
                Ok(Some(Reply::Error(AppendError::Refused { code, .. })))
                    if code == BATCH_DISABLED || BATCH_EXHAUSTED.contains(&code) =>
                {
                    tracing::debug!(code, "no atomic batch to be had; publishing one by one");
                    return Batch::Singles;
                }
                // Refused as a whole, nothing stored: one by one each message gets its own answer.
                Ok(Some(Reply::Error(AppendError::Refused { .. } | AppendError::NoStream { .. }))) => {
                    return Batch::Singles;
                }
                // An acknowledgement that does not count what we sent proves nothing.
                Ok(Some(Reply::Ack { .. } | Reply::Started)) => {
                    self.fill("the acknowledgement does not match what was sent");
                    return Batch::Done;
                }
                Ok(Some(Reply::Error(error))) => {
                    self.fill(&error.to_string());
                    return Batch::Done;
                }
                Ok(None) => return Batch::Again,
                // An uncommitted batch stores nothing: try one by one. A commit without an answer is in doubt.
                Err(_) if position == 1 => return Batch::Singles,
                Err(why) => {
                    self.fill(&why);
                    return Batch::Done;
                }
            }
        }
        Batch::Done
    }

    /// The answer on `subject`; `None` when a message of the batch turned out forbidden (it is settled then, the batch is
    /// void).
    async fn batch_reply(
        &mut self,
        subject: &str,
        answers: &mut Subscriber,
        commit: bool,
        sent: &[usize],
    ) -> Result<Option<Reply>, String> {
        let mut deadline = Instant::now() + Duration::from_millis(PUBLISH_TIMEOUT_MS);
        loop {
            tokio::select! {
                biased;
                message = answers.next() => match message {
                    None => return Err("the connection was closed".to_owned()),
                    Some(message) if message.subject.as_str() == subject => {
                        // A violation overtaken by the answer (an incomplete batch) still names the culprit.
                        while let Ok(forbidden) = self.violations.try_recv() {
                            if self.forbid(&forbidden, sent) {
                                return Ok(None);
                            }
                        }
                        return Ok(Some(self.read_reply(&message, subject)));
                    }
                    Some(_) => {}
                },
                Ok(forbidden) = self.violations.recv() => if self.forbid(&forbidden, sent) {
                    return Ok(None);
                },
                Ok(()) = self.connects.changed() => deadline = deadline.min(after_reconnect()),
                () = tokio::time::sleep_until(deadline) => return Err(match commit {
                    true => "the batch was committed but not acknowledged in time".to_owned(),
                    false => "the batch was not answered in time".to_owned(),
                }),
            }
        }
    }

    /// Settles every message with a forbidden subject; whether there was one.
    fn forbid(&mut self, subject: &str, among: &[usize]) -> bool {
        let mut any = false;
        for &index in among.iter().filter(|&&index| self.messages[index].subject == subject) {
            self.done.insert(index, Err(AppendError::NotPermitted { subject: subject.to_owned() }));
            any = true;
        }
        any
    }

    /// One by one, `PUBLISH_IN_FLIGHT_MAX` unanswered at a time, in order.
    async fn singles(&mut self, sendable: BTreeMap<usize, HeaderMap>, answers: &mut Subscriber) {
        let mut waiting: BTreeMap<usize, ()> = BTreeMap::new();
        let all: Vec<usize> = sendable.keys().copied().collect();
        let mut next = sendable.into_iter();
        let tag = uuid::Uuid::now_v7().simple().to_string();
        let patience = Duration::from_millis(PUBLISH_TIMEOUT_MS);
        let mut deadline = Instant::now() + patience;
        loop {
            while waiting.len() < PUBLISH_IN_FLIGHT_MAX {
                let Some((index, map)) = next.next() else { break };
                let reply = format!("{}.{tag}-{index}", self.inbox);
                match self.publish(index, Some(reply), map).await {
                    Ok(()) => drop(waiting.insert(index, ())),
                    Err(error) => drop(self.done.insert(index, Err(error))),
                }
            }
            if waiting.is_empty() {
                return;
            }
            tokio::select! {
                biased;
                message = answers.next() => {
                    let Some(message) = message else { return };
                    let index = message.subject.rsplit_once('.').and_then(|(_, token)| token.strip_prefix(tag.as_str()))
                        .and_then(|rest| rest.strip_prefix('-')).and_then(|index| index.parse::<usize>().ok());
                    let Some(index) = index.filter(|index| waiting.remove(index).is_some()) else { continue };
                    deadline = Instant::now() + patience;
                    let subject = self.messages[index].subject.clone();
                    let answer = match self.read_reply(&message, &subject) {
                        Reply::Ack { seq, .. } => Ok(seq),
                        Reply::Error(error) => Err(error),
                        Reply::Started => Err(AppendError::Unknown { why: "the acknowledgement is empty".to_owned() }),
                    };
                    self.done.insert(index, answer);
                },
                Ok(forbidden) = self.violations.recv() => if self.forbid(&forbidden, &all) {
                    waiting.retain(|index, ()| !self.done.contains_key(index));
                    deadline = Instant::now() + patience;
                },
                Ok(()) = self.connects.changed() => deadline = deadline.min(after_reconnect()),
                () = tokio::time::sleep_until(deadline) => return,
            }
        }
    }

    fn read_reply(&self, message: &Message, subject: &str) -> Reply {
        if message.status == Some(StatusCode::NO_RESPONDERS) {
            return Reply::Error(AppendError::NoStream { subject: subject.to_owned() });
        }
        if message.payload.is_empty() {
            return Reply::Started;
        }
        let unknown = |why: String| Reply::Error(AppendError::Unknown { why });
        let ack: Value = match serde_json::from_slice(&message.payload) {
            Ok(ack) => ack,
            Err(error) => return unknown(format!("the acknowledgement cannot be read: {error}")),
        };
        if let Some(error) = ack.get("error") {
            let code = error.get("err_code").and_then(Value::as_u64).unwrap_or(0);
            let text = error.get("description").and_then(Value::as_str).unwrap_or("no description").to_owned();
            return Reply::Error(AppendError::Refused { code, text });
        }
        if !ack.get("stream").and_then(Value::as_str).is_some_and(|found| is_ours(self.stream, found)) {
            return unknown(format!("it was acknowledged by another stream: {ack}"));
        }
        if ack.get("duplicate").and_then(Value::as_bool) == Some(true) {
            return unknown("it was taken for a message sent before".to_owned());
        }
        match ack.get("seq").and_then(Value::as_u64) {
            Some(seq) => Reply::Ack { seq, count: ack.get("count").and_then(Value::as_u64) },
            None => unknown(format!("the acknowledgement names no sequence: {ack}")),
        }
    }
}

/// The stream asked for, or a later one of the same ledger: after a recovery a publisher may still know the old name.
fn is_ours(stream: &str, found: &str) -> bool {
    let later = number_of(stream).zip(number_of(found)).is_some_and(|(asked, found)| found > asked);
    found == stream || later
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn acknowledged_by_this_stream_or_a_later_one() {
        for (found, ours) in [("LEDGER_2", true), ("LEDGER_3", true), ("LEDGER_1", false), ("OTHER", false)] {
            assert_eq!(is_ours("LEDGER_2", found), ours, "{found}");
        }
        assert!(is_ours("X", "X") && !is_ours("X", "LEDGER_3"));
    }
}
