//! Words of the page in both languages: areas, statuses, dates and times as people write them.

use crate::catalogue::indicator::FoldKind;
use crate::catalogue::units;
use crate::event::lang::Lang;
use crate::event::{Amount, Date, Day, Precision, Text, Time};
use crate::fold::status::Code;
use crate::serve::problem::text;
use crate::store::progress::view::{FigureView, IndicatorView, TargetState};
use crate::store::progress::word;

/// The statuses in the order in which they ask for attention.
pub const BY_URGENCY: [Code; 8] = [
    Code::Overdue,
    Code::Behind,
    Code::NoReport,
    Code::AtRisk,
    Code::OnTrack,
    Code::NotStarted,
    Code::Met,
    Code::Unmeasurable,
];

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const MINUTE_NS: i64 = 60_000_000_000;

/// An area by its code; the code itself where the catalogue has one that this binary does not know.
#[must_use]
pub fn area(code: &str) -> Text {
    let (ko, en) = match code {
        "region" => ("지역 성장", "Regional growth"),
        "ai" => ("산업 AI", "Industrial AI"),
        "chips" => ("반도체", "Semiconductors"),
        "battery" => ("배터리", "Batteries"),
        "cars" => ("자동차", "Cars"),
        "ships" => ("조선", "Shipbuilding"),
        "defence" => ("방위산업", "Defence industry"),
        "trade" => ("통상·투자", "Trade and investment"),
        "reform" => ("조직 혁신", "Ministry reform"),
        _ => (code, code),
    };
    text(ko, en)
}

/// The word of a status code, where it is known.
#[must_use]
pub fn status(code: &str, lang: Lang) -> String {
    let known = serde_json::from_value::<Code>(code.into());
    known.map_or_else(|_| code.to_owned(), |known| lang.of(&word(known).1).to_owned())
}

/// The word of a status beside a figure: where there is one, what is missing is a recent report.
#[must_use]
pub fn standing(code: &str, figure: &FigureView, lang: Lang) -> String {
    if code == "no_report" && figure.value.is_some() {
        return lang.pick("최근 보고 없음", "no recent report").to_owned();
    }
    status(code, lang)
}

/// The same of a whole: what was said of another period is no report of the one that counts.
#[must_use]
pub fn standing_of(view: &IndicatorView, lang: Lang) -> String {
    let wanted = view.target().and_then(|target| target.period.as_deref());
    match wanted {
        Some(period) if view.status.code == "no_report" && view.figure_period.as_deref() != Some(period) => {
            let said = Date::parse(period).map_or_else(|_| period.to_owned(), |date| self::date(date, lang));
            if lang == Lang::Ko { format!("{said} 보고 없음") } else { format!("no report for {said}") }
        }
        _ => standing(&view.status.code, &view.figure, lang),
    }
}

/// Where the line to the target should be, as precisely as that says something: things in tenths, else three leading digits.
#[must_use]
pub fn expected(expected: Amount, view: &IndicatorView, lang: Lang) -> String {
    let tenth = Amount::from_int(1).millionths() / 10;
    let rough = match view.fold {
        FoldKind::Distinct | FoldKind::Stage if expected < Amount::from_int(100) => {
            Amount::from_millionths((expected.millionths() + tenth / 2) / tenth * tenth)
        }
        _ => units::rough(expected),
    };
    amount(rough, view, lang)
}

/// A number short enough for an axis or a tile; tables have all its digits.
#[must_use]
pub fn short(value: Amount, lang: Lang) -> String {
    let whole = value.millionths() / Amount::from_int(1).millionths();
    let steps: &[(i128, &str)] = match lang {
        Lang::Ko => &[(1_000_000_000_000, "조"), (100_000_000, "억"), (10_000, "만")],
        Lang::En => &[(1_000_000_000_000, "tn"), (1_000_000_000, "bn"), (1_000_000, "m"), (10_000, "k")],
    };
    let Some((step, name)) = steps.iter().find(|(step, _)| whole >= *step) else {
        return units::english(Amount::from_millionths(whole * Amount::from_int(1).millionths()));
    };
    // Ten thousand is written in thousands in English: the step says from where on.
    let unit = if *name == "k" { 1_000 } else { *step };
    let tenths = whole * 10 / unit;
    if tenths < 1_000 && tenths % 10 != 0 {
        format!("{}.{}{name}", tenths / 10, tenths % 10)
    } else {
        format!("{}{name}", tenths / 10)
    }
}

/// What an agency expects of itself.
#[must_use]
pub fn outlook(code: &str, lang: Lang) -> &str {
    match code {
        "on-track" => lang.pick("정상", "on track"),
        "at-risk" => lang.pick("주의", "at risk"),
        "behind" => lang.pick("지연", "behind"),
        other => other,
    }
}

/// A verdict of admission.
#[must_use]
pub fn verdict(word: &str, lang: Lang) -> &str {
    match word {
        "accepted" => lang.pick("접수", "accepted"),
        "duplicate" => lang.pick("중복", "duplicate"),
        "refused" => lang.pick("반려", "refused"),
        other => other,
    }
}

/// `2026. 11. 24.` · `24 Nov 2026`, with spaces that no line breaks at.
#[must_use]
pub fn day(day: Day, lang: Lang) -> String {
    let (year, month, date) = day.ymd();
    match lang {
        Lang::Ko => format!("{year}.\u{a0}{month}.\u{a0}{date}."),
        Lang::En => format!("{date}\u{a0}{}\u{a0}{year}", month_name(month)),
    }
}

/// `Nov`
#[must_use]
pub fn month_name(month: i8) -> &'static str {
    usize::try_from(month - 1).ok().and_then(|at| MONTHS.get(at)).copied().unwrap_or("")
}

/// A date in the precision it was stated in: `2026년 상반기` · `first half of 2026`.
#[must_use]
pub fn date(date: Date, lang: Lang) -> String {
    let (year, month, _) = date.first_day().ymd();
    match (date.precision(), lang) {
        (Precision::Day, _) => day(date.first_day(), lang),
        (Precision::Month, Lang::Ko) => format!("{year}년 {month}월"),
        (Precision::Month, Lang::En) => format!("{} {year}", month_name(month)),
        (Precision::Quarter, Lang::Ko) => format!("{year}년 {}분기", (month - 1) / 3 + 1),
        (Precision::Quarter, Lang::En) => format!("Q{} {year}", (month - 1) / 3 + 1),
        (Precision::Half, Lang::Ko) => format!("{year}년 {}", if month < 7 { "상반기" } else { "하반기" }),
        (Precision::Half, Lang::En) => format!("{} half of {year}", if month < 7 { "first" } else { "second" }),
        (Precision::Year, Lang::Ko) => format!("{year}년"),
        (Precision::Year, Lang::En) => year.to_string(),
    }
}

/// A long word with a place where a narrow box may break it (a soft hyphen).
#[must_use]
pub fn breaking(word: &str) -> String {
    word.replace("unmeasurable", "unmeasur\u{ad}able")
}

/// With its first letter as at the beginning of a heading.
#[must_use]
pub fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// Hour and minute in Seoul: `14:03`.
#[must_use]
pub fn clock(time: Time) -> String {
    let minutes = (time.ns() - time.day().start().ns()).div_euclid(MINUTE_NS);
    format!("{:02}:{:02}", minutes / 60, minutes % 60)
}

/// Day and clock in Seoul.
#[must_use]
pub fn moment(time: Time, lang: Lang) -> String {
    format!("{} {}", day(time.day(), lang), clock(time))
}

/// How long before `now` a day was: freshness in days, for a day is what figures are asked by.
#[must_use]
pub fn ago(then: Day, now: Day, lang: Lang) -> String {
    match (now.number() - then.number(), lang) {
        (..=-1, Lang::Ko) => "앞날".to_owned(),
        (..=-1, Lang::En) => "ahead".to_owned(),
        (0, Lang::Ko) => "오늘".to_owned(),
        (0, Lang::En) => "today".to_owned(),
        (1, Lang::Ko) => "어제".to_owned(),
        (1, Lang::En) => "yesterday".to_owned(),
        (days, Lang::Ko) => format!("{days}일\u{a0}전"),
        (days, Lang::En) => format!("{days}\u{a0}days\u{a0}ago"),
    }
}

/// The due date as read, and as printed where that differs.
#[must_use]
pub fn due(target: &TargetState, lang: Lang) -> String {
    match (&target.due_as_printed, target.due) {
        (Some(printed), Some(due)) => match lang {
            Lang::Ko => format!("{} (원문 “{printed}”)", date(due, lang)),
            Lang::En => format!("{} (printed “{printed}”)", date(due, lang)),
        },
        (Some(printed), None) => format!("“{printed}”"),
        (None, Some(due)) => date(due, lang),
        (None, None) => lang.pick("기한 없음", "no date").to_owned(),
    }
}

/// An amount in the indicator's unit.
#[must_use]
pub fn amount(value: Amount, view: &IndicatorView, lang: Lang) -> String {
    lang.of(&units::say(value, view.unit.as_ref(), false)).to_owned()
}

/// What weakens a figure, each with the reports it concerns.
#[must_use]
pub fn marks(figure: &FigureView, lang: Lang) -> Vec<String> {
    let counted = [
        (figure.approximate, lang.pick("어림값", "approximate")),
        (figure.provisional, lang.pick("잠정", "provisional")),
        (figure.disputed, lang.pick("이의 제기", "disputed")),
    ];
    let said = |(count, word): (i64, &str)| match (count, lang) {
        (..=0, _) => None,
        (1, _) if figure.reports <= 1 => Some(word.to_owned()),
        (_, Lang::Ko) => Some(format!("{word} {count}건")),
        (_, Lang::En) => Some(format!("{word}: {count}")),
    };
    counted.into_iter().filter_map(said).collect()
}

/// What is missing to measure a commitment, in a word.
#[must_use]
pub fn missing(what: &str, lang: Lang) -> &str {
    match what {
        "unit" => lang.pick("단위", "unit"),
        "date" => lang.pick("기한", "date"),
        "target" => lang.pick("목표값", "target"),
        "definition" => lang.pick("정의", "definition"),
        "baseline" => lang.pick("기준값", "baseline"),
        other => other,
    }
}

/// As a sentence: a capital at its beginning, a full stop at its end.
#[must_use]
pub fn sentence(said: &str) -> String {
    let stop = if said.ends_with(['.', '!', '?']) { "" } else { "." };
    format!("{}{stop}", capital(said))
}

/// Whether a text holds Hangul: on an English page it is marked as Korean for screen readers.
#[must_use]
pub fn is_korean(text: &str) -> bool {
    text.chars().any(|char| matches!(char, '\u{ac00}'..='\u{d7a3}'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_said_in_their_precision() {
        for (stated, ko, en) in [
            ("2026-12-31", "2026.\u{a0}12.\u{a0}31.", "31\u{a0}Dec\u{a0}2026"),
            ("2026-06", "2026년 6월", "Jun 2026"),
            ("2026-Q4", "2026년 4분기", "Q4 2026"),
            ("2026-H1", "2026년 상반기", "first half of 2026"),
            ("2026-H2", "2026년 하반기", "second half of 2026"),
            ("2034", "2034년", "2034"),
        ] {
            let stated = Date::parse(stated).unwrap();
            assert_eq!((date(stated, Lang::Ko).as_str(), date(stated, Lang::En).as_str()), (ko, en));
        }
    }

    #[test]
    fn times_are_those_of_seoul() {
        for (time, ko) in
            [("2026-11-23T15:00:00Z", "2026. 11. 24. 00:00"), ("2026-11-23T14:59:59.9Z", "2026. 11. 23. 23:59")]
        {
            assert_eq!(moment(Time::parse(time).unwrap(), Lang::Ko).replace('\u{a0}', " "), ko);
        }
    }

    #[test]
    fn numbers_fit_a_tile() {
        for (value, ko, en) in [
            (0, "0", "0"),
            (-7, "-7", "-7"),
            (1_450, "1,450", "1,450"),
            (12_345, "1.2만", "12.3k"),
            (65_000_000, "6500만", "65m"),
            (2_300_000_000, "23억", "2.3bn"),
        ] {
            let value = Amount::from_int(value);
            assert_eq!((short(value, Lang::Ko).as_str(), short(value, Lang::En).as_str()), (ko, en));
        }
    }

    #[test]
    fn what_failed_is_a_sentence() {
        for (said, sentence_of) in [
            ("there is no commitment ‘none’", "There is no commitment ‘none’."),
            ("날짜여야 합니다", "날짜여야 합니다."),
            ("없습니다.", "없습니다."),
        ] {
            assert_eq!(sentence(said), sentence_of);
        }
    }

    #[test]
    fn freshness_is_counted_in_days() {
        let now = Day::parse("2026-03-01").unwrap();
        for (then, ko, en) in [
            ("2026-03-01", "오늘", "today"),
            ("2026-02-28", "어제", "yesterday"),
            ("2026-01-01", "59일\u{a0}전", "59\u{a0}days\u{a0}ago"),
            ("2026-03-02", "앞날", "ahead"),
        ] {
            let then = Day::parse(then).unwrap();
            assert_eq!((ago(then, now, Lang::Ko).as_str(), ago(then, now, Lang::En).as_str()), (ko, en));
        }
    }
}
