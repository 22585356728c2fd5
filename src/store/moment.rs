//! The figures of one moment, for [`super::progress`]: a held view of the store, a day and a size.
//!
//! A view answers every path from the same commit, so a page never mixes two.

use std::sync::{Mutex, TryLockError};

use foldhash::HashMap;

use super::parallel;
use super::progress::{FigureSource, Last, Moment};
use super::reader::View;
use crate::catalogue::registry::Registry;
use crate::event::subject::Subject;
use crate::fold::rows::{Doubt, Figures, SeriesNumber};
use crate::limits::READ_AHEAD_SERIES;
use crate::log::entry::Entry;
use crate::log::tail::LogReader;

/// Figures as of a moment.
pub struct At<'a> {
    view: View,
    moment: Moment,
    record: Option<(&'a LogReader, &'a Registry)>,
    /// Figures that were read ahead, by path.
    read: HashMap<String, Figures>,
}

impl<'a> At<'a> {
    /// Over a held view, at its newest entry.
    #[must_use]
    pub fn new(view: View, moment: Moment) -> Self {
        At { view, moment, record: None, read: HashMap::default() }
    }

    /// Over a held view, at any moment: who reported last by then stands in the log.
    #[must_use]
    pub fn with_log(view: View, moment: Moment, log: &'a LogReader, registry: &'a Registry) -> Self {
        At { view, moment, record: Some((log, registry)), read: HashMap::default() }
    }

    /// Reads the figures of all series below a prefix on all cores: those of a past moment lie on disk. What cannot be read is
    /// left out: whoever asks for it is told. One at a time: reports are screened by the same threads, and are not to wait long.
    #[must_use]
    pub fn read_ahead(mut self, prefix: &str) -> Self {
        static TURN: Mutex<()> = Mutex::new(());
        let _turn = match TURN.try_lock() {
            Ok(turn) => turn,
            Err(TryLockError::Poisoned(turn)) => turn.into_inner(),
            Err(TryLockError::WouldBlock) => return self,
        };
        let series = self.view.series_with_prefix(prefix).into_iter();
        let mut series = series.map(|(number, series)| (number, series.path.clone()));
        let (view, Moment { as_of, size, .. }) = (&self.view, self.moment);
        let read = |(number, path)| Some((path, view.figures_of(number, as_of, Some(size)).ok()?));
        // In parts, between which the threads turn to reports.
        loop {
            let part: Vec<_> = series.by_ref().take(READ_AHEAD_SERIES).collect();
            if part.is_empty() {
                return self;
            }
            self.read.extend(parallel::map(part, read).into_iter().flatten());
        }
    }

    /// The entry that moved a series last before the moment.
    fn last_before(&self, number: SeriesNumber) -> Option<Last> {
        let (log, registry) = self.record?;
        let index = self.view.index_before(number, self.moment.size).ok()??;
        let entry = Entry::parse(&log.read(index).ok()?).ok()?;
        let subject = Subject::parse(entry.subject.text()?).ok()?;
        let agency = registry.agencies.get(subject.agency.as_str())?.number;
        Some(Last { index, recorded: Some(entry.recorded), agency })
    }
}

impl FigureSource for At<'_> {
    fn figures(&self, path: &str) -> Result<Figures, Doubt> {
        match self.read.get(path) {
            Some(figures) => Ok(*figures),
            None => self.view.figures(path, self.moment.as_of, Some(self.moment.size)),
        }
    }

    fn paths(&self, prefix: &str) -> Vec<String> {
        self.view.series_with_prefix(prefix).into_iter().map(|(_, series)| series.path.clone()).collect()
    }

    fn last(&self, path: &str) -> Option<Last> {
        let (number, series) = self.view.series(path)?;
        if series.moves > 0 && series.index_last >= self.moment.size {
            return self.last_before(number);
        }
        (series.moves > 0).then_some(Last {
            index: series.index_last,
            recorded: series.recorded_last,
            agency: series.agency_last,
        })
    }
}
