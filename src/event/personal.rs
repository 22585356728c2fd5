//! Personal data that must not enter a log that cannot forget: text carrying a Korean resident registration number.
//!
//! Publisher and HTTP gateway ask this before they publish. It is a net, not a proof, and admission never uses it: what
//! is already in the stream is recorded as it came. Numbers are not searched, only texts and keys: thirteen digits of won
//! are an amount.

use serde_json::Value;

/// Two-digit years of the 2000s up to this are birth years; beyond, thirteen digits are a bar code (`880…`).
const YEAR_2000S_MAX: u32 = 49;

/// JSON pointer (RFC 6901) to the first text, or the value of the first key, that carries a resident registration number.
#[must_use]
pub fn find(value: &Value) -> Option<String> {
    let mut path = String::new();
    walk(value, &mut path).then_some(path)
}

/// Leaves the pointer to the find in `path`. Trees come from [`super::json::parse`], which bounds their depth.
fn walk(value: &Value, path: &mut String) -> bool {
    let length = path.len();
    match value {
        Value::String(text) => return carries(text),
        Value::Array(items) => {
            for (position, item) in items.iter().enumerate() {
                path.push_str(&format!("/{position}"));
                if walk(item, path) {
                    return true;
                }
                path.truncate(length);
            }
        }
        Value::Object(fields) => {
            for (key, item) in fields {
                path.push('/');
                path.push_str(&key.replace('~', "~0").replace('/', "~1"));
                if carries(key) || walk(item, path) {
                    return true;
                }
                path.truncate(length);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
    false
}

/// What stands between the sixth and the seventh digit.
#[derive(Clone, Copy, PartialEq)]
enum Joint {
    Hyphen,
    Space,
    Nothing,
}

/// Whether a text carries a resident registration number.
#[must_use]
pub fn carries(text: &str) -> bool {
    // Most texts hold fewer than thirteen digits: they end here.
    if text.bytes().filter(u8::is_ascii_digit).count() < 13 && text.is_ascii() {
        return false;
    }
    let chars: Vec<char> = text.chars().map(narrow).collect();
    (0..chars.len()).any(|start| {
        let free = start == 0 || !chars[start - 1].is_ascii_digit();
        free && candidate(&chars[start..]).is_some_and(|(digits, joint)| is_resident_number(&digits, joint))
    })
}

/// Full-width digits are digits, and every dash is a hyphen.
fn narrow(char: char) -> char {
    match char {
        '\u{ff10}'..='\u{ff19}' => char::from_digit(u32::from(char) - 0xff10, 10).unwrap_or(char),
        '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{ff0d}' | '\u{fe63}' | '\u{ad}' => '-',
        '\u{a0}' | '\u{3000}' | '\u{2007}' | '\u{202f}' | '\t' => ' ',
        other => other,
    }
}

/// Six digits, at most one joint, seven digits and no more.
fn candidate(chars: &[char]) -> Option<([u32; 13], Joint)> {
    let mut digits = [0; 13];
    let mut rest = chars;
    for digit in &mut digits[..6] {
        *digit = rest.first()?.to_digit(10)?;
        rest = &rest[1..];
    }
    let gap = rest.iter().take(4).take_while(|char| matches!(char, '-' | ' ')).count();
    let hyphens = rest[..gap].iter().filter(|char| **char == '-').count();
    let joint = match (gap, hyphens) {
        (0, 0) => Joint::Nothing,
        (1, 0) => Joint::Space,
        (1..=3, 1) => Joint::Hyphen,
        _ => return None,
    };
    rest = &rest[gap..];
    for digit in &mut digits[6..] {
        *digit = rest.first()?.to_digit(10)?;
        rest = &rest[1..];
    }
    let ends = rest.first().is_none_or(|char| !char.is_ascii_digit());
    ends.then_some((digits, joint))
}

/// Numbers given since October 2020 end in random digits, so a hyphen between a date and a gender digit is enough; without
/// one, thirteen digits are taken for a person's only where the check digit agrees.
fn is_resident_number(digits: &[u32; 13], joint: Joint) -> bool {
    if !born(digits) || is_corporate_number(digits) {
        return false;
    }
    joint == Joint::Hyphen || checks(digits)
}

/// A date of birth and the gender digit of its century: 1-4 citizens, 5-8 foreigners.
fn born(digits: &[u32; 13]) -> bool {
    let two = |at: usize| digits[at] * 10 + digits[at + 1];
    let century = match digits[6] {
        1 | 2 | 5 | 6 => 1900,
        3 | 4 | 7 | 8 => 2000,
        _ => return false,
    };
    if century == 2000 && two(0) > YEAR_2000S_MAX {
        return false;
    }
    let narrow = |value: u32| i8::try_from(value).unwrap_or(0);
    let year = i16::try_from(century + two(0)).unwrap_or(0);
    crate::event::Day::from_ymd(year, narrow(two(2)), narrow(two(4))).is_some()
}

/// The check digit of a citizen's or a foreigner's number.
fn checks(digits: &[u32; 13]) -> bool {
    let sum: u32 = digits.iter().zip([2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5]).map(|(digit, weight)| digit * weight).sum();
    let base = if digits[6] >= 5 { 13 } else { 11 };
    (base - sum % 11) % 10 == digits[12]
}

/// A corporation's registration number also reads 6-7: registry office (four digits, main offices end in 01, branches in
/// 10 to 12), kind of corporation, serial, check digit. Where all of that agrees it is one, though one in ten of the few
/// people born on such a date would be too.
fn is_corporate_number(digits: &[u32; 13]) -> bool {
    let two = |at: usize| digits[at] * 10 + digits[at + 1];
    let shaped =
        (11..=28).contains(&two(0)) && matches!(two(2), 1 | 10..=12) && matches!(two(4), 11..=15 | 21 | 22 | 31);
    let sum: u32 = digits[..12].iter().zip([1, 2].iter().cycle()).map(|(digit, weight)| digit * weight).sum();
    shaped && (10 - sum % 10) % 10 == digits[12]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Thirteen digits with the check digit they need.
    fn number(first: &str, base: u32) -> String {
        let digits: Vec<u32> = first.chars().filter_map(|char| char.to_digit(10)).collect();
        let sum: u32 =
            digits.iter().zip([2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5]).map(|(digit, weight)| digit * weight).sum();
        format!("{first}{}", (base - sum % 11) % 10)
    }

    #[test]
    fn finds_resident_numbers() {
        for text in [
            number("800101-123456", 11),
            number("800101123456", 11),
            number("800101 223456", 11),
            number("000229-323456", 11),
            number("850615512345", 13),
            number("050615-812345", 13),
            format!("담당자 홍길동({}), 서울", number("800101-123456", 11)),
            format!("a{}b", number("800101123456", 11)),
            "800101-1234560".into(),
            "800101-1234561".into(),
            "210301-3000001".into(),
            "800101 - 1234561".into(),
            "800101–1234561".into(),
            "８００１０１－１２３４５６１".into(),
            "2026 800101-1234561".into(),
        ] {
            assert!(carries(&text), "{text}");
        }
    }

    #[test]
    fn leaves_everything_else() {
        let checked = number("800101123456", 11);
        let wrong = format!("{}{}", &checked[..12], (checked[12..].parse::<u32>().unwrap() + 1) % 10);
        for text in [
            "",
            wrong.as_str(),
            "130111-0006246",
            "110111-1129497",
            "110111-1707178",
            "1101111129497",
            "124-81-00998",
            "1248100998",
            "801301-1234567",
            "800230-1234567",
            "010229-3234567",
            "800101-0234567",
            "800101-9234567",
            "800101-123456",
            "800101-12345678",
            "1800101-1234567",
            "800101--1234567",
            "800101/1234567",
            "8801234567893",
            "1767225600000",
            "2026-03-02T00:00:00.123456789Z",
            "0198f0a0-7c7e-7aaa-8aaa-012345678901",
            "010-1234-5678",
            "KRW 900000000000",
            "진도 100%",
        ] {
            assert!(!carries(text), "{text}");
        }
    }

    #[test]
    fn points_at_the_text() {
        let text = "800101-1234561";
        for (value, pointer) in [
            (json!(text), Some("")),
            (json!({"a": ["x", {"b/c~": text}]}), Some("/a/1/b~1c~0")),
            (json!({"a": {text: 1}}), Some("/a/800101-1234561")),
            (json!({"a": 8_001_011_234_561_i64, "b": "x"}), None),
        ] {
            let found = find(&value);
            assert_eq!(found.as_deref(), pointer, "{value}");
            if let Some(found) = found {
                assert!(value.pointer(&found).is_some());
            }
        }
    }
}
