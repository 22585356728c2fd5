//! Tests of [`super`]: forks of all sizes are proven, and a changed byte proves nothing. Never part of the binary.

use std::sync::Arc;

use tempfile::TempDir;

use super::*;
use crate::event::Time;
use crate::log::disk::Files;
use crate::log::note::{self, KeyKind};
use crate::log::publish::{Nobody, Publisher};
use crate::log::samples::{self, Open};
use crate::log::tail::Tail;
use crate::sign::KeyPair;

const ORIGIN: &str = "jindo.test/fork";

/// A log of so many entries, `same` of them as in every other log made here; and its checkpoint.
fn log(key: &Arc<KeyPair>, same: u64, size: u64) -> (TempDir, String) {
    let dir = TempDir::new().unwrap();
    let (mut tail, _) = Tail::open(dir.path()).unwrap();
    samples::append(&mut tail, size, |index| if index < same { b"same".to_vec() } else { format!("{size}").into() });
    let folder = LogFolder::new(dir.path());
    let mut publisher = Publisher::open(
        folder.clone(),
        Box::new(Files),
        LogKeys::of_pair(ORIGIN, key).unwrap(),
        vec![key.clone()],
        &tail.reader(),
    )
    .unwrap();
    publisher.beat(&tail.reader(), u64::MAX, &mut Open, &mut Nobody, Time::now()).unwrap();
    let note = folder.checkpoint().unwrap().unwrap();
    (dir, note)
}

fn vkey(key: &KeyPair) -> VerifierKey {
    VerifierKey::of_pair(ORIGIN, KeyKind::Log, key).unwrap()
}

#[test]
fn forks_of_all_sizes_are_proven_by_the_key_alone() {
    let key = Arc::new(KeyPair::generate().unwrap());
    let vkey = vkey(&key);
    for (same, own, other) in [(0, 1, 1), (5, 300, 6), (5, 300, 299), (256, 700, 512), (255, 256, 256), (8, 9, 9)] {
        let (dir, first) = log(&key, same, own);
        // Of one size the bodies must differ otherwise.
        let (_, second) = log(&key, if own == other { 0 } else { same }, other);
        let folder = LogFolder::new(dir.path());
        if own == other && same == 0 {
            assert!(Fork::make(&folder, &LogKeys::new(vkey.clone()), &first, &second).unwrap().is_none(), "one tree");
            continue;
        }
        let fork = Fork::make(&folder, &LogKeys::new(vkey.clone()), &first, &second).unwrap().unwrap();
        let text = fork.text();
        assert_eq!(Fork::parse(&text).unwrap(), fork);
        let forked = fork.verify(Some(&vkey), None).unwrap();
        assert_eq!((forked.first.size, forked.second.size), (own, other));
        assert!(Fork::is_one(&text) && Fork::is_name(&fork.name().unwrap()));
        // The other way round nothing can be proven where it is shorter.
        let turned = Fork { first: second.clone(), second: first.clone(), shown: fork.shown.clone() };
        assert_eq!(turned.verify(Some(&vkey), None).is_ok(), own == other);
    }
    // What the log was before is no fork.
    let (dir, first) = log(&key, 40, 40);
    let (_, before) = log(&key, 17, 17);
    assert!(Fork::make(&LogFolder::new(dir.path()), &LogKeys::new(vkey.clone()), &first, &before).unwrap().is_none());
    let longer = Fork::make(&LogFolder::new(dir.path()), &LogKeys::new(vkey.clone()), &before, &first);
    assert!(matches!(longer, Err(ForkFault::Longer { .. })));
}

#[test]
fn a_changed_byte_proves_nothing() {
    let (key, other) = (Arc::new(KeyPair::generate().unwrap()), KeyPair::generate().unwrap());
    let (dir, first) = log(&key, 5, 30);
    let (_, second) = log(&key, 5, 11);
    let vkey = vkey(&key);
    let fork = Fork::make(&LogFolder::new(dir.path()), &LogKeys::new(vkey.clone()), &first, &second).unwrap().unwrap();
    let text = fork.text();
    let holds = |text: &str| Fork::parse(text).is_ok_and(|fork| fork.verify(Some(&vkey), None).is_ok());
    assert!(holds(&text));
    for at in 0..text.len() {
        for mask in [1_u8, 2, 0x20, 0x80] {
            let mut bytes = text.as_bytes().to_vec();
            bytes[at] ^= mask;
            let Ok(changed) = String::from_utf8(bytes) else { continue };
            assert!(!holds(&changed), "byte {at} with {mask:#x}");
        }
        assert!(text.get(..at).is_none_or(|cut| !holds(cut)), "cut at {at}");
    }
    for more in ["\n", "x", "\n\n"] {
        assert!(!holds(&format!("{text}{more}")));
    }
    assert!(Fork::parse(&"x".repeat(FORK_BYTES_MAX + 1)).is_err());
    let stranger = VerifierKey::of_pair(ORIGIN, KeyKind::Log, &other).unwrap();
    assert!(fork.verify(Some(&stranger), None).is_err(), "another key");
    assert!(matches!(fork.verify(None, None), Err(ForkFault::Key(ReceiptFault::NoKey))));
    // A proof where none belongs, and none where one does.
    assert!(Fork { shown: None, ..fork.clone() }.verify(Some(&vkey), None).is_err());
    let same = Fork { second: first.clone(), ..fork.clone() };
    assert!(same.verify(Some(&vkey), None).is_err());
    assert!(matches!(Fork { shown: None, ..same }.verify(Some(&vkey), None), Err(ForkFault::Same)));
}

#[test]
fn cosignatures_by_known_witnesses_must_be_right() {
    let (key, witness) = (Arc::new(KeyPair::generate().unwrap()), KeyPair::generate().unwrap());
    let (dir, first) = log(&key, 5, 30);
    let (_, second) = log(&key, 5, 11);
    let cosigned = |note: &str, of: &str| {
        let text = Note::parse(of).unwrap().text.to_owned();
        format!("{note}{}", note::cosign("w", &witness, &text, 1_790_000_000).unwrap())
    };
    let vkey = vkey(&key);
    let named = VerifierKey::of_pair("w", KeyKind::Witness, &witness).unwrap();
    let policy = Policy::parse(&format!("log {vkey}\nwitness w {named}\nquorum w\n")).unwrap();
    let folder = LogFolder::new(dir.path());
    let right = Fork::make(&folder, &LogKeys::new(vkey.clone()), &first, &cosigned(&second, &second)).unwrap().unwrap();
    let forked = right.verify(None, Some(&policy)).unwrap();
    assert_eq!(forked.witnesses, [("w".to_owned(), forked.second, 1_790_000_000)]);
    let wrong = Fork::make(&folder, &LogKeys::new(vkey.clone()), &first, &cosigned(&second, &first)).unwrap().unwrap();
    assert!(wrong.verify(None, Some(&policy)).is_err());
}
