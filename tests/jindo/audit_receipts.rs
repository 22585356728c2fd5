//! Above what any report claims to have seen: an operator with all the log's keys, against receipts that agencies hold and
//! against an older checkpoint. Without either, the verdict says up to where it can vouch.

use std::path::{Path, PathBuf};

use jindo::audit::report::Report;
use jindo::log::Arrival;
use jindo::log::entry::{Entry, Ruling, Verdict};
use jindo::log::folder::LogFolder;
use jindo::log::receipt::Receipt;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::audit::{Attack, Honest, audit, codes, entries, forge, honest_with, options};
use crate::e2e_house::jindo;
use crate::ledger::{Signer, TestLedger, noon};

/// An honest log in which a key of `spare` was revoked above what was seen, and receipts of everything above it.
struct Scene {
    honest: Honest,
    outbox: TempDir,
}

impl Scene {
    fn new() -> Scene {
        let honest = honest_with(|ledger| {
            let key = ledger.signers["spare"].public();
            let data = json!({"agency": "spare", "key": key, "reason": "lost"});
            assert_eq!(ledger.govern("key.revoked.v1", data).verdict, Verdict::Accepted);
        });
        let (outbox, folder) = (TempDir::new().unwrap(), LogFolder::new(&honest.dir.path().join("log")));
        std::fs::create_dir(outbox.path().join("receipts")).unwrap();
        for index in honest.seen..honest.size {
            let text = Receipt::make(&folder, index).unwrap().text();
            std::fs::write(outbox.path().join(format!("receipts/{index}.tlog-proof")), text).unwrap();
        }
        // What an outbox keeps beside them is passed over.
        std::fs::write(outbox.path().join("receipts/owed"), "7 00\n").unwrap();
        Scene { honest, outbox }
    }

    fn log(&self) -> PathBuf {
        self.honest.dir.path().join("log")
    }

    fn receipt(&self, index: u64) -> PathBuf {
        self.outbox.path().join(format!("receipts/{index}.tlog-proof"))
    }

    /// Audits a folder with these receipts.
    fn audit(&self, log: &Path, receipts: &[PathBuf]) -> Report {
        let mut options = options(log.to_owned(), self.honest.genesis);
        options.receipts = receipts.to_vec();
        audit(&options)
    }

    /// The keys as they stand at the end of the log: whoever holds them may sign on.
    fn pen(&self) -> TestLedger {
        let mut pen = TestLedger::new();
        pen.signers = self.honest.signers.clone();
        // Ids of its own.
        for _ in 0..1_000 {
            pen.id();
        }
        pen
    }
}

fn accepted(arrival: &Arrival, like: &Entry) -> Entry {
    let ruling = Some(Ruling::new(Verdict::Accepted, Vec::new(), None));
    Entry { ruling, recorded: like.recorded, ..Entry::of_arrival(0, arrival) }
}

fn charger(pen: &mut TestLedger, agency: &str) -> Arrival {
    let data = json!({"region": "11", "class": "fast", "count": 9_000});
    let event = pen.event(agency, "charger.installed.v1", data, noon("2026-03-04"));
    pen.message("report", &[event])
}

/// Every way the operator may forge what lies above. None of it touches what was seen.
fn attacks(scene: &Scene) -> Vec<Attack<'_>> {
    let seen = scene.honest.seen as usize;
    let revoked =
        |all: &[Entry]| all.iter().position(|entry| entry.subject.text() == Some("ledger.govern.motie.key.revoked.v1"));
    // Between reports of `keco`, with reports behind it.
    let at = seen + 9;
    vec![
        ("drops a report", Box::new(move |all| drop(all.remove(at))), ""),
        ("drops the newest", Box::new(|all| drop(all.pop())), ""),
        ("drops a revocation", Box::new(move |all| drop(all.remove(revoked(all).unwrap()))), ""),
        ("swaps two", Box::new(move |all| all.swap(at, at + 1)), ""),
        ("back-dates", Box::new(move |all| all[at].recorded = all[at].recorded.plus_ns(-500_000_000)), ""),
        (
            "forges a verdict",
            Box::new(move |all| {
                let refused = Verdict::Refused("data-invalid".to_owned());
                all[at].ruling = Some(Ruling::new(refused, Vec::new(), None));
            }),
            "verdict-differs",
        ),
        (
            "inserts a report of an agency whose key it took",
            Box::new(move |all| {
                let mut pen = scene.pen();
                let entry = accepted(&charger(&mut pen, "kiat"), &all[at]);
                all.insert(at, entry);
            }),
            "",
        ),
        (
            "replays a report so that it counts twice",
            Box::new(move |all| all.insert(at, all[at - 1].clone())),
            "verdict-differs",
        ),
        (
            "replays a report as a duplicate",
            Box::new(move |all| {
                let copy =
                    Entry { ruling: Some(Ruling::new(Verdict::Duplicate, Vec::new(), None)), ..all[at - 1].clone() };
                all.insert(at, copy);
            }),
            "",
        ),
        (
            "counts a report of a revoked key",
            Box::new(move |all| {
                let mut pen = scene.pen();
                let place = revoked(all).unwrap() + 1;
                let entry = accepted(&charger(&mut pen, "spare"), &all[place]);
                all.insert(place, entry);
            }),
            "verdict-differs",
        ),
        (
            "counts a report signed for another ledger",
            Box::new(move |all| {
                let mut pen = scene.pen();
                let arrival = charger(&mut pen, "keco");
                let mut signer = scene.honest.signers["keco"].clone();
                let (subject, body) = ("ledger.report.keco.charger.installed.v1", &arrival.body);
                let mut claims = signer.claims(subject, "application/cloudevents+json", body, all[at].recorded);
                claims.aud = "another.example/ledger".to_owned();
                let mut entry = accepted(&arrival, &all[at]);
                entry.signature = Some(jindo::log::entry::Kept::Text(signer.sign(&claims)));
                all.insert(at, entry);
            }),
            "verdict-differs",
        ),
        ("re-signs the newest report with a key it adds itself", Box::new(move |all| re_sign(scene, all)), ""),
    ]
}

/// With the authority's key a new one is registered for `keco`, and its newest report said anew under it: by the rules
/// everything is right.
fn re_sign(scene: &Scene, all: &mut Vec<Entry>) {
    let mut pen = scene.pen();
    let own = Signer::named("the operator's own");
    let like = all.pop().unwrap();
    let time = pen.recorded;
    let event = pen.event("motie", "key.added.v1", json!({"agency": "keco", "key": own.public()}), time);
    all.push(accepted(&pen.message("govern", &[event]), &like));
    pen.signers.insert("keco".to_owned(), own);
    all.push(accepted(&charger(&mut pen, "keco"), &like));
}

#[test]
fn above_what_was_seen_a_receipt_or_an_older_checkpoint_finds_every_forgery() {
    let scene = Scene::new();
    let honest = &scene.honest;
    let mut found_alone = 0;
    for (what, attack, code) in attacks(&scene) {
        let mut all = entries(&scene.log());
        attack(&mut all);
        let forged = forge(all);
        // Alone: only what breaks a rule, and nothing above what was seen is vouched for.
        let alone = scene.audit(forged.path(), &[]);
        assert_eq!(alone.held_outside, honest.seen, "{what}");
        assert_eq!(codes(&alone), Vec::from_iter((!code.is_empty()).then_some(code)), "{what}: {:?}", alone.findings);
        found_alone += u64::from(!alone.holds());
        // One receipt of the newest entry is enough.
        let report = scene.audit(forged.path(), &[scene.receipt(honest.size - 1)]);
        let told = report.findings.iter().find(|finding| finding.code.starts_with("receipt-"));
        let told = told.unwrap_or_else(|| panic!("{what}: {:?}", report.findings));
        assert!(["receipt-differs", "receipt-missing"].contains(&told.code), "{what}: {told:?}");
        assert!(told.agency.as_deref() == Some("keco") && told.found.is_some() && told.expected.is_some(), "{told:?}");
        // With all of them the first entry that differs is named with both versions.
        let report = scene.audit(forged.path(), &[scene.outbox.path().to_owned()]);
        let (was, is) = (entries(&scene.log()), entries(forged.path()));
        let first = was.iter().zip(&is).position(|(was, is)| was != is).unwrap_or(is.len().min(was.len())) as u64;
        let told =
            report.findings.iter().find(|finding| finding.code.starts_with("receipt-") && finding.index.is_some());
        assert_eq!(told.map(|told| told.index), Some(Some(first)), "{what}: {:?}", report.findings);
        let mut since = options(forged.path().to_owned(), honest.genesis);
        since.since = vec![("kept".to_owned(), honest.kept.clone())];
        let report = audit(&since);
        assert!(codes(&report).iter().any(|code| ["since-differs", "log-cut"].contains(code)), "{what}");
    }
    assert_eq!(found_alone, 4);
}

#[test]
fn an_honest_log_holds_against_its_receipts() {
    let scene = Scene::new();
    let size = scene.honest.size;
    let report = scene.audit(&scene.log(), &[scene.outbox.path().to_owned(), scene.receipt(size - 1)]);
    assert_eq!(report.findings, []);
    assert_eq!((report.receipts, report.held_receipts), (size - scene.honest.seen, Some(size)));
    assert_eq!(report.held_outside, size);
    let alone = scene.audit(&scene.log(), &[]);
    assert_eq!((alone.receipts, alone.held_receipts, alone.held_outside), (0, None, scene.honest.seen));
    // A copy of the folder taken while tiles were ahead of the checkpoint is whole all the same.
    let folder = LogFolder::new(&scene.log());
    let notes: Vec<String> =
        folder.history_days().unwrap().into_iter().flat_map(|day| folder.history(day).unwrap().0).collect();
    std::fs::write(scene.log().join("checkpoint"), &notes[notes.len() - 2]).unwrap();
    let report = scene.audit(&scene.log(), &[scene.outbox.path().to_owned()]);
    assert_eq!((report.findings.as_slice(), report.size), ([].as_slice(), scene.honest.seen));
}

#[test]
fn a_receipt_that_does_not_hold_says_nothing_about_the_log() {
    let scene = Scene::new();
    let good = std::fs::read_to_string(scene.receipt(scene.honest.size - 1)).unwrap();
    let bad = [
        String::new(),
        "x".repeat(600_000),
        good.replacen(&format!("\nindex {}\n", scene.honest.size - 1), "\nindex 7\n", 1),
        good.replacen("jindo.test", "jindo.else", 1),
        good[..good.len() - 9].to_owned(),
    ];
    for (number, text) in bad.iter().enumerate() {
        let path = scene.outbox.path().join(format!("{number}.any"));
        std::fs::write(&path, text).unwrap();
        let report = scene.audit(&scene.log(), std::slice::from_ref(&path));
        assert_eq!(codes(&report), ["receipt-invalid"], "{number}: {:?}", report.findings);
        assert_eq!(report.findings[0].file.as_deref(), path.to_str());
        assert_eq!((report.receipts, report.held_receipts), (0, None));
    }
    let mut options = options(scene.log(), scene.honest.genesis);
    options.receipts = vec![scene.outbox.path().join("nowhere")];
    let fault = jindo::audit::run(&options, &mut |_, _| {}).unwrap_err();
    assert!(fault.to_string().contains("nowhere"), "{fault}");
}

fn shown(scene: &Scene, log: &Path, more: &[&str]) -> (i32, String) {
    let genesis = jindo::sign::hex::encode(&scene.honest.genesis);
    let mut command = jindo();
    command.args(["audit", "--genesis", &genesis, "--log"]).arg(log).args(more);
    let out = command.output().unwrap();
    let text = String::from_utf8(out.stdout).unwrap();
    (out.status.code().unwrap(), text.split_whitespace().collect::<Vec<_>>().join(" "))
}

#[test]
fn the_page_says_what_lies_above_everything_held_outside() {
    let scene = Scene::new();
    let (seen, size) = (scene.honest.seen, scene.honest.size);
    let receipts = scene.outbox.path().to_str().unwrap().to_owned();
    let (exit, page) = shown(&scene, &scene.log(), &["--lang", "en"]);
    let above = size - seen;
    assert!(
        exit == 0 && page.contains(&format!("The {above} entries from {seen} on rest on the operator's word")),
        "{page}"
    );
    assert!(page.contains("what lies above it needs an agency's receipt or an older checkpoint"), "{page}");
    let (exit, page) = shown(&scene, &scene.log(), &["--lang", "en", "--receipts", &receipts]);
    assert!(exit == 0 && page.contains(&format!("{above} receipts were given")), "{page}");
    assert!(page.contains(&format!("All {size} published entries are held from outside")), "{page}");
    let (exit, page) = shown(&scene, &scene.log(), &["--lang", "ko"]);
    assert!(exit == 0 && page.contains(&format!("{seen}번부터의 기록 {above}건은 운영자의 말뿐입니다")), "{page}");
    let (exit, page) = shown(&scene, &scene.log(), &["--lang", "ko", "--receipts", &receipts]);
    assert!(exit == 0 && page.contains(&format!("받은 접수증 {above}건")), "{page}");
    let mut all = entries(&scene.log());
    all.swap(seen as usize + 9, seen as usize + 10);
    let forged = forge(all);
    let (exit, page) = shown(&scene, forged.path(), &["--lang", "en", "--receipts", &receipts]);
    assert!(exit == 1 && page.contains("the entry is not the one the log gave a receipt for"), "{page}");
    let (exit, text) = shown(&scene, forged.path(), &["--json", "--receipts", &receipts]);
    let told: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((exit, &told["held_outside"], &told["receipts"]), (1, &json!(seen), &json!(above)));
    assert!(told["found"]["receipt-differs"].as_u64().unwrap() > 2, "{told}");
    // All names where they are asked for.
    let (_, text) = shown(&scene, forged.path(), &["--json", "--findings", "1", "--receipts", &receipts]);
    let one: Value = serde_json::from_str(&text).unwrap();
    let kept = one["findings"].as_array().unwrap().iter().filter(|finding| finding["code"] == "receipt-differs");
    assert_eq!((kept.count(), &one["found"]), (1, &told["found"]));
}
