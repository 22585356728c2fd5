//! Governance events change the registry. Each is checked against what stands and applied whole, or refused with a reason.
//!
//! Whether the publisher's key may sign is admission's business; whether the publisher may *govern this* is decided here.

use std::sync::Arc;

use super::indicator::{DefinitionChanged, FoldKind, Indicator};
use super::registry::{
    AgencyState, IndicatorState, OwnerState, RegionState, Registry, SchemaState, TargetKey, TargetState, Version,
    WithheldState,
};
use crate::event::governance as body;
use crate::event::schema::Schema;
use crate::event::{Date, Time};
use crate::limits::WITHHELD_SAID_MAX;

/// Why a governance event was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GovernError {
    /// The publisher may not govern this.
    #[error("{0}")]
    NotAuthorised(String),
    /// It names an indicator that is not registered.
    #[error("indicator '{0}' is not registered; register it first with indicator.registered.v1")]
    IndicatorUnknown(String),
    /// It names an agency that is not registered.
    #[error("agency '{0}' is not registered; register it first with agency.registered.v1")]
    AgencyUnknown(String),
    /// It names a region that is not registered.
    #[error("region '{0}' is not registered; register it first with region.registered.v1")]
    RegionUnknown(String),
    /// It contradicts what stands.
    #[error("{0}")]
    Contradiction(String),
    /// The type is no governance type this binary knows.
    #[error("'{0}' is no governance event")]
    TypeUnknown(String),
    /// `data` does not have the type's shape.
    #[error("data of {0} is malformed: {1}")]
    Data(String, String),
}

/// One governance event with the entry it stands in.
#[derive(Debug, Clone, Copy)]
pub struct Act<'a> {
    /// Index of the entry.
    pub index: u64,
    /// `recorded` of the entry.
    pub recorded: Time,
    /// Publisher.
    pub agency: &'a str,
    /// Event type with version.
    pub kind: &'a str,
    /// `data`.
    pub data: &'a serde_json::Value,
}

fn read<T: serde::de::DeserializeOwned>(act: Act<'_>) -> Result<T, GovernError> {
    serde_json::from_value(act.data.clone()).map_err(|error| GovernError::Data(act.kind.to_owned(), error.to_string()))
}

pub(super) fn contradiction(text: impl Into<String>) -> GovernError {
    GovernError::Contradiction(text.into())
}

impl Registry {
    /// Applies one governance event.
    ///
    /// # Errors
    /// [`GovernError`]; the registry may then be half changed and is to be dropped: callers try on a clone.
    pub fn govern(&mut self, act: Act<'_>) -> Result<(), GovernError> {
        if self.origin.is_empty() != (act.kind == "ledger.created.v1") {
            return Err(contradiction("entry 0, and only entry 0, is ledger.created.v1"));
        }
        match act.kind {
            "ledger.created.v1" => self.created(act),
            "key.added.v1" => self.key_added(act, read(act)?),
            "key.revoked.v1" => self.key_revoked(act, read(act)?),
            "body.withheld.v1" => self.body_withheld(act, read(act)?),
            _ if !self.is_authority(act.agency) => Err(GovernError::NotAuthorised(format!(
                "'{}' is no authority: only authorities publish {}",
                act.agency, act.kind
            ))),
            "rules.adopted.v1" => self.rules_adopted(&read(act)?),
            "log.key-rotated.v1" => self.log_key_rotated(act, read(act)?),
            "schema.registered.v1" => self.schema_registered(act, &read(act)?),
            "agency.registered.v1" => self.agency_registered(act, read(act)?),
            "agency.succeeded.v1" => self.agency_succeeded(read(act)?),
            "region.registered.v1" => self.region_registered(read(act)?),
            "region.succeeded.v1" => self.region_succeeded(read(act)?),
            "indicator.registered.v1" => self.indicator_registered(act, read(act)?),
            "definition.changed.v1" => self.definition_changed(act, read(act)?),
            "target.set.v1" => self.target_set(act, read(act)?),
            "target.revised.v1" => self.target_revised(act, read(act)?),
            "owner.transferred.v1" => self.owner_transferred(act, read(act)?),
            "source.interpreted.v1" => self.source_interpreted(act, read(act)?),
            other => Err(GovernError::TypeUnknown(other.to_owned())),
        }
    }

    fn created(&mut self, act: Act<'_>) -> Result<(), GovernError> {
        let created: body::LedgerCreated = read(act)?;
        if created.origin.is_empty()
            || created.origin.len() > 256
            || created.origin.chars().any(|c| c.is_control() || c.is_whitespace() || c == '+')
        {
            return Err(contradiction("origin is empty, too long, or holds a space, a plus or a control character"));
        }
        if !created.authorities.iter().any(|authority| authority.code == act.agency) {
            return Err(GovernError::NotAuthorised(format!("'{}' is none of the authorities it names", act.agency)));
        }
        self.origin = created.origin;
        self.log_key = created.log_key;
        self.simulated = created.simulated;
        self.rules = created.rules;
        for mut authority in created.authorities {
            authority.role = "authority".to_owned();
            self.agency_registered(act, authority)?;
        }
        Ok(())
    }

    fn rules_adopted(&mut self, adopted: &body::RulesAdopted) -> Result<(), GovernError> {
        // Nobody can take back what halts intake: a number that skips one is a slip of the hand or worse.
        let next = self.rules.saturating_add(1);
        if adopted.rules != next {
            return Err(contradiction(format!("rules {} are in force; the next ones are {next}", self.rules)));
        }
        self.rules = adopted.rules;
        Ok(())
    }

    fn schema_registered(&mut self, act: Act<'_>, registered: &body::SchemaRegistered) -> Result<(), GovernError> {
        if let Some(known) = self.schemas.get(registered.kind.as_str()) {
            return if *known.schema.text == *registered.schema {
                Ok(())
            } else {
                Err(contradiction(format!(
                    "{} has another schema: register a new version of the type",
                    registered.kind
                )))
            };
        }
        let known = self.compiled.get(registered.kind.as_str()).filter(|known| *known.text == *registered.schema);
        let schema = match known {
            Some(known) => known.clone(),
            None => Schema::compile(&registered.kind, &registered.schema)
                .map(Arc::new)
                .map_err(|error| contradiction(format!("schema of {}: {error}", registered.kind)))?,
        };
        let number = u16::try_from(self.kinds.len()).map_err(|_| contradiction("65,535 event types are registered"))?;
        let kind: Arc<str> = registered.kind.as_str().into();
        self.kinds.push(kind.clone());
        self.schemas.insert(kind, SchemaState { number, schema, index: act.index });
        Ok(())
    }

    fn agency_registered(&mut self, act: Act<'_>, info: body::AgencyRegistered) -> Result<(), GovernError> {
        if !crate::event::subject::is_agency_code(&info.code) {
            return Err(contradiction(format!("'{}' is no agency code ([a-z][a-z0-9-]{{1,31}})", info.code)));
        }
        if info.role == "authority" && act.kind != "ledger.created.v1" && !self.is_authority(&info.code) {
            return Err(contradiction("authorities are named by ledger.created.v1 alone"));
        }
        self.keeps_authority(&info)?;
        let code: Arc<str> = info.code.as_str().into();
        for key in &info.keys {
            self.add_key(act, &code, key)?;
        }
        if let Some(known) = self.agencies.get_mut(&code) {
            known.info = info;
            return Ok(());
        }
        let number =
            u16::try_from(self.agency_codes.len()).map_err(|_| contradiction("65,535 agencies are registered"))?;
        self.agency_codes.push(code.clone());
        self.agencies.insert(code, AgencyState { number, info, successor: None, index: act.index });
        Ok(())
    }

    /// A new description leaves an authority one, and valid: without any, nobody could govern the ledger ever again.
    fn keeps_authority(&self, info: &body::AgencyRegistered) -> Result<(), GovernError> {
        let Some(known) = self.agencies.get(info.code.as_str()).map(|state| &state.info) else { return Ok(()) };
        if known.role != "authority" {
            return Ok(());
        }
        let narrower = |new: Option<Date>, old: Option<Date>| new.is_some() && new != old;
        if info.role != "authority" {
            return Err(contradiction(format!("'{}' is an authority and stays one", info.code)));
        }
        if narrower(info.valid_from, known.valid_from) || narrower(info.valid_to, known.valid_to) {
            return Err(contradiction(format!(
                "'{}' is an authority: its validity ends by agency.succeeded.v1 alone",
                info.code
            )));
        }
        Ok(())
    }

    fn agency_succeeded(&mut self, succeeded: body::AgencySucceeded) -> Result<(), GovernError> {
        let successor = self.agencies.get_key_value(succeeded.successor.as_str());
        let successor =
            successor.map(|(code, _)| code.clone()).ok_or(GovernError::AgencyUnknown(succeeded.successor.clone()))?;
        if self.acts_for(&succeeded.agency, &successor) {
            return Err(contradiction(format!("'{}' already follows '{}': no circles", succeeded.agency, successor)));
        }
        let state = self.agencies.get_mut(succeeded.agency.as_str());
        let state = state.ok_or(GovernError::AgencyUnknown(succeeded.agency))?;
        state.info.valid_to = Some(Date::day(succeeded.effective.first_day().plus(-1)));
        state.successor = Some((successor, succeeded.effective.first_day(), succeeded.reason));
        Ok(())
    }

    fn region_registered(&mut self, info: body::RegionRegistered) -> Result<(), GovernError> {
        let predecessors = self.regions.get(&info.code).map(|region| region.predecessors.clone()).unwrap_or_default();
        self.regions.insert(info.code.clone(), RegionState { info, predecessors });
        Ok(())
    }

    fn region_succeeded(&mut self, succeeded: body::RegionSucceeded) -> Result<(), GovernError> {
        let effective = succeeded.effective.first_day();
        for code in &succeeded.regions {
            let region = self.regions.get_mut(code).ok_or_else(|| GovernError::RegionUnknown(code.clone()))?;
            region.info.valid_to = Some(Date::day(effective.plus(-1)));
            region.info.successor = Some(succeeded.successor.code.clone());
        }
        let mut info = succeeded.successor;
        info.valid_from.get_or_insert(Date::day(effective));
        let known = self.regions.get(&info.code).map(|region| region.predecessors.clone()).unwrap_or_default();
        let joining = succeeded.regions.into_iter().map(|code| (code, effective));
        let predecessors = known.into_iter().chain(joining).collect();
        self.regions.insert(info.code.clone(), RegionState { info, predecessors });
        Ok(())
    }

    fn check_definition(&self, indicator: &Indicator) -> Result<(), GovernError> {
        let named = std::iter::once(&indicator.owner)
            .chain(&indicator.reporters)
            .chain(&indicator.verifiers)
            .chain(std::iter::once(&indicator.authority));
        for agency in named {
            if !self.agencies.contains_key(agency.as_str()) {
                return Err(GovernError::AgencyUnknown(agency.clone()));
            }
        }
        for selector in &indicator.fold.from {
            if !self.schemas.contains_key(selector.event.as_str()) {
                return Err(contradiction(format!("event type {} has no schema; register it first", selector.event)));
            }
        }
        let stages = &indicator.fold.stages;
        if indicator.fold.kind == FoldKind::Stage && stages.is_empty() {
            return Err(contradiction(format!("'{}' folds stages but names none", indicator.id)));
        }
        match &indicator.fold.counts_from {
            Some(from) if !stages.iter().any(|stage| stage.id == *from) => {
                Err(contradiction(format!("counts_from '{from}' is none of the stages of '{}'", indicator.id)))
            }
            _ => Ok(()),
        }
    }

    fn indicator_registered(&mut self, act: Act<'_>, indicator: Indicator) -> Result<(), GovernError> {
        if self.indicators.contains_key(indicator.id.as_str()) {
            return Err(contradiction(format!(
                "'{}' is registered; change it with definition.changed.v1",
                indicator.id
            )));
        }
        self.check_definition(&indicator)?;
        if indicator.authority != act.agency {
            return Err(GovernError::NotAuthorised(format!(
                "authority of '{}' is '{}'",
                indicator.id, indicator.authority
            )));
        }
        let number =
            u16::try_from(self.indicator_ids.len()).map_err(|_| contradiction("65,535 indicators are registered"))?;
        let id: Arc<str> = indicator.id.as_str().into();
        self.note_movers(number, &indicator);
        let version = Version { effective: None, index: act.index, indicator: Arc::new(indicator), reason: None };
        let state = IndicatorState {
            number,
            versions: vec![version],
            targets: std::collections::BTreeMap::new(),
            owners: Vec::new(),
            interpretations: Vec::new(),
        };
        self.indicator_ids.push(id.clone());
        self.indicators.insert(id, Arc::new(state));
        Ok(())
    }

    fn note_movers(&mut self, number: u16, indicator: &Indicator) {
        for selector in &indicator.fold.from {
            let movers = self.movers.entry(selector.event.as_str().into()).or_default();
            if !movers.contains(&number) {
                movers.push(number);
            }
        }
    }

    /// The indicator, where the publisher is its authority.
    fn governed(&mut self, act: Act<'_>, id: &str) -> Result<&mut IndicatorState, GovernError> {
        let state = self.indicators.get_mut(id).ok_or_else(|| GovernError::IndicatorUnknown(id.to_owned()))?;
        let authority = &state.definition().authority;
        if authority != act.agency {
            return Err(GovernError::NotAuthorised(format!(
                "authority of '{id}' is '{authority}', not '{}'",
                act.agency
            )));
        }
        Ok(Arc::make_mut(state))
    }

    fn definition_changed(&mut self, act: Act<'_>, changed: DefinitionChanged) -> Result<(), GovernError> {
        self.check_definition(&changed.definition)?;
        let effective = changed.effective.first_day();
        let state = self.governed(act, &changed.definition.id)?;
        let old = state.definition();
        if old.fold.kind != changed.definition.fold.kind || old.unit != changed.definition.unit {
            return Err(contradiction("a definition keeps its fold and unit: register a new indicator instead"));
        }
        if state.versions.iter().any(|version| version.effective.is_some_and(|from| from >= effective)) {
            return Err(contradiction(format!(
                "a definition of '{}' takes effect on or after {effective} already",
                old.id
            )));
        }
        let number = state.number;
        let indicator = Arc::new(changed.definition);
        state.versions.push(Version {
            effective: Some(effective),
            index: act.index,
            indicator: indicator.clone(),
            reason: Some(changed.reason),
        });
        self.note_movers(number, &indicator);
        Ok(())
    }

    fn target_set(&mut self, act: Act<'_>, target: body::TargetSet) -> Result<(), GovernError> {
        let state = self.governed(act, &target.indicator)?;
        let key = target_key(state, &target)?;
        if state.targets.contains_key(&key) {
            return Err(contradiction(format!(
                "'{}' has that target; change it with target.revised.v1",
                target.indicator
            )));
        }
        let set = TargetState {
            index: act.index,
            recorded: act.recorded,
            target,
            reason: None,
            authority: act.agency.to_owned(),
            announced: None,
        };
        state.targets.insert(key, vec![set]);
        Ok(())
    }

    fn target_revised(&mut self, act: Act<'_>, revised: body::TargetRevised) -> Result<(), GovernError> {
        if !self.agencies.contains_key(revised.authority.as_str()) {
            return Err(GovernError::AgencyUnknown(revised.authority));
        }
        let state = self.governed(act, &revised.new.indicator)?;
        let key = target_key(state, &revised.new)?;
        let history = state
            .targets
            .get_mut(&key)
            .ok_or_else(|| contradiction("there is no such target to revise; set it first"))?;
        if history.last().is_none_or(|newest| newest.target != revised.old) {
            return Err(contradiction(
                "`old` differs from the target in force: read it again and state what is replaced",
            ));
        }
        history.push(TargetState {
            index: act.index,
            recorded: act.recorded,
            target: revised.new,
            reason: Some(revised.reason),
            authority: revised.authority,
            announced: revised.announced.map(Date::first_day),
        });
        Ok(())
    }

    fn owner_transferred(&mut self, act: Act<'_>, transferred: body::OwnerTransferred) -> Result<(), GovernError> {
        if !self.agencies.contains_key(transferred.to.as_str()) {
            return Err(GovernError::AgencyUnknown(transferred.to));
        }
        let effective = transferred.effective.first_day();
        let state = self.governed(act, &transferred.indicator)?;
        let current =
            state.owners.last().map_or(state.versions[0].indicator.owner.as_str(), |owner| owner.owner.as_str());
        if current != transferred.from {
            return Err(contradiction(format!(
                "owner of '{}' is '{current}', not '{}'",
                transferred.indicator, transferred.from
            )));
        }
        if state.owners.last().is_some_and(|owner| owner.effective >= effective) {
            return Err(contradiction(format!(
                "an owner of '{}' takes over on or after {effective} already",
                transferred.indicator
            )));
        }
        state.owners.push(OwnerState {
            owner: transferred.to,
            from: transferred.from,
            effective,
            index: act.index,
            reason: transferred.reason,
        });
        Ok(())
    }

    fn source_interpreted(&mut self, act: Act<'_>, read: body::SourceInterpreted) -> Result<(), GovernError> {
        let state = self.governed(act, &read.indicator)?;
        state.interpretations.push(read);
        Ok(())
    }

    /// An authority, and the agency whose entry it is, say it one after the other. Admission holds the speaker to what the
    /// statement claims of the entry; whether that is so is held against the entry itself by `jindo withhold` and by audits.
    fn body_withheld(&mut self, act: Act<'_>, body: body::BodyWithheld) -> Result<(), GovernError> {
        if body.index >= act.index {
            return Err(contradiction(format!("entry {} does not exist yet", body.index)));
        }
        if !self.agencies.contains_key(body.agency.as_str()) {
            return Err(GovernError::AgencyUnknown(body.agency));
        }
        if !self.is_authority(act.agency) && !self.acts_for(act.agency, &body.agency) {
            let why = format!("'{}' may not withhold what '{}' reported", act.agency, body.agency);
            return Err(GovernError::NotAuthorised(why));
        }
        let said = self.withheld.entry(body.index).or_default();
        if said.iter().filter(|state| *state.by == *act.agency).count() >= WITHHELD_SAID_MAX {
            return Err(contradiction(format!("'{}' spoke of entry {} often enough", act.agency, body.index)));
        }
        said.push(Arc::new(WithheldState { said: act.index, by: act.agency.into(), body }));
        Ok(())
    }
}

fn target_key(state: &IndicatorState, target: &body::TargetSet) -> Result<TargetKey, GovernError> {
    let has =
        |part: &str| state.versions.iter().any(|version| version.indicator.parts.iter().any(|known| known.id == part));
    if let Some(part) = target.part.as_deref().filter(|part| !has(part)) {
        return Err(contradiction(format!("'{}' has no part '{part}'", target.indicator)));
    }
    Ok(TargetKey { part: target.part.clone(), period: target.period.clone() })
}
