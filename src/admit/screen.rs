//! The first half of admission, on all cores: everything that one entry and the registry decide.
//!
//! Order matters and is part of the rules: who signed comes first, so that every entry with a valid signature counts in
//! its key's chain, refused or not; then what the signature claims; then the envelope; then each event.

use std::sync::Arc;

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::plan::{Effect, plan};
use super::{Fault, Reason, Refusal};
use crate::catalogue::registry::Registry;
use crate::event::envelope::{self, EnvelopeFault};
use crate::event::subject::{Channel, Subject};
use crate::event::{Event, Time};
use crate::limits::{TIME_AHEAD_NS_MAX, TIME_MIN_NS};
use crate::log::entry::{Body, Entry, Kept, Verdict};
use crate::sign::{ClaimFault, Claims, Jws, Seen, SignFault, verifying_key};
use ed25519_dalek::VerifyingKey;

/// What is taken on trust.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// Nothing: signatures are verified. Live intake and audit.
    Nothing,
    /// The verdict in the entry: a signature counts as valid unless the verdict says `signature-wrong`. Rebuilds.
    Log,
}

/// What the entry and the registry alone decide.
#[derive(Debug, Clone)]
pub struct Screened {
    /// The report, or why it is refused.
    pub outcome: Result<Report, Refusal>,
    /// Who sent it.
    pub signer: Signer,
}

impl Screened {
    /// Lets go of the data of events that move indicators: their effects say all that folding asks, and the trees are most of
    /// a batch's memory.
    pub fn lighten(&mut self) {
        if let Ok(report) = &mut self.outcome {
            let moving = report.events.iter_mut().filter(|planned| !planned.effects.is_empty());
            moving.for_each(|planned| planned.event.data = Value::Null);
        }
    }
}

/// Who sent a message, as far as it says so.
#[derive(Debug, Clone)]
pub struct Signer {
    /// SHA-256 of the signature header, where there is one: how publishers ask for a report.
    pub signature: Option<[u8; 32]>,
    /// Agency named by the subject, where it parses.
    pub agency: Option<String>,
    /// The signature's place in its key's chain, where the signature is valid.
    pub link: Option<Link>,
}

/// A valid signature's place in its key's chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// NKey public key.
    pub key: String,
    /// Its number.
    pub seq: u64,
    /// SHA-256 of the previous JWS, as claimed.
    pub prev: Option<[u8; 32]>,
    /// SHA-256 of this JWS.
    pub jws: [u8; 32],
    /// When its publisher signed, by its own clock.
    pub reported: Time,
    /// The newest checkpoint that its publisher held.
    pub seen: Option<Seen>,
}

/// A report that stands on its own; [`super::decide`] holds it against the past.
#[derive(Debug, Clone)]
pub struct Report {
    /// Subject.
    pub subject: Subject,
    /// Events.
    pub events: Vec<Planned>,
    /// When the publisher signed.
    pub reported: Time,
}

/// An event and what it will do.
#[derive(Debug, Clone)]
pub struct Planned {
    /// The event.
    pub event: Event,
    /// What it moves; empty for reports about reports and governance.
    pub effects: Vec<Effect>,
}

/// Whether the type is a report about reports, decided against the past.
#[must_use]
pub fn is_about(kind: &str) -> bool {
    matches!(
        kind,
        "report.corrected.v1"
            | "report.retracted.v1"
            | "report.verified.v1"
            | "report.disputed.v1"
            | "claim.resolved.v1"
            | "forecast.stated.v1"
    )
}

/// Screens one entry.
#[must_use]
pub fn screen(entry: &Entry, registry: &Registry, trust: Trust) -> Screened {
    let signature = entry.signature.as_ref().and_then(Kept::text).map(|text| Sha256::digest(text.as_bytes()).into());
    let subject = match &entry.subject {
        Kept::Text(text) => {
            Subject::parse(text).map_err(|fault| Refusal::whole(Reason::SubjectMalformed, fault.to_string()))
        }
        Kept::Hashed { bytes, .. } => {
            Err(Refusal::whole(Reason::SubjectMalformed, format!("the subject has {bytes} bytes or cannot be printed")))
        }
    };
    let subject = match subject {
        Ok(subject) => subject,
        Err(refusal) => {
            return Screened { outcome: Err(refusal), signer: Signer { signature, agency: None, link: None } };
        }
    };
    let agency = Some(subject.agency.clone());
    if registry.origin.is_empty() && subject.kind != "ledger.created.v1" {
        let refusal = Refusal::whole(Reason::LedgerNotCreated, "create the ledger first");
        return Screened { outcome: Err(refusal), signer: Signer { signature, agency, link: None } };
    }
    match signed(entry, &subject, registry, trust) {
        Err(refusal) => Screened { outcome: Err(refusal), signer: Signer { signature, agency, link: None } },
        Ok((jws, link)) => {
            let outcome =
                claimed(entry, &subject, registry, jws.claims()).and_then(|()| report(entry, subject, registry, &jws));
            Screened { outcome, signer: Signer { signature, agency, link: Some(link) } }
        }
    }
}

/// The signature, held against the key as registered at this index.
fn signed(entry: &Entry, subject: &Subject, registry: &Registry, trust: Trust) -> Result<(Jws, Link), Refusal> {
    let text = match &entry.signature {
        Some(Kept::Text(text)) => text,
        Some(Kept::Hashed { bytes, .. }) => {
            let detail = format!("the header has {bytes} bytes, repeats, or cannot be printed");
            return Err(Refusal::whole(Reason::SignatureMalformed, detail));
        }
        None => return Err(Refusal::whole(Reason::SignatureMissing, "header Ledger-Signature is absent")),
    };
    let jws = Jws::parse(text).map_err(|fault| Refusal::whole(Reason::SignatureMalformed, fault.to_string()))?;
    if registry.origin.is_empty() {
        // Entry 0 brings its own key; whether it names it as an authority's is checked when it is applied.
        let verifier =
            verifying_key(jws.key()).ok_or_else(|| Refusal::whole(Reason::SignatureMalformed, "kid is no key"))?;
        verify(&jws, &verifier, entry, trust)?;
    } else {
        let key = registry
            .keys
            .get(jws.key())
            .ok_or_else(|| Refusal::whole(Reason::KeyUnknown, format!("key {}", jws.key())))?;
        if let Some(index) = key.revoked {
            return Err(Refusal::whole(Reason::KeyRevoked, format!("key {} was revoked by entry {index}", jws.key())));
        }
        if *key.agency != *subject.agency {
            let detail = format!("key {} belongs to '{}', the subject to '{}'", jws.key(), key.agency, subject.agency);
            return Err(Refusal::whole(Reason::SubjectForeign, detail));
        }
        verify(&jws, &key.verifier, entry, trust)?;
    }
    let claims = jws.claims();
    let link = Link {
        key: jws.key().to_owned(),
        seq: claims.seq,
        prev: claims.prev,
        jws: jws.sha256(),
        reported: claims.reported,
        seen: claims.seen,
    };
    Ok((jws, link))
}

fn verify(jws: &Jws, verifier: &VerifyingKey, entry: &Entry, trust: Trust) -> Result<(), Refusal> {
    let wrong = |detail: String| Refusal::whole(Reason::SignatureWrong, detail);
    if trust == Trust::Nothing {
        return jws.verify_with(verifier).map_err(|fault| wrong(fault.to_string()));
    }
    match entry.ruling.as_ref().map(|ruling| &ruling.verdict) {
        Some(Verdict::Refused(code)) if code == Reason::SignatureWrong.code() => {
            Err(wrong(SignFault::Wrong.to_string()))
        }
        _ => Ok(()),
    }
}

/// What the signature claims, held against the entry.
fn claimed(entry: &Entry, subject: &Subject, registry: &Registry, claims: &Claims) -> Result<(), Refusal> {
    let content_type = entry.content_type.as_ref().and_then(Kept::text).unwrap_or("");
    let origin = if registry.origin.is_empty() { &claims.aud } else { &registry.origin };
    claims.check(&subject.to_string(), content_type, &entry.body.sha256(), origin).map_err(|fault| {
        let reason = match &fault {
            ClaimFault::Origin { .. } => Reason::ClaimsOrigin,
            ClaimFault::Subject { .. } => Reason::ClaimsSubject,
            ClaimFault::ContentType { .. } | ClaimFault::Body { .. } => Reason::ClaimsBody,
        };
        Refusal::whole(reason, fault.to_string())
    })?;
    if let Some(state) = registry.agencies.get(subject.agency.as_str()) {
        let day = entry.recorded.day();
        let early = state.info.valid_from.is_some_and(|from| day < from.first_day());
        let late = state.successor.is_none() && state.info.valid_to.is_some_and(|to| to.last_day() < day);
        if early || late {
            return Err(Refusal::whole(Reason::AgencyNotValid, format!("'{}' on {day}", subject.agency)));
        }
    }
    Ok(())
}

fn report(entry: &Entry, subject: Subject, registry: &Registry, jws: &Jws) -> Result<Report, Refusal> {
    let (body, digests) = match &entry.body {
        Body::Bytes(bytes) => (bytes, &[][..]),
        Body::Withheld(withheld) => (&withheld.text, &withheld.digests[..]),
        Body::Hashed { bytes, .. } => {
            return Err(Refusal::whole(Reason::BodyTooLarge, format!("the body has {bytes} bytes")));
        }
    };
    let malformed = |fault: EnvelopeFault| {
        let fault = Fault { event: fault.event, reason: Reason::EnvelopeMalformed, detail: fault.detail };
        Refusal { reason: Reason::EnvelopeMalformed, faults: vec![fault] }
    };
    let mut events = envelope::parse(&jws.claims().cty, body).map_err(malformed)?;
    // What was said before its texts were masked still is what was said: an equal event is a duplicate of it.
    for (event, digest) in events.iter_mut().zip(digests) {
        event.digest = *digest;
    }
    let schema = registry.schemas.get(subject.kind.as_str()).map(|state| Arc::clone(&state.schema));
    if schema.is_none() && !(registry.origin.is_empty() || bootstraps(&subject)) {
        return Err(Refusal::whole(Reason::TypeUnknown, format!("'{}' is not registered", subject.kind)));
    }
    if registry.origin.is_empty() {
        founds(&subject, &events, jws.key())?;
    }
    let mut planned = Vec::with_capacity(events.len());
    let mut faults = Vec::new();
    for (position, event) in events.into_iter().enumerate() {
        let position = u16::try_from(position).ok();
        match screen_event(&subject, &event, schema.as_deref(), entry.recorded, registry) {
            Ok(effects) => planned.push(Planned { event, effects }),
            Err((reason, detail)) => faults.push(Fault { event: position, reason, detail }),
        }
    }
    match Refusal::of(faults) {
        Some(refusal) => Err(refusal),
        None => Ok(Report { subject, events: planned, reported: jws.claims().reported }),
    }
}

/// Entry 0 is signed by a key that it names as the publishing authority's.
fn founds(subject: &Subject, events: &[Event], key: &str) -> Result<(), Refusal> {
    let named = |event: &Event| {
        let authorities = event.data.get("authorities").and_then(Value::as_array);
        authorities.into_iter().flatten().any(|authority| {
            let code = authority.get("code").and_then(Value::as_str);
            let keys = authority.get("keys").and_then(Value::as_array);
            code == Some(subject.agency.as_str()) && keys.into_iter().flatten().any(|named| named.as_str() == Some(key))
        })
    };
    if subject.channel == Channel::Govern && events.len() == 1 && events.iter().all(named) {
        return Ok(());
    }
    Err(Refusal::whole(Reason::KeyUnknown, format!("entry 0 names no key {key} of '{}'", subject.agency)))
}

/// Schemas themselves enter the log as `schema.registered`: that type has to stand before any schema does.
fn bootstraps(subject: &Subject) -> bool {
    subject.channel == Channel::Govern && matches!(subject.kind.as_str(), "schema.registered.v1")
}

fn screen_event(
    subject: &Subject,
    event: &Event,
    schema: Option<&crate::event::schema::Schema>,
    recorded: Time,
    registry: &Registry,
) -> Result<Vec<Effect>, (Reason, String)> {
    if *event.agency != *subject.agency {
        return Err((Reason::SourceForeign, format!("source is /agencies/{}", event.agency)));
    }
    if *event.kind != *subject.kind {
        return Err((Reason::TypeMismatch, format!("type is '{}'", event.kind)));
    }
    check_time(event.time, recorded)?;
    if let Some(schema) = schema {
        check_data(schema, &event.data)?;
    }
    if subject.channel == Channel::Govern || is_about(&event.kind) {
        return Ok(Vec::new());
    }
    plan(registry, &subject.agency, &event.kind, event.time.day(), &event.data)
}

/// `time` lies in [2000-01-01, recorded + 1 day].
///
/// # Errors
/// [`Reason::TimeOutOfRange`].
pub fn check_time(time: Time, recorded: Time) -> Result<(), (Reason, String)> {
    if time < Time::from_ns(TIME_MIN_NS) || recorded.plus_ns(TIME_AHEAD_NS_MAX) < time {
        return Err((Reason::TimeOutOfRange, format!("time is {time}, recorded {recorded}")));
    }
    Ok(())
}

/// `data` fits the schema of its type.
///
/// # Errors
/// [`Reason::DataInvalid`] with every fault found.
pub fn check_data(schema: &crate::event::schema::Schema, data: &Value) -> Result<(), (Reason, String)> {
    schema.check(data).map_err(|faults| {
        let told: Vec<_> = faults.iter().map(|fault| format!("/data{}: {}", fault.pointer, fault.message)).collect();
        (Reason::DataInvalid, told.join("; "))
    })
}
