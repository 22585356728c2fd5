//! Reading entries back: bytes that no entry encodes to are refused. It never repairs.

use bytes::Bytes;

use super::entry::{Body, Entry, Kept, MAGIC, Mark, Ruling, Verdict, Withheld, is_printable, is_stream_name};
use crate::{
    event::Time,
    limits::{
        BATCH_EVENTS_MAX, BODY_BYTES_MAX, ENTRY_BYTES_MAX, HEADER_BYTES_MAX, REASON_CODE_BYTES_MAX, SUBJECT_BYTES_MAX,
    },
    sign::hex,
};

/// Why bytes are no entry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EntryFault {
    /// Over 65,535 bytes.
    #[error("an entry of {0} bytes: at most 65,535 are possible")]
    TooLong(usize),
    /// The first line is not `jindo-entry/v1`.
    #[error("the first line is not '{MAGIC}': this is no entry, or one of a newer version")]
    Magic,
    /// No blank line ends the header block.
    #[error("no blank line ends the header lines")]
    NoBlankLine,
    /// A line missing, out of place, unknown or not in its one form.
    #[error("the line '{0}' is missing, out of place, unknown or malformed")]
    Line(String),
    /// A body over 56 KiB kept, or bytes after a body that is not kept.
    #[error("the body has {0} bytes, which this header block does not allow")]
    Body(usize),
}

/// The header lines not read yet, in order.
struct Lines<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Lines<'a> {
    /// The value of the next line, where it has this name.
    fn take(&mut self, name: &str) -> Option<&'a str> {
        let (_, value) = *self.0.last().filter(|(own, _)| *own == name)?;
        self.0.pop();
        Some(value)
    }

    fn demand<T>(&mut self, name: &str, read: impl Fn(&'a str) -> Option<T>) -> Result<T, EntryFault> {
        self.take(name).and_then(read).ok_or_else(|| EntryFault::Line(name.to_owned()))
    }

    fn allow<T>(&mut self, name: &str, read: impl Fn(&'a str) -> Option<T>) -> Result<Option<T>, EntryFault> {
        self.take(name).map(|value| read(value).ok_or_else(|| EntryFault::Line(name.to_owned()))).transpose()
    }

    fn kept(&mut self, name: &str, bytes_max: usize) -> Result<Option<Kept>, EntryFault> {
        let text =
            |value: &str| (value.len() <= bytes_max && is_printable(value)).then(|| Kept::Text(value.to_owned()));
        match self.allow(name, text)? {
            Some(kept) => Ok(Some(kept)),
            None => {
                Ok(self.allow(&format!("{name}-sha256"), hashed)?.map(|(sha256, bytes)| Kept::Hashed { sha256, bytes }))
            }
        }
    }
}

/// See [`Entry::parse`].
pub(super) fn parse(bytes: &[u8]) -> Result<Entry, EntryFault> {
    if bytes.len() > ENTRY_BYTES_MAX {
        return Err(EntryFault::TooLong(bytes.len()));
    }
    let rest =
        bytes.strip_prefix(MAGIC.as_bytes()).and_then(|rest| rest.strip_prefix(b"\n")).ok_or(EntryFault::Magic)?;
    let end = rest.windows(2).position(|pair| pair == b"\n\n").ok_or(EntryFault::NoBlankLine)?;
    let head = std::str::from_utf8(&rest[..end]).map_err(|_| EntryFault::Line("not UTF-8".into()))?;
    let body = &rest[end + 2..];
    let mut lines = Vec::new();
    for line in head.split('\n') {
        lines.push(line.split_once(": ").ok_or_else(|| EntryFault::Line(line.chars().take(40).collect()))?);
    }
    lines.reverse();
    let mut lines = Lines(lines);
    let index = lines.demand("index", number)?;
    let (stream, sequence) = lines.demand("stream", place)?;
    let recorded = lines.demand("recorded", time)?;
    let recovered = lines.allow("recovered", recovered)?;
    let state = lines.allow("state", hex::decode32)?;
    let subject = lines.kept("subject", SUBJECT_BYTES_MAX)?.ok_or_else(|| EntryFault::Line("subject".into()))?;
    let ruling = ruling(&mut lines)?;
    let content_type = lines.kept("content-type", HEADER_BYTES_MAX)?;
    let signature = lines.kept("signature", HEADER_BYTES_MAX)?;
    let hashed_body = lines.allow("body-sha256", hashed)?;
    let withheld = lines.allow("withheld", withheld)?;
    if let Some((name, _)) = lines.0.last() {
        return Err(EntryFault::Line(name.chars().take(40).collect()));
    }
    let body = match (hashed_body, withheld) {
        (Some((sha256, bytes)), None) if body.is_empty() => Body::Hashed { sha256, bytes },
        (None, Some(withheld)) if body.len() <= BODY_BYTES_MAX => {
            Body::Withheld(Box::new(Withheld { text: Bytes::copy_from_slice(body), ..withheld }))
        }
        (None, None) if body.len() <= BODY_BYTES_MAX => Body::Bytes(Bytes::copy_from_slice(body)),
        _ => return Err(EntryFault::Body(body.len())),
    };
    Ok(Entry { index, stream, sequence, recorded, recovered, subject, content_type, signature, state, ruling, body })
}

/// Index and recorded time, without reading the rest: what the tail keeps of every entry.
pub(super) fn peek(bytes: &[u8]) -> Option<(u64, Time)> {
    // The three lines before are bounded: magic, index, stream name and sequence, time.
    let head = &bytes[..bytes.len().min(512)];
    let mut lines = head.split(|byte| *byte == b'\n').map(|line| std::str::from_utf8(line).unwrap_or(""));
    let magic = lines.next()?;
    let index = lines.next()?.strip_prefix("index: ").and_then(number)?;
    let recorded = lines.nth(1)?.strip_prefix("recorded: ").and_then(time)?;
    (magic == MAGIC).then_some((index, recorded))
}

fn ruling(lines: &mut Lines<'_>) -> Result<Option<Ruling>, EntryFault> {
    let verdict = lines.allow("verdict", |value| match value {
        "accepted" => Some(Verdict::Accepted),
        "duplicate" => Some(Verdict::Duplicate),
        _ => value.strip_prefix("refused ").and_then(code).map(Verdict::Refused),
    })?;
    let Some(verdict) = verdict else { return Ok(None) };
    let mut ruling = Ruling { verdict, marks: Vec::new(), fault: None };
    match ruling.verdict {
        Verdict::Accepted => ruling.marks = lines.allow("events", marks)?.unwrap_or_default(),
        Verdict::Refused(_) => {
            ruling.fault = lines.allow("fault", |value| {
                let (position, reason) = value.split_once(' ')?;
                Some((u16::try_from(number(position)?).ok()?, code(reason)?))
            })?;
        }
        Verdict::Duplicate => {}
    }
    Ok(Some(ruling))
}

/// Two or more alternating runs, each at least one long.
fn marks(value: &str) -> Option<Vec<Mark>> {
    let mut marks: Vec<Mark> = Vec::new();
    for run in value.split(", ") {
        let (length, word) = run.split_once(' ')?;
        let mark = match word {
            "new" => Mark::New,
            "duplicate" => Mark::Duplicate,
            _ => return None,
        };
        let length = usize::try_from(number(length)?).ok()?;
        if length == 0 || marks.len().checked_add(length)? > BATCH_EVENTS_MAX || marks.last() == Some(&mark) {
            return None;
        }
        marks.resize(marks.len() + length, mark);
    }
    (marks.contains(&Mark::New) && marks.contains(&Mark::Duplicate)).then_some(marks)
}

/// Decimal digits without leading zeros.
fn number(text: &str) -> Option<u64> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    if plain { text.parse().ok() } else { None }
}

/// A time in the one form it is printed in.
fn time(text: &str) -> Option<Time> {
    Time::parse(text).ok().filter(|time| time.to_string() == text)
}

/// `LEDGER_1 57 2026-03-01T23:59:59Z`: stream, sequence, time.
pub(super) fn recovered(text: &str) -> Option<(String, u64, Time)> {
    let (origin, at) = text.rsplit_once(' ')?;
    let (stream, sequence) = place(origin)?;
    Some((stream, sequence, time(at)?))
}

fn place(text: &str) -> Option<(String, u64)> {
    let (stream, sequence) = text.split_once(' ')?;
    if is_stream_name(stream) { Some((stream.to_owned(), number(sequence)?)) } else { None }
}

fn hashed(text: &str) -> Option<([u8; 32], u64)> {
    let (hash, bytes) = text.split_once(' ')?;
    Some((hex::decode32(hash)?, number(bytes)?))
}

/// Hash, length and digests; the text is the entry's body.
fn withheld(text: &str) -> Option<Withheld> {
    let mut words = text.split(' ');
    let sha256 = hex::decode32(words.next()?)?;
    let bytes = number(words.next()?)?;
    let digests = words.map(hex::decode16).collect::<Option<Vec<_>>>()?;
    (digests.len() <= BATCH_EVENTS_MAX).then_some(Withheld { text: Bytes::new(), sha256, bytes, digests })
}

fn code(text: &str) -> Option<String> {
    let plain = (1..=REASON_CODE_BYTES_MAX).contains(&text.len())
        && text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'));
    plain.then(|| text.to_owned())
}
