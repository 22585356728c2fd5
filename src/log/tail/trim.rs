//! Cutting off the tail what published checkpoints cover and bundles hold.
//!
//! What is left goes into a new file, which takes the old one's name once it is on disk. A crash before that leaves the old file,
//! one after it the new one; both say the same together with the bundles. Offsets stay, so frames are copied as they are and
//! `tail.index` holds on.

use std::{
    fs::File,
    io,
    ops::Range,
    path::Path,
    sync::{Arc, PoisonError},
};

use super::{Tail, TailFault, frame::HEAD, rows::entry_at, segment::Segment, segment::header};
use crate::{
    event::Time,
    limits::{TAIL_READ_BYTES, TAIL_TRIM_BYTES},
    log::{disk::Appends, folder::LogFolder, tile::WIDTH},
};

impl Tail {
    /// Cuts off entries below `covered`, whole bundles of them, where that is worth it: [`TAIL_TRIM_BYTES`], and at least as much
    /// as is left. So cutting costs as much per byte as appending it did. Whether it cut.
    ///
    /// Before anything is cut the bundles are read and held against the tail.
    ///
    /// # Errors
    /// [`TailFault`]. Where the new file may already have taken the old one's place, the tail is poisoned; else it goes on
    /// unchanged.
    pub fn trim(&mut self, covered: u64) -> Result<bool, TailFault> {
        self.trim_from(covered, TAIL_TRIM_BYTES)
    }

    /// As [`Tail::trim`], worth it or not: for entries whose bundle is about to lose texts by law.
    ///
    /// # Errors
    /// As [`Tail::trim`].
    pub fn trim_all(&mut self, covered: u64) -> Result<bool, TailFault> {
        self.trim_where(covered, |_, _| true)
    }

    pub(super) fn trim_from(&mut self, covered: u64, bytes_min: u64) -> Result<bool, TailFault> {
        self.trim_where(covered, |gone, left| gone >= bytes_min && gone >= left)
    }

    fn trim_where(&mut self, covered: u64, worth: impl Fn(u64, u64) -> bool) -> Result<bool, TailFault> {
        let segment = self.segment();
        let size = self.size();
        let base = covered.min(size) / WIDTH * WIDTH;
        if self.poisoned || base <= segment.base {
            return Ok(false);
        }
        let rows = self.reader().rows;
        let start = if base == size { self.end } else { rows.get(base)?.offset };
        let (gone, left) = (start.saturating_sub(segment.start), self.end.saturating_sub(start));
        if !worth(gone, left) {
            return Ok(false);
        }
        self.check_place(&segment)?;
        self.check_bundles(&segment, base)?;
        let recorded_max = rows.get(base - 1)?.recorded_max;
        let dir = self.path.parent().unwrap_or(Path::new("."));
        let fresh = dir.join("tail.new");
        let path = self.path.clone();
        let fault = |error| TailFault::io("cut", &path, error);
        copy(&mut *self.disk, &segment, start..self.end, &header(base, start, recorded_max), &fresh).map_err(fault)?;
        let cut = Segment::open(File::options().read(true).write(true), &fresh)?;
        // From here on nobody knows which of the two a crash would leave under the name, until the folder is synced.
        self.poisoned = true;
        self.disk.rename(&fresh, &self.path).map_err(fault)?;
        self.poisoned = false;
        *self.place.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(cut);
        Ok(true)
    }

    /// Whether the bundles hold exactly the entries that are to leave the tail.
    fn check_bundles(&self, segment: &Segment, base: u64) -> Result<(), TailFault> {
        let folder = LogFolder::new(self.path.parent().unwrap_or(Path::new(".")));
        let mut offset = segment.start;
        for bundle in segment.base / WIDTH..base / WIDTH {
            for (index, entry) in (bundle * WIDTH..).zip(folder.entries(bundle, base)?) {
                let own = entry_at(segment, offset, index).map_err(|error| TailFault::io("read", &self.path, error))?;
                let unreadable = || TailFault::Unreadable { path: self.path.clone(), offset, index };
                let (own, _): (Vec<u8>, Time) = own.ok_or_else(unreadable)?;
                if own != entry {
                    return Err(TailFault::BadBundle { index });
                }
                offset += (HEAD + own.len()) as u64;
            }
        }
        Ok(())
    }
}

/// Writes a header and the frames between two offsets to a new file, on disk when it returns.
fn copy(disk: &mut dyn Appends, segment: &Segment, frames: Range<u64>, header: &[u8], fresh: &Path) -> io::Result<()> {
    let file = File::create(fresh)?;
    disk.write(&file, header, 0)?;
    let mut buffer = vec![0; TAIL_READ_BYTES];
    let mut offset = frames.start;
    while offset < frames.end {
        let piece = usize::try_from(frames.end - offset).unwrap_or(usize::MAX).min(buffer.len());
        segment.read_exact_at(&mut buffer[..piece], offset)?;
        disk.write(&file, &buffer[..piece], header.len() as u64 + (offset - frames.start))?;
        offset += piece as u64;
    }
    disk.sync(&file)
}

#[cfg(test)]
#[path = "trim_tests.rs"]
mod tests;
