//! `GET /metrics`: what the projector and HTTP count, in the text format of OpenMetrics 1.0, for Prometheus.
//!
//! Gauges are read when they are asked for. Requests are counted by route, never by what a client wrote.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, text};
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

use super::follow::Hub;
use super::problem::{Problem, text as both};
use super::source::Source;
use crate::event::Time;
use crate::projector::{Health, Shared};

type Labels = [(&'static str, String); 2];
type Route = [(&'static str, String); 1];

/// What one server counts and shows; cheap to clone.
#[derive(Clone)]
pub struct Metrics {
    registry: Arc<Registry>,
    requests: Family<Labels, Counter>,
    times: Family<Route, Histogram>,
}

impl Metrics {
    /// Of a ledger and those who follow it.
    pub fn new(source: &dyn Source, hub: &Hub) -> Self {
        let mut registry = Registry::with_prefix("jindo");
        let requests = Family::<Labels, Counter>::default();
        // From half a millisecond to 8 seconds.
        let times = || Histogram::new(exponential_buckets(0.000_5, 4.0, 8));
        let times = Family::<Route, Histogram>::new_with_constructor(times);
        registry.register("http_requests", "Requests answered, by route and status", requests.clone());
        let help = "Until the head of an answer, by route";
        registry.register_with_unit("http_request", help, Unit::Seconds, times.clone());
        registry.register_collector(Box::new(Followers(hub.clone())));
        source.measure(&mut registry);
        Metrics { registry: Arc::new(registry), requests, times }
    }

    /// The answer to Prometheus.
    ///
    /// # Errors
    /// [`Problem`]: something could not be written as text.
    pub fn answer(&self) -> Result<Response, Problem> {
        let mut body = String::new();
        text::encode(&mut body, &self.registry).map_err(|error| {
            tracing::error!(%error, "metrics cannot be told");
            Problem::unavailable(both("지표를 만들지 못했습니다", "metrics could not be made"))
        })?;
        let kind = HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
        Ok(([(header::CONTENT_TYPE, kind)], body).into_response())
    }
}

/// Counts a request by its route and the status it got.
pub async fn count(State(metrics): State<Metrics>, request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map_or("none", MatchedPath::as_str).to_owned();
    let began = Instant::now();
    let response = next.run(request).await;
    let status = response.status().as_u16().to_string();
    metrics.requests.get_or_create(&[("route", route.clone()), ("status", status)]).inc();
    metrics.times.get_or_create(&[("route", route)]).observe(began.elapsed().as_secs_f64());
    response
}

/// A gauge that is read now.
fn gauge(encoder: &mut DescriptorEncoder<'_>, name: &str, help: &str, value: f64) -> fmt::Result {
    let gauge = ConstGauge::new(value);
    gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?)
}

struct Followers(Hub);

impl fmt::Debug for Followers {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Followers")
    }
}

impl Collector for Followers {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let (now, dropped) = self.0.counts();
        gauge(&mut encoder, "followers", "Clients of /v1/stream", now as f64)?;
        let dropped = ConstCounter::new(dropped);
        let help = "Clients of /v1/stream that were dropped because they did not keep up";
        dropped.encode(encoder.encode_descriptor("followers_dropped", help, None, dropped.metric_type())?)
    }
}

/// The running ledger's gauges.
pub struct LedgerGauges {
    shared: Shared,
}

impl fmt::Debug for LedgerGauges {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("LedgerGauges")
    }
}

impl LedgerGauges {
    /// Registers them beside the projector's own meters.
    pub fn register(shared: &Shared, registry: &mut Registry) {
        shared.meters().register(registry);
        registry.register_collector(Box::new(LedgerGauges { shared: shared.clone() }));
    }

    /// Seconds since an entry was recorded; 0 where there is none.
    fn since(&self, index: u64) -> f64 {
        let recorded = self.shared.log().recorded(index);
        let passed = recorded.map_or(0, |recorded| Time::now().ns().saturating_sub(recorded.ns()));
        Duration::from_nanos(u64::try_from(passed).unwrap_or(0)).as_secs_f64()
    }
}

impl Collector for LedgerGauges {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let out = &mut encoder;
        let (size, proven) = (*self.shared.sizes().borrow(), self.shared.proven_size());
        let health = self.shared.health().borrow().clone();
        gauge(out, "size", "Entries folded", size as f64)?;
        gauge(out, "proven_size", "Entries that the newest published checkpoint covers", proven as f64)?;
        let unproven = if proven < size { self.since(proven) } else { 0.0 };
        gauge(out, "unproven_seconds", "Age of the oldest entry that no checkpoint covers; 0 where all are", unproven)?;
        let behind = matches!(health, Health::CatchingUp { .. }) && size > 0;
        let lag = if behind { self.since(size - 1) } else { 0.0 };
        gauge(out, "lag_seconds", "Age of the newest entry folded while messages wait; 0 where none do", lag)?;
        gauge(
            out,
            "ready",
            "Whether figures are current: caught up, connected, not halted",
            is(health == Health::Ready),
        )?;
        gauge(out, "halted", "Whether intake stopped with a finding", is(matches!(health, Health::Halted(_))))?;
        gauge(out, "proof_trouble", "Whether checkpoints fail", is(self.shared.proof().borrow().trouble.is_some()))?;
        if let Some(data) = self.shared.log().dir().parent() {
            gauge(out, "store_bytes", "Bytes of the read models on disk", bytes_below(data.join("store")) as f64)?;
            if let Some(free) = free(data) {
                gauge(out, "data_free_bytes", "Bytes free where log and read models are", free as f64)?;
            }
        }
        if let Some(resident) = resident() {
            gauge(out, "resident_memory_bytes", "Memory of this process", resident as f64)?;
        }
        Ok(())
    }
}

fn is(true_or_not: bool) -> f64 {
    f64::from(u8::from(true_or_not))
}

/// Bytes of all files below a folder; those that vanish meanwhile count nothing.
fn bytes_below(folder: PathBuf) -> u64 {
    let (mut folders, mut bytes) = (vec![folder], 0);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            match entry.metadata() {
                Ok(found) if found.is_dir() => folders.push(entry.path()),
                Ok(found) => bytes += found.len(),
                Err(_) => {}
            }
        }
    }
    bytes
}

fn free(folder: &Path) -> Option<u64> {
    let found = rustix::fs::statvfs(folder).ok()?;
    found.f_bavail.checked_mul(found.f_frsize)
}

fn resident() -> Option<u64> {
    let pages: u64 = std::fs::read_to_string("/proc/self/statm").ok()?.split(' ').nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}
