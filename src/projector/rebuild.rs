//! Read models made anew from the log folder beside the live ones, while those go on being read and written; then digests are
//! compared and the new ones take over.
//!
//! 1. A thread folds the log into a store of its own until little is missing. NATS is not asked for anything.
//! 2. The committing thread, between two commits, folds the rest and compares digests at the same size.
//! 3. The new ones are shown to readers; the old store leaves its place, the new one moves there. Readers wait for the move,
//!    a few milliseconds. *A crash before*: the old store is there. *Between*: a store is folded on start.
//! 4. Who began to read from the old store ends there; then it is closed and removed.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};
use std::thread::JoinHandle;

use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use super::core::Core;
use super::folding::Folding;
use super::halt::Halt;
use super::replay::replay;
use crate::limits::{COMMIT_MESSAGES_MAX, REBUILD_REST_MAX};
use crate::log::tail::LogReader;
use crate::sign::hex;
use crate::store::Retired;

/// What became of a rebuild.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rebuilt {
    /// Entries folded.
    pub size: u64,
    /// State digest of the new read models, in hex.
    pub digest: String,
    /// Whether the old ones had the same; `None` where there were none.
    pub equal: Option<bool>,
    /// Whether the new ones took over.
    pub switched: bool,
}

/// Somebody asks for one.
pub struct Ask {
    /// Compare and take over; else compare only.
    pub switch: bool,
    /// Where the outcome goes.
    pub reply: oneshot::Sender<Result<Rebuilt, String>>,
}

/// A rebuild under way.
pub struct Rebuild {
    ask: Ask,
    store: PathBuf,
    folded: Receiver<Result<Folding, Halt>>,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

/// Where the new store is made.
fn beside(store: &std::path::Path) -> PathBuf {
    let name = store.file_name().unwrap_or_default().to_string_lossy();
    store.with_file_name(format!("{name}.rebuild"))
}

impl Rebuild {
    /// Starts the folding.
    ///
    /// # Errors
    /// The place beside the store cannot be had, no thread.
    pub fn start(ask: Ask, store: PathBuf, log: LogReader) -> std::io::Result<Self> {
        let path = beside(&store);
        if path.exists() {
            std::fs::remove_dir_all(&path)?;
        }
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let (sender, folded) = sync_channel(1);
        let fold = move || -> Result<Folding, Halt> {
            let mut folding = Folding::open(&path)?;
            let mut go_on = |_, _| !stopped.load(Ordering::Relaxed);
            while log.size() - folding.position().size > REBUILD_REST_MAX {
                replay(&mut folding, &log, log.size(), COMMIT_MESSAGES_MAX, &mut go_on)?;
                if stopped.load(Ordering::Relaxed) {
                    return Err(Halt::Stopped);
                }
            }
            Ok(folding)
        };
        let thread = std::thread::Builder::new().name("rebuild".to_owned()).spawn(move || {
            // Nobody takes it where everything is ending.
            let _ = sender.send(fold());
        })?;
        Ok(Rebuild { ask, store, folded, stop, thread })
    }

    /// Whether there is something to end.
    ///
    /// # Errors
    /// Itself, while the folding is under way.
    pub fn ready(self) -> Result<Ended, Self> {
        let folded = match self.folded.try_recv() {
            Ok(folded) => folded,
            Err(TryRecvError::Empty) => return Err(self),
            Err(TryRecvError::Disconnected) => Err(Halt::Stopped),
        };
        Ok(Ended { ask: self.ask, store: self.store, folded })
    }

    /// Gives it up.
    pub fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        drop(self.folded);
        // A store half made is removed when the next one begins.
        let _ = self.thread.join();
        let _ = self.ask.reply.send(Err("the ledger stops; nothing was changed".to_owned()));
    }
}

/// The folding has come near the log's end.
pub struct Ended {
    ask: Ask,
    store: PathBuf,
    folded: Result<Folding, Halt>,
}

impl Ended {
    /// Between two commits: folds the rest, compares, and where that was asked for takes over. `show` shows the core's read
    /// models to readers. The store it follows is given back: to be dropped once nobody reads from it.
    ///
    /// # Errors
    /// [`Halt`] where the store that took over cannot be trusted; everything else is told to who asked.
    pub fn take_over(self, core: &mut Core, show: &mut dyn FnMut(&Core)) -> Result<Option<Retired>, Halt> {
        let Ended { ask, store, folded } = self;
        let path = beside(&store);
        let compared = folded.and_then(|mut folding| {
            replay(&mut folding, &core.log(), core.size(), COMMIT_MESSAGES_MAX, &mut |_, _| true)?;
            let (digest, equal) = (folding.digest(), folding.digest() == core.digest());
            let told =
                Rebuilt { size: core.size(), digest: hex::encode(&digest), equal: Some(equal), switched: ask.switch };
            Ok((folding, told))
        });
        let (folding, told) = match compared {
            Ok(compared) => compared,
            Err(halt) => {
                let _ = std::fs::remove_dir_all(&path);
                let _ = ask.reply.send(Err(halt.to_string()));
                return Ok(None);
            }
        };
        if !ask.switch {
            drop(folding);
            let _ = std::fs::remove_dir_all(&path);
            let _ = ask.reply.send(Ok(told));
            return Ok(None);
        }
        let old = core.exchange(folding)?;
        show(core);
        let differs = told.equal != Some(true);
        let retired = old.retire(&store, differs)?;
        core.relocate(&store)?;
        if differs {
            let aside = retired.path().display();
            tracing::error!(%aside, "the read models differed from the log; they were set aside");
        }
        tracing::info!(size = told.size, digest = told.digest, "read models made anew from the log took over");
        let _ = ask.reply.send(Ok(told));
        Ok(Some(retired))
    }
}
