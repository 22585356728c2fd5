//! Entries out of the folder, checked one by one on all cores: hash, text, signature, what the entry alone decides.

use std::sync::{Arc, Mutex, PoisonError};

use super::report::Finding;
use crate::admit::screen::{Screened, Trust, screen};
use crate::catalogue::registry::Registry;
use crate::fold::ahead::Ahead;
use crate::limits::{AUDIT_BATCH_BUNDLES, AUDIT_BATCH_BYTES};
use crate::log::entry::{Entry, leaf_hash};
use crate::log::folder::LogFolder;
use crate::log::tile::subtree_root;
use crate::projector::core::things_ahead;
use crate::store::{Reader, parallel};

/// Entries in a full bundle.
const WIDTH: u64 = 256;

/// One entry, as far as it can be checked by itself.
pub struct Checked {
    /// Its place.
    pub index: u64,
    /// What the tree holds there.
    pub leaf: [u8; 32],
    /// The entry and what screening found; `None` where it cannot be read.
    pub entry: Option<(Entry, Screened)>,
    /// Rows that judging it will ask for.
    pub ahead: Ahead,
    /// What is wrong with it by itself.
    pub findings: Vec<Finding>,
}

/// Entries of neighbouring bundles, and the registry they were screened under.
pub struct Batch {
    /// In order.
    pub entries: Vec<Checked>,
    /// As it was known when they were read.
    pub registry: Arc<Registry>,
    /// Findings about files.
    pub findings: Vec<Finding>,
}

/// Reads a folder from its first entry to the last below `size`.
pub struct Entries<'a> {
    folder: &'a LogFolder,
    size: u64,
    trust: Trust,
    registry: &'a Mutex<Arc<Registry>>,
    rows: Reader,
    evidence: bool,
    bundle: u64,
}

impl<'a> Entries<'a> {
    /// From the beginning. `registry` is the newest one that the reader of the batches knows, `rows` are those it judges by, and
    /// `evidence` says whether it asks what evidence events name.
    #[must_use]
    pub fn new(
        folder: &'a LogFolder,
        size: u64,
        trust: Trust,
        registry: &'a Mutex<Arc<Registry>>,
        rows: Reader,
        evidence: bool,
    ) -> Self {
        Entries { folder, size, trust, registry, rows, evidence, bundle: 0 }
    }
}

impl Iterator for Entries<'_> {
    type Item = Batch;

    fn next(&mut self) -> Option<Batch> {
        let (mut raw, mut findings, mut bytes) = (Vec::new(), Vec::new(), 0);
        for _ in 0..AUDIT_BATCH_BUNDLES {
            let first = self.bundle * WIDTH;
            if first >= self.size || bytes >= AUDIT_BATCH_BYTES {
                break;
            }
            let width = WIDTH.min(self.size - first);
            let tile = self.folder.hashes(0, self.bundle, self.size).ok().filter(|tile| tile.len() as u64 == width);
            match self.folder.entries(self.bundle, self.size) {
                Ok(entries) => {
                    bytes += entries.iter().map(Vec::len).sum::<usize>();
                    raw.push((first, width, entries, tile));
                }
                Err(error) => {
                    let ko = format!("기록 {first}부터 {width}개를 읽을 수 없습니다: {error}");
                    let en = format!("{width} entries from {first} on cannot be read: {error}");
                    let path = crate::log::tile::Tile::at(crate::log::tile::TileKind::Entries, self.bundle, self.size);
                    let finding = Finding::new("entries-unreadable", ko, en).at(first);
                    findings.push(match path {
                        Some(path) => finding.file(path),
                        None => finding,
                    });
                    raw.push((first, width, Vec::new(), tile));
                }
            }
            self.bundle += 1;
        }
        if raw.is_empty() {
            return None;
        }
        let registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner).clone();
        // Before anything is read from them.
        let folded = self.rows.position().size;
        let by = By { registry: &registry, trust: self.trust, rows: &self.rows, folded, evidence: self.evidence };
        let bundles = parallel::map(raw, |(first, width, entries, tile)| {
            let leaves = leaves(self.folder, self.size, first, &entries, tile, width);
            let one = |(at, (leaf, found)): (usize, ([u8; 32], Option<[u8; 32]>))| {
                let index = first + at as u64;
                check(index, leaf, found, entries.get(at).map(Vec::as_slice), by)
            };
            leaves.into_iter().enumerate().map(one).collect::<Vec<_>>()
        });
        let mut entries: Vec<Checked> = bundles.into_iter().flatten().collect();
        things_ahead(&self.rows, entries.iter_mut().map(|checked| &mut checked.ahead));
        Some(Batch { entries, registry, findings })
    }
}

/// For each entry of a bundle the hash to believe, and, where the entry gives another one, that one. Where bundle and tile
/// differ the tile above decides which of the two was altered.
fn leaves(
    folder: &LogFolder,
    size: u64,
    first: u64,
    entries: &[Vec<u8>],
    tile: Option<Vec<[u8; 32]>>,
    width: u64,
) -> Vec<([u8; 32], Option<[u8; 32]>)> {
    let mut own: Vec<[u8; 32]> = entries.iter().map(|entry| leaf_hash(entry)).collect();
    let Some(tile) = tile else {
        let missing = std::iter::repeat_n([0; 32], (width as usize).saturating_sub(own.len()));
        return own.into_iter().chain(missing).map(|leaf| (leaf, None)).collect();
    };
    // What is left of a withheld entry does not give its leaf: the tile has it, and the tree above holds the tile to it. That
    // it may stand there at all is judged at the end, when everything that was said of it is known.
    for (at, leaf) in tile.iter().enumerate() {
        let differs = own.get(at).is_some_and(|own| own != leaf);
        if differs && entries.get(at).is_some_and(|bytes| is_withheld(bytes)) {
            own[at] = *leaf;
        }
    }
    if own == tile {
        return own.into_iter().map(|leaf| (leaf, None)).collect();
    }
    let number = first / WIDTH;
    let above = folder.hashes(1, number / WIDTH, size).ok();
    let above = above.and_then(|above| above.get((number % WIDTH) as usize).copied());
    if own.len() == tile.len() && above.is_some_and(|above| above == subtree_root(&own)) {
        return own.into_iter().map(|leaf| (leaf, None)).collect();
    }
    let pair = |(at, leaf): (usize, [u8; 32])| (leaf, own.get(at).copied().filter(|own| *own != leaf));
    tile.into_iter().enumerate().map(pair).collect()
}

/// What entries are checked by.
#[derive(Clone, Copy)]
struct By<'a> {
    registry: &'a Registry,
    trust: Trust,
    rows: &'a Reader,
    /// Log size up to which the rows are folded at least.
    folded: u64,
    /// Whether somebody asks what evidence events name.
    evidence: bool,
}

fn is_withheld(bytes: &[u8]) -> bool {
    Entry::parse(bytes).is_ok_and(|entry| entry.body.is_withheld())
}

fn check(index: u64, leaf: [u8; 32], found: Option<[u8; 32]>, bytes: Option<&[u8]>, by: By<'_>) -> Checked {
    let mut findings = Vec::new();
    if let Some(found) = found {
        let finding = Finding::new(
            "entry-altered",
            "기록의 내용이 트리에 남은 해시와 다릅니다: 기록이 바뀌었습니다",
            "the entry does not give the hash the tree holds for it: the entry was altered",
        );
        let hex = crate::sign::hex::encode;
        findings.push(finding.at(index).versions(hex(&found), hex(&leaf)));
    }
    let entry = bytes.and_then(|bytes| read(index, bytes, &mut findings));
    let mut entry = entry.map(|entry| {
        let screened = screen(&entry, by.registry, by.trust);
        (entry, screened)
    });
    let ahead = entry.as_ref().map_or_else(Ahead::default, |(_, screened)| Ahead::read(by.rows, by.folded, screened));
    if let Some((_, screened)) = entry.as_mut().filter(|_| !by.evidence) {
        screened.lighten();
    }
    Checked { index, leaf, entry, ahead, findings }
}

/// Reads an entry, and holds its text to the one form the log writes.
pub fn read(index: u64, bytes: &[u8], findings: &mut Vec<Finding>) -> Option<Entry> {
    let entry = match Entry::parse(bytes) {
        Ok(entry) => entry,
        Err(fault) => {
            let ko = format!("기록을 읽을 수 없습니다: {fault}");
            findings.push(Finding::new("entry-unreadable", ko, format!("the entry cannot be read: {fault}")).at(index));
            return None;
        }
    };
    if entry.encode() != bytes {
        let finding = Finding::new(
            "entry-form",
            "기록이 정해진 형식대로 쓰이지 않았습니다",
            "the entry is not written in the log's own form",
        );
        findings.push(finding.at(index));
    }
    if entry.index != index {
        let finding =
            Finding::new("index-wrong", "기록이 다른 자리에 있습니다", "the entry stands in another entry's place");
        findings.push(finding.at(index).versions(entry.index, index));
        return None;
    }
    Some(entry)
}
