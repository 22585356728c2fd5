//! The log's key is replaced: what is followed through the folder from the key somebody has, and what a folder says that was
//! put back to before it.

use std::path::Path;
use std::sync::Arc;

use jindo::audit::{AuditFault, run};
use jindo::event::Time;
use jindo::log::disk::Files;
use jindo::log::folder::LogFolder;
use jindo::log::keyring::{self, LogKeys};
use jindo::log::lineage::Lineage;
use jindo::log::note::VerifierKey;
use jindo::log::policy::Policy;
use jindo::log::publish::{Nobody, Publisher};
use jindo::log::tail::LogReader;
use jindo::projector::bootstrap::vkey;
use jindo::sign::{KeyPair, hex};
use serde_json::json;
use tempfile::TempDir;

use crate::audit::{audit, charger, codes, options};
use crate::e2e_rebuild::files;
use crate::gocheck::Alone;
use crate::ledger::{ORIGIN, Signer, TestLedger, copy_folder, word};

/// A log whose key was replaced once.
struct Rotated {
    dir: TempDir,
    /// The folder as it was before.
    before: TempDir,
    genesis: [u8; 32],
    old: VerifierKey,
    new: VerifierKey,
    /// Checkpoints: by the old key, by both, by the new key.
    notes: [String; 3],
}

fn key(name: &str) -> VerifierKey {
    VerifierKey::parse(&vkey(ORIGIN, &Signer::named(name).pair())).unwrap()
}

/// Publishes what is in the tail; the checkpoint.
fn publish(log: &Path, fence: &mut Alone, ring: &LogKeys, pairs: &[&Arc<KeyPair>], now: Time) -> String {
    let tail = LogReader::open(log).unwrap();
    let pairs = pairs.iter().map(|pair| Arc::clone(pair)).collect();
    let mut publisher = Publisher::open(LogFolder::new(log), Box::new(Files), ring.clone(), pairs, &tail).unwrap();
    while publisher.is_due(tail.size()) {
        publisher.beat(&tail, u64::MAX, fence, &mut Nobody, now).unwrap();
    }
    LogFolder::new(log).checkpoint().unwrap().unwrap()
}

fn rotated() -> Rotated {
    let [one, two] = ["log", "log-2"].map(|name| Arc::new(Signer::named(name).pair()));
    let (old, new) = (key("log"), key("log-2"));
    let (mut ledger, mut fence, mut ring) = (TestLedger::new(), Alone::default(), LogKeys::new(old.clone()));
    let log = ledger.log_folder();
    charger(&mut ledger, "keco", 1);
    ledger.close();
    let first = publish(&log, &mut fence, &ring, &[&one], ledger.recorded);
    let before = TempDir::new().unwrap();
    copy_folder(&log, before.path());
    ledger.open();
    let note = keyring::rotation(&one, &new).unwrap();
    let ruling = ledger.govern("log.key-rotated.v1", json!({"new": new.to_string(), "note": note, "reason": "x"}));
    assert_eq!(word(&ruling), "accepted");
    ring.rotate(ledger.core().size(), &note).unwrap();
    ledger.close();
    let both = publish(&log, &mut fence, &ring, &[&one, &two], ledger.recorded);
    ledger.open();
    charger(&mut ledger, "keco", 2);
    ledger.close();
    let last = publish(&log, &mut fence, &ring, &[&two], ledger.recorded);
    let genesis = hex::sha256(&LogReader::open(&log).unwrap().read(0).unwrap());
    Rotated { dir: ledger.into_folder(), before, genesis, old, new, notes: [first, both, last] }
}

/// Found by a newcomer: a folder put back to before a rotation could "not be checked" against the checkpoint that was kept.
#[test]
fn a_rollback_across_a_rotation_is_told_as_one() {
    let log = rotated();
    let [first, both, last] = &log.notes;
    let audited = |folder: &Path, kept: &str, policy: Option<&str>| {
        let mut options = options(folder.to_owned(), log.genesis);
        options.since = vec![("kept".to_owned(), kept.to_owned())];
        options.policy = policy.map(|text| Policy::parse(text).unwrap());
        run(&options, &mut |_, _| {})
    };
    let is_cut = |folder: &Path, kept: &str, policy: Option<&str>| {
        let report = audited(folder, kept, policy).unwrap();
        assert_eq!(report.found.get("log-cut"), Some(&1), "{:?}", report.findings);
        let told = report.findings.iter().find(|finding| finding.code == "log-cut").unwrap();
        assert!(told.what.en.contains("shorter than what you kept"), "{told:?}");
    };
    // The checkpoint alone was put back: tiles and history name the next key.
    let cut = TempDir::new().unwrap();
    copy_folder(&log.dir.path().join("log"), cut.path());
    std::fs::write(cut.path().join("checkpoint"), first).unwrap();
    is_cut(cut.path(), last, None);
    // Only the tail still holds the rotation.
    let tail = TempDir::new().unwrap();
    copy_folder(log.before.path(), tail.path());
    for name in ["tail", "tail.index"] {
        std::fs::copy(log.dir.path().join("log").join(name), tail.path().join(name)).unwrap();
    }
    is_cut(tail.path(), last, None);
    // Nothing of it is left: the checkpoint that both signed is the old key's word all the same.
    is_cut(log.before.path(), both, None);
    // The key cannot be followed: said so, and not judged; unless somebody vouches for it.
    let fault = audited(log.before.path(), last, None).unwrap_err();
    assert!(matches!(&fault, AuditFault::SinceKey { name, .. } if name == "kept"), "{fault}");
    is_cut(log.before.path(), last, Some(&format!("log {}\nquorum none\n", log.new)));
    // Of another log.
    let other = last.replace(&format!("— {ORIGIN} "), "— jindo.test/other ");
    assert!(matches!(audited(cut.path(), &other, None), Err(AuditFault::SinceKey { .. })));
    // And the whole folder holds.
    for kept in &log.notes {
        let report = audited(&log.dir.path().join("log"), kept, None).unwrap();
        assert_eq!(codes(&report), [""; 0]);
    }
}

/// From either key to the other through the folder; but an older one only under a checkpoint by a key that is trusted.
#[test]
fn keys_are_followed_through_the_folder() {
    let log = rotated();
    let path = log.dir.path().join("log");
    let vouched = |key: &VerifierKey| {
        let keys = Lineage::vouched(&LogFolder::new(&path), std::slice::from_ref(key));
        keys.map(|keys| keys.all().cloned().collect::<Vec<_>>())
    };
    let whole = Some(vec![log.old.clone(), log.new.clone()]);
    assert_eq!((vouched(&log.old), vouched(&log.new)), (whole.clone(), whole));
    assert_eq!(vouched(&key("stranger")), None);
    // Somebody names a key of his own as the first and lets it name the next: the tree does not hold it.
    let (mine, pair) = (key("mine"), Signer::named("mine").pair());
    let json = |note: String| serde_json::to_string(&note).unwrap();
    let own = json(keyring::rotation(&Signer::named("log").pair(), &log.new).unwrap());
    let forged = json(keyring::rotation(&pair, &log.new).unwrap());
    let mut replaced = 0;
    for file in files(&path.join("tile/entries")) {
        let mut bytes = std::fs::read(&file).unwrap();
        for (from, to) in [(log.old.to_string(), mine.to_string()), (own.clone(), forged.clone())] {
            assert_eq!(from.len(), to.len());
            while let Some(at) = bytes.windows(from.len()).position(|window| window == from.as_bytes()) {
                bytes[at..at + from.len()].copy_from_slice(to.as_bytes());
                replaced += 1;
            }
        }
        std::fs::write(&file, bytes).unwrap();
    }
    assert!(replaced > 1);
    assert_eq!(vouched(&log.new), Some(vec![log.new.clone()]));
    assert_eq!(vouched(&log.old), None);
    let report = audit(&options(path.clone(), log.genesis));
    assert!(codes(&report).contains(&"genesis-differs"), "{:?}", report.found);
}
