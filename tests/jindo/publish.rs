//! The outbox against a real server and a ledger that only remembers: delivered once, whatever is killed.

use std::{collections::BTreeMap, path::Path, sync::Arc, time::Duration};

use futures_util::StreamExt as _;
use jindo::{
    event::Time,
    publish::{Delivered, Draft, Outbox, ReportState, StatusAnswer, StatusQuestion, deliver, status::STATUS_SUBJECT},
    sign::{KeyPair, hex},
    stream::{AppendError, Link, Reader, declare, read},
};
use tokio::sync::Mutex;

use crate::nats::{PATIENCE, TestNats};

const STREAM: &str = "LEDGER_1";
const ORIGIN: &str = "jindo.local/test";
const LONG: Duration = Duration::from_secs(60);

type Recorded = Arc<Mutex<BTreeMap<String, Vec<u64>>>>;

/// A ledger that records everything it reads and answers `jindo.status`.
struct Ledger {
    recorded: Recorded,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Ledger {
    async fn start(nats: &TestNats) -> Ledger {
        let recorded = Recorded::default();
        let mut reader = Reader::open(nats.operator().await, STREAM, 1, None).await.unwrap();
        let next = Arc::new(std::sync::atomic::AtomicU64::new(1));
        let reading = {
            let (recorded, next) = (Arc::clone(&recorded), Arc::clone(&next));
            tokio::spawn(async move {
                loop {
                    for arrival in reader.next_batch(500, 1 << 22, Duration::from_millis(200)).await.unwrap() {
                        let jws = arrival.headers.iter().find(|(name, _)| name == "Ledger-Signature");
                        let name = hex::encode(&hex::sha256(&jws.expect("a signature").1));
                        recorded.lock().await.entry(name).or_default().push(arrival.sequence);
                    }
                    next.store(reader.next_sequence(), std::sync::atomic::Ordering::SeqCst);
                }
            })
        };
        let (link, answers) = (nats.operator().await, Arc::clone(&recorded));
        let mut questions = link.client.subscribe(STATUS_SUBJECT).await.unwrap();
        link.client.flush().await.unwrap();
        let answering = tokio::spawn(async move {
            while let Some(message) = questions.next().await {
                let Some(reply) = message.reply else { continue };
                let question: StatusQuestion = serde_json::from_slice(&message.payload).unwrap();
                let Ok(extent) = read::extent(&link, STREAM).await else { continue };
                let caught_up = next.load(std::sync::atomic::Ordering::SeqCst) > extent.last;
                let known = answers.lock().await;
                let state = |name: &String| match known.get(name) {
                    None => ReportState::Unknown,
                    Some(at) => ReportState::Recorded {
                        index: at[0],
                        verdict: "accepted".to_owned(),
                        code: None,
                        detail: serde_json::Value::Null,
                    },
                };
                let reports = question.sha256.into_iter().map(|name| (name.clone(), state(&name))).collect();
                let answer = StatusAnswer { reports, size: known.len() as u64, caught_up };
                let _ = link.client.publish(reply, serde_json::to_vec(&answer).unwrap().into()).await;
            }
        });
        Ledger { recorded, tasks: vec![reading, answering] }
    }
}

impl Drop for Ledger {
    fn drop(&mut self) {
        self.tasks.iter().for_each(tokio::task::JoinHandle::abort);
    }
}

fn drafts(agency: &str, from: usize, count: usize) -> Vec<Draft> {
    (from..from + count)
        .map(|n| Draft {
            subject: format!("ledger.report.{agency}.charger.installed.v1"),
            content_type: "application/cloudevents+json".to_owned(),
            body: format!(r#"{{"n":{n}}}"#).into_bytes(),
        })
        .collect()
}

fn open(dir: &Path, nats: &TestNats, agency: &str) -> Outbox {
    Outbox::open(&dir.join(agency), KeyPair::from_seed(&nats.seed(agency)).unwrap(), ORIGIN).unwrap()
}

fn names(outbox: &Outbox) -> Vec<String> {
    outbox.pending().map(|pending| pending.report.sha256()).collect()
}

async fn started(agencies: &[&str]) -> (TestNats, Link) {
    let nats = TestNats::start(agencies).await;
    let operator = nats.operator().await;
    declare(&operator, STREAM, 1, 1).await.unwrap();
    (nats, operator)
}

#[tokio::test(flavor = "multi_thread")]
async fn delivered_and_recorded_in_order() {
    let (nats, _) = started(&["keco"]).await;
    let ledger = Ledger::start(&nats).await;
    let keco = nats.agency("keco").await;
    let dir = tempfile::tempdir().unwrap();
    let mut outbox = open(dir.path(), &nats, "keco");
    outbox.enqueue(&drafts("keco", 0, 1_200), Time::now()).unwrap();
    let expected = names(&outbox);
    let mut told = Vec::new();
    let delivery = deliver(&mut outbox, &keco, STREAM, LONG, |done, all| told.push((done, all))).await.unwrap();
    assert_eq!(delivery.len(), 1_200);
    assert!(delivery.values().all(|d| matches!(d, Delivered::Recorded(_))), "{delivery:?}");
    assert!(outbox.is_empty());
    assert_eq!(told.last(), Some(&(1_200, 1_200)));
    let recorded = ledger.recorded.lock().await;
    for (n, name) in expected.iter().enumerate() {
        assert_eq!(recorded[name], [n as u64 + 1]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_ledger_reports_stay_sent_and_are_not_sent_twice() {
    let (nats, operator) = started(&["keco"]).await;
    let keco = nats.agency("keco").await;
    let dir = tempfile::tempdir().unwrap();
    let mut outbox = open(dir.path(), &nats, "keco");
    outbox.enqueue(&drafts("keco", 0, 3), Time::now()).unwrap();
    for _ in 0..2 {
        let delivery = deliver(&mut outbox, &keco, STREAM, Duration::ZERO, |_, _| ()).await.unwrap();
        assert!(delivery.values().all(|d| matches!(d, Delivered::Sent { .. })), "{delivery:?}");
    }
    // Killed here: the next process does not know what was sent, and asks instead of sending.
    drop(outbox);
    let mut outbox = open(dir.path(), &nats, "keco");
    let delivery = deliver(&mut outbox, &keco, STREAM, Duration::ZERO, |_, _| ()).await.unwrap();
    assert!(delivery.values().all(|d| matches!(d, Delivered::Doubt { .. })), "{delivery:?}");
    assert_eq!(read::extent(&operator, STREAM).await.unwrap().last, 3);
    let _ledger = Ledger::start(&nats).await;
    let delivery = deliver(&mut outbox, &keco, STREAM, LONG, |_, _| ()).await.unwrap();
    assert!(delivery.values().all(|d| matches!(d, Delivered::Recorded(_))), "{delivery:?}");
    assert_eq!(read::extent(&operator, STREAM).await.unwrap().last, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn sealed_but_never_sent_is_sent_after_asking() {
    let (nats, operator) = started(&["keco"]).await;
    let ledger = Ledger::start(&nats).await;
    let dir = tempfile::tempdir().unwrap();
    let expected = {
        let mut outbox = open(dir.path(), &nats, "keco");
        outbox.enqueue(&drafts("keco", 0, 5), Time::now()).unwrap();
        // The stream is gone for a moment: sealed, refused, kept.
        operator.api(&format!("STREAM.DELETE.{STREAM}"), &serde_json::Value::Null).await.unwrap();
        let keco = nats.agency("keco").await;
        let delivery = deliver(&mut outbox, &keco, STREAM, Duration::ZERO, |_, _| ()).await.unwrap();
        let no_stream = |d: &Delivered| {
            matches!(
                d,
                Delivered::Failed { error: AppendError::NoStream { .. }, withdrawn: false } | Delivered::Waiting
            )
        };
        assert!(delivery.values().all(no_stream), "{delivery:?}");
        names(&outbox)
    };
    drop(ledger);
    declare(&operator, STREAM, 1, 1).await.unwrap();
    let ledger = Ledger::start(&nats).await;
    let mut outbox = open(dir.path(), &nats, "keco");
    assert_eq!(names(&outbox), expected, "the same bytes");
    let keco = nats.agency("keco").await;
    let delivery = deliver(&mut outbox, &keco, STREAM, LONG, |_, _| ()).await.unwrap();
    assert!(delivery.values().all(|d| matches!(d, Delivered::Recorded(_))), "{delivery:?}");
    assert_eq!(ledger.recorded.lock().await.len(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_report_is_told_and_taken_back() {
    let (nats, operator) = started(&["keco", "kita"]).await;
    let _ledger = Ledger::start(&nats).await;
    let keco = nats.agency("keco").await;
    let dir = tempfile::tempdir().unwrap();
    let mut outbox = open(dir.path(), &nats, "keco");
    for round in 0..2 {
        outbox.enqueue(&drafts("kita", 0, 1 + round), Time::now()).unwrap();
        let delivery = deliver(&mut outbox, &keco, STREAM, LONG, |_, _| ()).await.unwrap();
        assert_eq!(delivery.len(), 1 + round);
        for delivered in delivery.values() {
            let Delivered::Failed { error: AppendError::NotPermitted { .. }, withdrawn: true } = delivered else {
                panic!("{delivered:?}");
            };
        }
        assert!(outbox.is_empty());
        assert_eq!(outbox.last_seq(), 0, "its number is free again");
    }
    outbox.enqueue(&drafts("keco", 0, 1), Time::now()).unwrap();
    deliver(&mut outbox, &keco, STREAM, LONG, |_, _| ()).await.unwrap();
    assert!(outbox.is_empty());
    assert_eq!(read::extent(&operator, STREAM).await.unwrap().last, 1);
}

/// `nats-server` killed with -9 while an outbox delivers: everything is recorded, as the bytes that were signed.
#[tokio::test(flavor = "multi_thread")]
async fn a_killed_server_loses_no_report() {
    let (nats, operator) = started(&["keco"]).await;
    let ledger = Ledger::start(&nats).await;
    let keco = nats.agency("keco").await;
    let dir = tempfile::tempdir().unwrap();
    let nats = Arc::new(nats);
    let mut outbox = open(dir.path(), &nats, "keco");
    let (mut expected, mut midway) = (Vec::new(), 0);
    for round in 0..5 {
        let before = read::extent(&operator, STREAM).await.unwrap().last;
        outbox.enqueue(&drafts("keco", round * 2_000, 2_000), Time::now()).unwrap();
        expected.extend(names(&outbox));
        let killer = {
            let (nats, operator) = (Arc::clone(&nats), operator.clone());
            // Once so many are stored, and not before.
            let enough = before + 1 + 300 * round as u64;
            tokio::spawn(async move {
                let stored = loop {
                    match read::extent(&operator, STREAM).await.unwrap().last {
                        stored if stored >= enough => break stored - before,
                        _ => tokio::time::sleep(Duration::from_millis(1)).await,
                    }
                };
                nats.kill().await;
                stored
            })
        };
        let delivery = deliver(&mut outbox, &keco, STREAM, LONG, |_, _| ()).await.unwrap();
        midway += usize::from(killer.await.unwrap() < 2_000);
        let open: Vec<_> = delivery.iter().filter(|(_, d)| !matches!(d, Delivered::Recorded(_))).collect();
        assert!(open.is_empty(), "round {round}: {open:?}");
    }
    assert!(midway > 0, "no kill came while reports were on their way");
    let last = read::extent(&operator, STREAM).await.unwrap().last;
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while ledger.recorded.lock().await.values().map(Vec::len).sum::<usize>() < last as usize {
        assert!(tokio::time::Instant::now() < deadline, "the ledger reads on");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let recorded = ledger.recorded.lock().await;
    assert_eq!(recorded.len(), expected.len(), "nothing but what was signed");
    for name in &expected {
        assert_eq!(recorded[name].len(), 1, "recorded once");
    }
}
