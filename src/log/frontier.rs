//! The right edge of the log's RFC 6962 tree: enough to add leaves and know the root, in 32 bytes per level.
//!
//! It never sees entries, only their hashes ([`super::entry::leaf_hash`]), and keeps no proof.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::tree::Hashes;

/// Roots of the perfect subtrees that make up a tree of `size` leaves, largest first: one per bit set in `size`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "Vec<u8>", into = "Vec<u8>")]
pub struct Frontier {
    size: u64,
    subtrees: Vec<[u8; 32]>,
}

/// Why bytes are no frontier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} bytes are no tree frontier: rebuild it from the log")]
pub struct FrontierFault(usize);

impl Frontier {
    /// Leaves so far.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Of the first `size` leaves of a tree whose hashes are at hand.
    ///
    /// # Errors
    /// A hash is not there.
    pub fn of<H: Hashes>(hashes: &mut H, size: u64) -> Result<Self, H::Fault> {
        let (mut subtrees, mut start) = (Vec::new(), 0);
        for height in (0..64).rev().filter(|height| size >> height & 1 == 1) {
            subtrees.push(hashes.subtree(height, start >> height)?);
            start += 1 << height;
        }
        Ok(Frontier { size, subtrees })
    }

    /// Adds the hash of the next leaf.
    pub fn push(&mut self, leaf_hash: [u8; 32]) {
        let mut node = leaf_hash;
        // Every trailing one bit of the old size is a subtree of the new node's size: they join.
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.subtrees.pop() {
                node = join(&left, &node);
            }
        }
        self.subtrees.push(node);
        self.size += 1;
    }

    /// Root of the tree; of an empty one the SHA-256 of nothing.
    #[must_use]
    pub fn root(&self) -> [u8; 32] {
        let joined = self.subtrees.iter().rev().copied().reduce(|right, left| join(&left, &right));
        joined.unwrap_or_else(|| Sha256::digest([]).into())
    }

    /// Size (8 bytes, little-endian) and the subtree roots, largest first.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.size.to_le_bytes().to_vec();
        bytes.extend(self.subtrees.iter().flatten());
        bytes
    }

    /// The inverse of [`Frontier::to_bytes`].
    ///
    /// # Errors
    /// [`FrontierFault`] for a length that the size does not imply.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, FrontierFault> {
        let fault = FrontierFault(bytes.len());
        let (size, roots) = bytes.split_first_chunk::<8>().ok_or(fault)?;
        let size = u64::from_le_bytes(*size);
        let (subtrees, rest) = roots.as_chunks::<32>();
        if !rest.is_empty() || subtrees.len() != size.count_ones() as usize {
            return Err(fault);
        }
        Ok(Frontier { size, subtrees: subtrees.to_vec() })
    }
}

impl From<Frontier> for Vec<u8> {
    fn from(frontier: Frontier) -> Self {
        frontier.to_bytes()
    }
}

impl TryFrom<Vec<u8>> for Frontier {
    type Error = FrontierFault;

    fn try_from(bytes: Vec<u8>) -> Result<Self, FrontierFault> {
        Self::from_bytes(&bytes)
    }
}

/// RFC 6962 hash of an inner node: SHA-256 over 0x01, left and right.
#[must_use]
pub fn join(left: &[u8; 32], right: &[u8; 32]) -> [u8; 32] {
    Sha256::new_with_prefix([1]).chain_update(left).chain_update(right).finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::{entry::leaf_hash, samples::tree_hash};
    use crate::sign::hex;

    #[test]
    fn roots_of_the_known_vectors() {
        // Leaves and roots of the test vectors that Certificate Transparency implementations share.
        let leaves: [&[u8]; 8] = [
            b"",
            b"\x00",
            b"\x10",
            b"\x20\x21",
            b"\x30\x31",
            b"\x40\x41\x42\x43",
            b"\x50\x51\x52\x53\x54\x55\x56\x57",
            b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
        ];
        let mut frontier = Frontier::default();
        assert_eq!(frontier.root(), hex::sha256(b""));
        leaves.iter().for_each(|leaf| frontier.push(leaf_hash(leaf)));
        assert_eq!(hex::encode(&frontier.root()), "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328");
    }

    #[test]
    fn equals_the_definition_and_survives_bytes() {
        let leaves: Vec<[u8; 32]> = (0..200_u64).map(|leaf| leaf_hash(&leaf.to_le_bytes())).collect();
        let mut frontier = Frontier::default();
        for size in 0..leaves.len() {
            assert_eq!(frontier.root(), tree_hash(&leaves[..size]), "{size}");
            let bytes = frontier.to_bytes();
            assert_eq!(Frontier::from_bytes(&bytes).unwrap(), frontier);
            assert!(Frontier::from_bytes(&bytes[1..]).is_err());
            assert!(Frontier::from_bytes(&[&bytes[..], &[0; 32]].concat()).is_err());
            let packed = postcard::to_stdvec(&frontier).unwrap();
            assert_eq!(postcard::from_bytes::<Frontier>(&packed).unwrap(), frontier);
            frontier.push(leaves[size]);
        }
        assert_eq!(frontier.size(), 200);
    }
}
