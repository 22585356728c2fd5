//! Receipts that agencies hold, against the folder: what the log once signed for, and the entries that were given out.
//!
//! A receipt is checked by itself first, against the log's key of its day: one that does not hold says nothing about the log. One
//! that holds is a root somebody outside was given, and an entry with it; both must be what the folder has there now.
//! Bounded: so many receipts ([`AUDIT_RECEIPTS_MAX`]), each of a few hundred bytes in memory, its file read again only where
//! it is told of.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::AuditFault;
use super::report::{Finding, Report};
use crate::event::subject::Subject;
use crate::limits::{AUDIT_RECEIPTS_MAX, RECEIPT_BYTES_MAX};
use crate::log::bounded;
use crate::log::checkpoint::Head;
use crate::log::entry::{Entry, Verdict, leaf_hash};
use crate::log::folder::LogFolder;
use crate::log::keyring::LogKeys;
use crate::log::receipt::Receipt;
use crate::log::tree::{self, Hashes as _};
use crate::sign::hex;

/// Endings of files that an outbox keeps receipts in: verified when they came, and those that did not agree with earlier ones.
const ENDINGS: [&str; 2] = ["tlog-proof", "conflict"];

/// One receipt, as far as it must be remembered.
struct Held {
    path: PathBuf,
    index: u64,
    leaf: [u8; 32],
    head: Head,
    agency: Option<String>,
}

/// Receipts to be met on the way.
#[derive(Default)]
pub struct Receipts {
    /// By index of their entry.
    entries: BTreeMap<u64, Vec<Held>>,
    /// Roots they rest on, by size; one receipt stands for all that rest on the same.
    heads: BTreeMap<u64, Vec<(Head, PathBuf, Option<String>)>>,
    /// How many hold by themselves.
    count: u64,
}

impl Receipts {
    /// Reads receipts out of files, and out of folders whatever ends in `.tlog-proof` or `.conflict`. Those that do not hold by
    /// themselves become findings.
    ///
    /// # Errors
    /// A file or folder cannot be read; there are too many.
    pub fn read(given: &[PathBuf], keys: &LogKeys, report: &mut Report) -> Result<Self, AuditFault> {
        let mut paths = Vec::new();
        for path in given {
            collect(path, true, &mut paths).map_err(|(path, error)| AuditFault::Io { path, error })?;
        }
        if paths.len() > AUDIT_RECEIPTS_MAX {
            return Err(AuditFault::Receipts { found: paths.len() });
        }
        paths.sort_unstable();
        paths.dedup();
        let read: Vec<_> = paths.into_par_iter().map(|path| (open(&path, keys), path)).collect();
        let mut receipts = Receipts::default();
        for (opened, path) in read {
            match opened {
                Ok(Ok((receipt, entry, head))) => receipts.hold(path, &receipt, &entry, head),
                Ok(Err(why)) => report.find(invalid(&path, &why)),
                Err(error) => return Err(AuditFault::Io { path, error }),
            }
        }
        Ok(receipts)
    }

    fn hold(&mut self, path: PathBuf, receipt: &Receipt, entry: &Entry, head: Head) {
        let agency = entry.subject.text().and_then(|text| Subject::parse(text).ok()).map(|subject| subject.agency);
        let roots = self.heads.entry(head.size).or_default();
        if !roots.iter().any(|(known, ..)| *known == head) {
            roots.push((head, path.clone(), agency.clone()));
        }
        let held = Held { path, index: receipt.index, leaf: leaf_hash(&receipt.entry), head, agency };
        self.entries.entry(held.index).or_default().push(held);
        self.count += 1;
    }

    /// Compares what receipts hold at an entry's place with what stands there; `leaf` is its hash in the tree.
    pub fn entry(&mut self, index: u64, leaf: [u8; 32], entry: Option<&Entry>, report: &mut Report) {
        let Some(held) = self.entries.get(&index) else { return };
        for receipt in held.iter().filter(|receipt| receipt.leaf != leaf) {
            let found =
                entry.map_or_else(|| format!("unreadable, leaf {}", hex::encode(&leaf)), |entry| said(entry, leaf));
            report.find(receipt.differs().versions(found, receipt.said()));
        }
    }

    /// Compares roots where the tree has come to.
    pub fn head(&mut self, size: u64, root: impl FnOnce() -> [u8; 32], report: &mut Report) {
        let Some(heads) = self.heads.remove(&size) else { return };
        let root = root();
        for (head, path, agency) in heads {
            if head.root == root {
                report.held_receipts = report.held_receipts.max(Some(size));
                continue;
            }
            let finding = Finding::new(
                "receipt-differs",
                format!(
                    "로그가 접수증에 서명한 루트와 다릅니다 (앞 {size}건 가운데): 접수증을 준 뒤에 기록이 바뀌었습니다"
                ),
                format!(
                    "the entries do not lead to the root the log signed in this receipt (among the first {size}): they were \
                     changed after it was given out"
                ),
            );
            let finding = finding.file(path.display()).of(agency.as_deref(), None);
            report.find(finding.versions(hex::encode(&root), hex::encode(&head.root)));
        }
    }

    /// What the folder is too short for. Tiles may be ahead of the checkpoint, in a folder copied while it grew.
    pub fn finish(self, folder: &LogFolder, size: u64, report: &mut Report) {
        report.receipts = self.count;
        let ahead: BTreeMap<u64, [u8; 32]> = self
            .heads
            .keys()
            .filter_map(|size| Some((*size, tree::root(&mut folder.tree(*size), *size).ok()?)))
            .collect();
        for receipt in self.entries.values().flatten().filter(|receipt| receipt.head.size > size) {
            let wanted = receipt.head;
            let is_there = ahead.get(&wanted.size) == Some(&wanted.root)
                && folder.tree(wanted.size).subtree(0, receipt.index).is_ok_and(|leaf| leaf == receipt.leaf);
            if is_there {
                continue;
            }
            let (index, signed) = (receipt.index, wanted.size);
            let finding = Finding::new(
                "receipt-missing",
                format!(
                    "{index}번 기록의 접수증은 {signed}건에 대해 서명되었는데 로그는 {size}건뿐입니다: 뒤가 잘렸거나 복사본이 오래되었습니다"
                ),
                format!(
                    "the receipt of entry {index} was signed for {signed} entries, the log has {size}: its end was cut off, \
                     or the copy is older than the receipt: take the folder anew"
                ),
            );
            let finding = finding.at(index.max(size)).file(receipt.path.display()).of(receipt.agency.as_deref(), None);
            report.find(finding.versions(format!("a log of {size} entries"), receipt.said()));
        }
    }
}

impl Held {
    fn differs(&self) -> Finding {
        let finding = Finding::new(
            "receipt-differs",
            "접수증에 든 기록과 로그의 기록이 다릅니다: 접수증을 준 뒤에 기록이 바뀌었습니다",
            "the entry is not the one the log gave a receipt for: it was changed after the receipt was given out",
        );
        finding.at(self.index).file(self.path.display()).of(self.agency.as_deref(), None)
    }

    /// The entry in the receipt; its file is read again, for it is told of rarely.
    fn said(&self) -> String {
        let receipt = text(&self.path).ok().flatten().and_then(|text| Receipt::parse(&text).ok());
        let entry = receipt.and_then(|receipt| Entry::parse(&receipt.entry).ok());
        entry.map_or_else(|| format!("leaf {}", hex::encode(&self.leaf)), |entry| said(&entry, self.leaf))
    }
}

/// An entry in a line: verdict, time, subject, hash.
fn said(entry: &Entry, leaf: [u8; 32]) -> String {
    let verdict = match entry.ruling.as_ref().map(|ruling| &ruling.verdict) {
        Some(Verdict::Accepted) => "accepted".to_owned(),
        Some(Verdict::Duplicate) => "duplicate".to_owned(),
        Some(Verdict::Refused(code)) => format!("refused {code}"),
        None => "no verdict".to_owned(),
    };
    let subject = entry.subject.text().unwrap_or("–");
    format!("{verdict}, {subject}, recorded {}, leaf {}", entry.recorded, hex::encode(&leaf))
}

fn invalid(path: &Path, why: &str) -> Finding {
    let finding = Finding::new(
        "receipt-invalid",
        format!("접수증 자체가 성립하지 않아 로그에 대해 아무것도 말해 주지 않습니다: {why}"),
        format!("this receipt does not hold by itself, so it says nothing about the log: {why}"),
    );
    finding.file(path.display())
}

type Opened = Result<(Receipt, Entry, Head), String>;

/// A receipt that holds by itself, or why it does not.
fn open(path: &Path, keys: &LogKeys) -> io::Result<Opened> {
    let Some(text) = text(path)? else {
        return Ok(Err("it is longer than a receipt, no text, or no file at all but a pipe or a device".to_owned()));
    };
    let opened = Receipt::parse(&text).and_then(|receipt| {
        let proven = receipt.verify(Some(keys.at(receipt.size().unwrap_or(0))), None)?;
        Ok((receipt, proven.entry, proven.checkpoint.head))
    });
    Ok(opened.map_err(|fault| fault.to_string()))
}

/// The text of a file; `None` where it is no regular file, longer than a receipt can be, or not UTF-8.
fn text(path: &Path) -> io::Result<Option<String>> {
    match bounded::read(path, RECEIPT_BYTES_MAX as u64) {
        Ok(bytes) => Ok(String::from_utf8(bytes).ok()),
        Err(error) if bounded::is_strange(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// A file as given, or what an outbox keeps in a folder.
fn collect(path: &Path, given: bool, paths: &mut Vec<PathBuf>) -> Result<(), (PathBuf, io::Error)> {
    let fault = |error| (path.to_owned(), error);
    // Links are followed where they were named, not where they were found.
    let kind = if given { path.metadata() } else { path.symlink_metadata() };
    let kind = kind.map_err(fault)?;
    if kind.is_dir() {
        for item in std::fs::read_dir(path).map_err(fault)? {
            collect(&item.map_err(fault)?.path(), false, paths)?;
            if paths.len() > AUDIT_RECEIPTS_MAX {
                break;
            }
        }
    } else if given || (kind.is_file() && path.extension().is_some_and(|end| ENDINGS.iter().any(|one| end == *one))) {
        paths.push(path.to_owned());
    }
    Ok(())
}
