//! Every figure as of any day and any log size, against the naive model, on random histories.

use std::collections::BTreeSet;

use jindo::projector::folding::registry_of;
use jindo::store::View;
use proptest::prelude::*;

use crate::history::{Dice, History, Throw, days};
use crate::ledger::{TestLedger, word};
use crate::model::{Fig, Model};

/// Random days and sizes asked of one history.
const QUESTIONS: usize = 10;

/// Commits a history and asks; the first difference is the error.
fn check(throws: &[Throw], batch: usize, questions: usize, seed: u64) -> Result<(), String> {
    let mut ledger = TestLedger::new();
    let first = ledger.core().size();
    let history = History::play(&mut ledger, throws);
    let rulings = ledger.commit(&history.messages, batch).map_err(|halt| halt.to_string())?;
    for (place, (ruling, expected)) in rulings.iter().zip(&history.words).enumerate() {
        if word(ruling) != *expected {
            return Err(format!("message {place} ({:?}): {ruling:?}, expected {expected}", throws[place]));
        }
    }
    let size = ledger.core().size();
    let view = ledger.core().reader().view();
    let mut dice = Dice::new(seed);
    let (early, late) = days();
    for question in 0..questions {
        let span = (late.number() - early.number()) as usize + 8;
        let mut day = early.plus(dice.below(span) as i32 - 4);
        let mut at = first + dice.below(history.messages.len() + 1) as u64;
        if question < 3 {
            // All of it, all of the past, and now as of then.
            (day, at) = [(late.plus(60), size), (late.plus(60), at), (day, size)][question];
        }
        compare(&view, &history.model, day, at)?;
        if question == 3 && seed % 4 == 1 {
            let rows = ledger.core().reader().governance_until(at).map_err(|doubt| doubt.to_string())?;
            let registry = registry_of(&rows).map_err(|halt| halt.to_string())?;
            govern(&registry, &history.model, day, at)?;
        }
    }
    Ok(())
}

fn compare(view: &View, model: &Model, day: jindo::event::Day, size: u64) -> Result<(), String> {
    let expected = model.figures(day, size);
    let series = view.series_with_prefix("");
    let known: BTreeSet<_> = series.iter().map(|(_, series)| series.path.clone()).collect();
    for path in known.iter().chain(expected.keys()).collect::<BTreeSet<_>>() {
        let found = Fig::of(&view.figures(path, day, Some(size)).map_err(|doubt| doubt.to_string())?);
        let wanted = expected.get(path).cloned().unwrap_or_default();
        if found != wanted {
            return Err(format!("{path} as of {day} at {size}:\n   found {found:?}\nexpected {wanted:?}"));
        }
    }
    Ok(())
}

fn govern(
    registry: &jindo::catalogue::registry::Registry,
    model: &Model,
    day: jindo::event::Day,
    size: u64,
) -> Result<(), String> {
    let state = &registry.indicators["chargers"];
    let target = state.targets.iter().find(|(key, _)| key.part.is_none()).and_then(|(_, history)| history.last());
    let value = target.and_then(|target| target.target.value).map(|value| value.millionths());
    if value != Some(i128::from(model.target(size)) * 1_000_000) {
        return Err(format!("target at {size}: {value:?}, expected {}", model.target(size)));
    }
    let changed = state.version_on(day).splits.len() == 2;
    if changed != model.changed_on(day, size) {
        return Err(format!("definition on {day} at {size}: changed is {changed}"));
    }
    Ok(())
}

/// 64 histories, or as many as `PROPTEST_CASES` says.
fn config() -> ProptestConfig {
    let default = ProptestConfig::default();
    let cases = if std::env::var_os("PROPTEST_CASES").is_some() { default.cases } else { 64 };
    ProptestConfig { cases, failure_persistence: None, max_shrink_iters: 400, ..default }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn figures_agree_with_a_list_of_events(
        throws in prop::collection::vec(any::<Throw>(), 1..120),
        batch in prop::sample::select(vec![3, 20, 500]),
        seed in any::<u64>(),
    ) {
        check(&throws, batch, QUESTIONS, seed).map_err(TestCaseError::fail)?;
    }
}

/// Long enough that histories close blocks and cut day tables.
#[test]
fn long_histories_agree_too() {
    let mut dice = Dice::new(11);
    let throws: Vec<Throw> = (0..2_500).map(|_| (dice.draw() as u8, dice.draw() as u32)).collect();
    check(&throws, 97, 24, 5).unwrap();
}

/// Few kinds of events, so that winners come and go on few days: statements, corrections, retractions, verifications.
#[test]
fn stated_winners_agree_when_little_else_happens() {
    for seed in 0..8 {
        let mut dice = Dice::new(100 + seed);
        let few = [10, 11, 12, 13, 19, 20, 21, 23, 24, 25, 26];
        let throws: Vec<Throw> = (0..150).map(|_| (*dice.of(&few), dice.draw() as u32)).collect();
        check(&throws, 40, 12, seed).unwrap_or_else(|difference| panic!("seed {seed}: {difference}"));
    }
}

/// Few kinds of events, so that claims on few things come and go.
#[test]
fn claims_agree_when_little_else_happens() {
    for seed in 0..8 {
        let mut dice = Dice::new(200 + seed);
        let few = [0, 6, 7, 9, 15, 16, 19, 20, 21, 23, 24, 25, 26, 27, 28, 28];
        let throws: Vec<Throw> = (0..150).map(|_| (*dice.of(&few), dice.draw() as u32)).collect();
        check(&throws, 40, 12, seed).unwrap_or_else(|difference| panic!("seed {seed}: {difference}"));
    }
}
