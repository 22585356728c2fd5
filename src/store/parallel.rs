//! Work on all cores that reads the store, in threads of its own.
//!
//! sled flushes and opens with the help of rayon's shared threads. Were those the ones that read the store, all of them could wait
//! for a store that is being opened again, which waits for one of them: a projector stood still for good. So the shared threads
//! are sled's alone, and whoever reads rows on all cores does it here.

use std::sync::OnceLock;

use rayon::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};

/// The threads; `None` where the system gives none.
fn pool() -> Option<&'static ThreadPool> {
    static POOL: OnceLock<Option<ThreadPool>> = OnceLock::new();
    let build = || ThreadPoolBuilder::new().thread_name(|number| format!("work-{number}")).build().ok();
    POOL.get_or_init(build).as_ref()
}

/// What `one` makes of each item, in the order of the items. Without threads the caller does all of it.
pub fn map<T: Send, U: Send>(items: Vec<T>, one: impl Fn(T) -> U + Send + Sync) -> Vec<U> {
    match pool() {
        Some(pool) if items.len() > 1 => pool.install(|| items.into_par_iter().map(one).collect()),
        _ => items.into_iter().map(one).collect(),
    }
}
