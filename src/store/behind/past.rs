//! How records and things stood at a log size, read from rows that say how they stand now.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::Arc;

use super::Question;
use crate::event::Day;
use crate::fold::rows::{Claim, Doubt, Gives, Holder, Move, Ordinal, Record, Rows as _, Step, Thing, ThingNumber};
use crate::fold::things::standing;
use crate::limits::{BATCH_EVENTS_MAX, BEHIND_CLAIMS_MAX, BEHIND_MARKS_MAX};
use crate::store::reader::{Reader, View};

/// A verification (true) or dispute of a record that counted at the moment and was withdrawn since.
type Withdrawn = BTreeMap<Ordinal, BTreeSet<(Ordinal, bool)>>;

/// The moment, with what had to be searched for it.
pub(super) struct Past<'a> {
    reader: &'a Reader,
    view: &'a View,
    question: Question,
    /// Whether rows may hold what came after the moment.
    is_past: bool,
    kept: RefCell<BTreeMap<Ordinal, Arc<Record>>>,
    withdrawn: Option<Withdrawn>,
    /// Resolutions that moved the series: entry, the record that stands by it.
    resolutions: Option<Vec<(u64, Ordinal)>>,
}

impl<'a> Past<'a> {
    pub(super) fn new(reader: &'a Reader, view: &'a View, question: Question) -> Self {
        let is_past = question.size < reader.position().size;
        Past { reader, view, question, is_past, kept: RefCell::default(), withdrawn: None, resolutions: None }
    }

    /// A record, kept for a while: the things of one event ask for it one after the other.
    fn record(&self, ordinal: Ordinal) -> Result<Arc<Record>, Doubt> {
        let mut kept = self.kept.borrow_mut();
        if let Some(record) = kept.get(&ordinal) {
            return Ok(record.clone());
        }
        let record = self.reader.record(ordinal)?.ok_or_else(|| Doubt(format!("record {ordinal} is missing")))?;
        let record = Arc::new(record);
        if kept.len() >= BATCH_EVENTS_MAX {
            kept.clear();
        }
        kept.insert(ordinal, record.clone());
        Ok(record)
    }

    /// Whether that record had come.
    fn had(&self, ordinal: Ordinal) -> Result<bool, Doubt> {
        Ok(!self.is_past || self.reader.index_of(ordinal)? < self.question.size)
    }

    /// Neither replaced nor retracted at the moment.
    pub(super) fn stands(&self, record: &Record) -> Result<bool, Doubt> {
        if record.index >= self.question.size {
            return Ok(false);
        }
        for end in record.replaced_by.iter().chain(&record.retracted_by) {
            if self.had(*end)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Verifications and disputes of a record at the moment.
    pub(super) fn marks(&mut self, ordinal: Ordinal, record: &Record) -> Result<(Vec<Ordinal>, Vec<Ordinal>), Doubt> {
        let mut marks = (Vec::new(), Vec::new());
        for by in &record.verified_by {
            if self.had(*by)? {
                marks.0.push(*by);
            }
        }
        for by in &record.disputed_by {
            if self.had(*by)? {
                marks.1.push(*by);
            }
        }
        if self.is_past {
            for (by, verified) in self.withdrawn()?.get(&ordinal).into_iter().flatten() {
                if *verified { marks.0.push(*by) } else { marks.1.push(*by) }
            }
        }
        Ok(marks)
    }

    fn withdrawn(&mut self) -> Result<&Withdrawn, Doubt> {
        if self.withdrawn.is_none() {
            self.withdrawn = Some(self.find_withdrawn()?);
        }
        Ok(self.withdrawn.get_or_insert_default())
    }

    fn find_withdrawn(&self) -> Result<Withdrawn, Doubt> {
        let mut found = Withdrawn::new();
        // What comes or goes with a mark alone moves no count.
        let marks_only = |step: &Move| match step.step {
            Step::Add(tally) => tally.count == 0,
            Step::State { .. } => true,
        };
        for index in self.moved(u64::MAX, marks_only)? {
            for (ordinal, record) in self.reader.records_of(index)? {
                let Some(about) = record.about else { continue };
                self.note(ordinal, &record, &mut found)?;
                let target = self.record(about)?;
                if target.about.is_some() {
                    self.note(about, &target, &mut found)?;
                }
            }
        }
        Ok(found)
    }

    /// Notes a verification or dispute that had come and was withdrawn since.
    fn note(&self, ordinal: Ordinal, mark: &Record, found: &mut Withdrawn) -> Result<(), Doubt> {
        let (Some(about), Some(by)) = (mark.about, mark.retracted_by) else { return Ok(()) };
        let kinds = self.question.kinds;
        let (verified, disputed) = (Some(mark.kind) == kinds.verified, Some(mark.kind) == kinds.disputed);
        if (verified || disputed) && mark.index < self.question.size && !self.had(by)? {
            found.entry(about).or_default().insert((ordinal, verified));
        }
        Ok(())
    }

    /// Entries below `size` with a move of the series that fits, the newest ones where they are too many.
    fn moved(&self, size: u64, fits: impl Fn(&Move) -> bool) -> Result<Vec<u64>, Doubt> {
        let mut entries: Vec<u64> = Vec::new();
        self.view.each_move(self.question.series, 0..size, true, &mut |step| {
            if fits(step) && entries.last() != Some(&step.index) {
                entries.push(step.index);
            }
            if entries.len() >= BEHIND_MARKS_MAX { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        Ok(entries)
    }

    fn resolutions(&mut self) -> Result<&[(u64, Ordinal)], Doubt> {
        if self.resolutions.is_none() {
            let mut found = Vec::new();
            for index in self.moved(self.question.size, |_| true)? {
                for (_, record) in self.reader.records_of(index)? {
                    match record.about.filter(|_| Some(record.kind) == self.question.kinds.resolved) {
                        Some(stands) => found.push((index, stands)),
                        // A report holds events of one type.
                        None => break,
                    }
                }
            }
            self.resolutions = Some(found);
        }
        Ok(self.resolutions.get_or_insert_default())
    }

    /// A thing as it was at the moment, and the entries by which its counting may have changed. `None`: nobody had claimed it.
    pub(super) fn thing(&mut self, number: ThingNumber) -> Result<Option<(Thing, BTreeSet<u64>)>, Doubt> {
        let missing = || Doubt(format!("thing {number} is missing"));
        let mut thing = self.reader.thing(number)?.ok_or_else(missing)?;
        let mut claims = self.claims(number, &thing)?;
        let mut touched = BTreeSet::new();
        for claim in claims.iter().flatten() {
            touched.insert(claim.record.index);
            for end in claim.record.replaced_by.iter().chain(&claim.record.retracted_by) {
                touched.insert(self.reader.index_of(*end)?);
            }
        }
        if thing.resolved.is_some() {
            let holders: BTreeSet<Ordinal> = claims.iter().flatten().map(|claim| claim.ordinal).collect();
            let about = self.resolutions()?.iter().filter(|(_, stands)| holders.contains(stands));
            let about: Vec<_> = about.copied().collect();
            touched.extend(about.iter().map(|(index, _)| *index));
            if self.is_past {
                // Newest first.
                thing.resolved = about.first().map(|(_, stands)| *stands);
            }
        }
        touched.split_off(&self.question.size);
        if self.is_past {
            thing.holders = self.holders(&thing, &mut claims)?;
        }
        Ok((!thing.holders.is_empty()).then_some((thing, touched)))
    }

    /// Claims of each holder that had come, newest first.
    fn claims(&self, number: ThingNumber, thing: &Thing) -> Result<Vec<Vec<Claimed>>, Doubt> {
        let mut all = Vec::with_capacity(thing.holders.len());
        for holder in &thing.holders {
            let (mut next, mut claims) = (Some(holder.last), Vec::new());
            while let Some(ordinal) = next.filter(|_| claims.len() < BEHIND_CLAIMS_MAX) {
                let record = self.record(ordinal)?;
                let found = claim_of(&record, number, holder);
                let at = found.ok_or_else(|| Doubt(format!("record {ordinal} does not claim thing {number}")))?;
                let claimed = Claimed { ordinal, record, at };
                next = claimed.claim().and_then(|claim| claim.before).filter(|before| *before < ordinal);
                if claimed.record.index < self.question.size {
                    claims.push(claimed);
                }
            }
            all.push(claims);
        }
        Ok(all)
    }

    /// The holders of a thing as their claims stood.
    fn holders(&mut self, thing: &Thing, claims: &mut [Vec<Claimed>]) -> Result<Vec<Holder>, Doubt> {
        let mut holders = Vec::new();
        for (holder, claims) in thing.holders.iter().zip(claims) {
            let Some(newest) = claims.first() else { continue };
            let (earliest, stands) = ((Day::default(), 0), None);
            let mut was =
                Holder { last: newest.ordinal, alive: 0, verified: 0, disputed: 0, earliest, stands, ..*holder };
            for claimed @ Claimed { ordinal, record, at } in claims.iter() {
                if !self.stands(record)? {
                    continue;
                }
                let (verified, disputed) = self.marks(*ordinal, record)?;
                was.alive += 1;
                was.verified += u64::from(!verified.is_empty());
                was.disputed += u64::from(!disputed.is_empty());
                let day = record.time.day();
                if was.alive == 1 || day < was.earliest.0 {
                    was.earliest = (day, 0);
                }
                was.earliest.1 += u64::from(was.earliest.0 == day);
                // Going back in time: an earlier claim stands before a later one, and the resolved one before all.
                if was.stands.as_ref().is_none_or(|stands| Some(stands.ordinal) != thing.resolved) {
                    was.stands = claimed.claim().map(|claim| standing(claim, &record.effects[at.0], *ordinal));
                }
            }
            holders.push(was);
        }
        Ok(holders)
    }
}

/// A claim with its record.
struct Claimed {
    ordinal: Ordinal,
    record: Arc<Record>,
    /// Which effect of the record, and which of its claims.
    at: (usize, usize),
}

impl Claimed {
    fn claim(&self) -> Option<&Claim> {
        match &self.record.effects.get(self.at.0)?.gives {
            Gives::Things(claims) => claims.get(self.at.1),
            _ => None,
        }
    }
}

fn claim_of(record: &Record, number: ThingNumber, holder: &Holder) -> Option<(usize, usize)> {
    let own = |claim: &Claim| claim.thing == number && claim.agency_series == holder.agency_series;
    let mut claims = record.effects.iter().enumerate().filter_map(|(at, effect)| match &effect.gives {
        Gives::Things(claims) => claims.iter().position(own).map(|claim| (at, claim)),
        _ => None,
    });
    claims.next_back()
}
