//! Founding a ledger: entry 0, catalogue, keys, facts. Run again it publishes only what differs.

use std::path::Path;

use serde_json::Value;

use super::super::exit::{could, file};
use super::super::ledger::Running;
use super::super::out;
use super::Args;
use crate::catalogue::file::{self as catalogue, CatalogueFile};
use crate::catalogue::registry::Registry;
use crate::limits::{CATALOGUE_BYTES_MAX, FACTS_BYTES_MAX};
use crate::projector::Shared;
use crate::projector::bootstrap::{Publisher, Said, creation, facts_to_enter, key_of, keys_to_add};

const CATALOGUE: &str = include_str!("../../../deploy/catalogue/motie-2026.toml");
const FACTS: &str = include_str!("../../../deploy/facts/2026.ndjson");
/// The agency that enters public facts on behalf of others.
const DESK: &str = "public-desk";

/// What the ledger is to hold.
pub struct Plan {
    catalogue: CatalogueFile,
    facts: String,
    origin: String,
    reason: Option<String>,
    /// The catalogue was given, not taken from the binary.
    given: bool,
    /// Play simulated agencies.
    pub demo: bool,
}

impl Plan {
    /// Reads catalogue and facts before anything is started.
    pub fn read(args: &Args) -> anyhow::Result<Self> {
        let text = match &args.catalogue {
            Some(path) => out::read_text(path, CATALOGUE_BYTES_MAX as u64)?,
            None => CATALOGUE.to_owned(),
        };
        let catalogue = catalogue::parse(&text).map_err(|mistakes| {
            let told: Vec<_> = mistakes.iter().map(ToString::to_string).collect();
            could(
                format!("목록에 잘못이 있습니다:\n{}", told.join("\n")),
                format!("the catalogue has mistakes:\n{}", told.join("\n")),
            )
            .next("`jindo catalogue check FILE`로 확인하세요.", "see `jindo catalogue check FILE`")
        })?;
        let facts = match &args.facts {
            Some(path) => out::read_text(path, FACTS_BYTES_MAX)?,
            None => FACTS.to_owned(),
        };
        let (origin, reason, given) = (args.origin.clone(), args.reason.clone(), args.catalogue.is_some());
        Ok(Plan { catalogue, facts, origin, reason, given, demo: args.demo })
    }

    /// Codes of the catalogue's agencies.
    pub fn agencies(&self) -> impl Iterator<Item = &str> {
        self.catalogue.agencies.iter().map(|agency| agency.code.as_str())
    }

    /// Refuses to play in a ledger that was not created as simulated, before anything is started.
    ///
    /// # Errors
    /// `--demo`, and the folder holds a real ledger.
    pub fn suits(&self, registry: &Registry, data: &Path) -> anyhow::Result<()> {
        if !self.demo || registry.origin.is_empty() || registry.simulated {
            return Ok(());
        }
        let data = data.display();
        Err(could(
            format!("{data}의 원장은 시연용이 아닙니다: --demo는 지어낸 보고를 섞습니다"),
            format!("the ledger in {data} is not a simulated one: --demo would mix invented reports into it"),
        )
        .next(
            "--data로 새 폴더를 주거나 --demo 없이 시작하세요.",
            "give a new folder with --data, or start this one without --demo",
        )
        .into())
    }

    fn authority(&self) -> anyhow::Result<&crate::event::governance::AgencyRegistered> {
        let authority = self.catalogue.agencies.iter().find(|agency| agency.role == "authority");
        authority.ok_or_else(|| {
            could("목록에 주무 부처가 없습니다", "the catalogue names no agency with role authority").into()
        })
    }
}

/// Publishes what is missing and writes `running.json` once commands can use the ledger.
pub async fn found(plan: &Plan, data: &Path, running: &Running, shared: &Shared) -> anyhow::Result<Running> {
    let keys = data.join("keys");
    let authority = plan.authority()?;
    let origin = match shared.registry().origin.as_str() {
        "" => plan.origin.clone(),
        held => held.to_owned(),
    };
    let mut publisher = Publisher::open(&running.nats, &running.stream, data, &authority.code, &origin).await?;
    if shared.registry().origin.is_empty() {
        let log_key = key_of(&keys, "log")?;
        let pair = key_of(&keys, &authority.code)?;
        let said = creation(&origin, &log_key, (&authority.code, authority.name.clone(), &pair), plan.demo);
        publisher.publish("govern", vec![said]).await?;
    }
    let said = differences(plan, shared)?;
    publisher.publish("govern", said).await?;
    publisher.publish("govern", keys_to_add(shared, &keys)?).await?;
    drop(publisher);
    if shared.registry().agencies.contains_key(DESK) {
        let facts = facts_to_enter(shared, DESK, &plan.facts)?;
        if !facts.is_empty() {
            Publisher::open(&running.nats, &running.stream, data, DESK, &origin)
                .await?
                .publish("report", facts)
                .await?;
        }
    }
    let genesis = crate::sign::hex::encode(&crate::sign::hex::sha256(&shared.log().read(0)?));
    let path = data.join("genesis");
    std::fs::write(&path, format!("{genesis}\n")).map_err(|error| file(&path, &error))?;
    let running = Running { origin, ..running.clone() };
    write_running(data, &running)?;
    Ok(running)
}

/// What the catalogue says and the ledger does not. A ledger that moved on since it was founded from the binary's own catalogue
/// stays what its log says: nobody asked for the old values.
fn differences(plan: &Plan, shared: &Shared) -> anyhow::Result<Vec<Said>> {
    let registry = shared.registry();
    let founded = !registry.indicators.is_empty();
    let reason = plan.reason.as_deref().filter(|_| plan.given || !founded);
    match catalogue::difference(&plan.catalogue, &registry, reason) {
        Ok(planned) => Ok(planned.into_iter().map(|planned| Said::now(planned.kind, planned.data)).collect()),
        Err(error) if founded && !plan.given => {
            tracing::info!(%error, "the built-in catalogue is not applied: this ledger was changed since");
            Ok(Vec::new())
        }
        Err(error) => {
            let (ko, en) =
                (format!("목록을 적용할 수 없습니다: {error}"), format!("the catalogue cannot be applied: {error}"));
            let next = (
                "목록을 고치거나, --catalogue 없이 시작하고 `jindo catalogue apply`로 적용하세요.",
                "correct it, or start without --catalogue and use `jindo catalogue apply`",
            );
            Err(could(ko, en).next(next.0, next.1).into())
        }
    }
}

/// Written whole or not at all: commands read it at any moment.
pub fn write_running(data: &Path, running: &Running) -> anyhow::Result<()> {
    let path = data.join("running.json");
    let value: Value = serde_json::to_value(running)?;
    let mut temporary = tempfile::NamedTempFile::new_in(data).map_err(|error| file(&path, &error))?;
    std::io::Write::write_all(&mut temporary, format!("{value}\n").as_bytes()).map_err(|error| file(&path, &error))?;
    temporary.persist(&path).map_err(|error| file(&path, &error.error))?;
    Ok(())
}
