//! One message at a time: where a stream stands, a message by its sequence, what its headers and its place are.
//!
//! Nothing in a message is interpreted on the way: it comes as JSON, in base64.

use std::sync::Arc;

use async_nats::Message;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use serde_json::{Value, json};

use super::{
    Link, StreamError,
    declare::STREAM_NOT_FOUND,
    finding::{Finding, ReadError},
    succession,
};
use crate::{event::Time, log::Arrival};

/// `err_code`: no message at this sequence.
const NO_MESSAGE: u64 = 10_037;

/// Where a stream stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extent {
    /// First sequence.
    pub first: u64,
    /// Last sequence; `first - 1` when empty.
    pub last: u64,
    /// When it was created, as the server tells it.
    pub created: String,
    /// Messages up to here were put there by a recovery, which vouches for where they say they come from; 0 where none.
    pub recovered_upto: u64,
    /// Nothing will ever be added to it: a recovery retired it.
    pub sealed: bool,
    /// The server that leads it; empty where servers stand alone.
    pub leader: String,
    /// How many servers hold it.
    pub replicas: u64,
}

/// Where the stream stands now.
///
/// # Errors
/// [`Finding::Gone`], or the API's error.
pub async fn extent(link: &Link, stream: &str) -> Result<Extent, ReadError> {
    let info = match link.api(&format!("STREAM.INFO.{stream}"), &Value::Null).await {
        Ok(info) => info,
        Err(StreamError::Api { code: STREAM_NOT_FOUND, .. }) => {
            return Err(Finding::Gone { stream: stream.into() }.into());
        }
        Err(error) => return Err(error.into()),
    };
    let number = |name: &str| info.pointer(&format!("/state/{name}")).and_then(Value::as_u64).unwrap_or(0);
    let created = info.get("created").and_then(Value::as_str).unwrap_or_default().to_owned();
    let sealed = info.pointer("/config/sealed").and_then(Value::as_bool).unwrap_or(false);
    let upto = info.get("config").and_then(succession::recovered_upto).unwrap_or(0);
    let leader = info.pointer("/cluster/leader").and_then(Value::as_str).unwrap_or_default().to_owned();
    let replicas = info.pointer("/config/num_replicas").and_then(Value::as_u64).unwrap_or(1);
    let (first, last) = (number("first_seq"), number("last_seq"));
    Ok(Extent { first, last, created, recovered_upto: upto, sealed, leader, replicas })
}

/// One message by its sequence, whatever it holds; `None` where the stream has none there.
///
/// # Errors
/// [`Finding::Gone`], or the API's error.
pub async fn fetch(link: &Link, stream: &Arc<str>, sequence: u64) -> Result<Option<Arrival>, ReadError> {
    get(link, stream, &json!({ "seq": sequence })).await?.map_or(Ok(None), |arrival| {
        if arrival.sequence == sequence { Ok(Some(arrival)) } else { Err(other_message(stream, sequence)) }
    })
}

/// The first message at or behind a sequence; `None` where the stream ends before it.
///
/// # Errors
/// As [`fetch`].
pub async fn fetch_next(link: &Link, stream: &Arc<str>, sequence: u64) -> Result<Option<Arrival>, ReadError> {
    get(link, stream, &json!({ "seq": sequence, "next_by_subj": ">" })).await?.map_or(Ok(None), |arrival| {
        if arrival.sequence >= sequence { Ok(Some(arrival)) } else { Err(other_message(stream, sequence)) }
    })
}

fn other_message(stream: &str, sequence: u64) -> ReadError {
    let what = format!("STREAM.MSG.GET.{stream}");
    StreamError::NoAnswer { what, why: format!("another message instead of {sequence}") }.into()
}

async fn get(link: &Link, stream: &Arc<str>, request: &Value) -> Result<Option<Arrival>, ReadError> {
    let what = format!("STREAM.MSG.GET.{stream}");
    let answer = match link.api(&what, request).await {
        Ok(answer) => answer,
        Err(StreamError::Api { code: NO_MESSAGE, .. }) => return Ok(None),
        Err(StreamError::Api { code: STREAM_NOT_FOUND, .. }) => {
            return Err(Finding::Gone { stream: Arc::clone(stream) }.into());
        }
        Err(error) => return Err(error.into()),
    };
    let unreadable = |why: &str| StreamError::NoAnswer { what: what.clone(), why: format!("{why} for {request}") };
    let message = answer.get("message").ok_or_else(|| unreadable("no message"))?;
    let text = |name: &str| message.get(name).and_then(Value::as_str).unwrap_or_default();
    let sequence = message.get("seq").and_then(Value::as_u64).ok_or_else(|| unreadable("no sequence"))?;
    let bytes = |name: &str| STANDARD.decode(text(name)).map_err(|_| unreadable("no base64 in the message"));
    Ok(Some(Arrival {
        stream: Arc::clone(stream),
        sequence,
        recorded: Time::parse(text("time")).map_err(|_| unreadable("no time"))?,
        subject: Bytes::copy_from_slice(text("subject").as_bytes()),
        headers: parse_headers(&bytes("hdrs")?),
        body: bytes("data")?.into(),
    }))
}

/// Headers as the fast road would hand them, for any bytes: continuation lines joined, values trimmed, sorted by name
/// (a client keeps no order between names), lines without a colon dropped, what is no UTF-8 replaced.
fn parse_headers(bytes: &[u8]) -> Vec<(String, Bytes)> {
    let text = String::from_utf8_lossy(bytes);
    let mut lines = text.lines().skip(1).peekable();
    let mut found: Vec<(String, Bytes)> = Vec::new();
    while let Some(line) = lines.next() {
        let Some((name, value)) = line.split_once(':') else { continue };
        let mut value = value.trim_start().to_owned();
        while let Some(more) = lines.next_if(|line| line.starts_with(char::is_whitespace)) {
            value.push_str(more);
        }
        found.push((name.to_owned(), value.trim_end().to_owned().into()));
    }
    found.sort_by(|a, b| a.0.cmp(&b.0));
    found
}

/// Headers sorted by name; values of one name in order.
pub(super) fn headers_of(message: &Message) -> Vec<(String, Bytes)> {
    let Some(map) = &message.headers else { return Vec::new() };
    let mut found = Vec::with_capacity(map.len());
    for (name, values) in map.iter() {
        for value in values {
            found.push((name.to_string(), Bytes::copy_from_slice(value.as_str().as_bytes())));
        }
    }
    found.sort_by(|a, b| a.0.cmp(&b.0));
    found
}

/// What the acknowledgement subject tells: `$JS.ACK.<stream>.<consumer>.<delivered>.<stream seq>.<consumer seq>.<ns>.
/// <pending>`, with a domain and an account before the stream and tokens after it on newer servers.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// Stream sequence.
    pub sequence: u64,
    /// Arrival, nanoseconds since the epoch.
    pub recorded_ns: i64,
    /// Messages behind it.
    pub pending: u64,
}

impl Place {
    /// From a reply subject; `None` for any other.
    pub fn parse(reply: &str) -> Option<Place> {
        let rest = reply.strip_prefix("$JS.ACK.")?;
        let skip = if rest.split('.').count() >= 9 { 2 } else { 0 };
        let mut tokens = rest.split('.').skip(skip + 3);
        let sequence = tokens.next()?.parse().ok()?;
        let recorded_ns = tokens.nth(1)?.parse().ok()?;
        let pending = tokens.next()?.parse().ok()?;
        Some(Place { sequence, recorded_ns, pending })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places() {
        let place = Some(Place { sequence: 41, recorded_ns: 1_700_000_000_000_000_001, pending: 7 });
        for (reply, expected) in [
            ("$JS.ACK.LEDGER_1.c.1.41.9.1700000000000000001.7", &place),
            ("$JS.ACK.hub.ACC.LEDGER_1.c.1.41.9.1700000000000000001.7.token", &place),
            ("$JS.ACK._._.LEDGER_1.c.1.41.9.1700000000000000001.7", &place),
            ("$JS.ACK.LEDGER_1.c.1.x.9.1700000000000000001.7", &None),
            ("_INBOX.a.b", &None),
        ] {
            assert_eq!(&Place::parse(reply), expected, "{reply}");
        }
    }

    #[test]
    fn any_header_bytes_parse() {
        let check = |bytes: &[u8], expected: &[(&str, &str)]| {
            let found = parse_headers(bytes);
            let found: Vec<_> = found.iter().map(|(n, v)| (n.as_str(), std::str::from_utf8(v).unwrap())).collect();
            assert_eq!(found, expected, "{bytes:?}");
        };
        check(b"", &[]);
        check(b"NATS/1.0\r\n\r\n", &[]);
        check(b"NATS/1.0 503 gone\r\nB: 2\r\nA:1\r\nA:  0 \r\n\r\n", &[("A", "1"), ("A", "0"), ("B", "2")]);
        check(b"NATS/1.0\r\nA: x\r\n y\r\nno colon\r\n\r\n", &[("A", "x y")]);
        check(b"NATS/1.0\r\nA: \xff\r\n\r\n", &[("A", "\u{fffd}")]);
    }
}
