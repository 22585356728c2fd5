//! Reads a stream in order from a sequence, every message whatsoever, and proves that none is missing.
//!
//! Two roads. The fast one is a pull consumer without acknowledgements. But a publisher can store messages that a NATS
//! client cannot be handed (a header that is no UTF-8 or a subject with a non-breaking space ends the client's
//! connection, a status line looks like a control message), so wherever the fast road breaks, the reader takes the next
//! messages one by one as JSON, where nothing in them is interpreted on the way.
//!
//! Never skips: a sequence that the server does not have is a [`Finding`], not a gap to jump over. Give it a [`Link`] of
//! its own, because such messages cut the connection they arrive on.

use std::{future::Future, sync::Arc, time::Duration};

use async_nats::Message;
use bytes::Bytes;
use futures_util::{FutureExt as _, StreamExt as _, stream};
use tokio::{sync::watch, time::Instant};

use super::{
    Link, StreamError,
    doubt::Doubt,
    past::{Past, compare, compare_last},
    pull::Pull,
    raw::{Place, headers_of},
    succession::vouch,
};
pub use super::{
    finding::{Finding, ReadError},
    raw::{Extent, extent, fetch, fetch_next},
};
use crate::{
    event::Time,
    limits::{
        API_TIMEOUT_MS, CLUSTER_ASK_MS, MESSAGE_BYTES_MAX, RAW_IN_FLIGHT_MAX, RAW_RUN_MAX, READ_CHECK_EVERY_MS,
        READ_LINGER_MS,
    },
    log::Arrival,
};

/// Pause between two attempts to resume while the server is away.
const RESUME_EVERY: Duration = Duration::from_millis(50);

/// Reads in order.
#[derive(Debug)]
pub struct Reader {
    link: Link,
    stream: Arc<str>,
    next: u64,
    created: String,
    pull: Option<Pull>,
    /// How many messages to take one by one before the fast road is tried again; doubles while it keeps breaking.
    raw_run: usize,
    /// Messages the fast road has delivered since it was opened.
    delivered: usize,
    connects: watch::Receiver<u64>,
    last: u64,
    /// What was read in earlier runs.
    past: Option<Arc<dyn Past>>,
    /// The message read last in this one.
    read: Option<Arrival>,
    /// The servers that the past was held against: the one that answers, and the one that leads the stream.
    held: (String, String),
    /// What seems to be missing, and may turn out not to be.
    doubt: Doubt,
    /// Up to here the stream vouches for what a recovery put there.
    recovered_upto: u64,
}

/// What an attempt to resume came to.
enum Resumed {
    /// The fast road is open, after these messages of the slow one.
    Open(Vec<Arrival>),
    /// The server is not there.
    Away,
}

/// One step of the fast road.
enum Step {
    Arrived(Box<Arrival>),
    /// Nothing for now, or a control message.
    Nothing,
    /// Take the slow road.
    Broken(&'static str),
}

impl Reader {
    /// Opens a reader whose first message is `next`. `created` is the stream's creation time remembered from an earlier
    /// run, where there was one.
    ///
    /// # Errors
    /// [`ReadError`]: also when the stream already ends before `next - 1`.
    pub async fn open(link: Link, stream: &str, next: u64, created: Option<&str>) -> Result<Reader, ReadError> {
        Reader::open_with(link, stream, next, created, None).await
    }

    /// Opens a reader that goes on where a log ends, and holds the stream against it: now, and whenever it meets another
    /// server or the same one started anew.
    ///
    /// # Errors
    /// [`ReadError`]: also when the stream differs from the log.
    pub async fn open_behind(link: Link, stream: &str, past: Arc<dyn Past>) -> Result<Reader, ReadError> {
        let next = past.size() + 1;
        Reader::open_with(link, stream, next, None, Some(past)).await
    }

    async fn open_with(
        link: Link,
        stream: &str,
        next: u64,
        created: Option<&str>,
        past: Option<Arc<dyn Past>>,
    ) -> Result<Reader, ReadError> {
        let stream: Arc<str> = stream.into();
        let extent = extent(&link, &stream).await?;
        let connects = link.connects();
        let created = created.unwrap_or(&extent.created).to_owned();
        let mut reader = Reader {
            link,
            stream,
            next,
            created,
            pull: None,
            raw_run: 0,
            delivered: 0,
            connects,
            last: 0,
            past,
            read: None,
            held: (String::new(), String::new()),
            doubt: Doubt::default(),
            recovered_upto: 0,
        };
        while let Err(fault) = reader.look().await {
            reader.bear(fault).await?;
        }
        reader.connects.mark_unchanged();
        Ok(reader)
    }

    /// Looks where the stream stands, and holds it against what was read before.
    async fn look(&mut self) -> Result<Extent, ReadError> {
        let extent = self.soon(extent(&self.link, &self.stream)).await?;
        self.check(&extent)?;
        self.recall(&extent).await?;
        self.doubt.clear();
        Ok(extent)
    }

    /// What is asked of a cluster while it elects a leader is never answered: asked again soon, it is answered by the new one.
    async fn soon<T>(&self, asked: impl Future<Output = Result<T, ReadError>>) -> Result<T, ReadError> {
        let wait_ms = if self.link.has_several() { CLUSTER_ASK_MS } else { API_TIMEOUT_MS * 2 };
        let answer = tokio::time::timeout(Duration::from_millis(wait_ms), asked).await;
        answer.unwrap_or_else(|_| {
            let (what, why) = (format!("about {}", self.stream), "no answer in time".to_owned());
            Err(StreamError::NoAnswer { what, why }.into())
        })
    }

    /// Bears a finding that may yet turn out to be none; any other fault is given back.
    async fn bear(&mut self, fault: ReadError) -> Result<(), ReadError> {
        match fault {
            ReadError::Finding(finding) if self.doubt.may_pass(&finding, Instant::now()) => {
                tokio::time::sleep(RESUME_EVERY).await;
                Ok(())
            }
            fault => Err(fault),
        }
    }

    /// The sequence of the next message.
    #[must_use]
    pub fn next_sequence(&self) -> u64 {
        self.next
    }

    /// When the stream was created, to be remembered for the next [`Reader::open`].
    #[must_use]
    pub fn created(&self) -> &str {
        &self.created
    }

    /// Messages known to be in the stream and not yet read.
    #[must_use]
    pub fn pending(&self) -> u64 {
        (self.last + 1).saturating_sub(self.next)
    }

    /// Whether the stream can be read right now: the server is there, and has it whole.
    #[must_use]
    pub fn reads(&self) -> bool {
        self.connected() && self.pull.is_some() && !self.doubt.is_open()
    }

    fn connected(&self) -> bool {
        self.link.client.connection_state() == async_nats::connection::State::Connected
    }

    /// The next messages in order: returns as soon as there is at least one and the stream holds no more, or a limit is
    /// reached, or `READ_LINGER_MS` after the first; empty after `wait` without any (also while the server is away: it
    /// resumes by itself).
    ///
    /// # Errors
    /// [`ReadError::Finding`] where the stream is not what it was; messages before the fault were returned by earlier
    /// calls or are returned first.
    pub async fn next_batch(
        &mut self,
        messages_max: usize,
        bytes_max: usize,
        wait: Duration,
    ) -> Result<Vec<Arrival>, ReadError> {
        let mut batch = match self.batch(messages_max, bytes_max, wait).await {
            Ok(batch) => batch,
            Err(fault) => {
                self.bear(fault).await?;
                self.leave();
                Vec::new()
            }
        };
        batch.iter_mut().for_each(|arrival| vouch(arrival, self.recovered_upto));
        if let Some(last) = batch.last() {
            self.read = Some(last.clone());
        }
        Ok(batch)
    }

    async fn batch(
        &mut self,
        messages_max: usize,
        bytes_max: usize,
        wait: Duration,
    ) -> Result<Vec<Arrival>, ReadError> {
        let deadline = Instant::now() + wait;
        let (mut batch, mut bytes, mut linger) = (Vec::new(), 0usize, deadline);
        while batch.len() < messages_max.max(1) && bytes < bytes_max.max(1) {
            if self.pull.is_none() {
                if !batch.is_empty() {
                    break;
                }
                match self.resume_by(deadline, messages_max.min(bytes_max / MESSAGE_BYTES_MAX).max(1)).await? {
                    Resumed::Away => break,
                    Resumed::Open(raw) if raw.is_empty() => continue,
                    Resumed::Open(raw) => return Ok(raw),
                }
            }
            // Before any waiting: a pull that has ended delivers nothing to wake up for.
            if let Some(pull) = self.pull.as_mut().filter(|pull| pull.runs_low()) {
                pull.ask(&self.link, &self.stream).await;
            }
            let step = match self.ready_step() {
                Step::Nothing if batch.is_empty() => self.wait_step(deadline).await?,
                // More is on its way: a full batch makes the commit cheap.
                Step::Nothing if self.pending() > 0 => self.wait_step(linger).await?,
                step => step,
            };
            match step {
                Step::Arrived(arrival) => {
                    if batch.is_empty() {
                        linger = deadline.min(Instant::now() + Duration::from_millis(READ_LINGER_MS));
                    }
                    bytes += arrival.body.len() + arrival.subject.len();
                    batch.push(*arrival);
                }
                Step::Nothing if batch.is_empty() && Instant::now() < deadline => {}
                Step::Nothing if !batch.is_empty() && self.pending() > 0 && Instant::now() < linger => {}
                Step::Nothing => break,
                Step::Broken(why) => {
                    tracing::debug!(why, next = self.next, "fast road broken");
                    self.leave();
                }
            }
        }
        Ok(batch)
    }

    /// [`Reader::resume`] as soon as the server is there, until the deadline. Once begun it is finished, however near the
    /// deadline: a short wait must not keep it from ever ending.
    async fn resume_by(&mut self, deadline: Instant, messages_max: usize) -> Result<Resumed, ReadError> {
        loop {
            if self.connected() {
                match self.resume(messages_max).await {
                    Ok(raw) => return Ok(Resumed::Open(raw)),
                    Err(ReadError::Stream(error)) if error.is_passing() => {
                        tracing::debug!(%error, "stream not readable for now");
                    }
                    Err(error) => return Err(error),
                }
            }
            if Instant::now() >= deadline {
                return Ok(Resumed::Away);
            }
            tokio::select! {
                _ = self.connects.changed() => {}
                () = tokio::time::sleep_until(deadline.min(Instant::now() + RESUME_EVERY)) => {}
            }
        }
    }

    fn check(&mut self, extent: &Extent) -> Result<(), Finding> {
        let stream = Arc::clone(&self.stream);
        self.doubt.look(extent);
        if extent.created != self.created {
            let (expected, found) = (self.created.clone(), extent.created.clone());
            return Err(Finding::Replaced { stream, expected, found });
        }
        if self.past.is_some() && extent.sealed {
            return Err(Finding::Retired { stream });
        }
        if extent.last + 1 < self.next {
            return Err(Finding::Backwards { stream, position: self.next - 1, last: extent.last });
        }
        if extent.first > self.next {
            return Err(Finding::Hole { stream, missing: self.next, last: extent.last });
        }
        self.last = extent.last;
        self.recovered_upto = extent.recovered_upto;
        Ok(())
    }

    /// Holds what was read before against the stream: the last message always, the log too where the server is not the one
    /// it was held against before.
    async fn recall(&mut self, extent: &Extent) -> Result<(), ReadError> {
        let held = (self.link.client.server_info().server_id, extent.leader.clone());
        if let Some(past) = self.past.as_deref().filter(|_| self.held != held) {
            compare(&self.link, &self.stream, extent, past, self.next).await?;
        }
        if let Some(last) = &self.read {
            compare_last(&self.link, &self.stream, extent, last).await?;
        }
        self.held = held;
        Ok(())
    }

    /// Compares the stream with our position, reads `raw_run` messages one by one, then opens the fast road behind them.
    async fn resume(&mut self, messages_max: usize) -> Result<Vec<Arrival>, ReadError> {
        self.connects.mark_unchanged();
        let extent = self.look().await?;
        let run = self.raw_run.min(messages_max) as u64;
        let upto = (self.next + run).min(extent.last + 1);
        let (link, stream) = (&self.link, &self.stream);
        let mut answers = stream::iter(self.next..upto)
            .map(|sequence| async move { (sequence, fetch(link, stream, sequence).await) })
            .buffered(RAW_IN_FLIGHT_MAX);
        let (mut raw, mut stopped) = (Vec::new(), None);
        while let Some((sequence, answer)) = answers.next().await {
            match answer {
                Ok(Some(arrival)) => raw.push(arrival),
                Ok(None) => {
                    let stream = Arc::clone(stream);
                    stopped = Some(Finding::Hole { stream, missing: sequence, last: extent.last }.into());
                    break;
                }
                Err(error) => {
                    stopped = Some(error);
                    break;
                }
            }
        }
        drop(answers);
        match stopped {
            // What was read before the fault counts; the next call meets the fault again.
            Some(error) if raw.is_empty() => return Err(error),
            Some(_) => {}
            None => {
                let start = self.next + raw.len() as u64;
                self.pull = Some(self.soon(Pull::open(&self.link, &self.stream, start)).await?);
                self.delivered = 0;
            }
        }
        self.next += raw.len() as u64;
        Ok(raw)
    }

    /// Gives the fast road up: the next [`Reader::resume`] begins on the slow one.
    fn leave(&mut self) {
        // One that delivered well was broken by chance or by a lone message; one that keeps breaking is in a bad stretch.
        let grown = if self.delivered > self.raw_run { 1 } else { (self.raw_run * 2).clamp(1, RAW_RUN_MAX) };
        self.raw_run = grown;
        if let Some(pull) = self.pull.take() {
            pull.leave(&self.link, &self.stream);
        }
    }

    /// The next message if it is at hand.
    fn ready_step(&mut self) -> Step {
        let Some(pull) = &mut self.pull else { return Step::Nothing };
        match tokio::task::unconstrained(pull.messages.next()).now_or_never() {
            None => Step::Nothing,
            Some(None) => Step::Broken("subscription closed"),
            Some(Some(message)) => self.take(message),
        }
    }

    /// Waits for the next message, a reconnect, missing heartbeats, or the deadline. What was received before a
    /// reconnect is delivered first.
    async fn wait_step(&mut self, deadline: Instant) -> Result<Step, ReadError> {
        let Some(pull) = &mut self.pull else { return Ok(Step::Nothing) };
        let silent = pull.silent_at();
        let check = pull.checked + Duration::from_millis(READ_CHECK_EVERY_MS);
        let message = tokio::select! {
            biased;
            message = pull.messages.next() => message,
            Ok(()) = self.connects.changed() => return Ok(Step::Broken("reconnected")),
            () = tokio::time::sleep_until(silent) => return Ok(Step::Broken("no heartbeat")),
            () = tokio::time::sleep_until(check) => {
                pull.checked = Instant::now();
                match tokio::time::timeout_at(deadline, extent(&self.link, &self.stream)).await {
                    // A leader that was not held against the log yet.
                    Ok(Ok(extent)) if extent.leader != self.held.1 => return Ok(Step::Broken("another leader")),
                    Ok(Ok(extent)) => self.check(&extent)?,
                    Ok(Err(ReadError::Finding(finding))) => return Err(finding.into()),
                    Ok(Err(ReadError::Stream(error))) => tracing::debug!(%error, "stream state not known"),
                    Err(_) => {}
                }
                return Ok(Step::Nothing);
            }
            () = tokio::time::sleep_until(deadline) => return Ok(Step::Nothing),
        };
        Ok(match message {
            None => Step::Broken("subscription closed"),
            Some(message) => self.take(message),
        })
    }

    fn take(&mut self, message: Message) -> Step {
        let Some(pull) = &mut self.pull else { return Step::Nothing };
        pull.hear();
        // Stream messages have an acknowledgement subject, control messages have none: a status line in a stored
        // message cannot pose as one.
        let Some(place) = message.reply.as_deref().and_then(Place::parse) else {
            return pull.control(&message).map_or(Step::Nothing, Step::Broken);
        };
        pull.count(&message);
        match place.sequence.cmp(&self.next) {
            std::cmp::Ordering::Less => return Step::Nothing,
            std::cmp::Ordering::Greater => return Step::Broken("a sequence was not delivered"),
            std::cmp::Ordering::Equal => {}
        }
        self.next += 1;
        self.delivered += 1;
        if self.delivered > RAW_RUN_MAX {
            self.raw_run = 0;
        }
        self.last = self.last.max(place.sequence + place.pending);
        Step::Arrived(Box::new(Arrival {
            stream: Arc::clone(&self.stream),
            sequence: place.sequence,
            recorded: Time::from_ns(place.recorded_ns),
            headers: headers_of(&message),
            subject: Bytes::copy_from_slice(message.subject.as_bytes()),
            body: message.payload,
        }))
    }
}
