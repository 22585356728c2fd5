//! An entry whose body loses texts by law: what stands afterwards, and how it takes the old one's place in its bundle.
//!
//! The tree does not change: the leaf is the hash of the entry as it was, and stays in the level-0 tile. So the text that is left
//! no longer gives its leaf. What vouches for it instead is in the log: an authority and the agency each signed the SHA-256
//! of the *whole* remaining entry ([`crate::event::governance::BodyWithheld`]), header lines included. The line `withheld:` keeps
//! what the agency's signature covers (SHA-256 of the body) and what folding needs of it (digests of its events), so
//! read models made anew are equal.
//!
//! Whether it may be done is decided elsewhere ([`crate::projector`]); what happens to copies of the log is nobody's to decide here.

use std::io;

use bytes::Bytes;

use super::disk::Disk;
use super::entry::{Body, Entry, Kept, Verdict, Withheld};
use super::folder::{FolderFault, LogFolder};
use super::tile::{self, Tile, TileKind, WIDTH};
use crate::event::envelope;
use crate::event::mask::{MaskFault, masked};
use crate::event::subject::{Channel, Subject};
use crate::limits::{BODY_BYTES_MAX, ENTRY_BYTES_MAX};
use crate::sign::hex;

/// Why a body cannot be withheld like that.
#[derive(Debug, thiserror::Error)]
pub enum WithholdFault {
    /// It already is.
    #[error("the body of entry {0} is withheld already")]
    Already(u64),
    /// Only its hash was ever kept.
    #[error("of the body of entry {0} the log keeps nothing but its hash: there is nothing to withhold")]
    NotKept(u64),
    /// Who governs what is read out of the log again and again.
    #[error(
        "entry {0} is a governance event: the registry is made of it, so it cannot be withheld; publish one that replaces it"
    )]
    Governance(u64),
    /// Its subject names no agency, so nobody could agree.
    #[error("the subject of entry {0} names no agency that could agree")]
    NoAgency(u64),
    /// The whole body of a report that counts.
    #[error("entry {0} was not refused: name the texts to mask, its figures rest on the rest")]
    Counts(u64),
    /// The pointers.
    #[error(transparent)]
    Mask(#[from] MaskFault),
    /// Masks are longer than most letters.
    #[error("with these texts masked entry {index} would have {bytes} bytes, more than an entry can: mask less of it")]
    TooLong {
        /// Entry.
        index: u64,
        /// Bytes it would have, or its body.
        bytes: usize,
    },
}

/// Whose entry it is: the agency of its subject.
#[must_use]
pub fn agency(entry: &Entry) -> Option<String> {
    entry.subject.text().and_then(|text| Subject::parse(text).ok()).map(|subject| subject.agency)
}

fn counts(entry: &Entry) -> bool {
    !matches!(entry.ruling.as_ref().map(|ruling| &ruling.verdict), Some(Verdict::Refused(_)))
}

/// Whether the registry is made of it: governance that was not refused.
#[must_use]
pub fn governs(entry: &Entry) -> bool {
    let subject = entry.subject.text().and_then(|text| Subject::parse(text).ok());
    counts(entry) && subject.is_some_and(|subject| subject.channel == Channel::Govern)
}

/// SHA-256 of an entry's text as it stands: what authority and agency sign for a withheld one.
#[must_use]
pub fn stands(entry: &Entry) -> [u8; 32] {
    hex::sha256(&entry.encode())
}

/// The entry as it stands once the texts that the pointers name are masked.
///
/// # Errors
/// [`WithholdFault`].
pub fn withheld(entry: &Entry, mask: &[String]) -> Result<Entry, WithholdFault> {
    let index = entry.index;
    let body = match &entry.body {
        Body::Bytes(body) => body,
        Body::Hashed { .. } => return Err(WithholdFault::NotKept(index)),
        Body::Withheld(_) => return Err(WithholdFault::Already(index)),
    };
    agency(entry).ok_or(WithholdFault::NoAgency(index))?;
    let counts = counts(entry);
    if governs(entry) {
        return Err(WithholdFault::Governance(index));
    }
    if counts && mask == [""] {
        return Err(WithholdFault::Counts(index));
    }
    let text = Bytes::from(masked(body, mask)?);
    let content_type = entry.content_type.as_ref().and_then(Kept::text).unwrap_or_default();
    let events = if counts { envelope::parse(content_type, body).unwrap_or_default() } else { Vec::new() };
    let digests = events.iter().map(|event| event.digest).collect();
    let left = Withheld { sha256: hex::sha256(body), bytes: body.len() as u64, digests, text };
    let length = left.text.len();
    let entry = Entry { body: Body::Withheld(Box::new(left)), ..entry.clone() };
    let bytes = entry.encode().len();
    if length > BODY_BYTES_MAX || bytes > ENTRY_BYTES_MAX {
        return Err(WithholdFault::TooLong { index, bytes });
    }
    Ok(entry)
}

/// Why a bundle could not be written anew.
#[derive(Debug, thiserror::Error)]
pub enum RewriteFault {
    /// The bundle there is.
    #[error(transparent)]
    Folder(#[from] FolderFault),
    /// Writing. The old bundle stands, or the new one.
    #[error("the bundle cannot be written: {0}; run it again")]
    Io(#[from] io::Error),
}

/// Puts an entry in its place in its full bundle, whole or not at all, and removes partial bundles with the same entries that a crash
/// left behind.
///
/// # Errors
/// [`RewriteFault`]. The bundle is then the old one or the new one, never a mixture.
pub fn rewrite(folder: &LogFolder, disk: &mut dyn Disk, entry: &Entry) -> Result<(), RewriteFault> {
    let number = entry.index / WIDTH;
    let place = Tile { kind: TileKind::Entries, index: number, width: WIDTH as u16 };
    let damaged =
        || FolderFault::Damaged { path: folder.path(place), why: "it does not hold 256 entries of an entry's length" };
    let mut entries = folder.entries(number, (number + 1) * WIDTH)?;
    let own = entries.get_mut((entry.index % WIDTH) as usize).ok_or_else(damaged)?;
    *own = entry.encode();
    let mut bundle = Vec::new();
    for entry in &entries {
        tile::bundle_push(&mut bundle, entry).map_err(|_| damaged())?;
    }
    disk.remove_folder(&folder.dir().join(place.partial_folder()))?;
    Ok(disk.put(&[(folder.path(place), bundle)])?)
}

#[cfg(test)]
#[path = "withhold_tests.rs"]
mod tests;
