//! The stream as jindo demands it, and everything that makes an existing one weaker.
//!
//! Works on the server's own JSON rather than on a client's struct: a flag the client library does not know yet is
//! still seen. Never changes a stream that exists.

use async_nats::jetstream::{self, kv};
use serde_json::{Value, json};

use super::{Link, StreamError};
use crate::limits::MESSAGE_BYTES_MAX;

/// The bucket dashboards watch: one key per indicator.
pub const PROGRESS_BUCKET: &str = "PROGRESS";
/// Subjects of the stream.
pub const SUBJECTS: [&str; 2] = ["ledger.report.>", "ledger.govern.>"];
/// Messages with a message id are compared over this long: as short as the server takes, because one agency's message
/// id silently swallows another's message.
const DUPLICATE_WINDOW_NS: u64 = 100_000_000;
/// `err_code`: no such stream.
pub(super) const STREAM_NOT_FOUND: u64 = 10_059;

/// `LEDGER_1`: the first stream; a recovery starts the next.
#[must_use]
pub fn stream_name(number: u32) -> String {
    format!("LEDGER_{number}")
}

/// The declaration sent to the server.
#[must_use]
pub fn declaration(name: &str, first_sequence: u64, replicas: u32) -> Value {
    let mut config = json!({
        "name": name,
        "description": "jindo: signed reports, in the order they arrived",
        "subjects": SUBJECTS,
        "retention": "limits",
        "storage": "file",
        "discard": "new",
        "max_consumers": -1,
        "max_msgs": -1,
        "max_msgs_per_subject": -1,
        "max_bytes": -1,
        "max_age": 0,
        "max_msg_size": MESSAGE_BYTES_MAX,
        "num_replicas": replicas,
        "duplicate_window": DUPLICATE_WINDOW_NS,
        "deny_delete": true,
        "deny_purge": true,
        "allow_rollup_hdrs": false,
        "allow_direct": false,
        "allow_atomic": true,
    });
    if first_sequence > 1 {
        config["first_seq"] = first_sequence.into();
    }
    config
}

/// What a field must be.
enum Must {
    /// This, exactly.
    Be(Value),
    /// Without limit: absent, 0 or negative.
    Unlimited,
    /// At most this.
    AtMost(u64),
    /// Absent, false, empty.
    Absent,
    /// Anything.
    Anything,
}

/// Every field jindo has an opinion on, and what a weaker value would cost.
fn demands(name: &str) -> Vec<(&'static str, Must, &'static str)> {
    use Must::{Absent, Anything, AtMost, Be, Unlimited};
    vec![
        ("name", Be(name.into()), "it is another stream"),
        ("subjects", Be(json!(SUBJECTS)), "reports would be missing, or strangers' messages stored"),
        ("retention", Be("limits".into()), "messages vanish once they are read"),
        ("storage", Be("file".into()), "a restart loses every message"),
        ("discard", Be("new".into()), "old messages make room for new ones"),
        ("max_msgs", Unlimited, "messages beyond the limit are removed or refused"),
        ("max_msgs_per_subject", Unlimited, "messages beyond the limit are removed or refused"),
        ("max_bytes", Unlimited, "messages beyond the limit are removed or refused"),
        ("max_age", Unlimited, "messages vanish with age"),
        ("max_consumers", Unlimited, "the projector could be kept from reading"),
        (
            "max_msg_size",
            Be(MESSAGE_BYTES_MAX.into()),
            "reports would be refused, or entries grow beyond what the log carries",
        ),
        ("duplicate_window", AtMost(DUPLICATE_WINDOW_NS), "a message id of one agency swallows messages of another"),
        ("deny_delete", Be(true.into()), "single messages can be removed"),
        ("deny_purge", Be(true.into()), "all messages can be removed"),
        ("allow_rollup_hdrs", Absent, "one message can remove all before it"),
        ("allow_msg_ttl", Absent, "a publisher can make a message vanish"),
        ("subject_delete_marker_ttl", Absent, "messages vanish with age"),
        ("allow_msg_schedules", Absent, "messages are stored at another time than they arrived"),
        ("allow_msg_counter", Absent, "bodies are rewritten by the server"),
        ("allow_atomic", Be(true.into()), "batches cannot be published"),
        ("allow_batched", Absent, "acknowledgements come before the message is on disk"),
        ("persist_mode", Be("default".into()), "acknowledgements come before the message is on disk"),
        ("no_ack", Absent, "publishers never learn whether a report was stored"),
        ("sealed", Absent, "nothing can be published"),
        ("discard_new_per_subject", Absent, "messages beyond a limit are refused"),
        ("mirror", Absent, "messages come from another stream"),
        ("sources", Absent, "messages come from another stream"),
        ("subject_transform", Absent, "subjects are rewritten, signatures no longer match"),
        ("republish", Absent, "every report is sent on to another subject"),
        ("template_owner", Absent, "a template may change it"),
        ("description", Anything, ""),
        ("num_replicas", Anything, ""),
        ("allow_direct", Anything, ""),
        ("mirror_direct", Anything, ""),
        ("compression", Anything, ""),
        ("first_seq", Anything, ""),
        ("placement", Anything, ""),
        ("metadata", Anything, ""),
        ("consumer_limits", Anything, ""),
    ]
}

fn is_absent(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(flag) => !flag,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.values().all(is_absent),
    }
}

/// Every way in which a stream's configuration (as the server tells it) is weaker than demanded; empty when it is not.
#[must_use]
pub fn weaknesses(name: &str, config: &Value) -> Vec<String> {
    let demands = demands(name);
    let mut found = Vec::new();
    for (field, must, cost) in &demands {
        let value = config.get(*field).unwrap_or(&Value::Null);
        let (ok, wanted) = match must {
            Must::Anything => (true, String::new()),
            // The default of the persistence mode is not told by the server.
            Must::Be(wanted) if *field == "persist_mode" => (value == wanted || is_absent(value), wanted.to_string()),
            Must::Be(wanted) => (value == wanted, wanted.to_string()),
            Must::Unlimited => (is_absent(value) || value.as_i64().is_some_and(|n| n < 0), "no limit".to_owned()),
            Must::AtMost(most) => (value.as_u64().is_some_and(|n| n <= *most && n > 0), format!("at most {most}")),
            Must::Absent => (is_absent(value), "absent".to_owned()),
        };
        if !ok {
            found.push(format!("{field} is {value}, must be {wanted}: {cost}"));
        }
    }
    for (field, value) in config.as_object().into_iter().flatten() {
        if !is_absent(value) && !demands.iter().any(|(known, ..)| known == field) {
            found.push(format!("{field} is {value}: this version of jindo does not know what it does"));
        }
    }
    found
}

/// Weaknesses of the stream as it stands on the server; `None` when there is no such stream.
///
/// # Errors
/// [`StreamError::Api`], [`StreamError::NoAnswer`].
pub async fn inspect(link: &Link, name: &str) -> Result<Option<Vec<String>>, StreamError> {
    match link.api(&format!("STREAM.INFO.{name}"), &Value::Null).await {
        Ok(info) => Ok(Some(weaknesses(name, info.get("config").unwrap_or(&Value::Null)))),
        Err(StreamError::Api { code: STREAM_NOT_FOUND, .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Creates the stream where there is none, and refuses one that is weaker than demanded. `first_sequence` is 1 but after
/// a recovery. True when it was created now.
///
/// # Errors
/// [`StreamError::Weak`], [`StreamError::Api`], [`StreamError::NoAnswer`].
pub async fn declare(link: &Link, name: &str, first_sequence: u64, replicas: u32) -> Result<bool, StreamError> {
    let created = inspect(link, name).await?.is_none();
    if created {
        link.api(&format!("STREAM.CREATE.{name}"), &declaration(name, first_sequence, replicas)).await?;
    }
    // Read back even what was just created: a server may drop a flag it does not know.
    match inspect(link, name).await? {
        Some(found) if found.is_empty() => Ok(created),
        Some(weaknesses) => Err(StreamError::Weak { stream: name.to_owned(), weaknesses }),
        None => {
            Err(StreamError::NoAnswer { what: format!("STREAM.INFO.{name}"), why: "the new stream is gone".to_owned() })
        }
    }
}

/// The in-memory bucket `PROGRESS` on one server, created where there is none. Needs the operator's key.
///
/// # Errors
/// [`StreamError::NoAnswer`].
pub async fn progress_bucket(link: &Link) -> Result<kv::Store, StreamError> {
    progress_bucket_on(link, 1).await
}

/// As [`progress_bucket`], held by so many servers of a cluster: it outlives one of them. Where there are not so many right now,
/// the one that exists is taken, or one is made on a single server.
///
/// # Errors
/// [`StreamError::NoAnswer`].
pub async fn progress_bucket_on(link: &Link, replicas: usize) -> Result<kv::Store, StreamError> {
    let context = jetstream::new(link.client.clone());
    let config = |num_replicas| kv::Config {
        bucket: PROGRESS_BUCKET.to_owned(),
        description: "jindo: progress, one key per indicator; made anew from the log at any time".to_owned(),
        history: 1,
        storage: jetstream::stream::StorageType::Memory,
        num_replicas,
        ..kv::Config::default()
    };
    let mut made = context.create_or_update_key_value(config(replicas)).await;
    if made.is_err() && replicas > 1 {
        if let Ok(bucket) = context.get_key_value(PROGRESS_BUCKET).await {
            return Ok(bucket);
        }
        made = context.create_or_update_key_value(config(1)).await;
    }
    let what = || format!("key-value bucket {PROGRESS_BUCKET}");
    made.map_err(|error| StreamError::NoAnswer { what: what(), why: error.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_declaration_is_strong() {
        assert_eq!(weaknesses("LEDGER_1", &declaration("LEDGER_1", 1, 3)), Vec::<String>::new());
    }

    #[test]
    fn each_weakness_is_named() {
        let check = |field: &str, value: Value| {
            let mut config = declaration("LEDGER_1", 1, 1);
            config[field] = value;
            let found = weaknesses("LEDGER_1", &config);
            assert_eq!(found.len(), 1, "{field}: {found:?}");
            assert!(found[0].starts_with(field), "{found:?}");
        };
        check("subjects", json!(["ledger.>"]));
        check("retention", "workqueue".into());
        check("storage", "memory".into());
        check("discard", "old".into());
        check("max_msgs", 3.into());
        check("max_msgs_per_subject", 1.into());
        check("max_bytes", 1_000_000.into());
        check("max_age", 1_000_000_000u64.into());
        check("max_msg_size", (-1).into());
        check("duplicate_window", 120_000_000_000u64.into());
        check("deny_delete", false.into());
        check("deny_purge", false.into());
        check("allow_rollup_hdrs", true.into());
        check("allow_msg_ttl", true.into());
        check("allow_atomic", false.into());
        check("persist_mode", "async".into());
        check("mirror", json!({"name": "OTHER"}));
        check("republish", json!({"src": ">", "dest": "copy.>"}));
        check("a_flag_of_tomorrow", true.into());
    }
}
