//! What a cluster may say for a while and take back: that messages are missing.
//!
//! A leader that is cut off stays one until it notices, and tells what it held when it was cut off; a new leader may still be
//! reading its own files. So from a stream of several replicas a [`Finding`] of something missing counts once it has stood for
//! [`FINDING_STANDS_MS`]. What *differs* counts at once: nothing that a majority took is ever given another content.

use std::time::Duration;

use tokio::time::Instant;

use super::{finding::Finding, raw::Extent};
use crate::limits::FINDING_STANDS_MS;

/// What is known of the stream, and since when something seems to be missing from it.
#[derive(Debug, Default)]
pub(super) struct Doubt {
    replicas: u64,
    since: Option<Instant>,
}

impl Doubt {
    /// The stream was looked at.
    pub fn look(&mut self, extent: &Extent) {
        self.replicas = extent.replicas;
    }

    /// Everything was there.
    pub fn clear(&mut self) {
        self.since = None;
    }

    /// Whether something seems to be missing.
    pub const fn is_open(&self) -> bool {
        self.since.is_some()
    }

    /// Whether the finding may yet turn out to be none.
    pub fn may_pass(&mut self, finding: &Finding, now: Instant) -> bool {
        let missing = matches!(finding, Finding::Hole { .. } | Finding::Backwards { .. } | Finding::Gone { .. });
        if !missing || self.replicas < 2 {
            return false;
        }
        let since = *self.since.get_or_insert_with(|| {
            tracing::warn!(%finding, "one server of the cluster says so; it is asked again before intake halts");
            now
        });
        now.duration_since(since) < Duration::from_millis(FINDING_STANDS_MS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn extent(replicas: u64) -> Extent {
        Extent {
            first: 1,
            last: 2,
            created: String::new(),
            recovered_upto: 0,
            sealed: false,
            leader: String::new(),
            replicas,
        }
    }

    #[test]
    fn what_is_missing_must_stay_missing() {
        let backwards = Finding::Backwards { stream: "LEDGER_1".into(), position: 9, last: 2 };
        let differs = Finding::Differs { stream: "LEDGER_1".into(), sequence: 2 };
        let mut doubt = Doubt::default();
        doubt.look(&extent(1));
        let mut now = Instant::now();
        assert!(!doubt.may_pass(&backwards, now), "one server alone has nobody to contradict it");
        doubt.look(&extent(3));
        assert!(!doubt.may_pass(&differs, now));
        for _ in 0..2 {
            assert!(doubt.may_pass(&backwards, now));
            now += Duration::from_millis(FINDING_STANDS_MS - 1);
            assert!(doubt.may_pass(&backwards, now) && doubt.is_open());
            doubt.clear();
        }
        assert!(doubt.may_pass(&backwards, now));
        now += Duration::from_millis(FINDING_STANDS_MS);
        assert!(!doubt.may_pass(&backwards, now));
    }
}
