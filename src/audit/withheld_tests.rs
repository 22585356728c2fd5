//! Tests of [`super`]: what a registry makes of what is left. Never part of the binary.

use bytes::Bytes;
use serde_json::{Value, json};

use super::*;
use crate::catalogue::govern::Act;
use crate::event::Time;
use crate::log::Arrival;
use crate::log::entry::{Body, Ruling, Verdict};
use crate::log::withhold::withheld;
use crate::sign::KeyPair;

fn name(text: &str) -> Value {
    json!({"ko": text, "en": text})
}

fn govern(registry: &mut Registry, index: u64, agency: &str, kind: &str, data: &Value) {
    registry.govern(Act { index, recorded: Time::from_ns(0), agency, kind, data }).unwrap();
}

fn registry() -> Registry {
    let mut registry = Registry::default();
    let agency = |code: &str, role: &str| json!({"code": code, "name": name(code), "role": role, "keys": [KeyPair::generate().unwrap().public()]});
    let authorities = json!([agency("motie", "authority"), agency("audit", "authority")]);
    let created = json!({"origin": "x.test", "log_key": "k", "authorities": authorities, "rules": 1});
    govern(&mut registry, 0, "motie", "ledger.created.v1", &created);
    govern(&mut registry, 1, "motie", "agency.registered.v1", &agency("keco", "agency"));
    registry
}

fn whole(index: u64, subject: &str) -> Entry {
    let arrival = Arrival {
        stream: "LEDGER_1".into(),
        sequence: index + 1,
        recorded: Time::from_ns(0),
        subject: Bytes::copy_from_slice(subject.as_bytes()),
        headers: Vec::new(),
        body: Bytes::from_static(br#"{"data":{"note":"kim","count":7}}"#),
    };
    Entry { ruling: Some(Ruling::new(Verdict::Accepted, vec![], None)), ..Entry::of_arrival(index, &arrival) }
}

fn say(registry: &mut Registry, at: u64, by: &str, left: &Entry) {
    let said = json!({
        "index": left.index, "agency": agency(left), "sha256": hex::encode(&left.body.sha256()), "mask": ["/data/note"],
        "stands": hex::encode(&stands(left)), "reason": "x",
    });
    govern(registry, at, by, "body.withheld.v1", &said);
}

fn judged(registry: &Registry, entry: &Entry, size: u64) -> Report {
    let mut report = Report { size, ..Report::default() };
    judge(registry, &[Left::of(entry).unwrap()], &|_| Some(entry.clone()), &mut report);
    report
}

const SUBJECT: &str = "ledger.report.keco.x.y.v1";

fn left(index: u64, subject: &str) -> Entry {
    withheld(&whole(index, subject), &["/data/note".to_owned()]).unwrap()
}

#[test]
fn a_digest_before_both_had_spoken_confirms_figures() {
    for (index, first, second, confirmed) in [
        (10, 5_000, 5_001, 1),
        (10, 4_000, 4_096, 1),
        (10, 4_000, 4_001, 0),
        (4_096, 4_100, 8_000, 0),
        (4_096, 4_100, 9_000, 1),
    ] {
        let (mut registry, left) = (registry(), left(index, SUBJECT));
        say(&mut registry, first, "keco", &left);
        assert_eq!(judged(&registry, &left, 10_000).found.keys().collect::<Vec<_>>(), [&"withheld-unagreed"]);
        say(&mut registry, second, "motie", &left);
        let report = judged(&registry, &left, 10_000);
        assert_eq!((report.findings, report.withheld), (vec![], vec![index]));
        assert_eq!(report.withheld_confirmed, confirmed, "{index} {first} {second}");
    }
}

#[test]
fn two_who_sign_together_are_still_held_to_masks() {
    let (mut registry, mut left) = (registry(), left(10, SUBJECT));
    let Body::Withheld(body) = &mut left.body else { panic!("it was withheld") };
    body.text = Bytes::from_static(br#"{"data":{"note":"lee","count":7}}"#);
    say(&mut registry, 300, "keco", &left);
    say(&mut registry, 301, "motie", &left);
    assert!(judged(&registry, &left, 10_000).found.contains_key("withheld-words"));
}

#[test]
fn an_authority_alone_is_not_two() {
    let (mut registry, left) = (registry(), left(10, "ledger.report.motie.x.y.v1"));
    say(&mut registry, 300, "motie", &left);
    say(&mut registry, 301, "motie", &left);
    assert!(judged(&registry, &left, 10_000).found.contains_key("withheld-unagreed"));
    say(&mut registry, 302, "audit", &left);
    assert!(judged(&registry, &left, 10_000).holds());
}

#[test]
fn governance_and_open_bundles_stay() {
    let mut registry = registry();
    let early = left(300, SUBJECT);
    say(&mut registry, 400, "keco", &early);
    say(&mut registry, 401, "motie", &early);
    assert!(judged(&registry, &early, 511).found.contains_key("withheld-early"));
    assert!(judged(&registry, &early, 512).holds());
    let mut law = left(10, "ledger.report.motie.target.set.v1");
    law.subject = crate::log::entry::Kept::Text("ledger.govern.motie.target.set.v1".to_owned());
    say(&mut registry, 402, "motie", &law);
    say(&mut registry, 403, "audit", &law);
    assert!(judged(&registry, &law, 512).found.contains_key("withheld-governance"));
}
