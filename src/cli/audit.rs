//! `jindo audit`: a log folder against itself, offline; a one-page verdict, or JSON.

mod page;

use std::path::{Path, PathBuf};

use super::exit::{Exit, could, file, usage};
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
        Some(text) => Some(hex::decode32(text.trim()).ok_or_else(|| {
            usage(format!("--genesis '{text}'"), format!("--genesis '{text}'"))
                .next("64자리 소문자 16진수를 주세요.", "give 64 lower-case hex digits")
        })?),
        None => None,
    };
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

/// Writes what proves a fork.
fn keep(report: &Report, dir: &Path) -> anyhow::Result<()> {
    for fork in &report.forks {
        let path = dir.join(&fork.name);
        let written = std::fs::create_dir_all(dir).and_then(|()| std::fs::write(&path, &fork.text));
        written.map_err(|error| file(&path, &error))?;
    }
    Ok(())
}

fn failed(fault: &AuditFault) -> super::exit::Failure {
    could(format!("감사할 수 없습니다: {fault}"), format!("it could not be checked: {fault}"))
}
