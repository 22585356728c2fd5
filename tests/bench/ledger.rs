//! The bench workload, end to end: signed reports through a real `nats-server` into the projector, on the same cores.
//!
//! `cargo bench --bench ledger`; `JINDO_BENCH_EVENTS` (default 3,000,000) scales it down for development. Goals are ratios
//! against what the same run measures: one Ed25519 verification, and PostgreSQL 15 with the same events. Every report of
//! the workload is accepted; the run fails where one is not.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a bench may stop where it stands")]

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

mod catalogue;
mod facts;
mod filled;
mod folding;
#[allow(dead_code, reason = "other benches use the rest")]
mod intake;
#[allow(dead_code, reason = "other benches use the rest")]
mod limits;
#[allow(dead_code, reason = "other benches use the rest")]
mod postgres;
mod random;
mod signer;
#[allow(dead_code, reason = "other benches use the rest")]
mod table;
mod workload;

use std::path::Path;

use filled::{Filled, workload};
use folding::Found;
use intake::bytes_under;
use limits::verification_us;
use postgres::Postgres;
use table::{Table, load, thousands};

const EVENTS: u64 = 3_000_000;
const BATCH: u64 = 100;
/// Events per call of PostgreSQL.
const CALL: u64 = 1_000;
const MEMORY_MB: u64 = 512;
const MB: u64 = 1_024 * 1_024;

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip_while(|argument| argument != folding::VERB);
    if let Some(task) = arguments.nth(1) {
        return folding::fold(serde_json::from_str(&task).expect("a task")).await;
    }
    let bench = Bench {
        events: table::events(EVENTS).max(3_000) / 300 * 300,
        cores: std::thread::available_parallelism().map_or(1, usize::from),
    };
    println!("{} events, {} cores, load {}", thousands(bench.events as f64), bench.cores, load());
    let mut table = Table::of("ledger");
    let peer = bench.postgres(&mut table);
    bench.singles(&mut table).await;
    bench.batches(&mut table, peer).await;
    println!("load {}", load());
    table.print();
}

struct Bench {
    events: u64,
    cores: usize,
}

/// Folds it again from the founding, twice with the log's beat and twice without, by turns; the seconds of the faster of
/// each, and how much later the last entry was in a checkpoint.
fn fold_beating(filled: &Filled) -> (f64, f64, f64) {
    let (mut without, mut with, mut behind) = (f64::INFINITY, f64::INFINITY, 0.0);
    for turn in 0..4 {
        let data = format!("beat-{turn}");
        filled.copy(&data);
        let mut task = filled.task(&data, vec![filled.intake.size], false);
        task.beats = turn % 2 == 1;
        let found = folding::run(&task);
        let seconds = found.notes[0].seconds;
        match found.proven {
            Some(proven) if seconds < with => (with, behind) = (seconds, proven - seconds),
            Some(_) => {}
            None => without = without.min(seconds),
        }
        std::fs::remove_dir_all(filled.data(&data)).expect("it goes again");
    }
    (without, with, behind)
}

impl Bench {
    /// Live folding of single signed reports.
    async fn singles(&self, table: &mut Table) {
        let mut filled = Filled::start().await;
        let events = self.events / 10;
        let some = filled.fill(events, 1).await;
        let before = verification_us(&some);
        let found = filled.fold("singles", vec![filled.intake.size], false);
        let us = verification_us(&some).min(before);
        assert_eq!(found.records, filled.expected());
        let limit = self.cores as f64 / us * 1e6;
        let rate = events as f64 / found.notes[0].seconds;
        table.say("one Ed25519 verification", format!("{us:.1} µs"));
        table.say("limit: cores ÷ verification", format!("{}/s", thousands(limit)));
        let share = rate / limit;
        table.goal(
            "single signed reports",
            format!("{}/s", thousands(rate)),
            format!("{share:.2} of the limit"),
            "≥ 0.7",
            share >= 0.7,
        );
        table.value("ledger.single", rate);
        table.value("ledger.single.share", share);
        beat(table, "single reports", &filled);
        filled.end().await;
    }

    /// Batches of 100: speed, memory, as-of reads, disk.
    async fn batches(&self, table: &mut Table, peer: Option<f64>) {
        let mut filled = Filled::start().await;
        let third = self.events / 3;
        filled.fill(third, BATCH).await;
        let first = filled.intake.size;
        let early = filled.fold("third", vec![first], true);
        assert_eq!(early.records, filled.expected());
        filled.fill(2 * third, BATCH).await;
        let sizes = vec![first, first + third / BATCH, filled.intake.size];
        let found = filled.fold("all", sizes, false);
        assert_eq!(found.records, filled.expected());
        let rate = (3 * third) as f64 / found.notes[2].seconds;
        table.goal("batches of 100", format!("{}/s", thousands(rate)), String::new(), "≥ 150,000/s", rate >= 150_000.0);
        table.value("ledger.events", (3 * third) as f64);
        table.value("ledger.batch", rate);
        match peer {
            Some(peer) => {
                let ratio = rate / peer;
                table.goal("batches against PostgreSQL", String::new(), format!("{ratio:.2} ×"), "≥ 4 ×", ratio >= 4.0);
            }
            None => table.missing("batches against PostgreSQL", "see above"),
        }
        let mut from = 0.0;
        for (number, note) in found.notes.iter().enumerate() {
            let part = third as f64 / (note.seconds - from);
            from = note.seconds;
            table.point("live fold", ((number as u64 + 1) * third) as f64, part);
            table.say(
                &format!("  events {} to {}", number as u64 * third, (number as u64 + 1) * third),
                format!("{}/s", thousands(part)),
            );
        }
        table.say("  longest time between commits", format!("{} ms", found.pause_ms));
        memory(table, &found, third);
        for reads in &early.reads {
            let figure = format!("p50 {} µs, p99 {} µs", reads.p50_us, reads.p99_us);
            let max = format!("max {:.2} ms", reads.max_us as f64 / 1_000.0);
            table.goal(&format!("as-of read, {}", reads.what), figure, max, "≤ 10 ms", reads.max_us <= 10_000);
        }
        self.disk(table, &filled);
        beat(table, "batches of 100", &filled);
        filled.end().await;
    }

    fn disk(&self, table: &mut Table, filled: &Filled) {
        let data = filled.folder.path().join("all");
        let each = |path: &Path| bytes_under(path) / self.events;
        table.say("bytes of an event", filled.workload.made.bytes.div_euclid(filled.workload.made.events).to_string());
        let (log, store, stream) = (each(&data.join("log")), each(&data.join("store")), each(&filled.intake.folder));
        table.say("bytes on disk of an event", format!("log {log}, store {store}, stream {stream}"));
    }

    /// The peer with the same events; its better figure.
    fn postgres(&self, table: &mut Table) -> Option<f64> {
        let measured = Postgres::start().and_then(|postgres| {
            let mut workload = workload();
            let calls = (self.events / 10 / CALL).max(self.cores as u64);
            let call = |workload: &mut workload::Workload| {
                let reports = (0..CALL / BATCH).flat_map(|_| workload.report(BATCH as usize).events);
                format!("[{}]", reports.collect::<Vec<_>>().join(","))
            };
            let batches: Vec<String> = (0..calls).map(|_| call(&mut workload)).collect();
            let expected = workload.made.events - workload.made.duplicates;
            let mut rates = Vec::new();
            for connections in [1, self.cores] {
                let mut lists = vec![Vec::new(); connections];
                batches.iter().enumerate().for_each(|(at, batch)| lists[at % connections].push(batch.clone()));
                let (rate, fresh) = postgres.ingest(&lists, workload.made.events)?;
                assert_eq!(fresh, expected, "PostgreSQL takes every event once");
                rates.push((connections, rate));
                postgres.clear()?;
            }
            Ok((postgres.version.clone(), rates))
        });
        match measured {
            Ok((version, rates)) => {
                for (connections, rate) in &rates {
                    table.say(
                        &format!("{version}, batches of 1,000, {connections} connections"),
                        format!("{}/s", thousands(*rate)),
                    );
                }
                table.version("PostgreSQL", &version);
                let best = rates.iter().map(|(_, rate)| *rate).reduce(f64::max);
                best.inspect(|best| table.value("pg.batched", *best))
            }
            Err(why) => {
                table.missing("PostgreSQL 15", &why);
                table.absent("pg.batched", &why);
                None
            }
        }
    }
}

/// What tiles and checkpoints cost the projector.
fn beat(table: &mut Table, what: &str, filled: &Filled) {
    let (without, with, behind) = fold_beating(filled);
    let cost = with / without - 1.0;
    table.goal(
        &format!("cost of tiles and checkpoints, {what}"),
        format!("{with:.1} s against {without:.1} s"),
        format!("{:.1} %", cost * 100.0),
        "< 15 %",
        cost < 0.15,
    );
    table.say("  the last entry was in a checkpoint", format!("{behind:.2} s later"));
}

fn memory(table: &mut Table, found: &Found, third: u64) {
    for (number, note) in found.notes.iter().enumerate() {
        let (now, peak) = (note.resident / MB, note.peak / MB);
        let what = format!("memory at {} events", thousands(((number as u64 + 1) * third) as f64));
        let peak_text = format!("peak {peak} MB");
        table.goal(&what, format!("{now} MB"), peak_text, "≤ 512 MB", peak <= MEMORY_MB);
    }
    let growth = found.notes[2].peak as f64 / found.notes[1].peak as f64;
    table.goal(
        "  flat: peak of the last third to the one before",
        String::new(),
        format!("{growth:.2}"),
        "≤ 1.10",
        growth <= 1.1,
    );
}
