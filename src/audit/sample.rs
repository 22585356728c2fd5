//! A random sample that anyone can draw again: the accepted reports whose SHA-256 of (seed, index) is smallest. What founds and
//! governs the ledger is no report, so nobody is sent to inspect it on site.

use std::collections::BTreeMap;

use super::report::{Report, Sampled};
use crate::event::envelope;
use crate::event::subject::{Channel, Subject};
use crate::log::entry::{Entry, Kept, Verdict};
use crate::sign::hex;

/// Draws while entries go by; memory does not grow with the log.
pub struct Sample {
    seed: String,
    wanted: usize,
    drawn: BTreeMap<[u8; 32], Sampled>,
}

impl Sample {
    /// Of so many reports.
    #[must_use]
    pub fn new(seed: &str, wanted: usize) -> Self {
        Sample { seed: seed.to_owned(), wanted, drawn: BTreeMap::new() }
    }

    /// Considers an entry.
    pub fn consider(&mut self, entry: &Entry) {
        let accepted = entry.ruling.as_ref().is_some_and(|ruling| ruling.verdict == Verdict::Accepted);
        if self.wanted == 0 || !accepted {
            return;
        }
        let text = |kept: &Option<Kept>| kept.as_ref().and_then(Kept::text).unwrap_or_default().to_owned();
        let subject = entry.subject.text().and_then(|text| Subject::parse(text).ok());
        let Some(Subject { agency, kind, .. }) = subject.filter(|subject| subject.channel == Channel::Report) else {
            return;
        };
        let draw = hex::sha256(format!("{}\n{}", self.seed, entry.index).as_bytes());
        let full = self.drawn.len() == self.wanted;
        if full && self.drawn.last_key_value().is_some_and(|(last, _)| *last < draw) {
            return;
        }
        let body = entry.body.bytes().map_or(&[][..], |body| body.as_ref());
        let events = envelope::parse(&text(&entry.content_type), body).unwrap_or_default();
        let event = events.first().map(|event| event.id.to_string()).unwrap_or_default();
        self.drawn.insert(draw, Sampled { index: entry.index, agency, kind, event });
        if self.drawn.len() > self.wanted {
            self.drawn.pop_last();
        }
    }

    /// The sample, by index.
    pub fn finish(self, report: &mut Report) {
        report.sample = self.drawn.into_values().collect();
        report.sample.sort_by_key(|sampled| sampled.index);
    }
}
