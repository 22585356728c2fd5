//! An I/O error at each write of the commit order and of the beat, of each kind, and a kill right behind it; a kill between
//! every two steps. Afterwards the log is that of an undisturbed run, entry by entry and file by file, and no size has two
//! roots.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use jindo::admit::screen::Trust;
use jindo::event::Time;
use jindo::log::Arrival;
use jindo::log::checkpoint::Checkpoint;
use jindo::log::disk::{Appends, Disk, Files};
use jindo::log::entry::Entry;
use jindo::log::folder::LogFolder;
use jindo::log::keyring::LogKeys;
use jindo::log::note::VerifierKey;
use jindo::log::publish::{Nobody, Publisher};
use jindo::log::tail::{LogReader, Tail};
use jindo::log::tree;
use jindo::projector::core::{Core, screen_all};
use jindo::sign::hex;
use serde_json::json;
use tempfile::TempDir;

use crate::e2e_rebuild::files;
use crate::gocheck::Alone;
use crate::ledger::{ORIGIN, STREAM, Signer, TestLedger, copy_folder, noon};

/// Messages in one commit.
const BATCH: usize = 7;
const COMMITS: usize = 4;

/// What a failing write leaves on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Leaves {
    Nothing,
    Half,
    All,
}

/// A disk on which one write fails: the tail's, and the beat's.
#[derive(Debug, Clone)]
struct Faulty {
    /// Writes until then; far away once it has failed.
    left: Arc<AtomicI64>,
    leaves: Leaves,
}

impl Faulty {
    fn one(&self, whole: impl FnOnce() -> io::Result<()>, half: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        if self.left.fetch_sub(1, Ordering::SeqCst) != 0 {
            return whole();
        }
        match self.leaves {
            Leaves::Nothing => {}
            Leaves::Half => half()?,
            Leaves::All => whole()?,
        }
        Err(io::Error::other("the disk said no"))
    }

    fn has_failed(&self) -> bool {
        self.left.load(Ordering::SeqCst) < 0
    }
}

impl Appends for Faulty {
    fn write(&mut self, file: &File, bytes: &[u8], place: u64) -> io::Result<()> {
        let part = |bytes: &[u8]| Files.write(file, bytes, place);
        self.one(|| part(bytes), || part(&bytes[..bytes.len() / 2]))
    }

    fn sync(&mut self, file: &File) -> io::Result<()> {
        self.one(|| Files.sync(file), || Ok(()))
    }

    fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        self.one(|| Files.rename(from, to), || Ok(()))
    }
}

impl Disk for Faulty {
    fn put(&mut self, files: &[(PathBuf, Vec<u8>)]) -> io::Result<()> {
        // A file appears whole or not at all: half of them are half.
        files.iter().try_for_each(|file| self.one(|| Files.put(std::slice::from_ref(file)), || Ok(())))
    }

    fn append(&mut self, path: &Path, keep: u64, bytes: &[u8]) -> io::Result<()> {
        self.one(|| Files.append(path, keep, bytes), || Files.append(path, keep, &bytes[..bytes.len() / 2]))
    }

    fn remove_folder(&mut self, path: &Path) -> io::Result<()> {
        self.one(|| Files.remove_folder(path), || Ok(()))
    }
}

/// What every run begins with and is given: a founded ledger, and signed messages.
struct Given {
    founded: TempDir,
    size: u64,
    messages: Vec<Arrival>,
    end: Time,
}

impl Given {
    fn new() -> Given {
        let mut pen = TestLedger::slight();
        pen.reopen();
        let size = pen.core().size();
        let mut messages = Vec::new();
        for number in 1..BATCH * COMMITS {
            let data =
                json!({"region": "11", "class": if number % 5 == 0 { "wrong" } else { "fast" }, "count": number});
            let agency = if number % 3 == 0 { "kiat" } else { "keco" };
            let event = pen.event(agency, "charger.installed.v1", data, noon("2026-03-02"));
            messages.push(pen.message("report", &[event]));
        }
        // In the middle of a commit: what follows it is screened anew.
        let (kind, schema) = jindo::event::schema::embedded()[0];
        let time = pen.recorded;
        let event = pen.event("motie", "schema.registered.v1", json!({"type": kind, "schema": schema}), time);
        messages.insert(10, pen.message("govern", &[event]));
        Given { size, end: pen.recorded, founded: pen.into_folder(), messages }
    }
}

/// One run, over and over opened anew, until everything is recorded and published.
struct Run<'a> {
    given: &'a Given,
    dir: TempDir,
    disk: Faulty,
    fence: Alone,
    /// Whether a kill also takes what the store was told since the founding.
    forgets: bool,
    restarts: u32,
}

impl Run<'_> {
    fn new(given: &Given, at: i64, leaves: Leaves, forgets: bool) -> Run<'_> {
        let dir = TempDir::new().unwrap();
        copy_folder(given.founded.path(), dir.path());
        let disk = Faulty { left: Arc::new(AtomicI64::new(at)), leaves };
        Run { given, dir, disk, fence: Alone::default(), forgets, restarts: 0 }
    }

    fn log(&self) -> PathBuf {
        self.dir.path().join("log")
    }

    fn core(&mut self) -> Core {
        if self.forgets && self.restarts > 0 {
            std::fs::remove_dir_all(self.dir.path().join("store")).unwrap();
            copy_folder(&self.given.founded.path().join("store"), &self.dir.path().join("store"));
        }
        let tail = Tail::open_on(&self.log(), Box::new(self.disk.clone())).unwrap();
        Core::open_on(tail, &self.dir.path().join("store"), 512, &mut |_, _| {}).unwrap()
    }

    fn commit(&self, core: &mut Core) -> bool {
        let (size, registry) = (core.size(), core.registry());
        let at = (size - self.given.size) as usize;
        // As the stream gives them again from the log's end on.
        let run = self.given.messages[at..].iter().take(BATCH - at % BATCH).zip(size..);
        let entries = run.map(|(message, index)| {
            let arrival = Arrival { stream: Arc::from(STREAM), sequence: index + 1, ..message.clone() };
            Entry::of_arrival(index, &arrival)
        });
        let ready = screen_all(entries.collect(), &registry, Trust::Nothing);
        core.commit(ready, &registry).is_ok()
    }

    /// Beats until everything is covered; whether none failed.
    fn beat(&mut self, core: &Core) -> bool {
        let key = Arc::new(Signer::named("log").pair());
        let disk = Box::new(self.disk.clone());
        let mut publisher = Publisher::open(
            LogFolder::new(&self.log()),
            disk,
            LogKeys::of_pair(ORIGIN, &key).unwrap(),
            vec![key],
            &core.log(),
        )
        .unwrap();
        while publisher.is_due(core.size()) {
            if let Err(fault) = publisher.beat(&core.log(), u64::MAX, &mut self.fence, &mut Nobody, self.given.end) {
                assert!(!fault.is_finding(), "{fault}");
                return false;
            }
        }
        true
    }

    /// To the end; `restart_always`: killed after every step, also where nothing failed. The digest of the figures.
    fn go(&mut self, restart_always: bool) -> [u8; 32] {
        let end = self.given.size + self.given.messages.len() as u64;
        let mut core = self.core();
        loop {
            // A checkpoint after every second commit, and none in the middle of one that a fault tore.
            let recorded = (core.size() - self.given.size) as usize;
            let is_due = recorded.is_multiple_of(2 * BATCH) && self.published() < core.size();
            if core.size() == end && !is_due {
                return core.digest();
            }
            let whole = if is_due { self.beat(&core) } else { self.commit(&mut core) };
            if !whole || restart_always {
                // Killed: nothing is closed, nothing told.
                drop(core);
                self.restarts += 1;
                core = self.core();
            }
        }
    }

    fn published(&self) -> u64 {
        let note = LogFolder::new(&self.log()).checkpoint().unwrap();
        note.map_or(0, |note| note.lines().nth(1).unwrap().parse().unwrap())
    }

    /// Every file of the log, by its hash; and one root for each size that was ever signed, of the tree as it is now.
    fn listing(&self) -> BTreeMap<String, String> {
        let folder = LogFolder::new(&self.log());
        let vkey = VerifierKey::parse(&folder.vkey().unwrap().unwrap()).unwrap();
        for day in folder.history_days().unwrap() {
            for note in folder.history(day).unwrap().0 {
                let head = Checkpoint::open(&note, &vkey).unwrap().head;
                assert_eq!(tree::root(&mut folder.tree(head.size), head.size).unwrap(), head.root);
            }
        }
        let named = |path: PathBuf| {
            let name = path.strip_prefix(self.log()).unwrap().to_str().unwrap().to_owned();
            (name, hex::encode(&hex::sha256(&std::fs::read(&path).unwrap())))
        };
        let mut listing: BTreeMap<_, _> = files(&self.log()).into_iter().map(named).collect();
        // Of a torn append whole entries stay: frames say where an append began, so the tail is compared by its entries.
        listing.remove("tail");
        let tail = LogReader::open(&self.log()).unwrap();
        listing.extend(
            tail.iter(0).map(Result::unwrap).map(|(index, text)| (index.to_string(), hex::encode(&hex::sha256(&text)))),
        );
        listing
    }
}

#[test]
fn a_fault_at_any_write_leaves_the_log_of_an_undisturbed_run() {
    let given = Given::new();
    let mut calm = Run::new(&given, i64::MAX, Leaves::All, false);
    let digest = calm.go(false);
    let expected = calm.listing();
    let writes = i64::MAX - calm.disk.left.load(Ordering::SeqCst);
    assert!(writes > 20, "{writes} writes");
    // A kill between every two steps, with the store as it was told or as it was founded.
    for forgets in [false, true] {
        let mut run = Run::new(&given, i64::MAX, Leaves::All, forgets);
        assert_eq!(run.go(true), digest);
        assert_eq!((run.listing(), run.restarts > 5), (expected.clone(), true));
    }
    let kinds = [Leaves::Nothing, Leaves::Half, Leaves::All];
    let cases = (0..writes).flat_map(|at| kinds.into_iter().zip(0..).map(move |(leaves, way)| (at, leaves, way)));
    let cases = Mutex::new(cases);
    // Threads of the test's own: opening a store waits for those that rayon has.
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let Some((at, leaves, way)) = cases.lock().unwrap().next() else { return };
                    let mut run = Run::new(&given, at, leaves, (at + way) % 2 == 0);
                    let case = format!("write {at} leaves {leaves:?}");
                    assert_eq!(run.go(false), digest, "{case}");
                    assert!(run.disk.has_failed() && run.restarts == 1, "{case}: {} restarts", run.restarts);
                    let listing = run.listing();
                    let differs = expected.iter().filter(|(name, hash)| listing.get(*name) != Some(*hash));
                    assert_eq!(differs.map(|(name, _)| name).collect::<Vec<_>>(), Vec::<&String>::new(), "{case}");
                    assert_eq!(listing.len(), expected.len(), "{case}");
                }
            });
        }
    });
    eprintln!("{writes} writes failed in {} ways each", kinds.len());
}
