//! The Merkle tree anew from the entries, held against every tile in the folder. Sequential: leaf hashes come in order.

use super::report::{Finding, Report};
use crate::log::folder::LogFolder;
use crate::log::frontier::Frontier;
use crate::log::tile::{Tile, TileKind, subtree_root};

/// Hashes in a full tile.
const WIDTH: usize = 256;

/// The tree so far.
pub struct TreeCheck<'a> {
    folder: &'a LogFolder,
    frontier: Frontier,
    /// Hashes of the tile being filled, and its number, for each level.
    levels: Vec<(u64, Vec<[u8; 32]>)>,
}

impl<'a> TreeCheck<'a> {
    /// Of nothing yet.
    #[must_use]
    pub fn new(folder: &'a LogFolder) -> Self {
        TreeCheck { folder, frontier: Frontier::default(), levels: Vec::new() }
    }

    /// Leaves so far.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.frontier.size()
    }

    /// Root over them.
    #[must_use]
    pub fn root(&self) -> [u8; 32] {
        self.frontier.root()
    }

    /// Adds a leaf; tiles that it fills are compared.
    pub fn push(&mut self, leaf: [u8; 32], report: &mut Report) {
        self.frontier.push(leaf);
        let (mut level, mut hash) = (0, leaf);
        loop {
            if self.levels.len() == level {
                self.levels.push((0, Vec::with_capacity(WIDTH)));
            }
            let (number, hashes) = &mut self.levels[level];
            hashes.push(hash);
            if hashes.len() < WIDTH {
                return;
            }
            let tile = Tile { kind: TileKind::Hashes(level as u8), index: *number, width: WIDTH as u16 };
            compare(self.folder, tile, hashes, report);
            hash = subtree_root(hashes);
            (*number, level) = (*number + 1, level + 1);
            hashes.clear();
        }
    }

    /// Compares the partial tiles on the right edge.
    pub fn finish(&self, report: &mut Report) {
        for (level, (number, hashes)) in self.levels.iter().enumerate().filter(|(_, (_, hashes))| !hashes.is_empty()) {
            let kind = TileKind::Hashes(level as u8);
            compare(self.folder, Tile { kind, index: *number, width: hashes.len() as u16 }, hashes, report);
        }
    }
}

fn compare(folder: &LogFolder, tile: Tile, hashes: &[[u8; 32]], report: &mut Report) {
    let found = match folder.exact(tile) {
        Ok(Some(bytes)) => bytes,
        // A log that has grown since holds the full tile in its place; it is compared when it is reached.
        Ok(None) if !tile.is_full() && folder.path(tile.full()).exists() => return,
        Ok(None) => {
            let finding = Finding::new("tile-missing", "트리 조각 파일이 없습니다", "a tile of the tree is missing");
            return report.find(finding.file(tile));
        }
        Err(error) => {
            let finding = Finding::new("tile-unreadable", format!("읽을 수 없습니다: {error}"), error.to_string());
            return report.find(finding.file(tile));
        }
    };
    if found == hashes.as_flattened() {
        return;
    }
    let at = found.chunks(32).zip(hashes).position(|(found, hash)| found != hash);
    let place = at.map_or_else(|| format!("{} bytes", found.len()), |at| format!("hash {at}"));
    let finding = Finding::new(
        "tile-wrong",
        "트리 조각이 기록 내용과 다릅니다: 조각 파일이 바뀌었습니다",
        "a tile of the tree differs from what the entries give: the tile was altered",
    );
    report.find(finding.file(tile).versions(place, "as computed from the entries"));
}
