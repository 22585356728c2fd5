//! Things and who claims them: what a claim changes when it comes, goes, is verified, disputed or resolved.
//!
//! A thing counts once, on the earliest day anyone claims, with the attributes of the claim that stands; and once for each
//! agency that claims it. Its row sums up every agency's claims and never lists them, so an agency may state the same thing
//! a hundred thousand times; where the claim that stood or was earliest goes, the next one is found along the chain of claims
//! through the records.

use super::effects::Standing as Stands;
use super::rows::{Claim, Doubt, Effect, Gives, Holder, Ordinal, Rows, SeriesNumber, Standing, Tally, Thing};
use super::state::{At, State, minus, plus};
use crate::event::{Amount, Day};

pub(crate) type Counts = Vec<(SeriesNumber, Day, Tally)>;

impl<R: Rows> State<R> {
    /// Adds a record to the chain of its agency's claims on a thing; the record before it comes back.
    pub(super) fn claim(
        &mut self,
        number: u64,
        agency: u16,
        agency_series: Option<SeriesNumber>,
        ordinal: Ordinal,
    ) -> Result<Option<Ordinal>, Doubt> {
        let mut thing = self.take_thing(number)?;
        let before = match place(&thing, agency, agency_series) {
            Some(at) => Some(std::mem::replace(&mut thing.holders[at].last, ordinal)),
            None => {
                let (earliest, stands) = ((Day::default(), 0), None);
                let (last, alive, verified, disputed) = (ordinal, 0, 0, 0);
                thing.holders.push(Holder { agency, agency_series, last, alive, verified, disputed, earliest, stands });
                None
            }
        };
        self.put_thing(number, thing);
        Ok(before)
    }

    /// One claim of a record of that day from one standing to another.
    pub(super) fn shift_claim(
        &mut self,
        claim: &Claim,
        effect: &Effect,
        (ordinal, agency, day): (Ordinal, u16, Day),
        (from, to): (Stands, Stands),
        at: At,
    ) -> Result<(), Doubt> {
        let mut thing = self.take_thing(claim.thing)?;
        let missing = || Doubt(format!("thing {} does not know the claim of record {ordinal}", claim.thing));
        let place = place(&thing, agency, claim.agency_series).ok_or_else(missing)?;
        let before = counted(&thing, Some(place));
        let holder = &mut thing.holders[place];
        if from.alive {
            let less = |count: u64, by: bool| count.checked_sub(u64::from(by)).ok_or_else(missing);
            holder.alive = less(holder.alive, true)?;
            holder.verified = less(holder.verified, from.verified)?;
            holder.disputed = less(holder.disputed, from.disputed)?;
            holder.earliest.1 = less(holder.earliest.1, holder.earliest.0 == day)?;
        }
        if to.alive {
            holder.alive += 1;
            holder.verified += u64::from(to.verified);
            holder.disputed += u64::from(to.disputed);
            if holder.alive == 1 || day < holder.earliest.0 {
                holder.earliest = (day, 0);
            }
            holder.earliest.1 += u64::from(day == holder.earliest.0);
            holder.stands.get_or_insert_with(|| standing(claim, effect, ordinal));
        } else if holder.alive == 0 {
            holder.stands = None;
        } else if holder.earliest.1 == 0 || holder.stands.as_ref().is_some_and(|stands| stands.ordinal == ordinal) {
            self.search(claim.thing, &mut thing, place, Some(ordinal))?;
        }
        let after = counted(&thing, Some(place));
        self.put_thing(claim.thing, thing);
        self.move_difference(before, after, at);
        Ok(())
    }

    /// The claim of `stands` counts with its attributes.
    pub(super) fn resolve_thing(&mut self, number: u64, stands: Ordinal, at: At) -> Result<(), Doubt> {
        self.note(b'q', &(number, stands));
        let mut thing = self.take_thing(number)?;
        let before = counted(&thing, None);
        thing.resolved = Some(stands);
        for place in 0..thing.holders.len() {
            if thing.holders[place].alive > 0 {
                self.search(number, &mut thing, place, None)?;
            }
        }
        let after = counted(&thing, None);
        self.put_thing(number, thing);
        self.move_difference(before, after, at);
        Ok(())
    }

    /// Finds earliest day and standing claim of a holder among its alive claims; the record at hand is no longer one.
    fn search(&self, number: u64, thing: &mut Thing, place: usize, except: Option<Ordinal>) -> Result<(), Doubt> {
        let broken = |ordinal: Ordinal| Doubt(format!("claims on thing {number} are broken off at record {ordinal}"));
        let resolved = thing.resolved;
        let holder = &mut thing.holders[place];
        let (mut earliest, mut stands): (Option<(Day, u64)>, Option<Standing>) = (None, None);
        let (mut next, mut alive) = (Some(holder.last), 0);
        while let Some(ordinal) = next.filter(|_| alive < holder.alive) {
            let record = self.record(ordinal)?;
            let mut claims = record.effects.iter().filter_map(|effect| match &effect.gives {
                Gives::Things(claims) => claims.iter().find(|claim| claim.thing == number).map(|claim| (claim, effect)),
                _ => None,
            });
            let (claim, effect) = claims.next_back().ok_or_else(|| broken(ordinal))?;
            if record.stands() && Some(ordinal) != except {
                alive += 1;
                let day = record.time.day();
                let count = earliest.filter(|(known, _)| *known == day).map_or(0, |(_, count)| count);
                if earliest.is_none_or(|(known, _)| day <= known) {
                    earliest = Some((day, count + 1));
                }
                // Going back in time: an earlier claim stands before a later one, and the resolved one before all.
                if stands.as_ref().is_none_or(|stands| Some(stands.ordinal) != resolved) {
                    stands = Some(standing(claim, effect, ordinal));
                }
            }
            next = claim.before;
            if next.is_some_and(|before| before >= ordinal) {
                return Err(broken(ordinal));
            }
        }
        holder.earliest = earliest.filter(|_| alive == holder.alive).ok_or_else(|| broken(holder.last))?;
        holder.stands = stands;
        Ok(())
    }

    /// Moves figures by the difference between what a thing counted for and counts for.
    fn move_difference(&mut self, before: Counts, after: Counts, at: At) {
        if before == after {
            return;
        }
        let mut difference: Counts =
            before.into_iter().map(|(series, day, tally)| (series, day, minus(tally))).collect();
        difference.extend(after);
        difference.sort_by_key(|(series, day, _)| (*series, *day));
        // Moves come in the order of series and day, one of each: the digest depends on it.
        for same in difference.chunk_by(|left, right| (left.0, left.1) == (right.0, right.1)) {
            let Some((series, day, _)) = same.first() else { continue };
            let sum = same.iter().fold(Tally::default(), |sum, (_, _, tally)| plus(sum, *tally));
            self.add(*series, *day, sum, at);
        }
    }
}

fn place(thing: &Thing, agency: u16, series: Option<SeriesNumber>) -> Option<usize> {
    thing.holders.iter().position(|holder| (holder.agency, holder.agency_series) == (agency, series))
}

/// The claim of that record, as it stands.
pub(crate) fn standing(claim: &Claim, effect: &Effect, ordinal: Ordinal) -> Standing {
    let (provisional, approximate) = (effect.provisional, effect.approximate);
    Standing { ordinal, provisional, approximate, series: claim.series.clone() }
}

/// The claim with whose attributes a thing counts: the resolved one, else the first that is alive.
pub(crate) fn standing_of(thing: &Thing) -> Option<&Standing> {
    let held = thing.holders.iter().filter(|holder| holder.alive > 0).filter_map(|holder| holder.stands.as_ref());
    held.min_by_key(|stands| precedence(stands, thing))
}

/// Of the claims that are alive the resolved one stands, else the first.
fn precedence(stands: &Standing, thing: &Thing) -> (bool, Ordinal) {
    (Some(stands.ordinal) != thing.resolved, stands.ordinal)
}

/// What a thing counts for, and what for one of its holders or (`None`) for each.
pub(crate) fn counted(thing: &Thing, place: Option<usize>) -> Counts {
    let (mut stands, mut earliest, mut verified, mut disputed): (Option<&Standing>, Option<Day>, bool, bool) =
        (None, None, false, false);
    // Once over all of them: dozens of agencies may hold one thing.
    for holder in thing.holders.iter().filter(|holder| holder.alive > 0) {
        let day = holder.earliest.0;
        earliest = Some(earliest.map_or(day, |known| known.min(day)));
        verified |= holder.verified > 0;
        disputed |= holder.disputed > 0;
        if let Some(own) = &holder.stands
            && stands.is_none_or(|best| precedence(own, thing) < precedence(best, thing))
        {
            stands = Some(own);
        }
    }
    let (Some(stands), Some(day)) = (stands, earliest) else { return Vec::new() };
    let whole = one(stands, verified, disputed);
    let asked = place.map_or(&thing.holders[..], |place| &thing.holders[place..=place]);
    let mut counts: Counts = Vec::with_capacity(stands.series.len() + asked.len());
    counts.extend(stands.series.iter().map(|series| (*series, day, whole)));
    for holder in asked.iter().filter(|holder| holder.alive > 0) {
        if let (Some(series), Some(stands)) = (holder.agency_series, &holder.stands) {
            counts.push((series, holder.earliest.0, one(stands, holder.verified > 0, holder.disputed > 0)));
        }
    }
    counts
}

/// One thing: vouched for or contested where any claim on it is, marked as the claim that stands is.
fn one(stands: &Standing, verified: bool, disputed: bool) -> Tally {
    let unit = Amount::from_int(1).millionths();
    Tally {
        value: unit,
        count: 1,
        verified: if verified { unit } else { 0 },
        loose: 0,
        disputed: i64::from(disputed),
        provisional: i64::from(stands.provisional),
        approximate: i64::from(stands.approximate),
    }
}
