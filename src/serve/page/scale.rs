//! Scales of the charts: days and amounts to thousandths of the drawing, and round numbers for their ticks.

use super::words;
use crate::event::lang::Lang;
use crate::event::{Amount, Day};

/// Both scales of a chart. Positions are thousandths of width and height, from the left and from the top.
#[derive(Debug, Clone, Copy)]
pub struct Scale {
    /// First and last day.
    pub days: (Day, Day),
    /// Lowest and highest amount, in millionths.
    pub amounts: (i128, i128),
}

impl Scale {
    /// Over the given days and amounts, with zero among them and some room above.
    #[must_use]
    pub fn over(days: impl Iterator<Item = Day>, amounts: impl Iterator<Item = Amount>, fallback: Day) -> Self {
        let (mut first, mut last) = (None::<Day>, None::<Day>);
        for day in days {
            first = Some(first.map_or(day, |first| first.min(day)));
            last = Some(last.map_or(day, |last| last.max(day)));
        }
        let (first, last) = (first.unwrap_or(fallback), last.unwrap_or(fallback));
        // A single day is no line: give it a month.
        let last = if last.number() - first.number() < 30 { first.plus(30) } else { last };
        let (mut low, mut high) = (0, 0);
        for amount in amounts {
            low = low.min(amount.millionths());
            high = high.max(amount.millionths());
        }
        if low == 0 && high == 0 {
            high = Amount::from_int(1).millionths();
        }
        let room = high.saturating_sub(low) / 12;
        Scale { days: (first, last), amounts: (low, high.saturating_add(room)) }
    }

    /// Where a day stands; days outside stand at the edge.
    #[must_use]
    pub fn x(&self, day: Day) -> i128 {
        let (first, last) = (i128::from(self.days.0.number()), i128::from(self.days.1.number()));
        ((i128::from(day.number()) - first) * 1_000 / (last - first).max(1)).clamp(0, 1_000)
    }

    /// Where an amount stands.
    #[must_use]
    pub fn y(&self, amount: Amount) -> i128 {
        let (low, high) = self.amounts;
        let span = high.saturating_sub(low).max(1);
        let above = amount.millionths().saturating_sub(low).clamp(0, span);
        // Dividing first only where the product would leave the range.
        1_000 - above.checked_mul(1_000).map_or_else(|| above / (span / 1_000).max(1), |product| product / span)
    }

    /// Three to five round amounts.
    #[must_use]
    pub fn amount_ticks(&self) -> Vec<Amount> {
        let (low, high) = self.amounts;
        let rough = (high.saturating_sub(low) / 4).max(1);
        let power = 10_i128.pow(rough.checked_ilog10().unwrap_or(0));
        let step = [1, 2, 5, 10].into_iter().map(|times| times * power).find(|step| *step >= rough).unwrap_or(power);
        let first = low / step;
        (first..=high / step).map(|at| Amount::from_millionths(at * step)).take(8).collect()
    }

    /// At most five first days of months, quarters or years, with what to write there.
    #[must_use]
    pub fn day_ticks(&self, lang: Lang) -> Vec<(Day, String)> {
        let (first, last) = self.days;
        let (year, month, _) = first.ymd();
        let months = (last.number() - first.number()) / 30 + 1;
        let step = [1, 2, 3, 6, 12, 24, 60, 120].into_iter().find(|step| months / step <= 4).unwrap_or(240);
        let index = i32::from(year) * 12 + i32::from(month) - 1;
        let mut at = index.div_euclid(step) * step;
        let mut ticks = Vec::new();
        while ticks.len() < 6 {
            let (year, month) = (i16::try_from(at.div_euclid(12)), i8::try_from(at.rem_euclid(12) + 1));
            let day = year.ok().zip(month.ok()).and_then(|(year, month)| Day::from_ymd(year, month, 1));
            match day {
                Some(day) if day > last => break,
                Some(day) if day >= first => ticks.push((day, said(day, step, ticks.is_empty(), lang))),
                Some(_) => {}
                None => break,
            }
            at += step;
        }
        ticks
    }
}

/// A tick: the year where only years are marked, else the month, with its year on the first and on every January.
fn said(day: Day, step: i32, first: bool, lang: Lang) -> String {
    let (year, month, _) = day.ymd();
    match (step % 12, lang) {
        (0, _) => year.to_string(),
        (_, Lang::Ko) if first || month == 1 => format!("{:02}년\u{a0}{month}월", year.rem_euclid(100)),
        (_, Lang::Ko) => format!("{month}월"),
        (_, Lang::En) if first || month == 1 => format!("{}\u{a0}{year}", words::month_name(month)),
        (_, Lang::En) => words::month_name(month).to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> Day {
        Day::parse(text).unwrap()
    }

    #[test]
    fn ticks_are_few_and_round() {
        for (from, to, high, amounts, days) in [
            ("2026-01-01", "2026-12-31", 71_450, "0 20000 40000 60000", "Jan\u{a0}2026 Apr Jul Oct"),
            ("2025-12-31", "2030-12-31", 500, "0 200 400", "2026 2028 2030"),
            ("2026-11-01", "2026-11-01", 1, "0 0.5 1", "Nov\u{a0}2026 Dec"),
            ("2026-01-01", "2026-06-30", 0, "0 0.5 1", "Jan\u{a0}2026 Mar May"),
        ] {
            let all = [Amount::from_int(high)];
            let scale = Scale::over([day(from), day(to)].into_iter(), all.into_iter(), day(from));
            let said: Vec<String> = scale.amount_ticks().iter().map(Amount::to_string).collect();
            assert_eq!(said.join(" "), amounts, "{from} {to}");
            let said: Vec<String> = scale.day_ticks(Lang::En).into_iter().map(|(_, word)| word).collect();
            assert_eq!(said.join(" "), days, "{from} {to}");
        }
    }

    #[test]
    fn nothing_leaves_the_drawing() {
        let largest = [Amount::from_millionths(i128::MAX), Amount::from_millionths(-i128::MAX), Amount::ZERO];
        let days = [day("2000-01-01"), day("2999-12-31")];
        let scale = Scale::over(days.into_iter(), largest.into_iter(), days[0]);
        for amount in largest {
            assert!((0..=1_000).contains(&scale.y(amount)), "{amount}");
        }
        assert_eq!((scale.x(days[0]), scale.x(days[1])), (0, 1_000));
        assert!(scale.amount_ticks().len() <= 8 && scale.day_ticks(Lang::Ko).len() <= 6);
        let none = Scale::over(std::iter::empty(), std::iter::empty(), days[0]);
        assert_eq!(none.x(days[0]), 0);
    }
}
