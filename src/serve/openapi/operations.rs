//! The operations of the API: what each takes and answers.

use schemars::SchemaGenerator;
use serde_json::{Value, json};

use super::reference;
use crate::limits::{BODY_BYTES_MAX, PAGE_ROWS_MAX};
use crate::serve::intake::ReceivedView;
use crate::serve::source::{Health, RecordsView, RefusedPage};
use crate::serve::views::{AgenciesView, EntriesPage, EntryView, EventsView, RemindersView, SeriesView};
use crate::store::progress::view::{IndicatorView, IndicatorsView};

/// What an answer holds.
pub(super) enum Body {
    None,
    Json(Value),
    Csv,
    Text,
    /// Text of a type of its own.
    Of(&'static str),
    /// Text, or JSON where that was asked for.
    Entry(Value),
    Bytes,
}

/// One method of one path.
pub(super) struct Operation {
    pub path: &'static str,
    pub method: &'static str,
    pub id: &'static str,
    pub tag: &'static str,
    pub summary: &'static str,
    pub description: &'static str,
    pub parameters: Vec<Value>,
    pub request: Option<Value>,
    pub answers: Vec<(u16, Body, &'static str)>,
    pub problems: Vec<(u16, &'static str)>,
}

const LENGTH: &str = "`as_of` and `known_at` ask for a past moment; without them it is now.";

fn query(name: &str, schema: Value, description: &str) -> Value {
    json!({"name": name, "in": "query", "required": false, "schema": schema, "description": description})
}

fn within(name: &str, schema: Value, description: &str) -> Value {
    json!({"name": name, "in": "path", "required": true, "schema": schema, "description": description})
}

fn size() -> Value {
    json!({"type": "integer", "format": "int64", "minimum": 0, "maximum": i64::MAX})
}

fn day() -> Value {
    json!({"type": "string", "format": "date", "pattern": "^(19|2[0-9])[0-9]{2}-[0-9]{2}-[0-9]{2}$"})
}

/// `as_of`, `known_at`, `at_least`.
fn moment() -> Vec<Value> {
    let known_at = json!({"anyOf": [size(), {"type": "string", "format": "date-time"}]});
    vec![
        query("as_of", day(), "What had happened by the end of this day in Seoul; default today."),
        query("known_at", known_at, "What had been recorded by then: a log size, or a time."),
        at_least(),
    ]
}

fn at_least() -> Value {
    query("at_least", size(), "Waits up to ten seconds until so many entries are folded, then answers 503.")
}

fn limit() -> Value {
    let schema = json!({"type": "integer", "minimum": 1, "maximum": PAGE_ROWS_MAX, "default": 100});
    query("limit", schema, "Rows on a page.")
}

fn order() -> Value {
    query("order", json!({"type": "string", "enum": ["asc", "desc"], "default": "asc"}), "`desc`: newest first.")
}

fn from(what: &str) -> Value {
    query("from", size(), what)
}

fn bom() -> Value {
    query("bom", json!({"type": "string", "enum": ["0", "1"]}), "`1`: begin with a byte order mark, for spreadsheets.")
}

fn path_and_part() -> Vec<Value> {
    vec![
        query(
            "path",
            json!({"type": "string"}),
            "The series below the indicator: `total`, `part/fast`, `region/11`, `agency/keco`, `period/2025`, `stage/operating`.",
        ),
        query("part", json!({"type": "string"}), "Short for `path=part/<part>`."),
    ]
}

fn indicator_id() -> Value {
    within("id", json!({"type": "string", "minLength": 1}), "Indicator id, or its row in the work plan.")
}

fn all(parts: impl IntoIterator<Item = Vec<Value>>) -> Vec<Value> {
    parts.into_iter().flatten().collect()
}

const BAD: (u16, &str) = (400, "A parameter is unknown, given twice or cannot be read.");
const NOTHING: (u16, &str) = (404, "There is no such thing.");
const TYPE: (u16, &str) = (406, "The header Accept does not take the type of this answer.");
const LONG: (u16, &str) = (414, "The address is longer than any question.");
const LATER: (u16, &str) =
    (503, "Not folded or not proven that far yet, too many read at once, or the ledger cannot be read: ask again.");

fn read(path: &'static str, id: &'static str, summary: &'static str, parameters: Vec<Value>, body: Body) -> Operation {
    let tag = match path {
        path if path.starts_with("/v1/indicators") => "figures",
        path if path.starts_with("/v1/") || path.starts_with("/log/") => "record",
        _ => "operation",
    };
    let named = path.contains('{');
    let problems = [BAD].into_iter().chain(named.then_some(NOTHING)).chain([TYPE, LONG, LATER]).collect();
    Operation {
        path,
        method: "get",
        id,
        tag,
        summary,
        description: if tag == "figures" { LENGTH } else { summary },
        parameters,
        request: None,
        answers: vec![(200, body, "The answer."), (304, Body::None, "Unchanged since the tag in If-None-Match.")],
        problems,
    }
}

/// Every operation.
pub(super) fn operations(generator: &mut SchemaGenerator) -> Vec<Operation> {
    let mut found = figures(generator);
    found.extend(record(generator));
    found.extend(told());
    found.extend(others(generator));
    found
}

fn figures(generator: &mut SchemaGenerator) -> Vec<Operation> {
    let line = || {
        all([
            vec![indicator_id()],
            path_and_part(),
            vec![query("from", day(), "First day shown."), query("to", day(), "Last day shown.")],
            moment(),
        ])
    };
    let behind = || {
        all([
            vec![indicator_id()],
            path_and_part(),
            vec![query("cursor", size(), "`next` of the page before."), limit(), order()],
            moment(),
        ])
    };
    let csv = |parameters: Vec<Value>| all([parameters, vec![bom()]]);
    vec![
        read(
            "/v1/indicators",
            "indicators",
            "Every commitment with its figure, targets and status",
            moment(),
            Body::Json(reference::<IndicatorsView>(generator)),
        ),
        read("/v1/indicators.csv", "indicatorsCsv", "Every commitment as a table", csv(moment()), Body::Csv),
        read(
            "/v1/indicators/{id}",
            "indicator",
            "One commitment",
            all([vec![indicator_id()], moment()]),
            Body::Json(reference::<IndicatorView>(generator)),
        ),
        read(
            "/v1/indicators/{id}/series",
            "series",
            "The line of one of its figures, day by day, with targets and marks",
            line(),
            Body::Json(reference::<SeriesView>(generator)),
        ),
        read("/v1/indicators/{id}/series.csv", "seriesCsv", "The line as a table", csv(line()), Body::Csv),
        read(
            "/v1/indicators/{id}/events",
            "events",
            "The events behind one of its figures: what they contribute adds up to it",
            behind(),
            Body::Json(reference::<EventsView>(generator)),
        ),
        read("/v1/indicators/{id}/events.csv", "eventsCsv", "The events as a table", csv(behind()), Body::Csv),
    ]
}

fn text() -> Value {
    json!({"type": "string"})
}

fn agency() -> Value {
    query("agency", text(), "Whose, where several agencies use the id.")
}

fn entries() -> Vec<Value> {
    vec![
        from("Entry to begin at; default the first, with `order=desc` the newest."),
        limit(),
        order(),
        query("agency", text(), "Only entries whose subject names this agency."),
        query("indicator", text(), "Only entries that moved this indicator."),
        query("verdict", json!({"type": "string", "enum": ["accepted", "duplicate", "refused"]}), "Only these."),
        at_least(),
    ]
}

fn reminders() -> Vec<Value> {
    let kinds = json!({"type": "string", "enum": ["due", "overdue", "silent", "disputed", "refused"]});
    vec![
        query("kind", kinds, "Only these."),
        query("indicator", text(), "Only those about this commitment."),
        query("agency", text(), "Only those for this agency."),
        limit(),
    ]
}

fn receipt() -> Operation {
    let name = "^(0|[1-9][0-9]{0,17}|[0-9a-f]{64}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})$";
    let mut receipt = read(
        "/v1/receipts/{name}",
        "receipt",
        "The receipt of an entry (C2SP tlog-proof), by index, by SHA-256 of the signature or by event id",
        vec![within("name", json!({"type": "string", "pattern": name}), "Which entry."), agency()],
        Body::Text,
    );
    receipt.problems.push((410, "Texts of the entry were withheld by law: no receipt can be made of it."));
    receipt
}

fn record(generator: &mut SchemaGenerator) -> Vec<Operation> {
    let page = || vec![from("Entry to begin at."), limit(), at_least()];
    let id = json!({
        "type": "string", "format": "uuid", "pattern": "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"});
    vec![
        read(
            "/v1/entries",
            "entries",
            "Who reported what and when",
            entries(),
            Body::Json(reference::<EntriesPage>(generator)),
        ),
        read("/v1/entries.csv", "entriesCsv", "Entries as a table", all([entries(), vec![bom()]]), Body::Csv),
        read(
            "/v1/entries/{index}",
            "entry",
            "One entry: its exact bytes, or read, with Accept: application/json",
            vec![within("index", size(), "Index.")],
            Body::Entry(reference::<EntryView>(generator)),
        ),
        read(
            "/v1/records/{id}",
            "records",
            "The versions of an event",
            vec![within("id", id, "Event id."), agency(), at_least()],
            Body::Json(reference::<RecordsView>(generator)),
        ),
        receipt(),
        read(
            "/v1/agencies",
            "agencies",
            "Agencies: their keys, reports, lateness and gaps",
            vec![at_least()],
            Body::Json(reference::<AgenciesView>(generator)),
        ),
        read("/v1/agencies.csv", "agenciesCsv", "Agencies as a table", vec![at_least(), bom()], Body::Csv),
        read(
            "/v1/agencies/{code}",
            "agency",
            "One agency, as a list of one",
            vec![within("code", json!({"type": "string", "minLength": 1}), "Code."), at_least()],
            Body::Json(reference::<AgenciesView>(generator)),
        ),
        read(
            "/v1/refused",
            "refused",
            "Refused reports with their reasons",
            page(),
            Body::Json(reference::<RefusedPage>(generator)),
        ),
        read(
            "/v1/reminders",
            "reminders",
            "What was reminded of: due, overdue, silent, disputed, refused",
            reminders(),
            Body::Json(reference::<RemindersView>(generator)),
        ),
        read("/v1/refused.csv", "refusedCsv", "Refused reports as a table", all([page(), vec![bom()]]), Body::Csv),
        read(
            "/log/{path}",
            "logFile",
            "The log folder: C2SP tlog-tiles",
            vec![within("path", json!({"type": "string", "minLength": 1}), "`checkpoint`, `tile/0/000`, `vkey`…")],
            Body::Bytes,
        ),
    ]
}

/// What is told as it happens.
fn told() -> Vec<Operation> {
    let mut stream = read(
        "/v1/stream",
        "stream",
        "Progress as it changes, as Server-Sent Events",
        vec![
            query("indicator", text(), "Only these: ids with commas between them."),
            query("last_event_id", text(), "Where it was left, for clients that cannot send the header Last-Event-ID."),
        ],
        Body::Of("text/event-stream"),
    );
    stream.description = "Events: `snapshot` first, unless the last id is still known; `progress`, all that changed at one size \
        and day, with data as in `snapshot`; `status`, as /healthz; `dropped`, why the stream ends. Ids are `<size>.<date>`: \
        nothing is missed or told twice between two of them.";
    stream.problems.push(NOTHING);
    stream.answers.truncate(1);
    vec![
        read("/v1/reminders.csv", "remindersCsv", "Reminders as a table", all([reminders(), vec![bom()]]), Body::Csv),
        stream,
    ]
}

fn others(generator: &mut SchemaGenerator) -> Vec<Operation> {
    let health = reference::<Health>(generator);
    let mut readyz = read("/readyz", "readyz", "Whether the figures are current", vec![], Body::Json(health.clone()));
    readyz.answers.push((503, Body::Json(health.clone()), "They are not; the body says why."));
    let mut found = vec![
        reports(generator),
        readyz,
        read("/healthz", "healthz", "The process lives", vec![], Body::Json(health)),
        read("/metrics", "metrics", "What an operator watches", vec![], Body::Of("application/openmetrics-text")),
        read("/openapi.json", "openapi", "This document", vec![], Body::Json(json!({"type": "object"}))),
    ];
    for operation in &mut found[1..] {
        operation.problems.retain(|(status, _)| !matches!(status, 400 | 503));
    }
    found
}

fn reports(generator: &mut SchemaGenerator) -> Operation {
    let header = |name: &str, required: bool, what: &str| {
        json!({
            "name": name, "in": "header", "required": required, "description": what,
            "schema": {"type": "string", "minLength": 1},
        })
    };
    let received = reference::<ReceivedView>(generator);
    let answer = |status: u16, what: &'static str| (status, Body::Json(received.clone()), what);
    let schema = json!({"type": ["object", "array"]});
    Operation {
        path: "/v1/reports",
        method: "post",
        id: "report",
        tag: "reports",
        summary: "Sends a signed report",
        description: "The body and headers are those of a report over NATS. Signature and key are checked first; what a \
            registered key signed goes into the stream as it came, and admission judges it. The same report sent again is \
            not published again.",
        parameters: vec![
            header("Ledger-Signature", true, "Compact JWS (EdDSA) over the report's claims, by a registered key."),
            header("Ledger-Subject", false, "NATS subject; default the signed claim `sub`."),
        ],
        request: Some(json!({
            "required": true,
            "description": format!("CloudEvents 1.0 in JSON, at most {BODY_BYTES_MAX} bytes."),
            "content": {
                "application/cloudevents+json": {"schema": schema},
                "application/cloudevents-batch+json": {"schema": schema},
            },
        })),
        answers: vec![
            answer(200, "It was in the log already."),
            answer(201, "Recorded and accepted, or a duplicate; Location names the entry."),
            answer(202, "In the stream, not folded yet: send it again, or ask for its receipt."),
            answer(422, "Recorded and refused: the entry says why."),
        ],
        problems: vec![
            (400, "Headers or body cannot be read."),
            (
                403,
                "No registered key vouches for it, the signature is of another report, or the key may not report there.",
            ),
            (408, "The body did not come in time."),
            (413, "The body is too large."),
            LONG,
            (415, "The content type is none of a report."),
            (422, "It carries what looks like a resident registration number; nothing was recorded."),
            (429, "The key has sent too many reports."),
            (503, "Nobody knows yet whether it is in the stream, or this server takes none."),
        ],
    }
}
