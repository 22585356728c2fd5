//! `jindo export`: events that stand, as CSV or NDJSON, from a log folder alone. What it writes, `jindo import` reads.
//!
//! Two passes: the first finds what was corrected and retracted, the second writes. Memory holds those and the ids
//! written, never the events.

mod package;

use std::collections::{HashMap, HashSet};
use std::io::Write as _;
use std::path::PathBuf;

use uuid::Uuid;

use crate::event::about::{Corrected, Retracted};
use crate::event::envelope::{self, NewEvent};
use crate::event::{Event, Time};
use crate::log::tail::LogReader;
use crate::publish::import::columns::{cell_text, get, guarded};

use super::exit::{Exit, usage};
use super::journal::{self, Item, Journal, Wanted};
use super::{Context, kinds, out};

/// Write the events of a type or an indicator as CSV or NDJSON, as `import` reads them
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  jindo export charger.installed > chargers.csv
  jindo export charger.installed --agency keco --out keco.csv
  jindo export --indicator ev-chargers --format ndjson > ev.ndjson
  jindo export rnd.disbursed --log ./copy/log --all
  jindo export --package ./2026-11                   indicators, their lines and all events that stand, described

Columns: id, time, subject, the fields of the type, then notes that an import leaves out: _agency, _index, _recorded,
_state. Corrections are applied and retracted events left out, unless --all is given. Text that a spreadsheet would run as
a formula gets an apostrophe before it, which an import takes off again. Texts withheld by law stand as █, and _state says so.")]
pub struct Args {
    /// Event type; its version may be left out
    #[arg(value_name = "TYPE", required_unless_present_any = ["indicator", "package"])]
    kind: Option<String>,
    /// Events that move this indicator
    #[arg(long, value_name = "ID")]
    indicator: Option<String>,
    /// Of this agency
    #[arg(long, value_name = "CODE")]
    agency: Option<String>,
    /// Log folder [default: DIR/log]
    #[arg(long, value_name = "DIR")]
    log: Option<PathBuf>,
    /// File format [default: ndjson with --json, else csv]
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// File to write [default: standard output]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Every version, with what became of it
    #[arg(long)]
    all: bool,
    /// A Frictionless data package of everything, into a new folder; the ledger must run
    #[arg(long, value_name = "DIR", conflicts_with_all = ["kind", "indicator", "agency", "format", "out", "all"])]
    package: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Csv,
    Ndjson,
}

/// What became of a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Corrected,
    Retracted,
}

type Fates = HashMap<(String, Uuid), Fate>;

/// Exports.
///
/// # Errors
/// No log, an unknown type or indicator, a file that cannot be written.
pub fn run(args: Args, context: &Context) -> anyhow::Result<Exit> {
    let log = journal::open(&journal::folder(args.log.as_deref(), context))?;
    if let Some(folder) = &args.package {
        return package::run(folder, &log, &fates(&log)?, context);
    }
    let format = args.format.unwrap_or(if context.json { Format::Ndjson } else { Format::Csv });
    let types = types(&args, &log, format)?;
    let fates = fates(&log)?;
    let wanted = Wanted { agency: args.agency.clone(), indicator: args.indicator.clone(), ..Wanted::default() };
    let mut journal = Journal::new(&log, wanted);
    let mut writer = Writer::new(format, &types, out::writer(args.out.as_deref())?)?;
    let mut written = HashSet::new();
    // Type of every version of the wanted types, so that a correction is known to be of one.
    let mut origin: HashMap<(String, Uuid), String> = HashMap::new();
    while let Some(item) = journal.advance()? {
        for row in accepted(&item, &types, &mut origin) {
            let key = (row.event.agency.clone(), row.event.id);
            let fate = fates.get(&key).copied();
            if (fate.is_none() || args.all) && written.insert(key) {
                writer.write(&row, fate)?;
            }
        }
    }
    writer.end()?;
    Ok(Exit::Ok)
}

/// The types wanted, in order.
fn types(args: &Args, log: &LogReader, format: Format) -> anyhow::Result<Vec<String>> {
    let named = args.kind.as_deref().map(kinds::schema).transpose()?.map(|schema| schema.kind.to_string());
    let Some(id) = &args.indicator else { return Ok(named.into_iter().collect()) };
    let registry = journal::registry(log)?;
    journal::check_indicator(&registry, id)?;
    let mut types: Vec<String> = Vec::new();
    for version in registry.indicators.get(id.as_str()).map(|state| state.versions.as_slice()).unwrap_or_default() {
        for selector in &version.indicator.fold.from {
            if !types.contains(&selector.event) && named.as_ref().is_none_or(|named| *named == selector.event) {
                types.push(selector.event.clone());
            }
        }
    }
    if format == Format::Csv && types.len() != 1 {
        let list = types.join(", ");
        return Err(usage(
            format!("지표 {id}은(는) 여러 유형으로 움직입니다: {list}"),
            format!("indicator {id} is moved by several types: {list}"),
        )
        .next("유형 하나를 함께 주거나 --format ndjson을 쓰세요.", "name one of them too, or use --format ndjson")
        .into());
    }
    Ok(types)
}

/// What was corrected and retracted, by agency and event id.
fn fates(log: &LogReader) -> anyhow::Result<Fates> {
    let mut fates = Fates::new();
    let mut journal = Journal::new(log, Wanted::default());
    while let Some(item) = journal.advance()? {
        for (position, event) in &item.events {
            if !item.is_new(*position) {
                continue;
            }
            // A successor corrects under its own name what its predecessor reported.
            let owners = || owners(&journal, &event.agency);
            match &*event.kind {
                "report.corrected.v1" => {
                    if let Ok(body) = serde_json::from_value::<Corrected>(event.data.clone()) {
                        fates.extend(owners().into_iter().map(|owner| ((owner, body.replaces), Fate::Corrected)));
                    }
                }
                "report.retracted.v1" => {
                    if let Ok(body) = serde_json::from_value::<Retracted>(event.data.clone()) {
                        fates.extend(owners().into_iter().map(|owner| ((owner, body.retracts), Fate::Retracted)));
                    }
                }
                _ => {}
            }
        }
    }
    Ok(fates)
}

/// The agency and those it follows.
fn owners(journal: &Journal, agency: &str) -> Vec<String> {
    let registry = &journal.registry;
    let codes = registry.agencies.keys().filter(|code| registry.acts_for(agency, code));
    codes.map(|code| code.to_string()).chain(std::iter::once(agency.to_owned())).collect()
}

struct Row {
    event: NewEvent,
    index: u64,
    recorded: Time,
    withheld: bool,
}

/// The new events of an entry that are of the wanted types, corrections as the events they correct to.
fn accepted(item: &Item, types: &[String], origin: &mut HashMap<(String, Uuid), String>) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut times = None;
    for (position, event) in item.events.iter().filter(|(position, _)| item.is_new(*position)) {
        let Some(mut event) = event_of(event, types, origin) else { continue };
        let times: &mut Vec<_> = times.get_or_insert_with(|| time_texts(item));
        event.time_text = times.get_mut(*position).and_then(Option::take);
        origin.insert((event.agency.clone(), event.id), event.kind.clone());
        let (index, recorded) = (item.entry.index, item.entry.recorded);
        rows.push(Row { event, index, recorded, withheld: item.entry.body.is_withheld() });
    }
    rows
}

/// The times of an entry's events as they stand in its body, by position; of a correction that of the corrected event.
fn time_texts(item: &Item) -> Vec<Option<String>> {
    let body: &[u8] = item.entry.body.bytes().map_or(&[], |body| body);
    let events = match serde_json::from_slice(body) {
        Ok(serde_json::Value::Array(events)) => events,
        Ok(event) => vec![event],
        Err(_) => Vec::new(),
    };
    let time = |event: &serde_json::Value| {
        let corrected = event["type"].as_str().filter(|kind| *kind == "report.corrected.v1");
        let of = if corrected.is_some() { &event["data"]["event"] } else { event };
        of["time"].as_str().map(str::to_owned)
    };
    events.iter().map(time).collect()
}

fn event_of(event: &Event, types: &[String], origin: &HashMap<(String, Uuid), String>) -> Option<NewEvent> {
    let whole = |kind: &str, time, subject, data| NewEvent {
        id: event.id,
        agency: event.agency.to_string(),
        kind: kind.to_owned(),
        time,
        time_text: None,
        subject,
        data,
    };
    if types.iter().any(|kind| **kind == *event.kind) {
        return Some(whole(&event.kind, event.time, event.subject.clone(), event.data.clone()));
    }
    if &*event.kind != "report.corrected.v1" {
        return None;
    }
    let body: Corrected = serde_json::from_value(event.data.clone()).ok()?;
    let kind = origin.iter().find(|((_, id), _)| *id == body.replaces).map(|(_, kind)| kind.clone());
    let kind = origin.get(&(event.agency.to_string(), body.replaces)).cloned().or(kind)?;
    Some(whole(&kind, body.event.time, body.event.subject, body.event.data))
}

type Sink = Box<dyn std::io::Write>;

enum Writer {
    Csv { writer: Box<csv::Writer<Sink>>, fields: Vec<String> },
    Ndjson(Sink),
}

impl Writer {
    fn new(format: Format, types: &[String], sink: Sink) -> anyhow::Result<Self> {
        if format == Format::Ndjson {
            return Ok(Writer::Ndjson(sink));
        }
        let kind = types.first().map(String::as_str).unwrap_or_default();
        let fields: Vec<String> = kinds::schema(kind)?.fields().into_iter().map(|field| field.name).collect();
        let mut writer = csv::Writer::from_writer(sink);
        let notes = ["_agency", "_index", "_recorded", "_state"];
        let attributes = ["id", "time", "subject"];
        writer.write_record(attributes.into_iter().chain(fields.iter().map(String::as_str)).chain(notes))?;
        Ok(Writer::Csv { writer: Box::new(writer), fields })
    }

    fn write(&mut self, row: &Row, fate: Option<Fate>) -> anyhow::Result<()> {
        let event = &row.event;
        match self {
            Writer::Csv { writer, fields } => {
                let mut cells = vec![
                    event.id.to_string(),
                    event.time_text.clone().unwrap_or_else(|| event.time.to_string()),
                    event.subject.clone().unwrap_or_default(),
                ];
                cells.extend(fields.iter().map(|field| cell_text(get(&event.data, field))));
                let state = match fate {
                    None => "stands",
                    Some(Fate::Corrected) => "corrected",
                    Some(Fate::Retracted) => "retracted",
                };
                let state = if row.withheld { format!("{state}, withheld") } else { state.to_owned() };
                cells.extend([event.agency.clone(), row.index.to_string(), row.recorded.to_string(), state]);
                writer.write_record(cells.iter().map(|cell| guarded(cell)))?;
            }
            Writer::Ndjson(sink) => {
                let (_, line) = envelope::encode(std::slice::from_ref(event));
                sink.write_all(&line)?;
                sink.write_all(b"\n")?;
            }
        }
        Ok(())
    }

    fn end(self) -> anyhow::Result<()> {
        match self {
            Writer::Csv { mut writer, .. } => Ok(writer.flush()?),
            Writer::Ndjson(mut sink) => Ok(sink.flush()?),
        }
    }
}
