//! The second half of admission, in log order: a screened report held against what was accepted before.
//!
//! One conflict or fault refuses the whole report; only accepted events claim their id, forever.

use std::collections::HashSet;
use std::sync::Arc;

use uuid::Uuid;

use super::plan::{Effect, plan};
use super::screen::{Planned, Report, check_data, check_time, is_about};
use super::{Claims, Fault, Known, Reason, Refusal};
use crate::catalogue::govern::{Act, GovernError};
use crate::catalogue::registry::Registry;
use crate::event::about::{ClaimResolved, Corrected, Disputed, ForecastStated, Retracted, Verified};
use crate::event::governance::LogKeyRotated;
use crate::event::subject::Channel;
use crate::event::{Event, Time};
use crate::limits::RECORD_VERSIONS_MAX;
use crate::log::keyring;
use crate::log::note::VerifierKey;

/// What an accepted report does, event by event.
#[derive(Debug, Clone)]
pub struct Decision {
    /// One per event of the body.
    pub acts: Vec<Decided>,
    /// The registry after a governance report.
    pub registry: Option<Arc<Registry>>,
}

/// What one event does.
#[derive(Debug, Clone)]
pub enum Decided {
    /// Nothing: it was recorded before with equal content.
    Duplicate,
    /// It counts.
    New(Box<Event>, Does),
}

/// What a new event does to the read models.
#[derive(Debug, Clone)]
pub enum Does {
    /// Moves indicators.
    Move(Vec<Effect>),
    /// Replaces a version: its ordinal, the corrected event, its effects.
    Correct(u64, Box<Event>, Vec<Effect>),
    /// Ends a version.
    Retract(u64),
    /// Vouches for a version.
    Verify(u64),
    /// Contests a version.
    Dispute(u64),
    /// Lets a record's claim on a thing stand: indicator, identity, ordinal.
    Resolve(u16, Vec<String>, u64),
    /// States an expectation.
    Forecast,
    /// Governs.
    Govern,
}

/// Either the past cannot be read, or the report is refused.
#[derive(Debug)]
pub enum Stop<E> {
    /// Rows cannot be trusted: intake halts, nothing was decided.
    Doubt(E),
    /// Refused.
    Refused(Refusal),
}

type Wrong = (Reason, String);

enum Fail<E> {
    Doubt(E),
    Wrong(Reason, String),
}

impl<E> From<Wrong> for Fail<E> {
    fn from((reason, detail): Wrong) -> Self {
        Fail::Wrong(reason, detail)
    }
}

/// Where the report stands.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    /// Index of the entry.
    pub index: u64,
    /// Its `recorded`.
    pub recorded: Time,
}

/// Decides a screened report.
///
/// # Errors
/// [`Stop`].
pub fn decide<C: Claims>(
    report: Report,
    place: Place,
    registry: &Registry,
    past: &mut C,
) -> Result<Decision, Stop<C::Error>> {
    let mut acts = Vec::with_capacity(report.events.len());
    let mut faults = Vec::new();
    let mut targets = HashSet::new();
    let mut governing: Option<Registry> = (report.subject.channel == Channel::Govern).then(|| registry.clone());
    for (position, planned) in report.events.into_iter().enumerate() {
        let decided = match past.claimed(&planned.event.agency, &planned.event.id).map_err(Stop::Doubt)? {
            Some(known) if known.digest == planned.event.digest => Ok(Decided::Duplicate),
            Some(_) => Err(Fail::Wrong(Reason::IdConflict, format!("id {} has other content", planned.event.id))),
            None => match &mut governing {
                Some(governing) => govern(governing, place, &planned.event).map(|()| (planned.event, Does::Govern)),
                None => does(planned, place, registry, past, &mut targets),
            }
            .map(|(event, does)| Decided::New(Box::new(event), does)),
        };
        match decided {
            Ok(act) => acts.push(act),
            Err(Fail::Doubt(doubt)) => return Err(Stop::Doubt(doubt)),
            Err(Fail::Wrong(reason, detail)) => {
                faults.push(Fault { event: u16::try_from(position).ok(), reason, detail });
            }
        }
    }
    match Refusal::of(faults) {
        Some(refusal) => Err(Stop::Refused(refusal)),
        None => Ok(Decision { acts, registry: governing.map(Arc::new) }),
    }
}

fn govern<E>(registry: &mut Registry, place: Place, event: &Event) -> Result<(), Fail<E>> {
    let act = Act {
        index: place.index,
        recorded: place.recorded,
        agency: &event.agency,
        kind: &event.kind,
        data: &event.data,
    };
    if act.kind == "log.key-rotated.v1" {
        log_key(registry, act.data)?;
    }
    registry.govern(act).map_err(|error| {
        let reason = match &error {
            GovernError::NotAuthorised(_) => Reason::NotAuthorised,
            GovernError::IndicatorUnknown(_) => Reason::IndicatorUnknown,
            GovernError::AgencyUnknown(_) => Reason::AgencyUnknown,
            GovernError::RegionUnknown(_) => Reason::RegionUnknown,
            GovernError::TypeUnknown(_) => Reason::TypeUnknown,
            GovernError::Contradiction(_) => Reason::GovernanceInvalid,
            GovernError::Data(..) => Reason::DataInvalid,
        };
        Fail::Wrong(reason, error.to_string())
    })
}

/// A new key of the log is named by the one in force.
fn log_key(registry: &Registry, data: &serde_json::Value) -> Result<(), Wrong> {
    let wrong = |why: String| (Reason::GovernanceInvalid, format!("/data/note: {why}"));
    let rotated: LogKeyRotated =
        serde_json::from_value(data.clone()).map_err(|error| (Reason::DataInvalid, format!("/data: {error}")))?;
    let force = registry.log_keys.last().map_or(&registry.log_key, |key| &key.vkey);
    let force = VerifierKey::parse(force).map_err(|fault| wrong(fault.to_string()))?;
    let named = keyring::named(&rotated.note, &force).map_err(|fault| wrong(fault.to_string()))?;
    if named.to_string() == rotated.new { Ok(()) } else { Err(wrong(format!("it names {named}"))) }
}

fn does<C: Claims>(
    planned: Planned,
    place: Place,
    registry: &Registry,
    past: &mut C,
    targets: &mut HashSet<u64>,
) -> Result<(Event, Does), Fail<C::Error>> {
    let event = planned.event;
    if !is_about(&event.kind) {
        return Ok((event, Does::Move(planned.effects)));
    }
    let does = match &*event.kind {
        "report.corrected.v1" => correct(&event, place, registry, past, targets)?,
        "report.retracted.v1" => {
            let body: Retracted = read(&event)?;
            let (known, _) = own(&event.agency, &body.retracts, registry, past)?;
            let withdrawable = matches!(&*known.kind, "report.verified.v1" | "report.disputed.v1");
            if known.indicators.is_empty() && !withdrawable {
                return Err(Fail::Wrong(Reason::VersionUnknown, format!("{} moves no indicator", body.retracts)));
            }
            newest(&known, targets)?;
            Does::Retract(known.ordinal)
        }
        "report.verified.v1" => {
            let body: Verified = read(&event)?;
            let known = others(&body.agency, &body.verifies, registry, past)?;
            verify(&event, &body.agency, &known, registry)?;
            once(&event.agency, &known, true, past, targets)?;
            Does::Verify(known.ordinal)
        }
        "report.disputed.v1" => {
            let body: Disputed = read(&event)?;
            let known = others(&body.agency, &body.disputes, registry, past)?;
            once(&event.agency, &known, false, past, targets)?;
            Does::Dispute(known.ordinal)
        }
        "claim.resolved.v1" => resolve(&event, registry, past)?,
        _ => forecast(&event, registry)?,
    };
    Ok((event, does))
}

fn read<T: serde::de::DeserializeOwned>(event: &Event) -> Result<T, Wrong> {
    T::deserialize(&event.data).map_err(|error| (Reason::DataInvalid, format!("/data: {error}")))
}

/// The version named, where it is the agency's own or that of one it follows; whose it is comes with it.
fn own<C: Claims>(
    agency: &str,
    id: &Uuid,
    registry: &Registry,
    past: &mut C,
) -> Result<(Known, Arc<str>), Fail<C::Error>> {
    let mut foreign = None;
    if let Some(known) = past.claimed(agency, id).map_err(Fail::Doubt)? {
        return Ok((known, agency.into()));
    }
    for code in registry.agency_codes.iter().filter(|code| &***code != agency) {
        if let Some(known) = past.claimed(code, id).map_err(Fail::Doubt)? {
            if registry.acts_for(agency, code) {
                return Ok((known, code.clone()));
            }
            foreign.get_or_insert(code);
        }
    }
    Err(match foreign {
        Some(code) => Fail::Wrong(Reason::VersionForeign, format!("{id} was reported by '{code}'")),
        None => Fail::Wrong(Reason::VersionUnknown, format!("no accepted event has id {id}")),
    })
}

/// The newest version, and named only once in this report.
fn newest(known: &Known, targets: &mut HashSet<u64>) -> Result<(), Wrong> {
    if !known.stands || !targets.insert(known.ordinal) {
        return Err((Reason::VersionSuperseded, "that version was corrected or retracted".to_owned()));
    }
    Ok(())
}

/// A standing version of anyone's that moves an indicator.
fn others<C: Claims>(agency: &str, id: &Uuid, registry: &Registry, past: &mut C) -> Result<Known, Fail<C::Error>> {
    if !registry.agencies.contains_key(agency) {
        return Err(Fail::Wrong(Reason::AgencyUnknown, format!("'{agency}' is not registered")));
    }
    let known = past.claimed(agency, id).map_err(Fail::Doubt)?;
    let known =
        known.ok_or_else(|| Fail::Wrong(Reason::VersionUnknown, format!("'{agency}' has no accepted event {id}")))?;
    if !known.stands {
        return Err(Fail::Wrong(Reason::VersionSuperseded, format!("{id} was corrected or retracted")));
    }
    if known.indicators.is_empty() {
        return Err(Fail::Wrong(Reason::VersionUnknown, format!("{id} moves no indicator")));
    }
    Ok(known)
}

/// An agency says it of a version once, until it withdraws it: saying it again adds nothing but weight to the record.
fn once<C: Claims>(
    agency: &str,
    known: &Known,
    vouched: bool,
    past: &mut C,
    targets: &mut HashSet<u64>,
) -> Result<(), Fail<C::Error>> {
    if targets.insert(known.ordinal) && !past.stated(agency, known.ordinal, vouched).map_err(Fail::Doubt)? {
        return Ok(());
    }
    let what = if vouched { "verified" } else { "disputed" };
    Err(Fail::Wrong(Reason::AlreadyStated, format!("'{agency}' {what} that version already")))
}

fn correct<C: Claims>(
    event: &Event,
    place: Place,
    registry: &Registry,
    past: &mut C,
    targets: &mut HashSet<u64>,
) -> Result<Does, Fail<C::Error>> {
    let body: Corrected = read(event)?;
    let (known, _) = own(&event.agency, &body.replaces, registry, past)?;
    if known.indicators.is_empty() {
        return Err(Fail::Wrong(Reason::VersionUnknown, format!("{} moves no indicator", body.replaces)));
    }
    newest(&known, targets)?;
    if usize::from(known.version) + 1 >= RECORD_VERSIONS_MAX {
        let detail = format!("{} is version {RECORD_VERSIONS_MAX} of its record", body.replaces);
        return Err(Fail::Wrong(Reason::VersionLimit, detail));
    }
    check_time(body.event.time, place.recorded)?;
    let schema = registry.schemas.get(&known.kind);
    let schema = schema.ok_or_else(|| Fail::Wrong(Reason::TypeUnknown, known.kind.to_string()))?;
    check_data(&schema.schema, &body.event.data)?;
    let effects = plan(registry, &event.agency, &known.kind, body.event.time.day(), &body.event.data)?;
    let corrected = Event {
        id: event.id,
        agency: event.agency.clone(),
        kind: known.kind,
        time: body.event.time,
        subject: body.event.subject,
        data: body.event.data,
        digest: event.digest,
    };
    Ok(Does::Correct(known.ordinal, Box::new(corrected), effects))
}

fn verify(event: &Event, reporter: &str, known: &Known, registry: &Registry) -> Result<(), Wrong> {
    if registry.acts_for(&event.agency, reporter) {
        return Err((Reason::VerificationOwn, format!("'{}' reported it", event.agency)));
    }
    for number in &known.indicators {
        let Some(state) = registry.indicator(*number) else { continue };
        let definition = state.definition();
        if !definition.verifiers.iter().any(|verifier| **verifier == *event.agency) {
            return Err((Reason::NotAuthorised, format!("'{}' is no verifier of '{}'", event.agency, definition.id)));
        }
    }
    Ok(())
}

fn resolve<C: Claims>(event: &Event, registry: &Registry, past: &mut C) -> Result<Does, Fail<C::Error>> {
    let body: ClaimResolved = read(event)?;
    let state = registry.indicators.get(body.indicator.as_str());
    let state = state.ok_or_else(|| Fail::Wrong(Reason::IndicatorUnknown, format!("'{}'", body.indicator)))?;
    let authority = &state.definition().authority;
    if **authority != *event.agency {
        return Err(Fail::Wrong(Reason::NotAuthorised, format!("authority of '{}' is '{authority}'", body.indicator)));
    }
    let known = others(&body.agency, &body.stands, registry, past)?;
    if !past.claims_thing(state.number, &body.thing, known.ordinal).map_err(Fail::Doubt)? {
        let detail = format!("{} claims no '{}' of '{}'", body.stands, body.thing.join(" "), body.indicator);
        return Err(Fail::Wrong(Reason::ClaimUnknown, detail));
    }
    Ok(Does::Resolve(state.number, body.thing, known.ordinal))
}

fn forecast<E>(event: &Event, registry: &Registry) -> Result<Does, Fail<E>> {
    let body: ForecastStated = read(event)?;
    let state = registry.indicators.get(body.indicator.as_str());
    let state = state.ok_or_else(|| Fail::Wrong(Reason::IndicatorUnknown, format!("'{}'", body.indicator)))?;
    let definition = state.definition();
    if !definition.reporters.iter().any(|reporter| registry.acts_for(&event.agency, reporter)) {
        return Err(Fail::Wrong(
            Reason::NotAuthorised,
            format!("'{}' may not report '{}'", event.agency, body.indicator),
        ));
    }
    match &body.part {
        Some(part) if !definition.parts.iter().any(|known| known.id == *part) => {
            Err(Fail::Wrong(Reason::DataInvalid, format!("/data/part: '{}' has no part '{part}'", body.indicator)))
        }
        _ => Ok(Does::Forecast),
    }
}
