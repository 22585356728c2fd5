//! `schemas/asyncapi.yaml`: valid against AsyncAPI's own JSON Schema, and nothing in it that the code does not have, or the
//! other way round.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use jindo::log::entry::{HEADER_CONTENT_TYPE, HEADER_RECOVERED, HEADER_SIGNATURE};
use jindo::projector::answers::{ENTRY_SUBJECT, PROGRESS_SUBJECT};
use jindo::projector::service::REBUILD_SUBJECT;
use jindo::publish::receipts::RECEIPT_SUBJECT;
use jindo::publish::status::STATUS_SUBJECT;
use jindo::stream::PROGRESS_BUCKET;
use serde_json::Value;

/// Reads the document and holds it against the schema given; prints it as JSON.
const CHECK: &str = "
import json, sys, yaml, jsonschema_rs
document = yaml.safe_load(open(sys.argv[1]))
jsonschema_rs.validator_for(json.load(open(sys.argv[2]))).validate(document)
print(json.dumps(document))
";

fn house() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

fn document() -> Value {
    let schema = house().join(".cache/asyncapi-3.0.0.json");
    assert!(schema.exists(), "AsyncAPI's schema is missing: run `make asyncapi`");
    let out = Command::new("python3")
        .env("PYTHONPATH", house().join(".cache/schemathesis"))
        .args(["-c", CHECK])
        .arg(house().join("schemas/asyncapi.yaml"))
        .arg(schema)
        .output()
        .unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    serde_json::from_slice(&out.stdout).unwrap()
}

fn references(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            found.extend(fields.get("$ref").and_then(Value::as_str).map(str::to_owned));
            fields.values().for_each(|field| references(field, found));
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => {}
    }
}

#[test]
fn every_subject_header_and_message_is_described() {
    let document = document();
    let channels = document["channels"].as_object().unwrap();
    let addresses: BTreeSet<&str> = channels.values().filter_map(|channel| channel["address"].as_str()).collect();
    let bucket = format!("$KV.{PROGRESS_BUCKET}.{{indicator}}");
    let subjects = [STATUS_SUBJECT, RECEIPT_SUBJECT, PROGRESS_SUBJECT, ENTRY_SUBJECT, REBUILD_SUBJECT, &bucket];
    let reports = ["ledger.report.{agency}.{type}", "ledger.govern.{authority}.{type}"];
    assert_eq!(addresses, subjects.into_iter().chain(reports).collect());
    let headers = document["components"]["schemas"]["Headers"]["properties"].as_object().unwrap();
    let headers: BTreeSet<&str> = headers.keys().map(String::as_str).collect();
    assert_eq!(headers, BTreeSet::from([HEADER_CONTENT_TYPE, HEADER_SIGNATURE, HEADER_RECOVERED]));

    let files = std::fs::read_dir(house().join("schemas/events")).unwrap();
    let files: BTreeSet<String> =
        files.map(|file| file.unwrap().file_name().to_str().unwrap().trim_end_matches(".json").to_owned()).collect();
    let kinds = |channel: &str, parameter: &str| -> Vec<String> {
        let kinds = channels[channel]["parameters"][parameter]["enum"].as_array().unwrap();
        kinds.iter().map(|kind| kind.as_str().unwrap().to_owned()).collect()
    };
    let (reported, governed) = (kinds("report", "type"), kinds("govern", "type"));
    assert_eq!(reported.iter().chain(&governed).cloned().collect::<BTreeSet<_>>(), files);
    assert_eq!(reported.len() + governed.len(), files.len(), "each on one subject");
    for (kind, channel) in
        reported.iter().map(|kind| (kind, "report")).chain(governed.iter().map(|kind| (kind, "govern")))
    {
        let name = kind.replace('.', "-");
        let message = &document["components"]["messages"][&name];
        assert_eq!(
            (message["name"].as_str(), channels[channel]["messages"].get(&name).is_some()),
            (Some(kind.as_str()), true)
        );
        assert!(message.to_string().contains(&format!("./events/{kind}.json")), "{kind}");
    }

    let mut found = BTreeSet::new();
    references(&document, &mut found);
    for reference in found {
        let (file, pointer) = reference.split_once('#').unwrap_or((&reference, ""));
        let target = match file {
            "" => document.clone(),
            file => {
                let text =
                    std::fs::read(house().join("schemas").join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
                serde_json::from_slice(&text).unwrap()
            }
        };
        assert!(target.pointer(pointer).is_some(), "{reference} leads nowhere");
    }
}
