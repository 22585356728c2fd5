//! Tests of [`super`]: a log that grows, and what failing writes, fences and strangers leave. Never part of the binary.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};

use tempfile::TempDir;

use super::*;
use crate::log::disk::Files;
use crate::log::folder::FolderFault;
use crate::log::frontier::Frontier;
use crate::log::note::Note;
use crate::log::samples;
use crate::log::tail::Tail;
use crate::sign::hex;

const ORIGIN: &str = "jindo.test/log";
const NOW: i64 = 1_790_000_000_000_000_000;

fn body(index: u64) -> Vec<u8> {
    vec![b'x'; (index % 7) as usize]
}

fn entry(index: u64) -> (Vec<u8>, Time) {
    samples::entry(index, body(index))
}

fn grow(tail: &mut Tail, count: u64) {
    samples::append(tail, count, body);
}

fn root_of(size: u64) -> [u8; 32] {
    let mut frontier = Frontier::default();
    (0..size).for_each(|index| frontier.push(leaf_hash(&entry(index).0)));
    frontier.root()
}

fn key() -> Arc<KeyPair> {
    let pair = nkeys::KeyPair::new_from_raw(nkeys::KeyPairType::User, hex::sha256(b"log")).unwrap();
    Arc::new(KeyPair::from_seed(&pair.seed().unwrap()).unwrap())
}

fn ring() -> LogKeys {
    LogKeys::of_pair(ORIGIN, &key()).unwrap()
}

/// A fence in memory, shared by those who hold a clone.
#[derive(Clone, Default)]
struct Shed(Arc<Mutex<Option<Held>>>);

impl Fence for Shed {
    fn held(&mut self) -> Result<Option<Held>, FenceFault> {
        Ok(*self.0.lock().unwrap())
    }

    fn swap(&mut self, from: Option<u64>, to: &Head) -> Result<(), FenceFault> {
        let mut held = self.0.lock().unwrap();
        if held.map(|held| held.revision) != from {
            return Err(FenceFault::Moved);
        }
        *held = Some(Held { head: *to, revision: from.unwrap_or(0) + 1 });
        Ok(())
    }
}

/// A log folder with its tail.
struct Bench {
    dir: TempDir,
    tail: Tail,
    fence: Shed,
}

impl Bench {
    fn new() -> Self {
        let dir = TempDir::new().unwrap();
        let (tail, _) = Tail::open(dir.path()).unwrap();
        Bench { dir, tail, fence: Shed::default() }
    }

    fn folder(&self) -> LogFolder {
        LogFolder::new(self.dir.path())
    }

    fn open(&self, disk: Box<dyn Disk>) -> Result<Publisher, BeatFault> {
        Publisher::open(self.folder(), disk, ring(), vec![key()], &self.tail.reader())
    }

    fn beat(&mut self, publisher: &mut Publisher) -> Result<Option<Checkpoint>, BeatFault> {
        publisher.beat(&self.tail.reader(), u64::MAX, &mut self.fence, &mut Nobody, Time::from_ns(NOW))
    }

    /// Everything the folder says, verified.
    fn check(&self, size: u64) {
        let folder = self.folder();
        let vkey = VerifierKey::parse(&folder.vkey().unwrap().unwrap()).unwrap();
        let head = Checkpoint::open(&folder.checkpoint().unwrap().unwrap(), &vkey).unwrap().head;
        assert_eq!(head, Head { size, root: root_of(size) });
        for index in 0..size.div_ceil(WIDTH) {
            let entries = folder.entries(index, size).unwrap();
            let hashes = folder.hashes(0, index, size).unwrap();
            assert_eq!(entries.len(), hashes.len());
            for (at, text) in entries.iter().enumerate() {
                assert_eq!(*text, entry(index * WIDTH + at as u64).0);
                assert_eq!(leaf_hash(text), hashes[at]);
            }
        }
        assert_eq!(tree::root(&mut folder.tree(size), size).unwrap(), head.root);
        // One root for each size, in everything that was ever signed.
        let mut heads = BTreeMap::new();
        for day in folder.history_days().unwrap() {
            for note in folder.history(day).unwrap().0 {
                let head = Checkpoint::open(&note, &vkey).unwrap().head;
                assert_eq!(*heads.entry(head.size).or_insert(head.root), head.root);
                assert_eq!(root_of(head.size), head.root);
            }
        }
        assert!(heads.contains_key(&size));
    }
}

/// Files below a folder that belong to the public part of a log, with their hashes.
fn listing(dir: &Path) -> BTreeMap<String, String> {
    fn walk(dir: &Path, base: &Path, found: &mut BTreeMap<String, String>) {
        for item in std::fs::read_dir(dir).unwrap() {
            let path = item.unwrap().path();
            if path.is_dir() {
                walk(&path, base, found);
            } else {
                let name = path.strip_prefix(base).unwrap().to_str().unwrap().to_owned();
                found.insert(name, hex::encode(&hex::sha256(&std::fs::read(path).unwrap())));
            }
        }
    }
    let mut found = BTreeMap::new();
    walk(dir, dir, &mut found);
    found.retain(|name, _| !name.starts_with("tail"));
    found
}

#[test]
fn a_log_grows_and_every_checkpoint_holds() {
    let mut bench = Bench::new();
    let mut publisher = bench.open(Box::new(Files)).unwrap();
    assert!(bench.beat(&mut publisher).unwrap().is_none(), "an empty log has no checkpoint");
    let mut size = 0;
    for step in [1, 1, 3, 250, 1, 1, 300, 511, 1_000] {
        grow(&mut bench.tail, step);
        size += step;
        let checkpoint = bench.beat(&mut publisher).unwrap().unwrap();
        assert_eq!(checkpoint.head.size, size);
        bench.check(size);
        assert!(bench.beat(&mut publisher).unwrap().is_none());
        // A restart goes on from the folder alone.
        publisher = bench.open(Box::new(Files)).unwrap();
        assert_eq!(publisher.published(), checkpoint.head);
    }
    let partial: Vec<String> = listing(bench.dir.path()).into_keys().filter(|name| name.contains(".p/")).collect();
    let (tiles, entries) = (size / WIDTH, size % WIDTH);
    let own = format!("tile/0/{tiles:03}.p/{entries}");
    assert!(partial.contains(&own), "{partial:?}");
    assert!(partial.iter().all(|name| name.contains(&format!("{tiles:03}.p/")) || name.starts_with("tile/1/000.p/")));
}

#[test]
fn what_a_verifier_of_another_make_reads_is_there() {
    let mut bench = Bench::new();
    grow(&mut bench.tail, 70_000 / 64);
    let mut publisher = bench.open(Box::new(Files)).unwrap();
    bench.beat(&mut publisher).unwrap();
    let note = bench.folder().checkpoint().unwrap().unwrap();
    assert_eq!(Note::parse(&note).unwrap().signatures.len(), 1);
    assert!(note.starts_with("jindo.test/log\n1093\n"), "{note}");
}

/// Writes that fail from a moment on; each call counts, each file of it.
struct Faulty {
    left: Arc<Mutex<i64>>,
    /// The failing write is on disk all the same: for an append, half of it too.
    persists: bool,
    half: bool,
}

impl Faulty {
    fn fails(&self) -> bool {
        let mut left = self.left.lock().unwrap();
        *left -= 1;
        *left < 0
    }
}

fn broken() -> io::Error {
    io::Error::other("the disk said no")
}

impl Disk for Faulty {
    fn put(&mut self, files: &[(PathBuf, Vec<u8>)]) -> io::Result<()> {
        for file in files {
            let fails = self.fails();
            if !fails || self.persists {
                Files.put(std::slice::from_ref(file))?;
            }
            if fails {
                return Err(broken());
            }
        }
        Ok(())
    }

    fn append(&mut self, path: &Path, keep: u64, bytes: &[u8]) -> io::Result<()> {
        let fails = self.fails();
        match (fails, self.persists, self.half) {
            (true, true, true) => Files.append(path, keep, &bytes[..bytes.len() / 2])?,
            (false, _, _) | (true, true, false) => Files.append(path, keep, bytes)?,
            _ => {}
        }
        if fails { Err(broken()) } else { Ok(()) }
    }

    fn remove_folder(&mut self, path: &Path) -> io::Result<()> {
        let fails = self.fails();
        if !fails || self.persists {
            Files.remove_folder(path)?;
        }
        if fails { Err(broken()) } else { Ok(()) }
    }
}

/// A fence that fails once, before or after it moved.
struct Shaky {
    inner: Shed,
    /// `Some(moved)`: the next swap fails, having moved or not.
    next: Option<bool>,
}

impl Fence for Shaky {
    fn held(&mut self) -> Result<Option<Held>, FenceFault> {
        self.inner.held()
    }

    fn swap(&mut self, from: Option<u64>, to: &Head) -> Result<(), FenceFault> {
        match self.next.take() {
            Some(moved) => {
                if moved {
                    self.inner.swap(from, to)?;
                }
                Err(FenceFault::Away("gone".to_owned()))
            }
            None => self.inner.swap(from, to),
        }
    }
}

/// At each write of each beat: failed, failed but on disk, half on disk. With a restart, or without.
#[test]
fn a_failing_write_anywhere_leaves_the_same_log() {
    let steps = [3_u64, 255, 12];
    let mut calm = Bench::new();
    let mut publisher = calm.open(Box::new(Files)).unwrap();
    for step in steps {
        grow(&mut calm.tail, step);
        calm.beat(&mut publisher).unwrap();
    }
    let (size, expected) = (270, listing(calm.dir.path()));
    calm.check(size);
    let mut failures = 0;
    for (persists, half) in [(false, false), (true, false), (true, true)] {
        for restart in [false, true] {
            for at in 0.. {
                let left = Arc::new(Mutex::new(at));
                let mut bench = Bench::new();
                let disk = || Box::new(Faulty { left: left.clone(), persists, half });
                let mut publisher = bench.open(disk()).unwrap();
                let mut failed = 0;
                for step in steps {
                    grow(&mut bench.tail, step);
                    while publisher.is_due(bench.tail.size()) {
                        if let Err(fault) = bench.beat(&mut publisher) {
                            assert!(!fault.is_finding(), "{fault}");
                            failed += 1;
                            *left.lock().unwrap() = i64::MAX;
                            if restart {
                                publisher = bench.open(disk()).unwrap();
                            }
                        }
                    }
                }
                bench.check(size);
                assert_eq!(listing(bench.dir.path()), expected, "write {at}, {persists} {half} {restart}");
                failures += failed;
                if failed == 0 {
                    break;
                }
            }
        }
    }
    assert!(failures > 100, "{failures} writes were failed");
}

#[test]
fn a_fence_that_fails_before_or_after_it_moved() {
    for moved in [false, true] {
        for more in [0, 40] {
            let mut bench = Bench::new();
            let mut fence = Shaky { inner: bench.fence.clone(), next: Some(moved) };
            grow(&mut bench.tail, 300);
            let mut publisher = bench.open(Box::new(Files)).unwrap();
            let reader = bench.tail.reader();
            let fault = publisher.beat(&reader, u64::MAX, &mut fence, &mut Nobody, Time::from_ns(NOW)).unwrap_err();
            assert!(!fault.is_finding() && bench.folder().checkpoint().unwrap().is_none());
            grow(&mut bench.tail, more);
            let mut publisher = bench.open(Box::new(Files)).unwrap();
            publisher
                .beat(&bench.tail.reader(), u64::MAX, &mut fence, &mut Nobody, Time::from_ns(NOW))
                .unwrap()
                .unwrap();
            bench.check(300 + more);
        }
    }
}

#[test]
fn two_copies_that_differ_never_sign_two_roots() {
    let (mut one, mut two) = (Bench::new(), Bench::new());
    two.fence = one.fence.clone();
    grow(&mut one.tail, 20);
    let mut publisher = one.open(Box::new(Files)).unwrap();
    one.beat(&mut publisher).unwrap();
    // A copy of the same log that is behind waits, and goes on once it has as much.
    grow(&mut two.tail, 10);
    let mut second = two.open(Box::new(Files)).unwrap();
    let fault = two.beat(&mut second).unwrap_err();
    assert!(matches!(fault, BeatFault::Ahead { fence: 20, size: 10 }) && !fault.is_finding());
    grow(&mut two.tail, 15);
    assert_eq!(two.beat(&mut second).unwrap().unwrap().head.size, 25);
    // Now the first is behind; it goes another way, and is found out before it signs.
    let (mut other, time) = entry(20);
    other.extend(b"!");
    one.tail.append(&[other], &[time]).unwrap();
    grow(&mut one.tail, 9);
    let fault = one.beat(&mut publisher).unwrap_err();
    assert!(matches!(fault, BeatFault::Forked { size: 25 }) && fault.is_finding(), "{fault}");
    one.check(20);
    two.check(25);
    // At one moment: the one whose swap fails signs nothing.
    let mut three = Bench::new();
    grow(&mut three.tail, 5);
    struct Late(Shed);
    impl Fence for Late {
        fn held(&mut self) -> Result<Option<Held>, FenceFault> {
            let held = self.0.held();
            self.0.swap(None, &Head { size: 3, root: [7; 32] })?;
            held
        }
        fn swap(&mut self, from: Option<u64>, to: &Head) -> Result<(), FenceFault> {
            self.0.swap(from, to)
        }
    }
    let mut publisher = three.open(Box::new(Files)).unwrap();
    let fault =
        publisher.beat(&three.tail.reader(), u64::MAX, &mut Late(Shed::default()), &mut Nobody, Time::from_ns(NOW));
    assert!(matches!(fault, Err(BeatFault::Fence(FenceFault::Moved))));
    assert!(three.folder().checkpoint().unwrap().is_none());
}

#[test]
fn a_log_from_before_its_tiles_is_tiled_in_steps() {
    let mut bench = Bench::new();
    let (step, size) = (1_024, 2_125);
    grow(&mut bench.tail, size);
    let mut publisher = bench.open(Box::new(Files)).unwrap();
    publisher.step = step;
    let mut sizes = Vec::new();
    while let Some(checkpoint) = bench.beat(&mut publisher).unwrap() {
        sizes.push(checkpoint.head.size);
    }
    assert_eq!(sizes, [step, step * 2, size]);
    // Its tiles lost, the fence is far ahead: nothing is signed before they are there again.
    std::fs::remove_dir_all(bench.dir.path().join("tile")).unwrap();
    std::fs::remove_file(bench.dir.path().join("checkpoint")).unwrap();
    let mut publisher = bench.open(Box::new(Files)).unwrap();
    publisher.step = step;
    assert!(bench.beat(&mut publisher).unwrap().is_none());
    assert!(bench.beat(&mut publisher).unwrap().is_none());
    assert_eq!(bench.beat(&mut publisher).unwrap().unwrap().head.size, size);
}

#[test]
fn folders_that_do_not_fit_the_log() {
    let mut bench = Bench::new();
    grow(&mut bench.tail, 300);
    let mut publisher = bench.open(Box::new(Files)).unwrap();
    bench.beat(&mut publisher).unwrap();
    let path = bench.dir.path().to_owned();
    let with = |change: &dyn Fn(&Path)| {
        let copy = TempDir::new().unwrap();
        for name in listing(&path).into_keys().chain(["tail".to_owned()]) {
            let to = copy.path().join(&name);
            std::fs::create_dir_all(to.parent().unwrap()).unwrap();
            std::fs::copy(path.join(&name), to).unwrap();
        }
        change(copy.path());
        let (mut tail, _) = Tail::open(copy.path()).unwrap();
        let open = Publisher::open(LogFolder::new(copy.path()), Box::new(Files), ring(), vec![key()], &tail.reader());
        let mut publisher = match open {
            Ok(publisher) => publisher,
            Err(fault) => return fault,
        };
        grow(&mut tail, 1);
        publisher.beat(&tail.reader(), u64::MAX, &mut Shed::default(), &mut Nobody, Time::from_ns(NOW)).unwrap_err()
    };
    let flip = |name: &'static str, at: usize| {
        move |dir: &Path| {
            let path = dir.join(name);
            let mut bytes = std::fs::read(&path).unwrap();
            bytes[at] ^= 1;
            std::fs::write(path, bytes).unwrap();
        }
    };
    assert!(matches!(with(&flip("tile/1/000.p/1", 7)), BeatFault::OtherRoot { .. }));
    assert!(matches!(with(&flip("tile/0/001.p/44", 7)), BeatFault::OtherRoot { .. }));
    assert!(matches!(with(&flip("checkpoint", 3)), BeatFault::Checkpoint(_)));
    assert!(matches!(with(&flip("vkey", 3)), BeatFault::OtherKey));
    let gone = with(&|dir| std::fs::remove_file(dir.join("tile/1/000.p/1")).unwrap());
    assert!(matches!(gone, BeatFault::Folder(FolderFault::Missing { .. })) && gone.is_finding(), "{gone}");
    let replaced = |dir: &Path, fill: &dyn Fn(&mut Tail)| {
        let other = TempDir::new().unwrap();
        let (mut tail, _) = Tail::open(other.path()).unwrap();
        fill(&mut tail);
        std::fs::copy(other.path().join("tail"), dir.join("tail")).unwrap();
    };
    let cut = with(&|dir| replaced(dir, &|tail| grow(tail, 299)));
    assert!(matches!(cut, BeatFault::Cut { published: 300, size: 299 }), "{cut}");
    let altered = with(&|dir| {
        replaced(dir, &|tail| {
            grow(tail, 260);
            let (mut other, time) = entry(260);
            other.extend(b"!");
            tail.append(&[other], &[time]).unwrap();
            grow(tail, 39);
        });
    });
    assert!(matches!(altered, BeatFault::Altered { index: 260 }), "{altered}");
}

/// A disk that writes something else than it was given.
struct Liar(&'static str);

impl Disk for Liar {
    fn put(&mut self, files: &[(PathBuf, Vec<u8>)]) -> io::Result<()> {
        for (path, bytes) in files {
            let mut bytes = bytes.clone();
            if path.to_str().is_some_and(|path| path.contains(self.0)) {
                bytes[9] ^= 1;
            }
            Files.put(&[(path.clone(), bytes)])?;
        }
        Ok(())
    }
    fn append(&mut self, path: &Path, keep: u64, bytes: &[u8]) -> io::Result<()> {
        Files.append(path, keep, bytes)
    }
    fn remove_folder(&mut self, path: &Path) -> io::Result<()> {
        Files.remove_folder(path)
    }
}

#[test]
fn nothing_is_signed_over_bytes_that_read_differently() {
    for place in ["tile/0/000", "tile/0/001.p/", "tile/1/000.p/", "tile/entries/000", "tile/entries/001.p/"] {
        let mut bench = Bench::new();
        grow(&mut bench.tail, 300);
        let mut publisher = bench.open(Box::new(Liar(place))).unwrap();
        let fault = bench.beat(&mut publisher).unwrap_err();
        assert!(matches!(fault, BeatFault::Reread(_)) && fault.is_finding(), "{place}: {fault}");
        assert!(bench.folder().checkpoint().unwrap().is_none() && bench.fence.held().unwrap().is_none());
    }
}

#[path = "publish_adopt_tests.rs"]
mod adopting;
#[path = "publish_key_tests.rs"]
mod keys;
