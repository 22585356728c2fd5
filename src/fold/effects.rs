//! What a record gives, and how that shifts when the record comes, goes, is verified or disputed.
//!
//! One idea for all folds: a contribution is a function of the record and its [`Standing`]; a change is the difference
//! between two standings. Corrections, retractions and verifications therefore need no code of their own.

use std::collections::BTreeMap;

use super::rows::{Claim, Doubt, Effect, Gives, Ordinal, Record, Rows, SeriesNumber, Statement, Tally, Thing};
use super::state::{At, State, minus, plus};
use crate::admit::plan;
use crate::event::{Amount, Day};

/// How a record stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Standing {
    /// Neither replaced nor retracted.
    pub alive: bool,
    /// Somebody vouches for it.
    pub verified: bool,
    /// Somebody contests it.
    pub disputed: bool,
}

impl Standing {
    /// Of a record as it is.
    #[must_use]
    pub fn of(record: &Record) -> Self {
        Standing {
            alive: record.stands(),
            verified: !record.verified_by.is_empty(),
            disputed: !record.disputed_by.is_empty(),
        }
    }
}

impl<R: Rows> State<R> {
    /// Turns planned effects into those a record keeps: paths into series, identities into things, with dead claims of this
    /// record on them.
    pub(super) fn settle(
        &mut self,
        ordinal: Ordinal,
        agency: u16,
        day: Day,
        planned: &[plan::Effect],
    ) -> Result<Vec<Effect>, Doubt> {
        let mut effects = Vec::with_capacity(planned.len());
        for effect in planned {
            let mut series: Vec<_> = effect.paths.iter().map(|path| self.series_number(path)).collect();
            let agency_series = effect.agency_path.as_ref().map(|path| self.series_number(path));
            let gives = match &effect.gives {
                plan::Gives::Amount { amount, loose: false } => Gives::Amount(*amount),
                plan::Gives::Amount { amount, loose: true } => Gives::Loose(*amount),
                plan::Gives::Value(value) => Gives::Value(*value),
                plan::Gives::Remark => Gives::Remark,
                plan::Gives::Things { identities, stage_paths, counts_from } => {
                    let mut things = Vec::new();
                    let stage_series: Vec<_> = stage_paths.iter().map(|path| self.series_number(path)).collect();
                    for identity in identities {
                        for stage in 0..stage_series.len().max(1) {
                            let stage = stage as u16;
                            let counted = stage == *counts_from;
                            let mut moved: Vec<_> = stage_series.get(usize::from(stage)).copied().into_iter().collect();
                            moved.extend(counted.then_some(series.as_slice()).into_iter().flatten());
                            let number = self.thing_number(effect.indicator, stage, identity)?;
                            let mut thing = self.thing(number)?;
                            thing.claims.push(Claim {
                                ordinal,
                                agency,
                                day,
                                alive: false,
                                verified: false,
                                disputed: false,
                                provisional: effect.provisional,
                                approximate: effect.approximate,
                                series: moved,
                                agency_series: agency_series.filter(|_| counted),
                            });
                            self.put_thing(number, thing);
                            things.push(number);
                        }
                    }
                    Gives::Things(things)
                }
            };
            match gives {
                Gives::Things(_) => series.clear(),
                _ => series.extend(agency_series),
            }
            let (provisional, approximate) = (effect.provisional, effect.approximate);
            effects.push(Effect { indicator: effect.indicator, gives, series, provisional, approximate });
        }
        Ok(effects)
    }

    /// Moves everything a record gives from one standing to another.
    pub(super) fn shift(
        &mut self,
        ordinal: Ordinal,
        record: &Record,
        from: Standing,
        to: Standing,
        at: At,
    ) -> Result<(), Doubt> {
        let day = record.time.day();
        for effect in &record.effects {
            match &effect.gives {
                Gives::Amount(amount) => self.shift_amount(effect, *amount, Amount::ZERO, day, (from, to), at),
                Gives::Loose(amount) => self.shift_amount(effect, *amount, *amount, day, (from, to), at),
                Gives::Remark => self.shift_amount(effect, Amount::ZERO, Amount::ZERO, day, (from, to), at),
                Gives::Value(value) => {
                    let statement = |standing: Standing| {
                        standing.alive.then_some(Statement {
                            time: record.time,
                            ordinal,
                            value: *value,
                            verified: standing.verified,
                            disputed: standing.disputed,
                            provisional: effect.provisional,
                            approximate: effect.approximate,
                        })
                    };
                    for number in &effect.series {
                        self.state(*number, statement(from), statement(to), at)?;
                    }
                }
                Gives::Things(things) => {
                    for number in things {
                        self.change_thing(*number, at, |thing| {
                            for claim in thing.claims.iter_mut().filter(|claim| claim.ordinal == ordinal) {
                                (claim.alive, claim.verified, claim.disputed) = (to.alive, to.verified, to.disputed);
                            }
                        })?;
                    }
                }
            }
        }
        Ok(())
    }

    fn shift_amount(
        &mut self,
        effect: &Effect,
        amount: Amount,
        loose: Amount,
        day: Day,
        span: (Standing, Standing),
        at: At,
    ) {
        let tally = |standing: Standing| {
            if !standing.alive {
                return Tally::default();
            }
            Tally {
                value: amount.millionths(),
                count: 1,
                verified: if standing.verified { amount.millionths() } else { 0 },
                loose: loose.millionths(),
                disputed: i64::from(standing.disputed),
                provisional: i64::from(effect.provisional),
                approximate: i64::from(effect.approximate),
            }
        };
        let change = plus(tally(span.1), minus(tally(span.0)));
        for number in &effect.series {
            self.add(*number, day, change, at);
        }
    }

    /// Changes a thing and moves the figures by the difference it makes.
    pub(super) fn change_thing(&mut self, number: u64, at: At, change: impl FnOnce(&mut Thing)) -> Result<(), Doubt> {
        let mut thing = self.thing(number)?;
        let mut difference: BTreeMap<(SeriesNumber, Day), Tally> = BTreeMap::new();
        let mut gather = |thing: &Thing, sign: fn(Tally) -> Tally| {
            for (series, day, tally) in counted(thing) {
                let sum = difference.entry((series, day)).or_default();
                *sum = plus(*sum, sign(tally));
            }
        };
        gather(&thing, minus);
        change(&mut thing);
        gather(&thing, |tally| tally);
        self.put_thing(number, thing);
        for ((series, day), tally) in difference {
            self.add(series, day, tally, at);
        }
        Ok(())
    }
}

/// What a thing counts for: once, on the earliest day anyone claims, with the attributes of the claim that stands; and once
/// for each agency that claims it.
#[must_use]
pub fn counted(thing: &Thing) -> Vec<(SeriesNumber, Day, Tally)> {
    let alive: Vec<&Claim> = thing.claims.iter().filter(|claim| claim.alive).collect();
    let stands = |claims: &[&Claim]| {
        let resolved = claims.iter().position(|claim| Some(claim.ordinal) == thing.resolved);
        resolved.unwrap_or(0)
    };
    let Some(day) = alive.iter().map(|claim| claim.day).min() else { return Vec::new() };
    let first = stands(&alive);
    let mut counts: Vec<_> = alive[first].series.iter().map(|series| (*series, day, one(&alive, first))).collect();
    let mut agencies: BTreeMap<SeriesNumber, Vec<&Claim>> = BTreeMap::new();
    for claim in &alive {
        if let Some(series) = claim.agency_series {
            agencies.entry(series).or_default().push(claim);
        }
    }
    for (series, claims) in agencies {
        let day = claims.iter().map(|claim| claim.day).min().unwrap_or(day);
        counts.push((series, day, one(&claims, stands(&claims))));
    }
    counts
}

/// One thing: vouched for or contested where any claim on it is, marked as the claim that stands is.
fn one(claims: &[&Claim], stands: usize) -> Tally {
    let unit = Amount::from_int(1).millionths();
    Tally {
        value: unit,
        count: 1,
        verified: if claims.iter().any(|claim| claim.verified) { unit } else { 0 },
        loose: 0,
        disputed: i64::from(claims.iter().any(|claim| claim.disputed)),
        provisional: i64::from(claims[stands].provisional),
        approximate: i64::from(claims[stands].approximate),
    }
}
