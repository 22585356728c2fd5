//! The sole writer: read, admit, append, fold, commit, announce.
//!
//! ```text
//! JetStream ─▶ reader (task) ─▶ screen (all cores) ─▶ decide, append, fold, commit (one thread) ─▶ shared ─▶ announce
//! ```
//!
//! - [`core`] holds the commit order and the crash after each step. Recovery calls the same functions: entries that the
//!   tail holds and the store does not are folded by [`core::Core::replay`].
//! - [`beat`] publishes the log's checkpoints behind the commits.
//! - [`witness`] asks outsiders to cosign them.
//! - [`receipts`] gives proofs of single entries.
//! - [`replay`] folds a log with its own verdicts; [`rebuild`] does so beside the live store and lets the new one take over.
//! - [`recover`] starts the next stream where the one there is lost acknowledged messages.
//! - [`run`] joins reader and core; [`shared`] is what readers hold; [`as_of`] reads it at any moment;
//!   [`changes`] says what there is to tell,
//!   [`announce`] tells it to the key-value bucket; [`service`] answers publishers and, with [`answers`], whoever asks; [`meters`] counts for the operator, [`remind`] tells what is due. Nothing here serves HTTP.

pub mod announce;
pub mod answers;
pub mod as_of;
pub mod beat;
pub mod bootstrap;
pub mod changes;
pub mod core;
mod current;
pub mod folding;
pub mod halt;
pub mod meters;
pub mod ready;
pub mod rebuild;
pub mod receipts;
pub mod recover;
mod registries;
pub mod remind;
pub mod replay;
pub mod run;
pub mod service;
pub mod shared;
mod survey;
pub mod withhold;
pub mod witness;

pub use halt::Halt;
pub use shared::{Health, Shared};

use crate::catalogue::registry::Registry;
use crate::log::keyring::LogKeys;
use crate::log::note::NoteFault;

/// The log's keys as the registry names them.
///
/// # Errors
/// [`NoteFault`] where entry 0 names none.
pub fn keys_of(registry: &Registry) -> Result<LogKeys, NoteFault> {
    LogKeys::parse(&registry.log_key, registry.log_keys.iter().map(|key| (key.from, key.vkey.as_str())))
}
