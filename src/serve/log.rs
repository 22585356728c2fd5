//! The log folder and receipts over HTTP. Only paths that a log folder has are served, each in its one spelling.

use std::path::Path;

use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};

use super::problem::{Problem, text};
use super::source::SourceError;
use crate::event::Day;
use crate::log::folder::{CHECKPOINT, CONFLICTS, HISTORY, VKEY};
use crate::log::fork::Fork;
use crate::log::tile::{Tile, TileKind};

/// A file of the log folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFile {
    /// `checkpoint`, `vkey`, a day's `history`, evidence in `conflicts`: text, most of it changing.
    Text,
    /// A tile of hashes: its name never has other bytes.
    Tile,
    /// A bundle of entries: it changes only where texts are withheld by law, and nobody should go on serving those for long.
    Bundle,
}

/// What a path below `/log/` names; `None` for anything a log folder does not have.
#[must_use]
pub fn named(path: &str) -> Option<LogFile> {
    if path == CHECKPOINT || path == VKEY {
        return Some(LogFile::Text);
    }
    if let Some(day) = path.strip_prefix(HISTORY).and_then(|rest| rest.strip_prefix('/')) {
        return Day::parse(day).ok().filter(|parsed| parsed.to_string() == day).map(|_| LogFile::Text);
    }
    if let Some(name) = path.strip_prefix(CONFLICTS).and_then(|rest| rest.strip_prefix('/')) {
        return Fork::is_name(name).then_some(LogFile::Text);
    }
    Tile::parse(path).map(|tile| if tile.kind == TileKind::Entries { LogFile::Bundle } else { LogFile::Tile })
}

/// Reads a file that [`named`] knows, below a log folder.
///
/// # Errors
/// [`SourceError::Broken`].
pub fn read(dir: &Path, path: &str) -> Result<Option<Vec<u8>>, SourceError> {
    match std::fs::read(dir.join(path)) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(SourceError::Broken(format!("{path}: {error}"))),
    }
}

/// The answer for a file.
pub(super) fn answer(file: LogFile, bytes: Vec<u8>) -> Response {
    let (kind, cache) = match file {
        LogFile::Text => ("text/plain; charset=utf-8", "no-cache"),
        LogFile::Tile => ("application/octet-stream", "public, max-age=31536000, immutable"),
        LogFile::Bundle => ("application/octet-stream", "public, max-age=3600"),
    };
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
        (header::CACHE_CONTROL, HeaderValue::from_static(cache)),
        (HeaderName::from_static("x-content-type-options"), HeaderValue::from_static("nosniff")),
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; sandbox")),
    ];
    (headers, bytes).into_response()
}

/// Nothing there under this path.
pub(super) fn nothing() -> Problem {
    Problem::not_found(
        text("로그에 이런 파일이 없습니다", "the log has no such file"),
        text(
            "/log/checkpoint의 크기가 어떤 타일이 있는지 정합니다.",
            "the size in /log/checkpoint says which tiles there are",
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_log_folder_has() {
        let conflict = format!("conflicts/41-{}", "0a".repeat(32));
        for path in ["checkpoint", "vkey", "history/2026-11-23", &conflict] {
            assert_eq!(named(path), Some(LogFile::Text), "{path}");
        }
        for (path, file) in [("tile/0/000", LogFile::Tile), ("tile/entries/x001/234.p/7", LogFile::Bundle)] {
            assert_eq!(named(path), Some(file), "{path}");
        }
        for path in [
            "",
            "tail",
            "tail.index",
            "history",
            "history/",
            "history/../tail",
            "history/2026-1-1",
            "conflicts",
            "conflicts/41",
            "conflicts/../tail",
            "conflicts/041-x",
            "../keys/log.nk",
            "tile/0/000.new",
            "checkpoint/",
            "/checkpoint",
            "checkpoint.new",
            "tile/0/000.p/7.new",
        ] {
            assert_eq!(named(path), None, "{path}");
        }
    }
}
