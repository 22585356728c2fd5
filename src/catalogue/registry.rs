//! The registry: who may say what, and what was promised, as of an index. The fold of the governance events and nothing else.
//!
//! Queries stand here; [`super::govern`] changes it. A registry is cheap to clone, so a report of several governance
//! events is tried on a copy and either all of them apply or none.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::indicator::Indicator;
use crate::event::governance::{AgencyRegistered, BodyWithheld, RegionRegistered, SourceInterpreted, TargetSet};
use crate::event::schema::Schema;
use crate::event::{Day, Text, Time};

/// Newest rules version this binary knows; it halts at a later one.
pub const RULES_KNOWN: u32 = 1;

/// Everything governance has established, as of an index.
#[derive(Debug, Clone, Default)]
pub struct Registry {
    /// The log's origin; `aud` of every signature. Empty until `ledger.created`.
    pub origin: String,
    /// The log's first vkey.
    pub log_key: String,
    /// Its later ones, oldest first.
    pub log_keys: Vec<LogKeyState>,
    /// A simulated ledger.
    pub simulated: bool,
    /// Rules version in force.
    pub rules: u32,
    /// Agencies by code.
    pub agencies: BTreeMap<Arc<str>, AgencyState>,
    /// Agency codes by number, in the order of registration.
    pub agency_codes: Vec<Arc<str>>,
    /// Keys by NKey public key.
    pub keys: HashMap<Arc<str>, KeyState>,
    /// Schemas by event type.
    pub schemas: BTreeMap<Arc<str>, SchemaState>,
    /// Event types by number, in the order of registration.
    pub kinds: Vec<Arc<str>>,
    /// Regions by code.
    pub regions: BTreeMap<String, RegionState>,
    /// Indicators by id.
    pub indicators: BTreeMap<Arc<str>, Arc<IndicatorState>>,
    /// Indicator ids by number, in the order of registration.
    pub indicator_ids: Vec<Arc<str>>,
    /// Numbers of the indicators that some version of takes an event type.
    pub movers: HashMap<Arc<str>, Vec<u16>>,
    /// Entries whose body is to be withheld, with everything said of that, in order.
    pub withheld: BTreeMap<u64, Vec<Arc<WithheldState>>>,
    /// Schemas compiled elsewhere, none of them registered here: one that is, with the same text, needs no compiling.
    pub(super) compiled: BTreeMap<Arc<str>, Arc<Schema>>,
}

/// What one agency says of withholding a body. It stands: what was removed on its word cannot be unsaid.
#[derive(Debug, Clone)]
pub struct WithheldState {
    /// Index of the entry that says it.
    pub said: u64,
    /// Who says it.
    pub by: Arc<str>,
    /// What it says.
    pub body: BodyWithheld,
}

impl WithheldState {
    /// Whether another says the same; each may have a ground of its own.
    fn agrees(&self, other: &Self) -> bool {
        let key = |state: &Self| {
            let body = &state.body;
            (body.agency.clone(), body.sha256.clone(), body.mask.clone(), body.stands.clone())
        };
        key(self) == key(other)
    }
}

/// What authority and agency agreed on.
#[derive(Debug, Clone, Copy)]
pub struct Agreed<'a> {
    /// What both say.
    pub body: &'a BodyWithheld,
    /// Index of the entry with the later of the two statements.
    pub said: u64,
}

/// An agency.
#[derive(Debug, Clone)]
pub struct AgencyState {
    /// Number in the order of registration.
    pub number: u16,
    /// As registered last.
    pub info: AgencyRegistered,
    /// Who follows it: code, day, reason.
    pub successor: Option<(Arc<str>, Day, String)>,
    /// Index of the first registration.
    pub index: u64,
}

/// A key.
#[derive(Debug, Clone)]
pub struct KeyState {
    /// Whose.
    pub agency: Arc<str>,
    /// Index from after which it is valid.
    pub added: u64,
    /// Who added it: the agency itself or an authority, which auditors are shown.
    pub added_by: Arc<str>,
    /// Index from which it is refused.
    pub revoked: Option<u64>,
    /// The key, decompressed once: verification needs it for every report.
    pub verifier: ed25519_dalek::VerifyingKey,
}

/// A later key of the log.
#[derive(Debug, Clone)]
pub struct LogKeyState {
    /// Smallest size of a checkpoint it signs: the one that covers the entry naming it.
    pub from: u64,
    /// The vkey.
    pub vkey: String,
    /// The note by which the key before it names it.
    pub note: String,
}

/// A schema.
#[derive(Debug, Clone)]
pub struct SchemaState {
    /// Number in the order of registration.
    pub number: u16,
    /// Compiled.
    pub schema: Arc<Schema>,
    /// Index it was registered at.
    pub index: u64,
}

/// A region.
#[derive(Debug, Clone)]
pub struct RegionState {
    /// As registered last; `valid_to` and `successor` follow from a succession.
    pub info: RegionRegistered,
    /// Codes it stands for since a succession, with its first day.
    pub predecessors: Vec<(String, Day)>,
}

/// An indicator with its history.
#[derive(Debug, Clone)]
pub struct IndicatorState {
    /// Number in the order of registration.
    pub number: u16,
    /// Definitions, by effective day, first without one.
    pub versions: Vec<Version>,
    /// Targets with their history, newest last.
    pub targets: BTreeMap<TargetKey, Vec<TargetState>>,
    /// Owners since the first, by effective day.
    pub owners: Vec<OwnerState>,
    /// Readings of the source, in order.
    pub interpretations: Vec<SourceInterpreted>,
}

/// A definition and the day from which it counts.
#[derive(Debug, Clone)]
pub struct Version {
    /// First day, by event `time`; `None` for the first definition.
    pub effective: Option<Day>,
    /// Index of the entry.
    pub index: u64,
    /// The definition.
    pub indicator: Arc<Indicator>,
    /// Why it changed.
    pub reason: Option<String>,
}

/// What a target is of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct TargetKey {
    /// Part id.
    pub part: Option<String>,
    /// Period.
    pub period: Option<String>,
}

/// A target as it stood from an index on.
#[derive(Debug, Clone)]
pub struct TargetState {
    /// Index of the entry.
    pub index: u64,
    /// `recorded` of the entry.
    pub recorded: Time,
    /// The target.
    pub target: TargetSet,
    /// Why it was revised; `None` for the original.
    pub reason: Option<String>,
    /// Who decided.
    pub authority: String,
    /// Day of the announcement.
    pub announced: Option<Day>,
}

/// An owner from a day on.
#[derive(Debug, Clone)]
pub struct OwnerState {
    /// Agency code.
    pub owner: String,
    /// Who it was before.
    pub from: String,
    /// First day.
    pub effective: Day,
    /// Index of the entry.
    pub index: u64,
    /// Why.
    pub reason: String,
}

impl IndicatorState {
    /// The definition in force for events of that day.
    #[must_use]
    pub fn version_on(&self, day: Day) -> &Arc<Indicator> {
        let newest = self.versions.iter().rev().find(|version| version.effective.is_none_or(|from| from <= day));
        // `versions` is never empty: only `indicator.registered` makes a state, with one.
        &newest.unwrap_or(&self.versions[0]).indicator
    }

    /// The newest definition.
    #[must_use]
    pub fn definition(&self) -> &Arc<Indicator> {
        &self.versions[self.versions.len() - 1].indicator
    }

    /// Who answers for it on that day.
    #[must_use]
    pub fn owner_on(&self, day: Day) -> &str {
        let newest = self.owners.iter().rev().find(|owner| owner.effective <= day);
        newest.map_or(self.versions[0].indicator.owner.as_str(), |owner| owner.owner.as_str())
    }
}

impl Registry {
    /// The agency of that number.
    #[must_use]
    pub fn agency_code(&self, number: u16) -> &str {
        self.agency_codes.get(usize::from(number)).map_or("", |code| code)
    }

    /// The event type of that number.
    #[must_use]
    pub fn kind(&self, number: u16) -> &str {
        self.kinds.get(usize::from(number)).map_or("", |kind| kind)
    }

    /// What an event type is called, where it is registered and its schema says so.
    #[must_use]
    pub fn kind_title(&self, kind: &str) -> Option<Text> {
        let title = self.schemas.get(kind)?.schema.title();
        (!title.ko.is_empty() || !title.en.is_empty()).then_some(title)
    }

    /// The indicator of that number.
    #[must_use]
    pub fn indicator(&self, number: u16) -> Option<&Arc<IndicatorState>> {
        self.indicator_ids.get(usize::from(number)).and_then(|id| self.indicators.get(id))
    }

    /// Indicators in the order of the work plan.
    #[must_use]
    pub fn indicators_by_row(&self) -> Vec<&Arc<IndicatorState>> {
        let mut states: Vec<_> = self.indicators.values().collect();
        states.sort_by_key(|state| (state.definition().row, state.number));
        states
    }

    /// An empty registry that takes the schemas of another, instead of compiling them, as they are registered.
    #[must_use]
    pub fn with_schemas_of(other: &Registry) -> Self {
        let compiled = other.schemas.iter().map(|(kind, state)| (kind.clone(), state.schema.clone())).collect();
        Registry { compiled, ..Registry::default() }
    }

    /// From here on every schema is compiled.
    pub fn forget_compiled(&mut self) {
        self.compiled.clear();
    }

    /// Whether that agency governs.
    #[must_use]
    pub fn is_authority(&self, code: &str) -> bool {
        self.agencies.get(code).is_some_and(|agency| agency.info.role == "authority")
    }

    /// Whether that agency, or one it follows, is among those listed.
    #[must_use]
    pub fn is_among(&self, agency: &str, listed: &[String]) -> bool {
        // Nearly always by its own code: successions are asked only where that is not listed.
        listed.iter().any(|code| code == agency) || listed.iter().any(|code| self.acts_for(agency, code))
    }

    /// Whether `successor` may act for `agency`: it is the same, or follows it.
    #[must_use]
    pub fn acts_for(&self, successor: &str, agency: &str) -> bool {
        let mut current = agency;
        // Bounded: a succession never ends in a circle, but what is read from disk is not trusted to keep that.
        for _ in 0..=self.agencies.len() {
            if current == successor {
                return true;
            }
            match self.agencies.get(current).and_then(|state| state.successor.as_ref()) {
                Some((next, _, _)) => current = next,
                None => return false,
            }
        }
        false
    }

    /// What the agency whose entry it is and an authority both say of withholding a body, newest first. That the entry is that
    /// agency's is for whoever has the entry to check: no row leads from an index to an agency. They are always two: what an
    /// authority itself reported takes another authority.
    #[must_use]
    pub fn withholding(&self, index: u64) -> Vec<Agreed<'_>> {
        let said = self.withheld.get(&index).map(Vec::as_slice).unwrap_or_default();
        let own = said.iter().filter(|own| self.acts_for(&own.by, &own.body.agency));
        let agreed = own.filter_map(|own| {
            let alike =
                |other: &&Arc<WithheldState>| self.is_authority(&other.by) && other.by != own.by && own.agrees(other);
            let other = said.iter().find(alike)?;
            Some(Agreed { body: &own.body, said: own.said.max(other.said) })
        });
        let mut agreed: Vec<_> = agreed.collect();
        agreed.sort_by_key(|agreed| std::cmp::Reverse(agreed.said));
        agreed
    }

    /// Whether events of that day may name the region.
    #[must_use]
    pub fn region_valid(&self, code: &str, day: Day) -> bool {
        self.regions.get(code).is_some_and(|region| {
            region.info.valid_from.is_none_or(|from| from.first_day() <= day)
                && region.info.valid_to.is_none_or(|to| day <= to.last_day())
        })
    }
}
