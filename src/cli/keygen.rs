//! `jindo keygen`: an agency's key pair. The seed goes into a new file with mode 0600 and nowhere else.

use std::path::PathBuf;

use serde_json::json;

use crate::event::subject::{OWN_KEYS, is_agency_code};
use crate::sign::{KeyFault, KeyPair};

use super::exit::{Exit, could, file, usage};
use super::{Context, out};
use crate::event::lang::Lang;

/// Make an agency's key pair
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  jindo keygen keco                        seed in DIR/keys/keco.nk, public key on standard output
  jindo keygen keco --out /etc/jindo/keco-2.nk

The seed never leaves its file. Give the public key (U…) to the authority, which registers it, or sign it in with a key
that is registered already. One key per publishing process.")]
pub struct Args {
    /// Agency code
    agency: String,
    /// File for the seed [default: DIR/keys/AGENCY.nk]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Makes it.
///
/// # Errors
/// The file exists or cannot be written.
pub fn run(args: Args, context: &Context) -> anyhow::Result<Exit> {
    if !is_agency_code(&args.agency) && !OWN_KEYS.contains(&args.agency.as_str()) {
        let code = &args.agency;
        return Err(usage(format!("'{code}'는 기관 코드가 아닙니다"), format!("'{code}' is no agency code"))
            .next("소문자, 숫자, 하이픈으로 2~32자입니다. 예: keco", "2 to 32 of a-z, 0-9 and -, such as keco")
            .into());
    }
    let path = args.out.unwrap_or_else(|| context.data.join("keys").join(format!("{}.nk", args.agency)));
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).map_err(|error| file(folder, &error))?;
    }
    let failed = |error: KeyFault| could(error.to_string(), error.to_string());
    let pair = KeyPair::generate().map_err(failed)?;
    pair.save_new(&path).map_err(|error| match error {
        KeyFault::Exists(_) => failed(error).next(
            "있는 키를 그대로 쓰거나, 새 키는 --out FILE로 다른 파일에 만들어 `jindo key add`로 등록하세요.",
            "use the key that is there; for another one give --out FILE, and register it with `jindo key add`",
        ),
        error => failed(error),
    })?;
    let (public, shown) = (pair.public(), path.display());
    if context.json {
        out::json(&json!({"agency": args.agency, "public": public, "file": shown.to_string()}))?;
        return Ok(Exit::Ok);
    }
    out::text(public)?;
    match context.lang {
        Lang::Ko => eprintln!("시드는 {shown}에 있습니다 (0600). 공개 키를 주무 부처에 등록하세요."),
        Lang::En => eprintln!("the seed is in {shown} (mode 0600); have the authority register the public key"),
    }
    Ok(Exit::Ok)
}
