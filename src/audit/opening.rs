//! Where an audit begins: entry 0 and the log's keys, without trusting anything but the hash of entry 0.

use super::report::{Finding, Report};
use super::{AuditFault, Options};
use crate::catalogue::registry::Registry;
use crate::log::checkpoint::{Checkpoint, CheckpointFault, Head};
use crate::log::folder::{CHECKPOINT, LogFolder, VKEY};
use crate::log::keyring::LogKeys;
use crate::log::lineage::{self, Lineage};
use crate::log::note::{Note, NoteFault, VerifierKey};
use crate::log::policy::Policy;
use crate::projector::keys_of;
use crate::sign::hex;

/// Entry 0, the log's keys, the newest checkpoint.
pub fn opening(
    folder: &LogFolder,
    note: &str,
    options: &Options,
    report: &mut Report,
) -> Result<(LogKeys, Checkpoint), AuditFault> {
    let lines: Vec<&str> = note.lines().collect();
    // Not trusted yet: it only says how wide the first bundle is.
    let size = lines.get(1).and_then(|line| line.parse::<u64>().ok()).filter(|size| *size > 0);
    let size = size.ok_or_else(|| AuditFault::NoGenesis("the checkpoint is of no entries".to_owned()))?;
    let first = folder.entries(0, size)?.into_iter().next().unwrap_or_default();
    let genesis = hex::sha256(&first);
    report.genesis = hex::encode(&genesis);
    report.genesis_confirmed = options.genesis == Some(genesis);
    if let Some(given) = options.genesis.filter(|given| *given != genesis) {
        let finding = Finding::new(
            "genesis-differs",
            "첫 기록이 감사인이 받은 해시와 다릅니다: 다른 로그이거나 처음부터 다시 만든 로그입니다",
            "entry 0 is not the one the auditor was given the hash of: another log, or one made anew",
        );
        report.find(finding.at(0).versions(hex::encode(&genesis), hex::encode(&given)));
    }
    let mut keys = keys(folder, note, size, &first)?;
    // Not for this checkpoint: for longer ones, of the history or kept elsewhere, where this one was put back.
    lineage::beyond(folder, size, &mut keys);
    let file = folder.vkey()?.unwrap_or_default();
    let (vkey, before) = (keys.at(size).to_string(), keys.at(size - 1).to_string());
    // A crash may come between the first checkpoint by a new key, which the old one signs too, and the file.
    if file != vkey && file != before {
        let finding = Finding::new(
            "vkey-differs",
            "vkey 파일이 로그가 정한 로그의 키와 다릅니다",
            "the file vkey is not the log's key as the log names it",
        );
        report.find(finding.file(VKEY).versions(file, &vkey));
    }
    match keys.open(note) {
        Ok(checkpoint) => Ok((keys, checkpoint)),
        Err(fault) => {
            let finding = Finding::new(
                "checkpoint-wrong",
                format!("체크포인트의 서명이 확인되지 않습니다: {fault}"),
                format!("the checkpoint does not verify: {fault}"),
            );
            report.find(finding.file(CHECKPOINT));
            // Its size is taken as a claim, so that the entries are still checked.
            let (head, origin) = (Head { size, root: [0; 32] }, keys.newest().name().to_owned());
            Ok((keys, Checkpoint { origin, head }))
        }
    }
}

/// The log's keys. Entry 0 names the first; the log is read for later ones only where the first does not explain what is there.
fn keys(folder: &LogFolder, note: &str, size: u64, first: &[u8]) -> Result<LogKeys, AuditFault> {
    let vkey = lineage::first(first).map_err(AuditFault::NoGenesis)?;
    let key = VerifierKey::parse(&vkey).map_err(AuditFault::Key)?;
    let by_first = Note::parse(note).is_ok_and(|note| note.verify([&key]).is_ok_and(|_| note.signatures.len() == 1));
    if by_first && folder.vkey()?.is_none_or(|file| file == vkey) {
        return Ok(LogKeys::new(key));
    }
    // A bundle that cannot be read is found where its entries are checked; a rotation that no key in force signed changes
    // nothing, its verdict is judged in its place.
    Ok(Lineage::read(folder, size, key, first).keys)
}

/// A checkpoint that the auditor kept. One of more entries than the folder has is the log's word under any of its keys, those
/// that a policy names among them: where the folder was cut, the entry that says from which size on each signs may be gone.
pub fn kept(keys: &LogKeys, size: u64, options: &Options, name: &str, note: &str) -> Result<Checkpoint, AuditFault> {
    let since = |fault| AuditFault::Since { name: name.to_owned(), fault };
    let fault = match keys.open(note) {
        Ok(checkpoint) => return Ok(checkpoint),
        Err(fault @ CheckpointFault::Note(NoteFault::Unsigned(_))) => fault,
        Err(fault) => return Err(since(fault)),
    };
    let claimed = Note::parse(note).map_err(CheckpointFault::from).and_then(|note| Checkpoint::parse(note.text));
    let claimed = claimed.map_err(since)?.head.size;
    if claimed <= size {
        return Err(since(fault));
    }
    let listed = options.policy.iter().flat_map(Policy::logs);
    let all: Vec<&VerifierKey> = keys.all().chain(listed.filter(|key| key.name() == keys.newest().name())).collect();
    Checkpoint::open_by(note, &all).map_err(|_| AuditFault::SinceKey { name: name.to_owned(), claimed, size, fault })
}

/// Whether the checkpoint was signed by the key that the log itself has named by then, after everything was read.
pub fn keys_hold(keys: &LogKeys, registry: &Registry, size: u64, report: &mut Report) {
    let Ok(named) = keys_of(registry) else { return };
    if named.at(size) != keys.at(size) {
        let finding = Finding::new(
            "key-retired",
            "체크포인트가 이미 교체된 로그 키로 서명되었습니다",
            "the checkpoint is signed by a key of the log that was replaced before",
        );
        report.find(finding.file(CHECKPOINT).versions(keys.at(size), named.at(size)));
    }
}
