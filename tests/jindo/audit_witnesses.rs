//! Audits under a policy of witnesses: enough of them, right ones, and times that the operator does not control.

use std::path::Path;

use jindo::audit::Options;
use jindo::event::Time;
use jindo::log::folder::LogFolder;
use jindo::log::fork::Fork;
use jindo::log::note::{self, KeyKind, VerifierKey};
use jindo::log::policy::Policy;
use jindo::log::publish::{CosignFault, Cosigners, Proposal};
use jindo::sign::{KeyPair, hex};
use tempfile::TempDir;

use crate::audit::{audit, charger, codes, entries, forge, options, publish_with};
use crate::gocheck::Alone;
use crate::ledger::{ORIGIN, Signer, TestLedger};

/// Cosigns as whoever it is told to be.
struct Hands<'a>(Vec<(&'a str, &'a KeyPair, u64)>);

impl Cosigners for Hands<'_> {
    fn cosign(&mut self, proposal: &Proposal<'_>) -> Result<Vec<String>, CosignFault> {
        let text = proposal.checkpoint.text();
        Ok(self.0.iter().map(|(name, pair, time)| note::cosign(name, pair, &text, *time).unwrap()).collect())
    }
}

fn seconds(time: Time) -> u64 {
    u64::try_from(time.ns() / 1_000_000_000).unwrap()
}

/// A log with two checkpoints: the first cosigned by both so many seconds after its last entry, the second by `one` alone.
struct Cosigned {
    dir: TempDir,
    genesis: [u8; 32],
    one: KeyPair,
    two: KeyPair,
    /// Sizes of the two checkpoints, and when each was cosigned.
    at: [(u64, u64); 2],
}

fn cosigned(after: [i64; 2]) -> Cosigned {
    let (one, two) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let (mut ledger, mut fence) = (TestLedger::new(), Alone::default());
    let mut at = [(0, 0); 2];
    for (round, after) in after.into_iter().enumerate() {
        for number in 1..=5 {
            charger(&mut ledger, "keco", 10 * round as u64 + number);
        }
        let (log, last) = (ledger.log_folder(), ledger.recorded.plus_ns(-1_000_000_000));
        ledger.close();
        let time = seconds(last.plus_ns(after * 1_000_000_000));
        let mut hands = Hands(vec![("one.test", &one, time), ("two.test", &two, time + 7)]);
        hands.0.truncate(2 - round);
        at[round] = (publish_with(&log, &mut fence, &mut hands, last).head.size, time);
        ledger.open();
    }
    ledger.close();
    let log = ledger.log_folder();
    let genesis = hex::sha256(&jindo::log::tail::LogReader::open(&log).unwrap().read(0).unwrap());
    Cosigned { dir: ledger.into_folder(), genesis, one, two, at }
}

impl Cosigned {
    fn log(&self) -> std::path::PathBuf {
        self.dir.path().join("log")
    }

    /// Under a quorum; `rest` are more lines of the policy.
    fn options(&self, least: &str, rest: &str) -> Options {
        let vkey = |name, pair| VerifierKey::of_pair(name, KeyKind::Witness, pair).unwrap();
        let (one, two) = (vkey("one.test", &self.one), vkey("two.test", &self.two));
        let text = format!("{rest}witness a {one}\nwitness b {two}\ngroup g {least} a b\nquorum g\n");
        Options { policy: Some(Policy::parse(&text).unwrap()), ..options(self.log(), self.genesis) }
    }
}

#[test]
fn cosignatures_are_counted_and_bound_times() {
    let log = cosigned([20, 30]);
    let [(first, _), (size, time)] = log.at;
    let report = audit(&log.options("any", ""));
    assert_eq!(report.findings, []);
    let told = report.witnesses.unwrap();
    assert!(told.met && told.covered == size, "{told:?}");
    let rows: Vec<_> = told.each.iter().map(|row| (row.name.as_str(), row.checkpoints, row.size)).collect();
    // The newest checkpoint stands in the history too.
    assert_eq!(rows, [("a", 3, size), ("b", 1, first)]);
    assert_eq!(told.each[0].time.map(seconds), Some(time));
    // Entries are a second apart, and the first checkpoint was cosigned 20 seconds after its last entry.
    assert_eq!(told.latest_s, Some(20 + first - 1));
    let under_both = audit(&log.options("all", ""));
    assert_eq!(codes(&under_both), ["policy-unmet"]);
    assert!(under_both.findings[0].what.en.contains("missing: b"), "{:?}", under_both.findings);
    // A policy for another log says nothing about this one.
    let other = VerifierKey::of_pair(ORIGIN, KeyKind::Log, &log.one).unwrap();
    let foreign = VerifierKey::of_pair("x", KeyKind::Log, &Signer::named("log").pair()).unwrap();
    for vkey in [foreign.to_string(), other.to_string()] {
        // The key of a witness cannot be that of a log in one policy.
        let text = format!("log {vkey}\nquorum none\n");
        let options = Options { policy: Some(Policy::parse(&text).unwrap()), ..log.options("any", "") };
        assert_eq!(codes(&audit(&options)), ["policy-log"]);
    }
}

#[test]
fn an_entry_recorded_after_it_was_witnessed_is_found() {
    // Cosigned more than five minutes before its last entries say they were recorded.
    for (after, found) in [(-299, false), (-300, false), (-302, true)] {
        let log = cosigned([20, after]);
        let report = audit(&log.options("any", ""));
        // It falls before the first cosignature then, so the first checkpoint's entries are bound by it too.
        let late: Vec<_> = report.findings.iter().map(|finding| (finding.code, finding.index)).collect();
        let [_, (size, time)] = log.at;
        let expected: Vec<_> = (0..size)
            .filter(|index| {
                let entry = &entries(&log.log())[*index as usize];
                seconds(entry.recorded) > time + 300
            })
            .map(|index| ("recorded-after-witnessed", Some(index)))
            .collect();
        assert_eq!(late, expected, "{after}");
        assert_eq!(!late.is_empty(), found, "{after}");
    }
}

/// Changes one character in the line of a signer, in a file with notes.
fn alter(path: &Path, name: &str) {
    let text = std::fs::read_to_string(path).unwrap();
    let at = text.rfind(&format!("\u{2014} {name} ")).unwrap() + name.len() + 30;
    let other = if &text[at..=at] == "A" { "B" } else { "A" };
    std::fs::write(path, format!("{}{other}{}", &text[..at], &text[at + 1..])).unwrap();
}

#[test]
fn altered_cosignatures_are_found_where_they_stand() {
    let log = cosigned([20, 30]);
    let folder = LogFolder::new(&log.log());
    let day = folder.history_days().unwrap()[0];
    let options = log.options("any", "");
    // Without a policy nobody knows the witnesses: no more is claimed than was checked.
    let none = Options { policy: None, ..options.clone() };
    for (path, name, expected) in [
        (folder.history_path(day), "two.test", vec!["cosignature-wrong"]),
        (log.log().join("checkpoint"), "one.test", vec!["cosignature-wrong", "policy-unmet"]),
    ] {
        let good = std::fs::read(&path).unwrap();
        alter(&path, name);
        let report = audit(&options);
        assert_eq!(codes(&report), expected, "{:?}", report.findings);
        let file = path.strip_prefix(log.log()).unwrap().to_str().unwrap();
        assert_eq!(report.findings[0].file.as_deref(), Some(file));
        assert!(audit(&none).holds());
        std::fs::write(&path, good).unwrap();
    }
    assert!(audit(&options).holds());
}

#[test]
fn a_kept_checkpoint_of_another_branch_becomes_evidence() {
    let log = cosigned([20, 30]);
    let kept = LogFolder::new(&log.log()).checkpoint().unwrap().unwrap();
    let mut all = entries(&log.log());
    let last = all.len() - 1;
    all[last] = all[last - 1].clone();
    for more in [0, 3] {
        let mut all = all.clone();
        (0..more).for_each(|_| all.push(all[last].clone()));
        let forged = forge(all);
        let since = vec![("kept".to_owned(), kept.clone())];
        let report = audit(&Options { since, ..options(forged.path().to_owned(), log.genesis) });
        assert!(codes(&report).contains(&"since-differs"), "{:?}", report.findings);
        let [offered] = &report.forks[..] else { panic!("{:?}", report.forks) };
        let key = VerifierKey::of_pair(ORIGIN, KeyKind::Log, &Signer::named("log").pair()).unwrap();
        let forked = Fork::parse(&offered.text).unwrap().verify(Some(&key), None).unwrap();
        assert_eq!((forked.first.size, forked.second.size), (last as u64 + 1 + more, last as u64 + 1));
        // Kept in the folder it is no stranger, and says what it says to every auditor.
        let dir = forged.path().join("conflicts");
        std::fs::create_dir(&dir).unwrap();
        let plain = options(forged.path().to_owned(), log.genesis);
        let before = audit(&plain);
        std::fs::write(dir.join(&offered.name), &offered.text).unwrap();
        let told = audit(&plain);
        assert_eq!(told.found.get("forked"), Some(&1));
        assert_eq!(told.found.len(), before.found.len() + 1, "{:?}", told.findings);
        alter(&dir.join(&offered.name), ORIGIN);
        assert_eq!(audit(&plain).found.get("conflict-wrong"), Some(&1));
        std::fs::rename(dir.join(&offered.name), dir.join("notes")).unwrap();
        assert_eq!(audit(&plain).found.get("file-unknown"), Some(&1));
    }
}
