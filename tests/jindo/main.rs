//! The one integration binary. Each module is a table of cases against real parts: a real `nats-server`, real files.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may stop where it stands")]

mod abuse;
mod admission;
mod asof;
mod audit;
mod audit_receipts;
mod audit_witnesses;
mod detours;
mod e2e_crash;
mod e2e_hostile;
mod e2e_house;
mod e2e_import;
mod e2e_load;
mod e2e_log;
mod e2e_rebuild;
mod e2e_recover;
mod e2e_up;
mod e2e_wire;
mod e2e_witness;
mod faults;
mod flips;
mod folds;
mod gocheck;
mod history;
mod ledger;
mod model;
mod nats;
mod offline;
mod outside;
mod publish;
mod python;
mod recover;
mod replay;
mod stream;
mod tidy;
mod witness;
