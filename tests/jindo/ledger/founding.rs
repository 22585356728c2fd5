//! The founding of a test ledger: schemas, agencies, regions, and a catalogue with one indicator per fold and feature.

use jindo::event::schema;
use serde_json::{Value, json};

use super::{AGENCIES, AUTHORITY, ORIGIN, REGIONS, Signer, TestLedger, word};

fn text(name: &str) -> Value {
    json!({"ko": name, "en": name})
}

/// `data` of `agency.registered.v1`.
pub fn agency(code: &str, role: &str, key: &str) -> Value {
    let mut agency = json!({"code": code, "name": text(code), "role": role, "keys": [key]});
    if code == "former" {
        agency["valid_to"] = "2025-12-31".into();
    }
    agency
}

/// Creates the ledger and everything a test needs.
pub fn found(ledger: &mut TestLedger) {
    found_with(ledger, |_| true, catalogue(), true);
}

/// Creates the ledger and what reports of chargers need: opened in a fraction of the time, for tests that open it often.
pub fn found_slight(ledger: &mut TestLedger) {
    const KINDS: [&str; 4] =
        ["charger.installed.v1", "agency.registered.v1", "region.registered.v1", "indicator.registered.v1"];
    let chargers = catalogue().into_iter().take(1).collect();
    found_with(ledger, |kind| KINDS.contains(&kind), chargers, false);
}

fn found_with(ledger: &mut TestLedger, wants: impl Fn(&str) -> bool, indicators: Vec<Value>, targets: bool) {
    let key = ledger.signers[AUTHORITY].public();
    let created = json!({"origin": ORIGIN, "log_key": jindo::projector::bootstrap::vkey(ORIGIN, &Signer::named("log").pair()), "authorities": [agency(AUTHORITY, "authority", &key)], "rules": 1});
    let mut messages = Vec::new();
    let mut add = |ledger: &mut TestLedger, kind: &str, all: Vec<Value>| {
        let time = ledger.recorded;
        for part in all.chunks(4) {
            let events: Vec<_> = part.iter().map(|data| ledger.event(AUTHORITY, kind, data.clone(), time)).collect();
            messages.push(ledger.message("govern", &events));
        }
    };
    add(ledger, "ledger.created.v1", vec![created]);
    let schemas = schema::embedded()
        .iter()
        .filter(|(kind, _)| wants(kind))
        .map(|(kind, text)| json!({"type": kind, "schema": text}));
    // Some schemas are long: one a message.
    for data in schemas {
        add(ledger, "schema.registered.v1", vec![data]);
    }
    let agencies = AGENCIES.iter().map(|(code, role)| agency(code, role, &ledger.signers[*code].public())).collect();
    add(ledger, "agency.registered.v1", agencies);
    let regions = REGIONS.iter().map(|code| json!({"code": code, "name": text(code), "level": "province"})).collect();
    add(ledger, "region.registered.v1", regions);
    add(ledger, "indicator.registered.v1", indicators);
    let target = |part: Option<&str>, value: i64| {
        let mut target = json!({"indicator": "chargers", "goal": "reach", "value": value, "due": "2026-12-31"});
        if let Some(part) = part {
            target["part"] = part.into();
        }
        target
    };
    if targets {
        add(ledger, "target.set.v1", vec![target(None, 71_000), target(Some("fast"), 4_450)]);
    }
    let rulings = ledger.commit(&messages, 512).unwrap();
    for (index, ruling) in rulings.iter().enumerate() {
        assert_eq!(word(ruling), "accepted", "entry {index}: {ruling:?}");
    }
}

/// An indicator of the test catalogue.
pub fn indicator(id: &str, row: u16, reporters: &[&str], fold: Value, rest: Value) -> Value {
    let mut indicator = json!({
        "id": id, "row": row, "title": text(id), "area": "trade", "owner": "motie", "reporters": reporters,
        "verifiers": ["ktl", "kiat"], "authority": AUTHORITY, "fold": fold,
        "source": {"fragment": "x", "reference": "x", "reading": text("x"), "confirmed": true},
    });
    for (name, value) in rest.as_object().unwrap() {
        indicator[name] = value.clone();
    }
    indicator
}

fn splits(fields: &[&str]) -> Value {
    let split = |field: &&str| match *field {
        "agency" => json!({"id": "agency", "title": text("agency")}),
        field => json!({"id": field, "field": field, "title": text(field)}),
    };
    fields.iter().map(split).collect()
}

fn stages(ids: &[&str]) -> Value {
    ids.iter().map(|id| json!({"id": id, "title": text(id)})).collect()
}

fn money(code: &str) -> Value {
    json!({"code": code, "currency": code, "label": text(code)})
}

/// `chargers` before (`false`) and after (`true`) a change of its definition.
pub fn chargers(changed: bool) -> Value {
    let (counted, fast, by): (&[&str], &[&str], &[&str]) = if changed {
        (&["fast", "medium", "slow"], &["fast", "medium"], &["region", "agency"])
    } else {
        (&["fast", "slow"], &["fast"], &["region", "class", "agency"])
    };
    indicator(
        "chargers",
        1,
        &["keco", "kiat"],
        json!({"kind": "sum", "from": [
            {"event": "charger.installed.v1", "value": "count", "things": "chargers", "where": {"class": counted}}]}),
        json!({
            "unit": {"code": "charger", "label": text("charger")},
            "splits": splits(by),
            "parts": [{"id": "fast", "title": text("fast"), "where": {"class": fast}}],
        }),
    )
}

/// One indicator per fold and feature.
pub fn catalogue() -> Vec<Value> {
    vec![
        chargers(false),
        // A second indicator on one event type: reports, each one, of two classes.
        indicator(
            "charger-reports",
            2,
            &["keco", "kiat", "kita"],
            json!({"kind": "sum", "from": [{"event": "charger.installed.v1", "where": {"class": ["fast", "medium"]}}]}),
            json!({"splits": splits(&["class"])}),
        ),
        indicator(
            "factories",
            3,
            &["keco", "kiat"],
            json!({"kind": "distinct", "from": [{"event": "factory.deployed.v1", "value": "count", "stage": "stage"}],
                "identity": ["business_number", "site"], "stages": stages(&["selected", "operating"])}),
            json!({
                "splits": splits(&["region", "agency"]),
                "parts": [{"id": "seoul", "title": text("seoul"), "where": {"region": ["11"]}}],
            }),
        ),
        indicator(
            "zones",
            4,
            &["keco", "kiat"],
            json!({"kind": "distinct", "from": [{"event": "zone.designated.v1", "where": {"sector": ["defence"]}}],
                "identity": ["zone"]}),
            json!({"splits": splits(&["region", "agency"])}),
        ),
        indicator(
            "exports",
            5,
            &["kita", "kiat"],
            json!({"kind": "latest", "period": "period", "from": [{"event": "export.reported.v1", "value": "amount",
                "currency": "currency", "where": {"item": ["total"]}}]}),
            json!({"unit": money("USD"), "splits": splits(&["basis", "agency"])}),
        ),
        indicator(
            "capacity",
            6,
            &["keco", "kiat"],
            json!({"kind": "latest", "from": [{"event": "capacity.reported.v1", "value": "count"}]}),
            json!({"splits": splits(&["region"])}),
        ),
        indicator(
            "foundry",
            7,
            &["keco", "kiat"],
            json!({"kind": "stage", "from": [{"event": "foundry.stage-reached.v1", "stage": "stage"}],
                "stages": stages(&["approved", "under-construction", "operating"])}),
            json!({"splits": splits(&["region"])}),
        ),
        indicator(
            "sites",
            8,
            &["keco", "kiat"],
            json!({"kind": "stage", "from": [{"event": "site.stage-reached.v1", "stage": "stage"}],
                "identity": ["site"], "stages": stages(&["designated", "under-construction", "powered"]),
                "counts_from": "under-construction"}),
            json!({"splits": splits(&["region", "agency"])}),
        ),
        indicator(
            "fdi",
            9,
            &["kotra", "kiat"],
            json!({"kind": "sum", "from": [
                {"event": "fdi.notified.v1", "value": "amount", "currency": "currency"},
                {"event": "fdi.arrived.v1", "value": "amount", "currency": "currency", "beside": true}]}),
            json!({
                "unit": money("USD"),
                "splits": splits(&["region", "project"]),
                "parts": [
                    {"id": "greenfield", "title": text("greenfield"), "where": {"kind": ["greenfield"]}},
                    {"id": "arrived", "title": text("arrived"), "where": {"basis": ["arrived"]}},
                ],
            }),
        ),
        indicator(
            "narrative",
            10,
            &["keco", "kiat"],
            json!({"kind": "narrative", "from": [{"event": "narrative.filed.v1"}]}),
            json!({"splits": splits(&["topic"])}),
        ),
    ]
}
