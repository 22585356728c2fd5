//! `jindo verify`: a receipt, or the evidence of a fork, against the log's key, offline. It reads that file, the key and the
//! policy, and nothing else.

mod fork;

use std::path::{Path, PathBuf};

use serde_json::json;

use super::exit::{Exit, Failure, could, usage};
use super::table::harmless_lines;
use super::{Context, out};
use crate::event::Time;
use crate::event::lang::Lang;
use crate::limits::{POLICY_BYTES_MAX, RECEIPT_BYTES_MAX, VKEY_BYTES_MAX};
use crate::log::entry::{Entry, Verdict, leaf_hash};
use crate::log::fork::Fork;
use crate::log::note::VerifierKey;
use crate::log::policy::Policy;
use crate::log::receipt::{Proven, Receipt, ReceiptFault};
use crate::sign::hex;

/// Check a receipt or the evidence of a fork, offline
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  jindo verify 41.tlog-proof --vkey ledger.vkey
  jindo verify log/conflicts/812-3f… --vkey ledger.vkey      did the log's key sign two trees?
  jindo verify 41.tlog-proof --vkey 'jindo.local/motie-2026+530d903a+AekyeRrm…' --policy witnesses.policy

Take the key from whoever you trust, not from where the receipt came from. A policy is a C2SP tlog-policy file.
Exit code 0: it holds. 1: it does not. 2: it could not be checked.")]
pub struct Args {
    /// Receipt, or evidence of a fork
    receipt: PathBuf,
    /// Verifier key of the log: the line, or a file with it
    #[arg(long, value_name = "VKEY|FILE", required_unless_present = "policy")]
    vkey: Option<String>,
    /// Policy: logs that count, and witnesses that must have cosigned
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
}

/// Checks it.
///
/// # Errors
/// A file cannot be read, the key or the policy is none.
pub fn run(args: Args, context: &Context) -> anyhow::Result<Exit> {
    let key = args.vkey.as_deref().map(vkey).transpose()?;
    let policy = args.policy.as_deref().map(policy).transpose()?;
    let text = out::read_foreign(&args.receipt, RECEIPT_BYTES_MAX as u64)?;
    if Fork::is_one(&text) {
        return fork::run(&text, key.as_ref(), policy.as_ref(), context);
    }
    let checked = Receipt::parse(&text).and_then(|receipt| {
        let proven = receipt.verify(key.as_ref(), policy.as_ref())?;
        Ok((receipt, proven))
    });
    match checked {
        Ok((receipt, proven)) => {
            if context.json {
                out::json(&shown(&receipt, &proven))?;
            } else {
                out::text(&harmless_lines(&said(&receipt, &proven, context.lang)))?;
            }
            Ok(Exit::Ok)
        }
        Err(ReceiptFault::NoKey) => Err(no_log().into()),
        Err(fault) => {
            let what = ("확인 실패: 이 영수증은 성립하지 않습니다", "NOT OK: this receipt does not hold");
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

/// The key, as given or from a file.
pub(super) fn vkey(given: &str) -> anyhow::Result<VerifierKey> {
    let path = Path::new(given);
    let text = if path.is_file() { out::read_foreign(path, VKEY_BYTES_MAX)? } else { given.to_owned() };
    VerifierKey::parse(text.trim_end_matches('\n')).map_err(|fault| could(fault.to_string(), fault.to_string()).into())
}

/// A policy file.
pub(super) fn policy(path: &Path) -> anyhow::Result<Policy> {
    let text = out::read_foreign(path, POLICY_BYTES_MAX as u64)?;
    Policy::parse(&text).map_err(|fault| could(fault.to_string(), fault.to_string()).into())
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

fn shown(receipt: &Receipt, proven: &Proven) -> serde_json::Value {
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
    })
}

fn said(receipt: &Receipt, proven: &Proven, lang: Lang) -> String {
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
    for (name, time) in &proven.witnesses {
        let word = lang.pick("증인", "witness ");
        text.push_str(&format!("\n  {word} {name} {}", moment(*time)));
    }
    text
}
