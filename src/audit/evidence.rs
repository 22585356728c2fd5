//! Evidence: the SHA-256 that accepted events name, against the files an auditor holds.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader};
use std::path::{Path, PathBuf};

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::report::Evidence;
use crate::admit::decide::{Decided, Decision, Does};
use crate::log::bounded;
use crate::sign::hex;

/// Hashes that the new events of a report name.
#[must_use]
pub fn named(decision: &Decision) -> Vec<[u8; 32]> {
    let data = decision.acts.iter().filter_map(|act| match act {
        Decided::New(_, Does::Correct(_, corrected, _)) => Some(&corrected.data),
        Decided::New(event, _) => Some(&event.data),
        Decided::Duplicate => None,
    });
    data.flat_map(hashes).collect()
}

fn hashes(data: &Value) -> Vec<[u8; 32]> {
    let listed = match data.get("evidence") {
        Some(Value::Array(items)) => items.iter().collect(),
        Some(one) => vec![one],
        None => Vec::new(),
    };
    listed.into_iter().filter_map(|item| hex::decode32(item.get("sha256")?.as_str()?)).collect()
}

/// Compares; files are read to their end, whatever their size.
///
/// # Errors
/// A file that cannot be read, with its path.
pub fn compare(named: &[[u8; 32]], folder: &Path) -> Result<Evidence, (PathBuf, io::Error)> {
    let mut files = Vec::new();
    collect(folder, &mut files).map_err(|error| (folder.to_owned(), error))?;
    let mut held = BTreeSet::new();
    for path in files {
        held.insert(bounded::open(&path).and_then(sha256_of).map_err(|error| (path, error))?);
    }
    let wanted: BTreeSet<_> = named.iter().copied().collect();
    Ok(Evidence {
        named: named.len() as u64,
        found: named.iter().filter(|hash| held.contains(*hash)).count() as u64,
        unnamed: held.difference(&wanted).count() as u64,
    })
}

fn sha256_of(file: File) -> io::Result<[u8; 32]> {
    let (mut hash, mut file) = (Sha256::new(), BufReader::with_capacity(1 << 16, file));
    loop {
        let read = match file.fill_buf() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            read => read?,
        };
        if read.is_empty() {
            return Ok(hash.finalize().into());
        }
        hash.update(read);
        let length = read.len();
        file.consume(length);
    }
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for item in std::fs::read_dir(folder)? {
        let item = item?;
        // Links are not followed: a folder of evidence is what is in it.
        match item.file_type()? {
            kind if kind.is_dir() => collect(&item.path(), files)?,
            kind if kind.is_file() => files.push(item.path()),
            _ => {}
        }
    }
    Ok(())
}
