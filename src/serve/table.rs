//! Tables as CSV (RFC 4180): one row per line of a list, the same for every reader, in a stable order of columns; new ones
//! come last. What was said by others never becomes a formula of a spreadsheet.

use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};

use super::layers::tagged;
use super::problem::{Problem, text};
use super::source::RefusedPage;
use super::views::{AgenciesView, EntriesPage, EventsView, RemindersView, SeriesView};
use crate::event::governance::Goal;
use crate::publish::import::columns::guarded;
use crate::store::progress::view::IndicatorsView;

/// Byte order mark: some spreadsheets read UTF-8 only behind it.
const BOM: &str = "\u{feff}";

/// A table: its columns and rows, cells as text.
pub(super) struct Table {
    columns: &'static [&'static str],
    rows: Vec<Vec<String>>,
}

/// A cell; absent values are empty.
fn said<T: ToString>(value: Option<T>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

impl Table {
    /// The answer, with a byte order mark where one was asked for.
    pub fn answer(&self, bom: bool) -> Result<Response, Problem> {
        let fail = |error: csv::Error| {
            tracing::error!(%error, "a table could not be written");
            Problem::unavailable(text("표를 만들지 못했습니다", "the table could not be written"))
        };
        let mut out = if bom { BOM.as_bytes().to_vec() } else { Vec::new() };
        {
            let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(&mut out);
            writer.write_record(self.columns).map_err(fail)?;
            for row in &self.rows {
                writer.write_record(row.iter().map(|cell| guarded(cell))).map_err(fail)?;
            }
            writer.flush().map_err(|error| fail(error.into()))?;
        }
        let mut response = tagged(out).into_response();
        let kind = HeaderValue::from_static("text/csv; charset=utf-8; header=present");
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        Ok(response)
    }

    /// All indicators.
    pub fn indicators(view: &IndicatorsView) -> Table {
        let row = |view: &crate::store::progress::view::IndicatorView| {
            let (target, last) = (view.target(), view.last_report.as_ref());
            vec![
                view.id.clone(),
                view.row.to_string(),
                view.area.clone(),
                view.title.ko.clone(),
                view.title.en.clone(),
                view.owner.code.clone(),
                said(view.unit.as_ref().map(|unit| &unit.code)),
                said(view.figure.value),
                said(view.figure.verified),
                said(view.figure_period.as_ref()),
                view.figure.provisional.to_string(),
                view.figure.approximate.to_string(),
                view.figure.disputed.to_string(),
                said(target.map(|target| goal(target.current.goal))),
                said(target.and_then(|target| target.current.value)),
                said(target.and_then(|target| target.original.value)),
                said(target.and_then(|target| target.current.due)),
                view.status.code.clone(),
                said(view.status.expected),
                said(view.status.ratio),
                said(last.and_then(|last| last.day)),
                said(last.and_then(|last| last.recorded)),
                said(last.and_then(|last| last.agency.as_ref()).map(|agency| &agency.code)),
                view.simulated.to_string(),
                view.public_source.to_string(),
                view.as_of.to_string(),
                said(view.known_at),
                view.size.to_string(),
                view.proven_size.to_string(),
            ]
        };
        Table { columns: &INDICATORS, rows: view.indicators.iter().map(row).collect() }
    }

    /// The points of a series.
    pub fn series(view: &SeriesView) -> Table {
        let row = |point: &super::views::PointView| {
            vec![
                view.id.clone(),
                view.path.clone(),
                point.day.to_string(),
                said(point.value),
                said(point.verified),
                point.reports.to_string(),
                said(view.unit.as_ref().map(|unit| &unit.code)),
                view.simulated.to_string(),
                view.public_source.to_string(),
                view.as_of.to_string(),
                view.size.to_string(),
            ]
        };
        Table { columns: &SERIES, rows: view.points.iter().map(row).collect() }
    }

    /// The events behind a figure.
    pub fn events(view: &EventsView) -> Table {
        let row = |event: &super::views::EventView| {
            let by = |mentions: &[super::source::Mention]| {
                mentions.iter().map(|mention| mention.agency.code.as_str()).collect::<Vec<_>>().join(" ")
            };
            vec![
                view.id.clone(),
                view.path.clone(),
                event.index.to_string(),
                event.position.to_string(),
                event.agency.code.clone(),
                event.id.to_string(),
                event.kind.clone(),
                event.time.to_string(),
                event.recorded.to_string(),
                said(event.contributes),
                said(event.verified),
                event.counts.to_string(),
                event.things_total.to_string(),
                event.corrected.to_string(),
                by(&event.verified_by),
                by(&event.disputed_by),
                event.provisional.to_string(),
                event.approximate.to_string(),
                said(event.remark.as_ref()),
                event.simulated.to_string(),
                event.public_source.to_string(),
                view.as_of.to_string(),
                view.size.to_string(),
            ]
        };
        Table { columns: &EVENTS, rows: view.events.iter().map(row).collect() }
    }

    /// Entries.
    pub fn entries(page: &EntriesPage) -> Table {
        let row = |entry: &super::views::EntryView| {
            vec![
                entry.index.to_string(),
                entry.recorded.to_string(),
                said(entry.reported),
                said(entry.agency.as_ref().map(|agency| &agency.code)),
                said(entry.kid.as_ref()),
                said(entry.subject.as_ref()),
                said(entry.kind.as_ref()),
                said(entry.events),
                entry.verdict.clone(),
                said(entry.code.as_ref()),
                entry.indicators.join(" "),
                said(entry.time_first),
                said(entry.time_last),
                entry.proven.to_string(),
                entry.withheld.to_string(),
                entry.simulated.to_string(),
                entry.public_source.to_string(),
            ]
        };
        Table { columns: &ENTRIES, rows: page.entries.iter().map(row).collect() }
    }

    /// Agencies.
    pub fn agencies(view: &AgenciesView) -> Table {
        let row = |agency: &super::views::AgencyDetail| {
            let lateness = agency.lateness.as_ref();
            vec![
                agency.code.clone(),
                agency.name.ko.clone(),
                agency.name.en.clone(),
                agency.role.clone(),
                agency.keys_standing.to_string(),
                agency.accepted.to_string(),
                agency.duplicates.to_string(),
                agency.refused.to_string(),
                agency.events.to_string(),
                said(agency.last_report.as_ref().map(|report| report.recorded)),
                said(lateness.map(|lateness| lateness.median_s)),
                said(lateness.map(|lateness| lateness.max_s)),
                agency.missing.to_string(),
                agency.forks.to_string(),
                agency.indicators.join(" "),
                (view.simulated || agency.role == "simulated").to_string(),
                view.counted.to_string(),
            ]
        };
        Table { columns: &AGENCIES, rows: view.agencies.iter().map(row).collect() }
    }

    /// Refused reports.
    pub fn refused(page: &RefusedPage) -> Table {
        let row = |refused: &super::source::RefusedView| {
            let faults: Vec<_> = refused.faults.iter().map(|fault| fault.detail.as_str()).collect();
            vec![
                refused.index.to_string(),
                refused.recorded.to_string(),
                said(refused.agency.as_ref()),
                refused.code.clone(),
                said(refused.reason.as_ref().map(|reason| &reason.ko)),
                said(refused.reason.as_ref().map(|reason| &reason.en)),
                faults.join("; "),
            ]
        };
        Table { columns: &REFUSED, rows: page.refused.iter().map(row).collect() }
    }

    /// Reminders.
    pub fn reminders(view: &RemindersView) -> Table {
        let row = |reminder: &crate::projector::remind::Reminder| {
            vec![
                reminder.id.clone(),
                reminder.kind.clone(),
                said(reminder.indicator.as_ref()),
                said(reminder.agency.as_ref()),
                reminder.day.to_string(),
                said(reminder.due),
                said(reminder.days_left),
                said(reminder.index),
                reminder.text.ko.clone(),
                reminder.text.en.clone(),
                reminder.simulated.to_string(),
            ]
        };
        Table { columns: &REMINDERS, rows: view.reminders.iter().map(row).collect() }
    }
}

fn goal(goal: Goal) -> &'static str {
    match goal {
        Goal::Reach => "reach",
        Goal::AtLeast => "at-least",
        Goal::AtMost => "at-most",
    }
}

const INDICATORS: [&str; 29] = [
    "id",
    "row",
    "area",
    "title_ko",
    "title_en",
    "owner",
    "unit",
    "value",
    "verified",
    "period",
    "provisional",
    "approximate",
    "disputed",
    "goal",
    "target",
    "target_original",
    "due",
    "status",
    "expected",
    "ratio",
    "last_day",
    "last_recorded",
    "last_agency",
    "simulated",
    "public_source",
    "as_of",
    "known_at",
    "size",
    "proven_size",
];
const SERIES: [&str; 11] =
    ["id", "path", "day", "value", "verified", "reports", "unit", "simulated", "public_source", "as_of", "size"];
const EVENTS: [&str; 23] = [
    "id",
    "path",
    "index",
    "position",
    "agency",
    "event",
    "type",
    "time",
    "recorded",
    "contributes",
    "verified",
    "counts",
    "things",
    "corrected",
    "verified_by",
    "disputed_by",
    "provisional",
    "approximate",
    "remark",
    "simulated",
    "public_source",
    "as_of",
    "size",
];
const ENTRIES: [&str; 17] = [
    "index",
    "recorded",
    "reported",
    "agency",
    "kid",
    "subject",
    "type",
    "events",
    "verdict",
    "code",
    "indicators",
    "time_first",
    "time_last",
    "proven",
    "withheld",
    "simulated",
    "public_source",
];
const AGENCIES: [&str; 17] = [
    "code",
    "name_ko",
    "name_en",
    "role",
    "keys",
    "accepted",
    "duplicates",
    "refused",
    "events",
    "last_recorded",
    "lateness_median_s",
    "lateness_max_s",
    "missing",
    "forks",
    "indicators",
    "simulated",
    "counted",
];
const REFUSED: [&str; 7] = ["index", "recorded", "agency", "code", "reason_ko", "reason_en", "detail"];

const REMINDERS: [&str; 11] =
    ["id", "kind", "indicator", "agency", "day", "due", "days_left", "index", "text_ko", "text_en", "simulated"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_never_a_formula_and_quotes_hold() {
        let table = Table {
            columns: &["a", "b"],
            rows: vec![vec!["=1+1".into(), "say \"no\", twice".into()], vec!["-5.5".into(), "@x\r\ny".into()]],
        };
        let response = table.answer(true).unwrap();
        assert!(response.headers()["content-type"].to_str().unwrap().starts_with("text/csv"));
        let body = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let bytes = body.block_on(axum::body::to_bytes(response.into_body(), 1 << 16)).unwrap();
        let text = std::str::from_utf8(&bytes).unwrap();
        assert_eq!(text, "\u{feff}a,b\r\n'=1+1,\"say \"\"no\"\", twice\"\r\n-5.5,\"'@x\r\ny\"\r\n");
    }
}
