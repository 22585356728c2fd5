//! What somebody reads who got a command wrong: what failed, on what, and what to do next; nothing before it, and nothing
//! published that is refused for sure. Each case was found by a newcomer.

use std::net::TcpListener;

use crate::e2e_house::{Folder, Ledger};

/// A command line, its exit code, and what standard error must say.
type Case<'a> = (Vec<&'a str>, i32, &'a [&'a str]);

/// Runs each in English; every failure has a next step, and no line of a log comes before it.
fn check(folder: &Folder, cases: &[Case<'_>]) {
    for (args, exit, parts) in cases {
        let out = folder.run(&[&args[..], &["--lang", "en"]].concat());
        let said = String::from_utf8(out.stderr).unwrap();
        assert_eq!(out.status.code(), Some(*exit), "{args:?}: {said}");
        assert!(parts.iter().all(|part| said.contains(part)), "{args:?} does not say {parts:?}: {said}");
        assert!(said.starts_with("jindo: "), "{args:?}: {said}");
        assert!(*exit == 0 || said.contains("\n  next: "), "{args:?}: {said}");
    }
}

#[test]
fn a_wrong_command_is_told_what_to_do() {
    let folder = Folder::new();
    let ledger = Ledger::up(&folder);
    let size = ledger.proven();
    let other = folder.beside("kept.txt");
    std::fs::write(&other, "a,b\n1,2\n").unwrap();
    let other = other.to_str().unwrap();
    let receipt = folder.beside("1.tlog-proof");
    let receipt = receipt.to_str().unwrap();
    assert!(folder.run(&["receipt", "1", "--out", receipt]).status.success());
    let revoke = vec!["key", "revoke", "UABC…", "--of", "keco", "--agency", "motie", "--reason", "x"];
    let report = |time| {
        let what = ["report", "charger.installed", "--agency", "keco", "region=11", "class=fast", "count=1", "--time"];
        [&what[..], &[time]].concat()
    };
    let past = size.to_string();
    check(
        &folder,
        &[
            (revoke, 3, &["'UABC…' is no NKey public key"]),
            (report("2099-01-01"), 3, &["--time 2098-12-31T15:00:00Z", "until a day from now"]),
            (report("1999-12-31"), 3, &["from 2000-01-01"]),
            (
                vec!["import", "nofile.csv", "--type", "charger.installed", "--agency", "keco"],
                2,
                &["nofile.csv", "check the path"],
            ),
            (vec!["audit", "--evidence", "/nonexist"], 2, &["file /nonexist", "the folder that holds the files"]),
            (vec!["audit", "--since", other], 2, &["kept.txt", "that you kept of this log"]),
            (vec!["audit", "--policy", other], 2, &["kept.txt: policy, line 1", "tlog-policy file"]),
            (vec!["audit", "--genesis", "HASH"], 3, &["'HASH' is no SHA-256: it has 4 characters"]),
            (vec!["verify", receipt, "--vkey", "nofile"], 2, &["file nofile"]),
            (vec!["verify", receipt, "--vkey", other], 2, &["kept.txt", "the file vkey of the log folder"]),
            (vec!["keygen", "keco"], 2, &["keco.nk exists", "give --out FILE"]),
            (vec!["receipt", "abc"], 3, &["'abc' is no event UUID", "`jindo report` printed"]),
            (vec!["status", "ev-charger"], 3, &["no indicator 'ev-charger'", "near it: ev-chargers,"]),
            (vec!["replay", "--agency", "keko"], 3, &["'keko' is not registered in this log", "near it: keco,"]),
            (
                vec!["replay", "--from", "2026"],
                0,
                &["nothing found from entry 2026 to the end", "write a date as 2026-01-01"],
            ),
            (
                vec!["replay", "--from", &past, "--json"],
                0,
                &["nothing found from entry", "a bare number is an entry index"],
            ),
            (
                vec!["replay", "--to", "2001-01-01"],
                0,
                &["nothing found from the beginning to 2001-01-01T14:59:59.999999999Z"],
            ),
        ],
    );
    assert_eq!(ledger.settled(), size, "nothing was published");
    // What is taken is still taken, and an agency that has not reported is no mistake.
    let (exit, told) = folder.json(&report("2026-06-30"));
    assert_eq!(exit, 0, "{told}");
    assert!(folder.run(&["replay", "--agency", "kotra"]).status.success());
    assert!(ledger.terminate().success());
}

#[test]
fn one_that_cannot_start_says_why_and_nothing_else() {
    let folder = Folder::new();
    let ledger = Ledger::up(&folder);
    let (http, nats) = (ledger.http.clone(), ledger.nats.clone());
    let port = nats.rsplit(':').next().unwrap();
    let up = |http, port| vec!["up", "--http", http, "--nats-port", port];
    let running = [&*format!("http={http}"), &*format!("nats={nats}"), &*format!("process {}", ledger.pid())];
    check(&folder, &[(up("127.0.0.1:0", "0"), 2, &running)]);
    let second = Folder::new();
    check(&second, &[(up("127.0.0.1:0", port), 2, &["another program uses port", "give --nats-port 0"])]);
    let held = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = held.local_addr().unwrap().to_string();
    check(&second, &[(up(&address, "0"), 2, &["HTTP address", "give another one with --http"])]);
    // A key that NATS does not know: the client library tells it in lines of its own.
    let stranger = second.beside("stranger.nk");
    jindo::sign::KeyPair::generate().unwrap().save_new(&stranger).unwrap();
    let report =
        ["report", "charger.installed", "--agency", "keco", "region=11", "class=fast", "count=1", "--key-file"];
    let stranger = [&report[..], &[stranger.to_str().unwrap()]].concat();
    check(&folder, &[(stranger, 4, &["takes no connection with this key", "revoked", "nothing was sent or kept"])]);
    assert!(ledger.terminate().success());
    let demo = [&up("127.0.0.1:0", "0")[..], &["--demo"]].concat();
    check(&folder, &[(demo, 2, &["is not a simulated one", "start this one without --demo"])]);
}
