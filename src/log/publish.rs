//! The beat: entries beyond the last checkpoint become tiles, a fenced root, a signed checkpoint.
//!
//! The order, and what a crash or a failed write after each step leaves:
//!
//! 1. Bundles and tiles are written, each whole under its name and on disk; partial tiles whose full tile is there go. *After*:
//!    files beyond the checkpoint, which nobody asks for; the next beat writes the same bytes again.
//! 2. Everything written is read again, and the root over it compared with the one over the entries as they were committed.
//! 3. (size, root) is swapped into the fence. *After*: the fence is ahead of the checkpoint; the next beat finds that its own
//!    tree has that root there, and goes on.
//! 4. The checkpoint is signed and cosigned, appended to the history, then put in place. *After the history*: it holds a
//!    checkpoint that nobody was given; it is true all the same. Signing is deterministic: the same size
//!    gives the same three lines and signature, witnesses' times apart.
//!
//! So there are never two roots for one size. It never writes the tail, and holds nothing back from readers of figures.

use std::{path::PathBuf, sync::Arc};

pub use super::publish_fault::BeatFault;

use super::checkpoint::{Checkpoint, Head};
use super::disk::Disk;
use super::edge::{Edge, tile_bytes};
use super::entry::leaf_hash;
use super::folder::{CHECKPOINT, CONFLICTS, LogFolder, VKEY};
use super::fork::Fork;
use super::keyring::LogKeys;
use super::note::{self, Note, VerifierKey};
use super::tail::{LogReader, TailFault};
use super::tile::{self, Tile, TileKind, WIDTH};
use super::tree;
use crate::event::{Day, Time};
use crate::limits::{BEAT_ENTRIES_MAX, BEAT_WRITE_BYTES, CONFLICTS_KEPT_MAX, LOG_SIZE_MAX};
use crate::sign::{KeyPair, public_key_bytes};

/// What the fence holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    /// Size and root claimed last.
    pub head: Head,
    /// Names this state of the fence: a swap from an older one fails.
    pub revision: u64,
}

/// Why the fence did not let pass.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FenceFault {
    /// It cannot be asked.
    #[error("the fence at NATS does not answer: {0}")]
    Away(String),
    /// Another was faster: look again.
    #[error("another process moved the fence at the same moment")]
    Moved,
    /// What it holds is no size and root of this log.
    #[error("the fence at NATS holds what is no head of this log: {0}")]
    Foreign(String),
}

/// One replicated place where (size, root) is claimed before it is signed: two copies of a ledger cannot sign two roots.
pub trait Fence: Send {
    /// What it holds.
    ///
    /// # Errors
    /// [`FenceFault`].
    fn held(&mut self) -> Result<Option<Held>, FenceFault>;

    /// Claims a head where the fence still is at this revision; `None`: where it holds nothing.
    ///
    /// # Errors
    /// [`FenceFault::Moved`] where it is not. After [`FenceFault::Away`] it may hold either.
    fn swap(&mut self, from: Option<u64>, to: &Head) -> Result<(), FenceFault>;

    /// Shows a published checkpoint to read replicas. It is public and proves itself: nothing hangs on its arrival.
    ///
    /// # Errors
    /// [`FenceFault::Away`].
    fn show(&mut self, _note: &str) -> Result<(), FenceFault> {
        Ok(())
    }

    /// The checkpoint shown last, by whomever.
    ///
    /// # Errors
    /// [`FenceFault`].
    fn shown(&mut self) -> Result<Option<String>, FenceFault> {
        Ok(None)
    }
}

/// A signed checkpoint before it is published.
#[derive(Debug, Clone, Copy)]
pub struct Proposal<'a> {
    /// The signed note.
    pub note: &'a str,
    /// What it says.
    pub checkpoint: &'a Checkpoint,
    /// The log's keys.
    pub keys: &'a LogKeys,
    /// Holds the tiles for any proof of consistency.
    pub folder: &'a LogFolder,
}

/// Why a checkpoint is not published.
#[derive(Debug)]
pub enum CosignFault {
    /// Too few cosigned.
    Waits(String),
    /// One of them holds another tree, signed by the same key.
    Forked {
        /// Who.
        witness: String,
        /// What proves it.
        fork: Box<Fork>,
    },
}

/// Whoever cosigns a checkpoint before it is published.
pub trait Cosigners: Send {
    /// Cosignature lines for a signed checkpoint, enough of them for the policy.
    ///
    /// # Errors
    /// [`CosignFault`]: the checkpoint is not published, figures go on.
    fn cosign(&mut self, proposal: &Proposal<'_>) -> Result<Vec<String>, CosignFault>;

    /// How each of them is doing.
    fn states(&self) -> Vec<WitnessState> {
        Vec::new()
    }
}

/// How a witness of checkpoints is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WitnessState {
    /// Its name in the policy.
    pub name: String,
    /// Whether it cosigned when it was asked last.
    pub well: bool,
    /// Entries that its newest cosignature covers.
    pub size: u64,
}

/// Asks nobody.
#[derive(Debug, Default)]
pub struct Nobody;

impl Cosigners for Nobody {
    fn cosign(&mut self, _: &Proposal<'_>) -> Result<Vec<String>, CosignFault> {
        Ok(Vec::new())
    }
}

/// The one writer of a log folder's public part.
pub struct Publisher {
    folder: LogFolder,
    disk: Box<dyn Disk>,
    /// Keys by size, and those of them that can sign here.
    keys: LogKeys,
    pairs: Vec<Arc<KeyPair>>,
    /// As far as tiles are written and checked.
    edge: Edge,
    published: Head,
    /// The day's history file and its length; `None` until it was looked at.
    history: Option<(Day, u64)>,
    /// Entries of one beat at most.
    step: u64,
}

impl Publisher {
    /// Goes on where the folder ends: checkpoint, tiles and log must agree. `pairs` are what can sign here, in any order.
    ///
    /// # Errors
    /// [`BeatFault`].
    pub fn open(
        folder: LogFolder,
        disk: Box<dyn Disk>,
        keys: LogKeys,
        pairs: Vec<Arc<KeyPair>>,
        log: &LogReader,
    ) -> Result<Self, BeatFault> {
        if folder.vkey()?.is_some_and(|text| keys.all().all(|key| key.to_string() != text)) {
            return Err(BeatFault::OtherKey);
        }
        let published = match folder.checkpoint()? {
            Some(note) => keys.open(&note)?.head,
            None => Head::empty(),
        };
        if published.size > log.size() {
            return Err(BeatFault::Cut { published: published.size, size: log.size() });
        }
        let edge = Edge::read(&folder, published.size)?;
        if edge.frontier.root() != published.root {
            return Err(BeatFault::OtherRoot { size: published.size });
        }
        Ok(Publisher { folder, disk, keys, pairs, edge, published, history: None, step: BEAT_ENTRIES_MAX })
    }

    /// The keys it signs with, by size.
    #[must_use]
    pub const fn keys(&self) -> &LogKeys {
        &self.keys
    }

    /// What the published checkpoint covers.
    #[must_use]
    pub const fn published(&self) -> Head {
        self.published
    }

    /// Whether a beat up to `size` would do something.
    #[must_use]
    pub const fn is_due(&self, size: u64) -> bool {
        self.published.size < size
    }

    /// One beat: at most [`BEAT_ENTRIES_MAX`] entries further, never beyond `until`, as far as the keys are known. The new
    /// checkpoint; `None` where there was nothing to publish yet.
    ///
    /// # Errors
    /// [`BeatFault`]; the next beat does again what this one did not end.
    pub fn beat(
        &mut self,
        log: &LogReader,
        until: u64,
        fence: &mut dyn Fence,
        cosigners: &mut dyn Cosigners,
        now: Time,
    ) -> Result<Option<Checkpoint>, BeatFault> {
        self.advance(log, until)?;
        let head = Head { size: self.edge.size(), root: self.edge.frontier.root() };
        if head.size <= self.published.size {
            return Ok(None);
        }
        match self.pass(fence, head) {
            // Tiled so far, claimed further: nothing is signed before what was claimed.
            Err(BeatFault::Ahead { fence, .. }) if fence <= log.size() => return Ok(None),
            passed => passed?,
        }
        self.publish(head, cosigners, now).map(Some)
    }

    /// Adopts a checkpoint that the log's writer signed: tiles are made from the entries here, one step at a time, and where they lead
    /// to its root it is put in place as it is. Signs nothing. `None` while entries or tiles are behind it.
    ///
    /// # Errors
    /// [`BeatFault::Strange`] where the entries here are others; what a beat may come to.
    pub fn adopt(
        &mut self,
        log: &LogReader,
        until: u64,
        note: &str,
        now: Time,
    ) -> Result<Option<Checkpoint>, BeatFault> {
        // Which key signs a size is known once the entries below it are folded.
        let size = Checkpoint::parse(Note::parse(note)?.text)?.head.size;
        if size <= self.published.size || size > until.min(log.size()) {
            return Ok(None);
        }
        let checkpoint = self.keys.open(note)?;
        self.advance(log, size)?;
        if self.edge.size() < size {
            return Ok(None);
        }
        if tree::root(&mut self.folder.tree(self.edge.size()), size)? != checkpoint.head.root {
            return Err(BeatFault::Strange { size });
        }
        self.place(note.to_owned(), checkpoint, now).map(Some)
    }

    /// Makes tiles, and reads them again, for at most [`BEAT_ENTRIES_MAX`] entries more, never beyond `until`.
    fn advance(&mut self, log: &LogReader, until: u64) -> Result<(), BeatFault> {
        let size = log.size().min(until).min(self.edge.size() - self.edge.size() % WIDTH + self.step);
        if size > LOG_SIZE_MAX {
            return Err(BeatFault::Full);
        }
        if size > self.edge.size() {
            let edge = self.lay(log, size)?;
            self.reread(&edge)?;
            self.edge = edge;
        }
        Ok(())
    }

    /// Writes bundles and tiles of the entries from the edge to `size`.
    fn lay(&mut self, log: &LogReader, size: u64) -> Result<Edge, BeatFault> {
        let mut edge = self.edge.clone();
        let start = edge.size() - edge.size() % WIDTH;
        let mut laid =
            Laid { folder: &self.folder, disk: &mut *self.disk, files: Vec::new(), bytes: 0, full: Vec::new() };
        let mut bundle = Vec::new();
        for item in log.iter(start).take(usize::try_from(size - start).unwrap_or(usize::MAX)) {
            let (index, entry) = item?;
            let leaf = leaf_hash(&entry);
            tile::bundle_push(&mut bundle, &entry).map_err(|_| BeatFault::Altered { index })?;
            if index < self.edge.size() {
                if self.edge.leaves().get((index - start) as usize) != Some(&leaf) {
                    return Err(BeatFault::Altered { index });
                }
                continue;
            }
            if (index + 1).is_multiple_of(WIDTH) {
                let tile = Tile { kind: TileKind::Entries, index: index / WIDTH, width: WIDTH as u16 };
                laid.put(tile, std::mem::take(&mut bundle))?;
            }
            edge.push(leaf, |tile, hashes| laid.put(tile, tile_bytes(hashes)))?;
        }
        if edge.size() != size {
            return Err(TailFault::Beyond { index: edge.size(), size }.into());
        }
        if let Some(tile) = Tile::at(TileKind::Entries, size / WIDTH, size) {
            laid.put(tile, bundle)?;
        }
        for (tile, hashes) in edge.partial() {
            laid.put(tile, tile_bytes(hashes))?;
        }
        laid.end()?;
        Ok(edge)
    }

    /// Reads what was written from the edge on, and holds it against `expected`, the edge over the entries as committed.
    fn reread(&self, expected: &Edge) -> Result<(), BeatFault> {
        let (size, mut edge) = (expected.size(), self.edge.clone());
        let exact = |tile: Tile| -> Result<Vec<u8>, BeatFault> {
            self.folder.exact(tile)?.ok_or_else(|| BeatFault::Reread(self.folder.path(tile)))
        };
        let same = |tile: Tile, hashes: &[[u8; 32]]| -> Result<(), BeatFault> {
            if exact(tile)? == tile_bytes(hashes) { Ok(()) } else { Err(BeatFault::Reread(self.folder.path(tile))) }
        };
        for index in edge.size() / WIDTH.. {
            let Some(tile) = Tile::at(TileKind::Entries, index, size) else { break };
            let bytes = exact(tile)?;
            let bad = || BeatFault::Reread(self.folder.path(tile));
            let entries = tile::bundle(&bytes, tile.width).ok_or_else(bad)?;
            let known = usize::try_from(edge.size() - index * WIDTH).unwrap_or(0);
            let leaves: Vec<_> = entries.iter().map(|entry| leaf_hash(entry)).collect();
            if leaves.get(..known) != Some(edge.leaves().get(..known).unwrap_or_default()) {
                return Err(bad());
            }
            leaves[known..].iter().try_for_each(|leaf| edge.push(*leaf, same))?;
        }
        edge.partial().try_for_each(|(tile, hashes)| same(tile, hashes))?;
        let root = tree::root(&mut self.folder.tree(size), size)?;
        if edge != *expected || root != expected.frontier.root() {
            return Err(BeatFault::Reread(self.folder.dir().to_owned()));
        }
        Ok(())
    }

    /// Claims the head at the fence, where what the fence holds is part of our tree.
    fn pass(&self, fence: &mut dyn Fence, head: Head) -> Result<(), BeatFault> {
        let held = fence.held()?;
        if let Some(held) = held {
            let claimed = held.head.size;
            if claimed > head.size {
                return Err(BeatFault::Ahead { fence: claimed, size: head.size });
            }
            if tree::root(&mut self.folder.tree(head.size), claimed)? != held.head.root {
                return Err(BeatFault::Forked { size: claimed });
            }
            if claimed == head.size {
                return Ok(());
            }
        }
        Ok(fence.swap(held.map(|held| held.revision), &head)?)
    }

    fn publish(&mut self, head: Head, cosigners: &mut dyn Cosigners, now: Time) -> Result<Checkpoint, BeatFault> {
        let checkpoint = Checkpoint::new(self.keys.at(head.size).name(), head)?;
        let mut note = self.sign(&checkpoint)?;
        let proposal = Proposal { note: &note, checkpoint: &checkpoint, keys: &self.keys, folder: &self.folder };
        match cosigners.cosign(&proposal) {
            Ok(lines) => lines.iter().for_each(|line| note.push_str(line)),
            Err(CosignFault::Waits(why)) => return Err(BeatFault::Cosign { size: head.size, why }),
            Err(CosignFault::Forked { witness, fork }) => {
                return Err(BeatFault::Conflict { witness, file: self.keep(&fork)? });
            }
        }
        self.place(note, checkpoint, now)
    }

    /// Appends the note to the history, and puts it in place as the checkpoint.
    fn place(&mut self, note: String, checkpoint: Checkpoint, now: Time) -> Result<Checkpoint, BeatFault> {
        let head = checkpoint.head;
        let history = self.remember(&note, now.day())?;
        let mut files = vec![(self.folder.dir().join(CHECKPOINT), note.into_bytes())];
        let vkey = self.keys.at(head.size).to_string();
        let held = self.folder.vkey()?;
        if held.as_ref() != Some(&vkey) {
            // A new key after the checkpoint that both keys signed, the first one before any checkpoint.
            let place = if held.is_some() { 1 } else { 0 };
            files.insert(place, (self.folder.dir().join(VKEY), format!("{vkey}\n").into_bytes()));
        }
        self.disk.put(&files)?;
        self.history = Some(history);
        self.published = head;
        Ok(checkpoint)
    }

    /// The signed note; the first one by a new key is signed by the key before it too.
    fn sign(&self, checkpoint: &Checkpoint) -> Result<String, BeatFault> {
        let text = checkpoint.text();
        let line = |key: &VerifierKey| -> Result<String, BeatFault> {
            let pair =
                self.pairs.iter().find(|pair| public_key_bytes(pair.public()).is_some_and(|own| own == *key.bytes()));
            let pair = pair.ok_or_else(|| BeatFault::NoKey(key.to_string()))?;
            Ok(note::sign(key.name(), pair, &text)?)
        };
        let (key, before) = (self.keys.at(checkpoint.head.size), self.keys.at(self.published.size));
        let mut note = format!("{text}\n{}", line(key)?);
        if before != key && self.published.size > 0 {
            note.push_str(&line(before)?);
        }
        Ok(note)
    }

    /// Keeps the proof of a fork, one for each tree that is not ours.
    fn keep(&mut self, fork: &Fork) -> Result<PathBuf, BeatFault> {
        let path = self.folder.dir().join(CONFLICTS).join(fork.name()?);
        if !path.exists() && self.folder.conflicts()?.len() < CONFLICTS_KEPT_MAX {
            self.disk.put(&[(path.clone(), fork.text().into_bytes())])?;
        }
        Ok(path)
    }

    /// Appends a checkpoint to the day's history, once. Until the checkpoint is in place too, the file is looked at again.
    fn remember(&mut self, note: &str, day: Day) -> Result<(Day, u64), BeatFault> {
        let length = match self.history.take() {
            Some((own, length)) if own == day => length,
            _ => {
                let (notes, length) = self.folder.history(day)?;
                if notes.last().is_some_and(|last| last == note) {
                    return Ok((day, length));
                }
                length
            }
        };
        let line = format!("{note}\n");
        self.disk.append(&self.folder.history_path(day), length, line.as_bytes())?;
        Ok((day, length + line.len() as u64))
    }
}

/// Files gathered until they are worth a sync.
struct Laid<'a> {
    folder: &'a LogFolder,
    disk: &'a mut dyn Disk,
    files: Vec<(PathBuf, Vec<u8>)>,
    bytes: usize,
    full: Vec<Tile>,
}

impl Laid<'_> {
    fn put(&mut self, tile: Tile, bytes: Vec<u8>) -> Result<(), BeatFault> {
        self.bytes += bytes.len();
        self.files.push((self.folder.path(tile), bytes));
        if tile.is_full() {
            self.full.push(tile);
        }
        if self.bytes >= BEAT_WRITE_BYTES { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), BeatFault> {
        self.bytes = 0;
        Ok(self.disk.put(&std::mem::take(&mut self.files))?)
    }

    /// Writes what is left, then removes the partial tiles whose full tile is there.
    fn end(mut self) -> Result<(), BeatFault> {
        self.flush()?;
        for tile in &self.full {
            self.disk.remove_folder(&self.folder.dir().join(tile.partial_folder()))?;
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "publish_tests.rs"]
mod tests;
