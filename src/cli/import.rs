//! `jindo import`: a file of rows, checked whole, then signed and sent in batches through the outbox.
//!
//! What a kill leaves: reports in the outbox are delivered first by the next run; rows whose batches were recorded are
//! remembered beside the outbox and skipped; rows between the two are sent again and are duplicates by their ids. A
//! remembered row counts only while the ledger confirms it, so an old note cannot hide rows from a new ledger.

mod resume;
mod show;

use std::path::PathBuf;

use indicatif::{ProgressBar, ProgressStyle};

use crate::event::Time;
use crate::event::schema::Schema;
use crate::limits::IMPORT_ROUND_BATCHES;
use crate::publish::Draft;
use crate::publish::import::document::Document;
use crate::publish::import::{Batch, Checked, Import, Options, columns};

use super::exit::{Exit, could, usage};
use super::sender::{Outcome, Sender, Who, failure, outcome};
use super::{Context, kinds};
use resume::Note;

/// Sign and publish the rows of a CSV, Excel or NDJSON file
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  jindo import chargers.csv --type charger.installed --agency keco --key 관리번호 --dry-run
  jindo import chargers.csv --type charger.installed --agency keco --key 관리번호
  jindo import 실적.xlsx --type rnd.disbursed --agency keit --key no --map 집행액=amount --map 메모=- --time 2026-06-30
  jindo import events.ndjson --type charger.installed --agency keco

Columns are named after the fields of the type (jindo report TYPE --fields), by name or by Korean or English title, and
may be `time`, `subject` and `id`. Columns that start with _ are left out. The key column names each row: the same file
never counts twice, however often it is sent. Without --key the file needs a column `id` of UUIDs. `jindo export` writes
files that `jindo import` reads.")]
pub struct Args {
    /// CSV (UTF-8, UTF-16 or CP949), .xlsx, .xls, .ods, or .ndjson
    file: PathBuf,
    /// Event type; its version may be left out
    #[arg(long = "type", value_name = "TYPE")]
    kind: String,
    #[command(flatten)]
    who: Who,
    /// Column whose value names each row
    #[arg(long, value_name = "COLUMN")]
    key: Option<String>,
    /// Fill a field from a column of another name; `-` leaves the column out
    #[arg(long = "map", value_name = "COLUMN=FIELD", value_parser = pair)]
    maps: Vec<(String, String)>,
    /// When it happened, for rows without a time: a time, or a date in Seoul
    #[arg(long, value_name = "TIME", value_parser = |text: &str| columns::time(text).map_err(|error| error.en))]
    time: Option<Time>,
    /// Check and show; sign and send nothing
    #[arg(long)]
    dry_run: bool,
    /// Write a report of faulty rows to this CSV file
    #[arg(long, value_name = "FILE")]
    errors: Option<PathBuf>,
    /// Send the sound rows even where others are faulty
    #[arg(long)]
    skip_faulty: bool,
    /// Send everything again, whatever was sent before
    #[arg(long)]
    again: bool,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (column, field) = text.rsplit_once('=').ok_or("give COLUMN=FIELD")?;
    Ok((column.to_owned(), field.to_owned()))
}

/// Imports.
///
/// # Errors
/// An unreadable file, columns that fill nothing, no key, no connection.
pub fn run(args: Args, context: &Context) -> anyhow::Result<Exit> {
    let schema = kinds::reportable(&args.kind)?;
    let agency = args.who.agency()?;
    let document = Document::open(&args.file).map_err(|error| {
        let file = args.file.display();
        could(format!("{file}: {error}"), format!("{file}: {error}")).next(
            "경로를 확인하세요. CSV, Excel, OpenDocument, NDJSON을 읽습니다.",
            "check the path; CSV, Excel, OpenDocument and NDJSON are read",
        )
    })?;
    let import = mapped(&args, &document, &schema, &agency)?;
    let checked = import.check();
    show::faults_to_file(args.errors.as_deref(), &checked, context)?;
    if args.dry_run {
        show::dry_run(&import, &document, &checked, context)?;
        return Ok(if checked.faulty() == 0 { Exit::Ok } else { Exit::Found });
    }
    if checked.faulty() > 0 && !args.skip_faulty {
        show::refuse(&checked, context)?;
        return Ok(Exit::Found);
    }
    if checked.sound == 0 {
        return Err(could("보낼 행이 없습니다", "there is no row to send").into());
    }
    let mut sender = Sender::open(&args.who, context)?;
    let note = Note::of(&sender.dir, &document, &schema.kind, &agency, &args.maps, args.key.as_deref(), args.time);
    let totals = send(&import, &mut sender, note, &checked, args.again, context)?;
    show::totals(&totals, &checked, context)?;
    Ok(totals.exit)
}

fn mapped<'a>(args: &Args, document: &'a Document, schema: &'a Schema, agency: &str) -> anyhow::Result<Import<'a>> {
    let options =
        Options { agency: agency.to_owned(), maps: args.maps.clone(), key: args.key.clone(), time: args.time };
    let import = Import::new(document, schema, options).map_err(|error| {
        let kind = &schema.kind;
        let columns = document.header.join(", ");
        usage(format!("열을 맞출 수 없습니다: {error}"), error.to_string()).next(
            format!("파일의 열: {columns}. 항목은 `jindo report {kind} --fields`에 있습니다."),
            format!("the file has: {columns}. `jindo report {kind} --fields` lists the fields"),
        )
    })?;
    if !import.is_keyed() {
        return Err(usage(
            "행을 구별할 열이 없습니다. 두 번 실행하면 두 번 세어집니다",
            "no column names the rows: a second run would count them twice",
        )
        .next("--key COLUMN으로 관리번호 같은 열을 주세요.", "give --key COLUMN, such as a serial number")
        .into());
    }
    Ok(import)
}

/// What became of the rows.
#[derive(Debug, Default, serde::Serialize)]
struct Totals {
    /// Events in accepted reports.
    accepted: u64,
    /// Events in reports that held nothing new.
    duplicate: u64,
    /// Events in refused reports.
    refused: u64,
    /// Events whose reports are not known to be recorded.
    unknown: u64,
    /// Rows skipped because an earlier run recorded them.
    skipped: u64,
    /// The first refusals, with the rows they concern.
    refusals: Vec<Refusal>,
    #[serde(skip)]
    exit: Exit,
}

#[derive(Debug, serde::Serialize)]
struct Refusal {
    row_first: u64,
    row_last: u64,
    outcome: Outcome,
}

impl Refusal {
    /// Positions in the report become rows of the file.
    fn of(batch: &Batch, mut outcome: Outcome) -> Self {
        for fault in outcome.detail.as_array_mut().into_iter().flatten() {
            let at = fault["event"].as_u64().and_then(|at| usize::try_from(at).ok());
            if let Some(row) = at.and_then(|at| batch.rows.get(at)) {
                fault["row"] = (*row).into();
            }
        }
        let row_first = batch.rows.first().copied().unwrap_or_default();
        Refusal { row_first, row_last: batch.row_last, outcome }
    }
}

/// Refusals shown; the rest are counted.
const REFUSALS_SHOWN: usize = 5;

fn send(
    import: &Import<'_>,
    sender: &mut Sender,
    mut note: Note,
    checked: &Checked,
    again: bool,
    context: &Context,
) -> anyhow::Result<Totals> {
    let mut totals = Totals { exit: if checked.faulty() > 0 { Exit::Found } else { Exit::Ok }, ..Totals::default() };
    if sender.waiting() > 0 {
        // An earlier run, or a report: theirs come first, their chain stays in order.
        sender.deliver(|_, _| {})?;
    }
    let row_done = if again { 0 } else { note.confirmed(import, checked, context) };
    totals.skipped = import.sound_until(row_done, checked);
    let bar = bar(checked.sound, totals.skipped, context);
    let mut batches = import.batches(row_done, checked);
    loop {
        let round: Vec<Batch> = batches.by_ref().take(IMPORT_ROUND_BATCHES).collect();
        if round.is_empty() {
            break;
        }
        let drafts: Vec<Draft> = round.iter().map(|batch| draft(import, batch)).collect();
        let numbers = sender.enqueue(&drafts)?;
        let sizes: Vec<u64> = round.iter().map(|batch| batch.events as u64).collect();
        let sent_before = bar.position();
        let delivery = sender.deliver(|recorded, _| {
            bar.set_position(sent_before + sizes.iter().take(recorded).sum::<u64>());
        })?;
        for (batch, number) in round.iter().zip(numbers) {
            let outcome = delivery.get(&number).map(outcome);
            let rest = sound_rest(batch, outcome.as_ref());
            let mut done = totals.take(batch, rest.len() as u64, outcome)?;
            if !rest.is_empty() {
                done = resend(import, sender, &rest, &mut totals)?;
            }
            note.advance(batch.row_last, done);
        }
        note.save()?;
        bar.set_position(sent_before + sizes.iter().sum::<u64>());
        if totals.exit == Exit::Unknown {
            // The ledger does not answer any more: what waits is in the outbox, the rest is still in the file.
            break;
        }
    }
    bar.finish_and_clear();
    sender.receipts(std::time::Duration::ZERO);
    Ok(totals)
}

/// Rows of a refused batch that nothing is wrong with: one bad row does not keep the others out.
fn sound_rest(batch: &Batch, outcome: Option<&Outcome>) -> Vec<u64> {
    let Some(refused) = outcome.filter(|outcome| outcome.state == "refused") else { return Vec::new() };
    let faults = refused.detail.as_array().map(Vec::as_slice).unwrap_or_default();
    let position = |fault: &serde_json::Value| fault["event"].as_u64().and_then(|at| usize::try_from(at).ok());
    let Some(bad) = faults.iter().map(position).collect::<Option<Vec<usize>>>().filter(|bad| !bad.is_empty()) else {
        // Something is wrong with the whole report.
        return Vec::new();
    };
    let sound = batch.rows.iter().enumerate().filter(|(at, _)| !bad.contains(at));
    sound.map(|(_, row)| *row).collect()
}

/// Sends what is left of a refused batch; true where it is recorded.
fn resend(import: &Import<'_>, sender: &mut Sender, rows: &[u64], totals: &mut Totals) -> anyhow::Result<bool> {
    let Some(batch) = import.batch_of(rows) else { return Ok(false) };
    let numbers = sender.enqueue(&[draft(import, &batch)])?;
    let delivery = sender.deliver(|_, _| {})?;
    let outcome = delivery.get(numbers.start()).map(outcome);
    totals.take(&batch, 0, outcome)
}

fn draft(import: &Import<'_>, batch: &Batch) -> Draft {
    Draft { subject: import.subject(), content_type: batch.content_type.to_owned(), body: batch.body.clone() }
}

impl Totals {
    /// Counts one batch of which so many events are sent again; true where its rows are recorded.
    fn take(&mut self, batch: &Batch, again: u64, outcome: Option<Outcome>) -> anyhow::Result<bool> {
        let events = batch.events as u64;
        let Some(outcome) = outcome else {
            self.unknown += events;
            self.exit = self.exit.worst(Exit::Unknown);
            return Ok(false);
        };
        self.exit = self.exit.worst(outcome.exit);
        match outcome.state {
            "accepted" => self.accepted += events,
            "duplicate" => self.duplicate += events,
            "refused" => {
                self.refused += events - again;
                if self.refusals.len() < REFUSALS_SHOWN {
                    self.refusals.push(Refusal::of(batch, outcome));
                }
                return Ok(false);
            }
            "unknown" => {
                self.unknown += events;
                return Ok(false);
            }
            // Not permitted, or NATS refuses: every further batch would end the same way.
            _ => return Err(failure(&outcome).into()),
        }
        Ok(true)
    }
}

/// A bar on a terminal; nothing elsewhere.
fn bar(rows: u64, skipped: u64, context: &Context) -> ProgressBar {
    let bar = ProgressBar::new(rows).with_position(skipped);
    let template = context.lang.pick(
        "{bar:30} {human_pos}/{human_len}행 · 초당 {per_sec} · 남은 시간 {eta}",
        "{bar:30} {human_pos}/{human_len} rows · {per_sec} · {eta} left",
    );
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.reset_eta();
    bar
}
