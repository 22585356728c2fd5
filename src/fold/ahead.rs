//! Rows read ahead: whoever screens a report reads, on all cores, what folding it will ask for; the fold, one thread, is spared
//! the wait for cold rows.
//!
//! A row read ahead may have changed before the fold comes to it: the reports before it are committed meanwhile. So each says
//! at which log size it was read, the fold remembers what the last commits changed, and what changed since is left out. Nothing
//! depends on a row read ahead being there: what is missing is read from the store, and no figure or digest differs.
//!
//! Things are read once for a whole batch ([`Ahead::wanted`]): hundreds of reports in a row may claim the same few, and each is
//! as large as the agencies that hold it are many.

use std::collections::VecDeque;

use foldhash::{HashMap, HashSet};
use uuid::Uuid;

use super::rows::{Changes, Doubt, Gives, LookupKey, Ordinal, Record, Rows, Thing, ThingNumber};
use super::{chain, lookup};
use crate::admit::plan;
use crate::admit::screen::{Report, Screened, Signer};
use crate::event::Event;
use crate::limits::AHEAD_COMMITS_KEPT;

/// What one report will ask for, as far as it could be read.
#[derive(Debug, Default)]
pub struct Ahead {
    /// Log size up to which the rows were folded at least.
    size: u64,
    records: Vec<(Ordinal, Record)>,
    things: Vec<(ThingNumber, Thing)>,
    lookups: HashMap<LookupKey, Option<u64>>,
    wanted: HashSet<ThingNumber>,
}

impl Ahead {
    /// Reads for one screened report from rows that are folded up to `size` at least, all but things. What cannot be read is
    /// left out: the fold meets it, and says so.
    pub fn read<R: Rows>(rows: &R, size: u64, screened: &Screened) -> Self {
        let mut ahead = Ahead { size, ..Ahead::default() };
        let _ = ahead.signer(rows, &screened.signer);
        if let Ok(report) = &screened.outcome {
            let _ = ahead.report(rows, report);
        }
        ahead
    }

    /// Things that several reports will ask for, each once.
    #[must_use]
    pub fn wanted(aheads: &[&mut Ahead]) -> Vec<ThingNumber> {
        let wanted: HashSet<ThingNumber> = aheads.iter().flat_map(|ahead| ahead.wanted.iter().copied()).collect();
        wanted.into_iter().collect()
    }

    /// Takes over things that were read for it and those beside it, all from rows folded up to its size at least.
    pub fn adopt(&mut self, things: Vec<(ThingNumber, Thing)>) {
        self.things = things;
    }

    fn lookup<R: Rows>(&mut self, rows: &R, key: LookupKey) -> Result<Option<u64>, Doubt> {
        if let Some(found) = self.lookups.get(&key) {
            return Ok(*found);
        }
        let found = rows.lookup(&key)?;
        self.lookups.insert(key, found);
        Ok(found)
    }

    fn signer<R: Rows>(&mut self, rows: &R, signer: &Signer) -> Result<(), Doubt> {
        if let Some(signature) = &signer.signature {
            self.lookup(rows, lookup::signature_key(signature))?;
        }
        if let Some(link) = &signer.link {
            self.lookup(rows, chain::seq_key(link))?;
        }
        Ok(())
    }

    fn report<R: Rows>(&mut self, rows: &R, report: &Report) -> Result<(), Doubt> {
        for planned in &report.events {
            let event = &planned.event;
            // An event that was recorded before is compared with its record.
            if let Some(known) = self.lookup(rows, lookup::id_key(&event.agency, &event.id))? {
                self.record(rows, known)?;
            }
            if let Some((agency, id)) = spoken_of(event)
                && let Some(known) = self.lookup(rows, lookup::id_key(agency, &id))?
            {
                self.record(rows, known)?;
            }
            planned.effects.iter().try_for_each(|effect| self.effect(rows, effect))?;
        }
        Ok(())
    }

    /// A record; wanted are the things it claims.
    fn record<R: Rows>(&mut self, rows: &R, ordinal: Ordinal) -> Result<(), Doubt> {
        let Some(record) = rows.record(ordinal)? else { return Ok(()) };
        for effect in &record.effects {
            let Gives::Things(claims) = &effect.gives else { continue };
            self.wanted.extend(claims.iter().map(|claim| claim.thing));
        }
        self.records.push((ordinal, record));
        Ok(())
    }

    fn effect<R: Rows>(&mut self, rows: &R, effect: &plan::Effect) -> Result<(), Doubt> {
        let plan::Gives::Things { identities, stage_paths, .. } = &effect.gives else { return Ok(()) };
        for identity in identities {
            for stage in 0..stage_paths.len().max(1) {
                let key = lookup::thing_key(effect.indicator, stage as u16, identity);
                let number = self.lookup(rows, key)?;
                self.wanted.extend(number);
            }
        }
        Ok(())
    }
}

/// Agency and id of the event that a report about a report names.
fn spoken_of(event: &Event) -> Option<(&str, Uuid)> {
    let field = match &*event.kind {
        "report.corrected.v1" => "replaces",
        "report.retracted.v1" => "retracts",
        "report.verified.v1" => "verifies",
        "report.disputed.v1" => "disputes",
        "claim.resolved.v1" => "stands",
        _ => return None,
    };
    let id = Uuid::parse_str(event.data.get(field)?.as_str()?).ok()?;
    Some((event.data.get("agency").and_then(|agency| agency.as_str()).unwrap_or(&event.agency), id))
}

/// Rows read ahead for the entries at hand, every one of them as it is in the store now.
#[derive(Default)]
pub(super) struct Known {
    records: HashMap<Ordinal, Record>,
    things: HashMap<ThingNumber, Thing>,
    lookups: HashMap<LookupKey, Option<u64>>,
    recent: VecDeque<Changed>,
}

/// What one commit changed.
struct Changed {
    /// Log sizes before and after it.
    span: (u64, u64),
    records: HashSet<Ordinal>,
    things: HashSet<ThingNumber>,
    lookups: HashSet<LookupKey>,
}

impl Known {
    /// Takes over what was read for the entries to come, in place of what it had; `size` is that of the last commit.
    pub(super) fn prepare(&mut self, size: u64, ahead: impl Iterator<Item = Ahead>) {
        self.records.clear();
        self.things.clear();
        self.lookups.clear();
        for ahead in ahead {
            let since = self.recent.iter().filter(|changed| changed.span.1 > ahead.size);
            let since: Vec<&Changed> = since.collect();
            // Everything since must be known, or nothing of it is believed.
            if since.first().map_or(size, |first| first.span.0) > ahead.size {
                continue;
            }
            let still = |changed: &dyn Fn(&Changed) -> bool| !since.iter().any(|commit| changed(commit));
            let records = ahead.records.into_iter();
            self.records.extend(records.filter(|(number, _)| still(&|commit| commit.records.contains(number))));
            let things = ahead.things.into_iter();
            self.things.extend(things.filter(|(number, _)| still(&|commit| commit.things.contains(number))));
            let lookups = ahead.lookups.into_iter();
            self.lookups.extend(lookups.filter(|(key, _)| still(&|commit| commit.lookups.contains(key))));
        }
    }

    /// Notes what a commit changes: none of it is as it was read.
    pub(super) fn note(&mut self, before: u64, changes: &Changes) {
        let changed = Changed {
            span: (before, changes.position.size),
            records: changes.records.keys().copied().collect(),
            things: changes.things.keys().copied().collect(),
            lookups: changes.lookups.iter().map(|(key, _)| *key).collect(),
        };
        self.records.retain(|number, _| !changed.records.contains(number));
        self.things.retain(|number, _| !changed.things.contains(number));
        self.lookups.retain(|key, _| !changed.lookups.contains(key));
        self.recent.push_back(changed);
        while self.recent.len() > AHEAD_COMMITS_KEPT {
            self.recent.pop_front();
        }
    }

    pub(super) fn record(&self, ordinal: Ordinal) -> Option<&Record> {
        self.records.get(&ordinal)
    }

    pub(super) fn thing(&self, number: ThingNumber) -> Option<&Thing> {
        self.things.get(&number)
    }

    /// The thing itself: it changes now.
    pub(super) fn take_thing(&mut self, number: ThingNumber) -> Option<Thing> {
        self.things.remove(&number)
    }

    pub(super) fn lookup(&self, key: &LookupKey) -> Option<Option<u64>> {
        self.lookups.get(key).copied()
    }
}
