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
pub mod behind;
mod beside;
mod commit;
mod disk;
mod history;
mod index;
mod keys;
mod layout;
pub mod moment;
mod moves;
mod numbers;
mod pack;
pub mod parallel;
pub mod progress;
mod reader;
mod retired;
mod row;
mod run;
mod seal;
mod statements;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

pub use commit::Store;
pub use layout::{Fixed, Layout};
pub use reader::{Reader, Snapshot, Versions, View};
pub use retired::Retired;

use crate::fold::rows::Doubt;
use crate::limits::STORES_ASIDE_KEPT;

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

/// Renames a doubtful store to `<path>.doubt-<n>`, `n` counting up, and gives the new name; the newest [`STORES_ASIDE_KEPT`] are
/// kept, so that doubts met again and again do not fill the disk. The store must be closed.
///
/// # Errors
/// [`StoreError::Aside`].
pub fn set_aside(path: &Path) -> Result<PathBuf, StoreError> {
    let new = free_aside(path)?;
    std::fs::rename(path, &new).map_err(|error| StoreError::Aside { path: path.to_owned(), error })?;
    Ok(new)
}

/// The name [`set_aside`] would give, and room for it.
fn free_aside(path: &Path) -> Result<PathBuf, StoreError> {
    let fail = |error| StoreError::Aside { path: path.to_owned(), error };
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let aside = |number: u32| path.with_file_name(format!("{name}.doubt-{number}"));
    let known = asides(path, &name).map_err(fail)?;
    let new = aside(known.last().map_or(1, |last| last.saturating_add(1)));
    let surplus = (known.len() + 1).saturating_sub(STORES_ASIDE_KEPT);
    for number in known.into_iter().take(surplus) {
        // What cannot be removed now is tried again the next time.
        let _ = std::fs::remove_dir_all(aside(number));
    }
    Ok(new)
}

/// Numbers of the stores set aside beside it, lowest first.
fn asides(path: &Path, name: &str) -> std::io::Result<Vec<u32>> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut numbers = Vec::new();
    for entry in std::fs::read_dir(parent)? {
        let entry = entry?.file_name();
        let number = entry.to_str().and_then(|entry| entry.strip_prefix(name)?.strip_prefix(".doubt-"));
        numbers.extend(number.and_then(|number| number.parse::<u32>().ok()));
    }
    numbers.sort_unstable();
    Ok(numbers)
}
