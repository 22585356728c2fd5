//! (room under construction)

pub mod import;
