//! Numbers of sorted runs, given again once a run is replaced. Its rows are not removed: sled would read every leaf for it and keep it,
//! empty, for good, and opening reads every leaf there is. The next run under the number writes over them, and what it leaves of
//! them nobody reads: each row is bound to the age of its run.

use std::collections::BTreeSet;

/// Levels have numbers of their own: their runs are of one size, so hardly anything is left over.
const LEVEL_BITS: u32 = 24;

/// What a run is called: its number, and its age, of which runs begun later have more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Name {
    pub(super) number: u32,
    pub(super) age: u32,
}

/// Numbers that runs have, and the one being merged.
#[derive(Debug)]
pub(super) struct Numbers {
    taken: BTreeSet<u32>,
}

impl Numbers {
    pub(super) fn of(runs: impl Iterator<Item = Name>) -> Self {
        Numbers { taken: runs.map(|name| name.number).collect() }
    }

    /// The least free number of a level, and the next age.
    pub(super) fn take(&mut self, level: u8, next_age: &mut u32) -> Name {
        let mut number = u32::from(level) << LEVEL_BITS;
        while !self.taken.insert(number) {
            number += 1;
        }
        let age = *next_age;
        *next_age += 1;
        Name { number, age }
    }

    /// The run left the list, and nobody reads it.
    pub(super) fn give_back(&mut self, name: Name) {
        self.taken.remove(&name.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_free_number_of_a_level_is_given() {
        let known = [(0, 3), (2, 5), (1 << 24, 4)].map(|(number, age)| Name { number, age });
        let (mut numbers, mut next) = (Numbers::of(known.into_iter()), 6);
        let taken = [0, 0, 1, 2].map(|level| numbers.take(level, &mut next));
        assert_eq!(taken.map(|name| name.number), [1, 3, 1 << 24 | 1, 2 << 24]);
        assert_eq!(taken.map(|name| name.age), [6, 7, 8, 9]);
        numbers.give_back(known[1]);
        assert_eq!([0, 0].map(|level| numbers.take(level, &mut next).number), [2, 4]);
    }
}
