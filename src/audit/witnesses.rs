//! Cosignatures of outside witnesses under a policy: are they right, are they enough, and what times do they bound?
//!
//! A witness that cosigned a checkpoint at a time has seen everything below it by then: no entry there was recorded later. How long
//! an entry waited for its first witness is told, for in that time the operator alone vouched for it.

use std::collections::BTreeMap;

use super::report::{Finding, Report, WitnessRow, Witnessing};
use crate::event::Time;
use crate::limits::WITNESS_CLOCK_S_MAX;
use crate::log::folder::CHECKPOINT;
use crate::log::note::{Note, NoteFault, VerifierKey};
use crate::log::policy::Policy;

/// What the checkpoints of a log say about its witnesses. Without a policy it looks at nothing.
pub struct Witnessed<'p> {
    policy: Option<&'p Policy>,
    rows: Vec<WitnessRow>,
    met: bool,
    /// Size of a cosigned checkpoint to the earliest time of its cosignatures, in seconds since 1970.
    times: BTreeMap<u64, u64>,
    /// The same, each with the earliest time of any size from it on; set once the entries begin.
    bounds: Vec<(u64, u64)>,
    at: usize,
    latest_s: Option<u64>,
}

impl<'p> Witnessed<'p> {
    /// Under a policy.
    #[must_use]
    pub fn new(policy: Option<&'p Policy>) -> Self {
        let row = |name: &str, key: &VerifierKey| WitnessRow {
            name: name.to_owned(),
            key: key.to_string(),
            checkpoints: 0,
            size: 0,
            time: None,
        };
        let rows =
            policy.into_iter().flat_map(Policy::witnesses).map(|witness| row(&witness.name, &witness.key)).collect();
        let times = BTreeMap::new();
        Witnessed { policy, rows, met: false, times, bounds: Vec::new(), at: 0, latest_s: None }
    }

    /// Looks at a checkpoint whose log signature holds. `file` names it.
    pub fn look(&mut self, note: &str, size: u64, file: &str, report: &mut Report) -> Vec<&'p VerifierKey> {
        let mut cosigned = Vec::new();
        let (Some(policy), Ok(note)) = (self.policy, Note::parse(note)) else { return cosigned };
        for (witness, row) in policy.witnesses().zip(&mut self.rows) {
            match note.verify([&witness.key]) {
                Ok(verified) => {
                    let time = verified.first().and_then(|by| by.time).unwrap_or(0);
                    cosigned.push(&witness.key);
                    row.checkpoints += 1;
                    row.size = row.size.max(size);
                    row.time = row.time.max(Some(moment(time)));
                    self.times.entry(size).and_modify(|known| *known = time.min(*known)).or_insert(time);
                }
                Err(NoteFault::Unsigned(_)) => {}
                Err(fault) => {
                    let name = &witness.name;
                    let ko = format!("{size}건 체크포인트의 증인 서명이 틀립니다({name}): {fault}");
                    let en = format!("a cosignature on the checkpoint of {size} entries is wrong ({name}): {fault}");
                    report.find(Finding::new("cosignature-wrong", ko, en).file(file));
                }
            }
        }
        cosigned
    }

    /// Looks at the newest checkpoint: it must meet the policy.
    pub fn newest(&mut self, note: &str, size: u64, key: &VerifierKey, report: &mut Report) {
        let cosigned = self.look(note, size, CHECKPOINT, report);
        let Some(policy) = self.policy else { return };
        if !policy.logs().is_empty() && !policy.logs().contains(key) {
            let (ko, en) = ("정책에 이 로그가 없습니다", "the policy does not list this log");
            report.find(Finding::new("policy-log", ko, en).versions(key, "a log of the policy"));
        }
        self.met = policy.is_met(|key| cosigned.contains(&key));
        if !self.met {
            let missing = policy.witnesses().filter(|witness| !cosigned.contains(&&witness.key));
            let missing: Vec<_> = missing.map(|witness| witness.name.as_str()).collect();
            let ko = format!("현재 체크포인트의 증인이 정책보다 적습니다. 빠진 증인: {}", missing.join(", "));
            let en = format!(
                "the newest checkpoint has fewer witnesses than the policy asks for; missing: {}",
                missing.join(", ")
            );
            report.find(Finding::new("policy-unmet", ko, en).file(CHECKPOINT));
        }
    }

    /// All checkpoints were looked at; entries follow in order.
    pub fn seal(&mut self) {
        let mut earliest = u64::MAX;
        for (size, time) in self.times.iter().rev() {
            earliest = earliest.min(*time);
            self.bounds.push((*size, earliest));
        }
        self.bounds.reverse();
    }

    /// Holds an entry's time against the first cosignature over it.
    pub fn entry(&mut self, index: u64, recorded: Time, report: &mut Report) {
        while self.bounds.get(self.at).is_some_and(|(size, _)| *size <= index) {
            self.at += 1;
        }
        let Some((_, time)) = self.bounds.get(self.at).copied() else { return };
        let recorded_s = u64::try_from(recorded.ns().div_euclid(1_000_000_000)).unwrap_or(0);
        if recorded_s > time.saturating_add(WITNESS_CLOCK_S_MAX) {
            let finding = Finding::new(
                "recorded-after-witnessed",
                "증인이 이미 서명한 뒤의 시각으로 기록되었습니다: 기록 시각이 틀립니다",
                "it says it was recorded after a witness had already cosigned a checkpoint over it: its time is wrong",
            );
            report.find(finding.at(index).versions(recorded, format!("at most 5 minutes after {}", moment(time))));
        }
        self.latest_s = self.latest_s.max(Some(time.saturating_sub(recorded_s)));
    }

    /// What the page tells.
    pub fn finish(self, report: &mut Report) {
        let covered = self.times.last_key_value().map_or(0, |(size, _)| *size);
        let (met, latest_s, each) = (self.met, self.latest_s, self.rows);
        report.witnesses = self.policy.map(|_| Witnessing { met, covered, latest_s, each });
    }
}

/// Seconds since 1970 as a time.
fn moment(seconds: u64) -> Time {
    Time::from_ns(i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(1_000_000_000))
}
