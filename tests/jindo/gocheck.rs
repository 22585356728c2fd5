//! The log held against tools nobody here wrote: Go's `sumdb/note` and `sumdb/tlog`, through `tests/go/checklog.go`.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use bytes::Bytes;
use jindo::event::Time;
use jindo::log::Arrival;
use jindo::log::checkpoint::Head;
use jindo::log::disk::Files;
use jindo::log::entry::Entry;
use jindo::log::folder::LogFolder;
use jindo::log::keyring::LogKeys;
use jindo::log::publish::{Fence, FenceFault, Held, Nobody, Publisher};
use jindo::log::tail::Tail;
use jindo::sign::KeyPair;
use tempfile::TempDir;

const ENTRIES: u64 = 70_000;

/// A fence that one process alone passes.
#[derive(Default)]
pub struct Alone(Option<Held>);

impl Fence for Alone {
    fn held(&mut self) -> Result<Option<Held>, FenceFault> {
        Ok(self.0)
    }

    fn swap(&mut self, from: Option<u64>, to: &Head) -> Result<(), FenceFault> {
        self.0 = Some(Held { head: *to, revision: from.unwrap_or(0) + 1 });
        Ok(())
    }
}

pub fn entry(index: u64) -> (Vec<u8>, Time) {
    let recorded = Time::from_ns(1_767_225_600_000_000_000 + index as i64 * 1_000);
    let arrival = Arrival {
        stream: "LEDGER_1".into(),
        sequence: index + 1,
        recorded,
        subject: Bytes::from_static(b"ledger.report.keco.charger.installed.v1"),
        headers: Vec::new(),
        body: Bytes::from(format!("{{\"count\":{index:0300}}}")),
    };
    (Entry::of_arrival(index, &arrival).encode(), recorded)
}

/// A log with so many entries, made by the tail and the beat alone.
fn log(size: u64) -> TempDir {
    let dir = TempDir::new().unwrap();
    let (mut tail, _) = Tail::open(dir.path()).unwrap();
    let key = Arc::new(KeyPair::generate().unwrap());
    let folder = LogFolder::new(dir.path());
    let mut publisher = Publisher::open(
        folder,
        Box::new(Files),
        LogKeys::of_pair("jindo.test/go", &key).unwrap(),
        vec![key],
        &tail.reader(),
    )
    .unwrap();
    let mut fence = Alone::default();
    while tail.size() < size {
        let next = (tail.size() + 9_999).min(size);
        let (entries, times): (Vec<_>, Vec<_>) = (tail.size()..next).map(entry).unzip();
        tail.append(&entries, &times).unwrap();
        publisher.beat(&tail.reader(), u64::MAX, &mut fence, &mut Nobody, Time::now()).unwrap();
        tail.trim(publisher.published().size).unwrap();
    }
    while publisher.beat(&tail.reader(), u64::MAX, &mut fence, &mut Nobody, Time::now()).unwrap().is_some() {}
    assert_eq!(publisher.published().size, size);
    let left = std::fs::metadata(dir.path().join("tail")).unwrap().len();
    assert!(left < size * 300, "the tail was never cut: {left} bytes");
    dir
}

/// Runs the program on a folder; whether it found everything right, and what it said.
pub fn check(folder: &Path) -> (bool, String) {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/go/checklog.go");
    let out = Command::new("go")
        .args(["run", program.to_str().unwrap(), folder.to_str().unwrap()])
        .env("GO111MODULE", "off")
        .env("GOPATH", "/usr/share/gocode")
        .env("GOFLAGS", "")
        .env("GOCACHE", Path::new(env!("CARGO_TARGET_TMPDIR")).join("go"))
        .output()
        .expect("go is not installed: run `make go`");
    let said = format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    (out.status.success(), said)
}

#[test]
fn go_verifies_signature_root_and_every_entry_of_seventy_thousand() {
    let folder = log(ENTRIES);
    let (right, said) = check(folder.path());
    assert!(right && said.starts_with(&format!("ok {ENTRIES} ")), "{said}");
    // It is the tool that finds, not the tool that nods.
    for name in ["tile/0/001", "tile/entries/007", "tile/1/000", "checkpoint"] {
        let path = folder.path().join(name);
        let sound = std::fs::read(&path).unwrap();
        let mut bytes = sound.clone();
        bytes[40] ^= 1;
        std::fs::write(&path, &bytes).unwrap();
        let (right, said) = check(folder.path());
        assert!(!right, "{name}: {said}");
        std::fs::write(&path, sound).unwrap();
    }
    assert!(check(folder.path()).0);
}
