//! Leaves a server that is cut off from its cluster, or hangs: its connection stays open and nothing comes back.
//!
//! The client library moves on when a connection breaks. A server without a quorum breaks none, so a projector on it would
//! wait until the cut is mended while the others go on. Never leaves where there is no other server.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};

use super::{Link, declare::PROGRESS_BUCKET, succession::number_of};
use crate::limits::{ROAM_AFTER_MS, ROAM_EVERY_MS, ROAM_SILENT_MS, ROAM_TRIES_MAX, ROAM_WAIT_MS};

/// Watches over a connection as long as the runtime lives. Its key must be permitted to ask for streams.
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

/// Whether the cluster answers here: its leader names the streams, so a server that has lost it cannot; and whoever leads the one
/// that counts has heard from a majority lately. One that is cut off goes on leading until it notices, for up to 20 seconds.
async fn answers(link: &Link) -> bool {
    let asked = async {
        let names = link.api("STREAM.NAMES", &json!({})).await.ok()?;
        let names = names.get("streams").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let names = names.iter().filter_map(Value::as_str);
        // The newest stream of the ledger; in the bucket's account, the bucket's.
        let ours = names.filter(|name| number_of(name).is_some() || name.ends_with(PROGRESS_BUCKET));
        let Some(name) = ours.max_by_key(|name| number_of(name)) else { return Some(true) };
        let info = link.api(&format!("STREAM.INFO.{name}"), &Value::Null).await.ok()?;
        Some(has_majority(&info))
    };
    timeout(Duration::from_millis(ROAM_WAIT_MS), asked).await.is_ok_and(|answer| answer == Some(true))
}

/// Whether the leader that says this of its stream has heard from a majority lately.
fn has_majority(info: &Value) -> bool {
    let others = info.pointer("/cluster/replicas").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let lately = |other: &&Value| {
        let ago_ns = other.get("active").and_then(Value::as_u64).unwrap_or(u64::MAX);
        ago_ns < ROAM_SILENT_MS * 1_000_000 && other.get("offline") != Some(&Value::Bool(true))
    };
    let heard = others.iter().filter(lately).count() + 1;
    heard * 2 > others.len() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leader_that_hears_nobody_leads_nothing() {
        let (now, long_ago) = (json!({"active": 300_000_000}), json!({"active": 9_000_000_000u64}));
        let offline = json!({"active": 300_000_000, "offline": true});
        for (replicas, majority) in [
            (json!([]), true),
            (json!([now, now]), true),
            (json!([now, long_ago]), true),
            (json!([now, offline]), true),
            (json!([long_ago, long_ago]), false),
            (json!([long_ago, offline]), false),
            (json!([{}, {}]), false),
            (json!([now, now, offline, offline]), true),
            (json!([now, offline, offline, offline]), false),
        ] {
            assert_eq!(has_majority(&json!({"cluster": {"replicas": replicas}})), majority, "{replicas}");
        }
        assert!(has_majority(&json!({})), "a server that stands alone");
    }
}
