//! The one integration binary. Each module is a table of cases against real parts: a real `nats-server`, real files.

mod detours;
mod nats;
mod publish;
mod python;
mod stream;
mod tidy;
