//! The view of EV chargers: a target revised in public, an owner that moved, parts, regions, a desk that reports.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::*;
use crate::catalogue::govern::Act;
use crate::fold::rows::Tally;

#[derive(Default)]
struct Fake {
    figures: BTreeMap<String, Figures>,
    last: Option<Last>,
}

impl FigureSource for Fake {
    fn figures(&self, path: &str) -> Result<Figures, Doubt> {
        Ok(self.figures.get(path).copied().unwrap_or_default())
    }

    fn paths(&self, prefix: &str) -> Vec<String> {
        self.figures.keys().filter(|path| path.starts_with(prefix)).cloned().collect()
    }

    fn last(&self, _path: &str) -> Option<Last> {
        self.last
    }
}

fn name(ko: &str, en: &str) -> Value {
    json!({"ko": ko, "en": en})
}

fn agency(code: &str, role: &str) -> Value {
    json!({"code": code, "name": name(&format!("기관 {code}"), &format!("Agency {code}")), "role": role, "keys": []})
}

/// A ledger with the given indicator and what follows it, entry by entry.
fn registry(indicator: Value, more: Vec<(&str, Value)>) -> Registry {
    let mut registry = Registry::default();
    let created = json!({
        "origin": "test.example/1", "log_key": "", "authorities": [agency("motie", "authority")], "rules": 1, "simulated": false,
    });
    let mut acts = vec![("ledger.created.v1", created)];
    acts.extend(["mcee", "keco"].map(|code| ("agency.registered.v1", agency(code, "agency"))));
    acts.push(("agency.registered.v1", agency("public-desk", "desk")));
    acts.push(("agency.registered.v1", agency("player", "simulated")));
    acts.push(("region.registered.v1", json!({"code": "11", "name": name("서울", "Seoul"), "level": "province"})));
    for selector in indicator["fold"]["from"].as_array().unwrap() {
        let kind = selector["event"].as_str().unwrap();
        let schema = crate::event::schema::embedded_text(kind).unwrap();
        acts.push(("schema.registered.v1", json!({"type": kind, "schema": schema})));
    }
    acts.push(("indicator.registered.v1", indicator));
    acts.extend(more);
    for (index, (kind, data)) in (0..).zip(acts) {
        let recorded = Time::from_ns(1_770_000_000_000_000_000);
        let act = Act { index, recorded, agency: "motie", kind, data: &data };
        registry.govern(act).unwrap_or_else(|error| panic!("{kind}: {error}"));
    }
    registry
}

fn chargers() -> Value {
    json!({
        "id": "ev-chargers", "row": 14, "title": name("전기차 충전기 보급", "EV chargers"), "area": "cars", "owner": "motie",
        "reporters": ["mcee", "keco", "public-desk"], "verifiers": [], "authority": "motie",
        "unit": {"code": "charger", "label": name("기", "chargers")},
        "fold": {"kind": "sum", "from": [{"event": "charger.installed.v1", "value": "count"}]},
        "splits": [{"id": "region", "field": "region", "title": name("지역", "Region")}],
        "parts": [{"id": "fast", "title": name("급속", "Fast"), "where": {"class": ["fast"]}}],
        "baseline": {"value": 0, "date": "2025-12-31"}, "start": "2026-01-01",
        "source": {"fragment": "7만1000기", "reference": "Electimes 363070", "reading": name("읽기", "reading"), "confirmed": true},
    })
}

fn target(value: i64) -> Value {
    json!({"indicator": "ev-chargers", "goal": "reach", "value": value, "due": "2026-12-31", "confirmed": true})
}

fn moved() -> Vec<(&'static str, Value)> {
    let revised = json!({
        "old": target(71_000), "new": target(71_450), "reason": "기후에너지환경부 발표", "authority": "mcee", "announced": "2026-01-22",
    });
    let transferred = json!({
        "indicator": "ev-chargers", "from": "motie", "to": "mcee", "effective": "2026-01-22", "reason": "정부조직 개편",
    });
    vec![("target.set.v1", target(71_000)), ("target.revised.v1", revised), ("owner.transferred.v1", transferred)]
}

fn tally(value: i64, day: &str) -> Figures {
    let tally = Tally { value: Amount::from_int(value).millionths(), count: 1, ..Tally::default() };
    Figures { tally, day_last: Day::parse(day).ok(), ..Figures::default() }
}

fn moment(day: &str) -> Moment {
    Moment {
        as_of: Day::parse(day).unwrap(),
        size: 20,
        proven_size: 20,
        known_at: Some(Time::from_ns(1_770_000_000_000_000_000)),
    }
}

fn view(registry: &Registry, source: &Fake, day: &str) -> IndicatorView {
    let id = registry.indicator_ids[0].clone();
    indicator(registry, &registry.indicators[&id], source, &[], moment(day)).unwrap()
}

#[test]
fn chargers_show_how_the_promise_moved() {
    let registry = registry(chargers(), moved());
    let mut source = Fake::default();
    source.figures.insert("ev-chargers/total".into(), tally(30_000, "2026-06-20"));
    source.figures.insert("ev-chargers/part/fast".into(), tally(2_000, "2026-06-20"));
    source.figures.insert("ev-chargers/region/11".into(), tally(30_000, "2026-06-20"));
    source.last = Some(Last { index: 19, recorded: None, agency: 3 });
    let view = view(&registry, &source, "2026-07-01");
    let json = serde_json::to_value(&view).unwrap();
    for (pointer, expected) in [
        ("/targets/0/current/value", json!(71_450)),
        ("/targets/0/original/value", json!(71_000)),
        ("/targets/0/current/text/ko", json!("7만 1,450기")),
        ("/targets/0/revisions/0/reason", json!("기후에너지환경부 발표")),
        ("/targets/0/revisions/0/authority/code", json!("mcee")),
        ("/targets/0/revisions/0/announced", json!("2026-01-22")),
        ("/targets/0/revisions/0/text/en", json!("71,000 → 71,450")),
        ("/owner/code", json!("mcee")),
        ("/owners/0/agency/code", json!("motie")),
        ("/owners/1/from", json!("2026-01-22")),
        ("/owners/1/reason", json!("정부조직 개편")),
        ("/figure/value", json!(30_000)),
        ("/figure/text/ko", json!("3만 기")),
        ("/parts/0/figure/value", json!(2_000)),
        ("/parts/0/status", Value::Null),
        ("/splits/0/values/0/label/ko", json!("서울")),
        ("/status/code", json!("at_risk")),
        ("/status/code_original", json!("at_risk")),
        ("/public_source", json!(true)),
        ("/simulated", json!(false)),
        ("/last_report/day", json!("2026-06-20")),
        ("/as_of", json!("2026-07-01")),
        ("/size", json!(20)),
    ] {
        assert_eq!(json.pointer(pointer), Some(&expected), "{pointer}");
    }
    // Two lines to the same day: the revised target asks for more, so the ratio against it is smaller.
    assert!(view.status.ratio < view.status.ratio_original, "{:?}", view.status);
    let back: IndicatorView = serde_json::from_value(json).unwrap();
    assert_eq!(back, view, "the CLI reads back what HTTP writes");
}

#[test]
fn before_the_transfer_the_first_owner_answers() {
    let registry = registry(chargers(), moved());
    assert_eq!(view(&registry, &Fake::default(), "2026-01-21").owner.code, "motie");
    assert_eq!(view(&registry, &Fake::default(), "2026-01-22").owner.code, "mcee");
}

#[test]
fn silence_is_not_zero() {
    let view = view(&registry(chargers(), moved()), &Fake::default(), "2026-07-01");
    assert_eq!((view.figure.value, view.status.code.as_str()), (None, "no_report"));
    assert_eq!(view.last_report, None);
    let json = serde_json::to_value(&view).unwrap();
    assert_eq!(json.pointer("/figure/value"), Some(&Value::Null));
}

/// Found by a newcomer: what was recorded by then but happened later stood as a last report without a day.
#[test]
fn a_report_of_a_later_day_is_no_last_report() {
    let last = Last { index: 19, recorded: None, agency: 4 };
    let source = Fake { last: Some(last), ..Fake::default() };
    assert_eq!(view(&registry(chargers(), moved()), &source, "2026-07-01").last_report, None);
}

#[test]
fn who_plays_is_said_on_every_figure() {
    let registry = registry(chargers(), moved());
    let mut source = Fake::default();
    source.figures.insert("ev-chargers/total".into(), tally(5, "2026-06-20"));
    source.last = Some(Last { index: 19, recorded: None, agency: 4 });
    assert!(view(&registry, &source, "2026-07-01").simulated);
    source.last = None;
    assert!(!view(&registry, &source, "2026-07-01").simulated);
    // A later real report does not make the played ones real.
    source.figures.insert("ev-chargers/agency/player".into(), tally(5, "2026-06-20"));
    assert!(view(&registry, &source, "2026-07-01").simulated);
}

#[test]
fn a_period_is_held_against_its_own_target() {
    let mut exports = chargers();
    exports["fold"] =
        json!({"kind": "latest", "from": [{"event": "export.reported.v1", "value": "amount"}], "period": "period"});
    exports["unit"] = json!({"code": "USD", "currency": "USD", "label": name("달러", "US dollars")});
    let goal = |period: &str| {
        let due = format!("{period}-12-31");
        let data = json!({"indicator": "ev-chargers", "period": period, "goal": "at-least", "value": 700_000_000_000_i64, "due": due});
        ("target.set.v1", data)
    };
    let registry = registry(exports, vec![goal("2025"), goal("2026")]);
    let stated = Statement {
        time: Time::parse("2025-12-29T04:03:00Z").unwrap(),
        ordinal: 7,
        value: Amount::from_int(700_000_000_000),
        verified: false,
        disputed: false,
        provisional: true,
        approximate: false,
    };
    let figures = Figures { reported: Some(stated), day_last: Some(stated.time.day()), ..Figures::default() };
    let mut source = Fake::default();
    source.figures.insert("ev-chargers/total".into(), figures);
    source.figures.insert("ev-chargers/period/2025".into(), figures);
    let view = view(&registry, &source, "2026-02-01");
    assert_eq!((view.figure.provisional, view.figure_period.as_deref()), (1, Some("2025")));
    assert_eq!(view.figure.text.ko, "7,000억 달러");
    assert_eq!(view.periods[0].status.as_ref().map(|status| status.code.as_str()), Some("met"));
    // The promise of 2026 is not kept by the figure of 2025.
    assert_eq!(view.target().and_then(|target| target.period.as_deref()), Some("2026"));
    assert_ne!(view.status.code, "met");
}

#[test]
fn stages_are_said_by_name() {
    let mut foundry = chargers();
    foundry["fold"] = json!({
        "kind": "stage", "from": [{"event": "foundry.stage-reached.v1", "stage": "stage"}],
        "stages": [{"id": "planned", "title": name("계획", "planned")}, {"id": "operating", "title": name("가동", "operating")}],
    });
    foundry["unit"] = Value::Null;
    foundry["missing"] = json!([{"what": "date", "note": name("기한 없음", "no date")}]);
    let registry = registry(foundry, Vec::new());
    let mut source = Fake::default();
    source.figures.insert("ev-chargers/stage/planned".into(), tally(1, "2026-02-01"));
    let view = view(&registry, &source, "2026-03-01");
    assert_eq!((view.figure.text.ko.as_str(), view.figure.value), ("계획", Some(Amount::ZERO)));
    assert_eq!(view.status.code, "unmeasurable");
}

#[test]
fn narratives_are_counted_without_a_number() {
    let mut narrative = chargers();
    narrative["fold"] = json!({"kind": "narrative", "from": [{"event": "narrative.filed.v1"}]});
    let registry = registry(narrative, Vec::new());
    let mut source = Fake::default();
    source.figures.insert("ev-chargers/total".into(), tally(0, "2026-02-01"));
    let view = view(&registry, &source, "2026-03-01");
    assert_eq!((view.figure.value, view.figure.text.en.as_str()), (None, "1 reports"));
}
