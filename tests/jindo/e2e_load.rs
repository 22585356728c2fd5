//! Load for the crash tests: a founded ledger whose `nats-server` outlives its projector, and agencies that report, repeat,
//! correct, retract and contest.
//!
//! Reports are signed here, one chain per key, and appended without waiting for the ledger: it may be dead.

use std::{
    path::PathBuf,
    process::{Child, Stdio},
};

use jindo::{
    event::{
        Time,
        envelope::{self, NewEvent},
    },
    sign::{Claims, KeyPair, hex, sign},
    stream::{self, AgencyUser, Link, Login, NatsConfig, Outgoing, Server},
};
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use uuid::Uuid;

use crate::e2e_house::{Folder, Guard, Ledger, jindo};
use crate::e2e_wire::Noise;

/// Agencies that may report chargers.
pub const AGENCIES: [&str; 3] = ["keco", "kepco", "mcee"];
pub const STREAM: &str = "LEDGER_1";
pub const ORIGIN: &str = "jindo.local/motie-2026";
const REGIONS: [&str; 6] = ["11", "26", "27", "28", "41", "50"];

/// A founded ledger and its stream, without a projector.
pub struct Intake {
    pub folder: Folder,
    pub runtime: Runtime,
    server: Option<Server>,
    config: NatsConfig,
}

impl Intake {
    /// `jindo up` founds it and stops; then a server of the test's own serves its stream.
    pub fn found() -> Intake {
        let folder = Folder::new();
        assert!(Ledger::up(&folder).terminate().success());
        let config = NatsConfig {
            name: format!("test-{}", Uuid::new_v4()),
            host: "127.0.0.1".to_owned(),
            port: -1,
            store_dir: folder.data().join("nats/jetstream"),
            cluster: None,
            ports_dir: None,
            log_file: None,
            operators: vec![folder.key("operator").public().to_owned()],
            agencies: AGENCIES
                .iter()
                .map(|code| AgencyUser { agency: (*code).to_owned(), key: folder.key(code).public().to_owned() })
                .collect(),
            announcers: vec![folder.key("announcer").public().to_owned()],
            dashboards: vec![folder.key("dashboard").public().to_owned()],
        };
        let runtime = Runtime::new().unwrap();
        let server = runtime.block_on(Server::start(&folder.beside("nats"), config.clone())).unwrap();
        let port = server.url.rsplit_once(':').unwrap().1.parse().unwrap();
        Intake { folder, runtime, server: Some(server), config: NatsConfig { port, ..config } }
    }

    pub fn server(&self) -> &Server {
        self.server.as_ref().unwrap()
    }

    pub fn url(&self) -> &str {
        &self.server().url
    }

    /// Another life of the server under the same address: its supervisor counts restarts from zero.
    pub fn renew(&mut self) {
        self.stop();
        self.start();
    }

    /// Stops the server.
    pub fn stop(&mut self) {
        let server = self.server.take().unwrap();
        self.runtime.block_on(server.stop());
    }

    /// Where the server keeps its streams.
    pub fn store(&self) -> &std::path::Path {
        &self.config.store_dir
    }

    /// Starts the server again.
    pub fn start(&mut self) {
        let dir = self.folder.beside("nats");
        self.server = Some(self.runtime.block_on(Server::start(&dir, self.config.clone())).unwrap());
    }

    pub fn operator(&self) -> PathBuf {
        self.folder.data().join("keys/operator.nk")
    }

    /// `jindo run`, ready.
    pub fn run(&self) -> Ledger {
        Ledger::beside(&self.folder, self.url(), &self.operator())
    }

    /// `jindo run` on another data folder: it reads the stream from its beginning.
    pub fn run_in(&self, folder: &Folder) -> Ledger {
        Ledger::beside(folder, self.url(), &self.operator())
    }

    /// `jindo run`, started and not waited for; what it says goes to files beside the data.
    pub fn spawn(&self) -> Guard {
        let file = |name| std::fs::File::options().create(true).append(true).open(self.folder.beside(name)).unwrap();
        let mut command = jindo();
        command.args(["run", "--http", "127.0.0.1:0", "--nats", self.url(), "--key-file"]).arg(self.operator());
        command.arg("--data").arg(self.folder.data()).stdin(Stdio::null());
        let child: Child = command.stdout(file("run.out")).stderr(file("run.err")).spawn().unwrap();
        Guard(child)
    }

    /// A connection of an agency.
    pub fn link(&self, agency: &str) -> Link {
        let login = Login::agency(agency, &self.folder.key(agency).seed());
        self.runtime.block_on(stream::connect(self.url(), &login)).unwrap()
    }

    pub fn crowd(&self, seed: u64) -> Crowd {
        let authors = AGENCIES.iter().map(|code| Author::new(code, self.folder.key(code), self.link(code)));
        Crowd { authors: authors.collect(), noise: Noise::new(seed) }
    }
}

/// An agency that signs in its own chain.
struct Author {
    agency: String,
    pair: KeyPair,
    link: Link,
    seq: u64,
    prev: Option<[u8; 32]>,
    said: Vec<NewEvent>,
}

/// All of them.
pub struct Crowd {
    authors: Vec<Author>,
    noise: Noise,
}

impl Crowd {
    /// Reports of every kind, appended to the stream; how many.
    pub fn report(&mut self, intake: &Intake, count: usize) -> usize {
        let mut sent = 0;
        for at in 0..self.authors.len() {
            let others: Vec<(String, Uuid)> = self.authors.iter().filter_map(|author| author.last()).collect();
            let author = &mut self.authors[at];
            let messages: Vec<Outgoing> = (0..count).map(|_| author.message(&mut self.noise, &others)).collect();
            let answers = intake.runtime.block_on(stream::append(&author.link, STREAM, &messages));
            for answer in answers {
                answer.unwrap();
                sent += 1;
            }
        }
        sent
    }
}

impl Author {
    fn new(agency: &str, pair: KeyPair, link: Link) -> Author {
        Author { agency: agency.to_owned(), pair, link, seq: 0, prev: None, said: Vec::new() }
    }

    fn last(&self) -> Option<(String, Uuid)> {
        self.said.last().map(|event| (self.agency.clone(), event.id))
    }

    fn message(&mut self, noise: &mut Noise, others: &[(String, Uuid)]) -> Outgoing {
        let events = self.events(noise, others);
        let kind = events[0].kind.clone();
        let (content_type, body) = envelope::encode(&events);
        let subject = format!("ledger.report.{}.{kind}", self.agency);
        self.seq += 1;
        let claims = Claims {
            aud: ORIGIN.to_owned(),
            sub: subject.clone(),
            cty: content_type.to_owned(),
            sha256: hex::sha256(&body),
            seq: self.seq,
            prev: self.prev,
            seen: None,
            reported: Time::now(),
        };
        let jws = sign(&self.pair, &claims);
        self.prev = Some(hex::sha256(jws.as_bytes()));
        let headers = vec![("Content-Type".to_owned(), content_type.to_owned()), ("Ledger-Signature".to_owned(), jws)];
        Outgoing { subject, headers, body: body.into() }
    }

    fn event(&self, kind: &str, data: Value) -> NewEvent {
        let time = Time::parse("2026-06-30T12:00:00+09:00").unwrap();
        NewEvent {
            id: Uuid::now_v7(),
            agency: self.agency.clone(),
            kind: kind.to_owned(),
            time,
            time_text: None,
            subject: None,
            data,
        }
    }

    fn events(&mut self, noise: &mut Noise, others: &[(String, Uuid)]) -> Vec<NewEvent> {
        let old = (!self.said.is_empty()).then(|| self.said[noise.below(self.said.len())].clone());
        let Some(old) = old else { return self.installed(noise) };
        match noise.below(12) {
            // Of an old version too: refused then, the same on every replay.
            0 => {
                let event = json!({ "time": "2026-05-01T00:00:00+09:00", "data": charger(noise) });
                let data = json!({ "replaces": old.id, "reason": "정정", "event": event });
                let corrected = self.event("report.corrected.v1", data);
                self.said.push(corrected.clone());
                vec![corrected]
            }
            1 => vec![self.event("report.retracted.v1", json!({ "retracts": old.id, "reason": "중복 보고" }))],
            2 => vec![old],
            3 if !others.is_empty() => {
                let (agency, id) = &others[noise.below(others.len())];
                let data = json!({ "agency": agency, "disputes": id, "reason": "확인 필요" });
                vec![self.event("report.disputed.v1", data)]
            }
            4 => vec![self.event("charger.installed.v1", json!({ "region": "99", "class": "fast", "count": 0 }))],
            _ => self.installed(noise),
        }
    }

    fn installed(&mut self, noise: &mut Noise) -> Vec<NewEvent> {
        let count = 1 + noise.below(6);
        let events: Vec<_> = (0..count).map(|_| self.event("charger.installed.v1", charger(noise))).collect();
        self.said.extend(events.iter().cloned());
        events
    }
}

/// Some with ids, from few enough that agencies claim the same ones.
fn charger(noise: &mut Noise) -> Value {
    let (region, class) = (noise.pick(&REGIONS), noise.pick(&["fast", "medium", "slow"]));
    let mut data = json!({ "region": region, "class": class, "count": 1 + noise.below(9) });
    if noise.below(4) == 0 {
        let mut ids: Vec<String> = (0..3).map(|_| format!("EV-{}", noise.below(2_000))).collect();
        ids.sort();
        ids.dedup();
        data["count"] = ids.len().into();
        data["chargers"] = ids.into();
    }
    data
}
