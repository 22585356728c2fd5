//! The shipped catalogue and facts against the planner: every row is moved, every public fact counts where it should.

use std::collections::BTreeSet;

use serde_json::Value;

use super::plan;
use crate::catalogue::file;
use crate::catalogue::govern::Act;
use crate::catalogue::registry::Registry;
use crate::event::schema::{Schema, embedded_text};
use crate::event::{Day, Time};

const CATALOGUE: &str = include_str!("../../../deploy/catalogue/motie-2026.toml");
const FACTS: &str = include_str!("../../../deploy/facts/2026.ndjson");

/// The registry after the shipped catalogue was applied.
fn shipped() -> Registry {
    let file = file::parse(CATALOGUE).unwrap();
    let authority = file.agencies.iter().find(|agency| agency.role == "authority").unwrap();
    let created = serde_json::json!({
        "origin": "jindo.test/motie-2026", "log_key": "", "authorities": [authority], "rules": 1
    });
    let mut registry = Registry::default();
    let recorded = Time::parse("2026-02-01T00:00:00Z").unwrap();
    let govern = |registry: &mut Registry, kind: &str, data: &Value| {
        registry.govern(Act { index: 1, recorded, agency: "motie", kind, data }).unwrap();
    };
    govern(&mut registry, "ledger.created.v1", &created);
    for planned in file::difference(&file, &registry, None).unwrap() {
        govern(&mut registry, &planned.kind, &planned.data);
    }
    registry
}

#[test]
fn every_indicator_is_moved_by_an_example_of_its_event() {
    let registry = shipped();
    let mut moved = BTreeSet::new();
    for state in registry.indicators.values() {
        let definition = state.definition();
        for selector in &definition.fold.from {
            for mut data in
                Schema::compile(&selector.event, embedded_text(&selector.event).unwrap()).unwrap().examples()
            {
                for (field, values) in &selector.only {
                    data[field] = values.last().unwrap().as_str().into();
                }
                data.as_object_mut().unwrap().remove("region");
                if definition.id == "growth-engines" {
                    data["region"] = "bloc-honam".into();
                }
                if definition.id == "export-mix" {
                    data["share"] = 1.into();
                }
                if let Some(currency) = definition.unit.as_ref().and_then(|unit| unit.currency.as_ref()) {
                    data["currency"] = currency.as_str().into();
                }
                let day = Day::parse("2026-03-02").unwrap();
                let effects = plan(&registry, "motie", &selector.event, day, &data)
                    .unwrap_or_else(|wrong| panic!("{} {}: {wrong:?} {data}", definition.id, selector.event));
                let mine = effects.iter().find(|effect| effect.indicator == state.number).expect("moves it");
                assert_eq!(
                    mine.paths.iter().any(|path| path.ends_with("/total")),
                    !selector.beside,
                    "{}",
                    definition.id
                );
                moved.insert(definition.row);
            }
        }
    }
    assert_eq!(moved.len(), 34);
}

#[test]
fn every_public_fact_is_valid_and_moves_an_indicator() {
    let registry = shipped();
    let mut keys = BTreeSet::new();
    let mut moved: BTreeSet<String> = BTreeSet::new();
    for line in FACTS.lines() {
        let fact: Value = serde_json::from_str(line).unwrap();
        let (key, kind) = (fact["key"].as_str().unwrap(), fact["type"].as_str().unwrap());
        assert!(keys.insert(key.to_owned()), "{key} stands twice");
        let known = ["key", "type", "time", "subject", "data"];
        assert!(fact.as_object().unwrap().keys().all(|name| known.contains(&name.as_str())), "{key}");
        let data = &fact["data"];
        let faults = registry.schemas[kind].schema.check(data);
        assert!(faults.is_ok(), "{key}: {faults:?}");
        assert_eq!(data["public_source"], true, "{key}");
        assert!(!data["evidence"].as_array().unwrap().is_empty(), "{key}");
        assert!(registry.agencies.contains_key(data["on_behalf_of"].as_str().unwrap()), "{key}");
        let day = Time::parse(fact["time"].as_str().unwrap()).unwrap().day();
        let effects =
            plan(&registry, "public-desk", kind, day, data).unwrap_or_else(|wrong| panic!("{key}: {wrong:?}"));
        moved.extend(effects.iter().flat_map(|effect| effect.paths.clone()));
    }
    for path in [
        "ai-factories-2030/total",
        "alliance-members/total",
        "exports/period/2025",
        "fdi/part/notified-2025-h1",
        "fdi/part/arrived-2025-h1",
        "fdi/part/notified-2025",
        "industrial-ai-bureau/total",
    ] {
        assert!(moved.contains(path), "{path} is not among {moved:?}");
    }
    assert!(!moved.contains("fdi/total"), "published totals of 2025 are not added to the sum of 2026");
    assert!(!moved.contains("ev-chargers/total"), "an announcement installs nothing");
}
