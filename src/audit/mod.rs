//! A log folder against itself, offline, without trusting whoever runs the ledger.
//!
//! Everything the folder claims is made anew from the entries: the tree and each tile ([`tree`]), every root that was ever
//! signed ([`heads`]), every signature and what an entry alone decides ([`entries`], all cores), every verdict and state
//! digest ([`judge`], in order), keys and chains ([`keys`]), texts removed by law ([`withheld`]), cosignatures of outsiders
//! ([`witnesses`]). What is wrong becomes
//! a [`report::Finding`]; an audit goes on behind it and names everything. Trusted from outside: the SHA-256 of entry 0,
//! checkpoints the auditor kept, and receipts that agencies hold ([`receipts`]).
//!
//! Memory is bounded: three batches of entries, and read models of its own in a scratch folder that is removed.

pub mod entries;
pub mod evidence;
pub mod files;
pub mod forks;
pub mod heads;
pub mod judge;
pub mod keys;
mod opening;
pub mod receipts;
pub mod report;
pub mod sample;
pub mod tree;
pub mod withheld;
pub mod witnesses;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, mpsc};

use crate::admit::screen::{Trust, screen};
use crate::catalogue::registry::Registry;
use crate::limits::AUDIT_RECEIPTS_MAX;
use crate::log::checkpoint::CheckpointFault;
use crate::log::entry::leaf_hash;
use crate::log::folder::{FolderFault, LogFolder, TileTree};
use crate::log::keyring::LogKeys;
use crate::log::note::NoteFault;
use crate::log::policy::Policy;
use crate::log::tail::{FILE_INDEX, FILE_TAIL, LogReader, TailFault};
use crate::log::tree::Hashes as _;
use crate::projector::halt::Halt;
use crate::sign::hex;

use entries::{Batch, Entries};
use heads::{By, Heads};
use judge::Judge;
use receipts::Receipts;
use report::{Finding, Report};
use sample::Sample;
use tree::TreeCheck;
use witnesses::Witnessed;

/// What to audit, and what is known from elsewhere.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The log folder.
    pub log: PathBuf,
    /// SHA-256 of entry 0, given to the auditor out of band.
    pub genesis: Option<[u8; 32]>,
    /// Signed checkpoints kept from earlier, with a name for each.
    pub since: Vec<(String, String)>,
    /// Whose cosignatures the checkpoints must carry.
    pub policy: Option<Policy>,
    /// Receipts that agencies hold: files, or folders such as an outbox keeps.
    pub receipts: Vec<PathBuf>,
    /// Findings of one kind told in full; [`AUDIT_FINDINGS_KEPT`](crate::limits::AUDIT_FINDINGS_KEPT) unless given.
    pub findings: Option<u64>,
    /// Verify signatures. Without, verdicts about signatures are taken from the log.
    pub signatures: bool,
    /// A folder of evidence files.
    pub evidence: Option<PathBuf>,
    /// Reports to draw for closer inspection, and the seed.
    pub sample: Option<(usize, String)>,
    /// Where read models are made and removed again; the system's temporary folder unless given.
    pub scratch: Option<PathBuf>,
}

/// Why an audit could not be made. Not what it found.
#[derive(Debug, thiserror::Error)]
pub enum AuditFault {
    /// No checkpoint.
    #[error("{} holds no checkpoint: copy the whole log folder, or wait until the first one is published", .0.display())]
    NoCheckpoint(PathBuf),
    /// The first entry cannot be had.
    #[error("entry 0 cannot be read, so nothing says whose log this is: {0}")]
    NoGenesis(String),
    /// The folder.
    #[error(transparent)]
    Folder(#[from] FolderFault),
    /// A file.
    #[error("{}: {error}", path.display())]
    Io {
        /// Path.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A checkpoint given is no checkpoint of this log.
    #[error("checkpoint {name}: {fault}")]
    Since {
        /// Its name.
        name: String,
        /// Why.
        fault: CheckpointFault,
    },
    /// A longer checkpoint by a key that cannot be followed from the folder.
    #[error(
        "checkpoint {name} is of {claimed} entries, this folder has {size}, and nothing in it names the key that signed the \
         checkpoint ({fault})"
    )]
    SinceKey {
        /// Its name.
        name: String,
        /// Its entries, by its own word.
        claimed: u64,
        /// Entries of the folder.
        size: u64,
        /// Why.
        fault: CheckpointFault,
    },
    /// More receipts than one audit takes.
    #[error("{found} receipts or more are too many at once: give them in parts, at most {AUDIT_RECEIPTS_MAX} an audit")]
    Receipts {
        /// Found before it was given up.
        found: usize,
    },
    /// The log's key in entry 0.
    #[error("entry 0 names no key of the log: {0}")]
    Key(NoteFault),
    /// The scratch store, or rules this binary does not know.
    #[error(transparent)]
    Halt(#[from] Halt),
}

/// Audits. `progress` is told (checked, of) now and then.
///
/// # Errors
/// [`AuditFault`]: it could not be checked. What is wrong with the log is in the report.
pub fn run(options: &Options, progress: &mut dyn FnMut(u64, u64)) -> Result<Report, AuditFault> {
    let folder = LogFolder::new(&options.log);
    let mut report =
        Report { signatures_asked: options.signatures, findings_kept: options.findings, ..Report::default() };
    let note = folder.checkpoint()?.ok_or_else(|| AuditFault::NoCheckpoint(options.log.clone()))?;
    let (keys, checkpoint) = opening::opening(&folder, &note, options, &mut report)?;
    report.size = checkpoint.head.size;
    let mut heads = Heads::default();
    heads.want(checkpoint.head, By::Newest);
    let mut witnessed = Witnessed::new(options.policy.as_ref());
    witnessed.newest(&note, report.size, keys.at(report.size), &mut report);
    heads.history(&folder, &keys, &checkpoint, &mut witnessed, &mut report);
    for (name, note) in &options.since {
        let given = opening::kept(&keys, report.size, options, name, note)?;
        report.checkpoints += 1;
        witnessed.look(note, given.head.size, name, &mut report);
        heads.want(given.head, By::Given(name.clone()));
    }
    witnessed.seal();
    forks::kept(&folder, &keys, &mut report);
    forks::given(&folder, &keys, &note, &options.since, &mut report);
    let receipts = Receipts::read(&options.receipts, &keys, &mut report)?;
    files::strangers(&folder, report.size, &mut report).map_err(|error| io_fault(&options.log, error))?;
    let scratch = match &options.scratch {
        Some(dir) => tempfile::tempdir_in(dir).map_err(|error| io_fault(dir, error))?,
        None => tempfile::tempdir().map_err(|error| io_fault(&std::env::temp_dir(), error))?,
    };
    let trust = if options.signatures { Trust::Nothing } else { Trust::Log };
    let audit = Audit {
        folder: &folder,
        tree: TreeCheck::new(&folder),
        heads,
        witnessed,
        receipts,
        judge: Judge::new(scratch.path(), trust, options.evidence.is_some())?,
        sample: options.sample.as_ref().map_or_else(|| Sample::new("", 0), |(n, seed)| Sample::new(seed, *n)),
        trust,
    };
    audit.run(options, &keys, &mut report, progress)?;
    report.findings.sort_by_key(|finding| (finding.index.unwrap_or(u64::MAX), finding.file.clone()));
    Ok(report)
}

fn io_fault(path: &Path, error: io::Error) -> AuditFault {
    AuditFault::Io { path: path.to_owned(), error }
}

struct Audit<'a> {
    folder: &'a LogFolder,
    tree: TreeCheck<'a>,
    heads: Heads,
    witnessed: Witnessed<'a>,
    receipts: Receipts,
    judge: Judge,
    sample: Sample,
    trust: Trust,
}

impl Audit<'_> {
    fn run(
        mut self,
        options: &Options,
        keys: &LogKeys,
        report: &mut Report,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<(), AuditFault> {
        let size = report.size;
        // The newest registry, for whoever screens ahead.
        let registry = Mutex::new(self.judge.registry().clone());
        std::thread::scope(|scope| {
            let (sender, batches) = mpsc::sync_channel::<Batch>(1);
            let (folder, trust, known, rows) = (self.folder, self.trust, &registry, self.judge.rows());
            let evidence = self.judge.evidence.is_some();
            scope.spawn(move || {
                for batch in Entries::new(folder, size, trust, known, rows, evidence) {
                    // The other side is gone: it failed.
                    if sender.send(batch).is_err() {
                        return;
                    }
                }
            });
            for batch in batches {
                self.batch(batch, &registry, report)?;
                progress(self.tree.size(), size);
            }
            Ok::<(), AuditFault>(())
        })?;
        self.tree.finish(report);
        report.root = hex::encode(&self.tree.root());
        self.tail(options, report)?;
        self.heads.finish(self.folder, self.tree.size(), report);
        self.receipts.finish(self.folder, self.tree.size(), report);
        let now = self.judge.registry().clone();
        report.origin.clone_from(&now.origin);
        opening::keys_hold(keys, &now, size, report);
        let authorities: Vec<String> =
            now.agencies.keys().filter(|code| now.is_authority(code)).map(ToString::to_string).collect();
        heads::seen(&self.judge.seen, self.folder, size, &authorities, report);
        let held = [report.held_since, report.held_receipts];
        report.held_outside = held.into_iter().flatten().fold(report.seen_size, u64::max);
        self.sample.finish(report);
        self.witnessed.finish(report);
        if let Some((folder, named)) = options.evidence.as_ref().zip(self.judge.evidence.as_ref()) {
            let compared = evidence::compare(named, folder);
            report.evidence = Some(compared.map_err(|(path, error)| io_fault(&path, error))?);
        }
        Ok(self.judge.finish(self.folder, report)?)
    }

    fn batch(&mut self, mut batch: Batch, known: &Mutex<Arc<Registry>>, report: &mut Report) -> Result<(), AuditFault> {
        self.judge.prepare(batch.entries.iter_mut().map(|checked| std::mem::take(&mut checked.ahead)));
        batch.findings.into_iter().for_each(|finding| report.find(finding));
        for checked in batch.entries {
            self.tree.push(checked.leaf, report);
            let tree = &self.tree;
            self.receipts.entry(checked.index, checked.leaf, checked.entry.as_ref().map(|(entry, _)| entry), report);
            self.receipts.head(tree.size(), || tree.root(), report);
            self.heads.meet(tree.size(), || tree.root(), report);
            checked.findings.into_iter().for_each(|finding| report.find(finding));
            let Some((entry, screened)) = checked.entry else { continue };
            self.sample.consider(&entry);
            self.witnessed.entry(entry.index, entry.recorded, report);
            self.judge.entry(entry, screened, &batch.registry, report)?;
        }
        known.lock().unwrap_or_else(PoisonError::into_inner).clone_from(self.judge.registry());
        Ok(())
    }

    /// Entries in `log/tail`: those that a checkpoint covers are the published ones, the others are checked unproven.
    fn tail(&mut self, options: &Options, report: &mut Report) -> Result<(), AuditFault> {
        let damaged = |fault: &TailFault| {
            let ko = format!("tail 파일이 손상되었습니다: {fault}");
            Finding::new("tail-damaged", ko, format!("the tail is damaged: {fault}")).file(FILE_TAIL)
        };
        if !options.log.join(FILE_TAIL).exists() {
            return Ok(());
        }
        let tail = match LogReader::open(&options.log) {
            Ok(tail) => tail,
            Err(fault) => {
                report.find(damaged(&fault));
                return Ok(());
            }
        };
        if let Ok(false) = LogReader::index_holds(&options.log) {
            let en =
                "tail.index does not fit the tail: it is a cache, made anew at the next start, but somebody altered it";
            let ko = "tail.index가 tail과 맞지 않습니다: 다음 시작 때 다시 만들어지는 색인이지만 누군가 바꾸었습니다";
            report.find(Finding::new("tail-index-wrong", ko, en).file(FILE_INDEX));
        }
        let mut tree = self.folder.tree(report.size);
        for item in tail.iter(tail.tail_first()) {
            let (index, bytes) = match item {
                Ok(item) => item,
                Err(fault) => {
                    report.find(damaged(&fault));
                    return Ok(());
                }
            };
            if index < report.size {
                published(&mut tree, index, &bytes, report);
                continue;
            }
            report.unproven += 1;
            let mut findings = Vec::new();
            let entry = entries::read(index, &bytes, &mut findings);
            findings.into_iter().for_each(|finding| report.find(finding));
            if let Some(entry) = entry {
                let under = self.judge.registry().clone();
                let screened = screen(&entry, &under, self.trust);
                self.judge.entry(entry, screened, &under, report)?;
            }
        }
        Ok(())
    }
}

/// An entry of the tail that a checkpoint covers is the published one.
fn published(tree: &mut TileTree<'_>, index: u64, bytes: &[u8], report: &mut Report) {
    // A tile that cannot be read is found where it is compared.
    let Ok(leaf) = tree.subtree(0, index) else { return };
    if leaf != leaf_hash(bytes) {
        let finding = Finding::new(
            "tail-differs",
            "tail 파일의 기록이 공개된 기록과 다릅니다",
            "the entry in the tail is not the published one",
        );
        report.find(finding.at(index).file(FILE_TAIL));
    }
}
