//! `jindo rebuild`: the read models anew from the log, beside the ones there are; digests compared; then switched.
//!
//! Needs the ledger stopped: log and store have one writer. The old store is kept aside until the new one is in place.

use super::Context;
use super::exit::{Exit, could, file};
use super::{out, progress};
use crate::projector::core::Core;
use crate::sign::hex;

/// Make the read models anew from the log
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  jindo rebuild                    fold ./data/log into a new store, compare, switch
  jindo rebuild --keep             compare only; exit 1 where the digests differ")]
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
    tell(context, size, &digest, same, args.keep)?;
    Ok(if same == Some(false) { Exit::Found } else { Exit::Ok })
}

fn fold(log: &std::path::Path, store: &std::path::Path, bar: &progress::Bar) -> anyhow::Result<([u8; 32], u64)> {
    let failed = |halt| could(format!("로그를 접을 수 없습니다: {halt}"), format!("the log cannot be folded: {halt}"));
    let core = Core::open(log, store, &mut |done, all| bar.set(done, all)).map_err(failed)?;
    let told = (core.digest(), core.size());
    core.close().map_err(failed)?;
    Ok(told)
}

fn tell(context: &Context, size: u64, digest: &[u8; 32], same: Option<bool>, kept: bool) -> anyhow::Result<()> {
    let digest = hex::encode(digest);
    if context.json {
        return out::json(&serde_json::json!({ "size": size, "digest": digest, "equal": same, "switched": !kept }));
    }
    let verdict = match same {
        Some(true) => context.lang.pick("이전 조회 모형과 같음", "equal to the store there was"),
        Some(false) => context.lang.pick("이전 조회 모형과 다름", "differs from the store there was"),
        None => context.lang.pick("이전 조회 모형 없음", "there was no store"),
    };
    out::text(&format!("{size} {}  {digest}  {verdict}", context.lang.pick("항목", "entries")))
}
