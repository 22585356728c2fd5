//! The outbox: chains, crashes at every byte, damage, withdrawal, rewriting.

use super::*;
use crate::sign::Jws;

const ORIGIN: &str = "jindo.local/test";

fn pair() -> KeyPair {
    KeyPair::generate().unwrap()
}

fn again(pair: &KeyPair) -> KeyPair {
    KeyPair::from_seed(&pair.seed()).unwrap()
}

fn draft(text: &str) -> Draft {
    Draft {
        subject: "ledger.report.keco.charger.installed.v1".to_owned(),
        content_type: "application/cloudevents+json".to_owned(),
        body: format!(r#"{{"remark":"{text}"}}"#).into_bytes(),
    }
}

fn open(dir: &Path, pair: &KeyPair) -> Outbox {
    Outbox::open(dir, again(pair), ORIGIN).unwrap()
}

fn reports(outbox: &Outbox) -> Vec<Signed> {
    outbox.pending().map(|pending| pending.report.clone()).collect()
}

/// Numbers without gaps, each naming the one before.
fn check_chain(reports: &[Signed], mut prev: Option<[u8; 32]>) {
    for pair in reports.windows(2) {
        assert_eq!(pair[0].seq + 1, pair[1].seq);
    }
    for report in reports {
        let jws = Jws::parse(&report.jws).unwrap();
        jws.verify().unwrap();
        assert_eq!(jws.claims().seq, report.seq);
        assert_eq!(jws.claims().prev, prev, "seq {}", report.seq);
        jws.claims()
            .check(&report.subject, &report.content_type, &hex::sha256(report.body.as_bytes()), ORIGIN)
            .unwrap();
        prev = Some(jws.sha256());
    }
}

#[test]
fn signs_once_and_keeps_the_bytes() {
    let (dir, pair) = (tempfile::tempdir().unwrap(), pair());
    let mut outbox = open(dir.path(), &pair);
    assert_eq!(outbox.enqueue(&[draft("a"), draft("b")], Time::now()).unwrap(), 1..=2);
    assert_eq!(outbox.enqueue(&[draft("c")], Time::now()).unwrap(), 3..=3);
    let before = reports(&outbox);
    check_chain(&before, None);
    drop(outbox);
    let mut outbox = open(dir.path(), &pair);
    assert_eq!(reports(&outbox), before);
    assert!(outbox.pending().all(|p| p.stage == Stage::Fresh), "never sealed, so never sent");
    outbox.seal().unwrap();
    outbox.settle([2]).unwrap();
    drop(outbox);
    let mut outbox = open(dir.path(), &pair);
    assert_eq!(
        outbox.pending().map(|p| (p.report.seq, p.stage)).collect::<Vec<_>>(),
        [(1, Stage::Doubt), (3, Stage::Doubt)]
    );
    outbox.settle([1, 3]).unwrap();
    assert_eq!(outbox.enqueue(&[draft("d")], Time::now()).unwrap(), 4..=4);
    check_chain(&reports(&outbox), Some(hex::sha256(before[2].jws.as_bytes())));
}

/// Many reports go to disk in parts, while those after them are signed; a disk that fails under a part ends it, and what was
/// kept is a chain.
#[test]
fn parts_are_one_chain() {
    let (dir, pair) = (tempfile::tempdir().unwrap(), pair());
    let drafts: Vec<Draft> = (0..250).map(|number| draft(&format!("{number} {}", "x".repeat(50_000)))).collect();
    let mut outbox = open(dir.path(), &pair);
    assert_eq!(outbox.enqueue(&drafts, Time::now()).unwrap(), 1..=250);
    let kept = reports(&outbox);
    check_chain(&kept, None);
    assert!(kept.iter().zip(&drafts).all(|(report, draft)| report.body.as_bytes() == draft.body));
    drop(outbox);
    assert_eq!(reports(&open(dir.path(), &pair)), kept);
    // Only its first part is whole.
    let path = dir.path().join("journal");
    let journal = fs::read(&path).unwrap();
    fs::write(&path, &journal[..OUTBOX_PART_BYTES + 100_000]).unwrap();
    let mut outbox = open(dir.path(), &pair);
    let left = reports(&outbox);
    assert!(left.len() > 80 && left.len() < 90 && kept.starts_with(&left), "{}", left.len());
    outbox.journal.broken = true;
    assert!(matches!(outbox.enqueue(&drafts, Time::now()), Err(OutboxError::Broken { .. })));
    assert_eq!(reports(&outbox), left, "what was not kept does not wait");
}

#[test]
fn a_crash_at_every_byte_loses_nothing_that_was_sent() {
    let (dir, pair) = (tempfile::tempdir().unwrap(), pair());
    let mut outbox = open(dir.path(), &pair);
    outbox.enqueue(&[draft("a"), draft("b")], Time::now()).unwrap();
    outbox.seal().unwrap();
    let sent = outbox.journal.bytes;
    outbox.enqueue(&[draft("c")], Time::now()).unwrap();
    let all = reports(&outbox);
    drop(outbox);
    let bytes = fs::read(dir.path().join("journal")).unwrap();
    for cut in usize::try_from(sent).unwrap()..=bytes.len() {
        let crashed = tempfile::tempdir().unwrap();
        fs::write(crashed.path().join("journal"), &bytes[..cut]).unwrap();
        let mut outbox = open(crashed.path(), &pair);
        let found = reports(&outbox);
        assert_eq!(found, all[..found.len()]);
        assert!(found.len() == if cut == bytes.len() { 3 } else { 2 }, "cut at {cut}");
        assert!(outbox.pending().take(2).all(|p| p.stage == Stage::Doubt));
        // It goes on without a hole or a fork of what was sent.
        if cut % 64 == 0 {
            outbox.enqueue(&[draft("d")], Time::now()).unwrap();
            check_chain(&reports(&outbox), None);
        }
    }
    // Before the seal nothing was sent: any cut is an earlier moment.
    for cut in (0..usize::try_from(sent).unwrap()).step_by(3) {
        let crashed = tempfile::tempdir().unwrap();
        fs::write(crashed.path().join("journal"), &bytes[..cut]).unwrap();
        let outbox = open(crashed.path(), &pair);
        assert!(outbox.pending().all(|p| p.stage == Stage::Fresh), "cut at {cut}");
        assert_eq!(reports(&outbox), all[..reports(&outbox).len()]);
    }
}

#[test]
fn damage_before_the_last_line_is_refused() {
    let (dir, pair) = (tempfile::tempdir().unwrap(), pair());
    let mut outbox = open(dir.path(), &pair);
    outbox.enqueue(&[draft("a")], Time::now()).unwrap();
    outbox.seal().unwrap();
    drop(outbox);
    let path = dir.path().join("journal");
    let good = fs::read(&path).unwrap();
    let last_line = good[..good.len() - 1].iter().rposition(|byte| *byte == b'\n').unwrap();
    for at in [0, 20, last_line / 2, last_line] {
        let mut bad = good.clone();
        bad[at] ^= 1;
        fs::write(&path, &bad).unwrap();
        let error = Outbox::open(dir.path(), again(&pair), ORIGIN).unwrap_err();
        assert!(matches!(error, OutboxError::Damaged { .. }), "byte {at}: {error}");
    }
}

#[test]
fn one_process_one_key_one_ledger() {
    let (dir, pair) = (tempfile::tempdir().unwrap(), pair());
    let held = open(dir.path(), &pair);
    let busy = Outbox::open_within(dir.path(), again(&pair), ORIGIN, Duration::ZERO).unwrap_err();
    assert!(matches!(busy, OutboxError::Busy { .. }), "{busy}");
    drop(held);
    for (pair, origin) in [(&self::pair(), ORIGIN), (&pair, "elsewhere/x")] {
        let error = Outbox::open(dir.path(), again(pair), origin).unwrap_err();
        assert!(matches!(error, OutboxError::Foreign { .. }), "{error}");
    }
    open(dir.path(), &pair);
}

#[test]
fn what_must_not_leave_is_not_signed() {
    let (dir, pair) = (tempfile::tempdir().unwrap(), pair());
    let mut outbox = open(dir.path(), &pair);
    let check = |outbox: &mut Outbox, body: &[u8], expected: &str| {
        let bad = Draft { body: body.to_vec(), ..draft("") };
        let error = outbox.enqueue(&[draft("fine"), bad], Time::now()).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
        assert!(outbox.is_empty(), "all or none");
    };
    check(&mut outbox, r#"{"data":{"remark":"주민번호 900101-1234568"}}"#.as_bytes(), "at /data/remark");
    check(&mut outbox, br#"{"data": 900101-1234568"#, "resident registration number");
    check(&mut outbox, br#"{"data":{"remark":"900101\u002d1234568"},"data":1}"#, "no JSON");
    check(&mut outbox, b"garbage", "no JSON");
    let headed = |subject: &str, content_type: &str| {
        let (subject, content_type) = (subject.to_owned(), content_type.to_owned());
        Draft { subject, content_type, ..draft("") }
    };
    for (subject, content_type) in [
        ("ledger.report.keco.charger.installed.v1", "application/cloudevents+json; note=900101-1234568"),
        ("ledger.report.keco.charger.installed.v1", "text/plain"),
        ("ledger.report.keco.p900101-1234568.v1", "application/cloudevents+json"),
        ("ledger.report.keco.x900101.1234568.v1", "application/cloudevents+json; charset=utf-8"),
    ] {
        let error = outbox.enqueue(&[draft("fine"), headed(subject, content_type)], Time::now()).unwrap_err();
        assert!(matches!(error, OutboxError::Header { .. }) && outbox.is_empty(), "{error}");
    }
    check(&mut outbox, b"\xff", "UTF-8");
    check(&mut outbox, &vec![b' '; BODY_BYTES_MAX + 1], "split it");
    assert_eq!(outbox.enqueue(&[draft("a")], Time::now()).unwrap(), 1..=1);
}

#[test]
fn withdrawn_numbers_are_given_again() {
    let (dir, pair) = (tempfile::tempdir().unwrap(), pair());
    let mut outbox = open(dir.path(), &pair);
    outbox.enqueue(&[draft("a"), draft("b"), draft("c")], Time::now()).unwrap();
    outbox.seal().unwrap();
    let first = reports(&outbox)[0].clone();
    outbox.settle([1]).unwrap();
    outbox.withdraw(2).unwrap();
    assert!(outbox.is_empty());
    for reopened in [false, true] {
        if reopened {
            drop(outbox);
            outbox = open(dir.path(), &pair);
        }
        assert_eq!(outbox.last_seq(), 1);
    }
    assert_eq!(outbox.enqueue(&[draft("d")], Time::now()).unwrap(), 2..=2);
    check_chain(&reports(&outbox), Some(hex::sha256(first.jws.as_bytes())));
    // Behind the seal again: certainly fresh after a restart.
    drop(outbox);
    let outbox = open(dir.path(), &pair);
    assert!(outbox.pending().all(|p| p.stage == Stage::Fresh));
}

/// A panic, say, halfway through a large import whose caller goes on with the outbox.
#[test]
fn what_was_given_up_halfway_is_not_signed_again() {
    let (dir, pair) = (tempfile::tempdir().unwrap(), pair());
    let mut outbox = open(dir.path(), &pair);
    outbox.enqueue(&[draft("a")], Time::now()).unwrap();
    let text = |outbox: &Outbox| fs::read(outbox.dir.join("journal")).unwrap();
    let before = text(&outbox).len();
    outbox.enqueue(&[draft("b")], Time::now()).unwrap();
    let second = String::from_utf8(text(&outbox)[before..].to_vec()).unwrap();
    outbox.withdraw(2).unwrap();
    outbox.journal.begin_parts();
    outbox.journal.append_part(&second).unwrap();
    let kept = text(&outbox);
    for refused in [outbox.enqueue(&[draft("c")], Time::now()).map(drop), outbox.seal(), outbox.withdraw(1)] {
        assert!(matches!(refused, Err(OutboxError::Broken { .. })), "{refused:?}");
    }
    assert_eq!(text(&outbox), kept);
    drop(outbox);
    let mut outbox = open(dir.path(), &pair);
    assert_eq!(outbox.enqueue(&[draft("c")], Time::now()).unwrap(), 3..=3);
    check_chain(&reports(&outbox), None);
}

#[test]
fn a_rewritten_journal_says_the_same() {
    let (dir, pair) = (tempfile::tempdir().unwrap(), pair());
    let mut outbox = open(dir.path(), &pair);
    outbox.enqueue(&(0..20).map(|n| draft(&n.to_string())).collect::<Vec<_>>(), Time::now()).unwrap();
    outbox.seal().unwrap();
    outbox.settle((1..=20).filter(|seq| *seq != 7)).unwrap();
    let (before, prev) = (reports(&outbox), outbox.chain.clone());
    let bytes = outbox.journal.bytes;
    outbox.rewrite().unwrap();
    assert!(outbox.journal.bytes < bytes / 5);
    drop(outbox);
    let mut outbox = open(dir.path(), &pair);
    assert_eq!(reports(&outbox), before);
    assert_eq!(outbox.chain, prev);
    assert!(outbox.pending().all(|p| p.stage == Stage::Doubt));
    outbox.enqueue(&[draft("x")], Time::now()).unwrap();
    assert_eq!(outbox.last_seq(), 21);
    outbox.rewrite().unwrap();
    drop(outbox);
    assert_eq!(reports(&open(dir.path(), &pair)).iter().map(|r| r.seq).collect::<Vec<_>>(), [7, 21]);
}
