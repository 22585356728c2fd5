//! What one registered key may do to everybody else: nothing. Each case was once possible.

use std::sync::Arc;

use jindo::event::{Amount, Day};
use jindo::fold::rows::{Changes, Move, Rows as _, Step, Tally};
use jindo::projector::Shared;
use jindo::serve::Source as _;
use jindo::serve::live::Live;
use jindo::store::Store;
use serde_json::{Value, json};

use crate::ledger::founding::indicator;
use crate::ledger::{AUTHORITY, TestLedger, corrected, noon, word};

const DAY: &str = "2026-05-04";
const LATER: &str = "2026-05-20";

fn charger() -> Value {
    json!({"region": "11", "class": "fast", "count": 3})
}

fn fdi(amount: &str) -> Value {
    json!({"basis": "notified", "amount": amount, "currency": "USD"})
}

fn shared(ledger: &TestLedger) -> Shared {
    Shared::new(ledger.core().reader(), ledger.core().log(), ledger.core().registry())
}

/// Raises a figure as a million reports would, in the store alone.
pub fn raise(ledger: &mut TestLedger, path: &str, to: &str) {
    ledger.close();
    let mut store = Store::open(&ledger.store_folder()).unwrap();
    let (number, mut series) = store.reader().series(path).unwrap().unwrap();
    let rise = Amount::parse(to).unwrap().millionths() - series.tally.value;
    series.tally.value += rise;
    series.moves += 1;
    let position = store.position().clone();
    let step = Step::Add(Tally { value: rise, ..Tally::default() });
    let moved = Move { index: position.size - 1, day: Day::parse(DAY).unwrap(), step };
    let mut changes = Changes { position, moves: vec![(number, moved)], ..Changes::default() };
    changes.series.insert(number, series);
    store.commit(&changes).unwrap();
    store.close().unwrap();
    ledger.open();
}

/// A record is corrected so often and no more, and who asks for it is answered with the oldest and the newest versions.
#[test]
fn corrections_of_one_record_are_bounded() {
    let mut ledger = TestLedger::new();
    let first = ledger.accept("keco", "charger.installed.v1", charger(), noon(DAY));
    let mut newest = first;
    let chain: Vec<_> = (0..1_000)
        .map(|_| {
            let time = ledger.recorded;
            let data = corrected(newest, &charger(), noon(DAY));
            let event = ledger.event("keco", "report.corrected.v1", data, time);
            newest = event.id;
            ledger.message("report", &[event])
        })
        .collect();
    let rulings = ledger.commit(&chain, 500).unwrap();
    assert!(rulings[..999].iter().all(|ruling| word(ruling) == "accepted"));
    assert_eq!(word(&rulings[999]), "version-limit");
    let view = Live::new(shared(&ledger), false).records(first, None).unwrap();
    let view = serde_json::to_value(view).unwrap();
    let record = &view["records"][0];
    let versions = record["versions"].as_array().unwrap();
    assert_eq!((record["versions_total"].as_u64(), versions.len()), (Some(1_000), 100));
    assert_eq!(versions[0]["id"], first.to_string());
    assert_eq!((&versions[0]["stands"], &versions[99]["stands"]), (&json!(false), &json!(true)));
    // It can still be ended, and told anew.
    let last = serde_json::from_value(versions[99]["id"].clone()).unwrap();
    ledger.retract("keco", last);
    ledger.accept("keco", "charger.installed.v1", charger(), noon(DAY));
}

/// An agency contests a version once, and vouches for it once, until it withdraws that.
#[test]
fn one_dispute_and_one_verification_stand_per_agency() {
    let mut ledger = TestLedger::new();
    let id = ledger.accept("keco", "charger.installed.v1", charger(), noon(DAY));
    let cases = [("kita", "report.disputed.v1", "disputes"), ("ktl", "report.verified.v1", "verifies")];
    for (agency, kind, says) in cases {
        let mut data = json!({"agency": "keco"});
        data[says] = id.to_string().into();
        if agency == "kita" {
            data["reason"] = "x".into();
        }
        let twice: Vec<_> = (0..2).map(|_| ledger.event(agency, kind, data.clone(), noon(DAY))).collect();
        assert_eq!(word(&ledger.batch(&twice)), "already-stated", "{kind} twice in one report");
        let said = ledger.accept(agency, kind, data.clone(), noon(DAY));
        assert_eq!(word(&ledger.report(agency, kind, data.clone(), noon(DAY)).1), "already-stated", "{kind}");
        ledger.retract(agency, said);
        ledger.accept(agency, kind, data.clone(), noon(DAY));
        assert_eq!(word(&ledger.report(agency, kind, data.clone(), noon(DAY)).1), "already-stated", "{kind}");
        // Others are not kept from it.
        ledger.accept("kiat", kind, data, noon(DAY));
    }
    let view = Live::new(shared(&ledger), false).records(id, None).unwrap();
    let version = &view.records[0].versions[0];
    assert_eq!((version.disputed_by.len(), version.verified_by.len()), (2, 2));
    assert_eq!(ledger.figures("chargers/total", LATER).tally.disputed, 1);
}

/// One report moves a figure by so much, so that no reporter can fill it for the others.
#[test]
fn no_single_report_fills_a_figure() {
    let mut ledger = TestLedger::new();
    let mut say = |amount: &str| word(&ledger.report("kotra", "fdi.notified.v1", fdi(amount), noon(DAY)).1);
    assert_eq!(say("999999999999999999997998"), "data-invalid");
    assert_eq!(say("1000000000000000000.000001"), "data-invalid");
    assert_eq!(say("1000000000000000000"), "accepted");
    let value = json!({"period": "2026-Q1", "item": "total", "amount": "1000000000000000001", "currency": "USD", "basis": "customs"});
    assert_eq!(word(&ledger.report("kita", "export.reported.v1", value, noon(DAY)).1), "data-invalid");
    ledger.accept("kiat", "fdi.notified.v1", fdi("1"), noon(DAY));
}

/// Every figure that can be reached is an amount that can be read.
#[test]
fn a_figure_stays_below_what_can_be_read() {
    let mut ledger = TestLedger::new();
    ledger.accept("kotra", "fdi.notified.v1", fdi("1"), noon(DAY));
    raise(&mut ledger, "fdi/total", "999999999999999999999990");
    assert_eq!(word(&ledger.report("kiat", "fdi.notified.v1", fdi("10"), noon(DAY)).1), "overflow");
    ledger.accept("kiat", "fdi.notified.v1", fdi("9.999999"), noon(DAY));
    let view = Live::new(shared(&ledger), false).indicators(Default::default()).unwrap();
    let text = serde_json::to_string(&view).unwrap();
    assert!(text.contains("999999999999999999999999.999999"), "{text}");
    let read: jindo::store::progress::view::IndicatorsView = serde_json::from_str(&text).unwrap();
    assert_eq!(read.indicators.len(), view.indicators.len());
}

/// An authority stays one, and stays valid, whatever is said of it later.
#[test]
fn an_authority_cannot_end_itself() {
    let mut ledger = TestLedger::new();
    let mut say = |more: Value| {
        let mut data = json!({"code": AUTHORITY, "name": {"ko": "x", "en": "x"}, "role": "authority"});
        data.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        word(&ledger.govern("agency.registered.v1", data))
    };
    assert_eq!(say(json!({"role": "agency"})), "governance-invalid");
    assert_eq!(say(json!({"role": "desk"})), "governance-invalid");
    assert_eq!(say(json!({"valid_to": "2025"})), "governance-invalid");
    assert_eq!(say(json!({"valid_from": "2030"})), "governance-invalid");
    assert_eq!(say(json!({"name": {"ko": "y", "en": "y"}})), "accepted");
    let registry = ledger.core().registry();
    assert!(registry.is_authority(AUTHORITY));
    assert_eq!(registry.agencies[AUTHORITY].info.name.en, "y");
}

/// Rules are adopted one after the other: a slip of the hand cannot name one that will never be.
#[test]
fn rules_are_adopted_in_order() {
    let mut ledger = TestLedger::new();
    for rules in [60_000, 3, 1] {
        let ruling = ledger.govern("rules.adopted.v1", json!({"rules": rules, "reason": "x"}));
        assert_eq!(word(&ruling), "governance-invalid", "{rules}");
    }
    assert_eq!(word(&ledger.govern("rules.adopted.v1", json!({"rules": 2, "reason": "x"}))), "accepted");
}

/// Registries of the past share what was compiled, and one that is asked for stays while others come and go.
#[test]
fn registries_of_the_past_are_cheap_and_kept() {
    let mut ledger = TestLedger::new();
    let row = indicator(
        "later",
        77,
        &["keco"],
        json!({"kind": "narrative", "from": [{"event": "narrative.filed.v1"}]}),
        json!({}),
    );
    assert_eq!(word(&ledger.govern("indicator.registered.v1", row)), "accepted");
    let (shared, size) = (shared(&ledger), ledger.core().size());
    let (now, past) = (shared.registry(), shared.registry_at(size - 1).unwrap());
    assert_eq!((now.indicators.contains_key("later"), past.indicators.contains_key("later")), (true, false));
    for (kind, known) in &now.schemas {
        assert!(Arc::ptr_eq(&known.schema, &past.schemas[kind].schema), "{kind} was compiled anew");
    }
    for before in 2..22 {
        shared.registry_at(size - before).unwrap();
        assert!(Arc::ptr_eq(&past, &shared.registry_at(size - 1).unwrap()), "folded anew after {before}");
    }
}
