//! Pure: admitted events and rows give changes; figures and a date give a status.
//!
//! No I/O, no clock, no async. [`rows`] names what is kept, [`rows::Rows`] is how the fold reads it, and
//! [`rows::Changes`] is everything one commit writes. The same log gives the same changes whatever the batching.

pub mod ahead;
pub mod apply;
pub mod chain;
pub mod effects;
pub mod lookup;
pub mod rows;
pub mod state;
pub mod status;
pub(crate) mod things;
