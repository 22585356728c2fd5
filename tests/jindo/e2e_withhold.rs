//! A text leaves a running ledger's log by law, with the program alone: said by agency and authority, removed by the operator, and
//! everything goes on.

use std::path::PathBuf;
use std::time::Duration;

use jindo::event::envelope::{self, NewEvent};
use jindo::event::{Day, Time};
use jindo::log::entry::Entry;
use jindo::log::tail::LogReader;
use jindo::publish::{Delivered, Draft, Outbox, deliver};
use jindo::sign::hex;
use jindo::stream::{self, Login};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::e2e_house::{Folder, Ledger};
use crate::e2e_load::{ORIGIN, STREAM};
use crate::e2e_rebuild::files;

const SECRET: &str = "홍길동 010-1234-5678";

/// As many reports by `keco` as are wanted, through the outbox that the program uses.
fn report(folder: &Folder, ledger: &Ledger, count: u64) {
    let pair = folder.key("keco");
    let dir = folder.data().join("outbox").join(pair.public());
    let login = Login::agency("keco", &pair.seed());
    let mut outbox = Outbox::open(&dir, pair, ORIGIN).unwrap();
    let time = Day::parse("2026-06-30").unwrap().start();
    let drafts: Vec<Draft> = (0..count)
        .map(|number| {
            let data = json!({"region": "11", "class": "fast", "count": number + 1});
            let (agency, kind) = ("keco".to_owned(), "charger.installed.v1".to_owned());
            let event = NewEvent { id: Uuid::now_v7(), agency, kind, time, time_text: None, subject: None, data };
            let (content_type, body) = envelope::encode(&[event]);
            let subject = "ledger.report.keco.charger.installed.v1".to_owned();
            Draft { subject, content_type: content_type.to_owned(), body }
        })
        .collect();
    outbox.enqueue(&drafts, Time::now()).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let link = runtime.block_on(stream::connect(&ledger.nats, &login)).unwrap();
    let told = runtime.block_on(deliver(&mut outbox, &link, STREAM, Duration::from_secs(60), |_, _| ())).unwrap();
    assert!(told.values().all(|one| matches!(one, Delivered::Recorded(_))));
}

fn record(ledger: &Ledger, id: &str) -> Value {
    let (status, view) = ledger.get(&format!("/v1/records/{id}"));
    assert_eq!(status, 200, "{view}");
    view["records"][0]["versions"][0].clone()
}

#[test]
fn a_text_leaves_by_law_and_the_ledger_goes_on() {
    let folder = Folder::new();
    let ledger = Ledger::up(&folder);
    let remark = format!("remark={SECRET}");
    let (exit, told) = folder.json(&[
        "report",
        "charger.installed",
        "--agency",
        "keco",
        "region=11",
        "class=fast",
        "count=3",
        &remark,
    ]);
    assert_eq!(exit, 0, "{told}");
    let (id, index) = (told["id"].as_str().unwrap().to_owned(), told["index"].as_u64().unwrap());
    report(&folder, &ledger, 256 - index % 256);
    let figures = ledger.indicator("ev-chargers")["total"].clone();
    ledger.proven();
    let number = index.to_string();
    let receipt = folder.beside("held.tlog-proof").to_str().unwrap().to_owned();
    assert!(folder.run(&["receipt", &number, "--out", &receipt]).status.success());
    let vkey = folder.data().join("log/vkey").to_str().unwrap().to_owned();

    // The agency from its receipt, the authority from the folder; others may not.
    let say = |agency: &str, more: &[&str]| {
        let mut args = vec!["withhold", &number, "--mask", "/data/remark", "--reason", "개인정보 보호법 제21조"];
        args.extend(["--agency", agency]);
        args.extend(more);
        folder.json(&args)
    };
    let (exit, left) = say("keco", &["--dry-run"]);
    assert_eq!((exit, &left["said"]["agency"]), (0, &json!("keco")), "{left}");
    assert!(!left["left"].as_str().unwrap().contains(SECRET), "{left}");
    assert_eq!(folder.run(&["withhold", &number, "--mask", "/data/remark"]).status.code(), Some(3), "no reason");
    let (exit, told) = say("kotra", &[]);
    assert_eq!((exit, &told["reports"][0]["code"]), (1, &json!("not-authorised")), "{told}");
    for (agency, more) in [("keco", vec!["--receipt", &receipt, "--vkey", &vkey]), ("motie", vec![])] {
        let (exit, told) = say(agency, &more);
        assert_eq!(exit, 0, "{agency}: {told}");
    }
    let running = folder.run(&["withhold", &number, "--lang", "en"]);
    let told = String::from_utf8(running.stderr).unwrap();
    assert!(running.status.code() == Some(2) && told.contains("stop `jindo up`"), "{told}");
    ledger.proven();
    assert_eq!(record(&ledger, &id)["withheld"], json!(false));
    assert!(ledger.terminate().success());

    let before = folder.json(&["rebuild", "--keep"]).1;
    let (exit, dry) = folder.json(&["withhold", &number, "--dry-run"]);
    assert_eq!((exit, &dry["done"], &dry["agreed"]["index"]), (0, &json!(false), &json!(index)), "{dry}");
    let (exit, done) = folder.json(&["withhold", &number]);
    assert_eq!((exit, &done["done"], &done["digest"]), (0, &json!(true), &before["digest"]), "{done}");
    let holds = |path: &PathBuf| {
        let bytes = std::fs::read(path).unwrap();
        bytes.windows(SECRET.len()).any(|window| window == SECRET.as_bytes())
    };
    for part in ["log", "store"] {
        let left: Vec<_> = files(&folder.data().join(part)).into_iter().filter(&holds).collect();
        assert!(left.is_empty(), "{left:?}");
    }
    let after = folder.json(&["rebuild"]).1;
    assert_eq!((&after["digest"], &after["equal"]), (&before["digest"], &json!(true)), "{after}");

    // Started again it serves what is left, says so, and goes on recording.
    let ledger = Ledger::up(&folder);
    let version = record(&ledger, &id);
    let masked = "█".repeat(SECRET.chars().count());
    assert_eq!((&version["withheld"], &version["data"]["remark"]), (&json!(true), &json!(masked)), "{version}");
    assert_eq!((&version["data"]["count"], &version["data"]["region"]), (&json!(3), &json!("11")), "{version}");
    assert_eq!(ledger.indicator("ev-chargers")["total"], figures);
    let (status, told) = ledger.get(&format!("/v1/receipts/{index}"));
    assert_eq!((status, &told["code"]), (410, &json!("withheld")), "{told}");
    report(&folder, &ledger, 5);
    ledger.proven();
    // An outbox that never fetched this receipt gets all the others.
    let receipts = folder.data().join("outbox").join(folder.key("keco").public()).join("receipts");
    let jws =
        Entry::parse(&LogReader::open(&folder.data().join("log")).unwrap().read(index).unwrap()).unwrap().signature;
    let name = hex::encode(&hex::sha256(jws.unwrap().text().unwrap().as_bytes()));
    // No receipt may have been fetched yet, or this one first of all.
    let _ = std::fs::remove_file(receipts.join("1.tlog-proof"));
    let owed = std::fs::read_to_string(receipts.join("owed")).unwrap();
    if !owed.contains(&name) {
        std::fs::write(receipts.join("owed"), format!("1 {name}\n{owed}")).unwrap();
    }
    assert!(folder.run(&["report", "--pending", "--agency", "keco"]).status.success());
    let owed = std::fs::read_to_string(receipts.join("owed")).unwrap();
    assert_eq!(owed, format!("1 {name}\n"), "the withheld one stays owed and holds nothing up");
    assert!(ledger.terminate().success());
    let replayed = folder.run(&["replay", "--from", &number, "--to", &number, "--lang", "en"]);
    let shown = String::from_utf8(replayed.stdout).unwrap();
    assert!(shown.contains("[withheld by law]") && shown.contains('█'), "{shown}");
    let exported = folder.run(&["export", "charger.installed"]);
    let shown = String::from_utf8(exported.stdout).unwrap();
    let line = shown.lines().find(|line| line.contains(&id)).unwrap();
    assert!(line.contains(&masked) && line.contains("stands, withheld"), "{line}");
    assert!(folder.run(&["verify", &receipt, "--vkey", &vkey]).status.success());
    let genesis = std::fs::read_to_string(folder.data().join("genesis")).unwrap();
    let (exit, report) = folder.json(&["audit", "--genesis", genesis.trim(), "--receipts", &receipt]);
    assert_eq!((exit, &report["withheld"], &report["receipts"]), (0, &json!([index]), &json!(1)), "{report}");
    let page = folder.run(&["audit", "--genesis", genesis.trim(), "--lang", "en"]);
    let page = String::from_utf8(page.stdout).unwrap();
    assert!(page.contains(&format!("Entries with texts withheld by law: 1 ({index})")), "{page}");
    // The stream still has it: without its files the ledger goes on in the next one.
    let nats = folder.data().join("nats");
    assert!(files(&nats).iter().any(holds), "that the stream holds it is why the help says so");
    std::fs::remove_dir_all(nats.join("jetstream")).unwrap();
    let (exit, told) = folder.json(&["recover"]);
    assert_eq!((exit, &told["next"]), (0, &json!("LEDGER_2")), "{told}");
    assert!(!files(&nats).iter().any(holds));
    let ledger = Ledger::up(&folder);
    assert_eq!(record(&ledger, &id)["withheld"], json!(true));
    let (exit, told) =
        folder.json(&["report", "charger.installed", "--agency", "keco", "region=11", "class=fast", "count=3"]);
    assert_eq!(exit, 0, "{told}");
    assert!(ledger.terminate().success());
}
