//! The few writes the log folder is made of, behind traits, so that tests can fail each of them.
//!
//! A file appears under its name whole, and is on disk when a call returns; folders on the way are made and synced too.

use std::{
    collections::BTreeSet,
    fmt,
    fs::{self, File},
    io::{self, Write as _},
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
};

/// Ending of files that are being written. Left behind by a crash they are written over, or removed with their folder.
pub const FRESH: &str = "new";

/// Writes of the log folder.
pub trait Disk: Send {
    /// Puts a file under its name, whole, in place of one that may be there.
    ///
    /// # Errors
    /// The system's. Whether the file is there then is unknown; an older one under the name is whole.
    fn put(&mut self, files: &[(PathBuf, Vec<u8>)]) -> io::Result<()>;

    /// Makes the file its first `keep` bytes (zeros where it is shorter cannot happen: `keep` is at most its length) and
    /// these behind them.
    ///
    /// # Errors
    /// The system's. Any part of the bytes may be there then.
    fn append(&mut self, path: &Path, keep: u64, bytes: &[u8]) -> io::Result<()>;

    /// Removes a folder with the files in it; none there is no error.
    ///
    /// # Errors
    /// The system's.
    fn remove_folder(&mut self, path: &Path) -> io::Result<()>;
}

/// Writes to a file that stays open, the tail: behind a trait for the same reason.
pub trait Appends: fmt::Debug + Send {
    /// Writes bytes from a place on.
    ///
    /// # Errors
    /// The system's. Any part of the bytes may be there then.
    fn write(&mut self, file: &File, bytes: &[u8], place: u64) -> io::Result<()>;

    /// Returns when everything written to the file is on disk.
    ///
    /// # Errors
    /// The system's. Nobody knows what is on disk then.
    fn sync(&mut self, file: &File) -> io::Result<()>;

    /// Gives a file another's name, and returns when that is on disk.
    ///
    /// # Errors
    /// The system's. Either file may be under the name then.
    fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()>;
}

/// The file system.
#[derive(Debug, Default)]
pub struct Files;

impl Appends for Files {
    fn write(&mut self, file: &File, bytes: &[u8], place: u64) -> io::Result<()> {
        file.write_all_at(bytes, place)
    }

    fn sync(&mut self, file: &File) -> io::Result<()> {
        file.sync_data()
    }

    fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)?;
        sync_folder(parent(to))
    }
}

fn parent(path: &Path) -> &Path {
    path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Makes a folder and those above it, each on disk in the one that holds it.
fn make_folder(dir: &Path) -> io::Result<()> {
    if dir.is_dir() {
        return Ok(());
    }
    let above = parent(dir);
    make_folder(above)?;
    match fs::create_dir(dir) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    sync_folder(above)
}

fn sync_folder(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// The name a file has until it is whole.
fn fresh(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(FRESH);
    PathBuf::from(name)
}

impl Disk for Files {
    fn put(&mut self, files: &[(PathBuf, Vec<u8>)]) -> io::Result<()> {
        let mut written = Vec::with_capacity(files.len());
        for (path, bytes) in files {
            make_folder(parent(path))?;
            let mut file = File::create(fresh(path))?;
            file.write_all(bytes)?;
            written.push(file);
        }
        // Synced after all are written: the file system puts them on disk together.
        written.iter().try_for_each(File::sync_all)?;
        files.iter().try_for_each(|(path, _)| fs::rename(fresh(path), path))?;
        let folders: BTreeSet<&Path> = files.iter().map(|(path, _)| parent(path)).collect();
        folders.into_iter().try_for_each(sync_folder)
    }

    fn append(&mut self, path: &Path, keep: u64, bytes: &[u8]) -> io::Result<()> {
        make_folder(parent(path))?;
        let file = File::options().create(true).truncate(false).write(true).open(path)?;
        file.set_len(keep)?;
        file.write_all_at(bytes, keep)?;
        file.sync_all()?;
        sync_folder(parent(path))
    }

    fn remove_folder(&mut self, path: &Path) -> io::Result<()> {
        match fs::remove_dir_all(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_appear_whole_and_appends_keep_what_they_are_told() {
        let dir = tempfile::tempdir().unwrap();
        let (one, two) = (dir.path().join("a/b/one"), dir.path().join("two"));
        for text in ["first", "second"] {
            Files.put(&[(one.clone(), text.into()), (two.clone(), b"2".to_vec())]).unwrap();
            assert_eq!(fs::read_to_string(&one).unwrap(), text);
        }
        assert_eq!(fs::read_dir(dir.path().join("a/b")).unwrap().count(), 1, "nothing is left over");
        let day = dir.path().join("history/day");
        Files.append(&day, 0, b"abc").unwrap();
        Files.append(&day, 2, b"xyz").unwrap();
        assert_eq!(fs::read_to_string(&day).unwrap(), "abxyz");
        Files.remove_folder(&dir.path().join("a")).unwrap();
        Files.remove_folder(&dir.path().join("a")).unwrap();
        assert!(!one.exists());
    }
}
