//! `jindo audit`: a log folder against itself, offline; a one-page verdict, or JSON.

mod page;

use std::path::{Path, PathBuf};

use super::exit::{Exit, Failure, could, file, usage};
use super::{Context, out, progress};
use crate::audit::report::Report;
use crate::audit::{AuditFault, Options};
use crate::limits::{AUDIT_FINDINGS_MAX, CHECKPOINT_BYTES_MAX};
use crate::sign::hex;

/// Verify a log folder offline: entries, signatures, verdicts, figures, checkpoints
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  jindo audit --log ./log --genesis 6f3a…            everything, against the hash you were given of entry 0
  jindo audit --log ./log --since last-year.txt      also: does a checkpoint you kept still hold?
  jindo audit --log ./log --policy witnesses.policy  also: did enough outside witnesses cosign it, and when?
  jindo audit --log ./log --receipts from-keco/      also: is what agencies hold receipts of still there, unchanged?
  jindo audit --log ./log --sample 20 --seed 2026    also draw 20 accepted reports anyone can draw again
  jindo audit --log ./log --evidence ./papers --json

Exit: 0 nothing wrong, 1 something is wrong, 2 it could not be checked.")]
pub struct Args {
    /// Log folder; DIR/log unless given
    #[arg(long, value_name = "DIR")]
    log: Option<PathBuf>,
    /// SHA-256 of entry 0, as given to you by somebody other than the operator
    #[arg(long, value_name = "HASH")]
    genesis: Option<String>,
    /// A signed checkpoint you kept from earlier (repeatable)
    #[arg(long, value_name = "FILE")]
    since: Vec<PathBuf>,
    /// Policy of outside witnesses (C2SP tlog-policy): who must have cosigned
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// Folder for what proves that a checkpoint given with --since is of another log by the same key
    #[arg(long, value_name = "DIR", requires = "since")]
    conflicts: Option<PathBuf>,
    /// Receipts that agencies gave you: files, or folders with *.tlog-proof such as <outbox>/receipts (repeatable)
    #[arg(long, value_name = "DIR_OR_FILE", num_args = 1..)]
    receipts: Vec<PathBuf>,
    /// Findings of one kind told in full; further ones are counted [default: 100]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=AUDIT_FINDINGS_MAX))]
    findings: Option<u64>,
    /// Draw so many accepted reports for closer inspection
    #[arg(long, value_name = "N", requires = "seed")]
    sample: Option<usize>,
    /// Seed of the sample: the same seed draws the same reports
    #[arg(long)]
    seed: Option<String>,
    /// Folder of evidence files, compared with the hashes in reports
    #[arg(long, value_name = "DIR")]
    evidence: Option<PathBuf>,
    /// Take signatures on trust: much faster, proves less
    #[arg(long)]
    no_signatures: bool,
}

/// Audits.
///
/// # Errors
/// It could not be checked: no folder, no checkpoint, a full disk.
pub fn run(args: Args, context: &Context) -> anyhow::Result<Exit> {
    let genesis = match &args.genesis {
        Some(text) => Some(hex::decode32(text.trim()).ok_or_else(|| no_hash(text.trim()))?),
        None => None,
    };
    if let Some(folder) = &args.evidence {
        // Before hours of auditing, not after.
        std::fs::read_dir(folder).map_err(|error| {
            file(folder, &error)
                .next("--evidence에는 증빙 파일이 든 폴더를 주세요.", "give --evidence the folder that holds the files")
        })?;
    }
    let named = |path: &PathBuf| Ok((path.display().to_string(), out::read_foreign(path, CHECKPOINT_BYTES_MAX)?));
    let options = Options {
        log: super::journal::folder(args.log.as_deref(), context),
        genesis,
        since: args.since.iter().map(named).collect::<anyhow::Result<_>>()?,
        policy: args.policy.as_deref().map(super::verify::policy).transpose()?,
        receipts: args.receipts,
        findings: args.findings,
        signatures: !args.no_signatures,
        evidence: args.evidence,
        sample: args.sample.zip(args.seed),
        scratch: None,
    };
    let bar = progress::bar("auditing");
    let report = crate::audit::run(&options, &mut |done, all| bar.set(done, all));
    bar.finish();
    let report = report.map_err(|fault| failed(&fault))?;
    if let Some(dir) = &args.conflicts {
        keep(&report, dir)?;
    }
    if context.json {
        out::json(&report)?;
    } else {
        out::text(&page::page(&report, context))?;
    }
    Ok(if report.holds() { Exit::Ok } else { Exit::Found })
}

/// What is wrong with a text given as the hash of entry 0.
fn no_hash(text: &str) -> Failure {
    let (ko, en) = match text.chars().count() {
        64 => {
            ("16진수 소문자가 아닌 글자가 있습니다".to_owned(), "it holds what is no lower-case hex digit".to_owned())
        }
        count => (format!("{count}자입니다"), format!("it has {count} characters")),
    };
    usage(
        format!("--genesis '{text}'은(는) SHA-256이 아닙니다: {ko}"),
        format!("--genesis '{text}' is no SHA-256: {en}"),
    )
    .next(
        "로그의 첫 기록의 SHA-256, 64자리 소문자 16진수를 주세요. 운영자 아닌 곳에서 받은 것이어야 합니다(자기 원장은 DIR/genesis).",
        "give the SHA-256 of entry 0, 64 lower-case hex digits, from somebody other than the operator (of your own ledger: DIR/genesis)",
    )
}

/// Writes what proves a fork.
fn keep(report: &Report, dir: &Path) -> anyhow::Result<()> {
    for fork in &report.forks {
        let path = dir.join(&fork.name);
        let written = std::fs::create_dir_all(dir).and_then(|()| std::fs::write(&path, &fork.text));
        written.map_err(|error| file(&path, &error))?;
    }
    Ok(())
}

fn failed(fault: &AuditFault) -> Failure {
    let said = could(format!("감사할 수 없습니다: {fault}"), format!("it could not be checked: {fault}"));
    match fault {
        AuditFault::SinceKey { .. } => said.next(
            "로그 폴더를 다시 통째로 받으세요. 키가 교체되기 전의 복사본일 수 있습니다. 새로 받은 폴더에도 그 키가 없으면 다른 로그이거나 \
             뒤가 잘린 것입니다. 그 키를 믿을 근거가 있으면 정책 파일의 log 줄에 넣어 --policy로 주세요.",
            "take the whole folder anew: this copy may be from before the log's key was replaced. Where the new one names no such \
             key either, it is another log, or its end was cut off. A key you trust may stand in a line `log` of --policy.",
        ),
        AuditFault::Since { .. } => said.next(
            "--since에는 이 로그에서 보관한 log/checkpoint 파일을 주세요.",
            "give --since a file log/checkpoint that you kept of this log",
        ),
        AuditFault::NoCheckpoint(_) => said.next("--log DIR 또는 --data DIR을 확인하세요.", "check --log DIR or --data DIR"),
        _ => said,
    }
}
