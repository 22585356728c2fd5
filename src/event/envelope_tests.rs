//! Tests of [`super`]: a good event, and everything one change can break. Never part of the binary.

use proptest::prelude::*;
use serde_json::json;

use super::*;

const ID: &str = "0198f0a0-7c7e-7aaa-8aaa-0123456789ab";

fn good() -> Value {
    json!({
        "specversion": "1.0", "id": ID, "source": "/agencies/keco", "type": "charger.installed.v1",
        "time": "2026-03-02T09:00:00+09:00", "subject": "KR-11-000123",
        "data": {"region": "11", "count": 2},
    })
}

fn with(name: &str, value: Value) -> Value {
    let mut event = good();
    event[name] = value;
    event
}

fn without(name: &str) -> Value {
    let mut event = good();
    event.as_object_mut().unwrap().remove(name);
    event
}

fn one(event: &Value) -> Result<Vec<Event>, EnvelopeFault> {
    parse(CONTENT_TYPE_EVENT, event.to_string().as_bytes())
}

fn batch(events: &[Value]) -> Result<Vec<Event>, EnvelopeFault> {
    parse(CONTENT_TYPE_BATCH, json!(events).to_string().as_bytes())
}

#[test]
fn reads_one_event() {
    let events = one(&good()).unwrap();
    let [event] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!((event.id.to_string().as_str(), &*event.agency, &*event.kind), (ID, "keco", "charger.installed.v1"));
    assert_eq!(event.time.to_string(), "2026-03-02T00:00:00Z");
    assert_eq!(event.subject.as_deref(), Some("KR-11-000123"));
    assert_eq!(event.data, json!({"region": "11", "count": 2}));
}

#[test]
fn takes_what_cloudevents_allows() {
    for event in [
        without("subject"),
        with("datacontenttype", json!("application/json")),
        with("dataschema", json!("https://example.org/charger.json")),
        with("traceparent", json!("00-ab")),
        with("partition1", json!(-2_147_483_648_i64)),
        with("sampled", json!(false)),
        with("data", json!({})),
    ] {
        one(&event).unwrap_or_else(|fault| panic!("{event}: {fault}"));
    }
}

#[test]
fn refuses_what_one_change_breaks() {
    let long = "가".repeat(86);
    for (event, word) in [
        (without("specversion"), "specversion"),
        (with("specversion", json!("1.1")), "specversion"),
        (with("specversion", json!(1.0)), "specversion"),
        (without("id"), "id"),
        (with("id", json!(ID.to_uppercase())), "lower case"),
        (with("id", json!(ID.replace('-', ""))), "hyphens"),
        (with("id", json!(format!("urn:uuid:{ID}"))), "UUID"),
        (with("id", json!(format!("{{{ID}}}"))), "UUID"),
        (with("id", json!("00000000-0000-0000-0000-000000000000")), "nil"),
        (with("id", json!("41")), "UUID"),
        (without("source"), "source"),
        (with("source", json!("/agencies/")), "source"),
        (with("source", json!("/agencies/keco/")), "source"),
        (with("source", json!("/agencies/KECO")), "source"),
        (with("source", json!("https://example.org/agencies/keco")), "source"),
        (without("type"), "type"),
        (with("type", json!("charger.installed")), "type"),
        (with("type", json!("charger.installed.v1 ")), "type"),
        (without("time"), "time"),
        (with("time", json!("2026-03-02")), "time"),
        (with("time", json!("2026-03-02T09:00:00")), "time"),
        (with("time", json!(1_767_225_600)), "time"),
        (with("subject", json!("")), "subject"),
        (with("subject", json!(null)), "subject"),
        (with("subject", json!("a\nb")), "subject"),
        (with("subject", json!(long)), "subject"),
        (with("datacontenttype", json!("application/xml")), "datacontenttype"),
        (with("datacontenttype", json!("application/json; charset=utf-8")), "datacontenttype"),
        (with("dataschema", json!("")), "dataschema"),
        (without("data"), "data"),
        (with("data", json!(null)), "data"),
        (with("data", json!([1])), "data"),
        (with("data", json!("{}")), "data"),
        (with("data_base64", json!("e30=")), "attribute"),
        (with("traceParent", json!("x")), "attribute"),
        (with("", json!("x")), "attribute"),
        (with("abcdefghijklmnopqrstu", json!("x")), "attribute"),
        (with("trace", json!(null)), "trace"),
        (with("trace", json!(1.5)), "trace"),
        (with("trace", json!(2_147_483_648_i64)), "trace"),
        (with("trace", json!({"a": 1})), "trace"),
        (json!([good()]), "object"),
        (json!("x"), "object"),
    ] {
        let fault = one(&event).expect_err(&event.to_string());
        assert!(fault.detail.contains(word), "{event}: {fault}");
    }
}

#[test]
fn content_types() {
    let body = good().to_string();
    for (text, taken) in [
        ("application/cloudevents+json", true),
        ("application/cloudevents+json; charset=utf-8", true),
        ("Application/CloudEvents+JSON;charset=\"UTF-8\"", true),
        ("application/cloudevents+json; charset=utf-16", false),
        ("application/cloudevents+json; profile=x", false),
        ("application/cloudevents+json; charset=utf-8; charset=utf-8", false),
        ("application/cloudevents+json;", false),
        ("application/cloudevents", false),
        ("application/json", false),
        (" application/cloudevents+json", false),
        ("", false),
    ] {
        assert_eq!(parse(text, body.as_bytes()).is_ok(), taken, "{text}");
    }
    assert!(parse(CONTENT_TYPE_BATCH, body.as_bytes()).is_err());
}

#[test]
fn a_batch_is_one_agencys_of_one_type_and_no_id_twice() {
    let other_id = |event: Value| {
        let mut event = event;
        event["id"] = json!("0198f0a0-7c7e-7aaa-8aaa-0123456789ac");
        event
    };
    let events = batch(&[good(), other_id(good())]).unwrap();
    assert_eq!(events.len(), 2);
    assert!(Arc::ptr_eq(&events[0].agency, &events[1].agency));
    for (second, word) in [
        (good(), "twice"),
        (other_id(with("type", json!("charger.removed.v1"))), "one type"),
        (other_id(with("source", json!("/agencies/kepco"))), "one agency"),
        (json!(1), "object"),
    ] {
        let fault = batch(&[good(), second]).unwrap_err();
        assert_eq!(fault.event, Some(1), "{fault}");
        assert!(fault.detail.contains(word), "{fault}");
    }
    assert_eq!(batch(&[]).unwrap_err().event, None);
    let many = |count: usize| -> Vec<Value> {
        (0..count).map(|number| with("id", json!(Uuid::from_u128(number as u128 + 1)))).collect()
    };
    assert_eq!(batch(&many(BATCH_EVENTS_MAX)).unwrap().len(), BATCH_EVENTS_MAX);
    assert!(batch(&many(BATCH_EVENTS_MAX + 1)).is_err());
}

#[test]
fn strict_json_underneath() {
    let text = good().to_string();
    let twice = text.replacen('{', "{\"id\":\"x\",", 1);
    assert!(parse(CONTENT_TYPE_EVENT, twice.as_bytes()).unwrap_err().detail.contains("twice"));
    assert!(parse(CONTENT_TYPE_EVENT, format!("{text} x").as_bytes()).is_err());
}

#[test]
fn a_digest_covers_the_whole_event() {
    let digest = |event: &Value| one(event).unwrap()[0].digest;
    for changed in [
        with("data", json!({"region": "11", "count": 3})),
        with("time", json!("2026-03-02T00:00:00Z")),
        with("trace", json!("x")),
        without("subject"),
    ] {
        assert_ne!(digest(&good()), digest(&changed), "{changed}");
    }
    let pretty = serde_json::to_vec_pretty(&good()).unwrap();
    assert_eq!(parse(CONTENT_TYPE_EVENT, &pretty).unwrap()[0].digest, digest(&good()));
    // The same event has the same digest in a batch.
    assert_eq!(batch(&[good()]).unwrap()[0].digest, digest(&good()));
}

proptest! {
    #[test]
    fn reads_what_it_encodes(
        ids in prop::collection::btree_set(1..u128::MAX, 1..5),
        ns in 946_684_800_000_000_000_i64..4_000_000_000_000_000_000,
        subject in prop::option::of("[^\\p{Cc}]{1,60}"),
        note in any::<String>(),
        amount in "[1-9][0-9]{0,20}(\\.[0-9]{1,6})?",
    ) {
        let events: Vec<NewEvent> = ids.into_iter().map(|id| NewEvent {
            id: Uuid::from_u128(id), agency: "keco".into(), kind: "charger.installed.v1".into(), time: Time::from_ns(ns),
            time_text: None, subject: subject.clone(),
            data: json!({"note": note, "amount": serde_json::from_str::<Value>(&amount).unwrap()}),
        }).collect();
        let (content_type, body) = encode(&events);
        let read = parse(content_type, &body).unwrap();
        prop_assert_eq!(read.len(), events.len());
        for (read, event) in read.iter().zip(&events) {
            prop_assert_eq!((read.id, read.time, &read.subject, &read.data), (event.id, event.time, &event.subject, &event.data));
        }
    }

    #[test]
    fn survives_any_body(content_type in "(application/cloudevents(-batch)?\\+json)?.{0,8}", body in prop::collection::vec(any::<u8>(), 0..80)) {
        if let Ok(events) = parse(&content_type, &body) {
            prop_assert!(!events.is_empty());
        }
    }
}
