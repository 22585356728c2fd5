//! The embedded schemas hold what they promise: both languages, bounds, valid examples, and the shapes of the structs.

use serde_json::{Value, json};

use super::*;
use crate::catalogue::indicator::{DefinitionChanged, Indicator};
use crate::event::{about, governance};

fn schema(kind: &str) -> Schema {
    Schema::compile(kind, embedded_text(kind).unwrap()).unwrap()
}

#[test]
fn every_embedded_schema_compiles_and_its_examples_are_valid() {
    assert!(embedded().is_sorted_by_key(|(kind, _)| kind));
    for (kind, text) in embedded() {
        let schema = Schema::compile(kind, text).unwrap();
        let examples = schema.examples();
        assert!(!examples.is_empty(), "{kind} has no example");
        for example in examples {
            schema.check(&example).unwrap_or_else(|faults| panic!("{kind}: {faults:?}"));
            let mut strange = example;
            strange["no-such-field"] = json!(1);
            assert!(schema.check(&strange).is_err(), "{kind} takes unknown fields");
        }
        assert!(!schema.fields().is_empty(), "{kind}");
    }
}

#[test]
fn every_file_of_the_folder_is_embedded() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas/events");
    let mut files: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap().trim_end_matches(".json").to_owned())
        .collect();
    files.sort();
    assert_eq!(files, embedded().iter().map(|(kind, _)| (*kind).to_owned()).collect::<Vec<_>>());
}

#[test]
fn every_property_speaks_both_languages_and_is_bounded() {
    for (kind, text) in embedded() {
        let tree: Value = serde_json::from_str(text).unwrap();
        said(kind, &tree);
        walk(kind, &tree);
        let defs = tree.get("$defs").and_then(Value::as_object);
        defs.into_iter().flatten().for_each(|(name, node)| walk(&format!("{kind} $defs/{name}"), node));
    }
}

fn said(at: &str, node: &Value) {
    for name in ["title", "description", "x-title-ko", "x-description-ko"] {
        assert!(node[name].as_str().is_some_and(|text| !text.is_empty()), "{at} lacks {name}");
    }
    let korean = |letter: char| ('가'..='힣').contains(&letter);
    assert!(node["x-description-ko"].as_str().unwrap().contains(korean), "{at}: no Korean");
    assert!(!node["description"].as_str().unwrap().contains(korean), "{at}: no English");
}

fn walk(at: &str, node: &Value) {
    bounded(at, node);
    for (name, property) in node.get("properties").and_then(Value::as_object).into_iter().flatten() {
        let at = format!("{at}/{name}");
        said(&at, property);
        if property.get("$ref").is_none() {
            walk(&at, property);
        }
    }
    for inner in ["items", "additionalProperties"] {
        if let Some(node @ Value::Object(_)) = node.get(inner).filter(|node| node.get("$ref").is_none()) {
            walk(&format!("{at}/{inner}"), node);
        }
    }
}

fn bounded(at: &str, node: &Value) {
    let types: Vec<&str> = match &node["type"] {
        Value::String(one) => vec![one.as_str()],
        Value::Array(many) => many.iter().map(|one| one.as_str().unwrap()).collect(),
        _ => panic!("{at} has no type"),
    };
    let has = |name: &str| node.get(name).is_some();
    for kind in types {
        let fine = match kind {
            "string" => has("maxLength") || has("enum") || has("const"),
            "integer" | "number" => has("minimum") && has("maximum"),
            "array" => has("maxItems") && has("items"),
            "object" => node["additionalProperties"] == json!(false) || has("maxProperties"),
            "boolean" => true,
            other => panic!("{at}: {other}"),
        };
        assert!(fine, "{at} is unbounded as {kind}");
    }
}

#[test]
fn governance_and_about_examples_are_the_structs() {
    fn reads<T: serde::de::DeserializeOwned>(kind: &str) {
        for example in schema(kind).examples() {
            serde_json::from_value::<T>(example).unwrap_or_else(|error| panic!("{kind}: {error}"));
        }
    }
    /// What the struct writes is what the schema takes.
    fn returns<T: serde::de::DeserializeOwned + serde::Serialize>(kind: &str) {
        let schema = schema(kind);
        for example in schema.examples() {
            let parsed: T = serde_json::from_value(example).unwrap_or_else(|error| panic!("{kind}: {error}"));
            let written = serde_json::to_value(&parsed).unwrap();
            schema.check(&written).unwrap_or_else(|faults| panic!("{kind}: {faults:?} in {written}"));
        }
    }
    reads::<about::Corrected>("report.corrected.v1");
    reads::<about::Retracted>("report.retracted.v1");
    reads::<about::Verified>("report.verified.v1");
    reads::<about::Disputed>("report.disputed.v1");
    reads::<about::ClaimResolved>("claim.resolved.v1");
    reads::<about::ForecastStated>("forecast.stated.v1");
    returns::<governance::LedgerCreated>("ledger.created.v1");
    returns::<governance::RulesAdopted>("rules.adopted.v1");
    returns::<governance::SchemaRegistered>("schema.registered.v1");
    returns::<governance::AgencyRegistered>("agency.registered.v1");
    returns::<governance::AgencySucceeded>("agency.succeeded.v1");
    returns::<governance::KeyAdded>("key.added.v1");
    returns::<governance::KeyRevoked>("key.revoked.v1");
    returns::<governance::RegionRegistered>("region.registered.v1");
    returns::<governance::RegionSucceeded>("region.succeeded.v1");
    returns::<governance::TargetSet>("target.set.v1");
    returns::<governance::TargetRevised>("target.revised.v1");
    returns::<governance::OwnerTransferred>("owner.transferred.v1");
    returns::<governance::SourceInterpreted>("source.interpreted.v1");
    returns::<governance::BodyWithheld>("body.withheld.v1");
    returns::<governance::LogKeyRotated>("log.key-rotated.v1");
    returns::<Indicator>("indicator.registered.v1");
    returns::<DefinitionChanged>("definition.changed.v1");
}

#[test]
fn data_faults_say_where_and_what() {
    let cases = [
        ("charger.installed.v1", json!({"region":"11","class":"fast"}), "", "lacks the field \"count\""),
        (
            "charger.installed.v1",
            json!({"region":"11","class":"rapid","count":1}),
            "/class",
            r#"must be one of ["fast","medium","slow"]"#,
        ),
        ("charger.installed.v1", json!({"region":"11","class":"fast","count":0}), "/count", "must be at least 1"),
        (
            "charger.installed.v1",
            json!({"region":"11","class":"fast","count":"3"}),
            "/count",
            "must be of type integer",
        ),
        (
            "charger.installed.v1",
            json!({"region":"11","class":"fast","count":1,"colour":"red"}),
            "/colour",
            UNKNOWN_FIELD,
        ),
        (
            "charger.installed.v1",
            json!({"region":"11","class":"fast","count":1,"chargers":["a b"]}),
            "/chargers/0",
            "must match the pattern ^[0-9A-Za-z._-]{1,64}$",
        ),
        (
            "factory.deployed.v1",
            json!({"stage":"operating"}),
            "",
            "must satisfy exactly one alternative: give business_number and site; or give count",
        ),
        (
            "factory.deployed.v1",
            json!({"stage":"operating","business_number":"1234567890","site":"a","count":2}),
            "",
            "satisfies several alternatives, of which exactly one may hold",
        ),
        (
            "export.reported.v1",
            json!({"period":"2026","item":"food","amount":1,"currency":"USD","basis":"customs"}),
            "",
            "lacks the field \"share\"",
        ),
        ("grant.paid.v1", json!({"amount":-1,"currency":"KRW"}), "/amount", "must be at least 0"),
        (
            "grant.paid.v1",
            json!({"amount":"1.1234567","currency":"KRW"}),
            "/amount",
            r"must match the pattern ^[0-9]{1,24}(\.[0-9]{1,6})?$",
        ),
        ("export.reported.v1", json!({"period":"20934"}), "/period", "must match the pattern"),
    ];
    for (kind, data, pointer, message) in cases {
        let faults = schema(kind).check(&data).expect_err(kind);
        let found = faults.iter().any(|fault| fault.pointer == pointer && fault.message.starts_with(message));
        assert!(found, "{kind} {data}: {faults:?}");
        assert!(faults.len() <= DATA_FAULTS_MAX);
    }
}

#[test]
fn amounts_stay_exact_and_bounded() {
    let schema = schema("grant.paid.v1");
    for (text, valid) in [
        ("999999999999999999999999", true),
        ("1000000000000000000000000", false),
        ("\"999999999999999999999999.999999\"", true),
        ("\"1e3\"", false),
        ("1.5", false),
        ("1e3", false),
        ("1.0", true),
        ("1.0000000", false),
        ("\"1.5\"", true),
        ("\"0005\"", true),
        ("\"１\"", false),
    ] {
        let data: Value = serde_json::from_str(&format!(r#"{{"amount":{text},"currency":"KRW"}}"#)).unwrap();
        assert_eq!(schema.check(&data).is_ok(), valid, "{text}");
    }
}

#[test]
fn fields_are_listed_with_their_kinds() {
    let schema = schema("charger.installed.v1");
    let fields = schema.fields();
    let names: Vec<&str> = fields.iter().map(|field| field.name.as_str()).take(3).collect();
    assert_eq!(names, ["region", "class", "count"]);
    for (name, kind, required) in [
        ("region", FieldKind::Text, true),
        ("class", FieldKind::Choice(vec!["fast".into(), "medium".into(), "slow".into()]), true),
        ("count", FieldKind::Integer, true),
        ("chargers", FieldKind::List, false),
        ("period", FieldKind::Date, false),
        ("provisional", FieldKind::Boolean, false),
        ("approval.document", FieldKind::Text, false),
    ] {
        let field = schema.field(name).unwrap();
        assert_eq!((field.kind, field.required), (kind, required), "{name}");
    }
    assert_eq!(schema.field("class").unwrap().title, Text { ko: "구분".into(), en: "Class".into() });
    assert_eq!(self::schema("grant.paid.v1").field("amount").unwrap().kind, FieldKind::Amount);
    assert_eq!(schema.title().ko, "전기차 충전기 설치");
}

#[test]
fn hostile_schemas_are_refused() {
    let say = |rest: &str| format!(r#"{{"$schema":"{DIALECT}",{rest}}}"#);
    let long = say(&format!(r#""description":"{}""#, "x".repeat(SCHEMA_BYTES_MAX)));
    let mut doubling = String::from(r#""$defs":{"a0":{"type":"string"}"#);
    for step in 1..30 {
        let below = format!(r##"{{"$ref":"#/$defs/a{}"}}"##, step - 1);
        doubling.push_str(&format!(r#","a{step}":{{"allOf":[{below},{below}]}}"#));
    }
    doubling.push_str(r##"},"$ref":"#/$defs/a29""##);
    let cases: Vec<(&str, String)> = vec![
        ("no JSON object", "[1]".into()),
        ("no JSON object", "{".into()),
        ("must say", r#"{"type":"object"}"#.into()),
        ("must say", r#"{"$schema":"http://json-schema.org/draft-07/schema#"}"#.into()),
        ("at most", long),
        ("refers to", say(r#""$ref":"https://example.org/other.json""#)),
        ("refers to", say(r#""$ref":"file:///etc/passwd""#)),
        ("refers to", say(r##""$ref":"#/$defs/none""##)),
        ("refers to", say(r##""$dynamicRef":"#x""##)),
        ("recursive", say(r##""$ref":"#""##)),
        ("recursive", say(r##""properties":{"a":{"$ref":"#"}}"##)),
        ("recursive", say(&doubling)),
        ("does not compile", say(r#""type":"thing""#)),
        ("does not compile", say(r#""pattern":"(?=a)b""#)),
        ("does not compile", say(r#""pattern":"(((a{1,99}){1,99}){1,99}){1,99}""#)),
    ];
    for (expected, text) in cases {
        let error = Schema::compile("bad.thing.v1", &text).expect_err(&text[..text.len().min(80)]).to_string();
        assert!(error.contains(expected), "{expected}: {error}");
    }
}
