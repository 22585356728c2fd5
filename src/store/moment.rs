//! The figures of one moment, for [`super::progress`]: a held view of the store, a day and a size.
//!
//! A view answers every path from the same commit, so a page never mixes two.

use super::progress::{FigureSource, Last, Moment};
use super::reader::View;
use crate::fold::rows::{Doubt, Figures};

/// Figures as of a moment.
pub struct At {
    view: View,
    moment: Moment,
}

impl At {
    /// Over a held view.
    #[must_use]
    pub fn new(view: View, moment: Moment) -> Self {
        At { view, moment }
    }
}

impl FigureSource for At {
    fn figures(&self, path: &str) -> Result<Figures, Doubt> {
        self.view.figures(path, self.moment.as_of, Some(self.moment.size))
    }

    fn paths(&self, prefix: &str) -> Vec<String> {
        self.view.series_with_prefix(prefix).into_iter().map(|(_, series)| series.path.clone()).collect()
    }

    /// Known while the newest move lies inside the moment: who moved it before that is a question for the log.
    fn last(&self, path: &str) -> Option<Last> {
        let (_, series) = self.view.series(path)?;
        let inside = series.moves > 0 && series.index_last < self.moment.size;
        inside.then_some(Last { index: series.index_last, recorded: series.recorded_last, agency: series.agency_last })
    }
}
