//! Announces progress to the key-value bucket `PROGRESS`: one key per indicator, the value is the JSON of
//! `GET /v1/indicators/{id}`; `size` never decreases. At midnight in Seoul every indicator is announced again: statuses move
//! with the day.
//!
//! Announcing follows the commits, it never holds them back: while one round is written, commits gather for the next.

use std::collections::HashMap;
use std::time::Duration;

use async_nats::jetstream::kv;
use tokio::time::Instant;

use super::halt::Halt;
use super::shared::Shared;
use crate::catalogue::registry::IndicatorState;
use crate::event::{Day, Time};
use crate::limits::{ANNOUNCE_EVERY_MS, ANNOUNCE_RETRY_MS};
use crate::store::View;
use crate::store::moment::At;
use crate::store::progress::{self, Moment};
use crate::stream::{Link, declare};

/// What was told of an indicator: its mark, and whether all entries counted were proven then.
type Told = HashMap<String, (u64, bool)>;
/// What is to be told: id, mark and proof, JSON.
type Telling = Vec<(String, (u64, bool), Vec<u8>)>;

/// Announces until the shared handle is gone.
pub async fn announce(link: Link, shared: Shared) {
    let mut sizes = shared.sizes();
    let mut proof = shared.proof();
    let mut told = Told::new();
    let mut day = Day::default();
    let mut bucket = None;
    loop {
        let started = Instant::now();
        let today = Time::now().day();
        if today != day {
            told.clear();
            day = today;
        }
        sizes.mark_unchanged();
        proof.mark_unchanged();
        let store = match bucket.take() {
            Some(store) => Ok(store),
            None => declare::progress_bucket(&link).await.map_err(|error| error.to_string()),
        };
        let round = match store {
            Ok(store) => round(&store, &shared, today, &mut told).await.map(|()| store),
            Err(why) => Err(why),
        };
        let pause = match round {
            Ok(store) => {
                bucket = Some(store);
                ANNOUNCE_EVERY_MS
            }
            Err(why) => {
                // The bucket lives in memory and may be gone with a restarted server: everything is announced again.
                tracing::debug!(%why, "announcing failed");
                told.clear();
                ANNOUNCE_RETRY_MS
            }
        };
        tokio::time::sleep_until(started + Duration::from_millis(pause)).await;
        let midnight =
            Duration::from_nanos(today.plus(1).start().ns().saturating_sub(Time::now().ns()).max(1).unsigned_abs());
        if bucket.is_some() {
            tokio::select! {
                changed = sizes.changed() => if changed.is_err() { return },
                // An indicator told before its reports were proven is told once more.
                changed = proof.changed(), if told.values().any(|(_, proven)| !proven) => if changed.is_err() { return },
                () = tokio::time::sleep(midnight) => {}
            }
        }
    }
}

async fn round(bucket: &kv::Store, shared: &Shared, today: Day, told: &mut Told) -> Result<(), String> {
    let held = shared.clone();
    let known = told.clone();
    let values =
        tokio::task::spawn_blocking(move || values(&held, today, &known)).await.map_err(|error| error.to_string())?;
    let values = values.inspect_err(|halt| shared.doubt(halt));
    for (id, mark, json) in values.map_err(|halt| halt.to_string())? {
        bucket.put(id.as_str(), json.into()).await.map_err(|error| error.to_string())?;
        told.insert(id, mark);
    }
    Ok(())
}

/// Indicators that changed since they were told, or are proven now and were not then.
fn values(shared: &Shared, today: Day, told: &Told) -> Result<Telling, Halt> {
    let view = shared.reader().view();
    let registry = shared.registry();
    let size = view.position().size;
    let proven = shared.proven_size() >= size;
    let moment = Moment {
        as_of: today,
        size,
        proven_size: shared.proven_size().min(size),
        known_at: view.position().recorded_max,
    };
    let forecasts = shared.reader().forecasts_until(size)?;
    let mut values = Vec::new();
    for state in registry.indicators_by_row() {
        let id = state.definition().id.clone();
        let mark = mark(&view, state, &id) + forecasts.len() as u64;
        if told.get(&id).is_some_and(|(before, was_proven)| *before == mark && (*was_proven || !proven)) {
            continue;
        }
        let source = At::new(view.clone(), moment);
        let told = progress::indicator(&registry, state, &source, &forecasts, moment)?;
        let json = serde_json::to_vec(&told).map_err(|error| crate::fold::rows::Doubt(error.to_string()))?;
        values.push((id, (mark, proven), json));
    }
    Ok(values)
}

/// Grows with every change of an indicator: moves of its series, and its governance.
fn mark(view: &View, state: &IndicatorState, id: &str) -> u64 {
    let moves: u64 = view.series_with_prefix(&format!("{id}/")).iter().map(|(_, series)| series.moves).sum();
    let targets: usize = state.targets.values().map(Vec::len).sum();
    moves + (targets + state.versions.len() + state.owners.len() + state.interpretations.len()) as u64
}
