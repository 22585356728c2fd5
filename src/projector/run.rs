//! The projector at work: a task reads the stream, a thread screens on all cores, a thread commits.
//!
//! Two batches are in flight at most, so memory is bounded by them. A doubt about the store never stops the ledger for
//! good: the store is set aside and folded anew from the log, readers keep the old one until then.

use std::path::{Path, PathBuf};
use std::sync::mpsc::RecvTimeoutError;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};

use super::core::{Core, Ready, check_clock, screen_ahead, screen_all};
use super::current::{Current, Round};
use super::halt::Halt;
use super::rebuild::Rebuild;
use super::shared::{Health, Shared};
use crate::admit::screen::Trust;
use crate::catalogue::registry::Registry;
use crate::event::Time;
use crate::limits::{CATCH_UP_TOLD_MS, COMMIT_BYTES_MAX, COMMIT_MESSAGES_MAX, MEND_EVERY_MS_MIN, READ_WAIT_MS};
use crate::log::Arrival;
use crate::log::entry::Entry;
use crate::store::Retired;
use crate::stream::{Finding, Link, ReadError, Reader};

/// Where a ledger lives and what it reads.
#[derive(Debug, Clone)]
pub struct Ledger {
    /// Folder of the log.
    pub log: PathBuf,
    /// Folder of the store.
    pub store: PathBuf,
    /// Stream name: `LEDGER_1`.
    pub stream: String,
    /// Messages per commit; [`COMMIT_MESSAGES_MAX`] unless a test asks for another.
    pub commit_messages_max: usize,
}

impl Ledger {
    /// The layout of a data folder.
    #[must_use]
    pub fn in_folder(data: &Path, stream: &str) -> Self {
        Ledger {
            log: data.join("log"),
            store: data.join("store"),
            stream: stream.to_owned(),
            commit_messages_max: COMMIT_MESSAGES_MAX,
        }
    }
}

/// A running projector.
pub struct Projector {
    /// What readers hold.
    pub shared: Shared,
    stop: watch::Sender<bool>,
    /// Dropped to let the committing thread close the store: after a halt reads go on until then.
    hold: std::sync::mpsc::Sender<()>,
    reading: tokio::task::JoinHandle<()>,
    committing: std::thread::JoinHandle<Result<(), Halt>>,
}

/// Opens log and store; where the store cannot be trusted, sets it aside and folds the log into a new one.
///
/// # Errors
/// [`Halt`], other than a doubt about the store.
pub fn open(ledger: &Ledger, progress: &mut dyn FnMut(u64, u64)) -> Result<Core, Halt> {
    match Core::open(&ledger.log, &ledger.store, progress) {
        Err(halt) if halt.is_doubt() => {
            let aside = crate::store::set_aside(&ledger.store)?;
            tracing::warn!(%halt, aside = %aside.display(), "store set aside; folding the log anew");
            Core::open(&ledger.log, &ledger.store, progress)
        }
        other => other,
    }
}

type Screened = Result<(Vec<Ready>, Arc<Registry>), Halt>;

impl Projector {
    /// Starts reading at the log's end. Where the stream is not what the log says, intake is halted from the start.
    ///
    /// # Errors
    /// [`Halt`] where the stream cannot be read.
    pub async fn start(core: Core, link: Link, ledger: Ledger) -> Result<Self, Halt> {
        let shared = Shared::new(core.reader(), core.log(), core.registry());
        match Reader::open_behind(link, &ledger.stream, Arc::new(shared.clone())).await {
            Ok(reader) => Projector::begin(core, ledger, shared, Ok(reader)),
            Err(ReadError::Finding(finding)) => Projector::begin(core, ledger, shared, Err(finding.into())),
            Err(error) => Err(error.into()),
        }
    }

    /// Serves reads alone, halted: there is no stream to read.
    ///
    /// # Errors
    /// [`Halt`] where no thread can be started.
    pub fn halted(core: Core, ledger: Ledger, finding: Finding) -> Result<Self, Halt> {
        let shared = Shared::new(core.reader(), core.log(), core.registry());
        Projector::begin(core, ledger, shared, Err(finding.into()))
    }

    fn begin(core: Core, ledger: Ledger, shared: Shared, reader: Result<Reader, Halt>) -> Result<Self, Halt> {
        if let Err(halt) = &reader {
            // Before anybody asks.
            shared.set_health(Health::Halted(halt.to_string()));
        }
        let (stop, stopped) = watch::channel(false);
        let (arrived, arrivals) = mpsc::channel::<Result<Vec<Arrival>, Halt>>(1);
        let (screened, ready) = std::sync::mpsc::sync_channel::<Screened>(1);
        let registry = Arc::new(Mutex::new(core.registry()));
        let (reading_ledger, reading_shared) = (ledger.clone(), shared.clone());
        let reading = tokio::spawn(async move {
            match reader {
                Ok(reader) => read(reader, reading_ledger, reading_shared, arrived, stopped).await,
                // Nobody listens where everything ended already.
                Err(halt) => drop(arrived.send(Err(halt)).await),
            }
        });
        let (screening_registry, size, rows) = (registry.clone(), core.size(), shared.clone());
        std::thread::Builder::new()
            .name("screen".to_owned())
            .spawn(move || screen_loop(arrivals, size, &screening_registry, &rows, &screened))
            .map_err(|error| Halt::thread(&error))?;
        let committer = Committer {
            core: Some(core),
            ledger,
            shared: shared.clone(),
            registry,
            mended: None,
            uncut: false,
            rebuild: None,
            retired: Vec::new(),
        };
        let (hold, held) = std::sync::mpsc::channel();
        let committing = std::thread::Builder::new()
            .name("commit".to_owned())
            .spawn(move || committer.run(&ready, &held))
            .map_err(|error| Halt::thread(&error))?;
        Ok(Projector { shared, stop, hold, reading, committing })
    }

    /// Stops after the commit at hand; store flushed and closed.
    ///
    /// # Errors
    /// The [`Halt`] it stopped with earlier, if any.
    pub async fn stop(self) -> Result<(), Halt> {
        // The reader may be gone already, halted.
        let _ = self.stop.send(true);
        let _ = self.reading.await;
        drop(self.hold);
        let joined = tokio::task::spawn_blocking(move || self.committing.join()).await;
        match joined {
            Ok(Ok(result)) => result,
            _ => Err(Halt::Stopped),
        }
    }
}

async fn read(
    mut reader: Reader,
    ledger: Ledger,
    shared: Shared,
    arrived: mpsc::Sender<Result<Vec<Arrival>, Halt>>,
    mut stopped: watch::Receiver<bool>,
) {
    let wait = Duration::from_millis(READ_WAIT_MS);
    let mut current = Current::default();
    let mut told = Told { at: tokio::time::Instant::now(), size: *shared.sizes().borrow() };
    while !matches!(*shared.health().borrow(), Health::Halted(_)) {
        let batch = tokio::select! {
            _ = stopped.changed() => return,
            batch = reader.next_batch(ledger.commit_messages_max, COMMIT_BYTES_MAX, wait) => batch,
        };
        let batch = batch.map_err(Halt::from);
        let (over, empty) = (batch.is_err(), batch.as_ref().is_ok_and(Vec::is_empty));
        let size = *shared.sizes().borrow();
        let waiting = reader.pending();
        shared.meters().waits(waiting);
        if waiting > 0 {
            told.tell(size, waiting);
        }
        let ready = *shared.health().borrow() == Health::Ready;
        let round = Round { size, next: reader.next_sequence(), waiting, empty, reads: reader.reads(), ready };
        if let Some(health) = current.judge(round).filter(|_| !over) {
            shared.set_health(health);
        }
        if !empty && (arrived.send(batch).await.is_err() || over) {
            return;
        }
    }
}

/// Progress while catching up, for the operator.
struct Told {
    at: tokio::time::Instant,
    size: u64,
}

impl Told {
    /// Logs how many entries were folded, how fast, and how many wait: at most every [`CATCH_UP_TOLD_MS`].
    fn tell(&mut self, size: u64, waiting: u64) {
        let passed_ms = u64::try_from(self.at.elapsed().as_millis()).unwrap_or(u64::MAX);
        if passed_ms < CATCH_UP_TOLD_MS {
            return;
        }
        let per_second = size.saturating_sub(self.size) * 1_000 / passed_ms;
        let left_s = waiting.checked_div(per_second);
        tracing::info!(size, waiting, per_second, left_s, "catching up");
        *self = Told { at: tokio::time::Instant::now(), size };
    }
}

fn screen_loop(
    mut arrivals: mpsc::Receiver<Result<Vec<Arrival>, Halt>>,
    mut size: u64,
    registry: &Mutex<Arc<Registry>>,
    rows: &Shared,
    screened: &std::sync::mpsc::SyncSender<Screened>,
) {
    while let Some(batch) = arrivals.blocking_recv() {
        let ready = batch.and_then(|arrivals| {
            let entries = entries_of(&arrivals, &mut size)?;
            let registry = registry.lock().unwrap_or_else(PoisonError::into_inner).clone();
            Ok((screen_ahead(entries, &registry, &rows.reader()), registry))
        });
        let over = ready.is_err();
        if screened.send(ready).is_err() || over {
            return;
        }
    }
}

/// Entries of arrivals: in a stream's life indexes follow sequences without a hole.
fn entries_of(arrivals: &[Arrival], size: &mut u64) -> Result<Vec<Entry>, Halt> {
    let now = Time::now();
    let mut entries = Vec::with_capacity(arrivals.len());
    for arrival in arrivals {
        if arrival.sequence != *size + 1 {
            return Err(Halt::Apart { sequence: arrival.sequence, size: *size });
        }
        check_clock(arrival.sequence, arrival.recorded, now)?;
        entries.push(Entry::of_arrival(*size, arrival));
        *size += 1;
    }
    Ok(entries)
}

struct Committer {
    core: Option<Core>,
    ledger: Ledger,
    shared: Shared,
    registry: Arc<Mutex<Arc<Registry>>>,
    /// When readers' doubt was last answered.
    mended: Option<Instant>,
    /// The tail could not be cut: not tried again.
    uncut: bool,
    /// Read models being made anew beside the store.
    rebuild: Option<Rebuild>,
    /// Stores that were replaced, and are still read from.
    retired: Vec<Retired>,
}

impl Committer {
    fn run(
        mut self,
        ready: &std::sync::mpsc::Receiver<Screened>,
        held: &std::sync::mpsc::Receiver<()>,
    ) -> Result<(), Halt> {
        let mut ended = Ok(());
        let wait = Duration::from_millis(READ_WAIT_MS);
        loop {
            let done = match ready.recv_timeout(wait) {
                Ok(batch) => batch.and_then(|(ready, registry)| self.commit(ready, &registry)),
                Err(RecvTimeoutError::Timeout) => Ok(()),
                Err(RecvTimeoutError::Disconnected) => break,
            };
            self.trim();
            self.retired.retain(Retired::is_read);
            if let Err(halt) = done.and_then(|()| self.mend()).and_then(|()| self.renew()) {
                tracing::error!(%halt, "intake halted");
                self.shared.set_health(Health::Halted(halt.to_string()));
                ended = Err(halt);
                break;
            }
        }
        if let Some(rebuild) = self.rebuild.take() {
            rebuild.stop();
        }
        // Nothing is ever sent: this ends when the other side is dropped.
        let _ = held.recv();
        match self.core.take() {
            Some(core) => ended.and(core.close()),
            None => ended,
        }
    }

    fn commit(&mut self, ready: Vec<Ready>, registry: &Arc<Registry>) -> Result<(), Halt> {
        let Some(core) = self.core.as_mut() else { return Err(Halt::Stopped) };
        let entries: Vec<Entry> = ready.iter().map(|ready| ready.entry.clone()).collect();
        match core.commit(ready, registry) {
            Ok(did) => self.shared.meters().committed(&did, Time::now()),
            Err(halt) if halt.is_doubt() => self.rebuild(&halt.to_string(), entries)?,
            Err(halt) => return Err(halt),
        }
        self.show()
    }

    /// What checkpoints cover may leave the tail. A tail that stays long harms nobody.
    fn trim(&mut self) {
        let Some(core) = self.core.as_mut().filter(|_| !self.uncut) else { return };
        match core.trim(self.shared.proven_size()) {
            Ok(true) => tracing::info!(size = core.size(), "the tail was cut: the log's bundles hold what left it"),
            Ok(false) => {}
            Err(halt) => {
                tracing::warn!(%halt, "the tail cannot be cut");
                self.uncut = true;
            }
        }
    }

    fn show(&self) -> Result<(), Halt> {
        let Some(core) = self.core.as_ref() else { return Err(Halt::Stopped) };
        show(core, &self.registry, &self.shared);
        Ok(())
    }

    /// Damage that only readers meet, in old rows that no commit touches.
    fn mend(&mut self) -> Result<(), Halt> {
        let Some(why) = self.shared.take_doubt() else { return Ok(()) };
        let lately = Duration::from_millis(MEND_EVERY_MS_MIN);
        if self.mended.is_some_and(|at| at.elapsed() < lately) {
            return Ok(());
        }
        self.rebuild(&why, Vec::new())?;
        self.show()
    }

    /// Read models made anew because an operator asked: begun, or ended where they have come near the log's end.
    fn renew(&mut self) -> Result<(), Halt> {
        if let Some(ask) = self.shared.take_rebuild() {
            if let Some(before) = self.rebuild.take() {
                before.stop();
            }
            match Rebuild::start(ask, self.ledger.store.clone(), self.shared.log()) {
                Ok(rebuild) => self.rebuild = Some(rebuild),
                Err(error) => tracing::error!(%error, "read models cannot be made anew beside the store"),
            }
        }
        let Some(rebuild) = self.rebuild.take() else { return Ok(()) };
        let ended = match rebuild.ready() {
            Ok(ended) => ended,
            Err(under_way) => {
                self.rebuild = Some(under_way);
                return Ok(());
            }
        };
        let Some(core) = self.core.as_mut() else { return Err(Halt::Stopped) };
        let (registry, shared) = (&self.registry, &self.shared);
        let retired = ended.take_over(core, &mut |core| show(core, registry, shared))?;
        self.retired.extend(retired);
        Ok(())
    }

    /// The store is in doubt: a new one is folded from the log, then the batch at hand goes on where the log ends.
    fn rebuild(&mut self, why: &str, entries: Vec<Entry>) -> Result<(), Halt> {
        tracing::warn!(why, "rebuilding the store from the log");
        self.mended = Some(Instant::now());
        let doubted = self.core.take().ok_or(Halt::Stopped)?;
        let mut core = doubted.anew(&self.ledger.store, self.ledger.commit_messages_max)?;
        let rest: Vec<_> = entries.into_iter().filter(|entry| entry.index >= core.size()).collect();
        let registry = core.registry();
        if !rest.is_empty() {
            core.commit(screen_all(rest, &registry, Trust::Nothing), &registry)?;
        }
        self.core = Some(core);
        Ok(())
    }
}

/// Step 3 of the commit order: to whoever screens, and to readers.
fn show(core: &Core, registry: &Mutex<Arc<Registry>>, shared: &Shared) {
    *registry.lock().unwrap_or_else(PoisonError::into_inner) = core.registry();
    shared.publish(core.reader(), core.registry(), core.log());
}
