//! Tests of [`super`]: whatever was cut off, readers see the same log. Never part of the binary.

use std::sync::Arc;

use tempfile::TempDir;

use super::*;
use crate::log::disk::Files;
use crate::log::keyring::LogKeys;
use crate::log::publish::{Nobody, Publisher};
use crate::log::samples::{self, Open};
use crate::log::tail::LogReader;
use crate::sign::KeyPair;

fn body(_: u64) -> Vec<u8> {
    vec![b'x'; 900]
}

fn entry(index: u64) -> (Vec<u8>, Time) {
    samples::entry(index, body(index))
}

fn append(tail: &mut Tail, count: u64) {
    samples::append(tail, count, body);
}

/// A log that publishes.
struct Log {
    dir: TempDir,
    tail: Option<Tail>,
    key: Arc<KeyPair>,
}

impl Log {
    fn new() -> Self {
        let dir = TempDir::new().unwrap();
        let (tail, _) = Tail::open(dir.path()).unwrap();
        Log { dir, tail: Some(tail), key: Arc::new(KeyPair::generate().unwrap()) }
    }

    fn tail(&mut self) -> &mut Tail {
        self.tail.as_mut().unwrap()
    }

    fn publish(&mut self) -> u64 {
        let (folder, key, reader) = (LogFolder::new(self.dir.path()), self.key.clone(), self.tail().reader());
        let mut publisher = Publisher::open(
            folder,
            Box::new(Files),
            LogKeys::of_pair("jindo.test/trim", &key).unwrap(),
            vec![key],
            &reader,
        )
        .unwrap();
        publisher.beat(&reader, u64::MAX, &mut Open, &mut Nobody, Time::now()).unwrap();
        publisher.published().size
    }

    fn reopen(&mut self) {
        drop(self.tail.take());
        self.tail = Some(Tail::open(self.dir.path()).unwrap().0);
    }

    fn base(&mut self) -> u64 {
        self.tail().segment().base
    }
}

/// Every way of reading gives the log as it was appended.
fn check(reader: &LogReader, size: u64) {
    assert_eq!(reader.size(), size);
    for from in [0, 1, 255, 256, 300, 511, 512, size - 1] {
        let read: Vec<(u64, Vec<u8>)> = reader.iter(from).collect::<Result<_, _>>().unwrap();
        assert_eq!(read.len() as u64, size.saturating_sub(from));
        assert!(read.iter().all(|(index, text)| *text == entry(*index).0), "from {from}");
    }
    let mut highest = Time::from_ns(i64::MIN);
    for index in 0..size {
        highest = highest.max(entry(index).1);
        assert_eq!(reader.read(index).unwrap(), entry(index).0);
        assert_eq!(reader.recorded(index).unwrap(), highest);
    }
    assert_eq!(reader.size_at(entry(400).1).unwrap(), 401);
    assert!(reader.read(size).is_err() && reader.recorded(size).is_err());
}

#[test]
fn readers_notice_nothing_and_appends_go_on() {
    let mut log = Log::new();
    append(log.tail(), 700);
    let (before, mut midway) = (log.tail().reader(), log.tail().reader().iter(0));
    let alone = LogReader::open(log.dir.path()).unwrap();
    let first: Vec<_> = midway.by_ref().take(100).map(|item| item.unwrap().0).collect();
    assert_eq!(first.len(), 100);
    assert!(!log.tail().trim_from(0, 0).unwrap(), "nothing is covered");
    let covered = log.publish();
    assert!(!log.tail().trim_from(covered, u64::MAX).unwrap(), "not worth it");
    assert!(log.tail().trim_from(covered, 0).unwrap());
    assert_eq!(log.base(), 512);
    assert!(!log.tail().trim_from(covered, 0).unwrap(), "nothing more to cut");
    for reader in [&before, &alone, &LogReader::open(log.dir.path()).unwrap()] {
        check(reader, 700);
    }
    let rest: Vec<_> = midway.map(|item| item.unwrap()).collect();
    assert!(rest.len() == 600 && rest.iter().all(|(index, text)| *text == entry(*index).0));
    append(log.tail(), 60);
    check(&before, 760);
    log.reopen();
    append(log.tail(), 264);
    check(&log.tail().reader(), 1_024);
    let covered = log.publish();
    assert!(log.tail().trim_from(covered, 0).unwrap());
    assert_eq!(log.base(), 1_024);
    check(&log.tail().reader(), 1_024);
    // An empty tail, opened again, goes on.
    log.reopen();
    check(&LogReader::open(log.dir.path()).unwrap(), 1_024);
    append(log.tail(), 3);
    log.reopen();
    check(&log.tail().reader(), 1_027);
}

#[test]
fn what_a_crash_leaves_is_the_same_log() {
    let mut log = Log::new();
    append(log.tail(), 600);
    let covered = log.publish();
    let old = std::fs::read(log.dir.path().join("tail")).unwrap();
    // Before the rename: the old file, and any part of the new one.
    log.tail().trim_from(covered, 0).unwrap();
    let new = std::fs::read(log.dir.path().join("tail")).unwrap();
    for part in [0, 5, 30, 50, new.len() / 2, new.len()] {
        drop(log.tail.take());
        std::fs::write(log.dir.path().join("tail"), &old).unwrap();
        std::fs::write(log.dir.path().join("tail.new"), &new[..part]).unwrap();
        log.reopen();
        check(&log.tail().reader(), 600);
        assert!(log.tail().trim_from(covered, 0).unwrap());
        check(&log.tail().reader(), 600);
    }
    // After it: the rows may be anything, or gone.
    let index = log.dir.path().join("tail.index");
    let rows = std::fs::read(&index).unwrap();
    let shifted: Vec<u8> = rows.iter().cycle().skip(16).take(rows.len()).copied().collect();
    for bytes in [Vec::new(), rows[..300 * 16].to_vec(), rows[..512 * 16].to_vec(), vec![7; rows.len()], shifted] {
        drop(log.tail.take());
        std::fs::write(&index, &bytes).unwrap();
        check(&LogReader::open(log.dir.path()).unwrap(), 600);
        log.reopen();
        check(&log.tail().reader(), 600);
        append(log.tail(), 1);
        drop(log.tail.take());
        std::fs::write(log.dir.path().join("tail"), &new).unwrap();
        std::fs::write(&index, &rows).unwrap();
    }
    // Without rows at all, for a reader that may not write any.
    std::fs::remove_file(&index).unwrap();
    check(&LogReader::open(log.dir.path()).unwrap(), 600);
}

#[test]
fn a_copy_of_what_is_public_has_what_the_checkpoint_covers() {
    let mut log = Log::new();
    append(log.tail(), 600);
    log.publish();
    drop(log.tail.take());
    std::fs::remove_file(log.dir.path().join("tail.index")).unwrap();
    std::fs::remove_file(log.dir.path().join("tail")).unwrap();
    check(&LogReader::open(log.dir.path()).unwrap(), 600);
    assert!(matches!(Tail::open(log.dir.path()), Err(TailFault::Gone(_))), "a writer does not begin anew");
    let bundle = log.dir.path().join("tile/entries/001");
    let mut bytes = std::fs::read(&bundle).unwrap();
    // The first digit of its index.
    bytes[24] = b'9';
    std::fs::write(&bundle, bytes).unwrap();
    let reader = LogReader::open(log.dir.path()).unwrap();
    assert!(reader.read(300).is_ok() && matches!(reader.read(256), Err(TailFault::BadBundle { index: 256 })));
    assert_eq!(reader.iter(0).filter_map(Result::ok).count(), 256);
    std::fs::remove_file(bundle).unwrap();
    assert!(matches!(reader.read(300), Err(TailFault::Folder(_))));
}

#[test]
fn nothing_is_cut_that_the_bundles_do_not_hold() {
    let mut log = Log::new();
    append(log.tail(), 600);
    let covered = log.publish();
    let bundle = log.dir.path().join("tile/entries/000");
    let sound = std::fs::read(&bundle).unwrap();
    let mut other = sound.clone();
    *other.last_mut().unwrap() ^= 1;
    std::fs::write(&bundle, other).unwrap();
    assert!(matches!(log.tail().trim_from(covered, 0), Err(TailFault::BadBundle { index: 255 })));
    std::fs::remove_file(&bundle).unwrap();
    assert!(matches!(log.tail().trim_from(covered, 0), Err(TailFault::Folder(_))));
    append(log.tail(), 1);
    std::fs::write(&bundle, sound).unwrap();
    assert!(log.tail().trim_from(covered, 0).unwrap());
    check(&log.tail().reader(), 601);
    // The header is checked like everything else.
    drop(log.tail.take());
    let tail = log.dir.path().join("tail");
    let sound = std::fs::read(&tail).unwrap();
    for at in 0..42 {
        let mut bytes = sound.clone();
        bytes[at] ^= 1;
        std::fs::write(&tail, bytes).unwrap();
        assert!(matches!(Tail::open(log.dir.path()), Err(TailFault::NotATail(_))), "byte {at}");
    }
}

/// Writes that fail from a moment on.
#[derive(Debug)]
struct Faulty {
    left: i64,
    /// The failing one is done all the same; of a write, half of it too.
    persists: bool,
    half: bool,
}

impl Faulty {
    fn one(&mut self, does: impl Fn(usize, usize) -> io::Result<()>) -> io::Result<()> {
        self.left -= 1;
        match (self.left >= 0, self.persists, self.half) {
            (true, ..) => return does(1, 1),
            (_, true, true) => does(1, 2)?,
            (_, true, false) => does(1, 1)?,
            _ => {}
        }
        Err(io::Error::other("the disk said no"))
    }
}

impl Appends for Faulty {
    fn write(&mut self, file: &File, bytes: &[u8], place: u64) -> io::Result<()> {
        self.one(|part, of| Files.write(file, &bytes[..bytes.len() * part / of], place))
    }

    fn sync(&mut self, file: &File) -> io::Result<()> {
        self.one(|_, _| Files.sync(file))
    }

    fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        self.one(|_, _| Files.rename(from, to))
    }
}

/// Each write of a cut: failed, failed but on disk, half on disk. Without a restart, then with one: the log is the same.
#[test]
fn a_failing_write_while_cutting_loses_nothing() {
    for (persists, half) in [(false, false), (true, false), (true, true)] {
        for at in 0.. {
            let mut log = Log::new();
            append(log.tail(), 600);
            let covered = log.publish();
            log.tail().disk = Box::new(Faulty { left: at, persists, half });
            let reader = log.tail().reader();
            let cut = log.tail().trim_from(covered, 0);
            log.tail().disk = Box::new(Files);
            check(&reader, 600);
            check(&LogReader::open(log.dir.path()).unwrap(), 600);
            if log.tail().poisoned {
                // Only the rename: nobody knows which file would be there after a crash.
                let (entries, times) = entry(600);
                assert!(matches!(log.tail().append(&[entries], &[times]), Err(TailFault::Poisoned(_))));
                log.reopen();
            }
            append(log.tail(), 1);
            // Done now, unless it was done then.
            log.tail().trim_from(covered, 0).unwrap();
            assert_eq!(log.base(), 512);
            log.reopen();
            check(&log.tail().reader(), 601);
            if cut.is_ok() {
                assert!(at > 3, "a cut has writes, a sync and a rename");
                break;
            }
        }
    }
}
