//! Tests of [`super`]: a receipt that holds, and every change that must not. Never part of the binary.

use std::sync::Arc;

use tempfile::TempDir;

use super::*;
use crate::event::Time;
use crate::log::disk::Files;
use crate::log::keyring::LogKeys;
use crate::log::note::KeyKind;
use crate::log::note::cosign;
use crate::log::publish::{Nobody, Publisher};
use crate::log::samples::{self, Open};
use crate::log::tail::Tail;
use crate::sign::KeyPair;

const ORIGIN: &str = "jindo.test/receipts";

/// A log of so many entries, tiled, and its key.
fn log(size: u64) -> (TempDir, Arc<KeyPair>, VerifierKey) {
    let dir = TempDir::new().unwrap();
    let (mut tail, _) = Tail::open(dir.path()).unwrap();
    samples::append(&mut tail, size, |index| format!("{{\"count\":{index}}}").into_bytes());
    let key = Arc::new(KeyPair::generate().unwrap());
    let folder = LogFolder::new(dir.path());
    let mut publisher = Publisher::open(
        folder,
        Box::new(Files),
        LogKeys::of_pair(ORIGIN, &key).unwrap(),
        vec![key.clone()],
        &tail.reader(),
    )
    .unwrap();
    publisher.beat(&tail.reader(), u64::MAX, &mut Open, &mut Nobody, Time::now()).unwrap();
    let vkey = VerifierKey::of_pair(ORIGIN, KeyKind::Log, &key).unwrap();
    (dir, key, vkey)
}

#[test]
fn every_entry_has_a_receipt_that_holds() {
    let (dir, _, vkey) = log(600);
    let folder = LogFolder::new(dir.path());
    for index in 0..600 {
        let receipt = Receipt::make(&folder, index).unwrap();
        let read = Receipt::parse(&receipt.text()).unwrap();
        assert_eq!(read, receipt);
        let proven = read.verify(Some(&vkey), None).unwrap();
        assert_eq!((proven.entry.index, proven.checkpoint.head.size), (index, 600));
    }
    assert!(matches!(Receipt::make(&folder, 600), Err(ReceiptFault::NotYet { index: 600, size: 600 })));
    let empty = TempDir::new().unwrap();
    assert!(matches!(Receipt::make(&LogFolder::new(empty.path()), 0), Err(ReceiptFault::NotYet { size: 0, .. })));
}

#[test]
fn every_changed_byte_is_refused() {
    let (dir, _, vkey) = log(300);
    for index in [0, 255, 299] {
        let text = Receipt::make(&LogFolder::new(dir.path()), index).unwrap().text();
        for at in 0..text.len() {
            for mask in [1_u8, 0x10, 0x20] {
                let mut bytes = text.as_bytes().to_vec();
                bytes[at] ^= mask;
                let Ok(changed) = String::from_utf8(bytes) else { continue };
                let held = Receipt::parse(&changed).is_ok_and(|receipt| receipt.verify(Some(&vkey), None).is_ok());
                assert!(!held, "byte {at} of the receipt of {index}: {changed}");
            }
        }
        for at in (0..text.len()).filter(|at| text.is_char_boundary(*at)) {
            assert!(!Receipt::parse(&text[..at]).is_ok_and(|cut| cut.verify(Some(&vkey), None).is_ok()), "cut at {at}");
        }
    }
}

#[test]
fn a_damaged_folder_gives_no_receipt() {
    let (dir, _, _) = log(300);
    let path = dir.path().join("tile/0/000");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[40] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    assert!(matches!(Receipt::make(&LogFolder::new(dir.path()), 7), Err(ReceiptFault::Proof(_))));
    std::fs::remove_file(path).unwrap();
    assert!(matches!(Receipt::make(&LogFolder::new(dir.path()), 7), Err(ReceiptFault::Folder(_))));
}

#[test]
fn keys_and_policies() {
    let (dir, key, vkey) = log(5);
    let mut receipt = Receipt::make(&LogFolder::new(dir.path()), 3).unwrap();
    let (one, two, other) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let text = Note::parse(&receipt.note).unwrap().text.to_owned();
    receipt.note.push_str(&cosign("one.test", &one, &text, 1_790_000_000).unwrap());
    let witness = |name, pair| VerifierKey::of_pair(name, KeyKind::Witness, pair).unwrap().to_string();
    let policy = |log: &str, quorum: &str| {
        let (one, two) = (witness("one.test", &one), witness("two.test", &two));
        let text = format!("{log}witness one {one}\nwitness two {two}\ngroup any any one two\nquorum {quorum}\n");
        Policy::parse(&text).unwrap()
    };
    let listed = format!("log {vkey}\n");
    let strange = VerifierKey::of_pair("else.test", KeyKind::Log, &other).unwrap();
    let proven = receipt.verify(None, Some(&policy(&listed, "any"))).unwrap();
    assert_eq!(proven.witnesses, [("one.test".to_owned(), 1_790_000_000)]);
    receipt.verify(Some(&vkey), Some(&policy("", "one"))).unwrap();
    receipt.verify(Some(&vkey), Some(&policy(&listed, "none"))).unwrap();
    assert!(matches!(receipt.verify(Some(&vkey), Some(&policy("", "two"))), Err(ReceiptFault::Witnesses(_))));
    assert!(matches!(receipt.verify(None, None), Err(ReceiptFault::NoKey)));
    let elsewhere = policy(&format!("log {strange}\n"), "none");
    assert!(matches!(receipt.verify(Some(&vkey), Some(&elsewhere)), Err(ReceiptFault::NotListed(_))));
    assert!(matches!(receipt.verify(None, Some(&elsewhere)), Err(ReceiptFault::NotListed(_))));
    assert!(receipt.verify(Some(&strange), None).is_err());
    let same_name = VerifierKey::of_pair(ORIGIN, KeyKind::Log, &other).unwrap();
    assert!(receipt.verify(Some(&same_name), None).is_err());
    // A cosignature by a known witness that is wrong refuses everything.
    let mut wrong = receipt.clone();
    wrong.note.push_str(&cosign("two.test", &two, "another\n", 1).unwrap());
    assert!(matches!(wrong.verify(Some(&vkey), Some(&policy("", "one"))), Err(ReceiptFault::Checkpoint(_))));
    // An unknown one is passed over.
    let mut unknown = receipt.clone();
    unknown.note.push_str(&cosign("two.test", &key, "another\n", 1).unwrap());
    unknown.verify(Some(&vkey), Some(&policy("", "one"))).unwrap();
}
