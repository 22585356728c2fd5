//! The ledger as of a moment: one view, the registry of the same size, and the figures they give. Everybody who is told figures
//! (HTTP, the bucket, the stream, the service, reminders) gets them from here, so two of them never say different things of
//! one moment.

use std::sync::Arc;

use super::halt::Halt;
use super::shared::{Shared, Shown};
use crate::catalogue::registry::{IndicatorState, Registry};
use crate::event::{Day, Time};
use crate::fold::rows::{Doubt, GovernanceRow};
use crate::log::tail::LogReader;
use crate::store::moment::At;
use crate::store::progress::view::{IndicatorView, IndicatorsView};
use crate::store::progress::{self, Moment};
use crate::store::{Reader, View};

/// Why there is no such moment.
#[derive(Debug, thiserror::Error)]
pub enum NoMoment {
    /// A log size beyond what is shown.
    #[error("{wanted} entries are not folded yet, {size} are")]
    NotYet {
        /// Folded.
        size: u64,
        /// Asked for.
        wanted: u64,
    },
    /// Rows or entries that cannot be read.
    #[error(transparent)]
    Halt(#[from] Halt),
}

/// The ledger as of one moment.
pub struct AsOf {
    /// The store, at the newest commit shown or a later moment's.
    pub view: View,
    /// The registry at the moment's size.
    pub registry: Arc<Registry>,
    /// Day and size.
    pub moment: Moment,
    /// Forecasts stated by then.
    pub forecasts: Vec<GovernanceRow>,
    /// Reads single rows, of any commit.
    pub reader: Reader,
    log: LogReader,
}

impl Shared {
    /// As of a day and of all that is shown.
    ///
    /// # Errors
    /// [`Halt`]: rows or entries that cannot be read.
    pub fn now(&self, day: Day) -> Result<AsOf, Halt> {
        let shown = self.shown();
        let size = shown.size();
        self.at(shown, day, size)
    }

    /// As of a day, default today in Seoul, and of a log size, default all that is shown.
    ///
    /// # Errors
    /// [`NoMoment`].
    pub fn as_of(&self, day: Option<Day>, size: Option<u64>) -> Result<AsOf, NoMoment> {
        let (shown, day) = (self.shown(), day.unwrap_or_else(|| Time::now().day()));
        match size {
            Some(wanted) if wanted > shown.size() => Err(NoMoment::NotYet { size: shown.size(), wanted }),
            Some(size) => Ok(self.at(shown, day, size)?),
            None => Ok(self.now(day)?),
        }
    }

    fn at(&self, shown: Shown, as_of: Day, size: u64) -> Result<AsOf, Halt> {
        let (reader, log) = (self.reader(), self.log());
        let known_at = size.checked_sub(1).map(|last| log.recorded(last)).transpose()?;
        let moment = Moment { as_of, size, proven_size: self.proven_size().min(size), known_at };
        let registry = if size == shown.size() { shown.registry } else { self.registry_at(size)? };
        let forecasts = reader.forecasts_until(size)?;
        Ok(AsOf { view: shown.view, registry, moment, forecasts, reader, log })
    }
}

impl AsOf {
    /// The figures below a prefix.
    fn source(&self, prefix: &str) -> At<'_> {
        let at = At::with_log(self.view.clone(), self.moment, &self.log, &self.registry);
        let now = self.moment.size >= self.view.position().size && self.moment.as_of >= Time::now().day();
        if now { at } else { at.read_ahead(prefix) }
    }

    /// Every indicator.
    ///
    /// # Errors
    /// [`Doubt`].
    pub fn all(&self) -> Result<IndicatorsView, Doubt> {
        progress::all(&self.registry, &self.source(""), &self.forecasts, self.moment)
    }

    /// One of its registry's indicators.
    ///
    /// # Errors
    /// [`Doubt`].
    pub fn one(&self, state: &IndicatorState) -> Result<IndicatorView, Doubt> {
        let source = self.source(&format!("{}/", state.version_on(self.moment.as_of).id));
        progress::indicator(&self.registry, state, &source, &self.forecasts, self.moment)
    }
}
