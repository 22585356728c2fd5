//! The stream against a real server: declared strong, refused weak, appended to in batches, read without a hole.

use std::{sync::Arc, time::Duration};

use async_nats::HeaderMap;
use bytes::Bytes;
use jindo::{
    log::Arrival,
    stream::{
        AgencyUser, AppendError, Finding, Link, NatsConfig, Outgoing, ReadError, Reader, StreamError, append,
        config_text, declare, inspect, progress_bucket, read,
    },
};
use serde_json::json;

use crate::nats::{PATIENCE, TestNats, again};

const STREAM: &str = "LEDGER_1";
const SUBJECT: &str = "ledger.report.keco.charger.installed.v1";

fn outgoing(subject: &str, body: impl Into<Bytes>) -> Outgoing {
    Outgoing { subject: subject.to_owned(), headers: vec![("A".to_owned(), "b".to_owned())], body: body.into() }
}

fn numbered(count: usize) -> Vec<Outgoing> {
    (0..count).map(|n| outgoing(SUBJECT, format!("body {n}"))).collect()
}

async fn read_all(link: Link, from: u64, upto: u64) -> Result<Vec<Arrival>, ReadError> {
    let mut reader = Reader::open(link, STREAM, from, None).await?;
    let mut all = Vec::new();
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while reader.next_sequence() <= upto {
        assert!(tokio::time::Instant::now() < deadline, "stuck at {} of {upto}", reader.next_sequence());
        all.extend(reader.next_batch(1_000, 1 << 20, Duration::from_millis(100)).await?);
    }
    Ok(all)
}

#[tokio::test(flavor = "multi_thread")]
async fn declared_once_and_refused_when_weaker() {
    let nats = TestNats::start(&[]).await;
    let link = nats.operator().await;
    assert_eq!(inspect(&link, STREAM).await.unwrap(), None);
    assert!(declare(&link, STREAM, 1, 1).await.unwrap());
    assert!(!declare(&link, STREAM, 1, 1).await.unwrap());
    assert_eq!(inspect(&link, STREAM).await.unwrap(), Some(vec![]));
    progress_bucket(&nats.announcer().await).await.unwrap();

    // An operator loosens it: named, and refused.
    let mut config = declare::declaration(STREAM, 1, 1);
    config["max_msgs"] = 3.into();
    config["allow_rollup_hdrs"] = true.into();
    config["deny_purge"] = true.into();
    config["duplicate_window"] = json!(120_000_000_000u64);
    config["allow_rollup_hdrs"] = false.into();
    link.api(&format!("STREAM.UPDATE.{STREAM}"), &config).await.unwrap();
    let found = inspect(&link, STREAM).await.unwrap().unwrap();
    assert_eq!(found.len(), 2, "{found:?}");
    let error = declare(&link, STREAM, 1, 1).await.unwrap_err();
    assert!(matches!(error, StreamError::Weak { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_arrive_in_order_and_whole() {
    let nats = TestNats::start(&["keco"]).await;
    let operator = nats.operator().await;
    declare(&operator, STREAM, 1, 1).await.unwrap();
    let keco = nats.agency("keco").await;
    let messages = numbered(1_203);
    let answers = append(&keco, STREAM, &messages).await;
    let sequences: Vec<u64> = answers.into_iter().map(Result::unwrap).collect();
    assert_eq!(sequences, (1..=1_203).collect::<Vec<u64>>());

    for from in [1, 500, 1_203] {
        let arrivals = read_all(operator.clone(), from, 1_203).await.unwrap();
        assert_eq!(arrivals.len() as u64, 1_204 - from);
        for (arrival, expected) in arrivals.iter().zip(&messages[from as usize - 1..]) {
            assert_eq!(arrival.body, expected.body);
            assert_eq!(arrival.subject, SUBJECT.as_bytes());
            assert!(arrival.headers.contains(&("A".to_owned(), Bytes::from_static(b"b"))), "{arrival:?}");
        }
        assert!(arrivals.windows(2).all(|w| w[0].recorded <= w[1].recorded && w[0].sequence + 1 == w[1].sequence));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_subject_is_not_permitted_and_stops_nobody_else() {
    let nats = TestNats::start(&["keco", "kita"]).await;
    let operator = nats.operator().await;
    declare(&operator, STREAM, 1, 1).await.unwrap();
    let keco = nats.agency("keco").await;
    let foreign = "ledger.report.kita.export.stated.v1";
    let check = async |messages: Vec<Outgoing>| {
        let began = tokio::time::Instant::now();
        let answers = append(&keco, STREAM, &messages).await;
        assert_eq!(answers.len(), messages.len());
        for (message, answer) in messages.iter().zip(&answers) {
            if message.subject == SUBJECT {
                assert!(answer.is_ok(), "{answer:?}");
            } else {
                assert_eq!(answer, &Err(AppendError::NotPermitted { subject: message.subject.clone() }));
            }
        }
        assert!(began.elapsed() < Duration::from_secs(4), "told at once, not after a time-out: {:?}", began.elapsed());
    };
    let (own, theirs) = (outgoing(SUBJECT, "x"), outgoing(foreign, "x"));
    check(vec![theirs.clone()]).await;
    check(vec![own.clone(), theirs.clone(), own.clone()]).await;
    check(vec![theirs.clone(), own.clone()]).await;
    check(vec![own.clone(), own.clone(), theirs.clone()]).await;
    check(vec![theirs, outgoing("ledger.report.x", "x")]).await;

    // Nor may it come near the stream, other inboxes or the reports of others.
    for what in ["STREAM.DELETE.LEDGER_1", "STREAM.PURGE.LEDGER_1", "STREAM.INFO.LEDGER_1", "STREAM.MSG.GET.LEDGER_1"] {
        let error = keco.api(what, &json!({})).await.unwrap_err().to_string();
        assert!(error.contains("not permitted"), "{what}: {error}");
    }
    let dashboard = nats.dashboard().await;
    let error = dashboard.api("CONSUMER.CREATE.LEDGER_1.x", &json!({})).await.unwrap_err().to_string();
    assert!(error.contains("not permitted"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agency_with_fifty_open_batches_stops_nobody() {
    let nats = TestNats::start(&["keco", "kita"]).await;
    let operator = nats.operator().await;
    declare(&operator, STREAM, 1, 1).await.unwrap();
    let kita = nats.agency("kita").await;
    for n in 0..50 {
        let mut headers = HeaderMap::new();
        headers.insert("Nats-Batch-Id", format!("open{n}"));
        headers.insert("Nats-Batch-Sequence", "1");
        kita.client.request_with_headers("ledger.report.kita.x", headers, "x".into()).await.unwrap();
    }
    let keco = nats.agency("keco").await;
    let answers = append(&keco, STREAM, &numbered(700)).await;
    let sequences: Vec<u64> = answers.into_iter().map(Result::unwrap).collect();
    assert_eq!(sequences, (1..=700).collect::<Vec<u64>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_sent_is_told_and_the_rest_goes_on() {
    let nats = TestNats::start(&["keco"]).await;
    let operator = nats.operator().await;
    let keco = nats.agency("keco").await;
    let answers = append(&keco, STREAM, &numbered(1)).await;
    assert!(matches!(answers[0], Err(AppendError::NoStream { .. })), "{answers:?}");
    let answers = append(&keco, STREAM, &numbered(3)).await;
    assert!(answers.iter().all(|a| matches!(a, Err(AppendError::NoStream { .. }))), "{answers:?}");
    declare(&operator, STREAM, 1, 1).await.unwrap();
    let mut broken = outgoing(SUBJECT, "x");
    broken.headers.push(("Evil".to_owned(), "a\r\nB: c".to_owned()));
    let messages = vec![
        outgoing(SUBJECT, "x"),
        outgoing(SUBJECT, vec![b'x'; 70_000]),
        broken,
        outgoing("no subject", "x"),
        outgoing(SUBJECT, "y"),
    ];
    let answers = append(&keco, STREAM, &messages).await;
    assert_eq!(answers[0], Ok(1));
    assert!(matches!(answers[1], Err(AppendError::TooLarge { .. })), "{answers:?}");
    assert!(matches!(answers[2], Err(AppendError::Malformed { .. })), "{answers:?}");
    assert!(matches!(answers[3], Err(AppendError::Malformed { .. })), "{answers:?}");
    assert_eq!(answers[4], Ok(2));
}

/// Several batches in one call: the next one is made ready while one is made durable, whatever became of that one.
#[tokio::test(flavor = "multi_thread")]
async fn messages_of_many_batches_are_answered_each_in_its_place() {
    let nats = TestNats::start(&["keco"]).await;
    declare(&nats.operator().await, STREAM, 1, 1).await.unwrap();
    let keco = nats.agency("keco").await;
    let mut messages = numbered(3_500);
    let too_large: [usize; 4] = [0, 999, 1_000, 3_499];
    too_large.iter().for_each(|at| messages[*at].body = vec![b'x'; 70_000].into());
    // The batch it stands in is void, and sent again without it.
    messages[2_500].subject = "ledger.report.kea.charger.installed.v1".to_owned();
    let answers = append(&keco, STREAM, &messages).await;
    assert_eq!(answers.len(), messages.len());
    let mut sequence = 0;
    for (at, answer) in answers.into_iter().enumerate() {
        match answer {
            Err(AppendError::TooLarge { .. }) => assert!(too_large.contains(&at), "{at}"),
            Err(AppendError::NotPermitted { .. }) => assert_eq!(at, 2_500),
            answer => {
                sequence += 1;
                assert_eq!(answer, Ok(sequence), "{at}");
            }
        }
    }
    assert_eq!(sequence, 3_495);
}

#[tokio::test(flavor = "multi_thread")]
async fn holes_lost_ends_and_other_streams_are_findings() {
    let nats = TestNats::start(&[]).await;
    let link = nats.operator().await;
    let stream: Arc<str> = STREAM.into();
    let finding = |result: Result<Vec<Arrival>, ReadError>| match result {
        Err(ReadError::Finding(finding)) => finding,
        other => panic!("no finding: {other:?}"),
    };
    let gone = finding(read_all(link.clone(), 1, 10).await);
    assert_eq!(gone, Finding::Gone { stream: Arc::clone(&stream) });

    // A stream that may lose messages, as a damaged one would.
    let mut config = declare::declaration(STREAM, 1, 1);
    config["deny_delete"] = false.into();
    config["deny_purge"] = false.into();
    link.api(&format!("STREAM.CREATE.{STREAM}"), &config).await.unwrap();
    for answer in append(&link, STREAM, &numbered(10)).await {
        answer.unwrap();
    }
    let mut reader = Reader::open(link.clone(), STREAM, 1, None).await.unwrap();
    let created = reader.created().to_owned();
    link.api(&format!("STREAM.MSG.DELETE.{STREAM}"), &json!({"seq": 4})).await.unwrap();
    let mut read = Vec::new();
    let error = loop {
        match reader.next_batch(100, 1 << 20, Duration::from_millis(100)).await {
            Ok(batch) => read.extend(batch),
            Err(error) => break error,
        }
    };
    assert_eq!(read.iter().map(|a| a.sequence).collect::<Vec<_>>(), [1, 2, 3]);
    let ReadError::Finding(found) = error else { panic!("{error}") };
    assert_eq!(found, Finding::Hole { stream: Arc::clone(&stream), missing: 4, last: 10 });
    // It stays one.
    assert_eq!(finding(reader.next_batch(1, 1, Duration::from_millis(10)).await), found);
    assert_eq!(read_all(link.clone(), 5, 10).await.unwrap().len(), 6);

    link.api(&format!("STREAM.PURGE.{STREAM}"), &json!({"seq": 8})).await.unwrap();
    assert_eq!(
        finding(read_all(link.clone(), 5, 10).await),
        Finding::Hole { stream: Arc::clone(&stream), missing: 5, last: 10 }
    );
    assert_eq!(
        finding(read_all(link.clone(), 15, 20).await),
        Finding::Backwards { stream: Arc::clone(&stream), position: 14, last: 10 }
    );

    // While a reader waits at the end, the stream is deleted and made anew.
    let mut reader = Reader::open(link.clone(), STREAM, 11, Some(&created)).await.unwrap();
    assert!(reader.next_batch(1, 1, Duration::from_millis(50)).await.unwrap().is_empty());
    link.api(&format!("STREAM.DELETE.{STREAM}"), &json!(null)).await.unwrap();
    let (create, declaration) = (format!("STREAM.CREATE.{STREAM}"), declare::declaration(STREAM, 11, 1));
    again(|| link.api(&create, &declaration)).await;
    append(&link, STREAM, &numbered(1)).await[0].clone().unwrap();
    let deadline = tokio::time::Instant::now() + PATIENCE;
    let error = loop {
        assert!(tokio::time::Instant::now() < deadline);
        match reader.next_batch(1, 1, Duration::from_millis(500)).await {
            Ok(batch) => assert!(batch.is_empty(), "a message of another stream was read"),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, ReadError::Finding(Finding::Replaced { .. })), "{error}");
}

/// Publishes raw bytes as a NATS client in any language could: what our own client refuses to send.
pub async fn publish_raw(nats: &TestNats, messages: &[(&[u8], &[u8], &[u8])]) {
    use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
    let address = nats.url.strip_prefix("nats://").unwrap();
    let mut socket = BufReader::new(tokio::net::TcpStream::connect(address).await.unwrap());
    let mut line = String::new();
    socket.read_line(&mut line).await.unwrap();
    let info: serde_json::Value = serde_json::from_str(line.strip_prefix("INFO ").unwrap()).unwrap();
    let key = nkeys::KeyPair::from_seed(&nats.operator_seed()).unwrap();
    let nonce = info["nonce"].as_str().unwrap();
    let signature = {
        use base64::Engine as _;
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(key.sign(nonce.as_bytes()).unwrap())
    };
    let connect =
        json!({"verbose": false, "pedantic": false, "headers": true, "nkey": key.public_key(), "sig": signature});
    socket.write_all(format!("CONNECT {connect}\r\n").as_bytes()).await.unwrap();
    for (subject, headers, body) in messages {
        let (h, t) = (headers.len(), headers.len() + body.len());
        let mut wire = Vec::new();
        if headers.is_empty() {
            wire.extend([b"PUB ", *subject, format!(" {t}\r\n").as_bytes()].concat());
        } else {
            wire.extend([b"HPUB ", *subject, format!(" {h} {t}\r\n").as_bytes(), headers].concat());
        }
        wire.extend([*body, b"\r\n"].concat());
        socket.write_all(&wire).await.unwrap();
    }
    socket.write_all(b"PING\r\n").await.unwrap();
    loop {
        line.clear();
        assert_ne!(socket.read_line(&mut line).await.unwrap(), 0, "the server closed the connection");
        assert!(!line.starts_with("-ERR"), "{line}");
        if line.starts_with("PONG") {
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_that_no_client_can_be_handed_are_read_all_the_same() {
    let nats = TestNats::start(&[]).await;
    let link = nats.operator().await;
    declare(&link, STREAM, 1, 1).await.unwrap();
    let ok: (&[u8], &[u8], &[u8]) = (b"ledger.report.keco.x", b"NATS/1.0\r\nA: b\r\n\r\n", b"fine");
    let strange: [(&[u8], &[u8], &[u8]); 9] = [
        (b"ledger.report.keco.x", b"NATS/1.0\r\nA: \xff\xfe\r\n\r\n", b"header is no UTF-8"),
        (b"ledger.report.keco.x", b"NATS/1.0 503 No Responders\r\n\r\n", b"poses as control message"),
        (b"ledger.report.keco.x", b"NATS/1.0 409 Consumer Deleted\r\n\r\n", b""),
        (b"ledger.report.keco.x", b"NATS/1.0 abc\r\n\r\n", b"status is no number"),
        (b"ledger.report.keco.x", b"NATS/1.0\r\nno colon here\r\n\r\n", b"no colon"),
        ("ledger.report.keco.a\u{3000}b".as_bytes(), b"", b"a space that is none to the server"),
        (b"ledger.report.keco.\xff", b"", b"subject is no UTF-8"),
        (b"ledger.report.keco.*", b"", b"wildcard"),
        (b"ledger.report.keco.x", b"NATS/1.0\r\n\xed\x95\x9c: x\r\n\r\n", b"header name is not ASCII"),
    ];
    let mut messages = vec![ok];
    for one in strange {
        messages.extend([one, ok]);
    }
    messages.extend(strange);
    messages.extend(strange);
    messages.push(ok);
    publish_raw(&nats, &messages).await;
    let count = messages.len() as u64;
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while read::extent(&link, STREAM).await.unwrap().last < count {
        assert!(tokio::time::Instant::now() < deadline, "not every message is stored");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let reader = nats.operator().await;
    let arrivals = read_all(reader, 1, count).await.unwrap();
    assert_eq!(arrivals.iter().map(|a| a.sequence).collect::<Vec<_>>(), (1..=count).collect::<Vec<_>>());
    for (arrival, (subject, _, body)) in arrivals.iter().zip(&messages) {
        assert_eq!(&arrival.body[..], *body);
        assert_eq!(arrival.subject, String::from_utf8_lossy(subject).as_bytes(), "{arrival:?}");
        // Both roads hand the same message.
        let raw = read::fetch(&link, &arrival.stream, arrival.sequence).await.unwrap().unwrap();
        assert_eq!((&raw.headers, &raw.subject, raw.recorded), (&arrival.headers, &arrival.subject, arrival.recorded));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_server_comes_back_and_reading_resumes() {
    let nats = TestNats::start(&["keco"]).await;
    let link = nats.operator().await;
    declare(&link, STREAM, 1, 1).await.unwrap();
    let keco = nats.agency("keco").await;
    let mut reader = Reader::open(nats.operator().await, STREAM, 1, None).await.unwrap();
    let (mut stored, mut sequences) = (0u64, Vec::new());
    for round in 0..3 {
        for answer in append(&keco, STREAM, &numbered(200)).await {
            stored = stored.max(answer.unwrap());
        }
        if round < 2 {
            nats.kill().await;
        }
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while reader.next_sequence() <= stored {
            assert!(tokio::time::Instant::now() < deadline, "stuck at {}", reader.next_sequence());
            let batch = reader.next_batch(64, 1 << 20, Duration::from_millis(200)).await.unwrap();
            sequences.extend(batch.iter().map(|a| a.sequence));
        }
    }
    assert_eq!(sequences, (1..=stored).collect::<Vec<_>>());
    nats.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn new_keys_are_taken_without_a_restart() {
    let nats = TestNats::start(&[]).await;
    let key = nkeys::KeyPair::new_user();
    let seed = key.seed().unwrap();
    let login = jindo::stream::Login::agency("kita", &seed);
    let error = jindo::stream::connect(&nats.url, &login).await.unwrap_err();
    assert!(matches!(error, StreamError::Denied { .. }), "{error}");
    let pid = nats.server.pid();
    nats.server
        .reload(|config| {
            config.agencies.push(jindo::stream::AgencyUser { agency: "kita".to_owned(), key: key.public_key() });
        })
        .unwrap();
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while let Err(error) = jindo::stream::connect(&nats.url, &login).await {
        assert!(tokio::time::Instant::now() < deadline, "{error}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(nats.server.pid(), pid);
}

/// `deploy/nats/nats.conf` is what `jindo nats-config` prints for three invented keys; nobody edits it by hand.
#[test]
fn the_example_configuration_is_the_generated_one() {
    let key = |n: u8| {
        let raw = [n; 32];
        nkeys::KeyPair::new_from_raw(nkeys::KeyPairType::User, raw).unwrap().public_key()
    };
    let config = NatsConfig {
        name: "ledger-1".to_owned(),
        host: "0.0.0.0".to_owned(),
        port: 4222,
        store_dir: "/var/lib/nats".into(),
        cluster: None,
        ports_dir: None,
        log_file: None,
        operators: vec![key(1)],
        agencies: vec![
            AgencyUser { agency: "keco".to_owned(), key: key(2) },
            AgencyUser { agency: "kotra".to_owned(), key: key(3) },
        ],
        announcers: vec![key(5)],
        dashboards: vec![key(4)],
    };
    let text = config_text(&config).unwrap();
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/nats/nats.conf");
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    if found != text {
        let new = std::env::temp_dir().join("nats.conf.generated");
        std::fs::write(&new, &text).unwrap();
        panic!("deploy/nats/nats.conf differs from what is generated; the new text is in {}", new.display());
    }
}
