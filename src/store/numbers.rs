//! Numbers of sorted runs, given again once a run is replaced. Its rows are not removed: sled would read every leaf for it and keep it,
//! empty, for good, and opening reads every leaf there is. The next run under the number writes over them, and what it leaves of
//! them nobody reads: each row is bound to the age of its run. So it is with the rows of a journal, which begins anew with each run.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::keys::{self, Family};
use super::row;
use crate::fold::rows::Doubt;

/// Levels have numbers of their own: their runs are of one size, so hardly anything is left over.
const LEVEL_BITS: u32 = 24;

/// What a run is called: its number, and its age, of which runs begun later have more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Name {
    pub(super) number: u32,
    pub(super) age: u32,
}

/// What is called next, as the mark keeps it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Next {
    /// Age of the next run.
    pub(super) age: u32,
    /// Rows of the journal, numbered from 0: the same leaves are filled again, for sled keeps those whose rows a batch removed.
    journal_rows: u32,
    /// The next age when the journal began.
    journal_age: u32,
}

impl Next {
    /// What an opened store goes on with. What a crash cut off may have begun a run of this age, of which rows are left.
    pub(super) fn opened(self) -> Self {
        Next { age: self.age + 1, ..self }
    }

    /// Key of the next journal row, and what its checksum covers.
    pub(super) fn journal_row(&mut self, family: Family) -> ([u8; 7], [u8; 13]) {
        let key = keys::number(family, self.journal_rows.into());
        self.journal_rows += 1;
        (key, keys::aged(&key, self.journal_age))
    }

    /// Keys of the journal, which a run took in; the next one begins.
    pub(super) fn end_journal(&mut self, family: Family) -> impl Iterator<Item = [u8; 7]> + use<> {
        let rows = std::mem::take(&mut self.journal_rows);
        self.journal_age = self.age;
        (0..rows).map(move |row| keys::number(family, row.into()))
    }

    /// Takes the rows of a journal as they are read, and gives what they hold; all of them are there, and none of an older one.
    pub(super) fn journal_reader(&self, family: Family) -> JournalReader {
        JournalReader { left: Next { journal_rows: 0, ..*self }, rows: self.journal_rows, family }
    }

    /// Rows of the journal.
    #[cfg(test)]
    pub(super) fn journal_rows(&self) -> u32 {
        self.journal_rows
    }
}

/// Reads a journal in order.
pub(super) struct JournalReader {
    left: Next,
    rows: u32,
    family: Family,
}

impl JournalReader {
    /// What a row holds.
    pub(super) fn open<'a>(&mut self, key: &[u8], value: &'a [u8]) -> Result<&'a [u8], Doubt> {
        let (wanted, aged) = self.left.journal_row(self.family);
        if key == wanted { row::open(&aged, value) } else { Err(row::doubt(key, "is not the next row of its journal")) }
    }

    /// Whether none is missing at the end.
    pub(super) fn end(self) -> Result<(), Doubt> {
        let (read, wanted) = (self.left.journal_rows, self.rows);
        if read == wanted { Ok(()) } else { Err(Doubt(format!("a journal has {read} rows, the mark says {wanted}"))) }
    }
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
    pub(super) fn take(&mut self, level: u8, next: &mut Next) -> Name {
        let mut number = u32::from(level) << LEVEL_BITS;
        while !self.taken.insert(number) {
            number += 1;
        }
        let age = next.age;
        next.age += 1;
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
        let (mut numbers, mut next) = (Numbers::of(known.into_iter()), Next { age: 6, ..Next::default() });
        let taken = [0, 0, 1, 2].map(|level| numbers.take(level, &mut next));
        assert_eq!(taken.map(|name| name.number), [1, 3, 1 << 24 | 1, 2 << 24]);
        assert_eq!(taken.map(|name| name.age), [6, 7, 8, 9]);
        numbers.give_back(known[1]);
        assert_eq!([0, 0].map(|level| numbers.take(level, &mut next).number), [2, 4]);
    }

    #[test]
    fn a_journal_is_read_whole_and_as_of_its_age() {
        let (mut next, mut numbers) = (Next::default(), Numbers::of([].into_iter()));
        let write = |next: &mut Next, text: u8| {
            let (key, aged) = next.journal_row(Family::Journal);
            let mut writer = row::Writer::new();
            writer.buffer().push(text);
            (key, writer.finish(&aged))
        };
        let old: Vec<_> = (0..3).map(|text| write(&mut next, text)).collect();
        numbers.take(0, &mut next);
        assert_eq!(
            next.end_journal(Family::Journal).collect::<Vec<_>>(),
            old.iter().map(|row| row.0).collect::<Vec<_>>()
        );
        let new: Vec<_> = (3..6).map(|text| write(&mut next, text)).collect();
        assert_eq!(old[1].0, new[1].0, "the same keys again");
        let read = |next: &Next, rows: &[&([u8; 7], Vec<u8>)]| {
            let mut reader = next.journal_reader(Family::Journal);
            rows.iter().try_for_each(|(key, value)| reader.open(key, value).map(drop))?;
            reader.end()
        };
        read(&next, &[&new[0], &new[1], &new[2]]).unwrap();
        for wrong in [
            vec![&new[0], &old[1], &new[2]],
            vec![&new[0], &new[2]],
            vec![&new[0], &new[1]],
            vec![&new[0], &new[1], &new[2], &old[0]],
        ] {
            assert!(read(&next, &wrong).is_err(), "{wrong:?}");
        }
        // What a crash cut off may have begun a journal of the next age: it is not given again.
        let mut reopened = next.opened();
        read(&reopened, &[&new[0], &new[1], &new[2]]).unwrap();
        assert_ne!(reopened.journal_row(Family::Journal).0, new[2].0);
        assert_eq!(numbers.take(0, &mut reopened).age, next.age + 1);
    }
}
