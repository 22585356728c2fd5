//! Ten million events in one ledger: folded live with the beat, read as of any past, measured on disk, made anew from the log
//! folder, started cold, read over HTTP.
//!
//! `cargo bench --bench reach`; `JINDO_BENCH_EVENTS` (default 10,000,000) scales it down. All of it goes through a real
//! `nats-server` and the projector as production runs it; a stretch of the stream is filled, then folded. Files that were just
//! written are in the page cache.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a bench may stop where it stands")]

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

mod catalogue;
mod facts;
#[allow(dead_code, reason = "other benches use the rest")]
mod filled;
mod folding;
mod intake;
#[allow(dead_code, reason = "other benches use the rest")]
mod limits;
mod random;
mod rebuilding;
mod running;
mod signer;
#[allow(dead_code, reason = "other benches use the rest")]
mod table;
mod workload;

use filled::Filled;
use folding::Reads;
use intake::bytes_under;
use jindo::event::Day;
use limits::percentile;
use random::Random;
use running::{Client, Running};
use table::{Table, thousands};

const EVENTS: u64 = 10_000_000;
const BATCH: u64 = 100;
const MB: f64 = 1_048_576.0;
const MEMORY_MB: f64 = 512.0;
const STARTS: usize = 3;
const DATA: &str = "all";

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    match (arguments.next().as_deref(), arguments.next()) {
        (Some(folding::VERB), Some(task)) => return folding::fold(serde_json::from_str(&task).expect("a task")).await,
        (Some(rebuilding::VERB), Some(task)) => {
            return rebuilding::rebuild(&serde_json::from_str(&task).expect("a task"));
        }
        _ => {}
    }
    let events = table::events(EVENTS).max(20_000) / 2_000 * 2_000;
    let mut table = Table::of("reach");
    table.value("reach.events", events as f64);
    let mut filled = Filled::start().await;
    signer::log_key().save_new(&key_folder(&filled).join("log.nk")).expect("the log's key");
    fold(&mut filled, events, &mut table).await;
    disk(&filled, events, &mut table);
    rebuild(&filled, events, &mut table);
    let Filled { intake, folder, .. } = filled;
    start(intake, &folder.path().join(DATA), &mut table).await;
    table.print();
}

/// Where `jindo run` looks for the log's key.
fn key_folder(filled: &Filled) -> std::path::PathBuf {
    filled.copy(DATA);
    let keys = filled.data(DATA).join("keys");
    std::fs::create_dir_all(&keys).expect("a folder");
    keys
}

/// Fills and folds a tenth, up to three tenths, and all; at each size it is read as of any past.
async fn fold(filled: &mut Filled, events: u64, table: &mut Table) {
    let mut done = 0;
    for size in [events / 10, events * 3 / 10, events] {
        filled.fill(size - done, BATCH).await;
        let (from, to) = (filled.intake.size - (size - done) / BATCH, filled.intake.size);
        let halves = vec![from + (to - from) / 2, to];
        let mut task = filled.task(DATA, halves, true);
        task.beats = true;
        let found = folding::run(&task);
        assert_eq!((found.refused, found.records), (0, filled.expected()), "every report is accepted");
        let rate = (size - done) as f64 / found.notes[1].seconds;
        let peak = found.notes.iter().map(|note| note.peak).max().unwrap_or(0) as f64 / MB;
        let what = format!("live fold with the beat, events {} to {}", thousands(done as f64), thousands(size as f64));
        table.say(&what, format!("{}/s, peak {peak:.0} MB", thousands(rate)));
        table.point("live fold", size as f64, rate);
        as_of(&found.reads, size, table);
        done = size;
    }
}

fn as_of(reads: &[Reads], size: u64, table: &mut Table) {
    for (number, read) in reads.iter().enumerate() {
        let figure = format!("p50 {} µs, p99 {} µs", read.p50_us, read.p99_us);
        let what = format!("as of any past at {} events, {}", thousands(size as f64), read.what);
        let p99 = read.p99_us as f64 / 1e3;
        // The last is what a reader gets: one indicator whole.
        if number + 1 == reads.len() {
            table.goal(&what, figure, format!("max {:.2} ms", read.max_us as f64 / 1e3), "p99 ≤ 10 ms", p99 <= 10.0);
            table.point("as of any past, p99 ms", size as f64, p99);
            table.point("as of any past, p50 ms", size as f64, read.p50_us as f64 / 1e3);
        } else {
            table.say(&what, figure);
        }
    }
}

fn disk(filled: &Filled, events: u64, table: &mut Table) {
    let data = filled.data(DATA);
    let published = filled.intake.bytes as f64;
    let (log, store) = (bytes_under(&data.join("log")) as f64, bytes_under(&data.join("store")) as f64);
    let stream = bytes_under(&filled.intake.folder) as f64;
    let each = |bytes: f64| bytes / events as f64;
    let ratio = (log + store) / published;
    table.goal(
        "disk of an event, log and store together",
        format!("{:.0} + {:.0} B of {:.0} B published", each(log), each(store), each(published)),
        format!("{ratio:.2} ×"),
        "≤ 1.7 ×",
        ratio <= 1.7,
    );
    table.say("  the stream beside it", format!("{:.0} B an event", each(stream)));
    for (key, value) in [("disk", ratio), ("disk.log", each(log)), ("disk.store", each(store))] {
        table.value(&format!("reach.{key}"), value);
    }
    table.value("reach.published", each(published));
}

fn rebuild(filled: &Filled, events: u64, table: &mut Table) {
    let data = filled.data(DATA);
    let fresh = data.join("store.rebuild");
    let found =
        rebuilding::run(&rebuilding::Task { log: data.join("log"), store: data.join("store"), fresh: fresh.clone() });
    std::fs::remove_dir_all(&fresh).expect("it goes again");
    assert!(found.equal, "a store made anew has the same digest");
    let mut before = (0.0, 0.0);
    for note in &found.notes {
        table.point("rebuild", events as f64 * note.0, events as f64 * (note.0 - before.0) / (note.1 - before.1));
        before = *note;
    }
    let (_, whole) = *found.notes.last().expect("the end");
    let (share, half) = *found.notes.iter().find(|(share, _)| *share >= 0.5).expect("a half");
    let later = events as f64 * (1.0 - share) / (whole - half);
    let (rate, second) = (events as f64 / whole, later / (events as f64 * share / half));
    let figure = |rate: f64| format!("{}/s", thousands(rate));
    table.goal("rebuild from the log folder", figure(rate), String::new(), "≥ 200,000/s", rate >= 200_000.0);
    table.goal("  the second half against the first", figure(later), format!("{second:.2}"), "≥ 0.9", second >= 0.9);
    let [first, last] = found.peaks.map(|peak| peak as f64 / MB);
    let peak = first.max(last);
    let halves = format!("{first:.0} and {last:.0} MB in the halves");
    table.goal("  memory, peak", format!("{peak:.0} MB"), halves, "≤ 512 MB", peak <= MEMORY_MB);
    table.say("log and store opened as they are", format!("{:.2} s", found.opened));
    for (key, value) in [("rebuild", rate), ("rebuild.second", second), ("rebuild.mb", peak), ("opened", found.opened)]
    {
        table.value(&format!("reach.{key}"), value);
    }
}

/// From nothing running to `/readyz`: `nats-server` on its files, then `jindo run` on log and store. The median start; over HTTP of
/// the last one it is read.
async fn start(mut intake: intake::Intake, data: &std::path::Path, table: &mut Table) {
    let key = intake.key.clone();
    let (mut starts, mut running) = (Vec::new(), None);
    for _ in 0..STARTS {
        drop(running.take());
        let (again, server) = intake.again().await;
        intake = again;
        let (started, ready) = Running::start(data, &intake.server.url, &key);
        running = Some(started);
        starts.push((server + ready, server, ready));
    }
    starts.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    let (whole, server, ready) = starts[STARTS / 2];
    let parts = format!("nats-server {server:.2} s, jindo run {ready:.2} s");
    table.goal("cold start to ready", format!("{whole:.2} s"), parts, "≤ 2 s", whole <= 2.0);
    table.value("reach.start", whole);
    table.value("reach.start.server", server);
    table.value("reach.start.run", ready);
    let running = running.expect("it runs");
    tokio::task::block_in_place(|| read(&running.http, table));
    drop(running);
    intake.server.stop().await;
}

fn read(http: &str, table: &mut Table) {
    let mut client = Client::connect(http);
    let (founding, ids) = catalogue::founding();
    // Every indicator is registered from then on.
    let founded = founding.len() as u64;
    let (_, body) = client.get("/healthz");
    let health: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
    let size = health["size"].as_u64().expect("a size");
    let mut random = Random(7);
    let now = client.times(5_000, &mut || format!("/v1/indicators/{}", ids[random.below(ids.len() as u64) as usize]));
    let first = Day::parse("2025-01-01").expect("a day");
    let then = client.times(2_000, &mut || {
        let id = &ids[random.below(ids.len() as u64) as usize];
        let (day, known) = (first.plus(random.below(365) as i32), founded + random.below(size + 1 - founded));
        format!("/v1/indicators/{id}?as_of={day}&known_at={known}")
    });
    for (what, key, times, limit) in [
        ("read one indicator now, HTTP", "reach.now", now, 1.0),
        ("read one indicator as of any past, HTTP", "reach.then", then, 10.0),
    ] {
        let (p50, p99) = (percentile(&times, 50), percentile(&times, 99));
        let max = format!("p50 {p50:.2} ms, max {:.2} ms", percentile(&times, 100));
        table.goal(what, format!("p99 {p99:.2} ms"), max, &format!("p99 ≤ {limit:.0} ms"), p99 <= limit);
        table.value(&format!("{key}.p50"), p50);
        table.value(&format!("{key}.p99"), p99);
    }
}
