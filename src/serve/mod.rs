//! HTTP: reads of the projections, problems as RFC 9457, and a gateway for signed reports ([`intake`]). Knows the ledger only as
//! a [`Source`].
//!
//! The accept loop is our own: `axum::serve` installs no timer for request heads, so a slow client would never be cut off.

mod client;
pub mod descriptors;
mod follow;
pub mod intake;
mod layers;
pub mod live;
pub mod log;
mod metrics;
pub mod openapi;
pub mod page;
pub mod problem;
pub mod query;
mod resources;
pub mod routes;
pub mod scans;
mod seats;
pub mod source;
mod table;
pub mod views;
mod waiting;

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Body as _;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpSocket};

use client::Client;
use follow::Hub;
use seats::{Seat, Seats};
pub use source::Source;

use crate::limits::{
    ACCEPT_PAUSE_MS, AT_LEAST_WAIT_MS, HTTP_BACKLOG, HTTP_CONNECTION_LIFE_MS, HTTP_CONNECTIONS_MAX,
    HTTP_HEAD_BYTES_MAX, HTTP_HEAD_TIMEOUT_MS, HTTP_SEAT_WAIT_MS, HTTP_SEND_BUFFER_BYTES, HTTP_SHUTDOWN_MS,
    HTTP_WAITING_BYTES_MAX, HTTP_WRITE_STALL_MS,
};

/// Limits of one server; the defaults are those of [`crate::limits`], tests take smaller ones.
#[derive(Debug, Clone, Copy)]
pub struct Config {
    /// How long a client may take to send a request head, and may stay idle between two requests.
    pub head_timeout: Duration,
    /// How long a client may leave an answer unread.
    pub write_stall: Duration,
    /// Open connections; more wait in the listener's backlog, or take the seat of one that waits for its client.
    pub connections_max: usize,
    /// How long a connection must have waited for its client before another may take its seat.
    pub seat_wait: Duration,
    /// How long a connection may live, whatever it does.
    pub life: Duration,
    /// Bytes of answers that may wait for their clients, all together.
    pub waiting_bytes: usize,
    /// How long `at_least` waits.
    pub at_least_wait: Duration,
    /// How long open requests may take to end at shutdown.
    pub shutdown: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            head_timeout: Duration::from_millis(HTTP_HEAD_TIMEOUT_MS),
            write_stall: Duration::from_millis(HTTP_WRITE_STALL_MS),
            connections_max: HTTP_CONNECTIONS_MAX,
            seat_wait: Duration::from_millis(HTTP_SEAT_WAIT_MS),
            life: Duration::from_millis(HTTP_CONNECTION_LIFE_MS),
            waiting_bytes: HTTP_WAITING_BYTES_MAX,
            at_least_wait: Duration::from_millis(AT_LEAST_WAIT_MS),
            shutdown: Duration::from_millis(HTTP_SHUTDOWN_MS),
        }
    }
}

/// Listens; what is accepted keeps few bytes for a client who does not read.
///
/// # Errors
/// The system's: the address is taken, or none of this machine.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.set_send_buffer_size(HTTP_SEND_BUFFER_BYTES)?;
    socket.bind(address)?;
    socket.listen(HTTP_BACKLOG)
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
    let hub = Hub::new(source.clone());
    let following = tokio::spawn(hub.clone().run());
    let router = routes::router(source, hub.clone(), config);
    let seats = Seats::new(config.connections_max, config.seat_wait);
    let graceful = GracefulShutdown::new();
    let mut server = http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(config.head_timeout).max_buf_size(HTTP_HEAD_BYTES_MAX);
    let mut stop = std::pin::pin!(stop);
    for number in 0.. {
        // The seat is taken before accepting: clients beyond it wait in the kernel, not in our memory.
        let seat = tokio::select! {
            seat = seats.take(number) => seat,
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
        let client = Client::new(stream, seat.pace.clone(), config.write_stall);
        let (pace, service) = (seat.pace.clone(), TowerToHyperService::new(router.clone()));
        let service = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
            let (pace, service) = (pace.clone(), service.clone());
            async move {
                // Requests sent ahead are answered when the answers before them are read: none are held for who does not read.
                pace.unstalled().await;
                // Who sends a body a byte at a time is waited for, not served.
                let _answering = request.body().is_end_stream().then(|| pace.answering());
                service.call(request).await
            }
        });
        let connection = graceful.watch(server.serve_connection(TokioIo::new(client), service));
        tokio::spawn(attend(connection, seat, config.life));
    }
    drop(listener);
    // Streams never end by themselves.
    hub.close();
    let _ = following.await;
    if tokio::time::timeout(config.shutdown, graceful.shutdown()).await.is_err() {
        tracing::warn!("requests were still open at shutdown");
    }
    Ok(())
}

/// A connection to its end, or until it must give up its seat.
async fn attend(connection: impl Future<Output = Result<(), hyper::Error>> + Send, seat: Seat, life: Duration) {
    tokio::select! {
        ended = connection => {
            if let Err(error) = ended {
                tracing::debug!(%error, "a connection ended early");
            }
        }
        () = seat.pace.given_up() => tracing::debug!("a connection that waited for its client gave up its seat"),
        () = tokio::time::sleep(life) => tracing::debug!("a connection was open for too long"),
    }
}

#[cfg(test)]
mod tests;
