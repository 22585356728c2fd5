//! Entries in log order, held against everything before them: place, verdict, state digest, what its signer saw. One thread.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::report::{Finding, Report, widen};
use super::withheld::{self, Left};
use crate::admit::Refusal;
use crate::admit::decide::Decided;
use crate::admit::screen::{Screened, Trust, screen};
use crate::catalogue::registry::{RULES_KNOWN, Registry};
use crate::fold::ahead::Ahead;
use crate::limits::{AUDIT_STORE_CACHE_BYTES, AUDIT_STORE_REOPEN_BYTES, CLOCK_AHEAD_NS_MAX, STATE_DIGEST_EVERY};
use crate::log::entry::{Entry, Kept, Ruling, Verdict};
use crate::log::folder::LogFolder;
use crate::projector::folding::{Folding, refused, ruling_of};
use crate::projector::halt::Halt;
use crate::sign::hex;
use crate::store::{Layout, Reader};
use crate::stream::succession::number_of;

/// What agencies claim to have seen: (size, root) to who said so first, and where.
pub type SeenClaims = BTreeMap<(u64, [u8; 32]), (u64, String)>;

/// Judges entries in order over read models of its own.
pub struct Judge {
    folding: Folding,
    trust: Trust,
    /// Number of the newest stream so far.
    stream: Option<u32>,
    /// Claims to be held against the tree.
    pub seen: SeenClaims,
    /// Hashes of evidence named by accepted events; `None` where nobody asks.
    pub evidence: Option<Vec<[u8; 32]>>,
    /// Entries that stand without texts they were recorded with.
    withheld: Vec<Left>,
}

impl Judge {
    /// With empty read models under `scratch`: memory stays bounded however long the log.
    ///
    /// # Errors
    /// The folder cannot be used.
    pub fn new(scratch: &Path, trust: Trust, evidence: bool) -> Result<Self, Halt> {
        // It is thrown away in the end: what a crash loses of it is no matter.
        let (reopen_bytes, cache_bytes) = (AUDIT_STORE_REOPEN_BYTES, AUDIT_STORE_CACHE_BYTES);
        let layout = Layout { flush_ms: None, reopen_bytes, cache_bytes, ..Layout::default() };
        let folding = Folding::open_with(scratch, layout)?;
        let evidence = evidence.then(Vec::new);
        Ok(Judge { folding, trust, stream: None, seen: SeenClaims::new(), evidence, withheld: Vec::new() })
    }

    /// Reads what the entries so far are folded into.
    #[must_use]
    pub fn rows(&self) -> Reader {
        self.folding.reader()
    }

    /// Takes the rows that were read ahead for entries to come.
    pub fn prepare(&mut self, ahead: impl Iterator<Item = Ahead>) {
        self.folding.prepare(ahead);
    }

    /// The registry after the entries so far.
    #[must_use]
    pub fn registry(&self) -> &Arc<Registry> {
        self.folding.registry()
    }

    /// Judges one entry. `under` is the registry it was screened under.
    ///
    /// # Errors
    /// The scratch store fails, or the log adopts rules this binary does not know.
    pub fn entry(
        &mut self,
        mut entry: Entry,
        screened: Screened,
        under: &Arc<Registry>,
        report: &mut Report,
    ) -> Result<(), Halt> {
        if self.registry().rules > RULES_KNOWN {
            self.folding.check_rules(entry.index)?;
        }
        let screened =
            if Arc::ptr_eq(under, self.registry()) { screened } else { screen(&entry, self.registry(), self.trust) };
        place(&entry, report);
        let number = number_of(&entry.stream);
        streams(&entry, number, self.stream, report);
        self.stream = number.max(self.stream);
        self.state(&entry, report);
        self.signed(&entry, &screened, report);
        self.withheld.extend(Left::of(&entry));
        let held = entry.ruling.take();
        let Screened { outcome, signer } = screened;
        let agency = signer.agency.clone();
        let outcome = self.folding.judge(&entry, outcome)?;
        let ruling = ruling_of(&outcome);
        // Why a report was refused may have stood in the texts that are gone.
        let taken = entry.body.is_withheld() && matches!(held, Some(Ruling { verdict: Verdict::Refused(_), .. }));
        if held.as_ref() != Some(&ruling) && !taken {
            differs(&entry, agency.as_deref(), held.as_ref(), &ruling, &outcome, report);
        }
        // What the log says counts goes on counting, where it can: the figures it publishes follow from it.
        let outcome = match (held.as_ref().map(|held| &held.verdict), outcome) {
            (Some(Verdict::Refused(code)), outcome) if outcome.is_ok() || taken => Err(refused(code)),
            (_, outcome) => outcome,
        };
        let mut events = 0;
        if let Ok(decision) = &outcome {
            events = decision.acts.iter().filter(|act| matches!(act, Decided::New(..))).count() as u64;
            if let Some(evidence) = &mut self.evidence {
                evidence.extend(super::evidence::named(decision));
            }
        }
        tally(&entry, agency.as_deref(), held.as_ref(), events, report);
        self.folding.apply(&entry, &signer, &outcome)?;
        self.folding.commit_if_full()
    }

    fn state(&self, entry: &Entry, report: &mut Report) {
        let due = entry.index > 0 && entry.index.is_multiple_of(STATE_DIGEST_EVERY);
        let expected = due.then(|| self.folding.digest());
        report.states += u64::from(due && entry.state == expected);
        if entry.state != expected {
            let finding = Finding::new(
                "state-differs",
                "기록에 적힌 집계 상태 해시가 앞선 기록에서 계산한 것과 다릅니다: 판정이나 앞선 기록이 바뀌었습니다",
                "the digest of the figures in this entry is not what the entries before it give",
            );
            let text = |state: Option<[u8; 32]>| state.map_or_else(|| "none".to_owned(), |state| hex::encode(&state));
            report.find(finding.at(entry.index).versions(text(entry.state), text(expected)));
        }
    }

    /// What its signature claims beside the report itself.
    fn signed(&mut self, entry: &Entry, screened: &Screened, report: &mut Report) {
        let Some(link) = &screened.signer.link else { return };
        report.signatures += u64::from(self.trust == Trust::Nothing);
        report.early += u64::from(entry.recorded.plus_ns(CLOCK_AHEAD_NS_MAX) < link.reported);
        let Some(seen) = &link.seen else { return };
        let agency = screened.signer.agency.clone().unwrap_or_default();
        if seen.size > entry.index {
            let finding = Finding::new(
                "seen-later",
                "서명자는 이 기록보다 뒤의 로그를 이미 보았다고 서명했습니다: 기록이 앞으로 옮겨졌습니다",
                "its signer had seen a log longer than the entry's place: the entry was moved forward",
            );
            let expected = format!("an index of at least {}", seen.size);
            return report.find(finding.at(entry.index).of(Some(&agency), None).versions(entry.index, expected));
        }
        report.seen += 1;
        self.seen.entry((seen.size, seen.root)).or_insert((entry.index, agency));
    }

    /// Ends the judging: keys and their chains into the report.
    ///
    /// # Errors
    /// The scratch store fails.
    pub fn finish(mut self, folder: &LogFolder, report: &mut Report) -> Result<(), Halt> {
        self.folding.commit()?;
        let registry = self.registry().clone();
        let chains = self.folding.reader().chains()?;
        super::keys::keys(&registry, &chains, report);
        let size = report.size;
        let read = |index| Entry::parse(&folder.entry(index, size).ok()?).ok();
        withheld::judge(&registry, &self.withheld, &read, report);
        self.folding.close()
    }
}

/// In a stream's life indexes follow sequences; `recorded` counts by its running maximum.
fn place(entry: &Entry, report: &mut Report) {
    if entry.sequence != entry.index + 1 {
        let finding = Finding::new(
            "sequence-wrong",
            "스트림 순번이 기록 번호를 따르지 않습니다: 기록이 빠졌거나 끼어들었습니다",
            "the stream sequence does not follow the index: entries were dropped or inserted",
        );
        report.find(finding.at(entry.index).versions(entry.sequence, entry.index + 1));
    }
    let last = report.recorded.map_or(entry.recorded, |(_, last)| last);
    if entry.recorded.plus_ns(CLOCK_AHEAD_NS_MAX) < last {
        let finding = Finding::new(
            "recorded-back",
            "기록 시각이 앞선 기록보다 5분 넘게 이릅니다: 시각이 소급되었습니다",
            "it was recorded more than 5 minutes before an earlier entry: back-dated, or a clock was set back",
        );
        report.find(finding.at(entry.index).versions(entry.recorded, format!("{last} or later")));
    }
    widen(&mut report.recorded, entry.recorded);
}

/// Streams follow each other by number, and a recovery brings from an earlier one.
fn streams(entry: &Entry, number: Option<u32>, before: Option<u32>, report: &mut Report) {
    if number < before {
        let finding = Finding::new(
            "stream-wrong",
            "앞선 기록보다 오래된 스트림에서 왔다고 적혀 있습니다: 기록의 출처가 바뀌었습니다",
            "it names an older stream than an entry before it: where it came from was altered",
        );
        let expected = format!("LEDGER_{} or later", before.unwrap_or_default());
        report.find(finding.at(entry.index).versions(&entry.stream, expected));
    }
    let Some((from, sequence, _)) = &entry.recovered else { return };
    report.recovered += 1;
    if number_of(from).is_none() || number_of(from) >= number {
        let finding = Finding::new(
            "recovered-wrong",
            "복구로 옮겨진 기록이 앞선 스트림을 가리키지 않습니다",
            "a recovery is said to have brought it, but not from an earlier stream",
        );
        let expected = format!("a stream before {}", entry.stream);
        report.find(finding.at(entry.index).versions(format!("{from} {sequence}"), expected));
    }
}

fn differs(
    entry: &Entry,
    agency: Option<&str>,
    held: Option<&Ruling>,
    ruling: &Ruling,
    outcome: &Result<crate::admit::decide::Decision, Refusal>,
    report: &mut Report,
) {
    let event = crate::event::envelope::parse(
        entry.content_type.as_ref().and_then(Kept::text).unwrap_or_default(),
        entry.body.bytes().map_or(&[][..], |body| body.as_ref()),
    );
    let event = event.ok().and_then(|events| events.first().map(|event| event.id.to_string()));
    let why = outcome.as_ref().err().and_then(|refusal| refusal.faults.first()).map(|fault| fault.detail.clone());
    let why = why.map_or_else(String::new, |why| format!(": {why}"));
    let finding = Finding::new(
        "verdict-differs",
        format!("판정이 규칙에 따른 것과 다릅니다{why}"),
        format!("the verdict is not what the rules give{why}"),
    );
    let text = |ruling: Option<&Ruling>| ruling.map_or_else(|| "none".to_owned(), said);
    report.find(finding.at(entry.index).of(agency, event).versions(text(held), text(Some(ruling))));
}

fn said(ruling: &Ruling) -> String {
    let new = ruling.marks.iter().filter(|mark| **mark == crate::log::entry::Mark::New).count();
    match &ruling.verdict {
        Verdict::Accepted => format!("accepted, {new} new of {}", ruling.marks.len().max(new)),
        Verdict::Duplicate => "duplicate".to_owned(),
        Verdict::Refused(code) => match &ruling.fault {
            Some((event, reason)) => format!("refused {code} (event {event}: {reason})"),
            None => format!("refused {code}"),
        },
    }
}

fn tally(entry: &Entry, agency: Option<&str>, held: Option<&Ruling>, events: u64, report: &mut Report) {
    let row = report.agencies.entry(agency.unwrap_or("?").to_owned()).or_default();
    row.entries += 1;
    widen(&mut row.recorded, entry.recorded);
    match held.map(|held| &held.verdict) {
        Some(Verdict::Accepted) => {
            row.accepted += 1;
            row.events += events;
            report.events += events;
        }
        Some(Verdict::Duplicate) => row.duplicate += 1,
        _ => row.refused += 1,
    }
}
