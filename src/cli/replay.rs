//! `jindo replay`: who reported what and when, read from a log folder alone. Verifies nothing; `jindo audit` does.

use std::io::Write as _;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::event::Event;
use crate::limits::TABLE_ROWS_MAX;
use crate::log::tail::LogReader;

use super::exit::Exit;
use super::journal::{self, Item, Journal, Point, Wanted, point};
use super::table::{Style, Table, cell};
use super::{Context, out};
use crate::event::lang::Lang;

/// Who reported what and when, from a log folder
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  jindo replay                                            the log of ./data, oldest first
  jindo replay --log ./copy/log --agency keco --from 2026-03-01 --to 2026-03-31
  jindo replay --indicator ev-chargers --json > history.ndjson
  jindo replay --refused                                  what was refused, and why

Points are entry indexes, dates in Seoul or times, by when a report was recorded.")]
pub struct Args {
    /// Log folder [default: DIR/log]
    #[arg(long, value_name = "DIR")]
    log: Option<PathBuf>,
    /// From this point on
    #[arg(long, value_name = "POINT", value_parser = point)]
    from: Option<Point>,
    /// Up to and at this point
    #[arg(long, value_name = "POINT", value_parser = point)]
    to: Option<Point>,
    /// Of this agency
    #[arg(long, value_name = "CODE")]
    agency: Option<String>,
    /// That move or govern this indicator
    #[arg(long, value_name = "ID")]
    indicator: Option<String>,
    /// Of this event type
    #[arg(long = "type", value_name = "TYPE")]
    kind: Option<String>,
    /// Only refused reports
    #[arg(long)]
    refused: bool,
    /// Rows of the table [default: 1000; NDJSON has no limit]
    #[arg(long, value_name = "ROWS")]
    limit: Option<usize>,
}

/// Replays.
///
/// # Errors
/// No log, a damaged one, an unknown indicator.
pub fn run(args: Args, context: &Context) -> anyhow::Result<Exit> {
    let log = journal::open(&journal::folder(args.log.as_deref(), context))?;
    let kind = args.kind.as_deref().map(super::kinds::schema).transpose()?.map(|schema| schema.kind.to_string());
    if let Some(id) = &args.indicator {
        journal::check_indicator(&journal::registry(&log)?, id)?;
    }
    let wanted = Wanted { from: args.from, to: args.to, agency: args.agency, kind, indicator: args.indicator };
    let journal = Journal::new(&log, wanted.clone());
    let shown = if context.json {
        lines(journal, args.refused, args.limit)?
    } else {
        table(journal, args.refused, args.limit, context)?
    };
    if shown == 0 && args.limit != Some(0) {
        nothing(&log, &wanted, context)?;
    }
    Ok(Exit::Ok)
}

/// Says on standard error that there is nothing, and how points were understood: `2026` is an entry, no year.
fn nothing(log: &LogReader, wanted: &Wanted, context: &Context) -> anyhow::Result<()> {
    if let Some(code) = &wanted.agency {
        journal::check_agency(&journal::registry(log)?, code)?;
    }
    let (size, lang) = (log.size(), context.lang);
    let said = |point: Point, is_end: bool| match point {
        Point::Index(index) => format!("{} {index}", lang.pick("항목", "entry")),
        Point::Time(first, last) => if is_end { last } else { first }.to_string(),
    };
    let from = wanted.from.map_or_else(|| lang.pick("처음", "the beginning").to_owned(), |point| said(point, false));
    let to = wanted.to.map_or_else(|| lang.pick("끝", "the end").to_owned(), |point| said(point, true));
    match lang {
        Lang::Ko => eprintln!("jindo: 찾은 것이 없습니다: {from}부터 {to}까지. 로그에는 {size}건이 있습니다."),
        Lang::En => eprintln!("jindo: nothing found from {from} to {to}: the log holds {size} entries"),
    }
    if [wanted.from, wanted.to].iter().any(|point| matches!(point, Some(Point::Index(index)) if *index >= size)) {
        let (ko, en) = (
            "  수만 쓰면 항목 번호입니다. 날짜는 2026-01-01처럼 쓰세요.",
            "  a bare number is an entry index; write a date as 2026-01-01",
        );
        eprintln!("{}", lang.pick(ko, en));
    }
    Ok(())
}

/// As NDJSON; how many rows.
fn lines(mut journal: Journal, refused: bool, limit: Option<usize>) -> anyhow::Result<usize> {
    let mut writer = out::writer(None)?;
    let (limit, mut shown) = (limit.unwrap_or(usize::MAX), 0);
    while let Some(item) = journal.advance()? {
        if refused && item.code().is_none() {
            continue;
        }
        for row in rows(&item) {
            if shown == limit {
                writer.flush()?;
                return Ok(shown);
            }
            shown += 1;
            serde_json::to_writer(&mut writer, &row_json(&item, row))?;
            writer.write_all(b"\n")?;
        }
    }
    writer.flush()?;
    Ok(shown)
}

/// An entry's events, or one row without an event where its body is no report.
fn rows(item: &Item) -> Vec<Option<&(usize, Event)>> {
    if item.events.is_empty() { vec![None] } else { item.events.iter().map(Some).collect() }
}

fn row_json(item: &Item, row: Option<&(usize, Event)>) -> Value {
    let entry = &item.entry;
    let mut shown = json!({
        "index": entry.index, "recorded": entry.recorded, "agency": item.agency, "type": item.kind,
        "verdict": item.verdict(), "code": item.code(), "stream": entry.stream, "sequence": entry.sequence,
        "withheld": entry.body.is_withheld(),
    });
    if let Some((position, event)) = row {
        shown["position"] = (*position).into();
        shown["new"] = item.is_new(*position).into();
        shown["id"] = event.id.to_string().into();
        shown["time"] = event.time.to_string().into();
        shown["subject"] = event.subject.clone().into();
        shown["data"] = event.data.clone();
    }
    shown
}

/// As a table; how many rows.
fn table(mut journal: Journal, refused: bool, limit: Option<usize>, context: &Context) -> anyhow::Result<usize> {
    let lang = context.lang;
    let mut table = Table::new()
        .right("#")
        .left(lang.pick("기록 시각", "recorded"))
        .left(lang.pick("기관", "agency"))
        .left(lang.pick("유형", "type"))
        .left(lang.pick("발생", "happened"))
        .left(lang.pick("판정", "verdict"))
        .wide(lang.pick("내용", "what"));
    let limit = limit.unwrap_or(TABLE_ROWS_MAX);
    let mut cut = false;
    'entries: while let Some(item) = journal.advance()? {
        if refused && item.code().is_none() {
            continue;
        }
        for row in rows(&item) {
            if table.len() == limit {
                cut = true;
                break 'entries;
            }
            let agency = item.agency.as_deref().unwrap_or("?");
            let plays = journal.registry.simulated
                || journal.registry.agencies.get(agency).is_some_and(|state| state.info.role == "simulated");
            let agency =
                if plays { format!("{agency} {}", lang.pick("(모의)", "(simulated)")) } else { agency.to_owned() };
            table.row(vec![
                cell(item.entry.index.to_string()),
                cell(seconds(&item.entry.recorded.to_string())),
                cell(agency),
                cell(item.kind.as_deref().unwrap_or("?")),
                cell(row.map_or_else(String::new, |(_, event)| event.time.day().to_string())),
                verdict(&item, row, context),
                cell(what(&item, row, lang)),
            ]);
        }
    }
    if table.is_empty() {
        return Ok(0);
    }
    out::text(&table.render(context.width, context.colour))?;
    if cut {
        let note = lang
            .pick("더 있습니다: --limit, --from 또는 --json을 쓰세요.", "there is more: use --limit, --from or --json");
        eprintln!("{note}");
    }
    Ok(table.len())
}

/// What an event says, and whether texts of it were masked by law.
fn what(item: &Item, row: Option<&(usize, Event)>, lang: Lang) -> String {
    let text = row.map_or_else(String::new, |(_, event)| summary(event));
    let note = lang.pick("[법에 따라 가림]", "[withheld by law]");
    if item.entry.body.is_withheld() { format!("{note} {text}") } else { text }
}

/// To the second: nanoseconds are in the NDJSON.
fn seconds(time: &str) -> String {
    match time.split_once('.') {
        Some((whole, _)) => format!("{whole}Z"),
        None => time.to_owned(),
    }
}

fn verdict(item: &Item, row: Option<&(usize, Event)>, context: &Context) -> super::table::Cell {
    let lang = context.lang;
    let duplicate = row.is_some_and(|(position, _)| item.verdict() == "accepted" && !item.is_new(*position));
    match (item.verdict(), duplicate) {
        ("accepted", false) => cell(lang.pick("인정", "accepted")).style(Style::Green),
        ("accepted", true) | ("duplicate", _) => cell(lang.pick("중복", "duplicate")).style(Style::Dim),
        ("refused", _) => {
            let code = item.code().unwrap_or_default();
            cell(format!("{} {code}", lang.pick("반려", "refused"))).style(Style::Red)
        }
        _ => cell("–"),
    }
}

/// Characters of one value in a summary.
const VALUE_CHARS: usize = 40;

/// The subject and `data` on one line: names and codes first, long texts last and cut.
fn summary(event: &Event) -> String {
    let mut parts: Vec<(bool, String)> = event.subject.iter().map(|subject| (false, subject.clone())).collect();
    for (name, value) in event.data.as_object().into_iter().flatten() {
        let (late, text) = match value {
            Value::String(text) if text.chars().count() > VALUE_CHARS => {
                (true, text.chars().take(VALUE_CHARS).chain(['…']).collect())
            }
            Value::String(text) => (false, text.clone()),
            Value::Array(items) => (true, format!("[{}]", items.len())),
            Value::Object(_) => (true, "{…}".to_owned()),
            other => (false, other.to_string()),
        };
        parts.push((late, format!("{name}={text}")));
    }
    parts.sort_by_key(|(late, _)| *late);
    parts.into_iter().map(|(_, text)| text).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_puts_names_before_long_texts() {
        let event = |data| Event {
            id: uuid::Uuid::nil(),
            agency: "keco".into(),
            kind: "x.y.v1".into(),
            time: crate::event::Time::from_ns(0),
            subject: Some("KE-1".into()),
            data,
            digest: [0; 16],
        };
        let data = json!({"a": "x".repeat(50), "b": 2, "c": ["1", "2"], "d": {"e": 1}});
        let expected = format!("KE-1 b=2 a={}… c=[2] d={{…}}", "x".repeat(40));
        assert_eq!(summary(&event(data)), expected);
    }

    #[test]
    fn times_are_shown_to_the_second() {
        for (time, expected) in [
            ("2026-03-02T00:00:00.123456789Z", "2026-03-02T00:00:00Z"),
            ("2026-03-02T00:00:00Z", "2026-03-02T00:00:00Z"),
        ] {
            assert_eq!(seconds(time), expected);
        }
    }
}
