//! What the service `jindo` tells of figures and entries: `jindo.progress` and `jindo.entry`.

use serde::Deserialize;

use super::halt::Halt;
use super::shared::Shared;
use crate::event::{Day, Time};
use crate::store::moment::At;
use crate::store::progress::{self, Moment};

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
    let shown = shared.shown();
    let size = question.known_at.unwrap_or(shown.size());
    if size > shown.size() {
        return Err((425, format!("{size} entries are not folded yet, {} are", shown.size())));
    }
    let log = shared.log();
    let known_at = size.checked_sub(1).map(|last| log.recorded(last)).transpose();
    let moment = Moment {
        as_of: question.as_of.unwrap_or_else(|| Time::now().day()),
        size,
        proven_size: shared.proven_size().min(size),
        known_at: known_at.map_err(|fault| unreadable(shared, fault))?,
    };
    let registry = shared.registry_at(size).map_err(|halt| unreadable(shared, halt))?;
    let forecasts = shared.reader().forecasts_until(size).map_err(|doubt| unreadable(shared, doubt))?;
    let source = At::with_log(shown.view, moment, &log, &registry);
    let json = match &question.indicator {
        None => {
            let view = progress::all(&registry, &source, &forecasts, moment);
            serde_json::to_vec(&view.map_err(|doubt| unreadable(shared, doubt))?)
        }
        Some(id) => {
            let state = registry.indicators.get(id.as_str());
            let state = state.ok_or_else(|| (404, format!("there is no indicator '{id}'")))?;
            let view = progress::indicator(&registry, state, &source, &forecasts, moment);
            serde_json::to_vec(&view.map_err(|doubt| unreadable(shared, doubt))?)
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
