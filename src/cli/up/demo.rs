//! `--demo`: simulated agencies report now and then, so that there is something to watch. The ledger says in entry 0 that it
//! is simulated, forever, and every view repeats it.
//!
//! Never plays in a ledger that was not created as simulated.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};

use super::super::ledger::Running;
use crate::catalogue::indicator::Indicator;
use crate::event::Time;
use crate::event::governance::Goal;
use crate::limits::DEMO_EVERY_MS;
use crate::projector::Shared;
use crate::projector::bootstrap::{Publisher, Said};

const REGIONS: [&str; 17] =
    ["11", "26", "27", "28", "29", "30", "31", "41", "42", "43", "44", "45", "46", "47", "48", "49", "50"];

/// Plays until aborted.
pub async fn play(data: PathBuf, running: Running, shared: Shared) {
    let mut turn = 0_u64;
    loop {
        tokio::time::sleep(Duration::from_millis(DEMO_EVERY_MS)).await;
        turn = turn.wrapping_add(1);
        let Some((agency, said)) = invent(&shared, turn) else { continue };
        let opened = Publisher::open(&running.nats, &running.stream, &data, &agency, &running.origin).await;
        let published = match opened {
            Ok(mut publisher) => publisher.publish("report", vec![said]).await,
            Err(error) => Err(error),
        };
        if let Err(error) = published {
            // A region may have ended on that day, or an example names a closed period: the refusal is in the log.
            tracing::debug!(%error, agency, "a simulated report was not accepted");
        }
    }
}

/// The turn's report: an indicator, one of its reporters, its schema's example with other numbers.
fn invent(shared: &Shared, turn: u64) -> Option<(String, Said)> {
    let registry = shared.registry();
    let states = registry.indicators_by_row();
    let state = states.get(usize::try_from(turn).ok()? * 7 % states.len().max(1))?;
    let definition: &Indicator = state.definition();
    let selector = definition.fold.from.first()?;
    let agency = definition.reporters.iter().find(|code| *code != "public-desk" && *code != "motie")?;
    let schema = &registry.schemas.get(selector.event.as_str())?.schema;
    let mut data = schema.examples().first()?.clone();
    let fields = data.as_object_mut()?;
    for name in ["public_source", "on_behalf_of", "evidence", "approval", "chargers"] {
        fields.remove(name);
    }
    let count = 1 + turn % 40;
    let mut set = |name: &str, value: Value| {
        if fields.contains_key(name) {
            fields.insert(name.to_owned(), value);
        }
    };
    set("region", REGIONS[usize::try_from(turn).ok()? * 5 % REGIONS.len()].into());
    set("count", json!(count));
    // What may not be passed is kept, near its limit.
    let limits = state.targets.values().filter_map(|versions| versions.last()).map(|version| &version.target);
    let limits = limits.filter(|target| target.goal == Goal::AtMost).filter_map(|target| target.value);
    let limit = limits.map(|value| value.millionths() / 1_000_000).min();
    let limit = limit.and_then(|limit| u64::try_from(limit).ok()).unwrap_or(u64::MAX);
    set("amount", json!((count * 100_000_000).min(limit - limit / (count + 9))));
    set("class", ["fast", "medium", "slow"][usize::try_from(turn % 3).ok()?].into());
    for (field, values) in &selector.only {
        if let Some(value) = values.first().filter(|value| !value.is_empty()) {
            fields.insert(field.clone(), value.as_str().into());
        }
    }
    fields.insert("remark".to_owned(), "모의 보고 / simulated report".into());
    Some((agency.clone(), Said { time: Time::now(), ..Said::now(selector.event.clone(), data) }))
}
