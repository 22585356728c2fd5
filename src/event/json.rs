//! Strict JSON: one text, one tree. Duplicate keys, trailing bytes, deep nesting and monstrous numbers are refused, and
//! numbers keep their source text (an exponent is written `e+5` whatever its spelling).
//!
//! A parser of our own, one pass: serde_json keeps the last of duplicate keys, and under `arbitrary_precision` it takes
//! the object `{"$serde_json::private::Number": "…"}` for a number. It never computes with a number.

mod tree;

use std::borrow::Cow;
use std::collections::HashSet;

use serde_json::{Number, Value};

pub use tree::{Fields, Tree, digest, field};

use crate::limits::{JSON_DEPTH_MAX, JSON_EXPONENT_DIGITS_MAX, JSON_NUMBER_BYTES_MAX};

/// serde_json gives objects whose first key starts like this a meaning of their own when a tree is read into a type.
const PRIVATE_KEY_PREFIX: &str = "$serde_json::private::";

/// Why a text is no strict JSON, and at which byte.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("JSON, byte {offset}: {what}")]
pub struct JsonFault {
    /// Offset in the text, from 0.
    pub offset: usize,
    /// What is wrong there.
    pub what: JsonWrong,
}

/// What is wrong in a JSON text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JsonWrong {
    /// Not UTF-8.
    #[error("the text is not UTF-8")]
    Utf8,
    /// The text ends early.
    #[error("the text ends before the value does")]
    End,
    /// A byte that cannot stand here.
    #[error("expected {0}")]
    Expected(&'static str),
    /// Something after the value.
    #[error("something follows the value")]
    Trailing,
    /// A key stands twice in one object.
    #[error("the key '{0}' stands twice in one object")]
    DuplicateKey(String),
    /// A key that software here would misread.
    #[error("the key '{0}' is reserved")]
    ReservedKey(String),
    /// Nested too deep.
    #[error("nested deeper than {JSON_DEPTH_MAX} levels")]
    Depth,
    /// A number too long or with too large an exponent.
    #[error("a number of more than {JSON_NUMBER_BYTES_MAX} bytes, or with an exponent of more than 3 digits")]
    Number,
}

/// Parses exactly one JSON value, whitespace around it allowed.
///
/// # Errors
/// [`JsonFault`] with the offset of the first thing that is wrong.
pub fn parse(text: &[u8]) -> Result<Value, JsonFault> {
    read(text).map(Value::from)
}

/// As [`parse`], without copying the text.
///
/// # Errors
/// As [`parse`].
pub fn read(text: &[u8]) -> Result<Tree<'_>, JsonFault> {
    let text =
        std::str::from_utf8(text).map_err(|error| JsonFault { offset: error.valid_up_to(), what: JsonWrong::Utf8 })?;
    let mut parser = Parser { text, bytes: text.as_bytes(), at: 0 };
    parser.skip_space();
    let value = parser.value(0)?;
    parser.skip_space();
    if parser.at < parser.bytes.len() {
        return Err(parser.fault(JsonWrong::Trailing));
    }
    Ok(value)
}

/// Keys of one object so far: looked through where they are few, hashed where a hostile body holds thousands.
#[derive(Default)]
struct Keys(HashSet<String>);

/// Above this, looking through costs more than hashing.
const KEYS_LOOKED_THROUGH: usize = 16;

impl Keys {
    fn stands_twice(&mut self, fields: &Fields<'_>, key: &str) -> bool {
        if fields.len() < KEYS_LOOKED_THROUGH {
            return fields.iter().any(|(known, _)| known == key);
        }
        if self.0.is_empty() {
            self.0.extend(fields.iter().map(|(known, _)| known.to_string()));
        }
        !self.0.insert(key.to_owned())
    }
}

struct Parser<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Parser<'a> {
    fn fault(&self, what: JsonWrong) -> JsonFault {
        JsonFault { offset: self.at, what }
    }

    /// The fault of a byte that cannot stand here, or of there being none.
    fn expected(&self, what: &'static str) -> JsonFault {
        let ended = self.at >= self.bytes.len();
        self.fault(if ended { JsonWrong::End } else { JsonWrong::Expected(what) })
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    /// `depth` is that of the container around this value. Recursion ends at [`JSON_DEPTH_MAX`].
    fn value(&mut self, depth: usize) -> Result<Tree<'a>, JsonFault> {
        match self.peek() {
            Some(b'"') => self.string().map(Tree::Text),
            Some(b'{') => self.object(depth + 1),
            Some(b'[') => self.array(depth + 1),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.word("true", Tree::Bool(true)),
            Some(b'f') => self.word("false", Tree::Bool(false)),
            Some(b'n') => self.word("null", Tree::Null),
            _ => Err(self.expected("a value")),
        }
    }

    fn word(&mut self, word: &'static str, value: Tree<'a>) -> Result<Tree<'a>, JsonFault> {
        if !self.bytes[self.at..].starts_with(word.as_bytes()) {
            return Err(self.expected("a value"));
        }
        self.at += word.len();
        Ok(value)
    }

    fn enter(&mut self, depth: usize) -> Result<(), JsonFault> {
        if depth > JSON_DEPTH_MAX {
            return Err(self.fault(JsonWrong::Depth));
        }
        self.at += 1;
        self.skip_space();
        Ok(())
    }

    fn array(&mut self, depth: usize) -> Result<Tree<'a>, JsonFault> {
        self.enter(depth)?;
        let mut items = Vec::new();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(Tree::Array(items));
        }
        loop {
            items.push(self.value(depth)?);
            self.skip_space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => break,
                _ => return Err(self.expected("',' or ']'")),
            }
            self.skip_space();
        }
        self.at += 1;
        Ok(Tree::Array(items))
    }

    fn object(&mut self, depth: usize) -> Result<Tree<'a>, JsonFault> {
        self.enter(depth)?;
        let mut keys = Keys::default();
        let mut fields = Fields::new();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(Tree::Object(fields));
        }
        loop {
            let key_at = self.at;
            if self.peek() != Some(b'"') {
                return Err(self.expected("a key in quotes"));
            }
            let key = self.string()?;
            let bad_key = |what: fn(String) -> JsonWrong, key: &str| JsonFault {
                offset: key_at,
                what: what(key.chars().take(60).flat_map(char::escape_debug).collect()),
            };
            if key.starts_with(PRIVATE_KEY_PREFIX) {
                return Err(bad_key(JsonWrong::ReservedKey, &key));
            }
            if keys.stands_twice(&fields, &key) {
                return Err(bad_key(JsonWrong::DuplicateKey, &key));
            }
            self.skip_space();
            if self.peek() != Some(b':') {
                return Err(self.expected("':'"));
            }
            self.at += 1;
            self.skip_space();
            let value = self.value(depth)?;
            fields.push((key, value));
            self.skip_space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => break,
                _ => return Err(self.expected("',' or '}'")),
            }
            self.skip_space();
        }
        self.at += 1;
        if !fields.is_sorted_by(|left, right| left.0 < right.0) {
            fields.sort_unstable_by(|left, right| left.0.cmp(&right.0));
        }
        Ok(Tree::Object(fields))
    }

    fn digits(&mut self) -> Result<usize, JsonFault> {
        let from = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if self.at == from { Err(self.expected("a digit")) } else { Ok(self.at - from) }
    }

    fn number(&mut self) -> Result<Tree<'a>, JsonFault> {
        let from = self.at;
        let mut exponent_digits = 0;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
            if matches!(self.peek(), Some(b'0'..=b'9')) {
                return Err(self.expected("no digit after a leading zero"));
            }
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            exponent_digits = self.digits()?;
        }
        let too_much = JsonFault { offset: from, what: JsonWrong::Number };
        if self.at - from > JSON_NUMBER_BYTES_MAX || exponent_digits > JSON_EXPONENT_DIGITS_MAX {
            return Err(too_much);
        }
        let number: Number = self.text[from..self.at].parse().map_err(|_| too_much)?;
        Ok(Tree::Number(number))
    }

    /// From the opening quote to behind the closing one.
    fn string(&mut self) -> Result<Cow<'a, str>, JsonFault> {
        self.at += 1;
        let plain = self.plain();
        if self.peek() == Some(b'"') {
            self.at += 1;
            return Ok(Cow::Borrowed(plain));
        }
        let mut text = plain.to_owned();
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(Cow::Owned(text));
                }
                Some(b'\\') => text.push(self.escape()?),
                _ => return Err(self.expected("no control character in a string")),
            }
            text.push_str(self.plain());
        }
    }

    /// What needs no unescaping. Stops only at ASCII bytes, so both ends are character boundaries.
    fn plain(&mut self) -> &'a str {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let stop = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..=0x1f);
        let from = self.at;
        self.at += rest.iter().position(stop).unwrap_or(rest.len());
        &self.text[from..self.at]
    }

    fn escape(&mut self) -> Result<char, JsonFault> {
        self.at += 1;
        let plain = match self.peek() {
            Some(byte @ (b'"' | b'\\' | b'/')) => char::from(byte),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode(),
            _ => return Err(self.expected("an escape such as \\n or \\u00e9")),
        };
        self.at += 1;
        Ok(plain)
    }

    /// `u` and four hexadecimal digits, or the two such escapes of a surrogate pair.
    fn unicode(&mut self) -> Result<char, JsonFault> {
        let high = self.hex4()?;
        let code = match high {
            0xd800..=0xdbff if self.bytes[self.at..].starts_with(b"\\u") => {
                self.at += 1;
                let low = self.hex4()?;
                if !(0xdc00..=0xdfff).contains(&low) {
                    return Err(self.expected("the second half of a surrogate pair"));
                }
                0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00)
            }
            code => code,
        };
        char::from_u32(code).ok_or_else(|| self.fault(JsonWrong::Expected("a whole surrogate pair")))
    }

    fn hex4(&mut self) -> Result<u32, JsonFault> {
        let digits = self.bytes.get(self.at + 1..self.at + 5).unwrap_or_default();
        if digits.len() < 4 || !digits.iter().all(u8::is_ascii_hexdigit) {
            return Err(self.expected("four hexadecimal digits"));
        }
        self.at += 5;
        Ok(digits.iter().fold(0, |code, digit| code * 16 + char::from(*digit).to_digit(16).unwrap_or(0)))
    }
}

#[cfg(test)]
#[path = "json_tests.rs"]
mod tests;
