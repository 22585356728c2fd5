//! Delivers what waits in an outbox: append in order, in doubt ask, and wait until the ledger has recorded it.
//!
//! A report is sent again only after `jindo.status` said twice that it is unknown while everything in the stream was
//! read. Where the service cannot be reached a report stays *sent* and is asked about next time.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use tokio::time::Instant;

use super::{
    judge::{Judgement, judge},
    outbox::{Outbox, OutboxError, Stage},
    status::{ReportState, StatusAnswer, ask},
};
use crate::{
    limits::{DOUBT_PAUSE_MS, PUBLISH_BATCH_MAX, RESEND_MAX, STATUS_ASK_MAX, STATUS_PAUSE_MS},
    stream::{AppendError, Link, append, append::Appended},
};

/// Why a delivery cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The outbox.
    #[error(transparent)]
    Outbox(#[from] OutboxError),
    /// The service `jindo.status`.
    #[error(
        "the ledger does not tell what became of reports: {why}. They stay in the outbox and are asked about next time"
    )]
    NoStatus {
        /// Why.
        why: String,
    },
}

/// What became of one report in a delivery.
#[derive(Debug, Clone, PartialEq)]
pub enum Delivered {
    /// In the log, with its verdict.
    Recorded(ReportState),
    /// Acknowledged by the stream, not yet known to be in the log.
    Sent {
        /// Stream sequence, where it was acknowledged in this delivery.
        sequence: Option<u64>,
    },
    /// Not sent yet: it waits for the next delivery.
    Waiting,
    /// May have been sent; asked about next time.
    Doubt {
        /// What happened.
        why: String,
    },
    /// Certainly not stored. `withdrawn`: it has left the outbox; otherwise it waits for the next delivery.
    Failed {
        /// Why.
        error: AppendError,
        /// Whether it was taken back.
        withdrawn: bool,
    },
}

/// What became of every report that waited, by its number.
pub type Delivery = BTreeMap<u64, Delivered>;

/// Delivers everything that waits and waits up to `wait` for it to be recorded. `progress` is told (recorded, all)
/// whenever it moves.
///
/// # Errors
/// [`SendError::Outbox`]. A ledger that cannot be reached is no error: the reports say so one by one.
pub async fn deliver(
    outbox: &mut Outbox,
    link: &Link,
    stream: &str,
    wait: Duration,
    mut progress: impl FnMut(usize, usize),
) -> Result<Delivery, SendError> {
    let deadline = Instant::now() + wait;
    let mut run =
        Run { link, stream, refused: false, report: outset(outbox), unknown: BTreeMap::new(), resent: BTreeMap::new() };
    let all = run.report.len();
    let (mut pause_ms, pause_ms_max) = STATUS_PAUSE_MS;
    loop {
        let before = run.recorded();
        // What may have been sent is cleared up first: the chain stays in order.
        if !run.refused && !any(outbox, |stage| stage == Stage::Doubt) {
            run.send(outbox).await?;
        }
        run.confirm(outbox).await?;
        let recorded = run.recorded();
        if recorded > before {
            progress(recorded, all);
            pause_ms = STATUS_PAUSE_MS.0;
        }
        let open = any(outbox, |stage| matches!(stage, Stage::Sent | Stage::Doubt));
        let sendable = !run.refused && any(outbox, |stage| matches!(stage, Stage::Fresh | Stage::Again));
        if !(open || sendable) || Instant::now() >= deadline {
            break;
        }
        tokio::time::sleep_until(deadline.min(Instant::now() + Duration::from_millis(pause_ms))).await;
        pause_ms = (pause_ms * 2).min(pause_ms_max);
    }
    outbox.compact()?;
    Ok(run.report)
}

fn any(outbox: &Outbox, is: impl Fn(Stage) -> bool) -> bool {
    outbox.pending().any(|pending| is(pending.stage))
}

/// What can be said of each report before anything is done.
fn outset(outbox: &Outbox) -> Delivery {
    let said = |stage| match stage {
        Stage::Sent => Delivered::Sent { sequence: None },
        Stage::Doubt => Delivered::Doubt { why: "it was being sent when an earlier run ended".to_owned() },
        Stage::Fresh | Stage::Again => Delivered::Waiting,
    };
    outbox.pending().map(|pending| (pending.report.seq, said(pending.stage))).collect()
}

struct Run<'a> {
    link: &'a Link,
    stream: &'a str,
    /// A report was refused for good: what stands behind it is not sent in this run.
    refused: bool,
    report: Delivery,
    /// Reports that the ledger did not know although it had read everything, and when it first said so.
    unknown: BTreeMap<u64, Instant>,
    resent: BTreeMap<u64, u32>,
}

impl Run<'_> {
    fn recorded(&self) -> usize {
        self.report.values().filter(|delivered| matches!(delivered, Delivered::Recorded(_))).count()
    }

    /// Sends in order what is to be sent, until one is in doubt or fails.
    async fn send(&mut self, outbox: &mut Outbox) -> Result<(), SendError> {
        let sendable = |stage| matches!(stage, Stage::Fresh | Stage::Again);
        let ready: Vec<u64> = outbox.pending().filter(|p| sendable(p.stage)).map(|p| p.report.seq).collect();
        if ready.is_empty() {
            return Ok(());
        }
        outbox.seal()?;
        for part in ready.chunks(PUBLISH_BATCH_MAX) {
            let messages: Vec<_> =
                part.iter().filter_map(|seq| outbox.get(*seq)).map(|p| p.report.outgoing()).collect();
            let answers = append(self.link, self.stream, &messages).await;
            let mut stop = false;
            for (seq, answer) in part.iter().zip(&answers) {
                stop |= self.take_ack(outbox, *seq, answer);
            }
            if self.refused {
                return self.take_back(outbox);
            }
            if stop {
                break;
            }
        }
        Ok(())
    }

    /// Judges one acknowledgement; whether sending must stop.
    fn take_ack(&mut self, outbox: &mut Outbox, seq: u64, answer: &Appended) -> bool {
        let (delivered, stage, stop) = match judge(answer) {
            Judgement::Sent { sequence } => (Delivered::Sent { sequence: Some(sequence) }, Some(Stage::Sent), false),
            Judgement::Doubt { why } => (Delivered::Doubt { why }, Some(Stage::Doubt), true),
            Judgement::Later { error } => (Delivered::Failed { error, withdrawn: false }, None, true),
            Judgement::Refused { error } => {
                self.refused = true;
                (Delivered::Failed { error, withdrawn: false }, None, true)
            }
        };
        if let Some(stage) = stage {
            outbox.set_stage(seq, stage);
        }
        self.report.insert(seq, delivered);
        stop
    }

    /// Takes the end of the chain back, from the first report on behind which nothing was ever stored and that was
    /// refused for good: their numbers are given again, so that the chain has no hole. A refused report before one that
    /// was stored stays.
    fn take_back(&mut self, outbox: &mut Outbox) -> Result<(), SendError> {
        let tail = outbox.pending().filter(|p| p.stage == Stage::Fresh).map(|p| p.report.seq);
        let tail: BTreeSet<u64> = tail.collect();
        let whole = (1..=outbox.last_seq()).rev().take_while(|seq| tail.contains(seq));
        let refused = |seq: &u64| match self.report.get(seq) {
            Some(Delivered::Failed { error, .. }) => matches!(judge(&Err(error.clone())), Judgement::Refused { .. }),
            _ => false,
        };
        let Some(from) = whole.filter(refused).min() else { return Ok(()) };
        outbox.withdraw(from)?;
        for (_, delivered) in self.report.range_mut(from..) {
            match delivered {
                Delivered::Failed { withdrawn, .. } => *withdrawn = true,
                other => {
                    let why = "an earlier report was refused; this one was not sent".to_owned();
                    *other = Delivered::Failed { error: AppendError::Malformed { why }, withdrawn: true };
                }
            }
        }
        Ok(())
    }

    /// Asks about everything sent or in doubt; settles what is recorded, frees for sending what is certainly unknown. A
    /// ledger that does not answer leaves everything as it is.
    async fn confirm(&mut self, outbox: &mut Outbox) -> Result<(), SendError> {
        let open = outbox.pending().filter(|p| matches!(p.stage, Stage::Sent | Stage::Doubt));
        let open: Vec<(u64, String)> = open.map(|p| (p.report.seq, p.report.sha256())).collect();
        for part in open.chunks(STATUS_ASK_MAX) {
            let names: Vec<String> = part.iter().map(|(_, name)| name.clone()).collect();
            match ask(self.link, &names).await {
                Ok(answer) => self.take_answer(outbox, part, &answer)?,
                Err(error) => {
                    tracing::debug!(%error, "status not known");
                    break;
                }
            }
        }
        Ok(())
    }

    fn take_answer(
        &mut self,
        outbox: &mut Outbox,
        part: &[(u64, String)],
        answer: &StatusAnswer,
    ) -> Result<(), SendError> {
        let mut settled = Vec::new();
        for (seq, name) in part {
            match answer.reports.get(name) {
                Some(state @ ReportState::Recorded { .. }) => {
                    settled.push(*seq);
                    self.report.insert(*seq, Delivered::Recorded(state.clone()));
                }
                Some(ReportState::Unknown) if answer.caught_up => self.take_unknown(outbox, *seq),
                // Not read yet, or not answered: nothing is known.
                Some(ReportState::Unknown) | None => drop(self.unknown.remove(seq)),
            }
        }
        if !settled.is_empty() {
            outbox.settle(settled)?;
        }
        Ok(())
    }

    /// Unknown although everything in the stream was read: not stored, or lost by NATS after its acknowledgement. Sent
    /// again once it was unknown twice.
    fn take_unknown(&mut self, outbox: &mut Outbox, seq: u64) {
        let now = Instant::now();
        let since = *self.unknown.entry(seq).or_insert(now);
        if now.duration_since(since) < Duration::from_millis(DOUBT_PAUSE_MS) {
            return;
        }
        let times = self.resent.entry(seq).or_insert(0);
        if *times < RESEND_MAX {
            *times += 1;
            self.unknown.remove(&seq);
            outbox.set_stage(seq, Stage::Again);
        }
    }
}
