//! The same log gives the same state: whatever the batching, the restarts, the crashes and the damage.

use std::collections::BTreeMap;
use std::path::Path;

use jindo::fold::rows::Figures;
use jindo::log::entry::{Body, Entry, Verdict};
use jindo::log::tail::{LogReader, Tail};
use jindo::projector::core::Core;
use jindo::projector::halt::Halt;
use jindo::projector::run::{self, Ledger};
use jindo::projector::{Shared, service};
use jindo::publish::ReportState;
use jindo::publish::status::StatusAnswer;
use jindo::serve::live::Live;
use jindo::serve::source::{Ask, Known, Source as _};
use jindo::sign::hex;
use jindo::store;
use serde_json::json;
use tempfile::TempDir;

use crate::history::{Dice, History, Throw, days};
use crate::ledger::{AUTHORITY, STREAM, Signer, TestLedger, copy_folder, word};

fn throws(count: usize, seed: u64) -> Vec<Throw> {
    let mut dice = Dice::new(seed);
    (0..count).map(|_| (dice.draw() as u8, dice.draw() as u32)).collect()
}

/// Figures of all series at random days and sizes: what rows say, beyond the digest.
fn sampled(core: &Core, seed: u64) -> Result<Vec<BTreeMap<String, Figures>>, store::StoreError> {
    let (early, late) = days();
    let view = core.reader().view();
    let mut dice = Dice::new(seed);
    let mut samples = Vec::new();
    for _ in 0..6 {
        let day = early.plus(dice.below((late.number() - early.number()) as usize) as i32);
        let size = dice.below(core.size() as usize + 1) as u64;
        let mut figures = BTreeMap::new();
        for (number, series) in view.series_with_prefix("") {
            figures.insert(series.path.clone(), view.figures_of(number, day, Some(size))?);
        }
        samples.push(figures);
    }
    Ok(samples)
}

fn ledger_in(folder: &Path) -> Ledger {
    Ledger::in_folder(folder, STREAM)
}

fn open(folder: &Path) -> Result<Core, Halt> {
    Core::open(&folder.join("log"), &folder.join("store"), &mut |_, _| {})
}

/// A ledger with a history committed, closed; its digest and samples.
struct Done {
    folder: TempDir,
    digest: [u8; 32],
    samples: Vec<BTreeMap<String, Figures>>,
}

fn done(count: usize) -> Done {
    let mut ledger = TestLedger::new();
    let history = History::play(&mut ledger, &throws(count, 21));
    ledger.commit(&history.messages, 64).unwrap();
    let digest = ledger.core().digest();
    let samples = sampled(ledger.core(), 1).unwrap();
    Done { folder: ledger.into_folder(), digest, samples }
}

/// Between a commit and its showing a reader's rows are ahead of the registry: who is told "recorded" goes on from it.
#[test]
fn a_report_is_told_as_recorded_once_readers_hold_it() {
    let mut ledger = TestLedger::new();
    let shown =
        |ledger: &TestLedger| Shared::new(ledger.core().reader(), ledger.core().log(), ledger.core().registry());
    let before = shown(&ledger);
    let data = json!({ "agency": "spare", "key": Signer::named("another").public() });
    let event = ledger.event(AUTHORITY, "key.added.v1", data, ledger.recorded);
    let message = ledger.message("govern", &[event]);
    assert_eq!(word(&ledger.send(&message)), "accepted");
    let jws = hex::encode(&hex::sha256(&message.headers[1].1));
    let asked = json!({ "sha256": [jws] }).to_string();
    let last = Some(ledger.core().size());
    let told = |shared: &Shared| -> StatusAnswer {
        serde_json::from_slice(&service::status(shared, asked.as_bytes(), last).unwrap()).unwrap()
    };
    let early = told(&before);
    assert_eq!((&early.reports[&jws], early.caught_up), (&ReportState::Unknown, false));
    let then = told(&shown(&ledger));
    assert!(matches!(then.reports[&jws], ReportState::Recorded { .. }) && then.caught_up, "{then:?}");
}

#[test]
fn batching_changes_nothing() {
    let mut outcomes = Vec::new();
    for batch in [1, 97, 5_000] {
        let mut ledger = TestLedger::new();
        let history = History::play(&mut ledger, &throws(500, 21));
        ledger.commit(&history.messages, batch).unwrap();
        let (digest, entries) = (ledger.core().digest(), ledger.entries());
        let samples = sampled(ledger.core(), 3).unwrap();
        ledger.reopen();
        assert_eq!(ledger.core().digest(), digest, "reopened");
        ledger.close();
        std::fs::remove_dir_all(ledger.store_folder()).unwrap();
        ledger.open();
        assert_eq!(ledger.core().digest(), digest, "made anew");
        assert_eq!(sampled(ledger.core(), 3).unwrap(), samples);
        outcomes.push((digest, entries, samples));
    }
    assert!(outcomes.windows(2).all(|pair| pair[0] == pair[1]));
}

/// Rows are read ahead while batches before them wait or are committed; what those change must not be believed.
#[test]
fn rows_read_ahead_change_nothing() {
    let outcome = |ledger: &TestLedger| (ledger.core().digest(), ledger.entries(), sampled(ledger.core(), 3).unwrap());
    let (mut plain, throws) = (TestLedger::new(), throws(700, 23));
    let history = History::play(&mut plain, &throws);
    plain.commit(&history.messages, 64).unwrap();
    let plain = outcome(&plain);
    // As the pipeline has it, and with more commits between than are remembered.
    for (batch, waiting) in [(64, 0), (5, 1), (17, 2), (40, 3), (4, 9)] {
        let mut ledger = TestLedger::new();
        let history = History::play(&mut ledger, &throws);
        ledger.commit_ahead(&history.messages, batch, waiting);
        assert!(outcome(&ledger) == plain, "batches of {batch}, {waiting} waiting");
    }
}

/// Between the append to the tail and the commit of the store, or any number of commits later.
#[test]
fn a_crash_before_the_store_commits_is_made_up_for() {
    let mut ledger = TestLedger::new();
    let history = History::play(&mut ledger, &throws(300, 5));
    let crash = TempDir::new().unwrap();
    for (place, run) in history.messages.chunks(100).enumerate() {
        ledger.close();
        let older = crash.path().join(place.to_string());
        copy_folder(&ledger.store_folder(), &older.join("store"));
        ledger.open();
        ledger.commit(run, 100).unwrap();
    }
    let (digest, samples) = (ledger.core().digest(), sampled(ledger.core(), 2).unwrap());
    for place in 0..3 {
        let older = crash.path().join(place.to_string());
        copy_folder(&ledger.log_folder(), &older.join("log"));
        let core = open(&older).unwrap();
        assert_eq!(core.digest(), digest, "{place}");
        assert_eq!(sampled(&core, 2).unwrap(), samples, "{place}");
    }
}

/// A store that is ahead of the log belongs to another log: it is set aside.
#[test]
fn a_store_ahead_of_the_log_is_set_aside() {
    let mut ledger = TestLedger::new();
    let digest = ledger.core().digest();
    let older = TempDir::new().unwrap();
    copy_folder(&ledger.log_folder(), &older.path().join("log"));
    let history = History::play(&mut ledger, &throws(20, 5));
    ledger.commit(&history.messages, 20).unwrap();
    ledger.close();
    copy_folder(&ledger.store_folder(), &older.path().join("store"));
    assert!(open(older.path()).err().is_some_and(|halt| halt.is_doubt()));
    let core = run::open(&ledger_in(older.path()), &mut |_, _| {}).unwrap();
    assert_eq!(core.digest(), digest);
    assert!(older.path().join("store.doubt-1").exists());
}

fn files(folder: &Path, found: &mut Vec<std::path::PathBuf>) {
    for item in std::fs::read_dir(folder).unwrap() {
        let path = item.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else if std::fs::metadata(&path).unwrap().len() > 0 {
            found.push(path);
        }
    }
    found.sort();
}

/// Overwrites, cuts or removes something in a store's files.
fn damage(store: &Path, dice: &mut Dice) -> String {
    let mut found = Vec::new();
    files(store, &mut found);
    let path = dice.of(&found).clone();
    let mut bytes = std::fs::read(&path).unwrap();
    let place = dice.below(bytes.len());
    let what = match dice.below(8) {
        0 => {
            std::fs::remove_file(&path).unwrap();
            return format!("{} removed", path.display());
        }
        1 => {
            bytes.truncate(place);
            "cut"
        }
        2 => {
            let end = bytes.len().min(place + 4_096);
            bytes[place..end].fill(0);
            "zeroed"
        }
        _ => {
            for _ in 0..1 + dice.below(16) {
                let place = dice.below(bytes.len());
                bytes[place] ^= 1 << dice.below(8);
            }
            "flipped"
        }
    };
    std::fs::write(&path, bytes).unwrap();
    format!("{} {what} at {place}", path.display())
}

#[test]
fn a_damaged_store_heals() {
    let done = done(400);
    let mut dice = Dice::new(9);
    let mut rebuilt = 0;
    for round in 0..24 {
        let copy = TempDir::new().unwrap();
        copy_folder(done.folder.path(), copy.path());
        let mut told = Vec::new();
        for _ in 0..1 + dice.below(4) {
            told.push(damage(&copy.path().join("store"), &mut dice));
        }
        let ledger = ledger_in(copy.path());
        let mut core = run::open(&ledger, &mut |_, _| {}).unwrap_or_else(|halt| panic!("{round}: {told:?}: {halt}"));
        assert_eq!(core.digest(), done.digest, "{round}: {told:?}");
        // Damage that opening does not read is a doubt when it is read: never another figure.
        let samples = match sampled(&core, 1) {
            Ok(samples) => samples,
            Err(_) => {
                drop(core);
                store::set_aside(&ledger.store).unwrap();
                core = run::open(&ledger, &mut |_, _| {}).unwrap();
                sampled(&core, 1).unwrap()
            }
        };
        assert_eq!(samples, done.samples, "{round}: {told:?}");
        assert_eq!(core.digest(), done.digest, "{round}: {told:?}");
        rebuilt += usize::from(copy.path().join("store.doubt-1").exists());
    }
    assert!(rebuilt > 4, "the damage was noticed {rebuilt} times");
}

/// A log with some entries changed by `change`, and no store.
fn altered(folder: &Path, change: impl Fn(&mut Entry)) -> TempDir {
    let copy = TempDir::new().unwrap();
    let (mut tail, _) = Tail::open(&copy.path().join("log")).unwrap();
    let log = LogReader::open(&folder.join("log")).unwrap();
    let (mut entries, mut recorded) = (Vec::new(), Vec::new());
    for item in log.iter(0) {
        let mut entry = Entry::parse(&item.unwrap().1).unwrap();
        change(&mut entry);
        recorded.push(entry.recorded);
        entries.push(entry.encode());
    }
    tail.append(&entries, &recorded).unwrap();
    copy
}

#[test]
fn the_log_proves_the_figures() {
    let mut outcomes = Vec::new();
    for batch in [97, 5_000] {
        let mut ledger = TestLedger::new();
        let history = History::play(&mut ledger, &throws(200, 21));
        ledger.commit(&history.messages, batch).unwrap();
        let filler: Vec<_> = (ledger.core().size()..4_110).map(|_| ledger.arrival(b"x", &[], b"")).collect();
        ledger.commit(&filler, batch).unwrap();
        outcomes.push((ledger.core().digest(), ledger.entries()));
        if outcomes.len() < 2 {
            continue;
        }
        let folder = ledger.into_folder();
        check_state(folder.path());
    }
    assert!(outcomes[0] == outcomes[1]);
}

fn check_state(folder: &Path) {
    let log = LogReader::open(&folder.join("log")).unwrap();
    let with: Vec<u64> = log
        .iter(0)
        .map(|item| Entry::parse(&item.unwrap().1).unwrap())
        .filter(|entry| entry.state.is_some())
        .map(|entry| entry.index)
        .collect();
    assert_eq!(with, [4_096]);
    assert!(open(altered(folder, |_| {}).path()).is_ok());
    let halt = |change: &dyn Fn(&mut Entry)| open(altered(folder, change).path()).err().expect("halts");
    let other = halt(&|entry| {
        if let Some(state) = &mut entry.state {
            state[0] ^= 1;
        }
    });
    assert!(matches!(other, Halt::StateDiffers { index: 4_096 }), "{other}");
    // One report's verdict is turned round: everything after it is read, until the figures do not fit.
    let reports =
        |entry: &Entry| entry.subject.text().is_some_and(|text| text == "ledger.report.keco.charger.installed.v1");
    let last = log.iter(0).map(|item| Entry::parse(&item.unwrap().1).unwrap());
    let chosen = last
        .filter(|entry| reports(entry) && entry.ruling.as_ref().unwrap().verdict == Verdict::Accepted)
        .last()
        .unwrap()
        .index;
    let other = halt(&|entry| {
        if entry.index == chosen {
            entry.ruling.as_mut().unwrap().verdict = Verdict::Refused("data-invalid".to_owned());
            entry.ruling.as_mut().unwrap().marks.clear();
        }
    });
    assert!(matches!(other, Halt::StateDiffers { .. } | Halt::VerdictDiffers { .. }), "{other}");
    // Another body under the same signature.
    let other = halt(&|entry| {
        if let (true, Body::Bytes(bytes)) = (entry.index == chosen, &entry.body) {
            entry.body = Body::Bytes([bytes, b" ".as_slice()].concat().into());
        }
    });
    assert!(matches!(other, Halt::VerdictDiffers { index, .. } if index == chosen), "{other}");
}

/// Between a commit and its showing figures are those of the size they name, with the registry of that size: once they were read
/// one commit ahead of it, and the same address said something else afterwards.
#[test]
fn figures_and_registry_are_of_one_commit() {
    let mut ledger = TestLedger::new();
    let shown =
        |ledger: &TestLedger| Shared::new(ledger.core().reader(), ledger.core().log(), ledger.core().registry());
    let (before, size) = (shown(&ledger), ledger.core().size());
    ledger.accept(
        "keco",
        "charger.installed.v1",
        json!({"region": "11", "class": "fast", "count": 3}),
        ledger.recorded,
    );
    let ask = |known_at| Ask { as_of: Some(days().1), known_at };
    let told = |shared: &Shared, known_at| Live::new(shared.clone(), false).indicators(ask(known_at)).unwrap();
    let early = told(&before, None);
    assert_eq!(early.size, size);
    let mut then = told(&shown(&ledger), Some(Known::Size(size)));
    then.proven_size = early.proven_size;
    assert_eq!(then, early, "what was shown is shown again");
    assert_eq!(told(&shown(&ledger), None).size, size + 1);
    assert!(Live::new(before, false).indicators(ask(Some(Known::Size(size + 1)))).is_err(), "not shown yet");
}
