//! What is wrong with a stream, for people.

use std::sync::Arc;

use super::StreamError;

/// What is wrong with the stream: intake halts, reads keep serving.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Finding {
    /// A message is gone from the middle.
    #[error(
        "stream {stream} has a hole: sequence {missing} is gone, the stream goes on to {last}. Someone removed it, or NATS lost it: run `jindo recover`"
    )]
    Hole {
        /// Stream name.
        stream: Arc<str>,
        /// The first sequence that is missing.
        missing: u64,
        /// Last sequence of the stream.
        last: u64,
    },
    /// The stream ends before what was read from it already.
    #[error(
        "stream {stream} went backwards: it ends at {last}, but {position} was read from it. NATS lost acknowledged reports: run `jindo recover`"
    )]
    Backwards {
        /// Stream name.
        stream: Arc<str>,
        /// Last sequence that was read.
        position: u64,
        /// Last sequence of the stream now.
        last: u64,
    },
    /// There is no such stream.
    #[error("stream {stream} is gone. Someone deleted it, or NATS lost it: run `jindo recover`")]
    Gone {
        /// Stream name.
        stream: Arc<str>,
    },
    /// A message is another one than was read there.
    #[error(
        "stream {stream} holds another message at sequence {sequence} than was read from it. NATS lost acknowledged reports and took others in their place, as a server does that an older copy of its files was put back to: run `jindo recover`"
    )]
    Differs {
        /// Stream name.
        stream: Arc<str>,
        /// A sequence where it differs.
        sequence: u64,
    },
    /// A recovery retired it.
    #[error(
        "stream {stream} was retired by a recovery. Start again to read the next one; where there is none the recovery did not end: run `jindo recover` again"
    )]
    Retired {
        /// Stream name.
        stream: Arc<str>,
    },
    /// Another stream stands under its name.
    #[error("stream {stream} was made anew: created {found}, the one read before {expected}. Run `jindo recover`")]
    Replaced {
        /// Stream name.
        stream: Arc<str>,
        /// When the one read before was created.
        expected: String,
        /// When this one was.
        found: String,
    },
}

impl Finding {
    /// The stream it is about.
    #[must_use]
    pub fn stream(&self) -> &str {
        match self {
            Finding::Hole { stream, .. }
            | Finding::Backwards { stream, .. }
            | Finding::Gone { stream }
            | Finding::Differs { stream, .. }
            | Finding::Retired { stream }
            | Finding::Replaced { stream, .. } => stream,
        }
    }
}

/// Why reading ended.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The stream is not what it was.
    #[error(transparent)]
    Finding(#[from] Finding),
    /// The API refused, or answered what cannot be read.
    #[error(transparent)]
    Stream(#[from] StreamError),
}
