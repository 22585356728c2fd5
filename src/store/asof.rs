//! Figures as of a day and a size: a day table and the moves after it, added up. Pure.
//!
//! A day table is a stream of packed moves with index 0, one per day, ascending: what stood on that day after every move up
//! to the table's last index. Building one reads the table before and the moves since, never the whole history.

use std::collections::BTreeMap;

use super::moves::{Packer, moves};
use crate::event::Day;
use crate::fold::rows::{Doubt, Figures, Move, Statement, Step, Tally};

fn sum(left: &Tally, right: &Tally) -> Result<Tally, Doubt> {
    let add = || -> Option<Tally> {
        Some(Tally {
            value: left.value.checked_add(right.value)?,
            count: left.count.checked_add(right.count)?,
            verified: left.verified.checked_add(right.verified)?,
            loose: left.loose.checked_add(right.loose)?,
            disputed: left.disputed.checked_add(right.disputed)?,
            provisional: left.provisional.checked_add(right.provisional)?,
            approximate: left.approximate.checked_add(right.approximate)?,
        })
    };
    add().ok_or_else(|| Doubt("the moves of a series add up past the range of numbers".to_owned()))
}

fn later(left: Option<Statement>, right: Option<Statement>) -> Option<Statement> {
    left.into_iter().chain(right).max_by_key(|statement| (statement.time, statement.ordinal))
}

/// What the moves of a series leave standing, day by day.
#[derive(Default)]
pub(super) struct Days(BTreeMap<Day, Step>);

impl Days {
    /// Takes a move into account. Additive ones add up, stated ones replace their day.
    pub(super) fn apply(&mut self, step: &Move) -> Result<(), Doubt> {
        match (self.0.get_mut(&step.day), &step.step) {
            (Some(Step::Add(tally)), Step::Add(more)) => *tally = sum(tally, more)?,
            (Some(Step::Add(_)), Step::State { .. }) | (Some(Step::State { .. }), Step::Add(_)) => {
                return Err(Doubt(format!("entry {} moves a series in another way than before", step.index)));
            }
            (Some(known), state) => *known = *state,
            (None, state) => {
                self.0.insert(step.day, *state);
            }
        }
        Ok(())
    }

    /// Greatest day on which something stands, and how many contributions do.
    pub(super) fn last_standing(&self) -> Option<(Day, i64)> {
        self.0.iter().rev().find_map(|(day, step)| match step {
            Step::Add(tally) => (tally.count != 0).then_some((*day, tally.count)),
            Step::State { reported, .. } => reported.map(|_| (*day, 1)),
        })
    }

    /// The table: every day on which something stands or does not cancel out.
    pub(super) fn table(&self) -> Result<Vec<u8>, Doubt> {
        let mut packer = Packer::default();
        for (day, step) in &self.0 {
            let nothing = match step {
                Step::Add(tally) => *tally == Tally::default(),
                Step::State { reported, verified } => reported.is_none() && verified.is_none(),
            };
            if !nothing {
                packer.push(&Move { index: 0, day: *day, step: *step })?;
            }
        }
        Ok(packer.bytes().to_vec())
    }
}

/// What stands on each day up to `day`, ascending, from a table and what its later moves say of some days.
pub(super) fn each_day(
    table: &[u8],
    later_moves: &Days,
    day: Day,
    take: &mut dyn FnMut(Day, &Step) -> Result<(), Doubt>,
) -> Result<(), Doubt> {
    let mut later_days = later_moves.0.range(..=day).peekable();
    for row in moves(table)? {
        let row = row?;
        if row.day > day {
            break;
        }
        while let Some((on, step)) = later_days.next_if(|(on, _)| **on < row.day) {
            take(*on, step)?;
        }
        match (later_days.next_if(|(on, _)| **on == row.day), &row.step) {
            (Some((_, Step::Add(more))), Step::Add(tally)) => take(row.day, &Step::Add(sum(tally, more)?))?,
            (Some((_, state)), _) => take(row.day, state)?,
            (None, step) => take(row.day, step)?,
        }
    }
    for (on, step) in later_days {
        take(*on, step)?;
    }
    Ok(())
}

/// Figures as of `day` from a table and what its later moves say of some days.
pub(super) fn figures(table: &[u8], later_moves: &Days, day: Day) -> Result<Figures, Doubt> {
    let mut figures = Figures::default();
    each_day(table, later_moves, day, &mut |on, step| {
        let stands = match step {
            Step::Add(tally) => {
                figures.tally = sum(&figures.tally, tally)?;
                tally.count != 0
            }
            Step::State { reported, verified } => {
                figures.reported = later(figures.reported, *reported);
                figures.verified = later(figures.verified, *verified);
                reported.is_some()
            }
        };
        if stands {
            figures.day_last = figures.day_last.max(Some(on));
        }
        Ok(())
    })?;
    Ok(figures)
}
