//! What this machine can do at best: one verification, SHA-256, one fdatasync, raw sled batches in key order. Everything else
//! is held against these.
//!
//! `cargo bench --bench machine`; `JINDO_BENCH_EVENTS` (default 1,000,000) rows of sled.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a bench may stop where it stands")]

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

mod catalogue;
mod facts;
mod limits;
mod random;
mod signer;
#[allow(dead_code, reason = "other benches use the rest")]
mod table;
mod workload;

use std::path::Path;
use std::time::{Duration, Instant};

use limits::{fdatasync_ms, percentile, sha256_mb, verification_us};
use table::{Table, events, thousands};
use workload::Workload;

/// Rows in one batch: an id row and an index row for each of 10,000 events.
const BATCH_ROWS: u64 = 20_000;
/// As the store opens it.
const LEAF_ROWS: usize = 32;
const CACHE_BYTES: usize = 128 << 20;
const ZSTD_LEVEL: i32 = -3;

fn main() {
    let wanted = events(1_000_000);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let mut table = Table::of("machine");
    let (_, indicators) = catalogue::founding();
    let mut workload = Workload::new(2026, &indicators);
    let signed: Vec<_> = (0..2_000)
        .map(|_| {
            let report = workload.report(1);
            workload.sign(&report)
        })
        .collect();
    let us = verification_us(&signed);
    table.say("one Ed25519 verification", format!("{us:.1} µs"));
    table.say("cores ÷ verification", format!("{}/s on {cores} cores", thousands(cores as f64 / us * 1e6)));
    table.value("machine.verification_us", us);
    let bodies: Vec<&[u8]> = signed.iter().map(|message| &message.body[..]).collect();
    let mb = sha256_mb(&bodies);
    let bytes = bodies.iter().map(|body| body.len()).sum::<usize>() / bodies.len();
    table.say("SHA-256 of single reports, one core", format!("{} MB/s, {bytes} bytes each", thousands(mb)));
    table.value("machine.sha256_mb", mb);
    let folder = tempfile::tempdir().expect("a folder");
    let times = fdatasync_ms(folder.path(), 700, 500, Duration::ZERO);
    let (p50, p99) = (percentile(&times, 50), percentile(&times, 99));
    table.say("one append of 700 bytes and fdatasync", format!("p50 {p50:.2} ms, p99 {p99:.2} ms"));
    table.value("machine.fdatasync_ms", p50);
    let rate = (0..3).map(|round| sled_rows(&folder.path().join(round.to_string()), wanted)).fold(0.0, f64::max);
    table.say("raw sled, batches in key order", format!("{} events/s, two rows each", thousands(rate)));
    table.value("machine.sled", rate);
    table.print();
}

/// Events per second whose two rows go into an empty database in key order, flushed at the end.
fn sled_rows(path: &Path, events: u64) -> f64 {
    let config = sled::Config::new().path(path).cache_capacity_bytes(CACHE_BYTES).zstd_compression_level(ZSTD_LEVEL);
    let db: sled::Db<LEAF_ROWS> = config.open().expect("sled opens");
    let mut random = random::Random(7);
    let start = Instant::now();
    let mut done = 0;
    while done < events {
        let mut batch = sled::Batch::default();
        for prefix in [b'i', b'x'] {
            for number in done..done + BATCH_ROWS / 2 {
                let mut key = [prefix; 9];
                key[1..].copy_from_slice(&number.to_be_bytes());
                let mut value = [0; 24];
                value[..8].copy_from_slice(&random.next().to_le_bytes());
                value[8..16].copy_from_slice(&random.next().to_le_bytes());
                batch.insert(key, value);
            }
        }
        db.apply_batch(batch).expect("sled takes it");
        done += BATCH_ROWS / 2;
    }
    db.flush().expect("sled flushes");
    done as f64 / start.elapsed().as_secs_f64()
}
