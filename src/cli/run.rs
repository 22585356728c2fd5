//! `jindo run`: projector and HTTP against a NATS that others run. The ledger must exist; `jindo up` or `catalogue apply`
//! fill it. With the log's key in DIR/keys/log.nk, mode 0600, it publishes checkpoints. `--follow` is a read replica: it reads the stream and serves, and answers no publishers.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::Context;
use super::exit::{Exit, could};
use super::ledger::Running;
use super::up;
use crate::serve::intake::Intake;
use crate::serve::live::Live;
use crate::sign::KeyPair;

/// Projector and HTTP against an existing NATS
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  jindo run --nats nats://10.0.0.5:4222 --key-file keys/operator.nk
  jindo run --nats nats://10.0.0.5:4222 --key-file keys/reader.nk --follow --http 127.0.0.1:8181")]
pub struct Args {
    /// NATS address
    #[arg(long, env = "JINDO_NATS", value_name = "URL")]
    nats: String,
    /// Key file of the operator, mode 0600 [default: DIR/keys/operator.nk]
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// Address of HTTP
    #[arg(long, default_value = "127.0.0.1:8180", value_name = "ADDR")]
    http: SocketAddr,
    /// Number of the stream, LEDGER_<n> [default: the newest]
    #[arg(long, value_name = "N")]
    stream: Option<u32>,
    /// Replicas of a stream that is declared anew
    #[arg(long, default_value_t = 1, value_name = "N")]
    replicas: u32,
    /// Witnesses that must cosign checkpoints, a C2SP tlog-policy [default: DIR/witnesses.policy, where it exists]
    #[arg(long, value_name = "FILE")]
    witnesses: Option<PathBuf>,
    /// Address that reminders are sent to, signed with DIR/keys/webhook.secret
    #[arg(long, env = "JINDO_WEBHOOK", hide_env_values = true, value_name = "URL")]
    webhook: Option<String>,
    /// Read replica: declares nothing, announces nothing, answers no publishers
    #[arg(long)]
    follow: bool,
}

/// The operator's key.
pub(super) fn operator_key(path: &Path) -> anyhow::Result<KeyPair> {
    Ok(KeyPair::load(path).map_err(|fault| {
        could(format!("키 파일 {}: {fault}", path.display()), format!("key file {}: {fault}", path.display())).next(
            "--key-file을 주거나 `jindo keygen operator`로 만드세요.",
            "give --key-file, or make one with `jindo keygen operator`",
        )
    })?)
}

/// The key that may write the bucket, beside the operator's; without it dashboards get nothing over NATS.
fn announcer_key(path: &Path) -> anyhow::Result<Option<KeyPair>> {
    if !path.exists() {
        tracing::warn!(path = %path.display(), "no announcer's key: the bucket PROGRESS is not filled");
        return Ok(None);
    }
    operator_key(path).map(Some)
}

/// Runs until a signal.
///
/// # Errors
/// What could not be started, and why.
pub fn run(args: Args, context: &Context) -> anyhow::Result<Exit> {
    super::runtime()?.block_on(serve(&args, context))
}

async fn serve(args: &Args, context: &Context) -> anyhow::Result<Exit> {
    let data = &context.data;
    let path = args.key_file.clone().unwrap_or_else(|| data.join("keys/operator.nk"));
    let operator = operator_key(&path)?;
    let watch = up::witnesses::read(args.witnesses.as_deref(), data)?;
    std::fs::create_dir_all(data.join("log")).map_err(|error| super::exit::file(data, &error))?;
    let core = up::open(data)?;
    let link = up::operator_link(&args.nats, &operator, "jindo projector").await?;
    let declare = (!args.follow).then_some(args.replicas);
    let found = up::stream_of(&link, &core, args.stream, declare).await?;
    let (projector, stream) = up::projector(core, link, data, found).await?;
    let tasks = match args.follow {
        true => Vec::new(),
        false => {
            let announcer = announcer_key(&path.with_file_name("announcer.nk"))?;
            let mut tasks = up::attend(&args.nats, &operator, announcer.as_ref(), &projector.shared, &stream).await?;
            tasks.extend(up::remind(args.webhook.as_deref(), data, &projector.shared)?);
            tasks
        }
    };
    let beat = match args.follow {
        true => None,
        false => {
            let (url, operator, stream) = (args.nats.as_str(), &operator, stream.as_str());
            up::beat(up::Beating { url, operator, data, stream, founding: false, watch }, &projector.shared).await?
        }
    };
    let mut live = Live::new(projector.shared.clone(), true);
    if !args.follow {
        live = live.with_intake(Intake::new(up::operator_link(&args.nats, &operator, "jindo gateway").await?, &stream));
    }
    let (http, stop, serving) = up::http(args.http, live).await?;
    let running = Running {
        http: format!("http://{http}"),
        nats: args.nats.clone(),
        origin: projector.shared.registry().origin.clone(),
        pid: std::process::id(),
        stream,
    };
    let mut ended = up::Stop::listen()?;
    up::write_running(data, &running)?;
    println!("ready http={} nats={}", running.http, running.nats);
    ended.wait().await;
    let _ = stop.send(true);
    let _ = serving.await;
    tasks.iter().for_each(tokio::task::JoinHandle::abort);
    let halted = projector.stop().await;
    up::end(beat).await;
    let _ = std::fs::remove_file(data.join("running.json"));
    halted.map_err(|halt| could(format!("접수가 멈췄습니다: {halt}"), format!("intake halted: {halt}")))?;
    Ok(Exit::Ok)
}
