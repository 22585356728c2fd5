//! One witness asked for its cosignature, over HTTP. Whatever it answers, within the limits: a cosignature that verifies, a longer
//! log, the proof of a fork, or why there is none. It believes nothing the witness's or the log's key did not sign.

use std::time::{Duration, Instant};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ureq::tls::{Certificate, RootCerts, TlsConfig};

use crate::event::Time;
use crate::limits::{
    WITNESS_ANSWER_BYTES_MAX, WITNESS_CALL_MS, WITNESS_CLOCK_S_MAX, WITNESS_CONNECT_MS, WITNESS_SAID_CHARS_MAX,
    WITNESS_TRIES,
};
use crate::log::checkpoint::{Head, decimal};
use crate::log::folder::LogFolder;
use crate::log::fork::Fork;
use crate::log::keyring::LogKeys;
use crate::log::note::{Note, VerifierKey};
use crate::log::publish::Proposal;
use crate::log::tree;
use crate::sign::hex;

/// A checkpoint to be cosigned.
pub struct Job {
    /// Its three lines.
    pub text: String,
    note: String,
    head: Head,
    keys: LogKeys,
    folder: LogFolder,
}

/// What became of it at one witness.
pub enum Answer {
    /// The signature line, verified.
    Cosigned(String),
    /// It holds a checkpoint of more entries than ours, signed by our key.
    Ahead {
        /// Its entries.
        size: u64,
        /// The note.
        note: String,
    },
    /// It holds another tree, signed by our key.
    Forked(Box<Fork>),
    /// Why it did not cosign.
    Failed(String),
}

impl Job {
    /// Of what is to be published.
    pub fn new(proposal: &Proposal<'_>) -> Self {
        Job {
            text: proposal.checkpoint.text(),
            note: proposal.note.to_owned(),
            head: proposal.checkpoint.head,
            keys: proposal.keys.clone(),
            folder: proposal.folder.clone(),
        }
    }

    /// The body of `add-checkpoint`, from a size the witness knows.
    fn body(&self, old: u64) -> Result<String, String> {
        let proof = tree::consistency(&mut self.folder.tree(self.head.size), old, self.head.size);
        let mut body = format!("old {old}\n");
        for hash in proof.map_err(|fault| fault.to_string())? {
            STANDARD.encode_string(hash, &mut body);
            body.push('\n');
        }
        Ok(format!("{body}\n{}", self.note))
    }
}

/// Whoever asks one witness.
pub struct Asker {
    url: String,
    key: VerifierKey,
    agent: ureq::Agent,
    /// The size it cosigned last, as far as known; after a start it is learned by asking.
    size: u64,
}

struct Reply {
    status: u16,
    kind: String,
    body: String,
}

/// TLS on ring, trusting these roots alone.
#[must_use]
pub fn tls(roots: &[Certificate<'static>]) -> TlsConfig {
    TlsConfig::builder()
        .unversioned_rustls_crypto_provider(std::sync::Arc::new(rustls::crypto::ring::default_provider()))
        .root_certs(RootCerts::new_with_certs(roots))
        .build()
}

/// What the system trusts.
fn roots() -> Vec<Certificate<'static>> {
    let found = rustls_native_certs::load_native_certs();
    found.certs.iter().map(|certificate| Certificate::from_der(certificate).to_owned()).collect()
}

/// Asks others over HTTP: trusts what the system trusts, follows no redirect, takes every status for an answer.
///
/// # Errors
/// The address needs certificates, and the system has none.
pub fn agent(url: &ureq::http::Uri, connect: Duration, call: Option<Duration>) -> Result<ureq::Agent, String> {
    let roots = if url.scheme_str() == Some("https") { roots() } else { Vec::new() };
    if url.scheme_str() == Some("https") && roots.is_empty() {
        return Err(format!("'{url}' needs certificates, and this system has none: install ca-certificates"));
    }
    let config = ureq::Agent::config_builder().tls_config(tls(&roots)).timeout_connect(Some(connect));
    let config = config.timeout_global(call).http_status_as_error(false).max_redirects(0).user_agent("jindo");
    Ok(config.build().into())
}

impl Asker {
    /// Of a witness at an address.
    ///
    /// # Errors
    /// It is no address; no certificate of the system can be read, and it needs one.
    pub fn new(url: &str, key: VerifierKey) -> Result<Self, String> {
        let parsed: ureq::http::Uri = url.parse().map_err(|error| format!("'{url}' is no address: {error}"))?;
        if parsed.host().is_none_or(str::is_empty) || parsed.query().is_some() {
            return Err(format!("'{url}' is no address of a witness: it needs a host and no '?'"));
        }
        // A witness elsewhere is another witness: its address belongs into the policy.
        let agent = agent(&parsed, Duration::from_millis(WITNESS_CONNECT_MS), None)?;
        Ok(Asker { url: url.trim_end_matches('/').to_owned(), key, agent, size: 0 })
    }

    /// Asks for one checkpoint, within [`WITNESS_CALL_MS`].
    pub fn ask(&mut self, job: &Job) -> Answer {
        let deadline = Instant::now() + Duration::from_millis(WITNESS_CALL_MS);
        self.exchange(job, deadline).unwrap_or_else(Answer::Failed)
    }

    fn exchange(&mut self, job: &Job, deadline: Instant) -> Result<Answer, String> {
        for _ in 0..WITNESS_TRIES {
            let old = self.size.min(job.head.size);
            let reply = self.post(job.body(old)?, deadline)?;
            match reply.status {
                200 => {
                    let line = self.cosignature(&reply.body, &job.text)?;
                    self.size = job.head.size;
                    return Ok(Answer::Cosigned(line));
                }
                409 => {
                    let size = known_size(&reply)?;
                    if size > job.head.size {
                        return self.look(job, &format!("it knows {size} entries of this log"), deadline);
                    }
                    if size == old {
                        return Err(format!("it refuses the size {old}, and names it itself"));
                    }
                    self.size = size;
                }
                422 => return self.look(job, "it knows this log otherwise", deadline),
                _ => return Err(refused(&reply)),
            }
        }
        Err(format!("it named another size {WITNESS_TRIES} times"))
    }

    /// The checkpoint it holds, where it will not have ours.
    fn look(&mut self, job: &Job, why: &str, deadline: Instant) -> Result<Answer, String> {
        let reply = self
            .get(&format!("{}/checkpoint", hex::encode(&hex::sha256(job.keys.newest().name().as_bytes()))), deadline)?;
        if reply.status != 200 {
            return Err(format!("{why}, and does not show its checkpoint: {}", refused(&reply)));
        }
        let shown = job
            .keys
            .open(&reply.body)
            .map_err(|fault| format!("{why}, and shows nothing our key signed: {}", plain(&fault.to_string())))?;
        if shown.head.size > job.head.size {
            return Ok(Answer::Ahead { size: shown.head.size, note: reply.body });
        }
        match Fork::make(&job.folder, &job.keys, &job.note, &reply.body) {
            Ok(Some(fork)) => Ok(Answer::Forked(Box::new(fork))),
            Ok(None) => {
                self.size = shown.head.size;
                Err(format!("{why}, yet the checkpoint it shows is of this log"))
            }
            Err(fault) => Err(format!("its checkpoint cannot be held against this log: {}", plain(&fault.to_string()))),
        }
    }

    /// Its line among those it answered, verified.
    fn cosignature(&self, lines: &str, text: &str) -> Result<String, String> {
        let wrong = |why: &str| format!("its cosignature is not taken: {}", plain(why));
        let whole = format!("{text}\n{lines}");
        let note = Note::parse(&whole).map_err(|fault| wrong(&fault.to_string()))?;
        let verified = note.verify([&self.key]).map_err(|fault| wrong(&fault.to_string()))?;
        let time = verified.first().and_then(|by| by.time).unwrap_or(0);
        let now = u64::try_from(Time::now().ns() / 1_000_000_000).unwrap_or(0);
        if time.abs_diff(now) > WITNESS_CLOCK_S_MAX {
            return Err(wrong(&format!("its clock says {time}, ours {now}, in seconds since 1970")));
        }
        let own = lines.split_inclusive('\n').find(|line| {
            let alone = format!("{text}\n{line}");
            Note::parse(&alone).is_ok_and(|note| note.verify([&self.key]).is_ok())
        });
        own.map(str::to_owned).ok_or_else(|| wrong("its line is not there"))
    }

    fn post(&self, body: String, deadline: Instant) -> Result<Reply, String> {
        let request = self.agent.post(format!("{}/add-checkpoint", self.url)).content_type("text/plain; charset=utf-8");
        let request = request.config().timeout_global(Some(left(deadline)?)).build();
        request.send(body).map_err(failed).and_then(read)
    }

    fn get(&self, path: &str, deadline: Instant) -> Result<Reply, String> {
        let request = self.agent.get(format!("{}/{path}", self.url));
        let request = request.config().timeout_global(Some(left(deadline)?)).build();
        request.call().map_err(failed).and_then(read)
    }
}

/// Time until the deadline; none left is a fault.
fn left(deadline: Instant) -> Result<Duration, String> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(late()) } else { Ok(left) }
}

fn late() -> String {
    format!("no answer within {WITNESS_CALL_MS} ms")
}

/// Why nothing came back.
fn failed(error: ureq::Error) -> String {
    match error {
        ureq::Error::Timeout(ureq::Timeout::Global) => late(),
        error => plain(&error.to_string()),
    }
}

fn read(mut answer: ureq::http::Response<ureq::Body>) -> Result<Reply, String> {
    let kind = answer.headers().get("content-type").and_then(|kind| kind.to_str().ok()).unwrap_or_default().to_owned();
    let status = answer.status().as_u16();
    let body = answer.body_mut().with_config().limit(WITNESS_ANSWER_BYTES_MAX).read_to_string();
    Ok(Reply { status, kind, body: body.map_err(failed)? })
}

/// The size in a 409.
fn known_size(reply: &Reply) -> Result<u64, String> {
    let kind = reply.kind.split(';').next().unwrap_or_default().trim();
    let size = reply.body.strip_suffix('\n').filter(|_| kind == "text/x.tlog.size").and_then(decimal);
    size.ok_or_else(|| format!("it knows another size and does not name it: {}", refused(reply)))
}

fn refused(reply: &Reply) -> String {
    let what = match reply.status {
        403 => "it does not know this log's key: give its operator log/vkey",
        404 => "it does not know this log, or the address is not a witness's: give its operator log/vkey",
        300..=399 => "it sends us elsewhere: put that address into the policy",
        _ => "it refuses",
    };
    format!("{what} (HTTP {} {})", reply.status, plain(&reply.body))
}

/// Words of a stranger, short and harmless on a terminal.
fn plain(said: &str) -> String {
    let line: String = said.trim().chars().map(|c| if matches!(c, ' '..='~') { c } else { ' ' }).collect();
    match line.char_indices().nth(WITNESS_SAID_CHARS_MAX) {
        Some((at, _)) => format!("{}…", &line[..at]),
        None => line,
    }
}
