//! What was promised: indicators and their folds, targets, regions, agencies, keys and schemas; all of it as of an index.
//!
//! [`registry::Registry`] is the fold of the governance events; nothing else writes it. [`file`] reads the catalogue an
//! authority keeps as TOML and says what differs from the registry as governance events. [`units`] says amounts.

pub mod file;
pub mod govern;
mod govern_keys;
pub mod indicator;
pub mod registry;
pub mod units;
