//! Proof that the log's key signed two trees: what the folder itself keeps of it, and what checkpoints given by the auditor make.

use super::report::{Finding, Offered, Report};
use crate::limits::FORK_BYTES_MAX;
use crate::log::bounded;
use crate::log::folder::{CONFLICTS, LogFolder};
use crate::log::fork::Fork;
use crate::log::keyring::LogKeys;
use crate::sign::hex;

/// Verifies the evidence that the folder keeps.
pub fn kept(folder: &LogFolder, keys: &LogKeys, report: &mut Report) {
    // A folder that cannot be listed is found with its strangers.
    for name in folder.conflicts().unwrap_or_default().into_iter().filter(|name| Fork::is_name(name)) {
        let file = format!("{CONFLICTS}/{name}");
        let finding = match read(folder, &file).and_then(|text| Fork::parse(&text)?.verify_by(keys).map_err(Into::into))
        {
            Ok(forked) => {
                let (first, second) = (forked.first.size, forked.second.size);
                let ko =
                    format!("로그의 키가 서로 다른 두 로그에 서명했습니다({first}건, {second}건): 원장이 갈라졌습니다");
                let en = format!(
                    "the log's key signed two different logs, of {first} and {second} entries: the ledger was forked"
                );
                let roots = [&forked.second.root, &forked.root].map(|root| hex::encode(root));
                Finding::new("forked", ko, en).versions(&roots[0], &roots[1])
            }
            Err(fault) => {
                let ko = format!("분기를 증명한다는 파일이 성립하지 않습니다: {fault}");
                Finding::new("conflict-wrong", ko, format!("it proves no fork, though it should: {fault}"))
            }
        };
        report.find(finding.file(file));
    }
}

fn read(folder: &LogFolder, file: &str) -> anyhow::Result<String> {
    Ok(String::from_utf8(bounded::read(&folder.dir().join(file), FORK_BYTES_MAX as u64)?)?)
}

/// Offers what proves that a checkpoint the auditor gave, signed by the log's key, is of another tree than the newest one.
pub fn given(folder: &LogFolder, keys: &LogKeys, newest: &str, given: &[(String, String)], report: &mut Report) {
    for (_, note) in given {
        // A longer one proves nothing by itself, damaged tiles are found elsewhere.
        let Ok(Some(fork)) = Fork::make(folder, keys, newest, note) else { continue };
        let Ok(name) = fork.name() else { continue };
        if report.forks.iter().all(|known| known.name != name) {
            report.forks.push(Offered { name, text: fork.text() });
        }
    }
}
