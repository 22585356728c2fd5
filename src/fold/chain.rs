//! A key's chain of signed reports: `seq` 1, 2, 3… without a gap, each naming the one before.
//!
//! A hole, a fork or a stale number is an alarm for auditors, never a refusal: messages may overtake each other.

use super::lookup;
use super::rows::{ChainRow, LookupKey};
use crate::admit::screen::Link;
use crate::event::Time;
use crate::limits::CHAIN_FORKS_MAX;
use crate::sign::ChainState;

/// Lookup key under which [`fingerprint`] of the JWS with that `seq` is kept: it tells a redelivery from a fork.
#[must_use]
pub fn seq_key(link: &Link) -> LookupKey {
    lookup::key("seq", &[link.key.as_bytes(), &link.seq.to_be_bytes()])
}

/// First 8 bytes of the JWS's SHA-256.
#[must_use]
pub fn fingerprint(link: &Link) -> u64 {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&link.jws[..8]);
    u64::from_be_bytes(bytes)
}

/// The chain after a validly signed entry. `known` is the fingerprint kept for that `seq`, if it was seen before.
#[must_use]
pub fn follow(row: ChainRow, link: &Link, known: Option<u64>, index: u64, recorded: Time) -> ChainRow {
    let mut row = row;
    match known {
        Some(known) if known == fingerprint(link) => return row,
        Some(_) => {
            if row.forks.len() < CHAIN_FORKS_MAX {
                row.forks.push(index);
            }
            return row;
        }
        None => {}
    }
    let ChainRow { seq, last, holes, forks } = row;
    let mut chain = ChainState { seq, last, holes, forks };
    chain.advance(link.seq, link.prev, link.jws, index, recorded);
    ChainRow { seq: chain.seq, last: chain.last, holes: chain.holes, forks: chain.forks }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(seq: u64, jws: u8, prev: Option<u8>) -> Link {
        let (prev, reported) = (prev.map(|byte| [byte; 32]), Time::from_ns(0));
        Link { key: "U".to_owned(), seq, prev, jws: [jws; 32], reported, seen: None }
    }

    fn run(links: &[Link]) -> ChainRow {
        let mut row = ChainRow::default();
        let mut seen = std::collections::HashMap::new();
        for (index, link) in links.iter().enumerate() {
            let known = seen.get(&seq_key(link)).copied();
            row = follow(row, link, known, index as u64, Time::from_ns(index as i64));
            seen.entry(seq_key(link)).or_insert_with(|| fingerprint(link));
        }
        row
    }

    #[test]
    fn gapless_chain_has_no_marks() {
        let row = run(&[link(1, 1, None), link(2, 2, Some(1)), link(2, 2, Some(1)), link(3, 3, Some(2))]);
        assert_eq!((row.seq, row.holes.len(), row.forks.len()), (3, 0, 0));
    }

    #[test]
    fn holes_fill_and_forks_stay() {
        let row = run(&[link(1, 1, None), link(5, 5, Some(4)), link(3, 3, Some(2))]);
        assert_eq!(row.holes.iter().map(|hole| (hole.0, hole.1)).collect::<Vec<_>>(), [(2, 2), (4, 4)]);
        let row = run(&[link(1, 1, None), link(2, 2, Some(1)), link(2, 9, Some(1)), link(3, 3, Some(9))]);
        assert_eq!(row.forks, [2, 3]);
    }
}
