//! `jindo recover`: NATS lost acknowledged reports; the ledger goes on in the next stream. What it does and in what order
//! stands in [`crate::projector::recover`]; here are keys, connections and the page that says what was found and done.
//!
//! Needs the ledger stopped: the log has one writer. Where `jindo up` runs its own nats-server, that one is started for the
//! time of the recovery, with the operator as its only user.

use std::path::{Path, PathBuf};

use super::exit::{Exit, Failure, could, file};
use super::{Context, Lang, out, progress, run, up};
use crate::log::folder::LogFolder;
use crate::log::tail::{Tail, TailFault};
use crate::projector::recover::{Ending, Recover, RecoverError, Recovery, Step, Survey, Wrong, recover};
use crate::sign::KeyPair;
use crate::stream::{NatsConfig, Server};

/// Go on in a new stream after NATS lost acknowledged reports
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  jindo recover --dry-run                   what is wrong, and what would be done
  jindo recover                             a ledger of `jindo up`, in ./data: its nats-server is started for it
  jindo recover --nats nats://10.0.0.5:4222 --key-file keys/operator.nk

Stop the ledger first. Entries, hashes and receipts stay what they are: the damaged stream is sealed and kept, the next one
begins behind the last entry, and what the old one holds beyond the log is brought into it as new entries. Reports that NATS
lost before they were recorded are in their publishers' outboxes, which send them again. Run twice it does nothing.

Exit: 0 nothing to do, or done; 2 it could not be done.")]
pub struct Args {
    /// NATS address [default: the nats-server of DIR]
    #[arg(long, env = "JINDO_NATS", value_name = "URL")]
    nats: Option<String>,
    /// Key file of the operator, mode 0600 [default: DIR/keys/operator.nk]
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// Replicas of the new stream, where no old one is left to ask
    #[arg(long, default_value_t = 1, value_name = "N")]
    replicas: u32,
    /// Only look: change nothing
    #[arg(long)]
    dry_run: bool,
}

/// Recovers.
///
/// # Errors
/// A running ledger, no log, no connection, a key that may not.
pub fn run(args: Args, context: &Context) -> anyhow::Result<Exit> {
    super::runtime()?.block_on(recovered(&args, context))
}

async fn recovered(args: &Args, context: &Context) -> anyhow::Result<Exit> {
    let data = &context.data;
    let path = args.key_file.clone().unwrap_or_else(|| data.join("keys/operator.nk"));
    let operator = run::operator_key(&path)?;
    // Before any server is touched: while a ledger runs, its nats-server is its own.
    let tail = held(&data.join("log"))?;
    let server = match &args.nats {
        Some(_) => None,
        None => Some(own_server(data, &operator).await?),
    };
    let url = args.nats.clone().or_else(|| server.as_ref().map(|server| server.url.clone())).unwrap_or_default();
    let told = with(args, &operator, &url, &tail, context).await;
    if let Some(server) = server {
        server.stop().await;
    }
    let told = told?;
    if context.json {
        out::json(&told)?;
    } else {
        out::text(&page(&told, context.lang))?;
    }
    Ok(Exit::Ok)
}

/// Connects and recovers.
async fn with(args: &Args, operator: &KeyPair, url: &str, tail: &Tail, context: &Context) -> anyhow::Result<Recovery> {
    let (data, lang) = (&context.data, context.lang);
    let link = up::operator_link(url, operator, "jindo recover").await?;
    let reading = up::operator_link(url, operator, "jindo recover, reading").await?;
    let folder = LogFolder::new(&data.join("log"));
    let (replicas, dry_run) = (args.replicas, args.dry_run);
    let given = Recover { folder: &folder, tail, link: &link, reading: &reading, replicas, dry_run };
    let bar = progress::bar("recovering");
    let mut watch = |step: Step| {
        match step {
            Step::Comparing(done, all) | Step::Brought(done, all) => bar.set(done, all),
            Step::Retired(number) => eprintln!("{} {number}", lang.pick("스트림 닫음:", "stream retired:")),
            Step::Begun => eprintln!("{}", lang.pick("다음 스트림을 만들었음", "next stream begun")),
            Step::Opened => eprintln!("{}", lang.pick("다음 스트림을 열었음", "next stream opened")),
        }
        true
    };
    let told = recover(&given, &mut watch).await;
    bar.finish();
    Ok(told.map_err(|error| failed(&error))?)
}

/// The log, held as its one writer.
fn held(log: &Path) -> anyhow::Result<Tail> {
    let failed = |fault: &TailFault| {
        let failure = could(format!("로그를 열 수 없습니다: {fault}"), format!("the log cannot be opened: {fault}"));
        match fault {
            TailFault::Locked(_) => failure.next(
                "`jindo up`이나 `jindo run`을 멈춘 뒤 다시 실행하세요.",
                "stop `jindo up` or `jindo run`, then run this again",
            ),
            _ => failure.next("--data DIR을 확인하세요.", "check --data DIR"),
        }
    };
    // Opening for writing would make an empty one.
    if !log.join("tail").exists() {
        return Err(failed(&TailFault::Missing(log.join("tail"))).into());
    }
    Ok(Tail::open(log).map(|(tail, _)| tail).map_err(|fault| failed(&fault))?)
}

/// The nats-server that `jindo up` keeps in this folder, for the operator alone.
async fn own_server(data: &Path, operator: &KeyPair) -> anyhow::Result<Server> {
    let store = data.join("nats/jetstream");
    if !data.join("nats").is_dir() {
        let (ko, en) = ("NATS가 어디에 있는지 알 수 없습니다", "it is not known where NATS is");
        let next = ("--nats URL을 주세요.", "give --nats URL");
        return Err(could(ko, en).next(next.0, next.1).into());
    }
    // Gone as a whole is one of the ways to lose it.
    std::fs::create_dir_all(&store).map_err(|error| file(&store, &error))?;
    let config = NatsConfig {
        name: format!("jindo-{}", operator.public()),
        host: "127.0.0.1".to_owned(),
        port: -1,
        store_dir: std::fs::canonicalize(&store).map_err(|error| file(&store, &error))?,
        cluster: None,
        ports_dir: None,
        log_file: None,
        operators: vec![operator.public().to_owned()],
        agencies: Vec::new(),
        announcers: Vec::new(),
        dashboards: Vec::new(),
    };
    Ok(Server::start(&data.join("nats"), config).await?)
}

fn failed(error: &RecoverError) -> Failure {
    let failure = could(format!("복구하지 못했습니다: {error}"), format!("it could not be recovered: {error}"));
    match error {
        RecoverError::Stream(_) | RecoverError::Read(_) => failure.next(
            "NATS 주소와 운영자 키(--nats, --key-file)를 확인하고 다시 실행하세요. 중단된 곳에서 이어집니다.",
            "check address and operator's key (--nats, --key-file), then run it again: it goes on where it ended",
        ),
        RecoverError::Log(_) | RecoverError::Folder(_) | RecoverError::Entry { .. } => failure.next(
            "`jindo audit`으로 로그를 확인하고 사본에서 되돌리세요.",
            "check the log with `jindo audit`, and restore it from a copy",
        ),
        _ => failure,
    }
}

/// What was found and done, on one page.
fn page(told: &Recovery, lang: Lang) -> String {
    let Recovery { size, stream, surveys, next, brought, .. } = told;
    let mut lines = vec![match lang {
        Lang::Ko => format!("스트림 {stream}, 로그 {size}개 기록"),
        Lang::En => format!("stream {stream}, log of {size} entries"),
    }];
    lines.push(format!("  {}", found(told.wrong, lang)));
    lines.extend(surveys.iter().map(|survey| format!("  {}", compared(survey, lang))));
    let next = next.as_deref().unwrap_or_default();
    let first = size + 1;
    lines.push(match (told.state, lang) {
        (Ending::Nothing, Lang::Ko) => "할 일이 없습니다.".to_owned(),
        (Ending::Nothing, Lang::En) => "Nothing to do.".to_owned(),
        (Ending::Damaged, Lang::Ko) => format!(
            "바꾼 것이 없습니다. `jindo recover`는 옛 스트림을 봉인하고 {next}을(를) 순번 {first}부터 시작해 {brought}건을 새 기록으로 옮깁니다."
        ),
        (Ending::Damaged, Lang::En) => format!(
            "Nothing was changed. `jindo recover` would seal the old stream, begin {next} at sequence {first}, and bring {brought} messages into it as new entries."
        ),
        (Ending::Recovered, Lang::Ko) => format!(
            "복구했습니다: 옛 스트림을 봉인했고, {next}이(가) 순번 {first}부터 접수하며, {brought}건을 새 기록으로 옮겼습니다.\n로그의 기록, 해시, 접수증은 그대로입니다. 기록되기 전에 NATS가 잃은 보고는 각 기관의 발신함이 다시 보냅니다.\n할 일: `jindo up` 또는 `jindo run`을 시작하고 `jindo audit`으로 확인하세요."
        ),
        (Ending::Recovered, Lang::En) => format!(
            "Recovered: the old stream is sealed, {next} takes reports from sequence {first} on, {brought} messages were brought into it as new entries.\nEntries, hashes and receipts of the log are what they were. Reports that NATS lost before they were recorded are sent again by their outboxes.\nnext: start `jindo up` or `jindo run`, and check with `jindo audit`."
        ),
    });
    lines.join("\n")
}

fn found(wrong: Option<Wrong>, lang: Lang) -> &'static str {
    match wrong {
        None => lang.pick("로그와 일치합니다.", "It agrees with the log."),
        Some(Wrong::Gone) => lang.pick("스트림이 없습니다: 지워졌거나 잃었습니다.", "It is gone: deleted, or lost."),
        Some(Wrong::Unfinished) => lang.pick("끝나지 않은 복구가 있습니다.", "A recovery of it did not end."),
        Some(Wrong::Differs) => lang.pick(
            "로그에 있는 것과 다른 메시지가 있습니다: 옛 사본으로 되돌려진 뒤 새 보고를 받았습니다.",
            "It holds other messages than the log has: an older copy was put back, and took new reports.",
        ),
        Some(Wrong::Hole) => lang.pick("중간에 빠진 메시지가 있습니다.", "Messages in its middle are gone."),
        Some(Wrong::Short) => lang.pick("로그보다 먼저 끝납니다.", "It ends before the log does."),
    }
}

fn compared(survey: &Survey, lang: Lang) -> String {
    let Survey { stream, last, agree, agree_upto, missing, holes, differing, beyond, .. } = survey;
    match lang {
        Lang::Ko => format!(
            "{stream}: 마지막 순번 {last}, {agree_upto}까지 온전함; 일치 {agree}, 사라짐 {missing}, 빈 순번 {holes}, 다름 {differing}, 로그 뒤 {beyond}"
        ),
        Lang::En => format!(
            "{stream}: ends at {last}, whole up to {agree_upto}; {agree} agree, {missing} gone, {holes} empty sequences, {differing} differ, {beyond} behind the log"
        ),
    }
}
