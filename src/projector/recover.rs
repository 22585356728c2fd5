//! `jindo recover`: NATS lost acknowledged messages; the ledger goes on in the next stream.
//!
//! The log is the record, so nothing in it changes: indexes, hashes and receipts stay valid. The order, and what a crash
//! after each step leaves:
//!
//! 1. The newest stream is compared with the log, message by message. Where it agrees there is nothing to do. *After*:
//!    nothing was changed.
//! 2. Every stream that still takes reports is retired: sealed, its subjects given up. From now on publishers are told that
//!    nobody takes their reports, and keep them. *After*: intake does not start; the next run goes on here.
//! 3. All retired streams are compared: what they hold and the log does not is to be brought. They change no more and
//!    neither does the log, so every run finds the same.
//! 4. The next stream is begun: first sequence = entries + 1, closed to publishers. *After*: the next run removes it and
//!    begins it again.
//! 5. What is to be brought is published into it: same subject, body and headers, and one header more that names where it
//!    was. Headers `Nats-…` are orders to the server, which were carried out; they are left out. *After*: as 4.
//! 6. The stream is opened to publishers, in one step. *After*: it is the newest, it agrees with the log, step 1 finds
//!    nothing to do.
//!
//! The log's lock is held throughout: no projector reads meanwhile. It never deletes a stream that took reports.

use std::collections::HashMap;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde::Serialize;

pub use super::survey::Survey;
use super::survey::{Brought, survey};
use crate::limits::{
    MESSAGE_BYTES_MAX, PUBLISH_BATCH_MAX, RAW_IN_FLIGHT_MAX, RECOVERED_BYTES_MAX, RECOVERED_SUBJECT_BYTES_MAX,
};
use crate::log::Arrival;
use crate::log::entry::{Entry, EntryFault, HEADER_RECOVERED};
use crate::log::folder::{FolderFault, LogFolder};
use crate::log::tail::{LogReader, Tail, TailFault};
use crate::stream::succession::{self, Stage, number_of, recover_subject};
use crate::stream::{Link, Outgoing, ReadError, StreamError, append::append_within, past, read, stream_name};

/// Why it could not be done. Running it again goes on where it ended.
#[derive(Debug, thiserror::Error)]
pub enum RecoverError {
    /// The log.
    #[error(transparent)]
    Log(#[from] TailFault),
    /// Its public part.
    #[error(transparent)]
    Folder(#[from] FolderFault),
    /// An entry cannot be read.
    #[error("entry {index} cannot be read: {fault}")]
    Entry {
        /// Entry.
        index: u64,
        /// Why.
        fault: EntryFault,
    },
    /// The log itself lost entries: a new stream would give their indexes to others.
    #[error(
        "a checkpoint of {published} entries was published, the log has {size}: it is the log that was cut. Restore the log folder from a copy first"
    )]
    Cut {
        /// Covered by the checkpoint.
        published: u64,
        /// In the log.
        size: u64,
    },
    /// There is nothing to go on from.
    #[error(
        "the log is empty: there is nothing to recover here. A ledger whose stream began later needs a copy of its log folder"
    )]
    Empty,
    /// NATS.
    #[error(transparent)]
    Stream(#[from] StreamError),
    /// A stream.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A message of a retired stream was not taken by the next one.
    #[error("message {sequence} of {stream} could not be brought: {why}. Run `jindo recover` again")]
    NotBrought {
        /// The retired stream.
        stream: String,
        /// Its sequence there.
        sequence: u64,
        /// Why.
        why: String,
    },
    /// Whoever was asked after a step said no.
    #[error("interrupted: run `jindo recover` again, it goes on")]
    Stopped,
}

/// What has been done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Streams and log were compared up to here: sequence, last.
    Comparing(u64, u64),
    /// A stream was retired: its number.
    Retired(u32),
    /// The next stream was begun.
    Begun,
    /// So many messages of so many were brought.
    Brought(u64, u64),
    /// The next stream was opened.
    Opened,
}

/// Is told each step; `false` ends the recovery there.
pub type Watch<'a> = &'a mut (dyn FnMut(Step) -> bool + Send);

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Ending {
    /// Stream and log agree.
    Nothing,
    /// Something is wrong, and nothing was changed: only a look was asked for.
    Damaged,
    /// The next stream takes reports.
    Recovered,
}

/// What was wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Wrong {
    /// There is no such stream.
    Gone,
    /// It was retired by a recovery that did not end.
    Unfinished,
    /// Another message stands where the log has one.
    Differs,
    /// A message in its middle is gone.
    Hole,
    /// It ends before the log does.
    Short,
}

/// What was found and done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Recovery {
    /// How it ended.
    pub state: Ending,
    /// Entries in the log.
    pub size: u64,
    /// The stream that was in use.
    pub stream: String,
    /// What was wrong with it.
    pub wrong: Option<Wrong>,
    /// What the comparisons found, oldest stream first.
    pub surveys: Vec<Survey>,
    /// The stream that takes reports from now on.
    pub next: Option<String>,
    /// Messages brought into it, or to be brought: they become new entries.
    pub brought: u64,
}

/// What a recovery is given.
pub struct Recover<'a> {
    /// The folder of the log.
    pub folder: &'a LogFolder,
    /// The log, held.
    pub tail: &'a Tail,
    /// A connection with the operator's key.
    pub link: &'a Link,
    /// Another one to read with: strange messages cut it.
    pub reading: &'a Link,
    /// Replicas of the next stream where none is left to ask.
    pub replicas: u32,
    /// Look only.
    pub dry_run: bool,
}

/// Finds out what is wrong, and goes on in the next stream.
///
/// # Errors
/// [`RecoverError`]; nothing that was acknowledged is lost by running it again.
pub async fn recover(given: &Recover<'_>, watch: Watch<'_>) -> Result<Recovery, RecoverError> {
    let log = given.tail.reader();
    let at = Place::find(given, &log).await?;
    let mut told = Recovery {
        state: Ending::Nothing,
        size: log.size(),
        stream: stream_name(at.current),
        wrong: at.wrong,
        surveys: Vec::new(),
        next: None,
        brought: 0,
    };
    if told.wrong.is_none() {
        let (name, run) = (told.stream.clone(), at.run(at.current));
        let found = compare(given, &name, &log, run, &Brought::new(), watch).await?;
        told.wrong = wrong_with(&found);
        told.surveys = vec![found];
    }
    if told.wrong.is_none() {
        return Ok(told);
    }
    let (next, mut replicas) = (stream_name(at.next()), given.replicas);
    if !given.dry_run {
        for number in &at.before {
            replicas = succession::retire(given.link, &stream_name(*number)).await?.unwrap_or(replicas);
            stop_unless(watch(Step::Retired(*number)))?;
        }
    }
    told.surveys = at.surveys(given, &log, watch).await?;
    let others: Vec<(&str, u64)> =
        told.surveys.iter().flat_map(|found| found.others.iter().map(|at| (&*found.stream, *at))).collect();
    told.brought = others.len() as u64;
    told.state = Ending::Damaged;
    if !given.dry_run {
        succession::begin(given.link, &next, log.size() + 1, replicas).await?;
        stop_unless(watch(Step::Begun))?;
        bring(given.link, &next, log.size(), &others, watch).await?;
        succession::open(given.link, &next, log.size() + told.brought).await?;
        stop_unless(watch(Step::Opened))?;
        told.state = Ending::Recovered;
    }
    told.next = Some(next);
    Ok(told)
}

fn stop_unless(go_on: bool) -> Result<(), RecoverError> {
    if go_on { Ok(()) } else { Err(RecoverError::Stopped) }
}

/// What is wrong with a stream that was compared, the worst first.
fn wrong_with(found: &Survey) -> Option<Wrong> {
    let ended_early = found.missing > 0 && found.agree_upto == found.last;
    match found {
        Survey { differing: 1.., .. } => Some(Wrong::Differs),
        Survey { holes: 0, .. } if ended_early => Some(Wrong::Short),
        found if found.is_damaged() => Some(Wrong::Hole),
        _ => None,
    }
}

async fn compare(
    given: &Recover<'_>,
    name: &str,
    log: &LogReader,
    run: std::ops::Range<u64>,
    brought: &Brought,
    watch: Watch<'_>,
) -> Result<Survey, RecoverError> {
    let mut go_on = true;
    let mut progress = |done, all| go_on = go_on && watch(Step::Comparing(done, all));
    let found = survey(given.reading, name, log, run, brought, &mut progress).await?;
    stop_unless(go_on)?;
    Ok(found)
}

/// Where ledger and server stand.
struct Place {
    /// Streams before the one to be begun, on the server.
    before: Vec<u32>,
    /// The stream in use: the newest on the server, or a newer one that the log names.
    current: u32,
    wrong: Option<Wrong>,
    /// Streams of the log with their entries.
    runs: Vec<(u32, std::ops::Range<u64>)>,
    size: u64,
}

impl Place {
    async fn find(given: &Recover<'_>, log: &LogReader) -> Result<Self, RecoverError> {
        let size = log.size();
        if size == 0 {
            return Err(RecoverError::Empty);
        }
        if let Some(note) = given.folder.checkpoint()? {
            // Not verified: whatever it claims was claimed in public.
            let published = note.lines().nth(1).and_then(|line| line.parse().ok()).unwrap_or(0);
            if published > size {
                return Err(RecoverError::Cut { published, size });
            }
        }
        let runs: Vec<_> =
            past::runs(log).into_iter().filter_map(|(name, run)| Some((number_of(&name)?, run))).collect();
        let named = runs.last().map_or(1, |(number, _)| *number);
        let mut before = succession::numbers(given.link).await?;
        let mut stages = HashMap::new();
        for number in &before {
            stages.insert(*number, succession::stage(given.link, &stream_name(*number)).await?);
        }
        before.retain(|number| stages.get(number) != Some(&Some(Stage::Begun)));
        let newest = before.last().copied().filter(|newest| *newest >= named);
        let wrong = match newest {
            None => Some(Wrong::Gone),
            Some(newest) if stages.get(&newest) == Some(&Some(Stage::Open)) => None,
            Some(_) => Some(Wrong::Unfinished),
        };
        Ok(Place { before, current: newest.unwrap_or(named), wrong, runs, size })
    }

    const fn next(&self) -> u32 {
        self.current + 1
    }

    /// Entries of a stream. One without any stands behind those before it.
    fn run(&self, number: u32) -> std::ops::Range<u64> {
        if let Some((_, run)) = self.runs.iter().find(|(own, _)| *own == number) {
            return run.clone();
        }
        let behind = self.runs.iter().filter(|(own, _)| *own < number).map(|(_, run)| run.end).max().unwrap_or(0);
        behind..behind
    }

    async fn surveys(
        &self,
        given: &Recover<'_>,
        log: &LogReader,
        watch: Watch<'_>,
    ) -> Result<Vec<Survey>, RecoverError> {
        let brought = self.brought(log)?;
        let mut surveys = Vec::with_capacity(self.before.len());
        for number in &self.before {
            let (name, nothing) = (stream_name(*number), Brought::new());
            let known = brought.get(&name).unwrap_or(&nothing);
            surveys.push(compare(given, &name, log, self.run(*number), known, watch).await?);
        }
        Ok(surveys)
    }

    /// What the log has from earlier recoveries, by stream. The first stream holds none.
    fn brought(&self, log: &LogReader) -> Result<HashMap<String, Brought>, RecoverError> {
        let mut brought: HashMap<String, Brought> = HashMap::new();
        let first = self.runs.first().map_or(self.size, |(_, run)| run.end);
        for item in log.iter(first) {
            let (index, text) = item?;
            let entry = Entry::parse(&text).map_err(|fault| RecoverError::Entry { index, fault })?;
            if let Some((stream, sequence, time)) = entry.recovered {
                brought.entry(stream).or_default().insert((sequence, time));
            }
        }
        Ok(brought)
    }
}

/// Publishes messages of retired streams into the next one, in order, behind sequence `size`.
async fn bring(
    link: &Link,
    next: &str,
    size: u64,
    others: &[(&str, u64)],
    watch: Watch<'_>,
) -> Result<(), RecoverError> {
    let all = others.len() as u64;
    let mut done = 0;
    for part in others.chunks(PUBLISH_BATCH_MAX) {
        let fetched = stream::iter(part).map(|(stream, sequence)| fetch(link, stream, *sequence));
        let arrivals: Vec<Arrival> = fetched.buffered(RAW_IN_FLIGHT_MAX).try_collect().await?;
        let messages: Vec<Outgoing> = arrivals.iter().map(|arrival| outgoing(next, arrival)).collect();
        let answers = append_within(link, next, &messages, MESSAGE_BYTES_MAX + RECOVERED_BYTES_MAX).await;
        for ((stream, sequence), answer) in part.iter().zip(answers) {
            done += 1;
            let why = match answer {
                Ok(at) if at == size + done => continue,
                Ok(at) => format!("it was stored as {at}, not as {}", size + done),
                Err(error) => error.to_string(),
            };
            return Err(RecoverError::NotBrought { stream: (*stream).to_owned(), sequence: *sequence, why });
        }
        stop_unless(watch(Step::Brought(done, all)))?;
    }
    Ok(())
}

async fn fetch(link: &Link, stream: &str, sequence: u64) -> Result<Arrival, RecoverError> {
    read::fetch(link, &stream.into(), sequence).await?.ok_or_else(|| RecoverError::NotBrought {
        stream: stream.to_owned(),
        sequence,
        why: "it is gone from the sealed stream".to_owned(),
    })
}

/// A message as it is brought: what a client cannot put on the wire (a header name that is none, a line end in a value, a
/// subject of thousands of bytes) carries no signature that holds, and is refused in either form.
fn outgoing(next: &str, arrival: &Arrival) -> Outgoing {
    let orders = |name: &str| name.len() >= 5 && name.as_bytes()[..5].eq_ignore_ascii_case(b"nats-");
    let sendable = |name: &str| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b':');
    let own = arrival
        .headers
        .iter()
        .filter(|(name, _)| sendable(name) && !orders(name) && !name.eq_ignore_ascii_case(HEADER_RECOVERED));
    let text = |value: &[u8]| String::from_utf8_lossy(value).replace(['\r', '\n'], " ");
    let mut headers: Vec<(String, String)> = own.map(|(name, value)| (name.clone(), text(value))).collect();
    let place = format!("{} {} {}", arrival.stream, arrival.sequence, arrival.recorded);
    headers.push((HEADER_RECOVERED.to_owned(), place));
    let mut subject = recover_subject(next, &String::from_utf8_lossy(&arrival.subject));
    subject.truncate(subject.floor_char_boundary(RECOVERED_SUBJECT_BYTES_MAX));
    Outgoing { subject, headers, body: arrival.body.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_told_by_what_was_found() {
        let found = |last, agree_upto, missing, holes, differing| Survey {
            last,
            agree_upto,
            missing,
            holes,
            differing,
            ..Survey::default()
        };
        for (found, wrong) in [
            (found(10, 10, 0, 0, 0), None),
            (found(7, 7, 3, 0, 0), Some(Wrong::Short)),
            (found(10, 3, 1, 0, 0), Some(Wrong::Hole)),
            (found(12, 10, 0, 1, 0), Some(Wrong::Hole)),
            (found(9, 7, 1, 0, 2), Some(Wrong::Differs)),
        ] {
            assert_eq!(wrong_with(&found), wrong, "{found:?}");
        }
    }
}
