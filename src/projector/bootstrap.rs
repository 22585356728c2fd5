//! What an operator publishes to bring a ledger into being: entry 0, governance that differs from the registry, keys, and
//! the public facts. All of it by the same road as any report: signed, through an outbox, into the stream.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::shared::Shared;
use crate::event::envelope::{self, NewEvent};
use crate::event::governance::{AgencyRegistered, KeyAdded, LedgerCreated};
use crate::event::{Text, Time};
use crate::limits::{BATCH_EVENTS_MAX, BODY_BYTES_MAX, BOOTSTRAP_WAIT_MS};
use crate::log::note::{KeyKind, VerifierKey};
use crate::publish::{Delivered, Draft, Outbox, OutboxError, ReportState, SendError, deliver};
use crate::sign::{KeyFault, KeyPair};
use crate::stream::{Link, Login, StreamError, connect};

/// Why something was not published.
#[derive(Debug, thiserror::Error)]
pub enum BootstrapError {
    /// A key file.
    #[error("key file {path}: {fault}")]
    Key {
        /// The file.
        path: PathBuf,
        /// Why.
        fault: KeyFault,
    },
    /// The outbox.
    #[error(transparent)]
    Outbox(#[from] OutboxError),
    /// Delivery.
    #[error(transparent)]
    Send(#[from] SendError),
    /// NATS.
    #[error(transparent)]
    Stream(#[from] StreamError),
    /// A report was not accepted.
    #[error("report {seq} of '{agency}' was not accepted: {why}")]
    NotAccepted {
        /// Its number in the key's chain.
        seq: u64,
        /// Who published it.
        agency: String,
        /// What became of it.
        why: String,
    },
    /// A line of the facts.
    #[error("facts, line {line}: {why}")]
    Fact {
        /// Line, from 1.
        line: usize,
        /// What is wrong.
        why: String,
    },
}

/// Loads an agency's key from a folder of keys, or makes one.
///
/// # Errors
/// [`BootstrapError::Key`].
pub fn key_of(keys: &Path, agency: &str) -> Result<KeyPair, BootstrapError> {
    let path = keys.join(format!("{agency}.nk"));
    let failed = |fault| BootstrapError::Key { path: path.clone(), fault };
    if path.exists() {
        return KeyPair::load(&path).map_err(failed);
    }
    let pair = KeyPair::generate().map_err(failed)?;
    pair.save_new(&path).map_err(failed)?;
    Ok(pair)
}

/// The log's key pairs in a folder of keys by number, oldest first: `log.nk` is 1, then `log-2.nk` and so on. Retired ones
/// may be gone.
///
/// # Errors
/// [`BootstrapError::Key`].
pub fn log_keys(keys: &Path) -> Result<Vec<(u32, KeyPair)>, BootstrapError> {
    let mut numbers = vec![1];
    // A folder that is not there holds no key.
    for item in std::fs::read_dir(keys).into_iter().flatten().flatten() {
        let name = item.file_name();
        let number = name.to_str().and_then(|name| name.strip_prefix("log-")?.strip_suffix(".nk")?.parse::<u32>().ok());
        numbers.extend(number.filter(|number| *number > 1));
    }
    numbers.sort_unstable();
    let files =
        numbers.into_iter().map(|number| (number, log_key_path(keys, number))).filter(|(_, path)| path.exists());
    files
        .map(|(number, path)| match KeyPair::load(&path) {
            Ok(pair) => Ok((number, pair)),
            Err(fault) => Err(BootstrapError::Key { path, fault }),
        })
        .collect()
}

/// The file of the log's key of a number.
#[must_use]
pub fn log_key_path(keys: &Path, number: u32) -> PathBuf {
    match number {
        1 => keys.join("log.nk"),
        number => keys.join(format!("log-{number}.nk")),
    }
}

/// The log's verifier key as C2SP signed-note writes it: `<origin>+<key id>+<base64 of 0x01 and the Ed25519 key>`.
#[must_use]
pub fn vkey(origin: &str, key: &KeyPair) -> String {
    // An origin that cannot name a key creates no ledger either.
    VerifierKey::of_pair(origin, KeyKind::Log, key).map(|key| key.to_string()).unwrap_or_default()
}

/// One publisher of governance or facts.
pub struct Publisher {
    agency: String,
    outbox: Outbox,
    link: Link,
    stream: String,
}

/// An event to publish: type, time, subject, data, id.
#[derive(Debug, Clone)]
pub struct Said {
    /// Event type with version.
    pub kind: String,
    /// When it happened.
    pub time: Time,
    /// CloudEvents `subject`.
    pub subject: Option<String>,
    /// `data`.
    pub data: Value,
    /// Event id.
    pub id: Uuid,
}

impl Said {
    /// Happening now, under a new id.
    #[must_use]
    pub fn now(kind: impl Into<String>, data: Value) -> Self {
        Said { kind: kind.into(), time: Time::now(), subject: None, data, id: Uuid::now_v7() }
    }
}

impl Publisher {
    /// Connects as an agency.
    ///
    /// # Errors
    /// [`BootstrapError`].
    pub async fn open(
        url: &str,
        stream: &str,
        data: &Path,
        agency: &str,
        origin: &str,
    ) -> Result<Self, BootstrapError> {
        let pair = key_of(&data.join("keys"), agency)?;
        let link = connect(url, &Login::agency(agency, &pair.seed())).await?;
        let outbox = Outbox::open(&data.join("outbox").join(pair.public()), pair, origin)?;
        Ok(Publisher { agency: agency.to_owned(), outbox, link, stream: stream.to_owned() })
    }

    /// Publishes events in order, neighbours of one type in one report, and waits until all are accepted.
    ///
    /// # Errors
    /// [`BootstrapError`]; what was refused is in the log with its reason.
    pub async fn publish(&mut self, channel: &str, events: Vec<Said>) -> Result<(), BootstrapError> {
        let mut drafts = Vec::new();
        for batch in batches(&self.agency, events) {
            let subject = format!("ledger.{channel}.{}.{}", self.agency, batch[0].kind);
            let (content_type, body) = envelope::encode(&batch);
            drafts.push(Draft { subject, content_type: content_type.to_owned(), body });
        }
        self.outbox.enqueue(&drafts, Time::now())?;
        let wait = Duration::from_millis(BOOTSTRAP_WAIT_MS);
        let delivery = deliver(&mut self.outbox, &self.link, &self.stream, wait, |_, _| {}).await?;
        for (seq, delivered) in delivery {
            if let Some(why) = not_accepted(&delivered) {
                return Err(BootstrapError::NotAccepted { seq, agency: self.agency.clone(), why });
            }
        }
        Ok(())
    }
}

fn not_accepted(delivered: &Delivered) -> Option<String> {
    match delivered {
        Delivered::Recorded(ReportState::Recorded { verdict, code, detail, .. }) => {
            let code = code.clone().unwrap_or_default();
            (verdict == "refused").then(|| format!("{code} {detail}"))
        }
        other => Some(format!("{other:?}")),
    }
}

/// Runs of one type that fit a report.
fn batches(agency: &str, events: Vec<Said>) -> Vec<Vec<NewEvent>> {
    let mut batches: Vec<Vec<NewEvent>> = Vec::new();
    let mut bytes = 0;
    for said in events {
        let size = said.data.to_string().len() + 512;
        let Said { kind, time, subject, data, id } = said;
        let event = NewEvent { id, agency: agency.to_owned(), kind, time, time_text: None, subject, data };
        match batches.last_mut() {
            Some(batch)
                if batch[0].kind == event.kind && batch.len() < BATCH_EVENTS_MAX && bytes + size <= BODY_BYTES_MAX =>
            {
                bytes += size;
                batch.push(event);
            }
            _ => {
                bytes = size;
                batches.push(vec![event]);
            }
        }
    }
    batches
}

/// Entry 0.
#[must_use]
pub fn creation(origin: &str, log_key: &KeyPair, authority: (&str, Text, &KeyPair), simulated: bool) -> Said {
    let (code, name, pair) = authority;
    let created = LedgerCreated {
        origin: origin.to_owned(),
        log_key: vkey(origin, log_key),
        authorities: vec![AgencyRegistered {
            code: code.to_owned(),
            name,
            role: "authority".to_owned(),
            valid_from: None,
            valid_to: None,
            keys: vec![pair.public().to_owned()],
        }],
        rules: crate::catalogue::registry::RULES_KNOWN,
        simulated,
    };
    Said::now("ledger.created.v1", json!(created))
}

/// `key.added` for every agency whose key in the folder is not registered yet. The authority adds them, and is shown.
///
/// # Errors
/// [`BootstrapError::Key`].
pub fn keys_to_add(shared: &Shared, keys: &Path) -> Result<Vec<Said>, BootstrapError> {
    let registry = shared.registry();
    let mut added = Vec::new();
    for code in &registry.agency_codes {
        let pair = key_of(keys, code)?;
        if !registry.keys.contains_key(pair.public()) {
            let data = KeyAdded { agency: code.to_string(), key: pair.public().to_owned() };
            added.push(Said::now("key.added.v1", json!(data)));
        }
    }
    Ok(added)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    key: String,
    #[serde(rename = "type")]
    kind: String,
    time: Time,
    #[serde(default)]
    subject: Option<String>,
    data: Value,
}

/// Facts of an NDJSON text that are not recorded yet. Ids follow from (agency, type, key): a fact never counts twice.
///
/// # Errors
/// [`BootstrapError::Fact`].
pub fn facts_to_enter(shared: &Shared, agency: &str, text: &str) -> Result<Vec<Said>, BootstrapError> {
    let reader = shared.reader();
    let mut said = Vec::new();
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let failed = |why: String| BootstrapError::Fact { line: number + 1, why };
        let Line { key, kind, time, subject, data } =
            serde_json::from_str(line).map_err(|error| failed(error.to_string()))?;
        let id = crate::publish::import::event_id(agency, &kind, &key);
        if reader.record_by_id(agency, &id).map_err(|doubt| failed(doubt.to_string()))?.is_none() {
            said.push(Said { kind, time, subject, data, id });
        }
    }
    Ok(said)
}
