//! sled: what the fold changed, kept and asked. A cache of the log, never the record.
//!
//! - [`Store`] belongs to the projector: [`Store::open`], [`Store::commit`], [`Store::rows`].
//! - [`Reader`] and [`View`] belong to everyone else.
//!
//! One database, one tree, one batch per commit, position included (`keys` names every row). Every row carries a checksum;
//! a row that does not match it, does not decode or is missing where it must be is a [`Doubt`], and so is any panic of sled. On
//! a doubt the caller stops, calls [`set_aside`] and folds the log into a new store. Commits are not synced to disk one by
//! one: after a crash [`Store::position`] is some earlier commit, whole, and the log is folded from there.
//!
//! Never decides what a change means ([`crate::fold`]), never reads the log.

mod asof;
mod beside;
mod commit;
mod disk;
mod history;
mod index;
mod keys;
mod layout;
pub mod moment;
mod moves;
mod pack;
pub mod progress;
mod reader;
mod row;
mod run;
mod seal;
mod statements;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

pub use commit::Store;
pub use layout::{Fixed, Layout};
pub use reader::{Reader, Snapshot, View};

use crate::fold::rows::Doubt;

/// Why the store cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// What it holds cannot be trusted: set it aside and fold the log anew.
    #[error(transparent)]
    Doubt(#[from] Doubt),
    /// The changes do not follow from the last commit: a fault of the fold, nothing was written.
    #[error("the changes of a commit do not fit the store: {0}; this is a fault in jindo, please report it")]
    Changes(String),
    /// A file operation on the store's directory failed.
    #[error("the store at {path} cannot be moved aside: {error}; move it by hand and start again")]
    Aside {
        /// The store.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
}

/// Renames a doubtful store to `<path>.doubt-<n>` and gives the new name. The store must be closed.
///
/// # Errors
/// [`StoreError::Aside`].
pub fn set_aside(path: &Path) -> Result<PathBuf, StoreError> {
    let fail = |error| StoreError::Aside { path: path.to_owned(), error };
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    for number in 1_u32.. {
        let aside = path.with_file_name(format!("{name}.doubt-{number}"));
        if !aside.try_exists().map_err(fail)? {
            std::fs::rename(path, &aside).map_err(fail)?;
            return Ok(aside);
        }
    }
    Err(fail(std::io::Error::other("no free name")))
}
