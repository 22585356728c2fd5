//! `jindo catalogue`: check a catalogue file, and publish what differs from the ledger as signed governance events.

use std::path::{Path, PathBuf};

use serde_json::json;
use uuid::Uuid;

use crate::catalogue::file::{self, CatalogueFile, Planned, difference};
use crate::event::Time;
use crate::event::envelope::{self, NewEvent};
use crate::limits::{BATCH_EVENTS_MAX, BODY_BYTES_MAX, CATALOGUE_BYTES_MAX};
use crate::publish::Draft;

use super::exit::{Exit, usage};
use super::sender::{Sender, Who, outcome, said};
use super::table::{Style, Table, cell, harmless};
use super::{Context, journal, out};

/// Check a catalogue, or publish what differs from the ledger
#[derive(Debug, clap::Subcommand)]
#[command(after_help = "\
Examples:
  jindo catalogue check deploy/catalogue/motie-2026.toml
  jindo catalogue apply deploy/catalogue/motie-2026.toml --agency motie --dry-run")]
pub enum Verb {
    /// Explain every mistake of a catalogue file, with line and column
    #[command(after_help = "\
Examples:
  jindo catalogue check deploy/catalogue/motie-2026.toml
  jindo catalogue check motie-2026.toml --json")]
    Check(Check),
    /// Publish what differs from the ledger, as signed governance events
    #[command(after_help = "\
Examples:
  jindo catalogue apply motie-2026.toml --agency motie --dry-run          what would be published
  jindo catalogue apply motie-2026.toml --agency motie --reason \"2026-01-22 기후에너지환경부 발표\"

Changing a target or a definition demands a reason: in the file, beside the change, or here.")]
    Apply(Apply),
}

/// `check`.
#[derive(Debug, clap::Args)]
pub struct Check {
    /// Catalogue file (TOML)
    file: PathBuf,
}

/// `apply`.
#[derive(Debug, clap::Args)]
pub struct Apply {
    /// Catalogue file (TOML)
    file: PathBuf,
    #[command(flatten)]
    who: Who,
    /// Log folder that says what stands [default: DIR/log]
    #[arg(long, value_name = "DIR")]
    log: Option<PathBuf>,
    /// Why targets and definitions change, where the file does not say
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Show what would be published; sign and send nothing
    #[arg(long)]
    dry_run: bool,
}

/// Checks or applies.
///
/// # Errors
/// An unreadable file, a change without a reason, no key, no connection.
pub fn run(verb: Verb, context: &Context) -> anyhow::Result<Exit> {
    match verb {
        Verb::Check(check) => Ok(read(&check.file, context, true)?.map_or(Exit::Found, |_| Exit::Ok)),
        Verb::Apply(apply) => run_apply(apply, context),
    }
}

/// Reads and checks; says every mistake. `None` where there are some.
fn read(path: &Path, context: &Context, show: bool) -> anyhow::Result<Option<CatalogueFile>> {
    let text = out::read_text(path, CATALOGUE_BYTES_MAX as u64)?;
    let lang = context.lang;
    match file::parse(&text) {
        Ok(catalogue) => {
            if show && context.json {
                out::json(&json!({"mistakes": [], "indicators": catalogue.indicators.len()}))?;
            } else if show {
                let count = catalogue.indicators.len();
                out::text(&format!("{}: {count}", lang.pick("틀린 곳이 없습니다. 지표", "no mistake; indicators")))?;
            }
            Ok(Some(catalogue))
        }
        Err(mistakes) => {
            if context.json {
                let one = |mistake: &file::Mistake| json!({"line": mistake.line, "column": mistake.column, "message": mistake.message, "hint": mistake.hint});
                out::json(&json!({"mistakes": mistakes.iter().map(one).collect::<Vec<_>>()}))?;
                return Ok(None);
            }
            for mistake in &mistakes {
                let place = format!("{}:{}:{}", path.display(), mistake.line, mistake.column);
                let mut lines =
                    format!("{}: {}", Style::Bold.paint(&harmless(&place), context.colour), harmless(&mistake.message));
                if !mistake.hint.is_empty() {
                    lines.push_str(&format!("\n  {} {}", lang.pick("할 일:", "next:"), harmless(&mistake.hint)));
                }
                out::text(&lines)?;
            }
            let count = mistakes.len();
            out::text(&format!("{count} {}", lang.pick("곳이 틀렸습니다", "mistakes")))?;
            Ok(None)
        }
    }
}

fn run_apply(args: Apply, context: &Context) -> anyhow::Result<Exit> {
    let Some(catalogue) = read(&args.file, context, false)? else { return Ok(Exit::Found) };
    let authority = args.who.agency()?;
    let registry = journal::registry(&journal::open(&journal::folder(args.log.as_deref(), context))?)?;
    let planned = difference(&catalogue, &registry, args.reason.as_deref()).map_err(|error| {
        usage(error.to_string(), error.to_string())
            .next("파일에 이유를 적거나 --reason을 주세요.", "write the reason into the file, or give --reason")
    })?;
    if args.dry_run || planned.is_empty() {
        show_plan(&planned, context)?;
        return Ok(Exit::Ok);
    }
    let mut sender = Sender::open(&args.who, context)?;
    sender.enqueue(&drafts(&authority, &planned))?;
    let delivery = sender.deliver(|_, _| {})?;
    let outcomes: Vec<_> = delivery.values().map(outcome).collect();
    let exit = outcomes.iter().fold(Exit::Ok, |exit, outcome| exit.worst(outcome.exit));
    if context.json {
        out::json(&json!({"events": planned.len(), "reports": outcomes}))?;
        return Ok(exit);
    }
    for outcome in outcomes.iter().filter(|outcome| outcome.exit != Exit::Ok) {
        out::text(&said(outcome, context))?;
    }
    let count = planned.len();
    if exit == Exit::Ok {
        out::text(&format!("{count} {}", context.lang.pick("건의 변경이 기록되었습니다", "changes recorded")))?;
    }
    Ok(exit)
}

fn show_plan(planned: &[Planned], context: &Context) -> anyhow::Result<()> {
    let lang = context.lang;
    if context.json {
        let one = |planned: &Planned| json!({"type": planned.kind, "data": planned.data});
        return out::json(&planned.iter().map(one).collect::<Vec<_>>());
    }
    if planned.is_empty() {
        return out::text(
            lang.pick("원장과 같습니다. 발행할 것이 없습니다.", "the ledger says the same; nothing to publish"),
        );
    }
    let mut table = Table::new().left(lang.pick("유형", "type")).wide(lang.pick("내용", "what"));
    for one in planned {
        table.row(vec![cell(&one.kind), cell(one.data.to_string())]);
    }
    out::text(&table.render(context.width.or(Some(WIDTH_PIPED)), context.colour))
}

/// A plan holds whole schemas: in a pipe too its lines are cut; `--json` shows everything.
const WIDTH_PIPED: usize = 200;

/// Governance in order, neighbours of one type in one report: an indicator comes before its targets.
fn drafts(authority: &str, planned: &[Planned]) -> Vec<Draft> {
    let mut runs: Vec<Vec<NewEvent>> = Vec::new();
    let mut bytes = 0;
    for one in planned {
        let event = NewEvent {
            id: Uuid::now_v7(),
            agency: authority.to_owned(),
            kind: one.kind.clone(),
            time: Time::now(),
            time_text: None,
            subject: None,
            data: one.data.clone(),
        };
        let size = envelope::encode(std::slice::from_ref(&event)).1.len() + 2;
        match runs.last_mut() {
            Some(run) if run[0].kind == event.kind && run.len() < BATCH_EVENTS_MAX && bytes + size < BODY_BYTES_MAX => {
                bytes += size;
                run.push(event);
            }
            _ => {
                bytes = size;
                runs.push(vec![event]);
            }
        }
    }
    let draft = |run: &Vec<NewEvent>| {
        let (content_type, body) = envelope::encode(run);
        let subject = format!("ledger.govern.{authority}.{}", run[0].kind);
        Draft { subject, content_type: content_type.to_owned(), body }
    };
    runs.iter().map(draft).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn governance_keeps_its_order_and_fits_its_reports() {
        let big = |kind: &str| Planned { kind: kind.into(), data: json!({"text": "x".repeat(20_000)}) };
        let planned = [big("a.b.v1"), big("a.b.v1"), big("a.b.v1"), big("c.d.v1"), big("a.b.v1")];
        let drafts = drafts("motie", &planned);
        let subjects: Vec<&str> = drafts.iter().map(|draft| draft.subject.as_str()).collect();
        let a = "ledger.govern.motie.a.b.v1";
        assert_eq!(subjects, [a, a, "ledger.govern.motie.c.d.v1", a]);
        for draft in &drafts {
            assert!(draft.body.len() <= BODY_BYTES_MAX);
            assert!(envelope::parse(&draft.content_type, &draft.body).is_ok());
        }
    }
}
