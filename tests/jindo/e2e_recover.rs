//! NATS loses acknowledged reports, in each way it can: the ledger says so, recovers, and nothing is lost or counted twice.

use std::{
    collections::BTreeMap,
    path::Path,
    time::{Duration, Instant},
};

use jindo::{
    event::Time,
    log::{
        entry::{Entry, Verdict},
        tail::LogReader,
    },
    publish::{Outbox, deliver, status},
    stream::succession,
};
use serde_json::{Value, json};

use crate::e2e_crash::drafts;
use crate::e2e_house::{Folder, Ledger, jindo, signal, until};
use crate::e2e_load::{Intake, ORIGIN};

/// Everything an agency ever signed, by its JWS.
type Made = BTreeMap<String, String>;

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let (path, target) = (entry.as_ref().unwrap().path(), to.join(entry.unwrap().file_name()));
        match path.is_dir() {
            true => copy(&path, &target),
            false => drop(std::fs::copy(&path, &target).unwrap()),
        }
    }
}

/// The server's files, put aside or put back while it is stopped.
fn put_back(intake: &mut Intake, name: &str) {
    intake.stop();
    std::fs::remove_dir_all(intake.store()).unwrap();
    copy(&intake.folder.beside(name), intake.store());
    intake.start();
}

fn put_aside(intake: &mut Intake, name: &str) {
    intake.stop();
    copy(intake.store(), &intake.folder.beside(name));
    intake.start();
}

/// An agency publishes so many reports of one charger each through its outbox and waits so long for them to be recorded;
/// how many are not.
fn publish(intake: &Intake, made: &mut Made, agency: &str, count: usize, wait: Duration) -> usize {
    let (link, pair) = (intake.link(agency), intake.folder.key(agency));
    let dir = intake.folder.data().join("outbox").join(pair.public());
    let mut outbox = Outbox::open(&dir, pair, ORIGIN).unwrap();
    if count > 0 {
        outbox.enqueue(&drafts(agency, count), Time::now()).unwrap();
    }
    made.extend(outbox.pending().map(|pending| (pending.report.jws.clone(), agency.to_owned())));
    // As a publisher that learned the stream's name before it was retired.
    intake.runtime.block_on(deliver(&mut outbox, &link, "LEDGER_1", wait, |_, _| {})).unwrap();
    outbox.pending().count()
}

/// Every report is in the log exactly once with something new in it; how many there are.
fn each_once(log: &Path, made: &Made) -> usize {
    let mut counted: BTreeMap<String, u32> = made.keys().map(|jws| (jws.clone(), 0)).collect();
    for item in LogReader::open(log).unwrap().iter(0) {
        let (index, text) = item.unwrap();
        let entry = Entry::parse(&text).unwrap();
        assert_eq!(entry.sequence, index + 1);
        let jws = entry.signature.as_ref().and_then(|kept| kept.text()).unwrap();
        if let Some(times) = counted.get_mut(jws) {
            let verdict = entry.ruling.as_ref().unwrap().verdict.clone();
            *times += u32::from(verdict == Verdict::Accepted);
            assert!(verdict != Verdict::Refused(String::new()) && !matches!(verdict, Verdict::Refused(_)), "{index}");
        }
    }
    let wrong: Vec<_> =
        counted.iter().filter(|(_, times)| **times != 1).map(|(jws, times)| (&made[jws], times)).collect();
    assert!(wrong.is_empty(), "not counted exactly once: {wrong:?}");
    made.len()
}

fn entry(log: &Path, index: u64) -> Entry {
    Entry::parse(&LogReader::open(log).unwrap().read(index).unwrap()).unwrap()
}

/// Intake is halted with this finding, reads are served, and everybody is told.
fn halted(ledger: &Ledger, intake: &Intake, says: &str) {
    let health = until("halted", || {
        let (status, health) = ledger.get("/readyz");
        (status == 503 && health["state"] == "halted").then_some(health)
    });
    let why = health["why"]["en"].as_str().unwrap();
    assert!(why.contains(says) && why.contains("jindo recover"), "{health}");
    let shown = intake.folder.run(&["status", "ev-chargers"]);
    assert!(shown.status.success());
    assert!(String::from_utf8_lossy(&shown.stderr).contains(says), "{shown:?}");
}

fn chargers(ledger: &Ledger) -> Value {
    ledger.indicator("ev-chargers")["figure"]["value"].clone()
}

fn recover(intake: &Intake, more: &[&str]) -> (i32, Value) {
    let operator = intake.operator();
    let mut args = vec!["recover", "--nats", intake.url(), "--key-file", operator.to_str().unwrap()];
    args.extend(more);
    intake.folder.json(&args)
}

fn audit_is_clean(folder: &Folder) -> Value {
    let genesis = std::fs::read_to_string(folder.data().join("genesis")).unwrap();
    let (exit, report) = folder.json(&["audit", "--genesis", genesis.trim()]);
    assert_eq!(exit, 0, "{report}");
    report
}

const SOON: Duration = Duration::from_secs(60);
/// The ledger does not run: the stream acknowledges, nobody records.
const NO: Duration = Duration::from_millis(1);

#[test]
fn an_older_copy_put_back_and_new_reports_before_anyone_looks() {
    let mut intake = Intake::found();
    let mut made = Made::new();
    let log = intake.folder.data().join("log");
    let ledger = intake.run();
    ledger.settled();
    assert_eq!(publish(&intake, &mut made, "keco", 300, SOON), 0);
    put_aside(&mut intake, "older");
    assert_eq!(publish(&intake, &mut made, "keco", 250, SOON), 0);
    assert_eq!(publish(&intake, &mut made, "kepco", 220, SOON), 0);
    let size = ledger.proven();
    let before = chargers(&ledger);
    assert!(ledger.terminate().success());
    // Acknowledged, never recorded, and lost with the newest 500 messages.
    assert_eq!(publish(&intake, &mut made, "keco", 30, NO), 30);
    put_back(&mut intake, "older");
    assert_eq!(publish(&intake, &mut made, "mcee", 20, NO), 20);

    let ledger = intake.run();
    halted(&ledger, &intake, "LEDGER_1 went backwards");
    assert_eq!(chargers(&ledger), before);
    // Nobody is told that a report was never stored: what the stream holds is not known to the log.
    let lost = made.keys().map(|jws| jindo::sign::hex::encode(&jindo::sign::hex::sha256(jws.as_bytes())));
    let asked: Vec<String> = lost.take(400).collect();
    let answer = intake.runtime.block_on(status::ask(&intake.link("keco"), &asked)).unwrap();
    assert!(!answer.caught_up && answer.reports.len() == 400);
    let busy = intake.folder.run(&["recover", "--nats", intake.url()]);
    assert_eq!(busy.status.code(), Some(2), "{busy:?}");
    assert!(String::from_utf8_lossy(&busy.stderr).contains("stop `jindo up` or `jindo run`"), "{busy:?}");
    assert_eq!(ledger.terminate().code(), Some(2));

    let (exit, look) = recover(&intake, &["--dry-run"]);
    assert_eq!((exit, &look["state"], &look["wrong"]), (0, &json!("damaged"), &json!("differs")), "{look}");
    let survey = &look["surveys"][0];
    assert_eq!((&survey["differing"], &survey["missing"]), (&json!(20), &json!(450)), "{look}");
    let (exit, done) = recover(&intake, &[]);
    assert_eq!((exit, &done["state"], &done["next"]), (0, &json!("recovered"), &json!("LEDGER_2")), "{done}");
    assert_eq!((&done["brought"], &done["size"]), (&json!(20), &json!(size)), "{done}");
    let (exit, again) = recover(&intake, &[]);
    assert_eq!((exit, &again["state"]), (0, &json!("nothing")), "{again}");

    let ledger = intake.run();
    ledger.folds(size + 20);
    for agency in ["keco", "mcee"] {
        assert_eq!(publish(&intake, &mut made, agency, 0, SOON), 0, "{agency}");
    }
    let (exit, told) =
        intake.folder.json(&["report", "charger.installed", "--agency", "kepco", "region=11", "class=fast", "count=1"]);
    assert_eq!((exit, &told["state"]), (0, &json!("accepted")), "{told}");
    assert_eq!(publish(&intake, &mut made, "kepco", 7, SOON), 0);
    assert_eq!(ledger.proven(), size + 20 + 30 + 1 + 7);
    assert_eq!(each_once(&log, &made), 300 + 250 + 220 + 30 + 20 + 7);
    assert_eq!(chargers(&ledger), json!(made.len() + 1));
    let brought = entry(&log, size);
    assert_eq!(brought.stream, "LEDGER_2");
    assert!(brought.recovered.is_some_and(|(stream, sequence, _)| stream == "LEDGER_1" && sequence < size));
    assert!(ledger.terminate().success());
    assert_eq!(audit_is_clean(&intake.folder)["recovered"], 20);
    let (exit, rebuilt) = intake.folder.json(&["rebuild"]);
    assert_eq!((exit, &rebuilt["equal"]), (0, &json!(true)), "{rebuilt}");
    let replayed = intake.folder.run(&["replay", "--json", "--agency", "mcee"]);
    let lines = String::from_utf8(replayed.stdout).unwrap();
    assert_eq!(lines.lines().filter(|line| line.contains("\"LEDGER_2\"")).count(), 20);

    older_than_the_recovery(&mut intake, &mut made, size + 58);
}

/// The same old copy once more: the retired stream is back as it was and open, the one in use is gone.
fn older_than_the_recovery(intake: &mut Intake, made: &mut Made, size: u64) {
    put_back(intake, "older");
    assert_eq!(publish(intake, made, "mcee", 3, NO), 3);
    let ledger = intake.run();
    halted(&ledger, intake, "LEDGER_2 is gone");
    assert_eq!(ledger.terminate().code(), Some(2));
    let (exit, done) = recover(intake, &[]);
    assert_eq!((exit, &done["wrong"], &done["next"]), (0, &json!("gone"), &json!("LEDGER_3")), "{done}");
    assert_eq!(done["brought"], 3, "{done}");
    assert_eq!(recover(intake, &[]).1["state"], "nothing");
    let ledger = intake.run();
    ledger.folds(size + 3);
    assert_eq!(publish(intake, made, "mcee", 4, SOON), 0);
    assert_eq!(ledger.proven(), size + 7);
    each_once(&intake.folder.data().join("log"), made);
    assert_eq!(chargers(&ledger), json!(made.len() + 1));
    assert!(ledger.terminate().success());
    audit_is_clean(&intake.folder);
}

#[test]
fn a_stream_that_looks_whole_under_a_running_ledger() {
    let mut intake = Intake::found();
    let mut made = Made::new();
    let ledger = intake.run();
    ledger.settled();
    assert_eq!(publish(&intake, &mut made, "keco", 40, SOON), 0);
    put_aside(&mut intake, "older");
    assert_eq!(publish(&intake, &mut made, "keco", 10, SOON), 0);
    let size = ledger.settled();
    // It looks away while the server is another one, and the stream is longer than before when it looks again.
    signal(ledger.pid(), "-STOP");
    put_back(&mut intake, "older");
    assert_eq!(publish(&intake, &mut made, "mcee", 25, NO), 25);
    signal(ledger.pid(), "-CONT");
    halted(&ledger, &intake, "holds another message");
    assert_eq!(ledger.size(), size, "nothing of it was recorded");
    assert_eq!(ledger.terminate().code(), Some(2));
    // Found again from the log alone.
    let ledger = intake.run();
    halted(&ledger, &intake, "holds another message");
    assert_eq!(ledger.terminate().code(), Some(2));

    // Killed at any moment, then once more to its end.
    let began = Instant::now();
    let mut killed = 0;
    // Later and later, until one ends before it is killed.
    for after in (0..).step_by(12) {
        let mut command = jindo();
        command.args(["recover", "--nats", intake.url(), "--key-file"]).arg(intake.operator());
        let mut child =
            command.arg("--data").arg(intake.folder.data()).stdout(std::process::Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(after));
        if child.try_wait().unwrap().is_some() {
            break;
        }
        killed += 1;
        child.kill().unwrap();
        child.wait().unwrap();
    }
    eprintln!("{killed} recoveries killed in {:?}", began.elapsed());
    assert!(killed > 2, "they ended before they were killed");
    let (exit, done) = recover(&intake, &[]);
    assert_eq!(exit, 0, "{done}");
    assert_eq!(recover(&intake, &[]).1["state"], "nothing");
    let link = intake.runtime.block_on(jindo::stream::connect(
        intake.url(),
        &jindo::stream::Login::plain(&intake.folder.key("operator").seed(), "test"),
    ));
    assert_eq!(intake.runtime.block_on(succession::numbers(&link.unwrap())).unwrap(), [1, 2]);
    let ledger = intake.run();
    ledger.folds(size + 25);
    assert_eq!(publish(&intake, &mut made, "mcee", 1, SOON), 0);
    assert_eq!(ledger.proven(), size + 26);
    each_once(&intake.folder.data().join("log"), &made);
    assert_eq!(chargers(&ledger), json!(made.len()));
    assert!(ledger.terminate().success());
    audit_is_clean(&intake.folder);
}

#[test]
fn a_ledger_of_up_whose_streams_were_deleted() {
    let folder = Folder::new();
    let report = |folder: &Folder| {
        let args = ["report", "charger.installed", "--agency", "keco", "region=11", "class=fast", "count=1"];
        let (exit, told) = folder.json(&args);
        assert_eq!((exit, &told["state"]), (0, &json!("accepted")), "{told}");
    };
    let ledger = Ledger::up(&folder);
    report(&folder);
    let size = ledger.proven();
    assert!(ledger.terminate().success());
    std::fs::remove_dir_all(folder.data().join("nats/jetstream")).unwrap();
    // It does not begin a new stream by itself; it serves what it has and says what is wrong.
    let ledger = Ledger::up(&folder);
    let (status, health) = ledger.get("/readyz");
    assert_eq!((status, &health["state"], &health["size"]), (503, &json!("halted"), &json!(size)), "{health}");
    assert!(health["why"]["en"].as_str().unwrap().contains("LEDGER_1 is gone"), "{health}");
    assert_eq!(chargers(&ledger), json!(1));
    assert_eq!(ledger.terminate().code(), Some(2));
    std::fs::remove_dir_all(folder.data().join("nats/jetstream")).unwrap();
    for (lang, says) in [("en", "It is gone"), ("ko", "할 일이 없습니다")] {
        let out = folder.run(&["recover", "--lang", lang]);
        let told = String::from_utf8_lossy(&out.stdout).into_owned();
        assert!(out.status.success() && told.contains(says), "{out:?}");
    }
    let ledger = Ledger::up(&folder);
    report(&folder);
    assert_eq!(ledger.proven(), size + 1);
    assert_eq!(chargers(&ledger), json!(2));
    assert_eq!(entry(&folder.data().join("log"), size).stream, "LEDGER_2");
    assert!(ledger.terminate().success());
    audit_is_clean(&folder);
    assert_eq!(folder.json(&["recover"]).1["state"], "nothing");
}
