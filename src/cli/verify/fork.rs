//! Evidence of a fork, verified and told.

use serde_json::{Value, json};

use super::trust::{Trust, is_of_other};
use super::{does_not_hold, moment, no_log};
use crate::cli::exit::Exit;
use crate::cli::table::harmless_lines;
use crate::cli::{Context, out};
use crate::event::lang::Lang;
use crate::log::checkpoint::{CheckpointFault, Head};
use crate::log::fork::{Fork, ForkFault, Forked};
use crate::log::note::NoteFault;
use crate::log::policy::Policy;
use crate::log::receipt::ReceiptFault;
use crate::sign::hex;

/// Verifies it.
///
/// # Errors
/// There is no key to verify with; standard output is closed.
pub fn run(text: &str, trust: &Trust, policy: Option<&Policy>, context: &Context) -> anyhow::Result<Exit> {
    let is_of_other = |fault: &ForkFault| match fault {
        ForkFault::Key(fault) => is_of_other(fault),
        ForkFault::Checkpoint { fault, .. } => {
            matches!(fault, CheckpointFault::Note(NoteFault::Unsigned(_)) | CheckpointFault::Origin { .. })
        }
        _ => false,
    };
    match Fork::parse(text).and_then(|fork| trust.any(|key| fork.verify(key, policy), is_of_other)) {
        Ok(forked) => {
            if context.json {
                out::json(&shown(&forked))?;
            } else {
                out::text(&harmless_lines(&said(&forked, context.lang)))?;
            }
            Ok(Exit::Ok)
        }
        Err(ForkFault::Key(ReceiptFault::NoKey)) => Err(no_log().into()),
        Err(fault) => {
            let what = ("확인 실패: 이 파일은 분기를 증명하지 못합니다", "NOT OK: this file proves no fork");
            does_not_hold(what, &fault.to_string(), context)
        }
    }
}

fn shown(forked: &Forked) -> Value {
    let head = |head: &Head| json!({ "size": head.size, "root": hex::encode(&head.root) });
    let cosigned = |(name, of, time): &(String, Head, u64)| json!({ "name": name, "of": head(of), "time": moment(*time).to_string() });
    json!({
        "ok": true, "fork": true, "origin": forked.origin, "first": head(&forked.first), "second": head(&forked.second),
        "first_root_at_second": hex::encode(&forked.root),
        "witnesses": forked.witnesses.iter().map(cosigned).collect::<Vec<_>>(),
    })
}

fn said(forked: &Forked, lang: Lang) -> String {
    let (origin, at) = (&forked.origin, forked.second.size);
    let [one, other] = [&forked.root, &forked.second.root].map(|root| hex::encode(root));
    let first = forked.first.size;
    let mut text = match lang {
        Lang::Ko => format!(
            "확인됨: 로그 {origin}의 키가 서로 다른 두 로그에 서명했습니다\n  첫째 {first}건, 그 가운데 앞 {at}건의 루트 {one}\n  \
             둘째 {at}건, 그 루트 {other}\n  둘 다 참일 수 없습니다."
        ),
        Lang::En => format!(
            "OK: it proves that the key of log {origin} signed two different logs\n  \
             first:  {first} entries, root of the first {at} of them {one}\n  \
             second: {at} entries, root {other}\n  Both cannot be true."
        ),
    };
    for (name, of, time) in &forked.witnesses {
        let which = if *of == forked.first { lang.pick("첫째", "first ") } else { lang.pick("둘째", "second") };
        text.push_str(&format!("\n  {} {which} {name} {}", lang.pick("증인", "witness"), moment(*time)));
    }
    text
}
