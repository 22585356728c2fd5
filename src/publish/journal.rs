//! The journal of an outbox: its lines, their checksums, what a torn or damaged end means, the folder's lock.
//!
//! Knows nothing of signing or sending.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};

use super::outbox::{OutboxError, Signed};
use crate::sign::hex;

/// Pause between two attempts to lock.
const LOCK_EVERY: Duration = Duration::from_millis(20);

/// Where the chain of a key stands.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Chain {
    /// Last number given.
    pub seq: u64,
    /// Hex SHA-256 of the JWS with that number.
    pub prev: Option<String>,
}

/// One line of the journal.
#[derive(Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "lowercase")]
pub(super) enum Line {
    Head { format: u32, key: String, origin: String, chain: Chain },
    Report(Signed),
    Sealed { upto: u64 },
    Recorded { seq: u64 },
    Withdrawn { chain: Chain },
}

/// The open file.
#[derive(Debug)]
pub(super) struct Journal {
    path: PathBuf,
    file: File,
    /// Length of the file.
    pub(super) bytes: u64,
    /// A write failed, so that the disk is unknown; or reports are on disk that the chain in memory does not know.
    pub(super) broken: bool,
    /// A part of what belongs together may be on disk.
    parted: bool,
}

impl Journal {
    /// Goes on behind the first `bytes` of the file at `path`.
    pub(super) fn behind(path: PathBuf, mut file: File, bytes: u64) -> Result<Self, OutboxError> {
        file.seek(SeekFrom::Start(bytes)).map_err(io("read", &path))?;
        Ok(Journal { path, file, bytes, broken: false, parted: false })
    }

    /// Appends, and syncs where what follows rests on it. A failed write or sync leaves the disk unknown: no more.
    pub(super) fn append(&mut self, text: &str, sync: bool) -> Result<(), OutboxError> {
        self.broken |= self.parted;
        self.write(text, sync)
    }

    /// Parts follow that belong together. Until [`Journal::end_parts`] nothing else is taken: where they were given up halfway,
    /// for whatever reason, their numbers would be given again.
    pub(super) fn begin_parts(&mut self) {
        self.broken |= self.parted;
        self.parted = true;
    }

    /// Appends the next part, and syncs.
    pub(super) fn append_part(&mut self, text: &str) -> Result<(), OutboxError> {
        self.write(text, true)
    }

    /// All parts are on disk, and known.
    pub(super) fn end_parts(&mut self) {
        self.parted = false;
    }

    fn write(&mut self, text: &str, sync: bool) -> Result<(), OutboxError> {
        if self.broken {
            return Err(OutboxError::Broken { dir: self.path.parent().unwrap_or(&self.path).to_owned() });
        }
        let written = self.file.write_all(text.as_bytes());
        let done = written.and_then(|()| if sync { self.file.sync_data() } else { Ok(()) });
        self.broken = done.is_err();
        self.bytes += text.len() as u64;
        done.map_err(io("write", &self.path))
    }
}

/// Wraps an error of the system with what was being done.
pub(super) fn io(what: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> OutboxError {
    let what = format!("{what} {}", path.display());
    move |source| OutboxError::Io { what, source }
}

/// A line as text, its checksum first.
pub(super) fn encode(line: &Line) -> Result<String, OutboxError> {
    let json = serde_json::to_string(line)
        .map_err(|error| OutboxError::Io { what: "write a journal line".to_owned(), source: error.into() })?;
    Ok(format!("{} {json}\n", check(&json)))
}

fn check(json: &str) -> String {
    hex::encode(&hex::sha256(json.as_bytes())[..8])
}

fn decode(line: &[u8]) -> Option<Line> {
    let line = std::str::from_utf8(line).ok()?;
    let (sum, json) = line.split_once(' ')?;
    (sum == check(json)).then(|| serde_json::from_str(json).ok()).flatten()
}

/// What a journal says: lines, and the bytes they take (less than the file where the end is torn).
pub(super) fn read(path: &Path, bytes: &[u8]) -> Result<(Vec<Line>, u64), OutboxError> {
    let (mut lines, mut at) = (Vec::new(), 0usize);
    while let Some((line, length)) = line_at(&bytes[at..]) {
        lines.push(line);
        at += length;
    }
    // A torn end was not synced, so nothing was written after it. A whole line further on says it is damage instead,
    // even where the line break itself was hit.
    let rest = &bytes[at..];
    if (1..rest.len()).any(|offset| line_at(&rest[offset..]).is_some()) {
        return Err(OutboxError::Damaged { path: path.to_owned(), at: at as u64 });
    }
    Ok((lines, at as u64))
}

/// The line that begins here, with the bytes it takes.
fn line_at(bytes: &[u8]) -> Option<(Line, usize)> {
    let sum = bytes.get(..17)?;
    if sum[16] != b' ' || !sum[..16].iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    Some((decode(&bytes[..end])?, end + 1))
}

/// Opens the journal for reading and appending.
pub(super) fn open(path: &Path) -> Result<File, OutboxError> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path).map_err(io("open", path))
}

/// Locks the folder, waiting up to `wait`.
pub(super) fn lock(dir: &Path, wait: Duration) -> Result<File, OutboxError> {
    let path = dir.join("lock");
    let file = File::create(&path).map_err(io("create", &path))?;
    let deadline = Instant::now() + wait;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if Instant::now() < deadline => std::thread::sleep(LOCK_EVERY),
            Err(TryLockError::WouldBlock) => return Err(OutboxError::Busy { dir: dir.to_owned() }),
            Err(TryLockError::Error(error)) => return Err(io("lock", &path)(error)),
        }
    }
}
