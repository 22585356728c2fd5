//! What one registered key may do to everybody else: nothing. Each case was once possible.

use serde_json::{Value, json};

use crate::ledger::{AUTHORITY, TestLedger, word};

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
