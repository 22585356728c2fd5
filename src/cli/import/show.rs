//! What an import says: the mapping of a dry run, faulty rows, totals. Sends nothing.

use std::path::Path;

use serde_json::json;

use crate::event::envelope;
use crate::publish::import::columns::guarded;
use crate::publish::import::document::Document;
use crate::publish::import::{Checked, Fault, Import};

use super::super::exit::file;
use super::super::sender::said;
use super::super::table::{Style, Table, cell, harmless};
use super::super::{Context, out};
use super::Totals;

/// Faults shown on a terminal; `--errors` writes them all.
const FAULTS_SHOWN: usize = 20;

/// Writes every fault to a CSV file.
pub(super) fn faults_to_file(path: Option<&Path>, checked: &Checked, context: &Context) -> anyhow::Result<()> {
    let Some(path) = path else { return Ok(()) };
    let mut writer = csv::Writer::from_writer(out::writer(Some(path))?);
    writer.write_record(["row", "column", "message"])?;
    for fault in &checked.faults {
        let column = guarded(fault.column.as_deref().unwrap_or_default());
        writer.write_record([fault.row.to_string(), column, guarded(context.lang.of(&fault.message))])?;
    }
    writer.flush().map_err(|error| file(path, &error).into())
}

fn fault_table(faults: &[Fault], context: &Context) -> String {
    let lang = context.lang;
    let mut table =
        Table::new().right(lang.pick("행", "row")).left(lang.pick("열", "column")).wide(lang.pick("문제", "fault"));
    for fault in faults.iter().take(FAULTS_SHOWN) {
        let column = fault.column.as_deref().unwrap_or("–");
        table.row(vec![cell(fault.row.to_string()), cell(column), cell(lang.of(&fault.message))]);
    }
    table.render(context.width, context.colour)
}

fn fault_json(checked: &Checked) -> serde_json::Value {
    let fault = |fault: &Fault| json!({"row": fault.row, "column": fault.column, "message": fault.message});
    json!({
        "rows": checked.rows, "sound": checked.sound, "faulty": checked.faulty(),
        "faults": checked.faults.iter().map(fault).collect::<Vec<_>>(),
    })
}

/// Nothing is sent because rows are faulty.
pub(super) fn refuse(checked: &Checked, context: &Context) -> anyhow::Result<()> {
    if context.json {
        return out::json(&fault_json(checked));
    }
    let (rows, faulty) = (checked.rows, checked.faulty());
    out::text(&fault_table(&checked.faults, context))?;
    let what = match context.lang {
        crate::event::lang::Lang::Ko => format!(
            "{rows}행 가운데 {faulty}행에 문제가 있어 아무것도 보내지 않았습니다.\n  할 일: 고쳐서 다시 하거나, --skip-faulty로 나머지만 보내세요. --errors FILE에 전부 적힙니다."
        ),
        crate::event::lang::Lang::En => format!(
            "{faulty} of {rows} rows are faulty; nothing was sent.\n  next: correct them, or send the others with --skip-faulty; --errors FILE lists them all"
        ),
    };
    out::text(&what)
}

/// Mapping, counts, a sample.
pub(super) fn dry_run(
    import: &Import<'_>,
    document: &Document,
    checked: &Checked,
    context: &Context,
) -> anyhow::Result<()> {
    let sample = checked.sample.as_ref().map(|event| envelope::encode(std::slice::from_ref(event)).1);
    let sample = sample.and_then(|body| serde_json::from_slice::<serde_json::Value>(&body).ok());
    if context.json {
        let mut shown = fault_json(checked);
        shown["columns"] =
            import.mapping().into_iter().map(|(column, field)| json!({"column": column, "field": field})).collect();
        shown["sample"] = sample.unwrap_or_default();
        return out::json(&shown);
    }
    let lang = context.lang;
    if let Some(notice) = &document.notice {
        out::text(lang.of(notice))?;
    }
    let mut table = Table::new().left(lang.pick("열", "column")).left(lang.pick("항목", "field"));
    for (column, field) in import.mapping() {
        let style = if field == "-" { Style::Dim } else { Style::Plain };
        table.row(vec![cell(column), cell(field).style(style)]);
    }
    out::text(&table.render(context.width, context.colour))?;
    if !checked.faults.is_empty() {
        out::text(&fault_table(&checked.faults, context))?;
    }
    if let Some(sample) = sample {
        out::text(&format!("{}\n{}", lang.pick("첫 사건:", "first event:"), serde_json::to_string_pretty(&sample)?))?;
    }
    let span = checked.span.map(|(from, to)| format!(" · {} – {}", from.day(), to.day())).unwrap_or_default();
    let (rows, sound, faulty) = (checked.rows, checked.sound, checked.faulty());
    out::text(&match lang {
        crate::event::lang::Lang::Ko => {
            format!("{rows}행: 정상 {sound}, 문제 {faulty}{span}. 아무것도 보내지 않았습니다.")
        }
        crate::event::lang::Lang::En => format!("{rows} rows: {sound} sound, {faulty} faulty{span}. Nothing was sent."),
    })
}

/// What became of the rows.
pub(super) fn totals(totals: &Totals, checked: &Checked, context: &Context) -> anyhow::Result<()> {
    if context.json {
        let mut shown = serde_json::to_value(totals)?;
        shown["rows"] = checked.rows.into();
        shown["faulty"] = checked.faulty().into();
        return out::json(&shown);
    }
    let lang = context.lang;
    let mut lines = Vec::new();
    for (count, ko, en) in [
        (totals.accepted, "기록됨", "recorded"),
        (totals.duplicate, "이미 기록되어 있음", "recorded before"),
        (totals.skipped, "앞서 보낸 행이라 건너뜀", "skipped, sent by an earlier run"),
        (totals.refused, "반려됨", "refused"),
        (totals.unknown, "아직 모름", "not known to be recorded yet"),
        (checked.faulty(), "문제가 있어 보내지 않음", "faulty, not sent"),
    ] {
        if count > 0 {
            lines.push(format!("{count:>10}  {}", lang.pick(ko, en)));
        }
    }
    for refusal in &totals.refusals {
        // One fault refuses the whole report; its other rows were sent again without it.
        let rows = format!("{}–{}", refusal.row_first, refusal.row_last);
        let report = match lang {
            crate::event::lang::Lang::Ko => format!("행 {rows}을 담은 보고"),
            crate::event::lang::Lang::En => format!("the report of rows {rows}"),
        };
        lines.push(format!("{report}: {}", said(&refusal.outcome, context)));
    }
    if totals.unknown > 0 {
        let next = lang.pick(
            "할 일: 같은 명령을 다시 실행하세요. 두 번 세어지지 않습니다.",
            "next: run the same command again; nothing counts twice",
        );
        lines.push(harmless(next));
    }
    out::text(&lines.join("\n"))
}
