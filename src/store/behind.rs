//! What is behind a figure: the events that stand at a moment, and what each of them gives to one series.
//!
//! A page follows the moves of the series, entry by entry. An amount belongs to its event. A thing belongs to the event whose
//! claim stands, however many claim it, and is told at one entry only: the first that moved the series on its account. So the
//! pages together add up to the figure. Of stated values the one that stands on each day is told.
//!
//! Store rows say how a record stands now. For a past moment what came later is left out, and amounts and counts are exact. A
//! verification, dispute or resolution that was withdrawn or overtaken since is found only where it moved the series.

mod past;

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use super::reader::{Reader, View};
use crate::event::Day;
use crate::fold::effects::{Standing, tally};
use crate::fold::rows::{
    Doubt, Figures, Gives, Ordinal, Record, Rows as _, SeriesNumber, Statement, Step, Tally, Thing, ThingNumber,
};
use crate::fold::state::plus;
use crate::fold::things::{counted, standing_of};
use crate::limits::{BEHIND_ENTRIES_MAX, BEHIND_THINGS_MAX};
use past::Past;

/// Numbers of the event types that say something about a report.
#[derive(Debug, Clone, Copy, Default)]
pub struct Kinds {
    /// `report.verified.v1`.
    pub verified: Option<u16>,
    /// `report.disputed.v1`.
    pub disputed: Option<u16>,
    /// `claim.resolved.v1`.
    pub resolved: Option<u16>,
}

/// Which figure, and which of its events.
#[derive(Debug, Clone, Copy)]
pub struct Question {
    /// Series.
    pub series: SeriesNumber,
    /// What had happened by the end of this day.
    pub day: Day,
    /// Entries that count.
    pub size: u64,
    /// Event types that say something about a report.
    pub kinds: Kinds,
    /// Where to go on, as a page said; `None` at the start.
    pub from: Option<u64>,
    /// Newest first.
    pub newest_first: bool,
    /// Events after which a page ends; the entry at hand is finished.
    pub limit: usize,
}

/// What one event gives.
#[derive(Debug, Clone)]
pub struct Given {
    /// Its number.
    pub ordinal: Ordinal,
    /// The event.
    pub record: Record,
    /// Who vouches for it at the moment.
    pub verified_by: Vec<Ordinal>,
    /// Who contests it at the moment.
    pub disputed_by: Vec<Ordinal>,
    /// What it adds.
    pub tally: Tally,
    /// Things that count by its claim.
    pub things: Vec<Thing>,
    /// The value it states, where it states one.
    pub stated: Option<Statement>,
}

/// A page of events.
#[derive(Debug, Default)]
pub struct Page {
    /// In the order asked for.
    pub given: Vec<Given>,
    /// `from` of the next page, if there may be more.
    pub next: Option<u64>,
}

/// Reads one page.
///
/// # Errors
/// [`Doubt`] where a row cannot be trusted.
pub fn page(reader: &Reader, view: &View, question: Question) -> Result<Page, Doubt> {
    let Some(series) = view.snapshot().series(question.series) else { return Ok(Page::default()) };
    let mut behind = Behind { reader, view, question, past: Past::new(reader, view, question) };
    // A series never mixes the two: its first move tells which it is.
    let mut first = None;
    view.each_move(question.series, 0..question.size, false, &mut |step| {
        first = Some(step.step);
        ControlFlow::Break(())
    })?;
    match first {
        None => Ok(Page::default()),
        Some(Step::State { .. }) => behind.stated(&view.line(&series.path, question.day, question.size)?),
        Some(Step::Add(_)) => behind.added(),
    }
}

/// The figures of the series at that moment: what all pages add up to, and the statement that counts.
///
/// # Errors
/// [`Doubt`] where a row cannot be trusted.
pub fn figures(view: &View, question: &Question) -> Result<Figures, Doubt> {
    view.figures_of(question.series, question.day, Some(question.size))
}

struct Behind<'a> {
    reader: &'a Reader,
    view: &'a View,
    question: Question,
    past: Past<'a>,
}

impl Behind<'_> {
    /// Statements: the one of each day that stands.
    fn stated(&mut self, line: &[(Day, Step)]) -> Result<Page, Doubt> {
        let Question { from, newest_first, limit, .. } = self.question;
        let number = |day: Day| u64::try_from(day.number()).unwrap_or(0);
        let mut standing: Vec<(Day, Statement)> = Vec::new();
        for (day, step) in line {
            if let Step::State { reported: Some(reported), .. } = step {
                standing.push((*day, *reported));
            }
        }
        if newest_first {
            standing.reverse();
        }
        let inside =
            |day: Day| from.is_none_or(|from| if newest_first { number(day) <= from } else { number(day) >= from });
        let mut rest = standing.into_iter().filter(|(day, _)| inside(*day));
        let mut page = Page::default();
        for (_, stated) in rest.by_ref().take(limit) {
            let mut given = self.given(stated.ordinal, self.record(stated.ordinal)?)?;
            given.stated = Some(stated);
            page.given.push(given);
        }
        page.next = rest.next().map(|(day, _)| number(day));
        Ok(page)
    }

    /// Amounts and things: by the entries that moved the series.
    fn added(&mut self) -> Result<Page, Doubt> {
        let Question { limit, newest_first, .. } = self.question;
        let (mut page, mut looked, mut things) = (Page::default(), 0, 0);
        for index in self.entries()? {
            if page.given.len() >= limit || looked >= BEHIND_ENTRIES_MAX || things >= BEHIND_THINGS_MAX {
                page.next = Some(index);
                return Ok(page);
            }
            looked += 1;
            let mut found = self.entry(index, &mut things)?;
            if newest_first {
                found.reverse();
            }
            page.given.append(&mut found);
        }
        Ok(page)
    }

    /// Entries that moved the series, from where the page begins: enough for one page and the start of the next.
    fn entries(&self) -> Result<Vec<u64>, Doubt> {
        let Question { series, size, from, newest_first, .. } = self.question;
        let span = match (from, newest_first) {
            (Some(from), true) => 0..size.min(from.saturating_add(1)),
            (from, false) => from.unwrap_or(0)..size,
            (None, true) => 0..size,
        };
        let mut entries: Vec<u64> = Vec::new();
        self.view.each_move(series, span, newest_first, &mut |step| {
            if entries.last() != Some(&step.index) {
                entries.push(step.index);
            }
            if entries.len() > BEHIND_ENTRIES_MAX { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        Ok(entries)
    }

    /// What is told at one entry, by number of the event.
    fn entry(&mut self, index: u64, looked: &mut usize) -> Result<Vec<Given>, Doubt> {
        let mut found: BTreeMap<Ordinal, Given> = BTreeMap::new();
        let mut things = BTreeSet::new();
        for (ordinal, record) in self.reader.records_of(index)? {
            self.touched(&record, &mut things)?;
            let Some(given) = self.amount(ordinal, record)? else { continue };
            found.insert(ordinal, given);
        }
        *looked += things.len();
        for number in things {
            let Some((ordinal, tally, thing)) = self.thing_told_at(number, index)? else { continue };
            let given = match found.entry(ordinal) {
                Entry::Occupied(entry) => entry.into_mut(),
                Entry::Vacant(entry) => entry.insert(self.given(ordinal, self.record(ordinal)?)?),
            };
            given.tally = plus(given.tally, tally);
            given.things.push(thing);
        }
        Ok(found.into_values().collect())
    }

    /// An amount that the event adds to the series.
    fn amount(&mut self, ordinal: Ordinal, record: Record) -> Result<Option<Given>, Doubt> {
        let Question { series, day, .. } = self.question;
        if record.time.day() > day || !self.past.stands(&record)? {
            return Ok(None);
        }
        let mut amounts = Vec::new();
        for effect in record.effects.iter().filter(|effect| effect.series.contains(&series)) {
            let (amount, loose) = match effect.gives {
                Gives::Amount(amount) => (amount, Default::default()),
                Gives::Loose(amount) => (amount, amount),
                Gives::Remark => Default::default(),
                Gives::Value(_) | Gives::Things(_) => continue,
            };
            amounts.push((effect.clone(), amount, loose));
        }
        if amounts.is_empty() {
            return Ok(None);
        }
        let mut given = self.given(ordinal, record)?;
        let (verified, disputed) = (!given.verified_by.is_empty(), !given.disputed_by.is_empty());
        let standing = Standing { alive: true, verified, disputed };
        for (effect, amount, loose) in &amounts {
            given.tally = plus(given.tally, tally(effect, *amount, *loose, standing));
        }
        Ok(Some(given))
    }

    /// Things whose counting a record may have changed: those it claims, and those claimed by what it is about.
    fn touched(&self, record: &Record, things: &mut BTreeSet<ThingNumber>) -> Result<(), Doubt> {
        let claims = |record: &Record, things: &mut BTreeSet<ThingNumber>| {
            for effect in &record.effects {
                if let Gives::Things(claims) = &effect.gives {
                    things.extend(claims.iter().map(|claim| claim.thing));
                }
            }
        };
        claims(record, things);
        for target in record.replaces.iter().chain(&record.about) {
            let target = self.record(*target)?;
            claims(&target, things);
            if let Some(about) = target.about {
                claims(&self.record(about)?, things);
            }
        }
        Ok(())
    }

    /// What a thing counts for in the series and by which event, where this entry is the one at which it is told.
    fn thing_told_at(&mut self, number: ThingNumber, index: u64) -> Result<Option<(Ordinal, Tally, Thing)>, Doubt> {
        let Question { series, day, .. } = self.question;
        let Some((thing, touched)) = self.past.thing(number)? else { return Ok(None) };
        let mut sum = Tally::default();
        for (_, _, tally) in counted(&thing, None).iter().filter(|count| count.0 == series && count.1 <= day) {
            sum = plus(sum, *tally);
        }
        if sum.count == 0 {
            return Ok(None);
        }
        if let Some(earlier) = touched.range(..index).next() {
            for earlier in touched.range(*earlier..index) {
                if self.moved_at(*earlier)? {
                    return Ok(None);
                }
            }
        }
        let own = thing.holders.iter().filter(|holder| holder.alive > 0 && holder.agency_series == Some(series));
        let stands = own.filter_map(|holder| holder.stands.as_ref()).next().or_else(|| standing_of(&thing));
        let ordinal = stands.map(|stands| stands.ordinal);
        Ok(ordinal.map(|ordinal| (ordinal, sum, thing)))
    }

    fn moved_at(&self, index: u64) -> Result<bool, Doubt> {
        let mut moved = false;
        self.view.each_move(self.question.series, index..index + 1, false, &mut |_| {
            moved = true;
            ControlFlow::Break(())
        })?;
        Ok(moved)
    }

    fn given(&mut self, ordinal: Ordinal, record: Record) -> Result<Given, Doubt> {
        let (verified_by, disputed_by) = self.past.marks(ordinal, &record)?;
        let tally = Tally::default();
        Ok(Given { ordinal, record, verified_by, disputed_by, tally, things: Vec::new(), stated: None })
    }

    fn record(&self, ordinal: Ordinal) -> Result<Record, Doubt> {
        self.reader.record(ordinal)?.ok_or_else(|| Doubt(format!("record {ordinal} is missing")))
    }
}
