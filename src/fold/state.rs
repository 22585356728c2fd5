//! The fold's working state: rows as of the last commit under the changes made since.
//!
//! Every change also enters a running hash, entry by entry, so the digest depends on the log alone: not on batching, not
//! on how a store lays its rows out.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use foldhash::{HashMap, HashMapExt as _};

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::ahead::{Ahead, Known};
use super::lookup;
use super::rows::{
    Changes, DAY_UNKNOWN, Doubt, LookupKey, Move, Ordinal, Position, Record, Rows, Series, SeriesNumber, Statement,
    Step, Tally, Thing, ThingNumber,
};
use crate::event::{Day, Time};
use crate::limits::{FIGURE_MILLIONTHS_MAX, RECORDS_READ_MAX, SPLIT_VALUES_MAX, WINNERS_CACHED_MAX};

/// Winning statements of a day, of all and of verified ones.
pub type Winners = (Option<Statement>, Option<Statement>);

/// Rows under pending changes.
pub struct State<R> {
    pub(super) rows: R,
    pub(super) pending: Changes,
    /// All series, live: their number is bounded by indicators × split values.
    series: Vec<Series>,
    paths: HashMap<String, SeriesNumber>,
    /// Values per `<indicator>/<split>`.
    values: HashMap<String, usize>,
    /// Series that changed since the last commit, and for each series whether it is among them.
    touched: Vec<SeriesNumber>,
    is_touched: Vec<bool>,
    lookups: HashMap<LookupKey, u64>,
    /// Records read since the last commit: what is said of one asks for it several times.
    read: RefCell<HashMap<Ordinal, Record>>,
    /// Rows read ahead for the entries at hand.
    known: Known,
    /// Log size of the last commit.
    committed: u64,
    winners: HashMap<(SeriesNumber, Day), Winners>,
    /// Winning statements withdrawn by the entry at hand: a correction may put a later one in their place.
    withdrawn: HashMap<SeriesNumber, (Statement, Option<Day>)>,
    /// What the entry at hand changed so far, behind the digest before it: hashed at once, which costs a fraction of hashing
    /// field by field.
    noted: Vec<u8>,
}

/// Where the entry at hand stands.
#[derive(Debug, Clone, Copy)]
pub struct At {
    /// Index.
    pub index: u64,
    /// `recorded`.
    pub recorded: Time,
    /// Number of the publishing agency.
    pub agency: u16,
}

impl<R: Rows> State<R> {
    /// Starts at the position of the last commit.
    ///
    /// # Errors
    /// [`Doubt`] where a series is missing.
    pub fn new(rows: R, position: Position) -> Result<Self, Doubt> {
        let mut state = State {
            rows,
            committed: position.size,
            pending: Changes { position, ..Changes::default() },
            series: Vec::new(),
            paths: HashMap::new(),
            values: HashMap::new(),
            touched: Vec::new(),
            is_touched: Vec::new(),
            lookups: HashMap::new(),
            read: RefCell::default(),
            known: Known::default(),
            winners: HashMap::new(),
            withdrawn: HashMap::new(),
            noted: Vec::new(),
        };
        for number in 0..state.pending.position.series {
            let series = state.rows.series_by_number(number)?;
            let series = series.ok_or_else(|| Doubt(format!("series {number} is missing")))?;
            state.adopt(series);
        }
        Ok(state)
    }

    fn adopt(&mut self, series: Series) {
        let number = self.series.len() as SeriesNumber;
        if let Some((split, _)) = split_of(&series.path) {
            *self.values.entry(split.to_owned()).or_default() += 1;
        }
        self.paths.insert(series.path.clone(), number);
        self.series.push(series);
        self.is_touched.push(false);
    }

    /// How far this state is folded.
    #[must_use]
    pub fn position(&self) -> &Position {
        &self.pending.position
    }

    /// The changes since the last commit; the state goes on from them, reading rows that hold them.
    pub fn take(&mut self) -> Changes {
        for number in std::mem::take(&mut self.touched) {
            self.is_touched[number as usize] = false;
            self.pending.series.insert(number, self.series[number as usize].clone());
        }
        self.lookups.clear();
        self.read.get_mut().clear();
        if self.winners.len() > WINNERS_CACHED_MAX {
            self.winners.clear();
        }
        let position = self.pending.position.clone();
        self.known.note(std::mem::replace(&mut self.committed, position.size), &self.pending);
        std::mem::replace(&mut self.pending, Changes { position, ..Changes::default() })
    }

    /// Takes what was read ahead for the entries to be folded next.
    pub fn prepare(&mut self, ahead: impl Iterator<Item = Ahead>) {
        self.known.prepare(self.committed, ahead);
    }

    /// SHA-256 over all figures and the chain of all changes so far: what `state:` in an entry proves.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        let mut noted = self.pending.position.digest.to_vec();
        self.series.iter().for_each(|series| feed(&mut noted, b's', series));
        Sha256::digest(&noted).into()
    }

    pub(super) fn begin(&mut self) {
        self.noted.clear();
        self.noted.extend_from_slice(&self.pending.position.digest);
        self.withdrawn.clear();
    }

    pub(super) fn end(&mut self) {
        self.pending.position.digest = Sha256::digest(&self.noted).into();
    }

    /// Notes a change for the digest.
    pub(super) fn note<T: Serialize>(&mut self, tag: u8, value: &T) {
        feed(&mut self.noted, tag, value);
    }

    /// The number kept under a lookup key.
    ///
    /// # Errors
    /// [`Doubt`].
    pub fn lookup(&self, key: &LookupKey) -> Result<Option<u64>, Doubt> {
        match (self.lookups.get(key), self.known.lookup(key)) {
            (Some(number), _) => Ok(Some(*number)),
            (None, Some(known)) => Ok(known),
            (None, None) => self.rows.lookup(key),
        }
    }

    pub(super) fn put_lookup(&mut self, key: LookupKey, number: u64) {
        self.lookups.insert(key, number);
        self.pending.lookups.push((key, number));
    }

    /// A record that must exist.
    ///
    /// # Errors
    /// [`Doubt`] where it does not.
    pub fn record(&self, ordinal: Ordinal) -> Result<Record, Doubt> {
        if let Some(record) = self.pending.records.get(&ordinal) {
            return Ok(record.clone());
        }
        if let Some(record) = self.known.record(ordinal).or(self.read.borrow().get(&ordinal)) {
            return Ok(record.clone());
        }
        let record = self.rows.record(ordinal)?.ok_or_else(|| Doubt(format!("record {ordinal} is missing")))?;
        let mut read = self.read.borrow_mut();
        if read.len() < RECORDS_READ_MAX {
            read.insert(ordinal, record.clone());
        }
        drop(read);
        Ok(record)
    }

    pub(super) fn put_record(&mut self, ordinal: Ordinal, record: Record) {
        self.note(b'r', &(ordinal, &record));
        self.pending.records.insert(ordinal, record);
    }

    /// A thing that must exist.
    ///
    /// # Errors
    /// [`Doubt`] where it does not.
    pub fn thing(&self, number: ThingNumber) -> Result<Thing, Doubt> {
        if let Some(thing) = self.pending.things.get(&number) {
            return Ok(thing.clone());
        }
        if let Some(thing) = self.known.thing(number) {
            return Ok(thing.clone());
        }
        self.rows.thing(number)?.ok_or_else(|| Doubt(format!("thing {number} is missing")))
    }

    /// A thing to change: it goes back with [`State::put_thing`].
    pub(super) fn take_thing(&mut self, number: ThingNumber) -> Result<Thing, Doubt> {
        match self.pending.things.remove(&number).or_else(|| self.known.take_thing(number)) {
            Some(thing) => Ok(thing),
            None => self.thing(number),
        }
    }

    pub(super) fn put_thing(&mut self, number: ThingNumber, thing: Thing) {
        self.pending.things.insert(number, thing);
    }

    /// The number of a thing, new if it was never claimed.
    pub(super) fn thing_number(
        &mut self,
        indicator: u16,
        stage: u16,
        identity: &[String],
    ) -> Result<ThingNumber, Doubt> {
        let key = lookup::thing_key(indicator, stage, identity);
        if let Some(number) = self.lookup(&key)? {
            return Ok(number);
        }
        let number = self.pending.position.things;
        self.pending.position.things += 1;
        self.put_lookup(key, number);
        let thing = Thing { indicator, stage, identity: identity.to_vec(), holders: Vec::new(), resolved: None };
        self.note(b't', &(number, &thing));
        self.put_thing(number, thing);
        Ok(number)
    }

    /// A series by path, if it ever moved.
    #[must_use]
    pub fn series(&self, path: &str) -> Option<&Series> {
        self.paths.get(path).map(|number| &self.series[*number as usize])
    }

    pub(super) fn series_by_number(&self, number: SeriesNumber) -> &Series {
        &self.series[number as usize]
    }

    /// Whether the split of that path may take one more value beside those in `coming`, which it joins.
    pub(super) fn has_room(&self, path: &str, coming: &mut HashMap<String, BTreeSet<String>>) -> bool {
        let Some((split, value)) = split_of(path).filter(|_| !self.paths.contains_key(path)) else { return true };
        let coming = coming.entry(split.to_owned()).or_default();
        coming.insert(value.to_owned());
        self.values.get(split).copied().unwrap_or_default() + coming.len() <= SPLIT_VALUES_MAX
    }

    pub(super) fn series_number(&mut self, path: &str) -> SeriesNumber {
        if let Some(number) = self.paths.get(path) {
            return *number;
        }
        let number = self.pending.position.series;
        self.pending.position.series += 1;
        self.note(b'p', &(number, path));
        // Rows name it from now on, even where it does not move yet: a second claim on a thing that counts elsewhere.
        self.adopt(Series { path: path.to_owned(), ..Series::default() });
        self.mark(number);
        number
    }

    fn mark(&mut self, number: SeriesNumber) {
        if !std::mem::replace(&mut self.is_touched[number as usize], true) {
            self.touched.push(number);
        }
    }

    fn touch(&mut self, number: SeriesNumber, day: Day, step: Step, at: At) -> &mut Series {
        let moved = Move { index: at.index, day, step };
        self.note(b'm', &(number, &moved));
        self.pending.moves.push((number, moved));
        self.mark(number);
        let series = &mut self.series[number as usize];
        series.moves += 1;
        series.index_last = at.index;
        series.recorded_last = Some(at.recorded);
        series.agency_last = at.agency;
        series.day_max = series.day_max.max(Some(day));
        series
    }

    /// Adds to a series. Admission has made sure that it stays in range.
    pub(super) fn add(&mut self, number: SeriesNumber, day: Day, tally: Tally, at: At) {
        if tally == Tally::default() {
            return;
        }
        let series = self.touch(number, day, Step::Add(tally), at);
        series.tally = plus(series.tally, tally);
    }

    /// Sets or removes a statement of a series and states the day's winners anew.
    pub(super) fn state(
        &mut self,
        number: SeriesNumber,
        old: Option<Statement>,
        new: Option<Statement>,
        at: At,
    ) -> Result<(), Doubt> {
        let Some(day) = old.or(new).map(|statement| statement.time.day()) else { return Ok(()) };
        let before = self.winners_on(number, day)?;
        if let Some(old) = old {
            self.pending.statements.insert((number, day, old.time, old.ordinal), None);
        }
        if let Some(new) = new {
            self.pending.statements.insert((number, day, new.time, new.ordinal), Some(new));
        }
        let mut after = before;
        for (winner, verified_only) in [(&mut after.0, false), (&mut after.1, true)] {
            let lost = old.is_some_and(|old| winner.is_some_and(|winner| winner.ordinal == old.ordinal));
            let candidate = new.filter(|new| new.verified || !verified_only);
            if lost {
                *winner = self.best_on(number, day, verified_only)?;
            } else if candidate.is_some_and(|new| winner.is_none_or(|winner| rank(&winner) < rank(&new))) {
                *winner = candidate;
            }
        }
        if after != before {
            self.winners.insert((number, day), after);
            self.crown(number, day, before, after, at);
        }
        Ok(())
    }

    /// The series' winners over all days follow those of one day, as far as they can be known without the history.
    fn crown(&mut self, number: SeriesNumber, day: Day, before: Winners, after: Winners, at: At) {
        let known = self.series[number as usize].day_max;
        let withdrawn = self.withdrawn.remove(&number);
        let series = self.touch(number, day, Step::State { reported: after.0, verified: after.1 }, at);
        let mut unknown = known == Some(DAY_UNKNOWN);
        if let (Some((lost, day_max)), Some(new)) = (withdrawn, after.0) {
            // A correction of the newest statement that is as new wins again: nothing can lie between the two.
            if rank(&lost) <= rank(&new) {
                unknown = false;
                series.reported = None;
                series.day_max = day_max.max(Some(day));
            }
        }
        let lost_reported = follow(&mut series.reported, before.0, after.0);
        let lost_verified = follow(&mut series.verified, before.1, after.1);
        if lost_reported.is_some() || lost_verified.is_some() {
            if let (Some(lost), None, false) = (lost_reported, lost_verified, unknown) {
                self.withdrawn.insert(number, (lost, known));
            }
            unknown = true;
        }
        if unknown {
            self.series[number as usize].day_max = Some(DAY_UNKNOWN);
        }
    }

    fn winners_on(&mut self, number: SeriesNumber, day: Day) -> Result<Winners, Doubt> {
        if let Some(winners) = self.winners.get(&(number, day)) {
            return Ok(*winners);
        }
        let winners = self.rows.winners(number, day)?;
        self.winners.insert((number, day), winners);
        Ok(winners)
    }

    /// The best statement of a day, pending ones over stored ones.
    fn best_on(&self, number: SeriesNumber, day: Day, verified_only: bool) -> Result<Option<Statement>, Doubt> {
        let span = (number, day, Time::from_ns(i64::MIN), 0)..=(number, day, Time::from_ns(i64::MAX), u64::MAX);
        let changed: BTreeMap<_, _> = self.pending.statements.range(span).collect();
        let fits = |statement: &Statement| statement.verified || !verified_only;
        let pending = changed.values().rev().filter_map(|statement| **statement).find(fits);
        for stored in self.rows.statements(number, day) {
            let stored = stored?;
            if pending.is_some_and(|pending| rank(&stored) < rank(&pending)) {
                break;
            }
            if fits(&stored) && !changed.contains_key(&(number, day, stored.time, stored.ordinal)) {
                return Ok(Some(stored));
            }
        }
        Ok(pending)
    }
}

/// Moves the winner over all days; gives back the one that was withdrawn without a successor at hand.
fn follow(held: &mut Option<Statement>, was: Option<Statement>, is: Option<Statement>) -> Option<Statement> {
    let same = held.zip(was).is_some_and(|(held, was)| held.ordinal == was.ordinal);
    match is {
        Some(is) if held.is_none_or(|held| rank(&held) <= rank(&is)) => {
            *held = Some(is);
            None
        }
        _ if same && was != is => held.take(),
        _ => None,
    }
}

fn rank(statement: &Statement) -> (Time, Ordinal) {
    (statement.time, statement.ordinal)
}

/// `<indicator>/<split>` and the value of a path.
fn split_of(path: &str) -> Option<(&str, &str)> {
    let (indicator, rest) = path.split_once('/')?;
    let (split, value) = rest.split_once('/')?;
    Some((&path[..indicator.len() + 1 + split.len()], value))
}

fn feed<T: Serialize>(noted: &mut Vec<u8>, tag: u8, value: &T) {
    noted.push(tag);
    // Rows are plain data and a vector takes everything: neither can fail.
    let _ = postcard::to_io(value, noted);
}

/// Sum of two tallies.
#[must_use]
pub fn plus(left: Tally, right: Tally) -> Tally {
    Tally {
        value: left.value.saturating_add(right.value),
        count: left.count.saturating_add(right.count),
        verified: left.verified.saturating_add(right.verified),
        loose: left.loose.saturating_add(right.loose),
        disputed: left.disputed.saturating_add(right.disputed),
        provisional: left.provisional.saturating_add(right.provisional),
        approximate: left.approximate.saturating_add(right.approximate),
    }
}

/// The tally that undoes another.
#[must_use]
pub fn minus(tally: Tally) -> Tally {
    Tally {
        value: -tally.value,
        count: -tally.count,
        verified: -tally.verified,
        loose: -tally.loose,
        disputed: -tally.disputed,
        provisional: -tally.provisional,
        approximate: -tally.approximate,
    }
}

/// Whether a figure is inside its exact range.
#[must_use]
pub fn in_range(value: i128) -> bool {
    value.abs() <= FIGURE_MILLIONTHS_MAX
}
