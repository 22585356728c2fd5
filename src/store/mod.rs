//! (room under construction)

pub mod progress;
