//! A file of rows as events of one type, in batches ready to sign. Checks everything before anything is sent.
//!
//! Ids are deterministic, so the same file never counts twice however often it is sent. Nothing here signs, sends or
//! waits; `cli::import` does, through the outbox.

pub mod columns;
pub mod document;
pub mod sheet;

use std::collections::HashMap;

use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use columns::{MapError, Target};
use document::{Document, Row, RowContent};

use crate::event::envelope::{self, NewEvent};
use crate::event::schema::{Field, Schema};
use crate::event::{Text, Time, personal};
use crate::limits::{BODY_BYTES_MAX, IMPORT_BATCH_EVENTS, IMPORT_FAULTS_MAX, TIME_AHEAD_NS_MAX, TIME_MIN_NS};

/// Separates this use of SHA-256 from all others.
const ID_DOMAIN: &str = "jindo-event-id/v1";
/// Bytes of a batch beyond its events: brackets, and a separator per event.
const BATCH_FRAME_BYTES: usize = 2;

/// The id of the event that `agency` names `key` in reports of type `kind`: the same forever, on every machine.
#[must_use]
pub fn event_id(agency: &str, kind: &str, key: &str) -> Uuid {
    // Neither code nor type contains NUL: no two triples have one text.
    let digest = Sha256::digest(format!("{ID_DOMAIN}\0{agency}\0{kind}\0{key}"));
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    Uuid::new_v8(bytes)
}

/// How rows become events.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Who reports.
    pub agency: String,
    /// `--map COLUMN=FIELD`.
    pub maps: Vec<(String, String)>,
    /// The column that names each row.
    pub key: Option<String>,
    /// `time` of rows that have none.
    pub time: Option<Time>,
}

/// One thing wrong with a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Row number as the reader sees it.
    pub row: u64,
    /// Column, where it is about one.
    pub column: Option<String>,
    /// What is wrong.
    pub message: Text,
}

/// What a check of the whole file found.
#[derive(Debug, Clone, Default)]
pub struct Checked {
    /// Rows that hold something.
    pub rows: u64,
    /// Rows that are sound.
    pub sound: u64,
    /// What is wrong, at most [`IMPORT_FAULTS_MAX`].
    pub faults: Vec<Fault>,
    /// Numbers of the rows with faults, all of them, ascending.
    pub faulty_rows: Vec<u64>,
    /// The first sound event, to show.
    pub sample: Option<NewEvent>,
    /// Earliest and latest `time`.
    pub span: Option<(Time, Time)>,
}

impl Checked {
    /// Rows with faults.
    #[must_use]
    pub fn faulty(&self) -> u64 {
        self.faulty_rows.len() as u64
    }

    /// Whether the row with that number has no fault.
    #[must_use]
    pub fn is_sound(&self, row: u64) -> bool {
        self.faulty_rows.binary_search(&row).is_err()
    }
}

/// Events of consecutive rows in one report body.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// Content type.
    pub content_type: &'static str,
    /// Body.
    pub body: Vec<u8>,
    /// Events in it.
    pub events: usize,
    /// The row of each event.
    pub rows: Vec<u64>,
    /// Last row that is in it or was left out before it.
    pub row_last: u64,
}

/// A document with its columns mapped: gives events, checks and batches.
#[derive(Debug)]
pub struct Import<'a> {
    document: &'a Document,
    schema: &'a Schema,
    fields: Vec<Field>,
    targets: Vec<Target>,
    key_at: Option<usize>,
    options: Options,
}

fn said(ko: impl Into<String>, en: impl Into<String>) -> Text {
    Text { ko: ko.into(), en: en.into() }
}

impl<'a> Import<'a> {
    /// Maps the columns.
    ///
    /// # Errors
    /// [`MapError`].
    pub fn new(document: &'a Document, schema: &'a Schema, options: Options) -> Result<Self, MapError> {
        let fields = schema.fields();
        let targets = match document.format {
            document::Format::Ndjson => Vec::new(),
            _ => columns::map(&document.header, &fields, &options.maps, options.key.as_deref())?,
        };
        let key_at = match &options.key {
            Some(key) if !document.header.is_empty() => {
                let at = document.header.iter().position(|title| title == key);
                Some(at.ok_or_else(|| MapError::NoColumn(key.clone()))?)
            }
            _ => None,
        };
        Ok(Import { document, schema, fields, targets, key_at, options })
    }

    /// Column and what it fills, for a dry run.
    #[must_use]
    pub fn mapping(&self) -> Vec<(String, String)> {
        let pair = |(title, target): (&String, &Target)| (title.clone(), columns::name(*target, &self.fields));
        self.document.header.iter().zip(&self.targets).map(pair).collect()
    }

    /// Whether rows can be named: without that a second run would count twice.
    #[must_use]
    pub fn is_keyed(&self) -> bool {
        self.options.key.is_some()
            || self.targets.contains(&Target::Id)
            || self.document.format == document::Format::Ndjson
    }

    /// The NATS subject of its reports.
    #[must_use]
    pub fn subject(&self) -> String {
        format!("ledger.report.{}.{}", self.options.agency, self.schema.kind)
    }

    /// Id and agency of the last sound event of the rows up to `row`.
    #[must_use]
    pub fn last_event_until(&self, row: u64, checked: &Checked) -> Option<(Uuid, String)> {
        let rows = self.document.rows().take_while(|found| found.number <= row);
        let last = rows.filter(|found| checked.is_sound(found.number)).last()?;
        self.event(&last).ok().map(|event| (event.id, event.agency))
    }

    /// Sound events of the rows up to `row`.
    #[must_use]
    pub fn sound_until(&self, row: u64, checked: &Checked) -> u64 {
        let rows = self.document.rows().take_while(|found| found.number <= row);
        rows.filter(|found| checked.is_sound(found.number)).count() as u64
    }

    /// Checks every row: cells, schema, personal data, repeated ids. Sends nothing.
    #[must_use]
    pub fn check(&self) -> Checked {
        let mut checked = Checked::default();
        let mut seen: HashMap<Uuid, u64> = HashMap::new();
        for row in self.document.rows() {
            checked.rows += 1;
            let number = row.number;
            let outcome = self.event(&row).and_then(|event| {
                if let Some(first) = seen.insert(event.id, number) {
                    let fault =
                        said(format!("{first}행과 같은 키(id)입니다"), format!("the same key (id) as row {first}"));
                    return Err(vec![Fault { row: number, column: self.options.key.clone(), message: fault }]);
                }
                Ok(event)
            });
            match outcome {
                Ok(event) => {
                    checked.sound += 1;
                    let (from, to) = checked.span.unwrap_or((event.time, event.time));
                    checked.span = Some((from.min(event.time), to.max(event.time)));
                    checked.sample.get_or_insert(event);
                }
                Err(faults) => {
                    checked.faulty_rows.push(number);
                    let room = IMPORT_FAULTS_MAX.saturating_sub(checked.faults.len());
                    checked.faults.extend(faults.into_iter().take(room));
                }
            }
        }
        checked
    }

    /// The batches of sound rows after `row_done`, in order. The same file and options give the same batches.
    pub fn batches<'b>(&'b self, row_done: u64, checked: &'b Checked) -> impl Iterator<Item = Batch> + 'b {
        let rows = self.document.rows().skip_while(move |row| row.number <= row_done);
        let sound = rows.filter(|row| checked.is_sound(row.number));
        let events = sound.filter_map(|row| self.event(&row).ok().map(|event| (row.number, event)));
        Batches { rows: events.peekable() }
    }

    /// A batch of exactly these rows, given in order: what is left of one that was refused for some of its rows.
    #[must_use]
    pub fn batch_of(&self, rows: &[u64]) -> Option<Batch> {
        let (first, last) = (*rows.first()?, *rows.last()?);
        let found = self.document.rows().skip_while(|row| row.number < first).take_while(|row| row.number <= last);
        let wanted = found.filter(|row| rows.binary_search(&row.number).is_ok());
        let (rows, events): (Vec<u64>, Vec<NewEvent>) =
            wanted.filter_map(|row| Some((row.number, self.event(&row).ok()?))).unzip();
        batch(rows, &events)
    }

    /// The event of one row.
    ///
    /// # Errors
    /// Everything that is wrong with the row.
    pub fn event(&self, row: &Row) -> Result<NewEvent, Vec<Fault>> {
        let mut draft = Draft { row: row.number, ..Draft::default() };
        match &row.content {
            Ok(RowContent::Cells(cells)) => self.fill_cells(cells, &mut draft),
            Ok(RowContent::Object(object)) => self.fill_object(object, &mut draft),
            Err(message) => draft.fault(None, said(message.as_str(), message.as_str())),
        }
        if !draft.faults.is_empty() {
            return Err(draft.faults);
        }
        self.finish(draft)
    }

    fn fill_cells(&self, cells: &[String], draft: &mut Draft) {
        for (at, (cell, target)) in cells.iter().zip(&self.targets).enumerate() {
            if self.key_at == Some(at) {
                draft.key = Some(columns::unguarded(cell).to_owned());
            }
            if !cell.is_empty() {
                self.fill(*target, cell, &self.document.header[at], draft);
            }
        }
    }

    fn fill(&self, target: Target, text: &str, column: &str, draft: &mut Draft) {
        let outcome = match target {
            Target::Nothing => Ok(()),
            Target::Time => columns::time(text).map(|time| {
                draft.time = Some(time);
                draft.time_text = Time::parse(text).is_ok().then(|| text.to_owned());
            }),
            Target::Subject => {
                draft.subject = Some(columns::unguarded(text).to_owned());
                Ok(())
            }
            Target::Id => uuid(text).map(|id| draft.id = Some(id)),
            Target::Field(at) => match self.fields.get(at) {
                Some(field) => {
                    columns::value(text, field).map(|value| columns::set(&mut draft.data, &field.name, value))
                }
                None => Ok(()),
            },
        };
        if let Err(message) = outcome {
            draft.fault(Some(column), message);
        }
    }

    /// A whole CloudEvent, or flat fields.
    fn fill_object(&self, object: &Value, draft: &mut Draft) {
        let Some(object) = object.as_object() else { return };
        if object.contains_key("specversion") {
            return self.fill_event(object, draft);
        }
        for (name, value) in object {
            if self.options.key.as_ref() == Some(name) {
                draft.key = Some(columns::cell_text(Some(value)));
            }
            let mapped = self.options.maps.iter().find(|(from, _)| from == name).map(|(_, to)| to.as_str());
            let target = match mapped {
                Some("-") => Some(Target::Nothing),
                Some(to) => columns::target(to, &self.fields),
                None if name.starts_with('_') => Some(Target::Nothing),
                None if self.options.key.as_ref() == Some(name) => {
                    columns::target(name, &self.fields).filter(|target| *target != Target::Id).or(Some(Target::Nothing))
                }
                None => columns::target(name, &self.fields),
            };
            match (target, value) {
                (Some(target), Value::String(text)) => self.fill(target, text, name, draft),
                (Some(Target::Field(at)), value) => columns::set(&mut draft.data, &self.fields[at].name, value.clone()),
                (Some(Target::Nothing), _) => {}
                (Some(_), _) => draft.fault(Some(name), said("글자열이어야 합니다", "must be a string")),
                // Nested objects go whole where fields lie inside them; the schema says what is wrong with them.
                (None, Value::Object(_)) => {
                    draft.data.insert(name.clone(), value.clone());
                }
                (None, _) => draft.fault(Some(name), said("이런 항목이 없습니다", "there is no such field")),
            }
        }
    }

    fn fill_event(&self, object: &Map<String, Value>, draft: &mut Draft) {
        let line = Value::Object(object.clone()).to_string();
        match envelope::parse(envelope::CONTENT_TYPE_EVENT, line.as_bytes()).as_deref() {
            Ok([event]) if *event.kind != *self.schema.kind => {
                let kind = &event.kind;
                draft
                    .fault(Some("type"), said(format!("{kind} 형식의 사건입니다"), format!("an event of type {kind}")));
            }
            Ok([event]) if *event.agency != *self.options.agency => {
                let agency = &event.agency;
                draft.fault(Some("source"), said(format!("{agency}의 사건입니다"), format!("an event of {agency}")));
            }
            Ok([event]) => {
                draft.id = Some(event.id);
                draft.time = Some(event.time);
                draft.time_text = object.get("time").and_then(Value::as_str).map(str::to_owned);
                draft.subject = event.subject.clone();
                draft.data = event.data.as_object().cloned().unwrap_or_default();
            }
            Ok(_) => draft.fault(None, said("사건 하나여야 합니다", "must be one event")),
            Err(fault) => draft.fault(None, said(fault.to_string(), fault.to_string())),
        }
    }

    /// Id, time, schema and personal data.
    fn finish(&self, mut draft: Draft) -> Result<NewEvent, Vec<Fault>> {
        let agency = &self.options.agency;
        let key = draft.key.take().filter(|key| !key.is_empty());
        let id = match (&self.options.key, key, draft.id) {
            // What `export` wrote names its events already: made into other ids they would count again.
            (Some(column), Some(key), None) if columns::is_id(column) && uuid(&key).is_ok() => uuid(&key).ok(),
            (Some(_), Some(key), None) => Some(event_id(agency, &self.schema.kind, &key)),
            (_, _, Some(id)) => Some(id),
            (column, _, None) => {
                let column = column.clone().unwrap_or_else(|| "id".into());
                draft.fault(Some(&column), said("키가 비었습니다", "the key is empty"));
                None
            }
        };
        let time = draft.time.or(self.options.time);
        if time.is_none() {
            draft.fault(
                Some("time"),
                said("시각이 없습니다. time 열이나 --time을 주세요.", "no time; give a time column or --time"),
            );
        }
        let latest = Time::now().plus_ns(TIME_AHEAD_NS_MAX);
        if time.is_some_and(|time| time < Time::from_ns(TIME_MIN_NS) || latest < time) {
            let ko = "시각은 2000-01-01부터 내일까지여야 합니다: 일어난 일을 보고합니다.";
            draft.fault(
                Some("time"),
                said(ko, "the time must lie between 2000-01-01 and tomorrow: it says what happened"),
            );
        }
        let data = Value::Object(std::mem::take(&mut draft.data));
        for fault in self.schema.check(&data).err().unwrap_or_default() {
            let column = self.column_of(&fault.pointer);
            draft.fault(column.as_deref(), said(fault.message.as_str(), fault.message.as_str()));
        }
        let subject = draft.subject.take();
        let personal_at =
            personal::find(&data).or_else(|| subject.as_deref().and_then(|text| personal::find(&text.into())));
        if let Some(pointer) = personal_at {
            let column = self.column_of(&pointer);
            draft.fault(
                column.as_deref(),
                said(
                    "주민등록번호로 보이는 값이 있습니다. 원장은 지울 수 없으니 빼고 다시 하세요.",
                    "looks like a resident registration number; the ledger cannot forget: take it out",
                ),
            );
        }
        match (id, time) {
            (Some(id), Some(time)) if draft.faults.is_empty() => {
                let (agency, kind, time_text) = (agency.clone(), self.schema.kind.to_string(), draft.time_text.take());
                let event = NewEvent { id, agency, kind, time, time_text, subject, data };
                self.fits(draft.row, event)
            }
            _ => Err(draft.faults),
        }
    }

    fn fits(&self, row: u64, event: NewEvent) -> Result<NewEvent, Vec<Fault>> {
        let bytes = envelope::encode(std::slice::from_ref(&event)).1.len();
        if bytes + BATCH_FRAME_BYTES <= BODY_BYTES_MAX {
            return Ok(event);
        }
        let message = said(
            format!("사건이 {bytes}바이트입니다. 한도는 {BODY_BYTES_MAX}바이트입니다."),
            format!("the event has {bytes} bytes, at most {BODY_BYTES_MAX} are taken"),
        );
        Err(vec![Fault { row, column: None, message }])
    }

    /// The column that fills what a JSON pointer names; the field's name where there is none.
    fn column_of(&self, pointer: &str) -> Option<String> {
        let name = pointer.trim_start_matches('/').replace('/', ".");
        let field =
            self.fields.iter().position(|field| name == field.name || name.starts_with(&format!("{}.", field.name)));
        let column = field.and_then(|at| self.targets.iter().position(|target| *target == Target::Field(at)));
        column.map(|at| self.document.header[at].clone()).or((!name.is_empty()).then_some(name))
    }
}

/// A UUID in its one canonical form.
fn uuid(text: &str) -> Result<Uuid, Text> {
    let id = Uuid::parse_str(text).ok().filter(|id| id.to_string() == text && !id.is_nil());
    id.ok_or_else(|| {
        said(
            "소문자 UUID가 아닙니다. 임의의 키라면 --key로 그 열을 주세요.",
            "not a lower-case UUID; for any other key name this column with --key",
        )
    })
}

#[derive(Debug, Default)]
struct Draft {
    row: u64,
    id: Option<Uuid>,
    key: Option<String>,
    time: Option<Time>,
    /// As it stands in the file, where that is RFC 3339: an exported event keeps its text and is known again by it.
    time_text: Option<String>,
    subject: Option<String>,
    data: Map<String, Value>,
    faults: Vec<Fault>,
}

impl Draft {
    fn fault(&mut self, column: Option<&str>, message: Text) {
        self.faults.push(Fault { row: self.row, column: column.map(str::to_owned), message });
    }
}

struct Batches<I: Iterator<Item = (u64, NewEvent)>> {
    rows: std::iter::Peekable<I>,
}

impl<I: Iterator<Item = (u64, NewEvent)>> Iterator for Batches<I> {
    type Item = Batch;

    fn next(&mut self) -> Option<Batch> {
        let mut events = Vec::new();
        let mut bytes = BATCH_FRAME_BYTES;
        let mut rows = Vec::new();
        while events.len() < IMPORT_BATCH_EVENTS {
            let Some((_, event)) = self.rows.peek() else { break };
            // Two bytes separate events in a batch.
            let size = envelope::encode(std::slice::from_ref(event)).1.len() + 2;
            if !events.is_empty() && bytes + size > BODY_BYTES_MAX {
                break;
            }
            let Some((row, event)) = self.rows.next() else { break };
            bytes += size;
            rows.push(row);
            events.push(event);
        }
        batch(rows, &events)
    }
}

fn batch(rows: Vec<u64>, events: &[NewEvent]) -> Option<Batch> {
    let row_last = *rows.last()?;
    let (content_type, body) = envelope::encode(events);
    Some(Batch { content_type, body, events: events.len(), rows, row_last })
}

#[cfg(test)]
#[path = "import/tests.rs"]
mod tests;
