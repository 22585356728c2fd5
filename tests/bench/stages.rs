//! Where a report's time goes, without NATS: entry and hash, screening on one core, everything the committing thread does.
//!
//! `cargo bench --bench stages`; `JINDO_BENCH_EVENTS` (default 300,000). Each figure is CPU work of one thread, so that the
//! sum over the cores says what the pipeline can reach at best.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a bench may stop where it stands")]

mod catalogue;
mod facts;
mod random;
mod signer;
#[allow(dead_code, reason = "other benches use the rest")]
mod table;
mod workload;

use std::time::{Duration, Instant};

use bytes::Bytes;
use jindo::admit::screen::{Trust, screen};
use jindo::event::Time;
use jindo::fold::ahead::Ahead;
use jindo::log::Arrival;
use jindo::log::entry::Entry;
use jindo::projector::core::{Core, Ready, screen_all};
use jindo::stream::Outgoing;
use table::Table;
use workload::Workload;

/// Reports per commit.
const COMMIT: usize = 256;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let events = table::events(300_000);
    let mut table = Table::of("stages");
    for batch in [1, 100] {
        stages(if batch == 1 { events / 10 } else { events }, batch, &mut table);
    }
    table.print();
}

fn arrival(sequence: u64, message: Outgoing) -> Arrival {
    let headers = message.headers.into_iter().map(|(name, value)| (name, Bytes::from(value))).collect();
    Arrival {
        stream: "LEDGER_1".into(),
        sequence,
        recorded: Time::now(),
        subject: Bytes::from(message.subject),
        headers,
        body: message.body,
    }
}

fn stages(events: u64, batch: u64, table: &mut Table) {
    let folder = tempfile::tempdir().expect("a folder");
    let (founding, indicators) = catalogue::founding();
    let mut core = Core::open(&folder.path().join("log"), &folder.path().join("store"), &mut |_, _| {}).expect("open");
    let mut sequence = 0;
    for message in founding {
        sequence += 1;
        let registry = core.registry();
        let entry = Entry::of_arrival(sequence - 1, &arrival(sequence, message));
        core.commit(screen_all(vec![entry], &registry, Trust::Nothing), &registry).expect("founded");
    }
    let mut workload = Workload::new(7, &indicators);
    let (mut made, mut screened, mut committed) = (Duration::ZERO, Duration::ZERO, Duration::ZERO);
    let mut left = events / batch;
    let runs = if batch == 1 { 8 * COMMIT } else { COMMIT };
    let (mut before, mut part) = (Duration::ZERO, left);
    while left > 0 {
        if part - left >= events / batch / 5 {
            let took = (committed - before).as_secs_f64() * 1e6 / ((part - left) * batch) as f64;
            println!("  commit {took:.2} µs an event, until {} events", events - left * batch);
            (before, part) = (committed, left);
        }
        let count = left.min(runs as u64);
        left -= count;
        let messages: Vec<_> = (0..count)
            .map(|_| {
                let report = workload.report(batch as usize);
                sequence += 1;
                arrival(sequence, workload.sign(&report))
            })
            .collect();
        let start = Instant::now();
        let entries: Vec<Entry> =
            messages.iter().map(|message| Entry::of_arrival(message.sequence - 1, message)).collect();
        made += start.elapsed();
        let registry = core.registry();
        let start = Instant::now();
        let ready: Vec<Ready> = entries
            .into_iter()
            .map(|entry| Ready { screened: screen(&entry, &registry, Trust::Nothing), entry, ahead: Ahead::default() })
            .collect();
        screened += start.elapsed();
        let start = Instant::now();
        core.commit(ready, &registry).expect("committed");
        committed += start.elapsed();
    }
    let refused = core.reader().refused(0, 10).expect("refused");
    assert!(refused.is_empty(), "{refused:?}");
    let each = |took: Duration| took.as_secs_f64() * 1e6 / events as f64;
    let what = if batch == 1 { "single reports".to_owned() } else { format!("reports of {batch}") };
    let figure = format!("entry {:.2}, screen {:.2}, commit {:.2}", each(made), each(screened), each(committed));
    table.say(&format!("µs of one core an event, {what}"), figure);
    for (key, took) in [("entry", made), ("screen", screened), ("commit", committed)] {
        table.value(&format!("stages.{batch}.{key}"), each(took));
    }
    let start = Instant::now();
    core.close().expect("closed");
    println!("  close {:.0} ms", start.elapsed().as_secs_f64() * 1e3);
}
