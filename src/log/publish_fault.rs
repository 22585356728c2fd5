//! Why a beat did not end, and whether trying again can help.

use std::{io, path::PathBuf};

use super::checkpoint::CheckpointFault;
use super::folder::FolderFault;
use super::note::NoteFault;
use super::publish::FenceFault;
use super::tail::TailFault;

/// Why a beat did not end.
#[derive(Debug, thiserror::Error)]
pub enum BeatFault {
    /// A write.
    #[error("the log folder cannot be written: {0}")]
    Write(#[from] io::Error),
    /// The folder.
    #[error(transparent)]
    Folder(#[from] FolderFault),
    /// The tail.
    #[error(transparent)]
    Tail(#[from] TailFault),
    /// The fence.
    #[error(transparent)]
    Fence(#[from] FenceFault),
    /// Too few witnesses.
    #[error("the checkpoint of size {size} waits for its witnesses: {why}")]
    Cosign {
        /// Size.
        size: u64,
        /// Why.
        why: String,
    },
    /// A witness holds another tree that the same key signed.
    #[error(
        "{witness} holds a checkpoint that this log's key signed over other entries: two copies of this ledger were run. \
         Nothing more is signed. {} proves it (`jindo verify`); find the other copy, and ask auditors which one counts",
        .file.display()
    )]
    Conflict {
        /// Who holds it.
        witness: String,
        /// What proves it.
        file: PathBuf,
    },
    /// The key or the origin.
    #[error(transparent)]
    Note(#[from] NoteFault),
    /// The published checkpoint.
    #[error("the published checkpoint is not this log's: {0}")]
    Checkpoint(#[from] CheckpointFault),
    /// The folder names another key.
    #[error("log/vkey names a key that this log never had: put the log's own vkey back, or the folder it belongs to")]
    OtherKey,
    /// The key that is to sign is not at hand.
    #[error("no file keys/log*.nk holds the log's key {0}: put it there")]
    NoKey(String),
    /// Published entries are gone.
    #[error(
        "a checkpoint of {published} entries was published, the log has {size}: the log was cut; restore it from a copy"
    )]
    Cut {
        /// Covered by the checkpoint.
        published: u64,
        /// In the log.
        size: u64,
    },
    /// Tiles and checkpoint differ.
    #[error(
        "the tiles of the first {size} entries lead to another root than the published checkpoint: restore them from a copy"
    )]
    OtherRoot {
        /// Size.
        size: u64,
    },
    /// An entry of the tail differs from the published one.
    #[error("entry {index} is another one than the published tiles hold: the log was altered; run `jindo audit`")]
    Altered {
        /// Index.
        index: u64,
    },
    /// What was written is not what is read.
    #[error("{} was written and reads differently: the disk fails; nothing was signed", .0.display())]
    Reread(PathBuf),
    /// Somebody else claimed a root that is not ours.
    #[error(
        "at size {size} the fence at NATS holds another root than this log has: two copies of this ledger have diverged; \
         nothing more is signed. Stop both and run `jindo audit` on each"
    )]
    Forked {
        /// Size.
        size: u64,
    },
    /// The log's key signed other entries than are here.
    #[error(
        "the checkpoint of {size} entries that the log's writer published covers other entries than were folded here: nothing is \
         proven here. Run `jindo audit` on both folders; a replica whose stream is another one is made anew from the writer's log"
    )]
    Strange {
        /// Size.
        size: u64,
    },
    /// Somebody else published further than this log reaches.
    #[error("the fence at NATS is at {fence} entries, this log at {size}: it waits until it has them")]
    Ahead {
        /// Size at the fence.
        fence: u64,
        /// Entries here.
        size: u64,
    },
    /// Full.
    #[error("the log has 2^40 entries: begin a new ledger")]
    Full,
}

impl BeatFault {
    /// Whether trying again cannot help: somebody has to look.
    #[must_use]
    pub const fn is_finding(&self) -> bool {
        !matches!(
            self,
            BeatFault::Write(_)
                | BeatFault::Tail(_)
                | BeatFault::Fence(FenceFault::Away(_) | FenceFault::Moved)
                | BeatFault::Cosign { .. }
                | BeatFault::Ahead { .. }
                | BeatFault::NoKey(_)
                | BeatFault::Folder(FolderFault::Io { .. })
        )
    }
}
