//! Texts that leave the log by law: who may say so, what stays provable, what an audit finds where somebody cheats, and what a
//! kill leaves.

use std::io;
use std::path::{Path, PathBuf};

use jindo::catalogue::registry::Registry;
use jindo::log::disk::{Disk, Files};
use jindo::log::entry::{Body, Entry, Ruling, Verdict};
use jindo::log::folder::LogFolder;
use jindo::log::note::VerifierKey;
use jindo::log::receipt::{Receipt, ReceiptFault};
use jindo::log::tail::LogReader;
use jindo::log::withhold::{agency, rewrite, stands, withheld};
use jindo::projector::core::Core;
use jindo::projector::withhold::{Ask, Outcome, WithholdError, withhold};
use jindo::sign::hex;
use serde_json::{Value, json};

use crate::audit::{audit, codes, entries, options, publish};
use crate::e2e_rebuild::files;
use crate::gocheck::Alone;
use crate::ledger::{AUTHORITY, TestLedger, noon, word};

/// What must go.
const SECRET: &str = "홍길동 010-1234-5678, Gildong Hong";

fn charger(number: u64) -> Value {
    json!({"region": "11", "class": "fast", "count": number})
}

/// What authority and agency say of an entry.
fn statement(entry: &Entry, mask: &str) -> Value {
    let mask = vec![mask.to_owned()];
    let left = withheld(entry, &mask).unwrap();
    json!({
        "index": entry.index, "agency": agency(entry).unwrap(), "sha256": hex::encode(&entry.body.sha256()),
        "mask": mask, "stands": hex::encode(&stands(&left)), "reason": "개인정보 보호법 제21조",
    })
}

/// A ledger with one entry that must lose a text.
struct Case {
    ledger: TestLedger,
    index: u64,
    whole: Entry,
    genesis: [u8; 32],
}

impl Case {
    /// The report, then as many others as it takes to fill its bundle.
    fn new(secret: impl FnOnce(&mut TestLedger)) -> Self {
        let mut ledger = TestLedger::new();
        ledger.accept("keco", "charger.installed.v1", charger(1), noon("2026-03-02"));
        let index = ledger.core().size();
        secret(&mut ledger);
        let left = 256 - ledger.core().size() % 256 + 3;
        let time = noon("2026-03-02");
        let events: Vec<_> =
            (0..left).map(|number| ledger.event("keco", "charger.installed.v1", charger(number + 1), time)).collect();
        let messages: Vec<_> =
            events.into_iter().map(|event| ledger.message("report", std::slice::from_ref(&event))).collect();
        let rulings = ledger.commit(&messages, 64).unwrap();
        assert!(rulings.iter().all(|ruling| word(ruling) == "accepted"));
        let log = ledger.core().log();
        let whole = Entry::parse(&log.read(index).unwrap()).unwrap();
        let genesis = hex::sha256(&log.read(0).unwrap());
        Case { ledger, index, whole, genesis }
    }

    /// With a remark in a report of chargers.
    fn remark() -> Self {
        Case::new(|ledger| {
            let mut data = charger(7);
            data["remark"] = SECRET.into();
            ledger.accept("keco", "charger.installed.v1", data, noon("2026-03-02"));
        })
    }

    fn log(&self) -> PathBuf {
        self.ledger.log_folder()
    }

    fn say(&mut self, by: &str, data: Value) -> Ruling {
        let time = self.ledger.recorded;
        let event = self.ledger.event(by, "body.withheld.v1", data, time);
        let message = self.ledger.message("govern", &[event]);
        self.ledger.send(&message)
    }

    /// Both say it.
    fn agree(&mut self, mask: &str) {
        for by in ["keco", AUTHORITY] {
            let said = statement(&self.whole, mask);
            assert_eq!(word(&self.say(by, said)), "accepted", "{by}");
        }
    }

    /// Stops, with everything in a checkpoint.
    fn stop(&mut self) {
        self.ledger.close();
        publish(&self.log(), &mut Alone::default(), self.ledger.recorded);
    }

    fn ask(&self, disk: &mut dyn Disk) -> Result<Outcome, WithholdError> {
        let (log, store) = (self.log(), self.ledger.store_folder());
        withhold(Ask { log: &log, store: &store, index: self.index, dry_run: false }, disk, &mut |_, _| {})
    }

    fn withhold(&self) -> Outcome {
        self.ask(&mut Files).unwrap()
    }

    fn audit(&self) -> jindo::audit::report::Report {
        audit(&options(self.log(), self.genesis))
    }

    /// The entry as it stands.
    fn now(&self) -> Entry {
        Entry::parse(&LogReader::open(&self.log()).unwrap().read(self.index).unwrap()).unwrap()
    }

    /// Files below log and store that hold a text.
    fn holding(&self, text: &str) -> Vec<PathBuf> {
        let holds = |path: &PathBuf| {
            let bytes = std::fs::read(path).unwrap();
            bytes.windows(text.len()).any(|window| window == text.as_bytes())
        };
        files(self.ledger.dir.path()).into_iter().filter(holds).collect()
    }
}

/// Digest of a log folded into a new store.
fn rebuilt(log: &Path) -> [u8; 32] {
    let store = tempfile::tempdir().unwrap();
    let core = Core::open(log, store.path(), &mut |_, _| {}).unwrap();
    let digest = core.digest();
    core.close().unwrap();
    digest
}

#[test]
fn who_may_say_it() {
    let mut ledger = TestLedger::new();
    let index = ledger.core().size();
    ledger.accept("keco", "charger.installed.v1", charger(1), noon("2026-03-02"));
    let hash = |digit: &str| digit.repeat(64);
    let said = |index: u64, agency: &str, stands: &str| json!({"index": index, "agency": agency, "sha256": hash("a"), "mask": ["/data/remark"], "stands": stands, "reason": "x"});
    let say = |ledger: &mut TestLedger, by: &str, data: Value| {
        let time = ledger.recorded;
        let event = ledger.event(by, "body.withheld.v1", data, time);
        let message = ledger.message("govern", &[event]);
        word(&ledger.send(&message))
    };
    let here = |ledger: &TestLedger| -> Option<String> {
        let registry: std::sync::Arc<Registry> = ledger.core().registry();
        registry.withholding(index).first().map(|agreed| agreed.body.stands.clone())
    };
    for (by, data, expected) in [
        ("kita", said(index, "keco", &hash("b")), "not-authorised"),
        ("public-desk", said(index, "keco", &hash("b")), "not-authorised"),
        ("keco", said(1_000_000, "keco", &hash("b")), "governance-invalid"),
        (AUTHORITY, said(index, "nobody", &hash("b")), "agency-unknown"),
        ("keco", json!({"index": index, "sha256": hash("a"), "reason": "x"}), "data-invalid"),
        ("keco", said(index, "keco", "short"), "data-invalid"),
        ("keco", said(index, "keco", &hash("b")), "accepted"),
    ] {
        assert_eq!(say(&mut ledger, by, data.clone()), expected, "{by}: {data}");
    }
    assert_eq!(here(&ledger), None, "the agency alone");
    assert_eq!(say(&mut ledger, AUTHORITY, said(index, "keco", &hash("c"))), "accepted");
    assert_eq!(here(&ledger), None, "they say different things");
    // Another agency may speak of an entry as its own, and agree with itself: it has no force where the entry is not its own.
    assert_eq!(say(&mut ledger, "kita", said(index, "kita", &hash("c"))), "accepted");
    assert_eq!(here(&ledger), None, "the authority did not say it of that agency");
    assert_eq!(say(&mut ledger, AUTHORITY, said(index, "keco", &hash("b"))), "accepted");
    assert_eq!(here(&ledger), Some(hash("b")));
    // What was agreed cannot be unsaid: an agency could make every later audit of an honest log fail.
    assert_eq!(say(&mut ledger, "keco", said(index, "keco", &hash("d"))), "accepted");
    assert_eq!(here(&ledger), Some(hash("b")));
    for _ in 0..6 {
        assert_eq!(say(&mut ledger, "keco", said(index, "keco", &hash("e"))), "accepted");
    }
    assert_eq!(say(&mut ledger, "keco", said(index, "keco", &hash("e"))), "governance-invalid", "eight are enough");
    // An authority's own word is not two: what it reported itself takes another authority.
    assert_eq!(say(&mut ledger, AUTHORITY, said(0, AUTHORITY, &hash("b"))), "accepted");
    assert!(ledger.core().registry().withholding(0).is_empty());
    let expected = ledger.core().digest();
    ledger.reopen();
    assert_eq!((here(&ledger), ledger.core().digest()), (Some(hash("b")), expected), "it comes back from the store");
    ledger.close();
}

#[test]
fn what_is_left_still_proves_itself() {
    let mut case = Case::remark();
    let before = case.ledger.core().digest();
    case.agree("/data/remark");
    let digest = case.ledger.core().digest();
    assert_ne!(before, digest);
    case.stop();
    let folder = LogFolder::new(&case.log());
    let old: Vec<Receipt> = (case.index - 1..=case.index + 1).map(|at| Receipt::make(&folder, at).unwrap()).collect();
    let whole = case.audit();
    assert_eq!((codes(&whole), &whole.withheld_agreed), (Vec::new(), &vec![case.index]));
    assert!(!case.holding(SECRET).is_empty());

    let told = case.withhold();
    assert_eq!((told.done, told.already, &told.digest), (true, false, &hex::encode(&digest)));
    assert_eq!(case.holding(SECRET), Vec::<PathBuf>::new());
    let now = case.now();
    assert_eq!(now, withheld(&case.whole, &["/data/remark".to_owned()]).unwrap());
    let report = case.audit();
    assert_eq!(report.findings, []);
    assert_eq!((&report.withheld, &report.withheld_agreed), (&vec![case.index], &Vec::new()));
    assert_eq!((&report.root, report.signatures, report.events), (&whole.root, whole.signatures, whole.events));
    // Receipts: new ones of neighbours, none of the entry, and the old one holds.
    let key = VerifierKey::parse(&folder.vkey().unwrap().unwrap()).unwrap();
    for (receipt, at) in old.iter().zip(case.index - 1..) {
        receipt.verify(Some(&key), None).unwrap();
        match Receipt::make(&folder, at) {
            Ok(made) => assert_eq!((&made, at == case.index), (receipt, false)),
            Err(fault) => assert!(matches!(fault, ReceiptFault::Withheld(index) if index == case.index && at == index)),
        }
    }
    // The ledger goes on over the same figures; what was said before is known again.
    assert_eq!(rebuilt(&case.log()), digest);
    case.ledger.open();
    assert_eq!(case.ledger.core().digest(), digest);
    let body = case.whole.body.bytes().unwrap().clone();
    let (subject, kind) = ("ledger.report.keco.charger.installed.v1", "application/cloudevents+json");
    let again = case.ledger.signed("keco", subject, kind, &body);
    assert_eq!(word(&case.ledger.send(&again)), "duplicate");
    let other = case.ledger.signed("keco", subject, kind, now.body.bytes().unwrap());
    assert_eq!(word(&case.ledger.send(&other)), "id-conflict", "what is left is not what was said");
    for number in 1..300 {
        case.ledger.accept("keco", "charger.installed.v1", charger(number), noon("2026-04-02"));
    }
    case.stop();
    let kept = tempfile::tempdir().unwrap();
    for receipt in &old {
        std::fs::write(kept.path().join(format!("{}.tlog-proof", receipt.index)), receipt.text()).unwrap();
    }
    let mut options = options(case.log(), case.genesis);
    options.receipts = vec![kept.path().to_owned()];
    let report = audit(&options);
    assert_eq!((report.findings, report.receipts, report.withheld), (Vec::new(), 3, vec![case.index]));
    let again = case.withhold();
    assert_eq!((again.already, again.done), (true, true));
    assert_eq!(case.now(), now);
}

/// Duplicates and refused reports: nothing folds from them, and their verdicts stay.
#[test]
fn a_refused_body_goes_as_a_whole() {
    let subject = "ledger.report.keco.charger.installed.v1";
    let bodies = [
        format!("no json, but {SECRET}"),
        // Refused for a reason that quotes the text.
        json!({"specversion": "1.0", "id": "0198c0de-0000-7000-8000-00000000abcd", "source": "/agencies/keco",
            "type": "charger.installed.v1", "time": "2026-03-02T00:00:00Z",
            "data": {"region": SECRET, "class": "fast", "count": 1}})
        .to_string(),
    ];
    for (body, pointer) in bodies.iter().zip(["", "/data/region"]) {
        let mut case = Case::new(|ledger| {
            let message = ledger.signed("keco", subject, "application/cloudevents+json", body.as_bytes());
            ledger.send(&message);
        });
        assert!(matches!(case.whole.ruling.as_ref().unwrap().verdict, Verdict::Refused(_)));
        case.agree(pointer);
        let digest = case.ledger.core().digest();
        case.stop();
        case.withhold();
        assert_eq!(case.holding(SECRET), Vec::<PathBuf>::new());
        assert_eq!(rebuilt(&case.log()), digest);
        let report = case.audit();
        assert_eq!((report.findings, report.withheld), (Vec::new(), vec![case.index]), "{pointer}");
    }
}

#[test]
fn what_is_not_agreed_or_counts_stays() {
    let mut case = Case::remark();
    let tree = |case: &Case| files(&case.log()).iter().map(|path| std::fs::read(path).unwrap()).collect::<Vec<_>>();
    case.stop();
    let refused = |case: &Case| {
        let before = tree(case);
        let error = case.ask(&mut Files).unwrap_err();
        assert_eq!(tree(case), before, "{error}");
        assert_eq!(
            files(case.ledger.dir.path()).iter().filter(|path| path.to_string_lossy().contains("withhold")).count(),
            0
        );
        error
    };
    assert!(matches!(refused(&case), WithholdError::NotAgreed(..)));
    case.ledger.open();
    let said = statement(&case.whole, "/data/remark");
    case.say(AUTHORITY, said.clone());
    case.stop();
    assert!(matches!(refused(&case), WithholdError::NotAgreed(..)), "the authority alone");
    case.ledger.open();
    case.say(
        "kita",
        json!({"agency": "kita"})
            .as_object()
            .map(|more| {
                let mut said = said.clone();
                said["agency"] = more["agency"].clone();
                said
            })
            .unwrap(),
    );
    case.say("keco", said);
    case.ledger.close();
    let WithholdError::NotYet { covered, needed } = refused(&case) else { panic!("in no checkpoint") };
    assert_eq!((covered, needed), (needed - 2, LogReader::open(&case.log()).unwrap().size()));
    // While the ledger runs nobody touches its log.
    case.ledger.open();
    assert!(matches!(case.ask(&mut Files), Err(WithholdError::Tail(_))));
    case.stop();
    case.withhold();

    // What figures rest on: a thing's name, and a place.
    let mut case = Case::new(|ledger| {
        let mut data = charger(2);
        data["chargers"] = json!(["KE-1", "KE-2"]);
        ledger.accept("keco", "charger.installed.v1", data, noon("2026-03-02"));
    });
    for pointer in ["/data/chargers/0", "/data/region"] {
        case.agree(pointer);
        case.stop();
        assert!(matches!(refused(&case), WithholdError::Counts(_)), "{pointer}");
        case.ledger.open();
    }
    case.ledger.close();
}

#[test]
fn other_words_than_agreed_are_found() {
    let mut case = Case::remark();
    let neighbour = Entry::parse(&case.ledger.core().log().read(case.index + 1).unwrap()).unwrap();
    case.agree("/data/remark");
    case.stop();
    let folder = LogFolder::new(&case.log());
    case.withhold();
    let honest = case.now();
    let Body::Withheld(left) = honest.body.clone() else { panic!("it was withheld") };
    let with = |change: &dyn Fn(&mut jindo::log::entry::Withheld)| {
        let mut left = left.clone();
        change(&mut left);
        Entry { body: Body::Withheld(left), ..honest.clone() }
    };
    let text = String::from_utf8(left.text.to_vec()).unwrap();
    let other = text.replace("\"count\":7", "\"count\":9");
    assert_ne!(text, other);
    let cases = [
        ("another figure", with(&|left| left.text = other.clone().into()), "withheld-differs"),
        ("fewer masks", with(&|left| left.text = text.replacen('█', "x", 1).into()), "withheld-differs"),
        ("another digest", with(&|left| left.digests[0] = [7; 16]), "withheld-differs"),
        ("no digest", with(&|left| left.digests.clear()), "withheld-differs"),
        ("another length", with(&|left| left.bytes += 1), "withheld-differs"),
        ("another body", with(&|left| left.sha256 = [7; 32]), "withheld-differs"),
        ("another time", Entry { recorded: honest.recorded.plus_ns(1), ..honest.clone() }, "withheld-differs"),
        (
            "another verdict",
            Entry { ruling: Some(Ruling::new(Verdict::Duplicate, vec![], None)), ..honest.clone() },
            "withheld-differs",
        ),
        (
            "put back with other words",
            Entry { body: Body::Bytes(left.text.clone()), ..honest.clone() },
            "entry-altered",
        ),
        (
            "a neighbour that nobody spoke of",
            {
                let mut neighbour = withheld(&neighbour, &["/data/region".to_owned()]).unwrap();
                neighbour.state = None;
                neighbour
            },
            "withheld-unagreed",
        ),
    ];
    for (what, forged, code) in cases {
        let held = folder.entries(forged.index / 256, 256).unwrap()[forged.index as usize % 256].clone();
        rewrite(&folder, &mut Files, &forged).unwrap();
        let report = case.audit();
        let told: Vec<_> = report.findings.iter().filter(|finding| finding.index == Some(forged.index)).collect();
        assert!(told.iter().any(|finding| finding.code == code), "{what}: {:?}", report.findings);
        assert!(!report.withheld.contains(&forged.index), "{what}");
        rewrite(&folder, &mut Files, &Entry::parse(&held).unwrap()).unwrap();
    }
    // The whole entry put back gives its leaf: that is no finding, and the page says that it still stands.
    rewrite(&folder, &mut Files, &case.whole).unwrap();
    let report = case.audit();
    assert_eq!((report.findings, report.withheld_agreed), (Vec::new(), vec![case.index]));
    rewrite(&folder, &mut Files, &honest).unwrap();
    assert!(case.audit().holds());
    // A tile is what holds the leaf now: altered, the tree above gives it away.
    let tile = folder.dir().join("tile/0/000");
    let mut bytes = std::fs::read(&tile).unwrap();
    bytes[case.index as usize * 32] ^= 1;
    std::fs::write(&tile, bytes).unwrap();
    assert!(!case.audit().holds());
}

/// The agency and the authority signed; the entry is another agency's.
#[test]
fn agreement_of_the_wrong_agency_has_no_force() {
    let mut case = Case::remark();
    for by in ["kita", AUTHORITY] {
        let mut said = statement(&case.whole, "/data/remark");
        said["agency"] = "kita".into();
        assert_eq!(word(&case.say(by, said)), "accepted");
    }
    case.stop();
    assert!(matches!(case.ask(&mut Files), Err(WithholdError::NotAgreed(_, agency)) if agency == "keco"));
    let left = withheld(&case.whole, &["/data/remark".to_owned()]).unwrap();
    rewrite(&LogFolder::new(&case.log()), &mut Files, &left).unwrap();
    assert!(codes(&case.audit()).contains(&"withheld-unagreed"));
}

/// Dies at its n-th call, before or after it is done.
struct Dying {
    left: u32,
    after: bool,
}

impl Dying {
    fn gate(&mut self, work: impl FnOnce(&mut Files) -> io::Result<()>) -> io::Result<()> {
        if self.left > 0 || self.after {
            work(&mut Files)?;
        }
        if self.left == 0 {
            return Err(io::Error::other("killed"));
        }
        self.left -= 1;
        Ok(())
    }
}

impl Disk for Dying {
    fn put(&mut self, files: &[(PathBuf, Vec<u8>)]) -> io::Result<()> {
        self.gate(|disk| disk.put(files))
    }

    fn append(&mut self, path: &Path, keep: u64, bytes: &[u8]) -> io::Result<()> {
        self.gate(|disk| disk.append(path, keep, bytes))
    }

    fn remove_folder(&mut self, path: &Path) -> io::Result<()> {
        self.gate(|disk| disk.remove_folder(path))
    }
}

#[test]
fn killed_between_any_two_steps_it_is_done_again() {
    for (left, after) in [(0, false), (0, true), (1, false), (1, true)] {
        let mut case = Case::remark();
        case.agree("/data/remark");
        let digest = case.ledger.core().digest();
        case.stop();
        assert!(matches!(case.ask(&mut Dying { left, after }), Err(WithholdError::Rewrite(_))));
        let gone = (left, after) == (1, true);
        assert_eq!(case.now().body.is_withheld(), gone);
        assert!(case.audit().holds(), "{left} {after}");
        // Whatever was left, the ledger opens and goes on.
        case.ledger.open();
        assert_eq!(case.ledger.core().digest(), digest);
        case.ledger.accept("keco", "charger.installed.v1", charger(1), noon("2026-03-02"));
        case.stop();
        // And where the store is lost between.
        if after {
            std::fs::remove_dir_all(case.ledger.store_folder()).unwrap();
        }
        assert_eq!(case.withhold().already, gone);
        assert_eq!(case.holding(SECRET), Vec::<PathBuf>::new());
        let report = case.audit();
        assert_eq!((report.findings, report.withheld), (Vec::new(), vec![case.index]), "{left} {after}");
        assert_eq!(entries(&case.log()).len() as u64, report.size);
    }
}
