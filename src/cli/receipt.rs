//! `jindo receipt`: the proof that one entry is in the log, asked of the running ledger. `jindo verify` checks it.

use std::io::Write as _;
use std::path::PathBuf;

use super::exit::{Exit, could, file, usage};
use super::ledger::{Ledger, segment};
use super::{Context, out};
use crate::event::lang::Lang;
use crate::log::receipt::Receipt;
use crate::projector::receipts::Name;

/// Fetch the receipt of an entry
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  jindo receipt 41 --out 41.tlog-proof                     by the index of the entry
  jindo receipt 0198c0de-0000-7000-8000-000000000001        by the id of an accepted event
  jindo verify 41.tlog-proof --vkey ledger.vkey

A receipt is given once a published checkpoint covers the entry, and verifies offline for ever. It carries the entry.")]
pub struct Args {
    /// Event id, entry index, or SHA-256 of a report's signature (the compact JWS)
    id: String,
    /// Agency whose event is meant, where several use the id
    #[arg(long, value_name = "CODE")]
    agency: Option<String>,
    /// File for the receipt [default: standard output]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Fetches it.
///
/// # Errors
/// No such entry, not yet in a checkpoint, no ledger.
pub fn run(args: Args, context: &Context) -> anyhow::Result<Exit> {
    let id = &args.id;
    if Name::parse(id).is_none() {
        return Err(usage(
            format!("'{id}'은(는) 사건 UUID, 항목 번호, 서명의 SHA-256 가운데 어느 것도 아닙니다"),
            format!("'{id}' is no event UUID, entry index or SHA-256 of a signature"),
        )
        .next(
            "`jindo report`가 출력한 사건 id나, `jindo replay`가 보여 주는 항목 번호를 주세요.",
            "give the event id that `jindo report` printed, or the entry index that `jindo replay` shows",
        )
        .into());
    }
    let query: Vec<_> = args.agency.iter().map(|code| ("agency", code.clone())).collect();
    let ledger = Ledger::find(context)?;
    let text = ledger.get_text(&format!("/v1/receipts/{}", segment(id)), &query)?.ok_or_else(|| {
        could(format!("'{id}'인 항목이 없습니다"), format!("no entry is named '{id}'")).next(
            "반려된 보고는 항목 번호로 찾으세요. `jindo replay --refused`가 보여 줍니다.",
            "a refused report has its entry index only: `jindo replay --refused` lists them",
        )
    })?;
    let broken = |error: crate::log::receipt::ReceiptFault| could(error.to_string(), error.to_string());
    let index = Receipt::parse(&text).map_err(broken)?.index;
    match &args.out {
        Some(path) => {
            let mut writer = out::writer(Some(path))?;
            writer.write_all(text.as_bytes()).and_then(|()| writer.flush()).map_err(|error| file(path, &error))?;
            let shown = path.display();
            match context.lang {
                Lang::Ko => eprintln!("{index}번 기록의 접수증을 {shown}에 저장했습니다"),
                Lang::En => eprintln!("{index}: its receipt is in {shown}"),
            }
        }
        None => out::text(&text)?,
    }
    Ok(Exit::Ok)
}
