//! A log folder as events, with the registry as it stood at each entry. Reads only; needs no running ledger.
//!
//! Verdicts are taken as written in the entries; `jindo audit` recomputes them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::admit::plan::plan;
use crate::catalogue::govern::Act;
use crate::catalogue::registry::Registry;
use crate::event::subject::Subject;
use crate::event::{Day, Event, Time, envelope};
use crate::log::entry::{Entry, Verdict};
use crate::log::tail::{Entries, LogReader};

use super::Context;
use super::exit::{could, usage};
use super::kinds::near;

/// Which entries and events are wanted.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// From this point on.
    pub from: Option<Point>,
    /// Up to and at this point.
    pub to: Option<Point>,
    /// Of this agency.
    pub agency: Option<String>,
    /// Of this event type.
    pub kind: Option<String>,
    /// That move this indicator, or govern it.
    pub indicator: Option<String>,
}

/// A point in the record: an entry index, or a time of recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Point {
    /// Entry index.
    Index(u64),
    /// First and last instant meant: a day has two.
    Time(Time, Time),
}

/// Reads `41`, `2026-06-30` or `2026-06-30T09:00:00+09:00`.
///
/// # Errors
/// Anything else.
pub fn point(text: &str) -> Result<Point, String> {
    if let Ok(index) = text.parse() {
        return Ok(Point::Index(index));
    }
    if let Ok(day) = Day::parse(text) {
        return Ok(Point::Time(day.start(), day.plus(1).start().plus_ns(-1)));
    }
    Time::parse(text)
        .map(|time| Point::Time(time, time))
        .map_err(|error| format!("{error}, or a date, or an entry index"))
}

/// One entry with its events.
#[derive(Debug)]
pub struct Item {
    /// The entry.
    pub entry: Entry,
    /// Agency of the subject, if it parses.
    pub agency: Option<String>,
    /// Event type of the subject, if it parses.
    pub kind: Option<String>,
    /// Events with their positions; none where the body is no report.
    pub events: Vec<(usize, Event)>,
}

impl Item {
    /// `accepted`, `duplicate`, `refused` or `pending`.
    #[must_use]
    pub fn verdict(&self) -> &'static str {
        match self.entry.ruling.as_ref().map(|ruling| &ruling.verdict) {
            Some(Verdict::Accepted) => "accepted",
            Some(Verdict::Duplicate) => "duplicate",
            Some(Verdict::Refused(_)) => "refused",
            None => "pending",
        }
    }

    /// Reason code of a refusal.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        match self.entry.ruling.as_ref().map(|ruling| &ruling.verdict) {
            Some(Verdict::Refused(code)) => Some(code),
            _ => None,
        }
    }

    /// Whether the event at `position` counts from this entry on.
    #[must_use]
    pub fn is_new(&self, position: usize) -> bool {
        self.entry.ruling.as_ref().is_some_and(|ruling| ruling.is_new(position))
    }
}

/// A log folder being read from its beginning.
pub struct Journal {
    entries: Entries,
    /// The registry after the entry read last.
    pub registry: Registry,
    wanted: Wanted,
}

/// The log folder: as given, else `DIR/log`.
#[must_use]
pub fn folder(given: Option<&Path>, context: &Context) -> PathBuf {
    given.map_or_else(|| context.data.join("log"), Path::to_path_buf)
}

/// Opens a log folder.
///
/// # Errors
/// No log there, or a damaged one.
pub fn open(dir: &Path) -> anyhow::Result<LogReader> {
    LogReader::open(dir).map_err(|error| {
        could(format!("로그 {}: {error}", dir.display()), format!("log {}: {error}", dir.display()))
            .next("--log DIR 또는 --data DIR을 확인하세요.", "check --log DIR or --data DIR")
            .into()
    })
}

impl Journal {
    /// Reads a log from its beginning: governance before `from` counts too.
    #[must_use]
    pub fn new(log: &LogReader, wanted: Wanted) -> Self {
        Journal { entries: log.iter(0), registry: Registry::default(), wanted }
    }

    /// The next entry that holds something wanted; its events are only those wanted.
    ///
    /// # Errors
    /// A damaged entry.
    pub fn advance(&mut self) -> anyhow::Result<Option<Item>> {
        loop {
            let Some(bytes) = self.entries.next() else { return Ok(None) };
            let (_, bytes) = bytes.map_err(|error| could(error.to_string(), error.to_string()))?;
            let entry = Entry::parse(&bytes).map_err(|error| could(error.to_string(), error.to_string()))?;
            if self.is_past(&entry) {
                return Ok(None);
            }
            let mut item = item(entry);
            self.govern(&item);
            if self.is_before(&item.entry) || !self.keep(&mut item) {
                continue;
            }
            return Ok(Some(item));
        }
    }

    fn govern(&mut self, item: &Item) {
        if item.verdict() != "accepted"
            || item.entry.subject.text().is_none_or(|text| !text.starts_with("ledger.govern."))
        {
            return;
        }
        for (position, event) in item.events.iter().filter(|(position, _)| item.is_new(*position)) {
            let act = Act {
                index: item.entry.index,
                recorded: item.entry.recorded,
                agency: &event.agency,
                kind: &event.kind,
                data: &event.data,
            };
            // An accepted event applied when it was admitted. If it does not now, names are missing here: only an audit judges.
            if let Err(error) = self.registry.govern(act) {
                tracing::warn!(index = item.entry.index, position, %error, "a governance event does not apply");
            }
        }
    }

    fn is_past(&self, entry: &Entry) -> bool {
        match self.wanted.to {
            Some(Point::Index(last)) => entry.index > last,
            // `recorded` may step back a little: only the day after the end is certainly past.
            Some(Point::Time(_, last)) => entry.recorded > last.plus_ns(crate::limits::TIME_AHEAD_NS_MAX),
            None => false,
        }
    }

    fn is_before(&self, entry: &Entry) -> bool {
        let early = match self.wanted.from {
            Some(Point::Index(first)) => entry.index < first,
            Some(Point::Time(first, _)) => entry.recorded < first,
            None => false,
        };
        early || matches!(self.wanted.to, Some(Point::Time(_, last)) if entry.recorded > last)
    }

    fn keep(&self, item: &mut Item) -> bool {
        let wanted = &self.wanted;
        if wanted.agency.is_some() && item.agency != wanted.agency {
            return false;
        }
        if wanted.kind.is_some() && item.kind != wanted.kind {
            return false;
        }
        let Some(id) = &wanted.indicator else { return true };
        item.events.retain(|(_, event)| self.concerns(event, id));
        !item.events.is_empty()
    }

    /// Whether an event moves the indicator, or names it.
    fn concerns(&self, event: &Event, id: &str) -> bool {
        let named = |data: &serde_json::Value| {
            ["/indicator", "/id", "/new/indicator", "/definition/id"]
                .iter()
                .any(|pointer| data.pointer(pointer).and_then(serde_json::Value::as_str) == Some(id))
        };
        if named(&event.data) {
            return true;
        }
        let (time, data) = match event.data.pointer("/event/data") {
            // A correction moves what its new version moves; its type is that of any indicator's.
            Some(inner) => (event.data.pointer("/event/time").and_then(|time| Time::parse(time.as_str()?).ok()), inner),
            None => (None, &event.data),
        };
        let day = time.unwrap_or(event.time).day();
        let kinds = self.registry.indicators.get(id).map(|state| {
            let from = &state.version_on(day).fold.from;
            from.iter().map(|selector| selector.event.clone()).collect::<Vec<_>>()
        });
        let correction = &*event.kind == "report.corrected.v1";
        let kinds = kinds.unwrap_or_default();
        let tried = kinds.iter().filter(|kind| correction || **kind == *event.kind);
        tried.into_iter().any(|kind| {
            let effects = plan(&self.registry, &event.agency, kind, day, data).unwrap_or_default();
            effects.iter().any(|effect| {
                self.registry.indicator(effect.indicator).is_some_and(|state| state.definition().id == id)
            })
        })
    }
}

/// The registry after the whole log.
///
/// # Errors
/// A damaged entry.
pub fn registry(log: &LogReader) -> anyhow::Result<Registry> {
    let mut journal = Journal::new(log, Wanted { kind: Some("no.such.kind".into()), ..Wanted::default() });
    while journal.advance()?.is_some() {}
    Ok(journal.registry)
}

/// Refuses an indicator that is not registered.
///
/// # Errors
/// It is not; the known ones are named.
pub fn check_indicator(registry: &Registry, id: &str) -> anyhow::Result<()> {
    if registry.indicators.contains_key(id) {
        return Ok(());
    }
    let known: Vec<&str> = registry.indicator_ids.iter().map(|id| &**id).collect();
    Err(usage(format!("지표 '{id}'이(가) 없습니다"), format!("there is no indicator '{id}'"))
        .next(format!("있는 지표: {}", known.join(", ")), format!("there are: {}", known.join(", ")))
        .into())
}

/// Refuses an agency that is not registered.
///
/// # Errors
/// It is not; near ones are named, or all of them.
pub fn check_agency(registry: &Registry, code: &str) -> anyhow::Result<()> {
    if registry.agencies.contains_key(code) {
        return Ok(());
    }
    let near = near(code, registry.agencies.keys().map(|code| &**code)).join(", ");
    Err(usage(
        format!("기관 '{code}'은(는) 이 로그에 등록되어 있지 않습니다"),
        format!("agency '{code}' is not registered in this log"),
    )
    .next(format!("비슷한 기관: {near}"), format!("near it: {near}"))
    .into())
}

fn item(entry: Entry) -> Item {
    let subject = entry.subject.text().and_then(|text| Subject::parse(text).ok());
    let content_type = entry.content_type.as_ref().and_then(|kept| kept.text());
    let events = match (content_type, entry.body.bytes()) {
        (Some(content_type), Some(body)) => envelope::parse(content_type, body).unwrap_or_default(),
        _ => Vec::new(),
    };
    let text = |text: &Arc<str>| text.to_string();
    let events: Vec<(usize, Event)> = events.into_iter().enumerate().collect();
    let first = events.first().map(|(_, event)| event);
    let agency = subject.as_ref().map(|subject| subject.agency.clone()).or(first.map(|event| text(&event.agency)));
    let kind = subject.as_ref().map(|subject| subject.kind.clone()).or(first.map(|event| text(&event.kind)));
    Item { entry, agency, kind, events }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points() {
        assert_eq!(point("41"), Ok(Point::Index(41)));
        let Ok(Point::Time(first, last)) = point("2026-06-30") else { panic!("a day") };
        assert_eq!(
            (first.to_string().as_str(), last.day().to_string().as_str()),
            ("2026-06-29T15:00:00Z", "2026-06-30")
        );
        assert!(point("2026-06-30T09:00:00+09:00").is_ok());
        assert!(point("yesterday").is_err());
    }
}
