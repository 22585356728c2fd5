//! `jindo audit` against an operator who holds the log's key but no agency's: whatever was seen by an honest agency cannot
//! change unnoticed; what lies above needs a checkpoint kept from earlier. And against damage, byte by byte.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jindo::audit::report::Report;
use jindo::audit::{AuditFault, Options, run};
use jindo::event::Time;
use jindo::log::checkpoint::Checkpoint;
use jindo::log::disk::Files;
use jindo::log::entry::{Entry, Kept, Ruling, Verdict};
use jindo::log::folder::LogFolder;
use jindo::log::keyring::LogKeys;
use jindo::log::publish::{Cosigners, Nobody, Publisher};
use jindo::log::tail::{LogReader, Tail};
use jindo::sign::{Seen, hex};
use rayon::prelude::*;
use serde_json::json;
use tempfile::TempDir;

use crate::e2e_rebuild::files;
use crate::gocheck::Alone;
use crate::ledger::{ORIGIN, Signer, TestLedger, copy_folder, noon};

/// Publishes a checkpoint over everything in the tail.
pub fn publish(log: &Path, fence: &mut Alone, now: Time) -> Checkpoint {
    publish_with(log, fence, &mut Nobody, now)
}

/// The same with cosignatures.
pub fn publish_with(log: &Path, fence: &mut Alone, cosigners: &mut dyn Cosigners, now: Time) -> Checkpoint {
    let tail = LogReader::open(log).unwrap();
    let key = Arc::new(Signer::named("log").pair());
    let mut publisher = Publisher::open(
        LogFolder::new(log),
        Box::new(Files),
        LogKeys::of_pair(ORIGIN, &key).unwrap(),
        vec![key],
        &tail,
    )
    .unwrap();
    let mut last = None;
    while publisher.is_due(tail.size()) {
        last = publisher.beat(&tail, u64::MAX, fence, cosigners, now).unwrap().or(last);
    }
    last.unwrap()
}

/// An honest log: ten reports, a checkpoint, five more, one of `kiat` that has seen it, ten more, a checkpoint.
pub struct Honest {
    pub dir: TempDir,
    pub genesis: [u8; 32],
    /// What `kiat` saw.
    pub seen: u64,
    pub size: u64,
    /// The newest signed checkpoint, as an auditor would keep it.
    pub kept: String,
    /// Every key, with its place in its chain.
    pub signers: BTreeMap<String, Signer>,
}

pub fn charger(ledger: &mut TestLedger, agency: &str, number: u64) {
    let data = json!({"region": "11", "class": "fast", "count": number});
    ledger.accept(agency, "charger.installed.v1", data, noon("2026-03-02"));
}

pub fn honest() -> Honest {
    honest_with(|_| {})
}

/// The same, and more before its last five reports.
pub fn honest_with(more: impl Fn(&mut TestLedger)) -> Honest {
    let mut ledger = TestLedger::new();
    let mut fence = Alone::default();
    for number in 1..=10 {
        charger(&mut ledger, "keco", number);
    }
    ledger.close();
    let log = ledger.log_folder();
    let seen = publish(&log, &mut fence, ledger.recorded).head;
    ledger.open();
    for number in 1..=5 {
        charger(&mut ledger, "keco", 50 + number);
    }
    ledger.seen = Some(Seen { size: seen.size, root: seen.root });
    ledger.report(
        "kiat",
        "charger.installed.v1",
        json!({"region": "11", "class": "fast", "count": 1}),
        noon("2026-03-03"),
    );
    ledger.seen = None;
    for number in 1..=10 {
        if number == 6 {
            more(&mut ledger);
        }
        charger(&mut ledger, "keco", 100 + number);
    }
    ledger.close();
    let size = publish(&log, &mut fence, ledger.recorded).head.size;
    let genesis = hex::sha256(&LogReader::open(&log).unwrap().read(0).unwrap());
    let kept = LogFolder::new(&log).checkpoint().unwrap().unwrap();
    let signers = ledger.signers.clone();
    Honest { dir: ledger.into_folder(), genesis, seen: seen.size, size, kept, signers }
}

pub fn options(log: PathBuf, genesis: [u8; 32]) -> Options {
    Options { log, genesis: Some(genesis), signatures: true, ..Options::default() }
}

pub fn audit(options: &Options) -> Report {
    run(options, &mut |_, _| {}).unwrap()
}

pub fn codes(report: &Report) -> Vec<&'static str> {
    report.found.keys().copied().collect()
}

pub fn entries(log: &Path) -> Vec<Entry> {
    LogReader::open(log).unwrap().iter(0).map(|item| Entry::parse(&item.unwrap().1).unwrap()).collect()
}

/// The operator writes the log anew from entries, numbers them, and signs it.
pub fn forge(entries: Vec<Entry>) -> TempDir {
    let dir = TempDir::new().unwrap();
    let (mut tail, _) = Tail::open(dir.path()).unwrap();
    let mut now = Time::from_ns(0);
    for (entry, index) in entries.into_iter().zip(0..) {
        let entry = Entry { index, sequence: index + 1, ..entry };
        now = now.max(entry.recorded);
        tail.append(&[entry.encode()], &[entry.recorded]).unwrap();
    }
    drop(tail);
    publish(dir.path(), &mut Alone::default(), now);
    dir
}

/// Found by a newcomer: the sample drew registrations of schemas and regions, which nobody can inspect on site.
#[test]
fn the_sample_is_of_reports() {
    let honest = honest();
    let mut options = options(honest.dir.path().join("log"), honest.genesis);
    options.signatures = false;
    options.sample = Some((1_000, "abc".to_owned()));
    let sample = audit(&options).sample;
    assert_eq!(sample.len(), 26, "every report of the log, and nothing else");
    assert!(sample.iter().all(|drawn| drawn.kind == "charger.installed.v1"), "{sample:?}");
    options.sample = Some((3, "abc".to_owned()));
    let drawn = audit(&options).sample;
    assert_eq!(drawn.len(), 3);
    assert!(drawn.iter().all(|drawn| sample.iter().any(|one| one.index == drawn.index)));
}

#[test]
fn an_honest_log_holds() {
    let honest = honest();
    let mut options = options(honest.dir.path().join("log"), honest.genesis);
    options.since = vec![("kept".to_owned(), honest.kept.clone())];
    options.sample = Some((5, "2026".to_owned()));
    let report = audit(&options);
    assert_eq!(report.findings, []);
    assert!(report.holds() && report.genesis_confirmed && report.origin == ORIGIN);
    assert_eq!((report.size, report.unproven, report.held_since), (honest.size, 0, Some(honest.size)));
    assert_eq!((report.seen, report.seen_size, report.signatures), (1, honest.seen, honest.size));
    assert_eq!(report.agencies["keco"].events, 25);
    assert_eq!(report.sample.len(), 5);
    assert_eq!(audit(&options).sample.iter().map(|one| one.index).collect::<Vec<_>>(), {
        report.sample.iter().map(|one| one.index).collect::<Vec<_>>()
    });
}

/// What the operator does, where, what the audit says, and the entry it names.
pub type Attack<'a> = (&'a str, Box<dyn Fn(&mut Vec<Entry>) + 'a>, &'a str);

#[test]
fn an_operator_with_the_logs_key_is_found_below_what_an_agency_saw() {
    let honest = honest();
    let (seen, log) = (honest.seen as usize, honest.dir.path().join("log"));
    let back = |entry: &mut Entry| entry.recorded = entry.recorded.plus_ns(-500_000_000);
    let refuse = |entry: &mut Entry| {
        entry.ruling = Some(Ruling::new(Verdict::Refused("data-invalid".to_owned()), Vec::new(), None));
    };
    let attacks: Vec<Attack<'_>> = vec![
        ("drops a report", Box::new(|all| drop(all.remove(seen - 3))), "seen-differs"),
        ("inserts a copy", Box::new(|all| all.insert(seen - 3, all[seen - 4].clone())), "seen-differs"),
        ("swaps two", Box::new(|all| all.swap(seen - 3, seen - 4)), "seen-differs"),
        ("back-dates", Box::new(|all| back(&mut all[seen - 3])), "seen-differs"),
        ("refuses what was accepted", Box::new(|all| refuse(&mut all[seen - 3])), "verdict-differs"),
        ("refuses, above what was seen", Box::new(|all| refuse(&mut all[seen + 8])), "verdict-differs"),
        ("moves what has seen before what it saw", Box::new(|all| all.swap(seen + 5, seen - 5)), "seen-later"),
        ("names another stream", Box::new(|all| all[seen + 7].stream = "LEDGER_2".to_owned()), "stream-wrong"),
        (
            "invents a recovery",
            Box::new(|all| all[seen + 8].recovered = Some(("LEDGER_1".to_owned(), 57, all[seen].recorded))),
            "recovered-wrong",
        ),
        (
            "back-dates by an hour, above",
            Box::new(|all| all[seen + 8].recorded = all[seen].recorded.plus_ns(-3_600_000_000_000)),
            "recorded-back",
        ),
    ];
    for (what, attack, code) in attacks {
        let mut all = entries(&log);
        attack(&mut all);
        let forged = forge(all);
        let report = audit(&options(forged.path().to_owned(), honest.genesis));
        assert!(codes(&report).contains(&code), "{what}: {:?}", report.findings);
        assert!(report.first_wrong().is_some(), "{what}");
    }
}

#[test]
fn above_what_was_seen_a_kept_checkpoint_is_needed() {
    let honest = honest();
    let log = honest.dir.path().join("log");
    let mut all = entries(&log);
    all.pop();
    let forged = forge(all);
    let mut options = options(forged.path().to_owned(), honest.genesis);
    let alone = audit(&options);
    assert!(
        alone.holds() && alone.seen_size == honest.seen,
        "the verdict says how far it is proven: {:?}",
        alone.findings
    );
    options.since = vec![("kept".to_owned(), honest.kept.clone())];
    assert_eq!(codes(&audit(&options)), ["log-cut"]);
    // Cut and filled up again.
    let mut all = entries(&log);
    let last = all.len() - 1;
    all[last] = all[last - 1].clone();
    let forged = forge(all);
    options.log = forged.path().to_owned();
    assert!(codes(&audit(&options)).contains(&"since-differs"));
}

/// Found on reading: a kill between history and checkpoint, or in the middle of a write, made an honest log look cut.
#[test]
fn what_a_crash_leaves_is_no_finding() {
    let honest = honest();
    let log = honest.dir.path().join("log");
    let folder = LogFolder::new(&log);
    let notes: Vec<String> =
        folder.history_days().unwrap().into_iter().flat_map(|day| folder.history(day).unwrap().0).collect();
    assert_eq!(notes.last(), Some(&honest.kept));
    std::fs::write(log.join("checkpoint"), &notes[notes.len() - 2]).unwrap();
    for name in ["checkpoint.new", "tail.new", "tile/0/000.p/99.new", "tile/entries/001.new"] {
        std::fs::write(log.join(name), "half a wri").unwrap();
    }
    let mut options = options(log.clone(), honest.genesis);
    let report = audit(&options);
    assert_eq!(report.findings, []);
    assert_eq!((report.size, report.size + report.unproven), (honest.seen, honest.size));
    // Any other file is one, and so is a history ahead of tiles that do not lead to its root.
    std::fs::write(log.join("notes.txt"), "x").unwrap();
    assert_eq!(codes(&audit(&options)), ["file-unknown"]);
    let mut all = entries(&log);
    all.pop();
    let forged = forge(all);
    let day = LogFolder::new(forged.path()).history_days().unwrap()[0];
    let path = LogFolder::new(forged.path()).history_path(day);
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, format!("{text}{}\n", honest.kept)).unwrap();
    options.log = forged.path().to_owned();
    assert_eq!(codes(&audit(&options)), ["log-cut"]);
}

#[test]
fn forged_reports_do_not_count() {
    let honest = honest();
    let log = honest.dir.path().join("log");
    let accepted = |entry: &mut Entry| entry.ruling = Some(Ruling::new(Verdict::Accepted, Vec::new(), None));
    // A report signed for another ledger, by a key this one knows; and one by a key it does not.
    let mut other = TestLedger::new();
    let stranger = Signer::named("stranger");
    for foreign in [true, false] {
        let mut signer = if foreign { other.signers["keco"].clone() } else { stranger.clone() };
        let mut all = entries(&log);
        let mut entry = all.last().unwrap().clone();
        let (subject, body) = (entry.subject.text().unwrap().to_owned(), entry.body.bytes().unwrap().clone());
        let content_type = entry.content_type.as_ref().and_then(Kept::text).unwrap().to_owned();
        let mut claims = signer.claims(&subject, &content_type, &body, entry.recorded);
        if foreign {
            claims.aud = "another.example/ledger".to_owned();
        }
        entry.signature = Some(Kept::Text(signer.sign(&claims)));
        accepted(&mut entry);
        all.push(entry);
        let forged = forge(all);
        let report = audit(&options(forged.path().to_owned(), honest.genesis));
        let told = report.findings.iter().find(|finding| finding.code == "verdict-differs").unwrap();
        let expected = if foreign { "claims-origin" } else { "key-unknown" };
        assert!(told.expected.as_deref().unwrap().contains(expected), "{told:?}");
        assert_eq!((told.index, told.agency.as_deref()), (Some(honest.size), Some("keco")));
    }
    other.close();
}

#[test]
fn another_log_is_not_this_one() {
    let honest = honest();
    let report = audit(&options(honest.dir.path().join("log"), [7; 32]));
    assert_eq!(codes(&report), ["genesis-differs"]);
    let empty = TempDir::new().unwrap();
    let fault = run(&options(empty.path().to_owned(), [7; 32]), &mut |_, _| {}).unwrap_err();
    assert!(matches!(fault, AuditFault::NoCheckpoint(_)), "{fault}");
}

/// Bytes of which one in so many is flipped; `JINDO_FLIP_EVERY=1` flips each.
fn flip_every() -> usize {
    std::env::var("JINDO_FLIP_EVERY").map_or(10_007, |text| text.parse().unwrap())
}

#[test]
fn a_flipped_byte_anywhere_is_found() {
    let honest = honest();
    let log = honest.dir.path().join("log");
    let every = flip_every();
    let mut flips = Vec::new();
    for path in files(&log) {
        let length = std::fs::metadata(&path).unwrap().len() as usize;
        let small = length < 2_000;
        flips.extend((0..length).step_by(if small { every.min(29) } else { every }).map(|at| (path.clone(), at)));
    }
    let unseen: Vec<String> = flips
        .par_chunks(64)
        .flat_map_iter(|run_of| {
            // Each thread has a copy of its own.
            let copy = TempDir::new().unwrap();
            copy_folder(&log, copy.path());
            let mut unseen = Vec::new();
            for (path, at) in run_of {
                let name = path.strip_prefix(&log).unwrap();
                let target = copy.path().join(name);
                let good = std::fs::read(&target).unwrap();
                let mut bad = good.clone();
                bad[*at] ^= 0x01;
                std::fs::write(&target, &bad).unwrap();
                // What cannot be checked at all is told as that, with exit 2.
                let found = run(&options(copy.path().to_owned(), honest.genesis), &mut |_, _| {});
                if found.is_ok_and(|report| report.holds()) {
                    unseen.push(format!("{} byte {at}", name.display()));
                }
                std::fs::write(&target, &good).unwrap();
            }
            unseen
        })
        .collect();
    assert_eq!(unseen, Vec::<String>::new(), "of {} flips", flips.len());
}
