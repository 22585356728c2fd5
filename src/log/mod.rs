//! The record: entries, the tail they are appended to, the RFC 6962 tree over them.
//!
//! The log knows bytes and indexes. It never judges a report ([`crate::admit`]) and never folds one.

pub mod checkpoint;
pub mod entry;
mod entry_parse;
pub mod frontier;
pub mod note;
pub mod tail;
pub mod tile;
pub mod tree;

use bytes::Bytes;

use crate::event::Time;

/// A message as it arrived from the stream: nothing about it may be assumed (JetStream stores 61,300-byte header values
/// and subjects with `*` or NUL).
#[derive(Debug, Clone)]
pub struct Arrival {
    /// Stream name: `LEDGER_1`.
    pub stream: std::sync::Arc<str>,
    /// Stream sequence.
    pub sequence: u64,
    /// JetStream's time at arrival.
    pub recorded: Time,
    /// Subject bytes.
    pub subject: Bytes,
    /// Headers in order, a name may repeat.
    pub headers: Vec<(String, Bytes)>,
    /// Body bytes.
    pub body: Bytes,
}
