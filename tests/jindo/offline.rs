//! A thousand receipts with the network off, and every kind of one-byte change of what they say.

use std::path::Path;
use std::process::Command;

use jindo::log::folder::LogFolder;
use jindo::log::note::VerifierKey;
use jindo::log::receipt::Receipt;
use rayon::prelude::*;
use serde_json::json;
use tempfile::TempDir;

use crate::audit::publish;
use crate::gocheck::Alone;
use crate::ledger::{TestLedger, noon};

const RECEIPTS: u64 = 1_000;

/// A log with more reports than that, made by the projector's own core and beat.
fn log() -> TempDir {
    let mut ledger = TestLedger::new();
    let mut messages = Vec::new();
    for number in 0..RECEIPTS {
        let data = json!({"region": "11", "class": "fast", "count": 1 + number % 9});
        let event = ledger.event("keco", "charger.installed.v1", data, noon("2026-03-02"));
        messages.push(ledger.message("report", &[event]));
    }
    ledger.commit(&messages, 500).unwrap();
    ledger.close();
    publish(&ledger.log_folder(), &mut Alone::default(), ledger.recorded);
    ledger.into_folder()
}

/// A shell in a network namespace of its own, with no interface up; `None` where the system does not permit one.
fn without_network() -> Option<Command> {
    for options in ["-n", "-rn"] {
        let permitted = Command::new("unshare").args([options, "true"]).output().is_ok_and(|out| out.status.success());
        if permitted {
            let mut command = Command::new("unshare");
            command.args([options, "sh", "-c"]);
            return Some(command);
        }
    }
    None
}

/// The program itself, once per receipt: `unshare` takes the network away where that is permitted. Where it is not, the rooms
/// that verification is made of name nothing that could open a socket, and that is what is checked.
#[test]
fn a_thousand_receipts_verify_with_the_network_off() {
    let (folder, receipts) = (log(), TempDir::new().unwrap());
    let source = LogFolder::new(&folder.path().join("log"));
    let size = source.checkpoint().unwrap().unwrap().lines().nth(1).unwrap().parse::<u64>().unwrap();
    for index in size - RECEIPTS..size {
        let text = Receipt::make(&source, index).unwrap().text();
        std::fs::write(receipts.path().join(index.to_string()), text).unwrap();
    }
    let vkey = folder.path().join("log/vkey");
    assert_eq!(reaching_out(), Vec::<String>::new());
    // No route leads anywhere: not even to this machine itself.
    let script = "[ \"$3\" = free ] || [ \"$(wc -l </proc/self/net/route)\" -le 1 ] || exit 9; \
                  for file in \"$1\"/*; do \"$0\" verify \"$file\" --vkey \"$2\" --json || exit 1; done";
    let (mut command, free) = match without_network() {
        Some(command) => (command, "cut"),
        None => {
            eprintln!("no network namespace is permitted here: what opens no socket is shown by its sources alone");
            let mut command = Command::new("sh");
            command.arg("-c");
            (command, "free")
        }
    };
    command.arg(script).arg(env!("CARGO_BIN_EXE_jindo")).arg(receipts.path()).arg(&vkey).arg(free);
    let out = command.output().unwrap();
    let said = String::from_utf8(out.stdout).unwrap();
    assert!(out.status.success(), "{} {}: {said}", out.status, String::from_utf8_lossy(&out.stderr));
    let held = said.lines().filter(|line| line.trim().trim_end_matches(',') == "\"ok\": true").count();
    assert_eq!(held as u64, RECEIPTS);
}

/// Where the files that a verification runs through name a socket, a runtime or a client.
fn reaching_out() -> Vec<String> {
    let house = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut paths = vec![house.join("cli/verify.rs"), house.join("cli/out.rs")];
    for room in ["event", "sign", "log"] {
        paths.extend(crate::e2e_rebuild::files(&house.join(room)));
    }
    let words = ["std::net", "tokio", "ureq", "async_nats", "hyper", "rustix::net"];
    let named = |path: &Path| {
        let text = std::fs::read_to_string(path).unwrap();
        words.iter().filter(|word| text.contains(**word)).map(|word| format!("{}: {word}", path.display())).collect()
    };
    paths.iter().flat_map(|path| -> Vec<String> { named(path) }).collect()
}

/// Of each of a thousand receipts: a byte of every line that is checked, flipped in two ways. `receipt_tests` flips every byte
/// of some.
#[test]
fn a_changed_byte_in_any_checked_line_is_refused() {
    let folder = log();
    let source = LogFolder::new(&folder.path().join("log"));
    let vkey = VerifierKey::parse(&source.vkey().unwrap().unwrap()).unwrap();
    let size = source.checkpoint().unwrap().unwrap().lines().nth(1).unwrap().parse::<u64>().unwrap();
    let flipped: Vec<u64> = (size - RECEIPTS..size)
        .into_par_iter()
        .map(|index| {
            let text = Receipt::make(&source, index).unwrap().text();
            assert!(Receipt::parse(&text).unwrap().verify(Some(&vkey), None).is_ok());
            let (mut start, mut count) = (0, 0);
            for line in text.split_inclusive('\n') {
                // Another byte of the line for every receipt, the line's end among them.
                let at = start + (index as usize * 31) % line.len();
                start += line.len();
                for mask in [1_u8, 0x20] {
                    let mut bytes = text.as_bytes().to_vec();
                    bytes[at] ^= mask;
                    let Ok(changed) = String::from_utf8(bytes) else { continue };
                    let held = Receipt::parse(&changed).is_ok_and(|receipt| receipt.verify(Some(&vkey), None).is_ok());
                    assert!(!held, "byte {at} of the receipt of {index}: {changed}");
                    count += 1;
                }
            }
            count
        })
        .collect();
    let flipped: u64 = flipped.iter().sum();
    assert!(flipped > RECEIPTS * 25, "{flipped} changes");
}
