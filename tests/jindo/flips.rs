//! Flipped bytes are caught and named: every byte of every file of a small log, one audit each; and two thousand bytes drawn
//! from a log of a hundred thousand entries, many in one audit.
//!
//! Many at once prove the same as each by itself, where none hides another: an entry is held against its own hash in its
//! tile, and a tile against the entries below it. So one round flips entries alone, each in another entry; one flips tiles of
//! the lowest level alone, each another tile; one what those two rest on. Each flip must be named by itself, and nothing
//! else may be. Signatures are not verified there: a flip changes a hash, and hashes come first on the same road.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use jindo::audit::report::Report;
use jindo::audit::{Options, run};
use jindo::log::tail::{LogReader, Tail};
use jindo::log::tile::{Tile, TileKind};
use jindo::sign::hex;
use rayon::prelude::*;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::audit::publish;
use crate::e2e_rebuild::files;
use crate::gocheck::Alone;
use crate::ledger::{ORIGIN, Signer, TestLedger, copy_folder, noon};

const ENTRIES: u64 = 100_000;
const SAMPLES: usize = 2_000;

fn chargers(ledger: &mut TestLedger, number: u64) -> jindo::log::Arrival {
    let data = json!({"region": "11", "class": "fast", "count": 1 + number % 9});
    let event = ledger.event("keco", "charger.installed.v1", data, noon("2026-03-02"));
    ledger.message("report", &[event])
}

/// A few entries, accepted and refused, under two checkpoints, one entry in none yet.
fn small() -> TempDir {
    let mut ledger = TestLedger::empty();
    let mut fence = Alone::default();
    let text = |text: &str| json!({"ko": text, "en": text});
    let agency = |ledger: &TestLedger, code: &str, role: &str| -> Value {
        json!({"code": code, "name": text(code), "role": role, "keys": [ledger.signers[code].public()]})
    };
    let vkey = jindo::projector::bootstrap::vkey(ORIGIN, &Signer::named("log").pair());
    let authority = agency(&ledger, "motie", "authority");
    let created = json!({"origin": ORIGIN, "log_key": vkey, "authorities": [authority], "rules": 1});
    assert_eq!(crate::ledger::word(&ledger.govern("ledger.created.v1", created)), "accepted");
    ledger.close();
    publish(&ledger.log_folder(), &mut fence, ledger.recorded);
    ledger.open();
    let refused = chargers(&mut ledger, 1);
    ledger.send(&refused);
    ledger.close();
    publish(&ledger.log_folder(), &mut fence, ledger.recorded);
    ledger.open();
    let waits = ledger.arrival(b"ledger.report.keco.x", &[], b"{}");
    ledger.send(&waits);
    ledger.into_folder()
}

/// Where the machine has memory for files: thousands of audits each make read models.
fn scratch() -> Option<PathBuf> {
    Some(PathBuf::from("/dev/shm")).filter(|dir| tempfile::tempdir_in(dir).is_ok())
}

fn options(log: &Path, genesis: [u8; 32]) -> Options {
    Options {
        log: log.to_owned(),
        genesis: Some(genesis),
        findings: Some(SAMPLES as u64 * 4),
        scratch: scratch(),
        ..Options::default()
    }
}

fn genesis(log: &Path) -> [u8; 32] {
    hex::sha256(&LogReader::open(log).unwrap().read(0).unwrap())
}

fn flip(path: &Path, at: usize) {
    let mut bytes = std::fs::read(path).unwrap();
    bytes[at] ^= 1;
    std::fs::write(path, bytes).unwrap();
}

/// Entries of a bundle or the tail, and hashes of the newest tile, which none above decides about, may be named by the
/// index as well as by the file.
fn names(report: &Report, file: &str) -> bool {
    let holds_entries = file.starts_with("tile/") || file == "tail";
    report.findings.iter().any(|finding| {
        finding.file.as_deref().is_some_and(|named| named == file || file == format!("history/{named}"))
            || (holds_entries && finding.index.is_some())
    })
}

#[test]
fn every_byte_of_a_small_log_is_caught_and_named() {
    let folder = small();
    let log = folder.path().join("log");
    let genesis = genesis(&log);
    let sound = run(&Options { signatures: true, ..options(&log, genesis) }, &mut |_, _| {}).unwrap();
    assert_eq!((sound.findings.as_slice(), sound.size, sound.unproven), ([].as_slice(), 2, 1));
    let mut flips = Vec::new();
    for path in files(&log) {
        let length = std::fs::metadata(&path).unwrap().len() as usize;
        let name = path.strip_prefix(&log).unwrap().to_str().unwrap().to_owned();
        flips.extend((0..length).map(|at| (name.clone(), at)));
    }
    let unnamed: Vec<String> = flips
        .par_chunks(256)
        .flat_map_iter(|part| {
            let copy = tempfile::tempdir_in(scratch().unwrap_or_else(std::env::temp_dir)).unwrap();
            copy_folder(&log, copy.path());
            let mut unnamed = Vec::new();
            for (name, at) in part {
                let path = copy.path().join(name);
                flip(&path, *at);
                let wrong = match run(&Options { signatures: true, ..options(copy.path(), genesis) }, &mut |_, _| {}) {
                    Ok(report) if names(&report, name) => None,
                    Ok(report) => Some(format!("{:?}", report.findings)),
                    // It cannot be checked at all: then this says why, on what.
                    Err(fault) => {
                        let told = fault.to_string();
                        let named =
                            told.contains(name) || (name.starts_with("tile/entries/") && told.contains("entry 0"));
                        (!named && name != "checkpoint").then_some(told)
                    }
                };
                unnamed.extend(wrong.map(|why| format!("{name} byte {at}: {why}")));
                flip(&path, *at);
            }
            unnamed
        })
        .collect();
    assert_eq!(unnamed, Vec::<String>::new(), "of {} flips", flips.len());
    assert!(flips.len() > 4_000, "{} bytes", flips.len());
    eprintln!("{} bytes flipped, one by one", flips.len());
}

/// One in twenty is a signed report that counts; the others are messages of strangers, recorded and refused.
fn large() -> TempDir {
    let mut ledger = TestLedger::new();
    let founded = ledger.core().size();
    for part in (founded..ENTRIES).collect::<Vec<_>>().chunks(5_000) {
        let messages: Vec<_> = part
            .iter()
            .map(|number| match number % 20 {
                0 => chargers(&mut ledger, *number),
                _ => {
                    let body = format!("{{\"count\":{number:0150}}}");
                    ledger.arrival(b"ledger.report.keco.charger.installed.v1", &[], body.as_bytes())
                }
            })
            .collect();
        ledger.commit(&messages, 2_500).unwrap();
    }
    ledger.close();
    publish(&ledger.log_folder(), &mut Alone::default(), ledger.recorded);
    // Published entries leave the tail, as they do while a ledger runs.
    let (mut tail, _) = Tail::open(&ledger.log_folder()).unwrap();
    assert!(tail.trim(ENTRIES).unwrap());
    drop(tail);
    ledger.into_folder()
}

/// Numbers that are the same in every run.
struct Draw(u64);

impl Draw {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 16) % limit
    }
}

/// Flips, by the round they belong to: in entries, by index; in tiles of the lowest level; in what those rest on.
#[derive(Default)]
struct Rounds {
    entries: BTreeMap<u64, (PathBuf, usize)>,
    tiles: BTreeMap<PathBuf, usize>,
    rest: BTreeMap<PathBuf, usize>,
    count: usize,
}

impl Rounds {
    /// Takes a flip, unless the round has one of that entry or file.
    fn take(&mut self, log: &Path, name: &str, at: usize) {
        let path = PathBuf::from(name);
        let tile = Tile::parse(name);
        let fresh = match tile.map(|tile| tile.kind) {
            Some(TileKind::Entries) => match entry_at(log, tile.unwrap(), at) {
                Some(index) => self.entries.insert(index, (path, at)).is_none(),
                None => self.rest.insert(path, at).is_none(),
            },
            Some(TileKind::Hashes(0)) => self.tiles.insert(path, at).is_none(),
            _ => self.rest.insert(path, at).is_none(),
        };
        self.count += usize::from(fresh);
    }
}

/// The entry a byte of a bundle belongs to; `None` for one of a length.
fn entry_at(log: &Path, tile: Tile, at: usize) -> Option<u64> {
    let bytes = std::fs::read(log.join(tile.to_string())).unwrap();
    let (mut start, mut index) = (0, tile.index * 256);
    loop {
        let length = usize::from(u16::from_be_bytes([bytes[start], bytes[start + 1]]));
        if at < start + 2 {
            return None;
        }
        if at < start + 2 + length {
            return Some(index);
        }
        (start, index) = (start + 2 + length, index + 1);
    }
}

fn drawn(log: &Path) -> Rounds {
    let mut all = Vec::new();
    let mut total = 0;
    // The tail and its index are no part of what is published; the small log has them.
    for path in files(log) {
        let name = path.strip_prefix(log).unwrap().to_str().unwrap().to_owned();
        if name.starts_with("tile/") {
            total += std::fs::metadata(&path).unwrap().len();
            all.push((total, name));
        }
    }
    let (mut rounds, mut draw) = (Rounds::default(), Draw(2_026));
    while rounds.count < SAMPLES {
        let byte = draw.below(total);
        let place = all.partition_point(|(end, _)| *end <= byte);
        let start = if place == 0 { 0 } else { all[place - 1].0 };
        rounds.take(log, &all[place].1, (byte - start) as usize);
    }
    // Files so small that none of their bytes may have been drawn.
    for name in ["tile/1/000", "tile/1/001.p/134", "tile/2/000.p/1"] {
        let length = std::fs::metadata(log.join(name)).unwrap().len();
        rounds.take(log, name, draw.below(length) as usize);
    }
    rounds
}

fn audited(log: &Path, genesis: [u8; 32], flips: impl Iterator<Item = (PathBuf, usize)>) -> Report {
    let flips: Vec<_> = flips.collect();
    flips.iter().for_each(|(path, at)| flip(&log.join(path), *at));
    let report = run(&options(log, genesis), &mut |_, _| {}).unwrap();
    flips.iter().for_each(|(path, at)| flip(&log.join(path), *at));
    report
}

fn files_named(report: &Report) -> BTreeSet<PathBuf> {
    report.findings.iter().filter_map(|finding| finding.file.clone()).map(PathBuf::from).collect()
}

#[test]
fn two_thousand_bytes_of_a_large_log_are_caught_and_named() {
    let began = std::time::Instant::now();
    let folder = large();
    let log = folder.path().join("log");
    let genesis = genesis(&log);
    eprintln!("a log of {ENTRIES} entries after {:?}", began.elapsed());
    let Rounds { entries, tiles, rest, count } = drawn(&log);
    assert!(count >= SAMPLES && entries.len() > 1_500 && tiles.len() > 50 && rest.len() > 3);

    let report = audited(&log, genesis, entries.values().cloned());
    let altered = report.findings.iter().filter(|finding| finding.code == "entry-altered");
    let altered: BTreeSet<u64> = altered.filter_map(|finding| finding.index).collect();
    assert_eq!(altered, entries.keys().copied().collect(), "exactly the entries that were flipped");
    eprintln!("{} entries after {:?}", entries.len(), began.elapsed());

    let report = audited(&log, genesis, tiles.clone().into_iter());
    let mut named = files_named(&report);
    // The last tile has none above it to decide between it and its bundle: the entry is named, and everything signed over it.
    let last = Path::new("tile/0/390.p/160");
    let index = report.findings.iter().filter_map(|finding| finding.index).find(|index| *index >= 390 * 256);
    named.extend(index.map(|_| last.to_owned()));
    assert_eq!(named.iter().filter(|name| tiles.contains_key(*name)).count(), tiles.len(), "{:?}", report.found);
    let over = |name: &Path| !name.starts_with("tile") && tiles.contains_key(last);
    let innocent: Vec<_> =
        named.iter().filter(|name| !tiles.contains_key(*name) && *name != last && !over(name)).collect();
    assert_eq!(innocent, Vec::<&PathBuf>::new());

    let report = audited(&log, genesis, rest.clone().into_iter());
    let named = files_named(&report);
    let unnamed: Vec<_> = rest.keys().filter(|name| !named.contains(*name)).collect();
    assert_eq!(unnamed, Vec::<&PathBuf>::new(), "{:?}", report.found);
    eprintln!("{count} bytes in three audits, {:?}", began.elapsed());
    let sound = run(&options(&log, genesis), &mut |_, _| {}).unwrap();
    assert!(sound.holds() && sound.size == ENTRIES);
}
