//! Roots that somebody signed, held against the tree of the entries: every published checkpoint, those an auditor kept, and
//! what agencies say they saw.

use std::collections::BTreeMap;

use super::judge::SeenClaims;
use super::report::{Finding, Report};
use super::witnesses::Witnessed;
use crate::log::checkpoint::{Checkpoint, Head};
use crate::log::folder::LogFolder;
use crate::log::keyring::LogKeys;
use crate::sign::hex;

/// Who states a root.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum By {
    /// The newest checkpoint.
    Newest,
    /// One of the folder's history.
    History(String),
    /// One the auditor gave.
    Given(String),
}

/// Roots to be met on the way, by size.
#[derive(Debug, Default)]
pub struct Heads {
    wanted: BTreeMap<u64, Vec<([u8; 32], By)>>,
}

impl Heads {
    /// Adds a root.
    pub fn want(&mut self, head: Head, by: By) {
        let known = self.wanted.entry(head.size).or_default();
        if !known.contains(&(head.root, by.clone())) {
            known.push((head.root, by));
        }
    }

    /// Reads the history: every note signed by the key for its size, sizes never falling, the newest checkpoint among them.
    pub fn history(
        &mut self,
        folder: &LogFolder,
        keys: &LogKeys,
        newest: &Checkpoint,
        witnessed: &mut Witnessed<'_>,
        report: &mut Report,
    ) {
        let (mut last, mut has_newest) = (0, false);
        for day in folder.history_days().unwrap_or_default() {
            let file = format!("history/{day}");
            let wrong = |code, ko: String, en: String| Finding::new(code, ko, en).file(&file);
            let (notes, whole) = match folder.history(day) {
                Ok(read) => read,
                Err(error) => {
                    report.find(wrong("history-unreadable", format!("읽을 수 없습니다: {error}"), error.to_string()));
                    continue;
                }
            };
            let bytes = std::fs::metadata(folder.history_path(day)).map_or(0, |file| file.len());
            if bytes != whole {
                let en = format!("after {whole} bytes it holds what is no checkpoint");
                report.find(wrong("history-wrong", format!("{whole}바이트 뒤에 체크포인트가 아닌 것이 있습니다"), en));
            }
            for note in notes {
                let checkpoint = match keys.open(&note) {
                    Ok(checkpoint) => checkpoint,
                    Err(error) => {
                        let ko = format!("체크포인트의 서명이 확인되지 않습니다: {error}");
                        report.find(wrong("history-wrong", ko, format!("a checkpoint does not verify: {error}")));
                        continue;
                    }
                };
                let head = checkpoint.head;
                if head.size < last {
                    let finding = wrong(
                        "history-back",
                        "뒤에 공개된 체크포인트가 더 짧은 로그를 말합니다".to_owned(),
                        "a later checkpoint is of a shorter log".to_owned(),
                    );
                    report.find(finding.versions(head.size, format!("{last} or more")));
                }
                last = last.max(head.size);
                has_newest |= head == newest.head;
                report.checkpoints += 1;
                witnessed.look(&note, head.size, &file, report);
                self.want(head, By::History(file.clone()));
            }
        }
        if !has_newest {
            let finding = Finding::new(
                "history-incomplete",
                "현재 체크포인트가 이력에 없습니다: 이력 파일이 지워졌거나 바뀌었습니다",
                "the newest checkpoint is not in the history: history files were removed or altered",
            );
            report.find(finding.file("history").versions(last, newest.head.size));
        }
    }

    /// Compares where the tree has come to; smaller sizes that were passed over are dropped.
    pub fn meet(&mut self, size: u64, root: impl FnOnce() -> [u8; 32], report: &mut Report) {
        let Some(stated) = self.wanted.remove(&size) else { return };
        let root = root();
        for (wanted, by) in stated {
            if wanted == root {
                if matches!(by, By::Given(_)) {
                    report.held_since = report.held_since.max(Some(size));
                }
                continue;
            }
            report.find(differs(size, &by).versions(hex::encode(&root), hex::encode(&wanted)));
        }
    }

    /// Heads the log never came to: it is shorter than they say. But the history may be ahead of the checkpoint, after a crash
    /// between the two or in a folder copied while it grew: then the tiles behind the checkpoint give its roots.
    pub fn finish(self, folder: &LogFolder, size: u64, report: &mut Report) {
        for (wanted, stated) in self.wanted {
            for (root, by) in stated {
                let ahead = || crate::log::tree::root(&mut folder.tree(wanted), wanted).is_ok_and(|held| held == root);
                if matches!(by, By::History(_)) && ahead() {
                    continue;
                }
                let (ko, en) = match by {
                    By::Given(_) => (
                        format!(
                            "보관하신 체크포인트는 {wanted}건인데 로그는 {size}건뿐입니다: 보관하신 것보다 짧습니다. 뒤가 잘렸거나 복사본이 더 오래되었습니다"
                        ),
                        format!(
                            "the log is shorter than what you kept: it holds {size} entries, your checkpoint is of {wanted}; its end was cut off, or this copy is older"
                        ),
                    ),
                    _ => (
                        format!("로그가 {size}건까지만 있는데 {wanted}건에 대한 서명이 있습니다: 뒤가 잘렸습니다"),
                        format!("the log holds {size} entries, yet {wanted} were signed for: its end was cut off"),
                    ),
                };
                let finding = Finding::new("log-cut", ko, en);
                report.find(finding.at(size).file(named(&by)).versions(size, wanted));
            }
        }
    }
}

fn named(by: &By) -> String {
    match by {
        By::Newest => "checkpoint".to_owned(),
        By::History(file) | By::Given(file) => file.clone(),
    }
}

fn differs(size: u64, by: &By) -> Finding {
    let (code, ko, en) = match by {
        By::Newest => (
            "root-differs",
            "기록들의 루트가 서명된 체크포인트와 다릅니다",
            "the entries lead to another root than the signed checkpoint",
        ),
        By::History(_) => (
            "history-differs",
            "기록들이 앞서 공개·서명된 체크포인트와 맞지 않습니다: 그 뒤에 기록이 바뀌었습니다",
            "the entries do not agree with a checkpoint published earlier: they were changed after it",
        ),
        By::Given(_) => (
            "since-differs",
            "기록들이 감사인이 보관한 체크포인트와 맞지 않습니다: 그 뒤에 기록이 바뀌었습니다",
            "the entries do not agree with the checkpoint the auditor kept: they were changed after it",
        ),
    };
    let ko = format!("{ko} (앞 {size}건 가운데)");
    Finding::new(code, ko, format!("{en} (among the first {size})")).file(named(by))
}

/// What signers say they saw, held against the tree by its tiles, which were compared before.
pub fn seen(claims: &SeenClaims, folder: &LogFolder, size: u64, authority: &[String], report: &mut Report) {
    let mut tree = folder.tree(size);
    for ((seen, root), (index, agency)) in claims {
        let found = match *seen {
            0 => Head::empty().root,
            seen if seen > size => continue,
            seen => match crate::log::tree::root(&mut tree, seen) {
                Ok(root) => root,
                // The tile is missing or damaged: found already.
                Err(_) => continue,
            },
        };
        if found == *root {
            let row = report.agencies.entry(agency.clone()).or_default();
            row.seen = row.seen.max(*seen);
            if !authority.contains(agency) {
                report.seen_size = report.seen_size.max(*seen);
            }
            continue;
        }
        let finding = Finding::new(
            "seen-differs",
            format!("보고 기관이 서명과 함께 보았다고 한 로그(앞 {seen}건)와 다릅니다: 그 뒤에 기록이 바뀌었습니다"),
            format!("its signer saw other entries among the first {seen}: they were changed afterwards"),
        );
        let finding = finding.at(*index).of(Some(agency), None);
        report.find(finding.versions(hex::encode(&found), hex::encode(root)));
    }
}
