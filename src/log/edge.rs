//! The right edge of the tree as tiles see it: the hashes of the partial tile of each level, and the frontier.

use super::folder::{FolderFault, LogFolder};
use super::frontier::Frontier;
use super::tile::{self, Tile, TileKind, WIDTH};

/// What the next entries join.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Edge {
    pub frontier: Frontier,
    /// Hashes of the partial tile of each level, from 0; fewer than 256 each.
    levels: Vec<Vec<[u8; 32]>>,
}

/// Bytes of hashes as a tile holds them.
pub(super) fn tile_bytes(hashes: &[[u8; 32]]) -> Vec<u8> {
    hashes.concat()
}

impl Edge {
    /// Of the first `size` entries, from the tiles of a folder.
    pub fn read(folder: &LogFolder, size: u64) -> Result<Self, FolderFault> {
        let frontier = Frontier::of(&mut folder.tree(size), size)?;
        let mut levels = Vec::new();
        for level in (0..).take_while(|level| TileKind::Hashes(*level).count(size) > 0) {
            let count = TileKind::Hashes(level).count(size);
            let full = count.is_multiple_of(WIDTH);
            levels.push(if full { Vec::new() } else { folder.hashes(level, count / WIDTH, size)? });
        }
        Ok(Edge { frontier, levels })
    }

    /// Entries.
    pub fn size(&self) -> u64 {
        self.frontier.size()
    }

    /// Leaf hashes of the partial tile of level 0.
    pub fn leaves(&self) -> &[[u8; 32]] {
        self.levels.first().map_or(&[], Vec::as_slice)
    }

    /// Adds a leaf; tells every tile that is full now, lowest level first.
    pub fn push<E>(
        &mut self,
        leaf: [u8; 32],
        mut full: impl FnMut(Tile, &[[u8; 32]]) -> Result<(), E>,
    ) -> Result<(), E> {
        self.frontier.push(leaf);
        let mut node = leaf;
        for level in 0_u8.. {
            if self.levels.len() <= usize::from(level) {
                self.levels.push(Vec::new());
            }
            let hashes = &mut self.levels[usize::from(level)];
            hashes.push(node);
            if (hashes.len() as u64) < WIDTH {
                break;
            }
            let kind = TileKind::Hashes(level);
            let index = kind.count(self.frontier.size()) / WIDTH - 1;
            full(Tile { kind, index, width: WIDTH as u16 }, hashes)?;
            node = tile::subtree_root(hashes);
            hashes.clear();
        }
        Ok(())
    }

    /// The partial tiles of this size.
    pub fn partial(&self) -> impl Iterator<Item = (Tile, &[[u8; 32]])> {
        (0_u8..).zip(&self.levels).filter_map(|(level, hashes)| {
            let kind = TileKind::Hashes(level);
            let index = kind.count(self.size()) / WIDTH;
            Tile::at(kind, index, self.size()).map(|tile| (tile, hashes.as_slice()))
        })
    }
}
