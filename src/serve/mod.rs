//! HTTP: reads of the projections, problems as RFC 9457. Writes nothing, and knows the ledger only as a [`Source`].
//!
//! The accept loop is our own: `axum::serve` installs no timer for request heads, so a slow client would never be cut off.

pub mod live;
pub mod log;
pub mod problem;
pub mod query;
pub mod routes;
pub mod source;

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

pub use source::Source;

use crate::limits::{
    ACCEPT_PAUSE_MS, AT_LEAST_WAIT_MS, HTTP_CONNECTIONS_MAX, HTTP_HEAD_BYTES_MAX, HTTP_HEAD_TIMEOUT_MS,
    HTTP_SHUTDOWN_MS,
};

/// Limits of one server; the defaults are those of [`crate::limits`], tests take smaller ones.
#[derive(Debug, Clone, Copy)]
pub struct Config {
    /// How long a client may take to send a request head, and may stay idle between two requests.
    pub head_timeout: Duration,
    /// Open connections; more wait in the listener's backlog.
    pub connections_max: usize,
    /// How long `at_least` waits.
    pub at_least_wait: Duration,
    /// How long open requests may take to end at shutdown.
    pub shutdown: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            head_timeout: Duration::from_millis(HTTP_HEAD_TIMEOUT_MS),
            connections_max: HTTP_CONNECTIONS_MAX,
            at_least_wait: Duration::from_millis(AT_LEAST_WAIT_MS),
            shutdown: Duration::from_millis(HTTP_SHUTDOWN_MS),
        }
    }
}

/// Serves until `stop` is ready, then lets open requests end.
///
/// # Errors
/// The listener itself fails; a failing connection ends alone.
pub async fn serve(
    listener: TcpListener,
    source: Arc<dyn Source>,
    config: Config,
    stop: impl Future<Output = ()> + Send,
) -> io::Result<()> {
    let router = routes::router(source, config);
    let room = Arc::new(Semaphore::new(config.connections_max));
    let graceful = GracefulShutdown::new();
    let mut server = http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(config.head_timeout).max_buf_size(HTTP_HEAD_BYTES_MAX);
    let mut stop = std::pin::pin!(stop);
    loop {
        // The room is taken before accepting: clients beyond it wait in the kernel, not in our memory.
        let seat = tokio::select! {
            seat = room.clone().acquire_owned() => seat.map_err(io::Error::other)?,
            () = &mut stop => break,
        };
        let stream = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    // Out of descriptors, or a client gone before it was accepted: others are still to be served.
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(ACCEPT_PAUSE_MS)).await;
                    continue;
                }
            },
            () = &mut stop => break,
        };
        let connection = server.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router.clone()));
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection ended early");
            }
            drop(seat);
        });
    }
    drop(listener);
    if tokio::time::timeout(config.shutdown, graceful.shutdown()).await.is_err() {
        tracing::warn!("requests were still open at shutdown");
    }
    Ok(())
}

#[cfg(test)]
mod tests;
