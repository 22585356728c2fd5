//! The workload, from a seed: reports of one event or a batch, over all 34 indicators, 17 regions, 40 agencies and 365
//! days, ids v7 with a tenth v4, 5 % corrections of any age, 1 % repetitions with equal content.
//!
//! Every report is one that the ledger accepts: a refusal is a fault of the bench, and the bench says so.

use std::collections::HashMap;

use jindo::event::envelope::{CONTENT_TYPE_BATCH, CONTENT_TYPE_EVENT};
use jindo::event::subject::Channel;
use jindo::stream::Outgoing;
use uuid::{Builder, Uuid};

use crate::catalogue::{AGENCIES, agency_code};
use crate::facts::{self, LINES};
use crate::random::Random;
use crate::signer::{Signer, pair};

/// Milliseconds of the first v7 id: 2026-01-01.
const FIRST_MS: u64 = 1_767_225_600_000;
/// Versions per agency that a correction may name: a sample of all ages, since keeping all would cost memory.
const CANDIDATES_MAX: usize = 2_500;

/// What was made so far.
#[derive(Debug, Clone, Copy, Default)]
pub struct Made {
    /// Events, all.
    pub events: u64,
    /// Corrections among them.
    pub corrections: u64,
    /// Repetitions among them.
    pub duplicates: u64,
    /// Bytes of all events.
    pub bytes: u64,
}

/// A version that a correction may name.
#[derive(Debug, Clone, Copy)]
struct Version {
    id: Uuid,
    line: usize,
    kind: &'static str,
    seed: u64,
    revision: u64,
}

struct Agency {
    code: String,
    signer: Signer,
    versions: Vec<Version>,
    /// Versions offered so far: each stays in the sample with equal chance.
    offered: u64,
    /// By type an event that may be said again.
    said: HashMap<&'static str, String>,
}

/// The generator.
pub struct Workload {
    random: Random,
    agencies: Vec<Agency>,
    /// Lines by event type.
    lines: HashMap<&'static str, Vec<usize>>,
    /// What was made.
    pub made: Made,
}

/// One report, unsigned.
pub struct Report {
    agency: usize,
    kind: &'static str,
    /// Events as JSON texts.
    pub events: Vec<String>,
}

impl Workload {
    /// From a seed; `indicators` are the ids of the catalogue.
    pub fn new(seed: u64, indicators: &[String]) -> Self {
        assert!(
            LINES.iter().map(|(id, _)| *id).eq(indicators.iter().map(String::as_str)),
            "the workload fits the catalogue"
        );
        let agency = |number| {
            let code = agency_code(number);
            let signer = Signer::new(&code, pair(number as u64));
            Agency { code, signer, versions: Vec::new(), offered: 0, said: HashMap::new() }
        };
        let mut lines: HashMap<&'static str, Vec<usize>> = HashMap::new();
        for (line, (_, kinds)) in LINES.iter().enumerate() {
            kinds.iter().for_each(|kind| lines.entry(kind).or_default().push(line));
        }
        Workload { random: Random(seed), agencies: (0..AGENCIES).map(agency).collect(), lines, made: Made::default() }
    }

    /// The next report, of `events` events.
    pub fn report(&mut self, events: usize) -> Report {
        let agency = self.random.below(AGENCIES as u64) as usize;
        if self.random.below(100) < 5 && self.agencies[agency].versions.len() >= events {
            return self.corrections(agency, events);
        }
        let (_, kinds) = LINES[self.random.below(LINES.len() as u64) as usize];
        let kind = if self.random.below(5) == 0 { self.random.of(kinds) } else { kinds[0] };
        let said = (0..events).map(|_| self.event(agency, kind)).collect();
        let report = Report { agency, kind, events: said };
        self.count(&report);
        // One event of now and then may be said again by a later report.
        let again = &report.events[self.random.below(events as u64) as usize];
        let keep = self.random.below(4) == 0;
        let said = &mut self.agencies[agency].said;
        if keep || !said.contains_key(kind) {
            said.insert(kind, again.clone());
        }
        report
    }

    /// The report as a signed message.
    pub fn sign(&mut self, report: &Report) -> Outgoing {
        let (content_type, body) = match report.events.as_slice() {
            [event] => (CONTENT_TYPE_EVENT, event.clone()),
            events => (CONTENT_TYPE_BATCH, format!("[{}]", events.join(",\n"))),
        };
        self.agencies[report.agency].signer.sign(Channel::Report, report.kind, content_type, body.into_bytes())
    }

    fn count(&mut self, report: &Report) {
        self.made.events += report.events.len() as u64;
        self.made.bytes += report.events.iter().map(|event| event.len() as u64).sum::<u64>();
    }

    fn event(&mut self, agency: usize, kind: &'static str) -> String {
        if self.random.below(100) == 0
            && let Some(said) = self.agencies[agency].said.remove(kind)
        {
            self.made.duplicates += 1;
            return said;
        }
        let line = self.random.of(&self.lines[kind]);
        let (id, seed) = (self.id(), self.random.next());
        let data = facts::data(line, kind, seed, 0);
        let event = self.envelope(agency, kind, id, seed, &data);
        self.offer(agency, Version { id, line, kind, seed, revision: 0 });
        event
    }

    fn envelope(&self, agency: usize, kind: &str, id: Uuid, seed: u64, data: &str) -> String {
        format!(
            "{{\"specversion\":\"1.0\",\"id\":\"{id}\",\"source\":\"/agencies/{}\",\"type\":\"{kind}\",\"time\":\"{}\",\"data\":{data}}}",
            self.agencies[agency].code,
            facts::time(seed)
        )
    }

    fn corrections(&mut self, agency: usize, events: usize) -> Report {
        const KIND: &str = "report.corrected.v1";
        let versions = &mut self.agencies[agency].versions;
        let taken: Vec<Version> =
            (0..events).map(|_| versions.swap_remove(self.random.below(versions.len() as u64) as usize)).collect();
        let mut said = Vec::with_capacity(events);
        for old in taken {
            let id = self.id();
            let version = Version { id, revision: old.revision + 1, ..old };
            let data = format!(
                "{{\"replaces\":\"{}\",\"reason\":\"Counted again\",\"event\":{{\"time\":\"{}\",\"data\":{}}}}}",
                old.id,
                facts::time(old.seed),
                facts::data(old.line, old.kind, old.seed, version.revision)
            );
            said.push(self.envelope(agency, KIND, id, old.seed, &data));
            self.offer(agency, version);
        }
        self.made.corrections += events as u64;
        let report = Report { agency, kind: KIND, events: said };
        self.count(&report);
        report
    }

    fn offer(&mut self, agency: usize, version: Version) {
        let random = self.random.next();
        let Agency { versions, offered, .. } = &mut self.agencies[agency];
        *offered += 1;
        if versions.len() < CANDIDATES_MAX {
            versions.push(version);
        } else if random % *offered < CANDIDATES_MAX as u64 {
            versions[(random >> 32) as usize % CANDIDATES_MAX] = version;
        }
    }

    fn id(&mut self) -> Uuid {
        let (high, low) = (self.random.next(), self.random.next());
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&high.to_le_bytes());
        bytes[8..].copy_from_slice(&low.to_le_bytes());
        if high % 10 == 0 {
            return Builder::from_random_bytes(bytes).into_uuid();
        }
        // About a thousand events a second, and clocks that differ by a second.
        let ms = FIRST_MS + self.made.events + low % 1_000;
        let random = bytes.first_chunk::<10>().expect("sixteen bytes hold ten");
        Builder::from_unix_timestamp_millis(ms, random).into_uuid()
    }
}
