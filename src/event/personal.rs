//! Personal data that must not enter a log that cannot forget: text carrying a Korean resident registration number.
//!
//! Publisher and HTTP gateway ask this before they publish. It is a net, not a proof, and admission never uses it: what
//! is already in the stream is recorded as it came. A text is read as a person reads it: digits of any script are digits, and
//! what shows nothing stands between none. The less a place looks like such a number, the more has to agree: only behind six
//! digits and a hyphen does the check digit not count, for numbers given since October 2020 have none.

use serde_json::Value;

/// Two-digit years of the 2000s up to this are birth years; beyond, thirteen digits are a bar code (`880…`).
const YEAR_2000S_MAX: u32 = 49;

/// JSON pointer (RFC 6901) to the first text, or the value of the first key, that carries a resident registration number.
#[must_use]
pub fn find(value: &Value) -> Option<String> {
    walk(value, "")
}

/// The pointer to the find below `value`, which stands under `key`: made on the way back, for there hardly ever is one. Trees
/// come from [`super::json::parse`], which bounds their depth.
fn walk(value: &Value, key: &str) -> Option<String> {
    let carried = match value {
        Value::String(text) => carries(text),
        Value::Array(items) => {
            let mut items = items.iter().enumerate();
            return items.find_map(|(position, item)| Some(format!("/{position}{}", walk(item, "")?)));
        }
        Value::Object(fields) => {
            return fields.iter().find_map(|(key, item)| {
                let below = if carries(key) { String::new() } else { walk(item, key)? };
                Some(format!("/{}{below}", key.replace('~', "~0").replace('/', "~1")))
            });
        }
        // Thirteen digits of won are an amount.
        Value::Number(number) => key != "amount" && is_number(number),
        Value::Null | Value::Bool(_) => false,
    };
    carried.then(String::new)
}

/// Whether a JSON number is one, in whatever way it is written. Round ones are amounts.
fn is_number(number: &serde_json::Number) -> bool {
    let whole = |number: f64| (number.fract() == 0.0 && (0.0..1e13).contains(&number)).then_some(number as u64);
    let Some(number) = number.as_u64().or_else(|| number.as_f64().and_then(whole)) else { return false };
    number % 1_000 != 0 && candidate(&number.to_string().chars().collect::<Vec<_>>(), Joint::Other)
}

/// Whether a name that is written beside a body, such as a subject, holds thirteen digits: none of ours does, and what stands
/// there cannot be withheld.
#[must_use]
pub fn in_name(name: &str) -> bool {
    let mut run = 0;
    for char in name.chars().filter_map(plain).filter(|char| !char.is_ascii_punctuation() && *char != ' ') {
        run = if char.is_ascii_digit() { run + 1 } else { 0 };
        if run == DIGITS {
            return true;
        }
    }
    false
}

/// What stands between the sixth and the seventh digit.
#[derive(Clone, Copy, PartialEq)]
enum Joint {
    /// One hyphen, with a space on either side at most.
    Hyphen,
    /// Nothing, or anything else short.
    Other,
}

/// Digits of a number.
const DIGITS: usize = 13;
/// Characters that may stand between the sixth and the seventh of them.
const JOINT_MAX: usize = 5;

/// Whether a text carries a resident registration number.
#[must_use]
pub fn carries(text: &str) -> bool {
    // Most texts hold fewer than thirteen digits: they end here.
    if text.len() < DIGITS || text.is_ascii() && digits(text.bytes()) < DIGITS {
        return false;
    }
    // Nothing but digits and what may stand between them is part of a number: an id or a time falls into short pieces.
    let part = |char: char| char.is_ascii_digit() || is_between(&char);
    if text.is_ascii() {
        let pieces = text.split(|char| !part(plain(char).unwrap_or(char)));
        return pieces.filter(|piece| digits(piece.bytes()) >= DIGITS).any(|piece| holds(&read(piece)));
    }
    read(text).split(|char| !part(*char)).any(holds)
}

fn digits(bytes: impl Iterator<Item = u8>) -> usize {
    bytes.filter(u8::is_ascii_digit).count()
}

fn read(text: &str) -> Vec<char> {
    text.chars().filter_map(plain).collect()
}

/// Whether a piece of digits and what stands between them holds a number.
fn holds(piece: &[char]) -> bool {
    (0..piece.len()).any(|start| {
        let free = piece[start].is_ascii_digit() && (start == 0 || !piece[start - 1].is_ascii_digit());
        free && (together(&piece[start..]) || apart(piece, start))
    })
}

/// A character as it is read: digits of any script as ASCII, every dash a hyphen, every space a space. `None` for what shows
/// nothing.
fn plain(char: char) -> Option<char> {
    if char.is_ascii() {
        return Some(if char == '\t' { ' ' } else { char });
    }
    let number = u32::from(char);
    let of = |zero: u32| char::from_digit((number - zero) % 10, 10);
    match char {
        '\u{ad}' | '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{ff0d}' | '\u{fe58}' | '\u{fe63}' => Some('-'),
        '\u{a0}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}' | '\u{3000}' => Some(' '),
        // Format characters, marks that stand on others, variation selectors, tags.
        '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{180e}' => None,
        '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{ffa0}' => None,
        '\u{300}'..='\u{36f}' | '\u{20d0}'..='\u{20f0}' | '\u{fe00}'..='\u{fe0f}' | '\u{e0000}'..='\u{e01ef}' => None,
        '\u{b9}' => Some('1'),
        '\u{b2}' | '\u{b3}' => of(0xb0),
        '\u{2070}' | '\u{2074}'..='\u{2079}' => of(0x2070),
        '\u{2080}'..='\u{2089}' => of(0x2080),
        '\u{2460}'..='\u{2468}' => of(0x245f),
        '\u{24ea}' => Some('0'),
        '\u{1d7ce}'..='\u{1d7ff}' => of(0x1d7ce),
        _ => {
            // Each script has its ten in a row.
            let zero = ZEROS.iter().rev().find(|zero| **zero <= number).filter(|zero| number - **zero < 10);
            zero.map_or(Some(char), |zero| of(*zero))
        }
    }
}

/// Zeros of the scripts that have digits of their own (Unicode, general category Nd), in order.
const ZEROS: [u32; 37] = [
    0x660, 0x6f0, 0x7c0, 0x966, 0x9e6, 0xa66, 0xae6, 0xb66, 0xbe6, 0xc66, 0xce6, 0xd66, 0xde6, 0xe50, 0xed0, 0xf20,
    0x1040, 0x1090, 0x17e0, 0x1810, 0x1946, 0x19d0, 0x1a80, 0x1a90, 0x1b50, 0x1bb0, 0x1c40, 0x1c50, 0xa620, 0xa8d0,
    0xa900, 0xa9d0, 0xa9f0, 0xaa50, 0xabf0, 0xff10, 0x1fbf0,
];

fn is_between(char: &char) -> bool {
    char.is_ascii_punctuation() || *char == ' ' || *char == '\u{b7}' || *char == '\u{30fb}'
}

/// Six digits, a joint, seven digits and no more.
fn together(chars: &[char]) -> bool {
    let run = |chars: &[char]| chars.iter().take_while(|char| char.is_ascii_digit()).count();
    if run(chars) == DIGITS {
        return candidate(&chars[..DIGITS], Joint::Other);
    }
    if run(chars) != 6 {
        return false;
    }
    let gap = chars[6..].iter().take_while(|char| is_between(char)).count();
    let rest = &chars[6 + gap..];
    if !(1..=JOINT_MAX).contains(&gap) || run(rest) != 7 {
        return false;
    }
    let joint = &chars[6..6 + gap];
    let hyphens = joint.iter().filter(|char| **char == '-').count();
    let spaces = joint.iter().filter(|char| **char == ' ').count();
    let joint = if gap <= 3 && hyphens == 1 && spaces + 1 == gap { Joint::Hyphen } else { Joint::Other };
    candidate(&[&chars[..6], &rest[..7]].concat(), joint)
}

/// Thirteen digits, one by one, with the same between them; something else may stand after the sixth.
fn apart(chars: &[char], start: usize) -> bool {
    if chars.get(start + 1).is_some_and(char::is_ascii_digit) {
        return false;
    }
    let (mut digits, mut at, mut between) = (vec![chars[start]], start + 1, None);
    loop {
        let gap = chars[at..].iter().take(JOINT_MAX).take_while(|char| is_between(char)).count();
        let next = chars.get(at + gap).filter(|char| gap > 0 && char.is_ascii_digit());
        let Some(next) = next else { break };
        let held: &[char] = &chars[at..at + gap];
        if digits.len() != 6 && *between.get_or_insert(held) != held {
            break;
        }
        digits.push(*next);
        at += gap + 1;
        if digits.len() > DIGITS {
            return false;
        }
    }
    let ends = chars.get(at).is_none_or(|char| !char.is_ascii_digit());
    // A longer row begins before: then this is no number but the rest of a list.
    let begins = between.is_none_or(|held| {
        let before = chars[..start].strip_suffix(held).and_then(<[char]>::last);
        before.is_none_or(|char| !char.is_ascii_digit())
    });
    ends && begins && candidate(&digits, Joint::Other)
}

/// Whether thirteen digits are a person's. Numbers given since October 2020 end in random digits, so a hyphen between a date and
/// a gender digit is enough; without one the check digit has to agree.
fn candidate(chars: &[char], joint: Joint) -> bool {
    let Ok(digits) = <[u32; DIGITS]>::try_from(chars.iter().filter_map(|char| char.to_digit(10)).collect::<Vec<_>>())
    else {
        return false;
    };
    born(&digits) && !is_corporate_number(&digits) && (joint == Joint::Hyphen || checks(&digits))
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
    use proptest::prelude::*;
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
            "900101/1234568".into(),
            "900101 / 1234568".into(),
            "900101.1234568".into(),
            "900101, 1234568".into(),
            "9 0 0 1 0 1 - 1 2 3 4 5 6 8".into(),
            "담당 9 0 0 1 0 1 1 2 3 4 5 6 8.".into(),
            "9-0-0-1-0-1-1-2-3-4-5-6-8".into(),
            "9\u{200b}00101\u{2060}-12\u{feff}34568".into(),
            "900101\u{200b}-\u{200b}1234568".into(),
            "9\u{20e3}0\u{fe0f}01011234568".into(),
            "٩٠٠١٠١-١٢٣٤٥٦٨".into(),
            "۹۰۰۱۰۱۱۲۳۴۵۶۸".into(),
            "𝟗𝟎𝟎𝟏𝟎𝟏-𝟏𝟐𝟑𝟒𝟓𝟔𝟖".into(),
            "𝟿𝟶𝟶𝟷𝟶𝟷𝟷𝟸𝟹𝟺𝟻𝟼𝟾".into(),
            "⁹⁰⁰¹⁰¹-¹²³⁴⁵⁶⁸".into(),
            "⑨⓪⓪①⓪①①②③④⑤⑥⑧".into(),
            "९००१०१-१२३४५६८".into(),
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
            "900101/1234567",
            "130111/0006246",
            "1 3 0 1 1 1 0 0 0 6 2 4 6",
            "9 0 0 1 0 1 1 2 3 4 5 6 7",
            "9 0 0 1 0 1 1 2 3 4 5 6 8 1",
            "1 9 0 0 1 0 1 1 2 3 4 5 6 8",
            "9 0 0 1 0 1 1 2 3 4 5 6 81",
            "260301 건, 251234567 kWh",
            "37.5665350, 126.9779692",
            "٩٠٠١٠١ ١٢٣",
        ] {
            assert!(!carries(text), "{text}");
        }
    }

    proptest! {
        /// A number is found in a piece of a text where it is found in the whole of it.
        #[test]
        fn pieces_hold_what_the_whole_holds(text in "[019-]{0,9}[ .a\u{b7}가\t-]{0,3}[0-9]{0,9}[ x٣-]{0,2}[0-9]{0,7}") {
            prop_assert_eq!(carries(&text), holds(&read(&text)));
        }

        #[test]
        fn pieces_hold_numbers(before in "[a-z0-9 :-]{0,12}", at in 0_usize..13, between in "[ ,/.-]{1,3}", after in "[a-z :-]{0,9}") {
            let mut number = number("900101-123456", 11).replace('-', "");
            number.insert_str(at, &between);
            let text = format!("{before}{number}{after}");
            prop_assert_eq!(carries(&text), holds(&read(&text)));
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
            (json!({"count": 9_001_011_234_568_i64}), Some("/count")),
            (json!({"count": [1, 9_001_011_234_568.0]}), Some("/count/1")),
            (json!({"amount": 9_001_011_234_568_i64}), None),
            (json!({"count": -9_001_011_234_568_i64}), None),
            (json!({"count": 9_001_011_234_568.5}), None),
            (json!({"count": 1_301_110_006_246_i64}), None),
        ] {
            let found = find(&value);
            assert_eq!(found.as_deref(), pointer, "{value}");
            if let Some(found) = found {
                assert!(value.pointer(&found).is_some());
            }
        }
    }

    /// Of what is written at random few are taken for persons: amounts round to thousands none, others three in a thousand.
    #[test]
    fn amounts_are_rarely_persons() {
        let mut state = 88_172_645_463_325_252_u64;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            1_000_000_000_000 + state % 9_000_000_000_000
        };
        let found = (0..10_000).filter(|_| find(&json!(next())).is_some()).count();
        assert!(found < 50, "{found} of 10,000");
        assert!((0..10_000).all(|_| find(&json!(next() / 1_000 * 1_000)).is_none()));
    }

    #[test]
    fn names_hold_no_such_run() {
        for (name, expected) in [
            ("ledger.report.keco.charger.installed.v1", false),
            ("ledger.report.keco.p900101-1234568.v1", true),
            ("ledger.report.keco.x900101.1234568.v1", true),
            ("ledger.report.keco.x9001011234567.v1", true),
            ("ledger.report.a2026.b202611.c23.v1", false),
            ("", false),
        ] {
            assert_eq!(in_name(name), expected, "{name}");
        }
    }
}
