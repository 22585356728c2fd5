//! Query parameters: every name known, every value parsed once. What is not understood is refused, never ignored.

use super::follow::Wanted;
use super::problem::Problem;
use super::source::{Ask, AskEntries, AskEvents, AskSeries, Known};
use crate::event::{Day, Time};
use crate::limits::PAGE_ROWS_MAX;

/// The pairs of a query string.
pub type Pairs = Vec<(String, String)>;

/// Refuses names that are not in `known` and names given twice.
///
/// # Errors
/// [`Problem`].
pub fn only(pairs: &Pairs, known: &[&str]) -> Result<(), Problem> {
    for (at, (name, _)) in pairs.iter().enumerate() {
        let shown: String = name.chars().take(40).collect();
        if !known.contains(&name.as_str()) {
            let list = known.join(", ");
            return Err(Problem::parameter(
                &shown,
                &format!("없는 이름입니다 (가능: {list})"),
                &format!("unknown (known: {list})"),
            ));
        }
        if pairs[..at].iter().any(|(before, _)| before == name) {
            return Err(Problem::parameter(&shown, "두 번 주어졌습니다", "given twice"));
        }
    }
    Ok(())
}

fn value<'a>(pairs: &'a Pairs, name: &str) -> Option<&'a str> {
    pairs.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
}

/// `as_of`, `known_at` and `at_least`.
///
/// # Errors
/// [`Problem`].
pub fn moment(pairs: &Pairs) -> Result<(Ask, Option<u64>), Problem> {
    moment_with(pairs, &[])
}

/// As [`moment`], beside other names.
fn moment_with(pairs: &Pairs, more: &[&str]) -> Result<(Ask, Option<u64>), Problem> {
    let mut known = vec!["as_of", "known_at", "at_least"];
    known.extend(more);
    only(pairs, &known)?;
    let known_at = value(pairs, "known_at").map(|text| {
        whole(text).map(Known::Size).or_else(|| time(text).map(Known::Time)).ok_or_else(|| {
            Problem::parameter(
                "known_at",
                "2026-07-01T00:00:00+09:00 같은 시각(+는 %2B로) 또는 로그 크기여야 합니다",
                "must be a time such as 2026-07-01T00:00:00Z (write + as %2B), or a log size",
            )
        })
    });
    Ok((Ask { as_of: day(pairs, "as_of")?, known_at: known_at.transpose()? }, number(pairs, "at_least")?))
}

fn day(pairs: &Pairs, name: &str) -> Result<Option<Day>, Problem> {
    let parse = |text: &str| {
        Day::parse(text).map_err(|_| {
            Problem::parameter(name, "2026-06-30 같은 날짜여야 합니다", "must be a date such as 2026-06-30")
        })
    };
    value(pairs, name).map(parse).transpose()
}

/// A whole number that every client can hold: up to 2^63 - 1.
fn whole(text: &str) -> Option<u64> {
    text.parse().ok().filter(|number| i64::try_from(*number).is_ok())
}

/// A time; one before or after all that a ledger can hold is as the first or last it can.
fn time(text: &str) -> Option<Time> {
    if let Ok(time) = Time::parse(text) {
        return Some(time);
    }
    let (year, rest) = (text.get(..4)?.parse::<u16>().ok()?, text.get(4..)?);
    // The same day and hour of a year that fits tells whether the rest is a time at all.
    let leap =
        if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) { 2000 } else { 2001 };
    Time::parse(&format!("{leap}{rest}")).ok()?;
    Some(Time::from_ns(if year < 2000 { i64::MIN } else { i64::MAX }))
}

/// `path`, or `part` for the series of a part. Of a part there is nothing further: both together name no series.
fn path(pairs: &Pairs) -> Option<String> {
    let path = value(pairs, "path").map(str::to_owned);
    match value(pairs, "part") {
        Some(part) => Some(path.map_or_else(|| format!("part/{part}"), |path| format!("part/{part}/{path}"))),
        None => path,
    }
}

/// `order`: whether newest first.
fn newest_first(pairs: &Pairs) -> Result<bool, Problem> {
    match value(pairs, "order") {
        None | Some("asc") => Ok(false),
        Some("desc") => Ok(true),
        Some(_) => Err(Problem::parameter("order", "asc 또는 desc여야 합니다", "must be asc or desc")),
    }
}

/// Parameters of a series, beside [`moment`].
///
/// # Errors
/// [`Problem`].
pub fn series(pairs: &Pairs) -> Result<(Ask, Option<u64>, AskSeries), Problem> {
    let (ask, at_least) = moment_with(pairs, &["path", "part", "from", "to"])?;
    Ok((ask, at_least, AskSeries { path: path(pairs), from: day(pairs, "from")?, to: day(pairs, "to")? }))
}

/// Parameters of the events behind a figure, beside [`moment`].
///
/// # Errors
/// [`Problem`].
pub fn events(pairs: &Pairs) -> Result<(Ask, Option<u64>, AskEvents), Problem> {
    let (ask, at_least) = moment_with(pairs, &["path", "part", "cursor", "limit", "order"])?;
    let which = AskEvents {
        path: path(pairs),
        cursor: number(pairs, "cursor")?,
        newest_first: newest_first(pairs)?,
        limit: limit(pairs)?,
    };
    Ok((ask, at_least, which))
}

/// Parameters of a page of entries, and `at_least`.
///
/// # Errors
/// [`Problem`].
pub fn entries(pairs: &Pairs) -> Result<(Option<u64>, AskEntries), Problem> {
    only(pairs, &["from", "limit", "order", "agency", "indicator", "verdict", "at_least"])?;
    let verdict = value(pairs, "verdict").map(str::to_owned);
    if verdict.as_deref().is_some_and(|verdict| !["accepted", "duplicate", "refused"].contains(&verdict)) {
        let (ko, en) =
            ("accepted, duplicate, refused 가운데 하나여야 합니다", "must be accepted, duplicate or refused");
        return Err(Problem::parameter("verdict", ko, en));
    }
    let which = AskEntries {
        from: number(pairs, "from")?,
        limit: limit(pairs)?,
        newest_first: newest_first(pairs)?,
        agency: value(pairs, "agency").map(str::to_owned),
        indicator: value(pairs, "indicator").map(str::to_owned),
        verdict,
    };
    Ok((number(pairs, "at_least")?, which))
}

/// A whole number.
///
/// # Errors
/// [`Problem`].
pub fn number(pairs: &Pairs, name: &str) -> Result<Option<u64>, Problem> {
    let parse = |text: &str| {
        whole(text)
            .ok_or_else(|| Problem::parameter(name, "0 이상의 정수여야 합니다", "must be a whole number, not negative"))
    };
    value(pairs, name).map(parse).transpose()
}

/// `at_least` alone.
///
/// # Errors
/// [`Problem`].
pub fn at_least(pairs: &Pairs) -> Result<Option<u64>, Problem> {
    only(pairs, &["at_least"])?;
    number(pairs, "at_least")
}

/// Takes `bom` away: whether a table begins with a byte order mark.
///
/// # Errors
/// [`Problem`].
pub fn take_bom(pairs: &mut Pairs) -> Result<bool, Problem> {
    let bom = value(pairs, "bom").map(str::to_owned);
    if pairs.iter().filter(|(name, _)| name == "bom").count() > 1 {
        return Err(Problem::parameter("bom", "두 번 주어졌습니다", "given twice"));
    }
    pairs.retain(|(name, _)| name != "bom");
    match bom.as_deref() {
        None | Some("0") => Ok(false),
        Some("1") => Ok(true),
        Some(_) => Err(Problem::parameter("bom", "0 또는 1이어야 합니다", "must be 0 or 1")),
    }
}

/// `from` and `limit` of a page, beside `at_least`.
///
/// # Errors
/// [`Problem`].
pub fn page(pairs: &Pairs) -> Result<(u64, usize), Problem> {
    only(pairs, &["from", "limit", "at_least"])?;
    Ok((number(pairs, "from")?.unwrap_or(0), limit(pairs)?))
}

fn limit(pairs: &Pairs) -> Result<usize, Problem> {
    let limit = number(pairs, "limit")?.unwrap_or(100);
    let limit = usize::try_from(limit).ok().filter(|limit| (1..=PAGE_ROWS_MAX).contains(limit));
    limit.ok_or_else(|| {
        Problem::parameter(
            "limit",
            &format!("1에서 {PAGE_ROWS_MAX} 사이여야 합니다"),
            &format!("must be 1 to {PAGE_ROWS_MAX}"),
        )
    })
}

/// Which reminders are asked for.
pub struct WantedReminders {
    /// Of this kind.
    pub kind: Option<String>,
    /// About this commitment.
    pub indicator: Option<String>,
    /// For this agency.
    pub agency: Option<String>,
    /// The newest so many.
    pub limit: usize,
}

/// `kind`, `indicator`, `agency` and `limit` of reminders.
///
/// # Errors
/// [`Problem`].
pub fn reminders(pairs: &Pairs) -> Result<WantedReminders, Problem> {
    only(pairs, &["kind", "indicator", "agency", "limit"])?;
    let text = |name| value(pairs, name).map(str::to_owned);
    let kinds = ["due", "overdue", "silent", "disputed", "refused"];
    let kind = text("kind");
    if kind.as_deref().is_some_and(|kind| !kinds.contains(&kind)) {
        let list = kinds.join(", ");
        return Err(Problem::parameter(
            "kind",
            &format!("다음 중 하나여야 합니다: {list}"),
            &format!("must be one of {list}"),
        ));
    }
    Ok(WantedReminders { kind, indicator: text("indicator"), agency: text("agency"), limit: limit(pairs)? })
}

/// `indicator`, ids with commas between them, and `last_event_id`.
///
/// # Errors
/// [`Problem`].
pub(super) fn stream(pairs: &Pairs) -> Result<(Wanted, Option<String>), Problem> {
    only(pairs, &["indicator", "last_event_id"])?;
    let ids = value(pairs, "indicator").map(|ids| ids.split(',').map(str::to_owned).collect()).unwrap_or_default();
    Ok((Wanted::new(ids), value(pairs, "last_event_id").map(str::to_owned)))
}

/// `agency` and `at_least`.
///
/// # Errors
/// [`Problem`].
pub fn record(pairs: &Pairs) -> Result<(Option<String>, Option<u64>), Problem> {
    only(pairs, &["agency", "at_least"])?;
    Ok((value(pairs, "agency").map(str::to_owned), number(pairs, "at_least")?))
}

/// `agency`.
///
/// # Errors
/// [`Problem`].
pub fn agency(pairs: &Pairs) -> Result<Option<String>, Problem> {
    only(pairs, &["agency"])?;
    Ok(value(pairs, "agency").map(str::to_owned))
}
