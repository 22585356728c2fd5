//! What was read from a stream before, held against what it holds now: a server that an older copy of its files was put
//! back to takes new reports at sequences it gave to others, and looks whole.

use std::{fmt, ops::Range, sync::Arc};

use futures_util::{StreamExt as _, stream};

use super::{
    Link,
    finding::{Finding, ReadError},
    raw::{Extent, fetch},
    succession::vouch,
};
use crate::{
    limits::{COMPARE_NEWEST, COMPARE_OLDER, RAW_IN_FLIGHT_MAX},
    log::{Arrival, entry::Entry, tail::LogReader},
};

/// The log as the reader of a stream needs it: entry `n` is of the message at sequence `n + 1`.
pub trait Past: Send + Sync + fmt::Debug {
    /// Entries.
    fn size(&self) -> u64;

    /// One entry; `None` where it cannot be read, which others tell.
    fn entry(&self, index: u64) -> Option<Entry>;
}

impl Past for LogReader {
    fn size(&self) -> u64 {
        LogReader::size(self)
    }

    fn entry(&self, index: u64) -> Option<Entry> {
        Entry::parse(&self.read(index).ok()?).ok()
    }
}

/// Index of the first entry of a stream: the streams of a log follow each other. The size where it has none.
pub fn first_of(past: &dyn Past, stream: &str) -> u64 {
    let is_of = |index| past.entry(index).is_some_and(|entry| entry.stream == stream);
    let (mut low, mut high) = (0, past.size());
    if high == 0 || !is_of(high - 1) {
        return high;
    }
    while low < high {
        let middle = low + (high - low) / 2;
        if is_of(middle) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    low
}

/// The streams of a log in order, each with its entries.
pub fn runs(past: &dyn Past) -> Vec<(String, Range<u64>)> {
    let (mut runs, mut start) = (Vec::new(), 0);
    while let Some(name) = past.entry(start).map(|entry| entry.stream) {
        let (mut low, mut high) = (start + 1, past.size());
        while low < high {
            let middle = low + (high - low) / 2;
            if past.entry(middle).is_some_and(|entry| entry.stream == name) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        runs.push((name, start..low));
        start = low;
    }
    runs
}

/// Holds the newest messages below `next`, and some older ones drawn anew each time, against their entries.
///
/// # Errors
/// [`Finding::Differs`], [`Finding::Hole`], or the API's error.
pub async fn compare(
    link: &Link,
    name: &Arc<str>,
    extent: &Extent,
    past: &dyn Past,
    next: u64,
) -> Result<(), ReadError> {
    let end = past.size().min(next.saturating_sub(1));
    let first = first_of(past, name).min(end);
    let newest = first.max(end.saturating_sub(COMPARE_NEWEST));
    let older = (0..COMPARE_OLDER.min(newest - first)).map(|_| first + drawn(newest - first));
    let mut indexes: Vec<u64> = older.chain(newest..end).collect();
    indexes.sort_unstable();
    indexes.dedup();
    let entries: Vec<Entry> = indexes.into_iter().filter_map(|index| past.entry(index)).collect();
    let mut answers = stream::iter(entries)
        .map(|entry| async move { (fetch(link, name, entry.sequence).await, entry) })
        .buffered(RAW_IN_FLIGHT_MAX);
    while let Some((arrival, entry)) = answers.next().await {
        hold(name, extent, entry.sequence, arrival?, |arrival| entry.is_of(arrival))?;
    }
    Ok(())
}

/// Holds the message read last against what stands there now.
///
/// # Errors
/// As [`compare`].
pub async fn compare_last(link: &Link, name: &Arc<str>, extent: &Extent, last: &Arrival) -> Result<(), ReadError> {
    let found = fetch(link, name, last.sequence).await?;
    hold(name, extent, last.sequence, found, |found| Entry::of_arrival(0, last).is_of(found))
}

fn hold(
    name: &Arc<str>,
    extent: &Extent,
    sequence: u64,
    found: Option<Arrival>,
    is_same: impl Fn(&Arrival) -> bool,
) -> Result<(), ReadError> {
    let stream = Arc::clone(name);
    let Some(mut found) = found else {
        return Err(Finding::Hole { stream, missing: sequence, last: extent.last }.into());
    };
    vouch(&mut found, extent.recovered_upto);
    if is_same(&found) { Ok(()) } else { Err(Finding::Differs { stream, sequence }.into()) }
}

/// A number below the limit, which is not 0: an operator cannot know which.
fn drawn(limit: u64) -> u64 {
    let (high, low) = uuid::Uuid::new_v4().as_u64_pair();
    (high ^ low) % limit
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Time;

    #[derive(Debug)]
    struct Names(Vec<&'static str>);

    impl Past for Names {
        fn size(&self) -> u64 {
            self.0.len() as u64
        }

        fn entry(&self, index: u64) -> Option<Entry> {
            let stream = Arc::from(*self.0.get(usize::try_from(index).ok()?)?);
            let (subject, body) = (bytes::Bytes::new(), bytes::Bytes::new());
            let (sequence, recorded, headers) = (index + 1, Time::from_ns(0), Vec::new());
            Some(Entry::of_arrival(index, &Arrival { stream, sequence, recorded, subject, headers, body }))
        }
    }

    #[test]
    fn a_stream_begins_where_the_one_before_ends() {
        for (names, first) in [
            (vec![], 0),
            (vec!["LEDGER_1"; 3], 3),
            (vec!["LEDGER_2"; 3], 0),
            (vec!["LEDGER_1", "LEDGER_1", "LEDGER_2"], 2),
            (vec!["LEDGER_1", "LEDGER_2", "LEDGER_2", "LEDGER_2", "LEDGER_2"], 1),
        ] {
            let names = Names(names);
            assert_eq!(first_of(&names, "LEDGER_2"), first, "{names:?}");
            let last = runs(&names).pop();
            let found = last.map(|(name, run)| if name == "LEDGER_2" { run.start } else { run.end });
            assert_eq!(found.unwrap_or(0), first, "{names:?}");
        }
    }
}
