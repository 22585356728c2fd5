//! The thread beside the committing one: merges sorted runs, in bounded batches.
//!
//! Knows nothing of what it merges. A failure is kept by the disk and comes out with the next commit.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;

use super::disk::{Disk, Writes};
use crate::fold::rows::Doubt;

/// What a job works with.
pub(super) struct Bench {
    pub(super) disk: Arc<Disk>,
    stop: Arc<AtomicBool>,
    batch_rows: u64,
}

impl Bench {
    /// Writes what is gathered once it is a batch; `false`: give up, the store is closing.
    pub(super) fn write(&self, writes: &mut Writes) -> Result<bool, Doubt> {
        if writes.rows() < self.batch_rows { Ok(true) } else { self.write_rest(writes) }
    }

    /// Writes what is gathered.
    pub(super) fn write_rest(&self, writes: &mut Writes) -> Result<bool, Doubt> {
        if self.stop.load(Ordering::Relaxed) {
            return Ok(false);
        }
        self.disk.apply_beside(std::mem::take(writes))?;
        // A merge goes on where no commit comes any more to see to it.
        self.disk.reopen_if_due().map(|()| true)
    }
}

type Job = Box<dyn FnOnce(&Bench) + Send>;

/// The thread.
pub(super) struct Beside {
    jobs: Option<Sender<Job>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Beside {
    pub(super) fn start(disk: Arc<Disk>, batch_rows: usize) -> Result<Self, Doubt> {
        // Bounded by its users: each has one merge under way.
        let (jobs, todo) = channel::<Job>();
        let stop = Arc::new(AtomicBool::new(false));
        let bench = Bench { disk, stop: stop.clone(), batch_rows: batch_rows as u64 };
        let work = move || {
            while let Ok(job) = todo.recv() {
                if bench.stop.load(Ordering::Relaxed) {
                    return;
                }
                job(&bench);
            }
        };
        let thread = std::thread::Builder::new().name("store-merge".to_owned()).spawn(work);
        let thread = thread.map_err(|error| Doubt(format!("no thread for merging in the store: {error}")))?;
        Ok(Beside { jobs: Some(jobs), stop, thread: Some(thread) })
    }

    pub(super) fn run(&self, job: impl FnOnce(&Bench) + Send + 'static) {
        // Without the thread nothing merges: lookups get slower, never wrong.
        let _ = self.jobs.as_ref().map(|jobs| jobs.send(Box::new(job)));
    }

    /// Ends the thread; a merge under way is given up.
    pub(super) fn stop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        self.stop();
    }
}
