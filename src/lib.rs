//! jindo (진도, "progress"): an event-sourced progress ledger.
//!
//! The tour, in reading order, which is the way of a report. A room imports only from rooms above it;
//! `tests/tidy.rs` holds that order.
//!
//! 1. [`limits`] — every limit and default, each with its why.
//! 2. [`event`] — what is said. CloudEvents envelope, types and schemas, amounts, time, subjects.
//! 3. [`sign`] — who says it. NKeys, the JWS over a report, chains per key.
//! 4. [`catalogue`] — what was promised. Indicators, targets, regions, agencies: the registry as of an index.
//! 5. [`log`] — the record. Entries and the tail they are appended to.
//! 6. [`admit`] — pure. An entry and the registry give a verdict.
//! 7. [`fold`] — pure. Admitted events and rows give changes; status from figures.
//! 8. [`store`] — sled. Keys, commit, queries, as-of.
//! 9. [`stream`] — JetStream. Declare, append, read in order.
//! 10. [`publish`] — the agency's side. Outbox, import, judging the acknowledgement.
//! 11. [`projector`] — the sole writer. Read, admit, append, fold, commit, announce.
//! 12. [`audit`] — a log folder against itself, offline: every entry, signature, verdict and signed root.
//! 13. [`serve`] — HTTP.
//! 14. [`cli`] — one verb per file.
#![forbid(unsafe_code)]

pub mod limits;

pub mod event;

pub mod sign;

pub mod catalogue;

pub mod log;

pub mod admit;

pub mod fold;

pub mod store;

pub mod stream;

pub mod publish;

pub mod projector;

pub mod audit;

pub mod serve;

pub mod cli;
