//! The catalogue an authority keeps as TOML: read, checked to the last mistake, and compared with the registry.
//!
//! Reading never stops at the first mistake: syntax, shape (`schemas/catalogue.json`) and meaning are all told, each with
//! line and column and what to do. Nothing here publishes; [`difference`] says which governance events are missing.

mod check;
mod difference;
mod measure;
mod tree;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

pub use difference::{Current, CurrentIndicator, DifferenceError, Planned, difference, difference_from};

use super::indicator::Indicator;
use crate::event::Date;
use crate::event::governance::{
    AgencyRegistered, OwnerTransferred, RegionRegistered, RegionSucceeded, SourceInterpreted, TargetSet,
};
use crate::limits::{CATALOGUE_BYTES_MAX, CATALOGUE_MISTAKES_MAX};

/// JSON Schema of the file, for editors too.
pub const FILE_SCHEMA: &str = include_str!("../../schemas/catalogue.json");

/// One mistake in the file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mistake {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub hint: String,
}

impl std::fmt::Display for Mistake {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}:{}: {}; {}", self.line, self.column, self.message, self.hint)
    }
}

/// The file, read without a mistake.
#[derive(Debug, Clone)]
pub struct CatalogueFile {
    /// Agencies, without keys: those are added one by one.
    pub agencies: Vec<AgencyRegistered>,
    /// Regions as they stand before any succession.
    pub regions: Vec<RegionRegistered>,
    /// Successions of regions, in order.
    pub successions: Vec<RegionSucceeded>,
    /// Commitments, in order of the file.
    pub indicators: Vec<Commitment>,
}

/// One indicator with everything promised about it.
#[derive(Debug, Clone)]
pub struct Commitment {
    /// The definition; `owner` is the first one.
    pub indicator: Indicator,
    /// Day and reason, where the definition changes.
    pub change: Option<Change>,
    /// Targets with their revisions.
    pub targets: Vec<TargetLine>,
    /// Later owners, in order.
    pub transfers: Vec<OwnerTransferred>,
    /// Readings of parts of the source.
    pub interpretations: Vec<SourceInterpreted>,
}

/// From when and why a definition changes.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// First day the new definition counts from.
    pub effective: Date,
    /// Why; may also be given with the command.
    #[serde(default)]
    pub reason: Option<String>,
}

/// A target: as first set, then each revision.
#[derive(Debug, Clone)]
pub struct TargetLine {
    /// As first set.
    pub first: TargetSet,
    /// Revisions, in order.
    pub revisions: Vec<Revision>,
}

impl TargetLine {
    /// The state after `revisions` revisions.
    #[must_use]
    pub fn state(&self, revisions: usize) -> &TargetSet {
        revisions.checked_sub(1).and_then(|at| self.revisions.get(at)).map_or(&self.first, |revision| &revision.new)
    }
}

/// A revision of a target.
#[derive(Debug, Clone)]
pub struct Revision {
    /// The target from then on, whole.
    pub new: TargetSet,
    /// Why.
    pub reason: String,
    /// Who decided.
    pub authority: String,
    /// Day of the announcement.
    pub announced: Option<Date>,
}

/// Reads and checks a catalogue file.
///
/// # Errors
/// Every mistake that can be found, in order of the file.
pub fn parse(text: &str) -> Result<CatalogueFile, Vec<Mistake>> {
    if text.len() > CATALOGUE_BYTES_MAX {
        let message = format!("the file has {} bytes, at most {CATALOGUE_BYTES_MAX} are read", text.len());
        return Err(vec![Mistake { line: 1, column: 1, message, hint: "split it into several catalogues".into() }]);
    }
    let (tree, mut mistakes) = tree::read(text);
    for found in check::check(&tree.value) {
        let (line, column) = tree.place(text, &found.pointer);
        mistakes.push(Mistake { line, column, message: found.message, hint: found.hint });
    }
    mistakes.sort();
    mistakes.dedup();
    mistakes.truncate(CATALOGUE_MISTAKES_MAX);
    if !mistakes.is_empty() {
        return Err(mistakes);
    }
    build(&tree.value).map_err(|found| {
        let (line, column) = tree.place(text, &found.pointer);
        vec![Mistake { line, column, message: found.message, hint: found.hint }]
    })
}

/// One mistake by its place in the tree.
#[derive(Debug)]
struct Found {
    pointer: String,
    message: String,
    hint: String,
}

fn found(pointer: impl Into<String>, message: impl Into<String>, hint: impl Into<String>) -> Found {
    Found { pointer: pointer.into(), message: message.into(), hint: hint.into() }
}

fn build(root: &Value) -> Result<CatalogueFile, Found> {
    let indicators = items(root, "indicator").enumerate();
    Ok(CatalogueFile {
        agencies: typed_list(root, "agency", "/agency")?,
        regions: typed_list(root, "region", "/region")?,
        successions: typed_list(root, "region_succession", "/region_succession")?,
        indicators: indicators
            .map(|(at, node)| commitment(node, &format!("/indicator/{at}")))
            .collect::<Result<_, _>>()?,
    })
}

fn commitment(node: &Value, at: &str) -> Result<Commitment, Found> {
    let mut definition = node.clone();
    let id = node.get("id").cloned().unwrap_or_default();
    let with_id = |inner: &Value| {
        let mut inner = inner.clone();
        inner["indicator"] = id.clone();
        inner
    };
    for name in ["target", "transfer", "interpretation", "change"] {
        definition.as_object_mut().map(|object| object.remove(name));
    }
    let each = |name: &str| items(node, name).map(with_id).enumerate().collect::<Vec<_>>();
    Ok(Commitment {
        indicator: typed(definition, at)?,
        change: node.get("change").map(|change| typed(change.clone(), &format!("{at}/change"))).transpose()?,
        targets: each("target")
            .into_iter()
            .map(|(number, target)| target_line(target, &format!("{at}/target/{number}")))
            .collect::<Result<_, _>>()?,
        transfers: each("transfer")
            .into_iter()
            .map(|(number, inner)| typed(inner, &format!("{at}/transfer/{number}")))
            .collect::<Result<_, _>>()?,
        interpretations: each("interpretation")
            .into_iter()
            .map(|(number, inner)| typed(inner, &format!("{at}/interpretation/{number}")))
            .collect::<Result<_, _>>()?,
    })
}

/// A revision says only what changes: the rest stays as it was.
fn target_line(mut target: Value, at: &str) -> Result<TargetLine, Found> {
    let revisions = target.as_object_mut().and_then(|object| object.remove("revision"));
    let mut state = target.clone();
    let first: TargetSet = typed(target, at)?;
    let mut line = TargetLine { first, revisions: Vec::new() };
    for (number, revision) in revisions.iter().filter_map(Value::as_array).flatten().enumerate() {
        let at = format!("{at}/revision/{number}");
        for (name, value) in revision.as_object().into_iter().flatten() {
            if !["reason", "authority", "announced"].contains(&name.as_str()) {
                state[name] = value.clone();
            }
        }
        let text = |name: &str| revision.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        line.revisions.push(Revision {
            new: typed(state.clone(), &at)?,
            reason: text("reason"),
            authority: text("authority"),
            announced: revision.get("announced").map(|date| typed(date.clone(), &at)).transpose()?,
        });
    }
    Ok(line)
}

fn typed<T: DeserializeOwned>(value: Value, at: &str) -> Result<T, Found> {
    serde_json::from_value(value).map_err(|error| found(at, error.to_string(), "see schemas/catalogue.json"))
}

fn typed_list<T: DeserializeOwned>(root: &Value, name: &str, at: &str) -> Result<Vec<T>, Found> {
    items(root, name).enumerate().map(|(number, node)| typed(node.clone(), &format!("{at}/{number}"))).collect()
}

/// The elements of a list member; none where it is absent or something else.
fn items<'a>(node: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
    node.get(name).and_then(Value::as_array).into_iter().flatten()
}

/// A text member.
fn text<'a>(node: &'a Value, name: &str) -> Option<&'a str> {
    node.get(name).and_then(Value::as_str)
}

#[cfg(test)]
mod tests;
