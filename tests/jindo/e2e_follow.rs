//! `GET /v1/stream` as dashboards use it: every change, once, through breaks and restarts.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::sync::mpsc;

use serde_json::{Value, json};

use crate::e2e_house::{Ledger, PATIENCE, until, without_proof};
use crate::e2e_load::Intake;

/// An event of the stream.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    pub kind: String,
    pub id: Option<String>,
    pub data: Value,
}

/// Somebody who follows, on a thread of its own.
pub struct Follower {
    events: mpsc::Receiver<Event>,
    /// The id it would come back with.
    pub last: Option<String>,
    /// What each indicator was said to be, and when: id of the event, indicator, figure.
    pub told: Vec<(String, String, Value)>,
}

impl Follower {
    /// Follows from `last` on.
    pub fn new(ledger: &Ledger, query: &str, last: Option<&str>) -> Follower {
        let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
        let mut request = agent.get(format!("{}/v1/stream{query}", ledger.http));
        if let Some(last) = last {
            request = request.header("Last-Event-ID", last);
        }
        let answer = request.call().unwrap();
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()["content-type"], "text/event-stream");
        let (tell, events) = mpsc::channel();
        std::thread::spawn(move || {
            let mut event = Event { kind: String::new(), id: None, data: Value::Null };
            for line in BufReader::new(answer.into_body().into_reader()).lines().map_while(Result::ok) {
                match line.split_once(": ") {
                    Some(("event", kind)) => event.kind = kind.to_owned(),
                    Some(("id", id)) => event.id = Some(id.to_owned()),
                    Some(("data", data)) => event.data = serde_json::from_str(data).unwrap(),
                    _ if line.is_empty() && !event.kind.is_empty() => {
                        let next = Event { kind: String::new(), id: None, data: Value::Null };
                        if tell.send(std::mem::replace(&mut event, next)).is_err() {
                            return;
                        }
                    }
                    _ => {}
                }
            }
        });
        Follower { events, last: last.map(str::to_owned), told: Vec::new() }
    }

    /// The next event; `None` where the stream ended.
    pub fn next(&mut self) -> Option<Event> {
        let event = match self.events.recv_timeout(PATIENCE) {
            Ok(event) => event,
            Err(mpsc::RecvTimeoutError::Disconnected) => return None,
            Err(mpsc::RecvTimeoutError::Timeout) => panic!("nothing for {PATIENCE:?}"),
        };
        if let Some(id) = &event.id {
            self.last = Some(id.clone());
        }
        for indicator in event.data["indicators"].as_array().into_iter().flatten() {
            let id = indicator["id"].as_str().unwrap().to_owned();
            self.told.push((event.id.clone().unwrap(), id, indicator["figure"].clone()));
        }
        Some(event)
    }

    /// Up to where it saw everything.
    pub fn size(&self) -> u64 {
        self.last.as_ref().map_or(0, |last| last.split('.').next().unwrap().parse().unwrap())
    }

    fn figures(&self) -> BTreeMap<String, Value> {
        self.told.iter().map(|(_, id, figure)| (id.clone(), figure.clone())).collect()
    }
}

fn figures(ledger: &Ledger) -> BTreeMap<String, Value> {
    let (_, view) = ledger.get("/v1/indicators");
    let indicators = view["indicators"].as_array().unwrap().iter();
    indicators.map(|of| (of["id"].as_str().unwrap().to_owned(), of["figure"].clone())).collect()
}

/// Reports until an indicator has moved that everybody who follows is told of; the size then.
fn report(intake: &Intake, ledger: &Ledger, crowd: &mut crate::e2e_load::Crowd, size: &mut u64) {
    *size += u64::try_from(crowd.report(intake, 30)).unwrap();
    ledger.folds(*size);
}

/// What it begins with is what HTTP answers of the same moment.
fn as_http(ledger: &Ledger, snapshot: Value) {
    let (size, day) = (&snapshot["size"], snapshot["as_of"].as_str().unwrap());
    let (_, view) = ledger.get(&format!("/v1/indicators?known_at={size}&as_of={day}"));
    for part in ["indicators", "known_at", "origin", "simulated"] {
        assert_eq!(without_proof(snapshot[part].clone()), without_proof(view[part].clone()), "{part}");
    }
}

#[test]
fn followers_see_every_change_once_through_breaks_and_kills() {
    let intake = Intake::found();
    let mut crowd = intake.crowd(5);
    let ledger = intake.run();
    let mut size = ledger.settled();
    let mut steady = Follower::new(&ledger, "", None);
    let first = steady.next().unwrap();
    assert_eq!((first.kind.as_str(), steady.told.len()), ("snapshot", 34));
    assert_eq!(steady.figures(), figures(&ledger));
    as_http(&ledger, first.data);
    let second = steady.next().unwrap();
    assert_eq!((second.kind.as_str(), &second.data["state"]), ("status", &json!("ready")), "{second:?}");
    let mut fickle = Follower::new(&ledger, "", None);
    let mut narrow = Follower::new(&ledger, "?indicator=ev-chargers,exports", None);
    narrow.next();
    assert_eq!(narrow.told.len(), 2);
    for _ in 0..4 {
        report(&intake, &ledger, &mut crowd, &mut size);
        fickle.next();
        // Gone without a word, and back with what it saw last.
        let seen = std::mem::take(&mut fickle.told);
        report(&intake, &ledger, &mut crowd, &mut size);
        let last = fickle.last.take();
        fickle = Follower::new(&ledger, "", last.as_deref());
        fickle.told = seen;
    }
    // Found by a newcomer: indicators said of which moment they were told last, not of which they are.
    let newest = until("the stream has come as far", || {
        let snapshot = Follower::new(&ledger, "", None).next().unwrap().data;
        (snapshot["size"] == size).then_some(snapshot)
    });
    as_http(&ledger, newest);
    let known = figures(&ledger);
    until("all is told", || {
        steady.next();
        (steady.figures() == known).then_some(())
    });
    let end = steady.told.last().unwrap().0.clone();
    for follower in [&mut fickle, &mut narrow] {
        while follower.last.as_ref() != Some(&end) {
            follower.next().unwrap();
        }
    }
    assert_eq!(fickle.told, steady.told, "no gap, and nothing twice");
    let mine = |told: &[(String, String, Value)]| -> Vec<_> {
        told.iter().filter(|(_, id, _)| id == "ev-chargers" || id == "exports").cloned().collect()
    };
    assert_eq!(narrow.told, mine(&steady.told));
    assert!(narrow.told.len() > 2, "the workload moves them");

    ledger.kill();
    while steady.next().is_some() {}
    let ledger = intake.run();
    size = ledger.settled();
    report(&intake, &ledger, &mut crowd, &mut size);
    let mut back = Follower::new(&ledger, "", steady.last.as_deref());
    back.told = steady.told.clone();
    let known = figures(&ledger);
    until("caught up with the new process", || {
        back.next();
        (back.figures() == known).then_some(())
    });
    assert!(back.size() >= steady.size());
}

#[test]
fn a_stream_says_what_was_wrong_and_why_it_ends() {
    let intake = Intake::found();
    let ledger = intake.run();
    ledger.settled();
    for (query, status, code) in [
        ("?indicator=ev-chargers,none", 404, "not-found"),
        ("?indicators=exports", 400, "parameter"),
        ("?indicator=exports&indicator=exports", 400, "parameter"),
    ] {
        let (found, problem) = ledger.get(&format!("/v1/stream{query}"));
        assert_eq!((found, &problem["code"]), (status, &json!(code)), "{query}: {problem}");
    }
    let mut follower = Follower::new(&ledger, "", None);
    follower.next();
    assert!(ledger.terminate().success());
    let mut last = None;
    while let Some(event) = follower.next() {
        last = Some(event);
    }
    let last = last.unwrap();
    assert_eq!((last.kind.as_str(), &last.data["reason"]), ("dropped", &json!("stopping")));
}
