//! Killed at any moment: the projector a hundred times under load, `nats-server` twenty times under publishing. What
//! is recorded afterwards is what an undisturbed run records.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use jindo::{
    event::{
        Time,
        envelope::{self, NewEvent},
    },
    log::{
        entry::{Entry, Verdict},
        tail::LogReader,
    },
    projector::core::Core,
    publish::{Draft, Outbox, deliver},
    sign::{Jws, hex},
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::e2e_house::{Folder, PATIENCE, until, without_proof};
use crate::e2e_load::{Intake, ORIGIN, STREAM};
use crate::e2e_wire::Noise;

const PROJECTOR_KILLS: usize = 100;
const NATS_KILLS: usize = 20;

/// Every figure as of one moment, without what the clock of the request adds.
fn figures(ledger: &crate::e2e_house::Ledger, size: u64) -> Value {
    let (status, view) = ledger.get(&format!("/v1/indicators?as_of=2026-12-31&known_at={size}"));
    assert_eq!(status, 200, "{view}");
    without_proof(view)
}

/// Folds a log folder into a fresh store, `messages_max` entries a commit; the digest.
fn folded(log: &Path, store: &Path, messages_max: usize) -> String {
    let copy = store.with_extension("log");
    std::fs::create_dir(&copy).unwrap();
    std::fs::copy(log.join("tail"), copy.join("tail")).unwrap();
    // An empty log first: opening folds everything in commits of the usual size.
    let core = Core::open_with(&copy, store, messages_max, &mut |_, _| {}).unwrap();
    let digest = hex::encode(&core.digest());
    core.close().unwrap();
    digest
}

#[test]
fn a_hundred_kills_of_the_projector_change_nothing() {
    let intake = Intake::found();
    let mut crowd = intake.crowd(6);
    // How long an undisturbed start takes.
    let began = Instant::now();
    let ledger = intake.run();
    let start = began.elapsed();
    let founded = ledger.settled();
    assert!(ledger.terminate().success());
    let mut noise = Noise::new(u64::from(std::process::id()));
    let (began, mut sent) = (Instant::now(), 0);
    for kill in 0..PROJECTOR_KILLS {
        sent += crowd.report(&intake, 4);
        let before = appended(&intake);
        let mut run = intake.spawn();
        // Every other kill falls anywhere into opening, catching up and the first commit; the others among commits.
        let part = noise.below(1_000) as f64 / 1_000.0;
        let moment = if kill % 2 == 0 {
            Instant::now() + start.mul_f64(part * 1.5)
        } else {
            until("a commit", || (appended(&intake) > before).then_some(()));
            Instant::now() + Duration::from_millis(300).mul_f64(part)
        };
        while Instant::now() < moment {
            sent += crowd.report(&intake, 1);
            std::thread::sleep(Duration::from_millis(5));
        }
        assert_eq!(run.0.try_wait().unwrap(), None, "ended by itself before kill {kill}: {}", said(&intake));
        run.0.kill().unwrap();
        run.0.wait().unwrap();
    }
    let tail = LogReader::open(&intake.folder.data().join("log")).unwrap().size();
    eprintln!("{sent} reports, {PROJECTOR_KILLS} kills, {tail} entries by then, in {:?}", began.elapsed());
    assert!(tail > 500, "the killed projectors recorded hardly anything: {tail}");
    assert!(!said(&intake).contains("panicked"), "{}", said(&intake));

    let ledger = intake.run();
    let size = u64::try_from(sent).unwrap() + founded;
    ledger.folds(size);
    let disturbed = figures(&ledger, size);
    assert!(ledger.terminate().success());
    let fresh = Folder::new();
    let ledger = intake.run_in(&fresh);
    ledger.folds(size);
    assert_eq!(figures(&ledger, size), disturbed, "an undisturbed run gives other figures");
    assert!(ledger.terminate().success());

    let entries = |folder: &Folder| LogReader::open(&folder.data().join("log")).unwrap().iter(0);
    for (one, other) in entries(&fresh).zip(entries(&intake.folder)) {
        assert_eq!(one.unwrap(), other.unwrap(), "the logs differ");
    }
    let (exit, rebuilt) = intake.folder.json(&["rebuild"]);
    assert_eq!((exit, &rebuilt["equal"], &rebuilt["size"]), (0, &json!(true), &json!(size)), "{rebuilt}");
    let (_, undisturbed) = fresh.json(&["rebuild", "--keep"]);
    assert_eq!(undisturbed["digest"], rebuilt["digest"]);
    for messages_max in [1, 97, 5_000] {
        let store = fresh.beside(&format!("store-{messages_max}"));
        assert_eq!(
            folded(&intake.folder.data().join("log"), &store, messages_max),
            rebuilt["digest"],
            "{messages_max}"
        );
    }
}

/// Bytes of the log.
fn appended(intake: &Intake) -> u64 {
    std::fs::metadata(intake.folder.data().join("log/tail")).unwrap().len()
}

fn said(intake: &Intake) -> String {
    std::fs::read_to_string(intake.folder.beside("run.err")).unwrap_or_default()
}

/// Reports of one charger each.
pub fn drafts(agency: &str, count: usize) -> Vec<Draft> {
    let event = |_| {
        let time = Time::parse("2026-06-30T12:00:00+09:00").unwrap();
        let data = json!({ "region": "11", "class": "fast", "count": 1 });
        let (kind, id) = ("charger.installed.v1".to_owned(), Uuid::now_v7());
        let event = NewEvent { id, agency: agency.to_owned(), kind, time, time_text: None, subject: None, data };
        let (content_type, body) = envelope::encode(&[event]);
        let subject = format!("ledger.report.{agency}.charger.installed.v1");
        Draft { subject, content_type: content_type.to_owned(), body }
    };
    (0..count).map(event).collect()
}

#[test]
fn twenty_kills_of_nats_lose_and_double_nothing() {
    let mut intake = Intake::found();
    let ledger = intake.run();
    let before = ledger.settled();
    let done = Arc::new(AtomicBool::new(false));
    let made: Arc<Mutex<BTreeMap<String, u64>>> = Arc::default();
    let began = Instant::now();
    let publishers: Vec<_> = ["keco", "kepco"]
        .map(|agency| {
            let (link, pair) = (intake.link(agency), intake.folder.key(agency));
            let dir = intake.folder.data().join("outbox").join(pair.public());
            let (done, made) = (done.clone(), made.clone());
            intake.runtime.spawn(async move {
                let mut outbox = Outbox::open(&dir, pair, ORIGIN).unwrap();
                let deadline = Instant::now() + PATIENCE * 4;
                let mut rounds = 0;
                while !(done.load(Ordering::SeqCst) && outbox.is_empty()) {
                    assert!(Instant::now() < deadline, "{agency}: {} wait", outbox.pending().count());
                    if !done.load(Ordering::SeqCst) {
                        rounds += 1;
                        outbox.enqueue(&drafts(agency, 1 + rounds % 40), Time::now()).unwrap();
                        let mut made = made.lock().unwrap();
                        made.extend(outbox.pending().map(|pending| (pending.report.jws.clone(), pending.report.seq)));
                    }
                    deliver(&mut outbox, &link, STREAM, Duration::from_secs(3), |_, _| {}).await.unwrap();
                }
                outbox.last_seq()
            })
        })
        .into_iter()
        .collect();
    let mut noise = Noise::new(u64::from(std::process::id()));
    for kill in 0..NATS_KILLS {
        // Whatever the outboxes are at by then.
        std::thread::sleep(Duration::from_millis(100 + u64::try_from(noise.below(900)).unwrap()));
        if kill % 4 == 3 {
            intake.renew();
        }
        let pid = until("the server runs", || intake.server().pid());
        crate::e2e_house::signal(pid, "-KILL");
        until("the server runs again", || intake.server().pid().filter(|again| *again != pid));
    }
    done.store(true, Ordering::SeqCst);
    let last: Vec<u64> = publishers.into_iter().map(|publisher| intake.runtime.block_on(publisher).unwrap()).collect();
    let made = made.lock().unwrap();
    let all: u64 = last.iter().sum();
    eprintln!("{all} reports under {NATS_KILLS} kills in {:?}", began.elapsed());
    assert_eq!(made.len() as u64, all);
    let size = ledger.settled();
    assert_eq!(size - before, all, "every report is one entry");
    assert_eq!(ledger.indicator("ev-chargers")["figure"]["value"], all);

    let log = LogReader::open(&intake.folder.data().join("log")).unwrap();
    let mut chains: BTreeMap<String, (u64, Option<[u8; 32]>)> = BTreeMap::new();
    for item in log.iter(before) {
        let (index, text) = item.unwrap();
        let entry = Entry::parse(&text).unwrap();
        assert_eq!(entry.ruling.unwrap().verdict, Verdict::Accepted, "entry {index}");
        let signature = entry.signature.unwrap();
        let jws = Jws::parse(signature.text().unwrap()).unwrap();
        assert!(made.contains_key(jws.text()), "entry {index} was never made");
        let (seq, prev) = chains.entry(jws.key().to_owned()).or_default();
        assert_eq!((jws.claims().seq, jws.claims().prev), (*seq + 1, *prev), "entry {index}: a hole or a fork");
        (*seq, *prev) = (*seq + 1, Some(jws.sha256()));
    }
    assert_eq!(chains.values().map(|(seq, _)| seq).sum::<u64>(), all);
    assert!(ledger.terminate().success());
}
