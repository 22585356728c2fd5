//! Reading: figures now and as of any day and size, records, lists. Any number of threads, beside the one that commits.
//!
//! A [`Reader`] follows the store; a [`View`] stays at one commit: every figure of it is of the same size. Current figures
//! come from memory, sled being without snapshot reads; past ones from closed chunks, which never change.

use std::collections::{BTreeMap, VecDeque};
use std::ops::{Bound, ControlFlow, Range};
use std::sync::{Arc, PoisonError, RwLock};

use uuid::Uuid;

use super::disk::Disk;
use super::history::Head;
use super::index::Index;
use super::keys::{self, Family};
use super::layout::Layout;
use super::statements::{Statements, Winners};
use super::{pack, row};
use crate::event::Day;
use crate::fold::lookup;
use crate::fold::rows::{
    ChainRow, Doubt, Figures, GovernanceRow, LookupKey, Move, Ordinal, Position, Record, Refused, Rows, Series,
    SeriesNumber, Statement, Step, Thing, ThingNumber,
};
use crate::limits::RECORD_VERSIONS_SHOWN;

/// What all readers share.
pub(super) struct Shared {
    pub(super) layout: Layout,
    pub(super) disk: Arc<Disk>,
    pub(super) index: Arc<Index>,
    pub(super) statements: Arc<Statements>,
    /// Numbers by path. Only grows; a view looks at no number beyond its own.
    pub(super) paths: RwLock<BTreeMap<Arc<str>, SeriesNumber>>,
    pub(super) snapshot: RwLock<Arc<Snapshot>>,
}

/// All series after one commit. Immutable.
pub struct Snapshot {
    /// How far it is folded.
    pub position: Position,
    pub(super) heads: Vec<Arc<Head>>,
}

impl Snapshot {
    /// A series by number.
    #[must_use]
    pub fn series(&self, number: SeriesNumber) -> Option<&Series> {
        self.heads.get(number as usize).map(|head| &head.series)
    }
}

/// Reads the store as of its last commit; cheap to clone.
#[derive(Clone)]
pub struct Reader {
    pub(super) shared: Arc<Shared>,
}

/// Versions of a record, oldest first.
#[derive(Debug, Default)]
pub struct Versions {
    /// The oldest, the one asked for, the newest.
    pub shown: Vec<(Ordinal, Record)>,
    /// How many there are.
    pub total: u64,
}

/// The store as of one commit; cheap to clone.
#[derive(Clone)]
pub struct View {
    shared: Arc<Shared>,
    snapshot: Arc<Snapshot>,
}

impl View {
    /// How far this view is folded.
    #[must_use]
    pub fn position(&self) -> &Position {
        &self.snapshot.position
    }

    /// The series behind it.
    #[must_use]
    pub fn snapshot(&self) -> &Arc<Snapshot> {
        &self.snapshot
    }

    /// Number and current state of a series.
    #[must_use]
    pub fn series(&self, path: &str) -> Option<(SeriesNumber, &Series)> {
        let number = *self.shared.paths.read().unwrap_or_else(PoisonError::into_inner).get(path)?;
        self.snapshot.series(number).map(|series| (number, series))
    }

    /// Series whose path starts with `prefix`, by path: `ev-chargers/region/`.
    #[must_use]
    pub fn series_with_prefix(&self, prefix: &str) -> Vec<(SeriesNumber, &Series)> {
        let paths = self.shared.paths.read().unwrap_or_else(PoisonError::into_inner);
        paths
            .range::<str, _>((Bound::Included(prefix), Bound::Unbounded))
            .take_while(|(path, _)| path.starts_with(prefix))
            .filter_map(|(_, number)| self.snapshot.series(*number).map(|series| (*number, series)))
            .collect()
    }

    /// Figures of a series as of `day`, from the entries below `size` (`None`: all of this view; more than it holds is as
    /// all). A series that never moved has none: zero, and no statement.
    ///
    /// # Errors
    /// [`Doubt`] where a row cannot be trusted.
    pub fn figures(&self, path: &str, day: Day, size: Option<u64>) -> Result<Figures, Doubt> {
        match self.series(path) {
            Some((number, _)) => self.figures_of(number, day, size),
            None => Ok(Figures::default()),
        }
    }

    /// As [`View::figures`], by number.
    ///
    /// # Errors
    /// [`Doubt`] where a row cannot be trusted.
    pub fn figures_of(&self, number: SeriesNumber, day: Day, size: Option<u64>) -> Result<Figures, Doubt> {
        let size = size.map_or(self.snapshot.position.size, |size| size.min(self.snapshot.position.size));
        let Some(head) = self.snapshot.heads.get(number as usize) else { return Ok(Figures::default()) };
        head.figures(number, &self.shared.disk, day, size)
    }

    /// What stood on each day up to `day` after the entries below `size`: the steps of a series' line, ascending.
    ///
    /// # Errors
    /// [`Doubt`] where a row cannot be trusted.
    pub fn line(&self, path: &str, day: Day, size: u64) -> Result<Vec<(Day, Step)>, Doubt> {
        let Some((number, _)) = self.series(path) else { return Ok(Vec::new()) };
        match self.snapshot.heads.get(number as usize) {
            Some(head) => head.line(number, &self.shared.disk, day, size.min(self.snapshot.position.size)),
            None => Ok(Vec::new()),
        }
    }

    /// Moves of a series by the entries in `span`, oldest first or newest first, until `take` breaks.
    ///
    /// # Errors
    /// [`Doubt`] where a row cannot be trusted.
    pub fn each_move(
        &self,
        number: SeriesNumber,
        span: Range<u64>,
        newest_first: bool,
        take: &mut dyn FnMut(&Move) -> ControlFlow<()>,
    ) -> Result<(), Doubt> {
        match self.snapshot.heads.get(number as usize) {
            Some(head) => head.each_move(number, &self.shared.disk, span, newest_first, take),
            None => Ok(()),
        }
    }

    /// Index of the entry that moved a series last before `size`.
    ///
    /// # Errors
    /// [`Doubt`] where a row cannot be trusted.
    pub fn index_before(&self, number: SeriesNumber, size: u64) -> Result<Option<u64>, Doubt> {
        let Some(head) = self.snapshot.heads.get(number as usize) else { return Ok(None) };
        head.index_before(number, &self.shared.disk, size)
    }
}

impl Reader {
    /// The store as of its last commit, held.
    #[must_use]
    pub fn view(&self) -> View {
        View { shared: self.shared.clone(), snapshot: self.snapshot() }
    }

    /// All series as of the last commit.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.shared.snapshot.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How far the store is folded.
    #[must_use]
    pub fn position(&self) -> Position {
        self.snapshot().position.clone()
    }

    /// As [`View::figures`], of the last commit.
    ///
    /// # Errors
    /// [`Doubt`] where a row cannot be trusted.
    pub fn figures(&self, path: &str, day: Day, size: Option<u64>) -> Result<Figures, Doubt> {
        self.view().figures(path, day, size)
    }

    /// A record by agency and event id.
    ///
    /// # Errors
    /// [`Doubt`] where a row cannot be trusted.
    pub fn record_by_id(&self, agency: &str, id: &Uuid) -> Result<Option<(Ordinal, Record)>, Doubt> {
        let Some(ordinal) = self.lookup(&lookup::id_key(agency, id))? else { return Ok(None) };
        match self.record(ordinal)? {
            Some(record) if record.id == *id => Ok(Some((ordinal, record))),
            _ => Err(Doubt(format!("id {id} of {agency} leads to record {ordinal}, which is missing or another"))),
        }
    }

    /// The versions of a record, oldest first: the one asked for, the [`RECORD_VERSIONS_SHOWN`] oldest and as many newest.
    ///
    /// # Errors
    /// [`Doubt`] where a row cannot be trusted, or versions do not follow each other.
    pub fn versions(&self, ordinal: Ordinal) -> Result<Versions, Doubt> {
        let Some(asked) = self.record(ordinal)? else { return Ok(Versions::default()) };
        let mut all = VecDeque::from([ordinal]);
        let (mut before, mut version) = (asked.replaces, asked.version.checked_sub(1));
        while let Some(next) = before {
            let record = self.version(next, version)?;
            all.push_front(next);
            (before, version) = (record.replaces, record.version.checked_sub(1));
        }
        let asked_at = all.len() - 1;
        let (mut after, mut version) = (asked.replaced_by, asked.version.checked_add(1));
        while let Some(next) = after {
            let record = self.version(next, version)?;
            all.push_back(next);
            (after, version) = (record.replaced_by, record.version.checked_add(1));
        }
        let newest = all.len().saturating_sub(RECORD_VERSIONS_SHOWN);
        let shown = |at: usize| at < RECORD_VERSIONS_SHOWN || at == asked_at || at >= newest;
        let found = all.iter().enumerate().filter(|(at, _)| shown(*at));
        let read = |ordinal: Ordinal| Ok((ordinal, self.held(ordinal)?));
        let shown = found.map(|(_, ordinal)| read(*ordinal)).collect::<Result<_, Doubt>>()?;
        Ok(Versions { shown, total: all.len() as u64 })
    }

    /// A record that must exist, with that many versions before it: counted, they cannot go in a circle.
    fn version(&self, ordinal: Ordinal, version: Option<u16>) -> Result<Record, Doubt> {
        let record = self.held(ordinal)?;
        if Some(record.version) != version {
            return Err(Doubt(format!("record {ordinal} is version {}, expected {version:?}", record.version)));
        }
        Ok(record)
    }

    fn held(&self, ordinal: Ordinal) -> Result<Record, Doubt> {
        self.record(ordinal)?.ok_or_else(|| Doubt(format!("record {ordinal} is missing")))
    }

    /// Accepted events of entry `index`, in the order of its body.
    ///
    /// # Errors
    /// [`Doubt`] where a row cannot be trusted.
    pub fn records_of(&self, index: u64) -> Result<Vec<(Ordinal, Record)>, Doubt> {
        let (mut found, end) = (Vec::new(), self.position().records);
        for ordinal in self.ordinal_from(index)?..end {
            let record = self.held(ordinal)?;
            if record.index != index {
                break;
            }
            found.push((ordinal, record));
        }
        Ok(found)
    }

    /// Index of the entry that brought a record.
    ///
    /// # Errors
    /// [`Doubt`] where a row cannot be trusted.
    pub fn index_of(&self, ordinal: Ordinal) -> Result<u64, Doubt> {
        let per_row = self.shared.layout.fixed.records_per_row;
        // It never changes: the first state will do.
        let record: Option<Record> = pack::read_first(&self.shared.disk, per_row, ordinal)?;
        record.map(|record| record.index).ok_or_else(|| Doubt(format!("record {ordinal} is missing")))
    }

    /// Number of the first accepted event of entry `index` or of one after it.
    ///
    /// # Errors
    /// [`Doubt`] where a row cannot be trusted.
    pub fn ordinal_from(&self, index: u64) -> Result<Ordinal, Doubt> {
        let (mut low, mut high) = (0, self.position().records);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.index_of(middle)? < index {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Ok(low)
    }

    /// Refused reports from entry index `from` on, at most `limit`.
    ///
    /// # Errors
    /// [`Doubt`] where a row cannot be trusted.
    pub fn refused(&self, from: u64, limit: usize) -> Result<Vec<Refused>, Doubt> {
        let rows =
            self.shared.disk.range(&keys::number(Family::Refused, from), &keys::after(Family::Refused), limit)?;
        rows.iter().map(|(key, value)| row::unpack(key, value)).collect()
    }

    /// Accepted governance events of entries below `size`, in log order: replayed, they are the registry.
    ///
    /// # Errors
    /// [`Doubt`] where a row cannot be trusted.
    pub fn governance_until(&self, size: u64) -> Result<Vec<GovernanceRow>, Doubt> {
        self.events_until(Family::Governance, size)
    }

    /// Forecasts of entries below `size`, in log order.
    ///
    /// # Errors
    /// [`Doubt`] where a row cannot be trusted.
    pub fn forecasts_until(&self, size: u64) -> Result<Vec<GovernanceRow>, Doubt> {
        self.events_until(Family::Forecast, size)
    }

    fn other_statements(&self, series: SeriesNumber, day: Day) -> Vec<Result<Statement, Doubt>> {
        match self.shared.statements.standing(&self.shared.disk, series, day) {
            Ok(standing) => standing.into_iter().skip(1).map(Ok).collect(),
            Err(doubt) => vec![Err(doubt)],
        }
    }

    fn events_until(&self, family: Family, size: u64) -> Result<Vec<GovernanceRow>, Doubt> {
        let mut events = Vec::new();
        self.shared.disk.each(&keys::single(family), &keys::event(family, size, 0), |key, value| {
            events.push(row::unpack(key, value)?);
            Ok(())
        })?;
        Ok(events)
    }

    /// State of every chain, by NKey public key.
    ///
    /// # Errors
    /// [`Doubt`] where a row cannot be trusted.
    pub fn chains(&self) -> Result<BTreeMap<String, ChainRow>, Doubt> {
        let mut chains = BTreeMap::new();
        self.shared.disk.each(&keys::single(Family::Chain), &keys::after(Family::Chain), |key, value| {
            let name = String::from_utf8(key[1..].to_vec()).map_err(|_| row::doubt(key, "has a malformed key"))?;
            chains.insert(name, row::unpack(key, value)?);
            Ok(())
        })?;
        Ok(chains)
    }
}

impl Rows for Reader {
    fn record(&self, ordinal: Ordinal) -> Result<Option<Record>, Doubt> {
        pack::read(&self.shared.disk, &self.shared.index, self.shared.layout.fixed.records_per_row, ordinal)
    }

    fn thing(&self, number: ThingNumber) -> Result<Option<Thing>, Doubt> {
        pack::read(&self.shared.disk, &self.shared.index, self.shared.layout.fixed.things_per_row, number)
    }

    fn lookup(&self, key: &LookupKey) -> Result<Option<u64>, Doubt> {
        self.shared.index.get(&self.shared.disk, key)
    }

    fn statements<'a>(
        &'a self,
        series: SeriesNumber,
        day: Day,
    ) -> Box<dyn Iterator<Item = Result<Statement, Doubt>> + 'a> {
        // The first one is known from history; who asks for a second one pays for the runs.
        let first = match self.winners(series, day) {
            Ok((Some(first), _)) => first,
            Ok((None, _)) => return Box::new(std::iter::empty()),
            Err(doubt) => return Box::new(std::iter::once(Err(doubt))),
        };
        let rest = std::iter::once_with(move || self.other_statements(series, day)).flatten();
        Box::new(std::iter::once(Ok(first)).chain(rest))
    }

    fn winners(&self, series: SeriesNumber, day: Day) -> Result<Winners, Doubt> {
        self.shared.statements.winners((series, day), || match self.snapshot().heads.get(series as usize) {
            Some(head) => head.winners(series, &self.shared.disk, day),
            None => Ok((None, None)),
        })
    }

    fn series(&self, path: &str) -> Result<Option<(SeriesNumber, Series)>, Doubt> {
        Ok(self.view().series(path).map(|(number, series)| (number, series.clone())))
    }

    fn series_by_number(&self, number: SeriesNumber) -> Result<Option<Series>, Doubt> {
        Ok(self.snapshot().series(number).cloned())
    }

    fn chain(&self, key: &str) -> Result<Option<ChainRow>, Doubt> {
        let key = keys::text(Family::Chain, key);
        self.shared.disk.get(&key)?.map(|value| row::unpack(&key, &value)).transpose()
    }
}
