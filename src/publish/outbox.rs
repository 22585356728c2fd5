//! A durable outbox, one folder per key: signs each report once, keeps it until it is recorded.
//!
//! Files: `lock` (held by the one process that publishes with this key) and `journal`, lines of
//! `<16 hex of the SHA-256 of the JSON> <JSON>`.
//!
//! Order of writing, and what a crash leaves:
//! 1. `report` lines are appended and synced. Crash before: the report was never made. A torn last line is cut off.
//! 2. `sealed` is appended and synced **before** anything is sent. Crash before: nothing was sent, so a torn report line
//!    can be dropped and its number given again. Crash after: every report up to the seal may be in the stream, it is in
//!    doubt and asked about. A damaged line before the last is never repaired by guessing: the outbox refuses to open.
//! 3. The reports are sent, as the bytes in the journal.
//! 4. `recorded` is appended, not synced: lost, it is asked again.
//!
//! Never sends ([`super::send`] does), never signs two contents under one number.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{Read as _, Write as _},
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use bytes::Bytes;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

pub use super::fault::OutboxError;
use super::journal::{self, Chain, Journal, Line, encode, io};
use super::receipts::Receipts;
use crate::{
    event::{Time, envelope, json, personal},
    limits::{
        BODY_BYTES_MAX, OUTBOX_JOURNAL_BYTES_MAX, OUTBOX_LOCK_WAIT_MS, OUTBOX_PART_BYTES, OUTBOX_PENDING_BYTES_MAX,
    },
    sign::{Claims, KeyPair, Seen, hex, sign},
    stream::Outgoing,
};

/// Header that carries the signature.
pub const SIGNATURE_HEADER: &str = "Ledger-Signature";
/// Header that names the body's media type.
pub const CONTENT_TYPE_HEADER: &str = "Content-Type";
/// Format of the journal.
const FORMAT: u32 = 1;

/// A report to be signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// NATS subject.
    pub subject: String,
    /// Content type of the body.
    pub content_type: String,
    /// Body.
    pub body: Vec<u8>,
}

/// A signed report: the same bytes for ever.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signed {
    /// Its number in the key's chain.
    pub seq: u64,
    /// Compact JWS.
    pub jws: String,
    /// NATS subject.
    pub subject: String,
    /// Content type.
    pub content_type: String,
    /// Body.
    pub body: String,
}

impl Signed {
    /// The name the ledger knows it by: hex SHA-256 of the compact JWS.
    #[must_use]
    pub fn sha256(&self) -> String {
        hex::encode(&hex::sha256(self.jws.as_bytes()))
    }

    /// The message as it is sent, every time.
    #[must_use]
    pub fn outgoing(&self) -> Outgoing {
        Outgoing {
            subject: self.subject.clone(),
            headers: vec![
                (CONTENT_TYPE_HEADER.to_owned(), self.content_type.clone()),
                (SIGNATURE_HEADER.to_owned(), self.jws.clone()),
            ],
            body: Bytes::copy_from_slice(self.body.as_bytes()),
        }
    }
}

/// How far a report is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Signed, never sent.
    Fresh,
    /// May have been sent: asked about before it is sent again.
    Doubt,
    /// Acknowledged by the stream.
    Sent,
    /// Was sent and is certainly not stored: to be sent again as the same bytes.
    Again,
}

/// A report that is not recorded yet.
#[derive(Debug, Clone)]
pub struct Pending {
    /// The report.
    pub report: Signed,
    /// How far it is.
    pub stage: Stage,
}

/// The outbox of one key. Holds the folder's lock while it lives.
#[derive(Debug)]
pub struct Outbox {
    dir: PathBuf,
    pair: KeyPair,
    origin: String,
    seen: Option<Seen>,
    chain: Chain,
    pending: BTreeMap<u64, Pending>,
    pending_bytes: usize,
    sealed: u64,
    journal: Journal,
    recorded: u64,
    _lock: File,
}

impl Outbox {
    /// Opens the outbox in `dir` (made where there is none) for this key and ledger.
    ///
    /// # Errors
    /// [`OutboxError::Busy`] after `OUTBOX_LOCK_WAIT_MS`, [`OutboxError::Foreign`], [`OutboxError::Damaged`],
    /// [`OutboxError::Io`].
    pub fn open(dir: &Path, pair: KeyPair, origin: &str) -> Result<Outbox, OutboxError> {
        Outbox::open_within(dir, pair, origin, Duration::from_millis(OUTBOX_LOCK_WAIT_MS))
    }

    fn open_within(dir: &Path, pair: KeyPair, origin: &str, wait: Duration) -> Result<Outbox, OutboxError> {
        fs::create_dir_all(dir).map_err(io("create", dir))?;
        let lock = journal::lock(dir, wait)?;
        let path = dir.join("journal");
        // An unfinished rewrite: the journal itself is whole.
        let _ = fs::remove_file(dir.join("journal.new"));
        let mut file = journal::open(&path)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(io("read", &path))?;
        let (lines, length) = journal::read(&path, &bytes)?;
        if length < bytes.len() as u64 {
            tracing::warn!(path = %path.display(), torn = bytes.len() as u64 - length, "torn last line cut off");
            file.set_len(length).and_then(|()| file.sync_all()).map_err(io("cut", &path))?;
        }
        let mut outbox = Outbox {
            dir: dir.to_owned(),
            pair,
            origin: origin.to_owned(),
            seen: Receipts::beside(dir).seen(),
            chain: Chain::default(),
            pending: BTreeMap::new(),
            pending_bytes: 0,
            sealed: 0,
            journal: Journal::behind(path, file, length)?,
            recorded: 0,
            _lock: lock,
        };
        if lines.is_empty() {
            let head = encode(&outbox.head())?;
            outbox.journal.append(&head, true)?;
            File::open(dir).and_then(|folder| folder.sync_all()).map_err(io("sync", dir))?;
        }
        for line in lines {
            outbox.replay(line)?;
        }
        for pending in outbox.pending.values_mut() {
            pending.stage = if pending.report.seq <= outbox.sealed { Stage::Doubt } else { Stage::Fresh };
        }
        Ok(outbox)
    }

    fn head(&self) -> Line {
        Line::Head {
            format: FORMAT,
            key: self.pair.public().to_owned(),
            origin: self.origin.clone(),
            chain: self.chain.clone(),
        }
    }

    fn replay(&mut self, line: Line) -> Result<(), OutboxError> {
        let foreign = |what, found: String, wanted: &str| OutboxError::Foreign {
            dir: self.dir.clone(),
            what,
            found,
            wanted: wanted.to_owned(),
        };
        match line {
            Line::Head { format, .. } if format != FORMAT => {
                return Err(foreign("journal format", format.to_string(), &FORMAT.to_string()));
            }
            Line::Head { key, .. } if key != self.pair.public() => return Err(foreign("key", key, self.pair.public())),
            Line::Head { origin, .. } if origin != self.origin => return Err(foreign("ledger", origin, &self.origin)),
            Line::Head { chain, .. } => self.chain = chain,
            Line::Report(report) => self.admit(report),
            Line::Sealed { upto } => self.sealed = self.sealed.max(upto),
            Line::Recorded { seq } => self.drop_pending(seq),
            Line::Withdrawn { chain } => self.roll_back(chain),
        }
        Ok(())
    }

    /// A report joins the chain and waits. A report carried over by a rewrite is behind the chain already.
    fn admit(&mut self, report: Signed) {
        if report.seq > self.chain.seq {
            self.chain = Chain { seq: report.seq, prev: Some(report.sha256()) };
        }
        self.pending_bytes += report.body.len() + report.jws.len();
        self.pending.insert(report.seq, Pending { report, stage: Stage::Fresh });
    }

    fn drop_pending(&mut self, seq: u64) {
        if let Some(pending) = self.pending.remove(&seq) {
            self.pending_bytes -= pending.report.body.len() + pending.report.jws.len();
            self.recorded += 1;
        }
    }

    fn roll_back(&mut self, chain: Chain) {
        while let Some((&seq, _)) = self.pending.range(chain.seq + 1..).next() {
            self.drop_pending(seq);
        }
        self.sealed = self.sealed.min(chain.seq);
        self.chain = chain;
    }

    /// Checks, signs and keeps the reports, all or none; they are on disk when this returns. Gives their numbers. Where it is cut off
    /// by a crash or a full disk the first of them may be kept.
    ///
    /// # Errors
    /// [`OutboxError::Personal`], [`OutboxError::TooLarge`], [`OutboxError::NotText`], [`OutboxError::NotJson`],
    /// [`OutboxError::Header`] before anything is signed;
    /// [`OutboxError::Full`], [`OutboxError::Io`], [`OutboxError::Broken`].
    pub fn enqueue(&mut self, drafts: &[Draft], reported: Time) -> Result<std::ops::RangeInclusive<u64>, OutboxError> {
        let check = |draft: &Draft| {
            headed(&draft.subject, &draft.content_type)?;
            checked(&draft.body).map(|body| (hex::sha256(body.as_bytes()), body))
        };
        // The first fault in the order of the drafts, whichever thread meets it.
        let bodies: Vec<_> = drafts.par_iter().map(check).collect();
        let bodies = bodies.into_iter().collect::<Result<Vec<_>, OutboxError>>()?;
        let bytes = self.pending_bytes + drafts.iter().map(|draft| draft.body.len()).sum::<usize>();
        if bytes > OUTBOX_PENDING_BYTES_MAX {
            return Err(OutboxError::Full { dir: self.dir.clone(), bytes: self.pending_bytes });
        }
        let first = self.chain.seq + 1;
        let mut unsigned = drafts.iter().zip(bodies);
        let mut chain = self.chain.clone();
        let mut lines = Vec::with_capacity(drafts.len());
        let (pair, origin, seen) = (&self.pair, &self.origin, self.seen);
        // The next part, and whether there are more: signed one after the other, each names the one before.
        let mut part = || -> Result<(String, bool), OutboxError> {
            let (from, mut bytes) = (lines.len(), 0);
            while bytes < OUTBOX_PART_BYTES
                && let Some((draft, (sha256, body))) = unsigned.next()
            {
                bytes += body.len();
                let claims = Claims {
                    aud: origin.clone(),
                    sub: draft.subject.clone(),
                    cty: draft.content_type.clone(),
                    sha256,
                    seq: chain.seq + 1,
                    prev: chain.prev.as_deref().and_then(hex::decode32),
                    seen,
                    reported,
                };
                let report = Signed {
                    seq: claims.seq,
                    jws: sign(pair, &claims),
                    subject: draft.subject.clone(),
                    content_type: draft.content_type.clone(),
                    body,
                };
                chain = Chain { seq: report.seq, prev: Some(report.sha256()) };
                lines.push(Line::Report(report));
            }
            let text = lines[from..].par_iter().map(encode).collect::<Result<Vec<_>, _>>()?.concat();
            Ok((text, unsigned.len() > 0))
        };
        let journal = &mut self.journal;
        let (mut text, mut more) = part()?;
        journal.begin_parts();
        while more {
            // While one part goes to disk the next is signed.
            let (kept, next) = thread::scope(|scope| {
                let keeping = thread::Builder::new().spawn_scoped(scope, || journal.append_part(&text));
                let keeping = keeping.map_err(io("start a thread that writes", &self.dir))?;
                let next = part();
                Ok((keeping.join(), next))
            })?;
            kept.unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
            (text, more) = next?;
        }
        journal.append_part(&text)?;
        journal.end_parts();
        for line in lines {
            if let Line::Report(report) = line {
                self.admit(report);
            }
        }
        Ok(first..=self.chain.seq)
    }

    /// Reports that are not recorded yet, in order.
    pub fn pending(&self) -> impl Iterator<Item = &Pending> {
        self.pending.values()
    }

    /// The report with this number, while it is not recorded.
    #[must_use]
    pub fn get(&self, seq: u64) -> Option<&Pending> {
        self.pending.get(&seq)
    }

    /// Whether everything is recorded.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    /// The public key.
    #[must_use]
    pub fn key(&self) -> &str {
        self.pair.public()
    }

    /// The ledger's origin.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Receipts of what was recorded.
    #[must_use]
    pub fn receipts(&self) -> Receipts {
        Receipts::beside(&self.dir)
    }

    /// The newest checkpoint this publisher holds: claimed as `seen` from now on.
    pub fn set_seen(&mut self, seen: Seen) {
        if self.seen.is_none_or(|old| old.size < seen.size) {
            self.seen = Some(seen);
        }
    }

    /// To be called before anything is sent: from now on every report may be in the stream.
    pub(super) fn seal(&mut self) -> Result<(), OutboxError> {
        if self.chain.seq > self.sealed {
            let line = encode(&Line::Sealed { upto: self.chain.seq })?;
            self.journal.append(&line, true)?;
            self.sealed = self.chain.seq;
        }
        Ok(())
    }

    pub(super) fn set_stage(&mut self, seq: u64, stage: Stage) {
        if let Some(pending) = self.pending.get_mut(&seq) {
            pending.stage = stage;
        }
    }

    /// The ledger has it in its log.
    pub(super) fn settle(&mut self, seqs: impl IntoIterator<Item = u64>) -> Result<(), OutboxError> {
        let mut text = String::new();
        let seqs: Vec<u64> = seqs.into_iter().collect();
        let names = seqs.iter().filter_map(|seq| self.pending.get(seq).map(|known| (*seq, known.report.sha256())));
        // Noted before they leave the journal. A receipt that is never asked for loses no report.
        if let Err(error) = self.receipts().owe(&names.collect::<Vec<_>>()) {
            tracing::warn!(%error, "receipts owed could not be noted");
        }
        for seq in seqs {
            text.push_str(&encode(&Line::Recorded { seq })?);
            self.drop_pending(seq);
        }
        self.journal.append(&text, false)
    }

    /// Takes back the last reports, from `seq` on, that certainly never reached the stream: their numbers are given
    /// again, so that the chain has no hole. The caller vouches that none of them is in doubt.
    pub(super) fn withdraw(&mut self, seq: u64) -> Result<(), OutboxError> {
        let Some(first) = self.pending.get(&seq) else { return Ok(()) };
        let prev = crate::sign::Jws::parse(&first.report.jws).ok().and_then(|jws| jws.claims().prev);
        let chain = Chain { seq: seq - 1, prev: prev.map(|prev| hex::encode(&prev)) };
        let line = encode(&Line::Withdrawn { chain: chain.clone() })?;
        self.journal.append(&line, true)?;
        self.roll_back(chain);
        Ok(())
    }

    /// Last number given.
    #[must_use]
    pub fn last_seq(&self) -> u64 {
        self.chain.seq
    }

    /// Writes the journal anew without its recorded reports, where it has grown.
    ///
    /// # Errors
    /// [`OutboxError::Io`].
    pub fn compact(&mut self) -> Result<(), OutboxError> {
        if self.journal.broken || self.recorded == 0 || self.journal.bytes < OUTBOX_JOURNAL_BYTES_MAX {
            return Ok(());
        }
        self.rewrite()
    }

    fn rewrite(&mut self) -> Result<(), OutboxError> {
        let (path, new) = (self.dir.join("journal"), self.dir.join("journal.new"));
        let mut text = encode(&self.head())?;
        for pending in self.pending.values() {
            text.push_str(&encode(&Line::Report(pending.report.clone()))?);
        }
        text.push_str(&encode(&Line::Sealed { upto: self.sealed })?);
        let mut file = File::create(&new).map_err(io("create", &new))?;
        file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(io("write", &new))?;
        fs::rename(&new, &path).map_err(io("replace", &path))?;
        // The open file is no longer the one that is read again: whatever fails now, nothing may be written to it.
        self.journal.broken = true;
        // Until the rename is on disk a crash brings the old journal back: it says the same.
        File::open(&self.dir).and_then(|folder| folder.sync_all()).map_err(io("sync", &self.dir))?;
        self.journal = Journal::behind(path.clone(), journal::open(&path)?, text.len() as u64)?;
        self.recorded = 0;
        Ok(())
    }
}

/// A body that may be published: JSON in UTF-8, not too large, without a resident registration number.
///
/// # Errors
/// [`OutboxError::TooLarge`], [`OutboxError::NotText`], [`OutboxError::NotJson`], [`OutboxError::Personal`].
pub fn checked(body: &[u8]) -> Result<String, OutboxError> {
    if body.len() > BODY_BYTES_MAX {
        return Err(OutboxError::TooLarge { bytes: body.len() });
    }
    let text = std::str::from_utf8(body).map_err(|_| OutboxError::NotText)?;
    match json::parse(body) {
        Ok(tree) => match personal::find(&tree) {
            Some(pointer) => Err(OutboxError::Personal { place: format!(" at {pointer}") }),
            None => Ok(text.to_owned()),
        },
        Err(_) if personal::carries(text) => Err(OutboxError::Personal { place: String::new() }),
        Err(_) => Err(OutboxError::NotJson),
    }
}

/// Subject and content type that may be published: those lines of an entry cannot be withheld.
///
/// # Errors
/// [`OutboxError::Header`].
pub fn headed(subject: &str, content_type: &str) -> Result<(), OutboxError> {
    let wrong = |kind, text: &str| Err(OutboxError::Header { kind, what: text.chars().take(40).collect() });
    if !envelope::is_known(content_type) {
        return wrong("content type", content_type);
    }
    if personal::in_name(subject) { wrong("subject", subject) } else { Ok(()) }
}

#[cfg(test)]
#[path = "outbox_tests.rs"]
mod tests;
