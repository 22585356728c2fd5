//! The file of a year: 71,000 chargers in a CSV, imported, killed half way, imported again, and once more.

use std::{fmt::Write as _, path::Path, process::Stdio, time::Instant};

use serde_json::{Value, json};

use crate::e2e_house::{Folder, Guard, Ledger, jindo, until};

const ROWS: u64 = 71_000;
const REGIONS: [&str; 17] =
    ["11", "26", "27", "28", "29", "30", "31", "41", "42", "43", "44", "45", "46", "47", "48", "49", "50"];

/// One charger a row: 4,450 fast, 2,000 medium, the rest slow, all in the first half of the year.
fn write_csv(path: &Path) {
    let mut text = String::from("관리번호,region,class,time,count\n");
    for row in 0..ROWS {
        let class = match row % 71 {
            0..=3 => "fast",
            4..=5 => "medium",
            _ => "slow",
        };
        let region = REGIONS[usize::try_from(row * 7 % 17).unwrap()];
        let (month, day) = (1 + row % 6, 1 + row % 28);
        writeln!(text, "EV-{row:06},{region},{class},2026-{month:02}-{day:02},1").unwrap();
    }
    std::fs::write(path, text).unwrap();
}

fn sum_of<'a>(rows: impl IntoIterator<Item = &'a Value>) -> u64 {
    rows.into_iter().filter_map(|row| row["figure"]["value"].as_u64()).sum()
}

#[test]
fn seventy_one_thousand_rows_count_once_through_a_kill() {
    let folder = Folder::new();
    let ledger = Ledger::up(&folder);
    let before = ledger.settled();
    let file = folder.beside("chargers.csv");
    write_csv(&file);
    let import =
        ["import", file.to_str().unwrap(), "--type", "charger.installed", "--agency", "keco", "--key", "관리번호"];

    let reports = ROWS / jindo::limits::IMPORT_BATCH_EVENTS as u64;
    let began = Instant::now();
    let mut command = jindo();
    command.args(import).arg("--data").arg(folder.data()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = Guard(command.spawn().unwrap());
    until("half of the file is recorded", || (ledger.size() >= before + reports / 2).then_some(()));
    child.0.kill().unwrap();
    let ended = child.0.wait().unwrap();
    assert!(!ended.success(), "the import was over before it could be killed");
    let part = ledger.indicator("ev-chargers")["figure"]["value"].as_u64().unwrap();
    assert!((ROWS / 3..ROWS).contains(&part), "killed at {part}");
    eprintln!("killed at {part} after {:?}", began.elapsed());

    let began = Instant::now();
    let (exit, told) = folder.json(&import);
    eprintln!("the rest took {:?}: {told}", began.elapsed());
    assert_eq!(exit, 0, "{told}");
    let counted: u64 = ["accepted", "duplicate", "skipped"].map(|name| told[name].as_u64().unwrap()).iter().sum();
    assert_eq!((counted, &told["refused"], &told["unknown"]), (ROWS, &json!(0), &json!(0)), "{told}");
    let size = ledger.settled();
    let chargers = ledger.indicator("ev-chargers");
    assert_eq!(chargers["figure"]["value"], ROWS);
    let figure = |rows: &Value, id: &str| {
        let named = |row: &&Value| row["id"] == id || row["value"] == id;
        rows.as_array().unwrap().iter().find(named).unwrap()["figure"]["value"].clone()
    };
    assert_eq!(
        (figure(&chargers["parts"], "fast"), figure(&chargers["parts"], "medium")),
        (json!(4_000), json!(2_000))
    );
    for split in chargers["splits"].as_array().unwrap().iter().filter(|split| split["id"] != "kind") {
        assert_eq!(sum_of(split["values"].as_array().unwrap()), ROWS, "{}", split["id"]);
    }
    let agency = chargers["splits"].as_array().unwrap().iter().find(|split| split["id"] == "agency").unwrap();
    assert_eq!(figure(&agency["values"], "keco"), json!(ROWS));

    let began = Instant::now();
    let (exit, told) = folder.json(&import);
    eprintln!("the third run took {:?}: {told}", began.elapsed());
    assert_eq!((exit, &told["skipped"]), (0, &json!(ROWS)), "{told}");
    assert_eq!(ledger.settled(), size, "a third run publishes nothing");
    assert_eq!(ledger.indicator("ev-chargers")["figure"]["value"], ROWS);
}

/// Found by a newcomer: a row that only the ledger can refuse kept the 199 others of its batch out.
#[test]
fn one_bad_row_does_not_keep_the_others_out() {
    let folder = Folder::new();
    let ledger = Ledger::up(&folder);
    let file = folder.beside("rows.csv");
    let rows =
        "관리번호,region,class,time,count\nA,11,fast,2026-03-02,1\nB,99,fast,2026-03-02,1\nC,26,slow,2026-03-02,1\n";
    std::fs::write(&file, rows).unwrap();
    let import =
        ["import", file.to_str().unwrap(), "--type", "charger.installed", "--agency", "keco", "--key", "관리번호"];
    let (exit, told) = folder.json(&import);
    assert_eq!((exit, &told["accepted"], &told["refused"]), (1, &json!(2), &json!(1)), "{told}");
    let fault = &told["refusals"][0]["outcome"]["detail"][0];
    assert_eq!((&fault["row"], &fault["code"]), (&json!(3), &json!("region-unknown")), "{told}");
    ledger.settled();
    assert_eq!(ledger.indicator("ev-chargers")["figure"]["value"], 2);
    // A day to come is found before anything is sent.
    std::fs::write(&file, "관리번호,region,class,time,count\nD,11,fast,2099-03-02,1\n").unwrap();
    let (exit, told) = folder.json(&[&import[..], &["--dry-run"]].concat());
    assert_eq!((exit, &told["faulty"], &told["faults"][0]["row"]), (1, &json!(1), &json!(2)), "{told}");
}

/// A package describes itself, and what it holds of an agency imports again into another ledger with the same figures.
#[test]
fn a_data_package_is_whole_and_imports_again() {
    let (folder, again) = (Folder::new(), Folder::new());
    let ledger = Ledger::up(&folder);
    let file = folder.beside("chargers.csv");
    let rows: String = (0..40)
        .map(|row| format!("C{row},{},fast,2026-0{}-11,{}\n", [11, 26][row % 2], 1 + row % 6, 1 + row % 3))
        .collect();
    std::fs::write(&file, format!("관리번호,region,class,time,count\n{rows}")).unwrap();
    let import =
        ["import", file.to_str().unwrap(), "--type", "charger.installed", "--agency", "keco", "--key", "관리번호"];
    assert!(folder.run(&import).status.success());
    let (exit, told) = folder.json(&[
        "report",
        "charger.installed",
        "--agency",
        "keco",
        "region=11",
        "class=fast",
        "count=900",
        "remark==SUM(1)",
    ]);
    assert_eq!(exit, 0, "{told}");
    let size = ledger.settled();
    let package = folder.beside("package");
    let (exit, told) = folder.json(&["export", "--package", package.to_str().unwrap()]);
    assert_eq!((exit, &told["size"]), (0, &serde_json::json!(size)), "{told}");
    let described: serde_json::Value =
        serde_json::from_slice(&std::fs::read(package.join("datapackage.json")).unwrap()).unwrap();
    let resources = described["resources"].as_array().unwrap();
    for resource in resources {
        let bytes = std::fs::read(package.join(resource["path"].as_str().unwrap())).unwrap();
        let digest = jindo::sign::hex::encode(&jindo::sign::hex::sha256(&bytes));
        assert_eq!(
            (resource["bytes"].as_u64(), &resource["hash"]),
            (Some(bytes.len() as u64), &serde_json::json!(format!("sha256:{digest}")))
        );
        let mut table = csv::Reader::from_reader(bytes.as_slice());
        let named: Vec<_> =
            resource["schema"]["fields"].as_array().unwrap().iter().map(|field| &field["name"]).collect();
        assert_eq!(table.headers().unwrap().iter().collect::<Vec<_>>(), named);
        assert!(table.records().map(Result::unwrap).count() > 0, "{resource}");
    }
    let names: Vec<_> = resources.iter().map(|resource| resource["name"].as_str().unwrap()).collect();
    assert!(["indicators", "series", "keco-charger.installed.v1"].iter().all(|name| names.contains(name)), "{names:?}");
    assert_ne!(
        folder.run(&["export", "--package", package.to_str().unwrap()]).status.code(),
        Some(0),
        "never over another"
    );
    let known = ledger.indicator("ev-chargers");
    let other = Ledger::up(&again);
    let events = package.join("events/keco/charger.installed.v1.csv");
    let out = again.run(&["import", events.to_str().unwrap(), "--type", "charger.installed", "--agency", "keco"]);
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    other.settled();
    let imported = other.indicator("ev-chargers");
    for part in ["figure", "splits", "parts"] {
        assert_eq!(imported[part], known[part], "{part}");
    }
}

/// Found by a newcomer: an agency's own times are written with an offset, and what was exported counted again or was refused.
#[test]
fn what_is_exported_is_known_again() {
    let folder = Folder::new();
    let ledger = Ledger::up(&folder);
    let event = |number: u32, time: &str| {
        json!({"specversion": "1.0", "id": format!("0197f6a0-0000-7000-8000-{number:012}"), "source": "/agencies/keco",
            "type": "charger.installed.v1", "time": time, "data": {"region": "11", "class": "fast", "count": number}})
        .to_string()
    };
    let times = ["2026-03-02T09:00:00+09:00", "2026-03-02T00:00:00.500Z", "2026-03-03t01:02:03z"];
    let lines: Vec<String> = times.iter().zip(1..).map(|(time, number)| event(number, time)).collect();
    let file = folder.beside("events.ndjson");
    std::fs::write(&file, lines.join("\n")).unwrap();
    let import = |path: &Path, more: &[&str]| {
        let args = ["import", path.to_str().unwrap(), "--type", "charger.installed", "--agency", "keco"];
        folder.json(&[&args[..], more].concat())
    };
    assert_eq!(import(&file, &[]).1["accepted"], 3);
    for (format, more) in [("csv", &[][..]), ("csv", &["--key", "id"]), ("ndjson", &[])] {
        let exported = folder.beside(&format!("exported.{format}"));
        let out = folder.run(&["export", "charger.installed", "--format", format, "--out", exported.to_str().unwrap()]);
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        let text = std::fs::read_to_string(&exported).unwrap();
        assert!(times.iter().all(|time| text.contains(time)), "{text}");
        // Sent again on purpose: nothing is skipped because it was sent before.
        let (exit, told) = import(&exported, &[more, &["--again"]].concat());
        assert_eq!(
            (exit, &told["duplicate"], &told["refused"]),
            (0, &json!(3), &json!(0)),
            "{format} {more:?}: {told}"
        );
    }
    assert_eq!(ledger.indicator("ev-chargers")["figure"]["value"], 6);
}
