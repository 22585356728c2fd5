//! `TestLedger`: a ledger in a folder of the test's own, fed through [`Core`] with really signed messages, without NATS.
//!
//! It is made once per process and copied; keys, ids and times are the same in every run, so two runs give the same bytes.
//! It never reads a clock and never forgives a ruling: tests say which one they expect.
#![allow(dead_code)]

pub mod founding;

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use jindo::admit::screen::Trust;
use jindo::event::envelope::{self, NewEvent};
use jindo::event::{Day, Time};
use jindo::fold::rows::Figures;
use jindo::log::Arrival;
use jindo::log::entry::{Entry, HEADER_CONTENT_TYPE, HEADER_SIGNATURE, Ruling, Verdict};
use jindo::projector::core::{Core, screen_ahead, screen_all};
use jindo::projector::halt::Halt;
use jindo::sign::{self, Claims, KeyPair};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use uuid::Uuid;

pub use founding::chargers;
use founding::found;

/// `aud` of every signature.
pub const ORIGIN: &str = "jindo.test/ledger";
/// Stream of every arrival.
pub const STREAM: &str = "LEDGER_1";
/// The one authority.
pub const AUTHORITY: &str = "motie";
/// When the first message was recorded; each later one a second after.
pub const RECORDED: &str = "2026-06-01T00:00:00Z";
/// Agencies with their roles; `former` is valid until the end of 2025.
pub const AGENCIES: [(&str, &str); 8] = [
    ("keco", "agency"),
    ("kiat", "agency"),
    ("kita", "agency"),
    ("kotra", "agency"),
    ("ktl", "agency"),
    ("spare", "agency"),
    ("former", "agency"),
    ("public-desk", "desk"),
];
/// Regions.
pub const REGIONS: [&str; 5] = ["11", "26", "41", "46", "48"];

/// A key with its place in its chain.
#[derive(Clone)]
pub struct Signer {
    seed: String,
    seq: u64,
    prev: Option<[u8; 32]>,
}

impl Signer {
    /// The key of a name: the same in every run.
    pub fn named(name: &str) -> Self {
        let raw: [u8; 32] = Sha256::digest(name.as_bytes()).into();
        let pair = nkeys::KeyPair::new_from_raw(nkeys::KeyPairType::User, raw).unwrap();
        Signer { seed: pair.seed().unwrap(), seq: 0, prev: None }
    }

    /// Its pair.
    pub fn pair(&self) -> KeyPair {
        KeyPair::from_seed(&self.seed).unwrap()
    }

    /// `U…`.
    pub fn public(&self) -> String {
        self.pair().public().to_owned()
    }

    /// Claims for a message that follows this key's last one.
    pub fn claims(&self, subject: &str, content_type: &str, body: &[u8], reported: Time) -> Claims {
        Claims {
            aud: ORIGIN.to_owned(),
            sub: subject.to_owned(),
            cty: content_type.to_owned(),
            sha256: Sha256::digest(body).into(),
            seq: self.seq + 1,
            prev: self.prev,
            seen: None,
            reported,
        }
    }

    /// Signs and moves on.
    pub fn sign(&mut self, claims: &Claims) -> String {
        let jws = sign::sign(&self.pair(), claims);
        (self.seq, self.prev) = (claims.seq, Some(Sha256::digest(jws.as_bytes()).into()));
        jws
    }
}

/// A ledger under test.
pub struct TestLedger {
    /// Its folder: `log` and `store`.
    pub dir: TempDir,
    core: Option<Core>,
    /// Keys by agency.
    pub signers: BTreeMap<String, Signer>,
    /// `recorded` of the next arrival.
    pub recorded: Time,
    /// What every signature claims to have seen from now on.
    pub seen: Option<sign::Seen>,
    ids: u128,
}

/// A moment as RFC 3339.
pub fn at(text: &str) -> Time {
    Time::parse(text).unwrap()
}

/// Noon in Seoul of a day such as `2026-03-02`.
pub fn noon(day: &str) -> Time {
    Day::parse(day).unwrap().start().plus_ns(12 * 3_600_000_000_000)
}

/// `accepted`, `duplicate` or the reason code.
pub fn word(ruling: &Ruling) -> String {
    match &ruling.verdict {
        Verdict::Accepted => "accepted".to_owned(),
        Verdict::Duplicate => "duplicate".to_owned(),
        Verdict::Refused(code) => code.clone(),
    }
}

/// The subject of a report.
pub fn subject(agency: &str, kind: &str) -> String {
    format!("ledger.report.{agency}.{kind}")
}

/// Copies a folder of files and folders.
pub fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for item in std::fs::read_dir(from).unwrap() {
        let item = item.unwrap();
        let target = to.join(item.file_name());
        if item.file_type().unwrap().is_dir() {
            copy_folder(&item.path(), &target);
        } else {
            std::fs::copy(item.path(), target).unwrap();
        }
    }
}

/// The template: made once, copied for each test.
struct Template {
    dir: TempDir,
    signers: BTreeMap<String, Signer>,
    recorded: Time,
    ids: u128,
}

fn template() -> &'static Template {
    static TEMPLATE: OnceLock<Template> = OnceLock::new();
    TEMPLATE.get_or_init(|| {
        let mut ledger = TestLedger::empty();
        found(&mut ledger);
        let (signers, recorded, ids) = (ledger.signers.clone(), ledger.recorded, ledger.ids);
        Template { dir: ledger.into_folder(), signers, recorded, ids }
    })
}

impl TestLedger {
    /// A ledger with schemas, agencies, regions and the test catalogue.
    pub fn new() -> Self {
        let template = template();
        let dir = TempDir::new().unwrap();
        copy_folder(template.dir.path(), dir.path());
        let mut ledger = TestLedger {
            dir,
            core: None,
            signers: template.signers.clone(),
            recorded: template.recorded,
            seen: None,
            ids: template.ids,
        };
        ledger.open();
        ledger
    }

    /// A ledger that knows chargers and little else: it opens fast.
    pub fn slight() -> Self {
        let mut ledger = TestLedger::empty();
        founding::found_slight(&mut ledger);
        ledger
    }

    /// A folder without any entry.
    pub fn empty() -> Self {
        let names = AGENCIES.iter().map(|(code, _)| *code).chain([AUTHORITY]);
        let signers = names.map(|code| (code.to_owned(), Signer::named(code))).collect();
        let dir = TempDir::new().unwrap();
        let mut ledger = TestLedger { dir, core: None, signers, recorded: at(RECORDED), seen: None, ids: 1 };
        ledger.open();
        ledger
    }

    /// Folder of the log.
    pub fn log_folder(&self) -> PathBuf {
        self.dir.path().join("log")
    }

    /// Folder of the store.
    pub fn store_folder(&self) -> PathBuf {
        self.dir.path().join("store")
    }

    /// Opens log and store.
    pub fn open(&mut self) {
        self.core = Some(Core::open(&self.log_folder(), &self.store_folder(), &mut |_, _| {}).unwrap());
    }

    /// Closes the store, flushed.
    pub fn close(&mut self) {
        if let Some(core) = self.core.take() {
            core.close().unwrap();
        }
    }

    /// Closes and opens again.
    pub fn reopen(&mut self) {
        self.close();
        self.open();
    }

    /// The folder, closed.
    pub fn into_folder(mut self) -> TempDir {
        self.close();
        self.dir
    }

    /// The writer.
    pub fn core(&self) -> &Core {
        self.core.as_ref().unwrap()
    }

    /// A fresh event id.
    pub fn id(&mut self) -> Uuid {
        self.ids += 1;
        Uuid::from_u128(0x0198_0000_0000_7000_8000_0000_0000_0000 + self.ids)
    }

    /// An event with a fresh id.
    pub fn event(&mut self, agency: &str, kind: &str, data: Value, time: Time) -> NewEvent {
        NewEvent {
            id: self.id(),
            agency: agency.to_owned(),
            kind: kind.to_owned(),
            time,
            time_text: None,
            subject: None,
            data,
        }
    }

    /// A signed message as it would arrive; `channel` is `report` or `govern`.
    pub fn message(&mut self, channel: &str, events: &[NewEvent]) -> Arrival {
        let (content_type, body) = envelope::encode(events);
        let (agency, kind) = (&events[0].agency, &events[0].kind);
        self.signed(agency, &format!("ledger.{channel}.{agency}.{kind}"), content_type, &body)
    }

    /// Any body on any subject, signed by an agency.
    pub fn signed(&mut self, agency: &str, subject: &str, content_type: &str, body: &[u8]) -> Arrival {
        let reported = self.recorded;
        let signer = self.signers.get_mut(agency).unwrap();
        let claims = Claims { seen: self.seen, ..signer.claims(subject, content_type, body, reported) };
        let jws = signer.sign(&claims);
        self.arrival(
            subject.as_bytes(),
            &[(HEADER_CONTENT_TYPE, content_type.as_bytes()), (HEADER_SIGNATURE, jws.as_bytes())],
            body,
        )
    }

    /// A message of any bytes; takes the next second of the clock. Its sequence is set when it is committed.
    pub fn arrival(&mut self, subject: &[u8], headers: &[(&str, &[u8])], body: &[u8]) -> Arrival {
        let recorded = self.recorded;
        self.recorded = recorded.plus_ns(1_000_000_000);
        Arrival {
            stream: Arc::from(STREAM),
            sequence: 0,
            recorded,
            subject: Bytes::copy_from_slice(subject),
            headers: headers.iter().map(|(name, value)| ((*name).to_owned(), Bytes::copy_from_slice(value))).collect(),
            body: Bytes::copy_from_slice(body),
        }
    }

    /// Commits messages, `batch` of them at a time, and gives the rulings that the log holds.
    pub fn commit(&mut self, arrivals: &[Arrival], batch: usize) -> Result<Vec<Ruling>, Halt> {
        let first = self.core().size();
        for run in arrivals.chunks(batch) {
            let core = self.core.as_mut().unwrap();
            let (size, registry) = (core.size(), core.registry());
            let entries = run.iter().zip(size..).map(|(arrival, index)| {
                let arrival = Arrival { sequence: index + 1, ..arrival.clone() };
                Entry::of_arrival(index, &arrival)
            });
            let ready = screen_all(entries.collect(), &registry, Trust::Nothing);
            core.commit(ready, &registry)?;
        }
        let log = self.core().log();
        Ok(log.iter(first).map(|item| Entry::parse(&item.unwrap().1).unwrap().ruling.unwrap()).collect())
    }

    /// Commits messages as the projector does: so many batches wait, screened and with their rows read ahead, while others are
    /// committed.
    pub fn commit_ahead(&mut self, arrivals: &[Arrival], batch: usize, waiting: usize) {
        let core = self.core.as_mut().unwrap();
        let (mut queue, mut next) = (VecDeque::new(), core.size());
        for run in arrivals.chunks(batch) {
            let entries = run.iter().zip(next..).map(|(arrival, index)| {
                let arrival = Arrival { sequence: index + 1, ..arrival.clone() };
                Entry::of_arrival(index, &arrival)
            });
            let registry = core.registry();
            queue.push_back((screen_ahead(entries.collect(), &registry, &core.reader()), registry));
            next += run.len() as u64;
            if queue.len() > waiting {
                let (ready, registry) = queue.pop_front().unwrap();
                core.commit(ready, &registry).unwrap();
            }
        }
        queue.into_iter().for_each(|(ready, registry)| drop(core.commit(ready, &registry).unwrap()));
    }

    /// Commits one message.
    pub fn send(&mut self, arrival: &Arrival) -> Ruling {
        self.commit(std::slice::from_ref(arrival), 1).unwrap().remove(0)
    }

    /// Reports one event; its id comes with the ruling.
    pub fn report(&mut self, agency: &str, kind: &str, data: Value, time: Time) -> (Uuid, Ruling) {
        let event = self.event(agency, kind, data, time);
        (event.id, self.batch(&[event]))
    }

    /// Reports one event that must be accepted.
    pub fn accept(&mut self, agency: &str, kind: &str, data: Value, time: Time) -> Uuid {
        let (id, ruling) = self.report(agency, kind, data, time);
        assert_eq!(word(&ruling), "accepted", "{kind}");
        id
    }

    /// Reports events of one agency and type in one message.
    pub fn batch(&mut self, events: &[NewEvent]) -> Ruling {
        let message = self.message("report", events);
        self.send(&message)
    }

    /// One governance event by the authority.
    pub fn govern(&mut self, kind: &str, data: Value) -> Ruling {
        let time = self.recorded;
        let event = self.event(AUTHORITY, kind, data, time);
        let message = self.message("govern", &[event]);
        self.send(&message)
    }

    /// Corrects an agency's own report; gives the id of the new version.
    pub fn correct(&mut self, agency: &str, replaces: Uuid, data: Value, time: Time) -> Uuid {
        let recorded = self.recorded;
        self.accept(agency, "report.corrected.v1", corrected(replaces, &data, time), recorded)
    }

    /// Retracts an agency's own report.
    pub fn retract(&mut self, agency: &str, id: Uuid) {
        let recorded = self.recorded;
        self.accept(agency, "report.retracted.v1", json!({"retracts": id.to_string(), "reason": "x"}), recorded);
    }

    /// `ktl` verifies a report; gives the id of the verification.
    pub fn verify(&mut self, reporter: &str, id: Uuid) -> Uuid {
        let recorded = self.recorded;
        self.accept("ktl", "report.verified.v1", json!({"agency": reporter, "verifies": id.to_string()}), recorded)
    }

    /// Figures of a series as of a day, now.
    pub fn figures(&self, path: &str, day: &str) -> Figures {
        self.core().reader().figures(path, Day::parse(day).unwrap(), None).unwrap()
    }

    /// Figures of all series as of a day and size, by path.
    pub fn all_figures(&self, day: Day, size: Option<u64>) -> BTreeMap<String, Figures> {
        let view = self.core().reader().view();
        let series = view.series_with_prefix("");
        series
            .into_iter()
            .map(|(number, series)| (series.path.clone(), view.figures_of(number, day, size).unwrap()))
            .collect()
    }

    /// Bytes of all entries.
    pub fn entries(&self) -> Vec<Vec<u8>> {
        self.core().log().iter(0).map(|item| item.unwrap().1.to_vec()).collect()
    }
}

/// `data` of a correction.
pub fn corrected(replaces: Uuid, data: &Value, time: Time) -> Value {
    json!({"replaces": replaces.to_string(), "reason": "x", "event": {"time": time.to_string(), "data": data}})
}
