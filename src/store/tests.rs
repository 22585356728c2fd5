//! The store against naive models: what is read equals what a replay of all changes says, across every edge of the layout.

#[path = "damage_tests.rs"]
mod damage_tests;

use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;
use std::path::Path;

use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::event::{Amount, Day, Time};
use crate::fold::lookup;
use crate::fold::rows::{
    ChainRow, Changes, Effect, Figures, Gives, GovernanceRow, Move, Ordinal, Record, Refused, Rows, Series,
    SeriesNumber, Statement, Step, Tally, Thing,
};

/// What happens to one series in one entry.
#[derive(Debug, Clone)]
enum Act {
    Add {
        series: u8,
        day: i32,
        value: i8,
    },
    /// States a value, or removes the statement that has this place among those of its day.
    State {
        series: u8,
        day: i32,
        value: Option<i8>,
        verified: bool,
    },
}

const STATED_FROM: u8 = 3;
const SERIES: u8 = 5;
const DAYS: i32 = 6;

fn any_act() -> impl Strategy<Value = Act> {
    let day = 0..DAYS;
    prop_oneof![
        3 => (0..STATED_FROM, day.clone(), any::<i8>()).prop_map(|(series, day, value)| Act::Add { series, day, value }),
        2 => (STATED_FROM..SERIES, day, prop::option::weighted(0.7, any::<i8>()), any::<bool>())
            .prop_map(|(series, day, value, verified)| Act::State { series, day, value, verified }),
    ]
}

/// Entries, grouped into commits.
fn any_history() -> impl Strategy<Value = Vec<Vec<Vec<Act>>>> {
    let entry = prop::collection::vec(any_act(), 0..5);
    prop::collection::vec(prop::collection::vec(entry, 0..6), 1..14)
}

/// Everything that ever happened, kept plainly.
#[derive(Default)]
struct Model {
    moves: Vec<(SeriesNumber, Move)>,
    series: Vec<Series>,
    statements: BTreeMap<(SeriesNumber, Day), BTreeMap<(Time, Ordinal), Statement>>,
    lookups: HashMap<[u8; 16], u64>,
    records: Vec<Record>,
    changes: Changes,
}

impl Model {
    fn figures(&self, series: SeriesNumber, day: Day, size: u64) -> Figures {
        let mut days: BTreeMap<Day, Step> = BTreeMap::new();
        let moves = self.moves.iter().filter(|(number, _)| *number == series).map(|(_, step)| step);
        for step in moves.filter(|step| step.index < size && step.day <= day) {
            match (days.get_mut(&step.day), step.step) {
                (Some(Step::Add(known)), Step::Add(more)) => {
                    *known = Tally { value: known.value + more.value, count: known.count + more.count, ..*known };
                }
                (_, state) => drop(days.insert(step.day, state)),
            }
        }
        let mut figures = Figures::default();
        for (day, step) in days {
            let stands = match step {
                Step::Add(tally) => {
                    figures.tally.value += tally.value;
                    figures.tally.count += tally.count;
                    tally.count != 0
                }
                Step::State { reported, verified } => {
                    figures.reported = reported.or(figures.reported);
                    figures.verified = verified.or(figures.verified);
                    reported.is_some()
                }
            };
            figures.day_last = if stands { Some(day) } else { figures.day_last };
        }
        figures
    }

    fn number(&mut self, series: u8) -> SeriesNumber {
        let path = format!("indicator/{series}");
        let known = self.series.iter().position(|known| known.path == path).unwrap_or_else(|| {
            self.series.push(Series { path, ..Series::default() });
            self.series.len() - 1
        });
        known as SeriesNumber
    }

    fn act(&mut self, act: &Act) {
        let ordinal = self.record(act);
        let (number, day, step) = match act {
            Act::Add { series, day, value } => {
                let tally =
                    Tally { value: i128::from(*value) * 500_000, count: i64::from(value.signum()), ..Tally::default() };
                (self.number(*series), Day::from_number(*day), Step::Add(tally))
            }
            Act::State { series, day, value, verified } => {
                let day = Day::from_number(*day);
                let path = format!("indicator/{series}");
                if value.is_none() && self.series.iter().all(|known| known.path != path) {
                    return;
                }
                let number = self.number(*series);
                let known = self.statements.entry((number, day)).or_default();
                match value {
                    Some(value) => {
                        let time = day.start().plus_ns(i64::from(*value) * 7 + 1_000);
                        let value = Amount::from_int((*value).into());
                        let statement = Statement {
                            time,
                            ordinal,
                            value,
                            verified: *verified,
                            disputed: false,
                            provisional: true,
                            approximate: false,
                        };
                        known.insert((time, ordinal), statement);
                        self.changes.statements.insert((number, day, time, ordinal), Some(statement));
                    }
                    None => {
                        let taken = if *verified { known.pop_last() } else { known.pop_first() };
                        let Some(((time, ordinal), _)) = taken else { return };
                        self.changes.statements.insert((number, day, time, ordinal), None);
                    }
                }
                let winner = |verified: bool| known.values().rev().find(|known| known.verified || !verified).copied();
                (number, day, Step::State { reported: winner(false), verified: winner(true) })
            }
        };
        let step = Move { index: self.changes.position.size, day, step };
        self.moves.push((number, step));
        self.changes.moves.push((number, step));
        let all = self.figures(number, Day::from_number(i32::MAX), u64::MAX);
        let series = &mut self.series[number as usize];
        (series.tally, series.reported, series.verified) = (all.tally, all.reported, all.verified);
        series.day_max = series.day_max.max(Some(day));
        series.moves += 1;
        series.index_last = step.index;
        self.changes.series.insert(number, series.clone());
    }

    /// A record with an id, and sometimes a change of an older one.
    fn record(&mut self, act: &Act) -> Ordinal {
        let ordinal = self.records.len() as u64;
        let id = Uuid::from_u128(u128::from(ordinal) * 7 + 1);
        let Act::Add { value, .. } = act else { return self.plain_record(ordinal, id, 0) };
        let old = ordinal.checked_sub(1 + u64::from(value.unsigned_abs()) % 9);
        if let (Some(old), true) = (old, value % 3 == 0) {
            self.records[old as usize].verified_by.push(ordinal);
            self.changes.records.insert(old, self.records[old as usize].clone());
        }
        self.plain_record(ordinal, id, i128::from(*value))
    }

    fn plain_record(&mut self, ordinal: Ordinal, id: Uuid, value: i128) -> Ordinal {
        let gives = Gives::Amount(Amount::from_millionths(value));
        let record = Record {
            agency: 3,
            id,
            kind: 1,
            digest: [7; 16],
            index: self.changes.position.size,
            position: 0,
            time: Time::from_ns(5),
            replaces: ordinal.checked_sub(1).filter(|_| ordinal % 5 == 1),
            version: u16::from(ordinal % 5 == 1),
            replaced_by: None,
            retracted_by: None,
            about: None,
            verified_by: Vec::new(),
            disputed_by: Vec::new(),
            effects: vec![Effect {
                indicator: 2,
                gives,
                series: [1, 2].into_iter().collect(),
                provisional: false,
                approximate: true,
            }],
        };
        if let Some(old) = record.replaces {
            self.records[old as usize].replaced_by = Some(ordinal);
            self.changes.records.insert(old, self.records[old as usize].clone());
        }
        self.changes.records.insert(ordinal, record.clone());
        self.records.push(record);
        let key = lookup::id_key("keco", &id);
        self.lookups.insert(key, ordinal);
        self.changes.lookups.push((key, ordinal));
        ordinal
    }

    fn commit(&mut self, entries: &[Vec<Act>], store: &mut Store) -> Result<(), StoreError> {
        for entry in entries {
            entry.iter().for_each(|act| self.act(act));
            self.changes.position.size += 1;
        }
        let position = &mut self.changes.position;
        position.records = self.records.len() as u64;
        position.series = self.series.len() as u32;
        let next = Changes { position: position.clone(), ..Changes::default() };
        let changes = std::mem::replace(&mut self.changes, next);
        store.commit(&changes)
    }

    /// A store that is some commits behind, but whole.
    fn compare_earlier(&self, store: &Store) -> Result<(), Doubt> {
        let (reader, position) = (store.reader(), store.position());
        for series in 0..position.series {
            for day in (0..DAYS).map(Day::from_number) {
                let read = reader.view().figures_of(series, day, None)?;
                assert_eq!(read, self.figures(series, day, position.size));
                let read: Vec<Statement> = reader.statements(series, day).collect::<Result<_, _>>()?;
                assert_eq!(read.first(), self.figures_on(series, day, position.size).as_ref());
            }
        }
        for ordinal in 0..position.records {
            let known = &self.records[ordinal as usize];
            let (found, read) = reader.record_by_id("keco", &known.id)?.ok_or_else(|| Doubt("missing".to_owned()))?;
            assert_eq!((found, read.id, read.index, &read.effects), (ordinal, known.id, known.index, &known.effects));
            assert!(read.replaced_by.is_none_or(|by| by < position.records));
        }
        assert_eq!(reader.record(position.records)?, None);
        Ok(())
    }

    /// The winner of one day.
    fn figures_on(&self, series: SeriesNumber, day: Day, size: u64) -> Option<Statement> {
        let moves =
            self.moves.iter().rev().filter(|(number, step)| *number == series && step.day == day && step.index < size);
        moves.map(|(_, step)| step.step).next().and_then(|step| match step {
            Step::State { reported, .. } => reported,
            Step::Add(_) => None,
        })
    }

    /// Everything that can be asked, asked.
    fn compare(&self, store: &Store) -> Result<(), Doubt> {
        let (reader, view) = (store.reader(), store.reader().view());
        let size = view.position().size;
        for number in 0..self.series.len() as SeriesNumber {
            for day in (-1..=DAYS).map(Day::from_number) {
                for size in 0..=size {
                    let read = view.figures_of(number, day, Some(size))?;
                    assert_eq!(read, self.figures(number, day, size), "series {number} as of {day} at {size}");
                }
                let known: Vec<Statement> = self
                    .statements
                    .get(&(number, day))
                    .into_iter()
                    .flat_map(|known| known.values().rev().copied())
                    .collect();
                let read: Vec<Statement> = reader.statements(number, day).collect::<Result<_, _>>()?;
                assert_eq!(read, known, "statements of series {number} on {day}");
                let first_verified = known.iter().find(|known| known.verified).copied();
                assert_eq!(reader.winners(number, day)?, (known.first().copied(), first_verified));
            }
            let mut read = Vec::new();
            view.each_move(number, 0..size, false, &mut |step| {
                read.push(*step);
                ControlFlow::Continue(())
            })?;
            let known: Vec<Move> = self.moves.iter().filter(|(of, _)| *of == number).map(|(_, step)| *step).collect();
            assert_eq!(read, known);
            for size in 0..=size {
                let newest = known.iter().rev().map(|step| step.index).find(|index| *index < size);
                assert_eq!(view.index_before(number, size)?, newest, "series {number} before {size}");
            }
        }
        for (key, number) in &self.lookups {
            assert_eq!(reader.lookup(key)?, Some(*number));
            assert_eq!(reader.lookup(&lookup::key("other", &[key]))?, None);
        }
        for (record, ordinal) in self.records.iter().zip(0..) {
            assert_eq!(reader.record(ordinal)?.as_ref(), Some(record));
            assert_eq!(reader.record_by_id("keco", &record.id)?, Some((ordinal, record.clone())));
        }
        assert_eq!(reader.record(self.records.len() as u64)?, None);
        assert_eq!(store.position().records, self.records.len() as u64);
        Ok(())
    }
}

fn open(path: &Path) -> Result<Store, StoreError> {
    Store::open_with(path, Layout::tiny())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_read_is_what_a_replay_says(history in any_history(), closings in prop::collection::vec(0..4_u8, 14)) {
        let folder = tempfile::tempdir().unwrap();
        let mut model = Model::default();
        let mut store = open(folder.path()).unwrap();
        for (commit, closing) in history.iter().zip(closings) {
            model.commit(commit, &mut store).unwrap();
            store.settle();
            if closing == 0 {
                store.close().unwrap();
                store = open(folder.path()).unwrap();
            }
        }
        model.compare(&store).unwrap();
    }

    #[test]
    fn a_view_stays_at_its_commit(history in any_history()) {
        let folder = tempfile::tempdir().unwrap();
        let (mut model, mut store) = (Model::default(), open(folder.path()).unwrap());
        let mut views = Vec::new();
        for commit in &history {
            model.commit(commit, &mut store).unwrap();
            views.push(store.reader().view());
        }
        for view in views {
            for number in 0..view.position().series {
                let day = Day::from_number(DAYS / 2);
                let known = model.figures(number, day, view.position().size);
                prop_assert_eq!(view.figures_of(number, day, None).unwrap(), known);
                prop_assert_eq!(view.figures_of(number, day, Some(u64::MAX)).unwrap(), known);
            }
        }
    }
}

/// A long plain history: commits of entries of acts by number.
fn long_history(commits: u32) -> Vec<Vec<Vec<Act>>> {
    let act = |seed: u32| {
        let (series, day, value) = ((seed % 5) as u8, (seed / 3 % 6) as i32, (seed * 37 % 200) as i8);
        if series < STATED_FROM {
            Act::Add { series, day, value }
        } else {
            Act::State {
                series,
                day,
                value: Some(value).filter(|_| !seed.is_multiple_of(11)),
                verified: seed.is_multiple_of(2),
            }
        }
    };
    (0..commits)
        .map(|commit| (0..4).map(|entry| vec![act(commit * 9 + entry), act(commit * 7 + entry)]).collect())
        .collect()
}

#[test]
fn runs_merge_and_the_database_is_reopened_under_way() {
    let folder = tempfile::tempdir().unwrap();
    let (mut model, mut store) = (Model::default(), open(folder.path()).unwrap());
    let reader = store.reader();
    let mut runs = 0;
    for commit in long_history(120) {
        model.commit(&commit, &mut store).unwrap();
        runs = store.settle();
    }
    assert!(store.reopened() > 0, "nothing was reopened");
    // sled keeps emptied leaves: so the numbers of journal rows begin anew with each run, and those of runs are given again.
    let (journal_rows, numbers) = store.numbers();
    assert!(journal_rows < 60, "{journal_rows}");
    assert!(numbers.iter().all(|number| number & 0xFF_FFFF < 14), "{numbers:?}");
    assert!(runs < 14, "{runs} runs of about a hundred were left unmerged");
    assert_eq!(reader.position().size, 480);
    model.compare(&store).unwrap();
    drop(store);
    assert!(reader.record(0).is_err(), "a closed store answers");
    let store = open(folder.path()).unwrap();
    model.compare(&store).unwrap();
}

#[test]
fn lists_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(folder.path()).unwrap();
    let event = |index, position| GovernanceRow {
        index,
        position,
        agency: "motie".to_owned(),
        kind: "target.set.v1".to_owned(),
        time: Time::from_ns(1),
        recorded: Time::from_ns(2),
        data: "{}".to_owned(),
    };
    let refused = |index| Refused {
        index,
        recorded: Time::from_ns(3),
        agency: None,
        code: "type-unknown".to_owned(),
        faults: vec![],
    };
    let thing = |holders| Thing { indicator: 1, stage: 0, identity: vec!["7".to_owned()], holders, resolved: None };
    let mut changes = Changes {
        governance: vec![event(0, 0), event(0, 1), event(3, 0)],
        forecasts: vec![event(2, 0)],
        refused: vec![refused(1), refused(4)],
        chains: [("UKEY".to_owned(), ChainRow { seq: 7, ..ChainRow::default() })].into(),
        things: (0..5).map(|number| (number, thing(vec![]))).collect(),
        ..Changes::default()
    };
    (changes.position.size, changes.position.things) = (5, 5);
    store.commit(&changes).unwrap();
    changes = Changes { position: changes.position, ..Changes::default() };
    let resolved = Thing { resolved: Some(9), ..thing(vec![]) };
    changes.things.insert(2, resolved.clone());
    store.commit(&changes).unwrap();
    drop(store);
    let store = open(folder.path()).unwrap();
    let reader = store.reader();
    assert_eq!(reader.governance_until(3).unwrap(), [event(0, 0), event(0, 1)]);
    assert_eq!(reader.governance_until(4).unwrap().len(), 3);
    assert_eq!(reader.forecasts_until(9).unwrap(), [event(2, 0)]);
    assert_eq!(reader.refused(2, 10).unwrap(), [refused(4)]);
    assert_eq!(reader.refused(0, 1).unwrap(), [refused(1)]);
    assert_eq!(reader.chains().unwrap()["UKEY"].seq, 7);
    assert_eq!(reader.chain("UKEY").unwrap().unwrap().seq, 7);
    assert_eq!(reader.thing(2).unwrap(), Some(resolved));
    assert_eq!(reader.thing(4).unwrap(), Some(thing(vec![])));
    assert_eq!(reader.thing(5).unwrap(), None);
    assert_eq!(reader.series("none").unwrap(), None);
    assert_eq!(reader.figures("none", Day::default(), None).unwrap(), Figures::default());
}

#[test]
fn versions_are_followed_both_ways() {
    let folder = tempfile::tempdir().unwrap();
    let (mut model, mut store) = (Model::default(), open(folder.path()).unwrap());
    for commit in long_history(3) {
        model.commit(&commit, &mut store).unwrap();
    }
    let ordinals =
        |of| store.reader().versions(of).unwrap().shown.iter().map(|(ordinal, _)| *ordinal).collect::<Vec<_>>();
    assert_eq!((ordinals(0), ordinals(1), ordinals(2), ordinals(999)), (vec![0, 1], vec![0, 1], vec![2], vec![]));
}

#[test]
fn changes_that_do_not_follow_are_refused_and_nothing_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(folder.path()).unwrap();
    let mut model = Model::default();
    model.commit(&[vec![Act::Add { series: 0, day: 1, value: 1 }]], &mut store).unwrap();
    let position = store.position().clone();
    let good = Changes { position: position.clone(), ..Changes::default() };
    let series = |path: &str| Series { path: path.to_owned(), ..Series::default() };
    let add = Move { index: 0, day: Day::default(), step: Step::Add(Tally::default()) };
    let mut wrong: Vec<Changes> = Vec::new();
    let mut with = |change: &dyn Fn(&mut Changes)| {
        let mut changes = good.clone();
        change(&mut changes);
        wrong.push(changes);
    };
    with(&|changes| changes.position.size = 0);
    with(&|changes| changes.position.records += 1);
    with(&|changes| changes.position.things += 1);
    with(&|changes| drop(changes.series.insert(0, series("another"))));
    with(&|changes| {
        changes.series.insert(2, series("far"));
        changes.position.series = 3;
    });
    with(&|changes| changes.moves.push((0, add)));
    with(&|changes| {
        changes.series.insert(0, series("indicator/0"));
        changes.moves.push((0, Move { index: 99, ..add }));
    });
    for changes in wrong {
        assert!(matches!(store.commit(&changes), Err(StoreError::Changes(_))));
        assert_eq!(*store.position(), position);
    }
    model.compare(&store).unwrap();
    store.commit(&good).unwrap();
}
