//! Requests that read much: so many at once, whoever asks for them, and none for a client who has left.
//!
//! Work on a thread that may block goes on when the request that wanted it is dropped: it must ask by itself whether anybody
//! still waits for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

/// Places for such requests; cheap to clone.
#[derive(Debug, Clone)]
pub struct Scans {
    room: Arc<Semaphore>,
    wait: Duration,
}

/// Places by what is read: so that no kind keeps another waiting. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Places {
    /// What goes through many entries.
    pub scans: Scans,
    past: Scans,
    now: Scans,
}

/// Tells work that its client has left; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Stop(Arc<AtomicBool>);

/// Says so when it is dropped: held by the request.
#[derive(Debug)]
pub struct Asking(Stop);

impl Drop for Asking {
    fn drop(&mut self) {
        self.0.0.store(true, Ordering::Release);
    }
}

impl Stop {
    /// Whether nobody waits for the answer any more.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    /// What sets it when dropped.
    #[must_use]
    pub fn asking(&self) -> Asking {
        Asking(self.clone())
    }
}

impl Scans {
    /// So many at once; others wait so long for a place.
    #[must_use]
    pub fn new(count: usize, wait: Duration) -> Self {
        Scans { room: Arc::new(Semaphore::new(count.clamp(1, Semaphore::MAX_PERMITS))), wait }
    }

    /// Runs work on a thread that may block, in its turn; `None` where no place came free in time, or the work failed to end.
    /// The place is held until the work ends, also where its client leaves before.
    pub async fn run<T: Send + 'static>(&self, work: impl FnOnce(&Stop) -> T + Send + 'static) -> Option<T> {
        let (telling, told) = oneshot::channel();
        self.run_boxed(Box::new(move |stop| drop(telling.send(work(stop))))).await;
        told.await.ok()
    }

    /// The part that is the same for all: it is compiled once.
    async fn run_boxed(&self, work: Box<dyn FnOnce(&Stop) + Send>) {
        let turn = tokio::time::timeout(self.wait, self.room.clone().acquire_owned());
        let Ok(Ok(turn)) = turn.await else { return };
        let stop = Stop::default();
        let _asking = stop.asking();
        block(Box::new(move || {
            let _turn: OwnedSemaphorePermit = turn;
            if !stop.is_set() {
                work(&stop);
            }
        }))
        .await;
    }
}

/// Runs work on a thread that may block; `None` where it failed to end.
pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let (telling, told) = oneshot::channel();
    block(Box::new(move || drop(telling.send(work())))).await;
    told.await.ok()
}

async fn block(work: Box<dyn FnOnce() + Send>) {
    if let Err(error) = tokio::task::spawn_blocking(work).await {
        tracing::error!(%error, "a read ended early");
    }
}

impl Places {
    /// Where the disk is read twice as many as processors, for half of them may wait for it. Figures of now come from memory: what
    /// limits them is what their answers take.
    #[must_use]
    pub fn by_processors(wait: Duration) -> Self {
        let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let places = |each| Scans::new(each * processors, wait);
        Places { scans: places(2), past: places(2), now: places(16) }
    }

    /// Where figures are read: those of a past moment lie on disk.
    #[must_use]
    pub fn figures(&self, past: bool) -> &Scans {
        if past { &self.past } else { &self.now }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn work_has_its_turn_and_ends_when_its_client_leaves() {
        let scans = Scans::new(1, Duration::from_millis(20));
        let (began, begun) = mpsc::channel();
        let (ended, end) = mpsc::channel();
        let held = scans.clone();
        let request = tokio::spawn(async move {
            let work = move |stop: &Stop| {
                began.send(()).unwrap();
                while !stop.is_set() {
                    std::thread::yield_now();
                }
                ended.send(()).unwrap();
            };
            held.run(work).await
        });
        tokio::task::spawn_blocking(move || begun.recv().unwrap()).await.unwrap();
        // The only place is taken.
        assert_eq!(scans.run(|_| 1).await, None);
        request.abort();
        tokio::task::spawn_blocking(move || end.recv().unwrap()).await.unwrap();
        let patient = Scans { wait: Duration::from_secs(60), ..scans };
        assert_eq!(patient.run(|stop| stop.is_set()).await, Some(false));
    }
}
