//! Notices damage that sled does not.
//!
//! sled checks its slots and frames one by one, but where a frame of its metadata log does not read it takes everything
//! before it as the whole truth, and may then mix rows of different ages or wait forever for a row. So a store that is
//! closed in order is sealed: length and SHA-256 of every metadata file, checked and removed before it is opened again. One
//! that was not closed in order has no seal; then every frame must read, except a torn last one of the last log, which is
//! what a crash leaves. Never opens the database itself.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::fold::rows::Doubt;
use crate::sign::hex;

/// Where sled keeps its files.
pub(super) fn database(directory: &Path) -> PathBuf {
    directory.join("sled")
}

fn seal_path(directory: &Path) -> PathBuf {
    directory.join("seal")
}

fn io_doubt(what: &str, error: &io::Error) -> Doubt {
    Doubt(format!("{what}: {error}"))
}

/// Metadata files by name, with their bytes. Empty where there is no database yet.
fn metadata(directory: &Path) -> io::Result<BTreeMap<String, Vec<u8>>> {
    let mut files = BTreeMap::new();
    let folder = database(directory).join("metadata");
    if !folder.try_exists()? {
        return Ok(files);
    }
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        // A half-written snapshot ends in .tmp, is not in use yet, and sled removes it.
        if (name.starts_with("log_") || name.starts_with("snapshot_")) && !name.ends_with(".tmp") {
            files.insert(name, fs::read(entry.path())?);
        }
    }
    Ok(files)
}

/// Name, length and SHA-256 of each file. No CRC: that of a file which ends with its own CRC is always the same.
fn text(files: &BTreeMap<String, Vec<u8>>) -> String {
    let lines =
        files.iter().map(|(name, bytes)| format!("{name} {} {}\n", bytes.len(), hex::encode(&hex::sha256(bytes))));
    let lines: String = lines.collect();
    format!("{lines}end {}\n", hex::encode(&hex::sha256(lines.as_bytes())))
}

/// Seals a closed database.
pub(super) fn seal(directory: &Path) -> Result<(), Doubt> {
    let write = || -> io::Result<()> {
        let path = seal_path(directory);
        let beside = path.with_extension("new");
        let mut file = File::create(&beside)?;
        file.write_all(text(&metadata(directory)?).as_bytes())?;
        file.sync_all()?;
        fs::rename(beside, path)?;
        File::open(directory)?.sync_all()
    };
    write().map_err(|error| io_doubt("the store cannot be sealed", &error))
}

/// Checks a database before it is opened, and breaks its seal.
pub(super) fn check_and_break(directory: &Path) -> Result<(), Doubt> {
    fs::create_dir_all(directory).map_err(|error| io_doubt("the store's directory cannot be made", &error))?;
    let files = metadata(directory).map_err(|error| io_doubt("the store's files cannot be read", &error))?;
    let path = seal_path(directory);
    match fs::read(&path) {
        Ok(sealed) if sealed == text(&files).into_bytes() => {
            let broken = fs::remove_file(&path).and_then(|()| File::open(directory)?.sync_all());
            broken.map_err(|error| io_doubt("the store's seal cannot be removed", &error))
        }
        Ok(_) => Err(Doubt("the store's files are not as they were when it was closed".to_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => check_frames(&files),
        Err(error) => Err(io_doubt("the store's seal cannot be read", &error)),
    }
}

fn check_frames(files: &BTreeMap<String, Vec<u8>>) -> Result<(), Doubt> {
    let last_log = files.keys().rfind(|name| name.starts_with("log_"));
    for (name, bytes) in files {
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            match frame(rest) {
                Some(after) => rest = after,
                None if Some(name) == last_log && !any_frame_after(rest) => break,
                None => return Err(Doubt(format!("the store's file {name} is damaged"))),
            }
        }
    }
    Ok(())
}

/// What follows the frame that `bytes` begins with: six bytes of length, two of their CRC, payload, CRC-32 of it all.
fn frame(bytes: &[u8]) -> Option<&[u8]> {
    const HEAD: usize = 8;
    const SALT: u32 = 0xAF;
    let head: &[u8; HEAD] = bytes.first_chunk()?;
    if (crc32fast::hash(&head[..6]) as u16).to_le_bytes() != head[6..] {
        return None;
    }
    let length = u64::from_le_bytes([head[0], head[1], head[2], head[3], head[4], head[5], 0, 0]);
    let end = HEAD.checked_add(usize::try_from(length).ok()?)?;
    let sum: &[u8; 4] = bytes.get(end..)?.first_chunk()?;
    (u32::from_le_bytes(*sum) == crc32fast::hash(&bytes[..end]) ^ SALT).then(|| &bytes[end + 4..])
}

/// A whole frame behind a broken one: that is damage, not a torn end.
fn any_frame_after(bytes: &[u8]) -> bool {
    (1..bytes.len()).any(|at| frame(&bytes[at..]).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn framed(payload: &[u8]) -> Vec<u8> {
        let length = (payload.len() as u64).to_le_bytes();
        let mut bytes = length[..6].to_vec();
        bytes.extend_from_slice(&(crc32fast::hash(&length[..6]) as u16).to_le_bytes());
        bytes.extend_from_slice(payload);
        bytes.extend_from_slice(&(crc32fast::hash(&bytes) ^ 0xAF).to_le_bytes());
        bytes
    }

    #[test]
    fn only_a_torn_end_of_the_last_log_passes() {
        let two = [framed(b"one"), framed(b"two")].concat();
        let check = |first: &[u8], last: &[u8]| {
            let files = [("log_1", first), ("log_2", last), ("snapshot_0", two.as_slice())];
            check_frames(&files.map(|(name, bytes)| (name.to_owned(), bytes.to_vec())).into()).is_ok()
        };
        assert!(check(&two, &two));
        assert!(check(&two, &two[..two.len() - 1]));
        assert!(!check(&two[..two.len() - 1], &two));
        let mut damaged = two.clone();
        damaged[9] ^= 1;
        assert!(!check(&two, &damaged) && !check(&damaged, &two));
    }

    #[test]
    fn a_seal_holds_until_a_byte_changes() {
        let directory = tempfile::tempdir().unwrap();
        let folder = database(directory.path()).join("metadata");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("log_1"), framed(b"one")).unwrap();
        seal(directory.path()).unwrap();
        check_and_break(directory.path()).unwrap();
        check_and_break(directory.path()).unwrap();
        seal(directory.path()).unwrap();
        fs::write(folder.join("log_1"), framed(b"two")).unwrap();
        assert!(check_and_break(directory.path()).is_err());
    }
}
