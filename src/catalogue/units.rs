//! Amounts said in both languages: `7만 1,450기` and `71,450`, `약 9,000억 원` and `about KRW 900bn`.
//!
//! Every digit stays: nothing here rounds. English shortens money to m, bn or tn only where that is exact to at most
//! three decimals.

use super::indicator::Unit;
use crate::event::{Amount, Text};
use crate::limits::AMOUNT_SCALE;

const UNIT: u128 = 10_u128.pow(AMOUNT_SCALE);
/// Korean groups by ten thousands. 24 integer digits end within 해.
const GROUPS: [&str; 8] = ["", "만", "억", "조", "경", "해", "자", "양"];
/// Whole units in a million, billion, trillion; the largest that is exact is taken.
const SHORT: [(u128, &str); 3] = [(1_000_000_000_000, "tn"), (1_000_000_000, "bn"), (1_000_000, "m")];

/// An amount in its unit, in both languages.
#[must_use]
pub fn say(amount: Amount, unit: Option<&Unit>, approximate: bool) -> Text {
    let (about_ko, about_en) = if approximate { ("약 ", "about ") } else { ("", "") };
    Text { ko: format!("{about_ko}{}", say_ko(amount, unit)), en: format!("{about_en}{}", say_en(amount, unit)) }
}

/// A point on a line is no report: its fraction tells nothing once the number is large.
#[must_use]
pub fn rounded(expected: Amount) -> Amount {
    let whole = Amount::from_int(1).millionths();
    if expected.millionths().abs() < whole * 100 {
        return expected;
    }
    Amount::from_millionths(expected.millionths() / whole * whole)
}

/// The same to three leading digits, for a glance: 64,187.225274 becomes 64,200.
#[must_use]
pub fn rough(amount: Amount) -> Amount {
    let size = amount.millionths().unsigned_abs();
    let digits = size.checked_ilog10().unwrap_or(0);
    let step = 10_i128.pow(digits.saturating_sub(2));
    let half = amount.millionths().signum() * step / 2;
    Amount::from_millionths((amount.millionths() + half) / step * step)
}

/// Digits grouped by 만, 억, 조: `7만 1,450`, `9,000억`, `-1만 0.5`.
#[must_use]
pub fn korean(amount: Amount) -> String {
    let (sign, mut whole, fraction) = split(amount);
    let mut groups = Vec::new();
    for name in GROUPS {
        let group = whole % 10_000;
        whole /= 10_000;
        if group > 0 {
            groups.push(format!("{}{name}", commas(group)));
        }
    }
    groups.reverse();
    if !fraction.is_empty() {
        // The fraction belongs to the ones: without ones a zero carries it.
        let ones = groups.last().is_some_and(|group| group.ends_with(|letter: char| letter.is_ascii_digit()));
        if ones {
            groups.last_mut().into_iter().for_each(|group| group.push_str(&fraction));
        } else {
            groups.push(format!("0{fraction}"));
        }
    }
    if groups.is_empty() { "0".into() } else { format!("{sign}{}", groups.join(" ")) }
}

/// Digits grouped by thousands: `71,450`, `-1,234.5`.
#[must_use]
pub fn english(amount: Amount) -> String {
    let (sign, whole, fraction) = split(amount);
    format!("{sign}{}{fraction}", commas(whole))
}

fn say_ko(amount: Amount, unit: Option<&Unit>) -> String {
    let digits = korean(amount);
    let Some(unit) = unit else { return digits };
    // 9,000억 원, 400만 대, but 1,450기: a counter stands apart from a word and close to a digit.
    let gap = if digits.ends_with(|letter: char| letter.is_ascii_digit()) { "" } else { " " };
    format!("{digits}{gap}{}", unit.label.ko)
}

fn say_en(amount: Amount, unit: Option<&Unit>) -> String {
    match unit {
        Some(Unit { currency: Some(currency), .. }) => format!("{currency} {}", shortened(amount)),
        Some(unit) if unit.code == "percent" => format!("{}%", english(amount)),
        // Titles say what is counted; a multiple and a rate are told by their unit alone.
        Some(unit) if unit.code == "ratio" || unit.code.contains('/') => {
            format!("{} {}", english(amount), unit.label.en)
        }
        _ => english(amount),
    }
}

fn shortened(amount: Amount) -> String {
    let size = amount.millionths().unsigned_abs();
    for (scale, name) in SHORT {
        // In thousandths of the short unit, so that three decimals are whole numbers.
        let thousandth = scale / 1_000 * UNIT;
        if size >= scale * UNIT && size.is_multiple_of(thousandth) {
            let shorter = i128::try_from(size / thousandth * (UNIT / 1_000)).unwrap_or(i128::MAX);
            let sign = amount.millionths().signum();
            return format!("{}{name}", english(Amount::from_millionths(sign * shorter)));
        }
    }
    english(amount)
}

/// Sign, whole part, and the fraction with its point (empty where there is none).
fn split(amount: Amount) -> (&'static str, u128, String) {
    let size = amount.millionths().unsigned_abs();
    let sign = if amount.millionths() < 0 { "-" } else { "" };
    let fraction = size % UNIT;
    let digits = format!("{fraction:06}");
    let fraction = if fraction == 0 { String::new() } else { format!(".{}", digits.trim_end_matches('0')) };
    (sign, size / UNIT, fraction)
}

fn commas(whole: u128) -> String {
    let digits = whole.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn unit(code: &str, ko: &str) -> Unit {
        let currency =
            (code.len() == 3 && code.chars().all(|letter| letter.is_ascii_uppercase())).then(|| code.to_owned());
        Unit { code: code.into(), currency, label: Text { ko: ko.into(), en: code.into() } }
    }

    #[test]
    fn a_glance_takes_three_digits() {
        for (exact, glance) in [
            ("64187.225274", "64200"),
            ("66747527472.52747", "66700000000"),
            ("0.898351", "0.898"),
            ("-1995", "-2000"),
            ("12", "12"),
            ("0", "0"),
            ("0.000001", "0.000001"),
        ] {
            assert_eq!(rough(Amount::parse(exact).unwrap()).to_string(), glance, "{exact}");
        }
    }

    #[test]
    fn amounts_are_said_in_both_languages() {
        let table = [
            ("71450", "charger", "기", false, "7만 1,450기", "71,450"),
            ("71000", "charger", "기", false, "7만 1,000기", "71,000"),
            ("70000", "charger", "기", false, "7만 기", "70,000"),
            ("12", "charger", "기", false, "12기", "12"),
            ("0", "charger", "기", false, "0기", "0"),
            ("-10500", "charger", "기", false, "-1만 500기", "-10,500"),
            ("4000000", "vehicle/year", "대/년", false, "400만 대/년", "4,000,000 vehicle/year"),
            ("900000000000", "KRW", "원", true, "약 9,000억 원", "about KRW 900bn"),
            ("180000000000", "KRW", "원", false, "1,800억 원", "KRW 180bn"),
            ("74300000000", "KRW", "원", false, "743억 원", "KRW 74.3bn"),
            ("545700000000", "KRW", "원", false, "5,457억 원", "KRW 545.7bn"),
            ("200000000000", "USD", "달러", false, "2,000억 달러", "USD 200bn"),
            ("36050000000", "USD", "달러", false, "360억 5,000만 달러", "USD 36.05bn"),
            ("1000000", "KRW", "원", false, "100만 원", "KRW 1m"),
            ("999999", "KRW", "원", false, "99만 9,999원", "KRW 999,999"),
            ("2000000000000", "KRW", "원", false, "2조 원", "KRW 2tn"),
            ("1234500000000", "KRW", "원", false, "1조 2,345억 원", "KRW 1,234.5bn"),
            ("1234567", "KRW", "원", false, "123만 4,567원", "KRW 1,234,567"),
            ("1234000", "KRW", "원", false, "123만 4,000원", "KRW 1.234m"),
            ("-1500000000", "USD", "달러", false, "-15억 달러", "USD -1.5bn"),
            ("10000.5", "KRW", "원", false, "1만 0.5원", "KRW 10,000.5"),
            ("71450.25", "charger", "기", false, "7만 1,450.25기", "71,450.25"),
            ("1.3", "ratio", "배", false, "1.3배", "1.3 ratio"),
            ("1.4", "percent", "%", false, "1.4%", "1.4%"),
            (
                "999999999999999999999999.999999",
                "KRW",
                "원",
                false,
                "9,999해 9,999경 9,999조 9,999억 9,999만 9,999.999999원",
                "KRW 999,999,999,999,999,999,999,999.999999",
            ),
        ];
        for (amount, code, label, approximate, ko, en) in table {
            let said = say(Amount::parse(amount).unwrap(), Some(&unit(code, label)), approximate);
            assert_eq!((said.ko.as_str(), said.en.as_str()), (ko, en), "{amount} {code}");
        }
        let bare = say(Amount::from_int(71450), None, true);
        assert_eq!((bare.ko.as_str(), bare.en.as_str()), ("약 7만 1,450", "about 71,450"));
    }

    /// Reads back what [`korean`] and [`shortened`] write, to millionths.
    fn read(text: &str) -> i128 {
        let (sign, text) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
        let scale = |word: &str| match word {
            "m" => 10_i128.pow(6),
            "bn" => 10_i128.pow(9),
            "tn" => 10_i128.pow(12),
            word => 10_000_i128.pow(u32::try_from(GROUPS.iter().position(|group| *group == word).unwrap()).unwrap()),
        };
        let part = |part: &str| {
            let end =
                part.find(|letter: char| !letter.is_ascii_digit() && !",.".contains(letter)).unwrap_or(part.len());
            Amount::parse(&part[..end].replace(',', "")).unwrap().millionths() * scale(&part[end..])
        };
        sign * text.split(' ').map(part).sum::<i128>()
    }

    proptest! {
        #[test]
        fn no_digit_is_lost(millionths in -10_i128.pow(30) + 1..10_i128.pow(30), zeros in 0_u32..24) {
            let round = 10_i128.pow(zeros);
            let amount = Amount::from_millionths(millionths / round * round);
            prop_assert_eq!(read(&korean(amount)), amount.millionths());
            prop_assert_eq!(read(&shortened(amount)), amount.millionths());
            prop_assert_eq!(read(&english(amount)), amount.millionths());
        }
    }
}
