//! Time: instants, days in Asia/Seoul, and dates with their precision.
//!
//! Seoul has stood at UTC+9 without daylight saving since 1988 and events start in 2000, so a fixed offset is exact and
//! no time zone database can change a verdict.

use std::fmt;

use jiff::{Timestamp, civil, tz::Offset};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

const SEOUL_OFFSET_NS: i64 = 9 * 3_600_000_000_000;
const DAY_NS: i64 = 86_400_000_000_000;

/// An instant: nanoseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Time(i64);

/// A day in Asia/Seoul: days since 1970-01-01.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Day(i32);

/// How exactly a date is stated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Precision {
    /// `2026-12-31`.
    Day,
    /// `2026-12`.
    Month,
    /// `2026-Q4`.
    Quarter,
    /// `2026-H1`.
    Half,
    /// `2026`.
    Year,
}

/// A date with its precision: the span of days from [`Date::first_day`] to [`Date::last_day`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date {
    first: Day,
    precision: Precision,
}

/// Why a text is no time or date.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TimeError {
    /// Not RFC 3339 with an offset.
    #[error("'{0}' is no RFC 3339 time with offset, such as 2026-03-02T09:00:00+09:00")]
    Time(String),
    /// Not one of the forms of [`Precision`].
    #[error("'{0}' is no date: give 2026-12-31, 2026-12, 2026-Q4, 2026-H1 or 2026")]
    Date(String),
}

fn short(text: &str) -> String {
    text.chars().take(40).collect()
}

impl Time {
    /// From nanoseconds since the epoch.
    #[must_use]
    pub const fn from_ns(ns: i64) -> Self {
        Time(ns)
    }

    /// Nanoseconds since the epoch.
    #[must_use]
    pub const fn ns(self) -> i64 {
        self.0
    }

    /// The clock of this machine. Never used where a verdict or figure depends on it.
    #[must_use]
    pub fn now() -> Self {
        Time(i64::try_from(Timestamp::now().as_nanosecond()).unwrap_or(i64::MAX))
    }

    /// Parses RFC 3339 with an offset: `T` and `Z` may be lower case, nothing else of ISO 8601 is taken.
    ///
    /// # Errors
    /// [`TimeError::Time`].
    pub fn parse(text: &str) -> Result<Self, TimeError> {
        let fail = || TimeError::Time(short(text));
        let bytes = text.as_bytes();
        // jiff also takes ISO 8601 forms and an RFC 9557 suffix; RFC 3339 has one shape.
        let shape = bytes.len() >= 20
            && bytes.len() <= 35
            && text.is_ascii()
            && bytes[4] == b'-'
            && bytes[7] == b'-'
            && matches!(bytes[10], b'T' | b't')
            && bytes[13] == b':'
            && bytes[16] == b':'
            && bytes[..4].iter().all(u8::is_ascii_digit);
        let zone = match bytes.last() {
            Some(b'Z' | b'z') => true,
            _ => bytes.len() >= 25 && matches!(bytes[bytes.len() - 6], b'+' | b'-') && bytes[bytes.len() - 3] == b':',
        };
        if !shape || !zone || bytes.contains(&b'[') || bytes.contains(&b',') {
            return Err(fail());
        }
        let stamp: Timestamp = text.parse().map_err(|_| fail())?;
        i64::try_from(stamp.as_nanosecond()).map(Time).map_err(|_| fail())
    }

    /// The day in Seoul that this instant falls on.
    #[must_use]
    pub fn day(self) -> Day {
        let days = self.0.saturating_add(SEOUL_OFFSET_NS).div_euclid(DAY_NS);
        Day(i32::try_from(days).unwrap_or(i32::MAX))
    }

    /// This instant and `ns` nanoseconds, held at the ends of the range.
    #[must_use]
    pub const fn plus_ns(self, ns: i64) -> Self {
        Time(self.0.saturating_add(ns))
    }
}

impl fmt::Display for Time {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stamp = Timestamp::from_nanosecond(i128::from(self.0)).unwrap_or(Timestamp::UNIX_EPOCH);
        write!(out, "{stamp}")
    }
}

impl Day {
    /// From days since 1970-01-01.
    #[must_use]
    pub const fn from_number(number: i32) -> Self {
        Day(number)
    }

    /// Days since 1970-01-01.
    #[must_use]
    pub const fn number(self) -> i32 {
        self.0
    }

    /// From year, month, day; `None` where there is no such day.
    #[must_use]
    pub fn from_ymd(year: i16, month: i8, day: i8) -> Option<Self> {
        civil::Date::new(year, month, day).ok().map(Self::from_civil)
    }

    fn from_civil(date: civil::Date) -> Self {
        let start = Offset::UTC.to_timestamp(date.at(0, 0, 0, 0)).map_or(0, Timestamp::as_second);
        Day(i32::try_from(start.div_euclid(86_400)).unwrap_or(i32::MAX))
    }

    fn civil(self) -> civil::Date {
        let stamp = Timestamp::from_second(i64::from(self.0) * 86_400).unwrap_or(Timestamp::UNIX_EPOCH);
        Offset::UTC.to_datetime(stamp).date()
    }

    /// Year, month, day.
    #[must_use]
    pub fn ymd(self) -> (i16, i8, i8) {
        let date = self.civil();
        (date.year(), date.month(), date.day())
    }

    /// First instant of the day in Seoul.
    #[must_use]
    pub fn start(self) -> Time {
        Time(i64::from(self.0) * DAY_NS - SEOUL_OFFSET_NS)
    }

    /// The day `days` later.
    #[must_use]
    pub const fn plus(self, days: i32) -> Self {
        Day(self.0.saturating_add(days))
    }

    /// Parses `2026-12-31`.
    ///
    /// # Errors
    /// [`TimeError::Date`].
    pub fn parse(text: &str) -> Result<Self, TimeError> {
        match Date::parse(text) {
            Ok(date) if date.precision == Precision::Day => Ok(date.first),
            _ => Err(TimeError::Date(short(text))),
        }
    }
}

impl fmt::Display for Day {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = self.ymd();
        write!(out, "{year:04}-{month:02}-{day:02}")
    }
}

impl Date {
    /// A single day.
    #[must_use]
    pub const fn day(day: Day) -> Self {
        Date { first: day, precision: Precision::Day }
    }

    /// Parses the forms of [`Precision`]; years 1900 to 2999.
    ///
    /// # Errors
    /// [`TimeError::Date`].
    pub fn parse(text: &str) -> Result<Self, TimeError> {
        let fail = || TimeError::Date(short(text));
        let number = |part: &str, width: usize| -> Option<i16> {
            (part.len() == width && part.bytes().all(|byte| byte.is_ascii_digit())).then(|| part.parse().ok())?
        };
        let parts: Vec<&str> = text.split('-').collect();
        let year = parts.first().and_then(|part| number(part, 4)).filter(|year| (1900..3000).contains(year));
        let (month, day, precision) = match parts.as_slice() {
            [_] => (1, 1, Precision::Year),
            [_, "H1"] => (1, 1, Precision::Half),
            [_, "H2"] => (7, 1, Precision::Half),
            [_, "Q1"] => (1, 1, Precision::Quarter),
            [_, "Q2"] => (4, 1, Precision::Quarter),
            [_, "Q3"] => (7, 1, Precision::Quarter),
            [_, "Q4"] => (10, 1, Precision::Quarter),
            [_, month] => (number(month, 2).ok_or_else(fail)?, 1, Precision::Month),
            [_, month, day] => (number(month, 2).ok_or_else(fail)?, number(day, 2).ok_or_else(fail)?, Precision::Day),
            _ => return Err(fail()),
        };
        let narrow = |value: i16| i8::try_from(value).map_err(|_| fail());
        let first = Day::from_ymd(year.ok_or_else(fail)?, narrow(month)?, narrow(day)?).ok_or_else(fail)?;
        Ok(Date { first, precision })
    }

    /// First day of the span.
    #[must_use]
    pub const fn first_day(self) -> Day {
        self.first
    }

    /// Last day of the span: a deadline "first half of 2026" ends on 2026-06-30.
    #[must_use]
    pub fn last_day(self) -> Day {
        let months = match self.precision {
            Precision::Day => return self.first,
            Precision::Month => 1,
            Precision::Quarter => 3,
            Precision::Half => 6,
            Precision::Year => 12,
        };
        let (year, month, _) = self.first.ymd();
        let index = i32::from(year) * 12 + i32::from(month) - 1 + months;
        let (year, month) = (i16::try_from(index / 12), i8::try_from(index % 12 + 1));
        let next = year.ok().zip(month.ok()).and_then(|(year, month)| Day::from_ymd(year, month, 1));
        next.map_or(self.first, |day| day.plus(-1))
    }

    /// How exactly it is stated.
    #[must_use]
    pub const fn precision(self) -> Precision {
        self.precision
    }
}

impl fmt::Display for Date {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, _) = self.first.ymd();
        match self.precision {
            Precision::Day => write!(out, "{}", self.first),
            Precision::Month => write!(out, "{year:04}-{month:02}"),
            Precision::Quarter => write!(out, "{year:04}-Q{}", (month - 1) / 3 + 1),
            Precision::Half => write!(out, "{year:04}-H{}", (month - 1) / 6 + 1),
            Precision::Year => write!(out, "{year:04}"),
        }
    }
}

/// Text where people read it, integers in packed rows.
macro_rules! serde_as_text_or {
    ($type:ty, $integer:ty, $parse:path) => {
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                if serializer.is_human_readable() { serializer.collect_str(self) } else { self.0.serialize(serializer) }
            }
        }
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                if deserializer.is_human_readable() {
                    let text = String::deserialize(deserializer)?;
                    $parse(&text).map_err(D::Error::custom)
                } else {
                    <$integer>::deserialize(deserializer).map(Self)
                }
            }
        }
    };
}
serde_as_text_or!(Time, i64, Time::parse);
serde_as_text_or!(Day, i32, Day::parse);

impl Serialize for Date {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Date {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(D::Error::custom)
    }
}

macro_rules! text_schema {
    ($($type:ident: $schema:tt),+) => {
        $(impl schemars::JsonSchema for $type {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!($schema)
            }
        })+
    };
}

text_schema! {
    Time: {"type": "string", "format": "date-time", "description": "RFC 3339."},
    Day: {"type": "string", "format": "date", "description": "A day in Seoul."},
    Date: {
        "type": "string",
        "pattern": "^[0-9]{4}(-(H[12]|Q[1-4]|[0-9]{2}(-[0-9]{2})?))?$",
        "description": "A date in its precision: 2026, 2026-H1, 2026-Q1, 2026-03 or 2026-03-31.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        for (text, day) in [
            ("2026-03-02T00:00:00Z", "2026-03-02"),
            ("2026-03-01T15:00:00Z", "2026-03-02"),
            ("2026-03-02T00:00:00+09:00", "2026-03-02"),
            ("2026-03-01T23:59:59.999999999+09:00", "2026-03-01"),
        ] {
            let time = Time::parse(text).unwrap();
            assert_eq!(time.day().to_string(), day, "{text}");
            assert_eq!(Time::parse(&time.to_string()).unwrap(), time);
        }
        for text in [
            "2026-03-02",
            "2026-03-02T00:00:00",
            "20260302T000000Z",
            "+20934-01-01T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-03-02 00:00:00Z",
            "2026-03-02T00:00:00Z[Asia/Seoul]",
            "2026-03-02T00:00Z",
            "-0001-01-01T00:00:00Z",
        ] {
            assert!(Time::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn dates_end_where_their_precision_ends() {
        for (text, first, last) in [
            ("2026-12-31", "2026-12-31", "2026-12-31"),
            ("2026-02", "2026-02-01", "2026-02-28"),
            ("2026-Q4", "2026-10-01", "2026-12-31"),
            ("2026-H1", "2026-01-01", "2026-06-30"),
            ("2028", "2028-01-01", "2028-12-31"),
        ] {
            let date = Date::parse(text).unwrap();
            assert_eq!((date.first_day().to_string().as_str(), date.last_day().to_string().as_str()), (first, last));
            assert_eq!(date.to_string(), text);
        }
        for text in ["20934", "2026-00", "2026-02-30", "26", "2026-Q5", "2026-h1", "2026-1-1", ""] {
            assert!(Date::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_day_starts_at_midnight_in_seoul() {
        let day = Day::parse("2026-01-01").unwrap();
        assert_eq!(day.start().to_string(), "2025-12-31T15:00:00Z");
        assert_eq!(day.start().day(), day);
        assert_eq!(day.start().plus_ns(-1).day(), day.plus(-1));
    }
}
