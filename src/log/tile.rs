//! Tiles and entry bundles (C2SP tlog-tiles): which there are for a log's size, their paths, their bytes.
//!
//! A path is taken in its one spelling only, and only for tiles that a log of at most 2^40 entries can have. No I/O.

use std::fmt;

use super::checkpoint::decimal;
use super::frontier::join;
use crate::limits::{ENTRY_BYTES_MAX, LOG_SIZE_MAX, TILE_LEVEL_MAX};

/// Hashes in a full tile, entries in a full bundle.
pub const WIDTH: u64 = 256;

/// What a tile holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TileKind {
    /// Entries.
    Entries,
    /// Hashes; each of level L covers 256^L entries.
    Hashes(u8),
}

/// One tile or bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tile {
    /// What it holds.
    pub kind: TileKind,
    /// Its place among those of its kind, from 0.
    pub index: u64,
    /// How much: 1 to 256; fewer than 256 is a partial tile.
    pub width: u16,
}

impl TileKind {
    const fn level(self) -> u8 {
        match self {
            TileKind::Entries => 0,
            TileKind::Hashes(level) => level,
        }
    }

    /// Hashes of this kind in a log of `size` entries.
    #[must_use]
    pub const fn count(self, size: u64) -> u64 {
        size >> (8 * self.level() as u32)
    }
}

impl Tile {
    /// The tile at a place in a log of `size` entries; `None` past its end.
    #[must_use]
    pub fn at(kind: TileKind, index: u64, size: u64) -> Option<Self> {
        let left = kind.count(size).checked_sub(index.checked_mul(WIDTH)?)?;
        let width = u16::try_from(left.min(WIDTH)).ok().filter(|width| *width > 0)?;
        Some(Tile { kind, index, width })
    }

    /// Whether it is full.
    #[must_use]
    pub const fn is_full(self) -> bool {
        self.width as u64 == WIDTH
    }

    /// Bytes that a tile of this kind and width can have.
    #[must_use]
    pub const fn bytes_max(self) -> u64 {
        let each = match self.kind {
            TileKind::Entries => 2 + ENTRY_BYTES_MAX as u64,
            TileKind::Hashes(_) => 32,
        };
        self.width as u64 * each
    }

    /// The full tile at this place.
    #[must_use]
    pub const fn full(self) -> Self {
        Tile { width: WIDTH as u16, ..self }
    }

    /// Folder of the partial tiles at this place, relative to the log.
    #[must_use]
    pub fn partial_folder(self) -> String {
        format!("{}.p", self.full())
    }

    /// Reads a path relative to the log, `tile/0/x001/234.p/5`, in its one spelling.
    #[must_use]
    pub fn parse(path: &str) -> Option<Self> {
        let rest = path.strip_prefix("tile/")?;
        let (kind, rest) = match rest.strip_prefix("entries/") {
            Some(rest) => (TileKind::Entries, rest),
            None => {
                let (level, rest) = rest.split_once('/')?;
                let level = u8::try_from(decimal(level)?).ok().filter(|level| *level <= TILE_LEVEL_MAX)?;
                (TileKind::Hashes(level), rest)
            }
        };
        let (number, width) = match rest.split_once(".p/") {
            Some((number, width)) => (number, decimal(width).filter(|width| (1..WIDTH).contains(width))?),
            None => (rest, WIDTH),
        };
        let mut index = 0_u64;
        for part in number.split('/') {
            let digits = part.strip_prefix('x').unwrap_or(part);
            if digits.len() != 3 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
                return None;
            }
            index = index.checked_mul(1_000)?.checked_add(digits.parse().ok()?)?;
        }
        let tile = Tile { kind, index, width: u16::try_from(width).ok()? };
        let last = Tile::at(kind, index, LOG_SIZE_MAX)?;
        (tile.width <= last.width && tile.to_string() == path).then_some(tile)
    }
}

/// The path relative to the log.
impl fmt::Display for Tile {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            TileKind::Entries => out.write_str("tile/entries/")?,
            TileKind::Hashes(level) => write!(out, "tile/{level}/")?,
        }
        let (mut parts, mut rest) = (Vec::new(), self.index / 1_000);
        while rest > 0 {
            parts.push(rest % 1_000);
            rest /= 1_000;
        }
        for part in parts.iter().rev() {
            write!(out, "x{part:03}/")?;
        }
        write!(out, "{:03}", self.index % 1_000)?;
        if self.is_full() { Ok(()) } else { write!(out, ".p/{}", self.width) }
    }
}

/// Hashes of a tile's bytes; `None` unless there are exactly `width`.
#[must_use]
pub fn hashes(bytes: &[u8], width: u16) -> Option<Vec<[u8; 32]>> {
    let (hashes, rest) = bytes.as_chunks::<32>();
    (rest.is_empty() && hashes.len() == usize::from(width)).then(|| hashes.to_vec())
}

/// Appends an entry to a bundle.
///
/// # Errors
/// The length of an entry that a bundle cannot carry: 0, or over 65,535.
pub fn bundle_push(bundle: &mut Vec<u8>, entry: &[u8]) -> Result<(), usize> {
    let length = u16::try_from(entry.len()).ok().filter(|length| (1..=ENTRY_BYTES_MAX).contains(&usize::from(*length)));
    bundle.extend(length.ok_or(entry.len())?.to_be_bytes());
    bundle.extend_from_slice(entry);
    Ok(())
}

/// Entries of a bundle's bytes; `None` unless there are exactly `width` and nothing else.
#[must_use]
pub fn bundle(mut bytes: &[u8], width: u16) -> Option<Vec<&[u8]>> {
    let mut entries = Vec::with_capacity(usize::from(width));
    while let Some((length, rest)) = bytes.split_first_chunk::<2>() {
        let length = usize::from(u16::from_be_bytes(*length));
        entries.push(rest.get(..length).filter(|entry| !entry.is_empty())?);
        bytes = &rest[length..];
    }
    (bytes.is_empty() && entries.len() == usize::from(width)).then_some(entries)
}

/// Root of the subtree over 2^k hashes.
#[must_use]
pub fn subtree_root(hashes: &[[u8; 32]]) -> [u8; 32] {
    let mut level = hashes.to_vec();
    while level.len() > 1 {
        level = level.chunks(2).map(|pair| join(&pair[0], pair.last().unwrap_or(&pair[0]))).collect();
    }
    level.first().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn paths_have_one_spelling() {
        for (path, kind, index, width) in [
            ("tile/0/000", TileKind::Hashes(0), 0, 256),
            ("tile/1/x001/x234/067", TileKind::Hashes(1), 1_234_067, 256),
            ("tile/0/x001/067.p/5", TileKind::Hashes(0), 1_067, 5),
            ("tile/entries/x273/000.p/112", TileKind::Entries, 273_000, 112),
            ("tile/5/000.p/1", TileKind::Hashes(5), 0, 1),
        ] {
            let tile = Tile { kind, index, width };
            assert_eq!(Tile::parse(path), Some(tile));
            assert_eq!(tile.to_string(), path);
        }
        for bad in [
            "",
            "tile",
            "tile/",
            "tile/0",
            "tile/0/",
            "tile/0/0",
            "tile/0/0000",
            "tile/0/x000/001",
            "tile/0/001/002",
            "tile/0/x001",
            "tile/0/000.p/0",
            "tile/0/000.p/256",
            "tile/0/000.p/01",
            "tile/0/000.p/",
            "tile/0/000.p",
            "tile/64/000",
            "tile/6/000",
            "tile/00/000",
            "tile/-1/000",
            "tile/5/000",
            "tile/5/000.p/2",
            "tile/5/001",
            "/tile/0/000",
            "tile/0/../000",
            "tile/0/x00a/000",
            "tile/8/0/000",
            "tile/entries/000/",
            "tile/data/000",
            "tile/0/x999/x999/x999/x999/x999/x999/x999/999",
            "tile/0/x004/x294/967/296",
            "tile/0/x004/x294/x967/296",
            "tile/0/\u{0661}00",
        ] {
            assert_eq!(Tile::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn tiles_of_seventy_thousand() {
        let widths =
            |kind| (0..).map_while(|index| Tile::at(kind, index, 70_000)).map(|tile| tile.width).collect::<Vec<_>>();
        let zero = widths(TileKind::Hashes(0));
        assert_eq!((zero.len(), zero.last()), (274, Some(&112)));
        assert_eq!(widths(TileKind::Hashes(1)), [256, 17]);
        assert_eq!(widths(TileKind::Hashes(2)), [1]);
        assert_eq!(widths(TileKind::Hashes(3)), [0_u16; 0]);
        assert_eq!(Tile::at(TileKind::Entries, 0, 0), None);
    }

    #[test]
    fn bundles_hold_exactly_their_entries() {
        let mut bytes = Vec::new();
        for entry in [&b"a"[..], b"bc", &[0; 65_535]] {
            bundle_push(&mut bytes, entry).unwrap();
        }
        assert_eq!(bundle(&bytes, 3).unwrap(), [&b"a"[..], b"bc", &[0; 65_535]]);
        assert!(bundle(&bytes, 2).is_none() && bundle(&bytes[..bytes.len() - 1], 3).is_none());
        assert!(bundle(&[0, 0], 1).is_none() && bundle(&[0], 0).is_none());
        assert!(bundle_push(&mut bytes, &[]).is_err() && bundle_push(&mut bytes, &[0; 65_536]).is_err());
    }

    proptest! {
        #[test]
        fn every_tile_reads_back(level in 0_u8..=5, entries in any::<bool>(), index in 0_u64..(1 << 32), width in 1_u16..=256) {
            let kind = if entries { TileKind::Entries } else { TileKind::Hashes(level) };
            let tile = Tile { kind, index, width };
            let exists = Tile::at(kind, index, LOG_SIZE_MAX).is_some_and(|last| width <= last.width);
            prop_assert_eq!(Tile::parse(&tile.to_string()), exists.then_some(tile));
        }

        #[test]
        fn no_text_panics(text in "(tile/)?(entries|[0-9]{1,3})/[x0-9/.p]{0,24}") {
            if let Some(tile) = Tile::parse(&text) {
                prop_assert_eq!(tile.to_string(), text);
            }
        }
    }
}
