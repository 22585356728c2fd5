//! Whether figures are current, told after each round of the reader: under load too, when the stream is never empty.

use super::shared::Health;
use crate::limits::READY_WAITING_MAX;

/// What a round of the reader came to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Round {
    /// Entries committed.
    pub size: u64,
    /// Sequence of the next message.
    pub next: u64,
    /// Messages known to be in the stream behind those that were read.
    pub waiting: u64,
    /// Nothing was read.
    pub empty: bool,
    /// Whether the stream can be read.
    pub reads: bool,
    /// Whether figures count as current so far.
    pub ready: bool,
}

/// Remembers how far the stream went a while ago: once that is committed, figures are as current as they can be.
#[derive(Debug, Default)]
pub(super) struct Current {
    goal: Option<u64>,
}

impl Current {
    /// What is to be told now; `None` where nothing changed. What is read but not committed yet is in no figure.
    pub fn judge(&mut self, round: Round) -> Option<Health> {
        let Round { size, next, waiting, empty, reads, ready } = round;
        if empty && !reads {
            return Some(Health::Disconnected);
        }
        if empty && waiting == 0 {
            self.goal = None;
            return (size + 1 >= next).then_some(Health::Ready);
        }
        let is_reached = size >= *self.goal.get_or_insert(next + waiting - 1);
        if is_reached {
            self.goal = None;
        }
        if is_reached && waiting <= READY_WAITING_MAX {
            return Some(Health::Ready);
        }
        let is_behind = waiting > READY_WAITING_MAX || (waiting > 0 && !ready);
        is_behind.then_some(Health::CatchingUp { size, waiting })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Size, next, waiting, empty, reads, and what is told then.
    type Told<'a> = (u64, u64, u64, bool, bool, Option<&'a str>);

    fn check(what: &str, rounds: &[Told<'_>]) {
        let (mut current, mut ready) = (Current::default(), false);
        for (at, &(size, next, waiting, empty, reads, told)) in rounds.iter().enumerate() {
            let health = current.judge(Round { size, next, waiting, empty, reads, ready });
            let word = match &health {
                Some(Health::Ready) => Some("ready"),
                Some(Health::CatchingUp { .. }) => Some("behind"),
                Some(Health::Disconnected) => Some("away"),
                _ => None,
            };
            assert_eq!(word, told, "{what}, round {at}");
            ready = health.map_or(ready, |health| health == Health::Ready);
        }
    }

    #[test]
    fn readiness_follows_the_commits() {
        check(
            "quiet",
            &[(0, 35, 0, false, true, None), (0, 35, 0, true, true, None), (34, 35, 0, true, true, Some("ready"))],
        );
        check(
            "started under load that never stops",
            &[
                (0, 513, 90, false, true, Some("behind")),
                (512, 604, 1, false, true, Some("behind")),
                (603, 606, 0, false, true, Some("ready")),
                // Then some always wait.
                (605, 608, 3, false, true, None),
                (610, 614, 2, false, true, Some("ready")),
            ],
        );
        check(
            "falling behind",
            &[
                (9, 10, 0, true, true, Some("ready")),
                (9, 500, 5_000, false, true, Some("behind")),
                (5_499, 5_600, 1_500, false, true, Some("behind")),
                (7_099, 7_100, 0, false, true, Some("ready")),
            ],
        );
        check("away", &[(9, 10, 3, true, false, Some("away")), (9, 10, 0, true, true, Some("ready"))]);
    }
}
