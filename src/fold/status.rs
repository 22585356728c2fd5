//! Status: a pure function of figures and a day in Seoul, never stored.
//!
//! expected = the line from baseline at start to target at due, or the catalogue's path;
//! r = (value − baseline) ÷ (expected − baseline); all in exact integers.

use crate::catalogue::indicator::Indicator;
use crate::event::governance::{Goal, TargetSet};
use crate::event::{Amount, Day};
use crate::limits::REPORT_EVERY_DAYS;

/// Where a commitment stands. Precedence is the order given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// No unit, date, target or definition: shown as that.
    Unmeasurable,
    /// The target is reached; a floor or cap holds.
    Met,
    /// The due date has passed.
    Overdue,
    /// Nothing was reported for longer than `report_every`: silence is not zero.
    NoReport,
    /// The first day lies ahead, or nothing was due to be reported yet.
    NotStarted,
    /// r ≥ 0.95.
    OnTrack,
    /// r ≥ 0.80.
    AtRisk,
    /// Less.
    Behind,
}

/// A status with the numbers behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status {
    /// Code.
    pub code: Code,
    /// Value expected on that day, where a line can be drawn.
    pub expected: Option<Amount>,
    /// r in thousandths, where a line can be drawn.
    pub ratio_permille: Option<i64>,
}

/// What is known about the figure.
#[derive(Debug, Clone, Copy)]
pub struct Known {
    /// The number; `None` where nothing was reported.
    pub value: Option<Amount>,
    /// Day of the newest thing that counts.
    pub last: Option<Day>,
}

/// The status of a figure against one target on a day.
#[must_use]
pub fn status(definition: &Indicator, target: Option<&TargetSet>, known: Known, as_of: Day) -> Status {
    let plain = |code| Status { code, expected: None, ratio_permille: None };
    let Some((target, wanted)) = target.and_then(|target| target.value.map(|value| (target, value))) else {
        return plain(Code::Unmeasurable);
    };
    let standing = target.goal != Goal::Reach;
    if !definition.missing.is_empty() || (target.due.is_none() && !standing) {
        return plain(Code::Unmeasurable);
    }
    let start = start_of(definition, target);
    let line =
        target.due.filter(|_| !standing).and_then(|due| expected(definition, start?, wanted, due.last_day(), as_of));
    let baseline = definition.baseline.as_ref().map_or(Amount::ZERO, |baseline| baseline.value);
    let ratio = line.zip(known.value).and_then(|(line, value)| permille(value, baseline, line));
    let told = |code| Status { code, expected: line, ratio_permille: ratio };
    let holds = known.value.is_some_and(|value| match target.goal {
        Goal::Reach if wanted < baseline => value <= wanted,
        Goal::Reach | Goal::AtLeast => value >= wanted,
        Goal::AtMost => value <= wanted,
    });
    if holds {
        return told(Code::Met);
    }
    if target.due.is_some_and(|due| due.last_day() < as_of) {
        return told(Code::Overdue);
    }
    let patience = i32::from(definition.report_every.unwrap_or(REPORT_EVERY_DAYS));
    let quiet_since = known.last.into_iter().chain(start).max();
    if quiet_since.is_none_or(|since| since.plus(patience) < as_of) {
        return told(Code::NoReport);
    }
    if known.value.is_none() || start.is_some_and(|start| as_of < start) {
        return told(Code::NotStarted);
    }
    if standing {
        return told(Code::Behind);
    }
    told(match ratio {
        Some(ratio) if ratio < 800 => Code::Behind,
        Some(ratio) if ratio < 950 => Code::AtRisk,
        _ => Code::OnTrack,
    })
}

/// First day of the line: as catalogued, the baseline's date, or the first day of the year it is due in.
fn start_of(definition: &Indicator, target: &TargetSet) -> Option<Day> {
    let baseline = definition.baseline.as_ref().and_then(|baseline| baseline.date);
    let stated = definition.start.map(|start| start.first_day()).or(baseline.map(|date| date.last_day()));
    stated.or_else(|| target.due.and_then(|due| Day::from_ymd(due.first_day().ymd().0, 1, 1)))
}

/// Value expected on `as_of`, held at both ends. `None` where the line has no length.
fn expected(definition: &Indicator, start: Day, wanted: Amount, due: Day, as_of: Day) -> Option<Amount> {
    let baseline = definition.baseline.as_ref().map_or(Amount::ZERO, |baseline| baseline.value);
    let mut from = (start, baseline);
    let path = definition.path.iter().map(|point| (point.date.last_day(), point.value));
    for to in path.chain(std::iter::once((due, wanted))).filter(|to| to.0 > start) {
        if as_of <= to.0 {
            return between(from, to, as_of);
        }
        from = to;
    }
    Some(from.1)
}

fn between(from: (Day, Amount), to: (Day, Amount), day: Day) -> Option<Amount> {
    let span = i128::from(to.0.number() - from.0.number());
    let gone = i128::from((day.number() - from.0.number()).max(0));
    if span <= 0 {
        return None;
    }
    // |amount| ≤ 10^30 millionths and days fit 32 bits: the product fits an i128.
    let rise = to.1.checked_sub(from.1)?.millionths().checked_mul(gone)?.div_euclid(span);
    from.1.checked_add(Amount::from_millionths(rise))
}

/// r in thousandths, rounded down; `None` on the first day, when nothing is expected yet.
fn permille(value: Amount, baseline: Amount, expected: Amount) -> Option<i64> {
    let want = expected.checked_sub(baseline)?.millionths();
    let have = value.checked_sub(baseline)?.millionths();
    if want == 0 {
        return None;
    }
    let ratio = have.checked_mul(1_000)?.checked_div(want)?;
    i64::try_from(ratio).ok()
}
