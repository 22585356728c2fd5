//! Detours past the permissions: subjects that the server itself publishes to on behalf of a client.

use std::time::Duration;

use bytes::Bytes;
use jindo::stream::{append, declare, progress_bucket, read};
use serde_json::{Value, json};

use crate::nats::{PATIENCE, TestNats};

/// The server sends an acknowledgement to whatever subject the publisher names. It must not land in the ledger under
/// another agency's subject, in the bucket, or at the JetStream API (a purge request takes `seq`, as an
/// acknowledgement has it).
#[tokio::test(flavor = "multi_thread")]
async fn an_acknowledgement_sent_elsewhere_goes_nowhere() {
    let nats = TestNats::start(&["keco", "kita"]).await;
    let operator = nats.operator().await;
    declare(&operator, "LEDGER_1", 1, 1).await.unwrap();
    let bucket = progress_bucket(&operator).await.unwrap();
    for n in 0..5 {
        bucket.put(format!("k{n}"), "value".into()).await.unwrap();
    }
    let keco = nats.agency("keco").await;
    let replies = [
        "ledger.report.kita.x",
        "$JS.API.STREAM.PURGE.KV_PROGRESS",
        "$JS.API.STREAM.MSG.DELETE.LEDGER_1",
        "$JS.API.STREAM.DELETE.KV_PROGRESS",
        "$KV.PROGRESS.k1",
    ];
    for reply in replies {
        keco.client.publish_with_reply("ledger.report.keco.x", reply, "x".into()).await.unwrap();
    }
    // A dashboard has the bucket delivered to a report subject.
    let config = json!({"stream_name": "KV_PROGRESS", "config": {"name": "d", "deliver_policy": "all",
        "ack_policy": "none", "deliver_subject": "ledger.report.kita.y", "replay_policy": "instant"}});
    nats.dashboard().await.api("CONSUMER.CREATE.KV_PROGRESS.d", &config).await.unwrap();

    // Messages of one connection are stored in order: once the last is there, so is whatever the others caused.
    let last =
        jindo::stream::Outgoing { subject: "ledger.report.keco.last".into(), headers: vec![], body: Bytes::new() };
    let answer = append(&keco, "LEDGER_1", std::slice::from_ref(&last)).await.remove(0).unwrap();
    assert_eq!(answer, replies.len() as u64 + 1);
    let deadline = tokio::time::Instant::now() + PATIENCE;
    let more = append(&operator, "LEDGER_1", &[last]).await.remove(0).unwrap();
    while read::extent(&operator, "LEDGER_1").await.unwrap().last < more {
        assert!(tokio::time::Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    for sequence in 1..=more {
        let arrival = read::fetch(&operator, &"LEDGER_1".into(), sequence).await.unwrap().unwrap();
        assert!(arrival.subject.starts_with(b"ledger.report.keco."), "{arrival:?}");
    }
    let info = operator.api("STREAM.INFO.KV_PROGRESS", &Value::Null).await.unwrap();
    assert_eq!(info["state"]["last_seq"], 5, "{info}");
    assert_eq!(info["state"]["messages"], 5, "{info}");
}

/// What a dashboard is for: get, watch, and nothing else.
#[tokio::test(flavor = "multi_thread")]
async fn a_dashboard_reads_and_watches_and_cannot_write() {
    use futures_util::StreamExt as _;
    let nats = TestNats::start(&[]).await;
    let operator = nats.operator().await;
    declare(&operator, "LEDGER_1", 1, 1).await.unwrap();
    let bucket = progress_bucket(&operator).await.unwrap();
    bucket.put("ev-chargers", "1".into()).await.unwrap();
    let dashboard = nats.dashboard().await;
    let seen = async_nats::jetstream::new(dashboard.client.clone()).get_key_value("PROGRESS").await.unwrap();
    assert_eq!(seen.get("ev-chargers").await.unwrap().unwrap(), "1");
    let mut watch = seen.watch_with_history("ev-chargers").await.unwrap();
    for value in ["1", "2"] {
        if value == "2" {
            bucket.put("ev-chargers", "2".into()).await.unwrap();
        }
        let entry = tokio::time::timeout(PATIENCE, watch.next()).await.unwrap().unwrap().unwrap();
        assert_eq!(entry.value, value);
    }
    let mut violations = dashboard.violations();
    dashboard.client.publish("$KV.PROGRESS.ev-chargers", "3".into()).await.unwrap();
    dashboard.client.publish("ledger.report.keco.x", "3".into()).await.unwrap();
    for _ in 0..2 {
        tokio::time::timeout(PATIENCE, violations.recv()).await.unwrap().unwrap();
    }
    assert_eq!(bucket.get("ev-chargers").await.unwrap().unwrap(), "2");
    assert_eq!(read::extent(&operator, "LEDGER_1").await.unwrap().last, 0);
}
