//! `jindo rebuild`: the read models anew from the log, beside the ones there are; digests compared; then switched.
//!
//! A running ledger does it itself, asked over NATS with the operator's key, and goes on serving and recording meanwhile
//! ([`crate::projector::rebuild`]). A stopped one is rebuilt here, from the log folder alone.

use super::Context;
use super::exit::{Exit, could, file};
use super::ledger::Running;
use super::{out, progress};
use crate::log::tail::{Tail, TailFault};
use crate::projector::core::Core;
use crate::projector::rebuild::Rebuilt;
use crate::projector::service::REBUILD_SUBJECT;
use crate::sign::hex;

/// Make the read models anew from the log
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  jindo rebuild                    fold ./data/log into a new store, compare, switch
  jindo rebuild --keep             compare only; exit 1 where the digests differ

A running ledger is asked to do it and goes on meanwhile: reads never stop. A stopped one is rebuilt without NATS.")]
pub struct Args {
    /// Compare only: leave the store that there is
    #[arg(long)]
    keep: bool,
}

/// Rebuilds.
///
/// # Errors
/// A running ledger, an unreadable log, a full disk.
pub fn run(args: Args, context: &Context) -> anyhow::Result<Exit> {
    let (log, store) = (context.data.join("log"), context.data.join("store"));
    let beside = context.data.join("store.rebuild");
    if !log.exists() {
        // A mistyped folder must not become a ledger.
        let folder = log.display();
        return Err(could(format!("로그 폴더 {folder}이(가) 없습니다"), format!("there is no log folder {folder}"))
            .next("--data DIR을 확인하세요.", "check --data DIR")
            .into());
    }
    if let Err(TailFault::Locked(_)) = Tail::open(&log) {
        let told = super::runtime()?.block_on(asked(&args, context))?;
        return end(&told, context);
    }
    if beside.exists() {
        std::fs::remove_dir_all(&beside).map_err(|error| file(&beside, &error))?;
    }
    let bar = progress::bar("rebuilding");
    let fresh = fold(&log, &beside, &bar);
    bar.finish();
    let (digest, size) = fresh?;
    let held = store.exists().then(|| fold(&log, &store, &progress::bar("opening")));
    let held = held.map(|held| held.map(|(digest, _)| digest).ok());
    let same = held.as_ref().map(|held| *held == Some(digest));
    if !args.keep {
        if store.exists() {
            crate::store::set_aside(&store)?;
        }
        std::fs::rename(&beside, &store).map_err(|error| file(&store, &error))?;
    } else {
        std::fs::remove_dir_all(&beside).map_err(|error| file(&beside, &error))?;
    }
    end(&Rebuilt { size, digest: hex::encode(&digest), equal: same, switched: !args.keep }, context)
}

/// Asks the running ledger.
async fn asked(args: &Args, context: &Context) -> anyhow::Result<Rebuilt> {
    let running = Running::read(context)?;
    let operator = super::run::operator_key(&context.data.join("keys/operator.nk"))?;
    let link = super::up::operator_link(&running.nats, &operator, "jindo rebuild").await?;
    let failed = |why: String| {
        could(
            format!("실행 중인 원장이 다시 만들지 못했습니다: {why}"),
            format!("the running ledger could not do it: {why}"),
        )
        .next("원장을 멈춘 뒤 다시 실행하세요.", "stop the ledger, then run this again")
    };
    let payload = serde_json::json!({ "switch": !args.keep }).to_string();
    let request = async_nats::Request::new().payload(payload.into()).timeout(None);
    let bar = progress::bar("rebuilding");
    let reply = link.client.send_request(REBUILD_SUBJECT, request).await;
    bar.finish();
    let reply = reply.map_err(|error| failed(error.to_string()))?;
    let fault = reply.headers.as_ref().and_then(|headers| headers.get(async_nats::service::NATS_SERVICE_ERROR));
    if let Some(fault) = fault {
        return Err(failed(fault.to_string()).into());
    }
    Ok(serde_json::from_slice(&reply.payload).map_err(|error| failed(error.to_string()))?)
}

fn fold(log: &std::path::Path, store: &std::path::Path, bar: &progress::Bar) -> anyhow::Result<([u8; 32], u64)> {
    let failed = |halt| could(format!("로그를 접을 수 없습니다: {halt}"), format!("the log cannot be folded: {halt}"));
    let core = Core::open(log, store, &mut |done, all| bar.set(done, all)).map_err(failed)?;
    let told = (core.digest(), core.size());
    core.close().map_err(failed)?;
    Ok(told)
}

fn end(told: &Rebuilt, context: &Context) -> anyhow::Result<Exit> {
    let exit = if told.equal == Some(false) { Exit::Found } else { Exit::Ok };
    if context.json {
        out::json(told)?;
        return Ok(exit);
    }
    let verdict = match told.equal {
        Some(true) => context.lang.pick("이전 조회 모형과 같음", "equal to the store there was"),
        Some(false) => context.lang.pick("이전 조회 모형과 다름", "differs from the store there was"),
        None => context.lang.pick("이전 조회 모형 없음", "there was no store"),
    };
    out::text(&format!("{} {}  {}  {verdict}", told.size, context.lang.pick("항목", "entries"), told.digest))?;
    Ok(exit)
}
