//! Why an outbox does not do what it was asked. Each says what to do.

use std::path::PathBuf;

use crate::limits::BODY_BYTES_MAX;

/// Why the outbox does not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum OutboxError {
    /// Another process publishes with this key.
    #[error(
        "another process is publishing with this key (outbox {dir}): wait for it, or use a key of its own for each"
    )]
    Busy {
        /// Folder.
        dir: PathBuf,
    },
    /// The outbox was made for another key or ledger.
    #[error("outbox {dir} belongs to {what} {found}, not {wanted}: give this one a folder of its own")]
    Foreign {
        /// Folder.
        dir: PathBuf,
        /// `key` or `ledger`.
        what: &'static str,
        /// What it belongs to.
        found: String,
        /// What was asked for.
        wanted: String,
    },
    /// A line before the last cannot be read.
    #[error(
        "{path} is damaged at byte {at}: reports that may have been sent cannot be read. Restore it from a backup, or go on with a new key (`jindo keygen`)"
    )]
    Damaged {
        /// The journal.
        path: PathBuf,
        /// Offset of the first bad line.
        at: u64,
    },
    /// A report must not leave this machine.
    #[error(
        "the report carries what looks like a resident registration number{place}. The ledger is public and forgets nothing: take it out"
    )]
    Personal {
        /// ` at /0/data/remark`, or empty.
        place: String,
    },
    /// Larger than a report may be.
    #[error("the body has {bytes} bytes, a report may have {BODY_BYTES_MAX}: split it")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// CloudEvents JSON is UTF-8.
    #[error("the body is no UTF-8 text")]
    NotText,
    /// What does not parse is refused by admission, and recorded for ever; nobody can tell what it carries.
    #[error("the body is no JSON: correct it, nothing of it can be recorded")]
    NotJson,
    /// What is written beside a body cannot be withheld: it may hold what a report needs, and no more.
    #[error("'{what}' is no {kind} that reports have: correct it")]
    Header {
        /// Content type or subject.
        kind: &'static str,
        /// What was given, shortened.
        what: String,
    },
    /// Too much waits already.
    #[error("{bytes} bytes of reports wait in outbox {dir} already: deliver them first")]
    Full {
        /// Folder.
        dir: PathBuf,
        /// Bytes waiting.
        bytes: usize,
    },
    /// A write or sync failed earlier: what is on disk is not known.
    #[error("a write to outbox {dir} failed earlier: nothing more is signed. Check the disk, then start again")]
    Broken {
        /// Folder.
        dir: PathBuf,
    },
    /// A file.
    #[error("{what}: {source}")]
    Io {
        /// What was being done, on what.
        what: String,
        /// The system's error.
        source: std::io::Error,
    },
}
