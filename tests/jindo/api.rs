//! The API against its own document, from outside: schemathesis asks what it promises, and what it must refuse.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::e2e_house::{Folder, Guard, Ledger};

/// A run takes about a minute on an idle machine.
const RUN: Duration = Duration::from_secs(400);

#[test]
fn schemathesis_finds_no_difference_from_the_document() {
    let house = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let packages = house.join(".cache/schemathesis");
    assert!(packages.is_dir(), "schemathesis is missing: run `make schemathesis`");
    let folder = Folder::new();
    let ledger = Ledger::up(&folder);
    for count in ["count=3", "count=4"] {
        let (exit, told) =
            folder.json(&["report", "charger.installed", "--agency", "keco", "region=11", "class=fast", count]);
        assert_eq!(exit, 0, "{told}");
    }
    ledger.proven();
    let (config, out) = (house.join("tests/data/schemathesis.toml"), folder.beside("schemathesis.txt"));
    let file = std::fs::File::create(&out).unwrap();
    let mut command = Command::new("python3");
    command.env("PYTHONPATH", packages).env("PYTHONDONTWRITEBYTECODE", "1").current_dir(out.parent().unwrap());
    command.args(["-m", "schemathesis.cli", "--config-file"]).arg(config).args(["run"]);
    command.arg(format!("{}/openapi.json", ledger.http));
    command.args(["--phases", "examples,coverage,fuzzing", "--max-examples", "6", "--no-color"]);
    // One worker: in Python 3.11 two threads that parse source at once may trip over each other (CPython issue 106905).
    command.args(["--workers", "1"]);
    // An answer without an end: `e2e_follow` holds it to its word.
    command.args(["--exclude-path", "/v1/stream"]);
    command.args(["--continue-on-failure", "--request-timeout", "30", "--suppress-health-check", "all"]);
    let child = command.stdin(Stdio::null()).stdout(file.try_clone().unwrap()).stderr(file).spawn().unwrap();
    let (mut child, end) = (Guard(child), Instant::now() + RUN);
    let status = loop {
        if let Some(status) = child.0.try_wait().unwrap() {
            break status;
        }
        assert!(Instant::now() < end, "not done in {RUN:?}: {}", std::fs::read_to_string(&out).unwrap());
        std::thread::sleep(Duration::from_millis(100));
    };
    let said = std::fs::read_to_string(&out).unwrap();
    assert!(status.success(), "{said}");
    // Neither is the document itself asked for.
    let paths = jindo::serve::openapi::document()["paths"].as_object().unwrap().len() - 2;
    assert!(said.contains(&format!("Tested: {paths}")), "{said}");
}
