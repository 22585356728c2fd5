//! What a record gives, and how that shifts when the record comes, goes, is verified or disputed.
//!
//! One idea for all folds: a contribution is a function of the record and its [`Standing`]; a change is the difference
//! between two standings. Corrections, retractions and verifications therefore need no code of their own.

use super::rows::{Claim, Doubt, Effect, Gives, Ordinal, Record, Rows, SeriesList, Statement, Tally};
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
    /// Turns planned effects into those a record keeps: paths into series, identities into claims on things,
    /// which do not count yet.
    pub(super) fn settle(
        &mut self,
        ordinal: Ordinal,
        agency: u16,
        planned: &[plan::Effect],
    ) -> Result<Vec<Effect>, Doubt> {
        let mut effects = Vec::with_capacity(planned.len());
        for effect in planned {
            let mut series: SeriesList = effect.paths.iter().map(|path| self.series_number(path)).collect();
            let agency_series = effect.agency_path.as_ref().map(|path| self.series_number(path));
            let gives = match &effect.gives {
                plan::Gives::Amount { amount, loose: false } => Gives::Amount(*amount),
                plan::Gives::Amount { amount, loose: true } => Gives::Loose(*amount),
                plan::Gives::Value(value) => Gives::Value(*value),
                plan::Gives::Remark => Gives::Remark,
                plan::Gives::Things { identities, stage_paths, counts_from } => {
                    let mut claims = Vec::new();
                    let stage_series: SeriesList = stage_paths.iter().map(|path| self.series_number(path)).collect();
                    for identity in identities {
                        for stage in 0..stage_series.len().max(1) {
                            let stage = stage as u16;
                            let counted = stage == *counts_from;
                            let mut moved: SeriesList =
                                stage_series.get(usize::from(stage)).copied().into_iter().collect();
                            moved.extend(counted.then_some(series.as_slice()).into_iter().flatten().copied());
                            let thing = self.thing_number(effect.indicator, stage, identity)?;
                            let agency_series = agency_series.filter(|_| counted);
                            let before = self.claim(thing, agency, agency_series, ordinal)?;
                            claims.push(Claim { thing, before, series: moved, agency_series });
                        }
                    }
                    Gives::Things(claims)
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
                Gives::Things(claims) => {
                    for claim in claims {
                        self.shift_claim(claim, effect, (ordinal, record.agency, day), (from, to), at)?;
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
        let tally = |standing: Standing| tally(effect, amount, loose, standing);
        let change = plus(tally(span.1), minus(tally(span.0)));
        for number in &effect.series {
            self.add(*number, day, change, at);
        }
    }
}

/// What an amount of a record that stands so adds to its series.
pub(crate) fn tally(effect: &Effect, amount: Amount, loose: Amount, standing: Standing) -> Tally {
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
}
