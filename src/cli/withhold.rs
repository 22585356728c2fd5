//! `jindo withhold`: texts leave the log by law. With `--mask` an authority or the agency says which; without, the operator
//! removes what both have said. What it does and in what order stands in [`crate::projector::withhold`].

use std::path::{Path, PathBuf};

use serde_json::json;

use super::exit::{Exit, Failure, could, usage};
use super::sender::Who;
use super::{Context, Lang, key, out, progress};
use crate::event::governance::BodyWithheld;
use crate::limits::RECEIPT_BYTES_MAX;
use crate::log::disk::Files;
use crate::log::entry::Entry;
use crate::log::folder::LogFolder;
use crate::log::receipt::Receipt;
use crate::log::tail::TailFault;
use crate::log::withhold::{agency, stands, withheld};
use crate::projector::withhold::{Ask, Outcome, WithholdError, withhold};
use crate::sign::hex;

/// Remove texts from the body of an entry by law, so that the log still proves itself
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  jindo withhold 41 --mask /data/note --reason \"개인정보 보호법 제21조\" --agency keco \\
      --receipt r.tlog-proof --vkey ledger.vkey
  jindo withhold 41 --mask /data/note --reason \"개인정보 보호법 제21조\" --agency motie
  jindo withhold 41 --dry-run              with the ledger stopped: what would go
  jindo withhold 41                        with the ledger stopped: remove it

First the agency whose entry it is and an authority each publish which texts go (body.withheld), alike: RFC 6901 pointers, such
as /data/note, or /3/data/note in a batch; the body of a refused report goes as a whole with --mask ''. The entry is taken from
DIR/log, or from a receipt. Then the operator stops the ledger and removes them: each character becomes █, in the log's bundle
and in the read models. Hashes, receipts and figures stay; texts that figures rest on (places, names of things) cannot go.
Every audit counts such entries on its first page. An entry that was sent again is another entry: withhold that too.

What it does NOT reach: the message in its NATS stream (delete that stream, then `jindo recover`), replicas and backups of
the log, receipts that agencies hold, caches of /log/. SHA-256 of the body stays: who guesses a short text can confirm it.

Exit: 0 done; 2 it could not be done.")]
pub struct Args {
    /// Index of the entry
    index: u64,
    /// Say that this text goes: a pointer into the body (repeatable)
    #[arg(long, value_name = "POINTER", requires = "reason")]
    mask: Vec<String>,
    /// Legal ground, for readers
    #[arg(long, value_name = "TEXT", requires = "mask")]
    reason: Option<String>,
    /// Take the entry from a receipt of it
    #[arg(long, value_name = "FILE", requires_all = ["mask", "vkey"])]
    receipt: Option<PathBuf>,
    /// Key of the log for that receipt: the line of log/vkey, or a file with it
    #[arg(long, value_name = "KEY", requires = "receipt")]
    vkey: Option<String>,
    /// Only look: publish and change nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    who: Who,
}

/// Says what is to be withheld, or withholds it.
///
/// # Errors
/// Nothing agreed, a running ledger, texts that count; no key, no connection.
pub fn run(args: Args, context: &Context) -> anyhow::Result<Exit> {
    if args.mask.is_empty() { remove(&args, context) } else { say(args, context) }
}

fn failed(why: &dyn std::fmt::Display) -> Failure {
    could(format!("제거할 수 없습니다: {why}"), format!("it cannot be withheld: {why}"))
}

/// Publishes the statement of an authority or of the agency.
fn say(args: Args, context: &Context) -> anyhow::Result<Exit> {
    let entry = entry(&args, context)?;
    let left = withheld(&entry, &args.mask).map_err(|fault| failed(&fault))?;
    let said = BodyWithheld {
        index: entry.index,
        agency: agency(&entry).unwrap_or_default(),
        sha256: hex::encode(&left.body.sha256()),
        mask: args.mask,
        stands: hex::encode(&stands(&left)),
        reason: args.reason.unwrap_or_default(),
    };
    if args.dry_run {
        let text = left.encode();
        match context.json {
            true => out::json(&json!({ "said": said, "left": String::from_utf8_lossy(&text) }))?,
            false => out::text(&super::table::harmless_lines(&String::from_utf8_lossy(&text)))?,
        }
        return Ok(Exit::Ok);
    }
    key::publish(&args.who, "body.withheld.v1", json!(said), context)
}

/// The entry, held against a checkpoint: nobody signs for what somebody made up.
fn entry(args: &Args, context: &Context) -> anyhow::Result<Entry> {
    let receipt = match &args.receipt {
        Some(path) => {
            let receipt =
                Receipt::parse(&out::read_text(path, RECEIPT_BYTES_MAX as u64)?).map_err(|fault| failed(&fault))?;
            let trust = super::verify::trust::Trust::read(args.vkey.as_deref(), None)?;
            trust.prove(&receipt, None).map_err(|fault| failed(&fault))?;
            receipt
        }
        None => {
            let next = ("--data DIR을 확인하거나 --receipt FILE을 주세요.", "check --data DIR, or give --receipt FILE");
            let made = Receipt::make(&LogFolder::new(&context.data.join("log")), args.index);
            made.map_err(|fault| failed(&fault).next(next.0, next.1))?
        }
    };
    if receipt.index != args.index {
        let own = receipt.index;
        return Err(usage(format!("접수증은 {own}번 기록의 것입니다"), format!("the receipt is of entry {own}")).into());
    }
    Ok(Entry::parse(&receipt.entry).map_err(|fault| failed(&fault))?)
}

fn remove(args: &Args, context: &Context) -> anyhow::Result<Exit> {
    let (log, store) = (context.data.join("log"), context.data.join("store"));
    let bar = progress::bar("folding");
    let ask = Ask { log: &log, store: &store, index: args.index, dry_run: args.dry_run };
    let outcome = withhold(ask, &mut Files, &mut |done, all| bar.set(done, all));
    bar.finish();
    let outcome = outcome.map_err(|error| refused(&error, &log))?;
    if context.json {
        out::json(&outcome)?;
    } else {
        out::text(&page(&outcome, context.lang))?;
    }
    Ok(Exit::Ok)
}

fn refused(error: &WithholdError, log: &Path) -> Failure {
    let failure = failed(error);
    match error {
        WithholdError::Tail(TailFault::Locked(_)) => failure.next(
            "`jindo up`이나 `jindo run`을 멈춘 뒤 다시 실행하세요.",
            "stop `jindo up` or `jindo run`, then run this again",
        ),
        WithholdError::Tail(TailFault::Missing(_)) => {
            let folder = log.display();
            failure.next(format!("--data DIR을 확인하세요: {folder}"), format!("check --data DIR: {folder}"))
        }
        WithholdError::NotAgreed(..) | WithholdError::Differs { .. } => failure.next(
            "기관과 주무 부처가 각각 `jindo withhold 번호 --mask …`로 같은 내용을 발행해야 합니다.",
            "agency and authority each publish the same with `jindo withhold INDEX --mask …`",
        ),
        _ => failure,
    }
}

/// What was done, and what the operator has yet to do.
fn page(told: &Outcome, lang: Lang) -> String {
    let Outcome { agreed, digest, already, done, aside, .. } = told;
    let (index, texts) = (agreed.index, agreed.mask.join(", "));
    let mut lines = vec![match (done, already, lang) {
        (false, _, Lang::Ko) => format!("기록 {index}번에서 제거될 글: {texts} (바꾼 것 없음)"),
        (false, _, Lang::En) => format!("from entry {index} would go: {texts} (nothing was changed)"),
        (true, false, Lang::Ko) => format!("기록 {index}번에서 제거했습니다: {texts}"),
        (true, false, Lang::En) => format!("gone from entry {index}: {texts}"),
        (true, true, Lang::Ko) => format!("기록 {index}번은 이미 제거되어 있어 조회 모형만 다시 만들었습니다: {texts}"),
        (true, true, Lang::En) => {
            format!("entry {index} had lost them already, the read models were made anew: {texts}")
        }
    }];
    lines.push(match lang {
        Lang::Ko => format!("집계는 그대로입니다: {digest}"),
        Lang::En => format!("the figures are what they were: {digest}"),
    });
    if *done {
        lines.push(
            lang.pick(
                "할 일: NATS 스트림, 복제본과 백업, 캐시에는 아직 남아 있습니다. 스트림을 지우고 `jindo recover`를 실행하고, 사본은 로그를 다시 복사하세요.",
                "next: the NATS stream, replicas, backups and caches still hold it: delete the stream and run `jindo recover`, copy the log anew",
            )
            .to_owned(),
        );
    }
    for path in aside {
        let path = path.display();
        lines.push(match lang {
            Lang::Ko => format!("할 일: {path}에도 남아 있을 수 있습니다. 지우세요."),
            Lang::En => format!("next: {path} may hold it too: remove it"),
        });
    }
    lines.join("\n")
}
