//! The log's keys as the entries of a folder name them: entry 0 the first, a rotation each later one ([`keyring`](super::keyring)).
//!
//! A rotation is signed by the key before it, so a later key needs no other word than the note, wherever it is found. The other
//! way round it takes the tree: an older key holds where a key that is trusted has signed a checkpoint over the entry that
//! names it.

use super::checkpoint::Checkpoint;
use super::entry::{Entry, Verdict, leaf_hash};
use super::folder::LogFolder;
use super::keyring::LogKeys;
use super::note::{Note, VerifierKey};
use super::tail::LogReader;
use super::tile::{self, Tile, TileKind, WIDTH};
use super::tree;
use crate::event::json;
use crate::limits::LOG_SIZE_MAX;

/// The keys that published entries name, and the entries that do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lineage {
    /// The keys.
    pub keys: LogKeys,
    /// Index and hash in the tree of the entry that names each key.
    named: Vec<(u64, [u8; 32])>,
}

/// The key that entry 0 names, or what is wrong with that entry.
///
/// # Errors
/// In words: it is no entry, or names no key.
pub fn first(entry: &[u8]) -> Result<String, String> {
    let entry = Entry::parse(entry).map_err(|fault| fault.to_string())?;
    let body = entry.body.bytes().ok_or("it has no body")?;
    let tree = json::parse(body).map_err(|fault| fault.to_string())?;
    let key = tree.pointer("/data/log_key").and_then(serde_json::Value::as_str);
    key.filter(|key| !key.is_empty()).map(str::to_owned).ok_or_else(|| "it names no key of the log".to_owned())
}

/// Rotations in an entry that was accepted: index of the entry, signed note.
#[must_use]
pub fn rotations(entry: &[u8]) -> Vec<(u64, String)> {
    let Ok(entry) = Entry::parse(entry) else { return Vec::new() };
    let rotates = |subject: &str| subject.starts_with("ledger.govern.") && subject.ends_with(".log.key-rotated.v1");
    let accepted = entry.ruling.as_ref().is_some_and(|ruling| ruling.verdict == Verdict::Accepted);
    if !accepted || !entry.subject.text().is_some_and(rotates) {
        return Vec::new();
    }
    let Some(Ok(tree)) = entry.body.bytes().map(|body| json::parse(body)) else { return Vec::new() };
    let events = tree.as_array().cloned().unwrap_or_else(|| vec![tree]);
    let note =
        |event: &serde_json::Value| event.pointer("/data/note").and_then(|note| note.as_str()).map(str::to_owned);
    events.iter().filter_map(note).map(|note| (entry.index, note)).collect()
}

impl Lineage {
    /// Follows the rotations among the `size` published entries from the key that entry 0 names. Bundles that cannot be read are
    /// passed over.
    #[must_use]
    pub fn read(folder: &LogFolder, size: u64, first: VerifierKey, genesis: &[u8]) -> Self {
        let mut lineage = Lineage { keys: LogKeys::new(first), named: vec![(0, leaf_hash(genesis))] };
        for bundle in 0..size.div_ceil(WIDTH) {
            for bytes in folder.entries(bundle, size).unwrap_or_default() {
                lineage.take(&bytes);
            }
        }
        lineage
    }

    /// One that no key in force signed changes nothing.
    fn take(&mut self, bytes: &[u8]) {
        for (index, rotation) in rotations(bytes) {
            if self.keys.rotate(index + 1, &rotation).is_ok() {
                self.named.push((index, leaf_hash(bytes)));
            }
        }
    }

    /// The keys of a log that one of these keys is trusted for: from the oldest of them on by the notes alone, and the ones
    /// before it where the folder's checkpoint is by a key that this leads to and covers the entries that name them. `None` where
    /// the folder names none of them, or cannot be read.
    #[must_use]
    pub fn vouched(folder: &LogFolder, trusted: &[VerifierKey]) -> Option<LogKeys> {
        let note = folder.checkpoint().ok()??;
        let size = Checkpoint::parse(Note::parse(&note).ok()?.text).ok()?.head.size;
        let genesis = folder.entry(0, size).ok()?;
        let first = VerifierKey::parse(&self::first(&genesis).ok()?).ok()?;
        let lineage = Self::read(folder, size, first, &genesis);
        let known = lineage.keys.all().position(|key| trusted.contains(key))?;
        let by = lineage.keys.all().position(|key| key == lineage.keys.at(size))?;
        if known == 0 || (by >= known && lineage.is_under(folder, &note)) {
            return Some(lineage.keys);
        }
        Some(lineage.keys.since(known))
    }

    /// Whether the key for its size signed this checkpoint, and it covers every entry that names a key.
    fn is_under(&self, folder: &LogFolder, note: &str) -> bool {
        let Ok(head) = self.keys.open(note).map(|checkpoint| checkpoint.head) else { return false };
        let mut tree = folder.tree(head.size);
        self.named.iter().all(|(index, leaf)| {
            let proof = tree::inclusion(&mut tree, *index, head.size);
            proof.is_ok_and(|proof| tree::verify_inclusion(*leaf, *index, head.size, head.root, &proof).is_ok())
        })
    }
}

/// Takes the rotations that the folder holds beyond its checkpoint of `size` entries: in bundles, and in the tail. They prove
/// nothing about the log's entries, but each is signed by the key before it.
pub fn beyond(folder: &LogFolder, size: u64, keys: &mut LogKeys) {
    let mut take = |bytes: &[u8]| {
        for (index, rotation) in rotations(bytes) {
            let _ = keys.rotate((index + 1).max(size + 1), &rotation);
        }
    };
    for entries in (size / WIDTH..LOG_SIZE_MAX / WIDTH).map_while(|bundle| bundle_there(folder, bundle)) {
        entries.iter().for_each(|bytes| take(bytes));
    }
    let Ok(tail) = LogReader::open(folder.dir()) else { return };
    for (_, bytes) in tail.iter(tail.tail_first().max(size)).map_while(Result::ok) {
        take(&bytes);
    }
}

/// Entries of the widest bundle at a place; `None` where there is none that can be read.
fn bundle_there(folder: &LogFolder, index: u64) -> Option<Vec<Vec<u8>>> {
    (1..=WIDTH as u16).rev().find_map(|width| {
        let bytes = folder.exact(Tile { kind: TileKind::Entries, index, width }).ok()??;
        Some(tile::bundle(&bytes, width)?.into_iter().map(<[u8]>::to_vec).collect())
    })
}
