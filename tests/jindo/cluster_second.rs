//! A second projector by mistake, beside a cluster: on the same folder, on a copy of it with all its keys, and on a copy that went
//! another way. There are never two signed roots of one size, and the second says what is wrong and what to do.

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use serde_json::{Value, json};

use jindo::{
    log::{checkpoint::Checkpoint, folder::LogFolder, note::Note},
    stream::{Server, append, declare},
};

use crate::cluster::{Cluster, config, messages, operator};
use crate::cluster_kill::{Load, probe};
use crate::e2e_house::{Folder, Ledger, jindo, until};
use crate::e2e_load::STREAM;

/// Every root that was signed in a folder, by size.
fn signed(folder: &Folder) -> BTreeMap<u64, [u8; 32]> {
    let log = LogFolder::new(&folder.data().join("log"));
    let days = log.history_days().unwrap();
    let notes = days.into_iter().flat_map(|day| log.history(day).unwrap().0);
    let heads = notes.map(|note| Checkpoint::parse(Note::parse(&note).unwrap().text).unwrap().head);
    heads.map(|head| (head.size, head.root)).collect()
}

/// What keeps a ledger from publishing checkpoints, once it says so.
fn trouble(ledger: &Ledger, words: &str) -> String {
    until(words, || {
        let (_, health) = ledger.get("/healthz");
        let why = health["proof_trouble"].as_str()?;
        why.contains(words).then(|| why.to_owned())
    })
}

#[test]
fn a_second_projector_never_signs_another_root() {
    let cluster = Cluster::found();
    let urls = cluster.urls();
    let ledger = cluster.run(&cluster.folder, &urls, &["--replicas", "3"]);
    ledger.proven();
    let load = Arc::new(Load::default());
    let publishing = {
        let (link, pair) = (cluster.agency("keco", &urls), cluster.folder.key("keco"));
        cluster.runtime.spawn(probe(load.clone(), link, "keco", pair))
    };

    // On the same folder.
    let mut same = jindo();
    same.args(["run", "--http", "127.0.0.1:0", "--lang", "en", "--nats", &urls, "--data"]).arg(cluster.folder.data());
    let said = same.output().unwrap();
    let text = String::from_utf8_lossy(&said.stderr).into_owned();
    assert_eq!(said.status.code(), Some(2), "{text}");
    assert!(text.contains("tail.lock") && text.contains("stop"), "{text}");

    // On another machine: no lock keeps them apart, and both fold the same stream with the same keys.
    let copy = Folder::new();
    crate::ledger::copy_folder(&cluster.folder.data().join("keys"), &copy.data().join("keys"));
    let second = cluster.run(&copy, &urls, &[]);
    load.goes_on(200);
    load.done.store(true, Ordering::SeqCst);
    cluster.runtime.block_on(publishing).unwrap();
    let size = ledger.proven_to(load.newest());
    assert_eq!(second.proven_to(size), size, "both have published all of it");
    assert!(second.terminate().success());
    let (one, other) = (signed(&cluster.folder), signed(&copy));
    let both = other.iter().filter(|(size, root)| one.get(size).is_some_and(|own| own == *root)).count();
    let differ = other.iter().filter(|(size, root)| one.get(size).is_some_and(|own| own != *root)).count();
    eprintln!("{} and {} checkpoints, {both} of one size and root", one.len(), other.len());
    assert_eq!(differ, 0);

    diverged(&cluster, size);
    assert!(ledger.terminate().success());
}

/// A ledger that began on one machine goes on in a cluster: its log stays what it is, and the next stream is on three servers.
#[test]
fn a_ledger_of_one_machine_moves_to_a_cluster() {
    let (cluster, messages) = Cluster::bare();
    let (urls, folder) = (cluster.urls(), &cluster.before);
    let recover = ["recover", "--nats", &urls, "--replicas", "3"];
    let moved = until("the cluster has room for three replicas", || {
        let done = folder.run(&recover);
        done.status.success().then_some(done)
    });
    assert!(moved.status.success());
    let ledger = cluster.run(folder, &urls, &[]);
    let before = ledger.proven();
    assert_eq!(before, messages.len() as u64, "nothing is lost, and nothing new");
    let link = cluster.operator(&urls);
    let info = cluster.runtime.block_on(link.api("STREAM.INFO.LEDGER_2", &Value::Null)).unwrap();
    assert_eq!((&info["config"]["num_replicas"], &info["config"]["first_seq"]), (&json!(3), &json!(before + 1)));
    let report =
        folder.run(&["report", "charger.installed", "--agency", "keco", "region=11", "class=fast", "count=12"]);
    assert!(report.status.success(), "{}", String::from_utf8_lossy(&report.stderr));
    assert_eq!(ledger.proven(), before + 1);
    assert!(ledger.terminate().success());
}

/// A copy that another NATS fed comes back to the cluster with the log's key: shorter it waits, longer it is told that it has
/// diverged, and its stream differs from its log. It signs nothing.
fn diverged(cluster: &Cluster, size: u64) {
    let copy = Folder::new();
    crate::ledger::copy_folder(&cluster.folder.data().join("keys"), &copy.data().join("keys"));
    let key = copy.beside("log.nk");
    std::fs::rename(copy.data().join("keys/log.nk"), &key).unwrap();
    let all = messages(&cluster.runtime, &cluster.operator(&cluster.urls()));
    let lone = config(&copy, &copy.beside("lone"), "lone", Vec::new());
    let server = cluster.runtime.block_on(Server::start(&copy.beside("lone"), lone)).unwrap();
    let link = operator(&cluster.runtime, &copy, &server.url);
    let fed = |from: usize, until: usize| {
        for answer in cluster.runtime.block_on(append(&link, STREAM, &all[from..until])) {
            answer.unwrap();
        }
        // Without the log's key: it folds and signs nothing.
        let ledger = cluster.run(&copy, &server.url, &[]);
        ledger.folds(until as u64);
        assert!(ledger.terminate().success());
    };
    cluster.runtime.block_on(declare(&link, STREAM, 1, 1)).unwrap();
    let (short, long) = (all.len() - 50, all.len());
    fed(0, short);
    std::fs::copy(&key, copy.data().join("keys/log.nk")).unwrap();
    let ledger = cluster.run(&copy, &cluster.urls(), &[]);
    let told = trouble(&ledger, "it waits until it has them");
    assert!(told.contains(&format!("the fence at NATS is at {size} entries")), "{told}");
    let (status, health) = ledger.get("/readyz");
    let why = health["why"]["en"].as_str().unwrap();
    assert!(status == 503 && why.contains("holds another message"), "{why}");
    // It ends with what it found.
    assert!(!ledger.terminate().success());
    std::fs::remove_file(copy.data().join("keys/log.nk")).unwrap();

    fed(short, long);
    std::fs::copy(&key, copy.data().join("keys/log.nk")).unwrap();
    let ledger = cluster.run(&copy, &cluster.urls(), &[]);
    let told = trouble(&ledger, "two copies of this ledger have diverged");
    assert!(told.contains("jindo audit"), "{told}");
    assert!(!ledger.terminate().success());
    assert!(signed(&copy).is_empty(), "it signed nothing");
    assert!(!copy.data().join("log/checkpoint").exists());
    cluster.runtime.block_on(async { tokio::time::timeout(Duration::from_secs(30), server.stop()).await.unwrap() });
}
