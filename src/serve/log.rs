//! The log folder and receipts over HTTP. Only paths that a log folder has are served, each in its one spelling.
//!
//! Long files are read while they are sent, a piece at a time: a client who reads nothing costs a piece, not a bundle.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream::unfold;

use super::problem::{Problem, text};
use super::source::SourceError;
use crate::event::Day;
use crate::limits::LOG_PIECE_BYTES;
use crate::log::bounded;
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

/// What a file holds.
#[derive(Debug)]
pub enum Content {
    /// All of it: a file no longer than a piece.
    Whole(Vec<u8>),
    /// A longer one, to be read as it is sent.
    Long(Long),
}

/// A long file. It is not held open, for clients are many and descriptors few: each piece is read from what has the name then,
/// if that is still the same file.
#[derive(Debug, Clone)]
pub struct Long {
    path: PathBuf,
    /// Device and number of the file.
    is: (u64, u64),
    /// Bytes it had when it was asked for; a history may grow meanwhile.
    length: u64,
}

impl Content {
    /// Opens a file that [`named`] knows, below a log folder.
    ///
    /// # Errors
    /// [`SourceError::Broken`].
    pub fn open(dir: &Path, path: &str) -> Result<Option<Self>, SourceError> {
        match Self::read(dir.join(path)) {
            Ok(content) => Ok(Some(content)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(SourceError::Broken(format!("{path}: {error}"))),
        }
    }

    fn read(path: PathBuf) -> io::Result<Self> {
        let file = bounded::open(&path)?;
        let found = file.metadata()?;
        let (is, length) = ((found.dev(), found.ino()), found.len());
        if length > LOG_PIECE_BYTES {
            return Ok(Content::Long(Long { path, is, length }));
        }
        piece(&file, 0, length).map(Content::Whole)
    }

    /// The bytes of a short file.
    #[must_use]
    pub fn whole(self) -> Option<Vec<u8>> {
        match self {
            Content::Whole(bytes) => Some(bytes),
            Content::Long(_) => None,
        }
    }
}

impl Long {
    /// The piece that begins at a byte.
    fn piece(&self, at: u64) -> io::Result<Vec<u8>> {
        let file = bounded::open(&self.path)?;
        let found = file.metadata()?;
        if (found.dev(), found.ino()) != self.is {
            return Err(io::Error::other("the file was replaced while it was sent"));
        }
        piece(&file, at, (self.length - at).min(LOG_PIECE_BYTES))
    }

    /// Its bytes, piece after piece. An error ends the connection: the client has fewer bytes than it was told of.
    fn body(self) -> Body {
        let long = Arc::new(self);
        Body::from_stream(unfold(0, move |at| {
            let long = long.clone();
            async move {
                if at >= long.length {
                    return None;
                }
                let read = tokio::task::spawn_blocking(move || long.piece(at)).await;
                let piece = read.unwrap_or_else(|error| Err(io::Error::other(error)));
                let piece = piece.inspect_err(|error| tracing::warn!(%error, "a log file could not be sent whole"));
                let next = at + piece.as_ref().map_or(0, |piece| piece.len() as u64);
                Some((piece.map(Bytes::from), next))
            }
        }))
    }
}

/// So many bytes of a file.
fn piece(file: &File, at: u64, length: u64) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(length).unwrap_or(usize::MAX)];
    file.read_exact_at(&mut bytes, at)?;
    Ok(bytes)
}

/// The answer for a file.
pub(super) fn answer(file: LogFile, content: Content) -> Response {
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
    match content {
        Content::Whole(bytes) => (headers, bytes).into_response(),
        Content::Long(long) => {
            let length = [(header::CONTENT_LENGTH, HeaderValue::from(long.length))];
            (headers, length, long.body()).into_response()
        }
    }
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
    use axum::body::to_bytes;

    use super::*;

    #[tokio::test]
    async fn a_long_file_comes_in_pieces_of_one_state() {
        let dir = tempfile::tempdir().unwrap();
        let (path, name) = (dir.path().join("vkey"), "vkey");
        let open = || Content::open(dir.path(), name).unwrap();
        assert!(open().is_none());
        for length in [0, 1, LOG_PIECE_BYTES, LOG_PIECE_BYTES + 1, 5 * LOG_PIECE_BYTES, 5 * LOG_PIECE_BYTES + 7] {
            let bytes: Vec<u8> = (0..length).map(|at| (at % 251) as u8).collect();
            std::fs::write(&path, &bytes).unwrap();
            let response = answer(LogFile::Bundle, open().unwrap());
            if let Some(told) = response.headers().get(header::CONTENT_LENGTH) {
                assert_eq!(told, &HeaderValue::from(length));
            }
            // A history grows while it is read; what was promised is sent.
            let mut more = bytes.clone();
            more.push(0);
            std::fs::OpenOptions::new().write(true).open(&path).unwrap().write_all_at(&more, 0).unwrap();
            assert_eq!(to_bytes(response.into_body(), usize::MAX).await.unwrap(), bytes, "{length}");
        }
        let whole = vec![1; 3 * LOG_PIECE_BYTES as usize];
        std::fs::write(&path, &whole).unwrap();
        let response = answer(LogFile::Bundle, open().unwrap());
        std::fs::write(dir.path().join("new"), vec![2; whole.len()]).unwrap();
        std::fs::rename(dir.path().join("new"), &path).unwrap();
        // Never half of one state and half of another.
        assert!(to_bytes(response.into_body(), usize::MAX).await.is_err());
    }

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
