//! Reminders of a running ledger, as a webhook gets them: each once, through failures and restarts.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::e2e_house::{Folder, Ledger, until};

/// A webhook on a free port: fails the first `failing` calls, then takes everything. What it took.
fn webhook(failing: usize) -> (String, Arc<Mutex<Vec<Value>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/reminders", listener.local_addr().unwrap());
    let taken = Arc::new(Mutex::new(Vec::new()));
    let took = taken.clone();
    std::thread::spawn(move || {
        for (call, stream) in listener.incoming().enumerate() {
            let mut stream = stream.unwrap();
            let mut request = Vec::new();
            let body = loop {
                let mut buffer = [0; 4096];
                let read = stream.read(&mut buffer).unwrap();
                request.extend_from_slice(&buffer[..read]);
                let text = String::from_utf8_lossy(&request);
                let Some((_, body)) = text.split_once("\r\n\r\n") else { continue };
                if let Ok(body) = serde_json::from_str::<Value>(body) {
                    break body;
                }
            };
            let status = if call < failing { "503 Not Now" } else { "204 Taken" };
            let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            stream.write_all(answer.as_bytes()).unwrap();
            if call >= failing {
                took.lock().unwrap().push(body);
            }
        }
    });
    (url, taken)
}

/// How often each was taken.
fn counts(taken: &Mutex<Vec<Value>>) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for body in taken.lock().unwrap().iter() {
        *counts.entry(body["data"]["id"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    counts
}

fn listed(ledger: &Ledger, query: &str) -> Vec<Value> {
    let (status, view) = ledger.get(&format!("/v1/reminders{query}"));
    assert_eq!(status, 200, "{view}");
    view["reminders"].as_array().unwrap().clone()
}

#[test]
fn each_reminder_comes_once() {
    let folder = Folder::new();
    let (url, taken) = webhook(2);
    let ledger = Ledger::up_with(&folder, &["--webhook", &url]);
    let all = |ledger: &Ledger| listed(ledger, "?limit=1000").len();
    let silent = |ledger: &Ledger| listed(ledger, "?kind=silent&indicator=ai-factories-2026");
    let silent = until("silence is told", || Some(silent(&ledger)).filter(|found| !found.is_empty()));
    assert_eq!((silent.len(), &silent[0]["agency"]), (1, &json!("motie")), "{silent:?}");
    let wrong = ["report", "charger.installed", "--agency", "kita", "region=11", "class=fast", "count=1"];
    for _ in 0..3 {
        assert_eq!(folder.json(&wrong).0, 1);
    }
    let (exit, report) =
        folder.json(&["report", "charger.installed", "--agency", "keco", "region=11", "class=fast", "count=2"]);
    assert_eq!(exit, 0, "{report}");
    let disputes = format!("disputes={}", report["id"].as_str().unwrap());
    let dispute = ["report", "report.disputed", "--agency", "kita", "agency=keco", &disputes, "reason=two are missing"];
    let (exit, told) = folder.json(&dispute);
    assert_eq!(exit, 0, "{told}");
    let refused =
        until("the refusal is told", || Some(listed(&ledger, "?kind=refused")).filter(|found| !found.is_empty()));
    assert_eq!((refused.len(), &refused[0]["agency"]), (1, &json!("kita")), "{refused:?}");
    let disputed =
        until("the dispute is told", || Some(listed(&ledger, "?agency=keco")).filter(|found| !found.is_empty()));
    assert_eq!((disputed.len(), &disputed[0]["kind"], &disputed[0]["index"]), (1, &json!("disputed"), &told["index"]));
    let delivered =
        || until("all are delivered", || Some(counts(&taken)).filter(|counts| counts.len() == all(&ledger)));
    let before = delivered();
    assert!(before.values().all(|count| *count == 1), "{before:?}");
    let (status, problem) = ledger.get("/v1/reminders?kind=nonsense");
    assert_eq!((status, &problem["code"]), (400, &json!("parameter")));
    ledger.kill();

    let ledger = Ledger::up_with(&folder, &["--webhook", &url]);
    let (exit, _) =
        folder.json(&["report", "charger.installed", "--agency", "keco", "region=26", "class=slow", "count=1"]);
    assert_eq!(exit, 0);
    let other =
        ["report", "export.reported", "--agency", "keco", "period=2026", "amount=1", "currency=USD", "basis=customs"];
    let (exit, told) = folder.json(&other);
    assert_eq!(exit, 1, "{told}");
    until("the new one is told", || (listed(&ledger, "?kind=refused").len() == 2).then_some(()));
    let after = until("it is delivered", || Some(counts(&taken)).filter(|counts| counts.len() > before.len()));
    assert!(after.values().all(|count| *count == 1), "{after:?}");
    assert_eq!(after.len(), before.len() + 1);
    assert!(ledger.terminate().success());
}
