//! The verifiable log of a running ledger: checkpoints follow the reports, and hold after stops and kills.

use std::path::Path;

use jindo::log::checkpoint::{Checkpoint, Head};
use jindo::log::entry::leaf_hash;
use jindo::log::folder::LogFolder;
use jindo::log::note::{Note, VerifierKey};
use jindo::log::publish::{Fence as _, FenceFault};
use jindo::log::tail::LogReader;
use jindo::log::tree;
use jindo::stream::{self, fence::NatsFence};
use serde_json::json;

use crate::e2e_house::{Folder, Ledger, until};
use crate::nats::TestNats;

/// Reports `count` chargers, one report each.
fn report(folder: &Folder, count: usize) {
    for _ in 0..count {
        let (exit, told) =
            folder.json(&["report", "charger.installed", "--agency", "keco", "region=11", "class=fast", "count=1"]);
        assert_eq!((exit, &told["state"]), (0, &json!("accepted")), "{told}");
    }
}

/// Holds the folder against its checkpoint: every entry, every published root; the size covered.
fn check(log: &Path) -> u64 {
    let folder = LogFolder::new(log);
    let vkey = VerifierKey::parse(&folder.vkey().unwrap().unwrap()).unwrap();
    let head = Checkpoint::open(&folder.checkpoint().unwrap().unwrap(), &vkey).unwrap().head;
    let mut tree = folder.tree(head.size);
    assert_eq!(tree::root(&mut tree, head.size).unwrap(), head.root);
    let entries = (0..head.size.div_ceil(256)).flat_map(|index| folder.entries(index, head.size).unwrap());
    let tail = LogReader::open(log).unwrap();
    for ((index, entry), item) in (0..).zip(entries).zip(tail.iter(0)) {
        assert_eq!(item.unwrap(), (index, entry.clone()));
        let proof = tree::inclusion(&mut tree, index, head.size).unwrap();
        tree::verify_inclusion(leaf_hash(&entry), index, head.size, head.root, &proof).unwrap();
    }
    let mut published = 0;
    for day in folder.history_days().unwrap() {
        for note in folder.history(day).unwrap().0 {
            let old = Checkpoint::open(&note, &vkey).unwrap().head;
            assert!(old.size > published, "{} after {published}", old.size);
            published = old.size;
            if old.size > head.size {
                // A kill fell between history and checkpoint: it is of the same tree all the same.
                assert_eq!(tree::root(&mut folder.tree(old.size), old.size).unwrap(), old.root);
                continue;
            }
            let proof = tree::consistency(&mut tree, old.size, head.size).unwrap();
            tree::verify_consistency((old.size, old.root), (head.size, head.root), &proof).unwrap();
        }
    }
    assert!(published >= head.size);
    head.size
}

#[test]
fn the_logs_key_is_replaced_and_everything_holds() {
    let folder = Folder::new();
    let ledger = Ledger::up(&folder);
    report(&folder, 2);
    let receipt = |name: &str, index: u64| {
        let path = folder.beside(name);
        let told = folder.run(&["receipt", &index.to_string(), "--out", path.to_str().unwrap()]);
        assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
        path.to_str().unwrap().to_owned()
    };
    let vkey = || std::fs::read_to_string(folder.data().join("log/vkey")).unwrap().trim().to_owned();
    let (before, old) = (receipt("before", ledger.proven() - 1), vkey());
    assert!(folder.run(&["report", "--pending", "--agency", "keco"]).status.success());
    // An agency may not; the authority may, and only signed by the key in force.
    let (exit, told) = folder.json(&["key", "rotate-log", "--agency", "keco", "--reason", "x"]);
    assert_eq!((exit, &told["reports"][0]["code"]), (1, &json!("not-authorised")), "{told}");
    let rotate = ["key", "rotate-log", "--agency", "motie", "--reason", "정기 교체"];
    let (exit, told) = folder.json(&rotate);
    assert_eq!((exit, &told["reports"][0]["state"]), (0, &json!("accepted")), "{told}");
    let size = ledger.proven();
    let new = vkey();
    assert_ne!(old, new);
    let both = receipt("both", size - 1);
    // The outbox follows from the key it knows to the one that key named.
    report(&folder, 2);
    let after = receipt("after", ledger.proven() - 1);
    for (file, key, exit) in [
        (&before, &old, 0),
        (&before, &new, 1),
        (&both, &old, 0),
        (&both, &new, 0),
        (&after, &old, 1),
        (&after, &new, 0),
    ] {
        assert_eq!(folder.json(&["verify", file, "--vkey", key]).0, exit, "{file} with {key}");
    }
    let receipts = |agency| folder.data().join("outbox").join(folder.key(agency).public()).join("receipts");
    let outbox = receipts("keco");
    // Found by a newcomer: the outbox forgot the key its older receipts are signed with, and no file that was named helped.
    let known = || std::fs::read_to_string(outbox.join("vkey")).unwrap().lines().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(known(), [&*old, &*new]);
    // One that comes to know the log only now is told how its key came to be.
    assert!(folder.run(&["report", "--pending", "--agency", "motie"]).status.success());
    assert_eq!(std::fs::read_to_string(receipts("motie").join("vkey")).unwrap(), format!("{old}\n{new}\n"));
    let (logs, kept) = (folder.data().join("log/vkey"), outbox.join("vkey"));
    let (logs, kept) = (logs.to_str().unwrap(), kept.to_str().unwrap());
    let own = outbox.join("1.tlog-proof").to_str().unwrap().to_owned();
    for (file, given) in [(&before, logs), (&own, logs), (&before, kept), (&own, kept), (&after, logs), (&after, kept)]
    {
        let (exit, told) = folder.json(&["verify", file, "--vkey", given]);
        assert_eq!(exit, 0, "{file} with {given}: {told}");
    }
    // From either key to the other, through a copy of the log.
    let log = folder.data().join("log");
    for (file, key) in [(&before, &new), (&after, &old)] {
        let (exit, told) = folder.json(&["verify", file, "--vkey", key, "--log", log.to_str().unwrap()]);
        assert_eq!((exit, told["followed_to"] != json!(key)), (0, true), "{told}");
    }
    let stranger = jindo::sign::KeyPair::generate().unwrap();
    let stranger = jindo::projector::bootstrap::vkey("jindo.local/motie-2026", &stranger);
    assert_eq!(folder.json(&["verify", &before, "--vkey", &stranger, "--log", log.to_str().unwrap()]).0, 1);
    let said = folder.run(&["verify", &before, "--vkey", &new, "--lang", "en"]);
    assert!(String::from_utf8_lossy(&said.stdout).contains("give --log that folder"), "{said:?}");
    // Again, and after a restart without the first key's file.
    assert_eq!(folder.json(&rotate).0, 0);
    report(&folder, 1);
    ledger.proven();
    assert!(ledger.terminate().success());
    std::fs::remove_file(folder.data().join("keys/log.nk")).unwrap();
    let ledger = Ledger::up(&folder);
    report(&folder, 1);
    ledger.proven();
    assert!(ledger.terminate().success());
    let conflicts = std::fs::read_dir(&outbox)
        .unwrap()
        .filter(|item| item.as_ref().unwrap().path().extension().is_some_and(|extension| extension == "conflict"));
    assert_eq!((conflicts.count(), known().len(), known().last()), (0, 3, Some(&vkey())));
    let genesis = std::fs::read_to_string(folder.data().join("genesis")).unwrap();
    let audit = ["audit", "--log", log.to_str().unwrap(), "--genesis", genesis.trim()];
    let (exit, told) = folder.json(&audit);
    assert_eq!(exit, 0, "{told}");
    // The retired key goes on signing: found.
    let folded = LogFolder::new(&log);
    let head = Checkpoint::parse(Note::parse(&folded.checkpoint().unwrap().unwrap()).unwrap().text).unwrap();
    let retired = folder.key("log-2");
    let text = head.text();
    let note = format!("{text}\n{}", jindo::log::note::sign(&head.origin, &retired, &text).unwrap());
    std::fs::write(log.join("checkpoint"), note).unwrap();
    let (exit, told) = folder.json(&audit);
    assert_eq!((exit, told["found"]["checkpoint-wrong"].as_u64()), (1, Some(1)), "{told}");
}

#[test]
fn checkpoints_cover_the_reports_and_hold_after_stops_and_kills() {
    let folder = Folder::new();
    let log = folder.data().join("log");
    let ledger = Ledger::up(&folder);
    report(&folder, 3);
    let size = ledger.proven();
    assert_eq!(check(&log), size);
    let figure = ledger.indicator("ev-chargers");
    assert_eq!((&figure["size"], &figure["proven_size"]), (&json!(size), &json!(size)));
    report(&folder, 2);
    ledger.kill();
    assert!(check(&log) >= size);
    let ledger = Ledger::up(&folder);
    report(&folder, 2);
    assert_eq!(ledger.proven(), size + 4);
    assert_eq!(check(&log), size + 4);
    report(&folder, 1);
    assert!(ledger.terminate().success());
    assert_eq!(check(&log), size + 5, "the last beat covers what came before the stop");
    let ledger = Ledger::up(&folder);
    assert_eq!(ledger.proven(), size + 5);
    assert!(ledger.terminate().success());
    // Another key in its place: figures go on, nothing new is signed, and it says so, until the key is back.
    let (path, aside) = (folder.data().join("keys/log.nk"), folder.beside("log.nk"));
    std::fs::rename(&path, &aside).unwrap();
    jindo::sign::KeyPair::generate().unwrap().save_new(&path).unwrap();
    let ledger = Ledger::up(&folder);
    report(&folder, 1);
    ledger.settled();
    let health = until("it says so", || {
        let (status, health) = ledger.get("/readyz");
        assert_eq!(status, 200, "{health}");
        health["proof_trouble"].is_string().then_some(health)
    });
    assert_eq!((&health["proven_size"], &health["size"]), (&json!(size + 5), &json!(size + 6)), "{health}");
    assert!(health["proof_trouble"].as_str().unwrap().contains("no file keys/log*.nk holds"), "{health}");
    assert_eq!(check(&log), size + 5);
    std::fs::rename(&aside, &path).unwrap();
    assert_eq!(ledger.proven(), size + 6);
    assert!(ledger.terminate().success());
    assert_eq!(check(&log), size + 6);
}

#[test]
fn receipts_are_pulled_kept_and_verify_offline() {
    let folder = Folder::new();
    let ledger = Ledger::up(&folder);
    let (exit, told) =
        folder.json(&["report", "charger.installed", "--agency", "keco", "region=11", "class=fast", "count=3"]);
    assert_eq!(exit, 0, "{told}");
    let (id, index) = (told["id"].as_str().unwrap().to_owned(), told["index"].as_u64().unwrap());
    // A refused report has a receipt too: that it was recorded, and why it does not count.
    let (exit, refused) =
        folder.json(&["report", "charger.installed", "--agency", "kotra", "region=11", "class=fast", "count=3"]);
    assert_eq!((exit, &refused["state"]), (1, &json!("refused")), "{refused}");
    ledger.proven();
    let vkey = folder.data().join("log/vkey").to_str().unwrap().to_owned();
    let file = folder.beside("one.tlog-proof").to_str().unwrap().to_owned();
    assert!(folder.run(&["receipt", &id, "--out", &file]).status.success());
    for name in [index.to_string(), refused["index"].to_string()] {
        let file = folder.beside("other.tlog-proof").to_str().unwrap().to_owned();
        assert!(folder.run(&["receipt", &name, "--out", &file]).status.success());
        let (exit, shown) = folder.json(&["verify", &file, "--vkey", &vkey]);
        assert_eq!((exit, &shown["ok"], shown["index"].to_string()), (0, &json!(true), name), "{shown}");
    }
    assert_eq!(folder.run(&["receipt", "999999"]).status.code(), Some(2));
    assert_eq!(folder.run(&["receipt", "nonsense"]).status.code(), Some(3));
    // Over HTTP the folder is what it is on disk.
    let mut answer = ureq::get(format!("{}/log/checkpoint", ledger.http)).call().unwrap();
    let note = answer.body_mut().read_to_string().unwrap();
    assert!(note.starts_with("jindo.local/motie-2026\n"), "{note}");

    // The outbox pulls its own, and claims what it has seen from then on.
    let outbox = folder.data().join("outbox").join(folder.key("keco").public());
    assert!(folder.run(&["report", "--pending", "--agency", "keco"]).status.success());
    assert!(outbox.join("receipts/1.tlog-proof").exists());
    let (exit, told) =
        folder.json(&["report", "charger.installed", "--agency", "keco", "region=11", "class=fast", "count=4"]);
    assert_eq!(exit, 0, "{told}");
    let entry = LogReader::open(&folder.data().join("log")).unwrap().read(told["index"].as_u64().unwrap()).unwrap();
    let entry = jindo::log::entry::Entry::parse(&entry).unwrap();
    let jws = jindo::sign::Jws::parse(entry.signature.as_ref().unwrap().text().unwrap()).unwrap();
    let seen = jws.claims().seen.expect("a checkpoint was seen");
    assert!(seen.size > index, "{seen:?}");
    assert!(ledger.terminate().success());

    // Offline from here on.
    let said = folder.run(&["verify", &file, "--vkey", &vkey, "--lang", "en"]);
    let shown = String::from_utf8(said.stdout).unwrap();
    assert!(said.status.success() && shown.starts_with("OK: entry") && shown.contains("accepted"), "{shown}");
    let said = folder.run(&["verify", &file, "--vkey", &vkey, "--lang", "ko"]);
    assert!(String::from_utf8(said.stdout).unwrap().starts_with("확인됨"));
    let own = outbox.join("receipts/1.tlog-proof").to_str().unwrap().to_owned();
    let key = std::fs::read_to_string(&vkey).unwrap();
    assert!(folder.run(&["verify", &own, "--vkey", key.trim_end()]).status.success());
    // What the outbox keeps and what was fetched, held against the whole log.
    let genesis = std::fs::read_to_string(folder.data().join("genesis")).unwrap();
    let kept = outbox.to_str().unwrap();
    let (exit, report) = folder.json(&["audit", "--genesis", genesis.trim(), "--receipts", kept, &file]);
    assert_eq!((exit, &report["receipts"]), (0, &json!(2)), "{report}");
    assert!(report["held_outside"].as_u64().unwrap() > index, "{report}");
    let text = std::fs::read_to_string(&file).unwrap();
    let altered = folder.beside("altered.tlog-proof").to_str().unwrap().to_owned();
    std::fs::write(&altered, text.replacen(&format!("\nindex {index}\n"), &format!("\nindex {}\n", index - 1), 1))
        .unwrap();
    let (exit, shown) = folder.json(&["verify", &altered, "--vkey", &vkey]);
    assert_eq!((exit, &shown["ok"]), (1, &json!(false)), "{shown}");
    assert_eq!(folder.run(&["verify", &file, "--vkey", "no+key"]).status.code(), Some(2));
    assert_eq!(folder.run(&["verify", "/nowhere", "--vkey", &vkey]).status.code(), Some(2));
    assert_eq!(folder.run(&["verify", &file]).status.code(), Some(3));
}

/// Kill -9 anywhere in commits and beats: every published root is one of the same tree, and the next start goes on.
#[test]
fn kills_among_beats_leave_one_tree() {
    let folder = Folder::new();
    let log = folder.data().join("log");
    let mut size = 0;
    // Later and later, until the beat that follows the reports was over before the kill.
    for (kill, after) in (0_u64..).step_by(47).enumerate() {
        let ledger = Ledger::up(&folder);
        report(&folder, 2);
        std::thread::sleep(std::time::Duration::from_millis(after));
        ledger.kill();
        let now = check(&log);
        assert!(now >= size, "{now} after {size}");
        size = now;
        if kill > 3 && now == LogReader::open(&log).unwrap().size() {
            break;
        }
    }
    let ledger = Ledger::up(&folder);
    let whole = ledger.proven();
    assert!(ledger.terminate().success());
    assert_eq!(check(&log), whole);
    assert_eq!(LogReader::open(&log).unwrap().size(), whole);
}

/// The fence at a real server: what was claimed stands, a swap from an older state fails, and it belongs to one log.
#[test]
fn the_fence_lets_one_of_two_pass() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let nats = runtime.block_on(TestNats::start(&[]));
    let link = runtime.block_on(nats.operator());
    runtime.block_on(stream::declare(&link, "LEDGER_1", 1, 1)).unwrap();
    let fence = |origin| NatsFence::new(runtime.handle().clone(), link.clone(), "LEDGER_1", origin);
    let (mut one, mut two) = (fence("jindo.test/fence"), fence("jindo.test/fence"));
    let head = |size, byte| Head { size, root: [byte; 32] };
    assert_eq!((one.held().unwrap(), two.held().unwrap()), (None, None));
    one.swap(None, &head(5, 1)).unwrap();
    assert_eq!(two.swap(None, &head(5, 2)), Err(FenceFault::Moved));
    let held = two.held().unwrap().unwrap();
    assert_eq!(held.head, head(5, 1));
    two.swap(Some(held.revision), &head(7, 2)).unwrap();
    assert_eq!(one.swap(Some(held.revision), &head(7, 1)), Err(FenceFault::Moved));
    assert_eq!(one.held().unwrap().unwrap().head, head(7, 2));
    assert!(matches!(fence("jindo.test/else").held(), Err(FenceFault::Foreign(_))));
    runtime.block_on(nats.kill());
    // Claimed is claimed, over a power cut too.
    until("the fence answers", || one.held().ok().flatten().filter(|held| held.head == head(7, 2)));
    runtime.block_on(nats.server.stop());
}
