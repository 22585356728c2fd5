//! `jindo key`: keys of agencies and of the log, added, revoked and replaced by signed governance events.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::event::Time;
use crate::event::envelope::{self, NewEvent};
use crate::event::governance::{KeyAdded, KeyRevoked, LogKeyRotated};
use crate::log::folder::LogFolder;
use crate::log::keyring;
use crate::log::note::{KeyKind, VerifierKey};
use crate::projector::bootstrap::{log_key_path, log_keys};
use crate::publish::Draft;
use crate::sign::{KeyFault, KeyPair, public_key_bytes};

use super::exit::{Exit, could, usage};
use super::sender::{Sender, Who, outcome, said};
use super::{Context, out};

/// Add, revoke and replace keys
#[derive(Debug, clap::Subcommand)]
#[command(after_help = "\
Examples:
  jindo key add UABC… --of keco --agency keco          signed with a key of keco that is registered already
  jindo key revoke UABC… --of keco --agency motie --reason \"담당자 교체\"
  jindo key rotate-log --agency motie --reason \"정기 교체\"")]
pub enum Verb {
    /// Register another key of an agency
    #[command(after_help = "\
Examples:
  jindo keygen keco --out keco-2.nk                    prints the public key
  jindo key add UABC… --of keco --agency keco          added by the agency itself
  jindo key add UABC… --of keco --agency motie         added by the authority, which every audit shows

It counts from the entry after this one on. The NATS of `jindo up` follows by itself; one that others run must be told:
`jindo nats-config`.")]
    Add(Add),
    /// Refuse a key from now on
    #[command(after_help = "\
Examples:
  jindo key revoke UABC… --of keco --agency keco --reason \"노트북 분실\"
  jindo key revoke UABC… --of keco --agency motie --reason \"담당자 교체\"

What it signed before stays as it is; an audit names what came afterwards.")]
    Revoke(Revoke),
    /// Replace the key that signs checkpoints: the key in force signs for the next one
    #[command(after_help = "\
Examples:
  jindo key rotate-log --agency motie --reason \"정기 교체\"
  jindo key rotate-log --agency motie --reason \"서버 이전\" --data /srv/jindo

Makes DIR/keys/log-2.nk (then log-3.nk, …) and publishes log.key-rotated. The first checkpoint that covers it is signed by
both keys, later ones by the new key alone. Give the new log/vkey to auditors and witnesses; receipts made before go on
holding under the old key. Run it where the ledger runs; the old file may be retired afterwards.")]
    RotateLog(RotateLog),
}

/// `add`.
#[derive(Debug, clap::Args)]
pub struct Add {
    /// NKey public key (U…), as `jindo keygen` prints it
    key: String,
    /// Agency whose key it becomes
    #[arg(long, value_name = "CODE")]
    of: String,
    #[command(flatten)]
    who: Who,
}

/// `revoke`.
#[derive(Debug, clap::Args)]
pub struct Revoke {
    /// NKey public key (U…)
    key: String,
    /// Agency whose key it is
    #[arg(long, value_name = "CODE")]
    of: String,
    /// Why, for readers
    #[arg(long, value_name = "TEXT")]
    reason: String,
    #[command(flatten)]
    who: Who,
}

/// `rotate-log`.
#[derive(Debug, clap::Args)]
pub struct RotateLog {
    /// Why, for readers
    #[arg(long, value_name = "TEXT")]
    reason: String,
    #[command(flatten)]
    who: Who,
}

/// Publishes the change.
///
/// # Errors
/// No key, no connection; for `rotate-log` also a log key that is not at hand.
pub fn run(verb: Verb, context: &Context) -> anyhow::Result<Exit> {
    match verb {
        Verb::Add(Add { key, of, who }) => {
            checked(&key).and_then(|()| publish(&who, "key.added.v1", json!(KeyAdded { agency: of, key }), context))
        }
        Verb::Revoke(Revoke { key, of, reason, who }) => checked(&key)
            .and_then(|()| publish(&who, "key.revoked.v1", json!(KeyRevoked { agency: of, key, reason }), context)),
        Verb::RotateLog(RotateLog { reason, who }) => {
            let rotated = rotated(reason, context)?;
            publish(&who, "log.key-rotated.v1", json!(rotated), context)
        }
    }
}

/// A refusal would stand in the log for ever.
fn checked(key: &str) -> anyhow::Result<()> {
    if public_key_bytes(key).is_some_and(|_| key.starts_with('U')) {
        return Ok(());
    }
    Err(usage(format!("'{key}'는 NKey 공개키가 아닙니다"), format!("'{key}' is no NKey public key"))
        .next(
            "`jindo keygen`이 출력한 U… 전체를 주세요. 등록된 키는 /v1/agencies에 있습니다.",
            "give the whole U… that `jindo keygen` prints; /v1/agencies shows those that are registered",
        )
        .into())
}

/// Publishes one governance event and says what became of it.
///
/// # Errors
/// No key, no connection.
pub(super) fn publish(who: &Who, kind: &str, data: Value, context: &Context) -> anyhow::Result<Exit> {
    let agency = who.agency()?;
    let (id, time) = (Uuid::now_v7(), Time::now());
    let event =
        NewEvent { id, agency: agency.clone(), kind: kind.to_owned(), time, time_text: None, subject: None, data };
    let (content_type, body) = envelope::encode(&[event]);
    let subject = format!("ledger.govern.{agency}.{kind}");
    let mut sender = Sender::open(who, context)?;
    sender.enqueue(&[Draft { subject, content_type: content_type.to_owned(), body }])?;
    let delivery = sender.deliver(|_, _| {})?;
    let outcomes: Vec<_> = delivery.values().map(outcome).collect();
    let exit = outcomes.iter().fold(Exit::Ok, |exit, outcome| exit.worst(outcome.exit));
    if context.json {
        out::json(&json!({ "reports": outcomes }))?;
    } else {
        for outcome in &outcomes {
            out::text(&said(outcome, context))?;
        }
    }
    Ok(exit)
}

/// The next key, made unless an earlier try left it, and the note by which the key in force names it.
fn rotated(reason: String, context: &Context) -> anyhow::Result<LogKeyRotated> {
    let keys = context.data.join("keys");
    let failed = |why: String| {
        could(format!("로그 키를 바꿀 수 없습니다: {why}"), format!("the log's key cannot be replaced: {why}"))
    };
    let vkey = LogFolder::new(&context.data.join("log")).vkey().map_err(|fault| failed(fault.to_string()))?;
    let vkey = vkey.ok_or_else(|| failed("no checkpoint is published here yet".to_owned()))?;
    let force = VerifierKey::parse(&vkey).map_err(|fault| failed(fault.to_string()))?;
    let pairs = log_keys(&keys).map_err(|error| failed(error.to_string()))?;
    let is_force = |pair: &KeyPair| public_key_bytes(pair.public()).is_some_and(|own| own == *force.bytes());
    let Some((number, held)) = pairs.iter().find(|(_, pair)| is_force(pair)) else {
        let (ko, en) = ("로그 키가 있는 곳에서 실행하세요.", "run it where the log's key is, with --data");
        return Err(failed(format!("no file {}/log*.nk holds {vkey}", keys.display())).next(ko, en).into());
    };
    let next = match pairs.iter().find(|(later, _)| *later == number + 1) {
        Some((_, made)) => VerifierKey::of_pair(force.name(), KeyKind::Log, made),
        None => {
            let pair =
                KeyPair::generate().and_then(|pair| pair.save_new(&log_key_path(&keys, number + 1)).map(|()| pair));
            let pair = pair.map_err(|fault: KeyFault| failed(fault.to_string()))?;
            VerifierKey::of_pair(force.name(), KeyKind::Log, &pair)
        }
    };
    let next = next.map_err(|fault| failed(fault.to_string()))?;
    let note = keyring::rotation(held, &next).map_err(|fault| failed(fault.to_string()))?;
    Ok(LogKeyRotated { new: next.to_string(), note, reason })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Found by a newcomer: `key revoke UABC…` was signed, published and refused for ever.
    #[test]
    fn a_key_is_checked_before_it_is_signed_for() {
        let whole = KeyPair::generate().unwrap().public().to_owned();
        assert!(checked(&whole).is_ok());
        for wrong in ["UABC…", "", &whole[..55], &whole.to_lowercase(), &format!("{whole}A")] {
            let failure = checked(wrong).unwrap_err().downcast::<super::super::exit::Failure>().unwrap();
            assert!(failure.exit == Exit::Usage && failure.next.is_some(), "{wrong}: {failure}");
        }
    }
}
