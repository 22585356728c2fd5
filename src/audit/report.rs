//! What an audit found: plain data, the same for the page, for JSON and for tests. It judges nothing.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::event::{Text, Time};
use crate::limits::AUDIT_FINDINGS_KEPT;

/// The outcome of an audit.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Report {
    /// The log's origin, by entry 0.
    pub origin: String,
    /// SHA-256 of entry 0, in hex.
    pub genesis: String,
    /// Whether it is the one the auditor was given.
    pub genesis_confirmed: bool,
    /// Entries covered by the checkpoint.
    pub size: u64,
    /// Root the entries lead to, in hex.
    pub root: String,
    /// Entries in `log/tail` beyond the checkpoint: checked, but not proven yet.
    pub unproven: u64,
    /// Signatures verified; 0 where that was not asked for.
    pub signatures: u64,
    /// Whether signatures were to be verified.
    pub signatures_asked: bool,
    /// Published checkpoints in the folder's history, and those given by the auditor.
    pub checkpoints: u64,
    /// Largest size of a checkpoint given by the auditor that holds.
    pub held_since: Option<u64>,
    /// Receipts given that hold by themselves.
    pub receipts: u64,
    /// Largest size of a checkpoint in a receipt that holds against the log.
    pub held_receipts: Option<u64>,
    /// Entries below this cannot change without contradicting somebody outside: the largest of `seen_size`, `held_since` and
    /// `held_receipts`.
    pub held_outside: u64,
    /// Claims of having seen a checkpoint, in signed reports.
    pub seen: u64,
    /// The largest size that an agency other than the publishing authority claims to have seen, and holds.
    pub seen_size: u64,
    /// Entries recorded more than 5 minutes before their agency says it signed: a clock was wrong, or a time was put back.
    pub early: u64,
    /// Entries that a recovery brought from a retired stream.
    pub recovered: u64,
    /// State digests recomputed and equal.
    pub states: u64,
    /// Accepted events.
    pub events: u64,
    /// First and last `recorded`.
    pub recorded: Option<(Time, Time)>,
    /// Who reported, by agency code; messages without a readable subject under `?`.
    pub agencies: BTreeMap<String, Agency>,
    /// Keys as registered in the log.
    pub keys: Vec<Key>,
    /// Entries that stand without texts they were recorded with, as authority and agency agreed: their verdicts are the log's
    /// word, and their hashes the tree's.
    pub withheld: Vec<u64>,
    /// Of them those whose figures a state digest confirms that was recorded before both had spoken.
    pub withheld_confirmed: u64,
    /// Entries for which that is agreed, and which stand whole.
    pub withheld_agreed: Vec<u64>,
    /// Simulated ledger.
    pub simulated: bool,
    /// Evidence asked for.
    pub evidence: Option<Evidence>,
    /// The sample asked for.
    pub sample: Vec<Sampled>,
    /// Outside witnesses, where a policy was given.
    pub witnesses: Option<Witnessing>,
    /// What proves that a checkpoint the auditor gave is of another log by the same key.
    pub forks: Vec<Offered>,
    /// What is wrong, in the order of entries where it has one: of each code at most [`AUDIT_FINDINGS_KEPT`], or as asked for.
    pub findings: Vec<Finding>,
    /// All findings, kept or not, by code.
    pub found: BTreeMap<&'static str, u64>,
    /// Findings of one code that are kept, where another number than [`AUDIT_FINDINGS_KEPT`] was asked for.
    #[serde(skip)]
    pub findings_kept: Option<u64>,
}

/// What one agency did.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Agency {
    /// Name.
    pub name: Option<Text>,
    /// Messages.
    pub entries: u64,
    /// Of them accepted.
    pub accepted: u64,
    /// Of them refused.
    pub refused: u64,
    /// Of them without anything new.
    pub duplicate: u64,
    /// Accepted events.
    pub events: u64,
    /// First and last `recorded`.
    pub recorded: Option<(Time, Time)>,
    /// Largest size it claims to have seen.
    pub seen: u64,
}

/// A key.
#[derive(Debug, Clone, Serialize)]
pub struct Key {
    /// NKey public key.
    pub key: String,
    /// Whose.
    pub agency: String,
    /// Entry that added it.
    pub added: u64,
    /// Who added it.
    pub added_by: String,
    /// Added neither by the agency itself nor in entry 0: auditors ask who held the pen.
    pub by_authority_alone: bool,
    /// Entry that revoked it.
    pub revoked: Option<u64>,
    /// Number of its newest report.
    pub seq: u64,
    /// Numbers that are missing: first and last.
    pub holes: Vec<(u64, u64)>,
    /// Entries that say something else under a number used before.
    pub forks: Vec<u64>,
}

/// Evidence files against the hashes in accepted events.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Evidence {
    /// Events that name evidence.
    pub named: u64,
    /// Of them with a file of that hash in the folder.
    pub found: u64,
    /// Files in the folder that no event names.
    pub unnamed: u64,
}

/// Cosignatures under a policy, over all checkpoints.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Witnessing {
    /// Whether the newest checkpoint has enough of them.
    pub met: bool,
    /// Entries that at least one of them has seen.
    pub covered: u64,
    /// How long after it was recorded an entry was first seen by one of them, at most, in seconds.
    pub latest_s: Option<u64>,
    /// One by one, in the policy's order.
    pub each: Vec<WitnessRow>,
}

/// One witness.
#[derive(Debug, Clone, Serialize)]
pub struct WitnessRow {
    /// Its name in the policy.
    pub name: String,
    /// Its verifier key.
    pub key: String,
    /// Checkpoints it cosigned.
    pub checkpoints: u64,
    /// The largest size among them.
    pub size: u64,
    /// The newest time it cosigned at.
    pub time: Option<Time>,
}

/// Evidence of a fork, to be kept by the auditor.
#[derive(Debug, Clone, Serialize)]
pub struct Offered {
    /// A name for the file.
    pub name: String,
    /// Its text.
    #[serde(skip)]
    pub text: String,
}

/// An entry picked for closer inspection.
#[derive(Debug, Clone, Serialize)]
pub struct Sampled {
    /// Index.
    pub index: u64,
    /// Agency.
    pub agency: String,
    /// Event type.
    pub kind: String,
    /// First event of it.
    pub event: String,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Stable code.
    pub code: &'static str,
    /// Entry it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index: Option<u64>,
    /// Agency.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agency: Option<String>,
    /// Event id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event: Option<String>,
    /// File, relative to the log folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// What it means.
    pub what: Text,
    /// What is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub found: Option<String>,
    /// What should be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected: Option<String>,
}

impl Finding {
    /// Of a code, in both languages.
    #[must_use]
    pub fn new(code: &'static str, ko: impl Into<String>, en: impl Into<String>) -> Self {
        let what = Text { ko: ko.into(), en: en.into() };
        Finding { code, index: None, agency: None, event: None, file: None, what, found: None, expected: None }
    }

    /// About an entry.
    #[must_use]
    pub fn at(mut self, index: u64) -> Self {
        self.index = Some(index);
        self
    }

    /// About a file.
    #[must_use]
    pub fn file(mut self, file: impl ToString) -> Self {
        self.file = Some(file.to_string());
        self
    }

    /// Both versions.
    #[must_use]
    pub fn versions(mut self, found: impl ToString, expected: impl ToString) -> Self {
        (self.found, self.expected) = (Some(found.to_string()), Some(expected.to_string()));
        self
    }

    /// Of whom, and which event.
    #[must_use]
    pub fn of(mut self, agency: Option<&str>, event: Option<String>) -> Self {
        (self.agency, self.event) = (agency.map(str::to_owned), event);
        self
    }
}

impl Report {
    /// Adds a finding; beyond [`AUDIT_FINDINGS_KEPT`] of one code, or what was asked for, it is counted only.
    pub fn find(&mut self, finding: Finding) {
        let count = self.found.entry(finding.code).or_default();
        *count += 1;
        if *count <= self.findings_kept.unwrap_or(AUDIT_FINDINGS_KEPT) {
            self.findings.push(finding);
        }
    }

    /// Whether nothing is wrong.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.found.is_empty()
    }

    /// Index of the first entry that something is wrong with.
    #[must_use]
    pub fn first_wrong(&self) -> Option<u64> {
        self.findings.iter().filter_map(|finding| finding.index).min()
    }
}

/// Widens a span of time.
pub(super) fn widen(span: &mut Option<(Time, Time)>, time: Time) {
    *span = Some(span.map_or((time, time), |(first, last)| (first.min(time), last.max(time))));
}
