//! An entry: what the log keeps of one message, as text an auditor reads with `cat`.
//!
//! ```text
//! jindo-entry/v1
//! index: 41
//! stream: LEDGER_1 42
//! recorded: 2026-03-02T00:00:00.123456789Z
//! recovered: LEDGER_1 57 2026-03-01T23:59:59Z     only where `jindo recover` brought it: old stream, sequence, time
//! state: <64 hex digits>                          only where the index divides by 4,096
//! subject: ledger.report.keco.charger.installed.v1
//! verdict: accepted                               or `duplicate`, or `refused <reason code>`; absent before admission
//! events: 97 new, 1 duplicate, 2 new              only where an accepted batch holds both: runs in order
//! fault: 17 data-invalid                          only where refused for one event: its position from 0, its reason
//! content-type: application/cloudevents-batch+json
//! signature: eyJhbGciOiJFZERTQSIs…
//! body-sha256: <64 hex digits> 61000              only where the body is not kept
//! withheld: <64 hex digits> 812 <32 hex digits>…  only where texts of the body were masked later: see [`super::withhold`]
//!
//! <body bytes>
//! ```
//!
//! The lines stand in this order, each at most once. What cannot be kept as text (a subject over 256 bytes, a header value
//! over 2,048, repeated, or outside 0x20..0x7e) stands as `subject-sha256: <hex> <bytes>`, `content-type-sha256:` or
//! `signature-sha256:` in the place of its line; of a repeated header the hash is of its values joined by CR LF. A body over
//! 56 KiB leaves its hash and length. So an entry exists, within 65,535 bytes, for any message whatsoever. The line `withheld:`
//! has SHA-256 and length of the body that was signed, then the digest of each of its events; no message arrives as that.
//!
//! It never judges: verdicts come from [`crate::admit`] and are written here so that no later software changes them.

use std::fmt::Write;

use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::Arrival;
pub use super::entry_parse::EntryFault;
use crate::{
    event::Time,
    limits::{BODY_BYTES_MAX, HEADER_BYTES_MAX, STREAM_NAME_BYTES_MAX, SUBJECT_BYTES_MAX},
    sign::hex,
};

/// First line of every entry.
pub const MAGIC: &str = "jindo-entry/v1";
/// Header with the content type of the body. Names compare without case.
pub const HEADER_CONTENT_TYPE: &str = "Content-Type";
/// Header with the compact JWS.
pub const HEADER_SIGNATURE: &str = "Ledger-Signature";
/// Header that `jindo recover` adds: retired stream, sequence and time there. The reader of a stream takes it off every
/// message but those that a recovery put there itself ([`crate::stream::Reader`]).
pub const HEADER_RECOVERED: &str = "Ledger-Recovered";

/// A text of the message, or what remains of one that cannot be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kept {
    /// As it came.
    Text(String),
    /// Its SHA-256 and length in bytes.
    Hashed {
        /// SHA-256.
        sha256: [u8; 32],
        /// Length.
        bytes: u64,
    },
}

impl Kept {
    /// The text, where it was kept.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match self {
            Kept::Text(text) => Some(text),
            Kept::Hashed { .. } => None,
        }
    }

    fn of(value: &[u8], bytes_max: usize) -> Self {
        match std::str::from_utf8(value) {
            Ok(text) if is_printable(text) && text.len() <= bytes_max => Kept::Text(text.to_owned()),
            _ => Kept::hashed(value),
        }
    }

    fn hashed(value: &[u8]) -> Self {
        Kept::Hashed { sha256: hex::sha256(value), bytes: value.len() as u64 }
    }
}

/// Bytes 0x20 to 0x7e: one line, the same in every terminal.
pub(super) fn is_printable(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, 0x20..=0x7e))
}

/// Letters, digits, `_` and `-`.
pub(super) fn is_stream_name(name: &str) -> bool {
    (1..=STREAM_NAME_BYTES_MAX).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}

/// The body, or what remains of one that is not kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// As it came: at most [`BODY_BYTES_MAX`].
    Bytes(Bytes),
    /// Its SHA-256 and length in bytes.
    Hashed {
        /// SHA-256.
        sha256: [u8; 32],
        /// Length.
        bytes: u64,
    },
    /// What is left of one with texts masked later.
    Withheld(Box<Withheld>),
}

/// A body with texts masked, and what the log keeps of the one that was signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Withheld {
    /// As it stands now: at most [`BODY_BYTES_MAX`].
    pub text: Bytes,
    /// SHA-256 of the body that was signed.
    pub sha256: [u8; 32],
    /// Its length.
    pub bytes: u64,
    /// Content digest of each of its events, where it was accepted or a duplicate; folding needs them to know duplicates.
    pub digests: Vec<[u8; 16]>,
}

impl Body {
    /// The bytes, where they were kept; of a withheld body what is left.
    #[must_use]
    pub fn bytes(&self) -> Option<&Bytes> {
        match self {
            Body::Bytes(bytes) => Some(bytes),
            Body::Withheld(withheld) => Some(&withheld.text),
            Body::Hashed { .. } => None,
        }
    }

    /// SHA-256 of the body that was signed, kept or not.
    #[must_use]
    pub fn sha256(&self) -> [u8; 32] {
        match self {
            Body::Bytes(bytes) => hex::sha256(bytes),
            Body::Hashed { sha256, .. } => *sha256,
            Body::Withheld(withheld) => withheld.sha256,
        }
    }

    /// Whether texts of it were masked: then the entry's text does not give its hash in the tree.
    #[must_use]
    pub const fn is_withheld(&self) -> bool {
        matches!(self, Body::Withheld(_))
    }
}

/// What admission found of one event of an accepted report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mark {
    /// It counts from this entry on.
    New,
    /// An equal event was accepted before.
    Duplicate,
}

/// What admission found of a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// At least one event is new.
    Accepted,
    /// Nothing is new.
    Duplicate,
    /// Refused, by reason code: `[a-z0-9-]{1,64}`.
    Refused(String),
}

/// A verdict with what an entry says about single events. [`Ruling::new`] gives the one form that reads back equal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ruling {
    /// The verdict.
    pub verdict: Verdict,
    /// One mark per event where an accepted report mixes new and duplicate ones; else empty: the verdict says it.
    pub marks: Vec<Mark>,
    /// The first faulty event of a refused report, position from 0, and its reason code.
    pub fault: Option<(u16, String)>,
}

impl Ruling {
    /// A ruling in its one form: marks only where accepted and mixed, a fault only where refused.
    #[must_use]
    pub fn new(verdict: Verdict, marks: Vec<Mark>, fault: Option<(u16, String)>) -> Self {
        let mixed = marks.contains(&Mark::New) && marks.contains(&Mark::Duplicate);
        let marks = if verdict == Verdict::Accepted && mixed { marks } else { Vec::new() };
        let fault = fault.filter(|_| matches!(verdict, Verdict::Refused(_)));
        Ruling { verdict, marks, fault }
    }

    /// Whether the event at `position` of this report counts from this entry on.
    #[must_use]
    pub fn is_new(&self, position: usize) -> bool {
        self.verdict == Verdict::Accepted && self.marks.get(position).is_none_or(|mark| *mark == Mark::New)
    }
}

/// One entry of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Index in the log, from 0.
    pub index: u64,
    /// Stream it was read from.
    pub stream: String,
    /// Sequence there.
    pub sequence: u64,
    /// JetStream's time at arrival.
    pub recorded: Time,
    /// Where `jindo recover` brought it from: retired stream, sequence, time there.
    pub recovered: Option<(String, u64, Time)>,
    /// Subject.
    pub subject: Kept,
    /// Header `Content-Type`.
    pub content_type: Option<Kept>,
    /// Header `Ledger-Signature`.
    pub signature: Option<Kept>,
    /// SHA-256 of the read models' canonical form before this entry.
    pub state: Option<[u8; 32]>,
    /// What admission found; `None` until it has.
    pub ruling: Option<Ruling>,
    /// Body.
    pub body: Body,
}

impl Entry {
    /// The entry of a message, without its verdict. Total: there is one for any message.
    #[must_use]
    pub fn of_arrival(index: u64, arrival: &Arrival) -> Self {
        let body = if arrival.body.len() > BODY_BYTES_MAX {
            Body::Hashed { sha256: hex::sha256(&arrival.body), bytes: arrival.body.len() as u64 }
        } else {
            Body::Bytes(arrival.body.clone())
        };
        Entry {
            index,
            stream: stream_name(&arrival.stream),
            sequence: arrival.sequence,
            recorded: arrival.recorded,
            recovered: recovered(arrival),
            subject: Kept::of(&arrival.subject, SUBJECT_BYTES_MAX),
            content_type: header(arrival, HEADER_CONTENT_TYPE),
            signature: header(arrival, HEADER_SIGNATURE),
            state: None,
            ruling: None,
            body,
        }
    }

    /// Whether this is the entry of that message: same stream, place, time, subject, headers and body. The verdict and
    /// the line `recovered:` are not the message's.
    #[must_use]
    pub fn is_of(&self, arrival: &Arrival) -> bool {
        let other = Entry::of_arrival(self.index, arrival);
        let body = match (&self.body, &other.body) {
            (Body::Bytes(own), Body::Bytes(other)) => own == other,
            (own, other) => own.sha256() == other.sha256(),
        };
        body && (&self.stream, self.sequence, self.recorded) == (&other.stream, other.sequence, other.recorded)
            && (&self.subject, &self.content_type, &self.signature)
                == (&other.subject, &other.content_type, &other.signature)
    }

    /// The text of the entry: the leaf of the log's tree. At most [`crate::limits::ENTRY_BYTES_MAX`] bytes for what
    /// [`Entry::of_arrival`] gives, whatever ruling over at most 256 events, state and recovery it carries, and for what
    /// [`super::withhold::withheld`] makes of it.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let body = self.body.bytes().map_or(&[][..], |bytes| bytes.as_ref());
        let mut text = String::with_capacity(1_024 + body.len());
        self.write_head(&mut text);
        let mut entry = text.into_bytes();
        entry.extend_from_slice(body);
        entry
    }

    fn write_head(&self, out: &mut String) {
        out.push_str(MAGIC);
        out.push('\n');
        let mut line = |name: &str, value: &dyn std::fmt::Display| {
            // Writing to a string cannot fail.
            let _ = writeln!(out, "{name}: {value}");
        };
        let hashed = |sha256: &[u8; 32], bytes: u64| format!("{} {bytes}", hex::encode(sha256));
        let kept = |line: &mut dyn FnMut(&str, &dyn std::fmt::Display), name: &str, kept: &Kept| match kept {
            Kept::Text(text) => line(name, text),
            Kept::Hashed { sha256, bytes } => line(&format!("{name}-sha256"), &hashed(sha256, *bytes)),
        };
        line("index", &self.index);
        line("stream", &format_args!("{} {}", self.stream, self.sequence));
        line("recorded", &self.recorded);
        if let Some((stream, sequence, time)) = &self.recovered {
            line("recovered", &format_args!("{stream} {sequence} {time}"));
        }
        if let Some(state) = &self.state {
            line("state", &hex::encode(state));
        }
        kept(&mut line, "subject", &self.subject);
        if let Some(ruling) = &self.ruling {
            match &ruling.verdict {
                Verdict::Accepted => line("verdict", &"accepted"),
                Verdict::Duplicate => line("verdict", &"duplicate"),
                Verdict::Refused(code) => line("verdict", &format_args!("refused {code}")),
            }
            if let Some(runs) = runs(ruling) {
                line("events", &runs);
            }
            if let (Verdict::Refused(_), Some((position, code))) = (&ruling.verdict, &ruling.fault) {
                line("fault", &format_args!("{position} {code}"));
            }
        }
        if let Some(content_type) = &self.content_type {
            kept(&mut line, "content-type", content_type);
        }
        if let Some(signature) = &self.signature {
            kept(&mut line, "signature", signature);
        }
        match &self.body {
            Body::Bytes(_) => {}
            Body::Hashed { sha256, bytes } => line("body-sha256", &hashed(sha256, *bytes)),
            Body::Withheld(withheld) => {
                let digests: String =
                    withheld.digests.iter().map(|digest| format!(" {}", hex::encode(digest))).collect();
                line("withheld", &format_args!("{}{digests}", hashed(&withheld.sha256, withheld.bytes)));
            }
        }
        out.push('\n');
    }

    /// Reads an entry back: the exact inverse of [`Entry::encode`].
    ///
    /// # Errors
    /// [`EntryFault`] for any bytes that no entry encodes to.
    pub fn parse(bytes: &[u8]) -> Result<Self, EntryFault> {
        super::entry_parse::parse(bytes)
    }
}

/// `97 new, 1 duplicate, 2 new`, where both occur in an accepted report.
fn runs(ruling: &Ruling) -> Option<String> {
    let mixed = ruling.marks.contains(&Mark::New) && ruling.marks.contains(&Mark::Duplicate);
    if ruling.verdict != Verdict::Accepted || !mixed {
        return None;
    }
    let runs = ruling.marks.chunk_by(|left, right| left == right).map(|run| {
        let word = if run.first() == Some(&Mark::New) { "new" } else { "duplicate" };
        format!("{} {word}", run.len())
    });
    Some(runs.collect::<Vec<_>>().join(", "))
}

fn stream_name(name: &str) -> String {
    if is_stream_name(name) {
        name.to_owned()
    } else {
        format!("sha256-{}", hex::encode(&hex::sha256(name.as_bytes())))
    }
}

/// What the header of a recovery says, where there is exactly one and it is in its one form.
fn recovered(arrival: &Arrival) -> Option<(String, u64, Time)> {
    let mut values = arrival.headers.iter().filter(|(own, _)| own.eq_ignore_ascii_case(HEADER_RECOVERED));
    let (_, value) = values.next()?;
    let only = values.next().is_none();
    std::str::from_utf8(value).ok().filter(|_| only).and_then(super::entry_parse::recovered)
}

fn header(arrival: &Arrival, name: &str) -> Option<Kept> {
    let mut values = arrival.headers.iter().filter(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value);
    let first = values.next()?;
    let more: Vec<&Bytes> = values.collect();
    if more.is_empty() {
        return Some(Kept::of(first, HEADER_BYTES_MAX));
    }
    let joined = more.iter().fold(first.to_vec(), |mut joined, value| {
        joined.extend_from_slice(b"\r\n");
        joined.extend_from_slice(value);
        joined
    });
    Some(Kept::hashed(&joined))
}

/// RFC 6962 hash of a leaf: SHA-256 over 0x00 and the entry.
#[must_use]
pub fn leaf_hash(entry: &[u8]) -> [u8; 32] {
    Sha256::new_with_prefix([0]).chain_update(entry).finalize().into()
}

#[cfg(test)]
#[path = "entry_tests.rs"]
mod tests;
