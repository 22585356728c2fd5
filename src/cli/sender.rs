//! What `report`, `import` and `catalogue apply` share: the key, the outbox, the connection, and what a delivery means.
//!
//! The seed is read from a file with mode 0600 and never shown. Reports are signed once, by the outbox.

use std::path::PathBuf;
use std::time::Duration;

use tokio::runtime::Runtime;

use crate::admit::reason::Reason;
use crate::event::{Text, Time};
use crate::limits::RECORDED_WAIT_MS;
use crate::publish::receipts::{Pulled, pull};
use crate::publish::{Delivered, Delivery, Draft, Outbox, ReportState, SendError, deliver};
use crate::sign::KeyPair;
use crate::store::progress::view::IndicatorsView;
use crate::stream::{AppendError, Link, Login, StreamError, connect};

use super::Context;
use super::exit::{Exit, Failure, could, usage};
use super::ledger::{Ledger, Running};
use crate::event::lang::text;

/// Who reports, with what key, to which NATS.
#[derive(Debug, Clone, clap::Args)]
pub struct Who {
    /// Agency that reports [default: the name of the key file]
    #[arg(long, env = "JINDO_AGENCY", value_name = "CODE")]
    pub agency: Option<String>,
    /// File with the agency's seed, mode 0600 [default: DIR/keys/CODE.nk]
    #[arg(long, env = "JINDO_KEY_FILE", value_name = "FILE")]
    pub key_file: Option<PathBuf>,
    /// NATS address [default: from DIR/running.json]
    #[arg(long, env = "JINDO_NATS", value_name = "URL")]
    pub nats: Option<String>,
    /// Origin of the ledger, signed into every report [default: asked of the ledger]
    #[arg(long, value_name = "ORIGIN")]
    pub origin: Option<String>,
}

impl Who {
    /// The agency's code.
    ///
    /// # Errors
    /// Neither agency nor key file is given, or the code is malformed.
    pub fn agency(&self) -> anyhow::Result<String> {
        let from_file = || self.key_file.as_ref()?.file_stem()?.to_str().map(str::to_owned);
        let code = self.agency.clone().or_else(from_file).ok_or_else(|| {
            usage("어느 기관의 보고인지 알 수 없습니다", "it is not known which agency reports")
                .next("--agency CODE를 주세요. 예: --agency keco", "give --agency CODE, such as --agency keco")
        })?;
        if !crate::event::subject::is_agency_code(&code) {
            return Err(usage(format!("'{code}'는 기관 코드가 아닙니다"), format!("'{code}' is no agency code"))
                .next("소문자, 숫자, 하이픈으로 2~32자입니다. 예: keco", "2 to 32 of a-z, 0-9 and -, such as keco")
                .into());
        }
        Ok(code)
    }
}

/// Nothing was sent or kept: the key is none that NATS takes, or there is no NATS.
fn not_connected(nats: &str, error: &StreamError) -> Failure {
    if let StreamError::Denied { .. } = error {
        let ko = format!("{nats}의 NATS가 이 키를 받아들이지 않습니다: 등록된 적이 없거나 폐기되었습니다");
        return Failure::new(Exit::Permission, ko, error.to_string()).next(
            "보낸 것도 남긴 것도 없습니다. 키를 등록하거나(`jindo key add`) 등록된 다른 키를 쓰세요.",
            "nothing was sent or kept; register the key (`jindo key add`), or use one that is registered",
        );
    }
    could(format!("NATS {nats}: {error}"), error.to_string()).next(
        "보낸 것도 남긴 것도 없습니다. `jindo up`이 실행 중인지 확인하고 다시 실행하세요.",
        "nothing was sent or kept; check that `jindo up` runs, then run this again",
    )
}

/// An outbox and a connection.
pub struct Sender {
    outbox: Outbox,
    link: Link,
    stream: String,
    runtime: Runtime,
    /// Folder of the outbox: progress of imports lies beside its journal.
    pub dir: PathBuf,
}

impl Sender {
    /// Reads the key, opens the outbox, connects.
    ///
    /// # Errors
    /// No key, another process with this key, no connection.
    pub fn open(who: &Who, context: &Context) -> anyhow::Result<Self> {
        let agency = who.agency()?;
        let path = who.key_file.clone().unwrap_or_else(|| context.data.join("keys").join(format!("{agency}.nk")));
        let pair = KeyPair::load(&path).map_err(|error| {
            could(format!("키를 쓸 수 없습니다: {error}"), format!("the key cannot be used: {error}")).next(
                "`jindo keygen CODE`로 만들거나 --key-file을 주세요.",
                "make one with `jindo keygen CODE`, or give --key-file",
            )
        })?;
        let (nats, origin, stream) = find(who, context)?;
        let dir = context.data.join("outbox").join(pair.public());
        let login = Login::agency(&agency, &pair.seed());
        let outbox = Outbox::open(&dir, pair, &origin).map_err(|error| could(error.to_string(), error.to_string()))?;
        let runtime = super::runtime()?;
        let link = runtime.block_on(connect(&nats, &login)).map_err(|error| not_connected(&nats, &error))?;
        Ok(Sender { outbox, link, stream, runtime, dir })
    }

    /// Reports that wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.outbox.pending().count()
    }

    /// Signs reports and keeps them in the outbox, on disk when this returns. Gives their numbers.
    ///
    /// # Errors
    /// As the outbox.
    pub fn enqueue(&mut self, drafts: &[Draft]) -> anyhow::Result<std::ops::RangeInclusive<u64>> {
        self.outbox.enqueue(drafts, Time::now()).map_err(|error| could(error.to_string(), error.to_string()).into())
    }

    /// Delivers everything that waits and waits until it is recorded. `progress` is told (recorded, all).
    ///
    /// # Errors
    /// As the outbox.
    pub fn deliver(&mut self, progress: impl FnMut(usize, usize)) -> anyhow::Result<Delivery> {
        let wait = Duration::from_millis(RECORDED_WAIT_MS);
        let delivery = deliver(&mut self.outbox, &self.link, &self.stream, wait, progress);
        self.runtime.block_on(delivery).map_err(|error: SendError| could(error.to_string(), error.to_string()).into())
    }

    /// Pulls receipts of what was recorded; waits up to `wait` for the newest.
    pub fn receipts(&mut self, wait: Duration) -> Pulled {
        self.runtime.block_on(pull(&mut self.outbox, &self.link, wait))
    }
}

/// NATS address, origin and stream of the ledger.
fn find(who: &Who, context: &Context) -> anyhow::Result<(String, String, String)> {
    let running = Running::read(context);
    let (nats, stream) = match (&who.nats, &running) {
        (Some(nats), Ok(running)) => (nats.clone(), running.stream.clone()),
        (Some(nats), Err(_)) => (nats.clone(), super::ledger::stream_default()),
        (None, Ok(running)) => (running.nats.clone(), running.stream.clone()),
        (None, Err(_)) => return Err(running.err().unwrap_or_else(|| anyhow::anyhow!("no ledger"))),
    };
    let origin = match (&who.origin, &running) {
        (Some(origin), _) => origin.clone(),
        // A ledger named by hand may be another one than the one that runs here.
        (None, Ok(running)) if context.ledger.is_none() => running.origin.clone(),
        (None, _) => {
            let view: Option<IndicatorsView> = Ledger::find(context)?.get("/v1/indicators", &[])?;
            view.map(|view| view.origin).filter(|origin| !origin.is_empty()).ok_or_else(|| {
                could("원장의 origin을 알 수 없습니다", "the ledger's origin is not known")
                    .next("--origin ORIGIN을 주세요.", "give --origin ORIGIN")
            })?
        }
    };
    Ok((nats, origin, stream))
}

/// What became of one report, for people and programs.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Outcome {
    /// `accepted`, `duplicate`, `refused`, `unknown`, `not-permitted` or `failed`.
    pub state: &'static str,
    /// Entry, where it is recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index: Option<u64>,
    /// Reason code, where it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// What it means.
    pub text: Text,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<Text>,
    /// What was wrong, as the ledger says it.
    #[serde(skip_serializing_if = "serde_json::Value::is_null")]
    pub detail: serde_json::Value,
    /// How the program ends.
    #[serde(skip)]
    pub exit: Exit,
}

/// The outcome of one report.
#[must_use]
pub fn outcome(delivered: &Delivered) -> Outcome {
    match delivered {
        Delivered::Recorded(ReportState::Recorded { index, verdict, code, detail }) => {
            recorded(*index, verdict, code.as_deref(), detail.clone())
        }
        Delivered::Recorded(ReportState::Unknown) => unknown(String::new()),
        Delivered::Waiting => unknown("not sent yet".to_owned()),
        Delivered::Sent { .. } => unknown("acknowledged by NATS".to_owned()),
        Delivered::Doubt { why } => unknown(why.clone()),
        Delivered::Failed { error: AppendError::NotPermitted { subject }, .. } => Outcome {
            text: text(
                format!("허용되지 않음: NATS가 이 키로 {subject} 발행을 거부했습니다"),
                format!("not permitted: NATS does not let this key publish to {subject}"),
            ),
            next: Some(text("자기 기관의 키와 코드인지 확인하세요.", "check that key and agency code belong together")),
            ..plain("not-permitted", Exit::Permission)
        },
        Delivered::Failed { error, withdrawn } => Outcome {
            text: text(format!("보내지 못했습니다: {error}"), format!("not sent: {error}")),
            next: (!withdrawn)
                .then(|| text("발신함에 남았고 다음에 다시 보냅니다.", "it stays in the outbox and is sent next time")),
            ..plain("failed", Exit::Could)
        },
    }
}

fn plain(state: &'static str, exit: Exit) -> Outcome {
    Outcome { state, index: None, code: None, text: Text::default(), next: None, detail: serde_json::Value::Null, exit }
}

fn recorded(index: u64, verdict: &str, code: Option<&str>, detail: serde_json::Value) -> Outcome {
    let at = Outcome { index: Some(index), detail, ..plain("accepted", Exit::Ok) };
    match verdict {
        "accepted" => Outcome {
            text: text(format!("{index}번 항목으로 기록됨"), format!("recorded as entry {index}")),
            ..at
        },
        "duplicate" => Outcome {
            state: "duplicate",
            text: text(
                format!("이미 기록된 내용입니다 ({index}번 항목)"),
                format!("nothing new in it: recorded before (entry {index})"),
            ),
            ..at
        },
        _ => {
            let code = code.unwrap_or(verdict);
            let reason = Reason::of_code(code);
            let meaning = reason.map(Reason::meaning).unwrap_or_else(|| text(code, code));
            Outcome {
                state: "refused",
                code: Some(code.to_owned()),
                text: text(
                    format!("반려됨 ({index}번 항목): {}", meaning.ko),
                    format!("refused (entry {index}): {}", meaning.en),
                ),
                next: reason.map(Reason::advice),
                exit: Exit::Found,
                ..at
            }
        }
    }
}

fn unknown(why: String) -> Outcome {
    Outcome {
        text: text(
            "기록되었는지 아직 모릅니다. 발신함에 안전하게 있습니다.",
            "not known to be recorded yet; it is safe in the outbox",
        ),
        next: Some(text(
            "`jindo report --pending`이 마저 처리합니다. 같은 보고가 두 번 세어지지 않습니다.",
            "`jindo report --pending` settles it; nothing counts twice",
        )),
        detail: if why.is_empty() { serde_json::Value::Null } else { why.into() },
        ..plain("unknown", Exit::Unknown)
    }
}

/// The outcome as lines for people.
#[must_use]
pub fn said(outcome: &Outcome, context: &Context) -> String {
    let lang = context.lang;
    let mut lines = vec![lang.of(&outcome.text).to_owned()];
    lines.extend(details(&outcome.detail).into_iter().map(|line| format!("  {line}")));
    lines.extend(outcome.next.as_ref().map(|next| format!("  {} {}", lang.pick("할 일:", "next:"), lang.of(next))));
    super::table::harmless_lines(&lines.join("\n"))
}

/// What the ledger says was wrong, whatever shape it has: one line per fault.
fn details(detail: &serde_json::Value) -> Vec<String> {
    use serde_json::Value;
    match detail {
        Value::Null => Vec::new(),
        Value::String(line) => vec![line.clone()],
        Value::Array(items) => items.iter().flat_map(details).collect(),
        Value::Object(fault) => {
            let number = |name: &str| fault.get(name).and_then(Value::as_u64);
            let row = number("row").map(|row| format!("row {row}: "));
            let event = row.or_else(|| number("event").map(|event| format!("event {event}: ")));
            let told = fault.get("detail").and_then(Value::as_str).map(str::to_owned);
            vec![format!("{}{}", event.unwrap_or_default(), told.unwrap_or_else(|| detail.to_string()))]
        }
        other => vec![other.to_string()],
    }
}

/// The failure that stands for an outcome, where the program ends with it.
#[must_use]
pub fn failure(outcome: &Outcome) -> Failure {
    let failure = Failure::new(outcome.exit, outcome.text.ko.clone(), outcome.text.en.clone());
    match &outcome.next {
        Some(next) => failure.next(next.ko.clone(), next.en.clone()),
        None => failure,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn state(verdict: &str, code: Option<&str>, detail: Value) -> Delivered {
        let code = code.map(str::to_owned);
        Delivered::Recorded(ReportState::Recorded { index: 41, verdict: verdict.into(), code, detail })
    }

    #[test]
    fn every_delivery_has_one_exit_code() {
        let denied = AppendError::NotPermitted { subject: "ledger.report.mcee.x".into() };
        for (delivered, name, exit) in [
            (state("accepted", None, Value::Null), "accepted", Exit::Ok),
            (state("duplicate", None, Value::Null), "duplicate", Exit::Ok),
            (state("refused", Some("not-authorised"), Value::Null), "refused", Exit::Found),
            (state("refused", Some("code-of-tomorrow"), Value::Null), "refused", Exit::Found),
            (Delivered::Sent { sequence: Some(7) }, "unknown", Exit::Unknown),
            (Delivered::Doubt { why: "timeout".into() }, "unknown", Exit::Unknown),
            (Delivered::Failed { error: denied, withdrawn: true }, "not-permitted", Exit::Permission),
        ] {
            let outcome = outcome(&delivered);
            assert_eq!((outcome.state, outcome.exit), (name, exit), "{delivered:?}");
            assert!(!outcome.text.ko.is_empty() && !outcome.text.en.is_empty());
        }
    }

    #[test]
    fn a_refusal_says_why_and_what_to_do() {
        let outcome = outcome(&state(
            "refused",
            Some("data-invalid"),
            json!([{"event": 2, "code": "x", "detail": "/count: too small"}]),
        ));
        assert_eq!(details(&outcome.detail), ["event 2: /count: too small"]);
        assert!(outcome.next.is_some() && outcome.text.en.contains("entry 41"));
    }
}
