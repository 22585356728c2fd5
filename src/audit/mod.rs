//! A log folder against itself, offline, without trusting whoever runs the ledger.
//!
//! Not built yet: the room is kept so that verification stands between the projector and what serves. Until then
//! [`crate::projector::core::Core::replay`] recomputes figures and state digests from the log, trusting its verdicts.
