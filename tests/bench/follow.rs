//! A thousand clients of `/v1/stream` beside the ledger on the same cores, a hundred of which never read.
//!
//! `cargo bench --bench follow`. The ledger, its nats-server, the clients (a process of their own) and the publisher share the
//! machine. A report is timed from before it is published (`sync_interval: always`, so the acknowledgement waits for the disk)
//! to the event that covers its entry, at every client. What one client sees alone is held against the same message published raw on
//! a stream of the same kind, acknowledged and delivered, and one fdatasync: by turns, at the same pace.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a bench may stop where it stands")]

#[allow(dead_code, reason = "other benches use the rest")]
mod intake;
#[allow(dead_code, reason = "other benches use the rest")]
mod limits;
#[allow(dead_code, reason = "other benches use the rest")]
mod random;
#[allow(dead_code, reason = "other benches use the rest")]
mod signer;
#[allow(dead_code, reason = "other benches use the rest")]
mod table;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::str::FromStr as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_nats::jetstream::consumer::pull;
use async_nats::{HeaderMap, HeaderName, HeaderValue};
use futures_util::StreamExt as _;
use jindo::event::subject::Channel;
use jindo::sign::KeyPair;
use jindo::stream::{self, Link, Login, Outgoing};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use intake::{Intake, STREAM};
use limits::{fdatasync_ms, percentile};
use signer::{ORIGIN, Signer};
use table::Table;

const VERB: &str = "--follow-clients";
const CLIENTS: usize = 1_000;
const STALLED: usize = 100;
/// Reports, one every [`EVERY_MS`].
const REPORTS: u64 = 300;
const EVERY_MS: u64 = 100;

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip_while(|argument| argument != VERB);
    if let (Some(_), Some(address), Some(clients)) = (arguments.next(), arguments.next(), arguments.next()) {
        return clients_of(&address, serde_json::from_str(&clients).expect("[clients, stalled]")).await;
    }
    let mut table = Table::of("follow");
    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger::up(folder.path());
    let keco = KeyPair::load(&folder.path().join("keys/keco.nk")).expect("the agency's key");
    let link = stream::connect(&ledger.nats, &Login::agency("keco", &keco.seed())).await.expect("a connection");
    let mut publisher = Publisher { link, signer: Signer::new("keco", keco), ledger: &ledger };
    // Its chain is none of the ledger's: those messages go to another server.
    let key = KeyPair::load(&folder.path().join("keys/keco.nk")).expect("the agency's key");
    let mut aside = Signer::new("keco", key);
    let mut raw = Vec::new();
    let mut alone = Vec::new();
    // The machine's mood changes: the limit is measured before, between and after.
    for turn in 0..3 {
        raw.extend(deliveries(&mut aside, &folder.path().join(format!("raw-{turn}"))).await);
        if turn < 2 {
            let seen = publisher.run(1, 0).await;
            table.say("one client alone: snapshot", format!("{} kB", seen.snapshot / 1_024));
            alone.extend(seen.times_us.iter().map(|us| *us as f64 / 1e3));
        }
    }
    told_alone(&mut table, raw, alone, folder.path());
    let crowd = publisher.run(CLIENTS, STALLED).await;
    let (p50, p99, max) = (crowd.percentile(50), crowd.percentile(99), crowd.percentile(100));
    let what = format!("{CLIENTS} clients, {STALLED} stalled: report to event, p99");
    table.goal(&what, format!("{p99:.1} ms"), format!("p50 {p50:.1}, max {max:.1} ms"), "< 250 ms", p99 < 250.0);
    let readers = CLIENTS - STALLED;
    table.goal(
        "  clients that got every change",
        crowd.whole.to_string(),
        format!("of {readers}"),
        "all",
        crowd.whole == readers,
    );
    let left = ledger.followers_fall_to(readers);
    table.goal("  stalled ones dropped", (CLIENTS - left).to_string(), format!("of {STALLED}"), "all", left == readers);
    drop(crowd);
    let memory = ledger.memory_mb();
    table.goal("  memory of the ledger, peak", format!("{memory} MB"), String::new(), "< 600 MB", memory < 600);
    table.print();
}

/// What one client sees, against the limit.
fn told_alone(table: &mut Table, mut raw: Vec<f64>, mut alone: Vec<f64>, dir: &Path) {
    raw.sort_unstable_by(f64::total_cmp);
    alone.sort_unstable_by(f64::total_cmp);
    let disk = fdatasync_ms(dir, 1_024, REPORTS as usize, Duration::from_millis(EVERY_MS / 5));
    let of = |times: &[f64]| (percentile(times, 50), percentile(times, 99));
    let ((p50, p99), (raw50, raw99), (disk50, disk99)) = (of(&alone), of(&raw), of(&disk));
    table.say("raw: published, acknowledged and delivered", format!("p50 {raw50:.2} ms, p99 {raw99:.2} ms"));
    table.say("raw: one append of 1 kB and fdatasync", format!("p50 {disk50:.2} ms, p99 {disk99:.2} ms"));
    let ratio = p50 / (raw50 + disk50);
    let what = "one client alone: report to event";
    table.goal(&format!("{what}, p50"), format!("{p50:.2} ms"), format!("{ratio:.2} × raw"), "≤ 2 ×", ratio <= 2.0);
    table.goal(&format!("{what}, p99"), format!("{p99:.2} ms"), String::new(), "≤ 10 ms", p99 <= 10.0);
    for (key, value) in
        [("p50", p50), ("p99", p99), ("raw", raw50), ("raw.p99", raw99), ("disk", disk50), ("ratio", ratio)]
    {
        table.value(&format!("sse.{key}"), value);
    }
}

/// Milliseconds from before a report is published until it is both acknowledged and delivered to a consumer that waits, on a stream
/// as the ledger's and at its pace.
async fn deliveries(signer: &mut Signer, dir: &Path) -> Vec<f64> {
    let intake = Intake::start(dir).await;
    let context = async_nats::jetstream::new(intake.link.client.clone());
    let stream = context.get_stream(STREAM).await.expect("the stream");
    let consumer = stream.create_consumer(pull::OrderedConfig::default()).await.expect("a consumer");
    let mut messages = consumer.messages().await.expect("messages");
    let mut times = Vec::new();
    for _ in 0..REPORTS {
        let message = report(signer);
        let mut headers = HeaderMap::new();
        for (name, value) in &message.headers {
            headers.append(HeaderName::from_str(name).unwrap(), HeaderValue::from_str(value).unwrap());
        }
        let began = std::time::Instant::now();
        let acknowledged = async {
            let sent = context.publish_with_headers(message.subject.clone(), headers, message.body.clone()).await;
            sent.expect("it is sent").await.expect("it is acknowledged");
        };
        let ((), delivered) = tokio::join!(acknowledged, messages.next());
        delivered.expect("a message").expect("a message");
        times.push(began.elapsed().as_secs_f64() * 1e3);
        tokio::time::sleep(Duration::from_millis(EVERY_MS).saturating_sub(began.elapsed())).await;
    }
    drop(messages);
    intake.server.stop().await;
    times
}

/// The next report.
fn report(signer: &mut Signer) -> Outgoing {
    let body = json!({
        "specversion": "1.0", "id": uuid::Uuid::new_v4(), "source": "/agencies/keco", "type": "charger.installed.v1",
        "time": "2026-06-30T09:00:00+09:00", "data": {"region": "11", "class": "fast", "count": 1},
    });
    signer.sign(Channel::Report, "charger.installed.v1", "application/cloudevents+json", body.to_string().into_bytes())
}

fn now_us() -> u64 {
    u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros()).unwrap()
}

struct Ledger {
    child: Child,
    http: String,
    nats: String,
}

impl Ledger {
    fn up(data: &std::path::Path) -> Self {
        let args = ["up", "--http", "127.0.0.1:0", "--nats-port", "-1", "--origin", ORIGIN, "--data"];
        let mut child =
            Command::new(env!("CARGO_BIN_EXE_jindo")).args(args).arg(data).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let mut words =
            line.trim().split(' ').skip(1).map(|word| word.split_once('=').expect("name=value").1.to_owned());
        let (http, nats) = (words.next().expect("http"), words.next().expect("nats"));
        Ledger { child, http: http.trim_start_matches("http://").to_owned(), nats }
    }

    fn get(&self, path: &str) -> String {
        ureq::get(format!("http://{}{path}", self.http)).call().unwrap().body_mut().read_to_string().unwrap()
    }

    fn size(&self) -> u64 {
        serde_json::from_str::<Value>(&self.get("/healthz")).unwrap()["size"].as_u64().unwrap()
    }

    fn followers(&self) -> usize {
        let told = self.get("/metrics");
        let line = told.lines().find_map(|line| line.strip_prefix("jindo_followers ")).expect("the gauge");
        line.parse::<f64>().unwrap() as usize
    }

    /// Waits up to a minute until so few follow; how many do.
    fn followers_fall_to(&self, wanted: usize) -> usize {
        let until = std::time::Instant::now() + Duration::from_secs(60);
        while self.followers() > wanted && std::time::Instant::now() < until {
            std::thread::sleep(Duration::from_millis(200));
        }
        self.followers()
    }

    fn memory_mb(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1_024
    }
}

impl Drop for Ledger {
    fn drop(&mut self) {
        let _ = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        let _ = self.child.wait();
    }
}

/// What the clients saw.
struct Seen {
    /// Microseconds from publishing to the event, of every report at every client.
    times_us: Vec<u64>,
    /// Clients that got every change.
    whole: usize,
    /// Bytes of the first snapshot.
    snapshot: usize,
    _clients: Clients,
}

impl Seen {
    fn percentile(&self, percent: usize) -> f64 {
        let at = (self.times_us.len() * percent).div_ceil(100).saturating_sub(1);
        self.times_us.get(at).map_or(f64::NAN, |us| *us as f64 / 1e3)
    }
}

/// The process of the clients: ended by its own id.
struct Clients(Child);

impl Drop for Clients {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

struct Publisher<'a> {
    link: Link,
    signer: Signer,
    ledger: &'a Ledger,
}

impl Publisher<'_> {
    async fn run(&mut self, clients: usize, stalled: usize) -> Seen {
        let me = std::env::current_exe().unwrap();
        let args = [VERB, &self.ledger.http, &json!([clients, stalled]).to_string()].map(str::to_owned);
        let child = Command::new(me).args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut clients_of = Clients(child);
        let mut told = BufReader::new(clients_of.0.stdout.take().unwrap());
        let mut line = String::new();
        told.read_line(&mut line).unwrap();
        let snapshot = line.trim().strip_prefix("ready ").expect("ready").parse().unwrap();
        let first = self.ledger.size();
        let mut sent = Vec::new();
        for number in 0..REPORTS {
            let message = report(&mut self.signer);
            let began = std::time::Instant::now();
            sent.push((first + number + 1, now_us()));
            for answer in stream::append(&self.link, "LEDGER_1", &[message]).await {
                answer.expect("it is stored");
            }
            tokio::time::sleep(Duration::from_millis(EVERY_MS).saturating_sub(began.elapsed())).await;
        }
        // What they saw: a line each, pairs of size and time; asked for once the last report was sent, ended by all having it.
        let last = first + REPORTS;
        clients_of.0.stdin.as_mut().unwrap().write_all(format!("{last}\n").as_bytes()).unwrap();
        let mut text = String::new();
        let mut seen: Vec<Vec<(u64, u64)>> = Vec::new();
        for _ in 0..clients - stalled {
            text.clear();
            told.read_line(&mut text).unwrap();
            seen.push(serde_json::from_str(&text).expect("pairs"));
        }
        let mut times_us = Vec::new();
        for client in &seen {
            for (size, at) in &sent {
                let covering = client.iter().find(|(told, _)| told >= size);
                times_us.extend(covering.map(|(_, when)| when.saturating_sub(*at)));
            }
        }
        times_us.sort_unstable();
        // Every client must have been sent the same events.
        let sizes = |client: &[(u64, u64)]| client.iter().map(|(size, _)| *size).collect::<Vec<_>>();
        let longest = seen.iter().map(|client| sizes(client)).max_by_key(Vec::len).unwrap_or_default();
        let whole = seen.iter().filter(|client| sizes(client) == longest && longest.last() == Some(&last)).count();
        Seen { times_us, whole, snapshot, _clients: clients_of }
    }
}

/// The other process: all clients, until its input ends.
async fn clients_of(address: &str, (clients, stalled): (usize, usize)) {
    let (ready, mut are_ready) = tokio::sync::mpsc::channel(clients);
    let (end, _) = tokio::sync::watch::channel(None::<u64>);
    let mut tasks = Vec::new();
    let mut held = Vec::new();
    for number in 0..clients {
        let mut socket = TcpStream::connect(address).await.expect("a connection");
        let request = format!("GET /v1/stream HTTP/1.1\r\nHost: {address}\r\n\r\n");
        socket.write_all(request.as_bytes()).await.unwrap();
        if number < stalled {
            held.push(socket);
        } else {
            tasks.push(tokio::spawn(client(socket, ready.clone(), end.subscribe())));
        }
    }
    let mut snapshot = 0;
    for _ in 0..tasks.len() {
        snapshot = are_ready.recv().await.expect("a client");
    }
    println!("ready {snapshot}");
    let last = tokio::task::spawn_blocking(|| {
        let mut line = String::new();
        std::io::stdin().read_line(&mut line).unwrap();
        line.trim().parse::<u64>().expect("the last size")
    });
    end.send_replace(Some(last.await.unwrap()));
    let mut sockets = Vec::new();
    for task in tasks {
        let (seen, socket) = task.await.expect("a client");
        println!("{}", serde_json::to_string(&seen).unwrap());
        sockets.push(socket);
    }
    // Stays until it is ended, so that those who never read can be counted.
    let mut rest = Vec::new();
    let _ = std::io::stdin().read_to_end(&mut rest);
}

/// Reads events until it has the last one; sizes and times of `progress`.
async fn client(
    socket: TcpStream,
    ready: tokio::sync::mpsc::Sender<usize>,
    mut end: tokio::sync::watch::Receiver<Option<u64>>,
) -> (Vec<(u64, u64)>, tokio::io::BufReader<TcpStream>) {
    let mut lines = tokio::io::BufReader::with_capacity(64 * 1_024, socket);
    let (mut seen, mut line) = (Vec::new(), Vec::new());
    let (mut event, mut size) = (String::new(), 0);
    let deadline = tokio::time::sleep(Duration::from_secs(120));
    let mut deadline = std::pin::pin!(deadline);
    loop {
        let over = end.borrow_and_update().is_some_and(|last| size >= last);
        if over {
            return (seen, lines);
        }
        let read = tokio::select! {
            read = lines.fill_buf() => read.map(line_of).unwrap_or_default(),
            _ = end.changed() => continue,
            () = &mut deadline => return (seen, lines),
        };
        if read.is_empty() {
            return (seen, lines);
        }
        let at = now_us();
        line.extend_from_slice(&read);
        lines.consume(read.len());
        if !line.ends_with(b"\n") {
            continue;
        }
        if let Some(kind) = line.strip_prefix(b"event: ") {
            event = String::from_utf8_lossy(kind).trim().to_owned();
        } else if let Some(id) = line.strip_prefix(b"id: ") {
            let id = String::from_utf8_lossy(id);
            size = id.split('.').next().and_then(|size| size.parse().ok()).expect("size.date");
        } else if line.starts_with(b"data: ") {
            match event.as_str() {
                "progress" => seen.push((size, at)),
                "snapshot" => ready.send(line.len()).await.expect("they wait"),
                _ => {}
            }
        }
        line.clear();
    }
}

/// Up to the end of the line, or all there is.
fn line_of(read: &[u8]) -> Vec<u8> {
    read.split_inclusive(|byte| *byte == b'\n').next().unwrap_or_default().to_vec()
}
