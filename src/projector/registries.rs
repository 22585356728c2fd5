//! Registries of the past, for questions as of a size: a few are kept, and had at once whatever is being folded meanwhile.
//!
//! A registry stands for every size between two governance events. Never decides what governance means, never reads rows.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::catalogue::registry::Registry;
use crate::limits::REGISTRIES_CACHED_MAX;

/// Kept registries; the one asked for last is the last to go.
#[derive(Default)]
pub(super) struct Registries {
    kept: Mutex<VecDeque<Kept>>,
    /// Held by whoever folds: one fold at a time leaves the other cores to everybody else.
    turn: Mutex<()>,
}

struct Kept {
    /// Least size it stands for: one more than the index of its last governance event.
    from: u64,
    /// Greatest size it is known to stand for.
    to: u64,
    registry: Arc<Registry>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Registries {
    /// The one known to stand for a size.
    pub(super) fn at(&self, size: u64) -> Option<Arc<Registry>> {
        self.find(size, |kept| (kept.from..=kept.to).contains(&size))
    }

    /// The one whose last governance event is at `from` − 1, folded if it is not kept; it stands for `size`.
    pub(super) fn since<E>(
        &self,
        from: u64,
        size: u64,
        fold: impl FnOnce() -> Result<Registry, E>,
    ) -> Result<Arc<Registry>, E> {
        let kept = || self.find(size, |kept| kept.from == from);
        if let Some(known) = kept() {
            return Ok(known);
        }
        let _turn = lock(&self.turn);
        // Who waited may find it folded.
        if let Some(known) = kept() {
            return Ok(known);
        }
        let registry = Arc::new(fold()?);
        let mut all = lock(&self.kept);
        all.push_back(Kept { from, to: size, registry: registry.clone() });
        if all.len() > REGISTRIES_CACHED_MAX {
            all.pop_front();
        }
        Ok(registry)
    }

    fn find(&self, size: u64, fits: impl Fn(&Kept) -> bool) -> Option<Arc<Registry>> {
        let mut all = lock(&self.kept);
        let place = all.iter().position(fits)?;
        let mut found = all.remove(place)?;
        found.to = found.to.max(size);
        let registry = found.registry.clone();
        all.push_back(found);
        Some(registry)
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;

    use super::*;

    fn fold() -> Result<Registry, Infallible> {
        Ok(Registry::default())
    }

    /// Once a fold held the lock that everybody needs.
    #[test]
    fn a_kept_one_is_had_while_another_is_folded() {
        let registries = Registries::default();
        let first = registries.since(10, 15, fold).unwrap();
        let folding = || {
            let asked =
                || (registries.at(12), registries.since(10, 20, || -> Result<_, Infallible> { panic!("folded anew") }));
            let (at, since) = thread::scope(|scope| scope.spawn(asked).join()).unwrap();
            assert!(Arc::ptr_eq(&first, &at.unwrap()) && Arc::ptr_eq(&first, &since.unwrap()));
            fold()
        };
        registries.since(30, 30, folding).unwrap();
        assert!(registries.at(20).is_some(), "known to stand for what was asked");
        assert!(registries.at(9).is_none() && registries.at(21).is_none() && registries.at(30).is_some());
    }

    #[test]
    fn many_who_ask_for_one_share_one_fold() {
        let (registries, folds, together) = (Registries::default(), AtomicUsize::new(0), Barrier::new(4));
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    together.wait();
                    let counted = || {
                        folds.fetch_add(1, Ordering::SeqCst);
                        fold()
                    };
                    registries.since(5, 5, counted).unwrap();
                });
            }
        });
        assert_eq!(folds.into_inner(), 1);
    }
}
