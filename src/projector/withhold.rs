//! Texts leave the log by law, in a stopped ledger: what authority and agency agreed on is held against the entry, the log is
//! folded with what is left of it, and only where nothing follows differently does the bundle change.
//!
//! The order, and what a crash after each step leaves:
//!
//! 1. The log's lock is taken. The log is folded as it is into a store of its own: digest, registry, and so the agreement.
//! 2. Entries that the checkpoint covers leave the tail for their bundles. *After*: the same log.
//! 3. The log is folded with what is left of the entry in its place; verdicts and digest must be the same.
//! 4. The bundle is written anew, whole or not at all. *After*: the texts are gone from the log; the store may still have some.
//! 5. The old store is removed and the one of step 3 takes its place. *Between*: the log is folded anew on the next start.
//!
//! Run again it does what is left to do. It never touches NATS, replicas or copies: those are the operator's.

use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::folding::Folding;
use super::halt::Halt;
use super::replay::replay_items;
use crate::catalogue::registry::Registry;
use crate::event::governance::BodyWithheld;
use crate::limits::COMMIT_MESSAGES_MAX;
use crate::log::checkpoint::{Checkpoint, Head};
use crate::log::disk::Disk;
use crate::log::entry::{Entry, EntryFault, leaf_hash};
use crate::log::folder::{FolderFault, LogFolder};
use crate::log::note::Note;
use crate::log::tail::{LogReader, Tail, TailFault};
use crate::log::tile::WIDTH;
use crate::log::tree::{self, Hashes as _};
use crate::log::withhold::{self as left, RewriteFault, WithholdFault};
use crate::sign::hex;

/// What is to be done.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    /// Log folder.
    pub log: &'a Path,
    /// Folder of the read models.
    pub store: &'a Path,
    /// The entry.
    pub index: u64,
    /// Only look: change nothing.
    pub dry_run: bool,
}

/// What was found and done.
#[derive(Debug, Clone, Serialize)]
pub struct Outcome {
    /// What authority and agency agreed on.
    pub agreed: BodyWithheld,
    /// Entries in the log.
    pub size: u64,
    /// State digest with the texts and without, in hex.
    pub digest: String,
    /// The texts had left the log before; only the read models were made anew.
    pub already: bool,
    /// Something was changed.
    pub done: bool,
    /// Stores that were set aside earlier: they may hold the texts, and are the operator's to remove.
    pub aside: Vec<PathBuf>,
}

/// Why texts were not removed. The log is what it was, unless it says otherwise.
#[derive(Debug, thiserror::Error)]
pub enum WithholdError {
    /// The tail.
    #[error(transparent)]
    Tail(#[from] TailFault),
    /// The folder.
    #[error(transparent)]
    Folder(#[from] FolderFault),
    /// Folding the log as it is.
    #[error(transparent)]
    Halt(#[from] Halt),
    /// The entry.
    #[error("entry {index} cannot be read: {fault}")]
    Entry {
        /// Which.
        index: u64,
        /// Why.
        fault: EntryFault,
    },
    /// The body or the masks.
    #[error(transparent)]
    Left(#[from] WithholdFault),
    /// No two statements that agree.
    #[error(
        "nothing is agreed about entry {0}: an authority and the agency it is of ('{1}') must both publish body.withheld for it, with the \
         same texts"
    )]
    NotAgreed(u64, String),
    /// Another entry is meant.
    #[error("authority and agency signed for another {what} than entry {index} has: {signed}, here {here}")]
    Differs {
        /// Entry.
        index: u64,
        /// Hash of what.
        what: &'static str,
        /// As signed.
        signed: String,
        /// As found.
        here: String,
    },
    /// The published checkpoint does not go far enough.
    #[error(
        "the published checkpoint covers {covered} entries, and it takes {needed}: the entry's bundle of 256 must be full, and both \
         statements covered. Start the ledger, wait until that many are proven, stop it, and run this again"
    )]
    NotYet {
        /// Covered.
        covered: u64,
        /// Needed.
        needed: u64,
    },
    /// The entry is not the one in the tree.
    #[error("the log folder does not agree with its checkpoint at entry {0}: run `jindo audit`")]
    Damaged(u64),
    /// Masked texts counted.
    #[error(
        "without these texts the log gives other figures or verdicts ({0}): they name things or places; agree on other texts"
    )]
    Counts(String),
    /// Writing the bundle.
    #[error(transparent)]
    Rewrite(#[from] RewriteFault),
    /// Files of the read models.
    #[error("{}: {error}; run it again", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

/// Removes what is agreed, or says why not. `progress` is told (folded, of).
///
/// # Errors
/// [`WithholdError`].
pub fn withhold(
    ask: Ask<'_>,
    disk: &mut dyn Disk,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Outcome, WithholdError> {
    // Opening for writing would make an empty one.
    if !ask.log.join(crate::log::tail::FILE_TAIL).exists() {
        return Err(TailFault::Missing(ask.log.join(crate::log::tail::FILE_TAIL)).into());
    }
    let (mut tail, _) = Tail::open(ask.log)?;
    let [was, now] = ["withhold-was", "withhold"].map(|end| beside(ask.store, end));
    let outcome = work(ask, &mut tail, [&was, &now], disk, progress);
    let removed = [&was, &now].map(|path| remove(path));
    let outcome = outcome?;
    removed.into_iter().collect::<Result<Vec<()>, _>>()?;
    Ok(outcome)
}

fn work(
    ask: Ask<'_>,
    tail: &mut Tail,
    [was, now]: [&Path; 2],
    disk: &mut dyn Disk,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Outcome, WithholdError> {
    let (index, log, folder) = (ask.index, tail.reader(), LogFolder::new(ask.log));
    let entry = read(&log, index)?;
    let (digest, registry) = fold(&log, was, None, progress)?;
    let (agreed, said) = agreed(&registry, &entry)?;
    let covered = covers(&folder, index, said)?;
    let already = entry.body.is_withheld();
    let rest = if already { entry.clone() } else { left::withheld(&entry, &agreed.mask)? };
    compare(&agreed, &rest)?;
    if !already {
        let leaf = folder.tree(covered.size).subtree(0, index)?;
        if leaf != leaf_hash(&entry.encode()) {
            return Err(WithholdError::Damaged(index));
        }
        let other = fold(&log, now, Some(&rest), progress).map_err(|why| WithholdError::Counts(why.to_string()))?;
        if other.0 != digest {
            return Err(WithholdError::Counts("another state digest".to_owned()));
        }
        if !ask.dry_run {
            remove_file(&ask.log.join("tail.new"))?;
            tail.trim_all(covered.size)?;
            left::rewrite(&folder, disk, &rest)?;
        }
    }
    let done = !ask.dry_run;
    if done {
        replace(ask.store, if already { was } else { now })?;
    }
    let (size, digest) = (log.size(), hex::encode(&digest));
    Ok(Outcome { agreed, size, digest, already, done, aside: aside(ask.store)? })
}

fn read(log: &LogReader, index: u64) -> Result<Entry, WithholdError> {
    Entry::parse(&log.read(index)?).map_err(|fault| WithholdError::Entry { index, fault })
}

/// Folds the whole log into a store of its own, with one entry as given: state digest and registry.
fn fold(
    log: &LogReader,
    store: &Path,
    instead: Option<&Entry>,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<([u8; 32], Registry), WithholdError> {
    remove(store)?;
    let mut folding = Folding::open(store)?;
    let items = log.iter(0).map(|item| {
        let (index, text) = item?;
        let text = instead.filter(|entry| entry.index == index).map_or(text, Entry::encode);
        Ok((index, text))
    });
    let mut told = |done, all| {
        progress(done, all);
        true
    };
    replay_items(&mut folding, items, log.size(), COMMIT_MESSAGES_MAX, &mut told)?;
    let found = (folding.digest(), Registry::clone(folding.registry()));
    folding.close()?;
    Ok(found)
}

/// What both signed last about an entry of that agency, and where the later of them said it; of an entry that lost its texts,
/// what it lost them by.
fn agreed(registry: &Registry, entry: &Entry) -> Result<(BodyWithheld, u64), WithholdError> {
    let agency = left::agency(entry).ok_or(WithholdFault::NoAgency(entry.index))?;
    let mut all = registry.withholding(entry.index);
    all.retain(|agreed| agreed.body.agency == agency);
    let here = entry.body.is_withheld().then(|| hex::encode(&left::stands(entry)));
    let found = all.iter().find(|agreed| here.as_ref() == Some(&agreed.body.stands)).or(all.first());
    found.map(|agreed| (agreed.body.clone(), agreed.said)).ok_or(WithholdError::NotAgreed(entry.index, agency))
}

/// The published checkpoint, where it covers the entry's whole bundle and both statements.
fn covers(folder: &LogFolder, index: u64, said: u64) -> Result<Head, WithholdError> {
    let note = folder.checkpoint()?;
    let parsed = note.as_deref().and_then(|note| Checkpoint::parse(Note::parse(note).ok()?.text).ok());
    let head = parsed.map_or_else(Head::empty, |checkpoint| checkpoint.head);
    let needed = ((index / WIDTH + 1) * WIDTH).max(said + 1);
    if head.size < needed {
        return Err(WithholdError::NotYet { covered: head.size, needed });
    }
    if tree::root(&mut folder.tree(head.size), head.size)? != head.root {
        return Err(WithholdError::Damaged(index));
    }
    Ok(head)
}

/// Holds what is left against what both signed.
fn compare(agreed: &BodyWithheld, rest: &Entry) -> Result<(), WithholdError> {
    let here = [hex::encode(&rest.body.sha256()), hex::encode(&left::stands(rest))];
    let signed = [&agreed.sha256, &agreed.stands];
    for ((what, here), signed) in ["body", "remaining entry"].into_iter().zip(here).zip(signed) {
        if here != *signed {
            return Err(WithholdError::Differs { index: rest.index, what, signed: signed.clone(), here });
        }
    }
    Ok(())
}

fn beside(store: &Path, end: &str) -> PathBuf {
    let name = store.file_name().unwrap_or_default().to_string_lossy();
    store.with_file_name(format!("{name}.{end}"))
}

fn io_error(path: &Path) -> impl Fn(io::Error) -> WithholdError + '_ {
    |error| WithholdError::Io { path: path.to_owned(), error }
}

fn remove(path: &Path) -> Result<(), WithholdError> {
    match std::fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(io_error(path)(error)),
        _ => Ok(()),
    }
}

fn remove_file(path: &Path) -> Result<(), WithholdError> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(io_error(path)(error)),
        _ => Ok(()),
    }
}

/// The store goes, not aside: it may hold the texts.
fn replace(store: &Path, by: &Path) -> Result<(), WithholdError> {
    remove(store)?;
    std::fs::rename(by, store).map_err(io_error(store))
}

/// Stores beside this one that were set aside or left by something that did not end.
fn aside(store: &Path) -> Result<Vec<PathBuf>, WithholdError> {
    let folder = store.parent().filter(|path| !path.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let start = beside(store, "");
    let mut found = Vec::new();
    for item in std::fs::read_dir(folder).map_err(io_error(folder))? {
        let path = item.map_err(io_error(folder))?.path();
        let is_own = ["withhold-was", "withhold"].iter().any(|end| path == beside(store, end));
        let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if !is_own && name(&path).starts_with(&name(&start)) {
            found.push(path);
        }
    }
    found.sort_unstable();
    Ok(found)
}
