//! Which indicators an event moves and with what: the catalogue's selectors applied to one event. Pure.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Reason;
use crate::catalogue::indicator::{FoldKind, Indicator, Selector};
use crate::catalogue::registry::Registry;
use crate::event::{Amount, Day};
use crate::limits::{EVENT_MILLIONTHS_MAX, IDENTITY_BYTES_MAX, THINGS_MAX};

/// What one event will give one indicator, by series paths; the fold turns paths into numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effect {
    /// Number of the indicator.
    pub indicator: u16,
    /// Contribution.
    pub gives: Gives,
    /// Series of total, parts, splits (except agency) and period.
    pub paths: Vec<String>,
    /// The reporting agency's series, where the indicator splits by agency.
    pub agency_path: Option<String>,
    /// Marked provisional.
    pub provisional: bool,
    /// Marked approximate.
    pub approximate: bool,
}

/// The contribution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Gives {
    /// An amount; `loose` where things could have been listed and were not.
    Amount {
        /// How much.
        amount: Amount,
        /// Not de-duplicated.
        loose: bool,
    },
    /// A stated value.
    Value(Amount),
    /// Claims on things, each up to a stage.
    Things {
        /// Identity fields per thing.
        identities: Vec<Vec<String>>,
        /// Paths of the stages reached, from the first; empty without stages.
        stage_paths: Vec<String>,
        /// Number of the stage from which a thing counts; 0 without stages.
        counts_from: u16,
    },
    /// A remark.
    Remark,
}

type Wrong = (Reason, String);

/// The field at a dotted path of `data`.
#[must_use]
pub fn field<'a>(data: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.').try_fold(data, |value, name| value.get(name))
}

/// A scalar as the text that selectors, splits and identities compare.
#[must_use]
pub fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.as_str().to_owned()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}

/// Whether every condition holds; an empty string among the accepted values matches an absent field.
fn holds(only: &BTreeMap<String, Vec<String>>, data: &Value) -> bool {
    only.iter().all(|(path, accepted)| {
        let value = field(data, path).and_then(scalar).unwrap_or_default();
        accepted.contains(&value)
    })
}

fn marked(data: &Value, name: &str) -> bool {
    data.get(name).and_then(Value::as_bool).unwrap_or(false)
}

/// Effects of one event of `kind` by `agency` on `day`.
///
/// # Errors
/// No indicator matches, the agency may not report one that does, or a field the fold needs is missing or wrong.
pub fn plan(registry: &Registry, agency: &str, kind: &str, day: Day, data: &Value) -> Result<Vec<Effect>, Wrong> {
    check_region(registry, day, data)?;
    check_behalf(registry, data)?;
    let mut effects = Vec::new();
    for number in registry.movers.get(kind).into_iter().flatten() {
        let Some(state) = registry.indicator(*number) else { continue };
        let definition = state.version_on(day);
        let Some(selector) = select(definition, kind, day, data) else { continue };
        if !registry.is_among(agency, &definition.reporters) {
            let listed = definition.reporters.join(", ");
            let detail = format!("'{agency}' may not report '{}'; its reporters are: {listed}", definition.id);
            return Err((Reason::NotAuthorised, detail));
        }
        effects.push(effect(*number, definition, selector, agency, data)?);
    }
    if effects.is_empty() {
        return Err((Reason::NoIndicator, format!("no indicator takes {kind} with this data on {day}")));
    }
    Ok(effects)
}

fn check_region(registry: &Registry, day: Day, data: &Value) -> Result<(), Wrong> {
    match data.get("region").and_then(Value::as_str) {
        Some(code) if !registry.region_valid(code, day) => {
            let successor = registry.regions.get(code).and_then(|region| region.info.successor.as_deref());
            let hint = successor.map_or(String::new(), |code| format!("; its successor is '{code}'"));
            Err((Reason::RegionUnknown, format!("/data/region: '{code}' is no region on {day}{hint}")))
        }
        _ => Ok(()),
    }
}

fn check_behalf(registry: &Registry, data: &Value) -> Result<(), Wrong> {
    match data.get("on_behalf_of").and_then(Value::as_str) {
        Some(code) if !registry.agencies.contains_key(code) => {
            Err((Reason::AgencyUnknown, format!("/data/on_behalf_of: '{code}' is not registered")))
        }
        _ => Ok(()),
    }
}

fn select<'a>(definition: &'a Indicator, kind: &str, day: Day, data: &Value) -> Option<&'a Selector> {
    let fold = &definition.fold;
    if fold.to_date.is_some_and(|to| to.last_day() < day) {
        return None;
    }
    let begun = |selector: &Selector| selector.from_date.or(fold.from_date).is_none_or(|from| from.first_day() <= day);
    fold.from.iter().find(|selector| selector.event == kind && holds(&selector.only, data) && begun(selector))
}

fn effect(
    number: u16,
    definition: &Indicator,
    selector: &Selector,
    agency: &str,
    data: &Value,
) -> Result<Effect, Wrong> {
    if let (Some(path), Some(wanted)) =
        (&selector.currency, definition.unit.as_ref().and_then(|unit| unit.currency.as_deref()))
    {
        let given = field(data, path).and_then(Value::as_str).unwrap_or("");
        if given != wanted {
            let detail = format!("/data/{path}: '{}' is reported in {wanted}, not '{given}'", definition.id);
            return Err((Reason::CurrencyUnknown, detail));
        }
    }
    let (gives, unlisted) = gives(definition, selector, data)?;
    let mut paths = Vec::new();
    let counts = unlisted.as_ref().is_none_or(Reach::counts);
    for part in definition.parts.iter().filter(|part| counts && holds(&part.only, data)) {
        paths.push(series(definition, "part", &part.id));
    }
    let (provisional, approximate) = (marked(data, "provisional"), marked(data, "approximate"));
    if selector.beside {
        // What moves no part is still told of the indicator.
        let gives = if paths.is_empty() { Gives::Remark } else { gives };
        return Ok(Effect { indicator: number, gives, paths, agency_path: None, provisional, approximate });
    }
    if counts {
        paths.insert(0, [&definition.id, "/total"].concat());
        split_paths(definition, data, &mut paths)?;
    }
    paths.extend(unlisted.map(|reach| reach.stage_paths).unwrap_or_default());
    let by_agency = definition.splits.iter().any(|split| split.id == "agency");
    Ok(Effect {
        indicator: number,
        gives,
        paths,
        agency_path: (by_agency && counts).then(|| series(definition, "agency", agency)),
        provisional,
        approximate,
    })
}

/// Path of a series: joined, not formatted, for every event makes several.
fn series(definition: &Indicator, split: &str, value: &str) -> String {
    [&definition.id, "/", split, "/", value].concat()
}

/// Series of splits (except agency) and period.
fn split_paths(definition: &Indicator, data: &Value, paths: &mut Vec<String>) -> Result<(), Wrong> {
    let splits = definition.splits.iter().filter_map(|split| Some((split.id.as_str(), split.field.as_deref()?)));
    let period = definition.fold.period.as_deref().map(|path| ("period", path));
    for (split, path) in splits.chain(period) {
        if let Some(value) = field(data, path).and_then(scalar) {
            paths.push(series(definition, split, &bounded(path, value)?));
        }
    }
    Ok(())
}

/// The contribution; for things counted without being listed, with the stage they reached.
fn gives(definition: &Indicator, selector: &Selector, data: &Value) -> Result<(Gives, Option<Reach>), Wrong> {
    Ok(match definition.fold.kind {
        FoldKind::Narrative => (Gives::Remark, None),
        FoldKind::Latest => (Gives::Value(amount(selector, data)?), None),
        FoldKind::Sum => match listed(selector, data)? {
            Some(identities) => (Gives::Things { identities, stage_paths: Vec::new(), counts_from: 0 }, None),
            None => (Gives::Amount { amount: amount(selector, data)?, loose: selector.things.is_some() }, None),
        },
        FoldKind::Distinct | FoldKind::Stage => {
            let reach = reach(definition, selector, data)?;
            match things(definition, selector, data)? {
                Some(identity) => {
                    let (stage_paths, counts_from) = (reach.stage_paths, reach.counts_from);
                    (Gives::Things { identities: vec![identity], stage_paths, counts_from }, None)
                }
                None => (Gives::Amount { amount: amount(selector, data)?, loose: true }, Some(reach)),
            }
        }
    })
}

fn bounded(path: &str, value: String) -> Result<String, Wrong> {
    if value.is_empty() || value.len() > IDENTITY_BYTES_MAX || value.chars().any(char::is_control) {
        let detail = format!("/data/{path}: give 1 to {IDENTITY_BYTES_MAX} bytes without control characters");
        return Err((Reason::DataInvalid, detail));
    }
    Ok(value)
}

fn amount(selector: &Selector, data: &Value) -> Result<Amount, Wrong> {
    let Some(path) = &selector.value else { return Ok(Amount::from_int(1)) };
    let value = field(data, path).ok_or_else(|| (Reason::DataInvalid, format!("/data/{path}: is missing")))?;
    let amount = Amount::from_json(value).map_err(|error| (Reason::DataInvalid, format!("/data/{path}: {error}")))?;
    if amount.millionths().abs() > EVENT_MILLIONTHS_MAX {
        return Err((Reason::DataInvalid, format!("/data/{path}: one report moves at most 10^18; check the unit")));
    }
    Ok(amount)
}

/// Things a `sum` report lists; each is named by its one field.
fn listed(selector: &Selector, data: &Value) -> Result<Option<Vec<Vec<String>>>, Wrong> {
    let Some(path) = &selector.things else { return Ok(None) };
    let Some(list) = field(data, path).and_then(Value::as_array).filter(|list| !list.is_empty()) else {
        return Ok(None);
    };
    if list.len() > THINGS_MAX {
        return Err((Reason::DataInvalid, format!("/data/{path}: lists more than {THINGS_MAX} things")));
    }
    let mut identities = Vec::with_capacity(list.len());
    for value in list {
        let name =
            scalar(value).ok_or_else(|| (Reason::DataInvalid, format!("/data/{path}: things are named by texts")))?;
        identities.push(vec![bounded(path, name)?]);
    }
    identities.sort();
    identities.dedup();
    let stated = selector.value.as_ref().and_then(|path| field(data, path));
    if let Some(stated) = stated {
        let count = Amount::from_json(stated).map_err(|error| (Reason::DataInvalid, error.to_string()))?;
        if count != Amount::from_int(identities.len() as i64) {
            let detail =
                format!("/data/{path}: lists {} different things, but the count says {count}", identities.len());
            return Err((Reason::DataInvalid, detail));
        }
    }
    Ok(Some(identities))
}

/// Identity of the thing; `None` where things are counted without being listed.
fn things(definition: &Indicator, selector: &Selector, data: &Value) -> Result<Option<Vec<String>>, Wrong> {
    let fold = &definition.fold;
    let mut identity = Vec::with_capacity(fold.identity.len());
    for path in &fold.identity {
        if let Some(value) = field(data, path).and_then(scalar) {
            identity.push(bounded(path, value)?);
        }
    }
    let unlisted = selector.value.as_ref().is_some_and(|path| field(data, path).is_some());
    if fold.kind == FoldKind::Distinct && identity.is_empty() && unlisted {
        return Ok(None);
    }
    if identity.len() != fold.identity.len() {
        let detail =
            format!("/data: '{}' is told apart by {}; give all of them", definition.id, fold.identity.join(", "));
        return Err((Reason::DataInvalid, detail));
    }
    Ok(Some(identity))
}

/// How far along the stages a report says its things are.
struct Reach {
    /// Paths of the stages reached, from the first; empty without stages.
    stage_paths: Vec<String>,
    /// Number of the stage from which things count; 0 without stages.
    counts_from: u16,
}

impl Reach {
    fn counts(&self) -> bool {
        self.stage_paths.is_empty() || usize::from(self.counts_from) < self.stage_paths.len()
    }
}

fn reach(definition: &Indicator, selector: &Selector, data: &Value) -> Result<Reach, Wrong> {
    let fold = &definition.fold;
    let reached = match &selector.stage {
        Some(path) => {
            let name = field(data, path).and_then(scalar).unwrap_or_default();
            let number = fold.stages.iter().position(|stage| stage.id == name);
            number.ok_or_else(|| {
                let known: Vec<_> = fold.stages.iter().map(|stage| stage.id.as_str()).collect();
                (Reason::DataInvalid, format!("/data/{path}: '{name}' is none of the stages {}", known.join(", ")))
            })?
        }
        None => fold.stages.len().saturating_sub(1),
    };
    let counts_from = fold.counts_from.as_ref().and_then(|id| fold.stages.iter().position(|stage| stage.id == *id));
    let counts_from = counts_from.unwrap_or(fold.stages.len().saturating_sub(1));
    let stages = fold.stages.iter().take(reached + 1);
    let stage_paths = stages.map(|stage| series(definition, "stage", &stage.id)).collect();
    Ok(Reach { stage_paths, counts_from: u16::try_from(counts_from).unwrap_or(u16::MAX) })
}

#[cfg(test)]
mod shipped_tests;
