//! The table of agencies: who they are and what became of their reports.
//!
//! No row of the store counts reports by agency, so the log is counted once, a bounded piece per request, and kept.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError, RwLock, TryLockError};
use std::time::{Duration, Instant};

use super::{Live, broken};
use crate::catalogue::registry::{AgencyState, KeyState, Registry};
use crate::event::Time;
use crate::event::subject::Subject;
use crate::fold::rows::{ChainRow, Rows as _};
use crate::limits::{AGENCIES_COUNT_MAX, AGENCIES_COUNT_MS, AGENCY_KEYS_SHOWN};
use crate::log::entry::{Entry, Kept, Verdict};
use crate::serve::source::SourceError;
use crate::serve::views::{AgenciesView, AgencyDetail, GapView, KeyView, LatenessView, ReportView};
use crate::sign::Jws;
use crate::store::Reader;

/// What is counted, and what of it readers are shown.
#[derive(Debug, Default)]
pub(super) struct Counting {
    counting: Mutex<Counts>,
    shown: RwLock<Arc<Counts>>,
}

/// What was counted so far.
#[derive(Debug, Default, Clone)]
struct Counts {
    /// Entries counted.
    size: u64,
    by_agency: BTreeMap<String, Count>,
}

#[derive(Debug, Default, Clone)]
struct Count {
    accepted: u64,
    duplicates: u64,
    refused: u64,
    events: u64,
    last: Option<ReportView>,
    /// Reports by lateness in seconds, coarser where it is long: see [`coarse`].
    late: BTreeMap<i64, u64>,
    latest_s: Option<i64>,
    indicators: BTreeSet<u16>,
}

/// The keys of an agency.
#[derive(Debug, Default)]
struct Keys {
    newest: Vec<KeyView>,
    total: u64,
    standing: u64,
    missing: u64,
    forks: u64,
}

const MINUTE_S: i64 = 60;
const HOUR_S: i64 = 3_600;
const DAY_S: i64 = 86_400;

/// To the minute within a day, to the hour within a month, to the day beyond: some ten thousand values at most.
fn coarse(seconds: i64) -> i64 {
    let step = match seconds.abs() / DAY_S {
        0 => MINUTE_S,
        1..30 => HOUR_S,
        _ => DAY_S,
    };
    seconds.div_euclid(step) * step
}

impl Count {
    fn lateness(&self) -> Option<LatenessView> {
        let reports: u64 = self.late.values().sum();
        let mut left = reports / 2;
        for (seconds, count) in &self.late {
            if left < *count {
                return Some(LatenessView { median_s: *seconds, max_s: self.latest_s?, reports });
            }
            left -= count;
        }
        None
    }
}

impl Live {
    pub(super) fn all_agencies(&self) -> Result<AgenciesView, SourceError> {
        let (registry, reader) = (self.shared.registry(), self.shared.reader());
        let size = reader.position().size;
        let chains = reader.chains().map_err(|met| self.doubted(met))?;
        let counts = self.counted(&reader, &registry, size)?;
        let mut agencies = Vec::with_capacity(registry.agency_codes.len());
        let mut by_agency = by_agency(&registry);
        for code in &registry.agency_codes {
            let Some(state) = registry.agencies.get(code) else { continue };
            let keys = self.keys(code, by_agency.remove(&**code).unwrap_or_default(), &chains)?;
            agencies.push(detail(code, state, keys, counts.by_agency.get(&**code), &registry));
        }
        Ok(AgenciesView { agencies, simulated: registry.simulated, size, counted: counts.size })
    }

    /// The counts, taken further where nobody else is counting just now: requests never wait for each other.
    fn counted(&self, reader: &Reader, registry: &Registry, size: u64) -> Result<Arc<Counts>, SourceError> {
        let shown = || self.counts.shown.read().unwrap_or_else(PoisonError::into_inner).clone();
        let mut counts = match self.counts.counting.try_lock() {
            Ok(counts) => counts,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return Ok(shown()),
        };
        if counts.size < size {
            self.count(&mut counts, reader, registry, size)?;
            *self.counts.shown.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(counts.clone());
        }
        Ok(shown())
    }

    /// Goes on counting, for a while.
    fn count(&self, counts: &mut Counts, reader: &Reader, registry: &Registry, size: u64) -> Result<(), SourceError> {
        let end = Instant::now() + Duration::from_millis(AGENCIES_COUNT_MS);
        let most = size.min(counts.size + AGENCIES_COUNT_MAX);
        for text in self.shared.log().iter(counts.size) {
            if counts.size >= most || Instant::now() >= end {
                break;
            }
            let (_, text) = text.map_err(broken)?;
            let entry = Entry::parse(&text).map_err(broken)?;
            self.count_entry(&entry, counts, reader, registry)?;
            counts.size = entry.index + 1;
        }
        Ok(())
    }

    fn count_entry(
        &self,
        entry: &Entry,
        counts: &mut Counts,
        reader: &Reader,
        registry: &Registry,
    ) -> Result<(), SourceError> {
        let subject = entry.subject.text().and_then(|subject| Subject::parse(subject).ok());
        // Strangers may name any agency there is not; those are not counted.
        let Some(subject) = subject.filter(|subject| registry.agencies.contains_key(subject.agency.as_str())) else {
            return Ok(());
        };
        let verdict = entry.ruling.as_ref().map(|ruling| &ruling.verdict);
        let count = counts.by_agency.entry(subject.agency).or_default();
        match verdict {
            Some(Verdict::Accepted) => count.accepted += 1,
            Some(Verdict::Duplicate) => count.duplicates += 1,
            _ => count.refused += 1,
        }
        if verdict != Some(&Verdict::Accepted) {
            return Ok(());
        }
        let signature = entry.signature.as_ref().and_then(Kept::text).and_then(|text| Jws::parse(text).ok());
        let reported = signature.map(|signature| signature.claims().reported);
        count.last = Some(ReportView { index: entry.index, recorded: entry.recorded, reported });
        let first = reader.ordinal_from(entry.index).map_err(|met| self.doubted(met))?;
        let next = reader.ordinal_from(entry.index + 1).map_err(|met| self.doubted(met))?;
        count.events += next - first;
        if first == next {
            return Ok(());
        }
        let Some(record) = reader.record(first).map_err(|met| self.doubted(met))? else { return Ok(()) };
        count.indicators.extend(record.effects.iter().map(|effect| effect.indicator));
        if let Some(reported) = reported.filter(|_| !record.effects.is_empty()) {
            let seconds = seconds_between(record.time, reported);
            *count.late.entry(coarse(seconds)).or_default() += 1;
            count.latest_s = count.latest_s.max(Some(seconds));
        }
        Ok(())
    }

    /// The newest keys of an agency, and figures of all of them.
    fn keys(
        &self,
        code: &str,
        mut keys: Vec<(&str, &KeyState)>,
        chains: &BTreeMap<String, ChainRow>,
    ) -> Result<Keys, SourceError> {
        keys.sort_unstable_by_key(|(kid, state)| (state.added, *kid));
        let mut all = Keys { total: keys.len() as u64, ..Keys::default() };
        for (kid, state) in &keys {
            all.standing += u64::from(state.revoked.is_none());
            let Some(chain) = chains.get(*kid) else { continue };
            let missing = |hole: &(u64, u64, Time)| hole.1.saturating_sub(hole.0).saturating_add(1);
            all.missing += chain.holes.iter().map(missing).sum::<u64>();
            all.forks += chain.forks.len() as u64;
        }
        let log = self.shared.log();
        // A row of the log's index, not the entry: whoever adds many keys at once has each of them stand in a large one.
        let when = |index: Option<u64>| index.map(|index| log.recorded(index).map_err(broken)).transpose();
        let view = |(kid, state): (&str, &KeyState)| {
            let chain = chains.get(kid);
            let gap = |hole: &(u64, u64, Time)| GapView { first: hole.0, last: hole.1, noticed: hole.2 };
            Ok(KeyView {
                kid: kid.to_owned(),
                added_by: state.added_by.to_string(),
                by_authority: *state.added_by != *code,
                added: state.added,
                added_at: when(Some(state.added))?,
                revoked: state.revoked,
                revoked_at: when(state.revoked)?,
                seq: chain.map_or(0, |chain| chain.seq),
                gaps: chain.map(|chain| chain.holes.iter().map(gap).collect()).unwrap_or_default(),
                forks: chain.map(|chain| chain.forks.clone()).unwrap_or_default(),
            })
        };
        let newest = keys.split_off(keys.len().saturating_sub(AGENCY_KEYS_SHOWN));
        all.newest = newest.into_iter().map(view).collect::<Result<_, SourceError>>()?;
        Ok(all)
    }
}

/// Keys by agency.
fn by_agency(registry: &Registry) -> HashMap<&str, Vec<(&str, &KeyState)>> {
    let mut agencies: HashMap<&str, Vec<(&str, &KeyState)>> = HashMap::new();
    for (kid, state) in &registry.keys {
        agencies.entry(&*state.agency).or_default().push((&**kid, state));
    }
    agencies
}

fn detail(code: &str, state: &AgencyState, keys: Keys, count: Option<&Count>, registry: &Registry) -> AgencyDetail {
    let count = count.cloned().unwrap_or_default();
    let reported = count.indicators.iter().filter_map(|number| registry.indicator(*number));
    let may = registry.indicators_by_row().into_iter().map(|state| state.definition());
    AgencyDetail {
        code: code.to_owned(),
        name: state.info.name.clone(),
        role: state.info.role.clone(),
        valid_from: state.info.valid_from,
        valid_to: state.info.valid_to,
        successor: state.successor.as_ref().map(|(next, ..)| next.to_string()),
        keys: keys.newest,
        keys_total: keys.total,
        keys_standing: keys.standing,
        missing: keys.missing,
        forks: keys.forks,
        accepted: count.accepted,
        duplicates: count.duplicates,
        refused: count.refused,
        events: count.events,
        lateness: count.lateness(),
        indicators: reported.map(|state| state.definition().id.clone()).collect(),
        may_report: may
            .filter(|known| registry.is_among(code, &known.reporters))
            .map(|known| known.id.clone())
            .collect(),
        last_report: count.last,
    }
}

fn seconds_between(from: Time, to: Time) -> i64 {
    const SECOND_NS: i64 = 1_000_000_000;
    to.ns().div_euclid(SECOND_NS) - from.ns().div_euclid(SECOND_NS)
}
