//! The API over a running ledger: every figure adds up from its events, a permalink keeps its bytes, and reports come in
//! over HTTP as they do over NATS.

use jindo::event::Time;
use jindo::event::envelope::{self, NewEvent};
use jindo::sign::{Claims, KeyPair, hex, sign};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::e2e_house::{Folder, Ledger};

/// Status, body and the headers in lower case.
struct Answer {
    status: u16,
    body: Vec<u8>,
    headers: Vec<(String, String)>,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&self.body)))
    }
}

fn agent() -> ureq::Agent {
    ureq::Agent::config_builder().http_status_as_error(false).build().into()
}

fn read_of(mut response: ureq::http::Response<ureq::Body>) -> Answer {
    let header = |(name, value): (&ureq::http::HeaderName, &ureq::http::HeaderValue)| {
        (name.as_str().to_owned(), value.to_str().unwrap_or_default().to_owned())
    };
    let headers = response.headers().iter().map(header).collect();
    Answer { status: response.status().as_u16(), body: response.body_mut().read_to_vec().unwrap(), headers }
}

fn get(ledger: &Ledger, path: &str) -> Answer {
    read_of(agent().get(format!("{}{path}", ledger.http)).call().unwrap())
}

/// An agency that has only HTTP.
struct Poster<'a> {
    ledger: &'a Ledger,
    agency: String,
    origin: String,
    key: KeyPair,
    seq: u64,
    prev: Option<[u8; 32]>,
}

/// A report as it goes over the wire.
struct Report {
    signature: String,
    kind: &'static str,
    body: Vec<u8>,
}

impl<'a> Poster<'a> {
    /// Goes on where the key's chain stands in the log.
    fn new(ledger: &'a Ledger, folder: &Folder, agency: &str) -> Self {
        let origin = ledger.get("/v1/indicators").1["origin"].as_str().unwrap().to_owned();
        let key = folder.key(agency);
        let (_, view) = ledger.get(&format!("/v1/agencies/{agency}"));
        let keys = view["agencies"][0]["keys"].as_array().unwrap();
        let seq = keys.iter().find(|known| known["kid"] == key.public()).unwrap()["seq"].as_u64().unwrap();
        let (_, newest) = ledger.get(&format!("/v1/entries?agency={agency}&order=desc&limit=1"));
        let index = newest["entries"].get(0).filter(|_| seq > 0).map(|entry| entry["index"].as_u64().unwrap());
        let prev = index.map(|index| {
            let text = get(ledger, &format!("/v1/entries/{index}")).body;
            let text = String::from_utf8(text).unwrap();
            hex::sha256(text.lines().find_map(|line| line.strip_prefix("signature: ")).unwrap().as_bytes())
        });
        Poster { ledger, agency: agency.to_owned(), origin, key, seq, prev }
    }

    fn event(&self, kind: &str, time: &str, data: Value) -> NewEvent {
        let (kind, time) = (kind.to_owned(), Time::parse(time).unwrap());
        NewEvent { id: Uuid::now_v7(), agency: self.agency.clone(), kind, time, time_text: None, subject: None, data }
    }

    fn signed(&mut self, events: &[NewEvent]) -> Report {
        let (kind, body) = envelope::encode(events);
        self.seq += 1;
        let claims = Claims {
            aud: self.origin.clone(),
            sub: format!("ledger.report.{}.{}", self.agency, events[0].kind),
            cty: kind.to_owned(),
            sha256: hex::sha256(&body),
            seq: self.seq,
            prev: self.prev,
            seen: None,
            reported: Time::now(),
        };
        let signature = sign(&self.key, &claims);
        self.prev = Some(hex::sha256(signature.as_bytes()));
        Report { signature, kind, body }
    }

    fn send(&self, report: &Report) -> Answer {
        let request = agent().post(format!("{}/v1/reports", self.ledger.http));
        let request = request.header("Content-Type", report.kind).header("Ledger-Signature", &report.signature);
        read_of(request.send(&report.body[..]).unwrap())
    }

    /// Signs and sends; the entry it became.
    fn post(&mut self, events: &[NewEvent]) -> Value {
        let report = self.signed(events);
        let answer = self.send(&report);
        let told = answer.json();
        assert!(matches!(answer.status, 201 | 422), "{}: {told}", answer.status);
        told
    }
}

/// Every figure an indicator shows, by the path of its series.
fn paths(view: &Value) -> Vec<String> {
    let list = |name: &str| view[name].as_array().unwrap().clone();
    let named = |value: &Value| value.as_str().unwrap().to_owned();
    let mut paths = vec![String::new(), "total".to_owned()];
    paths.extend(list("parts").iter().map(|part| format!("part/{}", named(&part["id"]))));
    paths.extend(list("stages").iter().map(|stage| format!("stage/{}", named(&stage["id"]))));
    paths.extend(list("periods").iter().map(|period| format!("period/{}", named(&period["period"]))));
    for split in list("splits") {
        let values = split["values"].as_array().unwrap().clone();
        paths.extend(values.iter().map(|value| format!("{}/{}", named(&split["id"]), named(&value["value"]))));
    }
    paths
}

fn escaped(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'/');
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

/// In millionths: exact.
fn amount(value: &Value) -> Option<i128> {
    (!value.is_null()).then(|| jindo::event::Amount::from_json(value).unwrap().millionths())
}

/// Follows one figure to its events, page by page; how many there are.
fn adds_up(ledger: &Ledger, id: &str, path: &str, moment: &str) -> usize {
    let (mut events, mut cursor) = (Vec::new(), String::new());
    let series = if path.is_empty() { String::new() } else { format!("&path={}", escaped(path)) };
    let figure = loop {
        let asked = format!("/v1/indicators/{id}/events?limit=3{series}{cursor}{moment}");
        let (status, page) = ledger.get(&asked);
        assert_eq!(status, 200, "{asked}: {page}");
        events.extend(page["events"].as_array().unwrap().clone());
        match page["next"].as_u64() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break page,
        }
    };
    let told = format!("{id} {path} {moment}: {events:?} of {}", figure["figure"]);
    let value = amount(&figure["figure"]["value"]);
    match figure["fold"].as_str().unwrap() {
        "latest" => {
            let counts: Vec<_> = events.iter().filter(|event| event["counts"] == true).collect();
            assert_eq!(counts.len(), usize::from(value.is_some()), "{told}");
            assert_eq!(counts.first().and_then(|event| amount(&event["contributes"])), value, "{told}");
        }
        "narrative" => assert_eq!(events.len() as i64, figure["figure"]["reports"].as_i64().unwrap(), "{told}"),
        _ => {
            let sum: i128 = events.iter().filter_map(|event| amount(&event["contributes"])).sum();
            assert_eq!(sum, value.unwrap_or_default(), "{told}");
        }
    }
    events.len()
}

/// One report per example of every schema that reports carry, by an agency that may report all of them.
fn report_examples(poster: &mut Poster<'_>) {
    let schemas = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas/events");
    let mut files: Vec<_> = std::fs::read_dir(schemas).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    for file in files {
        let kind = file.file_name().unwrap().to_str().unwrap().trim_end_matches(".json").to_owned();
        let schema: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        if schema["properties"].get("remark").is_none() || kind == "forecast.stated.v1" {
            continue;
        }
        let examples = schema["examples"].as_array().cloned().unwrap_or_default();
        let event = |example: &Value| poster.event(&kind, "2026-06-10T09:00:00+09:00", example.clone());
        let events: Vec<NewEvent> = examples.iter().map(event).collect();
        for event in &events {
            poster.post(std::slice::from_ref(event));
        }
    }
}

#[test]
fn every_figure_of_all_34_adds_up_from_its_events() {
    let folder = Folder::new();
    let ledger = Ledger::up(&folder);
    let before = ledger.proven();
    let mut ministry = Poster::new(&ledger, &folder, "motie");
    report_examples(&mut ministry);
    let mut corporation = Poster::new(&ledger, &folder, "keco");
    let listed = |ids: &[&str]| json!({"region": "11", "class": "fast", "count": ids.len(), "chargers": ids});
    let time = "2026-06-11T09:00:00+09:00";
    let first = corporation.event("charger.installed.v1", time, listed(&["A-1", "A-2", "A-3"]));
    let (id, again) = (first.id, ministry.event("charger.installed.v1", time, listed(&["A-2", "A-9"])));
    corporation.post(&[first]);
    ministry.post(&[again]);
    let event = json!({"time": time, "data": listed(&["A-1", "A-3"])});
    let data = json!({"replaces": id.to_string(), "reason": "A-2는 다른 기관의 것", "event": event});
    let corrected = corporation.event("report.corrected.v1", time, data);
    let newest = corrected.id;
    assert_eq!(corporation.post(&[corrected])["entry"]["verdict"], "accepted");
    let mut laboratory = Poster::new(&ledger, &folder, "ktl");
    let data = json!({"agency": "keco", "verifies": newest.to_string()});
    let verified = laboratory.event("report.verified.v1", time, data);
    assert_eq!(laboratory.post(&[verified])["entry"]["verdict"], "accepted");

    let size = ledger.settled();
    for moment in ["&as_of=2026-12-31".to_owned(), format!("&as_of=2026-12-31&known_at={}", (before + size) / 2)] {
        let (_, all) = ledger.get(&format!("/v1/indicators?{}", &moment[1..]));
        let views = all["indicators"].as_array().unwrap();
        assert_eq!(views.len(), 34);
        let (mut figures, mut with_events) = (0, 0);
        for view in views {
            let id = view["id"].as_str().unwrap();
            for path in paths(view) {
                figures += 1;
                with_events += usize::from(adds_up(&ledger, id, &path, &moment) > 0);
            }
        }
        assert!(figures > 100 && with_events > 40, "{figures} figures, {with_events} with events {moment}");
    }
}

#[test]
fn a_permalink_keeps_its_bytes() {
    let folder = Folder::new();
    let ledger = Ledger::up(&folder);
    ledger.proven();
    let mut corporation = Poster::new(&ledger, &folder, "keco");
    let count = |count: u32| json!({"region": "11", "class": "fast", "count": count, "remark": "서울"});
    let first = corporation.event("charger.installed.v1", "2026-06-10T09:00:00+09:00", count(10));
    let id = first.id;
    corporation.post(&[first]);
    let size = ledger.proven();
    let by_size = format!("as_of=2026-06-30&known_at={size}");
    let (_, view) = ledger.get(&format!("/v1/indicators/ev-chargers?{by_size}"));
    let by_time = format!("as_of=2026-06-30&known_at={}", escaped(view["known_at"].as_str().unwrap()));
    let mut shown = Vec::new();
    for moment in [by_size, by_time] {
        for place in [
            "/v1/indicators",
            "/v1/indicators.csv",
            "/v1/indicators/ev-chargers",
            "/v1/indicators/ev-chargers/series",
            "/v1/indicators/ev-chargers/series.csv",
            "/v1/indicators/ev-chargers/events",
            "/v1/indicators/ev-chargers/events.csv",
        ] {
            let asked = format!("{place}?{moment}");
            let answer = get(&ledger, &asked);
            assert_eq!(answer.status, 200, "{asked}");
            let tag = answer.headers.iter().find(|(name, _)| name == "etag").unwrap().1.clone();
            shown.push((asked, answer.body, tag));
        }
    }
    assert_eq!(view["figure"]["value"], 10);

    let late = corporation.event("charger.installed.v1", "2026-06-05T09:00:00+09:00", count(7));
    assert_eq!(corporation.post(&[late])["entry"]["verdict"], "accepted");
    let data = json!({
        "replaces": id.to_string(), "reason": "중복", "event": {"time": "2026-06-10T00:00:00Z", "data": count(4)}});
    let corrected = corporation.event("report.corrected.v1", "2026-07-01T09:00:00+09:00", data);
    assert_eq!(corporation.post(&[corrected])["entry"]["verdict"], "accepted");
    let catalogue = revise_target(&folder);

    let now = ledger.indicator("ev-chargers");
    let target = now["targets"].as_array().unwrap().iter().find(|target| target["part"].is_null()).unwrap().clone();
    assert_eq!((&now["figure"]["value"], &target["current"]["value"]), (&json!(11), &json!(72_000)));
    ledger.proven();
    for (asked, body, tag) in &shown {
        let answer = get(&ledger, asked);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(answer.body == *body, "{asked}:\n{}\n{}", text(body), text(&answer.body));
        let again = agent().get(format!("{}{asked}", ledger.http)).header("If-None-Match", tag).call().unwrap();
        assert_eq!(again.status().as_u16(), 304, "{asked}");
    }
    assert!(ledger.terminate().success());
    let ledger = Ledger::up_with(&folder, &["--catalogue", catalogue.to_str().unwrap()]);
    ledger.proven();
    for (asked, body, _) in &shown {
        assert!(get(&ledger, asked).body == *body, "{asked} after a restart");
    }
}

#[test]
fn a_line_has_its_points_and_marks_and_lists_are_filtered() {
    let folder = Folder::new();
    let ledger = Ledger::up(&folder);
    let size = ledger.settled();
    let mut corporation = Poster::new(&ledger, &folder, "keco");
    let count = |count: u32| json!({"region": "11", "class": "fast", "count": count, "remark": "서울"});
    let first = corporation.event("charger.installed.v1", "2026-06-10T09:00:00+09:00", count(10));
    let id = first.id;
    corporation.post(&[first]);
    let late = corporation.event("charger.installed.v1", "2026-06-05T09:00:00+09:00", count(7));
    corporation.post(&[late]);
    let event = json!({"time": "2026-06-10T00:00:00Z", "data": count(4)});
    let data = json!({"replaces": id.to_string(), "reason": "중복", "event": event});
    let corrected = corporation.event("report.corrected.v1", "2026-07-01T09:00:00+09:00", data);
    corporation.post(&[corrected]);
    let unknown = corporation.event("charger.installed.v1", "2026-07-01T09:00:00+09:00", json!({}));
    corporation.post(&[unknown]);

    let all = "as_of=2026-12-31";
    for (asked, pointer, expected) in [
        (format!("/v1/indicators/ev-chargers/series?{all}"), "/points/0/value", json!(7)),
        (format!("/v1/indicators/ev-chargers/series?{all}"), "/points/1/day", json!("2026-06-10")),
        (format!("/v1/indicators/ev-chargers/series?{all}"), "/points/1/value", json!(11)),
        (format!("/v1/indicators/ev-chargers/series?{all}&from=2026-06-06"), "/points_total", json!(1)),
        (format!("/v1/indicators/ev-chargers/series?{all}&path=region/11"), "/title/en", json!("Seoul")),
        (format!("/v1/indicators/ev-chargers/series?{all}&part=fast"), "/targets/0/part", json!("fast")),
        (format!("/v1/indicators/ev-chargers/series?{all}&known_at={}", size + 2), "/points/1/value", json!(17)),
        (format!("/v1/indicators/ev-chargers/events?{all}&order=desc"), "/events/0/corrected", json!(true)),
        (format!("/v1/indicators/ev-chargers/events?{all}&order=desc"), "/events/1/remark", json!("서울")),
        ("/v1/entries?agency=keco&verdict=accepted".to_owned(), "/entries/2/type", json!("report.corrected.v1")),
        ("/v1/entries?agency=keco&verdict=refused".to_owned(), "/entries/0/index", json!(size + 3)),
        ("/v1/entries?indicator=ev-chargers&order=desc".to_owned(), "/entries/0/index", json!(size + 2)),
        ("/v1/entries?indicator=ev-chargers&limit=1".to_owned(), "/next", json!(size + 1)),
        ("/v1/entries?order=desc&limit=1".to_owned(), "/entries/0/code", json!("data-invalid")),
        ("/v1/agencies/keco".to_owned(), "/agencies/0/accepted", json!(3)),
        ("/v1/agencies/keco".to_owned(), "/agencies/0/refused", json!(1)),
        ("/v1/agencies/keco".to_owned(), "/agencies/0/keys/0/seq", json!(4)),
        ("/v1/agencies/keco".to_owned(), "/agencies/0/indicators/0", json!("ev-chargers")),
        ("/v1/agencies/public-desk".to_owned(), "/agencies/0/role", json!("desk")),
    ] {
        let (status, told) = ledger.get(&asked);
        assert_eq!((status, told.pointer(pointer)), (200, Some(&expected)), "{asked} {pointer}: {told}");
    }
    let (_, series) = ledger.get(&format!("/v1/indicators/ev-chargers/series?{all}"));
    let marks: Vec<_> = series["marks"].as_array().unwrap().iter().map(|mark| mark["kind"].as_str().unwrap()).collect();
    for kind in ["revision", "remark", "correction"] {
        assert!(marks.contains(&kind), "{marks:?}");
    }
    let read = agent().get(format!("{}/v1/entries/{size}", ledger.http)).header("Accept", "application/json");
    let entry = read_of(read.call().unwrap()).json();
    assert_eq!((&entry["agency"]["code"], &entry["indicators"]), (&json!("keco"), &json!(["ev-chargers"])), "{entry}");
    let table = String::from_utf8(get(&ledger, "/v1/entries.csv?agency=keco").body).unwrap();
    assert_eq!(table.lines().count(), 5, "{table}");
}

/// The shipped catalogue with one more revision of the chargers' target.
fn revise_target(folder: &Folder) -> std::path::PathBuf {
    let house = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(house.join("deploy/catalogue/motie-2026.toml")).unwrap();
    let (before, rest) = text.split_once("value = 71_450\n").unwrap();
    let (revision, after) = rest.split_once("announced = \"2026-01-22\"\n").unwrap();
    let more = "[[indicator.target.revision]]\nvalue = 72_000\nsource = \"시험\"\nreason = \"시험 개정\"\n\
        authority = \"mcee\"\nannounced = \"2026-07-01\"\n";
    let text = format!("{before}value = 71_450\n{revision}announced = \"2026-01-22\"\n{more}{after}");
    let file = folder.beside("revised.toml");
    std::fs::write(&file, text).unwrap();
    let out = folder.run(&["catalogue", "apply", file.to_str().unwrap(), "--agency", "motie"]);
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    file
}

#[test]
fn reports_come_in_over_http_signed_or_not_at_all() {
    let folder = Folder::new();
    let ledger = Ledger::up(&folder);
    let size = ledger.settled();
    let mut corporation = Poster::new(&ledger, &folder, "keco");
    let data = json!({"region": "11", "class": "fast", "count": 12});
    let event = corporation.event("charger.installed.v1", "2026-06-10T09:00:00+09:00", data.clone());
    let report = corporation.signed(&[event]);
    let sent = corporation.send(&report);
    let told = sent.json();
    assert_eq!((sent.status, &told["index"], &told["entry"]["verdict"]), (201, &json!(size), &json!("accepted")));
    assert!(sent.headers.contains(&("location".to_owned(), format!("/v1/entries/{size}"))));
    let again = corporation.send(&report);
    assert_eq!((again.status, &again.json()["index"]), (200, &json!(size)), "it is not published twice");

    // What nobody vouches for, or must not be recorded, never reaches the stream.
    let stranger = KeyPair::generate().unwrap();
    let mut forged = Poster { key: stranger, ..Poster::new(&ledger, &folder, "keco") };
    let event = forged.event("charger.installed.v1", "2026-06-10T09:00:00+09:00", data.clone());
    let by_stranger = forged.signed(&[event]);
    let altered = Report { body: [&report.body[..], b" "].concat(), ..report };
    let mut foreign = Poster { agency: "kita".to_owned(), ..Poster::new(&ledger, &folder, "keco") };
    let event = foreign.event("charger.installed.v1", "2026-06-10T09:00:00+09:00", data);
    let elsewhere = foreign.signed(&[event]);
    let with_number = json!({"region": "11", "class": "fast", "count": 1, "remark": "담당 900101-1234568"});
    let event = corporation.event("charger.installed.v1", "2026-06-10T09:00:00+09:00", with_number);
    let personal = corporation.signed(&[event]);
    let plain = Report { signature: personal.signature.clone(), kind: "application/json", body: b"{}".to_vec() };
    let large = Report { signature: personal.signature.clone(), kind: report.kind, body: vec![b' '; 57 * 1024 + 1] };
    let unread = Report { signature: "a.b.c".to_owned(), kind: report.kind, body: b"{}".to_vec() };
    let event = corporation.event("charger.installed.v1", "2026-06-10T09:00:00+09:00", json!({}));
    let mut abroad = Poster::new(&ledger, &folder, "keco");
    abroad.origin = "jindo.test/other".to_owned();
    let abroad = abroad.signed(&[event]);
    // Found by a newcomer: whose key is registered was told to sign with a registered key.
    for (report, status, code, next) in [
        (&by_stranger, 403, "signature", "sign with a registered key"),
        (&altered, 403, "signature", "the exact bytes"),
        (&abroad, 403, "signature", "this ledger's origin"),
        (&elsewhere, 403, "signature", "your own agency's subject"),
        (&unread, 403, "signature", "compact jws"),
        (&personal, 422, "personal", "take it out"),
        (&plain, 415, "media-type", "correct it"),
        (&large, 413, "too-large", "split it"),
    ] {
        let answer = corporation.send(report);
        let told = answer.json();
        assert_eq!((answer.status, told["code"].as_str()), (status, Some(code)), "{told}");
        assert!(told["next"].as_str().unwrap().to_lowercase().contains(next), "{next}: {told}");
        // In Korean, not Korean with the English text behind it.
        let (en, ko) = (told["detail"].as_str().unwrap(), told["detail_ko"].as_str().unwrap());
        assert!(ko.chars().any(|letter| ('가'..='힣').contains(&letter)) && !ko.contains(en), "{told}");
    }
    assert_eq!(ledger.settled(), size + 1, "none of them is in the log");

    // What a registered key signed is recorded, right or wrong.
    let event = corporation.event("charger.installed.v1", "2026-06-10T09:00:00+09:00", json!({"region": "99"}));
    let wrong = corporation.signed(&[event]);
    let answer = corporation.send(&wrong);
    let told = answer.json();
    assert_eq!((answer.status, &told["entry"]["code"]), (422, &json!("data-invalid")), "{told}");
    assert!(!told["faults"].as_array().unwrap().is_empty(), "{told}");
    for field in ["reason", "next"] {
        assert!(
            ["ko", "en"].iter().all(|lang| told[field][lang].as_str().is_some_and(|text| !text.is_empty())),
            "{told}"
        );
    }
    let name = hex::encode(&hex::sha256(wrong.signature.as_bytes()));
    assert_eq!(told["signature_sha256"], name);
    ledger.proven();
    assert_eq!(get(&ledger, &format!("/v1/receipts/{name}")).status, 200);
}

#[test]
fn a_key_that_sends_without_end_is_told_to_wait() {
    let folder = Folder::new();
    let ledger = Ledger::up(&folder);
    let mut corporation = Poster::new(&ledger, &folder, "keco");
    let mut told = None;
    for number in 0..jindo::limits::REPORTS_BURST * 3 {
        let data = json!({"region": "11", "class": "fast", "count": number + 1});
        let event = corporation.event("charger.installed.v1", "2026-06-10T09:00:00+09:00", data);
        let report = corporation.signed(&[event]);
        let answer = corporation.send(&report);
        if answer.status == 429 {
            told = Some(answer);
            break;
        }
        assert_eq!(answer.status, 201);
    }
    let told = told.expect("no end to it");
    assert!(told.headers.iter().any(|(name, _)| name == "retry-after"));
    assert_eq!(told.json()["code"], "quota");
    // Others are not held up.
    let mut others = Poster::new(&ledger, &folder, "kepco");
    let data = json!({"region": "11", "class": "fast", "count": 1});
    let event = others.event("charger.installed.v1", "2026-06-10T09:00:00+09:00", data);
    assert_eq!(others.post(&[event])["entry"]["verdict"], "accepted");
}
