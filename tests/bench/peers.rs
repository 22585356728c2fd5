//! What a user would pick instead, on the same events: PostgreSQL 15 one event at a time and told by `LISTEN/NOTIFY`, and a Rust
//! event-sourcing library on PostgreSQL (`peer/`, a crate of its own, built here). PostgreSQL in batches is measured beside the
//! fold, in `ledger`.
//!
//! `cargo bench --bench peers`; `JINDO_BENCH_EVENTS` (default 300,000) events for the library.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a bench may stop where it stands")]

mod catalogue;
mod facts;
#[allow(dead_code, reason = "other benches use the rest")]
mod limits;
mod postgres;
mod random;
mod signer;
#[allow(dead_code, reason = "other benches use the rest")]
mod table;
#[allow(dead_code, reason = "other benches use the rest")]
mod workload;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use limits::percentile;
use postgres::Postgres;
use serde::Deserialize;
use table::{Table, events, thousands};
use workload::Workload;

/// Connections that send one event at a time; the best of them counts: commits that wait together share a sync.
const CONNECTIONS: [usize; 3] = [1, 2, 16];
const NOTIFIED: usize = 300;
const PAUSE: Duration = Duration::from_millis(50);
/// Events per append of the library.
const APPEND: usize = 1_000;
/// Variables by which cargo tells a program what crate it belongs to.
const OURS: [&str; 4] = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_"];
const LIBRARY: &str = "disintegrate-postgres 4.0.1";

fn main() {
    let wanted = events(300_000);
    let mut table = Table::of("peers");
    match Postgres::start() {
        Ok(postgres) => {
            table.version("PostgreSQL", &postgres.version);
            told(&mut table, "pg.single", |table| one_by_one(table, &postgres, (wanted / 50).clamp(320, 6_000)));
            told(&mut table, "pg.notify", |table| notify(table, &postgres));
            told(&mut table, "peer.events", |table| library(table, &postgres, wanted));
        }
        Err(why) => {
            table.missing("PostgreSQL 15", &why);
            for key in ["pg.single", "pg.notify", "peer.events"] {
                table.absent(key, &why);
            }
        }
    }
    table.print();
}

/// What cannot be measured is said.
fn told(table: &mut Table, key: &str, measure: impl FnOnce(&mut Table) -> Result<(), String>) {
    if let Err(why) = measure(table) {
        table.missing(key, &why);
        table.absent(key, &why);
    }
}

/// The workload's events, and how many of them are new.
fn workload_events(count: u64) -> (Vec<String>, u64) {
    let mut workload = Workload::new(2026, &catalogue::founding().1);
    let mut all = Vec::new();
    while (all.len() as u64) < count {
        all.extend(workload.report(1).events);
    }
    (all, workload.made.events - workload.made.duplicates)
}

fn one_by_one(table: &mut Table, postgres: &Postgres, count: u64) -> Result<(), String> {
    let (events, expected) = workload_events(count);
    let mut best: f64 = 0.0;
    for connections in CONNECTIONS {
        let mut lists = vec![Vec::new(); connections];
        events.iter().enumerate().for_each(|(at, event)| lists[at % connections].push(format!("[{event}]")));
        let (rate, fresh) = postgres.ingest(&lists, count)?;
        assert_eq!(fresh, expected, "PostgreSQL takes every event once");
        table.say(
            &format!("{}, one by one, {connections} connections", postgres.version),
            format!("{}/s", thousands(rate)),
        );
        best = best.max(rate);
        postgres.clear()?;
    }
    table.value("pg.single", best);
    Ok(())
}

fn notify(table: &mut Table, postgres: &Postgres) -> Result<(), String> {
    let (events, _) = workload_events(NOTIFIED as u64);
    let reports: Vec<String> = events.into_iter().map(|event| format!("[{event}]")).collect();
    let times = postgres.notify(&reports, PAUSE)?;
    let (p50, p99) = (percentile(&times, 50), percentile(&times, 99));
    table.say("report to LISTEN/NOTIFY, alone", format!("p50 {p50:.2} ms, p99 {p99:.2} ms"));
    table.value("pg.notify", p50);
    table.value("pg.notify.p99", p99);
    postgres.clear()
}

/// What the library's program tells.
#[derive(Deserialize)]
struct Ran {
    /// Seconds until the last append was committed.
    appended: f64,
    /// Seconds until the listener had folded the last event.
    folded: f64,
    /// Events that the listener saw for the first time.
    fresh: u64,
    /// Events that it was never given.
    left_out: u64,
}

fn library(table: &mut Table, postgres: &Postgres, count: u64) -> Result<(), String> {
    let program = built()?;
    let (events, expected) = workload_events(count);
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let path = folder.path().join("events.ndjson");
    let mut file = std::io::BufWriter::new(std::fs::File::create(&path).map_err(|error| error.to_string())?);
    events.iter().try_for_each(|event| writeln!(file, "{event}")).map_err(|error| error.to_string())?;
    file.into_inner().map_err(|error| error.to_string())?;
    table.version("event-sourcing library", LIBRARY);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let (mut appended, mut folded): (f64, f64) = (0.0, 0.0);
    for appenders in [1, cores] {
        let database = format!("peer_{appenders}");
        let socket = postgres.database(&database)?;
        let ran = run(&program, socket, &database, &path, appenders)?;
        assert!(
            ran.fresh + ran.left_out >= expected,
            "the library's listener is given every event, or says that it was not"
        );
        let rate = |events: u64, seconds: f64| events as f64 / seconds;
        let (folds, appends) = (rate(count - ran.left_out, ran.folded), rate(count, ran.appended));
        table.say(
            &format!("{LIBRARY}, appends of {APPEND}, {appenders} at once"),
            format!("{}/s folded, {}/s appended", thousands(folds), thousands(appends)),
        );
        if ran.left_out > 0 {
            let of = thousands(count as f64);
            table.say("  events its listener was never given", format!("{} of {of}", thousands(ran.left_out as f64)));
        }
        (appended, folded) = (appended.max(appends), folded.max(folds));
    }
    table.value("peer.events", folded);
    table.value("peer.appended", appended);
    Ok(())
}

/// Builds the library's crate, whose dependencies are no dependencies of jindo.
fn built() -> Result<PathBuf, String> {
    let house = Path::new(env!("CARGO_MANIFEST_DIR"));
    let target = house.join("target/peer");
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--release", "--locked", "--quiet", "--manifest-path"]);
    cargo.arg(house.join("tests/bench/peer/Cargo.toml")).arg("--target-dir").arg(&target);
    // What `cargo bench` says of this crate would have some of that one's dependencies built anew.
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|name| OURS.iter().any(|ours| name.starts_with(ours))) {
            cargo.env_remove(name);
        }
    }
    let out = cargo.stdin(Stdio::null()).output().map_err(|error| format!("cargo does not run: {error}"))?;
    if !out.status.success() {
        let text = String::from_utf8_lossy(&out.stderr);
        let first = text.lines().find(|line| line.starts_with("error")).unwrap_or("no message").to_owned();
        return Err(format!("tests/bench/peer cannot be built here: {first}"));
    }
    Ok(target.join("release/jindo-bench-peer"))
}

fn run(program: &Path, socket: &Path, database: &str, events: &Path, appenders: usize) -> Result<Ran, String> {
    let mut command = Command::new(program);
    command.arg(socket).arg(database).arg(events).args([APPEND.to_string(), appenders.to_string()]);
    let out = command.stdin(Stdio::null()).output().map_err(|error| error.to_string())?;
    if !out.status.success() {
        let text = String::from_utf8_lossy(&out.stderr);
        let last: String = text.lines().last().unwrap_or("no message").chars().take(160).collect();
        return Err(format!("it failed: {last}"));
    }
    serde_json::from_slice(&out.stdout).map_err(|error| error.to_string())
}
