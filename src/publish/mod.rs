//! The agency's side: files become events, an outbox signs each report once and delivers it until it is *recorded*.
//!
//! Judges no report; admission does. A report is safe once it is in the outbox: it survives a kill at any byte, is sent
//! again as the same bytes, and leaves only when the ledger says it is in the log.

mod fault;
pub mod import;
mod journal;
pub mod judge;
pub mod outbox;
pub mod receipts;
pub mod send;
pub mod status;

pub use outbox::{Draft, Outbox, OutboxError, Signed};
pub use send::{Delivered, Delivery, SendError, deliver};
pub use status::{ReportState, StatusAnswer, StatusQuestion};
