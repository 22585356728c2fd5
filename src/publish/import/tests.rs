//! Rows to events to batches, against the real schemas.

use super::*;
use crate::event::schema::embedded_text;

const KIND: &str = "charger.installed.v1";

fn schema() -> Schema {
    Schema::compile(KIND, embedded_text(KIND).unwrap()).unwrap()
}

fn csv(text: &str) -> Document {
    Document::from_bytes(text.into(), document::Format::Csv).unwrap()
}

fn options(key: Option<&str>) -> Options {
    Options { agency: "keco".into(), key: key.map(str::to_owned), ..Options::default() }
}

#[test]
fn ids_are_the_same_forever() {
    let id = event_id("keco", KIND, "KE-0001");
    assert_eq!(id, event_id("keco", KIND, "KE-0001"));
    assert_eq!(id.get_version_num(), 8);
    for other in
        [event_id("mcee", KIND, "KE-0001"), event_id("keco", "x.y.v1", "KE-0001"), event_id("keco", KIND, "KE-0002")]
    {
        assert_ne!(id, other);
    }
    // Written into files people keep: a change here makes every import count twice.
    assert_eq!(id.to_string(), "26a3605a-6947-8f96-b871-63e4b080e004");
}

#[test]
fn a_row_becomes_an_event() {
    let document = csv("key,일시,지역,구분,충전기 수,잠정치\nKE-1,2026-03-02,11,Fast,\"1,200\",예\n");
    let schema = schema();
    let import = Import::new(&document, &schema, options(Some("key"))).unwrap();
    let checked = import.check();
    assert_eq!((checked.rows, checked.sound, checked.faulty()), (1, 1, 0), "{:?}", checked.faults);
    let event = checked.sample.unwrap();
    assert_eq!(event.id, event_id("keco", KIND, "KE-1"));
    assert_eq!(event.time.to_string(), "2026-03-01T15:00:00Z");
    assert_eq!(event.data.to_string(), r#"{"class":"fast","count":1200,"provisional":true,"region":"11"}"#);
}

#[test]
fn every_fault_names_row_and_column() {
    let document = csv(concat!(
        "id,time,region,class,count,remark\n",
        "a,2026-03-02,11,fast,1,\n",
        "a,2026-03-02,11,fast,1,\n",
        ",2026-03-02,11,fast,1,\n",
        "b,yesterday,11,fast,1,\n",
        "c,2026-03-02,11,quick,1,\n",
        "d,2026-03-02,11,fast,0,\n",
        "e,2026-03-02,11,fast,many,\n",
        "f,,11,fast,1,\n",
        "g,2026-03-02,11,fast,1,call 900101-1234568\n",
    ));
    let schema = schema();
    let checked = Import::new(&document, &schema, options(Some("id"))).unwrap().check();
    let faults: Vec<(u64, Option<&str>)> =
        checked.faults.iter().map(|fault| (fault.row, fault.column.as_deref())).collect();
    let expected = [
        (3, Some("id")),
        (4, Some("id")),
        (5, Some("time")),
        (6, Some("class")),
        (7, Some("count")),
        (8, Some("count")),
        (9, Some("time")),
        (10, Some("remark")),
    ];
    assert_eq!(faults, expected, "{:#?}", checked.faults);
    assert_eq!((checked.rows, checked.sound, checked.faulty()), (9, 1, 8));
}

#[test]
fn batches_hold_their_limits_and_resume_where_they_ended() {
    let mut text = String::from("id,time,region,class,count,remark\n");
    for number in 0..1_000 {
        text.push_str(&format!(
            "K{number},2026-03-02,11,fast,1,{}\n",
            "x".repeat(if number % 3 == 0 { 900 } else { 10 })
        ));
    }
    let (document, schema) = (csv(&text), schema());
    let import = Import::new(&document, &schema, options(Some("id"))).unwrap();
    let checked = import.check();
    let all: Vec<Batch> = import.batches(0, &checked).collect();
    assert_eq!(all.iter().map(|batch| batch.events).sum::<usize>(), 1_000);
    assert_eq!(all.last().unwrap().row_last, 1_001);
    for batch in &all {
        assert!(batch.body.len() <= BODY_BYTES_MAX && batch.events <= IMPORT_BATCH_EVENTS);
        assert_eq!(envelope::parse(batch.content_type, &batch.body).unwrap().len(), batch.events);
    }
    for done in 1..all.len() {
        let rest: Vec<Batch> = import.batches(all[done - 1].row_last, &checked).collect();
        assert_eq!(rest, all[done..], "after batch {done}");
    }
}

#[test]
fn faulty_rows_are_left_out_wherever_an_import_resumes() {
    let rows: Vec<String> = (0..500).map(|number| format!("K{number},2026-03-02,11,fast,{}\n", number % 7)).collect();
    let text = format!("id,time,region,class,count\n{}K1,2026-03-02,11,fast,1\n", rows.concat());
    let (document, schema) = (csv(&text), schema());
    let import = Import::new(&document, &schema, options(Some("id"))).unwrap();
    let checked = import.check();
    // Every seventh row says 0 chargers, and the last one repeats a key.
    assert_eq!((checked.rows, checked.faulty()), (501, 73));
    let all: Vec<Batch> = import.batches(0, &checked).collect();
    assert_eq!(all.iter().map(|batch| batch.events as u64).sum::<u64>(), checked.sound);
    let first = &all[0];
    assert_eq!(import.sound_until(first.row_last, &checked), first.events as u64);
    let last = envelope::parse(first.content_type, &first.body).unwrap().pop().unwrap();
    assert_eq!(import.last_event_until(first.row_last, &checked).map(|(id, _)| id), Some(last.id));
    assert_eq!(import.batches(first.row_last, &checked).collect::<Vec<_>>(), all[1..]);
}

#[test]
fn ndjson_takes_flat_fields_and_whole_events() {
    let event = NewEvent {
        id: event_id("keco", KIND, "whole"),
        agency: "keco".into(),
        kind: KIND.into(),
        time: Time::parse("2026-03-02T00:00:00Z").unwrap(),
        time_text: Some("2026-03-02T00:00:00Z".into()),
        subject: None,
        data: serde_json::json!({"region": "11", "class": "fast", "count": 1}),
    };
    let whole = String::from_utf8(envelope::encode(std::slice::from_ref(&event)).1).unwrap();
    let text = format!(
        "{whole}\n{}\n{}\n{}\n",
        r#"{"key":"k1","time":"2026-03-02","region":"11","class":"fast","count":"1,000"}"#,
        r#"{"key":"k2","time":"2026-03-02","region":"11","class":"fast","count":7,"approval":{"document":"A-1","role":"director"}}"#,
        r#"{"key":"k3","time":"2026-03-02","region":"11","class":"fast","count":7,"unknown":1}"#,
    );
    let document = Document::from_bytes(text.into_bytes(), document::Format::Ndjson).unwrap();
    let schema = schema();
    let import = Import::new(&document, &schema, options(Some("key"))).unwrap();
    let checked = import.check();
    assert_eq!(checked.sound, 3, "{:?}", checked.faults);
    assert_eq!((checked.faults[0].row, checked.faults[0].column.as_deref()), (4, Some("unknown")));
    assert_eq!(checked.sample.unwrap(), event);
}

#[test]
fn a_workbook_is_read() {
    let bytes = include_bytes!("../../../tests/data/chargers.xlsx").to_vec();
    let document = Document::from_bytes(bytes, document::Format::Workbook).unwrap();
    let schema = schema();
    let import = Import::new(&document, &schema, options(Some("관리번호"))).unwrap();
    let checked = import.check();
    assert_eq!((checked.sound, checked.faulty()), (2, 0), "{:?}", checked.faults);
    assert_eq!(checked.sample.unwrap().time.to_string(), "2026-03-01T15:00:00Z");
}
