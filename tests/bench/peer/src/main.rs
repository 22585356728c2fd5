//! A Rust event-sourcing library on PostgreSQL with the events of jindo's workload, in the configuration that is fastest and still
//! does the work: multi-row appends without an optimistic check, payloads as the JSON texts they are, no identifier columns, one
//! listener, woken by notifications, that keeps ids and totals in memory.
//!
//! What it does not do: signatures, schemas, unique ids (the listener leaves out what it saw), durable totals, history, proofs.
//!
//! And it may leave events out: `event_store_current_epoch` is a volatile function, so under READ COMMITTED it sees commits that the
//! statement which calls it does not, and the listener notes their numbers as processed. They are counted and told, not waited for.
//!
//! `jindo-bench-peer SOCKET DATABASE EVENTS APPEND APPENDERS`; prints `{"appended":s,"folded":s,"fresh":n,"left_out":n}`.

use std::collections::{HashMap, HashSet};
use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use disintegrate::serde::{Deserializer, Error as SerdeError, Serializer};
use disintegrate::{
    DomainIdSet, Event, EventInfo, EventListener, EventSchema, EventStore, PersistedEvent, StreamQuery,
};
use disintegrate_postgres::{Migrator, PgEventId, PgEventListener, PgEventListenerConfig, PgEventStore};
use serde::Deserialize;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};

/// What marks a writer that is under way, for PostgreSQL 15: the library's own statement has a hexadecimal number in it, which only
/// later versions read. The same three locks.
const EPOCH_15: &str = "
CREATE OR REPLACE FUNCTION event_store_begin_epoch() RETURNS void LANGUAGE sql AS $$
  SELECT pg_try_advisory_xact_lock_shared(base.oid::int, 0),
    pg_try_advisory_xact_lock_shared(1, (event.last_value % 4294967296)::bit(32)::int),
    pg_try_advisory_xact_lock_shared(2, (event.last_value / 4294967296)::int)
  FROM seq_event_event_id event, pg_database base WHERE base.datname = current_database()
$$";

/// Rounds of 50 ms in which nothing came after the listener said it was through.
const STILL_ROUNDS: u32 = 20;

type Fault = Box<dyn std::error::Error + Send + Sync>;

/// A milestone, as its JSON text.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Milestone(String);

impl Event for Milestone {
    const SCHEMA: EventSchema = EventSchema {
        events: &["Milestone"],
        events_info: &[&EventInfo { name: "Milestone", domain_ids: &[] }],
        domain_ids: &[],
    };

    fn domain_ids(&self) -> DomainIdSet {
        DomainIdSet::default()
    }

    fn name(&self) -> &'static str {
        "Milestone"
    }
}

/// The text goes as it is.
#[derive(Clone, Copy)]
struct AsText;

impl Serializer<Milestone> for AsText {
    fn serialize(&self, event: Milestone) -> Vec<u8> {
        event.0.into_bytes()
    }
}

impl Deserializer<Milestone> for AsText {
    fn deserialize(&self, data: Vec<u8>) -> Result<Milestone, SerdeError> {
        String::from_utf8(data).map(Milestone).map_err(|error| SerdeError::Deserialization(Box::new(error)))
    }
}

/// What the totals are made of.
#[derive(Deserialize)]
struct Said<'a> {
    id: &'a str,
    #[serde(rename = "type")]
    kind: &'a str,
    #[serde(borrow)]
    data: Data<'a>,
}

#[derive(Deserialize)]
struct Data<'a> {
    region: Option<&'a str>,
    amount: Option<i64>,
    count: Option<i64>,
}

#[derive(Default)]
struct Totals {
    seen: HashSet<u128>,
    totals: HashMap<(String, String), (i128, u64)>,
}

impl Totals {
    fn take(&mut self, text: &str) -> Result<(), serde_json::Error> {
        let said: Said<'_> = serde_json::from_str(text)?;
        let id: String = said.id.chars().filter(|c| *c != '-').collect();
        if self.seen.insert(u128::from_str_radix(&id, 16).unwrap_or_default()) {
            let key = (said.kind.to_owned(), said.data.region.unwrap_or_default().to_owned());
            let total = self.totals.entry(key).or_default();
            total.0 += i128::from(said.data.amount.or(said.data.count).unwrap_or(1));
            total.1 += 1;
        }
        Ok(())
    }
}

/// The read model.
struct Fold {
    query: StreamQuery<PgEventId, Milestone>,
    totals: Arc<Mutex<Totals>>,
    done: Arc<Done>,
    start: Instant,
}

/// Events that the listener was given, and microseconds until the last of them.
#[derive(Default)]
struct Done {
    events: AtomicU64,
    at_us: AtomicU64,
}

#[async_trait]
impl EventListener<PgEventId, Milestone> for Fold {
    type Error = Infallible;

    fn id(&self) -> &'static str {
        "totals"
    }

    fn query(&self) -> &StreamQuery<PgEventId, Milestone> {
        &self.query
    }

    async fn handle(&self, event: PersistedEvent<PgEventId, Milestone>) -> Result<(), Infallible> {
        let taken = self.totals.lock().unwrap_or_else(PoisonError::into_inner).take(&event.into_inner().0);
        if let Err(error) = taken {
            eprintln!("an event cannot be read: {error}");
        }
        self.done.at_us.store(self.start.elapsed().as_micros() as u64, Ordering::Relaxed);
        self.done.events.fetch_add(1, Ordering::Release);
        Ok(())
    }
}

#[tokio::main]
async fn main() -> Result<(), Fault> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [socket, database, events, append, appenders] = &arguments[..] else {
        return Err("give SOCKET DATABASE EVENTS APPEND APPENDERS".into());
    };
    let text = std::fs::read_to_string(events)?;
    let milestones: Vec<Milestone> = text.lines().map(|line| Milestone(line.to_owned())).collect();
    let all = milestones.len() as u64;
    let options = PgConnectOptions::new().socket(socket).username("bench").database(database);
    let pool = PgPoolOptions::new().max_connections(8).connect_with(options).await?;
    let store = PgEventStore::new_uninitialized(pool.clone(), AsText);
    if let Err(error) = Migrator::new(store.clone()).init_event_store().await {
        eprintln!("its tables for PostgreSQL 16: {error}");
        sqlx::query(EPOCH_15).execute(&pool).await?;
    }
    let (totals, done) = (Arc::new(Mutex::new(Totals::default())), Arc::new(Done::default()));
    let start = Instant::now();
    let fold = Fold { query: disintegrate::query!(Milestone), totals: totals.clone(), done: done.clone(), start };
    let config = PgEventListenerConfig::poller(Duration::from_millis(20)).with_notifier();
    Migrator::new(store.clone()).init_listener().await?;
    let listener = PgEventListener::builder(store.clone()).uninitialized().register_listener(fold, config);
    let listening = tokio::spawn(listener.start());
    let appended = append_all(&store, milestones, append.parse()?, appenders.parse()?, start).await?;
    let left_out = until_over(&pool, &done, all).await?;
    let folded = done.at_us.load(Ordering::Relaxed) as f64 / 1e6;
    listening.abort();
    let fresh: u64 = totals.lock().unwrap_or_else(PoisonError::into_inner).totals.values().map(|total| total.1).sum();
    println!("{{\"appended\":{appended},\"folded\":{folded},\"fresh\":{fresh},\"left_out\":{left_out}}}");
    Ok(())
}

/// Waits until the listener was given every event, or says that it has processed them and is given no more; how many it was not given.
async fn until_over(pool: &PgPool, done: &Done, all: u64) -> Result<u64, Fault> {
    let (mut before, mut same) = (0, 0);
    loop {
        let given = done.events.load(Ordering::Acquire);
        if given >= all {
            return Ok(0);
        }
        let query = "SELECT (SELECT last_processed_event_id FROM event_listener) >= (SELECT max(event_id) FROM event)";
        let is_through: Option<bool> = sqlx::query_scalar(query).fetch_one(pool).await?;
        same = if given == before && is_through == Some(true) { same + 1 } else { 0 };
        if same == STILL_ROUNDS {
            return Ok(all - given);
        }
        before = given;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Appends in batches, so many of them at once; seconds until the last is committed.
async fn append_all(
    store: &PgEventStore<Milestone, AsText>,
    milestones: Vec<Milestone>,
    batch: usize,
    appenders: usize,
    start: Instant,
) -> Result<f64, Fault> {
    let mut lists: Vec<Vec<Vec<Milestone>>> = vec![Vec::new(); appenders.max(1)];
    let count = lists.len();
    milestones.chunks(batch.max(1)).enumerate().for_each(|(at, part)| lists[at % count].push(part.to_vec()));
    let mut tasks = Vec::new();
    for list in lists {
        let store = store.clone();
        tasks.push(tokio::spawn(async move {
            for part in list {
                store.append_without_validation(part).await?;
            }
            Ok::<(), disintegrate_postgres::Error>(())
        }));
    }
    for task in tasks {
        task.await??;
    }
    Ok(start.elapsed().as_secs_f64())
}
