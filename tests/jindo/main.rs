//! The one integration binary. Each module is a table of cases against real parts: a real `nats-server`, real files.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may stop where it stands")]

mod asof;
mod detours;
mod history;
mod ledger;
mod model;
mod nats;
mod publish;
mod python;
mod stream;
mod tidy;
