//! The streams of one ledger: `LEDGER_1`, and after each recovery the next.
//!
//! A stream is *open* (takes reports), *retired* (sealed, its subjects given up, kept for ever) or *begun*: the next one
//! while a recovery fills it. A begun stream takes messages under `recover.<name>.>` alone, which no agency may publish
//! to, and stores them under their own subjects; opening it gives it the subjects of reports in one step. So what a
//! recovery brings stands before everything new, and nobody else can claim to have recovered anything.

use bytes::Bytes;
use serde_json::{Value, json};

use super::{
    Link, StreamError,
    declare::{STREAM_NOT_FOUND, SUBJECTS, declaration, inspect, stream_name},
    finding::{Finding, ReadError},
};
use crate::{
    limits::{MESSAGE_BYTES_MAX, RECOVERED_BYTES_MAX},
    log::{Arrival, entry::HEADER_RECOVERED},
};

/// Metadata of a begun stream.
const BEGUN: &str = "jindo-recovering";
/// Metadata of a stream that a recovery opened: the last sequence it put there.
const UPTO: &str = "jindo-recovered-upto";

/// Where a stream stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Takes reports.
    Open,
    /// Sealed.
    Retired,
    /// Being filled by a recovery.
    Begun,
}

/// The number of `LEDGER_<n>`; `None` for any other name.
#[must_use]
pub fn number_of(name: &str) -> Option<u32> {
    let number = name.strip_prefix("LEDGER_")?.parse().ok()?;
    (stream_name(number) == name).then_some(number)
}

/// The subject under which a begun stream takes a message of this subject.
#[must_use]
pub fn recover_subject(stream: &str, subject: &str) -> String {
    format!("recover.{stream}.{}", subject.strip_prefix("ledger.").unwrap_or(subject))
}

fn retired_subject(stream: &str) -> String {
    format!("retired.{stream}.>")
}

/// Numbers of the ledger's streams on the server, ascending.
///
/// # Errors
/// [`StreamError`].
pub async fn numbers(link: &Link) -> Result<Vec<u32>, StreamError> {
    let (mut found, mut offset) = (Vec::new(), 0);
    loop {
        let page = link.api("STREAM.NAMES", &json!({ "offset": offset })).await?;
        let names = page.get("streams").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        found.extend(names.iter().filter_map(|name| number_of(name.as_str()?)));
        offset += names.len();
        let total = page.get("total").and_then(Value::as_u64).unwrap_or(0);
        if names.is_empty() || offset as u64 >= total {
            break;
        }
    }
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

async fn config(link: &Link, name: &str) -> Result<Option<Value>, StreamError> {
    match link.api(&format!("STREAM.INFO.{name}"), &Value::Null).await {
        Ok(mut info) => Ok(info.get_mut("config").map(Value::take)),
        Err(StreamError::Api { code: STREAM_NOT_FOUND, .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Where a stream stands; `None` where there is none.
///
/// # Errors
/// [`StreamError`].
pub async fn stage(link: &Link, name: &str) -> Result<Option<Stage>, StreamError> {
    Ok(config(link, name).await?.map(|config| stage_of(name, &config)))
}

fn stage_of(name: &str, config: &Value) -> Stage {
    let sealed = config.get("sealed").and_then(Value::as_bool).unwrap_or(false);
    if config.pointer(&format!("/metadata/{BEGUN}")).is_some() {
        Stage::Begun
    } else if sealed || config.get("subjects") == Some(&json!([retired_subject(name)])) {
        Stage::Retired
    } else {
        Stage::Open
    }
}

/// Last sequence that a recovery put into a stream of this configuration.
pub(super) fn recovered_upto(config: &Value) -> Option<u64> {
    config.pointer(&format!("/metadata/{UPTO}"))?.as_str()?.parse().ok()
}

/// The stream that intake reads: the newest on the server. `named` is the newest that the log names. `None` where there is
/// none yet.
///
/// # Errors
/// [`Finding::Gone`] where the log names a newer one, [`Finding::Retired`] where a recovery did not end.
pub async fn newest(link: &Link, named: Option<u32>) -> Result<Option<String>, ReadError> {
    let newest = numbers(link).await?.pop();
    if let Some(named) = named.filter(|named| newest.is_none_or(|newest| newest < *named)) {
        return Err(Finding::Gone { stream: stream_name(named).into() }.into());
    }
    let Some(name) = newest.map(stream_name) else { return Ok(None) };
    match stage(link, &name).await? {
        Some(Stage::Open) => Ok(Some(name)),
        Some(Stage::Retired | Stage::Begun) => Err(Finding::Retired { stream: name.into() }.into()),
        None => Err(Finding::Gone { stream: name.into() }.into()),
    }
}

/// Retires a stream: it gives up its subjects and is sealed, in one step. Replicas it had; `None` where there is none.
///
/// # Errors
/// [`StreamError`].
pub async fn retire(link: &Link, name: &str) -> Result<Option<u32>, StreamError> {
    let Some(mut config) = config(link, name).await? else { return Ok(None) };
    let replicas = config.get("num_replicas").and_then(Value::as_u64).and_then(|n| u32::try_from(n).ok());
    let released = json!([retired_subject(name)]);
    if config.get("sealed") != Some(&Value::Bool(true)) || config.get("subjects") != Some(&released) {
        config["subjects"] = released;
        config["sealed"] = true.into();
        link.api(&format!("STREAM.UPDATE.{name}"), &config).await?;
    }
    Ok(Some(replicas.unwrap_or(1)))
}

/// Begins a stream. One that was begun before and not opened is removed first: only a recovery wrote to it.
///
/// # Errors
/// [`StreamError`].
pub async fn begin(link: &Link, name: &str, first_sequence: u64, replicas: u32) -> Result<(), StreamError> {
    if stage(link, name).await? == Some(Stage::Begun) {
        link.api(&format!("STREAM.DELETE.{name}"), &Value::Null).await?;
    }
    let mut config = declaration(name, first_sequence, replicas);
    config["subjects"] = json!([recover_subject(name, ">")]);
    config["subject_transform"] = json!({ "src": recover_subject(name, ">"), "dest": "ledger.>" });
    // A message as large as a stream takes grows by the header of its recovery.
    config["max_msg_size"] = (MESSAGE_BYTES_MAX + RECOVERED_BYTES_MAX).into();
    config["metadata"] = json!({ BEGUN: "1" });
    link.api(&format!("STREAM.CREATE.{name}"), &config).await?;
    Ok(())
}

/// Opens a stream that was begun: from now on it takes reports, and vouches for what a recovery put there up to `upto`.
///
/// # Errors
/// [`StreamError`]; [`StreamError::Weak`] where it is not as declared afterwards.
pub async fn open(link: &Link, name: &str, upto: u64) -> Result<(), StreamError> {
    let gone =
        || StreamError::NoAnswer { what: format!("STREAM.INFO.{name}"), why: "the new stream is gone".to_owned() };
    let mut config = config(link, name).await?.ok_or_else(gone)?;
    config["subjects"] = json!(SUBJECTS);
    config["max_msg_size"] = MESSAGE_BYTES_MAX.into();
    config["metadata"] = json!({ UPTO: upto.to_string() });
    if let Some(fields) = config.as_object_mut() {
        fields.remove("subject_transform");
    }
    link.api(&format!("STREAM.UPDATE.{name}"), &config).await?;
    match inspect(link, name).await?.ok_or_else(gone)? {
        weaknesses if weaknesses.is_empty() => Ok(()),
        weaknesses => Err(StreamError::Weak { stream: name.to_owned(), weaknesses }),
    }
}

/// Takes from a message what its stream does not vouch for: a header of recovery behind `upto`. Up to there a subject with a
/// wildcard in it, which the server does not map, gets its own form back.
pub(super) fn vouch(arrival: &mut Arrival, upto: u64) {
    if arrival.sequence > upto {
        arrival.headers.retain(|(name, _)| !name.eq_ignore_ascii_case(HEADER_RECOVERED));
        return;
    }
    let prefix = recover_subject(&arrival.stream, "");
    if let Some(rest) = arrival.subject.strip_prefix(prefix.as_bytes()) {
        arrival.subject = Bytes::from([b"ledger.", rest].concat());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{event::Time, log::entry::Entry};

    #[test]
    fn numbers_of_names() {
        for (name, number) in [
            ("LEDGER_1", Some(1)),
            ("LEDGER_12", Some(12)),
            ("LEDGER_01", None),
            ("LEDGER_", None),
            ("KV_LEDGER_1", None),
        ] {
            assert_eq!(number_of(name), number, "{name}");
        }
    }

    #[test]
    fn stages() {
        let config = declaration("LEDGER_1", 1, 1);
        assert_eq!(stage_of("LEDGER_1", &config), Stage::Open);
        let with = |field: &str, value: Value| {
            let mut config = config.clone();
            config[field] = value;
            stage_of("LEDGER_1", &config)
        };
        assert_eq!(with("sealed", true.into()), Stage::Retired);
        assert_eq!(with("subjects", json!(["retired.LEDGER_1.>"])), Stage::Retired);
        assert_eq!(with("metadata", json!({ BEGUN: "1" })), Stage::Begun);
        assert_eq!(with("metadata", json!({ UPTO: "41" })), Stage::Open);
    }

    #[test]
    fn nobody_but_a_recovery_says_that_it_recovered() {
        let arrival = Arrival {
            stream: "LEDGER_2".into(),
            sequence: 41,
            recorded: Time::from_ns(0),
            subject: Bytes::from_static(b"recover.LEDGER_2.report.keco.*"),
            headers: vec![("ledger-recovered".to_owned(), Bytes::from_static(b"LEDGER_1 57 2026-03-01T23:59:59Z"))],
            body: Bytes::new(),
        };
        let entry = |upto| {
            let mut arrival = arrival.clone();
            vouch(&mut arrival, upto);
            Entry::of_arrival(40, &arrival)
        };
        let place = Some(("LEDGER_1".to_owned(), 57, Time::parse("2026-03-01T23:59:59Z").unwrap()));
        assert_eq!((entry(41).recovered, entry(41).subject.text()), (place, Some("ledger.report.keco.*")));
        assert_eq!((entry(40).recovered, entry(40).subject.text()), (None, Some("recover.LEDGER_2.report.keco.*")));
    }
}
