//! Outside witnesses that nobody here wrote (PyPI `aics-witness`), asked by the running ledger: they come and go, and a copy of
//! the ledger that goes another way is caught.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use jindo::log::checkpoint::Checkpoint;
use jindo::log::folder::LogFolder;
use jindo::log::fork::Fork;
use jindo::log::note::{KeyKind, Note, VerifierKey};
use jindo::log::policy::Policy;
use jindo::sign::KeyPair;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::e2e_house::{Folder, Guard, Ledger, until};
use crate::ledger::copy_folder;

const ORIGIN: &str = "jindo.local/motie-2026";

/// A witness as a process of its own.
struct Witness {
    dir: TempDir,
    name: &'static str,
    vkey: String,
    /// `http://127.0.0.1:<port>`, the same after a stop.
    url: String,
    child: Option<Guard>,
}

fn aics(dir: &Path, verb: &str) -> Command {
    let packages = Path::new(env!("CARGO_MANIFEST_DIR")).join(".cache/witness");
    assert!(packages.is_dir(), "the witness is missing: run `make witness`");
    let mut command = Command::new("python3");
    command.env("PYTHONPATH", packages).env_remove("AICS_WITNESS_CONFIG").env_remove("WITNESS_SEED_HEX");
    command.args(["-m", "aics_witness", verb, "--config"]).arg(dir.join("witness.json")).stdin(Stdio::null());
    command
}

impl Witness {
    /// Of a new key, knowing one log.
    fn new(name: &'static str, log: &VerifierKey) -> Witness {
        let dir = TempDir::new().unwrap();
        let made = aics(dir.path(), "init").args(["--name", &format!("{name}.witness.test")]).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let vkey = String::from_utf8(made.stdout).unwrap().trim().to_owned();
        let added =
            aics(dir.path(), "add-log").args(["--origin", ORIGIN, "--vkey", &log.to_string()]).output().unwrap();
        assert!(added.status.success(), "{}", String::from_utf8_lossy(&added.stderr));
        let mut witness = Witness { dir, name, vkey, url: String::new(), child: None };
        witness.start();
        witness
    }

    /// Starts it, on a free port the first time.
    fn start(&mut self) {
        let said = self.dir.path().join("said");
        let listen = self.url.strip_prefix("http://").unwrap_or("127.0.0.1:0").to_owned();
        let child: Child = aics(self.dir.path(), "serve")
            .args(["--listen", &listen])
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(&said).unwrap())
            .spawn()
            .unwrap();
        self.child = Some(Guard(child));
        self.url = until("the witness listens", || {
            let said = std::fs::read_to_string(&said).unwrap();
            let (_, rest) = said.split_once("listening on ")?;
            rest.split_once(' ').map(|(url, _)| url.to_owned())
        });
    }

    fn stop(&mut self) {
        self.child = None;
    }
}

/// A data folder with the log's key in it.
fn founded() -> (Folder, VerifierKey) {
    let folder = Folder::new();
    std::fs::create_dir_all(folder.data().join("keys")).unwrap();
    let pair = KeyPair::generate().unwrap();
    pair.save_new(&folder.data().join("keys/log.nk")).unwrap();
    (folder, VerifierKey::of_pair(ORIGIN, KeyKind::Log, &pair).unwrap())
}

/// A policy of these witnesses; `least` is `any`, `all` or a number.
fn policy(log: &VerifierKey, witnesses: &[&Witness], least: &str) -> String {
    let lines: String =
        witnesses.iter().map(|one| format!("witness {} {} {}\n", one.name, one.vkey, one.url)).collect();
    let names: Vec<_> = witnesses.iter().map(|one| one.name).collect();
    format!("log {log}\n{lines}group outside {least} {}\nquorum outside\n", names.join(" "))
}

fn put_policy(folder: &Folder, text: &str) -> PathBuf {
    let path = folder.data().join("witnesses.policy");
    std::fs::write(&path, text).unwrap();
    path
}

fn report(folder: &Folder) -> u64 {
    let (exit, told) =
        folder.json(&["report", "charger.installed", "--agency", "keco", "region=11", "class=fast", "count=1"]);
    assert_eq!((exit, &told["state"]), (0, &json!("accepted")), "{told}");
    told["index"].as_u64().unwrap()
}

/// Names of witnesses that cosigned the folder's checkpoint, and its size.
fn cosigned(log: &Path, vkey: &VerifierKey, policy: &str) -> (Vec<String>, u64) {
    let note = LogFolder::new(log).checkpoint().unwrap().unwrap();
    let size = Checkpoint::open(&note, vkey).unwrap().head.size;
    let policy = Policy::parse(policy).unwrap();
    let by = policy.cosigned(&Note::parse(&note).unwrap()).unwrap();
    (by.into_iter().map(|(witness, _)| witness.name.clone()).collect(), size)
}

/// Waits until it says why nothing more is proven, in such words.
fn trouble(ledger: &Ledger, words: &str) -> (String, Value) {
    until(words, || {
        let (status, health) = ledger.get("/readyz");
        let told = health["proof_trouble"].as_str().unwrap_or_default().to_owned();
        (status == 200 && told.contains(words)).then_some((told, health))
    })
}

#[test]
fn witnesses_cosign_go_and_come_back() {
    let (folder, vkey) = founded();
    let (one, mut two) = (Witness::new("one", &vkey), Witness::new("two", &vkey));
    let text = policy(&vkey, &[&one, &two], "all");
    let path = put_policy(&folder, &text).to_str().unwrap().to_owned();
    let log = folder.data().join("log");
    let ledger = Ledger::up(&folder);
    let size = ledger.proven();
    assert_eq!(cosigned(&log, &vkey, &text), (vec!["one".to_owned(), "two".to_owned()], size));

    // One is gone: figures go on, nothing more is proven, and it says who is missing.
    two.stop();
    report(&folder);
    let (told, health) = trouble(&ledger, "two (http");
    assert!(!told.contains("one (http"), "{told}");
    assert_eq!((&health["size"], &health["proven_size"]), (&json!(size + 1), &json!(size)));
    let figure = ledger.indicator("ev-chargers");
    assert_eq!((&figure["figure"]["value"], &figure["proven_size"]), (&json!(1), &json!(size)));
    assert_eq!(cosigned(&log, &vkey, &text).1, size, "the published checkpoint stays");
    // It is back, and nothing else has to be done.
    two.start();
    assert_eq!(ledger.proven(), size + 1);
    assert_eq!(cosigned(&log, &vkey, &text).0.len(), 2);
    // A receipt carries the cosignatures, and holds under the policy.
    let file = folder.beside("one.tlog-proof").to_str().unwrap().to_owned();
    assert!(folder.run(&["receipt", &size.to_string(), "--out", &file]).status.success());
    let (exit, shown) = folder.json(&["verify", &file, "--policy", &path]);
    assert_eq!((exit, shown["witnesses"].as_array().unwrap().len()), (0, 2), "{shown}");
    assert!(ledger.terminate().success());

    // One of two: the other may stay away, also over a restart, where what they know is learned anew.
    two.stop();
    let any = policy(&vkey, &[&one, &two], "any");
    put_policy(&folder, &any);
    let ledger = Ledger::up(&folder);
    report(&folder);
    assert_eq!(ledger.proven(), size + 2);
    assert_eq!(cosigned(&log, &vkey, &any), (vec!["one".to_owned()], size + 2));
    assert!(ledger.terminate().success());

    // The whole history was cosigned by enough of them, whichever of the two policies was in force.
    let (exit, told) = folder.json(&["audit", "--policy", &path]);
    assert_eq!((exit, &told["findings"]), (0, &json!([])), "{told}");
    assert_eq!(told["witnesses"]["each"][1]["size"], size + 1, "{told}");
    for (lang, words) in [("en", "Outside witnesses have cosigned"), ("ko", "외부 증인이 서명한 기록")] {
        let page = folder.run(&["audit", "--policy", &path, "--lang", lang]);
        assert!(String::from_utf8(page.stdout).unwrap().contains(words), "{lang}");
    }
    // A cosignature altered afterwards is found.
    let note = std::fs::read_to_string(log.join("checkpoint")).unwrap();
    let at = note.rfind("= ").map_or(note.len() - 20, |at| at - 20);
    let flipped = if &note[at..=at] == "A" { "B" } else { "A" };
    std::fs::write(log.join("checkpoint"), format!("{}{flipped}{}", &note[..at], &note[at + 1..])).unwrap();
    let (exit, told) = folder.json(&["audit", "--policy", &path]);
    assert_eq!((exit, &told["found"]["cosignature-wrong"]), (1, &json!(1)), "{told}");
}

#[test]
fn a_policy_that_cannot_hold_is_refused_at_start() {
    let (folder, vkey) = founded();
    let own = VerifierKey::new("own.test", KeyKind::Witness, vkey.bytes()).unwrap();
    let stranger = VerifierKey::of_pair("w.test", KeyKind::Witness, &KeyPair::generate().unwrap()).unwrap();
    for (text, line) in [
        ("quorum nobody\n".to_owned(), "line 1"),
        (format!("\nwitness w {stranger}\nquorum w\n"), "line 2"),
        (format!("witness w {stranger} http://\nquorum w\n"), "line 1"),
        (format!("witness w {stranger} file:///x\nquorum none\n"), "line 1"),
        (format!("\n\nwitness w {own} http://127.0.0.1:1\nquorum w\n"), "line 3"),
    ] {
        let path = put_policy(&folder, &text);
        let out = folder.run(&["up", "--http", "127.0.0.1:0", "--nats-port", "-1", "--lang", "en"]);
        let said = String::from_utf8_lossy(&out.stderr).into_owned();
        assert_eq!(out.status.code(), Some(2), "{said}");
        assert!(said.contains(path.to_str().unwrap()) && said.contains(line), "{text}: {said}");
    }
}

/// TLS in front of a witness: the process, its address, and its certificate.
fn front(witness: &Witness, name: &str) -> (Guard, String, String) {
    let house = Path::new(env!("CARGO_MANIFEST_DIR"));
    let certificate = witness.dir.path().join(name).to_str().unwrap().to_owned();
    let mut command = Command::new("python3");
    command.env("PYTHONPATH", house.join(".cache/witness")).arg(house.join("tests/python/tls_front.py"));
    command.args([witness.url.rsplit(':').next().unwrap(), &certificate]).stdout(Stdio::piped());
    let mut child = Guard(command.spawn().unwrap());
    let mut port = String::new();
    BufReader::new(child.0.stdout.take().unwrap()).read_line(&mut port).unwrap();
    (child, format!("https://127.0.0.1:{}", port.trim()), certificate)
}

#[test]
fn over_tls_a_witness_is_asked_where_its_certificate_is_trusted() {
    let (folder, vkey) = founded();
    let mut witness = Witness::new("one", &vkey);
    let (_front, url, certificate) = front(&witness, "one.pem");
    let (_other, _, stranger) = front(&witness, "other.pem");
    witness.url = url;
    put_policy(&folder, &policy(&vkey, &[&witness], "all"));
    let ledger = Ledger::up_in(&folder, &[("SSL_CERT_FILE", &stranger)]);
    let (told, health) = trouble(&ledger, "certificate");
    assert_eq!(health["proven_size"], 0, "{told}");
    assert!(ledger.terminate().success());
    let ledger = Ledger::up_in(&folder, &[("SSL_CERT_FILE", &certificate)]);
    assert!(ledger.proven() > 0);
    assert!(ledger.terminate().success());
}

/// A copy of the data folder, with all its keys.
fn copy(folder: &Folder) -> Folder {
    let copy = Folder::new();
    copy_folder(&folder.data(), &copy.data());
    copy
}

#[test]
fn a_forked_copy_never_reaches_the_quorum_and_proves_itself() {
    let (folder, vkey) = founded();
    let (one, two) = (Witness::new("one", &vkey), Witness::new("two", &vkey));
    let text = policy(&vkey, &[&one, &two], "all");
    put_policy(&folder, &text);
    let ledger = Ledger::up(&folder);
    let common = ledger.proven();
    assert!(ledger.terminate().success());
    let copies = [copy(&folder), copy(&folder)];

    let ledger = Ledger::up(&folder);
    report(&folder);
    report(&folder);
    assert_eq!(ledger.proven(), common + 2);
    assert!(ledger.terminate().success());
    assert!(LogFolder::new(&folder.data().join("log")).conflicts().unwrap().is_empty());

    // One copy ends at the same size, the other goes beyond: the proof has another form.
    for (copy, reports) in copies.iter().zip([2, 3]) {
        let log = copy.data().join("log");
        let ledger = Ledger::up(copy);
        // Below what the witnesses know nothing can be proven yet, and nothing is published.
        report(copy);
        trouble(&ledger, &format!("holds a checkpoint of {} entries", common + 2));
        for _ in 1..reports {
            report(copy);
        }
        let (_, health) = trouble(&ledger, "two copies of this ledger were run");
        assert_eq!((&health["size"], &health["proven_size"]), (&json!(common + reports), &json!(common)));
        assert_eq!(ledger.indicator("ev-chargers")["figure"]["value"], reports, "figures go on");
        assert!(ledger.terminate().success());
        assert_eq!(cosigned(&log, &vkey, &text), (vec!["one".to_owned(), "two".to_owned()], common));
        let names = LogFolder::new(&log).conflicts().unwrap();
        assert_eq!(names.len(), 1, "{names:?}");
        // Found again after a restart, and kept once.
        let ledger = Ledger::up(copy);
        trouble(&ledger, "two copies of this ledger were run");
        assert!(ledger.terminate().success());
        assert_eq!(LogFolder::new(&log).conflicts().unwrap(), names);
        let evidence = log.join("conflicts").join(&names[0]);
        proves_itself(copy, &evidence, &vkey, common + 2);
        an_auditor_finds_it_too(&folder, &evidence, reports == 2);
    }
}

/// Whoever kept a checkpoint of one branch and audits the other makes the same evidence.
fn an_auditor_finds_it_too(folder: &Folder, evidence: &Path, same_size: bool) {
    let fork = Fork::parse(&std::fs::read_to_string(evidence).unwrap()).unwrap();
    let (kept, dir) = (folder.beside("kept").to_str().unwrap().to_owned(), folder.beside("conflicts"));
    std::fs::write(&kept, &fork.first).unwrap();
    let (exit, told) = folder.json(&["audit", "--since", &kept, "--conflicts", dir.to_str().unwrap()]);
    // A longer one only shows that this folder was cut, or is behind.
    let code = if same_size { "since-differs" } else { "log-cut" };
    assert_eq!((exit, &told["found"]), (1, &json!({ code: 1 })), "{told}");
    assert_eq!(told["forks"].as_array().unwrap().len(), usize::from(same_size), "{told}");
    if same_size {
        let file = dir.join(told["forks"][0]["name"].as_str().unwrap());
        let vkey = folder.data().join("log/vkey").to_str().unwrap().to_owned();
        let (exit, shown) = folder.json(&["verify", file.to_str().unwrap(), "--vkey", &vkey]);
        assert_eq!((exit, &shown["fork"]), (0, &json!(true)), "{shown}");
        let page = folder.run(&["audit", "--since", &kept, "--lang", "en"]);
        assert!(String::from_utf8(page.stdout).unwrap().contains("proves that the log's key signed two logs"));
    }
}

/// Offline, with the log's key alone; and whoever audits the copy's folder is told.
fn proves_itself(copy: &Folder, file: &Path, vkey: &VerifierKey, size: u64) {
    let (path, vkey) = (file.to_str().unwrap(), vkey.to_string());
    let (exit, shown) = copy.json(&["verify", path, "--vkey", &vkey]);
    assert_eq!((exit, &shown["fork"], &shown["second"]["size"]), (0, &json!(true), &json!(size)), "{shown}");
    let said = copy.run(&["verify", path, "--vkey", &vkey, "--lang", "ko"]);
    assert!(String::from_utf8(said.stdout).unwrap().starts_with("확인됨: 로그 jindo.local/motie-2026의 키가"));
    let policy = copy.data().join("witnesses.policy").to_str().unwrap().to_owned();
    let (exit, shown) = copy.json(&["verify", path, "--policy", &policy]);
    // The witness's own cosignature on the branch it knows came along.
    assert_eq!((exit, shown["witnesses"].as_array().unwrap().len()), (0, 1), "{shown}");
    let altered = copy.beside("altered").to_str().unwrap().to_owned();
    let text = std::fs::read_to_string(file).unwrap();
    std::fs::write(&altered, text.replacen(&format!("\n{size}\n"), &format!("\n{}\n", size - 1), 1)).unwrap();
    let (exit, shown) = copy.json(&["verify", &altered, "--vkey", &vkey]);
    assert_eq!((exit, &shown["ok"]), (1, &json!(false)), "{shown}");
    let (exit, told) = copy.json(&["audit"]);
    assert_eq!((exit, &told["found"]), (1, &json!({ "forked": 1 })), "{told}");
}
