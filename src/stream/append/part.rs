//! What is sent at once: as many messages as make one batch, with their headers.

use std::{collections::BTreeMap, str::FromStr as _};

use async_nats::{HeaderMap, HeaderName, HeaderValue};

use super::{AppendError, Appended, Outgoing};
use crate::limits::{PUBLISH_BATCH_BYTES_MAX, PUBLISH_BATCH_MAX};

/// Messages of one batch, ready to be sent.
pub(super) struct Part<'a> {
    pub(super) messages: &'a [Outgoing],
    pub(super) batch: BatchHeaders,
    /// Those that cannot be sent.
    pub(super) failed: BTreeMap<usize, Appended>,
}

/// Index → headers, those of an atomic batch among them.
pub(super) struct BatchHeaders {
    pub(super) id: String,
    pub(super) maps: BTreeMap<usize, HeaderMap>,
}

impl BatchHeaders {
    pub(super) fn new(mut maps: BTreeMap<usize, HeaderMap>) -> Self {
        let id = uuid::Uuid::now_v7().simple().to_string();
        for (position, map) in (1_usize..).zip(maps.values_mut()) {
            map.insert("Nats-Batch-Id", id.as_str());
            map.insert("Nats-Batch-Sequence", position.to_string());
        }
        if let Some(mut last) = maps.last_entry() {
            last.get_mut().insert("Nats-Batch-Commit", "1");
        }
        BatchHeaders { id, maps }
    }
}

impl<'a> Part<'a> {
    pub(super) fn new(messages: &'a [Outgoing], bytes_max: usize) -> Self {
        let (mut maps, mut failed) = (BTreeMap::new(), BTreeMap::new());
        for (index, message) in messages.iter().enumerate() {
            match headers(message, bytes_max) {
                Ok(map) => drop(maps.insert(index, map)),
                Err(error) => drop(failed.insert(index, Err(error))),
            }
        }
        Part { messages, batch: BatchHeaders::new(maps), failed }
    }
}

/// How many of the messages make one batch.
pub(super) fn chunk(messages: &[Outgoing]) -> usize {
    let mut bytes = 0;
    let fits = |message: &&Outgoing| {
        bytes += size(message);
        bytes <= PUBLISH_BATCH_BYTES_MAX
    };
    messages.iter().take(PUBLISH_BATCH_MAX).take_while(fits).count().max(1)
}

fn size(message: &Outgoing) -> usize {
    let headers: usize = message.headers.iter().map(|(name, value)| name.len() + value.len() + 4).sum();
    message.subject.len() + headers + message.body.len()
}

pub(super) fn headers(message: &Outgoing, bytes_max: usize) -> Result<HeaderMap, AppendError> {
    let malformed = |why: String| AppendError::Malformed { why };
    // What ends a word on the wire. Other strange characters the server takes, and admission refuses.
    if message.subject.is_empty() || message.subject.contains([' ', '\t', '\r', '\n', '\u{b}', '\u{c}']) {
        return Err(malformed(format!("'{}' is no subject", message.subject.escape_debug())));
    }
    // Room for the batch's own headers, about 110 bytes.
    let bytes = size(message) + 128;
    if bytes > bytes_max {
        return Err(AppendError::TooLarge { bytes });
    }
    let mut map = HeaderMap::new();
    for (name, value) in &message.headers {
        let name = HeaderName::from_str(name).map_err(|error| malformed(error.to_string()))?;
        let value = HeaderValue::from_str(value).map_err(|error| malformed(error.to_string()))?;
        map.append(name, value);
    }
    Ok(map)
}
