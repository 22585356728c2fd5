//! Receipts (C2SP tlog-proof): that one entry is in the log, provable offline with the log's key alone.
//!
//! ```text
//! c2sp.org/tlog-proof@v1
//! extra <base64 of the entry>
//! index 41
//! <base64 of a hash>            from the leaf's sibling up
//!
//! <checkpoint, a signed note>
//! ```
//! The entry travels along, so a receipt shows what was recorded, with its verdict. Nothing of it is trusted before it is
//! hashed into the checkpoint's root.

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::checkpoint::{Checkpoint, CheckpointFault, decimal, hash};
use super::entry::{Entry, EntryFault, leaf_hash};
use super::folder::{FolderFault, LogFolder};
use super::note::{Note, VerifierKey};
use super::policy::Policy;
use super::tree::{self, ProofFault};
use crate::limits::RECEIPT_BYTES_MAX;

const MAGIC: &str = "c2sp.org/tlog-proof@v1";

/// Why there is no receipt, or why one does not hold.
#[derive(Debug, thiserror::Error)]
pub enum ReceiptFault {
    /// Not in a published checkpoint yet.
    #[error("entry {index} is in no published checkpoint yet, the newest covers {size}: ask again shortly")]
    NotYet {
        /// Entry.
        index: u64,
        /// Covered.
        size: u64,
    },
    /// The folder.
    #[error(transparent)]
    Folder(#[from] FolderFault),
    /// Not a receipt.
    #[error("this is no receipt: {0}")]
    Malformed(&'static str),
    /// The checkpoint, or who signed it.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointFault),
    /// The proof.
    #[error(transparent)]
    Proof(#[from] ProofFault),
    /// Texts of it were removed by law, so what is left does not give the leaf.
    #[error(
        "texts of entry {0} were withheld by law: no receipt can be made of it any more. One made before that still holds; what is \
         left of the entry is proven by the two body.withheld entries that name it"
    )]
    Withheld(u64),
    /// The entry in it.
    #[error("what it carries is no entry: {0}")]
    Entry(#[from] EntryFault),
    /// Of another entry.
    #[error("it says index {index}, the entry in it {own}")]
    Index {
        /// In the receipt.
        index: u64,
        /// In the entry.
        own: u64,
    },
    /// No key to verify with.
    #[error("no log key was given: give --vkey, the line of the file log/vkey, or a policy that names the log")]
    NoKey,
    /// The policy lists logs, and this is none of them.
    #[error("the policy does not list the log '{0}'")]
    NotListed(String),
    /// Too few witnesses.
    #[error("the policy asks for more witnesses: cosigned by {0}")]
    Witnesses(String),
}

/// A receipt; nothing about it is verified yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The entry, as it stands in the log.
    pub entry: Vec<u8>,
    /// Its index.
    pub index: u64,
    /// From the leaf's sibling up.
    pub proof: Vec<[u8; 32]>,
    /// The checkpoint, a signed note.
    pub note: String,
}

/// What a receipt proves.
#[derive(Debug, Clone)]
pub struct Proven {
    /// The checkpoint it rests on.
    pub checkpoint: Checkpoint,
    /// The entry.
    pub entry: Entry,
    /// Witnesses that cosigned, with their times in seconds since 1970.
    pub witnesses: Vec<(String, u64)>,
}

impl Receipt {
    /// Makes the receipt of an entry from a log folder. It is held against the checkpoint's root before it is given.
    ///
    /// # Errors
    /// [`ReceiptFault::NotYet`], or a damaged folder.
    pub fn make(folder: &LogFolder, index: u64) -> Result<Self, ReceiptFault> {
        let note = folder.checkpoint()?.ok_or(ReceiptFault::NotYet { index, size: 0 })?;
        let head = Checkpoint::parse(Note::parse(&note).map_err(CheckpointFault::from)?.text)?.head;
        if index >= head.size {
            return Err(ReceiptFault::NotYet { index, size: head.size });
        }
        let entry = folder.entry(index, head.size)?;
        let proof = tree::inclusion(&mut folder.tree(head.size), index, head.size)?;
        if Entry::parse(&entry).is_ok_and(|entry| entry.body.is_withheld()) {
            return Err(ReceiptFault::Withheld(index));
        }
        tree::verify_inclusion(leaf_hash(&entry), index, head.size, head.root, &proof)?;
        Ok(Receipt { entry, index, proof, note })
    }

    /// Size of the checkpoint it rests on, by its own word.
    #[must_use]
    pub fn size(&self) -> Option<u64> {
        Some(Checkpoint::parse(Note::parse(&self.note).ok()?.text).ok()?.head.size)
    }

    /// As text.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = format!("{MAGIC}\nextra {}\nindex {}\n", STANDARD.encode(&self.entry), self.index);
        for hash in &self.proof {
            STANDARD.encode_string(hash, &mut text);
            text.push('\n');
        }
        text.push('\n');
        text.push_str(&self.note);
        text
    }

    /// Reads a receipt.
    ///
    /// # Errors
    /// [`ReceiptFault::Malformed`].
    pub fn parse(text: &str) -> Result<Self, ReceiptFault> {
        let fault = ReceiptFault::Malformed;
        if text.len() > RECEIPT_BYTES_MAX {
            return Err(fault("it is longer than 512 KiB"));
        }
        let rest = text.strip_prefix(MAGIC).and_then(|rest| rest.strip_prefix('\n'));
        let rest = rest.ok_or(fault("its first line is not 'c2sp.org/tlog-proof@v1'"))?;
        let (head, note) = rest.split_once("\n\n").ok_or(fault("there is no blank line before the checkpoint"))?;
        let mut lines = head.split('\n');
        let entry = lines.next().and_then(|line| STANDARD.decode(line.strip_prefix("extra ")?).ok());
        let entry = entry.ok_or(fault("its second line is not 'extra' with the entry in base64"))?;
        let index = lines.next().and_then(|line| decimal(line.strip_prefix("index ")?));
        let index = index.ok_or(fault("its third line is not 'index' with a number"))?;
        let proof =
            lines.map(hash).collect::<Option<Vec<_>>>().ok_or(fault("a line of the proof is no hash in base64"))?;
        Ok(Receipt { entry, index, proof, note: note.to_owned() })
    }

    /// Verifies everything, offline: signature by the log's key, cosignatures by the policy, the proof, the entry.
    ///
    /// `key` is the log's; without it the logs of the policy count.
    ///
    /// # Errors
    /// [`ReceiptFault`].
    pub fn verify(&self, key: Option<&VerifierKey>, policy: Option<&Policy>) -> Result<Proven, ReceiptFault> {
        let note = Note::parse(&self.note).map_err(CheckpointFault::from)?;
        let keys = keys_for(Checkpoint::parse(note.text)?.origin, key, policy)?;
        let checkpoint = Checkpoint::open_by(&self.note, &keys)?;
        let witnesses = self.witnesses(&note, policy)?;
        let head = checkpoint.head;
        tree::verify_inclusion(leaf_hash(&self.entry), self.index, head.size, head.root, &self.proof)?;
        let entry = Entry::parse(&self.entry)?;
        if entry.index != self.index {
            return Err(ReceiptFault::Index { index: self.index, own: entry.index });
        }
        Ok(Proven { checkpoint, entry, witnesses })
    }

    fn witnesses(&self, note: &Note<'_>, policy: Option<&Policy>) -> Result<Vec<(String, u64)>, ReceiptFault> {
        let Some(policy) = policy else { return Ok(Vec::new()) };
        let cosigned = policy.cosigned(note).map_err(CheckpointFault::from)?;
        let told: Vec<_> = cosigned.iter().map(|(witness, time)| (witness.key.name().to_owned(), *time)).collect();
        if policy.is_met(|key| cosigned.iter().any(|(witness, _)| witness.key == *key)) {
            return Ok(told);
        }
        let names: Vec<_> = told.into_iter().map(|(name, _)| name).collect();
        Err(ReceiptFault::Witnesses(if names.is_empty() {
            "none of its witnesses".to_owned()
        } else {
            names.join(", ")
        }))
    }
}

/// The key a note of this origin must be signed with: the one given, or that of the policy's logs.
pub(super) fn keys_for<'a>(
    origin: String,
    key: Option<&'a VerifierKey>,
    policy: Option<&'a Policy>,
) -> Result<Vec<&'a VerifierKey>, ReceiptFault> {
    let listed = policy.map(Policy::logs).unwrap_or_default();
    // A log has several keys over its life.
    let known: Vec<_> = listed.iter().filter(|log| log.name() == origin).collect();
    match key {
        Some(key) if listed.is_empty() || listed.contains(key) => Ok(vec![key]),
        None if listed.is_empty() => Err(ReceiptFault::NoKey),
        None if !known.is_empty() => Ok(known),
        _ => Err(ReceiptFault::NotListed(origin)),
    }
}

#[cfg(test)]
#[path = "receipt_tests.rs"]
mod tests;
