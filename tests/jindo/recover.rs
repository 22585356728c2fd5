//! Recovery against a real server, step by step: whatever was lost, whenever it is interrupted, one end.

use std::{path::PathBuf, sync::Arc, time::Duration};

use jindo::{
    log::{
        entry::Entry,
        folder::LogFolder,
        tail::{LogReader, Tail},
    },
    projector::recover::{Ending, Recover, RecoverError, Recovery, Step, Wrong, recover},
    stream::{Finding, Link, Outgoing, Past, ReadError, Reader, append, declare, inspect, read, succession},
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::nats::{PATIENCE, TestNats, again};
use crate::stream::publish_raw;

const SUBJECT: &str = "ledger.report.keco.charger.installed.v1";

fn messages(from: usize, count: usize) -> Vec<Outgoing> {
    let message = |at: usize| Outgoing {
        subject: SUBJECT.to_owned(),
        headers: vec![("Content-Type".into(), "x".into()), ("Ledger-Signature".into(), format!("jws-{at}"))],
        body: format!("body {at}").into(),
    };
    (from..from + count).map(message).collect()
}

/// A server, a stream, and a log of what was read from it.
struct House {
    nats: TestNats,
    link: Link,
    dir: TempDir,
    tail: Tail,
    said: usize,
}

impl House {
    /// With `count` messages in the log. `weak`: the stream lets its operator remove messages.
    async fn of(count: usize, weak: bool) -> House {
        let nats = TestNats::start(&["keco"]).await;
        let link = nats.operator().await;
        let mut config = declare::declaration("LEDGER_1", 1, 1);
        config["deny_delete"] = (!weak).into();
        config["deny_purge"] = (!weak).into();
        link.api("STREAM.CREATE.LEDGER_1", &config).await.unwrap();
        let dir = TempDir::new().unwrap();
        let tail = Tail::open(dir.path()).unwrap().0;
        let mut house = House { nats, link, dir, tail, said: 0 };
        house.say("LEDGER_1", count).await;
        house.read("LEDGER_1").await.unwrap();
        house
    }

    /// More messages.
    async fn say(&mut self, stream: &str, count: usize) {
        let keco = self.nats.agency("keco").await;
        for answer in append(&keco, stream, &messages(self.said, count)).await {
            answer.unwrap();
        }
        self.said += count;
    }

    /// Intake: what the stream holds behind the log goes into it.
    async fn read(&mut self, stream: &str) -> Result<(), ReadError> {
        let last = read::extent(&self.link, stream).await?.last;
        let link = self.nats.operator().await;
        let mut reader = Reader::open_behind(link, stream, Arc::new(self.tail.reader())).await?;
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while self.tail.size() < last {
            assert!(tokio::time::Instant::now() < deadline);
            for arrival in reader.next_batch(100, 1 << 20, Duration::from_millis(100)).await? {
                let entry = Entry::of_arrival(self.tail.size(), &arrival);
                self.tail.append(&[entry.encode()], &[entry.recorded]).unwrap();
            }
        }
        Ok(())
    }

    async fn recover_with(
        &self,
        dry_run: bool,
        watch: &mut (dyn FnMut(Step) -> bool + Send),
    ) -> Result<Recovery, RecoverError> {
        let folder = LogFolder::new(self.dir.path());
        let reading = self.nats.operator().await;
        let given =
            Recover { folder: &folder, tail: &self.tail, link: &self.link, reading: &reading, replicas: 1, dry_run };
        recover(&given, watch).await
    }

    async fn recover(&self) -> Recovery {
        self.recover_with(false, &mut |_| true).await.unwrap()
    }

    async fn config(&self, stream: &str) -> Value {
        let mut info = self.link.api(&format!("STREAM.INFO.{stream}"), &Value::Null).await.unwrap();
        info["config"].take()
    }

    fn entries(&self, from: u64) -> Vec<Entry> {
        let log: LogReader = self.tail.reader();
        (from..self.tail.size()).map(|index| Past::entry(&log, index).unwrap()).collect()
    }

    async fn delete(&self, stream: &str, sequence: u64) {
        self.link.api(&format!("STREAM.MSG.DELETE.{stream}"), &json!({ "seq": sequence })).await.unwrap();
    }

    /// The stream is deleted and another one made under its name, with `count` messages from the first sequence on.
    async fn replace(&mut self, stream: &str, count: usize) {
        self.link.api(&format!("STREAM.DELETE.{stream}"), &Value::Null).await.unwrap();
        again(|| declare(&self.link, stream, 1, 1)).await;
        self.say(stream, count).await;
    }
}

fn finding(result: Result<(), ReadError>) -> Finding {
    match result {
        Err(ReadError::Finding(finding)) => finding,
        other => panic!("no finding: {other:?}"),
    }
}

fn bodies(entries: &[Entry]) -> Vec<String> {
    entries.iter().map(|entry| String::from_utf8_lossy(entry.body.bytes().unwrap()).into_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nothing_is_lost_nothing_is_done() {
    let mut house = House::of(10, false).await;
    house.say("LEDGER_1", 3).await;
    for _ in 0..2 {
        let told = house.recover().await;
        assert_eq!((told.state, told.wrong, told.next), (Ending::Nothing, None, None));
        assert_eq!((told.surveys[0].agree, told.surveys[0].beyond, told.surveys[0].agree_upto), (10, 3, 13));
    }
    assert_eq!(succession::numbers(&house.link).await.unwrap(), [1]);
    house.read("LEDGER_1").await.unwrap();
    // An agency's key is not the operator's.
    let keco = house.nats.agency("keco").await;
    let stranger = House { link: keco, ..house };
    let refused = stranger.recover_with(false, &mut |_| true).await.unwrap_err();
    assert!(matches!(refused, RecoverError::Stream(_)), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hole_is_found_and_what_lies_behind_the_log_is_brought() {
    let mut house = House::of(200, true).await;
    house.say("LEDGER_1", 3).await;
    for sequence in [4, 5, 9, 200, 202] {
        house.delete("LEDGER_1", sequence).await;
    }
    let found = finding(house.read("LEDGER_1").await);
    assert!(matches!(found, Finding::Hole { missing: 4 | 5 | 9 | 200, .. }), "{found}");
    let look = house.recover_with(true, &mut |_| true).await.unwrap();
    assert_eq!((look.state, look.wrong, look.brought), (Ending::Damaged, Some(Wrong::Hole), 2));
    assert_eq!(succession::numbers(&house.link).await.unwrap(), [1], "a look changes nothing");
    let told = house.recover().await;
    let survey = &told.surveys[0];
    assert_eq!((survey.agree, survey.agree_upto, survey.missing, survey.holes, survey.beyond), (196, 3, 4, 1, 2));
    assert_eq!((told.state, told.next.as_deref(), told.brought), (Ending::Recovered, Some("LEDGER_2"), 2));
    house.say("LEDGER_1", 2).await; // by a publisher that still knows the old name
    assert_eq!(house.recover().await.state, Ending::Nothing);
    house.read("LEDGER_2").await.unwrap();
    let entries = house.entries(200);
    assert_eq!(bodies(&entries), ["body 200", "body 202", "body 203", "body 204"]);
    let places: Vec<_> =
        entries.iter().map(|e| (e.sequence, e.recovered.as_ref().map(|r| (r.0.clone(), r.1)))).collect();
    let from = |sequence| Some(("LEDGER_1".to_owned(), sequence));
    assert_eq!(places, [(201, from(201)), (202, from(203)), (203, None), (204, None)]);
    assert!(entries.iter().all(|entry| entry.stream == "LEDGER_2" && entry.signature.is_some()));
    assert_eq!(house.recover().await.state, Ending::Nothing);
    let retired = house.config("LEDGER_1").await;
    assert_eq!((&retired["sealed"], &retired["subjects"]), (&json!(true), &json!(["retired.LEDGER_1.>"])));
    assert_eq!(inspect(&house.link, "LEDGER_2").await.unwrap(), Some(vec![]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_stream_and_one_made_anew_are_found() {
    let mut house = House::of(10, false).await;
    house.link.api("STREAM.DELETE.LEDGER_1", &Value::Null).await.unwrap();
    let gone = succession::newest(&house.link, Some(1)).await.unwrap_err();
    assert!(matches!(gone, ReadError::Finding(Finding::Gone { .. })), "{gone}");
    let told = house.recover().await;
    assert_eq!((told.state, told.wrong, told.brought), (Ending::Recovered, Some(Wrong::Gone), 0));
    assert_eq!(house.recover().await.state, Ending::Nothing);
    house.say("LEDGER_2", 5).await;
    house.read("LEDGER_2").await.unwrap();
    assert_eq!(house.tail.size(), 15);

    // Under its name another one, as long and longer: it looks whole.
    house.replace("LEDGER_2", 40).await;
    let found = finding(house.read("LEDGER_2").await);
    assert!(matches!(found, Finding::Differs { .. }), "{found}");
    let told = house.recover().await;
    assert_eq!((told.wrong, told.next.as_deref(), told.brought), (Some(Wrong::Differs), Some("LEDGER_3"), 40));
    assert_eq!((told.surveys[0].differing, told.surveys[0].beyond), (15, 25));
    house.read("LEDGER_3").await.unwrap();
    assert_eq!(house.recover().await.state, Ending::Nothing);
    let brought = house.entries(15);
    assert_eq!(brought.len(), 40);
    assert!(brought.iter().all(|entry| entry.recovered.as_ref().is_some_and(|from| from.0 == "LEDGER_2")));

    // What one recovery brought no later one brings again.
    house.replace("LEDGER_3", 1).await;
    let told = house.recover().await;
    assert_eq!((told.next.as_deref(), told.brought), (Some("LEDGER_4"), 1));
    house.read("LEDGER_4").await.unwrap();
    assert_eq!(house.tail.size(), 56);
}

/// What the next stream holds, and how it is declared.
async fn outcome(house: &House) -> (Vec<(u64, String, String, Value)>, Value) {
    let last = read::extent(&house.link, "LEDGER_2").await.unwrap().last;
    let mut held = Vec::new();
    for sequence in house.tail.size() + 1..=last {
        let arrival = read::fetch(&house.link, &"LEDGER_2".into(), sequence).await.unwrap().unwrap();
        let named = |name: &str| {
            let own = arrival.headers.iter().find(|(own, _)| own == name);
            own.map(|(_, value)| String::from_utf8_lossy(value).into_owned()).unwrap_or_default()
        };
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let place = named("Ledger-Recovered").rsplit_once(' ').map(|(place, _)| place.to_owned());
        held.push((sequence, text(&arrival.subject), text(&arrival.body), json!([named("Ledger-Signature"), place])));
    }
    (held, house.config("LEDGER_2").await)
}

async fn damaged() -> House {
    let mut house = House::of(40, true).await;
    house.say("LEDGER_1", 700).await;
    house.delete("LEDGER_1", 17).await;
    house
}

#[tokio::test(flavor = "multi_thread")]
async fn interrupted_after_any_step_it_ends_the_same() {
    let expected = {
        let house = damaged().await;
        assert_eq!(house.recover().await.brought, 700);
        outcome(&house).await
    };
    assert_eq!(expected.0.len(), 700);
    let mut stops = 0;
    for nth in 0.. {
        let house = damaged().await;
        let mut steps = 0;
        let mut watch = |_| {
            steps += 1;
            steps <= nth
        };
        match house.recover_with(false, &mut watch).await {
            Ok(_) => break,
            Err(RecoverError::Stopped) => stops += 1,
            Err(error) => panic!("{error}"),
        }
        // Once more at the same place, then to the end.
        let mut steps = 0;
        let _ = house
            .recover_with(false, &mut |_| {
                steps += 1;
                steps <= nth / 2
            })
            .await;
        let ended = house.recover().await;
        assert!(ended.state != Ending::Damaged, "after step {nth}: {ended:?}");
        assert_eq!(outcome(&house).await, expected, "after step {nth}");
        assert_eq!(house.recover().await.state, Ending::Nothing);
        assert_eq!(succession::numbers(&house.link).await.unwrap(), [1, 2]);
    }
    assert!(stops >= 6, "only {stops} steps were interrupted");
}

#[tokio::test(flavor = "multi_thread")]
async fn dropped_at_any_moment_it_ends_the_same() {
    let house = damaged().await;
    let (expected, whole) = {
        let other = damaged().await;
        let began = tokio::time::Instant::now();
        other.recover().await;
        (outcome(&other).await, began.elapsed())
    };
    // Later and later, until one ends before it is dropped.
    let mut dropped = 0;
    for part in 1_u32.. {
        let mut go_on = |_| true;
        let ending = house.recover_with(false, &mut go_on);
        if let Ok(ended) = tokio::time::timeout(whole / 40 * part, ending).await {
            ended.unwrap();
            break;
        }
        dropped += 1;
    }
    eprintln!("dropped {dropped} times within {whole:?}");
    assert!(dropped > 2, "it ended before it was dropped");
    house.recover().await;
    assert_eq!(outcome(&house).await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_of_any_kind_are_brought() {
    let mut house = House::of(3, true).await;
    let long = format!("ledger.report.keco.{}", "y".repeat(3_990));
    let large = vec![b'x'; 60 * 1024];
    let strange: [(&[u8], &[u8], &[u8]); 9] = [
        (b"ledger.report.keco.x", b"NATS/1.0\r\nLedger-Signature: \xff\xfe\r\n\r\n", b"header is no UTF-8"),
        (b"ledger.report.keco.x", b"NATS/1.0 503 No Responders\r\n\r\n", b"poses as control message"),
        (b"ledger.report.keco.x", b"NATS/1.0\r\nno colon here\r\n\r\n", b"no colon"),
        ("ledger.report.keco.a\u{3000}b".as_bytes(), b"", b"a space that is none to the server"),
        (b"ledger.report.keco.\xff", b"", b"subject is no UTF-8"),
        (b"ledger.report.keco.*", b"", b"wildcard"),
        (
            b"ledger.report.keco.x",
            b"NATS/1.0\r\nNats-Batch-Id: q\r\nNats-Batch-Sequence: 1\r\nNats-Batch-Commit: 1\r\nLedger-Recovered: LEDGER_1 1 2026-03-01T00:00:00Z\r\n\r\n",
            b"",
        ),
        (
            b"ledger.report.keco.x",
            b"NATS/1.0\r\nNats-Expected-Last-Sequence: 10\r\nContent-Type: x\r\n\r\n",
            b"an order",
        ),
        (b"ledger.report.keco.x", b"", &large),
    ];
    let mut all: Vec<(&[u8], &[u8], &[u8])> = strange.into();
    all.push((long.as_bytes(), b"", b"long subject"));
    publish_raw(&house.nats, &all).await;
    let last = 3 + all.len() as u64;
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while read::extent(&house.link, "LEDGER_1").await.unwrap().last < last {
        assert!(tokio::time::Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let mut expected = Vec::new();
    for sequence in 4..=last {
        let arrival = read::fetch(&house.link, &"LEDGER_1".into(), sequence).await.unwrap().unwrap();
        expected.push(Entry::of_arrival(0, &arrival));
    }
    house.delete("LEDGER_1", 2).await;
    assert_eq!(house.recover().await.brought, last - 3);
    house.read("LEDGER_2").await.unwrap();
    let found = house.entries(3);
    assert_eq!(found.len(), expected.len());
    for (found, old) in found.iter().zip(&expected) {
        let subject = if old.subject.text().is_none() { &found.subject } else { &old.subject };
        assert_eq!((&found.subject, &found.content_type), (subject, &old.content_type));
        assert_eq!((&found.signature, found.body.sha256()), (&old.signature, old.body.sha256()));
        assert_eq!(found.recovered, Some(("LEDGER_1".to_owned(), old.sequence, old.recorded)));
    }
    // Nobody but a recovery can say so.
    publish_raw(
        &house.nats,
        &[(b"ledger.report.keco.x", b"NATS/1.0\r\nLedger-Recovered: LEDGER_1 1 2026-03-01T00:00:00Z\r\n\r\n", b"")],
    )
    .await;
    while house.tail.size() < last + 1 {
        house.read("LEDGER_2").await.unwrap();
    }
    assert_eq!(house.entries(last)[0].recovered, None);
    assert_eq!(house.recover().await.state, Ending::Nothing);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_was_cut_is_no_matter_for_a_new_stream() {
    let house = House::of(10, false).await;
    let checkpoint: PathBuf = house.dir.path().join("checkpoint");
    let root = "A".repeat(43) + "=";
    std::fs::write(&checkpoint, format!("origin\n11\n{root}\n\n")).unwrap();
    let refused = house.recover_with(false, &mut |_| true).await.unwrap_err();
    assert!(matches!(refused, RecoverError::Cut { published: 11, size: 10 }), "{refused}");
}
