//! Read models are a cache of the log: made anew they are equal, damaged they heal.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::e2e_house::{Folder, Ledger, until, without_proof};
use crate::e2e_load::Intake;
use crate::e2e_wire::Noise;

const DAMAGES: usize = 12;

/// Every file below a folder, in order.
pub fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(files(&path)),
            false => found.push(path),
        }
    }
    found.sort();
    found
}

/// Flips bytes, zeroes a stretch, cuts the end or removes the file.
fn damage(path: &Path, noise: &mut Noise) -> &'static str {
    let mut bytes = std::fs::read(path).unwrap();
    if bytes.is_empty() {
        std::fs::write(path, noise.bytes(64)).unwrap();
        return "filled";
    }
    let (at, many) = (noise.below(bytes.len()), 1 + noise.below(4_096));
    let end = bytes.len().min(at + many);
    let how = match noise.below(8) {
        0..=2 => {
            bytes[at] ^= 1 << noise.below(8);
            "flipped one bit"
        }
        3 => {
            bytes[at..end].fill(0);
            "zeroed"
        }
        4 => {
            let count = end - at;
            bytes[at..end].copy_from_slice(&noise.bytes(count));
            "overwritten"
        }
        5 => {
            bytes.truncate(at);
            "cut"
        }
        6 => {
            bytes.extend(noise.bytes(many));
            "grown"
        }
        _ => {
            std::fs::remove_file(path).unwrap();
            return "removed";
        }
    };
    std::fs::write(path, bytes).unwrap();
    how
}

/// What readers can ask: now, as of earlier days, as known earlier, refused reports.
fn answers(ledger: &Ledger, size: u64) -> Vec<Value> {
    let mut told = Vec::new();
    for (day, known) in [("2026-12-31", size), ("2026-12-31", size / 2), ("2026-05-31", size), ("2026-05-31", size / 3)]
    {
        told.push(format!("/v1/indicators?as_of={day}&known_at={known}"));
    }
    told.push("/v1/refused?limit=1000".to_owned());
    // Damage in old rows is met by the first who reads them: unavailable, until the store is made anew.
    let answer = |path: &String| {
        until("healed", || {
            let (status, view) = ledger.get(path);
            assert!(matches!(status, 200 | 503), "{status}: {view}");
            (status == 200).then(|| without_proof(view))
        })
    };
    told.iter().map(answer).collect()
}

/// Beside the live store: every read is answered, reports go on being recorded, and the new store is the one that is there
/// after a restart.
#[test]
fn a_running_ledger_rebuilds_itself_without_a_gap_in_reads() {
    let intake = Intake::found();
    let mut crowd = intake.crowd(8);
    let ledger = intake.run();
    let founded = ledger.settled();
    let sent: usize = (0..4).map(|_| crowd.report(&intake, 50)).sum();
    let size = founded + u64::try_from(sent).unwrap();
    ledger.folds(size);
    // Refused reports are not asked as of a size: more of them come meanwhile.
    let figures = |ledger: &Ledger| answers(ledger, size)[..4].to_vec();
    let before = figures(&ledger);
    let inode = || std::fs::metadata(intake.folder.data().join("store")).unwrap().ino();
    let old = inode();
    let (mut last, mut reads) = (size, 0);
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| {
            let (exit, kept) = intake.folder.json(&["rebuild", "--keep"]);
            assert_eq!((exit, &kept["equal"], &kept["switched"]), (0, &json!(true), &json!(false)), "{kept}");
            assert_eq!(inode(), old);
            for _ in 0..3 {
                last += u64::try_from(crowd.report(&intake, 20)).unwrap();
                let replaced = inode();
                let (exit, told) = intake.folder.json(&["rebuild"]);
                assert_eq!((exit, &told["equal"], &told["switched"]), (0, &json!(true), &json!(true)), "{told}");
                // While both were there they had two numbers; later ones may have the first again.
                assert_ne!(inode(), replaced);
            }
        });
        while !asking.is_finished() {
            for path in ["/v1/indicators", "/v1/indicators/ev-chargers?as_of=2026-05-31", "/v1/refused?limit=1000"] {
                let (status, view) = ledger.get(path);
                assert_eq!(status, 200, "{path}: {view}");
                reads += 1;
            }
        }
    });
    assert!(reads > 20, "{reads} reads");
    ledger.folds(last);
    assert_eq!(figures(&ledger), before);
    assert!(ledger.terminate().success());
    let names = std::fs::read_dir(intake.folder.data()).unwrap().map(|item| item.unwrap().file_name());
    let left: Vec<_> = names.filter(|name| name.to_string_lossy().starts_with("store.")).collect();
    assert!(left.is_empty(), "{left:?}");
    let ledger = intake.run();
    assert_eq!(ledger.settled(), last);
    assert_eq!(figures(&ledger), before);
    assert!(ledger.terminate().success());
    let (exit, told) = intake.folder.json(&["rebuild", "--keep"]);
    assert_eq!((exit, &told["equal"]), (0, &json!(true)), "{told}");
}

#[test]
fn rebuilt_read_models_are_equal_and_damaged_ones_heal() {
    let intake = Intake::found();
    let mut crowd = intake.crowd(8);
    let ledger = intake.run();
    let founded = ledger.settled();
    let sent: usize = (0..10).map(|_| crowd.report(&intake, 50)).sum();
    let size = founded + u64::try_from(sent).unwrap();
    ledger.folds(size);
    let expected = answers(&ledger, size);
    assert!(ledger.terminate().success());
    let (exit, rebuilt) = intake.folder.json(&["rebuild"]);
    assert_eq!((exit, &rebuilt["equal"], &rebuilt["size"]), (0, &json!(true), &json!(size)), "{rebuilt}");

    let mut noise = Noise::new(u64::from(std::process::id()));
    let mut aside = 0;
    for round in 0..DAMAGES {
        let store = files(&intake.folder.data().join("store"));
        // Most slabs of the database are empty: every other time one that holds something.
        let held: Vec<_> = store.iter().filter(|path| round % 3 == 0 || path.metadata().unwrap().len() > 0).collect();
        let path = held[noise.below(held.len())];
        let how = damage(path, &mut noise);
        let name = path.strip_prefix(intake.folder.data()).unwrap().display().to_string();
        let ledger = intake.run();
        assert_eq!(ledger.settled(), size, "round {round}: {name} {how}");
        let told = answers(&ledger, size);
        for (told, expected) in told.iter().zip(&expected) {
            assert!(told == expected, "round {round}: {name} {how}: other answers\n{told}\n{expected}");
        }
        assert!(ledger.terminate().success(), "round {round}: {name} {how}");
        let (exit, checked) = intake.folder.json(&["rebuild", "--keep"]);
        assert_eq!((exit, &checked["digest"]), (0, &rebuilt["digest"]), "round {round}: {name} {how}: {checked}");
        let now = std::fs::read_dir(intake.folder.data()).unwrap().map(|entry| entry.unwrap().file_name());
        let now = now.filter(|name| name.to_string_lossy().starts_with("store.doubt")).count();
        eprintln!("round {round}: {name} {how}: {}", if now > aside { "rebuilt" } else { "harmless" });
        aside = now;
    }
    assert!(aside > 1, "no damage was ever noticed");
}

/// Found by a newcomer: a mistyped folder became an empty ledger.
#[test]
fn a_folder_without_a_log_is_not_made_one() {
    let folder = Folder::new();
    let output = folder.run(&["rebuild"]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(!folder.data().exists());
}
