//! What an acknowledgement means for a report in the outbox. Pure.

use crate::stream::{AppendError, append::Appended};

/// What to do with a report after an attempt to append it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Judgement {
    /// In the stream: wait until it is recorded.
    Sent {
        /// Stream sequence.
        sequence: u64,
    },
    /// May be in the stream: ask before it is sent again.
    Doubt {
        /// What happened.
        why: String,
    },
    /// Not in the stream, and sending it again would not help: told to the caller, taken back where it can be.
    Refused {
        /// Why.
        error: AppendError,
    },
    /// Not in the stream, and a later attempt may succeed.
    Later {
        /// Why.
        error: AppendError,
    },
}

/// `err_code`s of JetStream that pass: not enough resources, no leader, no suitable peers, stream offline, JetStream not
/// ready, storage failed for now.
const PASSING: [u64; 7] = [10_005, 10_008, 10_009, 10_023, 10_077, 10_118, 10_047];

/// Judges one answer.
#[must_use]
pub fn judge(answer: &Appended) -> Judgement {
    match answer {
        Ok(sequence) => Judgement::Sent { sequence: *sequence },
        Err(AppendError::Unknown { why }) => Judgement::Doubt { why: why.clone() },
        Err(error @ AppendError::NoStream { .. }) => Judgement::Later { error: error.clone() },
        Err(error @ AppendError::Refused { code, .. }) if PASSING.contains(code) => {
            Judgement::Later { error: error.clone() }
        }
        Err(
            error @ (AppendError::NotPermitted { .. }
            | AppendError::TooLarge { .. }
            | AppendError::Malformed { .. }
            | AppendError::Refused { .. }),
        ) => Judgement::Refused { error: error.clone() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_answer_has_one_meaning() {
        let subject = || "ledger.report.kita.x".to_owned();
        let refused = |code| AppendError::Refused { code, text: "t".to_owned() };
        let check = |answer: Appended, expected: &str| {
            let found = format!("{:?}", judge(&answer));
            assert!(found.starts_with(expected), "{answer:?}: {found}");
        };
        check(Ok(41), "Sent { sequence: 41 }");
        check(Err(AppendError::Unknown { why: "no answer".to_owned() }), "Doubt");
        check(Err(AppendError::NoStream { subject: subject() }), "Later");
        check(Err(refused(10_023)), "Later");
        check(Err(refused(10_054)), "Refused");
        check(Err(AppendError::NotPermitted { subject: subject() }), "Refused");
        check(Err(AppendError::TooLarge { bytes: 70_000 }), "Refused");
        check(Err(AppendError::Malformed { why: "x".to_owned() }), "Refused");
    }
}
