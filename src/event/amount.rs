//! Exact amounts: a fixed-point number of millionths in an `i128`, checked everywhere. Never a float.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _, ser::Error as _};

use crate::limits::{AMOUNT_INTEGER_DIGITS_MAX, AMOUNT_SCALE};

const UNIT: i128 = 10_i128.pow(AMOUNT_SCALE);

/// An exact decimal with six fraction digits, in the unit of its indicator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Amount(i128);

/// Why a text is no amount.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is no amount: give decimal digits, at most 24 before and 6 after the point, without exponent")]
pub struct AmountError(String);

impl Amount {
    /// Zero.
    pub const ZERO: Amount = Amount(0);

    /// From millionths.
    #[must_use]
    pub const fn from_millionths(millionths: i128) -> Self {
        Amount(millionths)
    }

    /// From a whole number.
    #[must_use]
    pub const fn from_int(whole: i64) -> Self {
        Amount(whole as i128 * UNIT)
    }

    /// In millionths.
    #[must_use]
    pub const fn millionths(self) -> i128 {
        self.0
    }

    /// Parses `-?digits(.digits)?`.
    ///
    /// # Errors
    /// Anything else, more than 24 integer digits or more than 6 fraction digits (trailing zeros included: digits stated
    /// are digits meant).
    pub fn parse(text: &str) -> Result<Self, AmountError> {
        let fail = || AmountError(text.chars().take(40).collect());
        let (negative, digits) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (whole, fraction) = match digits.split_once('.') {
            Some((whole, fraction)) if !fraction.is_empty() => (whole, fraction),
            Some(_) => return Err(fail()),
            None => (digits, ""),
        };
        let digits_ok = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || whole.len() > AMOUNT_INTEGER_DIGITS_MAX || fraction.len() > AMOUNT_SCALE as usize {
            return Err(fail());
        }
        if !digits_ok(whole) || !digits_ok(fraction) {
            return Err(fail());
        }
        // 24 + 6 digits fit an i128 (38 digits): no overflow is possible below.
        let mut value: i128 = 0;
        for digit in whole.bytes().chain(fraction.bytes()) {
            value = value * 10 + i128::from(digit - b'0');
        }
        value *= 10_i128.pow(AMOUNT_SCALE - fraction.len() as u32);
        Ok(Amount(if negative { -value } else { value }))
    }

    /// From a JSON number (its source text) or string.
    ///
    /// # Errors
    /// As [`Amount::parse`]; other JSON types.
    pub fn from_json(value: &serde_json::Value) -> Result<Self, AmountError> {
        match value {
            serde_json::Value::Number(number) => Self::parse(number.as_str()),
            serde_json::Value::String(text) => Self::parse(text),
            other => Err(AmountError(other.to_string().chars().take(40).collect())),
        }
    }

    /// As a JSON number.
    #[must_use]
    pub fn to_json(self) -> serde_json::Value {
        let text = self.to_string();
        text.parse::<serde_json::Number>().map_or(serde_json::Value::String(text), serde_json::Value::Number)
    }

    /// Sum, or `None` past the range.
    #[must_use]
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Amount)
    }

    /// Difference, or `None` past the range.
    #[must_use]
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        self.0.checked_sub(other.0).map(Amount)
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let whole = self.0.unsigned_abs() / UNIT.unsigned_abs();
        let fraction = self.0.unsigned_abs() % UNIT.unsigned_abs();
        if fraction == 0 {
            return write!(out, "{sign}{whole}");
        }
        let digits = format!("{fraction:06}");
        write!(out, "{sign}{whole}.{}", digits.trim_end_matches('0'))
    }
}

/// JSON and TOML show a number; packed rows hold the millionths.
impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            let number: serde_json::Number = self.to_string().parse().map_err(S::Error::custom)?;
            number.serialize(serializer)
        } else {
            serializer.serialize_i128(self.0)
        }
    }
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            let value = serde_json::Value::deserialize(deserializer)?;
            Self::from_json(&value).map_err(D::Error::custom)
        } else {
            i128::deserialize(deserializer).map(Amount)
        }
    }
}

impl schemars::JsonSchema for Amount {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Amount".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "number",
            "description": "An exact decimal, at most 24 digits before and 6 after the point: read it as text, not as a float.",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_and_prints() {
        for (text, printed) in
            [("0", "0"), ("71000", "71000"), ("-1.50", "-1.5"), ("0.000001", "0.000001"), ("007", "7")]
        {
            assert_eq!(Amount::parse(text).unwrap().to_string(), printed, "{text}");
        }
        assert_eq!(
            Amount::parse("999999999999999999999999.999999").unwrap().to_string(),
            "999999999999999999999999.999999"
        );
    }

    #[test]
    fn refuses_what_is_not_exact() {
        for text in
            ["", "-", "1e3", "1.", ".5", "1.0000001", "+1", "1,000", "1 ", "１", "NaN", "1000000000000000000000000"]
        {
            assert!(Amount::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn json_keeps_the_source_text() {
        let value: serde_json::Value = serde_json::from_str("9007199254740993").unwrap();
        let amount = Amount::from_json(&value).unwrap();
        assert_eq!(serde_json::to_string(&amount).unwrap(), "9007199254740993");
        assert_eq!(serde_json::from_str::<Amount>("\"12.5\"").unwrap(), Amount::from_millionths(12_500_000));
    }
}
