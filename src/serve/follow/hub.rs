//! One place that watches the ledger for all followers: makes each frame once and keeps the last ones for who comes back.
//!
//! Where nobody follows, nothing is made: the next frame then holds all that changed since.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, sleep_until};

use super::frame::{Frame, Wanted, note, snapshot, timeless};
use crate::event::{Day, Time};
use crate::limits::{FOLLOW_EVERY_MS, FOLLOW_KEPT_BYTES_MAX, FOLLOW_LOOK_MS, FOLLOW_RETRY_MS};
use crate::projector::changes::{Changes, Mark};
use crate::serve::source::Source;

/// What all followers share; cheap to clone.
#[derive(Clone)]
pub struct Hub {
    inner: Arc<Inner>,
}

struct Inner {
    source: Arc<dyn Source>,
    /// Held for moments: whoever follows asks for it.
    held: Mutex<Held>,
    /// Held while the ledger is read: two who look at once would make two frames of the same.
    looking: tokio::sync::Mutex<()>,
    /// Number of the newest frame; closed to everybody at the end.
    newest: watch::Sender<u64>,
    /// How the ledger is doing, as it changes.
    state: watch::Sender<Arc<Value>>,
    over: watch::Sender<bool>,
    followers: AtomicUsize,
    arrived: Notify,
    /// Followers that were dropped because they did not keep up.
    dropped: AtomicU64,
}

#[derive(Default)]
pub(super) struct Held {
    told: HashMap<String, Mark>,
    /// Each indicator as told last, without its moment, in the order of the work plan.
    now: Vec<(String, Bytes)>,
    last: Option<(Day, Changes)>,
    kept: VecDeque<Arc<Frame>>,
    kept_bytes: usize,
    /// Number and id of the frame before the first one kept.
    before: (u64, String),
    /// The whole snapshot with its id, size and proven size: the same bytes for all who begin with it.
    whole: Option<(String, (u64, u64), Bytes)>,
}

/// Where a follower begins.
pub struct Start {
    /// What it is sent first, if anything.
    pub first: Option<Bytes>,
    /// The frame it has then.
    pub number: u64,
}

/// What comes next for a follower.
pub enum Next {
    /// Nothing yet.
    Wait,
    /// This frame.
    Frame(Arc<Frame>),
    /// The next one is gone: the follower did not keep up.
    Gone,
}

/// Counts a follower for as long as it is held.
pub struct Following(Hub);

#[cfg(test)]
impl Following {
    /// One more who follows.
    pub fn of(hub: &Hub) -> Self {
        hub.inner.followers.fetch_add(1, Ordering::AcqRel);
        Following(hub.clone())
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        self.0.inner.followers.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Held {
    /// Of the newest frame.
    pub(super) fn id(&self) -> String {
        self.kept.back().map_or(self.before.1.clone(), |frame| frame.id.clone())
    }

    fn number(&self) -> u64 {
        self.kept.back().map_or(self.before.0, |frame| frame.number)
    }

    /// Whether there is a new frame.
    pub(super) fn take(&mut self, day: Day, changes: Changes) -> bool {
        let first = self.last.is_none();
        for changed in &changes.indicators {
            self.told.insert(changed.id.clone(), changed.mark);
            let json = timeless(&changed.json);
            match self.now.iter_mut().find(|(id, _)| *id == changed.id) {
                Some((_, held)) => *held = json,
                None => self.now.push((changed.id.clone(), json)),
            }
        }
        let moved = !changes.indicators.is_empty();
        if first {
            self.before = (0, format!("{}.{day}", changes.size));
        } else if moved {
            let frame = Arc::new(Frame::new(self.number() + 1, day, &changes));
            self.kept_bytes += frame.len();
            self.kept.push_back(frame);
            while self.kept_bytes > FOLLOW_KEPT_BYTES_MAX && self.kept.len() > 1 {
                let Some(frame) = self.kept.pop_front() else { break };
                self.kept_bytes -= frame.len();
                self.before = (frame.number, frame.id.clone());
            }
        }
        // What did not move stands as of now, too.
        self.last = Some((day, Changes { indicators: Vec::new(), ..changes }));
        moved && !first
    }

    /// The number of the frame with this id, if what came after it is still here.
    fn find(&self, id: &str) -> Option<u64> {
        if self.before.1 == id {
            return Some(self.before.0);
        }
        self.kept.iter().find(|frame| frame.id == id).map(|frame| frame.number)
    }
}

impl Hub {
    /// Over a ledger.
    pub fn new(source: Arc<dyn Source>) -> Self {
        let inner = Inner {
            source,
            held: Mutex::default(),
            looking: tokio::sync::Mutex::new(()),
            newest: watch::Sender::new(0),
            state: watch::Sender::new(Arc::new(Value::Null)),
            over: watch::Sender::new(false),
            followers: AtomicUsize::new(0),
            arrived: Notify::new(),
            dropped: AtomicU64::new(0),
        };
        Hub { inner: Arc::new(inner) }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.inner.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Watches the ledger until [`Hub::close`].
    pub async fn run(self) {
        let mut over = self.inner.over.subscribe();
        tokio::select! {
            () = self.frames() => {}
            () = self.states() => {}
            _ = over.wait_for(|over| *over) => {}
        }
    }

    /// Ends every stream.
    pub fn close(&self) {
        self.inner.over.send_replace(true);
    }

    async fn frames(&self) {
        let mut sizes = self.inner.source.sizes();
        loop {
            while self.inner.followers.load(Ordering::Acquire) == 0 {
                self.inner.arrived.notified().await;
            }
            let began = Instant::now();
            sizes.mark_unchanged();
            let pause = match self.look().await {
                Ok(()) => FOLLOW_EVERY_MS,
                Err(error) => {
                    tracing::debug!(error, "followers are told later");
                    FOLLOW_RETRY_MS
                }
            };
            sleep_until(began + Duration::from_millis(pause)).await;
            let today = Time::now().day();
            let midnight = today.plus(1).start().ns().saturating_sub(Time::now().ns()).max(1).unsigned_abs();
            tokio::select! {
                changed = sizes.changed() => if changed.is_err() { return },
                () = self.inner.arrived.notified() => {}
                () = sleep(Duration::from_nanos(midnight)) => {}
            }
        }
    }

    /// Takes what changed since it was looked last.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub async fn look(&self) -> Result<(), String> {
        let _turn = self.inner.looking.lock().await;
        let (source, today) = (self.inner.source.clone(), Time::now().day());
        let known = {
            let held = self.held();
            // On a new day every status may be another.
            let same_day = held.last.as_ref().is_some_and(|(day, _)| *day == today);
            if same_day { held.told.clone() } else { HashMap::new() }
        };
        let read = move || source.changes(today, &|id: &str, mark: Mark, _| known.get(id) == Some(&mark));
        let changes = tokio::task::spawn_blocking(read).await.map_err(|error| error.to_string())?;
        let changes = changes.map_err(|error| error.to_string())?;
        let mut held = self.held();
        if held.take(today, changes) {
            self.inner.newest.send_replace(held.number());
        }
        Ok(())
    }

    fn look_at_state(&self) {
        let health = serde_json::to_value(self.inner.source.health()).unwrap_or_default();
        self.inner.state.send_if_modified(|held| {
            let changed = **held != health;
            if changed {
                *held = Arc::new(health);
            }
            changed
        });
    }

    async fn states(&self) {
        loop {
            self.look_at_state();
            sleep(Duration::from_millis(FOLLOW_LOOK_MS)).await;
        }
    }

    /// Counts one who follows, and sees that there is something to begin with.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub async fn enter(&self) -> Result<Following, String> {
        let following = Following(self.clone());
        self.look_at_state();
        if self.inner.followers.fetch_add(1, Ordering::AcqRel) == 0 {
            self.look().await?;
            self.inner.arrived.notify_one();
        } else if self.held().last.is_none() {
            self.look().await?;
        }
        Ok(following)
    }

    /// Names in `wanted` that no indicator has.
    pub fn unknown<'a>(&self, wanted: &'a Wanted) -> Vec<&'a str> {
        let held = self.held();
        let known: HashSet<&str> = held.now.iter().map(|(id, _)| id.as_str()).collect();
        wanted.named().iter().map(String::as_str).filter(|id| !known.contains(id)).collect()
    }

    /// Where one begins who has seen all up to `last`: there, if that is still known, else with a snapshot.
    pub fn start(&self, wanted: &Wanted, last: Option<&str>) -> Start {
        let mut held = self.held();
        if let Some(number) = last.and_then(|last| held.find(last)) {
            return Start { first: None, number };
        }
        let (id, number) = (held.id(), held.number());
        let Some((day, mut last)) = held.last.clone() else { return Start { first: None, number } };
        // What was told has not moved since, but checkpoints go on.
        last.proven_size = self.inner.source.health().proven_size.min(last.size);
        let is_made = |(of, at, _): &&(String, (u64, u64), Bytes)| *of == id && *at == (last.size, last.proven_size);
        if let Some((_, _, whole)) = held.whole.as_ref().filter(is_made).filter(|_| wanted.is_all()) {
            return Start { first: Some(whole.clone()), number };
        }
        let mine = held.now.iter().filter(|(id, _)| wanted.has(id)).map(|(_, json)| json);
        let first = snapshot(&id, day, &last, mine);
        if wanted.is_all() {
            held.whole = Some((id, (last.size, last.proven_size), first.clone()));
        }
        let first = Some(first);
        Start { first, number }
    }

    /// What comes after a frame.
    pub fn after(&self, number: u64) -> Next {
        let held = self.held();
        if number < held.before.0 {
            return Next::Gone;
        }
        let place = usize::try_from(number - held.before.0).unwrap_or(usize::MAX);
        held.kept.get(place).map_or(Next::Wait, |frame| Next::Frame(frame.clone()))
    }

    /// How the ledger is doing, with the id of the frame before which nothing is missing, for who has frame `number`.
    pub fn state(&self, number: u64) -> Bytes {
        let held = self.held();
        let id = (held.number() == number).then(|| held.id());
        note("status", id.as_deref(), &self.inner.state.borrow())
    }

    /// Numbers of frames, states, and the end, as they come.
    pub fn subscribe(&self) -> (watch::Receiver<u64>, watch::Receiver<Arc<Value>>, watch::Receiver<bool>) {
        (self.inner.newest.subscribe(), self.inner.state.subscribe(), self.inner.over.subscribe())
    }

    /// Counts one that did not keep up.
    pub fn drop_one(&self) {
        self.inner.dropped.fetch_add(1, Ordering::Relaxed);
    }

    /// Who follows now, and how many were dropped so far.
    pub fn counts(&self) -> (usize, u64) {
        (self.inner.followers.load(Ordering::Relaxed), self.inner.dropped.load(Ordering::Relaxed))
    }
}
