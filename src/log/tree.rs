//! Proofs over the RFC 6962 tree: computed from whoever holds the hashes, verified from nothing but numbers and hashes.
//!
//! Sizes stay under 2^40, so no sum overflows and no recursion is deeper than 40.

use super::frontier::join;
use crate::limits::LOG_SIZE_MAX;
use crate::sign::hex;

/// Whoever holds hashes of a tree.
pub trait Hashes {
    /// Why a hash cannot be given.
    type Fault;

    /// Root of the perfect subtree of `1 << height` leaves that begins at leaf `index << height`.
    ///
    /// # Errors
    /// It is not there, or damaged.
    fn subtree(&mut self, height: u8, index: u64) -> Result<[u8; 32], Self::Fault>;
}

/// Why a proof does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProofFault {
    /// Numbers that cannot be.
    #[error("entry {index} cannot stand in a log of {size} entries")]
    Range {
        /// Index, or older size.
        index: u64,
        /// Size.
        size: u64,
    },
    /// Too few or too many hashes.
    #[error("the proof has {0} hashes, which does not fit the log's size")]
    Length(usize),
    /// Another root.
    #[error("the proof leads to another root than the checkpoint's")]
    Root,
}

/// The largest power of two below `size`, which is at least 2.
const fn split(size: u64) -> u64 {
    1 << (63 - (size - 1).leading_zeros())
}

/// Root over leaves `start..end`; `start` is a multiple of the largest power of two below their number.
fn range<H: Hashes>(hashes: &mut H, start: u64, end: u64) -> Result<[u8; 32], H::Fault> {
    let size = end - start;
    if size.is_power_of_two() {
        let height = size.trailing_zeros();
        return hashes.subtree(height as u8, start >> height);
    }
    let middle = start + split(size);
    let left = range(hashes, start, middle)?;
    Ok(join(&left, &range(hashes, middle, end)?))
}

/// Root of the first `size` leaves.
///
/// # Errors
/// A hash is not there.
pub fn root<H: Hashes>(hashes: &mut H, size: u64) -> Result<[u8; 32], H::Fault> {
    if size == 0 { Ok(hex::sha256(b"")) } else { range(hashes, 0, size) }
}

/// The audit path of leaf `index` among the first `size`, from its sibling upwards (RFC 6962, section 2.1.1). `index` must be
/// below `size`.
///
/// # Errors
/// A hash is not there.
pub fn inclusion<H: Hashes>(hashes: &mut H, index: u64, size: u64) -> Result<Vec<[u8; 32]>, H::Fault> {
    let (mut start, mut end, mut path) = (0, size, Vec::new());
    // From the root down; the path is told from the leaf up.
    while end - start > 1 {
        let middle = start + split(end - start);
        if index < middle {
            path.push(range(hashes, middle, end)?);
            end = middle;
        } else {
            path.push(range(hashes, start, middle)?);
            start = middle;
        }
    }
    path.reverse();
    Ok(path)
}

/// The proof that the first `old` leaves of the first `size` are what they were (RFC 6962, section 2.1.2). `old` must not be
/// over `size`; between 0 or `size` and `size` the proof is empty.
///
/// # Errors
/// A hash is not there.
pub fn consistency<H: Hashes>(hashes: &mut H, old: u64, size: u64) -> Result<Vec<[u8; 32]>, H::Fault> {
    if old == 0 || old == size {
        return Ok(Vec::new());
    }
    let (mut start, mut end, mut path) = (0, size, Vec::new());
    while old != end {
        let middle = start + split(end - start);
        if old <= middle {
            path.push(range(hashes, middle, end)?);
            end = middle;
        } else {
            path.push(range(hashes, start, middle)?);
            start = middle;
        }
    }
    // What is left is a subtree that ends at the old size. Where it begins at 0 the verifier has it: the old root.
    if start > 0 {
        path.push(range(hashes, start, end)?);
    }
    path.reverse();
    Ok(path)
}

/// The root that an audit path leads to.
///
/// # Errors
/// [`ProofFault::Range`], [`ProofFault::Length`].
pub fn root_of_inclusion(leaf: [u8; 32], index: u64, size: u64, proof: &[[u8; 32]]) -> Result<[u8; 32], ProofFault> {
    if index >= size || size > LOG_SIZE_MAX {
        return Err(ProofFault::Range { index, size });
    }
    let (mut node, mut place, mut last) = (leaf, index, size - 1);
    for hash in proof {
        if last == 0 {
            return Err(ProofFault::Length(proof.len()));
        }
        if place & 1 == 1 || place == last {
            node = join(hash, &node);
            // A last node without sibling rises until it has one.
            while place & 1 == 0 && place != 0 {
                (place, last) = (place >> 1, last >> 1);
            }
        } else {
            node = join(&node, hash);
        }
        (place, last) = (place >> 1, last >> 1);
    }
    if last == 0 { Ok(node) } else { Err(ProofFault::Length(proof.len())) }
}

/// Whether a leaf stands at `index` of the tree with this size and root.
///
/// # Errors
/// [`ProofFault`].
pub fn verify_inclusion(
    leaf: [u8; 32],
    index: u64,
    size: u64,
    root: [u8; 32],
    proof: &[[u8; 32]],
) -> Result<(), ProofFault> {
    if root_of_inclusion(leaf, index, size, proof)? == root { Ok(()) } else { Err(ProofFault::Root) }
}

/// Whether the tree (`size`, `root`) continues the tree (`old`, `old_root`).
///
/// # Errors
/// [`ProofFault`].
pub fn verify_consistency(
    (old, old_root): (u64, [u8; 32]),
    (size, root): (u64, [u8; 32]),
    proof: &[[u8; 32]],
) -> Result<(), ProofFault> {
    if old > size || size > LOG_SIZE_MAX {
        return Err(ProofFault::Range { index: old, size });
    }
    let length = Err(ProofFault::Length(proof.len()));
    if old == 0 || old == size {
        let expected = if old == 0 { hex::sha256(b"") } else { root };
        return match proof {
            [] if old_root == expected => Ok(()),
            [] => Err(ProofFault::Root),
            _ => length,
        };
    }
    let own = old.is_power_of_two().then_some(old_root);
    let mut path = own.iter().chain(proof);
    let Some(first) = path.next() else { return length };
    let (mut before, mut after) = (*first, *first);
    let shift = (old - 1).trailing_ones();
    let (mut place, mut last) = ((old - 1) >> shift, (size - 1) >> shift);
    for hash in path {
        if last == 0 {
            return length;
        }
        if place & 1 == 1 || place == last {
            (before, after) = (join(hash, &before), join(hash, &after));
            while place & 1 == 0 && place != 0 {
                (place, last) = (place >> 1, last >> 1);
            }
        } else {
            after = join(&after, hash);
        }
        (place, last) = (place >> 1, last >> 1);
    }
    match last {
        0 if before == old_root && after == root => Ok(()),
        0 => Err(ProofFault::Root),
        _ => length,
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;
    use crate::log::entry::leaf_hash;
    use crate::log::samples::tree_hash;

    struct Naive(Vec<[u8; 32]>);

    /// PATH of section 2.1.1, word for word.
    fn path(index: usize, leaves: &[[u8; 32]]) -> Vec<[u8; 32]> {
        if leaves.len() == 1 {
            return Vec::new();
        }
        let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
        let (mut rest, own) = match index.checked_sub(left.len()) {
            None => (path(index, left), tree_hash(right)),
            Some(index) => (path(index, right), tree_hash(left)),
        };
        rest.push(own);
        rest
    }

    /// SUBPROOF of section 2.1.2, word for word.
    fn subproof(old: usize, leaves: &[[u8; 32]], whole: bool) -> Vec<[u8; 32]> {
        if old == leaves.len() {
            return if whole { Vec::new() } else { vec![tree_hash(leaves)] };
        }
        let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
        let (mut rest, own) = match old.checked_sub(left.len()) {
            None | Some(0) => (subproof(old, left, whole), tree_hash(right)),
            Some(old) => (subproof(old, right, false), tree_hash(left)),
        };
        rest.push(own);
        rest
    }

    impl Hashes for Naive {
        type Fault = Infallible;

        fn subtree(&mut self, height: u8, index: u64) -> Result<[u8; 32], Infallible> {
            let start = (index << height) as usize;
            Ok(tree_hash(&self.0[start..start + (1 << height)]))
        }
    }

    fn leaves(count: u64) -> Naive {
        Naive((0..count).map(|leaf| leaf_hash(&leaf.to_le_bytes())).collect())
    }

    #[test]
    fn proofs_of_all_sizes_equal_the_definition() {
        let mut tree = leaves(300);
        for size in 1..=300_u64 {
            let known = tree.0[..size as usize].to_vec();
            let top = tree_hash(&known);
            assert_eq!(root(&mut tree, size).unwrap(), top);
            // Every index up to 40, then those at the edges.
            let places =
                (0..size).filter(|place| size <= 40 || *place < 3 || *place + 9 > size || place.is_power_of_two());
            for place in places {
                let proof = inclusion(&mut tree, place, size).unwrap();
                assert_eq!(proof, path(place as usize, &known), "{place} of {size}");
                verify_inclusion(known[place as usize], place, size, top, &proof).unwrap();
                let proof = consistency(&mut tree, place, size).unwrap();
                let expected = if place == 0 { Vec::new() } else { subproof(place as usize, &known, true) };
                assert_eq!(proof, expected, "{place} to {size}");
                let old_root = tree_hash(&known[..place as usize]);
                verify_consistency((place, old_root), (size, top), &proof).unwrap();
            }
            verify_consistency((size, top), (size, top), &[]).unwrap();
        }
        assert_eq!(root(&mut tree, 0).unwrap(), hex::sha256(b""));
    }

    #[test]
    fn every_change_of_a_proof_is_refused() {
        let mut tree = leaves(70);
        for size in [1_u64, 2, 3, 7, 8, 33, 70] {
            let top = root(&mut tree, size).unwrap();
            for place in 0..size {
                let proof = inclusion(&mut tree, place, size).unwrap();
                let leaf = tree.0[place as usize];
                let holds = |leaf, place, size, proof: &[_]| verify_inclusion(leaf, place, size, top, proof).is_ok();
                let others = (0..size + 2).filter(|other| *other != place);
                assert!(others.into_iter().all(|other| !holds(leaf, other, size, &proof)), "{place} of {size}");
                for at in 0..proof.len() {
                    let mut bad = proof.clone();
                    bad[at][7] ^= 1;
                    assert!(!holds(leaf, place, size, &bad));
                    bad.remove(at);
                    assert!(!holds(leaf, place, size, &bad));
                }
                assert!(!holds(leaf, place, size, &[&proof[..], &[top]].concat()));
                let old_root = root(&mut tree, place).unwrap();
                let proof = consistency(&mut tree, place, size).unwrap();
                let holds = |proof: &[_]| verify_consistency((place, old_root), (size, top), proof).is_ok();
                for at in 0..proof.len() {
                    let mut bad = proof.clone();
                    bad[at][7] ^= 1;
                    assert!(!holds(&bad));
                    bad.remove(at);
                    assert!(!holds(&bad), "{place} to {size}");
                }
                assert!(!holds(&[&proof[..], &[top]].concat()));
                assert!(verify_consistency((place, [1; 32]), (size, top), &proof).is_err());
                assert!(verify_consistency((place, old_root), (size, [1; 32]), &proof).is_err() || place == 0);
            }
        }
        assert!(verify_inclusion([0; 32], 0, LOG_SIZE_MAX + 1, [0; 32], &[]).is_err());
        assert!(verify_consistency((2, [0; 32]), (1, [0; 32]), &[]).is_err());
        assert!(verify_consistency((2, [0; 32]), (u64::MAX, [0; 32]), &[[0; 32]]).is_err());
    }
}
