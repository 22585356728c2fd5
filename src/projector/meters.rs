//! What an operator watches, counted where it happens; Prometheus reads it at `/metrics`.
//!
//! Counters begin at 0 with the process. Nothing here decides anything, and nothing is labelled by what strangers write.

use std::collections::BTreeMap;
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

use crate::event::Time;
use crate::log::entry::{Ruling, Verdict};
use crate::log::publish::WitnessState;

type By = [(&'static str, String); 1];

/// What one commit did.
#[derive(Debug, Default)]
pub struct Committed {
    /// Admitting and folding its entries.
    pub folding: Duration,
    /// Appending them to the log, and the store's batch.
    pub writing: Duration,
    /// Entries accepted.
    pub accepted: u64,
    /// Entries with nothing new in them.
    pub duplicate: u64,
    /// Entries refused, by reason.
    pub refused: BTreeMap<String, u64>,
    /// When the newest was recorded.
    pub recorded: Option<Time>,
}

impl Committed {
    /// Counts an entry.
    pub fn count(&mut self, ruling: &Ruling, recorded: Time) {
        match &ruling.verdict {
            Verdict::Accepted => self.accepted += 1,
            Verdict::Duplicate => self.duplicate += 1,
            Verdict::Refused(code) => *self.refused.entry(code.clone()).or_default() += 1,
        }
        self.recorded = self.recorded.max(Some(recorded));
    }
}

/// The projector's meters; cheap to clone.
#[derive(Debug, Clone)]
pub struct Meters {
    entries: Family<By, Counter>,
    refusals: Family<By, Counter>,
    folding: Histogram,
    writing: Histogram,
    delay: Histogram,
    waiting: Gauge,
    checkpoint: Gauge,
    witnesses: Family<By, Gauge>,
    cosigned: Family<By, Gauge>,
}

impl Default for Meters {
    fn default() -> Self {
        // From a tenth of a millisecond to 26 seconds.
        let times = || Histogram::new(exponential_buckets(0.000_1, 4.0, 10));
        Meters {
            entries: Family::default(),
            refusals: Family::default(),
            folding: times(),
            writing: times(),
            delay: times(),
            waiting: Gauge::default(),
            checkpoint: Gauge::default(),
            witnesses: Family::default(),
            cosigned: Family::default(),
        }
    }
}

impl Meters {
    /// Names them all.
    pub fn register(&self, registry: &mut Registry) {
        registry.register("entries", "Entries recorded since the start, by verdict", self.entries.clone());
        registry.register("refusals", "Reports refused since the start, by reason", self.refusals.clone());
        let seconds = |registry: &mut Registry, name: &str, help: &str, of: &Histogram| {
            registry.register_with_unit(name, help, Unit::Seconds, of.clone());
        };
        seconds(registry, "fold", "Admitting and folding the entries of one commit", &self.folding);
        seconds(
            registry,
            "commit",
            "Appending the entries of one commit to the log, and the store's batch",
            &self.writing,
        );
        seconds(registry, "delay", "From the arrival of a commit's newest message at NATS to its readers", &self.delay);
        registry.register("lag_messages", "Messages in the stream that are not folded yet", self.waiting.clone());
        registry.register(
            "checkpoint_timestamp_seconds",
            "When the newest checkpoint was published here; 0 before the first",
            self.checkpoint.clone(),
        );
        registry.register("witness_up", "Whether a witness cosigned when it was asked last", self.witnesses.clone());
        registry.register(
            "witness_size",
            "Entries that the newest cosignature of a witness covers",
            self.cosigned.clone(),
        );
    }

    pub(super) fn committed(&self, did: &Committed, now: Time) {
        for (verdict, count) in [("accepted", did.accepted), ("duplicate", did.duplicate)] {
            self.entries.get_or_create(&[("verdict", verdict.to_owned())]).inc_by(count);
        }
        for (reason, count) in &did.refused {
            self.entries.get_or_create(&[("verdict", "refused".to_owned())]).inc_by(*count);
            self.refusals.get_or_create(&[("reason", reason.clone())]).inc_by(*count);
        }
        self.folding.observe(did.folding.as_secs_f64());
        self.writing.observe(did.writing.as_secs_f64());
        if let Some(recorded) = did.recorded {
            let passed = u64::try_from(now.ns().saturating_sub(recorded.ns())).unwrap_or(0);
            self.delay.observe(Duration::from_nanos(passed).as_secs_f64());
        }
    }

    pub(super) fn waits(&self, messages: u64) {
        self.waiting.set(i64::try_from(messages).unwrap_or(i64::MAX));
    }

    pub(super) fn published(&self, now: Time) {
        self.checkpoint.set(now.ns() / 1_000_000_000);
    }

    pub(super) fn witnesses(&self, states: &[WitnessState]) {
        for WitnessState { name, well, size } in states {
            self.witnesses.get_or_create(&[("witness", name.clone())]).set(i64::from(*well));
            self.cosigned.get_or_create(&[("witness", name.clone())]).set(i64::try_from(*size).unwrap_or(i64::MAX));
        }
    }

    /// Entries counted with a verdict.
    #[must_use]
    pub fn entries(&self, verdict: &str) -> u64 {
        self.entries.get_or_create(&[("verdict", verdict.to_owned())]).get()
    }
}
