//! The running ledger as HTTP reads it: the projector's shared handle behind [`Source`].

mod agencies;
mod behind;
mod entries;
mod series;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;
use uuid::Uuid;

use super::intake::Intake;
use super::log::Content;
use super::metrics::LedgerGauges;
use super::scans::Stop;
use super::source::{
    Ask, AskEntries, AskEvents, AskSeries, Health, Known, Mention, RecordView, RecordsView, RefusedPage, RefusedView,
    Source, SourceError, VersionView,
};
use super::views::{AgenciesView, EntriesPage, EntryView, EventsView, SeriesView};
use crate::admit::Reason;
use crate::catalogue::registry::Registry;
use crate::event::{Day, Event, Text, Time, envelope};
use crate::fold::lookup::signature_key;
use crate::fold::rows::{Ordinal, Record, Rows as _};
use crate::log::entry::{Entry, Verdict};
use crate::projector::as_of::{AsOf, NoMoment};
use crate::projector::changes::{Changes, Mark, changes};
use crate::projector::halt::Halt;
use crate::projector::receipts::{self, Name, NoReceipt};
use crate::projector::remind::Reminder;
use crate::projector::{Health as Running, Shared};
use crate::store::Reader;
use crate::store::progress::view::{AgencyView, IndicatorView, IndicatorsView};

/// The running ledger.
#[derive(Clone)]
pub struct Live {
    shared: Shared,
    catalogue_expected: bool,
    counts: Arc<agencies::Counting>,
    intake: Option<Intake>,
}

/// An entry with the data of its events, parsed once for all of them.
struct Opened {
    index: u64,
    recorded: Time,
    /// Type and data of each event.
    data: Vec<(Arc<str>, Value)>,
    bytes: usize,
}

impl Opened {
    fn data(&self, position: u16) -> Option<&Value> {
        self.data.get(usize::from(position)).map(|(_, data)| data)
    }
}

/// An indicator at a moment, with what it was read from.
struct Held {
    then: AsOf,
    indicator: IndicatorView,
}

fn broken(error: impl std::fmt::Display) -> SourceError {
    SourceError::Broken(error.to_string())
}

impl Live {
    /// Over the projector's handle. With `catalogue_expected`, readiness waits for the first indicator.
    #[must_use]
    pub fn new(shared: Shared, catalogue_expected: bool) -> Self {
        Live { shared, catalogue_expected, counts: Arc::default(), intake: None }
    }

    /// Takes reports of agencies over HTTP, too.
    #[must_use]
    pub fn with_intake(self, intake: Intake) -> Self {
        Live { intake: Some(intake), ..self }
    }

    /// Told to the reader, and to the projector, which makes the store anew where it cannot be trusted.
    fn doubted(&self, met: impl Into<Halt>) -> SourceError {
        let met = met.into();
        self.shared.doubt(&met);
        broken(met)
    }

    fn as_of(&self, ask: Ask) -> Result<AsOf, SourceError> {
        let size = match ask.known_at {
            None => None,
            Some(Known::Size(size)) => Some(size),
            Some(Known::Time(time)) => Some(self.shared.size_at(time).map_err(broken)?),
        };
        self.shared.as_of(ask.as_of, size).map_err(|error| match error {
            NoMoment::NotYet { size, wanted } => SourceError::NotYet { size, wanted },
            NoMoment::Halt(halt) => self.doubted(halt),
        })
    }

    fn held(&self, id: &str, ask: Ask) -> Result<Option<Held>, SourceError> {
        let then = self.as_of(ask)?;
        let by_row = |row: u16| then.registry.indicators.values().find(|state| state.definition().row == row);
        let state = then.registry.indicators.get(id).or_else(|| id.parse().ok().and_then(by_row));
        let Some(state) = state else { return Ok(None) };
        let indicator = then.one(state).map_err(|met| self.doubted(met))?;
        Ok(Some(Held { then, indicator }))
    }

    /// An entry, parsed.
    fn parsed(&self, index: u64) -> Result<Entry, SourceError> {
        Entry::parse(&self.shared.log().read(index).map_err(broken)?).map_err(broken)
    }

    fn opened(&self, index: u64) -> Result<Opened, SourceError> {
        let entry = self.parsed(index)?;
        let bytes = entry.body.bytes().map_or(0, |body| body.len());
        let data = events_of(&entry).into_iter().map(|event| (event.kind, event.data)).collect();
        Ok(Opened { index, recorded: entry.recorded, data, bytes })
    }

    /// What somebody said about a report.
    fn mention(&self, reader: &Reader, registry: &Registry, ordinal: Ordinal) -> Result<Mention, SourceError> {
        let about = reader.record(ordinal).map_err(|met| self.doubted(met))?;
        let about = about.ok_or_else(|| broken("a record is missing"))?;
        let agency = agency(registry, registry.agency_code(about.agency));
        Ok(Mention { agency, id: about.id, index: about.index })
    }

    /// One version: what became of it and what its entry says.
    fn version(&self, reader: &Reader, registry: &Registry, record: &Record) -> Result<VersionView, SourceError> {
        let entry = self.parsed(record.index)?;
        let verdict = match entry.ruling.as_ref().map(|ruling| &ruling.verdict) {
            Some(Verdict::Accepted) => "accepted",
            Some(Verdict::Duplicate) => "duplicate",
            _ => "refused",
        };
        let mention = |ordinal: &Ordinal| self.mention(reader, registry, *ordinal);
        let replaced_by = match record.replaced_by {
            Some(ordinal) => reader.record(ordinal).map_err(|met| self.doubted(met))?.map(|newer| newer.id),
            None => None,
        };
        let indicators = record.effects.iter().filter_map(|effect| registry.indicator(effect.indicator));
        let kind = event_kind(registry, record);
        Ok(VersionView {
            id: record.id,
            kind_title: registry.kind_title(&kind),
            kind,
            index: record.index,
            position: record.position,
            verdict: verdict.to_owned(),
            recorded: Some(entry.recorded),
            time: record.time,
            stands: record.stands(),
            replaced_by,
            retracted_by: record.retracted_by.as_ref().map(mention).transpose()?,
            verified_by: record.verified_by.iter().map(mention).collect::<Result<_, _>>()?,
            disputed_by: record.disputed_by.iter().map(mention).collect::<Result<_, _>>()?,
            indicators: indicators.map(|state| state.definition().id.clone()).collect(),
            data: data_of(&entry, record.position),
            withheld: entry.body.is_withheld(),
        })
    }
}

fn event_kind(registry: &Registry, record: &Record) -> String {
    if record.replaces.is_some() { "report.corrected.v1".to_owned() } else { registry.kind(record.kind).to_owned() }
}

fn events_of(entry: &Entry) -> Vec<Event> {
    let text = entry.content_type.as_ref().and_then(|kept| kept.text()).zip(entry.body.bytes());
    text.and_then(|(content_type, body)| envelope::parse(content_type, body).ok()).unwrap_or_default()
}

fn data_of(entry: &Entry, position: u16) -> Option<Value> {
    events_of(entry).into_iter().nth(usize::from(position)).map(|event| event.data)
}

fn agency(registry: &Registry, code: &str) -> AgencyView {
    let name = registry.agencies.get(code).map(|state| state.info.name.clone());
    AgencyView { code: code.to_owned(), name: name.unwrap_or_default() }
}

impl Source for Live {
    fn sizes(&self) -> tokio::sync::watch::Receiver<u64> {
        self.shared.sizes()
    }

    fn health(&self) -> Health {
        let size = *self.shared.sizes().borrow();
        let proof = self.shared.proof().borrow().clone();
        let empty = self.catalogue_expected && self.shared.registry().indicators.is_empty();
        let told = |ready, state: &str, ko: String, en: String| Health {
            ready,
            state: state.to_owned(),
            why: Text { ko, en },
            size,
            proven_size: proof.size,
            proof_trouble: proof.trouble.clone(),
        };
        match &*self.shared.health().borrow() {
            Running::Ready if empty => told(
                false,
                "starting",
                "목록이 아직 반영되지 않았습니다.".to_owned(),
                "the catalogue is not folded yet".to_owned(),
            ),
            Running::Ready => told(true, "ready", "준비됨".to_owned(), "caught up".to_owned()),
            Running::Starting => {
                told(false, "starting", "여는 중입니다.".to_owned(), "opening log and store".to_owned())
            }
            Running::CatchingUp { waiting, .. } => told(
                false,
                "catching-up",
                format!("{waiting}건이 밀려 있습니다."),
                format!("{waiting} messages are waiting"),
            ),
            Running::Disconnected => told(
                false,
                "disconnected",
                "NATS에 연결되지 않았습니다. 수치는 마지막 기록 기준입니다.".to_owned(),
                "NATS does not answer; figures are those recorded last".to_owned(),
            ),
            Running::Stopping => told(
                false,
                "stopping",
                "곧 멈춥니다. 다른 서버에서 읽으세요.".to_owned(),
                "about to stop: read from another server".to_owned(),
            ),
            Running::Halted(why) => {
                told(false, "halted", format!("접수가 멈췄습니다: {why}"), format!("intake halted: {why}"))
            }
        }
    }

    fn indicators(&self, ask: Ask) -> Result<IndicatorsView, SourceError> {
        self.as_of(ask)?.all().map_err(|met| self.doubted(met))
    }

    fn indicator(&self, id: &str, ask: Ask) -> Result<Option<IndicatorView>, SourceError> {
        Ok(self.held(id, ask)?.map(|held| held.indicator))
    }

    fn series(&self, id: &str, ask: Ask, which: &AskSeries) -> Result<Option<SeriesView>, SourceError> {
        self.line(id, ask, which)
    }

    fn events(&self, id: &str, ask: Ask, which: &AskEvents) -> Result<Option<EventsView>, SourceError> {
        self.behind(id, ask, which)
    }

    fn entries(&self, which: &AskEntries, stop: &Stop) -> Result<EntriesPage, SourceError> {
        self.entries_page(which, stop)
    }

    fn entry_view(&self, index: u64) -> Result<Option<EntryView>, SourceError> {
        self.one_entry(index)
    }

    fn agency_names(&self) -> Vec<AgencyView> {
        let registry = self.shared.registry();
        registry.agency_codes.iter().map(|code| agency(&registry, code)).collect()
    }

    fn agencies(&self) -> Result<AgenciesView, SourceError> {
        self.all_agencies()
    }

    fn records(&self, id: Uuid, wanted: Option<&str>) -> Result<RecordsView, SourceError> {
        let reader = self.shared.reader();
        let registry = self.shared.registry();
        let mut records = BTreeMap::new();
        for code in registry.agency_codes.iter().filter(|code| wanted.is_none_or(|wanted| wanted == &***code)) {
            let Some((ordinal, _)) = reader.record_by_id(code, &id).map_err(|met| self.doubted(met))? else { continue };
            let versions = reader.versions(ordinal).map_err(|met| self.doubted(met))?;
            let shown: Result<Vec<_>, _> =
                versions.shown.iter().map(|(_, record)| self.version(&reader, &registry, record)).collect();
            let agency = agency(&registry, code);
            records.insert(code.clone(), RecordView { agency, versions: shown?, versions_total: versions.total });
        }
        Ok(RecordsView { id, records: records.into_values().collect(), size: reader.position().size })
    }

    fn refused(&self, from: u64, limit: usize) -> Result<RefusedPage, SourceError> {
        let reader = self.shared.reader();
        let mut rows = reader.refused(from, limit + 1).map_err(|met| self.doubted(met))?;
        let next = (rows.len() > limit).then(|| rows.pop().map(|row| row.index)).flatten();
        let view = |row: crate::fold::rows::Refused| {
            let reason = Reason::of_code(&row.code);
            RefusedView {
                index: row.index,
                recorded: row.recorded,
                agency: row.agency,
                code: row.code,
                reason: reason.map(Reason::meaning),
                next: reason.map(Reason::advice),
                faults: row.faults.into_iter().map(Into::into).collect(),
            }
        };
        Ok(RefusedPage { refused: rows.into_iter().map(view).collect(), next, size: reader.position().size })
    }

    fn changes(&self, today: Day, told: &dyn Fn(&str, Mark, bool) -> bool) -> Result<Changes, SourceError> {
        changes(&self.shared, today, told).map_err(|met| self.doubted(met))
    }

    fn reminders(&self) -> std::sync::Arc<Vec<Reminder>> {
        self.shared.reminders()
    }

    fn measure(&self, registry: &mut prometheus_client::registry::Registry) {
        LedgerGauges::register(&self.shared, registry);
    }

    fn entry(&self, index: u64) -> Result<Option<Vec<u8>>, SourceError> {
        if index >= *self.shared.sizes().borrow() {
            return Ok(None);
        }
        self.shared.log().read(index).map(Some).map_err(broken)
    }

    fn receipt(&self, name: Name, agency: Option<&str>) -> Result<Option<String>, SourceError> {
        match receipts::receipt(&self.shared, name, agency) {
            Ok(receipt) => Ok(Some(receipt.text())),
            Err(NoReceipt::Unknown) => Ok(None),
            Err(NoReceipt::Several(codes)) => Err(SourceError::Several(codes)),
            Err(NoReceipt::NotYet { index, size }) => Err(SourceError::NotProven { size, index }),
            Err(NoReceipt::Withheld(_)) => Err(SourceError::Withheld),
            Err(NoReceipt::Doubt(doubt)) => Err(self.doubted(doubt)),
            Err(NoReceipt::Broken(fault)) => Err(broken(fault)),
        }
    }

    fn registry(&self) -> Result<Arc<Registry>, SourceError> {
        Ok(self.shared.registry())
    }

    fn signed(&self, sha256: [u8; 32]) -> Result<Option<u64>, SourceError> {
        self.shared.reader().lookup(&signature_key(&sha256)).map_err(|met| self.doubted(met))
    }

    fn intake(&self) -> Option<Intake> {
        self.intake.clone()
    }

    fn log_file(&self, path: &str) -> Result<Option<Content>, SourceError> {
        Content::open(self.shared.log().dir(), path)
    }
}
