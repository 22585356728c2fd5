//! A whole stream held against the log: which messages agree with their entries, which are gone, which are others.

use std::collections::HashSet;
use std::ops::{Range, RangeInclusive};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::recover::RecoverError;
use crate::event::Time;
use crate::limits::{API_TIMEOUT_MS, COMMIT_BYTES_MAX, PULL_MESSAGES_MAX, READ_WAIT_MS};
use crate::log::Arrival;
use crate::log::entry::Entry;
use crate::log::tail::{Entries, LogReader, TailFault};
use crate::stream::read::{self, Extent};
use crate::stream::{Finding, Link, ReadError, Reader, StreamError};

/// What a comparison found.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Survey {
    /// The stream.
    pub stream: String,
    /// Its last sequence.
    pub last: u64,
    /// Messages that are those of their entries.
    pub agree: u64,
    /// Up to this sequence nothing is missing and nothing differs.
    pub agree_upto: u64,
    /// Entries whose message is gone.
    pub missing: u64,
    /// Sequences behind the log that hold nothing.
    pub holes: u64,
    /// Messages that are others than the log has at their sequence.
    pub differing: u64,
    /// Messages behind the log.
    pub beyond: u64,
    /// Sequences of the messages that the log does not have: those that differ and those behind it.
    #[serde(skip)]
    pub others: Vec<u64>,
}

impl Survey {
    /// Whether the stream is not what the log says. Messages behind the log alone are no damage: nobody read them yet.
    #[must_use]
    pub const fn is_damaged(&self) -> bool {
        self.missing + self.holes + self.differing > 0
    }
}

/// Sequences and times of one stream that the log has from a recovery already.
pub type Brought = HashSet<(u64, Time)>;

/// Compares a stream with its entries. `progress` is told (sequence, last).
///
/// # Errors
/// The log or the stream cannot be read.
pub async fn survey(
    link: &Link,
    stream: &str,
    log: &LogReader,
    run: Range<u64>,
    brought: &Brought,
    progress: &mut (dyn FnMut(u64, u64) + Send),
) -> Result<Survey, RecoverError> {
    let name: Arc<str> = stream.into();
    let extent = read::extent(link, stream).await?;
    let mut at = Walk::new(stream, log, run, &extent);
    while at.next <= extent.last {
        let mut reader = match Reader::open(link.clone(), stream, at.next, Some(&extent.created)).await {
            Ok(reader) => reader,
            Err(ReadError::Finding(Finding::Hole { missing, .. })) => {
                at.jump(next_held(link, &name, missing, extent.last).await?)?;
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        match at.follow(&mut reader, brought, progress).await {
            Ok(()) => {}
            Err(RecoverError::Read(ReadError::Finding(Finding::Hole { missing, .. }))) => {
                at.jump(next_held(link, &name, missing, extent.last).await?)?;
            }
            Err(error) => return Err(error),
        }
    }
    at.end()
}

/// The first sequence at or behind one that holds a message.
async fn next_held(link: &Link, name: &Arc<str>, sequence: u64, last: u64) -> Result<u64, ReadError> {
    Ok(read::fetch_next(link, name, sequence).await?.map_or(last + 1, |arrival| arrival.sequence))
}

/// Goes through stream and entries side by side.
struct Walk {
    found: Survey,
    entries: Entries,
    /// Sequences that the log has of this stream.
    run: RangeInclusive<u64>,
    next: u64,
    /// The first sequence where something is wrong.
    wrong: Option<u64>,
}

impl Walk {
    fn new(stream: &str, log: &LogReader, run: Range<u64>, extent: &Extent) -> Self {
        let found = Survey { stream: stream.to_owned(), last: extent.last, ..Survey::default() };
        // One made anew under an old name may begin before the old one did.
        let next = extent.first.max(1).min(run.start + 1);
        Walk { found, entries: log.iter(run.start), run: run.start + 1..=run.end, next, wrong: None }
    }

    /// Reads on to the last message.
    async fn follow(
        &mut self,
        reader: &mut Reader,
        brought: &Brought,
        progress: &mut (dyn FnMut(u64, u64) + Send),
    ) -> Result<(), RecoverError> {
        let wait = Duration::from_millis(READ_WAIT_MS);
        let mut heard = Instant::now();
        while self.next <= self.found.last {
            let batch = reader.next_batch(PULL_MESSAGES_MAX, COMMIT_BYTES_MAX, wait).await?;
            if !batch.is_empty() {
                heard = Instant::now();
            } else if heard.elapsed() > Duration::from_millis(API_TIMEOUT_MS * 2) {
                let what = format!("messages of {} from {} on", self.found.stream, self.next);
                return Err(StreamError::NoAnswer { what, why: "nothing came".to_owned() }.into());
            }
            let last = self.found.last;
            for arrival in batch.iter().filter(|arrival| arrival.sequence <= last) {
                self.take(arrival, brought)?;
            }
            progress(self.next - 1, self.found.last);
        }
        Ok(())
    }

    fn take(&mut self, arrival: &Arrival, brought: &Brought) -> Result<(), RecoverError> {
        self.jump(arrival.sequence)?;
        self.next += 1;
        if arrival.sequence > *self.run.end() {
            self.found.beyond += 1;
        } else if self.run.contains(&arrival.sequence) && self.entry()?.is_of(arrival) {
            self.found.agree += 1;
            return Ok(());
        } else {
            self.found.differing += 1;
            self.wrong.get_or_insert(arrival.sequence);
        }
        if !brought.contains(&(arrival.sequence, arrival.recorded)) {
            self.found.others.push(arrival.sequence);
        }
        Ok(())
    }

    /// The entry of the next sequence that has one.
    fn entry(&mut self) -> Result<Entry, RecoverError> {
        let index = self.found.agree + self.found.missing;
        let beyond = TailFault::Beyond { index, size: index };
        let (index, text) = self.entries.next().unwrap_or(Err(beyond))?;
        Entry::parse(&text).map_err(|fault| RecoverError::Entry { index, fault })
    }

    /// Nothing stands from the next sequence up to this one.
    fn jump(&mut self, sequence: u64) -> Result<(), RecoverError> {
        self.next = self.next.max(sequence.min(*self.run.start()));
        if sequence > self.next {
            self.wrong.get_or_insert(self.next);
        }
        while self.next < sequence && self.run.contains(&self.next) {
            self.entry()?;
            self.found.missing += 1;
            self.next += 1;
        }
        self.found.holes += sequence.saturating_sub(self.next);
        self.next = self.next.max(sequence);
        Ok(())
    }

    fn end(mut self) -> Result<Survey, RecoverError> {
        self.jump((self.run.end() + 1).max(self.next))?;
        self.found.agree_upto = self.wrong.unwrap_or(self.next) - 1;
        Ok(self.found)
    }
}
