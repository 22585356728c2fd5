//! Tests of [`super`]: tables, and serde_json as the oracle. Never part of the binary.

use proptest::prelude::*;

use super::*;

fn wrong(text: &str) -> JsonWrong {
    parse(text.as_bytes()).expect_err(text).what
}

#[test]
fn takes_what_serde_json_takes() {
    for text in [
        "null",
        " true ",
        "[]",
        "{}",
        "\t{\"a\" : [ 1 , 2.50 , -0 , -0.0e-3, 1E5, 1e+5 ]\r\n}",
        r#""\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00""#,
        r#"{"진도":"진도","":""}"#,
        "9007199254740993",
        "123456789012345678901234.123456",
    ] {
        assert_eq!(parse(text.as_bytes()).unwrap(), serde_json::from_str::<Value>(text).unwrap(), "{text}");
    }
}

#[test]
fn numbers_keep_their_source_text() {
    for text in ["0", "-0", "1.0", "1.50", "1e+5", "1e-005", "123456789012345678901234567890.1"] {
        match parse(text.as_bytes()).unwrap_or_else(|_| panic!("{text}")) {
            Value::Number(number) => assert_eq!(number.as_str(), text),
            other => panic!("{other}"),
        }
    }
    // serde_json writes every exponent one way; nothing else about a number's text changes.
    for text in ["1E5", "1e5", "1E+5"] {
        assert_eq!(parse(text.as_bytes()).unwrap().to_string(), "1e+5", "{text}");
    }
}

#[test]
fn refuses() {
    for text in [
        "",
        " ",
        "nul",
        "nulll",
        "01",
        "-",
        "-01",
        "1.",
        ".1",
        "1e",
        "1e+",
        "+1",
        "0x1",
        "NaN",
        "Infinity",
        "[1,]",
        "[,1]",
        "[1 2]",
        "{\"a\":1,}",
        "{\"a\"}",
        "{\"a\" 1}",
        "{a:1}",
        "{1:1}",
        "'a'",
        "\"",
        "\"\\",
        "\"\\x\"",
        "\"\\u12\"",
        "\"\\u12g4\"",
        "\"\\u+123\"",
        "\"\\ud800\"",
        "\"\\ud800x\"",
        "\"\\ud800\\n\"",
        "\"\\ud800\\u0041\"",
        "\"\\udc00\"",
        "\"a\nb\"",
        "\"\u{1}\"",
        "[",
        "{",
        "{\"a\":",
        "1 2",
        "{} {}",
        "[]]",
        "\u{feff}1",
        "// c\n1",
        "\u{a0}1",
    ] {
        assert!(parse(text.as_bytes()).is_err(), "{text:?}");
        assert!(serde_json::from_str::<Value>(text).is_err(), "the oracle takes {text:?}");
    }
    assert_eq!(parse(b"\"\xff\"").unwrap_err(), JsonFault { offset: 1, what: JsonWrong::Utf8 });
    assert_eq!(wrong("1 x"), JsonWrong::Trailing);
    assert_eq!(wrong("[1"), JsonWrong::End);
}

#[test]
fn a_key_stands_once() {
    for text in [r#"{"a":1,"a":1}"#, r#"{"a":1,"b":2,"\u0061":3}"#] {
        assert_eq!(wrong(text), JsonWrong::DuplicateKey("a".into()), "{text}");
    }
    assert!(parse(br#"[{"a":1},{"a":{"a":2}}]"#).is_ok());
}

#[test]
fn an_object_is_never_taken_for_a_number() {
    for key in [
        "$serde_json::private::Number",
        "\\u0024serde_json::private::Number",
        "$serde_json::private::RawValue",
        "$serde_json::private\\u003a:Number",
    ] {
        for text in [format!("{{\"{key}\":\"1\"}}"), format!("[{{\"a\":1,\"{key}\":\"1\"}}]")] {
            assert!(matches!(wrong(&text), JsonWrong::ReservedKey(_)), "{text}");
        }
    }
    // The trap this guards against: serde_json itself makes a number of it.
    assert!(serde_json::from_str::<Value>("{\"\\u0024serde_json::private::Number\":\"1\"}").unwrap().is_number());
}

#[test]
fn depth_and_numbers_are_bounded() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(parse(nested(JSON_DEPTH_MAX).as_bytes()).is_ok());
    assert_eq!(wrong(&nested(JSON_DEPTH_MAX + 1)), JsonWrong::Depth);
    assert_eq!(wrong(&"[".repeat(1_000_000)), JsonWrong::Depth);
    assert_eq!(wrong(&"{\"a\":".repeat(1_000_000)), JsonWrong::Depth);
    assert!(parse("1".repeat(JSON_NUMBER_BYTES_MAX).as_bytes()).is_ok());
    assert_eq!(wrong(&"1".repeat(JSON_NUMBER_BYTES_MAX + 1)), JsonWrong::Number);
    assert!(parse(b"1e999").is_ok());
    assert_eq!(wrong("1e1000"), JsonWrong::Number);
    assert_eq!(wrong("1e-9999999"), JsonWrong::Number);
}

#[test]
fn a_digest_sees_content_only() {
    let of = |text: &str| digest(&read(text.as_bytes()).unwrap());
    assert_eq!(of(r#"{"a":1,"b":[true,null]}"#), of("{ \"b\" : [ true , null ],\n\"\\u0061\":1}"));
    let texts = [
        "null",
        "true",
        "false",
        "1",
        "1.0",
        "\"1\"",
        "[]",
        "{}",
        "\"\"",
        "[1]",
        "[[1]]",
        "[[],[]]",
        "[[[]]]",
        "{\"a\":1}",
        "{\"a\":\"1\"}",
        "{\"b\":1}",
        "[\"a\",\"b\"]",
        "[\"ab\"]",
        "[\"a\\\"b\"]",
        "{\"a\":{\"b\":1}}",
        "{\"a\":{},\"b\":1}",
        "\"n\"",
        "[null]",
        "[\"\",\"\"]",
        "[1,2]",
        "[2,1]",
        "[12]",
    ];
    let digests: std::collections::BTreeSet<[u8; 16]> = texts.iter().map(|text| of(text)).collect();
    assert_eq!(digests.len(), texts.len());
}

/// Any tree, its numbers taken from texts.
fn tree() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        "-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,8})?([eE][+-]?[0-9]{1,3})?"
            .prop_map(|text| serde_json::from_str(&text).unwrap()),
        any::<String>().prop_map(Value::String),
    ];
    leaf.prop_recursive(5, 64, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Value::Array),
            prop::collection::btree_map(any::<String>(), inner, 0..8)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn reads_what_serde_json_writes(value in tree()) {
        let text = serde_json::to_vec(&value).unwrap();
        prop_assert_eq!(parse(&text).unwrap(), value.clone());
        let pretty = serde_json::to_vec_pretty(&value).unwrap();
        prop_assert_eq!(digest(&read(&pretty).unwrap()), digest(&read(&text).unwrap()));
    }

    /// Whatever this parser takes, serde_json takes and reads alike; it never panics.
    #[test]
    fn agrees_with_serde_json(text in "[\\[\\]{}:,\"\\\\a0-9.eE+\\- tu\u{0}-\u{1f}]{0,24}") {
        let oracle = serde_json::from_str::<Value>(&text).ok();
        match parse(text.as_bytes()) {
            Ok(value) => prop_assert_eq!(Some(value), oracle),
            Err(JsonFault { what: JsonWrong::DuplicateKey(_) | JsonWrong::Number, .. }) => {}
            Err(fault) => prop_assert!(oracle.is_none(), "{}", fault),
        }
    }

    #[test]
    fn survives_any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        prop_assert_eq!(parse(&bytes).is_ok(), parse(&bytes).is_ok());
    }
}
