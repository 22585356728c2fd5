//! `jindo verify`: a receipt, or the evidence of a fork, against the log's key, offline. It reads that file, the key, the
//! policy, and the log folder where the key lies in one: rotations are followed there.

mod fork;
pub(super) mod trust;

use std::path::{Path, PathBuf};

use serde_json::json;

use super::exit::{Exit, Failure, could, usage};
use super::table::harmless_lines;
use super::{Context, out};
use crate::event::Time;
use crate::event::lang::Lang;
use crate::limits::{POLICY_BYTES_MAX, RECEIPT_BYTES_MAX};
use crate::log::checkpoint::CheckpointFault;
use crate::log::entry::{Entry, Verdict, leaf_hash};
use crate::log::fork::Fork;
use crate::log::note::NoteFault;
use crate::log::note::VerifierKey;
use crate::log::policy::Policy;
use crate::log::receipt::{Proven, Receipt, ReceiptFault};
use crate::sign::hex;
use trust::Trust;

/// Check a receipt or the evidence of a fork, offline
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  jindo verify 41.tlog-proof --vkey ledger.vkey
  jindo verify 41.tlog-proof --vkey ledger.vkey --log ./copy  the log's key was replaced since, or before
  jindo verify log/conflicts/812-3f… --vkey ledger.vkey      did the log's key sign two trees?
  jindo verify 41.tlog-proof --vkey 'jindo.local/motie-2026+530d903a+AekyeRrm…' --policy witnesses.policy

Take the key from whoever you trust, not from where the receipt came from. Where the log's key was replaced, the entries of
a log folder lead from the key you have to the one of the receipt's day: the folder the file --vkey lies in, or --log.
A policy is a C2SP tlog-policy file.
Exit code 0: it holds. 1: it does not. 2: it could not be checked.")]
pub struct Args {
    /// Receipt, or evidence of a fork
    receipt: PathBuf,
    /// Verifier key of the log: the line, or a file with it; several of one log a line each
    #[arg(long, value_name = "VKEY|FILE", required_unless_present = "policy")]
    vkey: Option<String>,
    /// Policy: logs that count, and witnesses that must have cosigned
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// Log folder or a copy of it, to follow replacements of the log's key [default: the folder --vkey lies in]
    #[arg(long, value_name = "DIR", requires = "vkey")]
    log: Option<PathBuf>,
}

/// Checks it.
///
/// # Errors
/// A file cannot be read, the key or the policy is none.
pub fn run(args: Args, context: &Context) -> anyhow::Result<Exit> {
    let trust = Trust::read(args.vkey.as_deref(), args.log.as_deref())?;
    let policy = args.policy.as_deref().map(policy).transpose()?;
    let text = out::read_foreign(&args.receipt, RECEIPT_BYTES_MAX as u64)?;
    if Fork::is_one(&text) {
        return fork::run(&text, &trust, policy.as_ref(), context);
    }
    let checked = Receipt::parse(&text).and_then(|receipt| {
        let (proven, followed) = trust.prove(&receipt, policy.as_ref())?;
        Ok((receipt, proven, followed))
    });
    match checked {
        Ok((receipt, proven, followed)) => {
            if context.json {
                out::json(&shown(&receipt, &proven, followed.as_ref()))?;
            } else {
                out::text(&harmless_lines(&said(&receipt, &proven, followed.as_ref(), context.lang)))?;
            }
            Ok(Exit::Ok)
        }
        Err(ReceiptFault::NoKey) => Err(no_log().into()),
        Err(ReceiptFault::Checkpoint(CheckpointFault::Note(fault @ NoteFault::Unsigned(_)))) => {
            let what = (
                "확인하지 못함: 주어진 키가 아닌 다른 키가 서명한 접수증입니다. 로그의 키가 교체되었다면 로그 폴더의 기록이 그 날의 \
                 키로 이어 줍니다: --log에 로그 폴더(또는 그 전체 복사본)를 주세요. 또는 접수증이 있는 발신함의 receipts/vkey를 \
                 --vkey로 주세요.",
                "NOT OK: another key than the one given signed this receipt. Where the log's key was replaced, the entries of the \
                 log folder lead to the key of its day: give --log that folder, or a whole copy; or give --vkey the file \
                 receipts/vkey of the outbox that holds the receipt.",
            );
            does_not_hold(what, &fault.to_string(), context)
        }
        Err(fault) => {
            let what = ("확인 실패: 이 접수증은 성립하지 않습니다", "NOT OK: this receipt does not hold");
            does_not_hold(what, &fault.to_string(), context)
        }
    }
}

fn no_log() -> Failure {
    usage("정책에 로그가 없습니다", "the policy names no log").next("--vkey도 주세요.", "give --vkey too")
}

fn does_not_hold((ko, en): (&str, &str), fault: &str, context: &Context) -> anyhow::Result<Exit> {
    if context.json {
        out::json(&json!({ "ok": false, "why": fault }))?;
    } else {
        out::text(&harmless_lines(&format!("{}\n  {fault}", context.lang.pick(ko, en))))?;
    }
    Ok(Exit::Found)
}

/// A policy file.
pub(super) fn policy(path: &Path) -> anyhow::Result<Policy> {
    let text = out::read_foreign(path, POLICY_BYTES_MAX as u64)?;
    Policy::parse(&text).map_err(|fault| {
        let path = path.display();
        could(format!("{path}: {fault}"), format!("{path}: {fault}"))
            .next(
                "C2SP tlog-policy 파일을 주세요. deploy/AUDITORS.md에 예가 있습니다.",
                "give a C2SP tlog-policy file; deploy/AUDITORS.md has one",
            )
            .into()
    })
}

fn verdict(entry: &Entry) -> (String, &'static str) {
    match entry.ruling.as_ref().map(|ruling| &ruling.verdict) {
        Some(Verdict::Accepted) => ("accepted".to_owned(), "접수됨"),
        Some(Verdict::Duplicate) => ("duplicate".to_owned(), "이미 기록된 내용"),
        Some(Verdict::Refused(code)) => (format!("refused ({code})"), "반려됨"),
        None => ("none".to_owned(), "없음"),
    }
}

/// Seconds since 1970 as a time.
fn moment(seconds: u64) -> Time {
    Time::from_ns(i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(1_000_000_000))
}

fn shown(receipt: &Receipt, proven: &Proven, followed: Option<&VerifierKey>) -> serde_json::Value {
    let (entry, checkpoint) = (&proven.entry, &proven.checkpoint);
    let witnesses: Vec<_> = proven
        .witnesses
        .iter()
        .map(|(name, time)| json!({ "name": name, "time": moment(*time).to_string() }))
        .collect();
    json!({
        "ok": true, "origin": checkpoint.origin, "index": receipt.index, "size": checkpoint.head.size,
        "root": hex::encode(&checkpoint.head.root), "leaf": hex::encode(&leaf_hash(&receipt.entry)),
        "recorded": entry.recorded, "subject": entry.subject.text(), "verdict": verdict(entry).0, "witnesses": witnesses,
        "followed_to": followed.map(ToString::to_string),
    })
}

fn said(receipt: &Receipt, proven: &Proven, followed: Option<&VerifierKey>, lang: Lang) -> String {
    let (entry, checkpoint) = (&proven.entry, &proven.checkpoint);
    let (index, size, origin) = (receipt.index, checkpoint.head.size, &checkpoint.origin);
    let subject = entry.subject.text().unwrap_or("–");
    let (en, ko) = verdict(entry);
    let recorded = entry.recorded;
    let mut text = match lang {
        Lang::Ko => format!(
            "확인됨: {origin} 로그의 {index}번 항목이 체크포인트({size}건)에 들어 있습니다\n  기록 {recorded}\n  주제 {subject}\n  판정 {ko} ({en})"
        ),
        Lang::En => format!(
            "OK: entry {index} of log {origin} is in its checkpoint of {size} entries\n  recorded {recorded}\n  subject  {subject}\n  verdict  {en}"
        ),
    };
    if let Some(key) = followed {
        let said =
            lang.pick("키    로그의 기록이 주어진 키에서 이어 줌:", "key      followed to, through the log's entries:");
        text.push_str(&format!("\n  {said} {key}"));
    }
    for (name, time) in &proven.witnesses {
        let word = lang.pick("증인", "witness ");
        text.push_str(&format!("\n  {word} {name} {}", moment(*time)));
    }
    text
}
