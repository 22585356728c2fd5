//! Tests of [`super`] and its parser: the text, and that it is total and exact. Never part of the binary.

use proptest::prelude::*;

use super::*;
use crate::limits::{BATCH_EVENTS_MAX, ENTRY_BYTES_MAX, REASON_CODE_BYTES_MAX};

fn arrival() -> Arrival {
    Arrival {
        stream: "LEDGER_1".into(),
        sequence: 42,
        recorded: Time::parse("2026-03-02T00:00:00.123456789Z").unwrap(),
        subject: Bytes::from_static(b"ledger.report.keco.charger.installed.v1"),
        headers: vec![
            ("Nats-Msg-Id".into(), Bytes::from_static(b"x")),
            ("content-type".into(), Bytes::from_static(b"application/cloudevents+json")),
            ("Ledger-Signature".into(), Bytes::from_static(b"a.b.c")),
        ],
        body: Bytes::from_static(b"{\"specversion\":\"1.0\"}\n\nindex: 7"),
    }
}

#[test]
fn is_text() {
    let mut entry = Entry::of_arrival(41, &arrival());
    entry.ruling = Some(Ruling::new(
        Verdict::Accepted,
        [vec![Mark::New; 97], vec![Mark::Duplicate], vec![Mark::New; 2]].concat(),
        None,
    ));
    let expected = "jindo-entry/v1\nindex: 41\nstream: LEDGER_1 42\nrecorded: 2026-03-02T00:00:00.123456789Z\n\
        subject: ledger.report.keco.charger.installed.v1\nverdict: accepted\nevents: 97 new, 1 duplicate, 2 new\n\
        content-type: application/cloudevents+json\nsignature: a.b.c\n\n{\"specversion\":\"1.0\"}\n\nindex: 7";
    assert_eq!(String::from_utf8(entry.encode()).unwrap(), expected);
    assert_eq!(Entry::parse(expected.as_bytes()).unwrap(), entry);
    assert_eq!(super::super::entry_parse::peek(expected.as_bytes()), Some((41, entry.recorded)));
    entry.ruling =
        Some(Ruling::new(Verdict::Refused("data-invalid".into()), vec![], Some((17, "data-invalid".into()))));
    let refused = String::from_utf8(entry.encode()).unwrap();
    assert!(refused.contains("\nverdict: refused data-invalid\nfault: 17 data-invalid\ncontent-type"), "{refused}");
}

#[test]
fn keeps_no_more_than_fits_a_line() {
    let text = |kept: &Option<Kept>| kept.as_ref().and_then(Kept::text).map(str::to_owned);
    let with = |name: &str, values: &[&[u8]]| {
        let mut message = arrival();
        message.headers = values.iter().map(|value| (name.to_owned(), Bytes::copy_from_slice(value))).collect();
        Entry::of_arrival(0, &message)
    };
    assert_eq!(text(&with("CONTENT-TYPE", &[b"x"]).content_type), Some("x".into()));
    assert_eq!(text(&with("Ledger-Signature", &[b""]).signature), Some(String::new()));
    assert_eq!(with("Ledger-Signature", &[]).signature, None);
    assert_eq!(
        text(&with("Ledger-Signature", &[&[b'a'; HEADER_BYTES_MAX]]).signature).map(|text| text.len()),
        Some(2_048)
    );
    for values in
        [&[&[b'a'; HEADER_BYTES_MAX + 1][..]][..], &[b"a\tb"], &[b"a\nb"], &["é".as_bytes()], &[b"\xff"], &[b"a\x7f"]]
    {
        let value = values[0];
        let hashed = Some(Kept::Hashed { sha256: hex::sha256(value), bytes: value.len() as u64 });
        assert_eq!(with("Ledger-Signature", values).signature, hashed);
    }
    let twice = with("Ledger-Signature", &[b"a", b"b"]).signature;
    assert_eq!(twice, Some(Kept::Hashed { sha256: hex::sha256(b"a\r\nb"), bytes: 4 }));

    let mut message = arrival();
    message.subject = Bytes::from(vec![b'a'; 257]);
    message.body = Bytes::from(vec![0; BODY_BYTES_MAX + 1]);
    message.stream = "a b".into();
    let entry = Entry::of_arrival(0, &message);
    assert_eq!(entry.subject, Kept::Hashed { sha256: hex::sha256(&message.subject), bytes: 257 });
    assert_eq!(entry.body, Body::Hashed { sha256: hex::sha256(&message.body), bytes: 57_345 });
    assert_eq!(entry.body.sha256(), hex::sha256(&message.body));
    assert!(is_stream_name(&entry.stream));
    assert_eq!(Entry::parse(&entry.encode()).unwrap(), entry);
}

#[test]
fn the_largest_entry_fits() {
    let mut message = arrival();
    message.stream = "S".repeat(STREAM_NAME_BYTES_MAX).into();
    message.sequence = u64::MAX;
    message.recorded = Time::from_ns(i64::MIN);
    message.subject = Bytes::from(vec![b'a'; SUBJECT_BYTES_MAX]);
    let header = Bytes::from(vec![b'a'; HEADER_BYTES_MAX]);
    message.headers = vec![("Content-Type".into(), header.clone()), ("Ledger-Signature".into(), header)];
    message.body = Bytes::from(vec![b'\n'; BODY_BYTES_MAX]);
    let mut entry = Entry::of_arrival(u64::MAX, &message);
    entry.recovered = Some((entry.stream.clone(), u64::MAX, Time::from_ns(i64::MIN)));
    entry.state = Some([0xff; 32]);
    let marks = (0..BATCH_EVENTS_MAX).map(|at| if at % 2 == 0 { Mark::New } else { Mark::Duplicate });
    entry.ruling = Some(Ruling::new(Verdict::Accepted, marks.collect(), None));
    let bytes = entry.encode();
    assert!(bytes.len() <= ENTRY_BYTES_MAX, "{}", bytes.len());
    assert_eq!(Entry::parse(&bytes).unwrap(), entry);
    let long = "c".repeat(REASON_CODE_BYTES_MAX);
    entry.ruling = Some(Ruling::new(Verdict::Refused(long.clone()), vec![], Some((u16::MAX, long))));
    assert_eq!(Entry::parse(&entry.encode()).unwrap(), entry);
}

#[test]
fn refuses_what_no_entry_encodes_to() {
    let mut entry = Entry::of_arrival(41, &arrival());
    let marks = vec![Mark::New, Mark::Duplicate];
    entry.ruling = Some(Ruling::new(Verdict::Accepted, marks, None));
    let good = String::from_utf8(entry.encode()).unwrap();
    assert!(Entry::parse(good.as_bytes()).is_ok());
    for (from, to) in [
        ("entry/v1", "entry/v2"),
        ("index: 41\n", ""),
        ("index: 41", "index: 041"),
        ("index: 41", "index: +41"),
        ("index: 41", "index:  41"),
        ("index: 41", "index: 18446744073709551616"),
        ("index: 41\n", "index: 41\nindex: 41\n"),
        ("index: 41\nstream: LEDGER_1 42", "stream: LEDGER_1 42\nindex: 41"),
        ("LEDGER_1 42", "LEDGER.1 42"),
        ("LEDGER_1 42", "LEDGER_1"),
        ("LEDGER_1 42", "LEDGER_1 42 "),
        ("123456789Z", "123456789+00:00"),
        ("123456789Z", "123456780Z"),
        ("verdict: accepted", "verdict: fine"),
        ("verdict: accepted", "verdict: duplicate"),
        ("verdict: accepted", "verdict: refused"),
        ("verdict: accepted", "verdict: refused Data"),
        ("verdict: accepted\n", ""),
        ("1 new, 1 duplicate", "1 new"),
        ("1 new, 1 duplicate", "1 new, 0 duplicate"),
        ("1 new, 1 duplicate", "1 new, 1 new, 1 duplicate"),
        ("1 new, 1 duplicate", "1 new,1 duplicate"),
        ("1 new, 1 duplicate", "255 new, 2 duplicate"),
        ("events:", "fault:"),
        ("signature: a.b.c", "signature: a\tb"),
        ("signature: a.b.c", "signature-sha256: a.b.c"),
        ("signature: a.b.c", "signature: a.b.c\nsignature: a.b.c"),
        ("signature: a.b.c", "unknown: x"),
        ("signature: a.b.c", "signature: a.b.c\r"),
        ("\n\n", "\n"),
    ] {
        let bad = good.replacen(from, to, if from == "\n\n" { 9 } else { 1 });
        assert_ne!(bad, good);
        assert!(Entry::parse(bad.as_bytes()).is_err(), "{from} -> {to}");
    }
    let hashed = good.replacen("\n\n", &format!("\nbody-sha256: {} 3\n\n", "0".repeat(64)), 1);
    assert!(matches!(Entry::parse(hashed.as_bytes()), Err(EntryFault::Body(_))));
    let long = [good.as_bytes(), &vec![b'x'; BODY_BYTES_MAX]].concat();
    assert!(matches!(Entry::parse(&long), Err(EntryFault::Body(_))));
    assert_eq!(Entry::parse(&vec![b'x'; ENTRY_BYTES_MAX + 1]), Err(EntryFault::TooLong(ENTRY_BYTES_MAX + 1)));
}

#[test]
fn leaves_hash_as_rfc_6962_says() {
    // The hash of the empty leaf, as in the test vectors of RFC 6962 implementations.
    let empty = "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d";
    assert_eq!(hex::encode(&leaf_hash(b"")), empty);
}

fn any_bytes(lengths: std::ops::Range<usize>) -> impl Strategy<Value = Bytes> {
    let printable = prop::collection::vec(0x20_u8..0x7f, lengths.clone());
    prop_oneof![prop::collection::vec(any::<u8>(), lengths), printable].prop_map(Bytes::from)
}

fn any_arrival() -> impl Strategy<Value = Arrival> {
    let names = prop_oneof![Just("Content-Type"), Just("content-type"), Just("Ledger-Signature"), Just("Other")];
    let header = (names.prop_map(str::to_owned), any_bytes(0..2_100));
    let body =
        prop_oneof![any_bytes(0..300), Just(Bytes::from(vec![7; BODY_BYTES_MAX])), Just(Bytes::from(vec![7; 61_000]))];
    (".{0,20}|[A-Z_0-9]{1,9}", any::<u64>(), any::<i64>(), any_bytes(0..300), prop::collection::vec(header, 0..4), body)
        .prop_map(|(stream, sequence, ns, subject, headers, body)| Arrival {
            stream: stream.into(),
            sequence,
            recorded: Time::from_ns(ns),
            subject,
            headers,
            body,
        })
}

fn any_ruling() -> impl Strategy<Value = Ruling> {
    let verdict =
        prop_oneof![Just(Verdict::Accepted), Just(Verdict::Duplicate), "[a-z0-9-]{1,64}".prop_map(Verdict::Refused),];
    let mark = prop_oneof![Just(Mark::New), Just(Mark::Duplicate)];
    (verdict, prop::collection::vec(mark, 0..BATCH_EVENTS_MAX), prop::option::of((any::<u16>(), "[a-z0-9-]{1,64}")))
        .prop_map(|(verdict, marks, fault)| Ruling::new(verdict, marks, fault))
}

proptest! {
    #[test]
    fn total_and_read_back_equal(
        message in any_arrival(),
        index in any::<u64>(),
        ruling in prop::option::of(any_ruling()),
        state in prop::option::of(any::<[u8; 32]>()),
        recovered in prop::option::of(("[A-Z_0-9]{1,20}", any::<u64>(), any::<i64>())),
    ) {
        let mut entry = Entry::of_arrival(index, &message);
        entry.ruling = ruling;
        entry.state = state;
        entry.recovered = recovered.map(|(stream, sequence, ns)| (stream, sequence, Time::from_ns(ns)));
        let bytes = entry.encode();
        prop_assert!(bytes.len() <= ENTRY_BYTES_MAX);
        prop_assert_eq!(super::super::entry_parse::peek(&bytes), Some((index, message.recorded)));
        prop_assert_eq!(Entry::parse(&bytes).unwrap(), entry);
    }

    /// One changed byte gives no entry, or an entry that says something else and prints itself.
    #[test]
    fn what_parses_prints_itself(
        message in any_arrival(), ruling in prop::option::of(any_ruling()), at in 0..400_usize, byte in any::<u8>(),
    ) {
        let mut entry = Entry::of_arrival(41, &message);
        entry.ruling = ruling;
        let mut bytes = entry.encode();
        let at = at % bytes.len();
        bytes[at] = byte;
        if let Ok(entry) = Entry::parse(&bytes) {
            prop_assert_eq!(entry.encode(), bytes);
        }
    }
}
