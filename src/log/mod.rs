//! The record: entries, the tail they are appended to, and the verifiable log over them.
//!
//! - [`entry`], [`tail`]: what is kept of a message, and where it is kept first.
//! - [`tile`], [`tree`], [`frontier`]: the RFC 6962 tree as C2SP tiles, and proofs over it. No I/O.
//! - [`note`], [`checkpoint`]: signed notes, and the one that states a log's size and root.
//! - [`keyring`]: the log's keys over its life, each named by the one before it; [`lineage`] reads them out of a folder.
//! - [`receipt`]: that one entry is in the log, provable offline; [`policy`]: whose word that takes.
//! - [`fork`]: that one key signed two trees, provable offline.
//! - [`withhold`]: what stands of an entry whose body loses texts by law.
//! - [`folder`] reads the log folder, [`bundle`] one entry of many, [`bounded`] any file in it; [`publish`] is the beat that writes it, through [`disk`].
//!
//! The log knows bytes and indexes. It never judges a report ([`crate::admit`]) and never folds one.

pub mod bounded;
pub mod bundle;
pub mod checkpoint;
pub mod disk;
mod edge;
pub mod entry;
mod entry_parse;
pub mod folder;
pub mod fork;
pub mod frontier;
pub mod keyring;
pub mod lineage;
pub mod note;
pub mod policy;
pub mod publish;
pub mod publish_fault;
pub mod receipt;
pub mod tail;
pub mod tile;
pub mod tree;
pub mod withhold;

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

#[cfg(test)]
#[path = "sample_tests.rs"]
mod samples;
