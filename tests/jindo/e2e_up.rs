//! `jindo up` alone, as an operator sees it: one line, 34 commitments, a report from another process within a second,
//! a restart that adds nothing, a clean end.

use std::time::{Duration, Instant};

use futures_util::{StreamExt as _, TryStreamExt as _};
use jindo::stream::{self, Login};
use serde_json::{Value, json};

use crate::e2e_house::{Folder, Ledger, until};

fn by_id<'a>(view: &'a Value, id: &str) -> &'a Value {
    view["indicators"].as_array().unwrap().iter().find(|row| row["id"] == id).unwrap()
}

/// The target without part or period.
fn target(indicator: &Value) -> &Value {
    let plain = |target: &&Value| target["part"].is_null() && target["period"].is_null();
    indicator["targets"].as_array().unwrap().iter().find(plain).unwrap()
}

#[test]
fn thirty_four_commitments_with_what_became_of_them() {
    let folder = Folder::new();
    let ledger = Ledger::up(&folder);
    let (status, view) = ledger.get("/v1/indicators");
    assert_eq!((status, view["indicators"].as_array().unwrap().len()), (200, 34));
    assert_eq!((&view["origin"], &view["simulated"]), (&json!("jindo.local/motie-2026"), &json!(false)));

    let chargers = by_id(&view, "ev-chargers");
    let promised = target(chargers);
    assert_eq!((&promised["current"]["value"], &promised["original"]["value"]), (&json!(71_450), &json!(71_000)));
    assert_eq!(promised["current"]["text"], json!({ "ko": "7만 1,450기", "en": "71,450" }));
    let revision = &promised["revisions"][0];
    assert_eq!((&revision["old"], &revision["new"]), (&json!(71_000), &json!(71_450)));
    assert!(revision["reason"].as_str().unwrap().contains("7만 1,450기"), "{revision}");
    assert_eq!(revision["authority"]["code"], "mcee");
    let owners: Vec<_> = chargers["owners"].as_array().unwrap().iter().map(|owner| &owner["agency"]["code"]).collect();
    assert_eq!((&chargers["owner"]["code"], owners), (&json!("mcee"), vec![&json!("motie"), &json!("mcee")]));

    let exports = by_id(&view, "exports");
    assert_eq!((&exports["figure_period"], &exports["figure"]["provisional"]), (&json!("2025"), &json!(1)));
    assert_eq!(exports["figure"]["text"]["en"], "USD 700bn");

    let engine = by_id(&view, "aero-engine");
    assert_eq!(target(engine)["current"]["due_as_printed"], "20934");
    assert_eq!(
        (&target(engine)["current"]["due"], &target(engine)["current"]["confirmed"]),
        (&json!("2034"), &json!(false))
    );
    assert!(!engine["source"]["reading"]["en"].as_str().unwrap().is_empty(), "{engine}");
    assert_eq!(engine["source"]["confirmed"], false);
    // Found by a newcomer: the table for a spreadsheet dropped what marks a figure.
    let sheet = folder.run(&["status", "--csv"]);
    let mut sheet = csv::Reader::from_reader(&sheet.stdout[..]);
    let titles = sheet.headers().unwrap().clone();
    let rows: Vec<csv::StringRecord> = sheet.records().map(Result::unwrap).collect();
    let field = |id: &str, title: &str| {
        let at = titles.iter().position(|one| one == title).unwrap();
        rows.iter().find(|row| &row[0] == id).unwrap()[at].to_owned()
    };
    for (id, title, expected) in [
        ("aero-engine", "due_as_printed", "20934"),
        ("aero-engine", "target_confirmed", "false"),
        ("aero-engine", "target_approximate", "true"),
        ("exports", "period", "2025"),
        ("exports", "public_source", "true"),
        ("exports", "simulated", "false"),
    ] {
        assert_eq!(field(id, title), expected, "{id} {title}");
    }
    // People see what programs see.
    let table = folder.run(&["status", "aero-engine", "--lang", "en"]);
    let shown = String::from_utf8(table.stdout).unwrap();
    assert!(table.status.success() && shown.contains("20934"), "{shown}");
    assert_eq!(ledger.said_more(), Vec::<String>::new(), "one line on standard output");
    assert!(ledger.terminate().success());
}

#[test]
fn a_report_from_another_process_is_seen_within_a_second_and_survives() {
    let folder = Folder::new();
    let ledger = Ledger::up(&folder);
    let before = ledger.settled();
    let report = [
        "report",
        "charger.installed",
        "--agency",
        "keco",
        "--time",
        "2026-06-30",
        "region=11",
        "class=fast",
        "count=12",
    ];
    let (exit, told) = folder.json(&report);
    assert_eq!((exit, &told["state"], &told["index"]), (0, &json!("accepted"), &json!(before)), "{told}");
    let acknowledged = Instant::now();
    let (status, chargers) = ledger.get(&format!("/v1/indicators/ev-chargers?at_least={}", before + 1));
    assert_eq!((status, &chargers["figure"]["value"]), (200, &json!(12)));
    let (_, shown) = folder.json(&["status", "ev-chargers"]);
    let took = acknowledged.elapsed();
    assert_eq!(shown["figure"]["value"], 12, "{shown}");
    assert!(took < Duration::from_secs(1), "seen after {took:?}");
    let fast = chargers["parts"].as_array().unwrap().iter().find(|part| part["id"] == "fast").unwrap();
    assert_eq!(fast["figure"]["value"], 12);
    let (status, record) = ledger.get(&format!("/v1/records/{}", told["id"].as_str().unwrap()));
    assert_eq!((status, &record["records"][0]["versions"][0]["index"]), (200, &json!(before)));

    ledger.proven();
    let (_, before_stop) = ledger.get("/v1/indicators?as_of=2026-11-30");
    let nats = ledger.nats_pid();
    assert!(ledger.terminate().success());
    assert!(!std::path::Path::new(&format!("/proc/{nats}")).exists(), "nats-server {nats} still runs");
    assert!(!folder.data().join("running.json").exists());

    let ledger = Ledger::up(&folder);
    assert_eq!(ledger.proven(), before + 1, "a restart publishes nothing anew");
    let (_, after) = ledger.get("/v1/indicators?as_of=2026-11-30");
    assert_eq!(after, before_stop, "a restart keeps everything");
    let (exit, again) = folder.json(&report);
    assert_eq!((exit, &again["index"]), (0, &json!(before + 1)), "the outbox goes on where it was");
    assert_eq!(ledger.indicator("ev-chargers")["figure"]["value"], 24);
}

/// Who reported last belongs to a past moment as much as the figure does.
#[test]
fn a_past_moment_is_shown_again_as_it_was() {
    let folder = Folder::new();
    let ledger = Ledger::up(&folder);
    for count in ["count=2", "count=5"] {
        let size = ledger.proven();
        let (_, then) = ledger.get(&format!("/v1/indicators?as_of=2026-11-30&known_at={size}"));
        let (exit, told) =
            folder.json(&["report", "charger.installed", "--agency", "keco", "region=11", "class=fast", count]);
        assert_eq!(exit, 0, "{told}");
        ledger.get(&format!("/v1/indicators/ev-chargers?at_least={}", size + 1));
        let (status, again) = ledger.get(&format!("/v1/indicators?as_of=2026-11-30&known_at={size}"));
        assert_eq!((status, again), (200, then));
    }
    assert!(ledger.terminate().success());
}

/// The bucket holds, under each indicator's id, the JSON that HTTP answers for the same size.
#[test]
fn the_bucket_holds_what_http_answers() {
    let folder = Folder::new();
    let ledger = Ledger::up(&folder);
    let before = ledger.settled();
    let (exit, _) = folder.json(&[
        "report",
        "charger.installed",
        "--agency",
        "keco",
        "--time",
        "2026-06-30",
        "region=11",
        "class=slow",
        "count=5",
    ]);
    assert_eq!(exit, 0);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let seed = folder.key("dashboard").seed();
    let bucket = runtime.block_on(async {
        let link = stream::connect(&ledger.nats, &Login::plain(&seed, "dashboard")).await.unwrap();
        let context = async_nats::jetstream::new(link.client);
        context.get_key_value(stream::PROGRESS_BUCKET).await.unwrap()
    });
    let value = |key: &str| -> Option<Value> {
        let bytes = runtime.block_on(bucket.get(key)).unwrap()?;
        Some(serde_json::from_slice(&bytes).unwrap())
    };
    let chargers =
        until("the report is announced", || value("ev-chargers").filter(|told| told["figure"]["value"] == 5));
    ledger.proven();
    assert_eq!(chargers["size"], before + 1);
    let keys: Vec<String> = until("34 keys", || {
        let keys: Vec<String> =
            runtime.block_on(async { bucket.keys().await.unwrap().boxed().try_collect().await.unwrap() });
        (keys.len() == 34).then_some(keys)
    });
    for key in keys {
        let announced =
            until("it is told as proven", || value(&key).filter(|told| told["proven_size"] == told["size"]));
        let (size, day) = (&announced["size"], announced["as_of"].as_str().unwrap());
        let (status, answered) = ledger.get(&format!("/v1/indicators/{key}?known_at={size}&as_of={day}"));
        assert_eq!((status, &answered), (200, &announced), "{key}");
    }
}

/// Found by a newcomer: the server of another ledger answered on that port, and the error spoke of permissions.
#[test]
fn a_port_that_another_ledger_holds_is_told_as_that() {
    let first = Folder::new();
    let ledger = Ledger::up(&first);
    let port = ledger.nats.rsplit(':').next().unwrap();
    let second = Folder::new();
    let output = second.run(&["up", "--http", "127.0.0.1:0", "--nats-port", port]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains("address already in use"), "{said}");
    assert!(ledger.terminate().success());
}

/// Found by a newcomer: a ledger whose target was revised did not start any more, and the way out that was offered put the
/// old target back into the signed log.
#[test]
fn a_ledger_that_moved_on_starts_as_its_log_says() {
    let folder = Folder::new();
    let ledger = Ledger::up(&folder);
    let house = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let catalogue = std::fs::read_to_string(house.join("deploy/catalogue/motie-2026.toml")).unwrap();
    let (before, after) = ("value = 500\n", "value = 600\n");
    assert_eq!(catalogue.matches(before).count(), 1);
    let file = folder.beside("revised.toml");
    std::fs::write(&file, catalogue.replace(before, after)).unwrap();
    let apply = ["catalogue", "apply", file.to_str().unwrap(), "--agency", "motie", "--reason", "a test"];
    assert!(folder.run(&apply).status.success());
    let size = ledger.proven();
    assert!(ledger.terminate().success());
    for more in [&[][..], &["--reason", "started again"]] {
        let ledger = Ledger::up_with(&folder, more);
        assert_eq!(ledger.proven(), size, "{more:?}: nothing is published anew");
        assert_eq!(target(&ledger.indicator("ai-factories-2030"))["current"]["value"], 600);
        assert!(ledger.terminate().success());
    }
}

/// Found by a newcomer: a key that was added could not connect, not even after a restart.
#[test]
fn an_added_key_reports_at_once_and_a_revoked_one_no_more() {
    let folder = Folder::new();
    let ledger = Ledger::up(&folder);
    let file = folder.beside("keco-2.nk");
    let (exit, made) = folder.json(&["keygen", "keco", "--out", file.to_str().unwrap()]);
    assert_eq!(exit, 0, "{made}");
    let key = jindo::sign::KeyPair::load(&file).unwrap().public().to_owned();
    assert_eq!(folder.run(&["key", "add", "nonsense", "--of", "keco", "--agency", "keco"]).status.code(), Some(3));
    assert!(folder.run(&["key", "add", &key, "--of", "keco", "--agency", "keco"]).status.success());
    let report = |count: &str| {
        let args = ["report", "charger.installed", "--agency", "keco", "--key-file", file.to_str().unwrap()];
        folder.run(&[&args[..], &["region=11", "class=fast", count]].concat())
    };
    until("the added key reports", || report("count=3").status.success().then_some(()));
    ledger.settled();
    assert_eq!(ledger.indicator("ev-chargers")["figure"]["value"], 3);
    assert!(ledger.terminate().success());
    let ledger = Ledger::up(&folder);
    assert!(report("count=4").status.success(), "and after a restart");
    let revoke = ["key", "revoke", &key, "--of", "keco", "--agency", "keco", "--reason", "a test"];
    assert!(folder.run(&revoke).status.success());
    until("the revoked key does not connect", || (!report("count=5").status.success()).then_some(()));
    ledger.settled();
    assert_eq!(ledger.indicator("ev-chargers")["figure"]["value"], 7);
}

/// An agency may register any key as its own, and with them it must not keep the server from starting.
#[test]
fn no_key_that_an_agency_registers_keeps_nats_from_starting() {
    let folder = Folder::new();
    let ledger = Ledger::up(&folder);
    for kept in ["dashboard", "announcer", "operator"] {
        let key = folder.key(kept).public().to_owned();
        assert!(folder.run(&["key", "add", &key, "--of", "keco", "--agency", "keco"]).status.success(), "{kept}");
    }
    let size = ledger.proven();
    assert!(ledger.terminate().success());
    let ledger = Ledger::up(&folder);
    assert_eq!(ledger.proven(), size);
    let report = ["report", "charger.installed", "--agency", "keco", "region=11", "class=fast", "count=3"];
    assert_eq!(folder.json(&report).0, 0);
}
