//! Tests of [`super`] and of claims: one good signature, and everything that must not pass for one. Never part of the
//! binary.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::{
    event::Time,
    limits::CLAIM_NUMBER_MAX,
    sign::{ClaimFault, Seen, verifying_key},
};

fn claims() -> Claims {
    Claims {
        aud: "jindo.local/motie-2026".into(),
        sub: "ledger.report.keco.charger.installed.v1".into(),
        cty: "application/cloudevents+json".into(),
        sha256: [7; 32],
        seq: 2,
        prev: Some([8; 32]),
        seen: Some(Seen { size: 41, root: [9; 32] }),
        reported: Time::parse("2026-03-02T00:00:00.5Z").unwrap(),
    }
}

/// Signed over whatever header and payload.
fn forge(pair: &KeyPair, header: &str, payload: &str) -> String {
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
    let signature = pair.signing().sign(signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.to_bytes()))
}

#[test]
fn signs_and_verifies() {
    let pair = KeyPair::generate().unwrap();
    let short = Claims { seq: 1, prev: None, seen: None, ..claims() };
    for claims in [claims(), short] {
        let text = sign(&pair, &claims);
        let jws = Jws::parse(&text).unwrap();
        assert_eq!((jws.key(), jws.claims(), jws.text()), (pair.public(), &claims, text.as_str()));
        assert_eq!(jws.sha256(), hex::sha256(text.as_bytes()));
        jws.verify().unwrap();
        jws.verify_with(&verifying_key(pair.public()).unwrap()).unwrap();
        let other = KeyPair::generate().unwrap();
        assert_eq!(jws.verify_with(&verifying_key(other.public()).unwrap()), Err(SignFault::OtherKey));
    }
}

#[test]
fn the_longest_claims_fit_a_header() {
    let long = Claims {
        aud: "a".repeat(200),
        sub: "s".repeat(256),
        cty: "c".repeat(128),
        seq: CLAIM_NUMBER_MAX,
        seen: Some(Seen { size: CLAIM_NUMBER_MAX, root: [0xff; 32] }),
        ..claims()
    };
    let text = sign(&KeyPair::generate().unwrap(), &long);
    Jws::parse(&text).unwrap().verify().unwrap();
}

#[test]
fn headers_are_strict() {
    let pair = KeyPair::generate().unwrap();
    let (kid, payload) = (pair.public(), claims().to_json());
    let account = nkeys::KeyPair::new_account().public_key();
    for (header, good) in [
        (format!(r#"{{"alg":"EdDSA","kid":"{kid}"}}"#), true),
        (format!(r#"{{ "typ":"JWT", "kid":"{kid}", "alg":"EdDSA" }}"#), true),
        (format!(r#"{{"alg":"none","kid":"{kid}"}}"#), false),
        (format!(r#"{{"alg":"HS256","kid":"{kid}"}}"#), false),
        (format!(r#"{{"alg":"eddsa","kid":"{kid}"}}"#), false),
        (format!(r#"{{"kid":"{kid}"}}"#), false),
        (r#"{"alg":"EdDSA"}"#.into(), false),
        (r#"{"alg":"EdDSA","kid":""}"#.into(), false),
        (format!(r#"{{"alg":"EdDSA","kid":"{account}"}}"#), false),
        (format!(r#"{{"alg":"EdDSA","kid":"{}"}}"#, kid.to_lowercase()), false),
        (format!(r#"{{"alg":"EdDSA","kid":"{kid}","crit":["b64"],"b64":false}}"#), false),
        (format!(r#"{{"alg":"EdDSA","kid":"{kid}","b64":true}}"#), false),
        (format!(r#"{{"alg":"EdDSA","kid":"{kid}","jwk":{{}}}}"#), false),
        (format!(r#"{{"alg":"EdDSA","kid":"{kid}","typ":1}}"#), false),
        (format!(r#"{{"alg":"EdDSA","alg":"EdDSA","kid":"{kid}"}}"#), false),
        (format!(r#"["EdDSA","{kid}"]"#), false),
        (String::new(), false),
    ] {
        let parsed = Jws::parse(&forge(&pair, &header, &payload));
        assert_eq!(parsed.as_ref().is_ok_and(|jws| jws.verify().is_ok()), good, "{header}: {parsed:?}");
    }
}

#[test]
fn claims_are_strict() {
    let pair = KeyPair::generate().unwrap();
    let header = format!(r#"{{"alg":"EdDSA","kid":"{}"}}"#, pair.public());
    let good: Value = serde_json::from_str(&claims().to_json()).unwrap();
    let parse = |payload: &str| Jws::parse(&forge(&pair, &header, payload));
    assert_eq!(parse(&good.to_string()).unwrap().claims(), &claims());
    for name in ["aud", "sub", "cty", "sha256", "seq", "reported"] {
        let mut less = good.clone();
        less.as_object_mut().unwrap().remove(name);
        assert!(parse(&less.to_string()).is_err(), "without {name}");
        less[name] = json!(null);
        assert!(parse(&less.to_string()).is_err(), "null {name}");
    }
    for (name, value) in [
        ("iat", json!(1)),
        ("aud", json!(["a"])),
        ("aud", json!("")),
        ("sha256", json!("07".repeat(31))),
        ("sha256", json!("0A".repeat(32))),
        ("seq", json!(0)),
        ("seq", json!(-1)),
        ("seq", json!(1.0)),
        ("seq", json!("1")),
        ("seq", json!(CLAIM_NUMBER_MAX + 1)),
        ("prev", json!(null)),
        ("prev", json!("")),
        ("seen", json!(null)),
        ("seen", json!({"size": 1})),
        ("seen", json!({"size": 0, "root": "00".repeat(32)})),
        ("seen", json!({"size": 1, "root": "00".repeat(32), "time": 1})),
        ("reported", json!("2026-03-02")),
    ] {
        let mut bad = good.clone();
        bad[name] = value;
        assert!(parse(&bad.to_string()).is_err(), "{bad}");
    }
    assert!(parse(&good.to_string().replacen('{', r#"{"seq":2,"#, 1)).is_err());
    assert!(parse("[]").is_err());
}

#[test]
fn compact_form_is_strict() {
    let pair = KeyPair::generate().unwrap();
    let text = sign(&pair, &claims());
    let parts: Vec<&str> = text.split('.').collect();
    // The last of 86 digits carries two bits: the fifteen others that differ in stray bits must not pass.
    let (head, last) = text.split_at(text.len() - 1);
    for digit in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".chars() {
        let good = last.starts_with(digit);
        let parsed = Jws::parse(&format!("{head}{digit}"));
        assert_eq!(parsed.is_ok_and(|jws| jws.verify().is_ok()), good, "{digit}");
    }
    for bad in [
        String::new(),
        "..".into(),
        format!("{text}."),
        format!("{text}="),
        format!("{text}\n"),
        format!(" {text}"),
        format!("{}.{}", parts[0], parts[1]),
        format!("{}.{}.", parts[0], parts[1]),
        format!("{}..{}", parts[0], parts[2]),
        format!("{}.{}.{}", parts[0], parts[1], &parts[2][..84]),
        format!("{}.{}.{}", parts[1], parts[0], parts[2]),
        "a".repeat(HEADER_BYTES_MAX + 1),
    ] {
        assert!(Jws::parse(&bad).is_err(), "{bad}");
    }
    let other = Claims { seq: 3, ..claims() };
    let swapped = format!("{}.{}.{}", parts[0], URL_SAFE_NO_PAD.encode(other.to_json()), parts[2]);
    assert_eq!(Jws::parse(&swapped).unwrap().verify(), Err(SignFault::Wrong));
}

#[test]
fn a_small_order_key_signs_nothing() {
    // The neutral element verifies anything with a signature of its own kind, unless verification is strict.
    let mut point = [0; 32];
    point[0] = 1;
    let kid = nkeys_text(&point);
    let signed = format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(format!(r#"{{"alg":"EdDSA","kid":"{kid}"}}"#)),
        URL_SAFE_NO_PAD.encode(claims().to_json())
    );
    let mut signature = [0; 64];
    signature[0] = 1;
    let jws = Jws::parse(&format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))).unwrap();
    assert_eq!(jws.verify(), Err(SignFault::Wrong));
    let loose = VerifyingKey::from_bytes(&point).unwrap();
    assert!(ed25519_dalek::Verifier::verify(&loose, signed.as_bytes(), &Signature::from_bytes(&signature)).is_ok());
}

/// An NKey user public key of these bytes.
fn nkeys_text(bytes: &[u8; 32]) -> String {
    let mut raw = vec![20 << 3];
    raw.extend(bytes);
    let crc = raw.iter().fold(0_u16, |crc, byte| {
        (0..8).fold(crc ^ u16::from(*byte) << 8, |crc, _| if crc & 0x8000 == 0 { crc << 1 } else { crc << 1 ^ 0x1021 })
    });
    raw.extend(crc.to_le_bytes());
    let bits: String = raw.iter().map(|byte| format!("{byte:08b}")).collect();
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let digit = |at: usize| char::from(alphabet[usize::from_str_radix(&bits[at..at + 5], 2).unwrap()]);
    (0..bits.len()).step_by(5).map(digit).collect()
}

#[test]
fn claims_bind_the_report() {
    let claims = claims();
    let check = |subject: &str, content_type: &str, body: u8, origin: &str| {
        claims.check(subject, content_type, &[body; 32], origin)
    };
    let (subject, content_type, origin) = (claims.sub.as_str(), claims.cty.as_str(), claims.aud.as_str());
    assert_eq!(check(subject, content_type, 7, origin), Ok(()));
    assert!(matches!(check("x", content_type, 7, origin), Err(ClaimFault::Subject { .. })));
    assert!(matches!(check(subject, "x", 7, origin), Err(ClaimFault::ContentType { .. })));
    assert!(matches!(check(subject, content_type, 8, origin), Err(ClaimFault::Body { .. })));
    assert!(matches!(check("x", "x", 8, "x"), Err(ClaimFault::Origin { .. })));
}

proptest! {
    #[test]
    fn no_changed_character_verifies(at in any::<prop::sample::Index>(), char in "[A-Za-z0-9._=-]") {
        let fixed = nkeys::KeyPair::new_from_raw(nkeys::KeyPairType::User, [5; 32]).unwrap();
        let pair = KeyPair::from_seed(&fixed.seed().unwrap()).unwrap();
        let text = sign(&pair, &claims());
        let at = at.index(text.len());
        let changed = format!("{}{char}{}", &text[..at], &text[at + 1..]);
        let good = Jws::parse(&changed).is_ok_and(|jws| jws.verify().is_ok());
        prop_assert_eq!(good, changed == text);
    }

    #[test]
    fn survives_any_text(text in "[A-Za-z0-9_-]{0,40}\\.[A-Za-z0-9_-]{0,40}\\.[A-Za-z0-9_-]{0,90}|.{0,40}") {
        prop_assert!(Jws::parse(&text).is_err());
    }
}
