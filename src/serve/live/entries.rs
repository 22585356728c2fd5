//! Who reported what and when: entries of the running ledger, read and filtered.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use super::{Live, agency, broken, events_of};
use crate::admit::Reason;
use crate::catalogue::registry::Registry;
use crate::event::Event;
use crate::event::subject::Subject;
use crate::fold::rows::{Record, Rows as _};
use crate::limits::{ENTRIES_SCAN_BYTES, ENTRIES_SCAN_MAX, ENTRIES_SHOWN_WEIGHT};
use crate::log::entry::{Entry, Kept, Verdict};
use crate::serve::scans::Stop;
use crate::serve::source::{AskEntries, SourceError};
use crate::serve::views::{EntriesPage, EntryView};
use crate::sign::Jws;
use crate::store::Reader;

/// Indexes of entries to look at, in the order asked for, and where a later page goes on behind them.
struct Candidates {
    indexes: Vec<u64>,
    next: Option<u64>,
}

impl Live {
    pub(super) fn entries_page(&self, which: &AskEntries, stop: &Stop) -> Result<EntriesPage, SourceError> {
        let reader = self.shared.reader();
        let registry = self.shared.registry();
        let size = reader.position().size;
        let candidates = match &which.indicator {
            Some(id) => self.that_moved(&reader, &registry, id, which, size)?,
            None => in_order(which, size),
        };
        let mut page = EntriesPage {
            entries: Vec::new(),
            next: candidates.next,
            simulated: registry.simulated,
            size,
            proven_size: self.shared.proven_size().min(size),
        };
        let log = self.shared.log();
        let (mut entries, mut read) = (log.picking(), 0);
        for index in candidates.indexes {
            if page.entries.len() >= which.limit || read > ENTRIES_SCAN_BYTES || stop.is_set() {
                page.next = Some(index);
                break;
            }
            let text = entries.read(index).map_err(broken)?;
            let entry = Entry::parse(&text).map_err(broken)?;
            read += text.len() as u64;
            if fits(&entry, which) {
                read += text.len() as u64 * ENTRIES_SHOWN_WEIGHT;
                page.entries.push(self.entry_shown(&reader, &registry, &entry, text.len())?);
            }
        }
        Ok(page)
    }

    pub(super) fn one_entry(&self, index: u64) -> Result<Option<EntryView>, SourceError> {
        let reader = self.shared.reader();
        if index >= reader.position().size {
            return Ok(None);
        }
        let text = self.shared.log().read(index).map_err(broken)?;
        let entry = Entry::parse(&text).map_err(broken)?;
        self.entry_shown(&reader, &self.shared.registry(), &entry, text.len()).map(Some)
    }

    /// Entries that moved an indicator's figure, one of its parts or stages.
    fn that_moved(
        &self,
        reader: &Reader,
        registry: &Registry,
        id: &str,
        which: &AskEntries,
        size: u64,
    ) -> Result<Candidates, SourceError> {
        let Some(state) = registry.indicators.get(id) else {
            return Ok(Candidates { indexes: Vec::new(), next: None });
        };
        let view = reader.view();
        let mut paths = BTreeSet::from([format!("{id}/total")]);
        for version in &state.versions {
            paths.extend(version.indicator.parts.iter().map(|part| format!("{id}/part/{}", part.id)));
            paths.extend(version.indicator.fold.stages.iter().map(|stage| format!("{id}/stage/{}", stage.id)));
        }
        let span = match (which.from, which.newest_first) {
            (Some(from), true) => 0..size.min(from.saturating_add(1)),
            (from, false) => from.unwrap_or(0)..size,
            (None, true) => 0..size,
        };
        // So many of each series hold so many of all of them.
        let most = ENTRIES_SCAN_MAX as usize + 1;
        let mut all = BTreeSet::new();
        for (number, _) in paths.iter().filter_map(|path| view.series(path)) {
            let mut last = None;
            let mut found = 0;
            let moved = view.each_move(number, span.clone(), which.newest_first, &mut |step| {
                if last.replace(step.index) != Some(step.index) {
                    all.insert(step.index);
                    found += 1;
                }
                if found >= most { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            });
            moved.map_err(|met| self.doubted(met))?;
        }
        let mut indexes: Vec<u64> = all.into_iter().collect();
        if which.newest_first {
            indexes.reverse();
        }
        let next = indexes.get(most - 1).copied();
        indexes.truncate(most - 1);
        Ok(Candidates { indexes, next })
    }

    fn entry_shown(
        &self,
        reader: &Reader,
        registry: &Registry,
        entry: &Entry,
        bytes: usize,
    ) -> Result<EntryView, SourceError> {
        let subject = entry.subject.text();
        let parsed = subject.and_then(|subject| Subject::parse(subject).ok());
        let signature = entry.signature.as_ref().and_then(Kept::text).and_then(|text| Jws::parse(text).ok());
        let events = events_of(entry);
        let verdict = entry.ruling.as_ref().map(|ruling| &ruling.verdict);
        let code = match verdict {
            Some(Verdict::Refused(code)) => Some(code.clone()),
            _ => None,
        };
        let accepted = matches!(verdict, Some(Verdict::Accepted));
        let indicators = if accepted { self.indicators_of(reader, registry, entry, &events)? } else { BTreeSet::new() };
        let role = parsed.as_ref().and_then(|subject| registry.agencies.get(subject.agency.as_str()));
        let role = role.map_or("", |state| state.info.role.as_str());
        let public = |event: &Event| event.data.get("public_source").and_then(serde_json::Value::as_bool) == Some(true);
        Ok(EntryView {
            index: entry.index,
            recorded: entry.recorded,
            reported: signature.as_ref().map(|signature| signature.claims().reported),
            agency: parsed.as_ref().map(|subject| agency(registry, &subject.agency)),
            kid: signature.as_ref().map(|signature| signature.key().to_owned()),
            subject: subject.map(str::to_owned),
            kind_title: parsed.as_ref().and_then(|subject| registry.kind_title(&subject.kind)),
            kind: parsed.map(|subject| subject.kind),
            events: (!events.is_empty()).then_some(events.len() as u64),
            verdict: word(verdict).to_owned(),
            reason: code.as_deref().and_then(Reason::of_code).map(Reason::meaning),
            code,
            indicators: indicators.into_iter().collect(),
            time_first: events.iter().map(|event| event.time).min(),
            time_last: events.iter().map(|event| event.time).max(),
            bytes: bytes as u64,
            withheld: entry.body.is_withheld(),
            proven: entry.index < self.shared.proven_size(),
            simulated: registry.simulated || role == "simulated",
            public_source: role == "desk" || events.iter().any(public),
        })
    }

    /// Indicators that the accepted events of an entry are about.
    fn indicators_of(
        &self,
        reader: &Reader,
        registry: &Registry,
        entry: &Entry,
        events: &[Event],
    ) -> Result<BTreeSet<String>, SourceError> {
        let mut found = BTreeSet::new();
        let take = |record: &Record, found: &mut BTreeSet<String>| {
            let states = record.effects.iter().filter_map(|effect| registry.indicator(effect.indicator));
            found.extend(states.map(|state| state.definition().id.clone()));
        };
        let kind = events.first().map(|event| &*event.kind).unwrap_or_default();
        let movers = registry.movers.get(kind).map_or(0, Vec::len);
        let first = reader.ordinal_from(entry.index).map_err(|met| self.doubted(met))?;
        for ordinal in first..first + events.len() as u64 {
            let record = reader.record(ordinal).map_err(|met| self.doubted(met))?;
            let Some(record) = record.filter(|record| record.index == entry.index) else { break };
            take(&record, &mut found);
            // Events of one type move no others: most reports are told by their first event.
            if movers > 0 && found.len() >= movers {
                break;
            }
            if let Some(about) = record.about {
                let about = reader.record(about).map_err(|met| self.doubted(met))?;
                about.iter().for_each(|about| take(about, &mut found));
            }
        }
        // Targets, forecasts and the like name theirs.
        for event in events {
            let named = event.data.get("indicator").or_else(|| event.data.get("id")).and_then(|name| name.as_str());
            found.extend(named.filter(|id| registry.indicators.contains_key(*id)).map(str::to_owned));
        }
        Ok(found)
    }
}

fn in_order(which: &AskEntries, size: u64) -> Candidates {
    if which.newest_first {
        let end = which.from.map_or(size, |from| size.min(from.saturating_add(1)));
        let first = end.saturating_sub(ENTRIES_SCAN_MAX);
        return Candidates { indexes: (first..end).rev().collect(), next: first.checked_sub(1) };
    }
    let first = which.from.unwrap_or(0).min(size);
    let end = size.min(first + ENTRIES_SCAN_MAX);
    Candidates { indexes: (first..end).collect(), next: (end < size).then_some(end) }
}

fn fits(entry: &Entry, which: &AskEntries) -> bool {
    let verdict = word(entry.ruling.as_ref().map(|ruling| &ruling.verdict));
    let named = || Subject::parse(entry.subject.text()?).ok().map(|subject| subject.agency);
    which.verdict.as_deref().is_none_or(|wanted| wanted == verdict)
        && which.agency.as_ref().is_none_or(|wanted| named().as_ref() == Some(wanted))
}

/// The word of a verdict in JSON.
pub(super) fn word(verdict: Option<&Verdict>) -> &'static str {
    match verdict {
        Some(Verdict::Accepted) => "accepted",
        Some(Verdict::Duplicate) => "duplicate",
        _ => "refused",
    }
}
