//! Packed moves: blocks of history and day tables have this one form.
//!
//! A stream opens with its kind (additive or stated). Each move is the difference of its index and day to the move before,
//! a mask of what it holds, and only that. An additive move of one is five bytes. Never mixes kinds.

use super::row::{Cursor, put, put_signed};
use crate::event::{Amount, Day, Time};
use crate::fold::rows::{Doubt, Move, Statement, Step, Tally};

const UNIT: i128 = 1_000_000;
const SECOND_NS: i64 = 1_000_000_000;

const ADDITIVE: u8 = 1;
const STATED: u8 = 2;

// Mask of an additive move. A count of one, the usual one, takes no byte.
const VALUE: u8 = 1;
const COUNT: u8 = 2;
const VERIFIED: u8 = 4;
const LOOSE: u8 = 8;
const DISPUTED: u8 = 16;
const PROVISIONAL: u8 = 32;
const APPROXIMATE: u8 = 64;
/// Amounts are whole units, not millionths.
const WHOLE: u8 = 128;

// Mask of a stated move.
const HAS_REPORTED: u8 = 1;
const HAS_VERIFIED: u8 = 2;
/// The verified statement is the reported one.
const SAME: u8 = 4;

// Mask of a statement.
const IS_VERIFIED: u8 = 1;
const IS_DISPUTED: u8 = 2;
const IS_PROVISIONAL: u8 = 4;
const IS_APPROXIMATE: u8 = 8;
/// Its time is whole seconds.
const SECONDS: u8 = 16;

/// Whole units of an amount of millionths, if it is whole. Division of 128 bits is slow, and few amounts need it.
fn units(amount: i128) -> Option<i128> {
    match i64::try_from(amount) {
        Ok(small) => (small % UNIT as i64 == 0).then_some((small / UNIT as i64).into()),
        Err(_) => (amount % UNIT == 0).then_some(amount / UNIT),
    }
}

fn units_of(ns: i128, unit_ns: i64) -> i128 {
    i64::try_from(ns).map_or_else(|_| ns / i128::from(unit_ns), |small| (small / unit_ns).into())
}

fn kind_of(step: &Step) -> u8 {
    match step {
        Step::Add(_) => ADDITIVE,
        Step::State { .. } => STATED,
    }
}

/// Writes moves one behind the other.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Packer {
    bytes: Vec<u8>,
    index: u64,
    day: i32,
}

impl Packer {
    /// Continues a stream that was written before.
    pub(super) fn resume(bytes: Vec<u8>) -> Result<Self, Doubt> {
        let mut packer = Packer::default();
        for step in moves(&bytes)? {
            let step = step?;
            (packer.index, packer.day) = (step.index, step.day.number());
        }
        packer.bytes = bytes;
        Ok(packer)
    }

    /// Adds a move. Indexes never go down; one stream holds one kind.
    pub(super) fn push(&mut self, step: &Move) -> Result<(), Doubt> {
        let kind = kind_of(&step.step);
        if self.bytes.is_empty() {
            self.bytes.push(kind);
        }
        if self.bytes[0] != kind {
            return Err(Doubt(format!("the move of entry {} is of another kind than its series", step.index)));
        }
        let Some(ahead) = step.index.checked_sub(self.index) else {
            return Err(Doubt(format!("the move of entry {} comes after one of entry {}", step.index, self.index)));
        };
        put(&mut self.bytes, ahead);
        put_signed(&mut self.bytes, i128::from(step.day.number()) - i128::from(self.day));
        match &step.step {
            Step::Add(tally) => put_tally(&mut self.bytes, tally),
            Step::State { reported, verified } => put_state(&mut self.bytes, step.day, reported, verified),
        }
        (self.index, self.day) = (step.index, step.day.number());
        Ok(())
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn index_last(&self) -> u64 {
        self.index
    }
}

fn put_tally(bytes: &mut Vec<u8>, tally: &Tally) {
    let amounts = [(VALUE, tally.value), (VERIFIED, tally.verified), (LOOSE, tally.loose)];
    let counts = [(DISPUTED, tally.disputed), (PROVISIONAL, tally.provisional), (APPROXIMATE, tally.approximate)];
    let whole = amounts.iter().all(|(_, amount)| units(*amount).is_some());
    let mut mask = if whole { WHOLE } else { 0 };
    mask |= if tally.count == 1 { 0 } else { COUNT };
    mask |= amounts.iter().filter(|(_, amount)| *amount != 0).fold(0, |mask, (bit, _)| mask | bit);
    mask |= counts.iter().filter(|(_, count)| *count != 0).fold(0, |mask, (bit, _)| mask | bit);
    bytes.push(mask);
    if mask & COUNT != 0 {
        put_signed(bytes, tally.count.into());
    }
    for (_, amount) in amounts.iter().filter(|(bit, _)| mask & bit != 0) {
        put_signed(bytes, units(*amount).filter(|_| whole).unwrap_or(*amount));
    }
    for (_, count) in counts.iter().filter(|(bit, _)| mask & bit != 0) {
        put_signed(bytes, (*count).into());
    }
}

fn get_tally(cursor: &mut Cursor<'_>) -> Option<Tally> {
    let mask = cursor.byte()?;
    let count = if mask & COUNT == 0 { 1 } else { cursor.get_i64()? };
    let mut amount = |bit: u8| -> Option<i128> {
        if mask & bit == 0 {
            return Some(0);
        }
        let value = cursor.get_signed()?;
        if mask & WHOLE == 0 { Some(value) } else { value.checked_mul(UNIT) }
    };
    let (value, verified, loose) = (amount(VALUE)?, amount(VERIFIED)?, amount(LOOSE)?);
    let mut number = |bit: u8| if mask & bit == 0 { Some(0) } else { cursor.get_i64() };
    let (disputed, provisional, approximate) = (number(DISPUTED)?, number(PROVISIONAL)?, number(APPROXIMATE)?);
    Some(Tally { value, count, verified, loose, disputed, provisional, approximate })
}

fn put_state(bytes: &mut Vec<u8>, day: Day, reported: &Option<Statement>, verified: &Option<Statement>) {
    let same = reported.is_some() && reported == verified;
    let mask = if reported.is_some() { HAS_REPORTED } else { 0 }
        | if verified.is_some() { HAS_VERIFIED } else { 0 }
        | if same { SAME } else { 0 };
    bytes.push(mask);
    if let Some(statement) = reported {
        put_statement(bytes, day, statement);
    }
    if let Some(statement) = verified.as_ref().filter(|_| !same) {
        put_statement(bytes, day, statement);
    }
}

fn get_state(cursor: &mut Cursor<'_>, day: Day) -> Option<Step> {
    let mask = cursor.byte()?;
    let reported = if mask & HAS_REPORTED == 0 { None } else { Some(get_statement(cursor, day)?) };
    let verified = match mask & (HAS_VERIFIED | SAME) {
        0 => None,
        HAS_VERIFIED => Some(get_statement(cursor, day)?),
        _ => reported,
    };
    Some(Step::State { reported, verified })
}

/// A statement, its time counted from the start of `day`.
pub(super) fn put_statement(bytes: &mut Vec<u8>, day: Day, statement: &Statement) {
    let offset = i128::from(statement.time.ns()) - i128::from(day.number()) * i128::from(SECOND_NS) * 86_400;
    let seconds = statement.time.ns() % SECOND_NS == 0;
    let value = statement.value.millionths();
    let whole = units(value);
    bytes.push(
        if statement.verified { IS_VERIFIED } else { 0 }
            | if statement.disputed { IS_DISPUTED } else { 0 }
            | if statement.provisional { IS_PROVISIONAL } else { 0 }
            | if statement.approximate { IS_APPROXIMATE } else { 0 }
            | if seconds { SECONDS } else { 0 }
            | if whole.is_some() { WHOLE } else { 0 },
    );
    put_signed(bytes, if seconds { units_of(offset, SECOND_NS) } else { offset });
    put(bytes, statement.ordinal);
    put_signed(bytes, whole.unwrap_or(value));
}

/// Reads back [`put_statement`].
pub(super) fn get_statement(cursor: &mut Cursor<'_>, day: Day) -> Option<Statement> {
    let mask = cursor.byte()?;
    let offset = cursor.get_signed()?;
    let offset = if mask & SECONDS == 0 { offset } else { offset.checked_mul(SECOND_NS.into())? };
    let ns = offset.checked_add(i128::from(day.number()) * i128::from(SECOND_NS) * 86_400)?;
    let ordinal = cursor.get()?;
    let value = cursor.get_signed()?;
    let value = if mask & WHOLE == 0 { value } else { value.checked_mul(UNIT)? };
    Some(Statement {
        time: Time::from_ns(i64::try_from(ns).ok()?),
        ordinal,
        value: Amount::from_millionths(value),
        verified: mask & IS_VERIFIED != 0,
        disputed: mask & IS_DISPUTED != 0,
        provisional: mask & IS_PROVISIONAL != 0,
        approximate: mask & IS_APPROXIMATE != 0,
    })
}

/// Reads a stream of [`Packer`].
pub(super) fn moves(bytes: &[u8]) -> Result<Moves<'_>, Doubt> {
    let mut cursor = Cursor::new(bytes);
    let kind = cursor.byte().unwrap_or(ADDITIVE);
    if kind != ADDITIVE && kind != STATED {
        return Err(Doubt(format!("packed moves of unknown kind {kind}")));
    }
    Ok(Moves { cursor, stated: kind == STATED, index: 0, day: 0 })
}

/// Iterator over packed moves.
#[derive(Clone)]
pub(super) struct Moves<'a> {
    cursor: Cursor<'a>,
    stated: bool,
    index: u64,
    day: i32,
}

impl Moves<'_> {
    fn read(&mut self) -> Option<Move> {
        self.index = self.index.checked_add(self.cursor.get()?)?;
        self.day = i32::try_from(self.cursor.get_signed()?.checked_add(self.day.into())?).ok()?;
        let day = Day::from_number(self.day);
        let step =
            if self.stated { get_state(&mut self.cursor, day)? } else { Step::Add(get_tally(&mut self.cursor)?) };
        Some(Move { index: self.index, day, step })
    }
}

impl Iterator for Moves<'_> {
    type Item = Result<Move, Doubt>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.cursor.is_empty() {
            return None;
        }
        let read = self.read();
        if read.is_none() {
            self.cursor = Cursor::new(&[]);
        }
        Some(read.ok_or_else(|| Doubt("packed moves end in the middle".to_owned())))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_statement() -> impl Strategy<Value = Statement> {
        let time = prop_oneof![any::<i64>(), (-2_000_000_000..4_000_000_000_i64).prop_map(|second| second * SECOND_NS)];
        let value = prop_oneof![any::<i128>(), (-1000..1000_i128).prop_map(|value| value * UNIT)];
        (time, any::<u64>(), value, any::<[bool; 4]>()).prop_map(|(time, ordinal, value, flags)| Statement {
            time: Time::from_ns(time),
            ordinal,
            value: Amount::from_millionths(value),
            verified: flags[0],
            disputed: flags[1],
            provisional: flags[2],
            approximate: flags[3],
        })
    }

    fn any_tally() -> impl Strategy<Value = Tally> {
        let amount = || prop_oneof![Just(0), Just(UNIT), any::<i128>(), (-99..99_i128).prop_map(|value| value * UNIT)];
        let count = || prop_oneof![Just(0_i64), Just(1), Just(-1), any::<i64>()];
        (amount(), count(), amount(), amount(), count(), count(), count()).prop_map(
            |(value, count, verified, loose, disputed, provisional, approximate)| Tally {
                value,
                count,
                verified,
                loose,
                disputed,
                provisional,
                approximate,
            },
        )
    }

    fn any_moves() -> impl Strategy<Value = Vec<Move>> {
        let additive = any_tally().prop_map(Step::Add).boxed();
        let stated = (prop::option::of(any_statement()), prop::option::of(any_statement()), any::<bool>())
            .prop_map(|(reported, other, same)| Step::State { reported, verified: if same { reported } else { other } })
            .boxed();
        prop_oneof![Just(additive), Just(stated)].prop_flat_map(|steps| {
            prop::collection::vec((0..u64::from(u32::MAX), any::<i32>(), steps), 0..20).prop_map(|steps| {
                let mut index = 0;
                steps
                    .into_iter()
                    .map(|(ahead, day, step)| {
                        index += ahead;
                        Move { index, day: Day::from_number(day), step }
                    })
                    .collect()
            })
        })
    }

    proptest! {
        #[test]
        fn moves_read_back(steps in any_moves(), cut in any::<prop::sample::Index>()) {
            let mut packer = Packer::default();
            for step in &steps {
                packer.push(step).unwrap();
            }
            let read: Vec<Move> = moves(packer.bytes()).unwrap().collect::<Result<_, _>>().unwrap();
            prop_assert_eq!(&read, &steps);
            prop_assert_eq!(&Packer::resume(packer.bytes().to_vec()).unwrap(), &packer);
            // Whatever is cut off, the rest reads as fewer moves or as doubt.
            if !packer.bytes().is_empty() {
                let cut = cut.index(packer.bytes().len());
                let short: Result<Vec<Move>, Doubt> = moves(&packer.bytes()[..cut]).unwrap().collect();
                prop_assert!(short.is_err() || short.unwrap().len() < steps.len());
            }
        }

        #[test]
        fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(read) = moves(&bytes) {
                let _ = read.count();
            }
        }
    }

    #[test]
    fn an_ordinary_move_is_small() {
        let mut packer = Packer::default();
        for index in 1_000..2_000 {
            let tally = Tally { value: UNIT, count: 1, ..Tally::default() };
            let day = Day::from_number(20_500 + i32::try_from(index * 7_919 % 365).unwrap());
            packer.push(&Move { index: index / 3, day, step: Step::Add(tally) }).unwrap();
        }
        assert!(packer.bytes().len() < 6_000, "{}", packer.bytes().len());
    }

    #[test]
    fn kinds_do_not_mix_and_indexes_do_not_fall() {
        let add = |index| Move { index, day: Day::default(), step: Step::Add(Tally::default()) };
        let state = Move { step: Step::State { reported: None, verified: None }, ..add(9) };
        let mut packer = Packer::default();
        packer.push(&add(5)).unwrap();
        assert!(packer.push(&state).is_err() && packer.push(&add(4)).is_err());
        packer.push(&add(5)).unwrap();
    }
}
