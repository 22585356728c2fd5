//! Every file of the folder is one the log knows: nothing beside it goes unread.

use std::io;
use std::path::Path;

use super::report::{Finding, Report};
use crate::event::Day;
use crate::log::bounded;
use crate::log::disk::FRESH;
use crate::log::folder::{CHECKPOINT, CONFLICTS, HISTORY, LogFolder, VKEY};
use crate::log::fork::Fork;
use crate::log::tail::{FILE_INDEX, FILE_LOCK, FILE_TAIL};
use crate::log::tile::Tile;

/// Names at the top of a log folder that are no tile and no history.
const KNOWN: [&str; 5] = [CHECKPOINT, VKEY, FILE_TAIL, FILE_INDEX, FILE_LOCK];

/// Finds files that no log of `size` entries has; tiles of another width than the log has now must begin alike.
///
/// # Errors
/// The folder cannot be listed or read.
pub fn strangers(folder: &LogFolder, size: u64, report: &mut Report) -> io::Result<()> {
    let mut names = Vec::new();
    list(folder.dir(), "", &mut names)?;
    for name in names {
        let finding = match Tile::parse(&name) {
            Some(tile) if is_due(tile, size) => None,
            Some(tile) if begins_alike(folder, tile, size)? => None,
            Some(_) => Some(Finding::new(
                "tile-stray",
                "더 넓거나 좁은 트리 조각이 지금의 조각과 다르게 시작합니다",
                "a tile of another width does not begin as the one in its place",
            )),
            None if belongs(&name) => None,
            None => {
                let en = "the file is no part of this log";
                Some(Finding::new("file-unknown", "로그에 속하지 않는 파일입니다", en))
            }
        };
        if let Some(finding) = finding {
            report.find(finding.file(name));
        }
    }
    Ok(())
}

fn is_due(tile: Tile, size: u64) -> bool {
    Tile::at(tile.kind, tile.index, size) == Some(tile)
}

fn begins_alike(folder: &LogFolder, tile: Tile, size: u64) -> io::Result<bool> {
    let Some(due) = Tile::at(tile.kind, tile.index, size) else {
        // Beyond the checkpoint, where a crash came between tiles and checkpoint: nothing is claimed about it.
        return Ok(true);
    };
    let stray = match bounded::read(&folder.path(tile), tile.bytes_max()) {
        Err(error) if bounded::is_strange(&error) => return Ok(false),
        read => read?,
    };
    // Its absence is found where the tile is needed.
    let Ok(held) = bounded::read(&folder.path(due), due.bytes_max()) else { return Ok(true) };
    let shared = stray.len().min(held.len());
    Ok(stray[..shared] == held[..shared] && (tile.width < due.width) == (stray.len() < held.len()))
}

fn belongs(name: &str) -> bool {
    // What a crash left half written under a name of its own: nobody reads it, the next write replaces it.
    let name = name.strip_suffix(FRESH).and_then(|name| name.strip_suffix('.')).unwrap_or(name);
    let is_day = |name: &str| Day::parse(name).is_ok_and(|day| day.to_string() == name);
    match name.split_once('/') {
        None => KNOWN.contains(&name),
        Some((HISTORY, day)) => is_day(day),
        Some((CONFLICTS, name)) => Fork::is_name(name),
        Some(_) => Tile::parse(name).is_some(),
    }
}

fn list(folder: &Path, prefix: &str, names: &mut Vec<String>) -> io::Result<()> {
    for item in std::fs::read_dir(folder)? {
        let item = item?;
        let name = format!("{prefix}{}", item.file_name().to_string_lossy());
        if item.file_type()?.is_dir() {
            list(&item.path(), &format!("{name}/"), names)?;
        } else {
            names.push(name);
        }
    }
    Ok(())
}
