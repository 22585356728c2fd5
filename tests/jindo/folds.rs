//! The folds case by case: what each is for, and the cases that once went wrong.

use jindo::event::Amount;
use jindo::projector::halt::Halt;
use serde_json::{Value, json};

use crate::abuse::raise;
use crate::ledger::{AUTHORITY, TestLedger, noon, word};

const DAY: &str = "2026-05-04";
const LATER: &str = "2026-05-20";

fn value(ledger: &TestLedger, path: &str, day: &str) -> i128 {
    ledger.figures(path, day).tally.value / 1_000_000
}

fn zone(name: &str, region: &str) -> Value {
    json!({"sector": "defence", "zone": name, "region": region})
}

fn export(amount: i64, period: &str) -> Value {
    json!({"period": period, "item": "total", "amount": amount, "currency": "USD", "basis": "customs"})
}

fn stated(ledger: &TestLedger, path: &str, day: &str) -> (Option<Amount>, Option<Amount>) {
    let figures = ledger.figures(path, day);
    (figures.reported.map(|statement| statement.value), figures.verified.map(|statement| statement.value))
}

fn whole(value: i64) -> Option<Amount> {
    Some(Amount::from_int(value))
}

/// A second claim names series that move only once it stands; the commit after it was once refused by the store.
#[test]
fn a_thing_two_agencies_claim_counts_once() {
    let mut ledger = TestLedger::new();
    let first = ledger.accept("keco", "zone.designated.v1", zone("z1", "11"), noon("2026-05-10"));
    let second = ledger.accept("kiat", "zone.designated.v1", zone("z1", "26"), noon(DAY));
    let figures = |ledger: &TestLedger, day| {
        ["total", "region/11", "region/26", "agency/keco", "agency/kiat"]
            .map(|path| value(ledger, &format!("zones/{path}"), day))
    };
    assert_eq!(figures(&ledger, LATER), [1, 1, 0, 1, 1]);
    // It counts from the earliest day anyone claims, for each agency from its own.
    assert_eq!(figures(&ledger, "2026-05-05"), [1, 1, 0, 0, 1]);
    let resolved =
        json!({"indicator": "zones", "agency": "kiat", "stands": second.to_string(), "thing": ["z1"], "reason": "x"});
    ledger.accept(AUTHORITY, "claim.resolved.v1", resolved, noon(DAY));
    assert_eq!(figures(&ledger, LATER), [1, 0, 1, 1, 1]);
    // The claim that stood is corrected to another thing: the other one stands again.
    ledger.correct("kiat", second, zone("z2", "26"), noon(DAY));
    assert_eq!(figures(&ledger, LATER), [2, 1, 1, 1, 1]);
    ledger.retract("keco", first);
    assert_eq!(figures(&ledger, LATER), [1, 0, 1, 0, 1]);
}

/// Things told as a number alone count at the stages they reached, and in the figure from the stage that counts.
#[test]
fn things_counted_without_a_list_stand_at_their_stage() {
    let mut ledger = TestLedger::new();
    let told = |stage: &str, count: i64| json!({"stage": stage, "count": count, "region": "11"});
    ledger.accept("kiat", "factory.deployed.v1", told("selected", 102), noon(DAY));
    let figures = |ledger: &TestLedger| {
        ["total", "part/seoul", "region/11", "agency/kiat", "stage/selected", "stage/operating"]
            .map(|path| value(ledger, &format!("factories/{path}"), LATER))
    };
    assert_eq!(figures(&ledger), [0, 0, 0, 0, 102, 0]);
    ledger.accept("kiat", "factory.deployed.v1", told("operating", 7), noon(DAY));
    assert_eq!(figures(&ledger), [7, 7, 7, 7, 109, 7]);
    assert_eq!(ledger.figures("factories/total", LATER).tally.loose, 7_000_000);
    let listed = json!({"business_number": "1234567890", "site": "a", "stage": "operating", "region": "26"});
    ledger.accept("kiat", "factory.deployed.v1", listed, noon(DAY));
    assert_eq!(figures(&ledger), [8, 7, 7, 8, 110, 8]);
}

/// A mark on a claim shows while the claim stands.
#[test]
fn things_keep_their_marks() {
    let mut ledger = TestLedger::new();
    let marked = |mark: &str| {
        let mut data = zone("z1", "11");
        data[mark] = true.into();
        data
    };
    let first = ledger.accept("keco", "zone.designated.v1", marked("provisional"), noon(DAY));
    ledger.accept("kiat", "zone.designated.v1", marked("approximate"), noon(DAY));
    let marks = |ledger: &TestLedger, path| {
        let tally = ledger.figures(path, LATER).tally;
        (tally.provisional, tally.approximate)
    };
    assert_eq!(marks(&ledger, "zones/total"), (1, 0));
    assert_eq!(marks(&ledger, "zones/agency/kiat"), (0, 1));
    ledger.correct("keco", first, zone("z1", "11"), noon(DAY));
    assert_eq!(marks(&ledger, "zones/total"), (0, 1), "the first claim alive is now the other one");
}

/// A verification is of one version: it lapses on correction, and can be withdrawn.
#[test]
fn verifications_lapse_and_are_withdrawn() {
    let mut ledger = TestLedger::new();
    let data = json!({"region": "11", "class": "fast", "count": 5});
    let verified = |ledger: &TestLedger| ledger.figures("chargers/total", LATER).tally.verified / 1_000_000;
    let id = ledger.accept("keco", "charger.installed.v1", data.clone(), noon(DAY));
    let first = ledger.verify("keco", id);
    let vouches = json!({"agency": "keco", "verifies": id.to_string()});
    let second = ledger.accept("kiat", "report.verified.v1", vouches, noon(DAY));
    ledger.retract("ktl", first);
    assert_eq!(verified(&ledger), 5, "the other one still vouches");
    ledger.retract("kiat", second);
    assert_eq!(verified(&ledger), 0);
    ledger.verify("keco", id);
    assert_eq!(verified(&ledger), 5);
    let id = ledger.correct("keco", id, data, noon(DAY));
    assert_eq!(verified(&ledger), 0);
    ledger.verify("keco", id);
    assert_eq!(verified(&ledger), 5);
}

/// The last stated value by (time, place in the log), of all and of verified ones, whatever happens to the last one.
#[test]
fn the_last_statement_that_stands_wins() {
    let mut ledger = TestLedger::new();
    let kind = "export.reported.v1";
    let old = ledger.accept("kita", kind, export(10, "2026-Q1"), noon(DAY));
    let tie = ledger.accept("kiat", kind, export(20, "2026-Q1"), noon(DAY));
    let new = ledger.accept("kita", kind, export(30, "2026-Q2"), noon("2026-05-06"));
    let total = "exports/total";
    assert_eq!(stated(&ledger, total, LATER), (whole(30), None));
    assert_eq!(stated(&ledger, total, DAY), (whole(20), None), "of one time the later in the log");
    ledger.verify("kita", old);
    ledger.verify("kita", new);
    assert_eq!(stated(&ledger, total, LATER), (whole(30), whole(30)));
    assert_eq!(stated(&ledger, total, DAY), (whole(20), whole(10)));
    // Moved to an earlier day: others win on its old day, and it is unverified.
    let new = ledger.correct("kita", new, export(31, "2026-Q2"), noon("2026-05-02"));
    assert_eq!(stated(&ledger, total, LATER), (whole(20), whole(10)));
    assert_eq!(stated(&ledger, total, "2026-05-03"), (whole(31), None));
    assert_eq!(stated(&ledger, "exports/period/2026-Q2", LATER), (whole(31), None));
    ledger.retract("kiat", tie);
    assert_eq!(stated(&ledger, total, LATER), (whole(10), whole(10)));
    ledger.retract("kita", old);
    assert_eq!(stated(&ledger, total, LATER), (whole(31), None));
    ledger.retract("kita", new);
    assert_eq!(stated(&ledger, total, LATER), (None, None));
    ledger.accept("kita", kind, export(5, "2026-Q1"), noon("2026-05-01"));
    assert_eq!(stated(&ledger, total, LATER), (whole(5), None));
}

/// What stands beside a figure moves its parts alone.
#[test]
fn money_beside_moves_parts_alone() {
    let mut ledger = TestLedger::new();
    let data = |basis: &str| json!({"basis": basis, "amount": 7, "currency": "USD", "region": "11"});
    ledger.accept("kotra", "fdi.notified.v1", data("notified"), noon(DAY));
    ledger.accept("kotra", "fdi.arrived.v1", data("arrived"), noon(DAY));
    let paths = ["total", "region/11", "part/arrived", "part/greenfield"];
    assert_eq!(paths.map(|path| value(&ledger, &format!("fdi/{path}"), LATER)), [7, 7, 7, 0]);
}

/// The limit of split values counts those of one batch together.
#[test]
fn one_batch_cannot_pass_the_limit_of_split_values() {
    let mut ledger = TestLedger::new();
    let event = |ledger: &mut TestLedger, number: usize| {
        let data = json!({"basis": "notified", "amount": 1, "currency": "USD", "project": format!("p{number}")});
        ledger.event("kotra", "fdi.notified.v1", data, noon(DAY))
    };
    let events: Vec<_> = (0..1_001).map(|number| event(&mut ledger, number)).collect();
    for part in events[..900].chunks(225) {
        assert_eq!(word(&ledger.batch(part)), "accepted");
    }
    assert_eq!(word(&ledger.batch(&events[900..])), "split-limit");
    assert_eq!(word(&ledger.batch(&events[900..1_000])), "accepted");
}

/// A slip of the hand that fills the range of a figure can be corrected; what would pass the range is refused.
#[test]
fn an_amount_at_the_limit_can_be_corrected() {
    let mut ledger = TestLedger::new();
    let data = |amount: &str| json!({"basis": "notified", "amount": amount, "currency": "USD"});
    let id = ledger.accept("kotra", "fdi.notified.v1", data("1000000000000000000"), noon(DAY));
    raise(&mut ledger, "fdi/total", "999999999999999999999999");
    let (_, ruling) = ledger.report("kotra", "fdi.notified.v1", data("100"), noon(DAY));
    assert_eq!(word(&ruling), "overflow");
    ledger.correct("kotra", id, data("100"), noon(DAY));
    assert_eq!(value(&ledger, "fdi/total", LATER), 999_999_000_000_000_000_000_099);
    let events: Vec<_> =
        (0..2).map(|_| ledger.event("kotra", "fdi.notified.v1", data("999999999999999000"), noon(DAY))).collect();
    assert_eq!(word(&ledger.batch(&events)), "overflow", "each would fit, both do not");
    assert_eq!(word(&ledger.batch(&events[..1])), "accepted");
}

/// The entry that adopts rules this binary does not know is recorded and served; nothing after it is taken, today and after
/// every restart.
#[test]
fn nothing_follows_rules_that_are_unknown() {
    let mut ledger = TestLedger::new();
    let ruling = ledger.govern("rules.adopted.v1", json!({"rules": 2, "reason": "x"}));
    assert_eq!(word(&ruling), "accepted");
    let (size, digest) = (ledger.core().size(), ledger.core().digest());
    for _ in 0..3 {
        let event = ledger.event("keco", "zone.designated.v1", zone("z1", "11"), noon(DAY));
        let message = ledger.message("report", &[event]);
        let halt = ledger.commit(&[message], 1).unwrap_err();
        assert!(matches!(halt, Halt::RulesUnknown { rules: 2, .. }), "{halt}");
        ledger.reopen();
        assert_eq!((ledger.core().size(), ledger.core().digest()), (size, digest));
    }
}

/// A region that takes over others twice stands for all of them.
#[test]
fn a_region_may_grow_twice() {
    let mut ledger = TestLedger::new();
    for (region, day) in [("46", "2026-05-01"), ("48", "2026-06-01")] {
        let successor =
            json!({"code": "south", "name": {"ko": "x", "en": "x"}, "level": "province", "valid_from": "2026-05-01"});
        let data = json!({"regions": [region], "successor": successor, "effective": day, "reason": "x"});
        assert_eq!(word(&ledger.govern("region.succeeded.v1", data)), "accepted");
    }
    let registry = ledger.core().registry();
    let before: Vec<_> = registry.regions["south"].predecessors.iter().map(|(code, _)| code.as_str()).collect();
    assert_eq!(before, ["46", "48"]);
}
