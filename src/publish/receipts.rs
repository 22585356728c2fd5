//! Receipts of what was recorded, beside the outbox: a report is *sent*, then *recorded*, then *receipted*.
//!
//! ```text
//! <outbox>/receipts/owed                 reports that are recorded and have no receipt yet, one line each
//! <outbox>/receipts/<seq>.tlog-proof     a receipt that was verified when it came
//! <outbox>/receipts/<seq>.conflict       one that does not hold: evidence
//! <outbox>/receipts/vkey                 the log's keys, oldest first, one a line: the first as the ledger named it (replace it
//!                                        with one you trust more), each later one as the key before it named it
//! <outbox>/receipts/checkpoint           the newest checkpoint seen: claimed as `seen` in every report from then on
//! ```
//! Pulled once everything is delivered, never before, and never waited for. Nothing here can lose or hold back a report.

use std::{
    collections::BTreeMap,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::outbox::Outbox;
use crate::{
    limits::{RECEIPT_ANSWER_MS, RECEIPTS_PULL_MAX, STATUS_PAUSE_MS, VKEYS_BYTES_MAX},
    log::{
        bounded,
        checkpoint::Checkpoint,
        disk::{Disk as _, Files},
        keyring,
        note::{NoteFault, VerifierKey},
        receipt::Receipt,
    },
    sign::{Seen, hex},
    stream::Link,
};

/// Subject of the service.
pub const RECEIPT_SUBJECT: &str = "jindo.receipt";

/// Error code of the service where texts of the entry were withheld by law: no receipt can be made of it.
pub const RECEIPT_WITHHELD: usize = 410;

/// `{"name":"<hex of the SHA-256 of a compact JWS>"}`; an entry index or an event id names an entry too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReceiptQuestion {
    /// Which entry.
    pub name: String,
}

/// `{"receipt":"c2sp.org/tlog-proof@v1\n…","vkey":"<the log's verifier key>"}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceiptAnswer {
    /// The receipt.
    pub receipt: String,
    /// The log's key as the ledger names it: for whoever has none yet.
    pub vkey: String,
    /// How it was named, where it is not the first: notes by which each key names the next ([`keyring`]).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rotations: Vec<String>,
    /// The key that entry 0 names, where it is not `vkey`: for whoever has none yet, and receipts of before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<String>,
}

impl ReceiptAnswer {
    /// The keys as the ledger names them, oldest first: from the first on where its rotations lead to `vkey`, else that alone.
    fn keys(&self) -> Result<Vec<VerifierKey>, NoteFault> {
        let newest = VerifierKey::parse(&self.vkey)?;
        let first = self.first.as_deref().and_then(|first| VerifierKey::parse(first).ok());
        let all = first.map(|first| followed(vec![first], &self.rotations));
        Ok(all.filter(|keys| keys.last() == Some(&newest)).unwrap_or_else(|| vec![newest]))
    }
}

/// From the newest of these keys on, each that the one before it names.
fn followed(mut keys: Vec<VerifierKey>, rotations: &[String]) -> Vec<VerifierKey> {
    for note in rotations {
        let next = keys.last().and_then(|key| keyring::named(note, key).ok());
        keys.extend(next.filter(|next| !keys.contains(next)));
    }
    keys
}

/// What a pull brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pulled {
    /// Receipts that were kept.
    pub kept: usize,
    /// Receipts that did not hold, kept as evidence.
    pub conflicts: usize,
    /// Reports still without one.
    pub owed: usize,
}

/// The receipts of one outbox.
#[derive(Debug, Clone)]
pub struct Receipts {
    dir: PathBuf,
}

/// What became of one question.
enum Answered {
    Kept,
    Conflict,
    /// Texts of the entry were withheld by law before its receipt was fetched: the ledger says it can make none. It goes on
    /// being owed, for that is the ledger's word alone, and holds nothing else up.
    Withheld,
    /// Not covered yet, or nobody answers: no use asking on.
    NotNow,
}

impl Receipts {
    /// Beside an outbox.
    #[must_use]
    pub fn beside(outbox: &Path) -> Self {
        Receipts { dir: outbox.join("receipts") }
    }

    /// The file of a report's receipt.
    #[must_use]
    pub fn path(&self, seq: u64) -> PathBuf {
        self.dir.join(format!("{seq}.tlog-proof"))
    }

    /// Whether the receipt of a report is here.
    #[must_use]
    pub fn has(&self, seq: u64) -> bool {
        self.path(seq).exists()
    }

    /// Notes reports that were recorded, by number and hash of the JWS.
    ///
    /// # Errors
    /// The system's.
    pub(super) fn owe(&self, reports: &[(u64, String)]) -> std::io::Result<()> {
        if reports.is_empty() {
            return Ok(());
        }
        fs::create_dir_all(&self.dir)?;
        let mut file = fs::File::options().create(true).append(true).open(self.dir.join("owed"))?;
        file.write_all(lines(reports.iter().map(|(seq, name)| (*seq, name.as_str()))).as_bytes())
    }

    /// Reports that are recorded and have no receipt yet, by number. A line that a crash tore is passed over.
    #[must_use]
    pub fn owed(&self) -> BTreeMap<u64, String> {
        let text = fs::read(self.dir.join("owed")).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let line = |line: &str| {
            let (seq, name) = line.split_once(' ')?;
            hex::decode32(name).and(seq.parse().ok()).map(|seq| (seq, name.to_owned()))
        };
        text.lines().filter_map(line).filter(|(seq, _)| !self.has(*seq)).collect()
    }

    /// The log's keys, oldest first; none where none is known yet.
    #[must_use]
    pub fn vkeys(&self) -> Vec<VerifierKey> {
        let text = bounded::read(&self.dir.join("vkey"), VKEYS_BYTES_MAX).unwrap_or_default();
        VerifierKey::parse_lines(&String::from_utf8_lossy(&text)).unwrap_or_default()
    }

    /// The newest checkpoint here, verified.
    #[must_use]
    pub fn seen(&self) -> Option<Seen> {
        let note = fs::read_to_string(self.dir.join("checkpoint")).ok()?;
        let vkeys = self.vkeys();
        let head = Checkpoint::open_by(&note, &vkeys.iter().rev().collect::<Vec<_>>()).ok()?.head;
        (head.size > 0).then_some(Seen { size: head.size, root: head.root })
    }

    /// Verifies and keeps a receipt, or keeps it as evidence. The key that comes along is taken where none is known, and
    /// where the known one named it.
    fn keep(&self, seq: u64, name: &str, answer: &ReceiptAnswer, origin: &str) -> std::io::Result<Answered> {
        let conflict = |why: &str| {
            tracing::error!(seq, why, dir = %self.dir.display(), "a receipt does not hold; it is kept as evidence");
            let path = self.dir.join(format!("{seq}.conflict"));
            Files.put(&[(path, answer.receipt.clone().into_bytes())])?;
            Ok(Answered::Conflict)
        };
        let known = self.vkeys();
        let vkeys = match known.is_empty() {
            true => answer.keys(),
            false => Ok(followed(known.clone(), &answer.rotations)),
        };
        let vkeys = match vkeys {
            Ok(vkeys) => vkeys,
            Err(fault) => return conflict(&fault.to_string()),
        };
        let Some(key) = vkeys.last().filter(|key| key.name() == origin) else {
            return conflict("the key is of another log");
        };
        let receipt = Receipt::parse(&answer.receipt);
        let checked = receipt.and_then(|receipt| receipt.verify(Some(key), None).map(|proven| (receipt, proven)));
        let (receipt, proven) = match checked {
            Ok(checked) => checked,
            Err(fault) => return conflict(&fault.to_string()),
        };
        let signature = proven.entry.signature.as_ref().and_then(|kept| kept.text());
        if signature.is_none_or(|jws| hex::encode(&hex::sha256(jws.as_bytes())) != name) {
            return conflict("it is of another report");
        }
        let head = proven.checkpoint.head;
        let newest = self.seen();
        if newest.is_some_and(|seen| seen.size == head.size && seen.root != head.root) {
            return conflict("the log has signed another root for the same size");
        }
        let mut files = Vec::new();
        if known != vkeys {
            let lines: String = vkeys.iter().map(|key| format!("{key}\n")).collect();
            files.push((self.dir.join("vkey"), lines.into_bytes()));
        }
        if newest.is_none_or(|seen| seen.size < head.size) {
            files.push((self.dir.join("checkpoint"), receipt.note.into_bytes()));
        }
        files.push((self.path(seq), answer.receipt.clone().into_bytes()));
        Files.put(&files)?;
        Ok(Answered::Kept)
    }

    /// Writes the list of what is owed anew.
    fn settle(&self, owed: &BTreeMap<u64, String>) -> std::io::Result<()> {
        let text = lines(owed.iter().map(|(seq, name)| (*seq, name.as_str())));
        Files.put(&[(self.dir.join("owed"), text.into_bytes())])
    }
}

fn lines<'a>(reports: impl Iterator<Item = (u64, &'a str)>) -> String {
    reports.map(|(seq, name)| format!("{seq} {name}\n")).collect()
}

/// Pulls receipts of recorded reports, oldest first, at most [`RECEIPTS_PULL_MAX`]; waits up to `wait` for a checkpoint that
/// covers them.
///
/// Nothing it meets is an error: what is owed is asked for next time.
pub async fn pull(outbox: &mut Outbox, link: &Link, wait: Duration) -> Pulled {
    let receipts = outbox.receipts();
    let (mut owed, mut pulled) = (receipts.owed(), Pulled::default());
    let deadline = Instant::now() + wait;
    let asked: Vec<(u64, String)> = owed.clone().into_iter().take(RECEIPTS_PULL_MAX).collect();
    let mut questions = asked.into_iter().peekable();
    while let Some((seq, name)) = questions.peek() {
        match ask(&receipts, link, *seq, name, outbox.origin()).await {
            Answered::Kept => {
                pulled.kept += 1;
                owed.remove(seq);
            }
            Answered::Conflict => pulled.conflicts += 1,
            Answered::Withheld => {
                tracing::warn!(seq, "the ledger makes no receipt: texts of the entry were withheld by law")
            }
            Answered::NotNow if Instant::now() < deadline => {
                tokio::time::sleep(Duration::from_millis(STATUS_PAUSE_MS.1 / 10)).await;
                continue;
            }
            Answered::NotNow => break,
        }
        questions.next();
    }
    pulled.owed = owed.len();
    if pulled.kept > 0 {
        if let Err(error) = receipts.settle(&owed) {
            tracing::warn!(%error, "the list of receipts owed could not be written");
        }
        if let Some(seen) = receipts.seen() {
            outbox.set_seen(seen);
        }
    }
    pulled
}

async fn ask(receipts: &Receipts, link: &Link, seq: u64, name: &str, origin: &str) -> Answered {
    let question = serde_json::json!(ReceiptQuestion { name: name.to_owned() }).to_string();
    let reply = link.client.request(RECEIPT_SUBJECT, question.into());
    let Ok(Ok(message)) = tokio::time::timeout(Duration::from_millis(RECEIPT_ANSWER_MS), reply).await else {
        return Answered::NotNow;
    };
    let code = message.headers.as_ref().and_then(|headers| headers.get(async_nats::service::NATS_SERVICE_ERROR_CODE));
    if code.is_some_and(|code| code.as_str() == RECEIPT_WITHHELD.to_string()) {
        return Answered::Withheld;
    }
    let Ok(answer) = serde_json::from_slice::<ReceiptAnswer>(&message.payload) else { return Answered::NotNow };
    receipts.keep(seq, name, &answer, origin).unwrap_or_else(|error| {
        tracing::warn!(%error, "a receipt could not be kept");
        Answered::NotNow
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_owed_survives_and_a_torn_line_does_not_matter() {
        let dir = tempfile::tempdir().unwrap();
        let receipts = Receipts::beside(dir.path());
        assert!(receipts.owed().is_empty() && receipts.seen().is_none());
        let name = |byte: &str| byte.repeat(32);
        receipts.owe(&[(1, name("aa")), (2, name("bb"))]).unwrap();
        receipts.owe(&[(3, name("cc"))]).unwrap();
        let path = dir.path().join("receipts/owed");
        let mut text = fs::read_to_string(&path).unwrap();
        text.push_str("4 dddd");
        fs::write(&path, text).unwrap();
        fs::write(receipts.path(2), "held").unwrap();
        assert_eq!(receipts.owed(), BTreeMap::from([(1, name("aa")), (3, name("cc"))]));
        receipts.settle(&receipts.owed()).unwrap();
        assert_eq!(receipts.owed().len(), 2);
    }
}
