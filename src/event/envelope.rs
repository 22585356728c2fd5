//! The envelope: a report's body as CloudEvents 1.0 in JSON, one event or a batch of one type, to and from [`Event`]s.
//!
//! It holds bodies to the shape every report shares. It never looks inside `data` ([`crate::event::schema`] does) and never
//! judges who may report what ([`crate::admit`] does).

use std::{collections::HashSet, sync::Arc};

use serde_json::Value;
use uuid::Uuid;

use super::{
    Event, Time,
    json::{self, Fields, Tree},
    subject::{is_agency_code, is_event_type},
};
use crate::limits::{ATTRIBUTE_NAME_BYTES_MAX, BATCH_EVENTS_MAX, CONTENT_TYPE_BYTES_MAX, EVENT_SUBJECT_BYTES_MAX};

/// Content type of a body that holds one event.
pub const CONTENT_TYPE_EVENT: &str = "application/cloudevents+json";
/// Content type of a body that holds a batch of events of one type.
pub const CONTENT_TYPE_BATCH: &str = "application/cloudevents-batch+json";

/// Why a body is no report: what is wrong, in which event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct EnvelopeFault {
    /// Position of the event in the body, from 0, where it is about one event.
    pub event: Option<u16>,
    /// What is wrong and what is expected.
    pub detail: String,
}

/// An event as a publisher states it.
#[derive(Debug, Clone, PartialEq)]
pub struct NewEvent {
    /// Event id.
    pub id: Uuid,
    /// Agency code.
    pub agency: String,
    /// Event type with version.
    pub kind: String,
    /// When it happened.
    pub time: Time,
    /// The same as it was stated before, where it was: content is compared as text, so an event that comes again keeps it.
    pub time_text: Option<String>,
    /// The thing it is about.
    pub subject: Option<String>,
    /// `data`: an object.
    pub data: Value,
}

/// A fault of one event, before its position is known.
type Detail = String;

/// Reads a body into its events: at least one, all of one agency and one type, no id twice.
///
/// # Errors
/// [`EnvelopeFault`] with the first thing that is wrong.
pub fn parse(content_type: &str, body: &[u8]) -> Result<Vec<Event>, EnvelopeFault> {
    let whole = |detail: String| EnvelopeFault { event: None, detail };
    let batch = is_batch(content_type).map_err(whole)?;
    let items = match (batch, json::read(body).map_err(|fault| whole(fault.to_string()))?) {
        (false, event @ Tree::Object(_)) => vec![event],
        (false, _) => return Err(whole("the body of one event must be a JSON object".into())),
        (true, Tree::Array(items)) if (1..=BATCH_EVENTS_MAX).contains(&items.len()) => items,
        (true, Tree::Array(items)) => {
            return Err(whole(format!("a batch of {} events: give 1 to {BATCH_EVENTS_MAX}", items.len())));
        }
        (true, _) => return Err(whole("the body of a batch must be a JSON array of events".into())),
    };
    let mut events: Vec<Event> = Vec::with_capacity(items.len());
    let mut ids = HashSet::with_capacity(items.len());
    for (position, item) in items.into_iter().enumerate() {
        let at = |detail: Detail| EnvelopeFault { event: u16::try_from(position).ok(), detail };
        let event = event(item, events.first()).map_err(at)?;
        if !ids.insert(event.id) {
            return Err(at(format!("the id {} stands twice in this batch", event.id)));
        }
        events.push(event);
    }
    Ok(events)
}

/// Whether a content type is that of a report: no parameter but a `charset` of UTF-8, so that it says nothing else.
#[must_use]
pub fn is_known(content_type: &str) -> bool {
    is_batch(content_type).is_ok()
}

/// Whether a content type says batch; only a `charset` of UTF-8 may follow it.
fn is_batch(content_type: &str) -> Result<bool, Detail> {
    let fail = || {
        let shown: String = content_type.chars().take(60).flat_map(char::escape_debug).collect();
        format!("the content type is '{shown}': give {CONTENT_TYPE_EVENT} or {CONTENT_TYPE_BATCH}")
    };
    if content_type.len() > CONTENT_TYPE_BYTES_MAX {
        return Err(fail());
    }
    let (media, parameter) = match content_type.split_once(';') {
        Some((media, parameter)) => (media, Some(parameter)),
        None => (content_type, None),
    };
    if let Some(parameter) = parameter {
        let (name, value) = parameter.split_once('=').ok_or_else(fail)?;
        let value = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(value);
        if !name.trim_start().eq_ignore_ascii_case("charset") || !value.eq_ignore_ascii_case("utf-8") {
            return Err(fail());
        }
    }
    match media.trim_end() {
        media if media.eq_ignore_ascii_case(CONTENT_TYPE_EVENT) => Ok(false),
        media if media.eq_ignore_ascii_case(CONTENT_TYPE_BATCH) => Ok(true),
        _ => Err(fail()),
    }
}

/// One event; in a batch, of the type and agency of the `first`.
fn event(item: Tree<'_>, first: Option<&Event>) -> Result<Event, Detail> {
    let digest = json::digest(&item);
    let Tree::Object(attributes) = item else { return Err("an event must be a JSON object".into()) };
    if text(&attributes, "specversion")? != "1.0" {
        return Err("specversion must be \"1.0\"".into());
    }
    let id = id(text(&attributes, "id")?)?;
    let source = text(&attributes, "source")?;
    let agency = source
        .strip_prefix("/agencies/")
        .filter(|agency| is_agency_code(agency))
        .ok_or_else(|| format!("source is '{}', not /agencies/<agency code>", short(source)))?;
    let kind = text(&attributes, "type")?;
    if !is_event_type(kind) {
        return Err(format!("type is '{}', not an event type with version such as charger.installed.v1", short(kind)));
    }
    if let Some(first) = first.filter(|first| *first.kind != *kind) {
        return Err(format!("type is '{kind}' in a batch of '{}': a batch holds one type", first.kind));
    }
    if let Some(first) = first.filter(|first| *first.agency != *agency) {
        return Err(format!("source names '{agency}' in a batch of '{}': a batch is one agency's", first.agency));
    }
    let time = Time::parse(text(&attributes, "time")?).map_err(|error| format!("time: {error}"))?;
    let shared =
        |own: &str, of: fn(&Event) -> &Arc<str>| first.map_or_else(|| Arc::from(own), |first| of(first).clone());
    let (agency, kind) = (shared(agency, |event| &event.agency), shared(kind, |event| &event.kind));
    for (name, value) in &attributes {
        attribute(name, value)?;
    }
    let (mut subject, mut data) = (None, None);
    for (name, value) in attributes {
        match (&*name, value) {
            ("subject", Tree::Text(text)) => subject = Some(text.into_owned()),
            ("data", object @ Tree::Object(_)) => data = Some(Value::from(object)),
            _ => {}
        }
    }
    let data = data.ok_or("data must be a JSON object")?;
    Ok(Event { id, agency, kind, time, subject, data, digest })
}

fn short(text: &str) -> String {
    text.chars().take(60).flat_map(char::escape_debug).collect()
}

fn text<'f>(attributes: &'f Fields<'_>, name: &str) -> Result<&'f str, Detail> {
    match json::field(attributes, name) {
        Some(Tree::Text(text)) => Ok(text),
        Some(_) => Err(format!("{name} must be a string")),
        None => Err(format!("{name} is missing")),
    }
}

/// One canonical form only: `Uuid::parse_str` also takes braces, `urn:`, upper case and no hyphens.
fn id(text: &str) -> Result<Uuid, Detail> {
    let fail = || format!("id is '{}', not a UUID in lower case with hyphens", short(text));
    let id = Uuid::parse_str(text).map_err(|_| fail())?;
    let mut canonical = [0; uuid::fmt::Hyphenated::LENGTH];
    if id.hyphenated().encode_lower(&mut canonical) != text {
        return Err(fail());
    }
    if id.is_nil() {
        return Err("id is the nil UUID, which names no event".into());
    }
    Ok(id)
}

/// Holds every attribute to CloudEvents: names, the optional ones, and extensions, which are kept in the digest only.
fn attribute(name: &str, value: &Tree<'_>) -> Result<(), Detail> {
    let plain = |text: &str| !text.is_empty() && !text.chars().any(char::is_control);
    match (name, value) {
        ("specversion" | "id" | "source" | "type" | "time" | "data", _) => Ok(()),
        ("subject", Tree::Text(text)) if plain(text) && text.len() <= EVENT_SUBJECT_BYTES_MAX => Ok(()),
        ("subject", _) => Err(format!("subject must be a text of 1 to {EVENT_SUBJECT_BYTES_MAX} bytes on one line")),
        ("datacontenttype", Tree::Text(text)) if text == "application/json" => Ok(()),
        ("datacontenttype", _) => Err("datacontenttype must be absent or \"application/json\"".into()),
        ("dataschema", Tree::Text(text)) if plain(text) => Ok(()),
        ("dataschema", _) => Err("dataschema must be a URI".into()),
        (name, _) if !is_attribute_name(name) => Err(format!(
            "'{}' is no CloudEvents attribute: names are 1 to {ATTRIBUTE_NAME_BYTES_MAX} of a-z and 0-9",
            short(name)
        )),
        (_, Tree::Text(_) | Tree::Bool(_)) => Ok(()),
        // CloudEvents knows one Integer: 32 bits, without fraction or exponent.
        (_, Tree::Number(number)) if number.as_str().parse::<i32>().is_ok() => Ok(()),
        (name, _) => Err(format!("the attribute {name} must be a string, a boolean or a 32-bit integer")),
    }
}

fn is_attribute_name(name: &str) -> bool {
    (1..=ATTRIBUTE_NAME_BYTES_MAX).contains(&name.len())
        && name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9'))
}

/// Content type and body for events of one type and agency: a single object for one, else a batch. What [`parse`] refuses
/// (no events, too many, mixed types) is encoded as asked: a publisher parses what it is about to sign.
#[must_use]
pub fn encode(events: &[NewEvent]) -> (&'static str, Vec<u8>) {
    if let [event] = events {
        return (CONTENT_TYPE_EVENT, encode_one(event).into_bytes());
    }
    let items: Vec<String> = events.iter().map(encode_one).collect();
    (CONTENT_TYPE_BATCH, format!("[{}]", items.join(",\n")).into_bytes())
}

/// Attributes in reading order: an auditor reads bodies with `cat`.
fn encode_one(event: &NewEvent) -> String {
    let quoted = |text: &str| Value::from(text).to_string();
    let mut out = format!(
        "{{\"specversion\":\"1.0\",\"id\":\"{}\",\"source\":{},\"type\":{},\"time\":\"{}\"",
        event.id.hyphenated(),
        quoted(&format!("/agencies/{}", event.agency)),
        quoted(&event.kind),
        event.time_text.clone().unwrap_or_else(|| event.time.to_string())
    );
    if let Some(subject) = &event.subject {
        out.push_str(&format!(",\"subject\":{}", quoted(subject)));
    }
    out.push_str(&format!(",\"data\":{}}}", event.data));
    out
}

#[cfg(test)]
#[path = "envelope_tests.rs"]
mod tests;
