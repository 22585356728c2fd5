//! The ledger the workload is reported to: the shipped catalogue with all 34 indicators, and 40 agencies that may report
//! every one of them. What is published before the first report. Never measures.

use jindo::catalogue::file;
use jindo::event::envelope::{self, NewEvent};
use jindo::event::governance::{AgencyRegistered, LedgerCreated, SchemaRegistered};
use jindo::event::schema::embedded;
use jindo::event::subject::Channel;
use jindo::event::{Text, Time};
use jindo::projector::bootstrap::vkey;
use jindo::stream::Outgoing;
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use crate::signer::{ORIGIN, Signer, log_key, pair};

/// Agencies that report.
pub const AGENCIES: usize = 40;
const AUTHORITY: &str = "motie";
const CATALOGUE: &str = include_str!("../../deploy/catalogue/motie-2026.toml");

/// Code of a reporting agency.
pub fn agency_code(number: usize) -> String {
    format!("agency-{number:02}")
}

/// Governance that brings the ledger into being, signed, in order; and the ids of its indicators.
pub fn founding() -> (Vec<Outgoing>, Vec<String>) {
    let file = file::parse(CATALOGUE).expect("the shipped catalogue is right");
    let key = pair(u64::MAX);
    let authority = agency(AUTHORITY, "authority", vec![key.public().to_owned()]);
    let mut founder = Founder { signer: Signer::new(AUTHORITY, key), messages: Vec::new() };
    let created = LedgerCreated {
        origin: ORIGIN.to_owned(),
        log_key: vkey(ORIGIN, &log_key()),
        authorities: vec![authority],
        rules: 1,
        simulated: true,
    };
    founder.say("ledger.created.v1", &created);
    for (kind, schema) in embedded() {
        founder
            .say("schema.registered.v1", &SchemaRegistered { kind: (*kind).to_owned(), schema: (*schema).to_owned() });
    }
    for shipped in file.agencies.iter().filter(|agency| agency.code != AUTHORITY) {
        founder.say("agency.registered.v1", shipped);
    }
    let codes: Vec<String> = (0..AGENCIES).map(agency_code).collect();
    for (number, code) in codes.iter().enumerate() {
        founder.say("agency.registered.v1", &agency(code, "agency", vec![pair(number as u64).public().to_owned()]));
    }
    for region in &file.regions {
        founder.say("region.registered.v1", region);
    }
    let mut ids = Vec::new();
    for commitment in file.indicators {
        let mut indicator = commitment.indicator;
        indicator.reporters.clone_from(&codes);
        // The workload's year lies before the plan's, so that no machine's clock refuses it.
        indicator.fold.from_date = None;
        indicator.fold.to_date = None;
        indicator.fold.from.iter_mut().for_each(|selector| selector.from_date = None);
        founder.say("indicator.registered.v1", &indicator);
        ids.push(indicator.id);
    }
    (founder.messages, ids)
}

fn agency(code: &str, role: &str, keys: Vec<String>) -> AgencyRegistered {
    let name = Text { ko: code.to_owned(), en: code.to_owned() };
    AgencyRegistered { code: code.to_owned(), name, role: role.to_owned(), valid_from: None, valid_to: None, keys }
}

struct Founder {
    signer: Signer,
    messages: Vec<Outgoing>,
}

impl Founder {
    fn say(&mut self, kind: &str, data: &impl Serialize) {
        let data: Value = serde_json::to_value(data).expect("plain data");
        let event = NewEvent {
            id: Uuid::from_u128(self.messages.len() as u128 + 1),
            agency: AUTHORITY.to_owned(),
            kind: kind.to_owned(),
            time: Time::parse("2025-01-01T00:00:00Z").expect("a time"),
            time_text: None,
            subject: None,
            data,
        };
        let (content_type, body) = envelope::encode(&[event]);
        self.messages.push(self.signer.sign(Channel::Govern, kind, content_type, body));
    }
}
