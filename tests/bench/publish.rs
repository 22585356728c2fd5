//! Durable publish: the server syncs before it acknowledges (`sync_interval: always`). Raw atomic batches against jindo's road,
//! the same messages on the same stream, by turns; then the stream drained by an ordered pull that does nothing with it.
//!
//! `cargo bench --bench publish`; `JINDO_BENCH_EVENTS` (default 600,000) events in reports of 100, a tenth of it in single ones.
//! The raw side has its headers made beforehand, waits for nothing but the last acknowledgement of a batch, and takes the batch size
//! that was fastest here: the hardest to compare with.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a bench may stop where it stands")]

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

mod catalogue;
mod facts;
#[allow(dead_code, reason = "other benches use the rest")]
mod intake;
mod random;
mod signer;
#[allow(dead_code, reason = "other benches use the rest")]
mod table;
mod workload;

use std::path::Path;
use std::str::FromStr as _;
use std::time::{Duration, Instant};

use async_nats::jetstream::{self, consumer::pull};
use async_nats::{HeaderMap, HeaderName, HeaderValue};
use bytes::Bytes;
use futures_util::StreamExt as _;
use jindo::event::Time;
use jindo::publish::{Draft, Outbox, deliver};
use jindo::stream::{self, Link, Outgoing};
use serde_json::Value;

use intake::{Intake, STREAM, bytes_of};
use signer::{ORIGIN, pair};
use table::{Table, events, thousands};
use workload::Workload;

const ROUNDS: usize = 5;
/// Batch sizes that the raw side may choose from; the server allows 1,000.
const SIZES: [usize; 3] = [200, 500, 1_000];

#[tokio::main]
async fn main() {
    let wanted = events(600_000);
    let mut table = Table::of("publish");
    for (batch, wanted) in [(1, wanted / 10), (100, wanted)] {
        let folder = tempfile::tempdir().expect("a folder");
        let intake = Intake::start(folder.path()).await;
        let mut run = Run { table: &mut table, batch, workload: workload(), folder: folder.path() };
        run.whole(&intake, (wanted as usize / batch / ROUNDS).max(50)).await;
        intake.server.stop().await;
    }
    table.print();
}

fn workload() -> Workload {
    Workload::new(2026, &catalogue::founding().1)
}

struct Run<'a> {
    table: &'a mut Table,
    batch: usize,
    workload: Workload,
    folder: &'a Path,
}

/// Seconds that each road took for one round's messages.
struct Round {
    raw: f64,
    append: f64,
    keep: f64,
    deliver: f64,
}

impl Run<'_> {
    fn messages(&mut self, count: usize) -> Vec<Outgoing> {
        let one = |_| {
            let report = self.workload.report(self.batch);
            self.workload.sign(&report)
        };
        (0..count).map(one).collect()
    }

    async fn whole(&mut self, intake: &Intake, count: usize) {
        let what = if self.batch == 1 { "single reports".to_owned() } else { format!("reports of {}", self.batch) };
        let size = self.fastest(&intake.link, count).await;
        let mut rounds = Vec::new();
        let mut bytes = 0;
        for number in 0..ROUNDS {
            let messages = self.messages(count);
            bytes += messages.iter().map(bytes_of).sum::<u64>();
            let raw = raw(&intake.link, &prepared(&messages, size)).await.expect("raw batches are stored");
            let append = append(&intake.link, &messages).await;
            let dir = self.folder.join(format!("outbox-{number}"));
            let (keep, deliver) = outbox(&dir, &intake.link, &messages).await;
            rounds.push(Round { raw, append, keep, deliver });
        }
        let rate = |seconds: f64| count as f64 / seconds;
        let of = |each: &dyn Fn(&Round) -> f64| median(rounds.iter().map(each).collect());
        let (raw, append) = (rate(of(&|round| round.raw)), rate(of(&|round| round.append)));
        let whole = rate(of(&|round| round.keep + round.deliver));
        // Each round against the raw one beside it.
        let share = of(&|round| round.raw / round.append);
        let kept = of(&|round| round.raw / (round.keep + round.deliver));
        let (batch, each) = (self.batch as f64, bytes / (ROUNDS * count) as u64);
        let told = |rate: f64| format!("{}/s ({} events/s)", thousands(rate), thousands(rate * batch));
        self.table.say(&format!("raw atomic batches of {size}, {what} of {each} bytes"), told(raw));
        let ratio = |share: f64| format!("{share:.2} of raw");
        self.table.goal(&format!("stream::append, {what}"), told(append), ratio(share), "≥ 0.9", share >= 0.9);
        self.table.goal(&format!("outbox, {what}"), told(whole), ratio(kept), "≥ 0.9", kept >= 0.9);
        let us = |seconds: f64| format!("{:.1} µs a report", seconds * 1e6 / count as f64);
        self.table.say("  checked, signed, in the outbox's journal", us(of(&|round| round.keep)));
        self.table.say("  delivered", us(of(&|round| round.deliver)));
        for (key, value) in [
            ("raw", raw * batch),
            ("append", append * batch),
            ("append.share", share),
            ("outbox", whole * batch),
            ("outbox.share", kept),
            ("keep_us", of(&|round| round.keep) * 1e6 / count as f64),
            ("deliver_us", of(&|round| round.deliver) * 1e6 / count as f64),
        ] {
            self.table.value(&format!("publish.{}.{key}", self.batch), value);
        }
        let drained = (drain(&intake.link).await, drain(&intake.link).await);
        let drained = drained.0.max(drained.1);
        self.table.say(&format!("raw drain, ordered pull, {what}"), told(drained));
        self.table.value(&format!("drain.{}", self.batch), drained * batch);
    }

    /// The batch size with which the raw side is fastest. A size that the server does not take is passed over.
    async fn fastest(&mut self, link: &Link, count: usize) -> usize {
        let messages = self.messages(count);
        let mut best = (0.0, SIZES[0]);
        for size in SIZES {
            match raw(link, &prepared(&messages, size)).await {
                Ok(seconds) if 1.0 / seconds > best.0 => best = (1.0 / seconds, size),
                Ok(_) => {}
                Err(why) => println!("raw batches of {size}: {why}"),
            }
        }
        best.1
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}

type Prepared = Vec<Vec<(String, HeaderMap, Bytes)>>;

/// Batches with all their headers.
fn prepared(messages: &[Outgoing], size: usize) -> Prepared {
    let batch = |messages: &[Outgoing]| {
        let id = uuid::Uuid::new_v4().simple().to_string();
        let one = |(at, message): (usize, &Outgoing)| {
            let mut map = HeaderMap::new();
            for (name, value) in &message.headers {
                map.append(HeaderName::from_str(name).unwrap(), HeaderValue::from_str(value).unwrap());
            }
            map.insert("Nats-Batch-Id", id.as_str());
            map.insert("Nats-Batch-Sequence", (at + 1).to_string());
            if at + 1 == messages.len() {
                map.insert("Nats-Batch-Commit", "1");
            }
            (message.subject.clone(), map, message.body.clone())
        };
        messages.iter().enumerate().map(one).collect()
    };
    messages.chunks(size).map(batch).collect()
}

/// Seconds for the batches one after the other, each acknowledged.
async fn raw(link: &Link, batches: &Prepared) -> Result<f64, String> {
    let client = &link.client;
    let inbox = client.new_inbox();
    let mut answers = client.subscribe(inbox.clone()).await.expect("an inbox");
    let batches = batches.clone();
    let start = Instant::now();
    for batch in batches {
        let last = batch.len();
        for (at, (subject, headers, body)) in batch.into_iter().enumerate() {
            let sent = match at + 1 == last {
                true => client.publish_with_reply_and_headers(subject, inbox.clone(), headers, body).await,
                false => client.publish_with_headers(subject, headers, body).await,
            };
            sent.map_err(|error| error.to_string())?;
        }
        let answer = tokio::time::timeout(Duration::from_secs(30), answers.next()).await;
        let answer = answer.map_err(|_| "no acknowledgement in 30 s")?.ok_or("the connection was closed")?;
        let ack: Value = serde_json::from_slice(&answer.payload).map_err(|error| error.to_string())?;
        if ack.get("count").and_then(Value::as_u64) != Some(last as u64) {
            return Err(format!("it was not stored: {ack}"));
        }
    }
    Ok(start.elapsed().as_secs_f64())
}

/// Seconds for the signed messages by the road every publisher takes.
async fn append(link: &Link, messages: &[Outgoing]) -> f64 {
    let start = Instant::now();
    let answers = stream::append(link, STREAM, messages).await;
    let seconds = start.elapsed().as_secs_f64();
    assert!(answers.iter().all(Result::is_ok), "they are stored");
    seconds
}

/// Seconds to check, sign and keep the same bodies in an outbox, and to deliver them; nobody is there to record them.
async fn outbox(dir: &Path, link: &Link, messages: &[Outgoing]) -> (f64, f64) {
    let draft = |message: &Outgoing| Draft {
        subject: message.subject.clone(),
        content_type: message.headers[0].1.clone(),
        body: message.body.to_vec(),
    };
    let drafts: Vec<Draft> = messages.iter().map(draft).collect();
    let mut outbox = Outbox::open(dir, pair(0), ORIGIN).expect("an outbox");
    let start = Instant::now();
    outbox.enqueue(&drafts, Time::now()).expect("they are kept");
    let kept = start.elapsed().as_secs_f64();
    let delivery = deliver(&mut outbox, link, STREAM, Duration::ZERO, |_, _| {}).await.expect("delivered");
    let delivered = start.elapsed().as_secs_f64() - kept;
    assert_eq!(delivery.len(), messages.len());
    for told in delivery.into_values() {
        assert!(matches!(told, jindo::publish::Delivered::Sent { sequence: Some(_) }), "{told:?}");
    }
    (kept, delivered)
}

/// Messages per second of an ordered pull over the whole stream.
async fn drain(link: &Link) -> f64 {
    let context = jetstream::new(link.client.clone());
    let stream = context.get_stream(STREAM).await.expect("the stream");
    let size = stream.cached_info().state.messages;
    let start = Instant::now();
    let consumer = stream.create_consumer(pull::OrderedConfig::default()).await.expect("a consumer");
    let mut messages = consumer.messages().await.expect("messages");
    for _ in 0..size {
        messages.next().await.expect("a message").expect("a message");
    }
    size as f64 / start.elapsed().as_secs_f64()
}
