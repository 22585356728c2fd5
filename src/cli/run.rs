//! `jindo run`: projector and HTTP against a NATS that others run. The ledger must exist; `jindo up` or `catalogue apply`
//! fill it. With the log's key in DIR/keys/log.nk, mode 0600, it publishes checkpoints. `--follow` is a read replica: it reads the stream and serves, adopts the checkpoints that the writer signs, and answers no
//! publishers.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::Context;
use super::exit::{Exit, could};
use super::ledger::Running;
use super::up;
use crate::limits::{CLUSTER_ASK_MS, CLUSTER_START_MS, DRAIN_S_MAX};
use crate::serve::intake::Intake;
use crate::serve::live::Live;
use crate::sign::KeyPair;
use crate::stream::{Link, StreamError};

/// Projector and HTTP against an existing NATS
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  jindo run --nats nats://10.0.0.5:4222 --key-file keys/operator.nk
  jindo run --nats nats://10.0.0.5:4222,nats://10.0.0.6:4222,nats://10.0.0.7:4222 --key-file keys/operator.nk --replicas 3
  jindo run --nats nats://10.0.0.5:4222 --key-file keys/reader.nk --follow --http 127.0.0.1:8181 --drain 10")]
pub struct Args {
    /// NATS address, or several of a cluster with commas between them
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
    /// Seconds to go on serving after a signal while /readyz says 503, so that a load balancer sends readers elsewhere
    #[arg(long, default_value_t = 0, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(..=DRAIN_S_MAX))]
    drain: u64,
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

/// What a cluster answers once it has a leader: while it elects one it answers nothing.
async fn elected<T>(link: &Link, ask: impl AsyncFn() -> anyhow::Result<T>) -> anyhow::Result<T> {
    let patience = Instant::now() + Duration::from_millis(CLUSTER_START_MS);
    loop {
        match ask().await {
            Err(error) if link.has_several() && Instant::now() < patience && is_passing(&error) => {
                tracing::info!(%error, "the cluster does not answer yet");
                tokio::time::sleep(Duration::from_millis(CLUSTER_ASK_MS)).await;
            }
            answer => return answer,
        }
    }
}

fn is_passing(error: &anyhow::Error) -> bool {
    error.downcast_ref::<StreamError>().is_some_and(StreamError::is_passing)
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
    let listener = up::listening(args.http)?;
    let link = up::operator_link(&args.nats, &operator, "jindo projector").await?;
    let declare = (!args.follow).then_some(args.replicas);
    let found = elected(&link, async || up::stream_of(&link, &core, args.stream, declare).await).await?;
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
        true => up::follow(&args.nats, &operator, data, &stream, &projector.shared).await?,
        false => {
            let (url, operator, stream) = (args.nats.as_str(), &operator, stream.as_str());
            up::beat(up::Beating { url, operator, data, stream, founding: false, watch }, &projector.shared).await?
        }
    };
    let mut live = Live::new(projector.shared.clone(), true);
    if !args.follow {
        live = live.with_intake(Intake::new(up::operator_link(&args.nats, &operator, "jindo gateway").await?, &stream));
    }
    let (http, stop, serving) = up::http(listener, live)?;
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
    projector.shared.stopping();
    tokio::select! {
        () = tokio::time::sleep(Duration::from_secs(args.drain)) => {}
        // Asked twice: at once.
        () = ended.wait() => {}
    }
    let _ = stop.send(true);
    let _ = serving.await;
    tasks.iter().for_each(tokio::task::JoinHandle::abort);
    let halted = projector.stop().await;
    up::end(beat).await;
    let _ = std::fs::remove_file(data.join("running.json"));
    halted.map_err(|halt| could(format!("접수가 멈췄습니다: {halt}"), format!("intake halted: {halt}")))?;
    Ok(Exit::Ok)
}
