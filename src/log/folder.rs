//! The log folder as anyone may read it: tiles, entry bundles, checkpoint, verifier key, history. Equal to its HTTP paths.
//!
//! ```text
//! log/checkpoint                  newest published checkpoint, a signed note
//! log/vkey                        the log's verifier key
//! log/tile/<L>/<N>[.p/<W>]        hashes        log/tile/entries/<N>[.p/<W>]   entries
//! log/conflicts/<size>-<root>     proof that this log's key signed another tree of that size; hopefully none
//! log/history/<YYYY-MM-DD>        every published checkpoint of that day in Seoul, oldest first, a blank line after each
//! ```
//! It never writes and verifies no signature; bytes that are no tile, bundle or history are a fault that names the file.

use std::{
    collections::HashMap,
    fs, io,
    path::{Path, PathBuf},
};

use super::bounded;
use super::bundle::Bundle;
use super::tile::{self, Tile, TileKind, WIDTH};
use super::tree::Hashes;
use crate::event::Day;
use crate::limits::{CHECKPOINT_BYTES_MAX, HISTORY_BYTES_MAX, VKEY_BYTES_MAX};

/// File of the newest checkpoint.
pub const CHECKPOINT: &str = "checkpoint";
/// File of the verifier key.
pub const VKEY: &str = "vkey";
/// Folder of every published checkpoint.
pub const HISTORY: &str = "history";
/// Folder of what proves that the log's key signed two trees.
pub const CONFLICTS: &str = "conflicts";
/// Tiles kept in memory while proofs are computed: 8 KiB each.
const TILES_KEPT: usize = 1_024;

/// Why a part of the folder cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum FolderFault {
    /// The operating system says no.
    #[error("cannot read {}: {error}", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why not.
        error: io::Error,
    },
    /// A tile or bundle that a log of this size must have is not there.
    #[error("{} is missing: a log of {size} entries has it; take the folder again, or restore it from a copy", path.display())]
    Missing {
        /// Which file.
        path: PathBuf,
        /// The log's size.
        size: u64,
    },
    /// Its bytes are not what the name says.
    #[error("{} is damaged: {why}; restore it from a copy", path.display())]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// In which way.
        why: &'static str,
    },
}

/// A log folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogFolder {
    dir: PathBuf,
}

impl LogFolder {
    /// At a path; nothing is read yet.
    #[must_use]
    pub fn new(dir: &Path) -> Self {
        LogFolder { dir: dir.to_owned() }
    }

    /// The folder.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The file of a tile.
    #[must_use]
    pub fn path(&self, tile: Tile) -> PathBuf {
        self.dir.join(tile.to_string())
    }

    fn file(&self, path: &Path, bytes_max: u64) -> Result<Option<Vec<u8>>, FolderFault> {
        match bounded::read(path, bytes_max) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(FolderFault::Io { path: path.to_owned(), error }),
        }
    }

    fn text(&self, path: PathBuf, bytes_max: u64) -> Result<Option<String>, FolderFault> {
        let Some(bytes) = self.file(&path, bytes_max)? else { return Ok(None) };
        String::from_utf8(bytes).map(Some).map_err(|_| FolderFault::Damaged { path, why: "it is not UTF-8" })
    }

    /// The newest checkpoint, not verified; `None` where none was published yet.
    ///
    /// # Errors
    /// [`FolderFault`].
    pub fn checkpoint(&self) -> Result<Option<String>, FolderFault> {
        self.text(self.dir.join(CHECKPOINT), CHECKPOINT_BYTES_MAX)
    }

    /// The verifier key line.
    ///
    /// # Errors
    /// [`FolderFault`].
    pub fn vkey(&self) -> Result<Option<String>, FolderFault> {
        Ok(self.text(self.dir.join(VKEY), VKEY_BYTES_MAX)?.map(|text| text.trim_end_matches('\n').to_owned()))
    }

    /// The bytes of a tile under exactly its own name.
    ///
    /// # Errors
    /// [`FolderFault`].
    pub fn exact(&self, tile: Tile) -> Result<Option<Vec<u8>>, FolderFault> {
        self.file(&self.path(tile), tile.bytes_max())
    }

    /// The bytes for a tile: its own file, or the full tile that took the place of a partial one.
    fn bytes(&self, tile: Tile, size: u64) -> Result<(Vec<u8>, Tile), FolderFault> {
        let missing = || FolderFault::Missing { path: self.path(tile), size };
        if let Some(bytes) = self.exact(tile)? {
            return Ok((bytes, tile));
        }
        let full = tile.full();
        let bytes = if tile.is_full() { None } else { self.exact(full)? };
        bytes.map(|bytes| (bytes, full)).ok_or_else(missing)
    }

    /// Hashes of the tile of level `level` at `index` in a log of `size` entries.
    ///
    /// # Errors
    /// [`FolderFault::Missing`] also where the log has no such tile.
    pub fn hashes(&self, level: u8, index: u64, size: u64) -> Result<Vec<[u8; 32]>, FolderFault> {
        let tile = self.tile(TileKind::Hashes(level), index, size)?;
        let (bytes, found) = self.bytes(tile, size)?;
        let hashes = tile::hashes(&bytes, found.width);
        let damaged = || FolderFault::Damaged { path: self.path(found), why: "it does not hold its number of hashes" };
        let mut hashes = hashes.ok_or_else(damaged)?;
        hashes.truncate(usize::from(tile.width));
        Ok(hashes)
    }

    /// Entries of the bundle at `index` in a log of `size` entries.
    ///
    /// # Errors
    /// As [`LogFolder::hashes`].
    pub fn entries(&self, index: u64, size: u64) -> Result<Vec<Vec<u8>>, FolderFault> {
        let tile = self.tile(TileKind::Entries, index, size)?;
        let (bytes, found) = self.bytes(tile, size)?;
        let damaged = || FolderFault::Damaged { path: self.path(found), why: "it does not hold its number of entries" };
        let entries = tile::bundle(&bytes, found.width).ok_or_else(damaged)?;
        Ok(entries.into_iter().take(usize::from(tile.width)).map(<[u8]>::to_vec).collect())
    }

    /// The bundle at `index` in a log of `size` entries, to read single ones of its entries.
    ///
    /// # Errors
    /// As [`LogFolder::hashes`].
    pub fn bundle(&self, index: u64, size: u64) -> Result<Bundle, FolderFault> {
        let tile = self.tile(TileKind::Entries, index, size)?;
        // The full bundle takes the place of a partial one.
        for found in [tile, tile.full()] {
            let path = self.path(found);
            let file = match bounded::open(&path) {
                Ok(file) => file,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(FolderFault::Io { path, error }),
            };
            return match Bundle::open(file, found.width) {
                Ok(Some(bundle)) => Ok(bundle),
                Ok(None) => Err(FolderFault::Damaged { path, why: "it does not hold its number of entries" }),
                Err(error) => Err(FolderFault::Io { path, error }),
            };
        }
        Err(FolderFault::Missing { path: self.path(tile), size })
    }

    /// One entry of a bundle, by its index in the log.
    ///
    /// # Errors
    /// As [`LogFolder::hashes`].
    pub fn entry_in(&self, bundle: &Bundle, index: u64) -> Result<Vec<u8>, FolderFault> {
        let path = || self.path(Tile { kind: TileKind::Entries, index: index / WIDTH, width: WIDTH as u16 });
        let entry = bundle.entry((index % WIDTH) as usize).map_err(|error| FolderFault::Io { path: path(), error })?;
        let damaged = || FolderFault::Damaged { path: path(), why: "it does not hold its number of entries" };
        entry.ok_or_else(damaged)
    }

    /// One entry of a log of `size` entries.
    ///
    /// # Errors
    /// As [`LogFolder::hashes`].
    pub fn entry(&self, index: u64, size: u64) -> Result<Vec<u8>, FolderFault> {
        if index >= size {
            let none = Tile { kind: TileKind::Entries, index: index / WIDTH, width: WIDTH as u16 };
            return Err(FolderFault::Missing { path: self.path(none), size });
        }
        self.entry_in(&self.bundle(index / WIDTH, size)?, index)
    }

    fn tile(&self, kind: TileKind, index: u64, size: u64) -> Result<Tile, FolderFault> {
        let none = Tile { kind, index, width: WIDTH as u16 };
        Tile::at(kind, index, size).ok_or_else(|| FolderFault::Missing { path: self.path(none), size })
    }

    /// Days that have published checkpoints, oldest first. Names that are no day are passed over.
    ///
    /// # Errors
    /// [`FolderFault::Io`].
    pub fn history_days(&self) -> Result<Vec<Day>, FolderFault> {
        let path = self.dir.join(HISTORY);
        let fault = |error| FolderFault::Io { path: path.clone(), error };
        let listed = match fs::read_dir(&path) {
            Ok(listed) => listed,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(fault(error)),
        };
        let mut days = Vec::new();
        for item in listed {
            let name = item.map_err(fault)?.file_name();
            days.extend(name.to_str().and_then(|name| Day::parse(name).ok().filter(|day| day.to_string() == name)));
        }
        days.sort_unstable();
        Ok(days)
    }

    /// Names of files in the folder of conflicts, sorted.
    ///
    /// # Errors
    /// [`FolderFault::Io`].
    pub fn conflicts(&self) -> Result<Vec<String>, FolderFault> {
        let path = self.dir.join(CONFLICTS);
        let fault = |error| FolderFault::Io { path: path.clone(), error };
        let listed = match fs::read_dir(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            listed => listed.map_err(fault)?,
        };
        let names = listed.map(|item| item.map(|item| item.file_name().to_string_lossy().into_owned()));
        let mut names = names.collect::<io::Result<Vec<_>>>().map_err(fault)?;
        names.sort_unstable();
        Ok(names)
    }

    /// The file of a day's checkpoints.
    #[must_use]
    pub fn history_path(&self, day: Day) -> PathBuf {
        self.dir.join(HISTORY).join(day.to_string())
    }

    /// Every checkpoint published on a day, oldest first, not verified; and the bytes they take: what follows is an append that
    /// never ended.
    ///
    /// # Errors
    /// [`FolderFault`].
    pub fn history(&self, day: Day) -> Result<(Vec<String>, u64), FolderFault> {
        let path = self.history_path(day);
        let bytes = self.file(&path, HISTORY_BYTES_MAX)?.unwrap_or_default();
        let (notes, length) = notes(&bytes);
        Ok((notes, length as u64))
    }

    /// Hashes of the tree, over the tiles of a log of `size` entries.
    #[must_use]
    pub fn tree(&self, size: u64) -> TileTree<'_> {
        TileTree { folder: self, size, kept: HashMap::new() }
    }
}

/// Signed notes one behind the other, each ended by a blank line; and the bytes of the whole ones.
fn notes(bytes: &[u8]) -> (Vec<String>, usize) {
    let (mut notes, mut length) = (Vec::new(), 0);
    let mut blank = None;
    for at in 0..bytes.len().saturating_sub(1) {
        if &bytes[at..at + 2] != b"\n\n" || at < length {
            continue;
        }
        match blank.take() {
            None => blank = Some(at),
            // The second blank line ends the signatures.
            Some(_) => {
                let Ok(note) = std::str::from_utf8(&bytes[length..=at]) else { break };
                notes.push(note.to_owned());
                length = at + 2;
            }
        }
    }
    (notes, length)
}

/// The tree over a folder's tiles. Recently read tiles are kept.
#[derive(Debug)]
pub struct TileTree<'a> {
    folder: &'a LogFolder,
    size: u64,
    kept: HashMap<(u8, u64), Vec<[u8; 32]>>,
}

impl Hashes for TileTree<'_> {
    type Fault = FolderFault;

    fn subtree(&mut self, height: u8, index: u64) -> Result<[u8; 32], FolderFault> {
        let (level, inner) = (height / 8, height % 8);
        // A subtree of 2^inner hashes of this level; it lies in one tile.
        let first = index << inner;
        let key = (level, first / WIDTH);
        if !self.kept.contains_key(&key) {
            if self.kept.len() >= TILES_KEPT {
                self.kept.clear();
            }
            self.kept.insert(key, self.folder.hashes(key.0, key.1, self.size)?);
        }
        let start = (first % WIDTH) as usize;
        let hashes = self.kept.get(&key).and_then(|tile| tile.get(start..start + (1 << inner)));
        let missing = || {
            let tile = Tile { kind: TileKind::Hashes(key.0), index: key.1, width: WIDTH as u16 };
            FolderFault::Missing { path: self.folder.path(tile), size: self.size }
        };
        hashes.map(tile::subtree_root).ok_or_else(missing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn history_is_read_note_by_note() {
        let note = |size: u64| format!("origin\n{size}\nroot\n\n\u{2014} origin AAAAAAAA\n\u{2014} w BBBBBBBB\n");
        let whole = format!("{}\n{}\n", note(1), note(2));
        let (read, length) = notes(whole.as_bytes());
        assert_eq!((read, length), (vec![note(1), note(2)], whole.len()));
        for cut in 1..whole.len() {
            let (read, length) = notes(&whole.as_bytes()[..cut]);
            let first = note(1).len() + 1;
            assert_eq!((read.len(), length), if cut < first { (0, 0) } else { (1, first) }, "{cut}");
        }
        assert_eq!(notes(b""), (Vec::new(), 0));
    }
}
