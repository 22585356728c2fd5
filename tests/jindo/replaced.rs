//! Read models that others follow: who reads from them ends there, and the log keeps its one writer.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use jindo::log::tail::{Tail, TailFault};
use jindo::projector::core::Core;
use jindo::projector::rebuild::{Ask, Ended, Rebuild};
use tempfile::TempDir;
use tokio::sync::oneshot;

use crate::history::{Dice, History, Throw, days};
use crate::ledger::TestLedger;

fn played(count: usize) -> TempDir {
    let mut ledger = TestLedger::new();
    let mut dice = Dice::new(3);
    let throws: Vec<Throw> = (0..count).map(|_| (dice.draw() as u8, dice.draw() as u32)).collect();
    let history = History::play(&mut ledger, &throws);
    ledger.commit(&history.messages, 64).unwrap();
    ledger.into_folder()
}

fn open(folder: &TempDir) -> Core {
    Core::open(&folder.path().join("log"), &folder.path().join("store"), &mut |_, _| {}).unwrap()
}

fn folded(mut rebuild: Rebuild) -> Ended {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        rebuild = match rebuild.ready() {
            Ok(ended) => return ended,
            Err(under_way) => under_way,
        };
        assert!(Instant::now() < deadline, "the log is not folded");
        std::thread::yield_now();
    }
}

/// Once the replaced store was closed at once: a request that had begun was told that the ledger cannot be read, and the new
/// store was thrown away for it.
#[test]
fn who_reads_from_a_replaced_store_ends_there() {
    let folder = played(60);
    let mut core = open(&folder);
    let store = folder.path().join("store");
    let (reply, mut told) = oneshot::channel();
    let rebuild = Rebuild::start(Ask { switch: true, reply }, store.clone(), core.log()).unwrap();
    let ended = folded(rebuild);
    let (reader, view, size) = (core.reader(), core.reader().view(), core.size());
    let rows = reader.governance_until(size).unwrap();
    let (day, _) = days();
    let numbers: Vec<_> = view.series_with_prefix("").iter().map(|(number, _)| *number).collect();
    let figures = || numbers.iter().map(|number| view.figures_of(*number, day, Some(size / 2)).unwrap()).collect();
    let before: Vec<_> = figures();

    let retired = ended.take_over(&mut core, &mut |_| {}).unwrap().unwrap();
    assert_eq!(told.try_recv().unwrap().unwrap().equal, Some(true));
    assert_eq!(reader.governance_until(size).unwrap(), rows);
    assert_eq!(figures(), before);
    assert!(retired.is_read() && retired.path().exists() && store.exists());
    drop(reader);
    assert!(retired.is_read());
    drop(view);
    assert!(!retired.is_read());
    let aside = retired.path().to_owned();
    drop(retired);
    assert!(!aside.exists() && store.exists());
    assert_eq!(core.reader().governance_until(size).unwrap(), rows);
}

/// Once a store in doubt was closed together with the log: another process could take its place as the writer.
#[test]
fn a_store_folded_anew_leaves_the_log_locked() {
    let folder = played(60);
    let core = open(&folder);
    let (log, store) = (folder.path().join("log"), folder.path().join("store"));
    let (digest, size) = (core.digest(), core.size());
    let done = AtomicBool::new(false);
    let core = std::thread::scope(|scope| {
        let other = scope.spawn(|| {
            let mut tries = 0;
            while !done.load(Ordering::Acquire) {
                assert!(matches!(Tail::open(&log), Err(TailFault::Locked(_))));
                tries += 1;
            }
            tries
        });
        let core = core.anew(&store, 16).unwrap();
        done.store(true, Ordering::Release);
        assert!(other.join().unwrap() > 0);
        core
    });
    assert_eq!((core.digest(), core.size()), (digest, size));
    assert!(folder.path().join("store.doubt-1").exists());
}
