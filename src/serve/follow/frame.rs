//! What followers are sent: frames of Server-Sent Events (WHATWG HTML, section 9.2), made once for all of them.
//!
//! A frame is one event: every indicator that changed at one size and day, so that its id stands for all of it. The id is
//! `<size>.<date>`; who comes back with it gets what came after.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::ops::Range;

use bytes::Bytes;
use serde_json::json;

use crate::event::Day;
use crate::projector::changes::Changes;

/// One event of the stream, shared by all followers.
#[derive(Debug)]
pub struct Frame {
    /// Counts up by one.
    pub number: u64,
    /// Event id.
    pub id: String,
    whole: Bytes,
    /// What stands before the first indicator.
    head: usize,
    /// Id and place of each indicator.
    parts: Vec<(String, Range<usize>)>,
}

/// What stands after the last indicator.
const END: &str = "]}\n\n";

impl Frame {
    /// Of indicators that changed.
    pub fn new(number: u64, day: Day, changes: &Changes) -> Self {
        let id = format!("{}.{day}", changes.size);
        let mut whole = head("progress", &id, day, changes).into_bytes();
        let head = whole.len();
        let mut parts = Vec::with_capacity(changes.indicators.len());
        for changed in &changes.indicators {
            if whole.len() > head {
                whole.push(b',');
            }
            let from = whole.len();
            whole.extend_from_slice(&changed.json);
            parts.push((changed.id.clone(), from..whole.len()));
        }
        whole.extend_from_slice(END.as_bytes());
        Frame { number, id, whole: whole.into(), head, parts }
    }

    /// Bytes it holds.
    pub fn len(&self) -> usize {
        self.whole.len()
    }

    /// Its bytes for a follower of these indicators; of none: nothing.
    pub fn bytes(&self, wanted: &Wanted) -> Option<Bytes> {
        if wanted.is_all() {
            return Some(self.whole.clone());
        }
        let mine = self.parts.iter().filter(|(id, _)| wanted.has(id));
        let mine: Vec<_> = mine.filter_map(|(_, place)| self.whole.get(place.clone())).collect();
        let head = self.whole.get(..self.head)?;
        (!mine.is_empty()).then(|| [head, mine.join(&b','.to_owned()).as_slice(), END.as_bytes()].concat().into())
    }
}

/// Which indicators a follower asked for: each once, however often it was named.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted(BTreeSet<String>);

impl Wanted {
    /// These; none named means all.
    pub fn new(ids: Vec<String>) -> Self {
        Wanted(ids.into_iter().collect())
    }

    /// Whether every indicator is wanted.
    pub fn is_all(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether it is one of them.
    pub fn has(&self, id: &str) -> bool {
        self.is_all() || self.0.contains(id)
    }

    /// Those asked for by name.
    pub fn named(&self) -> &BTreeSet<String> {
        &self.0
    }
}

fn head(event: &str, id: &str, day: Day, changes: &Changes) -> String {
    let told = json!({
        "size": changes.size,
        "proven_size": changes.proven_size,
        "as_of": day,
        "known_at": changes.known_at,
        "origin": changes.origin,
        "simulated": changes.simulated,
    });
    // An object without its end: the indicators follow as they are.
    let told = told.to_string();
    let mut head = String::new();
    let _ = write!(head, "event: {event}\nid: {id}\ndata: {},\"indicators\":[", told.trim_end_matches('}'));
    head
}

/// Where the fields begin that say of which moment an indicator is; they come last
/// ([`IndicatorView`](crate::store::progress::view::IndicatorView)).
const MOMENT: &[u8] = b",\"as_of\":";

/// An indicator without its moment: it stays as it is while the log goes on.
pub fn timeless(json: &[u8]) -> Bytes {
    let end = json.windows(MOMENT.len()).rposition(|part| part == MOMENT);
    Bytes::copy_from_slice(end.and_then(|end| json.get(..end)).unwrap_or(json))
}

/// The indicators as they stand: what a follower begins with. `held` has each, [`timeless`].
pub fn snapshot<'a>(id: &str, day: Day, of: &Changes, held: impl Iterator<Item = &'a Bytes>) -> Bytes {
    let mut bytes = head("snapshot", id, day, of).into_bytes();
    let from = bytes.len();
    let known_at = json!(of.known_at);
    let moment = format!("\"{day}\",\"known_at\":{known_at},\"size\":{},\"proven_size\":{}}}", of.size, of.proven_size);
    for json in held {
        if bytes.len() > from {
            bytes.push(b',');
        }
        bytes.extend_from_slice(json);
        bytes.extend_from_slice(MOMENT);
        bytes.extend_from_slice(moment.as_bytes());
    }
    bytes.extend_from_slice(END.as_bytes());
    bytes.into()
}

/// An event that moves nothing: how the ledger is doing, or why the stream ends. With an id where all up to it was sent.
pub fn note(event: &str, id: Option<&str>, data: &serde_json::Value) -> Bytes {
    let id = id.map_or(String::new(), |id| format!("id: {id}\n"));
    format!("event: {event}\n{id}data: {data}\n\n").into()
}
