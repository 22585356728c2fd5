//! The log of a running `jindo up`, held against tools nobody here wrote: `aics-tlog` over HTTP and over the folder, Go's
//! `sumdb` over the folder. Found wanting where a byte is flipped: they find, they do not nod.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use jindo::event::Time;
use jindo::log::tail::LogReader;
use jindo::publish::{Outbox, deliver};
use jindo::stream::{self, Login};
use serde_json::Value;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::e2e_crash::drafts;
use crate::e2e_house::{Folder, Ledger};
use crate::e2e_load::{ORIGIN, STREAM};
use crate::gocheck;
use crate::ledger::copy_folder;

fn python() -> Command {
    let packages = Path::new(env!("CARGO_MANIFEST_DIR")).join(".cache/witness");
    assert!(packages.join("aics_tlog").is_dir(), "aics-tlog is missing: run `make witness`");
    let mut command = Command::new("python3");
    command.env("PYTHONPATH", packages);
    command
}

/// Runs `aics-tlog`; its exit code and what it said.
fn tlog(args: &[&str]) -> (i32, Value) {
    let out = python().args(["-m", "aics_tlog"]).args(args).output().unwrap();
    let told = String::from_utf8_lossy(&out.stderr);
    let said = serde_json::from_slice(&out.stdout).unwrap_or_else(|error| panic!("{args:?}: {error}: {told}"));
    (out.status.code().unwrap(), said)
}

/// Walks every tile and every entry of a folder; whether all are right, and what was said.
fn walk(log: &Path, vkey: &Path) -> (bool, String) {
    const WALK: &str = "
import sys
from aics_tlog import FileSystemTileReader, audit_tiles, parse_note, parse_vkey, verify_checkpoint
log, key = sys.argv[1:]
note = parse_note(open(log + '/checkpoint', 'rb').read())
head = verify_checkpoint(note, parse_vkey(open(key).read().strip()))
assert head.ok, head.error
print(head.size, audit_tiles(FileSystemTileReader(log), head.size, head.root))
";
    let out = python().args(["-c", WALK]).args([log, vkey]).output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    (out.status.success(), said)
}

/// One agency's reports through its outbox, all recorded when it returns.
fn publish(folder: &Folder, ledger: &Ledger, runtime: &Runtime, count: usize) {
    let pair = folder.key("keco");
    let link = runtime.block_on(stream::connect(&ledger.nats, &Login::agency("keco", &pair.seed()))).unwrap();
    let dir = folder.data().join("outbox").join(pair.public());
    let mut outbox = Outbox::open(&dir, pair, ORIGIN).unwrap();
    outbox.enqueue(&drafts("keco", count), Time::now()).unwrap();
    runtime.block_on(deliver(&mut outbox, &link, STREAM, Duration::from_secs(60), |_, _| {})).unwrap();
    assert_eq!(outbox.pending().count(), 0);
}

#[test]
fn strangers_verify_the_log_of_a_running_ledger() {
    let (folder, runtime) = (Folder::new(), Runtime::new().unwrap());
    let ledger = Ledger::up(&folder);
    for _ in 0..35 {
        publish(&folder, &ledger, &runtime, 2_000);
    }
    let size = ledger.proven();
    let log = folder.data().join("log");
    // As an auditor has it: not from where the log comes from.
    let vkey = folder.beside("vkey");
    std::fs::copy(log.join("vkey"), &vkey).unwrap();
    let (key, old) = (vkey.to_str().unwrap(), folder.beside("old"));
    let (old, url) = (old.to_str().unwrap(), format!("{}/log/", ledger.http));
    let (exit, said) = tlog(&["verify-checkpoint", "--vkey-file", key, "--tiles", &url, "--save-checkpoint", old]);
    assert_eq!((exit, &said["ok"], said["size"].as_u64()), (0, &true.into(), Some(size)), "{said}");

    publish(&folder, &ledger, &runtime, 40);
    let size = ledger.proven();
    let (exit, said) = tlog(&["verify-consistency", "--vkey-file", key, "--tiles", &url, "--old-checkpoint", old]);
    assert_eq!((exit, &said["ok"]), (0, &true.into()), "{said}");
    let reader = LogReader::open(&log).unwrap();
    let entry = folder.beside("entry");
    for index in [0, 1, 255, 256, size / 2, size - 1] {
        let (number, out) = (index.to_string(), entry.to_str().unwrap());
        let args = ["verify-inclusion", "--vkey-file", key, "--tiles", &url, "--index", &number, "--entry-out", out];
        let (exit, said) = tlog(&args);
        assert_eq!((exit, &said["ok"]), (0, &true.into()), "{said}");
        assert_eq!(std::fs::read(&entry).unwrap(), reader.read(index).unwrap(), "entry {index}");
    }
    let (right, said) = walk(&log, &vkey);
    assert!(right && said.starts_with(&format!("{size} ")), "{said}");
    let (right, said) = gocheck::check(&log);
    assert!(right && said.starts_with(&format!("ok {size} ")), "{said}");
    assert!(ledger.terminate().success());
    // Not of this log; and nothing goes on from another one.
    let note = std::fs::read_to_string(old).unwrap();
    let lines: Vec<&str> = note.split('\n').collect();
    let other = (lines[1].parse::<u64>().unwrap() + 1).to_string();
    let altered = [&[lines[0], other.as_str()], &lines[2..]].concat().join("\n");
    std::fs::write(folder.beside("bad"), altered).unwrap();
    let bad = folder.beside("bad");
    let (exit, said) = tlog(&["verify-checkpoint", "--vkey-file", key, "--note", bad.to_str().unwrap()]);
    assert_eq!((exit, &said["ok"]), (1, &false.into()), "{said}");
    for name in flippable(&log) {
        let copy = TempDir::new().unwrap();
        copy_folder(&log, copy.path());
        let path = copy.path().join(&name);
        let mut bytes = std::fs::read(&path).unwrap();
        let at = bytes.len() / 2;
        bytes[at] ^= 1;
        std::fs::write(&path, bytes).unwrap();
        assert!(!walk(copy.path(), &vkey).0 && !gocheck::check(copy.path()).0, "{}", name.display());
    }
}

/// A tile of each kind, and the checkpoint.
fn flippable(log: &Path) -> Vec<PathBuf> {
    let all = crate::e2e_rebuild::files(log);
    let name = |prefix: &str| {
        let found = all.iter().find(|path| path.strip_prefix(log).unwrap().starts_with(prefix));
        found.unwrap_or_else(|| panic!("no {prefix}")).strip_prefix(log).unwrap().to_owned()
    };
    ["checkpoint", "tile/0", "tile/1", "tile/entries"].map(name).to_vec()
}
