//! JetStream, the intake: run a server, connect, declare the stream, append to it, read it in order.
//!
//! The stream carries reports to the projector; the record is the log ([`crate::log`]). Nothing here reads a report.

pub mod append;
pub mod cluster;
pub mod config;
pub mod connect;
pub mod declare;
mod doubt;
pub mod fence;
mod finding;
pub mod past;
mod pull;
mod raw;
pub mod read;
pub mod roam;
pub mod server;
pub mod succession;

pub use append::{AppendError, Outgoing, append};
pub use cluster::{ClusterConfig, RouteTls};
pub use config::{AgencyUser, NatsConfig, config_text, inbox_prefix};
pub use connect::{Link, Login, connect};
pub use declare::{PROGRESS_BUCKET, declare, inspect, progress_bucket, progress_bucket_on, stream_name};
pub use finding::{Finding, ReadError};
pub use past::Past;
pub use read::Reader;
pub use server::{Server, ServerState};

/// Why the stream cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    /// No connection.
    #[error("no connection to NATS at {url}: {why}. Is the server running?")]
    Connect {
        /// Address tried.
        url: String,
        /// What the client says.
        why: String,
    },
    /// The server knows no such user.
    #[error("NATS at {url} takes no connection with this key: it was never registered there, or it was revoked")]
    Denied {
        /// Address tried.
        url: String,
    },
    /// The server is too old.
    #[error("nats-server {found} at {url} is too old: {needed} or newer has the atomic batches jindo publishes with")]
    TooOld {
        /// Address.
        url: String,
        /// Version found.
        found: String,
        /// Version needed.
        needed: String,
    },
    /// The JetStream API answered with an error.
    #[error("JetStream refused {what}: {text} (error {code})")]
    Api {
        /// The request.
        what: String,
        /// `err_code` of JetStream, 0 where there is none.
        code: u64,
        /// Its description.
        text: String,
    },
    /// The JetStream API did not answer.
    #[error("JetStream did not answer {what}: {why}")]
    NoAnswer {
        /// The request.
        what: String,
        /// Time-out, no responders, permission.
        why: String,
    },
    /// The stream is weaker than jindo demands.
    #[error("stream {stream} is weaker than jindo demands, so it is not used:\n  - {}", .weaknesses.join("\n  - "))]
    Weak {
        /// Stream name.
        stream: String,
        /// One line each.
        weaknesses: Vec<String>,
    },
    /// No `nats-server` that fits.
    #[error(
        "no nats-server {needed} or newer found ({tried}). Run `make nats-server`, or set JINDO_NATS_SERVER to its path"
    )]
    NoServer {
        /// Version needed.
        needed: String,
        /// What was tried and why it did not fit.
        tried: String,
    },
    /// The server's configuration cannot be written as asked.
    #[error("{0}")]
    Config(#[from] config::ConfigError),
    /// `nats-server` does not start.
    #[error("nats-server does not start: {why}. Its log: {log}")]
    Start {
        /// What happened.
        why: String,
        /// Its log file.
        log: String,
    },
    /// A file or process.
    #[error("{what}: {source}")]
    Io {
        /// What was being done, on what.
        what: String,
        /// The system's error.
        source: std::io::Error,
    },
}

impl StreamError {
    /// Whether it passes by itself: the server is away or starting, or the cluster elects a leader.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        match self {
            StreamError::NoAnswer { .. } => true,
            // 10008 JetStream not available, 10009 no leader yet, 10023 not enough resources, 10039 consumer offline, 10118 stream offline.
            StreamError::Api { code, .. } => [10_008, 10_009, 10_039, 10_118, 10_023].contains(code),
            _ => false,
        }
    }

    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let what = what.into();
        move |source| StreamError::Io { what, source }
    }
}
