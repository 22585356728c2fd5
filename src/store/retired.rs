//! A store that another one follows: it leaves its place, and stays open until its last reader is gone.

use std::path::{Path, PathBuf};

use super::{Store, StoreError, free_aside, set_aside};

/// A store out of use, beside the place where it was.
pub struct Retired {
    store: Option<Store>,
    aside: PathBuf,
    keep: bool,
}

impl Store {
    /// Moves it from `path` to the name [`set_aside`] gives, for who still reads from it; nobody can get a new reader of it.
    /// Without `keep` its files go with its last reader.
    ///
    /// # Errors
    /// [`StoreError::Aside`]: it is closed and still where it was.
    pub fn retire(mut self, path: &Path, keep: bool) -> Result<Retired, StoreError> {
        // No commit takes a merged run in any more, and nothing opens its files again under those that remove them.
        self.stop_writing();
        let aside = free_aside(path)?;
        if let Err(error) = self.relocate(&aside) {
            // A damaged store cannot be opened again; its readers are told to ask anew.
            tracing::warn!(%error, "the store that was replaced is closed under its readers");
            drop(self);
            let aside = if path.exists() { set_aside(path)? } else { aside };
            return Ok(Retired { store: None, aside, keep });
        }
        Ok(Retired { store: Some(self), aside, keep })
    }
}

impl Retired {
    /// Where its files are.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.aside
    }

    /// Whether anybody still reads from it.
    #[must_use]
    pub fn is_read(&self) -> bool {
        self.store.as_ref().is_some_and(Store::is_read)
    }
}

/// Closes it, whoever still reads.
impl Drop for Retired {
    fn drop(&mut self) {
        drop(self.store.take());
        if !self.keep {
            // What stays is removed when stores are set aside later.
            let _ = std::fs::remove_dir_all(&self.aside);
        }
    }
}
