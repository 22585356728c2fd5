//! The chain of one key: `seq` 1, 2, 3… without a gap, each naming the one before by hash. Followed by every entry with a
//! valid signature, refused ones too.
//!
//! Pure. A hole, fork or stale number is an alarm for auditors, never a refusal: messages overtake each other. Of the past
//! only the newest hash is kept, so an older number that comes again is [`Step::Stale`], and an auditor with the log at hand
//! says whether it was the same report.

use crate::{
    event::Time,
    limits::{CHAIN_FORKS_MAX, CHAIN_HOLES_MAX},
};

/// How far a key's chain is followed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ChainState {
    /// Highest `seq` so far.
    pub seq: u64,
    /// SHA-256 of the JWS with that `seq` (the first that came).
    pub last: [u8; 32],
    /// Missing `seq` ranges in order: first, last, `recorded` of the entry that showed the hole. At most [`CHAIN_HOLES_MAX`]:
    /// beyond, the last range reaches over all that is missing.
    pub holes: Vec<(u64, u64, Time)>,
    /// Indexes of entries that fork the chain: the first [`CHAIN_FORKS_MAX`].
    pub forks: Vec<u64>,
}

/// What one signature does to the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The next one, naming the one before.
    Next,
    /// The newest one again, byte for byte: benign.
    Redelivery,
    /// Later than the next: these numbers are missing.
    Hole {
        /// First missing.
        from: u64,
        /// Last missing.
        to: u64,
    },
    /// One that was missing.
    Fill,
    /// Another JWS with the newest number: the key signed twice.
    Fork,
    /// The next number, but it names another predecessor than the one here: the key signed that number twice.
    BadPrev,
    /// An older number that was here already.
    Stale,
}

impl ChainState {
    /// Takes the next verified signature of this key, in log order.
    pub fn advance(
        &mut self,
        seq: u64,
        prev: Option<[u8; 32]>,
        jws_sha256: [u8; 32],
        index: u64,
        recorded: Time,
    ) -> Step {
        if seq <= self.seq {
            return self.look_back(seq, jws_sha256, index);
        }
        let (before, last) = (self.seq, self.last);
        (self.seq, self.last) = (seq, jws_sha256);
        if seq - before > 1 {
            let (from, to) = (before + 1, seq - 1);
            let full = self.holes_full();
            match self.holes.last_mut() {
                Some(hole) if full => hole.1 = to,
                _ => self.holes.push((from, to, recorded)),
            }
            return Step::Hole { from, to };
        }
        if prev == (before > 0).then_some(last) {
            return Step::Next;
        }
        self.fork(index);
        Step::BadPrev
    }

    fn holes_full(&self) -> bool {
        self.holes.len() >= CHAIN_HOLES_MAX
    }

    fn look_back(&mut self, seq: u64, jws_sha256: [u8; 32], index: u64) -> Step {
        if let Some(at) = self.holes.iter().position(|(from, to, _)| (*from..=*to).contains(&seq)) {
            self.fill(at, seq);
            return Step::Fill;
        }
        match (seq == self.seq, jws_sha256 == self.last) {
            (false, _) => Step::Stale,
            (true, true) => Step::Redelivery,
            (true, false) => {
                self.fork(index);
                Step::Fork
            }
        }
    }

    fn fork(&mut self, index: u64) {
        if self.forks.len() < CHAIN_FORKS_MAX {
            self.forks.push(index);
        }
    }

    /// Takes one number out of a hole. Where a full list cannot take the second half, the hole stays whole: a number too
    /// many is missing rather than one too few.
    fn fill(&mut self, at: usize, seq: u64) {
        let (from, to, recorded) = self.holes[at];
        match (from == seq, to == seq) {
            (true, true) => drop(self.holes.remove(at)),
            (true, false) => self.holes[at].0 = seq + 1,
            (false, true) => self.holes[at].1 = seq - 1,
            (false, false) if self.holes_full() => {}
            (false, false) => {
                self.holes[at].1 = seq - 1;
                self.holes.insert(at + 1, (seq + 1, to, recorded));
            }
        }
    }

    /// Missing numbers.
    #[must_use]
    pub fn missing(&self) -> u64 {
        self.holes.iter().map(|(from, to, _)| to - from + 1).fold(0, u64::saturating_add)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::limits::CLAIM_NUMBER_MAX;

    /// Hash of an honest key's JWS number `seq`; none before the first.
    fn hash(seq: u64) -> [u8; 32] {
        crate::sign::hex::sha256(&seq.to_le_bytes())
    }

    fn honest(chain: &mut ChainState, seq: u64, index: u64) -> Step {
        let prev = (seq > 1).then(|| hash(seq - 1));
        chain.advance(seq, prev, hash(seq), index, Time::from_ns(index as i64))
    }

    #[test]
    fn steps() {
        let mut chain = ChainState::default();
        for (seq, step) in [
            (1, Step::Next),
            (2, Step::Next),
            (2, Step::Redelivery),
            (1, Step::Stale),
            (6, Step::Hole { from: 3, to: 5 }),
            (4, Step::Fill),
            (4, Step::Stale),
            (7, Step::Next),
            (5, Step::Fill),
            (3, Step::Fill),
            (7, Step::Redelivery),
        ] {
            assert_eq!(honest(&mut chain, seq, 9), step, "{seq}");
        }
        assert_eq!(chain, ChainState { seq: 7, last: hash(7), ..ChainState::default() });
    }

    #[test]
    fn a_key_that_signs_twice_is_seen() {
        let time = Time::from_ns(0);
        let mut chain = ChainState::default();
        assert_eq!(chain.advance(1, Some([0; 32]), hash(1), 10, time), Step::BadPrev);
        assert_eq!(chain.advance(1, None, [9; 32], 11, time), Step::Fork);
        assert_eq!(chain.advance(2, Some([9; 32]), hash(2), 12, time), Step::BadPrev);
        assert_eq!(chain.advance(3, None, hash(3), 13, time), Step::BadPrev);
        assert_eq!(chain.forks, vec![10, 11, 12, 13]);
        assert_eq!(honest(&mut chain, 4, 14), Step::Next);
    }

    #[test]
    fn a_first_number_that_is_not_one_is_a_hole() {
        let mut chain = ChainState::default();
        assert_eq!(honest(&mut chain, 3, 5), Step::Hole { from: 1, to: 2 });
        assert_eq!(chain.holes, vec![(1, 2, Time::from_ns(5))]);
    }

    #[test]
    fn a_hostile_key_stays_small() {
        let mut chain = ChainState::default();
        for step in 1..1_000 {
            honest(&mut chain, step * 4, step);
            chain.advance(step * 4, None, [1; 32], step, Time::from_ns(0));
            honest(&mut chain, step * 4 - 2, step);
        }
        assert_eq!((chain.holes.len(), chain.forks.len()), (CHAIN_HOLES_MAX, CHAIN_FORKS_MAX));
        assert!(chain.missing() >= 1_998);
        honest(&mut chain, CLAIM_NUMBER_MAX, 0);
        assert_eq!(chain.holes.last().unwrap().1, CLAIM_NUMBER_MAX - 1);
    }

    proptest! {
        /// Whatever order and repetition an honest key's reports arrive in: never a fork, and exactly what has not come is
        /// missing.
        #[test]
        fn an_honest_key_is_never_accused(order in prop::collection::vec(1_u64..40, 0..120)) {
            let mut chain = ChainState::default();
            let mut come = BTreeSet::new();
            for (index, seq) in order.into_iter().enumerate() {
                let step = honest(&mut chain, seq, index as u64);
                prop_assert!(!matches!(step, Step::Fork | Step::BadPrev), "{seq}: {step:?}");
                prop_assert_eq!(come.insert(seq), matches!(step, Step::Next | Step::Hole { .. } | Step::Fill));
                let highest = come.last().copied().unwrap_or(0);
                prop_assert_eq!(chain.seq, highest);
                let missing: Vec<u64> = (1..highest).filter(|seq| !come.contains(seq)).collect();
                let held: Vec<u64> = chain.holes.iter().flat_map(|(from, to, _)| *from..=*to).collect();
                prop_assert_eq!(held, missing);
            }
        }

        /// In order, the first difference between two versions of a history is always seen.
        #[test]
        fn a_second_version_is_seen(at in 2_u64..20, length in 20_u64..30) {
            let mut chain = ChainState::default();
            for seq in 1..=length {
                // The key signs `at` again and sends only the second version, its successor names the first.
                let own = if seq == at { [1; 32] } else { hash(seq) };
                chain.advance(seq, (seq > 1).then(|| hash(seq - 1)), own, seq, Time::from_ns(0));
            }
            prop_assert_eq!(chain.forks, vec![at + 1]);
        }
    }
}
