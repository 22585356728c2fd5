//! The projector in a process of its own, exactly as production runs it: how fast it folds a filled stream, how much
//! memory it takes on the way, how long as-of reads take at its end. Never publishes.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use jindo::event::Day;
use jindo::log::publish::{Fence, Nobody};
use jindo::projector::beat::Beat;
use jindo::projector::run::{self, Ledger, Projector};
use jindo::projector::shared::{Health, Shared};
use jindo::store::moment::At;
use jindo::store::progress::{self, Moment};
use jindo::stream::fence::NatsFence;
use serde::{Deserialize, Serialize};

use crate::intake::{STREAM, connect};
use crate::random::Random;
use crate::signer::log_key;

/// First word of the child's arguments.
pub const VERB: &str = "--fold";

/// What the child is asked to do.
#[derive(Debug, Serialize, Deserialize)]
pub struct Task {
    /// NATS.
    pub url: String,
    /// The operator's key file.
    pub key: PathBuf,
    /// Data folder.
    pub data: PathBuf,
    /// Log sizes to take note at; the last one ends it.
    pub sizes: Vec<u64>,
    /// Whether to read as of random moments in the end.
    pub reads: bool,
    /// Whether the log's beat goes along: tiles, fence and checkpoints.
    pub beats: bool,
}

/// What it found.
#[derive(Debug, Serialize, Deserialize)]
pub struct Found {
    /// At each size asked for.
    pub notes: Vec<Note>,
    /// Accepted events.
    pub records: u64,
    /// Refused reports.
    pub refused: u64,
    /// Longest time without a commit, in milliseconds.
    pub pause_ms: u64,
    /// As-of reads, if asked for.
    pub reads: Vec<Reads>,
    /// Seconds until a checkpoint covered the last entry, where the beat went along.
    pub proven: Option<f64>,
}

/// How it stood at one size.
#[derive(Debug, Serialize, Deserialize)]
pub struct Note {
    /// Since the projector was started.
    pub seconds: f64,
    /// Resident bytes then.
    pub resident: u64,
    /// Most resident bytes since the size before.
    pub peak: u64,
}

/// As-of reads of one sort.
#[derive(Debug, Serialize, Deserialize)]
pub struct Reads {
    /// Which.
    pub what: String,
    /// Half took less, in microseconds.
    pub p50_us: u64,
    /// 99 % took less.
    pub p99_us: u64,
    /// The longest.
    pub max_us: u64,
}

/// Runs a task in a child process and gives back what it found.
pub fn run(task: &Task) -> Found {
    let me = std::env::current_exe().expect("this program");
    let child = Command::new(me)
        .arg(VERB)
        .arg(serde_json::to_string(task).expect("plain data"))
        .stdout(Stdio::piped())
        .spawn()
        .expect("a child");
    let out = child.wait_with_output().expect("the child ends");
    assert!(out.status.success(), "the projector failed: {}", out.status);
    serde_json::from_slice(&out.stdout).expect("the child tells what it found")
}

/// The child: folds until the last size and prints what it found.
pub async fn fold(task: Task) {
    let ledger = Ledger::in_folder(&task.data, STREAM);
    let core = run::open(&ledger, &mut |_, _| {}).expect("log and store open");
    let link = connect(&task.url, &task.key).await;
    let memory = Memory::watch();
    let start = Instant::now();
    let projector = Projector::start(core, link, ledger).await.expect("the projector starts");
    let beat = match task.beats {
        true => Some(beat(&task, &projector.shared).await),
        false => None,
    };
    let (mut sizes, mut health) = (projector.shared.sizes(), projector.shared.health());
    let (mut notes, mut pause, mut last) = (Vec::new(), Duration::ZERO, start);
    while notes.len() < task.sizes.len() {
        tokio::select! {
            changed = sizes.changed() => changed.expect("the projector runs"),
            halted = health.wait_for(|health| matches!(health, Health::Halted(_))) => panic!("{:?}", *halted.expect("the projector runs")),
        }
        let size = *sizes.borrow_and_update();
        pause = pause.max(last.elapsed());
        last = Instant::now();
        while task.sizes.get(notes.len()).is_some_and(|wanted| *wanted <= size) {
            let seconds = start.elapsed().as_secs_f64();
            notes.push(Note { seconds, resident: resident(), peak: memory.peak() });
        }
    }
    let mut proven = None;
    if let Some(beat) = beat {
        let size = *task.sizes.last().expect("a size");
        projector.shared.proof().wait_for(|proof| proof.size >= size).await.expect("the beat goes on");
        proven = Some(start.elapsed().as_secs_f64());
        tokio::task::spawn_blocking(|| beat.stop()).await.expect("the beat ends");
    }
    let reader = projector.shared.reader();
    let records = reader.position().records;
    let refused = reader.refused(0, 1_000).expect("refused reports are read");
    for one in refused.iter().take(5) {
        eprintln!("refused: {one:?}");
    }
    let reads = if task.reads { as_of(&projector.shared) } else { Vec::new() };
    projector.stop().await.expect("the projector stops");
    let pause_ms = pause.as_millis() as u64;
    let found = Found { notes, records, refused: refused.len() as u64, pause_ms, reads, proven };
    println!("{}", serde_json::to_string(&found).expect("plain data"));
}

/// The beat as `jindo run` starts it, fenced at NATS.
async fn beat(task: &Task, shared: &Shared) -> Beat {
    let link = connect(&task.url, &task.key).await;
    let handle = tokio::runtime::Handle::current();
    let fence =
        Box::new(move |origin: &str| -> Box<dyn Fence> { Box::new(NatsFence::new(handle, link, STREAM, origin)) });
    let folder = task.data.join("log");
    Beat::start(shared.clone(), &folder, Box::new(|| Ok(vec![Arc::new(log_key())])), fence, Box::new(Nobody))
        .expect("the beat starts")
}

/// Samples this process's memory.
pub struct Memory {
    peak: Arc<AtomicU64>,
    over: Arc<AtomicBool>,
}

impl Memory {
    /// Begins, until it is dropped.
    pub fn watch() -> Self {
        let memory = Memory { peak: Arc::default(), over: Arc::default() };
        let (peak, over) = (memory.peak.clone(), memory.over.clone());
        std::thread::spawn(move || {
            while !over.load(Ordering::Relaxed) {
                peak.fetch_max(resident(), Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        memory
    }

    /// The most since the last call.
    pub fn peak(&self) -> u64 {
        self.peak.swap(0, Ordering::Relaxed).max(resident())
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
    }
}

fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or("0");
    line.split_whitespace().next().and_then(|kb| kb.parse::<u64>().ok()).unwrap_or(0) * 1_024
}

const DAY_FIRST: &str = "2025-01-01";

/// Random series, days and sizes; whole indicators; the answer of the HTTP API.
fn as_of(shared: &Shared) -> Vec<Reads> {
    let view = shared.reader().view();
    let registry = shared.registry();
    let forecasts = shared.reader().forecasts_until(u64::MAX).expect("forecasts");
    let (size, series) = (view.position().size, u64::from(view.position().series));
    let first = Day::parse(DAY_FIRST).expect("a day");
    let mut random = Random(7);
    let mut moment = move || (first.plus(random.below(365) as i32), random.below(size), random.next());
    let mut times = |count: usize, read: &dyn Fn((Day, u64, u64))| {
        let took = (0..count).map(|_| {
            let moment = moment();
            let start = Instant::now();
            read(moment);
            start.elapsed()
        });
        let mut took: Vec<Duration> = took.collect();
        took.sort_unstable();
        took
    };
    let any = times(20_000, &|(day, size, pick)| {
        view.figures_of((pick % series) as u32, day, Some(size)).expect("figures");
    });
    let widest = registry.indicators.keys().max_by_key(|id| view.series_with_prefix(&format!("{id}/")).len());
    let prefix = format!("{}/", widest.expect("an indicator"));
    let numbers: Vec<u32> = view.series_with_prefix(&prefix).iter().map(|(number, _)| *number).collect();
    let whole = times(500, &|(day, size, _)| {
        for number in &numbers {
            view.figures_of(*number, day, Some(size)).expect("figures");
        }
    });
    let states = registry.indicators_by_row();
    let answer = times(1_000, &|(as_of, size, pick)| {
        let moment = Moment { as_of, size, proven_size: 0, known_at: None };
        let state = states[pick as usize % states.len()];
        progress::indicator(&registry, state, &At::new(view.clone(), moment), &forecasts, moment).expect("a view");
    });
    vec![
        reads(format!("one of {series} series"), &any),
        reads(format!("all {} series of {prefix}", numbers.len()), &whole),
        reads("an indicator as the API answers".to_owned(), &answer),
    ]
}

fn reads(what: String, took: &[Duration]) -> Reads {
    let at = |share: usize| took[(took.len() - 1) * share / 100].as_micros() as u64;
    Reads { what, p50_us: at(50), p99_us: at(99), max_us: at(100) }
}

/// Copies a folder: the ledger as founded, for a run of its own.
pub fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("a folder").flatten() {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).expect("a copy");
        }
    }
}
