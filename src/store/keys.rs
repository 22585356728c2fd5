//! Every key of the store. One tree; the first byte of a key names its family. Nothing else makes keys.
//!
//! Three rules, each worth a factor of ten in sled (a leaf that one row changed is written whole):
//! 1. What grows is keyed by a running number, never by its name: new rows touch the last leaf of their family only.
//! 2. A row that closed is never written again. What changes later is appended beside it and found by the lookup index.
//! 3. Rows that do change are few: one per series, one per signing key.
//!
//! Keys of up to seven bytes live inside sled's leaf without an allocation, so running numbers take six bytes.

/// One family of rows: its prefix byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(super) enum Family {
    /// Layout the store was made with: one row.
    Layout = 0x01,
    /// Position and running numbers after the last commit: one row.
    Mark = 0x02,
    /// `progress`: series number → current state and open block of its history. Changes.
    Series = 0x10,
    /// State of a signing key's chain: public key → row. Changes.
    Chain = 0x12,
    /// Which series a chunk belongs to and up to where it reaches: first chunk number of a commit → list.
    Directory = 0x21,
    /// `history`: running number → closed block of moves, or day table.
    Chunk = 0x22,
    /// Things: number ÷ things per row → packed things as first claimed.
    Thing = 0x23,
    /// Changed states of records and things: running number → those of one commit, packed.
    Amended = 0x24,
    /// Refused reports: entry index → row.
    Refused = 0x25,
    /// `registry`, `catalogue`: entry index, position → accepted governance event.
    Governance = 0x26,
    /// Forecasts: entry index, position → row.
    Forecast = 0x27,
    /// Lookup keys of one commit that are in no run yet: number since the last run → list.
    Journal = 0x30,
    /// A sorted run of lookup keys: run number → size.
    Run = 0x31,
    /// Filter of a run: run number, part → fingerprints.
    Filter = 0x32,
    /// Keys of a run: run number, row → sorted keys and numbers.
    RunRow = 0x33,
    /// Statements of one commit that are in no run yet: number since the last run → list.
    StatementJournal = 0x38,
    /// A sorted run of statements: run number → size and what its rows begin with.
    StatementRun = 0x39,
    /// Statements of a run: run number, row → sorted statements.
    StatementRow = 0x3A,
    /// Records: ordinal ÷ records per row → packed records as first accepted. Last, because sled splits the last leaf of the
    /// tree so that appended rows leave full leaves behind.
    Record = 0xF0,
}

/// Whether a row stays as it was written: those of the other families are soon written anew, or removed.
pub(super) fn stays(key: &[u8]) -> bool {
    const CHANGE: [Family; 5] =
        [Family::Mark, Family::Series, Family::Chain, Family::Journal, Family::StatementJournal];
    !CHANGE.iter().any(|family| key.first() == Some(&(*family as u8)))
}

/// A running number of a family: 48 bits, enough for nine thousand years at a thousand a second.
pub(super) fn number(family: Family, number: u64) -> [u8; 7] {
    let wide = number.to_be_bytes();
    [family as u8, wide[2], wide[3], wide[4], wide[5], wide[6], wide[7]]
}

/// The running number inside a key of [`number`].
pub(super) fn number_of(key: &[u8]) -> Option<u64> {
    let tail: &[u8; 6] = key.get(1..)?.try_into().ok()?;
    Some(tail.iter().fold(0, |value, byte| value << 8 | u64::from(*byte)))
}

/// A single row.
pub(super) fn single(family: Family) -> [u8; 1] {
    [family as u8]
}

/// A row of a series.
pub(super) fn series(number: u32) -> [u8; 5] {
    let mut key = [Family::Series as u8; 5];
    key[1..].copy_from_slice(&number.to_be_bytes());
    key
}

/// Two numbers: run and part.
pub(super) fn pair(family: Family, first: u32, second: u32) -> [u8; 9] {
    let mut key = [family as u8; 9];
    key[1..5].copy_from_slice(&first.to_be_bytes());
    key[5..].copy_from_slice(&second.to_be_bytes());
    key
}

/// What the checksum covers of a row whose key is given again: the key, and the age of the run or journal it belongs to.
pub(super) fn aged<const N: usize>(key: &[u8; N], age: u32) -> [u8; 13] {
    let mut aged = [0; 13];
    aged[..N].copy_from_slice(key);
    aged[9..].copy_from_slice(&age.to_be_bytes());
    aged
}

/// An event of an entry: index and position in the body.
pub(super) fn event(family: Family, index: u64, position: u16) -> [u8; 9] {
    let mut key = [family as u8; 9];
    key[..7].copy_from_slice(&number(family, index));
    key[7..].copy_from_slice(&position.to_be_bytes());
    key
}

/// A row named by text.
pub(super) fn text(family: Family, name: &str) -> Vec<u8> {
    let mut key = vec![family as u8];
    key.extend_from_slice(name.as_bytes());
    key
}

/// First byte after the family: the end of its range.
pub(super) fn after(family: Family) -> [u8; 1] {
    [family as u8 + 1]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_sort_as_their_numbers() {
        let numbers = [0, 1, 255, 256, 65_536, (1 << 48) - 1];
        for pair in numbers.windows(2) {
            assert!(number(Family::Chunk, pair[0]) < number(Family::Chunk, pair[1]));
            assert_eq!(number_of(&number(Family::Chunk, pair[1])), Some(pair[1]));
        }
        assert!(number(Family::Chunk, (1 << 48) - 1)[..] < after(Family::Chunk)[..]);
        assert!(event(Family::Governance, 5, u16::MAX) < event(Family::Governance, 6, 0));
    }
}
