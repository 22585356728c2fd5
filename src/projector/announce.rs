//! Announces progress to the key-value bucket `PROGRESS`: one key per indicator, the value is the JSON of
//! `GET /v1/indicators/{id}`; `size` never decreases. At midnight in Seoul every indicator is announced again: statuses move
//! with the day.
//!
//! Announcing follows the commits, it never holds them back: while one round is written, commits gather for the next.

use std::collections::HashMap;
use std::time::Duration;

use async_nats::jetstream::kv;
use tokio::time::Instant;

use super::changes::{Changed, Mark, changes};
use super::shared::Shared;
use crate::event::{Day, Time};
use crate::limits::{ANNOUNCE_EVERY_MS, ANNOUNCE_RETRY_MS};
use crate::stream::{Link, declare};

/// What was told of an indicator: its mark, and whether all entries counted were proven then.
type Told = HashMap<String, (Mark, bool)>;

/// Announces until the shared handle is gone, to a bucket of so many replicas.
pub async fn announce(link: Link, shared: Shared, replicas: usize) {
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
            None => declare::progress_bucket_on(&link, replicas).await.map_err(|error| error.to_string()),
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
    let (held, known) = (shared.clone(), told.clone());
    // An indicator told before its reports were proven is told once more.
    let was_told = move |id: &str, mark, proven: bool| {
        known.get(id).is_some_and(|(before, was_proven)| *before == mark && (*was_proven || !proven))
    };
    let changes = tokio::task::spawn_blocking(move || changes(&held, today, was_told)).await;
    let changes = changes.map_err(|error| error.to_string())?.inspect_err(|halt| shared.doubt(halt));
    let changes = changes.map_err(|halt| halt.to_string())?;
    let proven = changes.proven_size >= changes.size;
    let began = told.is_empty();
    for Changed { id, mark, json } in changes.indicators {
        // After a restart the bucket may hold it already: who watches is not told twice.
        if began && holds(bucket, &id, &json).await {
            told.insert(id, (mark, proven));
            continue;
        }
        bucket.put(id.as_str(), json.into()).await.map_err(|error| error.to_string())?;
        told.insert(id, (mark, proven));
    }
    Ok(())
}

/// Whether the bucket says the same of it, and as proven as can be.
async fn holds(bucket: &kv::Store, id: &str, json: &[u8]) -> bool {
    let Ok(Some(held)) = bucket.get(id).await else { return false };
    let parse = |json: &[u8]| serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(json).ok();
    let (Some(mut held), Some(mut new)) = (parse(&held), parse(json)) else { return false };
    if held.get("proven_size") != held.get("size") {
        return false;
    }
    for moves_with_the_log in ["size", "proven_size", "known_at"] {
        held.remove(moves_with_the_log);
        new.remove(moves_with_the_log);
    }
    held == new
}
