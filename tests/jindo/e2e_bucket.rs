//! The bucket `PROGRESS` and the service `jindo`, seen by a client nobody here wrote: `nats-py`.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{ChildStdin, Command, Stdio};
use std::sync::mpsc;

use serde_json::{Value, json};

use crate::e2e_house::{Guard, PATIENCE, until, without_proof};
use crate::e2e_load::Intake;

struct Watcher {
    _child: Guard,
    questions: ChildStdin,
    lines: mpsc::Receiver<Value>,
    /// What each key was, oldest first.
    told: BTreeMap<String, Vec<Value>>,
}

impl Watcher {
    fn start(intake: &Intake) -> Watcher {
        let house = Path::new(env!("CARGO_MANIFEST_DIR"));
        let seed = intake.folder.data().join("keys/dashboard.nk");
        let mut child = Command::new("python3")
            .env("PYTHONPATH", house.join(".cache/python"))
            .arg(house.join("tests/jindo/watch.py"))
            .arg(intake.url())
            .arg(seed)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (tell, lines) = mpsc::channel();
        let (stdout, questions) = (child.stdout.take().unwrap(), child.stdin.take().unwrap());
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if tell.send(serde_json::from_str(&line).unwrap()).is_err() {
                    return;
                }
            }
        });
        let mut watcher = Watcher { _child: Guard(child), questions, lines, told: BTreeMap::new() };
        assert_eq!(watcher.line(), json!({"watching": true}));
        watcher
    }

    fn line(&mut self) -> Value {
        self.lines.recv_timeout(PATIENCE).expect("nats-py says nothing; `make python` fetches it")
    }

    fn take(&mut self, line: &Value) {
        let key = line["key"].as_str().unwrap().to_owned();
        let value = serde_json::from_str(line["value"].as_str().unwrap()).unwrap();
        self.told.entry(key).or_default().push(value);
    }

    /// Reads on until all of it was told.
    fn until(&mut self, known: &BTreeMap<String, Value>) {
        while newest(&self.told) != *known {
            let line = self.lines.recv_timeout(PATIENCE);
            let line = line.unwrap_or_else(|_| panic!("never told: {}", apart(&newest(&self.told), known)));
            self.take(&line);
        }
    }

    /// Reads on until all that was told is proven.
    fn until_proven(&mut self) {
        while !self.told.values().all(|values| values.last().is_some_and(proven)) {
            let line = self.line();
            self.take(&line);
        }
    }

    /// Asks the service; answer and error code.
    fn ask(&mut self, subject: &str, question: &str) -> (String, Option<String>) {
        writeln!(self.questions, "{subject} {question}").unwrap();
        loop {
            let line = self.line();
            match line["answer"].as_str() {
                Some(answer) => return (answer.to_owned(), line["code"].as_str().map(str::to_owned)),
                None => self.take(&line),
            }
        }
    }
}

/// What a dashboard shows of it.
fn shown(value: &Value) -> Value {
    let mut value = value.clone();
    for field in ["size", "proven_size", "known_at"] {
        value.as_object_mut().unwrap().remove(field);
    }
    value
}

fn proven(value: &Value) -> bool {
    value["proven_size"] == value["size"]
}

/// The fields that differ.
fn apart(told: &BTreeMap<String, Value>, known: &BTreeMap<String, Value>) -> String {
    let fields = |(key, known): (&String, &Value)| {
        let told = told.get(key).cloned().unwrap_or_default();
        let names = known.as_object().unwrap().keys().filter(|name| told[*name] != known[*name]).cloned();
        let apart: Vec<String> =
            names.map(|name| format!("{key}.{name}: {} not {}", told[&name], known[&name])).collect();
        apart.join("; ")
    };
    known.iter().map(fields).filter(|text| !text.is_empty()).collect::<Vec<_>>().join("\n")
}

fn newest(told: &BTreeMap<String, Vec<Value>>) -> BTreeMap<String, Value> {
    told.iter().map(|(key, values)| (key.clone(), shown(values.last().unwrap()))).collect()
}

#[test]
fn nats_py_sees_every_change_and_hardly_a_repeat_through_a_kill() {
    let intake = Intake::found();
    let mut crowd = intake.crowd(11);
    let ledger = intake.run();
    let mut size = ledger.settled();
    let mut watcher = Watcher::start(&intake);
    let now = |ledger: &crate::e2e_house::Ledger| -> BTreeMap<String, Value> {
        let (_, view) = ledger.get("/v1/indicators");
        let indicators = view["indicators"].as_array().unwrap().iter();
        indicators.map(|one| (one["id"].as_str().unwrap().to_owned(), shown(one))).collect()
    };
    for _ in 0..3 {
        size += u64::try_from(crowd.report(&intake, 20)).unwrap();
        ledger.folds(size);
        let known = now(&ledger);
        watcher.until(&known);
    }
    ledger.proven();
    watcher.until_proven();
    ledger.kill();
    let before: BTreeMap<String, usize> =
        watcher.told.iter().map(|(key, values)| (key.clone(), values.len())).collect();

    let ledger = intake.run();
    ledger.proven();
    size += u64::try_from(crowd.report(&intake, 20)).unwrap();
    ledger.folds(size);
    ledger.proven();
    let known = now(&ledger);
    watcher.until(&known);
    watcher.until_proven();
    for (key, values) in &watcher.told {
        let sizes: Vec<u64> = values.iter().map(|value| value["size"].as_u64().unwrap()).collect();
        assert!(sizes.is_sorted(), "{key}: {sizes:?}");
        // A repeat says nothing new: neither figures nor that they are proven now.
        let pairs = values[before[key] - 1..].windows(2);
        let repeats = pairs.filter(|pair| shown(&pair[0]) == shown(&pair[1]) && proven(&pair[0]) == proven(&pair[1]));
        assert!(repeats.count() <= 1, "{key} after the kill");
    }

    let (answer, code) =
        watcher.ask("jindo.progress", &json!({"indicator": "ev-chargers", "known_at": size}).to_string());
    let (_, http) = ledger.get(&format!("/v1/indicators/ev-chargers?known_at={size}"));
    assert_eq!((serde_json::from_str::<Value>(&answer).unwrap(), code), (http, None));
    let (answer, _) = watcher.ask("jindo.progress", "{}");
    let all: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(without_proof(all), without_proof(ledger.get("/v1/indicators").1));
    let (entry, code) = watcher.ask("jindo.entry", r#"{"index": 0}"#);
    assert!(entry.starts_with("jindo-entry/v1\nindex: 0\n") && code.is_none(), "{entry}");
    let (receipt, _) = watcher.ask("jindo.receipt", r#"{"name": "0"}"#);
    assert!(receipt.contains("c2sp.org/tlog-proof"), "{receipt}");
    let (status, _) = watcher.ask("jindo.status", r#"{"sha256": []}"#);
    assert_eq!(serde_json::from_str::<Value>(&status).unwrap()["size"], size);
    for (subject, question, code) in [
        ("jindo.progress", r#"{"indicator": "none"}"#, "404"),
        ("jindo.progress", r#"{"known_at": 99999999}"#, "425"),
        ("jindo.progress", r#"{"nonsense": 1}"#, "400"),
        ("jindo.entry", r#"{"index": 99999999}"#, "404"),
        ("jindo.entry", "nonsense", "400"),
    ] {
        assert_eq!(watcher.ask(subject, question).1.as_deref(), Some(code), "{subject} {question}");
    }
    until("still there", || (ledger.size() == size).then_some(()));
}
