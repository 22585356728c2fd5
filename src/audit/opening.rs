//! Where an audit begins: entry 0 and the log's keys, without trusting anything but the hash of entry 0.

use super::report::{Finding, Report};
use super::{AuditFault, Options};
use crate::catalogue::registry::Registry;
use crate::event::json;
use crate::log::checkpoint::{Checkpoint, Head};
use crate::log::entry::{Entry, Verdict};
use crate::log::folder::{CHECKPOINT, LogFolder, VKEY};
use crate::log::keyring::LogKeys;
use crate::log::note::{Note, VerifierKey};
use crate::log::tile::WIDTH;
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
    let keys = keys(folder, note, size, &first)?;
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
    let vkey = named_key(first)?;
    let mut keys = LogKeys::new(VerifierKey::parse(&vkey).map_err(AuditFault::Key)?);
    let by_first =
        Note::parse(note).is_ok_and(|note| note.verify([keys.newest()]).is_ok_and(|_| note.signatures.len() == 1));
    if by_first && folder.vkey()?.is_none_or(|file| file == vkey) {
        return Ok(keys);
    }
    for bundle in 0..size.div_ceil(WIDTH) {
        // A bundle that cannot be read is found where its entries are checked.
        for bytes in folder.entries(bundle, size).unwrap_or_default() {
            for (index, rotation) in rotations(&bytes) {
                // One that no key in force signed changes nothing; its verdict is judged in its place.
                let _ = keys.rotate(index + 1, &rotation);
            }
        }
    }
    Ok(keys)
}

/// Rotations in an entry that was accepted.
fn rotations(bytes: &[u8]) -> Vec<(u64, String)> {
    let Ok(entry) = Entry::parse(bytes) else { return Vec::new() };
    let rotates = |subject: &str| subject.starts_with("ledger.govern.") && subject.ends_with(".log.key-rotated.v1");
    let accepted = entry.ruling.as_ref().is_some_and(|ruling| ruling.verdict == Verdict::Accepted);
    if !accepted || !entry.subject.text().is_some_and(rotates) {
        return Vec::new();
    }
    let Some(Ok(tree)) = entry.body.bytes().map(|body| json::parse(body)) else { return Vec::new() };
    let events = tree.as_array().cloned().unwrap_or_else(|| vec![tree]);
    let note =
        |event: &serde_json::Value| event.pointer("/data/note").and_then(|note| note.as_str()).map(str::to_owned);
    events.iter().filter_map(note).map(|note| (entry.index, note)).collect()
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

/// The key that entry 0 names.
fn named_key(first: &[u8]) -> Result<String, AuditFault> {
    let wrong = |why: &str| AuditFault::NoGenesis(why.to_owned());
    let entry = Entry::parse(first).map_err(|fault| wrong(&fault.to_string()))?;
    let body = entry.body.bytes().ok_or_else(|| wrong("it has no body"))?;
    let tree = json::parse(body).map_err(|fault| wrong(&fault.to_string()))?;
    let key = tree.pointer("/data/log_key").and_then(serde_json::Value::as_str);
    key.filter(|key| !key.is_empty()).map(str::to_owned).ok_or_else(|| wrong("it names no key of the log"))
}
