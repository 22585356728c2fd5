//! Descriptors: connections of strangers must leave enough for the ledger's own files.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::limits::{DESCRIPTORS_KEPT, HTTP_CONNECTIONS_MAX};

/// Raises this process's soft limit of open files to its hard one; what it is then, `None` for no limit.
///
/// Shells give 1,024 for the sake of programs that use `select`, which nothing here does.
pub fn raise() -> Option<u64> {
    let limit = getrlimit(Resource::Nofile);
    let wanted = Rlimit { current: limit.maximum, maximum: limit.maximum };
    match setrlimit(Resource::Nofile, wanted) {
        Ok(()) => limit.maximum,
        Err(error) => {
            tracing::warn!(%error, limit = limit.current, "the limit of open files could not be raised");
            limit.current
        }
    }
}

/// Connections to take under such a limit: at most half of what is there where that is little.
#[must_use]
pub fn connections(limit: Option<u64>) -> usize {
    let Some(limit) = limit else { return HTTP_CONNECTIONS_MAX };
    let left = limit.saturating_sub(DESCRIPTORS_KEPT.min(limit / 2));
    usize::try_from(left).unwrap_or(usize::MAX).clamp(1, HTTP_CONNECTIONS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_descriptors_for_the_ledger() {
        for (limit, expected) in [
            (None, HTTP_CONNECTIONS_MAX),
            (Some(1_048_576), HTTP_CONNECTIONS_MAX),
            (Some(1_280), 1_024),
            (Some(1_024), 768),
            (Some(512), 256),
            (Some(64), 32),
            (Some(0), 1),
        ] {
            assert_eq!(connections(limit), expected, "{limit:?}");
        }
    }

    #[test]
    fn the_soft_limit_becomes_the_hard_one() {
        let before = getrlimit(Resource::Nofile);
        let less = before.maximum.unwrap_or(1 << 20) - 1;
        setrlimit(Resource::Nofile, Rlimit { current: Some(less), maximum: before.maximum }).unwrap();
        assert_eq!(raise(), before.maximum);
        assert_eq!(getrlimit(Resource::Nofile).current, before.maximum);
    }
}
