//! Forks: that one key signed two trees, provable offline with that key alone.
//!
//! ```text
//! jindo-fork/v1
//! root <base64>          where the second tree is shorter: the first tree's root at that size
//! <base64 of a hash>     and the RFC 6962 proof from it to the first tree
//!
//! <checkpoint, a signed note>
//!
//! <checkpoint, a signed note>
//! ```
//! Nothing in it is trusted: both notes must be signed by the log's key, and the proof must show that the first tree had another
//! root at the second one's size. Whoever holds such a file needs nobody's word.

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::checkpoint::{Checkpoint, CheckpointFault, Head, hash};
use super::folder::{FolderFault, LogFolder};
use super::keyring::LogKeys;
use super::note::{Note, VerifierKey};
use super::policy::Policy;
use super::receipt::{ReceiptFault, keys_for};
use super::tree::{self, ProofFault};
use crate::limits::FORK_BYTES_MAX;
use crate::sign::hex;

/// First line of the file.
pub const MAGIC: &str = "jindo-fork/v1";

/// Why a text proves no fork.
#[derive(Debug, thiserror::Error)]
pub enum ForkFault {
    /// Not such a file.
    #[error("this is no evidence of a fork: {0}")]
    Malformed(&'static str),
    /// A checkpoint in it.
    #[error("{which} checkpoint: {fault}")]
    Checkpoint {
        /// Which of the two.
        which: &'static str,
        /// Why not.
        fault: CheckpointFault,
    },
    /// No key to verify with, or a log that the policy does not list.
    #[error(transparent)]
    Key(ReceiptFault),
    /// The proof.
    #[error(transparent)]
    Proof(#[from] ProofFault),
    /// The folder it is made from.
    #[error(transparent)]
    Folder(#[from] FolderFault),
    /// The second tree is longer: then nothing is proven by the first.
    #[error(
        "the second checkpoint is of {second} entries, the first of {first}: only the longer one can prove what it held before"
    )]
    Longer {
        /// Entries of the first.
        first: u64,
        /// Entries of the second.
        second: u64,
    },
    /// No fork.
    #[error("both checkpoints are of one and the same tree: there is no fork")]
    Same,
}

/// Evidence of a fork; nothing about it is verified yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fork {
    /// The checkpoint of the longer tree, or of either.
    pub first: String,
    /// The other one.
    pub second: String,
    /// Where it is shorter: the first tree's root at its size, and the proof that it was.
    pub shown: Option<([u8; 32], Vec<[u8; 32]>)>,
}

/// What it proves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forked {
    /// The log.
    pub origin: String,
    /// The first tree.
    pub first: Head,
    /// The other one.
    pub second: Head,
    /// What the first tree's root was at the second one's size.
    pub root: [u8; 32],
    /// Witnesses of the policy that cosigned: name, which of the two trees, time in seconds since 1970.
    pub witnesses: Vec<(String, Head, u64)>,
}

impl Fork {
    /// Makes the evidence from a log folder, its own signed checkpoint and another that the log's key signed. `None` where that
    /// one is of the same tree. It is verified before it is given.
    ///
    /// # Errors
    /// [`ForkFault`].
    pub fn make(folder: &LogFolder, keys: &LogKeys, own: &str, other: &str) -> Result<Option<Self>, ForkFault> {
        let open = |note: &str| keys.open(note);
        let (first, second) = (opened("the first", own, open)?.head, opened("the second", other, open)?.head);
        let shown = if first.size > second.size {
            let mut tree = folder.tree(first.size);
            let root = tree::root(&mut tree, second.size)?;
            Some((root, tree::consistency(&mut tree, second.size, first.size)?))
        } else {
            None
        };
        let fork = Fork { first: own.to_owned(), second: other.to_owned(), shown };
        match fork.verify_by(keys) {
            Ok(_) => Ok(Some(fork)),
            Err(ForkFault::Same) => Ok(None),
            Err(fault) => Err(fault),
        }
    }

    /// A name for it: one for each second tree.
    ///
    /// # Errors
    /// [`CheckpointFault`].
    pub fn name(&self) -> Result<String, CheckpointFault> {
        let head = Checkpoint::parse(Note::parse(&self.second)?.text)?.head;
        Ok(format!("{}-{}", head.size, hex::encode(&head.root)))
    }

    /// Whether [`Fork::name`] could give this name.
    #[must_use]
    pub fn is_name(name: &str) -> bool {
        let is =
            |(size, root): (&str, &str)| super::checkpoint::decimal(size).is_some() && hex::decode32(root).is_some();
        name.split_once('-').is_some_and(is)
    }

    /// As text.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = format!("{MAGIC}\n");
        if let Some((root, proof)) = &self.shown {
            text.push_str(&format!("root {}\n", STANDARD.encode(root)));
            proof.iter().for_each(|hash| text.push_str(&format!("{}\n", STANDARD.encode(hash))));
        }
        format!("{text}\n{}\n{}", self.first, self.second)
    }

    /// Whether a text begins as such a file does.
    #[must_use]
    pub fn is_one(text: &str) -> bool {
        text.strip_prefix(MAGIC).is_some_and(|rest| rest.starts_with('\n'))
    }

    /// Reads such a file.
    ///
    /// # Errors
    /// [`ForkFault::Malformed`].
    pub fn parse(text: &str) -> Result<Self, ForkFault> {
        let fault = ForkFault::Malformed;
        if text.len() > FORK_BYTES_MAX {
            return Err(fault("it is longer than 192 KiB"));
        }
        let rest = text.strip_prefix(MAGIC).and_then(|rest| rest.strip_prefix('\n'));
        let rest = rest.ok_or(fault("its first line is not 'jindo-fork/v1'"))?;
        let (shown, notes) = match rest.strip_prefix('\n') {
            Some(notes) => (None, notes),
            None => {
                let (head, notes) =
                    rest.split_once("\n\n").ok_or(fault("there is no blank line before the checkpoints"))?;
                let mut lines = head.split('\n');
                let root = lines.next().and_then(|line| hash(line.strip_prefix("root ")?));
                let root = root.ok_or(fault("its second line is not 'root' with a hash in base64"))?;
                let proof = lines.map(hash).collect::<Option<Vec<_>>>();
                (Some((root, proof.ok_or(fault("a line of the proof is no hash in base64"))?)), notes)
            }
        };
        // Each note holds one blank line, and one parts the two.
        let ends = notes.match_indices("\n\n").nth(1).map(|(at, _)| at);
        let (first, second) = notes.split_at(ends.ok_or(fault("it does not hold two checkpoints"))? + 1);
        let fork = Fork { first: first.to_owned(), second: second[1..].to_owned(), shown };
        if fork.text() == text { Ok(fork) } else { Err(fault("it is not written in its one form")) }
    }

    /// Verifies everything, offline: both signatures by the log's key, the proof, and that the trees differ. Cosignatures by
    /// witnesses of the policy must be right where there are any; how many is no matter.
    ///
    /// `key` is the log's; without it the logs of the policy count.
    ///
    /// # Errors
    /// [`ForkFault`].
    pub fn verify(&self, key: Option<&VerifierKey>, policy: Option<&Policy>) -> Result<Forked, ForkFault> {
        let named = |fault| ForkFault::Checkpoint { which: "the first", fault };
        let note = Note::parse(&self.first).map_err(|fault| named(fault.into()))?;
        let origin = Checkpoint::parse(note.text).map_err(named)?.origin;
        let keys = keys_for(origin, key, policy).map_err(ForkFault::Key)?;
        self.verify_with(|note| Checkpoint::open_by(note, &keys), policy)
    }

    /// Verifies it under the keys of a log, each for its sizes.
    ///
    /// # Errors
    /// [`ForkFault`].
    pub fn verify_by(&self, keys: &LogKeys) -> Result<Forked, ForkFault> {
        self.verify_with(|note| keys.open(note), None)
    }

    fn verify_with(
        &self,
        open: impl Fn(&str) -> Result<Checkpoint, CheckpointFault>,
        policy: Option<&Policy>,
    ) -> Result<Forked, ForkFault> {
        let checkpoint = opened("the first", &self.first, &open)?;
        let (first, second) = (checkpoint.head, opened("the second", &self.second, &open)?.head);
        if second.size > first.size {
            return Err(ForkFault::Longer { first: first.size, second: second.size });
        }
        let root = match (&self.shown, first.size == second.size) {
            (None, true) => first.root,
            (Some((root, proof)), false) => {
                tree::verify_consistency((second.size, *root), (first.size, first.root), proof)?;
                *root
            }
            (Some(_), true) => return Err(ForkFault::Malformed("it has a proof, and both trees are of one size")),
            (None, false) => return Err(ForkFault::Malformed("it has no proof, and the trees are of two sizes")),
        };
        if root == second.root {
            return Err(ForkFault::Same);
        }
        let mut witnesses = Vec::new();
        for (which, note, head) in [("the first", &self.first, first), ("the second", &self.second, second)] {
            let fault = |fault| ForkFault::Checkpoint { which, fault: CheckpointFault::from(fault) };
            let note = Note::parse(note).map_err(fault)?;
            for (witness, time) in
                policy.map(|policy| policy.cosigned(&note)).transpose().map_err(fault)?.unwrap_or_default()
            {
                witnesses.push((witness.key.name().to_owned(), head, time));
            }
        }
        Ok(Forked { origin: checkpoint.origin, first, second, root, witnesses })
    }
}

fn opened(
    which: &'static str,
    note: &str,
    open: impl Fn(&str) -> Result<Checkpoint, CheckpointFault>,
) -> Result<Checkpoint, ForkFault> {
    open(note).map_err(|fault| ForkFault::Checkpoint { which, fault })
}

#[cfg(test)]
#[path = "fork_tests.rs"]
mod tests;
