//! A bundle of entries on disk of which single ones are read: a bundle may have 16 MB, an entry 64 KiB.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;

/// Bytes before each entry: its length.
const LENGTH: u64 = 2;

/// A bundle that was opened: its entries are of one state, whatever takes its name meanwhile.
#[derive(Debug)]
pub struct Bundle {
    file: File,
    /// Where each entry lies.
    places: Vec<Range<u64>>,
}

impl Bundle {
    /// Reads where the entries of a bundle lie, not the entries; `None` unless there are exactly `width` and nothing else.
    ///
    /// # Errors
    /// The system's.
    pub fn open(file: File, width: u16) -> io::Result<Option<Self>> {
        let end = file.metadata()?.len();
        let mut places = Vec::with_capacity(usize::from(width));
        let mut at = 0;
        while at < end && places.len() < usize::from(width) {
            let mut length = [0; LENGTH as usize];
            if at + LENGTH > end {
                return Ok(None);
            }
            file.read_exact_at(&mut length, at)?;
            let place = at + LENGTH..at + LENGTH + u64::from(u16::from_be_bytes(length));
            if place.is_empty() || place.end > end {
                return Ok(None);
            }
            at = place.end;
            places.push(place);
        }
        Ok((at == end && places.len() == usize::from(width)).then_some(Bundle { file, places }))
    }

    /// The bytes of the entry at a place, from 0; `None` past the last.
    ///
    /// # Errors
    /// The system's.
    pub fn entry(&self, at: usize) -> io::Result<Option<Vec<u8>>> {
        let Some(place) = self.places.get(at) else { return Ok(None) };
        let mut bytes = vec![0; usize::try_from(place.end - place.start).unwrap_or(usize::MAX)];
        self.file.read_exact_at(&mut bytes, place.start)?;
        Ok(Some(bytes))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;
    use crate::log::tile;

    fn open(bytes: &[u8], width: u16) -> Option<Bundle> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        Bundle::open(file, width).unwrap()
    }

    /// Whatever the bytes: read one by one the entries are those read at once, or none are.
    #[test]
    fn entries_are_those_of_the_whole() {
        let mut whole = Vec::new();
        for entry in [&b"a"[..], &[7; 65_535], b"ccc"] {
            tile::bundle_push(&mut whole, entry).unwrap();
        }
        let empty = [&whole[..], &[0, 0]].concat();
        let long = [&whole[..], &[0]].concat();
        let cuts = [0, 1, 2, 3, 4, whole.len() - 1, whole.len()];
        let cases = cuts.iter().map(|cut| &whole[..*cut]).chain([&empty[..], &long[..]]);
        for bytes in cases {
            for width in 0..5 {
                let expected = tile::bundle(bytes, width);
                let opened = open(bytes, width);
                let read = opened.map(|bundle| {
                    let entries = (0..usize::from(width)).map(|at| bundle.entry(at).unwrap().unwrap());
                    assert_eq!(bundle.entry(usize::from(width)).unwrap(), None);
                    entries.collect::<Vec<_>>()
                });
                let expected = expected.map(|entries| entries.into_iter().map(<[u8]>::to_vec).collect::<Vec<_>>());
                assert_eq!(read, expected, "{} bytes as {width}", bytes.len());
            }
        }
    }
}
