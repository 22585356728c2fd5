//! Seats for connections: who holds one, and who gives it up where none is left.
//!
//! A connection that waits for its client (for a whole request, or for the client to read an answer) may hold a seat as long as
//! nobody else wants it. Where somebody does, the one that has waited longest gives it up, if it has waited a while, and so does
//! one that had its turn, however often it asks. So strangers who open every connection there is keep nobody out for long,
//! whatever they do with them.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// The part of all seats, one of so many, that is asked for at once.
const FREED_PART: usize = 64;
/// Times the wait of an idle connection that one may be served before others who wait come first.
const TURN: u64 = 5;
/// Times the wait of an idle connection that one whose answer is being made is left its seat for.
const BUSY_CREDIT: u64 = 5;

/// All seats of a server.
#[derive(Debug, Clone)]
pub struct Seats {
    room: Arc<Semaphore>,
    taken: Arc<Mutex<HashMap<u64, Arc<Pace>>>>,
    began: Instant,
    /// How long a connection must have waited for its client before it gives up its seat.
    wait_min: Duration,
}

/// A seat; dropped, it is free.
#[derive(Debug)]
pub struct Seat {
    number: u64,
    seats: Seats,
    /// What its connection does.
    pub pace: Arc<Pace>,
    _room: OwnedSemaphorePermit,
}

/// What a connection does: told by its socket and its requests, asked where a seat is wanted.
#[derive(Debug)]
pub struct Pace {
    began: Instant,
    /// Milliseconds from `began` to when it took its seat.
    seated: u64,
    /// Milliseconds from `began` to the last request come in whole, byte written, or answer made.
    moved: AtomicU64,
    /// Answers being made: then the connection waits for us, not for its client.
    busy: AtomicU64,
    /// Whether the client does not read what was written.
    stalled: AtomicBool,
    reads_again: Notify,
    give_up: Notify,
}

impl Pace {
    /// Of a connection that begins now; times count from `began`.
    fn since(began: Instant) -> Self {
        let (busy, stalled) = (AtomicU64::new(0), AtomicBool::new(false));
        let seated = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let pace =
            Pace { began, seated, moved: 0.into(), busy, stalled, reads_again: Notify::new(), give_up: Notify::new() };
        pace.moves();
        pace
    }

    /// A request came in or bytes were taken.
    pub fn moves(&self) {
        let now = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.moved.store(now, Ordering::Relaxed);
    }

    /// The client took what was written, or did not.
    pub fn stall(&self, stalled: bool) {
        let before = self.stalled.swap(stalled, Ordering::AcqRel);
        if before && !stalled {
            self.reads_again.notify_waiters();
        }
    }

    /// Waits until the client reads: further answers are not made before it does.
    pub async fn unstalled(&self) {
        loop {
            let mut reads_again = std::pin::pin!(self.reads_again.notified());
            // Enlisted before it is asked, or a change between the two would be missed.
            reads_again.as_mut().enable();
            if !self.stalled.load(Ordering::Acquire) {
                return;
            }
            reads_again.await;
        }
    }

    /// Counts an answer that is being made for as long as what it gives is held.
    pub fn answering(&self) -> Answering<'_> {
        self.moves();
        self.busy.fetch_add(1, Ordering::AcqRel);
        Answering(self)
    }

    /// Ready when this connection is to give up its seat.
    pub async fn given_up(&self) {
        self.give_up.notified().await;
    }

    /// Milliseconds, as `moved`, since which it waits for its client, or its turn of `turn` is over. An answer being made counts as one that moved later by
    /// `credit`: it may go on for a while, but who asks for what takes long keeps nobody out either.
    fn waiting_since(&self, turn: u64, credit: u64) -> u64 {
        let busy = self.busy.load(Ordering::Acquire) > 0;
        let since = self.moved.load(Ordering::Relaxed).min(self.seated.saturating_add(turn));
        since.saturating_add(if busy { credit } else { 0 })
    }
}

/// An answer being made.
#[derive(Debug)]
pub struct Answering<'a>(&'a Pace);

impl Drop for Answering<'_> {
    fn drop(&mut self) {
        self.0.moves();
        self.0.busy.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Seats {
    /// So many of them.
    #[must_use]
    pub fn new(count: usize, wait_min: Duration) -> Self {
        let room = Arc::new(Semaphore::new(count.min(Semaphore::MAX_PERMITS)));
        Seats { room, taken: Arc::default(), began: Instant::now(), wait_min }
    }

    fn taken(&self) -> std::sync::MutexGuard<'_, HashMap<u64, Arc<Pace>>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A seat, where need be that of the connection that waited longest for its client.
    pub async fn take(&self, number: u64) -> Seat {
        let room = loop {
            if let Ok(room) = self.room.clone().try_acquire_owned() {
                break room;
            }
            self.free_some();
            // The semaphore is never closed; an error would mean to ask again, as its time running out does.
            if let Ok(Ok(room)) = tokio::time::timeout(self.next_ask(), self.room.clone().acquire_owned()).await {
                break room;
            }
        };
        let pace = Arc::new(Pace::since(self.began));
        self.taken().insert(number, pace.clone());
        Seat { number, seats: self.clone(), pace, _room: room }
    }

    /// How long until the next connection may be asked for its seat; long enough that asking costs nothing.
    fn next_ask(&self) -> Duration {
        (self.wait_min / 4).max(Duration::from_millis(1))
    }

    /// Asks those who have waited longest for their seats: several at once, for looking at all seats costs as much as for one,
    /// and where one client waits to be let in a crowd does.
    fn free_some(&self) {
        let now = self.began.elapsed();
        let wait = u64::try_from(self.wait_min.as_millis()).unwrap_or(u64::MAX);
        let (turn, credit) = (wait.saturating_mul(TURN), wait.saturating_mul(BUSY_CREDIT));
        let taken = self.taken();
        let due = |since: &u64| now.saturating_sub(Duration::from_millis(*since)) >= self.wait_min;
        let waiting =
            taken.values().map(|pace| (pace.waiting_since(turn, credit), pace)).filter(|(since, _)| due(since));
        let mut waiting: Vec<(u64, &Arc<Pace>)> = waiting.collect();
        let most = taken.len().div_ceil(FREED_PART);
        if waiting.len() > most {
            waiting.select_nth_unstable_by_key(most, |(since, _)| *since);
            waiting.truncate(most);
        }
        waiting.iter().for_each(|(_, pace)| pace.give_up.notify_one());
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.seats.taken().remove(&self.number);
    }
}
