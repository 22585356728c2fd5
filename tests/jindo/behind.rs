//! What is behind a figure adds up to it: every series as of any day and any log size, on random histories.

use jindo::event::Day;
use jindo::fold::rows::{Figures, Tally};
use jindo::fold::state::plus;
use jindo::projector::folding::registry_of;
use jindo::store::behind::{self, Kinds, Question};
use jindo::store::{Reader, View};

use crate::history::{Dice, History, Throw, days};
use crate::ledger::TestLedger;

/// Random days and sizes asked of one history.
const QUESTIONS: usize = 5;

fn check(throws: &[Throw], batch: usize, seed: u64) {
    let mut ledger = TestLedger::new();
    let first = ledger.core().size();
    let history = History::play(&mut ledger, throws);
    ledger.commit(&history.messages, batch).unwrap();
    let size = ledger.core().size();
    let reader = ledger.core().reader();
    let registry = registry_of(&reader.governance_until(size).unwrap()).unwrap();
    let number = |kind: &str| registry.schemas.get(kind).map(|state| state.number);
    let kinds = Kinds {
        verified: number("report.verified.v1"),
        disputed: number("report.disputed.v1"),
        resolved: number("claim.resolved.v1"),
    };
    let view = reader.view();
    let mut dice = Dice::new(seed);
    let (early, late) = days();
    for question in 0..QUESTIONS {
        let span = (late.number() - early.number()) as usize + 8;
        let mut day = early.plus(dice.below(span) as i32 - 4);
        let mut at = first + dice.below(history.messages.len() + 1) as u64;
        if question < 3 {
            (day, at) = [(late.plus(60), size), (late.plus(60), at), (day, size)][question];
        }
        compare(&reader, &view, kinds, (day, at), seed);
    }
}

fn compare(reader: &Reader, view: &View, kinds: Kinds, (day, size): (Day, u64), seed: u64) {
    for (number, series) in view.series_with_prefix("") {
        let figures = view.figures_of(number, day, Some(size)).unwrap();
        for (newest_first, limit) in [(false, 1_000), (true, 3)] {
            let from = None;
            let mut question = Question { series: number, day, size, kinds, from, newest_first, limit };
            let (mut sum, mut stated, mut indexes) = (Tally::default(), Vec::new(), Vec::new());
            loop {
                let page = behind::page(reader, view, question).unwrap();
                for given in &page.given {
                    sum = plus(sum, given.tally);
                    stated.extend(given.stated);
                    indexes.push(given.record.index);
                    assert!(given.record.index < size && given.tally.count >= 0, "{given:?}");
                }
                question.from = page.next;
                if page.next.is_none() {
                    break;
                }
            }
            let told = format!("seed {seed}: {} as of {day} at {size}, from entries {indexes:?}", series.path);
            if figures.reported.is_some() || !stated.is_empty() {
                let newest = stated.iter().max_by_key(|stated| (stated.time, stated.ordinal)).copied();
                assert_eq!(newest, figures.reported, "{told}");
            } else {
                // Who vouched for it, contested or resolved it at a past moment is not always left in the rows.
                let marks = if size < view.position().size { figures.tally } else { sum };
                let Tally { verified, disputed, provisional, approximate, .. } = marks;
                let sum = Tally { verified, disputed, provisional, approximate, ..sum };
                assert_eq!(Figures { tally: sum, ..figures }, figures, "{told}");
            }
        }
    }
}

#[test]
fn the_events_behind_a_figure_add_up_to_it() {
    for seed in 0..8 {
        let mut dice = Dice::new(300 + seed);
        let throws: Vec<Throw> = (0..120).map(|_| (dice.draw() as u8, dice.draw() as u32)).collect();
        check(&throws, 30, seed);
    }
}

/// Few kinds of events, so that claims on few things come, go, are vouched for and resolved.
#[test]
fn claims_behind_a_figure_add_up_too() {
    for seed in 0..8 {
        let mut dice = Dice::new(400 + seed);
        let few = [0, 6, 7, 9, 15, 16, 19, 20, 21, 23, 24, 25, 26, 27, 28, 28];
        let throws: Vec<Throw> = (0..150).map(|_| (*dice.of(&few), dice.draw() as u32)).collect();
        check(&throws, 40, seed);
    }
}

/// Long enough that histories close blocks and cut day tables.
#[test]
fn long_histories_add_up_too() {
    let mut dice = Dice::new(17);
    let throws: Vec<Throw> = (0..700).map(|_| (dice.draw() as u8, dice.draw() as u32)).collect();
    check(&throws, 97, 5);
}
