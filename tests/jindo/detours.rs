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
    let announcer = nats.announcer().await;
    let bucket = progress_bucket(&announcer).await.unwrap();
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
    let info = announcer.api("STREAM.INFO.KV_PROGRESS", &Value::Null).await.unwrap();
    assert_eq!(info["state"]["last_seq"], 5, "{info}");
    assert_eq!(info["state"]["messages"], 5, "{info}");
}

/// A dashboard may ask the JetStream API of its bucket and the service, and names where the answer goes. An empty answer at
/// `STREAM.DELETE` deletes a stream; any answer at a report's subject is a report.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_dashboard_has_answered_elsewhere_never_reaches_the_ledger() {
    use futures_util::StreamExt as _;
    let nats = TestNats::start(&["keco", "kita"]).await;
    let operator = nats.operator().await;
    declare(&operator, "LEDGER_1", 1, 1).await.unwrap();
    let fence = json!({"name": "KV_LOG", "subjects": ["$KV.LOG.>"]});
    operator.api("STREAM.CREATE.KV_LOG", &fence).await.unwrap();
    progress_bucket(&nats.announcer().await).await.unwrap().put("ev-chargers", "1".into()).await.unwrap();
    // A service that answers with an error: no body, as the ledger's does to a malformed question.
    let mut questions = operator.client.subscribe("jindo.status").await.unwrap();
    let answering = operator.client.clone();
    tokio::spawn(async move {
        while let Some(question) = questions.next().await {
            if let Some(reply) = question.reply {
                answering.publish(reply, Bytes::new()).await.unwrap();
            }
        }
    });
    operator.client.flush().await.unwrap();
    let dashboard = nats.dashboard().await;
    let ask =
        |subject: &'static str, reply: &'static str| dashboard.client.publish_with_reply(subject, reply, "".into());
    for reply in [
        "$JS.API.STREAM.DELETE.LEDGER_1",
        "$JS.API.STREAM.DELETE.KV_LOG",
        "$JS.API.STREAM.PURGE.LEDGER_1",
        "ledger.report.kita.x",
        "$KV.LOG.head",
        "jindo.rebuild",
    ] {
        for subject in ["jindo.status", "$JS.API.INFO", "$JS.API.STREAM.INFO.KV_PROGRESS"] {
            ask(subject, reply).await.unwrap();
        }
        // Deliveries go where a consumer says, heartbeats are empty.
        let config = json!({"stream_name": "KV_PROGRESS", "config": {"name": "h", "deliver_policy": "all",
            "ack_policy": "none", "deliver_subject": reply, "idle_heartbeat": 100_000_000, "replay_policy": "instant"}});
        // It may be refused: then nothing is delivered.
        let _ = dashboard.api("CONSUMER.CREATE.KV_PROGRESS.h", &config).await;
    }
    // Its questions are asked in order: once this one is answered, so are they.
    let inbox = dashboard.client.new_inbox();
    let mut answer = dashboard.client.subscribe(inbox.clone()).await.unwrap();
    dashboard.client.publish_with_reply("jindo.status", inbox, "".into()).await.unwrap();
    tokio::time::timeout(PATIENCE, answer.next()).await.unwrap().unwrap();
    // Heartbeats of a consumer made last come as often as those of the ones before it.
    let inbox = dashboard.client.new_inbox();
    let mut beats = dashboard.client.subscribe(inbox.clone()).await.unwrap();
    let config = json!({"stream_name": "KV_PROGRESS", "config": {"name": "last", "deliver_policy": "new",
        "ack_policy": "none", "deliver_subject": inbox, "idle_heartbeat": 100_000_000, "replay_policy": "instant"}});
    dashboard.api("CONSUMER.CREATE.KV_PROGRESS.last", &config).await.unwrap();
    for _ in 0..4 {
        tokio::time::timeout(PATIENCE, beats.next()).await.unwrap().unwrap();
    }
    for name in ["LEDGER_1", "KV_LOG"] {
        let info = operator.api(&format!("STREAM.INFO.{name}"), &Value::Null).await.unwrap();
        assert_eq!(info["state"]["last_seq"], 0, "{name}: {info}");
    }
}

/// What a dashboard is for: get, watch, and nothing else.
#[tokio::test(flavor = "multi_thread")]
async fn a_dashboard_reads_and_watches_and_cannot_write() {
    use futures_util::StreamExt as _;
    let nats = TestNats::start(&[]).await;
    let operator = nats.operator().await;
    declare(&operator, "LEDGER_1", 1, 1).await.unwrap();
    let bucket = progress_bucket(&nats.announcer().await).await.unwrap();
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
