//! `/metrics` of a running ledger, and the alerts and the dashboard made of it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::e2e_house::{Folder, Ledger, until};

fn house() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

fn text(ledger: &Ledger) -> String {
    let mut answer = ureq::get(format!("{}/metrics", ledger.http)).call().unwrap();
    assert!(answer.headers()["content-type"].to_str().unwrap().starts_with("application/openmetrics-text"));
    answer.body_mut().read_to_string().unwrap()
}

/// Samples by name and labels, as they stand there.
fn samples(ledger: &Ledger) -> BTreeMap<String, f64> {
    let text = text(ledger);
    assert!(text.ends_with("# EOF\n"), "{text}");
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let (name, value) = line.rsplit_once(' ').unwrap();
            (name.to_owned(), value.parse().unwrap())
        })
        .collect()
}

#[test]
fn an_operator_sees_what_happens() {
    let folder = Folder::new();
    let ledger = Ledger::up(&folder);
    let size = ledger.proven();
    let before = samples(&ledger);
    assert_eq!(before["jindo_size"], size as f64);
    assert_eq!((before["jindo_ready"], before["jindo_halted"], before["jindo_followers"]), (1.0, 0.0, 0.0));
    assert!(before["jindo_store_bytes"] > 0.0 && before["jindo_data_free_bytes"] > 0.0);
    assert!(before["jindo_checkpoint_timestamp_seconds"] > 1.7e9);
    let accepted = "jindo_entries_total{verdict=\"accepted\"}";
    let refused = "jindo_refusals_total{reason=\"unknown-indicator\"}";
    let report = ["report", "charger.installed", "--agency", "keco", "region=11", "class=fast", "count=2"];
    assert_eq!(folder.json(&report).0, 0);
    let _follower = crate::e2e_follow::Follower::new(&ledger, "", None);
    ledger.proven();
    let after = until("counted", || Some(samples(&ledger)).filter(|now| now["jindo_followers"] == 1.0));
    assert_eq!(after[accepted], before[accepted] + 1.0);
    assert!(!after.contains_key(refused), "{after:?}");
    assert_eq!(after["jindo_commit_seconds_count"], before["jindo_commit_seconds_count"] + 1.0);
    assert_eq!(after["jindo_delay_seconds_count"], before["jindo_delay_seconds_count"] + 1.0);
    assert_eq!((after["jindo_unproven_seconds"], after["jindo_lag_seconds"]), (0.0, 0.0));
    // By route, never by what somebody wrote.
    for path in ["/v1/indicators/exports", "/v1/indicators/nothing-of-the-kind", "/x/%3Cscript%3E"] {
        ledger.get(path);
    }
    let told = samples(&ledger);
    let count = |route: &str, status: u16| {
        told.get(&format!("jindo_http_requests_total{{route=\"{route}\",status=\"{status}\"}}")).copied()
    };
    assert_eq!(count("/v1/indicators/{id}", 200), Some(1.0));
    assert_eq!(count("/v1/indicators/{id}", 404), Some(1.0));
    assert_eq!(count("none", 404), Some(1.0));
    assert!(told.keys().all(|name| !name.contains("script") && !name.contains("nothing")), "{told:?}");
    assert!(ledger.terminate().success());
}

/// Words of an expression that begin as our metrics do.
fn named(expression: &str) -> impl Iterator<Item = String> + '_ {
    let words = expression.split(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_'));
    words.filter(|word| word.starts_with("jindo_")).map(str::to_owned)
}

#[test]
fn alerts_and_dashboard_ask_for_what_there_is() {
    let promtool = house().join(".cache/promtool");
    let promtool = if promtool.exists() { promtool } else { "promtool".into() };
    let folder = house().join("deploy/prometheus");
    for args in [
        &["check", "config", "prometheus.yml"][..],
        &["check", "rules", "alerts.yml"],
        &["test", "rules", "alerts.test.yml"],
    ] {
        let out = Command::new(&promtool).current_dir(&folder).args(args).output();
        let out = out.unwrap_or_else(|error| panic!("promtool: {error}: run `make promtool`"));
        let said = [out.stdout, out.stderr].concat();
        assert!(out.status.success(), "{args:?}: {}", String::from_utf8_lossy(&said));
    }
    let data = Folder::new();
    let ledger = Ledger::up(&data);
    ledger.settled();
    let text = text(&ledger);
    assert!(ledger.terminate().success());
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")).filter_map(|line| line.split_once(' '));
    let mut known = BTreeSet::new();
    for (name, kind) in types {
        let endings: &[&str] = match kind {
            "counter" => &["_total"],
            "histogram" => &["_bucket", "_sum", "_count"],
            _ => &[""],
        };
        known.extend(endings.iter().map(|ending| format!("{name}{ending}")));
    }
    // Families without a member are not written.
    known.extend(["jindo_witness_up", "jindo_witness_size", "jindo_refusals_total"].map(str::to_owned));
    let dashboard: Value =
        serde_json::from_slice(&std::fs::read(house().join("deploy/grafana/jindo.json")).unwrap()).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let targets = panels.iter().flat_map(|panel| panel["targets"].as_array().unwrap());
    let asked: Vec<String> = targets.map(|target| target["expr"].as_str().unwrap().to_owned()).collect();
    let alerts = std::fs::read_to_string(folder.join("alerts.yml")).unwrap();
    let alerts = alerts.lines().filter_map(|line| line.trim().strip_prefix("expr: ")).map(str::to_owned);
    let names: BTreeSet<String> =
        asked.into_iter().chain(alerts).flat_map(|of| named(&of).collect::<Vec<_>>()).collect();
    assert!(names.len() > 15, "{names:?}");
    let unknown: Vec<_> = names.difference(&known).collect();
    assert!(unknown.is_empty(), "{unknown:?} of {known:?}");
}
