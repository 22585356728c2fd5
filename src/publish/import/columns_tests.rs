//! Tables of columns, cells and times.

use super::*;

fn field(name: &str, ko: &str, kind: FieldKind, required: bool) -> Field {
    let title = Text { ko: ko.into(), en: format!("Title {name}") };
    Field { name: name.into(), title, description: Text::default(), kind, required }
}

fn fields() -> Vec<Field> {
    vec![
        field("count", "충전기 수", FieldKind::Integer, true),
        field("class", "구분", FieldKind::Choice(vec!["fast".into(), "slow".into()]), false),
        field("amount", "금액", FieldKind::Amount, false),
        field("chargers", "충전기 번호", FieldKind::List, false),
        field("provisional", "잠정치", FieldKind::Boolean, false),
        field("evidence", "증빙", FieldKind::Object, false),
        field("site.name", "부지", FieldKind::Text, false),
    ]
}

fn header(titles: &[&str]) -> Vec<String> {
    titles.iter().map(|title| (*title).to_owned()).collect()
}

#[test]
fn titles_name_fields() {
    for (title, expected) in [
        ("count", Some(Target::Field(0))),
        ("COUNT", Some(Target::Field(0))),
        ("충전기수", Some(Target::Field(0))),
        ("충전기 수", Some(Target::Field(0))),
        ("Title class", Some(Target::Field(1))),
        ("site.name", Some(Target::Field(6))),
        ("time", Some(Target::Time)),
        ("일시", Some(Target::Time)),
        ("subject", Some(Target::Subject)),
        ("id", Some(Target::Id)),
        ("counts", None),
        ("", None),
    ] {
        assert_eq!(target(title, &fields()), expected, "{title}");
    }
}

#[test]
fn nothing_is_left_out_silently() {
    let fields = fields();
    let maps = |pairs: &[(&str, &str)]| {
        pairs.iter().map(|(from, to)| ((*from).into(), (*to).into())).collect::<Vec<(String, String)>>()
    };
    let (none, skip) = (maps(&[]), maps(&[("note", "-"), ("n", "count")]));
    let ok = map(&header(&["n", "note", "_index", "id"]), &fields, &skip, Some("id")).unwrap();
    assert_eq!(ok, [Target::Field(0), Target::Nothing, Target::Nothing, Target::Nothing]);
    for (titles, maps, expected) in [
        (header(&["count", "note"]), &none, MapError::Unknown(vec!["note".into()])),
        (header(&["class"]), &none, MapError::Missing(vec!["count".into()])),
        (header(&["count", "충전기 수"]), &none, MapError::Twice("count".into(), "충전기 수".into(), "count".into())),
        (header(&["count"]), &skip, MapError::NoColumn("note".into())),
        (header(&["count"]), &maps(&[("count", "x")]), MapError::NoField("x".into())),
    ] {
        assert_eq!(map(&titles, &fields, maps, None), Err(expected));
    }
}

#[test]
fn cells_become_values_and_back() {
    let fields = fields();
    for (at, text, expected) in [
        (0, "71,000", "71000"),
        (0, "12", "12"),
        (0, "12.0", "12"),
        (1, "FAST", "\"fast\""),
        (1, "other", "\"other\""),
        (1, "'=x", "\"=x\""),
        (2, "-1,234.5", "-1234.5"),
        (2, "9007199254740993", "9007199254740993"),
        (3, "A-1; A-2;", "[\"A-1\",\"A-2\"]"),
        (3, "[\"a;b\"]", "[\"a;b\"]"),
        (4, "예", "true"),
        (4, "X", "false"),
        (5, "[{\"url\":\"https://x\"}]", "[{\"url\":\"https://x\"}]"),
    ] {
        let got = value(text, &fields[at]).unwrap();
        assert_eq!(got.to_string(), expected, "{text}");
        let again = value(&guarded(&cell_text(Some(&got))), &fields[at]).unwrap();
        assert_eq!(again, got, "{text} there and back");
    }
    for (at, text) in [(0, "1.5"), (0, "1,00"), (0, "twelve"), (0, "1e3"), (2, "1.1234567"), (4, "maybe"), (5, "{")] {
        assert!(value(text, &fields[at]).is_err(), "{text}");
    }
}

#[test]
fn times_as_spreadsheets_write_them() {
    for (text, expected) in [
        ("2026-03-02", "2026-03-01T15:00:00Z"),
        ("2026.3.2", "2026-03-01T15:00:00Z"),
        ("2026. 3. 2.", "2026-03-01T15:00:00Z"),
        ("2026/03/02 14:05", "2026-03-02T05:05:00Z"),
        ("2026-03-02 9:05:07", "2026-03-02T00:05:07Z"),
        ("2026-03-02T09:00:00+09:00", "2026-03-02T00:00:00Z"),
    ] {
        assert_eq!(time(text).map(|time| time.to_string()), Ok(expected.into()), "{text}");
    }
    for text in ["", "03/02/2026", "2026-13-01", "2026-03-02 25:00", "20260302", "2026-03"] {
        assert!(time(text).is_err(), "{text}");
    }
}

#[test]
fn formulas_do_not_run_and_come_back() {
    for (text, expected) in [
        ("=1+1", "'=1+1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        (" +82-2", "' +82-2"),
        ("'=1", "''=1"),
        ("-5.25", "-5.25"),
        ("-cmd", "'-cmd"),
        ("'plain", "'plain"),
        ("a=b", "a=b"),
        ("", ""),
    ] {
        assert_eq!(guarded(text), expected);
        assert_eq!(unguarded(&guarded(text)), text);
    }
}

#[test]
fn paths_reach_inside() {
    let mut data = Map::new();
    set(&mut data, "site.name", Value::from("울산"));
    set(&mut data, "site.code", Value::from("31"));
    let data = Value::Object(data);
    assert_eq!(data.to_string(), r#"{"site":{"code":"31","name":"울산"}}"#);
    assert_eq!(get(&data, "site.name"), Some(&Value::from("울산")));
    assert_eq!(get(&data, "site.none"), None);
}
