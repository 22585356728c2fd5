//! Admission through the core: one real message for every reason, and hostile messages by the thousand.

use jindo::admit::Reason;
use jindo::event::Day;
use jindo::event::envelope::{CONTENT_TYPE_EVENT, encode};
use jindo::log::Arrival;
use jindo::log::entry::{Entry, HEADER_CONTENT_TYPE, HEADER_SIGNATURE, Verdict};
use jindo::log::keyring;
use jindo::log::note::{KeyKind, VerifierKey};
use jindo::projector::halt::Halt;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::abuse::raise;
use crate::history::{Dice, History, Throw};
use crate::ledger::{AUTHORITY, ORIGIN, Signer, TestLedger, at, corrected, noon, subject, word};

const CHARGER: &str = "charger.installed.v1";

fn charger() -> Value {
    json!({"region": "11", "class": "fast", "count": 3})
}

/// A signed report of one event.
fn one(ledger: &mut TestLedger, agency: &str, kind: &str, data: Value) -> Arrival {
    let event = ledger.event(agency, kind, data, noon("2026-05-04"));
    ledger.message("report", &[event])
}

fn govern(ledger: &mut TestLedger, kind: &str, data: Value) -> Arrival {
    let event = ledger.event(AUTHORITY, kind, data, noon("2026-05-04"));
    ledger.message("govern", &[event])
}

fn body(ledger: &mut TestLedger) -> Vec<u8> {
    encode(&[ledger.event("keco", CHARGER, charger(), noon("2026-05-04"))]).1
}

/// A report whose claims were changed before it was signed.
fn claiming(ledger: &mut TestLedger, change: fn(&mut jindo::sign::Claims)) -> Arrival {
    let (body, topic) = (body(ledger), subject("keco", CHARGER));
    let mut claims = ledger.signers["keco"].claims(&topic, CONTENT_TYPE_EVENT, &body, ledger.recorded);
    change(&mut claims);
    let jws = ledger.signers.get_mut("keco").unwrap().sign(&claims);
    bare(ledger, &topic, &body, Some(&jws))
}

fn bare(ledger: &mut TestLedger, topic: &str, body: &[u8], jws: Option<&str>) -> Arrival {
    let mut headers = vec![(HEADER_CONTENT_TYPE, CONTENT_TYPE_EVENT.as_bytes())];
    headers.extend(jws.map(|jws| (HEADER_SIGNATURE, jws.as_bytes())));
    ledger.arrival(topic.as_bytes(), &headers, body)
}

/// The message that is refused for a reason, after what it needs was accepted. `None`: see [`nothing_before_the_ledger`] and
/// [`a_full_figure_takes_no_more_and_nothing_moves`].
fn refused_for(reason: Reason, ledger: &mut TestLedger) -> Option<Arrival> {
    let day = noon("2026-05-04");
    Some(match reason {
        Reason::LedgerNotCreated | Reason::Overflow => return None,
        Reason::SubjectMalformed | Reason::SubjectForeign | Reason::SignatureMissing | Reason::SignatureMalformed => {
            unsigned(reason, ledger)
        }
        Reason::SignatureWrong | Reason::KeyUnknown | Reason::KeyRevoked | Reason::AgencyNotValid => {
            by_key(reason, ledger)
        }
        Reason::ClaimsSubject => claiming(ledger, |claims| claims.sub = subject("keco", "zone.designated.v1")),
        Reason::ClaimsBody => claiming(ledger, |claims| claims.sha256[0] ^= 1),
        Reason::ClaimsOrigin => claiming(ledger, |claims| claims.aud = "jindo.test/another".to_owned()),
        Reason::BodyTooLarge => {
            let body = vec![b' '; 57 * 1024];
            ledger.signed("keco", &subject("keco", CHARGER), CONTENT_TYPE_EVENT, &body)
        }
        Reason::EnvelopeMalformed => ledger.signed("keco", &subject("keco", CHARGER), CONTENT_TYPE_EVENT, b"{}"),
        Reason::SourceForeign => {
            let foreign = encode(&[ledger.event("kiat", CHARGER, charger(), day)]).1;
            ledger.signed("keco", &subject("keco", CHARGER), CONTENT_TYPE_EVENT, &foreign)
        }
        Reason::TypeMismatch => {
            let other = body(ledger);
            ledger.signed("keco", &subject("keco", "zone.designated.v1"), CONTENT_TYPE_EVENT, &other)
        }
        Reason::TypeUnknown => one(ledger, "keco", "charger.painted.v1", json!({})),
        Reason::DataInvalid => one(ledger, "keco", CHARGER, json!({"region": "11", "class": "huge", "count": 3})),
        Reason::TimeOutOfRange => {
            let event = ledger.event("keco", CHARGER, charger(), at("1999-12-31T23:59:59.999999999Z"));
            ledger.message("report", &[event])
        }
        Reason::IndicatorUnknown => one(
            ledger,
            "keco",
            "forecast.stated.v1",
            json!({"indicator": "nowhere", "date": "2026", "outlook": "behind"}),
        ),
        Reason::RegionUnknown => one(ledger, "keco", CHARGER, json!({"region": "99", "class": "fast", "count": 3})),
        Reason::CurrencyUnknown => {
            one(ledger, "kotra", "fdi.notified.v1", json!({"basis": "notified", "amount": 1, "currency": "EUR"}))
        }
        Reason::AgencyUnknown => {
            let mut data = charger();
            data["on_behalf_of"] = "nobody".into();
            one(ledger, "keco", CHARGER, data)
        }
        Reason::NotAuthorised => one(ledger, "kotra", CHARGER, charger()),
        Reason::NoIndicator => one(ledger, "keco", "zone.designated.v1", json!({"sector": "bio", "zone": "z"})),
        Reason::VersionUnknown
        | Reason::VersionForeign
        | Reason::VersionSuperseded
        | Reason::VersionLimit
        | Reason::VerificationOwn
        | Reason::AlreadyStated
        | Reason::ClaimUnknown
        | Reason::IdConflict => about(reason, ledger),
        Reason::SplitLimit => {
            let projects: Vec<_> = (0..1_000).map(|n| project(ledger, n)).collect();
            projects.chunks(250).for_each(|part| assert_eq!(word(&ledger.batch(part)), "accepted"));
            let more = project(ledger, 1_000);
            ledger.message("report", &[more])
        }
        Reason::GovernanceInvalid => govern(ledger, "rules.adopted.v1", json!({"rules": 1, "reason": "x"})),
    })
}

fn project(ledger: &mut TestLedger, number: usize) -> jindo::event::envelope::NewEvent {
    let data = json!({"basis": "notified", "amount": 1, "currency": "USD", "project": format!("p{number}")});
    ledger.event("kotra", "fdi.notified.v1", data, noon("2026-05-04"))
}

fn unsigned(reason: Reason, ledger: &mut TestLedger) -> Arrival {
    let (body, topic) = (body(ledger), subject("keco", CHARGER));
    match reason {
        Reason::SubjectMalformed => {
            ledger.signed("keco", "ledger.report.KECO.charger.installed.v1", CONTENT_TYPE_EVENT, &body)
        }
        Reason::SubjectForeign => ledger.signed("kiat", &topic, CONTENT_TYPE_EVENT, &body),
        Reason::SignatureMissing => bare(ledger, &topic, &body, None),
        _ => bare(ledger, &topic, &body, Some("abc.def")),
    }
}

fn by_key(reason: Reason, ledger: &mut TestLedger) -> Arrival {
    let (body, topic) = (body(ledger), subject("keco", CHARGER));
    match reason {
        Reason::SignatureWrong => {
            // What is signed and the signature are of two reports.
            let signer = &ledger.signers["keco"];
            let mut claims = signer.claims(&topic, CONTENT_TYPE_EVENT, &body, ledger.recorded);
            let first = signer.clone().sign(&claims);
            claims.seq += 1;
            let second = signer.clone().sign(&claims);
            let jws = format!("{}.{}", &first[..first.rfind('.').unwrap()], &second[second.rfind('.').unwrap() + 1..]);
            bare(ledger, &topic, &body, Some(&jws))
        }
        Reason::KeyUnknown => {
            let mut stranger = Signer::named("a stranger");
            let claims = stranger.claims(&topic, CONTENT_TYPE_EVENT, &body, ledger.recorded);
            let jws = stranger.sign(&claims);
            bare(ledger, &topic, &body, Some(&jws))
        }
        Reason::KeyRevoked => {
            let key = ledger.signers["spare"].public();
            let ruling = ledger.govern("key.revoked.v1", json!({"agency": "spare", "key": key, "reason": "lost"}));
            assert_eq!(word(&ruling), "accepted");
            one(ledger, "spare", CHARGER, charger())
        }
        _ => one(ledger, "former", CHARGER, charger()),
    }
}

fn about(reason: Reason, ledger: &mut TestLedger) -> Arrival {
    let day = noon("2026-05-04");
    let retracts = |id: Uuid| json!({"retracts": id.to_string(), "reason": "x"});
    match reason {
        Reason::VersionUnknown => one(ledger, "keco", "report.retracted.v1", retracts(Uuid::from_u128(7))),
        Reason::VersionForeign => {
            let id = ledger.accept("keco", CHARGER, charger(), day);
            one(ledger, "kiat", "report.retracted.v1", retracts(id))
        }
        Reason::VersionSuperseded => {
            let id = ledger.accept("keco", CHARGER, charger(), day);
            ledger.correct("keco", id, charger(), day);
            one(ledger, "keco", "report.corrected.v1", corrected(id, &charger(), day))
        }
        Reason::VersionLimit => {
            let mut id = ledger.accept("keco", CHARGER, charger(), day);
            let mut correction = |ledger: &mut TestLedger| {
                let event = ledger.event("keco", "report.corrected.v1", corrected(id, &charger(), day), day);
                id = event.id;
                ledger.message("report", &[event])
            };
            let chain: Vec<_> = (0..999).map(|_| correction(ledger)).collect();
            ledger.commit(&chain, 500).unwrap();
            correction(ledger)
        }
        Reason::VerificationOwn => {
            let id = ledger.accept("kiat", CHARGER, charger(), day);
            one(ledger, "kiat", "report.verified.v1", json!({"agency": "kiat", "verifies": id.to_string()}))
        }
        Reason::AlreadyStated => {
            let id = ledger.accept("kiat", CHARGER, charger(), day);
            ledger.verify("kiat", id);
            one(ledger, "ktl", "report.verified.v1", json!({"agency": "kiat", "verifies": id.to_string()}))
        }
        Reason::ClaimUnknown => {
            let id = ledger.accept("keco", "zone.designated.v1", json!({"sector": "defence", "zone": "z1"}), day);
            let data = json!({"indicator": "zones", "agency": "keco", "stands": id.to_string(), "thing": ["z2"], "reason": "x"});
            one(ledger, AUTHORITY, "claim.resolved.v1", data)
        }
        _ => {
            let mut event = ledger.event("keco", CHARGER, charger(), day);
            assert_eq!(word(&ledger.batch(std::slice::from_ref(&event))), "accepted");
            event.data["count"] = 4.into();
            ledger.message("report", &[event])
        }
    }
}

#[test]
fn every_reason_refuses_one_message_and_moves_nothing() {
    let mut ledger = TestLedger::new();
    let far = Day::parse("2030-01-01").unwrap();
    let mut listed = 0;
    for reason in Reason::ALL {
        let Some(message) = refused_for(*reason, &mut ledger) else { continue };
        let (before, position) = (ledger.all_figures(far, None), ledger.core().reader().position());
        let ruling = ledger.send(&message);
        assert_eq!(ruling.verdict, Verdict::Refused(reason.code().to_owned()), "{reason:?}: {ruling:?}");
        let reader = ledger.core().reader();
        let after = reader.position();
        let index = position.size;
        assert_eq!(
            (after.size, after.records, after.things, after.series),
            (index + 1, position.records, position.things, position.series)
        );
        assert_eq!(ledger.all_figures(far, None), before, "{reason:?}");
        let refused = reader.refused(index, 1).unwrap();
        assert_eq!((refused[0].index, refused[0].code.as_str()), (index, reason.code()));
        assert!(!refused[0].faults[0].detail.is_empty());
        // The log holds what came, as far as it fits.
        let entry = Entry::parse(&ledger.core().log().read(index).unwrap()).unwrap();
        assert_eq!(entry.body.sha256(), <[u8; 32]>::from(<sha2::Sha256 as sha2::Digest>::digest(&message.body)));
        listed += 1;
    }
    assert_eq!(listed, Reason::ALL.len() - 2);
    assert_eq!(ledger.core().reader().refused(0, 1_000).unwrap().len(), listed);
    ledger.accept("keco", CHARGER, charger(), noon("2026-05-04"));
    let digest = ledger.core().digest();
    ledger.close();
    std::fs::remove_dir_all(ledger.store_folder()).unwrap();
    ledger.open();
    assert_eq!(ledger.core().digest(), digest);
}

/// A figure is filled by a million reports at least: here in the store alone, so that one more is refused.
#[test]
fn a_full_figure_takes_no_more_and_nothing_moves() {
    let mut ledger = TestLedger::new();
    let fdi = |amount: &str| json!({"basis": "notified", "amount": amount, "currency": "USD"});
    ledger.accept("kotra", "fdi.notified.v1", fdi("1"), noon("2026-05-04"));
    raise(&mut ledger, "fdi/total", "999999999999999999990000");
    let far = Day::parse("2030-01-01").unwrap();
    let before = ledger.all_figures(far, None);
    let message = one(&mut ledger, "kiat", "fdi.notified.v1", fdi("10000.000001"));
    assert_eq!(ledger.send(&message).verdict, Verdict::Refused(Reason::Overflow.code().to_owned()));
    assert_eq!(ledger.all_figures(far, None), before);
}

/// The first message has to create the ledger; anything else is recorded, refused, and nothing follows it.
#[test]
fn nothing_before_the_ledger() {
    let mut ledger = TestLedger::empty();
    let message = one(&mut ledger, "keco", CHARGER, charger());
    let code = Reason::LedgerNotCreated.code();
    assert_eq!(ledger.send(&message).verdict, Verdict::Refused(code.to_owned()));
    assert_eq!(ledger.core().reader().refused(0, 9).unwrap()[0].code, code);
    assert!(ledger.all_figures(Day::parse("2030-01-01").unwrap(), None).is_empty());
    for _ in 0..2 {
        let message = one(&mut ledger, "keco", CHARGER, charger());
        let halt = ledger.commit(&[message], 1).unwrap_err();
        assert!(matches!(halt, Halt::NoLedger(_)), "{halt}");
        ledger.reopen();
        assert_eq!(ledger.core().size(), 1);
    }
}

const HOSTILE: usize = 20_000;

#[test]
fn hostile_messages_never_stop_the_core() {
    let mut ledger = TestLedger::new();
    let mut dice = Dice::new(77);
    let throws: Vec<Throw> = (0..300).map(|_| (dice.draw() as u8, dice.draw() as u32)).collect();
    let mut good = History::play(&mut ledger, &throws).messages;
    ledger.commit(&good, 300).unwrap();
    good.truncate(120);
    let mut sent = 0;
    while sent < HOSTILE {
        let run: Vec<Arrival> = (0..500).map(|_| hostile(&mut ledger, &good, &mut dice)).collect();
        sent += ledger.commit(&run, 500).unwrap().len();
    }
    ledger.accept("keco", CHARGER, charger(), noon("2026-05-04"));
    let (digest, refused) = (ledger.core().digest(), ledger.core().reader().refused(0, sent * 2).unwrap());
    assert!(refused.len() > HOSTILE / 2, "{}", refused.len());
    // What admission said is in the log: read back with trust in it, it gives the same state.
    ledger.close();
    std::fs::remove_dir_all(ledger.store_folder()).unwrap();
    ledger.open();
    assert_eq!(ledger.core().digest(), digest);
    let again = ledger.core().reader().refused(0, sent * 2).unwrap();
    assert_eq!(again.len(), refused.len());
    for (again, refused) in again.iter().zip(&refused) {
        assert_eq!(again, refused);
    }
}

fn noise(dice: &mut Dice, most: usize) -> Vec<u8> {
    (0..dice.below(most)).map(|_| dice.draw() as u8).collect()
}

fn scratch(bytes: &[u8], dice: &mut Dice) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for _ in 0..1 + dice.below(3) {
        let place = dice.below(bytes.len() + 1);
        match dice.below(4) {
            0 => bytes.truncate(place),
            1 => bytes.insert(place, dice.draw() as u8),
            _ if place < bytes.len() => bytes[place] ^= 1 << dice.below(8),
            _ => bytes.push(0),
        }
    }
    bytes
}

/// A message meant to do harm: some are noise, some all but right.
fn hostile(ledger: &mut TestLedger, good: &[Arrival], dice: &mut Dice) -> Arrival {
    let sample = dice.of(good).clone();
    let header = |name: &str| {
        let found = sample.headers.iter().find(|(own, _)| own == name);
        found.map(|(_, value)| value.to_vec()).unwrap_or_default()
    };
    let (kind, jws) = (header(HEADER_CONTENT_TYPE), header(HEADER_SIGNATURE));
    let topic = sample.subject.to_vec();
    let send = |ledger: &mut TestLedger, topic: &[u8], kind: &[u8], jws: &[u8], body: &[u8]| {
        ledger.arrival(topic, &[(HEADER_CONTENT_TYPE, kind), (HEADER_SIGNATURE, jws)], body)
    };
    match dice.below(12) {
        0 => {
            let (topic, kind, jws) = (noise(dice, 300), noise(dice, 40), noise(dice, 400));
            let body = noise(dice, 2_000);
            send(ledger, &topic, &kind, &jws, &body)
        }
        1 => send(ledger, &topic, &kind, &jws, &scratch(&sample.body, dice)),
        2 => send(ledger, &topic, &kind, &scratch(&jws, dice), &sample.body),
        3 => send(ledger, &scratch(&topic, dice), &kind, &jws, &sample.body),
        4 => send(ledger, &topic, &scratch(&kind, dice), &jws, &sample.body),
        5 => {
            let huge = vec![*dice.of(b"aA.\0\xff"); 2_040 + dice.below(60_000)];
            let mut arrival = send(ledger, &topic, &kind, &huge, &sample.body);
            if dice.below(2) == 0 {
                arrival.headers.push((HEADER_SIGNATURE.to_lowercase(), jws.into()));
            }
            arrival
        }
        6 => {
            let topics: [&[u8]; 6] = [
                b"ledger.report.*.>",
                b"ledger.report.keco.",
                b"\0",
                b"",
                b"ledger.govern.motie.x.v1",
                b"ledger.report.keco.charger.\0.v1",
            ];
            let long = [b"ledger.report.keco.".as_slice(), &b"a.".repeat(2_000)].concat();
            let topic = if dice.below(4) == 0 { &long } else { *dice.of(&topics) };
            send(ledger, topic, &kind, &jws, &sample.body)
        }
        7..=8 => {
            let text = trap(dice);
            let agency = *dice.of(&["keco", "kiat", "kita", AUTHORITY]);
            let channel = *dice.of(&["report", "govern"]);
            let name =
                *dice.of(&[CHARGER, "report.corrected.v1", "target.set.v1", "export.reported.v1", "ledger.created.v1"]);
            ledger.signed(agency, &format!("ledger.{channel}.{agency}.{name}"), CONTENT_TYPE_EVENT, &text)
        }
        _ => twisted(ledger, &sample, dice),
    }
}

/// Bodies that parsers stumble over.
fn trap(dice: &mut Dice) -> Vec<u8> {
    let deep = 1 + dice.below(20_000);
    match dice.below(8) {
        0 => b"[".repeat(deep),
        1 => [b"{\"a\":".repeat(deep), b"1".to_vec(), b"}".repeat(deep)].concat(),
        2 => format!("{{\"data\":{{\"count\":1e{}}}}}", "9".repeat(1 + deep % 400)).into_bytes(),
        3 => format!("{{\"data\":{{\"count\":{}}}}}", "9".repeat(deep)).into_bytes(),
        4 => b"{\"id\":\"a\",\"id\":\"b\"}".to_vec(),
        5 => b"{\"id\":\"\\ud800\",\"x\":\"\\u0000\"}".to_vec(),
        6 => format!("[{}]", "{},".repeat(deep % 2_000)).into_bytes(),
        _ => noise(dice, 3_000),
    }
}

/// A well-signed report of an agency whose fields hold what nobody expects.
fn twisted(ledger: &mut TestLedger, sample: &Arrival, dice: &mut Dice) -> Arrival {
    let Ok(mut body) = serde_json::from_slice::<Value>(&sample.body) else {
        return ledger.arrival(b"x", &[], b"");
    };
    let topic = String::from_utf8(sample.subject.to_vec()).unwrap();
    let agency = topic.split('.').nth(2).unwrap().to_owned();
    let batch = body.is_array();
    let event = if batch { &mut body[0] } else { &mut body };
    if dice.below(2) == 0 {
        event["id"] = ledger.id().to_string().into();
    }
    for _ in 0..1 + dice.below(2) {
        let fields: Vec<String> = event["data"].as_object().unwrap().keys().cloned().collect();
        let strange = [
            json!(null),
            json!(-1),
            json!(0),
            json!(""),
            json!("\u{0}"),
            json!([]),
            json!({}),
            json!(true),
            json!([[[[]]]]),
            json!("999999999999999999999999.999999"),
            json!(["x", 1, null]),
            json!("\u{202e}11"),
            json!("2026-13"),
            json!("018f7b1e-7c1a-7e3a-9b1e-2f6d1c0a4b5c"),
            json!({"time": "2026-05-04T00:00:00Z", "data": {}}),
            json!("motie"),
        ];
        let value = dice.of(&strange).clone();
        match dice.below(6) {
            0 => event["data"]["extra"] = value,
            1 => event["time"] = json!(*dice.of(&["2026-05-04", "9999-12-31T23:59:59Z", "2026-05-04T24:00:00Z", "-1"])),
            2 => event["extra"] = value,
            _ if !fields.is_empty() => event["data"][dice.of(&fields)] = value,
            _ => event["data"] = value,
        }
        if !event["data"].is_object() {
            break;
        }
    }
    let kind = if batch { "application/cloudevents-batch+json" } else { CONTENT_TYPE_EVENT };
    ledger.signed(&agency, &topic, kind, body.to_string().as_bytes())
}

#[test]
fn the_logs_next_key_is_named_by_the_one_in_force() {
    let mut ledger = TestLedger::new();
    let key = |name: &str| VerifierKey::of_pair(ORIGIN, KeyKind::Log, &Signer::named(name).pair()).unwrap();
    let rotated = |by: &str, next: &str, named: &str| {
        let note = keyring::rotation(&Signer::named(by).pair(), &key(next)).unwrap();
        json!({"new": key(named).to_string(), "note": note, "reason": "yearly"})
    };
    for (by, next, named, verdict) in [
        ("stranger", "next", "next", "governance-invalid"),
        ("log", "next", "other", "governance-invalid"),
        ("log", "log", "log", "governance-invalid"),
        ("log", "next", "next", "accepted"),
        ("log", "third", "third", "governance-invalid"),
        ("next", "log", "log", "governance-invalid"),
        ("next", "third", "third", "accepted"),
    ] {
        let ruling = ledger.govern("log.key-rotated.v1", rotated(by, next, named));
        assert_eq!(word(&ruling), verdict, "{next} by {by}");
    }
    let (size, registry) = (ledger.core().size(), ledger.core().registry());
    let from: Vec<u64> = registry.log_keys.iter().map(|key| key.from).collect();
    assert_eq!(from, [size - 3, size]);
}
