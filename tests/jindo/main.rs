//! The one integration binary. Each module is a table of cases against real parts: a real `nats-server`, real files.

mod admission;
mod asof;
mod detours;
mod folds;
mod history;
mod ledger;
mod model;
mod nats;
mod publish;
mod replay;
mod stream;
