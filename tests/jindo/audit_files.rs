//! `jindo audit` on a folder from somebody else whose files are no files: each becomes a named pipe, then a device without an
//! end. The audit must end, and say that something is wrong.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

use jindo::audit::{Options, run};
use jindo::event::Day;
use jindo::limits::RECEIPT_BYTES_MAX;
use jindo::log::tail::FILE_LOCK;
use rustix::fs::{CWD, FileType, Mode, mknodat};

use crate::audit::{honest, options};
use crate::e2e_rebuild::files;
use crate::ledger::copy_folder;

/// An audit takes well under a second; one that waits for a pipe never ends.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the audit says; `None` where it says nothing is wrong.
fn told(options: Options) -> Option<String> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let _ = sender.send(run(&options, &mut |_, _| {}));
    });
    match receiver.recv_timeout(PATIENCE).expect("the audit ends") {
        Ok(report) if report.holds() => None,
        Ok(report) => Some(report.findings.iter().map(|finding| format!("{finding:?}")).collect()),
        Err(fault) => Some(fault.to_string()),
    }
}

fn pipe(path: &Path) {
    mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
}

fn endless(path: &Path) {
    symlink("/dev/zero", path).unwrap();
}

#[test]
fn pipes_and_devices_in_the_place_of_files_are_told() {
    let honest = honest();
    let log = honest.dir.path().join("log");
    let mut names: Vec<String> =
        files(&log).iter().map(|path| path.strip_prefix(&log).unwrap().display().to_string()).collect();
    assert!(names.len() > 6, "{names:?}");
    // Places where a log may have files, and this one has none.
    names
        .extend([format!("conflicts/7-{}", "0a".repeat(32)), format!("history/{}", Day::parse("2026-01-01").unwrap())]);
    names.extend(["tile/0/000.p/3".to_owned(), "tile/entries/000.p/3".to_owned()]);
    for make in [pipe, endless] {
        // Nobody reads the lock.
        for name in names.iter().filter(|name| *name != FILE_LOCK) {
            let copy = tempfile::tempdir().unwrap();
            copy_folder(&log, copy.path());
            let path = copy.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            let _ = std::fs::remove_file(&path);
            make(&path);
            assert!(told(options(copy.path().to_owned(), honest.genesis)).is_some(), "{name}");
        }
    }
}

#[test]
fn pipes_and_devices_among_receipts_are_told_and_among_evidence_passed_over() {
    let honest = honest();
    let log = honest.dir.path().join("log");
    let other = tempfile::tempdir().unwrap();
    let given = |name: &str| -> PathBuf { other.path().join(name) };
    pipe(&given("pipe.tlog-proof"));
    endless(&given("endless.tlog-proof"));
    std::fs::write(given("long.tlog-proof"), vec![b'a'; RECEIPT_BYTES_MAX + 1]).unwrap();
    for name in ["pipe.tlog-proof", "endless.tlog-proof", "long.tlog-proof"] {
        let audited = Options { receipts: vec![given(name)], ..options(log.clone(), honest.genesis) };
        assert!(told(audited).is_some_and(|said| said.contains("receipt-invalid")), "{name}");
    }
    let audited = Options { evidence: Some(other.path().to_owned()), ..options(log, honest.genesis) };
    assert_eq!(told(audited), None);
}
