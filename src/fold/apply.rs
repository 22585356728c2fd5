//! One entry into the state: an accepted report's acts, a refused report's line, the key's chain, the position.

use foldhash::{HashMap, HashMapExt as _};

use super::chain;
use super::effects::Standing;
use super::lookup;
use super::rows::{Doubt, Fault, GovernanceRow, Ordinal, Record, Refused, Rows};
use super::state::{At, State, in_range};
use crate::admit::decide::{Decided, Decision, Does};
use crate::admit::plan::{Effect, Gives};
use crate::admit::screen::Link;
use crate::admit::{Claims, Known, Reason, Refusal};
use crate::catalogue::registry::Registry;
use crate::event::{Event, Time};

/// What the fold needs of an entry.
#[derive(Debug, Clone, Copy)]
pub struct Folded<'a> {
    /// Index.
    pub index: u64,
    /// `recorded`.
    pub recorded: Time,
    /// Stream it came from.
    pub stream: &'a str,
    /// Its sequence there.
    pub sequence: u64,
    /// Agency named by the subject.
    pub agency: Option<&'a str>,
    /// Place in the key's chain, where the signature is valid.
    pub link: Option<&'a Link>,
    /// SHA-256 of the signature header, where there is one.
    pub signature: Option<[u8; 32]>,
}

impl<R: Rows> State<R> {
    /// Folds one entry. `outcome` is what admission said (or the log says it said).
    ///
    /// # Errors
    /// [`Doubt`]: the state is then unusable.
    pub fn fold(
        &mut self,
        entry: Folded<'_>,
        outcome: &Result<Decision, Refusal>,
        registry: &Registry,
    ) -> Result<(), Doubt> {
        self.begin();
        self.note(b'e', &entry.index);
        if let Some(link) = entry.link {
            self.follow(link, entry)?;
        }
        if let Some(signature) = &entry.signature {
            let key = lookup::signature_key(signature);
            if self.lookup(&key)?.is_none() {
                self.put_lookup(key, entry.index);
            }
        }
        match outcome {
            Ok(decision) => {
                for (position, act) in decision.acts.iter().enumerate() {
                    if let Decided::New(event, does) = act {
                        let position = u16::try_from(position).unwrap_or(u16::MAX);
                        self.act(entry, position, event, does, registry)?;
                    }
                }
            }
            Err(refusal) => self.refuse(entry, refusal),
        }
        let position = &mut self.pending.position;
        position.size = entry.index + 1;
        position.stream = entry.stream.to_owned();
        position.sequence = entry.sequence;
        position.recorded_max = position.recorded_max.max(Some(entry.recorded));
        self.end();
        Ok(())
    }

    fn follow(&mut self, link: &Link, entry: Folded<'_>) -> Result<(), Doubt> {
        let row = match self.pending.chains.get(&link.key) {
            Some(row) => row.clone(),
            None => self.rows.chain(&link.key)?.unwrap_or_default(),
        };
        let key = chain::seq_key(link);
        let known = self.lookup(&key)?;
        let row = chain::follow(row, link, known, entry.index, entry.recorded);
        if known.is_none() {
            self.put_lookup(key, chain::fingerprint(link));
        }
        self.note(b'c', &(&link.key, &row));
        self.pending.chains.insert(link.key.clone(), row);
        Ok(())
    }

    fn refuse(&mut self, entry: Folded<'_>, refusal: &Refusal) {
        let fault = |fault: &crate::admit::Fault| Fault {
            event: fault.event,
            code: fault.reason.code().to_owned(),
            detail: fault.detail.clone(),
        };
        let code = refusal.reason.code();
        self.note(b'f', &code);
        self.pending.refused.push(Refused {
            index: entry.index,
            recorded: entry.recorded,
            agency: entry.agency.map(str::to_owned),
            code: code.to_owned(),
            faults: refusal.faults.iter().map(fault).collect(),
        });
    }

    fn act(
        &mut self,
        entry: Folded<'_>,
        position: u16,
        event: &Event,
        does: &Does,
        registry: &Registry,
    ) -> Result<(), Doubt> {
        let agency = registry.agencies.get(&event.agency).map_or(u16::MAX, |state| state.number);
        let at = At { index: entry.index, recorded: entry.recorded, agency };
        let ordinal = self.pending.position.records;
        self.pending.position.records += 1;
        self.put_lookup(lookup::id_key(&event.agency, &event.id), ordinal);
        let content = if let Does::Correct(_, corrected, _) = does { corrected } else { event };
        let mut record = Record {
            agency,
            id: event.id,
            kind: registry.schemas.get(&content.kind).map_or(u16::MAX, |state| state.number),
            digest: event.digest,
            index: entry.index,
            position,
            time: content.time,
            replaces: None,
            version: 0,
            about: None,
            replaced_by: None,
            retracted_by: None,
            verified_by: Vec::new(),
            disputed_by: Vec::new(),
            effects: Vec::new(),
        };
        match does {
            Does::Move(planned) => self.come(ordinal, &mut record, planned, at)?,
            Does::Correct(target, _, planned) => {
                record.replaces = Some(*target);
                record.version = self.record(*target)?.version.saturating_add(1);
                self.amend(*target, at, |old| old.replaced_by = Some(ordinal))?;
                self.come(ordinal, &mut record, planned, at)?;
            }
            Does::Retract(target) => {
                record.about = Some(*target);
                self.retract(*target, ordinal, at)?;
            }
            Does::Verify(target) => {
                record.about = Some(*target);
                self.amend(*target, at, |old| old.verified_by.push(ordinal))?;
            }
            Does::Dispute(target) => {
                record.about = Some(*target);
                self.amend(*target, at, |old| old.disputed_by.push(ordinal))?;
            }
            Does::Resolve(indicator, identity, stands) => {
                record.about = Some(*stands);
                self.resolve(*indicator, identity, *stands, at)?;
            }
            Does::Forecast => {
                let row = governance_row(entry, position, event);
                self.pending.forecasts.push(row);
            }
            Does::Govern => {
                let row = governance_row(entry, position, event);
                self.note(b'g', &row);
                self.pending.governance.push(row);
            }
        }
        self.put_record(ordinal, record);
        Ok(())
    }

    fn come(&mut self, ordinal: Ordinal, record: &mut Record, planned: &[Effect], at: At) -> Result<(), Doubt> {
        record.effects = self.settle(ordinal, record.agency, planned)?;
        self.shift(ordinal, record, Standing::default(), Standing { alive: true, ..Standing::default() }, at)
    }

    /// Changes a record's standing and moves its figures by the difference.
    fn amend(&mut self, ordinal: Ordinal, at: At, change: impl FnOnce(&mut Record)) -> Result<(), Doubt> {
        let mut record = self.record(ordinal)?;
        let before = Standing::of(&record);
        change(&mut record);
        let after = Standing::of(&record);
        if before != after {
            self.shift(ordinal, &record, before, after, at)?;
        }
        self.put_record(ordinal, record);
        Ok(())
    }

    /// Retracting a verification or a dispute withdraws it; retracting anything else ends it.
    fn retract(&mut self, target: Ordinal, by: Ordinal, at: At) -> Result<(), Doubt> {
        let about = self.record(target)?.about;
        self.amend(target, at, |old| old.retracted_by = Some(by))?;
        match about {
            Some(subject) => self.amend(subject, at, |record| {
                record.verified_by.retain(|ordinal| *ordinal != target);
                record.disputed_by.retain(|ordinal| *ordinal != target);
            }),
            None => Ok(()),
        }
    }

    /// The claim of `stands` counts with its attributes, at every stage it claims.
    fn resolve(&mut self, indicator: u16, identity: &[String], stands: Ordinal, at: At) -> Result<(), Doubt> {
        for number in self.things_of(indicator, identity, stands)? {
            self.resolve_thing(number, stands, at)?;
        }
        Ok(())
    }

    /// Things of that identity which the record claims.
    fn things_of(&self, indicator: u16, identity: &[String], ordinal: Ordinal) -> Result<Vec<u64>, Doubt> {
        let mut found = Vec::new();
        for effect in self.record(ordinal)?.effects.iter().filter(|effect| effect.indicator == indicator) {
            let super::rows::Gives::Things(claims) = &effect.gives else { continue };
            for claim in claims {
                if self.thing(claim.thing)?.identity == identity {
                    found.push(claim.thing);
                }
            }
        }
        Ok(found)
    }

    /// Whether an accepted report would drive a figure out of its exact range, or a split past its limit. What a correction
    /// or retraction ends makes room first: a slip of the hand near the limit can be mended.
    ///
    /// # Errors
    /// [`Doubt`]; inside, the refusal.
    pub fn room_for(&self, decision: &Decision) -> Result<Result<(), Refusal>, Doubt> {
        let mut sums: HashMap<&str, i128> = HashMap::new();
        let mut coming = HashMap::new();
        for (position, act) in decision.acts.iter().enumerate() {
            let Decided::New(_, does) = act else { continue };
            let effects: &[Effect] = match does {
                Does::Move(effects) | Does::Correct(_, _, effects) => effects,
                _ => &[],
            };
            if let Does::Correct(target, ..) | Does::Retract(target) = does {
                for (path, held, amount) in self.amounts_of(*target)? {
                    *sums.entry(path).or_insert(held) -= amount;
                }
            }
            let refuse = |reason, detail: String| {
                let event = u16::try_from(position).ok();
                Ok(Err(Refusal { reason, faults: vec![crate::admit::Fault { event, reason, detail }] }))
            };
            for effect in effects {
                for path in effect.paths.iter().chain(&effect.agency_path) {
                    if !self.has_room(path, &mut coming) {
                        return refuse(Reason::SplitLimit, format!("'{path}' would be one value too many"));
                    }
                    let Gives::Amount { amount, .. } = effect.gives else { continue };
                    let held = self.series(path).map_or(0, |series| series.tally.value);
                    let sum = sums.entry(path).or_insert(held);
                    *sum = sum.saturating_add(amount.millionths());
                }
            }
            if let Some((path, _)) = sums.iter().find(|(_, sum)| !in_range(**sum)) {
                return refuse(Reason::Overflow, format!("'{path}' would reach ±10^24"));
            }
        }
        Ok(Ok(()))
    }

    /// Series that a record adds amounts to: path, figure now, amount.
    fn amounts_of(&self, ordinal: Ordinal) -> Result<Vec<(&str, i128, i128)>, Doubt> {
        use super::rows::Gives;
        let mut amounts = Vec::new();
        for effect in &self.record(ordinal)?.effects {
            let (Gives::Amount(amount) | Gives::Loose(amount)) = effect.gives else { continue };
            for number in &effect.series {
                let series = self.series_by_number(*number);
                amounts.push((series.path.as_str(), series.tally.value, amount.millionths()));
            }
        }
        Ok(amounts)
    }
}

fn governance_row(entry: Folded<'_>, position: u16, event: &Event) -> GovernanceRow {
    GovernanceRow {
        index: entry.index,
        position,
        agency: event.agency.to_string(),
        kind: event.kind.to_string(),
        time: event.time,
        recorded: entry.recorded,
        data: event.data.to_string(),
    }
}

/// The past as admission sees it: the state and the names that numbers stand for.
pub struct Past<'a, R> {
    /// Rows under pending changes.
    pub state: &'a State<R>,
    /// Names.
    pub registry: &'a Registry,
}

impl<R: Rows> Claims for Past<'_, R> {
    type Error = Doubt;

    fn claimed(&mut self, agency: &str, id: &uuid::Uuid) -> Result<Option<Known>, Doubt> {
        let Some(ordinal) = self.state.lookup(&lookup::id_key(agency, id))? else { return Ok(None) };
        let record = self.state.record(ordinal)?;
        if record.id != *id {
            return Err(Doubt(format!("record {ordinal} is not the event {id} it is kept for")));
        }
        Ok(Some(Known {
            ordinal,
            digest: record.digest,
            stands: record.stands(),
            version: record.version,
            indicators: record.effects.iter().map(|effect| effect.indicator).collect(),
            kind: self.registry.kind(record.kind).into(),
        }))
    }

    fn stated(&mut self, agency: &str, ordinal: u64, vouched: bool) -> Result<bool, Doubt> {
        let Some(state) = self.registry.agencies.get(agency) else { return Ok(false) };
        let record = self.state.record(ordinal)?;
        for by in if vouched { record.verified_by } else { record.disputed_by } {
            if self.state.record(by)?.agency == state.number {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn claims_thing(&mut self, indicator: u16, identity: &[String], ordinal: u64) -> Result<bool, Doubt> {
        self.state.things_of(indicator, identity, ordinal).map(|things| !things.is_empty())
    }
}
