//! The log's beat as a thread: at most every [`BEAT_EVERY_MS`], while there is something new, one checkpoint.
//!
//! It follows the commits and never holds them back: a fence, a witness or a disk that does not let it pass keeps
//! `proven_size` where it is. A finding stops it until the process starts anew; everything else is tried again.
//!
//! On a read replica it signs nothing: it adopts the writer's checkpoints, each held against the entries folded here.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use super::Shared;
use super::shared::Proof;
use crate::event::Time;
use crate::limits::{BEAT_EVERY_MS, BEAT_RETRY_MS};
use crate::log::disk::Files;
use crate::log::folder::LogFolder;
use crate::log::publish::{BeatFault, Cosigners, Fence, Nobody, Publisher};
use crate::sign::KeyPair;

/// Reads the log's key files: those that are there, in any order.
pub type ReadKeys = Box<dyn Fn() -> Result<Vec<Arc<KeyPair>>, String> + Send>;

/// Makes the fence once the log's origin is known.
pub type MakeFence = Box<dyn FnOnce(&str) -> Box<dyn Fence> + Send>;

/// The running beat.
pub struct Beat {
    stop: mpsc::Sender<()>,
    thread: std::thread::JoinHandle<()>,
}

impl Beat {
    /// Starts it for the log in `folder`, signed with the key of `keys` that the registry names.
    ///
    /// # Errors
    /// No thread could be started.
    pub fn start(
        shared: Shared,
        folder: &Path,
        keys: ReadKeys,
        fence: MakeFence,
        cosigners: Box<dyn Cosigners>,
    ) -> std::io::Result<Self> {
        let folder = LogFolder::new(folder);
        let (make, follows) = (Some(fence), false);
        let at_work =
            AtWork { shared, folder, keys, make, fence: None, cosigners, publisher: None, follows, unshown: true };
        at_work.start()
    }

    /// Starts it on a read replica, where `fence` shows what the writer published.
    ///
    /// # Errors
    /// No thread could be started.
    pub fn follow(shared: Shared, folder: &Path, fence: MakeFence) -> std::io::Result<Self> {
        let keys: ReadKeys = Box::new(|| Ok(Vec::new()));
        let (folder, make, cosigners) = (LogFolder::new(folder), Some(fence), Box::new(Nobody));
        let (follows, unshown) = (true, false);
        AtWork { shared, folder, keys, make, fence: None, cosigners, publisher: None, follows, unshown }.start()
    }

    /// Ends it after a last beat for what was committed meanwhile.
    pub fn stop(self) {
        // The thread may be gone already, with a finding.
        let _ = self.stop.send(());
        if self.thread.join().is_err() {
            tracing::error!("the beat ended early");
        }
    }
}

struct AtWork {
    shared: Shared,
    folder: LogFolder,
    keys: ReadKeys,
    make: Option<MakeFence>,
    fence: Option<Box<dyn Fence>>,
    cosigners: Box<dyn Cosigners>,
    publisher: Option<Publisher>,
    /// Adopts the checkpoints of another process.
    follows: bool,
    /// The checkpoint was not shown to replicas yet.
    unshown: bool,
}

impl AtWork {
    fn start(self) -> std::io::Result<Beat> {
        let (stop, stopped) = mpsc::channel();
        let at_work = self;
        let thread = std::thread::Builder::new().name("beat".to_owned()).spawn(move || at_work.run(&stopped))?;
        Ok(Beat { stop, thread })
    }

    fn run(mut self, stopped: &mpsc::Receiver<()>) {
        let mut told = String::new();
        loop {
            let started = Instant::now();
            let ended = self.beat();
            let pause = match ended {
                Ok(()) => {
                    told.clear();
                    BEAT_EVERY_MS
                }
                Err(fault) => {
                    let why = fault.to_string();
                    if why != told {
                        tracing::warn!(%why, "no checkpoint is published");
                    }
                    self.shared.set_proof_trouble(Some(why.clone()));
                    told = why;
                    // A replica looks again: the writer may have been mended.
                    if fault.is_finding() && !self.follows {
                        return;
                    }
                    BEAT_RETRY_MS
                }
            };
            let rest = Duration::from_millis(pause).saturating_sub(started.elapsed());
            if !matches!(stopped.recv_timeout(rest), Err(RecvTimeoutError::Timeout)) {
                break;
            }
        }
        if let Err(fault) = self.beat() {
            tracing::warn!(%fault, "the last entries are in no checkpoint yet");
        }
    }

    fn beat(&mut self) -> Result<(), BeatFault> {
        // The size first: the registry is of this size or a later one, so it knows every key up to here.
        let size = *self.shared.sizes().borrow();
        let registry = self.shared.registry();
        if registry.origin.is_empty() {
            return Ok(());
        }
        let log = self.shared.log();
        let keys = super::keys_of(&registry)?;
        let mut publisher = match self.publisher.take().filter(|publisher| *publisher.keys() == keys) {
            Some(publisher) => publisher,
            None => {
                let pairs = (self.keys)().map_err(BeatFault::NoKey)?;
                Publisher::open(self.folder.clone(), Box::new(Files), keys, pairs, &log)?
            }
        };
        // Known from the start; a trouble told before stands until a beat ends well.
        self.shared.set_proven(publisher.published().size);
        if self.fence.is_none() {
            self.fence = self.make.take().map(|make| make(&registry.origin));
        }
        let Some(fence) = self.fence.as_mut() else { return Ok(()) };
        if self.follows {
            let adopted = match fence.shown() {
                Ok(Some(note)) => publisher.adopt(&log, size, &note, Time::now()).map(|_| ()),
                Ok(None) => Ok(()),
                Err(fault) => Err(fault.into()),
            };
            return self.end(publisher, adopted);
        }
        if publisher.is_due(size) {
            let beaten = publisher.beat(&log, size, &mut **fence, &mut *self.cosigners, Time::now());
            self.shared.meters().witnesses(&self.cosigners.states());
            match beaten {
                Ok(published) => {
                    self.shared.meters().published(Time::now());
                    self.unshown |= published.is_some();
                }
                Err(fault) => return self.end(publisher, Err(fault)),
            }
        }
        let published = publisher.published().size;
        self.end(publisher, Ok(()))?;
        if self.unshown && published > 0 {
            self.show()?;
        }
        Ok(())
    }

    /// What was laid and checked stays so; after a failed write the folder is looked at anew.
    fn end(&mut self, publisher: Publisher, ended: Result<(), BeatFault>) -> Result<(), BeatFault> {
        let size = publisher.published().size;
        let stays = match &ended {
            Ok(()) => true,
            Err(fault) => {
                matches!(fault, BeatFault::Fence(_) | BeatFault::Cosign { .. } | BeatFault::Ahead { .. })
            }
        };
        if stays {
            self.publisher = Some(publisher);
        }
        ended?;
        self.shared.set_proof(Proof { size, trouble: None });
        Ok(())
    }

    /// Shows the published checkpoint to replicas. They alone wait for it: what fails is tried again with the next beat.
    fn show(&mut self) -> Result<(), BeatFault> {
        let Some((note, fence)) = self.folder.checkpoint()?.zip(self.fence.as_mut()) else { return Ok(()) };
        match fence.show(&note) {
            Ok(()) => self.unshown = false,
            Err(error) => tracing::debug!(%error, "the checkpoint is not shown"),
        }
        Ok(())
    }
}
