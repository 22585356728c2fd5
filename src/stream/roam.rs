//! Leaves a server that is cut off from its cluster, or hangs: its connection stays open and nothing comes back.
//!
//! The client library moves on when a connection breaks. A server without a quorum breaks none, so a projector on it would
//! wait until the cut is mended while the others go on. Never leaves where there is no other server.

use std::time::Duration;

use serde_json::Value;
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};

use super::Link;
use crate::limits::{ROAM_AFTER_MS, ROAM_EVERY_MS, ROAM_TRIES_MAX, ROAM_WAIT_MS};

/// Watches over a connection as long as the runtime lives. Its key must be permitted to ask `$JS.API.INFO`.
pub fn roam(link: &Link) -> JoinHandle<()> {
    let link = link.clone();
    tokio::spawn(async move {
        let mut answered = Instant::now();
        loop {
            sleep(Duration::from_millis(ROAM_EVERY_MS)).await;
            let connected = link.client.connection_state() == async_nats::connection::State::Connected;
            // Without a connection the client is looking for one already.
            if !connected || !link.has_several() || answers(&link).await {
                answered = Instant::now();
            } else if answered.elapsed() >= Duration::from_millis(ROAM_AFTER_MS) {
                tracing::warn!(
                    server = link.client.server_info().server_name,
                    "cut off or hanging: left for another one"
                );
                leave(&link).await;
                answered = Instant::now();
            }
        }
    })
}

/// Reconnects until it is to another server: the client library takes any, the same one too.
async fn leave(link: &Link) {
    let mut connects = link.connects();
    let left = link.client.server_info().server_id;
    for _ in 0..ROAM_TRIES_MAX {
        connects.mark_unchanged();
        if let Err(error) = link.client.force_reconnect().await {
            tracing::debug!(%error, "the connection is closed");
            return;
        }
        // Asked again before it is connected, it would leave the server that it found.
        if connects.changed().await.is_err() || link.client.server_info().server_id != left {
            return;
        }
    }
}

/// Whether the cluster answers here: its leader does, so a server that has lost it cannot.
async fn answers(link: &Link) -> bool {
    matches!(timeout(Duration::from_millis(ROAM_WAIT_MS), link.api("INFO", &Value::Null)).await, Ok(Ok(_)))
}
