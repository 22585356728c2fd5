//! The events behind a figure of the running ledger, as readers are shown them.

use super::series::{Named, remark};
use super::{Held, Live, Opened, agency, event_kind};
use crate::catalogue::indicator::FoldKind;
use crate::event::Amount;
use crate::fold::rows::{Gives, Ordinal, Thing};
use crate::limits::{BEHIND_MENTIONS_SHOWN, BEHIND_THINGS_SHOWN};
use crate::serve::source::{Ask, AskEvents, Mention, SourceError};
use crate::serve::views::{EventView, EventsView, ThingView};
use crate::store::behind::{self, Given, Kinds, Page, Question};

impl Held {
    /// The figure asked about. Where nothing is named it is the total; of stages that did not reach it yet the farthest one.
    fn explained(&self, path: Option<&str>) -> Option<Named> {
        if let Some(path) = path {
            return self.named(path);
        }
        let view = &self.indicator;
        let reached = |figure: Option<Amount>| figure.is_some_and(|value| value > Amount::ZERO);
        let farthest = view.stages.iter().rev().find(|stage| reached(stage.figure.value));
        match farthest {
            Some(stage) if view.fold == FoldKind::Stage && !reached(view.figure.value) => {
                self.named(&format!("stage/{}", stage.id))
            }
            _ => self.named("total"),
        }
    }

    fn kinds(&self) -> Kinds {
        let number = |kind: &str| self.then.registry.schemas.get(kind).map(|state| state.number);
        Kinds {
            verified: number("report.verified.v1"),
            disputed: number("report.disputed.v1"),
            resolved: number("claim.resolved.v1"),
        }
    }
}

impl Live {
    pub(super) fn behind(&self, id: &str, ask: Ask, which: &AskEvents) -> Result<Option<EventsView>, SourceError> {
        let Some(held) = self.held(id, ask)? else { return Ok(None) };
        let Some(named) = held.explained(which.path.as_deref()) else { return Ok(None) };
        let (mut page, mut counts) = (Page::default(), None);
        if let Some(series) = named.series {
            let question = Question {
                series,
                day: held.then.moment.as_of,
                size: held.then.moment.size,
                kinds: held.kinds(),
                from: which.cursor,
                newest_first: which.newest_first,
                limit: which.limit,
            };
            page = behind::page(&held.then.reader, &held.then.view, question).map_err(|met| self.doubted(met))?;
            let figures = behind::figures(&held.then.view, &question).map_err(|met| self.doubted(met))?;
            counts = figures.reported.map(|stated| stated.ordinal);
        }
        let mut entry = None;
        let events: Result<Vec<_>, _> =
            page.given.into_iter().map(|given| self.event(&held, given, counts, &mut entry)).collect();
        let events = events?;
        let view = held.indicator;
        Ok(Some(EventsView {
            id: view.id,
            path: named.path,
            title: named.title,
            unit: view.unit,
            fold: view.fold,
            figure: named.figure,
            events,
            next: page.next,
            simulated: view.simulated,
            as_of: view.as_of,
            known_at: view.known_at,
            size: view.size,
            proven_size: view.proven_size,
        }))
    }

    /// One event; `held_entry` is the entry read last, for several events of one report follow each other.
    fn event(
        &self,
        held: &Held,
        given: Given,
        counts: Option<Ordinal>,
        held_entry: &mut Option<Opened>,
    ) -> Result<EventView, SourceError> {
        let Given { ordinal, record, verified_by, disputed_by, tally, things, stated } = given;
        let entry = match held_entry.take() {
            Some(entry) if entry.index == record.index => entry,
            _ => self.opened(record.index)?,
        };
        let data = entry.data(record.position);
        // The corrected event stands inside the correction.
        let told = data.map(|data| data.pointer("/event/data").filter(|_| record.replaces.is_some()).unwrap_or(data));
        let remark = told.and_then(remark);
        let code = held.then.registry.agency_code(record.agency);
        let role = held.then.registry.agencies.get(code).map_or("", |state| state.info.role.as_str());
        let is_remark = |effect: &crate::fold::rows::Effect| matches!(effect.gives, Gives::Remark);
        let numbered = stated.is_some() || !things.is_empty() || !record.effects.iter().all(is_remark);
        let value = stated.map_or(Amount::from_millionths(tally.value), |stated| stated.value);
        let verified = match stated {
            Some(stated) => stated.verified.then_some(stated.value),
            None => Some(Amount::from_millionths(tally.verified)),
        };
        let mentions = |ordinals: &[Ordinal]| -> Result<Vec<Mention>, SourceError> {
            let shown = ordinals.iter().take(BEHIND_MENTIONS_SHOWN);
            shown.map(|ordinal| self.mention(&held.then.reader, &held.then.registry, *ordinal)).collect()
        };
        let event = EventView {
            index: record.index,
            position: record.position,
            agency: agency(&held.then.registry, code),
            id: record.id,
            kind: event_kind(&held.then.registry, &record),
            time: record.time,
            recorded: entry.recorded,
            contributes: numbered.then_some(value),
            verified: verified.filter(|_| numbered),
            not_deduplicated: Amount::from_millionths(tally.loose),
            counts: stated.is_none() || counts == Some(ordinal),
            things_total: things.len() as u64,
            things: things.iter().take(BEHIND_THINGS_SHOWN).map(|thing| shown(held, thing)).collect(),
            corrected: record.replaces.is_some(),
            verified_by: mentions(&verified_by)?,
            disputed_by: mentions(&disputed_by)?,
            provisional: tally.provisional > 0 || stated.is_some_and(|stated| stated.provisional),
            approximate: tally.approximate > 0 || stated.is_some_and(|stated| stated.approximate),
            remark: remark.map(str::to_owned),
            simulated: held.then.registry.simulated || role == "simulated",
            public_source: role == "desk" || told.and_then(|data| data.get("public_source")?.as_bool()) == Some(true),
        };
        *held_entry = Some(entry);
        Ok(event)
    }
}

fn shown(held: &Held, thing: &Thing) -> ThingView {
    let mut claimed_by: Vec<String> = Vec::new();
    for holder in thing.holders.iter().filter(|holder| holder.alive > 0) {
        let code = held.then.registry.agency_code(holder.agency);
        if !claimed_by.iter().any(|known| known == code) {
            claimed_by.push(code.to_owned());
        }
    }
    ThingView { identity: thing.identity.clone(), claimed_by }
}
