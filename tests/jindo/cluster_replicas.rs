//! Read replicas beside a cluster: what they tell is what the writer tells, proven by its checkpoints; they are restarted one after
//! the other without a failed read; and one of them becomes the writer where the writer is gone.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use serde_json::{Value, json};

use crate::cluster::Cluster;
use crate::cluster_kill::{Load, probe};
use crate::e2e_house::{Folder, Ledger, signal, until};

/// Asks either of two servers, the one that is ready first, as a load balancer does; what it read: size and figure.
fn reads(addresses: [String; 2], done: Arc<AtomicBool>) -> std::thread::JoinHandle<Vec<(u64, Value)>> {
    std::thread::spawn(move || {
        let config = ureq::Agent::config_builder().timeout_global(Some(Duration::from_secs(30)));
        let agent: ureq::Agent = config.max_idle_connections(0).build().into();
        let get = |url: String| {
            let text = agent.get(url).call().ok()?.body_mut().read_to_string().ok()?;
            serde_json::from_str::<Value>(&text).ok()
        };
        let (mut read, mut turned, mut turn) = (Vec::new(), 0, 0);
        while !done.load(Ordering::SeqCst) {
            turn += 1;
            let order = [turn % 2, (turn + 1) % 2].map(|at| &addresses[at]);
            let ready = order.iter().filter(|http| get(format!("{http}/readyz")).is_some()).copied();
            let ready: Vec<&String> = ready.collect();
            assert!(!ready.is_empty(), "no server is ready after {} reads", read.len());
            let answer = ready.iter().enumerate().find_map(|(tries, http)| {
                Some((tries, get(format!("{http}/v1/indicators/ev-chargers?as_of=2026-12-31"))?))
            });
            let (tries, view) = answer.unwrap_or_else(|| panic!("a read failed after {} reads", read.len()));
            turned += tries;
            read.push((view["size"].as_u64().unwrap(), view["figure"]["value"].clone()));
            std::thread::sleep(Duration::from_millis(5));
        }
        eprintln!("{} reads, none failed; {turned} took the other server", read.len());
        read
    })
}

/// Says that it is about to stop, and answers until then.
fn drains(ledger: Ledger) {
    let http = ledger.http.clone();
    signal(ledger.pid(), "-TERM");
    until("it says that it stops", || {
        let (status, health) = ledger.get("/readyz");
        (status == 503).then(|| assert_eq!(health["state"], "stopping", "{health}"))
    });
    assert_eq!(ledger.get("/v1/indicators/ev-chargers").0, 200, "{http} serves while it drains");
    assert!(ledger.terminate().success());
}

/// Both tell the same of a moment, with what is proven of it.
fn same(one: &Ledger, other: &Ledger, size: u64) {
    let moment = format!("as_of=2026-12-31&known_at={size}");
    for path in [
        format!("/v1/indicators?{moment}"),
        format!("/v1/indicators/ev-chargers/series?{moment}"),
        format!("/v1/indicators/ev-chargers/events?{moment}"),
        "/v1/entries?order=desc".to_owned(),
    ] {
        let (mine, theirs) = (one.get(&path), other.get(&path));
        assert!(mine.0 == 200 && mine == theirs, "{path}: answers differ");
    }
}

fn text(ledger: &Ledger, path: &str) -> String {
    ureq::get(format!("{}{path}", ledger.http)).call().unwrap().body_mut().read_to_string().unwrap()
}

#[test]
fn replicas_tell_the_same_and_are_restarted_without_a_failed_read() {
    let mut cluster = Cluster::found();
    let urls = cluster.urls();
    let writer = cluster.run(&cluster.folder, &urls, &["--replicas", "3"]);
    let folders = [Folder::new(), Folder::new()];
    let mut replicas: Vec<Ledger> =
        folders.iter().map(|folder| cluster.run(folder, &urls, &["--follow", "--drain", "1"])).collect();
    assert!(replicas.iter().all(|replica| replica.settled() >= cluster.founding));
    let load = Arc::new(Load::default());
    let publishing = {
        let (link, pair) = (cluster.agency("keco", &urls), cluster.folder.key("keco"));
        cluster.runtime.spawn(probe(load.clone(), link, "keco", pair))
    };
    let done = Arc::new(AtomicBool::new(false));
    let reading = reads([replicas[0].http.clone(), replicas[1].http.clone()], done.clone());
    load.goes_on(20);
    for at in [0, 1] {
        let replica = replicas.remove(0);
        let http = replica.http.strip_prefix("http://").unwrap().to_owned();
        drains(replica);
        load.goes_on(20);
        let replica = cluster.run_at(&folders[at], &http, &urls, &["--follow", "--drain", "1"]);
        replica.settled();
        replicas.push(replica);
    }
    load.goes_on(20);
    done.store(true, Ordering::SeqCst);
    let read = reading.join().unwrap();
    load.done.store(true, Ordering::SeqCst);
    cluster.runtime.block_on(publishing).unwrap();

    let size = writer.proven_to(load.newest());
    for replica in &replicas {
        assert_eq!(replica.proven_to(size), size, "the writer's checkpoint reaches it");
        same(replica, &writer, size);
        assert_eq!(text(replica, "/log/checkpoint"), text(&writer, "/log/checkpoint"));
        let receipt = format!("/v1/receipts/{}", size - 1);
        assert_eq!(text(replica, &receipt), text(&writer, &receipt));
    }
    for (size, value) in read.iter().step_by(read.len() / 20 + 1) {
        let (_, view) = writer.get(&format!("/v1/indicators/ev-chargers?as_of=2026-12-31&known_at={size}"));
        assert_eq!(view["figure"]["value"], *value, "read at {size}");
    }
    takes_over(&mut cluster, writer, replicas, &folders, size);
}

/// The writer is gone for good, and a server of the cluster with it; a replica with the log's key goes on, and the other replica follows it.
fn takes_over(cluster: &mut Cluster, writer: Ledger, mut replicas: Vec<Ledger>, folders: &[Folder; 2], size: u64) {
    writer.kill();
    let leader = cluster.leader(&cluster.operator(&cluster.urls()));
    cluster.burn(leader);
    assert!(replicas.remove(0).terminate().success());
    crate::ledger::copy_folder(&cluster.folder.data().join("keys"), &folders[0].data().join("keys"));
    let writer = cluster.run(&folders[0], &cluster.urls(), &[]);
    let link = cluster.agency("kepco", &cluster.urls());
    let load = Arc::new(Load::default());
    let publishing = cluster.runtime.spawn(probe(load.clone(), link, "kepco", cluster.folder.key("kepco")));
    load.goes_on(20);
    load.done.store(true, Ordering::SeqCst);
    cluster.runtime.block_on(publishing).unwrap();
    let grown = writer.proven_to(load.newest());
    assert!(grown >= size + 20, "{grown}");
    assert_eq!(replicas[0].proven_to(grown), grown);
    same(&replicas[0], &writer, grown);
    assert!(writer.terminate().success() && replicas.remove(0).terminate().success());
    let digest = |folder: &Folder| folder.json(&["rebuild"]).1["digest"].clone();
    assert_eq!(digest(&folders[0]), digest(&folders[1]));
    for folder in folders {
        let (exit, told) = folder.json(&["audit"]);
        assert_eq!((exit, &told["found"]), (0, &json!({})), "{told}");
    }
}
