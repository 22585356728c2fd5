//! A cluster under load whose leader is killed, hangs, or is cut off: whatever was acknowledged is in the log at the place that the
//! acknowledgement named, every report counts once, and a second fold of the stream is the same log.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use jindo::{
    event::Time,
    log::{
        entry::{Entry, Verdict},
        tail::LogReader,
    },
    publish::{Outbox, deliver},
    sign::{Claims, Jws, KeyPair, hex, sign},
    stream::{Link, Outgoing, Reader, append},
};
use tokio::task::JoinHandle;

use crate::cluster::{Cluster, Pause, SERVERS, patience};
use crate::e2e_crash::drafts;
use crate::e2e_house::{Folder, Ledger, signal, until, without_proof};
use crate::e2e_load::{ORIGIN, STREAM};

/// What everybody did.
#[derive(Default)]
pub struct Load {
    pub done: AtomicBool,
    acknowledged: AtomicU64,
    /// By signature: the sequence it was acknowledged at, where it was.
    made: Mutex<BTreeMap<String, Option<u64>>>,
    longest: Mutex<Duration>,
}

impl Load {
    fn made(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Option<u64>>> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The last sequence that was acknowledged: a ledger that has it all is of that size.
    pub fn newest(&self) -> u64 {
        self.made().values().copied().flatten().max().unwrap_or(0)
    }

    fn is_done(&self) -> bool {
        self.done.load(Ordering::SeqCst)
    }

    /// Waits for so many more acknowledgements.
    pub fn goes_on(&self, more: u64) {
        let before = self.acknowledged.load(Ordering::SeqCst);
        until("more reports are acknowledged", || {
            (self.acknowledged.load(Ordering::SeqCst) >= before + more).then_some(())
        });
    }
}

/// An agency that publishes one report after another by itself, and sends each again until it is acknowledged.
pub async fn probe(load: Arc<Load>, link: Link, agency: &'static str, pair: KeyPair) {
    let (mut seq, mut prev, mut pause, deadline) = (0, None, Pause::new(), patience() + Duration::from_secs(60));
    while !load.is_done() {
        // A pace that a busy machine keeps, too.
        tokio::time::sleep(Duration::from_millis(10)).await;
        let draft = drafts(agency, 1).remove(0);
        seq += 1;
        let (sub, cty, sha256) = (draft.subject.clone(), draft.content_type.clone(), hex::sha256(&draft.body));
        let claims = Claims { aud: ORIGIN.into(), sub, cty, sha256, seq, prev, seen: None, reported: Time::now() };
        let jws = sign(&pair, &claims);
        prev = Some(hex::sha256(jws.as_bytes()));
        load.made().insert(jws.clone(), None);
        let headers =
            vec![("Content-Type".to_owned(), draft.content_type), ("Ledger-Signature".to_owned(), jws.clone())];
        let report = [Outgoing { subject: draft.subject, headers, body: draft.body.into() }];
        loop {
            // Sooner than the library gives up: what is measured is how long the cluster takes nothing.
            let answer = tokio::time::timeout(Duration::from_millis(500), append(&link, STREAM, &report)).await;
            match answer.map(|mut answers| answers.remove(0)) {
                Ok(Ok(sequence)) => {
                    load.made().insert(jws, Some(sequence));
                    load.acknowledged.fetch_add(1, Ordering::SeqCst);
                    pause.now(agency);
                    break;
                }
                error => assert!(Instant::now() < deadline, "{agency}: {error:?}"),
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    let mut longest = load.longest.lock().unwrap_or_else(PoisonError::into_inner);
    *longest = longest.max(pause.longest);
}

/// An agency with an outbox: it learns what became of each report, and resends what is lost.
async fn agency(load: Arc<Load>, link: Link, agency: &'static str, pair: KeyPair, dir: std::path::PathBuf) {
    let mut outbox = Outbox::open(&dir, pair, ORIGIN).unwrap();
    let (mut rounds, deadline) = (0, patience() + Duration::from_secs(60));
    while !(load.is_done() && outbox.is_empty()) {
        assert!(Instant::now() < deadline, "{agency}: {} wait", outbox.pending().count());
        if !load.is_done() {
            tokio::time::sleep(Duration::from_millis(100)).await;
            rounds += 1;
            outbox.enqueue(&drafts(agency, 1 + rounds % 20), Time::now()).unwrap();
            load.made().extend(outbox.pending().map(|pending| (pending.report.jws.clone(), None)));
        }
        deliver(&mut outbox, &link, STREAM, Duration::from_secs(3), |_, _| {}).await.unwrap();
    }
}

/// Looks at the ledger all the time: it never halts. The longest time without a commit.
fn watch(load: &Arc<Load>, http: String) -> std::thread::JoinHandle<Duration> {
    let load = load.clone();
    std::thread::spawn(move || {
        let config = ureq::Agent::config_builder().timeout_global(Some(Duration::from_secs(30)));
        let agent: ureq::Agent = config.build().into();
        let (mut pause, mut size) = (Pause::new(), 0);
        while !load.is_done() {
            let text = agent.get(format!("{http}/healthz")).call().unwrap().body_mut().read_to_string().unwrap();
            let health: serde_json::Value = serde_json::from_str(&text).unwrap();
            assert_ne!(health["state"], "halted", "{health}");
            let now = health["size"].as_u64().unwrap();
            if now > size {
                size = now;
                pause.now("commit");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        pause.longest
    })
}

/// A cluster, its projector beside the leader, and everybody at work.
struct Work {
    cluster: Cluster,
    ledger: Ledger,
    load: Arc<Load>,
    watching: std::thread::JoinHandle<Duration>,
    agencies: Vec<JoinHandle<()>>,
}

impl Work {
    /// `outboxes` publish through one, `probes` by themselves over the servers given.
    fn begin(outboxes: &[&'static str], probes: impl Fn(&Cluster, usize) -> Vec<(&'static str, String)>) -> Work {
        let cluster = Cluster::found();
        let link = cluster.operator(&cluster.urls());
        let leader = cluster.leader(&link);
        // It learns of the others from this one.
        let ledger = cluster.run(&cluster.folder, cluster.url(leader), &["--replicas", "3"]);
        ledger.folds(cluster.founding);
        let load = Arc::new(Load::default());
        let watching = watch(&load, ledger.http.clone());
        let mut agencies = Vec::new();
        for code in outboxes.iter().copied() {
            let (link, pair) = (cluster.agency(code, &cluster.urls()), cluster.folder.key(code));
            let dir = cluster.folder.data().join("outbox").join(pair.public());
            agencies.push(cluster.runtime.spawn(agency(load.clone(), link, code, pair, dir)));
        }
        for (code, urls) in probes(&cluster, leader) {
            let (link, pair) = (cluster.agency(code, &urls), cluster.folder.key(code));
            agencies.push(cluster.runtime.spawn(probe(load.clone(), link, code, pair)));
        }
        load.goes_on(20);
        Work { cluster, ledger, load, watching, agencies }
    }

    /// Ends the load and holds everything against each other.
    fn end(self, what: &str) {
        let Work { cluster, ledger, load, watching, agencies } = self;
        load.done.store(true, Ordering::SeqCst);
        let no_commit = watching.join().unwrap();
        agencies.into_iter().for_each(|agency| cluster.runtime.block_on(agency).unwrap());
        let size = ledger.proven_to(load.newest());
        let made = load.made();
        let no_ack = *load.longest.lock().unwrap_or_else(PoisonError::into_inner);
        let reports = made.len();
        eprintln!(
            "{what}: {reports} reports, longest without an acknowledgement {no_ack:?}, without a commit {no_commit:?}"
        );
        assert_eq!(ledger.indicator("ev-chargers")["figure"]["value"], reports, "each report is one charger");
        once_each(&cluster.folder, cluster.founding, &made);

        let fresh = Folder::new();
        let second = cluster.run(&fresh, &cluster.urls(), &["--follow"]);
        second.folds(size);
        let path = format!("/v1/indicators?as_of=2026-12-31&known_at={size}");
        assert_eq!(without_proof(ledger.get(&path).1), without_proof(second.get(&path).1), "a second fold differs");
        assert!(ledger.terminate().success() && second.terminate().success());
        let entries = |folder: &Folder| LogReader::open(&folder.data().join("log")).unwrap().iter(0);
        let (one, other) = (entries(&cluster.folder), entries(&fresh));
        assert_eq!(one.zip(other).map(|(one, other)| assert_eq!(one.unwrap(), other.unwrap())).count() as u64, size);
        let digest = |folder: &Folder| folder.json(&["rebuild"]).1["digest"].clone();
        assert_eq!(digest(&cluster.folder), digest(&fresh));
    }
}

/// Every report stands in the log, accepted once, and where its acknowledgement said. What was sent twice is a duplicate.
fn once_each(folder: &Folder, founding: u64, made: &BTreeMap<String, Option<u64>>) {
    let log = LogReader::open(&folder.data().join("log")).unwrap();
    let (mut accepted, mut places) = (BTreeMap::<String, u64>::new(), BTreeMap::new());
    for item in log.iter(founding) {
        let (index, text) = item.unwrap();
        let entry = Entry::parse(&text).unwrap();
        let signature = entry.signature.unwrap();
        let jws = Jws::parse(signature.text().unwrap()).unwrap().text().to_owned();
        assert!(made.contains_key(&jws), "entry {index} was never made");
        match entry.ruling.unwrap().verdict {
            Verdict::Accepted => *accepted.entry(jws.clone()).or_default() += 1,
            verdict => assert!(accepted.contains_key(&jws), "entry {index}: {verdict:?}, and new"),
        }
        places.insert(index + 1, jws);
    }
    assert!(accepted.values().all(|times| *times == 1) && accepted.len() == made.len(), "a report is missing");
    let acknowledged = made.iter().filter_map(|(jws, sequence)| Some((jws, (*sequence)?)));
    let lost = acknowledged.filter(|(jws, sequence)| places.get(sequence) != Some(*jws)).count();
    assert_eq!(lost, 0, "acknowledged reports stand elsewhere than their acknowledgements said");
    eprintln!("{} entries for {} reports: {} were sent twice", places.len(), made.len(), places.len() - made.len());
}

/// Waits until the projector has folded what the stream holds by now, and every server has it.
fn catches_up(cluster: &Cluster, ledger: &Ledger, link: &Link) {
    let info = until("the stream tells where it stands", || cluster.info(link));
    let last = info["state"]["last_seq"].as_u64().unwrap();
    until("the projector goes on", || (ledger.size() >= last).then_some(()));
    cluster.whole(link);
}

#[test]
fn a_leader_that_dies_or_hangs_under_load_loses_nothing() {
    let work = Work::begin(&["keco", "kepco"], |cluster, _| vec![("mcee", cluster.urls())]);
    let Work { cluster, load, ledger, .. } = &work;
    let link = cluster.operator(&cluster.urls());
    for kill in ["with the projector's connection", "again", "and again"] {
        let (leader, began) = (cluster.leader(&link), Instant::now());
        let pid = cluster.pid(leader);
        signal(pid, "-KILL");
        until("the server runs again", || cluster.server(leader).pid().filter(|again| *again != pid));
        load.goes_on(20);
        let taken = began.elapsed();
        catches_up(cluster, ledger, &link);
        eprintln!(
            "server {leader} led and was killed {kill}: 20 reports more after {taken:?}, folded after {:?}",
            began.elapsed()
        );
    }
    let leader = cluster.leader(&link);
    let (pid, other) = (cluster.pid(leader), cluster.operator(cluster.url((leader + 1) % SERVERS)));
    signal(pid, "-STOP");
    until("another server leads", || Some(cluster.leader(&other)).filter(|other| *other != leader));
    std::thread::sleep(Duration::from_secs(1));
    signal(pid, "-CONT");
    load.goes_on(20);
    catches_up(cluster, ledger, &other);
    work.end("three kills and a hanging leader");
}

#[test]
fn a_leader_that_is_cut_off_acknowledges_nothing_that_is_lost() {
    let others = |cluster: &Cluster, leader: usize| {
        let urls: Vec<_> = (0..SERVERS).filter(|at| *at != leader).map(|at| cluster.url(at).to_owned()).collect();
        urls.join(",")
    };
    let work = Work::begin(&["kepco"], |cluster, leader| {
        vec![("keco", cluster.url(leader).to_owned()), ("mcee", others(cluster, leader))]
    });
    let Work { cluster, load, ledger, .. } = &work;
    let leader = cluster.leader(&cluster.operator(&cluster.urls()));
    let majority = cluster.operator(&others(cluster, leader));
    let reading = cluster.operator(&others(cluster, leader));
    let mut reader = cluster.runtime.block_on(async {
        let last = jindo::stream::read::extent(&reading, STREAM).await.unwrap().last;
        Reader::open(reading.clone(), STREAM, last + 1, None).await.unwrap()
    });
    cluster.cut(leader, true);
    let began = Instant::now();
    until("another server leads", || Some(cluster.leader(&majority)).filter(|other| *other != leader));
    load.goes_on(20);
    eprintln!("the majority goes on after {:?}", began.elapsed());
    // A reader that has come as far as the majority meets the server that is behind: it does not cry loss.
    let url = cluster.url(leader).to_owned();
    let read = |reader: &mut Reader, time: Duration| {
        let read = cluster.runtime.block_on(reader.next_batch(4_096, 1 << 20, time));
        read.unwrap().len()
    };
    while read(&mut reader, Duration::from_millis(500)) > 500 {}
    cluster.runtime.block_on(async {
        reading.client.set_server_pool([url].as_slice()).await.unwrap();
        reading.client.force_reconnect().await.unwrap();
    });
    for _ in 0..4 {
        read(&mut reader, Duration::from_millis(500));
    }
    // The projector's server is the one that is cut off: it leaves it.
    let info = until("the majority tells where it stands", || cluster.info(&majority));
    let size = info["state"]["last_seq"].as_u64().unwrap();
    until("the projector goes on beside the majority", || (ledger.size() >= size).then_some(()));
    eprintln!("the projector goes on after {:?}", began.elapsed());
    cluster.cut(leader, false);
    cluster.whole(&majority);
    load.goes_on(20);
    let next = reader.next_sequence();
    until("the reader goes on", || (read(&mut reader, Duration::from_millis(500)) > 0).then_some(()));
    assert!(reader.next_sequence() > next);
    work.end("a leader that was cut off");
}
