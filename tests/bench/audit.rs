//! The audit of a log of single signed reports, as `jindo audit` makes it: against the Ed25519 verifications and the SHA-256
//! that this machine can do in the same run, and its memory.
//!
//! `cargo bench --bench audit`; `JINDO_BENCH_EVENTS` (default 1,000,000). The audit runs in a process of its own.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a bench may stop where it stands")]

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

mod catalogue;
mod facts;
#[allow(dead_code, reason = "other benches use the rest")]
mod limits;
mod random;
mod signer;
#[allow(dead_code, reason = "other benches use the rest")]
mod table;
mod workload;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use jindo::admit::screen::Trust;
use jindo::audit::{self, Options};
use jindo::event::Time;
use jindo::log::Arrival;
use jindo::log::checkpoint::Head;
use jindo::log::disk::Files;
use jindo::log::entry::{Entry, leaf_hash};
use jindo::log::folder::LogFolder;
use jindo::log::keyring::LogKeys;
use jindo::log::publish::{Fence, FenceFault, Held, Nobody, Publisher};
use jindo::projector::core::{Core, screen_all};
use jindo::stream::Outgoing;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use signer::{ORIGIN, log_key};
use table::{Table, thousands};
use workload::Workload;

const ENTRIES: u64 = 1_000_000;
/// Reports signed, committed and published in one go.
const RUN: u64 = 8_192;
const MB: u64 = 1_024 * 1_024;
const VERB: &str = "--audit";

/// What the child is asked to do.
#[derive(Debug, Serialize, Deserialize)]
struct Task {
    log: PathBuf,
    signatures: bool,
}

/// What it found.
#[derive(Debug, Serialize, Deserialize)]
struct Found {
    seconds: f64,
    size: u64,
    events: u64,
    signatures: u64,
    findings: Vec<String>,
    peak: u64,
}

fn main() {
    let mut arguments = std::env::args().skip_while(|argument| argument != VERB);
    if let Some(task) = arguments.nth(1) {
        return child(&serde_json::from_str(&task).expect("a task"));
    }
    let wanted = table::events(ENTRIES);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let kept = std::env::var_os("JINDO_BENCH_LOG").map(PathBuf::from);
    let folder = tempfile::tempdir().expect("a folder");
    let dir = kept.as_deref().unwrap_or(folder.path());
    let start = Instant::now();
    let some = make(dir, wanted);
    let log = dir.join("log");
    println!("{} entries, {cores} cores, made in {:.0} s", thousands(wanted as f64), start.elapsed().as_secs_f64());
    let mut table = Table::of("audit");
    let entries = LogFolder::new(&log).entries(wanted / 512, wanted).expect("a bundle");
    let sha = |cores: usize| sha256_rate(&entries, cores);
    let (us, one, all) = (limits::verification_us(&some), sha(1), sha(cores));
    let with = run(&Task { log: log.clone(), signatures: true });
    let without = run(&Task { log: log.clone(), signatures: false });
    // The faster of before and after: the harder to compare with.
    let (us, one, all) = (us.min(limits::verification_us(&some)), one.max(sha(1)), all.max(sha(cores)));
    told(&mut table, &with, &without, cores as f64 / us * 1e6, (one, all), &log);
    table.say("one Ed25519 verification", format!("{us:.1} µs"));
    table.print();
}

fn told(table: &mut Table, with: &Found, without: &Found, limit: f64, (one, all): (f64, f64), log: &Path) {
    let rate = with.signatures as f64 / with.seconds;
    let (figure, share) = (format!("{}/s", thousands(rate)), rate / limit);
    table.goal("audit with signatures", figure, format!("{share:.2} of cores ÷ verification"), "≥ 0.85", share >= 0.85);
    table.value("audit", rate);
    table.value("audit.share", share);
    table.value("audit.entries", with.size as f64);
    let peak = with.peak.max(without.peak) / MB;
    match peak {
        0 => table.missing("  memory", "the system does not tell"),
        _ => table.goal("  memory", format!("{peak} MB"), String::new(), "< 300 MB", peak < 300),
    }
    let bytes = bytes_of(&log.join("tile/entries")) as f64;
    let rate = bytes / without.seconds;
    let figure =
        format!("{} MB/s, {}/s", thousands(rate / MB as f64), thousands(without.size as f64 / without.seconds));
    let share = rate / all;
    let ratio = format!("{share:.2} of SHA-256 on all cores, {:.2} of one", rate / one);
    table.goal("audit without signatures", figure, ratio, "≥ 0.7", share >= 0.7);
    table.say(
        "SHA-256 of entries",
        format!("{} MB/s on one core, {} on all", thousands(one / MB as f64), thousands(all / MB as f64)),
    );
    table.say("bytes of an entry", thousands(bytes / with.size as f64));
}

/// Bytes per second of leaf hashes, on so many cores.
fn sha256_rate(entries: &[Vec<u8>], cores: usize) -> f64 {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(cores).build().expect("threads");
    let bytes = entries.iter().map(Vec::len).sum::<usize>() * 400;
    let round = || {
        let start = Instant::now();
        let odd: u64 = pool.install(|| {
            let all = (0..400_u32).into_par_iter();
            all.map(|_| entries.iter().map(|entry| u64::from(leaf_hash(entry)[0])).sum::<u64>()).sum()
        });
        assert!(odd > 0);
        bytes as f64 / start.elapsed().as_secs_f64()
    };
    (0..5).map(|_| round()).fold(0.0, f64::max)
}

fn bytes_of(path: &Path) -> u64 {
    let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
    entries
        .map(|entry| {
            if entry.path().is_dir() { bytes_of(&entry.path()) } else { entry.metadata().map_or(0, |file| file.len()) }
        })
        .sum()
}

/// A fence that lets everyone pass.
struct Open;

impl Fence for Open {
    fn held(&mut self) -> Result<Option<Held>, FenceFault> {
        Ok(None)
    }

    fn swap(&mut self, _: Option<u64>, _: &Head) -> Result<(), FenceFault> {
        Ok(())
    }
}

fn arrival(sequence: u64, message: &Outgoing) -> Arrival {
    let header = |(name, value): &(String, String)| (name.clone(), Bytes::from(value.clone()));
    Arrival {
        stream: "LEDGER_1".into(),
        sequence,
        recorded: Time::now(),
        subject: Bytes::from(message.subject.clone()),
        headers: message.headers.iter().map(header).collect(),
        body: message.body.clone(),
    }
}

/// The next reports of one event, signed.
fn signed(workload: &mut Workload, count: u64) -> Vec<Outgoing> {
    let one = |_| {
        let report = workload.report(1);
        workload.sign(&report)
    };
    (0..count).map(one).collect()
}

/// Makes the log with the projector's own core and beat, unless it is there; some of its messages.
fn make(dir: &Path, size: u64) -> Vec<Outgoing> {
    let (founding, indicators) = catalogue::founding();
    let mut workload = Workload::new(2026, &indicators);
    let some = signed(&mut workload, 2_000);
    if dir.join("log/checkpoint").exists() {
        return some;
    }
    let mut workload = Workload::new(2026, &indicators);
    let mut core = Core::open(&dir.join("log"), &dir.join("store"), &mut |_, _| {}).expect("open");
    let mut publisher = None;
    let mut founding = founding.into_iter();
    while core.size() < size {
        let first = core.size();
        // Each founding message by itself: those after one are screened under what it changed.
        let messages: Vec<Outgoing> = match founding.next() {
            Some(message) => vec![message],
            None => signed(&mut workload, RUN.min(size - first)),
        };
        let entries =
            messages.iter().zip(first..).map(|(message, index)| Entry::of_arrival(index, &arrival(index + 1, message)));
        let registry = core.registry();
        core.commit(screen_all(entries.collect(), &registry, Trust::Nothing), &registry).expect("committed");
        if messages.len() > 1 {
            let publisher = publisher.get_or_insert_with(|| {
                let folder = LogFolder::new(&dir.join("log"));
                Publisher::open(
                    folder,
                    Box::new(Files),
                    LogKeys::of_pair(ORIGIN, &log_key()).expect("a key"),
                    vec![Arc::new(log_key())],
                    &core.log(),
                )
                .expect("a publisher")
            });
            publisher.beat(&core.log(), u64::MAX, &mut Open, &mut Nobody, Time::now()).expect("a checkpoint");
            core.trim(publisher.published().size).expect("the tail is cut");
        }
    }
    assert!(core.reader().refused(0, 10).expect("refused").is_empty(), "every report is accepted");
    core.close().expect("closed");
    some
}

fn run(task: &Task) -> Found {
    let me = std::env::current_exe().expect("this program");
    let mut command = Command::new(me);
    command.arg(VERB).arg(serde_json::to_string(task).expect("plain data")).stdout(Stdio::piped());
    let out = command.spawn().expect("a child").wait_with_output().expect("it ends");
    assert!(out.status.success(), "the audit failed: {}", out.status);
    let found: Found = serde_json::from_slice(&out.stdout).expect("what it found");
    assert_eq!(found.findings, Vec::<String>::new());
    found
}

fn child(task: &Task) {
    let options = Options { log: task.log.clone(), signatures: task.signatures, ..Options::default() };
    let start = Instant::now();
    let report = audit::run(&options, &mut |_, _| {}).expect("an audit");
    let seconds = start.elapsed().as_secs_f64();
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or("0");
    let peak = peak.split_whitespace().next().and_then(|kb| kb.parse::<u64>().ok()).unwrap_or(0) * 1_024;
    let findings = report.findings.iter().take(5).map(|finding| format!("{finding:?}")).collect();
    let (size, events, signatures) = (report.size, report.events, report.signatures);
    println!(
        "{}",
        serde_json::to_string(&Found { seconds, size, events, signatures, findings, peak }).expect("plain data")
    );
}
