//! Strangers at the door: a hundred thousand messages of noise, agencies that speak for others, batches held open.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use jindo::{
    event::Time,
    log::{
        entry::{Entry, Verdict},
        tail::LogReader,
    },
    sign::{Claims, KeyPair, hex, sign},
    stream::{self, Login, read},
};
use serde_json::json;

use crate::e2e_house::{Folder, Ledger, without_proof};
use crate::e2e_load::ORIGIN;
use crate::e2e_wire::{Message, Noise, Wire};

const MESSAGES: usize = 100_000;
const PER_BATCH: usize = 500;
const REPORT: [&str; 8] =
    ["report", "charger.installed", "--agency", "keco", "--time", "2026-06-30", "region=11", "class=fast"];

fn report(count: &str) -> Vec<&str> {
    REPORT.iter().copied().chain([count]).collect()
}

/// A token of a subject: anything but what ends it.
fn token(noise: &mut Noise) -> Vec<u8> {
    match noise.below(8) {
        0 => b"*".to_vec(),
        1 => b">".to_vec(),
        2 => noise.pick(&["keco", "kepco", "motie", "KECO", "nobody", "..", "charger", "v1"]).replace('.', "_").into(),
        // Not UTF-8, NUL, controls: the fast road of the reader cannot take them.
        3 if noise.below(400) == 0 => clean(noise, |byte| !matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | b'.' | 0xC)),
        4 if noise.below(200) == 0 => vec![b'x'; 3_000],
        _ => clean(noise, |byte| byte.is_ascii_alphanumeric()),
    }
}

fn clean(noise: &mut Noise, fits: impl Fn(u8) -> bool) -> Vec<u8> {
    let count = 1 + noise.below(12);
    let mut bytes = noise.bytes(256);
    bytes.retain(|byte| fits(*byte));
    bytes.truncate(count);
    if bytes.is_empty() { b"x".to_vec() } else { bytes }
}

fn subject(noise: &mut Noise) -> Vec<u8> {
    if noise.below(3) == 0 {
        return b"ledger.report.keco.charger.installed.v1".to_vec();
    }
    let mut subject = if noise.below(5) == 0 { b"ledger.govern".to_vec() } else { b"ledger.report".to_vec() };
    for _ in 0..=noise.below(5) {
        subject.push(b'.');
        subject.extend(token(noise));
    }
    subject
}

fn header(noise: &mut Noise) -> Vec<u8> {
    let name = noise.pick(&["Ledger-Signature", "Content-Type", "ledger-signature", "X", "Content-type"]);
    let value = match noise.below(6) {
        0 => b"application/cloudevents+json".to_vec(),
        1 => b"application/cloudevents-batch+json; charset=utf-8".to_vec(),
        2 => b"eyJhbGciOiJFZERTQSJ9.eyJzZXEiOjF9.AAAA".to_vec(),
        3 if noise.below(300) == 0 => noise.bytes(40),
        3 => clean(noise, |byte| (1..0x80).contains(&byte)),
        4 if noise.below(100) == 0 => vec![b'h'; 30_000],
        _ => clean(noise, |byte| byte.is_ascii_graphic()),
    };
    let mut line = format!("{name}: ").into_bytes();
    line.extend(value);
    line.retain(|byte| !matches!(byte, b'\r' | b'\n'));
    line
}

fn body(noise: &mut Noise) -> Vec<u8> {
    let event = r#"{"specversion":"1.0","id":"0194f7a0-0000-7000-8000-000000000001","source":"/agencies/keco","#;
    match noise.below(9) {
        0 => Vec::new(),
        1 => "[".repeat(1 + noise.below(2_000)).into(),
        2 => r#"{"a":"#.repeat(1 + noise.below(200)).into(),
        3 => {
            format!(r#"{event}"type":"charger.installed.v1","time":"2026-01-01T00:00:00Z","data":{{"count":1e999}}}}"#)
                .into()
        }
        4 => format!(r#"{event}"id":"x"}}"#).into(),
        5 if noise.below(100) == 0 => noise.bytes(50_000),
        6 => format!("[{event}{}", "1".repeat(noise.below(300))).into(),
        _ => {
            let count = noise.below(300);
            noise.bytes(count)
        }
    }
}

/// A real report with a few bytes changed.
fn mutated(noise: &mut Noise, real: &Message) -> Message {
    let mut message = Message { subject: real.subject.clone(), headers: real.headers.clone(), body: real.body.clone() };
    for _ in 0..=noise.below(3) {
        let flip = 1_u8 << noise.below(7);
        match noise.below(5) {
            0 => {
                let at = "ledger.report.".len() + noise.below(message.subject.len() - "ledger.report.".len());
                let byte = message.subject[at] ^ flip;
                if byte.is_ascii_alphanumeric() && message.subject[at] != b'.' {
                    message.subject[at] = byte;
                }
            }
            1 | 2 => {
                let line = noise.below(message.headers.len());
                let line = &mut message.headers[line];
                let at = noise.below(line.len());
                // A header's name says the same in capitals.
                let named = flip == 0x20 && !line[..at].contains(&b':');
                if !named && !matches!(line[at] ^ flip, b'\r' | b'\n') {
                    line[at] ^= flip;
                }
            }
            _ => {
                let at = noise.below(message.body.len());
                message.body[at] ^= flip;
            }
        }
    }
    // Where every flip was undone or left out: as it came it would be a duplicate, and rightly so.
    if message.headers == real.headers && message.body == real.body && message.subject == real.subject {
        message.body.push(b'x');
    }
    message
}

/// Nonsense with a good signature, of an agency or of somebody unknown: admission reads on behind it.
fn signed(noise: &mut Noise, pairs: &[KeyPair]) -> Message {
    let pair = &pairs[noise.below(pairs.len())];
    let event = r#"{"specversion":"1.0","id":"0194f7a0-0000-7000-8000-000000000001","source":"/agencies/kepco","#;
    let time =
        noise.pick(&["2026-01-01T00:00:00Z", "1999-01-01T00:00:00Z", "2026-13-01T00:00:00Z", "9999-01-01T00:00:00Z"]);
    let kind = noise.pick(&[
        "charger.installed.v1",
        "charger.installed.v2",
        "factory.deployed.v1",
        "no.such.v1",
        "key.added.v1",
    ]);
    let data = noise.pick(&[
        r#"{"region":"11","class":"fast","count":0}"#,
        r#"{"region":"99","class":"fast","count":1}"#,
        r#"{"count":1e999}"#,
        "{}",
        "null",
        r#"{"region":"11","class":"fast","count":1,"count":2}"#,
    ]);
    let body = match noise.below(3) {
        0 => body(noise),
        _ => format!(r#"{event}"type":"{kind}","time":"{time}","data":{data}}}"#).into(),
    };
    let subject = format!("ledger.report.kepco.{kind}");
    let content_type =
        noise.pick(&["application/cloudevents+json", "application/cloudevents-batch+json", "text/plain"]);
    let claims = Claims {
        aud: noise.pick(&[ORIGIN, ORIGIN, ORIGIN, "jindo.local/other"]).to_owned(),
        sub: subject.clone(),
        cty: content_type.to_owned(),
        sha256: hex::sha256(&body),
        seq: 1 + noise.next() % 1_000,
        prev: Some([7; 32]),
        seen: None,
        reported: Time::now(),
    };
    let signature = format!("Ledger-Signature: {}", sign(pair, &claims));
    let headers = vec![format!("Content-Type: {content_type}").into(), signature.into()];
    Message { subject: subject.into(), headers, body }
}

fn strange(noise: &mut Noise, real: &Message, pairs: &[KeyPair]) -> Message {
    match noise.below(12) {
        0..=3 => return mutated(noise, real),
        4 => return signed(noise, pairs),
        _ => {}
    }
    let count = if noise.below(300) == 0 { 200 } else { noise.below(5) };
    let headers = (0..count).map(|_| header(noise)).collect();
    let message = Message { subject: subject(noise), headers, body: body(noise) };
    // What the stream would not store anyway spoils the batch it is in.
    let bytes = message.body.len() + message.headers.iter().map(|line| line.len() + 2).sum::<usize>();
    if message.subject.len() < 3_500 && bytes < 56_000 { message } else { strange(noise, real, pairs) }
}

/// What the stream holds at a sequence, to be sent again with changes.
fn stored(folder: &Folder, ledger: &Ledger, sequence: u64) -> Message {
    let seed = folder.key("operator").seed();
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let link = stream::connect(&ledger.nats, &Login::plain(&seed, "test")).await.unwrap();
        let arrival = read::fetch(&link, &"LEDGER_1".into(), sequence).await.unwrap().unwrap();
        let line = |(name, value): &(String, bytes::Bytes)| [name.as_bytes(), b": ", value].concat();
        let headers = arrival.headers.iter().map(line).collect();
        Message { subject: arrival.subject.to_vec(), headers, body: arrival.body.to_vec() }
    })
}

#[test]
fn a_hundred_thousand_random_messages_stop_nothing() {
    let folder = Folder::new();
    let ledger = Ledger::up(&folder);
    let (exit, told) = folder.json(&report("count=3"));
    assert_eq!(exit, 0, "{told}");
    let before = ledger.settled();
    let real = stored(&folder, &ledger, before);
    let (_, figures) = ledger.get("/v1/indicators?as_of=2026-12-31");

    let began = Instant::now();
    let pairs = [folder.key("kepco"), folder.key("kepco"), KeyPair::generate().unwrap()];
    let mut noise = Noise::new(2026);
    let mut wire = Wire::connect(&ledger.nats, &folder.key("operator").seed(), "_INBOX");
    let mut sent = 0;
    let mut number = 0;
    while sent < MESSAGES {
        number += 1;
        let messages: Vec<Message> = (0..PER_BATCH).map(|_| strange(&mut noise, &real, &pairs)).collect();
        match wire.batch(&format!("noise-{number}"), &messages) {
            Ok(count) => sent += count,
            Err(told) => panic!("batch {number}: {told}"),
        }
        if number % 20 == 0 {
            // Outside of batches the server reads its own headers too: whatever it makes of them.
            for _ in 0..20 {
                let mut message = strange(&mut noise, &real, &pairs);
                let name = noise.pick(&["Nats-TTL", "Nats-Rollup", "Nats-Msg-Id", "Nats-Expected-Stream", "Nats-Incr"]);
                let value = noise.pick(&["1s", "all", "sub", "x", "-1", "LEDGER_1", ""]);
                message.headers.push(format!("{name}: {value}").into_bytes());
                wire.publish(&message, "", Some("odd"));
                wire.flush();
                let told = String::from_utf8(wire.answer("odd")).unwrap();
                let stored = !told.contains("\"error\"") && !told.contains("\"duplicate\"");
                sent += usize::from(stored && told.contains("\"seq\""));
            }
        }
    }
    wire.settle();
    eprintln!("{sent} sent in {:?}", began.elapsed());

    let sent = u64::try_from(sent).unwrap();
    ledger.folds(before + sent);
    eprintln!("all recorded after {:?}", began.elapsed());
    let (_, after) = ledger.get("/v1/indicators?as_of=2026-12-31");
    let (mut after, figures) = (without_proof(after), without_proof(figures));
    for name in ["size", "known_at"] {
        after[name] = figures[name].clone();
    }
    let changed = after["indicators"].as_array_mut().unwrap().iter_mut();
    for (now, then) in changed.zip(figures["indicators"].as_array().unwrap()) {
        for name in ["size", "known_at"] {
            now[name] = then[name].clone();
        }
        assert_eq!(now, then, "noise moves nothing");
    }
    let (exit, told) = folder.json(&report("count=4"));
    assert_eq!((exit, &told["state"]), (0, &json!("accepted")), "{told}");
    let size = ledger.settled();
    assert_eq!(size, before + sent + 1, "every message is an entry");
    assert_eq!(ledger.indicator("ev-chargers")["figure"]["value"], 7);
    let log = LogReader::open(&folder.data().join("log")).unwrap();
    let mut codes = std::collections::BTreeMap::new();
    for item in log.iter(before) {
        let (index, text) = item.unwrap();
        match Entry::parse(&text).unwrap().ruling.unwrap().verdict {
            Verdict::Refused(code) => *codes.entry(code).or_insert(0_u64) += 1,
            // A mutation that changes nothing is a redelivery of the real report: benign, and nothing moves.
            Verdict::Duplicate => *codes.entry("duplicate".to_owned()).or_insert(0) += 1,
            verdict => assert_eq!(index, size - 1, "entry {index} is {verdict:?}: {}", String::from_utf8_lossy(&text)),
        }
    }
    eprintln!("{codes:?}");
    assert_eq!(codes.values().sum::<u64>(), sent);
    assert!(codes.len() >= 14, "the noise reaches deep: {codes:?}");
    let (status, page) = ledger.get(&format!("/v1/refused?from={before}&limit=10"));
    assert_eq!((status, page["refused"].as_array().unwrap().len()), (200, 10), "{page}");
    assert!(ledger.terminate().success());
}

#[test]
fn an_agency_speaks_for_itself_alone() {
    let folder = Folder::new();
    let ledger = Ledger::up(&folder);
    let before = ledger.settled();
    let key = folder.data().join("keys/keco.nk");
    // As another agency: the server refuses, and the command says so.
    let foreign = [
        "report",
        "charger.installed",
        "--agency",
        "kepco",
        "--key-file",
        key.to_str().unwrap(),
        "--lang",
        "en",
        "--time",
        "2026-06-30",
        "region=11",
        "class=fast",
        "count=1",
    ];
    let out = folder.run(&foreign);
    let said = format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    assert_eq!(out.status.code(), Some(4), "{said}");
    assert!(said.contains("not permitted"), "{said}");
    assert_eq!(ledger.settled(), before, "nothing was stored");
    // On an indicator of others: recorded, and refused by admission.
    let (exit, told) = folder.json(&[
        "report",
        "factory.deployed",
        "--agency",
        "keco",
        "--time",
        "2026-06-30",
        "business_number=1234567890",
        "site=plant-1",
        "name=창원",
        "region=48",
        "stage=operating",
    ]);
    assert_eq!((exit, &told["code"], &told["index"]), (1, &json!("not-authorised"), &json!(before)), "{told}");
    // The key is as good as before.
    let (exit, told) = folder.json(&report("count=2"));
    assert_eq!((exit, &told["index"]), (0, &json!(before + 1)), "{told}");
    assert_eq!(ledger.indicator("ev-chargers")["figure"]["value"], 2);
}

/// The server lets a stream have fifty batches open; an agency that holds them all holds nobody up.
#[test]
fn an_import_finishes_beside_fifty_open_batches() {
    let folder = Folder::new();
    let ledger = Ledger::up(&folder);
    ledger.settled();
    let mut wire = Wire::connect(&ledger.nats, &folder.key("kepco").seed(), "_INBOX_kepco");
    let message = Message { subject: b"ledger.report.kepco.x".to_vec(), headers: vec![], body: b"x".to_vec() };
    let mut open = |number: usize, sequence: usize| -> String {
        let lines = format!("Nats-Batch-Id: held-{number}\r\nNats-Batch-Sequence: {sequence}\r\n");
        wire.publish(&message, &lines, Some("held"));
        wire.flush();
        String::from_utf8(wire.answer("held")).unwrap()
    };
    for number in 0..50 {
        assert_eq!(open(number, 1), "", "the server takes batch {number}");
    }
    assert!(open(50, 1).contains("10210"), "fifty are all there are");
    let file = folder.beside("rows.csv");
    let mut text = String::from("id,region,class,count\n");
    (0..1_000).for_each(|row| text.push_str(&format!("A-{row},11,fast,1\n")));
    std::fs::write(&file, text).unwrap();
    let import = [
        "import",
        file.to_str().unwrap(),
        "--type",
        "charger.installed",
        "--agency",
        "keco",
        "--key",
        "id",
        "--time",
        "2026-06-30",
    ];
    let done = Arc::new(AtomicBool::new(false));
    let (exit, told) = std::thread::scope(|scope| {
        let running = scope.spawn(|| {
            let ended = folder.json(&import);
            done.store(true, Ordering::SeqCst);
            ended
        });
        // A batch without a message for ten seconds is closed by the server: each gets one now and then.
        let mut sequence = 1;
        while !done.load(Ordering::SeqCst) {
            sequence += 1;
            for number in 0..50 {
                assert_eq!(open(number, sequence), "", "batch {number} is still open");
            }
            std::thread::sleep(std::time::Duration::from_millis(200));
        }
        running.join().unwrap()
    });
    assert!(open(51, 1).contains("10210"), "all fifty were held open throughout");
    assert_eq!((exit, &told["accepted"]), (0, &json!(1_000)), "{told}");
    assert_eq!(ledger.indicator("ev-chargers")["figure"]["value"], 1_000);
}
