//! What the file says and the ledger does not yet: governance events, in an order that applies.
//!
//! Nothing is ever removed here: an agency, region or indicator that the file no longer names stays as it is.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

use super::{CatalogueFile, Commitment, TargetLine};
use crate::catalogue::indicator::{DefinitionChanged, Indicator};
use crate::catalogue::registry::{Registry, TargetKey};
use crate::event::governance::{
    AgencyRegistered, RegionRegistered, RegionSucceeded, SchemaRegistered, SourceInterpreted, TargetRevised, TargetSet,
};
use crate::event::schema::embedded;
use crate::event::{Date, Day};

/// A governance event to publish.
#[derive(Debug, Clone, PartialEq)]
pub struct Planned {
    /// Event type with version.
    pub kind: String,
    /// Its data.
    pub data: Value,
}

/// Why a difference cannot be published.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DifferenceError {
    /// A target was edited instead of revised.
    #[error(
        "the target of '{what}' differs from the ledger: add [[indicator.target.revision]] with a reason, or give a \
         reason with the command"
    )]
    TargetReason {
        /// Indicator, part and period.
        what: String,
    },
    /// A target of the ledger is not in the file.
    #[error("the target of '{what}' stands in the ledger and not in the file: targets are revised, never removed")]
    TargetGone {
        /// Indicator, part and period.
        what: String,
    },
    /// A definition differs and nothing says from when.
    #[error(
        "the definition of '{indicator}' differs from the ledger: add change = {{ effective = \"…\", reason = \"…\" }}"
    )]
    ChangeEffective {
        /// Indicator id.
        indicator: String,
    },
    /// A definition differs and nothing says why.
    #[error("the definition of '{indicator}' changes: give a reason in `change`, or with the command")]
    ChangeReason {
        /// Indicator id.
        indicator: String,
    },
    /// Fold or unit differ.
    #[error("'{indicator}' changes its fold kind or unit, which breaks every figure: register a new indicator instead")]
    OtherMeasure {
        /// Indicator id.
        indicator: String,
    },
    /// The ledger's owner is nowhere in the file.
    #[error("'{indicator}' is owned by '{owner}' in the ledger: add an [[indicator.transfer]] from there")]
    OwnerUnknown {
        /// Indicator id.
        indicator: String,
        /// Owner in the ledger.
        owner: String,
    },
    /// A value that JSON cannot hold; does not happen with what the file's schema takes.
    #[error("cannot write {kind}: {detail}")]
    Encode {
        /// Event type.
        kind: String,
        /// What was wrong.
        detail: String,
    },
}

/// What the ledger holds, as far as a catalogue is concerned.
#[derive(Debug, Clone, Default)]
pub struct Current {
    /// Agencies by code.
    pub agencies: BTreeMap<String, AgencyRegistered>,
    /// Regions by code; `valid_to` and `successor` follow from a succession.
    pub regions: BTreeMap<String, RegionRegistered>,
    /// Event types with a schema.
    pub schemas: BTreeSet<String>,
    /// Indicators by id.
    pub indicators: BTreeMap<String, CurrentIndicator>,
}

/// An indicator as the ledger holds it.
#[derive(Debug, Clone)]
pub struct CurrentIndicator {
    /// Newest definition.
    pub definition: Indicator,
    /// Newest owner, whatever its effective day.
    pub owner: String,
    /// Targets in force, by part and period.
    pub targets: BTreeMap<(Option<String>, Option<String>), TargetSet>,
    /// Readings, in order.
    pub interpretations: Vec<SourceInterpreted>,
}

impl Current {
    /// What a registry holds.
    #[must_use]
    pub fn of(registry: &Registry) -> Self {
        let indicators = registry.indicators.iter().map(|(id, state)| {
            let newest =
                |(key, states): (&TargetKey, &Vec<_>)| Some(((key.part.clone(), key.period.clone()), target(states)?));
            let definition = Indicator::clone(state.definition());
            let owner = state.owners.last().map_or(&definition.owner, |owner| &owner.owner).clone();
            let targets = state.targets.iter().filter_map(newest).collect();
            let interpretations = state.interpretations.clone();
            (id.to_string(), CurrentIndicator { definition, owner, targets, interpretations })
        });
        Current {
            agencies: registry.agencies.iter().map(|(code, agency)| (code.to_string(), agency.info.clone())).collect(),
            regions: registry.regions.iter().map(|(code, region)| (code.clone(), region.info.clone())).collect(),
            schemas: registry.schemas.keys().map(ToString::to_string).collect(),
            indicators: indicators.collect(),
        }
    }
}

fn target(states: &[crate::catalogue::registry::TargetState]) -> Option<TargetSet> {
    states.last().map(|state| state.target.clone())
}

/// What to publish so that the ledger says what the file says. `reason` stands for changes that carry none of their own.
///
/// # Errors
/// [`DifferenceError`]: a change without reason or effective day, or one that cannot be made.
pub fn difference(
    file: &CatalogueFile,
    registry: &Registry,
    reason: Option<&str>,
) -> Result<Vec<Planned>, DifferenceError> {
    difference_from(file, &Current::of(registry), reason)
}

/// As [`difference`], against what the ledger holds.
///
/// # Errors
/// As [`difference`].
pub fn difference_from(
    file: &CatalogueFile,
    current: &Current,
    reason: Option<&str>,
) -> Result<Vec<Planned>, DifferenceError> {
    let mut plan = Plan(Vec::new());
    // First of all: no other type is admitted before its schema is registered.
    for (kind, text) in embedded().iter().filter(|(kind, _)| !current.schemas.contains(*kind)) {
        let schema = SchemaRegistered { kind: (*kind).into(), schema: (*text).into() };
        plan.add("schema.registered.v1", &schema)?;
    }
    agencies(file, current, &mut plan)?;
    regions(file, current, &mut plan)?;
    let pairs: Vec<_> = file.indicators.iter().map(|one| (one, current.indicators.get(&one.indicator.id))).collect();
    for (commitment, known) in &pairs {
        definition(commitment, *known, reason, &mut plan)?;
    }
    for (commitment, known) in &pairs {
        targets(commitment, *known, reason, &mut plan)?;
    }
    for (commitment, known) in &pairs {
        owners(commitment, *known, &mut plan)?;
    }
    for succession in &file.successions {
        succeed(file, succession, current, &mut plan)?;
    }
    for (commitment, known) in &pairs {
        readings(commitment, *known, &mut plan)?;
    }
    Ok(plan.0)
}

struct Plan(Vec<Planned>);

impl Plan {
    fn add(&mut self, kind: &str, data: &impl Serialize) -> Result<(), DifferenceError> {
        let data = serde_json::to_value(data)
            .map_err(|error| DifferenceError::Encode { kind: kind.into(), detail: error.to_string() })?;
        self.0.push(Planned { kind: kind.into(), data });
        Ok(())
    }
}

fn agencies(file: &CatalogueFile, current: &Current, plan: &mut Plan) -> Result<(), DifferenceError> {
    for agency in &file.agencies {
        // Keys come and go by key.added and key.revoked; the file holds none.
        let known =
            current.agencies.get(&agency.code).map(|known| AgencyRegistered { keys: Vec::new(), ..known.clone() });
        if known.as_ref() != Some(agency) {
            plan.add("agency.registered.v1", agency)?;
        }
    }
    Ok(())
}

fn regions(file: &CatalogueFile, current: &Current, plan: &mut Plan) -> Result<(), DifferenceError> {
    for region in &file.regions {
        let known = current.regions.get(&region.code);
        let ended = file.successions.iter().find(|one| one.regions.contains(&region.code));
        let after = ended.map(|succession| RegionRegistered {
            valid_to: Some(last_day(succession.effective)),
            successor: Some(succession.successor.code.clone()),
            ..region.clone()
        });
        if known != Some(region) && (known.is_none() || known != after.as_ref()) {
            let ended = known.is_some_and(|known| known.successor.is_some());
            plan.add("region.registered.v1", after.as_ref().filter(|_| ended).unwrap_or(region))?;
        }
    }
    Ok(())
}

fn last_day(effective: Date) -> Date {
    Date::day(Day::plus(effective.first_day(), -1))
}

fn succeed(
    file: &CatalogueFile,
    succession: &RegionSucceeded,
    current: &Current,
    plan: &mut Plan,
) -> Result<(), DifferenceError> {
    let code = &succession.successor.code;
    let done =
        |region: &String| current.regions.get(region).is_some_and(|known| known.successor.as_ref() == Some(code));
    let later = file.successions.iter().any(|one| one.regions.contains(code));
    if !succession.regions.iter().all(done) {
        plan.add("region.succeeded.v1", succession)
    } else if !later && current.regions.get(code) != Some(&succession.successor) {
        plan.add("region.registered.v1", &succession.successor)
    } else {
        Ok(())
    }
}

fn definition(
    commitment: &Commitment,
    known: Option<&CurrentIndicator>,
    reason: Option<&str>,
    plan: &mut Plan,
) -> Result<(), DifferenceError> {
    let new = &commitment.indicator;
    let Some(known) = known else { return plan.add("indicator.registered.v1", new) };
    // Owners change by transfer, readings of the source by interpretation: neither breaks the series.
    let old = &known.definition;
    let new = Indicator { owner: old.owner.clone(), source: old.source.clone(), ..new.clone() };
    if new == *old {
        return Ok(());
    }
    let indicator = new.id.clone();
    if new.fold.kind != old.fold.kind || new.unit != old.unit {
        return Err(DifferenceError::OtherMeasure { indicator });
    }
    let Some(change) = &commitment.change else { return Err(DifferenceError::ChangeEffective { indicator }) };
    let reason = change.reason.as_deref().or(reason);
    let reason = reason.ok_or(DifferenceError::ChangeReason { indicator })?.to_owned();
    plan.add("definition.changed.v1", &DefinitionChanged { definition: new, effective: change.effective, reason })
}

fn targets(
    commitment: &Commitment,
    known: Option<&CurrentIndicator>,
    reason: Option<&str>,
    plan: &mut Plan,
) -> Result<(), DifferenceError> {
    let key = |target: &TargetSet| (target.part.clone(), target.period.clone());
    for line in &commitment.targets {
        match known.and_then(|known| known.targets.get(&key(&line.first))) {
            None => {
                plan.add("target.set.v1", &line.first)?;
                revise(line, 0, plan)?;
            }
            Some(now) => {
                let at = (0..=line.revisions.len()).rev().find(|&revisions| line.state(revisions) == now);
                match (at, reason) {
                    (Some(at), _) => revise(line, at, plan)?,
                    (None, Some(reason)) => {
                        let new = line.state(line.revisions.len()).clone();
                        let authority = commitment.indicator.authority.clone();
                        let reason = reason.to_owned();
                        let revised = TargetRevised { old: now.clone(), new, reason, authority, announced: None };
                        plan.add("target.revised.v1", &revised)?;
                    }
                    (None, None) => return Err(DifferenceError::TargetReason { what: said(now) }),
                }
            }
        }
    }
    let gone = |target: &&TargetSet| !commitment.targets.iter().any(|line| key(&line.first) == key(target));
    let gone = known.iter().flat_map(|known| known.targets.values()).find(gone);
    gone.map_or(Ok(()), |target| Err(DifferenceError::TargetGone { what: said(target) }))
}

/// The revisions after the first `done` ones.
fn revise(line: &TargetLine, done: usize, plan: &mut Plan) -> Result<(), DifferenceError> {
    for (number, revision) in line.revisions.iter().enumerate().skip(done) {
        let revised = TargetRevised {
            old: line.state(number).clone(),
            new: revision.new.clone(),
            reason: revision.reason.clone(),
            authority: revision.authority.clone(),
            announced: revision.announced,
        };
        plan.add("target.revised.v1", &revised)?;
    }
    Ok(())
}

fn said(target: &TargetSet) -> String {
    [Some(&target.indicator), target.part.as_ref(), target.period.as_ref()]
        .into_iter()
        .flatten()
        .cloned()
        .collect::<Vec<_>>()
        .join("/")
}

fn owners(commitment: &Commitment, known: Option<&CurrentIndicator>, plan: &mut Plan) -> Result<(), DifferenceError> {
    let first = &commitment.indicator.owner;
    let now = known.map_or(first, |known| &known.owner);
    let chain = std::iter::once(first).chain(commitment.transfers.iter().map(|transfer| &transfer.to));
    let done = chain.enumerate().filter(|(_, owner)| *owner == now).map(|(at, _)| at).last();
    let Some(done) = done else {
        return Err(DifferenceError::OwnerUnknown { indicator: commitment.indicator.id.clone(), owner: now.clone() });
    };
    // A new indicator starts with the first owner even where a later transfer returns to it.
    let done = if known.is_none() { 0 } else { done };
    commitment.transfers.iter().skip(done).try_for_each(|transfer| plan.add("owner.transferred.v1", transfer))
}

fn readings(commitment: &Commitment, known: Option<&CurrentIndicator>, plan: &mut Plan) -> Result<(), DifferenceError> {
    let reading = |source: &crate::catalogue::indicator::Source| SourceInterpreted {
        indicator: commitment.indicator.id.clone(),
        fragment: source.fragment.clone(),
        reading: source.reading.clone(),
        confirmed: source.confirmed,
        confirmed_by: None,
    };
    let whole = reading(&commitment.indicator.source);
    let registered = reading(known.map_or(&commitment.indicator.source, |known| &known.definition.source));
    for wanted in std::iter::once(&whole).chain(&commitment.interpretations) {
        let latest = known.and_then(|known| {
            known.interpretations.iter().rev().find(|interpretation| interpretation.fragment == wanted.fragment)
        });
        let stands = match latest {
            Some(latest) => same(latest, wanted),
            None => same(&registered, wanted),
        };
        if !stands {
            plan.add("source.interpreted.v1", wanted)?;
        }
    }
    Ok(())
}

fn same(left: &SourceInterpreted, right: &SourceInterpreted) -> bool {
    (&left.fragment, &left.reading, left.confirmed, &left.confirmed_by)
        == (&right.fragment, &right.reading, right.confirmed, &right.confirmed_by)
}
