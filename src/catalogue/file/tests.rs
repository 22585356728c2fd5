//! The catalogue of the work plan reads, applies and moves; every kind of mistake is told where it stands.

use serde_json::Value;

use super::*;
use crate::catalogue::indicator::FoldKind;
use crate::catalogue::registry::{Registry, TargetKey};
use crate::event::Time;
use crate::event::schema::{Schema, embedded_text};

const CATALOGUE: &str = include_str!("../../../deploy/catalogue/motie-2026.toml");

fn shipped() -> CatalogueFile {
    parse(CATALOGUE).unwrap_or_else(|mistakes| panic!("{}", told(&mistakes)))
}

fn told(mistakes: &[Mistake]) -> String {
    mistakes.iter().map(|mistake| format!("{mistake}\n")).collect()
}

/// A registry in which the authority of the file governs.
fn created(file: &CatalogueFile) -> Registry {
    let authority = file.agencies.iter().find(|agency| agency.role == "authority").unwrap();
    let data = serde_json::json!({
        "origin": "jindo.test/motie-2026", "log_key": "", "authorities": [authority], "rules": 1
    });
    let mut registry = Registry::default();
    govern(&mut registry, "ledger.created.v1", &data);
    registry
}

fn govern(registry: &mut Registry, kind: &str, data: &Value) {
    let schema = Schema::compile(kind, embedded_text(kind).unwrap()).unwrap();
    schema.check(data).unwrap_or_else(|faults| panic!("{kind}: {faults:?} in {data}"));
    let recorded = Time::parse("2026-02-01T00:00:00Z").unwrap();
    let act = crate::catalogue::govern::Act { index: 1, recorded, agency: "motie", kind, data };
    registry.govern(act).unwrap_or_else(|error| panic!("{kind}: {error} in {data}"));
}

fn applied(file: &CatalogueFile) -> Registry {
    let mut registry = created(file);
    for planned in difference(file, &registry, None).unwrap() {
        govern(&mut registry, &planned.kind, &planned.data);
    }
    registry
}

#[test]
fn the_work_plan_has_34_rows_and_says_what_is_missing() {
    let file = shipped();
    let rows: Vec<u16> = file.indicators.iter().map(|one| one.indicator.row).collect();
    assert_eq!(rows, (1..=34).collect::<Vec<u16>>());
    let provinces = file.regions.iter().filter(|region| region.level == "province");
    let blocs = file.regions.iter().filter(|region| region.level == "bloc").count();
    let codes: Vec<&str> = provinces.map(|region| region.code.as_str()).collect();
    let iso = "11 26 27 28 29 30 31 41 42 43 44 45 46 47 48 49 50";
    assert_eq!((codes.join(" ").as_str(), blocs), (iso, 8));
    let full_date = |one: &&Commitment| {
        let whole = one.targets.iter().map(|line| &line.first).find(|target| target.part.is_none());
        whole.is_some_and(|target| target.due.is_some_and(|due| due.precision() == crate::event::Precision::Day))
    };
    assert_eq!(file.indicators.iter().filter(full_date).count(), 6, "six rows carry a full date");
    let unmeasurable: Vec<u16> =
        file.indicators.iter().filter(|one| !one.indicator.missing.is_empty()).map(|one| one.indicator.row).collect();
    assert_eq!(unmeasurable, [1, 2, 3, 4, 7, 8, 9, 10, 11, 17, 19, 21, 24, 25, 26, 27, 28, 29, 30, 31]);
    for one in &file.indicators {
        assert!(one.indicator.reporters.iter().any(|code| code == "motie"), "{}", one.indicator.id);
    }
}

#[test]
fn it_applies_once_and_a_second_time_nothing_is_left() {
    let file = shipped();
    let registry = applied(&file);
    assert_eq!(registry.indicators.len(), 34);
    assert_eq!(difference(&file, &registry, None).unwrap(), []);

    let chargers = &registry.indicators["ev-chargers"];
    let history = &chargers.targets[&TargetKey { part: None, period: None }];
    let values: Vec<String> = history.iter().map(|state| state.target.value.unwrap().to_string()).collect();
    assert_eq!(values, ["71000", "71450"]);
    assert!(history[1].reason.as_ref().unwrap().contains("7만 1,450기"));
    assert_eq!((chargers.owners[0].from.as_str(), chargers.owners[0].owner.as_str()), ("motie", "mcee"));

    let engine = &registry.indicators["aero-engine"];
    let target = &engine.targets[&TargetKey { part: None, period: None }][0].target;
    assert_eq!(target.due_as_printed.as_deref(), Some("20934"));
    assert_eq!(target.due.unwrap().to_string(), "2034");
    assert!(target.approximate && !target.confirmed && !engine.interpretations[0].confirmed);
    assert_eq!(registry.regions["29"].info.successor.as_deref(), Some("jeonnam-gwangju"));
}

/// A small catalogue without a mistake; the cases below replace one line each.
const SMALL: &str = r#"[[agency]]
code = "motie"
name = { ko = "산업통상부", en = "Ministry" }
role = "authority"
[[agency]]
code = "keco"
name = { ko = "환경공단", en = "Environment Corporation" }
role = "agency"
[[region]]
code = "29"
name = { ko = "광주", en = "Gwangju" }
level = "province"
[[region_succession]]
regions = ["29"]
effective = "2026-07-01"
reason = "법"
successor = { code = "x1", name = { ko = "통합시", en = "Merged" }, level = "province", valid_from = "2026-07-01" }
[[indicator]]
id = "chargers"
row = 1
title = { ko = "충전기", en = "Chargers" }
area = "cars"
owner = "motie"
reporters = ["keco"]
authority = "motie"
unit = { code = "charger", label = { ko = "기", en = "chargers" } }
splits = [{ id = "class", field = "class", title = { ko = "구분", en = "Class" } }]
parts = [{ id = "fast", title = { ko = "급속", en = "Fast" }, where = { class = ["fast"] } }]
baseline = { value = 0, date = "2025-12-31" }
path = [{ date = "2026-06-30", value = 100 }, { date = "2026-09-30", value = 200 }]
source = { fragment = "7만", reference = "plan", reading = { ko = "읽기", en = "reading" }, confirmed = false }
[indicator.fold]
kind = "sum"
from = [{ event = "charger.installed.v1", value = "count", things = "chargers" }]
from_date = "2026-01-01"
[[indicator.target]]
goal = "reach"
value = 71_000
due = "2026-12-31"
"#;

/// Text to replace, by what, where the mistake stands, what is said and what to do.
type Case = (&'static str, &'static str, (usize, usize), &'static str, &'static str);

#[test]
fn every_kind_of_mistake_is_told_where_it_stands() {
    parse(SMALL).unwrap_or_else(|mistakes| panic!("{}", told(&mistakes)));
    let cases: &[Case] = &[
        ("role = \"agency\"", "rolle = \"agency\"", (8, 1), "unknown key 'rolle'", "did you mean 'role'?"),
        ("role = \"agency\"", "rolle = \"agency\"", (5, 1), "lacks the field \"role\"", "add it"),
        ("role = \"agency\"", "role = \"boss\"", (8, 1), "must be one of", "schemas/catalogue.json"),
        ("owner = \"motie\"", "owner = \"moti\"", (23, 1), "unknown agency 'moti'", "did you mean 'motie'?"),
        ("reporters = [\"keco\"]", "reporters = [\"keco\", \"zzz\"]", (24, 22), "unknown agency 'zzz'", "[[agency]]"),
        ("authority = \"motie\"", "authority = \"keco\"", (25, 1), "'keco' does not govern", "role is \"authority\""),
        ("code = \"keco\"", "code = \"motie\"", (6, 1), "agency 'motie' stands twice", "remove one"),
        ("code = \"keco\"", "code = \"log-2\"", (6, 1), "'log-2' cannot be an agency's code", "another code"),
        (
            "charger.installed.v1",
            "charger.instaled.v1",
            (34, 11),
            "unknown event type",
            "did you mean 'charger.installed.v1'?",
        ),
        ("event = \"charger.installed.v1\"", "event = \"report.verified.v1\"", (34, 11), "unknown event type", ""),
        (
            "value = \"count\"",
            "value = \"cuont\"",
            (34, 43),
            "charger.installed.v1 has no field 'cuont'",
            "did you mean 'count'?",
        ),
        ("value = \"count\"", "value = \"class\"", (34, 43), "cannot be the value", "one of a few texts"),
        ("things = \"chargers\"", "things = \"region\"", (34, 60), "cannot be the things", "it holds text"),
        ("field = \"class\", ", "", (27, 11), "split 'class' without field", "add field = \"class\""),
        ("field = \"class\", ", "field = \"klass\", ", (27, 27), "has no field 'klass'", "did you mean 'class'?"),
        (
            "class = [\"fast\"]",
            "class = [\"rapid\"]",
            (28, 80),
            "field 'class' never is 'rapid'",
            "it may be fast, medium, slow",
        ),
        ("date = \"2025-12-31\"", "date = \"2025-02-30\"", (29, 25), "is no date", "name a day that exists"),
        ("due = \"2026-12-31\"", "due = \"next year\"", (39, 1), "must match the pattern", "write 2026-12-31"),
        (
            "due = \"2026-12-31\"",
            "due = \"2026-12-31\"\npart = \"quick\"",
            (40, 1),
            "unknown part 'quick'",
            "add it to parts",
        ),
        ("due = \"2026-12-31\"", "", (18, 1), "no date, and missing does not say so", "what = \"date\""),
        ("due = \"2026-12-31\"", "due = \"2026\"\nperiod = \"2026\"", (40, 1), "the fold knows no periods", "period ="),
        ("value = 71_000", "value = 1e3", (38, 1), "plain digits", "without exponent"),
        ("value = 71_000", "value = 1000000000000000000000000", (38, 1), "must be at most", ""),
        ("value = 71_000", "value = nan", (38, 9), "'nan' is no exact number", "71_450"),
        ("unit = {", "#unit = {", (18, 1), "no unit, and missing does not say so", "what = \"unit\""),
        (
            "row = 1",
            "row = 1\nmissing = [{ what = \"date\", note = { ko = \"없음\", en = \"none\" } }]",
            (21, 12),
            "missing names the date",
            "remove one",
        ),
        ("kind = \"sum\"", "kind = \"distinct\"", (32, 12), "a distinct fold without identity", "identity"),
        ("kind = \"sum\"", "kind = \"stage\"", (32, 12), "a stage fold without stages", "stages"),
        ("kind = \"sum\"", "kind = \"sum\"\nperiod = \"class\"", (34, 1), "is no period", "holds a date"),
        (
            "kind = \"sum\"",
            "kind = \"sum\"\ncounts_from = \"x\"",
            (34, 1),
            "unknown stage 'x'",
            "name one of the stages",
        ),
        (
            "from_date = \"2026-01-01\"",
            "from_date = \"2026-01-01\"\nto_date = \"2025-01-01\"",
            (36, 1),
            "to_date lies before from_date",
            "correct",
        ),
        ("date = \"2026-09-30\"", "date = \"2026-01-30\"", (30, 47), "lies before the point above", "in order"),
        (
            "code = \"charger\",",
            "code = \"KRW\", currency = \"USD\",",
            (26, 10),
            "a unit of money is its currency",
            "code = \"USD\"",
        ),
        (
            "code = \"charger\",",
            "code = \"USD\", currency = \"USD\",",
            (34, 9),
            "money without a currency field",
            "currency = \"currency\"",
        ),
        ("regions = [\"29\"]", "regions = [\"46\"]", (14, 12), "unknown region '46'", "add it as [[region]]"),
        ("code = \"x1\"", "code = \"29\"", (17, 1), "the successor '29' is already a region", "leave it out"),
        ("row = 1", "row = 1 1", (20, 7), "no valid TOML", "toml.io"),
        ("row = 1", "row = 1\nrow = 2", (21, 1), "no valid TOML: duplicate key", "toml.io"),
        ("row = 1", "row = 0", (20, 1), "must be at least 1", ""),
    ];
    for (from, to, (line, column), message, hint) in cases {
        assert!(SMALL.contains(from), "{from}");
        let mistakes = parse(&SMALL.replacen(from, to, 1)).expect_err(to);
        let fits = |mistake: &&Mistake| mistake.message.contains(message) && mistake.hint.contains(hint);
        let found = mistakes.iter().find(fits);
        let found = found.unwrap_or_else(|| {
            panic!(
                "{to}: no '{message}' with '{hint}' in
{}",
                told(&mistakes)
            )
        });
        assert_eq!((found.line, found.column), (*line, *column), "{to}: {found}");
    }
}

#[test]
fn several_mistakes_are_told_at_once_in_order() {
    let broken = SMALL
        .replacen("motie\"\nname", "motie\"\nnaem", 1)
        .replace("owner = \"motie\"", "owner = \"nobody\"")
        .replace("row = 1", "row = x");
    let lines: Vec<usize> = parse(&broken).unwrap_err().iter().map(|mistake| mistake.line).collect();
    for line in [3, 20, 23] {
        assert!(lines.contains(&line), "{line} in {lines:?}");
    }
    assert!(lines.is_sorted());
}

#[test]
fn only_what_changed_is_planned_and_changes_demand_reasons() {
    let before = parse(SMALL).unwrap();
    let mut registry = applied(&before);
    let read = |from: &str, to: &str| parse(&SMALL.replacen(from, to, 1)).unwrap_or_else(|m| panic!("{}", told(&m)));
    let kinds = |file: &CatalogueFile, registry: &Registry, reason: Option<&str>| {
        difference(file, registry, reason).map(|plan| plan.into_iter().map(|one| one.kind).collect::<Vec<_>>())
    };

    let edited = read("value = 71_000", "value = 71_450");
    assert!(matches!(kinds(&edited, &registry, None), Err(DifferenceError::TargetReason { .. })));
    let plan = difference(&edited, &registry, Some("새 공고")).unwrap();
    assert_eq!(plan.len(), 1);
    assert_eq!((&plan[0].data["old"]["value"], &plan[0].data["new"]["value"]), (&71000.into(), &71450.into()));
    assert_eq!(plan[0].data["reason"], "새 공고");

    let target = "[[indicator.target]]\ngoal = \"reach\"\nvalue = 71_000\ndue = \"2026-12-31\"\n";
    let none = "missing = [{ what = \"target\", note = { ko = \"없음\", en = \"none\" } }]";
    let gone = parse(&SMALL.replace(target, "").replace("row = 1", &format!("row = 1\n{none}"))).unwrap();
    let effective = "change = { effective = \"2026-03-01\", reason = \"목표 없음\" }";
    let gone_told =
        parse(&SMALL.replace(target, "").replace("row = 1", &format!("row = 1\n{none}\n{effective}"))).unwrap();
    assert!(matches!(kinds(&gone, &registry, None), Err(DifferenceError::ChangeEffective { .. })));
    assert!(matches!(kinds(&gone_told, &registry, None), Err(DifferenceError::TargetGone { .. })));

    let titled = "title = { ko = \"충전기\", en = \"Chargers\" }";
    let renamed = read(titled, "title = { ko = \"충전기\", en = \"EV chargers\" }");
    assert!(matches!(kinds(&renamed, &registry, Some("why")), Err(DifferenceError::ChangeEffective { .. })));
    let changed =
        read(titled, "title = { ko = \"충전기\", en = \"EV chargers\" }\nchange = { effective = \"2026-03-01\" }");
    assert!(matches!(kinds(&changed, &registry, None), Err(DifferenceError::ChangeReason { .. })));
    assert_eq!(kinds(&changed, &registry, Some("이름")).unwrap(), ["definition.changed.v1"]);
    let other = read("code = \"charger\"", "code = \"site\"");
    assert!(matches!(kinds(&other, &registry, Some("why")), Err(DifferenceError::OtherMeasure { .. })));

    let owned = read("owner = \"motie\"", "owner = \"keco\"");
    assert!(matches!(kinds(&owned, &registry, None), Err(DifferenceError::OwnerUnknown { .. })));
    let moved = SMALL.to_owned()
        + "[[indicator.transfer]]\nfrom = \"motie\"\nto = \"keco\"\neffective = \"2026-01-22\"\nreason = \"이관\"\n";
    let moved = parse(&moved).unwrap();
    assert_eq!(kinds(&moved, &registry, None).unwrap(), ["owner.transferred.v1"]);

    let reread = read("confirmed = false", "confirmed = true");
    assert_eq!(kinds(&reread, &registry, None).unwrap(), ["source.interpreted.v1"]);
    let agency = read("en = \"Environment Corporation\"", "en = \"KECO\"");
    assert_eq!(kinds(&agency, &registry, None).unwrap(), ["agency.registered.v1"]);
    let region = read("en = \"Gwangju\"", "en = \"Gwangju City\"");
    assert_eq!(kinds(&region, &registry, None).unwrap(), ["region.registered.v1"]);

    for file in [&edited, &changed, &moved, &reread, &agency, &region] {
        for planned in difference(file, &registry, Some("why")).unwrap() {
            govern(&mut registry, &planned.kind, &planned.data);
        }
        // Applied once, a file has nothing left to say, apart from what later files took back.
        assert_eq!(difference(file, &registry, Some("why")).unwrap(), [], "applying twice");
        let back = difference(&before, &registry, Some("되돌림"));
        if let Ok(plan) = back {
            plan.iter().for_each(|planned| govern(&mut registry, &planned.kind, &planned.data));
        } else {
            registry = applied(&before);
        }
    }
}

#[test]
fn keys_and_simulated_agencies_of_the_ledger_are_left_alone() {
    let file = shipped();
    let mut registry = applied(&file);
    let mut keco = registry.agencies["keco"].info.clone();
    keco.keys = vec![format!("U{}", "A".repeat(55))];
    registry.agencies.get_mut("keco").unwrap().info = keco;
    let simulated =
        serde_json::json!({"code": "sim-1", "name": {"ko": "모의", "en": "Simulated"}, "role": "simulated"});
    govern(&mut registry, "agency.registered.v1", &simulated);
    assert_eq!(difference(&file, &registry, None).unwrap(), []);
}

#[test]
fn folds_are_those_of_the_plan() {
    let kinds: Vec<FoldKind> = shipped().indicators.iter().map(|one| one.indicator.fold.kind).collect();
    use FoldKind::{Distinct as D, Latest as L, Narrative as N, Stage as T, Sum as S};
    let plan = [T, D, T, L, D, D, T, T, L, S, T, L, S, S, L, T, T, D, T, S, S, S, L, S, T, T, D, L, N, N, N, T, T, T];
    assert_eq!(kinds, plan);
}
