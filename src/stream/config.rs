//! The text of a safe `nats-server` configuration: every write on disk before its acknowledgement, one NKey user per
//! agency key, least permissions.
//!
//! Never writes a secret: users are public keys. Never opens a port beyond the one asked for.

use std::{fmt::Write as _, path::PathBuf};

use super::{
    cluster::{ClusterConfig, cluster_text},
    declare::stream_name,
};
use crate::event::subject::is_agency_code;
use crate::limits::{NATS_LOG_BYTES_MAX, STREAMS_DENIED};

/// What the configuration is made of.
#[derive(Debug, Clone)]
pub struct NatsConfig {
    /// `server_name`: how a client tells its own server from another.
    pub name: String,
    /// Address to listen on: `127.0.0.1`.
    pub host: String,
    /// Port; -1 takes any free one (read it from the ports file).
    pub port: i32,
    /// JetStream's folder.
    pub store_dir: PathBuf,
    /// Its neighbours; `None` stands alone.
    pub cluster: Option<ClusterConfig>,
    /// Folder for the file that tells the actual port; `None` writes none.
    pub ports_dir: Option<PathBuf>,
    /// Log file; `None` logs to standard error.
    pub log_file: Option<PathBuf>,
    /// Public keys `U…` of operators (the projector): everything.
    pub operators: Vec<String>,
    /// Agencies' keys.
    pub agencies: Vec<AgencyUser>,
    /// Public keys of announcers (the projector): write the bucket `PROGRESS`, in an account of its own.
    pub announcers: Vec<String>,
    /// Public keys of dashboards: may read the bucket `PROGRESS` and ask the service, nothing else.
    pub dashboards: Vec<String>,
}

/// One key of an agency.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct AgencyUser {
    /// Agency code: `keco`.
    pub agency: String,
    /// Public key `U…`.
    pub key: String,
}

/// Why a configuration cannot be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// Would end up as a wildcard or break out of its quotes.
    #[error(
        "'{0}' is no agency code: lower-case letters, digits and dashes, 2 to 32, beginning with a letter, and not 'log', 'operator', 'announcer' or 'dashboard'"
    )]
    Agency(String),
    /// Not an NKey user.
    #[error("'{0}' is no public user key: 56 characters beginning with U, as `jindo keygen` prints")]
    Key(String),
    /// The same key for two users.
    #[error("key {0} is given to two users: each publishing process has a key of its own")]
    Twice(String),
    /// No address of a server.
    #[error("'{0}' is no host:port of a server: give 10.0.0.6:6222, without a scheme, a user or a path")]
    Route(String),
    /// Whoever may connect a route may publish as any agency.
    #[error(
        "anybody who reaches {0} could join the cluster and publish as any agency: give certificates for its routes, or listen on 127.0.0.1"
    )]
    OpenRoutes(String),
    /// Breaks out of its quotes.
    #[error("'{0}' cannot stand in a configuration file: it holds a quote, a backslash or a control character")]
    Text(String),
}

/// The prefix of the inboxes an agency may subscribe to: `_INBOX_keco`. Private, so that no agency reads what another
/// is answered.
#[must_use]
pub fn inbox_prefix(agency: &str) -> String {
    format!("_INBOX_{agency}")
}

/// Subjects of the service `jindo` that agencies and dashboards may ask.
const SERVICE: [&str; 8] = [
    "jindo.status",
    "jindo.progress",
    "jindo.progress.>",
    "jindo.receipt",
    "jindo.receipt.>",
    "jindo.entry",
    "jindo.entry.>",
    "jindo.status.>",
];

/// What the account of the agencies may reach in the account of the ledger.
const SHARED: [&str; 3] = ["ledger.report.>", "ledger.govern.>", "jindo.>"];

/// What the account of the bucket may: a dashboard asks, it reports nothing.
const ASKED: &str = "jindo.>";

/// What a dashboard asks to get and watch keys of the bucket.
const BUCKET: [&str; 10] = [
    "$JS.API.INFO",
    "$JS.API.STREAM.INFO.KV_PROGRESS",
    "$JS.API.STREAM.MSG.GET.KV_PROGRESS",
    "$JS.API.DIRECT.GET.KV_PROGRESS",
    "$JS.API.DIRECT.GET.KV_PROGRESS.>",
    "$JS.API.CONSUMER.CREATE.KV_PROGRESS",
    "$JS.API.CONSUMER.CREATE.KV_PROGRESS.>",
    // nats-py asks how far its own consumer is before it watches.
    "$JS.API.CONSUMER.INFO.KV_PROGRESS.>",
    "$JS.API.CONSUMER.DELETE.KV_PROGRESS.>",
    "$JS.FC.KV_PROGRESS.>",
];

/// What only operators may do, denied to everyone else by name as well: a permission added by mistake opens none of it.
const OPERATOR_ONLY: [&str; 8] = [
    "jindo.rebuild",
    "$JS.API.STREAM.CREATE.>",
    "$JS.API.STREAM.UPDATE.>",
    "$JS.API.STREAM.DELETE.>",
    "$JS.API.STREAM.PURGE.>",
    "$JS.API.STREAM.RESTORE.>",
    "$JS.API.STREAM.MSG.DELETE.>",
    "$SYS.>",
];

pub(super) fn checked(text: &str) -> Result<&str, ConfigError> {
    if text.chars().any(|c| c.is_control() || matches!(c, '"' | '\'' | '\\')) {
        return Err(ConfigError::Text(text.to_owned()));
    }
    Ok(text)
}

fn agency_code(code: &str) -> Result<&str, ConfigError> {
    let ok = is_agency_code(code);
    if ok { Ok(code) } else { Err(ConfigError::Agency(code.to_owned())) }
}

fn public_key(key: &str) -> Result<&str, ConfigError> {
    let ok = key.starts_with('U') && nkeys::KeyPair::from_public_key(key).is_ok();
    if ok { Ok(key) } else { Err(ConfigError::Key(key.to_owned())) }
}

fn list(subjects: &[impl AsRef<str>]) -> String {
    subjects.iter().map(|s| format!("\"{}\"", s.as_ref())).collect::<Vec<_>>().join(", ")
}

fn user(text: &mut String, who: &str, key: &str, publish: &[String], subscribe: &[String]) {
    let mut denied: Vec<String> = OPERATOR_ONLY.map(str::to_owned).to_vec();
    // A recovery starts the next stream; the configuration stays.
    denied.extend((1..=STREAMS_DENIED).map(|number| format!("$JS.API.CONSUMER.*.{}.>", stream_name(number))));
    let _ = write!(
        text,
        "    # {who}\n    {{ nkey: {key}, permissions: {{\n        publish: {{ allow: [{}], deny: [{}] }}\n        \
         subscribe: {{ allow: [{}] }}\n    }} }}\n",
        list(publish),
        list(&denied),
        list(subscribe),
    );
}

/// The configuration as text. Equal inputs give equal text, users sorted.
///
/// # Errors
/// [`ConfigError`] for anything that could not stand in the file safely.
pub fn config_text(config: &NatsConfig) -> Result<String, ConfigError> {
    let mut text = String::from("# Written by jindo; `jindo nats-config` prints it anew. Keys are public.\n");
    let _ = writeln!(text, "server_name: \"{}\"", checked(&config.name)?);
    let _ = writeln!(text, "listen: \"{}:{}\"", checked(&config.host)?, config.port);
    if let Some(dir) = &config.ports_dir {
        let _ = writeln!(text, "ports_file_dir: \"{}\"", checked(&dir.to_string_lossy())?);
    }
    if let Some(file) = &config.log_file {
        let _ = writeln!(text, "log_file: \"{}\"", checked(&file.to_string_lossy())?);
        let _ = writeln!(text, "logfile_size_limit: {NATS_LOG_BYTES_MAX}");
    }
    let _ = write!(
        text,
        "\njetstream {{\n    store_dir: \"{}\"\n    # Without this an acknowledged message is not on disk for up to two \
         minutes.\n    sync_interval: always\n}}\n\n",
        checked(&config.store_dir.to_string_lossy())?,
    );
    if let Some(cluster) = &config.cluster {
        text.push_str(&cluster_text(cluster)?);
    }
    let mut seen = std::collections::BTreeSet::new();
    let mut once =
        |key: &str| if seen.insert(key.to_owned()) { Ok(()) } else { Err(ConfigError::Twice(key.to_owned())) };
    text.push_str("accounts {\n  # The stream and the projector.\n  LEDGER {\n    jetstream: enabled\n    users: [\n");
    for key in &config.operators {
        once(public_key(key)?)?;
        let _ = write!(text, "    # operator\n    {{ nkey: {key} }}\n");
    }
    let _ = write!(
        text,
        "    ]\n    exports: [ {} ]\n  }}\n  # An account of their own: what the server publishes on an agency's behalf (an \
         acknowledgement, to any\n  # subject the agency names) cannot reach the bucket or the JetStream API.\n  AGENCIES \
         {{\n    imports: [ {} ]\n    users: [\n",
        SHARED.map(|subject| format!("{{ service: \"{subject}\" }}")).join(", "),
        SHARED.map(|subject| format!("{{ service: {{ account: LEDGER, subject: \"{subject}\" }} }}")).join(", "),
    );
    let mut agencies = config.agencies.clone();
    agencies.sort();
    agencies.dedup();
    for AgencyUser { agency, key } in &agencies {
        let code = agency_code(agency)?;
        once(public_key(key)?)?;
        let mut publish = vec![format!("ledger.report.{code}.>"), format!("ledger.govern.{code}.>")];
        publish.extend(SERVICE.map(str::to_owned));
        user(&mut text, &format!("agency {code}"), key, &publish, &[format!("{}.>", inbox_prefix(code))]);
    }
    text.push_str("    ]\n  }\n");
    bucket(&mut text, config, &mut once)?;
    text.push_str("}\n");
    Ok(text)
}

/// The account of the bucket. Whatever a dashboard has the server publish (an answer of the JetStream API to a subject it
/// names, a consumer's deliveries) stays in here: the bucket is made anew from the log at any time, the ledger is elsewhere.
fn bucket(
    text: &mut String,
    config: &NatsConfig,
    once: &mut impl FnMut(&str) -> Result<(), ConfigError>,
) -> Result<(), ConfigError> {
    let _ = write!(
        text,
        "  # The bucket that dashboards read: whatever the server publishes on a dashboard's behalf stays in here.\n  \
         PROGRESS {{\n    jetstream: enabled\n    imports: [ {{ service: {{ account: LEDGER, subject: \"{ASKED}\" }} }} ]\n    \
         users: [\n",
    );
    for key in &config.announcers {
        once(public_key(key)?)?;
        let _ = write!(text, "    # announcer\n    {{ nkey: {key} }}\n");
    }
    for key in &config.dashboards {
        once(public_key(key)?)?;
        let publish: Vec<String> = SERVICE.iter().chain(&BUCKET).map(|s| (*s).to_owned()).collect();
        user(text, "dashboard", key, &publish, &["_INBOX.>".to_owned()]);
    }
    text.push_str("    ]\n  }\n");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> String {
        nkeys::KeyPair::new_user().public_key()
    }

    fn config() -> NatsConfig {
        NatsConfig {
            name: "jindo".to_owned(),
            host: "127.0.0.1".to_owned(),
            port: -1,
            store_dir: "data/nats".into(),
            cluster: None,
            ports_dir: None,
            log_file: None,
            operators: vec![key()],
            agencies: vec![AgencyUser { agency: "keco".to_owned(), key: key() }],
            announcers: vec![key()],
            dashboards: vec![key()],
        }
    }

    #[test]
    fn safe_text() {
        let text = config_text(&config()).unwrap();
        for line in
            ["sync_interval: always", "listen: \"127.0.0.1:-1\"", "\"ledger.report.keco.>\"", "\"_INBOX_keco.>\""]
        {
            assert!(text.contains(line), "{line} in\n{text}");
        }
        assert!(!text.contains("\nlog_file"), "{text}");
    }

    #[test]
    fn refuses_what_could_break_out() {
        let check = |change: fn(&mut NatsConfig), error: &str| {
            let mut config = config();
            change(&mut config);
            let found = config_text(&config).unwrap_err().to_string();
            assert!(found.contains(error), "{found}");
        };
        check(|c| c.agencies[0].agency = "keco.*".to_owned(), "agency code");
        check(|c| c.agencies[0].agency = ">".to_owned(), "agency code");
        check(|c| c.agencies[0].key = "SUABC".to_owned(), "public user key");
        check(|c| c.agencies[0].key = "U\" }".to_owned(), "public user key");
        check(|c| c.agencies[0].key = c.operators[0].clone(), "two users");
        check(|c| c.name = "a\" b".to_owned(), "quote");
        check(|c| c.store_dir = "a\nb".into(), "control");
    }
}
