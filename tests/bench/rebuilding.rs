//! Read models made anew from the log folder, as `jindo rebuild` makes them, in a process of its own: how fast, and how much
//! memory it takes. Never asks NATS for anything.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Instant;

use jindo::projector::core::Core;
use serde::{Deserialize, Serialize};

use crate::folding::Memory;

/// First word of the child's arguments.
pub const VERB: &str = "--rebuild";
/// Parts whose speed is told.
const PARTS: u64 = 10;

/// What the child is asked to do.
#[derive(Debug, Serialize, Deserialize)]
pub struct Task {
    /// The log folder.
    pub log: PathBuf,
    /// The store there is.
    pub store: PathBuf,
    /// Where the new one is made.
    pub fresh: PathBuf,
}

/// What it found.
#[derive(Debug, Serialize, Deserialize)]
pub struct Found {
    /// Share of the entries that was folded, and seconds until then, about every tenth; the last when the store was closed, flushed.
    pub notes: Vec<(f64, f64)>,
    /// Most resident bytes in each half.
    pub peaks: [u64; 2],
    /// Whether the digests are equal.
    pub equal: bool,
    /// Seconds that log and store took to open as they were.
    pub opened: f64,
}

/// Runs a task in a child process and gives back what it found.
pub fn run(task: &Task) -> Found {
    let me = std::env::current_exe().expect("this program");
    let task = serde_json::to_string(task).expect("plain data");
    let child = Command::new(me).arg(VERB).arg(task).stdout(Stdio::piped()).spawn().expect("a child");
    let out = child.wait_with_output().expect("the child ends");
    assert!(out.status.success(), "the rebuild failed: {}", out.status);
    serde_json::from_slice(&out.stdout).expect("the child tells what it found")
}

/// The child.
pub fn rebuild(task: &Task) {
    let start = Instant::now();
    let core = Core::open(&task.log, &task.store, &mut |_, _| {}).expect("the ledger opens");
    let (opened, digest) = (start.elapsed().as_secs_f64(), core.digest());
    core.close().expect("it closes");
    let memory = Memory::watch();
    let (mut notes, mut peaks) = (Vec::new(), [0; 2]);
    let mut next = 1;
    let start = Instant::now();
    let mut tell = |done: u64, all: u64| {
        if done < all && done * PARTS >= next * all {
            notes.push((done as f64 / all as f64, start.elapsed().as_secs_f64()));
            next = done * PARTS / all + 1;
        }
        let half = usize::from(done * 2 > all);
        peaks[half] = memory.peak().max(peaks[half]);
    };
    let core = Core::open(&task.log, &task.fresh, &mut tell).expect("the log is folded");
    let equal = core.digest() == digest;
    core.close().expect("it closes");
    notes.push((1.0, start.elapsed().as_secs_f64()));
    let found = Found { notes, peaks, equal, opened };
    println!("{}", serde_json::to_string(&found).expect("plain data"));
}
