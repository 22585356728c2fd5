//! What the service `jindo` tells of figures and entries: `jindo.progress` and `jindo.entry`.

use serde::Deserialize;

use super::as_of::NoMoment;
use super::halt::Halt;
use super::shared::Shared;
use crate::event::Day;

/// Where progress is asked for.
pub const PROGRESS_SUBJECT: &str = "jindo.progress";
/// Where entries are asked for.
pub const ENTRY_SUBJECT: &str = "jindo.entry";

/// A question at [`PROGRESS_SUBJECT`]; the answer is the JSON of `GET /v1/indicators[/{id}]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProgressQuestion {
    /// One commitment; none: all of them.
    pub indicator: Option<String>,
    /// What had happened by the end of this day; default today in Seoul.
    pub as_of: Option<Day>,
    /// What was recorded in the first so many entries; default everything.
    pub known_at: Option<u64>,
}

/// A question at [`ENTRY_SUBJECT`]; the answer is the entry's text.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EntryQuestion {
    /// Which.
    pub index: u64,
}

/// Code and text of an error, as NATS services have them.
pub type Refusal = (usize, String);

fn asked<'a, T: Deserialize<'a>>(payload: &'a [u8]) -> Result<T, Refusal> {
    serde_json::from_slice(payload).map_err(|error| (400, format!("request is malformed: {error}")))
}

fn unreadable(shared: &Shared, met: impl Into<Halt>) -> Refusal {
    let met = met.into();
    tracing::error!(%met, "a question cannot be answered");
    shared.doubt(&met);
    (500, "the ledger could not read its rows; ask again".to_owned())
}

/// The answer to a [`ProgressQuestion`]; an empty payload asks for all as of now.
///
/// # Errors
/// 400 malformed, 404 no such indicator, 425 not folded yet, 500.
pub fn progress(shared: &Shared, payload: &[u8]) -> Result<Vec<u8>, Refusal> {
    let question = if payload.is_empty() { ProgressQuestion::default() } else { asked(payload)? };
    let then = shared.as_of(question.as_of, question.known_at).map_err(|error| match error {
        NoMoment::NotYet { .. } => (425, error.to_string()),
        NoMoment::Halt(halt) => unreadable(shared, halt),
    })?;
    let json = match &question.indicator {
        None => serde_json::to_vec(&then.all().map_err(|doubt| unreadable(shared, doubt))?),
        Some(id) => {
            let state = then.registry.indicators.get(id.as_str());
            let state = state.ok_or_else(|| (404, format!("there is no indicator '{id}'")))?;
            serde_json::to_vec(&then.one(state).map_err(|doubt| unreadable(shared, doubt))?)
        }
    };
    json.map_err(|error| (500, error.to_string()))
}

/// The answer to an [`EntryQuestion`].
///
/// # Errors
/// 400 malformed, 404 no such entry yet, 500.
pub fn entry(shared: &Shared, payload: &[u8]) -> Result<Vec<u8>, Refusal> {
    let EntryQuestion { index } = asked(payload)?;
    if index >= *shared.sizes().borrow() {
        return Err((404, format!("there is no entry {index} yet")));
    }
    shared.log().read(index).map_err(|fault| unreadable(shared, fault))
}
