//! Tests of [`super`]: what is left of an entry reads back equal, and its bundle is the old one or the new one. Never part of
//! the binary.

use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::*;
use crate::event::Time;
use crate::limits::BATCH_EVENTS_MAX;
use crate::log::Arrival;
use crate::log::disk::Files;
use crate::log::entry::{EntryFault, Mark, Ruling};

const ID: &str = "0198c0de-0000-7000-8000-000000000001";

fn event(note: &str) -> String {
    format!(
        r#"{{"specversion":"1.0","id":"{ID}","source":"/agencies/keco","type":"x.y.v1","time":"2026-03-02T00:00:00Z","data":{{"note":{note:?}}}}}"#
    )
}

fn entry(index: u64, subject: &str, body: &str, verdict: Verdict) -> Entry {
    let arrival = Arrival {
        stream: "LEDGER_1".into(),
        sequence: index + 1,
        recorded: Time::from_ns(1_790_000_000_000_000_000),
        subject: Bytes::copy_from_slice(subject.as_bytes()),
        headers: vec![("Content-Type".into(), Bytes::from_static(b"application/cloudevents+json"))],
        body: Bytes::copy_from_slice(body.as_bytes()),
    };
    Entry { ruling: Some(Ruling::new(verdict, Vec::new(), None)), ..Entry::of_arrival(index, &arrival) }
}

const SUBJECT: &str = "ledger.report.keco.x.y.v1";

fn mask(pointer: &str) -> Vec<String> {
    vec![pointer.to_owned()]
}

#[test]
fn keeps_its_lines_and_what_was_signed() {
    let body = event("홍길동 010-1234-5678");
    let whole = entry(41, SUBJECT, &body, Verdict::Accepted);
    let left = withheld(&whole, &mask("/data/note")).unwrap();
    let text = String::from_utf8(left.encode()).unwrap();
    let (sha256, bytes) = (hex::encode(&whole.body.sha256()), body.len());
    let digest = envelope::parse("application/cloudevents+json", body.as_bytes()).unwrap()[0].digest;
    let line = format!("withheld: {sha256} {bytes} {}\n\n", hex::encode(&digest));
    let expected = String::from_utf8(whole.encode()).unwrap();
    let expected = expected.replacen("\n\n", &format!("\n{line}"), 1).replace("홍길동 010-1234-5678", &"█".repeat(17));
    assert_eq!(text, expected);
    assert_eq!(Entry::parse(text.as_bytes()).unwrap(), left);
    assert_eq!((left.body.sha256(), left.body.is_withheld()), (whole.body.sha256(), true));
    assert!(matches!(withheld(&left, &mask("/data/note")), Err(WithholdFault::Already(41))));
}

#[test]
fn is_of_the_message_it_came_from() {
    let arrival = Arrival {
        stream: "LEDGER_1".into(),
        sequence: 1,
        recorded: Time::from_ns(0),
        subject: Bytes::from_static(SUBJECT.as_bytes()),
        headers: Vec::new(),
        body: event("a").into(),
    };
    let whole = Entry::of_arrival(0, &arrival);
    let left = withheld(&whole, &mask("/data/note")).unwrap();
    assert!(left.is_of(&arrival));
    assert!(!left.is_of(&Arrival { body: event("b").into(), ..arrival }));
}

#[test]
fn what_cannot_be_withheld_says_so() {
    let accepted = |body: &str| entry(7, SUBJECT, body, Verdict::Accepted);
    let refused = |body: &str| entry(7, SUBJECT, body, Verdict::Refused("data-invalid".to_owned()));
    let govern = entry(7, "ledger.govern.motie.target.set.v1", &event("a"), Verdict::Accepted);
    assert!(matches!(withheld(&govern, &mask("/data/note")), Err(WithholdFault::Governance(7))));
    let nobody = entry(7, "x", &event("a"), Verdict::Refused("subject-malformed".to_owned()));
    assert!(matches!(withheld(&nobody, &mask("")), Err(WithholdFault::NoAgency(7))));
    assert!(matches!(withheld(&accepted(&event("a")), &mask("")), Err(WithholdFault::Counts(7))));
    assert!(matches!(withheld(&accepted(&event("a")), &mask("/id")), Err(WithholdFault::Mask(MaskFault::Fixed(_)))));
    let long = refused(&"x".repeat(BODY_BYTES_MAX + 1));
    assert!(matches!(withheld(&long, &mask("")), Err(WithholdFault::NotKept(7))));
    // Three bytes for each letter: masked, it would be longer than a body can be.
    let letters = accepted(&event(&"a".repeat(BODY_BYTES_MAX / 2)));
    assert!(matches!(withheld(&letters, &mask("/data/note")), Err(WithholdFault::TooLong { .. })));
    let left = withheld(&refused("no json at all, and a name"), &mask("")).unwrap();
    assert_eq!((left.body.bytes().unwrap().len(), Entry::parse(&left.encode()).unwrap()), (0, left));
}

#[test]
fn the_line_has_one_form() {
    let left = withheld(&entry(41, SUBJECT, &event("ab"), Verdict::Accepted), &mask("/data/note")).unwrap();
    let good = String::from_utf8(left.encode()).unwrap();
    let line = good.lines().find(|line| line.starts_with("withheld: ")).unwrap().to_owned();
    let words: Vec<&str> = line.split(' ').collect();
    for bad in [
        line.replace(' ', "  "),
        format!("{line} "),
        line.to_uppercase(),
        format!("{line}\n{line}"),
        format!("withheld: {}", words[1]),
        format!("withheld: {} 0{} {}", words[1], words[2], words[3]),
        format!("{line} {}", &words[3][1..]),
        format!("{line}{}", format!(" {}", words[3]).repeat(BATCH_EVENTS_MAX)),
        format!("body-sha256: {} {}\n{line}", words[1], words[2]),
    ] {
        let text = good.replace(&line, &bad);
        assert!(Entry::parse(text.as_bytes()).is_err(), "{bad}");
    }
    let moved = good.replace(&format!("{line}\n"), "").replace("content-type", &format!("{line}\ncontent-type"));
    assert!(Entry::parse(moved.as_bytes()).is_err());
    let long = [good.as_bytes(), &vec![b'x'; BODY_BYTES_MAX]].concat();
    assert!(matches!(Entry::parse(&long), Err(EntryFault::Body(_) | EntryFault::TooLong(_))));
}

/// Two full bundles and a bit.
fn folder(dir: &Path) -> (LogFolder, Vec<Entry>) {
    let folder = LogFolder::new(dir);
    let entries: Vec<Entry> =
        (0..520).map(|index| entry(index, SUBJECT, &event("secret"), Verdict::Accepted)).collect();
    for (number, entries) in (0..).zip(entries.chunks(256)) {
        let mut bundle = Vec::new();
        entries.iter().for_each(|entry| tile::bundle_push(&mut bundle, &entry.encode()).unwrap());
        let place = Tile { kind: TileKind::Entries, index: number, width: entries.len() as u16 };
        Files.put(&[(folder.path(place), bundle)]).unwrap();
    }
    (folder, entries)
}

/// Fails at a call, having done nothing or all of it.
struct Failing {
    left: u32,
    after: bool,
}

impl Failing {
    fn gate(&mut self, work: impl FnOnce(&mut Files) -> io::Result<()>) -> io::Result<()> {
        if self.left > 0 {
            self.left -= 1;
            return work(&mut Files);
        }
        if self.after {
            work(&mut Files)?;
        }
        Err(io::Error::other("killed"))
    }
}

impl Disk for Failing {
    fn put(&mut self, files: &[(PathBuf, Vec<u8>)]) -> io::Result<()> {
        self.gate(|disk| disk.put(files))
    }

    fn append(&mut self, path: &Path, keep: u64, bytes: &[u8]) -> io::Result<()> {
        self.gate(|disk| disk.append(path, keep, bytes))
    }

    fn remove_folder(&mut self, path: &Path) -> io::Result<()> {
        self.gate(|disk| disk.remove_folder(path))
    }
}

#[test]
fn a_bundle_is_the_old_one_or_the_new_one() {
    for (left, after) in [(0, false), (0, true), (1, false), (1, true)] {
        let dir = tempfile::tempdir().unwrap();
        let (folder, mut entries) = folder(dir.path());
        let stray = dir.path().join("tile/entries/001.p/44");
        Files.put(&[(stray.clone(), b"secret".to_vec())]).unwrap();
        let rest = withheld(&entries[300], &mask("/data/note")).unwrap();
        assert!(rewrite(&folder, &mut Failing { left, after }, &rest).is_err());
        let texts = |entries: &[Entry]| entries.iter().map(Entry::encode).collect::<Vec<_>>();
        let held = folder.entries(1, 520).unwrap();
        let old = texts(&entries[256..512]);
        entries[300] = rest.clone();
        let new = texts(&entries[256..512]);
        assert_eq!(held, if (left, after) == (1, true) { new.clone() } else { old }, "{left} {after}");
        rewrite(&folder, &mut Files, &rest).unwrap();
        assert_eq!(folder.entries(1, 520).unwrap(), new);
        assert_eq!(folder.entries(0, 520).unwrap(), texts(&entries[..256]));
        assert!(!stray.exists(), "a partial bundle still had it");
    }
}

proptest! {
    #[test]
    fn what_is_left_reads_back_equal(
        text in prop::collection::vec(any::<u8>(), 0..300),
        sha256 in any::<[u8; 32]>(),
        bytes in any::<u64>(),
        digests in prop::collection::vec(any::<[u8; 16]>(), 0..=BATCH_EVENTS_MAX),
        mixed in any::<bool>(),
    ) {
        let mut entry = entry(41, SUBJECT, "x", Verdict::Accepted);
        if mixed {
            entry.ruling = Some(Ruling::new(Verdict::Accepted, vec![Mark::New, Mark::Duplicate], None));
        }
        entry.body = Body::Withheld(Box::new(Withheld { text: text.into(), sha256, bytes, digests }));
        let encoded = entry.encode();
        prop_assert!(encoded.len() <= ENTRY_BYTES_MAX);
        prop_assert_eq!(&Entry::parse(&encoded).unwrap(), &entry);
        prop_assert_eq!(super::super::entry_parse::peek(&encoded), Some((41, entry.recorded)));
    }

    /// One changed byte gives no entry, or one that says something else and prints itself.
    #[test]
    fn what_parses_prints_itself(at in 0..500_usize, byte in any::<u8>()) {
        let left = withheld(&entry(41, SUBJECT, &event("ab"), Verdict::Accepted), &mask("/data/note")).unwrap();
        let mut bytes = left.encode();
        let at = at % bytes.len();
        bytes[at] = byte;
        if let Ok(entry) = Entry::parse(&bytes) {
            prop_assert_eq!(entry.encode(), bytes);
        }
    }
}
